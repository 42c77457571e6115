/*
 * Calls that a process before this one left. Each record is made a call again
 * before the agent hears anything, and goes on from its state:
 *
 *   SETUP     nothing was asked of anybody: the INVITE is refused with 503
 *   RINGING   the caller's transaction is made again from the INVITE's head;
 *             branches that have answered wait on, the others are asked again
 *             with the same branch, tag and CSeq
 *   ANSWERED  the same 200 again until its ACK comes; the ACK to the winner
 *             again
 *   UP        both dialogs, nothing is said
 *   ENDING    whatever was owed is said again
 *
 * A record that cannot be read is said and dropped; its phones find out by
 * their session timers. Sizes and traps: FACTS of the transaction layer are
 * that an INVITE made again needs a To without tag, and that one which is not
 * sent has no timers.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/tport.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* Exported by sofia, in none of its headers. */
extern tag_typedef_t ntatag_delay_sending;
#define ADOPT_NOT_SENT ntatag_delay_sending, tag_bool_v(1)

struct adopt {
	struct b2bua *b2bua;
	struct call_record record;
	struct buf broken; /* rows that hold none */
};

/* ---- from the record ---- */

static const char *
adopt_text(struct call *c, const struct record_text *t)
{
	return pool_strn(c->pool, t->s, t->n);
}

static void
adopt_buf(struct buf *b, const struct record_text *t)
{
	if (t->n > 0)
		buf_add(b, t->s, t->n);
}

/* Silence is spread, so that not all phones are asked at the same time. */
static uint64_t
adopt_heard(void)
{
	uint64_t random;

	rand_bytes(&random, sizeof random);
	return clock_mono() - random % b2bua_times.ping;
}

static void
adopt_leg(struct leg *l, const struct record_leg *r)
{
	str_ncopy(l->label, sizeof l->label, r->label.s, r->label.n);
	leg_nset(&l->call_id, r->call_id.s, r->call_id.n);
	leg_nset(&l->local, r->local.s, r->local.n);
	leg_nset(&l->remote, r->remote.s, r->remote.n);
	leg_nset(&l->remote_tag, r->remote_tag.s, r->remote_tag.n);
	leg_nset(&l->target, r->target.s, r->target.n);
	leg_nset(&l->routes, r->routes.s, r->routes.n);
	leg_nset(&l->source, r->source.s, r->source.n);
	str_ncopy(
	    l->local_tag, sizeof l->local_tag, r->local_tag.s, r->local_tag.n);
	l->cseq = r->cseq_mark + LEG_CSEQ_AHEAD;
	l->cseq_mark = l->cseq + LEG_CSEQ_AHEAD;
	l->rseq = r->rseq;
	l->origin.id = r->origin_id;
	l->origin.version = r->origin_version;
	adopt_buf(&l->sdp_sent, &r->sdp_sent);
	adopt_buf(&l->sdp_got, &r->sdp_got);
	l->interval = r->interval;
	l->min_se = r->min_se;
	l->refresher = r->flags & RECORD_LEG_REFRESHER;
	l->timer = r->flags & RECORD_LEG_TIMER;
	l->update = r->flags & RECORD_LEG_UPDATE;
	l->up = r->flags & RECORD_LEG_UP;
	l->acked = r->flags & RECORD_LEG_ACKED;
	l->over = r->flags & RECORD_LEG_OVER;
	l->refreshed = clock_mono();
	l->heard = adopt_heard();
}

/* Labels of branches to come must be new ones. */
static void
adopt_count_label(struct call *c, const char *label)
{
	int64_t n;

	if (label[0] == 'b' && str_int(label + 1, 0, 1000, &n) &&
	    (unsigned)n > c->nbranches)
		c->nbranches = (unsigned)n;
}

static void
adopt_branch(struct call *c, const struct record_leg *r)
{
	struct branch *b = pool_alloc(c->pool, sizeof *b), **at;

	b->magic = BRANCH_MAGIC;
	b->state = (enum record_branch)r->state;
	b->adopted = true;
	b->destination = adopt_text(c, &r->destination);
	leg_init(&b->leg, c, b);
	adopt_count_label(c, r->label.s);
	str_ncopy(b->via, sizeof b->via, r->via.s, r->via.n);
	b->invite_cseq = r->invite_cseq;
	adopt_leg(&b->leg, r);
	for (at = &c->branches; *at != NULL; at = &(*at)->next)
		;
	*at = b;
	if (r->flags & RECORD_LEG_WINNER)
		c->winner = b;
}

