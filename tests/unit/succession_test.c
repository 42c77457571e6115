/* What was acknowledged outlives the death of the owner and of the replicator,
 * at any moment, under load. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/replication.h"
#include "tests/lib/replay.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"
#include "tests/unit/kv_fixture.h"

#define SCHEMA "CREATE TABLE row(n INTEGER PRIMARY KEY, pad TEXT)"
#define DEPTH 5 /* commits under way */
/* A start costs twenty times as much under the sanitizers. */
#ifdef __SANITIZE_ADDRESS__
#define KILLS 8
#else
#define KILLS 40
#endif

static struct world w;
static struct loop *loop;
static struct repl *repl;
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
	world_start(&w);
	loop = loop_new();
	repl = repl_new(loop, w.root);
	repl_link(repl, world_link(&w, "test"));
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

/* ---- the writer, a process of its own ----------------------------------- */

struct writer {
	struct loop *loop;
	struct repl *repl;
	struct stream *stream;
	sqlite3_stmt *put;
	int tell; /* its parent: acknowledged rows go out, links come in */
	int64_t n;
	bool stop;
	unsigned open;
	struct {
		struct stream_ack ack;
		int64_t n;
	} batch[DEPTH];
};

/* Commit some rows under the next numbers and ask for the acknowledgement. */
static void
writer_go(struct writer *wr, unsigned i)
{
	unsigned rows = 1 + dice(20);
	struct err e;

	while (rows-- > 0) {
		if (stream_join(wr->stream, &e) != 0)
			_exit(e.code == ERR_REFUSED ? 7 : 1);
		sqlite3_bind_int64(wr->put, 1, ++wr->n);
		if (sqlite3_step(wr->put) != SQLITE_DONE)
			_exit(2);
		sqlite3_reset(wr->put);
	}
	wr->batch[i].n = wr->n;
	stream_on_ack(wr->stream, &wr->batch[i].ack);
	if (stream_commit(wr->stream, &e) != 0)
		_exit(3);
}

/* The batch an acknowledgement belongs to. */
struct batch_arg {
	struct writer *w;
	unsigned i;
};

static void
batch_on_ack(void *arg, const struct err *e)
{
	struct batch_arg *b = arg;
	struct writer *wr = b->w;

	if (e != NULL)
		_exit(4);
	if (write(wr->tell, &wr->batch[b->i].n, sizeof(int64_t)) !=
	    sizeof(int64_t))
		_exit(5);
	if (!wr->stop)
		writer_go(wr, b->i);
	else if (--wr->open == 0)
		loop_stop(wr->loop);
}

/* A new link, or the word to stop. */
static void
writer_on_parent(void *arg, int s, int events)
{
	struct writer *wr = arg;
	int fd = -1, n = 1;
	char byte;

	(void)events;
	if (sock_recv_fds(s, &byte, 1, &fd, &n) <= 0)
		_exit(0);
	if (n == 1)
		repl_link(wr->repl, fd);
	else
		wr->stop = true;
}

static void
writer_main(int control, int tell, uint64_t epoch)
{
	struct writer wr = {.tell = tell};
	struct batch_arg args[DEPTH];
	unsigned i;

	wr.loop = loop_new();
	wr.repl = repl_new(wr.loop, w.root);
	repl_link(wr.repl, world_link_by(control, "sr/1"));
	wr.stream = world_stream(
	    wr.repl, wr.loop, "location", epoch, SCHEMA, 1024);
	wr.n = number(stream_db(wr.stream), "SELECT max(n) FROM row");
	sqlite3_prepare_v2(stream_db(wr.stream),
	    "INSERT INTO row VALUES(?1, hex(randomblob(60)))", -1, &wr.put,
	    NULL);
	loop_fd_open(wr.loop, tell, LOOP_READ, writer_on_parent, &wr);
	wr.open = DEPTH;
	for (i = 0; i < DEPTH; i++) {
		args[i] = (struct batch_arg){&wr, i};
		wr.batch[i].ack.fn = batch_on_ack;
		wr.batch[i].ack.arg = &args[i];
		writer_go(&wr, i);
	}
	loop_run(wr.loop);
	sqlite3_finalize(wr.put);
	stream_close(&wr.stream);
	repl_free(&wr.repl);
	_exit(0);
}

