/*
 * Rows of objects in SQLite. Every statement is made from the object table
 * and takes its values as parameters; nothing foreign is ever part of the
 * SQL. Callers are ST, which writes, and whoever reads a stream.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obj_room.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"

int
obj_refuse(sqlite3 *db, struct err *e)
{
	return sql_fail(db, "the configuration", e);
}

int
obj_found(sqlite3 *db, int step, struct err *e)
{
	return step == SQLITE_ROW ? 1
	    : step == SQLITE_DONE ? 0
				  : obj_refuse(db, e);
}

/* The whole path of one object is wanted. */
static int
obj_want_one(const struct obj_path *p, struct err *e)
{
	if (p->obj == NULL || p->nkeys != obj_depth(p->obj))
		return err_set(
		    e, ERR_INVALID, "expected the path of one object");
	return 0;
}

/* ---- values between text and SQLite ------------------------------------- */

/* A sealed secret, hexadecimal in text, bytes in the row. */
static int
obj_bind_secret(sqlite3_stmt *st, int at, const char *hex)
{
	size_t n = strlen(hex), size = n / 2 + 1;
	uint8_t *bytes = xmalloc(size);
	long got = str_unhex(bytes, size, hex, n);

	if (got < 0) {
		free(bytes);
		return SQLITE_MISMATCH;
	}
	return sqlite3_bind_blob(st, at, bytes, (int)got, free);
}

int
obj_bind(sqlite3_stmt *st, int at, const struct op_field *f, const char *value)
{
	int64_t v;

	if (value == NULL)
		return sqlite3_bind_null(st, at);
	if (f->type->secret)
		return obj_bind_secret(st, at, value);
	if (f->flags & OP_LIST || f->type->json == OP_STRING)
		return sqlite3_bind_text(st, at, value, -1, SQLITE_TRANSIENT);
	if (f->type->json == OP_BOOLEAN)
		return sqlite3_bind_int(st, at, strcmp(value, "yes") == 0);
	if (!str_int(value, INT64_MIN + 1, INT64_MAX, &v))
		return SQLITE_MISMATCH;
	return sqlite3_bind_int64(st, at, v);
}

/* Canonical text of a column, to be freed; NULL when it is null. */
static char *
obj_column(sqlite3_stmt *st, int at, const struct op_field *f)
{
	const void *bytes;
	char *text;
	int n;

	if (sqlite3_column_type(st, at) == SQLITE_NULL)
		return NULL;
	if (f->type->secret) {
		bytes = sqlite3_column_blob(st, at);
		n = sqlite3_column_bytes(st, at);
		text = xmalloc((size_t)n * 2 + 1);
		str_hex(text, bytes, (size_t)n);
		return text;
	}
	if (!(f->flags & OP_LIST) && f->type->json == OP_BOOLEAN)
		return xstrdup(sqlite3_column_int(st, at) ? "yes" : "no");
	return xstrdup((const char *)sqlite3_column_text(st, at));
}

/* The row a statement stands on: key columns, then all fields. */
static void
obj_row_load(struct obj_row *row, const struct obj_path *like, sqlite3_stmt *st)
{
	const struct op_field *keys[OBJ_DEPTH], *f = like->obj->fields;
	unsigned first, n = obj_key_columns(like->obj, keys, &first), i;
	const char *text;

	memset(row, 0, sizeof *row);
	row->path.obj = like->obj;
	row->path.nkeys = first + n;
	for (i = 0; i < first && i < like->nkeys; i++)
		memcpy(row->path.key[i], like->key[i], OBJ_KEY);
	for (i = 0; i < n; i++) {
		text = (const char *)sqlite3_column_text(st, (int)i);
		str_copy(row->path.key[first + i], OBJ_KEY,
		    text != NULL ? text : "");
	}
	for (i = 0; f[i].name != NULL; i++)
		row->value[i] = obj_column(st, (int)(n + i), &f[i]);
}

/* ---- making statements -------------------------------------------------- */

/* "a", "b" : the key columns, with something between them. */
static void
obj_sql_keys(struct buf *b, const struct op_field *const *keys, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		buf_str(b, i != 0 ? ", " : "");
		obj_sql_name(b, keys[i]->name);
	}
}

/* WHERE the first n key columns are ?1..?n. */
static void
obj_sql_where(struct buf *b, const struct op_field *const *keys, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		buf_str(b, i != 0 ? " AND " : " WHERE ");
		obj_sql_name(b, keys[i]->name);
		buf_fmt(b, " = ?%u", i + 1);
	}
}

/* SELECT of the key columns, then of all fields in their order. */
static void
obj_sql_select(struct buf *b, const struct obj *o,
    const struct op_field *const *keys, unsigned n)
{
	const struct op_field *f;

	buf_str(b, "SELECT ");
	obj_sql_keys(b, keys, n);
	for (f = o->fields; f->name != NULL; f++) {
		buf_str(b, ", ");
		obj_sql_name(b, f->name);
	}
	buf_str(b, " FROM ");
	obj_sql_name(b, o->name);
}

