/*
 * The connection with the quorum of another server: heartbeats, proposals,
 * and the streams of raft, which connects in each direction on its own. Each
 * stream of raft is a socket pair: raft has one end, this file carries the
 * bytes between the other end and the frames. A stream that is opened anew
 * ends the one before it; bytes of an ended one are passed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "quorum.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LINK_MAGIC 0x6c696e6bu
#define LINK_READ 65536
#define LINK_ECHO \
	10 /* beats from one question for the round trip to the next */
/* What raft has to say waits in its own socket beyond so much. */
#define LINK_FULL ((size_t)1 << 20)
#define LINK_MOST ((size_t)64 << 20)

/* One direction of raft: out is from our raft, in is to it. */
struct link_channel {
	int fd; /* our end; -1 = there is none */
	struct loop_fd *io;
	uint64_t number;
	struct buf wait; /* in: not yet taken by raft */
};

struct quorum_link {
	unsigned magic;
	struct quorum *q;
	char server[OWNERSHIP_SERVER_NAME];
	int fd;
	struct loop_fd *io;
	struct buf in, out;
	bool greeted;
	uint64_t id;	  /* of its hello */
	uint64_t numbers; /* odd of one side, even of the other */
	unsigned beats;
	struct link_channel to, from;
	struct loop_defer fail;
	struct err err;
};

/* ---- sending ------------------------------------------------------------ */

/* It is over; said from the end of the turn, so that no caller finds its link
 * freed under it. */
static void
link_fail(struct quorum_link *l, enum err_code code, const char *words)
{
	if (l->fail.queued)
		return;
	err_set(&l->err, code, "%s", words);
	loop_defer(l->q->config.loop, &l->fail);
}

static void
link_on_fail(void *arg)
{
	struct quorum_link *l = OBJ(arg, quorum_link, LINK_MAGIC);

	log_info("server=%s link ended: %s", l->server, l->err.text);
	quorum_on_gone(l->q, l);
	quorum_link_close(&l);
}

static void
link_want(struct quorum_link *l)
{
	loop_fd_want(l->io, LOOP_READ | (l->out.len != 0 ? LOOP_WRITE : 0));
	if (l->to.io != NULL)
		loop_fd_want(l->to.io, l->out.len < LINK_FULL ? LOOP_READ : 0);
}

static void
link_flush(struct quorum_link *l)
{
	ssize_t n;

	while (l->out.len != 0) {
		n = send(l->fd, l->out.data, l->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			link_fail(l, ERR_CLOSED, strerror(errno));
		if (n < 0)
			break;
		buf_eat(&l->out, (size_t)n);
	}
	link_want(l);
}

static void
link_send(struct quorum_link *l, enum frame_type type, uint64_t number,
    const void *p, size_t n)
{
	struct frame f = {.type = type, .number = number, .bytes = p, .n = n};

	frame_encode(&l->out, &f);
	if (l->out.failed || l->out.len > LINK_MOST)
		link_fail(l, ERR_FULL, "it does not read");
	link_flush(l);
}

/* ---- streams of raft ---------------------------------------------------- */

static void
channel_close(struct link_channel *s)
{
	loop_fd_close(&s->io);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buf_fini(&s->wait);
	s->wait = (struct buf)BUF_INIT;
}

/* Our raft has written, or closed its connection. */
static void
channel_on_out(void *arg, int fd, int events)
{
	struct quorum_link *l = OBJ(arg, quorum_link, LINK_MAGIC);
	uint8_t bytes[LINK_READ];
	ssize_t n = read(fd, bytes, sizeof bytes);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		link_send(l, FRAME_BYTES, l->to.number, bytes, (size_t)n);
		return;
	}
	link_send(l, FRAME_END, l->to.number, NULL, 0);
	channel_close(&l->to);
}

