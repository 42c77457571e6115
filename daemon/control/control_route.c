/*
 * A call for the owner of a role. While there is no owner calls wait, in
 * their order, so the edits of one console cannot overtake each other when
 * the store changes hands. Waiting is bounded: after ROUTE_PATIENCE the
 * answer is that there is no owner.
 */
#include <stdlib.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#define ROUTE_TRIES 3 /* owners that may die of one call */
/* How often to look again after an owner said that it is none: the owner map
 * tells us too, but a map that is ahead of its owner changes no more. */
#define ROUTE_PAUSE (20 * CLOCK_MS)

struct route_call {
	TAILQ_ENTRY(route_call) entry; /* waiting, in the order of seq */
	TAILQ_ENTRY(route_call) all;
	struct route *route;
	const struct op *op;
	json_t *params;
	route_fn *fn;
	void *arg;
	uint64_t seq;
	uint64_t until;	 /* monotonic: patience ends; 0 = never waited */
	struct rpc *rpc; /* where it was sent; NULL = waiting */
	unsigned deaths; /* of owners that had it */
};
TAILQ_HEAD(route_calls, route_call);

struct route {
	struct loop *loop;
	route_owner_fn *owner;
	void *arg;
	uint64_t seq;
	struct route_calls waiting, all;
	unsigned nwaiting[ROLE_MAX];
	struct loop_timer *timer;
};

static void route_on_reply(void *arg, json_t *result, const struct err *e);
static void route_on_timer(void *arg);

enum route_fate
route_fate(enum op_kind kind, enum err_code code)
{
	switch (code) {
	case ERR_NOOWNER:
		return ROUTE_AGAIN;
	case ERR_CLOSED:
		return kind == OP_ACTION ? ROUTE_UNKNOWN : ROUTE_AGAIN;
	case ERR_TIMEOUT:
		return kind == OP_READ ? ROUTE_DELIVER : ROUTE_UNKNOWN;
	default:
		return ROUTE_DELIVER;
	}
}

struct route *
route_new(struct loop *loop, route_owner_fn *owner, void *arg)
{
	struct route *r = xcalloc(1, sizeof *r);

	r->loop = loop;
	r->owner = owner;
	r->arg = arg;
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->all);
	r->timer = loop_timer_new(loop, route_on_timer, r);
	return r;
}

/* Take a call off all lists. */
static void
route_call_free(struct route_call *c)
{
	struct route *r = c->route;

	if (c->rpc == NULL) {
		TAILQ_REMOVE(&r->waiting, c, entry);
		r->nwaiting[c->op->role]--;
	}
	TAILQ_REMOVE(&r->all, c, all);
	json_decref(c->params);
	free(c);
}

void
route_free(struct route **rp)
{
	struct route *r = *rp;
	struct route_call *c;

	*rp = NULL;
	if (r == NULL)
		return;
	while ((c = TAILQ_FIRST(&r->all)) != NULL) {
		if (c->rpc != NULL)
			rpc_forget(c->rpc, c);
		route_call_free(c);
	}
	loop_timer_free(&r->timer);
	free(r);
}

static void
route_finish(
    struct route_call *c, json_t *result, const struct err *e, json_t *data)
{
	route_fn *fn = c->fn;
	void *arg = c->arg;

	route_call_free(c);
	fn(arg, result, e, data);
}

/* Into the waiting list by its number: what was sent first is first again. */
static void
route_wait(struct route_call *c)
{
	struct route *r = c->route;
	struct route_call *at;

	if (c->until == 0)
		c->until = clock_mono() + ROUTE_PATIENCE;
	c->rpc = NULL;
	r->nwaiting[c->op->role]++;
	at = TAILQ_LAST(&r->waiting, route_calls);
	while (at != NULL && at->seq > c->seq)
		at = TAILQ_PREV(at, route_calls, entry);
	if (at == NULL)
		TAILQ_INSERT_HEAD(&r->waiting, c, entry);
	else
		TAILQ_INSERT_AFTER(&r->waiting, at, c, entry);
	if (!loop_timer_is_set(r->timer))
		loop_timer_set(r->timer, ROUTE_PAUSE);
}