/* Bind the first n key columns of a path to ?1..?n. */
static int
obj_bind_keys(sqlite3_stmt *st, const struct obj_path *p,
    const struct op_field *const *keys, unsigned first, unsigned n)
{
	unsigned i;
	int r = SQLITE_OK;

	for (i = 0; i < n && r == SQLITE_OK; i++)
		r = obj_bind(st, (int)i + 1, keys[i], p->key[first + i]);
	return r;
}

/* ---- one object --------------------------------------------------------- */

int
obj_get(
    sqlite3 *db, const struct obj_path *at, struct obj_row *row, struct err *e)
{
	const struct obj_path copy = *at, *p = &copy; /* may be row's own */
	const struct op_field *keys[OBJ_DEPTH];
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	unsigned first, n;
	int r, failed = 0;

	memset(row, 0, sizeof *row);
	if ((r = obj_want_one(p, e)) != 0)
		return r;
	n = obj_key_columns(p->obj, keys, &first);
	obj_sql_select(&sql, p->obj, keys, n);
	obj_sql_where(&sql, keys, n);
	if ((r = obj_prepare(db, &sql, &st, e)) != 0)
		return r;
	obj_bind_keys(st, p, keys, first, n);
	r = sqlite3_step(st);
	if (r == SQLITE_ROW)
		obj_row_load(row, p, st);
	else if (r != SQLITE_DONE)
		failed = obj_refuse(db, e);
	obj_release(db, st);
	if (r == SQLITE_DONE)
		return err_set(e, ERR_ABSENT, "%s %s: no such object",
		    p->obj->name, p->key[p->nkeys - 1]);
	return failed;
}

int
obj_exists(sqlite3 *db, const struct obj_path *p, struct err *e)
{
	const struct op_field *keys[OBJ_DEPTH];
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	unsigned first, n;
	int r;

	if (obj_want_one(p, NULL) != 0)
		return 0;
	n = obj_key_columns(p->obj, keys, &first);
	buf_str(&sql, "SELECT 1 FROM ");
	obj_sql_name(&sql, p->obj->name);
	obj_sql_where(&sql, keys, n);
	if ((r = obj_prepare(db, &sql, &st, e)) != 0)
		return r;
	obj_bind_keys(st, p, keys, first, n);
	r = obj_found(db, sqlite3_step(st), e);
	obj_release(db, st);
	return r;
}

/* INSERT of the keys and the fields given by a run of them (which may be
 * empty); an object that is there already has these fields replaced. */
static void
obj_sql_upsert(struct buf *b, const struct obj *o,
    const struct op_field *const *keys, unsigned n, const struct op_field *f,
    unsigned nf)
{
	unsigned i;

	buf_str(b, "INSERT INTO ");
	obj_sql_name(b, o->name);
	buf_char(b, '(');
	obj_sql_keys(b, keys, n);
	for (i = 0; i < nf; i++) {
		buf_str(b, ", ");
		obj_sql_name(b, f[i].name);
	}
	buf_str(b, ") VALUES(?1");
	for (i = 1; i < n + nf; i++)
		buf_fmt(b, ", ?%u", i + 1);
	buf_str(b, ") ON CONFLICT(");
	obj_sql_keys(b, keys, n);
	buf_str(b, nf != 0 ? ") DO UPDATE SET " : ") DO NOTHING");
	for (i = 0; i < nf; i++) {
		buf_str(b, i != 0 ? ", " : "");
		obj_sql_name(b, f[i].name);
		buf_str(b, " = excluded.");
		obj_sql_name(b, f[i].name);
	}
}

/* Write a run of fields of one object. */
static int
obj_write(sqlite3 *db, const struct obj_path *p, const struct op_field *f,
    const char *const *values, unsigned nf, struct err *e)
{
	const struct op_field *keys[OBJ_DEPTH];
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	unsigned first, n, i;
	int r;

	if ((r = obj_want_one(p, e)) != 0)
		return r;
	n = obj_key_columns(p->obj, keys, &first);
	obj_sql_upsert(&sql, p->obj, keys, n, f, nf);
	if ((r = obj_prepare(db, &sql, &st, e)) != 0)
		return r;
	r = obj_bind_keys(st, p, keys, first, n);
	for (i = 0; i < nf && r == SQLITE_OK; i++) {
		r = obj_bind(st, (int)(n + i) + 1, &f[i], values[i]);
		if (r == SQLITE_MISMATCH)
			err_set(e, ERR_INVALID, "%s: not a canonical value",
			    f[i].name);
	}
	if (r == SQLITE_OK && sqlite3_step(st) != SQLITE_DONE)
		r = -obj_refuse(db, e);
	obj_release(db, st);
	return r == SQLITE_OK	   ? 0
	    : r == SQLITE_MISMATCH ? -ERR_INVALID
				   : -ERR_IO;
}

