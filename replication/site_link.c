/*
 * Messages between the replicators of two servers, over a stream that others
 * have made private and authentic. Numbers are little-endian, lengths
 * multiples of 8, what has no meaning is zero.
 *
 *   0    4  length of the message, these 16 bytes included
 *   4    1  type
 *   5    3  zero
 *   8    4  handle: the leader's number of the stream; HELLO: 0
 *   12   4  zero
 *   16   -  by type:
 *     HELLO     0 8 "TDMSITE1"; 8 8 id of the ship log; 16 8 bytes of the
 *               server's name; 24 - the name
 *     LEAD      0 8 epoch of the stream; 8 8 epoch of its key; 16 8 bytes of
 *               the name; 24 - the name
 *     POSITION  0 8 serial; 8 8 1 = lost; 16 8 epoch; 24 8 LSN; 32 8 sum;
 *               40 8 n; 48 16n each: 0 8 epoch, 8 8 first LSN that bears it
 *     START     0 8 serial; 8 8 epoch; 16 8 base; 24 8 LSN; 32 8 LSN of the
 *               leader's last record; 40 8 LSN of the last commit that all
 *               members hold
 *     RECORD    0 8 LSN as in START; 8 - a ship record
 *     COMMIT    0 8 LSN as in START
 *     COPY      0 8 serial; 8 8 epoch of the stream; 16 8 LSN, 24 8 sum and
 *               32 8 epoch of a record that the file holds; 40 4 page size;
 *               44 4 pages of the database then
 *     PAGES     0 4 number of the first page; 4 4 pages; 8 8 sum of the first
 *               8 bytes and the pages; 16 - the pages
 *     COPIED    0 8 LSN from which on the copy is whole; 8 8 pages sent
 *     ACK       0 8 serial; 8 8 epoch; 16 8 LSN
 *     REFUSED   0 8 epoch that is known, or 0
 *
 * A message that does not decode ends the connection. The word in HELLO
 * changes with the format: servers of two formats do not understand each
 * other, and say so.
 */
#include <assert.h>
#include <string.h>

#include "site_link.h"
#include "daemon/base/str.h"

#define SITE_WORD "TDMSITE1"
#define SITE_BODY (48 + 16 * LOG_EPOCHS) /* of messages without pages */

struct msg_row {
	size_t min, max; /* of the body */
	bool (*get)(struct site_msg *, const uint8_t *, size_t n);
	size_t (*put)(const struct site_msg *, uint8_t *); /* body is zeroed */
};

static size_t
site_round(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Names of servers are words of [a-z0-9.-]. */
static bool
site_name_ok(const char *name, size_t n)
{
	size_t i;

	if (n == 0 || n >= SITE_NAME)
		return false;
	for (i = 0; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			(i > 0 && (c == '-' || c == '.' || c == '_'))))
			return false;
	}
	return true;
}

static bool
hello_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	uint64_t name = ship_get64(p + 16);

	if (memcmp(p, SITE_WORD, 8) != 0 || name >= SITE_NAME ||
	    n != 24 + site_round((size_t)name) ||
	    !site_name_ok((const char *)p + 24, (size_t)name))
		return false;
	m->u.hello.log = ship_get64(p + 8);
	str_ncopy(
	    m->u.hello.name, SITE_NAME, (const char *)p + 24, (size_t)name);
	return true;
}

static size_t
hello_put(const struct site_msg *m, uint8_t *p)
{
	size_t name = strlen(m->u.hello.name);

	memcpy(p, SITE_WORD, 8);
	ship_put64(p + 8, m->u.hello.log);
	ship_put64(p + 16, name);
	memcpy(p + 24, m->u.hello.name, name);
	return 24 + site_round(name);
}

static bool
lead_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	uint64_t name = ship_get64(p + 16);

	if (name >= STREAM_NAME || n != 24 + site_round((size_t)name) ||
	    !ship_name_ok((const char *)p + 24, (size_t)name))
		return false;
	m->u.lead.epoch = ship_get64(p);
	m->u.lead.key = ship_get64(p + 8);
	str_ncopy(
	    m->u.lead.name, STREAM_NAME, (const char *)p + 24, (size_t)name);
	return true;
}

static size_t
lead_put(const struct site_msg *m, uint8_t *p)
{
	size_t name = strlen(m->u.lead.name);

	ship_put64(p, m->u.lead.epoch);
	ship_put64(p + 8, m->u.lead.key);
	ship_put64(p + 16, name);
	memcpy(p + 24, m->u.lead.name, name);
	return 24 + site_round(name);
}

