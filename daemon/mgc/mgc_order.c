/*
 * Orders: a command of B2BUA on its way to the gate of its call and back.
 *
 *   offer, no session   pick a gate, write the session, wait until that is
 *                       acknowledged, ask the gate; when it has no room or
 *                       does not answer, the next one; with the last refusal
 *                       the session ends
 *   offer, session      ask its gate; when that has ended, "media gate lost",
 *                       unless flag "tandem-move" wants another gate
 *   delete              ask, then end the session whatever the answer
 *   others              ask
 *
 * So the next controller knows every call that a gate may know of, and its
 * gate answers a repeated order with the same ports.
 */
#include <stdlib.h>
#include <string.h>

#include "mgc.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MGC_HELD_MAX 1024
#define MGC_LIST_DEFAULT 32

/* A command that came between the claim and the stream. */
struct mgc_held {
	TAILQ_ENTRY(mgc_held) entry;
	struct ng_request *request;
	char *command;
	json_t *dict;
	union addr from;
};

static void mgc_order_ask(struct mgc_order *);
static void mgc_order_place(struct mgc_order *);

/* ---- ends ---------------------------------------------------------------- */

static void
mgc_order_free(struct mgc_order *o)
{
	struct mgc *m = o->mgc;

	TAILQ_REMOVE(&m->orders, o, entry);
	if (o->session != NULL)
		o->session->orders--;
	if (o->asked)
		ng_forget(m->ng, o);
	if (o->ack.queued && m->stream != NULL)
		stream_ack_cancel(m->stream, &o->ack);
	json_decref(o->dict);
	free(o->command);
	free(o);
}

static void
mgc_order_refuse(struct mgc_order *o, const char *reason)
{
	o->mgc->n.refused++;
	ng_fail(o->request, reason);
	mgc_order_free(o);
}

/* Pass on what a gate, or its silence, told. */
static void
mgc_order_fail(struct mgc_order *o, const struct err *why)
{
	o->mgc->n.failed++;
	if (why->code == ERR_FULL)
		ng_limit(o->request, why->text);
	else
		ng_fail(o->request, why->text);
	mgc_order_free(o);
}

static void
mgc_delete_unknown(struct mgc_order *o)
{
	static const char words[] = "Call-ID not found or tags didn't match";

	if (ng_flag(o->dict, "flags", "fatal")) {
		mgc_order_refuse(o, words);
		return;
	}
	ng_reply(o->request, json_pack("{s:s}", "warning", words));
	mgc_order_free(o);
}

/* ---- the gate's answer --------------------------------------------------- */

static bool
mgc_order_is(const struct mgc_order *o, const char *command)
{
	return strcmp(o->command, command) == 0;
}

/* Is there another gate that may take what this one did not? None takes what
 * is wrong with the order itself. */
static bool
mgc_order_may_go_on(const struct mgc_order *o, const struct err *why)
{
	if (!o->places || o->session == NULL ||
	    o->tries == sizeof o->tried / sizeof o->tried[0])
		return false;
	if (why->code != ERR_FULL && why->code != ERR_TIMEOUT &&
	    why->code != ERR_CLOSED && !str_equal(why->text, "not ready") &&
	    !str_equal(why->text, "Ran out of ports"))
		return false;
	return mgc_gate_pick(o->mgc, o->session->id, &o->from, o->tried,
		   o->tries) != NULL;
}

/* An offer that no gate took: the call never began. */
static void
mgc_order_unplace(struct mgc_order *o, const struct err *why)
{
	struct mgc_session *s = o->session;

	if (mgc_order_may_go_on(o, why)) {
		o->mgc->n.replaced++;
		log_info("call=%s gate=%s refuses: %s", s->id, o->gate->key,
		    why->text);
		mgc_order_place(o);
		return;
	}
	/* Another order of the call may succeed yet. */
	if (s != NULL && mgc_order_is(o, "offer") && !s->answered &&
	    s->orders == 1)
		mgc_session_end(o->mgc, s);
	mgc_order_fail(o, why);
}

/* A delete ends the session, but for one branch of a call that goes on. */
static void
mgc_order_deleted(struct mgc_order *o, const json_t *reply)
{
	bool branch = ng_str(o->dict, "via-branch") != NULL;

	if (o->session == NULL)
		return;
	if (branch && ng_int(reply, "tandem-open", 1) != 0)
		return;
	mgc_session_end(o->mgc, o->session);
}

/* The gate has obeyed an offer. A call that has moved is forgotten by the
 * gate that it left, if that still runs. */
