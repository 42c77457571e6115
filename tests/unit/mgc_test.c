/*
 * The controller: gates that do as they are told, a real stream behind a real
 * replicator, and B2BUA's orders by ng.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/mg/mg.h"
#include "daemon/mgc/mgc.h"
#include "tests/lib/world.h"

#define GATES 3

struct site;

/* A gate that records its orders and answers as it is set. */
struct gate {
	struct site *site;
	char key[OWNER_KEY];
	struct ng *ng;
	union addr at;
	uint64_t epoch;
	unsigned orders;
	char last[32]; /* command */
	int64_t last_epoch;
	const char *refuse; /* with these words */
	const char *limit;
	bool silent;
	struct ng_request *held;
	json_t *list;	 /* of its calls */
	unsigned unsafe; /* orders for what is not acknowledged */
};

struct site {
	struct world world;
	struct loop *loop;
	struct loop_timer *guard;
	struct repl *repl;
	char map_path[100];
	struct owner_map *owners;
	struct mgc *mgc;
	union addr at; /* of the controller */
	struct ng *client;
	struct gate gate[GATES];
	unsigned serving, lost;
	enum err_code why;
	unsigned replies;
	json_t *reply;
	struct err err;
	bool late;
};

static int
socket_new(union addr *at)
{
	socklen_t len = sizeof *at;
	struct err e;
	int s;

	addr_parse(at, "127.0.0.1", 0);
	s = sock_udp(at, &e);
	assert_true(s >= 0);
	assert_int_equal(getsockname(s, &at->sa, &len), 0);
	return s;
}

static void
on_guard(void *arg)
{
	struct site *s = arg;

	s->late = true;
	loop_stop(s->loop);
}

/* Until somebody stops the loop. */
static void
run(struct site *s)
{
	loop_timer_set(s->guard, 20 * CLOCK_SEC);
	loop_run(s->loop);
	loop_timer_cancel(s->guard);
	assert_false(s->late);
}

/* A little, for what is not waited for. */
static void
run_shortly(struct site *s)
{
	loop_timer_set(s->guard, 20 * CLOCK_MS);
	loop_run(s->loop);
	s->late = false;
}

/* ---- gates --------------------------------------------------------------- */

/* Is the session of the call written and acknowledged? */
static bool
is_safe(struct site *s, const char *id)
{
	struct stream_status st;
	sqlite3_stmt *q;
	bool found;

	if (s->mgc == NULL || s->mgc->stream == NULL)
		return true; /* another process's */
	stream_status(s->mgc->stream, &st);
	sqlite3_prepare_v2(stream_db(s->mgc->stream),
	    "SELECT 1 FROM session WHERE call = ?1", -1, &q, NULL);
	sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
	found = sqlite3_step(q) == SQLITE_ROW;
	sqlite3_finalize(q);
	return found && st.acked == st.lsn;
}

static void
gate_on_command(void *arg, struct ng_request *r, const char *command,
    json_t *dict, const union addr *from)
{
	struct gate *g = arg;
	json_t *v = json_pack("{s:s}", "gate", g->key);

	(void)from;
	g->orders++;
	snprintf(g->last, sizeof g->last, "%s", command);
	g->last_epoch = ng_int(dict, "tandem-epoch", -1);
	if (strcmp(command, "offer") == 0 &&
	    !is_safe(g->site, ng_str(dict, "call-id")))
		g->unsafe++;
	if (strcmp(command, "list") == 0 && g->list != NULL) {
		json_object_set(v, "calls", g->list);
		json_object_set_new(v, "tandem-epoch", json_integer(1));
	}
	if (g->silent) {
		g->held = r;
		loop_stop(g->site->loop);
		json_decref(v);
	} else if (g->refuse != NULL) {
		ng_fail(r, g->refuse);
		json_decref(v);
	} else if (g->limit != NULL) {
		ng_limit(r, g->limit);
		json_decref(v);
	} else {
		ng_reply(r, v);
	}
}

