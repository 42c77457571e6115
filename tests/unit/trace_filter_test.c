/* Which calls a filter finds among what B2BUAs say, and what two servers know
 * of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/trace/calls.h"

#define NOW (100 * CLOCK_SEC)

/* ---- what is said -------------------------------------------------------- */

struct said {
	enum trace_kind kind;
	const char *call, *party;
	const char *times;
	uint64_t time;
	unsigned status;
	const char *reason;
};

/* A fact as a B2BUA would say it, of a call of 101 to +74951234567. */
static void
record_of(struct trace_record *r, char text[1000], const struct said *s)
{
	const char *keys[TRACE_KEYS] = {[TRACE_FROM] = "101",
	    [TRACE_TO] = "+74951234567",
	    [TRACE_CALL] = s->call,
	    [TRACE_DOMAIN] = "a.test",
	    [TRACE_PARTY] = s->party,
	    [TRACE_REASON] = s->reason,
	    [TRACE_TIMES] = s->times};
	size_t i, n;

	*r = (struct trace_record){.kind = s->kind,
	    .status = s->status,
	    .time = s->time,
	    .text = text};
	for (i = 0; i < TRACE_KEYS; i++) {
		n = keys[i] != NULL ? strlen(keys[i]) : 0;
		r->key[i] = (struct trace_span){(uint16_t)r->n, (uint16_t)n};
		memcpy(text + r->n, keys[i] != NULL ? keys[i] : "", n);
		r->n += (uint32_t)n;
	}
}

static void
say(struct trace_calls *calls, const struct trace_filter *f,
    const struct said *s)
{
	struct trace_record r;
	struct trace_call *c;
	char text[1000];

	record_of(&r, text, s);
	if (trace_filter_takes(f, &r) &&
	    (c = trace_calls_add(calls, &r)) != NULL)
		trace_filter_note(f, 0, c, &r);
}

/* Dialled at 10 s, rings at 13, answered at 20, ends at 25; tried alice first,
 * who was not there. */
static const struct said answered[] = {
    {TRACE_LEG, "c1", "101", "10000000 0 0", 10000100, 0, NULL},
    {TRACE_LEG, "c1", "alice", "10000000 0 0", 10000200, 0, NULL},
    {TRACE_LEG, "c1", "bob", "10000000 0 0", 10000300, 0, NULL},
    {TRACE_LEG, "c1", "101", "10000000 13000000 0", 13000000, 0, NULL},
    {TRACE_LEG, "c1", "101", "10000000 13000000 20000000", 20000000, 0, NULL},
    {TRACE_END, "c1", NULL, "10000000 13000000 20000000", 25000000, 200,
	"normal clearing"},
    {0}};
static const struct said busy[] = {
    {TRACE_LEG, "c2", "101", "10000000 0 0", 10000100, 0, NULL},
    {TRACE_END, "c2", NULL, "10000000 0 0", 11000000, 486, "User BUSY"}, {0}};

/* Is the call found after its first n facts? n 0 = all. */
static bool
finds(const struct said *said, size_t n, const char *query)
{
	struct trace_calls calls = {.room = 10};
	struct trace_filter f;
	struct trace_call *c;
	json_t *q = json_loads(query, 0, NULL);
	struct err e;
	bool found;
	size_t i, at = 0;

	assert_non_null(q);
	assert_int_equal(trace_filter_read(&f, q, &e), 0);
	for (i = 0; said[i].kind != 0 && (n == 0 || i < n); i++)
		say(&calls, &f, &said[i]);
	c = map_next(&calls.map, &at, NULL, NULL);
	found = c != NULL && trace_filter_matches(&f, 0, c, NOW);
	trace_calls_fini(&calls);
	trace_filter_fini(&f);
	json_decref(q);
	return found;
}

/* ---- whose --------------------------------------------------------------- */

static void
whose_it_is(void **state)
{
	(void)state;
	assert_true(finds(answered, 0, "{}"));
	assert_true(finds(answered, 0, "{\"domain\":\"a.test\"}"));
	assert_false(finds(answered, 0, "{\"domain\":\"b.test\"}"));
	assert_true(finds(answered, 0, "{\"from\":\"101\"}"));
	assert_false(finds(answered, 0, "{\"to\":\"101\"}"));
	assert_true(finds(answered, 0, "{\"from\":\"10*\"}"));
	assert_true(finds(answered, 0, "{\"to\":\"+7495*\"}"));
	assert_false(finds(answered, 0, "{\"to\":\"+7495\"}"));
	assert_false(finds(answered, 0, "{\"to\":\"+7812*\"}"));
	assert_true(finds(answered, 0, "{\"number\":\"101\"}"));
	assert_true(finds(answered, 0, "{\"number\":\"+74951234567\"}"));
	assert_false(finds(answered, 0, "{\"number\":\"102\"}"));
}

