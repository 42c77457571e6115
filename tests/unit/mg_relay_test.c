/* Packets through the gate: who hears whom, and who does not. */
#include "mg_fixture.h"

/* Words and reports go both ways; each phone sees the gate only. */
static void
media_goes_both_ways(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	union addr to, from;
	uint8_t got[200];
	unsigned i;

	connect_both(g, &a, &b);
	assert_int_equal(addr_port(&a.to) % 2, 0);
	assert_int_not_equal(addr_port(&a.to), addr_port(&b.to));
	for (i = 0; i < 10; i++) {
		reaches(g, &a, &b);
		reaches(g, &b, &a);
	}
	to = a.to;
	addr_set_port(&to, (uint16_t)(addr_port(&to) + 1));
	report(&a, &to, a.rtcp);
	turn(g);
	assert_int_equal(received(b.rtcp, got, sizeof got, &from), 24);
	assert_int_equal(addr_port(&from), addr_port(&b.to) + 1);
	assert_memory_equal(got, "\x80\xc9\0\1\0\0\0\x09\x81\xca", 10);
	assert_memory_not_equal(got + 18, "alice", 5); /* hidden */
	assert_int_equal(g->mg->n.rtp_out, 20);
	assert_int_equal(g->mg->n.rtcp_out, 1);
	assert_int_equal(drain(a.rtcp), 0); /* never back to who reports */
	assert_int_equal(g->mg->n.drop_stray + g->mg->n.drop_noise, 0);
	phone_end(&a);
	phone_end(&b);
}

/* RTP bleed: a stranger sprays both ports, before, during and after the
 * phones speak. He gets nothing, and nobody gets his. */
static void
stranger_gets_nothing(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone x = phone_at("127.0.0.66");
	unsigned i;

	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "received-from",
		json_pack("[s, s]", "IP4", "127.0.0.1")));
	heard_by(g, &b);
	for (i = 0; i < 20; i++) { /* nobody has answered yet */
		x.to = b.to;
		speak(&x);
	}
	turn_long(g);
	ask(g,
	    with(answer("c1", "a", "b", sdp_of(&b, "")), "received-from",
		json_pack("[s, s]", "IP4", "127.0.0.1")));
	heard_by(g, &a);
	for (i = 0; i < 20; i++) {
		x.to = i & 1 ? a.to : b.to;
		speak(&x);
		turn(g);
	}
	assert_int_equal(drain(a.rtp) + drain(b.rtp), 0);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	for (i = 0; i < 20; i++) {
		x.to = i & 1 ? a.to : b.to;
		speak(&x);
		reaches(g, &a, &b);
		reaches(g, &b, &a);
	}
	assert_int_equal(drain(x.rtp) + drain(x.rtcp), 0);
	assert_int_equal(drain(a.rtp) + drain(b.rtp), 0);
	assert_int_equal(g->mg->n.drop_early, 20);
	assert_true(g->mg->n.drop_stray >= 20);
	phone_end(&a);
	phone_end(&b);
	phone_end(&x);
}

/* A phone whose NAT gave it another port is found by its third packet. */
static void
mapped_port_is_found(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone mapped = phone_at("127.0.0.1");
	unsigned i;

	connect_both(g, &a, &b);
	mapped.to = a.to;
	for (i = 0; i < 2; i++)
		reaches_not(g, &mapped, &b);
	reaches(g, &mapped, &b);
	reaches(g, &b, &mapped);
	assert_int_equal(drain(a.rtp), 0);
	phone_end(&a);
	phone_end(&b);
	phone_end(&mapped);
}

/* A re-INVITE that names a new address is followed; the gate's own ports
 * stay what they were. */
static void
changed_address_is_followed(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone moved = phone_at("127.0.0.3");
	uint16_t port;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	port = addr_port(&b.to);
	ask(g,
	    with(offer("c1", "a", sdp_of(&moved, "")), "to-tag",
		json_string("b")));
	assert_int_equal(port_in(g, 0), port);
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	assert_int_equal(port_in(g, 0), addr_port(&a.to));
	moved.to = a.to;
	reaches(g, &b, &moved);
	reaches(g, &moved, &b);
	reaches_not(g, &a, &b);
	phone_end(&a);
	phone_end(&b);
	phone_end(&moved);
}

