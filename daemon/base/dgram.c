/*
 * Datagrams in batches: one recvmmsg takes up to 64, what is sent during a
 * turn of the loop leaves in one sendmmsg.
 *
 * Bounds: 64 datagrams and DGRAM_OUT_BYTES wait to be sent; when the kernel
 * takes no more, what does not fit is dropped and counted, as the network
 * would drop it (whoever speaks over datagrams repeats). One readiness of the
 * descriptor yields at most DGRAM_TURNS batches, so that other descriptors get
 * their turn. Cut datagrams (longer than DGRAM_MAX) are dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dgram.h"
#include "mem.h"

#define DGRAM_MAGIC 0x64670001
#define DGRAM_TURNS 4
#define DGRAM_OUT_BYTES (256u << 10)
#define DGRAM_SOCKET_BYTES (4 << 20) /* asked of the kernel, both ways */
/* Rows of the receive store are not a power of two apart: 64 messages at
 * the same offset of a page would share a few lines of the cache. */
#define DGRAM_ROW (DGRAM_MAX + 1 + 1088)

struct dgram {
	unsigned magic;
	struct loop *loop;
	int fd;
	struct loop_fd *event;
	struct loop_defer flush;
	dgram_fn *fn;
	void *arg;
	bool busy; /* inside fn: close waits until it returns */
	bool dead;
	bool full; /* the kernel takes nothing: wait for LOOP_WRITE */
	struct dgram_count count;

	unsigned batch;
	char *in; /* batch rows; pages are touched on use only */
	union addr in_from[DGRAM_BATCH];
	struct iovec in_iov[DGRAM_BATCH];
	struct mmsghdr in_msg[DGRAM_BATCH];

	unsigned nout;
	size_t out_len;
	char *out;
	union addr out_to[DGRAM_BATCH];
	struct iovec out_iov[DGRAM_BATCH];
	struct mmsghdr out_msg[DGRAM_BATCH];
};

/* Everything goes back; nobody is inside the callback. */
static void
dgram_free(struct dgram *u)
{
	loop_defer_cancel(u->loop, &u->flush);
	loop_fd_close(&u->event);
	close(u->fd);
	free(u->in);
	free(u->out);
	u->magic = 0;
	free(u);
}

/* Hand the datagrams of one batch on; false when the socket was closed. */
static bool
dgram_deliver(struct dgram *u, unsigned n)
{
	struct mmsghdr *m;
	unsigned i;

	u->busy = true;
	for (i = 0; i < n && !u->dead; i++) {
		m = &u->in_msg[i];
		u->count.in++;
		if ((m->msg_hdr.msg_flags & MSG_TRUNC) != 0) {
			u->count.in_cut++;
			continue;
		}
		((char *)m->msg_hdr.msg_iov->iov_base)[m->msg_len] = '\0';
		u->fn(u->arg, u, m->msg_hdr.msg_iov->iov_base, m->msg_len,
		    &u->in_from[i]);
	}
	u->busy = false;
	if (!u->dead)
		return true;
	dgram_free(u);
	return false;
}

/* Receive until the socket is empty or others must have their turn. */
static void
dgram_receive(struct dgram *u)
{
	unsigned turn, i;
	int n;

	for (turn = 0; turn < DGRAM_TURNS; turn++) {
		for (i = 0; i < u->batch; i++)
			u->in_msg[i].msg_hdr.msg_namelen = sizeof u->in_from[i];
		n = recvmmsg(u->fd, u->in_msg, u->batch, MSG_DONTWAIT, NULL);
		if (n <= 0 || !dgram_deliver(u, (unsigned)n) ||
		    (unsigned)n < u->batch)
			return;
	}
}

static void
dgram_on_event(void *arg, int fd, int events)
{
	struct dgram *u = OBJ(arg, dgram, DGRAM_MAGIC);

	(void)fd;
	if ((events & LOOP_WRITE) != 0) {
		u->full = false;
		dgram_flush(u);
	}
	if ((events & LOOP_READ) != 0)
		dgram_receive(u);
}

static void
dgram_on_defer(void *arg)
{
	dgram_flush(OBJ(arg, dgram, DGRAM_MAGIC));
}

