/*
 * A ring of records in a mapped file.
 *
 * Layout, in the byte order of the machine (the file never leaves it):
 *     0   8  "TDMRING1"
 *     8   8  size of the data, a power of two
 *    16   8  random, another for every file
 *    64   8  head: bytes ever written, whole records only
 *    72   8  edge: bytes ever begun; what lies below edge - size is gone
 *    80   8  number of the next record
 *   128   8  taken: what lies below is safe elsewhere; the reader's
 *   136   8  number of the record there
 *   192 512  marks: for each 64th of the data, the place of the first record
 *            that began in it last
 *  4096   -  data: records, each at a multiple of 16
 * A place is a count of bytes since the ring began; its byte is data[place %
 * size]. A record does not go round the end: a filler stands there. Each has
 *     0   4  bytes to the next one
 *     4   4  bytes that it holds; 2^32 - 1 = a filler
 *     8   8  its number, one higher than that of the one before
 *    16   -  what it holds
 *
 * The writer moves the edge before it writes and the head when it has. A
 * reader copies, then looks whether the edge has gone past what it copied. A
 * writer that died inside a record has moved the edge only: the next process
 * goes on at the head. The blocks of the file are taken at the beginning, or a
 * full disk would kill the writer in the middle of a message.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring.h"
#include "daemon/base/str.h"

#define RING_WORD "TDMRING1"
#define RING_MARKS 64
#define RING_HEAD 16 /* of a record */
#define RING_DATA 4096
#define RING_FILLER UINT32_MAX

struct ring_file {
	char word[8];
	uint64_t size, birth;
	uint64_t unused[5];
	_Atomic uint64_t head, edge, number;
	uint64_t unused2[5];
	_Atomic uint64_t taken, taken_number;
	uint64_t unused3[6];
	_Atomic uint64_t mark[RING_MARKS];
};
static_assert(offsetof(struct ring_file, head) == 64, "as documented");
static_assert(offsetof(struct ring_file, taken) == 128, "as documented");
static_assert(offsetof(struct ring_file, mark) == 192, "as documented");

struct ring_record {
	uint32_t whole, n;
	uint64_t number;
};
static_assert(sizeof(struct ring_record) == RING_HEAD, "as documented");

/* What the writer counts with is its own: nobody who has the file mapped can
 * make it write elsewhere. */
struct ring {
	struct ring_file *file;
	uint8_t *data;
	size_t size;
	uint64_t head, edge, number, marked;
};

/* ---- the file ------------------------------------------------------------ */

static size_t
ring_round(size_t n)
{
	return (n + RING_HEAD + 15) & ~(size_t)15;
}

/* May the file that is there be gone on with? */
static bool
ring_is_whole(const struct ring_file *f, size_t size)
{
	uint64_t head = atomic_load(&f->head), edge = atomic_load(&f->edge);

	return memcmp(f->word, RING_WORD, sizeof f->word) == 0 &&
	    f->size == size && f->birth != 0 && head % 16 == 0 &&
	    edge >= head && edge - head <= size;
}

static void
ring_make(struct ring_file *f, size_t size)
{
	memset(f, 0, sizeof *f);
	memcpy(f->word, RING_WORD, sizeof f->word);
	f->size = size;
	do {
		rand_bytes(&f->birth, sizeof f->birth);
	} while (f->birth == 0);
	atomic_store(&f->number, 1);
}

/* The descriptor of a file of this size with all its blocks; one of another
 * size makes room for a new one, whose reader still has the old. */
static int
ring_file_open(const char *path, off_t size, struct err *e)
{
	struct stat st;
	int fd, r;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size != 0 &&
	    st.st_size != size) {
		close(fd);
		unlink(path);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	}
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	do {
		r = fallocate(fd, 0, 0, size);
	} while (r != 0 && errno == EINTR);
	if (r != 0) {
		err_errno(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s", path);
		close(fd);
		return -(int)e->code;
	}
	return fd;
}

