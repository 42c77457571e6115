/*
 * MESSAGE outside a dialog (RFC 3428): verified and routed like a call, then
 * given to every contact of the called user. The first that takes it answers
 * for all. Nothing is kept: a sender that hears nothing sends again.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MESSAGE_BODY 16384
#define MESSAGE_OPEN 1000 /* at once */
#define MESSAGE_MAGIC 0xb2b0a007u

struct message {
	unsigned magic;
	struct message *next, **prev;
	struct b2bua *b2bua;
	nta_incoming_t *irq;
	msg_t *msg; /* keeps sip */
	const sip_t *sip;
	char user[256], domain[256], domain_id[64];
	struct verify *verify;
	struct directory_ask ask;
	bool asking;
	struct dialled *dialled;
	struct plan_result *route; /* until the contacts are asked for */
	struct locate_ask *locate;
	char *from, *to;
	nta_outgoing_t *sent[LOCATE_MAX];
	unsigned open;
	int best;
};

static void
message_free(struct message *m)
{
	verify_drop(&m->verify);
	if (m->asking)
		directory_cancel(m->b2bua->directory, &m->ask);
	dialled_drop(&m->dialled);
	locate_drop(&m->locate);
	for (unsigned i = 0; i < LOCATE_MAX; i++)
		nta_guest_end_outgoing(m->b2bua->guest, m->sent[i]);
	nta_guest_end_incoming(m->b2bua->guest, m->irq);
	msg_destroy(m->msg);
	free(m->route);
	free(m->from);
	free(m->to);
	if (m->next != NULL)
		m->next->prev = m->prev;
	*m->prev = m->next;
	m->b2bua->nmessages--;
	m->magic = 0;
	free(m);
}

void
message_close(struct b2bua *b)
{
	while (b->messages != NULL)
		message_free(b->messages);
}

static void
message_answer(struct message *m, int status)
{
	nta_incoming_treply(m->irq, status, NULL, TAG_END());
	message_free(m);
}

/* The first 2xx is the answer; otherwise the best of all failures. */
static int
message_on_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct message *m = OBJ(magic, message, MESSAGE_MAGIC);
	int status = sip == NULL ? 408 : sip->sip_status->st_status;

	nta_guest_busy(m->b2bua->guest);
	if (status < 200)
		return 0;
	for (unsigned i = 0; i < LOCATE_MAX; i++) {
		if (m->sent[i] != orq)
			continue;
		nta_outgoing_destroy(orq);
		m->sent[i] = NULL;
		m->open--;
	}
	if (status < 300) {
		message_answer(m, status == 202 ? 202 : 200);
		return 0;
	}
	m->best = cause_best(m->best, cause_forward(status));
	if (m->open == 0)
		message_answer(m, m->best == 408 ? 480 : m->best);
	return 0;
}

/* A request of its own: nothing of the sender's but the body. */
static void
message_send(struct message *m, unsigned i, const struct locate_contact *c)
{
	struct b2bua *b = m->b2bua;
	char id[LEG_ID], tag[LEG_ID], from[1024];
	sip_cseq_t cseq[1];

	leg_random(b, id, LEG_ID - 1);
	leg_random(b, tag, 16);
	snprintf(from, sizeof from, "%s;tag=%s", m->from, tag);
	sip_cseq_init(cseq);
	cseq->cs_seq = 1;
	cseq->cs_method = sip_method_message;
	cseq->cs_method_name = "MESSAGE";
	m->sent[i] = nta_outgoing_tcreate(
	    nta_default_leg(nta_guest_agent(b->guest)), message_on_reply, m,
	    NULL, SIP_METHOD_MESSAGE, URL_STRING_MAKE(c->uri),
	    SIPTAG_FROM_STR(from), SIPTAG_TO_STR(m->to), SIPTAG_CALL_ID_STR(id),
	    SIPTAG_CSEQ(cseq), SIPTAG_ROUTE_STR(c->path),
	    SIPTAG_CONTENT_TYPE(m->sip->sip_content_type),
	    SIPTAG_PAYLOAD(m->sip->sip_payload), TAG_END());
	if (m->sent[i] != NULL)
		m->open++;
}

