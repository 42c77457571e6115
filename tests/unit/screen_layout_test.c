/* Widths of the columns of a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "console/screen/screen_room.h"

/* What fits is as wide as it wants to be, and no wider. */
static void
what_fits_is_whole(void **state)
{
	const struct layout_col cols[] = {{10, 8}, {4, 4}, {20, 8}};
	unsigned out[3];

	(void)state;
	assert_int_equal(layout_fit(cols, 3, 80, out), 3);
	assert_int_equal(out[0], 10);
	assert_int_equal(out[1], 4);
	assert_int_equal(out[2], 20);
	assert_int_equal(layout_fit(cols, 3, 38, out), 3);
	assert_int_equal(out[2], 20);
}

/* The widest gives way first; the line is full and never too long. */
static void
the_widest_gives_way(void **state)
{
	const struct layout_col cols[] = {{10, 8}, {4, 4}, {40, 8}};
	unsigned out[3], width, used;

	(void)state;
	assert_int_equal(layout_fit(cols, 3, 50, out), 3);
	assert_int_equal(out[0], 10);
	assert_int_equal(out[1], 4);
	assert_int_equal(out[2], 32);
	for (width = 24; width <= 58; width++) {
		assert_int_equal(layout_fit(cols, 3, width, out), 3);
		used = out[0] + out[1] + out[2] + 2 * LAYOUT_GAP;
		assert_int_equal(used, width);
		assert_true(out[0] >= 8 && out[1] >= 4 && out[2] >= 8);
	}
}

/* What has no room is left out from the right; the first column stays. */
static void
the_last_are_left_out(void **state)
{
	const struct layout_col cols[] = {{10, 8}, {4, 4}, {40, 8}};
	unsigned out[3];

	(void)state;
	assert_int_equal(layout_fit(cols, 3, 23, out), 2);
	assert_int_equal(out[0], 10);
	assert_int_equal(layout_fit(cols, 3, 13, out), 1);
	assert_int_equal(layout_fit(cols, 3, 5, out), 1);
	assert_int_equal(out[0], 5);
	assert_int_equal(layout_fit(cols, 0, 80, out), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_fits_is_whole),
	    cmocka_unit_test(the_widest_gives_way),
	    cmocka_unit_test(the_last_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
