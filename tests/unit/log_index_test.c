/* What the ship log says of a stream whose log begins in the midst of a
 * commit, records of which turn out to be void. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "replication/log_index.h"

static struct log_index ix;
static struct log_stream *at;

static int
add(struct ship_record r)
{
	static uint64_t pos;
	struct err e;

	memcpy(r.name, "a", 2);
	return log_index_add(&ix, &r, pos += 1000, 0, &at, &e);
}

/* A commit of the records 64 to 66, of which the log holds the last only. */
static int
setup(void **state)
{
	(void)state;
	ix = (struct log_index){.site = true};
	if (add((struct ship_record){.kind = SHIP_STATE,
		.epoch = 3,
		.lsn = 63,
		.prev = 630,
		.page_size = 1024,
		.db_pages = 163,
		.value = {0, 3}}) != 0 ||
	    add((struct ship_record){.kind = SHIP_MIDST,
		.epoch = 3,
		.lsn = 65,
		.prev = 650,
		.value = {43}}) != 0)
		return -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	log_index_fini(&ix);
	return 0;
}

static int
add_pages(uint64_t epoch, uint64_t lsn, uint64_t prev, uint32_t db_pages)
{
	return add((struct ship_record){.kind = SHIP_PAGES,
	    .epoch = epoch,
	    .lsn = lsn,
	    .prev = prev,
	    .sum = lsn * 10 + epoch - 3,
	    .page_size = 1024,
	    .db_pages = db_pages});
}

static int
add_claim(uint64_t epoch, uint64_t lsn, uint64_t sum)
{
	return add((struct ship_record){
	    .kind = SHIP_CLAIM, .epoch = epoch, .lsn = lsn, .prev = sum});
}

static void
whole_commit_may_be_void(void **state)
{
	(void)state;
	assert_int_equal(add_pages(3, 66, 650, 2620), 0);
	assert_int_equal(add_pages(3, 67, 660, 2621), 0);
	assert_int_equal(log_stream_commit(at, 65), 63);
	assert_int_equal(add_claim(4, 63, 630), 0);
	assert_int_equal(at->last.lsn, 63);
	assert_int_equal(at->commit.lsn, 63);
	assert_int_equal(at->db_pages, 163);
	assert_int_equal(add_pages(4, 64, 630, 165), 0);
	assert_int_equal(at->commit.lsn, 64);
	/* and once more */
	assert_int_equal(add_claim(5, 63, 630), 0);
	assert_int_equal(at->commit.lsn, 63);
}

static void
parts_may_be_void(void **state)
{
	(void)state;
	assert_int_equal(add_claim(4, 63, 630), 0);
	assert_int_equal(at->last.lsn, 63);
}

/* What is not known, or known otherwise, is nothing to go back to. */
static void
nothing_else_is_a_place_to_go_back_to(void **state)
{
	(void)state;
	assert_int_equal(add_pages(3, 66, 650, 2620), 0);
	assert_int_equal(add_claim(4, 65, 651), -ERR_CORRUPT);
	assert_int_equal(add_claim(4, 63, 631), -ERR_CORRUPT);
	assert_int_equal(at->last.lsn, 66);
	assert_int_equal(add((struct ship_record){
			     .kind = SHIP_CHECKPOINT, .epoch = 3, .lsn = 63}),
	    0);
	assert_int_equal(add_claim(4, 62, 620), -ERR_CORRUPT);
	assert_int_equal(at->last.lsn, 66);
}

/* Segments in front of this one are gone since: what the claim goes back to
 * stood there. The STATE behind it tells what the stream was then. */
static void
place_may_be_gone(void **state)
{
	(void)state;
	assert_int_equal(add_pages(3, 66, 650, 2620), 0);
	assert_int_equal(add_claim(4, 61, 610), 0);
	assert_int_equal(at->last.lsn, 61);
	assert_int_equal(add((struct ship_record){.kind = SHIP_STATE,
			     .epoch = 2,
			     .lsn = 60,
			     .prev = 600,
			     .page_size = 1024,
			     .db_pages = 160,
			     .value = {43, 4}}),
	    0);
	assert_int_equal(add((struct ship_record){.kind = SHIP_MIDST,
			     .epoch = 2,
			     .lsn = 61,
			     .prev = 610,
			     .value = {61}}),
	    0);
	assert_int_equal(at->commit.lsn, 60);
	assert_int_equal(at->db_pages, 160);
	assert_int_equal(at->checkpoint, 43);
	assert_int_equal(at->last.lsn, 61);
	assert_int_equal(at->last.epoch, 2);
	assert_int_equal(add_pages(4, 62, 610, 161), 0);
	assert_int_equal(at->commit.lsn, 62);
	assert_int_equal(add_claim(5, 60, 600), 0);
	assert_int_equal(at->commit.lsn, 60);
}

/* A part of a commit that began in front of this log. */
static void
part_may_be_gone(void **state)
{
	(void)state;
	assert_int_equal(add_claim(4, 64, 640), 0);
	assert_int_equal(at->last.lsn, 64);
	assert_int_equal(at->commit.lsn, 63);
	assert_int_equal(add_pages(4, 65, 640, 170), 0);
	assert_int_equal(at->commit.lsn, 65);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(whole_commit_may_be_void),
	    T(parts_may_be_void),
	    T(nothing_else_is_a_place_to_go_back_to),
	    T(place_may_be_gone),
	    T(part_may_be_gone),
	};

	return cmocka_run_group_tests_name("log_index", tests, NULL, NULL);
}
