/*
 * Operation on a database that was given up (replication/conflict.h): what it
 * holds, compared with what the site has now, row by row and in both
 * directions. It knows nothing of what the tables mean, so it shows all of
 * them: configuration, registrations, call records.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"
#include "replication/conflict.h"

#define CONFLICT_VALUE 250 /* bytes of a value that are shown */
#define CONFLICT_COLUMNS 64

struct review {
	struct op_call *call;
	struct conflict conflict;
	sqlite3 *given; /* what was given up */
	sqlite3 *site;	/* what is there now; NULL = no such stream */
	int64_t left;	/* rows that may still be shown */
};

/* A table in both databases. */
struct review_table {
	const char *name;
	sqlite3_stmt *all; /* its rows in one database */
	sqlite3_stmt *one; /* the row of the same key in the other, or NULL */
	int key[CONFLICT_COLUMNS]; /* columns of the key, in order */
	int nkeys;
};

/* ---- rows as text ------------------------------------------------------- */

static void
review_value(struct buf *b, sqlite3_stmt *s, int col)
{
	const char *text;

	if (sqlite3_column_type(s, col) == SQLITE_BLOB) {
		buf_fmt(b, "(%d bytes)", sqlite3_column_bytes(s, col));
		return;
	}
	text = (const char *)sqlite3_column_text(s, col);
	buf_fmt(b, "%.*s%s", CONFLICT_VALUE, text != NULL ? text : "-",
	    text != NULL && strlen(text) > CONFLICT_VALUE ? "..." : "");
}

static bool
review_equal(sqlite3_stmt *a, sqlite3_stmt *b, int col)
{
	int n = sqlite3_column_bytes(a, col);

	return sqlite3_column_type(a, col) == sqlite3_column_type(b, col) &&
	    n == sqlite3_column_bytes(b, col) &&
	    (n == 0 ||
		memcmp(sqlite3_column_blob(a, col), sqlite3_column_blob(b, col),
		    (size_t)n) == 0);
}

static bool
review_is_key(const struct review_table *t, int col)
{
	int i;

	for (i = 0; i < t->nkeys && t->key[i] != col; i++)
		;
	return i < t->nkeys;
}

/* The columns of a row that has no counterpart, or the key and what differs
 * in the counterpart. False when nothing does. */
static bool
review_row(const struct review_table *t, bool both, struct buf *b)
{
	int n = sqlite3_column_count(t->all), i;
	bool differs = false;

	for (i = 0; i < n; i++) {
		bool same = both && review_equal(t->all, t->one, i);

		if (both && same && !review_is_key(t, i))
			continue;
		if (!both && sqlite3_column_type(t->all, i) == SQLITE_NULL)
			continue;
		buf_fmt(b, "%s%s=", b->len != 0 ? " " : "",
		    sqlite3_column_name(t->all, i));
		review_value(b, t->all, i);
		if (both && !same) {
			differs = true;
			buf_add(b, " (site: ", 8);
			review_value(b, t->one, i);
			buf_add(b, ")", 1);
		}
	}
	return !both || differs;
}

/* ---- tables ------------------------------------------------------------- */

/* The condition that a row has the key of another: "a" IS ?1 AND ... of the
 * primary key, of all columns where there is none or whole rows are compared.
 */
static bool
review_key(struct review_table *t, sqlite3 *db, bool whole, struct buf *where)
{
	sqlite3_stmt *s;
	int pass, n, step = SQLITE_DONE;

	for (pass = whole; pass < 2 && t->nkeys == 0; pass++) {
		if (sqlite3_prepare_v2(db,
			"SELECT cid, name FROM pragma_table_info(?1) "
			"WHERE pk > 0 OR ?2 ORDER BY cid",
			-1, &s, NULL) != SQLITE_OK)
			return false;
		sqlite3_bind_text(s, 1, t->name, -1, SQLITE_STATIC);
		sqlite3_bind_int(s, 2, pass);
		while ((step = sqlite3_step(s)) == SQLITE_ROW &&
		    (n = t->nkeys) < CONFLICT_COLUMNS) {
			t->key[t->nkeys++] = sqlite3_column_int(s, 0);
			buf_fmt(where, "%s\"%s\" IS ?%d", n > 0 ? " AND " : "",
			    sqlite3_column_text(s, 1), t->nkeys);
		}
		sqlite3_finalize(s);
	}
	return step == SQLITE_DONE || step == SQLITE_ROW;
}

static bool
review_prepare(struct review_table *t, sqlite3 *from, sqlite3 *to, bool whole)
{
	struct buf sql = BUF_INIT, where = BUF_INIT;
	bool ok;

	ok = review_key(t, from, whole, &where);
	buf_fmt(&sql, "SELECT * FROM \"%s\"", t->name);
	ok = ok && !sql.failed &&
	    sqlite3_prepare_v2(from, sql.data, -1, &t->all, NULL) == SQLITE_OK;
	if (ok && to != NULL && where.len != 0 && !where.failed) {
		buf_fmt(&sql, " WHERE %s", where.data);
		/* It may be a table that the other database has not. */
		if (!sql.failed)
			sqlite3_prepare_v2(to, sql.data, -1, &t->one, NULL);
	}
	buf_fini(&sql);
	buf_fini(&where);
	return ok;
}

/* Go to the row with the key of this one in the other database: 1, 0, or
 * negative when it cannot be read. */
static int
review_find(struct review_table *t)
{
	int i, step;

	if (t->one == NULL)
		return 0;
	sqlite3_reset(t->one);
	for (i = 0; i < t->nkeys; i++)
		sqlite3_bind_value(
		    t->one, i + 1, sqlite3_column_value(t->all, t->key[i]));
	step = sqlite3_step(t->one);
	return step == SQLITE_ROW ? 1 : sql_end(t->one, step, t->name, NULL);
}

