/*
 * What an operator may ask quorum. Each server tells of itself; an action is
 * done by the one that leads, the others have nothing to say to it.
 */
#include <stdio.h>
#include <string.h>

#include "quorum.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

static struct quorum *
quorum_op_of(const struct op_call *call)
{
	const struct self *self = call->self;

	return self->state_of_role;
}

/* ---- show quorum -------------------------------------------------------- */

static const char *const quorum_states[] = {[ENGINE_DOWN] = "down",
    [ENGINE_FOLLOWER] = "follower",
    [ENGINE_CANDIDATE] = "candidate",
    [ENGINE_LEADER] = "leader"};

static const struct op_field quorum_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "that tells"},
    {.name = "state",
	.type = &op_type_text,
	.brief = "leader, follower, candidate, down"},
    {.name = "vote",
	.type = &op_type_text,
	.brief = "voter, standby, spare, none"},
    {.name = "leader", .type = &op_type_name, .brief = "whom it follows"},
    {.name = "term", .type = &op_type_int, .brief = "counts elections"},
    {.name = "applied",
	.type = &op_type_int,
	.brief = "last decision that it knows"},
    {.name = "up", .type = &op_type_text, .brief = "servers it knows as up"},
    {.name = "down",
	.type = &op_type_text,
	.brief = "servers it knows as down"},
    {.name = "apart",
	.type = &op_type_text,
	.brief = "a server without which it decides alone"},
    {.name = "round-trip-us",
	.type = &op_type_int,
	.brief = "microseconds that its timers follow"},
    {.name = "election-ms",
	.type = &op_type_int,
	.brief = "milliseconds of silence until it acts"},
    {0},
};

static const char *
quorum_op_vote(const struct quorum *q)
{
	static const char *const words[] = {[ENGINE_STANDBY] = "standby",
	    [ENGINE_VOTER] = "voter",
	    [ENGINE_SPARE] = "spare"};
	enum engine_vote vote;
	const char *name;
	unsigned at = 0;
	uint64_t id;

	while (engine_next(q->engine, &at, &id, &name, &vote)) {
		if (id == q->id)
			return words[vote];
	}
	return "none";
}

typedef bool quorum_op_is(
    const struct ownership_machine *, const struct ownership_server *);

static bool
quorum_op_is_up(
    const struct ownership_machine *m, const struct ownership_server *s)
{
	(void)m;
	return s->up;
}

static bool
quorum_op_is_down(
    const struct ownership_machine *m, const struct ownership_server *s)
{
	(void)m;
	return !s->up;
}

/* The servers that are so, joined by a space. */
static void
quorum_op_servers(struct op_call *call, const struct quorum *q, const char *col,
    quorum_op_is *is)
{
	struct buf b = BUF_INIT;
	unsigned i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		const struct ownership_server *s = &q->machine.server[i];

		if (s->name[0] != '\0' && is(&q->machine, s))
			buf_fmt(&b, "%s%s", b.len != 0 ? " " : "", s->name);
	}
	if (b.len != 0 && !b.failed)
		op_put(call, col, b.data);
	buf_fini(&b);
}

static void
quorum_run(struct op_call *call)
{
	struct quorum *q = quorum_op_of(call);
	const char *leader = engine_leader(q->engine);

	op_row(call);
	op_put(call, "server", q->server);
	op_put(call, "state", quorum_states[engine_state(q->engine)]);
	op_put(call, "vote", quorum_op_vote(q));
	if (leader[0] != '\0')
		op_put(call, "leader", leader);
	op_put_int(call, "term", (int64_t)engine_term(q->engine));
	op_put_int(call, "applied", (int64_t)engine_applied(q->engine));
	quorum_op_servers(call, q, "up", quorum_op_is_up);
	quorum_op_servers(call, q, "down", quorum_op_is_down);
	quorum_op_servers(call, q, "apart", ownership_is_apart);
	op_put_int(call, "round-trip-us", (int64_t)q->pace.rtt);
	op_put_int(
	    call, "election-ms", (int64_t)(quorum_patience(q) / CLOCK_MS));
	if (!quorum_is_led(q, clock_mono()))
		op_warn(call,
		    "server %s hears no leader: what it says of the others "
		    "may be old",
		    q->server);
	op_finish(call, NULL);
}

static const struct op op_quorum = {
    .name = "show quorum",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_QUORUM,
    .brief = "show how the servers of the site decide together",
    .about = "One row for every server: who leads as it knows, whether it "
	     "votes, and the last decision it has applied. All rows should "
	     "name one leader and one term; a server whose decisions stay "
	     "behind does not hear the others. One, three or five servers "
	     "vote; more than half of them must hear one another, or no owner "
	     "is replaced and no member changed. A server acts on the silence "
	     "of another after ten times the longest round trip between "
	     "them, but not before 100 ms, or 500 ms without real-time "
	     "priority.",
    .example = "show quorum",
    .cols = quorum_cols,
    .run = quorum_run,
};

/* ---- actions of the leader ---------------------------------------------- */

