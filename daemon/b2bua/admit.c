/*
 * From an INVITE to a decision. In this order: is the request one we can
 * serve, who sends it, which domain, what does the plan say. The first two
 * are answered without a record or a CDR: anybody may ask them, and nothing
 * has been promised. From then on it is a call, recorded and booked.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"
#include <sofia-sip/su_string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define ADMIT_TEXT 2048 /* bytes of a header kept for the dialog */
#define ADMIT_ROUTES 4096

/* What is waited for before the plan has spoken. */
struct admit {
	struct call *call;
	msg_t *msg; /* keeps sip */
	const sip_t *sip;
	struct verify *verify;
	struct directory_ask ask;
	bool asking;
	struct dialled *dialled;
	int code; /* what is wrong with the INVITE itself; 0 = nothing */
};

const char *
admit_inside_header(const sip_t *sip, const char *name)
{
	const sip_unknown_t *u;

	for (u = sip->sip_unknown; u != NULL; u = u->un_next)
		if (su_casematch(u->un_name, name))
			return u->un_value;
	return NULL;
}

const char *
admit_target(const sip_t *sip)
{
	const char *domain = admit_inside_header(sip, "X-Tandem-Target");

	return domain == NULL ? "" : domain;
}

void
admit_drop(struct call *c)
{
	struct admit *a = c->admit;

	c->admit = NULL;
	if (a == NULL)
		return;
	verify_drop(&a->verify);
	if (a->asking)
		directory_cancel(c->b2bua->directory, &a->ask);
	dialled_drop(&a->dialled);
	msg_destroy(a->msg);
	free(a);
}

/* ---- what the request must have ---- */

static bool
admit_has_route(const sip_t *sip)
{
	const sip_contact_t *m = sip->sip_contact;

	return m != NULL && m->m_url->url_host != NULL &&
	    (m->m_url->url_type == url_sip || m->m_url->url_type == url_sips) &&
	    leg_route_usable((const sip_route_t *)sip->sip_record_route);
}

/* 0, or the status that a request of this form gets. */
static int
admit_check(struct b2bua *b, nta_incoming_t *irq, const sip_t *sip)
{
	if (sip->sip_to->a_tag != NULL)
		return 481;
	if (sip->sip_max_forwards != NULL &&
	    sip->sip_max_forwards->mf_count == 0)
		return 483;
	if (!admit_has_route(sip))
		return 400;
	if (nta_check_required(irq, sip, b->supported, TAG_END()) != 0)
		return -1; /* answered: 420 */
	if (sip->sip_payload != NULL && !headers_is_sdp(sip)) {
		nta_incoming_treply(irq, SIP_415_UNSUPPORTED_MEDIA,
		    SIPTAG_ACCEPT(b->accept), TAG_END());
		return -1;
	}
	return 0;
}

/* ---- the caller's dialog ---- */

/* Name and address without tag and parameters. */
static char *
admit_address(const sip_addr_t *a)
{
	sip_addr_t plain = *a;

	plain.a_next = NULL;
	plain.a_params = NULL;
	plain.a_tag = NULL;
	return headers_text(&plain, ADMIT_TEXT);
}

static char *
admit_contact(const sip_contact_t *m)
{
	url_t url = *m->m_url;
	char *text, *copy;

	url.url_headers = NULL;
	if ((text = url_as_string(NULL, &url)) == NULL)
		return NULL;
	copy = xstrdup(text);
	su_free(NULL, text);
	return copy;
}

/* The leg towards the caller: their identifiers, our tag. */
static bool
admit_open_leg(struct call *c, const sip_t *sip)
{
	struct leg *l = &c->a;

	leg_set(&l->call_id, sip->sip_call_id->i_id);
	l->local = admit_address(sip->sip_to);
	l->remote = admit_address(sip->sip_from);
	leg_random(c->b2bua, l->local_tag, 16);
	leg_set(&l->remote_tag, sip->sip_from->a_tag);
	l->target = admit_contact(sip->sip_contact);
	l->routes = headers_text(sip->sip_record_route, ADMIT_ROUTES);
	leg_set(&l->source, admit_inside_header(sip, "X-Tandem-Source"));
	l->rseq = sip->sip_cseq->cs_seq;
	l->update = sip->sip_allow != NULL &&
	    sip_is_allowed(sip->sip_allow, SIP_METHOD_UPDATE);
	return l->local != NULL && l->remote != NULL && l->target != NULL &&
	    l->routes != NULL && leg_open_request(l, sip);
}

static bool
admit_wants_privacy(const sip_t *sip)
{
	const sip_privacy_t *p = sip->sip_privacy;

	if (p == NULL || p->priv_values == NULL)
		return false;
	for (size_t i = 0; p->priv_values[i] != NULL; i++)
		if (su_casematch(p->priv_values[i], "id") ||
		    su_casematch(p->priv_values[i], "user") ||
		    su_casematch(p->priv_values[i], "header"))
			return true;
	return false;
}

/* ---- who, where ---- */

/* A refusal before anybody is known: no record unless a 100 went out. */
static void
admit_refuse_unknown(struct call *c, int code, const char *reason)
{
	log_debug("call=%s refused %d %s", c->id, code, reason);
	if (c->row != 0 || c->dirty) {
		c->booked = true;
		call_end(c, code, reason, CALL_SIDE_SYSTEM);
		return;
	}
	nta_incoming_treply(c->invite, code, NULL,
	    TAG_IF(code == 503, SIPTAG_RETRY_AFTER_STR("5")),
	    TAG_IF(c->unproven, SIPTAG_HEADER_STR(ADMIT_UNPROVEN)), TAG_END());
	nta_incoming_destroy(c->invite);
	c->invite = NULL;
	call_free(&c);
}

