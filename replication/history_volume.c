/*
 * Volumes of the history. Numbers are little-endian, what has no meaning is
 * zero.
 *
 * A volume is a file <8 hexadecimal digits of its number>.vol:
 *   0    8  "TDMHIST1"
 *   8    4  number of the volume; later ones are higher
 *   12   4  page size; 0 = it begins with nothing
 *   16   8  LSN of the record it begins with; 0 = it begins with nothing
 *   24   8  sum of that record; 0 = not known
 *   32   8  time of that record, real clock in microseconds
 *   40   8  offset of the first record behind the base
 *   48   4  pages of the database it begins with
 *   52   4  number of the stream's file at that time
 *   56  64  zero
 *   120  8  sum of bytes 0..119
 *   128  -  entries, each:
 *     0    4  "THE1"
 *     4    4  length of the record
 *     8    8  when the ship log took the record, real clock in microseconds
 *     16   8  offset of the entry
 *     24   8  sum of bytes 0..23
 *     32   -  the record (ship_record.c)
 *
 * The base, up to the offset in the head, is PAGES records that are no part
 * of the stream: the LSN of each is the number of its first page. The records
 * behind it are those of the ship log, byte for byte: the first has the next
 * LSN and, as prev, the sum in the head. The head of a file is written last,
 * before the file gets its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "history_volume.h"
#include "page_sum.h"
#include "daemon/base/str.h"

#define VOLUME_WORD "TDMHIST1"

/* ---- bytes -------------------------------------------------------------- */

void
volume_head_put(const struct volume_head *h, uint8_t p[VOLUME_HEAD])
{
	memset(p, 0, VOLUME_HEAD);
	memcpy(p, VOLUME_WORD, 8);
	ship_put32(p + 8, h->number);
	ship_put32(p + 12, h->page_size);
	ship_put64(p + 16, h->lsn);
	ship_put64(p + 24, h->sum);
	ship_put64(p + 32, h->time);
	ship_put64(p + 40, h->records);
	ship_put32(p + 48, h->pages);
	ship_put32(p + 52, h->file);
	ship_put64(p + 120, ship_sum(0, p, 120));
}

int
volume_head_get(
    struct volume_head *h, const uint8_t p[VOLUME_HEAD], struct err *e)
{
	if (memcmp(p, VOLUME_WORD, 8) != 0 ||
	    ship_get64(p + 120) != ship_sum(0, p, 120))
		return err_set(
		    e, ERR_CORRUPT, "offset 0: damaged head of a volume");
	h->number = ship_get32(p + 8);
	h->page_size = ship_get32(p + 12);
	h->lsn = ship_get64(p + 16);
	h->sum = ship_get64(p + 24);
	h->time = ship_get64(p + 32);
	h->records = ship_get64(p + 40);
	h->pages = ship_get32(p + 48);
	h->file = ship_get32(p + 52);
	if (h->records < VOLUME_HEAD || h->records > INT64_MAX ||
	    (h->page_size != 0 && ship_part_frames(h->page_size) == 0))
		return err_set(
		    e, ERR_CORRUPT, "offset 0: head of a volume: contents");
	return 0;
}

void
volume_entry_put(
    uint8_t p[VOLUME_ENTRY], uint64_t offset, uint64_t time, size_t length)
{
	memcpy(p, "THE1", 4);
	ship_put32(p + 4, (uint32_t)length);
	ship_put64(p + 8, time);
	ship_put64(p + 16, offset);
	ship_put64(p + 24, ship_sum(0, p, 24));
}

/* False when no entry of a volume stands at the offset. */
static bool
volume_entry_get(
    struct volume_entry *entry, const uint8_t p[VOLUME_ENTRY], uint64_t offset)
{
	if (memcmp(p, "THE1", 4) != 0 || ship_get64(p + 16) != offset ||
	    ship_get64(p + 24) != ship_sum(0, p, 24))
		return false;
	entry->length = ship_get32(p + 4);
	entry->time = ship_get64(p + 8);
	return entry->length >= SHIP_HEAD && entry->length <= SHIP_RECORD_MAX &&
	    entry->length % 8 == 0;
}

/* ---- reading ------------------------------------------------------------ */

int
volume_open(struct volume_reader *v, const char *path, struct err *e)
{
	uint8_t head[VOLUME_HEAD];
	struct stat st;
	int r;

	memset(v, 0, sizeof *v);
	str_copy(v->path, sizeof v->path, path);
	v->fd = open(path, O_RDWR | O_CLOEXEC);
	if (v->fd < 0)
		return err_errno(
		    e, errno == ENOENT ? ERR_ABSENT : ERR_IO, "%s", path);
	v->bytes = malloc(SHIP_RECORD_MAX);
	if (v->bytes == NULL)
		r = err_set(e, ERR_NOMEM, "%s", path);
	else if (fstat(v->fd, &st) != 0)
		r = err_errno(e, ERR_IO, "%s", path);
	else if (pread(v->fd, head, sizeof head, 0) != sizeof head)
		r = err_set(e, ERR_CORRUPT, "%s: no head of a volume", path);
	else if ((r = volume_head_get(&v->head, head, e)) != 0)
		r = err_wrap(e, "%s", path);
	if (r != 0) {
		volume_close(v);
		return r;
	}
	v->size = (uint64_t)st.st_size;
	v->off = VOLUME_HEAD;
	return 0;
}

