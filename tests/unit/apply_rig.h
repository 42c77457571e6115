#ifndef APPLY_RIG_H
#define APPLY_RIG_H

/*
 * For apply_test.c: an owner whose commits become ship records, and readers
 * with plain SQLite in processes of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replication/apply.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"

static char dir[64];
static unsigned seed = 11;

static unsigned
dice(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static inline const char *
path(const char *name)
{
	static char out[8][128];
	static unsigned turn;
	char *p = out[turn++ % 8];

	snprintf(p, 128, "%s/%s", dir, name);
	return p;
}

/* ---- the ship log: records in memory ------------------------------------ */

struct log {
	struct {
		uint8_t *bytes;
		size_t n;
	} * rec; /* rec[lsn - 1] */
	size_t n, room;
	uint64_t sum;
	struct ship_wal wal; /* of the last */
};

static inline void
log_free(struct log *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->rec[i].bytes);
	free(l->rec);
	memset(l, 0, sizeof *l);
}

static inline void
log_add(struct log *l, uint8_t *bytes, size_t n)
{
	if (l->n == l->room) {
		l->room = l->room * 2 + 64;
		l->rec = realloc(l->rec, l->room * sizeof *l->rec);
	}
	l->rec[l->n].bytes = bytes;
	l->rec[l->n++].n = n;
}

static inline struct ship_record
log_get(const struct log *l, uint64_t lsn)
{
	struct ship_record r;
	struct err e;

	if (ship_record_decode(
		&r, l->rec[lsn - 1].bytes, l->rec[lsn - 1].n, &e) != 0)
		abort();
	return r;
}

static inline struct apply_known
log_known(const struct log *l)
{
	return (struct apply_known){.lsn = l->n, .wal = l->wal};
}

/* ---- the owner ---------------------------------------------------------- */

struct writer {
	sqlite3 *db;
	int wal;
	struct wal_now at; /* what was shipped */
	struct log *log;
	long next; /* row of the load */
};

static inline void
owner_sql(struct writer *o, const char *fmt, ...)
{
	char sql[2000], *words = NULL;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof sql, fmt, ap);
	va_end(ap);
	if (sqlite3_exec(o->db, sql, NULL, NULL, &words) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, words);
		abort();
	}
}

static inline void
owner_record(struct writer *o, const uint8_t *frames, uint32_t n)
{
	size_t size = wal_frame_size(o->at.page_size);
	size_t bound = ship_record_bound(o->at.page_size, n);
	uint8_t *out = malloc(bound);
	struct ship_record r = {.kind = SHIP_PAGES,
	    .name = "domain/1a",
	    .epoch = 1,
	    .lsn = o->log->n + 1,
	    .prev = o->log->sum,
	    .page_size = o->at.page_size,
	    .db_pages = wal_frame_commit(frames + (n - 1) * size),
	    .wal = {o->at.salt, o->at.frames + 1, n}};
	long len = ship_record_encode(&r, frames, n, out, bound);

	if (len < 0)
		abort();
	log_add(o->log, out, (size_t)len);
	o->log->sum = r.sum;
	o->log->wal = r.wal;
	o->at.frames += n;
}

/* What was committed since it was last called becomes records. */
static inline void
owner_ship(struct writer *o)
{
	struct wal_now now;
	uint8_t *all, *f;
	uint32_t n, cut;
	struct err e;

	if (wal_now(o->db, &now, &e) != 0)
		abort();
	if (now.salt != o->at.salt)
		o->at.frames = 0;
	o->at.salt = now.salt;
	o->at.page_size = now.page_size;
	if ((n = now.frames - o->at.frames) == 0)
		return;
	f = all = malloc(n * wal_frame_size(now.page_size));
	if (wal_read(o->wal, now.page_size, o->at.frames + 1, n, all, &e) != 0)
		abort();
	while ((cut = wal_cut(f, n, now.page_size)) > 0) {
		owner_record(o, f, cut);
		f += cut * wal_frame_size(now.page_size);
		n -= cut;
	}
	free(all);
}

