/* Where a call goes, and what becomes of it when owners come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"
#include "daemon/control/control.h"

static const struct op
    op_read = {.name = "show it", .kind = OP_READ, .role = ROLE_ST},
    op_config = {.name = "set it", .kind = OP_CONFIG, .role = ROLE_ST},
    op_action = {.name = "request it", .kind = OP_ACTION, .role = ROLE_ST};

/* A refusal proves that nothing happened; silence does not, and only what may
 * be repeated is asked again. */
static void
fates_follow_the_kind(void **state)
{
	static const struct {
		enum op_kind kind;
		enum err_code code;
		enum route_fate fate;
	} cases[] = {
	    {OP_READ, ERR_NOOWNER, ROUTE_AGAIN},
	    {OP_CONFIG, ERR_NOOWNER, ROUTE_AGAIN},
	    {OP_ACTION, ERR_NOOWNER, ROUTE_AGAIN},
	    {OP_READ, ERR_CLOSED, ROUTE_AGAIN},
	    {OP_CONFIG, ERR_CLOSED, ROUTE_AGAIN},
	    {OP_ACTION, ERR_CLOSED, ROUTE_UNKNOWN},
	    {OP_READ, ERR_TIMEOUT, ROUTE_DELIVER},
	    {OP_CONFIG, ERR_TIMEOUT, ROUTE_UNKNOWN},
	    {OP_ACTION, ERR_TIMEOUT, ROUTE_UNKNOWN},
	    {OP_READ, ERR_ABSENT, ROUTE_DELIVER},
	    {OP_CONFIG, ERR_CONFLICT, ROUTE_DELIVER},
	    {OP_ACTION, ERR_REFUSED, ROUTE_DELIVER},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(
		    route_fate(cases[i].kind, cases[i].code), cases[i].fate);
}

/* ---- a route with owners that the test makes ---------------------------- */

enum mood { ANSWERS, REFUSES, SILENT };

struct world {
	struct loop *loop;
	struct route *route;
	struct rpc *here, *there; /* our end of the link, the owner's */
	enum mood mood;
	char asked[256]; /* numbers of the calls that reached an owner */
	char answered[256];
	struct err err;
	json_t *data;
	unsigned open;
	struct loop_timer *limit;
};

static void
on_ask(void *arg, struct rpc *rpc, struct rpc_request *q, const char *method,
    json_t *params)
{
	struct world *w = arg;
	size_t used = strlen(w->asked);

	(void)rpc;
	(void)method;
	snprintf(w->asked + used, sizeof w->asked - used, "%d ",
	    (int)json_integer_value(json_object_get(params, "n")));
	if (w->mood == ANSWERS)
		rpc_reply(
		    q, json_pack("{s:O}", "n", json_object_get(params, "n")));
	else if (w->mood == REFUSES)
		rpc_failf(q, ERR_NOOWNER, "not me");
	else
		loop_stop(w->loop);
}

static void
on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct world *w = arg;

	(void)why;
	if (w->here == rpc)
		w->here = NULL;
	else if (w->there == rpc)
		w->there = NULL;
	rpc_close(&rpc);
}

/* An owner is there; the route was not told yet. */
static void
owner_appears(struct world *w, enum mood mood)
{
	struct rpc_handler h = {
	    .on_request = on_ask, .on_closed = on_closed, .arg = w};
	int s[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	w->mood = mood;
	w->here = rpc_open(w->loop, s[0], &h);
	w->there = rpc_open(w->loop, s[1], &h);
}

static void
owner_comes(struct world *w, enum mood mood)
{
	owner_appears(w, mood);
	route_wake(w->route);
}

static void
owner_dies(struct world *w)
{
	rpc_close(&w->there);
}

static struct rpc *
find_owner(void *arg, unsigned role)
{
	struct world *w = arg;

	assert_int_equal(role, ROLE_ST);
	return w->here;
}

static void
on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing happened within the limit");
}

static struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof *w);

	w->loop = loop_new();
	w->route = route_new(w->loop, find_owner, w);
	w->limit = loop_timer_new(w->loop, on_limit, w);
	return w;
}

static void
run(struct world *w)
{
	loop_timer_set(w->limit, 20 * CLOCK_SEC);
	loop_run(w->loop);
	loop_timer_cancel(w->limit);
}

/* What is ready now, and nothing that is still to come. */
static void
turn(struct world *w)
{
	struct loop_timer *t = loop_timer_new(
	    w->loop, (loop_fn *)loop_stop, w->loop);

	loop_timer_set(t, 0);
	loop_run(w->loop);
	loop_timer_free(&t);
}

static void
world_free(struct world *w)
{
	route_free(&w->route);
	rpc_close(&w->here);
	rpc_close(&w->there);
	turn(w);
	json_decref(w->data);
	loop_timer_free(&w->limit);
	loop_free(&w->loop);
	free(w);
}

