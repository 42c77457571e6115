/* Streams at their owner: groups, acknowledgements, succession, checkpoints. */
#include <fcntl.h>
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
#include "daemon/base/clock.h"
#include "tests/lib/replay.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"
#include "tests/unit/kv_fixture.h"

#define SCHEMA "CREATE TABLE kv(k TEXT PRIMARY KEY, v INTEGER, pad BLOB)"

static struct world w;
static struct loop *loop;
static struct repl *repl;

static int
setup(void **state)
{
	(void)state;
	world_make(&w);
	w.keep = UINT64_C(1) << 40;
	world_start(&w);
	loop = loop_new();
	repl = repl_new(loop, w.root);
	repl_link(repl, world_link(&w, "sr/1"));
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
put(struct stream *s, int k, int v)
{
	char sql[128];

	snprintf(sql, sizeof sql,
	    "INSERT OR REPLACE INTO kv VALUES('key%d', %d, NULL)", k, v);
	assert_int_equal(
	    sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL), SQLITE_OK);
}

struct note {
	struct stream_ack ack;
	int order, failed;
};
static int noted;

static void
on_note(void *arg, const struct err *e)
{
	struct note *n = arg;

	n->order = ++noted;
	n->failed = e != NULL;
}

static void
note(struct stream *s, struct note *n)
{
	*n = (struct note){.ack = {.fn = on_note, .arg = n}};
	stream_on_ack(s, &n->ack);
}

/* Joins of one turn are one commit, acknowledged in the order asked, never
 * from within the call. */
static void
a_group_is_acknowledged_in_order(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct stream_status before, after;
	struct note n[3];
	struct err e;
	int i;

	(void)state;
	noted = 0;
	stream_status(s, &before);
	assert_int_equal(before.lsn, 1);
	for (i = 0; i < 3; i++) {
		assert_int_equal(stream_join(s, &e), 0);
		put(s, i, i);
		note(s, &n[i]);
		assert_int_equal(n[i].order, 0);
	}
	world_run(loop, &n[2].order);
	for (i = 0; i < 3; i++) {
		assert_int_equal(n[i].order, i + 1);
		assert_int_equal(n[i].failed, 0);
	}
	stream_status(s, &after);
	assert_int_equal(after.lsn, 2);
	assert_int_equal(after.acked, 2);
	/* A read with nothing written is confirmed too, but not at once. */
	note(s, &n[0]);
	assert_int_equal(n[0].order, 0);
	world_run(loop, &n[0].order);
	stream_close(&s);
}

/* What a caller undoes to its mark is not there; what others did in the same
 * group is. */
static void
marks_undo_one_caller_only(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct err e;

	(void)state;
	assert_int_equal(stream_mark(s, &e), -ERR_INTERNAL);
	stream_join(s, &e);
	put(s, 1, 1);
	stream_join(s, &e);
	assert_int_equal(stream_mark(s, &e), 0);
	put(s, 2, 2);
	assert_int_equal(stream_mark_undo(s, &e), 0);
	stream_join(s, &e);
	assert_int_equal(stream_mark(s, &e), 0);
	put(s, 3, 3);
	assert_int_equal(stream_mark_keep(s, &e), 0);
	world_settle(loop, s);
	assert_int_equal(number(stream_db(s), "SELECT sum(v) FROM kv"), 4);
	stream_close(&s);
}

/* A group that SQLite cannot commit fails its own entries, in their place of
 * the order, and leaves nothing; the stream goes on. */
static void
a_failed_group_fails_its_callers(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct note n[3];
	struct err e;

	(void)state;
	noted = 0;
	stream_join(s, &e);
	put(s, 1, 1);
	note(s, &n[0]);
	assert_int_equal(stream_commit(s, &e), 0);
	stream_join(s, &e);
	put(s, 2, 2);
	note(s, &n[1]);
	sqlite3_exec(stream_db(s), "ROLLBACK", NULL, NULL, NULL);
	assert_int_equal(stream_commit(s, &e), -ERR_IO);
	stream_join(s, &e);
	put(s, 3, 3);
	note(s, &n[2]);
	world_run(loop, &n[2].order);
	assert_true(n[0].order == 1 && !n[0].failed);
	assert_true(n[1].order == 2 && n[1].failed);
	assert_true(n[2].order == 3 && !n[2].failed);
	assert_int_equal(
	    number(stream_db(s), "SELECT group_concat(v,'') FROM kv"), 13);
	stream_close(&s);
}

