/*
 * Sessions: which call is at which gate. A row of stream `media` for each,
 * so that the next controller finds it, and an image in memory, so that
 * nothing is read while calls are made. A row names the start of the gate
 * under which it was placed; whether that still runs says the owner map.
 */
#include <stdlib.h>
#include <string.h>

#include "mgc.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role_drill.h"

const char mgc_schema[] = "CREATE TABLE session("
			  "call TEXT PRIMARY KEY, "
			  "gate TEXT NOT NULL, " /* "mg/1@srv1" */
			  "gate_epoch INTEGER NOT NULL, "
			  "created INTEGER NOT NULL);"; /* real clock, us */

struct mgc_session *
mgc_session_find(struct mgc *m, const char *id)
{
	return map_str(&m->sessions, id);
}

bool
mgc_session_is_lost(const struct mgc_session *s)
{
	return !s->gate->serving || s->gate->epoch != s->gate_epoch;
}

/* The image of a row. */
static struct mgc_session *
mgc_session_new(struct mgc *m, const char *id, uint64_t created)
{
	struct mgc_session *s = xcalloc(1, sizeof *s);

	s->id = xstrdup(id);
	s->created = created;
	s->touched = clock_mono();
	if (map_str_put(&m->sessions, id, s) != 0)
		fatalx("mgc: out of memory");
	TAILQ_INSERT_TAIL(&m->list, s, entry);
	m->n.sessions++;
	return s;
}

/* Orders on their way go on without it. */
static void
mgc_session_free(struct mgc *m, struct mgc_session *s)
{
	struct mgc_order *o;

	for (o = TAILQ_FIRST(&m->orders); o != NULL; o = TAILQ_NEXT(o, entry)) {
		if (o->session == s)
			o->session = NULL;
	}
	map_str_del(&m->sessions, s->id);
	TAILQ_REMOVE(&m->list, s, entry);
	s->gate->sessions--;
	m->n.sessions--;
	free(s->id);
	free(s);
}

static void
mgc_session_move(struct mgc_session *s, struct mgc_gate *g)
{
	if (s->gate != NULL)
		s->gate->sessions--;
	s->gate = g;
	s->gate_epoch = g->epoch;
	g->sessions++;
}

static int
mgc_prepare(struct mgc *m, const char *sql, sqlite3_stmt **out, struct err *e)
{
	sqlite3 *db = stream_db(m->stream);

	if (sqlite3_prepare_v3(
		db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
		return err_set(e, ERR_IO, "%s", sqlite3_errmsg(db));
	return 0;
}

/* Step a statement that gives no rows. */
static int
mgc_run(struct mgc *m, sqlite3_stmt *st, struct err *e)
{
	int r = sqlite3_step(st);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (r != SQLITE_DONE)
		return err_set(
		    e, ERR_IO, "%s", sqlite3_errmsg(stream_db(m->stream)));
	return 0;
}

/* One row of what the owner before left. */
static void
mgc_session_load(struct mgc *m, sqlite3_stmt *st)
{
	const char *id = (const char *)sqlite3_column_text(st, 0);
	const char *key = (const char *)sqlite3_column_text(st, 1);
	struct mgc_session *s;

	if (id == NULL || key == NULL || strlen(key) >= OWNER_KEY ||
	    str_prefix(key, ROLE_DRILL))
		return;
	s = mgc_session_new(m, id, (uint64_t)sqlite3_column_int64(st, 3));
	mgc_session_move(s, mgc_gate_find(m, key));
	s->gate_epoch = (uint64_t)sqlite3_column_int64(st, 2);
	s->answered = true;
}

int
mgc_sessions_load(struct mgc *m, struct err *e)
{
	sqlite3_stmt *st;
	int r;

	if ((r = mgc_prepare(m,
		 "INSERT OR REPLACE INTO session VALUES(?1, ?2, ?3, ?4)",
		 &m->put, e)) != 0 ||
	    (r = mgc_prepare(
		 m, "DELETE FROM session WHERE call = ?1", &m->del, e)) != 0 ||
	    (r = mgc_prepare(m,
		 "SELECT call, gate, gate_epoch, created FROM session "
		 "ORDER BY created",
		 &st, e)) != 0)
		return r;
	while ((r = sqlite3_step(st)) == SQLITE_ROW)
		mgc_session_load(m, st);
	if (r != SQLITE_DONE)
		err_set(e, ERR_IO, "%s", sqlite3_errmsg(stream_db(m->stream)));
	sqlite3_finalize(st);
	return r == SQLITE_DONE ? 0 : -ERR_IO;
}

void
mgc_sessions_drop(struct mgc *m)
{
	struct mgc_session *s;

	while ((s = TAILQ_FIRST(&m->list)) != NULL)
		mgc_session_free(m, s);
	sqlite3_finalize(m->put);
	sqlite3_finalize(m->del);
	m->put = m->del = NULL;
}

int
mgc_row_put(struct mgc *m, const char *call, const char *gate,
    uint64_t gate_epoch, uint64_t created, struct err *e)
{
	int r = stream_join(m->stream, e);

	if (r != 0)
		return r;
	sqlite3_bind_text(m->put, 1, call, -1, SQLITE_STATIC);
	sqlite3_bind_text(m->put, 2, gate, -1, SQLITE_STATIC);
	sqlite3_bind_int64(m->put, 3, (sqlite3_int64)gate_epoch);
	sqlite3_bind_int64(m->put, 4, (sqlite3_int64)created);
	return mgc_run(m, m->put, e);
}

int
mgc_row_delete(struct mgc *m, const char *call, struct err *e)
{
	int r = stream_join(m->stream, e);

	if (r != 0)
		return r;
	sqlite3_bind_text(m->del, 1, call, -1, SQLITE_STATIC);
	return mgc_run(m, m->del, e);
}

struct mgc_session *
mgc_session_place(
    struct mgc *m, const char *id, struct mgc_gate *g, struct err *e)
{
	struct mgc_session *s = mgc_session_find(m, id);

	if (s == NULL)
		s = mgc_session_new(m, id, clock_real());
	mgc_session_move(s, g);
	s->answered = false;
	if (mgc_row_put(m, s->id, g->key, s->gate_epoch, s->created, e) != 0) {
		mgc_session_free(m, s);
		return NULL;
	}
	m->n.placed++;
	return s;
}

void
mgc_session_end(struct mgc *m, struct mgc_session *s)
{
	struct err e;

	if (mgc_row_delete(m, s->id, &e) != 0)
		log_warnx("call=%s row stays: %s", s->id, e.text);
	mgc_session_free(m, s);
}
