/* What the recorder keeps: blocks that are read as they were written or not at
 * all, files that go when there is no room, and what is found in them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/trace/recorder.h"
#include "daemon/trace/step.h"
#include "replication/disk.h"
#include "tests/lib/scratch.h"

static char dir[64], files[100], rings[100];
static struct segment_block block;
static uint8_t record[4000];

static int
setup(void **state)
{
	(void)state;
	log_fd(open("/dev/null", O_WRONLY));
	scratch_make(dir);
	snprintf(files, sizeof files, "%s/trace", dir);
	snprintf(rings, sizeof rings, "%s/rings", dir);
	return segment_block_init(&block, "sg/1");
}

static int
teardown(void **state)
{
	(void)state;
	segment_block_fini(&block);
	scratch_remove(dir);
	return 0;
}

/* A message of a Call-ID; its bytes in record. */
static size_t
message(const char *call_id, const char *from, uint64_t time)
{
	struct trace_record r = {
	    .kind = TRACE_MESSAGE, .time = time, .cseq = 1};
	char *text = (char *)record + TRACE_HEAD;

	r.n = (uint32_t)sprintf(
	    text, "%s%sINVITE sip:102@a.test SIP/2.0\r\n", call_id, from);
	r.key[TRACE_CALL_ID] = (struct trace_span){
	    0, (uint16_t)strlen(call_id)};
	r.key[TRACE_FROM] = (struct trace_span){
	    (uint16_t)strlen(call_id), (uint16_t)strlen(from)};
	trace_record_head(record, &r);
	return TRACE_HEAD + r.n;
}

static void
add(const char *call_id, uint64_t number)
{
	size_t n = message(call_id, "101", 1000 + number);

	assert_true(segment_block_add(&block, record, n, number));
}

/* The bytes of the block as in a file. */
static uint8_t *
packed(size_t *n)
{
	struct buf b = BUF_INIT;

	assert_int_equal(segment_block_put(&block, &b, NULL), 0);
	*n = b.len;
	return (uint8_t *)buf_take(&b);
}

static void
a_block_is_read_as_it_was_written(void **state)
{
	struct segment_head h;
	struct trace_record r;
	uint64_t number;
	uint8_t *p, *raw = malloc(SEGMENT_RAW);
	size_t n, at = 0, i;
	char id[20];

	(void)state;
	for (i = 1; i <= 100; i++) {
		snprintf(id, sizeof id, "call-%zu", i % 7);
		add(id, i);
	}
	block.lost = 3;
	p = packed(&n);
	assert_int_equal(segment_head_get(&h, p, NULL), 0);
	assert_string_equal(h.instance, "sg/1");
	assert_int_equal(h.records, 100);
	assert_int_equal(h.lost, 3);
	assert_int_equal(h.first, 1001);
	assert_int_equal(h.last, 1100);
	assert_int_equal(h.index, 4 * 8); /* seven Call-IDs and a number */
	assert_int_equal(SEGMENT_HEAD + h.index + h.stored, n);
	assert_true(segment_has(
	    &h, p + SEGMENT_HEAD, segment_hash(SEGMENT_CALL_ID, "call-3", 6)));
	assert_true(segment_has(
	    &h, p + SEGMENT_HEAD, segment_hash(SEGMENT_NUMBER, "101", 3)));
	assert_false(segment_has(
	    &h, p + SEGMENT_HEAD, segment_hash(SEGMENT_CALL_ID, "101", 3)));
	assert_int_equal(segment_unpack(&h, p + SEGMENT_HEAD, raw, NULL), 0);
	for (i = 1; i <= 100; i++) {
		assert_int_equal(
		    segment_next(raw, h.raw, &at, &r, &number, NULL), 1);
		assert_int_equal(number, i);
		snprintf(id, sizeof id, "call-%zu", i % 7);
		assert_true(trace_key_is(&r, TRACE_CALL_ID, id));
	}
	assert_int_equal(segment_next(raw, h.raw, &at, &r, &number, NULL), 0);
	free(raw);
	free(p);
}

