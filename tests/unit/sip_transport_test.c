/* Listeners, connections and their bounds, with phones in the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/x509v3.h>

#include "daemon/base/clock.h"
#include "tests/lib/phone.h"

/* A server that sends every message back. */
struct echo {
	struct loop *loop;
	struct sip_transport *t;
	struct sip_listener *at[SIP_PROTOS];
	char *chain, *key;
	unsigned opened, closed, pings, bad;
	enum sip_bad why;
	bool refuse;	  /* on_accept says no */
	bool close_first; /* close the flow instead of answering */
	unsigned repeat;  /* copies sent back */
	struct sip_flow last;
};

static char text[PHONE_SIZE];

static void
echo_on_message(void *arg, const struct sip_flow *f, char *msg, size_t n)
{
	struct echo *x = arg;
	unsigned i;

	assert_int_equal(msg[n], '\0');
	x->last = *f;
	if (x->close_first) {
		sip_flow_close(x->t, f->conn);
		assert_int_equal(sip_send(x->t, f, msg, n), -ERR_CLOSED);
		return;
	}
	for (i = 0; i < x->repeat; i++) {
		if (sip_send(x->t, f, msg, n) != 0)
			break;
	}
}

static void
echo_on_ping(void *arg, const struct sip_flow *f)
{
	struct echo *x = arg;

	(void)f;
	x->pings++;
}

static void
echo_on_bad(
    void *arg, const struct sip_flow *f, enum sip_bad bad, char *head, size_t n)
{
	struct echo *x = arg;

	(void)head;
	(void)n;
	x->bad++;
	x->why = bad;
	sip_send(x->t, f, "SIP/2.0 400 Bad\r\nl: 0\r\n\r\n", 26);
}

static bool
echo_on_accept(void *arg, const union addr *a)
{
	struct echo *x = arg;

	assert_true(addr_is_loopback(a));
	return !x->refuse;
}

static void
echo_on_open(void *arg, const struct sip_flow *f)
{
	struct echo *x = arg;

	x->opened++;
	x->last = *f;
}

static void
echo_on_close(void *arg, const struct sip_flow *f, void *state)
{
	struct echo *x = arg;

	(void)f;
	(void)state;
	x->closed++;
}

static void
echo_listen(struct echo *x, enum sip_proto proto)
{
	struct sip_listen how = {.name = sip_proto_name(proto),
	    .proto = proto,
	    .chain = x->chain,
	    .key = x->key};
	struct err e;

	assert_true(addr_parse(&how.at, "127.0.0.1", 0));
	if (sip_listener_open(x->t, &how, &x->at[proto], &e) != 0)
		fail_msg("%s", e.text);
}

static void
echo_init(struct echo *x, const struct sip_limits *limits)
{
	struct sip_handler h = {echo_on_message, echo_on_ping, echo_on_bad,
	    echo_on_accept, echo_on_open, echo_on_close, x};
	unsigned i;

	memset(x, 0, sizeof *x);
	x->repeat = 1;
	x->loop = loop_new();
	x->t = sip_transport_new(x->loop, &h, limits);
	cert_make("gate.test", &x->chain, &x->key);
	for (i = 0; i < SIP_PROTOS; i++)
		echo_listen(x, i);
}

static void
echo_fini(struct echo *x)
{
	sip_transport_free(&x->t);
	assert_int_equal(x->opened, x->closed);
	loop_free(&x->loop);
	free(x->chain);
	free(x->key);
}

static struct phone *
echo_phone(struct echo *x, enum sip_proto proto)
{
	struct phone *p = phone_open(
	    x->loop, proto, sip_listener_address(x->at[proto]), "gate.test");

	assert_non_null(p);
	return p;
}

#define MESSAGE                                                             \
	"MESSAGE sip:h SIP/2.0\r\nCSeq: 1 MESSAGE\r\nContent-Length: 5\r\n" \
	"\r\nhello"

/* Each transport carries messages both ways, one or two in a packet. */
static void
every_transport_carries(void **state)
{
	struct echo x;
	struct phone *p;
	unsigned i, j;

	(void)state;
	echo_init(&x, NULL);
	for (i = 0; i < SIP_PROTOS; i++) {
		p = echo_phone(&x, i);
		for (j = 0; j < 3; j++)
			phone_text(p, MESSAGE);
		for (j = 0; j < 3; j++) {
			phone_recv(p, text);
			assert_string_equal(text, MESSAGE);
		}
		assert_int_equal(x.last.proto, i);
		assert_true(addr_equal(&x.last.peer, &p->self));
		assert_int_equal(sip_transport_count(x.t)->in[i], 3);
		assert_int_equal(sip_transport_count(x.t)->out[i], 3);
		phone_close(&p);
	}
	echo_fini(&x);
}

