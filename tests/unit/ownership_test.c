/* The ownership machine: what each command does, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replication/ownership.h"
#include "tests/lib/fault.h"

static struct ownership_machine m;
static struct err e;

/* Apply; the laws hold after every command, refused ones change nothing. */
static int
apply(const struct ownership_command *c)
{
	struct buf before = BUF_INIT, after = BUF_INIT;
	int r;

	ownership_save(&m, &before);
	r = ownership_apply(&m, c, &e);
	assert_null(ownership_check(&m));
	if (r != 0) {
		ownership_save(&m, &after);
		assert_int_equal(before.len, after.len);
		assert_memory_equal(before.data, after.data, before.len);
		assert_int_equal(-r, e.code);
	}
	buf_fini(&before);
	buf_fini(&after);
	return r;
}

static int
put(const char *server, uint64_t id, bool witness)
{
	struct ownership_command c = {
	    .type = OWNERSHIP_SERVER_PUT, .id = id, .flags = witness};

	snprintf(c.server, sizeof c.server, "%s", server);
	addr_parse(&c.inside, "10.0.0.1", (uint16_t)(7000 + id));
	return apply(&c);
}

/* A command that names a server in its present life. */
static int
of_server(enum ownership_type type, const char *server)
{
	struct ownership_command c = {.type = type};

	snprintf(c.server, sizeof c.server, "%s", server);
	c.life = ownership_server_find(&m, server)->life;
	return apply(&c);
}

static int
ready(const char *server, const char *role, uint64_t one, uint64_t two)
{
	const struct ownership_server *s = ownership_server_find(&m, server);
	struct ownership_command c = {.type = OWNERSHIP_INSTANCES,
	    .life = s->life,
	    .report = s->report,
	    .since = {one, two}};

	snprintf(c.server, sizeof c.server, "%s", server);
	snprintf(c.role, sizeof c.role, "%s", role);
	return apply(&c);
}

static const struct ownership_key *
key(const char *name)
{
	return ownership_key_find(&m, name);
}

/* A command about a key at its present epoch and turn. */
static int
of_key(enum ownership_type type, const char *name, const char *server)
{
	struct ownership_command c = {
	    .type = type, .epoch = key(name)->epoch, .turn = key(name)->turn};

	snprintf(c.key, sizeof c.key, "%s", name);
	snprintf(c.server, sizeof c.server, "%s", server);
	return apply(&c);
}

static struct owner
entry(const char *name)
{
	struct owner o;
	unsigned at = 0;

	while (ownership_next(&m, &at, &o)) {
		if (strcmp(o.key, name) == 0)
			return o;
	}
	memset(&o, 0, sizeof o);
	return o;
}

/* Three servers, each with two SR; the first owns, all are members. */
static int
site(void **state)
{
	static const char *const name[] = {"srv1", "srv2", "srv3"};
	uint64_t i;

	(void)state;
	ownership_init(&m);
	for (i = 0; i < 3; i++) {
		assert_int_equal(put(name[i], i + 1, false), 0);
		assert_int_equal(of_server(OWNERSHIP_SERVER_UP, name[i]), 0);
		assert_int_equal(ready(name[i], "sr", 10 + i, 20 + i), 0);
	}
	assert_int_equal(of_key(OWNERSHIP_SERVING, "sr", ""), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv2"), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv3"), 0);
	return 0;
}

