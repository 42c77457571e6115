/*
 * One session alone may commit: `configure exclusive`. It is a row of stream
 * `commit`, so the next owner of the store knows it, too. It ends with its
 * session, whatever ended that; that of a server which is down ends with the
 * server. The system's own commits are not held up.
 */
#include <string.h>

#include "st_op.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

/* ---- the row ------------------------------------------------------------- */

int
st_exclusive_get(sqlite3 *commit, struct st_exclusive *x)
{
	sqlite3_stmt *s = st_sql(commit, NULL,
	    "SELECT session, operator, source, since FROM exclusive", "");
	int step = s != NULL ? sqlite3_step(s) : SQLITE_ERROR, r;

	memset(x, 0, sizeof *x);
	r = s != NULL ? st_sql_end(s, step, NULL) : -ERR_IO;
	if (step == SQLITE_ROW) {
		r = 1;
		str_copy(x->session, sizeof x->session, st_text(s, 0));
		str_copy(x->operator, sizeof x->operator, st_text(s, 1));
		str_copy(x->source, sizeof x->source, st_text(s, 2));
		x->since = (uint64_t)sqlite3_column_int64(s, 3);
	}
	sqlite3_finalize(s);
	return r;
}

static int
exclusive_put(sqlite3 *commit, const struct op_who *who, struct err *e)
{
	int r = st_sql_run(commit, e, "DELETE FROM exclusive", "");

	return r != 0
	    ? r
	    : st_sql_run(commit, e,
		  "INSERT INTO exclusive(session, operator, source, since) "
		  "VALUES(?1, ?2, ?3, ?4)",
		  "sssi", who->session, who->name, who->from,
		  (int64_t)clock_real());
}

int
st_exclusive_leave(sqlite3 *commit, const char *session, struct err *e)
{
	return st_sql_run(commit, e, "DELETE FROM exclusive WHERE session = ?1",
	    "s", session);
}

/* ---- who is held up ------------------------------------------------------ */

/* Is it theirs: of the session, or a commit at a time that the same operator
 * has ordered? */
static bool
exclusive_is_own(
    const struct st_exclusive *x, const char *session, const struct op_who *who)
{
	return strcmp(x->session, session) == 0 ||
	    (str_prefix(session, ST_DRAFT_AT) &&
		strcmp(x->operator, who->name) == 0);
}

/* Whose it is; those who have only a part of the tree are not told from
 * where. */
static int
exclusive_told(
    const struct st_exclusive *x, const struct op_who *who, struct err *e)
{
	char since[CLOCK_TEXT], from[160] = "";

	clock_text(since, x->since);
	if (!op_is_limited(who))
		snprintf(from, sizeof from, " (%s, session %s)", x->source,
		    x->session);
	return err_set(e, ERR_CONFLICT,
	    "%s%s alone may commit since %s: configure exclusive", x->operator,
	    from, since);
}

int
st_exclusive_check(
    struct st *st, const char *session, const struct op_who *who, struct err *e)
{
	struct st_exclusive x;
	int r = st_exclusive_get(stream_db(st_op_commit_stream(st)), &x);

	if (r < 0)
		return st_sql_unread(r, e);
	if (r == 0 || exclusive_is_own(&x, session, who) ||
	    st_session_is_orphan(st, x.session))
		return 0;
	return exclusive_told(&x, who, e);
}

/* ---- configure exclusive, configure private ------------------------------ */

static void
exclusive_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct stream *commit;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	call->rev = st->rev;
	commit = st_op_commit_stream(st);
	if (st_exclusive_check(st, call->who.session, &call->who, &e) != 0 ||
	    stream_join(commit, &e) != 0 ||
	    exclusive_put(stream_db(commit), &call->who, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	st_answer_on_ack(st, commit, call);
}

static void
exclusive_run(struct op_call *call)
{
	st_op_enter(call, exclusive_work);
}

static void
private_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct stream *commit;
	struct st_exclusive x;
	struct err e;
	int r;

	if (st_op_refuse(st, call, why))
		return;
	call->rev = st->rev;
	commit = st_op_commit_stream(st);
	r = st_exclusive_get(stream_db(commit), &x);
	if (r < 0)
		st_sql_unread(r, &e);
	if (r < 0)
		op_finish(call, &e);
	else if (r == 0 || strcmp(x.session, call->who.session) != 0)
		op_failf(call, ERR_ABSENT,
		    "this session does not hold the configuration");
	else if (stream_join(commit, &e) != 0 ||
	    st_exclusive_leave(stream_db(commit), x.session, &e) != 0)
		op_finish(call, &e);
	else
		st_answer_on_ack(st, commit, call);
}

static void
private_run(struct op_call *call)
{
	st_op_enter(call, private_work);
}

const struct op st_op_exclusive = {
    .name = "configure exclusive",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "nobody else may commit meanwhile",
    .about =
	"Others go on editing their candidates, and their commits are refused "
	"with your name, their undo too; check and -n only warn. A commit at a "
	"time that somebody else has ordered fails when it comes due, and its "
	"candidate is left. It ends with configure private, or with this "
	"session, also one whose connection was lost: a command of its own in "
	"a script does nothing. request session close takes it from "
	"somebody; show candidates marks its row. What awaits confirmation is "
	"undone at its time all the same.",
    .example = "configure exclusive\nconfigure private",
    .run = exclusive_run,
};

const struct op st_op_private = {
    .name = "configure private",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "others may commit again",
    .about = "The end of configure exclusive. The candidate stays as it is.",
    .example = "configure exclusive\nconfigure private",
    .run = private_run,
};
