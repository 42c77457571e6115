/*
 * Replication: groups of upserts of a registration-like row, each group one
 * transaction, acknowledged when it is on disk here and at every follower.
 *
 *   repl_bench tandem     an owner in this process, its replicator and those
 *                         of 0 to 3 followers in processes of their own, TLS
 *                         with certificates of a cluster between them
 *   repl_bench postgres   the same load for a PostgreSQL that runs already
 *   repl_bench copy       a database of so many MB is copied to a new
 *                         follower while the load goes on
 *
 *   -f N   followers (1)         -b N   upserts of a group (1)
 *   -g N   groups under way (1)  -t S   seconds (2)
 *   -m N   MB to be copied (1024)
 *   -d D   the follower's files are in there, a disk of its own
 *   -c S   of libpq: where PostgreSQL is
 *   -p P,..  -o P,..  processes whose time is told; others, told apart
 *                     (of PostgreSQL; with their children)
 *   -j     one line of JSON
 *
 * Files are under $TMPDIR. With $TEST_LOG replicators log to stderr.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/bench/repl_load.h"
#include "tests/bench/repl_postgres.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"

#define SCHEMA                                                           \
	"CREATE TABLE binding(aor TEXT PRIMARY KEY, contact TEXT, "      \
	"expires INTEGER); CREATE TABLE ballast(k INTEGER PRIMARY KEY, " \
	"pad BLOB)"
#define BALLAST 900	  /* bytes of a row, about a page */
#define BALLAST_ROWS 4096 /* of a transaction */

static struct {
	const char *what, *where, *disk;
	unsigned followers, mb;
} opt = {.followers = 1, .mb = 1024};

static struct {
	struct world_site site;
	struct repl *repl;
	struct stream *stream;
	sqlite3_stmt *put;
	struct stream_ack ack[LOAD_GROUPS];
	/* of a copy */
	struct loop_timer *poll;
	uint64_t copy_begun, copy_over;
} own;

/* ---- the load on a stream ----------------------------------------------- */

static void
own_check(int r, const struct err *e)
{
	if (r != 0)
		die("%s", e->text);
}

static void
own_on_ack(void *arg, const struct err *e)
{
	if (e != NULL)
		die("%s", e->text);
	load_done(arg);
}

static void
own_go(struct load_group *g)
{
	struct stream_ack *ack = g->with;
	struct err e;
	unsigned i;

	own_check(stream_join(own.stream, &e), &e);
	for (i = 0; i < g->n; i++) {
		sqlite3_bind_text(own.put, 1, g->row[i].key, -1, SQLITE_STATIC);
		sqlite3_bind_text(
		    own.put, 2, g->row[i].contact, -1, SQLITE_STATIC);
		sqlite3_bind_int64(own.put, 3, (sqlite3_int64)g->begun);
		if (sqlite3_step(own.put) != SQLITE_DONE)
			die("%s", sqlite3_errmsg(stream_db(own.stream)));
		sqlite3_reset(own.put);
	}
	ack->fn = own_on_ack;
	ack->arg = g;
	stream_on_ack(own.stream, ack);
	own_check(stream_commit(own.stream, &e), &e);
}

/* One transaction, acknowledged. */
static void
own_exec(const char *sql)
{
	struct err e;

	own_check(stream_join(own.stream, &e), &e);
	if (sqlite3_exec(stream_db(own.stream), sql, NULL, NULL, NULL) !=
	    SQLITE_OK)
		die("%s", sqlite3_errmsg(stream_db(own.stream)));
	own_check(stream_commit(own.stream, &e), &e);
	world_settle(load.loop, own.stream);
}

/* All rows there from the beginning, in an order of their own. */
static void
own_fill(void)
{
	char sql[500];

	snprintf(sql, sizeof sql,
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i < %u) INSERT INTO binding SELECT "
	    "printf('user%%06u@demo.test', i), "
	    "printf('<sip:user%%06u@192.0.2.000:5060>', i), 0 FROM n "
	    "ORDER BY random()",
	    LOAD_KEYS - 1);
	own_exec(sql);
}

/* The first server owns the stream and is its only member yet. */
static void
own_open(unsigned servers)
{
	struct world_site *t = &own.site;
	unsigned i;

	world_site_make_tls(t, load.loop, servers);
	own.repl = repl_new(load.loop, t->w[0].root);
	repl_link(own.repl, world_link(&t->w[0], "sr/1"));
	load_pids = (struct load_set){
	    .pid = {getpid(), t->w[0].replicator}, .n = 2};
	for (i = 1; i < servers; i++)
		load_others.pid[load_others.n++] = t->w[i].replicator;
	load.go = own_go;
	for (i = 0; i < load.groups; i++)
		load.group[i].with = &own.ack[i];
}

static void
own_stream(void)
{
	uint64_t epoch = world_site_own(&own.site, "sr", 0, "srv1");

	own.stream = world_stream(
	    own.repl, load.loop, "location", epoch, SCHEMA, 1024);
	sqlite3_prepare_v3(stream_db(own.stream),
	    "INSERT INTO binding VALUES(?1, ?2, ?3) ON CONFLICT(aor) DO UPDATE"
	    " SET contact = excluded.contact, expires = excluded.expires",
	    -1, SQLITE_PREPARE_PERSISTENT, &own.put, NULL);
	own_fill();
}

static void
own_close(void)
{
	sqlite3_finalize(own.put);
	stream_close(&own.stream);
	repl_free(&own.repl);
	world_site_remove(&own.site);
}

