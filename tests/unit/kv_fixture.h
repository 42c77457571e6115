#ifndef TESTS_KV_FIXTURE_H
#define TESTS_KV_FIXTURE_H

/* A table of keys and values in a stream, and numbers of a database. Behind
 * cmocka.h and its like. */
#include <stdio.h>

#include "replication/replication.h"

#define KV_SCHEMA "CREATE TABLE kv(k INTEGER PRIMARY KEY, v INTEGER, pad BLOB)"

/* A row, with so many bytes of padding; not committed. */
static inline void
kv_put(struct stream *s, int k, int v, int pad)
{
	char sql[128];
	struct err e;

	assert_int_equal(stream_join(s, &e), 0);
	snprintf(sql, sizeof sql,
	    "INSERT OR REPLACE INTO kv VALUES(%d, %d, randomblob(%d))", k, v,
	    pad);
	assert_int_equal(
	    sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL), SQLITE_OK);
}

/* The first value of a query; -1 when there is none. */
static inline int64_t
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;
	int64_t n = -1;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

#endif
