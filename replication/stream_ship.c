/*
 * From the -wal to the replicator. A commit is counted by sqlite3_wal_hook
 * and read back from the -wal file when the socket has room for it; nothing
 * of it is kept in memory. What the replicator did not get (it was started
 * again, or an owner died) is found in the same way, by the place in the -wal
 * that its last record names, and is cut into the same records with the same
 * LSNs and sums.
 *
 * It refuses to go on when the -wal is not what this process wrote: frames of
 * another salt, commits that nobody counted.
 */
#include <string.h>

#include "repl_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

int
stream_on_wal(void *arg, sqlite3 *db, const char *schema, int frames)
{
	struct stream *s = OBJ(arg, stream, STREAM_MAGIC);
	uint32_t part = ship_part_frames(s->page_size);
	struct wal_now now;
	struct err e;

	(void)schema;
	(void)frames;
	if (s->state == STREAM_LOST)
		return SQLITE_OK;
	if (wal_now(db, &now, &e) != 0) {
		stream_set_lost(s, &e);
		return SQLITE_OK;
	}
	if (now.salt != s->salt) {
		if (s->acked != s->lsn) {
			err_set(&e, ERR_CORRUPT,
			    "%s: -wal begun anew with LSN %llu not on disk",
			    s->config.name, (unsigned long long)s->lsn);
			stream_set_lost(s, &e);
			return SQLITE_OK;
		}
		s->salt = now.salt;
		s->frames = s->ship_frame = s->done = s->warned = 0;
	}
	s->lsn += (now.frames - s->frames + part - 1) / part;
	s->frames = now.frames;
	repl_queue(s->repl, s);
	loop_defer(s->repl->loop, &s->group_end);
	return SQLITE_OK;
}

bool
stream_has_more(const struct stream *s)
{
	return s->welcome && s->state != STREAM_LOST &&
	    s->ship_frame < s->frames;
}

/* Append one record, of n frames, to what goes out. */
static int
ship_record(struct stream *s, const uint8_t *frames, uint32_t n, struct err *e)
{
	struct buf *out = &s->repl->out;
	const uint8_t *last = frames + (n - 1) * wal_frame_size(s->page_size);
	size_t bound = ship_record_bound(s->page_size, n);
	struct ship_record r = {.kind = SHIP_PAGES,
	    .epoch = s->config.epoch,
	    .lsn = s->ship_lsn + 1,
	    .prev = s->ship_sum,
	    .page_size = s->page_size,
	    .db_pages = wal_frame_commit(last),
	    .wal = {s->salt, s->ship_frame + 1, n}};
	uint8_t *at;
	long len;

	str_copy(r.name, sizeof r.name, s->config.name);
	if (wal_frame_salt(frames) != s->salt ||
	    wal_frame_salt(last) != s->salt)
		return err_set(e, ERR_CORRUPT,
		    "%s: -wal: frame %u is of another writer", r.name,
		    s->ship_frame + 1);
	at = (uint8_t *)buf_reserve(out, SHIP_MSG_HEAD + bound);
	if (at == NULL)
		return err_set(e, ERR_NOMEM, "%s", r.name);
	len = ship_record_encode(&r, frames, n, at + SHIP_MSG_HEAD, bound);
	if (len < 0)
		return err_set(e, ERR_INTERNAL, "%s: record", r.name);
	ship_msg_head(at, SHIP_MSG_SHIP, s->handle, (size_t)len);
	out->len += SHIP_MSG_HEAD + (size_t)len;
	s->ship_lsn = r.lsn;
	s->ship_sum = r.sum;
	s->ship_frame += n;
	return 0;
}

int
stream_ship(struct stream *s, struct err *e)
{
	uint32_t left = s->frames - s->ship_frame;
	uint32_t part = ship_part_frames(s->page_size);
	uint32_t n = left < part ? left : part, cut;
	size_t size = wal_frame_size(s->page_size);
	uint8_t *frames = repl_scratch(s->repl, n * size);
	int r;

	if (frames == NULL)
		return err_set(e, ERR_NOMEM, "%s", s->config.name);
	if ((r = wal_read(s->wal_fd, s->page_size, s->ship_frame + 1, n, frames,
		 e)) != 0)
		return err_wrap(e, "%s", s->config.name);
	/* Commits behind the first, which were read with it, go too. */
	while (n > 0 && (cut = wal_cut(frames, n, s->page_size)) > 0) {
		if ((r = ship_record(s, frames, cut, e)) != 0)
			return r;
		frames += cut * size;
		n -= cut;
		left = 0;
	}
	if (left != 0 || (s->ship_frame == s->frames && s->ship_lsn != s->lsn))
		return err_set(e, ERR_CORRUPT,
		    "%s: -wal: frame %u: commits that nobody made here",
		    s->config.name, s->ship_frame + 1);
	return 0;
}

/* The last frame that the replicator has of the -wal as it is now: 0 when its
 * last record is of an earlier -wal, all of which is in the database. */
static int
ship_known_frame(const struct wal_now *now, const struct ship_welcome *w,
    uint32_t *frame, struct err *e)
{
	*frame = 0;
	if (w->lsn == 0 || now->frames == 0 || w->wal.salt != now->salt)
		return 0;
	*frame = w->wal.first + w->wal.count - 1;
	if (*frame > now->frames)
		return err_set(e, ERR_CORRUPT,
		    "-wal ends at frame %u, the ship log has %u", now->frames,
		    *frame);
	return 0;
}

int
stream_ship_from(struct stream *s, const struct ship_welcome *w, struct err *e)
{
	struct wal_now now;
	uint64_t records = 0;
	uint32_t frame;
	int r;

	if ((r = wal_now(s->db, &now, e)) != 0 ||
	    (r = ship_known_frame(&now, w, &frame, e)) != 0 ||
	    (frame < now.frames &&
		(r = wal_count_records(s->wal_fd, s->page_size, frame + 1,
		     now.frames, &records, e)) != 0))
		return err_wrap(e, "%s", s->config.name);
	if (s->state != STREAM_OPENING &&
	    (w->lsn < s->acked || w->lsn + records != s->lsn))
		return err_set(e, ERR_CORRUPT,
		    "%s: the ship log has LSN %llu and %llu behind it, here "
		    "are %llu, acknowledged %llu",
		    s->config.name, (unsigned long long)w->lsn,
		    (unsigned long long)records, (unsigned long long)s->lsn,
		    (unsigned long long)s->acked);
	s->lsn = w->lsn + records;
	s->salt = now.salt;
	s->frames = now.frames;
	s->done = now.done;
	s->ship_frame = frame;
	s->ship_lsn = w->lsn;
	s->ship_sum = w->sum;
	s->acked = w->lsn;
	return 0;
}

void
stream_on_ack_msg(struct stream *s, const struct ship_msg *m)
{
	if (m->u.ack <= s->acked || m->u.ack > s->ship_lsn)
		return;
	s->acked = m->u.ack;
	stream_settle(s);
	loop_defer(s->repl->loop, &s->deliver);
}
