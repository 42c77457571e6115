#ifndef WAL_INDEX_H
#define WAL_INDEX_H

#include "wal_file.h"

/*
 * SQLite's wal-index, the -shm file, as a writer without SQLite keeps it: its
 * locks, its header, the hash tables in which readers find frames, and its
 * recovery from the -wal. The format is that of sqlite.org/walformat.html,
 * section 2, version 3007000; another one is refused.
 *
 * Locks are those of open file descriptions (fcntl(2)): they stand against
 * SQLite's own, and nothing that this process closes drops them. A child that
 * inherits the descriptor holds them too; it is closed by execve.
 */
#define WAL_INDEX_READERS 5
#define WAL_INDEX_UNUSED UINT32_MAX /* a read mark that nobody has */

/* Microseconds that others, who begin or recover the file, are waited for. */
#define WAL_INDEX_WAIT 20000

/* Bytes of the -shm file. READ + i belongs to read mark i. */
enum wal_index_lock {
	WAL_LOCK_WRITE = 120,
	WAL_LOCK_CHECKPOINT,
	WAL_LOCK_RECOVER,
	WAL_LOCK_READ,
	WAL_LOCK_ATTACHED = WAL_LOCK_READ + WAL_INDEX_READERS
};

struct wal_index {
	int fd;
	uint8_t **region; /* of 32 KiB each, mapped */
	uint32_t nregions;
};

/* What readers are shown. */
struct wal_index_head {
	uint32_t change; /* counts what was published */
	uint32_t page_size;
	uint32_t frames;   /* last frame of the last commit */
	uint32_t db_pages; /* after it */
	uint32_t sum[2];   /* of the -wal up to that frame */
	uint64_t salt;	   /* as its bytes lie in the -wal */
};

/*
 * Open or create the file, attach to it, and take the write lock, which is
 * kept until wal_index_close. What a -shm without a living user holds is
 * thrown away, as SQLite does: then wal_index_get finds nothing. -ERR_BUSY
 * when another process writes, or begins or recovers the file, right now.
 */
int wal_index_open(struct wal_index *, const char *path, struct err *);
void wal_index_close(struct wal_index *);

/* Locks of n bytes from one on: 0, -ERR_BUSY, or -ERR_IO. wait: try for so
 * many microseconds. */
int wal_index_lock(const struct wal_index *, unsigned byte, unsigned n);
int wal_index_lock_wait(
    const struct wal_index *, unsigned byte, unsigned n, uint64_t us);
void wal_index_unlock(const struct wal_index *, unsigned byte, unsigned n);

/* 0; -ERR_ABSENT when there is no whole header: it has to be recovered;
 * -ERR_CORRUPT when it is of another version. */
int wal_index_get(
    const struct wal_index *, struct wal_index_head *, struct err *);
/* Publish: from now on readers see it. Counts change up. */
void wal_index_put(struct wal_index *, struct wal_index_head *);

/* nBackfill: frames that are in the database file; the one tried; and the
 * read marks, each under its lock. */
uint32_t wal_index_done(const struct wal_index *);
/* The first of these, of a file that is only looked at; 0 when it has none. */
uint32_t wal_index_peek_done(int fd);
void wal_index_set_done(struct wal_index *, uint32_t);
void wal_index_set_attempted(struct wal_index *, uint32_t);
uint32_t wal_index_mark(const struct wal_index *, unsigned i);
void wal_index_set_mark(struct wal_index *, unsigned i, uint32_t);

/* Enter the page of a frame, in order; entries of that frame and later ones,
 * of a writer that died, are removed first. -ERR_IO, -ERR_NOMEM, -ERR_CORRUPT.
 */
int wal_index_add(
    struct wal_index *, uint32_t frame, uint32_t page, struct err *);
/* Remove the entries behind a frame. */
void wal_index_cut(struct wal_index *, uint32_t frame);
/* The newest frame of a page among first..last, or 0. */
uint32_t wal_index_find(
    struct wal_index *, uint32_t page, uint32_t first, uint32_t last);

/*
 * Build the index from the -wal: all of it up to the end of the last commit
 * whose checksums hold. Readers may go on meanwhile. -ERR_BUSY when another
 * process recovers or checkpoints; -ERR_CORRUPT when the -wal is of another
 * version or byte order; -ERR_IO, -ERR_NOMEM.
 */
int wal_index_recover(struct wal_index *, int wal_fd, struct err *);

/* Tables of frames 1..frames, whose pages are given. */
int wal_index_build(
    struct wal_index *, const uint32_t *page, uint32_t frames, struct err *);

/* ---- the -wal itself (wal_recover.c) ------------------------------------ */

/* The checksum of a -wal goes on over n bytes, a multiple of 8. */
void wal_sum(uint32_t sum[2], const uint8_t *, size_t n);
/* Write the header of a new -wal into out; sum is where its frames go on. */
void wal_head_put(
    uint8_t out[WAL_HEAD], uint32_t page_size, uint64_t salt, uint32_t sum[2]);
/* 0; -ERR_ABSENT when it is none; -ERR_CORRUPT as wal_index_recover. */
int wal_head_get(const uint8_t in[WAL_HEAD], uint32_t *page_size,
    uint64_t *salt, uint32_t sum[2], struct err *);
/* The header of a frame whose page is given; sum goes on over it. */
void wal_frame_put(uint8_t out[SHIP_FRAME], uint32_t page, uint32_t db_pages,
    uint64_t salt, const uint8_t *data, uint32_t page_size, uint32_t sum[2]);

#endif
