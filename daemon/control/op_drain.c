/*
 * A server that leaves the site: request server drain, undrain, remove. What
 * is decided is quorum's; what is left there (ownerships that nobody else can
 * take yet, calls, media, call records that the store has not collected) is
 * asked of that server's processes and told to the operator. A server that is
 * up leaves only when nothing is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role_wire.h"

#define DECIDE_PATIENCE (5 * CLOCK_SEC) /* for quorum to decide */

/* What a server still has; counted from its processes' statistics. */
struct drain_left {
	int64_t calls, media, records;
	unsigned answered; /* processes that told */
};

static const struct {
	const char *role, *counter;
	size_t at; /* of its sum */
} drain_counters[] = {
    {"b2bua/", "calls", offsetof(struct drain_left, calls)},
    {"b2bua/", "cdr-waiting", offsetof(struct drain_left, records)},
    {"mg/", "sessions", offsetof(struct drain_left, media)},
};

/* ---- what quorum decides ------------------------------------------------- */

int
control_decide(struct control *c, const char *method, const char *server,
    rpc_reply_fn *fn, void *arg, struct err *e)
{
	unsigned at = 0;
	struct peer *p = role_peer_next(c->self, ROLE_QUORUM, &at);

	if (p == NULL)
		return err_set(e, ERR_NOOWNER, "quorum does not run here now");
	rpc_call(p->rpc, method, json_pack("{s:s}", "server", server),
	    DECIDE_PATIENCE, fn, arg);
	return 0;
}

static void
drain_decide(struct op_call *call, const char *method, rpc_reply_fn *fn)
{
	struct err e;

	if (control_decide(control_of(call), method, op_arg(call, "server"), fn,
		call, &e) != 0)
		op_finish(call, &e);
}

static void
drain_on_decided(void *arg, json_t *result, const struct err *e)
{
	(void)result;
	op_finish(arg, e);
}

/* ---- what is left -------------------------------------------------------- */

/* Rows of "statistics" of a process have name, those of the operation
 * counter. */
static void
drain_count(struct drain_left *l, json_t *row)
{
	const char *instance = json_string_value(
	    json_object_get(row, "instance"));
	const char *name = json_string_value(json_object_get(row, "name"));
	size_t i;

	if (name == NULL)
		name = json_string_value(json_object_get(row, "counter"));
	for (i = 0; i < sizeof drain_counters / sizeof drain_counters[0]; i++) {
		if (instance == NULL || name == NULL ||
		    !str_prefix(instance, drain_counters[i].role) ||
		    strcmp(name, drain_counters[i].counter) != 0)
			continue;
		*(int64_t *)((char *)l + drain_counters[i].at) +=
		    json_integer_value(json_object_get(row, "value"));
		l->answered++;
	}
}

/* False: somebody there did not tell, so nothing is known. */
static bool
drain_sum(struct drain_left *l, json_t *result, const struct err *e)
{
	json_t *row;
	size_t i;

	memset(l, 0, sizeof *l);
	if (e != NULL || json_array_size(json_object_get(result, "warn")) > 0)
		return false;
	json_array_foreach (json_object_get(result, "data"), i, row)
		drain_count(l, row);
	return true;
}

/* Ask the processes of the call's server; fn is called once. */
static void
drain_ask(struct op_call *call, route_fn *fn)
{
	struct control *c = control_of(call);
	const char *server = op_arg(call, "server");
	struct each_target to[2 * ROLE_INSTANCES];
	struct far *f = far_find(c, server);
	size_t n;

	if (strcmp(server, c->self->server) == 0) {
		n = control_targets(c, ROLE_B2BUA, to, ROLE_INSTANCES);
		n += control_targets(c, ROLE_MG, to + n, ROLE_INSTANCES);
		each_call(&c->eaches, "statistics", NULL, to, n, fn, call);
		return;
	}
	to[0] = (struct each_target){
	    .rpc = f != NULL ? f->rpc : NULL, .far = true};
	str_copy(to[0].name, sizeof to[0].name, server);
	each_call(&c->eaches, control_op_statistics.name,
	    call_params(&control_op_statistics, NULL, &call->who), to, 1, fn,
	    call);
}

/* The ownerships that other servers could have, joined by a space. */
static void
drain_owns(const struct self *self, const char *server, struct buf *out)
{
	struct owner o;
	unsigned at = 0, index;
	const char *where;
	enum role_id role;

	while (owner_map_next(self->owners, &at, &o)) {
		if (strchr(o.key, '@') != NULL || o.state == OWNER_DOWN ||
		    !role_full_parse(o.instance, &role, &index, &where) ||
		    !str_equal(where, server))
			continue;
		buf_fmt(out, "%s%s", out->len > 0 ? " " : "", o.key);
	}
}

static void
drain_row(struct op_call *call, const struct drain_left *l)
{
	struct buf owns = BUF_INIT;

	drain_owns(call->self, op_arg(call, "server"), &owns);
	op_row(call);
	op_put(call, "server", op_arg(call, "server"));
	if (l != NULL) {
		op_put_bool(call, "drained",
		    owns.len == 0 && l->calls == 0 && l->media == 0 &&
			l->records == 0);
		op_put_int(call, "calls", l->calls);
		op_put_int(call, "media", l->media);
		op_put_int(call, "records", l->records);
	}
	if (owns.len > 0 && !owns.failed)
		op_put(call, "owns", owns.data);
	buf_fini(&owns);
	op_finish(call, NULL);
}

