#ifndef REPLICATOR_ROOM_H
#define REPLICATOR_ROOM_H

#include "apply.h"
#include "history.h"
#include "log_index.h"
#include "ship_link.h"
#include "ship_log.h"
#include "site_link.h"
#include "sync_worker.h"

/* The inside of the replicator: replicator*.c only. */

#define REPLICATOR_MAGIC 0x7265706cu
#define LINK_MAGIC 0x6c696e6bu
#define LINK_HANDLES 65536   /* streams and readers of one process */
#define LINK_READ (1u << 20) /* bytes taken from one link in a turn */
#define REPLICATOR_ILL 128   /* bytes of the words why a replica was damaged */
#define LINK_OUT_MAX (8u << 20) /* a process that does not read is cut off */

struct link;
struct live;
struct peer;
struct site_key;
struct follow;
struct scrub;

/* Where this server follows: who leads, and how far it is with that. */
enum lead_state {
	LEAD_NONE,
	LEAD_WAITS,  /* POSITION was sent */
	LEAD_ON,     /* records come */
	LEAD_COPIES, /* pages of the database come */
	LEAD_SYNCS   /* the copy is being synced */
};
struct site_lead_of {
	enum lead_state state;
	struct peer *peer;
	uint32_t handle;
	uint64_t serial;
	bool lost;  /* what is here is of no use: the next POSITION says so */
	bool ahead; /* only because that leader has less: log and database agree
		     */
	/* what was acknowledged last */
	uint64_t ack_serial, ack_epoch, ack_lsn;
	/* the copy that is being received */
	int fd;
	uint32_t number; /* of its file */
	struct site_copy copy;
	uint64_t whole, pages;
	size_t held; /* bytes that the disk was not asked to write yet */
};

/* This server's database of a stream that it does not write. */
struct site_file {
	struct apply *apply;
	uint64_t used;	  /* when it was applied to last */
	uint64_t applied; /* LSN that readers may see; 0 = not known */
	uint64_t fed;	  /* the same with parts */
	uint32_t shown;	  /* number of the file that readers are told of */
	bool stale;	  /* the file of this number is to be removed */
	uint32_t old;
	uint64_t blocked; /* readers are in the way since then; 0 = no */
	bool ill;	  /* that it cannot be written was said */
	bool looked;	  /* opened since somebody else wrote it */
	uint16_t rewinds; /* times it went back under its readers */
	bool work;	  /* in the list of those with something to apply */
	struct live *next_work;
};

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
	bool claims; /* the writer came with an epoch of its own: it has not had
		      * the file open before */
	uint64_t synced; /* LSN of the last record on disk */
	uint64_t acked;	 /* LSN of the last commit on disk */
	uint64_t generation;
	uint64_t written;    /* LSN that the owner says the file holds */
	uint64_t written_at; /* since when that is not on disk */
	bool syncing;	     /* a sync of the file is under way */
	bool sync_failed;    /* never note a checkpoint again */
	bool dirs_synced;
	bool dirty; /* in the list of what the end of the turn looks at */
	struct live *next_dirty;
	bool past; /* its history goes with the file of this number */
	uint32_t past_file;
	uint64_t noted; /* position behind its last note in the log */
	uint64_t syncs; /* up to this LSN the sync under way covers it */
	struct live *next_sync;
	struct watch *watches;
	uint64_t told;	  /* LSN that the writer was told to be safe */
	unsigned holders; /* links that may have the file open for writing */

	/* On a site, replicator_site*.c: */
	struct site_key *key;
	struct live *next_of_key;
	uint32_t id;		/* the handle under which it is led */
	struct follow **follow; /* by peer, where this server leads */
	uint64_t held;		/* LSN that all members hold */
	uint64_t committed;	/* of it the last whole commit */
	uint64_t before;	/* where the log was when this process began */
	bool led; /* this process has acknowledged beyond that, so committed
		   * says what was acknowledged, ever */
	struct site_lead_of lead;
	struct site_file file;
	uint32_t damage;      /* a page of the file that is damaged; 0 = none */
	bool mends;	      /* its history is asked for the page */
	uint64_t mends_again; /* not asked before */
	uint64_t mended_at;   /* monotonic; 0 = never */
	char ill[REPLICATOR_ILL]; /* why it was set aside as damaged last */
	uint64_t ill_at;	  /* when, monotonic; 0 = never */
};

enum slot_kind { SLOT_FREE, SLOT_WRITER, SLOT_WATCH };

