/* The operation that makes a candidate of the way back (st_rollback.c). */
#include "st_op.h"

static void
rollback_on_filled(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);

	if (why != NULL) {
		op_finish(call, why);
	} else {
		call->rev = st->rev;
		st_answer_on_ack(st, st_op_commit_stream(st), call);
	}
	st_gate_open(st);
}

/* Only an empty candidate can become a way back; and the history must reach
 * that far. */
static int
rollback_admit(
    struct st *st, const struct op_call *call, int64_t rev, struct err *e)
{
	struct st_revision v;
	int r = st_op_candidate_empty(st, call, e);

	if (r == 0)
		r = st_revision_get(
		    st->view.db((void *)st, "commit"), rev, &v, e);
	return r;
}

/* Others wait until the candidate is whole. */
static void
rollback_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	if (rollback_admit(st, call, op_arg_int(call, "rev", 0), &e) != 0 ||
	    st_op_keep(st, call, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	st_gate_shut(st);
	st_rollback(st, call->who.session, op_arg_int(call, "rev", 0),
	    INT64_MAX, rollback_on_filled, call);
}

static void
rollback_run(struct op_call *call)
{
	st_op_enter(call, rollback_work);
}

static const struct op_field rollback_args[] = {
    {.name = "rev",
	.type = &op_type_int,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = INT32_MAX,
	.brief = "the revision to go back to"},
    {0},
};

const struct op st_op_rollback = {
    .name = "rollback",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "a candidate that undoes later revisions",
    .about =
	"Fills the candidate, which must be empty, with what leads back to "
	"the configuration as it was after that revision; look at it with "
	"compare, then commit or discard it. Passwords return as they were. "
	"Call records and registrations are not configuration and stay.",
    .example = "rollback 1\ncompare\ndiscard",
    .args = rollback_args,
    .run = rollback_run,
};
