/*
 * One connection of TCP, TLS, WS or WSS: from its socket to whole messages
 * and back. It passes through stages (TCP connect, TLS handshake, WebSocket
 * handshake, open); a queue takes what is sent and leaves at the end of the
 * turn. It refuses to wait for ever (time-outs of every stage), to hold more
 * than its limits, and to guess where a message begins once framing is lost.
 *
 * A closed connection is out of every table at once; its memory goes at the
 * end of the turn, so that a callback may close the connection it came from.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "sip_stream.h"

#define CONN_MAGIC 0x636f6e01
#define CONN_READ 16384		    /* bytes of one read: a TLS record */
#define CONN_READS 4		    /* reads of one turn */
#define CONN_STALL (30 * CLOCK_SEC) /* no byte accepted by the peer */
#define CONN_DRAIN (2 * CLOCK_SEC)  /* for the peer to close after us */
#define CONN_FIRST (60 * CLOCK_SEC) /* until the first message */

enum conn_stage { CONN_CONNECT, CONN_TLS, CONN_HTTP, CONN_OPEN };

struct sip_conn {
	unsigned magic;
	struct sip_transport *t;
	struct sip_listener *listener;
	struct sip_conn *next_dead;
	enum sip_proto proto;
	enum conn_stage stage;
	bool closing;  /* what is queued leaves, then it is closed */
	bool draining; /* all has left: wait for the peer's end */
	bool dead;
	bool heard;	       /* a message came */
	bool told;	       /* on_open was called */
	bool write_blocked;    /* the kernel or libssl takes nothing now */
	bool read_wants_write; /* libssl must write before it can read */
	uint64_t id;
	int fd;
	union addr peer;
	struct loop_fd *event;
	struct loop_defer flush;
	SSL *ssl;
	struct sip_ws *ws;
	struct sip_framer framer;
	struct buf in, out;
	size_t held; /* what of count.held is ours */
	uint64_t born, last, partial, stalled, pinged; /* monotonic, 0 = not */
	uint64_t keep;	/* idle time-out not before */
	uint64_t since; /* real clock */
	uint64_t bytes_in, bytes_out;
	void *state;
};

static void conn_advance(struct sip_conn *);
static void conn_on_ws(void *, char *, size_t);

/* ---- life -------------------------------------------------------------- */

size_t
sip_source_key(uint8_t out[SIP_SOURCE], const union addr *a)
{
	if (a->sa.sa_family == AF_INET6) {
		out[0] = 6;
		memcpy(out + 1, &a->in6.sin6_addr, 8);
		return 9;
	}
	out[0] = 4;
	memcpy(out + 1, &a->in4.sin_addr, 4);
	return 5;
}

/* One connection more or less of an address; the number then. */
static uintptr_t
conn_count_source(struct sip_transport *t, const union addr *a, int delta)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, a);
	uintptr_t count = (uintptr_t)map_get(&t->sources, key, n);

	count = (uintptr_t)((intptr_t)count + delta);
	if (count == 0)
		map_del(&t->sources, key, n);
	else if (map_put(&t->sources, key, n, (void *)count, NULL) != 0)
		fatalx("sip: out of memory");
	return count;
}

/* What its buffers hold, told to the transport's sum. */
static void
conn_account(struct sip_conn *c)
{
	size_t now = c->dead
	    ? 0
	    : c->in.cap + c->out.cap + (c->ws != NULL ? sip_ws_held(c->ws) : 0);

	c->t->count.held += now - c->held;
	c->held = now;
}

void
sip_conn_flow(const struct sip_conn *c, struct sip_flow *f)
{
	f->listener = c->listener;
	f->proto = c->proto;
	f->conn = c->id;
	f->peer = c->peer;
}

