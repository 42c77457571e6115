/*
 * Questions about objects beyond one row: statements that are kept, keys for
 * completion, clashes within a key space, and who refers to an object.
 */
#include <stdlib.h>
#include <string.h>

#include "obj_room.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* ---- statements kept for a connection ----------------------------------- */

struct obj_cache {
	sqlite3 *db;
	struct map made; /* SQL -> sqlite3_stmt */
	struct obj_cache *next;
};
static struct obj_cache *obj_caches;

/* Where the cache of a connection hangs, or would hang. */
static struct obj_cache **
obj_cache_find(sqlite3 *db)
{
	struct obj_cache **c = &obj_caches;

	while (*c != NULL && (*c)->db != db)
		c = &(*c)->next;
	return c;
}

void
obj_cache_open(sqlite3 *db)
{
	struct obj_cache **at = obj_cache_find(db);

	if (*at != NULL)
		return;
	*at = xcalloc(1, sizeof **at);
	(*at)->db = db;
}

void
obj_cache_close(sqlite3 *db)
{
	struct obj_cache **at = obj_cache_find(db), *c = *at;
	sqlite3_stmt *st;
	size_t i = 0;

	if (c == NULL)
		return;
	*at = c->next;
	while ((st = map_next(&c->made, &i, NULL, NULL)) != NULL)
		sqlite3_finalize(st);
	map_fini(&c->made);
	free(c);
}

int
obj_prepare(sqlite3 *db, struct buf *sql, sqlite3_stmt **st, struct err *e)
{
	struct obj_cache *c = *obj_cache_find(db);
	int r = 0;

	*st = NULL;
	if (sql->failed)
		r = err_set(e, ERR_NOMEM, "out of memory");
	if (r == 0 && c != NULL)
		*st = map_str(&c->made, sql->data);
	if (r == 0 && *st == NULL) {
		if (sqlite3_prepare_v3(db, sql->data, -1,
			c != NULL ? SQLITE_PREPARE_PERSISTENT : 0, st,
			NULL) != SQLITE_OK)
			r = obj_refuse(db, e);
		else if (c != NULL && map_str_put(&c->made, sql->data, *st))
			fatalx("obj: out of memory");
	}
	buf_fini(sql);
	return r;
}

