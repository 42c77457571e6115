/*
 * The end of a turn of the replicator's loop: one sync of the ship log for
 * all that arrived in it, then the acknowledgements and what readers are
 * told; and what happens when the log cannot take more.
 *
 * With other servers connected the sync is a thread's: records go out to them
 * and their acknowledgements come in meanwhile, and what arrives during one
 * sync is in the next. A stream is acknowledged as far as it had got when the
 * sync began; and when a note about it (a claim, a copy) was appended since,
 * not before that is on disk too.
 *
 * A full disk pauses: links are left unread, so owners wait, and the log is
 * asked again. A log that failed is final: every owner is told, and loses its
 * streams, until the replicator is started again.
 */
#include <unistd.h>

#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define AGAIN (CLOCK_SEC / 2)
#define NOTES_MOST ((size_t)3 * (SHIP_HEAD + STREAM_NAME))
#define TELL_GAP (5 * CLOCK_MS) /* a reader is told at most so often */

/* ---- the log ------------------------------------------------------------ */

/* Stop reading until the disk has room again. */
static void
replicator_pause(struct replicator *r, const struct err *e)
{
	struct link *l;
	unsigned i;

	if (!r->full)
		log_warnx(
		    "%s: nothing is acknowledged until there is room", e->text);
	r->full = r->paused = true;
	for (l = r->links; l != NULL; l = l->next)
		loop_fd_want(l->io, l->writing ? LOOP_WRITE : 0);
	for (i = 0; r->site != NULL && i < r->site->npeers; i++)
		peer_want(r->site->peer[i]);
	loop_timer_set(r->again, AGAIN);
}

/* The log is of no use any more: every writer loses its streams, and leaders
 * of others do not wait for this server. */
static void
replicator_fail(struct replicator *r, const struct err *e)
{
	struct log_stream *s;
	struct live *v;
	size_t at = 0;
	unsigned i;

	if (r->failed.code != ERR_NONE)
		return;
	r->failed = *e;
	log_warnx("%s: nothing is acknowledged any more", e->text);
	while ((s = log_index_next(&r->index, &at)) != NULL) {
		v = s->live;
		if (v == NULL || v->writer == NULL)
			continue;
		link_refuse(v->writer, v->handle, e);
		v->writer = NULL;
	}
	for (i = 0; r->site != NULL && i < r->site->npeers; i++)
		r->site->peer[i]->out.failed = 1; /* closed in this turn */
}

int
replicator_trouble(struct replicator *r, const struct err *e)
{
	if (e->code == ERR_FULL || e->code == ERR_NOMEM)
		replicator_pause(r, e);
	else
		replicator_fail(r, e);
	return -(int)e->code;
}

int
replicator_room(struct replicator *r, size_t n, struct err *e)
{
	if (r->failed.code != ERR_NONE) {
		*e = r->failed;
		return -(int)e->code;
	}
	if (ship_log_room(r->log, n, e) != 0)
		return replicator_trouble(r, e);
	return 0;
}

/* A note may have cut off records that are on disk. */
static void
note_taken(struct replicator *r, const char *name)
{
	struct log_stream *s = log_index_find(&r->index, name);
	struct live *v = s != NULL ? s->live : NULL;

	loop_defer(r->loop, &r->turn);
	if (v == NULL)
		return;
	v->noted = r->log->end;
	if (v->synced > s->last.lsn)
		v->synced = s->last.lsn;
	if (v->held > s->last.lsn) /* parts of what never came to its end */
		v->held = s->last.lsn;
	replicator_touch(r, v);
}

/* Append the one note in the buffer, and free it. */
int
replicator_note(struct replicator *r, struct buf *b, struct err *e)
{
	struct ship_record rec;
	int ret;

	if (b->failed)
		ret = err_set(e, ERR_NOMEM, "replicator");
	else if ((ret = replicator_room(r, b->len, e)) == 0 &&
	    (ret = ship_record_decode(
		 &rec, (const uint8_t *)b->data, b->len, e)) == 0 &&
	    (ret = log_index_add(&r->index, &rec, r->log->end,
		 ship_log_segment(r->log), NULL, e)) == 0) {
		ship_log_append(r->log, b->data, b->len);
		note_taken(r, rec.name);
	}
	buf_fini(b);
	return ret;
}

/* A claim that goes back may go back to before the segment that it stands in,
 * and those in front of that may be gone when the log is read: so behind such
 * a claim stands what the stream is then. */
