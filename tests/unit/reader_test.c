/* Readers: whole transactions only, news of what is acknowledged. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/replication.h"
#include "tests/lib/world.h"
#include "tests/unit/kv_fixture.h"

#define SCHEMA "CREATE TABLE pair(id INTEGER PRIMARY KEY, a INT, b INT)"

static struct world w;
static struct loop *loop;
static struct repl *repl;  /* the owner's */
static struct repl *other; /* the readers' */

static int
setup(void **state)
{
	(void)state;
	world_make(&w);
	world_start(&w);
	loop = loop_new();
	repl = repl_new(loop, w.root);
	other = repl_new(loop, w.root);
	repl_link(repl, world_link(&w, "st/1"));
	repl_link(other, world_link(&w, "control/1"));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	repl_free(&repl);
	repl_free(&other);
	loop_free(&loop);
	world_remove(&w);
	return 0;
}

struct seen {
	int open, changed, reload, absent, any;
	struct reader *close; /* close it in the next callback */
	char last[64];	      /* last note */
	int notes;
};

static void
on_event(void *arg, struct reader *rd, enum reader_event event)
{
	struct seen *s = arg;

	s->any++;
	if (event == READER_OPEN)
		s->open++;
	else if (event == READER_CHANGED)
		s->changed++;
	else if (event == READER_RELOAD)
		s->reload++;
	else
		s->absent++;
	assert_true((reader_db(rd) != NULL) == (event != READER_ABSENT));
	if (s->close != NULL)
		reader_close(&s->close);
}

static void
on_note(void *arg, const char *object, const char *key)
{
	struct seen *s = arg;

	s->notes++;
	snprintf(s->last, sizeof s->last, "%.20s %.40s", object, key);
	if (s->close != NULL)
		reader_close(&s->close);
}

static struct reader *
reading(const char *name, struct seen *s)
{
	struct reader *rd;
	struct err e;

	memset(s, 0, sizeof *s);
	assert_int_equal(reader_open(other, name, on_event, s, &rd, &e), 0);
	assert_int_equal(s->any, 0);
	return rd;
}

static void
change(struct stream *s, int id)
{
	char key[16];
	struct err e;

	snprintf(key, sizeof key, "%d", id);
	assert_int_equal(stream_join(s, &e), 0);
	assert_int_equal(stream_change(s, "user", key, &e), 0);
}

/* Take notes until this one has come; news of older commits may come before
 * it, since a reader is told at most every few milliseconds. */
static void
until_note(struct reader *rd, struct seen *s, const char *note)
{
	struct err e;

	while (strcmp(s->last, note) != 0) {
		world_run(loop, &s->changed);
		s->changed = 0;
		assert_int_equal(reader_changes(rd, on_note, s, &e), 0);
	}
}

/* A reader of a stream that is not there is told so, once, and told again
 * when it has appeared. */
static void
absent_streams_appear(void **state)
{
	struct seen seen;
	struct reader *rd = reading("domain/root", &seen);
	struct stream *s;

	(void)state;
	world_run(loop, &seen.absent);
	assert_null(reader_db(rd));
	s = world_stream(repl, loop, "domain/root", 1, SCHEMA, 4096);
	world_run(loop, &seen.open);
	assert_int_equal(seen.absent, 1);
	assert_int_equal(number(reader_db(rd), "SELECT count(*) FROM pair"), 0);
	reader_close(&rd);
	stream_close(&s);
}

/* What was noted in a commit comes to every reader, in order and once; what
 * was noted and undone does not come. */
static void
notes_come_in_order_and_once(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "domain/root", 1, SCHEMA, 4096);
	struct seen seen;
	struct reader *rd;
	struct err e;

	(void)state;
	change(s, 0);
	world_settle(loop, s);
	rd = reading("domain/root", &seen);
	world_run(loop, &seen.open);
	assert_int_equal(reader_changes(rd, on_note, &seen, &e), 0);
	assert_int_equal(seen.notes, 0);
	change(s, 1);
	stream_mark(s, &e);
	change(s, 2);
	stream_mark_undo(s, &e);
	change(s, 3);
	world_run(loop, &seen.changed);
	assert_int_equal(reader_changes(rd, on_note, &seen, &e), 0);
	assert_int_equal(seen.notes, 2);
	assert_string_equal(seen.last, "user 3");
	assert_int_equal(reader_changes(rd, on_note, &seen, &e), 0);
	assert_int_equal(seen.notes, 2);
	reader_close(&rd);
	stream_close(&s);
}

/* Notes of commits that are not acknowledged are kept back, though the
 * database shows them. */
static void
notes_wait_for_the_acknowledgement(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "domain/root", 1, SCHEMA, 4096);
	struct seen seen;
	struct reader *rd = reading("domain/root", &seen);
	struct err e;

	(void)state;
	world_run(loop, &seen.open);
	world_stop(&w, SIGKILL);
	change(s, 1);
	stream_commit(s, &e);
	assert_int_equal(
	    number(reader_db(rd), "SELECT count(*) FROM _change"), 1);
	assert_int_equal(reader_changes(rd, on_note, &seen, &e), 0);
	assert_int_equal(seen.notes, 0);
	world_start(&w);
	repl_link(other, world_link(&w, "control/1"));
	repl_link(repl, world_link(&w, "st/1"));
	world_run(loop, &seen.changed);
	assert_int_equal(reader_changes(rd, on_note, &seen, &e), 0);
	assert_int_equal(seen.notes, 1);
	reader_close(&rd);
	stream_close(&s);
}

