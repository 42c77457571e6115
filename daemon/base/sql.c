/*
 * Errors of SQLite in words for operators.
 */
#include "sql.h"

#include "log.h"

/* What the words for operators are, and the code. */
static enum err_code
sql_code(int rc, const char **words)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		*words = "cannot be used now: others are at work on it";
		return ERR_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		*words = "cannot be read: its database is damaged";
		return ERR_CORRUPT;
	case SQLITE_IOERR:
		*words = "cannot be read or written: its database is damaged, "
			 "or its disk fails";
		return ERR_IO;
	case SQLITE_FULL:
		*words = "cannot be written: its disk is full";
		return ERR_IO;
	default:
		*words = "cannot be used";
		return ERR_IO;
	}
}

int
sql_fail(sqlite3 *db, const char *what, struct err *e)
{
	const char *words;
	enum err_code code = sql_code(sqlite3_errcode(db), &words);

	log_warnx("%s: %s", what, sqlite3_errmsg(db));
	return err_set(e, code, "%s %s", what, words);
}

int
sql_end(sqlite3_stmt *s, int step, const char *what, struct err *e)
{
	if (step == SQLITE_DONE || step == SQLITE_ROW)
		return 0;
	return sql_fail(sqlite3_db_handle(s), what, e);
}
