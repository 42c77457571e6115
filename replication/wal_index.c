/*
 * The wal-index as a file of 32 KiB regions, in the byte order of the machine:
 *
 *   0    48  header, copy 1; 48 48 copy 2:
 *            0 4 version; 8 4 change counter; 12 1 initialised; 13 1 checksums
 *            are big-endian; 14 2 page size (1 = 65536); 16 4 last frame;
 *            20 4 pages of the database; 24 8 sum of the -wal up to there;
 *            32 8 salt; 40 8 sum of the 40 bytes before
 *   96   4   nBackfill; 100 20 read marks; 120 8 locked, never written;
 *   128  4   nBackfillAttempted; 132 4 unused
 *   136  -   4062 pages of frames 1.., 4 bytes each
 *   16384 -  8192 places of a hash table, 2 bytes each: frame of the region,
 *            counted from 1; 0 = free
 *
 * Later regions have 4096 pages from their start. A reader looks for a page
 * without any lock while the tables grow behind the frame that it was shown,
 * so an entry is written page first, and published by the header's first
 * copy, the last thing written. A header whose copies differ sends readers to
 * the write lock, under which the first to come recovers the index.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stream_path.h"
#include "wal_index.h"
#include "daemon/base/clock.h"

#define VERSION 3007000
#define REGION 32768
#define HEAD 48
#define HEAD_SUMMED 40
#define INFO 136 /* header and what checkpoints need */
#define AT_DONE 96
#define AT_MARKS 100
#define AT_ATTEMPTED 128
#define TABLE 16384
#define PLACES 8192u
#define FRAMES 4096u
#define FRAMES_FIRST (FRAMES - INFO / 4)
#define HASH 383u
#define POLL_NS 50000

/* ---- locks -------------------------------------------------------------- */

static int
index_lock(int fd, short type, unsigned byte, unsigned n)
{
	struct flock lock = {
	    .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = n};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -ERR_BUSY : -ERR_IO;
}

int
wal_index_lock(const struct wal_index *ix, unsigned byte, unsigned n)
{
	return index_lock(ix->fd, F_WRLCK, byte, n);
}

/* SQLite waits for these locks by polling too: they have no queue with a
 * limit of time. */
static int
index_lock_wait(int fd, short type, unsigned byte, unsigned n, uint64_t us)
{
	struct timespec pause = {.tv_nsec = POLL_NS};
	uint64_t end = clock_mono() + us;
	int r;

	while ((r = index_lock(fd, type, byte, n)) == -ERR_BUSY &&
	    clock_mono() < end)
		nanosleep(&pause, NULL);
	return r;
}

int
wal_index_lock_wait(
    const struct wal_index *ix, unsigned byte, unsigned n, uint64_t us)
{
	return index_lock_wait(ix->fd, F_WRLCK, byte, n, us);
}

void
wal_index_unlock(const struct wal_index *ix, unsigned byte, unsigned n)
{
	index_lock(ix->fd, F_UNLCK, byte, n);
}

/* ---- regions ------------------------------------------------------------ */

static int
index_map(struct wal_index *ix, uint32_t i, struct err *e)
{
	uint8_t **more = realloc(ix->region, (i + 1) * sizeof *more);
	int bad;

	if (more == NULL)
		return err_set(e, ERR_NOMEM, "wal-index");
	ix->region = more;
	/* Blocks, not a hole: a full disk must not show as a fault. */
	if ((bad = posix_fallocate(ix->fd, 0, (off_t)(i + 1) * REGION)) != 0) {
		errno = bad;
		return err_errno(e, ERR_IO, "wal-index");
	}
	more[i] = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, ix->fd,
	    (off_t)i * REGION);
	if (more[i] == MAP_FAILED)
		return err_errno(e, ERR_IO, "wal-index");
	ix->nregions = i + 1;
	return 0;
}

/* Regions 0..i are there. */
static int
index_reach(struct wal_index *ix, uint32_t i, struct err *e)
{
	int r = 0;

	while (r == 0 && ix->nregions <= i)
		r = index_map(ix, ix->nregions, e);
	return r;
}

static uint32_t
region_of(uint32_t frame)
{
	return (frame + FRAMES - FRAMES_FIRST - 1) / FRAMES;
}

/* The frame before the first one of a region. */
static uint32_t
region_zero(uint32_t i)
{
	return i == 0 ? 0 : FRAMES_FIRST + (i - 1) * FRAMES;
}

static uint32_t
region_frames(uint32_t i)
{
	return i == 0 ? FRAMES_FIRST : FRAMES;
}

static uint32_t *
region_pages(uint8_t *region, uint32_t i)
{
	return (uint32_t *)(void *)(region + (i == 0 ? INFO : 0));
}

static uint16_t *
region_table(uint8_t *region)
{
	return (uint16_t *)(void *)(region + TABLE);
}

/* ---- tables ------------------------------------------------------------- */