/* Every byte counts: with one bit changed the block is none. */
static void
a_changed_block_is_refused(void **state)
{
	uint8_t *p, *raw = malloc(SEGMENT_RAW);
	struct segment_head h;
	size_t n, i;

	(void)state;
	add("a", 1);
	add("b", 2);
	p = packed(&n);
	for (i = 0; i < n; i++) {
		p[i] ^= 1;
		assert_true(segment_head_get(&h, p, NULL) != 0 ||
		    segment_unpack(&h, p + SEGMENT_HEAD, raw, NULL) != 0);
		p[i] ^= 1;
	}
	free(raw);
	free(p);
}

static void
a_full_block_says_so(void **state)
{
	size_t n = message("a", "101", 1);

	(void)state;
	while (segment_block_add(&block, record, n, 1))
		;
	assert_true(block.n + n + 12 > SEGMENT_RAW);
	segment_block_reset(&block);
	assert_true(segment_block_add(&block, record, n, 1));
	/* what is no record is counted and left out */
	assert_true(segment_block_add(&block, record, 50, 2));
	assert_int_equal(block.records, 1);
	assert_int_equal(block.lost, 1);
}

/* ---- files --------------------------------------------------------------- */

/* A block that does not pack well, so that files fill. */
static void
write_block(struct shelf *s, unsigned i)
{
	uint8_t noise[3000];
	struct trace_record r = {.kind = TRACE_MESSAGE, .time = i};
	struct buf b = BUF_INIT;

	segment_block_reset(&block);
	while (block.n < SEGMENT_RAW - 4000) {
		rand_bytes(noise, sizeof noise);
		r.n = sizeof noise;
		trace_record_head(record, &r);
		memcpy(record + TRACE_HEAD, noise, sizeof noise);
		assert_true(segment_block_add(
		    &block, record, TRACE_HEAD + sizeof noise, i));
	}
	assert_int_equal(segment_block_put(&block, &b, NULL), 0);
	assert_int_equal(shelf_write(s, b.data, b.len, NULL), 0);
	buf_fini(&b);
}

static bool
count_block(void *arg, const struct segment_head *h, const uint8_t *index,
    int fd, uint64_t off)
{
	uint64_t *sum = arg;

	(void)index;
	(void)fd;
	(void)off;
	assert_true(h->first > sum[1]);
	sum[0]++;
	sum[1] = h->first;
	return false;
}

/* The oldest goes, the order stays, and another start goes on. */
static void
files_stay_within_their_bound(void **state)
{
	struct shelf s;
	uint64_t sum[2] = {0, 0};
	unsigned i;

	(void)state;
	shelf_init(&s, files, "srv1", 4u << 20);
	for (i = 1; i <= 40; i++)
		write_block(&s, i);
	assert_true(s.total <= 4u << 20);
	assert_true(s.files >= 3);
	shelf_fini(&s);
	shelf_init(&s, files, "srv1", 4u << 20);
	write_block(&s, 41);
	assert_true(shelf_each(&s, 0, UINT64_MAX, count_block, sum));
	assert_int_equal(sum[1], 41);
	assert_in_range(sum[0], 9, 16);
	shelf_fini(&s);
}

static void
the_disk_is_left_to_others(void **state)
{
	(void)state;
	assert_int_equal(disk_low(UINT64_C(1) << 30), UINT64_C(128) << 20);
	assert_int_equal(disk_low(UINT64_C(20) << 30), UINT64_C(1) << 30);
	assert_int_equal(disk_low(UINT64_C(1) << 44), UINT64_C(4) << 30);
}

/* A file that was cut off is read as far as it is whole. */
static void
a_file_that_was_cut_is_read_so_far(void **state)
{
	struct shelf s;
	uint64_t sum[2] = {0, 0}, *begun;
	char path[200];

	(void)state;
	shelf_init(&s, files, "srv1", 16u << 20);
	write_block(&s, 1);
	write_block(&s, 2);
	begun = &s.oldest;
	snprintf(path, sizeof path, "%s/%016llx.trace", files,
	    (unsigned long long)*begun);
	assert_int_equal(truncate(path, (off_t)s.size - 100000), 0);
	shelf_each(&s, 0, UINT64_MAX, count_block, sum);
	assert_int_equal(sum[0], 2); /* its head is there ... */
	shelf_fini(&s);
	assert_int_equal(truncate(path, 300000), 0);
	sum[0] = sum[1] = 0;
	shelf_each(&s, 0, UINT64_MAX, count_block, sum);
	assert_int_equal(sum[0], 2);
	assert_int_equal(truncate(path, 1000), 0);
	sum[0] = sum[1] = 0;
	shelf_each(&s, 0, UINT64_MAX, count_block, sum);
	assert_int_equal(sum[0], 1);
}