/* The first ready instance of a new site owns; it is the only member. */
static void
the_first_ready_instance_owns(void **state)
{
	struct owner o;

	(void)state;
	ownership_init(&m);
	assert_int_equal(entry("sr").state, OWNER_DOWN);
	assert_int_equal(put("srv1", 1, false), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv1"), 0);
	assert_int_equal(ready("srv1", "sr", 0, 5), 0);
	o = entry("sr");
	assert_int_equal(o.state, OWNER_CLAIMING);
	assert_string_equal(o.instance, "sr/2@srv1");
	assert_string_equal(o.members, "srv1");
	assert_int_equal(o.epoch, 1);
	assert_int_equal(of_key(OWNERSHIP_SERVING, "sr", ""), 0);
	assert_int_equal(entry("sr").state, OWNER_SERVING);
	assert_int_equal(entry("sr/2@srv1").state, OWNER_SERVING);
	assert_int_equal(entry("server/srv1").state, OWNER_SERVING);
	assert_int_equal(entry("st").state, OWNER_DOWN);
}

/* A dead process is followed by one of its own server, under a higher epoch;
 * one that died and is back before anybody saw it has lost its ownership. */
static void
a_dead_process_is_followed_on_its_server(void **state)
{
	uint64_t epoch = key("sr")->epoch;

	(void)state;
	assert_string_equal(entry("sr").instance, "sr/1@srv1");
	assert_int_equal(ready("srv1", "sr", 0, 20), 0);
	assert_string_equal(entry("sr").instance, "sr/2@srv1");
	assert_int_equal(key("sr")->epoch, epoch + 1);
	assert_int_equal(ready("srv1", "sr", 0, 21), 0);
	assert_string_equal(entry("sr").instance, "sr/2@srv1");
	assert_int_equal(key("sr")->epoch, epoch + 2);
	assert_int_equal(key("sr")->state, OWNER_CLAIMING);
	assert_int_equal(ready("srv1", "sr", 0, 0), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv2");
	assert_string_equal(entry("sr").members, "srv1 srv2 srv3");
	assert_int_equal(entry("sr/2@srv1").state, OWNER_DOWN);
}

/* A dead server leaves the members and its keys move, in one command; the
 * last member never leaves, and owns again when it is back. */
static void
a_dead_server_is_followed_by_members_only(void **state)
{
	uint64_t epoch = key("sr")->epoch;

	(void)state;
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv2"), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv1"), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv3");
	assert_string_equal(entry("sr").members, "srv3");
	assert_true(key("sr")->epoch > epoch);
	epoch = key("sr")->epoch;
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv3"), 0);
	assert_string_equal(entry("sr").members, "srv3");
	assert_string_equal(entry("sr").instance, "");
	assert_int_equal(ready("srv2", "sr", 90, 0), 0);
	assert_int_equal(entry("sr").state, OWNER_DOWN);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv3"), 0);
	assert_int_equal(entry("sr").state, OWNER_DOWN);
	assert_int_equal(ready("srv3", "sr", 91, 0), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv3");
	assert_true(key("sr")->epoch > epoch);
}

/* What was decided about an earlier life, report, epoch or turn is refused. */
static void
stale_commands_are_refused(void **state)
{
	struct ownership_command down = {
	    .type = OWNERSHIP_SERVER_DOWN, .server = "srv2", .life = 1};
	struct ownership_command report = {.type = OWNERSHIP_INSTANCES,
	    .server = "srv2",
	    .role = "sr",
	    .life = 1};
	struct ownership_command add = {.type = OWNERSHIP_MEMBER_ADD,
	    .key = "sr",
	    .server = "srv2",
	    .epoch = key("sr")->epoch,
	    .turn = key("sr")->turn};
	struct ownership_command serve = {
	    .type = OWNERSHIP_SERVING, .key = "sr", .epoch = key("sr")->epoch};

	(void)state;
	assert_int_equal(apply(&down), 0);
	assert_int_equal(apply(&down), -ERR_CONFLICT);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv2"), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv2"), -ERR_CONFLICT);
	assert_int_equal(apply(&down), -ERR_CONFLICT);
	assert_int_equal(apply(&report), -ERR_CONFLICT);
	assert_int_equal(ready("srv2", "sr", 50, 0), 0);
	/* srv2 was removed since: the turn is another. */
	assert_int_equal(apply(&add), -ERR_CONFLICT);
	/* A removal that changes nothing ends what was proposed before it. */
	add.turn = key("sr")->turn;
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv2"), 0);
	assert_int_equal(apply(&add), -ERR_CONFLICT);
	add.turn = key("sr")->turn;
	assert_int_equal(apply(&add), 0);
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv2"), 0);
	assert_int_equal(apply(&serve), -ERR_CONFLICT);
}

/* Members are servers that could own: up, with a ready instance, no witness;
 * the owner's is never removed; seven at most. */
static void
members_are_those_who_could_own(void **state)
{
	char name[16];
	unsigned i;

	(void)state;
	assert_int_equal(put("wit", 9, true), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "wit"), 0);
	assert_int_equal(ready("wit", "sr", 1, 0), -ERR_REFUSED);
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_ADD, "sr", "wit"), -ERR_REFUSED);
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv1"), -ERR_REFUSED);
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_ADD, "st", "srv1"), -ERR_NOOWNER);
	assert_int_equal(ready("srv2", "sr", 0, 0), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv2"), 0);
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv2"), -ERR_REFUSED);
	/* One that left the site is none: asked for in the midst of it. */
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_ADD, "sr", "gone"), -ERR_ABSENT);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "gone"), 0);
	for (i = 20; i < 26; i++) {
		snprintf(name, sizeof name, "srv%u", i);
		assert_int_equal(put(name, i, false), 0);
		assert_int_equal(of_server(OWNERSHIP_SERVER_UP, name), 0);
		assert_int_equal(ready(name, "sr", i, 0), 0);
		assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", name),
		    i < 25 ? 0 : -ERR_FULL);
	}
}