/* Who put the other on hold hears nothing until he resumes; of both kinds. */
static void
hold_is_silent(void **state)
{
	static const char *const how[] = {"a=sendonly\r\n", "a=inactive\r\n"};
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone zero = a;
	unsigned i;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	for (i = 0; i < 3; i++) {
		zero.host = i == 2 ? "0.0.0.0" : "127.0.0.1";
		ask(g,
		    with(offer("c1", "a", sdp_of(&zero, i < 2 ? how[i] : "")),
			"to-tag", json_string("b")));
		assert_non_null(strstr(ng_str(g->reply, "sdp"),
		    i == 1 ? "a=inactive" : "a=sendonly"));
		assert_null(strstr(ng_str(g->reply, "sdp"), "0.0.0.0"));
		ask(g, answer("c1", "a", "b", sdp_of(&b, "a=recvonly\r\n")));
		reaches_not(g, &b, &a);
		if (i != 1)
			reaches(g, &a, &b); /* music on hold */
		ask(g,
		    with(offer("c1", "a", sdp_of(&a, "")), "to-tag",
			json_string("b")));
		ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
		reaches(g, &b, &a);
		reaches(g, &a, &b);
	}
	assert_true(g->mg->n.drop_held >= 3);
	phone_end(&a);
	phone_end(&b);
}

/* The echo answers by itself and returns words and digits to their speaker,
 * as another source; his reports end there. */
static void
echo_returns_the_caller_to_himself(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), x = phone_at("127.0.0.66");
	uint8_t sent[64], got[2000];
	struct mg_rtp rtp;
	union addr to, from;
	unsigned i;
	size_t n;

	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "a=sendrecv\r\n")), "flags",
		json_pack("[s]", "tandem-echo")));
	heard_by(g, &a);
	assert_non_null(strstr(ng_str(g->reply, "sdp"), "RTP/AVP 8 101\r\n"));
	for (i = 0; i < 6; i++) {
		n = packet_make(&a, sent, i == 3 ? 101 : 8);
		send_to(a.rtp, &a.to, sent, n);
		turn(g);
		assert_int_equal(received(a.rtp, got, sizeof got, &from), n);
		assert_memory_equal(got, sent, 8);
		assert_memory_equal(got + 12, sent + 12, n - 12);
		assert_true(mg_rtp_parse(&rtp, got, n));
		assert_int_not_equal(rtp.ssrc, a.ssrc);
		assert_true(addr_equal(&from, &a.to));
	}
	x.to = a.to;
	for (i = 0; i < 10; i++)
		speak(&x);
	to = a.to;
	addr_set_port(&to, (uint16_t)(addr_port(&to) + 1));
	report(&a, &to, a.rtcp);
	turn_long(g);
	assert_int_equal(drain(a.rtcp) + drain(x.rtp), 0);
	assert_int_equal(g->mg->n.rtcp_in, 1);
	assert_int_equal(g->mg->n.rtcp_out, 0);
	phone_end(&a);
	phone_end(&x);
}

/* The echo answers a hold as RFC 3264 says, and returns nothing during it;
 * repeating an offer repeats the answer, changing it changes its version. */
static void
echo_is_held_and_resumed(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	json_t *flags = json_pack("[s]", "tandem-echo"), *first;

	ask(g,
	    with(
		offer("c1", "a", sdp_of(&a, "")), "flags", json_incref(flags)));
	heard_by(g, &a);
	first = json_incref(g->reply);
	ask(g,
	    with(
		offer("c1", "a", sdp_of(&a, "")), "flags", json_incref(flags)));
	assert_true(json_equal(first, g->reply));
	json_decref(first);
	speak(&a);
	turn(g);
	assert_int_equal(drain(a.rtp), 1);
	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "a=sendonly\r\n")), "flags",
		json_incref(flags)));
	assert_non_null(strstr(ng_str(g->reply, "sdp"), "a=recvonly"));
	assert_non_null(strstr(ng_str(g->reply, "sdp"), " 2 IN IP4"));
	reaches_not(g, &a, &a);
	ask(g, with(offer("c1", "a", sdp_of(&a, "")), "flags", flags));
	assert_non_null(strstr(ng_str(g->reply, "sdp"), "a=sendrecv"));
	phone_end(&a);
}

/* An address that is not this machine's is shown all the same: somebody maps
 * it to us. */
