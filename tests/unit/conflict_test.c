/* Databases that were given up: their notes, and the way of the file. */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/str.h"
#include "replication/conflict.h"

static char root[] = "/tmp/tandem-conflict.XXXXXX";
static struct err e;

static void
names_go_both_ways(void **state)
{
	static const char *const bad[] = {"", "~1", "domain/root", "a~", "a~x",
	    "a~-1", "../a~1", ".conflict/a~1", "a~4294967296",
	    "a123456789012345678901234567890123456789012345678901234567890123"
	    "~1"};
	struct conflict c;
	char name[CONFLICT_NAME];
	size_t i;

	(void)state;
	assert_true(conflict_parse(&c, "calls/b2bua-1@srv1~12"));
	assert_string_equal(c.stream, "calls/b2bua-1@srv1");
	assert_int_equal(c.file, 12);
	conflict_name(&c, name);
	assert_string_equal(name, "calls/b2bua-1@srv1~12");
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(conflict_parse(&c, bad[i]));
}

static int
take_last(void *arg, const struct conflict *c)
{
	struct conflict *out = arg;

	*out = *c;
	return 0;
}

/* A database with something in its -wal, left by a process that died. */
static void
make_stream(const char *path)
{
	sqlite3 *db;
	int left = 1;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &left);
	assert_int_equal(sqlite3_exec(db,
			     "PRAGMA journal_mode = WAL; CREATE TABLE t(x); "
			     "INSERT INTO t VALUES(7)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
}

static int
stream_value(const char *path)
{
	sqlite3_stmt *s;
	sqlite3 *db;
	int v = -1;

	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, "SELECT x FROM t", -1, &s, NULL) ==
		SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return v;
}

/* What a reader still has open stays where it is; then it is kept whole, with
 * what was in its -wal only. */
static void
the_file_is_kept_when_nobody_reads_it(void **state)
{
	struct conflict c = {.stream = "domain/root",
			    .file = 3,
			    .epoch = 9,
			    .base = 20,
			    .lsn = 25,
			    .time = 1234},
			found = {0};
	char path[STREAM_PATH], kept[STREAM_PATH];
	sqlite3 *reader;

	(void)state;
	assert_int_equal(conflict_each(root, take_last, &found, &e), 0);
	assert_int_equal(found.lsn, 0);
	assert_int_equal(stream_path_dirs(root, c.stream, &e), 0);
	assert_int_equal(stream_path(path, root, c.stream, c.file, &e), 0);
	make_stream(path);
	assert_false(conflict_noted(root, c.stream, c.file));
	assert_int_equal(conflict_note(root, &c, &e), 0);
	assert_true(conflict_noted(root, c.stream, c.file));
	assert_false(conflict_noted(root, c.stream, 4));
	assert_int_equal(conflict_each(root, take_last, &found, &e), 0);
	assert_memory_equal(&found, &c, sizeof c);

	assert_int_equal(sqlite3_open(path, &reader), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(reader, "SELECT * FROM t", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(conflict_keep(root, c.stream, c.file, &e), -ERR_BUSY);
	assert_int_equal(access(path, F_OK), 0);
	sqlite3_db_config(
	    reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &(int){0});
	sqlite3_close(reader);
	assert_int_equal(conflict_keep(root, c.stream, c.file, &e), 0);
	assert_int_equal(access(path, F_OK), -1);
	conflict_path(root, &c, kept);
	assert_int_equal(stream_value(kept), 7);
	assert_int_equal(conflict_each(root, take_last, &found, &e), 0);
	assert_true(found.kept);

	assert_int_equal(conflict_drop(root, &c, &e), 0);
	assert_int_equal(access(kept, F_OK), -1);
	assert_int_equal(conflict_drop(root, &c, &e), -ERR_ABSENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_go_both_ways),
	    cmocka_unit_test(the_file_is_kept_when_nobody_reads_it),
	};
	char command[100];
	int r;

	if (mkdtemp(root) == NULL)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command) != 0 || r != 0;
}
