/* The replicator: what it takes from whom, and what it does when the disk
 * fails. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/ship_link.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"

#define SCHEMA "CREATE TABLE kv(k INTEGER PRIMARY KEY, v BLOB)"

static struct world w;
static struct loop *loop;
static struct repl *repl;

static int
setup(void **state)
{
	(void)state;
	world_make(&w);
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
put(struct stream *s, int n)
{
	char sql[100];
	struct err e;

	assert_int_equal(stream_join(s, &e), 0);
	snprintf(sql, sizeof sql,
	    "INSERT OR REPLACE INTO kv VALUES(%d, randomblob(900))", n);
	assert_int_equal(
	    sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL), SQLITE_OK);
}

/* ---- raw links ---------------------------------------------------------- */

static void
say(int s, const struct ship_msg *m)
{
	struct buf b = BUF_INIT;

	ship_msg_encode(&b, m);
	assert_int_equal(send(s, b.data, b.len, 0), b.len);
	buf_fini(&b);
}

static void
say_open(int s, uint32_t handle, enum ship_msg_type type, const char *name,
    uint64_t epoch)
{
	struct ship_msg m = {.type = type, .handle = handle};

	m.u.open.epoch = epoch;
	snprintf(m.u.open.name, sizeof m.u.open.name, "%s", name);
	say(s, &m);
}

/* The next message; false when the link was closed. buf keeps what follows. */
struct ear {
	int s;
	uint8_t buf[8192];
	size_t n;
};

static bool
hear(struct ear *ear, struct ship_msg *m)
{
	struct err e;
	ssize_t got;
	long n;

	while ((n = ship_msg_decode(m, ear->buf, ear->n, &e)) == 0) {
		got = recv(
		    ear->s, ear->buf + ear->n, sizeof ear->buf - ear->n, 0);
		if (got <= 0)
			return false;
		ear->n += (size_t)got;
	}
	assert_true(n > 0);
	ear->n -= (size_t)n;
	memmove(ear->buf, ear->buf + n, ear->n);
	return true;
}

/* A peer that breaks the protocol, in whatever way, loses its link; the
 * others notice nothing. */
static void
nonsense_ends_the_link_only(void **state)
{
	static const uint8_t zeros[64];
	struct stream *s = world_stream(repl, loop, "a", 1, SCHEMA, 1024);
	uint8_t page[128] = {0};
	struct ear ear;
	struct ship_msg m;
	int i;

	(void)state;
	for (i = 0; i < 6; i++) {
		ear = (struct ear){.s = world_link(&w, "bad/1")};
		if (i == 0)
			send(ear.s, zeros, sizeof zeros, 0);
		if (i == 1) { /* a length beyond all bounds */
			ship_msg_head(
			    page, SHIP_MSG_SHIP, 0, SHIP_RECORD_MAX + 8);
			send(ear.s, page, SHIP_MSG_HEAD, 0);
		}
		if (i == 2) { /* what only a replicator says */
			m = (struct ship_msg){.type = SHIP_MSG_ACK};
			say(ear.s, &m);
		}
		if (i == 3) { /* a handle twice */
			say_open(ear.s, 3, SHIP_MSG_READ, "a", 0);
			assert_true(hear(&ear, &m));
			say_open(ear.s, 3, SHIP_MSG_READ, "a", 0);
		}
		if (i == 4) { /* a record that is none */
			say_open(ear.s, 1, SHIP_MSG_OPEN, "b", 1);
			assert_true(hear(&ear, &m));
			assert_int_equal(m.type, SHIP_MSG_WELCOME);
			ship_msg_head(page, SHIP_MSG_SHIP, 1, 96);
			send(ear.s, page, SHIP_MSG_HEAD + 96, 0);
		}
		if (i == 5) { /* half a message, and gone */
			ship_msg_head(page, SHIP_MSG_SHIP, 1, 96);
			send(ear.s, page, 50, 0);
			shutdown(ear.s, SHUT_WR);
		}
		assert_false(hear(&ear, &m));
		close(ear.s);
	}
	put(s, 1);
	world_settle(loop, s);
	stream_close(&s);
}

/* A record out of order is refused with words, and only its stream is lost
 * for that writer. */
