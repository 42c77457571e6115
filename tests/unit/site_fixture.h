#ifndef TESTS_SITE_FIXTURE_H
#define TESTS_SITE_FIXTURE_H

/* Servers of a site, their owners and readers, for tests of replicators. */
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

#include "daemon/base/clock.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"
#include "tests/unit/kv_fixture.h"

static struct world_site site;
static struct loop *loop;
static struct repl *repl[WORLD_SERVERS];
static unsigned seed = 1;

static inline unsigned
dice(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static inline void
link_to(unsigned i)
{
	repl_link(repl[i], world_link(&site.w[i], "sr/1"));
}

static inline int
setup_n(unsigned n)
{
	unsigned i;

	loop = loop_new();
	world_site_make(&site, loop, n);
	for (i = 0; i < n; i++) {
		repl[i] = repl_new(loop, site.w[i].root);
		link_to(i);
	}
	return 0;
}

static inline int
setup_2(void **state)
{
	(void)state;
	return setup_n(2);
}

static inline int
setup_3(void **state)
{
	(void)state;
	return setup_n(3);
}

static inline int
teardown(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < site.n; i++)
		repl_free(&repl[i]);
	world_site_remove(&site);
	loop_free(&loop);
	return 0;
}

static inline uint64_t
lsn_of(struct stream *s)
{
	struct stream_status st;

	stream_status(s, &st);
	return st.lsn;
}

/* The owner on server 0, its stream, and all others members. */
static inline struct stream *
site_stream(const char *name)
{
	uint64_t epoch = world_site_own(&site, "sr", 0, "srv1");
	struct stream *s = world_stream(
	    repl[0], loop, name, epoch, KV_SCHEMA, 1024);
	unsigned i;

	for (i = 1; i < site.n; i++)
		world_site_wait_member(&site, "sr", i, true);
	return s;
}

/* Every value of the table, as one text. */
static inline char *
dump(sqlite3 *db)
{
	sqlite3_stmt *st;
	char *text = NULL;

	assert_int_equal(sqlite3_prepare_v2(db,
			     "SELECT group_concat(k || '=' || v || ':' || "
			     "ifnull(hex(pad), ''), ',') FROM"
			     " (SELECT * FROM kv ORDER BY k)",
			     -1, &st, NULL),
	    SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		text = strdup((const char *)sqlite3_column_text(st, 0) != NULL
			? (const char *)sqlite3_column_text(st, 0)
			: "");
	sqlite3_finalize(st);
	return text;
}

/* ---- readers ------------------------------------------------------------ */

struct seen {
	int open, changed, reload, absent;
	struct reader *rd;
};

static inline void
on_event(void *arg, struct reader *rd, enum reader_event event)
{
	struct seen *s = arg;

	(void)rd;
	if (event == READER_OPEN)
		s->open++;
	else if (event == READER_CHANGED)
		s->changed++;
	else if (event == READER_RELOAD)
		s->reload++;
	else
		s->absent++;
}

static inline void
reading(struct seen *s, unsigned server, const char *name)
{
	struct err e;

	memset(s, 0, sizeof *s);
	assert_int_equal(
	    reader_open(repl[server], name, on_event, s, &s->rd, &e), 0);
	world_run(loop, &s->open);
}

/* A follower's database is the owner's, as readers of both see it. */
static inline void
same_as(struct stream *s, unsigned server, const char *name)
{
	struct seen seen;
	char *a, *b;

	world_settle(loop, s);
	world_site_wait_applied(&site, server, name, lsn_of(s));
	reading(&seen, server, name);
	a = dump(stream_db(s));
	b = dump(reader_db(seen.rd));
	assert_string_equal(a, b);
	assert_int_equal(number(reader_db(seen.rd),
			     "SELECT count(*) FROM pragma_integrity_check "
			     "WHERE integrity_check = 'ok'"),
	    1);
	free(a);
	free(b);
	reader_close(&seen.rd);
}

struct ack {
	struct stream_ack ack;
	int done;
};

static inline void
on_ack(void *arg, const struct err *e)
{
	((struct ack *)arg)->done = e == NULL ? 1 : -1;
}

static inline void
ask(struct stream *s, struct ack *a)
{
	*a = (struct ack){.ack = {.fn = on_ack, .arg = a}};
	stream_on_ack(s, &a->ack);
}

struct fate {
	int ready, lost;
};

static inline void
on_fate_ready(void *arg, struct stream *s, const struct err *e)
{
	(void)s;
	((struct fate *)arg)->ready = e == NULL ? 1 : -1;
}

static inline void
on_fate_lost(void *arg, struct stream *s, const struct err *e)
{
	(void)s;
	(void)e;
	((struct fate *)arg)->lost = 1;
}

static inline struct stream *
open_fate(unsigned server, uint64_t epoch, struct fate *f)
{
	struct stream_config c = {.name = "location",
	    .epoch = epoch,
	    .page_size = 1024,
	    .schema = KV_SCHEMA,
	    .on_ready = on_fate_ready,
	    .on_lost = on_fate_lost,
	    .arg = f};
	struct stream *s;
	struct err e;

	*f = (struct fate){0};
	assert_int_equal(stream_open(repl[server], &c, &s, &e), 0);
	return s;
}

#endif