static void
on_done(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct world *w = arg;
	size_t used = strlen(w->answered);

	w->err = e != NULL ? *e : (struct err){0};
	json_decref(w->data);
	w->data = json_incref(data);
	snprintf(w->answered + used, sizeof w->answered - used, "%d ",
	    e != NULL ? -1
		      : (int)json_integer_value(json_object_get(result, "n")));
	if (--w->open == 0)
		loop_stop(w->loop);
}

static void
ask(struct world *w, const struct op *op, int n)
{
	w->open++;
	route_call(w->route, op, json_pack("{s:i}", "n", n), on_done, w);
}

/* A call goes to the owner, its answer back. */
static void
calls_reach_the_owner(void **state)
{
	struct world *w = world_new();

	(void)state;
	owner_comes(w, ANSWERS);
	ask(w, &op_config, 1);
	run(w);
	assert_string_equal(w->answered, "1 ");
	world_free(w);
}

/* While there is no owner calls wait; then they go in the order they came. */
static void
calls_wait_in_order(void **state)
{
	struct world *w = world_new();

	(void)state;
	ask(w, &op_config, 1);
	ask(w, &op_config, 2);
	ask(w, &op_read, 3);
	turn(w);
	assert_string_equal(w->answered, "");
	owner_comes(w, ANSWERS);
	ask(w, &op_config, 4);
	run(w);
	assert_string_equal(w->asked, "1 2 3 4 ");
	assert_string_equal(w->answered, "1 2 3 4 ");
	world_free(w);
}

/* A call that comes when an owner is there already does not overtake those
 * that wait. */
static void
a_new_call_does_not_overtake(void **state)
{
	struct world *w = world_new();

	(void)state;
	ask(w, &op_config, 1);
	owner_appears(w, ANSWERS);
	ask(w, &op_config, 2);
	run(w);
	assert_string_equal(w->asked, "1 2 ");
	world_free(w);
}

/* An owner that dies unanswered: what may be repeated goes to the next one, in
 * order; an action is told to be unknown and never done twice. */
static void
a_dead_owner_is_replaced(void **state)
{
	struct world *w = world_new();

	(void)state;
	owner_comes(w, SILENT);
	ask(w, &op_config, 1);
	ask(w, &op_action, 2);
	ask(w, &op_config, 3);
	ask(w, &op_read, 4);
	while (strcmp(w->asked, "1 2 3 4 ") != 0)
		run(w);
	owner_dies(w);
	while (w->open == 4)
		turn(w);
	assert_string_equal(w->answered, "-1 ");
	assert_int_equal(w->err.code, ERR_TIMEOUT);
	assert_non_null(strstr(w->err.text, "result unknown"));
	w->asked[0] = w->answered[0] = '\0';
	owner_comes(w, ANSWERS);
	run(w);
	assert_string_equal(w->asked, "1 3 4 ");
	assert_string_equal(w->answered, "1 3 4 ");
	world_free(w);
}

/* A link that is closed from our side is the same as one that broke. */
static void
an_unlinked_owner_is_replaced(void **state)
{
	struct world *w = world_new();

	(void)state;
	owner_comes(w, SILENT);
	ask(w, &op_config, 1);
	run(w);
	route_unlink(w->route, w->here);
	rpc_close(&w->here);
	turn(w);
	rpc_close(&w->there);
	owner_comes(w, ANSWERS);
	run(w);
	assert_string_equal(w->answered, "1 ");
	world_free(w);
}

/* One that says it is no owner is asked again until patience ends. */
static void
patience_ends(void **state)
{
	struct world *w = world_new();
	uint64_t start = clock_mono();

	(void)state;
	owner_comes(w, REFUSES);
	ask(w, &op_action, 1);
	run(w);
	assert_int_equal(w->err.code, ERR_NOOWNER);
	assert_non_null(strstr(w->err.text, "st has no owner"));
	assert_true(clock_mono() - start >= ROUTE_PATIENCE);
	w->mood = ANSWERS;
	ask(w, &op_action, 2);
	run(w);
	assert_int_equal(w->err.code, 0);
	world_free(w);
}

static void
on_ask_conflict(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct err e;

	(void)arg;
	(void)rpc;
	(void)method;
	(void)params;
	err_set(&e, ERR_CONFLICT, "both");
	rpc_fail_data(q, &e, json_pack("{s:s}", "theirs", "A"));
}

