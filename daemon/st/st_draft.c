/*
 * What is known of a candidate as a whole: whose it is, whether its session is
 * still there, and whether it is to be committed by itself at a time. The
 * candidate of a person has a row here from its first edit on and is kept when
 * the session ends; any other, a script's or the store's own, is forgotten
 * then. A candidate that waits for its time belongs to no session: its name
 * begins with ST_DRAFT_AT.
 */
#include <stdio.h>
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

#define DRAFT_COLS                                                           \
	"SELECT d.session, d.operator, d.source, d.started, d.ended, d.at, " \
	"d.minutes, d.comment, d.failed, (SELECT count(*) FROM candidate c " \
	"WHERE c.session = d.session), d.fixed, d.txid FROM draft d "

static void
draft_text(char *out, size_t size, sqlite3_stmt *s, int col)
{
	const char *text = st_text(s, col);

	str_copy(out, size, text != NULL ? text : "");
}

static void
draft_read(sqlite3_stmt *s, struct st_draft *d)
{
	memset(d, 0, sizeof *d);
	draft_text(d->session, sizeof d->session, s, 0);
	draft_text(d->operator, sizeof d->operator, s, 1);
	draft_text(d->source, sizeof d->source, s, 2);
	d->started = (uint64_t)sqlite3_column_int64(s, 3);
	d->left = (uint64_t)sqlite3_column_int64(s, 4);
	d->at = (uint64_t)sqlite3_column_int64(s, 5);
	d->minutes = sqlite3_column_int64(s, 6);
	draft_text(d->comment, sizeof d->comment, s, 7);
	draft_text(d->failed, sizeof d->failed, s, 8);
	d->changes = sqlite3_column_int64(s, 9);
	d->fixed = sqlite3_column_int(s, 10) != 0;
	draft_text(d->txid, sizeof d->txid, s, 11);
}

/* The first row of a query (finalized here); -ERR_ABSENT. */
static int
draft_first(sqlite3_stmt *s, struct st_draft *d)
{
	int r = st_sql_first(s, NULL);

	if (r == 0)
		draft_read(s, d);
	sqlite3_finalize(s);
	return r;
}

int
st_draft_get(sqlite3 *commit, const char *session, struct st_draft *d)
{
	return draft_first(
	    st_sql(commit, NULL, DRAFT_COLS "WHERE session = ?1", "s", session),
	    d);
}

int
st_draft_newest(sqlite3 *commit, const char *operator, struct st_draft * d)
{
	return draft_first(
	    st_sql(commit, NULL,
		DRAFT_COLS
		"WHERE operator = ?1 AND coalesce(ended, at) IS NOT NULL "
		"ORDER BY at IS NOT NULL, ended DESC, started DESC LIMIT 1",
		"s", operator),
	    d);
}

int
st_draft_by_txid(sqlite3 *commit, const char *txid, struct st_draft *d)
{
	return draft_first(
	    st_sql(commit, NULL,
		DRAFT_COLS "WHERE d.txid = ?1 AND d.at IS NOT NULL", "s", txid),
	    d);
}

int
st_draft_due(sqlite3 *commit, struct st_draft *d)
{
	return draft_first(
	    st_sql(commit, NULL,
		DRAFT_COLS "WHERE at IS NOT NULL ORDER BY at LIMIT 1", ""),
	    d);
}

int
st_draft_each(sqlite3 *commit, st_draft_fn *fn, void *arg, struct err *e)
{
	sqlite3_stmt *s = st_sql(
	    commit, e, DRAFT_COLS "ORDER BY started, session", "");
	struct st_draft d;
	int step = SQLITE_ERROR, r = 0;

	while (r == 0 && s != NULL && (step = sqlite3_step(s)) == SQLITE_ROW) {
		draft_read(s, &d);
		if (d.changes > 0)
			r = fn(arg, &d);
	}
	sqlite3_finalize(s);
	if (r != 0)
		return r;
	return step == SQLITE_DONE ? 0 : st_sql_fail(commit, e, "candidates");
}

/* ---- sessions that come and go ------------------------------------------- */

int
st_draft_leave(
    struct st_cand *c, const char *session, uint64_t now, struct err *e)
{
	sqlite3 *db = st_cand_db(c);
	struct st_draft d;
	int r = st_exclusive_leave(db, session, e);

	if (r != 0)
		return r;
	r = st_draft_get(db, session, &d);
	if (r != 0 && r != -ERR_ABSENT)
		return st_sql_unread(r, e);
	if (r != 0 || d.changes == 0)
		return st_cand_drop(c, session, NULL, e);
	return st_sql_run(db, e,
	    "UPDATE draft SET ended = ?2 WHERE session = ?1 AND ended IS NULL "
	    "AND at IS NULL",
	    "si", session, (int64_t)now);
}

