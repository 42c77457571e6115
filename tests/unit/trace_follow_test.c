/* What those are told who follow calls live, and what is left out when too many
 * come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/trace/follow.h"

static uint64_t mono = 1000 * CLOCK_SEC;
static struct follows *follows;

static int
setup(void **state)
{
	(void)state;
	mono = 1000 * CLOCK_SEC;
	follows = follows_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	follows_free(&follows);
	return 0;
}

static int
begin(const char *key, const char *filter)
{
	json_t *q = json_loads(filter, 0, NULL);
	struct err e;
	int bit;

	assert_non_null(q);
	json_object_set_new(q, "for", json_integer(100));
	bit = follow_open(follows, key, q, mono, 7, &e);
	json_decref(q);
	return bit;
}

/* A fact of a call from a caller to 200: of a leg, or with a status of its end.
 */
static void
say(const char *call, const char *from, const char *party, const char *times,
    unsigned status)
{
	const char *keys[TRACE_KEYS] = {[TRACE_FROM] = from,
	    [TRACE_TO] = "200",
	    [TRACE_CALL] = call,
	    [TRACE_DOMAIN] = "a.test",
	    [TRACE_PARTY] = party,
	    [TRACE_TIMES] = times};
	struct trace_record r = {.kind = status != 0 ? TRACE_END : TRACE_LEG,
	    .status = status,
	    .time = 9000000};
	char text[500];
	size_t i, n;

	r.text = text;
	for (i = 0; i < TRACE_KEYS; i++) {
		n = keys[i] != NULL ? strlen(keys[i]) : 0;
		r.key[i] = (struct trace_span){(uint16_t)r.n, (uint16_t)n};
		memcpy(text + r.n, keys[i] != NULL ? keys[i] : "", n);
		r.n += (uint32_t)n;
	}
	follow_fact(follows, &r, 9000000, mono);
}

/* "k1: c1 0, c1 486; k2: ..": what each is told now, of a call its status. */
static const char *
told(uint64_t lost)
{
	static char words[500];
	json_t *list = follow_news(follows, mono, lost), *news, *row;
	size_t i, k, n = 0;

	words[0] = '\0';
	json_array_foreach (list, i, news) {
		n += (size_t)snprintf(words + n, sizeof words - n,
		    "%s%s:", i > 0 ? "; " : "",
		    json_string_value(json_object_get(news, "key")));
		json_array_foreach (json_object_get(news, "rows"), k, row)
			n += (size_t)snprintf(words + n, sizeof words - n,
			    " %s %d",
			    json_string_value(json_object_get(row, "call")),
			    (int)json_integer_value(
				json_object_get(row, "status")));
		if (json_integer_value(json_object_get(news, "lost")) != 0)
			n += (size_t)snprintf(words + n, sizeof words - n,
			    " lost %d",
			    (int)json_integer_value(
				json_object_get(news, "lost")));
		if (json_object_get(news, "over") != NULL)
			n += (size_t)snprintf(
			    words + n, sizeof words - n, " over");
	}
	json_decref(list);
	return words;
}

/* It begins, rings, is answered, ends: a row each; that another leg is made is
 * none. */
static void
a_call_is_told_when_it_comes_further(void **state)
{
	(void)state;
	assert_int_equal(begin("k1", "{}"), 0);
	say("c1", "101", "101", "1 0 0", 0);
	assert_string_equal(told(7), "k1: c1 0");
	assert_string_equal(told(7), "");
	say("c1", "101", "bob", "1 0 0", 0);
	assert_string_equal(told(7), "");
	say("c1", "101", "101", "1 2 0", 0);
	say("c1", "101", "101", "1 2 3", 0);
	assert_string_equal(told(7), "k1: c1 0 c1 0");
	say("c1", "101", NULL, "1 2 3", 200);
	assert_string_equal(told(7), "k1: c1 200");
}

/* What matches by its end is told then; each has what is theirs. */
static void
each_is_told_what_they_look_for(void **state)
{
	(void)state;
	assert_int_equal(begin("k1", "{\"code\":\"400-699\"}"), 0);
	assert_int_equal(begin("k2", "{\"user\":\"bob\",\"code\":\"486\"}"), 1);
	assert_int_equal(begin("k3", "{\"from\":\"10*\"}"), 2);
	say("c1", "101", "101", "1 0 0", 0);
	say("c1", "101", "bob", "1 0 0", 0);
	assert_string_equal(told(7), "k3: c1 0");
	say("c2", "555", "555", "1 0 0", 0);
	say("c2", "555", NULL, "1 0 0", 503);
	assert_string_equal(told(7), "k1: c2 503");
	say("c1", "101", NULL, "1 0 0", 486);
	assert_string_equal(told(7), "k1: c1 486; k2: c1 486; k3: c1 486");
}

/* Who was at the end of a leg in the past counts; who ended is not told, nor
 * does the next one with its bit know what it saw. */
