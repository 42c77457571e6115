/*
 * One drill from its first write to its report: what happens goes into the
 * machine (drill_machine.c), what that orders is done. One runs at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* ---- what the console is told -------------------------------------------- */

static void
drill_progress(struct drill *d)
{
	static const char *const words[] = {
	    [DRILL_SETTLING] = "until the site is whole",
	    [DRILL_PAUSING] = "writing",
	    [DRILL_STRUCK] = "fault",
	    [DRILL_CHECKING] = "looking for what was acknowledged",
	    [DRILL_CLEARING] = "taking away what was written",
	    [DRILL_OVER] = "over"};
	struct session *s;

	TAILQ_FOREACH (s, &d->control->sessions, entry) {
		if (strcmp(s->who.session, d->console) == 0)
			session_notify(s, "progress",
			    json_pack("{s:i, s:i, s:s}", "done",
				(int)d->machine.trials, "of",
				(int)d->machine.times, "words",
				words[d->machine.state]));
	}
}

/* ---- the end ------------------------------------------------------------- */

static void
drill_end(struct drill *d)
{
	struct control *c = d->control;
	unsigned i;

	c->drill = NULL;
	control_session_over(c, d->who.session);
	drill_forget(d);
	drill_tell(d);
	for (i = 0; i < d->nkeys; i++)
		probe_free(&d->key[i]);
	loop_timer_free(&d->timer);
	loop_timer_free(&d->again);
	free(d->trial);
	free(d);
}

void
drill_on_cleared(struct drill *d)
{
	if (d->machine.state == DRILL_CLEARING && --d->clearing == 0)
		drill_feed(d, DRILL_DONE);
}

static void
drill_clear(struct drill *d)
{
	unsigned i, n = d->nkeys;

	d->clearing = n;
	for (i = 0; i < n; i++)
		probe_clear(&d->key[i]); /* the last one may end it */
}

/* ---- is it all there? ---------------------------------------------------- */

/* A server's rows of one key. */
struct drill_check {
	struct drill *drill;
	struct drill_key *key;
};

static void
drill_checked(struct drill *d)
{
	if (--d->checking == 0)
		drill_feed(d, DRILL_DONE);
}

static void
drill_on_read(void *arg, json_t *have, const struct err *e)
{
	struct drill_check *k = arg;
	struct drill *d = k->drill;

	if (e != NULL)
		op_warn(d->call, "%s cannot be read here: %s", k->key->name,
		    e->text);
	else
		d->lost += drill_missing(k->key->acked, k->key->count, have);
	free(k);
	drill_checked(d);
}

/* Who did not answer was not checked, which is told. */
static void
drill_on_others(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct drill_check *k = arg;
	struct drill *d = k->drill;
	json_t *row;
	size_t i;

	(void)e;
	(void)data;
	json_array_foreach (json_object_get(result, "data"), i, row)
		d->lost += drill_missing(
		    k->key->acked, k->key->count, json_object_get(row, "have"));
	json_array_foreach (json_object_get(result, "warn"), i, row)
		op_warn(d->call, "not checked: %s", json_string_value(row));
	free(k);
	drill_checked(d);
}

static struct drill_check *
drill_check_new(struct drill_key *key)
{
	struct drill_check *k = xcalloc(1, sizeof *k);

	k->drill = key->drill;
	k->key = key;
	return k;
}

/* The last number that was acknowledged; UINT64_MAX = none. */
static uint64_t
drill_last(const struct drill_key *k)
{
	uint64_t number = k->count;

	while (number-- > 0) {
		if (k->acked[number])
			return number;
	}
	return UINT64_MAX;
}

static void
drill_check_key(struct drill *d, struct drill_key *k)
{
	struct control *c = d->control;
	struct each_target to[FAR_MAX];
	size_t n = far_targets(c, to, FAR_MAX);
	uint64_t last = drill_last(k);

	if (n > 0)
		each_call(&c->eaches, "drill-read",
		    json_pack("{s:s, s:s, s:s, s:I}", "key", k->name, "as",
			d->as, "session", d->who.session, "until",
			(json_int_t)last),
		    to, n, drill_on_others, drill_check_new(k));
	else
		d->checking--;
	drill_read(c, k->name, d->as, d->who.session, last, drill_on_read,
	    drill_check_new(k));
}

