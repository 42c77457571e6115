/*
 * Offers within a call: a re-INVITE or UPDATE of one side becomes one at the
 * other, its media led through MG, its answer the way back. One exchange at a
 * time in a call; a second one, from either side, is glare and gets 491
 * (RFC 3261 14.1). A refresh that brings nothing new is answered here.
 *
 *   from                      here                         to
 *    | INVITE, offer --> MGC offer --> record --> INVITE -> |
 *    | <-- 200, answer <-- record <-- MGC answer <-- 200 <- |
 *    |                                          ACK ------> |
 *
 * Without an offer in the INVITE the two descriptions travel the other way
 * and the ACK carries the answer. When the other side refuses, MGC is told
 * the descriptions from before once more.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define EXCHANGE_MAGIC 0xb2b0a006u

struct exchange {
	unsigned magic;
	struct call *call;
	struct leg *from; /* NULL: our own refresh */
	struct leg *to;	  /* NULL: a service */
	nta_incoming_t *irq;
	nta_outgoing_t *orq;
	sip_method_t method; /* of what we send */
	bool delayed;	     /* the INVITE had no offer */
	bool refresh;	     /* answered here */
	bool bare;	     /* an UPDATE without an offer: so is its answer */
	char via[LEG_ID + 8];
	uint32_t cseq;
	struct buf before; /* what from had described */
};

static void
exchange_free(struct exchange *x)
{
	if (x->call->exchange == x)
		x->call->exchange = NULL;
	nta_guest_end_incoming(x->call->b2bua->guest, x->irq);
	nta_guest_end_outgoing(x->call->b2bua->guest, x->orq);
	buf_fini(&x->before);
	x->magic = 0;
	free(x);
}

void
exchange_drop(struct call *c)
{
	struct exchange *x = c->exchange;

	if (x == NULL)
		return;
	call_media_forget(c, x);
	if (x->irq != NULL && nta_incoming_status(x->irq) < 200 &&
	    c->state == CALL_ENDING)
		nta_incoming_treply(
		    x->irq, SIP_487_REQUEST_CANCELLED, TAG_END());
	exchange_free(x);
}

/* ---- refusing ---- */

static void
exchange_ignore(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	(void)c;
	(void)arg;
	(void)sdp;
	(void)err;
}

/* MGC hears the old descriptions again, so that media is as before. */
static void
exchange_restore(struct exchange *x)
{
	struct buf now = x->from->sdp_got;

	if (x->delayed || x->before.len == 0)
		return;
	x->from->sdp_got = x->before;
	x->before = now;
	call_media_offer(x->from, x->to, x->to == NULL, exchange_ignore, NULL);
	if (x->to != NULL)
		call_media_answer(x->from, x->to, exchange_ignore, NULL);
}

static void
exchange_refuse(struct exchange *x, int code)
{
	nta_incoming_treply(x->irq, code, NULL,
	    TAG_IF(code == 488, SIPTAG_ACCEPT(x->call->b2bua->accept)),
	    TAG_END());
	exchange_restore(x);
	exchange_free(x);
}

/* ---- the way back ---- */

