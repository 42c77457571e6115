/* The media gate on loopback: commands by ng, packets by real sockets. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/mg/mg.h"

struct gate {
	struct loop *loop;
	struct loop_timer *guard;
	bool late;
	struct mg *mg;
	struct ng *client;
	union addr at; /* of the gate's ng socket */
	char range[16];
	/* the last reply */
	bool replied;
	json_t *reply;
	struct err err;
};

/* A phone: its sockets, and where the gate receives from it. */
struct phone {
	const char *host;
	int rtp, rtcp;
	uint16_t port;
	union addr to;
	uint16_t seq;
	uint32_t ssrc;
};

static int
socket_at(const char *host, uint16_t port, union addr *at)
{
	socklen_t len = sizeof *at;
	struct err e;
	int s;

	assert_true(addr_parse(at, host, port));
	s = sock_udp(at, &e);
	if (s >= 0)
		assert_int_equal(getsockname(s, &at->sa, &len), 0);
	return s;
}

static void
on_guard(void *arg)
{
	struct gate *g = arg;

	g->late = true;
	loop_stop(g->loop);
}

static void
on_reply(void *arg, json_t *dict, const struct err *e)
{
	struct gate *g = arg;

	g->replied = true;
	json_decref(g->reply);
	g->reply = json_incref(dict);
	g->err = e != NULL ? *e : (struct err){0};
	loop_stop(g->loop);
}

/* Ask the gate and wait for its reply; NULL and g->err when it refuses. */
static json_t *
ask(struct gate *g, json_t *dict)
{
	g->replied = false;
	ng_call(g->client, &g->at, dict, 5 * CLOCK_SEC, on_reply, g);
	loop_timer_set(g->guard, 10 * CLOCK_SEC);
	loop_run(g->loop);
	loop_timer_cancel(g->guard);
	assert_true(g->replied);
	return g->reply;
}

static void
refused(struct gate *g, json_t *dict, enum err_code code, const char *words)
{
	assert_null(ask(g, dict));
	assert_int_equal(g->err.code, code);
	assert_string_equal(g->err.text, words);
}

/* Let the gate work on what the sockets hold by now. */
static void
turn(struct gate *g)
{
	unsigned i;

	for (i = 0; i < 3; i++)
		ask(g, json_pack("{s:s}", "command", "ping"));
}

/* ... when they hold many packets. */
static void
turn_long(struct gate *g)
{
	unsigned i;

	for (i = 0; i < 10; i++)
		turn(g);
}

static unsigned
descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static int
setup_unfed(void **state)
{
	struct gate *g = calloc(1, sizeof *g);
	union addr at;
	int s;

	log_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	g->loop = loop_new();
	g->guard = loop_timer_new(g->loop, on_guard, g);
	s = socket_at("127.0.0.1", 0, &g->at);
	g->mg = mg_gate_open(g->loop, s);
	s = socket_at("127.0.0.1", 0, &at);
	g->client = ng_open(g->loop, s, NULL, NULL);
	*state = g;
	return 0;
}

static void
feed(struct gate *g, const char *addresses, unsigned ports)
{
	unsigned base = 20000 + (unsigned)getpid() % 100 * 200;
	struct err e;

	snprintf(g->range, sizeof g->range, "%u-%u", base, base + ports - 1);
	assert_int_equal(
	    mg_ports_feed(&g->mg->ports, addresses, g->range, &e), 0);
}

static int
setup(void **state)
{
	setup_unfed(state);
	feed(*state, "127.0.0.1 ::1", 200);
	return 0;
}

static int
teardown(void **state)
{
	struct gate *g = *state;

	mg_gate_close(&g->mg);
	ng_close(&g->client);
	loop_timer_free(&g->guard);
	loop_free(&g->loop);
	json_decref(g->reply);
	free(g);
	return 0;
}

/* ---- phones -------------------------------------------------------------- */

static struct phone
phone_at(const char *host)
{
	struct phone p = {.host = host, .seq = 100};
	union addr at;

	do {
		p.rtp = socket_at(host, 0, &at);
		p.port = addr_port(&at);
		p.rtcp = socket_at(host, (uint16_t)(p.port + 1), &at);
		if (p.rtcp < 0)
			close(p.rtp);
	} while (p.rtcp < 0);
	p.ssrc = p.port;
	return p;
}

