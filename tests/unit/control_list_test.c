/* Long lists: what of them is looked for, and how long the loop is held. */
#include "control_fixture.h"

/* Users of a.test as they run: name and note. */
static void
user(struct world *w, const char *number, const char *values)
{
	char path[80];

	snprintf(path, sizeof path, "domain a.test user %s", number);
	fix_set(w->fix, ST_SYSTEM, path, values);
}

static void
publish_users(struct world *w)
{
	char stream[STREAM_NAME];

	fix_commit(w->fix, ST_SYSTEM);
	publish(w, stream_of(w, stream));
}

/* "101 102" of the first column, behind the bar what comes next. */
static const char *
found(struct console *c, const char *op, json_t *args)
{
	static char out[256];
	const char *next,
	    *key = strcmp(op, "show users") == 0 ? "user"
	    : strcmp(op, "show numbers") == 0	 ? "number"
						 : "domain";
	size_t i;

	if (strcmp(op, "show domains") != 0)
		json_object_set_new(args, "domain", json_string("a.test"));
	if (call(c, op, args) != 0)
		fail_msg("%s", c->err.text);
	out[0] = '\0';
	for (i = 0; i < nrows(c); i++)
		snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s",
		    i > 0 ? " " : "", col(c, i, key));
	next = json_string_value(json_object_get(c->result, "next"));
	if (next != NULL)
		snprintf(
		    out + strlen(out), sizeof out - strlen(out), "|%s", next);
	return out;
}

static json_t *
match(const char *text)
{
	return json_pack("{s:s}", "match", text);
}

static json_t *
part(const char *text, int limit, const char *after)
{
	return json_pack(
	    "{s:s, s:i, s:s*}", "match", text, "limit", limit, "after", after);
}

/* Rows are those that hold the text in a column of texts, in letters of any
 * size. */
static void
lists_are_matched(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);

	(void)state;
	user(w, "103", "name=Зоя ЁЛКИНА;description=Desk 7");
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 600", "service=echo");
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 7103", "user=103");
	fix_set(w->fix, ST_SYSTEM, "domain a.test", "alias=Other.test");
	publish_users(w);
	publish(w, ST_ROOT_STREAM);
	assert_string_equal(found(c, "show users", match("aLI")), "101");
	assert_string_equal(found(c, "show users", match("зоя ёлк")), "103");
	assert_string_equal(found(c, "show users", match("dESK 7")), "103");
	assert_string_equal(found(c, "show users", match("10")), "101 102 103");
	assert_string_equal(found(c, "show users", match("absent")), "");
	assert_string_equal(found(c, "show numbers", match("ЕЛКИНА")), "");
	assert_string_equal(found(c, "show numbers", match("ёлкина")), "103");
	assert_string_equal(found(c, "show numbers", match("103")), "103 7103");
	assert_string_equal(found(c, "show numbers", match("ECHO")), "600");
	assert_string_equal(found(c, "show numbers", match("SERVICE")), "600");
	assert_string_equal(found(c, "show domains", match("OTHER")), "a.test");
	assert_string_equal(found(c, "show domains", match("others")), "");
	assert_int_equal(
	    call(c, "show users",
		json_pack("{s:s, s:s}", "domain", "a.test", "match", "")),
	    -ERR_INVALID);
	world_free(w);
}

/* The parts of a list that is matched are together what the whole would be. */
static void
parts_of_a_match_go_on(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);

	(void)state;
	user(w, "103", "name=Alina");
	user(w, "104", "name=Malik");
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 1", "user=104");
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 104", "user=104");
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 9", "user=101");
	publish_users(w);
	/* 102 does not match, but is what the second part begins behind */
	assert_string_equal(
	    found(c, "show users", part("ali", 1, NULL)), "101|101");
	assert_string_equal(
	    found(c, "show users", part("ali", 1, "101")), "103|103");
	assert_string_equal(
	    found(c, "show users", part("ali", 1, "103")), "104");
	assert_string_equal(
	    found(c, "show numbers", part("104", 1, NULL)), "104|user 104");
	assert_string_equal(
	    found(c, "show numbers", part("104", 1, "user 104")), "1|number 1");
	assert_string_equal(
	    found(c, "show numbers", part("104", 1, "number 1")), "");
	world_free(w);
}

