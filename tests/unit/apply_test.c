/* A follower's database: what readers see of it while records are applied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "tests/unit/apply_rig.h"

/*
 * A log of the load, by an owner whose file was closed to owner_db: made once
 * for each page size. The follower's files are gone.
 */
static void
ship_take(int page_size)
{
	static const struct {
		int page_size, commits;
	} make[] = {{512, 40}, {1024, 900}, {4096, 900}, {65536, 40}};
	struct log *l = logs;
	struct writer o;
	unsigned i;

	for (i = 0; make[i].page_size != page_size; i++)
		;
	snprintf(owner_db, sizeof owner_db, "%s/owner%d.db", dir, page_size);
	ship = l + i;
	files_remove(path("f.db"));
	if (ship->n > 0)
		return;
	owner_open(&o, ship, owner_db, page_size);
	load_begin(&o);
	load_mixed(&o, make[i].commits);
	owner_close(&o, true);
}

static bool
wal_is_done(const struct apply *a)
{
	struct apply_status s;

	apply_status(a, &s);
	return s.wal.done == s.wal.frames;
}

/* ---- content ------------------------------------------------------------ */

/* With any page size, over commits of many parts, growth, shrinking and new
 * -wals of either side, every commit is seen by a reader as it was made, and
 * in the end the file is the owner's, byte by byte. */
static void
the_file_becomes_the_owners(void **state)
{
	static const int sizes[] = {1024, 4096, 512, 65536};
	struct apply_status was, s;
	struct asked reader;
	struct apply *a;
	struct err e;
	uint64_t lsn;
	unsigned i, restarts = 0, grew = 0, shrank = 0, parts = 0;

	(void)state;
	for (i = 0; i < 4; i++) {
		ship_take(sizes[i]);
		asked_start(&reader, path("f.db"));
		a = open_it(path("f.db"), (uint32_t)sizes[i], &none);
		apply_to(a, ship, 1);
		ask(&reader, "open");
		apply_status(a, &was);
		for (lsn = 1; lsn < ship->n; was = s) {
			struct ship_record r = log_get(ship, ++lsn);

			assert_int_equal(apply_pages(a, &r, &e), 0);
			apply_status(a, &s);
			restarts += s.wal.salt != was.wal.salt;
			grew += s.wal.db_pages > was.wal.db_pages;
			shrank += s.wal.db_pages < was.wal.db_pages;
			parts += r.db_pages == 0;
			if (lsn % 50 != 0)
				continue;
			assert_string_equal(
			    ask(&reader, "SELECT sum(v) FROM acct"), "0");
			assert_int_equal(
			    ask_number(&reader, "PRAGMA page_count"),
			    s.wal.db_pages);
		}
		assert_string_equal(
		    ask(&reader, "PRAGMA integrity_check"), "ok");
		assert_int_equal(apply_checkpoint(a, &e), 0);
		assert_true(wal_is_done(a));
		assert_int_equal(apply_written(a), ship->n);
		assert_true(files_equal(path("f.db"), owner_db));
		apply_close(&a);
		asked_end(&reader);
	}
	assert_true(restarts > 0 && grew > 5 && shrank > 5 && parts > 5);
}

/* A reader that came before anything was applied finds an empty database, and
 * the first commit in the same connection. */
static void
a_reader_may_be_first(void **state)
{
	struct asked reader;
	struct apply *a;

	(void)state;
	ship_take(4096);
	asked_start(&reader, path("f.db"));
	a = open_it(path("f.db"), 4096, &none);
	assert_int_equal(apply_lsn(a), 0);
	ask(&reader, "open");
	assert_string_equal(
	    ask(&reader, "SELECT count(*) FROM sqlite_schema"), "0");
	assert_string_equal(ask(&reader, "PRAGMA journal_mode"), "wal");
	assert_string_equal(ask(&reader, "PRAGMA integrity_check"), "ok");
	apply_to(a, ship, 2);
	assert_string_equal(ask(&reader, "SELECT n FROM counter"), "1");
	apply_close(&a);
	asked_end(&reader);
}

