/*
 * A stand-in for replication in one process, over plain SQLite files: streams
 * commit at the end of the turn, acknowledgements can be withheld, a crash
 * loses what was not committed. It makes moments that a test must hit exactly.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/loop.h"
#include "daemon/base/mem.h"
#include "replication/replication.h"

struct repl {
	struct loop *loop;
	char root[PATH_MAX];
	bool hold;	    /* withhold acknowledgements */
	const char *broken; /* a stream that cannot be opened */
	bool crashed;	    /* closing loses what is not committed */
	struct stream *streams;
	struct reader *readers;
	unsigned opened, commits;
	char changes[1 << 16]; /* notes of stream_change */
};

struct stream {
	struct stream *next;
	struct repl *repl;
	struct stream_config cfg;
	char name[STREAM_NAME];
	sqlite3 *db;
	bool joined;
	unsigned joins, marks;
	uint64_t lsn, acked;
	struct stream_ack *first, **last;
	struct loop_defer ready, commit, ack;
	struct err err;
};

struct reader {
	struct reader *next;
	struct repl *repl;
	char name[STREAM_NAME];
	reader_fn *fn;
	void *arg;
	sqlite3 *db;
	enum reader_event event;
	struct loop_defer tell;
};

static inline void
double_path(const struct repl *r, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s.db", r->root, name);
}

static inline struct repl *
double_new(struct loop *loop)
{
	struct repl *r = calloc(1, sizeof *r);
	char dir[PATH_MAX + 16];

	r->loop = loop;
	str_copy(r->root, sizeof r->root, "/tmp/st-test-XXXXXX");
	assert_non_null(mkdtemp(r->root));
	snprintf(dir, sizeof dir, "%s/domain", r->root);
	mkdir(dir, 0700);
	snprintf(dir, sizeof dir, "%s/site", r->root);
	mkdir(dir, 0700);
	snprintf(dir, sizeof dir, "%s/calls", r->root);
	mkdir(dir, 0700);
	return r;
}

static inline void
double_free(struct repl *r)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof command, "rm -rf %s", r->root);
	assert_int_equal(system(command), 0);
	free(r);
}

/* ---- streams --------------------------------------------------------------
 */

static inline void
double_on_ack(void *arg)
{
	struct stream *s = arg;
	struct stream_ack *a;

	if (s->repl->hold)
		return;
	s->acked = s->lsn;
	while ((a = s->first) != NULL && a->lsn <= s->acked) {
		s->first = a->next;
		if (s->first == NULL)
			s->last = &s->first;
		a->queued = false;
		a->fn(a->arg, NULL);
	}
}

static inline void
double_release(struct repl *r)
{
	struct stream *s;

	r->hold = false;
	for (s = r->streams; s != NULL; s = s->next)
		loop_defer(r->loop, &s->ack);
}

static inline void
double_tell(void *arg)
{
	struct reader *r = arg;

	r->fn(r->arg, r, r->event);
}

static inline void
double_on_ready(void *arg)
{
	struct stream *s = arg;

	s->cfg.on_ready(
	    s->cfg.arg, s, s->err.code != ERR_NONE ? &s->err : NULL);
}

static inline void
double_on_commit(void *arg)
{
	struct err e;

	if (stream_commit(arg, &e) != 0)
		fail_msg("%s", e.text);
}

int
stream_open(struct repl *r, const struct stream_config *c, struct stream **out,
    struct err *e)
{
	struct stream *s = calloc(1, sizeof *s), *o;
	char path[PATH_MAX + STREAM_NAME + 8];
	bool new;

	for (o = r->streams; o != NULL; o = o->next)
		assert_string_not_equal(o->name, c->name);
	s->repl = r;
	s->cfg = *c;
	str_copy(s->name, sizeof s->name, c->name);
	s->last = &s->first;
	s->ready = (struct loop_defer){.fn = double_on_ready, .arg = s};
	s->commit = (struct loop_defer){.fn = double_on_commit, .arg = s};
	s->ack = (struct loop_defer){.fn = double_on_ack, .arg = s};
	double_path(r, c->name, path, sizeof path);
	new = access(path, F_OK) != 0;
	if (r->broken != NULL && strcmp(r->broken, c->name) == 0)
		err_set(&s->err, ERR_CORRUPT, "broken on purpose");
	else if (sqlite3_open(path, &s->db) != SQLITE_OK ||
	    sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL,
		NULL) != SQLITE_OK ||
	    sqlite3_exec(s->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) !=
		SQLITE_OK ||
	    (new &&
		c->schema !=
		    NULL &&sqlite3_exec(s->db, c->schema, NULL, NULL, NULL) !=
		    SQLITE_OK))
		return err_set(
		    e, ERR_IO, "%s: %s", path, sqlite3_errmsg(s->db));
	s->next = r->streams;
	r->streams = s;
	r->opened++;
	loop_defer(r->loop, &s->ready);
	*out = s;
	return 0;
}

