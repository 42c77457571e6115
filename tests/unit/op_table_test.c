/* Tables: their laws, their way over the wire, the texts made from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/fault.h"
#include "tests/lib/op_laws.h"

/* The compiled objects, and operations of every shape, keep the laws. */
static void
tables_keep_the_laws(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	if (op_laws_check(&op_sample, &b) != 0)
		fail_msg("%s", b.data);
	buf_fini(&b);
}

/* The laws find what is wrong: each fault below is one line. */
static void
laws_find_faults(void **state)
{
	static const struct op_field bad_args[] = {
	    {.name = "Limit", .type = &op_type_int, .brief = "ends."},
	    {.name = "limit",
		.type = &op_type_int,
		.min = 1,
		.max = 5,
		.def = "9",
		.brief = "out of its limits"},
	    {.name = "words",
		.type = &op_type_text,
		.flags = OP_LIST,
		.brief = "texts"},
	    {.name = "who",
		.type = &op_type_ref,
		.ref = "nobody",
		.brief = "of nothing"},
	    {.name = "alone",
		.type = &op_type_member,
		.flags = OP_ONE,
		.brief = "of no others"},
	    {0}};
	static const struct op bad = {.name = "frobnicate calls",
	    .brief = "",
	    .example = "show version",
	    .args = bad_args};
	static const struct op *const ops[] = {&bad, NULL};
	static const char *const want[] = {"verb is not", "itself: brief is",
	    "about is empty", "no handler", "Limit: not a name",
	    "Limit: brief ends", "limit: default: expected 1..5",
	    "words: a list of texts", "who: refers to no object",
	    "one of several, but", "member of no list", "example"};
	struct op_table t = {.ops = ops, .objs = op_sample.objs};
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	assert_true(op_laws_check(&t, &b) >= 10);
	for (i = 0; i < sizeof want / sizeof want[0]; i++) {
		if (strstr(b.data, want[i]) == NULL)
			fail_msg("not found: %s\n%s", want[i], b.data);
	}
	buf_fini(&b);
}

/* A received table walks like the one that was sent. */
static void
received_tables_serve(void **state)
{
	json_t *wire = op_table_encode(&op_sample);
	struct op_table t;
	struct op_walk w;
	struct err e;

	(void)state;
	assert_int_equal(op_table_decode(wire, &t, &e), 0);
	json_decref(wire);
	assert_int_equal(
	    op_walk(&t, "set domain A.test user 1 ring-time 1m", 0, &w), 0);
	assert_string_equal(w.op->name, "set");
	assert_string_equal(json_string_value(json_object_get(w.args, "path")),
	    "domain a.test user 1");
	op_walk_fini(&w);
	assert_int_equal(
	    op_walk(&t, "show calls limit 1001", 0, &w), -ERR_INVALID);
	op_walk_fini(&w);
	op_table_fini(&t);
}

/* What breaks the form is refused with the place; nothing leaks. */
static void
wire_is_not_believed(void **state)
{
	static const char *const bad[] = {"{}", "{\"ops\":[],\"objs\":3}",
	    "{\"ops\":[{}],\"objs\":[]}", "{\"ops\":[3],\"objs\":[]}",
	    "{\"ops\":[{\"name\":\"a b\"}, {\"name\":\"a\\u001b\"}],"
	    "\"objs\":[]}",
	    "{\"ops\":[{\"name\":\"a  b\"}],\"objs\":[]}",
	    "{\"ops\":[{\"name\":\"a\",\"args\":[{}]}],\"objs\":[]}",
	    "{\"ops\":[],\"objs\":[{\"name\":\"a\",\"key\":{\"name\":\"k\"},"
	    "\"parent\":\"b\"}]}",
	    "{\"ops\":[],\"objs\":[{\"name\":\"a\",\"key\":{\"name\":\"k\"},"
	    "\"parent\":\"a\"}]}",
	    "{\"ops\":[],\"objs\":[{\"name\":\"a\"}]}"};
	struct op_table t;
	struct err e;
	json_t *in;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		in = json_loads(bad[i], 0, NULL);
		assert_non_null(in);
		if (op_table_decode(in, &t, &e) != -ERR_SYNTAX)
			fail_msg("taken: %s", bad[i]);
		assert_null(t.owner);
		json_decref(in);
	}
}

/* A type of a newer server is shown as text; members that are new are
 * skipped. */
static void
newer_servers_are_understood(void **state)
{
	struct op_table t;
	struct err e;
	json_t *in = json_loads("{\"ops\":[{\"name\":\"show x\",\"novel\":1,"
				"\"args\":[{\"name\":\"y\",\"type\":\"quark\","
				"\"flags\":[\"strange\",\"key\"]}]}],"
				"\"objs\":[],\"more\":{}}",
	    0, NULL);

	(void)state;
	assert_int_equal(op_table_decode(in, &t, &e), 0);
	assert_ptr_equal(t.ops[0]->args[0].type, &op_type_text);
	assert_int_equal(t.ops[0]->args[0].flags, OP_KEY);
	op_table_fini(&t);
	json_decref(in);
}

/* Without memory the decoder says so and keeps nothing. */
static void
decode_without_memory(void **state)
{
	json_t *wire = op_table_encode(&op_sample);
	struct op_table t;
	struct err e;
	long n;
	int r;

	(void)state;
	for (n = 0;; n++) {
		fault_alloc_at(n);
		r = op_table_decode(wire, &t, &e);
		fault_alloc_off();
		if (!fault_alloc_hit())
			break;
		assert_int_equal(r, -ERR_NOMEM);
		assert_null(t.owner);
	}
	assert_int_equal(r, 0);
	assert_true(n > 0);
	op_table_fini(&t);
	json_decref(wire);
}

/* Walking without memory refuses the line or is right; it never crashes. */
static void
walk_starved(const char *line, const char *name)
{
	struct op_walk w;
	long n;
	int r;

	for (n = 0;; n++) {
		fault_alloc_at(n);
		r = op_walk(&op_sample, line, 0, &w);
		fault_alloc_off();
		if (r == 0)
			assert_string_equal(w.op->name, name);
		op_walk_fini(&w);
		if (!fault_alloc_hit())
			break;
	}
	assert_int_equal(r, 0);
}

/* Walking without memory refuses the line or is right; it never crashes. */
static void
walk_without_memory(void **state)
{
	(void)state;
	walk_starved("set certificate c key k chain x", "set");
	walk_starved("insert domain a.test alias x before y", "insert");
}

/* Usage comes from the arguments. */
static void
usage_is_computed(void **state)
{
	static const char *const names[] = {
	    "show calls", "set", "delete", "request role restart", "insert"};
	static const char *const want[] = {
	    ("show calls [domain <domain>] [user <user>] [state <state>...] "
	     "[limit <limit>] [all]"),
	    "set <path> [<field> <value> ...]",
	    "delete <path> [<field> ...] [<field> <value> ...]",
	    "request role restart <instance> [reason <reason>]",
	    ("insert <path> <field> <value> ... before <before> | first | "
	     "last")};
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		buf_reset(&b);
		op_usage(op_find(&op_sample, names[i]), &b);
		assert_string_equal(b.data, want[i]);
	}
	assert_null(op_find(&op_sample, "show"));
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_keep_the_laws),
	    cmocka_unit_test(laws_find_faults),
	    cmocka_unit_test(received_tables_serve),
	    cmocka_unit_test(wire_is_not_believed),
	    cmocka_unit_test(newer_servers_are_understood),
	    cmocka_unit_test(decode_without_memory),
	    cmocka_unit_test(walk_without_memory),
	    cmocka_unit_test(usage_is_computed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
