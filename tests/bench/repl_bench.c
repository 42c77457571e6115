/*
 * Throughput of the replication core: upserts of a registration-like row,
 * each batch one commit, acknowledged after the sync of the ship log, on real
 * files. Prints CPU of both processes and the durability.
 *
 * usage: repl_bench [directory [seconds of each row]]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "replication/replication.h"

#define BENCH_KEYS 50000
#define BENCH_DEPTH 64
#define BENCH_SAMPLES 1000000

struct bench;
struct batch {
	struct bench *bench;
	struct stream_ack ack;
	uint64_t begun;
};

struct bench {
	struct loop *loop;
	struct stream *stream;
	sqlite3_stmt *put;
	unsigned size, depth;
	uint64_t end;
	struct batch batch[BENCH_DEPTH];
	unsigned open;
	uint64_t upserts, commits;
	uint32_t *sample;
	size_t samples;
	uint64_t random;
	int ready;
};

static void
bench_die(const struct err *e)
{
	fprintf(stderr, "repl_bench: %s\n", e->text);
	exit(1);
}

static void bench_go(struct batch *);

static void
bench_on_ack(void *arg, const struct err *e)
{
	struct batch *t = arg;
	struct bench *b = t->bench;
	uint64_t now = clock_mono();

	if (e != NULL)
		bench_die(e);
	b->upserts += b->size;
	b->commits++;
	if (b->samples < BENCH_SAMPLES)
		b->sample[b->samples++] = (uint32_t)(now - t->begun);
	if (now < b->end)
		bench_go(t);
	else if (--b->open == 0)
		loop_stop(b->loop);
}

/* Phones register in no order: each upsert hits a page of its own. */
static unsigned
bench_random(struct bench *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (unsigned)(b->random % BENCH_KEYS);
}

/* One batch: its upserts and the commit. */
static void
bench_go(struct batch *t)
{
	struct bench *b = t->bench;
	char key[32], contact[64];
	struct err e;
	unsigned i, k;

	t->begun = clock_mono();
	for (i = 0; i < b->size; i++) {
		if (stream_join(b->stream, &e) != 0)
			bench_die(&e);
		k = bench_random(b);
		snprintf(key, sizeof key, "user%06u@demo.test", k);
		snprintf(contact, sizeof contact,
		    "<sip:user%06u@192.0.2.%03u:5060>", k, i & 255);
		sqlite3_bind_text(b->put, 1, key, -1, SQLITE_STATIC);
		sqlite3_bind_text(b->put, 2, contact, -1, SQLITE_STATIC);
		sqlite3_bind_int64(b->put, 3, (sqlite3_int64)t->begun);
		if (sqlite3_step(b->put) != SQLITE_DONE) {
			err_set(&e, ERR_IO, "%s",
			    sqlite3_errmsg(stream_db(b->stream)));
			bench_die(&e);
		}
		sqlite3_reset(b->put);
	}
	t->ack.fn = bench_on_ack;
	t->ack.arg = t;
	stream_on_ack(b->stream, &t->ack);
	if (stream_commit(b->stream, &e) != 0)
		bench_die(&e);
}

static void
bench_on_ready(void *arg, struct stream *s, const struct err *e)
{
	struct bench *b = arg;

	(void)s;
	if (e != NULL)
		bench_die(e);
	loop_stop(b->loop);
}

static void
bench_replicator(const char *dir, int fd)
{
	char root[300], log[300];
	struct replicator_config c = {
	    .root = root, .log = log, .log_keep = 64 << 20};
	struct loop *loop = loop_new();
	struct replicator *r;
	struct err e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(root, sizeof root, "%s/streams", dir);
	snprintf(log, sizeof log, "%s/log", dir);
	if (replicator_open(loop, &c, &r, &e) != 0)
		bench_die(&e);
	replicator_serve(r, fd, "bench");
	loop_run(loop);
	_exit(0);
}

/* All rows there from the beginning, in an order of their own. */
static void
bench_fill(struct bench *b)
{
	struct err e;

	b->random = 88172645463325252u;
	if (stream_join(b->stream, &e) != 0)
		bench_die(&e);
	sqlite3_exec(stream_db(b->stream),
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i < 49999) INSERT INTO binding SELECT "
	    "printf('user%06u@demo.test', i), "
	    "printf('<sip:user%06u@192.0.2.000:5060>', i), 0 FROM n ORDER BY "
	    "random()",
	    NULL, NULL, NULL);
	if (stream_commit(b->stream, &e) != 0)
		bench_die(&e);
}