/* Parts of a commit are seen by nobody until it ends; they may be given up,
 * or begun again. */
static void
parts_are_invisible(void **state)
{
	struct apply_status s;
	struct asked reader;
	struct ship_record r;
	struct apply *a;
	struct writer o;
	uint64_t before, lsn;
	struct err e;

	(void)state;
	ship_own(&o, 1024);
	load_commit(&o, 1, 1);
	before = ship->n;
	load_commit(&o, 1, 9000);
	owner_close(&o, true);
	assert_true(ship->n >= before + 5);
	asked_start(&reader, path("f.db"));
	a = open_it(path("f.db"), 1024, &none);
	apply_to(a, ship, before);
	ask(&reader, "open");
	for (lsn = before + 1; lsn < ship->n; lsn++) {
		r = log_get(ship, lsn);
		assert_int_equal(apply_pages(a, &r, &e), 0);
		assert_int_equal(apply_lsn(a), before);
		assert_string_equal(ask(&reader, "SELECT n FROM counter"), "1");
	}
	apply_status(a, &s);
	assert_true(s.parts > 4096);
	apply_drop_parts(a);
	for (lsn = before + 1; lsn < before + 3; lsn++) {
		r = log_get(ship, lsn);
		assert_int_equal(apply_pages(a, &r, &e), 0);
	}
	r = log_get(ship, before + 1);
	assert_int_equal(apply_pages(a, &r, &e), 0);
	apply_status(a, &s);
	assert_int_equal(s.parts, r.npages);
	/* Dropped by closing too. */
	apply_close(&a);
	a = open_it(path("f.db"), 1024, &none);
	apply_to(a, ship, ship->n);
	assert_string_equal(ask(&reader, "SELECT n FROM counter"), "2");
	assert_string_equal(ask(&reader, "PRAGMA integrity_check"), "ok");
	assert_int_equal(apply_checkpoint(a, &e), 0);
	assert_true(files_equal(path("f.db"), owner_db));
	apply_close(&a);
	asked_end(&reader);
}

/* ---- readers and checkpoints -------------------------------------------- */

/* A checkpoint copies up to the oldest snapshot, says so, and goes on as
 * readers leave. */
static void
checkpoints_stop_at_readers(void **state)
{
	struct asked reader[3];
	struct apply_status s;
	uint32_t frames[3];
	uint64_t lsn[3];
	struct apply *a;
	struct err e;
	int i;

	(void)state;
	ship_take(4096);
	for (i = 0; i < 3; i++)
		asked_start(&reader[i], path("f.db"));
	a = open_it(path("f.db"), 4096, &none);
	for (i = 0; i < 3; i++) {
		lsn[i] = 5 + 20 * (uint64_t)i;
		apply_to(a, ship, lsn[i]);
		lsn[i] = apply_lsn(a);
		apply_status(a, &s);
		frames[i] = s.wal.frames;
		ask(&reader[i], "open");
		ask(&reader[i], "BEGIN");
		ask(&reader[i], "SELECT n FROM counter");
	}
	apply_to(a, ship, 100);
	for (i = 0; i < 3; i++) {
		assert_int_equal(apply_checkpoint(a, &e), 0);
		apply_status(a, &s);
		assert_int_equal(s.wal.done, frames[i]);
		assert_true(apply_written(a) <= lsn[i]);
		assert_string_equal(
		    ask(&reader[i], "PRAGMA integrity_check"), "ok");
		ask(&reader[i], "COMMIT");
	}
	assert_int_equal(apply_checkpoint(a, &e), 0);
	assert_true(wal_is_done(a));
	assert_int_equal(apply_written(a), apply_lsn(a));
	/* One that reads the file alone stops all of it. */
	ask(&reader[0], "BEGIN");
	ask(&reader[0], "SELECT n FROM counter");
	apply_to(a, ship, 110);
	assert_int_equal(apply_checkpoint(a, &e), 0);
	assert_false(wal_is_done(a));
	assert_string_equal(ask(&reader[0], "PRAGMA integrity_check"), "ok");
	ask(&reader[0], "COMMIT");
	while (apply_tick(a))
		;
	assert_true(wal_is_done(a));
	apply_close(&a);
	for (i = 0; i < 3; i++)
		asked_end(&reader[i]);
}

