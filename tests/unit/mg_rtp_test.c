/* RTP and RTCP: what is a packet, and what is counted of a source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/mg/mg.h"

static const uint8_t plain[] = {
    0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3};

/* The fields that count are found. */
static void
header_is_read(void **state)
{
	struct mg_rtp rtp;

	(void)state;
	assert_true(mg_rtp_parse(&rtp, plain, sizeof plain));
	assert_int_equal(rtp.pt, 8);
	assert_int_equal(rtp.seq, 0x1234);
	assert_int_equal(rtp.time, 160);
	assert_int_equal(rtp.ssrc, 0xdeadbeef);
}

/* Version, list of contributors and extension must fit the packet. */
static void
header_must_fit(void **state)
{
	struct mg_rtp rtp;
	uint8_t p[40] = {0x80, 0};

	(void)state;
	assert_true(mg_rtp_parse(&rtp, p, 12));
	assert_false(mg_rtp_parse(&rtp, p, 11));
	p[0] = 0x40;
	assert_false(mg_rtp_parse(&rtp, p, 40));
	p[0] = 0x82; /* two contributors */
	assert_true(mg_rtp_parse(&rtp, p, 20));
	assert_false(mg_rtp_parse(&rtp, p, 19));
	p[0] = 0x90; /* an extension of two words */
	p[15] = 2;
	assert_true(mg_rtp_parse(&rtp, p, 24));
	assert_false(mg_rtp_parse(&rtp, p, 23));
	assert_false(mg_rtp_parse(&rtp, p, 15));
}

/* RTP, RTCP and DTLS share a port; STUN and noise are none of them. */
static void
kinds_are_told_apart(void **state)
{
	uint8_t p[20] = {0};

	(void)state;
	assert_int_equal(mg_packet_kind(plain, sizeof plain), MG_PACKET_RTP);
	assert_int_equal(mg_packet_kind(plain, 7), MG_PACKET_OTHER);
	assert_int_equal(mg_packet_kind(p, 20), MG_PACKET_OTHER); /* STUN */
	p[0] = 22;
	assert_int_equal(mg_packet_kind(p, 20), MG_PACKET_DTLS);
	p[0] = 0x80;
	p[1] = 200;
	assert_int_equal(mg_packet_kind(p, 20), MG_PACKET_RTCP);
	p[1] = 191;
	assert_int_equal(mg_packet_kind(p, 20), MG_PACKET_RTP);
	p[1] = 223;
	assert_int_equal(mg_packet_kind(p, 20), MG_PACKET_RTCP);
	p[0] = 200;
	assert_int_equal(mg_packet_kind(p, 20), MG_PACKET_OTHER);
}

/* A compound packet fills its datagram exactly; of an encrypted one only
 * the first header is clear. */
static void
rtcp_must_fit(void **state)
{
	uint8_t p[32] = {0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 202, 0, 2, 0, 0, 0,
	    1, 1, 2, 'h', 'i'};

	(void)state;
	assert_true(mg_rtcp_check(p, 20, false));
	assert_false(mg_rtcp_check(p, 19, false));
	assert_false(mg_rtcp_check(p, 21, false));
	assert_true(mg_rtcp_check(p, 21, true));
	assert_false(mg_rtcp_check(p, 4, false));
	assert_false(mg_rtcp_check(p, 0, false));
	p[8] = 0x41;
	assert_false(mg_rtcp_check(p, 20, false));
}

/* Texts of SDES are hidden in place; everything else stays bit for bit. */
static void
names_in_rtcp_are_hidden(void **state)
{
	static const uint8_t key[16] = "0123456789abcdef";
	const uint8_t sample[] = {0x80, 201, 0, 1, 0, 0, 0, 1, /* RR */
	    0x82, 202, 0, 8, /* SDES, two chunks */
	    0, 0, 0, 1, 1, 5, 'a', 'l', 'i', 'c', 'e', 6, 2, 'm', 'y', 0, 0, 0,
	    0, 2, 1, 5, 'a', 'l', 'i', 'c', 'e', 0, 0, 0, 0, 0};
	uint8_t p[sizeof sample];
	char name[5] = {'a', 'l', 'i', 'c', 'e'};
	size_t i;

	(void)state;
	memcpy(p, sample, sizeof p);
	assert_true(mg_rtcp_check(p, sizeof p, false));
	mg_rtcp_mask(p, sizeof p, key);
	mg_mask_name(name, 5, key);
	assert_memory_equal(p + 18, name, 5);
	assert_memory_equal(p + 34, name, 5);
	assert_memory_not_equal(p + 25, "my", 2);
	for (i = 0; i < sizeof p; i++) {
		if ((i >= 18 && i < 23) || (i >= 25 && i < 27) ||
		    (i >= 34 && i < 39))
			continue;
		assert_int_equal(p[i], sample[i]);
	}
}

