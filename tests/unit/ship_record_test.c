/* Ship records: what is encoded comes back, and no damage passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replication/ship_record.h"

/* Frames as a -wal holds them: page numbers as given, each byte of a page a
 * mark of its frame. */
static uint8_t *
frames_make(uint32_t page_size, const uint32_t *numbers, uint32_t n)
{
	uint8_t *all = calloc(n + 1, SHIP_FRAME + page_size), *f = all;
	uint32_t i;

	for (i = 0; i < n; i++, f += SHIP_FRAME + page_size) {
		f[0] = (uint8_t)(numbers[i] >> 24);
		f[1] = (uint8_t)(numbers[i] >> 16);
		f[2] = (uint8_t)(numbers[i] >> 8);
		f[3] = (uint8_t)numbers[i];
		memset(f + SHIP_FRAME, (int)i + 1, page_size);
	}
	return all;
}

static struct ship_record
record_make(uint32_t page_size)
{
	struct ship_record r = {.kind = SHIP_PAGES,
	    .name = "domain/3f9a01c2",
	    .epoch = 7,
	    .lsn = 1234567890123,
	    .prev = UINT64_C(0xfedcba9876543210),
	    .page_size = page_size,
	    .db_pages = 99,
	    .wal = {UINT64_C(0x1122334455667788), 5, 0}};

	return r;
}

/* A record comes back as it was, and of a page that was written twice the
 * last one counts. */
static void
records_round_trip(void **state)
{
	static const uint32_t numbers[] = {3, 1, 3, 70000, 1, 3, 2};
	struct ship_record r = record_make(1024), back;
	uint8_t *frames = frames_make(1024, numbers, 7);
	uint8_t out[16384];
	struct err e;
	long n;

	(void)state;
	r.wal.count = 7;
	n = ship_record_encode(&r, frames, 7, out, sizeof out);
	assert_true(n > 0 && n % 8 == 0);
	assert_true((size_t)n <= ship_record_bound(1024, 7));
	assert_int_equal(ship_record_decode(&back, out, (size_t)n, &e), 0);
	assert_int_equal(back.kind, SHIP_PAGES);
	assert_string_equal(back.name, r.name);
	assert_true(back.epoch == 7 && back.lsn == r.lsn);
	assert_true(back.prev == r.prev && back.sum == r.sum);
	assert_int_equal(back.db_pages, 99);
	assert_memory_equal(&back.wal, &r.wal, sizeof r.wal);
	assert_int_equal(back.npages, 4);
	assert_int_equal(ship_record_page(&back, 0), 70000);
	assert_int_equal(back.pages[0], 4);
	assert_int_equal(ship_record_page(&back, 1), 1);
	assert_int_equal(back.pages[1024], 5);
	assert_int_equal(ship_record_page(&back, 2), 3);
	assert_int_equal(back.pages[2048], 6);
	assert_int_equal(ship_record_page(&back, 3), 2);
	assert_int_equal(back.pages[3 * 1024 + 1023], 7);
	free(frames);
}

/* No change of one byte, to whatever value of a bit, and no cut or longer
 * length is taken for a good record. */
static void
every_damaged_byte_is_detected(void **state)
{
	static const uint32_t numbers[] = {9, 8, 7};
	struct ship_record r = record_make(512), back;
	uint8_t *frames = frames_make(512, numbers, 3);
	uint8_t out[4096] = {0};
	struct err e;
	size_t i, n;
	int bit;

	(void)state;
	r.wal.count = 3;
	n = (size_t)ship_record_encode(&r, frames, 3, out, sizeof out);
	for (i = 0; i < n; i++) {
		for (bit = 0; bit <= 8; bit++) {
			uint8_t flip = bit < 8 ? (uint8_t)(1 << bit) : 0xff;

			out[i] ^= flip;
			assert_int_equal(ship_record_decode(&back, out, n, &e),
			    -ERR_CORRUPT);
			out[i] ^= flip;
		}
	}
	for (i = 0; i < n + 64; i++)
		assert_int_equal(ship_record_decode(&back, out, i, &e),
		    i == n ? 0 : -ERR_CORRUPT);
	free(frames);
}

/* Notes have no pages; each kind comes back with its values. */
static void
notes_round_trip(void **state)
{
	struct ship_record back;
	uint8_t out[256];
	struct err e;
	int kind;
	long n;

	(void)state;
	for (kind = SHIP_CLAIM; kind < SHIP_KINDS; kind++) {
		struct ship_record r = record_make(4096);

		r.kind = (enum ship_kind)kind;
		r.value[0] = 17;
		r.value[1] = UINT64_MAX;
		if (kind == SHIP_BOOT)
			r.name[0] = '\0';
		n = ship_record_encode(&r, NULL, 0, out, sizeof out);
		assert_true(n > 0);
		assert_int_equal(
		    ship_record_decode(&back, out, (size_t)n, &e), 0);
		assert_int_equal(back.kind, kind);
		assert_int_equal(back.value[0], 17);
		assert_true(back.value[1] == UINT64_MAX);
		assert_string_equal(back.name, r.name);
	}
}

/* A part is as large as ship_part_frames says, at every page size, and what
 * does not fit the room or the part is refused, not written. */
static void
sizes_are_bounded(void **state)
{
	uint32_t page_size, n, i;
	uint32_t *numbers = calloc(3000, sizeof *numbers);
	uint8_t *out = malloc(SHIP_RECORD_MAX);
	struct ship_record back;
	struct err e;

	(void)state;
	for (i = 0; i < 3000; i++)
		numbers[i] = i * 7 + 1;
	for (page_size = 512; page_size <= 65536; page_size *= 2) {
		struct ship_record r = record_make(page_size);
		uint8_t *frames;
		long len;

		n = ship_part_frames(page_size);
		frames = frames_make(page_size, numbers, n + 1);
		r.wal.count = n;
		len = ship_record_encode(&r, frames, n, out, SHIP_RECORD_MAX);
		assert_true(len > 0);
		assert_int_equal(
		    ship_record_decode(&back, out, (size_t)len, &e), 0);
		assert_int_equal(back.npages, n);
		assert_int_equal(
		    ship_record_encode(&r, frames, n, out, (size_t)len - 1),
		    -ERR_TOOBIG);
		assert_int_equal(
		    ship_record_encode(&r, frames, n + 1, out, SHIP_RECORD_MAX),
		    -ERR_INVALID);
		free(frames);
	}
	assert_int_equal(ship_part_frames(1000), 0);
	assert_int_equal(ship_part_frames(256), 0);
	assert_int_equal(ship_part_frames(131072), 0);
	free(numbers);
	free(out);
}

/* Names of streams become paths: only such words pass as stay below the
 * root. */
static void
names_stay_below_the_root(void **state)
{
	static const char *const good[] = {"commit", "site/demo", "a",
	    "calls/b2bua-1@srv1", "domain/3f9a01c2", "a_b.c/d"};
	static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".",
	    "..", "../a", "a/..", "a/../b", "a/.b", "a/@b", "A", "a b", "a\n",
	    "a\xff",
	    "0123456789012345678901234567890123456789012345678901234567890123"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(ship_name_ok(good[i], strlen(good[i])));
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(ship_name_ok(bad[i], strlen(bad[i])));
	assert_false(ship_name_ok("a\0b", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_round_trip),
	    cmocka_unit_test(every_damaged_byte_is_detected),
	    cmocka_unit_test(notes_round_trip),
	    cmocka_unit_test(sizes_are_bounded),
	    cmocka_unit_test(names_stay_below_the_root),
	};

	return cmocka_run_group_tests_name("ship_record", tests, NULL, NULL);
}