static void
exchange_ack(struct exchange *x, const struct buf *sdp)
{
	sip_cseq_t cseq[1];
	sip_payload_t pl[1];
	nta_outgoing_t *ack;

	if (x->method != sip_method_invite)
		return;
	sip_cseq_init(cseq);
	cseq->cs_seq = x->cseq;
	cseq->cs_method = sip_method_ack;
	cseq->cs_method_name = "ACK";
	sip_payload_init(pl);
	if (sdp != NULL) {
		pl->pl_data = sdp->data;
		pl->pl_len = sdp->len;
	}
	ack = nta_outgoing_tcreate(x->to->nta, NULL, NULL, NULL, SIP_METHOD_ACK,
	    NULL, SIPTAG_CSEQ(cseq), NTATAG_ACK_BRANCH(x->via),
	    TAG_IF(sdp != NULL, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
	    TAG_IF(sdp != NULL, SIPTAG_PAYLOAD(pl)), TAG_END());
	nta_outgoing_destroy(ack);
}

static void
exchange_reply(struct exchange *e)
{
	struct leg *l = e->from;
	sip_session_expires_t x[1];
	sip_payload_t pl[1];
	bool sdp = !e->bare && l->sdp_sent.len > 0;

	sip_payload_init(pl);
	pl->pl_data = l->sdp_sent.data;
	pl->pl_len = l->sdp_sent.len;
	nta_incoming_treply(e->irq, SIP_200_OK,
	    SIPTAG_CONTACT(l->call->b2bua->contact),
	    SIPTAG_ALLOW(l->call->b2bua->allow),
	    SIPTAG_SUPPORTED(l->call->b2bua->supported),
	    SIPTAG_SESSION_EXPIRES(session_timer_header(l, x, false)),
	    TAG_IF(sdp, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
	    TAG_IF(sdp, SIPTAG_PAYLOAD(pl)), TAG_END());
}

/* Both descriptions are known and recorded. */
static void
exchange_say_answer(struct call *c, void *arg)
{
	struct exchange *x = OBJ(arg, exchange, EXCHANGE_MAGIC);

	if (c->exchange != x)
		return;
	exchange_reply(x);
	if (x->delayed)
		return; /* the ACK brings the answer */
	if (x->to != NULL && !x->refresh)
		exchange_ack(x, NULL);
	exchange_free(x);
	call_clock_arm(c);
}

static void
exchange_on_answer(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	struct exchange *x = OBJ(arg, exchange, EXCHANGE_MAGIC);
	struct err none;

	if (err != NULL ||
	    leg_describe(x->from, sdp, strlen(sdp), &none) != 0) {
		if (x->to != NULL)
			exchange_ack(x, NULL);
		exchange_refuse(x, err != NULL ? 503 : 500);
		return;
	}
	call_store_then(c, exchange_say_answer, x);
}

/* The other side accepts: its description is the answer, or the offer when
 * there was none. */
static void
exchange_on_success(struct exchange *x, const sip_t *sip)
{
	bool present = false;

	leg_learn(x->to, sip, false);
	session_timer_reply(x->to, sip);
	if (x->from == NULL) {
		exchange_ack(x, NULL);
		exchange_free(x);
		return;
	}
	if (call_media_take(x->to, sip, &present) != 0 || !present) {
		exchange_ack(x, NULL);
		exchange_refuse(x, 488);
		return;
	}
	if (x->delayed)
		call_media_offer(x->to, x->from, false, exchange_on_answer, x);
	else
		call_media_answer(x->from, x->to, exchange_on_answer, x);
}

static void
exchange_on_failure(struct exchange *x, int status)
{
	struct call *c = x->call;
	struct leg *to = x->to;

	if (status == 408 || status == 481) { /* RFC 3261 12.2.1.2 */
		to->over = true;
		call_end(c, 408, "the phone is gone",
		    to->branch == NULL ? CALL_SIDE_CALLER : CALL_SIDE_CALLEE);
		return;
	}
	if (x->from == NULL) {
		/* After a glare soon, otherwise at the next half time. */
		to->not_before = clock_mono() + 2 * CLOCK_SEC;
		if (status != 491)
			to->refreshed = clock_mono();
		exchange_free(x);
		return;
	}
	exchange_refuse(
	    x, status == 491 || status == 487 ? status : cause_forward(status));
}

static int
exchange_on_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct exchange *x = OBJ(magic, exchange, EXCHANGE_MAGIC);
	struct call *c = x->call;
	int status = sip == NULL ? 408 : sip->sip_status->st_status;

	nta_guest_busy(c->b2bua->guest);
	if (status < 200 || orq != x->orq)
		return 0;
	leg_hear(x->to);
	nta_outgoing_destroy(orq);
	x->orq = NULL;
	if (status < 300)
		exchange_on_success(x, sip);
	else
		exchange_on_failure(x, status);
	call_clock_arm(c);
	return 0;
}

/* ---- the way there ---- */

static void
exchange_send(struct call *c, void *arg)
{
	struct exchange *x = OBJ(arg, exchange, EXCHANGE_MAGIC);
	sip_session_expires_t se[1];
	sip_min_se_t m[1];
	sip_payload_t pl[1];
	bool sdp = !x->delayed;

	if (c->exchange != x)
		return;
	leg_step_cseq(x->to);
	x->cseq = x->to->cseq;
	sip_payload_init(pl);
	pl->pl_data = x->to->sdp_sent.data;
	pl->pl_len = x->to->sdp_sent.len;
	x->orq = nta_outgoing_tcreate(x->to->nta, exchange_on_reply, x, NULL,
	    x->method, x->method == sip_method_invite ? "INVITE" : "UPDATE",
	    NULL, NTATAG_BRANCH_KEY(x->via), SIPTAG_CONTACT(c->b2bua->contact),
	    SIPTAG_ALLOW(c->b2bua->allow),
	    SIPTAG_SUPPORTED(c->b2bua->supported),
	    SIPTAG_SESSION_EXPIRES(session_timer_header(x->to, se, true)),
	    SIPTAG_MIN_SE(session_timer_least(x->to, m)),
	    TAG_IF(sdp, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
	    TAG_IF(sdp, SIPTAG_PAYLOAD(pl)), TAG_END());
	if (x->orq == NULL && x->from != NULL)
		exchange_refuse(x, 500);
	else if (x->orq == NULL)
		exchange_free(x);
}

static void
exchange_on_offer(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	struct exchange *x = OBJ(arg, exchange, EXCHANGE_MAGIC);
	struct leg *describe = x->to != NULL ? x->to : x->from;
	struct err none;

	if (err != NULL) {
		exchange_refuse(x, 503);
		return;
	}
	if (leg_describe(describe, sdp, strlen(sdp), &none) != 0) {
		exchange_refuse(x, 500);
		return;
	}
	call_store_then(
	    c, x->to != NULL ? exchange_send : exchange_say_answer, x);
}

/* ---- ACK and CANCEL of the INVITE that came ---- */

static void
exchange_on_ack_answer(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	struct exchange *x = OBJ(arg, exchange, EXCHANGE_MAGIC);
	struct err none;

	if (err != NULL || leg_describe(x->to, sdp, strlen(sdp), &none) != 0) {
		call_end(c, 500, "media cannot be connected", CALL_SIDE_SYSTEM);
		return;
	}
	exchange_ack(x, &x->to->sdp_sent);
	exchange_free(x);
	call_store_touch(c);
}

static void
exchange_on_ack(struct exchange *x, const sip_t *sip)
{
	bool present = false;

	nta_incoming_destroy(x->irq);
	x->irq = NULL;
	if (sip == NULL || call_media_take(x->from, sip, &present) != 0 ||
	    !present) {
		call_end(x->call, 488, "no answer to the offer",
		    x->from->branch == NULL ? CALL_SIDE_CALLER
					    : CALL_SIDE_CALLEE);
		return;
	}
	call_media_answer(x->to, x->from, exchange_on_ack_answer, x);
}

static int
exchange_on_ack_cancel(void *magic, nta_incoming_t *irq, const sip_t *sip)
{
	struct exchange *x = OBJ(magic, exchange, EXCHANGE_MAGIC);

	(void)irq;
	nta_guest_busy(x->call->b2bua->guest);
	if (sip != NULL && sip->sip_request->rq_method == sip_method_cancel) {
		if (x->orq != NULL && x->method == sip_method_invite)
			nta_outgoing_tcancel(x->orq, NULL, NULL, TAG_END());
	} else if (x->delayed)
		exchange_on_ack(x, sip);
	return 0;
}

/* ---- beginning ---- */

static struct exchange *
exchange_new(struct call *c, struct leg *from, struct leg *to)
{
	struct exchange *x = xcalloc(1, sizeof *x);

	x->magic = EXCHANGE_MAGIC;
	x->call = c;
	x->from = from;
	x->to = to;
	x->method = sip_method_invite;
	memcpy(x->via, "z9hG4bK", 7);
	leg_random(c->b2bua, x->via + 7, 24);
	c->exchange = x;
	return x;
}

/* Nothing that concerns the other side: the answer is what was said before,
 * and none at all to an UPDATE without an offer. */
static int
exchange_refreshed(struct leg *l, nta_incoming_t *irq, bool bare)
{
	struct exchange *x = exchange_new(l->call, l, leg_other(l));

	x->irq = irq;
	x->refresh = true;
	x->bare = bare;
	nta_incoming_set_params(irq, NTATAG_EXTRA_100(0), TAG_END());
	nta_incoming_bind(irq, exchange_on_ack_cancel, x);
	call_store_then(l->call, exchange_say_answer, x);
	return 0;
}

static bool
exchange_is_old(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* The offer goes on, or is asked of the other side. */
static void
exchange_start(struct exchange *x, bool update)
{
	struct call *c = x->call;

	if (update && x->to != NULL && x->to->update)
		x->method = sip_method_update;
	nta_incoming_set_params(x->irq, NTATAG_EXTRA_100(0), TAG_END());
	nta_incoming_bind(x->irq, exchange_on_ack_cancel, x);
	if (x->delayed)
		call_store_then(c, exchange_send, x);
	else
		call_media_offer(
		    x->from, x->to, x->to == NULL, exchange_on_offer, x);
}

int
exchange_request(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct call *c = l->call;
	bool update = sip->sip_request->rq_method == sip_method_update;
	bool present = false;
	struct buf before = l->sdp_got;
	struct exchange *x;
	sip_min_se_t m[1];
	int code;

	if (c->exchange != NULL)
		return 491;
	if (session_timer_request(l, sip) != 0) {
		nta_incoming_treply(irq, SIP_422_SESSION_TIMER_TOO_SMALL,
		    SIPTAG_MIN_SE(session_timer_least(l, m)), TAG_END());
		nta_incoming_destroy(irq);
		return 0;
	}
	leg_retarget(l, sip);
	l->sdp_got = (struct buf)BUF_INIT;
	code = call_media_take(l, sip, &present);
	if (code != 0 || !present || exchange_is_old(&l->sdp_got, &before)) {
		buf_fini(&l->sdp_got);
		l->sdp_got = before;
		if (code != 0)
			return code;
		if (present || update)
			return exchange_refreshed(l, irq, !present);
		if (leg_other(l) == NULL)
			return 488;
		before = (struct buf)BUF_INIT;
	}
	x = exchange_new(c, l, leg_other(l));
	x->irq = irq;
	x->before = before;
	x->delayed = !present;
	exchange_start(x, update);
	return 0;
}

void
exchange_refresh(struct leg *l)
{
	struct call *c = l->call;

	l->not_before = clock_mono() + 2 * CLOCK_SEC;
	if (c->exchange != NULL || l->sdp_sent.len == 0)
		return;
	exchange_send(c, exchange_new(c, NULL, l));
}