/* ---- request server drain ------------------------------------------------ */

static void
drain_on_left(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct op_call *call = arg;
	struct drain_left l;
	bool known = drain_sum(&l, result, e);

	(void)data;
	if (!known)
		op_warn(call, "%s does not tell what it has",
		    op_arg(call, "server"));
	drain_row(call, known ? &l : NULL);
}

static void
drain_on_drain(void *arg, json_t *result, const struct err *e)
{
	(void)result;
	if (e != NULL)
		op_finish(arg, e);
	else
		drain_ask(arg, drain_on_left);
}

static void
drain_run(struct op_call *call)
{
	drain_decide(call, "server-drain", drain_on_drain);
}

static const struct op_field drain_args[] = {
    {.name = "server",
	.type = &op_type_name,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "name of the server"},
    {0},
};

static const struct op_field drain_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "that drains"},
    {.name = "drained",
	.type = &op_type_bool,
	.brief = "nothing is left: it may be removed"},
    {.name = "calls", .type = &op_type_int, .brief = "calls it still has"},
    {.name = "media",
	.type = &op_type_int,
	.brief = "calls whose media it still passes on"},
    {.name = "records",
	.type = &op_type_int,
	.brief = "call records the store has yet to collect"},
    {.name = "owns",
	.type = &op_type_text,
	.brief = "what it still owns, as show ownership names it"},
    {0},
};

const struct op control_op_drain = {
    .name = "request server drain",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_CONTROL,
    .brief = "move all work away from a server",
    .about = "What another server in sync can own is moved to it at once; "
	     "the rest follows when one is in sync. New calls and their "
	     "media go to other servers; those that are up stay until they "
	     "end. The answer tells what is left; ask again until drained is "
	     "yes. Phones that are registered at its gates are for you to "
	     "lead elsewhere. Lasts until request server undrain.",
    .example = "request server drain srv2",
    .args = drain_args,
    .cols = drain_cols,
    .run = drain_run,
};

/* ---- request server undrain ---------------------------------------------- */

static void
undrain_run(struct op_call *call)
{
	drain_decide(call, "server-undrain", drain_on_decided);
}

const struct op control_op_undrain = {
    .name = "request server undrain",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_CONTROL,
    .brief = "let a server work again",
    .about = "Ends request server drain. Nothing moves back by itself.",
    .example = "request server undrain srv2",
    .args = drain_args,
    .run = undrain_run,
};

/* ---- request server remove ----------------------------------------------- */

/* One that quorum does not know may be configured still. */
static void
remove_on_decided(void *arg, json_t *result, const struct err *e)
{
	struct op_call *call = arg;
	const char *server = op_arg(call, "server");

	if (e == NULL || e->code != ERR_ABSENT)
		drain_on_decided(arg, result, e);
	else
		op_failf(call, ERR_ABSENT,
		    "server %s is not of the site: there is nothing to remove; "
		    "when show servers still lists it, \"delete server %s\" and "
		    "commit",
		    server, server);
}

static void
remove_on_left(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct op_call *call = arg;
	const char *server = op_arg(call, "server");
	struct drain_left l;

	(void)data;
	if (!drain_sum(&l, result, e))
		op_failf(call, ERR_BUSY,
		    "server %s: is up and does not tell what it has", server);
	else if (l.calls + l.media + l.records != 0)
		op_failf(call, ERR_REFUSED,
		    "server %s: has %lld calls, media of %lld, and %lld call "
		    "records to be collected; drain it and wait",
		    server, (long long)l.calls, (long long)l.media,
		    (long long)l.records);
	else
		drain_decide(call, "server-remove", remove_on_decided);
}

/* One that is down has nothing that anybody could wait for. */
static void
remove_run(struct op_call *call)
{
	const struct self *self = call->self;
	struct owner o;

	owner_map_server(self->owners, op_arg(call, "server"), &o);
	if (o.apart)
		op_warn(call,
		    "server %s may be serving on its own, and would go on so: "
		    "make sure that its tandemd is stopped",
		    op_arg(call, "server"));
	if (o.state == OWNER_SERVING)
		drain_ask(call, remove_on_left);
	else
		drain_decide(call, "server-remove", remove_on_decided);
}

const struct op control_op_remove = {
    .name = "request server remove",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_CONTROL,
    .brief = "take a server out of the site",
    .about = "It votes no more, its copies count no more, the others do not "
	     "speak to it any more; stop its tandemd then. Refused while it "
	     "is up and was not drained, or has calls or call records that "
	     "the store has not collected; while it owns anything; and while "
	     "it is the only one that holds something: recover what a lost "
	     "one held. Calls that a lost one had are given up with it. To "
	     "come back it joins again. Its configuration stays, and show "
	     "servers says that it is outside, until you delete the server.",
    .example = "request server remove srv3",
    .args = drain_args,
    .run = remove_run,
};
