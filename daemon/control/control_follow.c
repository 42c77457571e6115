/*
 * Calls that a session follows live. The recorder of every server is asked once
 * and tells from then on what comes to match (daemon/trace/follow.c): nothing
 * is asked for again and again. What servers tell comes together here, where
 * the session is, and is told as the changes of a monitor are; who may see it
 * is looked at each time.
 *
 * Between controls: "trace" {"want": "follow", "key": "SERVER SESSION NUMBER"}
 * begins it, and then come notifications "trace-news", as follow_news has
 * them. When a link ends, both ends know: there it is over, here it is asked
 * for again when the link is back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_find.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/trace/follow.h"

#define FOLLOWING_KEPT 4	    /* of FOLLOWS, for who administers */
#define FOLLOWING_QUEUED (1u << 20) /* bytes that wait for who is told */
#define FOLLOWING_SLACK 60 /* s that a recorder goes on beyond the end */

static const char *const stages[] = {[TRACE_BEGINS] = "begins",
    [TRACE_RINGS] = "rings",
    [TRACE_ANSWERED] = "answered",
    [TRACE_ENDS] = "ends",
    "is", /* it began before */
    NULL};

struct following {
	TAILQ_ENTRY(following) entry;
	struct control *control;
	struct session *session;
	int64_t number; /* as of a monitor */
	char key[OP_SESSION + 80];
	const struct op *op;
	json_t *args;
	json_t *query;
	struct op_call *call; /* until the first answer */
	json_t *early;	      /* news in front of that */
	json_t *calls;	      /* told: id -> row; true = it is over */
	json_t *fresh;	      /* rows that are told now */
	json_t *warn;	      /* likewise */
	json_t *lost, *share; /* server -> what it said last */
	uint64_t since, dropped;
	unsigned matched;
	bool over;
	struct loop_timer *end;
};

/* ---- the end ------------------------------------------------------------- */

static void
following_on_nothing(void *arg, json_t *rows, json_t *warn, bool partial)
{
	(void)arg;
	(void)rows;
	(void)warn;
	(void)partial;
}

/* Nobody is told any more, here and there. */
static void
following_free(struct following *w)
{
	struct control *c = w->control;

	trace_ask(c, json_pack("{s:s, s:s}", "want", "unfollow", "key", w->key),
	    following_on_nothing, NULL);
	TAILQ_REMOVE(&c->followings, w, entry);
	loop_timer_free(&w->end);
	json_decref(w->args);
	json_decref(w->query);
	json_decref(w->early);
	json_decref(w->calls);
	json_decref(w->fresh);
	json_decref(w->warn);
	json_decref(w->lost);
	json_decref(w->share);
	free(w);
}

static void
following_end(struct following *w, const struct err *e)
{
	json_t *params = json_pack("{s:I, s:[], s:O, s:b}", "monitor",
	    (json_int_t)w->number, "data", "warn", w->warn, "over", 1);

	if (e != NULL)
		json_object_set_new(params, "error",
		    json_pack("{s:s, s:s}", "code", err_name(e->code),
			"message", e->text));
	session_notify(w->session, "changes", params);
	following_free(w);
}

static void
following_on_end(void *arg)
{
	following_end(arg, NULL);
}

void
follow_forget(struct control *c, const struct session *s)
{
	struct following *w, *next;
	struct op_call *call;

	for (w = TAILQ_FIRST(&c->followings); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (w->session != s)
			continue;
		call = w->call;
		following_free(w);
		if (call != NULL)
			op_failf(call, ERR_CLOSED, "the session has ended");
	}
}

bool
follow_stop(struct control *c, const struct session *s, int64_t number)
{
	struct following *w, *next;
	bool any = false;

	for (w = TAILQ_FIRST(&c->followings); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (w->session != s || w->call != NULL ||
		    (number != 0 && w->number != number))
			continue;
		following_end(w, NULL);
		any = true;
	}
	return any;
}

/* ---- rows ---------------------------------------------------------------- */

static enum trace_stage
following_stage(json_t *row)
{
	struct trace_call c;

	trace_call_read(&c, row);
	return trace_call_stage(&c);
}

/* Of a call that is over no server has news, though one that is asked again may
 * find it again. */
static void
following_put(
    struct following *w, struct op_call *call, json_t *row, const char *word)
{
	const char *id = op_row_text(row, "call");

	find_put(call, row);
	op_put(call, OP_MONITOR_CHANGE, word);
	if (op_row_int(row, "end") != 0)
		json_object_set_new(w->calls, id, json_true());
	else
		json_object_set(w->calls, id, row);
}