static void
gate_publish(struct gate *g, enum owner_state state)
{
	struct owner o = {.epoch = g->epoch, .inside = g->at, .state = state};

	str_copy(o.key, sizeof o.key, g->key);
	snprintf(o.instance, sizeof o.instance, "%s@srv1", g->key);
	assert_int_equal(owner_map_put(g->site->owners, &o), 0);
	if (g->site->mgc != NULL)
		mgc_gates_read(g->site->mgc);
}

/* ---- the controller ------------------------------------------------------ */

static void
on_serving(void *arg)
{
	struct site *s = arg;

	s->serving++;
	loop_stop(s->loop);
}

static void
on_lost(void *arg, const struct err *why)
{
	struct site *s = arg;

	s->lost++;
	s->why = why->code;
	loop_stop(s->loop);
}

static void
control_open(struct site *s)
{
	int fd = socket_new(&s->at);

	s->mgc = mgc_control_open(s->loop, fd, s->owners);
	s->mgc->on_serving = on_serving;
	s->mgc->on_lost = on_lost;
	s->mgc->arg = s;
}

static void
claim(struct site *s, uint64_t epoch)
{
	unsigned before = s->serving;

	mgc_control_claim(s->mgc, s->repl, epoch);
	while (s->serving == before && s->lost == 0)
		run(s);
}

/* Everything but the controller. */
static int
setup_bare(void **state)
{
	struct site *s = calloc(1, sizeof *s);
	struct owner_map *map;
	union addr at;
	struct err e;
	unsigned i;
	int fd;

	log_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	world_make(&s->world);
	world_start(&s->world);
	s->loop = loop_new();
	s->guard = loop_timer_new(s->loop, on_guard, s);
	s->repl = repl_new(s->loop, s->world.root);
	repl_link(s->repl, world_link(&s->world, "mgc/1"));
	snprintf(s->map_path, sizeof s->map_path, "%s/owners", s->world.dir);
	assert_int_equal(owner_map_create(s->map_path, &map, &e), 0);
	s->owners = map;
	for (i = 0; i < GATES; i++) {
		s->gate[i].site = s;
		s->gate[i].epoch = 1;
		snprintf(s->gate[i].key, sizeof s->gate[i].key, "mg/%u", i + 1);
		fd = socket_new(&s->gate[i].at);
		s->gate[i].ng = ng_open(
		    s->loop, fd, gate_on_command, &s->gate[i]);
	}
	fd = socket_new(&at);
	s->client = ng_open(s->loop, fd, NULL, NULL);
	*state = s;
	return 0;
}

static int
setup(void **state)
{
	struct site *s;
	unsigned i;

	setup_bare(state);
	s = *state;
	for (i = 0; i < GATES; i++)
		gate_publish(&s->gate[i], OWNER_SERVING);
	control_open(s);
	claim(s, 1);
	return 0;
}

static int
teardown(void **state)
{
	struct site *s = *state;
	unsigned i;

	ng_close(&s->client);
	mgc_control_close(&s->mgc);
	for (i = 0; i < GATES; i++) {
		ng_close(&s->gate[i].ng);
		if (s->gate[i].held != NULL)
			ng_fail(s->gate[i].held, "late");
		json_decref(s->gate[i].list);
	}
	owner_map_close(&s->owners);
	repl_free(&s->repl);
	loop_timer_free(&s->guard);
	loop_free(&s->loop);
	world_remove(&s->world);
	json_decref(s->reply);
	free(s);
	return 0;
}

/* ---- orders -------------------------------------------------------------- */

static void
on_reply(void *arg, json_t *dict, const struct err *e)
{
	struct site *s = arg;

	s->replies++;
	json_decref(s->reply);
	s->reply = json_incref(dict);
	s->err = e != NULL ? *e : (struct err){0};
	loop_stop(s->loop);
}

