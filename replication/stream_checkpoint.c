/*
 * When frames of the -wal go into the database file. The law (DESIGN 5.6):
 * never a frame that is not on disk in the ship log, because a redo after a
 * power failure could not undo it. Three ways keep it:
 *
 *   - when nothing is unacknowledged, everything may go;
 *   - under load a second connection holds a snapshot of some commit, and a
 *     PASSIVE checkpoint, which stops at the oldest snapshot, runs once that
 *     commit is acknowledged: slice by slice, so that none takes long;
 *   - so that SQLite can begin the -wal anew all of it must be in the file:
 *     when it has grown long, the next group waits for the acknowledgement of
 *     the last one, some hundred microseconds at most every 8 MiB.
 *
 * Of a page that was changed again behind the snapshot SQLite copies nothing,
 * since no reader will miss it. So only a checkpoint of everything is told as
 * written, and who cuts the -wal back reads all of it (apply_rewind.c).
 *
 * The file is not synced here: the replicator does it later, and keeps the
 * ship log until then.
 */
#include <stdio.h>

#include "repl_room.h"
#include "stream_path.h"
#include "wal_vfs.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

#define CHECKPOINT_SLICE (256u << 10) /* bytes worth a checkpoint */
#define CHECKPOINT_WINDOW (4u << 20)
#define CHECKPOINT_ALL (4u << 20)  /* long enough to begin anew if it can */
#define CHECKPOINT_WAIT (8u << 20) /* long enough to wait for it */
#define CHECKPOINT_WAIT_US (3 * CLOCK_MS)
#define CHECKPOINT_WAIT_AGAIN (20 * CLOCK_MS) /* after waiting in vain */
#define CHECKPOINT_WARN (64u << 20)

static uint32_t
checkpoint_frames(const struct stream *s, uint32_t bytes)
{
	return bytes / s->page_size;
}

/* Frames that a checkpoint will read one by one are read at once. */
static void
checkpoint_window(struct stream *s, uint32_t frame)
{
	size_t size = wal_frame_size(s->page_size);
	uint32_t n = frame - s->done;
	uint8_t *frames;

	if (frame <= s->done || n * size > CHECKPOINT_WINDOW ||
	    (frames = repl_scratch(s->repl, n * size)) == NULL ||
	    wal_read(s->wal_fd, s->page_size, s->done + 1, n, frames, NULL) !=
		0)
		return;
	wal_vfs_window(s->db, frames,
	    WAL_HEAD + (sqlite3_int64)s->done * (sqlite3_int64)size, n * size);
}

/* Copy what snapshots allow; when that is all of the -wal the file holds
 * everything up to the LSN, whose last frame is given. */
static void
checkpoint_run(struct stream *s, uint64_t lsn, uint32_t frame)
{
	struct ship_msg m = {.type = SHIP_MSG_WRITTEN,
	    .handle = s->handle,
	    .u.written.lsn = lsn};
	int frames = 0, done = 0, rc;

	checkpoint_window(s, frame);
	rc = sqlite3_wal_checkpoint_v2(
	    s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
	wal_vfs_window(s->db, NULL, 0, 0);
	if (rc != SQLITE_OK) {
		if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
			log_warnx("stream=%s checkpoint: %s", s->config.name,
			    sqlite3_errmsg(s->db));
		return;
	}
	s->done = (uint32_t)done;
	if (done != frames || s->done < frame || lsn <= s->written)
		return;
	s->written = lsn;
	repl_send(s->repl, &m);
}

/* ---- the snapshot ------------------------------------------------------- */

static bool
pin_open(struct stream *s)
{
	char path[STREAM_PATH];

	if (s->pin != NULL)
		return true;
	if (stream_path(path, s->repl->root, s->config.name, s->file, NULL) !=
		0 ||
	    sqlite3_open_v2(path, &s->pin,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE,
		NULL) != SQLITE_OK) {
		sqlite3_close(s->pin);
		s->pin = NULL;
		return false;
	}
	sqlite3_db_config(s->pin, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return true;
}

static void
pin_drop(struct stream *s)
{
	if (s->pinned)
		sqlite3_exec(s->pin, "COMMIT", NULL, NULL, NULL);
	s->pinned = false;
}

/* Hold the commit that was just made. */
static void
pin_take(struct stream *s)
{
	if (!pin_open(s))
		return;
	if (sqlite3_exec(s->pin, "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1",
		NULL, NULL, NULL) != SQLITE_OK) {
		sqlite3_exec(s->pin, "ROLLBACK", NULL, NULL, NULL);
		return;
	}
	s->pinned = true;
	s->pin_lsn = s->lsn;
	s->pin_frame = s->frames;
}

/* The commit that is held is on disk: everything up to it may go. */
static void
pin_run(struct stream *s)
{
	if (!s->pinned || s->acked < s->pin_lsn)
		return;
	checkpoint_run(s, s->pin_lsn, s->pin_frame);
	pin_drop(s);
}

/* Everything may go. */
static void
checkpoint_all(struct stream *s)
{
	pin_drop(s);
	checkpoint_run(s, s->lsn, s->frames);
}

/* ---- when --------------------------------------------------------------- */

/* A reader that stays in one transaction keeps the -wal from beginning anew:
 * said when the length has doubled. */
static void
checkpoint_warn(struct stream *s)
{
	uint32_t limit = checkpoint_frames(s, CHECKPOINT_WARN);

	if (s->frames < limit || s->frames < s->warned * 2)
		return;
	s->warned = s->frames;
	log_warnx("stream=%s -wal of %llu MiB: a reader holds an old state, or "
		  "the replicator is behind",
	    s->config.name, (unsigned long long)s->frames * s->page_size >> 20);
}

void
stream_checkpoint_committed(struct stream *s)
{
	if (s->state != STREAM_READY || s->group)
		return;
	pin_run(s);
	if (!s->pinned &&
	    s->frames - s->done >= checkpoint_frames(s, CHECKPOINT_SLICE))
		pin_take(s);
	if (s->done < s->frames)
		repl_tick_soon(s->repl);
	checkpoint_warn(s);
}

void
stream_checkpoint_acked(struct stream *s)
{
	if (s->acked != s->lsn)
		pin_run(s);
	else if (s->frames - s->done >=
		checkpoint_frames(s, CHECKPOINT_SLICE) ||
	    (s->done < s->frames &&
		s->frames >= checkpoint_frames(s, CHECKPOINT_ALL)))
		checkpoint_all(s);
}

void
stream_checkpoint_joining(struct stream *s)
{
	uint64_t now, end;

	if (s->frames < checkpoint_frames(s, CHECKPOINT_WAIT) ||
	    (now = clock_mono()) < s->wait_again)
		return;
	if (s->done == s->frames)
		return;
	for (end = now + CHECKPOINT_WAIT_US;
	     s->acked != s->lsn && s->welcome && now < end; now = clock_mono())
		repl_wait(s->repl, end - now);
	if (s->state == STREAM_READY && s->acked == s->lsn)
		checkpoint_all(s);
	if (s->done != s->frames)
		s->wait_again = now + CHECKPOINT_WAIT_AGAIN;
}

bool
stream_checkpoint_idle(struct stream *s)
{
	if (s->group || s->done == s->frames)
		return s->group;
	if (s->acked == s->lsn)
		checkpoint_all(s);
	return s->done != s->frames;
}

void
stream_checkpoint_close(struct stream *s)
{
	if (s->db != NULL && s->state == STREAM_READY && s->acked == s->lsn &&
	    s->done != s->frames)
		checkpoint_all(s);
	pin_drop(s);
	sqlite3_close(s->pin);
	s->pin = NULL;
}