/* What two servers know of a call is told when it takes it further. */
static void
following_put_news(struct following *w, struct op_call *call, json_t *row)
{
	json_t *known = json_object_get(w->calls, op_row_text(row, "call"));
	enum trace_stage before;

	if (json_is_true(known))
		return;
	if (known != NULL) {
		before = following_stage(known);
		trace_call_merge(known, row);
		if (following_stage(known) <= before)
			return;
		json_incref(known); /* its place may be lost below */
	} else {
		known = json_incref(row);
		w->matched++;
	}
	following_put(w, call, known, stages[following_stage(known)]);
	json_decref(known);
}

static void
following_run_news(struct op_call *call)
{
	struct following *w = call->done_arg;
	const char *server = json_string_value(
	    json_object_get(w->args, "server"));
	json_t *row;
	size_t i;

	json_array_foreach (w->fresh, i, row) {
		if (op_sees(&call->who, op_row_text(row, "domain")) &&
		    (server == NULL ||
			strcmp(server, op_row_text(row, "server")) == 0))
			following_put_news(w, call, row);
	}
	op_finish(call, NULL);
}

/* ---- what the recorders say beside the rows ------------------------------ */

/* The number is another than before. */
static bool
following_is_news(
    json_t *said, const char *server, json_int_t n, json_int_t def)
{
	json_t *before = json_object_get(said, server);

	if ((before != NULL ? json_integer_value(before) : def) == n)
		return false;
	json_object_set_new(said, server, json_integer(n));
	return true;
}

static void
following_warn(struct following *w, const char *server, json_t *news)
{
	json_int_t lost = (json_int_t)op_row_int(news, "lost");
	json_int_t share = (json_int_t)op_row_int(news, "share");
	const char *over = json_string_value(json_object_get(news, "over"));

	if (lost > 0 && following_is_news(w->lost, server, lost, 0))
		json_array_append_new(w->warn,
		    json_sprintf("%s: lost %lld since it is followed", server,
			(long long)lost));
	if (share > 0 && following_is_news(w->share, server, share, FOLLOW_ALL))
		json_array_append_new(w->warn,
		    share == FOLLOW_ALL
			? json_sprintf("%s: all calls are shown again", server)
			: json_sprintf("%s: one of %lld calls is "
				       "shown: more than %d rows a "
				       "second",
			      server, (long long)(FOLLOW_ALL / share),
			      FOLLOW_RATE));
	if (over != NULL)
		json_array_append_new(
		    w->warn, json_sprintf("%s: %s", server, over));
	w->over |= over != NULL;
}

/* ---- telling ------------------------------------------------------------- */

static void
following_on_told(void *arg, struct op_call *call, const struct err *e)
{
	struct following *w = arg;
	json_t *result;

	w->over |= e != NULL;
	if (e != NULL)
		return;
	result = op_result(call);
	if (json_array_size(call->rows) > 0 || json_array_size(w->warn) > 0)
		session_notify(w->session, "changes",
		    json_pack("{s:I, s:O, s:O}", "monitor",
			(json_int_t)w->number, "data",
			json_object_get(result, "data"), "warn", w->warn));
	json_decref(result);
	json_array_clear(w->warn);
}

static const struct op_field news_cols[15];
static const struct op news_op = {
    .name = "monitor trace",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .cols = news_cols,
    .run = following_run_news,
};

/* They may still see what they asked for. */
static int
following_permit(const struct following *w, struct err *e)
{
	if (find_permit(w->op, &w->session->who, w->args, e) != 0)
		return -(int)e->code;
	return op_permit(w->op, &w->session->who, w->args, e);
}

/* Rows and warnings that are there now. Who does not read is told later how
 * many rows there were. */
static void
following_tell(struct following *w)
{
	struct session *s = w->session;
	struct err e;

	if (following_permit(w, &e) != 0) {
		following_end(w, &e);
		return;
	}
	if (s->full || rpc_queued(s->rpc) > FOLLOWING_QUEUED) {
		w->dropped += json_array_size(w->fresh);
		json_array_clear(w->fresh);
		return;
	}
	if (w->dropped > 0)
		json_array_append_new(w->warn,
		    json_sprintf("lost %llu rows that were not read in time",
			(unsigned long long)w->dropped));
	w->dropped = 0;
	op_run(&news_op, NULL, &s->who, w->control->self, following_on_told, w);
	json_array_clear(w->fresh);
	if (w->matched >= FOLLOW_CALLS) {
		json_array_append_new(w->warn,
		    json_sprintf("over: %d calls were shown", FOLLOW_CALLS));
		w->over = true;
	}
	if (w->over)
		following_end(w, NULL);
}

/* ---- news ---------------------------------------------------------------- */