static void
records_out_of_order_are_refused(void **state)
{
	struct ship_record r = {.kind = SHIP_PAGES,
	    .name = "b",
	    .epoch = 1,
	    .lsn = 5,
	    .page_size = 512,
	    .db_pages = 1,
	    .wal = {1, 1, 1}};
	uint8_t frame[SHIP_FRAME + 512] = {0, 0, 0, 1}, out[1024];
	struct ear ear = {.s = world_link(&w, "bad/1")};
	struct ship_msg m;
	long n;

	(void)state;
	say_open(ear.s, 1, SHIP_MSG_OPEN, "b", 1);
	assert_true(hear(&ear, &m));
	n = ship_record_encode(
	    &r, frame, 1, out + SHIP_MSG_HEAD, sizeof out - SHIP_MSG_HEAD);
	ship_msg_head(out, SHIP_MSG_SHIP, 1, (size_t)n);
	send(ear.s, out, SHIP_MSG_HEAD + (size_t)n, 0);
	assert_true(hear(&ear, &m));
	assert_int_equal(m.type, SHIP_MSG_REFUSED);
	assert_non_null(strstr(m.u.refused.words, "LSN 5 does not follow"));
	/* The same record under LSN 1 is too late: the stream is lost. */
	r.lsn = 1;
	n = ship_record_encode(
	    &r, frame, 1, out + SHIP_MSG_HEAD, sizeof out - SHIP_MSG_HEAD);
	ship_msg_head(out, SHIP_MSG_SHIP, 1, (size_t)n);
	send(ear.s, out, SHIP_MSG_HEAD + (size_t)n, 0);
	m = (struct ship_msg){.type = SHIP_MSG_CLOSE, .handle = 1};
	say(ear.s, &m);
	say_open(ear.s, 1 << 16 | 1, SHIP_MSG_OPEN, "b", 1);
	assert_true(hear(&ear, &m));
	assert_int_equal(m.type, SHIP_MSG_WELCOME);
	assert_int_equal(m.u.welcome.lsn, 0);
	send(ear.s, out, SHIP_MSG_HEAD + (size_t)n, 0); /* of the old handle */
	assert_false(hear(&ear, &m));
	close(ear.s);
}

/* Of a stream that changes all the time a reader is not told everything, but
 * always the last. */
static void
readers_are_not_flooded(void **state)
{
	struct stream *s = world_stream(repl, loop, "a", 1, SCHEMA, 1024);
	struct ear ear = {.s = world_link(&w, "r/1")};
	struct stream_status st;
	struct ship_msg m;
	int i, heard = 0;

	(void)state;
	say_open(ear.s, 1, SHIP_MSG_READ, "a", 0);
	assert_true(hear(&ear, &m));
	assert_int_equal(m.u.state.lsn, 1);
	for (i = 0; i < 100; i++) {
		put(s, i);
		world_settle(loop, s);
	}
	stream_status(s, &st);
	do {
		assert_true(hear(&ear, &m));
		assert_int_equal(m.type, SHIP_MSG_STATE);
		heard++;
	} while (m.u.state.lsn < st.lsn);
	assert_true(heard <= 100);
	close(ear.s);
	stream_close(&s);
}

/* ---- the disk ----------------------------------------------------------- */

struct fate {
	int lost;
	struct err e;
};

static void
on_lost(void *arg, struct stream *s, const struct err *e)
{
	struct fate *f = arg;

	(void)s;
	f->lost = 1;
	f->e = *e;
}

static void
on_ready(void *arg, struct stream *s, const struct err *e)
{
	(void)s;
	*(int *)arg = e == NULL ? 1 : -1;
}

static void
on_ack(void *arg, const struct err *e)
{
	*(int *)arg = e == NULL ? 1 : -1;
}

/* A log that cannot be written is final: owners lose their streams and are
 * told why, nothing is acknowledged, new owners are refused; a replicator
 * started anew has all that was acknowledged. */