void
sip_conn_close(struct sip_conn *c)
{
	struct sip_transport *t = c->t;
	struct sip_flow flow;

	if (c->dead)
		return;
	c->dead = true;
	conn_account(c);
	map_del(&t->conns, &c->id, sizeof c->id);
	conn_count_source(t, &c->peer, -1);
	t->count.open--;
	if (c->listener != NULL)
		c->listener->conns--;
	loop_defer_cancel(t->loop, &c->flush);
	loop_fd_close(&c->event);
	if (c->ssl != NULL && c->stage > CONN_TLS && !c->draining) {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
	}
	close(c->fd);
	c->next_dead = t->dead;
	t->dead = c;
	loop_defer(t->loop, &t->reap);
	sip_conn_flow(c, &flow);
	if (t->handler.on_close != NULL && (c->told || c->listener == NULL))
		t->handler.on_close(t->handler.arg, &flow, c->state);
}

void
sip_conn_free_dead(struct sip_transport *t)
{
	struct sip_conn *c;

	while ((c = t->dead) != NULL) {
		t->dead = c->next_dead;
		SSL_free(c->ssl);
		sip_ws_free(&c->ws);
		buf_fini(&c->in);
		buf_fini(&c->out);
		c->magic = 0;
		free(c);
	}
}

/* Closed for a reason that is counted. */
static void
conn_end(struct sip_conn *c, uint64_t *counter)
{
	if (c->dead)
		return;
	++*counter;
	sip_conn_close(c);
}

/* ---- bytes out --------------------------------------------------------- */

/* What the loop shall wait for, from the state of both directions. */
static void
conn_want(struct sip_conn *c)
{
	int want = 0;

	if (!c->closing || c->draining)
		want |= LOOP_READ;
	if (c->write_blocked || c->read_wants_write || c->stage == CONN_CONNECT)
		want |= LOOP_WRITE;
	loop_fd_want(c->event, want);
}

