/* A phone for tests; see phone.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "phone.h"

#define PHONE_GUARD 10000 /* ms until a wait is given up */

/* ---- bytes ------------------------------------------------------------- */

static ssize_t
phone_read(struct phone *p, void *out, size_t n)
{
	ssize_t r;

	if (p->ssl == NULL)
		return recv(p->fd, out, n, MSG_DONTWAIT);
	r = SSL_read(p->ssl, out, (int)n);
	if (r > 0)
		return r;
	errno = EAGAIN;
	switch (SSL_get_error(p->ssl, (int)r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -1;
	default:
		return 0;
	}
}

/* One TLS step. */
static void
phone_shake(struct phone *p)
{
	int r = SSL_do_handshake(p->ssl);

	if (r == 1) {
		p->shaking = false;
		loop_fd_want(p->event, LOOP_READ);
		return;
	}
	r = SSL_get_error(p->ssl, r);
	if (r == SSL_ERROR_WANT_WRITE)
		loop_fd_want(p->event, LOOP_READ | LOOP_WRITE);
	else if (r == SSL_ERROR_WANT_READ)
		loop_fd_want(p->event, LOOP_READ);
	else
		p->closed = true;
}

static bool
phone_is_ws(const struct phone *p)
{
	return p->proto == SIP_WS || p->proto == SIP_WSS;
}

/* SIP bytes came; where messages have borders, their length is kept. */
static void
phone_keep(struct phone *p, const void *data, size_t n)
{
	if (p->proto == SIP_UDP || phone_is_ws(p))
		buf_add(&p->plain, &n, sizeof n);
	buf_add(&p->plain, data, n);
	buf_add(&p->raw, data, n);
}

/* Frames of the server (never masked, never longer than 64 kB here). */
static void
phone_take_frames(struct phone *p)
{
	const unsigned char *b;
	size_t n, head;

	while (p->upgraded && p->in.len >= 2) {
		b = (const unsigned char *)p->in.data;
		head = (b[1] & 127) == 126 ? 4 : (b[1] & 127) == 127 ? 10 : 2;
		if (p->in.len < head)
			return;
		n = head == 2 ? b[1] & 127u : (size_t)b[2] << 8 | b[3];
		if (head == 10)
			n = (size_t)b[7] << 16 | (size_t)b[8] << 8 | b[9];
		if (p->in.len < head + n)
			return;
		if ((b[0] & 15) <= 2)
			phone_keep(p, b + head, n);
		p->pings += (b[0] & 15) == 9;
		p->pongs += (b[0] & 15) == 10;
		buf_eat(&p->in, head + n);
	}
}

/* The answer to the opening handshake. */
static void
phone_take_upgrade(struct phone *p)
{
	char *end;

	if (p->in.len == 0 ||
	    (end = memmem(p->in.data, p->in.len, "\r\n\r\n", 4)) == NULL)
		return;
	if (strncmp(p->in.data, "HTTP/1.1 101 ", 13) == 0 &&
	    strstr(p->in.data, "Sec-WebSocket-Protocol: sip\r\n") != NULL &&
	    strstr(p->in.data, /* of RFC 6455 1.3's example key */
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != NULL)
		p->upgraded = true;
	else
		p->closed = true;
	buf_eat(&p->in, (size_t)(end - p->in.data) + 4);
}

static void
phone_take(struct phone *p)
{
	if (!phone_is_ws(p)) {
		phone_keep(p, p->in.data, p->in.len);
		buf_reset(&p->in);
		return;
	}
	if (!p->upgraded)
		phone_take_upgrade(p);
	phone_take_frames(p);
}

static void
phone_on_event(void *arg, int fd, int events)
{
	struct phone *p = arg;
	char *at;
	ssize_t n;

	(void)fd;
	(void)events;
	loop_stop(p->loop);
	if (p->shaking) {
		phone_shake(p);
		return;
	}
	while (!p->closed) {
		at = buf_reserve(&p->in, PHONE_SIZE);
		n = phone_read(p, at, PHONE_SIZE);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			p->closed = true;
			loop_fd_want(p->event, 0);
			break;
		}
		p->in.len += (size_t)n;
		p->in.data[p->in.len] = '\0';
		phone_take(p);
		if (p->proto == SIP_UDP) /* one datagram, one message */
			break;
	}
}

static void
phone_on_guard(void *arg)
{
	struct phone *p = arg;

	p->timed_out = true;
	loop_stop(p->loop);
}

void
phone_turn(struct phone *p, unsigned ms)
{
	p->timed_out = false;
	loop_timer_set(p->guard, (uint64_t)ms * 1000);
	loop_run(p->loop);
	loop_timer_cancel(p->guard);
}

/* ---- opening ----------------------------------------------------------- */

static void
phone_start_tls(struct phone *p, const char *name)
{
	p->ctx = SSL_CTX_new(TLS_client_method());
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, p->fd);
	SSL_set_connect_state(p->ssl);
	if (name != NULL)
		SSL_set_tlsext_host_name(p->ssl, name);
	p->shaking = true;
	phone_shake(p);
	while (p->shaking && !p->closed && !p->timed_out)
		phone_turn(p, PHONE_GUARD);
}

static void
phone_start_ws(struct phone *p)
{
	static const char hello[] =
	    "GET / HTTP/1.1\r\nHost: gate.test\r\nUpgrade: websocket\r\n"
	    "Connection: keep-alive, Upgrade\r\nOrigin: https://a.test\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Protocol: chat, sip\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n";

	phone_bytes(p, hello, sizeof hello - 1);
	while (!p->upgraded && !p->closed && !p->timed_out)
		phone_turn(p, PHONE_GUARD);
}

