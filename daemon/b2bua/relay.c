/*
 * INFO and MESSAGE from one side of a call to the other: the body and what
 * describes it, nothing else. The other side's final reply goes back as a
 * bare code. A service takes INFO (digits) for itself.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/mem.h"

#define RELAY_BODY 16384
#define RELAY_OPEN 8 /* at once in one direction */

struct relay {
	struct relay *next;
	struct leg *to;
	nta_incoming_t *irq;
	nta_outgoing_t *orq;
};

static void
relay_free(struct relay *r)
{
	struct relay **at = &r->to->relays;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->to->nrelays--;
	nta_guest_end_outgoing(r->to->call->b2bua->guest, r->orq);
	nta_guest_end_incoming(r->to->call->b2bua->guest, r->irq);
	free(r);
}

void
relay_drop(struct leg *l)
{
	while (l->relays != NULL)
		relay_free(l->relays);
}

static int
relay_on_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct relay *r = magic;
	int status = sip == NULL ? 408 : sip->sip_status->st_status;

	(void)orq;
	nta_guest_busy(r->to->call->b2bua->guest);
	if (status < 200)
		return 0;
	leg_hear(r->to);
	nta_incoming_treply(r->irq, status < 300 ? 200 : cause_forward(status),
	    NULL, TAG_END());
	relay_free(r);
	return 0;
}

int
relay_request(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *to = leg_other(l);
	struct relay *r;
	sip_method_t method = sip->sip_request->rq_method;

	if (to == NULL)
		return method == sip_method_info ? 200 : 405;
	if (to->over || to->nta == NULL)
		return 481;
	if (sip->sip_payload != NULL && sip->sip_payload->pl_len > RELAY_BODY)
		return 513;
	if (to->nrelays >= RELAY_OPEN)
		return 480;
	r = xcalloc(1, sizeof *r);
	r->to = to;
	r->irq = irq;
	r->next = to->relays;
	to->relays = r;
	to->nrelays++;
	leg_step_cseq(to);
	r->orq = nta_outgoing_tcreate(to->nta, relay_on_reply, r, NULL, method,
	    sip->sip_request->rq_method_name, NULL,
	    TAG_IF(method == sip_method_info,
		SIPTAG_CONTACT(l->call->b2bua->contact)),
	    SIPTAG_CONTENT_TYPE(sip->sip_content_type),
	    SIPTAG_PAYLOAD(sip->sip_payload), TAG_END());
	if (r->orq == NULL) {
		nta_incoming_treply(
		    irq, SIP_500_INTERNAL_SERVER_ERROR, TAG_END());
		relay_free(r);
	}
	return 0;
}
