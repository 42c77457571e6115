/* Calls: arguments are canonical before a handler sees them; rows are as the
 * record declares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/fault.h"
#include "tests/lib/op_laws.h"

static struct {
	int calls;
	struct err err;
	char args[1024];
	char result[2048];
} seen;

/* Keep what came out of the call. */
static void
on_done(void *arg, struct op_call *c, const struct err *e)
{
	char *text;
	json_t *result;

	(void)arg;
	seen.calls++;
	seen.err = e != NULL ? *e : (struct err){0};
	if (e != NULL && e->code == ERR_NOMEM)
		return;
	text = json_dumps(c->args, JSON_COMPACT | JSON_SORT_KEYS);
	snprintf(seen.args, sizeof seen.args, "%s", text);
	free(text);
	result = op_result(c);
	text = json_dumps(result, JSON_COMPACT);
	snprintf(seen.result, sizeof seen.result, "%s", text);
	free(text);
	json_decref(result);
}

static int
run(const char *name, const char *args, enum admin_role role)
{
	struct op_who who = {.name = "anna", .role = role};
	json_t *in = args != NULL ? json_loads(args, 0, NULL) : NULL;

	memset(&seen, 0, sizeof seen);
	op_run(op_find(&op_sample, name), in, &who, NULL, on_done, NULL);
	json_decref(in);
	assert_int_equal(seen.calls, 1);
	return (int)seen.err.code;
}

static void
takes(const char *name, const char *args, const char *want)
{
	if (run(name, args, ADMIN_SITE) != 0)
		fail_msg("%s: %s", args, seen.err.text);
	assert_string_equal(seen.args, want);
}

static void
refuses(
    const char *name, const char *args, enum err_code code, const char *words)
{
	if (run(name, args, ADMIN_SITE) != (int)code)
		fail_msg("%s: %d %s", args, seen.err.code, seen.err.text);
	if (strcmp(seen.err.text, words) != 0)
		fail_msg("%s: %s", args, seen.err.text);
}

/* Numbers, booleans, texts and arrays become canonical text; defaults are
 * filled in. */
static void
arguments_are_canonical(void **state)
{
	(void)state;
	takes("show calls", NULL, "{\"limit\":\"100\"}");
	takes("show calls", "{\"limit\":5,\"all\":true,\"domain\":\"A.Test\"}",
	    "{\"all\":\"yes\",\"domain\":\"a.test\",\"limit\":\"5\"}");
	takes("show calls", "{\"limit\":null,\"state\":[\"HELD\"]}",
	    "{\"limit\":\"100\",\"state\":[\"held\"]}");
	takes("show calls", "{\"state\":\"held\"}",
	    "{\"limit\":\"100\",\"state\":[\"held\"]}");
	takes("set",
	    "{\"path\":\"domain A.test user 1\",\"values\":{\"name\":\"x\","
	    "\"ring-time\":\"1m\",\"max-contacts\":3,\"state\":null}}",
	    "{\"path\":\"domain a.test user 1\",\"values\":{"
	    "\"max-contacts\":\"3\",\"name\":\"x\",\"ring-time\":\"60\","
	    "\"state\":null}}");
	takes("set",
	    "{\"path\":\"domain a.test\",\"values\":"
	    "{\"alias\":[\"B.test\",\"c.test\"]}}",
	    "{\"path\":\"domain a.test\",\"values\":"
	    "{\"alias\":\"b.test c.test\"}}");
	takes("set", "{\"path\":\"domain a.test\",\"values\":{\"alias\":[]}}",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":null}}");
	takes("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":\"B.test\"},"
	    "\"before\":\"c.test\",\"first\":false}",
	    "{\"before\":\"c.test\",\"first\":\"no\","
	    "\"path\":\"domain a.test\",\"values\":{\"alias\":\"b.test\"}}");
	takes("delete",
	    "{\"path\":\"domain a.test user 1\",\"fields\":[\"name\"]}",
	    "{\"fields\":[\"name\"],\"path\":\"domain a.test user 1\"}");
}