static void
drill_check(struct drill *d)
{
	unsigned i, n = d->nkeys;

	for (i = 0; i < n; i++)
		probe_stop(&d->key[i]);
	d->checking = 2 * n;
	for (i = 0; i < n; i++)
		drill_check_key(d, &d->key[i]);
}

/* ---- events -------------------------------------------------------------- */

/* Is the site whole, and the server under drill the owner? */
static void
drill_look(struct drill *d)
{
	if (d->machine.state != DRILL_SETTLING || d->mending ||
	    !drill_site_is_whole(d))
		return;
	if (d->server[0] != '\0' && !d->machine.ending &&
	    d->machine.trials < d->machine.times &&
	    !drill_site_is_at(d, d->server))
		drill_gather(d);
	else
		drill_feed(d, DRILL_WHOLE);
}

void
drill_feed(struct drill *d, enum drill_event e)
{
	enum drill_state before = d->machine.state;
	enum drill_order order = drill_step(&d->machine, e);

	if (d->machine.state != before) {
		drill_progress(d);
		loop_timer_cancel(d->timer);
		if (d->machine.timer != 0)
			loop_timer_set(d->timer, d->machine.timer);
	}
	switch (order) {
	case DRILL_WAIT:
		if (e == DRILL_STOP)
			drill_look(d);
		break;
	case DRILL_STRIKE:
		drill_strike(d);
		break;
	case DRILL_MEND:
		drill_mend(d);
		drill_look(d);
		break;
	case DRILL_CHECK:
		drill_check(d);
		break;
	case DRILL_CLEAR:
		drill_clear(d);
		break;
	case DRILL_FINISH:
		drill_end(d);
		break;
	}
}

static void
drill_on_timer(void *arg)
{
	drill_feed(arg, DRILL_TIMER);
}

static void
drill_on_again(void *arg)
{
	struct drill *d = arg;

	d->gathering = false;
	if (d->mending)
		drill_mend(d);
	drill_look(d);
}

void
drill_on_mended(struct drill *d)
{
	d->mending = false;
	drill_look(d);
}

void
drill_on_served(struct drill *d)
{
	struct drill_trial *t = &d->trial[d->machine.trials];
	struct owner o;
	unsigned i;

	for (i = 0; i < d->nkeys; i++) {
		if (!d->key[i].served)
			return;
	}
	t->us = clock_mono() - d->struck;
	str_copy(t->from, sizeof t->from, d->key[0].from);
	if (owner_map_find(
		d->control->self->owners, d->key[d->nkeys - 1].name, &o)) {
		t->epoch = o.epoch;
		str_copy(t->to, sizeof t->to, o.instance);
	}
	log_info("drill: trial=%u us=%llu epoch=%llu from=%s to=%s",
	    d->machine.trials + 1, (unsigned long long)t->us,
	    (unsigned long long)t->epoch, t->from, t->to);
	drill_feed(d, DRILL_SERVED);
}

void
drill_wake(struct control *c)
{
	struct drill *d = c->drill;
	unsigned i, n = d != NULL ? d->nkeys : 0;

	for (i = 0; i < n && c->drill == d; i++)
		probe_wake(&d->key[i]);
	if (c->drill == d && d != NULL)
		drill_look(d);
}

void
drill_unlink(struct control *c, struct rpc *rpc)
{
	unsigned i;

	for (i = 0; c->drill != NULL && i < c->drill->nkeys; i++)
		probe_unlink(&c->drill->key[i], rpc);
}

void
drill_interrupt(struct control *c, const char *session, bool gone)
{
	struct drill *d = c->drill;

	if (d == NULL || strcmp(d->console, session) != 0)
		return;
	log_info("drill: %s", gone ? "its console is gone" : "interrupted");
	drill_feed(d, DRILL_STOP);
}

const char *
drill_session(const struct control *c)
{
	return c->drill != NULL ? c->drill->who.session : NULL;
}

void
drill_start(struct drill *d, struct op_call *call)
{
	struct control *c = d->control;
	unsigned i;

	d->call = call;
	LIST_INIT(&d->asks);
	c->drill = d;
	d->timer = loop_timer_new(c->self->loop, drill_on_timer, d);
	d->again = loop_timer_new(c->self->loop, drill_on_again, d);
	loop_timer_set(d->timer, d->machine.timer);
	drill_site_keep(d);
	for (i = 0; i < d->nkeys; i++)
		probe_start(&d->key[i]);
	log_info("drill: begins, rows=%s", d->as);
	drill_progress(d);
	drill_look(d);
}