static void
following_hear(struct following *w, const char *server, json_t *news)
{
	json_t *row;
	size_t i;

	if (w->call != NULL) {
		json_array_append_new(w->early,
		    json_pack("{s:s, s:O}", "server", server, "news", news));
		return;
	}
	json_array_foreach (json_object_get(news, "rows"), i, row) {
		if (!json_is_object(row))
			continue;
		json_object_set_new(row, "server", json_string(server));
		json_array_append(w->fresh, row);
	}
	following_warn(w, server, news);
	following_tell(w);
}

static struct following *
following_find(struct control *c, const char *key)
{
	struct following *w;

	TAILQ_FOREACH (w, &c->followings, entry) {
		if (str_equal(w->key, key))
			return w;
	}
	return NULL;
}

void
follow_heard(struct control *c, const char *server, json_t *news)
{
	struct following *w = following_find(
	    c, json_string_value(json_object_get(news, "key")));

	if (w != NULL)
		following_hear(w, server, news);
}

/* Of the recorder here, for whoever asked it. */
static void
following_pass(struct control *c, json_t *news)
{
	const char *key = json_string_value(json_object_get(news, "key"));
	char server[MESH_NAME];
	struct far *f;

	if (!str_ncopy(server, sizeof server, key, strcspn(key, " ")))
		return;
	f = far_find(c, server);
	if (strcmp(server, c->self->server) == 0)
		follow_heard(c, server, news);
	else if (f != NULL && rpc_queued(f->rpc) > FOLLOWING_QUEUED)
		c->unheard += json_array_size(json_object_get(news, "rows"));
	else if (f != NULL) {
		json_object_set_new(news, "lost",
		    json_integer(
			(json_int_t)(op_row_int(news, "lost") + c->unheard)));
		rpc_notify(f->rpc, "trace-news", json_incref(news));
	}
}

void
follow_on_news(void *control, json_t *list)
{
	json_t *news;
	size_t i;

	json_array_foreach (list, i, news)
		following_pass(control, news);
}

/* ---- links --------------------------------------------------------------- */

static void
following_on_unfollowed(void *arg, json_t *result, const struct err *e)
{
	(void)arg;
	(void)result;
	(void)e;
}

void
follow_unlink(struct control *c, const char *server)
{
	struct following *w, *next;
	char front[MESH_NAME + 2];

	if (c->recorder != NULL) {
		snprintf(front, sizeof front, "%s ", server);
		recorder_ask(c->recorder,
		    json_pack("{s:s, s:s}", "want", "unfollow", "key", front),
		    following_on_unfollowed, NULL);
	}
	for (w = TAILQ_FIRST(&c->followings); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		json_array_append_new(w->warn,
		    json_sprintf("%s: the link ended: its calls are not "
				 "followed until it is back",
			server));
		if (w->call == NULL)
			following_tell(w);
	}
}

struct following_again {
	struct control *control;
	char key[sizeof((struct following *)0)->key];
	char server[MESH_NAME];
};

/* What it has found by now is news. */
static void
following_on_again(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct following_again *a = arg;
	json_t *news;

	(void)data;
	if (e == NULL) {
		news = json_pack("{s:s, s:O*}", "key", a->key, "rows",
		    json_object_get(result, "data"));
		follow_heard(a->control, a->server, news);
		json_decref(news);
	}
	free(a);
}

void
follow_linked(struct control *c, const char *server)
{
	struct far *f = far_find(c, server);
	struct each_target to = {.rpc = f != NULL ? f->rpc : NULL, .far = true};
	struct following_again *a;
	struct following *w;

	str_copy(to.name, sizeof to.name, server);
	TAILQ_FOREACH (w, &c->followings, entry) {
		a = xcalloc(1, sizeof *a);
		a->control = c;
		str_copy(a->key, sizeof a->key, w->key);
		str_copy(a->server, sizeof a->server, server);
		each_call(&c->eaches, "trace", json_incref(w->query), &to, 1,
		    following_on_again, a);
	}
}

/* ---- the beginning ------------------------------------------------------- */

static void
following_begin(struct following *w, json_t *rows)
{
	struct op_call *call = w->call;
	const char *server = op_arg(call, "server"), *id;
	struct trace_filter f;
	json_t *found = json_object(), *row;

	trace_filter_read(&f, w->query, NULL); /* as the types allow */
	find_merge(&call->who, found, rows);
	json_object_foreach (found, id, row) {
		if (find_matches(&f, server, row)) {
			following_put(w, call, row, "is");
			w->matched++;
		}
	}
	trace_filter_fini(&f);
	json_decref(found);
}

