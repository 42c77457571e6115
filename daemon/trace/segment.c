/*
 * Files of the recorder, all numbers little-endian. A file:
 *    0   8  "TDMTRC01"
 *    8   8  when it was begun, us of the real clock
 *   16  40  name of the server, zeroes behind it
 *   56   8  sum of the 56 bytes
 *   64   -  blocks, one behind the other
 * A block:
 *    0   4  "TTB1"
 *    4   4  bytes of the index
 *    8   4  bytes of what is stored
 *   12   4  bytes of it when it is unpacked, 262144 at most
 *   16   4  records in it
 *   20   4  records lost in front of it, as the recorder was too slow
 *   24   8  time of the oldest record
 *   32   8  time of the youngest
 *   40  32  process that wrote them ("sg/1"), zeroes behind it
 *   72   8  sum of index and what is stored
 *   80   8  sum of the 80 bytes
 *   88   -  the index: 32-bit hashes, sorted, each once
 *        -  a zstd frame (RFC 8878) of records: for each 4 bytes its length,
 *           8 bytes its number, then itself (trace_record.c)
 * A hash is the lower half of SipHash-1-3 under the key "tandem trace key",
 * of one byte for the kind and the text; a sum is the whole, of the bytes.
 *
 * Everything is looked at before it is believed: a file may have been cut off
 * by a crash or a full disk, or be somebody else's.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "segment.h"
#include "daemon/base/str.h"
#include "replication/ship_record.h"

#define BLOCK_WORD "TTB1"
#define BLOCK_RECORD 12 /* bytes in front of a record */
#define BLOCK_KEYS 6	/* hashes of one record at most */
#define BLOCK_LEVEL 1	/* of zstd: several times what a ring can be filled */

static const uint8_t segment_key[17] = "tandem trace key";

uint32_t
segment_hash(enum segment_kind kind, const char *text, size_t n)
{
	char bytes[257];

	n = n < sizeof bytes ? n : sizeof bytes - 1;
	bytes[0] = (char)kind;
	memcpy(bytes + 1, text, n);
	return (uint32_t)str_hash_key(segment_key, bytes, n + 1);
}

void
segment_file_put(
    uint8_t out[SEGMENT_FILE], const char *server, uint64_t created)
{
	memset(out, 0, SEGMENT_FILE);
	memcpy(out, SEGMENT_WORD, 8);
	ship_put64(out + 8, created);
	str_copy((char *)out + 16, 40, server);
	ship_put64(out + 56, str_hash_key(segment_key, out, 56));
}

int
segment_file_get(const uint8_t *p, size_t n, struct err *e)
{
	if (n < SEGMENT_FILE || memcmp(p, SEGMENT_WORD, 8) != 0 ||
	    ship_get64(p + 56) != str_hash_key(segment_key, p, 56))
		return err_set(e, ERR_CORRUPT, "no file of the recorder");
	return 0;
}

/* ---- a block that is filled ---------------------------------------------- */

int
segment_block_init(struct segment_block *b, const char *instance)
{
	memset(b, 0, sizeof *b);
	str_copy(b->instance, sizeof b->instance, instance);
	b->raw = malloc(SEGMENT_RAW);
	b->hash = malloc(SEGMENT_INDEX * sizeof *b->hash);
	if (b->raw != NULL && b->hash != NULL)
		return 0;
	segment_block_fini(b);
	return -ERR_NOMEM;
}

void
segment_block_fini(struct segment_block *b)
{
	free(b->raw);
	free(b->hash);
	memset(b, 0, sizeof *b);
}

void
segment_block_reset(struct segment_block *b)
{
	b->n = b->nhash = 0;
	b->records = b->lost = 0;
	b->first = b->last = 0;
}

static void
block_key(struct segment_block *b, enum segment_kind kind,
    const struct trace_record *r, enum trace_key key)
{
	const struct trace_span *s = &r->key[key];

	if (s->n > 0)
		b->hash[b->nhash++] = segment_hash(kind, r->text + s->at, s->n);
}

bool
segment_block_add(
    struct segment_block *b, const uint8_t *p, size_t n, uint64_t number)
{
	struct trace_record r;

	if (n > SEGMENT_RAW - BLOCK_RECORD ||
	    trace_record_decode(&r, p, n, NULL) != 0) {
		b->lost++;
		return true;
	}
	if (n + BLOCK_RECORD > SEGMENT_RAW - b->n ||
	    b->nhash > SEGMENT_INDEX - BLOCK_KEYS)
		return false;
	ship_put32(b->raw + b->n, n);
	ship_put64(b->raw + b->n + 4, number);
	memcpy(b->raw + b->n + BLOCK_RECORD, p, n);
	b->n += n + BLOCK_RECORD;
	block_key(b, SEGMENT_CALL_ID, &r, TRACE_CALL_ID);
	block_key(b, SEGMENT_NUMBER, &r, TRACE_FROM);
	block_key(b, SEGMENT_NUMBER, &r, TRACE_TO);
	block_key(b, SEGMENT_NUMBER, &r, TRACE_PARTY);
	block_key(b, SEGMENT_CALL, &r, TRACE_CALL);
	if (b->records++ == 0 || r.time < b->first)
		b->first = r.time;
	if (r.time > b->last)
		b->last = r.time;
	return true;
}

