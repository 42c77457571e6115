/*
 * The controller before a real rtpengine, where one is installed: the same
 * orders, codec and answers serve both engines. Media in the kernel is off.
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
#include "daemon/mgc/mgc.h"
#include "tests/lib/world.h"

#define ENGINE "/usr/bin/rtpengine"
#define SDP                                                                \
	"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n" \
	"t=0 0\r\nm=audio %u RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"

static struct site {
	struct world world;
	struct loop *loop;
	struct loop_timer *guard;
	struct repl *repl;
	struct owner_map *owners;
	struct mgc *mgc;
	struct ng *client;
	union addr at, engine;
	pid_t pid;
	bool done;
	json_t *reply;
	struct err err;
} self;

static void
on_guard(void *arg)
{
	(void)arg;
	print_error("nothing came in time\n");
	abort();
}

static void
run(const bool *done)
{
	loop_timer_set(self.guard, 20 * CLOCK_SEC);
	while (!*done)
		loop_run(self.loop);
	loop_timer_cancel(self.guard);
}

static void
on_serving(void *arg)
{
	(void)arg;
	self.done = true;
	loop_stop(self.loop);
}

static void
on_lost(void *arg, const struct err *why)
{
	(void)arg;
	print_error("%s\n", why->text);
	abort();
}

static void
on_reply(void *arg, json_t *dict, const struct err *e)
{
	(void)arg;
	json_decref(self.reply);
	self.reply = json_incref(dict);
	self.err = e != NULL ? *e : (struct err){0};
	self.done = true;
	loop_stop(self.loop);
}

static json_t *
ask(const union addr *to, json_t *dict)
{
	self.done = false;
	ng_call(self.client, to, dict, 15 * CLOCK_SEC, on_reply, NULL);
	run(&self.done);
	return self.reply;
}

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

/* A free port is found by binding it; the engine binds it again. */
static void
engine_start(void)
{
	char listen[80], low[40], high[40], where[ADDR_TEXT];
	unsigned base = 10000 + (unsigned)getpid() % 100 * 20;
	int fd;

	close(socket_new(&self.engine));
	addr_text(where, &self.engine);
	snprintf(listen, sizeof listen, "--listen-ng=%s", where);
	snprintf(low, sizeof low, "--port-min=%u", base);
	snprintf(high, sizeof high, "--port-max=%u", base + 19);
	if ((self.pid = fork()) != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open("/dev/null", O_RDWR);
	dup2(fd, 1);
	dup2(fd, 2);
	execl(ENGINE, ENGINE, "--foreground", "--table=-1",
	    "--interface=127.0.0.1", listen, low, high, "--num-threads=1",
	    "--delete-delay=0", "--log-stderr", (char *)NULL);
	_exit(127);
}

static int
setup(void **state)
{
	struct owner o = {.key = "mg/1",
	    .instance = "mg/1@srv1",
	    .epoch = 1,
	    .state = OWNER_SERVING};
	char path[120];
	union addr at;
	struct err e;

	(void)state;
	log_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	world_make(&self.world);
	world_start(&self.world);
	self.loop = loop_new();
	self.guard = loop_timer_new(self.loop, on_guard, NULL);
	engine_start();
	self.repl = repl_new(self.loop, self.world.root);
	repl_link(self.repl, world_link(&self.world, "mgc/1"));
	snprintf(path, sizeof path, "%s/owners", self.world.dir);
	assert_int_equal(owner_map_create(path, &self.owners, &e), 0);
	o.inside = self.engine;
	assert_int_equal(owner_map_put(self.owners, &o), 0);
	self.client = ng_open(self.loop, socket_new(&at), NULL, NULL);
	self.mgc = mgc_control_open(
	    self.loop, socket_new(&self.at), self.owners);
	self.mgc->on_serving = on_serving;
	self.mgc->on_lost = on_lost;
	mgc_control_claim(self.mgc, self.repl, 1);
	run(&self.done);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ng_close(&self.client);
	mgc_control_close(&self.mgc);
	owner_map_close(&self.owners);
	repl_free(&self.repl);
	loop_timer_free(&self.guard);
	loop_free(&self.loop);
	kill(self.pid, SIGKILL);
	waitpid(self.pid, NULL, 0);
	world_remove(&self.world);
	json_decref(self.reply);
	return 0;
}

static json_t *
order(const char *command, const char *id, unsigned port)
{
	char text[300];

	snprintf(text, sizeof text, SDP, port);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s, s], s:s}", "command",
	    command, "call-id", id, "from-tag", "a", "to-tag", "b", "sdp", text,
	    "replace", "origin", "session-connection", "ICE", "remove");
}

