#ifndef TESTS_MG_FIXTURE_H
#define TESTS_MG_FIXTURE_H

/* A media gate on loopback: commands by ng, packets by real sockets. */
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

static inline int
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

static inline void
on_guard(void *arg)
{
	struct gate *g = arg;

	g->late = true;
	loop_stop(g->loop);
}

static inline void
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
static inline json_t *
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

static inline void
refused(struct gate *g, json_t *dict, enum err_code code, const char *words)
{
	assert_null(ask(g, dict));
	assert_int_equal(g->err.code, code);
	assert_string_equal(g->err.text, words);
}

/* Let the gate work on what the sockets hold by now. */
static inline void
turn(struct gate *g)
{
	unsigned i;

	for (i = 0; i < 3; i++)
		ask(g, json_pack("{s:s}", "command", "ping"));
}

/* ... when they hold many packets. */
static inline void
turn_long(struct gate *g)
{
	unsigned i;

	for (i = 0; i < 10; i++)
		turn(g);
}

static inline unsigned
descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static inline int
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

static inline void
feed(struct gate *g, const char *addresses, unsigned ports)
{
	unsigned base = 14000 + (unsigned)getpid() % 80 * 200;
	struct err e;

	snprintf(g->range, sizeof g->range, "%u-%u", base, base + ports - 1);
	assert_int_equal(
	    mg_ports_feed(&g->mg->ports, addresses, g->range, &e), 0);
}

static inline int
setup(void **state)
{
	setup_unfed(state);
	feed(*state, "127.0.0.1 ::1", 200);
	return 0;
}

static inline int
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

static inline struct phone
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

static inline void
phone_end(struct phone *p)
{
	close(p->rtp);
	close(p->rtcp);
}

/* Its SDP, with more lines if wanted. */
static inline const char *
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

static inline json_t *
offer(const char *id, const char *from, const char *sdp)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:[s, s], s:s}", "command",
	    "offer", "call-id", id, "from-tag", from, "sdp", sdp, "replace",
	    "origin", "session-connection", "ICE", "remove");
}

static inline json_t *
answer(const char *id, const char *from, const char *to, const char *sdp)
{
	json_t *v = offer(id, from, sdp);

	json_object_set_new(v, "command", json_string("answer"));
	json_object_set_new(v, "to-tag", json_string(to));
	return v;
}

static inline json_t *
with(json_t *dict, const char *key, json_t *v)
{
	json_object_set_new(dict, key, v);
	return dict;
}

static inline json_t *delete (const char *id)
{
	return json_pack("{s:s, s:s, s:s}", "command", "delete", "call-id", id,
	    "from-tag", "a");
}

/* The port of section i in the gate's reply. */
static inline uint16_t
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
static inline void
heard_by(const struct gate *g, struct phone *p)
{
	static struct mg_sdp sdp;
	const char *text = ng_str(g->reply, "sdp");

	assert_non_null(text);
	assert_int_equal(mg_sdp_parse(&sdp, text, strlen(text), NULL), 0);
	p->to = sdp.section[0].rtp;
	assert_int_not_equal(p->to.sa.sa_family, AF_UNSPEC);
}

static inline size_t
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

static inline void
send_to(int s, const union addr *to, const void *data, size_t n)
{
	assert_int_equal(
	    sendto(s, data, n, 0, &to->sa, addr_len(to)), (ssize_t)n);
}

static inline void
speak(struct phone *p)
{
	uint8_t data[64];
	size_t n = packet_make(p, data, 8);

	send_to(p->rtp, &p->to, data, n);
}

static inline void
report(struct phone *p, const union addr *to, int from)
{
	const uint8_t data[] = {0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 202, 0, 3, 0,
	    0, 0, 9, 1, 5, 'a', 'l', 'i', 'c', 'e', 0};

	(void)p;
	send_to(from, to, data, sizeof data);
}

static inline size_t
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

static inline unsigned
drain(int s)
{
	char data[2000];
	unsigned n = 0;

	while (recv(s, data, sizeof data, MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* One says a word, the other hears it bit by bit, from where he sends to. */
static inline void
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

static inline void
reaches_not(struct gate *g, struct phone *a, struct phone *b)
{
	drain(b->rtp);
	speak(a);
	turn(g);
	assert_int_equal(drain(b->rtp), 0);
}

/* A call between two phones of this host. */
static inline void
connect_both(struct gate *g, struct phone *a, struct phone *b)
{
	assert_non_null(ask(g, offer("c1", "a", sdp_of(a, ""))));
	heard_by(g, b);
	assert_non_null(ask(g, answer("c1", "a", "b", sdp_of(b, ""))));
	heard_by(g, a);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
