/* Power failures: what the disk had is brought to what was acknowledged. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/replication.h"
#include "tests/lib/replay.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"

#define SCHEMA                                               \
	"CREATE TABLE row(n INTEGER PRIMARY KEY, pad TEXT);" \
	"CREATE TABLE kv(k INTEGER PRIMARY KEY, v INT, pad TEXT)"

static struct world w;
static unsigned seed = 1;

static unsigned
dice(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static int
setup(void **state)
{
	(void)state;
	world_make(&w);
	w.segment = 1 << 20;
	w.keep = UINT64_C(1) << 40; /* the test replays all of it */
	w.boot = "11111111-1111-1111-1111-111111111111";
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_remove(&w);
	return 0;
}

/* ---- the load, in a process of its own ---------------------------------- */

static void
load_commit(struct stream *s, int n)
{
	char sql[300];
	struct err e;

	if (stream_join(s, &e) != 0)
		_exit(1);
	snprintf(sql, sizeof sql,
	    "INSERT INTO row VALUES(%d, hex(randomblob(50)));"
	    "INSERT OR REPLACE INTO kv VALUES(%u, %d, hex(randomblob(%u)));"
	    "DELETE FROM kv WHERE k = %u",
	    n, dice(3000), n, dice(300), dice(3000));
	if (sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL) != SQLITE_OK ||
	    stream_commit(s, &e) != 0)
		_exit(2);
}

/* Rows commit by commit, the last ones acknowledged; then it ends as if the
 * power failed: nothing is closed. large: the last commit is in many parts. */
static void
load_main(
    int control, uint64_t epoch, int first, int rows, bool large, bool close)
{
	struct loop *l = loop_new();
	struct repl *r = repl_new(l, w.root);
	struct stream *s;
	struct err e;
	int i;

	repl_link(r, world_link_by(control, "st/1"));
	s = world_stream(r, l, "domain/1a", epoch, SCHEMA, 1024);
	for (i = 0; i < rows; i++) {
		load_commit(s, first + i);
		if (i % 16 == 15)
			world_settle(l, s);
	}
	if (large) {
		stream_join(s, &e);
		sqlite3_exec(stream_db(s),
		    "UPDATE kv SET v = -1;"
		    "WITH RECURSIVE n(i) AS (SELECT 5000 UNION ALL SELECT "
		    "i + 1 FROM n WHERE i < 15000) INSERT INTO kv SELECT i, "
		    "0, hex(randomblob(200)) FROM n",
		    NULL, NULL, NULL);
		stream_commit(s, &e);
	}
	world_settle(l, s);
	if (close) {
		stream_close(&s);
		repl_free(&r);
	}
	_exit(0);
}

static void
load(uint64_t epoch, int first, int rows, bool large, bool close)
{
	int status;
	pid_t pid;

	if ((pid = world_fork(w.control, -1)) == 0)
		load_main(w.control, epoch, first, rows, large, close);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* ---- the failure -------------------------------------------------------- */

static void
db_path(char path[200], const char *more)
{
	snprintf(path, 200, "%s/domain/1a.db%s", w.root, more);
}

/* Nothing behind the position had reached the disk: zeros, or garbage, and
 * segments behind it had not been begun. */
static void
log_cut(uint64_t pos, bool garbage)
{
	char path[200];
	struct dirent *e;
	uint64_t at, start = 0;
	uint8_t *p;
	size_t n;
	DIR *d = opendir(w.log);

	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof path, "%s/%.60s", w.log, e->d_name);
		if (strstr(path, ".log") == NULL)
			continue;
		at = strtoull(e->d_name, NULL, 16);
		if (at >= pos)
			unlink(path);
		else if (at > start)
			start = at;
	}
	closedir(d);
	snprintf(path, sizeof path, "%s/%016llx.log", w.log,
	    (unsigned long long)start);
	p = scratch_read(path, &n);
	memset(p + (pos - start), garbage ? 0xa5 : 0, n - (pos - start));
	scratch_write(path, p, n);
	free(p);
}