/* Whatever a reader holds, commits go on and others see them; when it leaves,
 * the -wal begins anew and gives its room back. */
static void
a_long_reader_blocks_nobody(void **state)
{
	struct asked slow, other;
	struct apply_status s;
	char first[300];
	struct apply *a;
	uint64_t salt;

	(void)state;
	ship_take(4096);
	asked_start(&slow, path("f.db"));
	asked_start(&other, path("f.db"));
	a = open_it(path("f.db"), 4096, &none);
	apply_to(a, ship, 50);
	apply_status(a, &s);
	salt = s.wal.salt;
	ask(&slow, "open");
	ask(&other, "open");
	ask(&slow, "BEGIN");
	strcpy(first, ask(&slow, "SELECT n FROM counter"));
	apply_to(a, ship, ship->n - 20);
	apply_status(a, &s);
	assert_int_equal(s.wal.salt, salt);
	assert_true(s.wal_bytes > 2 * APPLY_LONG);
	assert_string_equal(ask(&slow, "SELECT n FROM counter"), first);
	assert_string_equal(ask(&slow, "PRAGMA integrity_check"), "ok");
	assert_true(
	    ask_number(&other, "SELECT n FROM counter") > atol(first) + 500);
	assert_string_equal(ask(&other, "PRAGMA integrity_check"), "ok");
	ask(&slow, "COMMIT");
	while (apply_tick(a))
		;
	apply_to(a, ship, ship->n);
	apply_status(a, &s);
	assert_int_not_equal(s.wal.salt, salt);
	assert_true(s.wal_bytes < APPLY_LONG);
	assert_string_equal(ask(&slow, "SELECT n FROM counter"), "900");
	assert_string_equal(ask(&slow, "PRAGMA integrity_check"), "ok");
	apply_close(&a);
	asked_end(&slow);
	asked_end(&other);
}

/* Readers that are never all away do not keep the -wal from beginning anew. */
static void
busy_readers_do_not_keep_the_wal(void **state)
{
	struct shared *s = shared_new();
	struct apply_status st;
	uint64_t lsn, longest = 0;
	struct apply *a;
	pid_t pid[3];
	int i;

	(void)state;
	ship_take(4096);
	a = open_it(path("f.db"), 4096, &none);
	apply_to(a, ship, 2);
	apply_close(&a);
	for (i = 0; i < 3; i++)
		pid[i] = reader_start(s, READER_POINT, path("f.db"));
	a = open_it(path("f.db"), 4096, &none);
	for (lsn = 2; lsn < ship->n; lsn = apply_lsn(a)) {
		apply_to(a, ship, lsn + 1);
		apply_status(a, &st);
		if (st.wal_bytes > longest)
			longest = st.wal_bytes;
	}
	assert_true(readers_end(s, pid, 3));
	print_message("longest -wal %llu KiB, %ld looks\n",
	    (unsigned long long)longest >> 10, s->looks[READER_POINT]);
	assert_true(longest > APPLY_LONG);
	apply_status(a, &st);
	assert_true(st.wal.frames < longest / 4096);
	apply_close(&a);
	munmap(s, sizeof *s);
}

/* ---- kills -------------------------------------------------------------- */

/* Applies the log, a record for each byte that it is given; tells the LSN
 * where it begins, and after each record. */
