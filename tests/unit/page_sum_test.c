/* Sums of pages at rest: what fits, what does not, and who finds it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/page_sum.h"
#include "replication/wal_vfs.h"
#include "tests/lib/scratch.h"

#define SIZE 1024

static char dir[64], path[96];

static int
setup(void **state)
{
	(void)state;
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/a.db", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	scratch_remove(dir);
	return 0;
}

/* A database of many pages with sums, closed. */
static void
make(bool sums)
{
	int room = PAGE_SUM;
	sqlite3 *db;

	assert_int_equal(
	    sqlite3_open_v2(path, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, wal_vfs()),
	    SQLITE_OK);
	if (sums)
		sqlite3_file_control(
		    db, "main", SQLITE_FCNTL_RESERVE_BYTES, &room);
	assert_int_equal(
	    sqlite3_exec(db,
		"PRAGMA page_size=1024; PRAGMA journal_mode=WAL;"
		"CREATE TABLE t(a INTEGER PRIMARY KEY, b);"
		"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM "
		"c WHERE n < 500) INSERT INTO t SELECT n, randomblob(300) FROM "
		"c",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
flip(off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* The first page that is bad, of all; 0 = none. */
static uint32_t
first_bad(void)
{
	static uint8_t pages[1024 * SIZE];
	int fd = open(path, O_RDONLY);
	uint32_t bad;

	assert_true(page_read(fd, 1, 1024, pages, SIZE, page_sum_marked(fd),
			&bad) > 100);
	close(fd);
	return bad;
}

static void
on_damage(void *arg, uint32_t page)
{
	*(uint32_t *)arg = page;
}

/* What a connection says to reading all of the table; *page is told it. */
static int
read_all(uint32_t *page)
{
	sqlite3 *db;
	int rc;

	*page = 0;
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, wal_vfs()),
	    SQLITE_OK);
	sqlite3_extended_result_codes(db, 1);
	wal_vfs_on_damage(db, on_damage, page);
	rc = sqlite3_exec(db, "SELECT sum(length(b)) FROM t", NULL, NULL, NULL);
	sqlite3_close(db);
	return rc;
}

/* ---- laws --------------------------------------------------------------- */

static void
a_sum_is_of_its_page_and_place(void **state)
{
	uint8_t page[SIZE];
	size_t i;

	(void)state;
	memset(page, 0, sizeof page);
	assert_false(page_is_good(7, page, SIZE, true)); /* lost */
	page_unused(page, 7, SIZE);
	assert_true(page_is_good(7, page, SIZE, true));
	assert_false(page_is_good(1, page, SIZE, false)); /* no database */
	for (i = 0; i < SIZE; i++)
		page[i] = (uint8_t)(i * 7);
	assert_false(page_is_good(7, page, SIZE, true));
	assert_true(page_is_good(7, page, SIZE, false));
	page_sum_put(page + SIZE - PAGE_SUM, 7, page, SIZE);
	assert_true(page_is_good(7, page, SIZE, true));
	assert_false(page_is_good(8, page, SIZE, true));
	for (i = 0; i < SIZE; i++) {
		page[i] ^= 1;
		assert_false(page_is_good(7, page, SIZE, true));
		page[i] ^= 1;
	}
}

static void
each_page_of_a_new_database_has_one(void **state)
{
	uint32_t page;

	(void)state;
	make(true);
	assert_int_equal(first_bad(), 0);
	assert_int_equal(read_all(&page), SQLITE_OK);
	assert_int_equal(page, 0);
}

static void
damage_is_an_error_of_the_disk(void **state)
{
	uint32_t page;

	(void)state;
	make(true);
	flip(40 * SIZE + 100);
	assert_int_equal(first_bad(), 41);
	assert_int_equal(read_all(&page), SQLITE_IOERR_DATA);
	assert_int_equal(page, 41);
	flip(40 * SIZE + 100);
	assert_int_equal(first_bad(), 0);
	assert_int_equal(read_all(&page), SQLITE_OK);
}

/* Of page 1 every byte counts, also the one that says that there are sums. */
static void
page_1_is_checked_whole(void **state)
{
	static const off_t at[] = {20, 26, 60, 110, 700, SIZE - 1};
	uint32_t page;
	size_t i;

	(void)state;
	make(true);
	for (i = 0; i < sizeof at / sizeof at[0]; i++) {
		flip(at[i]);
		assert_int_equal(first_bad(), 1);
		assert_int_equal(read_all(&page), SQLITE_IOERR_DATA);
		flip(at[i]);
	}
	assert_int_equal(first_bad(), 0);
}

/* A database that was made without room has none, and is read as it is. */
static void
a_database_without_room_has_no_sums(void **state)
{
	uint32_t page;

	(void)state;
	make(false);
	assert_int_equal(first_bad(), 0);
	flip(40 * SIZE + SIZE - 3);
	assert_int_equal(first_bad(), 0);
	assert_int_equal(read_all(&page), SQLITE_OK);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_sum_is_of_its_page_and_place),
	    T(each_page_of_a_new_database_has_one),
	    T(damage_is_an_error_of_the_disk),
	    T(page_1_is_checked_whole),
	    T(a_database_without_room_has_no_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