/* What an owner adds to its error comes through. */
static void
error_data_comes_through(void **state)
{
	struct world *w = world_new();
	struct rpc_handler h = {
	    .on_request = on_ask_conflict, .on_closed = on_closed, .arg = w};
	int s[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	w->here = rpc_open(w->loop, s[0], &h);
	w->there = rpc_open(w->loop, s[1], &h);
	ask(w, &op_config, 1);
	run(w);
	assert_int_equal(w->err.code, ERR_CONFLICT);
	assert_string_equal(
	    json_string_value(json_object_get(w->data, "theirs")), "A");
	world_free(w);
}

/* ---- every instance ----------------------------------------------------- */

/* Rows of all instances in their order; the silent one is a warning. */
static void
rows_are_joined(void **state)
{
	const char *const names[] = {"sg/1", "sg/2", "sg/3"};
	json_t *results[] = {
	    json_pack("{s:[{s:i}], s:[s]}", "data", "n", 1, "warn", "w"), NULL,
	    json_pack("[{s:i}]", "n", 3)};
	struct err errs[3] = {{0}, {.code = ERR_TIMEOUT}, {0}};
	json_t *all = each_join(names, results, errs, 3);
	json_t *rows = json_object_get(all, "data"),
	       *warn = json_object_get(all, "warn");

	(void)state;
	assert_int_equal(json_array_size(rows), 2);
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(rows, 0), "n")),
	    1);
	/* a bare list does not say whose its rows are */
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(rows, 1), "instance")),
	    "sg/3");
	assert_int_equal(json_array_size(warn), 2);
	assert_string_equal(
	    json_string_value(json_array_get(warn, 1)), "sg/2: no answer");
	assert_true(json_is_true(json_object_get(all, "partial")));
	json_decref(all);
	json_decref(results[0]);
	json_decref(results[2]);
}

/* What one has others lack: that is no warning, and absent only when all of
 * them have answered so. */
static void
absent_at_some_is_no_news(void **state)
{
	const char *const names[] = {"sg/1", "sg/2"};
	json_t *some[] = {NULL, json_pack("{s:[{s:i}]}", "data", "n", 1)},
	       *none[] = {NULL, NULL};
	struct err errs[2] = {{.code = ERR_ABSENT}, {.code = ERR_TIMEOUT}};
	json_t *all = each_join(names, some, errs, 2);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(all, "warn")), 0);
	assert_null(json_object_get(all, "partial"));
	assert_null(each_failed(some, errs, 2));
	assert_int_equal(each_failed(none, errs, 2)->code, ERR_TIMEOUT);
	errs[1].code = ERR_ABSENT;
	assert_int_equal(each_failed(none, errs, 2)->code, ERR_ABSENT);
	assert_null(each_failed(none, errs, 0));
	/* The one that it is for has words of its own. */
	str_copy(errs[0].text, sizeof errs[0].text, err_text(ERR_ABSENT));
	str_copy(errs[1].text, sizeof errs[1].text, "no such key");
	assert_ptr_equal(each_failed(none, errs, 2), &errs[1]);
	json_decref(all);
	json_decref(some[1]);
}

/* A silent instance holds a list up for EACH_TIMEOUT at most; one whose link
 * goes, not even that; nobody at all is an empty list. */
static void
nobody_is_waited_for_long(void **state)
{
	struct world *w = world_new();
	struct eaches all = TAILQ_HEAD_INITIALIZER(all);
	struct each_target to[1] = {{.name = "sg/1"}};

	(void)state;
	w->open = 1;
	each_call(&all, "show it", NULL, to, 0, on_done, w);
	assert_int_equal(w->open, 0);
	assert_int_equal(w->err.code, 0);
	owner_comes(w, SILENT);
	to[0].rpc = w->here;
	w->open = 1;
	each_call(&all, "show it", json_object(), to, 1, on_done, w);
	while (w->open > 0)
		run(w);
	assert_int_equal(w->err.code, ERR_TIMEOUT);
	w->open = 1;
	each_call(&all, "show it", json_object(), to, 1, on_done, w);
	each_unlink(&all, w->here);
	assert_int_equal(w->open, 0);
	assert_int_equal(w->err.code, ERR_CLOSED);
	assert_true(TAILQ_EMPTY(&all));
	/* a server that is not connected is told of at once */
	to[0] = (struct each_target){.name = "srv2", .far = true};
	w->open = 1;
	each_call(&all, "show it", json_object(), to, 1, on_done, w);
	assert_int_equal(w->open, 0);
	assert_string_equal(w->err.text, "not connected");
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fates_follow_the_kind),
	    cmocka_unit_test(calls_reach_the_owner),
	    cmocka_unit_test(calls_wait_in_order),
	    cmocka_unit_test(a_new_call_does_not_overtake),
	    cmocka_unit_test(a_dead_owner_is_replaced),
	    cmocka_unit_test(an_unlinked_owner_is_replaced),
	    cmocka_unit_test(patience_ends),
	    cmocka_unit_test(error_data_comes_through),
	    cmocka_unit_test(rows_are_joined),
	    cmocka_unit_test(absent_at_some_is_no_news),
	    cmocka_unit_test(nobody_is_waited_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