int
replicator_note_claim(struct replicator *r, struct live *v, uint64_t epoch,
    const struct log_mark *at, uint64_t base, bool foreign, struct err *e)
{
	const struct log_stream *s = v->log;
	bool back = at->lsn < s->last.lsn;
	struct buf b = BUF_INIT;
	int ret;

	/* All of it in one segment. */
	if ((ret = replicator_room(r, NOTES_MOST, e)) != 0)
		return ret;
	log_put_claim(&b, s, epoch, at, base, foreign);
	ret = replicator_note(r, &b, e);
	if (ret == 0 && back) {
		log_put_state(&b, s);
		ret = replicator_note(r, &b, e);
	}
	if (ret == 0 && back && log_stream_is_midst(s)) {
		log_put_midst(&b, s);
		ret = replicator_note(r, &b, e);
	}
	return ret;
}

/* ---- the end of a turn: sync, acknowledge, tell ------------------------- */

void
replicator_touch(struct replicator *r, struct live *v)
{
	if (!v->dirty) {
		v->dirty = true;
		v->next_dirty = r->dirty;
		r->dirty = v;
	}
	loop_defer(r->loop, &r->turn);
}

void
replicator_tell(struct watch *w)
{
	struct live *v = w->live;
	struct ship_msg m = {.type = SHIP_MSG_STATE,
	    .handle = w->handle,
	    .u.state = {v->acked > 0, v->generation, v->log->commit.epoch,
		v->acked, v->log->file}};

	if (v->key != NULL)
		m.u.state.file = v->file.shown;
	w->told = clock_mono();
	link_send(w->link, &m);
}

/* A reader that was told a moment ago is told again only after the gap. */
void
replicator_tell_later(struct replicator *r, struct live *v, uint64_t now)
{
	struct watch *w;

	for (w = v->watches; w != NULL; w = w->next) {
		if (w->due)
			continue;
		if (now - w->told >= TELL_GAP) {
			replicator_tell(w);
			continue;
		}
		w->due = true;
		w->next_due = r->due;
		r->due = w;
		if (!loop_timer_is_set(r->tell))
			loop_timer_set(r->tell, TELL_GAP);
	}
}

void
replicator_on_tell(void *arg)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);
	struct watch *w;

	while ((w = r->due) != NULL) {
		r->due = w->next_due;
		w->due = false;
		replicator_tell(w);
	}
}

/* On a site the place in the -wal is that of this server's own file. */
static void
replicator_welcome(struct live *v)
{
	const struct log_mark *last = &v->log->last;
	struct ship_msg m = {.type = SHIP_MSG_WELCOME,
	    .handle = v->handle,
	    .u.welcome = {last->lsn, last->sum, v->log->commit.lsn, last->wal,
		v->log->page_size, v->log->file}};

	if (v->key != NULL)
		m.u.welcome.wal = v->log->own.wal;
	v->welcome = false;
	v->told = last->lsn;
	v->file.looked = false;
	link_welcomed(v);
	link_send(v->writer, &m);
}

/* The writer is told that everything up to an LSN is safe; a new one is
 * welcomed. */
static void
replicator_tell_writer(struct live *v, uint64_t lsn)
{
	struct ship_msg m = {.type = SHIP_MSG_ACK, .handle = v->handle};

	if (v->welcome) {
		replicator_welcome(v);
	} else if (v->told != lsn) {
		v->told = m.u.ack = lsn;
		link_send(v->writer, &m);
	}
}

/* What is on disk now is acknowledged. */
static void
replicator_ack(struct replicator *r, struct live *v, uint64_t now)
{
	if (r->site != NULL) {
		site_settle(r, v, now);
		return;
	}
	if (v->writer != NULL)
		replicator_tell_writer(v, v->synced);
	if (v->acked == v->log->commit.lsn)
		return;
	if (v->generation == 0)
		replicator_generation(r, v);
	v->acked = v->log->commit.lsn;
	replicator_tell_later(r, v, now);
}

/* On a site it is not enough that it is on disk here. */
void
site_settle(struct replicator *r, struct live *v, uint64_t now)
{
	uint64_t lsn, commit;
	bool held = lead_held(v, &lsn);

	if (!v->key->mine) {
		follow_ack(v);
	} else if (held && lsn > v->held) {
		v->led |= lsn >= v->before;
		v->held = lsn;
		commit = log_stream_commit(v->log, lsn);
		if (commit > v->committed)
			v->committed = commit;
		lead_commit(v);
	}
	if (v->writer != NULL && v->key->mine &&
	    (!v->welcome ||
		(held && lsn == v->log->last.lsn && file_hand_over(r, v))))
		replicator_tell_writer(v, v->held);
	file_soon(v);
	file_seen(r, v, now);
}

