/* What a gate tells the recorder of its streams. The intervals are ended by
 * hand, so nothing here depends on the time. */
#include "mg_fixture.h"
#include "daemon/trace/trace_media.h"
#include "tests/lib/scratch.h"

static char dir[64];
static struct ring *ring;
static struct ring_reader reader;

static int
setup_traced(void **state)
{
	struct gate *g;
	char path[80];

	setup(state);
	g = *state;
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/mg-1", dir);
	ring = g->mg->trace = ring_open(path, 1 << 20, NULL);
	assert_non_null(ring);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	return 0;
}

static int
teardown_traced(void **state)
{
	teardown(state);
	ring_detach(&reader);
	ring_close(&ring);
	scratch_remove(dir);
	return 0;
}

static struct {
	char call[40], label[40], codec[40];
	uint64_t figure[TRACE_FIGURES];
} told;

/* The next record; false when there is none. */
static bool
next(void)
{
	struct trace_record r;
	const uint8_t *p;
	size_t n;

	if (!ring_next(&reader, &p, &n))
		return false;
	assert_int_equal(trace_record_decode(&r, p, n, NULL), 0);
	assert_int_equal(r.kind, TRACE_MEDIA);
	assert_true(trace_key_text(&r, TRACE_CALL, told.call, 40));
	assert_true(trace_key_text(&r, TRACE_LABEL, told.label, 40));
	assert_true(trace_key_text(&r, TRACE_METHOD, told.codec, 40));
	assert_true(trace_figures(
	    told.figure, r.text + r.key[TRACE_TIMES].at, r.key[TRACE_TIMES].n));
	return true;
}

static void
next_is(const char *label, uint64_t received, uint64_t lost)
{
	assert_true(next());
	assert_string_equal(told.call, "c1");
	assert_string_equal(told.label, label);
	assert_int_equal(told.figure[TRACE_RECEIVED], received);
	assert_int_equal(told.figure[TRACE_LOST], lost);
}

/* n packets of one phone, all taken. */
static void
says(struct gate *g, struct phone *p, unsigned n)
{
	for (; n > 0; n--) {
		speak(p);
		turn(g);
	}
}

/* The n-th interval ends. */
static void
interval(struct gate *g, unsigned n)
{
	mg_figures_call(
	    mg_call_find(g->mg, "c1"), clock_mono() + n * MG_INTERVAL);
}

/* Each interval for itself, and the whole so far; who is silent is told, too.
 */
static void
intervals_and_the_whole_are_told(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");

	connect_both(g, &a, &b);
	says(g, &a, 40);
	a.seq = (uint16_t)(a.seq + 4);
	says(g, &a, 36);
	interval(g, 1);
	next_is("a", 76, 4);
	assert_string_equal(told.codec, "PCMA");
	assert_int_equal(told.figure[TRACE_SECTION], 1);
	assert_int_equal(told.figure[TRACE_HELD], 0);
	assert_int_equal(told.figure[TRACE_GAP], 4);
	assert_in_range(told.figure[TRACE_MOS], 360, 400); /* 5 % */
	assert_int_equal(told.figure[TRACE_RTT], TRACE_UNKNOWN);
	assert_int_equal(told.figure[TRACE_FAR_LOSS], TRACE_UNKNOWN);
	next_is("b", 0, 0);
	assert_string_equal(told.codec, "audio");
	assert_int_equal(told.figure[TRACE_MOS], TRACE_UNKNOWN);
	assert_int_equal(told.figure[TRACE_JITTER], TRACE_UNKNOWN);
	assert_false(next());

	says(g, &a, 50);
	interval(g, 2);
	next_is("a", 50, 0);
	assert_int_equal(told.figure[TRACE_GAP], 0);
	assert_int_equal(told.figure[TRACE_ALL_RECEIVED], 126);
	assert_int_equal(told.figure[TRACE_ALL_LOST], 4);
	assert_int_equal(told.figure[TRACE_ALL_GAP], 4);
	assert_in_range(told.figure[TRACE_LEAST_MOS], 360, 400);
	assert_true(told.figure[TRACE_MOS] > told.figure[TRACE_MEAN_MOS]);
	assert_true(told.figure[TRACE_MEAN_MOS] > told.figure[TRACE_LEAST_MOS]);
	next_is("b", 0, 0);
	phone_end(&a);
	phone_end(&b);
}

/* Of a stream that nobody hears yet and that has not begun nothing is said. */
static void
nothing_is_said_before_the_answer(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");

	ask(g, offer("c1", "a", sdp_of(&a, "")));
	interval(g, 1);
	assert_false(next());
	phone_end(&a);
}

