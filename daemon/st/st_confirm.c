/*
 * Commits that await confirmation. Until one is confirmed nobody may commit
 * anything that its undoing would change or lose; so the undoing is its own
 * steps backwards and nothing else, whatever others have committed meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/clock.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define CONFIRM_COLS "SELECT rev, until, operator, failed FROM unconfirmed "

static void
confirm_read(sqlite3_stmt *s, struct st_confirm *c)
{
	const char *failed = st_text(s, 3);

	memset(c, 0, sizeof *c);
	c->rev = sqlite3_column_int64(s, 0);
	c->until = (uint64_t)sqlite3_column_int64(s, 1);
	str_copy(c->operator, sizeof c->operator, st_text(s, 2));
	str_copy(c->failed, sizeof c->failed, failed != NULL ? failed : "");
}

int
st_confirm_add(sqlite3 *commit, const struct st_confirm *c, struct err *e)
{
	return st_sql_run(commit, e,
	    "INSERT INTO unconfirmed(rev, until, operator) VALUES(?1, ?2, ?3)",
	    "iis", c->rev, (int64_t)c->until, c->operator);
}

int
st_confirm_end(sqlite3 *commit, int64_t rev, struct err *e)
{
	return st_sql_run(
	    commit, e, "DELETE FROM unconfirmed WHERE rev = ?1", "i", rev);
}

int
st_confirm_failed(sqlite3 *commit, int64_t rev, const char *words,
    uint64_t again, struct err *e)
{
	return st_sql_run(commit, e,
	    "UPDATE unconfirmed SET failed = ?2, until = ?3 WHERE rev = ?1",
	    "isi", rev, words, (int64_t)again);
}

int
st_confirm_each(sqlite3 *commit, st_confirm_fn *fn, void *arg, struct err *e)
{
	sqlite3_stmt *s = st_sql(commit, e, CONFIRM_COLS "ORDER BY until", "");
	struct st_confirm c;
	int step = SQLITE_ERROR, r = 0;

	while (r == 0 && s != NULL && (step = sqlite3_step(s)) == SQLITE_ROW) {
		confirm_read(s, &c);
		r = fn(arg, &c);
	}
	sqlite3_finalize(s);
	if (r != 0)
		return r;
	return step == SQLITE_DONE ? 0 : st_sql_fail(commit, e, "unconfirmed");
}

int
st_confirm_get(sqlite3 *commit, int64_t rev, struct st_confirm *c)
{
	sqlite3_stmt *s = st_sql(
	    commit, NULL, CONFIRM_COLS "WHERE rev = ?1", "i", rev);
	int r = st_sql_first(s, NULL);

	if (r == 0)
		confirm_read(s, c);
	sqlite3_finalize(s);
	return r;
}

static int
confirm_first(void *arg, const struct st_confirm *c)
{
	*(struct st_confirm *)arg = *c;
	return 1;
}

int
st_confirm_due(sqlite3 *commit, struct st_confirm *c)
{
	int r = st_confirm_each(commit, confirm_first, c, NULL);

	return r == 1 ? 0 : r == 0 ? -ERR_ABSENT : r;
}

/* ---- what others may not touch ------------------------------------------- */

/*
 * The steps of all that awaits, as keys of a map, each leading to its
 * revision: "f PATH\tFIELD" a field, "o PATH" an object that is made or
 * deleted, "p PATH" an object of which anything is touched, "a PATH" what lies
 * above such a one. So each step of another commit is a few looks.
 */
struct confirm_map {
	struct map map;
	struct st_confirm *all;
	size_t n;
	int64_t except;
};

static int
confirm_collect(void *arg, const struct st_confirm *c)
{
	struct confirm_map *m = arg;

	if (c->rev == m->except)
		return 0;
	m->all = xrealloc(m->all, (m->n + 1) * sizeof *m->all);
	m->all[m->n++] = *c;
	return 0;
}

static int
confirm_key(
    char *out, size_t size, char kind, const char *path, const char *field)
{
	return snprintf(out, size, "%c %s%s%s", kind, path,
	    field != NULL ? "\t" : "", field != NULL ? field : "");
}