/* A cancelled entry is never called, wherever it stands; those of a closed
 * stream neither. */
static void
cancelled_entries_are_not_called(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct note n[4];
	struct err e;
	int i;

	(void)state;
	noted = 0;
	stream_join(s, &e);
	put(s, 1, 1);
	note(s, &n[0]);
	note(s, &n[1]);
	stream_commit(s, &e);
	stream_join(s, &e);
	put(s, 2, 1);
	note(s, &n[2]);
	stream_ack_cancel(s, &n[1].ack);
	stream_ack_cancel(s, &n[2].ack);
	stream_ack_cancel(s, &n[2].ack);
	world_settle(loop, s);
	assert_int_equal(noted, 1);
	stream_join(s, &e);
	note(s, &n[3]);
	stream_close(&s);
	assert_false(n[3].ack.queued);
	for (i = 1; i < 4; i++)
		assert_int_equal(n[i].order, 0);
}

/* Closing a stream from one of its own callbacks is allowed. */
static struct stream *closing;
static void
on_note_close(void *arg, const struct err *e)
{
	(void)e;
	stream_close(&closing);
	*(int *)arg = 1;
}

static void
streams_close_from_their_callbacks(void **state)
{
	struct stream_ack a[2];
	struct err e;
	int done[2] = {0, 0};

	(void)state;
	closing = world_stream(repl, loop, "location", 1, SCHEMA, 1024);
	stream_join(closing, &e);
	put(closing, 1, 1);
	a[0] = (struct stream_ack){.fn = on_note_close, .arg = &done[0]};
	a[1] = (struct stream_ack){.fn = on_note_close, .arg = &done[1]};
	stream_on_ack(closing, &a[0]);
	stream_on_ack(closing, &a[1]);
	world_run(loop, &done[0]);
	assert_null(closing);
	assert_int_equal(done[1], 0);
}

struct fate {
	int ready, lost;
	enum err_code code;
	char text[ERR_TEXT_MAX];
};

static void
on_fate_ready(void *arg, struct stream *s, const struct err *e)
{
	struct fate *f = arg;

	(void)s;
	f->ready = e == NULL ? 1 : -1;
	if (e != NULL) {
		f->code = e->code;
		snprintf(f->text, sizeof f->text, "%s", e->text);
	}
}

static void
on_fate_lost(void *arg, struct stream *s, const struct err *e)
{
	struct fate *f = arg;

	(void)s;
	f->lost = 1;
	f->code = e->code;
}

static struct stream *
open_fate(struct repl *r, uint64_t epoch, struct fate *f)
{
	struct stream_config c = {.name = "location",
	    .epoch = epoch,
	    .page_size = 1024,
	    .schema = SCHEMA,
	    .on_ready = on_fate_ready,
	    .on_lost = on_fate_lost,
	    .arg = f};
	struct stream *s;
	struct err e;

	*f = (struct fate){0};
	assert_int_equal(stream_open(r, &c, &s, &e), 0);
	assert_int_equal(f->ready, 0);
	return s;
}

/* A higher epoch takes the stream from its owner, whose entries fail; a lower
 * one is refused, also after the replicator was started again. */