static void
mgc_order_offered(struct mgc_order *o)
{
	if (o->session != NULL)
		o->session->answered = true;
	if (o->left == NULL || !o->left->serving)
		return;
	mgc_gate_ask(o->mgc, o->left,
	    json_pack("{s:s, s:s, s:[s]}", "command", "delete", "call-id",
		ng_str(o->dict, "call-id"), "flags", "fast"),
	    NULL, NULL);
}

static void
mgc_order_on_reply(void *arg, json_t *dict, const struct err *why)
{
	struct mgc_order *o = arg;
	bool deletes = mgc_order_is(o, "delete");
	struct err e;

	o->asked = false;
	if (why != NULL && why->code == ERR_TIMEOUT) {
		err_set(&e, ERR_TIMEOUT, "media gate does not answer");
		why = &e;
	}
	if (why != NULL)
		o->gate->failures++;
	if (why != NULL && str_equal(why->text, "stale epoch"))
		log_warnx("gate=%s obeys a later controller", o->gate->key);
	if (why != NULL && !deletes) {
		mgc_order_unplace(o, why);
		return;
	}
	if (deletes)
		mgc_order_deleted(o, dict);
	else if (mgc_order_is(o, "offer"))
		mgc_order_offered(o);
	if (why != NULL) {
		mgc_order_fail(o, why);
		return;
	}
	ng_reply(o->request, json_incref(dict));
	mgc_order_free(o);
}

void
mgc_gate_ask(
    struct mgc *m, struct mgc_gate *g, json_t *dict, ng_reply_fn *fn, void *arg)
{
	json_object_set_new(
	    dict, "tandem-epoch", json_integer((json_int_t)m->epoch));
	g->orders++;
	ng_call(m->ng, &g->at, dict, MGC_ASK, fn, arg);
}

/* Ask the gate of the session. */
static void
mgc_order_ask(struct mgc_order *o)
{
	struct mgc_session *s = o->session;

	if (s == NULL || mgc_session_is_lost(s)) {
		mgc_order_refuse(o, "media gate lost");
		return;
	}
	o->gate = s->gate;
	o->asked = true;
	s->touched = clock_mono();
	mgc_gate_ask(
	    o->mgc, s->gate, json_copy(o->dict), mgc_order_on_reply, o);
}

/* ---- placing ------------------------------------------------------------- */

/* The session is safe with the replicator, or it never will be. */
static void
mgc_order_on_ack(void *arg, const struct err *why)
{
	struct mgc_order *o = arg;

	o->ack.queued = false;
	if (why != NULL)
		mgc_order_refuse(o, "session cannot be kept");
	else
		mgc_order_ask(o);
}

/* Wait until all that was written so far is acknowledged, then ask. */
static void
mgc_order_wait(struct mgc_order *o)
{
	o->ack = (struct stream_ack){.fn = mgc_order_on_ack, .arg = o};
	stream_on_ack(o->mgc->stream, &o->ack);
}

/* Give the call a gate that was not tried yet, and write that. */
static void
mgc_order_place(struct mgc_order *o)
{
	const char *id = ng_str(o->dict, "call-id");
	struct mgc *m = o->mgc;
	struct mgc_session *s = o->session;
	struct mgc_gate *g = mgc_gate_pick(m, id, &o->from, o->tried, o->tries);
	struct err e;

	if (g == NULL) {
		mgc_order_refuse(o, "no media gate");
		return;
	}
	o->tried[o->tries++] = g;
	o->session = mgc_session_place(m, id, g, &e);
	if (o->session == NULL) {
		log_warnx("call=%s not written: %s", id, e.text);
		mgc_order_refuse(o, "session cannot be kept");
		return;
	}
	if (s == NULL)
		o->session->orders++;
	mgc_order_wait(o);
}

void
mgc_orders_of_lost_gate(struct mgc *m, struct mgc_gate *g)
{
	struct mgc_order *o, *next;
	struct err e;

	err_set(&e, ERR_CLOSED, "media gate lost");
	for (o = TAILQ_FIRST(&m->orders); o != NULL; o = next) {
		next = TAILQ_NEXT(o, entry);
		if (!o->asked || o->gate != g)
			continue;
		ng_forget(m->ng, o);
		mgc_order_on_reply(o, NULL, &e);
	}
}

/* ---- commands ------------------------------------------------------------ */

static void
mgc_order_offer(struct mgc_order *o)
{
	bool moves = ng_flag(o->dict, "flags", "tandem-move");

	o->places = o->session == NULL || moves;
	if (moves && o->session != NULL && !mgc_session_is_lost(o->session))
		o->left = o->tried[o->tries++] = o->session->gate;
	if (o->places)
		mgc_order_place(o);
	else if (!o->session->answered && !mgc_session_is_lost(o->session))
		mgc_order_wait(o); /* the row may still be on its way */
	else
		mgc_order_ask(o);
}