static void
the_past_counts(void **state)
{
	const struct trace_call past = {
	    .id = "c1", .start = 1, .heard = 5, .user = 1, .number = 1};

	(void)state;
	assert_int_equal(begin("s1 k1", "{\"user\":\"alice\"}"), 0);
	follow_seed(follows, 0, &past, true);
	say("c1", "101", "101", "1 2 0", 0);
	assert_string_equal(told(7), "s1 k1: c1 0");
	follow_close(follows, "s2");
	assert_true(follows_any(follows));
	assert_int_equal(begin("s2 k2", "{}"), 1);
	follow_close(follows, "s1");
	assert_int_equal(begin("s2 k3", "{\"user\":\"alice\"}"), 0);
	say("c1", "101", "101", "1 2 3", 0);
	assert_string_equal(told(7), "s2 k2: c1 0");
	follow_close(follows, "s2");
	assert_false(follows_any(follows));
	say("c9", "101", "101", "1 2 3", 0);
	assert_string_equal(told(7), "");
}

static void
what_was_lost_is_said(void **state)
{
	(void)state;
	begin("k1", "{\"code\":\"503\"}");
	assert_string_equal(told(7), "");
	assert_string_equal(told(9), "k1: lost 2");
	assert_string_equal(told(9), "");
	assert_string_equal(told(10), "k1: lost 3");
}

static void
there_are_so_many_and_for_so_long(void **state)
{
	char key[20];
	int i;

	(void)state;
	for (i = 0; i < FOLLOWS; i++) {
		snprintf(key, sizeof key, "k%02d", i);
		assert_int_equal(begin(key, "{\"code\":\"503\"}"), i);
	}
	assert_int_equal(begin("more", "{}"), -ERR_FULL);
	follow_close(follows, "k03");
	assert_int_equal(begin("more", "{\"code\":\"5xx\"}"), -ERR_INVALID);
	assert_int_equal(begin("more", "{\"code\":\"503\"}"), 3);
	follow_close(follows, "k");
	mono += 100 * CLOCK_SEC - 1;
	assert_string_equal(told(7), "");
	mono++;
	assert_string_equal(told(7), "more: over");
	assert_false(follows_any(follows));
}

/* ---- the budget ---------------------------------------------------------- */

/* With every second's budget of rows that is full half as many calls are shown;
 * when there is room for twice as many, twice as many. */
static void
the_share_follows_the_rate(void **state)
{
	struct follow_budget b = {.share = 1024};
	unsigned i, second;

	(void)state;
	for (i = 0; i < FOLLOW_RATE - 1; i++)
		follow_spend(&b, mono);
	assert_int_equal(b.share, 1024);
	follow_spend(&b, mono);
	assert_int_equal(b.share, 512);
	for (i = 0; i < FOLLOW_RATE; i++)
		follow_spend(&b, mono);
	assert_int_equal(b.share, 256);
	follow_spend(&b, mono + CLOCK_SEC); /* the second before was full */
	assert_int_equal(b.share, 256);
	for (second = 2; second < 10; second++)
		follow_spend(&b, mono + second * CLOCK_SEC);
	assert_int_equal(b.share, 1024);
	for (i = 0; i < 100 * FOLLOW_RATE; i++)
		follow_spend(&b, mono);
	assert_int_equal(b.share, 1);
}

/* The same calls on every server; who is in a share is in each greater one. */
static void
whole_calls_are_left_out(void **state)
{
	struct follow_budget half = {.share = 512}, few = {.share = 64};
	unsigned i, nhalf = 0, nfew = 0;
	char id[20];

	(void)state;
	for (i = 0; i < 4000; i++) {
		snprintf(id, sizeof id, "call-%u", i);
		nhalf += follow_shows(&half, id);
		nfew += follow_shows(&few, id);
		assert_true(follow_shows(&half, id) || !follow_shows(&few, id));
	}
	assert_in_range(nhalf, 1800, 2200);
	assert_in_range(nfew, 180, 320);
}

/* A flood: of each call that was begun to be shown every row comes, of others
 * none. */
static void
a_flood_is_shown_in_part(void **state)
{
	unsigned begun[3 * FOLLOW_RATE] = {0}, ended = 0, shown = 0, i;
	json_t *list, *row;
	size_t k;
	char id[20];

	(void)state;
	begin("k1", "{}");
	for (i = 0; i < 3 * FOLLOW_RATE; i++) {
		snprintf(id, sizeof id, "%u", i);
		say(id, "101", "101", "1 0 0", 0);
	}
	for (i = 0; i < 3 * FOLLOW_RATE; i++) {
		snprintf(id, sizeof id, "%u", i);
		say(id, "101", NULL, "1 0 0", 486);
	}
	list = follow_news(follows, mono, 7);
	json_array_foreach (
	    json_object_get(json_array_get(list, 0), "rows"), k, row) {
		i = (unsigned)atoi(
		    json_string_value(json_object_get(row, "call")));
		assert_in_range(i, 0, 3 * FOLLOW_RATE - 1);
		if (json_integer_value(json_object_get(row, "status")) == 0) {
			begun[i]++;
			shown++;
		} else {
			assert_int_equal(begun[i], 1);
			ended++;
		}
	}
	assert_int_equal(shown, ended);
	assert_in_range(shown, FOLLOW_RATE, 3 * FOLLOW_RATE - 1);
	assert_true(json_integer_value(json_object_get(
			json_array_get(list, 0), "share")) < 1024);
	json_decref(list);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_call_is_told_when_it_comes_further),
	    T(each_is_told_what_they_look_for),
	    T(the_past_counts),
	    T(what_was_lost_is_said),
	    T(there_are_so_many_and_for_so_long),
	    T(the_share_follows_the_rate),
	    T(whole_calls_are_left_out),
	    T(a_flood_is_shown_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
