/*
 * Ship records. All numbers little-endian; the length is a multiple of 8 and
 * every byte that has no meaning is zero.
 *
 *   0    4  "TSR1"
 *   4    4  length of the record
 *   8    1  kind
 *   9    1  bytes of the name
 *   10   2  zero
 *   12   4  page size
 *   16   8  epoch
 *   24   8  LSN, counted from 1 in each stream, going on over epochs
 *   32   8  sum of the stream's record before this one
 *   40   4  pages of the database after the commit; 0 = more parts follow
 *   44   4  n, the number of pages
 *   48   8  salt of the writer's -wal, as in its header
 *   56   4  first frame of the -wal that the record was made of
 *   60   4  number of those frames
 *   64   8  value 0
 *   72   8  value 1
 *   80   8  value 2
 *   88   8  sum of all other bytes of the record
 *   96   -  name of the stream, filled with zeros to a multiple of 8
 *   -    4n numbers of the pages, filled with zeros to a multiple of 8
 *   -    -  the pages
 *
 * By kind:
 *   PAGES       as above; values are zero
 *   CLAIM       LSN and sum (prev) where this log stands when the epoch
 *               begins: what it holds of the stream behind that is void; value
 *               0 is 1 when another server owns the stream, value 1 the LSN
 *               up to which records of epochs before may still follow
 *   CHECKPOINT  LSN up to which the database file is on disk; LSN 0: a
 *               database that the log does not hold is the beginning
 *   STATE       epoch, LSN, prev, page size, pages and place in the -wal of
 *               the last commit; value 0 the LSN of the checkpoint, value 1
 *               the highest epoch claimed, value 2 the number of the file,
 *               with bit 32 when another server owns the stream, bit 33 when
 *               it began with a database that the log does not hold, and bit
 *               34 when no owner here left its file at that commit
 *   BASE        the same, where a copied database begins; but value 0 is the
 *               LSN from which on the database is whole
 *   PLACE       LSN, sum (prev) and, in value 1, epoch of a record, and where
 *               it stands in the -wal of this server: its file holds that,
 *               and nothing behind it
 *   MIDST       epoch, LSN, prev and place in the -wal of the last record,
 *               behind the STATE when that record is a part or records of
 *               epochs before may follow: value 0 the LSN up to which
 *   BOOT        no name; the values are the boot id
 *
 * The sum is 64 bits in four lanes of words. Each step is a bijection of the
 * lane for a given word and of the word for a given lane, so a change of one
 * word, wherever, always changes the sum. It detects damage; it is no MAC.
 */
#include <string.h>

#include "ship_record.h"

#define SUM_P1 UINT64_C(0x9e3779b97f4a7c15)
#define SUM_P2 UINT64_C(0xd6e8feb86659fd93)
#define SUM_START UINT64_C(0x74616e64656d2031)

uint32_t
ship_get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

uint64_t
ship_get64(const uint8_t *p)
{
	return (uint64_t)ship_get32(p) | (uint64_t)ship_get32(p + 4) << 32;
}

uint32_t
ship_get32be(const uint8_t *p)
{
	return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[0] << 24;
}

void
ship_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

void
ship_put64(uint8_t *p, uint64_t v)
{
	ship_put32(p, (uint32_t)v);
	ship_put32(p + 4, (uint32_t)(v >> 32));
}

static uint64_t
sum_step(uint64_t lane, uint64_t word)
{
	lane = (lane ^ word) * SUM_P1;
	return lane << 29 | lane >> 35;
}

/* Spread every bit over the whole word; a bijection. */
static uint64_t
sum_spread(uint64_t v)
{
	v = (v ^ v >> 32) * SUM_P2;
	v = (v ^ v >> 29) * SUM_P1;
	return v ^ v >> 32;
}

uint64_t
ship_sum(uint64_t from, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t lane[4] = {from ^ SUM_P1, from + SUM_P2, ~from, from};
	uint8_t last[8] = {0};
	uint64_t sum = from + n;
	size_t i;

	for (; n >= 32; n -= 32, p += 32) {
		lane[0] = sum_step(lane[0], ship_get64(p));
		lane[1] = sum_step(lane[1], ship_get64(p + 8));
		lane[2] = sum_step(lane[2], ship_get64(p + 16));
		lane[3] = sum_step(lane[3], ship_get64(p + 24));
	}
	for (i = 0; n >= 8; n -= 8, p += 8, i++)
		lane[i] = sum_step(lane[i], ship_get64(p));
	if (n > 0) {
		memcpy(last, p, n);
		lane[3] = sum_step(lane[3], ship_get64(last));
	}
	for (i = 0; i < 4; i++)
		sum = sum_spread(sum ^ sum_spread(lane[i]));
	return sum;
}

