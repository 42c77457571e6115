#ifndef WAL_FILE_H
#define WAL_FILE_H

#include "ship_record.h"

/*
 * SQLite's write-ahead log from outside, read only: where it stands (from the
 * wal-index of a connection) and what its frames hold. The formats are those
 * of sqlite.org/walformat.html and fileformat2.html#walformat.
 */

#define WAL_HEAD 32

struct wal_now {
	uint64_t salt;	 /* as its bytes lie in the file */
	uint32_t frames; /* mxFrame: the last frame of the last commit */
	uint32_t done;	 /* nBackfill: frames copied into the database */
	uint32_t page_size;
	uint32_t db_pages;
};

/*
 * Where the -wal of a connection stands. The connection has read in WAL mode
 * before and is the only writer, so what is read holds still. -ERR_CORRUPT
 * when the wal-index is of another version than 3007000.
 */
int wal_now(sqlite3 *, struct wal_now *, struct err *);

/* Frames first.. (n of them, first counted from 1) as they lie in the file. */
int wal_read(int fd, uint32_t page_size, uint32_t first, uint32_t n,
    uint8_t *out, struct err *);
static inline size_t
wal_frame_size(uint32_t page_size)
{
	return SHIP_FRAME + (size_t)page_size;
}
/* Pages of the database after the commit that a frame ends; 0 = none. */
static inline uint32_t
wal_frame_commit(const uint8_t *frame)
{
	return ship_get32be(frame + 4);
}
static inline uint64_t
wal_frame_salt(const uint8_t *frame)
{
	uint64_t salt;

	__builtin_memcpy(&salt, frame + 8, 8);
	return salt;
}

/*
 * How commits are cut into records: each commit starts anew, and every
 * ship_part_frames a record ends. Given the frames behind a record's end,
 * the frames of the next record, at most n; 0 when the record's end is not
 * among them.
 */
uint32_t wal_cut(const uint8_t *frames, uint32_t n, uint32_t page_size);
/* Records that frames first..last (a commit's end) will be cut into. */
int wal_count_records(int fd, uint32_t page_size, uint32_t first, uint32_t last,
    uint64_t *records, struct err *);

#endif