struct phone *
phone_open_from(struct loop *loop, enum sip_proto proto, const union addr *to,
    const char *name, const union addr *from)
{
	struct phone *p = calloc(1, sizeof *p);
	int type = proto == SIP_UDP ? SOCK_DGRAM : SOCK_STREAM;
	socklen_t len = sizeof p->self;

	p->loop = loop;
	p->proto = proto;
	p->to = *to;
	p->guard = loop_timer_new(loop, phone_on_guard, p);
	p->fd = socket(to->sa.sa_family, type | SOCK_CLOEXEC, 0);
	if (from != NULL && bind(p->fd, &from->sa, addr_len(from)) != 0)
		abort();
	p->closed = connect(p->fd, &to->sa, addr_len(to)) != 0;
	getsockname(p->fd, &p->self.sa, &len);
	sock_nonblock(p->fd);
	p->event = loop_fd_open(loop, p->fd, LOOP_READ, phone_on_event, p);
	if (!p->closed && sip_proto_is_secure(proto))
		phone_start_tls(p, name);
	if (!p->closed && phone_is_ws(p))
		phone_start_ws(p);
	if (p->closed || p->timed_out)
		phone_close(&p);
	return p;
}

struct phone *
phone_open(struct loop *loop, enum sip_proto proto, const union addr *to,
    const char *name)
{
	return phone_open_from(loop, proto, to, name, NULL);
}

void
phone_close(struct phone **pp)
{
	struct phone *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	loop_fd_close(&p->event);
	loop_timer_free(&p->guard);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
	buf_fini(&p->in);
	buf_fini(&p->plain);
	buf_fini(&p->raw);
	free(p);
}

/* ---- sending ----------------------------------------------------------- */

void
phone_bytes(struct phone *p, const void *data, size_t n)
{
	const char *at = data;
	ssize_t r;

	while (n > 0 && !p->closed) {
		r = p->ssl != NULL ? SSL_write(p->ssl, at, (int)n)
				   : send(p->fd, at, n, MSG_NOSIGNAL);
		if (r > 0) {
			at += r;
			n -= (size_t)r;
		} else if (p->ssl == NULL && errno != EAGAIN) {
			return;
		} else {
			phone_turn(p, 10);
		}
	}
}

void
phone_frame(struct phone *p, unsigned opcode, const void *data, size_t n)
{
	static const unsigned char mask[4] = {1, 2, 3, 4};
	unsigned char *f = malloc(n + 14);
	size_t at = 2, i;

	f[0] = (unsigned char)opcode;
	if (n < 126) {
		f[1] = (unsigned char)(128 | n);
	} else if (n < 65536) {
		f[1] = 128 | 126;
		f[at++] = (unsigned char)(n >> 8);
		f[at++] = (unsigned char)n;
	} else {
		f[1] = 128 | 127;
		for (i = 0; i < 8; i++)
			f[at++] = (unsigned char)(n >> (8 * (7 - i)));
	}
	memcpy(f + at, mask, 4);
	at += 4;
	for (i = 0; i < n; i++)
		f[at + i] = ((const unsigned char *)data)[i] ^ mask[i & 3];
	phone_bytes(p, f, at + n);
	free(f);
}

void
phone_send(struct phone *p, const void *data, size_t n)
{
	if (phone_is_ws(p))
		phone_frame(p, 0x81, data, n);
	else
		phone_bytes(p, data, n);
}

void
phone_text(struct phone *p, const char *text)
{
	phone_send(p, text, strlen(text));
}

/* ---- receiving --------------------------------------------------------- */

/* Length of the message in front of plain, 0 when it is not whole; the kept
 * length is taken off. */
static size_t
phone_whole(struct phone *p)
{
	char *end, *length;
	size_t n;

	if (p->plain.len == 0)
		return 0;
	if (p->proto == SIP_UDP || phone_is_ws(p)) {
		memcpy(&n, p->plain.data, sizeof n);
		buf_eat(&p->plain, sizeof n);
		return n;
	}
	while (p->plain.len >= 2 && p->plain.data[0] == '\r')
		buf_eat(&p->plain, 2);
	if (p->plain.len == 0)
		return 0;
	end = memmem(p->plain.data, p->plain.len, "\r\n\r\n", 4);
	if (end == NULL)
		return 0;
	length = strcasestr(p->plain.data, "\r\nContent-Length:");
	n = (size_t)(end - p->plain.data) + 4;
	if (length != NULL && length < end)
		n += strtoul(length + 17, NULL, 10);
	return n <= p->plain.len ? n : 0;
}

size_t
phone_recv(struct phone *p, char out[PHONE_SIZE])
{
	size_t n;

	p->timed_out = false;
	while ((n = phone_whole(p)) == 0 && !p->closed && !p->timed_out)
		phone_turn(p, PHONE_GUARD);
	if (n >= PHONE_SIZE)
		n = PHONE_SIZE - 1;
	memcpy(out, p->plain.data, n);
	out[n] = '\0';
	buf_eat(&p->plain, n);
	return n;
}

bool
phone_silent(struct phone *p, unsigned ms)
{
	size_t before = p->plain.len;

	do
		phone_turn(p, ms);
	while (!p->timed_out && !p->closed && p->plain.len == before);
	return p->plain.len == before;
}

bool
phone_wait_closed(struct phone *p)
{
	p->timed_out = false;
	while (!p->closed && !p->timed_out)
		phone_turn(p, PHONE_GUARD);
	return p->closed;
}
