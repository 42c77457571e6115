/*
 * Reading SQLite's -wal. It is never written here, and of the wal-index only
 * the header is looked at, through the connection's own mapping: opening
 * -shm or the database once more and closing it again would drop the locks
 * of the whole process (fcntl(2), POSIX advisory locks).
 *
 * Wal-index header, in the byte order of the machine (walformat.html 2.1):
 *   0  4 version; 12 1 initialised; 14 2 page size (1 = 65536); 16 4 mxFrame;
 *   20 4 pages of the database; 32 8 salt; 96 4 nBackfill
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "wal_file.h"

#define WAL_INDEX_VERSION 3007000
#define WAL_INDEX_REGION 32768

/* The first region of the wal-index, or NULL. */
static const uint8_t *
wal_index(sqlite3 *db)
{
	sqlite3_file *f = NULL;
	void volatile *at = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) !=
		SQLITE_OK ||
	    f == NULL || f->pMethods == NULL || f->pMethods->iVersion < 2)
		return NULL;
	if (f->pMethods->xShmMap(f, 0, WAL_INDEX_REGION, 0, &at) != SQLITE_OK)
		return NULL;
	return (const uint8_t *)(uintptr_t)at;
}

int
wal_now(sqlite3 *db, struct wal_now *now, struct err *e)
{
	const uint8_t *p = wal_index(db);
	uint32_t version;
	uint16_t size;

	if (p == NULL)
		return err_set(e, ERR_INTERNAL, "no wal-index");
	memcpy(&version, p, 4);
	if (version != WAL_INDEX_VERSION || p[12] == 0)
		return err_set(e, ERR_CORRUPT,
		    "wal-index of version %u, not %u", version,
		    WAL_INDEX_VERSION);
	memcpy(&size, p + 14, 2);
	now->page_size = size == 1 ? 65536 : size;
	memcpy(&now->frames, p + 16, 4);
	memcpy(&now->db_pages, p + 20, 4);
	memcpy(&now->salt, p + 32, 8);
	memcpy(&now->done, p + 96, 4);
	return 0;
}

int
wal_read(int fd, uint32_t page_size, uint32_t first, uint32_t n, uint8_t *out,
    struct err *e)
{
	size_t size = wal_frame_size(page_size), want = size * n, have = 0;
	off_t off = WAL_HEAD + (off_t)size * (first - 1);
	ssize_t got;

	while (have < want) {
		got = pread(fd, out + have, want - have, off + (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(e, ERR_IO, "-wal");
		if (got == 0)
			return err_set(
			    e, ERR_CORRUPT, "-wal: ends before its frames");
		have += (size_t)got;
	}
	return 0;
}

uint32_t
wal_cut(const uint8_t *frames, uint32_t n, uint32_t page_size)
{
	uint32_t part = ship_part_frames(page_size), i;

	for (i = 0; i < n && i < part; i++) {
		if (wal_frame_commit(frames + i * wal_frame_size(page_size)))
			return i + 1;
	}
	return i == part ? part : 0;
}

int
wal_count_records(int fd, uint32_t page_size, uint32_t first, uint32_t last,
    uint64_t *records, struct err *e)
{
	uint32_t part = ship_part_frames(page_size), run = 0;
	off_t size = (off_t)wal_frame_size(page_size);
	uint8_t head[SHIP_FRAME];

	for (*records = 0; first <= last; first++) {
		if (pread(fd, head, sizeof head,
			WAL_HEAD + size * (first - 1)) != sizeof head)
			return err_errno(e, ERR_IO, "-wal: frame %u", first);
		if (++run < part && wal_frame_commit(head) == 0)
			continue;
		run = 0;
		(*records)++;
	}
	if (run != 0)
		return err_set(
		    e, ERR_CORRUPT, "-wal: frame %u ends no commit", last);
	return 0;
}
