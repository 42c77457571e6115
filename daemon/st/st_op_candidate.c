/*
 * Operations on candidates as a whole: who has one, to take one up that was
 * left, to forget one.
 */
#include <string.h>

#include "st_op.h"
#include "daemon/base/str.h"

/* ---- show candidates ------------------------------------------------------
 */

enum { CANDIDATE_OPEN, CANDIDATE_LEFT, CANDIDATE_WAITS };
static const char *const candidate_words[] = {"open", "left", "waits", NULL};

bool
st_session_is_orphan(const struct st *st, const char *session)
{
	const char *dot = strrchr(session, '.');
	char server[40];
	struct owner o;

	if (dot == NULL ||
	    !str_ncopy(server, sizeof server, session, (size_t)(dot - session)))
		return false;
	return !owner_map_server(st->cfg.owners, server, &o) ||
	    o.state == OWNER_DOWN;
}

static int
candidate_state(const struct st *st, const struct st_draft *d)
{
	if (d->at != 0)
		return CANDIDATE_WAITS;
	return d->left != 0 || st_session_is_orphan(st, d->session)
	    ? CANDIDATE_LEFT
	    : CANDIDATE_OPEN;
}

/* Those who have only a part of the tree see their own. */
static bool
candidate_is_seen(const struct op_call *call, const struct st_draft *d)
{
	return !op_is_limited(&call->who) ||
	    strcmp(call->who.name, d->operator) == 0;
}

/* A list of them, and the session that alone may commit. */
struct candidates {
	struct op_call *call;
	struct st_exclusive alone; /* session "" = there is none */
};

static int
candidate_row(void *arg, const struct st_draft *d)
{
	struct candidates *c = arg;
	struct op_call *call = c->call;
	bool alone = strcmp(c->alone.session, d->session) == 0;

	if (!candidate_is_seen(call, d))
		return 0;
	if (alone)
		c->alone.session[0] = '\0'; /* it has its row */
	op_row(call);
	op_put(call, "session", d->session);
	op_put(call, "operator", d->operator);
	op_put(call, "from", d->source);
	op_put(call, "state", candidate_words[candidate_state(st_of(call), d)]);
	op_put_bool(call, "exclusive", alone);
	op_put_int(call, "lines", d->changes);
	op_put_time(call, "since", d->started);
	if (d->at != 0 || d->left != 0)
		op_put_time(call, "time", d->at != 0 ? d->at : d->left);
	if (d->minutes != 0)
		op_put_int(call, "confirmed", d->minutes);
	op_put(call, "comment", d->comment[0] != '\0' ? d->comment : NULL);
	op_put(call, "failed", d->failed[0] != '\0' ? d->failed : NULL);
	return 0;
}

/* Who alone may commit need not have edited anything, and a script's candidate
 * is not listed. */
static void
candidate_row_alone(struct candidates *c)
{
	struct st_draft d = {.started = c->alone.since};

	str_copy(d.session, sizeof d.session, c->alone.session);
	str_copy(d.operator, sizeof d.operator, c->alone.operator);
	str_copy(d.source, sizeof d.source, c->alone.source);
	if (d.session[0] != '\0')
		candidate_row(c, &d);
}

static void
candidates_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct candidates c = {.call = call};
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	call->rev = st->rev;
	if (st_exclusive_get(stream_db(st_op_commit_stream(st)), &c.alone) ==
		1 &&
	    st_session_is_orphan(st, c.alone.session))
		c.alone.session[0] = '\0';
	if (st_exclusive_check(st, call->who.session, &call->who, &e) != 0)
		op_warn(call, "%s", e.text);
	if (st_draft_each(stream_db(st_op_commit_stream(st)), candidate_row, &c,
		&e) != 0) {
		op_finish(call, &e);
		return;
	}
	candidate_row_alone(&c);
	st_answer_on_ack(st, st_op_commit_stream(st), call);
}

static void
candidates_run(struct op_call *call)
{
	st_op_enter(call, candidates_work);
}

/* ---- configure resume ------------------------------------------------------
 */