/* Write some; bytes, 0 = later, -1 = lost. */
static ssize_t
conn_write(struct sip_conn *c, const char *p, size_t n)
{
	ssize_t r;

	if (c->ssl == NULL) {
		r = send(c->fd, p, n, MSG_NOSIGNAL);
		return r >= 0 ? r : errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	ERR_clear_error();
	r = SSL_write(c->ssl, p, n < INT32_MAX ? (int)n : INT32_MAX);
	if (r > 0)
		return r;
	switch (SSL_get_error(c->ssl, (int)r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	default:
		return -1;
	}
}

/*
 * All has left: say so and wait for the other end. Closing with bytes unread
 * would make the kernel reset the connection and lose our last answer.
 */
static void
conn_drain(struct sip_conn *c)
{
	c->draining = true;
	c->stalled = clock_mono();
	if (c->ssl != NULL) {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
	}
	shutdown(c->fd, SHUT_WR);
}

/* Throw away what still comes. */
static void
conn_discard(struct sip_conn *c)
{
	char waste[4096];
	ssize_t n = recv(c->fd, waste, sizeof waste, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		sip_conn_close(c);
}

/* Send what is queued; a connection that is closing ends when all is out. */
static void
conn_flush(struct sip_conn *c)
{
	ssize_t n;

	if (c->draining || c->stage == CONN_CONNECT || c->stage == CONN_TLS)
		return;
	c->write_blocked = false;
	while (c->out.len > 0) {
		n = conn_write(c, c->out.data, c->out.len);
		if (n < 0) {
			sip_conn_close(c);
			return;
		}
		if (n == 0) {
			c->write_blocked = true;
			if (c->stalled == 0)
				c->stalled = clock_mono();
			break;
		}
		c->stalled = 0;
		buf_eat(&c->out, (size_t)n);
	}
	if (c->out.len == 0 && c->closing && !c->draining)
		conn_drain(c);
	if (c->out.len == 0 && c->out.cap > 4096)
		buf_fini(&c->out);
	conn_account(c);
	conn_want(c);
}

static void
conn_on_flush(void *arg)
{
	conn_flush(OBJ(arg, sip_conn, CONN_MAGIC));
}

/* Something was put into the queue: it leaves at the end of the turn. */
static int
conn_queued(struct sip_conn *c)
{
	if (c->out.failed || c->out.len > c->t->limits.out) {
		conn_end(c, &c->t->count.closed_full);
		return -ERR_FULL;
	}
	conn_account(c);
	if (c->t->count.held > c->t->limits.held) {
		conn_end(c, &c->t->count.closed_full);
		return -ERR_FULL;
	}
	loop_defer(c->t->loop, &c->flush);
	return 0;
}

int
sip_conn_send(struct sip_conn *c, const void *p, size_t n)
{
	if (c->dead || c->closing)
		return -ERR_CLOSED;
	if (c->ws != NULL) {
		if (sip_ws_send(c->ws, p, n) != 0)
			c->closing = true;
	} else if (c->stage == CONN_HTTP) {
		return -ERR_CLOSED;
	} else {
		buf_add(&c->out, p, n);
	}
	c->bytes_out += n;
	c->t->count.out[c->proto]++;
	return conn_queued(c);
}

/* No more is read; what is queued still leaves. */
void
sip_conn_finish(struct sip_conn *c)
{
	if (c->dead)
		return;
	c->closing = true;
	c->stalled = c->stalled != 0 ? c->stalled : clock_mono();
	loop_defer(c->t->loop, &c->flush);
}

/* ---- bytes in ---------------------------------------------------------- */

/* Hand one message on; the byte behind it belongs to the next. */
static void
conn_deliver(struct sip_conn *c, char *msg, size_t n)
{
	struct sip_flow flow;
	char behind = msg[n];

	c->heard = true;
	c->bytes_in += n;
	c->t->count.in[c->proto]++;
	sip_conn_flow(c, &flow);
	msg[n] = '\0';
	c->t->handler.on_message(c->t->handler.arg, &flow, msg, n);
	msg[n] = behind;
}

static void
conn_ping(struct sip_conn *c)
{
	struct sip_flow flow;

	c->t->count.pings++;
	sip_conn_flow(c, &flow);
	if (c->t->handler.on_ping != NULL)
		c->t->handler.on_ping(c->t->handler.arg, &flow);
}

/* Framing is lost: tell, then close behind the answer. */
static void
conn_bad(struct sip_conn *c, enum sip_bad bad, char *head, size_t n)
{
	struct sip_flow flow;

	c->t->count.closed_bad++;
	sip_conn_flow(c, &flow);
	if (c->t->handler.on_bad != NULL)
		c->t->handler.on_bad(c->t->handler.arg, &flow, bad, head, n);
	buf_reset(&c->in);
	sip_conn_finish(c);
}

/* Messages of a plain stream. */
static void
conn_take_stream(struct sip_conn *c)
{
	enum sip_bad bad;
	size_t at = 0, len = 0;
	char *p;

	while (!c->dead && !c->closing) {
		p = c->in.data + at;
		switch (sip_frame_next(&c->framer, p, c->in.len - at,
		    c->t->limits.message, &len, &bad)) {
		case SIP_FRAME_MESSAGE:
			conn_deliver(c, p, len);
			break;
		case SIP_FRAME_PING:
			conn_ping(c);
			sip_conn_send(c, "\r\n", 2);
			c->t->count.out[c->proto]--;
			break;
		case SIP_FRAME_SKIP:
			break;
		case SIP_FRAME_BAD:
			conn_bad(c, bad, p, len);
			return;
		case SIP_FRAME_MORE:
			buf_eat(&c->in, at);
			return;
		}
		at += len;
	}
	buf_reset(&c->in);
}

/* A WebSocket message. */
static void
conn_on_ws(void *arg, char *msg, size_t n)
{
	struct sip_conn *c = OBJ(arg, sip_conn, CONN_MAGIC);

	if (c->dead || c->closing)
		return;
	if (sip_frame_is_partial(msg, n)) {
		conn_deliver(c, msg, n);
	} else {
		conn_ping(c);
		if (n == 4)
			sip_ws_send(c->ws, "\r\n", 2);
	}
}

/* Frames of an open WebSocket. */
static void
conn_take_ws(struct sip_conn *c)
{
	int r = sip_ws_feed(c->ws, c->in.data, c->in.len);

	buf_reset(&c->in);
	if (c->dead)
		return;
	if (r != 0)
		sip_conn_finish(c);
	else if (c->out.len > 0)
		conn_queued(c);
}

/* The opening handshake, when its head is complete. */
static void
conn_take_http(struct sip_conn *c)
{
	const char *end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4);
	size_t n = end != NULL ? (size_t)(end - c->in.data) + 4 : 0;
	struct err e;

	if (end == NULL && c->in.len < SIP_WS_HEAD_MAX)
		return;
	if (sip_ws_accept(c->in.data, n, &c->out, &e) != 0) {
		c->t->count.ws_failed++;
		buf_reset(&c->in);
		sip_conn_finish(c);
		return;
	}
	buf_eat(&c->in, n);
	c->ws = sip_ws_new(&c->out, c->t->limits.message, conn_on_ws, c);
	if (c->ws == NULL) {
		sip_conn_close(c);
		return;
	}
	c->stage = CONN_OPEN;
	conn_advance(c);
	if (!c->dead && conn_queued(c) == 0)
		conn_take_ws(c);
}

/* Is there the beginning of a message that has not come whole? */
static void
conn_note_partial(struct sip_conn *c, uint64_t now)
{
	bool partial = c->ws != NULL
	    ? sip_ws_is_partial(c->ws)
	    : sip_frame_is_partial(c->in.data, c->in.len);

	if (!partial)
		c->partial = 0;
	else if (c->partial == 0)
		c->partial = now;
}

static void
conn_take(struct sip_conn *c)
{
	bool was = c->heard;

	c->heard = false;
	if (c->stage == CONN_HTTP)
		conn_take_http(c);
	else if (c->ws != NULL)
		conn_take_ws(c);
	else
		conn_take_stream(c);
	if (c->dead)
		return;
	/* A message that came whole ends the span; the rest begins anew. */
	if (c->heard)
		c->partial = 0;
	c->heard |= was;
	conn_note_partial(c, c->last);
	if (c->in.len == 0 && c->in.cap > 4096)
		buf_fini(&c->in);
	conn_account(c);
	if (c->t->count.held > c->t->limits.held)
		conn_end(c, &c->t->count.closed_full);
}

/* Read some; bytes, 0 = later, -1 = ended. */
static ssize_t
conn_recv(struct sip_conn *c, char *p, size_t n)
{
	ssize_t r;

	if (c->ssl == NULL) {
		r = recv(c->fd, p, n, 0);
		if (r < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		return r == 0 ? -1 : r;
	}
	ERR_clear_error();
	c->read_wants_write = false;
	r = SSL_read(c->ssl, p, (int)n);
	if (r > 0)
		return r;
	switch (SSL_get_error(c->ssl, (int)r)) {
	case SSL_ERROR_WANT_WRITE:
		c->read_wants_write = true;
		return 0;
	case SSL_ERROR_WANT_READ:
		return 0;
	default:
		return -1;
	}
}

static void
conn_read(struct sip_conn *c)
{
	unsigned turn;
	ssize_t n;
	char *p;

	for (turn = 0;
	     turn < CONN_READS || (c->ssl != NULL && SSL_pending(c->ssl) > 0);
	     turn++) {
		p = buf_reserve(&c->in, CONN_READ);
		if (p == NULL) {
			conn_end(c, &c->t->count.closed_full);
			return;
		}
		n = conn_recv(c, p, CONN_READ);
		if (n < 0) {
			sip_conn_close(c);
			return;
		}
		if (n == 0)
			break;
		c->in.len += (size_t)n;
		c->in.data[c->in.len] = '\0';
		c->last = clock_mono();
		conn_take(c);
		if (c->dead || c->closing)
			return;
	}
	conn_want(c);
}

/* ---- stages ------------------------------------------------------------ */

/* TLS handshake: one step. */
static void
conn_shake(struct sip_conn *c)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(c->ssl);
	if (r == 1) {
		c->stage = c->proto == SIP_WSS ? CONN_HTTP : CONN_OPEN;
		c->write_blocked = false;
		conn_advance(c);
		if (!c->dead)
			conn_read(c);
		return;
	}
	r = SSL_get_error(c->ssl, r);
	if (r != SSL_ERROR_WANT_READ && r != SSL_ERROR_WANT_WRITE) {
		conn_end(c, &c->t->count.tls_failed);
		return;
	}
	c->write_blocked = r == SSL_ERROR_WANT_WRITE;
	conn_want(c);
}

/* The TCP handshake of our own connection ended. */
static void
conn_connected(struct sip_conn *c)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ||
	    error != 0) {
		sip_conn_close(c);
		return;
	}
	c->stage = c->ssl != NULL ? CONN_TLS : CONN_OPEN;
	if (c->stage == CONN_TLS)
		conn_shake(c);
	else
		conn_advance(c);
}