static json_t *
order(const char *command, const char *id)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "command", command, "call-id",
	    id, "from-tag", "a", "sdp", "v=0\r\n");
}

static json_t *
with_flag(json_t *v, const char *flag)
{
	json_object_set_new(v, "flags", json_pack("[s]", flag));
	return v;
}

static void
ask(struct site *s, json_t *dict)
{
	ng_call(s->client, &s->at, dict, 10 * CLOCK_SEC, on_reply, s);
}

/* The lasting name of a gate; NULL stays. */
static const char *
gate_key(struct site *s, const char *key)
{
	unsigned i;

	for (i = 0; key != NULL && i < GATES; i++) {
		if (strcmp(s->gate[i].key, key) == 0)
			return s->gate[i].key;
	}
	return NULL;
}

/* Ask and wait; the gate that answered, or NULL and s->err. */
static const char *
told(struct site *s, json_t *dict)
{
	unsigned before = s->replies;

	ask(s, dict);
	while (s->replies == before)
		run(s);
	return s->reply != NULL ? gate_key(s, ng_str(s->reply, "gate")) : NULL;
}

static void
refused(struct site *s, json_t *dict, enum err_code code, const char *words)
{
	assert_null(told(s, dict));
	assert_int_equal(s->err.code, code);
	assert_string_equal(s->err.text, words);
}