/* ---- the recorder -------------------------------------------------------- */

static struct {
	struct loop *loop;
	json_t *result;
} w;

static void
on_result(void *arg, json_t *result, const struct err *e)
{
	(void)arg;
	if (e != NULL)
		fail_msg("%s", e->text);
	w.result = json_incref(result);
	loop_stop(w.loop);
}

static json_t *
ask(struct recorder *r, json_t *query)
{
	json_decref(w.result);
	recorder_ask(r, query, on_result, NULL);
	loop_run(w.loop);
	return json_object_get(w.result, "rows");
}

static struct recorder *
start(void)
{
	const struct recorder_conf conf = {
	    .rings = rings, .dir = files, .server = "srv1", .limit = 16u << 20};
	struct recorder *r = recorder_open(w.loop, &conf, NULL);

	assert_non_null(r);
	return r;
}

static struct ring *
ring(const char *name)
{
	char path[200];

	snprintf(path, sizeof path, "%s/%s", rings, name);
	return ring_open(path, 1 << 20, NULL);
}

static void
put(struct ring *r, const char *call_id, const char *from)
{
	size_t n = message(call_id, from, clock_real());

	memcpy(ring_begin(r, n), record, n);
	ring_end(r, n);
}

static json_t *
messages(struct recorder *r, const char *call_id)
{
	return ask(r,
	    json_pack("{s:s, s:[s]}", "want", "messages", "call-ids", call_id));
}

/* A server with the ring of one process. */
static struct ring *
begin(const char *name)
{
	w.loop = loop_new();
	assert_int_equal(mkdir(rings, 0700), 0);
	return ring(name);
}

static void
end(struct recorder *r, struct ring *g)
{
	recorder_close(&r);
	ring_close(&g);
	json_decref(w.result);
	w.result = NULL;
	loop_free(&w.loop);
}

/* What was said a moment ago is found, and again after control was started
 * anew; of what was said while no recorder ran nothing is missing. */
static void
what_was_said_is_found(void **state)
{
	struct recorder *r;
	struct ring *g;
	json_t *rows;

	(void)state;
	g = begin("sg-1");
	put(g, "one", "101");
	r = start();
	put(g, "two", "102");
	put(g, "one", "101");
	rows = messages(r, "one");
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(rows, 0), "instance")),
	    "sg/1");
	recorder_close(&r);
	put(g, "one", "101");
	r = start();
	assert_int_equal(json_array_size(messages(r, "one")), 3);
	assert_int_equal(json_array_size(messages(r, "two")), 1);
	assert_int_equal(json_array_size(messages(r, "three")), 0);
	end(r, g);
}

/* While nobody reads it the ring goes round: what is gone is counted, in what
 * is told and in the files. */
static void
what_was_lost_is_counted(void **state)
{
	struct recorder_state s;
	struct recorder *r;
	struct ring *g;
	json_t *rows;
	size_t i;

	(void)state;
	g = begin("sg-1");
	for (i = 0; i < 20000; i++)
		put(g, "one", "101");
	r = start();
	rows = messages(r, "one");
	assert_int_equal(json_array_size(rows), RECORDER_MESSAGES);
	assert_true(json_is_true(json_object_get(w.result, "more")));
	recorder_state(r, &s);
	assert_true(s.lost > 0);
	assert_int_equal(s.records + s.lost, 20000);
	end(r, g);
}

