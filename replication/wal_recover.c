/*
 * Recovery of a wal-index from the -wal, and the bytes of a -wal
 * (fileformat2.html#walformat). Numbers are big-endian:
 *
 *   0   4  0x377f0682; 0x377f0683 where checksums are of big-endian words
 *   4   4  version, 3007000
 *   8   4  page size
 *   12  4  a count of checkpoints, which nobody reads
 *   16  8  salt: another one each time that the -wal begins anew
 *   24  8  checksum of the 24 bytes before
 *   32  -  frames: 4 page; 4 pages of the database where the frame ends a
 *          commit, else 0; 8 salt; 8 checksum, going on from that before, of
 *          the first 8 bytes and the page; then the page
 *
 * Frames of another salt or checksum are what earlier rounds left behind. A
 * -wal of the other byte order was made on another machine and is refused.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wal_index.h"

#define MAGIC (0x377f0682u | (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
#define VERSION 3007000
#define SUMMED 24 /* bytes of the header */

static void
put32be(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void
wal_sum(uint32_t sum[2], const uint8_t *p, size_t n)
{
	uint32_t a = sum[0], b = sum[1], word[2];

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(word, p, 8);
		a += word[0] + b;
		b += word[1] + a;
	}
	sum[0] = a;
	sum[1] = b;
}

void
wal_head_put(
    uint8_t out[WAL_HEAD], uint32_t page_size, uint64_t salt, uint32_t sum[2])
{
	put32be(out, MAGIC);
	put32be(out + 4, VERSION);
	put32be(out + 8, page_size);
	put32be(out + 12, 0);
	memcpy(out + 16, &salt, 8);
	sum[0] = sum[1] = 0;
	wal_sum(sum, out, SUMMED);
	put32be(out + 24, sum[0]);
	put32be(out + 28, sum[1]);
}

int
wal_head_get(const uint8_t in[WAL_HEAD], uint32_t *page_size, uint64_t *salt,
    uint32_t sum[2], struct err *e)
{
	uint32_t magic = ship_get32be(in), size = ship_get32be(in + 8);

	if ((magic | 1) != (MAGIC | 1) || ship_part_frames(size) == 0)
		return err_set(e, ERR_ABSENT, "-wal without a header");
	if (magic != MAGIC)
		return err_set(e, ERR_CORRUPT, "-wal of another byte order");
	sum[0] = sum[1] = 0;
	wal_sum(sum, in, SUMMED);
	if (ship_get32be(in + 24) != sum[0] || ship_get32be(in + 28) != sum[1])
		return err_set(e, ERR_ABSENT, "-wal without a header");
	if (ship_get32be(in + 4) != VERSION)
		return err_set(e, ERR_CORRUPT, "-wal of version %u, not %u",
		    ship_get32be(in + 4), VERSION);
	*page_size = size;
	memcpy(salt, in + 16, 8);
	return 0;
}

void
wal_frame_put(uint8_t out[SHIP_FRAME], uint32_t page, uint32_t db_pages,
    uint64_t salt, const uint8_t *data, uint32_t page_size, uint32_t sum[2])
{
	put32be(out, page);
	put32be(out + 4, db_pages);
	memcpy(out + 8, &salt, 8);
	wal_sum(sum, out, 8);
	wal_sum(sum, data, page_size);
	put32be(out + 16, sum[0]);
	put32be(out + 20, sum[1]);
}

/* ---- recovery ----------------------------------------------------------- */

/* What a -wal holds up to its last whole commit. */
struct scan {
	int fd;
	struct wal_index_head head;
	uint32_t *page; /* of frame i + 1 */
	uint8_t *frames;
};

