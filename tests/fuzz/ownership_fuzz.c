/*
 * The ownership machine on foreign bytes: a snapshot after two bytes that are
 * its length, then commands, each after a byte that is its length. What loads
 * keeps the laws, what decodes encodes to the same bytes, and no command breaks
 * a law.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "replication/ownership.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct ownership_machine m;

static void
fuzz_command(const uint8_t *p, size_t n)
{
	uint8_t out[OWNERSHIP_COMMAND_MAX];
	struct ownership_command c;
	struct err e;

	if (ownership_decode(&c, p, n, &e) != 0)
		return;
	assert(ownership_encode(&c, out, &e) == (long)n);
	assert(memcmp(out, p, n) == 0);
	ownership_apply(&m, &c, &e);
	assert(ownership_check(&m) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf b = BUF_INIT;
	size_t length, at;
	struct err e;

	if (n < 2)
		return 0;
	length = data[0] | (size_t)data[1] << 8;
	length = length < n - 2 ? length : n - 2;
	if (ownership_load(&m, data + 2, length, &e) == 0) {
		ownership_save(&m, &b);
		assert(
		    b.len == length && memcmp(b.data, data + 2, length) == 0);
		buf_fini(&b);
	}
	for (at = length + 2; at < n && at + 1 + data[at] <= n;
	     at += 1u + data[at])
		fuzz_command(data + at + 1, data[at]);
	return 0;
}
