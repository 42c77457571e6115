/*
 * The schema of a stream from the object table. A stream is only ever
 * widened: a table or column that an older release lacks is added, one that
 * a newer release made is left alone, so both can write the same file during
 * an upgrade (sqlite.org/lang_altertable.html: ADD COLUMN touches no row).
 */
#include <string.h>

#include "obj_room.h"

void
obj_sql_name(struct buf *b, const char *name)
{
	buf_char(b, '"');
	for (; *name != '\0'; name++)
		buf_char(b, *name == '-' ? '_' : *name);
	buf_char(b, '"');
}

unsigned
obj_key_columns(
    const struct obj *o, const struct op_field *out[OBJ_DEPTH], unsigned *first)
{
	unsigned depth = obj_depth(o), n = 0;
	const struct obj *up;

	/* The stream of a domain implies the domain. */
	*first = o->place == OBJ_DOMAIN ? 1 : 0;
	for (up = o; up != NULL; up = up->parent) {
		depth--;
		if (depth >= *first && depth - *first < OBJ_DEPTH) {
			out[depth - *first] = &up->key;
			n++;
		}
	}
	return n;
}

/* Lists are texts whatever their members are. */
static const char *
obj_sql_type(const struct op_field *f)
{
	if (f->type->secret)
		return "BLOB";
	if (!(f->flags & OP_LIST) && f->type->json != OP_STRING)
		return "INTEGER";
	return "TEXT";
}

/* CREATE TABLE of one object; the key columns are its primary key. */
static void
obj_schema_table(const struct obj *o, struct buf *b)
{
	const struct op_field *keys[OBJ_DEPTH], *f;
	unsigned first, n = obj_key_columns(o, keys, &first), i;

	buf_str(b, "CREATE TABLE IF NOT EXISTS ");
	obj_sql_name(b, o->name);
	buf_str(b, "(");
	for (i = 0; i < n; i++) {
		obj_sql_name(b, keys[i]->name);
		buf_fmt(b, " %s NOT NULL, ", obj_sql_type(keys[i]));
	}
	for (f = o->fields; f->name != NULL; f++) {
		obj_sql_name(b, f->name);
		buf_fmt(b, " %s, ", obj_sql_type(f));
	}
	buf_str(b, "PRIMARY KEY(");
	for (i = 0; i < n; i++) {
		buf_str(b, i != 0 ? ", " : "");
		obj_sql_name(b, keys[i]->name);
	}
	buf_str(b, "));\n");
}

/* An index on each field that refers to something: who refers to an object
 * is asked for every one that is deleted. */
static void
obj_schema_index(const struct obj *o, struct buf *b)
{
	const struct op_field *f;

	for (f = o->fields; f->name != NULL; f++) {
		if (f->ref == NULL)
			continue;
		buf_fmt(b, "CREATE INDEX IF NOT EXISTS \"%s of %s\" ON ",
		    f->name, o->name);
		obj_sql_name(b, o->name);
		buf_char(b, '(');
		obj_sql_name(b, f->name);
		buf_str(b, ");\n");
	}
}

typedef void obj_schema_fn(const struct obj *, struct buf *);

/* Write something for each object of a place. */
static void
obj_schema_each(const struct obj *const *objs, enum obj_place place,
    obj_schema_fn *fn, struct buf *b)
{
	for (; *objs != NULL; objs++) {
		if ((*objs)->place == place)
			fn(*objs, b);
	}
}

int
obj_schema(const struct obj *const *objs, enum obj_place place, struct buf *b)
{
	obj_schema_each(objs, place, obj_schema_table, b);
	obj_schema_each(objs, place, obj_schema_index, b);
	return b->failed ? -ERR_NOMEM : 0;
}

/* Run what was written and empty the buffer. */
static int
obj_exec(sqlite3 *db, struct buf *sql, struct err *e)
{
	int r = 0;

	if (sql->failed)
		r = err_set(e, ERR_NOMEM, "out of memory");
	else if (sql->len != 0 &&
	    sqlite3_exec(db, sql->data, NULL, NULL, NULL) != SQLITE_OK)
		r = obj_refuse(db, e);
	buf_fini(sql);
	return r;
}

/* Does the table have the column? 1, 0, or -ERR_IO. */
static int
obj_has_column(
    sqlite3 *db, const struct obj *o, const struct op_field *f, struct err *e)
{
	char column[64];
	sqlite3_stmt *st;
	size_t i;
	int r;

	for (i = 0; f->name[i] != '\0' && i + 1 < sizeof column; i++)
		column[i] = (char)(f->name[i] == '-' ? '_' : f->name[i]);
	column[i] = '\0';
	if (sqlite3_prepare_v2(db,
		"SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2", -1, &st,
		NULL) != SQLITE_OK)
		return obj_refuse(db, e);
	sqlite3_bind_text(st, 1, o->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, column, -1, SQLITE_STATIC);
	r = sqlite3_step(st);
	sqlite3_finalize(st);
	if (r != SQLITE_ROW && r != SQLITE_DONE)
		return obj_refuse(db, e);
	return r == SQLITE_ROW;
}

/* A column that an older release did not know. */
static int
obj_add_column(
    sqlite3 *db, const struct obj *o, const struct op_field *f, struct err *e)
{
	struct buf sql = BUF_INIT;
	int r;

	if ((r = obj_has_column(db, o, f, e)) != 0)
		return r < 0 ? r : 0;
	buf_str(&sql, "ALTER TABLE ");
	obj_sql_name(&sql, o->name);
	buf_str(&sql, " ADD COLUMN ");
	obj_sql_name(&sql, f->name);
	buf_fmt(&sql, " %s;", obj_sql_type(f));
	return obj_exec(db, &sql, e);
}

int
obj_upgrade(const struct obj *const *objs, enum obj_place place, sqlite3 *db,
    struct err *e)
{
	const struct obj *const *o;
	struct buf sql = BUF_INIT;
	const struct op_field *f;
	int r;

	obj_schema_each(objs, place, obj_schema_table, &sql);
	r = obj_exec(db, &sql, e);
	for (o = objs; r == 0 && *o != NULL; o++) {
		if ((*o)->place != place)
			continue;
		for (f = (*o)->fields; r == 0 && f->name != NULL; f++)
			r = obj_add_column(db, *o, f, e);
	}
	if (r != 0)
		return r;
	/* Last: an index may be on a column that was missing. */
	obj_schema_each(objs, place, obj_schema_index, &sql);
	return obj_exec(db, &sql, e);
}
