/* What the supervisor does with the decisions of quorum. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/loop.h"
#include "daemon/base/str.h"
#include "daemon/supervisor/supervisor.h"
#include "tests/lib/world.h"

/* A server with two registrars that are ready, each a process that waits. */
struct rig {
	struct supervisor *s;
	struct child *sr1, *sr2;
	int end[3]; /* what they are told */
};

static struct child *
child_of(struct rig *r, unsigned index)
{
	struct child *c = &r->s->child[ROLE_SR][index];
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, ends),
	    0);
	c->sup = r->s;
	c->role = ROLE_SR;
	c->index = index;
	role_name(c->name, ROLE_SR, index);
	c->fd = ends[0];
	r->end[index] = ends[1];
	c->owners_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->state = CHILD_READY;
	c->wanted = true;
	c->starts = 1;
	if ((c->pid = fork()) == 0) {
		for (;;)
			pause();
	}
	return c;
}

static struct rig *
rig_new(void)
{
	struct rig *r = calloc(1, sizeof *r);
	struct err e;

	r->s = calloc(1, sizeof *r->s);
	r->s->loop = loop_new();
	str_copy(r->s->conf.server, sizeof r->s->conf.server, "srv1");
	assert_int_equal(owner_map_create(NULL, &r->s->owners, &e), 0);
	r->sr1 = child_of(r, 1);
	r->sr2 = child_of(r, 2);
	return r;
}

static void
rig_free(struct rig *r)
{
	struct child *c[] = {r->sr1, r->sr2};
	size_t i;

	for (i = 0; i < 2; i++) {
		kill(c[i]->pid, SIGKILL);
		waitpid(c[i]->pid, NULL, 0);
		close(c[i]->fd);
		close(c[i]->owners_fd);
		close(r->end[i + 1]);
	}
	owner_map_close(&r->s->owners);
	loop_free(&r->s->loop);
	free(r->s);
	free(r);
}

static void
decide(
    struct rig *r, const char *instance, uint64_t epoch, enum owner_state state)
{
	struct owner o = {.epoch = epoch, .state = state};

	str_copy(o.key, sizeof o.key, "sr");
	str_copy(o.instance, sizeof o.instance, instance);
	owners_take(r->s, &o, false);
}

/* The epoch a registrar was told to own; 0 = it was told nothing. */
static uint64_t
told(struct rig *r, unsigned index)
{
	struct role_msg m;

	if (recv(r->end[index], &m, sizeof m, MSG_DONTWAIT) != sizeof m)
		return 0;
	assert_int_equal(m.type, ROLE_MSG_OWN);
	assert_string_equal(m.u.own.key, "sr");
	return m.u.own.epoch;
}

static struct owner
shown(struct rig *r, const char *key)
{
	struct owner o = {0};

	owner_map_find(r->s->owners, key, &o);
	return o;
}

static bool
is_killed(const struct child *c)
{
	int status;

	return waitpid(c->pid, &status, WNOHANG) == c->pid ||
	    (c->fenced && waitpid(c->pid, &status, 0) == c->pid);
}

/* A local instance that shall own is told so once, however often it is said;
 * what another server owns concerns nobody here. */
static void
owners_are_told_once(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	decide(r, "sr/1@srv1", 5, OWNER_CLAIMING);
	assert_int_equal(told(r, 1), 5);
	decide(r, "sr/1@srv1", 5, OWNER_CLAIMING);
	decide(r, "sr/1@srv1", 5, OWNER_SERVING);
	assert_int_equal(told(r, 1), 0);
	assert_int_equal(shown(r, "sr").state, OWNER_SERVING);
	rig_free(r);
	r = rig_new();
	decide(r, "sr/1@srv2", 6, OWNER_CLAIMING);
	assert_int_equal(told(r, 1), 0);
	assert_string_equal(shown(r, "sr").instance, "sr/1@srv2");
	rig_free(r);
}

/* The owner of before is killed when another takes over under a higher epoch,
 * not by a repetition, not while nobody follows. */
static void
owner_of_before_is_killed(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	decide(r, "sr/1@srv1", 5, OWNER_CLAIMING);
	decide(r, "sr/1@srv1", 5, OWNER_SERVING);
	decide(r, "", 5, OWNER_DOWN);
	decide(r, "sr/1@srv2", 4, OWNER_CLAIMING);
	assert_false(r->sr1->fenced);
	decide(r, "sr/1@srv2", 6, OWNER_CLAIMING);
	assert_true(r->sr1->fenced);
	assert_true(is_killed(r->sr1));
	assert_false(owners_has(r->sr1));
	rig_free(r);
}

/* Within a server too; and the same one may own again under a new epoch. */
static void
owners_change_within_a_server(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	decide(r, "sr/1@srv1", 5, OWNER_CLAIMING);
	assert_int_equal(told(r, 1), 5);
	decide(r, "sr/1@srv1", 7, OWNER_CLAIMING);
	assert_int_equal(told(r, 1), 7);
	assert_false(r->sr1->fenced);
	decide(r, "sr/2@srv1", 8, OWNER_CLAIMING);
	assert_true(is_killed(r->sr1));
	assert_int_equal(told(r, 2), 8);
	assert_true(owners_has(r->sr2));
	rig_free(r);
}

/* Who serves is believed only about the epoch it was told; our own readers see
 * it at once, and a slower word of quorum does not take it back. */