static void
phone_end(struct phone *p)
{
	close(p->rtp);
	close(p->rtcp);
}

/* Its SDP, with more lines if wanted. */
static const char *
sdp_of(const struct phone *p, const char *more)
{
	static char text[2000];
	int v = strchr(p->host, ':') != NULL ? 6 : 4;

	snprintf(text, sizeof text,
	    "v=0\r\no=- 1 1 IN IP%d %s\r\ns=-\r\nc=IN IP%d %s\r\nt=0 0\r\n"
	    "m=audio %u RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
	    "a=rtpmap:101 telephone-event/8000\r\n%s",
	    v, p->host, v, p->host, p->port, more);
	return text;
}

static json_t *
offer(const char *id, const char *from, const char *sdp)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:[s, s], s:s}", "command",
	    "offer", "call-id", id, "from-tag", from, "sdp", sdp, "replace",
	    "origin", "session-connection", "ICE", "remove");
}

static json_t *
answer(const char *id, const char *from, const char *to, const char *sdp)
{
	json_t *v = offer(id, from, sdp);

	json_object_set_new(v, "command", json_string("answer"));
	json_object_set_new(v, "to-tag", json_string(to));
	return v;
}

static json_t *
with(json_t *dict, const char *key, json_t *v)
{
	json_object_set_new(dict, key, v);
	return dict;
}

static json_t *delete (const char *id)
{
	return json_pack("{s:s, s:s, s:s}", "command", "delete", "call-id", id,
	    "from-tag", "a");
}

/* The port of section i in the gate's reply. */
static uint16_t
port_in(const struct gate *g, unsigned i)
{
	static struct mg_sdp sdp;
	const char *text = ng_str(g->reply, "sdp");

	if (text == NULL)
		print_error("%s\n", g->err.text);
	assert_non_null(text);
	assert_int_equal(mg_sdp_parse(&sdp, text, strlen(text), NULL), 0);
	assert_true(i < sdp.count);
	return sdp.section[i].port;
}

/* The reply tells the phone where to send. */
static void
heard_by(const struct gate *g, struct phone *p)
{
	static struct mg_sdp sdp;
	const char *text = ng_str(g->reply, "sdp");

	assert_non_null(text);
	assert_int_equal(mg_sdp_parse(&sdp, text, strlen(text), NULL), 0);
	p->to = sdp.section[0].rtp;
	assert_int_not_equal(p->to.sa.sa_family, AF_UNSPEC);
}

static size_t
packet_make(struct phone *p, uint8_t out[64], uint8_t pt)
{
	uint8_t head[12] = {0x80, pt, (uint8_t)(p->seq >> 8), (uint8_t)p->seq,
	    0, 0, (uint8_t)(p->seq >> 8), (uint8_t)p->seq,
	    (uint8_t)(p->ssrc >> 24), (uint8_t)(p->ssrc >> 16),
	    (uint8_t)(p->ssrc >> 8), (uint8_t)p->ssrc};

	p->seq++;
	memcpy(out, head, 12);
	memset(out + 12, 0x55, 20);
	return 32;
}

static void
send_to(int s, const union addr *to, const void *data, size_t n)
{
	assert_int_equal(
	    sendto(s, data, n, 0, &to->sa, addr_len(to)), (ssize_t)n);
}

static void
speak(struct phone *p)
{
	uint8_t data[64];
	size_t n = packet_make(p, data, 8);

	send_to(p->rtp, &p->to, data, n);
}

static void
report(struct phone *p, const union addr *to, int from)
{
	const uint8_t data[] = {0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 202, 0, 3, 0,
	    0, 0, 9, 1, 5, 'a', 'l', 'i', 'c', 'e', 0};

	(void)p;
	send_to(from, to, data, sizeof data);
}

static size_t
received(int s, uint8_t *data, size_t size, union addr *from)
{
	struct pollfd p = {.fd = s, .events = POLLIN};
	socklen_t len = sizeof *from;
	ssize_t n;

	if (poll(&p, 1, 5000) != 1)
		return 0;
	n = recvfrom(s, data, size, 0, &from->sa, &len);
	return n > 0 ? (size_t)n : 0;
}