/* A stage was reached: tell when messages may pass. */
static void
conn_advance(struct sip_conn *c)
{
	struct sip_flow flow;

	c->last = clock_mono();
	if (c->stage == CONN_OPEN && !c->told) {
		c->told = true;
		sip_conn_flow(c, &flow);
		if (c->t->handler.on_open != NULL)
			c->t->handler.on_open(c->t->handler.arg, &flow);
	}
	if (!c->dead)
		conn_flush(c);
}

static void
conn_on_event(void *arg, int fd, int events)
{
	struct sip_conn *c = OBJ(arg, sip_conn, CONN_MAGIC);

	(void)fd;
	if (c->draining) {
		conn_discard(c);
		return;
	}
	if (c->stage == CONN_CONNECT) {
		conn_connected(c);
		return;
	}
	if (c->stage == CONN_TLS) {
		conn_shake(c);
		return;
	}
	if ((events & LOOP_WRITE) != 0)
		conn_flush(c);
	if (!c->dead && !c->closing &&
	    ((events & LOOP_READ) != 0 || c->read_wants_write))
		conn_read(c);
}

/* ---- making one -------------------------------------------------------- */

/* Dead peers are noticed by the kernel within two minutes. */
static void
conn_set_options(int fd)
{
	int on = 1, idle = 60, interval = 15, count = 4, timeout = 30000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

/* A connection in the tables; its bounds have been checked. */
static struct sip_conn *
conn_make(struct sip_transport *t, struct sip_listener *l, enum sip_proto proto,
    int fd, const union addr *peer)
{
	struct sip_conn *c = xcalloc(1, sizeof *c);

	c->magic = CONN_MAGIC;
	c->t = t;
	c->listener = l;
	c->proto = proto;
	c->fd = fd;
	c->peer = *peer;
	c->id = t->next_id++;
	c->born = c->last = clock_mono();
	c->since = clock_real();
	c->in.max = t->limits.message + 2 * CONN_READ;
	c->out.max = t->limits.out + SIP_MAX + 64;
	c->flush.fn = conn_on_flush;
	c->flush.arg = c;
	conn_set_options(fd);
	if (map_put(&t->conns, &c->id, sizeof c->id, c, NULL) != 0)
		fatalx("sip: out of memory");
	conn_count_source(t, peer, 1);
	t->count.open++;
	if (l != NULL)
		l->conns++;
	return c;
}

struct sip_conn *
sip_conn_new(struct sip_transport *t, struct sip_listener *l,
    enum sip_proto proto, int fd, const union addr *peer)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, peer);
	struct sip_conn *c;

	if (t->count.open >= t->limits.conns ||
	    (uintptr_t)map_get(&t->sources, key, n) >= t->limits.conns_source ||
	    (t->handler.on_accept != NULL &&
		!t->handler.on_accept(t->handler.arg, peer))) {
		t->count.refused++;
		close(fd);
		return NULL;
	}
	t->count.accepted++;
	c = conn_make(t, l, proto, fd, peer);
	c->stage = proto == SIP_WS ? CONN_HTTP : CONN_OPEN;
	c->event = loop_fd_open(t->loop, fd, LOOP_READ, conn_on_event, c);
	if (sip_proto_is_secure(proto)) {
		c->stage = CONN_TLS;
		c->ssl = sip_tls_open(l->tls, fd, NULL);
		if (c->ssl == NULL)
			conn_end(c, &t->count.tls_failed);
	} else if (c->stage == CONN_OPEN) {
		conn_advance(c);
	}
	return c->dead ? NULL : c;
}