static void
fact(struct ring *r, enum trace_kind kind, const char *id, const char *from)
{
	const struct trace_fact f = {.kind = kind,
	    .status = kind == TRACE_END ? 486 : 0,
	    .text = {
		[TRACE_CALL] = id,
		[TRACE_CALL_ID] = kind == TRACE_LEG ? from : NULL,
		[TRACE_LABEL] = "a",
		[TRACE_DOMAIN] = "a.test",
		[TRACE_FROM] = from,
		[TRACE_TO] = "200",
		[TRACE_REASON] = "busy",
		[TRACE_TIMES] = "5 6 0",
	    }};

	trace_fact(r, &f);
}

static size_t
calls(struct recorder *r, const char *member, const char *value)
{
	return json_array_size(
	    ask(r, json_pack("{s:s, s:s}", "want", "calls", member, value)));
}

/* Calls are found by number, by the beginning of one, by domain. */
static void
calls_are_found_by_number(void **state)
{
	struct recorder *r;
	struct ring *g;
	json_t *row;

	(void)state;
	g = begin("b2bua-1");
	r = start();
	fact(g, TRACE_LEG, "c1", "+74951");
	fact(g, TRACE_END, "c1", "+74951");
	fact(g, TRACE_LEG, "c2", "+74952");
	assert_int_equal(calls(r, "number", "+74951"), 1);
	row = json_array_get(json_object_get(w.result, "rows"), 0);
	assert_int_equal(
	    json_integer_value(json_object_get(row, "status")), 486);
	assert_int_equal(json_integer_value(json_object_get(row, "ring")), 6);
	assert_int_equal(calls(r, "number", "+7495*"), 2);
	assert_int_equal(calls(r, "number", "200"), 2);
	assert_int_equal(calls(r, "number", "+7495"), 0);
	assert_int_equal(calls(r, "domain", "a.test"), 2);
	assert_int_equal(calls(r, "domain", "b.test"), 0);
	assert_int_equal(
	    json_array_size(
		ask(r, json_pack("{s:s, s:s}", "want", "legs", "call", "c1"))),
	    2);
	end(r, g);
}

static void
decided(struct ring *r, const char *id, uint64_t epoch, const char *name)
{
	step_record(r, id, "a.test", epoch,
	    &(struct plan_step){.name = name,
		.rule = {"number", "10\x1b[1m"},
		.result = {.words = "on"},
		.part = epoch == 3});
}

static bool
is_step(json_t *rows, size_t i, int epoch, const char *name)
{
	json_t *row = json_array_get(rows, i);
	struct plan_step s;

	step_from_row(&s, row);
	return json_integer_value(json_object_get(row, "epoch")) == epoch &&
	    strcmp(s.name, name) == 0 && s.part == (epoch == 3) &&
	    strcmp(s.rule.words, "number") == 0 &&
	    strcmp(s.rule.person, "10\\x1b[1m") == 0 &&
	    strcmp(s.result.words, "on") == 0 && s.result.person[0] == '\0' &&
	    strcmp(op_row_text(row, "domain"), "a.test") == 0;
}

/* What was decided of a call is found by its identifier, of nobody else's, and
 * is neither a call nor a leg. */
static void
steps_are_of_one_call(void **state)
{
	struct recorder *r;
	struct ring *g;
	json_t *rows;

	(void)state;
	g = begin("b2bua-1");
	r = start();
	decided(g, "c1", 3, "exact");
	decided(g, "c2", 3, "exact");
	decided(g, "c1", 4, "end");
	rows = ask(r, json_pack("{s:s, s:s}", "want", "steps", "call", "c1"));
	assert_int_equal(json_array_size(rows), 2);
	assert_true(is_step(rows, 0, 3, "exact"));
	assert_true(is_step(rows, 1, 4, "end"));
	assert_int_equal(calls(r, "domain", "a.test"), 0);
	assert_int_equal(
	    json_array_size(
		ask(r, json_pack("{s:s, s:s}", "want", "legs", "call", "c1"))),
	    0);
	end(r, g);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_block_is_read_as_it_was_written),
	    T(a_changed_block_is_refused),
	    T(a_full_block_says_so),
	    T(files_stay_within_their_bound),
	    T(the_disk_is_left_to_others),
	    T(a_file_that_was_cut_is_read_so_far),
	    T(what_was_said_is_found),
	    T(what_was_lost_is_counted),
	    T(calls_are_found_by_number),
	    T(steps_are_of_one_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
