/*
 * What a process says to the replicator or it to the process, as bytes in
 * pieces. What decodes, encodes to the same message.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "replication/ship_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A message written again decodes to itself. */
static void
fuzz_again(const struct ship_msg *m)
{
	struct buf b = BUF_INIT;
	struct ship_msg back;
	struct err e;

	if (m->type == SHIP_MSG_SHIP)
		return;
	ship_msg_encode(&b, m);
	assert(!b.failed);
	assert(ship_msg_decode(&back, (const uint8_t *)b.data, b.len, &e) ==
	    (long)b.len);
	assert(back.type == m->type && back.handle == m->handle);
	if (m->type == SHIP_MSG_OPEN || m->type == SHIP_MSG_READ)
		assert(strcmp(back.u.open.name, m->u.open.name) == 0);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct ship_record r;
	struct ship_msg m;
	struct err e;
	size_t at = 0;
	long got;

	memcpy(copy, data, n);
	while (
	    at < n && (got = ship_msg_decode(&m, copy + at, n - at, &e)) > 0) {
		assert((size_t)got <= n - at);
		fuzz_again(&m);
		if (m.type == SHIP_MSG_SHIP)
			ship_record_decode(&r, m.u.ship.bytes, m.u.ship.n, &e);
		at += (size_t)got;
	}
	free(copy);
	return 0;
}