static void
a_failed_log_loses_the_streams(void **state)
{
	struct rlimit none = {1, 1};
	struct fate f = {0};
	struct stream_config c = {.name = "a",
	    .epoch = 1,
	    .page_size = 1024,
	    .schema = SCHEMA,
	    .on_lost = on_lost,
	    .arg = &f};
	struct stream_ack a = {.fn = on_ack};
	struct stream *s, *two;
	struct err e;
	int ready = 0, acked = 0;

	(void)state;
	assert_int_equal(stream_open(repl, &c, &s, &e), 0);
	world_settle(loop, s);
	while (stream_join(s, &e) == -ERR_NOOWNER)
		world_settle(loop, s);
	put(s, 1);
	world_settle(loop, s);
	assert_int_equal(prlimit(w.replicator, RLIMIT_FSIZE, &none, NULL), 0);
	put(s, 2);
	a.arg = &acked;
	stream_on_ack(s, &a);
	world_run(loop, &acked);
	assert_int_equal(acked, -1);
	world_run(loop, &f.lost);
	assert_int_equal(f.e.code, ERR_IO);
	assert_non_null(strstr(f.e.text, "ship log"));
	c = (struct stream_config){.name = "b",
	    .epoch = 1,
	    .page_size = 1024,
	    .on_ready = on_ready,
	    .arg = &ready};
	assert_int_equal(stream_open(repl, &c, &two, &e), 0);
	world_run(loop, &ready);
	assert_int_equal(ready, -1);
	stream_close(&two);
	stream_close(&s);
	world_stop(&w, SIGKILL);
	world_start(&w);
	repl_link(repl, world_link(&w, "sr/1"));
	s = world_stream(repl, loop, "a", 2, SCHEMA, 1024);
	world_settle(loop, s);
	stream_close(&s);
}

/* Bytes of the log's directory in the replicator's own mounts. */
static void
ballast_path(char path[200])
{
	snprintf(
	    path, 200, "/proc/%d/root%s/ballast", (int)w.replicator, w.log);
}

/* A full disk stops acknowledgements and nothing else; when there is room
 * again everything is acknowledged. */
static void
a_full_disk_is_waited_out(void **state)
{
	struct stream_ack a = {.fn = on_ack};
	struct stream *s;
	struct err e;
	char path[200];
	int acked = 0, i;

	(void)state;
	world_stop(&w, SIGKILL);
	w.small = 80 << 20;
	world_start(&w);
	repl_link(repl, world_link(&w, "sr/1"));
	ballast_path(path);
	s = world_stream(repl, loop, "a", 1, SCHEMA, 1024);
	if (access(path, F_OK) != 0) {
		stream_close(&s);
		skip(); /* no rights to mount a small disk */
	}
	while ((i = stream_join(s, &e)) == 0)
		assert_int_equal(
		    sqlite3_exec(stream_db(s),
			"INSERT INTO kv(v) VALUES(randomblob(900))", NULL, NULL,
			NULL),
		    SQLITE_OK);
	assert_int_equal(i, -ERR_BUSY);
	a.arg = &acked;
	stream_on_ack(s, &a);
	world_pass(loop, 700000); /* it has tried again at least once */
	assert_int_equal(acked, 0);
	assert_int_equal(unlink(path), 0);
	world_run(loop, &acked);
	assert_int_equal(acked, 1);
	stream_close(&s);
}

/* Segments that no database needs are given back: the log stays small while
 * much more goes through it. */
static void
the_log_stays_small(void **state)
{
	struct stream *s = world_stream(repl, loop, "a", 1, SCHEMA, 1024);
	char cmd[300];
	int i, j;

	(void)state;
	for (i = 0; i < 60; i++) {
		for (j = 0; j < 1000; j++)
			put(s, j);
		world_settle(loop, s);
	}
	stream_close(&s);
	/* 60 MB went through; segments of 4 MB are trimmed every second. */
	snprintf(cmd, sizeof cmd,
	    "for i in $(seq 100); do test $(du -sm %s | cut -f1) -lt 30 && "
	    "exit 0; sleep 0.1; done; exit 1",
	    w.log);
	assert_int_equal(system(cmd), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(nonsense_ends_the_link_only),
	    T(records_out_of_order_are_refused),
	    T(readers_are_not_flooded),
	    T(a_failed_log_loses_the_streams),
	    T(a_full_disk_is_waited_out),
	    T(the_log_stays_small),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("replicator", tests, NULL, NULL);
}