/* Where it cannot begin on this server, it does not. */
static void
following_on_rows(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct control *c = ((struct following_again *)arg)->control;
	struct following *w = following_find(
	    c, ((struct following_again *)arg)->key);
	struct op_call *call = w != NULL ? w->call : NULL;
	json_t *early, *one;
	size_t i;

	free(arg);
	if (call == NULL)
		return; /* the session has ended */
	following_begin(w, rows);
	trace_warn(call, warn, partial);
	call->monitor = w->number;
	w->call = NULL;
	early = w->early;
	w->early = json_array();
	op_finish(call, NULL);
	json_array_foreach (early, i, one)
		follow_heard(c, op_row_text(one, "server"),
		    json_object_get(one, "news"));
	json_decref(early);
}

static bool
following_has_room(struct op_call *call, const struct session *s)
{
	unsigned all = 0, own = 0;
	const struct following *w;

	TAILQ_FOREACH (w, &s->control->followings, entry) {
		all++;
		own += w->session->share == s->share;
	}
	if (share_allows(&call->who, own, all, FOLLOWS, FOLLOWING_KEPT))
		return true;
	op_failf(call, ERR_FULL,
	    "%u of %u that follow calls here are of %s: one must end first",
	    own, all, call->who.name);
	return false;
}

static struct following *
following_new(struct op_call *call, struct session *s, json_t *query)
{
	struct following *w = xcalloc(1, sizeof *w);
	struct control *c = s->control;
	int64_t most = op_arg_int(call, "for", 1);

	w->control = c;
	w->session = s;
	w->number = ++s->monitors;
	w->op = call->op;
	w->call = call;
	w->args = json_incref(call->args);
	w->query = query;
	w->since = clock_real();
	w->early = json_array();
	w->calls = json_object();
	w->fresh = json_array();
	w->warn = json_array();
	w->lost = json_object();
	w->share = json_object();
	snprintf(w->key, sizeof w->key, "%s %s %lld", c->self->server,
	    s->who.session, (long long)w->number);
	json_object_set_new(query, "key", json_string(w->key));
	json_object_set_new(query, "for", json_integer(most + FOLLOWING_SLACK));
	w->end = loop_timer_new(c->self->loop, following_on_end, w);
	loop_timer_set(w->end, (uint64_t)most * CLOCK_SEC);
	TAILQ_INSERT_TAIL(&c->followings, w, entry);
	return w;
}

static void
following_run(struct op_call *call)
{
	struct control *c = control_of(call);
	struct session *s = session_find(c, call->who.session);
	struct following_again *a;
	struct following *w;
	json_t *q;

	if (s == NULL || s->brief) {
		op_failf(call, ERR_REFUSED,
		    "%s goes on: ask for it by a console, or over a WebSocket",
		    call->op->name);
		return;
	}
	if (!following_has_room(call, s) ||
	    (q = find_query(call, "follow")) == NULL)
		return;
	w = following_new(call, s, q);
	a = xcalloc(1, sizeof *a);
	a->control = c;
	str_copy(a->key, sizeof a->key, w->key);
	trace_ask(c, json_incref(q), following_on_rows, a);
}

/* ---- operations ---------------------------------------------------------- */

static const struct op_field following_args[] = {
    FIND_ARGS,
    {.name = "for",
	.type = &op_type_duration,
	.min = 1,
	.max = 86400,
	.def = "1800",
	.brief = "until it ends by itself"},
    {0},
};

static const struct op_field news_cols[] = {
    {.name = OP_MONITOR_CHANGE,
	.type = &op_type_choice,
	.choices = stages,
	.brief = "is: it began before; and how far it came since"},
    FIND_COLS,
    {0},
};

const struct op control_op_trace_follow = {
    .name = "monitor trace",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "trace calls, and then each call as it comes",
    .about =
	"Shows what trace calls finds, and then a row for each call when it "
	"comes to match, and whenever it comes further: it rings, it is "
	"answered, it ends. A call that matches only by its end is shown "
	"then; one that was shown is shown to its end. What recorders lost is "
	"counted. When so many calls come that they are more than 1000 rows a "
	"second of one server, a part of the calls is shown, each of them "
	"whole, and which part is said. 16 can follow at a time on a site. "
	"Ends after the time, after 10000 calls, with Ctrl-C, and when its "
	"session does.",
    .example = "monitor trace for 1\nmonitor trace failed for 1",
    .args = following_args,
    .cols = news_cols,
    .run = following_run,
};

/* ---- who follows --------------------------------------------------------- */

void
follow_each(struct control *c, follow_state_fn *fn, void *arg)
{
	struct follow_state state;
	const struct following *w;
	const char *server;
	json_t *n;

	TAILQ_FOREACH (w, &c->followings, entry) {
		state = (struct follow_state){.who = &w->session->who,
		    .args = w->args,
		    .since = w->since,
		    .calls = w->matched};
		json_object_foreach (w->lost, server, n)
			state.lost += (uint64_t)json_integer_value(n);
		fn(arg, &state);
	}
}
