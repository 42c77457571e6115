/* Messages of several servers in one order, and the picture of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/control/control.h"

/* "srv1 3 120 > a INVITE": server, number, time, direction towards (">") or
 * from ("<") B2BUA or outside ("." before the leg), leg, method or status. */
static json_t *
hop(const char *text)
{
	char server[16], way[4], leg[8], word[16];
	unsigned number, time, status = 0;
	bool inside;

	assert_int_equal(sscanf(text, "%15s %u %u %3s %7s %15s", server,
			     &number, &time, way, leg, word),
	    6);
	inside = way[1] == '\0';
	sscanf(word, "%u", &status);
	return json_pack("{s:s, s:s, s:i, s:i, s:b, s:b, s:b, s:i, s:s, s:s, "
			 "s:s}",
	    "server", server, "instance", "sg/1", "number", (int)number, "time",
	    (int)time, "inside", (int)inside, "out", (int)(way[0] == '>'),
	    "reply", (int)(status != 0), "status", (int)status, "method",
	    status == 0 ? word : "INVITE", "leg", leg, "word", word);
}

/* In the order given as "word word ..." of legs and words. */
static void
ordered(const char *const *hops, const char *want)
{
	json_t *rows = json_array(), *out, *row;
	char got[500] = "";
	size_t i;

	for (; *hops != NULL; hops++)
		json_array_append_new(rows, hop(*hops));
	out = trace_order(rows);
	json_array_foreach (out, i, row)
		sprintf(got + strlen(got), "%s%s-%s", i > 0 ? " " : "",
		    json_string_value(json_object_get(row, "leg")),
		    json_string_value(json_object_get(row, "word")));
	assert_string_equal(got, want);
	json_decref(rows);
	json_decref(out);
}

static void
time_orders_what_nothing_else_does(void **state)
{
	static const char *const hops[] = {"srv1 1 10 <. a INVITE",
	    "srv2 1 30 <. b1 180", "srv1 2 20 > a INVITE", NULL};

	(void)state;
	ordered(hops, "a-INVITE a-INVITE b1-180");
}

/* The clock of one process was set back: its own order stands. */
static void
a_process_keeps_its_order(void **state)
{
	static const char *const hops[] = {"srv1 1 50 <. a INVITE",
	    "srv1 2 20 >. a 100", "srv1 3 60 >. a 200", NULL};

	(void)state;
	ordered(hops, "a-INVITE a-100 a-200");
}

/* The second server is 100 ms behind: the called is still asked after the
 * caller, and answers before the caller is told. */
static void
legs_keep_cause_and_effect(void **state)
{
	static const char *const late[] = {"srv1 1 1000 > a INVITE",
	    "srv1 2 1060 < a 180", "srv1 3 1090 < a 200",
	    "srv2 1 910 < b1 INVITE", "srv2 2 950 > b1 180",
	    "srv2 3 980 > b1 200", NULL};
	static const char *const early[] = {"srv1 1 1000 > a INVITE",
	    "srv1 2 1060 < a 180", "srv1 3 1090 < a 200",
	    "srv2 1 1110 < b1 INVITE", "srv2 2 1150 > b1 180",
	    "srv2 3 1180 > b1 200", NULL};

	static const char *const slow[] = {"srv1 1 9000 > a INVITE",
	    "srv1 2 9060 < a 180", "srv1 3 9090 < a 200", "srv1 4 9900 > a BYE",
	    "srv2 1 1010 < b1 INVITE", "srv2 2 1050 > b1 180",
	    "srv2 3 1080 > b1 200", "srv2 4 1910 < b1 BYE", NULL};

	(void)state;
	ordered(late, "a-INVITE b1-INVITE b1-180 a-180 b1-200 a-200");
	ordered(early, "a-INVITE b1-INVITE b1-180 a-180 b1-200 a-200");
	ordered(slow,
	    "a-INVITE b1-INVITE b1-180 a-180 b1-200 a-200 a-BYE "
	    "b1-BYE");
}

static json_t *
step(const char *gate, const char *other, const char *call_id, bool inside,
    bool out)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:b}", "gate", gate, "other",
	    other, "call-id", call_id, "inside", (int)inside, "out", (int)out);
}

static void
line_is(struct ladder *l, json_t *row, const char *word, const char *want)
{
	struct buf b = BUF_INIT;

	ladder_line(l, row, word, &b);
	assert_string_equal(b.data, want);
	buf_fini(&b);
}

/* One gate that both legs pass stands in two columns; arrows point to who
 * receives; titles count characters, not bytes. */
static void
a_ladder_has_a_column_for_each_end(void **state)
{
	struct ladder *l = ladder_new();
	struct buf b = BUF_INIT;
	json_t *rows[4] = {step("sg/1", "Иван", "x", false, false),
	    step("sg/1", "b2bua/1", "x", true, true),
	    step("sg/1", "b2bua/1", "y", true, false),
	    step("sg/1", "102", "y", false, true)};
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		ladder_see(l, rows[i]);
	ladder_titles(l, &b);
	assert_string_equal(b.data,
	    "Иван          sg/1          b2bua/1       sg/1          102");
	buf_fini(&b);
	line_is(l, rows[0], "INVITE",
	    "|---INVITE--->|             |             |             |");
	line_is(l, rows[2], "INVITE",
	    "|             |             |---INVITE--->|             |");
	line_is(l, rows[3], "a word that is too long",
	    "|             |             |             |a word that >|");
	json_object_set_new(rows[0], "out", json_true());
	line_is(l, rows[0], "180 Ringing",
	    "|<180 Ringing-|             |             |             |");
	ladder_free(&l);
	for (i = 0; i < 4; i++)
		json_decref(rows[i]);
}

/* Where there is room an address is whole. */
static void
few_columns_are_wide(void **state)
{
	struct ladder *l = ladder_new();
	struct buf b = BUF_INIT;
	json_t *row = step("sg/1", "192.0.2.10:34189", "x", false, false);

	(void)state;
	ladder_see(l, row);
	ladder_titles(l, &b);
	assert_string_equal(b.data, "192.0.2.10:34189 sg/1");
	buf_fini(&b);
	line_is(l, row, "OPTIONS", "|----OPTIONS---->|");
	ladder_free(&l);
	json_decref(row);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_orders_what_nothing_else_does),
	    cmocka_unit_test(a_process_keeps_its_order),
	    cmocka_unit_test(legs_keep_cause_and_effect),
	    cmocka_unit_test(a_ladder_has_a_column_for_each_end),
	    cmocka_unit_test(few_columns_are_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
