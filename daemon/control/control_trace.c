/*
 * What the recorders of the site know of calls. Every server has its own; a
 * question goes to that of this server and, by the controls, to those of the
 * others, and their rows come together. Who may see them is looked at where the
 * console is, before anything is asked and again of what came.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* ---- the recorder of this server ----------------------------------------- */

int
trace_open(struct control *c, struct err *e)
{
	const struct self *self = c->self;
	char dir[sizeof self->state + 8];
	const struct recorder_conf conf = {.rings = self->rings,
	    .dir = dir,
	    .server = self->server,
	    .limit = (uint64_t)self->trace_mib << 20,
	    .on_news = follow_on_news,
	    .arg = c};

	if (self->trace_mib == 0 || self->witness)
		return 0;
	snprintf(dir, sizeof dir, "%s/trace", self->state);
	c->recorder = recorder_open(self->loop, &conf, e);
	return c->recorder != NULL ? 0 : -(int)e->code;
}

void
trace_alarms(struct op_call *call)
{
	struct control *c = control_of(call);
	struct recorder_state s;

	if (c->recorder == NULL)
		return;
	recorder_state(c->recorder, &s);
	if (s.tight == 0)
		return;
	op_row(call);
	op_put_time(call, "since", s.tight);
	op_put(call, "alarm", "trace");
	op_put(call, "subject", c->self->server);
	op_put(call, "server", c->self->server);
	op_put(call, "text", s.why);
}

/* ---- one server ---------------------------------------------------------- */

static json_t *
trace_warning(struct control *c, const char *words)
{
	return json_pack("[o]", json_sprintf("%s: %s", c->self->server, words));
}

/* The answer of the recorder as it goes to who asks: rows that bear the name
 * of the server. */
static json_t *
trace_pack(struct control *c, json_t *result)
{
	json_t *rows = json_object_get(result, "rows"), *row, *warn;
	struct recorder_state s;
	char words[80];
	size_t i;

	json_array_foreach (rows, i, row)
		json_object_set_new(
		    row, "server", json_string(c->self->server));
	recorder_state(c->recorder, &s);
	warn = json_is_true(json_object_get(result, "more"))
	    ? trace_warning(c, "knows more than an answer holds")
	    : json_array();
	if (s.lost > 0) {
		snprintf(words, sizeof words,
		    "lost %llu messages of its processes",
		    (unsigned long long)s.lost);
		json_array_append_new(
		    warn, json_sprintf("%s: %s", c->self->server, words));
	}
	return json_pack("{s:O, s:o}", "data", rows, "warn", warn);
}

static json_t *
trace_pack_error(struct control *c, const struct err *e)
{
	return json_pack("{s:[], s:o, s:b}", "data", "warn",
	    trace_warning(c, e->text), "partial", 1);
}

/* Of a server that records nothing: a witness passes no call, of another
 * somebody wants it so. */
static json_t *
trace_pack_nothing(struct control *c)
{
	return json_pack("{s:[], s:o}", "data", "warn",
	    c->self->witness
		? json_array()
		: trace_warning(c, "nothing is recorded: trace-size is 0"));
}

/* Asked by the control of another server. */
struct trace_asked {
	struct control *control;
	struct rpc_request *request;
};

static void
trace_on_asked(void *arg, json_t *result, const struct err *e)
{
	struct trace_asked *a = arg;

	rpc_reply(a->request,
	    e == NULL ? trace_pack(a->control, result)
		      : trace_pack_error(a->control, e));
	free(a);
}

void
trace_asked(struct control *c, struct rpc_request *q, json_t *query)
{
	struct trace_asked *a;

	if (c->recorder == NULL) {
		rpc_reply(q, trace_pack_nothing(c));
		return;
	}
	a = xcalloc(1, sizeof *a);
	a->control = c;
	a->request = q;
	recorder_ask(c->recorder, json_incref(query), trace_on_asked, a);
}

/* ---- the site ------------------------------------------------------------ */

struct trace_ask {
	struct control *control;
	json_t *own, *far;
	unsigned waiting;
	trace_fn *fn;
	void *arg;
};

static void
trace_done(struct trace_ask *a)
{
	json_t *rows, *warn;
	bool partial;

	if (--a->waiting > 0)
		return;
	rows = json_object_get(a->own, "data");
	warn = json_object_get(a->own, "warn");
	json_array_extend(rows, json_object_get(a->far, "data"));
	json_array_extend(warn, json_object_get(a->far, "warn"));
	partial = json_is_true(json_object_get(a->own, "partial")) ||
	    json_is_true(json_object_get(a->far, "partial"));
	a->fn(a->arg, rows, warn, partial);
	json_decref(a->own);
	json_decref(a->far);
	free(a);
}

static void
trace_on_own(void *arg, json_t *result, const struct err *e)
{
	struct trace_ask *a = arg;

	a->own = e == NULL ? trace_pack(a->control, result)
			   : trace_pack_error(a->control, e);
	trace_done(a);
}

static void
trace_on_far(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct trace_ask *a = arg;

	(void)e;
	(void)data;
	a->far = json_incref(result);
	trace_done(a);
}

void
trace_ask(struct control *c, json_t *query, trace_fn *fn, void *arg)
{
	struct trace_ask *a = xcalloc(1, sizeof *a);
	struct each_target to[FAR_MAX];

	a->control = c;
	a->fn = fn;
	a->arg = arg;
	a->waiting = 3;
	each_call(&c->eaches, "trace", json_incref(query), to,
	    far_targets(c, to, FAR_MAX), trace_on_far, a);
	if (c->recorder != NULL) {
		recorder_ask(c->recorder, json_incref(query), trace_on_own, a);
	} else {
		a->own = trace_pack_nothing(c);
		a->waiting--;
	}
	json_decref(query);
	trace_done(a);
}