static struct mg_sources sources;
static struct mg_quality quality;

static bool
take(uint32_t ssrc, uint16_t seq, uint32_t time, uint64_t now)
{
	struct mg_rtp rtp = {.seq = seq, .time = time, .ssrc = ssrc};

	return mg_source_take(&sources, &rtp, 8000, false, now);
}

static int
fresh(void **state)
{
	(void)state;
	memset(&sources, 0, sizeof sources);
	return 0;
}

/* Numbers missing between the first and the highest are lost; coming back
 * late they are not. */
static void
losses_are_counted(void **state)
{
	(void)state;
	assert_true(take(1, 65534, 0, 0));
	assert_true(take(1, 65535, 160, 20000));
	assert_true(take(1, 2, 640, 80000)); /* 0 and 1 are missing */
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.received, 3);
	assert_int_equal(quality.expected, 5);
	assert_int_equal(quality.lost, 2);
	assert_int_equal(quality.misordered, 0);
	assert_true(take(1, 1, 480, 81000));
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.lost, 1);
	assert_int_equal(quality.misordered, 1);
}

/* Twice is not more than expected. */
static void
repetition_is_no_gain(void **state)
{
	(void)state;
	take(1, 5, 0, 0);
	take(1, 5, 0, 1);
	take(1, 5, 0, 2);
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.lost, 0);
	assert_int_equal(quality.misordered, 2);
}

/* Again is not late, and makes up for nothing that is missing. */
static void
twice_is_told_from_late(void **state)
{
	(void)state;
	take(1, 10, 0, 0);
	take(1, 11, 160, 0);
	take(1, 14, 640, 0);
	take(1, 13, 480, 0); /* late */
	take(1, 13, 480, 0); /* again */
	take(1, 10, 0, 0);   /* again, and far behind */
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.received, 6);
	assert_int_equal(quality.expected, 5);
	assert_int_equal(quality.lost, 1);
	assert_int_equal(quality.misordered, 3);
	assert_int_equal(quality.twice, 2);
}

/* The longest run of missing numbers, also where they begin anew. */
static void
gaps_are_measured(void **state)
{
	(void)state;
	take(1, 65530, 0, 0);
	take(1, 65531, 160, 0);
	assert_int_equal(sources.gap, 0);
	take(1, 4, 320, 0);
	assert_int_equal(sources.gap, 8);
	take(1, 6, 480, 0);
	assert_int_equal(sources.gap, 8);
	sources.gap = 0;
	take(1, 8, 640, 0);
	assert_int_equal(sources.gap, 1);
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.lost, 10);
}

/* What sources have counted stays when they are replaced or begin anew. */
static void
sums_survive_their_sources(void **state)
{
	uint32_t ssrc;
	uint16_t i;

	(void)state;
	take(1, 1, 0, 1);
	take(1, 4, 0, 2);
	for (ssrc = 2; ssrc < 10; ssrc++) {
		for (i = 0; i < 5; i++)
			take(ssrc, i, 0, ssrc * 10 + i);
	}
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.received, 2 + 8 * 4);
	assert_int_equal(quality.expected, 4 + 8 * 4);
	assert_int_equal(quality.lost, 2);
	for (i = 30000; i < 30005; i++)
		take(9, i, 0, 1000 + i);
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.received, 2 + 8 * 4 + 5);
	assert_int_equal(quality.lost, 2);
	assert_int_equal(quality.ssrc, 9);
}

/* A key that is held is many packets of one moment: no jitter, neither then
 * nor when words go on. */
