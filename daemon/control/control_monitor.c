/*
 * Monitors: a list that a session goes on watching. It is asked for again and
 * again as the session itself would ask, with the rights that it has by then,
 * and what differs is told: so whatever can be listed can be watched, on the
 * whole site, and nobody sees more than by asking.
 *
 * The first answer is the list, with the monitor's number; then come
 * notifications "changes" {"monitor": N, "data": rows, "warn": [..]}, the last
 * of them with "over": true, and "error" {"code", "message"} when it ended by
 * one. A look that not all have answered calls nothing gone. When the session
 * does not read, looks are left out: the next one tells all of it.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define MONITORS 256	 /* of all sessions */
#define MONITORS_KEPT 32 /* of these for who administers the site */
#define MONITORS_EACH 8	 /* of one */
#define MONITOR_ROWS 10000
#define MONITOR_QUEUED (1u << 20) /* bytes that wait for the session */

struct monitor {
	TAILQ_ENTRY(monitor) entry;
	struct control *control;
	struct session *session; /* NULL: it has ended */
	int64_t number;		 /* within the session */
	const struct op *op;
	json_t *args;	      /* of the list */
	struct op_call *call; /* until the first answer */
	bool looking;	      /* an answer is on its way */
	json_t *seen;	      /* see monitor_diff */
	json_t *warn;	      /* told last */
	uint64_t every, end;  /* us; end: monotonic, 0 = none */
	struct loop_timer *tick;
};

/* ---- what differs (pure) ------------------------------------------------- */

/* A row by what is compared of it. To be freed. */
static char *
monitor_key(const struct op_field *cols, json_t *row)
{
	json_t *copy = json_copy(row);
	const struct op_field *f;
	char *text;

	for (f = cols; f->name != NULL; f++) {
		if (f->type == &op_type_duration || f->flags & OP_GROWS)
			json_object_del(copy, f->name);
	}
	text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(copy);
	if (text == NULL)
		fatalx("out of memory");
	return text;
}

static void
monitor_keep(json_t *seen, const char *key, json_t *row)
{
	json_t *rows = json_object_get(seen, key);

	if (rows == NULL) {
		rows = json_array();
		json_object_set_new(seen, key, rows);
	}
	json_array_append(rows, row);
}

/* Is there one that was seen before? It counts once. */
static bool
monitor_was_seen(json_t *seen, const char *key)
{
	json_t *rows = json_object_get(seen, key);

	if (rows == NULL)
		return false;
	json_array_remove(rows, json_array_size(rows) - 1);
	if (json_array_size(rows) == 0)
		json_object_del(seen, key);
	return true;
}

static void
monitor_tell_row(json_t *changes, const char *word, json_t *row)
{
	row = json_copy(row);
	json_object_set_new(row, OP_MONITOR_CHANGE, json_string(word));
	json_array_append_new(changes, row);
}

/* What was seen before and is not there any more. */
static void
monitor_gone(json_t *changes, json_t *before, json_t *seen, bool whole)
{
	const char *key;
	json_t *rows, *row;
	size_t i;

	json_object_foreach (before, key, rows) {
		json_array_foreach (rows, i, row) {
			if (whole)
				monitor_tell_row(changes, OP_MONITOR_GONE, row);
			else
				monitor_keep(seen, key, row);
		}
	}
}

json_t *
monitor_diff(
    const struct op_field *cols, json_t **seen, json_t *rows, bool whole)
{
	json_t *before = *seen, *now = json_object(), *fresh = json_array();
	json_t *changes = json_array(), *row;
	char *key;
	size_t i;

	json_array_foreach (rows, i, row) {
		key = monitor_key(cols, row);
		if (!monitor_was_seen(before, key))
			monitor_tell_row(fresh,
			    before != NULL ? OP_MONITOR_NEW : OP_MONITOR_IS,
			    row);
		monitor_keep(now, key, row);
		free(key);
	}
	monitor_gone(changes, before, now, whole);
	json_array_extend(changes, fresh);
	json_decref(fresh);
	json_decref(before);
	*seen = now;
	return changes;
}

