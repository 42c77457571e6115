/*
 * SIP over datagrams, in batches: one recvmmsg takes up to 64, what is sent
 * during a turn of the loop leaves in one sendmmsg.
 *
 * Bounds: 64 datagrams and UDP_OUT_BYTES wait to be sent; when the kernel
 * takes no more, what does not fit is dropped and counted, as the network
 * would drop it (RFC 3261 retransmits). One readiness of the descriptor
 * yields at most UDP_TURNS batches, so that other descriptors get their turn.
 * Cut datagrams (longer than SIP_MAX) are dropped: no SIP message is cut.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "sip.h"

#define UDP_MAGIC 0x75647001
#define UDP_BATCH 64
#define UDP_TURNS 4
#define UDP_OUT_BYTES (256u << 10)
#define UDP_SOCKET_BYTES (4 << 20) /* asked of the kernel, both ways */
/* Rows of the receive store are not a power of two apart: 64 messages at
 * the same offset of a page would share a few lines of the cache. */
#define UDP_ROW (SIP_MAX + 1 + 1088)

struct sip_udp {
	unsigned magic;
	struct loop *loop;
	int fd;
	struct loop_fd *event;
	struct loop_defer flush;
	sip_udp_fn *fn;
	void *arg;
	bool busy; /* inside fn: close waits until it returns */
	bool dead;
	bool full; /* the kernel takes nothing: wait for LOOP_WRITE */
	struct sip_udp_count count;

	char *in; /* UDP_BATCH rows; pages are touched on use only */
	union addr in_from[UDP_BATCH];
	struct iovec in_iov[UDP_BATCH];
	struct mmsghdr in_msg[UDP_BATCH];

	unsigned nout;
	size_t out_len;
	char *out;
	union addr out_to[UDP_BATCH];
	struct iovec out_iov[UDP_BATCH];
	struct mmsghdr out_msg[UDP_BATCH];
};

/* Everything goes back; nobody is inside the callback. */
static void
sip_udp_free(struct sip_udp *u)
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
sip_udp_deliver(struct sip_udp *u, unsigned n)
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
	sip_udp_free(u);
	return false;
}

/* Receive until the socket is empty or others must have their turn. */
static void
sip_udp_receive(struct sip_udp *u)
{
	unsigned turn, i;
	int n;

	for (turn = 0; turn < UDP_TURNS; turn++) {
		for (i = 0; i < UDP_BATCH; i++)
			u->in_msg[i].msg_hdr.msg_namelen = sizeof u->in_from[i];
		n = recvmmsg(u->fd, u->in_msg, UDP_BATCH, MSG_DONTWAIT, NULL);
		if (n <= 0 || !sip_udp_deliver(u, (unsigned)n) || n < UDP_BATCH)
			return;
	}
}

static void
sip_udp_on_event(void *arg, int fd, int events)
{
	struct sip_udp *u = OBJ(arg, sip_udp, UDP_MAGIC);

	(void)fd;
	if ((events & LOOP_WRITE) != 0) {
		u->full = false;
		sip_udp_flush(u);
	}
	if ((events & LOOP_READ) != 0)
		sip_udp_receive(u);
}

static void
sip_udp_on_defer(void *arg)
{
	sip_udp_flush(OBJ(arg, sip_udp, UDP_MAGIC));
}

/* Wire the message headers to their rows, once. */
static void
sip_udp_prepare(struct sip_udp *u)
{
	unsigned i;

	for (i = 0; i < UDP_BATCH; i++) {
		u->in_iov[i].iov_base = u->in + (size_t)i * UDP_ROW;
		u->in_iov[i].iov_len = SIP_MAX;
		u->in_msg[i].msg_hdr.msg_iov = &u->in_iov[i];
		u->in_msg[i].msg_hdr.msg_iovlen = 1;
		u->in_msg[i].msg_hdr.msg_name = &u->in_from[i];
		u->out_msg[i].msg_hdr.msg_iov = &u->out_iov[i];
		u->out_msg[i].msg_hdr.msg_iovlen = 1;
		u->out_msg[i].msg_hdr.msg_name = &u->out_to[i];
	}
}

struct sip_udp *
sip_udp_open(struct loop *loop, int fd, sip_udp_fn *fn, void *arg)
{
	struct sip_udp *u = xcalloc(1, sizeof *u);
	int size = UDP_SOCKET_BYTES;

	u->magic = UDP_MAGIC;
	u->loop = loop;
	u->fd = fd;
	u->fn = fn;
	u->arg = arg;
	u->in = xmalloc((size_t)UDP_BATCH * UDP_ROW);
	u->out = xmalloc(UDP_OUT_BYTES);
	u->flush.fn = sip_udp_on_defer;
	u->flush.arg = u;
	sip_udp_prepare(u);
	/* The kernel gives what it is allowed to give; both may be less. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	u->event = loop_fd_open(loop, fd, LOOP_READ, sip_udp_on_event, u);
	return u;
}

void
sip_udp_close(struct sip_udp **up)
{
	struct sip_udp *u = *up;

	*up = NULL;
	if (u == NULL)
		return;
	sip_udp_flush(u);
	if (u->busy)
		u->dead = true;
	else
		sip_udp_free(u);
}

/* The first n of the queue are gone; the rest moves up. */
static void
sip_udp_shift(struct sip_udp *u, unsigned n)
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
sip_udp_flush(struct sip_udp *u)
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
		sip_udp_shift(u, done);
	loop_fd_want(u->event, LOOP_READ | (u->full ? LOOP_WRITE : 0));
}

void
sip_udp_send(struct sip_udp *u, const union addr *to, const void *p, size_t n)
{
	unsigned i;

	if (u->nout == UDP_BATCH || u->out_len + n > UDP_OUT_BYTES)
		sip_udp_flush(u);
	if (n > SIP_MAX || u->nout == UDP_BATCH ||
	    u->out_len + n > UDP_OUT_BYTES) {
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

const struct sip_udp_count *
sip_udp_count(const struct sip_udp *u)
{
	return &u->count;
}
