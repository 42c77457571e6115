/*
 * The way back of a database whose owner was on this server and had committed
 * what no other server has. All that is void now stands in the -wal: an owner
 * checkpoints nothing that was not acknowledged (stream_checkpoint.c), and
 * what was acknowledged every next owner has. So the -wal is cut behind the
 * last commit that counts, and nothing is copied.
 *
 * A checkpoint of the owner's SQLite left pages out that it changed again
 * behind where the -wal is cut, and the frames before are said to be copied. So
 * none counts as copied any more: all are in the -wal still.
 *
 * Only of a file that an owner was the last to write that is certain; and
 * nobody may be reading what goes, which the locks of the read marks tell.
 * Killed before the new header is published, the next apply begins anew;
 * killed later, it finds the -wal ending where it should and does the rest.
 */
#include <unistd.h>

#include "apply_room.h"
#include "daemon/base/clock.h"

#define READ_1 (WAL_LOCK_READ + 1)
#define READ_MORE (WAL_INDEX_READERS - 1)
#define REWIND_WAIT (2 * CLOCK_MS) /* for readers that are there */

static off_t
rewind_at(const struct apply *a, uint32_t frame)
{
	return WAL_HEAD +
	    (off_t)(frame - 1) * (off_t)wal_frame_size(a->page_size);
}

/* Why the -wal cannot be cut behind the frame; NULL when it can. */
static const char *
rewind_refuse(const struct apply *a, const struct apply_known *k)
{
	if (k->wal.count == 0 || k->wal.salt != a->head.salt ||
	    apply_known_frame(k) >= a->head.frames)
		return "ends where nobody knows";
	if (!apply_lsn_is_owners(&a->place))
		return "was not written by an owner last";
	if (apply_known_frame(k) < wal_index_done(&a->index))
		return "has to go back, and more of it is in the database";
	return NULL;
}

/* The head of a frame. */
static int
rewind_read(const struct apply *a, uint32_t frame, uint8_t bytes[SHIP_FRAME],
    struct err *e)
{
	if (pread(a->wal, bytes, SHIP_FRAME, rewind_at(a, frame)) != SHIP_FRAME)
		return err_errno(e, ERR_IO, "%s-wal", a->path);
	return 0;
}

/* The header as it was when that frame was the last. */
static int
rewind_head(
    struct apply *a, uint32_t frame, struct wal_index_head *h, struct err *e)
{
	uint8_t bytes[SHIP_FRAME];
	int r = rewind_read(a, frame, bytes, e);

	if (r != 0)
		return r;
	if (wal_frame_commit(bytes) == 0 ||
	    wal_frame_salt(bytes) != a->head.salt)
		return err_set(e, ERR_CONFLICT,
		    "%s-wal: frame %u ends no commit", a->path, frame);
	*h = a->head;
	h->frames = frame;
	h->db_pages = wal_frame_commit(bytes);
	h->sum[0] = ship_get32be(bytes + 16);
	h->sum[1] = ship_get32be(bytes + 20);
	return 0;
}

/* A checkpoint leaves pages alone that a later commit has cut off, so where
 * the database became smaller those may be old. */
static int
rewind_look_small(
    struct apply *a, const struct wal_index_head *h, struct err *e)
{
	uint8_t bytes[SHIP_FRAME];
	uint32_t frame, pages;
	int r;

	for (frame = h->frames + 1; frame <= a->head.frames; frame++) {
		if ((r = rewind_read(a, frame, bytes, e)) != 0)
			return r;
		pages = wal_frame_commit(bytes);
		if (pages != 0 && pages < h->db_pages)
			return err_set(e, ERR_CONFLICT,
			    "%s: has to go back to where it was larger",
			    a->path);
	}
	return 0;
}

static void
rewind_marks(struct apply *a, uint32_t frame)
{
	unsigned i;

	wal_index_set_attempted(&a->index, frame);
	for (i = 1; i < WAL_INDEX_READERS; i++) {
		if (wal_index_mark(&a->index, i) > frame)
			wal_index_set_mark(
			    &a->index, i, i == 1 ? frame : WAL_INDEX_UNUSED);
	}
}

bool
apply_rewind_is_open(const struct apply *a)
{
	uint8_t bytes[SHIP_FRAME];

	return apply_lsn_is_owners(&a->place) &&
	    pread(a->wal, bytes, SHIP_FRAME,
		rewind_at(a, a->head.frames + 1)) == SHIP_FRAME &&
	    wal_frame_salt(bytes) == a->head.salt;
}

/* That the file is made short is for the recovery of a wal-index that was
 * lost: it takes whatever follows. */
int
apply_rewind_end(struct apply *a, struct err *e)
{
	if (ftruncate(a->wal, rewind_at(a, a->head.frames + 1)) != 0)
		return err_errno(e, ERR_IO, "%s-wal", a->path);
	a->rewound = true;
	return 0;
}

/* With the lock of checkpoints. */
static int
rewind_locked(struct apply *a, const struct apply_known *k, struct err *e)
{
	const char *why = rewind_refuse(a, k);
	struct wal_index_head h;
	int r;

	if (why != NULL)
		return err_set(e, ERR_CONFLICT, "%s-wal: %s, at frame %u",
		    a->path, why, a->head.frames);
	if ((r = rewind_head(a, apply_known_frame(k), &h, e)) != 0 ||
	    (r = rewind_look_small(a, &h, e)) != 0)
		return r;
	r = wal_index_lock_wait(&a->index, READ_1, READ_MORE, REWIND_WAIT);
	if (r != 0)
		return err_set(e, (enum err_code) - r,
		    "%s: is read while it has to go back", a->path);
	rewind_marks(a, h.frames);
	wal_index_set_done(&a->index, 0);
	wal_index_cut(&a->index, h.frames);
	wal_index_put(&a->index, &h);
	a->head = h;
	r = apply_rewind_end(a, e);
	wal_index_unlock(&a->index, READ_1, READ_MORE);
	return r;
}

int
apply_rewind(struct apply *a, const struct apply_known *k, struct err *e)
{
	int r;

	if (wal_index_lock(&a->index, WAL_LOCK_CHECKPOINT, 1) != 0)
		return err_set(
		    e, ERR_BUSY, "%s: another process checkpoints", a->path);
	r = rewind_locked(a, k, e);
	wal_index_unlock(&a->index, WAL_LOCK_CHECKPOINT, 1);
	return r;
}
