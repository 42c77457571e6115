/*
 * Connections to the replicators of other servers: a stream of messages both
 * ways. A peer that breaks the protocol, or is gone, loses the connection and
 * nothing else; whoever made it makes it again. While the disk is full nothing
 * is read, so leaders see that this server is late.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define PEER_IN 65536
#define PEER_READ (1u << 20)	 /* bytes taken in a turn */
#define PEER_BUFFER (4 << 20)	 /* asked of the kernel */
#define PEER_OUT_MAX (64u << 20) /* who does not read is cut off */

/* ---- sending ------------------------------------------------------------ */

size_t
peer_backlog(const struct peer *p)
{
	return p->out.len - p->out_at;
}

void
peer_send(struct peer *p, const struct site_msg *m)
{
	if (p->fd < 0)
		return;
	site_msg_encode(&p->out, m);
	loop_defer(p->r->loop, &p->r->turn);
}

void
peer_want(struct peer *p)
{
	if (p->fd >= 0)
		loop_fd_want(p->io,
		    (p->r->paused ? 0 : LOOP_READ) |
			(p->writing ? LOOP_WRITE : 0));
}

/* Hand the socket what it takes. */
void
peer_flush(struct peer *p)
{
	ssize_t n = 0;
	bool writing;

	if (p->fd < 0)
		return;
	if (p->out.failed || peer_backlog(p) > PEER_OUT_MAX) {
		peer_close(p, "does not read");
		return;
	}
	while (peer_backlog(p) > 0) {
		n = send(p->fd, p->out.data + p->out_at, peer_backlog(p),
		    MSG_NOSIGNAL);
		if (n <= 0)
			break;
		p->out_at += (size_t)n;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		peer_close(p, strerror(errno));
		return;
	}
	if (p->out_at > p->out.len / 2) {
		buf_eat(&p->out, p->out_at);
		p->out_at = 0;
	}
	if (peer_backlog(p) < SITE_OUT_PUMP && p->behind > 0)
		site_more(p->r->site);
	writing = peer_backlog(p) > 0;
	if (writing == p->writing)
		return;
	p->writing = writing;
	peer_want(p);
}

/* ---- messages ----------------------------------------------------------- */

/* The first message; what it says of the name must be what the caller of
 * replicator_join knows from its certificate. */
static int
peer_on_hello(struct peer *p, const struct site_msg *m, struct err *e)
{
	if (p->ready || !str_equal(m->u.hello.name, p->name))
		return err_set(e, ERR_CORRUPT, "HELLO of %s", m->u.hello.name);
	p->ready = true;
	p->log = m->u.hello.log;
	log_info("server=%s replicator connected", p->name);
	lead_ask_peer(p);
	return 0;
}

/* -ERR_FULL: the message is left until the disk has room. */
static int
peer_on_message(struct peer *p, const struct site_msg *m, struct err *e)
{
	static int (*const on[SITE_MSGS])(
	    struct peer *, const struct site_msg *, struct err *) = {
	    [SITE_MSG_HELLO] = peer_on_hello,
	    [SITE_MSG_LEAD] = follow_on_lead,
	    [SITE_MSG_START] = follow_on_start,
	    [SITE_MSG_RECORD] = follow_on_record,
	    [SITE_MSG_COMMIT] = follow_on_commit,
	    [SITE_MSG_COPY] = copy_on_copy,
	    [SITE_MSG_PAGES] = copy_on_pages,
	    [SITE_MSG_COPIED] = copy_on_copied,
	    [SITE_MSG_POSITION] = lead_on_position,
	    [SITE_MSG_ACK] = lead_on_ack,
	    [SITE_MSG_REFUSED] = lead_on_refused,
	};

	if (!p->ready && m->type != SITE_MSG_HELLO)
		return err_set(e, ERR_CORRUPT, "message before HELLO");
	return on[m->type](p, m, e);
}

/* ---- receiving ---------------------------------------------------------- */