static void
epochs_fence(void **state)
{
	struct repl *other = repl_new(loop, w.root);
	struct fate f[4];
	struct stream *s[4];
	struct note n;
	struct err e;

	(void)state;
	repl_link(other, world_link(&w, "sr/2"));
	s[0] = open_fate(repl, 5, &f[0]);
	world_run(loop, &f[0].ready);
	assert_int_equal(f[0].ready, 1);
	s[1] = open_fate(other, 5, &f[1]); /* is written by another */
	world_run(loop, &f[1].ready);
	assert_int_equal(f[1].ready, -1);
	assert_int_equal(f[1].code, ERR_REFUSED);
	s[2] = open_fate(other, 6, &f[2]);
	world_run(loop, &f[2].ready);
	assert_int_equal(f[2].ready, 1);
	world_run(loop, &f[0].lost);
	assert_int_equal(f[0].code, ERR_REFUSED);
	assert_int_equal(stream_join(s[0], &e), -ERR_REFUSED);
	note(s[0], &n);
	world_run(loop, &n.order);
	assert_int_equal(n.failed, 0); /* all that it read was on disk */
	stream_close(&s[0]);
	stream_close(&s[1]);
	stream_close(&s[2]);
	world_stop(&w, SIGKILL);
	world_start(&w);
	repl_link(repl, world_link(&w, "sr/1"));
	s[3] = open_fate(repl, 5, &f[3]);
	world_run(loop, &f[3].ready);
	assert_int_equal(f[3].ready, -1);
	assert_int_equal(f[3].code, ERR_REFUSED);
	assert_non_null(strstr(f[3].text, "epoch 5"));
	stream_close(&s[3]);
	repl_free(&other);
}

/* Bad names, page sizes and epochs are refused at once. */
static void
nonsense_is_refused(void **state)
{
	struct stream_config c = {
	    .name = "../x", .epoch = 1, .page_size = 1024};
	struct stream *s;
	struct reader *rd;
	struct err e;

	(void)state;
	assert_int_equal(stream_open(repl, &c, &s, &e), -ERR_INVALID);
	c.name = "x";
	c.epoch = 0;
	assert_int_equal(stream_open(repl, &c, &s, &e), -ERR_INVALID);
	c.epoch = 1;
	c.page_size = 1000;
	assert_int_equal(stream_open(repl, &c, &s, &e), -ERR_INVALID);
	assert_int_equal(
	    reader_open(repl, "a//b", NULL, NULL, &rd, &e), -ERR_INVALID);
}

/* A schema that does not parse is the owner's error, in SQLite's words. */
static void
a_bad_schema_is_reported(void **state)
{
	struct stream_config c = {.name = "location",
	    .epoch = 1,
	    .page_size = 1024,
	    .schema = "CREATE TABEL x(y)",
	    .on_ready = on_fate_ready};
	struct fate f = {0};
	struct stream *s;
	struct err e;

	(void)state;
	c.arg = &f;
	assert_int_equal(stream_open(repl, &c, &s, &e), 0);
	world_run(loop, &f.ready);
	assert_int_equal(f.ready, -1);
	assert_non_null(strstr(f.text, "TABEL"));
	stream_close(&s);
}

static bool
exists(const char *name)
{
	char path[200];

	snprintf(path, sizeof path, "%s/%s", w.root, name);
	return access(path, F_OK) == 0;
}

/* The last close puts everything into the file and removes -wal and -shm; the
 * stream opens again where it was. */
static void
an_idle_stream_closes_to_one_file(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "domain/1a", 1, SCHEMA, 4096);
	struct stream_status st;
	struct err e;
	int i;

	(void)state;
	assert_true(exists("domain/1a.db-wal"));
	for (i = 0; i < 100; i++) {
		stream_join(s, &e);
		put(s, i, i);
	}
	world_settle(loop, s);
	stream_status(s, &st);
	stream_close(&s);
	assert_true(exists("domain/1a.db"));
	assert_false(exists("domain/1a.db-wal"));
	assert_false(exists("domain/1a.db-shm"));
	s = world_stream(repl, loop, "domain/1a", 2, "syntax error", 4096);
	assert_int_equal(number(stream_db(s), "SELECT count(*) FROM kv"), 100);
	i = (int)st.lsn;
	stream_status(s, &st);
	assert_int_equal(st.lsn, i);
	stream_close(&s);
}

/* Tables of the database file alone, without what its -wal has. */
static int
tables_in_file(const char *name)
{
	char uri[220];
	sqlite3 *db;
	int n;

	snprintf(uri, sizeof uri, "file:%s/%s?immutable=1", w.root, name);
	assert_int_equal(sqlite3_open_v2(uri, &db,
			     SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL),
	    SQLITE_OK);
	n = number(db, "SELECT count(*) FROM sqlite_schema");
	sqlite3_close(db);
	return n;
}

/* What opening wrote goes into the file by itself, or the ship log would be
 * kept for a stream that nobody ever commits to. */
