/*
 * The call record, byte by byte:
 *
 *   byte    version, 1
 *   byte    state
 *   number  flags of the call
 *   text    id, domain, domain id, user, caller's number, caller's name,
 *           called, destination, service
 *   number  start, ring, answer, end, ring until: real clock, us
 *   number  code
 *   text    reason
 *   number  ended by
 *   number  highest status sent to the INVITE
 *   text    head of the INVITE
 *   number  legs, 1..33; each:
 *     number  flags, state
 *     text    label, Call-ID, local, local tag, remote, remote tag, target,
 * routes, source, destination, branch number  CSeq of the INVITE, CSeq mark,
 * remote CSeq, id and version of the origin text    description sent,
 * description got number  session interval, least interval of the peer
 *
 * A number is 7 bits a byte, low ones first, the eighth set on all but the
 * last, in its shortest form. A text is its length, its bytes without a NUL
 * among them, and a NUL, so that a decoded text is used where it lies.
 */
#include <string.h>

#include "call_record.h"

#define RECORD_VERSION 1

static void
record_put_number(struct buf *b, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (uint8_t)(v | 0x80);
	bytes[n++] = (uint8_t)v;
	buf_add(b, bytes, n);
}

/* One reservation for the whole of it: most texts are short. */
static void
record_put_text(struct buf *b, const struct record_text *t)
{
	char *at = buf_reserve(b, t->n + 11);
	uint64_t v = t->n;

	if (at == NULL)
		return;
	for (; v >= 0x80; v >>= 7)
		*at++ = (char)(v | 0x80);
	*at++ = (char)v;
	memcpy(at, t->s, t->n);
	at[t->n] = '\0';
	b->len = (size_t)(at - b->data) + t->n + 1;
}

static void
record_put_leg(struct buf *b, const struct record_leg *l)
{
	const struct record_text *const texts[] = {&l->label, &l->call_id,
	    &l->local, &l->local_tag, &l->remote, &l->remote_tag, &l->target,
	    &l->routes, &l->source, &l->destination, &l->via};
	const uint32_t numbers[] = {l->invite_cseq, l->cseq_mark, l->rseq,
	    l->origin_id, l->origin_version};

	record_put_number(b, l->flags);
	record_put_number(b, l->state);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		record_put_text(b, texts[i]);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		record_put_number(b, numbers[i]);
	record_put_text(b, &l->sdp_sent);
	record_put_text(b, &l->sdp_got);
	record_put_number(b, l->interval);
	record_put_number(b, l->min_se);
}

void
call_record_encode(struct buf *b, const struct call_record *r)
{
	const struct record_text *const texts[] = {&r->id, &r->domain,
	    &r->domain_id, &r->user, &r->caller_number, &r->caller_name,
	    &r->called, &r->destination, &r->service};
	const uint64_t times[] = {
	    r->start, r->ring, r->answer, r->end, r->ring_until};

	buf_char(b, RECORD_VERSION);
	buf_char(b, (char)r->state);
	record_put_number(b, r->flags);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		record_put_text(b, texts[i]);
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		record_put_number(b, times[i]);
	record_put_number(b, r->code);
	record_put_text(b, &r->reason);
	record_put_number(b, r->ended_by);
	record_put_number(b, r->sent);
	record_put_text(b, &r->head);
	record_put_number(b, r->nlegs);
	for (unsigned i = 0; i < r->nlegs; i++)
		record_put_leg(b, &r->legs[i]);
}

struct record_reader {
	const uint8_t *at, *end;
	bool broken;
};

/* 0 once the record is broken, so that a reader checks at the end. */
static uint64_t
record_get_number(struct record_reader *r, uint64_t max)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		if (r->at == r->end || shift > 63)
			goto broken;
		byte = *r->at++;
		if (shift == 63 && (byte & 0x7f) > 1)
			goto broken;
		v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if ((byte == 0 && shift > 7) || v > max)
		goto broken;
	return v;
broken:
	r->broken = true;
	r->at = r->end;
	return 0;
}

static uint32_t
record_get_u32(struct record_reader *r)
{
	return (uint32_t)record_get_number(r, UINT32_MAX);
}

static void
record_get_text(struct record_reader *r, struct record_text *t)
{
	size_t n = (size_t)record_get_number(r, RECORD_MAX);

	*t = (struct record_text){"", 0};
	if (r->broken)
		return;
	if ((size_t)(r->end - r->at) < n + 1 || r->at[n] != '\0' ||
	    memchr(r->at, '\0', n) != NULL) {
		r->broken = true;
		r->at = r->end;
		return;
	}
	*t = (struct record_text){(const char *)r->at, n};
	r->at += n + 1;
}

static void
record_get_leg(struct record_reader *r, struct record_leg *l)
{
	struct record_text *const texts[] = {&l->label, &l->call_id, &l->local,
	    &l->local_tag, &l->remote, &l->remote_tag, &l->target, &l->routes,
	    &l->source, &l->destination, &l->via};
	uint32_t *const numbers[] = {&l->invite_cseq, &l->cseq_mark, &l->rseq,
	    &l->origin_id, &l->origin_version};

	l->flags = (unsigned)record_get_number(r, RECORD_LEG_FLAGS);
	l->state = (unsigned)record_get_number(r, BRANCH_DONE);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		record_get_text(r, texts[i]);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		*numbers[i] = record_get_u32(r);
	record_get_text(r, &l->sdp_sent);
	record_get_text(r, &l->sdp_got);
	l->interval = record_get_u32(r);
	l->min_se = record_get_u32(r);
}

static void
record_get_call(struct record_reader *r, struct call_record *c)
{
	struct record_text *const texts[] = {&c->id, &c->domain, &c->domain_id,
	    &c->user, &c->caller_number, &c->caller_name, &c->called,
	    &c->destination, &c->service};
	uint64_t *const times[] = {
	    &c->start, &c->ring, &c->answer, &c->end, &c->ring_until};

	c->state = (enum call_state)record_get_number(r, CALL_ENDING);
	c->flags = (unsigned)record_get_number(r, RECORD_CALL_FLAGS);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		record_get_text(r, texts[i]);
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		*times[i] = record_get_number(r, INT64_MAX);
	c->code = (unsigned)record_get_number(r, 699);
	record_get_text(r, &c->reason);
	c->ended_by = (enum call_side)record_get_number(r, CALL_SIDE_SYSTEM);
	c->sent = (unsigned)record_get_number(r, 699);
	record_get_text(r, &c->head);
	c->nlegs = (unsigned)record_get_number(r, RECORD_LEGS);
	for (unsigned i = 0; !r->broken && i < c->nlegs; i++)
		record_get_leg(r, &c->legs[i]);
}

int
call_record_decode(
    struct call_record *c, const void *bytes, size_t n, struct err *err)
{
	const uint8_t *from = bytes;
	struct record_reader r = {from + 1, from + n, false};

	if (n < 2 || n > RECORD_MAX || from[0] != RECORD_VERSION)
		return err_set(
		    err, ERR_CORRUPT, "call record: version, or %zu bytes", n);
	record_get_call(&r, c);
	if (r.broken || r.at != r.end)
		return err_set(err, ERR_CORRUPT, "call record: broken");
	if (c->state == 0 || c->nlegs == 0 || c->legs[0].state != 0)
		return err_set(
		    err, ERR_CORRUPT, "call record: no state or leg");
	for (unsigned i = 1; i < c->nlegs; i++)
		if (c->legs[i].state == 0)
			return err_set(err, ERR_CORRUPT,
			    "call record: leg %u has no state", i);
	return 0;
}
