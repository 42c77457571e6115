/* The picture of a recorded call: columns, folding, legs, the cursor. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/screen/trace.h"

static struct flow flow;
static json_t *rows;

/* One more hop of a message, at a time that is its place. */
static void
hop(const char *word, int from, int to, const char *leg)
{
	static const char *const names[] = {
	    "101", "sg/1@srv1", "b2bua/1@srv1", "sg/1@srv2", "102"};

	json_array_append_new(rows,
	    json_pack("{s:o, s:s, s:i, s:i, s:s, s:s, s:s, s:o, s:s, s:s, s:b}",
		"at", json_sprintf("+0.%03zu", json_array_size(rows)),
		"message", word, "from-column", from, "to-column", to, "source",
		names[from], "target", names[to], "leg", leg, "time",
		json_sprintf("t%zu", json_array_size(rows)), "call-id", leg,
		"transport", "udp", "masked",
		from == 0 && strcmp(word, "INVITE") == 0));
}

static int
start(void **state)
{
	(void)state;
	flow_init(&flow);
	rows = json_array();
	json_array_append_new(
	    rows, json_pack("{s:s, s:n}", "ladder", "101", "message"));
	hop("INVITE", 0, 1, "a");
	hop("100 Trying", 1, 0, "a");
	hop("INVITE", 1, 2, "a");
	hop("INVITE", 2, 3, "b1");
	hop("INVITE", 3, 4, "b1");
	hop("200 OK", 4, 3, "b1");
	hop("200 OK", 3, 2, "b1");
	flow_take(&flow, rows);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	flow_fini(&flow);
	json_decref(rows);
	return 0;
}

/* The steps that are shown, with the numbers of their messages. */
static void
shows(const char *want)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_str(&b, "");
	for (i = 0; i < flow.n; i++)
		buf_fmt(&b, "%zu:%zu-%zu*%zu ", flow.step[i].message,
		    flow.step[i].from, flow.step[i].to, flow.step[i].hops);
	assert_string_equal(b.data, want);
	buf_fini(&b);
}

static void
line_is(size_t step, unsigned width, bool utf8, const char *want)
{
	struct buf b = BUF_INIT;
	struct flow_view v;

	flow_layout(&flow, width, utf8, &v);
	flow_put_step(&flow, &v, &flow.step[step], &b);
	assert_string_equal(b.data, want);
	assert_true(text_width(b.data) <= width);
	buf_fini(&b);
}

/* What a gate passes on is one arrow; another leg's is another message. */
static void
hops_are_folded(void **state)
{
	(void)state;
	shows("1:0-2*2 2:1-0*1 4:2-4*2 6:4-2*2 ");
	assert_true(flow.step[0].masked && !flow.step[2].masked);
	flow_fold(&flow, false);
	shows("1:0-1*1 2:1-0*1 3:1-2*1 4:2-3*1 5:3-4*1 6:4-3*1 7:3-2*1 ");
}

/* Said twice, the second one is what is passed on: none takes it twice. */
static void
a_repeated_message_is_folded_once(void **state)
{
	(void)state;
	json_array_clear(rows);
	hop("INVITE", 0, 1, "a");
	hop("INVITE", 0, 1, "a");
	hop("INVITE", 1, 2, "a");
	flow_take(&flow, rows);
	shows("1:0-1*1 2:0-2*2 ");
}

/* Who sent it back did not pass it on. */
static void
there_and_back_is_not_folded(void **state)
{
	(void)state;
	json_array_clear(rows);
	hop("BYE", 0, 1, "a");
	hop("BYE", 1, 0, "a");
	flow_take(&flow, rows);
	shows("1:0-1*1 2:1-0*1 ");
}

/* One leg has its own columns only; behind the last come all again. */
static void
legs_are_filtered(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	flow_next_leg(&flow);
	shows("1:0-2*2 2:1-0*1 ");
	assert_int_equal(flow.ncols, 3);
	flow_next_leg(&flow);
	shows("4:2-4*2 6:4-2*2 ");
	assert_int_equal(flow.col[0], 2);
	flow_put_legs(&flow, &b);
	assert_string_equal(b.data, "Leg:  all  a [b1]");
	flow_next_leg(&flow);
	assert_int_equal(flow.ncols, 5);
	buf_fini(&b);
}

