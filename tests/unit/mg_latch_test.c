/* The latch: from whom packets are taken, and to whom they are sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/mg/mg.h"

#define MS UINT64_C(1000)

static struct mg_latch latch;
static uint64_t now;
static uint16_t seq;

static union addr
at(const char *host, uint16_t port)
{
	union addr a = {0};

	if (host != NULL)
		assert_true(addr_parse(&a, host, port));
	return a;
}

/* A phone's SDP says host:port; its signalling came from source. */
static void
signal_at(const char *host, uint16_t port, const char *source)
{
	union addr a = at(host, port), s = at(source, 5060);

	mg_latch_signal(&latch, &a, source != NULL ? &s : NULL, now);
}

static enum mg_latched
packet_of(const char *host, uint16_t port, uint32_t ssrc, bool known)
{
	union addr a = at(host, port);
	struct mg_rtp rtp = {.seq = seq++, .ssrc = ssrc};

	now += 20 * MS;
	return mg_latch_rtp(&latch, &a, &rtp, known, now);
}

/* A stream of n packets, 20 ms apart; how many passed. */
static unsigned
stream_of(const char *host, uint16_t port, unsigned n)
{
	unsigned passed = 0;

	while (n-- > 0)
		passed += packet_of(host, port, 7, true) != MG_LATCH_DROP;
	return passed;
}

static void
sends_to(const char *text)
{
	char out[ADDR_TEXT] = "nowhere";

	if (latch.remote.sa.sa_family != AF_UNSPEC)
		addr_text(out, &latch.remote);
	assert_string_equal(out, text);
}

static int
fresh(void **state)
{
	(void)state;
	memset(&latch, 0, sizeof latch);
	now = 1000000;
	seq = 65533; /* wraps in the middle of a proof */
	return 0;
}

/* Before signalling nobody is heard, however long he tries. */
static void
nothing_is_taken_before_signalling(void **state)
{
	(void)state;
	assert_int_equal(stream_of("198.51.100.5", 4000, 200), 0);
	sends_to("nowhere");
}

/* The signalled address is sent to at once and proven by one packet. */
static void
signalled_address_needs_one_packet(void **state)
{
	(void)state;
	signal_at("192.0.2.7", 4000, "192.0.2.7");
	sends_to("192.0.2.7:4000");
	assert_int_equal(latch.trust, MG_TRUST_NONE);
	assert_int_equal(
	    packet_of("192.0.2.7", 4000, 7, false), MG_LATCH_MOVED);
	assert_int_equal(packet_of("192.0.2.7", 4000, 7, false), MG_LATCH_PASS);
	assert_int_equal(latch.trust, MG_TRUST_EXACT);
}

/* RTP bleed: a stranger who sprays an open port hears nothing and is not
 * heard, before and after the party speaks. */
static void
stranger_never_gets_in(void **state)
{
	(void)state;
	signal_at("192.0.2.7", 4000, "192.0.2.7");
	assert_int_equal(stream_of("198.51.100.5", 6666, 2000), 0);
	sends_to("192.0.2.7:4000");
	assert_int_equal(stream_of("192.0.2.7", 4000, 3), 3);
	assert_int_equal(stream_of("198.51.100.5", 6666, 2000), 0);
	sends_to("192.0.2.7:4000");
}

/* Another port of the same host (a NAT that maps ports) is taken after three
 * packets, and no media goes there before. */
static void
other_port_of_the_host_needs_three(void **state)
{
	(void)state;
	signal_at("192.0.2.7", 4000, "192.0.2.7");
	assert_int_equal(stream_of("192.0.2.7", 4444, 2), 0);
	sends_to("192.0.2.7:4000");
	assert_int_equal(stream_of("192.0.2.7", 4444, 3), 3);
	sends_to("192.0.2.7:4444");
	assert_int_equal(latch.trust, MG_TRUST_NEAR);
	assert_int_equal(stream_of("192.0.2.7", 4445, 100), 0);
}

/* Behind NAT: the private address is not sent to; the host from which the
 * phone signals proves itself, a stranger who is faster does not. */
static void
private_address_waits_for_the_signalling_host(void **state)
{
	(void)state;
	signal_at("192.168.1.5", 4000, "203.0.113.9");
	sends_to("nowhere");
	assert_int_equal(stream_of("198.51.100.5", 6666, 50), 0);
	assert_int_equal(stream_of("203.0.113.9", 61000, 3), 1);
	sends_to("203.0.113.9:61000");
	assert_int_equal(stream_of("198.51.100.5", 6666, 500), 0);
	sends_to("203.0.113.9:61000");
}

/* A machine of our own network that happens to have the phone's private
 * address is nobody. */