/* Epochs grow, and so do their first records. */
static bool
position_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	struct site_position *s = &m->u.position;
	uint64_t count = ship_get64(p + 40);
	unsigned i;

	if (count > LOG_EPOCHS || n != 48 + 16 * (size_t)count)
		return false;
	s->serial = ship_get64(p);
	s->lost = ship_get64(p + 8) != 0;
	s->epoch = ship_get64(p + 16);
	s->lsn = ship_get64(p + 24);
	s->sum = ship_get64(p + 32);
	s->nepochs = (unsigned)count;
	for (i = 0; i < s->nepochs; i++) {
		struct log_epoch *at = &s->epochs[i];

		at->epoch = ship_get64(p + 48 + 16 * (size_t)i);
		at->first = ship_get64(p + 56 + 16 * (size_t)i);
		if (at->first == 0 || at->first > s->lsn ||
		    (i > 0 &&
			(at->epoch <= at[-1].epoch ||
			    at->first <= at[-1].first)))
			return false;
	}
	return true;
}

static size_t
position_put(const struct site_msg *m, uint8_t *p)
{
	const struct site_position *s = &m->u.position;
	unsigned i;

	ship_put64(p, s->serial);
	ship_put64(p + 8, s->lost);
	ship_put64(p + 16, s->epoch);
	ship_put64(p + 24, s->lsn);
	ship_put64(p + 32, s->sum);
	ship_put64(p + 40, s->nepochs);
	for (i = 0; i < s->nepochs; i++) {
		ship_put64(p + 48 + 16 * (size_t)i, s->epochs[i].epoch);
		ship_put64(p + 56 + 16 * (size_t)i, s->epochs[i].first);
	}
	return 48 + 16 * (size_t)s->nepochs;
}

static bool
start_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	struct site_start *s = &m->u.start;

	(void)n;
	s->serial = ship_get64(p);
	s->epoch = ship_get64(p + 8);
	s->base = ship_get64(p + 16);
	s->lsn = ship_get64(p + 24);
	s->end = ship_get64(p + 32);
	s->commit = ship_get64(p + 40);
	return s->lsn <= s->end && s->commit <= s->end;
}

static size_t
start_put(const struct site_msg *m, uint8_t *p)
{
	const struct site_start *s = &m->u.start;

	ship_put64(p, s->serial);
	ship_put64(p + 8, s->epoch);
	ship_put64(p + 16, s->base);
	ship_put64(p + 24, s->lsn);
	ship_put64(p + 32, s->end);
	ship_put64(p + 40, s->commit);
	return 48;
}

static bool
record_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	m->u.record.commit = ship_get64(p);
	m->u.record.bytes = p + 8;
	m->u.record.n = n - 8;
	return true;
}

static bool
commit_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.commit = ship_get64(p);
	return true;
}

static size_t
commit_put(const struct site_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.commit);
	return 8;
}

static bool
copy_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	struct site_copy *c = &m->u.copy;

	(void)n;
	c->serial = ship_get64(p);
	c->epoch = ship_get64(p + 8);
	c->lsn = ship_get64(p + 16);
	c->sum = ship_get64(p + 24);
	c->of = ship_get64(p + 32);
	c->page_size = ship_get32(p + 40);
	c->db_pages = ship_get32(p + 44);
	return ship_part_frames(c->page_size) != 0 && c->of <= c->epoch;
}

static size_t
copy_put(const struct site_msg *m, uint8_t *p)
{
	const struct site_copy *c = &m->u.copy;

	ship_put64(p, c->serial);
	ship_put64(p + 8, c->epoch);
	ship_put64(p + 16, c->lsn);
	ship_put64(p + 24, c->sum);
	ship_put64(p + 32, c->of);
	ship_put32(p + 40, c->page_size);
	ship_put32(p + 44, c->db_pages);
	return 48;
}

uint64_t
site_pages_sum(const struct site_pages *s)
{
	uint8_t head[8];

	ship_put32(head, s->first);
	ship_put32(head + 4, s->n);
	return ship_sum(ship_sum(0, head, sizeof head), s->bytes, s->size);
}

static bool
pages_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	struct site_pages *s = &m->u.pages;

	s->first = ship_get32(p);
	s->n = ship_get32(p + 4);
	s->sum = ship_get64(p + 8);
	s->bytes = p + 16;
	s->size = n - 16;
	return s->first != 0 && s->n != 0 && s->size % s->n == 0 &&
	    s->n <= UINT32_MAX - s->first &&
	    ship_part_frames((uint32_t)(s->size / s->n)) != 0 &&
	    s->sum == site_pages_sum(s);
}

static bool
copied_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.copied.whole = ship_get64(p);
	m->u.copied.pages = ship_get64(p + 8);
	return true;
}

static size_t
copied_put(const struct site_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.copied.whole);
	ship_put64(p + 8, m->u.copied.pages);
	return 16;
}

