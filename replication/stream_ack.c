/*
 * Output that waits for its commit: an intrusive list in the order of the
 * calls, delivered from deferred work when the replicator has acknowledged.
 * Entries that can never be acknowledged keep their place in the order, with
 * the top bit of their LSN set.
 */
#include <string.h>

#include "repl_room.h"
#include "daemon/base/mem.h"

#define ACK_FAILED (UINT64_C(1) << 63)

void
ack_list_init(struct ack_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void
ack_list_add(struct ack_list *l, struct stream_ack *a)
{
	a->next = NULL;
	*l->last = a;
	l->last = &a->next;
}

static bool
ack_list_remove(struct ack_list *l, struct stream_ack *a)
{
	struct stream_ack **at;

	for (at = &l->first; *at != NULL; at = &(*at)->next) {
		if (*at != a)
			continue;
		if ((*at = a->next) == NULL)
			l->last = at;
		return true;
	}
	return false;
}

void
stream_on_ack(struct stream *s, struct stream_ack *a)
{
	a->queued = true;
	if (s->group) {
		ack_list_add(&s->joined, a);
		return;
	}
	a->lsn = s->lsn;
	ack_list_add(&s->acks, a);
	if (s->acked >= s->lsn || s->state == STREAM_LOST)
		loop_defer(s->repl->loop, &s->deliver);
}

void
stream_ack_cancel(struct stream *s, struct stream_ack *a)
{
	if (!a->queued)
		return;
	a->queued = false;
	if (!ack_list_remove(&s->joined, a))
		ack_list_remove(&s->acks, a);
}

/* The group has ended: its entries wait for the LSN that it got. */
void
stream_acks_commit(struct stream *s, const struct err *e)
{
	struct stream_ack *a;

	if (e != NULL)
		s->failed = *e;
	if (s->joined.first == NULL)
		return;
	for (a = s->joined.first; a != NULL; a = a->next)
		a->lsn = s->lsn | (e != NULL ? ACK_FAILED : 0);
	*s->acks.last = s->joined.first;
	s->acks.last = s->joined.last;
	ack_list_init(&s->joined);
	if (s->acked >= s->lsn || s->state == STREAM_LOST)
		loop_defer(s->repl->loop, &s->deliver);
}

void
stream_acks_drop(struct stream *s)
{
	struct stream_ack *a;

	while ((a = s->acks.first) != NULL) {
		s->acks.first = a->next;
		a->queued = false;
	}
	while ((a = s->joined.first) != NULL) {
		s->joined.first = a->next;
		a->queued = false;
	}
	ack_list_init(&s->acks);
	ack_list_init(&s->joined);
}

/* The first entry whose answer is known. */
static struct stream_ack *
ack_next(struct stream *s)
{
	struct stream_ack *a = s->acks.first;

	if (a == NULL ||
	    (s->state != STREAM_LOST && (a->lsn & ~ACK_FAILED) > s->acked))
		return NULL;
	if ((s->acks.first = a->next) == NULL)
		s->acks.last = &s->acks.first;
	return a;
}

/* Tell the owner how its stream is, as far as it was not told. False when it
 * closed the stream. */
static bool
deliver_state(struct stream *s)
{
	const struct stream_config *c = &s->config;

	if (!s->told && (s->state == STREAM_READY || s->state == STREAM_LOST)) {
		s->told = true;
		s->told_lost = s->state == STREAM_LOST;
		if (c->on_ready != NULL)
			c->on_ready(c->arg, s,
			    s->state == STREAM_LOST ? &s->why : NULL);
	} else if (s->state == STREAM_LOST && !s->told_lost) {
		s->told_lost = true;
		if (c->on_lost != NULL)
			c->on_lost(c->arg, s, &s->why);
	}
	return !s->dead;
}

void
stream_deliver(void *arg)
{
	struct stream *s = OBJ(arg, stream, STREAM_MAGIC);
	const struct err *e;
	struct stream_ack *a;

	s->busy++;
	while (!s->dead && (a = ack_next(s)) != NULL) {
		e = a->lsn & ACK_FAILED ? &s->failed : NULL;
		if (e == NULL && s->state == STREAM_LOST && a->lsn > s->acked)
			e = &s->why;
		a->queued = false;
		a->fn(a->arg, e);
	}
	if (!s->dead)
		deliver_state(s);
	s->busy--;
	if (s->dead && s->busy == 0)
		stream_free(s);
	else if (!s->dead)
		stream_delivered(s);
}
