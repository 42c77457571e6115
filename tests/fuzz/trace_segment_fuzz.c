/* Any bytes as a block of the recorder: refused, or read to its end, and what
 * is read lies within them. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "daemon/base/str.h"
#include "daemon/trace/segment.h"
#include "daemon/trace/trace_media.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const uint8_t key[17] = "tandem trace key";

static void
put(uint8_t *p, uint64_t v, size_t n)
{
	for (; n-- > 0; v >>= 8)
		*p++ = (uint8_t)v;
}

static void
use(const struct trace_record *r, const uint8_t *raw, size_t n)
{
	const struct trace_span *times = &r->key[TRACE_TIMES];
	uint64_t figure[TRACE_FIGURES];
	char out[300];
	size_t k;

	if ((const uint8_t *)r->text < raw ||
	    (const uint8_t *)r->text + r->n > raw + n)
		abort();
	for (k = 0; k < TRACE_KEYS; k++) {
		if ((size_t)r->key[k].at + r->key[k].n > r->n)
			abort();
		trace_key_text(r, (enum trace_key)k, out, sizeof out);
	}
	trace_figures(figure, r->text + times->at, times->n);
}

static void
walk(const uint8_t *raw, size_t n)
{
	struct trace_record r;
	uint64_t number;
	size_t at = 0;

	while (segment_next(raw, n, &at, &r, &number, NULL) == 1)
		use(&r, raw, n);
}

static void
block(const uint8_t *p, size_t n, uint8_t *raw)
{
	struct segment_head h;

	if (n < SEGMENT_HEAD || segment_head_get(&h, p, NULL) != 0 ||
	    h.index + h.stored > n - SEGMENT_HEAD)
		return;
	segment_has(&h, p + SEGMENT_HEAD, segment_hash(SEGMENT_CALL, "x", 1));
	if (segment_unpack(&h, p + SEGMENT_HEAD, raw, NULL) == 0)
		walk(raw, h.raw);
}

/* The same bytes as records, in a block whose sums fit. */
static void
fit(const uint8_t *data, size_t n, uint8_t *raw)
{
	size_t room = ZSTD_compressBound(n), stored;
	uint8_t *p = calloc(1, SEGMENT_HEAD + 8 + room);

	memcpy(p, "TTB1", 4);
	stored = ZSTD_compress(p + SEGMENT_HEAD + 8, room, data, n, 1);
	put(p + 4, 8, 4);
	put(p + 8, stored, 4);
	put(p + 12, n, 4);
	put(p + 72, str_hash_key(key, p + SEGMENT_HEAD, 8 + stored), 8);
	put(p + 80, str_hash_key(key, p, 80), 8);
	block(p, SEGMENT_HEAD + 8 + stored, raw);
	free(p);
}

/* Figures are small enough to be counted with. */
static void
figures(const uint8_t *data, size_t n)
{
	uint64_t figure[TRACE_FIGURES];
	size_t i;

	if (!trace_figures(figure, (const char *)data, n))
		return;
	for (i = 0; i < TRACE_FIGURES; i++) {
		if (figure[i] != TRACE_UNKNOWN &&
		    figure[i] >= UINT64_C(1000000000000000000))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *raw = malloc(SEGMENT_RAW), *copy = malloc(n + 1);
	struct trace_record r;

	memcpy(copy, data, n);
	segment_file_get(copy, n, NULL);
	figures(copy, n);
	block(copy, n, raw);
	if (trace_record_decode(&r, copy, n, NULL) == 0)
		use(&r, copy, n);
	if (n >= SEGMENT_HEAD) {
		memcpy(copy, "TTB1", 4);
		put(copy + 80, str_hash_key(key, copy, 80), 8);
		block(copy, n, raw);
	}
	if (n <= SEGMENT_RAW)
		fit(data, n, raw);
	free(copy);
	free(raw);
	return 0;
}
