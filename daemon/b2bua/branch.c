/*
 * One contact being rung: a dialog of its own, with identifiers that share
 * nothing with the caller's. Decides what a reply to its INVITE means; who
 * wins and what is tried next is the stage's (stage.c).
 *
 *   CALLING --1xx--> RINGING --2xx--> ANSWERED --BYE--> (leg over)
 *      |                |  \--3xx-6xx--> DONE
 *      +--not wanted----+--> CANCELLED --final--> DONE, or ACK and BYE
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define BRANCH_ANONYMOUS "\"Anonymous\" <sip:anonymous@anonymous.invalid>"

static void
branch_new_via(struct branch *b)
{
	memcpy(b->via, "z9hG4bK", 7);
	leg_random(b->leg.call->b2bua, b->via + 7, 24);
	b->invite_cseq = b->leg.cseq + 1;
}

struct branch *
branch_new(struct call *c, const struct plan_leg *to,
    const struct locate_contact *contact)
{
	struct branch *b = pool_alloc(c->pool, sizeof *b), **at;
	struct leg *l = &b->leg;
	char id[LEG_ID];

	b->magic = BRANCH_MAGIC;
	b->state = BRANCH_CALLING;
	b->stage = c->stage;
	b->destination = pool_str(c->pool, to->target);
	leg_init(l, c, b);
	snprintf(l->label, sizeof l->label, "b%u", ++c->nbranches);
	leg_random(c->b2bua, id, LEG_ID - 1);
	leg_set(&l->call_id, id);
	leg_random(c->b2bua, l->local_tag, 16);
	branch_new_via(b);
	l->local = c->privacy
	    ? xstrdup(BRANCH_ANONYMOUS)
	    : headers_address(to->caller_name, to->caller, c->domain);
	l->remote = headers_address(to->called_name, to->called, c->domain);
	leg_set(&l->target, contact->uri);
	leg_set(&l->routes, contact->path);
	leg_set(&l->source, contact->source);
	l->interval = b2bua_times.se;
	for (at = &c->branches; *at != NULL; at = &(*at)->next)
		;
	*at = b;
	call_trace_leg(l);
	return b;
}

void
branch_free(struct branch *b)
{
	nta_guest_end_outgoing(b->leg.call->b2bua->guest, b->invite);
	leg_fini(&b->leg);
	b->magic = 0;
}

bool
branch_is_over(const struct branch *b)
{
	return b->state == BRANCH_DONE ||
	    (b->state == BRANCH_ANSWERED && b->leg.over);
}

/* The final reply is here, or nothing was sent. */
static void
branch_done(struct branch *b, int code)
{
	if (b->invite != NULL)
		nta_outgoing_destroy(b->invite);
	b->invite = NULL;
	why_failure(b, code);
	b->state = BRANCH_DONE;
	b->code = code;
	call_store_touch(b->leg.call);
}

/* ---- sending ---- */