/* Of the pages that the owner had put into the file since it was last synced,
 * the kernel had written some, some not, and one half. */
static void
db_mix(const struct replay *synced, const struct replay *later)
{
	size_t page = synced->page_size, n = later->db_pages * page, i, half;
	uint8_t *disk = malloc(n);
	char path[200];

	memcpy(disk, later->pages, n);
	half = dice(synced->db_pages);
	for (i = 0; i < synced->db_pages && i < later->db_pages; i++) {
		if (dice(2) == 0 || i == half)
			memcpy(disk + i * page, synced->pages + i * page,
			    i == half ? page / 2 : page);
	}
	if (dice(2) == 0 && synced->db_pages * page < n)
		n = synced->db_pages * page;
	db_path(path, "");
	scratch_write(path, disk, n);
	free(disk);
}

/* The database, page by page, is what the log says. */
static void
check_pages(uint64_t upto)
{
	struct replay want;
	char path[200];
	uint8_t *have;
	size_t n;

	replay_stream(w.log, "domain/1a", upto, &want);
	db_path(path, "");
	have = scratch_read(path, &n);
	assert_int_equal(n, (size_t)want.db_pages * want.page_size);
	assert_memory_equal(have, want.pages, n);
	free(have);
	free(want.pages);
}

static int64_t
number(const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	char path[200];
	int64_t n = -1;

	db_path(path, "");
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), 0);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), 0);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	else
		print_error("%s: %s\n", sql, sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

static void
reboot(void)
{
	static char boot[40];
	static unsigned count;

	snprintf(boot, sizeof boot, "22222222-2222-2222-2222-%012u", ++count);
	w.boot = boot;
	world_start(&w);
}

static void
on_answer(void *arg, struct reader *rd, enum reader_event event)
{
	(void)rd;
	(void)event;
	*(int *)arg = 1;
}

/* Wait until the replicator serves: redo is done then. */
static void
settle(void)
{
	struct loop *l = loop_new();
	struct repl *r = repl_new(l, w.root);
	struct reader *rd;
	struct err e;
	int done = 0;

	repl_link(r, world_link(&w, "test"));
	assert_int_equal(reader_open(r, "none", on_answer, &done, &rd, &e), 0);
	world_run(l, &done);
	reader_close(&rd);
	repl_free(&r);
	loop_free(&l);
}

/* ---- laws --------------------------------------------------------------- */

/* At whatever acknowledged commit the power fails, with whatever pages on the
 * disk, redo gives exactly that commit: page by page, and nothing else. */
static void
redo_gives_the_last_commit_in_the_log(void **state)
{
	struct replay all, synced, later, cut;
	char wal[200];
	int round, first = 1;

	(void)state;
	for (round = 0; round < 8; round++) {
		uint64_t from, lsn;

		world_start(&w);
		load(1 + (uint64_t)round, first, 60 + (int)dice(200), false,
		    round % 4 == 0);
		world_stop(&w, SIGKILL);
		replay_stream(w.log, "domain/1a", UINT64_MAX, &all);
		from = all.checkpoint;
		lsn = all.lsn - dice((unsigned)(all.lsn - from + 1));
		replay_stream(w.log, "domain/1a", lsn, &cut);
		replay_stream(w.log, "domain/1a", from, &synced);
		replay_stream(w.log, "domain/1a",
		    lsn - dice((unsigned)(lsn - from + 1)), &later);
		if (cut.checkpoint == all.checkpoint || from == 0) {
			log_cut(cut.pos, round % 2);
			if (from != 0)
				db_mix(&synced, &later);
		}
		db_path(wal, "-wal");
		scratch_write(wal, "garbage", 7);
		reboot();
		settle();
		world_stop(&w, SIGKILL);
		assert_int_not_equal(access(wal, F_OK), 0);
		check_pages(UINT64_MAX);
		assert_int_equal(number("SELECT count(*) FROM "
					"pragma_integrity_check WHERE "
					"integrity_check = 'ok'"),
		    1);
		first = (int)number("SELECT max(n) + 1 FROM row");
		assert_int_equal(first - 1, number("SELECT count(*) FROM row"));
		free(all.pages);
		free(synced.pages);
		free(later.pages);
		free(cut.pages);
	}
}

/* A commit in parts whose last part did not reach the disk never was; the
 * stream goes on behind the last whole one, and again after that. */
static void
half_a_commit_never_was(void **state)
{
	struct replay all, synced, before;
	int64_t rows;

	(void)state;
	world_start(&w);
	load(1, 1, 100, false, true);
	load(2, 101, 50, true, false);
	world_stop(&w, SIGKILL);
	replay_stream(w.log, "domain/1a", UINT64_MAX, &all);
	replay_stream(w.log, "domain/1a", all.lsn - 1, &before);
	assert_true(before.lsn < all.lsn - 2); /* it had parts */
	free(before.pages);
	replay_stream(w.log, "domain/1a", before.lsn, &before);
	replay_stream(w.log, "domain/1a", before.checkpoint, &synced);
	log_cut(all.pos - 5000, true);
	db_mix(&synced, &before);
	reboot();
	settle();
	world_stop(&w, SIGKILL);
	assert_int_equal(number("SELECT max(n) FROM row"), 150);
	assert_int_equal(number("SELECT count(*) FROM kv WHERE k > 4000"), 0);
	world_start(&w);
	load(3, 151, 5, false, false);
	world_stop(&w, SIGKILL);
	/* The void parts still stand in the log; a second failure. */
	db_mix(&before, &before);
	reboot();
	settle();
	world_stop(&w, SIGKILL);
	rows = number("SELECT count(*) FROM row");
	assert_int_equal(rows, 155);
	assert_int_equal(number("SELECT count(*) FROM kv WHERE k > 4000"), 0);
	assert_int_equal(number("SELECT count(*) FROM kv WHERE v = -1"), 0);
	check_pages(UINT64_MAX);
	free(all.pages);
	free(before.pages);
	free(synced.pages);
}

/* Everything that a new stream ever was is in the log: lost with its
 * directory, it is made anew. */
static void
a_lost_file_is_made_from_the_log(void **state)
{
	char path[200];

	(void)state;
	world_start(&w);
	load(1, 1, 200, false, false);
	world_stop(&w, SIGKILL);
	db_path(path, "");
	unlink(path);
	db_path(path, "-wal");
	unlink(path);
	db_path(path, "-shm");
	unlink(path);
	snprintf(path, sizeof path, "%s/domain", w.root);
	assert_int_equal(rmdir(path), 0);
	reboot();
	settle();
	world_stop(&w, SIGKILL);
	check_pages(UINT64_MAX);
	assert_int_equal(number("SELECT count(*) FROM row"), 200);
}

/* A restart without a reboot touches nothing: the kernel has it all. */
static void
no_redo_without_a_reboot(void **state)
{
	struct stat before, after;
	char path[200];

	(void)state;
	world_start(&w);
	load(1, 1, 200, false, false);
	world_stop(&w, SIGKILL);
	db_path(path, "-wal");
	assert_int_equal(stat(path, &before), 0);
	world_start(&w);
	settle();
	world_stop(&w, SIGKILL);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	world_start(&w);
	load(2, 201, 10, false, true);
	world_stop(&w, SIGKILL);
	check_pages(UINT64_MAX);
	assert_int_equal(number("SELECT count(*) FROM row"), 210);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(redo_gives_the_last_commit_in_the_log),
	    T(half_a_commit_never_was),
	    T(a_lost_file_is_made_from_the_log),
	    T(no_redo_without_a_reboot),
	};

	signal(SIGPIPE, SIG_IGN);
	if (getenv("TEST_SEED") != NULL)
		seed = (unsigned)atoi(getenv("TEST_SEED"));
	return cmocka_run_group_tests_name("redo", tests, NULL, NULL);
}