static void
adopt_facts(struct call *c, const struct call_record *r)
{
	c->domain = adopt_text(c, &r->domain);
	c->domain_id = adopt_text(c, &r->domain_id);
	c->user = adopt_text(c, &r->user);
	c->caller_number = adopt_text(c, &r->caller_number);
	c->caller_name = adopt_text(c, &r->caller_name);
	c->called = adopt_text(c, &r->called);
	c->destination = adopt_text(c, &r->destination);
	c->service = r->service.n > 0 ? adopt_text(c, &r->service) : NULL;
	c->start = r->start;
	c->ring = r->ring;
	c->answer = r->answer;
	c->end = r->end;
	c->ring_until = r->ring_until;
	c->code = (int)r->code;
	c->q850 = cause_find(c->answer != 0 ? 200 : c->code)->q850;
	c->reason = adopt_text(c, &r->reason);
	c->ended_by = r->ended_by;
	c->booked = r->flags & RECORD_CALL_BOOKED;
	c->media = r->flags & RECORD_CALL_MEDIA;
	c->delayed = r->flags & RECORD_CALL_DELAYED;
	c->privacy = r->flags & RECORD_CALL_PRIVACY;
	c->sent = (int)r->sent;
	c->state = r->state;
	if (r->head.n > 0) {
		c->head = xstrndup(r->head.s, r->head.n);
		c->head_len = r->head.n;
	}
}

/* ---- the caller's transaction ---- */

/* The INVITE's server transaction, as if it had just come. */
static bool
adopt_server(struct call *c)
{
	nta_agent_t *agent = nta_guest_agent(c->b2bua->guest);
	msg_t *msg;
	sip_t *sip;

	if (c->head == NULL)
		return false;
	msg = msg_make(sip_default_mclass(), 0, c->head, (ssize_t)c->head_len);
	sip = msg == NULL ? NULL : sip_object(msg);
	if (sip == NULL || sip->sip_request == NULL || sip->sip_via == NULL ||
	    sip_sanity_check(sip) < 0) {
		msg_destroy(msg);
		return false;
	}
	/* Without a transport nta would find one and let go of it twice. */
	c->invite = nta_incoming_create(agent, c->a.nta, msg, sip,
	    NTATAG_TPORT(tport_primaries(nta_agent_tports(agent))), TAG_END());
	if (c->invite == NULL)
		return false;
	nta_incoming_set_params(c->invite, NTATAG_EXTRA_100(0), TAG_END());
	nta_incoming_tag(c->invite, c->a.local_tag);
	nta_incoming_bind(c->invite, caller_on_ack_cancel, c);
	return true;
}

/* ---- branches ---- */

/* The INVITE again, on the wire or only to hear its replies. */
static bool
adopt_invite(struct branch *b)
{
	struct leg *l = &b->leg;
	uint32_t cseq = l->cseq;

	l->cseq = b->invite_cseq - 1;
	if (!leg_open(l))
		return false;
	if (b->state == BRANCH_CALLING)
		branch_invite(b);
	else
		b->invite = nta_outgoing_tcreate(l->nta, branch_on_reply, b,
		    NULL, SIP_METHOD_INVITE, NULL, NTATAG_BRANCH_KEY(b->via),
		    SIPTAG_CONTACT(l->call->b2bua->contact), ADOPT_NOT_SENT,
		    TAG_END());
	l->cseq = cseq;
	return b->invite != NULL;
}

static bool
adopt_branches(struct call *c)
{
	for (struct branch *b = c->branches; b != NULL; b = b->next) {
		if (c->state == CALL_SETUP) /* never asked */
			b->state = BRANCH_DONE;
		else if (b->leg.up) {
			if (!leg_open(&b->leg))
				return false;
		} else if (!adopt_invite(b)) {
			b->state = BRANCH_DONE;
			stage_note(c, 480, CALL_SIDE_SYSTEM);
		}
		if (b->state == BRANCH_CANCELLED)
			branch_cancel_again(b);
		if (b->state == BRANCH_ANSWERED && b != c->winner)
			branch_cancel(b, NULL);
	}
	return true;
}

/* ---- states ---- */

