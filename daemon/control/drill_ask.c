/*
 * What a drill asks of others: faults of supervisors, moves and drains of
 * quorum. An answer that comes when the drill is over, or has gone on, finds
 * nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The fault itself; back to the server under drill; the fault undone. */
enum ask_for { ASK_FAULT, ASK_GATHER, ASK_MEND };

struct drill_ask {
	LIST_ENTRY(drill_ask) entry;
	struct drill *drill; /* NULL: nobody waits */
	unsigned trial;
	enum ask_for what;
};

static struct drill_ask *
ask_new(struct drill *d, enum ask_for what)
{
	struct drill_ask *a = xcalloc(1, sizeof *a);

	a->drill = d;
	a->trial = d->machine.trials;
	a->what = what;
	LIST_INSERT_HEAD(&d->asks, a, entry);
	return a;
}

void
drill_forget(struct drill *d)
{
	struct drill_ask *a;

	while ((a = LIST_FIRST(&d->asks)) != NULL) {
		LIST_REMOVE(a, entry);
		a->drill = NULL;
	}
}

/* It may be asked again in a moment: that somebody is back may not have come
 * to all who decide. */
static void
ask_again(struct drill *d, const struct err *e)
{
	if (++d->refusals < DRILL_REFUSALS) {
		loop_timer_set(d->again, DRILL_AGAIN);
		return;
	}
	d->mending = false;
	d->machine.why = *e;
	drill_feed(d, DRILL_STOP);
}

/* Words of quorum's leader, or of the supervisor, against it. */
static void
ask_refused(struct drill *d, const struct drill_ask *a, const struct err *e)
{
	bool fault = a->what == ASK_FAULT;

	if (a->trial != d->machine.trials ||
	    d->machine.state != (fault ? DRILL_STRUCK : DRILL_SETTLING))
		return;
	if (!fault) {
		ask_again(d, e);
		return;
	}
	d->machine.why = *e;
	drill_feed(d, DRILL_REFUSED);
}

/* The end of it; the drill, when it still waits. */
static struct drill *
ask_end(struct drill_ask *a, struct drill_ask *copy)
{
	struct drill *d = a->drill;

	if (d != NULL)
		LIST_REMOVE(a, entry);
	*copy = *a;
	free(a);
	return d;
}

/* ---- of supervisors ------------------------------------------------------ */

/* A server without processes cannot answer: whether it has begun to serve
 * elsewhere tells. What is stopped may have answered writes until now. */
static void
ask_on_fault(void *arg, const struct err *e)
{
	struct drill_ask a;
	struct drill *d = ask_end(arg, &a);
	unsigned i;

	if (d == NULL)
		return;
	if (e != NULL && e->code != ERR_CLOSED && e->code != ERR_TIMEOUT) {
		ask_refused(d, &a, e);
		return;
	}
	for (i = 0; i < d->nkeys && a.trial == d->machine.trials; i++)
		d->key[i].least = d->key[i].count;
}

static void
ask_fault(struct drill *d)
{
	struct role_fault f = {.kind = ROLE_FAULT_SERVER, .ms = d->lasts};
	const char *server = d->server;

	if (d->kind == DRILL_CUT)
		f.kind = ROLE_FAULT_CUT;
	if (server[0] == '\0') {
		server = owner_server(d->key[0].from);
		f.kind = d->kind == DRILL_STALL ? ROLE_FAULT_STOP
						: ROLE_FAULT_KILL;
		str_ncopy(f.instance, sizeof f.instance, d->key[0].from,
		    strcspn(d->key[0].from, "@"));
	}
	drill_fault(d->control, server, &f, &d->who, ask_on_fault,
	    ask_new(d, ASK_FAULT));
}

/* ---- of quorum ----------------------------------------------------------- */

/* Who leads has answered, or what stood against it is among the warnings. */
static void
ask_on_quorum(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct drill_ask a;
	struct drill *d = ask_end(arg, &a);
	const char *words = json_string_value(
	    json_array_get(json_object_get(result, "warn"), 0));
	struct err refused;

	(void)data;
	if (d == NULL || (e == NULL && words == NULL))
		return;
	err_set(&refused, ERR_REFUSED, "%s", e != NULL ? e->text : words);
	ask_refused(d, &a, &refused);
}

/* An operation of quorum, at every server: who leads does it. */
static void
ask_quorum(struct drill *d, const char *op, json_t *args, struct drill_ask *a)
{
	struct control *c = d->control;
	struct each_target to[1 + FAR_MAX];
	size_t n = control_targets(c, ROLE_QUORUM, to, 1);
	json_t *params = call_pack(args, &d->who);

	n += far_targets(c, to + n, FAR_MAX);
	each_call(&c->eaches, op, params, to, n, ask_on_quorum, a);
}

static void
ask_move(
    struct drill *d, const char *key, const char *server, enum ask_for what)
{
	ask_quorum(d, "request ownership move",
	    json_pack("{s:s, s:s}", "key", key, "server", server),
	    ask_new(d, what));
}

static void
ask_on_server(void *arg, json_t *result, const struct err *e)
{
	struct drill_ask a;
	struct drill *d = ask_end(arg, &a);

	(void)result;
	if (d != NULL && e != NULL)
		ask_refused(d, &a, e);
	else if (d != NULL && a.what == ASK_MEND)
		drill_on_mended(d);
}

static void
ask_server(struct drill *d, const char *method, struct drill_ask *a)
{
	struct err e;

	if (control_decide(
		d->control, method, d->server, ask_on_server, a, &e) != 0)
		ask_on_server(a, NULL, &e);
}

void
drill_gather(struct drill *d)
{
	struct owner o;
	unsigned i;

	if (d->gathering)
		return;
	d->gathering = true;
	for (i = 0; i < d->nkeys; i++) {
		if (owner_map_find(
			d->control->self->owners, d->key[i].name, &o) &&
		    strcmp(owner_server(o.instance), d->server) != 0)
			ask_move(d, d->key[i].name, d->server, ASK_GATHER);
	}
}

/* ---- the trial ----------------------------------------------------------- */

void
drill_strike(struct drill *d)
{
	char other[MESH_NAME] = "";

	d->gathering = false;
	d->refusals = 0;
	drill_site_note(d);
	d->struck = clock_mono();
	d->trial[d->machine.trials].at = clock_real();
	switch (d->kind) {
	case DRILL_KILL:
	case DRILL_STALL:
	case DRILL_CUT:
		ask_fault(d);
		return;
	case DRILL_MOVE:
		drill_site_other(d, &d->key[0], other);
		ask_move(d, d->key[0].name, other, ASK_FAULT);
		return;
	case DRILL_DRAIN:
		ask_server(d, "server-drain", ask_new(d, ASK_FAULT));
		return;
	}
}

void
drill_mend(struct drill *d)
{
	if (d->kind != DRILL_DRAIN)
		return;
	d->mending = true;
	ask_server(d, "server-undrain", ask_new(d, ASK_MEND));
}