/* The rest is told by the delete, once, and its answer knows how it was. */
static void
the_end_is_told(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	int mos;

	connect_both(g, &a, &b);
	says(g, &a, 50);
	interval(g, 0);
	next_is("a", 50, 0);
	assert_false(next()); /* too short to miss b */
	says(g, &a, 30);
	ask(g, with(delete ("c1"), "flags", json_pack("[s]", "tandem-brief")));
	next_is("a", 30, 0);
	assert_int_equal(told.figure[TRACE_ALL_RECEIVED], 80);
	assert_false(next());
	assert_int_equal(
	    json_unpack(g->reply, "{s:{s:{s:[{s:[{s:{s:i}}]}]}}}", "tags", "a",
		"medias", "streams", "stats", "mos", &mos),
	    0);
	assert_in_range(mos, 400, 441);
	assert_int_equal(told.figure[TRACE_MEAN_MOS], mos);
	assert_null(json_object_get(
	    json_object_get(
		json_array_get(
		    json_object_get(
			json_array_get(
			    json_object_get(
				json_object_get(
				    json_object_get(g->reply, "tags"), "b"),
				"medias"),
			    0),
			"streams"),
		    0),
		"stats"),
	    "mos"));
	phone_end(&a);
	phone_end(&b);
}

static void
says_rtcp(struct gate *g, struct phone *p, const uint8_t *data, size_t n)
{
	union addr to = p->to;

	addr_set_port(&to, (uint16_t)(addr_port(&to) + 1));
	send_to(p->rtcp, &to, data, n);
	turn(g);
}

/* A sends a report, B answers that it misses a quarter: both are B's. */
static void
reports_are_told_of_who_wrote_them(void **state)
{
	uint8_t sr[28] = {0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0x50, 0, 0x12};
	uint8_t rr[32] = {0x81, 201, 0, 7, 0, 0, 0, 2};
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");

	connect_both(g, &a, &b);
	says(g, &a, 30);
	says(g, &b, 30);
	says_rtcp(g, &a, sr, sizeof sr);
	rr[10] = (uint8_t)(a.ssrc >> 8);
	rr[11] = (uint8_t)a.ssrc;
	rr[12] = 64;
	rr[23] = 80; /* jitter of 10 ms */
	memcpy(rr + 24, sr + 10, 4);
	says_rtcp(g, &b, rr, sizeof rr);
	interval(g, 1);
	next_is("a", 30, 0);
	assert_int_equal(told.figure[TRACE_RTT], TRACE_UNKNOWN);
	assert_int_equal(told.figure[TRACE_FAR_LOSS], TRACE_UNKNOWN);
	next_is("b", 30, 0);
	assert_int_not_equal(told.figure[TRACE_RTT], TRACE_UNKNOWN);
	assert_int_equal(told.figure[TRACE_FAR_LOSS], 2500);
	assert_int_equal(told.figure[TRACE_FAR_JITTER], 10000);
	assert_in_range(told.figure[TRACE_FAR_MOS], 200, 260);
	interval(g, 2);
	next_is("a", 0, 0);
	next_is("b", 0, 0); /* what was reported before is not said again */
	assert_int_equal(told.figure[TRACE_FAR_LOSS], TRACE_UNKNOWN);
	assert_int_equal(told.figure[TRACE_ALL_FAR_LOSS], 2500);
	phone_end(&a);
	phone_end(&b);
}

/* Who does not want to hear makes the other's stream one that is held. */
static void
a_held_stream_is_told_as_held(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");

	connect_both(g, &a, &b);
	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "a=sendonly\r\n")), "to-tag",
		json_string("b")));
	ask(g, answer("c1", "a", "b", sdp_of(&b, "a=recvonly\r\n")));
	says(g, &a, 30);
	interval(g, 1);
	next_is("a", 30, 0);
	assert_int_equal(told.figure[TRACE_HELD], 0);
	next_is("b", 0, 0);
	assert_int_equal(told.figure[TRACE_HELD], 1);
	phone_end(&a);
	phone_end(&b);
}

/* The turns come in the order of the calls, each as far from the last one as
 * the interval is long. */
static void
turns_are_in_order(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	struct mg_call *c;
	uint64_t due = 0, now = clock_mono();
	char id[8];
	unsigned i;

	for (i = 0; i < 3; i++) {
		snprintf(id, sizeof id, "c%u", i);
		ask(g, offer(id, "a", sdp_of(&a, "")));
	}
	assert_true(loop_timer_is_set(g->mg->telling));
	i = 0;
	TAILQ_FOREACH (c, &g->mg->turns, turn) {
		snprintf(id, sizeof id, "c%u", i++);
		assert_string_equal(c->id, id);
		assert_true(c->due >= due && c->due >= now + MG_INTERVAL);
		due = c->due;
	}
	ask(g, delete ("c1"));
	assert_string_equal(
	    TAILQ_NEXT(TAILQ_FIRST(&g->mg->turns), turn)->id, "c2");
	phone_end(&a);
}

int
main(void)
{
#define TRACED(fn) \
	cmocka_unit_test_setup_teardown(fn, setup_traced, teardown_traced)
	const struct CMUnitTest tests[] = {
	    TRACED(intervals_and_the_whole_are_told),
	    TRACED(nothing_is_said_before_the_answer),
	    TRACED(the_end_is_told),
	    TRACED(reports_are_told_of_who_wrote_them),
	    TRACED(a_held_stream_is_told_as_held),
	    TRACED(turns_are_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
