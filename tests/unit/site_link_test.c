/* Messages between replicators: what is written is read, in whatever pieces it
 * comes, and what is damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replication/site_link.h"
#include "tests/lib/fault.h"

static uint8_t page[2048];

/* One of every type. */
static const struct site_msg samples[] = {
    {SITE_MSG_HELLO, 0, {.hello = {77, "srv1"}}},
    {SITE_MSG_LEAD, 5, {.lead = {3, 4, "calls/b2bua-1@srv1"}}},
    {SITE_MSG_START, 5, {.start = {1, 3, 40, 30, 50, 20}}},
    {SITE_MSG_COMMIT, 5, {.commit = 9}},
    {SITE_MSG_COPY, 5, {.copy = {1, 3, 10, 0x1234, 2, 1024, 100}}},
    {SITE_MSG_PAGES, 5,
	{.pages = {.first = 3, .n = 2, .bytes = page, .size = 2048}}},
    {SITE_MSG_COPIED, 5, {.copied = {12, 100}}},
    {SITE_MSG_POSITION, 5,
	{.position = {2, true, 3, 50, 0x77, 2, {{1, 1}, {3, 40}}}}},
    {SITE_MSG_ACK, 5, {.ack = {2, 3, 50}}},
    {SITE_MSG_REFUSED, 5, {.refused = 8}},
};
#define SAMPLES (sizeof samples / sizeof samples[0])

static void
encode_all(struct buf *b)
{
	size_t i;

	for (i = 0; i < SAMPLES; i++)
		site_msg_encode(b, &samples[i]);
	assert_false(b->failed);
}

/* Every message comes back as it was, also byte by byte. */
static void
messages_come_back(void **state)
{
	struct buf b = BUF_INIT, again = BUF_INIT;
	const uint8_t *p;
	struct site_msg m;
	struct err e;
	size_t at = 0, i, n;
	long got = 0;

	(void)state;
	encode_all(&b);
	p = (const uint8_t *)b.data;
	for (i = 0; i < SAMPLES; i++, at += (size_t)got) {
		for (n = 0; (got = site_msg_decode(&m, p + at, n, &e)) == 0;
		     n++)
			assert_true(at + n < b.len);
		assert_int_equal(got, n);
		assert_int_equal(m.type, samples[i].type);
		assert_int_equal(m.handle, samples[i].handle);
		site_msg_encode(&again, &m);
	}
	assert_int_equal(at, b.len);
	assert_int_equal(again.len, b.len);
	assert_memory_equal(again.data, b.data, b.len);
	buf_fini(&b);
	buf_fini(&again);
}

/* Each value of a type stands where the head of site_link.c says. */
static void
the_format_is_the_documented_one(void **state)
{
	struct buf b = BUF_INIT;
	const uint8_t *p;

	(void)state;
	site_msg_encode(&b, &samples[7]);
	p = (const uint8_t *)b.data;
	assert_int_equal(ship_get32(p), 16 + 48 + 32);
	assert_int_equal(p[4], SITE_MSG_POSITION);
	assert_int_equal(ship_get32(p + 8), 5);
	assert_int_equal(ship_get64(p + 16), 2);
	assert_int_equal(ship_get64(p + 16 + 8), 1);
	assert_int_equal(ship_get64(p + 16 + 24), 50);
	assert_int_equal(ship_get64(p + 16 + 48 + 16), 3);
	assert_int_equal(ship_get64(p + 16 + 48 + 24), 40);
	buf_fini(&b);
}

static void
refused(const struct site_msg *m, size_t at, uint8_t value)
{
	struct buf b = BUF_INIT;
	struct site_msg back;
	struct err e;

	site_msg_encode(&b, m);
	b.data[at] = (char)value;
	assert_int_equal(
	    site_msg_decode(&back, (const uint8_t *)b.data, b.len, &e),
	    -ERR_CORRUPT);
	buf_fini(&b);
}

/* Pages with a byte changed, histories that go back, names that are none,
 * lengths and counts that do not agree are refused. */
static void
nonsense_is_refused(void **state)
{
	(void)state;
	refused(&samples[5], 16 + 16 + 700, 1); /* a page */
	refused(&samples[5], 16, 4);		/* the number of it */
	refused(&samples[5], 20, 3);		/* how many there are */
	refused(&samples[7], 16 + 48 + 16, 1);	/* an epoch twice */
	refused(&samples[7], 16 + 48 + 24, 90); /* a record behind the last */
	refused(&samples[7], 16 + 40, 3);	/* more than there are */
	refused(&samples[0], 16, 'X');		/* another format */
	refused(&samples[0], 16 + 24, '/');
	refused(&samples[1], 16 + 24, '/');
	refused(&samples[2], 16 + 24, 60); /* beyond the leader's end */
	refused(&samples[4], 16 + 40, 1);  /* a page size that is none */
	refused(&samples[3], 4, 0);
	refused(&samples[3], 4, SITE_MSGS);
	refused(&samples[3], 0, 17);
	refused(&samples[3], 11, 1); /* a handle beyond all bounds */
}

/* Without memory an encoder says so. */
static void
no_memory_is_an_error(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	fault_alloc_at(0);
	site_msg_encode(&b, &samples[0]);
	fault_alloc_off();
	assert_true(b.failed);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_come_back),
	    cmocka_unit_test(the_format_is_the_documented_one),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(no_memory_is_an_error),
	};
	size_t i;

	for (i = 0; i < sizeof page; i++)
		page[i] = (uint8_t)i;
	return cmocka_run_group_tests_name("site_link", tests, NULL, NULL);
}