static unsigned
drain(int s)
{
	char data[2000];
	unsigned n = 0;

	while (recv(s, data, sizeof data, MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* One says a word, the other hears it bit by bit, from where he sends to. */
static void
reaches(struct gate *g, struct phone *a, struct phone *b)
{
	uint8_t sent[64], got[2000];
	union addr from;
	size_t n = packet_make(a, sent, 8);

	drain(b->rtp);
	send_to(a->rtp, &a->to, sent, n);
	turn(g);
	assert_int_equal(received(b->rtp, got, sizeof got, &from), n);
	assert_memory_equal(got, sent, n);
	assert_true(addr_equal(&from, &b->to));
}

static void
reaches_not(struct gate *g, struct phone *a, struct phone *b)
{
	drain(b->rtp);
	speak(a);
	turn(g);
	assert_int_equal(drain(b->rtp), 0);
}

/* A call between two phones of this host. */
static void
connect_both(struct gate *g, struct phone *a, struct phone *b)
{
	assert_non_null(ask(g, offer("c1", "a", sdp_of(a, ""))));
	heard_by(g, b);
	assert_non_null(ask(g, answer("c1", "a", "b", sdp_of(b, ""))));
	heard_by(g, a);
}

/* ---- tests --------------------------------------------------------------- */

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

/* After delete its ports are free for anyone, and nothing of it is left. */
static void
delete_closes_the_ports(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	unsigned before = descriptors(), i;
	union addr at;
	int s;

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	assert_int_equal(descriptors(), before + 4);
	assert_true(socket_at("127.0.0.1", addr_port(&a.to), &at) < 0);
	assert_non_null(ask(g, delete ("c1")));
	assert_int_equal(descriptors(), before);
	for (i = 0; i < 2; i++) {
		s = socket_at(
		    "127.0.0.1", (uint16_t)(addr_port(&a.to) + i), &at);
		assert_true(s >= 0);
		close(s);
		s = socket_at(
		    "127.0.0.1", (uint16_t)(addr_port(&b.to) + i), &at);
		assert_true(s >= 0);
		close(s);
	}
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.sockets, 0);
	phone_end(&a);
	phone_end(&b);
}

/* The delete tells what was counted, as rtpengine does. */
static void
delete_and_query_tell_counts(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	int packets, lost, total, port;
	const char *peer;
	json_t *stats;

	connect_both(g, &a, &b);
	ask(g, json_pack("{s:s, s:s}", "command", "query", "call-id", "c1"));
	assert_null(json_object_get(g->reply, "last packet"));
	reaches(g, &a, &b);
	a.seq = (uint16_t)(a.seq + 3);
	reaches(g, &a, &b);
	ask(g, delete ("c1"));
	assert_int_equal(
	    json_unpack(g->reply,
		"{s:{s:{s:s, s:[{s:[{s:i, s:o}]}]}}, s:{s:{s:i}}}", "tags", "a",
		"in dialogue with", &peer, "medias", "streams", "local port",
		&port, "stats", &stats, "totals", "RTP", "packets", &total),
	    0);
	assert_int_equal(json_unpack(stats, "{s:i, s:i}", "packets", &packets,
			     "lost", &lost),
	    0);
	assert_string_equal(peer, "b");
	assert_int_equal(packets, 2);
	assert_int_equal(lost, 3);
	assert_int_equal(total, 2);
	assert_int_equal(port, addr_port(&a.to));
	assert_true(ng_int(g->reply, "last packet", 0) > 1600000000);
	phone_end(&a);
	phone_end(&b);
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

/* The callee re-invites: the roles are turned, ports and media stay. */
static void
callee_may_offer_again(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone moved = phone_at("127.0.0.3");

	connect_both(g, &a, &b);
	ask(g,
	    with(offer("c1", "b", sdp_of(&moved, "")), "to-tag",
		json_string("a")));
	assert_int_equal(port_in(g, 0), addr_port(&a.to));
	ask(g, answer("c1", "b", "a", sdp_of(&a, "")));
	assert_int_equal(port_in(g, 0), addr_port(&b.to));
	moved.to = b.to;
	reaches(g, &a, &moved);
	reaches(g, &moved, &a);
	phone_end(&a);
	phone_end(&b);
	phone_end(&moved);
}

/* An answer counts for who did not offer, whichever way the tags stand. */
static void
tags_of_an_answer_may_be_turned(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");

	ask(g, offer("c1", "a", sdp_of(&a, "")));
	heard_by(g, &b);
	assert_non_null(ask(g, answer("c1", "b", "a", sdp_of(&b, ""))));
	heard_by(g, &a);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	ask(g,
	    with(offer("c1", "b", sdp_of(&b, "")), "to-tag", json_string("a")));
	assert_non_null(ask(g, answer("c1", "a", "b", sdp_of(&a, ""))));
	assert_int_equal(port_in(g, 0), addr_port(&b.to));
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
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

/* What cannot be returned is not: encrypted media only, then no echo. */
static void
echo_of_secrets_is_refused(void **state)
{
	struct gate *g = *state;

	refused(g,
	    with(offer("c1", "a",
		     "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
		     "c=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		     "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 X inline:k\r\n"),
		"flags", json_pack("[s]", "tandem-echo")),
	    ERR_REFUSED, "No media that can be echoed");
	assert_int_equal(g->mg->n.sessions, 0);
}

/* A controller that has been replaced is not obeyed; who knows no epochs
 * is. */
static void
stale_epoch_is_refused(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");

	assert_non_null(ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "tandem-epoch",
		json_integer(7))));
	refused(g,
	    with(offer("c2", "a", sdp_of(&a, "")), "tandem-epoch",
		json_integer(6)),
	    ERR_REFUSED, "stale epoch");
	refused(g, with(delete ("c1"), "tandem-epoch", json_integer(6)),
	    ERR_REFUSED, "stale epoch");
	assert_int_equal(g->mg->n.sessions, 1);
	assert_int_equal(g->mg->n.stale, 2);
	assert_non_null(ask(g,
	    with(offer("c2", "a", sdp_of(&a, "")), "tandem-epoch",
		json_integer(8))));
	assert_non_null(ask(g, delete ("c1")));
	phone_end(&a);
}

/* Before it is fed an address the gate takes no calls; bad feeds are refused
 * and leave what was. */
static void
unfed_gate_is_not_ready(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	struct err e;

	refused(g, offer("c1", "a", sdp_of(&a, "")), ERR_REFUSED, "not ready");
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, NULL, "30000-30010", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "nobody", "30000-30010", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "0.0.0.0", "30000-30010", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", "30001-30002", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", "70000-80000", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", "30000", &e), 0);
	assert_int_not_equal(
	    mg_ports_feed(&g->mg->ports, "127.0.0.1", NULL, &e), 0);
	refused(g, offer("c1", "a", sdp_of(&a, "")), ERR_REFUSED, "not ready");
	feed(g, "127.0.0.1", 20);
	assert_non_null(ask(g, offer("c1", "a", sdp_of(&a, ""))));
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

/* rtpengine's words for what is not there. */
static void
unknown_calls_are_told(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");

	assert_non_null(ask(g, delete ("nobody")));
	assert_string_equal(ng_str(g->reply, "result"), "ok");
	assert_string_equal(ng_str(g->reply, "warning"),
	    "Call-ID not found or tags didn't match");
	refused(g, with(delete ("nobody"), "flags", json_pack("[s]", "fatal")),
	    ERR_REFUSED, "Call-ID not found or tags didn't match");
	refused(g,
	    json_pack("{s:s, s:s}", "command", "query", "call-id", "nobody"),
	    ERR_REFUSED, "Unknown call-id");
	refused(g, answer("nobody", "a", "b", sdp_of(&a, "")), ERR_REFUSED,
	    "Unknown call-id");
	ask(g, offer("c1", "a", sdp_of(&a, "")));
	refused(g, answer("c1", "x", "y", sdp_of(&a, "")), ERR_REFUSED,
	    "Invalid dialogue association");
	ask(g,
	    json_pack("{s:s, s:s, s:s}", "command", "delete", "call-id", "c1",
		"from-tag", "x"));
	assert_non_null(ng_str(g->reply, "warning"));
	assert_int_equal(g->mg->n.sessions, 1);
	phone_end(&a);
}

/* What is missing or wrong in a command is said; nothing is left open. */
static void
bad_commands_are_refused(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	char id[300];

	memset(id, 'x', sizeof id);
	id[299] = '\0';
	refused(g, json_pack("{s:s}", "command", "dance"), ERR_REFUSED,
	    "Unrecognized command");
	refused(g, json_pack("{s:s}", "command", "offer"), ERR_REFUSED,
	    "No SDP body in message");
	refused(g,
	    json_pack("{s:s, s:s}", "command", "offer", "sdp", "v=0\r\n"),
	    ERR_REFUSED, "No call-id in message");
	refused(g, json_pack("{s:s}", "command", "delete"), ERR_REFUSED,
	    "No call-id in message");
	refused(g, offer("c1", "a", "hello"), ERR_REFUSED,
	    "Failed to parse SDP: line 1: expected x=...");
	refused(g, offer(id, "a", sdp_of(&a, "")), ERR_REFUSED,
	    "Call-id, tag or branch too long");
	refused(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "ICE", json_string("force")),
	    ERR_REFUSED, "ICE is not supported");
	ask(g, offer("c1", "a", sdp_of(&a, "")));
	refused(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "command",
		json_string("answer")),
	    ERR_REFUSED, "No to-tag in message");
	assert_int_equal(g->mg->n.sessions, 1);
	phone_end(&a);
}

/* Who lost a reply asks again and gets the same. */
static void
repeated_offer_changes_nothing(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	json_t *first;
	unsigned i;

	for (i = 0; i < 2; i++) {
		ask(g, offer("c1", "a", sdp_of(&a, "")));
		first = json_incref(g->reply);
		ask(g, offer("c1", "a", sdp_of(&a, "")));
		assert_true(json_equal(first, g->reply));
		json_decref(first);
	}
	heard_by(g, &b);
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	heard_by(g, &a);
	first = json_incref(g->reply);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	ask(g, answer("c1", "a", "b", sdp_of(&b, "")));
	assert_true(json_equal(first, g->reply));
	json_decref(first);
	reaches(g, &a, &b);
	assert_int_equal(g->mg->n.sockets, 4);
	phone_end(&a);
	phone_end(&b);
}

/* The same SDP rings at two phones: the caller hears who answered last. */
static void
last_fork_to_answer_is_heard(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone c = phone_at("127.0.0.3");

	connect_both(g, &a, &b);
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	ask(g, answer("c1", "a", "c", sdp_of(&c, "")));
	c.to = b.to;
	reaches(g, &a, &c);
	reaches(g, &c, &a);
	reaches_not(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
	phone_end(&c);
}

/* Branches have ports of their own; the one not taken is deleted alone. */
static void
branches_have_their_own_ports(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone c = phone_at("127.0.0.1");

	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "via-branch",
		json_string("b1")));
	heard_by(g, &b);
	ask(g,
	    with(offer("c1", "a", sdp_of(&a, "")), "via-branch",
		json_string("b2")));
	heard_by(g, &c);
	assert_int_not_equal(addr_port(&b.to), addr_port(&c.to));
	ask(g,
	    with(answer("c1", "a", "c", sdp_of(&c, "")), "via-branch",
		json_string("b2")));
	heard_by(g, &a);
	ask(g,
	    with(answer("c1", "a", "b", sdp_of(&b, "")), "via-branch",
		json_string("b1")));
	assert_int_equal(port_in(g, 0), addr_port(&a.to));
	reaches(g, &a, &b);
	reaches(g, &b, &a);
	reaches_not(g, &c, &a);
	assert_int_equal(g->mg->n.sockets, 6);
	ask(g, with(delete ("c1"), "via-branch", json_string("b2")));
	assert_int_equal(g->mg->n.sockets, 4);
	reaches(g, &a, &b);
	ask(g, with(delete ("c1"), "via-branch", json_string("b1")));
	assert_int_equal(g->mg->n.sockets, 0);
	phone_end(&a);
	phone_end(&b);
	phone_end(&c);
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

/* What is asked of RTCP's port, and what both are told: offer and answer for
 * each of rtpengine's words. */
static void
mux_flags_are_followed(void **state)
{
	static const struct {
		const char *flag;    /* NULL = none */
		bool caller, callee; /* who has a=rtcp-mux */
		bool asked, told;    /* is the callee asked, the caller told */
	} row[] = {
	    {NULL, false, false, false, false},
	    {NULL, true, true, true, true},
	    {NULL, true, false, true, false},
	    {"offer", false, true, true, false},
	    {"require", false, true, true, false},
	    {"demux", true, false, false, true},
	    {"accept", true, false, true, true},
	    {"reject", true, false, false, false},
	};
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	const char *const say[] = {"", "a=rtcp-mux\r\n"};
	unsigned i;
	json_t *v;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		v = offer("c1", "a", sdp_of(&a, say[row[i].caller]));
		if (row[i].flag != NULL)
			with(v, "rtcp-mux", json_pack("[s]", row[i].flag));
		ask(g, v);
		assert_int_equal(
		    strstr(ng_str(g->reply, "sdp"), "rtcp-mux") != NULL,
		    row[i].asked);
		ask(g, answer("c1", "a", "b", sdp_of(&a, say[row[i].callee])));
		assert_int_equal(
		    strstr(ng_str(g->reply, "sdp"), "rtcp-mux") != NULL,
		    row[i].told);
		ask(g, delete ("c1"));
	}
	phone_end(&a);
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

/* Sound and picture pass; a section that the answer refuses gives its ports
 * back, one that comes later gets some. */
static void
sections_come_and_go(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct phone va = phone_at("127.0.0.1"), vb = phone_at("127.0.0.1");
	char video[80];
	unsigned i;

	connect_both(g, &a, &b);
	for (i = 0; i < 2; i++) {
		snprintf(
		    video, sizeof video, "m=video %u RTP/AVP 8\r\n", va.port);
		ask(g,
		    with(offer("c1", "a", sdp_of(&a, video)), "to-tag",
			json_string("b")));
		vb.to = a.to;
		addr_set_port(&vb.to, port_in(g, 1));
		assert_int_equal(g->mg->n.sockets, 8);
		snprintf(video, sizeof video, "m=video %u RTP/AVP 8\r\n",
		    i == 0 ? 0 : vb.port);
		ask(g, answer("c1", "a", "b", sdp_of(&b, video)));
		va.to = a.to;
		addr_set_port(&va.to, port_in(g, 1));
		if (i == 0) {
			assert_int_equal(port_in(g, 1), 0);
			assert_int_equal(g->mg->n.sockets, 4);
		}
		reaches(g, &a, &b);
	}
	reaches(g, &va, &vb);
	reaches(g, &vb, &va);
	reaches(g, &b, &a);
	phone_end(&a);
	phone_end(&b);
	phone_end(&va);
	phone_end(&vb);
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

/* When the ports are used up the offer is refused in rtpengine's words and
 * leaves nothing behind; after a delete the next one is taken. */
static void
ports_run_out_and_come_back(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	unsigned i, before;
	char id[16];

	feed(g, "127.0.0.1", 20); /* ten pairs: five calls, if all are free */
	before = descriptors();
	for (i = 0; i < 6; i++) {
		snprintf(id, sizeof id, "c%u", i);
		if (ask(g, offer(id, "a", sdp_of(&a, ""))) == NULL)
			break;
	}
	assert_in_range(i, 1, 5);
	assert_string_equal(g->err.text, "Ran out of ports");
	assert_int_equal(g->mg->n.sessions, i);
	assert_int_equal(descriptors(), before + 4 * i);
	ask(g, delete ("c0"));
	assert_non_null(ask(g, offer("again", "a", sdp_of(&a, ""))));
	assert_int_equal(g->mg->n.no_ports, 1);
	phone_end(&a);
}

/* When the process has no descriptors left it says so as a load limit. */
static void
descriptors_are_bounded(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");

	g->mg->ports.sockets_max = 6;
	assert_non_null(ask(g, offer("c1", "a", sdp_of(&a, ""))));
	refused(g, offer("c2", "a", sdp_of(&a, "")), ERR_FULL,
	    "Parallel session limit reached");
	assert_int_equal(g->mg->n.sockets, 4);
	assert_int_equal(g->mg->n.sessions, 1);
	phone_end(&a);
}

/* A thousand calls come and go, a hundred at a time, without a trace. */
static void
thousand_calls_leave_nothing(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	unsigned before = descriptors(), i;
	char id[16];

	for (i = 0; i < 1020; i++) {
		snprintf(id, sizeof id, "c%u", i);
		if (i < 1000) {
			assert_non_null(ask(g, offer(id, "a", sdp_of(&a, ""))));
			assert_non_null(
			    ask(g, answer(id, "a", "b", sdp_of(&b, ""))));
		}
		if (i < 20)
			continue;
		snprintf(id, sizeof id, "c%u", i - 20);
		assert_non_null(ask(g, delete (id)));
		assert_null(ng_str(g->reply, "warning"));
	}
	assert_int_equal(descriptors(), before);
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.calls, 1000);
	phone_end(&a);
	phone_end(&b);
}

/* The list is told in pages, each call once. */
static void
list_is_paged(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1");
	unsigned i, seen = 0, pages = 0;
	int64_t next = 0;
	char id[16];

	for (i = 0; i < 25; i++) {
		snprintf(id, sizeof id, "c%u", i);
		ask(g, offer(id, "a", sdp_of(&a, "")));
	}
	do {
		ask(g,
		    json_pack("{s:s, s:i, s:I}", "command", "list", "limit", 10,
			"tandem-after", (json_int_t)next));
		seen += (unsigned)json_array_size(
		    json_object_get(g->reply, "calls"));
		next = ng_int(g->reply, "tandem-next", 0);
		pages++;
	} while (next != 0);
	assert_int_equal(seen, 25);
	assert_int_equal(pages, 3);
	refused(g, json_pack("{s:s, s:i}", "command", "list", "limit", 0),
	    ERR_REFUSED, "Invalid limit, must be > 0");
	phone_end(&a);
}

/* A call that nobody deletes ends after an hour of silence, or a day without
 * a command; not before. */
static void
forgotten_calls_end(void **state)
{
	struct gate *g = *state;
	struct phone a = phone_at("127.0.0.1"), b = phone_at("127.0.0.1");
	struct mg_call *c;
	uint64_t t;

	connect_both(g, &a, &b);
	c = mg_call_find(g->mg, "c1");
	t = c->touched;
	mg_call_sweep(g->mg, t + MG_CALL_IDLE - 1);
	assert_int_equal(g->mg->n.sessions, 1);
	c->parties.tqh_first->media[0]->rtp.last = t + MG_CALL_IDLE;
	mg_call_sweep(g->mg, t + 2 * MG_CALL_IDLE - 1);
	assert_int_equal(g->mg->n.sessions, 1);
	c->parties.tqh_first->media[0]->rtp.last = t + MG_CALL_AGE - 1;
	mg_call_sweep(g->mg, t + MG_CALL_AGE - 1);
	assert_int_equal(g->mg->n.sessions, 1);
	mg_call_sweep(g->mg, t + MG_CALL_AGE);
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.sockets, 0);
	ask(g, offer("c2", "a", sdp_of(&a, "")));
	t = mg_call_find(g->mg, "c2")->touched;
	mg_call_sweep(g->mg, t + MG_CALL_IDLE);
	assert_int_equal(g->mg->n.sessions, 0);
	assert_int_equal(g->mg->n.expired, 2);
	phone_end(&a);
	phone_end(&b);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(media_goes_both_ways),
	    TEST(stranger_gets_nothing),
	    TEST(mapped_port_is_found),
	    TEST(delete_closes_the_ports),
	    TEST(delete_and_query_tell_counts),
	    TEST(changed_address_is_followed),
	    TEST(callee_may_offer_again),
	    TEST(tags_of_an_answer_may_be_turned),
	    TEST(hold_is_silent),
	    TEST(echo_returns_the_caller_to_himself),
	    TEST(echo_is_held_and_resumed),
	    TEST(echo_of_secrets_is_refused),
	    TEST(stale_epoch_is_refused),
	    cmocka_unit_test_setup_teardown(
		unfed_gate_is_not_ready, setup_unfed, teardown),
	    TEST(mapped_address_is_shown),
	    TEST(unknown_calls_are_told),
	    TEST(bad_commands_are_refused),
	    TEST(repeated_offer_changes_nothing),
	    TEST(last_fork_to_answer_is_heard),
	    TEST(branches_have_their_own_ports),
	    TEST(mux_is_bridged),
	    TEST(mux_flags_are_followed),
	    TEST(families_are_bridged),
	    TEST(sections_come_and_go),
	    TEST(fax_passes),
	    TEST(own_ports_are_no_party),
	    TEST(floods_are_cut),
	    TEST(noise_is_dropped),
	    TEST(closed_phone_stops_nothing),
	    TEST(bursts_pass_in_order),
	    TEST(ports_run_out_and_come_back),
	    TEST(descriptors_are_bounded),
	    TEST(thousand_calls_leave_nothing),
	    TEST(list_is_paged),
	    TEST(forgotten_calls_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
