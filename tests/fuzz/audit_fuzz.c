/* Lines and heads of an audit are foreign bytes: somebody may have changed
 * them. What parses is what would be written again. */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "daemon/control/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A line that was made of the bytes is understood as they are. */
static void
fuzz_made(const uint8_t *data, size_t n)
{
	char hash[AUDIT_HASH], *json = xmalloc(n + 1);
	struct buf b = BUF_INIT;
	struct audit_line l;

	memcpy(json, data, n);
	json[n] = '\0';
	audit_line_make(&b, n, AUDIT_ZERO, json, hash);
	if (strlen(json) > 0 && b.len < AUDIT_LINE &&
	    (audit_line_parse(&l, b.data, b.len - 1, NULL) != 0 ||
		l.number != n || strcmp(l.hash, hash) != 0 ||
		strncmp(l.json, json, l.n) != 0))
		abort();
	buf_fini(&b);
	free(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char again[AUDIT_HEAD + 1];
	struct audit_head h;
	struct audit_line l;
	struct err e;

	if (audit_line_parse(&l, (const char *)data, n, &e) == 0 &&
	    l.json + l.n != (const char *)data + n)
		abort();
	if (audit_head_parse(&h, (const char *)data, n, &e) == 0) {
		audit_head_make(again, &h);
		if (memcmp(again, data, AUDIT_HEAD) != 0)
			abort();
	}
	fuzz_made(data, n);
	return 0;
}