static void
mgc_order_delete(struct mgc_order *o)
{
	if (o->session == NULL) {
		mgc_delete_unknown(o);
	} else if (mgc_session_is_lost(o->session)) {
		mgc_session_end(o->mgc, o->session);
		ng_reply(o->request,
		    json_pack("{s:s}", "warning", "media gate lost"));
		mgc_order_free(o);
	} else {
		mgc_order_ask(o);
	}
}

/* What a gate is asked of a call that it has. */
static void
mgc_order_other(struct mgc_order *o)
{
	if (o->session == NULL)
		mgc_order_refuse(o, "Unknown call-id");
	else
		mgc_order_ask(o);
}

static void
mgc_order_start(struct mgc *m, struct ng_request *r, const char *command,
    json_t *dict, const union addr *from)
{
	const char *id = ng_str(dict, "call-id");
	struct mgc_order *o = xcalloc(1, sizeof *o);

	o->mgc = m;
	o->request = r;
	o->command = xstrdup(command);
	o->dict = json_incref(dict);
	o->from = *from;
	TAILQ_INSERT_TAIL(&m->orders, o, entry);
	m->n.orders++;
	if (id == NULL) {
		mgc_order_refuse(o, "No call-id in message");
		return;
	}
	if (strlen(id) > MGC_ID_MAX) {
		mgc_order_refuse(o, "Call-id too long");
		return;
	}
	o->session = mgc_session_find(m, id);
	if (o->session != NULL)
		o->session->orders++;
	if (mgc_order_is(o, "offer"))
		mgc_order_offer(o);
	else if (mgc_order_is(o, "delete"))
		mgc_order_delete(o);
	else
		mgc_order_other(o);
}

/* Our own list: rtpengine's shape. */
static void
mgc_list(struct mgc *m, struct ng_request *r, const json_t *dict)
{
	int64_t limit = ng_int(dict, "limit", MGC_LIST_DEFAULT);
	json_t *calls = json_array();
	struct mgc_session *s;

	for (s = TAILQ_FIRST(&m->list); s != NULL; s = TAILQ_NEXT(s, entry)) {
		if (limit-- <= 0)
			break;
		json_array_append_new(calls, json_string(s->id));
	}
	ng_reply(r, json_pack("{s:o}", "calls", calls));
}

static void
mgc_command(struct mgc *m, struct ng_request *r, const char *command,
    json_t *dict, const union addr *from)
{
	if (strcmp(command, "ping") == 0)
		ng_reply(r, json_pack("{s:s}", "result", "pong"));
	else if (strcmp(command, "list") == 0)
		mgc_list(m, r, dict);
	else
		mgc_order_start(m, r, command, dict, from);
}

/* The stream opens at this moment: keep the command until then. */
static void
mgc_hold(struct mgc *m, struct ng_request *r, const char *command, json_t *dict,
    const union addr *from)
{
	struct mgc_held *h;

	if (m->nwaiting == MGC_HELD_MAX) {
		ng_fail(r, "no owner at the moment");
		return;
	}
	h = xcalloc(1, sizeof *h);
	h->request = r;
	h->command = xstrdup(command);
	h->dict = json_incref(dict);
	h->from = *from;
	TAILQ_INSERT_TAIL(&m->waiting, h, entry);
	m->nwaiting++;
	m->n.held++;
}

void
mgc_on_command(void *arg, struct ng_request *r, const char *command,
    json_t *dict, const union addr *from)
{
	struct mgc *m = arg;

	switch (m->state) {
	case MGC_SERVING:
		mgc_command(m, r, command, dict, from);
		break;
	case MGC_CLAIMING:
		mgc_hold(m, r, command, dict, from);
		break;
	default:
		m->n.not_owner++;
		ng_fail(r, "not the owner");
		break;
	}
}

/* Let go what was held: to be done (reason NULL) or refused. */
static void
mgc_release(struct mgc *m, const char *reason)
{
	struct mgc_held *h;

	while ((h = TAILQ_FIRST(&m->waiting)) != NULL) {
		TAILQ_REMOVE(&m->waiting, h, entry);
		m->nwaiting--;
		if (reason != NULL)
			ng_fail(h->request, reason);
		else
			mgc_command(
			    m, h->request, h->command, h->dict, &h->from);
		json_decref(h->dict);
		free(h->command);
		free(h);
	}
}

void
mgc_orders_resume(struct mgc *m)
{
	mgc_release(m, NULL);
}

void
mgc_orders_refuse(struct mgc *m, const char *reason)
{
	struct mgc_order *o;

	mgc_release(m, reason);
	while ((o = TAILQ_FIRST(&m->orders)) != NULL)
		mgc_order_refuse(o, reason);
}
