/*
 * A live call as its record: what another process would need, and nothing
 * that it could find out itself. Descriptions of media are left out of ended
 * calls, the INVITE's head once its transaction is over.
 */
#include <string.h>

#include "b2bua.h"

static struct record_text
snapshot_text(const char *s)
{
	return s == NULL ? (struct record_text){"", 0}
			 : (struct record_text){s, strlen(s)};
}

static struct record_text
snapshot_buf(const struct buf *b)
{
	return b->data == NULL ? (struct record_text){"", 0}
			       : (struct record_text){b->data, b->len};
}

static unsigned
snapshot_leg_flags(const struct call *c, const struct leg *l)
{
	unsigned flags = 0;

	if (l->up)
		flags |= RECORD_LEG_UP;
	if (l->acked)
		flags |= RECORD_LEG_ACKED;
	if (l->over)
		flags |= RECORD_LEG_OVER;
	if (l->timer)
		flags |= RECORD_LEG_TIMER;
	if (l->refresher)
		flags |= RECORD_LEG_REFRESHER;
	if (l->update)
		flags |= RECORD_LEG_UPDATE;
	if (l->branch != NULL && l->branch == c->winner)
		flags |= RECORD_LEG_WINNER;
	return flags;
}

static void
snapshot_leg(const struct call *c, const struct leg *l, struct record_leg *r)
{
	const struct branch *b = l->branch;
	bool media = c->state != CALL_ENDING;

	*r = (struct record_leg){
	    .flags = snapshot_leg_flags(c, l),
	    .label = snapshot_text(l->label),
	    .call_id = snapshot_text(l->call_id),
	    .local = snapshot_text(l->local),
	    .local_tag = snapshot_text(l->local_tag),
	    .remote = snapshot_text(l->remote),
	    .remote_tag = snapshot_text(l->remote_tag),
	    .target = snapshot_text(l->target),
	    .routes = snapshot_text(l->routes),
	    .source = snapshot_text(l->source),
	    .destination = snapshot_text(b == NULL ? NULL : b->destination),
	    .via = snapshot_text(b == NULL ? NULL : b->via),
	    .state = b == NULL ? 0 : b->state,
	    .invite_cseq = b == NULL ? 0 : b->invite_cseq,
	    .cseq_mark = l->cseq_mark,
	    .rseq = l->nta == NULL ? l->rseq : nta_leg_get_rseq(l->nta),
	    .origin_id = l->origin.id,
	    .origin_version = l->origin.version,
	    .sdp_sent = snapshot_buf(media ? &l->sdp_sent : &(struct buf){0}),
	    .sdp_got = snapshot_buf(media ? &l->sdp_got : &(struct buf){0}),
	    .interval = l->interval,
	    .min_se = l->min_se,
	};
}

/* Branches that are done tell an adopter nothing. */
static void
snapshot_legs(const struct call *c, struct call_record *r)
{
	snapshot_leg(c, &c->a, &r->legs[0]);
	r->nlegs = 1;
	for (const struct branch *b = c->branches; b != NULL; b = b->next)
		if (b->state != BRANCH_DONE && r->nlegs < RECORD_LEGS)
			snapshot_leg(c, &b->leg, &r->legs[r->nlegs++]);
}

void
call_snapshot(const struct call *c, struct call_record *r)
{
	r->state = c->state;
	r->flags = (c->booked ? RECORD_CALL_BOOKED : 0) |
	    (c->media && !c->media_gone ? RECORD_CALL_MEDIA : 0) |
	    (c->delayed ? RECORD_CALL_DELAYED : 0) |
	    (c->privacy ? RECORD_CALL_PRIVACY : 0);
	r->id = snapshot_text(c->id);
	r->domain = snapshot_text(c->domain);
	r->domain_id = snapshot_text(c->domain_id);
	r->user = snapshot_text(c->user);
	r->caller_number = snapshot_text(c->caller_number);
	r->caller_name = snapshot_text(c->caller_name);
	r->called = snapshot_text(c->called);
	r->destination = snapshot_text(c->destination);
	r->service = snapshot_text(c->service);
	r->start = c->start;
	r->ring = c->ring;
	r->answer = c->answer;
	r->end = c->end;
	r->ring_until = c->ring_until;
	r->code = (unsigned)c->code;
	r->reason = snapshot_text(c->reason);
	r->ended_by = c->ended_by;
	/* Decided counts as sent: it is, as soon as this is acknowledged. */
	r->sent = (unsigned)(c->progress & CALL_PROGRESS_STATUS);
	if (c->sent > (int)r->sent)
		r->sent = (unsigned)c->sent;
	r->head = c->a.acked ? snapshot_text(NULL)
			     : (struct record_text){c->head, c->head_len};
	if (r->head.s == NULL)
		r->head = snapshot_text(NULL);
	snapshot_legs(c, r);
}