/* User and system time of a process, in microseconds, from its stat file. */
static uint64_t
bench_cpu(pid_t pid)
{
	char path[64], line[1024], *p;
	unsigned long long user = 0, sys = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	if (fgets(line, sizeof line, f) != NULL &&
	    (p = strrchr(line, ')')) != NULL)
		sscanf(p + 2,
		    "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
		    &user, &sys);
	fclose(f);
	return (user + sys) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static int
bench_by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
bench_row(
    struct bench *b, unsigned size, unsigned depth, double seconds, pid_t other)
{
	uint64_t begun, us, mine, his;
	unsigned i;

	b->size = size;
	b->depth = depth;
	b->upserts = b->commits = b->samples = 0;
	mine = bench_cpu(getpid());
	his = bench_cpu(other);
	begun = clock_mono();
	b->end = begun + (uint64_t)(seconds * 1e6);
	b->open = depth;
	for (i = 0; i < depth; i++) {
		b->batch[i].bench = b;
		bench_go(&b->batch[i]);
	}
	loop_run(b->loop);
	us = clock_mono() - begun;
	mine = bench_cpu(getpid()) - mine;
	his = bench_cpu(other) - his;
	qsort(b->sample, b->samples, sizeof *b->sample, bench_by_size);
	printf("%5u %9u %9.0f %9.0f %8.2f %8.2f %8u %8u\n", size, depth,
	    (double)b->upserts * 1e6 / (double)us,
	    (double)b->commits * 1e6 / (double)us,
	    (double)mine / (double)b->upserts, (double)his / (double)b->upserts,
	    b->sample[b->samples / 2], b->sample[b->samples * 99 / 100]);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const unsigned sizes[] = {1, 16, 64, 256};
	static struct bench b;
	struct stream_config c = {.name = "location",
	    .epoch = 1,
	    .page_size = 1024,
	    .schema = "CREATE TABLE binding(aor TEXT PRIMARY KEY,"
		      " contact TEXT, expires INTEGER)",
	    .on_ready = bench_on_ready,
	    .arg = &b};
	char dir[200] = "/tmp/repl-bench-XXXXXX", root[300];
	double seconds = argc > 2 ? atof(argv[2]) : 2;
	struct repl *repl;
	struct err e;
	pid_t pid;
	unsigned i;
	int s[2];

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		snprintf(dir, sizeof dir, "%.150s/repl-bench-XXXXXX", argv[1]);
	if (mkdtemp(dir) == NULL ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) != 0) {
		perror(dir);
		return 1;
	}
	snprintf(root, sizeof root, "%s/streams", dir);
	mkdir(root, 0770);
	if ((pid = fork()) == 0) {
		close(s[0]);
		bench_replicator(dir, s[1]);
	}
	close(s[1]);
	b.loop = loop_new();
	b.sample = malloc(BENCH_SAMPLES * sizeof *b.sample);
	repl = repl_new(b.loop, root);
	repl_link(repl, s[0]);
	if (stream_open(repl, &c, &b.stream, &e) != 0)
		bench_die(&e);
	loop_run(b.loop);
	sqlite3_prepare_v3(stream_db(b.stream),
	    "INSERT INTO binding VALUES(?1, ?2, ?3) ON CONFLICT(aor) DO UPDATE"
	    " SET contact = excluded.contact, expires = excluded.expires",
	    -1, SQLITE_PREPARE_PERSISTENT, &b.put, NULL);
	printf("page size 1024, TEXT key, %d rows; acknowledged = ship log "
	       "synced (fdatasync) in %s\n",
	    BENCH_KEYS, dir);
	bench_fill(&b);
	printf("batch in-flight upserts/s commits/s us owner  us repl   p50 us"
	       "   p99 us\n");
	for (i = 0; i < 4; i++)
		bench_row(&b, sizes[i], 1, seconds, pid);
	for (i = 0; i < 4; i++)
		bench_row(&b, sizes[i], 4, seconds, pid);
	sqlite3_finalize(b.put);
	stream_close(&b.stream);
	repl_free(&repl);
	loop_free(&b.loop);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	snprintf(root, sizeof root, "rm -rf '%s'", dir);
	return system(root) != 0;
}
