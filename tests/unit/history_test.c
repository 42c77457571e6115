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
#include "replication/history_volume.h"
#include "replication/replication.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"

#define SCHEMA "CREATE TABLE kv(k INTEGER PRIMARY KEY, v INTEGER, pad BLOB)"
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

static void
put(struct stream *s, int k, int v, int pad)
{
	char sql[128];
	struct err e;

	assert_int_equal(stream_join(s, &e), 0);
	snprintf(sql, sizeof sql,
	    "INSERT OR REPLACE INTO kv VALUES(%d, %d, randomblob(%d))", k, v,
	    pad);
	assert_int_equal(
	    sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL), SQLITE_OK);
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
		put(s, (from + i) % 50, from + i, 20000);
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

/* At the time of every commit the database is what it was then, wherever its
 * records are by now, also after a new start of the replicator. */
static void
every_commit_can_be_had_again(void **state)
{
	struct step steps[STEPS];
	struct stream *s = world_stream(repl, loop, STREAM, 1, SCHEMA, 4096);
	struct stream *o = world_stream(repl, loop, OTHER, 1, SCHEMA, 4096);
	int i;

	(void)state;
	for (i = 0; i < STEPS; i += 10) {
		write_steps(s, steps + i, 10, i);
		put(o, i, i, 100);
		world_settle(loop, o);
	}
	check_steps(steps, STEPS);
	/* The log drops what is on disk in the databases: some seconds. */
	wait_volumes(STREAM, 1);
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
	struct stream *s = world_stream(repl, loop, STREAM, 1, SCHEMA, 4096);
	struct stream *l = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
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

static const struct CMUnitTest tests[] = {
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