void
volume_close(struct volume_reader *v)
{
	if (v->fd >= 0)
		close(v->fd);
	free(v->bytes);
	v->fd = -1;
	v->bytes = NULL;
}

static int
volume_damaged(const struct volume_reader *v, struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "%s: offset %llu: %s", v->path,
	    (unsigned long long)v->off, what);
}

int
volume_next(struct volume_reader *v, struct ship_record *r, uint64_t *time,
    struct err *e)
{
	uint8_t head[VOLUME_ENTRY];
	struct volume_entry entry;

	if (v->off == v->size)
		return 0;
	if (v->size - v->off < VOLUME_ENTRY ||
	    pread(v->fd, head, sizeof head, (off_t)v->off) != sizeof head ||
	    !volume_entry_get(&entry, head, v->off) ||
	    v->size - v->off - VOLUME_ENTRY < entry.length ||
	    pread(v->fd, v->bytes, entry.length,
		(off_t)(v->off + VOLUME_ENTRY)) != (ssize_t)entry.length)
		return volume_damaged(v, e, "no entry of the history");
	if (ship_record_decode(r, v->bytes, entry.length, e) != 0)
		return err_wrap(
		    e, "%s: offset %llu", v->path, (unsigned long long)v->off);
	if (r->kind != SHIP_PAGES)
		return volume_damaged(v, e, "a record without pages");
	*time = entry.time;
	v->off += VOLUME_ENTRY + entry.length;
	return 1;
}

/* ---- writing ------------------------------------------------------------ */

long
volume_append(int fd, uint64_t offset, uint64_t time, const uint8_t *bytes,
    size_t n, struct err *e)
{
	uint8_t head[VOLUME_ENTRY];

	volume_entry_put(head, offset, time, n);
	if (disk_write(fd, head, sizeof head, offset) != 0 ||
	    disk_write(fd, bytes, n, offset + VOLUME_ENTRY) != 0)
		return err_errno(e, disk_code(), "history");
	return (long)(VOLUME_ENTRY + n);
}

/* Pages of a database as the frames that a record is made of. What is damaged
 * goes into no history. */
static int
base_frames(int db, uint32_t first, uint32_t n, uint32_t page_size,
    uint8_t *frames, struct err *e)
{
	bool sums = page_sum_marked(db);
	uint32_t i, bad;

	for (i = 0; i < n; i++) {
		uint8_t *f = frames + (size_t)i * (SHIP_FRAME + page_size);
		uint32_t page = first + i;

		memset(f, 0, SHIP_FRAME);
		f[0] = (uint8_t)(page >> 24);
		f[1] = (uint8_t)(page >> 16);
		f[2] = (uint8_t)(page >> 8);
		f[3] = (uint8_t)page;
		if (page_read(db, page, 1, f + SHIP_FRAME, page_size, sums,
			&bad) != 1)
			return err_errno(e, ERR_IO, "page %u", page);
		if (bad != 0)
			return err_set(e, ERR_CORRUPT,
			    "page %u does not fit its sum", page);
	}
	return 0;
}

/* One record of the base. */
static long
base_part(int fd, int db, const char *name, uint32_t page_size, uint32_t pages,
    uint32_t first, uint64_t off, uint8_t *frames, uint8_t *out, struct err *e)
{
	uint32_t n = ship_part_frames(page_size);
	struct ship_record r = {.kind = SHIP_PAGES, .page_size = page_size};
	long size;
	int ret;

	if (n > pages - first + 1)
		n = pages - first + 1;
	str_copy(r.name, sizeof r.name, name);
	r.lsn = first;
	r.db_pages = first + n > pages ? pages : 0;
	r.wal = (struct ship_wal){0, first, n};
	if ((ret = base_frames(db, first, n, page_size, frames, e)) != 0)
		return ret;
	size = ship_record_encode(&r, frames, n, out, SHIP_RECORD_MAX);
	if (size < 0)
		return err_set(e, ERR_INTERNAL, "record of a base");
	return volume_append(fd, off, 0, out, (size_t)size, e);
}

int64_t
volume_put_base(int fd, int db, const char *name, uint32_t page_size,
    uint32_t pages, struct err *e)
{
	uint32_t n = ship_part_frames(page_size), first;
	uint8_t *frames = malloc((size_t)n * (SHIP_FRAME + page_size));
	uint8_t *out = malloc(SHIP_RECORD_MAX);
	int64_t off = VOLUME_HEAD;
	long got = 0;

	if (frames == NULL || out == NULL)
		got = err_set(e, ERR_NOMEM, "history");
	for (first = 1; got >= 0 && first <= pages; first += n) {
		got = base_part(fd, db, name, page_size, pages, first,
		    (uint64_t)off, frames, out, e);
		if (got >= 0)
			off += got;
	}
	free(frames);
	free(out);
	return got < 0 ? got : off;
}