/* Everything above a path, the nearest first: cut a word off again and again.
 */
static bool
confirm_above(char *path)
{
	char *last = strrchr(path, ' ');

	if (last == NULL)
		return false;
	*last = '\0';
	return true;
}

static void
confirm_enter(
    struct confirm_map *m, const struct st_change *c, struct st_confirm *by)
{
	char key[OBJ_PATH + 64], path[OBJ_PATH];

	if (c->field[0] == '\0')
		confirm_key(key, sizeof key, 'o', c->path, NULL);
	else
		confirm_key(key, sizeof key, 'f', c->path, c->field);
	map_str_put(&m->map, key, by);
	confirm_key(key, sizeof key, 'p', c->path, NULL);
	map_str_put(&m->map, key, by);
	str_copy(path, sizeof path, c->path);
	while (confirm_above(path)) {
		confirm_key(key, sizeof key, 'a', path, NULL);
		map_str_put(&m->map, key, by);
	}
}

/* The unconfirmed commit that a step is in the way of: one of the same field;
 * or either of them is of a whole object, and the other is of it or of what
 * is below it. */
static const struct st_confirm *
confirm_hit(const struct confirm_map *m, const struct st_change *c)
{
	char key[OBJ_PATH + 64], path[OBJ_PATH];
	const struct st_confirm *by;
	bool whole = c->field[0] == '\0';

	confirm_key(key, sizeof key, whole ? 'p' : 'f', c->path,
	    whole ? NULL : c->field);
	if ((by = map_str(&m->map, key)) != NULL)
		return by;
	confirm_key(key, sizeof key, whole ? 'a' : 'o', c->path, NULL);
	if ((by = map_str(&m->map, key)) != NULL)
		return by;
	str_copy(path, sizeof path, c->path);
	while (by == NULL && confirm_above(path)) {
		confirm_key(key, sizeof key, 'o', path, NULL);
		by = map_str(&m->map, key);
	}
	return by;
}

static void
confirm_told(const struct st_change *c, const struct st_confirm *by, size_t n,
    json_t *told, struct err *first)
{
	char until[CLOCK_TEXT];
	json_t *row;

	clock_text(until, by->until);
	if (n == 0)
		err_set(first, ERR_CONFLICT,
		    "%s%s%s: is part of revision %lld by %s, which awaits "
		    "confirmation until %s: confirm or undo it first",
		    c->path, c->field[0] != '\0' ? ": " : "", c->field,
		    (long long)by->rev, by->operator, until);
	if (n >= ST_TOLD)
		return;
	row = json_pack("{s:s, s:I, s:s, s:s}", "path", c->path, "rev",
	    (json_int_t)by->rev, "operator", by->operator, "until", until);
	if (c->field[0] != '\0')
		json_object_set_new(row, "field", json_string(c->field));
	json_array_append_new(told, row);
}

static int
confirm_load(sqlite3 *commit, struct confirm_map *m, struct err *e)
{
	struct st_changes c;
	size_t i, k;
	int r = 0;

	for (i = 0; r == 0 && i < m->n; i++) {
		st_changes_init(&c);
		r = st_revision_changes(commit, m->all[i].rev, &c, e);
		for (k = 0; r == 0 && k < c.n; k++)
			confirm_enter(m, &c.list[k], &m->all[i]);
		st_changes_fini(&c);
	}
	return r;
}

int
st_confirm_check(sqlite3 *commit, const struct st_changes *c, int64_t except,
    json_t *told, struct err *e)
{
	struct confirm_map m = {.except = except};
	const struct st_confirm *by;
	struct err first;
	size_t i, n = 0;
	int r = st_confirm_each(commit, confirm_collect, &m, e);

	if (r == 0)
		r = confirm_load(commit, &m, e);
	for (i = 0; r == 0 && m.n > 0 && i < c->n; i++) {
		if ((by = confirm_hit(&m, &c->list[i])) != NULL)
			confirm_told(&c->list[i], by, n++, told, &first);
	}
	map_fini(&m.map);
	free(m.all);
	return r != 0 ? r : n > 0 ? st_first(e, &first, n) : 0;
}
