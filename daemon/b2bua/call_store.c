/*
 * Record first. What the outside may see of a call is a step; a step runs
 * only when a record that knows it is acknowledged. Changes of one turn of
 * the loop make one record; records of many calls make one group commit.
 *
 * Decides when to write and what waits for it. A record that cannot be
 * written ends its call; an ended call is told to both sides even then,
 * for silence would promise more. A stream that is lost ends the process:
 * somebody else goes on with its calls, and nothing may be said here.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"

#define STORE_PAGE 1024

struct call_step {
	struct call_step *next;
	call_step_fn *fn;
	void *arg;
};

/* One acknowledgement waited for. */
struct call_write {
	struct stream_ack ack;
	struct call_write *next, **prev;
	struct call *call;
	struct call_step *steps;
};

struct call_store {
	struct b2bua *b2bua;
	struct stream *stream;
	struct reader *commit;
	bool ready;
	int64_t next_row;
	sqlite3_stmt *put, *drop, *book, *collected;
	struct call *dirty, **dirty_last;
	struct loop_defer flush;
	struct call_write *writes;
	struct buf record;
	struct call_record snapshot;
	bool failing; /* the last write failed: said once */
};

/* ---- steps ---- */

static void
store_run_steps(struct call *c, struct call_step **steps)
{
	struct call_step *s;

	while ((s = *steps) != NULL) {
		*steps = s->next;
		s->fn(c, s->arg);
		free(s);
	}
}

static void
store_free_steps(struct call_step **steps)
{
	struct call_step *s;

	while ((s = *steps) != NULL) {
		*steps = s->next;
		free(s);
	}
}

static void
store_take_steps(struct call *c, struct call_step **steps)
{
	*steps = c->steps;
	c->steps = NULL;
	c->steps_last = &c->steps;
}

static void
store_end_write(struct call_write *w)
{
	if (w->next != NULL)
		w->next->prev = w->prev;
	*w->prev = w->next;
	store_free_steps(&w->steps);
	free(w);
}

/*
 * The record is not written: the steps do not happen, and the call ends. When
 * it was ending already, both sides are told without one.
 */
static void
store_refused(struct call *c, struct call_step **steps)
{
	if (c->state == CALL_ENDING) {
		store_run_steps(c, steps);
		call_settle(c);
		return;
	}
	store_free_steps(steps);
	call_end(c, 503, "no record can be written", CALL_SIDE_SYSTEM);
}

static void
store_on_ack(void *arg, const struct err *err)
{
	struct call_write *w = arg;
	struct call *c = w->call;
	struct call_step *steps = w->steps;

	w->steps = NULL;
	store_end_write(w);
	c->writes--;
	if (err == NULL) {
		store_run_steps(c, &steps);
		call_settle(c);
	} else
		store_refused(c, &steps);
}

/* ---- writing ---- */

static int
store_step(struct stream *s, sqlite3_stmt *stmt, struct err *err)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	if (rc == SQLITE_DONE)
		return 0;
	return err_set(err, ERR_IO, "record: %s", sqlite3_errmsg(stream_db(s)));
}

static int
store_put(struct call_store *st, struct call *c, struct err *err)
{
	int rc = stream_join(st->stream, err);

	if (rc != 0)
		return rc;
	buf_reset(&st->record);
	call_snapshot(c, &st->snapshot);
	call_record_encode(&st->record, &st->snapshot);
	if (st->record.failed)
		return err_set(err, ERR_NOMEM, "record: out of memory");
	if (c->row == 0)
		c->row = st->next_row++;
	sqlite3_bind_int64(st->put, 1, c->row);
	sqlite3_bind_blob(
	    st->put, 2, st->record.data, (int)st->record.len, SQLITE_STATIC);
	c->b2bua->count.records++;
	return store_step(st->stream, st->put, err);
}

/* Say that writing fails when it begins to, and when it works again. */
static void
store_note(struct call_store *st, const struct err *err)
{
	if (err != NULL && !st->failing)
		log_warnx("%s: %s; calls are refused", stream_name(st->stream),
		    err->text);
	if (err == NULL && st->failing)
		log_info(
		    "%s: records are written again", stream_name(st->stream));
	st->failing = err != NULL;
}