static void
kill_main(int fd, uint32_t page_size)
{
	struct ship_record r;
	struct apply *a;
	uint64_t lsn;
	struct err e;
	int ret;
	char c;

	while ((ret = apply_open(path("f.db"), page_size, &none, &a, &e)) ==
	    -ERR_BUSY)
		;
	if (ret != 0) {
		fprintf(stderr, "%s\n", e.text);
		_exit(1);
	}
	lsn = apply_lsn(a);
	for (;;) {
		if (write(fd, &(uint64_t){apply_lsn(a)}, 8) != 8)
			_exit(2);
		if (lsn == ship->n)
			_exit(0);
		if (read(fd, &c, 1) != 1)
			_exit(3);
		r = log_get(ship, ++lsn);
		if (apply_pages(a, &r, &e) != 0) {
			fprintf(stderr, "%s\n", e.text);
			_exit(4);
		}
		if (dice(50) == 0)
			apply_tick(a);
	}
}

/* The end of the commit behind an LSN. */
static uint64_t
commit_behind(uint64_t lsn)
{
	while (lsn < ship->n && log_get(ship, ++lsn).db_pages == 0)
		;
	return lsn;
}

/* Let it apply some records, begin another, and kill it a moment later; *lsn
 * is the last that it told. False when it had come to the end. */
static bool
kill_once(uint32_t page_size, uint64_t *lsn)
{
	unsigned i, n = dice(dice(10) == 0 ? 100 : 16);
	uint64_t told, last = *lsn;
	volatile unsigned burn;
	int fd[2], status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	seed += 13;
	if ((pid = fork()) == 0) {
		close(fd[0]);
		kill_main(fd[1], page_size);
	}
	close(fd[1]);
	for (i = 0; i <= n && read(fd[0], &told, 8) == 8; i++) {
		/* It begins where it stood, or with the commit on its way. */
		if (i == 0 && told != last && told != commit_behind(last))
			fail_msg("LSN %llu after %llu",
			    (unsigned long long)told, (unsigned long long)last);
		*lsn = told;
		if (send(fd[0], "", 1, MSG_NOSIGNAL) != 1)
			break;
	}
	for (burn = dice(60000) * 4; burn > 0; burn--)
		;
	kill(pid, SIGKILL);
	while (read(fd[0], &told, 8) == 8)
		*lsn = told;
	close(fd[0]);
	waitpid(pid, &status, 0);
	if (!WIFSIGNALED(status) && status != 0)
		fail_msg("status %x", status);
	return *lsn < ship->n;
}

static void
kills(uint32_t page_size, bool readers)
{
	struct shared *s = shared_new();
	int n = 0, died = 0;
	struct apply *a;
	uint64_t lsn = 1;
	pid_t pid[3];
	struct err e;

	ship_take((int)page_size);
	a = open_it(path("f.db"), page_size, &none);
	apply_to(a, ship, 1);
	lsn = apply_lsn(a);
	apply_close(&a);
	for (; readers && n < 3; n++)
		pid[n] = reader_start(s, (enum reader_kind)n, path("f.db"));
	while (kill_once(page_size, &lsn))
		died++;
	assert_int_equal(lsn, ship->n);
	assert_true(readers_end(s, pid, n));
	print_message("%d kills, looks %ld %ld %ld\n", died, s->looks[0],
	    s->looks[1], s->looks[2]);
	assert_true(died >= 24);
	a = open_it(path("f.db"), page_size, &none);
	assert_int_equal(apply_lsn(a), ship->n);
	assert_int_equal(apply_checkpoint(a, &e), 0);
	assert_true(files_equal(path("f.db"), owner_db));
	apply_close(&a);
	munmap(s, sizeof *s);
}

/* Killed wherever, again and again, it goes on where it stood: no commit is
 * left out, no reader goes back in time or sees half of one. */
static void
kills_under_readers(void **state)
{
	(void)state;
	kills(4096, true);
}

/* The same when nobody keeps the -shm alive in between. */
static void
kills_without_readers(void **state)
{
	(void)state;
	kills(1024, false);
}

/* ---- owners ------------------------------------------------------------- */

