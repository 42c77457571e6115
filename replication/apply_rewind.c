/*
 * The way back of a database whose owner was on this server and had committed
 * what no other server has. All that is void now stands in the -wal: an owner
 * checkpoints nothing that was not acknowledged (stream_checkpoint.c), and
 * what was acknowledged every next owner has. So the -wal is cut behind the
 * last commit that counts, and nothing is copied.
 *
 * Only of a file that an owner was the last to write that is certain; and
 * nobody may be reading what goes, which the locks of the read marks tell.
 * Killed anywhere in it, the next apply finds the -wal as before, or cut.
 */
#include <unistd.h>

#include "apply_room.h"
#include "daemon/base/log.h"

#define READ_1 (WAL_LOCK_READ + 1)
#define READ_MORE (WAL_INDEX_READERS - 1)

/* The frame of a commit behind which all is to go; 0 when it is not known. */
static uint32_t
rewind_frame(const struct apply *a, const struct apply_known *k)
{
	uint32_t last = k->wal.first + k->wal.count - 1;

	if (!apply_lsn_is_owners(&a->place) || k->wal.count == 0 ||
	    k->wal.salt != a->head.salt || last >= a->head.frames ||
	    last < wal_index_done(&a->index))
		return 0;
	return last;
}

/* The header as it was when that frame was the last. */
static int
rewind_head(
    struct apply *a, uint32_t frame, struct wal_index_head *h, struct err *e)
{
	uint8_t bytes[SHIP_FRAME];
	off_t at = WAL_HEAD +
	    (off_t)(frame - 1) * (off_t)wal_frame_size(a->page_size);

	if (pread(a->wal, bytes, sizeof bytes, at) != sizeof bytes)
		return err_errno(e, ERR_IO, "%s-wal", a->path);
	if (wal_frame_commit(bytes) == 0 ||
	    wal_frame_salt(bytes) != a->head.salt)
		return -ERR_CONFLICT;
	*h = a->head;
	h->frames = frame;
	h->db_pages = wal_frame_commit(bytes);
	h->sum[0] = ship_get32be(bytes + 16);
	h->sum[1] = ship_get32be(bytes + 20);
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

/* With all locks. That the file is made short is for the recovery of a
 * wal-index that was lost: it takes whatever follows. */
static void
rewind_cut(
    struct apply *a, const struct apply_known *k, struct wal_index_head *h)
{
	off_t end = WAL_HEAD +
	    (off_t)h->frames * (off_t)wal_frame_size(a->page_size);

	apply_lsn_set(&a->place, k->lsn, h->salt, h->frames);
	rewind_marks(a, h->frames);
	wal_index_cut(&a->index, h->frames);
	wal_index_put(&a->index, h);
	if (ftruncate(a->wal, end) != 0)
		log_warn("%s-wal: cannot be made short", a->path);
	a->head = *h;
	a->lsn = k->lsn;
	a->rewound = true;
}

int
apply_rewind(struct apply *a, const struct apply_known *k, struct err *e)
{
	uint32_t frame = rewind_frame(a, k);
	struct wal_index_head h;
	int r;

	if (frame == 0)
		return -ERR_CONFLICT;
	if ((r = rewind_head(a, frame, &h, e)) != 0)
		return r;
	if (wal_index_lock(&a->index, WAL_LOCK_CHECKPOINT, 1) != 0)
		return err_set(
		    e, ERR_BUSY, "%s: another process checkpoints", a->path);
	r = wal_index_lock(&a->index, READ_1, READ_MORE);
	if (r == 0) {
		rewind_cut(a, k, &h);
		wal_index_unlock(&a->index, READ_1, READ_MORE);
	} else {
		err_set(e, (enum err_code) - r,
		    "%s: is read while it has to go back", a->path);
	}
	wal_index_unlock(&a->index, WAL_LOCK_CHECKPOINT, 1);
	return r;
}