/* What does not fit is refused with its name in front. */
static void
arguments_are_checked(void **state)
{
	(void)state;
	refuses("show calls", "[]", ERR_INVALID,
	    "expected arguments by their names");
	refuses("show calls", "{\"wombat\":1}", ERR_UNKNOWN,
	    "wombat: no such argument");
	refuses("show calls", "{\"limit\":0}", ERR_INVALID,
	    "limit: expected 1..1000");
	refuses("show calls", "{\"limit\":{}}", ERR_INVALID,
	    "limit: expected a whole number");
	refuses("show calls", "{\"limit\":[1]}", ERR_INVALID,
	    "limit: expected a whole number");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":\"b\"}}",
	    ERR_INVALID, "expected one of before, first or last");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":\"b\"},"
	    "\"first\":true,\"last\":true}",
	    ERR_INVALID, "expected one of before, first or last");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"state\":\"on\"},"
	    "\"first\":true}",
	    ERR_INVALID, "values: state: holds one value, not a list");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":[]},"
	    "\"first\":true}",
	    ERR_INVALID, "values: alias: expected at least one value");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":null},"
	    "\"first\":true}",
	    ERR_INVALID, "values: alias: expected at least one value");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":\"b\","
	    "\"description\":\"x\"},\"first\":true}",
	    ERR_INVALID, "values: expected one field");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{},\"first\":true}",
	    ERR_INVALID, "values: expected one field");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"alias\":\"b..c\"},"
	    "\"first\":true}",
	    ERR_INVALID,
	    "values: alias: expected a domain name such as demo.test");
	refuses("insert",
	    "{\"path\":\"domain a.test\",\"values\":{\"id\":\"b\"},"
	    "\"first\":true}",
	    ERR_INVALID, "values: id: set by the system");
	refuses("request role restart", "{}", ERR_INVALID, "instance: missing");
	refuses("set", "{\"path\":\"domain a.test user\"}", ERR_INVALID,
	    "path: expected a key behind user");
	refuses("set", "{\"path\":\"wombat 3\"}", ERR_UNKNOWN,
	    "path: wombat: no such object");
	refuses("set", "{\"path\":\"domain a.test\",\"values\":{\"x\":1}}",
	    ERR_UNKNOWN, "values: x: no such field of a domain");
	refuses("set", "{\"path\":\"domain a.test\",\"values\":{\"id\":\"1\"}}",
	    ERR_INVALID, "values: id: set by the system");
	refuses("set", "{\"path\":\"domain a.test\",\"values\":[]}",
	    ERR_INVALID, "values: expected an object");
	refuses("set",
	    "{\"path\":\"domain a.test\",\"values\":"
	    "{\"state\":\"off\"}}",
	    ERR_INVALID, "values: state: expected on | suspended");
	refuses("delete", "{\"path\":\"domain a.test\",\"fields\":[]}",
	    ERR_INVALID, "fields: expected at least one field");
	refuses("delete", "{\"path\":\"domain a.test\",\"fields\":[\"x\"]}",
	    ERR_UNKNOWN, "fields: x: no such field of a domain");
}

/* The daemon never takes the name of a file for the secret in it. */
static void
secrets_are_literal(void **state)
{
	(void)state;
	refuses("set",
	    "{\"path\":\"domain a.test user 1\",\"values\":"
	    "{\"password\":\"@file:x\"}}",
	    ERR_INVALID,
	    "values: password: expected the text itself: @ is read by the "
	    "console");
	takes("set",
	    "{\"path\":\"domain a.test user 1\",\"values\":"
	    "{\"password\":\"$SEALED$\"}}",
	    "{\"path\":\"domain a.test user 1\",\"values\":"
	    "{\"password\":\"$SEALED$\"}}");
}

/* Who may not, may not. */
static void
access_is_checked_first(void **state)
{
	(void)state;
	assert_int_equal(run("set", "{}", ADMIN_OPERATOR), ERR_PERMISSION);
	assert_string_equal(seen.err.text, "set: not permitted to anna");
	assert_int_equal(run("show version", NULL, ADMIN_VIEWER), 0);
}

/* Rows carry all declared columns in their order; what was not put is
 * null. */
static void
rows_are_whole(void **state)
{
	(void)state;
	assert_int_equal(run("show calls", "{\"limit\":1}", ADMIN_VIEWER), 0);
	assert_string_equal(seen.result,
	    "{\"data\":[{\"id\":\"{\\\"limit\\\":\\\"1\\\"}\",\"caller\":null,"
	    "\"seconds\":null}],\"rev\":0,\"warn\":[]}");
}

/* Masks hide every secret, and whatever is not known to be none. */
static void
masks_hide_secrets(void **state)
{
	json_t *in = json_loads(
	    "{\"path\":\"domain a.test user 1\",\"what\":\"x\",\"values\":"
	    "{\"name\":\"Al\",\"password\":\"p\",\"odd\":\"q\"}}",
	    0, NULL);
	json_t *out = op_mask(op_find(&op_sample, "set"), in);
	char *text = json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(text,
	    "{\"path\":\"domain a.test user 1\",\"values\":{\"name\":\"Al\","
	    "\"odd\":\"********\",\"password\":\"********\"},"
	    "\"what\":\"********\"}");
	free(text);
	text = json_dumps(in, JSON_COMPACT);
	assert_non_null(strstr(text, "\"p\""));
	free(text);
	json_decref(in);
	json_decref(out);
}

