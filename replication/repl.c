/*
 * A process and its replicator: one socket, over which all its streams and
 * readers speak under handles of their own. Records of streams with much to
 * ship take turns, so none holds up another; what does not fit the socket
 * stays in the streams' -wal files, which are the queue.
 *
 * What arrives changes only states; callbacks run from deferred work. So the
 * one place that may wait for an acknowledgement (a checkpoint under load)
 * can take in messages without surprising its caller.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "repl_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define REPL_IN 32768	      /* messages of the replicator are short */
#define REPL_OUT (256u << 10) /* records encoded ahead of the socket */
#define REPL_BUFFER (2 << 20) /* asked of the kernel */

static_assert(REPL_IN > 2 * (SHIP_MSG_HEAD + 32 + SHIP_MSG_WORDS), "fits");

/* ---- handles ------------------------------------------------------------ */

int
repl_slot_take(struct repl *r, struct stream *s, struct reader *rd,
    uint32_t *handle, struct err *e)
{
	struct repl_slot *more;
	uint32_t i, n;

	for (i = 0; i < r->nslots; i++) {
		if (r->slot[i].stream == NULL && r->slot[i].reader == NULL)
			break;
	}
	if (i == SHIP_HANDLES)
		return err_set(e, ERR_FULL,
		    "replication: %u streams and readers", SHIP_HANDLES);
	if (i == r->nslots) {
		n = r->nslots != 0 ? r->nslots * 2 : 8;
		if ((more = realloc(r->slot, n * sizeof *more)) == NULL)
			return err_set(e, ERR_NOMEM, "replication");
		memset(more + r->nslots, 0, (n - r->nslots) * sizeof *more);
		r->slot = more;
		r->nslots = n;
	}
	r->slot[i].stream = s;
	r->slot[i].reader = rd;
	*handle = r->slot[i].uses++ << SHIP_HANDLE_BITS | i;
	return 0;
}

void
repl_slot_free(struct repl *r, uint32_t handle)
{
	struct repl_slot *slot = &r->slot[handle & (SHIP_HANDLES - 1)];

	slot->stream = NULL;
	slot->reader = NULL;
}

uint8_t *
repl_scratch(struct repl *r, size_t n)
{
	uint8_t *more;

	if (n <= r->scratch_room)
		return r->scratch;
	if ((more = realloc(r->scratch, n)) == NULL)
		return NULL;
	r->scratch = more;
	r->scratch_room = n;
	return more;
}

/* ---- the link ----------------------------------------------------------- */

/* Without a link streams go on until they have too much to ship; readers
 * read what they see. */
static void
repl_unlink(struct repl *r, const char *why)
{
	uint32_t i;

	log_info("the replicator is gone: %s", why);
	loop_fd_close(&r->io);
	close(r->fd);
	r->fd = -1;
	r->in_len = 0;
	r->writing = false;
	buf_reset(&r->out);
	past_unlinked(r);
	for (i = 0; i < r->nslots; i++) {
		if (r->slot[i].stream != NULL)
			r->slot[i].stream->welcome = false;
	}
}

static void
repl_want(struct repl *r)
{
	loop_fd_want(r->io, LOOP_READ | (r->writing ? LOOP_WRITE : 0));
}

/* Hand the socket what it takes. */
static void
repl_flush(struct repl *r)
{
	ssize_t n;

	while (r->fd >= 0 && r->out.len > 0) {
		n = send(r->fd, r->out.data, r->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			repl_unlink(r, strerror(errno));
			return;
		}
		buf_eat(&r->out, (size_t)n);
	}
	if (r->fd < 0)
		return;
	if (r->writing != (r->out.len > 0)) {
		r->writing = r->out.len > 0;
		repl_want(r);
	}
}

void
repl_send(struct repl *r, const struct ship_msg *m)
{
	if (r->fd < 0)
		return;
	ship_msg_encode(&r->out, m);
	if (r->out.failed) {
		repl_unlink(r, "out of memory");
		return;
	}
	repl_flush(r);
}

void
repl_damaged(struct repl *r, uint32_t handle, uint32_t page)
{
	struct ship_msg m = {
	    .type = SHIP_MSG_DAMAGED, .handle = handle, .u.damaged = page};

	repl_send(r, &m);
}

void
repl_queue(struct repl *r, struct stream *s)
{
	if (s->queued)
		return;
	s->queued = true;
	s->next = NULL;
	*r->last = s;
	r->last = &s->next;
}

void
repl_unqueue(struct repl *r, struct stream *s)
{
	struct stream **at;

	if (!s->queued)
		return;
	for (at = &r->first; *at != s; at = &(*at)->next)
		;
	if ((*at = s->next) == NULL)
		r->last = at;
	s->queued = false;
}

/* One record, or a few small ones, of each stream in its turn. */
void
repl_pump(struct repl *r)
{
	struct stream *s;
	struct err e;

	repl_flush(r);
	while (r->fd >= 0 && r->out.len < REPL_OUT && (s = r->first) != NULL) {
		repl_unqueue(r, s);
		if (!stream_has_more(s))
			continue;
		if (stream_ship(s, &e) != 0)
			stream_set_lost(s, &e);
		else if (stream_has_more(s))
			repl_queue(r, s);
		if (!r->writing)
			repl_flush(r);
	}
}

/* ---- messages ----------------------------------------------------------- */

