/* Rows of a list: filter, order, cursor, marks. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/screen/screen_room.h"

static const struct op_field cols[] = {
    {.name = "domain", .type = &op_type_text},
    {.name = "user", .type = &op_type_text},
    {.name = "calls", .type = &op_type_int},
    {.name = "agent", .type = &op_type_text, .flags = OP_DETAIL},
};

static struct grid grid;

static json_t *
row(const char *domain, const char *user, int calls)
{
	return json_pack("{s:s, s:s, s:i, s:s}", "domain", domain, "user", user,
	    "calls", calls, "agent", "phone");
}

static int
start(void **state)
{
	const struct op_field *list[] = {
	    &cols[0], &cols[1], &cols[2], &cols[3]};
	json_t *rows = json_array();

	(void)state;
	grid_init(&grid);
	grid_columns(&grid, list, 4);
	json_array_append_new(rows, row("a.test", "101", 3));
	json_array_append_new(rows, row("a.test", "102", 20));
	json_array_append_new(
	    rows, row("b.test", "\u0418\u0432\u0430\u043d", 1));
	grid_take(&grid, rows);
	json_decref(rows);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	grid_fini(&grid);
	return 0;
}

/* The users that are shown, in their order. */
static void
shows(const char *want)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_str(&b, "");
	for (i = 0; i < grid.n; i++)
		buf_fmt(&b, "%s%s", i != 0 ? " " : "",
		    json_string_value(
			json_object_get(grid_row(&grid, i), "user")));
	assert_string_equal(b.data, want);
	buf_fini(&b);
}

static void
filter(const char *text)
{
	strcpy(grid.filter, text);
	grid_arrange(&grid);
}

/* A part of a cell that is shown, in small or capital letters of any
 * alphabet; behind ! those that have it not. */
static void
filters(void **state)
{
	(void)state;
	filter("10");
	shows("101 102");
	filter("!10");
	shows("\u0418\u0432\u0430\u043d");
	filter("\u0438\u0412\u0410");
	shows("\u0418\u0432\u0430\u043d");
	filter("A.TEST");
	shows("101 102");
	filter("!");
	shows("101 102 \u0418\u0432\u0430\u043d");
	filter("phone"); /* a detail, not shown */
	shows("");
	filter("");
	shows("101 102 \u0418\u0432\u0430\u043d");
}

/* Numbers sort by value, either way; at last as they came. */
static void
sorts(void **state)
{
	(void)state;
	grid_sort_next(&grid, 1);
	grid_sort_next(&grid, 1);
	grid_sort_next(&grid, 1);
	assert_int_equal(grid.sort, 2);
	shows("\u0418\u0432\u0430\u043d 101 102");
	grid.reverse = true;
	grid_arrange(&grid);
	shows("102 101 \u0418\u0432\u0430\u043d");
	grid_sort_next(&grid, 1); /* the hidden column is passed over */
	assert_true(grid.sort == GRID_AS_CAME);
	shows("101 102 \u0418\u0432\u0430\u043d");
	grid_sort_next(&grid, -1);
	assert_int_equal(grid.sort, 2);
}

/* Other rows: the cursor stays on its row by its key, and on its place when
 * the row is gone; a mark stays on its row. */
static void
cursor_stays_on_its_row(void **state)
{
	json_t *rows = json_array();

	(void)state;
	grid_move(&grid, 1, 10);
	grid_mark(&grid);
	json_array_append_new(rows, row("a.test", "100", 0));
	json_array_append_new(rows, row("a.test", "101", 9));
	json_array_append_new(rows, row("a.test", "102", 8));
	grid_take(&grid, rows);
	assert_int_equal(grid.cursor, 2);
	assert_true(grid_marked(&grid, grid_row(&grid, 2)));
	assert_false(grid_marked(&grid, grid_row(&grid, 1)));
	assert_int_equal(grid_count_marks(&grid), 1);
	json_array_remove(rows, 2);
	grid_take(&grid, rows);
	assert_int_equal(grid.cursor, 1);
	assert_int_equal(grid_count_marks(&grid), 0);
	json_array_clear(rows);
	grid_take(&grid, rows);
	assert_null(grid_current(&grid));
	grid_move(&grid, 1, 10);
	grid_mark(&grid);
	json_decref(rows);
}

/* Rows that the first column does not tell apart are told by texts. */
static void
keys_are_found(void **state)
{
	(void)state;
	assert_int_equal(grid.nkeys, 2);
	assert_int_equal(grid.keys[1], 1);
}

/* The cursor is always in sight, and the last rows fill the window. */
static void
window_follows(void **state)
{
	json_t *rows = json_array();
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "%03d", i);
		json_array_append_new(rows, row("c.test", name, i));
	}
	grid_take(&grid, rows);
	grid_move(&grid, 1000, 10);
	assert_int_equal(grid.cursor, 99);
	assert_int_equal(grid.top, 90);
	grid_move(&grid, -5, 10);
	assert_int_equal(grid.top, 90);
	grid_move(&grid, -1000, 10);
	assert_int_equal(grid.top, 0);
	json_decref(rows);
}

/* Details are left out, columns scrolled away too, but never the first. */
static void
columns_fit(void **state)
{
	size_t shown[GRID_COLS], out, n;
	unsigned widths[GRID_COLS];

	(void)state;
	n = grid_layout(&grid, 77, 10, shown, widths, &out);
	assert_int_equal(n, 3);
	assert_int_equal(out, 0);
	assert_int_equal(widths[0], 6);
	grid.left = 1;
	n = grid_layout(&grid, 77, 10, shown, widths, &out);
	assert_int_equal(n, 2);
	assert_int_equal(shown[0], 0);
	assert_int_equal(shown[1], 2);
	n = grid_layout(&grid, 8, 10, shown, widths, &out);
	assert_int_equal(n, 1);
	assert_int_equal(out, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(filters, start, stop),
	    cmocka_unit_test_setup_teardown(sorts, start, stop),
	    cmocka_unit_test_setup_teardown(
		cursor_stays_on_its_row, start, stop),
	    cmocka_unit_test_setup_teardown(keys_are_found, start, stop),
	    cmocka_unit_test_setup_teardown(window_follows, start, stop),
	    cmocka_unit_test_setup_teardown(columns_fit, start, stop),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
