/* Messages of a leg out of any bytes, each behind a byte that says its length
 * in eights and its direction, as a scenario for either side: refused, or XML
 * in which nothing of theirs is a tag, a comment or the end of a CDATA. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/export.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Each CDATA ends in front of the command that it is of. */
static void
look(const struct buf *b)
{
	const char *at = b->data;

	while ((at = strstr(at, "]]>")) != NULL) {
		at += 3;
		if (strncmp(at, "\n  </send>\n", 11) != 0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *rows = json_array();
	struct buf b = BUF_INIT;
	struct err e;
	size_t size;

	for (; n > 0; data += size, n -= size) {
		bool out = *data & 1;

		size = (size_t)(*data >> 1) * 8;
		data++;
		n--;
		size = size < n ? size : n;
		json_array_append_new(rows,
		    json_pack("{s:I, s:b, s:o}", "corrected", (json_int_t)n,
			"out", (int)out, "text",
			json_stringn_nocheck((const char *)data, size)));
	}
	if (sipp_scenario(&b, rows, true, NULL, &e) == 0)
		look(&b);
	buf_reset(&b);
	if (sipp_scenario(&b, rows, false, NULL, &e) == 0)
		look(&b);
	buf_fini(&b);
	json_decref(rows);
	return 0;
}
