/*
 * Records into the -wal of a follower's database. The order is the law: the
 * place where the commit will end goes to the -lsn file, its frames to the
 * -wal, their pages to the tables of the wal-index, and then the header of the
 * index, which shows the commit to readers. A kill between any two leaves
 * either the commit before or this one, with its LSN.
 *
 * Nothing but the header changes what readers see, so a record that failed
 * half-way leaves nothing behind but bytes to be written over.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "apply_room.h"
#include "daemon/base/mem.h"

#define BATCH 64 /* frames written with one call */

/* ---- frames ------------------------------------------------------------- */

static uint32_t
apply_tail(const struct apply *a)
{
	return a->head.frames + a->parts;
}

/* Frames of pages from..to-1 of a record; sum goes on over them. */
static int
apply_write(struct apply *a, const struct ship_record *r, uint32_t from,
    uint32_t to, uint32_t sum[2])
{
	size_t size = wal_frame_size(a->page_size);
	uint8_t head[BATCH][SHIP_FRAME];
	struct iovec iov[BATCH * 2];
	uint32_t i, n = to - from;

	for (i = 0; i < n; i++) {
		const uint8_t *page = r->pages +
		    (size_t)(from + i) * a->page_size;
		bool last = from + i + 1 == r->npages;

		wal_frame_put(head[i], ship_record_page(r, from + i),
		    last ? r->db_pages : 0, a->head.salt, page, a->page_size,
		    sum);
		iov[i * 2] = (struct iovec){head[i], SHIP_FRAME};
		iov[i * 2 + 1] = (struct iovec){
		    (void *)(uintptr_t)page, a->page_size};
	}
	if (pwritev(a->wal, iov, (int)n * 2,
		WAL_HEAD + (off_t)size * (apply_tail(a) + from)) ==
	    (ssize_t)(size * n))
		return 0;
	return -ERR_IO;
}

static int
apply_frames(struct apply *a, const struct ship_record *r, uint32_t sum[2],
    struct err *e)
{
	uint32_t i, n;
	int ret;

	errno = ENOSPC; /* what a short write means */
	for (i = 0; i < r->npages; i += n) {
		n = r->npages - i < BATCH ? r->npages - i : BATCH;
		if (apply_write(a, r, i, i + n, sum) != 0)
			return err_errno(e, ERR_IO, "%s-wal", a->path);
	}
	for (i = 0; i < r->npages; i++) {
		ret = wal_index_add(&a->index, apply_tail(a) + i + 1,
		    ship_record_page(r, i), e);
		if (ret != 0)
			return err_wrap(e, "%s", a->path);
	}
	return 0;
}

/* ---- commits ------------------------------------------------------------ */

static int
apply_check(const struct apply *a, const struct ship_record *r, struct err *e)
{
	if (r->kind != SHIP_PAGES || r->npages == 0 ||
	    r->page_size != a->page_size)
		return err_set(e, ERR_INVALID,
		    "%s: record %llu: %u pages of %u bytes, not of %u", a->path,
		    (unsigned long long)r->lsn, r->npages, r->page_size,
		    a->page_size);
	if (r->lsn != a->parts_lsn + 1 && r->lsn != a->lsn + 1)
		return err_set(e, ERR_CONFLICT,
		    "%s: record %llu, the file has %llu", a->path,
		    (unsigned long long)r->lsn, (unsigned long long)a->lsn);
	if (apply_tail(a) > UINT32_MAX / 2)
		return err_set(e, ERR_FULL, "%s-wal", a->path);
	return 0;
}

static void
apply_publish(struct apply *a, uint32_t db_pages)
{
	a->head.frames += a->parts;
	a->head.db_pages = db_pages;
	a->head.sum[0] = a->parts_sum[0];
	a->head.sum[1] = a->parts_sum[1];
	wal_index_put(&a->index, &a->head);
	apply_lsn_done(&a->place);
	a->lsn = a->parts_lsn;
	a->parts = 0;
}

int
apply_pages(struct apply *a, const struct ship_record *r, struct err *e)
{
	uint32_t sum[2];
	int ret = apply_check(a, r, e);

	if (ret != 0 || (a->headless && (ret = apply_put_head(a, e)) != 0))
		return ret;
	if (r->lsn != a->parts_lsn + 1)
		apply_drop_parts(a);
	sum[0] = a->parts_sum[0];
	sum[1] = a->parts_sum[1];
	if (r->db_pages != 0)
		apply_lsn_ahead(
		    &a->place, r->lsn, a->head.salt, apply_tail(a) + r->npages);
	if ((ret = apply_frames(a, r, sum, e)) != 0)
		return ret;
	a->parts += r->npages;
	a->parts_lsn = r->lsn;
	a->parts_sum[0] = sum[0];
	a->parts_sum[1] = sum[1];
	if (r->db_pages != 0)
		apply_publish(a, r->db_pages);
	apply_checkpoint_due(a, r->npages);
	return 0;
}

void
apply_drop_parts(struct apply *a)
{
	wal_index_cut(&a->index, a->head.frames);
	a->parts = 0;
	a->parts_lsn = a->lsn;
	a->parts_sum[0] = a->head.sum[0];
	a->parts_sum[1] = a->head.sum[1];
}

/* ---- where it stands ---------------------------------------------------- */

bool
apply_rewound(const struct apply *a)
{
	return a->rewound;
}

uint64_t
apply_lsn(const struct apply *a)
{
	return a->lsn;
}

uint64_t
apply_written(const struct apply *a)
{
	return a->written;
}

void
apply_status(const struct apply *a, struct apply_status *s)
{
	struct stat st;

	*s = (struct apply_status){.lsn = a->lsn,
	    .written = a->written,
	    .wal = {a->head.salt, a->head.frames, wal_index_done(&a->index),
		a->page_size, a->head.db_pages},
	    .parts = a->parts};
	if (fstat(a->wal, &st) == 0)
		s->wal_bytes = (uint64_t)st.st_size;
}

struct ship_wal
apply_place(const struct apply *a)
{
	return (struct ship_wal){a->head.salt, 1, a->head.frames};
}