static int
block_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The index into out; its bytes. */
static size_t
block_index(struct segment_block *b, uint8_t *out)
{
	size_t i, n = 0;

	qsort(b->hash, b->nhash, sizeof *b->hash, block_compare);
	for (i = 0; i < b->nhash; i++) {
		if (i > 0 && b->hash[i] == b->hash[i - 1])
			continue;
		ship_put32(out + n, b->hash[i]);
		n += 4;
	}
	return n;
}

static void
block_head(
    const struct segment_block *b, uint8_t *head, size_t index, size_t stored)
{
	memset(head, 0, SEGMENT_HEAD);
	memcpy(head, BLOCK_WORD, 4);
	ship_put32(head + 4, index);
	ship_put32(head + 8, stored);
	ship_put32(head + 12, b->n);
	ship_put32(head + 16, b->records);
	ship_put32(head + 20, b->lost);
	ship_put64(head + 24, b->first);
	ship_put64(head + 32, b->last);
	memcpy(head + 40, b->instance, strlen(b->instance));
	ship_put64(head + 72,
	    str_hash_key(segment_key, head + SEGMENT_HEAD, index + stored));
	ship_put64(head + 80, str_hash_key(segment_key, head, 80));
}

int
segment_block_put(struct segment_block *b, struct buf *out, struct err *e)
{
	size_t room = ZSTD_compressBound(b->n), index, stored;
	uint8_t *head;

	head = (uint8_t *)buf_reserve(
	    out, SEGMENT_HEAD + b->nhash * 4 + room + 1);
	if (head == NULL)
		return err_set(e, ERR_NOMEM, "block of the recorder");
	index = block_index(b, head + SEGMENT_HEAD);
	stored = ZSTD_compress(
	    head + SEGMENT_HEAD + index, room, b->raw, b->n, BLOCK_LEVEL);
	if (ZSTD_isError(stored))
		return err_set(
		    e, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(stored));
	block_head(b, head, index, stored);
	out->len += SEGMENT_HEAD + index + stored;
	return 0;
}

/* ---- a block that is read ------------------------------------------------ */

int
segment_head_get(
    struct segment_head *h, const uint8_t p[SEGMENT_HEAD], struct err *e)
{
	memset(h, 0, sizeof *h);
	if (memcmp(p, BLOCK_WORD, 4) != 0 ||
	    ship_get64(p + 80) != str_hash_key(segment_key, p, 80))
		return err_set(e, ERR_CORRUPT, "no block of the recorder");
	h->index = ship_get32(p + 4);
	h->stored = ship_get32(p + 8);
	h->raw = ship_get32(p + 12);
	h->records = ship_get32(p + 16);
	h->lost = ship_get32(p + 20);
	h->first = ship_get64(p + 24);
	h->last = ship_get64(p + 32);
	h->sum = ship_get64(p + 72);
	memcpy(h->instance, p + 40, SEGMENT_NAME);
	h->instance[SEGMENT_NAME - 1] = '\0';
	if (h->index % 4 != 0 || h->index > SEGMENT_INDEX * 4 ||
	    h->raw > SEGMENT_RAW || h->stored > ZSTD_COMPRESSBOUND(SEGMENT_RAW))
		return err_set(e, ERR_CORRUPT, "block of an impossible size");
	return 0;
}

bool
segment_has(const struct segment_head *h, const uint8_t *index, uint32_t hash)
{
	size_t low = 0, high = h->index / 4, mid;
	uint32_t v;

	while (low < high) {
		mid = (low + high) / 2;
		if ((v = ship_get32(index + 4 * mid)) == hash)
			return true;
		if (v < hash)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

int
segment_unpack(const struct segment_head *h, const uint8_t *index, uint8_t *raw,
    struct err *e)
{
	size_t n;

	if (h->sum != str_hash_key(segment_key, index, h->index + h->stored))
		return err_set(e, ERR_CORRUPT, "block with a wrong sum");
	n = ZSTD_decompress(raw, SEGMENT_RAW, index + h->index, h->stored);
	if (ZSTD_isError(n) || n != h->raw)
		return err_set(e, ERR_CORRUPT, "block that does not unpack");
	return 0;
}

int
segment_next(const uint8_t *raw, size_t n, size_t *at, struct trace_record *r,
    uint64_t *number, struct err *e)
{
	size_t length;

	if (*at == n)
		return 0;
	if (n - *at < BLOCK_RECORD)
		return err_set(e, ERR_CORRUPT, "record cut off");
	length = ship_get32(raw + *at);
	*number = ship_get64(raw + *at + 4);
	if (length > n - *at - BLOCK_RECORD)
		return err_set(e, ERR_CORRUPT, "record cut off");
	if (trace_record_decode(r, raw + *at + BLOCK_RECORD, length, e) != 0)
		return -ERR_CORRUPT;
	*at += BLOCK_RECORD + length;
	return 1;
}
