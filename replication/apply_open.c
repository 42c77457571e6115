/*
 * How an apply comes to the files of a stream, and leaves them.
 *
 * The database file is never empty while there is a -wal: SQLite, opening an
 * empty one, would remove the -wal. So a new file begins with page 1 of an
 * empty database in WAL mode, written at once.
 *
 * Everybody's locks are honoured: a lock like a reader's on the database (of
 * the bytes of fileformat2's SHARED range), so that no connection takes itself
 * for the last one and removes -wal and -shm; the write lock of the wal-index
 * as long as the apply lives, so that nobody else writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define SHARED_FIRST 0x40000002
#define SHARED_SIZE 510
#define PAGE1_HEAD 100

/* ---- the database file -------------------------------------------------- */

/* Page 1 of a database without tables, as SQLite makes it. */
static void
open_page1(uint8_t *page, uint32_t size)
{
	static const uint8_t head[PAGE1_HEAD] = {'S', 'Q', 'L', 'i', 't', 'e',
	    ' ', 'f', 'o', 'r', 'm', 'a', 't', ' ', '3', 0,
	    /* WAL mode for writers and readers; payload fractions */
	    [18] = 2, [19] = 2, [21] = 64, [22] = 32, [23] = 32,
	    /* change counter, pages, version-valid-for */
	    [27] = 1, [31] = 1, [95] = 1};
	uint32_t start = size == SHIP_PAGE_MAX ? 0 : size;

	memset(page, 0, size);
	memcpy(page, head, sizeof head);
	page[16] = (uint8_t)(size >> 8);
	page[17] = (uint8_t)(size >> 16);
	page[PAGE1_HEAD] = 13; /* a leaf of a table without rows */
	page[PAGE1_HEAD + 5] = (uint8_t)(start >> 8);
	page[PAGE1_HEAD + 6] = (uint8_t)start;
}

static int
open_begin_db(struct apply *a, struct err *e)
{
	uint8_t *page = malloc(a->page_size);
	ssize_t n;

	if (page == NULL)
		return err_set(e, ERR_NOMEM, "%s", a->path);
	open_page1(page, a->page_size);
	n = pwrite(a->db, page, a->page_size, 0);
	free(page);
	if (n == (ssize_t)a->page_size)
		return 0;
	if (n > 0 && ftruncate(a->db, 0) == 0)
		errno = ENOSPC;
	return err_errno(e, ERR_IO, "%s", a->path);
}

/* It is a database in WAL mode whose pages have the stream's size. */
static int
open_check_db(struct apply *a, struct err *e)
{
	uint8_t head[PAGE1_HEAD];
	uint32_t size;

	if (pread(a->db, head, sizeof head, 0) != sizeof head ||
	    memcmp(head, "SQLite format 3", 16) != 0)
		return err_set(e, ERR_CORRUPT, "%s: no database", a->path);
	size = (uint32_t)head[16] << 8 | (uint32_t)head[17] << 16;
	if (size != a->page_size)
		return err_set(e, ERR_INVALID,
		    "%s: pages of %u bytes, the stream has %u", a->path, size,
		    a->page_size);
	if (head[18] != 2 || head[19] != 2)
		return err_set(e, ERR_INVALID, "%s: not in WAL mode", a->path);
	return 0;
}

