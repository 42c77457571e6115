/*
 * From the -wal into the database file, by SQLite's rules for a PASSIVE
 * checkpoint (walformat.html 2.3): never a frame behind the mark of a reader,
 * of each page the newest version only, and no reader on the database file
 * alone (read lock 0) while it is written. The locks may be held over many
 * calls, readers come and go behind them, so it is done a slice at a time and
 * nobody waits for it: a process that serves many streams stays answering.
 *
 * A process killed here has changed only pages that every reader finds in the
 * -wal, where they all still are until nBackfill says otherwise.
 *
 * The -wal begins anew when all of it is in the file and no reader uses it.
 * Under load there is always one that does, of a commit before the last; so
 * those that are there are waited for, a little and seldom, while those that
 * come see the last commit, and then the file alone.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply_room.h"
#include "page_sum.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define WAIT_US (2 * CLOCK_MS)
#define WAIT_FIRST (20 * CLOCK_MS) /* after the first wait in vain */
#define WAIT_LAST (100 * CLOCK_MS)
#define RESTART_LEFT (2u << 20) /* bytes copied at once, then */
#define READ_1 (WAL_LOCK_READ + 1)
#define READ_MORE (WAL_INDEX_READERS - 1)

static uint32_t
checkpoint_frames(const struct apply *a, uint32_t bytes)
{
	return bytes / a->page_size;
}

/* ---- beginning and ending ----------------------------------------------- */

/* Wait for a reader's lock until then; 0 = not at all. */
static int
checkpoint_lock(struct apply *a, unsigned byte, unsigned n, uint64_t end)
{
	uint64_t now = end == 0 ? 0 : clock_mono();

	return wal_index_lock_wait(
	    &a->index, byte, n, now < end ? end - now : 0);
}

/* The last frame that no reader forbids; marks of nobody are moved on. */
static uint32_t
checkpoint_limit(struct apply *a, uint64_t end)
{
	uint32_t to = a->head.frames, mark;
	unsigned i;

	for (i = 1; i < WAL_INDEX_READERS; i++) {
		mark = wal_index_mark(&a->index, i);
		if (mark >= to)
			continue;
		if (checkpoint_lock(a, WAL_LOCK_READ + i, 1, end) != 0) {
			to = mark;
			continue;
		}
		wal_index_set_mark(
		    &a->index, i, i == 1 ? to : WAL_INDEX_UNUSED);
		wal_index_unlock(&a->index, WAL_LOCK_READ + i, 1);
	}
	return to;
}

static void
checkpoint_note(struct apply *a)
{
	if (a->to == a->head.frames || a->target == 0) {
		a->target = a->head.frames;
		a->target_lsn = a->lsn;
	}
}

/* Room for frames; and whether the pages that are copied have sums: the newest
 * page 1 says so, which is in the -wal or already in the file. */
static bool
checkpoint_ready(struct apply *a)
{
	uint32_t frame = wal_index_find(&a->index, 1, 1, a->to);

	a->frames = malloc(APPLY_SLICE * wal_frame_size(a->page_size));
	if (a->frames == NULL)
		return false;
	if (frame == 0) {
		a->sums = page_sum_marked(a->db);
		return true;
	}
	if (wal_read(a->wal, a->page_size, frame, 1, a->frames, NULL) == 0) {
		a->sums = page_sum_has(a->frames + SHIP_FRAME);
		return true;
	}
	free(a->frames);
	a->frames = NULL;
	return false;
}

/* False when readers leave nothing to do, or another process does it. */
static bool
checkpoint_begin(struct apply *a, uint64_t end)
{
	uint32_t done;

	a->again = a->head.frames + APPLY_SLICE;
	if (wal_index_lock(&a->index, WAL_LOCK_CHECKPOINT, 1) != 0)
		return false;
	a->to = checkpoint_limit(a, end);
	done = wal_index_done(&a->index);
	if (a->to > done && checkpoint_lock(a, WAL_LOCK_READ, 1, end) == 0) {
		a->running = checkpoint_ready(a);
		if (!a->running)
			wal_index_unlock(&a->index, WAL_LOCK_READ, 1);
	}
	if (!a->running) {
		wal_index_unlock(&a->index, WAL_LOCK_CHECKPOINT, 1);
		return false;
	}
	a->next = done + 1;
	a->db_pages = a->head.db_pages;
	a->db_has = 0;
	wal_index_set_attempted(&a->index, a->to);
	checkpoint_note(a);
	return true;
}

void
apply_checkpoint_stop(struct apply *a)
{
	if (!a->running)
		return;
	a->running = false;
	free(a->frames);
	a->frames = NULL;
	wal_index_unlock(&a->index, WAL_LOCK_READ, 1);
	wal_index_unlock(&a->index, WAL_LOCK_CHECKPOINT, 1);
}

/* All is copied. The size of the file is that of the last commit, which only
 * a checkpoint up to it knows. */
static int
checkpoint_end(struct apply *a, struct err *e)
{
	if (a->to == a->head.frames &&
	    page_truncate(a->db, a->db_pages, a->page_size, a->sums) != 0)
		return err_errno(e, ERR_IO, "%s", a->path);
	wal_index_set_done(&a->index, a->to);
	if (a->target != 0 && a->to >= a->target) {
		a->written = a->target_lsn;
		a->target = 0;
	}
	a->again = 0;
	apply_checkpoint_stop(a);
	return 0;
}

/* ---- copying ------------------------------------------------------------ */

static int
checkpoint_page(
    struct apply *a, uint32_t frame, const uint8_t *bytes, struct err *e)
{
	uint32_t page = ship_get32be(bytes);
	uint32_t newest = wal_index_find(&a->index, page, frame, a->to);