/* A planned move goes to a ready member only; a drained server gives away
 * what another member can own, and takes nothing while it drains. */
static void
planned_moves_and_drains(void **state)
{
	(void)state;
	/* The old owner's server has to undo what it wrote meanwhile: it is no
	 * member until it has, where two others are left. */
	assert_string_equal(entry("sr").instance, "sr/1@srv1");
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv2"), 0);
	assert_string_equal(entry("sr").members, "srv2 srv3");
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv3"), 0);
	assert_string_equal(entry("sr").members, "srv2 srv3");
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv1"), 0);
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv1"), 0);
	assert_string_equal(entry("sr").members, "srv1 srv2");
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv3"), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv3"), 0);
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv3"), -ERR_REFUSED);
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv2"), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv2");
	assert_int_equal(of_server(OWNERSHIP_DRAIN, "srv2"), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv1");
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv2"), -ERR_REFUSED);
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv1"), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv2");
	assert_int_equal(of_server(OWNERSHIP_UNDRAIN, "srv2"), 0);
	/* One that becomes a member takes over from one that drains. */
	assert_int_equal(of_server(OWNERSHIP_DRAIN, "srv2"), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv3"), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv3");
}

/* The calls of a B2BUA instance are owned by it alone, from its start on. */
static void
calls_belong_to_their_instance(void **state)
{
	uint64_t epoch;

	(void)state;
	assert_null(key("calls/b2bua-1@srv2"));
	assert_int_equal(ready("srv2", "b2bua", 7, 0), 0);
	assert_string_equal(
	    entry("calls/b2bua-1@srv2").instance, "b2bua/1@srv2");
	assert_string_equal(entry("calls/b2bua-1@srv2").members, "srv2");
	epoch = key("calls/b2bua-1@srv2")->epoch;
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_ADD, "calls/b2bua-1@srv2", "srv1"),
	    -ERR_REFUSED);
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv2"), 0);
	assert_int_equal(entry("calls/b2bua-1@srv2").state, OWNER_DOWN);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv2"), 0);
	assert_int_equal(ready("srv2", "b2bua", 8, 0), 0);
	assert_true(key("calls/b2bua-1@srv2")->epoch > epoch);
	assert_int_equal(
	    of_server(OWNERSHIP_SERVER_REMOVE, "srv2"), -ERR_REFUSED);
	assert_int_equal(of_server(OWNERSHIP_DRAIN, "srv2"), 0);
	assert_true(entry("calls/b2bua-1@srv2").drain);
	assert_true(entry("b2bua/1@srv2").drain);
	assert_true(entry("server/srv2").drain);
	assert_false(entry("server/srv1").drain);
	assert_int_equal(of_server(OWNERSHIP_SERVER_REMOVE, "srv2"), 0);
	assert_null(key("calls/b2bua-1@srv2"));
}

/* Epochs begin above what a ship log has seen. */
static void
epochs_begin_above_the_ship_logs(void **state)
{
	struct ownership_command c = {.type = OWNERSHIP_INSTANCES,
	    .server = "srv1",
	    .role = "st",
	    .floor = 1000,
	    .since = {5}};

	(void)state;
	c.life = ownership_server_find(&m, "srv1")->life;
	c.report = ownership_server_find(&m, "srv1")->report;
	assert_int_equal(apply(&c), 0);
	assert_int_equal(key("st")->epoch, 1001);
}

/* A server with a new ship log holds nothing: it is no member any more, and
 * what only it held waits for a forced recovery. */
