/*
 * Quorum on several servers: each is a process of its own with its own raft
 * log, joined by the real mesh on loopback addresses, killed and started
 * again from disk. QUORUM_KILLS=n kills the owner's server n times and prints
 * how long it took until another server knew the next owner; with
 * QUORUM_REALTIME=1 under real-time priority and its short timers.
 */
#include "quorum_rig.h"

/* ---- tests -------------------------------------------------------------- */

/* A server alone decides for itself, and after a start from disk goes on
 * under higher epochs. */
static void
one_server_decides_alone(void **state)
{
	uint64_t epoch;

	(void)state;
	first_server();
	epoch = node_entry(&site.node[0], "sr")->epoch;
	node_kill(0);
	node_start(0, false);
	node_ready(0, "sr", 1);
	wait_for(has_moved, &(struct gone){NODES, epoch});
}

/* Everybody alive knows that it owns and serves. */
static bool
owns(void *arg)
{
	const unsigned *i = arg;
	unsigned k;

	for (k = 0; k < site.n; k++) {
		if (site.node[k].pid != 0 &&
		    owner_of("sr", &site.node[k]) != (int)*i)
			return false;
	}
	return serves_somewhere(sr);
}

/* Make it own, if it does not; the one before is a member again then. */
static void
move(unsigned i)
{
	struct ownership_command c = {.type = OWNERSHIP_MOVE, .key = "sr"};
	int old;

	wait_for(serves_somewhere, sr);
	c.epoch = node_entry(&site.node[i], "sr")->epoch;
	str_copy(c.server, sizeof c.server, site.node[i].me.name);
	old = owner_of("sr", &site.node[i]);
	if (old == (int)i)
		return;
	assert_int_equal(node_command(i, SAY_COMMAND, &c), 0);
	wait_for(owns, &i);
	add((unsigned)old);
}

/* The server dies and another owns; ms until one knew its name. */
static double
kill_and_wait(unsigned victim)
{
	struct gone g = {victim, node_entry(&site.node[victim], "sr")->epoch};
	uint64_t at = clock_mono();
	unsigned i;

	node_kill(victim);
	wait_for(has_moved, &g);
	for (i = 0; site.node[i].pid == 0; i++)
		;
	return (double)(site.node[i].moved - at) / 1000;
}

/* It is started again, learns what it missed, and is a member again. */
static void
come_back(unsigned i)
{
	node_start(i, true);
	member(i);
	wait_for(members_are, &(struct count){"sr", 3});
}

/* The server that leads and owns dies: another leads, another owns; started
 * again it learns what it missed and is a member again; and so round. */
static void
a_dead_leader_is_replaced(void **state)
{
	unsigned i;
	int round;

	(void)state;
	three_servers();
	for (round = 0; round < 3; round++) {
		wait_for(has_leader, NULL);
		i = (unsigned)leader();
		move(i);
		kill_and_wait(i);
		come_back(i);
	}
	wait_for(views_are_equal, NULL);
}

static bool
leads(void *arg)
{
	return leader() == *(int *)arg;
}

/* In calm times one that owns nothing leads, a witness first; so when an
 * owner's server dies its successor is decided without an election. */
static void
who_owns_nothing_leads(void **state)
{
	struct gone gone = {.i = 0};
	unsigned voters = 3;
	uint64_t term;
	int witness = 2;

	(void)state;
	site.node[witness].witness = true;
	first_server();
	join(1);
	join(2);
	wait_for(voters_are, &voters);
	member(1);
	wait_for(members_are, &(struct count){"sr", 2});
	wait_for(leads, &witness);
	wait_for(voters_are, &voters);
	term = site.node[1].state.number;
	gone.epoch = node_entry(&site.node[1], "sr")->epoch;
	assert_int_equal(owner_of("sr", &site.node[1]), gone.i);
	node_kill(gone.i);
	wait_for(has_moved, &gone);
	assert_int_equal(owner_of("sr", &site.node[witness]), 1);
	assert_int_equal(site.node[1].state.number, term);
	assert_int_equal(leader(), witness);
}

/* One that leads and owns stands still: it is replaced; when it goes on it
 * learns that, and follows. */
static void
a_stalled_leader_follows(void **state)
{
	struct gone g;
	pid_t pid;

	(void)state;
	three_servers();
	wait_for(has_leader, NULL);
	g.i = (unsigned)leader();
	move(g.i);
	g.epoch = node_entry(&site.node[g.i], "sr")->epoch;
	pid = site.node[g.i].pid;
	kill(pid, SIGSTOP);
	site.node[g.i].pid = 0; /* is not waited for */
	site.node[g.i].state.leads = false;
	wait_for(has_moved, &g);
	site.node[g.i].pid = pid;
	kill(pid, SIGCONT);
	member(g.i);
	wait_for(members_are, &(struct count){"sr", 3});
	wait_for(views_are_equal, NULL);
}

/* What a server that does not lead proposes is decided like all else; what
 * the machine refuses is answered with its refusal. */
