/*
 * What the replicator of another server says, as bytes in pieces. What
 * decodes, encodes to the same bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "replication/site_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A message written again decodes to itself, and to the same bytes. */
static void
fuzz_again(const struct site_msg *m)
{
	struct buf b = BUF_INIT, c = BUF_INIT;
	struct site_msg back;
	struct err e;

	site_msg_encode(&b, m);
	assert(!b.failed);
	assert(site_msg_decode(&back, (const uint8_t *)b.data, b.len, &e) ==
	    (long)b.len);
	assert(back.type == m->type && back.handle == m->handle);
	site_msg_encode(&c, &back);
	assert(c.len == b.len && memcmp(c.data, b.data, b.len) == 0);
	buf_fini(&b);
	buf_fini(&c);
}

/* A follower's history is what a leader computes with. */
static void
fuzz_common(const struct site_position *pos)
{
	struct log_stream s = {.last = {.lsn = pos->lsn / 2 + 3},
	    .epochs = {{1, 1}, {3, 5}, {4, pos->lsn / 2 + 2}},
	    .nepochs = 3};
	uint64_t lsn;

	if (log_stream_common(&s, pos->lsn, pos->epochs, pos->nepochs, &lsn))
		assert(lsn <= pos->lsn && lsn <= s.last.lsn);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct ship_record r;
	struct site_msg m;
	struct err e;
	size_t at = 0;
	long got;

	memcpy(copy, data, n);
	while (
	    at < n && (got = site_msg_decode(&m, copy + at, n - at, &e)) > 0) {
		assert((size_t)got <= n - at);
		fuzz_again(&m);
		if (m.type == SITE_MSG_POSITION)
			fuzz_common(&m.u.position);
		if (m.type == SITE_MSG_RECORD)
			ship_record_decode(
			    &r, m.u.record.bytes, m.u.record.n, &e);
		at += (size_t)got;
	}
	free(copy);
	return 0;
}