void
stream_close(struct stream **sp)
{
	struct stream *s = *sp, **at;
	struct repl *r = s->repl;

	*sp = NULL;
	if (s->joined && !r->crashed)
		stream_commit(s, NULL);
	for (at = &r->streams; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	loop_defer_cancel(r->loop, &s->ready);
	loop_defer_cancel(r->loop, &s->commit);
	loop_defer_cancel(r->loop, &s->ack);
	/* a statement that is still open would make this fail */
	assert_int_equal(sqlite3_close(s->db), SQLITE_OK);
	free(s);
}

sqlite3 *
stream_db(struct stream *s)
{
	return s->db;
}

const char *
stream_name(const struct stream *s)
{
	return s->name;
}

uint64_t
stream_epoch(const struct stream *s)
{
	return s->cfg.epoch;
}

int
stream_join(struct stream *s, struct err *e)
{
	if (s->joins >= STREAM_GROUP_MAX && stream_commit(s, e) != 0)
		return -ERR_IO;
	s->joins++;
	if (s->joined)
		return 0;
	if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return err_set(e, ERR_IO, "%s", sqlite3_errmsg(s->db));
	s->joined = true;
	loop_defer(s->repl->loop, &s->commit);
	return 0;
}

int
stream_commit(struct stream *s, struct err *e)
{
	struct reader *r;

	if (!s->joined)
		return 0;
	assert_int_equal(s->marks, 0);
	if (sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return err_set(e, ERR_IO, "%s", sqlite3_errmsg(s->db));
	s->joined = false;
	s->joins = 0;
	s->lsn++;
	s->repl->commits++;
	loop_defer_cancel(s->repl->loop, &s->commit);
	loop_defer(s->repl->loop, &s->ack);
	for (r = s->repl->readers; r != NULL; r = r->next) {
		if (strcmp(r->name, s->name) == 0 && r->db != NULL) {
			r->event = READER_CHANGED;
			loop_defer(s->repl->loop, &r->tell);
		}
	}
	return 0;
}

static inline int
double_exec(struct stream *s, const char *sql, struct err *e)
{
	assert_true(s->joined);
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK
	    ? 0
	    : err_set(e, ERR_IO, "%s", sqlite3_errmsg(s->db));
}

int
stream_mark(struct stream *s, struct err *e)
{
	s->marks++;
	return double_exec(s, "SAVEPOINT m", e);
}

int
stream_mark_keep(struct stream *s, struct err *e)
{
	s->marks--;
	return double_exec(s, "RELEASE m", e);
}

int
stream_mark_undo(struct stream *s, struct err *e)
{
	s->marks--;
	return double_exec(s, "ROLLBACK TO m; RELEASE m", e);
}

void
stream_on_ack(struct stream *s, struct stream_ack *a)
{
	a->lsn = s->joined ? s->lsn + 1 : s->lsn;
	a->next = NULL;
	a->queued = true;
	*s->last = a;
	s->last = &a->next;
	loop_defer(s->repl->loop, &s->ack);
}

void
stream_ack_cancel(struct stream *s, struct stream_ack *a)
{
	struct stream_ack **at = &s->first;

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = a->next;
	a->queued = false;
	for (s->last = &s->first; *s->last != NULL; s->last = &(*s->last)->next)
		;
}

int
stream_change(
    struct stream *s, const char *object, const char *key, struct err *e)
{
	size_t used = strlen(s->repl->changes);

	(void)e;
	assert_true(s->joined);
	snprintf(s->repl->changes + used, sizeof s->repl->changes - used,
	    "%s: %s(%s)\n", s->name, object, key);
	return 0;
}

void
stream_status(const struct stream *s, struct stream_status *out)
{
	memset(out, 0, sizeof *out);
	out->pending = s->lsn - s->acked + (s->joined ? 1 : 0);
}

/* ---- readers ---------------------------------------------------------------
 */

int
reader_open(struct repl *r, const char *name, reader_fn *fn, void *arg,
    struct reader **out, struct err *e)
{
	struct reader *rd = calloc(1, sizeof *rd);
	char path[PATH_MAX + STREAM_NAME + 8];

	(void)e;
	rd->repl = r;
	rd->fn = fn;
	rd->arg = arg;
	str_copy(rd->name, sizeof rd->name, name);
	rd->tell = (struct loop_defer){.fn = double_tell, .arg = rd};
	double_path(r, name, path, sizeof path);
	rd->event = READER_ABSENT;
	if (access(path, F_OK) == 0 &&
	    sqlite3_open_v2(path, &rd->db, SQLITE_OPEN_READONLY, NULL) ==
		SQLITE_OK)
		rd->event = READER_OPEN;
	rd->next = r->readers;
	r->readers = rd;
	loop_defer(r->loop, &rd->tell);
	*out = rd;
	return 0;
}

void
reader_close(struct reader **rp)
{
	struct reader *rd = *rp, **at;

	*rp = NULL;
	for (at = &rd->repl->readers; *at != rd; at = &(*at)->next)
		;
	*at = rd->next;
	loop_defer_cancel(rd->repl->loop, &rd->tell);
	assert_int_equal(sqlite3_close(rd->db), SQLITE_OK);
	free(rd);
}

sqlite3 *
reader_db(struct reader *rd)
{
	return rd->db;
}

const char *
reader_name(const struct reader *rd)
{
	return rd->name;
}

int
reader_changes(
    struct reader *rd, reader_change_fn *fn, void *arg, struct err *e)
{
	(void)rd;
	(void)fn;
	(void)arg;
	(void)e;
	return 0;
}

/* ---- the past: one moment, kept as files ---------------------------------
 */

/* From now on the past is what a stream is at this moment. */
static inline void
double_remember(struct repl *r, const char *name)
{
	char path[PATH_MAX + 80], sql[PATH_MAX + 160];
	struct stream *s = r->streams;

	while (s != NULL && strcmp(s->name, name) != 0)
		s = s->next;
	assert_non_null(s);
	double_path(r, name, path, sizeof path - 8);
	strcat(path, ".then");
	unlink(path);
	snprintf(sql, sizeof sql, "VACUUM INTO '%s'", path);
	assert_int_equal(sqlite3_exec(s->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

struct double_past {
	struct repl *repl;
	char name[STREAM_NAME];
	uint64_t time;
	past_fn *fn;
	void *arg;
	struct loop_defer tell;
};
static struct double_past double_past;

static inline void
double_past_tell(void *arg)
{
	struct double_past *d = arg;
	char path[PATH_MAX + 80];
	struct past p = {.lsn = 1, .time = d->time};
	struct err e;

	double_path(d->repl, d->name, path, sizeof path - 8);
	strcat(path, ".then");
	if (access(path, R_OK) != 0) {
		err_set(&e, ERR_ABSENT, "no past of %s", d->name);
		d->fn(d->arg, NULL, &e);
		return;
	}
	assert_int_equal(sqlite3_open(path, &p.db), SQLITE_OK);
	d->fn(d->arg, &p, NULL);
}

void
past_ask(
    struct repl *r, const char *stream, uint64_t time, past_fn *fn, void *arg)
{
	double_past = (struct double_past){.repl = r,
	    .time = time,
	    .fn = fn,
	    .arg = arg,
	    .tell = {.fn = double_past_tell, .arg = &double_past}};
	str_copy(double_past.name, sizeof double_past.name, stream);
	loop_defer(r->loop, &double_past.tell);
}

void
past_forget(struct repl *r, void *arg)
{
	if (double_past.arg == arg)
		loop_defer_cancel(r->loop, &double_past.tell);
}

void
past_close(struct past *p)
{
	sqlite3_close_v2(p->db);
	p->db = NULL;
}

/* ---- owner map: one B2BUA -------------------------------------------------
 */

bool
owner_map_next(const struct owner_map *m, unsigned *at, struct owner *o)
{
	(void)m;
	if ((*at)++ != 0)
		return false;
	memset(o, 0, sizeof *o);
	str_copy(o->key, sizeof o->key, "calls/b2bua-1");
	return true;
}

/* What the frame of processes would want; nothing here uses it. */
#define DOUBLE_UNUSED fail_msg("%s is not for this test", __func__)

struct repl *
repl_new(struct loop *loop, const char *root)
{
	(void)loop;
	(void)root;
	DOUBLE_UNUSED;
	return NULL;
}

void
repl_link(struct repl *r, int fd)
{
	(void)r;
	(void)fd;
	DOUBLE_UNUSED;
}

int
owner_map_attach(int fd, struct owner_map **m, struct err *e)
{
	(void)fd;
	(void)m;
	DOUBLE_UNUSED;
	return err_set(e, ERR_INTERNAL, "unused");
}

static struct owner *double_owner; /* the one entry there is */

bool
owner_map_find(const struct owner_map *m, const char *key, struct owner *o)
{
	(void)m;
	if (double_owner == NULL || strcmp(double_owner->key, key) != 0)
		return false;
	*o = *double_owner;
	return true;
}