/* The cursor stays on its message, folded or not, and when others come. */
static void
the_cursor_stays_on_its_message(void **state)
{
	(void)state;
	flow_move(&flow, 2, 10);
	assert_int_equal(flow_current(&flow)->message, 4);
	flow_fold(&flow, false);
	assert_int_equal(flow_current(&flow)->message, 4);
	json_array_insert_new(rows, 1,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "message", "OPTIONS",
		"time", "t", "source", "x", "target", "y", "call-id", "z",
		"leg", ""));
	flow_take(&flow, rows);
	assert_int_equal(flow_current(&flow)->message, 5);
	json_array_clear(rows);
	flow_take(&flow, rows);
	assert_null(flow_current(&flow));
	flow_move(&flow, 1, 10);
	flow_mark(&flow);
	assert_null(flow.mark);
}

static void
one_message_is_marked(void **state)
{
	(void)state;
	flow_mark(&flow);
	assert_true(flow_is_marked(&flow, &flow.step[0]));
	assert_false(flow_is_marked(&flow, &flow.step[1]));
	flow_mark(&flow);
	assert_null(flow.mark);
}

/* An arrow reaches from bar to bar; its word is in the middle. */
static void
arrows_reach_from_bar_to_bar(void **state)
{
	(void)state;
	line_is(0, 80, false,
	    "      +0.001  |------INVITE------>|         |         |         "
	    "  2 hops folded");
	line_is(1, 80, false,
	    "      +0.002  |<100 Try~|         |         |         |         "
	    "  a udp");
	line_is(0, 120, true,
	    "      +0.001  \u2502"
	    "\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500"
	    "INVITE"
	    "\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500>"
	    "\u2502             \u2502             \u2502               a udp "
	    "masked, 2 hops folded");
}

/* What does not fit is scrolled: arrows that leave the picture have no head
 * there, one that is outside is told by its word. */
static void
columns_are_scrolled(void **state)
{
	(void)state;
	line_is(
	    0, 60, false, "      +0.001  |------INVITE------>|           *2");
	line_is(2, 60, false,
	    "      +0.004  |         |         |           IN"
	    "VIT~");
	flow.left = 2;
	line_is(0, 60, false,
	    "      +0.001  |         |         |           IN"
	    "VIT~");
	line_is(
	    2, 60, false, "      +0.004  |------INVITE------>|           *2");
	flow.left = 99;
	line_is(
	    2, 60, false, "      +0.004  |------INVITE------>|           *2");
	assert_int_equal(flow.left, 2);
}

/* A reason phrase is foreign: wide letters take two columns. */
static void
wide_words_keep_bars_in_line(void **state)
{
	struct flow_view v;
	struct buf b = BUF_INIT;

	(void)state;
	json_array_clear(rows);
	hop("486 \u5fd9\u3044", 0, 1, "a");
	hop("486 Busy", 0, 1, "a");
	flow_take(&flow, rows);
	flow_layout(&flow, 80, false, &v);
	flow_put_step(&flow, &v, &flow.step[0], &b);
	assert_non_null(strstr(b.data, "486 \u5fd9\u3044"));
	assert_int_equal(
	    text_width_n(b.data, (size_t)(strrchr(b.data, '|') - b.data)),
	    14 + v.wide);
	buf_fini(&b);
}

int
main(void)
{
#define FLOW(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
	    FLOW(hops_are_folded),
	    FLOW(a_repeated_message_is_folded_once),
	    FLOW(there_and_back_is_not_folded),
	    FLOW(legs_are_filtered),
	    FLOW(the_cursor_stays_on_its_message),
	    FLOW(one_message_is_marked),
	    FLOW(arrows_reach_from_bar_to_bar),
	    FLOW(columns_are_scrolled),
	    FLOW(wide_words_keep_bars_in_line),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