static void
same_private_address_here_is_a_stranger(void **state)
{
	(void)state;
	signal_at("192.168.1.5", 4000, "203.0.113.9");
	assert_int_equal(stream_of("192.168.1.5", 4000, 50), 0);
	sends_to("nowhere");
}

/* A private address whose signalling host is unknown, or that signals from
 * itself: it is sent to, as phones of our own network are. */
static void
private_phones_of_our_own_network_work(void **state)
{
	(void)state;
	signal_at("10.0.0.5", 4000, "10.0.0.5");
	sends_to("10.0.0.5:4000");
	assert_int_equal(stream_of("10.0.0.5", 4000, 2), 2);
	fresh(NULL);
	signal_at("10.0.0.5", 4000, NULL);
	sends_to("10.0.0.5:4000");
	assert_int_equal(stream_of("10.0.0.5", 4000, 2), 2);
}

/* Private, and nobody knows from where it signals: five steady packets. */
static void
unknown_source_needs_five(void **state)
{
	(void)state;
	signal_at("192.168.1.5", 4000, NULL);
	assert_int_equal(stream_of("203.0.113.9", 61000, 4), 0);
	sends_to("192.168.1.5:4000");
	assert_int_equal(stream_of("203.0.113.9", 61000, 2), 2);
	sends_to("203.0.113.9:61000");
	assert_int_equal(latch.trust, MG_TRUST_FAR);
}

/* A name for an address, and no signalling host: the same. */
static void
unnamed_address_needs_five(void **state)
{
	(void)state;
	signal_at(NULL, 0, NULL);
	sends_to("nowhere");
	assert_int_equal(stream_of("203.0.113.9", 61000, 6), 2);
	sends_to("203.0.113.9:61000");
}

/* Two who compete for an open latch keep each other out: rather no media
 * than media for the wrong one. */
static void
competitors_block_each_other(void **state)
{
	unsigned i;

	(void)state;
	signal_at("192.168.1.5", 4000, NULL);
	for (i = 0; i < 100; i++) {
		assert_int_equal(stream_of("203.0.113.9", 61000, 1), 0);
		assert_int_equal(stream_of("198.51.100.5", 6666, 1), 0);
	}
	sends_to("192.168.1.5:4000");
}

/* A public address that stays silent while signalling came from elsewhere
 * gives way after two seconds, not before. */
static void
silent_address_gives_way_late(void **state)
{
	(void)state;
	signal_at("192.0.2.7", 4000, "203.0.113.9");
	assert_int_equal(stream_of("198.51.100.5", 6000, 99), 0);
	sends_to("192.0.2.7:4000");
	assert_int_equal(stream_of("198.51.100.5", 6000, 10), 6);
	sends_to("198.51.100.5:6000");
}

/* ... but the better known who comes after all takes his place back. */
static void
better_known_takes_over(void **state)
{
	(void)state;
	signal_at("192.0.2.7", 4000, "203.0.113.9");
	stream_of("198.51.100.5", 6000, 120);
	sends_to("198.51.100.5:6000");
	assert_int_equal(stream_of("203.0.113.9", 61000, 3), 1);
	sends_to("203.0.113.9:61000");
	assert_int_equal(stream_of("192.0.2.7", 4000, 1), 1);
	sends_to("192.0.2.7:4000");
	assert_int_equal(stream_of("198.51.100.5", 6000, 500), 0);
	assert_int_equal(stream_of("203.0.113.9", 61000, 500), 0);
}

/* Proof is steady: one source, numbers going up, offered formats, in time. */
static void
proof_must_be_steady(void **state)
{
	unsigned i;

	(void)state;
	signal_at("192.0.2.7", 4000, "192.0.2.7");
	for (i = 0; i < 50; i++) /* another source each time */
		assert_int_equal(
		    packet_of("192.0.2.7", 4444, i, true), MG_LATCH_DROP);
	for (i = 0; i < 50; i++) { /* numbers at random */
		seq = (uint16_t)(i * 7919);
		assert_int_equal(
		    packet_of("192.0.2.7", 4444, 7, true), MG_LATCH_DROP);
	}
	for (i = 0; i < 50; i++) /* a format that nobody offered */
		assert_int_equal(
		    packet_of("192.0.2.7", 4444, 7, false), MG_LATCH_DROP);
	for (i = 0; i < 50; i++) { /* too slow */
		now += 300 * MS;
		assert_int_equal(
		    packet_of("192.0.2.7", 4444, 7, true), MG_LATCH_DROP);
	}
	sends_to("192.0.2.7:4000");
}

