/*
 * What was committed: a row a revision, a row a step. The revision's row is
 * the decision; from then on the commit is carried out whatever dies.
 */
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

#define REVISION_COLS                                                           \
	"SELECT rev, txid, time, operator, source, comment, changes, applied, " \
	"layer FROM revision "

enum obj_layer
st_layer(const char *word)
{
	int i;

	for (i = OBJ_LAYERS - 1; i > 0; i--) {
		if (str_equal(word, obj_layer_words[i]))
			break;
	}
	return (enum obj_layer)i;
}

static void
revision_read(sqlite3_stmt *s, struct st_revision *r)
{
	const char *comment = st_text(s, 5);

	memset(r, 0, sizeof *r);
	r->rev = sqlite3_column_int64(s, 0);
	str_copy(r->txid, sizeof r->txid, st_text(s, 1));
	r->time = (uint64_t)sqlite3_column_int64(s, 2);
	str_copy(r->operator, sizeof r->operator, st_text(s, 3));
	str_copy(r->source, sizeof r->source, st_text(s, 4));
	str_copy(r->comment, sizeof r->comment, comment != NULL ? comment : "");
	r->changes = sqlite3_column_int64(s, 6);
	r->applied = sqlite3_column_int(s, 7) != 0;
	r->layer = st_layer(st_text(s, 8));
}

/* The first row of a query (finalized here). */
static int
revision_first(sqlite3_stmt *s, struct st_revision *v, struct err *e)
{
	int r = st_sql_first(s, e);

	if (r == 0)
		revision_read(s, v);
	sqlite3_finalize(s);
	return r;
}

int64_t
st_revision_last(sqlite3 *db)
{
	return st_sql_number(db, "SELECT max(rev) FROM revision");
}

/* The steps, numbered in the order in which they are carried out. */
static int
revision_add_changes(
    sqlite3 *db, int64_t rev, const struct st_changes *c, struct err *e)
{
	sqlite3_stmt *s = st_sql(db, e,
	    "INSERT INTO change(rev, n, stream, path, field, old, new) "
	    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	    "");
	const struct st_change *one;
	size_t i;
	int r = 0;

	if (s == NULL)
		return -ERR_IO;
	for (i = 0; r == 0 && i < c->n; i++) {
		one = &c->list[i];
		r = st_stmt_run(s, e, "iisssss", rev, (int64_t)i, one->stream,
		    one->path, one->field, one->old, one->new);
	}
	sqlite3_finalize(s);
	return r;
}

int
st_revision_add(sqlite3 *db, const struct st_revision *v,
    const struct st_changes *c, struct err *e)
{
	int64_t oldest = v->rev - ST_REVISIONS, waits;
	int r;

	/* what may have to be undone is known until then */
	waits = st_sql_number(db, "SELECT min(rev) FROM unconfirmed");
	if (waits < 0)
		return st_sql_unread((int)waits, e);
	if (waits != 0 && oldest >= waits)
		oldest = waits - 1;

	r = st_sql_run(db, e,
	    "INSERT INTO revision(rev, txid, time, operator, source, comment, "
	    "changes, applied, layer) "
	    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
	    "isisssis", v->rev, v->txid, (int64_t)v->time, v->operator,
	    v->source, v->comment[0] != '\0' ? v->comment : NULL, (int64_t)c->n,
	    v->layer != OBJ_ANY_LAYER ? obj_layer_words[v->layer] : NULL);
	if (r == 0)
		r = revision_add_changes(db, v->rev, c, e);
	if (r == 0)
		r = st_sql_run(
		    db, e, "DELETE FROM revision WHERE rev <= ?1", "i", oldest);
	if (r == 0)
		r = st_sql_run(
		    db, e, "DELETE FROM change WHERE rev <= ?1", "i", oldest);
	return r;
}

int
st_revision_applied(sqlite3 *db, int64_t rev, struct err *e)
{
	return st_sql_run(
	    db, e, "UPDATE revision SET applied = 1 WHERE rev = ?1", "i", rev);
}

int
st_revision_by_txid(sqlite3 *db, const char *txid, struct st_revision *r)
{
	return revision_first(
	    st_sql(db, NULL, REVISION_COLS "WHERE txid = ?1", "s", txid), r,
	    NULL);
}

int
st_revision_get(sqlite3 *db, int64_t rev, struct st_revision *r, struct err *e)
{
	int got = revision_first(
	    st_sql(db, e, REVISION_COLS "WHERE rev = ?1", "i", rev), r, e);

	if (got == -ERR_ABSENT)
		err_set(
		    e, ERR_ABSENT, "there is no revision %lld", (long long)rev);
	return got;
}

int
st_revision_pending(sqlite3 *db, struct st_revision *r)
{
	return revision_first(
	    st_sql(db, NULL,
		REVISION_COLS "WHERE applied = 0 ORDER BY rev LIMIT 1", ""),
	    r, NULL);
}

int
st_revision_changes(
    sqlite3 *db, int64_t rev, struct st_changes *c, struct err *e)
{
	sqlite3_stmt *s = st_sql(db, e,
	    "SELECT stream, path, field, old, new FROM change "
	    "WHERE rev = ?1 ORDER BY n",
	    "i", rev);
	int step = SQLITE_ERROR;

	while (s != NULL && (step = sqlite3_step(s)) == SQLITE_ROW)
		st_changes_add(c, st_text(s, 0), st_text(s, 1), st_text(s, 2),
		    st_text(s, 3), st_text(s, 4));
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : st_sql_fail(db, e, "change set");
}

int
st_revision_each(
    sqlite3 *db, int64_t n, st_revision_fn *fn, void *arg, struct err *e)
{
	sqlite3_stmt *s = st_sql(
	    db, e, REVISION_COLS "ORDER BY rev DESC LIMIT ?1", "i", n);
	struct st_revision v;
	int step = SQLITE_ERROR, r = 0;

	while (r == 0 && s != NULL && (step = sqlite3_step(s)) == SQLITE_ROW) {
		revision_read(s, &v);
		r = fn(arg, &v);
	}
	sqlite3_finalize(s);
	if (r != 0)
		return r;
	return step == SQLITE_DONE ? 0 : st_sql_fail(db, e, "revisions");
}

int
st_revision_touch(sqlite3 *db, const char *path, bool below, int64_t since,
    struct st_touch *by)
{
	sqlite3_stmt *s = st_sql(db, NULL,
	    below ? "SELECT r.rev, r.time, r.operator FROM change c "
		    "JOIN revision r USING(rev) WHERE c.path >= ?1 AND "
		    "c.path < ?1 || '!' AND (c.path = ?1 OR "
		    "c.path > ?1 || ' ') AND c.rev > ?2 "
		    "ORDER BY r.rev DESC LIMIT 1"
		  : "SELECT r.rev, r.time, r.operator FROM change c "
		    "JOIN revision r USING(rev) WHERE c.path = ?1 AND "
		    "c.rev > ?2 ORDER BY r.rev DESC LIMIT 1",
	    "si", path, since);
	int step = s != NULL ? sqlite3_step(s) : SQLITE_ERROR, r;

	memset(by, 0, sizeof *by);
	r = s != NULL ? st_sql_end(s, step, NULL) : -ERR_IO;
	if (step == SQLITE_ROW) {
		r = 1;
		by->rev = sqlite3_column_int64(s, 0);
		by->time = (uint64_t)sqlite3_column_int64(s, 1);
		str_copy(by->operator, sizeof by->operator, st_text(s, 2));
	}
	sqlite3_finalize(s);
	return r;
}