/* Who sees no persons finds nothing by what is masked for them. */
static void
masked_columns_are_not_matched(void **state)
{
	struct world *w = world_new();
	struct console *c;

	(void)state;
	user(w, "103", "name=Carol;description=on leave");
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 9", "user=103");
	fix_set(w->fix, ST_SYSTEM, "administrator viv", "role=viewer");
	publish_users(w);
	publish(w, "site/demo");
	c = connect_console(w, 0);
	become(w, "viv");
	assert_string_equal(found(c, "show users", match("Carol")), "");
	assert_string_equal(found(c, "show users", match("leave")), "");
	assert_string_equal(found(c, "show users", match("*")), "");
	assert_string_equal(found(c, "show users", match("103")), "103");
	assert_string_equal(col(c, 0, "name"), OP_MASK);
	assert_string_equal(found(c, "show numbers", match("Carol")), "");
	/* 9 leads to 103, which is masked: it is not found by it */
	assert_string_equal(found(c, "show numbers", match("103")), "103");
	world_free(w);
}

/* One answer looks through so many rows; it says where the list goes on, and
 * what is found in the end is all there is. */
static void
a_long_look_goes_on(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	const char *words;

	(void)state;
	crowd(w, 70000);
	assert_string_equal(
	    found(c, "show users", match("number 69999")), "|1016382");
	words = json_string_value(
	    json_array_get(json_object_get(c->result, "warn"), 0));
	assert_string_equal(words,
	    "16384 rows were looked through: more with after \"1016382\"");
	assert_string_equal(
	    found(c, "show users", part("number 69999", 9, "1049149")),
	    "|1065533");
	assert_string_equal(
	    found(c, "show users", part("number 69999", 9, "1065533")),
	    "1069999");
	assert_string_equal(
	    found(c, "show users", part("NUMBER 9999", 2, NULL)),
	    "1009999|1016382");
	world_free(w);
}

/* A whole list is read in slices: each row once. */
static void
slices_make_the_whole(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);

	(void)state;
	crowd(w, 70000);
	assert_int_equal(
	    call(c, "show users",
		json_pack("{s:s, s:i}", "domain", "a.test", "limit", 100000)),
	    0);
	assert_int_equal(nrows(c), 70002);
	assert_true(json_is_null(json_object_get(c->result, "next")) ||
	    json_object_get(c->result, "next") == NULL);
	assert_string_equal(col(c, 0, "user"), "1000000");
	assert_string_equal(col(c, 4096, "user"), "1004096");
	assert_string_equal(col(c, 70001, "user"), "1069999");
	world_free(w);
}

/* Others are answered while a long list is looked through. */
static void
nobody_waits_for_a_look(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0),
		       *other = connect_console(w, 1);

	(void)state;
	crowd(w, 16000);
	assert_string_equal(found(c, "show users", match("Alice")), "101");
	send_call(c, "show users",
	    json_pack("{s:s, s:s}", "domain", "a.test", "match", "absent"));
	settle(w);
	send_call(c, "show users",
	    json_pack("{s:s, s:s}", "domain", "a.test", "match", "absent"));
	assert_int_equal(call(other, "show version", NULL), 0);
	assert_int_equal(nrows(other), 1);
	assert_int_equal(c->open, 1);
	while (c->open > 0)
		run(w);
	assert_int_equal(c->err.code, ERR_NONE);
	assert_int_equal(nrows(c), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_are_matched),
	    cmocka_unit_test(parts_of_a_match_go_on),
	    cmocka_unit_test(masked_columns_are_not_matched),
	    cmocka_unit_test(a_long_look_goes_on),
	    cmocka_unit_test(slices_make_the_whole),
	    cmocka_unit_test(nobody_waits_for_a_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