struct slot {
	enum slot_kind kind;
	uint32_t handle;
	struct live *live; /* of a writer; stays after it lost the stream */
	bool holds;	   /* it was welcomed: the file is open there */
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
	struct link *flush;	/* links with something to send */
	struct watch *due;	/* to be told when the gap is over */
	struct live *dirty;	/* streams that something has come to pass of */
	struct live *sync;	/* those of the sync under way */
	uint64_t sync_pos;	/* and the position that it reaches */
	struct loop_fd *synced; /* one is over; NULL on a server alone */
	struct loop_defer turn; /* the end of a turn: sync, answer */
	void (*stranded)(void *arg, const char *stream); /* or NULL */
	void *stranded_arg;
	struct loop_timer *tick;  /* checkpoints, retention */
	struct loop_timer *tell;  /* watches told a moment ago */
	struct loop_timer *again; /* the disk was full */
	bool full;		  /* so it was said */
	bool paused;		  /* links are not read until there is room */
	size_t pinned; /* segments there were when it was said last */
	bool making;   /* a segment is made in advance */
	struct replicator_status status;
	struct err failed;	/* the log failed for good */
	struct past_room *past; /* the history; NULL = none is kept */
	struct site *site;	/* NULL on a server alone */
};

/* replicator.c */
void replicator_count(struct replicator *);
struct live *replicator_live(struct replicator *, const char *name);
void replicator_generation(const struct replicator *, struct live *);

/* replicator_turn.c */
/* Looked at when the turn ends, and again when its records are on disk. */
void replicator_touch(struct replicator *, struct live *);
/* Room for a note or record, or the pause or failure that follows. */
int replicator_room(struct replicator *, size_t n, struct err *);
/* Append the one note in the buffer, and free it. */
int replicator_note(struct replicator *, struct buf *, struct err *);
/* The same for the claim of an epoch, and for where the stream stands when the
 * claim goes back; see log_put_claim. */
int replicator_note_claim(struct replicator *, struct live *, uint64_t epoch,
    const struct log_mark *at, uint64_t base, bool foreign, struct err *);
void replicator_tell(struct watch *);
void replicator_tell_later(struct replicator *, struct live *, uint64_t now);
/* Tell the writer and readers of a site what has become safe. */
void site_settle(struct replicator *, struct live *, uint64_t now);
/* What an error of the log leads to; returns its code. */
int replicator_trouble(struct replicator *, const struct err *);
void replicator_on_turn(void *);
void replicator_on_synced(void *, int fd, int events);
void replicator_on_tell(void *);
void replicator_on_again(void *);

/* replicator_file.c */
/* LSN of a commit that the database file certainly holds, as the kernel has
 * it. */
uint64_t replicator_written(const struct live *);
/* Is the file at the path still the stream's? It may have got another one. */
bool replicator_has_file(
    const struct replicator *, const struct log_stream *, const char *path);
void replicator_sync_file(struct replicator *, struct live *);
void replicator_base(struct replicator *, struct live *);
void replicator_tick_soon(struct replicator *);
void replicator_on_tick(void *);
void replicator_on_job(void *, const struct sync_job *);
void replicator_drop_file(void *, int fd); /* a ship_log_drop_fn */

/* replicator_link.c */
void link_send(struct link *, const struct ship_msg *);
void link_flush(struct link *);
void link_refuse(struct link *, uint32_t handle, const struct err *);
void link_close(struct link **);
void link_resume(struct link *); /* go on with what was left unread */
/* The owner before is told; nothing of it is taken from now on. */
void link_take_over(struct live *, uint64_t epoch);
void link_welcomed(struct live *); /* its writer has the file from now on */

/* replicator_past.c: the history of domains */
int past_open(
    struct replicator *, const struct replicator_config *, struct err *);
void past_close_room(struct replicator *);
/* The log may be dropped before need: it is taken over first. Returns from
 * where on it is kept. */
uint64_t past_trim(struct replicator *, uint64_t need);
bool past_tick(struct replicator *, uint64_t now); /* true: more to do */
int past_on_ask(struct link *, const struct ship_msg *, struct err *);
void past_drop_link(struct link *);
/* Have damaged pages of its file written anew; damage_mended follows, perhaps
 * at once. False: no history of it is kept. */
bool past_mend(struct replicator *, struct live *);

/* ---- a site of several servers -------------------------------------------
 */

#define PEER_MAGIC 0x70656572u
#define SITE_PEERS 64
#define SITE_LATE (200 * CLOCK_MS) /* a member that is silent so long goes */
#define SITE_TICK (50 * CLOCK_MS)
#define SITE_AGAIN CLOCK_SEC	   /* what was refused is asked again */
#define SITE_OUT_MAX (8u << 20)	   /* records sent ahead of a follower */
#define SITE_OUT_PUMP (512u << 10) /* of catching up */
#define SITE_PUMP (1u << 20)	   /* bytes of log read in a turn for one */
#define SITE_APPLY (2u << 20)	   /* bytes applied in a turn */
#define SITE_APPLIES 64		   /* databases open at a time */

