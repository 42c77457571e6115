/*
 * A record of the trace as bytes, all numbers little-endian:
 *    0   1  kind
 *    1   1  flags
 *    2   1  transport
 *    3   1  0
 *    4   2  status
 *    6   2  0
 *    8   8  time, us of the real clock
 *   16   4  number of CSeq
 *   20   4  bytes of the text
 *   24  20  own address: family (4, 6, 0 = none), 0, port, 16 bytes
 *   44  20  the peer's
 *   64  48  keys: for each its offset in the text and its length, 2 bytes
 *           each; then 4 bytes of 0
 *  112   -  the text
 * tandem-trace(5) says the same to those who have only the files.
 */
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "trace.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "replication/ship_record.h"

static_assert(64 + TRACE_KEYS * 4 <= TRACE_HEAD, "room for the keys");

static void
record_put16(uint8_t *p, unsigned v)
{
	uint16_t le = htole16((uint16_t)v);

	memcpy(p, &le, sizeof le);
}

static unsigned
record_get16(const uint8_t *p)
{
	uint16_t le;

	memcpy(&le, p, sizeof le);
	return le16toh(le);
}

static void
record_put_addr(uint8_t p[20], const union addr *a)
{
	memset(p, 0, 20);
	if (a->sa.sa_family == AF_INET) {
		p[0] = 4;
		memcpy(p + 4, &a->in4.sin_addr, 4);
	} else if (a->sa.sa_family == AF_INET6) {
		p[0] = 6;
		memcpy(p + 4, &a->in6.sin6_addr, 16);
	} else {
		return;
	}
	record_put16(p + 2, addr_port(a));
}

static bool
record_get_addr(union addr *a, const uint8_t p[20])
{
	memset(a, 0, sizeof *a);
	switch (p[0]) {
	case 0:
		return true;
	case 4:
		a->in4.sin_family = AF_INET;
		memcpy(&a->in4.sin_addr, p + 4, 4);
		break;
	case 6:
		a->in6.sin6_family = AF_INET6;
		memcpy(&a->in6.sin6_addr, p + 4, 16);
		break;
	default:
		return false;
	}
	addr_set_port(a, (uint16_t)record_get16(p + 2));
	return true;
}

void
trace_record_head(uint8_t out[TRACE_HEAD], const struct trace_record *r)
{
	size_t i;

	out[0] = (uint8_t)r->kind;
	out[1] = (uint8_t)r->flags;
	out[2] = (uint8_t)r->proto;
	out[3] = 0;
	record_put16(out + 4, r->status);
	record_put16(out + 6, 0);
	ship_put64(out + 8, r->time);
	ship_put32(out + 16, r->cseq);
	ship_put32(out + 20, r->n);
	record_put_addr(out + 24, &r->local);
	record_put_addr(out + 44, &r->peer);
	for (i = 0; i < TRACE_KEYS; i++) {
		record_put16(out + 64 + 4 * i, r->key[i].at);
		record_put16(out + 66 + 4 * i, r->key[i].n);
	}
	ship_put32(out + 64 + 4 * TRACE_KEYS, 0);
}

int
trace_record_decode(
    struct trace_record *r, const uint8_t *p, size_t n, struct err *e)
{
	size_t i;

	memset(r, 0, sizeof *r);
	if (n < TRACE_HEAD || ship_get32(p + 20) != n - TRACE_HEAD)
		return err_set(e, ERR_CORRUPT, "record of a wrong length");
	if (p[0] < TRACE_MESSAGE || p[0] > TRACE_STEP)
		return err_set(e, ERR_CORRUPT, "record of kind %u", p[0]);
	r->kind = (enum trace_kind)p[0];
	r->flags = p[1];
	r->proto = p[2];
	r->status = record_get16(p + 4);
	r->time = ship_get64(p + 8);
	r->cseq = ship_get32(p + 16);
	r->n = ship_get32(p + 20);
	r->text = (const char *)p + TRACE_HEAD;
	if (!record_get_addr(&r->local, p + 24) ||
	    !record_get_addr(&r->peer, p + 44))
		return err_set(e, ERR_CORRUPT, "record with no address");
	for (i = 0; i < TRACE_KEYS; i++) {
		r->key[i].at = (uint16_t)record_get16(p + 64 + 4 * i);
		r->key[i].n = (uint16_t)record_get16(p + 66 + 4 * i);
		if ((size_t)r->key[i].at + r->key[i].n > r->n)
			return err_set(
			    e, ERR_CORRUPT, "record with a key outside");
	}
	return 0;
}

bool
trace_key_text(
    const struct trace_record *r, enum trace_key key, char *out, size_t size)
{
	const struct trace_span *s = &r->key[key];

	return str_ncopy(out, size, r->text + s->at, s->n) && s->n > 0;
}

bool
trace_key_is(const struct trace_record *r, enum trace_key key, const char *text)
{
	const struct trace_span *s = &r->key[key];

	return strlen(text) == s->n && memcmp(r->text + s->at, text, s->n) == 0;
}

/* ---- what a B2BUA and a media gate know --------------------------------- */

#define FACT_TEXT 512 /* bytes of one text */

void
trace_fact(struct ring *ring, const struct trace_fact *f)
{
	struct trace_record r = {.kind = f->kind,
	    .flags = f->flags,
	    .status = f->status,
	    .cseq = (uint32_t)f->epoch,
	    .time = clock_real()};
	uint8_t *out;
	size_t i, n;

	if (ring == NULL)
		return;
	out = ring_begin(ring, TRACE_HEAD + TRACE_KEYS * FACT_TEXT);
	for (i = 0; i < TRACE_KEYS; i++) {
		n = f->text[i] != NULL ? strlen(f->text[i]) : 0;
		n = n > FACT_TEXT ? FACT_TEXT : n;
		r.key[i] = (struct trace_span){(uint16_t)r.n, (uint16_t)n};
		if (n > 0)
			memcpy(out + TRACE_HEAD + r.n, f->text[i], n);
		r.n += (uint32_t)n;
	}
	trace_record_head(out, &r);
	ring_end(ring, TRACE_HEAD + r.n);
}

void
trace_times_text(char out[TRACE_TIMES_TEXT], const struct trace_times *t)
{
	snprintf(out, TRACE_TIMES_TEXT, "%" PRIu64 " %" PRIu64 " %" PRIu64,
	    t->start, t->ring, t->answer);
}

bool
trace_times_read(struct trace_times *out, const char *text)
{
	struct trace_times t;

	if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &t.start, &t.ring,
		&t.answer) != 3)
		return false;
	*out = t;
	return true;
}