void
obj_release(sqlite3 *db, sqlite3_stmt *st)
{
	if (*obj_cache_find(db) == NULL) {
		sqlite3_finalize(st);
		return;
	}
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

/* ---- keys for completion ------------------------------------------------ */

/* SELECT of the own key of a kind, between a prefix and its end. */
static void
obj_sql_prefix(struct buf *b, const struct obj *o,
    const struct op_field *const *keys, unsigned given)
{
	const char *own = o->key.name;
	unsigned i;

	buf_str(b, "SELECT DISTINCT ");
	obj_sql_name(b, own);
	buf_str(b, " FROM ");
	obj_sql_name(b, o->name);
	buf_str(b, " WHERE ");
	obj_sql_name(b, own);
	buf_fmt(b, " >= ?%u AND ", given + 1);
	obj_sql_name(b, own);
	/* U+10FFFF sorts behind every character a key can have */
	buf_fmt(b, " < ?%u || char(1114111)", given + 1);
	for (i = 0; i < given; i++) {
		buf_str(b, " AND ");
		obj_sql_name(b, keys[i]->name);
		buf_fmt(b, " = ?%u", i + 1);
	}
	buf_fmt(b, " ORDER BY 1 LIMIT ?%u", given + 2);
}

int
obj_keys(sqlite3 *db, const struct obj_path *kind, const char *prefix,
    unsigned limit, json_t *out, struct err *e)
{
	const struct op_field *keys[OBJ_DEPTH];
	unsigned first, n = obj_key_columns(kind->obj, keys, &first), given, i;
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	int r;

	given = kind->nkeys > first ? kind->nkeys - first : 0;
	if (given >= n)
		given = n - 1;
	obj_sql_prefix(&sql, kind->obj, keys, given);
	if ((r = obj_prepare(db, &sql, &st, e)) != 0)
		return r;
	for (i = 0; i < given; i++)
		obj_bind(st, (int)i + 1, keys[i], kind->key[first + i]);
	sqlite3_bind_text(st, (int)given + 1, prefix, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(
	    st, (int)given + 2, limit != 0 ? (int64_t)limit : -1);
	while ((r = sqlite3_step(st)) == SQLITE_ROW)
		json_array_append_new(
		    out, json_string((const char *)sqlite3_column_text(st, 0)));
	if (r != SQLITE_DONE)
		r = obj_refuse(db, e);
	else
		r = 0;
	obj_release(db, st);
	return r;
}

/* ---- clashes and references --------------------------------------------- */

/* 1 when a field of one row names the other row; results as of obj_exists. */
static int
obj_points_at(sqlite3 *db, const struct obj_path *from,
    const struct obj_path *to, struct err *e)
{
	const struct op_field *f = from->obj->fields;
	const char *key = to->key[to->nkeys - 1];
	struct obj_row row;
	bool points = false;
	struct err why;
	size_t i;

	if (obj_get(db, from, &row, &why) != 0)
		return why.code == ERR_ABSENT
		    ? 0
		    : err_set(e, why.code, "%s", why.text);
	for (i = 0; f[i].name != NULL && !points; i++)
		points = str_equal(f[i].ref, to->obj->name) &&
		    str_equal(row.value[i], key);
	obj_row_fini(&row);
	return points;
}

/* Two rows of one key space bear one key, unless they are one thing: number
 * 101 that leads to user 101 says what is so already. */
int
obj_clash(sqlite3 *db, const struct obj *const *objs, const struct obj_path *p,
    struct obj_path *other, struct err *e)
{
	int r = 0, points;

	if (p->obj->space == NULL)
		return 0;
	for (; *objs != NULL; objs++) {
		if (*objs == p->obj || (*objs)->parent != p->obj->parent ||
		    !str_equal((*objs)->space, p->obj->space))
			continue;
		*other = *p;
		other->obj = *objs;
		if ((r = obj_exists(db, other, e)) < 0)
			return r;
		if (r == 0)
			continue;
		if ((points = obj_points_at(db, p, other, e)) == 0)
			points = obj_points_at(db, other, p, e);
		if (points <= 0)
			return points < 0 ? points : 1;
	}
	return 0;
}

/* The first row of o whose field refers to p. */
static int
obj_refers(sqlite3 *db, const struct obj *o, const struct op_field *f,
    const struct obj_path *p, struct obj_path *by, struct err *e)
{
	const struct op_field *keys[OBJ_DEPTH];
	unsigned first, n = obj_key_columns(o, keys, &first), i, shared;
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	int r;

	/* parents that both have, where the stream does not imply them */
	shared = p->nkeys - 1 > first ? p->nkeys - 1 - first : 0;
	buf_str(&sql, "SELECT ");
	for (i = 0; i < n; i++) {
		buf_str(&sql, i != 0 ? ", " : "");
		obj_sql_name(&sql, keys[i]->name);
	}
	buf_str(&sql, " FROM ");
	obj_sql_name(&sql, o->name);
	buf_str(&sql, " WHERE ");
	obj_sql_name(&sql, f->name);
	buf_str(&sql, " = ?1");
	for (i = 0; i < shared; i++) {
		buf_str(&sql, " AND ");
		obj_sql_name(&sql, keys[i]->name);
		buf_fmt(&sql, " = ?%u", i + 2);
	}
	buf_str(&sql, " LIMIT 1");
	if ((r = obj_prepare(db, &sql, &st, e)) != 0)
		return r;
	sqlite3_bind_text(st, 1, p->key[p->nkeys - 1], -1, SQLITE_TRANSIENT);
	for (i = 0; i < shared; i++)
		obj_bind(st, (int)i + 2, keys[i], p->key[first + i]);
	if ((r = obj_found(db, sqlite3_step(st), e)) == 1) {
		memset(by, 0, sizeof *by);
		by->obj = o;
		by->nkeys = first + n;
		for (i = 0; i < first && i < p->nkeys; i++)
			memcpy(by->key[i], p->key[i], OBJ_KEY);
		for (i = 0; i < n; i++)
			str_copy(by->key[first + i], OBJ_KEY,
			    (const char *)sqlite3_column_text(st, (int)i));
	}
	obj_release(db, st);
	return r;
}

int
obj_referrer(sqlite3 *db, const struct obj *const *objs, enum obj_place place,
    const struct obj_path *p, struct obj_path *by, struct err *e)
{
	const struct op_field *f;
	int r;

	for (; *objs != NULL; objs++) {
		for (f = (*objs)->fields; f->name != NULL; f++) {
			if ((*objs)->place == place &&
			    str_equal(f->ref, p->obj->name) &&
			    (r = obj_refers(db, *objs, f, p, by, e)) != 0)
				return r;
		}
	}
	return 0;
}