/* When a sync is over: all that it was begun with. */
static void
turn_synced(struct replicator *r, uint64_t now)
{
	struct live *v;

	if (r->log->synced < r->sync_pos)
		return;
	while ((v = r->sync) != NULL) {
		r->sync = v->next_sync;
		if (v->noted > r->sync_pos)
			continue; /* it is looked at with that note */
		v->synced = v->syncs;
		replicator_ack(r, v, now);
	}
}

/* Everything is on disk. */
static void
turn_all_synced(struct replicator *r, uint64_t now)
{
	struct live *v;

	turn_synced(r, now);
	while ((v = r->dirty) != NULL) {
		r->dirty = v->next_dirty;
		v->dirty = false;
		v->synced = v->log->last.lsn;
		replicator_ack(r, v, now);
	}
	replicator_tick_soon(r);
}

/* What was touched and waits for no sync is settled; the rest stays. */
static void
turn_settle(struct replicator *r, uint64_t now)
{
	struct live *v, *stays = NULL;

	while ((v = r->dirty) != NULL) {
		r->dirty = v->next_dirty;
		v->dirty = false;
		if (v->noted <= r->log->synced)
			replicator_ack(r, v, now);
		if (v->dirty ||
		    (v->synced == v->log->last.lsn &&
			v->noted <= r->log->synced))
			continue;
		v->dirty = true;
		v->next_dirty = stays;
		stays = v;
	}
	while ((v = stays) != NULL) {
		stays = v->next_dirty;
		v->next_dirty = r->dirty;
		r->dirty = v;
	}
}

static int
turn_begin(struct replicator *r, struct err *e)
{
	struct live *v;
	int ret;

	if ((ret = ship_log_sync_begin(r->log, e)) != 0)
		return ret;
	r->sync_pos = r->log->end;
	while ((v = r->dirty) != NULL) {
		r->dirty = v->next_dirty;
		v->dirty = false;
		v->syncs = v->log->last.lsn;
		v->next_sync = r->sync;
		r->sync = v;
	}
	return 0;
}

static bool
peer_is_ready(const struct peer *p)
{
	return p->ready;
}

static bool
peer_is_behind(const struct peer *p)
{
	return p->behind > 0;
}

static bool
turn_has(const struct replicator *r, bool (*is)(const struct peer *))
{
	unsigned i;

	for (i = 0; r->synced != NULL && i < r->site->npeers; i++) {
		if (is(r->site->peer[i]))
			return true;
	}
	return false;
}

static int
turn_log(struct replicator *r, uint64_t now, struct err *e)
{
	int ret;

	if (!turn_has(r, peer_is_ready)) {
		if ((ret = ship_log_sync(r->log, e)) == 0)
			turn_all_synced(r, now);
		return ret;
	}
	if ((ret = ship_log_sync_end(r->log, false, e)) != 0)
		return ret;
	turn_synced(r, now);
	turn_settle(r, now);
	/* A note that began a segment has waited for the sync under way. */
	turn_synced(r, now);
	replicator_tick_soon(r);
	if (!ship_log_is_syncing(r->log) && r->log->synced != r->log->end)
		return turn_begin(r, e);
	/* Who catches up reads what is written. */
	return turn_has(r, peer_is_behind) ? ship_log_write(r->log, e) : 0;
}

void
replicator_on_synced(void *arg, int fd, int events)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof count) == sizeof count)
		loop_defer(r->loop, &r->turn);
}

static void
replicator_flush_peers(struct replicator *r)
{
	unsigned i;

	for (i = 0; r->site != NULL && i < r->site->npeers; i++)
		peer_flush(r->site->peer[i]);
}

/* Followers write to their disks while this server does. */
void
replicator_on_turn(void *arg)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);
	struct link *l;
	struct err e;

	replicator_flush_peers(r);
	if (r->failed.code == ERR_NONE && turn_log(r, clock_mono(), &e) != 0)
		replicator_trouble(r, &e);
	while ((l = r->flush) != NULL) {
		r->flush = l->next_flush;
		l->flush = false;
		link_flush(l);
	}
	replicator_flush_peers(r);
	if (r->site != NULL && r->failed.code == ERR_NONE && !r->paused)
		file_work(r->site);
	replicator_count(r);
}

/* Room again, perhaps: take up the links where they were left. */
void
replicator_on_again(void *arg)
{
	struct replicator *r = OBJ(arg, replicator, REPLICATOR_MAGIC);
	struct link *l, *next;
	unsigned i;

	r->paused = false;
	for (l = r->links; l != NULL && !r->paused; l = next) {
		next = l->next;
		link_resume(l);
	}
	for (i = 0; r->site != NULL && i < r->site->npeers && !r->paused; i++)
		peer_resume(r->site->peer[i]);
	loop_defer(r->loop, &r->turn);
	if (r->paused)
		return;
	r->full = false;
	log_info("ship log: there is room again");
}