/* Give raft what came for it; false when it has closed its end. */
static bool
channel_flush(struct link_channel *s)
{
	ssize_t n;

	while (s->wait.len != 0) {
		n = send(s->fd, s->wait.data, s->wait.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		buf_eat(&s->wait, (size_t)n);
	}
	loop_fd_want(s->io, LOOP_READ | (s->wait.len != 0 ? LOOP_WRITE : 0));
	return true;
}

/* Raft never answers on a stream that it accepted: it can be written again,
 * or raft has closed it. */
static void
channel_on_in(void *arg, int fd, int events)
{
	struct quorum_link *l = OBJ(arg, quorum_link, LINK_MAGIC);
	uint8_t bytes[256];
	ssize_t n = 1;

	if (events & LOOP_READ)
		n = read(fd, bytes, sizeof bytes);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = 1;
	if (n > 0 && channel_flush(&l->from))
		return;
	link_send(l, FRAME_END, l->from.number, NULL, 0);
	channel_close(&l->from);
}

/* A socket pair: our end is watched, raft's returned. */
static int
channel_pair(struct quorum_link *l, struct link_channel *s, loop_fd_fn *fn)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		ends) != 0)
		fatal("link: socket pair");
	channel_close(s);
	s->fd = ends[0];
	s->io = loop_fd_open(l->q->config.loop, s->fd, LOOP_READ, fn, l);
	return ends[1];
}

int
quorum_link_connect(struct quorum_link *l)
{
	int fd;

	if (!l->greeted || l->fail.queued || quorum_part_from(l->q, l->server))
		return -1;
	fd = channel_pair(l, &l->to, channel_on_out);
	l->to.number = l->numbers += 2;
	link_send(l, FRAME_STREAM, l->to.number, NULL, 0);
	return fd;
}

/* ---- receiving ---------------------------------------------------------- */

static void
link_on_stream(struct quorum_link *l, const struct frame *f)
{
	int fd;

	if (quorum_part_from(l->q, l->server)) {
		link_send(l, FRAME_END, f->number, NULL, 0);
		return;
	}
	fd = channel_pair(l, &l->from, channel_on_in);
	l->from.number = f->number;
	engine_accept(l->q->engine, l->id, l->server, fd);
}

static void
link_on_bytes(struct quorum_link *l, const struct frame *f)
{
	if (l->from.fd < 0 || l->from.number != f->number)
		return;
	buf_add(&l->from.wait, f->bytes, f->n);
	if (!l->from.wait.failed && l->from.wait.len <= LINK_MOST &&
	    channel_flush(&l->from))
		return;
	link_send(l, FRAME_END, l->from.number, NULL, 0);
	channel_close(&l->from);
}

static void
link_on_end(struct quorum_link *l, const struct frame *f)
{
	if (l->to.fd >= 0 && l->to.number == f->number)
		channel_close(&l->to);
	else if (l->from.fd >= 0 && l->from.number == f->number)
		channel_close(&l->from);
}

static void
link_on_frame(struct quorum_link *l, const struct frame *f)
{
	char words[64], key[OWNER_KEY];

	if (!l->greeted && f->type != FRAME_HELLO) {
		link_fail(l, ERR_CORRUPT, "no hello");
		return;
	}
	quorum_on_heard(l->q, l->server);
	switch (f->type) {
	case FRAME_HELLO:
		l->greeted = true;
		l->id = f->number;
		quorum_on_hello(l->q, l->server, f->number);
		break;
	case FRAME_BEAT:
		quorum_on_beat(l->q, l->server, f->number);
		break;
	case FRAME_STREAM:
		link_on_stream(l, f);
		break;
	case FRAME_BYTES:
		link_on_bytes(l, f);
		break;
	case FRAME_END:
		link_on_end(l, f);
		break;
	case FRAME_PROPOSE:
		quorum_on_propose(l->q, l->server, f->number, f->bytes, f->n);
		break;
	case FRAME_FAILED:
		str_ncopy(words, sizeof words, (const char *)f->bytes, f->n);
		quorum_on_failed(l->q, f->number, words);
		break;
	case FRAME_PART:
		quorum_on_part(l->q, l->server, f->bytes[0], f->number);
		break;
	case FRAME_SERVING:
		str_ncopy(key, sizeof key, (const char *)f->bytes, f->n);
		quorum_on_serving(l->q, l->server, key, f->number);
		break;
	case FRAME_ECHO:
		link_send(l, FRAME_BACK, f->number, NULL, 0);
		break;
	case FRAME_BACK:
		quorum_on_back(l->q, l->server, f->number);
		break;
	default:
		break;
	}
}

