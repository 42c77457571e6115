/*
 * What a request of HTTP means (ws_route.c), what its answer looks like
 * (ws_answer.c), and who is heard (ws_guard.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/table.h"
#include "daemon/ws/ws.h"

/* The plan of a request, its steps as JSON; NULL: status is what is said. */
static void
plan_is(
    enum ws_method method, const char *uri, const char *body, const char *steps)
{
	struct ws_plan plan;
	char *text;

	ws_route(&plan, daemon_table(), method, uri, body,
	    body != NULL ? strlen(body) : 0);
	if (plan.status != 0)
		fail_msg("%s: %d %s", uri, plan.status, plan.err.text);
	text = json_dumps(plan.steps, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, steps);
	free(text);
	ws_plan_fini(&plan);
}

static void
plan_refuses(
    enum ws_method method, const char *uri, const char *body, int status)
{
	struct ws_plan plan;

	ws_route(&plan, daemon_table(), method, uri, body,
	    body != NULL ? strlen(body) : 0);
	if (plan.status != status)
		fail_msg("%s: %d, not %d", uri, plan.status, status);
	assert_true(plan.err.text[0] != '\0');
	assert_int_equal(status == 405, plan.allow != NULL);
	ws_plan_fini(&plan);
}

static void
operations_are_paths(void **state)
{
	(void)state;
	plan_is(WS_GET, "/v1/show/version", NULL,
	    "[{\"method\":\"show version\",\"params\":{}}]");
	/* the longest name counts: show audit verify, not show audit */
	plan_is(WS_GET, "/v1/show/audit/verify", NULL,
	    "[{\"method\":\"show audit verify\",\"params\":{}}]");
}

static void
arguments_are_path_query_and_body(void **state)
{
	(void)state;
	plan_is(WS_GET, "/v1/show/users?domain=a.test&limit=2", NULL,
	    "[{\"method\":\"show users\",\"params\":{\"domain\":\"a.test\","
	    "\"limit\":\"2\"}}]");
	plan_is(WS_GET, "/v1/show/ownership?all", NULL,
	    "[{\"method\":\"show ownership\",\"params\":{\"all\":true}}]");
	plan_is(WS_GET, "/v1/show/call/a%2Fb?id=other", NULL,
	    "[{\"method\":\"show call\",\"params\":{\"id\":\"a/b\"}}]");
	plan_is(WS_POST, "/v1/request/session/message/srv1.aabbcc",
	    "{\"text\": \"good evening\"}",
	    "[{\"method\":\"request session message\",\"params\":{\"session\":"
	    "\"srv1.aabbcc\",\"text\":\"good evening\"}}]");
	plan_is(WS_POST, "/v1/delete/domain/a.test/user/101?commit",
	    "{\"fields\": [\"name\"]}",
	    "[{\"method\":\"delete\",\"params\":{\"fields\":[\"name\"],"
	    "\"path\":\"domain a.test user 101\"}},"
	    "{\"method\":\"commit\",\"params\":{}}]");
	/* a name that comes again is a list */
	plan_is(WS_GET, "/v1/show/users?domain=a&domain=b&domain=c", NULL,
	    "[{\"method\":\"show users\",\"params\":{\"domain\":"
	    "[\"a\",\"b\",\"c\"]}}]");
}

static void
objects_are_paths(void **state)
{
	(void)state;
	plan_is(WS_GET, "/v1/config/domain/a.test/user", NULL,
	    "[{\"method\":\"show configuration\",\"params\":"
	    "{\"path\":\"domain a.test user\"}}]");
	plan_is(WS_GET, "/v1/config", NULL,
	    "[{\"method\":\"show configuration\",\"params\":{}}]");
	plan_is(WS_PATCH, "/v1/config/domain/a.test?comment=a+b&confirmed=5",
	    "{\"description\": null}",
	    "[{\"method\":\"set\",\"params\":{\"path\":\"domain a.test\","
	    "\"values\":{\"description\":null}}},{\"method\":\"commit\","
	    "\"params\":{\"comment\":\"a b\",\"confirmed\":\"5\"}}]");
	plan_is(WS_PATCH, "/v1/config/domain/a.test", NULL,
	    "[{\"method\":\"set\",\"params\":{\"path\":\"domain a.test\"}},"
	    "{\"method\":\"commit\",\"params\":{}}]");
	plan_is(WS_DELETE, "/v1/config/domain/a.test", NULL,
	    "[{\"method\":\"delete\",\"params\":{\"path\":\"domain a.test\"}},"
	    "{\"method\":\"commit\",\"params\":{}}]");
}

