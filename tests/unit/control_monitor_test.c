/* What a monitor calls new and gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/control/control.h"

static const struct op_field cols[] = {
    {.name = "key", .type = &op_type_text},
    {.name = "value", .type = &op_type_int},
    {.name = "age", .type = &op_type_duration},
    {.name = "count", .type = &op_type_int, .flags = OP_GROWS},
    {0},
};

/* "is st 1, new sr 2": what a look at rows "[st 1 0] .." differs. */
static const char *
look(json_t **seen, const char *rows, bool whole)
{
	static char words[256];
	json_t *list = json_loads(rows, 0, NULL), *row, *changes;
	size_t i;

	assert_non_null(list);
	changes = monitor_diff(cols, seen, list, whole);
	words[0] = '\0';
	json_array_foreach (changes, i, row) {
		if (i > 0)
			strcat(words, ", ");
		strcat(
		    words, json_string_value(json_object_get(row, "change")));
		strcat(words, " ");
		strcat(words, json_string_value(json_object_get(row, "key")));
		assert_non_null(json_object_get(row, "age"));
	}
	json_decref(changes);
	json_decref(list);
	return words;
}

#define ST "{\"key\":\"st\",\"value\":1,\"age\":1}"
#define ST_OLDER "{\"age\":7,\"key\":\"st\",\"value\":1}"
#define ST_COUNTED "{\"key\":\"st\",\"value\":1,\"age\":9,\"count\":4}"
#define ST_OTHER "{\"key\":\"st\",\"value\":2,\"age\":1}"
#define SR "{\"key\":\"sr\",\"value\":1,\"age\":null}"

static void
rows_come_and_go(void **state)
{
	json_t *seen = NULL;

	(void)state;
	assert_string_equal(look(&seen, "[" ST "]", true), "is st");
	assert_string_equal(look(&seen, "[" ST "]", true), "");
	assert_string_equal(look(&seen, "[" SR "," ST "]", true), "new sr");
	assert_string_equal(look(&seen, "[" SR "]", true), "gone st");
	assert_string_equal(look(&seen, "[" ST "]", true), "gone sr, new st");
	assert_string_equal(look(&seen, "[]", true), "gone st");
	assert_string_equal(look(&seen, "[]", true), "");
	json_decref(seen);
}

/* A row that has changed goes and comes; one that has only grown older has
 * not, in whatever order its members stand. */
static void
only_time_is_not_compared(void **state)
{
	json_t *seen = NULL;

	(void)state;
	look(&seen, "[" ST "]", true);
	assert_string_equal(look(&seen, "[" ST_OLDER "]", true), "");
	assert_string_equal(look(&seen, "[" ST_COUNTED "]", true), "");
	assert_string_equal(
	    look(&seen, "[" ST_OTHER "]", true), "gone st, new st");
	json_decref(seen);
}

/* Who did not answer may still have what is missing. */
static void
a_look_that_is_not_whole_calls_nothing_gone(void **state)
{
	json_t *seen = NULL;

	(void)state;
	look(&seen, "[" ST "," SR "]", true);
	assert_string_equal(look(&seen, "[" ST "]", false), "");
	assert_string_equal(look(&seen, "[" ST "," SR "]", true), "");
	assert_string_equal(look(&seen, "[]", false), "");
	assert_string_equal(look(&seen, "[" SR "]", true), "gone st");
	json_decref(seen);
}

/* Of rows that are the same each one counts. */
static void
equal_rows_are_counted(void **state)
{
	json_t *seen = NULL;

	(void)state;
	assert_string_equal(
	    look(&seen, "[" ST "," ST "]", true), "is st, is st");
	assert_string_equal(look(&seen, "[" ST "]", true), "gone st");
	assert_string_equal(
	    look(&seen, "[" ST "," ST "," ST "]", true), "new st, new st");
	json_decref(seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_come_and_go),
	    cmocka_unit_test(only_time_is_not_compared),
	    cmocka_unit_test(a_look_that_is_not_whole_calls_nothing_gone),
	    cmocka_unit_test(equal_rows_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
