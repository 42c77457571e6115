/*
 * Messages between a stream's owner or reader and the replicator, over a
 * stream socket of the server. Numbers are little-endian, lengths multiples
 * of 8, what has no meaning is zero.
 *
 *   0    4  length of the message, these 16 bytes included
 *   4    1  type
 *   5    3  zero
 *   8    4  handle: of the sender's stream or reader, or of the receiver's
 *   12   4  zero
 *   16   -  by type:
 *     OPEN, READ,  0 8 epoch (READ: 0; PAST: real clock in microseconds);
 *     PAST         8 8 bytes of the name; 16 - the name
 *     SHIP         a ship record
 *     WRITTEN      0 8 LSN; 8 8 1 = the file is the stream's beginning
 *     CLOSE, UNREAD nothing
 *     WELCOME      0 8 LSN; 8 8 sum; 16 8 LSN of the last commit; 24 8 salt;
 *                  32 4 first frame; 36 4 frames; 40 4 page size; 44 4 number
 *                  of the database file
 *     REFUSED      0 8 error; 8 256 words, ended by a NUL
 *     DAMAGED      0 4 number of the page; 4 4 zero
 *     ACK          0 8 LSN
 *     STATE        0 8 1 = there is such a stream; 8 8 generation; 16 8
 *                  epoch; 24 8 LSN; 32 4 number of the database file;
 *                  36 4 zero
 *     BUILT        0 8 error, 0 = none; 8 8 number of the file; 16 8 LSN;
 *                  24 8 real clock in microseconds; 32 256 words, ended by a
 *                  NUL
 *
 * Both ends are one program, so there is no version: the supervisor starts
 * them together. A message that does not decode ends the link.
 */
#include <assert.h>
#include <string.h>

#include "ship_link.h"
#include "daemon/base/str.h"

struct msg_row {
	size_t min, max; /* of the body */
	bool (*get)(struct ship_msg *, const uint8_t *, size_t n);
	size_t (*put)(const struct ship_msg *, uint8_t *); /* body is zeroed */
};

#define MSG_REFUSED (8 + SHIP_MSG_WORDS)
#define MSG_BODY (32 + SHIP_MSG_WORDS)
static_assert(MSG_BODY >= 16 + STREAM_NAME, "every body fits");

static bool
open_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	uint64_t name = ship_get64(p + 8);

	m->u.open.epoch = ship_get64(p);
	if (name >= STREAM_NAME || n != 16 + (((size_t)name + 7) & ~7u) ||
	    !ship_name_ok((const char *)p + 16, (size_t)name))
		return false;
	str_ncopy(
	    m->u.open.name, STREAM_NAME, (const char *)p + 16, (size_t)name);
	return true;
}

static size_t
open_put(const struct ship_msg *m, uint8_t *p)
{
	size_t name = strlen(m->u.open.name);

	ship_put64(p, m->u.open.epoch);
	ship_put64(p + 8, name);
	memcpy(p + 16, m->u.open.name, name);
	return 16 + ((name + 7) & ~(size_t)7);
}

static bool
ship_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	m->u.ship.bytes = p;
	m->u.ship.n = n;
	return true;
}

static bool
written_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.written.lsn = ship_get64(p);
	m->u.written.base = ship_get64(p + 8) != 0;
	return true;
}

static size_t
written_put(const struct ship_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.written.lsn);
	ship_put64(p + 8, m->u.written.base);
	return 16;
}

static bool
empty_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	(void)m;
	(void)p;
	(void)n;
	return true;
}

static size_t
empty_put(const struct ship_msg *m, uint8_t *p)
{
	(void)m;
	(void)p;
	return 0;
}

static bool
welcome_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	struct ship_welcome *w = &m->u.welcome;

	(void)n;
	w->lsn = ship_get64(p);
	w->sum = ship_get64(p + 8);
	w->commit = ship_get64(p + 16);
	memcpy(&w->wal.salt, p + 24, 8);
	w->wal.first = ship_get32(p + 32);
	w->wal.count = ship_get32(p + 36);
	w->page_size = ship_get32(p + 40);
	w->file = ship_get32(p + 44);
	return w->commit <= w->lsn;
}

static size_t
welcome_put(const struct ship_msg *m, uint8_t *p)
{
	const struct ship_welcome *w = &m->u.welcome;

	ship_put64(p, w->lsn);
	ship_put64(p + 8, w->sum);
	ship_put64(p + 16, w->commit);
	memcpy(p + 24, &w->wal.salt, 8);
	ship_put32(p + 32, w->wal.first);
	ship_put32(p + 36, w->wal.count);
	ship_put32(p + 40, w->page_size);
	ship_put32(p + 44, w->file);
	return 48;
}

static bool
refused_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	uint64_t code = ship_get64(p);

	(void)n;
	if (code == ERR_NONE || code >= ERR_MAX)
		return false;
	m->u.refused.code = (enum err_code)code;
	memcpy(m->u.refused.words, p + 8, SHIP_MSG_WORDS);
	m->u.refused.words[SHIP_MSG_WORDS - 1] = '\0';
	return true;
}

static size_t
refused_put(const struct ship_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.refused.code);
	str_copy((char *)p + 8, SHIP_MSG_WORDS, m->u.refused.words);
	return 8 + SHIP_MSG_WORDS;
}

