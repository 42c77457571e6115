/*
 * The decision: from who calls and what was dialled to the legs to ring.
 * Each question is one function that notes its step and either goes on or
 * refuses; their order is the order of SEMANTICS D2. Every call, message and
 * route test passes here; nothing else decides about numbers.
 */
#include <stdio.h>
#include <string.h>

#include "plan/plan.h"
#include "plan/plan_index.h"
#include "daemon/base/str.h"

/* Domains that one call may pass (SEMANTICS D14). */
#define ROUTE_HOPS 8
/* Foreign bytes shown in a step. */
#define ROUTE_SHOWN 96

/* ---- texts of the result ------------------------------------------------- */

/* Keep n bytes of text in the result; "" when it is full. */
static const char *
route_keep(struct plan_result *r, const char *s, size_t n)
{
	char *at = r->text + r->used;

	if (n >= sizeof r->text - r->used)
		return "";
	memcpy(at, s, n);
	at[n] = '\0';
	r->used += n + 1;
	return at;
}

static const char *
route_keep_str(struct plan_result *r, const char *s)
{
	return s == NULL || *s == '\0' ? "" : route_keep(r, s, strlen(s));
}

/* Foreign bytes, safe to show. */
static const char *
route_keep_shown(struct plan_result *r, const char *s, size_t n)
{
	char shown[ROUTE_SHOWN];

	n = str_escape(shown, sizeof shown, s, n);
	return route_keep(r, shown, n);
}

/* Two words with a space between: "domain demo.test". */
static const char *
route_keep_pair(struct plan_result *r, const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	char pair[320];

	if (na + nb + 2 > sizeof pair)
		return "";
	memcpy(pair, a, na);
	pair[na] = ' ';
	memcpy(pair + na + 1, b, nb);
	return route_keep(r, pair, na + nb + 1);
}

/* ---- steps --------------------------------------------------------------- */

/* Words, and a user or number behind them. */
static struct plan_text
route_of(const char *words, const char *person)
{
	return (struct plan_text){words, person};
}

static struct plan_text
route_words(const char *words)
{
	return route_of(words, "");
}

/* Note a step; texts must be of the result or constant. */
static void
route_step(struct plan_result *r, const char *name, struct plan_text rule,
    struct plan_text result)
{
	if (r->nsteps < PLAN_STEPS)
		r->steps[r->nsteps++] = (struct plan_step){
		    .name = name, .rule = rule, .result = result};
}

static void
route_part(struct plan_result *r, const char *name, struct plan_text rule,
    struct plan_text result)
{
	unsigned n = r->nsteps;

	route_step(r, name, rule, result);
	if (r->nsteps > n)
		r->steps[n].part = true;
}

void
plan_note(struct plan_result *r, const struct plan_step *s)
{
	if (r->nsteps == PLAN_STEPS)
		return;
	r->steps[r->nsteps++] = (struct plan_step){
	    .name = route_keep_str(r, s->name),
	    .rule = route_of(route_keep_str(r, s->rule.words),
		route_keep_str(r, s->rule.person)),
	    .result = route_of(route_keep_str(r, s->result.words),
		route_keep_str(r, s->result.person)),
	    .part = s->part};
}

static bool
route_refuse(struct plan_result *r, int code, const char *reason)
{
	char status[16];

	snprintf(status, sizeof status, "status %d", code);
	r->code = code;
	r->reason = reason;
	r->nlegs = 0;
	route_step(r, "refused", route_words(route_keep_str(r, status)),
	    route_words(reason));
	return false;
}

/* ---- the questions ------------------------------------------------------- */

/* From which rows it is decided. */
static void
route_configuration(const struct plan *p, struct plan_result *r)
{
	route_step(r, "configuration",
	    route_words(route_keep_str(r, p->revision)),
	    route_words(route_keep_str(r, p->origin)));
}

/* A suspended domain carries no calls (SEMANTICS D22), and no call wanders
 * through domains for ever. */
static bool
route_domain(
    const struct plan *p, const struct plan_call *c, struct plan_result *r)
{
	struct plan_text rule = route_words(
	    route_keep_pair(r, "domain", p->name));

	if (p->suspended) {
		route_step(r, "domain", rule, route_words("suspended"));
		return route_refuse(r, 503, "the domain is suspended");
	}
	if (c->hops >= ROUTE_HOPS) {
		route_step(
		    r, "domain", rule, route_words("too many domains passed"));
		return route_refuse(r, 483, "too many hops");
	}
	route_step(r, "domain", rule, route_words("on"));
	return true;
}

/* Who calls, and under which number others see that. */
static bool
route_caller(
    const struct plan *p, const struct plan_call *c, struct plan_result *r)
{
	struct plan_text rule = route_of(
	    "user", route_keep_shown(r, c->from_user, strlen(c->from_user)));
	uint32_t row = plan_index_find(&p->users, c->from_user);
	const struct plan_user_row *u;

	if (row == PLAN_INDEX_NONE) {
		route_step(r, "caller", rule, route_words("no such user"));
		return route_refuse(r, 403, "the caller is no user");
	}
	u = &p->rows[row];
	if (u->off) {
		route_step(r, "caller", rule, route_words("off"));
		return route_refuse(r, 403, "the caller is switched off");
	}
	r->caller = route_keep_str(r, p->texts + u->key);
	r->caller_name = route_keep_str(r, p->texts + u->name);
	route_step(r, "caller", rule, route_of("shown as", r->caller));
	return true;
}

