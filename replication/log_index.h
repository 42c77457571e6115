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

/* Records of a stream from an LSN on that stand before a position count for
 * nothing: parts of a commit that never came to its end, or what an owner
 * wrote that nobody else ever had. */
struct log_void {
	uint64_t lsn, to;
};

/* A record that may still be asked for, and where it stands in the log. */
struct log_at {
	struct log_mark mark;
	uint64_t pos;
	uint32_t db_pages; /* 0 = a part */
};

/* From which LSN on records bear an epoch. */
struct log_epoch {
	uint64_t epoch, first;
};
#define LOG_EPOCHS 64 /* changes that are remembered of a stream */

struct log_stream {
	char name[STREAM_NAME];
	uint64_t epoch;		/* highest claimed: records must bear it */
	struct log_mark last;	/* last record, maybe a part */
	struct log_mark commit; /* last whole commit */
	uint64_t checkpoint;	/* LSN that the database file on disk holds */
	uint32_t page_size;
	uint32_t db_pages;
	/* Segments with records of the stream; those before needed hold only
	 * what is on disk. */
	struct log_need *need;
	size_t nneed, need_room, needed;
	struct log_void *voids;
	size_t nvoids;
	bool unsure;	 /* it went back to before what the log holds */
	bool damaged;	 /* its database is gone: nobody may write it */
	uint64_t begins; /* LSN before the first that the log had of it */
	void *live;	 /* the replicator's own */

	/* On a site: */
	bool foreign;	     /* another server wrote under the epoch */
	bool based;	     /* it began with what the log does not hold */
	uint64_t base;	     /* up to it records may bear lower epochs */
	struct log_mark own; /* how far this server's file was last known */
	bool placed;	     /* and an owner here left it there */
	/* Records from an LSN up to own are of owners here, who began where the
	 * file stood before them; 0 = not known. */
	uint64_t own_first;
	struct log_mark own_before;
	bool own_back;	/* the file holds more than own: it has to go back */
	uint32_t file;	/* number of the database file */
	uint64_t whole; /* LSN from which on that is whole */
	struct log_at *recent; /* without gaps, up to last */
	size_t nrecent, recent_room;
	/* Before parts that stand in no segment any more: their rest, which is
	 * here, may turn out to be void. */
	struct log_at floor;
	struct log_epoch epochs[LOG_EPOCHS];
	unsigned nepochs;
};

struct log_index {
	struct map streams; /* name -> struct log_stream */
	uint8_t boot[16];
	bool site; /* keep what other servers ask for */
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
bool log_stream_is_void(const struct log_stream *, uint64_t pos, uint64_t lsn);
/* The same, but parts whose commit may still come to its end count. */
bool log_stream_is_cut(const struct log_stream *, uint64_t pos, uint64_t lsn);
/* The record of an LSN, or NULL when it is too old or void. */
const struct log_at *log_stream_at(const struct log_stream *, uint64_t lsn);
/* The last whole commit at or before an LSN; 0 = not known. */
uint64_t log_stream_commit(const struct log_stream *, uint64_t lsn);
/* Its last commit is not whole yet, or records of epochs before may come. */
bool log_stream_is_midst(const struct log_stream *);
/* A position at or before the stream's record of the LSN; UINT64_MAX when
 * the log does not hold it any more. */
uint64_t log_stream_pos(const struct log_stream *, uint64_t lsn);
/*
 * The last LSN up to which two logs hold the same records, given the epochs
 * of the other one's, which ends at last. Two records of one LSN and epoch
 * are the same. False when it lies before what is remembered.
 */
bool log_stream_common(const struct log_stream *, uint64_t last,
    const struct log_epoch *, unsigned n, uint64_t *lsn);
/* Segments before the position are gone. */
void log_index_trimmed(struct log_index *, uint64_t start);
/* Position from which the log is needed for redo; UINT64_MAX = for nothing. */
uint64_t log_index_need(const struct log_index *);
uint64_t log_stream_need(const struct log_stream *);
uint64_t log_index_epoch(const struct log_index *); /* the highest of all */

/* Encode notes into a buffer. */
/* at: where the log stands when the epoch begins; base: up to where records
 * of epochs before may follow. */
void log_put_claim(struct buf *, const struct log_stream *, uint64_t epoch,
    const struct log_mark *at, uint64_t base, bool foreign);
/* A copied database that holds at, and is whole from an LSN on. */
void log_put_base(struct buf *, const struct log_stream *, uint64_t epoch,
    const struct log_mark *at, uint32_t page_size, uint32_t db_pages,
    uint64_t whole, uint32_t file);
void log_put_place(
    struct buf *, const struct log_stream *, const struct log_mark *);
void log_put_checkpoint(struct buf *, const struct log_stream *, uint64_t lsn);
void log_put_boot(struct buf *, const uint8_t boot[16]);
/* Where a stream stands, for who reads the log from here on; if it is in the
 * midst of something, MIDST behind STATE. */
void log_put_state(struct buf *, const struct log_stream *);
void log_put_midst(struct buf *, const struct log_stream *);
/* For struct ship_log: arg is the index. */
void log_put_states(void *arg, struct buf *);

#endif