/* The greatest message passes through every stream. */
static void
big_messages_pass(void **state)
{
	static char big[PHONE_SIZE];
	struct echo x;
	struct phone *p;
	unsigned i;
	int n;

	(void)state;
	echo_init(&x, NULL);
	n = snprintf(big, sizeof big,
	    "MESSAGE sip:h SIP/2.0\r\nContent-Length: 60000\r\n\r\n");
	memset(big + n, 'x', 60000);
	for (i = SIP_TCP; i < SIP_PROTOS; i++) {
		p = echo_phone(&x, i);
		phone_send(p, big, (size_t)n + 60000);
		assert_int_equal(phone_recv(p, text), (size_t)n + 60000);
		assert_memory_equal(text, big, (size_t)n + 60000);
		phone_close(&p);
	}
	echo_fini(&x);
}

/* CRLF CRLF is answered by CRLF (RFC 5626 4.4.1); a ping by a pong. */
static void
keep_alives_are_answered(void **state)
{
	struct echo x;
	struct phone *p;

	(void)state;
	echo_init(&x, NULL);
	p = echo_phone(&x, SIP_TCP);
	phone_text(p, "\r\n\r\n");
	while (p->raw.len < 2 && !p->timed_out)
		phone_turn(p, 5000);
	assert_memory_equal(p->raw.data, "\r\n", 2);
	assert_int_equal(x.pings, 1);
	phone_close(&p);
	p = echo_phone(&x, SIP_WS);
	phone_frame(p, 0x89, "x", 1);
	while (p->pongs == 0 && !p->timed_out)
		phone_turn(p, 5000);
	assert_int_equal(p->pongs, 1);
	phone_close(&p);
	echo_fini(&x);
}

/* Lost framing is told, may be answered, and ends the stream. */
static void
bad_stream_is_closed(void **state)
{
	struct echo x;
	struct phone *p;

	(void)state;
	echo_init(&x, NULL);
	p = echo_phone(&x, SIP_TCP);
	phone_text(p, "MESSAGE sip:h SIP/2.0\r\nVia: x\r\n\r\nmore and more");
	phone_recv(p, text);
	assert_string_equal(text, "SIP/2.0 400 Bad\r\nl: 0\r\n\r\n");
	assert_true(phone_wait_closed(p));
	assert_int_equal(x.why, SIP_BAD_NO_LENGTH);
	phone_close(&p);
	p = echo_phone(&x, SIP_TLS);
	phone_text(p, "GET / HTTP/1.1\r\n\r\n");
	assert_true(phone_wait_closed(p));
	assert_int_equal(x.why, SIP_BAD_GARBAGE);
	phone_close(&p);
	echo_fini(&x);
}

