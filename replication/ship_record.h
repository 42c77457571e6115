#ifndef SHIP_RECORD_H
#define SHIP_RECORD_H

#include "replication.h"

/*
 * A ship record: what one commit of a stream changed, or a note about a
 * stream. The format stands at the top of ship_record.c. Everything here is
 * pure: bytes in, struct out, and back.
 */

enum ship_kind {
	SHIP_PAGES = 1,	 /* pages of a commit, or of a part of a large one */
	SHIP_CLAIM,	 /* the epoch is the stream's from here on */
	SHIP_CHECKPOINT, /* the database file on disk holds all up to lsn */
	SHIP_STATE, /* where the stream stands, at the start of a segment */
	SHIP_BOOT,  /* the machine's boot under which the log goes on */
	SHIP_BASE,  /* the stream begins here, with a copied database */
	SHIP_PLACE, /* where this server's own file stands */
	SHIP_MIDST, /* behind a STATE: in the midst of a commit or an epoch */
	SHIP_KINDS
};

#define SHIP_HEAD 96 /* bytes before the name */
/* A commit of more than so many bytes of frames is cut into parts, each a
 * record with an LSN of its own; only the last has db_pages. */
#define SHIP_PART (1u << 20)
#define SHIP_RECORD_MAX (SHIP_PART + SHIP_PART / 512 * 4 + 256)
#define SHIP_PAGE_MIN 512
#define SHIP_PAGE_MAX 65536
#define SHIP_FRAME 24 /* header of a frame in a -wal */

/* Where in the writer's -wal the frames of a record stand. */
struct ship_wal {
	uint64_t salt;	/* as its bytes lie in the file */
	uint32_t first; /* frame, counted from 1 */
	uint32_t count;
};

struct ship_record {
	enum ship_kind kind;
	char name[STREAM_NAME];
	uint64_t epoch;
	uint64_t lsn;
	uint64_t prev; /* sum of the record before in the stream; 0 at LSN 1 */
	uint64_t sum;
	uint32_t page_size;
	uint32_t db_pages; /* size of the database after it; 0 = a part */
	struct ship_wal wal;
	uint64_t value[3]; /* by kind, see ship_record.c */
	uint32_t npages;
	const uint8_t *numbers; /* of a decoded record: borrowed */
	const uint8_t *pages;
	size_t size; /* of the whole record */
};

/* Frames of one part at a page size; 0 when it is no page size. */
uint32_t ship_part_frames(uint32_t page_size);
bool ship_name_ok(const char *name, size_t n);
/* The room that a record of so many frames needs at most. */
size_t ship_record_bound(uint32_t page_size, uint32_t nframes);
/*
 * Write a record. frames are nframes frames as they lie in the -wal; of a
 * page that comes twice the last counts. Sets npages, sum and size. Returns
 * the bytes written, or -ERR_TOOBIG, -ERR_INVALID.
 */
long ship_record_encode(struct ship_record *, const uint8_t *frames,
    uint32_t nframes, uint8_t *out, size_t size);
/* Read and verify one record of exactly n bytes. 0 or -ERR_CORRUPT. */
int ship_record_decode(
    struct ship_record *, const uint8_t *, size_t n, struct err *);
/* Put the sum of an otherwise finished record where it belongs. */
uint64_t ship_record_sum(uint8_t *, size_t n);
uint32_t ship_record_page(const struct ship_record *, uint32_t i);

/* The checksum of bytes, going on from another. */
uint64_t ship_sum(uint64_t from, const void *, size_t n);

/* Numbers in records and frames are little-endian. */
uint32_t ship_get32(const uint8_t *);
uint64_t ship_get64(const uint8_t *);
void ship_put32(uint8_t *, uint32_t);
void ship_put64(uint8_t *, uint64_t);
/* Numbers in SQLite's files are big-endian. */
uint32_t ship_get32be(const uint8_t *);

#endif