/* A number is one of the caller's own domain. Between domains nothing passes
 * that no rule lets pass, and there are none yet (SEMANTICS D9). */
static bool
route_host(
    const struct plan *p, const struct plan_call *c, struct plan_result *r)
{
	struct plan_text dialled = route_of("host of", r->dialled);

	if (c->host == NULL || str_iequal(c->host, strlen(c->host), p->name)) {
		route_step(r, "host", dialled, route_words("the own domain"));
		return true;
	}
	if (c->host[0] == '\0') {
		route_step(r, "host", dialled, route_words("none of ours"));
		return route_refuse(r, 404, "no such host here");
	}
	/* Whose it is, under an alias perhaps, is not for the caller's. */
	route_step(r, "host", dialled, route_words("another domain of ours"));
	return route_refuse(r, 403, "no calls into another domain");
}

/* The number in what was dialled. */
static bool
route_dialled(const struct plan_call *c, struct plan_result *r)
{
	struct plan_text rule = route_of("", r->dialled);
	char number[PLAN_NUMBER];
	struct err err;
	int rc = plan_dialled_parse(number, c->to, c->to_len, &err);

	if (rc == 0) {
		r->number = route_keep_str(r, number);
		route_step(r, "dialled", rule, route_of("number", r->number));
		return true;
	}
	route_step(
	    r, "dialled", rule, route_words(route_keep_str(r, err.text)));
	if (rc == -ERR_UNKNOWN)
		return route_refuse(r, 416, "unsupported URI scheme");
	return route_refuse(r, 404, "what was dialled is no number");
}

/* A leg to a service of the exchange itself. */
static bool
route_service(struct plan_result *r, const char *service)
{
	route_step(r, "exact", route_of("number", r->number),
	    route_words(route_keep_pair(r, "service", service)));
	r->legs[r->nlegs++] = (struct plan_leg){
	    .kind = PLAN_LEG_SERVICE,
	    .target = service,
	    .called = r->number,
	    .called_name = "",
	    .caller = r->caller,
	    .caller_name = r->caller_name,
	};
	return true;
}

/* A leg to all contacts of a user. */
static bool
route_user(
    const struct plan *p, const struct plan_user_row *u, struct plan_result *r)
{
	const char *key = route_keep_str(r, p->texts + u->key);
	struct plan_text user = route_of("user", key);
	char rings[64];

	route_step(r, "exact", route_of("number", r->number), user);
	if (u->off) {
		route_part(r, "user", user, route_words("off"));
		return route_refuse(r, 480, "the called user is switched off");
	}
	snprintf(rings, sizeof rings, "%u contacts at most ring for %u s",
	    u->max_contacts, u->ring_time);
	route_part(r, "user", user, route_words(route_keep_str(r, rings)));
	r->legs[r->nlegs++] = (struct plan_leg){
	    .kind = PLAN_LEG_USER,
	    .target = key,
	    .called = r->number,
	    .called_name = route_keep_str(r, p->texts + u->name),
	    .caller = r->caller,
	    .caller_name = r->caller_name,
	    .ring_time = u->ring_time,
	    .max_contacts = u->max_contacts,
	};
	return true;
}

/* The one object that answers the number (SEMANTICS D1, D2: exact). */
static bool
route_exact(
    const struct plan *p, const struct plan_call *c, struct plan_result *r)
{
	struct plan_text rule = route_of("number", r->number);
	uint32_t value = plan_index_find(&p->numbers, r->number);

	if (value != PLAN_INDEX_NONE && value != PLAN_OWNERLESS) {
		if ((value & PLAN_SERVICE) == 0)
			return route_user(p, &p->rows[value], r);
		if (c->what == PLAN_CALL)
			return route_service(
			    r, plan_services[value & ~PLAN_SERVICE]);
	}
	r->unknown = value == PLAN_INDEX_NONE || value == PLAN_OWNERLESS;
	if (value == PLAN_INDEX_NONE) {
		route_step(r, "exact", rule, route_words("no such number"));
		return route_refuse(r, 404, "no such number");
	}
	if (value == PLAN_OWNERLESS) {
		route_step(
		    r, "exact", rule, route_words("its user is missing"));
		return route_refuse(r, 404, "the number has no owner");
	}
	route_step(
	    r, "exact", rule, route_words("a service takes no messages"));
	return route_refuse(r, 405, "a service takes no messages");
}

void
plan_route(
    const struct plan *p, const struct plan_call *c, struct plan_result *r)
{
	r->code = 0;
	r->unknown = false;
	r->reason = r->number = r->caller = r->caller_name = "";
	r->nlegs = r->nsteps = 0;
	r->used = 0;
	r->dialled = route_keep_shown(r, c->to, c->to_len);
	route_configuration(p, r);
	if (route_domain(p, c, r) && route_caller(p, c, r) &&
	    route_host(p, c, r) && route_dialled(c, r))
		route_exact(p, c, r);
}