static void
batches_are_steps(void **state)
{
	(void)state;
	plan_is(WS_POST, "/v1/rpc",
	    "[{\"jsonrpc\":\"2.0\",\"method\":\"check\"},"
	    "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{},\"id\":null}]",
	    "[{\"method\":\"check\"},"
	    "{\"id\":null,\"method\":\"x\",\"params\":{}}]");
	plan_refuses(WS_POST, "/v1/rpc", "[]", 400);
	plan_refuses(WS_POST, "/v1/rpc", NULL, 400);
	plan_refuses(WS_POST, "/v1/rpc", "[1]", 400);
	plan_refuses(WS_POST, "/v1/rpc",
	    "{\"jsonrpc\":\"1.0\",\"method\":\"check\"}", 400);
	plan_refuses(WS_POST, "/v1/rpc",
	    "{\"jsonrpc\":\"2.0\",\"method\":\"check\",\"id\":{}}", 400);
	plan_refuses(WS_POST, "/v1/rpc",
	    "{\"jsonrpc\":\"2.0\",\"method\":\"check\",\"params\":[1]}", 400);
}

static void
nonsense_is_refused(void **state)
{
	char deep[200];
	size_t n = 0;

	(void)state;
	plan_refuses(WS_GET, "/", NULL, 404);
	plan_refuses(WS_GET, "", NULL, 404);
	plan_refuses(WS_GET, "/v2/show/version", NULL, 404);
	plan_refuses(WS_GET, "/v1/show", NULL, 404);
	plan_refuses(WS_GET, "/v1/show/version/more", NULL, 404);
	plan_refuses(WS_GET, "/v1/show%20version", NULL, 400);
	plan_refuses(WS_GET, "/v1/show/call/%00", NULL, 400);
	plan_refuses(WS_GET, "/v1/show/call/%ff", NULL, 400);
	plan_refuses(WS_GET, "/v1/show/version?=x", NULL, 400);
	plan_refuses(WS_GET, "/v1/show/version?x=%ff", NULL, 400);
	plan_refuses(WS_POST, "/v1/show/version", NULL, 405);
	plan_refuses(WS_GET, "/v1/commit", NULL, 405);
	plan_refuses(WS_OTHER, "/v1/config/domain/a", NULL, 405);
	plan_refuses(WS_POST, "/metrics", NULL, 405);
	plan_refuses(WS_POST, "/v1/commit", "[]", 400);
	plan_refuses(WS_POST, "/v1/commit", "{\"a\":1,\"a\":2}", 400);
	/* a word that is meant to hold a commit back is not passed over */
	plan_refuses(WS_PATCH, "/v1/config/domain/a?confirm=5", NULL, 400);
	plan_refuses(WS_DELETE, "/v1/config/domain/a?commit", NULL, 400);
	plan_refuses(WS_POST, "/v1/set?force", "{}", 400);
	plan_refuses(WS_POST, "/v1/request/unban/192.0.2.1?x", NULL, 400);
	while (n < sizeof deep - 3)
		n += (size_t)sprintf(deep + n, "/x");
	plan_refuses(WS_GET, deep, NULL, 413);
}

/* ---- answers ----------------------------------------------------------------
 */