static void
a_stream_that_is_only_opened_is_checkpointed(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "domain/1b", 1, SCHEMA, 4096);
	int i;

	(void)state;
	world_settle(loop, s);
	for (i = 0; i < 200 && tables_in_file("domain/1b.db") == 0; i++)
		world_pass(loop, 50 * CLOCK_MS);
	assert_true(tables_in_file("domain/1b.db") > 0);
	stream_close(&s);
}

/* Closed with commits that are not acknowledged, the stream keeps them in
 * -wal: its file has only what is on disk in the ship log. */
static void
an_unacknowledged_tail_stays_in_the_wal(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct err e;

	(void)state;
	world_stop(&w, SIGKILL);
	stream_join(s, &e);
	put(s, 7, 7);
	stream_close(&s);
	assert_true(exists("location.db-wal"));
	world_start(&w);
	repl_link(repl, world_link(&w, "sr/1"));
	s = world_stream(repl, loop, "location", 2, NULL, 1024);
	assert_int_equal(number(stream_db(s), "SELECT v FROM kv"), 7);
	stream_close(&s);
	assert_false(exists("location.db-wal"));
}

/* One transaction far larger than a record is shipped in parts and comes out
 * whole; a small commit of another stream does not wait for its end. */
static void
a_large_commit_does_not_hold_up_others(void **state)
{
	struct stream *big = world_stream(repl, loop, "a", 1, SCHEMA, 1024);
	struct stream *small = world_stream(repl, loop, "b", 1, SCHEMA, 1024);
	struct note nb, ns;
	struct stream_status st;
	struct err e;

	(void)state;
	noted = 0;
	stream_join(big, &e);
	assert_int_equal(
	    sqlite3_exec(stream_db(big),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
		"n WHERE i < 60000) INSERT INTO kv SELECT 'k' || i, i, "
		"zeroblob(400) FROM n",
		NULL, NULL, NULL),
	    SQLITE_OK);
	note(big, &nb);
	assert_int_equal(stream_commit(big, &e), 0);
	stream_join(small, &e);
	put(small, 1, 1);
	note(small, &ns);
	assert_int_equal(stream_commit(small, &e), 0);
	world_run(loop, &nb.order);
	assert_int_equal(ns.order, 1);
	assert_int_equal(nb.order, 2);
	stream_status(big, &st);
	assert_true(st.lsn > 20); /* parts */
	stream_close(&big);
	stream_close(&small);
	big = world_stream(repl, loop, "a", 2, NULL, 1024);
	assert_int_equal(
	    number(stream_db(big), "SELECT count(*) FROM kv"), 60000);
	stream_close(&big);
}

/* Commits always under way, so that there is never a moment without one: each
 * acknowledgement makes the next. */
struct stress {
	struct stream *s;
	struct stress_batch {
		struct stress *all;
		struct stream_ack ack;
	} batch[4];
	int left, open, done, k;
	uint64_t most;
};

static void
stress_go(struct stress_batch *b)
{
	struct stress *t = b->all;
	struct stream_status st;
	struct err e;
	int j;

	for (j = 0; j < 32; j++, t->k = (t->k + 7919) % 20000) {
		assert_int_equal(stream_join(t->s, &e), 0);
		put(t->s, t->k, t->left);
	}
	stream_on_ack(t->s, &b->ack);
	assert_int_equal(stream_commit(t->s, &e), 0);
	stream_status(t->s, &st);
	if (st.wal_frames > t->most)
		t->most = st.wal_frames;
}

static void
stress_on_ack(void *arg, const struct err *e)
{
	struct stress_batch *b = arg;

	assert_null(e);
	if (b->all->left-- > 0)
		stress_go(b);
	else if (--b->all->open == 0)
		b->all->done = 1;
}

static void
stress(struct stress *t, struct stream *s, int commits)
{
	int i;

	*t = (struct stress){.s = s, .left = commits, .open = 4};
	for (i = 0; i < 4; i++) {
		t->batch[i].all = t;
		t->batch[i].ack = (struct stream_ack){
		    .fn = stress_on_ack, .arg = &t->batch[i]};
		stress_go(&t->batch[i]);
	}
	world_run(loop, &t->done);
}

/* Under a load of many times its bound, which never pauses, the -wal stays
 * bounded. */