static void
route_send(struct route_call *c, struct rpc *rpc)
{
	c->rpc = rpc;
	rpc_call(rpc, c->op->name, json_incref(c->params), ROUTE_TIMEOUT,
	    route_on_reply, c);
}

/* An answer, or that none will come. */
static void
route_settle(
    struct route_call *c, json_t *result, const struct err *e, json_t *data)
{
	struct err unknown;
	enum route_fate fate = ROUTE_DELIVER;

	if (e != NULL)
		fate = route_fate(c->op->kind, e->code);
	if (fate == ROUTE_AGAIN && e->code == ERR_CLOSED) {
		c->until = 0; /* it had an owner: patience begins anew */
		if (++c->deaths == ROUTE_TRIES)
			fate = ROUTE_UNKNOWN;
	}
	switch (fate) {
	case ROUTE_AGAIN:
		route_wait(c);
		return;
	case ROUTE_UNKNOWN:
		err_set(&unknown, ERR_TIMEOUT,
		    "%s: the owner did not answer: result unknown",
		    c->op->name);
		route_finish(c, NULL, &unknown, NULL);
		return;
	case ROUTE_DELIVER:
		route_finish(c, result, e, data);
		return;
	}
}

static void
route_on_reply(void *arg, json_t *result, const struct err *e)
{
	struct route_call *c = arg;

	route_settle(c, result, e, e != NULL ? rpc_err_data(c->rpc) : NULL);
}

void
route_call(struct route *r, const struct op *op, json_t *params, route_fn *fn,
    void *arg)
{
	struct route_call *c = xcalloc(1, sizeof *c);
	struct rpc *rpc;

	c->route = r;
	c->op = op;
	c->params = params;
	c->fn = fn;
	c->arg = arg;
	c->seq = ++r->seq;
	TAILQ_INSERT_TAIL(&r->all, c, all);
	rpc = r->nwaiting[op->role] == 0 ? r->owner(r->arg, op->role) : NULL;
	if (rpc != NULL)
		route_send(c, rpc);
	else
		route_wait(c);
}

void
route_wake(struct route *r)
{
	struct route_call *c, *next;
	unsigned down = 0; /* roles without an owner, as bits */
	struct rpc *rpc;

	for (c = TAILQ_FIRST(&r->waiting); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (down & 1u << c->op->role)
			continue;
		if ((rpc = r->owner(r->arg, c->op->role)) == NULL) {
			down |= 1u << c->op->role;
			continue;
		}
		TAILQ_REMOVE(&r->waiting, c, entry);
		r->nwaiting[c->op->role]--;
		route_send(c, rpc);
	}
}

void
route_unlink(struct route *r, struct rpc *rpc)
{
	struct route_call *c, *next;
	struct err e;

	err_set(&e, ERR_CLOSED, "the link ended");
	for (c = TAILQ_FIRST(&r->all); c != NULL; c = next) {
		next = TAILQ_NEXT(c, all);
		if (c->rpc != rpc)
			continue;
		rpc_forget(rpc, c);
		route_settle(c, NULL, &e, NULL);
	}
}

/* Give up what has waited long enough; try the rest again. */
static void
route_on_timer(void *arg)
{
	struct route *r = arg;
	struct route_call *c, *next;
	uint64_t now = clock_mono();
	struct err e;

	for (c = TAILQ_FIRST(&r->waiting); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->until > now)
			continue;
		err_set(&e, ERR_NOOWNER, "%s: %s has no owner at the moment",
		    c->op->name, role_rows[c->op->role].name);
		route_finish(c, NULL, &e, NULL);
	}
	route_wake(r);
	if (!TAILQ_EMPTY(&r->waiting))
		loop_timer_set(r->timer, ROUTE_PAUSE);
}
