/*
 * What an operator may ask about databases that were given up when two servers
 * that had parted met again.
 */
#include <string.h>

#include "replicator.h"
#include "daemon/base/str.h"
#include "replication/conflict.h"

/* ---- show conflicts ----------------------------------------------------- */

static const struct op_field conflicts_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "that has it"},
    {.name = "conflict", .type = &op_type_text, .brief = "its name"},
    {.name = "since",
	.type = &op_type_time,
	.brief = "when that server yielded"},
    {.name = "base",
	.type = &op_type_int,
	.brief = "last record that the site has too; 0 = not known"},
    {.name = "lsn", .type = &op_type_int, .brief = "last record in it"},
    {.name = "epoch",
	.type = &op_type_int,
	.brief = "ownership under which it was written"},
    {.name = "state",
	.type = &op_type_text,
	.brief = "kept, or noted: its database is still in use"},
    {0},
};

static int
conflicts_row(void *arg, const struct conflict *c)
{
	struct op_call *call = arg;
	const struct self *self = call->self;
	char name[CONFLICT_NAME];

	conflict_name(c, name);
	op_row(call);
	op_put(call, "server", self->server);
	op_put(call, "conflict", name);
	op_put_time(call, "since", c->time);
	op_put_int(call, "base", (int64_t)c->base);
	op_put_int(call, "lsn", (int64_t)c->lsn);
	op_put_int(call, "epoch", (int64_t)c->epoch);
	op_put(call, "state", c->kept ? "kept" : "noted");
	return 0;
}

static const char *
conflict_root(const struct op_call *call)
{
	const struct self *self = call->self;

	return self->root;
}

static void
conflicts_run(struct op_call *call)
{
	struct err e;
	int r = conflict_each(conflict_root(call), conflicts_row, call, &e);

	op_finish(call, r != 0 ? &e : NULL);
}

const struct op conflict_op_show = {
    .name = "show conflicts",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_REPLICATOR,
    .brief = "list what was acknowledged and then given up",
    .about =
	"Each row is a database as it was on a server that had more than "
	"the owner: one of two that prefer availability, which went on "
	"alone and then yielded to the other one; or a follower of an "
	"owner that has lost what it had acknowledged, because its disk "
	"was put back to an older state or an operator made it the owner "
	"by force. What it holds behind its base is nowhere else. Look at it "
	"with show conflict, do again what should stay, then remove it with "
	"request conflict drop.",
    .example = "show conflicts",
    .cols = conflicts_cols,
    .run = conflicts_run,
};

/* ---- request conflict drop ---------------------------------------------- */

static const struct op_field drop_args[] = {
    {.name = "server",
	.type = &op_type_name,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "that has it"},
    {.name = "conflict",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = CONFLICT_NAME - 1,
	.brief = "its name, as show conflicts tells it"},
    {0},
};

static void
drop_run(struct op_call *call)
{
	const struct self *self = call->self;
	struct conflict c;
	struct err e;

	if (strcmp(op_arg(call, "server"), self->server) != 0)
		op_elsewhere(call);
	else if (!conflict_parse(&c, op_arg(call, "conflict")))
		op_failf(call, ERR_INVALID,
		    "%s: expected a name as in show conflicts",
		    op_arg(call, "conflict"));
	else if (conflict_drop(conflict_root(call), &c, &e) != 0)
		op_finish(call, &e);
	else
		op_finish(call, NULL);
}

const struct op conflict_op_drop = {
    .name = "request conflict drop",
    .kind = OP_ACTION,
    .access = OP_ADMIN,
    .where = OP_EACH,
    .role = ROLE_REPLICATOR,
    .brief = "remove what was given up, after it was looked at",
    .about = "What only that database holds is lost for good.",
    .example = "request conflict drop srv1 domain/root~1",
    .args = drop_args,
    .run = drop_run,
};