	if (newest == 0)
		return err_set(e, ERR_CORRUPT,
		    "%s-wal: frame %u is not in the wal-index", a->path, frame);
	if (newest != frame || page > a->db_pages)
		return 0;
	if (page_write(a->db, &a->db_has, page, bytes + SHIP_FRAME,
		a->page_size, a->sums) != 0)
		return err_errno(e, ERR_IO, "%s", a->path);
	return 0;
}

/* At most APPLY_SLICE frames; the last one ends it. */
static int
checkpoint_slice(struct apply *a, struct err *e)
{
	uint32_t n = a->to - a->next + 1, i;
	int r;

	if (n > APPLY_SLICE)
		n = APPLY_SLICE;
	r = wal_read(a->wal, a->page_size, a->next, n, a->frames, e);
	for (i = 0; r == 0 && i < n; i++)
		r = checkpoint_page(a, a->next + i,
		    a->frames + i * wal_frame_size(a->page_size), e);
	a->next += n;
	if (r == 0 && a->next > a->to)
		r = checkpoint_end(a, e);
	if (r != 0)
		apply_checkpoint_stop(a);
	return r;
}

/* ---- the -wal anew ------------------------------------------------------ */

/* A -wal that a long reader made long gives its room back. */
static void
restart_shrink(struct apply *a)
{
	struct apply_status s;

	apply_status(a, &s);
	if (s.wal_bytes > 2 * APPLY_LONG && ftruncate(a->wal, WAL_HEAD) != 0)
		log_warn("%s-wal: cannot be made short", a->path);
}

static int
restart_locked(struct apply *a, struct err *e)
{
	unsigned i;
	int r = apply_begin_wal(a, e);

	wal_index_set_mark(&a->index, 1, 0);
	for (i = 2; i < WAL_INDEX_READERS; i++)
		wal_index_set_mark(&a->index, i, WAL_INDEX_UNUSED);
	a->target = 0;
	if (r == 0)
		restart_shrink(a);
	return r;
}

/* The last frames are copied at once, before the next commit adds others. */
static int
restart_finish(struct apply *a, uint64_t end, struct err *e)
{
	int r = 0;

	if (wal_index_done(&a->index) < a->head.frames)
		checkpoint_begin(a, end);
	while (r == 0 && a->running)
		r = checkpoint_slice(a, e);
	if (r != 0 || wal_index_done(&a->index) < a->head.frames ||
	    wal_index_lock(&a->index, WAL_LOCK_CHECKPOINT, 1) != 0)
		return r;
	if (checkpoint_lock(a, READ_1, READ_MORE, end) == 0) {
		r = restart_locked(a, e);
		wal_index_unlock(&a->index, READ_1, READ_MORE);
	}
	wal_index_unlock(&a->index, WAL_LOCK_CHECKPOINT, 1);
	return r;
}

static int
checkpoint_restart(struct apply *a, struct err *e)
{
	uint64_t now = clock_mono();
	int r;

	if (now < a->wait_again)
		return 0;
	r = restart_finish(a, now + WAIT_US, e);
	if (a->head.frames == 0) {
		a->wait = 0;
	} else {
		a->wait = a->wait == 0 ? WAIT_FIRST : a->wait * 2;
		if (a->wait > WAIT_LAST)
			a->wait = WAIT_LAST;
		a->wait_again = clock_mono() + a->wait;
	}
	return r;
}

/* ---- when --------------------------------------------------------------- */

static bool
checkpoint_is_due(const struct apply *a)
{
	uint32_t left = a->head.frames - wal_index_done(&a->index);

	return left > 0 && a->head.frames >= a->again &&
	    (left >= checkpoint_frames(a, APPLY_CHECKPOINT) ||
		a->head.frames >= checkpoint_frames(a, APPLY_LONG));
}

/* The -wal is long, and nearly all of it is in the file. */
static bool
restart_is_due(const struct apply *a)
{
	return a->parts == 0 && !a->running &&
	    a->head.frames >= checkpoint_frames(a, APPLY_LONG) &&
	    a->head.frames - wal_index_done(&a->index) <
	    checkpoint_frames(a, RESTART_LEFT);
}

/* At least twice what was added is copied, so the -wal is caught up with. */
void
apply_checkpoint_due(struct apply *a, uint32_t added)
{
	uint32_t slices = added * 2 / APPLY_SLICE + 1;
	struct err e;
	int r = 0;

	if (!a->running && checkpoint_is_due(a))
		checkpoint_begin(a, 0);
	for (; r == 0 && a->running && slices > 0; slices--)
		r = checkpoint_slice(a, &e);
	if (r == 0 && restart_is_due(a))
		r = checkpoint_restart(a, &e);
	if (r != 0)
		log_warnx("checkpoint: %s", e.text);
}

bool
apply_tick(struct apply *a)
{
	struct err e;

	if (!a->running &&
	    (wal_index_done(&a->index) == a->head.frames ||
		!checkpoint_begin(a, 0)))
		return false;
	if (checkpoint_slice(a, &e) != 0) {
		log_warnx("checkpoint: %s", e.text);
		return false;
	}
	return a->running;
}

int
apply_checkpoint(struct apply *a, struct err *e)
{
	int r = 0;

	/* One that began earlier may stop before what is allowed now. */
	while (r == 0 && a->running)
		r = checkpoint_slice(a, e);
	if (r == 0 && wal_index_done(&a->index) < a->head.frames)
		checkpoint_begin(a, 0);
	while (r == 0 && a->running)
		r = checkpoint_slice(a, e);
	return r;
}
