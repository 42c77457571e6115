/*
 * Throughput of the store: edits of a candidate in a window, their commit in
 * one go, the same edits again when they change nothing, and the listing of
 * all. Real streams, the replicator in a process of its own; an answer means
 * that the ship log is synced.
 *
 * usage: store_bench [directory [objects]]
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/role/role.h"
#include "daemon/st/st.h"

#define BENCH_WINDOW 64 /* edits on their way, as a console sends them */

extern const struct role st_role;

struct bench {
	struct loop *loop;
	struct self self;
	struct st *st;
	int users, next;
	unsigned open;
	size_t rows;
};

static void
bench_die(const char *words)
{
	fprintf(stderr, "store_bench: %s\n", words);
	exit(1);
}

/* The replicator, until its parent ends. */
static void
bench_replicator(const char *root, const char *log, int fd)
{
	struct replicator_config c = {.root = root, .log = log};
	struct loop *loop = loop_new();
	struct replicator *r;
	struct err e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (replicator_open(loop, &c, &r, &e) != 0)
		bench_die(e.text);
	replicator_serve(r, fd, "st/1");
	loop_run(loop);
	exit(0);
}

static void
bench_on_done(void *arg, struct op_call *call, const struct err *e)
{
	struct bench *b = arg;

	if (e != NULL)
		bench_die(e->text);
	b->rows = json_array_size(call->rows);
	b->open--;
	loop_stop(b->loop);
}

static void
bench_ask(struct bench *b, const char *name, json_t *args)
{
	struct op_who who = {.name = "bench",
	    .role = ADMIN_SITE,
	    .session = "bench",
	    .from = "local"};
	const struct op *const *op = st_role.ops;

	while (strcmp((*op)->name, name) != 0)
		op++;
	b->open++;
	op_run(*op, args, &who, &b->self, bench_on_done, b);
	json_decref(args);
}

static void
bench_wait(struct bench *b, unsigned most)
{
	while (b->open > most)
		loop_run(b->loop);
}

static void
bench_on_serving(void *arg, uint64_t epoch)
{
	struct bench *b = arg;

	(void)epoch;
	loop_stop(b->loop);
}

/* CPU seconds of this process. */
static double
bench_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
bench_row(struct bench *b, const char *what, uint64_t start, double cpu)
{
	double s = (double)(clock_mono() - start) / 1e6;

	printf("%-34s %8d %9.3f %11.0f %9.1f\n", what, b->users, s,
	    (double)b->users / s, (bench_cpu() - cpu) * 1e6 / (double)b->users);
	fflush(stdout);
}

/* Set every user, a window at a time. */
static void
bench_edits(struct bench *b, const char *what)
{
	uint64_t start = clock_mono();
	double cpu = bench_cpu();
	char path[64], name[32];
	int i;

	for (i = 0; i < b->users; i++) {
		snprintf(path, sizeof path, "domain bench.test user %d", i);
		snprintf(name, sizeof name, "User %d", i);
		bench_ask(b, "set",
		    json_pack("{s:s, s:{s:s, s:s}}", "path", path, "values",
			"name", name, "password", "secret"));
		bench_wait(b, BENCH_WINDOW);
	}
	bench_wait(b, 0);
	bench_row(b, what, start, cpu);
}

static void
bench_one(struct bench *b, const char *what, const char *op, json_t *args)
{
	uint64_t start = clock_mono();
	double cpu = bench_cpu();

	bench_ask(b, op, args);
	bench_wait(b, 0);
	bench_row(b, what, start, cpu);
}

static void
bench_start(struct bench *b, const char *dir)
{
	struct st_config c = {.objs = obj_table,
	    .site = "bench",
	    .server = "srv1",
	    .inside = "127.0.0.1",
	    .port_base = 40000,
	    .on_serving = bench_on_serving,
	    .arg = b};
	char root[300], log[300];
	int s[2];

	snprintf(root, sizeof root, "%s/streams", dir);
	snprintf(log, sizeof log, "%s/log", dir);
	mkdir(root, 0770);
	mkdir(log, 0770);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) != 0)
		bench_die("socketpair");
	if (fork() == 0)
		bench_replicator(root, log, s[1]);
	close(s[1]);
	b->loop = c.loop = loop_new();
	c.repl = repl_new(b->loop, root);
	repl_link(c.repl, s[0]);
	b->st = st_new(&c);
	b->self.state_of_role = b->st;
	st_own(b->st, 1);
	loop_run(b->loop);
}

int
main(int argc, char **argv)
{
	char made[] = "/tmp/store-bench-XXXXXX", command[300];
	const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
	struct bench b = {.users = argc > 2 ? atoi(argv[2]) : 10000};

	if (dir == NULL || b.users <= 0)
		bench_die("usage: store_bench [directory [objects]]");
	log_fd(open("/dev/null", O_WRONLY));
	op_use_objects(obj_table);
	bench_start(&b, dir);
	printf("%-34s %8s %9s %11s %9s\n", "store (ship log synced)", "objects",
	    "seconds", "objects/s", "CPU us");
	bench_ask(&b, "set", json_pack("{s:s}", "path", "domain bench.test"));
	bench_edits(&b, "set, name and password");
	bench_one(&b, "compare", "compare", NULL);
	bench_one(&b, "commit", "commit", NULL);
	bench_edits(&b, "the same set again");
	bench_one(&b, "commit of nothing", "commit", NULL);
	bench_one(&b, "show configuration", "show configuration", NULL);
	if (b.rows < (size_t)b.users)
		bench_die("rows are missing");
	snprintf(command, sizeof command, "rm -rf '%s'", made);
	if (argc < 2 && system(command) != 0)
		bench_die("the directory stays");
	return 0;
}