static void
set_lines_become_objects(void **state)
{
	json_t *result = json_pack("{s:[{s:s}, {s:s}], s:i, s:[]}", "data",
	    "line", "set domain a.test user 101 max-contacts 3", "line",
	    "set domain a.test alias [b.test c.test]", "rev", 4, "warn");
	struct ws_result r = {.method = "show configuration", .result = result};
	json_t *o = ws_answer_config(daemon_table(), &r);
	char *text = json_dumps(
	    json_object_get(o, "data"), JSON_COMPACT | JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(text,
	    "[{\"path\":\"domain a.test user 101\","
	    "\"values\":{\"max-contacts\":3}},"
	    "{\"path\":\"domain a.test\","
	    "\"values\":{\"alias\":[\"b.test\",\"c.test\"]}}]");
	assert_int_equal(json_integer_value(json_object_get(o, "rev")), 4);
	free(text);
	json_decref(o);
	json_decref(result);
}

/* A secret is the word that leaves it as it is, however short that is; a line
 * that is not understood is an error, and never an object less. */
static void
no_line_is_left_out(void **state)
{
	json_t *result = json_pack("{s:[{s:s}], s:i, s:[]}", "data", "line",
	    "set token eye secret $SEALED$ role auditor", "rev", 4, "warn");
	struct ws_result r = {.method = "show configuration", .result = result};
	json_t *o = ws_answer_config(daemon_table(), &r);
	char *text = json_dumps(
	    json_object_get(o, "data"), JSON_COMPACT | JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(text,
	    "[{\"path\":\"token eye\",\"values\":{\"role\":\"auditor\","
	    "\"secret\":\"$SEALED$\"}}]");
	free(text);
	json_decref(o);
	json_array_append_new(json_object_get(result, "data"),
	    json_pack("{s:s}", "line", "set wombat 3"));
	o = ws_answer_config(daemon_table(), &r);
	assert_null(r.result);
	assert_int_equal(r.err.code, ERR_INTERNAL);
	assert_true(json_is_false(json_object_get(o, "ok")));
	assert_non_null(
	    strstr(json_string_value(json_object_get(o, "message")), "wombat"));
	json_decref(o);
	json_decref(result);
}

static void
metrics_stand_by_families(void **state)
{
	json_t *rows = json_pack("[{s:s, s:s, s:i, s:s}, {s:s, s:s, s:i, s:s},"
				 " {s:s, s:s, s:i, s:s}]",
	    "instance", "sg/1", "counter", "sip-in", "value", 5, "about", "in",
	    "instance", "sg/1", "counter", "bans", "value", 0, "about", "who",
	    "instance", "sg/2", "counter", "sip-in", "value", 7, "about", "in");
	json_t *alarms = json_pack("[{s:s, s:s, s:s}]", "alarm", "link",
	    "subject", "a \"b\"\n\\", "server", "srv1");
	struct buf b = BUF_INIT;

	(void)state;
	ws_answer_metrics(rows, alarms, &b);
	assert_string_equal(b.data,
	    "# HELP tandem_sip_in in\n# TYPE tandem_sip_in untyped\n"
	    "tandem_sip_in{process=\"sg/1\"} 5\n"
	    "tandem_sip_in{process=\"sg/2\"} 7\n"
	    "# HELP tandem_bans who\n# TYPE tandem_bans untyped\n"
	    "tandem_bans{process=\"sg/1\"} 0\n"
	    "# HELP tandem_alarm what is wrong now\n"
	    "# TYPE tandem_alarm gauge\n"
	    "tandem_alarm{alarm=\"link\",subject=\"a \\\"b\\\"\\n\\\\\","
	    "server=\"srv1\"} 1\n");
	buf_fini(&b);
	json_decref(rows);
	json_decref(alarms);
}

/* ---- guard ------------------------------------------------------------------
 */

static void
a_token_has_its_rate(void **state)
{
	struct ws_guard g = {0};
	unsigned wait, i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_true(ws_guard_spend(&g, "a", 5, CLOCK_SEC, &wait));
	assert_false(ws_guard_spend(&g, "a", 5, CLOCK_SEC, &wait));
	assert_int_equal(wait, 1);
	assert_true(ws_guard_spend(&g, "b", 5, CLOCK_SEC, &wait));
	assert_true(ws_guard_spend(&g, "a", 5, CLOCK_SEC * 12 / 10, &wait));
	assert_false(ws_guard_spend(&g, "a", 5, CLOCK_SEC * 12 / 10, &wait));
	/* what was saved is a second's */
	for (i = 0; i < 5; i++)
		assert_true(ws_guard_spend(&g, "a", 5, 50 * CLOCK_SEC, &wait));
	assert_false(ws_guard_spend(&g, "a", 5, 50 * CLOCK_SEC, &wait));
	ws_guard_fini(&g);
}

static void
who_guesses_is_not_heard(void **state)
{
	struct ws_guard g = {0};
	union addr a, same, other;
	unsigned i;

	(void)state;
	addr_parse(&a, "2001:db8:1:2::1", 1);
	addr_parse(&same, "2001:db8:1:2::ffff", 2);
	addr_parse(&other, "2001:db8:1:3::1", 1);
	for (i = 0; i < WS_FAILURES; i++) {
		assert_true(ws_guard_hears(&g, &a, CLOCK_SEC));
		ws_guard_failed(&g, &a, 1, CLOCK_SEC);
	}
	assert_false(ws_guard_hears(&g, &a, CLOCK_SEC));
	assert_false(ws_guard_hears(&g, &same, CLOCK_SEC));
	assert_true(ws_guard_hears(&g, &other, CLOCK_SEC));
	assert_true(ws_guard_hears(&g, &a, 2 * CLOCK_SEC + WS_BAN));
	assert_false(ws_guard_shuns(&g, &a, CLOCK_SEC));
	ws_guard_failed(&g, &a, 1, 2 * CLOCK_SEC + WS_BAN);
	assert_true(ws_guard_hears(&g, &a, 2 * CLOCK_SEC + WS_BAN));
	ws_guard_failed(&g, &other, WS_FLOOD, CLOCK_SEC);
	assert_true(ws_guard_shuns(&g, &other, CLOCK_SEC));
	assert_false(ws_guard_shuns(&g, &other, 2 * CLOCK_SEC + WS_BAN));
	ws_guard_fini(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(operations_are_paths),
	    cmocka_unit_test(arguments_are_path_query_and_body),
	    cmocka_unit_test(objects_are_paths),
	    cmocka_unit_test(batches_are_steps),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(set_lines_become_objects),
	    cmocka_unit_test(no_line_is_left_out),
	    cmocka_unit_test(metrics_stand_by_families),
	    cmocka_unit_test(a_token_has_its_rate),
	    cmocka_unit_test(who_guesses_is_not_heard),
	};

	op_use_objects(daemon_table()->objs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
