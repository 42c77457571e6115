/* Streams as they were: volumes, and what is built from them and the log. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/err.h"
#include "daemon/base/str.h"
#include "replication/history.h"
#include "replication/replication.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"
#include "tests/unit/kv_fixture.h"

#define DAY (UINT64_C(86400) * CLOCK_SEC)
#define STREAM "domain/0000aaaa"
#define OTHER "domain/0000bbbb"

static struct world w;
static struct loop *loop;
static struct repl *repl;

/* Segments are small and nothing is kept of the log beyond what redo needs,
 * so most of the history is in volumes. */
static int
setup(void **state)
{
	(void)state;
	world_make(&w);
	w.segment = 1 << 20;
	w.keep = 0;
	w.past_keep = 7 * DAY;
	w.past_bytes = UINT64_C(1) << 30;
	world_start(&w);
	loop = loop_new();
	repl = repl_new(loop, w.root);
	repl_link(repl, world_link(&w, "st/1"));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	repl_free(&repl);
	loop_free(&loop);
	world_remove(&w);
	return 0;
}

/* All values of a table as one number. */
static int64_t
dump(sqlite3 *db)
{
	static const char sql[] = "SELECT k, v, pad FROM kv ORDER BY k";
	uint64_t sum = 1;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		int64_t kv[2] = {
		    sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1)};

		sum = ship_sum(sum, kv, sizeof kv);
		sum = ship_sum(sum, sqlite3_column_blob(st, 2),
		    (size_t)sqlite3_column_bytes(st, 2));
	}
	sqlite3_finalize(st);
	return (int64_t)sum;
}

struct got {
	int done;
	struct past past;
	struct err err;
};

static void
on_past(void *arg, struct past *p, const struct err *e)
{
	struct got *g = arg;

	g->done = 1;
	if (e != NULL)
		g->err = *e;
	else
		g->past = *p;
}

static struct got
past_at(const char *stream, uint64_t time)
{
	struct got g = {0};

	past_ask(repl, stream, time, on_past, &g);
	world_run(loop, &g.done);
	return g;
}

/* The file of a volume, counted from the oldest, in path; their number. */
static unsigned
volumes(const char *stream, unsigned which, char path[300])
{
	char dir[200], names[64][16];
	struct dirent *d;
	unsigned n = 0, i, j;
	DIR *open;

	snprintf(dir, sizeof dir, "%s/history/%s", w.dir, stream);
	if ((open = opendir(dir)) == NULL)
		return 0;
	while ((d = readdir(open)) != NULL && n < 64) {
		if (strstr(d->d_name, ".vol") != NULL)
			snprintf(names[n++], 16, "%.15s", d->d_name);
	}
	closedir(open);
	for (i = 0; i < n; i++) {
		unsigned below = 0;

		for (j = 0; j < n; j++)
			below += strcmp(names[j], names[i]) < 0;
		if (below == which)
			snprintf(path, 300, "%.150s/%.15s", dir, names[i]);
	}
	return n;
}

#define STEPS 120
struct step {
	uint64_t time;
	int64_t sum;
};

/* Commits one after the other, and what each left, with a time between. */
static void
write_steps(struct stream *s, struct step *steps, int n, int from)
{
	int i;

	for (i = 0; i < n; i++) {
		kv_put(s, (from + i) % 50, from + i, 20000);
		world_settle(loop, s);
		steps[i].sum = dump(stream_db(s));
		steps[i].time = clock_real();
	}
}

static void
check_steps(const struct step *steps, int n)
{
	struct got g;
	int i;

	for (i = 0; i < n; i++) {
		g = past_at(STREAM, steps[i].time);
		assert_string_equal(g.err.text, "");
		assert_true(dump(g.past.db) == steps[i].sum);
		past_close(&g.past);
	}
}

/* Wait until so many volumes are there. */
static void
wait_volumes(const char *stream, unsigned n)
{
	char path[300];
	int i;

	for (i = 0; i < 600 && volumes(stream, 0, path) < n; i++)
		world_pass(loop, 50 * CLOCK_MS);
	assert_true(volumes(stream, 0, path) >= n);
}

