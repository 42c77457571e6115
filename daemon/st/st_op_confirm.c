/*
 * Operations on commits that await confirmation: confirm lets one stay, undo
 * takes it back at once.
 */
#include <stdio.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/str.h"

/* ---- which one ------------------------------------------------------------
 */

struct confirm_find {
	const char *whose;
	struct st_confirm found;
	unsigned n;
};

static int
confirm_look(void *arg, const struct st_confirm *c)
{
	struct confirm_find *f = arg;

	if (strcmp(f->whose, c->operator) != 0)
		return 0;
	if (f->n++ == 0)
		f->found = *c;
	return 0;
}

/* To let it stay, or to take it back, is to make its changes. */
static int
confirm_may(struct op_call *call, sqlite3 *commit, int64_t rev, struct err *e)
{
	struct st_changes c;
	int r;

	r = st_right_sees(st_of(call)->cfg.objs, &call->who, commit, rev);
	if (r <= 0)
		return r < 0 ? st_sql_unread(r, e) : -ERR_ABSENT;
	st_changes_init(&c);
	r = st_revision_changes(commit, rev, &c, e);
	if (r == 0)
		r = st_right_changes(st_of(call)->cfg.objs, &call->who, &c, e);
	st_changes_fini(&c);
	return r;
}

/* The revision named; else the only one of the operator's own. */
static int
confirm_which(
    struct op_call *call, sqlite3 *commit, struct st_confirm *c, struct err *e)
{
	int64_t rev = op_arg_int(call, "rev", 0);
	struct confirm_find f = {.whose = call->who.name};
	int r;

	if (rev != 0) {
		r = st_confirm_get(commit, rev, c);
		if (r != 0 && r != -ERR_ABSENT)
			return st_sql_unread(r, e);
		if (r == 0)
			r = confirm_may(call, commit, rev, e);
		return r != -ERR_ABSENT ? r
					: err_set(e, ERR_ABSENT,
					      "revision %lld awaits no "
					      "confirmation",
					      (long long)rev);
	}
	if ((r = st_confirm_each(commit, confirm_look, &f, e)) != 0)
		return r;
	*c = f.found;
	if (f.n == 0)
		return err_set(
		    e, ERR_ABSENT, "no commit of yours awaits confirmation");
	if (f.n > 1)
		return err_set(e, ERR_REFUSED,
		    "%u commits of yours await confirmation: say which "
		    "revision, show revisions has them",
		    f.n);
	return 0;
}

/* ---- confirm --------------------------------------------------------------
 */

static void
confirm_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct stream *commit;
	struct st_confirm c;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	commit = st_op_commit_stream(st);
	call->rev = st->rev;
	if (confirm_which(call, stream_db(commit), &c, &e) != 0 ||
	    stream_join(commit, &e) != 0 ||
	    st_confirm_end(stream_db(commit), c.rev, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	op_row(call);
	op_put_int(call, "rev", c.rev);
	st_clock_look(st);
	st_answer_on_ack(st, commit, call);
}

static void
confirm_run(struct op_call *call)
{
	st_op_enter(call, confirm_work);
}

/* ---- undo -----------------------------------------------------------------
 */

static void
undo_on_done(void *arg, struct st_job *j, const struct err *e)
{
	struct op_call *call = arg;
	struct st *st = j->st;

	call->rev = st->rev;
	if (e == NULL) {
		op_row(call);
		op_put_int(call, "rev", j->undoes);
		if (j->changes.n > 0)
			op_put_int(call, "by", j->rev.rev);
	} else if (json_array_size(j->told) > 0) {
		call->err_data = json_pack("{s:O}", "rows", j->told);
	}
	op_finish(call, e);
	st_clock_look(st);
}

static void
undo_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct st_revision as = {0};
	struct st_confirm c;
	struct err e;
	int r;

	if (st_op_refuse(st, call, why))
		return;
	r = st_revision_pending(stream_db(st_op_commit_stream(st)), &as);
	if (r != -ERR_ABSENT) {
		if (r == 0)
			err_set(&e, ERR_BUSY, "revision %lld is not finished",
			    (long long)as.rev);
		else
			st_sql_unread(r, &e);
		op_finish(call, &e);
		return;
	}
	if (confirm_which(call, stream_db(st_op_commit_stream(st)), &c, &e) !=
		0 ||
	    st_exclusive_check(st, call->who.session, &call->who, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	str_copy(as.operator, sizeof as.operator, call->who.name);
	str_copy(as.source, sizeof as.source, call->who.from);
	snprintf(as.comment, sizeof as.comment, "undo of revision %lld",
	    (long long)c.rev);
	st_undo(st, c.rev, &as, undo_on_done, call);
}

static void
undo_run(struct op_call *call)
{
	st_op_enter(call, undo_work);
}

/* ---- records ---------------------------------------------------------------
 */

static const struct op_field confirm_args[] = {
    {.name = "rev",
	.type = &op_type_int,
	.flags = OP_KEY,
	.min = 1,
	.max = INT32_MAX,
	.brief = "which revision; none: the one that is yours"},
    {0},
};

static const struct op_field confirm_cols[] = {
    {.name = "rev", .type = &op_type_int, .brief = "the revision that stays"},
    {0},
};

const struct op st_op_confirm = {
    .name = "confirm",
    .kind = OP_ACTION,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "let a commit stay that would be undone",
    .about = "Ends the wait of commit confirmed. Without a revision it is the "
	     "only one of your own that waits.",
    .example = "set domain demo.test user 104 name Dora\n"
	       "commit confirmed 5\n"
	       "confirm",
    .args = confirm_args,
    .cols = confirm_cols,
    .run = confirm_run,
};

static const struct op_field undo_cols[] = {
    {.name = "rev",
	.type = &op_type_int,
	.brief = "the revision that is undone"},
    {.name = "by",
	.type = &op_type_int,
	.brief = "the revision that undid it; none: nothing was left to do"},
    {0},
};

const struct op st_op_undo = {
    .name = "undo",
    .kind = OP_ACTION,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "take back a commit that awaits confirmation",
    .about = "What commit confirmed does when its time is over, now. Only its "
	     "own changes are taken back. Refused, like any commit, when a "
	     "check fails: something else refers to what would go.",
    .example = "set domain demo.test user 104 name Dora\n"
	       "commit confirmed 5\n"
	       "undo",
    .args = confirm_args,
    .cols = undo_cols,
    .run = undo_run,
};
