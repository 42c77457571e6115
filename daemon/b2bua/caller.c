/*
 * Replies to the caller's INVITE: what of the other side's provisional and
 * final replies is passed on, and with what in it. Every reply here is said
 * from a step of the record, except what call.c refuses unrecorded.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

/* ---- the INVITE as an adopter needs it ---- */

static void
caller_add_header(struct buf *b, const char *name, const void *header)
{
	for (const msg_header_t *h = header; h != NULL; h = h->sh_next) {
		char value[2048];
		issize_t n = msg_header_field_e(value, sizeof value, h, 0);

		if (n < 0 || n >= (issize_t)sizeof value)
			return;
		buf_str(b, name);
		buf_str(b, ": ");
		buf_add(b, value, (size_t)n);
		buf_str(b, "\r\n");
	}
}

void
caller_keep_head(struct call *c, const sip_t *sip)
{
	struct buf b = BUF_INIT;
	char *url = url_as_string(NULL, sip->sip_request->rq_url);

	buf_str(&b, "INVITE ");
	buf_str(&b, url == NULL ? "" : url);
	buf_str(&b, " SIP/2.0\r\n");
	su_free(NULL, url);
	caller_add_header(&b, "Via", sip->sip_via);
	caller_add_header(&b, "Record-Route", sip->sip_record_route);
	caller_add_header(&b, "From", sip->sip_from);
	caller_add_header(&b, "To", sip->sip_to);
	caller_add_header(&b, "Call-ID", sip->sip_call_id);
	caller_add_header(&b, "CSeq", sip->sip_cseq);
	caller_add_header(&b, "Contact", sip->sip_contact);
	buf_str(&b, "Content-Length: 0\r\n\r\n");
	c->head_len = b.len;
	c->head = buf_take(&b);
}

static void
caller_forget_head(struct call *c)
{
	free(c->head);
	c->head = NULL;
	c->head_len = 0;
}

/* ---- replies ---- */

void
caller_trying(struct call *c)
{
	if (c->invite == NULL || c->sent != 0)
		return;
	c->sent = 100;
	nta_incoming_treply(c->invite, SIP_100_TRYING, TAG_END());
}

static sip_payload_t *
caller_payload(const struct leg *l, sip_payload_t *pl)
{
	if (l->sdp_sent.len == 0)
		return NULL;
	sip_payload_init(pl);
	pl->pl_data = l->sdp_sent.data;
	pl->pl_len = l->sdp_sent.len;
	return pl;
}

