/*
 * Between the lines that rpc speaks and the messages of a WebSocket: a line is
 * a message, both ways. The WebSocket is on one socket, behind which TLS is
 * (daemon/base/tls.c), the lines are on another, so that who speaks JSON-RPC
 * need not know how far away its server is. A side that does not read holds
 * the other back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/websocket.h"

#define BRIDGE_HOLD (256u << 10)  /* bytes that wait before reading stops */
#define BRIDGE_ANSWER (64u << 20) /* bytes of one message of the server */
#define BRIDGE_PIECE 65536

/* Bytes on their way out. */
struct bridge_flow {
	struct buf buf;
	size_t at; /* sent already */
	bool blocked;
};

struct bridge {
	struct loop *loop;
	int wire, lines;
	struct loop_fd *wire_io, *lines_io;
	struct websocket *frames;
	struct buf asked; /* a line that is not whole yet, at the end */
	struct bridge_flow up, down;
	bool wire_ended; /* what came is passed on, then it ends */
	loop_fn *on_end;
	void *arg;
};

static size_t
bridge_left(const struct bridge_flow *f)
{
	return f->buf.len - f->at;
}

/* What the socket takes; false when it takes nothing ever more. */
static bool
bridge_send(int fd, struct bridge_flow *f)
{
	ssize_t n;

	f->blocked = false;
	while (bridge_left(f) > 0) {
		n = send(fd, f->buf.data + f->at, bridge_left(f),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		f->blocked = n < 0 && errno == EAGAIN;
		if (n <= 0)
			return f->blocked;
		f->at += (size_t)n;
	}
	buf_reset(&f->buf);
	f->at = 0;
	return true;
}

/* A message of the server becomes a line. */
static void
bridge_on_message(void *arg, char *msg, size_t n)
{
	struct bridge *b = arg;

	buf_add(&b->down.buf, msg, n);
	buf_char(&b->down.buf, '\n');
}

static int
bridge_feed(struct bridge *b, const void *p, size_t n)
{
	int r = websocket_feed(b->frames, p, n);

	return b->down.buf.failed ? -ERR_FULL : r;
}

/* Whole lines become messages. */
static int
bridge_ask(struct bridge *b)
{
	size_t at = 0, n;
	char *nl;
	int r = b->asked.failed ? -ERR_FULL : 0;

	while (r == 0 &&
	    (nl = memchr(b->asked.data + at, '\n', b->asked.len - at)) !=
		NULL) {
		n = (size_t)(nl - b->asked.data) - at;
		r = websocket_send(b->frames, b->asked.data + at, n);
		at += n + 1;
	}
	buf_eat(&b->asked, at);
	return r;
}

/* Read a piece: bytes, 0 when there are none now, -1 at the end. */
static ssize_t
bridge_recv(int fd, char *piece)
{
	ssize_t n = recv(fd, piece, BRIDGE_PIECE, MSG_DONTWAIT);

	if (n > 0)
		return n;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Of the console; false when it has gone. */
static bool
bridge_take_lines(struct bridge *b, char *piece)
{
	ssize_t n;

	if (bridge_left(&b->up) > BRIDGE_HOLD)
		return true;
	if ((n = bridge_recv(b->lines, piece)) <= 0)
		return n == 0;
	buf_add(&b->asked, piece, (size_t)n);
	return bridge_ask(b) == 0;
}

/* Of the server. */
static void
bridge_take_wire(struct bridge *b, char *piece)
{
	ssize_t n;

	if (b->wire_ended || bridge_left(&b->down) > BRIDGE_HOLD)
		return;
	if ((n = bridge_recv(b->wire, piece)) > 0)
		n = bridge_feed(b, piece, (size_t)n);
	b->wire_ended = n < 0;
}

static void
bridge_want(struct bridge *b)
{
	int wire = 0, lines = 0;

	if (!b->wire_ended && bridge_left(&b->down) <= BRIDGE_HOLD)
		wire |= LOOP_READ;
	if (b->up.blocked)
		wire |= LOOP_WRITE;
	if (bridge_left(&b->up) <= BRIDGE_HOLD)
		lines |= LOOP_READ;
	if (b->down.blocked)
		lines |= LOOP_WRITE;
	loop_fd_want(b->wire_io, wire);
	loop_fd_want(b->lines_io, lines);
}

/* One pass over both ways; it may be the end. */
static void
bridge_on_io(void *arg, int fd, int events)
{
	struct bridge *b = arg;
	char piece[BRIDGE_PIECE];
	bool good = bridge_take_lines(b, piece);

	(void)fd;
	(void)events;
	if (good) {
		bridge_take_wire(b, piece);
		if (!bridge_send(b->wire, &b->up))
			b->wire_ended = true;
		good = bridge_send(b->lines, &b->down);
	}
	if (good && !(b->wire_ended && bridge_left(&b->down) == 0))
		bridge_want(b);
	else
		b->on_end(b->arg);
}

struct bridge *
bridge_open(struct loop *loop, int wire, int lines, const void *came, size_t n,
    loop_fn *on_end, void *arg)
{
	struct bridge *b = xcalloc(1, sizeof *b);

	b->loop = loop;
	b->wire = wire;
	b->lines = lines;
	b->on_end = on_end;
	b->arg = arg;
	b->frames = websocket_new(
	    WEBSOCKET_CLIENT, &b->up.buf, BRIDGE_ANSWER, bridge_on_message, b);
	b->wire_ended = b->frames == NULL || bridge_feed(b, came, n) != 0;
	b->wire_io = loop_fd_open(loop, wire, LOOP_READ, bridge_on_io, b);
	/* its first turn looks at what came already */
	b->lines_io = loop_fd_open(
	    loop, lines, LOOP_READ | LOOP_WRITE, bridge_on_io, b);
	return b;
}

void
bridge_close(struct bridge **bp)
{
	struct bridge *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	if (!b->wire_ended) {
		websocket_close(b->frames, 1000);
		bridge_send(b->wire, &b->up);
	}
	loop_fd_close(&b->wire_io);
	loop_fd_close(&b->lines_io);
	close(b->wire);
	close(b->lines);
	websocket_free(&b->frames);
	buf_fini(&b->asked);
	buf_fini(&b->up.buf);
	buf_fini(&b->down.buf);
	free(b);
}