/* Wire the message headers to their rows, once. */
static void
dgram_prepare(struct dgram *u)
{
	unsigned i;

	for (i = 0; i < u->batch; i++) {
		u->in_iov[i].iov_base = u->in + (size_t)i * DGRAM_ROW;
		u->in_iov[i].iov_len = DGRAM_MAX;
		u->in_msg[i].msg_hdr.msg_iov = &u->in_iov[i];
		u->in_msg[i].msg_hdr.msg_iovlen = 1;
		u->in_msg[i].msg_hdr.msg_name = &u->in_from[i];
	}
	for (i = 0; i < DGRAM_BATCH; i++) {
		u->out_msg[i].msg_hdr.msg_iov = &u->out_iov[i];
		u->out_msg[i].msg_hdr.msg_iovlen = 1;
		u->out_msg[i].msg_hdr.msg_name = &u->out_to[i];
	}
}

struct dgram *
dgram_open(struct loop *loop, int fd, unsigned batch, dgram_fn *fn, void *arg)
{
	struct dgram *u = xcalloc(1, sizeof *u);
	int size = DGRAM_SOCKET_BYTES;

	u->magic = DGRAM_MAGIC;
	u->loop = loop;
	u->fd = fd;
	u->fn = fn;
	u->arg = arg;
	u->batch = batch < DGRAM_BATCH ? batch : DGRAM_BATCH;
	u->in = xmalloc((size_t)u->batch * DGRAM_ROW);
	u->out = xmalloc(DGRAM_OUT_BYTES);
	u->flush.fn = dgram_on_defer;
	u->flush.arg = u;
	dgram_prepare(u);
	/* The kernel gives what it is allowed to give; both may be less. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	u->event = loop_fd_open(loop, fd, LOOP_READ, dgram_on_event, u);
	return u;
}

void
dgram_close(struct dgram **up)
{
	struct dgram *u = *up;

	*up = NULL;
	if (u == NULL)
		return;
	dgram_flush(u);
	if (u->busy)
		u->dead = true;
	else
		dgram_free(u);
}

/* The first n of the queue are gone; the rest moves up. */
static void
dgram_shift(struct dgram *u, unsigned n)
{
	unsigned i, left = u->nout - n;
	size_t from = left > 0
	    ? (size_t)((char *)u->out_iov[n].iov_base - u->out)
	    : u->out_len;

	memmove(u->out, u->out + from, u->out_len - from);
	u->out_len -= from;
	for (i = 0; i < left; i++) {
		u->out_to[i] = u->out_to[n + i];
		u->out_iov[i].iov_base = (char *)u->out_iov[n + i].iov_base -
		    from;
		u->out_iov[i].iov_len = u->out_iov[n + i].iov_len;
		u->out_msg[i].msg_hdr.msg_namelen =
		    u->out_msg[n + i].msg_hdr.msg_namelen;
	}
	u->nout = left;
}

void
dgram_flush(struct dgram *u)
{
	unsigned done = 0;
	int n;

	while (!u->full && done < u->nout) {
		n = sendmmsg(u->fd, u->out_msg + done, u->nout - done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			done += (unsigned)n;
			u->count.out += (uint64_t)n;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			u->full = true;
		} else if (errno != EINTR) {
			/* This one cannot go (no route, refused by ICMP);
			 * the others can. */
			u->count.out_lost++;
			done++;
		}
	}
	if (done > 0)
		dgram_shift(u, done);
	loop_fd_want(u->event, LOOP_READ | (u->full ? LOOP_WRITE : 0));
}

void
dgram_send(struct dgram *u, const union addr *to, const void *p, size_t n)
{
	unsigned i;

	if (u->nout == DGRAM_BATCH || u->out_len + n > DGRAM_OUT_BYTES)
		dgram_flush(u);
	if (n > DGRAM_MAX || u->nout == DGRAM_BATCH ||
	    u->out_len + n > DGRAM_OUT_BYTES) {
		u->count.out_lost++;
		return;
	}
	i = u->nout++;
	memcpy(u->out + u->out_len, p, n);
	u->out_iov[i].iov_base = u->out + u->out_len;
	u->out_iov[i].iov_len = n;
	u->out_len += n;
	u->out_to[i] = *to;
	u->out_msg[i].msg_hdr.msg_namelen = addr_len(to);
	loop_defer(u->loop, &u->flush);
}

const struct dgram_count *
dgram_count(const struct dgram *u)
{
	return &u->count;
}
