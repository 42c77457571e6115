/*
 * Bytes to a connection: a queue takes what is sent and leaves at the end of
 * the turn. A peer that does not read loses the connection when its queue or
 * the sum of all is full. A connection that ends says so and waits for the
 * peer's end, or the kernel would throw our last answer away.
 */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "daemon/base/mem.h"
#include "sip_conn.h"
#include "tap.h"

/* What the loop shall wait for, from the state of both directions. */
void
sip_conn_want(struct sip_conn *c)
{
	int want = 0;

	if ((!c->closing && !c->paused) || c->draining)
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
void
sip_conn_discard(struct sip_conn *c)
{
	char waste[4096];
	ssize_t n = recv(c->fd, waste, sizeof waste, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		sip_conn_close(c);
}

/* Send what is queued; a connection that is closing ends when all is out. */
void
sip_conn_flush(struct sip_conn *c)
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
	sip_conn_account(c);
	sip_conn_want(c);
}

void
sip_conn_on_flush(void *arg)
{
	sip_conn_flush(OBJ(arg, sip_conn, CONN_MAGIC));
}

/* Something was put into the queue: it leaves at the end of the turn. */
int
sip_conn_queued(struct sip_conn *c)
{
	if (c->out.failed || c->out.len > c->t->limits.out) {
		sip_conn_end(c, &c->t->count.closed_full);
		return -ERR_FULL;
	}
	sip_conn_account(c);
	if (c->t->count.held > c->t->limits.held) {
		sip_conn_end(c, &c->t->count.closed_full);
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
	if (n > 2) /* no pong */
		sip_conn_tap(c, TRACE_OUT, p, n);
	if (c->ws != NULL) {
		if (websocket_send(c->ws, p, n) != 0)
			c->closing = true;
	} else if (c->stage == CONN_HTTP) {
		return -ERR_CLOSED;
	} else {
		buf_add(&c->out, p, n);
	}
	c->bytes_out += n;
	c->t->count.out[c->proto]++;
	return sip_conn_queued(c);
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