/* Take frames first.. (n of them): false at the first that does not belong. */
static bool
scan_frames(struct scan *s, uint32_t first, uint32_t n, uint32_t sum[2])
{
	uint32_t size = s->head.page_size, i;
	const uint8_t *f = s->frames;

	for (i = 0; i < n; i++, f += wal_frame_size(size)) {
		if (wal_frame_salt(f) != s->head.salt || ship_get32be(f) == 0)
			return false;
		wal_sum(sum, f, 8);
		wal_sum(sum, f + SHIP_FRAME, size);
		if (ship_get32be(f + 16) != sum[0] ||
		    ship_get32be(f + 20) != sum[1])
			return false;
		s->page[first + i - 1] = ship_get32be(f);
		if (wal_frame_commit(f) == 0)
			continue;
		s->head.frames = first + i;
		s->head.db_pages = wal_frame_commit(f);
		s->head.sum[0] = sum[0];
		s->head.sum[1] = sum[1];
	}
	return true;
}

static int
scan_all(struct scan *s, uint32_t nframes, struct err *e)
{
	size_t size = wal_frame_size(s->head.page_size);
	uint32_t chunk = (1u << 18) / (uint32_t)size + 1, at, n;
	uint32_t sum[2] = {s->head.sum[0], s->head.sum[1]};
	int r;

	s->page = malloc((size_t)nframes * sizeof *s->page);
	s->frames = malloc(chunk * size);
	if (s->page == NULL || s->frames == NULL)
		return err_set(e, ERR_NOMEM, "-wal of %u frames", nframes);
	for (at = 1; at <= nframes; at += n) {
		n = nframes - at + 1 < chunk ? nframes - at + 1 : chunk;
		if ((r = wal_read(
			 s->fd, s->head.page_size, at, n, s->frames, e)) != 0)
			return r;
		if (!scan_frames(s, at, n, sum))
			return 0;
	}
	return 0;
}

static int
scan_wal(struct scan *s, struct err *e)
{
	uint8_t head[WAL_HEAD];
	struct stat st;
	uint64_t n;
	int r;

	if (fstat(s->fd, &st) != 0)
		return err_errno(e, ERR_IO, "-wal");
	if (st.st_size < WAL_HEAD)
		return 0;
	if (pread(s->fd, head, WAL_HEAD, 0) != WAL_HEAD)
		return err_errno(e, ERR_IO, "-wal");
	r = wal_head_get(
	    head, &s->head.page_size, &s->head.salt, s->head.sum, e);
	if (r != 0)
		return r == -ERR_ABSENT ? 0 : r;
	n = (uint64_t)(st.st_size - WAL_HEAD) /
	    wal_frame_size(s->head.page_size);
	if (n > UINT32_MAX / 2)
		return err_set(e, ERR_CORRUPT, "-wal of %llu frames",
		    (unsigned long long)n);
	return n > 0 ? scan_all(s, (uint32_t)n, e) : 0;
}

/* Readers that hold a mark keep it; the marks of nobody begin anew. */
static void
recover_marks(struct wal_index *ix, uint32_t frames)
{
	unsigned i;

	wal_index_set_done(ix, 0);
	wal_index_set_attempted(ix, frames);
	wal_index_set_mark(ix, 0, 0);
	for (i = 1; i < WAL_INDEX_READERS; i++) {
		if (wal_index_lock(ix, WAL_LOCK_READ + i, 1) != 0)
			continue;
		wal_index_set_mark(
		    ix, i, i == 1 && frames > 0 ? frames : WAL_INDEX_UNUSED);
		wal_index_unlock(ix, WAL_LOCK_READ + i, 1);
	}
}

static int
recover_locked(struct wal_index *ix, struct scan *s, struct err *e)
{
	int r;

	if ((r = scan_wal(s, e)) != 0 ||
	    (r = wal_index_build(ix, s->page, s->head.frames, e)) != 0)
		return r;
	wal_index_put(ix, &s->head);
	recover_marks(ix, s->head.frames);
	return 0;
}

int
wal_index_recover(struct wal_index *ix, int wal_fd, struct err *e)
{
	struct scan s = {.fd = wal_fd};
	int r = wal_index_lock_wait(ix, WAL_LOCK_CHECKPOINT, 2, WAL_INDEX_WAIT);

	if (r != 0)
		return err_set(e, (enum err_code) - r,
		    "wal-index: another process recovers or checkpoints");
	r = recover_locked(ix, &s, e);
	wal_index_unlock(ix, WAL_LOCK_CHECKPOINT, 2);
	free(s.page);
	free(s.frames);
	return r;
}