struct child {
	pid_t pid;
	int tell;
	int64_t acked; /* highest number acknowledged to us */
};

static void
child_start(struct child *c, uint64_t epoch)
{
	char number_of[24], die[16];
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	snprintf(
	    number_of, sizeof number_of, "%llu", (unsigned long long)epoch);
	snprintf(die, sizeof die, "%u", dice(30000));
	/* SQLite must not be taken over a fork: the child starts afresh. */
	if ((c->pid = world_fork(w.control, s[1])) == 0) {
		dup2(w.control, 100);
		dup2(s[1], 101);
		execl("/proc/self/exe", "writer", w.root, number_of, die,
		    (char *)NULL);
		_exit(9);
	}
	close(s[1]);
	c->tell = s[0];
}

/* Take in n acknowledgements; fewer when the child is dead. */
static void
child_read(struct child *c, unsigned n)
{
	struct pollfd p = {.fd = c->tell, .events = POLLIN};
	int64_t acked;

	while (n-- > 0) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		if (recv(c->tell, &acked, sizeof acked, MSG_WAITALL) !=
		    sizeof acked)
			return;
		assert_true(acked > c->acked);
		c->acked = acked;
	}
}

static void
child_kill(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	child_read(c, ~0u);
	close(c->tell);
}

/* ---- laws --------------------------------------------------------------- */

struct fate {
	int ready;
	enum err_code code;
};

static void
on_fate(void *arg, struct stream *s, const struct err *e)
{
	struct fate *f = arg;

	(void)s;
	f->ready = 1;
	f->code = e != NULL ? e->code : ERR_NONE;
}

/* The epoch that is over is not given again. */
static void
check_refused(uint64_t epoch)
{
	struct fate f = {0};
	struct stream_config c = {.name = "location",
	    .epoch = epoch,
	    .page_size = 1024,
	    .on_ready = on_fate,
	    .arg = &f};
	struct stream *s;
	struct err e;

	assert_int_equal(stream_open(repl, &c, &s, &e), 0);
	world_run(loop, &f.ready);
	assert_int_equal(f.code, ERR_REFUSED);
	stream_close(&s);
}

/* All numbers from 1 on are there, at least up to the highest acknowledged. */
static void
check_rows(struct stream *s, int64_t acked)
{
	int64_t count = number(stream_db(s), "SELECT count(*) FROM row");

	assert_int_equal(number(stream_db(s), "SELECT max(n) FROM row"), count);
	assert_true(count >= acked);
}

/* The ship log alone gives the database, page by page: no owner and no
 * successor left anything out. */
static void
check_log(void)
{
	struct replay r;
	char path[200];
	uint8_t *p;
	size_t n;

	replay_stream(w.log, "location", UINT64_MAX, &r);
	snprintf(path, sizeof path, "%s/location.db", w.root);
	p = scratch_read(path, &n);
	assert_int_equal(n, (size_t)r.db_pages * r.page_size);
	assert_memory_equal(p, r.pages, n);
	free(p);
	free(r.pages);
}

static void
on_event(void *arg, struct reader *rd, enum reader_event event)
{
	(void)rd;
	*(int *)arg += event == READER_OPEN;
}

/* An owner killed at any moment: its successor, under the next epoch, has
 * every row that was acknowledged, with a reader looking on or not. */
