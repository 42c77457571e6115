/* The ng endpoint: questions, answers, repetitions, on loopback sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/ng/ng.h"
#include "daemon/ng/ng_cache.h"

struct bench {
	struct loop *loop;
	struct ng *server, *client;
	union addr server_at;
	struct loop_timer *guard;
	bool late;
	/* what the server got, and how it answers */
	unsigned commands, asked;
	char command[64];
	bool hold;		 /* keep the request */
	bool close;		 /* close the endpoint from its callback */
	struct ng_request *held; /* the last one kept */
	struct ng_request *all[4096];
	unsigned nall;
	json_t *answer; /* NULL = ng_fail("no") */
	/* what the client was told */
	unsigned replies;
	json_t *reply;
	struct err err;
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
	struct bench *b = arg;

	b->late = true;
	loop_stop(b->loop);
}

/* Until somebody stops the loop; a test that waits in vain fails. */
static void
run(struct bench *b)
{
	loop_timer_set(b->guard, 10 * CLOCK_SEC);
	loop_run(b->loop);
	loop_timer_cancel(b->guard);
	assert_false(b->late);
}

/* One turn: what was said leaves at its end. */
static void
let_go(struct bench *b)
{
	loop_timer_set(b->guard, 0);
	loop_run(b->loop);
	b->late = false;
}

static void
on_command(void *arg, struct ng_request *r, const char *command, json_t *dict,
    const union addr *from)
{
	struct bench *b = arg;

	(void)from;
	assert_true(json_is_object(dict));
	b->commands++;
	snprintf(b->command, sizeof b->command, "%s", command);
	if (b->close)
		ng_close(&b->server);
	if (b->hold)
		b->held = b->all[b->nall++ % 4096] = r;
	else if (b->answer != NULL)
		ng_reply(r, json_deep_copy(b->answer));
	else
		ng_fail(r, "no");
	loop_stop(b->loop);
}

static void
on_reply(void *arg, json_t *dict, const struct err *e)
{
	struct bench *b = arg;

	assert_true((dict == NULL) == (e != NULL));
	b->replies++;
	json_decref(b->reply);
	b->reply = json_incref(dict);
	if (e != NULL)
		b->err = *e;
	loop_stop(b->loop);
}

static int
setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	union addr at;
	int s;

	log_fd(open("/dev/null", 1));
	b->loop = loop_new();
	b->guard = loop_timer_new(b->loop, on_guard, b);
	s = socket_new(&b->server_at);
	b->server = ng_open(b->loop, s, on_command, b);
	s = socket_new(&at);
	b->client = ng_open(b->loop, s, NULL, NULL);
	b->answer = json_object();
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	ng_close(&b->client);
	ng_close(&b->server);
	loop_timer_free(&b->guard);
	loop_free(&b->loop);
	json_decref(b->answer);
	json_decref(b->reply);
	free(b);
	return 0;
}

static void
ask(struct bench *b, const char *command)
{
	ng_call(b->client, &b->server_at,
	    json_pack("{s:s}", "command", command), 5 * CLOCK_SEC, on_reply, b);
	assert_int_equal(b->replies, 0);
	while (b->replies == 0)
		run(b);
}

static void
say(struct bench *b, int s, const char *text, size_t n)
{
	assert_int_equal(
	    sendto(s, text, n, 0, &b->server_at.sa, addr_len(&b->server_at)),
	    (ssize_t)n);
}

/* The next datagram that a raw socket gets, within ten seconds. */
static const char *
hear(int s)
{
	static char in[70000];
	struct pollfd p = {.fd = s, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&p, 1, 10000), 1);
	n = recv(s, in, sizeof in - 1, 0);
	assert_true(n >= 0);
	in[n] = '\0';
	return in;
}

