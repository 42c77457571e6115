/* The walker: one walk answers parse, completion, help and error position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/str.h"
#include "tests/lib/op_laws.h"

/* The line means this operation with these arguments. */
static void
means(const char *line, const char *op, const char *args)
{
	struct op_walk w;
	char *text;

	if (op_walk(&op_sample, line, 0, &w) != 0)
		fail_msg("%s: %s", line, w.err.text);
	text = json_dumps(w.args, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(w.op->name, op);
	assert_string_equal(text, args);
	assert_true(w.done_ok);
	free(text);
	op_walk_fini(&w);
}

/* The line is refused at the byte, with these words. */
static void
refused(const char *line, enum err_code code, size_t at, const char *words)
{
	struct op_walk w;

	assert_int_equal(op_walk(&op_sample, line, 0, &w), -(int)code);
	assert_int_equal(w.err.code, code);
	if (w.err_at != at || strstr(w.err.text, words) == NULL)
		fail_msg("%s: byte %zu: %s", line, w.err_at, w.err.text);
	assert_null(w.op);
	op_walk_fini(&w);
}

/* What a line that is refused names as expected, joined by '/'. */
static void
expected(const char *line, const char *want)
{
	struct buf b = BUF_INIT;
	struct op_walk w;
	size_t i;

	assert_int_not_equal(op_walk(&op_sample, line, OP_WALK_SHORT, &w), 0);
	buf_str(&b, "");
	for (i = 0; i < w.nnext; i++)
		buf_fmt(&b, "%s%s", i != 0 ? "/" : "", w.next[i].text);
	assert_string_equal(b.data, want);
	buf_fini(&b);
	op_walk_fini(&w);
}

/* What may stand at the end of the line, joined by '/'. */
static void
offers(const char *line, unsigned flags, const char *want)
{
	struct buf b = BUF_INIT;
	struct op_walk w;
	size_t i;

	op_walk(&op_sample, line, flags | OP_WALK_COMPLETE, &w);
	buf_str(&b, "");
	for (i = 0; i < w.nnext; i++)
		buf_fmt(&b, "%s%s", i != 0 ? "/" : "", w.next[i].text);
	assert_string_equal(b.data, want);
	buf_fini(&b);
	op_walk_fini(&w);
}

/* Named arguments come in any order, in canonical form. */
static void
commands_are_understood(void **state)
{
	(void)state;
	means("show version", "show version", "{}");
	means("  show\tcalls  # now", "show calls", "{}");
	means("show calls limit 007 all domain Demo.TEST", "show calls",
	    "{\"all\":\"yes\",\"domain\":\"demo.test\",\"limit\":\"7\"}");
	means("show calls state ringing", "show calls",
	    "{\"state\":[\"ringing\"]}");
	means("show calls state [ringing held]", "show calls",
	    "{\"state\":[\"ringing\",\"held\"]}");
	means("request role restart sg/1 reason 'two words'",
	    "request role restart",
	    "{\"instance\":\"sg/1\",\"reason\":\"two words\"}");
	means("commit comment \"it's \\\"so\\\"\"", "commit",
	    "{\"comment\":\"it's \\\"so\\\"\"}");
	means("commit", "commit", "{}");
}

/* A path, then fields with values, in the object's own types. */
static void
paths_carry_values(void **state)
{
	(void)state;
	means("set domain demo.test", "set", "{\"path\":\"domain demo.test\"}");
	means("set domain Demo.test user (101) name Alice ring-time 1m", "set",
	    "{\"path\":\"domain demo.test user 101\","
	    "\"values\":{\"name\":\"Alice\",\"ring-time\":\"60\"}}");
	means("set domain demo.test alias [a.test b.test]", "set",
	    "{\"path\":\"domain demo.test\","
	    "\"values\":{\"alias\":[\"a.test\",\"b.test\"]}}");
	means("set server s1 role mg instances 2", "set",
	    "{\"path\":\"server s1 role mg\","
	    "\"values\":{\"instances\":\"2\"}}");
	means("delete domain demo.test user 101", "delete",
	    "{\"path\":\"domain demo.test user 101\"}");
	means("delete domain demo.test user 101 name ring-time", "delete",
	    "{\"fields\":[\"name\",\"ring-time\"],"
	    "\"path\":\"domain demo.test user 101\"}");
	means("set certificate c key @file:k.pem chain @file:c.pem", "set",
	    "{\"path\":\"certificate c\",\"values\":{\"chain\":\"@file:c.pem\","
	    "\"key\":\"@file:k.pem\"}}");
}

/* Behind a field that is a list values of it may stand: they go, and not the
 * field. */
static void
lists_lose_values(void **state)
{
	struct op_walk w;

	(void)state;
	means("delete domain a.test alias", "delete",
	    "{\"fields\":[\"alias\"],\"path\":\"domain a.test\"}");
	means("delete domain a.test alias description", "delete",
	    "{\"fields\":[\"alias\",\"description\"],"
	    "\"path\":\"domain a.test\"}");
	means("delete domain a.test alias X.test", "delete",
	    "{\"path\":\"domain a.test\",\"values\":"
	    "{\"alias\":[\"x.test\"]}}");
	means("delete domain a.test alias [x.test y.test]", "delete",
	    "{\"path\":\"domain a.test\",\"values\":"
	    "{\"alias\":[\"x.test\",\"y.test\"]}}");
	means("delete domain a.test alias \"description\"", "delete",
	    "{\"path\":\"domain a.test\",\"values\":"
	    "{\"alias\":[\"description\"]}}");
	refused("delete domain a.test description x", ERR_UNKNOWN, 33,
	    "unknown word");
	refused("delete domain a.test description alias x.test", ERR_UNKNOWN,
	    39, "unknown word");
	refused("delete domain a.test alias x.test y.test", ERR_UNKNOWN, 34,
	    "unknown word");
	refused("delete domain a.test alias x.test state", ERR_UNKNOWN, 34,
	    "unknown word");
	refused("delete domain a.test alias b..x", ERR_INVALID, 27,
	    "alias: expected");
	refused("delete domain a.test alias [b.test", ERR_SYNTAX, 34,
	    "value is expected");
	offers("delete domain a.test alias x.test ", 0, "");
	op_walk(
	    &op_sample, "delete domain a.test alias c", OP_WALK_COMPLETE, &w);
	assert_string_equal(w.next[w.nnext - 1].member->name, "alias");
	assert_string_equal(w.next[w.nnext - 1].ref_path, "domain a.test");
	op_walk_fini(&w);
}

/* Behind the values of one list stands where they go, once. */
static void
lists_have_places(void **state)
{
	struct op_walk w;

	(void)state;
	means("insert domain a.test alias X.test first", "insert",
	    "{\"first\":\"yes\",\"path\":\"domain a.test\","
	    "\"values\":{\"alias\":[\"x.test\"]}}");
	means("insert domain a.test alias [x.test y.test] before z.test",
	    "insert",
	    "{\"before\":\"z.test\",\"path\":\"domain a.test\","
	    "\"values\":{\"alias\":[\"x.test\",\"y.test\"]}}");
	means("insert domain a.test alias first first", "insert",
	    "{\"first\":\"yes\",\"path\":\"domain a.test\","
	    "\"values\":{\"alias\":[\"first\"]}}");
	refused("insert domain a.test", ERR_SYNTAX, 20, "values is missing");
	refused("insert domain a.test first", ERR_UNKNOWN, 21, "unknown word");
	refused("insert domain a.test state on first", ERR_UNKNOWN, 21,
	    "state: holds one value, not a list");
	refused("insert domain a.test alias b..x last", ERR_INVALID, 27,
	    "alias: expected");
	refused("insert domain a.test alias b.test", ERR_SYNTAX, 33,
	    "before, first or last is missing");
	refused("insert domain a.test alias b.test description x", ERR_UNKNOWN,
	    34, "unknown word");
	refused("insert domain a.test alias b.test first last", ERR_UNKNOWN, 40,
	    "last: one of before, first or last stands already");
	refused("insert domain a.test alias b.test first first", ERR_UNKNOWN,
	    40, "first: given twice");
	refused("insert domain a.test alias b.test before", ERR_SYNTAX, 40,
	    "value is expected");
	/* what leads to no list is not offered, and says so */
	offers("insert domain a.test ", 0, "alias");
	refused("insert domain a.test user 101 name", ERR_UNKNOWN, 21,
	    "user: has no list");
	offers("insert domain a.test alias b.test ", 0, "before/first/last");
	offers("insert domain a.test alias b.test first ", 0, "");
	op_walk(&op_sample, "insert domain a.test alias b.test before c",
	    OP_WALK_COMPLETE, &w);
	assert_int_equal(w.nnext, 1);
	assert_string_equal(w.next[0].member->name, "alias");
	assert_string_equal(w.next[0].ref_path, "domain a.test");
	assert_null(w.next[0].ref);
	op_walk_fini(&w);
}

/* Where the path is optional a kind may stand alone, and what is named may
 * follow. */
static void
paths_may_be_kinds(void **state)
{
	(void)state;
	means("show configuration", "show configuration", "{}");
	means("show configuration candidate", "show configuration",
	    "{\"candidate\":\"yes\"}");
	means("show configuration domain", "show configuration",
	    "{\"path\":\"domain\"}");
	means("show configuration domain demo.test user candidate",
	    "show configuration",
	    "{\"candidate\":\"yes\",\"path\":\"domain demo.test user\"}");
	means("show configuration domain demo.test user 101 candidate",
	    "show configuration",
	    "{\"candidate\":\"yes\",\"path\":\"domain demo.test user 101\"}");
}

/* An error points at the byte of the word that is wrong. */
static void
errors_point_at_the_word(void **state)
{
	(void)state;
	refused("", ERR_SYNTAX, 0, "expected a command");
	refused("# only words", ERR_SYNTAX, 12, "expected a command");
	refused("shwo calls", ERR_UNKNOWN, 0, "did you mean \"show\"?");
	refused("show cals", ERR_UNKNOWN, 5, "did you mean \"calls\"?");
	refused("show", ERR_SYNTAX, 4, "too early");
	refused("show calls wombat", ERR_UNKNOWN, 11, "unknown word");
	refused("show calls limit", ERR_SYNTAX, 16, "value is expected");
	refused("show calls limit 0", ERR_INVALID, 17, "expected 1..1000");
	refused("show calls limit x all", ERR_INVALID, 17, "whole number");
	refused("show calls state [ringing", ERR_SYNTAX, 25, "value");
	refused("show calls state [ringing lost]", ERR_INVALID, 26, "held");
	refused("request role restart", ERR_SYNTAX, 20, "instance");
	refused("request role restart sg", ERR_INVALID, 21, "sg/1");
	refused("set", ERR_SYNTAX, 3, "path");
	refused("set domain", ERR_SYNTAX, 10, "domain is missing");
	refused("set domain a..b", ERR_INVALID, 11, "demo.test");
	refused("set domain a.test usr 1", ERR_UNKNOWN, 18, "\"user\"");
	refused("set domain a.test user 1 nam x", ERR_UNKNOWN, 25, "\"name\"");
	refused("set domain a.test user 1 name", ERR_SYNTAX, 29, "value");
	refused("set domain a.test id 3", ERR_UNKNOWN, 18, "unknown word");
	refused("set domain a.test user 1 name x number 5", ERR_UNKNOWN, 32,
	    "unknown");
	refused("show calls domain [a.test]", ERR_SYNTAX, 18, "no list");
	refused("show 'calls'", ERR_UNKNOWN, 5, "calls");
}

/* A line that cannot be cut into words says where. */
static void
lines_that_cannot_be_cut(void **state)
{
	(void)state;
	refused("commit comment \"x", ERR_SYNTAX, 15, "quote");
	refused("commit comment 'x", ERR_SYNTAX, 15, "quote");
	refused("commit comment \"\\q\"", ERR_SYNTAX, 16, "behind \\");
	refused("commit comment x\\", ERR_SYNTAX, 16, "behind \\");
	refused("commit comment \x01", ERR_SYNTAX, 15, "control");
	refused("commit comment \xd0", ERR_SYNTAX, 15, "UTF-8");
	refused("commit comment \xe2\x80\xae", ERR_SYNTAX, 15, "control");
	expected("commit comment \x01", "");
	expected("commit comment \xd0", "");
}

/* What stands once is named when it comes again. */
static void
nothing_is_given_twice(void **state)
{
	(void)state;
	refused("set domain a.test user 1 name x name y", ERR_UNKNOWN, 32,
	    "name: given twice");
	refused("delete domain a.test user 1 name name", ERR_UNKNOWN, 33,
	    "name: given twice");
	refused("show calls limit 1 limit 2", ERR_UNKNOWN, 19,
	    "limit: given twice");
	refused("show calls all all", ERR_UNKNOWN, 15, "all: given twice");
}

/* Abbreviations: where they are allowed and only when one word is meant. */
static void
abbreviations_are_for_people(void **state)
{
	struct op_walk w;

	(void)state;
	refused("sh ver", ERR_UNKNOWN, 0, "unknown word");
	assert_int_equal(op_walk(&op_sample, "sh ver", OP_WALK_SHORT, &w), 0);
	assert_string_equal(w.op->name, "show version");
	op_walk_fini(&w);
	assert_int_equal(
	    op_walk(&op_sample, "sh ca st ri", OP_WALK_SHORT, &w), 0);
	assert_string_equal(w.op->name, "show calls");
	op_walk_fini(&w);
	assert_int_equal(
	    op_walk(&op_sample, "com", OP_WALK_SHORT, &w), -ERR_UNKNOWN);
	assert_string_equal(w.err.text, "\"com\" can mean several words");
	op_walk_fini(&w);
	expected("com", "compare/commit");
	expected("show c", "calls/configuration");
	assert_int_equal(
	    op_walk(&op_sample, "se dom a.test us 1 na x", OP_WALK_SHORT, &w),
	    0);
	op_walk_fini(&w);
}

/* Completion lists what may stand, and nothing else. */
static void
completion_lists_what_may_stand(void **state)
{
	(void)state;
	offers("", 0,
	    "show/request/set/delete/insert/compare/check/commit/discard");
	offers("c", 0, "compare/check/commit");
	offers("show ", 0, "calls/version/configuration");
	offers("show c", 0, "calls/configuration");
	offers("show calls ", 0, "domain/user/state/limit/all");
	offers("show calls all limit 5 ", 0, "domain/user/state");
	offers("show calls state ", 0, "ringing/talking/held/[");
	offers("show calls state [ringing ", 0, "ringing/talking/held/]");
	offers("show calls state t", 0, "talking");
	offers("show calls limit ", 0, "<limit>");
	offers("set ", 0,
	    "server/certificate/site/gate/domain/administrator/token");
	offers("set domain ", 0, "<domain>");
	offers("set domain a.test ", 0, "user/number/alias/state/description");
	offers("set domain a.test state on ", 0, "alias/description");
	offers("set domain a.test state ", 0, "on/suspended");
	offers("delete domain a.test user 1 na", 0, "name");
	offers("show configuration ", 0,
	    "server/certificate/site/gate/domain/administrator/token/candidate");
	offers("show configuration domain ", 0, "<domain>/candidate");
	offers("sh ca li", OP_WALK_SHORT, "limit");
	offers("compare ", 0, "");
	offers("show nonsense ", 0, "calls/version/configuration");
}

/* A value of an object is asked for below its parents. */
static void
values_know_where_they_come_from(void **state)
{
	struct op_walk w;

	(void)state;
	op_walk(&op_sample, "set domain a.test user ", OP_WALK_COMPLETE, &w);
	assert_int_equal(w.nnext, 1);
	assert_string_equal(w.next[0].ref, "user");
	assert_string_equal(w.next[0].ref_path, "domain a.test");
	op_walk_fini(&w);
	op_walk(&op_sample, "set domain a.test number 600 user ",
	    OP_WALK_COMPLETE, &w);
	assert_string_equal(w.next[0].ref, "user");
	assert_string_equal(w.next[0].ref_path, "domain a.test");
	op_walk_fini(&w);
	op_walk(&op_sample, "show calls domain b.test user 1", OP_WALK_COMPLETE,
	    &w);
	assert_string_equal(w.next[0].ref, "user");
	assert_string_equal(w.next[0].ref_path, "domain b.test");
	assert_int_equal(w.from, 30);
	op_walk_fini(&w);
	op_walk(&op_sample, "set server s listener l certificate ",
	    OP_WALK_COMPLETE, &w);
	assert_string_equal(w.next[0].ref, "certificate");
	assert_string_equal(w.next[0].ref_path, "");
	op_walk_fini(&w);
}

/* The walk ends at a bar and tells where it is. */
static void
bars_end_the_command(void **state)
{
	struct op_walk w;

	(void)state;
	assert_int_equal(
	    op_walk(&op_sample, "show calls all | match 5", 0, &w), 0);
	assert_int_equal(w.pipe, 15);
	assert_string_equal(w.op->name, "show calls");
	op_walk_fini(&w);
	assert_int_equal(
	    op_walk(&op_sample, "commit comment \"a | b\"", 0, &w), 0);
	assert_int_equal(w.pipe, 0);
	op_walk_fini(&w);
}

/* Secrets are marked in the line, as they were typed. */
static void
secrets_are_marked(void **state)
{
	static const char line[] =
	    "set domain a.test user 1 password 'x y' name z";
	struct op_walk w;

	(void)state;
	assert_int_equal(op_walk(&op_sample, line, 0, &w), 0);
	assert_int_equal(w.nsecret, 1);
	assert_int_equal(w.secret[0].at,
	    strlen("set domain a.test user 1 "
		   "password "));
	assert_int_equal(w.secret[0].end - w.secret[0].at, 5);
	op_walk_fini(&w);
}

/* What op_quote writes is read back as one word of the same bytes. */
static void
quotes_are_read_back(void **state)
{
	static const char *const values[] = {"plain", "", "two words", "#31",
	    "a#b", "say \"hi\"", "it's", "back\\slash", "[x]", "a|b",
	    "tab\there", "line\nline\n", "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
	    "@file:x", "a=b;c,d", "*31#", "$SEALED$"};
	struct op_words w;
	struct buf b = BUF_INIT;
	struct err e;
	size_t at, i;

	(void)state;
	for (i = 0; i < sizeof values / sizeof values[0]; i++) {
		buf_reset(&b);
		buf_str(&b, "x ");
		op_quote(&b, values[i]);
		buf_str(&b, " y");
		if (op_words_parse(&w, b.data, &at, &e) != 0)
			fail_msg("%s: %s", b.data, e.text);
		assert_int_equal(w.count, 3);
		assert_string_equal(w.word[1].text, values[i]);
		op_words_fini(&w);
	}
	buf_fini(&b);
}

/* A set line of the user with this key names it again. */
static void
key_is_read_back(const char *key)
{
	const struct obj *const *objs = op_sample.objs;
	const struct obj *user = obj_find(
	    objs, obj_find(objs, NULL, "domain"), "user");
	char canonical[OBJ_KEY];
	struct buf path = BUF_INIT, line = BUF_INIT;
	struct op_walk w;

	if (op_parse(&user->key, key, canonical, sizeof canonical, NULL) != 0)
		return;
	buf_fmt(&path, "domain a.test user %s", canonical);
	buf_str(&line, "set ");
	op_quote_words(&line, path.data);
	buf_str(&line, " name x");
	if (op_walk(&op_sample, line.data, 0, &w) != 0)
		fail_msg("%s: %s", line.data, w.err.text);
	assert_string_equal(
	    json_string_value(json_object_get(w.args, "path")), path.data);
	op_walk_fini(&w);
	buf_fini(&line);
	buf_fini(&path);
}

/* Every character that a key may have, wherever it stands in the key, and
 * keys that are spelled like words of the line. */
static void
keys_of_paths_are_read_back(void **state)
{
	static const char *const shapes[] = {"?", "?5", "5?5", "5?", "??"};
	static const char *const words[] = {
	    "name", "user", "set", "password", "###", "#5#", "*#06#"};
	char key[8];
	size_t i, at;
	char c;

	(void)state;
	for (c = ' '; c < 0x7f; c++) {
		for (i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
			str_copy(key, sizeof key, shapes[i]);
			for (at = 0; key[at] != '\0'; at++)
				key[at] = key[at] == '?' ? c : key[at];
			key_is_read_back(key);
		}
	}
	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		key_is_read_back(words[i]);
}

/* A list that was set by other ways than a line fits in one: a line has no
 * limit of its own on words. */
static void
lists_fit_in_a_line(void **state)
{
	struct buf line = BUF_INIT, list = BUF_INIT;
	const struct op_field *alias = obj_field(
	    obj_find(op_sample.objs, NULL, "domain"), "alias");
	char canonical[OP_VALUE];
	struct op_walk w;
	json_t *values;
	int i;

	(void)state;
	for (i = 0; i < 800; i++)
		buf_fmt(&list, "%sa%d", i != 0 ? " " : "", i);
	assert_int_equal(
	    op_parse_list(alias, list.data, canonical, sizeof canonical, NULL),
	    0);
	buf_fmt(&line, "set domain a.test alias [%s]", list.data);
	assert_int_equal(op_walk(&op_sample, line.data, 0, &w), 0);
	values = json_object_get(w.args, "values");
	assert_int_equal(
	    json_array_size(json_object_get(values, "alias")), 800);
	op_walk_fini(&w);
	buf_fini(&line);
	buf_fini(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_are_understood),
	    cmocka_unit_test(paths_carry_values),
	    cmocka_unit_test(lists_have_places),
	    cmocka_unit_test(lists_lose_values),
	    cmocka_unit_test(paths_may_be_kinds),
	    cmocka_unit_test(errors_point_at_the_word),
	    cmocka_unit_test(lines_that_cannot_be_cut),
	    cmocka_unit_test(nothing_is_given_twice),
	    cmocka_unit_test(abbreviations_are_for_people),
	    cmocka_unit_test(completion_lists_what_may_stand),
	    cmocka_unit_test(values_know_where_they_come_from),
	    cmocka_unit_test(bars_end_the_command),
	    cmocka_unit_test(secrets_are_marked),
	    cmocka_unit_test(quotes_are_read_back),
	    cmocka_unit_test(keys_of_paths_are_read_back),
	    cmocka_unit_test(lists_fit_in_a_line),
	};

	op_use_objects(op_sample.objs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