static bool
ack_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.ack.serial = ship_get64(p);
	m->u.ack.epoch = ship_get64(p + 8);
	m->u.ack.lsn = ship_get64(p + 16);
	return true;
}

static size_t
ack_put(const struct site_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.ack.serial);
	ship_put64(p + 8, m->u.ack.epoch);
	ship_put64(p + 16, m->u.ack.lsn);
	return 24;
}

static bool
refused_get(struct site_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.refused = ship_get64(p);
	return true;
}

static size_t
refused_put(const struct site_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.refused);
	return 8;
}

static const struct msg_row msg_rows[SITE_MSGS] = {
    [SITE_MSG_HELLO] = {32, 24 + SITE_NAME + 7, hello_get, hello_put},
    [SITE_MSG_LEAD] = {32, 24 + STREAM_NAME, lead_get, lead_put},
    [SITE_MSG_START] = {48, 48, start_get, start_put},
    [SITE_MSG_RECORD] = {8 + SHIP_HEAD, 8 + SHIP_RECORD_MAX, record_get, NULL},
    [SITE_MSG_COMMIT] = {8, 8, commit_get, commit_put},
    [SITE_MSG_COPY] = {48, 48, copy_get, copy_put},
    [SITE_MSG_PAGES] = {16 + SHIP_PAGE_MIN, 16 + SITE_MSG_PAGES_MAX, pages_get,
	NULL},
    [SITE_MSG_COPIED] = {16, 16, copied_get, copied_put},
    [SITE_MSG_POSITION] = {48, SITE_BODY, position_get, position_put},
    [SITE_MSG_ACK] = {24, 24, ack_get, ack_put},
    [SITE_MSG_REFUSED] = {8, 8, refused_get, refused_put},
};

long
site_msg_decode(struct site_msg *m, const uint8_t *p, size_t n, struct err *e)
{
	const struct msg_row *row;
	size_t length;

	if (n < SITE_MSG_HEAD)
		return 0;
	length = ship_get32(p);
	if (p[4] == 0 || p[4] >= SITE_MSGS)
		return err_set(e, ERR_CORRUPT, "message of type %u", p[4]);
	row = &msg_rows[p[4]];
	if (length % 8 != 0 || length < SITE_MSG_HEAD + row->min ||
	    length > SITE_MSG_HEAD + row->max)
		return err_set(e, ERR_CORRUPT,
		    "message of type %u with %zu bytes", p[4], length);
	if (n < length)
		return 0;
	m->type = p[4];
	m->handle = ship_get32(p + 8);
	if (m->handle >= SITE_HANDLES)
		return err_set(e, ERR_CORRUPT, "handle %u", m->handle);
	if (!row->get(m, p + SITE_MSG_HEAD, length - SITE_MSG_HEAD))
		return err_set(
		    e, ERR_CORRUPT, "message of type %u: contents", p[4]);
	return (long)length;
}

static void
site_head(uint8_t *out, const struct site_msg *m, size_t n)
{
	ship_put32(out, (uint32_t)(SITE_MSG_HEAD + n));
	ship_put32(out + 4, (uint32_t)m->type);
	ship_put32(out + 8, m->handle);
	ship_put32(out + 12, 0);
}

/* What the rows have no encoder for: a head of their own, and borrowed
 * bytes. */
static void
site_put_bytes(struct buf *b, const struct site_msg *m)
{
	uint8_t p[SITE_MSG_HEAD + 16];
	const struct site_pages *s = &m->u.pages;

	if (m->type == SITE_MSG_RECORD) {
		site_head(p, m, 8 + m->u.record.n);
		ship_put64(p + SITE_MSG_HEAD, m->u.record.commit);
		buf_add(b, p, SITE_MSG_HEAD + 8);
		buf_add(b, m->u.record.bytes, m->u.record.n);
		return;
	}
	site_head(p, m, 16 + s->size);
	ship_put32(p + SITE_MSG_HEAD, s->first);
	ship_put32(p + SITE_MSG_HEAD + 4, s->n);
	ship_put64(p + SITE_MSG_HEAD + 8, site_pages_sum(s));
	buf_add(b, p, SITE_MSG_HEAD + 16);
	buf_add(b, s->bytes, s->size);
}

void
site_msg_encode(struct buf *b, const struct site_msg *m)
{
	uint8_t p[SITE_MSG_HEAD + SITE_BODY] = {0};
	size_t n;

	if (msg_rows[m->type].put == NULL) {
		site_put_bytes(b, m);
		return;
	}
	n = msg_rows[m->type].put(m, p + SITE_MSG_HEAD);
	site_head(p, m, n);
	buf_add(b, p, SITE_MSG_HEAD + n);
}