/* Open a file, new or left by an apply, of which all is in the log. */
static inline void
owner_open(struct writer *o, struct log *log, const char *db, int page_size)
{
	char wal[140];
	struct err e;

	memset(o, 0, sizeof *o);
	o->log = log;
	if (sqlite3_open(db, &o->db) != SQLITE_OK)
		abort();
	sqlite3_busy_timeout(o->db, 5000);
	owner_sql(o,
	    "PRAGMA page_size=%d;%s"
	    "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
	    "PRAGMA wal_autocheckpoint=0; SELECT 1 FROM sqlite_schema",
	    page_size, log->n == 0 ? "PRAGMA auto_vacuum=FULL;" : "");
	snprintf(wal, sizeof wal, "%s-wal", db);
	o->wal = open(wal, O_RDONLY | O_CLOEXEC);
	if (o->wal < 0 || wal_now(o->db, &o->at, &e) != 0)
		abort();
}

/* Leave -wal and -shm as a killed owner does, or close to one file. */
static inline void
owner_close(struct writer *o, bool clean)
{
	close(o->wal);
	if (!clean)
		sqlite3_db_config(
		    o->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (sqlite3_close(o->db) != SQLITE_OK)
		abort();
}

/*
 * The load. Laws that hold after each commit: counter.n grows; the sum of
 * acct.v is 0; counter.rows is the number of rows of log.
 */
static inline void
load_begin(struct writer *o)
{
	owner_sql(o,
	    "BEGIN; CREATE TABLE counter(n INTEGER, rows INTEGER);"
	    "INSERT INTO counter VALUES(0, 0);"
	    "CREATE TABLE acct(id INTEGER PRIMARY KEY, v INT, pad);"
	    "CREATE INDEX acct_v ON acct(v);"
	    "CREATE TABLE log(id INTEGER PRIMARY KEY, pad);"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 400) INSERT INTO acct SELECT i, 0, randomblob(700)"
	    " FROM n; COMMIT");
	owner_ship(o);
}

/* rows: how many come to log, or go (negative). */
static inline void
load_commit(struct writer *o, int moves, int rows)
{
	int i, v;

	owner_sql(o, "BEGIN");
	for (i = 0; i < moves; i++) {
		v = (int)dice(1000);
		owner_sql(o,
		    "UPDATE acct SET v = v - %d, pad = randomblob(700)"
		    " WHERE id = %u; UPDATE acct SET v = v + %d WHERE id = %u",
		    v, dice(400) + 1, v, dice(400) + 1);
	}
	if (rows > 0)
		owner_sql(o,
		    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
		    " FROM n WHERE i < %d) INSERT INTO log SELECT %ld + i,"
		    " randomblob(900) FROM n;"
		    "UPDATE counter SET rows = rows + changes()",
		    rows, o->next);
	else if (rows < 0)
		owner_sql(o,
		    "DELETE FROM log WHERE id IN"
		    " (SELECT id FROM log ORDER BY id LIMIT %d);"
		    "UPDATE counter SET rows = rows - changes()",
		    -rows);
	if (rows > 0)
		o->next += rows;
	owner_sql(o, "UPDATE counter SET n = n + 1; COMMIT");
	owner_ship(o);
}

/* Commits as they come: mostly small, at times large, at times away with it
 * all; the owner's own -wal begins anew now and then. */