int
obj_set(sqlite3 *db, const struct obj_path *p, const char *field,
    const char *value, struct err *e)
{
	const struct op_field *f = NULL;

	if (field != NULL && (f = obj_field(p->obj, field)) == NULL)
		return err_set(e, ERR_UNKNOWN, "%s: no such field of a %s",
		    field, p->obj->name);
	return obj_write(db, p, f, &value, f != NULL ? 1 : 0, e);
}

int
obj_put(sqlite3 *db, const struct obj_row *row, struct err *e)
{
	const struct op_field *f = row->path.obj->fields;
	unsigned n = 0;

	while (f[n].name != NULL)
		n++;
	return obj_write(
	    db, &row->path, f, (const char *const *)row->value, n, e);
}

/* Rows of one table below a path (all its keys); their count or -ERR_IO. */
static int
obj_delete_from(
    sqlite3 *db, const struct obj *o, const struct obj_path *p, struct err *e)
{
	const struct op_field *keys[OBJ_DEPTH];
	struct buf sql = BUF_INIT;
	unsigned first, n;
	sqlite3_stmt *st;
	int r;

	obj_key_columns(o, keys, &first);
	n = p->nkeys - first;
	buf_str(&sql, "DELETE FROM ");
	obj_sql_name(&sql, o->name);
	obj_sql_where(&sql, keys, n);
	if ((r = obj_prepare(db, &sql, &st, e)) != 0)
		return r;
	obj_bind_keys(st, p, keys, first, n);
	r = sqlite3_step(st) == SQLITE_DONE ? sqlite3_changes(db)
					    : obj_refuse(db, e);
	obj_release(db, st);
	return r;
}

/* Does o hang below top, in the same stream? */
static bool
obj_is_below(const struct obj *o, const struct obj *top)
{
	const struct obj *up;

	for (up = o->parent; up != NULL; up = up->parent) {
		if (up == top)
			return o->place == top->place;
	}
	return false;
}

int
obj_delete(sqlite3 *db, const struct obj_path *p, struct err *e)
{
	const struct obj *const *o;
	int r;

	if ((r = obj_want_one(p, e)) != 0)
		return r;
	if ((r = obj_delete_from(db, p->obj, p, e)) < 0)
		return r;
	if (r == 0)
		return err_set(e, ERR_ABSENT, "%s %s: no such object",
		    p->obj->name, p->key[p->nkeys - 1]);
	for (o = obj_table; *o != NULL; o++) {
		if (obj_is_below(*o, p->obj) &&
		    (r = obj_delete_from(db, *o, p, e)) < 0)
			return r;
	}
	return 0;
}

/* ---- many objects ------------------------------------------------------- */

/* Step through a statement; the fn's result ends it. */
static int
obj_each_row(sqlite3 *db, sqlite3_stmt *st, const struct obj_path *kind,
    obj_each_fn *fn, void *arg, struct err *e)
{
	struct obj_row row;
	int r, done = 0;

	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		obj_row_load(&row, kind, st);
		done = fn(arg, &row, e);
		obj_row_fini(&row);
		if (done != 0)
			return done;
	}
	return r == SQLITE_DONE ? 0 : obj_refuse(db, e);
}

int
obj_each(sqlite3 *db, const struct obj_path *kind, const char *after,
    unsigned limit, obj_each_fn *fn, void *arg, struct err *e)
{
	const struct op_field *keys[OBJ_DEPTH];
	unsigned first, n, given;
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	int r;

	n = obj_key_columns(kind->obj, keys, &first);
	given = kind->nkeys > first ? kind->nkeys - first : 0;
	obj_sql_select(&sql, kind->obj, keys, n);
	obj_sql_where(&sql, keys, given);
	if (after != NULL && given < n) {
		buf_str(&sql, given != 0 ? " AND " : " WHERE ");
		obj_sql_name(&sql, keys[given]->name);
		buf_fmt(&sql, " > ?%u", given + 1);
	}
	buf_str(&sql, " ORDER BY ");
	obj_sql_keys(&sql, keys, n);
	if (limit != 0)
		buf_fmt(&sql, " LIMIT %u", limit);
	/* Not from the cache: fn may walk the same kind again. */
	r = sql.failed ? SQLITE_NOMEM
		       : sqlite3_prepare_v2(db, sql.data, -1, &st, NULL);
	buf_fini(&sql);
	if (r != SQLITE_OK)
		return obj_refuse(db, e);
	obj_bind_keys(st, kind, keys, first, given);
	if (after != NULL && given < n)
		obj_bind(st, (int)given + 1, keys[given], after);
	r = obj_each_row(db, st, kind, fn, arg, e);
	sqlite3_finalize(st);
	return r;
}