struct sip_conn *
sip_conn_new_client(struct sip_transport *t, enum sip_proto proto, int fd,
    const union addr *peer, struct sip_tls *tls, const char *name)
{
	struct sip_conn *c = conn_make(t, NULL, proto, fd, peer);

	c->stage = CONN_CONNECT;
	if (tls != NULL)
		c->ssl = sip_tls_open(tls, fd, name);
	c->event = loop_fd_open(
	    t->loop, fd, LOOP_READ | LOOP_WRITE, conn_on_event, c);
	if (tls != NULL && c->ssl == NULL)
		conn_end(c, &t->count.tls_failed);
	return c->dead ? NULL : c;
}

/* ---- time and looks ---------------------------------------------------- */

/* The WebSocket is silent: ask, so that NAT and both ends know. */
static void
conn_tick_ping(struct sip_conn *c, uint64_t now)
{
	uint64_t quiet = c->last > c->pinged ? c->last : c->pinged;

	if (c->ws == NULL || c->closing || now < quiet + c->t->limits.ping)
		return;
	c->pinged = now;
	sip_ws_ping(c->ws);
	conn_queued(c);
}

void
sip_conn_tick(struct sip_conn *c, uint64_t now)
{
	const struct sip_limits *limit = &c->t->limits;
	struct sip_count *count = &c->t->count;
	uint64_t idle = c->last + limit->idle;

	if (idle < c->keep)
		idle = c->keep;
	if ((c->stage != CONN_OPEN && now >= c->born + limit->handshake) ||
	    (c->partial != 0 && now >= c->partial + limit->partial) ||
	    (!c->heard && c->listener != NULL && now >= c->born + CONN_FIRST &&
		now >= c->keep))
		conn_end(c, &count->closed_slow);
	else if (c->draining && now >= c->stalled + CONN_DRAIN)
		sip_conn_close(c);
	else if (c->stalled != 0 && now >= c->stalled + CONN_STALL)
		conn_end(c, &count->closed_full);
	else if (c->ws != NULL && c->pinged > c->last &&
	    now >= c->last + 4 * limit->ping)
		conn_end(c, &count->closed_idle);
	else if (now >= idle)
		conn_end(c, &count->closed_idle);
	else
		conn_tick_ping(c, now);
}

void
sip_conn_info(const struct sip_conn *c, struct sip_flow_info *i)
{
	sip_conn_flow(c, &i->flow);
	i->since = c->since;
	i->in = c->bytes_in;
	i->out = c->bytes_out;
	i->state = c->state;
}

void
sip_conn_keep(struct sip_conn *c, uint64_t us)
{
	c->keep = clock_mono() + us;
}

void *
sip_conn_state(const struct sip_conn *c)
{
	return c->state;
}

void
sip_conn_set_state(struct sip_conn *c, void *state)
{
	c->state = state;
}

const struct sip_listener *
sip_conn_listener(const struct sip_conn *c)
{
	return c->listener;
}