/* A new address by signalling is followed at once, the old one is nobody. */
static void
new_signalling_moves(void **state)
{
	(void)state;
	signal_at("192.0.2.7", 4000, "192.0.2.7");
	stream_of("192.0.2.7", 4000, 3);
	signal_at("192.0.2.8", 4000, "192.0.2.8");
	sends_to("192.0.2.8:4000");
	assert_int_equal(latch.trust, MG_TRUST_NONE);
	assert_int_equal(stream_of("192.0.2.7", 4000, 300), 0);
	assert_int_equal(stream_of("192.0.2.8", 4000, 3), 3);
}

/* Signalling that changes nothing leaves a proven address alone. */
static void
refresh_keeps_what_is_proven(void **state)
{
	(void)state;
	signal_at("192.0.2.7", 4000, "192.0.2.7");
	stream_of("192.0.2.7", 4000, 3);
	signal_at("192.0.2.7", 4000, "192.0.2.7");
	assert_int_equal(latch.trust, MG_TRUST_EXACT);
	assert_int_equal(stream_of("192.0.2.7", 4444, 300), 0);
}

/* Behind NAT a refresh opens the latch to the same host's new port, goes on
 * sending to the old one until then, and never to a stranger. */
static void
refresh_lets_nat_move_its_port(void **state)
{
	(void)state;
	signal_at("192.168.1.5", 4000, "203.0.113.9");
	stream_of("203.0.113.9", 61000, 3);
	assert_int_equal(stream_of("203.0.113.9", 61002, 100), 0);
	signal_at("192.168.1.5", 4000, "203.0.113.9");
	sends_to("203.0.113.9:61000");
	assert_int_equal(stream_of("198.51.100.5", 6666, 2000), 0);
	sends_to("203.0.113.9:61000");
	assert_int_equal(stream_of("203.0.113.9", 61002, 3), 1);
	sends_to("203.0.113.9:61002");
	assert_int_equal(stream_of("203.0.113.9", 61000, 100), 0);
}

static enum mg_latched
bare_of(const char *host, uint16_t port, const struct mg_latch *proven)
{
	union addr a = at(host, port);

	now += 20 * MS;
	return mg_latch_bare(&latch, &a, proven, now);
}

/* RTCP comes from its signalled address, or from the host where RTP was
 * proven; from nobody else, and not before signalling. */
static void
rtcp_follows_rtp(void **state)
{
	struct mg_latch rtp = {0};

	(void)state;
	assert_int_equal(bare_of("192.0.2.7", 4001, &rtp), MG_LATCH_DROP);
	signal_at("192.168.1.5", 4001, "203.0.113.9");
	assert_int_equal(bare_of("198.51.100.5", 6667, &rtp), MG_LATCH_DROP);
	rtp.open = true;
	rtp.trust = MG_TRUST_FAR;
	rtp.remote = at("198.51.100.77", 9000);
	assert_int_equal(bare_of("203.0.113.9", 61001, &rtp), MG_LATCH_DROP);
	assert_int_equal(bare_of("198.51.100.77", 9001, &rtp), MG_LATCH_MOVED);
	sends_to("198.51.100.77:9001");
	assert_int_equal(bare_of("198.51.100.5", 6667, &rtp), MG_LATCH_DROP);
	assert_int_equal(bare_of("198.51.100.77", 9001, &rtp), MG_LATCH_PASS);
}

/* Bytes without a source, DTLS or fax: signalled address or host only. */
static void
bare_packets_need_a_known_host(void **state)
{
	unsigned i;

	(void)state;
	signal_at("192.0.2.7", 4000, "203.0.113.9");
	for (i = 0; i < 300; i++)
		assert_int_equal(
		    bare_of("198.51.100.5", 6666, NULL), MG_LATCH_DROP);
	assert_int_equal(bare_of("203.0.113.9", 5000, NULL), MG_LATCH_MOVED);
	assert_int_equal(bare_of("192.0.2.7", 4000, NULL), MG_LATCH_MOVED);
	sends_to("192.0.2.7:4000");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, fresh)
	const struct CMUnitTest tests[] = {
	    TEST(nothing_is_taken_before_signalling),
	    TEST(signalled_address_needs_one_packet),
	    TEST(stranger_never_gets_in),
	    TEST(other_port_of_the_host_needs_three),
	    TEST(private_address_waits_for_the_signalling_host),
	    TEST(same_private_address_here_is_a_stranger),
	    TEST(private_phones_of_our_own_network_work),
	    TEST(unknown_source_needs_five),
	    TEST(unnamed_address_needs_five),
	    TEST(competitors_block_each_other),
	    TEST(silent_address_gives_way_late),
	    TEST(better_known_takes_over),
	    TEST(proof_must_be_steady),
	    TEST(new_signalling_moves),
	    TEST(refresh_keeps_what_is_proven),
	    TEST(refresh_lets_nat_move_its_port),
	    TEST(rtcp_follows_rtp),
	    TEST(bare_packets_need_a_known_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
