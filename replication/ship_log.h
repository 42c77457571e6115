#ifndef SHIP_LOG_H
#define SHIP_LOG_H

#include <sys/types.h>

#include "ship_record.h"
#include "daemon/base/buf.h"

/*
 * The ship log of one server: segments of preallocated files, to which
 * records of all streams are appended and synced. The format stands at the
 * top of ship_log.c. A place in the log is a position: bytes since the log
 * began, over all segments.
 */

#define SHIP_SEGMENT (UINT64_C(64) << 20)
#define SHIP_SEGMENT_HEAD 64
#define SHIP_ENTRY 48 /* bytes before each record */

struct ship_segment {
	uint64_t start; /* position of its first byte */
	uint64_t size;	/* of the file */
};

struct ship_log_config {
	const char *dir;
	uint64_t segment; /* bytes of a segment; 0 = SHIP_SEGMENT */
	uint64_t keep;	  /* bytes kept beyond what is needed */
};

/* Takes over a file without a name, for disk_give_back. */
typedef void ship_log_drop_fn(void *arg, int fd);

/* A record of the log, with its position and that of its segment. Other than
 * 0 stops the walk. */
typedef int ship_log_fn(void *arg, const struct ship_record *,
    const uint8_t *bytes, uint64_t pos, uint64_t segment, struct err *);
/* Append the STATE records of all streams to the buffer. */
typedef void ship_log_state_fn(void *arg, struct buf *);

struct ship_log {
	char dir[256];
	int dirfd; /* locked: one process writes a log */
	uint64_t segment, keep;
	uint64_t id;
	uint32_t session;	  /* grows with every opening */
	struct ship_segment *seg; /* the oldest first */
	size_t nseg;
	int fd;		/* of the last segment */
	uint8_t *stage; /* what is appended and not yet written */
	size_t staged;
	uint64_t end;	 /* position behind what is appended */
	uint64_t synced; /* position up to which the disk has it */
	uint64_t known;	 /* the same as the entries told it, while scanning */
	uint64_t used;	 /* segment of the last record that is no state */
	unsigned spares; /* written segments that wait for their use */
	bool renamed;	 /* the disk may know one of them as a segment */
	bool failed;	 /* a write or sync failed: nothing is taken any more */
	ship_log_state_fn *states;
	void *states_arg;
	ship_log_drop_fn *drop; /* may be NULL */
	void *drop_arg;
	struct ship_syncer *syncer; /* NULL = the loop syncs itself */
	uint64_t records, bytes, syncs, sync_us, sync_us_max;
};

/*
 * Opens or creates the log and calls fn for every record in it, in order. A
 * torn tail is cut; what the disk may not have of the rest is written again
 * and synced. -ERR_CORRUPT with file and offset when a record is damaged that
 * was synced before; -ERR_BUSY when another process has the log.
 */
int ship_log_open(const struct ship_log_config *, ship_log_fn *, void *arg,
    struct ship_log **, struct err *);
void ship_log_close(struct ship_log **); /* what is staged is dropped */
/*
 * Who writes the states of the streams at the start of a segment. They are
 * written at once when the last segment has nothing else: whoever began it
 * may have been killed before they were there.
 */
int ship_log_states(
    struct ship_log *, ship_log_state_fn *, void *arg, struct err *);

/*
 * Room for a record of n bytes: 0; -ERR_FULL when the disk has none at the
 * moment (ask again later); -ERR_IO once the log has failed.
 */
int ship_log_room(struct ship_log *, size_t n, struct err *);
/* Append a record for which there is room; returns its position. */
uint64_t ship_log_append(struct ship_log *, const void *, size_t n);
/* Position of the segment that is being written. */
uint64_t ship_log_segment(const struct ship_log *);
/* Everything appended is on disk: 0, -ERR_FULL or -ERR_IO as above. */
int ship_log_sync(struct ship_log *, struct err *);
/* What is appended is handed to the kernel, and cursors see it. */
int ship_log_write(struct ship_log *, struct err *);