/* Two servers change roles, by closing or by kill: each goes on writing the
 * file that it applied to, with SQLite, and applying to the one it wrote. */
static void
ownership_goes_round(void **state)
{
	const char *db[2] = {strdup(path("x.db")), strdup(path("y.db"))};
	struct apply_known known = none, place;
	struct asked reader;
	struct apply *a = NULL;
	struct writer o;
	struct err e;
	int turn, me;

	(void)state;
	ship = &logs[4];
	log_free(ship);
	asked_start(&reader, db[1]);
	for (turn = 0; turn < 9; turn++) {
		me = turn % 2;
		owner_open(&o, ship, db[me], 4096);
		if (turn == 0) {
			load_begin(&o);
		} else {
			/* SQLite finds what the WELCOME would name. */
			assert_int_equal(o.at.salt, place.wal.salt);
			assert_int_equal(
			    o.at.frames, place.wal.first + place.wal.count - 1);
			o.next = 1000000 * turn;
		}
		a = open_it(db[!me], 4096, &known);
		load_mixed(&o, 150);
		apply_to(a, ship, ship->n);
		if (turn == 1)
			ask(&reader, "open");
		known = log_known(ship);
		owner_close(&o, turn % 3 == 0);
		place = (struct apply_known){
		    .lsn = apply_lsn(a), .wal = apply_place(a)};
		assert_int_equal(place.lsn, known.lsn);
		if (turn >= 1)
			assert_string_equal(
			    ask(&reader, "PRAGMA integrity_check"), "ok");
		if (turn % 4 == 3)
			assert_int_equal(apply_checkpoint(a, &e), 0);
		apply_hand_over(&a);
	}
	assert_int_equal(ask_number(&reader, "SELECT n FROM counter"), 9 * 150);
	asked_end(&reader);
	free((void *)(uintptr_t)db[0]);
	free((void *)(uintptr_t)db[1]);
}

/* While it is open nobody else writes or applies, and SQLite says so; nor
 * does the last connection that closes take the -wal away. */
static void
nobody_else_writes(void **state)
{
	struct asked writer;
	struct apply *a, *b;
	struct err e;

	(void)state;
	ship_take(4096);
	asked_start(&writer, path("f.db"));
	a = open_it(path("f.db"), 4096, &none);
	apply_to(a, ship, 2);
	ask(&writer, "open rw");
	assert_string_equal(
	    ask(&writer, "UPDATE counter SET n = 0"), "database is locked");
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &none, &b, &e), -ERR_BUSY);
	assert_string_equal(ask(&writer, "SELECT n FROM counter"), "1");
	ask(&writer, "PRAGMA wal_checkpoint(PASSIVE)");
	assert_true(wal_is_done(a));
	ask(&writer, "close");
	assert_int_equal(access(path("f.db-wal"), F_OK), 0);
	/* Nor when it may: with checkpoint on close. */
	apply_close(&a);
	ask(&writer, "open rw");
	assert_string_equal(ask(&writer, "UPDATE counter SET n = -1"), "-");
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &none, &b, &e), -ERR_CONFLICT);
	ask(&writer, "close");
	asked_end(&writer);
}

/* ---- damage ------------------------------------------------------------- */

/* A wal-index that is garbage is recovered from the -wal, with and without a
 * reader that has it mapped; the LSN is known all the same. */
