#ifndef LOG_INDEX_H
#define LOG_INDEX_H

#include "ship_record.h"
#include "daemon/base/buf.h"
#include "daemon/base/map.h"

/*
 * What the ship log says of each stream: where it stands, who may write it,
 * and from where on the log is needed for it. The same code takes a record
 * when the log is scanned and when an owner sends it.
 */

/* A place in a stream: a record, and where its frames end in the -wal. */
struct log_mark {
	uint64_t epoch;
	uint64_t lsn;
	uint64_t sum;
	struct ship_wal wal;
};

struct log_need {
	uint64_t segment;
	uint64_t lsn; /* of the stream's first record in the segment */
};

/* Records of a stream between two positions that count for nothing: parts of
 * a commit that never came to its end. */
struct log_void {
	uint64_t from, to;
};

struct log_stream {
	char name[STREAM_NAME];
	uint64_t epoch;		/* highest claimed: records must bear it */
	struct log_mark last;	/* last record, maybe a part */
	struct log_mark commit; /* last whole commit */
	uint64_t checkpoint;	/* LSN that the database file on disk holds */
	uint32_t page_size;
	uint32_t db_pages;
	struct log_need *need; /* segments with records not on disk */
	size_t nneed, need_room;
	uint64_t part; /* position of the first part behind commit */
	struct log_void *voids;
	size_t nvoids;
	bool damaged; /* its database is gone: nobody may write it */
	void *live;   /* the replicator's own */
};

struct log_index {
	struct map streams; /* name -> struct log_stream */
	uint8_t boot[16];
};

void log_index_fini(struct log_index *);
struct log_stream *log_index_find(const struct log_index *, const char *name);
/* The stream, made when it is new; NULL when memory is out. */
struct log_stream *log_index_get(struct log_index *, const char *name);
struct log_stream *log_index_next(const struct log_index *, size_t *at);

/*
 * Take a record at a position of a segment. -ERR_REFUSED: of an epoch that is
 * over; -ERR_CORRUPT: does not follow the stream's last one; nothing has
 * changed then. *taken (may be NULL) is its stream.
 */
int log_index_add(struct log_index *, const struct ship_record *, uint64_t pos,
    uint64_t segment, struct log_stream **taken, struct err *);
/* True when the stream's record at the position counts for nothing. */
bool log_stream_is_void(const struct log_stream *, uint64_t pos);
/* Position from which the log is needed for redo; UINT64_MAX = for nothing. */
uint64_t log_index_need(const struct log_index *);
uint64_t log_stream_need(const struct log_stream *);
uint64_t log_index_epoch(const struct log_index *); /* the highest of all */

/* Encode notes into a buffer. */
void log_put_claim(struct buf *, const struct log_stream *, uint64_t epoch);
void log_put_checkpoint(struct buf *, const struct log_stream *, uint64_t lsn);
void log_put_boot(struct buf *, const uint8_t boot[16]);
/* For struct ship_log: arg is the index. */
void log_put_states(void *arg, struct buf *);

#endif