static void
a_new_ship_log_holds_nothing(void **state)
{
	struct ownership_command c = {.type = OWNERSHIP_INSTANCES,
	    .server = "srv1",
	    .role = "sr",
	    .log = 77,
	    .since = {10, 20}};

	(void)state;
	c.life = ownership_server_find(&m, "srv1")->life;
	c.report = ownership_server_find(&m, "srv1")->report;
	assert_int_equal(apply(&c), 0);
	c.log = 78;
	c.report++;
	assert_int_equal(apply(&c), 0);
	assert_string_equal(entry("sr").members, "srv2 srv3");
	assert_string_equal(entry("sr").instance, "sr/1@srv2");
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv1"), 0);
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "srv1"), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv2"), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv3"), 0);
	assert_int_equal(of_key(OWNERSHIP_RECOVER, "sr", "srv2"), -ERR_REFUSED);
	c.log = 79;
	c.report++;
	assert_int_equal(apply(&c), 0);
	assert_int_equal(entry("sr").state, OWNER_DOWN);
	assert_int_equal(of_key(OWNERSHIP_RECOVER, "sr", "srv2"), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv2");
	assert_string_equal(entry("sr").members, "srv2");
}

/* What only a dead server holds is given to another by force only. */
static void
recovery_is_forced(void **state)
{
	(void)state;
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv2"), 0);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_REMOVE, "sr", "srv3"), 0);
	assert_int_equal(
	    of_server(OWNERSHIP_SERVER_REMOVE, "srv1"), -ERR_REFUSED);
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv1"), 0);
	assert_int_equal(
	    of_server(OWNERSHIP_SERVER_REMOVE, "srv1"), -ERR_REFUSED);
	assert_int_equal(of_key(OWNERSHIP_RECOVER, "sr", "srv2"), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv2");
	assert_int_equal(of_server(OWNERSHIP_SERVER_REMOVE, "srv1"), 0);
	assert_null(ownership_server_find(&m, "srv1"));
}

/* A server's id in the raft group never changes, its address may. */
static void
servers_keep_their_id(void **state)
{
	(void)state;
	assert_int_equal(put("srv4", 0, false), 0);
	assert_int_equal(put("srv4", 4, false), 0);
	assert_int_equal(put("srv4", 0, false), 0);
	assert_int_equal(ownership_server_find(&m, "srv4")->id, 4);
	assert_int_equal(put("srv4", 5, false), -ERR_CONFLICT);
	assert_int_equal(put("srv5", 4, false), -ERR_CONFLICT);
}

/* What a server does that runs a role no more: first another one owns, then it
 * is no member; one that holds all alone stays. */
static void
a_server_leaves_by_steps(void **state)
{
	struct ownership_command c;

	(void)state;
	assert_false(ownership_leave(&m, "srv1", "st", &c));
	assert_false(ownership_leave(&m, "srv1", "mg", &c));
	assert_false(ownership_leave(&m, "srv9", "sr", &c));
	assert_true(ownership_leave(&m, "srv1", "sr", &c));
	assert_int_equal(c.type, OWNERSHIP_MOVE);
	assert_string_equal(c.server, "srv2");
	assert_int_equal(apply(&c), 0);
	assert_string_equal(entry("sr").instance, "sr/1@srv2");
	assert_string_equal(entry("sr").members, "srv2 srv3");
	assert_false(ownership_leave(&m, "srv1", "sr", &c));
	assert_true(ownership_leave(&m, "srv3", "sr", &c));
	assert_int_equal(c.type, OWNERSHIP_MEMBER_REMOVE);
	assert_int_equal(apply(&c), 0);
	assert_int_equal(ready("srv3", "sr", 0, 0), 0);
	/* The last one, while nobody else is in sync; then the next is. */
	assert_false(ownership_leave(&m, "srv2", "sr", &c));
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv3"), -ERR_REFUSED);
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv1"), 0);
	assert_true(ownership_leave(&m, "srv2", "sr", &c));
	assert_int_equal(apply(&c), 0);
	assert_true(ownership_leave(&m, "srv2", "sr", &c));
	assert_int_equal(apply(&c), 0);
	assert_string_equal(entry("sr").members, "srv1");
	assert_string_equal(entry("sr").instance, "sr/1@srv1");
	/* Nothing moves to where it would not stay. */
	assert_int_equal(of_key(OWNERSHIP_MEMBER_ADD, "sr", "srv2"), 0);
	assert_int_equal(of_server(OWNERSHIP_DRAIN, "srv2"), 0);
	assert_false(ownership_leave(&m, "srv1", "sr", &c));
}

/* A witness runs nothing, is a member of nothing, and stays one; no other
 * server becomes one. */
static void
a_witness_holds_nothing(void **state)
{
	(void)state;
	assert_int_equal(put("wit", 9, true), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "wit"), 0);
	assert_true(entry("server/wit").witness);
	assert_false(entry("server/srv1").witness);
	assert_int_equal(ready("wit", "sr", 10, 0), -ERR_REFUSED);
	assert_int_equal(
	    of_key(OWNERSHIP_MEMBER_ADD, "sr", "wit"), -ERR_REFUSED);
	assert_int_equal(of_key(OWNERSHIP_MOVE, "sr", "wit"), -ERR_REFUSED);
	assert_int_equal(put("wit", 0, false), -ERR_CONFLICT);
	assert_int_equal(put("srv1", 1, true), -ERR_CONFLICT);
	assert_int_equal(put("wit", 9, true), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv1"), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv2"), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv3"), 0);
	assert_string_equal(entry("sr").instance, "");
	assert_int_equal(of_key(OWNERSHIP_RECOVER, "sr", "wit"), -ERR_REFUSED);
	assert_int_equal(of_server(OWNERSHIP_DRAIN, "wit"), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_REMOVE, "wit"), 0);
}

