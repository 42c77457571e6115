#ifndef REPL_ROOM_H
#define REPL_ROOM_H

#include "ship_link.h"
#include "wal_file.h"

/* The inside of an owner's or reader's process: repl.c, stream*.c, reader.c
 * only. */

#define REPL_MAGIC 0x7265706fu
#define STREAM_MAGIC 0x73747265u
#define READER_MAGIC 0x72656164u

/* ---- repl.c -------------------------------------------------------------- */

struct repl_slot {
	struct stream *stream; /* one of the two, or free */
	struct reader *reader;
	uint32_t uses;
};

struct repl {
	unsigned magic;
	struct loop *loop;
	char root[256];
	int fd; /* -1 without a link */
	struct loop_fd *io;
	uint8_t *in;
	size_t in_len;
	struct buf out;
	bool writing; /* waits until the socket takes more */
	struct repl_slot *slot;
	uint32_t nslots;
	struct stream *first, **last; /* with records to ship, in turn */
	uint8_t *scratch;	      /* frames on their way into a record */
	size_t scratch_room;
	struct loop_timer *tick;
	struct past_ask *past; /* asked, and not told yet */
	uint32_t past_serial;
};

#define REPL_TICK (250 * CLOCK_MS)

/* A handle for one of the two; -ERR_NOMEM. */
int repl_slot_take(struct repl *, struct stream *, struct reader *,
    uint32_t *handle, struct err *);
void repl_slot_free(struct repl *, uint32_t handle);
void repl_send(struct repl *, const struct ship_msg *);
/* The stream may have something to ship. */
void repl_queue(struct repl *, struct stream *);
void repl_unqueue(struct repl *, struct stream *);
/* Ship what streams have, as far as the socket takes it. */
void repl_pump(struct repl *);
/* Wait for the replicator's next words, at most so long; the streams learn
 * of them, callbacks run later. */
void repl_wait(struct repl *, uint64_t us);
void repl_tick_soon(struct repl *);
/* A page of the database of a stream or reader does not fit its sum. */
void repl_damaged(struct repl *, uint32_t handle, uint32_t page);
uint8_t *repl_scratch(struct repl *, size_t);

/* ---- stream*.c ------------------------------------------------------------
 */

enum stream_state {
	STREAM_OPENING, /* asked the replicator */
	STREAM_TAIL,	/* what was found unshipped waits for its sync */
	STREAM_READY,
	STREAM_LOST
};

enum stream_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_MARK,
	SQL_KEEP,
	SQL_UNDO,
	SQL_CHANGE,
	SQL_CHANGE_TRIM,
	SQL_MAX
};

struct ack_list {
	struct stream_ack *first, **last;
};

struct stream {
	unsigned magic;
	struct repl *repl;
	uint32_t handle;
	struct stream_config config; /* name and schema are copies */
	enum stream_state state;
	struct err why; /* it is not to be had, or was lost */
	bool told;	/* on_ready was called */
	bool told_lost;
	struct stream *next; /* of those with records to ship */
	bool queued;
	unsigned busy; /* callbacks of it under way */
	bool dead;     /* closed in one of them */

	/* stream.c: the database and the group */
	sqlite3 *db;
	sqlite3_stmt *sql[SQL_MAX];
	bool group; /* a transaction is open */
	unsigned joins;
	struct loop_timer *group_timer;
	struct loop_defer group_end; /* commit at the end of the turn */
	unsigned changes;	     /* since old ones were last removed */

	/* stream_ship.c: from the -wal to the replicator */
	int wal_fd;
	uint32_t file; /* number of the database file */
	uint32_t page_size;
	uint64_t lsn;		     /* of the last commit */
	uint64_t salt;		     /* of the -wal */
	uint32_t frames;	     /* of the -wal, up to the last commit */
	bool welcome;		     /* the replicator takes records */
	uint64_t ship_lsn, ship_sum; /* last record sent */
	uint32_t ship_frame;	     /* its last frame */
	uint64_t acked;		     /* LSN on disk */

	/* stream_ack.c */
	struct ack_list acks;	/* committed */
	struct ack_list joined; /* of the open group */
	struct err failed;	/* of the group that failed last */
	struct loop_defer deliver;

	/* stream_checkpoint.c */
	uint32_t done;	  /* frames that are in the database file */
	uint64_t written; /* LSN that the replicator was told of */
	sqlite3 *pin;	  /* a reader that holds checkpoints back */
	bool pinned;
	uint64_t pin_lsn;
	uint32_t pin_frame;
	uint64_t wait_again; /* no waiting for acknowledgements before */
	uint32_t warned;     /* frames when the length was last complained of */
};

/* stream.c */
void stream_free(struct stream *);	/* what stream_close left */
void stream_delivered(struct stream *); /* acknowledgements are delivered */
void stream_end_turn(void *);		/* commit, ship */
void stream_set_lost(struct stream *, const struct err *);
/* All that was there when it was opened is acknowledged: it is ready. */
void stream_settle(struct stream *);
void stream_on_tick(struct stream *, bool *more);
int stream_exec(struct stream *, const char *sql, struct err *);
int stream_sql_err(struct stream *, sqlite3 *, struct err *, const char *what);

/* stream_open.c */
void stream_announce(struct stream *); /* OPEN */
void stream_on_welcome(struct stream *, const struct ship_msg *);
void stream_on_refused(struct stream *, const struct ship_msg *);
void stream_close_db(struct stream *);

/* stream_ship.c */
int stream_on_wal(void *arg, sqlite3 *, const char *schema, int frames);
bool stream_has_more(const struct stream *);	/* to ship */
int stream_ship(struct stream *, struct err *); /* one record, into r->out */
int stream_ship_from(
    struct stream *, const struct ship_welcome *, struct err *);
void stream_on_ack_msg(struct stream *, const struct ship_msg *);

/* stream_ack.c */
void ack_list_init(struct ack_list *);
void stream_acks_commit(struct stream *, const struct err *); /* NULL = good */
void stream_acks_drop(struct stream *);
void stream_deliver(void *);

/* stream_checkpoint.c */
void stream_checkpoint_committed(struct stream *);
void stream_checkpoint_acked(struct stream *);
void stream_checkpoint_joining(struct stream *);
bool stream_checkpoint_idle(struct stream *); /* true: more to do later */
void stream_checkpoint_close(struct stream *);

/* ---- reader.c --------------------------------------------------------------
 */

void reader_announce(struct reader *);
void reader_on_state(struct reader *, const struct ship_msg *);
bool reader_on_tick(struct reader *); /* true: try again */

/* ---- past.c ----------------------------------------------------------------
 */

void past_on_built(struct repl *, const struct ship_msg *);
void past_unlinked(struct repl *); /* nobody will answer any more */
void past_drop(struct repl *);	   /* without calling anybody */

#endif