static void
acknowledged_rows_outlive_the_owner(void **state)
{
	struct child c = {.acked = 0};
	struct reader *rd = NULL;
	struct stream *s;
	struct err e;
	uint64_t epoch = 1;
	int i, open = 0;

	(void)state;
	for (i = 0; i < KILLS; i++) {
		child_start(&c, epoch);
		child_read(&c, 1 + dice(200));
		if (i % 4 == 1)
			assert_int_equal(reader_open(repl, "location", on_event,
					     &open, &rd, &e),
			    0);
		if (i % 4 == 1)
			world_run(loop, &open);
		child_kill(&c);
		epoch++;
		s = world_stream(repl, loop, "location", epoch, SCHEMA, 1024);
		check_rows(s, c.acked);
		stream_close(&s);
		check_refused(epoch - 1);
		epoch++;
		if (i % 4 == 3) {
			reader_close(&rd);
			open = 0;
		}
	}
	reader_close(&rd);
	check_log();
	print_message("          %d kills, %lld rows acknowledged\n", KILLS,
	    (long long)c.acked);
}

/* The supervisor starts the replicator again and hands its socket on. */
static void
replicator_again(struct child *c)
{
	int fd;

	world_stop(&w, SIGKILL);
	world_start(&w);
	fd = world_link(&w, "sr/1");
	assert_int_equal(sock_send_fds(c->tell, "l", 1, &fd, 1), 1);
	close(fd);
}

/* A replicator killed at any moment: the owner goes on, nothing acknowledged
 * is lost, neither then nor when everything is killed. */
static void
acknowledged_rows_outlive_the_replicator(void **state)
{
	struct child c = {.acked = 0};
	struct stream *s;
	int64_t before = 0;
	int i, status;

	(void)state;
	child_start(&c, 1);
	for (i = 0; i < KILLS; i++) {
		child_read(&c, 1 + dice(100));
		assert_true(c.acked > before);
		before = c.acked;
		replicator_again(&c);
	}
	child_read(&c, 100);
	if (dice(2) == 0) {
		child_kill(&c);
	} else {
		assert_int_equal(write(c.tell, "s", 1), 1);
		child_read(&c, ~0u);
		waitpid(c.pid, &status, 0);
		assert_int_equal(status, 0);
		close(c.tell);
	}
	world_stop(&w, SIGKILL);
	world_start(&w);
	repl_link(repl, world_link(&w, "test"));
	s = world_stream(repl, loop, "location", 2, SCHEMA, 1024);
	check_rows(s, c.acked);
	stream_close(&s);
	check_log();
	print_message("          %d kills, %lld rows acknowledged\n", KILLS,
	    (long long)c.acked);
}

/* Both killed at once, as by one SIGKILL to the whole server. */
static void
acknowledged_rows_outlive_both(void **state)
{
	struct child c = {.acked = 0};
	struct stream *s;
	uint64_t epoch = 1;
	int i;

	(void)state;
	for (i = 0; i < KILLS / 2; i++) {
		child_start(&c, epoch++);
		child_read(&c, 1 + dice(150));
		kill(w.replicator, SIGKILL);
		child_kill(&c);
		world_stop(&w, 0);
		world_start(&w);
		repl_link(repl, world_link(&w, "test"));
		s = world_stream(repl, loop, "location", epoch++, SCHEMA, 1024);
		check_rows(s, c.acked);
		stream_close(&s);
	}
	check_log();
}

int
main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(acknowledged_rows_outlive_the_owner),
	    T(acknowledged_rows_outlive_the_replicator),
	    T(acknowledged_rows_outlive_both),
	};

	signal(SIGPIPE, SIG_IGN);
	if (argc == 4) {
		snprintf(w.root, sizeof w.root, "%s", argv[1]);
		seed = (unsigned)atoi(argv[3]);
		writer_main(100, 101, strtoull(argv[2], NULL, 10));
	}
	if (getenv("TEST_SEED") != NULL)
		seed = (unsigned)atoi(getenv("TEST_SEED"));
	return cmocka_run_group_tests_name("succession", tests, NULL, NULL);
}
