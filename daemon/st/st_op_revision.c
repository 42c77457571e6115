/* Operations on what was committed: show revisions, show changes, rollback. */
#include <string.h>

#include "st_op.h"
#include "daemon/base/str.h"

static int
revision_row(void *arg, const struct st_revision *r)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct st_confirm c;
	int got;

	/* what lies elsewhere does not count */
	got = st_right_sees(st->cfg.objs, &call->who,
	    stream_db(st_op_commit_stream(st)), r->rev);
	if (got <= 0)
		return got;
	if ((int64_t)json_array_size(call->rows) >=
	    op_arg_int(call, "last", 20))
		return 1;
	op_row(call);
	op_put_int(call, "rev", r->rev);
	op_put_time(call, "time", r->time);
	op_put(call, "operator", r->operator);
	op_put(call, "from", r->source);
	op_put_int(call, "changes", r->changes);
	op_put(call, "comment", r->comment[0] != '\0' ? r->comment : NULL);
	op_put_bool(call, "applied", r->applied);
	got = st_confirm_get(
	    stream_db(st_op_commit_stream(st_of(call))), r->rev, &c);
	if (got == 0)
		op_put_time(call, "until", c.until);
	return got == -ERR_ABSENT ? 0 : got;
}

/* Answered when what was read is acknowledged, as every answer from here. */
static void
revisions_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct err e;
	int r;

	if (st_op_refuse(st, call, why))
		return;
	call->rev = st->rev;
	r = st_revision_each(stream_db(st_op_commit_stream(st)),
	    op_is_limited(&call->who) ? ST_REVISIONS
				      : op_arg_int(call, "last", 20),
	    revision_row, call, &e);
	if (r < 0)
		st_sql_unread(r, &e);
	if (r < 0)
		op_finish(call, &e);
	else
		st_answer_on_ack(st, st_op_commit_stream(st), call);
}

static void
revisions_run(struct op_call *call)
{
	st_op_enter(call, revisions_work);
}

static void
changes_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	sqlite3 *commit;
	struct st_changes c;
	struct st_revision v;
	struct err e;
	size_t i;
	int r;

	if (st_op_refuse(st, call, why))
		return;
	commit = stream_db(st_op_commit_stream(st));
	call->rev = st->rev;
	st_changes_init(&c);
	r = st_revision_get(commit, op_arg_int(call, "rev", 0), &v, &e);
	if (r == 0 &&
	    (r = st_right_sees(st->cfg.objs, &call->who, commit, v.rev)) <= 0)
		r = r < 0 ? st_sql_unread(r, &e)
			  : err_set(&e, ERR_ABSENT, "there is no revision %lld",
				(long long)v.rev);
	if (r == 1)
		r = 0;
	if (r == 0)
		r = st_revision_changes(commit, v.rev, &c, &e);
	for (i = 0; r == 0 && i < c.n; i++)
		st_op_put_change(call, &c.list[i]);
	st_changes_fini(&c);
	if (r != 0)
		op_finish(call, &e);
	else
		st_answer_on_ack(st, st_op_commit_stream(st), call);
}

static void
changes_run(struct op_call *call)
{
	st_op_enter(call, changes_work);
}

static const struct op_field revisions_args[] = {
    {.name = "last",
	.type = &op_type_int,
	.min = 1,
	.max = ST_REVISIONS,
	.def = "20",
	.brief = "how many, the youngest first"},
    {0},
};

static const struct op_field revisions_cols[] = {
    {.name = "rev", .type = &op_type_int, .brief = "number of the revision"},
    {.name = "time", .type = &op_type_time, .brief = "when it was decided"},
    {.name = "operator", .type = &op_type_text, .brief = "who committed it"},
    {.name = "from", .type = &op_type_text, .brief = "from where"},
    {.name = "changes", .type = &op_type_int, .brief = "steps it has"},
    {.name = "comment", .type = &op_type_text, .brief = "why"},
    {.name = "until",
	.type = &op_type_time,
	.brief = "is undone then, unless confirmed"},
    {.name = "applied",
	.type = &op_type_bool,
	.flags = OP_DETAIL,
	.brief = "carried out in every stream"},
    {0},
};

const struct op st_op_revisions = {
    .name = "show revisions",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "what was committed, by whom and why",
    .about = "The youngest first; the last 500 are kept. Operator system "
	     "wrote what the boot file says of a server. Who has a part of "
	     "the tree of domains sees what lies wholly within it.",
    .example = "show revisions last 3",
    .args = revisions_args,
    .cols = revisions_cols,
    .run = revisions_run,
    .live = true,
};

static const struct op_field changes_args[] = {
    {.name = "rev",
	.type = &op_type_int,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = INT32_MAX,
	.brief = "number of the revision"},
    {0},
};

static const struct op_field changes_cols[] = {
    {.name = "change",
	.type = &op_type_choice,
	.choices = st_change_words,
	.brief = "made, changed or deleted"},
    {.name = "path", .type = &op_type_path, .brief = "the object"},
    {.name = "field",
	.type = &op_type_name,
	.brief = "its field; none: the object itself"},
    {.name = "old", .type = &op_type_text, .brief = "the value before"},
    {.name = "new", .type = &op_type_text, .brief = "the value after"},
    {0},
};

const struct op st_op_changes = {
    .name = "show changes",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_SELF,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "what a revision changed",
    .about = "Step by step, with the values before and after. Secrets are "
	     "masked. The deletion of a domain is one step: its own data is "
	     "kept aside.",
    .example = "show changes 1",
    .args = changes_args,
    .cols = changes_cols,
    .run = changes_run,
};
