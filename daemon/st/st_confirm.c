/*
 * Commits that await confirmation. Until one is confirmed nobody may commit
 * anything that its undoing would change or lose; so the undoing is its own
 * steps backwards and nothing else, whatever others have committed meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "st.h"
#include "daemon/base/clock.h"
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
	int r = -ERR_ABSENT;

	if (s != NULL && sqlite3_step(s) == SQLITE_ROW) {
		confirm_read(s, c);
		r = 0;
	}
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
	return st_confirm_each(commit, confirm_first, c, NULL) == 1
	    ? 0
	    : -ERR_ABSENT;
}

/* ---- what others may not touch ------------------------------------------- */

/* The step of an unconfirmed commit that a step is in the way of: of the same
 * field; or either of them is of a whole object, and the other is of it or of
 * what is below it. */
static const char confirm_overlap[] =
    "SELECT u.rev, u.until, u.operator FROM unconfirmed u "
    "JOIN change c USING(rev) WHERE u.rev <> ?3 AND ("
    "(c.path = ?1 AND (c.field = ?2 OR c.field = '' OR ?2 = '')) OR "
    "(c.field = '' AND ?1 > c.path || ' ' AND ?1 < c.path || '!') OR "
    "(?2 = '' AND c.path > ?1 || ' ' AND c.path < ?1 || '!')) LIMIT 1";

static json_t *
confirm_row(const struct st_change *c, sqlite3_stmt *s, const char *until)
{
	json_t *row = json_pack("{s:s, s:I, s:s, s:s}", "path", c->path, "rev",
	    (json_int_t)sqlite3_column_int64(s, 0), "operator", st_text(s, 2),
	    "until", until);

	if (c->field[0] != '\0')
		json_object_set_new(row, "field", json_string(c->field));
	return row;
}

static void
confirm_told(const struct st_change *c, sqlite3_stmt *s, size_t n, json_t *told,
    struct err *first)
{
	char until[CLOCK_TEXT];

	clock_text(until, (uint64_t)sqlite3_column_int64(s, 1));
	if (n == 0)
		err_set(first, ERR_CONFLICT,
		    "%s%s%s: is part of revision %lld by %s, which awaits "
		    "confirmation until %s: confirm or undo it first",
		    c->path, c->field[0] != '\0' ? ": " : "", c->field,
		    (long long)sqlite3_column_int64(s, 0), st_text(s, 2),
		    until);
	if (n < ST_TOLD)
		json_array_append_new(told, confirm_row(c, s, until));
}

int
st_confirm_check(sqlite3 *commit, const struct st_changes *c, int64_t except,
    json_t *told, struct err *e)
{
	sqlite3_stmt *s;
	struct err first;
	size_t i, n = 0;

	if (st_sql_number(commit, "SELECT count(*) FROM unconfirmed") == 0)
		return 0;
	if ((s = st_sql(commit, e, confirm_overlap, "")) == NULL)
		return -ERR_IO;
	for (i = 0; i < c->n; i++) {
		st_stmt_bind(
		    s, "ssi", c->list[i].path, c->list[i].field, except);
		if (sqlite3_step(s) == SQLITE_ROW)
			confirm_told(&c->list[i], s, n++, told, &first);
		sqlite3_reset(s);
	}
	sqlite3_finalize(s);
	return n > 0 ? st_first(e, &first, n) : 0;
}