static void
link_frames(struct quorum_link *l)
{
	const uint8_t *p = (const uint8_t *)l->in.data;
	struct frame f;
	struct err e;
	size_t at = 0;
	long n = 0;

	while (!l->fail.queued &&
	    (n = frame_decode(&f, p + at, l->in.len - at, &e)) > 0) {
		at += (size_t)n;
		link_on_frame(l, &f);
	}
	if (n < 0)
		link_fail(l, e.code, e.text);
	buf_eat(&l->in, at);
}

static void
link_on_io(void *arg, int fd, int events)
{
	struct quorum_link *l = OBJ(arg, quorum_link, LINK_MAGIC);
	char *room;
	ssize_t n;

	if (events & LOOP_WRITE)
		link_flush(l);
	if (!(events & LOOP_READ) || l->fail.queued)
		return;
	if ((room = buf_reserve(&l->in, LINK_READ)) == NULL)
		fatalx("link: out of memory");
	n = recv(fd, room, LINK_READ, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		link_fail(l, ERR_CLOSED, n < 0 ? strerror(errno) : "closed");
		return;
	}
	l->in.len += (size_t)n;
	link_frames(l);
}

/* ---- door --------------------------------------------------------------- */

struct quorum_link *
quorum_link_open(struct quorum *q, const char *server, int fd)
{
	struct quorum_link *l = xcalloc(1, sizeof *l);

	l->magic = LINK_MAGIC;
	l->q = q;
	str_copy(l->server, sizeof l->server, server);
	l->fd = fd;
	l->numbers = strcmp(q->server, server) < 0;
	l->to.fd = l->from.fd = -1;
	l->fail.fn = link_on_fail;
	l->fail.arg = l;
	l->io = loop_fd_open(q->config.loop, fd, LOOP_READ, link_on_io, l);
	link_send(l, FRAME_HELLO, q->id, "TDQ1", 4);
	return l;
}

void
quorum_link_close(struct quorum_link **lp)
{
	struct quorum_link *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	loop_defer_cancel(l->q->config.loop, &l->fail);
	channel_close(&l->to);
	channel_close(&l->from);
	loop_fd_close(&l->io);
	close(l->fd);
	buf_fini(&l->in);
	buf_fini(&l->out);
	l->magic = 0;
	free(l);
}

/* No beats are heaped up for one that does not read. */
void
quorum_link_beat(struct quorum_link *l, uint64_t applied)
{
	if (l->out.len != 0)
		return;
	link_send(l, FRAME_BEAT, applied, NULL, 0);
	if (l->greeted && l->beats++ % LINK_ECHO == 0)
		link_send(l, FRAME_ECHO, clock_mono(), NULL, 0);
}

void
quorum_link_part(struct quorum_link *l, enum part_state state, uint64_t highest)
{
	uint8_t byte = (uint8_t)state;

	link_send(l, FRAME_PART, highest, &byte, 1);
}

void
quorum_link_serving(struct quorum_link *l, const char *key, uint64_t epoch)
{
	link_send(l, FRAME_SERVING, epoch, key, strlen(key));
}

void
quorum_link_propose(
    struct quorum_link *l, uint64_t tag, const uint8_t *p, size_t n)
{
	link_send(l, FRAME_PROPOSE, tag, p, n);
}

void
quorum_link_answer(struct quorum_link *l, uint64_t tag, const char *why)
{
	link_send(l, FRAME_FAILED, tag, why, strlen(why));
}
