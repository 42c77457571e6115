/*
 * Damaged pages of a stream's database, written anew from its history: the
 * database as of the last commit is built beside it, every byte of which is
 * verified, and has those pages whole.
 *
 * A page that has a frame in the -wal which is not in the file yet is left
 * alone: readers of older commits look for it in the file, and the next
 * checkpoint writes it anyway. Of any other page the file had the last version,
 * and a later one can only come to it by a checkpoint: so that is held up, by
 * SQLite's own lock, while the page is looked at again and written.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history.h"
#include "page_sum.h"
#include "wal_index.h"

#define MEND_PIECE (1u << 20)
#define MEND_WAIT 100000 /* us for a checkpoint to end */

struct mend {
	struct history_job *job;
	struct wal_index index; /* for its lock, and how much is done */
	int db, wal, built;	/* wal -1: there is none */
	uint32_t size;
	bool sums; /* the database has them */
	uint8_t *page;
};

/* ---- the -wal ------------------------------------------------------------ */

/* A frame of the page, of the -wal as it began last (walformat.html 1), that no
 * checkpoint has copied yet (2.3.1). */
static bool
mend_has_frame(const struct mend *m, uint32_t number)
{
	uint8_t head[WAL_HEAD], frame[SHIP_FRAME];
	off_t at = WAL_HEAD +
	    (off_t)wal_index_peek_done(m->index.fd) *
		(off_t)wal_frame_size(m->size);

	if (m->wal < 0 || pread(m->wal, head, sizeof head, 0) != sizeof head)
		return false;
	for (; pread(m->wal, frame, sizeof frame, at) == sizeof frame;
	     at += (off_t)wal_frame_size(m->size)) {
		if (memcmp(frame + 8, head + 16, 8) != 0)
			return false; /* of one before, as are all behind it */
		if (ship_get32be(frame) == number)
			return true;
	}
	return false;
}

/* ---- one page ------------------------------------------------------------ */

/* Under the lock: 1 = written, 0 = not needed any more or not to be done. */
static int
mend_locked(struct mend *m, uint32_t number, struct err *e)
{
	uint32_t bad, has = 0;

	if (page_read(m->db, number, 1, m->page, m->size, m->sums, &bad) != 1 ||
	    bad == 0)
		return 0;
	if (mend_has_frame(m, number)) {
		m->job->left++;
		return 0;
	}
	if (page_read(m->built, number, 1, m->page, m->size, m->sums, &bad) !=
		1 ||
	    bad != 0)
		return err_set(e, ERR_ABSENT,
		    "page %u is not in what was built of the history", number);
	if (page_write(m->db, &has, number, m->page, m->size, m->sums) != 0)
		return err_errno(e, ERR_IO, "page %u", number);
	return 1;
}

static int
mend_page(struct mend *m, uint32_t number, struct err *e)
{
	int r = wal_index_lock_wait(
	    &m->index, WAL_LOCK_CHECKPOINT, 1, MEND_WAIT);

	if (r != 0)
		return err_set(e, ERR_BUSY, "a checkpoint does not end");
	r = mend_locked(m, number, e);
	wal_index_unlock(&m->index, WAL_LOCK_CHECKPOINT, 1);
	if (r == 1)
		m->job->mended++;
	return r < 0 ? r : 0;
}

/* ---- all of them --------------------------------------------------------- */

static int
mend_pages(struct mend *m, struct err *e)
{
	uint32_t n = MEND_PIECE / m->size, first = 1, bad;
	uint8_t *pages = malloc(MEND_PIECE);
	long got = n;
	int r = 0;

	if (pages == NULL)
		return err_set(e, ERR_NOMEM, "history");
	while (r == 0 && got == (long)n) {
		got = page_read(m->db, first, n, pages, m->size, m->sums, &bad);
		if (got < 0)
			r = err_errno(e, ERR_IO, "page %u", first);
		else if (bad == 0)
			first += (uint32_t)got;
		else if ((r = mend_page(m, bad, e)) == 0)
			first = bad + 1, got = n;
	}
	free(pages);
	if (r == 0 && fdatasync(m->db) != 0)
		r = err_errno(e, ERR_IO, "%s", m->job->target);
	return r;
}

/* The lock is that of the -shm, which is there when anybody has the database
 * open, and is made as SQLite would when nobody has. */
static int
mend_open(struct mend *m, struct err *e)
{
	const char *target = m->job->target;
	char beside[STREAM_PATH + 8];
	int r;

	snprintf(beside, sizeof beside, "%s-shm", target);
	if ((r = stream_path_create(beside, e)) < 0)
		return r;
	m->index.fd = open(beside, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	snprintf(beside, sizeof beside, "%s-wal", target);
	m->wal = open(beside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	m->db = open(target, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	m->built = open(m->job->path, O_RDONLY | O_CLOEXEC);
	m->page = malloc(m->size);
	m->sums = page_sum_marked(m->built);
	if (m->index.fd < 0 || m->db < 0 || m->built < 0)
		return err_errno(e, ERR_IO, "%s", target);
	return m->page != NULL ? 0 : err_set(e, ERR_NOMEM, "history");
}

static void
mend_close(struct mend *m)
{
	int fds[] = {m->index.fd, m->db, m->wal, m->built};
	size_t i;

	for (i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	free(m->page);
}

void
history_mend(struct history *h, struct history_job *job)
{
	struct mend m = {.job = job,
	    .index = {.fd = -1},
	    .db = -1,
	    .wal = -1,
	    .built = -1,
	    .size = job->stream->page_size};
	struct err e;
	int r;

	history_build(h, job);
	if (job->err.code != ERR_NONE)
		return;
	if (job->lsn != job->stream->upto)
		r = err_set(&e, ERR_ABSENT, "the history ends at LSN %llu",
		    (unsigned long long)job->lsn);
	else if ((r = mend_open(&m, &e)) == 0)
		r = mend_pages(&m, &e);
	if (r != 0)
		job->err = e;
	mend_close(&m);
	unlink(job->path);
}
