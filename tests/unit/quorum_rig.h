#ifndef TESTS_QUORUM_RIG_H
#define TESTS_QUORUM_RIG_H

/*
 * A site of quorum processes, each with its own raft log on disk, joined by
 * the real mesh on loopback addresses; what each knows, and how to wait until
 * they do.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/quorum/quorum.h"
#include "tests/lib/cluster.h"
#include "tests/lib/scratch.h"

#define NODES 5
#define ENTRIES 64
#define PORT_BASE 21000
#define LIMIT (30 * CLOCK_SEC)

/* ---- what test and node say to each other ------------------------------- */

enum say_type {
	SAY_INSTANCE, /* key: role; number: since; index */
	SAY_COMMAND,
	SAY_MEMBER_ADD, /* command: key, epoch, server */
	SAY_QUIET,	/* its instances own, and do not serve from now on */
	SAY_SERVING,	/* command: key, epoch */
	SAY_ENTRY,
	SAY_STATE, /* index: voters known; number: term; leads */
	SAY_DONE   /* code, of the command before */
};
struct say {
	enum say_type type;
	unsigned index;
	uint64_t number, time;
	bool leads, removed, voter;
	enum err_code code;
	char leader[OWNERSHIP_SERVER_NAME];
	struct owner entry;
	struct ownership_command command;
};

/* ---- a node, in its process --------------------------------------------- */

struct node_run {
	struct loop *loop;
	struct quorum *q;
	struct mesh *mesh;
	char name[OWNERSHIP_SERVER_NAME];
	int s;
	struct loop_timer *tick;
	struct say said;
	bool quiet;
};

static void
run_say(struct node_run *n, struct say *say)
{
	say->time = clock_mono();
	if (send(n->s, say, sizeof *say, MSG_NOSIGNAL) < 0)
		_exit(0);
}

/* Its instances serve as soon as they own, unless told not to. */
static void
run_on_entry(void *arg, const struct owner *o, bool removed)
{
	struct node_run *n = arg;
	struct say say = {.type = SAY_ENTRY, .removed = removed, .entry = *o};
	const char *at = strchr(o->instance, '@');

	run_say(n, &say);
	if (!removed && o->state == OWNER_CLAIMING && at != NULL &&
	    strcmp(at + 1, n->name) == 0 && n->q != NULL && !n->quiet)
		quorum_serving(n->q, o->key, o->epoch);
}

static void
run_on_servers(void *arg, const struct mesh_server *s, size_t count)
{
	struct node_run *n = arg;

	if (n->mesh != NULL)
		mesh_set(n->mesh, s, count);
}

static void
run_on_up(void *arg, const char *server, int fd)
{
	struct node_run *n = arg;

	quorum_on_up(n->q, server, fd);
}

static void
run_on_done(void *arg, const struct err *e)
{
	struct say say = {.type = SAY_DONE};

	say.code = e != NULL ? e->code : ERR_NONE;
	run_say(arg, &say);
}

static void
run_on_test(void *arg, int s, int events)
{
	struct node_run *n = arg;
	struct say say;

	(void)events;
	if (recv(s, &say, sizeof say, 0) != sizeof say)
		_exit(0);
	if (say.type == SAY_INSTANCE)
		quorum_instance(n->q, say.command.role, say.index, say.number);
	else if (say.type == SAY_QUIET)
		n->quiet = true;
	else if (say.type == SAY_SERVING)
		quorum_serving(n->q, say.command.key, say.command.epoch);
	else if (say.type == SAY_MEMBER_ADD)
		quorum_member(n->q, OWNERSHIP_MEMBER_ADD, say.command.key,
		    say.command.epoch, say.command.server, run_on_done, n);
	else
		quorum_propose(n->q, &say.command, run_on_done, n);
}

/* Tell how the group looks from here, when that has changed. */
static void
run_on_tick(void *arg)
{
	struct node_run *n = arg;
	struct say say;
	enum engine_vote vote;
	const char *name;
	unsigned at = 0;
	uint64_t id;

	loop_timer_set(n->tick, 5 * CLOCK_MS);
	memset(&say, 0, sizeof say);
	say.type = SAY_STATE;
	say.leads = engine_state(n->q->engine) == ENGINE_LEADER;
	say.number = engine_term(n->q->engine);
	str_copy(say.leader, sizeof say.leader, engine_leader(n->q->engine));
	while (engine_next(n->q->engine, &at, &id, &name, &vote)) {
		say.index += vote == ENGINE_VOTER;
		say.voter |= id == n->q->id && vote == ENGINE_VOTER;
	}
	if (memcmp(&say, &n->said, sizeof say) == 0)
		return;
	n->said = say;
	run_say(n, &say);
}