/* Voters are 1, 3 or 5; none is taken up alone on the way to the next odd
 * number; a witness votes before others; one long gone is replaced. */
static void
voters_are_odd(void **state)
{
	unsigned slot;
	bool vote;

	(void)state;
	assert_true(ownership_vote(&m, 1, 0, 0, &slot, &vote));
	assert_true(vote && slot == 1);
	assert_true(ownership_vote(&m, 3, 0, 0, &slot, &vote));
	assert_true(vote && slot == 2);
	assert_false(ownership_vote(&m, 7, 0, 0, &slot, &vote));
	assert_int_equal(of_server(OWNERSHIP_SERVER_DOWN, "srv3"), 0);
	assert_false(ownership_vote(&m, 7, 0, 0, &slot, &vote));
	assert_false(ownership_vote(&m, 7, 4, 0, &slot, &vote));
	assert_false(ownership_vote(&m, 1, 0, 0, &slot, &vote));
	assert_int_equal(put("wit", 9, true), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "wit"), 0);
	assert_true(ownership_vote(&m, 1, 0, 0, &slot, &vote));
	assert_true(vote && slot == 3);
	assert_true(ownership_vote(&m, 7, 4, 0, &slot, &vote));
	assert_true(vote && slot == 3);
	assert_true(ownership_vote(&m, 15, 4, 0, &slot, &vote));
	assert_true(!vote && slot == 2);
	assert_false(ownership_vote(&m, 11, 0, 0, &slot, &vote));
}

/* Names that are none, and types that are none, are not written; damaged
 * bytes are not read. */
static void
commands_survive_the_wire(void **state)
{
	struct ownership_command c = {.type = OWNERSHIP_INSTANCES,
	    .server = "srv1",
	    .role = "sr",
	    .life = 3,
	    .report = 4,
	    .log = 5,
	    .floor = 6,
	    .since = {1, 2, 3, 4, 5, 6, 7, 8}};
	struct ownership_command back;
	uint8_t out[OWNERSHIP_COMMAND_MAX];
	long n, i;

	(void)state;
	n = ownership_encode(&c, out, &e);
	assert_true(n > 0);
	assert_int_equal(ownership_decode(&back, out, (size_t)n, &e), 0);
	assert_memory_equal(&back, &c, sizeof c);
	for (i = 0; i < n; i++)
		assert_int_equal(
		    ownership_decode(&back, out, (size_t)i, &e), -ERR_CORRUPT);
	out[1] = OWNERSHIP_TYPES;
	assert_int_equal(
	    ownership_decode(&back, out, (size_t)n, &e), -ERR_CORRUPT);
	strcpy(c.server, ".hidden");
	assert_int_equal(ownership_encode(&c, out, &e), -ERR_INVALID);
	strcpy(c.server, "a b");
	assert_int_equal(ownership_encode(&c, out, &e), -ERR_INVALID);
	c.type = 0;
	assert_int_equal(ownership_encode(&c, out, &e), -ERR_INVALID);
}

/* A snapshot holds everything; a damaged one leaves a new machine; a buffer
 * that cannot grow says so. */