static bool
is_silent(int s)
{
	struct pollfd p = {.fd = s, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

/* A question is answered with what the other side replied; a dictionary
 * without a result means ok. */
static void
question_is_answered(void **state)
{
	struct bench *b = *state;

	json_object_set_new(b->answer, "sdp", json_string("v=0\r\n"));
	ask(b, "offer");
	assert_string_equal(b->command, "offer");
	assert_string_equal(ng_str(b->reply, "sdp"), "v=0\r\n");
	assert_string_equal(ng_str(b->reply, "result"), "ok");
	assert_int_equal(ng_stats(b->client)->resent, 0);
}

static bool
hear_nobody(void *arg, const union addr *from)
{
	struct bench *b = arg;

	(void)from;
	b->asked++;
	loop_stop(b->loop);
	return false;
}

/* Who may not ask is not answered, not even with an error; answers to own
 * questions need no leave. */
static void
only_who_may_is_heard(void **state)
{
	struct bench *b = *state;
	union addr at;
	int s = socket_new(&at);

	ng_hear(b->server, hear_nobody, b);
	ng_hear(b->client, hear_nobody, b);
	say(b, s, "1 d7:command4:pinge", 19);
	say(b, s, "garbage", 7);
	while (b->asked < 2)
		run(b);
	assert_true(is_silent(s));
	assert_int_equal(b->commands, 0);
	ng_hear(b->server, NULL, NULL);
	ask(b, "ping");
	assert_int_equal(b->commands, 1);
	assert_int_equal(b->asked, 2);
	close(s);
}

/* Pong is a good answer. */
static void
pong_is_good(void **state)
{
	struct bench *b = *state;

	json_object_set_new(b->answer, "result", json_string("pong"));
	ask(b, "ping");
	assert_string_equal(ng_str(b->reply, "result"), "pong");
}

/* The other side's refusal arrives as an error with its words. */
static void
refusal_carries_its_words(void **state)
{
	struct bench *b = *state;

	json_decref(b->answer);
	b->answer = NULL;
	ask(b, "offer");
	assert_int_equal(b->err.code, ERR_REFUSED);
	assert_string_equal(b->err.text, "no");
}

/* A load limit is told from other refusals. */
static void
load_limit_is_full(void **state)
{
	struct bench *b = *state;

	b->hold = true;
	ng_call(b->client, &b->server_at, json_pack("{s:s}", "command", "x"),
	    5 * CLOCK_SEC, on_reply, b);
	run(b);
	ng_limit(b->held, "Parallel session limit reached");
	run(b);
	assert_int_equal(b->err.code, ERR_FULL);
	assert_string_equal(b->err.text, "Parallel session limit reached");
}

/* A repeated request runs once and gets the first reply, byte for byte; the
 * same cookie from elsewhere is another request. */
static void
repetition_runs_once(void **state)
{
	static const char text[] = "c1 d7:command5:offere";
	struct bench *b = *state;
	union addr at;
	char first[200];
	int s = socket_new(&at), other = socket_new(&at);

	json_object_set_new(b->answer, "n", json_integer(1));
	say(b, s, text, sizeof text - 1);
	run(b);
	snprintf(first, sizeof first, "%s", hear(s));
	assert_string_equal(first, "c1 d1:ni1e6:result2:oke");
	json_object_set_new(b->answer, "n", json_integer(2));
	say(b, s, text, sizeof text - 1);
	say(b, other, text, sizeof text - 1);
	run(b);
	assert_string_equal(hear(s), first);
	assert_string_equal(hear(other), "c1 d1:ni2e6:result2:oke");
	assert_int_equal(b->commands, 2);
	assert_int_equal(ng_stats(b->server)->repeated, 1);
	close(s);
	close(other);
}

/* A repetition that comes before the answer is not run and not answered; the
 * one answer serves both. */
static void
repetition_in_work_waits(void **state)
{
	static const char text[] = "c1 d7:command5:offere";
	struct bench *b = *state;
	union addr at;
	int s = socket_new(&at);

	b->hold = true;
	say(b, s, text, sizeof text - 1);
	run(b);
	say(b, s, text, sizeof text - 1);
	say(b, s, "c2 d7:command4:pinge", 20); /* ends the turn */
	run(b);
	assert_string_equal(b->command, "ping");
	assert_int_equal(b->commands, 2);
	assert_true(is_silent(s));
	ng_fail(b->held, "no");
	let_go(b);
	assert_string_equal(hear(s), "c2 d12:error-reason2:no6:result5:errore");
	assert_true(is_silent(s));
	ng_fail(b->all[0], "no");
	let_go(b);
	assert_string_equal(hear(s), "c1 d12:error-reason2:no6:result5:errore");
	close(s);
}

/* JSON is answered in JSON. */
static void
json_is_answered_in_json(void **state)
{
	struct bench *b = *state;
	union addr at;
	int s = socket_new(&at);

	say(b, s, "c1 {\"command\":\"ping\"}", 21);
	run(b);
	assert_string_equal(hear(s), "c1 {\"result\":\"ok\"}");
	close(s);
}

/* What cannot be read is answered so that the asker knows; without a cookie
 * there is nobody to answer. Neither reaches the owner. */
static void
unreadable_is_refused(void **state)
{
	struct bench *b = *state;
	union addr at;
	char long_cookie[400];
	int s = socket_new(&at);

	memset(long_cookie, 'c', sizeof long_cookie);
	memcpy(long_cookie + 300, " d7:command4:pinge", 18);
	say(b, s, "", 0);
	say(b, s, "d7:command4:pinge", 17);
	say(b, s, " d7:command4:pinge", 18);
	say(b, s, long_cookie, 318);
	say(b, s, "c1 hello", 8);
	say(b, s, "c2 d7:command", 13);
	say(b, s, "c3 d1:ai1ee", 11);
	say(b, s, "c4 ", 3);
	say(b, s, "c5 d7:command4:pinge", 20);
	run(b);
	assert_int_equal(b->commands, 1);
	assert_non_null(strstr(hear(s), "c1 d12:error-reason"));
	assert_non_null(strstr(hear(s), "c2 d12:error-reason"));
	assert_non_null(strstr(hear(s), "no key \"command\""));
	assert_non_null(strstr(hear(s), "c4 d12:error-reason"));
	assert_string_equal(hear(s), "c5 d6:result2:oke");
	assert_int_equal(ng_stats(b->server)->malformed, 8);
	close(s);
}

/* A lost question is asked again with the same bytes. */
static void
lost_question_is_repeated(void **state)
{
	struct bench *b = *state;
	union addr at;
	char first[200], answer[300];
	socklen_t len = sizeof at;
	int s;

	ng_close(&b->server);
	s = socket_new(&b->server_at);
	ng_call(b->client, &b->server_at, json_pack("{s:s}", "command", "x"),
	    5 * CLOCK_SEC, on_reply, b);
	let_go(b);
	snprintf(first, sizeof first, "%s", hear(s));
	/* not answered: the loop is run until the repetition is there */
	while (is_silent(s)) {
		loop_timer_set(b->guard, 10 * CLOCK_MS);
		loop_run(b->loop);
	}
	b->late = false;
	assert_int_equal(
	    recvfrom(s, answer, sizeof answer, 0, &at.sa, &len), strlen(first));
	assert_memory_equal(answer, first, strlen(first));
	snprintf(answer, sizeof answer, "%.*s d6:result2:oke",
	    (int)strcspn(first, " "), first);
	assert_true(sendto(s, answer, strlen(answer), 0, &at.sa, len) > 0);
	run(b);
	assert_int_equal(b->replies, 1);
	assert_non_null(b->reply);
	assert_true(ng_stats(b->client)->resent >= 1);
	close(s);
}

/* Silence ends with an error, once. */
static void
silence_times_out(void **state)
{
	struct bench *b = *state;

	b->hold = true;
	ng_call(b->client, &b->server_at, json_pack("{s:s}", "command", "x"),
	    300 * CLOCK_MS, on_reply, b);
	while (b->replies == 0)
		run(b);
	assert_int_equal(b->err.code, ERR_TIMEOUT);
	ng_reply(b->held, json_object());
	loop_timer_set(b->guard, 50 * CLOCK_MS);
	loop_run(b->loop);
	b->late = false;
	assert_int_equal(b->replies, 1);
}

/* An answer counts only when it comes from where the question went. */
static void
answer_of_a_stranger_is_ignored(void **state)
{
	struct bench *b = *state;
	union addr at, asker;
	socklen_t len = sizeof asker;
	char text[200], answer[300];
	int s, stranger = socket_new(&at);
	ssize_t n;

	ng_close(&b->server);
	s = socket_new(&b->server_at);
	ng_call(b->client, &b->server_at, json_pack("{s:s}", "command", "x"),
	    5 * CLOCK_SEC, on_reply, b);
	let_go(b);
	n = recvfrom(s, text, sizeof text - 1, 0, &asker.sa, &len);
	assert_true(n > 0);
	text[n] = '\0';
	snprintf(answer, sizeof answer, "%.*s d1:ai666e6:result2:oke",
	    (int)strcspn(text, " "), text);
	sendto(stranger, answer, strlen(answer), 0, &asker.sa, len);
	snprintf(answer, sizeof answer, "%.*s d6:result2:oke",
	    (int)strcspn(text, " "), text);
	sendto(s, answer, strlen(answer), 0, &asker.sa, len);
	run(b);
	assert_int_equal(ng_int(b->reply, "a", 0), 0);
	close(s);
	close(stranger);
}

/* A question that nobody wants answered any more is dropped. */
static void
forgotten_question_is_silent(void **state)
{
	struct bench *b = *state;

	ng_call(b->client, &b->server_at, json_pack("{s:s}", "command", "x"),
	    5 * CLOCK_SEC, on_reply, b);
	ng_forget(b->client, b);
	run(b); /* the command */
	loop_timer_set(b->guard, 50 * CLOCK_MS);
	loop_run(b->loop);
	b->late = false;
	assert_int_equal(b->replies, 0);
}

/* A question that no datagram can hold fails without being sent. */
static void
oversized_question_fails(void **state)
{
	struct bench *b = *state;
	char *big = test_calloc(70001, 1);

	memset(big, 'x', 70000);
	ng_call(b->client, &b->server_at,
	    json_pack("{s:s, s:s}", "command", "x", "sdp", big), CLOCK_SEC,
	    on_reply, b);
	assert_int_equal(b->replies, 0);
	run(b);
	assert_int_equal(b->err.code, ERR_TOOBIG);
	assert_int_equal(b->commands, 0);
	test_free(big);
}

/* A reply that no datagram can hold becomes an error. */
static void
oversized_reply_is_an_error(void **state)
{
	struct bench *b = *state;
	char *big = test_calloc(70001, 1);

	memset(big, 'x', 70000);
	json_object_set_new(b->answer, "sdp", json_string(big));
	ask(b, "query");
	assert_string_equal(b->err.text, "Reply too large");
	test_free(big);
}

/* A request outlives its endpoint and is then answered into the void. */
static void
request_outlives_its_endpoint(void **state)
{
	struct bench *b = *state;
	union addr at;
	int s = socket_new(&at);

	b->hold = true;
	say(b, s, "c1 d7:command4:pinge", 20);
	run(b);
	ng_close(&b->server);
	ng_reply(b->held, json_object());
	assert_true(is_silent(s));
	close(s);
}

/* An owner may close the endpoint from its own callback. */
static void
endpoint_closes_in_its_callback(void **state)
{
	struct bench *b = *state;
	union addr at;
	int s = socket_new(&at);

	b->close = true;
	say(b, s, "c1 d7:command4:pinge", 20);
	say(b, s, "c2 d7:command4:pinge", 20);
	run(b);
	assert_int_equal(b->commands, 1);
	assert_null(b->server);
	close(s);
}

/* Replies are forgotten by age, by number and by size, the oldest first; a
 * request in work is not. */
static void
replies_are_bounded(void **state)
{
	struct ng_cache c = {0};
	struct ng_cached *e, *busy;
	union addr from;
	char cookie[16];
	unsigned i;

	(void)state;
	addr_parse(&from, "192.0.2.1", 5);
	busy = ng_cache_add(&c, &from, "busy", 4, 0);
	for (i = 0; i < NG_CACHE_ENTRIES + 100; i++) {
		snprintf(cookie, sizeof cookie, "%u", i);
		e = ng_cache_add(&c, &from, cookie, strlen(cookie), i);
		ng_cache_set(&c, e, strdup("x"), 1);
		ng_cache_prune(&c, i);
	}
	assert_int_equal(c.map.count, NG_CACHE_ENTRIES);
	assert_null(ng_cache_find(&c, &from, "0", 1));
	assert_ptr_equal(ng_cache_find(&c, &from, "busy", 4), busy);
	assert_non_null(ng_cache_find(&c, &from, cookie, strlen(cookie)));
	e = ng_cache_add(&c, &from, "big", 3, i);
	ng_cache_set(&c, e, malloc(1), NG_CACHE_BYTES);
	ng_cache_prune(&c, i);
	assert_int_equal(c.map.count, 1);
	assert_true(c.bytes < 100);
	ng_cache_set(&c, busy, strdup("x"), 1);
	ng_cache_prune(&c, NG_REPLY_KEPT - 1);
	assert_int_equal(c.map.count, 1);
	ng_cache_prune(&c, NG_REPLY_KEPT);
	assert_int_equal(c.map.count, 0);
	ng_cache_fini(&c);
}

/* Work that is not answered is bounded: more is not taken. */
static void
open_requests_are_bounded(void **state)
{
	struct bench *b = *state;
	union addr at;
	char text[40];
	unsigned i;
	int s = socket_new(&at);

	b->hold = true;
	for (i = 0; i < 4200; i++) {
		say(b, s, text,
		    (size_t)snprintf(
			text, sizeof text, "%u d7:command1:xe", i));
		if (i < 4096)
			run(b);
	}
	loop_timer_set(b->guard, 20 * CLOCK_MS);
	loop_run(b->loop);
	b->late = false;
	assert_int_equal(b->commands, 4096);
	assert_int_equal(ng_stats(b->server)->refused, 104);
	for (i = 0; i < 4096; i++)
		ng_fail(b->all[i], "no");
	close(s);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(question_is_answered),
	    TEST(only_who_may_is_heard),
	    TEST(pong_is_good),
	    TEST(refusal_carries_its_words),
	    TEST(load_limit_is_full),
	    TEST(repetition_runs_once),
	    TEST(repetition_in_work_waits),
	    TEST(json_is_answered_in_json),
	    TEST(unreadable_is_refused),
	    TEST(lost_question_is_repeated),
	    TEST(silence_times_out),
	    TEST(answer_of_a_stranger_is_ignored),
	    TEST(forgotten_question_is_silent),
	    TEST(oversized_question_fails),
	    TEST(oversized_reply_is_an_error),
	    TEST(request_outlives_its_endpoint),
	    TEST(endpoint_closes_in_its_callback),
	    TEST(replies_are_bounded),
	    TEST(open_requests_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