static void
store_flush_call(struct call_store *st, struct call *c)
{
	struct call_step *steps;
	struct call_write *w;
	struct err err;
	int rc;

	store_take_steps(c, &steps);
	rc = st->ready ? store_put(st, c, &err)
		       : err_set(&err, ERR_NOOWNER, "not the owner");
	store_note(st, rc == 0 ? NULL : &err);
	if (rc != 0) {
		store_refused(c, &steps);
		return;
	}
	if (steps == NULL) {
		call_settle(c);
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->ack = (struct stream_ack){.fn = store_on_ack, .arg = w};
	w->call = c;
	w->steps = steps;
	w->prev = &st->writes;
	if ((w->next = st->writes) != NULL)
		w->next->prev = &w->next;
	st->writes = w;
	c->writes++;
	stream_on_ack(st->stream, &w->ack);
}

static void
store_flush(void *arg)
{
	struct call_store *st = arg;
	struct call *c;

	while ((c = st->dirty) != NULL) {
		if ((st->dirty = c->dirty_next) == NULL)
			st->dirty_last = &st->dirty;
		c->dirty = false;
		store_flush_call(st, c);
	}
}

void
call_store_flush(struct call_store *st)
{
	if (st != NULL)
		store_flush(st);
}

void
call_store_touch(struct call *c)
{
	struct call_store *st = c->b2bua->store;

	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = NULL;
	*st->dirty_last = c;
	st->dirty_last = &c->dirty_next;
	loop_defer(c->b2bua->self->loop, &st->flush);
}

void
call_store_then(struct call *c, call_step_fn *fn, void *arg)
{
	struct call_step *s = xcalloc(1, sizeof *s);

	s->fn = fn;
	s->arg = arg;
	*c->steps_last = s;
	c->steps_last = &s->next;
	call_store_touch(c);
}

static void
store_clean(struct call_store *st, struct call *c)
{
	struct call **at = &st->dirty;

	if (!c->dirty)
		return;
	while (*at != c)
		at = &(*at)->dirty_next;
	if ((*at = c->dirty_next) == NULL)
		st->dirty_last = at;
	c->dirty = false;
}

void
call_store_forget(struct call *c)
{
	struct call_store *st = c->b2bua->store;
	struct call_write *w, *next;
	struct call_step *steps;

	store_clean(st, c);
	store_take_steps(c, &steps);
	store_free_steps(&steps);
	for (w = c->writes > 0 ? st->writes : NULL; w != NULL; w = next) {
		next = w->next;
		if (w->call != c)
			continue;
		stream_ack_cancel(st->stream, &w->ack);
		store_end_write(w);
		c->writes--;
	}
}

/* The row of an ended call, and its record gone with it. */
static int
store_book(struct call_store *st, struct call *c, bool drop, struct err *err)
{
	int rc = stream_join(st->stream, err);

	if (rc == 0 && !c->booked) {
		rc = cdr_write(st->book, c, err);
		st->b2bua->count.cdr_waiting += rc == 0;
	}
	if (rc == 0)
		c->booked = true;
	if (rc != 0 || !drop || c->row == 0)
		return rc;
	sqlite3_bind_int64(st->drop, 1, c->row);
	return store_step(st->stream, st->drop, err);
}

void
call_store_book(struct call *c, bool drop)
{
	struct call_store *st = c->b2bua->store;
	struct err err;
	int rc;

	if (!st->ready)
		return;
	rc = store_book(st, c, drop, &err);
	store_note(st, rc == 0 ? NULL : &err);
	if (!drop)
		call_store_touch(c);
}

/* ---- CDR rows that ST has ---- */

static int64_t
store_read_collected(struct call_store *st)
{
	sqlite3 *db = reader_db(st->commit);
	sqlite3_stmt *s = NULL;
	int64_t seq = 0;
	int step;

	if (db == NULL ||
	    sqlite3_prepare_v2(db, "SELECT seq FROM collected WHERE stream = ?",
		-1, &s, NULL) != SQLITE_OK)
		return 0;
	sqlite3_bind_text(s, 1, st->b2bua->key, -1, SQLITE_STATIC);
	/* what cannot be read now is forgotten later */
	if ((step = sqlite3_step(s)) == SQLITE_ROW)
		seq = sqlite3_column_int64(s, 0);
	sql_end(s, step, "stream commit", NULL);
	sqlite3_finalize(s);
	return seq;
}

void
call_store_collected(struct call_store *st)
{
	int64_t seq = store_read_collected(st);
	struct err err;

	if (!st->ready || seq == 0)
		return;
	if (stream_join(st->stream, &err) != 0) {
		store_note(st, &err);
		return;
	}
	sqlite3_bind_int64(st->collected, 1, seq);
	if (store_step(st->stream, st->collected, &err) == 0)
		st->b2bua->count.cdr_waiting -= (uint64_t)sqlite3_changes64(
		    stream_db(st->stream));
}

static void
store_ignore_change(void *arg, const char *object, const char *key)
{
	(void)arg;
	(void)object;
	(void)key;
}

static void
store_on_commit(void *arg, struct reader *r, enum reader_event event)
{
	struct call_store *st = arg;
	struct err err;

	if (event == READER_CHANGED)
		reader_changes(r, store_ignore_change, NULL, &err);
	if (event != READER_ABSENT)
		call_store_collected(st);
}

/* ---- opening ---- */

static int
store_prepare(struct call_store *st, const char *sql, sqlite3_stmt **stmt,
    struct err *err)
{
	if (sqlite3_prepare_v3(stream_db(st->stream), sql, -1,
		SQLITE_PREPARE_PERSISTENT, stmt, NULL) == SQLITE_OK)
		return 0;
	return err_set(err, ERR_IO, "%s: %s", stream_name(st->stream),
	    sqlite3_errmsg(stream_db(st->stream)));
}

/* The number that a query without parameters gives. */
static int
store_number(
    struct call_store *st, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *s;
	int rc = store_prepare(st, sql, &s, err), step;

	if (rc != 0)
		return rc;
	*out = 0;
	if ((step = sqlite3_step(s)) == SQLITE_ROW)
		*out = sqlite3_column_int64(s, 0);
	rc = sql_end(s, step, stream_name(st->stream), err);
	sqlite3_finalize(s);
	return rc;
}

static int
store_prepare_all(struct call_store *st, struct err *err)
{
	int64_t waiting, last;
	int rc;

	if ((rc = store_number(
		 st, "SELECT count(*) FROM cdr", &waiting, err)) != 0 ||
	    (rc = store_number(
		 st, "SELECT coalesce(max(id), 0) FROM call", &last, err)) != 0)
		return rc;
	st->b2bua->count.cdr_waiting = (uint64_t)waiting;
	st->next_row = last + 1;
	if ((rc = store_prepare(st,
		 "INSERT INTO call (id, record) VALUES (?1, ?2)"
		 " ON CONFLICT (id) DO UPDATE SET record = ?2",
		 &st->put, err)) != 0 ||
	    (rc = store_prepare(
		 st, "DELETE FROM call WHERE id = ?", &st->drop, err)) != 0 ||
	    (rc = store_prepare(st, cdr_insert, &st->book, err)) != 0 ||
	    (rc = store_prepare(st, "DELETE FROM cdr WHERE seq <= ?",
		 &st->collected, err)) != 0)
		return rc;
	return 0;
}

void
call_store_drop_row(struct call_store *st, int64_t row)
{
	struct err err;
	int rc = stream_join(st->stream, &err);

	if (rc == 0) {
		sqlite3_bind_int64(st->drop, 1, row);
		rc = store_step(st->stream, st->drop, &err);
	}
	store_note(st, rc == 0 ? NULL : &err);
}

int
call_store_each(
    struct call_store *st, call_store_fn *fn, void *arg, struct err *err)
{
	sqlite3_stmt *s;
	int rc = store_prepare(
	    st, "SELECT id, record FROM call ORDER BY id", &s, err);

	if (rc != 0)
		return rc;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW)
		fn(arg, sqlite3_column_int64(s, 0), sqlite3_column_blob(s, 1),
		    (size_t)sqlite3_column_bytes(s, 1));
	rc = sql_end(s, rc, stream_name(st->stream), err);
	sqlite3_finalize(s);
	return rc;
}