/* Who was tried in vain belongs to it also when it has ended. */
static void
all_who_were_tried_count(void **state)
{
	(void)state;
	assert_true(finds(answered, 0, "{\"number\":\"alice\"}"));
	assert_true(finds(answered, 0, "{\"user\":\"alice\"}"));
	assert_true(finds(answered, 0, "{\"user\":\"bob\"}"));
	assert_true(finds(answered, 0, "{\"user\":\"101\"}"));
	assert_false(finds(answered, 0, "{\"user\":\"+74951234567\"}"));
	assert_false(finds(answered, 2, "{\"user\":\"bob\"}"));
	assert_true(
	    finds(answered, 0, "{\"user\":\"alice\",\"code\":\"200\"}"));
	assert_false(
	    finds(answered, 0, "{\"user\":\"alice\",\"code\":\"486\"}"));
}

/* ---- how it went --------------------------------------------------------- */

static void
how_it_ended(void **state)
{
	(void)state;
	assert_true(finds(busy, 0, "{\"code\":\"486\"}"));
	assert_true(finds(busy, 0, "{\"code\":\"400-699\"}"));
	assert_true(finds(busy, 0, "{\"code\":\"486-486\"}"));
	assert_false(finds(busy, 0, "{\"code\":\"487-699\"}"));
	assert_false(finds(busy, 0, "{\"code\":\"200\"}"));
	assert_true(finds(answered, 0, "{\"code\":\"200-299\"}"));
	assert_false(finds(busy, 1, "{\"code\":\"100-699\"}"));
	assert_true(finds(busy, 0, "{\"failed\":true}"));
	assert_false(finds(busy, 1, "{\"failed\":true}"));
	assert_false(finds(answered, 0, "{\"failed\":true}"));
	assert_true(finds(busy, 0, "{\"cause\":\"user busy\"}"));
	assert_true(finds(busy, 0, "{\"cause\":\"Busy\"}"));
	assert_false(finds(busy, 0, "{\"cause\":\"clearing\"}"));
	assert_false(finds(busy, 1, "{\"cause\":\"busy\"}"));
}

/* What has not come so far is neither short nor long. */
static void
how_long_it_took(void **state)
{
	(void)state;
	assert_true(finds(answered, 0, "{\"answered\":\"yes\"}"));
	assert_false(finds(answered, 4, "{\"answered\":\"yes\"}"));
	assert_true(finds(answered, 4, "{\"answered\":\"no\"}"));
	assert_false(finds(answered, 5, "{\"answered\":\"no\"}"));
	assert_true(finds(answered, 0, "{\"duration\":\"<6\"}"));
	assert_false(finds(answered, 0, "{\"duration\":\"<5\"}"));
	assert_false(finds(answered, 0, "{\"duration\":\">5\"}"));
	assert_true(finds(answered, 0, "{\"duration\":\">4\"}"));
	/* one that goes on is as long as it is now */
	assert_true(finds(answered, 5, "{\"duration\":\">79\"}"));
	assert_false(finds(answered, 5, "{\"duration\":\">80\"}"));
	assert_false(finds(answered, 4, "{\"duration\":\"<80\"}"));
	assert_false(finds(busy, 0, "{\"duration\":\"<80\"}"));
	assert_true(finds(answered, 0, "{\"pdd\":\">2\"}"));
	assert_false(finds(answered, 0, "{\"pdd\":\">3\"}"));
	assert_true(finds(answered, 4, "{\"pdd\":\"<4\"}"));
	assert_false(finds(answered, 3, "{\"pdd\":\"<4\"}"));
	assert_false(finds(busy, 0, "{\"pdd\":\"<4\"}"));
	assert_true(finds(answered, 0,
	    "{\"duration\":\"<6\",\"pdd\":\">2\",\"from\":\"1*\"}"));
	assert_false(finds(answered, 0,
	    "{\"duration\":\"<6\",\"pdd\":\">3\",\"from\":\"1*\"}"));
}