static void
run_realtime(void)
{
	struct sched_param p = {.sched_priority = 10};

	if (sched_setscheduler(0, SCHED_RR, &p) != 0 ||
	    mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		log_warn("real time");
}

static void __attribute__((noreturn)) run_node(const char *name,
    const struct mesh_server *all, size_t count, const union addr *inside,
    const char *dir, const char *identity, bool witness, int s)
{
	struct node_run n = {.s = s, .loop = loop_new()};
	struct quorum_config c = {.loop = n.loop,
	    .server = name,
	    .inside = *inside,
	    .dir = dir,
	    .others = all,
	    .nothers = count,
	    .realtime = getenv("QUORUM_REALTIME") != NULL,
	    .witness = witness,
	    .on_entry = run_on_entry,
	    .on_servers = run_on_servers,
	    .arg = &n};
	struct mesh_config m = {.self = name,
	    .identity = identity,
	    .listen = *inside,
	    .port_offset = MESH_QUORUM,
	    .on_up = run_on_up,
	    .arg = &n};
	struct err e;

	log_init(name, getenv("QUORUM_DEBUG") != NULL);
	if (getenv("QUORUM_DEBUG") == NULL)
		log_fd(-1);
	signal(SIGPIPE, SIG_IGN);
	if (c.realtime)
		run_realtime();
	str_copy(n.name, sizeof n.name, name);
	if (quorum_open(&c, &n.q, &e) != 0 ||
	    mesh_open(n.loop, &m, &n.mesh, &e) != 0) {
		fprintf(stderr, "%s: %s\n", name, e.text);
		_exit(1);
	}
	mesh_set(n.mesh, n.q->servers, n.q->nservers);
	loop_fd_open(n.loop, s, LOOP_READ, run_on_test, &n);
	n.tick = loop_timer_new(n.loop, run_on_tick, &n);
	loop_timer_set(n.tick, 0);
	loop_run(n.loop);
	_exit(0);
}

/* ---- the test's side ---------------------------------------------------- */

struct node {
	struct mesh_server me;
	char dir[100];
	char *identity;
	pid_t pid; /* 0 = not running */
	int s;
	uint64_t since; /* of its next instance */
	struct say state;
	struct owner entry[ENTRIES];
	size_t nentries;
	bool done;
	enum err_code code;
	uint64_t moved; /* when it last heard of a new epoch of sr */
	uint64_t epoch; /* of sr as somebody knew it before this one ran */
	bool witness;
};

static struct {
	char dir[64];
	struct cluster cluster;
	struct node node[NODES];
	unsigned n; /* that were ever started */
} site;

static struct owner *
node_entry(struct node *n, const char *key)
{
	size_t i;

	for (i = 0; i < n->nentries; i++) {
		if (strcmp(n->entry[i].key, key) == 0)
			return &n->entry[i];
	}
	return NULL;
}

static void
node_on_entry(struct node *n, const struct say *say)
{
	struct owner *o = node_entry(n, say->entry.key);

	if (say->removed) {
		assert_non_null(o);
		*o = n->entry[--n->nentries];
		return;
	}
	if (o == NULL) {
		assert_true(n->nentries < ENTRIES);
		o = &n->entry[n->nentries++];
		memset(o, 0, sizeof *o);
	}
	if (strcmp(say->entry.key, "sr") == 0 && say->entry.epoch > o->epoch)
		n->moved = say->time;
	/* No node ever sees an epoch fall, and none that reads its log tells
	 * what is history. */
	assert_true(say->entry.epoch >= o->epoch);
	if (strcmp(say->entry.key, "sr") == 0)
		assert_true(say->entry.epoch >= n->epoch);
	*o = say->entry;
}

static void
node_on_say(struct node *n, const struct say *say)
{
	if (say->type == SAY_ENTRY)
		node_on_entry(n, say);
	else if (say->type == SAY_STATE)
		n->state = *say;
	n->done = n->done || say->type == SAY_DONE;
	if (say->type == SAY_DONE)
		n->code = say->code;
}

/* Hear all nodes until it is true. */
static void
wait_for(bool (*until)(void *), void *arg)
{
	uint64_t end = clock_mono() + LIMIT;
	struct pollfd p[NODES];
	struct say say;
	unsigned i;

	while (!until(arg)) {
		assert_true(clock_mono() < end);
		for (i = 0; i < site.n; i++)
			p[i] = (struct pollfd){
			    .fd = site.node[i].pid != 0 ? site.node[i].s : -1,
			    .events = POLLIN};
		poll(p, site.n, 100);
		for (i = 0; i < site.n; i++) {
			if ((p[i].revents & POLLIN) &&
			    recv(site.node[i].s, &say, sizeof say, 0) ==
				sizeof say)
				node_on_say(&site.node[i], &say);
			else if (p[i].revents != 0)
				fail_msg("srv%u has died", i + 1);
		}
	}
}

static void
node_start(unsigned i, bool joined)
{
	struct node *n = &site.node[i];
	struct mesh_server all[NODES];
	unsigned k;
	int ends[2];

	for (k = 0; k < i; k++)
		all[k] = site.node[k].me;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	n->pid = fork();
	assert_true(n->pid >= 0);
	if (n->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_node(n->me.name, all, joined ? i : 0, &n->me.inside, n->dir,
		    n->identity, n->witness, ends[1]);
	}
	close(ends[1]);
	n->s = ends[0];
	for (k = 0; k < site.n; k++) {
		struct owner *o = node_entry(&site.node[k], "sr");

		if (o != NULL && o->epoch > n->epoch)
			n->epoch = o->epoch;
	}
	n->nentries = 0;
	memset(&n->state, 0, sizeof n->state);
	site.n = i >= site.n ? i + 1 : site.n;
}

static void
node_kill(unsigned i)
{
	struct node *n = &site.node[i];

	if (n->pid == 0)
		return;
	kill(n->pid, SIGKILL);
	waitpid(n->pid, NULL, 0);
	close(n->s);
	n->pid = 0;
}

static void
node_tell(unsigned i, const struct say *say)
{
	assert_int_equal(
	    send(site.node[i].s, say, sizeof *say, MSG_NOSIGNAL), sizeof *say);
}

static void
node_ready(unsigned i, const char *role, unsigned index)
{
	struct say say = {.type = SAY_INSTANCE, .index = index};

	say.number = clock_real() + ++site.node[i].since;
	str_copy(say.command.role, sizeof say.command.role, role);
	node_tell(i, &say);
}

static bool
is_done(void *arg)
{
	return ((struct node *)arg)->done;
}

/* Have a node propose it; what became of it. */
static enum err_code
node_command(unsigned i, enum say_type type, const struct ownership_command *c)
{
	struct say say = {.type = type, .command = *c};

	site.node[i].done = false;
	node_tell(i, &say);
	wait_for(is_done, &site.node[i]);
	return site.node[i].code;
}

/* The one that leads as itself says, or -1. */
static int
leader(void)
{
	unsigned i;

	for (i = 0; i < site.n; i++) {
		if (site.node[i].pid != 0 && site.node[i].state.leads)
			return (int)i;
	}
	return -1;
}

static int
setup(void **state)
{
	unsigned i;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	memset(&site, 0, sizeof site);
	scratch_make(site.dir);
	cluster_make(&site.cluster);
	for (i = 0; i < NODES; i++) {
		struct node *n = &site.node[i];
		char host[ADDR_TEXT];

		snprintf(n->me.name, sizeof n->me.name, "srv%u", i + 1);
		snprintf(n->dir, sizeof n->dir, "%s/%s", site.dir, n->me.name);
		snprintf(host, sizeof host, "127.%u.%u.%u",
		    1 + (unsigned)getpid() % 250,
		    1 + (unsigned)getpid() / 250 % 250, i + 1);
		assert_true(addr_parse(&n->me.inside, host, PORT_BASE));
		n->identity = cluster_identity(&site.cluster, n->me.name);
	}
	return 0;
}

static int
teardown(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < NODES; i++) {
		node_kill(i);
		free(site.node[i].identity);
	}
	cluster_forget(&site.cluster);
	scratch_remove(site.dir);
	return 0;
}