/* A reader that missed more notes than are kept is told to read all anew. */
static void
too_many_changes_mean_reload(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "domain/root", 1, SCHEMA, 4096);
	struct seen seen;
	struct reader *rd = reading("domain/root", &seen);
	struct err e;
	int i;

	(void)state;
	world_run(loop, &seen.open);
	for (i = 0; i < 3000; i++)
		change(s, i);
	world_settle(loop, s);
	world_run(loop, &seen.reload);
	assert_true(
	    number(reader_db(rd), "SELECT count(*) FROM _change") < 1200);
	assert_int_equal(reader_changes(rd, on_note, &seen, &e), 0);
	change(s, 5000);
	until_note(rd, &seen, "user 5000");
	reader_close(&rd);
	stream_close(&s);
}

/* Readers may be closed from their own callbacks. */
static void
readers_close_from_their_callbacks(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "domain/root", 1, SCHEMA, 4096);
	struct seen seen, two;
	struct reader *rd = reading("domain/root", &seen);
	struct reader *rd2;
	struct err e;
	int i;

	(void)state;
	seen.close = rd;
	world_run(loop, &seen.open);
	assert_null(seen.close);
	rd2 = reading("domain/root", &two);
	world_run(loop, &two.open);
	for (i = 0; i < 10; i++)
		change(s, i);
	world_run(loop, &two.changed);
	two.close = rd2;
	assert_int_equal(reader_changes(rd2, on_note, &two, &e), 0);
	assert_int_equal(two.notes, 1);
	stream_close(&s);
}

/* A stream stays readable while its owner dies, another takes it over, and
 * when it is closed. */
static void
reading_goes_on_over_owners(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "domain/root", 1, SCHEMA, 4096);
	struct seen seen;
	struct reader *rd = reading("domain/root", &seen);
	struct stream_status st;

	(void)state;
	world_run(loop, &seen.open);
	change(s, 1);
	until_note(rd, &seen, "user 1");
	stream_close(&s);
	assert_int_equal(
	    number(reader_db(rd), "SELECT count(*) FROM _change"), 1);
	s = world_stream(repl, loop, "domain/root", 2, SCHEMA, 4096);
	change(s, 2);
	until_note(rd, &seen, "user 2");
	reader_status(rd, &st);
	assert_int_equal(st.epoch, 2);
	stream_close(&s);
	reader_close(&rd);
	/* A reader that comes when nobody writes finds it too. */
	rd = reading("domain/root", &seen);
	world_run(loop, &seen.open);
	assert_int_equal(
	    number(reader_db(rd), "SELECT count(*) FROM _change"), 2);
	reader_close(&rd);
}

/* The writing child: rows whose a and b are always equal between
 * transactions, never within. */
static void
write_pairs(int control, int stop)
{
	struct loop *l = loop_new();
	struct repl *r = repl_new(l, w.root);
	struct stream *s;
	struct err e;
	char sql[160], byte;
	int i;

	repl_link(r, world_link_by(control, "st/2"));
	s = world_stream(r, l, "pairs", 1, SCHEMA, 1024);
	for (i = 1; recv(stop, &byte, 1, MSG_DONTWAIT) < 0; i++) {
		if (stream_join(s, &e) != 0)
			_exit(1);
		snprintf(sql, sizeof sql,
		    "INSERT OR REPLACE INTO pair VALUES(%d, %d, %d);"
		    "UPDATE pair SET a = a + 1;"
		    "UPDATE pair SET b = b + 1",
		    i % 50, i, i);
		if (sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL) !=
		    SQLITE_OK)
			_exit(2);
		if (stream_commit(s, &e) != 0)
			_exit(3);
		if (i % 3 == 0)
			world_settle(l, s);
	}
	world_settle(l, s);
	_exit(0);
}

/* While another process writes and checkpoints as fast as it can, a reader
 * sees whole transactions only, and is told of them. */
static void
readers_see_whole_transactions(void **state)
{
	struct seen seen;
	struct reader *rd = reading("pairs", &seen);
	int stop[2], status, torn = 0, looks = 0;
	int64_t first, sum;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stop), 0);
	if ((pid = world_fork(w.control, stop[1])) == 0)
		write_pairs(w.control, stop[1]);
	world_run(loop, &seen.open);
	first = number(reader_db(rd), "SELECT total(a) FROM pair");
	for (; looks < 4000; looks++) {
		if (number(reader_db(rd),
			"SELECT count(*) FROM pair WHERE a <> b") != 0)
			torn++;
		if (looks % 100 == 0) {
			seen.changed = 0;
			world_run(loop, &seen.changed);
		}
	}
	sum = number(reader_db(rd), "SELECT total(a) FROM pair");
	assert_int_equal(torn, 0);
	assert_true(sum > first);
	assert_int_equal(write(stop[0], "", 1), 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	close(stop[0]);
	close(stop[1]);
	reader_close(&rd);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(absent_streams_appear),
	    T(notes_come_in_order_and_once),
	    T(notes_wait_for_the_acknowledgement),
	    T(too_many_changes_mean_reload),
	    T(readers_close_from_their_callbacks),
	    T(reading_goes_on_over_owners),
	    T(readers_see_whole_transactions),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