/* The candidate named; else the one that the operator left last. */
static int
resume_which(
    struct st *st, struct op_call *call, struct st_draft *d, struct err *e)
{
	sqlite3 *commit = stream_db(st_op_commit_stream(st));
	const char *session = op_arg(call, "session");
	int r;

	r = session != NULL ? st_draft_get(commit, session, d)
			    : st_draft_newest(commit, call->who.name, d);
	if (r != 0 && r != -ERR_ABSENT)
		return st_sql_unread(r, e);
	if (session == NULL) {
		if (r == 0)
			return 0;
		return err_set(e, ERR_ABSENT,
		    "you have left no candidate; show candidates lists all");
	}
	if (r != 0 || !candidate_is_seen(call, d))
		return err_set(
		    e, ERR_ABSENT, "there is no candidate %s", session);
	if (strcmp(session, call->who.session) != 0 &&
	    candidate_state(st, d) == CANDIDATE_OPEN)
		return err_set(e, ERR_REFUSED,
		    "candidate %s is open in a session of %s", session,
		    d->operator);
	return 0;
}

static void
resume_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct st_draft d;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	call->rev = st->rev;
	if (st_op_candidate_empty(st, call, &e) != 0 ||
	    resume_which(st, call, &d, &e) != 0 ||
	    stream_join(st_op_commit_stream(st), &e) != 0 ||
	    st_draft_take(st->view.cand, d.session, &call->who, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	if (strcmp(d.operator, call->who.name) != 0)
		op_warn(call, "this was a candidate of %s", d.operator);
	if (d.at != 0)
		op_warn(call, "it is not committed at its time any more");
	op_row(call);
	op_put(call, "session", d.session);
	op_put_int(call, "lines", d.changes);
	op_put_time(call, "since", d.started);
	st_clock_look(st);
	st_answer_on_ack(st, st_op_commit_stream(st), call);
}

static void
resume_run(struct op_call *call)
{
	st_op_enter(call, resume_work);
}

/* ---- update ----------------------------------------------------------------
 */

struct update_work {
	struct op_call *call;
	int64_t n; /* lines that were settled */
};

static int
update_do(void *arg, struct err *e)
{
	struct update_work *w = arg;
	struct st *st = st_of(w->call);

	return st_update(&st->view, w->call->who.session, st->rev,
	    str_equal(op_arg(w->call, "keep"), "mine"), &w->n, e);
}

/* The streams of all domains in it are open. */
static void
update_on_compared(void *arg, struct st_job *j, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = j->st;
	struct update_work w = {.call = call};
	struct err e;

	call->rev = st->rev;
	if (why != NULL) {
		op_finish(call, why);
	} else if (st_stream_whole(st, update_do, &w, &e) != 0) {
		op_finish(call, &e);
	} else {
		op_row(call);
		op_put_int(call, "updated", w.n);
		st_answer_on_ack(st, st_op_commit_stream(st), call);
	}
	st_job_free(&j);
}

static void
update_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct st_job *j;

	if (st_op_refuse(st, call, why))
		return;
	j = st_job_new(st, call->who.session, update_on_compared, call);
	j->task = ST_TASK_COMPARE;
	st_job_start(j);
}

static void
update_run(struct op_call *call)
{
	st_op_enter(call, update_work);
}

/* ---- discard ---------------------------------------------------------------
 */

/* The session whose candidate is meant. */
static int
discard_which(
    struct st *st, struct op_call *call, struct st_draft *d, struct err *e)
{
	if (op_arg(call, "session") != NULL)
		return resume_which(st, call, d, e);
	str_copy(d->session, sizeof d->session, call->who.session);
	return 0;
}