static void
review_put(
    struct review *v, const char *table, const char *where, const char *row)
{
	op_row(v->call);
	op_put(v->call, "table", table);
	op_put(v->call, "where", where);
	op_put(v->call, "row", row);
	v->left--;
}

/* The rows of a table that one database has and the other has not, or, when
 * it is the one that was given up, not so. */
static void
review_one_table(struct review *v, const char *name, bool given)
{
	struct review_table t = {.name = name};
	struct buf b = BUF_INIT;
	/* Both sides count their commits on, so equal numbers say nothing. */
	bool whole = strcmp(v->conflict.stream, "commit") == 0, unread = false;
	int both, step = SQLITE_ROW;

	if (!review_prepare(&t, given ? v->given : v->site,
		given ? v->site : v->given, whole)) {
		op_warn(v->call, "table %s cannot be read", name);
		return;
	}
	while (v->left > 0 && (step = sqlite3_step(t.all)) == SQLITE_ROW) {
		buf_reset(&b);
		if ((both = review_find(&t)) < 0) {
			unread = true;
			continue;
		}
		if ((both && !given) || !review_row(&t, both == 1, &b) ||
		    b.failed)
			continue;
		review_put(v, name,
		    both	? "both"
			: given ? "given-up"
				: "site",
		    b.data);
	}
	if (sql_end(t.all, step, name, NULL) != 0 || unread)
		op_warn(v->call,
		    "table %s cannot be read whole: rows are "
		    "missing here",
		    name);
	sqlite3_finalize(t.all);
	sqlite3_finalize(t.one);
	buf_fini(&b);
}

/* All tables but those that a stream has for itself. */
static void
review_tables(struct review *v, sqlite3 *db, bool given)
{
	sqlite3_stmt *s;
	int step;

	if (db == NULL)
		return;
	if (sqlite3_prepare_v2(db,
		"SELECT name FROM sqlite_master WHERE type = 'table' AND "
		"name NOT LIKE 'sqlite!_%' ESCAPE '!' AND "
		"name NOT LIKE '!_%' ESCAPE '!' ORDER BY name",
		-1, &s, NULL) != SQLITE_OK) {
		op_warn(v->call, "what %s cannot be read",
		    given ? "was given up" : "the site has");
		return;
	}
	while ((step = sqlite3_step(s)) == SQLITE_ROW)
		review_one_table(
		    v, (const char *)sqlite3_column_text(s, 0), given);
	if (sql_end(s, step, v->conflict.stream, NULL) != 0)
		op_warn(v->call, "not all tables can be read");
	sqlite3_finalize(s);
}

/* ---- show conflict ------------------------------------------------------ */

static void
review_end(struct review *v, const struct err *e)
{
	struct op_call *call = v->call;

	sqlite3_close_v2(v->given);
	free(v);
	op_finish(call, e);
}

static void
review_on_site(void *arg, sqlite3 *db, const struct err *why)
{
	struct review *v = arg;

	if (why != NULL && why->code != ERR_ABSENT) {
		review_end(v, why);
		return;
	}
	v->site = why == NULL ? db : NULL;
	review_tables(v, v->given, true);
	review_tables(v, v->site, false);
	if (v->left == 0)
		op_cut(v->call);
	review_end(v, NULL);
}

static int
review_open(struct review *v, const char *name, struct err *e)
{
	const struct control *c = control_of(v->call);
	char path[STREAM_PATH];

	if (!conflict_parse(&v->conflict, name))
		return err_set(e, ERR_INVALID,
		    "%s: expected a name as in show conflicts", name);
	conflict_path(c->self->root, &v->conflict, path);
	if (sqlite3_open_v2(path, &v->given, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		return err_set(e, ERR_ABSENT,
		    "server %s has no conflict %s: show conflicts tells on "
		    "which server each is",
		    c->self->server, name);
	return 0;
}

static void
review_run(struct op_call *call)
{
	struct review *v = xcalloc(1, sizeof *v);
	struct err e;

	v->call = call;
	v->left = op_arg_int(call, "limit", 1000);
	if (review_open(v, op_arg(call, "conflict"), &e) != 0)
		review_end(v, &e);
	else
		streams_read(control_of(call)->streams, v->conflict.stream,
		    review_on_site, v);
}

static const struct op_field review_args[] = {
    {.name = "conflict",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = CONFLICT_NAME - 1,
	.brief = "its name, as show conflicts tells it"},
    {.name = "limit",
	.type = &op_type_int,
	.min = 1,
	.max = 100000,
	.def = "1000",
	.brief = "rows at most"},
    {0},
};

static const struct op_field review_cols[] = {
    {.name = "table", .type = &op_type_text, .brief = "of the database"},
    {.name = "where",
	.type = &op_type_text,
	.brief = "given-up, site, or both: the row differs"},
    {.name = "row", .type = &op_type_text, .brief = "what it holds"},
    {0},
};

const struct op control_op_conflict = {
    .name = "show conflict",
    .kind = OP_READ,
    .access = OP_ADMIN,
    .where = OP_CONTROL,
    .brief = "compare what was given up with what the site has now",
    .about = "To be asked on the server that has it. A row that is given-up "
	     "only was written, or not yet removed, on the side that yielded; "
	     "one of the site only was written since by the other side, or "
	     "removed on the side that yielded. In commit~N the table change "
	     "has what operators committed there, step by step.",
    .example = "show conflict domain/root~1",
    .args = review_args,
    .cols = review_cols,
    .run = review_run,
};