static inline void
load_mixed(struct writer *o, int commits)
{
	int i;

	for (i = 0; i < commits; i++) {
		unsigned d = dice(200);

		if (d == 0)
			load_commit(o, 1, 2000);
		else if (d == 1)
			load_commit(o, 1, -1000000);
		else
			load_commit(o, 1 + (int)dice(4), (int)dice(6) - 2);
		if (o->at.frames > 4000)
			sqlite3_wal_checkpoint_v2(
			    o->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	}
}

/* ---- a process that does SQL when asked --------------------------------- */

struct asked {
	pid_t pid;
	int fd;
	char answer[300];
};

static inline void
asked_answer(sqlite3 **db, const char *db_path, const char *sql, char *out)
{
	sqlite3_stmt *st = NULL;
	int rc, flags = SQLITE_OPEN_READONLY;

	snprintf(out, 300, "-");
	if (strncmp(sql, "open", 4) == 0) {
		if (strcmp(sql, "open rw") == 0)
			flags = SQLITE_OPEN_READWRITE;
		rc = sqlite3_open_v2(db_path, db, flags, NULL);
		sqlite3_db_config(
		    *db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		if (flags == SQLITE_OPEN_READONLY)
			sqlite3_busy_timeout(*db, 5000);
	} else if (strcmp(sql, "close") == 0) {
		rc = sqlite3_close(*db);
		*db = NULL;
	} else if ((rc = sqlite3_prepare_v2(*db, sql, -1, &st, NULL)) == 0) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			snprintf(out, 300, "%s", sqlite3_column_text(st, 0));
		rc = sqlite3_finalize(st);
	}
	if (rc != SQLITE_OK)
		snprintf(out, 300, "%s", sqlite3_errmsg(*db));
}

/* Started before the test's process opens an apply: a child would inherit its
 * locks. */
static inline void
asked_start(struct asked *a, const char *db_path)
{
	char sql[300], out[300];
	sqlite3 *db = NULL;
	int pair[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		abort();
	if ((a->pid = fork()) != 0) {
		close(pair[1]);
		a->fd = pair[0];
		return;
	}
	close(pair[0]);
	while ((n = read(pair[1], sql, sizeof sql - 1)) > 0) {
		sql[n] = '\0';
		asked_answer(&db, db_path, sql, out);
		if (write(pair[1], out, strlen(out) + 1) <= 0)
			break;
	}
	_exit(0);
}

static inline const char *
ask(struct asked *a, const char *sql)
{
	if (write(a->fd, sql, strlen(sql)) <= 0 ||
	    read(a->fd, a->answer, sizeof a->answer) <= 0)
		abort();
	return a->answer;
}

static long
ask_number(struct asked *a, const char *sql)
{
	return atol(ask(a, sql));
}

static inline void
asked_end(struct asked *a)
{
	/* Children that were started later have it too. */
	shutdown(a->fd, SHUT_RDWR);
	close(a->fd);
	waitpid(a->pid, NULL, 0);
}

/* ---- readers that never stop -------------------------------------------- */

enum reader_kind {
	READER_SHORT,	/* one snapshot after the other */
	READER_LONG,	/* stays in each for many looks */
	READER_REOPENS, /* opens and closes the database each time */
	READER_POINT,	/* one row at a time, without a pause */
	READER_KINDS
};

struct shared {
	volatile int stop;
	volatile long looks[READER_KINDS];
};

static inline void
reader_die(sqlite3 *db, const char *what)
{
	fprintf(stderr, "reader: %s: %s\n", what,
	    db != NULL ? sqlite3_errmsg(db) : "");
	_exit(1);
}

static long
reader_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	long n;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		reader_die(db, sql);
	n = (long)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static inline void
reader_integrity(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL) !=
		SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW ||
	    strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0) {
		fprintf(stderr, "%s\n", sqlite3_column_text(st, 0));
		reader_die(db, "integrity_check");
	}
	sqlite3_finalize(st);
}

/* The laws of the load, in one snapshot; returns counter.n. */
static long
reader_look(sqlite3 *db, long least)
{
	long n = reader_number(db, "SELECT n FROM counter");

	if (n < least) {
		fprintf(stderr, "%ld after %ld\n", n, least);
		reader_die(NULL, "back in time");
	}
	if (reader_number(db, "SELECT sum(v) FROM acct") != 0)
		reader_die(NULL, "sum of acct");
	if (reader_number(db,
		"SELECT rows = (SELECT count(*) FROM log) FROM counter") != 1)
		reader_die(NULL, "rows of log");
	return n;
}

static long
reader_point(sqlite3 *db, long least)
{
	static sqlite3_stmt *st;
	long n;

	if (st == NULL)
		sqlite3_prepare_v2(db, "SELECT n FROM counter", -1, &st, NULL);
	if (sqlite3_step(st) != SQLITE_ROW)
		reader_die(db, "point");
	n = (long)sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	if (n < least)
		reader_die(NULL, "back in time");
	return n;
}

