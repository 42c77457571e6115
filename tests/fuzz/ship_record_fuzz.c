/*
 * Ship records as a damaged log would hold them. The checksum stops nearly
 * everything, so it is also put right before a second look: then the decoder
 * and the index alone stand between the bytes and the log.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "replication/log_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Touch all that a decoded record says is there. */
static void
fuzz_look(const struct ship_record *r)
{
	uint64_t sum = 0;
	uint32_t i;

	assert(strlen(r->name) < STREAM_NAME);
	for (i = 0; i < r->npages; i++) {
		assert(ship_record_page(r, i) != 0);
		sum += ship_sum(
		    sum, r->pages + (size_t)i * r->page_size, r->page_size);
	}
}

/* What one index takes, twice: the same record never follows itself. */
static void
fuzz_index(const struct ship_record *r)
{
	struct log_index ix = {.boot = {0}};
	struct log_stream *s;
	struct err e;

	if (r->kind != SHIP_BOOT && (s = log_index_get(&ix, r->name)) != NULL &&
	    r->lsn > 0) {
		s->epoch = r->epoch;
		s->last = s->commit = (struct log_mark){
		    r->epoch, r->lsn - 1, r->prev, r->wal};
	}
	if (log_index_add(&ix, r, 0, 0, NULL, &e) == 0 && r->kind == SHIP_PAGES)
		assert(log_index_add(&ix, r, 0, 0, NULL, &e) != 0);
	log_index_fini(&ix);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct ship_record r;
	struct err e;

	memcpy(copy, data, n);
	if (ship_record_decode(&r, copy, n, &e) == 0)
		fuzz_look(&r);
	if (n >= SHIP_HEAD) {
		ship_put32(copy + 4, (uint32_t)n);
		ship_record_sum(copy, n);
		if (ship_record_decode(&r, copy, n, &e) == 0) {
			fuzz_look(&r);
			fuzz_index(&r);
		}
	}
	free(copy);
	return 0;
}