/* Plain HTTP without the subprotocol gets no WebSocket. */
static void
websocket_needs_sip(void **state)
{
	struct echo x;
	struct phone *p;

	(void)state;
	echo_init(&x, NULL);
	p = phone_open(
	    x.loop, SIP_TCP, sip_listener_address(x.at[SIP_WS]), NULL);
	phone_text(p, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_true(phone_wait_closed(p));
	assert_memory_equal(p->raw.data, "HTTP/1.1 400 ", 13);
	assert_int_equal(sip_transport_count(x.t)->ws_failed, 1);
	phone_close(&p);
	echo_fini(&x);
}

/* No more connections of one address, and in all, than allowed. */
static void
connections_are_bounded(void **state)
{
	struct sip_limits limits = {.conns_source = 2};
	struct phone *p[3];
	struct echo x;

	(void)state;
	echo_init(&x, &limits);
	p[0] = echo_phone(&x, SIP_TCP);
	p[1] = echo_phone(&x, SIP_TCP);
	p[2] = echo_phone(&x, SIP_TCP);
	assert_true(phone_wait_closed(p[2]));
	phone_text(p[0], MESSAGE);
	assert_true(phone_recv(p[0], text) > 0);
	assert_int_equal(sip_transport_count(x.t)->refused, 1);
	phone_close(&p[0]);
	phone_close(&p[2]);
	while (sip_transport_count(x.t)->open > 1)
		phone_turn(p[1], 20);
	p[0] = echo_phone(&x, SIP_TCP);
	phone_text(p[0], MESSAGE);
	assert_true(phone_recv(p[0], text) > 0);
	x.refuse = true;
	p[2] = echo_phone(&x, SIP_TCP);
	assert_true(phone_wait_closed(p[2]));
	phone_close(&p[0]);
	phone_close(&p[1]);
	phone_close(&p[2]);
	echo_fini(&x);
}

/* Half a message, half a handshake: neither is waited for long. */
static void
slow_peers_are_closed(void **state)
{
	struct sip_limits limits = {
	    .partial = CLOCK_SEC / 2, .handshake = CLOCK_SEC / 2};
	static const enum sip_proto half[] = {SIP_TLS, SIP_WS, SIP_WSS};
	struct phone *p;
	struct echo x;
	unsigned i;

	(void)state;
	echo_init(&x, &limits);
	p = echo_phone(&x, SIP_TCP);
	phone_text(p, "MESSAGE sip:h SIP/2.0\r\nVi");
	assert_true(phone_wait_closed(p));
	phone_close(&p);
	p = echo_phone(&x, SIP_WS);
	phone_frame(p, 0x01, "MESSAGE", 7);
	assert_true(phone_wait_closed(p));
	phone_close(&p);
	for (i = 0; i < 3; i++) {
		p = phone_open(
		    x.loop, SIP_TCP, sip_listener_address(x.at[half[i]]), NULL);
		phone_bytes(p, "\x16", 1);
		assert_true(phone_wait_closed(p));
		phone_close(&p);
	}
	assert_int_equal(sip_transport_count(x.t)->closed_slow, 5);
	echo_fini(&x);
}

/* Silence ends a connection, unless it is kept. */
static void
idle_peers_are_closed(void **state)
{
	struct sip_limits limits = {.idle = CLOCK_SEC / 2};
	struct phone *p, *kept;
	struct echo x;

	(void)state;
	echo_init(&x, &limits);
	kept = echo_phone(&x, SIP_TCP);
	phone_text(kept, MESSAGE);
	phone_recv(kept, text);
	sip_flow_keep(x.t, x.last.conn, 60 * CLOCK_SEC);
	p = echo_phone(&x, SIP_TCP);
	phone_text(p, MESSAGE);
	phone_recv(p, text);
	assert_true(phone_wait_closed(p));
	assert_false(kept->closed);
	assert_int_equal(sip_transport_count(x.t)->closed_idle, 1);
	phone_close(&p);
	phone_close(&kept);
	echo_fini(&x);
}

/* Who does not read loses the connection, not our memory. */
static void
slow_readers_are_bounded(void **state)
{
	struct sip_limits limits = {.out = 64 << 10};
	static char big[PHONE_SIZE];
	struct phone *p;
	struct echo x;
	unsigned i;
	int n;

	(void)state;
	echo_init(&x, &limits);
	x.repeat = 100;
	p = echo_phone(&x, SIP_TCP);
	loop_fd_want(p->event, 0); /* it goes deaf */
	n = snprintf(big, sizeof big,
	    "MESSAGE sip:h SIP/2.0\r\nContent-Length: 50000\r\n\r\n");
	memset(big + n, 'x', 50000);
	phone_send(p, big, (size_t)n + 50000);
	for (i = 0; i < 100 && sip_transport_count(x.t)->closed_full == 0; i++)
		phone_turn(p, 100);
	assert_int_equal(sip_transport_count(x.t)->closed_full, 1);
	assert_int_equal(sip_transport_count(x.t)->held, 0);
	phone_close(&p);
	echo_fini(&x);
}

/* A flow closed from its own callback is gone at once. */
static void
close_from_callback(void **state)
{
	struct echo x;
	struct phone *p;
	unsigned i;

	(void)state;
	echo_init(&x, NULL);
	x.close_first = true;
	for (i = SIP_TCP; i < SIP_PROTOS; i++) {
		p = echo_phone(&x, i);
		phone_text(p, MESSAGE);
		phone_text(p, MESSAGE);
		assert_true(phone_wait_closed(p));
		phone_close(&p);
	}
	assert_int_equal(x.closed, SIP_PROTOS - 1);
	echo_fini(&x);
}

/* A closed listener takes its connections along; the others stay. */
static void
listeners_close_alone(void **state)
{
	struct echo x;
	struct phone *tcp, *ws;

	(void)state;
	echo_init(&x, NULL);
	tcp = echo_phone(&x, SIP_TCP);
	ws = echo_phone(&x, SIP_WS);
	phone_text(tcp, MESSAGE);
	phone_recv(tcp, text);
	sip_listener_close(&x.at[SIP_TCP]);
	assert_true(phone_wait_closed(tcp));
	phone_text(ws, MESSAGE);
	phone_recv(ws, text);
	assert_string_equal(text, MESSAGE);
	echo_listen(&x, SIP_TCP);
	phone_close(&tcp);
	tcp = echo_phone(&x, SIP_TCP);
	phone_close(&tcp);
	phone_close(&ws);
	echo_fini(&x);
}

/* The certificate shown is the one of the name asked for, if any has it. */
static void
names_choose_certificates(void **state)
{
	struct sip_listen other = {.name = "b", .proto = SIP_TLS};
	char *chain, *key;
	struct sip_listener *l;
	struct phone *p;
	struct echo x;
	struct err e;
	X509 *cert;

	(void)state;
	echo_init(&x, NULL);
	cert_make("b.test", &chain, &key);
	other.chain = chain;
	other.key = key;
	assert_true(addr_parse(&other.at, "127.0.0.1", 0));
	assert_int_equal(sip_listener_open(x.t, &other, &l, &e), 0);
	p = phone_open(
	    x.loop, SIP_TLS, sip_listener_address(x.at[SIP_TLS]), "b.test");
	cert = SSL_get1_peer_certificate(p->ssl);
	assert_int_equal(X509_check_host(cert, "b.test", 0, 0, NULL), 1);
	X509_free(cert);
	phone_close(&p);
	assert_int_equal(sip_listener_certify(x.at[SIP_TLS], chain, x.key, &e),
	    -ERR_INVALID);
	assert_int_equal(
	    sip_listener_certify(x.at[SIP_TLS], "nonsense", key, &e),
	    -ERR_INVALID);
	p = echo_phone(&x, SIP_TLS);
	cert = SSL_get1_peer_certificate(p->ssl);
	assert_int_equal(X509_check_host(cert, "gate.test", 0, 0, NULL), 1);
	X509_free(cert);
	phone_close(&p);
	free(chain);
	free(key);
	echo_fini(&x);
}

/* TLS before 1.2 is refused (RFC 8996). */
static void
old_tls_is_refused(void **state)
{
	struct echo x;
	struct phone *p;

	(void)state;
	echo_init(&x, NULL);
	p = phone_open(
	    x.loop, SIP_TCP, sip_listener_address(x.at[SIP_TLS]), NULL);
	p->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(p->ctx, 0);
	SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(p->ctx, TLS1_1_VERSION);
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, p->fd);
	SSL_set_connect_state(p->ssl);
	p->shaking = true;
	SSL_do_handshake(p->ssl);
	assert_true(phone_wait_closed(p));
	assert_int_equal(sip_transport_count(x.t)->tls_failed, 1);
	phone_close(&p);
	echo_fini(&x);
}

