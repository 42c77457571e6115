/*
 * Statements with bound values, so that a query reads as one line. SQL is
 * always a constant of the program; values are always bound.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "st.h"
#include "daemon/base/log.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"

/* The stream of a database, by the name of its file: .../domain/x~1.db. */
static const char *
st_sql_stream(sqlite3 *db, char out[STREAM_NAME])
{
	const char *file = sqlite3_db_filename(db, "main"), *from;

	from = file != NULL ? strstr(file, "/streams/") : NULL;
	if (from == NULL)
		return "a database of the store";
	from += strlen("/streams/");
	str_ncopy(out, STREAM_NAME, from, strcspn(from, "~."));
	return out;
}

int
st_sql_fail(sqlite3 *db, struct err *e, const char *what)
{
	char stream[STREAM_NAME];

	log_warnx("%s", what);
	return sql_fail(db, st_sql_stream(db, stream), e);
}

/* Bind the values of types from the first parameter on. */
static void
st_sql_bind(sqlite3_stmt *s, const char *types, va_list ap)
{
	const char *text;
	int i;

	for (i = 1; types[i - 1] != '\0'; i++) {
		if (types[i - 1] == 'i') {
			sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
			continue;
		}
		text = va_arg(ap, const char *);
		sqlite3_bind_text(s, i, text, -1, SQLITE_TRANSIENT);
	}
}

/* Run to the end; the statement is reset in every case. */
static int
st_sql_finish(sqlite3_stmt *s, struct err *e)
{
	int r;

	do
		r = sqlite3_step(s);
	while (r == SQLITE_ROW);
	r = r == SQLITE_DONE
	    ? 0
	    : st_sql_fail(sqlite3_db_handle(s), e, sqlite3_sql(s));
	sqlite3_reset(s);
	return r;
}

sqlite3_stmt *
st_sql(sqlite3 *db, struct err *e, const char *sql, const char *types, ...)
{
	sqlite3_stmt *s;
	va_list ap;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) {
		st_sql_fail(db, e, sql);
		return NULL;
	}
	va_start(ap, types);
	st_sql_bind(s, types, ap);
	va_end(ap);
	return s;
}

int
st_sql_run(sqlite3 *db, struct err *e, const char *sql, const char *types, ...)
{
	sqlite3_stmt *s;
	va_list ap;
	int r;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		return st_sql_fail(db, e, sql);
	va_start(ap, types);
	st_sql_bind(s, types, ap);
	va_end(ap);
	r = st_sql_finish(s, e);
	sqlite3_finalize(s);
	return r;
}

int
st_sql_first(sqlite3_stmt *s, struct err *e)
{
	int step;

	if (s == NULL)
		return -ERR_IO;
	step = sqlite3_step(s);
	return step == SQLITE_DONE ? -ERR_ABSENT : st_sql_end(s, step, e);
}

int64_t
st_sql_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = st_sql(db, NULL, sql, "");
	int64_t n = 0;
	int step;

	if (s == NULL)
		return -ERR_IO;
	step = sqlite3_step(s);
	if (step == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	else if (step != SQLITE_DONE)
		n = st_sql_fail(db, NULL, sql);
	sqlite3_finalize(s);
	return n;
}

int
st_sql_found(sqlite3_stmt *s, struct err *e)
{
	int step, r;

	if (s == NULL)
		return -ERR_IO;
	step = sqlite3_step(s);
	r = step == SQLITE_ROW ? 1
	    : step == SQLITE_DONE
	    ? 0
	    : st_sql_fail(sqlite3_db_handle(s), e, sqlite3_sql(s));
	sqlite3_finalize(s);
	return r;
}

int
st_sql_end(sqlite3_stmt *s, int step, struct err *e)
{
	return step == SQLITE_DONE || step == SQLITE_ROW
	    ? 0
	    : st_sql_fail(sqlite3_db_handle(s), e, sqlite3_sql(s));
}

int
st_sql_unread(int r, struct err *e)
{
	return err_set(e, (enum err_code) - r, "the store cannot be read%s",
	    r == -ERR_BUSY ? " now" : "");
}

void
st_stmt_bind(sqlite3_stmt *s, const char *types, ...)
{
	va_list ap;

	sqlite3_reset(s);
	va_start(ap, types);
	st_sql_bind(s, types, ap);
	va_end(ap);
}

int
st_stmt_run(sqlite3_stmt *s, struct err *e, const char *types, ...)
{
	va_list ap;

	sqlite3_reset(s);
	va_start(ap, types);
	st_sql_bind(s, types, ap);
	va_end(ap);
	return st_sql_finish(s, e);
}

const char *
st_text(sqlite3_stmt *s, int col)
{
	return (const char *)sqlite3_column_text(s, col);
}

int
st_first(struct err *e, const struct err *first, size_t count)
{
	size_t used;

	if (e == NULL)
		return -(int)first->code;
	*e = *first;
	used = strlen(e->text);
	if (count > 1)
		snprintf(e->text + used, sizeof e->text - used,
		    " (and %zu more)", count - 1);
	return -(int)e->code;
}
