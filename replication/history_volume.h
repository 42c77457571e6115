#ifndef HISTORY_VOLUME_H
#define HISTORY_VOLUME_H

#include "ship_record.h"

/*
 * A volume of the history of one stream: a database as it was at one record,
 * and the records that followed. The format stands at the top of
 * history_volume.c.
 */

#define VOLUME_HEAD 128
#define VOLUME_ENTRY 32 /* bytes before each record */

struct volume_head {
	uint32_t number;
	uint32_t page_size; /* 0 = it begins with nothing */
	uint64_t lsn;	    /* of the record it begins with; 0 = nothing */
	uint64_t sum;	    /* of that record; 0 = not known */
	uint64_t time;	    /* of that record, real clock in microseconds */
	uint64_t records;   /* offset of the first record behind the base */
	uint32_t pages;	    /* of the database it begins with */
	uint32_t file;	    /* number of the stream's file at that time */
};

struct volume_entry {
	uint32_t length;
	uint64_t time;
};

void volume_head_put(const struct volume_head *, uint8_t out[VOLUME_HEAD]);
/* -ERR_CORRUPT when these bytes are no head. */
int volume_head_get(
    struct volume_head *, const uint8_t in[VOLUME_HEAD], struct err *);
void volume_entry_put(
    uint8_t out[VOLUME_ENTRY], uint64_t offset, uint64_t time, size_t length);

/* Reads a volume from its head to its end. */
struct volume_reader {
	char path[512];
	int fd;
	struct volume_head head;
	uint64_t off;	/* of the next entry */
	uint64_t size;	/* of the file */
	uint8_t *bytes; /* of the last record */
};

/* Opens the file and reads its head. -ERR_ABSENT, -ERR_IO, -ERR_CORRUPT. */
int volume_open(struct volume_reader *, const char *path, struct err *);
void volume_close(struct volume_reader *);
/*
 * The next record, verified, and its time: 1; 0 at the end; -ERR_CORRUPT with
 * file and offset, after which off is where the last good one ended.
 */
int volume_next(
    struct volume_reader *, struct ship_record *, uint64_t *time, struct err *);

/* Append a record at an offset of an open file; the bytes it took. */
long volume_append(int fd, uint64_t offset, uint64_t time, const uint8_t *bytes,
    size_t n, struct err *);
/*
 * Write a whole database as the base behind a head that is still to be put:
 * pages pages, read from the descriptor. Returns the offset behind it.
 */
int64_t volume_put_base(int fd, int db, const char *name, uint32_t page_size,
    uint32_t pages, struct err *);

#endif