static bool
damaged_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.damaged = ship_get32(p);
	return m->u.damaged != 0;
}

static size_t
damaged_put(const struct ship_msg *m, uint8_t *p)
{
	ship_put32(p, m->u.damaged);
	return 8;
}

static bool
ack_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.ack = ship_get64(p);
	return true;
}

static size_t
ack_put(const struct ship_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.ack);
	return 8;
}

static bool
state_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	(void)n;
	m->u.state.present = ship_get64(p) != 0;
	m->u.state.generation = ship_get64(p + 8);
	m->u.state.epoch = ship_get64(p + 16);
	m->u.state.lsn = ship_get64(p + 24);
	m->u.state.file = ship_get32(p + 32);
	return true;
}

static size_t
state_put(const struct ship_msg *m, uint8_t *p)
{
	ship_put64(p, m->u.state.present);
	ship_put64(p + 8, m->u.state.generation);
	ship_put64(p + 16, m->u.state.epoch);
	ship_put64(p + 24, m->u.state.lsn);
	ship_put32(p + 32, m->u.state.file);
	return 40;
}

static bool
built_get(struct ship_msg *m, const uint8_t *p, size_t n)
{
	struct ship_built *b = &m->u.built;
	uint64_t code = ship_get64(p), file = ship_get64(p + 8);

	(void)n;
	if (code >= ERR_MAX || file > UINT32_MAX)
		return false;
	b->code = (enum err_code)code;
	b->file = (uint32_t)file;
	b->lsn = ship_get64(p + 16);
	b->time = ship_get64(p + 24);
	memcpy(b->words, p + 32, SHIP_MSG_WORDS);
	b->words[SHIP_MSG_WORDS - 1] = '\0';
	return true;
}

static size_t
built_put(const struct ship_msg *m, uint8_t *p)
{
	const struct ship_built *b = &m->u.built;

	ship_put64(p, b->code);
	ship_put64(p + 8, b->file);
	ship_put64(p + 16, b->lsn);
	ship_put64(p + 24, b->time);
	str_copy((char *)p + 32, SHIP_MSG_WORDS, b->words);
	return MSG_BODY;
}

static const struct msg_row msg_rows[SHIP_MSGS] = {
    [SHIP_MSG_OPEN] = {24, 16 + STREAM_NAME, open_get, open_put},
    [SHIP_MSG_SHIP] = {SHIP_HEAD, SHIP_RECORD_MAX, ship_get, NULL},
    [SHIP_MSG_WRITTEN] = {16, 16, written_get, written_put},
    [SHIP_MSG_CLOSE] = {0, 0, empty_get, empty_put},
    [SHIP_MSG_READ] = {24, 16 + STREAM_NAME, open_get, open_put},
    [SHIP_MSG_UNREAD] = {0, 0, empty_get, empty_put},
    [SHIP_MSG_DAMAGED] = {8, 8, damaged_get, damaged_put},
    [SHIP_MSG_WELCOME] = {48, 48, welcome_get, welcome_put},
    [SHIP_MSG_REFUSED] = {MSG_REFUSED, MSG_REFUSED, refused_get, refused_put},
    [SHIP_MSG_ACK] = {8, 8, ack_get, ack_put},
    [SHIP_MSG_STATE] = {40, 40, state_get, state_put},
    [SHIP_MSG_PAST] = {24, 16 + STREAM_NAME, open_get, open_put},
    [SHIP_MSG_BUILT] = {MSG_BODY, MSG_BODY, built_get, built_put},
};

long
ship_msg_decode(struct ship_msg *m, const uint8_t *p, size_t n, struct err *e)
{
	const struct msg_row *row;
	size_t length;

	if (n < SHIP_MSG_HEAD)
		return 0;
	length = ship_get32(p);
	if (p[4] == 0 || p[4] >= SHIP_MSGS)
		return err_set(e, ERR_CORRUPT, "message of type %u", p[4]);
	row = &msg_rows[p[4]];
	if (length % 8 != 0 || length < SHIP_MSG_HEAD + row->min ||
	    length > SHIP_MSG_HEAD + row->max)
		return err_set(e, ERR_CORRUPT,
		    "message of type %u with %zu bytes", p[4], length);
	if (n < length)
		return 0;
	m->type = p[4];
	m->handle = ship_get32(p + 8);
	if (!row->get(m, p + SHIP_MSG_HEAD, length - SHIP_MSG_HEAD))
		return err_set(
		    e, ERR_CORRUPT, "message of type %u: contents", p[4]);
	return (long)length;
}

void
ship_msg_head(uint8_t out[SHIP_MSG_HEAD], enum ship_msg_type type,
    uint32_t handle, size_t n)
{
	ship_put32(out, (uint32_t)(SHIP_MSG_HEAD + n));
	ship_put32(out + 4, (uint32_t)type);
	ship_put32(out + 8, handle);
	ship_put32(out + 12, 0);
}

void
ship_msg_encode(struct buf *b, const struct ship_msg *m)
{
	uint8_t p[SHIP_MSG_HEAD + MSG_BODY] = {0};
	size_t n = msg_rows[m->type].put(m, p + SHIP_MSG_HEAD);

	ship_msg_head(p, m->type, m->handle, n);
	buf_add(b, p, SHIP_MSG_HEAD + n);
}
