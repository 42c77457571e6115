/*
 * What one quorum process says to another, as a stream of frames. What
 * decodes, encodes to the same bytes; a proposal's command is decoded too.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/quorum/quorum.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_again(const struct frame *f, const uint8_t *p, size_t n)
{
	struct buf b = BUF_INIT;

	frame_encode(&b, f);
	assert(b.len == n && memcmp(b.data, p, n) == 0);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct ownership_command c;
	struct frame f;
	struct err e;
	size_t at = 0;
	long got;

	memcpy(copy, data, n);
	while ((got = frame_decode(&f, copy + at, n - at, &e)) > 0) {
		assert((size_t)got <= n - at);
		fuzz_again(&f, copy + at, (size_t)got);
		if (f.type == FRAME_PROPOSE)
			quorum_entry_decode(&c, f.bytes, f.n, &e);
		at += (size_t)got;
	}
	free(copy);
	return 0;
}