static void
keys_are_no_jitter(void **state)
{
	uint16_t i;

	(void)state;
	for (i = 0; i < 50; i++)
		take(1, i, 160u * i, 1000000 + 20000u * i);
	for (; i < 60; i++)
		take(1, i, 160u * 50, 1000000 + 20000u * i);
	for (; i < 100; i++)
		take(1, i, 160u * i, 1000000 + 20000u * i);
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.jitter_us, 0);
	assert_int_equal(quality.lost, 0);
}

/* A sender who starts anew at another number loses nothing. */
static void
jump_of_numbers_is_a_new_start(void **state)
{
	uint16_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		take(1, i, 160u * i, 20000u * i);
	for (i = 30000; i < 30010; i++)
		take(1, i, 160u * i, 20000u * i);
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.lost, 0);
	assert_int_equal(quality.ssrc, 1);
}

/* Even arrival has no jitter; RFC 3550 A.8 smooths by a sixteenth. */
static void
jitter_is_that_of_the_rfc(void **state)
{
	uint16_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		take(1, i, 160u * i, 1000000 + 20000u * i);
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.jitter_us, 0);
	/* one packet 16 ms late: |D| = 128 of 8000; J = 128 / 16 = 8 = 1 ms */
	take(1, i, 160u * i, 1000000 + 20000u * i + 16000);
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.jitter_us, 1000);
}

/* A second source must show two packets in order before it is let through,
 * and is counted by itself. */
static void
new_source_is_on_probation(void **state)
{
	(void)state;
	assert_true(take(1, 100, 0, 0));
	assert_false(take(2, 500, 0, 1));
	assert_false(take(2, 600, 0, 2));
	assert_true(take(2, 601, 0, 3));
	assert_true(take(1, 101, 0, 4));
	mg_source_sum(&sources, &quality);
	assert_int_equal(quality.received, 3);
	assert_int_equal(quality.lost, 0);
}

/* One that has proven itself to the latch needs no more proof. */
static void
proven_source_passes_at_once(void **state)
{
	struct mg_rtp rtp = {.seq = 9, .ssrc = 7};

	(void)state;
	assert_true(take(1, 100, 0, 0));
	assert_true(mg_source_take(&sources, &rtp, 8000, true, 1));
}

/* Sources are bounded: the one silent for longest is forgotten. */
static void
sources_are_bounded(void **state)
{
	uint32_t ssrc;

	(void)state;
	take(1, 1, 0, 1);
	for (ssrc = 2; ssrc < 100; ssrc++) {
		assert_false(take(ssrc, 1, 0, ssrc * 10));
		assert_true(take(ssrc, 2, 0, ssrc * 10 + 1));
	}
	assert_true(take(99, 3, 0, 2000));
	assert_true(take(98, 3, 0, 2001));
	assert_false(take(1, 2, 0, 2002));
}

/* The source that an echo returns is another one, bit by bit the rest. */
static void
source_is_renamed_in_place(void **state)
{
	uint8_t p[sizeof plain];
	struct mg_rtp rtp;

	(void)state;
	memcpy(p, plain, sizeof p);
	mg_rtp_set_ssrc(p, 0x01020304);
	assert_true(mg_rtp_parse(&rtp, p, sizeof p));
	assert_int_equal(rtp.ssrc, 0x01020304);
	assert_memory_equal(p, plain, 8);
	assert_memory_equal(p + 12, plain + 12, 3);
}

int
main(void)
{
#define FRESH(fn) cmocka_unit_test_setup(fn, fresh)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(header_is_read),
	    cmocka_unit_test(header_must_fit),
	    cmocka_unit_test(kinds_are_told_apart),
	    cmocka_unit_test(rtcp_must_fit),
	    cmocka_unit_test(names_in_rtcp_are_hidden),
	    FRESH(losses_are_counted),
	    FRESH(repetition_is_no_gain),
	    FRESH(twice_is_told_from_late),
	    FRESH(gaps_are_measured),
	    FRESH(sums_survive_their_sources),
	    FRESH(keys_are_no_jitter),
	    FRESH(jump_of_numbers_is_a_new_start),
	    FRESH(jitter_is_that_of_the_rfc),
	    FRESH(new_source_is_on_probation),
	    FRESH(proven_source_passes_at_once),
	    FRESH(sources_are_bounded),
	    cmocka_unit_test(source_is_renamed_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