static int64_t
rows(struct site *s)
{
	sqlite3_stmt *q;
	int64_t n = -1;

	sqlite3_prepare_v2(stream_db(s->mgc->stream),
	    "SELECT count(*) FROM session", -1, &q, NULL);
	if (sqlite3_step(q) == SQLITE_ROW)
		n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static struct gate *
gate_of(struct site *s, const char *id)
{
	struct mgc_session *x = mgc_session_find(s->mgc, id);
	unsigned i;

	assert_non_null(x);
	for (i = 0; i < GATES; i++) {
		if (strcmp(s->gate[i].key, x->gate->key) == 0)
			return &s->gate[i];
	}
	fail();
	return NULL;
}

/* ---- tests --------------------------------------------------------------- */

/* A session is acknowledged before a gate hears of its call, and every order
 * carries the epoch. */
static void
session_is_kept_before_the_gate_is_asked(void **state)
{
	struct site *s = *state;
	unsigned i, unsafe = 0, orders = 0;
	char id[16];

	for (i = 0; i < 20; i++) {
		snprintf(id, sizeof id, "c%u", i);
		assert_non_null(told(s, order("offer", id)));
	}
	for (i = 0; i < GATES; i++) {
		unsafe += s->gate[i].unsafe;
		orders += s->gate[i].orders;
		assert_int_equal(s->gate[i].last_epoch, 1);
	}
	assert_int_equal(orders, 20);
	assert_int_equal(unsafe, 0);
	assert_int_equal(rows(s), 20);
}

/* Calls are spread evenly; with equal loads the call's name decides, always
 * the same way. */
static void
calls_are_spread(void **state)
{
	struct site *s = *state;
	struct mgc_gate *g, *first;
	char id[16];
	unsigned i;

	first = mgc_gate_pick(s->mgc, "c0", NULL, NULL, 0);
	assert_ptr_equal(first, mgc_gate_pick(s->mgc, "c0", NULL, NULL, 0));
	for (i = 0; i < 30; i++) {
		snprintf(id, sizeof id, "c%u", i);
		assert_non_null(told(s, order("offer", id)));
	}
	TAILQ_FOREACH (g, &s->mgc->gates, entry)
		assert_int_equal(g->sessions, 10);
	assert_null(mgc_gate_pick(s->mgc, "c", NULL,
	    (struct mgc_gate *[]){mgc_gate_find(s->mgc, "mg/1"),
		mgc_gate_find(s->mgc, "mg/2"), mgc_gate_find(s->mgc, "mg/3")},
	    3));
}

/* A gate on the server that asks comes before others, however busy, unless it
 * drains; when it was tried, the others follow. */
static void
calls_stay_on_their_server(void **state)
{
	struct site *s = *state;
	struct mgc_gate *g = mgc_gate_find(s->mgc, "mg/2");
	union addr near;

	addr_parse(&near, "127.0.0.9", 4711);
	addr_parse(&g->at, "127.0.0.9", 20071);
	g->sessions = 1000;
	assert_ptr_equal(mgc_gate_pick(s->mgc, "c0", &near, NULL, 0), g);
	assert_ptr_not_equal(mgc_gate_pick(s->mgc, "c0", &near, &g, 1), g);
	assert_ptr_not_equal(mgc_gate_pick(s->mgc, "c0", NULL, NULL, 0), g);
	g->drain = true;
	assert_ptr_not_equal(mgc_gate_pick(s->mgc, "c0", &near, NULL, 0), g);
	g->drain = false;
	g->sessions = 0;
}

/* What follows goes where the call is; delete ends the session. */
static void
orders_follow_the_call(void **state)
{
	struct site *s = *state;
	const char *gate = told(s, order("offer", "c1"));
	struct gate *g = gate_of(s, "c1");

	assert_string_equal(gate, g->key);
	assert_string_equal(told(s, order("answer", "c1")), g->key);
	assert_string_equal(told(s, order("query", "c1")), g->key);
	assert_string_equal(told(s, order("offer", "c1")), g->key);
	assert_string_equal(told(s, order("play media", "c1")), g->key);
	assert_string_equal(told(s, order("delete", "c1")), g->key);
	assert_string_equal(g->last, "delete");
	assert_int_equal(g->orders, 6);
	run_shortly(s);
	assert_int_equal(rows(s), 0);
	assert_int_equal(s->mgc->n.sessions, 0);
	refused(s, order("query", "c1"), ERR_REFUSED, "Unknown call-id");
	refused(s, order("answer", "c1"), ERR_REFUSED, "Unknown call-id");
}

/* rtpengine's words for what is not there or not said. */
static void
unknown_calls_are_told(void **state)
{
	struct site *s = *state;
	char id[300];

	told(s, order("delete", "nobody"));
	assert_string_equal(ng_str(s->reply, "warning"),
	    "Call-ID not found or tags didn't match");
	refused(s, with_flag(order("delete", "nobody"), "fatal"), ERR_REFUSED,
	    "Call-ID not found or tags didn't match");
	refused(s, json_pack("{s:s}", "command", "offer"), ERR_REFUSED,
	    "No call-id in message");
	memset(id, 'x', sizeof id);
	id[299] = '\0';
	refused(s, order("offer", id), ERR_REFUSED, "Call-id too long");
	told(s, json_pack("{s:s}", "command", "ping"));
	assert_string_equal(ng_str(s->reply, "result"), "pong");
	told(s, order("offer", "c1"));
	told(s, json_pack("{s:s}", "command", "list"));
	assert_int_equal(
	    json_array_size(json_object_get(s->reply, "calls")), 1);
	assert_int_equal(TAILQ_EMPTY(&s->mgc->orders), 1);
}

/* A gate without room is passed over; when none has any the last refusal is
 * told and nothing is kept. */
static void
full_gates_are_passed_over(void **state)
{
	struct site *s = *state;

	s->gate[0].refuse = "Ran out of ports";
	s->gate[1].limit = "Parallel session limit reached";
	assert_string_equal(told(s, order("offer", "c1")), "mg/3");
	assert_string_equal(told(s, order("offer", "c2")), "mg/3");
	assert_int_equal(rows(s), 2);
	s->gate[2].refuse = "not ready";
	refused(s, order("offer", "c3"), ERR_REFUSED, "not ready");
	run_shortly(s);
	assert_int_equal(rows(s), 2);
	assert_int_equal(s->mgc->n.sessions, 2);
	assert_true(s->mgc->n.replaced >= 4);
}

/* What is wrong with the offer itself is told at once. */
static void
bad_offers_are_not_tried_elsewhere(void **state)
{
	struct site *s = *state;
	unsigned i;

	for (i = 0; i < GATES; i++)
		s->gate[i].refuse = "Failed to parse SDP: line 1";
	refused(s, order("offer", "c1"), ERR_REFUSED,
	    "Failed to parse SDP: line 1");
	assert_int_equal(
	    s->gate[0].orders + s->gate[1].orders + s->gate[2].orders, 1);
	run_shortly(s);
	assert_int_equal(rows(s), 0);
}

/* Without any gate there is no media. */
static void
no_gate_is_told(void **state)
{
	struct site *s = *state;
	unsigned i;

	for (i = 0; i < GATES; i++)
		gate_publish(&s->gate[i], OWNER_DOWN);
	refused(s, order("offer", "c1"), ERR_REFUSED, "no media gate");
	assert_int_equal(s->mgc->n.gates, 0);
	gate_publish(&s->gate[1], OWNER_SERVING);
	assert_string_equal(told(s, order("offer", "c1")), "mg/2");
}

/* A gate that says nothing is given up, the call goes elsewhere. */
static void
silent_gate_is_given_up(void **state)
{
	struct site *s = *state;

	gate_publish(&s->gate[1], OWNER_DOWN);
	gate_publish(&s->gate[2], OWNER_DOWN);
	s->gate[0].silent = true;
	refused(
	    s, order("offer", "c1"), ERR_REFUSED, "media gate does not answer");
	run_shortly(s);
	assert_int_equal(rows(s), 0);
}

/* The gate dies under its calls: what it was asked is answered at once, its
 * calls are lost until B2BUA wants them moved; others go on. */
static void
calls_of_a_dead_gate_are_lost(void **state)
{
	struct site *s = *state;
	struct gate *g;
	const char *to;
	unsigned before;

	told(s, order("offer", "c1"));
	told(s, order("offer", "c2"));
	g = gate_of(s, "c1");
	assert_ptr_not_equal(g, gate_of(s, "c2"));
	g->silent = true;
	before = s->replies;
	ask(s, order("answer", "c1"));
	while (g->held == NULL)
		run(s);
	g->epoch++;
	gate_publish(g, OWNER_DOWN);
	while (s->replies == before)
		run(s);
	assert_string_equal(s->err.text, "media gate lost");
	assert_int_equal(s->mgc->n.lost, 1);
	ng_fail(g->held, "late");
	g->held = NULL;
	g->silent = false;
	gate_publish(g, OWNER_SERVING); /* started again: it knows nothing */
	refused(s, order("answer", "c1"), ERR_REFUSED, "media gate lost");
	refused(s, order("offer", "c1"), ERR_REFUSED, "media gate lost");
	assert_non_null(told(s, order("answer", "c2")));
	to = told(s, with_flag(order("offer", "c1"), "tandem-move"));
	assert_non_null(to);
	assert_string_equal(told(s, order("answer", "c1")), to);
	assert_int_equal(rows(s), 2);
}

/* A lost call is deleted without its gate. */
static void
lost_call_is_deleted(void **state)
{
	struct site *s = *state;
	struct gate *g;

	told(s, order("offer", "c1"));
	g = gate_of(s, "c1");
	gate_publish(g, OWNER_DOWN);
	told(s, order("delete", "c1"));
	assert_string_equal(ng_str(s->reply, "warning"), "media gate lost");
	run_shortly(s);
	assert_int_equal(rows(s), 0);
}

/* An offer that was on its way to a gate that dies goes to another. */
static void
offer_survives_its_gate(void **state)
{
	struct site *s = *state;
	struct gate *g = NULL;
	unsigned before = s->replies, i;

	for (i = 0; i < GATES; i++)
		s->gate[i].silent = true;
	ask(s, order("offer", "c1"));
	while (g == NULL) {
		run(s);
		for (i = 0; i < GATES; i++) {
			if (s->gate[i].held != NULL)
				g = &s->gate[i];
			else
				s->gate[i].silent = false;
		}
	}
	gate_publish(g, OWNER_DOWN);
	while (s->replies == before)
		run(s);
	assert_non_null(s->reply);
	assert_string_not_equal(ng_str(s->reply, "gate"), g->key);
	assert_int_equal(rows(s), 1);
}

/* A call that moves away from a gate which still runs is forgotten there. */
static void
moved_call_is_forgotten_by_its_gate(void **state)
{
	struct site *s = *state;
	struct gate *g;
	const char *to;

	told(s, order("offer", "c1"));
	g = gate_of(s, "c1");
	to = told(s, with_flag(order("offer", "c1"), "tandem-move"));
	assert_string_not_equal(to, g->key);
	run_shortly(s);
	assert_string_equal(g->last, "delete");
	assert_string_equal(told(s, order("answer", "c1")), to);
}

/* An instance that does not own the sessions obeys nobody; what comes while
 * it claims them waits for the stream. */
static void
only_the_owner_obeys(void **state)
{
	struct site *s = *state;
	unsigned before;

	mgc_control_disown(s->mgc);
	refused(s, order("offer", "c1"), ERR_REFUSED, "not the owner");
	before = s->replies;
	mgc_control_claim(s->mgc, s->repl, 2);
	ask(s, order("offer", "c1"));
	while (s->replies == before)
		run(s);
	assert_non_null(s->reply);
	assert_int_equal(gate_of(s, "c1")->last_epoch, 2);
}

/* When a higher epoch has begun the old owner is told, and obeys no more. */
static void
higher_epoch_ends_the_ownership(void **state)
{
	struct site *s = *state;
	struct repl *other = repl_new(s->loop, s->world.root);
	struct mgc *first = s->mgc;

	told(s, order("offer", "c1"));
	repl_link(other, world_link(&s->world, "mgc/2"));
	control_open(s);
	mgc_control_claim(s->mgc, other, 2);
	while (s->lost == 0 || s->serving < 2)
		run(s);
	assert_int_equal(s->why, ERR_REFUSED);
	assert_int_equal(first->state, MGC_PASSIVE);
	assert_int_equal(s->mgc->n.sessions, 1);
	assert_non_null(told(s, order("answer", "c1")));
	assert_int_equal(gate_of(s, "c1")->last_epoch, 2);
	mgc_control_close(&first);
	mgc_control_close(&s->mgc);
	repl_free(&other);
}

/* ---- take-over from a killed owner --------------------------------------- */

static void
child_on_lost(void *arg, const struct err *why)
{
	(void)arg;
	(void)why;
	_exit(3);
}

static void
child_on_serving(void *arg)
{
	(void)arg;
}

/* The owner that will be killed: the first of its epoch. */
static void
child_run(const struct site *s, int control, int fd)
{
	struct loop *loop = loop_new();
	struct repl *repl = repl_new(loop, s->world.root);
	char path[120];
	struct owner_map *map;
	struct err e;
	struct mgc *m;
	unsigned i;

	snprintf(path, sizeof path, "%s/owners-2", s->world.dir);
	if (owner_map_create(path, &map, &e) != 0)
		_exit(2);
	for (i = 0; i < GATES; i++) {
		struct owner o = {.epoch = 1,
		    .inside = s->gate[i].at,
		    .state = OWNER_SERVING};

		str_copy(o.key, sizeof o.key, s->gate[i].key);
		owner_map_put(map, &o);
	}
	repl_link(repl, world_link_by(control, "mgc/1"));
	m = mgc_control_open(loop, fd, map);
	m->on_serving = child_on_serving;
	m->on_lost = child_on_lost;
	mgc_control_claim(m, repl, 1);
	loop_run(loop);
	_exit(0);
}

/* Every call that was answered positively is known to the next owner, at the
 * same gate, whatever the moment at which the first is killed. */
static void
killed_owner_leaves_every_call(void **state)
{
	struct site *s = *state;
	char id[16], where[200][OWNER_KEY];
	unsigned i, done;
	int control, fd;
	pid_t pid;

	fd = socket_new(&s->at);
	control = dup(s->world.control);
	fcntl(control, F_SETFD, FD_CLOEXEC);
	if ((pid = world_fork(control, fd)) == 0)
		child_run(s, control, fd);
	close(fd);
	close(control);
	for (done = 0; done < 200; done++) {
		snprintf(id, sizeof id, "c%u", done);
		if (done == 150)
			kill(pid, SIGKILL);
		ng_call(s->client, &s->at, order("offer", id),
		    done < 150 ? 10 * CLOCK_SEC : 100 * CLOCK_MS, on_reply, s);
		i = s->replies;
		while (s->replies == i)
			run(s);
		if (s->reply == NULL)
			break;
		snprintf(where[done], sizeof where[done], "%s",
		    ng_str(s->reply, "gate"));
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(done >= 150);
	for (i = 0; i < GATES; i++)
		gate_publish(&s->gate[i], OWNER_SERVING);
	control_open(s);
	claim(s, 2);
	assert_int_equal(s->lost, 0);
	assert_in_range(s->mgc->n.sessions, done, done + 1);
	for (i = 0; i < done; i++) {
		snprintf(id, sizeof id, "c%u", i);
		assert_string_equal(told(s, order("answer", id)), where[i]);
		assert_string_equal(gate_of(s, id)->key, where[i]);
		assert_int_equal(gate_of(s, id)->last_epoch, 2);
	}
}

/* ---- sweep --------------------------------------------------------------- */

/* Make every session old enough to be judged. */
static void
age_sessions(struct site *s)
{
	struct mgc_session *x;

	TAILQ_FOREACH (x, &s->mgc->list, entry)
		x->touched -= 20 * CLOCK_SEC;
}

/* Sessions that their gate does not know go, unless they are young; calls
 * that nobody knows are ended at the second look. */
static void
sweep_finds_what_one_side_forgot(void **state)
{
	struct site *s = *state;
	struct gate *g = &s->gate[0];

	gate_publish(&s->gate[1], OWNER_DOWN);
	gate_publish(&s->gate[2], OWNER_DOWN);
	told(s, order("offer", "kept"));
	told(s, order("offer", "gone"));
	g->list = json_pack("[s, s]", "kept", "stray");
	mgc_sweep_run(s->mgc);
	run_shortly(s);
	assert_int_equal(s->mgc->n.sessions, 2); /* too young */
	age_sessions(s);
	told(s, order("offer", "young"));
	g->orders = 0;
	mgc_sweep_run(s->mgc);
	run_shortly(s);
	assert_non_null(mgc_session_find(s->mgc, "kept"));
	assert_non_null(mgc_session_find(s->mgc, "young"));
	assert_null(mgc_session_find(s->mgc, "gone"));
	assert_int_equal(s->mgc->n.vanished, 1);
	assert_int_equal(s->mgc->n.strays, 1);
	assert_string_equal(g->last, "delete");
	assert_int_equal(rows(s), 2);
}

/* A sweep that gets no answer, or whose gate dies, changes nothing. */
static void
sweep_without_an_answer_changes_nothing(void **state)
{
	struct site *s = *state;
	struct gate *g;

	told(s, order("offer", "c1"));
	g = gate_of(s, "c1");
	age_sessions(s);
	g->refuse = "Unrecognized command";
	mgc_sweep_run(s->mgc);
	run_shortly(s);
	assert_int_equal(s->mgc->n.sessions, 1);
	g->refuse = NULL;
	g->silent = true;
	mgc_sweep_run(s->mgc);
	while (g->held == NULL)
		run(s);
	gate_publish(g, OWNER_DOWN);
	run_shortly(s);
	assert_int_equal(s->mgc->n.sessions, 1);
	mgc_session_find(s->mgc, "c1")->touched = 0;
	mgc_sweep_run(s->mgc); /* lost, and nobody asked for five minutes */
	assert_int_equal(
	    s->mgc->n.sessions, clock_mono() > 300 * CLOCK_SEC ? 0 : 1);
}

/* ---- with a real gate ---------------------------------------------------- */

#define SDP                                                                \
	"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n" \
	"t=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"

static json_t *
real_order(const char *command)
{
	json_t *v = order(command, "c1");

	json_object_set_new(v, "sdp", json_string(SDP));
	if (strcmp(command, "answer") == 0)
		json_object_set_new(v, "to-tag", json_string("b"));
	return v;
}

/* Controller and gate of this product understand each other: a whole call,
 * a branch that ends alone, and orders of an older epoch. */
static void
our_gate_obeys(void **state)
{
	struct site *s = *state;
	char range[16];
	struct mg *mg;
	struct err e;
	json_t *v;
	unsigned i, base = 12000 + (unsigned)getpid() % 50 * 40;
	int fd;

	for (i = 1; i < GATES; i++)
		gate_publish(&s->gate[i], OWNER_DOWN);
	fd = socket_new(&s->gate[0].at);
	mg = mg_gate_open(s->loop, fd);
	s->gate[0].epoch++;
	gate_publish(&s->gate[0], OWNER_SERVING);
	refused(s, real_order("offer"), ERR_REFUSED, "not ready");
	snprintf(range, sizeof range, "%u-%u", base, base + 39);
	assert_int_equal(mg_ports_feed(&mg->ports, "127.0.0.1", range, &e), 0);
	told(s, real_order("offer"));
	assert_non_null(ng_str(s->reply, "sdp"));
	told(s, real_order("answer"));
	assert_non_null(ng_str(s->reply, "sdp"));
	v = real_order("offer");
	json_object_set_new(v, "via-branch", json_string("z9"));
	told(s, v);
	v = order("delete", "c1");
	json_object_set_new(v, "via-branch", json_string("z9"));
	told(s, v);
	assert_int_equal(mg->n.sessions, 1);
	assert_int_equal(s->mgc->n.sessions, 1);
	age_sessions(s);
	mgc_sweep_run(s->mgc);
	run_shortly(s);
	assert_int_equal(s->mgc->n.sessions, 1);
	s->mgc->epoch = 0;
	refused(s, real_order("answer"), ERR_REFUSED, "stale epoch");
	s->mgc->epoch = 1;
	told(s, order("delete", "c1"));
	assert_non_null(json_object_get(s->reply, "totals"));
	assert_int_equal(mg->n.sessions, 0);
	run_shortly(s);
	assert_int_equal(rows(s), 0);
	mg_gate_close(&mg);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(session_is_kept_before_the_gate_is_asked),
	    TEST(calls_are_spread),
	    TEST(calls_stay_on_their_server),
	    TEST(orders_follow_the_call),
	    TEST(unknown_calls_are_told),
	    TEST(full_gates_are_passed_over),
	    TEST(bad_offers_are_not_tried_elsewhere),
	    TEST(no_gate_is_told),
	    TEST(silent_gate_is_given_up),
	    TEST(calls_of_a_dead_gate_are_lost),
	    TEST(lost_call_is_deleted),
	    TEST(offer_survives_its_gate),
	    TEST(moved_call_is_forgotten_by_its_gate),
	    TEST(only_the_owner_obeys),
	    TEST(higher_epoch_ends_the_ownership),
	    cmocka_unit_test_setup_teardown(
		killed_owner_leaves_every_call, setup_bare, teardown),
	    TEST(sweep_finds_what_one_side_forgot),
	    TEST(sweep_without_an_answer_changes_nothing),
	    TEST(our_gate_obeys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