static inline void
reader_main(struct shared *s, enum reader_kind kind, const char *db_path)
{
	sqlite3 *db = NULL;
	long least = 0, n, i;

	while (!s->stop) {
		if (db == NULL) {
			if (sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READONLY,
				NULL) != SQLITE_OK)
				reader_die(db, "open");
			sqlite3_busy_timeout(db, 20000);
		}
		if (kind == READER_POINT) {
			least = reader_point(db, least);
			s->looks[kind]++;
			continue;
		}
		sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
		n = reader_look(db, least);
		for (i = 0; kind == READER_LONG && i < 10; i++) {
			if (reader_look(db, n) != n)
				reader_die(NULL, "snapshot moved");
		}
		if (s->looks[kind] % 40 == 0)
			reader_integrity(db);
		sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
		least = n;
		s->looks[kind]++;
		if (kind == READER_REOPENS) {
			sqlite3_db_config(
			    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
			sqlite3_close(db);
			db = NULL;
		}
	}
	_exit(0);
}

static inline struct shared *
shared_new(void)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static inline pid_t
reader_start(struct shared *s, enum reader_kind kind, const char *db_path)
{
	pid_t pid = fork();

	if (pid == 0)
		reader_main(s, kind, db_path);
	return pid;
}

/* All of them saw nothing wrong. */
static inline bool
readers_end(struct shared *s, const pid_t *pid, int n)
{
	bool good = true;
	int status, i;

	s->stop = 1;
	for (i = 0; i < n; i++) {
		waitpid(pid[i], &status, 0);
		good = good && status == 0;
	}
	return good;
}

/* ---- files -------------------------------------------------------------- */

static inline void
files_remove(const char *db)
{
	static const char *const more[] = {
	    "", "-wal", "-shm", "-lsn", "-journal"};
	char p[150];
	unsigned i;

	for (i = 0; i < sizeof more / sizeof *more; i++) {
		snprintf(p, sizeof p, "%s%s", db, more[i]);
		unlink(p);
	}
}

static inline bool
files_equal(const char *a, const char *b)
{
	size_t n, m;
	uint8_t *p = scratch_read(a, &n), *q = scratch_read(b, &m);
	bool equal = n == m && memcmp(p, q, n) == 0;

	free(p);
	free(q);
	return equal;
}

/* ---- what both tests begin with ------------------------------------------ */

static const struct apply_known none;
static struct log logs[5], *ship; /* the last one is of one test */
static char owner_db[128];

static inline int
setup(void **state)
{
	(void)state;
	scratch_make(dir);
	return 0;
}

static inline int
teardown(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		log_free(&logs[i]);
	scratch_remove(dir);
	return 0;
}

static inline struct apply *
open_it(const char *db, uint32_t page_size, const struct apply_known *k)
{
	struct apply *a;
	struct err e;

	if (apply_open(db, page_size, k, &a, &e) != 0)
		fail_msg("%s", e.text);
	return a;
}

/* Records up to an LSN. */
static inline void
apply_to(struct apply *a, const struct log *l, uint64_t lsn)
{
	struct apply_status s;
	struct ship_record r;
	struct err e;

	apply_status(a, &s);
	assert_int_equal(s.parts, 0);
	while (apply_lsn(a) < lsn) {
		uint64_t next = apply_lsn(a);

		do {
			r = log_get(l, ++next);
			if (apply_pages(a, &r, &e) != 0)
				fail_msg("%s", e.text);
		} while (r.db_pages == 0);
		assert_int_equal(apply_lsn(a), next);
	}
}

/* A log of the test's own. */
static inline void
ship_own(struct writer *o, int page_size)
{
	snprintf(owner_db, sizeof owner_db, "%s/own.db", dir);
	ship = &logs[4];
	log_free(ship);
	files_remove(path("f.db"));
	files_remove(owner_db);
	owner_open(o, ship, owner_db, page_size);
	load_begin(o);
}

static inline void
scribble(const char *file, off_t at, size_t n)
{
	uint8_t junk[256];
	int fd = open(file, O_WRONLY);

	memset(junk, 0x5a, sizeof junk);
	assert_true(fd >= 0 && pwrite(fd, junk, n, at) == (ssize_t)n);
	close(fd);
}

#endif
