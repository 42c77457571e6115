/*
 * Bytes from a connection: after TLS, to whole messages by Content-Length or
 * by WebSocket frames. It refuses to guess where a message begins once
 * framing is lost, and notes since when a message is incomplete.
 */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "sip_conn.h"
#include "tap.h"

#define CONN_READS 4 /* reads of one turn */

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
	sip_conn_tap(c, 0, msg, n);
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
	sip_conn_tap(c, TRACE_CUT, head, n);
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

	while (!c->dead && !c->closing && !c->paused) {
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
	if (c->paused)
		buf_eat(&c->in, at);
	else
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
			websocket_send(c->ws, "\r\n", 2);
	}
}

/* Frames of an open WebSocket. */
static void
conn_take_ws(struct sip_conn *c)
{
	int r = websocket_feed(c->ws, c->in.data, c->in.len);

	buf_reset(&c->in);
	if (c->dead)
		return;
	if (r != 0)
		sip_conn_finish(c);
	else if (c->out.len > 0)
		sip_conn_queued(c);
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
	c->ws = websocket_new(
	    WEBSOCKET_SERVER, &c->out, c->t->limits.message, conn_on_ws, c);
	if (c->ws == NULL) {
		sip_conn_close(c);
		return;
	}
	c->stage = CONN_OPEN;
	sip_conn_advance(c);
	if (!c->dead && sip_conn_queued(c) == 0)
		conn_take_ws(c);
}

/* Is there the beginning of a message that has not come whole? */
static void
conn_note_partial(struct sip_conn *c, uint64_t now)
{
	bool partial = c->ws != NULL
	    ? websocket_is_partial(c->ws)
	    : sip_frame_is_partial(c->in.data, c->in.len);

	if (!partial || c->paused)
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
	sip_conn_account(c);
	if (c->t->count.held > c->t->limits.held)
		sip_conn_end(c, &c->t->count.closed_full);
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

void
sip_conn_read(struct sip_conn *c)
{
	unsigned turn;
	ssize_t n;
	char *p;

	for (turn = 0;
	     turn < CONN_READS || (c->ssl != NULL && SSL_pending(c->ssl) > 0);
	     turn++) {
		p = buf_reserve(&c->in, CONN_READ);
		if (p == NULL) {
			sip_conn_end(c, &c->t->count.closed_full);
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
		if (c->paused)
			break;
	}
	sip_conn_want(c);
}

/* What was left of the last read first, then what waits. */
void
sip_conn_resume(struct sip_conn *c)
{
	c->paused = false;
	if (c->closing)
		return;
	if (c->in.len > 0)
		conn_take(c);
	if (!c->dead && !c->closing && !c->paused)
		sip_conn_read(c);
	else if (!c->dead)
		sip_conn_want(c);
}