/* Enter a page as frame n of the region; false when the table is no table. */
static bool
table_add(uint8_t *region, uint32_t i, uint32_t n, uint32_t page)
{
	uint16_t *table = region_table(region);
	uint32_t at = page * HASH % PLACES, left = n;

	while (table[at] != 0) {
		if (left-- == 0)
			return false;
		at = (at + 1) % PLACES;
	}
	region_pages(region, i)[n - 1] = page;
	__atomic_store_n(&table[at], (uint16_t)n, __ATOMIC_RELEASE);
	return true;
}

/* Remove what stands behind the region's frame n. */
static void
table_cut(uint8_t *region, uint32_t i, uint32_t n)
{
	uint16_t *table = region_table(region);
	uint32_t at;

	for (at = 0; at < PLACES; at++) {
		if (table[at] > n)
			__atomic_store_n(&table[at], 0, __ATOMIC_RELEASE);
	}
	memset(
	    region_pages(region, i) + n, 0, (size_t)(region_frames(i) - n) * 4);
}

int
wal_index_add(
    struct wal_index *ix, uint32_t frame, uint32_t page, struct err *e)
{
	uint32_t i = region_of(frame), n = frame - region_zero(i);
	int r = index_reach(ix, i, e);

	if (r != 0)
		return r;
	if (n == 1 || region_pages(ix->region[i], i)[n - 1] != 0)
		table_cut(ix->region[i], i, n - 1);
	if (!table_add(ix->region[i], i, n, page))
		return err_set(
		    e, ERR_CORRUPT, "wal-index: table of frame %u", frame);
	return 0;
}

void
wal_index_cut(struct wal_index *ix, uint32_t frame)
{
	uint32_t i = region_of(frame + 1);

	if (i < ix->nregions)
		table_cut(ix->region[i], i, frame - region_zero(i));
}

/* The newest frame of a page in a region, among first..last. */
static uint32_t
table_find(
    uint8_t *region, uint32_t i, uint32_t page, uint32_t first, uint32_t last)
{
	const uint16_t *table = region_table(region);
	uint32_t zero = region_zero(i), found = 0;
	uint32_t at = page * HASH % PLACES, left = PLACES, n;

	for (; (n = table[at]) != 0 && left > 0; left--) {
		if (n <= region_frames(i) && zero + n >= first &&
		    zero + n <= last && zero + n > found &&
		    region_pages(region, i)[n - 1] == page)
			found = zero + n;
		at = (at + 1) % PLACES;
	}
	return found;
}

uint32_t
wal_index_find(
    struct wal_index *ix, uint32_t page, uint32_t first, uint32_t last)
{
	uint32_t i, found = 0;

	if (last == 0 || first > last || index_reach(ix, region_of(last), NULL))
		return 0;
	for (i = region_of(last) + 1; i-- > region_of(first) && found == 0;)
		found = table_find(ix->region[i], i, page, first, last);
	return found;
}

/* ---- the header --------------------------------------------------------- */

static void
barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void
head_sum(const uint8_t *head, uint32_t sum[2])
{
	sum[0] = sum[1] = 0;
	wal_sum(sum, head, HEAD_SUMMED);
}

static bool
head_is_whole(const uint8_t *head)
{
	uint32_t sum[2];

	head_sum(head, sum);
	return head[12] != 0 && memcmp(sum, head + HEAD_SUMMED, 8) == 0;
}

