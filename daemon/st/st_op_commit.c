/*
 * Operations that judge the candidate as a whole: check, commit. A commit is
 * named by a txid, so that asking again after a broken connection or the
 * death of the owner gives the true answer and not a second commit.
 */
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/str.h"

static void
commit_row(struct op_call *call, const struct st_revision *r)
{
	op_row(call);
	op_put_int(call, "rev", r->rev);
	op_put_int(call, "changes", r->changes);
	op_put_time(call, "time", r->time);
	op_put(call, "txid", r->txid);
	call->rev = r->rev;
}

/* What stands, but should be looked at. */
static void
commit_warn(const struct st_job *j, struct op_call *call)
{
	json_t *words;
	size_t i;

	json_array_foreach (j->warn, i, words)
		op_warn(call, "%s", json_string_value(words));
}

/* Why a commit did not happen: every conflict, every failed check. */
static void
commit_fail(struct st_job *j, struct op_call *call, const struct err *e)
{
	if (e->code == ERR_CONFLICT)
		j->st->count.conflicts++;
	else if (e->code == ERR_CHECK)
		j->st->count.refused++;
	if (json_array_size(j->told) > 0)
		call->err_data = json_pack("{s:O}", "rows", j->told);
	op_finish(call, e);
}

static void
commit_on_done(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;
	struct st *st = j->st;

	call->rev = st->rev;
	if (e != NULL) {
		commit_fail(j, call, e);
	} else if (j->changes.n == 0) {
		op_warn(call, "nothing to commit");
		op_finish(call, NULL);
	} else {
		st->count.commits++;
		commit_warn(j, call);
		commit_row(call, &j->rev);
		op_finish(call, NULL);
	}
	st_job_free(&j);
}

/* A commit without a name gets one, for its row. */
static void
commit_start(struct st *st, struct op_call *call)
{
	struct st_job *j = st_job_new(
	    st, call->who.session, commit_on_done, call);
	const char *txid = op_arg(call, "txid"), *comment;

	j->who = call->who;
	comment = op_arg(call, "comment");
	str_copy(j->rev.operator, sizeof j->rev.operator, call->who.name);
	str_copy(j->rev.source, sizeof j->rev.source, call->who.from);
	str_copy(j->rev.comment, sizeof j->rev.comment,
	    comment != NULL ? comment : "");
	if (txid != NULL)
		str_copy(j->rev.txid, sizeof j->rev.txid, txid);
	else
		rand_hex(j->rev.txid, 16);
	st_job_start(j);
}

/* An earlier commit has been carried out, or cannot be. */
static void
commit_on_forward(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;
	struct st *st = j->st;
	const char *txid = op_arg(call, "txid");
	bool same = str_equal(txid, j->rev.txid);
	struct st_revision r = j->rev;

	if (e != NULL)
		op_finish(call, e);
	else if (same)
		commit_row(call, &r);
	st_job_free(&j);
	if (e == NULL && same)
		op_finish(call, NULL);
	else if (e == NULL)
		commit_start(st, call);
}

/* A commit that was decided and is not applied everywhere goes first. */
static bool
commit_forward(struct st *st, struct op_call *call)
{
	sqlite3 *commit = stream_db(st_op_commit_stream(st));
	struct st_revision r;
	struct st_job *j;
	struct err e;

	if (st_revision_pending(commit, &r) != 0)
		return false;
	j = st_job_new(st, "", commit_on_forward, call);
	j->rev = r;
	if (st_revision_changes(commit, r.rev, &j->changes, &e) != 0) {
		st_job_free(&j);
		op_finish(call, &e);
		return true;
	}
	st_job_forward(j);
	return true;
}

/* What was decided before goes first; a txid that is known is answered. */
static void
commit_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	const char *txid = op_arg(call, "txid");
	struct st_revision r;

	if (st_op_refuse(st, call, why) || commit_forward(st, call))
		return;
	if (txid != NULL &&
	    st_revision_by_txid(stream_db(st_op_commit_stream(st)), txid, &r) ==
		0) {
		commit_row(call, &r);
		st_answer_on_ack(st, st_op_commit_stream(st), call);
		return;
	}
	commit_start(st, call);
}

static void
commit_run(struct op_call *call)
{
	st_op_enter(call, commit_work);
}

/* ---- check ----------------------------------------------------------------
 */

static void
check_on_done(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;

	call->rev = j->st->rev;
	if (e != NULL) {
		commit_fail(j, call, e);
	} else {
		commit_warn(j, call);
		op_row(call);
		op_put_int(call, "changes", (int64_t)j->changes.n);
		op_finish(call, NULL);
	}
	st_job_free(&j);
}

static void
check_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct st_job *j;

	if (st_op_refuse(st, call, why))
		return;
	j = st_job_new(st, call->who.session, check_on_done, call);
	j->who = call->who;
	j->task = ST_TASK_CHECK;
	st_job_start(j);
}

static void
check_run(struct op_call *call)
{
	st_op_enter(call, check_work);
}

/* ---- records ---------------------------------------------------------------
 */

static const struct op_field commit_args[] = {
    {.name = "comment",
	.type = &op_type_text,
	.min = 1,
	.max = 200,
	.brief = "why, for those who read the revisions"},
    {.name = "txid",
	.type = &op_type_name,
	.brief = "own name of this commit; asked again, not done again"},
    {0},
};

static const struct op_field commit_cols[] = {
    {.name = "rev", .type = &op_type_int, .brief = "the new revision"},
    {.name = "changes", .type = &op_type_int, .brief = "steps carried out"},
    {.name = "time", .type = &op_type_time, .brief = "when it was decided"},
    {.name = "txid",
	.type = &op_type_name,
	.flags = OP_DETAIL,
	.brief = "name of the commit"},
    {0},
};

const struct op st_op_commit = {
    .name = "commit",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "make the candidate run",
    .about =
	"All of it or nothing: references, required fields and names that "
	"must be unique are checked first. When somebody else has changed "
	"the same field meanwhile, the commit is refused with both values "
	"and nothing is lost; compare, set what you mean, and commit again. "
	"Answers when the change is on disk and running.",
    .example = "set domain demo.test user 104 name Dora\n"
	       "commit comment \"new colleague\"",
    .args = commit_args,
    .cols = commit_cols,
    .run = commit_run,
};

static const struct op_field check_cols[] = {
    {.name = "changes",
	.type = &op_type_int,
	.brief = "steps a commit would carry out"},
    {0},
};

const struct op st_op_check = {
    .name = "check",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "try a commit without making it",
    .about = "Answers as commit would, conflicts and failed checks too, and "
	     "changes nothing.",
    .example = "set domain demo.test user 104 name Dora\ncheck",
    .cols = check_cols,
    .run = check_run,
};