/* Everything that is whole in the buffer. False when it was closed. */
static bool
peer_understand(struct peer *p)
{
	struct site_msg m;
	struct err e;
	long n;
	int r;

	while (!p->r->paused && p->in_at < p->in_len) {
		n = site_msg_decode(
		    &m, p->in + p->in_at, p->in_len - p->in_at, &e);
		if (n == 0)
			break;
		if (n > 0) {
			r = peer_on_message(p, &m, &e);
			if (r == -ERR_FULL)
				break;
			if (r != 0)
				n = r;
		}
		if (n < 0) {
			peer_close(p, e.text);
			return false;
		}
		p->in_at += (size_t)n;
	}
	if (p->in_at == p->in_len)
		p->in_at = p->in_len = 0;
	return true;
}

static bool
peer_make_room(struct peer *p)
{
	size_t room = p->in_room;
	uint8_t *more;

	if (p->in_at > 0) {
		memmove(p->in, p->in + p->in_at, p->in_len - p->in_at);
		p->in_len -= p->in_at;
		p->in_at = 0;
	}
	if (p->in_len < room)
		return true;
	room = room == 0 ? PEER_IN : room * 2;
	if (room > SITE_MSG_MAX + PEER_READ)
		room = SITE_MSG_MAX + PEER_READ;
	if (room == p->in_room || (more = realloc(p->in, room)) == NULL)
		return false;
	p->in = more;
	p->in_room = room;
	return true;
}

/* Read on while whole buffers come, so that a burst is one sync. */
static void
peer_on_readable(struct peer *p)
{
	size_t taken = 0, want;
	ssize_t n;

	while (taken < PEER_READ && !p->r->paused) {
		if (!peer_make_room(p)) {
			peer_close(p, "out of memory");
			return;
		}
		want = p->in_room - p->in_len;
		n = recv(p->fd, p->in + p->in_len, want, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			peer_close(p, n == 0 ? "closed" : strerror(errno));
			return;
		}
		p->in_len += (size_t)n;
		taken += (size_t)n;
		if (!peer_understand(p) || (size_t)n < want)
			return;
	}
}

static void
peer_on_io(void *arg, int fd, int events)
{
	struct peer *p = OBJ(arg, peer, PEER_MAGIC);

	(void)fd;
	if (events & LOOP_WRITE)
		loop_defer(p->r->loop, &p->r->turn);
	if (events & LOOP_READ)
		peer_on_readable(p);
}

void
peer_resume(struct peer *p)
{
	if (p->fd >= 0 && peer_understand(p))
		peer_want(p);
}

/* ---- opening and closing ------------------------------------------------ */

void
peer_close(struct peer *p, const char *why)
{
	if (p->fd < 0)
		return;
	if (why != NULL)
		log_info("server=%s replicator gone: %s", p->name, why);
	loop_fd_close(&p->io);
	close(p->fd);
	p->fd = -1;
	p->ready = p->writing = false;
	p->since = clock_mono();
	p->in_at = p->in_len = p->out_at = 0;
	p->out.failed = 0;
	buf_reset(&p->out);
	lead_drop_peer(p);
	follow_drop_peer(p);
}

void
replicator_join(struct replicator *r, int fd, const char *server)
{
	struct peer *p = r->site != NULL ? site_peer(r->site, server) : NULL;
	struct site_msg m = {.type = SITE_MSG_HELLO};
	int size = PEER_BUFFER;

	if (p == NULL || r->failed.code != ERR_NONE || sock_nonblock(fd) != 0) {
		log_warnx("server=%s not taken", server);
		close(fd);
		return;
	}
	peer_close(p, "connected anew");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	p->fd = fd;
	p->since = clock_mono();
	p->io = loop_fd_open(r->loop, fd, LOOP_READ, peer_on_io, p);
	peer_want(p);
	m.u.hello.log = r->log->id;
	str_copy(m.u.hello.name, sizeof m.u.hello.name, r->site->server);
	peer_send(p, &m);
}