static void
snapshots_hold_everything(void **state)
{
	static struct ownership_machine back;
	struct buf b = BUF_INIT, again = BUF_INIT;
	size_t i;

	(void)state;
	assert_int_equal(ready("srv2", "b2bua", 7, 8), 0);
	assert_int_equal(ready("srv3", "mg", 7, 8), 0);
	assert_int_equal(of_server(OWNERSHIP_DRAIN, "srv3"), 0);
	m.availability = true;
	ownership_save(&m, &b);
	assert_int_equal(
	    ownership_load(&back, (uint8_t *)b.data, b.len, &e), 0);
	assert_memory_equal(&back, &m, sizeof m);
	for (i = 0; i < b.len; i++) {
		assert_int_equal(
		    ownership_load(&back, (uint8_t *)b.data, i, &e),
		    -ERR_CORRUPT);
		b.data[i] ^= 1;
		if (ownership_load(&back, (uint8_t *)b.data, b.len, &e) == 0)
			assert_null(ownership_check(&back));
		b.data[i] ^= 1;
	}
	fault_alloc_at(0);
	ownership_save(&m, &again);
	fault_alloc_off();
	assert_true(again.failed);
	buf_fini(&b);
	buf_fini(&again);
}

/* Two servers of which each goes on alone: the side that stays claims above
 * all that the other one decided, which comes back under another id. */
static void
two_may_part(void **state)
{
	struct ownership_command c = {.type = OWNERSHIP_PREFER, .flags = 1};
	uint64_t sr, mgc;

	(void)state;
	ownership_init(&m);
	assert_int_equal(put("srv1", 1, false), 0);
	assert_int_equal(put("srv2", 2, false), 0);
	assert_false(ownership_may_part(&m, "srv1"));
	assert_int_equal(apply(&c), 0);
	assert_true(ownership_may_part(&m, "srv1"));
	assert_false(ownership_may_part(&m, "srv3"));
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv1"), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv2"), 0);
	assert_int_equal(ready("srv2", "sr", 7, 8), 0);
	assert_int_equal(ready("srv1", "mgc", 7, 8), 0);
	/* Each server has its own half of the epochs. */
	assert_int_equal(key("sr")->epoch % 2, 1);
	assert_int_equal(key("mgc")->epoch % 2, 0);

	c = (struct ownership_command){.type = OWNERSHIP_PART};
	snprintf(c.server, sizeof c.server, "srv1");
	mgc = key("mgc")->epoch;
	sr = key("sr")->epoch;
	assert_int_equal(apply(&c), 0);
	assert_false(ownership_server_find(&m, "srv1")->up);
	assert_int_equal(key("mgc")->state, OWNER_DOWN); /* its last member */
	assert_int_equal(key("mgc")->epoch, mgc);
	assert_int_equal(key("sr")->epoch, sr);
	/* With its old id it decides for itself. */
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv1"), -ERR_CONFLICT);
	assert_int_equal(put("srv1", 11, false), -ERR_CONFLICT);

	c.floor = 100;
	assert_int_equal(apply(&c), 0);
	assert_true(key("sr")->epoch > 100);
	assert_int_equal(key("sr")->epoch % 2, 1);
	assert_int_equal(key("sr")->state, OWNER_CLAIMING);
	assert_int_equal(put("srv1", 11, false), 0);
	assert_int_equal(of_server(OWNERSHIP_SERVER_UP, "srv1"), 0);
	/* A third server, or a witness, and nobody goes alone. */
	assert_int_equal(put("srv3", 3, true), 0);
	assert_false(ownership_may_part(&m, "srv1"));
	snprintf(c.server, sizeof c.server, "srv9");
	assert_int_equal(apply(&c), -ERR_ABSENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_ready_instance_owns),
	    cmocka_unit_test_setup(
		a_dead_process_is_followed_on_its_server, site),
	    cmocka_unit_test_setup(
		a_dead_server_is_followed_by_members_only, site),
	    cmocka_unit_test_setup(stale_commands_are_refused, site),
	    cmocka_unit_test_setup(members_are_those_who_could_own, site),
	    cmocka_unit_test_setup(planned_moves_and_drains, site),
	    cmocka_unit_test_setup(calls_belong_to_their_instance, site),
	    cmocka_unit_test_setup(epochs_begin_above_the_ship_logs, site),
	    cmocka_unit_test_setup(a_new_ship_log_holds_nothing, site),
	    cmocka_unit_test_setup(recovery_is_forced, site),
	    cmocka_unit_test_setup(servers_keep_their_id, site),
	    cmocka_unit_test_setup(a_server_leaves_by_steps, site),
	    cmocka_unit_test_setup(a_witness_holds_nothing, site),
	    cmocka_unit_test_setup(voters_are_odd, site),
	    cmocka_unit_test_setup(commands_survive_the_wire, site),
	    cmocka_unit_test_setup(snapshots_hold_everything, site),
	    cmocka_unit_test(two_may_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
