#ifndef REPLICATOR_ROOM_H
#define REPLICATOR_ROOM_H

#include "log_index.h"
#include "ship_link.h"
#include "ship_log.h"
#include "sync_worker.h"

/* The inside of the replicator: replicator.c and replicator_link.c only. */

#define REPLICATOR_MAGIC 0x7265706cu
#define LINK_MAGIC 0x6c696e6bu
#define LINK_HANDLES 65536	/* streams and readers of one process */
#define LINK_READ (1u << 20)	/* bytes taken from one link in a turn */
#define LINK_OUT_MAX (8u << 20) /* a process that does not read is cut off */

struct link;
struct live;

/* A reader's interest in a stream. */
struct watch {
	struct live *live;
	struct link *link;
	uint32_t handle;
	uint64_t told;	    /* when it was told last, monotonic */
	bool due;	    /* there is something to tell */
	struct watch *next; /* of the stream */
	struct watch *next_due;
};

/* A stream as long as the replicator lives. */
struct live {
	struct log_stream *log;
	struct link *writer;
	uint32_t handle; /* of the writer */
	bool welcome;	 /* the claim waits for its sync */
	uint64_t synced; /* LSN of the last record on disk */
	uint64_t acked;	 /* LSN of the last commit on disk */
	uint64_t generation;
	uint64_t written;    /* LSN that the owner says the file holds */
	uint64_t written_at; /* since when that is not on disk */
	bool syncing;	     /* a sync of the file is under way */
	bool sync_failed;    /* never note a checkpoint again */
	bool dirs_synced;
	bool dirty; /* in the list of what the next sync touches */
	struct live *next_dirty;
	struct watch *watches;
};

enum slot_kind { SLOT_FREE, SLOT_WRITER, SLOT_WATCH };

struct slot {
	enum slot_kind kind;
	uint32_t handle;
	struct live *live; /* of a writer; stays after it lost the stream */
	struct watch *watch;
};

/* The other end of a repl. */
struct link {
	unsigned magic;
	struct replicator *r;
	char who[OWNER_INSTANCE];
	int fd;
	struct loop_fd *io;
	uint8_t *in; /* in_at..in_len are not yet understood */
	size_t in_at, in_len, in_room;
	struct buf out;
	struct slot *slot;
	uint32_t nslots;
	bool writing; /* waits until the socket takes more */
	bool flush;   /* in the list of links with something to send */
	struct link *next, *next_flush;
};

struct replicator {
	unsigned magic;
	struct loop *loop;
	char root[256];
	struct log_index index;
	struct ship_log *log;
	struct sync_worker *worker;
	struct link *links;
	struct link *flush;	  /* links with something to send */
	struct watch *due;	  /* to be told when the gap is over */
	struct live *dirty;	  /* streams that the next sync acknowledges */
	struct loop_defer turn;	  /* the end of a turn: sync, answer */
	struct loop_timer *tick;  /* checkpoints, retention */
	struct loop_timer *tell;  /* watches told a moment ago */
	struct loop_timer *again; /* the disk was full */
	bool full;		  /* so it was said */
	bool paused;		  /* links are not read until there is room */
	size_t pinned; /* segments there were when it was said last */
	bool making;   /* a segment is made in advance */
	struct replicator_status status;
	struct err failed; /* the log failed for good */
};

/* replicator.c */
void replicator_count(struct replicator *);
struct live *replicator_live(struct replicator *, const char *name);
void replicator_generation(const struct replicator *, struct live *);

/* replicator_turn.c */
void replicator_touch(struct replicator *, struct live *); /* in next sync */
/* Room for a note or record, or the pause or failure that follows. */
int replicator_room(struct replicator *, size_t n, struct err *);
/* Append the one note in the buffer, and free it. */
int replicator_note(struct replicator *, struct buf *, struct err *);
void replicator_tell(struct watch *);
void replicator_on_turn(void *);
void replicator_on_tell(void *);
void replicator_on_again(void *);

/* replicator_file.c */
void replicator_sync_file(struct replicator *, struct live *);
void replicator_base(struct replicator *, struct live *);
void replicator_tick_soon(struct replicator *);
void replicator_on_tick(void *);
void replicator_on_job(void *, const struct sync_job *);

/* replicator_link.c */
void link_send(struct link *, const struct ship_msg *);
void link_flush(struct link *);
void link_refuse(struct link *, uint32_t handle, const struct err *);
void link_close(struct link **);
void link_resume(struct link *); /* go on with what was left unread */

#endif
