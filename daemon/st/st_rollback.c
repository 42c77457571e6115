/*
 * The way back: a candidate that would make the running configuration equal
 * to what it was before some revisions. The first change of a field among
 * them holds its old value. Secrets go back as they were sealed, a deleted
 * domain gets its own id again, and with it the data that was kept aside.
 * Nothing runs until the candidate is committed, where conflicts with later
 * work are told as always.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct rollback {
	struct st *st;
	char session[OP_SESSION];
	int64_t after, upto;
	struct st_hold *hold;
	st_hold_fn *done;
	void *arg;
};

/* An object of the history: how it runs now. */
struct rollback_row {
	struct obj_path path;
	struct obj_row row;
	bool exists;
};

/* The object as it runs, seen through the candidate that is being made. */
static int
rollback_look(
    struct rollback *b, const char *path, struct rollback_row *r, struct err *e)
{
	const struct st *st = b->st;
	struct st_place at;
	int got;

	memset(r, 0, sizeof *r);
	got = obj_path_parse(st->cfg.objs, path, &r->path, e);
	if (got == 0)
		got = st_view_locate(&st->view, b->session, &r->path, &at, e);
	if (got == 0)
		got = st_view_row(&at, &r->path, &r->row, &r->exists, e);
	return got;
}

/* Whether the object shall be there: its first step since then says so. */
static int
rollback_object(
    struct rollback *b, const char *path, bool existed, struct err *e)
{
	struct rollback_row r;
	int got = rollback_look(b, path, &r, e);

	if (got == -ERR_ABSENT && !existed)
		return 0; /* it goes with its domain */
	if (got == 0 && (existed || r.exists))
		got = st_cand_intend(b->st->view.cand, b->session, path,
		    existed ? ST_SET : ST_DELETE, r.exists, b->st->rev, e);
	if (r.exists)
		obj_row_fini(&r.row);
	return got;
}

/* The base is what runs, so only later work of others conflicts. */
static int
rollback_put(struct rollback *b, const char *path, const char *field,
    const char *old, struct err *e)
{
	const struct op_field *f;
	struct rollback_row r;
	int got = rollback_look(b, path, &r, e);

	if (got != 0)
		return got;
	f = obj_field(r.path.obj, field);
	if (f != NULL)
		got = st_cand_put(b->st->view.cand, b->session, path, field,
		    r.exists ? r.row.value[f - r.path.obj->fields] : NULL, old,
		    b->st->rev, e);
	if (r.exists)
		obj_row_fini(&r.row);
	return got;
}

/* A field goes back, unless its object goes altogether. */
static int
rollback_field(struct rollback *b, const char *path, const char *field,
    const char *old, struct err *e)
{
	struct st_object o;
	int r;

	r = st_cand_object(b->st->view.cand, b->session, path, &o, e);
	if (r != 0 || o.intent == ST_DELETE)
		return r;
	if (o.intent == ST_NONE) {
		/* Made and gone since then: its own step came first and said
		 * nothing. */
		r = rollback_object(b, path, true, e);
		if (r != 0)
			return r == -ERR_ABSENT ? 0 : r;
	}
	return rollback_put(b, path, field, old, e);
}

/* Turn that part of the history into a candidate. min() picks the row
 * whose other columns are shown: sqlite.org/lang_select.html, "Bare columns
 * in an aggregate query". */
static int
rollback_fill(void *arg, struct err *e)
{
	struct rollback *b = arg;
	sqlite3_stmt *s = st_sql(b->st->view.db(b->st, "commit"), e,
	    "SELECT path, field, old, min(rev * 1000000000 + n) FROM change "
	    "WHERE rev > ?1 AND rev <= ?2 GROUP BY path, field "
	    "ORDER BY path, field",
	    "ii", b->after, b->upto);
	const char *path = NULL, *field, *old;
	char gone[OBJ_PATH] = "";
	int step = SQLITE_ROW, r = 0;

	if (s == NULL)
		return -ERR_IO;
	while (r == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
		path = st_text(s, 0);
		field = st_text(s, 1);
		old = st_text(s, 2);
		if (field[0] == '\0' && old == NULL)
			snprintf(gone, sizeof gone, "%s", path);
		if (field[0] == '\0')
			r = rollback_object(b, path, old != NULL, e);
		else if (strcmp(gone, path) != 0)
			r = rollback_field(b, path, field, old, e);
		if (r != 0)
			err_wrap(e, "%s", path);
	}
	if (r == 0)
		r = st_sql_end(s, step, e);
	sqlite3_finalize(s);
	return r;
}

/* The hold is closed first: the callee may begin a commit. */
static void
rollback_end(struct rollback *b, const struct err *e)
{
	struct rollback was = *b;

	st_hold_close(&b->hold);
	free(b);
	was.done(was.arg, e);
}

/* The streams of all domains that the history speaks of are open. */
static void
rollback_on_open(void *arg, const struct err *why)
{
	struct rollback *b = arg;
	struct err e;

	if (why == NULL && st_stream_whole(b->st, rollback_fill, b, &e) != 0)
		why = &e;
	rollback_end(b, why);
}

/* Streams of domains that were touched; those of deleted ones too. */
static int
rollback_hold(struct rollback *b, struct err *e)
{
	struct st *st = b->st;
	sqlite3_stmt *s = st_sql(st->view.db(st, "commit"), e,
	    "SELECT DISTINCT stream FROM change WHERE rev > ?1 AND rev <= ?2 "
	    "AND stream LIKE 'domain/%' AND stream <> '" ST_ROOT_STREAM "'",
	    "ii", b->after, b->upto);

	int step, r;

	if (s == NULL)
		return -ERR_IO;
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		if (st_view_known(
			&st->view, st_text(s, 0) + strlen("domain/")) != 0)
			st_hold_add(b->hold, st_text(s, 0), ST_DOMAIN);
	}
	r = st_sql_end(s, step, e);
	sqlite3_finalize(s);
	return r;
}

void
st_rollback(struct st *st, const char *session, int64_t after, int64_t upto,
    st_hold_fn *done, void *arg)
{
	struct rollback *b = xcalloc(1, sizeof *b);
	struct err e;

	b->st = st;
	str_copy(b->session, sizeof b->session, session);
	b->after = after;
	b->upto = upto;
	b->done = done;
	b->arg = arg;
	b->hold = st_hold_new(st, rollback_on_open, b);
	if (rollback_hold(b, &e) != 0)
		rollback_end(b, &e);
	else
		st_hold_go(b->hold);
}