/* False when another server does it, or nobody: the call is over then. */
static bool
quorum_op_leads(struct op_call *call, struct quorum *q)
{
	if (engine_state(q->engine) == ENGINE_LEADER)
		return true;
	if (engine_leader(q->engine)[0] != '\0')
		op_elsewhere(call);
	else
		op_failf(call, ERR_NOOWNER, "%s knows no leader", q->server);
	return false;
}

/* The row of an ownership as it was when the action was asked for. */
static void
quorum_op_key_row(
    struct op_call *call, const struct quorum *q, const struct ownership_key *k)
{
	struct owner o;
	unsigned at = 0;

	while (ownership_next(&q->machine, &at, &o)) {
		if (strcmp(o.key, k->name) != 0)
			continue;
		op_row(call);
		op_put(call, "key", o.key);
		op_put_int(call, "epoch", (int64_t)o.epoch);
		if (o.instance[0] != '\0')
			op_put(call, "owner", o.instance);
		if (o.members[0] != '\0')
			op_put(call, "members", o.members);
		return;
	}
}

/* It is done: who owns the key since. A move within a server is no move away
 * from it, which may have been meant. */
static void
quorum_op_key_done(void *arg, const struct err *e)
{
	struct op_call *call = arg;
	const struct quorum *q = quorum_op_of(call);
	const char *server = op_arg(call, "server"), *was, *at;
	struct owner o;
	unsigned next = 0;

	while (e == NULL && ownership_next(&q->machine, &next, &o)) {
		if (strcmp(o.key, op_arg(call, "key")) != 0 ||
		    o.instance[0] == '\0')
			continue;
		op_put(call, "to", o.instance);
		was = json_string_value(
		    json_object_get(json_array_get(call->rows, 0), "owner"));
		at = was != NULL ? strchr(was, '@') : NULL;
		if (at != NULL && strcmp(at + 1, server) == 0 &&
		    strcmp(was, o.instance) != 0)
			op_warn(call,
			    "%s owned %s already: it went from %s to another "
			    "instance of that server, %s",
			    server, o.key, was, o.instance);
	}
	op_finish(call, e);
}

/* An action on a key and a server. */
static void
quorum_op_key(struct op_call *call, enum ownership_type type)
{
	struct quorum *q = quorum_op_of(call);
	const struct ownership_key *k;
	struct ownership_command c = {.type = type};

	if (!quorum_op_leads(call, q))
		return;
	str_copy(c.key, sizeof c.key, op_arg(call, "key"));
	str_copy(c.server, sizeof c.server, op_arg(call, "server"));
	if ((k = ownership_key_find(&q->machine, c.key)) == NULL) {
		op_failf(call, ERR_ABSENT, "%s: there is no such key", c.key);
		return;
	}
	c.epoch = k->epoch;
	quorum_op_key_row(call, q, k);
	quorum_propose(q, &c, quorum_op_key_done, call);
}

static const struct op_field key_args[] = {
    {.name = "key",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = OWNER_KEY - 1,
	.brief = "what is owned, as show ownership names it"},
    {.name = "server",
	.type = &op_type_name,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "where it shall be owned"},
    {0},
};

static const struct op_field key_cols[] = {
    {.name = "key", .type = &op_type_text, .brief = "what is owned"},
    {.name = "epoch", .type = &op_type_int, .brief = "epoch until now"},
    {.name = "owner",
	.type = &op_type_instance,
	.brief = "instance that owned it until now"},
    {.name = "to",
	.type = &op_type_instance,
	.brief = "instance that owns it since"},
    {.name = "members",
	.type = &op_type_text,
	.brief = "servers that held all of it until now"},
    {0},
};

static void
move_run(struct op_call *call)
{
	quorum_op_key(call, OWNERSHIP_MOVE);
}

static const struct op op_move = {
    .name = "request ownership move",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_EACH,
    .role = ROLE_QUORUM,
    .brief = "give an ownership to another server",
    .about = "The new owner must be in sync, which it is when show ownership "
	     "lists its server as a member, and ready. Nothing is lost; "
	     "requests wait for the new owner for a moment. Given the server "
	     "that owns it already, it goes to another instance of that "
	     "server, and the answer says so.",
    .example = "request ownership move sr srv2",
    .args = key_args,
    .cols = key_cols,
    .run = move_run,
};

static void
recover_run(struct op_call *call)
{
	quorum_op_key(call, OWNERSHIP_RECOVER);
}

static const struct op op_recover = {
    .name = "request ownership recover",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_EACH,
    .role = ROLE_QUORUM,
    .brief = "give an ownership to a server that may lack data",
    .about = "Only when every server that the answer names as a member is "
	     "lost for good or has lost its disk: they alone hold everything "
	     "that was ever answered. The server given goes on with what it "
	     "has; what it lacks is lost. Refused while a member is up.",
    .example = "request ownership recover sr srv2",
    .args = key_args,
    .cols = key_cols,
    .run = recover_run,
};

const struct op *const quorum_ops[] = {
    &op_quorum, &switch_op, &op_move, &op_recover, NULL};
