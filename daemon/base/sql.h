#ifndef BASE_SQL_H
#define BASE_SQL_H

#include <sqlite3.h>

#include "err.h"

/*
 * Why a database did not answer, for operators: what could not be read
 * ("registrations", "stream commit"), and whether asking again helps.
 * -ERR_BUSY: somebody else has it now; -ERR_CORRUPT: damaged; else -ERR_IO.
 * SQLite's own words, which tell of tables and pages, go to the log.
 */
int sql_fail(sqlite3 *, const char *what, struct err *);
/*
 * What the last sqlite3_step of a loop over rows returned: 0 after the last
 * row, and where the loop was left at a row; otherwise what came is not all,
 * and the error is that of sql_fail. Before the statement is finalized.
 */
int sql_end(sqlite3_stmt *, int step, const char *what, struct err *);

#endif