/* A message for a stream or reader that was closed meanwhile is dropped. */
static int
repl_on_message(struct repl *r, const struct ship_msg *m, struct err *e)
{
	static void (*const on_stream[SHIP_MSGS])(
	    struct stream *, const struct ship_msg *) = {
	    [SHIP_MSG_WELCOME] = stream_on_welcome,
	    [SHIP_MSG_REFUSED] = stream_on_refused,
	    [SHIP_MSG_ACK] = stream_on_ack_msg,
	};
	uint32_t at = m->handle & (SHIP_HANDLES - 1);
	struct repl_slot *slot;

	if (m->type == SHIP_MSG_BUILT) {
		past_on_built(r, m);
		return 0;
	}
	if (on_stream[m->type] == NULL && m->type != SHIP_MSG_STATE)
		return err_set(
		    e, ERR_CORRUPT, "message %u is not for me", m->type);
	if (at >= r->nslots)
		return 0;
	slot = &r->slot[at];
	if (m->type == SHIP_MSG_STATE) {
		if (slot->reader != NULL)
			reader_on_state(slot->reader, m);
	} else if (slot->stream != NULL && slot->stream->handle == m->handle) {
		on_stream[m->type](slot->stream, m);
	}
	return 0;
}

static void
repl_understand(struct repl *r)
{
	struct ship_msg m;
	struct err e;
	size_t at = 0;
	long n = 0;

	while (r->fd >= 0 && at < r->in_len) {
		n = ship_msg_decode(&m, r->in + at, r->in_len - at, &e);
		if (n == 0)
			break;
		if (n < 0 || repl_on_message(r, &m, &e) != 0) {
			repl_unlink(r, e.text);
			return;
		}
		at += (size_t)n;
	}
	if (r->fd < 0)
		return;
	r->in_len -= at;
	memmove(r->in, r->in + at, r->in_len);
}

static void
repl_read(struct repl *r)
{
	ssize_t n = recv(r->fd, r->in + r->in_len, REPL_IN - r->in_len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		repl_unlink(r, n == 0 ? "closed" : strerror(errno));
		return;
	}
	r->in_len += (size_t)n;
	repl_understand(r);
}

static void
repl_on_io(void *arg, int fd, int events)
{
	struct repl *r = OBJ(arg, repl, REPL_MAGIC);

	(void)fd;
	if (events & LOOP_WRITE)
		repl_pump(r);
	if (events & LOOP_READ && r->fd >= 0)
		repl_read(r);
}

void
repl_wait(struct repl *r, uint64_t us)
{
	struct pollfd p = {.fd = r->fd,
	    .events = (short)(POLLIN | (r->writing ? POLLOUT : 0))};
	struct timespec ts = {0, (long)us * 1000};

	if (r->fd < 0 || ppoll(&p, 1, &ts, NULL) <= 0)
		return;
	if (p.revents & POLLOUT)
		repl_pump(r);
	if (r->fd >= 0 && p.revents & (POLLIN | POLLHUP))
		repl_read(r);
}

/* ---- the tick ----------------------------------------------------------- */

void
repl_tick_soon(struct repl *r)
{
	if (!loop_timer_is_set(r->tick))
		loop_timer_set(r->tick, REPL_TICK);
}

static void
repl_on_tick(void *arg)
{
	struct repl *r = OBJ(arg, repl, REPL_MAGIC);
	bool more = false;
	uint32_t i;

	for (i = 0; i < r->nslots; i++) {
		if (r->slot[i].stream != NULL)
			stream_on_tick(r->slot[i].stream, &more);
		else if (r->slot[i].reader != NULL &&
		    reader_on_tick(r->slot[i].reader))
			more = true;
	}
	repl_pump(r);
	if (more)
		repl_tick_soon(r);
}

/* ---- the door ----------------------------------------------------------- */

struct repl *
repl_new(struct loop *loop, const char *root)
{
	struct repl *r = calloc(1, sizeof *r);

	if (r == NULL || (r->in = malloc(REPL_IN)) == NULL ||
	    !str_copy(r->root, sizeof r->root, root))
		fatalx("replication: %s",
		    r == NULL || r->in == NULL ? "out of memory" : root);
	r->magic = REPL_MAGIC;
	r->loop = loop;
	r->fd = -1;
	r->last = &r->first;
	r->tick = loop_timer_new(loop, repl_on_tick, r);
	return r;
}

void
repl_free(struct repl **rp)
{
	struct repl *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	if (r->fd >= 0) {
		loop_fd_close(&r->io);
		close(r->fd);
	}
	loop_timer_free(&r->tick);
	past_drop(r);
	buf_fini(&r->out);
	free(r->in);
	free(r->slot);
	free(r->scratch);
	free(r);
}

void
repl_link(struct repl *r, int fd)
{
	int size = REPL_BUFFER;
	uint32_t i;

	if (r->fd >= 0)
		repl_unlink(r, "another one was started");
	if (sock_nonblock(fd) != 0) {
		log_warn("link to the replicator");
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	r->fd = fd;
	r->io = loop_fd_open(r->loop, fd, LOOP_READ, repl_on_io, r);
	for (i = 0; i < r->nslots && r->fd >= 0; i++) {
		if (r->slot[i].stream != NULL)
			stream_announce(r->slot[i].stream);
		else if (r->slot[i].reader != NULL)
			reader_announce(r->slot[i].reader);
	}
}

bool
repl_is_linked(const struct repl *r)
{
	return r->fd >= 0;
}