/* Our questions are read and answered by rtpengine itself: the ping waits
 * until it is up. */
static void
engine_answers_our_questions(void **state)
{
	(void)state;
	assert_non_null(
	    ask(&self.engine, json_pack("{s:s}", "command", "ping")));
	assert_string_equal(ng_str(self.reply, "result"), "pong");
	assert_null(ask(&self.engine, json_pack("{s:s}", "command", "dance")));
	assert_string_equal(self.err.text, "Unrecognized command");
}

/* A whole call through the controller: ports are given for both sides, the
 * query counts, the delete ends it at both. */
static void
engine_serves_a_call(void **state)
{
	const char *sdp;

	(void)state;
	ask(&self.at, order("offer", "c1", 4000));
	sdp = ng_str(self.reply, "sdp");
	assert_non_null(sdp);
	assert_non_null(strstr(sdp, "m=audio 1"));
	assert_non_null(strstr(sdp, "c=IN IP4 127.0.0.1"));
	ask(&self.at, order("answer", "c1", 4002));
	assert_non_null(strstr(ng_str(self.reply, "sdp"), "m=audio 1"));
	ask(&self.at, order("query", "c1", 0));
	assert_non_null(json_object_get(self.reply, "tags"));
	assert_non_null(json_object_get(self.reply, "totals"));
	assert_int_equal(self.mgc->n.sessions, 1);
	ask(&self.at, order("delete", "c1", 0));
	assert_string_equal(ng_str(self.reply, "result"), "ok");
	assert_null(ng_str(self.reply, "warning"));
	assert_int_equal(self.mgc->n.sessions, 0);
	assert_null(ask(&self.engine, order("query", "c1", 0)));
	assert_string_equal(self.err.text, "Unknown call-id");
}

/* Its refusals are told as they are: no room, a bad SDP, an unknown call. */
static void
engine_refusals_pass(void **state)
{
	char id[16];
	json_t *v;
	unsigned i;

	(void)state;
	v = order("offer", "bad", 4000);
	json_object_set_new(v, "sdp", json_string("hello"));
	assert_null(ask(&self.at, v));
	assert_non_null(strstr(self.err.text, "parse SDP"));
	assert_int_equal(self.mgc->n.sessions, 0);
	for (i = 0; i < 20; i++) {
		snprintf(id, sizeof id, "full%u", i);
		if (ask(&self.at, order("offer", id, 4000)) == NULL)
			break;
	}
	assert_in_range(i, 1, 19);
	assert_string_equal(self.err.text, "Ran out of ports");
	assert_int_equal(self.mgc->n.sessions, i);
	while (i-- > 0) {
		snprintf(id, sizeof id, "full%u", i);
		assert_non_null(ask(&self.at, order("delete", id, 0)));
	}
	assert_int_equal(self.mgc->n.sessions, 0);
}

/* The sweep believes its list, and does not end what others placed there. */
static void
engine_is_swept(void **state)
{
	struct mgc_session *s;

	(void)state;
	ask(&self.engine, order("offer", "other", 4000)); /* not ours */
	ask(&self.at, order("offer", "ours", 4002));
	ask(&self.engine, order("delete", "ours", 0)); /* behind our back */
	s = mgc_session_find(self.mgc, "ours");
	assert_non_null(s);
	s->touched -= 20 * CLOCK_SEC;
	mgc_sweep_run(self.mgc);
	ask(&self.at, json_pack("{s:s}", "command", "ping"));
	while (mgc_session_find(self.mgc, "ours") != NULL)
		ask(&self.at, json_pack("{s:s}", "command", "ping"));
	mgc_sweep_run(self.mgc);
	ask(&self.engine, json_pack("{s:s}", "command", "ping"));
	assert_int_equal(self.mgc->n.strays, 0);
	assert_non_null(ask(&self.engine, order("query", "other", 0)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(engine_answers_our_questions),
	    cmocka_unit_test(engine_serves_a_call),
	    cmocka_unit_test(engine_refusals_pass),
	    cmocka_unit_test(engine_is_swept),
	};

	if (access(ENGINE, X_OK) != 0) {
		printf("1..0 # skipped: " ENGINE " is not installed\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