enum site_join {
	JOIN_NONE,
	JOIN_WAITS,   /* everything waits for it, to see that it has all */
	JOIN_PROPOSED /* raft was asked; it may be a member */
};

/* What a server is to a key. */
struct site_seat {
	bool member;
	bool asked; /* a proposal was not answered yet: no other is made */
	enum site_join join;
	uint64_t again; /* no proposal before */
};

struct site_key {
	struct site *site;
	char name[OWNER_KEY];
	char owner[OWNER_INSTANCE];
	uint64_t epoch;
	bool mine;	      /* owned by an instance of this server */
	bool stranger;	      /* a member that there is no room to wait for */
	uint64_t gives_again; /* not given away before: replicator_damage.c */
	unsigned gives_to;    /* the peer that is asked next */
	char members[OWNER_MEMBERS];
	struct live *lives;
	struct site_seat seat[SITE_PEERS];
};

/* Another server. */
struct peer {
	unsigned magic;
	struct replicator *r;
	unsigned index;
	char name[SITE_NAME];
	bool up;    /* as the owner map says */
	bool holds; /* likewise: a server of the site, and no witness */
	int fd;	    /* -1 when it is not connected */
	struct loop_fd *io;
	bool ready; /* it has said HELLO */
	uint64_t log;
	uint64_t since; /* connected, or not, since then */
	uint8_t *in;
	size_t in_at, in_len, in_room;
	struct buf out; /* out_at..len is still to be sent */
	size_t out_at;
	bool writing;
	struct live **leads; /* streams that it leads, by handle */
	uint32_t nleads;
	struct ship_cursor cursor; /* for all that are behind */
	unsigned behind;
	unsigned queued;     /* follows that wait to be copied */
	struct follow *copy; /* the one that is being sent */
};

enum follow_state {
	FOLLOW_NONE,   /* not connected, or refused */
	FOLLOW_ASKED,  /* LEAD was sent */
	FOLLOW_BEHIND, /* reads the log with the peer's cursor */
	FOLLOW_LIVE,   /* is sent records as they come */
	FOLLOW_QUEUED, /* waits for its turn to be copied */
	FOLLOW_COPY    /* is sent the database */
};

/* A peer that follows a stream which this server leads. */
struct follow {
	struct live *live;
	struct peer *peer;
	enum follow_state state;
	uint64_t asked; /* the lower epoch of the last LEAD */
	uint64_t serial;
	uint64_t epoch, acked; /* on its disk */
	uint64_t sent, told;
	uint64_t since; /* it owes an answer since then; 0 = nothing */
	uint64_t again; /* not asked before */
	uint64_t need;	/* LSN from which on the log is kept; 0 = none */
	int fd;		/* of the file that is copied */
	uint32_t page;	/* the next one */
};

struct site {
	struct replicator *r;
	char server[SITE_NAME];
	const struct owner_map *owners;
	bool may_part; /* servers of this site may decide alone */
	bool mute;     /* what only this server holds is not acknowledged */
	replicator_propose_fn *propose;
	replicator_give_fn *give;
	void *arg;
	struct map keys; /* name -> struct site_key */
	struct peer *peer[SITE_PEERS];
	unsigned npeers;
	struct live **live; /* by handle */
	uint32_t nlives, live_room;
	struct loop_timer *tick;
	struct loop_timer *more;    /* goes on with what took too long */
	struct loop_timer *copying; /* the next slices of what is copied */
	struct live *work, **work_last;
	bool worked; /* as much as may be in this turn of the loop */
	struct live *open[SITE_APPLIES];
	unsigned nopen;
	struct ship_cursor cursor; /* of what is applied */
	uint64_t stale_at;	   /* old files were looked at last */
	uint64_t lost;		   /* replicas that were set aside */
	uint64_t rewound;	   /* and those that went back */
	struct alarms *alarms;
	struct scrub *scrub;
};

/* replicator_site.c */
int site_open(
    struct replicator *, const struct replicator_config *, struct err *);
void site_close(struct replicator *);
int site_live(struct replicator *, struct live *); /* a stream is known */
void site_live_free(struct live *);
struct peer *site_peer(struct site *, const char *name); /* made when new */
void site_more(struct site *);		       /* go on in the next turn */
uint64_t site_need(const struct replicator *); /* of the log, for others */

/* replicator_site_peer.c */
void peer_send(struct peer *, const struct site_msg *);
size_t peer_backlog(const struct peer *);
void peer_flush(struct peer *);
void peer_close(struct peer *, const char *why);
void peer_resume(struct peer *);
void peer_want(struct peer *);