/* ---- the end ------------------------------------------------------------- */

/* It is of no session any more. */
static void
monitor_leave(struct monitor *m)
{
	if (m->session != NULL)
		m->session->share->monitors--;
	m->session = NULL;
	loop_timer_cancel(m->tick);
}

/* Nobody is told. An answer that is on its way finds it over. */
static void
monitor_free(struct monitor *m)
{
	if (m->looking)
		return;
	TAILQ_REMOVE(&m->control->monitors, m, entry);
	loop_timer_free(&m->tick);
	json_decref(m->args);
	json_decref(m->seen);
	json_decref(m->warn);
	free(m);
}

static void
monitor_end(struct monitor *m, const struct err *e)
{
	json_t *params = json_pack("{s:I, s:[], s:[], s:b}", "monitor",
	    (json_int_t)m->number, "data", "warn", "over", 1);

	if (e != NULL)
		json_object_set_new(params, "error",
		    json_pack("{s:s, s:s}", "code", err_name(e->code),
			"message", e->text));
	session_notify(m->session, "changes", params);
	monitor_leave(m);
	monitor_free(m);
}

void
monitor_forget(struct control *c, const struct session *s)
{
	struct monitor *m, *next;
	struct op_call *call;

	follow_forget(c, s);
	for (m = TAILQ_FIRST(&c->monitors); m != NULL; m = next) {
		next = TAILQ_NEXT(m, entry);
		if (m->session != s)
			continue;
		monitor_leave(m);
		call = m->call;
		m->call = NULL;
		monitor_free(m);
		if (call != NULL)
			op_failf(call, ERR_CLOSED, "the session has ended");
	}
}

bool
monitor_stop(struct control *c, const struct session *s, int64_t number)
{
	struct monitor *m, *next;
	bool any = follow_stop(c, s, number);

	for (m = TAILQ_FIRST(&c->monitors); m != NULL; m = next) {
		next = TAILQ_NEXT(m, entry);
		if (m->session != s || m->call != NULL ||
		    (number != 0 && m->number != number))
			continue;
		monitor_end(m, NULL);
		any = true;
	}
	return any;
}

/* ---- looking ------------------------------------------------------------- */

/* When the next look is due, or the end. */
static void
monitor_wait(struct monitor *m)
{
	uint64_t now = clock_mono();
	uint64_t left = m->end > now ? m->end - now : 0;

	loop_timer_set(
	    m->tick, m->end != 0 && left < m->every ? left : m->every);
}

/* The list itself, and the number. */
static void
monitor_begin(struct monitor *m, json_t *result)
{
	struct op_call *call = m->call;
	json_t *words;
	size_t i;

	m->call = NULL;
	json_decref(call->rows);
	call->rows = monitor_diff(
	    m->op->of->cols, &m->seen, json_object_get(result, "data"), true);
	call->rev = json_integer_value(json_object_get(result, "rev"));
	call->monitor = m->number;
	m->warn = json_incref(json_object_get(result, "warn"));
	json_array_foreach (m->warn, i, words)
		op_warn(call, "%s", json_string_value(words));
	if (json_object_get(result, "next") != NULL)
		op_warn(call,
		    "the list goes on behind these rows, which are "
		    "all that is watched");
	monitor_wait(m);
	op_finish(call, NULL);
}

static void
monitor_tell(struct monitor *m, json_t *result)
{
	json_t *warn = json_object_get(result, "warn");
	json_t *changes = monitor_diff(m->op->of->cols, &m->seen,
	    json_object_get(result, "data"),
	    !json_is_true(json_object_get(result, "partial")));
	bool same = json_equal(warn, m->warn);

	if (json_array_size(changes) != 0 ||
	    (!same && json_array_size(warn) != 0))
		session_notify(m->session, "changes",
		    json_pack("{s:I, s:O, s:o}", "monitor",
			(json_int_t)m->number, "data", changes, "warn",
			same ? json_array() : json_incref(warn)));
	json_decref(changes);
	json_decref(m->warn);
	m->warn = json_incref(warn);
	monitor_wait(m);
}

/* What a look says for good; what may be other the next time only costs this
 * look. */