/* The plan's answer: legs to ring, or a refusal that is booked. */
static void
admit_on_route(void *arg)
{
	struct admit *a = arg;
	struct call *c = a->call;
	struct plan_result *r = c->route;
	int code = a->code;

	a->dialled = NULL;
	c->caller_number = pool_str(
	    c->pool, r->caller[0] != '\0' ? r->caller : c->user);
	c->caller_name = pool_str(c->pool, r->caller_name);
	c->called = pool_str(
	    c->pool, r->number[0] != '\0' ? r->number : r->dialled);
	c->b2bua->count.attempts++;
	call_trace_leg(&c->a);
	why_route(c, verify_is_trusted(a->sip));
	admit_drop(c);
	if (code != 0) {
		why_request(c, code);
		call_end(c, code, cause_find(code)->words, CALL_SIDE_CALLER);
		return;
	}
	if (r->code != 0) {
		c->b2bua->count.refused++;
		call_end(c, r->code, r->reason, CALL_SIDE_SYSTEM);
		return;
	}
	c->stage = 0;
	stage_start(c);
}

static void
admit_route(struct call *c, const struct plan *plan)
{
	struct admit *a = c->admit;
	struct plan_call who = {.what = PLAN_CALL,
	    .from_user = c->user,
	    .when = (int64_t)(c->start / 1000000)};
	struct dialled *d;

	c->domain = pool_str(c->pool, plan_domain_name(plan));
	c->domain_id = pool_str(c->pool, plan_domain_id(plan));
	c->route = xmalloc(sizeof *c->route);
	d = dialled_route(
	    c->b2bua, plan, a->sip, &who, c->route, admit_on_route, a);
	if (d != NULL) /* otherwise answered, and a may be gone */
		a->dialled = d;
}

/* A call from here on, booked whatever becomes of it. */
static void
admit_on_plan(void *arg, const struct plan *plan, const struct err *err)
{
	struct admit *a = arg;
	struct call *c = a->call;

	a->asking = false;
	if (plan == NULL) {
		bool absent = err->code == ERR_ABSENT;

		log_debug("call=%s %s", c->id, err->text);
		admit_refuse_unknown(c, absent ? 403 : 503,
		    absent ? "no such domain" : "the domain cannot be read");
		return;
	}
	admit_route(c, plan);
}

static void
admit_on_user(void *arg, const char *user, const struct err *err)
{
	struct admit *a = arg;
	struct call *c = a->call;

	a->verify = NULL;
	if (user == NULL) {
		bool refused = err->code == ERR_PERMISSION;

		c->b2bua->count.credentials_refused += refused;
		c->unproven = refused;
		admit_refuse_unknown(c, refused ? 403 : 503, err->text);
		return;
	}
	c->user = pool_str(c->pool, user);
	a->ask.fn = admit_on_plan;
	a->ask.arg = a;
	a->asking = true;
	directory_want(c->b2bua->directory, &a->ask, c->domain);
}

/* Everything that the INVITE says is noted; then the questions begin. */
static void
admit_start(struct call *c, const sip_t *sip)
{
	struct admit *a = c->admit = xcalloc(1, sizeof *a);
	struct verify *v;
	bool present = false;

	a->call = c;
	a->sip = sip;
	a->msg = nta_incoming_getrequest(c->invite);
	call_clock_set(c, CALL_CLOCK_TRYING, b2bua_times.trying);
	call_clock_set(c, CALL_CLOCK_SETUP, b2bua_times.setup);
	if (!admit_open_leg(c, sip)) {
		admit_refuse_unknown(c, 400, "the dialog makes no sense");
		return;
	}
	nta_incoming_tag(c->invite, c->a.local_tag);
	caller_keep_head(c, sip);
	nta_incoming_bind(c->invite, caller_on_ack_cancel, c);
	if ((a->code = session_timer_request(&c->a, sip)) == 0)
		a->code = call_media_take(&c->a, sip, &present);
	c->delayed = !present;
	v = verify_ask(c->b2bua, sip, c->domain, admit_on_user, a);
	if (v != NULL) /* otherwise answered, and a may be gone */
		a->verify = v;
}

int
admit_invite(struct b2bua *b, nta_incoming_t *irq, const sip_t *sip)
{
	const char *domain = admit_inside_header(sip, "X-Tandem-Domain");
	int status = admit_check(b, irq, sip);
	struct call *c;

	if (status > 0)
		return status;
	if (status < 0) {
		nta_incoming_destroy(irq);
		return 0;
	}
	if (domain == NULL || domain[0] == '\0')
		return 403;
	if (!call_store_is_open(b->store) || b->count.calls >= B2BUA_CALLS) {
		nta_incoming_treply(irq, SIP_503_SERVICE_UNAVAILABLE,
		    SIPTAG_RETRY_AFTER_STR("5"), TAG_END());
		nta_incoming_destroy(irq);
		return 0;
	}
	nta_incoming_set_params(irq, NTATAG_EXTRA_100(0), TAG_END());
	c = call_new(b, NULL);
	c->invite = irq;
	c->domain = pool_str(c->pool, domain);
	c->privacy = admit_wants_privacy(sip);
	if (sip->sip_max_forwards != NULL)
		c->max_forwards = (int)sip->sip_max_forwards->mf_count;
	admit_start(c, sip);
	return 0;
}