static int
open_lock_db(struct apply *a, struct err *e)
{
	struct flock lock = {.l_type = F_RDLCK,
	    .l_whence = SEEK_SET,
	    .l_start = SHARED_FIRST,
	    .l_len = SHARED_SIZE};

	if (fcntl(a->db, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(
		    e, ERR_BUSY, "%s: another process closes it", a->path);
	return err_errno(e, ERR_IO, "%s: lock", a->path);
}

/* True when the file behind the path is there and not empty. */
static bool
open_has(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

static int
open_db(struct apply *a, const char *wal, struct err *e)
{
	struct stat st;
	int r;

	if ((r = stream_path_create(a->path, e)) < 0)
		return r;
	a->db = open(a->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (a->db < 0 || fstat(a->db, &st) != 0)
		return err_errno(e, ERR_IO, "%s", a->path);
	if ((r = open_lock_db(a, e)) != 0)
		return r;
	if (st.st_size == 0) {
		if (open_has(wal))
			return err_set(
			    e, ERR_CORRUPT, "%s: empty with a -wal", a->path);
		if ((r = open_begin_db(a, e)) != 0)
			return r;
	}
	return open_check_db(a, e);
}

/* ---- the -wal ----------------------------------------------------------- */

static int
open_file(const char *path, int *fd, struct err *e)
{
	int r = stream_path_create(path, e);

	if (r < 0)
		return r;
	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? err_errno(e, ERR_IO, "%s", path) : 0;
}

int
apply_put_head(struct apply *a, struct err *e)
{
	uint8_t head[WAL_HEAD];
	uint32_t sum[2];

	wal_head_put(head, a->page_size, a->head.salt, sum);
	if (pwrite(a->wal, head, sizeof head, 0) != sizeof head)
		return err_errno(e, ERR_IO, "%s-wal", a->path);
	a->headless = false;
	return 0;
}

/* Until the header is written the -wal is the one before, all of it in the
 * database: what its recovery finds is the same commit. */
int
apply_begin_wal(struct apply *a, struct err *e)
{
	uint8_t head[WAL_HEAD];
	uint64_t salt;

	rand_bytes(&salt, sizeof salt);
	apply_lsn_ahead(&a->place, a->lsn, salt, 0);
	a->headless = true;
	a->head.frames = 0;
	a->head.salt = salt;
	a->head.page_size = a->page_size;
	wal_head_put(head, a->page_size, salt, a->head.sum);
	wal_index_put(&a->index, &a->head);
	wal_index_set_done(&a->index, 0);
	wal_index_set_attempted(&a->index, 0);
	apply_lsn_done(&a->place);
	a->again = 0;
	apply_drop_parts(a);
	return apply_put_head(a, e);
}

/* What the -wal's own header says; no salt when it has none. */
static int
open_wal_head(struct apply *a, struct wal_index_head *h, struct err *e)
{
	uint8_t head[WAL_HEAD];
	int r;

	memset(h, 0, sizeof *h);
	if (pread(a->wal, head, sizeof head, 0) != sizeof head)
		return 0;
	r = wal_head_get(head, &h->page_size, &h->salt, h->sum, e);
	return r == -ERR_ABSENT ? 0 : r;
}

/* The wal-index and the -wal belong together, and to the stream. */
static int
open_check_wal(
    struct apply *a, const struct wal_index_head *file, struct err *e)
{
	struct stat st;

	if (a->head.frames == 0)
		return 0;
	if (a->head.page_size != a->page_size)
		return err_set(e, ERR_INVALID,
		    "%s-wal: pages of %u bytes, the stream has %u", a->path,
		    a->head.page_size, a->page_size);
	if (fstat(a->wal, &st) != 0)
		return err_errno(e, ERR_IO, "%s-wal", a->path);
	if (file->salt != a->head.salt ||
	    file->page_size != a->head.page_size ||
	    wal_index_done(&a->index) > a->head.frames ||
	    (uint64_t)st.st_size < WAL_HEAD +
		    a->head.frames * (uint64_t)wal_frame_size(a->page_size))
		return err_set(e, ERR_CORRUPT,
		    "%s-wal: not what its wal-index says", a->path);
	return 0;
}

static int
open_index(struct apply *a, struct err *e)
{
	int r = wal_index_get(&a->index, &a->head, e);

	if (r != -ERR_ABSENT)
		return r;
	if ((r = wal_index_recover(&a->index, a->wal, e)) != 0)
		return r;
	return wal_index_get(&a->index, &a->head, e);
}

/* ---- which LSN it is ---------------------------------------------------- */

static bool
known_is(const struct apply *a, const struct apply_known *k)
{
	return a->head.frames > 0 && k->wal.salt == a->head.salt &&
	    apply_known_frame(k) == a->head.frames;
}

/* Without frames: that of all that was applied, or that a local owner left.
 * The -wal of one who left more than counts must be there. */
static int
open_place_bare(struct apply *a, const struct apply_known *k, struct err *e)
{
	int r = apply_lsn_last(&a->place, &a->lsn);

	if (r == 0)
		return 0;
	if (r == -ERR_ABSENT && !k->back) {
		a->lsn = k->lsn;
		return 0;
	}
	return err_set(e, ERR_CONFLICT,
	    k->back ? "%s-wal: is gone, and what is void with it"
		    : "%s-wal: was at one of two LSNs",
	    a->path);
}

/* The -lsn file knows, or the log; what the log knows of is all that counts.
 * From now on the files are this apply's. */
static int
open_place(struct apply *a, const struct apply_known *k,
    const struct wal_index_head *file, struct err *e)
{
	uint32_t frames = a->head.frames;
	int r = 0;

	if (apply_lsn_find(&a->place, a->head.salt, frames, &a->lsn) ||
	    (frames == 0 && file->page_size != 0 &&
		apply_lsn_find(&a->place, file->salt, 0, &a->lsn))) {
		if (apply_lsn_is_owners(&a->place) && frames > 0)
			apply_lsn_set(&a->place, a->lsn, a->head.salt, frames);
		return 0;
	}
	if (frames == 0)
		return open_place_bare(a, k, e);
	if (!known_is(a, k))
		r = apply_rewind(a, k, e);
	else if (apply_rewind_is_open(a)) /* killed on the way back */
		r = apply_rewind_end(a, e);
	if (r != 0)
		return r;
	a->lsn = k->lsn;
	apply_lsn_set(&a->place, a->lsn, a->head.salt, a->head.frames);
	return 0;
}

/* Without frames the -wal begins anew at once, so that its salt is known. */
static int
open_begin(struct apply *a, struct err *e)
{
	int r = 0;

	if (a->head.frames == 0) {
		apply_lsn_set(&a->place, a->lsn, a->head.salt, 0);
		r = apply_begin_wal(a, e);
	}
	apply_drop_parts(a);
	if (wal_index_done(&a->index) == a->head.frames)
		a->written = a->lsn;
	a->target = a->head.frames;
	a->target_lsn = a->lsn;
	return r;
}

/* ---- the door ----------------------------------------------------------- */

static int
open_all(struct apply *a, const struct apply_known *k, struct err *e)
{
	char more[STREAM_PATH + 8];
	struct wal_index_head file;
	int r;

	snprintf(more, sizeof more, "%s-wal", a->path);
	if ((r = open_db(a, more, e)) != 0)
		return r;
	snprintf(more, sizeof more, "%s-shm", a->path);
	if ((r = wal_index_open(&a->index, more, e)) != 0)
		return r;
	snprintf(more, sizeof more, "%s-wal", a->path);
	if ((r = open_file(more, &a->wal, e)) != 0)
		return r;
	snprintf(more, sizeof more, "%s" APPLY_SIDECAR, a->path);
	if ((r = apply_lsn_open(&a->place, more, e)) != 0 ||
	    (r = open_index(a, e)) != 0 ||
	    (r = open_wal_head(a, &file, e)) != 0 ||
	    (r = open_check_wal(a, &file, e)) != 0 ||
	    (r = open_place(a, k, &file, e)) != 0)
		return r;
	return open_begin(a, e);
}

int
apply_open(const char *path, uint32_t page_size, const struct apply_known *k,
    struct apply **out, struct err *e)
{
	struct apply *a;
	int r;

	if (ship_part_frames(page_size) == 0)
		return err_set(
		    e, ERR_INVALID, "%s: pages of %u bytes", path, page_size);
	if ((a = calloc(1, sizeof *a)) == NULL)
		return err_set(e, ERR_NOMEM, "%s", path);
	a->magic = APPLY_MAGIC;
	a->db = a->wal = a->index.fd = -1;
	a->page_size = page_size;
	if (!str_copy(a->path, sizeof a->path - 8, path))
		r = err_set(e, ERR_TOOBIG, "%s", path);
	else
		r = open_all(a, k, e);
	if (r != 0)
		apply_close(&a);
	*out = a;
	return r;
}

bool
apply_is_unlinked(const struct apply *a)
{
	const int fds[] = {a->db, a->wal, a->index.fd};
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (fstat(fds[i], &st) == 0 && st.st_nlink == 0)
			return true;
	}
	return false;
}

void
apply_close(struct apply **ap)
{
	struct apply *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	if (a->parts > 0)
		apply_drop_parts(a);
	apply_checkpoint_stop(a);
	/* The locks of the index go last: until then nobody is the first. */
	apply_lsn_close(&a->place);
	if (a->wal >= 0)
		close(a->wal);
	wal_index_close(&a->index);
	if (a->db >= 0)
		close(a->db);
	free(a);
}

int
apply_hand_over_file(const char *path, struct err *e)
{
	char sidecar[STREAM_PATH + 8];
	struct apply_lsn place;
	int r;

	snprintf(sidecar, sizeof sidecar, "%.400s" APPLY_SIDECAR, path);
	if ((r = apply_lsn_open(&place, sidecar, e)) != 0)
		return r;
	apply_lsn_hand_over(&place);
	apply_lsn_close(&place);
	return 0;
}

void
apply_hand_over(struct apply **ap)
{
	if (*ap != NULL)
		apply_lsn_hand_over(&(*ap)->place);
	apply_close(ap);
}