static char sr[] = "sr";

/* ---- what is waited for ------------------------------------------------- */

static bool
serves_somewhere(void *arg)
{
	unsigned i;

	for (i = 0; i < site.n; i++) {
		struct owner *o = node_entry(&site.node[i], arg);

		if (site.node[i].pid != 0 &&
		    (o == NULL || o->state != OWNER_SERVING))
			return false;
	}
	return true;
}

static bool
has_leader(void *arg)
{
	(void)arg;
	return leader() >= 0;
}

/* So many vote, as all know that run; and all follow one. */
static bool
voters_are(void *arg)
{
	int l = leader();
	unsigned i;

	for (i = 0; i < site.n; i++) {
		if (site.node[i].pid != 0 &&
		    (l < 0 || site.node[i].state.index != *(unsigned *)arg ||
			strcmp(site.node[i].state.leader,
			    site.node[l].me.name) != 0))
			return false;
	}
	return true;
}

/* All that run have the same entries. */
static bool
views_are_equal(void *arg)
{
	struct node *first = NULL;
	unsigned i;
	size_t k;

	(void)arg;
	for (i = 0; i < site.n; i++) {
		struct node *n = &site.node[i];

		if (n->pid == 0)
			continue;
		first = first != NULL ? first : n;
		if (n->nentries != first->nentries)
			return false;
		for (k = 0; k < n->nentries; k++) {
			struct owner *o = node_entry(first, n->entry[k].key);

			if (o == NULL || memcmp(o, &n->entry[k], sizeof *o))
				return false;
		}
	}
	return first != NULL;
}