static void
a_damaged_index_is_recovered(void **state)
{
	struct asked reader;
	struct apply *a;
	char n[300];
	int i;

	(void)state;
	ship_take(1024);
	asked_start(&reader, path("f.db"));
	a = open_it(path("f.db"), 1024, &none);
	apply_to(a, ship, 60);
	for (i = 0; i < 6; i++) {
		uint64_t lsn = apply_lsn(a);

		apply_close(&a);
		if (i == 2) {
			ask(&reader, "open");
			ask(&reader, "BEGIN");
			strcpy(n, ask(&reader, "SELECT n FROM counter"));
		}
		if (i == 4)
			unlink(path("f.db-shm"));
		else
			scribble(
			    path("f.db-shm"), i % 2 ? 0 : 60, i % 2 ? 120 : 2);
		if (i == 4)
			asked_end(&reader);
		a = open_it(path("f.db"), 1024, &none);
		assert_int_equal(apply_lsn(a), lsn);
		apply_to(a, ship, lsn + 30);
		if (i == 2 || i == 3) {
			assert_string_equal(
			    ask(&reader, "SELECT n FROM counter"), n);
			assert_string_equal(
			    ask(&reader, "PRAGMA integrity_check"), "ok");
		}
	}
	apply_to(a, ship, ship->n);
	apply_close(&a);
}

/* Without the -lsn file nothing is guessed; without the -wal, which somebody
 * put into the database and removed, the LSN is still known. */
static void
the_lsn_is_known_or_refused(void **state)
{
	struct apply_known known = {.lsn = 7, .wal = {1, 1, 1}};
	struct apply *a;
	struct writer o;
	uint64_t lsn;
	struct err e;

	(void)state;
	ship_take(4096);
	a = open_it(path("f.db"), 4096, &none);
	apply_to(a, ship, 50);
	lsn = apply_lsn(a);
	apply_close(&a);
	owner_open(&o, ship, path("f.db"), 4096);
	owner_close(&o, true);
	assert_int_not_equal(access(path("f.db-wal"), F_OK), 0);
	a = open_it(path("f.db"), 4096, &known);
	assert_int_equal(apply_lsn(a), lsn);
	assert_int_equal(apply_written(a), lsn);
	apply_to(a, ship, ship->n - 10);
	lsn = apply_lsn(a);
	apply_close(&a);
	scribble(path("f.db-lsn"), 0, 200);
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &known, &a, &e), -ERR_CONFLICT);
	/* After a reboot: the file alone, and what redo says of it. */
	owner_open(&o, ship, path("f.db"), 4096);
	owner_close(&o, true);
	unlink(path("f.db-lsn"));
	known = (struct apply_known){.lsn = lsn};
	a = open_it(path("f.db"), 4096, &known);
	apply_to(a, ship, ship->n);
	assert_int_equal(apply_checkpoint(a, &e), 0);
	assert_true(files_equal(path("f.db"), owner_db));
	apply_close(&a);
}

/* What is no record of the stream's next commit changes nothing. */
static void
wrong_records_are_refused(void **state)
{
	struct ship_record r;
	char junk[200];
	struct apply *a;
	struct err e;

	(void)state;
	ship_take(4096);
	a = open_it(path("f.db"), 4096, &none);
	r = log_get(ship, 2);
	assert_int_equal(apply_pages(a, &r, &e), -ERR_CONFLICT);
	apply_to(a, ship, 10);
	assert_int_equal(apply_pages(a, &r, &e), -ERR_CONFLICT);
	r = log_get(ship, apply_lsn(a) + 1);
	r.page_size = 1024;
	assert_int_equal(apply_pages(a, &r, &e), -ERR_INVALID);
	r.page_size = 4096;
	r.kind = SHIP_CLAIM;
	assert_int_equal(apply_pages(a, &r, &e), -ERR_INVALID);
	apply_close(&a);
	assert_int_equal(
	    apply_open(path("f.db"), 1024, &none, &a, &e), -ERR_INVALID);
	assert_int_equal(
	    apply_open(path("f.db"), 1000, &none, &a, &e), -ERR_INVALID);
	scratch_write(path("f.db"), "", 0);
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &none, &a, &e), -ERR_CORRUPT);
	memset(junk, 'x', sizeof junk);
	scratch_write(path("f.db"), junk, sizeof junk);
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &none, &a, &e), -ERR_CORRUPT);
}