/*
 * The same without waiting (ship_log_sync.c). open: a thread for it, and the
 * descriptor that becomes readable when a sync is over. begin: what is
 * appended so far, when none is under way. end: takes its result, if it is
 * over or after waiting for it; log->synced then says how far the disk is.
 * ship_log_sync and ship_log_room, which may sync, wait for it first.
 */
int ship_log_syncer_open(struct ship_log *, int *event, struct err *);
void ship_log_syncer_close(struct ship_log *);
bool ship_log_is_syncing(const struct ship_log *);
int ship_log_sync_begin(struct ship_log *, struct err *);
int ship_log_sync_end(struct ship_log *, bool wait, struct err *);

/* ---- ship_log_keep.c ---- */

/* Drop segments that hold nothing at or behind the position, beyond those
 * that are kept in any case; trimmed: from where on the log would be then. */
uint64_t ship_log_trimmed(const struct ship_log *, uint64_t need);
void ship_log_trim(struct ship_log *, uint64_t need);
uint64_t ship_log_bytes(const struct ship_log *);
/* Somebody removed the segment that is being written. */
bool ship_log_is_unlinked(const struct ship_log *);
/* Who gives files back; unless it is told, the log does so itself. */
void ship_log_dropper(struct ship_log *, ship_log_drop_fn *, void *arg);

/*
 * A written segment in advance makes syncs cheaper. While none waits, another
 * thread may make one at the path (ship_log_spare_make touches nothing else)
 * and the log take it.
 */
bool ship_log_spare_wanted(const struct ship_log *, char *path, size_t size);
int ship_log_spare_make(const char *path, uint64_t size);
void ship_log_spare_take(struct ship_log *, const char *path);

/* Calls fn for every record from the segment of a position on. */
int ship_log_walk(
    struct ship_log *, uint64_t from, ship_log_fn *, void *arg, struct err *);

/*
 * A reader of the log while it is being written, who goes on where it was. It
 * sees what was handed to the kernel, which after ship_log_sync is all.
 */
struct ship_cursor {
	uint64_t pos;	  /* of the next entry */
	uint64_t time;	  /* when the last one was appended, real clock, us */
	uint64_t segment; /* whose descriptor is open */
	int fd;
	uint8_t *buf; /* len bytes of the log from at on */
	uint64_t at;
	size_t len;
};
void ship_cursor_init(struct ship_cursor *);
void ship_cursor_fini(struct ship_cursor *);
/* Go to an entry, or to the start of a segment. */
void ship_cursor_seek(struct ship_cursor *, uint64_t pos);
/*
 * The next record, verified, and its position: 1; 0 when there is none yet;
 * -ERR_ABSENT when its segment is gone; -ERR_CORRUPT, -ERR_IO, -ERR_NOMEM.
 */
int ship_cursor_next(struct ship_log *, struct ship_cursor *,
    struct ship_record *, const uint8_t **bytes, uint64_t *pos, struct err *);

/* ---- between the files of the log --------------------------------------- */

struct ship_entry {
	uint32_t length;
	uint64_t pos;
	uint64_t synced;
	uint64_t time;
	uint32_t session;
};
/* False when it is no entry of this log that stands at the position. */
bool ship_entry_get(const struct ship_log *, struct ship_entry *,
    const uint8_t *, uint64_t pos);
/* A sync up to a position is over, errno = 0 or why it failed. */
int ship_log_synced(struct ship_log *, uint64_t pos, uint64_t us, struct err *);
int ship_log_path(
    const struct ship_log *, uint64_t start, char *path, size_t size);
int ship_log_find(struct ship_log *, struct err *); /* fills seg */
void ship_log_spare_find(struct ship_log *);
/* The descriptor and path of a spare segment of at least so many bytes; -1 =
 * there is none. */
int ship_log_spare_use(
    struct ship_log *, uint64_t size, char *path, size_t room);
int ship_log_scan(struct ship_log *, ship_log_fn *, void *arg, struct err *);
int ship_log_segment_check(struct ship_log *, int fd, const char *path,
    struct ship_segment *, bool first, struct err *);

#endif