/* Run the loop until the counter moves; a phone lends its guard. */
static void
echo_wait(struct echo *x, struct phone *p, const unsigned *counter)
{
	unsigned before = *counter, i;

	(void)x;
	for (i = 0; i < 500 && *counter == before; i++)
		phone_turn(p, 10);
	assert_int_not_equal(*counter, before);
}

/* Our own connection speaks to whom the certificate names, to no other. */
static void
client_verifies_names(void **state)
{
	struct sip_connect how = {.proto = SIP_TLS, .name = "gate.test"};
	struct sip_flow flow;
	struct phone *p;
	struct echo x;
	struct err e;
	unsigned opened;

	(void)state;
	echo_init(&x, NULL);
	p = echo_phone(&x, SIP_UDP);
	how.to = *sip_listener_address(x.at[SIP_TLS]);
	how.ca = x.chain;
	assert_int_equal(sip_connect(x.t, &how, &flow, &e), 0);
	while (x.opened < 2)
		echo_wait(&x, p, &x.opened);
	x.repeat = 0;
	assert_int_equal(sip_send(x.t, &flow, MESSAGE, strlen(MESSAGE)), 0);
	while (sip_transport_count(x.t)->in[SIP_TLS] == 0)
		phone_turn(p, 10);
	opened = x.opened;
	how.name = "other.test";
	assert_int_equal(sip_connect(x.t, &how, &flow, &e), 0);
	echo_wait(&x, p, &x.closed);
	assert_true(x.opened <= opened + 1); /* ours never opened */
	assert_false(sip_flow_find(x.t, flow.conn, &flow));
	how.name = NULL;
	assert_int_equal(sip_connect(x.t, &how, &flow, &e), -ERR_INVALID);
	phone_close(&p);
	sip_transport_free(&x.t);
	loop_free(&x.loop);
	free(x.chain);
	free(x.key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_transport_carries),
	    cmocka_unit_test(big_messages_pass),
	    cmocka_unit_test(keep_alives_are_answered),
	    cmocka_unit_test(bad_stream_is_closed),
	    cmocka_unit_test(websocket_needs_sip),
	    cmocka_unit_test(connections_are_bounded),
	    cmocka_unit_test(slow_peers_are_closed),
	    cmocka_unit_test(idle_peers_are_closed),
	    cmocka_unit_test(slow_readers_are_bounded),
	    cmocka_unit_test(close_from_callback),
	    cmocka_unit_test(listeners_close_alone),
	    cmocka_unit_test(names_choose_certificates),
	    cmocka_unit_test(old_tls_is_refused),
	    cmocka_unit_test(client_verifies_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
