/* JSON-RPC between processes, and the loop it runs in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/loop.h"
#include "daemon/base/rpc.h"

struct end {
	struct rpc *rpc;
	struct rpc_request *kept;
	int requests, closed;
	char why[ERR_TEXT_MAX];
};

struct pair {
	struct loop *loop;
	struct end a, b;
};

struct answer {
	struct loop *loop;
	int calls;
	json_t *result;
	struct err err;
};

static void
on_answer(void *arg, json_t *result, const struct err *e)
{
	struct answer *a = arg;

	a->calls++;
	a->result = json_incref(result);
	if (e != NULL)
		a->err = *e;
	loop_stop(a->loop);
}

static void
on_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct end *end = arg;

	(void)rpc;
	end->requests++;
	if (q == NULL)
		return;
	if (strcmp(method, "echo") == 0)
		rpc_reply(q, json_incref(params));
	else if (strcmp(method, "keep") == 0)
		end->kept = q;
	else
		rpc_failf(q, ERR_ABSENT, "%s: absent \x1b", method);
}

static void
on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct end *end = arg;

	end->closed++;
	snprintf(end->why, sizeof end->why, "%s", why->text);
	rpc_close(&rpc);
	end->rpc = NULL;
}

static int
setup(void **state)
{
	struct pair *p = calloc(1, sizeof *p);
	struct rpc_handler h = {
	    .on_request = on_request, .on_closed = on_closed};
	int fd[2];

	p->loop = loop_new();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0)
		return -1;
	h.arg = &p->a;
	p->a.rpc = rpc_open(p->loop, fd[0], &h);
	h.arg = &p->b;
	h.max_in = 4096;
	p->b.rpc = rpc_open(p->loop, fd[1], &h);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *p = *state;

	rpc_close(&p->a.rpc);
	rpc_close(&p->b.rpc);
	loop_stop(p->loop);
	loop_run(p->loop);
	loop_free(&p->loop);
	free(p);
	return 0;
}

static struct answer
ask(struct pair *p, const char *method, json_t *params)
{
	struct answer a = {.loop = p->loop};

	rpc_call(p->a.rpc, method, params, 5000000, on_answer, &a);
	assert_int_equal(a.calls, 0);
	loop_run(p->loop);
	assert_int_equal(a.calls, 1);
	return a;
}

/* What is asked comes back, whatever bytes it holds. */
static void
request_is_answered_by_the_other_end(void **state)
{
	struct answer a = ask(*state, "echo", json_pack("{s:s}", "x", "a\nb"));

	assert_string_equal(
	    json_string_value(json_object_get(a.result, "x")), "a\nb");
	json_decref(a.result);
}

/* An error keeps its code and its words, made safe. */
static void
error_carries_code_and_safe_words(void **state)
{
	struct answer a = ask(*state, "nothing", NULL);

	assert_null(a.result);
	assert_int_equal(a.err.code, ERR_ABSENT);
	assert_string_equal(a.err.text, "nothing: absent \\x1b");
}

/* A peer that goes away fails what it was asked. */
static void
close_fails_open_calls_once(void **state)
{
	struct pair *p = *state;
	struct answer a = {.loop = p->loop};

	rpc_call(p->a.rpc, "keep", NULL, 0, on_answer, &a);
	while (p->b.kept == NULL) {
		struct answer b = ask(p, "echo", json_object());
		json_decref(b.result);
	}
	rpc_close(&p->b.rpc);
	loop_run(p->loop);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.err.code, ERR_CLOSED);
	rpc_reply(p->b.kept, NULL); /* too late: does nothing */
}

/* No answer in time is an error of its own; the late answer is dropped. */
static void
silence_times_out(void **state)
{
	struct pair *p = *state;
	struct answer a = {.loop = p->loop};

	rpc_call(p->a.rpc, "keep", NULL, 1000, on_answer, &a);
	loop_run(p->loop);
	assert_int_equal(a.err.code, ERR_TIMEOUT);
	if (p->b.kept != NULL)
		rpc_reply(p->b.kept, NULL);
	a = ask(p, "echo", json_object());
	json_decref(a.result);
}

/* A message over the limit is refused and the stream is closed. */
static void
oversized_message_closes_the_stream(void **state)
{
	struct pair *p = *state;
	char big[8192];
	struct answer a;

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	a = ask(p, "echo", json_pack("{s:s}", "x", big));
	assert_int_equal(a.err.code, ERR_CLOSED);
	assert_int_equal(p->b.closed, 1);
	assert_non_null(strstr(p->b.why, "4096"));
}

/* Every malformed line has an answer that says what was expected. */
static void
decode_names_what_was_expected(void **state)
{
	static const struct {
		const char *line, *words;
	} bad[] = {
	    {"{", "JSON"},
	    {"[1]", "object"},
	    {"{\"jsonrpc\":\"1.0\"}", "jsonrpc"},
	    {"{\"jsonrpc\":\"2.0\"}", "method"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":3}", "method"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":3}", "params"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":[]}", "id"},
	    {"{\"jsonrpc\":\"2.0\",\"result\":1,\"error\":{}}", "result"},
	};
	struct rpc_message m;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(
		    rpc_decode(&m, bad[i].line, strlen(bad[i].line), &e),
		    -ERR_SYNTAX);
		assert_non_null(strstr(e.text, bad[i].words));
		assert_null(m.root);
	}
}

static int ticks[4], nticks;

static void
tick(void *arg)
{
	ticks[nticks++] = *(int *)arg;
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

/* Deferred work runs once, in order, before the loop sleeps. */
static void
deferred_work_runs_in_order(void **state)
{
	struct loop *l = loop_new();
	int ids[3] = {1, 2, 3};
	struct loop_defer d[3];
	struct loop_timer *t = loop_timer_new(l, stop, l);
	int i;

	(void)state;
	nticks = 0;
	for (i = 0; i < 3; i++) {
		d[i] = (struct loop_defer){.fn = tick, .arg = &ids[i]};
		loop_defer(l, &d[i]);
		loop_defer(l, &d[i]);
	}
	loop_defer_cancel(l, &d[1]);
	loop_timer_set(t, 1000);
	assert_true(loop_timer_is_set(t));
	loop_run(l);
	assert_int_equal(nticks, 2);
	assert_int_equal(ticks[0], 1);
	assert_int_equal(ticks[1], 3);
	loop_timer_free(&t);
	loop_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		request_is_answered_by_the_other_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		error_carries_code_and_safe_words, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		close_fails_open_calls_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(silence_times_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		oversized_message_closes_the_stream, setup, teardown),
	    cmocka_unit_test(decode_names_what_was_expected),
	    cmocka_unit_test(deferred_work_runs_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