uint32_t
ship_part_frames(uint32_t page_size)
{
	if (page_size < SHIP_PAGE_MIN || page_size > SHIP_PAGE_MAX ||
	    (page_size & (page_size - 1)) != 0)
		return 0;
	return SHIP_PART / page_size;
}

/* Words of [a-z0-9._@-], joined by '/', none of which starts with a dot or
 * an '@'. */
bool
ship_name_ok(const char *name, size_t n)
{
	bool start = true;
	size_t i;

	if (n == 0 || n >= STREAM_NAME)
		return false;
	for (i = 0; i < n; i++) {
		char c = name[i];

		if (c == '/') {
			if (start)
				return false;
			start = true;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '_' ||
			((c == '.' || c == '@') && !start)))
			return false;
		start = false;
	}
	return !start;
}

static size_t
record_round(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

size_t
ship_record_bound(uint32_t page_size, uint32_t nframes)
{
	return SHIP_HEAD + STREAM_NAME + record_round((size_t)nframes * 4) +
	    (size_t)nframes * page_size;
}

/* The sum of the bytes of a record. */
static uint64_t
record_sum(const uint8_t *p, size_t n)
{
	return ship_sum(
	    ship_sum(SUM_START, p, 88), p + SHIP_HEAD, n - SHIP_HEAD);
}

uint64_t
ship_record_sum(uint8_t *p, size_t n)
{
	uint64_t sum = record_sum(p, n);

	ship_put64(p + 88, sum);
	return sum;
}

/* ---- writing ------------------------------------------------------------ */

static const uint8_t *
record_frame(const struct ship_record *r, const uint8_t *frames, uint32_t i)
{
	return frames + (size_t)i * (SHIP_FRAME + r->page_size);
}

/*
 * Which frames are the last of their page: keep[i] for each. Frames number
 * at most SHIP_PART / SHIP_PAGE_MIN, so a table of twice that always has
 * room.
 */
#define RECORD_FRAMES (SHIP_PART / SHIP_PAGE_MIN)
static uint32_t
record_keep(const struct ship_record *r, const uint8_t *frames, uint32_t n,
    bool keep[RECORD_FRAMES])
{
	uint16_t table[RECORD_FRAMES * 2];
	uint32_t size = 8, i, kept = 0;

	while (size < n * 2)
		size *= 2;
	memset(table, 0, size * sizeof table[0]);
	for (i = n; i-- > 0;) {
		uint32_t page = ship_get32be(record_frame(r, frames, i));
		uint32_t at = page * 2654435769u >> 7 & (size - 1);

		while (table[at] != 0 &&
		    ship_get32be(record_frame(r, frames, table[at] - 1u)) !=
			page)
			at = (at + 1) & (size - 1);
		keep[i] = table[at] == 0;
		if (keep[i]) {
			table[at] = (uint16_t)(i + 1);
			kept++;
		}
	}
	return kept;
}

/* Head and name; returns the bytes that they take. */
static size_t
record_put_head(const struct ship_record *r, uint8_t *out, size_t length)
{
	size_t name = strlen(r->name), room = record_round(name);

	memcpy(out, "TSR1", 4);
	ship_put32(out + 4, (uint32_t)length);
	out[8] = (uint8_t)r->kind;
	out[9] = (uint8_t)name;
	out[10] = out[11] = 0;
	ship_put32(out + 12, r->page_size);
	ship_put64(out + 16, r->epoch);
	ship_put64(out + 24, r->lsn);
	ship_put64(out + 32, r->prev);
	ship_put32(out + 40, r->db_pages);
	ship_put32(out + 44, r->npages);
	memcpy(out + 48, &r->wal.salt, 8);
	ship_put32(out + 56, r->wal.first);
	ship_put32(out + 60, r->wal.count);
	ship_put64(out + 64, r->value[0]);
	ship_put64(out + 72, r->value[1]);
	ship_put64(out + 80, r->value[2]);
	ship_put64(out + 88, 0);
	memset(out + SHIP_HEAD, 0, room);
	memcpy(out + SHIP_HEAD, r->name, name);
	return SHIP_HEAD + room;
}

static void
record_put_pages(const struct ship_record *r, const uint8_t *frames,
    uint32_t nframes, const bool *keep, uint8_t *out)
{
	uint8_t *numbers = out;
	uint8_t *pages = out + record_round((size_t)r->npages * 4);
	uint32_t i;

	ship_put32(pages - 4, 0);
	for (i = 0; i < nframes; i++) {
		const uint8_t *f = record_frame(r, frames, i);

		if (!keep[i])
			continue;
		ship_put32(numbers, ship_get32be(f));
		memcpy(pages, f + SHIP_FRAME, r->page_size);
		numbers += 4;
		pages += r->page_size;
	}
}

long
ship_record_encode(struct ship_record *r, const uint8_t *frames,
    uint32_t nframes, uint8_t *out, size_t size)
{
	bool keep[RECORD_FRAMES];
	size_t length, head;

	if (nframes != 0 && nframes > ship_part_frames(r->page_size))
		return -ERR_INVALID;
	r->npages = nframes != 0 ? record_keep(r, frames, nframes, keep) : 0;
	length = SHIP_HEAD + record_round(strlen(r->name)) +
	    record_round((size_t)r->npages * 4) +
	    (size_t)r->npages * r->page_size;
	if (length > size)
		return -ERR_TOOBIG;
	head = record_put_head(r, out, length);
	if (nframes != 0)
		record_put_pages(r, frames, nframes, keep, out + head);
	r->sum = ship_sum(
	    ship_sum(SUM_START, out, 88), out + SHIP_HEAD, length - SHIP_HEAD);
	ship_put64(out + 88, r->sum);
	r->size = length;
	return (long)length;
}

/* ---- reading ------------------------------------------------------------ */

static void
record_get_head(struct ship_record *r, const uint8_t *p)
{
	r->kind = p[8];
	r->page_size = ship_get32(p + 12);
	r->epoch = ship_get64(p + 16);
	r->lsn = ship_get64(p + 24);
	r->prev = ship_get64(p + 32);
	r->db_pages = ship_get32(p + 40);
	r->npages = ship_get32(p + 44);
	memcpy(&r->wal.salt, p + 48, 8);
	r->wal.first = ship_get32(p + 56);
	r->wal.count = ship_get32(p + 60);
	r->value[0] = ship_get64(p + 64);
	r->value[1] = ship_get64(p + 72);
	r->value[2] = ship_get64(p + 80);
	r->sum = ship_get64(p + 88);
}

/* The lengths agree with each other; sets name and the places of the pages. */
static bool
record_get_body(struct ship_record *r, const uint8_t *p, size_t n)
{
	size_t name = p[9], at = SHIP_HEAD + record_round(name);

	if (name >= sizeof r->name || at > n)
		return false;
	memcpy(r->name, p + SHIP_HEAD, name);
	r->name[name] = '\0';
	if (r->kind == SHIP_BOOT ? name != 0 : !ship_name_ok(r->name, name))
		return false;
	if (r->npages == 0)
		return at == n;
	if (r->npages > ship_part_frames(r->page_size))
		return false;
	r->numbers = p + at;
	at += record_round((size_t)r->npages * 4);
	r->pages = p + at;
	return n == at + (size_t)r->npages * r->page_size;
}

/* What holds for PAGES beyond the lengths. */
static bool
record_pages_ok(const struct ship_record *r)
{
	uint32_t i;

	if (r->kind != SHIP_PAGES)
		return r->npages == 0;
	if (r->npages == 0 || r->lsn == 0 || r->wal.first == 0 ||
	    r->wal.count < r->npages)
		return false;
	for (i = 0; i < r->npages; i++) {
		if (ship_record_page(r, i) == 0)
			return false;
	}
	return true;
}

int
ship_record_decode(
    struct ship_record *r, const uint8_t *p, size_t n, struct err *e)
{
	memset(r, 0, sizeof *r);
	if (n < SHIP_HEAD || n > SHIP_RECORD_MAX || n % 8 != 0)
		return err_set(e, ERR_CORRUPT, "record of %zu bytes", n);
	if (memcmp(p, "TSR1", 4) != 0)
		return err_set(e, ERR_CORRUPT, "no record starts here");
	if (ship_get32(p + 4) != n)
		return err_set(e, ERR_CORRUPT,
		    "record of %u bytes in a place of %zu", ship_get32(p + 4),
		    n);
	if (record_sum(p, n) != ship_get64(p + 88))
		return err_set(e, ERR_CORRUPT, "record with a wrong checksum");
	record_get_head(r, p);
	r->size = n;
	if (r->kind == 0 || r->kind >= SHIP_KINDS)
		return err_set(
		    e, ERR_CORRUPT, "record of kind %u", (unsigned)r->kind);
	if (!record_get_body(r, p, n) || !record_pages_ok(r))
		return err_set(e, ERR_CORRUPT,
		    "record whose lengths or pages do not agree");
	return 0;
}

uint32_t
ship_record_page(const struct ship_record *r, uint32_t i)
{
	return ship_get32(r->numbers + (size_t)i * 4);
}
