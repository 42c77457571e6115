/*
 * Many receives, or many sends, for the price of one system call: each is on
 * another socket, so recvmmsg(2) and sendmmsg(2) do not serve. io_uring does:
 * all are put into its ring and done by one io_uring_enter(2), which returns
 * when the last is complete; none waits, for the sockets do not block.
 *
 * The ring is made at start and can do nothing but receive and send. Where
 * the kernel has none, or the sandbox refuses it, or only a few packets are
 * there, the plain calls are used; the results are the same.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mg.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define MG_BATCH_PLAIN 3 /* so few are not worth a ring */

/* The shared queues, as io_uring_setup(2) lays them out. */
struct mg_ring {
	int fd; /* -1 = none */
	void *map;
	size_t map_size;
	struct io_uring_sqe *sqe;
	size_t sqe_size;
	_Atomic unsigned *sq_tail, *cq_head, *cq_tail;
	unsigned *sq_array;
	unsigned sq_mask, cq_mask;
	struct io_uring_cqe *cqe;
	unsigned queued;
};

struct mg_batch {
	struct mg_ring ring;
	struct mg_received in[MG_BATCH];
	struct mg_sending out[MG_BATCH];
	unsigned nout;
	struct msghdr in_head[MG_BATCH], out_head[MG_BATCH];
	struct iovec in_iov[MG_BATCH], out_iov[MG_BATCH];
};

/* Nothing but what is done here, for whoever might take over the process. */
static bool
mg_ring_restrict(int fd)
{
	struct io_uring_restriction allow[] = {
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_RECVMSG},
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SENDMSG},
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SEND},
	};

	return syscall(SYS_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS,
		   allow, sizeof allow / sizeof allow[0]) == 0 &&
	    syscall(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS,
		NULL, 0) == 0;
}