static void
all_may_propose(void **state)
{
	struct ownership_command c = {.type = OWNERSHIP_MOVE, .key = "sr"};
	unsigned from;
	int to;

	(void)state;
	three_servers();
	from = leader() == 1 ? 2 : 1;
	to = owner_of("sr", &site.node[from]) == 2 ? 1 : 2;
	c.epoch = node_entry(&site.node[from], "sr")->epoch;
	str_copy(c.server, sizeof c.server, site.node[to].me.name);
	assert_int_equal(node_command(from, SAY_COMMAND, &c), 0);
	assert_int_equal(node_command(from, SAY_COMMAND, &c), ERR_CONFLICT);
	assert_int_equal(owner_of("sr", &site.node[from]), to);
}

/* A fourth server has no vote and hears all decisions; the list of servers is
 * on its disk, so it comes back by itself. */
static void
a_fourth_server_hears_all(void **state)
{
	unsigned voters = 3;

	(void)state;
	three_servers();
	join(3);
	member(3);
	wait_for(members_are, &(struct count){"sr", 4});
	wait_for(views_are_equal, NULL);
	wait_for(voters_are, &voters);
	assert_false(site.node[3].state.voter);
	node_kill(3);
	wait_for(members_are, &(struct count){"sr", 3});
	node_start(3, true);
	member(3);
	wait_for(views_are_equal, NULL);
}

/* The whole site loses its power: what comes back decides again when most are
 * there, and nothing is owned under an old epoch. */
static void
a_site_comes_back(void **state)
{
	uint64_t epoch;
	unsigned i;

	(void)state;
	three_servers();
	epoch = node_entry(&site.node[0], "sr")->epoch;
	for (i = 0; i < 3; i++)
		node_kill(i);
	for (i = 0; i < 3; i++) {
		node_start(i, true);
		node_ready(i, "sr", 1);
	}
	wait_for(has_moved, &(struct gone){NODES, epoch});
	wait_for(views_are_equal, NULL);
}

static int
order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
print_kills(const char *what, double *ms, int n)
{
	qsort(ms, (size_t)n, sizeof ms[0], order);
	print_message("%d kills, owner %s: min %.0f p50 %.0f p90 %.0f max "
		      "%.0f ms\n",
	    n, what, ms[0], ms[n / 2], ms[n * 9 / 10], ms[n - 1]);
}

/* Printed only. */
static void
kills_are_measured(void **state)
{
	const char *words = getenv("QUORUM_KILLS");
	int kills = words != NULL ? atoi(words) : 0, k;
	double ms[2][100];
	unsigned i;

	(void)state;
	if (kills <= 0)
		skip();
	three_servers();
	for (k = 0; k < kills * 2 && k < 200; k++) {
		wait_for(has_leader, NULL);
		i = (unsigned)leader();
		if (k % 2 != 0)
			i = (i + 1) % 3;
		move(i);
		ms[k % 2][k / 2] = kill_and_wait(i);
		come_back(i);
	}
	print_kills("leads", ms[0], k / 2);
	print_kills("does not lead", ms[1], k / 2);
}

static bool
is_over(void *arg)
{
	return clock_mono() >= *(uint64_t *)arg;
}

/* Whatever is said meanwhile. */
static void
hear_for(uint64_t us)
{
	uint64_t end = clock_mono() + us;

	wait_for(is_over, &end);
}

/* What one node knows of sr. */
struct view {
	unsigned i;
	uint64_t epoch;
	enum owner_state state;
};

static bool
view_is(void *arg)
{
	const struct view *v = arg;
	const struct owner *o = node_entry(&site.node[v->i], "sr");

	return o != NULL && o->epoch > v->epoch && o->state == v->state;
}

/* That an owner serves others know from itself, although nobody is left who
 * could decide it; of another epoch it is not believed. */
static void
who_serves_is_believed(void **state)
{
	struct say say = {.type = SAY_QUIET};
	struct view v = {3, 0, OWNER_CLAIMING};

	(void)state;
	three_servers();
	join(3);
	wait_for(views_are_equal, NULL);
	v.epoch = node_entry(&site.node[3], "sr")->epoch;
	for (v.i = 0; v.i < 3; v.i++)
		node_tell(v.i, &say);
	node_ready(0, "sr", 1);
	for (v.i = 0; v.i < 4; v.i++)
		wait_for(view_is, &v);
	v.i = (unsigned)owner_of("sr", &site.node[3]);
	node_kill((v.i + 1) % 3);
	node_kill((v.i + 2) % 3);
	say.type = SAY_SERVING;
	str_copy(say.command.key, sizeof say.command.key, "sr");
	say.command.epoch = v.epoch;
	node_tell(v.i, &say);
	say.command.epoch = node_entry(&site.node[3], "sr")->epoch;
	hear_for(300 * CLOCK_MS);
	assert_int_equal(
	    node_entry(&site.node[3], "sr")->state, OWNER_CLAIMING);
	node_tell(v.i, &say);
	v = (struct view){3, v.epoch, OWNER_SERVING};
	wait_for(view_is, &v);
	assert_int_equal(
	    node_entry(&site.node[3], "sr")->epoch, say.command.epoch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		one_server_decides_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_dead_leader_is_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		who_owns_nothing_leads, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_stalled_leader_follows, setup, teardown),
	    cmocka_unit_test_setup_teardown(all_may_propose, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_fourth_server_hears_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_site_comes_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		who_serves_is_believed, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		kills_are_measured, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
