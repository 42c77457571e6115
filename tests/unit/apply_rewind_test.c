/* A database whose dead owner had committed more than counts goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/apply_rig.h"

/* Rows of the load go on behind those that are there. */
static void
load_goes_on(struct writer *o)
{
	o->next = reader_number(
	    o->db, "SELECT coalesce(max(id), 0) + 1 FROM log");
}

/* f.db as an owner leaves it that committed more than it shipped. */
static struct apply_known
left_with_more(struct writer *o, int more)
{
	struct log unshipped = {0}, *log = o->log;
	struct apply_known known;
	int i;

	load_goes_on(o);
	load_commit(o, 1, 1);
	known = log_known(log);
	o->log = &unshipped;
	for (i = 0; i < more; i++)
		load_commit(o, 1, i == 2 ? 3000 : 1);
	o->log = log;
	log_free(&unshipped);
	owner_close(o, false);
	return known;
}

/* An owner of f.db, which an apply had before. */
static void
owner_of_f(struct writer *o)
{
	struct apply *a;

	ship_own(o, 4096);
	load_mixed(o, 10);
	owner_close(o, true);
	a = open_it(path("f.db"), 4096, &none);
	apply_to(a, ship, ship->n);
	apply_hand_over(&a);
	owner_open(o, ship, path("f.db"), 4096);
}

/* A dead owner had committed more than it shipped: the file goes back, as soon
 * as nobody reads what goes, over many pages of the wal-index too. */
static void
an_unshipped_commit_is_undone(void **state)
{
	struct apply_known known;
	struct asked reader;
	struct apply *a;
	struct writer o;
	struct err e;
	long n;

	(void)state;
	asked_start(&reader, path("f.db"));
	owner_of_f(&o);
	ask(&reader, "open");
	known = left_with_more(&o, 5);
	ask(&reader, "BEGIN");
	n = ask_number(&reader, "SELECT n FROM counter");
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &known, &a, &e), -ERR_BUSY);
	assert_int_equal(ask_number(&reader, "SELECT n FROM counter"), n);
	ask(&reader, "COMMIT");
	a = open_it(path("f.db"), 4096, &known);
	assert_true(apply_rewound(a));
	assert_int_equal(apply_lsn(a), known.lsn);
	assert_int_equal(ask_number(&reader, "SELECT n FROM counter"), n - 5);
	assert_string_equal(ask(&reader, "PRAGMA integrity_check"), "ok");
	apply_hand_over(&a);
	owner_open(&o, ship, path("f.db"), 4096);
	load_goes_on(&o);
	load_mixed(&o, 200);
	known = log_known(ship);
	owner_close(&o, false);
	a = open_it(path("f.db"), 4096, &known);
	assert_false(apply_rewound(a));
	assert_int_equal(apply_lsn(a), ship->n);
	assert_int_equal(
	    ask_number(&reader, "SELECT n FROM counter"), n - 5 + 200);
	assert_string_equal(ask(&reader, "PRAGMA integrity_check"), "ok");
	apply_close(&a);
	asked_end(&reader);
}

/* The owner had copied up to what was acknowledged, as far as a snapshot let
 * it. SQLite then leaves out what was changed again behind that, which nobody
 * misses before the file goes back. */
static void
what_a_checkpoint_left_out_is_there(void **state)
{
	struct log unshipped = {0};
	struct apply_known known;
	struct asked reader;
	struct apply *a;
	struct writer o;
	int frames, done;
	long n;

	(void)state;
	asked_start(&reader, path("f.db"));
	owner_of_f(&o);
	load_goes_on(&o);
	load_commit(&o, 1, 1);
	known = log_known(ship);
	ask(&reader, "open");
	ask(&reader, "BEGIN");
	n = ask_number(&reader, "SELECT n FROM counter");
	o.log = &unshipped;
	load_commit(&o, 1, 1);
	assert_int_equal(sqlite3_wal_checkpoint_v2(o.db, "main",
			     SQLITE_CHECKPOINT_PASSIVE, &frames, &done),
	    SQLITE_OK);
	assert_true(done > 0 && done < frames);
	ask(&reader, "COMMIT");
	log_free(&unshipped);
	o.log = ship;
	owner_close(&o, false);
	a = open_it(path("f.db"), 4096, &known);
	assert_true(apply_rewound(a));
	assert_int_equal(ask_number(&reader, "SELECT n FROM counter"), n);
	assert_string_equal(ask(&reader, "PRAGMA integrity_check"), "ok");
	assert_int_equal(apply_checkpoint(a, NULL), 0);
	assert_int_equal(apply_written(a), known.lsn);
	assert_int_equal(ask_number(&reader, "SELECT n FROM counter"), n);
	apply_close(&a);
	asked_end(&reader);
}

