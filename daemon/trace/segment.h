#ifndef TRACE_SEGMENT_H
#define TRACE_SEGMENT_H

#include "daemon/base/buf.h"
#include "trace.h"

/*
 * Blocks of records as they stand in the files of the recorder: some records
 * of one process compressed together, in front of them an index of hashes that
 * tells whether the block can hold what is looked for. tandem-trace(5).
 */

#define SEGMENT_WORD "TDMTRC01"	 /* begins a file */
#define SEGMENT_FILE 64		 /* bytes in front of the first block */
#define SEGMENT_HEAD 88		 /* of a block */
#define SEGMENT_RAW (256u << 10) /* bytes of records in a block at most */
#define SEGMENT_INDEX 16384	 /* hashes of a block at most */
#define SEGMENT_NAME 32		 /* of a process, with the NUL */

/* What is looked for by its hash. */
enum segment_kind {
	SEGMENT_CALL_ID = 'c',
	SEGMENT_NUMBER = 'n', /* of either side */
	SEGMENT_CALL = 'i'
};
uint32_t segment_hash(enum segment_kind, const char *, size_t n);

void segment_file_put(
    uint8_t out[SEGMENT_FILE], const char *server, uint64_t created);
int segment_file_get(const uint8_t *, size_t n, struct err *);

/* ---- a block that is filled -------------------------------------------- */

struct segment_block {
	char instance[SEGMENT_NAME];
	uint8_t *raw; /* SEGMENT_RAW */
	size_t n;
	uint32_t *hash; /* SEGMENT_INDEX, of each record as they came */
	size_t nhash;
	uint32_t records, lost;
	uint64_t first, last; /* times of the oldest and the youngest */
};

int segment_block_init(struct segment_block *, const char *instance);
void segment_block_fini(struct segment_block *);
void segment_block_reset(struct segment_block *);
/* number: of the record in its ring. False when there is no room: write the
 * block first. What is no record is left out and counted as lost. */
bool segment_block_add(
    struct segment_block *, const uint8_t *, size_t n, uint64_t number);
/* Behind what the buffer has. */
int segment_block_put(struct segment_block *, struct buf *, struct err *);

/* ---- a block that is read ---------------------------------------------- */

struct segment_head {
	size_t index, stored; /* bytes behind the head */
	size_t raw;
	uint32_t records, lost;
	uint64_t first, last;
	char instance[SEGMENT_NAME];
	uint64_t sum;
};

int segment_head_get(
    struct segment_head *, const uint8_t p[SEGMENT_HEAD], struct err *);
bool segment_has(const struct segment_head *, const uint8_t *index, uint32_t);
/* index and what is stored behind it -> raw, of SEGMENT_RAW bytes. */
int segment_unpack(const struct segment_head *, const uint8_t *index,
    uint8_t *raw, struct err *);
/* 1 a record, 0 the end, -ERR_CORRUPT. *at begins with 0. */
int segment_next(const uint8_t *raw, size_t n, size_t *at,
    struct trace_record *, uint64_t *number, struct err *);

#endif