/* Wait until the log has dropped what it began with. */
static void
wait_trimmed(void)
{
	char path[200];
	int i;

	snprintf(path, sizeof path, "%s/0000000000000000.log", w.log);
	for (i = 0; i < 600 && access(path, F_OK) == 0; i++)
		world_pass(loop, 50 * CLOCK_MS);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* At the time of every commit the database is what it was then, wherever its
 * records are by now, also after a new start of the replicator. */
static void
every_commit_can_be_had_again(void **state)
{
	struct step steps[STEPS];
	struct stream *s = world_stream(repl, loop, STREAM, 1, KV_SCHEMA, 4096);
	struct stream *o = world_stream(repl, loop, OTHER, 1, KV_SCHEMA, 4096);
	int i;

	(void)state;
	for (i = 0; i < STEPS; i += 10) {
		write_steps(s, steps + i, 10, i);
		kv_put(o, i, i, 100);
		world_settle(loop, o);
	}
	check_steps(steps, STEPS);
	/* The log drops what is on disk in the databases: some seconds. */
	wait_trimmed();
	check_steps(steps, STEPS);
	world_stop(&w, SIGKILL);
	world_start(&w);
	repl_link(repl, world_link(&w, "st/1"));
	check_steps(steps, STEPS);
	stream_close(&s);
	stream_close(&o);
}

/* What cannot be had is said in words: the future is the present, a time
 * before the first commit has no answer, nor has an unknown stream. */
static void
what_cannot_be_had_is_said(void **state)
{
	struct step steps[2];
	uint64_t before = clock_real();
	struct stream *s = world_stream(repl, loop, STREAM, 1, KV_SCHEMA, 4096);
	struct stream *l = world_stream(
	    repl, loop, "location", 1, KV_SCHEMA, 1024);
	struct got g;

	(void)state;
	write_steps(s, steps, 2, 0);
	g = past_at(STREAM, before - CLOCK_SEC);
	assert_int_equal(g.err.code, ERR_ABSENT);
	assert_non_null(strstr(g.err.text, "begins at"));
	g = past_at(OTHER, before);
	assert_int_equal(g.err.code, ERR_ABSENT);
	assert_non_null(strstr(g.err.text, "no stream"));
	g = past_at("location", before);
	assert_int_equal(g.err.code, ERR_ABSENT);
	g = past_at(STREAM, clock_real() + DAY);
	assert_string_equal(g.err.text, "");
	assert_true(dump(g.past.db) == steps[1].sum);
	past_close(&g.past);
	stream_close(&s);
	stream_close(&l);
}

/* Change one byte of a file. */
static void
flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x40;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static off_t
size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* A byte that has changed in a volume is found, with file and offset, by
 * whoever needs it, and nobody gets a database made of it. */
static void
a_changed_byte_is_found(void **state)
{
	struct step steps[60];
	struct stream *s = world_stream(repl, loop, STREAM, 1, KV_SCHEMA, 4096);
	struct got g;
	char path[300];
	off_t size;

	(void)state;
	write_steps(s, steps, 60, 0);
	wait_trimmed();
	check_steps(steps, 1);
	assert_true(volumes(STREAM, 0, path) >= 1);
	size = size_of(path);
	assert_true(size > 100000);
	flip(path, size / 4);
	check_steps(steps, 1); /* what stands before it is good */
	g = past_at(STREAM, steps[59].time);
	assert_int_equal(g.err.code, ERR_CORRUPT);
	assert_non_null(strstr(g.err.text, path));
	assert_non_null(strstr(g.err.text, "offset"));
	flip(path, size / 4);
	flip(path, 20); /* its head */
	g = past_at(STREAM, steps[0].time);
	assert_int_equal(g.err.code, ERR_CORRUPT);
	assert_non_null(strstr(g.err.text, path));
	stream_close(&s);
}

/* A stream whose first records are gone from the log begins its history with
 * its database, copied while it is written to. */
static void
history_begins_with_a_copy(void **state)
{
	struct step steps[90];
	struct stream *s = world_stream(repl, loop, STREAM, 1, KV_SCHEMA, 4096);
	char command[200];
	struct got g;

	(void)state;
	write_steps(s, steps, 60, 0);
	wait_trimmed();
	/* The history is lost, and the log has only the rest. */
	world_stop(&w, SIGKILL);
	snprintf(command, sizeof command, "rm -r %s/history/domain", w.dir);
	assert_int_equal(system(command), 0);
	world_start(&w);
	repl_link(repl, world_link(&w, "st/1"));
	wait_volumes(STREAM, 1);
	g = past_at(STREAM, steps[0].time);
	assert_int_equal(g.err.code, ERR_ABSENT);
	assert_non_null(strstr(g.err.text, "begins at"));
	write_steps(s, steps + 60, 30, 60);
	check_steps(steps + 60, 30);
	check_steps(steps + 59, 1); /* the same database since then */
	stream_close(&s);
}

/* ---- volumes alone, with times of the test's own ---------------------------
 */

#define HOUR (UINT64_C(3600) * CLOCK_SEC)

struct bench {
	char dir[64];
	struct history *h;
	struct shelf *shelf;
	uint64_t now, sum, lsn;
};

static void
bench_make(struct bench *b, uint64_t keep, uint64_t bytes)
{
	struct volume_head head = {0};
	struct history_config c = {.keep = keep, .bytes = bytes};
	struct err e;

	memset(b, 0, sizeof *b);
	scratch_make(b->dir);
	c.dir = b->dir;
	b->now = UINT64_C(1800000000) * CLOCK_SEC;
	assert_int_equal(history_open(&c, &b->h, &e), 0);
	assert_non_null(b->shelf = shelf_get(b->h, STREAM, &e));
	head.time = b->now;
	assert_int_equal(shelf_begin(b->h, b->shelf, -1, &head, &e), 0);
}

static void
bench_remove(struct bench *b)
{
	history_close(&b->h);
	scratch_remove(b->dir);
}

/* A first page: of a database without sums. */
static void
page_1(uint8_t page[4096])
{
	memset(page, 0, 4096);
	memcpy(page, "SQLite format 3", 16);
}

/* A commit of some pages of one byte each, but for the first. */
static void
bench_commit(struct bench *b, uint32_t pages, uint8_t byte)
{
	uint8_t *frames = malloc((size_t)pages * (SHIP_FRAME + 4096));
	size_t room = ship_record_bound(4096, pages);
	uint8_t *bytes = malloc(room);
	struct ship_record r = {.kind = SHIP_PAGES,
	    .name = STREAM,
	    .epoch = 1,
	    .lsn = ++b->lsn,
	    .prev = b->sum,
	    .page_size = 4096,
	    .db_pages = pages,
	    .wal = {1, 1, pages}};
	struct err e;
	uint32_t i;

	for (i = 0; i < pages; i++) {
		uint8_t *f = frames + (size_t)i * (SHIP_FRAME + 4096);

		memset(f, 0, SHIP_FRAME);
		f[3] = (uint8_t)(i + 1);
		memset(f + SHIP_FRAME, byte, 4096);
		if (i == 0)
			page_1(f + SHIP_FRAME);
	}
	assert_true(ship_record_encode(&r, frames, pages, bytes, room) > 0);
	b->sum = r.sum;
	assert_int_equal(shelf_turn(b->h, b->shelf, b->now, &e), 0);
	assert_int_equal(
	    shelf_append(b->h, b->shelf, &r, bytes, b->now, &e), 0);
	assert_int_equal(shelf_sync(b->h, b->shelf, &e), 0);
	assert_int_equal(shelf_retain(b->h, b->shelf, b->now, &e), 0);
	free(frames);
	free(bytes);
}

/* The byte that the pages had at a time; -1 with e when it cannot be said. */
static int
bench_at(struct bench *b, uint64_t time, struct err *e)
{
	struct history_job *job = calloc(1, sizeof *job);
	uint8_t byte[2] = {0, 0};
	int fd, got = -1;

	job->history = b->h;
	job->what = HISTORY_BUILD;
	job->n = 1;
	job->stream = calloc(1, sizeof *job->stream);
	str_copy(job->stream->name, STREAM_NAME, STREAM);
	job->stream->upto = b->lsn;
	job->time = time;
	job->now = b->now;
	snprintf(job->path, sizeof job->path, "%s/built", b->dir);
	history_do(job);
	*e = job->err;
	if (e->code == ERR_NONE) {
		fd = open(job->path, O_RDONLY);
		assert_int_equal(pread(fd, byte, 2, 4096), 2);
		close(fd);
		unlink(job->path);
		got = byte[0];
	}
	history_job_free(&job);
	return got;
}

static unsigned
bench_volumes(struct bench *b)
{
	uint32_t *list;
	struct err e;
	size_t n;

	assert_int_equal(shelf_list(b->h, STREAM, &list, &n, &e), 0);
	free(list);
	return (unsigned)n;
}

/* A commit an hour for three weeks: every hour of the last seven days can be
 * had, to the microsecond; what is older goes, a volume at a time. */
static void
history_reaches_back_as_long_as_it_shall(void **state)
{
	struct bench b;
	struct err e;
	uint64_t first;
	unsigned i, back;

	(void)state;
	bench_make(&b, 7 * DAY, UINT64_C(1) << 40);
	first = b.now;
	for (i = 0; i < 21 * 24; i++) {
		bench_commit(&b, 3, (uint8_t)i);
		assert_in_range(bench_volumes(&b), 1, 9);
		b.now += HOUR;
	}
	for (back = 1; back <= 7 * 24; back++) {
		uint64_t t = b.now - back * HOUR;

		assert_int_equal(bench_at(&b, t, &e), (uint8_t)(i - back));
		assert_int_equal(
		    bench_at(&b, t - 1, &e), (uint8_t)(i - back - 1));
	}
	assert_int_equal(bench_at(&b, first, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
	assert_non_null(strstr(e.text, "begins at"));
	bench_remove(&b);
}

/* One stream has so many bytes: the oldest volumes go first, never the last,
 * from which everything is built. */
static void
history_takes_no_more_than_it_may(void **state)
{
	struct bench b;
	struct err e;
	unsigned i;

	(void)state;
	bench_make(&b, 7 * DAY, 12 << 20);
	for (i = 0; i < 400; i++) {
		bench_commit(&b, 30, (uint8_t)i);
		b.now += CLOCK_SEC;
	}
	assert_in_range(bench_volumes(&b), 2, 4);
	assert_int_equal(bench_at(&b, b.now, &e), (uint8_t)(i - 1));
	assert_int_equal(
	    bench_at(&b, b.now - 40 * CLOCK_SEC, &e), (uint8_t)(i - 40));
	bench_remove(&b);
	bench_make(&b, 7 * DAY, 1); /* less than one takes */
	for (i = 0; i < 100; i++) {
		bench_commit(&b, 30, (uint8_t)i);
		b.now += CLOCK_SEC;
		assert_int_equal(bench_volumes(&b), 1);
	}
	assert_int_equal(bench_at(&b, b.now, &e), (uint8_t)(i - 1));
	bench_remove(&b);
}

/* What comes between two volumes that do not follow each other is said to be
 * lacking, from when to when; before and behind it all is well. */
static void
a_gap_is_said(void **state)
{
	struct volume_head head = {.page_size = 4096, .pages = 3};
	uint8_t pages[3 * 4096];
	struct bench b;
	struct err e;
	char path[100], from[CLOCK_TEXT];
	uint64_t first;
	int db;

	(void)state;
	bench_make(&b, 7 * DAY, UINT64_C(1) << 40);
	bench_commit(&b, 3, 1);
	b.now += HOUR;
	bench_commit(&b, 3, 2);
	first = b.now;
	b.now += 2 * HOUR;
	memset(pages, 9, sizeof pages);
	page_1(pages);
	snprintf(path, sizeof path, "%s/copy", b.dir);
	scratch_write(path, pages, sizeof pages);
	assert_true((db = open(path, O_RDONLY)) >= 0);
	head.lsn = b.lsn = 9;
	head.sum = b.sum = 77;
	head.time = b.now;
	assert_int_equal(shelf_begin(b.h, b.shelf, db, &head, &e), 0);
	close(db);
	b.now += HOUR;
	bench_commit(&b, 3, 10);
	assert_int_equal(bench_at(&b, first - 1, &e), 1);
	assert_int_equal(bench_at(&b, first + HOUR, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
	clock_text(from, first);
	assert_non_null(strstr(e.text, "lacks the time from"));
	assert_non_null(strstr(e.text, from));
	assert_int_equal(bench_at(&b, b.now - 1, &e), 9);
	assert_int_equal(bench_at(&b, b.now, &e), 10);
	bench_remove(&b);
}

/* What a crash tore off the newest volume is cut, and taken over again; what
 * a volume has already is not taken twice. */
static void
a_torn_tail_is_cut(void **state)
{
	struct bench b;
	struct err e;
	char path[HISTORY_PATH];
	off_t size;

	(void)state;
	bench_make(&b, 7 * DAY, UINT64_C(1) << 40);
	bench_commit(&b, 3, 1);
	b.now += CLOCK_SEC;
	assert_int_equal(shelf_volume(b.h, STREAM, 1, path, &e), 0);
	size = size_of(path);
	bench_commit(&b, 3, 2);
	assert_int_equal(truncate(path, size_of(path) - 100), 0);
	history_close(&b.h);
	assert_int_equal(history_open(&(struct history_config){b.dir, 7 * DAY,
					  UINT64_C(1) << 40},
			     &b.h, &e),
	    0);
	assert_non_null(b.shelf = shelf_get(b.h, STREAM, &e));
	assert_int_equal(b.shelf->lsn, 1);
	assert_int_equal(size_of(path), size);
	b.lsn = 1;
	b.sum = b.shelf->sum;
	bench_commit(&b, 3, 2);
	assert_int_equal(bench_at(&b, b.now, &e), 2);
	bench_remove(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(history_reaches_back_as_long_as_it_shall),
    cmocka_unit_test(history_takes_no_more_than_it_may),
    cmocka_unit_test(a_torn_tail_is_cut),
    cmocka_unit_test(a_gap_is_said),
    cmocka_unit_test_setup_teardown(a_changed_byte_is_found, setup, teardown),
    cmocka_unit_test_setup_teardown(
	history_begins_with_a_copy, setup, teardown),
    cmocka_unit_test_setup_teardown(
	every_commit_can_be_had_again, setup, teardown),
    cmocka_unit_test_setup_teardown(
	what_cannot_be_had_is_said, setup, teardown),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