/* Killed on the way back it goes on from there. */
static void
kills_on_the_way_back(void **state)
{
	struct apply_known known;
	struct timespec ts = {0};
	struct apply *a;
	struct writer o;
	struct err e;
	int i, status;
	long n, at;
	pid_t pid;

	(void)state;
	owner_of_f(&o);
	for (i = 0; i < 60; i++) {
		at = reader_number(o.db, "SELECT n FROM counter");
		known = left_with_more(&o, 2);
		if ((pid = fork()) == 0) {
			apply_open(path("f.db"), 4096, &known, &a, &e);
			_exit(0);
		}
		ts.tv_nsec = dice(1000) * 1000;
		nanosleep(&ts, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		a = open_it(path("f.db"), 4096, &known);
		assert_int_equal(apply_lsn(a), known.lsn);
		apply_hand_over(&a);
		owner_open(&o, ship, path("f.db"), 4096);
		n = reader_number(o.db, "SELECT n FROM counter");
		assert_int_equal(n, at + 1);
	}
	reader_integrity(o.db);
	owner_close(&o, true);
}

/* Where it cannot go back it is refused: what somebody else checkpointed, and
 * what an apply wrote. What was closed to one file is taken. */
static void
an_unshipped_commit_may_be_refused(void **state)
{
	struct apply_known known, old;
	struct asked reader; /* somebody must know what is in the file */
	struct apply *a;
	struct writer o;
	struct err e;

	(void)state;
	asked_start(&reader, path("f.db"));
	owner_of_f(&o);
	ask(&reader, "open");
	ask(&reader, "SELECT n FROM counter");
	known = left_with_more(&o, 2);
	owner_open(&o, ship, path("f.db"), 4096);
	owner_sql(&o, "PRAGMA wal_checkpoint(PASSIVE)");
	owner_close(&o, false);
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &known, &a, &e), -ERR_CONFLICT);
	assert_null(a);
	asked_end(&reader);
	owner_open(&o, ship, path("f.db"), 4096);
	owner_close(&o, true);
	known = log_known(ship);
	a = open_it(path("f.db"), 4096, &known);
	assert_int_equal(apply_lsn(a), ship->n);
	old = (struct apply_known){.lsn = apply_lsn(a), .wal = apply_place(a)};
	apply_hand_over(&a);
	owner_open(&o, ship, path("f.db"), 4096);
	load_goes_on(&o);
	load_commit(&o, 1, 1);
	owner_close(&o, false);
	known = log_known(ship);
	a = open_it(path("f.db"), 4096, &known);
	apply_close(&a);
	scribble(path("f.db-lsn"), 64, 200);
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &old, &a, &e), -ERR_CONFLICT);
}

/* What is void went into the file with the -wal, by another's hands: that is
 * no state of the stream. */
static void
a_wal_that_is_gone_is_missed(void **state)
{
	struct apply_known known;
	struct apply *a;
	struct writer o;
	struct err e;

	(void)state;
	owner_of_f(&o);
	known = left_with_more(&o, 2);
	known.back = true;
	owner_open(&o, ship, path("f.db"), 4096);
	owner_close(&o, true);
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &known, &a, &e), -ERR_CONFLICT);
}

/* Where the database was larger a checkpoint may have left pages out. */
static void
a_database_that_shrank_is_refused(void **state)
{
	struct apply_known known;
	struct log unshipped = {0}, *log;
	struct apply *a;
	struct writer o;
	struct err e;

	(void)state;
	owner_of_f(&o);
	load_goes_on(&o);
	load_commit(&o, 1, 500);
	known = log_known(ship);
	log = o.log;
	o.log = &unshipped;
	load_commit(&o, 1, -1000000);
	o.log = log;
	log_free(&unshipped);
	owner_close(&o, false);
	assert_int_equal(
	    apply_open(path("f.db"), 4096, &known, &a, &e), -ERR_CONFLICT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_unshipped_commit_is_undone),
	    cmocka_unit_test(what_a_checkpoint_left_out_is_there),
	    cmocka_unit_test(kills_on_the_way_back),
	    cmocka_unit_test(an_unshipped_commit_may_be_refused),
	    cmocka_unit_test(a_wal_that_is_gone_is_missed),
	    cmocka_unit_test(a_database_that_shrank_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