static void
adopt_ringing(struct call *c)
{
	uint64_t now = clock_real();
	int status = c->sent;

	c->sent = 0;
	c->early = c->a.sdp_sent.len > 0;
	if (!adopt_server(c)) {
		call_end(c, 503, "exchange restarted", CALL_SIDE_SYSTEM);
		return;
	}
	if (status >= 180)
		caller_progress(c, status);
	else
		caller_trying(c);
	call_clock_set(
	    c, CALL_CLOCK_RING, c->ring_until > now ? c->ring_until - now : 1);
	stage_failed(c);
}

static void
adopt_answered(struct call *c)
{
	c->sent = 0;
	c->a.up = false;
	if (!adopt_server(c)) {
		c->a.up = c->a.acked = true;
		call_enter(c, CALL_UP);
	} else
		caller_answer(c);
	if (c->winner != NULL && !c->delayed) {
		c->winner->leg.acked = false;
		branch_ack(c->winner, NULL);
	}
}

static void
adopt_ending(struct call *c)
{
	if (!c->a.up) {
		c->sent = 0;
		if (!adopt_server(c))
			c->sent = 487;
	} else if (!c->a.acked) {
		c->sent = 0;
		if (adopt_server(c))
			caller_answer(c);
		else
			c->a.acked = true;
	}
	call_tell(c);
}

static void
adopt_trace(const struct call *c)
{
	if (c->domain_id[0] == '\0')
		return;
	why_adopted(c);
	call_trace_leg(&c->a);
	for (const struct branch *b = c->branches; b != NULL; b = b->next)
		call_trace_leg(&b->leg);
}

/* The call goes on; what cannot is ended, and booked as that. */
static void
adopt_go_on(struct call *c)
{
	bool legs = leg_open(&c->a) && adopt_branches(c);

	if (!legs && c->state != CALL_ENDING) {
		c->b2bua->count.cleaned++;
		call_end(c, 503, "exchange restarted", CALL_SIDE_SYSTEM);
		return;
	}
	c->b2bua->count.adopted++;
	adopt_trace(c);
	switch (c->state) {
	case CALL_SETUP:
		c->sent = 0;
		adopt_server(c);
		call_end(c, 503, "exchange restarted", CALL_SIDE_SYSTEM);
		break;
	case CALL_RINGING:
		adopt_ringing(c);
		break;
	case CALL_ANSWERED:
		adopt_answered(c);
		break;
	case CALL_UP:
		break;
	case CALL_ENDING:
		adopt_ending(c);
		break;
	}
	call_clock_arm(c);
	call_store_touch(c);
}

static void
adopt_row(void *arg, int64_t row, const void *bytes, size_t n)
{
	struct adopt *a = arg;
	struct call_record *r = &a->record;
	struct call *c;
	struct err err;

	if (call_record_decode(r, bytes, n, &err) != 0 ||
	    r->id.n != CALL_ID - 1) {
		log_warnx("record %lld: %s: dropped", (long long)row, err.text);
		buf_add(&a->broken, &row, sizeof row);
		return;
	}
	if (call_find(a->b2bua, r->id.s) != NULL)
		return;
	c = call_new(a->b2bua, r->id.s);
	c->row = row;
	adopt_facts(c, r);
	adopt_leg(&c->a, &r->legs[0]);
	for (unsigned i = 1; i < r->nlegs; i++)
		adopt_branch(c, &r->legs[i]);
}

int
adopt_all(struct b2bua *b, struct err *err)
{
	struct adopt *a = xcalloc(1, sizeof *a);
	struct call *c, *next;
	uint64_t from = clock_mono();
	unsigned count = 0, broken;
	int64_t row;
	int rc;

	a->b2bua = b;
	rc = call_store_each(b->store, adopt_row, a, err);
	for (size_t i = 0; i < a->broken.len; i += sizeof row) {
		memcpy(&row, a->broken.data + i, sizeof row);
		call_store_drop_row(b->store, row);
	}
	for (c = b->first; rc == 0 && c != NULL; c = next, count++) {
		next = c->next;
		adopt_go_on(c);
	}
	broken = (unsigned)(a->broken.len / sizeof row);
	if (count + broken > 0)
		log_info("%u calls adopted in %llu us, %u records dropped",
		    count, (unsigned long long)(clock_mono() - from), broken);
	buf_fini(&a->broken);
	free(a);
	return rc;
}