static void
message_on_contacts(void *arg, const struct locate_list *l)
{
	struct message *m = OBJ(arg, message, MESSAGE_MAGIC);

	m->locate = NULL;
	for (unsigned i = 0; i < l->count; i++)
		message_send(m, i, &l->contact[i]);
	if (m->open == 0)
		message_answer(m, 480);
}

static void
message_on_route(void *arg)
{
	struct message *m = OBJ(arg, message, MESSAGE_MAGIC);
	struct plan_result *r = m->route;
	const struct plan_leg *to = &r->legs[0];
	struct locate_ask *locate;

	m->dialled = NULL;
	if (r->code != 0) {
		message_answer(m, r->code);
		return;
	}
	m->route = NULL;
	m->from = headers_address(to->caller_name, to->caller, m->domain);
	m->to = headers_address(to->called_name, to->called, m->domain);
	locate = locate_user(m->b2bua, m->domain_id, to->target,
	    to->max_contacts, message_on_contacts, m);
	if (locate != NULL) /* otherwise answered, and m may be gone */
		m->locate = locate;
	free(r);
}

static void
message_route(struct message *m, const struct plan *plan)
{
	struct plan_call who = {.what = PLAN_MESSAGE, .from_user = m->user};
	struct dialled *d;

	str_copy(m->domain, sizeof m->domain, plan_domain_name(plan));
	str_copy(m->domain_id, sizeof m->domain_id, plan_domain_id(plan));
	m->route = xmalloc(sizeof *m->route);
	d = dialled_route(
	    m->b2bua, plan, m->sip, &who, m->route, message_on_route, m);
	if (d != NULL) /* otherwise answered, and m may be gone */
		m->dialled = d;
}

static void
message_on_plan(void *arg, const struct plan *plan, const struct err *err)
{
	struct message *m = OBJ(arg, message, MESSAGE_MAGIC);

	m->asking = false;
	if (plan == NULL)
		message_answer(m, err->code == ERR_ABSENT ? 403 : 503);
	else
		message_route(m, plan);
}

static void
message_on_user(void *arg, const char *user, const struct err *err)
{
	struct message *m = OBJ(arg, message, MESSAGE_MAGIC);

	m->verify = NULL;
	if (user == NULL && err->code == ERR_PERMISSION) {
		nta_incoming_treply(m->irq, SIP_403_FORBIDDEN,
		    SIPTAG_HEADER_STR(ADMIT_UNPROVEN), TAG_END());
		message_free(m);
		return;
	}
	if (user == NULL) {
		message_answer(m, 503);
		return;
	}
	str_copy(m->user, sizeof m->user, user);
	m->ask.fn = message_on_plan;
	m->ask.arg = m;
	m->asking = true;
	directory_want(m->b2bua->directory, &m->ask, m->domain);
}

int
message_request(struct b2bua *b, nta_incoming_t *irq, const sip_t *sip)
{
	const char *domain = admit_inside_header(sip, "X-Tandem-Domain");
	struct message *m;
	struct verify *v;

	if (sip->sip_to->a_tag != NULL)
		return 481;
	if (domain == NULL)
		return 403;
	if (sip->sip_payload != NULL && sip->sip_payload->pl_len > MESSAGE_BODY)
		return 513;
	if (b->nmessages >= MESSAGE_OPEN)
		return 503;
	m = xcalloc(1, sizeof *m);
	m->magic = MESSAGE_MAGIC;
	m->b2bua = b;
	m->irq = irq;
	m->msg = nta_incoming_getrequest(irq);
	m->sip = sip;
	str_copy(m->domain, sizeof m->domain, domain);
	m->prev = &b->messages;
	if ((m->next = b->messages) != NULL)
		m->next->prev = &m->next;
	b->messages = m;
	b->nmessages++;
	b->count.messages++;
	v = verify_ask(b, sip, m->domain, message_on_user, m);
	if (v != NULL)
		m->verify = v;
	return 0;
}