static bool
mg_ring_map(struct mg_ring *r, const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof *r->cqe;
	char *base;

	r->map_size = sq > cq ? sq : cq;
	r->map = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->sqe_size = p->sq_entries * sizeof *r->sqe;
	r->sqe = mmap(NULL, r->sqe_size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (r->map == MAP_FAILED || r->sqe == MAP_FAILED)
		return false;
	base = r->map;
	r->sq_tail = (void *)(base + p->sq_off.tail);
	r->sq_mask = *(unsigned *)(void *)(base + p->sq_off.ring_mask);
	r->sq_array = (void *)(base + p->sq_off.array);
	r->cq_head = (void *)(base + p->cq_off.head);
	r->cq_tail = (void *)(base + p->cq_off.tail);
	r->cq_mask = *(unsigned *)(void *)(base + p->cq_off.ring_mask);
	r->cqe = (void *)(base + p->cq_off.cqes);
	return true;
}

static void
mg_ring_close(struct mg_ring *r)
{
	if (r->fd < 0)
		return;
	if (r->map != NULL && r->map != MAP_FAILED)
		munmap(r->map, r->map_size);
	if (r->sqe != NULL && (void *)r->sqe != MAP_FAILED)
		munmap(r->sqe, r->sqe_size);
	close(r->fd);
	r->fd = -1;
}

static void
mg_ring_open(struct mg_ring *r)
{
	struct io_uring_params p = {.flags = IORING_SETUP_R_DISABLED};

	r->fd = (int)syscall(SYS_io_uring_setup, MG_BATCH, &p);
	if (r->fd < 0) {
		log_info("no io_uring (%s): plain calls", strerror(errno));
		return;
	}
	if ((p.features & IORING_FEAT_SINGLE_MMAP) == 0 ||
	    !mg_ring_map(r, &p) || !mg_ring_restrict(r->fd)) {
		log_info("io_uring is too old here: plain calls");
		mg_ring_close(r);
	}
}

/* The next free entry; there are as many as a batch has. */
static struct io_uring_sqe *
mg_ring_next(struct mg_ring *r, uint8_t op, int fd, unsigned index)
{
	unsigned at = atomic_load_explicit(r->sq_tail, memory_order_relaxed);
	struct io_uring_sqe *sqe;

	at = (at + r->queued++) & r->sq_mask;
	sqe = &r->sqe[at];
	memset(sqe, 0, sizeof *sqe);
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->user_data = index;
	sqe->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	r->sq_array[at] = at;
	return sqe;
}

/* Do all that is queued; -1 when the kernel does not (any more). */
static int
mg_ring_run(struct mg_ring *r)
{
	unsigned n = r->queued;
	long done;

	atomic_fetch_add_explicit(r->sq_tail, n, memory_order_release);
	r->queued = 0;
	do {
		done = syscall(SYS_io_uring_enter, r->fd, n, n,
		    IORING_ENTER_GETEVENTS, NULL, 0);
	} while (done < 0 && errno == EINTR);
	return done == (long)n ? 0 : -1;
}

void
mg_batch_plain(struct mg_batch *b)
{
	mg_ring_close(&b->ring);
}

/* The ring failed, as it does at once where a sandbox refuses it: the batch
 * is done by plain calls, and all that follow. */
static void
mg_ring_give_up(struct mg_ring *r)
{
	log_info("io_uring does not work (%s): plain calls", strerror(errno));
	mg_ring_close(r);
}

/* The next completion, or NULL. */
static const struct io_uring_cqe *
mg_ring_take(struct mg_ring *r)
{
	unsigned head = atomic_load_explicit(r->cq_head, memory_order_relaxed);

	if (head == atomic_load_explicit(r->cq_tail, memory_order_acquire))
		return NULL;
	return &r->cqe[head & r->cq_mask];
}

static void
mg_ring_seen(struct mg_ring *r)
{
	atomic_fetch_add_explicit(r->cq_head, 1, memory_order_release);
}

struct mg_batch *
mg_batch_new(void)
{
	struct mg_batch *b = xcalloc(1, sizeof *b);
	unsigned i;

	for (i = 0; i < MG_BATCH; i++) {
		b->in_iov[i] = (struct iovec){b->in[i].data, MG_PACKET_MAX};
		b->in_head[i].msg_iov = &b->in_iov[i];
		b->in_head[i].msg_iovlen = 1;
		b->out_head[i].msg_iov = &b->out_iov[i];
		b->out_head[i].msg_iovlen = 1;
	}
	mg_ring_open(&b->ring);
	return b;
}

void
mg_batch_free(struct mg_batch **bp)
{
	if (*bp == NULL)
		return;
	mg_ring_close(&(*bp)->ring);
	free(*bp);
	*bp = NULL;
}

struct mg_received *
mg_batch_in(struct mg_batch *b)
{
	return b->in;
}

static void
mg_batch_receive_plain(struct mg_received *p)
{
	socklen_t len = sizeof p->from;

	p->n = recvfrom(p->stream->fd, p->data, MG_PACKET_MAX,
	    MSG_DONTWAIT | MSG_TRUNC, &p->from.sa, &len);
}

/* False when nothing could be read this way. */
static bool
mg_batch_receive_ring(struct mg_batch *b, unsigned count)
{
	const struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	unsigned i;

	for (i = 0; i < count; i++) {
		b->in[i].n = -1;
		b->in_head[i].msg_name = &b->in[i].from;
		b->in_head[i].msg_namelen = sizeof b->in[i].from;
		sqe = mg_ring_next(
		    &b->ring, IORING_OP_RECVMSG, b->in[i].stream->fd, i);
		sqe->addr = (uint64_t)(uintptr_t)&b->in_head[i];
		sqe->msg_flags |= MSG_TRUNC;
	}
	if (mg_ring_run(&b->ring) != 0) {
		mg_ring_give_up(&b->ring);
		return false;
	}
	while ((cqe = mg_ring_take(&b->ring)) != NULL) {
		b->in[cqe->user_data % MG_BATCH].n = cqe->res;
		mg_ring_seen(&b->ring);
	}
	return true;
}

void
mg_batch_receive(struct mg_batch *b, unsigned count)
{
	unsigned i;

	if (b->ring.fd >= 0 && count > MG_BATCH_PLAIN &&
	    mg_batch_receive_ring(b, count))
		return;
	for (i = 0; i < count; i++)
		mg_batch_receive_plain(&b->in[i]);
}

void
mg_batch_queue(
    struct mg_batch *b, struct mg_stream *s, const uint8_t *data, size_t n)
{
	if (b->nout == MG_BATCH)
		return; /* no more packets leave than came */
	b->out[b->nout++] = (struct mg_sending){s, data, n, -1};
}

/* A refusal by the far host told of an earlier packet is not one of this
 * packet, so it is sent once more. */
static void
mg_batch_send_plain(struct mg_sending *p)
{
	const union addr *to = p->stream->connected ? NULL
						    : &p->stream->latch.remote;
	int tries;

	for (tries = 0; tries < 2; tries++) {
		p->sent = sendto(p->stream->fd, p->data, p->n,
		    MSG_DONTWAIT | MSG_NOSIGNAL, to != NULL ? &to->sa : NULL,
		    to != NULL ? addr_len(to) : 0);
		if (p->sent >= 0 || errno != ECONNREFUSED)
			return;
	}
}

static void
mg_batch_queue_send(struct mg_batch *b, unsigned i)
{
	struct mg_sending *p = &b->out[i];
	struct io_uring_sqe *sqe;

	if (p->stream->connected) {
		sqe = mg_ring_next(&b->ring, IORING_OP_SEND, p->stream->fd, i);
		sqe->addr = (uint64_t)(uintptr_t)p->data;
		sqe->len = (uint32_t)p->n;
		return;
	}
	b->out_iov[i] = (struct iovec){(void *)p->data, p->n};
	b->out_head[i].msg_name = &p->stream->latch.remote;
	b->out_head[i].msg_namelen = addr_len(&p->stream->latch.remote);
	sqe = mg_ring_next(&b->ring, IORING_OP_SENDMSG, p->stream->fd, i);
	sqe->addr = (uint64_t)(uintptr_t)&b->out_head[i];
}

/* False when nothing could be sent this way. */
static bool
mg_batch_send_ring(struct mg_batch *b)
{
	const struct io_uring_cqe *cqe;
	struct mg_sending *p;
	unsigned i;

	for (i = 0; i < b->nout; i++)
		mg_batch_queue_send(b, i);
	if (mg_ring_run(&b->ring) != 0) {
		mg_ring_give_up(&b->ring);
		return false;
	}
	while ((cqe = mg_ring_take(&b->ring)) != NULL) {
		p = &b->out[cqe->user_data % MG_BATCH];
		p->sent = cqe->res;
		mg_ring_seen(&b->ring);
		if (p->sent == -ECONNREFUSED)
			mg_batch_send_plain(p);
	}
	return true;
}

const struct mg_sending *
mg_batch_send(struct mg_batch *b, unsigned *count)
{
	unsigned i;

	*count = b->nout;
	if (b->ring.fd < 0 || b->nout <= MG_BATCH_PLAIN ||
	    !mg_batch_send_ring(b)) {
		for (i = 0; i < b->nout; i++)
			mg_batch_send_plain(&b->out[i]);
	}
	b->nout = 0;
	return b->out;
}