/* Ready to write: first the calls that were there before, then the world. */
static void
store_on_ready(void *arg, struct stream *s, const struct err *failed)
{
	struct call_store *st = arg;
	struct b2bua *b = st->b2bua;
	struct err err;

	if (failed != NULL)
		fatalx("%s: %s", stream_name(s), failed->text);
	if (store_prepare_all(st, &err) != 0)
		fatalx("%s", err.text);
	st->ready = true;
	if (adopt_all(b, &err) != 0)
		fatalx("%s", err.text);
	if (st->commit == NULL &&
	    reader_open(b->self->repl, "commit", store_on_commit, st,
		&st->commit, &err) != 0)
		log_warnx("commit: %s", err.text);
	nta_guest_start(b->guest);
	role_serving(b->self, b->key, b->epoch);
}

static void
store_on_lost(void *arg, struct stream *s, const struct err *err)
{
	(void)arg;
	fatalx(
	    "%s: %s: others go on with its calls", stream_name(s), err->text);
}

int
call_store_open(struct b2bua *b, uint64_t epoch, struct err *err)
{
	struct call_store *st = xcalloc(1, sizeof *st);
	struct stream_config config = {.name = b->key,
	    .epoch = epoch,
	    .page_size = STORE_PAGE,
	    .schema = cdr_schema,
	    .on_ready = store_on_ready,
	    .on_lost = store_on_lost,
	    .arg = st};
	int rc;

	st->b2bua = b;
	st->dirty_last = &st->dirty;
	st->flush = (struct loop_defer){.fn = store_flush, .arg = st};
	b->store = st;
	b->epoch = epoch;
	rc = stream_open(b->self->repl, &config, &st->stream, err);
	if (rc != 0)
		call_store_close(&b->store);
	return rc;
}

void
call_store_close(struct call_store **stp)
{
	struct call_store *st = *stp;

	*stp = NULL;
	if (st == NULL)
		return;
	loop_defer_cancel(st->b2bua->self->loop, &st->flush);
	sqlite3_finalize(st->put);
	sqlite3_finalize(st->drop);
	sqlite3_finalize(st->book);
	sqlite3_finalize(st->collected);
	if (st->commit != NULL)
		reader_close(&st->commit);
	if (st->stream != NULL)
		stream_close(&st->stream);
	buf_fini(&st->record);
	free(st);
}

bool
call_store_is_open(const struct call_store *st)
{
	return st != NULL && st->ready;
}