void
branch_invite(struct branch *b)
{
	struct leg *l = &b->leg;
	struct call *c = l->call;
	sip_session_expires_t x[1];
	sip_min_se_t m[1];
	sip_max_forwards_t mf[1];
	sip_payload_t pl[1];
	bool sdp = !c->delayed;

	sip_max_forwards_init(mf);
	mf->mf_count = (unsigned long)c->max_forwards - 1;
	sip_payload_init(pl);
	pl->pl_data = l->sdp_sent.data;
	pl->pl_len = l->sdp_sent.len;
	if (l->nta != NULL || leg_open(l)) {
		leg_step_cseq(l);
		b->invite = nta_outgoing_tcreate(l->nta, branch_on_reply, b,
		    NULL, SIP_METHOD_INVITE, NULL, NTATAG_BRANCH_KEY(b->via),
		    SIPTAG_MAX_FORWARDS(mf), SIPTAG_CONTACT(c->b2bua->contact),
		    SIPTAG_ALLOW(c->b2bua->allow),
		    SIPTAG_SUPPORTED(c->b2bua->supported),
		    SIPTAG_SESSION_EXPIRES(session_timer_header(l, x, true)),
		    SIPTAG_MIN_SE(session_timer_least(l, m)),
		    TAG_IF(sdp, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
		    TAG_IF(sdp, SIPTAG_PAYLOAD(pl)), TAG_END());
	}
	if (b->invite != NULL)
		return;
	log_debug("call=%s leg=%s no INVITE can be made", c->id, l->label);
	branch_done(b, 500);
	stage_note(c, 500, CALL_SIDE_SYSTEM);
	stage_failed(c);
}

void
branch_ack(struct branch *b, const struct buf *sdp)
{
	struct leg *l = &b->leg;
	sip_cseq_t cseq[1];
	sip_payload_t pl[1];
	nta_outgoing_t *ack;

	if (l->acked || l->nta == NULL)
		return;
	l->acked = true;
	sip_cseq_init(cseq);
	cseq->cs_seq = b->invite_cseq;
	cseq->cs_method = sip_method_ack;
	cseq->cs_method_name = "ACK";
	sip_payload_init(pl);
	if (sdp != NULL) {
		pl->pl_data = sdp->data;
		pl->pl_len = sdp->len;
	}
	ack = nta_outgoing_tcreate(l->nta, NULL, NULL, NULL, SIP_METHOD_ACK,
	    NULL, SIPTAG_CSEQ(cseq), NTATAG_ACK_BRANCH(b->via),
	    TAG_IF(sdp != NULL, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
	    TAG_IF(sdp != NULL, SIPTAG_PAYLOAD(pl)), TAG_END());
	nta_outgoing_destroy(ack);
	if (b->invite != NULL)
		nta_outgoing_destroy(b->invite);
	b->invite = NULL;
}

/* ---- not wanted any more ---- */

/*
 * The transaction that sent the INVITE is gone with its process: nta would
 * wait for a provisional reply that has long been here. The CANCEL is made
 * from the dialog, with the INVITE's branch and CSeq (RFC 3261 9.1).
 */
void
branch_cancel_again(struct branch *b)
{
	struct leg *l = &b->leg;
	nta_agent_t *agent = nta_guest_agent(l->call->b2bua->guest);
	msg_t *msg = nta_msg_create(agent, 0);
	sip_t *sip = sip_object(msg);
	char line[64];
	nta_outgoing_t *orq = NULL;

	snprintf(line, sizeof line, "%u CANCEL", b->invite_cseq);
	if (sip_add_tl(msg, sip, SIPTAG_CALL_ID_STR(l->call_id),
		SIPTAG_CSEQ_STR(line), SIPTAG_TO_STR(l->remote),
		SIPTAG_FROM_STR(l->local), SIPTAG_ROUTE_STR(l->routes),
		TAG_END()) >= 0 &&
	    sip->sip_from != NULL) {
		sip_from_tag(msg_home(msg), sip->sip_from, l->local_tag);
		sip->sip_request = sip_request_create(msg_home(msg),
		    SIP_METHOD_CANCEL, URL_STRING_MAKE(l->target), NULL);
		orq = nta_outgoing_mcreate(agent, NULL, NULL, NULL, msg,
		    NTATAG_BRANCH_KEY(b->via), TAG_END());
	}
	if (orq == NULL)
		msg_destroy(msg);
}

/* It answered although it was not wanted: take it, and hang up. */
static void
branch_hang(struct call *c, void *arg)
{
	struct branch *b = OBJ(arg, branch, BRANCH_MAGIC);

	branch_ack(b, NULL);
	leg_bye(&b->leg, NULL);
	call_settle(c);
}

void
branch_cancel(struct branch *b, const char *reason)
{
	switch (b->state) {
	case BRANCH_CALLING:
	case BRANCH_RINGING:
		if (b->invite == NULL) {
			branch_done(b, 487);
			return;
		}
		b->state = BRANCH_CANCELLED;
		call_store_touch(b->leg.call);
		if (b->adopted) {
			branch_cancel_again(b);
			return;
		}
		nta_outgoing_tcancel(b->invite, NULL, NULL,
		    TAG_IF(reason != NULL, SIPTAG_REASON_STR(reason)),
		    TAG_END());
		break;
	case BRANCH_ANSWERED:
		branch_ack(b, NULL);
		leg_bye(&b->leg, reason);
		break;
	case BRANCH_CANCELLED:
	case BRANCH_DONE:
		break;
	}
}

void
branch_others_off(
    struct call *c, const struct branch *except, const char *reason)
{
	for (struct branch *b = c->branches; b != NULL; b = b->next)
		if (b != except)
			branch_cancel(b, reason);
}

/* ---- replies ---- */

/* Early media is that of the first branch which has any. */
static void
branch_on_early_media(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	struct branch *b = arg;
	struct err none;

	if (c->state != CALL_RINGING || c->winner != NULL || err != NULL ||
	    leg_describe(&c->a, sdp, strlen(sdp), &none) != 0)
		return;
	c->early = true;
	caller_progress(c, b->code);
}

static void
branch_on_provisional(struct branch *b, const sip_t *sip)
{
	struct call *c = b->leg.call;
	int status = sip->sip_status->st_status;
	bool present = false;

	if (c->state != CALL_RINGING || c->winner != NULL ||
	    (b->state != BRANCH_CALLING && b->state != BRANCH_RINGING))
		return;
	b->state = BRANCH_RINGING;
	if (status < 180 || status > 183)
		return;
	if (!c->delayed && (c->early_from == NULL || c->early_from == b) &&
	    call_media_take(&b->leg, sip, &present) == 0 && present &&
	    c->early_from == NULL) {
		c->early_from = b;
		b->code = status;
		call_media_answer(&c->a, &b->leg, branch_on_early_media, b);
		return;
	}
	caller_progress(c, status);
}

/* The winner's dialog and media are known and recorded. */
static void
branch_connect(struct call *c, void *arg)
{
	struct branch *b = OBJ(arg, branch, BRANCH_MAGIC);

	if (c->state != CALL_ANSWERED)
		return;
	caller_answer(c);
	if (!c->delayed)
		branch_ack(b, NULL);
	branch_others_off(
	    c, b, "SIP;cause=200;text=\"Call completed elsewhere\"");
	c->b2bua->count.answered++;
}

static void
branch_on_media(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	struct branch *b = arg;
	struct err none;

	if (c->state != CALL_RINGING)
		return;
	if (err != NULL || leg_describe(&c->a, sdp, strlen(sdp), &none) != 0) {
		call_end(c, 500, "media cannot be connected", CALL_SIDE_SYSTEM);
		return;
	}
	c->answer = clock_real();
	call_trace_leg(&c->a);
	call_enter(c, CALL_ANSWERED);
	call_store_then(c, branch_connect, b);
}

/* The first 2xx: its media, then the caller's answer. */
static void
branch_win(struct branch *b, const sip_t *sip)
{
	struct call *c = b->leg.call;
	bool present = false;

	c->winner = b;
	c->destination = b->destination;
	why_answer(b);
	memset(c->due, 0, sizeof c->due);
	call_clock_arm(c);
	if (call_media_take(&b->leg, sip, &present) != 0 ||
	    (!present && (c->delayed || b->leg.sdp_got.len == 0))) {
		call_end(
		    c, 488, "the answer describes no media", CALL_SIDE_CALLEE);
		return;
	}
	call_media_forget(c, NULL);
	if (c->delayed)
		call_media_offer(&b->leg, &c->a, false, branch_on_media, b);
	else
		call_media_answer(&c->a, &b->leg, branch_on_media, b);
}

static void
branch_on_success(struct branch *b, const sip_t *sip)
{
	struct call *c = b->leg.call;
	bool wanted = c->state == CALL_RINGING && c->winner == NULL &&
	    b->state != BRANCH_CANCELLED;

	if (b->state == BRANCH_ANSWERED || b->state == BRANCH_DONE)
		return;
	if (!leg_learn(&b->leg, sip, true) || b->leg.remote_tag == NULL) {
		/* Nowhere to send an ACK to: the phone gives up by itself. */
		branch_done(b, 500);
		stage_note(c, 500, CALL_SIDE_SYSTEM);
		stage_failed(c);
		return;
	}
	b->state = BRANCH_ANSWERED;
	b->leg.up = true;
	session_timer_reply(&b->leg, sip);
	if (wanted)
		branch_win(b, sip);
	else
		call_store_then(c, branch_hang, b);
}

/* 422: the phone wants a longer interval; asked again once (RFC 4028 7.3). */
static bool
branch_retry(struct branch *b, const sip_t *sip)
{
	struct call *c = b->leg.call;

	if (b->retried || sip == NULL || sip->sip_min_se == NULL ||
	    c->state != CALL_RINGING || b->state == BRANCH_CANCELLED)
		return false;
	b->retried = true;
	nta_outgoing_destroy(b->invite);
	b->invite = NULL;
	b->state = BRANCH_CALLING;
	b->leg.min_se = sip->sip_min_se->min_delta > 86400
	    ? 86400
	    : (unsigned)sip->sip_min_se->min_delta;
	if (b->leg.interval < b->leg.min_se)
		b->leg.interval = b->leg.min_se;
	leg_set(&b->leg.remote_tag, NULL);
	branch_new_via(b);
	if (!leg_open(&b->leg))
		return false;
	return true;
}

static void
branch_invite_again(struct call *c, void *arg)
{
	struct branch *b = OBJ(arg, branch, BRANCH_MAGIC);

	if (c->state == CALL_RINGING && b->state == BRANCH_CALLING)
		branch_invite(b);
	else
		call_settle(c);
}

/* sip NULL: nothing came in time. What the phone said ends the call in its
 * name only when it is passed on as it was said. */
static void
branch_on_failure(struct branch *b, int status, const sip_t *sip)
{
	struct call *c = b->leg.call;
	int code = cause_forward(status);
	bool own = sip != NULL && code == status && status != 408;
	bool cancelled = b->state == BRANCH_CANCELLED;

	if (status == 422 && branch_retry(b, sip)) {
		call_store_then(c, branch_invite_again, b);
		return;
	}
	if (!cancelled)
		stage_note(c, code, own ? CALL_SIDE_CALLEE : CALL_SIDE_SYSTEM);
	branch_done(b, status);
	if (c->state == CALL_ENDING || cancelled) { /* decided before */
		call_settle(c);
		return;
	}
	if (status >= 600 && c->winner == NULL)
		branch_others_off(c, b, NULL);
	stage_failed(c);
}

int
branch_on_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct branch *b = OBJ(magic, branch, BRANCH_MAGIC);
	int status = sip == NULL ? 408 : sip->sip_status->st_status;

	nta_guest_busy(b->leg.call->b2bua->guest);
	if (orq != b->invite)
		return 0;
	leg_hear(&b->leg);
	if (status < 200)
		branch_on_provisional(b, sip);
	else if (status < 300)
		branch_on_success(b, sip);
	else
		branch_on_failure(b, status, sip);
	return 0;
}