static void
mapped_address_is_shown(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");

	feed(g, "198.51.100.1", 20);
	connect_both(g, &a, &b);
	assert_non_null(
	    strstr(ng_str(g->reply, "sdp"), "c=IN IP4 198.51.100.1"));
	addr_parse(&a.to, "127.0.0.1", addr_port(&a.to));
	addr_parse(&b.to, "127.0.0.1", addr_port(&b.to));
	reaches(g, &a, &b);
	phone_end(&a);
	phone_end(&b);
}

/* RTCP on the RTP port for the one, on a port of its own for the other. */
static void
mux_is_bridged(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	union addr to, from;
	uint8_t got[200];

	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "a=rtcp-mux\r\n")), "rtcp-mux",
		json_pack("[s]", "demux")));
	assert_null(strstr(ng_str(g->reply, "sdp"), "rtcp-mux"));
	heard_by(g, &b);
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	assert_non_null(strstr(ng_str(g->reply, "sdp"), "a=rtcp-mux"));
	heard_by(g, &a);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	report(&a, &a.to, a.rtp);
	turn(g);
	assert_int_equal(received(b.rtcp, got, sizeof got, &from), 24);
	to = b.to;
	addr_set_port(&to, (uint16_t)(addr_port(&to) + 1));
	report(&b, &to, b.rtcp);
	turn(g);
	assert_int_equal(received(a.rtp, got, sizeof got, &from), 24);
	assert_int_equal(addr_port(&from), addr_port(&a.to));
	phone_end(&a);
	phone_end(&b);
}

/* IPv6 on one side, IPv4 on the other. */
static void
families_are_bridged(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("::1"), b = phone_at("127.0.0.1");

	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "address family",
		json_string("IP4")));
	heard_by(g, &b);
	assert_int_equal(b.to.sa.sa_family, AF_INET);
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	heard_by(g, &a);
	assert_int_equal(a.to.sa.sa_family, AF_INET6);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	feed(g, "127.0.0.1", 20);
	refused(g, offer("c2", "a", sdp_of(&a, "")), ERR_REFUSED,
	    "Address family not supported");
	phone_end(&a);
	phone_end(&b);
}