/* Is it one of the texts of an array? */
static bool
draft_listed(json_t *array, const char *text)
{
	json_t *v;
	size_t i;

	json_array_foreach (array, i, v) {
		if (json_is_string(v) &&
		    strcmp(json_string_value(v), text) == 0)
			return true;
	}
	return false;
}

/* Does a session belong to the consoles of a server? */
static bool
draft_is_of(const char *session, const char *server)
{
	const char *dot = strrchr(session, '.');

	return server == NULL ||
	    (dot != NULL && strlen(server) == (size_t)(dot - session) &&
		strncmp(session, server, (size_t)(dot - session)) == 0);
}

/* Every session once, from one to the next by the index: a candidate may have
 * very many rows, and a new owner is asked at once. */
static const char draft_sessions[] =
    "WITH RECURSIVE s(name) AS (SELECT min(session) FROM candidate UNION ALL "
    "SELECT (SELECT min(session) FROM candidate WHERE session > s.name) "
    "FROM s WHERE s.name IS NOT NULL) "
    "SELECT name FROM s WHERE name IS NOT NULL "
    "UNION SELECT session FROM draft UNION SELECT session FROM exclusive";

int
st_draft_sessions(struct st_cand *c, const char *server, json_t *sessions,
    uint64_t now, struct err *e)
{
	sqlite3_stmt *s = st_sql(st_cand_db(c), e, draft_sessions, "");
	json_t *gone = json_array(), *v;
	const char *name;
	size_t i;
	int r = s != NULL ? 0 : -ERR_IO, step = SQLITE_DONE;

	while (s != NULL && (step = sqlite3_step(s)) == SQLITE_ROW) {
		name = st_text(s, 0);
		if (draft_is_of(name, server) && !draft_listed(sessions, name))
			json_array_append_new(gone, json_string(name));
	}
	if (r == 0)
		r = st_sql_end(s, step, e);
	sqlite3_finalize(s);
	json_array_foreach (gone, i, v) {
		if (r == 0)
			r = st_draft_leave(c, json_string_value(v), now, e);
	}
	json_decref(gone);
	return r;
}

/* ---- another session, or a time ------------------------------------------ */

int
st_draft_take(struct st_cand *c, const char *from, const struct op_who *who,
    struct err *e)
{
	sqlite3 *db = st_cand_db(c);
	int r;

	st_cand_remember(c, NULL, NULL, NULL);
	r = st_sql_run(
	    db, e, "DELETE FROM draft WHERE session = ?1", "s", who->session);
	if (r == 0)
		r = st_sql_run(db, e,
		    "UPDATE candidate SET session = ?2 WHERE session = ?1",
		    "ss", from, who->session);
	if (r == 0)
		r = st_sql_run(db, e,
		    "UPDATE draft SET session = ?2, operator = ?3, source = ?4,"
		    " ended = NULL, at = NULL, minutes = NULL, comment = NULL,"
		    " failed = NULL, txid = NULL WHERE session = ?1",
		    "ssss", from, who->session, who->name, who->from);
	return r;
}

int
st_draft_schedule(struct st_cand *c, struct st_draft *d, struct err *e)
{
	sqlite3 *db = st_cand_db(c);
	char name[sizeof d->session], random[13];
	int r;

	rand_hex(random, 6);
	snprintf(name, sizeof name, ST_DRAFT_AT "%s", random);
	st_cand_remember(c, NULL, NULL, NULL);
	r = st_sql_run(db, e,
	    "UPDATE candidate SET session = ?2 WHERE session = ?1", "ss",
	    d->session, name);
	if (r == 0)
		r = st_sql_run(db, e,
		    "UPDATE draft SET session = ?2, at = ?3, minutes = ?4, "
		    "comment = ?5, fixed = ?6, txid = ?7, ended = NULL, "
		    "failed = NULL WHERE session = ?1",
		    "ssiisis", d->session, name, (int64_t)d->at, d->minutes,
		    d->comment[0] != '\0' ? d->comment : NULL,
		    (int64_t)d->fixed, d->txid);
	str_copy(d->session, sizeof d->session, name);
	return r;
}

int
st_draft_failed(sqlite3 *commit, const char *session, const char *words,
    uint64_t now, struct err *e)
{
	return st_sql_run(commit, e,
	    "UPDATE draft SET at = NULL, txid = NULL, ended = ?2, failed = ?3 "
	    "WHERE session = ?1",
	    "sis", session, (int64_t)now, words);
}