static void
checkpoints_bound_the_wal(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct stress t;

	(void)state;
	stress(&t, s, 2500);
	print_message("          most frames of -wal: %llu\n",
	    (unsigned long long)t.most);
	assert_true(t.most * 1048 < 17u << 20);
	stream_close(&s);
}

/* A reader that stays in an old snapshot lets the -wal grow, but holds up no
 * acknowledgement; when it is gone the -wal is begun anew. */
static void
an_old_snapshot_holds_up_nobody(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct stress t;
	char path[200];
	sqlite3 *db;

	(void)state;
	snprintf(path, sizeof path, "%s/location.db", w.root);
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), 0);
	assert_int_equal(
	    sqlite3_exec(db, "BEGIN; SELECT * FROM kv", NULL, NULL, NULL), 0);
	stress(&t, s, 600);
	assert_true(t.most * 1048 > 17u << 20);
	assert_int_equal(number(db, "SELECT count(*) FROM kv"), 0);
	sqlite3_close(db);
	stress(&t, s, 300);
	stress(&t, s, 300);
	assert_true(t.most * 1048 < 17u << 20);
	stream_close(&s);
}

/* The file and its size as another process sees them: opening it here would
 * drop this process's locks. */
static void
copy_db(const char *to)
{
	char cmd[300];

	snprintf(cmd, sizeof cmd, "cp %s/location.db %s/%s", w.root, w.dir, to);
	assert_int_equal(system(cmd), 0);
}

static bool
same_db(const char *a, const char *b)
{
	char cmd[300];

	snprintf(cmd, sizeof cmd, "cmp -s %s/%s %s/%s", w.dir, a, w.dir, b);
	return system(cmd) == 0;
}

/* While nothing is acknowledged, not a byte of the database file changes,
 * however long the -wal gets: a redo could not take it back. */
static void
nothing_unacknowledged_reaches_the_file(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct stress t;
	struct note n;
	struct err e;
	int i, j, turns = 0;

	(void)state;
	stress(&t, s, 50);
	world_settle(loop, s);
	kill(w.replicator, SIGSTOP);
	copy_db("before");
	for (i = 0; i < 400; i++) {
		for (j = 0; j < 32; j++, t.k = (t.k + 7919) % 20000) {
			assert_int_equal(stream_join(s, &e), 0);
			put(s, t.k, i);
		}
		stream_commit(s, &e);
	}
	note(s, &n);
	world_pass(loop, 600000); /* two ticks */
	turns++;
	copy_db("after");
	assert_true(same_db("before", "after"));
	assert_int_equal(n.order, 0);
	kill(w.replicator, SIGCONT);
	noted = 0;
	world_run(loop, &n.order);
	assert_int_equal(turns, 1);
	stream_close(&s);
	copy_db("closed");
	assert_false(same_db("before", "closed"));
}

/* A transaction larger than SQLite's cache, which rewrites its frames in the
 * -wal before it commits, is shipped as it was committed. */
static void
spilled_transactions_are_shipped_whole(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct replay r;
	struct err e;
	char path[200];
	uint8_t *p;
	size_t n;
	int i, j;

	(void)state;
	sqlite3_exec(stream_db(s), "PRAGMA cache_size=8", NULL, NULL, NULL);
	for (i = 0; i < 20; i++) {
		stream_join(s, &e);
		for (j = 0; j < 500; j++)
			put(s, (int)((j * 7919u) % 211), i * j);
		if (i % 3 == 2)
			assert_int_equal(stream_mark(s, &e), 0);
		put(s, 5, i);
		if (i % 3 == 2)
			assert_int_equal(stream_mark_undo(s, &e), 0);
		stream_commit(s, &e);
	}
	world_settle(loop, s);
	stream_close(&s);
	replay_stream(w.log, "location", UINT64_MAX, &r);
	snprintf(path, sizeof path, "%s/location.db", w.root);
	p = scratch_read(path, &n);
	assert_int_equal(n, (size_t)r.db_pages * r.page_size);
	assert_memory_equal(p, r.pages, n);
	free(p);
	free(r.pages);
}

/* Without a replicator an owner goes on until too much waits, then refuses;
 * when the replicator is back everything is acknowledged. */
