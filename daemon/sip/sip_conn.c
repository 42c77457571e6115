/*
 * One connection of TCP, TLS, WS or WSS: its life from the socket to the end,
 * its stages (TCP connect, TLS handshake, WebSocket handshake, open) and its
 * time-outs. Bytes come in by sip_conn_in.c and leave by sip_conn_out.c. It
 * refuses to wait for ever and to hold more than its limits.
 *
 * A closed connection is out of every table at once; its memory goes at the
 * end of the turn, so that a callback may close the connection it came from.
 */
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "sip_conn.h"
#include "tap.h"

#define CONN_STALL (30 * CLOCK_SEC) /* no byte accepted by the peer */
#define CONN_DRAIN (2 * CLOCK_SEC)  /* for the peer to close after us */
#define CONN_FIRST (60 * CLOCK_SEC) /* until the first message */

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
void
sip_conn_account(struct sip_conn *c)
{
	size_t now = c->dead ? 0
			     : c->in.cap + c->out.cap +
		(c->ws != NULL ? websocket_held(c->ws) : 0);

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
sip_conn_tap(
    const struct sip_conn *c, unsigned flags, const void *msg, size_t n)
{
	static const union addr none;

	tap(c->t->trace,
	    &(struct tap_way){flags, c->proto,
		c->listener != NULL ? &c->listener->at : &none, &c->peer},
	    msg, n);
}

void
sip_conn_close(struct sip_conn *c)
{
	struct sip_transport *t = c->t;
	struct sip_flow flow;

	if (c->dead)
		return;
	c->dead = true;
	sip_conn_account(c);
	map_del(&t->conns, &c->id, sizeof c->id);
	conn_count_source(t, &c->peer, -1);
	t->count.open--;
	if (c->listener != NULL)
		c->listener->conns--;
	loop_defer_cancel(t->loop, &c->flush);
	loop_fd_close(&c->event);
	loop_timer_free(&c->resume);
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
		websocket_free(&c->ws);
		buf_fini(&c->in);
		buf_fini(&c->out);
		c->magic = 0;
		free(c);
	}
}

/* Closed for a reason that is counted. */
void
sip_conn_end(struct sip_conn *c, uint64_t *counter)
{
	if (c->dead)
		return;
	++*counter;
	sip_conn_close(c);
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
		sip_conn_advance(c);
		if (!c->dead)
			sip_conn_read(c);
		return;
	}
	r = SSL_get_error(c->ssl, r);
	if (r != SSL_ERROR_WANT_READ && r != SSL_ERROR_WANT_WRITE) {
		sip_conn_end(c, &c->t->count.tls_failed);
		return;
	}
	c->write_blocked = r == SSL_ERROR_WANT_WRITE;
	sip_conn_want(c);
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
		sip_conn_advance(c);
}

/* A stage was reached: tell when messages may pass. */
void
sip_conn_advance(struct sip_conn *c)
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
		sip_conn_flush(c);
}

static void
conn_on_event(void *arg, int fd, int events)
{
	struct sip_conn *c = OBJ(arg, sip_conn, CONN_MAGIC);

	(void)fd;
	if (c->draining) {
		sip_conn_discard(c);
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
		sip_conn_flush(c);
	if (!c->dead && !c->closing && !c->paused &&
	    ((events & LOOP_READ) != 0 || c->read_wants_write))
		sip_conn_read(c);
}

/* ---- making one -------------------------------------------------------- */

/* Dead peers are noticed by the kernel within two minutes. */
static void
conn_set_options(int fd)
{
	static const struct sock_alive alive = {
	    .idle = 60, .pause = 15, .count = 4, .silence_ms = 30000};
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	sock_keep_alive(fd, &alive);
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
	c->flush.fn = sip_conn_on_flush;
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
			sip_conn_end(c, &t->count.tls_failed);
	} else if (c->stage == CONN_OPEN) {
		sip_conn_advance(c);
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
		sip_conn_end(c, &t->count.tls_failed);
	return c->dead ? NULL : c;
}

/* ---- pauses ------------------------------------------------------------ */

static void
conn_on_resume(void *arg)
{
	sip_conn_resume(OBJ(arg, sip_conn, CONN_MAGIC));
}

void
sip_conn_pause(struct sip_conn *c, uint64_t us)
{
	if (c->dead)
		return;
	if (c->resume == NULL)
		c->resume = loop_timer_new(c->t->loop, conn_on_resume, c);
	c->paused = true;
	loop_timer_set(c->resume, us);
	if (c->stage == CONN_OPEN)
		sip_conn_want(c);
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
	websocket_ping(c->ws);
	sip_conn_queued(c);
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
		sip_conn_end(c, &count->closed_slow);
	else if (c->draining && now >= c->stalled + CONN_DRAIN)
		sip_conn_close(c);
	else if (c->stalled != 0 && now >= c->stalled + CONN_STALL)
		sip_conn_end(c, &count->closed_full);
	else if (c->ws != NULL && c->pinged > c->last &&
	    now >= c->last + 4 * limit->ping)
		sip_conn_end(c, &count->closed_idle);
	else if (now >= idle)
		sip_conn_end(c, &count->closed_idle);
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
