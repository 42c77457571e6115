/* RTCP reports: what is read of them, and the way that a gate measures between
 * two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/mg/mg.h"

#define SECOND UINT64_C(1000000)

static uint8_t packet[200];
static size_t used;

static void
put(uint64_t v, size_t n)
{
	for (; n > 0; n--)
		packet[used++] = (uint8_t)(v >> 8 * (n - 1));
}

static void
put_block(uint32_t ssrc, uint8_t fraction, uint32_t jitter, uint32_t lsr,
    uint32_t dlsr)
{
	put(ssrc, 4);
	put(fraction, 1);
	put(7, 3); /* lost so far */
	put(1000, 4);
	put(jitter, 4);
	put(lsr, 4);
	put(dlsr, 4);
}

/* A sender's report of so many blocks; its time is ntp, in 1/65536 s. */
static void
put_sender(uint32_t ssrc, uint32_t ntp, unsigned blocks)
{
	put(0x80 | blocks, 1);
	put(200, 1);
	put(6 + 6 * blocks, 2);
	put(ssrc, 4);
	put((uint64_t)0xaaaa << 48 | (uint64_t)ntp << 16 | 0xbbbb, 8);
	put(0, 8);
	put(0, 4);
}

static void
put_receiver(uint32_t ssrc, unsigned blocks)
{
	put(0x80 | blocks, 1);
	put(201, 1);
	put(1 + 6 * blocks, 2);
	put(ssrc, 4);
}

static int
fresh(void **state)
{
	(void)state;
	used = 0;
	return 0;
}

static struct mg_report
read_report(void)
{
	struct mg_report r;

	assert_true(mg_rtcp_check(packet, used, false));
	mg_report_read(&r, packet, used);
	return r;
}

static void
fields_are_read(void **state)
{
	struct mg_report r;

	(void)state;
	put_sender(1, 0x12345678, 2);
	put_block(2, 64, 80, 0x1111, 0x2222);
	put_block(3, 0, 0, 0, 0);
	put_receiver(1, 1);
	put_block(4, 255, 5, 6, 7);
	r = read_report();
	assert_true(r.sent);
	assert_int_equal(r.ntp, 0x12345678);
	assert_int_equal(r.count, 3);
	assert_int_equal(r.block[0].ssrc, 2);
	assert_int_equal(r.block[0].fraction, 64);
	assert_int_equal(r.block[0].jitter, 80);
	assert_int_equal(r.block[0].lsr, 0x1111);
	assert_int_equal(r.block[0].dlsr, 0x2222);
	assert_int_equal(r.block[2].ssrc, 4);
}

/* Blocks that the header promises and the packet has not are none; of too many
 * the first are taken. */
static void
only_what_is_there_is_read(void **state)
{
	struct mg_report r;
	unsigned i;

	(void)state;
	put_receiver(1, 1);
	put_block(2, 1, 0, 0, 0);
	packet[0] = 0x9f; /* 31 blocks */
	r = read_report();
	assert_int_equal(r.count, 1);
	assert_false(r.sent);
	used = 0;
	put(0x81, 1); /* a sender's report of eight bytes */
	put(200, 1);
	put(1, 2);
	put(1, 4);
	r = read_report();
	assert_false(r.sent);
	assert_int_equal(r.count, 0);
	used = 0;
	for (i = 0; i < 3; i++) {
		put_receiver(1, 2);
		put_block(2, 1, 0, 0, 0);
		put_block(3, 1, 0, 0, 0);
	}
	mg_report_read(&r, packet, used);
	assert_int_equal(r.count, 6);
	memcpy(packet + used - 48, packet, 8); /* cut: no block behind it */
	mg_report_read(&r, packet, used - 20);
	assert_int_equal(r.count, 4);
}

static struct mg_far a, b;
static struct mg_sources sources;

/* A has reported at 100 s; B, who hears A as source 1, holds it for half a
 * second and answers 520 ms later: the way to B and back is 20 ms. */
static void
b_answers(uint32_t lsr, uint64_t at)
{
	struct mg_rtp rtp = {.ssrc = 1, .seq = 5};
	struct mg_report r;

	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	memset(&sources, 0, sizeof sources);
	mg_source_take(&sources, &rtp, 8000, false, 100 * SECOND);
	used = 0;
	put_sender(1, 0x5000, 0);
	r = read_report();
	mg_report_take(&a, &b, NULL, &r, 100 * SECOND);
	used = 0;
	put_receiver(2, 2);
	put_block(9, 200, 0, lsr, 0x8000); /* of somebody else */
	put_block(1, 64, 80, lsr, 0x8000);
	r = read_report();
	mg_report_take(&b, &a, &sources, &r, at);
}

static void
the_way_is_measured(void **state)
{
	(void)state;
	b_answers(0x5000, 100 * SECOND + 520000);
	assert_true(b.heard && b.timed);
	assert_int_equal(b.rtt_us, 20000);
	assert_int_equal(b.fraction, 64);
	assert_int_equal(b.jitter_us, 10000); /* 80 of 8000 a second */
	assert_false(a.heard);
}

/* While the answer is on its way the next report passes; the one after that
 * is one too many. */
static void
answers_may_cross_a_report(void **state)
{
	struct mg_report r, next;

	(void)state;
	b_answers(0x5000, 100 * SECOND + 520000);
	r = read_report();
	used = 0;
	put_sender(1, 0x6000, 0);
	next = read_report();
	mg_report_take(&a, &b, NULL, &next, 100 * SECOND + 510000);
	b.timed = false;
	mg_report_take(&b, &a, &sources, &r, 100 * SECOND + 540000);
	assert_true(b.timed);
	assert_int_equal(b.rtt_us, 40000);
	next.ntp = 0x7000;
	mg_report_take(&a, &b, NULL, &next, 100 * SECOND + 550000);
	b.timed = false;
	mg_report_take(&b, &a, &sources, &r, 100 * SECOND + 560000);
	assert_false(b.timed);
}

/* An answer to another report, one that came before it can have, or one that
 * is older than anybody waits measures nothing. */
static void
what_cannot_be_is_not_measured(void **state)
{
	(void)state;
	b_answers(0x5001, 100 * SECOND + 520000);
	assert_true(b.heard);
	assert_false(b.timed);
	b_answers(0, 100 * SECOND + 520000);
	assert_false(b.timed);
	b_answers(0x5000, 100 * SECOND + 499999);
	assert_false(b.timed);
	b_answers(0x5000, 200 * SECOND);
	assert_false(b.timed);
}

/* Who reports on a source that nobody has heard says nothing of this stream. */
static void
strange_sources_are_left_out(void **state)
{
	struct mg_report r;

	(void)state;
	b_answers(0x5000, 100 * SECOND + 520000);
	memset(&b, 0, sizeof b);
	used = 0;
	put_receiver(2, 1);
	put_block(77, 255, 0, 0x5000, 0);
	r = read_report();
	mg_report_take(&b, &a, &sources, &r, 101 * SECOND);
	assert_false(b.heard);
}

int
main(void)
{
#define FRESH(fn) cmocka_unit_test_setup(fn, fresh)
	const struct CMUnitTest tests[] = {
	    FRESH(fields_are_read),
	    FRESH(only_what_is_there_is_read),
	    FRESH(the_way_is_measured),
	    FRESH(answers_may_cross_a_report),
	    FRESH(what_cannot_be_is_not_measured),
	    FRESH(strange_sources_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
