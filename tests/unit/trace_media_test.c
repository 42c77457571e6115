/* Figures of media: as they were said or not at all, and found by the call. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/trace/recorder.h"
#include "daemon/trace/trace_media.h"
#include "tests/lib/scratch.h"

static char dir[64], files[100], rings[100];
static struct ring *mg, *b2bua;
static struct recorder *recorder;
static struct loop *loop;
static json_t *result;

static struct ring *
ring(const char *name)
{
	char path[200];

	snprintf(path, sizeof path, "%s/%s", rings, name);
	return ring_open(path, 1 << 20, NULL);
}

static int
setup(void **state)
{
	const struct recorder_conf conf = {
	    .rings = rings, .dir = files, .server = "srv1", .limit = 16u << 20};

	(void)state;
	log_fd(open("/dev/null", O_WRONLY));
	scratch_make(dir);
	snprintf(files, sizeof files, "%s/trace", dir);
	snprintf(rings, sizeof rings, "%s/rings", dir);
	mkdir(rings, 0700);
	mg = ring("mg-1");
	b2bua = ring("b2bua-1");
	loop = loop_new();
	recorder = recorder_open(loop, &conf, NULL);
	return recorder == NULL || mg == NULL || b2bua == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	recorder_close(&recorder);
	ring_close(&mg);
	ring_close(&b2bua);
	json_decref(result);
	result = NULL;
	loop_free(&loop);
	scratch_remove(dir);
	return 0;
}

static void
on_result(void *arg, json_t *rows, const struct err *e)
{
	(void)arg;
	if (e != NULL)
		fail_msg("%s", e->text);
	result = json_incref(rows);
	loop_stop(loop);
}

static json_t *
ask(json_t *query)
{
	json_decref(result);
	recorder_ask(recorder, query, on_result, NULL);
	loop_run(loop);
	return json_object_get(result, "rows");
}

static json_t *
media(const char *call, bool last)
{
	return ask(json_pack("{s:s, s:s, s:b, s:i}", "want", "media", "call",
	    call, "last", (int)last, "limit", RECORDER_FIGURES));
}

/* An interval of a stream: each figure is its place, but for some. */
static void
say(const char *call, const char *label, uint64_t began, uint64_t received)
{
	struct trace_media m = {.call = call, .label = label, .codec = "PCMA"};
	size_t i;

	for (i = 0; i < TRACE_FIGURES; i++)
		m.figure[i] = i;
	m.figure[TRACE_BEGAN] = began;
	m.figure[TRACE_RECEIVED] = received;
	m.figure[TRACE_RTT] = TRACE_UNKNOWN;
	trace_media(mg, &m);
}

static void
figures_of(json_t *rows, size_t i, uint64_t figure[TRACE_FIGURES])
{
	const char *text = json_string_value(
	    json_object_get(json_array_get(rows, i), "figures"));

	assert_non_null(text);
	assert_true(trace_figures(figure, text, strlen(text)));
}

static void
figures_are_read_as_they_were_said(void **state)
{
	uint64_t figure[TRACE_FIGURES];
	json_t *rows;
	size_t i;

	(void)state;
	say("c1", "a", UINT64_C(1800000000000000), 250);
	rows = media("c1", false);
	assert_int_equal(json_array_size(rows), 1);
	figures_of(rows, 0, figure);
	for (i = 0; i < TRACE_FIGURES; i++) {
		if (i == TRACE_BEGAN)
			assert_int_equal(figure[i], UINT64_C(1800000000000000));
		else if (i == TRACE_RECEIVED)
			assert_int_equal(figure[i], 250);
		else if (i == TRACE_RTT)
			assert_int_equal(figure[i], TRACE_UNKNOWN);
		else
			assert_int_equal(figure[i], i);
	}
}