/* A fax by UDPTL takes the place of the sound, on the same ports. */
static void
fax_passes(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone x = phone_at("127.0.0.66");
	static const uint8_t fax[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
	char sdp[300];
	uint8_t got[100];
	union addr from;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	snprintf(sdp, sizeof sdp,
	    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
	    "t=0 0\r\nm=image %u udptl t38\r\n",
	    a.port);
	ask(g, with(offer("c1", "a", sdp), "to-tag", json_string("b")));
	assert_int_equal(port_in(g, 0), addr_port(&b.to));
	snprintf(sdp, sizeof sdp,
	    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
	    "t=0 0\r\nm=image %u udptl t38\r\n",
	    b.port);
	ask(g, answer("c1", "a", "b", sdp));
	send_to(x.rtp, &a.to, fax, sizeof fax);
	send_to(a.rtp, &a.to, fax, sizeof fax);
	turn(g);
	assert_int_equal(received(b.rtp, got, sizeof got, &from), sizeof fax);
	assert_int_equal(drain(b.rtp), 0);
	send_to(b.rtp, &b.to, fax, sizeof fax);
	turn(g);
	assert_int_equal(received(a.rtp, got, sizeof got, &from), sizeof fax);
	phone_end(&a);
	phone_end(&b);
	phone_end(&x);
}

/* Who signals the gate's own port as his makes no circle of packets. */
static void
own_ports_are_no_party(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone self = a;
	unsigned i;

	connect_both(g, &a, &b);
	reaches(g, &b, &a);
	self.port = addr_port(&a.to);
	ask(g,
	    with(offer("c1", "a", sdp_of(&self, "")), "to-tag",
		json_string("b")));
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	for (i = 0; i < 20; i++)
		reaches_not(g, &b, &a);
	assert_true(g->mg->n.rtp_out < 5);
	phone_end(&a);
	phone_end(&b);
}

/* No more packets a second pass than a stream can need. */
static void
floods_are_cut(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	unsigned i;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	g->mg->list.tqh_first->parties.tqh_first->media[0]->rtp.in_second =
	    MG_STREAM_PPS;
	for (i = 0; i < 5; i++)
		speak(&a);
	turn_long(g);
	assert_true(g->mg->n.drop_flood > 0);
	phone_end(&a);
	phone_end(&b);
}

/* Noise on a media port is dropped and counted. */
static void
noise_is_dropped(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	char big[3000] = {(char)0x80, 8};
	uint8_t data[64];

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	drain(b.rtp);
	send_to(a.rtp, &a.to, "", 0);
	send_to(a.rtp, &a.to, "hello, world", 12);
	send_to(a.rtp, &a.to, "\x80\xc8\0\1", 4);
	send_to(a.rtp, &a.to, "\x80\xc8\0\1\0\0\0\1", 8); /* not mux */
	send_to(a.rtp, &a.to, "\0\1\0\0\x21\x12\xa4\x42", 8);
	send_to(a.rtp, &a.to, big, sizeof big);
	packet_make(&a, data, 8);
	send_to(a.rtp, &a.to, data, 11);
	turn_long(g);
	assert_int_equal(drain(b.rtp), 0);
	assert_int_equal(g->mg->n.drop_noise, 7);
	reaches(g, &a, &b);
	phone_end(&a);
	phone_end(&b);
}

/* A phone whose port is closed (ICMP comes back) stops nothing. */
static void
closed_phone_stops_nothing(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	unsigned i;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	phone_end(&b);
	for (i = 0; i < 20; i++) {
		speak(&a);
		turn(g);
	}
	assert_int_equal(g->mg->n.rtp_in, 22);
	phone_end(&a);
}

/* Many packets at once pass in their order, by the ring and without it. */
static void
bursts_pass_in_order(void **state)
{
	struct gate *g = *state;
	struct phone a[6], b[6];
	uint8_t got[2000];
	union addr from;
	unsigned i, k, round;
	char id[16];

	for (i = 0; i < 6; i++) {
		a[i] = phone_at("127.0.0.1");
		b[i] = phone_at("127.0.0.1");
		snprintf(id, sizeof id, "c%u", i);
		ask(g, offer(id, "a", sdp_of(&a[i], "")));
		heard_by(g, &b[i]);
		ask(g, answer(id, "a", "b", sdp_of(&b[i], "")));
		heard_by(g, &a[i]);
	}
	for (round = 0; round < 2; round++) {
		for (k = 0; k < 20; k++) {
			for (i = 0; i < 6; i++)
				speak(&a[i]);
		}
		turn_long(g);
		for (i = 0; i < 6; i++) {
			for (k = 0; k < 20; k++) {
				assert_int_equal(
				    received(b[i].rtp, got, sizeof got, &from),
				    32);
				assert_int_equal(got[2] << 8 | got[3],
				    a[i].seq - 20 + (int)k);
			}
			assert_int_equal(drain(b[i].rtp), 0);
		}
		mg_batch_plain(g->mg->batch);
	}
	assert_int_equal(g->mg->n.rtp_out, 240);
	for (i = 0; i < 6; i++) {
		phone_end(&a[i]);
		phone_end(&b[i]);
	}
}

/* A call that goes over to the echo leaves whom it spoke with, and comes back
 * by the next offer. */
static void
echo_ends_a_conversation(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	union addr to;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "flags",
		json_pack("[s]", "tandem-echo")));
	reaches_not(g, &b, &a);
	reaches_not(g, &a, &b);
	assert_int_equal(drain(a.rtp), 1); /* his own */
	to = a.to;
	addr_set_port(&to, (uint16_t)(addr_port(&to) + 1));
	report(&a, &to, a.rtcp);
	turn(g);
	assert_int_equal(drain(b.rtcp), 0);
	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "to-tag", json_string("b")));
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(media_goes_both_ways),
	    TEST(stranger_gets_nothing),
	    TEST(mapped_port_is_found),
	    TEST(changed_address_is_followed),
	    TEST(hold_is_silent),
	    TEST(echo_returns_the_caller_to_himself),
	    TEST(echo_is_held_and_resumed),
	    TEST(echo_ends_a_conversation),
	    TEST(mapped_address_is_shown),
	    TEST(mux_is_bridged),
	    TEST(families_are_bridged),
	    TEST(fax_passes),
	    TEST(own_ports_are_no_party),
	    TEST(floods_are_cut),
	    TEST(noise_is_dropped),
	    TEST(closed_phone_stops_nothing),
	    TEST(bursts_pass_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