/* The site's first server runs alone and owns. */
static void
first_server(void)
{
	node_start(0, false);
	node_ready(0, "sr", 1);
	wait_for(serves_somewhere, sr);
}

struct count {
	const char *key;
	unsigned members;
};

static bool
members_are(void *arg)
{
	const struct count *c = arg;
	struct owner *o;
	unsigned n = 1, i;
	const char *at;

	for (i = 0; i < site.n; i++) {
		if (site.node[i].pid == 0)
			continue;
		if ((o = node_entry(&site.node[i], c->key)) == NULL)
			return false;
		for (n = o->members[0] != '\0', at = o->members; *at != '\0';
		     at++)
			n += *at == ' ';
		if (n != c->members)
			return false;
	}
	return true;
}

/* Another joins: put into the site where it leads, then started. */
static void
join(unsigned i)
{
	struct ownership_command c = {.type = OWNERSHIP_SERVER_PUT,
	    .inside = site.node[i].me.inside,
	    .flags = site.node[i].witness};
	int l;

	wait_for(has_leader, NULL);
	l = leader();
	str_copy(c.server, sizeof c.server, site.node[i].me.name);
	assert_int_equal(node_command((unsigned)l, SAY_COMMAND, &c), 0);
	node_start(i, true);
}

static bool
sr_is_up(void *arg)
{
	struct owner *o = node_entry(
	    &site.node[leader() < 0 ? 0 : leader()], arg);

	return o != NULL && o->state == OWNER_SERVING;
}

/* It is a member, as the owner's replicator would ask. */
static void
add(unsigned i)
{
	struct ownership_command c = {.key = "sr"};
	unsigned ask = 0;
	int code;

	str_copy(c.server, sizeof c.server, site.node[i].me.name);
	do {
		wait_for(serves_somewhere, sr);
		while (site.node[ask].pid == 0)
			ask++;
		c.epoch = node_entry(&site.node[ask], "sr")->epoch;
		code = (int)node_command(ask, SAY_MEMBER_ADD, &c);
	} while (
	    code == ERR_CONFLICT || code == ERR_NOOWNER || code == ERR_TIMEOUT);
	assert_int_equal(code, 0);
}

/* Its SR is ready, and a member. */
static void
member(unsigned i)
{
	char instance[40];

	node_ready(i, "sr", 1);
	snprintf(instance, sizeof instance, "sr/1@%s", site.node[i].me.name);
	wait_for(sr_is_up, instance);
	add(i);
}

static void
three_servers(void)
{
	unsigned voters = 3;

	first_server();
	join(1);
	join(2);
	wait_for(voters_are, &voters);
	member(1);
	member(2);
	wait_for(members_are, &(struct count){"sr", 3});
}

/* The server that owns a key, as one node has it; -1 = none. */
static int
owner_of(const char *key, struct node *seen_by)
{
	struct owner *o = node_entry(seen_by, key);
	unsigned i;

	for (i = 0; o != NULL && i < NODES; i++) {
		const char *at = strchr(o->instance, '@');

		if (at != NULL && strcmp(at + 1, site.node[i].me.name) == 0)
			return (int)i;
	}
	return -1;
}

struct gone {
	unsigned i;
	uint64_t epoch;
};

/* Everybody alive knows a later owner that serves. */
static bool
has_moved(void *arg)
{
	const struct gone *g = arg;
	struct owner *o;
	unsigned i;

	for (i = 0; i < site.n; i++) {
		if (site.node[i].pid == 0)
			continue;
		o = node_entry(&site.node[i], "sr");
		if (o == NULL || o->epoch <= g->epoch ||
		    o->state != OWNER_SERVING ||
		    owner_of("sr", &site.node[i]) == (int)g->i)
			return false;
	}
	return true;
}

#endif