int
wal_index_get(
    const struct wal_index *ix, struct wal_index_head *h, struct err *e)
{
	uint8_t a[HEAD], b[HEAD];
	uint32_t version;
	uint16_t size;

	memcpy(a, ix->region[0], HEAD);
	barrier();
	memcpy(b, ix->region[0] + HEAD, HEAD);
	if (memcmp(a, b, HEAD) != 0 || !head_is_whole(a))
		return err_set(e, ERR_ABSENT, "wal-index without a header");
	memcpy(&version, a, 4);
	if (version != VERSION ||
	    a[13] != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
		return err_set(e, ERR_CORRUPT,
		    "wal-index of version %u, not %u", version, VERSION);
	memcpy(&h->change, a + 8, 4);
	memcpy(&size, a + 14, 2);
	h->page_size = (size & 0xfe00u) + ((size & 1u) << 16);
	memcpy(&h->frames, a + 16, 4);
	memcpy(&h->db_pages, a + 20, 4);
	memcpy(h->sum, a + 24, 8);
	memcpy(&h->salt, a + 32, 8);
	return 0;
}

void
wal_index_put(struct wal_index *ix, struct wal_index_head *h)
{
	uint16_t size = (uint16_t)(h->page_size & 0xff00) |
	    (uint16_t)(h->page_size >> 16);
	uint32_t version = VERSION, sum[2];
	uint8_t a[HEAD] = {0};

	h->change++;
	memcpy(a, &version, 4);
	memcpy(a + 8, &h->change, 4);
	a[12] = 1;
	a[13] = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	memcpy(a + 14, &size, 2);
	memcpy(a + 16, &h->frames, 4);
	memcpy(a + 20, &h->db_pages, 4);
	memcpy(a + 24, h->sum, 8);
	memcpy(a + 32, &h->salt, 8);
	head_sum(a, sum);
	memcpy(a + HEAD_SUMMED, sum, 8);
	barrier();
	memcpy(ix->region[0] + HEAD, a, HEAD);
	barrier();
	memcpy(ix->region[0], a, HEAD);
}

static uint32_t *
index_word(const struct wal_index *ix, unsigned at)
{
	return (uint32_t *)(void *)(ix->region[0] + at);
}

uint32_t
wal_index_done(const struct wal_index *ix)
{
	return __atomic_load_n(index_word(ix, AT_DONE), __ATOMIC_SEQ_CST);
}

uint32_t
wal_index_peek_done(int fd)
{
	uint32_t frame;

	return pread(fd, &frame, sizeof frame, AT_DONE) == sizeof frame ? frame
									: 0;
}

void
wal_index_set_done(struct wal_index *ix, uint32_t frame)
{
	__atomic_store_n(index_word(ix, AT_DONE), frame, __ATOMIC_SEQ_CST);
}

void
wal_index_set_attempted(struct wal_index *ix, uint32_t frame)
{
	__atomic_store_n(index_word(ix, AT_ATTEMPTED), frame, __ATOMIC_SEQ_CST);
}

uint32_t
wal_index_mark(const struct wal_index *ix, unsigned i)
{
	return __atomic_load_n(
	    index_word(ix, AT_MARKS + 4 * i), __ATOMIC_SEQ_CST);
}

void
wal_index_set_mark(struct wal_index *ix, unsigned i, uint32_t frame)
{
	__atomic_store_n(
	    index_word(ix, AT_MARKS + 4 * i), frame, __ATOMIC_SEQ_CST);
}

/* ---- opening and closing ------------------------------------------------ */

/*
 * Attach: whoever has the byte alone is the first, and begins the file anew;
 * as long as anybody shares it nobody else does.
 */
static int
index_attach(struct wal_index *ix)
{
	int r = index_lock(ix->fd, F_WRLCK, WAL_LOCK_ATTACHED, 1);

	if (r == 0 && ftruncate(ix->fd, 0) != 0)
		return -ERR_IO;
	if (r == 0 || r == -ERR_BUSY)
		r = index_lock_wait(
		    ix->fd, F_WRLCK, WAL_LOCK_WRITE, 1, WAL_INDEX_WAIT);
	if (r == 0)
		r = index_lock_wait(
		    ix->fd, F_RDLCK, WAL_LOCK_ATTACHED, 1, WAL_INDEX_WAIT);
	return r;
}

int
wal_index_open(struct wal_index *ix, const char *path, struct err *e)
{
	int r;

	*ix = (struct wal_index){.fd = -1};
	if ((r = stream_path_create(path, e)) < 0)
		return r;
	ix->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (ix->fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	r = index_attach(ix);
	if (r == -ERR_BUSY)
		err_set(e, ERR_BUSY, "%s: another process writes", path);
	else if (r != 0)
		err_errno(e, ERR_IO, "%s", path);
	else
		r = index_reach(ix, 0, e);
	if (r != 0)
		wal_index_close(ix);
	return r;
}

void
wal_index_close(struct wal_index *ix)
{
	uint32_t i;

	for (i = 0; i < ix->nregions; i++)
		munmap(ix->region[i], REGION);
	free(ix->region);
	if (ix->fd >= 0)
		close(ix->fd);
	*ix = (struct wal_index){.fd = -1};
}

/* ---- all of it anew ----------------------------------------------------- */

/* One region is built apart and copied as a whole: readers of older commits
 * find the same entries before, meanwhile and after. */
static int
build_region(struct wal_index *ix, uint32_t i, const uint32_t *page,
    uint32_t frames, uint8_t *apart, struct err *e)
{
	uint32_t zero = region_zero(i), n;
	size_t from = i == 0 ? INFO : 0;
	int r = index_reach(ix, i, e);

	if (r != 0)
		return r;
	memset(apart, 0, REGION);
	for (n = 1; n <= region_frames(i) && zero + n <= frames; n++)
		table_add(apart, i, n, page[zero + n - 1]);
	memcpy(ix->region[i] + from, apart + from, REGION - from);
	return 0;
}

int
wal_index_build(
    struct wal_index *ix, const uint32_t *page, uint32_t frames, struct err *e)
{
	uint8_t *apart = aligned_alloc(64, REGION);
	uint32_t i;
	int r = 0;

	if (apart == NULL)
		return err_set(e, ERR_NOMEM, "wal-index");
	for (i = 0; r == 0 && i <= region_of(frames); i++)
		r = build_region(ix, i, page, frames, apart, e);
	free(apart);
	return r;
}