static bool
monitor_fails(const struct monitor *m, json_t *result, struct err *e)
{
	if (e->code == ERR_NONE &&
	    json_array_size(json_object_get(result, "data")) > MONITOR_ROWS)
		err_set(e, ERR_TOOBIG, "more than %d rows: watch a part of it",
		    MONITOR_ROWS);
	return e->code != ERR_NONE &&
	    (m->call != NULL || e->code == ERR_PERMISSION ||
		e->code == ERR_TOOBIG || e->code == ERR_ABSENT);
}

static void
monitor_on_look(void *arg, json_t *result, const struct err *why)
{
	struct monitor *m = arg;
	struct op_call *call = m->call;
	struct err e = {.code = ERR_NONE};

	m->looking = false;
	if (why != NULL)
		e = *why;
	if (m->session == NULL) {
		monitor_free(m);
	} else if (!monitor_fails(m, result, &e)) {
		if (e.code != ERR_NONE)
			monitor_wait(m);
		else if (call != NULL)
			monitor_begin(m, result);
		else
			monitor_tell(m, result);
	} else if (call != NULL) {
		monitor_leave(m);
		monitor_free(m);
		op_finish(call, &e);
	} else {
		monitor_end(m, &e);
	}
}

/* The answer may be there before this returns, and the monitor gone. */
static void
monitor_look(struct monitor *m)
{
	m->looking = true;
	call_look(m->session, m->op->of, m->args, monitor_on_look, m);
}

static void
monitor_on_tick(void *arg)
{
	struct monitor *m = arg;

	if (m->end != 0 && clock_mono() >= m->end)
		monitor_end(m, NULL);
	else if (m->session->full ||
	    rpc_queued(m->session->rpc) > MONITOR_QUEUED)
		monitor_wait(m);
	else
		monitor_look(m);
}

/* ---- the beginning ------------------------------------------------------- */

static bool
monitor_has_room(struct op_call *call, const struct session *s)
{
	unsigned all = 0, same = 0, own = s->share->monitors;
	const struct monitor *m;
	bool room;

	TAILQ_FOREACH (m, &s->control->monitors, entry) {
		all += m->session != NULL;
		same += m->session == s;
	}
	room = share_allows(&call->who, own, all, MONITORS, MONITORS_KEPT);
	if (same >= MONITORS_EACH)
		op_failf(call, ERR_FULL,
		    "%d monitors of one session are the "
		    "most: stop one",
		    MONITORS_EACH);
	else if (!room)
		op_failf(call, ERR_FULL,
		    "%u monitors of %s are the most that this server carries "
		    "now",
		    own, call->who.name);
	return same < MONITORS_EACH && room;
}

/* The arguments of the list alone. */
static json_t *
monitor_args(const struct op_call *call)
{
	json_t *args = json_object();
	const struct op_field *f;

	for (f = call->op->of->args; f != NULL && f->name != NULL; f++)
		json_object_set(
		    args, f->name, json_object_get(call->args, f->name));
	return args;
}

void
monitor_run(struct op_call *call)
{
	struct control *c = control_of(call);
	struct session *s = session_find(c, call->who.session);
	int64_t most = op_arg_int(call, "for", 0);
	struct monitor *m;

	if (s == NULL || s->brief) {
		op_failf(call, ERR_REFUSED,
		    "%s goes on: ask for it by a console, or over a WebSocket",
		    call->op->name);
		return;
	}
	if (!monitor_has_room(call, s))
		return;
	m = xcalloc(1, sizeof *m);
	m->control = c;
	m->session = s;
	s->share->monitors++;
	m->number = ++s->monitors;
	m->op = call->op;
	m->call = call;
	m->args = monitor_args(call);
	m->every = (uint64_t)op_arg_int(call, "every", 1) * CLOCK_SEC;
	if (most != 0)
		m->end = clock_mono() + (uint64_t)most * CLOCK_SEC;
	m->tick = loop_timer_new(c->self->loop, monitor_on_tick, m);
	TAILQ_INSERT_TAIL(&c->monitors, m, entry);
	monitor_look(m);
}