/* What no console writes may come from another server. */
static void
what_is_no_filter_is_refused(void **state)
{
	static const char *const bad[] = {"{\"code\":\"4xx\"}",
	    "{\"code\":\"\"}", "{\"code\":\"600-400\"}", "{\"code\":\"4-\"}",
	    "{\"code\":\"1234567890\"}", "{\"duration\":\"5\"}",
	    "{\"duration\":\"<\"}", "{\"duration\":\"\"}", "{\"pdd\":\">-1\"}",
	    "{\"pdd\":\">99999999999999999999\"}"};
	struct trace_filter f;
	struct err e;
	json_t *q;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		q = json_loads(bad[i], 0, NULL);
		assert_non_null(q);
		assert_int_equal(trace_filter_read(&f, q, &e), -ERR_INVALID);
		trace_filter_fini(&f);
		json_decref(q);
	}
}

/* ---- two servers --------------------------------------------------------- */

static json_t *
row_of(const struct said *said, size_t from, size_t n, const char *server)
{
	struct trace_calls calls = {.room = 10};
	struct trace_filter f = {.answered = -1};
	json_t *row;
	size_t at = 0, i;

	for (i = from; i < from + n; i++)
		say(&calls, &f, &said[i]);
	row = trace_call_row(map_next(&calls.map, &at, NULL, NULL));
	json_object_set_new(row, "server", json_string(server));
	trace_calls_fini(&calls);
	return row;
}

/* The first server knows the beginning, the second, which took the call over
 * when it was answered, the end: in whatever order they answer, it is one call
 * of the second. */
static void
a_call_that_was_taken_over_is_one(void **state)
{
	json_t *first, *second, *rows[2];
	struct trace_call c;
	int turn;

	(void)state;
	for (turn = 0; turn < 2; turn++) {
		first = row_of(answered, 0, 4, "srv1");
		second = row_of(answered, 4, 2, "srv2");
		rows[turn] = first;
		rows[1 - turn] = second;
		trace_call_merge(rows[0], rows[1]);
		trace_call_read(&c, rows[0]);
		assert_string_equal(c.id, "c1");
		assert_int_equal(c.start, 10 * CLOCK_SEC);
		assert_int_equal(c.ring, 13 * CLOCK_SEC);
		assert_int_equal(c.answer, 20 * CLOCK_SEC);
		assert_int_equal(c.end, 25 * CLOCK_SEC);
		assert_int_equal(c.status, 200);
		assert_string_equal(c.reason, "normal clearing");
		assert_string_equal(
		    json_string_value(json_object_get(rows[0], "server")),
		    "srv2");
		json_decref(first);
		json_decref(second);
	}
}

/* What the first calls longer than a minute ended after five seconds. */
static void
what_lacks_its_end_is_looked_at_again(void **state)
{
	json_t *q = json_pack("{s:s}", "duration", ">60");
	json_t *first = row_of(answered, 0, 5, "srv1");
	json_t *second = row_of(answered, 5, 1, "srv2");
	struct trace_filter f;
	struct trace_call c;

	(void)state;
	assert_int_equal(trace_filter_read(&f, q, NULL), 0);
	trace_call_read(&c, first);
	assert_true(trace_filter_went(&f, &c, NOW));
	trace_call_merge(first, second);
	trace_call_read(&c, first);
	assert_false(trace_filter_went(&f, &c, NOW));
	trace_filter_fini(&f);
	json_decref(first);
	json_decref(second);
	json_decref(q);
}

/* There is room for so many, and it says when that was not enough. */
static void
calls_have_a_bound(void **state)
{
	struct trace_calls calls = {.room = 2};
	struct trace_filter f = {.answered = -1};
	char id[10];
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		snprintf(id, sizeof id, "c%d", i);
		say(&calls, &f,
		    &(struct said){.kind = TRACE_LEG, .call = id, .time = 1});
	}
	assert_false(calls.full);
	say(&calls, &f,
	    &(struct said){.kind = TRACE_LEG, .call = "c1", .time = 2});
	assert_false(calls.full);
	say(&calls, &f,
	    &(struct said){.kind = TRACE_LEG, .call = "c9", .time = 3});
	assert_true(calls.full);
	assert_int_equal(calls.map.count, 2);
	trace_calls_fini(&calls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whose_it_is),
	    cmocka_unit_test(all_who_were_tried_count),
	    cmocka_unit_test(how_it_ended),
	    cmocka_unit_test(how_long_it_took),
	    cmocka_unit_test(what_is_no_filter_is_refused),
	    cmocka_unit_test(a_call_that_was_taken_over_is_one),
	    cmocka_unit_test(what_lacks_its_end_is_looked_at_again),
	    cmocka_unit_test(calls_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