static void
serving_is_seen_at_once(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	decide(r, "sr/1@srv1", 5, OWNER_CLAIMING);
	assert_false(owners_serving(r->sr1, "sr", 4));
	assert_false(owners_serving(r->sr2, "sr", 5));
	assert_int_equal(shown(r, "sr").state, OWNER_CLAIMING);
	assert_true(owners_serving(r->sr1, "sr", 5));
	assert_int_equal(shown(r, "sr").state, OWNER_SERVING);
	decide(r, "sr/1@srv1", 5, OWNER_CLAIMING);
	assert_int_equal(shown(r, "sr").state, OWNER_SERVING);
	decide(r, "sr/1@srv1", 6, OWNER_CLAIMING);
	assert_int_equal(shown(r, "sr").state, OWNER_CLAIMING);
	rig_free(r);
}

/* One that is not ready is told nothing; quorum hears of it and decides anew.
 * What has ended owns nothing. */
static void
only_the_ready_own(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	r->sr1->state = CHILD_STARTING;
	decide(r, "sr/1@srv1", 5, OWNER_CLAIMING);
	assert_int_equal(told(r, 1), 0);
	assert_false(owners_has(r->sr1));
	decide(r, "sr/2@srv1", 6, OWNER_CLAIMING);
	assert_int_equal(told(r, 2), 6);
	assert_false(r->sr1->fenced);
	owners_forget(r->sr2);
	assert_false(owners_has(r->sr2));
	/* it is back, and what is said again was said to the one before */
	decide(r, "sr/2@srv1", 6, OWNER_CLAIMING);
	assert_int_equal(told(r, 2), 0);
	decide(r, "sr/2@srv1", 7, OWNER_CLAIMING);
	assert_int_equal(told(r, 2), 7);
	rig_free(r);
}

/* That an instance here has died our readers see before quorum says it; that
 * it lives comes from quorum, with the epoch of the site. */
static void
own_instances_die_at_once(void **state)
{
	struct rig *r = rig_new();
	struct owner o = {.key = "sr/1@srv1",
	    .instance = "sr/1@srv1",
	    .epoch = 9,
	    .state = OWNER_SERVING};

	(void)state;
	owners_publish_child(r->sr1);
	assert_int_equal(shown(r, "sr/1@srv1").epoch, 0);
	owners_take(r->s, &o, false);
	assert_int_equal(shown(r, "sr/1@srv1").epoch, 9);
	r->sr1->state = CHILD_STARTING;
	owners_publish_child(r->sr1);
	assert_int_equal(shown(r, "sr/1@srv1").state, OWNER_CLAIMING);
	assert_int_equal(shown(r, "sr/1@srv1").epoch, 9);
	owners_take(r->s, &o, false);
	assert_int_equal(shown(r, "sr/1@srv1").state, OWNER_CLAIMING);
	rig_free(r);
}

/* How often a process was woken by all that happened before. */
static uint64_t
woken(struct rig *r, const struct child *c)
{
	uint64_t n = 0;

	world_pass(r->s->loop, 0);
	return read(c->owners_fd, &n, sizeof n) == sizeof n ? n : 0;
}

/* Whatever a turn brings, a reader is woken once; for members only, who minds
 * them. */
static void
readers_are_woken_once(void **state)
{
	struct rig *r = rig_new();
	struct owner server = {.key = "server/a-long-name", .epoch = 1};
	struct owner o = {.key = "sr",
	    .instance = "sr/1@srv2",
	    .epoch = 7,
	    .members = "srv2"};

	(void)state;
	owners_take(r->s, &server, false);
	decide(r, "sr/1@srv2", 5, OWNER_CLAIMING);
	decide(r, "sr/1@srv2", 5, OWNER_SERVING);
	owners_take(r->s, &o, false);
	assert_int_equal(woken(r, r->sr1), 1);
	assert_int_equal(woken(r, r->sr2), 1);
	str_copy(o.members, sizeof o.members, "srv1 srv2");
	owners_take(r->s, &o, false);
	assert_int_equal(woken(r, r->sr1), 0);
	assert_string_equal(shown(r, "sr").members, "srv1 srv2");
	r->sr1->role = ROLE_REPLICATOR;
	str_copy(o.members, sizeof o.members, "srv2");
	owners_take(r->s, &o, false);
	assert_int_equal(woken(r, r->sr1), 1);
	r->sr1->role = ROLE_SR;
	rig_free(r);
}

/* A dead instance is started at once when there is no other, and leaves the
 * processor to that when there is. */
static void
a_successor_goes_first(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_true(child_pause(r->sr1) >= 250000); /* both are ready */
	r->sr1->state = r->sr2->state = CHILD_BACKOFF;
	assert_int_equal(child_pause(r->sr1), 0);
	r->sr1->failures = 3;
	assert_int_equal(child_pause(r->sr1), child_backoff(2));
	rig_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(owners_are_told_once),
	    cmocka_unit_test(owner_of_before_is_killed),
	    cmocka_unit_test(owners_change_within_a_server),
	    cmocka_unit_test(serving_is_seen_at_once),
	    cmocka_unit_test(only_the_ready_own),
	    cmocka_unit_test(own_instances_die_at_once),
	    cmocka_unit_test(readers_are_woken_once),
	    cmocka_unit_test(a_successor_goes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