/* replicator_site_lead.c */
void lead_ask_all(struct live *);  /* every peer is asked where it is */
void lead_ask_peer(struct peer *); /* of every stream that is led */
void lead_drop(struct live *);	   /* it is led no more */
void lead_copies(struct follow *);
void lead_away(struct follow *, uint64_t us); /* asked again after that */
void lead_drop_peer(struct peer *);
void lead_shipped(struct live *, const uint8_t *record, size_t n);
void lead_commit(struct live *); /* tell what all members hold */
bool lead_held(const struct live *, uint64_t *lsn);
void lead_tick(struct site *, uint64_t now);
void lead_pump(struct peer *);
int lead_claim(
    struct replicator *, struct live *, uint64_t epoch, struct err *);
int lead_on_position(struct peer *, const struct site_msg *, struct err *);
int lead_on_ack(struct peer *, const struct site_msg *, struct err *);
int lead_on_refused(struct peer *, const struct site_msg *, struct err *);

/* replicator_alarm.c */
struct alarms *alarms_open(struct replicator *);
void alarms_close(struct alarms **);

/* replicator_site_seat.c */
void seat_tick(struct site *, struct site_key *, uint64_t now);

/* replicator_site_copy.c */
void copy_stop(struct follow *);
void copy_on_tick(void *site);
void copy_abort(struct live *); /* what is being received */
void copy_on_synced(struct replicator *, const struct sync_job *);
int copy_on_copy(struct peer *, const struct site_msg *, struct err *);
int copy_on_pages(struct peer *, const struct site_msg *, struct err *);
int copy_on_copied(struct peer *, const struct site_msg *, struct err *);

/* replicator_site_follow.c */
void follow_ack(struct live *); /* what is on disk here */
void follow_leave(struct live *);
void follow_drop_peer(struct peer *);
void follow_position(struct live *);
void follow_lost(struct live *, const char *why);
/* The same of one that is damaged: an alarm tells of it for some time. */
void follow_damaged(struct live *, const char *why);

/* replicator_site_part.c */
/* Is the leader of the other side of two that have parted? */
bool part_is_apart(
    const struct live *, const struct peer *, const struct site_lead *);
/* This server's database is to be replaced by one that has its commits up to
 * base only; or, by a copy, by one that may lack any. What was acknowledged is
 * noted to be kept; -ERR_IO: it cannot be, and nothing may be replaced. */
int part_conflict(struct live *, uint64_t base, struct err *);
int part_copied(struct live *, struct err *);
void part_rejoined(struct site_key *);

struct live *follow_of(struct peer *, uint32_t handle);
int follow_on_lead(struct peer *, const struct site_msg *, struct err *);
int follow_on_start(struct peer *, const struct site_msg *, struct err *);
int follow_on_record(struct peer *, const struct site_msg *, struct err *);
int follow_on_commit(struct peer *, const struct site_msg *, struct err *);

/* replicator_wal.c */
/* Is the -wal there in which the stream's last record stands? True also when
 * the file has it, or there was none. */
bool wal_is_there(struct replicator *, const struct live *);
/* Bring the file of a stream that nobody writes to where the log is. 0;
 * -ERR_CORRUPT: the log cannot; -ERR_IO, -ERR_FULL: later, perhaps. */
int wal_make_good(struct replicator *, struct live *, struct err *);

/* replicator_damage.c */
void damage_found(struct live *, uint32_t page); /* of its file */
void damage_told(struct live *, uint32_t page);	 /* somebody says so */
void damage_tick(struct site *, uint64_t now);
/* What came of past_mend; the job is NULL when it did not begin. */
void damage_mended(
    struct live *, const struct history_job *, const struct err *);
void scrub_open(struct site *);
void scrub_close(struct site *);
void scrub_on_job(struct replicator *);

/* replicator_site_apply.c */
uint64_t file_applied(const struct live *);
/* The stream's record of an LSN, out of the ship log; it is there until the
 * next one is read. -ERR_CORRUPT: the log has it no more. */
int file_read(struct live *, uint64_t lsn, struct ship_record *, struct err *);
void file_soon(struct live *); /* there may be something to apply */
void file_work(struct site *); /* a turn's worth of it */
void file_close(struct live *);
void file_tick(struct site *, uint64_t now);
/* Learn how far the database goes. It may turn out to be lost. */
void file_look(struct live *);
/* It is not known whether a local owner left what the log never got. */
bool file_is_unknown(struct live *);
/* Readers are told what they see. */
void file_seen(struct replicator *, struct live *, uint64_t now);
/* True when a local owner may open it; else that is on the way. */
bool file_hand_over(struct replicator *, struct live *);
/* A local owner has claimed the stream just now. */
void file_claimed(struct replicator *, struct live *);

#endif
