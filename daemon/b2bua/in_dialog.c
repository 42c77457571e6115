/*
 * Requests within a dialog: one row per method. BYE ends the call, offers go
 * through exchange.c, INFO and MESSAGE are passed to the other side, OPTIONS
 * is answered here; the rest is refused by name, never by silence.
 */
#include <string.h>

#include "b2bua.h"
#include <sofia-sip/su_string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

typedef int in_dialog_fn(struct leg *, nta_incoming_t *, const sip_t *);

/* The BYE may be answered: the end is recorded. */
static void
in_dialog_answer_bye(struct call *c, void *arg)
{
	struct leg *l = OBJ(arg, leg, LEG_MAGIC);

	nta_incoming_treply(l->bye_in, SIP_200_OK, TAG_END());
	nta_incoming_destroy(l->bye_in);
	l->bye_in = NULL;
	call_settle(c);
}

static int
in_dialog_bye(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct call *c = l->call;
	char reason[128];
	bool caller = l->branch == NULL;

	if (c->state == CALL_ENDING || l->bye_in != NULL ||
	    (!caller && l->branch != c->winner)) {
		l->over = true;
		call_settle(c);
		return 200;
	}
	l->over = caller ? c->sent >= 200 : true;
	if (headers_reason(sip, reason) != NULL)
		c->peer_reason = pool_str(c->pool, reason);
	call_end(c, c->answer == 0 ? 487 : 200,
	    c->answer == 0 ? "cancelled" : "normal clearing",
	    caller ? CALL_SIDE_CALLER : CALL_SIDE_CALLEE);
	l->bye_in = irq;
	call_store_then(c, in_dialog_answer_bye, l);
	return 0;
}

static int
in_dialog_options(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct b2bua *b = l->call->b2bua;

	(void)sip;
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_CONTACT(b->contact),
	    SIPTAG_ALLOW(b->allow), SIPTAG_ACCEPT(b->accept),
	    SIPTAG_SUPPORTED(b->supported), TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

/* An ACK that belongs to nothing: never answered. */
static int
in_dialog_ack(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	(void)l;
	(void)sip;
	nta_incoming_destroy(irq);
	return 0;
}

static int
in_dialog_refer(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	(void)l;
	(void)irq;
	(void)sip;
	return 603;
}

static const struct {
	const char *method;
	in_dialog_fn *fn;
	bool up; /* only while both sides talk */
} in_dialog_rows[] = {
    {"BYE", in_dialog_bye, false},
    {"ACK", in_dialog_ack, false},
    {"INVITE", exchange_request, true},
    {"UPDATE", exchange_request, true},
    {"INFO", relay_request, true},
    {"MESSAGE", relay_request, true},
    {"OPTIONS", in_dialog_options, false},
    {"REFER", in_dialog_refer, false},
    {NULL, NULL, false},
};

/* Not a moment for it: a call that is being set up, or is over. */
static int
in_dialog_untimely(const struct call *c, const sip_t *sip)
{
	if (c->state == CALL_ENDING)
		return 481;
	return sip->sip_request->rq_method == sip_method_invite ||
		sip->sip_request->rq_method == sip_method_update
	    ? 491
	    : 480;
}

static int
in_dialog_refuse(struct leg *l, nta_incoming_t *irq)
{
	nta_incoming_treply(irq, SIP_405_METHOD_NOT_ALLOWED,
	    SIPTAG_ALLOW(l->call->b2bua->allow), TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

int
in_dialog_on_request(
    void *magic, nta_leg_t *nta, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *l = OBJ(magic, leg, LEG_MAGIC);
	const char *method = sip->sip_request->rq_method_name;

	(void)nta;
	nta_guest_busy(l->call->b2bua->guest);
	if (!b2bua_hears(l->call->b2bua, irq))
		return b2bua_refuse_stranger(irq, sip);
	leg_hear(l);
	for (size_t i = 0; in_dialog_rows[i].method != NULL; i++) {
		if (strcmp(in_dialog_rows[i].method, method) != 0)
			continue;
		if (in_dialog_rows[i].up && l->call->state != CALL_UP)
			return in_dialog_untimely(l->call, sip);
		return in_dialog_rows[i].fn(l, irq, sip);
	}
	return in_dialog_refuse(l, irq);
}