/* 28 numbers with one space between them, and nothing else. */
static void
what_is_no_figures_is_refused(void **state)
{
	static const char good[] = "1 2 3 0 5 6 7 8 9 - - - - - - 5 6 7 8 9 - "
				   "- - - - - - -";
	uint64_t figure[TRACE_FIGURES];
	char text[200];
	size_t i, n = sizeof good - 1;

	(void)state;
	assert_true(trace_figures(figure, good, n));
	for (i = 0; i < n; i++)
		assert_false(trace_figures(figure, good, i));
	snprintf(text, sizeof text, "%s ", good);
	assert_false(trace_figures(figure, text, n + 1));
	snprintf(text, sizeof text, "%s 1", good);
	assert_false(trace_figures(figure, text, n + 2));
	for (i = 0; i < 20; i++) { /* a count is never unknown */
		memcpy(text, good, n);
		if (i < 9 || i >= 15) {
			text[2 * i] = '-';
			assert_false(trace_figures(figure, text, n));
		}
		text[2 * i] = '/';
		assert_false(trace_figures(figure, text, n));
	}
	snprintf(text, sizeof text, "%s%s", "1234567890123456789", good + 1);
	assert_false(trace_figures(figure, text, strlen(text)));
	snprintf(text, sizeof text, "%s%s", "123456789012345678", good + 1);
	assert_true(trace_figures(figure, text, strlen(text)));
}

/* Of each stream the last, whatever stands between. */
static void
the_last_of_each_stream_is_found(void **state)
{
	static const struct {
		const char *label;
		uint64_t began, received;
	} want[] = {{"a", 1, 30}, {"b1", 1, 40}, {"a", 2, 50}};
	uint64_t figure[TRACE_FIGURES];
	json_t *rows;
	size_t i;

	(void)state;
	say("c1", "a", 1, 10);
	say("c1", "b1", 1, 20);
	say("c2", "a", 1, 99);
	say("c1", "a", 1, 30);
	say("c1", "b1", 1, 40);
	say("c1", "a", 2, 50); /* another gate's, or after a new invitation */
	assert_int_equal(json_array_size(media("c1", false)), 5);
	assert_int_equal(json_array_size(media("c3", false)), 0);
	rows = media("c1", true);
	assert_int_equal(json_array_size(rows), 3);
	for (i = 0; i < 3; i++) {
		figures_of(rows, i, figure);
		assert_string_equal(want[i].label,
		    json_string_value(
			json_object_get(json_array_get(rows, i), "label")));
		assert_int_equal(figure[TRACE_BEGAN], want[i].began);
		assert_int_equal(figure[TRACE_RECEIVED], want[i].received);
	}
}

/* Only a media gate is believed about media. */
static void
others_say_nothing_of_media(void **state)
{
	struct trace_media m = {.call = "c1", .label = "a", .codec = "PCMA"};

	(void)state;
	trace_media(b2bua, &m);
	say("c1", "a", 1, 10);
	assert_int_equal(json_array_size(media("c1", false)), 1);
}

static void
fact(enum trace_kind kind, const char *call, unsigned status)
{
	const struct trace_fact f = {.kind = kind,
	    .status = status,
	    .text = {
		[TRACE_CALL] = call,
		[TRACE_CALL_ID] = kind == TRACE_LEG ? call : NULL,
		[TRACE_DOMAIN] = "a.test",
		[TRACE_FROM] = kind == TRACE_QUALITY ? NULL : "101",
	    }};

	trace_fact(b2bua, &f);
}

/* A call knows how it was, also when that is said behind its end; of a call
 * that nobody knows any more nothing is made up. */
static void
a_call_knows_its_quality(void **state)
{
	json_t *rows, *row;

	(void)state;
	fact(TRACE_LEG, "c1", 0);
	fact(TRACE_END, "c1", 200);
	fact(TRACE_QUALITY, "c1", 438);
	fact(TRACE_QUALITY, "c2", 100);
	rows = ask(json_pack("{s:s}", "want", "calls"));
	assert_int_equal(json_array_size(rows), 1);
	row = json_array_get(rows, 0);
	assert_string_equal(
	    json_string_value(json_object_get(row, "from")), "101");
	assert_int_equal(json_integer_value(json_object_get(row, "mos")), 438);
	assert_int_equal(
	    json_integer_value(json_object_get(row, "status")), 200);
	rows = ask(json_pack("{s:s, s:s}", "want", "legs", "call", "c1"));
	assert_int_equal(json_array_size(rows), 2);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(figures_are_read_as_they_were_said),
	    T(what_is_no_figures_is_refused),
	    T(the_last_of_each_stream_is_found),
	    T(others_say_nothing_of_media),
	    T(a_call_knows_its_quality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