static void
put_everything(struct op_call *c)
{
	op_row(c);
	op_put(c, "text", "bell \x07 \xff");
	op_put(c, "list", "a b");
	op_put_int(c, "int", -5);
	op_put_bool(c, "bool", true);
	op_put_time(c, "time", UINT64_C(1000000));
	op_put_time(c, "never", 0);
	op_put(c, "none", NULL);
	op_warn(c, "%d left", 3);
	c->rev = 12;
	op_finish(c, NULL);
}

/* Each put writes its kind; bytes that are no text are escaped. */
static void
columns_have_their_kinds(void **state)
{
	static const struct op_field cols[] = {
	    {.name = "text", .type = &op_type_text},
	    {.name = "list", .type = &op_type_name, .flags = OP_LIST},
	    {.name = "int", .type = &op_type_int},
	    {.name = "bool", .type = &op_type_bool},
	    {.name = "time", .type = &op_type_time},
	    {.name = "never", .type = &op_type_time},
	    {.name = "none", .type = &op_type_text}, {0}};
	static const struct op op = {
	    .name = "show all", .cols = cols, .run = put_everything};
	struct op_who who = {.role = ADMIN_VIEWER};

	(void)state;
	memset(&seen, 0, sizeof seen);
	op_run(&op, NULL, &who, NULL, on_done, NULL);
	assert_string_equal(seen.result,
	    "{\"data\":[{\"text\":\"bell \\\\x07 \\\\xff\",\"list\":[\"a\","
	    "\"b\"],\"int\":-5,\"bool\":true,"
	    "\"time\":\"1970-01-01T00:00:01.000Z\",\"never\":null,"
	    "\"none\":null}],\"rev\":12,\"warn\":[\"3 left\"]}");
}

static void
put_unsorted(struct op_call *c)
{
	static const char *const text[] = {"b", "a", NULL, "b", "a"};
	int i;

	for (i = 0; i < 5; i++) {
		op_row(c);
		op_put(c, "text", text[i]);
		op_put_int(c, "int", i);
	}
	op_sort(c, "text");
	op_finish(c, NULL);
}

/* By the column; what has the same there stays in its order. */
static void
rows_are_sorted(void **state)
{
	static const struct op_field cols[] = {
	    {.name = "text", .type = &op_type_text},
	    {.name = "int", .type = &op_type_int}, {0}};
	static const struct op op = {
	    .name = "show all", .cols = cols, .run = put_unsorted};
	struct op_who who = {.role = ADMIN_VIEWER};

	(void)state;
	memset(&seen, 0, sizeof seen);
	op_run(&op, NULL, &who, NULL, on_done, NULL);
	assert_string_equal(seen.result,
	    "{\"data\":[{\"text\":null,\"int\":2},"
	    "{\"text\":\"a\",\"int\":1},{\"text\":\"a\",\"int\":4},"
	    "{\"text\":\"b\",\"int\":0},{\"text\":\"b\",\"int\":3}],"
	    "\"rev\":0,\"warn\":[]}");
}

static void
fail_at_once(struct op_call *c)
{
	op_failf(c, ERR_ABSENT, "call %d: gone", 7);
}

static void
failures_carry_words(void **state)
{
	static const struct op op = {.name = "show gone", .run = fail_at_once};
	struct op_who who = {.role = ADMIN_VIEWER};

	(void)state;
	memset(&seen, 0, sizeof seen);
	op_run(&op, NULL, &who, NULL, on_done, NULL);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.err.code, ERR_ABSENT);
	assert_string_equal(seen.err.text, "call 7: gone");
}

/* Without memory a call ends once, with that error or with its answer. */
static void
calls_without_memory(void **state)
{
	struct op_who who = {.role = ADMIN_SITE};
	json_t *in = json_loads("{\"path\":\"domain a.test user 1\","
				"\"values\":{\"name\":\"x\"}}",
	    0, NULL);
	long n;

	(void)state;
	for (n = 0;; n++) {
		memset(&seen, 0, sizeof seen);
		fault_alloc_at(n);
		op_run(
		    op_find(&op_sample, "set"), in, &who, NULL, on_done, NULL);
		fault_alloc_off();
		assert_int_equal(seen.calls, 1);
		if (!fault_alloc_hit())
			break;
		assert_int_equal(seen.err.code, ERR_NOMEM);
	}
	assert_int_equal(seen.err.code, 0);
	json_decref(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arguments_are_canonical),
	    cmocka_unit_test(arguments_are_checked),
	    cmocka_unit_test(secrets_are_literal),
	    cmocka_unit_test(access_is_checked_first),
	    cmocka_unit_test(rows_are_whole),
	    cmocka_unit_test(masks_hide_secrets),
	    cmocka_unit_test(columns_have_their_kinds),
	    cmocka_unit_test(rows_are_sorted),
	    cmocka_unit_test(failures_carry_words),
	    cmocka_unit_test(calls_without_memory),
	};

	op_use_objects(op_sample.objs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
