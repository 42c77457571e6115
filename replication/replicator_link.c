/*
 * One link of the replicator: an owner or reader of the server. It decides
 * who may write a stream (the highest epoch; of equal ones the first, until
 * it is gone) and what a record must be to be taken. A peer that breaks the
 * protocol loses the link; one that writes what it may not is told and loses
 * the stream.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LINK_IN 65536	      /* room of a quiet link */
#define LINK_BUFFER (2 << 20) /* asked of the kernel */

/* ---- sending ------------------------------------------------------------ */

void
link_send(struct link *l, const struct ship_msg *m)
{
	ship_msg_encode(&l->out, m);
	if (l->flush)
		return;
	l->flush = true;
	l->next_flush = l->r->flush;
	l->r->flush = l;
	loop_defer(l->r->loop, &l->r->turn);
}

/* Events of the socket that count now. */
static void
link_want(struct link *l)
{
	loop_fd_want(l->io,
	    (l->r->paused ? 0 : LOOP_READ) | (l->writing ? LOOP_WRITE : 0));
}

void
link_flush(struct link *l)
{
	ssize_t n = 0;

	if (l->out.failed || l->out.len > LINK_OUT_MAX) {
		log_warnx("link=%s does not read: closed", l->who);
		link_close(&l);
		return;
	}
	while (l->out.len > 0) {
		n = send(l->fd, l->out.data, l->out.len, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		buf_eat(&l->out, (size_t)n);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		link_close(&l);
		return;
	}
	l->writing = l->out.len > 0;
	link_want(l);
}

void
link_refuse(struct link *l, uint32_t handle, const struct err *e)
{
	struct ship_msg m = {.type = SHIP_MSG_REFUSED,
	    .handle = handle,
	    .u.refused.code = e->code};

	str_copy(m.u.refused.words, sizeof m.u.refused.words, e->text);
	link_send(l, &m);
}

/* ---- streams and readers of the link ------------------------------------ */

/* A free slot for a handle; NULL when its place is taken, or without
 * memory. */
static struct slot *
link_slot_take(struct link *l, uint32_t handle)
{
	uint32_t at = handle & (SHIP_HANDLES - 1), n;
	struct slot *more;

	for (n = l->nslots != 0 ? l->nslots : 8; n <= at; n *= 2)
		;
	if (n > l->nslots) {
		if ((more = realloc(l->slot, n * sizeof *more)) == NULL)
			return NULL;
		memset(more + l->nslots, 0, (n - l->nslots) * sizeof *more);
		l->slot = more;
		l->nslots = n;
	}
	if (l->slot[at].kind != SLOT_FREE)
		return NULL;
	l->slot[at].handle = handle;
	return &l->slot[at];
}

/* The slot of a handle in use, or NULL. */
static struct slot *
link_slot(struct link *l, uint32_t handle, enum slot_kind kind)
{
	uint32_t at = handle & (SHIP_HANDLES - 1);

	if (at >= l->nslots || l->slot[at].kind != kind ||
	    l->slot[at].handle != handle)
		return NULL;
	return &l->slot[at];
}

/* True when the slot is the stream's writer and nobody took it over. */
static bool
link_writes(const struct link *l, const struct slot *s)
{
	return s->live->writer == l && s->live->handle == s->handle;
}

static void
link_drop_writer(struct link *l, struct slot *s)
{
	struct live *v = s->live;

	if (link_writes(l, s)) {
		v->writer = NULL;
		v->welcome = false;
	}
	if (s->holds && --v->holders == 0 && v->key != NULL)
		replicator_touch(l->r, v);
	memset(s, 0, sizeof *s);
}

void
link_welcomed(struct live *v)
{
	struct slot *s = link_slot(v->writer, v->handle, SLOT_WRITER);

	if (s == NULL || s->holds)
		return;
	s->holds = true;
	v->holders++;
}

static void
link_drop_watch(struct slot *s)
{
	struct watch *w = s->watch, **at = &w->live->watches;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (w->due) {
		for (at = &w->link->r->due; *at != w; at = &(*at)->next_due)
			;
		*at = w->next_due;
	}
	free(w);
	memset(s, 0, sizeof *s);
}

/* ---- messages ----------------------------------------------------------- */

/* Why a stream cannot be given to the link under the epoch. */
static int
open_check(const struct live *v, uint64_t epoch, struct err *e)
{
	const struct log_stream *s = v->log;

	if (s->damaged || v->lead.lost)
		return err_set(e, ERR_CORRUPT,
		    "%s: its database was lost: restore it", s->name);
	if (v->key != NULL && v->key->epoch > epoch)
		return err_set(e, ERR_REFUSED,
		    "%s: epoch %llu is over, its key has %llu", s->name,
		    (unsigned long long)epoch,
		    (unsigned long long)v->key->epoch);
	if (epoch == 0 || epoch < s->epoch)
		return err_set(e, ERR_REFUSED,
		    "%s: epoch %llu is over, the stream has %llu", s->name,
		    (unsigned long long)epoch, (unsigned long long)s->epoch);
	if (epoch == s->epoch && v->writer != NULL)
		return err_set(e, ERR_REFUSED,
		    "%s: %s writes it under epoch %llu", s->name,
		    v->writer->who, (unsigned long long)epoch);
	return 0;
}

/* The claim is in the log before the welcome, so it outlives both ends. */
static int
open_claim(struct replicator *r, struct live *v, uint64_t epoch, struct err *e)
{
	return epoch == v->log->epoch ? 0 : lead_claim(r, v, epoch, e);
}

void
link_take_over(struct live *v, uint64_t epoch)
{
	struct err e;

	if (v->writer == NULL)
		return;
	err_set(&e, ERR_REFUSED, "%s: epoch %llu has begun", v->log->name,
	    (unsigned long long)epoch);
	link_refuse(v->writer, v->handle, &e);
	v->writer = NULL;
	v->welcome = false;
}

static int
link_on_open(struct link *l, const struct ship_msg *m, struct err *e)
{
	const struct ship_open *o = &m->u.open;
	struct slot *s = link_slot_take(l, m->handle);
	struct live *v;
	struct err why;
	bool claims;

	if (s == NULL)
		return err_set(e, ERR_CORRUPT, "OPEN of handle %u", m->handle);
	if ((v = replicator_live(l->r, o->name)) == NULL)
		return err_set(e, ERR_NOMEM, "replicator");
	claims = o->epoch != v->log->epoch;
	if (open_check(v, o->epoch, &why) != 0 ||
	    open_claim(l->r, v, o->epoch, &why) != 0) {
		if (l->r->paused)
			return -ERR_FULL;
		/* The handle is in use until its CLOSE. */
		s->kind = SLOT_WRITER;
		s->live = v;
		link_refuse(l, m->handle, &why);
		return 0;
	}
	link_take_over(v, o->epoch);
	s->kind = SLOT_WRITER;
	s->live = v;
	v->writer = l;
	v->handle = m->handle;
	v->welcome = true;
	v->claims = claims;
	replicator_touch(l->r, v);
	return 0;
}

/* A record is checked against the index before a byte of it is kept. */
static int
link_on_ship(struct link *l, const struct ship_msg *m, struct err *e)
{
	struct slot *s = link_slot(l, m->handle, SLOT_WRITER);
	struct ship_record rec;
	struct err why;
	int ret;

	if (s == NULL)
		return err_set(e, ERR_CORRUPT, "SHIP of handle %u", m->handle);
	if (!link_writes(l, s))
		return 0;
	if ((ret = ship_record_decode(&rec, m->u.ship.bytes, m->u.ship.n, e)) !=
	    0)
		return ret;
	if (rec.kind != SHIP_PAGES || !str_equal(rec.name, s->live->log->name))
		return err_set(e, ERR_CORRUPT, "record of another stream");
	if (replicator_room(l->r, rec.size, &why) != 0)
		return l->r->paused ? -ERR_FULL : 0;
	if (log_index_add(&l->r->index, &rec, l->r->log->end,
		ship_log_segment(l->r->log), NULL, &why) != 0) {
		log_warnx("link=%s %s", l->who, why.text);
		link_refuse(l, m->handle, &why);
		s->live->writer = NULL;
		return 0;
	}
	ship_log_append(l->r->log, m->u.ship.bytes, m->u.ship.n);
	if (l->r->site != NULL)
		lead_shipped(s->live, m->u.ship.bytes, m->u.ship.n);
	replicator_touch(l->r, s->live);
	return 0;
}

static int
link_on_written(struct link *l, const struct ship_msg *m, struct err *e)
{
	struct slot *s = link_slot(l, m->handle, SLOT_WRITER);
	struct live *v;

	if (s == NULL)
		return err_set(
		    e, ERR_CORRUPT, "WRITTEN of handle %u", m->handle);
	v = s->live;
	if (!link_writes(l, s) || m->u.written.lsn > v->acked)
		return 0;
	if (m->u.written.base && v->log->last.lsn == 0)
		replicator_base(l->r, v);
	if (m->u.written.lsn <= v->written)
		return 0;
	if (v->written == v->log->checkpoint)
		v->written_at = clock_mono();
	v->written = m->u.written.lsn;
	replicator_tick_soon(l->r);
	return 0;
}

static int
link_on_close(struct link *l, const struct ship_msg *m, struct err *e)
{
	struct slot *s = link_slot(l, m->handle, SLOT_WRITER);

	(void)e;
	if (s == NULL)
		return 0; /* lost before this replicator was started */
	if (link_writes(l, s))
		replicator_sync_file(l->r, s->live);
	link_drop_writer(l, s);
	return 0;
}

static int
link_on_read(struct link *l, const struct ship_msg *m, struct err *e)
{
	struct slot *s = link_slot_take(l, m->handle);
	struct live *v;
	struct watch *w;

	if (s == NULL)
		return err_set(e, ERR_CORRUPT, "READ of handle %u", m->handle);
	if ((v = replicator_live(l->r, m->u.open.name)) == NULL ||
	    (w = calloc(1, sizeof *w)) == NULL)
		return err_set(e, ERR_NOMEM, "replicator");
	w->live = v;
	w->link = l;
	w->handle = m->handle;
	w->next = v->watches;
	v->watches = w;
	s->kind = SLOT_WATCH;
	s->watch = w;
	replicator_tell(w);
	return 0;
}

static int
link_on_unread(struct link *l, const struct ship_msg *m, struct err *e)
{
	struct slot *s = link_slot(l, m->handle, SLOT_WATCH);

	(void)e;
	if (s != NULL)
		link_drop_watch(s);
	return 0;
}

/* Its owner or a reader met it: whoever it is, and whichever file it has. */
static int
link_on_damaged(struct link *l, const struct ship_msg *m, struct err *e)
{
	struct slot *s = link_slot(l, m->handle, SLOT_WRITER);

	(void)e;
	if (s != NULL)
		damage_told(s->live, m->u.damaged);
	else if ((s = link_slot(l, m->handle, SLOT_WATCH)) != NULL)
		damage_told(s->watch->live, m->u.damaged);
	return 0;
}

/* 0: done; -ERR_FULL: the replicator is paused, the message stays; other
 * errors end the link. */
static int
link_on_message(struct link *l, const struct ship_msg *m, struct err *e)
{
	static int (*const on[SHIP_MSGS])(
	    struct link *, const struct ship_msg *, struct err *) = {
	    [SHIP_MSG_OPEN] = link_on_open,
	    [SHIP_MSG_SHIP] = link_on_ship,
	    [SHIP_MSG_WRITTEN] = link_on_written,
	    [SHIP_MSG_CLOSE] = link_on_close,
	    [SHIP_MSG_READ] = link_on_read,
	    [SHIP_MSG_UNREAD] = link_on_unread,
	    [SHIP_MSG_PAST] = past_on_ask,
	    [SHIP_MSG_DAMAGED] = link_on_damaged,
	};

	if (on[m->type] == NULL)
		return err_set(
		    e, ERR_CORRUPT, "message %u is not for me", m->type);
	return on[m->type](l, m, e);
}

/* ---- receiving ---------------------------------------------------------- */

/* Everything that is whole in the buffer. False when the link was closed. */
static bool
link_understand(struct link *l)
{
	struct ship_msg m;
	struct err e;
	long n = 1;

	while (!l->r->paused && l->in_at < l->in_len) {
		n = ship_msg_decode(
		    &m, l->in + l->in_at, l->in_len - l->in_at, &e);
		if (n == 0)
			break;
		if (n > 0) {
			int r = link_on_message(l, &m, &e);

			if (r == -ERR_FULL)
				break;
			if (r != 0)
				n = r;
		}
		if (n < 0) {
			log_warnx("link=%s closed: %s", l->who, e.text);
			link_close(&l);
			return false;
		}
		l->in_at += (size_t)n;
	}
	if (l->in_at == l->in_len)
		l->in_at = l->in_len = 0;
	return true;
}

/* Room to read into: what is left moves to the front, and the buffer grows
 * up to one whole message and a turn's reading. */
static bool
link_make_room(struct link *l)
{
	size_t room = l->in_room;
	uint8_t *more;

	if (l->in_at > 0) {
		memmove(l->in, l->in + l->in_at, l->in_len - l->in_at);
		l->in_len -= l->in_at;
		l->in_at = 0;
	}
	if (l->in_len < room)
		return true;
	room = room == 0 ? LINK_IN : room * 2;
	if (room > SHIP_MSG_MAX + LINK_READ)
		room = SHIP_MSG_MAX + LINK_READ;
	if (room == l->in_room || (more = realloc(l->in, room)) == NULL)
		return false;
	l->in = more;
	l->in_room = room;
	return true;
}

/* Read on while whole buffers come, so that a burst is one sync. */
static void
link_on_readable(struct link *l)
{
	size_t taken = 0;
	ssize_t n;

	while (taken < LINK_READ && !l->r->paused) {
		size_t want;

		if (!link_make_room(l)) {
			log_warnx("link=%s closed: out of memory", l->who);
			link_close(&l);
			return;
		}
		want = l->in_room - l->in_len;
		n = recv(l->fd, l->in + l->in_len, want, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			link_close(&l);
			return;
		}
		l->in_len += (size_t)n;
		taken += (size_t)n;
		if (!link_understand(l) || (size_t)n < want)
			return;
	}
}

static void
link_on_io(void *arg, int fd, int events)
{
	struct link *l = OBJ(arg, link, LINK_MAGIC);

	(void)fd;
	if (events & LOOP_WRITE) {
		l->writing = false;
		if (!l->flush) {
			l->flush = true;
			l->next_flush = l->r->flush;
			l->r->flush = l;
		}
		link_want(l);
		loop_defer(l->r->loop, &l->r->turn);
	}
	if (events & LOOP_READ)
		link_on_readable(l);
}

void
link_resume(struct link *l)
{
	if (link_understand(l))
		link_want(l);
}

/* ---- opening and closing ------------------------------------------------ */

void
link_close(struct link **lp)
{
	struct link *l = *lp, **at;
	uint32_t i;

	*lp = NULL;
	for (i = 0; i < l->nslots; i++) {
		if (l->slot[i].kind == SLOT_WRITER)
			link_drop_writer(l, &l->slot[i]);
		else if (l->slot[i].kind == SLOT_WATCH)
			link_drop_watch(&l->slot[i]);
	}
	for (at = &l->r->links; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	if (l->flush) {
		for (at = &l->r->flush; *at != l; at = &(*at)->next_flush)
			;
		*at = l->next_flush;
	}
	past_drop_link(l);
	loop_fd_close(&l->io);
	close(l->fd);
	buf_fini(&l->out);
	free(l->in);
	free(l->slot);
	free(l);
}

void
replicator_serve(struct replicator *r, int fd, const char *who)
{
	struct link *l = calloc(1, sizeof *l);
	int size = LINK_BUFFER;

	if (l == NULL || sock_nonblock(fd) != 0) {
		log_warn("link=%s", who);
		close(fd);
		free(l);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	l->magic = LINK_MAGIC;
	l->r = r;
	l->fd = fd;
	str_copy(l->who, sizeof l->who, who);
	l->next = r->links;
	r->links = l;
	l->io = loop_fd_open(r->loop, fd, LOOP_READ, link_on_io, l);
	link_want(l);
}
