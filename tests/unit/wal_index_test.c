/* The wal-index: it is SQLite's own, found and kept without SQLite. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/wal_index.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"

static char dir[64];
static unsigned seed = 7;

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
	scratch_make(dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	scratch_remove(dir);
	return 0;
}

static const char *
path(const char *name)
{
	static char out[4][128];
	static unsigned turn;
	char *p = out[turn++ % 4];

	snprintf(p, 128, "%s/%s", dir, name);
	return p;
}

/* ---- a -wal and -shm that SQLite wrote ---------------------------------- */

static void
copy(const char *from, const char *to)
{
	size_t n;
	uint8_t *p = scratch_read(from, &n);

	scratch_write(to, p, n);
	free(p);
}

/* A process writes commits and ends without closing; a.db, a.db-wal, a.db-shm
 * stay, as it had them. */
static void
make_wal(int page_size, int commits)
{
	char sql[200];
	sqlite3 *db;
	int status, i;
	pid_t pid;

	if ((pid = fork()) == 0) {
		sqlite3_open(path("a.db"), &db);
		snprintf(sql, sizeof sql,
		    "PRAGMA page_size=%d; PRAGMA journal_mode=WAL;"
		    "PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF;"
		    "CREATE TABLE t(a INTEGER PRIMARY KEY, b)",
		    page_size);
		sqlite3_exec(db, sql, NULL, NULL, NULL);
		for (i = 0; i < commits; i++) {
			snprintf(sql, sizeof sql,
			    "INSERT INTO t VALUES(%d, randomblob(%u));"
			    "UPDATE t SET b = randomblob(700) WHERE a = %u",
			    i, dice(3000), dice((unsigned)i + 1));
			sqlite3_exec(db, sql, NULL, NULL, NULL);
		}
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static int
open_wal(const char *name)
{
	int fd = open(path(name), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
index_open(struct wal_index *ix, const char *name)
{
	struct err e;

	if (wal_index_open(ix, path(name), &e) != 0)
		fail_msg("%s", e.text);
}

/* The header that lies in a file, whoever has it open. */
static void
head_of(const uint8_t *shm, struct wal_index_head *h)
{
	memcpy(&h->frames, shm + 16, 4);
	memcpy(&h->db_pages, shm + 20, 4);
	memcpy(h->sum, shm + 24, 8);
	memcpy(&h->salt, shm + 32, 8);
}

/* What is recovered from a -wal is, byte for byte where it has a meaning,
 * what SQLite had in its wal-index. */
static void
recovery_finds_what_sqlite_had(void **state)
{
	static const int sizes[] = {512, 1024, 4096, 65536};
	struct wal_index_head want, have;
	struct wal_index ix;
	uint8_t *mine, *its;
	size_t n, m, i;
	struct err e;
	int fd, s;

	(void)state;
	for (s = 0; s < 4; s++) {
		unlink(path("a.db"));
		unlink(path("a.db-wal"));
		unlink(path("a.db-shm"));
		make_wal(sizes[s], sizes[s] == 65536 ? 50 : 1500);
		its = scratch_read(path("a.db-shm"), &n);
		head_of(its, &want);
		fd = open_wal("a.db-wal");
		unlink(path("b-shm"));
		index_open(&ix, "b-shm");
		assert_int_equal(wal_index_get(&ix, &have, &e), -ERR_ABSENT);
		assert_int_equal(wal_index_recover(&ix, fd, &e), 0);
		assert_int_equal(wal_index_get(&ix, &have, &e), 0);
		assert_int_equal(have.frames, want.frames);
		assert_int_equal(have.db_pages, want.db_pages);
		assert_int_equal(have.page_size, sizes[s]);
		assert_memory_equal(have.sum, want.sum, 8);
		assert_int_equal(have.salt, want.salt);
		mine = scratch_read(path("b-shm"), &m);
		assert_int_equal(n, m);
		for (i = 136; i < n; i++) {
			if (mine[i] != its[i])
				fail_msg("page size %d, byte %zu of %zu",
				    sizes[s], i, n);
		}
		wal_index_close(&ix);
		close(fd);
		free(mine);
		free(its);
	}
}

/* A -wal that ends anywhere, or has a wrong byte anywhere, is recovered up to
 * the last commit before that, never further, never less. */
static void
recovery_stops_at_damage(void **state)
{
	struct wal_index_head whole, part;
	struct wal_index ix;
	size_t n, at;
	uint8_t *wal;
	uint32_t want, i;
	struct err e;
	int fd, turn;

	(void)state;
	unlink(path("a.db"));
	unlink(path("a.db-wal"));
	unlink(path("a.db-shm"));
	make_wal(1024, 30);
	wal = scratch_read(path("a.db-wal"), &n);
	for (turn = 0; turn < 200; turn++) {
		at = turn == 0 ? n : dice((unsigned)n);
		if (turn % 2 == 0) {
			scratch_write(path("c-wal"), wal, at);
		} else {
			wal[at] ^= 0x40;
			scratch_write(path("c-wal"), wal, n);
			wal[at] ^= 0x40;
		}
		for (want = i = 0; at >= WAL_HEAD &&
		     WAL_HEAD + (i + 1) * wal_frame_size(1024) <= at;
		     i++) {
			if (wal_frame_commit(
				wal + WAL_HEAD + i * wal_frame_size(1024)))
				want = i + 1;
		}
		unlink(path("c-shm"));
		index_open(&ix, "c-shm");
		fd = open_wal("c-wal");
		/* Another version or byte order is refused. */
		if (at < 12 && turn % 2 != 0 &&
		    wal_index_recover(&ix, fd, &e) == -ERR_CORRUPT)
			want = 0;
		else {
			assert_int_equal(wal_index_recover(&ix, fd, &e), 0);
			assert_int_equal(wal_index_get(&ix, &part, &e), 0);
			assert_int_equal(part.frames, want);
			if (turn == 0)
				whole = part;
		}
		close(fd);
		wal_index_close(&ix);
	}
	assert_true(whole.frames > 60);
	free(wal);
}

/* ---- tables ------------------------------------------------------------- */

static uint32_t
newest(const uint32_t *pages, uint32_t page, uint32_t first, uint32_t last)
{
	for (; last >= first && last > 0; last--) {
		if (pages[last] == page)
			return last;
	}
	return 0;
}

/* Over several tables the newest frame of a page is found within any bounds,
 * also after frames were taken back and others put in their place. */
static void
tables_find_the_newest(void **state)
{
	enum { N = 13000 };
	uint32_t *pages = calloc(N + 1, sizeof *pages), i, page, first, last;
	struct wal_index ix;
	struct err e;
	int turn;

	(void)state;
	index_open(&ix, "t-shm");
	for (i = 1; i <= N; i++) {
		pages[i] = dice(2000) == 0 ? 77 : dice(900) * 8192 + 1;
		assert_int_equal(wal_index_add(&ix, i, pages[i], &e), 0);
	}
	for (turn = 0; turn < 6; turn++) {
		for (i = 0; i < 3000; i++) {
			page = i % 7 == 0 ? 77 : dice(900) * 8192 + 1;
			last = dice(N) + 1;
			first = dice(last) + 1;
			assert_int_equal(wal_index_find(&ix, page, first, last),
			    newest(pages, page, first, last));
		}
		/* A writer died; the next one goes on further in front. */
		last = turn == 0 ? 4062 : turn == 1 ? 8158 : dice(N - 200);
		if (turn % 2 == 0)
			wal_index_cut(&ix, last);
		for (i = last + 1; i <= N; i++) {
			pages[i] = dice(900) * 8192 + 1;
			assert_int_equal(
			    wal_index_add(&ix, i, pages[i], &e), 0);
		}
	}
	wal_index_close(&ix);
	free(pages);
}

/* ---- header and locks --------------------------------------------------- */

/* What is published is what is read; a header with a wrong bit in any byte of
 * one copy is no header, and one of another version is refused. */
static void
a_damaged_header_is_none(void **state)
{
	struct wal_index_head h = {.page_size = 65536,
				  .frames = 12,
				  .db_pages = 7,
				  .sum = {1, 2},
				  .salt = 99},
			      back;
	uint32_t version = 3007001, sum[2] = {0, 0};
	struct wal_index ix;
	struct err e;
	unsigned i;

	(void)state;
	index_open(&ix, "h-shm");
	wal_index_put(&ix, &h);
	assert_int_equal(wal_index_get(&ix, &back, &e), 0);
	assert_memory_equal(&h, &back, sizeof h);
	for (i = 0; i < 96; i++) {
		ix.region[0][i] ^= 4;
		assert_int_equal(wal_index_get(&ix, &back, &e), -ERR_ABSENT);
		ix.region[0][i] ^= 4;
	}
	memcpy(ix.region[0], &version, 4);
	wal_sum(sum, ix.region[0], 40);
	memcpy(ix.region[0] + 40, sum, 8);
	memcpy(ix.region[0] + 48, ix.region[0], 48);
	assert_int_equal(wal_index_get(&ix, &back, &e), -ERR_CORRUPT);
	wal_index_close(&ix);
}

/* One writes; a file with a living user is taken as it is, one without is
 * begun anew. */
static void
a_file_without_users_begins_anew(void **state)
{
	struct wal_index_head h = {.page_size = 1024, .frames = 5}, back;
	struct wal_index a, b;
	int to[2], from[2];
	struct err e;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(to) | pipe(from), 0);
	if ((pid = fork()) == 0) {
		struct flock lock = {
		    .l_type = F_RDLCK, .l_start = 128, .l_len = 1};
		int fd;

		close(to[1]);
		if (read(to[0], &c, 1) != 1)
			_exit(1);
		/* A reader of SQLite's that is attached. */
		fd = open(path("l-shm"), O_RDWR);
		if (fcntl(fd, F_SETLK, &lock) != 0 ||
		    write(from[1], "", 1) != 1)
			_exit(1);
		(void)!read(to[0], &c, 1);
		_exit(0);
	}
	close(to[0]);
	index_open(&a, "l-shm");
	wal_index_put(&a, &h);
	assert_int_equal(wal_index_open(&b, path("l-shm"), &e), -ERR_BUSY);
	assert_true(write(to[1], "", 1) == 1 && read(from[0], &c, 1) == 1);
	wal_index_close(&a);
	index_open(&a, "l-shm");
	assert_int_equal(wal_index_get(&a, &back, &e), 0);
	assert_int_equal(back.frames, 5);
	wal_index_close(&a);
	close(to[1]);
	waitpid(pid, NULL, 0);
	close(from[0]);
	close(from[1]);
	index_open(&a, "l-shm");
	assert_int_equal(wal_index_get(&a, &back, &e), -ERR_ABSENT);
	wal_index_close(&a);
}

/* Without memory nothing is left behind, and the next try succeeds. */
static void
no_memory_is_an_error(void **state)
{
	struct wal_index_head h;
	struct wal_index ix;
	struct err e;
	long n;
	int fd, r;

	(void)state;
	copy(path("a.db-wal"), path("m-wal"));
	fd = open_wal("m-wal");
	for (n = 0;; n++) {
		unlink(path("m-shm"));
		fault_alloc_at(n);
		r = wal_index_open(&ix, path("m-shm"), &e);
		if (r == 0 && (r = wal_index_recover(&ix, fd, &e)) != 0)
			assert_int_equal(
			    wal_index_get(&ix, &h, &e), -ERR_ABSENT);
		if (!fault_alloc_hit())
			break;
		fault_alloc_off();
		assert_int_equal(r, -ERR_NOMEM);
		wal_index_close(&ix);
	}
	fault_alloc_off();
	assert_int_equal(r, 0);
	assert_true(n >= 3);
	wal_index_close(&ix);
	close(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recovery_finds_what_sqlite_had),
	    cmocka_unit_test(recovery_stops_at_damage),
	    cmocka_unit_test(tables_find_the_newest),
	    cmocka_unit_test(a_damaged_header_is_none),
	    cmocka_unit_test(a_file_without_users_begins_anew),
	    cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