static void
an_owner_outlives_its_replicator(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct note n;
	struct err e;
	int i = 0, r;

	(void)state;
	noted = 0;
	world_stop(&w, SIGKILL);
	while ((r = stream_join(s, &e)) == 0) {
		assert_int_equal(
		    sqlite3_exec(stream_db(s),
			"INSERT INTO kv(v, pad) VALUES(1, zeroblob(60000))",
			NULL, NULL, NULL),
		    SQLITE_OK);
		note(s, &n);
		if (i++ == 0)
			stream_commit(s, &e);
		if (i > 100000)
			break;
		if (i % 8 == 0) {
			stream_ack_cancel(s, &n.ack);
			stream_commit(s, &e);
		} else {
			stream_ack_cancel(s, &n.ack);
		}
	}
	assert_int_equal(r, -ERR_BUSY);
	assert_true(i > 400 && i < 2000);
	note(s, &n);
	world_start(&w);
	repl_link(repl, world_link(&w, "sr/1"));
	world_run(loop, &n.order);
	assert_int_equal(n.failed, 0);
	assert_int_equal(stream_join(s, &e), 0);
	assert_int_equal(number(stream_db(s), "SELECT count(*) FROM kv"), i);
	stream_close(&s);
}

/* A database whose file vanished is not made anew. */
static void
a_vanished_database_is_refused(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct fate f;
	char path[200];

	(void)state;
	stream_close(&s);
	snprintf(path, sizeof path, "%s/location.db", w.root);
	assert_int_equal(unlink(path), 0);
	s = open_fate(repl, 2, &f);
	world_run(loop, &f.ready);
	assert_int_equal(f.ready, -1);
	assert_int_equal(f.code, ERR_CORRUPT);
	assert_false(exists("location.db"));
	stream_close(&s);
}

/* A database from elsewhere, which no ship log knows, is taken as it is. */
static void
a_found_database_is_taken(void **state)
{
	struct stream *s = world_stream(
	    repl, loop, "location", 1, SCHEMA, 1024);
	struct stream_status st;
	struct err e;
	int i;

	(void)state;
	for (i = 0; i < 10; i++) {
		stream_join(s, &e);
		put(s, i, i);
		world_settle(loop, s);
	}
	stream_close(&s);
	world_stop(&w, SIGKILL);
	scratch_remove(w.log);
	world_start(&w);
	repl_link(repl, world_link(&w, "sr/1"));
	s = world_stream(repl, loop, "location", 1, "nonsense", 1024);
	assert_int_equal(number(stream_db(s), "SELECT sum(v) FROM kv"), 45);
	stream_status(s, &st);
	assert_int_equal(st.acked, 1);
	stream_close(&s);
}

/* Files are the group's, whatever the umask. */
static void
files_belong_to_the_group(void **state)
{
	mode_t before = umask(077);
	struct stream *s = world_stream(
	    repl, loop, "domain/1a", 1, SCHEMA, 4096);
	static const char *const names[] = {
	    "domain/1a.db", "domain/1a.db-wal", "domain/1a.db-shm"};
	char path[200];
	struct stat st;
	size_t i;

	(void)state;
	umask(before);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", w.root, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0660);
	}
	snprintf(path, sizeof path, "%s/domain", w.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02770);
	stream_close(&s);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_group_is_acknowledged_in_order),
	    T(marks_undo_one_caller_only),
	    T(a_failed_group_fails_its_callers),
	    T(cancelled_entries_are_not_called),
	    T(streams_close_from_their_callbacks),
	    T(epochs_fence),
	    T(nonsense_is_refused),
	    T(a_bad_schema_is_reported),
	    T(an_idle_stream_closes_to_one_file),
	    T(a_stream_that_is_only_opened_is_checkpointed),
	    T(an_unacknowledged_tail_stays_in_the_wal),
	    T(a_large_commit_does_not_hold_up_others),
	    T(checkpoints_bound_the_wal),
	    T(an_old_snapshot_holds_up_nobody),
	    T(nothing_unacknowledged_reaches_the_file),
	    T(spilled_transactions_are_shipped_whole),
	    T(an_owner_outlives_its_replicator),
	    T(a_vanished_database_is_refused),
	    T(a_found_database_is_taken),
	    T(files_belong_to_the_group),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