static void
tandem_run(void)
{
	unsigned i;

	own_open(opt.followers + 1);
	own_stream();
	for (i = 1; i <= opt.followers; i++)
		world_site_wait_member(&own.site, "sr", i, true);
	load_run(load.seconds / 5);
	load_run(load.seconds);
	report("tandem");
	own_close();
}

/* ---- a copy under load -------------------------------------------------- */

static void
copy_ballast(void)
{
	unsigned rows = opt.mb * 1024, at;
	char sql[300];

	for (at = 0; at < rows; at += BALLAST_ROWS) {
		snprintf(sql, sizeof sql,
		    "WITH RECURSIVE n(i) AS (SELECT %u UNION ALL SELECT i + 1 "
		    "FROM n WHERE i < %u) INSERT INTO ballast SELECT i, "
		    "randomblob(%d) FROM n",
		    at, at + BALLAST_ROWS - 1, BALLAST);
		own_exec(sql);
	}
}

/* The load ends when the new server has become a member. */
static void
copy_on_poll(void *arg)
{
	(void)arg;
	if (world_site_is_member(&own.site, "sr", 1)) {
		own.copy_over = clock_mono();
		load.end = own.copy_over;
	} else {
		loop_timer_set(own.poll, CLOCK_MS);
	}
}

static void
copy_report(double before, uint64_t before_gap)
{
	double s = (double)(own.copy_over - own.copy_begun) / 1e6;
	double rate = (double)got.done * 1e6 / (double)(got.end - got.begin);

	if (load_json) {
		printf("{\"mb\":%u,\"seconds\":%.2f,\"mb_s\":%.1f,"
		       "\"rate_before\":%.0f,\"gap_before_ms\":%.1f,"
		       "\"rate\":%.0f,\"gap_ms\":%.1f,\"p99_us\":%" PRIu64
		       "}\n",
		    opt.mb, s, opt.mb / s, before, (double)before_gap / 1e3,
		    rate, (double)load.gap / 1e3, percentile(0.99));
		return;
	}
	printf("copy of %u MB: %.2f s = %.1f MB/s; upserts %.0f/s (%.0f/s "
	       "before), longest time between acknowledgements %.1f ms (%.1f "
	       "before), p99 %" PRIu64 " us\n",
	    opt.mb, s, opt.mb / s, rate, before, (double)load.gap / 1e3,
	    (double)before_gap / 1e3, percentile(0.99));
}

/* A directory of the follower, which does not run, is on the other disk. */
static void
copy_elsewhere(const char *path, const char *disk, const char *name)
{
	char to[PATH_MAX];

	snprintf(to, sizeof to, "%s/%s", disk, name);
	scratch_remove(path);
	if (mkdir(to, 0770) != 0 || symlink(to, path) != 0)
		die("%s: %s", to, strerror(errno));
}

static void
copy_run(void)
{
	const struct world *follower = &own.site.w[1];
	char disk[64] = "";
	double before;
	uint64_t gap;

	own_open(2);
	world_site_stop(&own.site, 1, SIGKILL);
	load_others.n = 0;
	if (opt.disk != NULL) {
		setenv("TMPDIR", opt.disk, 1);
		scratch_make(disk);
		copy_elsewhere(follower->root, disk, "streams");
		copy_elsewhere(follower->log, disk, "log");
	}
	own_stream();
	copy_ballast();
	load_run(load.seconds);
	before = (double)got.done * 1e6 / (double)(got.end - got.begin);
	gap = load.gap;
	own.poll = loop_timer_new(load.loop, copy_on_poll, NULL);
	own.copy_begun = clock_mono();
	world_site_start(&own.site, 1);
	loop_timer_set(own.poll, CLOCK_MS);
	load_run(3600);
	copy_report(before, gap);
	loop_timer_free(&own.poll);
	own_close();
	if (opt.disk != NULL)
		scratch_remove(disk);
}

/* ---- options ------------------------------------------------------------ */

static unsigned
number(const char *s, unsigned lo, unsigned hi)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s || *end != '\0' || n < lo || n > hi)
		die("%s: expected %u..%u", s, lo, hi);
	return (unsigned)n;
}

static void
take_option(int c)
{
	switch (c) {
	case 'f':
		opt.followers = number(optarg, 0, WORLD_SERVERS - 1);
		break;
	case 'b':
		load.batch = number(optarg, 1, LOAD_BATCH);
		break;
	case 'g':
		load.groups = number(optarg, 1, LOAD_GROUPS);
		break;
	case 't':
		load.seconds = number(optarg, 1, 3600);
		break;
	case 'm':
		opt.mb = number(optarg, 1, 100000);
		break;
	case 'd':
		opt.disk = optarg;
		break;
	case 'c':
		opt.where = optarg;
		break;
	case 'p':
		take_pids(&load_pids, optarg);
		break;
	case 'o':
		take_pids(&load_others, optarg);
		break;
	case 'j':
		load_json = true;
		break;
	default:
		die("-f N -b N -g N -t S -m MB -d DIR -c WHERE -p P,.. -o P,.. -j "
		    "tandem|postgres|copy");
	}
}

int
main(int argc, char **argv)
{
	int c;

	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt(argc, argv, "f:b:g:t:m:d:c:p:o:j")) != -1)
		take_option(c);
	opt.what = optind + 1 == argc ? argv[optind] : "";
	load.loop = loop_new();
	if (strcmp(opt.what, "tandem") == 0)
		tandem_run();
	else if (strcmp(opt.what, "copy") == 0)
		copy_run();
	else if (strcmp(opt.what, "postgres") == 0 && opt.where != NULL)
		pg_run(opt.where);
	else
		take_option('?');
	loop_free(&load.loop);
	return 0;
}