static void
caller_say_progress(struct call *c, void *arg)
{
	int status = (int)(intptr_t)arg;
	sip_payload_t pl[1];
	bool sdp = c->early && c->a.sdp_sent.len > 0;

	if (c->invite == NULL || c->state != CALL_RINGING)
		return;
	c->sent = status;
	nta_incoming_treply(c->invite, status, NULL,
	    SIPTAG_CONTACT(c->b2bua->contact), SIPTAG_ALLOW(c->b2bua->allow),
	    TAG_IF(sdp, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
	    TAG_IF(sdp, SIPTAG_PAYLOAD(caller_payload(&c->a, pl))), TAG_END());
}

/* Every fork may ring: what the caller knows already is not said again. */
void
caller_progress(struct call *c, int status)
{
	int news = status | (c->early ? CALL_PROGRESS_MEDIA : 0);

	if (c->state != CALL_RINGING || c->progress == news ||
	    (status == 180 && c->progress == (180 | CALL_PROGRESS_MEDIA)))
		return;
	c->progress = news;
	if (c->ring == 0) {
		c->ring = clock_real();
		call_trace_leg(&c->a);
	}
	c->due[CALL_CLOCK_TRYING] = 0;
	call_store_then(c, caller_say_progress, (void *)(intptr_t)status);
}

void
caller_answer(struct call *c)
{
	sip_session_expires_t x[1];
	sip_payload_t pl[1];
	const sip_session_expires_t *timer = session_timer_header(
	    &c->a, x, false);
	bool demand = timer != NULL && !c->a.refresher;

	if (c->invite == NULL || c->sent >= 200)
		return;
	c->sent = 200;
	c->a.up = true;
	c->a.refreshed = clock_mono();
	nta_incoming_treply(c->invite, SIP_200_OK,
	    SIPTAG_CONTACT(c->b2bua->contact), SIPTAG_ALLOW(c->b2bua->allow),
	    SIPTAG_SUPPORTED(c->b2bua->supported),
	    SIPTAG_SESSION_EXPIRES(timer),
	    TAG_IF(demand, SIPTAG_REQUIRE_STR("timer")),
	    SIPTAG_CONTENT_TYPE_STR("application/sdp"),
	    SIPTAG_PAYLOAD(caller_payload(&c->a, pl)), TAG_END());
}

void
caller_refuse(struct call *c)
{
	char reason[128];
	sip_min_se_t m[1];

	if (c->invite == NULL || c->sent >= 200)
		return;
	c->sent = c->code;
	headers_cause(reason, c->q850, c->reason);
	nta_incoming_treply(c->invite, c->code, NULL, SIPTAG_REASON_STR(reason),
	    TAG_IF(c->code == 503, SIPTAG_RETRY_AFTER_STR("5")),
	    TAG_IF(c->unproven, SIPTAG_HEADER_STR(ADMIT_UNPROVEN)),
	    TAG_IF(c->code == 405, SIPTAG_ALLOW(c->b2bua->allow)),
	    TAG_IF(c->code == 415 || c->code == 488,
		SIPTAG_ACCEPT(c->b2bua->accept)),
	    TAG_IF(
		c->code == 422, SIPTAG_MIN_SE(session_timer_least(&c->a, m))),
	    TAG_END());
}

/* ---- ACK, CANCEL, silence ---- */

/* The INVITE is over, by an ACK or for want of one. */
static void
caller_close_invite(struct call *c)
{
	nta_incoming_destroy(c->invite);
	c->invite = NULL;
	c->a.acked = true;
	caller_forget_head(c);
	if (c->state != CALL_ENDING)
		return;
	if (c->told && c->a.up)
		leg_bye(&c->a, c->peer_reason);
	call_settle(c);
}

/* The answer to an offer that came from the called side. */
static void
caller_ack_media(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	struct branch *b = arg;
	struct err none;

	if (err != NULL ||
	    leg_describe(&b->leg, sdp, strlen(sdp), &none) != 0) {
		call_end(c, 500, "media cannot be connected", CALL_SIDE_SYSTEM);
		return;
	}
	branch_ack(b, &b->leg.sdp_sent);
	call_enter(c, CALL_UP);
	call_clock_arm(c);
}

static void
caller_on_ack(struct call *c, const sip_t *sip)
{
	bool present = false;

	leg_hear(&c->a);
	caller_close_invite(c);
	if (c->state != CALL_ANSWERED)
		return;
	if (!c->delayed || c->winner == NULL) {
		call_enter(c, CALL_UP);
		call_clock_arm(c);
		return;
	}
	if (call_media_take(&c->a, sip, &present) != 0 || !present) {
		call_end(c, 488, "no answer to the offer", CALL_SIDE_CALLER);
		return;
	}
	call_media_answer(&c->winner->leg, &c->a, caller_ack_media, c->winner);
}

int
caller_on_ack_cancel(void *magic, nta_incoming_t *irq, const sip_t *sip)
{
	struct call *c = OBJ(magic, call, CALL_MAGIC);

	(void)irq;
	nta_guest_busy(c->b2bua->guest);
	if (sip == NULL) { /* timer H: nobody acknowledged */
		caller_close_invite(c);
		if (c->state == CALL_ANSWERED)
			call_end(c, 408, "no ACK came", CALL_SIDE_SYSTEM);
		return 0;
	}
	switch (sip->sip_request->rq_method) {
	case sip_method_ack:
		caller_on_ack(c, sip);
		break;
	case sip_method_cancel:
		call_end(c, 487, "cancelled", CALL_SIDE_CALLER);
		break;
	default:
		break;
	}
	return 0;
}