/* Acknowledged like any edit: a discarded line does not come back. */
static void
discard_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct stream *commit;
	struct st_draft d;
	int64_t n = 0;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	commit = st_op_commit_stream(st);
	if (discard_which(st, call, &d, &e) != 0 ||
	    stream_join(commit, &e) != 0 ||
	    st_cand_drop(st->view.cand, d.session, &n, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	op_row(call);
	op_put_int(call, "dropped", n);
	call->rev = st->rev;
	st_clock_look(st);
	st_answer_on_ack(st, commit, call);
}

static void
discard_run(struct op_call *call)
{
	st_op_enter(call, discard_work);
}

/* ---- records ---------------------------------------------------------------
 */

static const struct op_field candidates_cols[] = {
    {.name = "session",
	.type = &op_type_text,
	.brief = "its name, as configure resume and discard want it"},
    {.name = "operator", .type = &op_type_text, .brief = "whose it is"},
    {.name = "from", .type = &op_type_text, .brief = "from where"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = candidate_words,
	.brief = "in a session, left, or waits for its time"},
    {.name = "exclusive",
	.type = &op_type_bool,
	.brief = "its session alone may commit: configure exclusive"},
    {.name = "lines", .type = &op_type_int, .brief = "objects and fields"},
    {.name = "since", .type = &op_type_time, .brief = "its first edit"},
    {.name = "time",
	.type = &op_type_time,
	.brief = "when it was left, or will be committed"},
    {.name = "confirmed",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "minutes in which that commit must be confirmed"},
    {.name = "comment", .type = &op_type_text, .brief = "of that commit"},
    {.name = "failed",
	.type = &op_type_text,
	.brief = "why it was not committed at its time"},
    {0},
};

const struct op st_op_candidates = {
    .name = "show candidates",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "list what has been edited and not committed",
    .about = "The candidates of people at a prompt, that of this session too. "
	     "One is kept when its connection ends, whatever ended it; a "
	     "script's is not. One that waits is committed at its time by "
	     "itself. A session that alone may commit is listed even "
	     "without changes.",
    .example = "show candidates",
    .cols = candidates_cols,
    .run = candidates_run,
};

static const struct op_field resume_args[] = {
    {.name = "session",
	.type = &op_type_text,
	.flags = OP_KEY,
	.min = 1,
	.max = 39,
	.brief = "which one; none: what you left last, else what waits"},
    {0},
};

static const struct op_field resume_cols[] = {
    {.name = "session", .type = &op_type_text, .brief = "whose it was"},
    {.name = "lines", .type = &op_type_int, .brief = "objects and fields"},
    {.name = "since", .type = &op_type_time, .brief = "its first edit"},
    {0},
};

const struct op st_op_resume = {
    .name = "configure resume",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "take up a candidate that was left",
    .about = "It becomes that of this session, whose own must be empty. What "
	     "others have committed since is told by the commit, as always. "
	     "One that waits for its time waits no more.",
    .example = "set domain demo.test user 104 name Dora\n"
	       "commit at +2h\n"
	       "configure resume\n"
	       "discard",
    .args = resume_args,
    .cols = resume_cols,
    .run = resume_run,
};

static const char *const update_choices[] = {"mine", "theirs", NULL};

static const struct op_field update_args[] = {
    {.name = "keep",
	.type = &op_type_choice,
	.flags = OP_KEY | OP_REQUIRED,
	.choices = update_choices,
	.brief = "whose values, where others have changed the same"},
    {0},
};

static const struct op_field update_cols[] = {
    {.name = "updated",
	.type = &op_type_int,
	.brief = "lines of the candidate where that was so"},
    {0},
};

const struct op st_op_update = {
    .name = "update",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "settle conflicts of the candidate",
    .about = "For when commit or check tells conflicts. mine: the candidate's "
	     "values are meant, knowing what the others have set. theirs: "
	     "these lines of the candidate are forgotten, with a domain that "
	     "both have made, or that is gone, all that the candidate has "
	     "in it. What nobody else has touched stays otherwise.",
    .example = "update mine",
    .args = update_args,
    .cols = update_cols,
    .run = update_run,
};

static const struct op_field discard_args[] = {
    {.name = "session",
	.type = &op_type_text,
	.min = 1,
	.max = 39,
	.brief = "of one that was left or waits, instead of your own"},
    {0},
};

static const struct op_field discard_cols[] = {
    {.name = "dropped",
	.type = &op_type_int,
	.brief = "lines of the candidate that were forgotten"},
    {0},
};

const struct op st_op_discard = {
    .name = "discard",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "forget a candidate",
    .about = "That of this session, or one that somebody left. What runs is "
	     "not touched. Other sessions have candidates of their own, which "
	     "stay.",
    .example = "discard",
    .args = discard_args,
    .cols = discard_cols,
    .run = discard_run,
};