static struct ring_file *
ring_map(int fd, size_t size)
{
	void *p = mmap(
	    NULL, RING_DATA + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p != MAP_FAILED ? p : NULL;
}

struct ring *
ring_open(const char *path, size_t size, struct err *e)
{
	struct ring *r = calloc(1, sizeof *r);
	int fd;

	if (r == NULL) {
		err_set(e, ERR_NOMEM, "%s", path);
		return NULL;
	}
	if ((fd = ring_file_open(path, (off_t)(RING_DATA + size), e)) < 0) {
		free(r);
		return NULL;
	}
	r->file = ring_map(fd, size);
	close(fd);
	if (r->file == NULL) {
		err_errno(e, ERR_IO, "%s", path);
		free(r);
		return NULL;
	}
	/* Every page now, or each would be a fault in some message. */
	madvise(r->file, RING_DATA + size, MADV_POPULATE_WRITE);
	if (!ring_is_whole(r->file, size))
		ring_make(r->file, size);
	r->size = size;
	r->data = (uint8_t *)r->file + RING_DATA;
	r->head = atomic_load(&r->file->head);
	r->edge = atomic_load(&r->file->edge);
	r->number = atomic_load(&r->file->number);
	r->marked = r->head / (size / RING_MARKS);
	return r;
}

void
ring_close(struct ring **rp)
{
	struct ring *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	munmap(r->file, RING_DATA + r->size);
	free(r);
}

/* ---- writing ------------------------------------------------------------- */

/* So many bytes from the head on are about to be written. */
static void
ring_reserve(struct ring *r, size_t n)
{
	if (r->head + n <= r->edge)
		return;
	r->edge = r->head + n;
	atomic_store_explicit(&r->file->edge, r->edge, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void
ring_advance(struct ring *r, size_t whole)
{
	r->head += whole;
	atomic_store_explicit(&r->file->head, r->head, memory_order_release);
}

/* The rest in front of the end, which a record does not fit into. */
static void
ring_fill(struct ring *r, size_t rest)
{
	struct ring_record h = {(uint32_t)rest, RING_FILLER, r->number};

	ring_reserve(r, rest);
	memcpy(r->data + (r->head & (r->size - 1)), &h, sizeof h);
	ring_advance(r, rest);
}

uint8_t *
ring_begin(struct ring *r, size_t max)
{
	size_t need = ring_round(max), off = r->head & (r->size - 1);

	if (max > RING_RECORD)
		return NULL;
	if (need > r->size - off) {
		ring_fill(r, r->size - off);
		off = 0;
	}
	ring_reserve(r, need);
	return r->data + off + RING_HEAD;
}

void
ring_end(struct ring *r, size_t n)
{
	struct ring_record h = {
	    (uint32_t)ring_round(n), (uint32_t)n, r->number++};
	uint64_t part = r->head / (r->size / RING_MARKS);

	memcpy(r->data + (r->head & (r->size - 1)), &h, sizeof h);
	if (part != r->marked || r->head == 0) {
		r->marked = part;
		atomic_store_explicit(&r->file->mark[part % RING_MARKS],
		    r->head, memory_order_relaxed);
	}
	atomic_store_explicit(
	    &r->file->number, r->number, memory_order_relaxed);
	ring_advance(r, h.whole);
}

/* ---- reading ------------------------------------------------------------- */

/* Is what lies at the place still there, and was it while it was copied? */
static bool
ring_has(const struct ring_reader *r, uint64_t at)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&r->file->edge, memory_order_acquire) <=
	    at + r->size;
}

/* Go on with the oldest record that will be there for a while. */
static void
ring_skip(struct ring_reader *r, uint64_t head)
{
	uint64_t edge = atomic_load(&r->file->edge), low, best = head, mark;
	size_t i;

	low = edge > r->size ? edge - r->size + r->size / 8 : 0;
	for (i = 0; i < RING_MARKS; i++) {
		mark = atomic_load(&r->file->mark[i]);
		if (mark >= low && mark > r->at && mark < best &&
		    mark % 16 == 0)
			best = mark;
	}
	r->at = best;
}

int
ring_attach(struct ring_reader *r, const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st = {0};
	size_t size;

	memset(r, 0, sizeof *r);
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < RING_DATA) {
		err_set(e, ERR_IO, "%s: no ring", path);
		if (fd >= 0)
			close(fd);
		return -ERR_IO;
	}
	size = (size_t)st.st_size - RING_DATA;
	r->file = ring_map(fd, size);
	close(fd);
	r->copy = malloc(RING_RECORD);
	if (r->file == NULL || r->copy == NULL || size < (1u << 16) ||
	    (size & (size - 1)) != 0 || !ring_is_whole(r->file, size)) {
		r->size = size;
		ring_detach(r);
		return err_set(e, ERR_CORRUPT, "%s: no ring", path);
	}
	r->size = size;
	r->birth = r->file->birth;
	r->at = atomic_load(&r->file->taken);
	r->number = atomic_load(&r->file->taken_number);
	if (r->at > atomic_load(&r->file->head) || r->at % 16 != 0 ||
	    r->number == 0) {
		r->at = 0;
		r->number = 1; /* nothing was taken: that of the first */
	}
	return 0;
}

void
ring_detach(struct ring_reader *r)
{
	if (r->file != NULL)
		munmap(r->file, RING_DATA + r->size);
	free(r->copy);
	memset(r, 0, sizeof *r);
}

/* The head of the record at r->at, bounded; false when it is none. */
static bool
ring_look(const struct ring_reader *r, uint64_t head, struct ring_record *h)
{
	size_t off = r->at & (r->size - 1);

	memcpy(h, (uint8_t *)r->file + RING_DATA + off, sizeof *h);
	if (h->whole < RING_HEAD || h->whole % 16 != 0 ||
	    h->whole > r->size - off || h->whole > head - r->at)
		return false;
	return h->n == RING_FILLER ||
	    (h->n <= RING_RECORD && ring_round(h->n) == h->whole);
}

bool
ring_next(struct ring_reader *r, const uint8_t **p, size_t *n)
{
	struct ring_record h;
	uint64_t head;

	for (;;) {
		head = atomic_load_explicit(
		    &r->file->head, memory_order_acquire);
		if (r->at >= head)
			return false;
		if (!ring_has(r, r->at)) {
			ring_skip(r, head);
			continue;
		}
		if (!ring_look(r, head, &h)) {
			/* overwritten while we looked, or damaged */
			ring_skip(r, head);
			continue;
		}
		if (h.n != RING_FILLER)
			memcpy(r->copy,
			    (uint8_t *)r->file + RING_DATA +
				(r->at & (r->size - 1)) + RING_HEAD,
			    h.n);
		if (!ring_has(r, r->at)) {
			ring_skip(r, head);
			continue;
		}
		r->at += h.whole;
		if (h.n == RING_FILLER)
			continue;
		if (h.number > r->number)
			r->lost += h.number - r->number;
		r->number = h.number + 1;
		*p = r->copy;
		*n = h.n;
		return true;
	}
}

void
ring_take(struct ring_reader *r, uint64_t at, uint64_t number)
{
	atomic_store(&r->file->taken_number, number);
	atomic_store(&r->file->taken, at);
}

uint64_t
ring_birth(const char *path)
{
	struct ring_file f;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd >= 0 ? pread(fd, &f, 24, 0) : -1;

	if (fd >= 0)
		close(fd);
	return n == 24 ? f.birth : 0;
}