/* Each allocation may fail: an error, nothing lost, the next try goes on. */
static void
no_memory_is_an_error(void **state)
{
	struct apply *a = NULL;
	struct ship_record r;
	struct err e;
	long n;
	int ret;

	(void)state;
	ship_take(1024);
	for (n = 0;; n++) {
		fault_alloc_at(n);
		ret = apply_open(path("f.db"), 1024, &none, &a, &e);
		if (!fault_alloc_hit())
			break;
		fault_alloc_off();
		assert_int_equal(ret, -ERR_NOMEM);
		assert_null(a);
	}
	assert_int_equal(ret, 0);
	while (apply_lsn(a) < ship->n) {
		r = log_get(ship, apply_lsn(a) + 1);
		fault_alloc_at(0);
		ret = apply_pages(a, &r, &e);
		if (ret != 0) {
			assert_int_equal(ret, -ERR_NOMEM);
			fault_alloc_off();
			assert_int_equal(apply_pages(a, &r, &e), 0);
		}
		if (r.db_pages == 0)
			break;
	}
	fault_alloc_off();
	apply_drop_parts(a);
	apply_to(a, ship, ship->n);
	assert_int_equal(apply_checkpoint(a, &e), 0);
	assert_true(files_equal(path("f.db"), owner_db));
	apply_close(&a);
}

/* ---- figures ------------------------------------------------------------ */

static int
by_size(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

/* Printed, not judged: microseconds to apply a commit of 14 pages of 4 KiB,
 * checkpoints included. */
static void
figures(void **state)
{
	enum { N = 3000 };
	uint8_t *frames = calloc(14, wal_frame_size(4096));
	struct log one = {0};
	struct writer o = {.log = &one, .at = {.page_size = 4096}};
	uint32_t *us = calloc(N, sizeof *us), i, k;
	clock_t cpu = 0;
	struct ship_record r;
	struct apply *a;
	struct err e;
	uint64_t at;

	(void)state;
	files_remove(path("f.db"));
	a = open_it(path("f.db"), 4096, &none);
	for (i = 0; i < N; i++) {
		for (k = 0; k < 14; k++) {
			uint8_t *f = frames + k * wal_frame_size(4096);
			uint32_t page = dice(1500) * 14 + k + 1;

			f[2] = (uint8_t)(page >> 8);
			f[3] = (uint8_t)page;
			f[7] = k == 13 ? 21 : 0;
			f[6] = k == 13 ? 82 : 0;
		}
		owner_record(&o, frames, 14);
		r = log_get(&one, one.n);
		at = clock_mono();
		cpu -= clock();
		assert_int_equal(apply_pages(a, &r, &e), 0);
		cpu += clock();
		us[i] = (uint32_t)(clock_mono() - at);
	}
	qsort(us, N, sizeof *us, by_size);
	print_message("apply of 14 pages: p50 %u us, p90 %u, p99 %u, most %u;"
		      " of the processor %lu in the mean\n",
	    us[N / 2], us[N * 9 / 10], us[N * 99 / 100], us[N - 1],
	    (unsigned long)(cpu * 1000000 / CLOCKS_PER_SEC / N));
	apply_close(&a);
	log_free(&one);
	free(frames);
	free(us);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_file_becomes_the_owners),
	    cmocka_unit_test(a_reader_may_be_first),
	    cmocka_unit_test(parts_are_invisible),
	    cmocka_unit_test(checkpoints_stop_at_readers),
	    cmocka_unit_test(a_long_reader_blocks_nobody),
	    cmocka_unit_test(busy_readers_do_not_keep_the_wal),
	    cmocka_unit_test(kills_under_readers),
	    cmocka_unit_test(kills_without_readers),
	    cmocka_unit_test(ownership_goes_round),
	    cmocka_unit_test(nobody_else_writes),
	    cmocka_unit_test(a_damaged_index_is_recovered),
	    cmocka_unit_test(the_lsn_is_known_or_refused),
	    cmocka_unit_test(wrong_records_are_refused),
	    cmocka_unit_test(no_memory_is_an_error),
	    cmocka_unit_test(figures),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
