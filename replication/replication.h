#ifndef REPLICATION_H
#define REPLICATION_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/sock.h"

/*
 * The door to replicated state. A stream is one SQLite database with one
 * writer, the owner of its key. What the owner commits is shipped to the
 * replicator process of its server, which keeps it in a synced ship log (and,
 * on a site of several servers, at the followers); only then is it
 * acknowledged, and only then may an answer that depends on it leave.
 *
 * Everything here is asynchronous and belongs to one loop.
 */

#define STREAM_NAME 64 /* "domain/7f31c2", "calls/b2bua-1"; with the NUL */
#define OWNER_KEY 64
#define OWNER_INSTANCE 80
#define OWNER_MEMBERS 256 /* 7 names of servers */

/* ---- owner map: who owns what now (owner_map.c) ------------------------ */

enum owner_state {
	OWNER_DOWN,	/* nobody at the moment */
	OWNER_CLAIMING, /* chosen, opening its streams; requests wait */
	OWNER_SERVING
};

/*
 * One entry. Keys: "sr", "st", "mgc", "calls/b2bua-1@srv1" are ownerships; an
 * instance of any role also has an entry of its own name ("mg/1@srv1"), whose
 * epoch counts its starts; a server of the site has one too ("server/srv1",
 * inside: its inside address and port base; serving while it is up).
 */
struct owner {
	char key[OWNER_KEY];
	char instance[OWNER_INSTANCE]; /* "sr/1@srv1"; empty when down */
	uint64_t epoch;		       /* grows with every change of owner */
	union addr inside;	       /* where it is spoken to inside */
	enum owner_state state;
	/* Of an ownership: the servers whose acknowledgement every write needs
	 * (its in-sync set), names joined by a space. */
	char members[OWNER_MEMBERS];
	bool drain;   /* its server drains: nothing new shall begin there */
	bool witness; /* of a server: it votes and holds no data */
	/* Of a server, where availability is preferred (ownership.h): it may
	 * decide alone; and this side does, without it. */
	bool may_part, apart;
	/* Of this server itself: it does not hear those who decide, and so does
	 * not answer for what it alone holds (a set of one). */
	bool mute;
};

struct owner_map;
#define OWNER_MAP_MAX 1024 /* entries */

/* The writer (quorum, or the supervisor of a lone server). fd is the file's,
 * to be handed to readers, who cannot write through a read-only copy. */
int owner_map_create(const char *path, struct owner_map **, struct err *);
int owner_map_fd(const struct owner_map *);
int owner_map_put(struct owner_map *, const struct owner *); /* by key */
void owner_map_remove(struct owner_map *, const char *key);
/* The reader: maps the file read-only; the descriptor may be closed after. */
int owner_map_attach(int fd, struct owner_map **, struct err *);
void owner_map_close(struct owner_map **);
/* A consistent copy; false, and all zero, when there is no such key. */
bool owner_map_find(const struct owner_map *, const char *key, struct owner *);
/* The entry of a server, likewise. */
bool owner_map_server(
    const struct owner_map *, const char *server, struct owner *);
/* Walk: *at starts at 0; false at the end. */
bool owner_map_next(const struct owner_map *, unsigned *at, struct owner *);
uint64_t owner_map_version(const struct owner_map *); /* grows with changes */
/* The server in the name of an instance or of its calls, what stands behind
 * the '@'; "" when there is none. Borrowed. */
const char *owner_server(const char *instance);
bool owner_is_member(const char *members, const char *server);
/* How many members an entry names. */
unsigned owner_count_members(const char *members);

/* ---- this process and its replicator (repl.c) -------------------------- */

struct repl;

/* root: the directory of the server's streams. Files are made group-readable
 * and group-writable for the processes of the server. */
struct repl *repl_new(struct loop *, const char *root);
void repl_free(struct repl **); /* all streams and readers closed before */
/*
 * A socket to the replicator (taken over), at start and whenever the
 * replicator was started again: open streams go on, and records that the old
 * one never acknowledged are shipped again.
 */
void repl_link(struct repl *, int fd);
bool repl_is_linked(const struct repl *);

/* ---- a stream at its owner (stream.c) ---------------------------------- */

struct stream;

struct stream_config {
	const char *name;
	uint64_t epoch;	    /* of the ownership under which it is written */
	unsigned page_size; /* of a new database: 1024 or 4096 */
	const char *schema; /* SQL for a new database; run once, may be NULL */
	/*
	 * The stream is open for writing and everything that the owner before
	 * left in the -wal is acknowledged; or it cannot be (err set), and
	 * the callee closes it. Called once, never from stream_open.
	 */
	void (*on_ready)(void *arg, struct stream *, const struct err *);
	/* A higher epoch exists, or the log failed: nothing will be
	 * acknowledged any more. The callee closes the stream. */
	void (*on_lost)(void *arg, struct stream *, const struct err *);
	void *arg;
};

int stream_open(struct repl *, const struct stream_config *, struct stream **,
    struct err *);
/*
 * Commits and ships what is pending; callbacks not yet called are dropped.
 * Statements prepared on stream_db are finalized before. When all was
 * acknowledged (stream_on_ack) the database closes to one file, else its -wal
 * stays for the next owner.
 */
void stream_close(struct stream **);

/* For reads at the owner and for writes in a joined group. Statements are
 * reset before the caller returns to the loop. NULL before on_ready. */
sqlite3 *stream_db(struct stream *);
const char *stream_name(const struct stream *);
uint64_t stream_epoch(const struct stream *);

/*
 * Writing. stream_join starts or joins the group transaction: statements run
 * on stream_db after it belong to the group, until the caller returns to the
 * loop. The group is committed at the end of the loop's turn when nothing is
 * on its way to the disk; else when that is acknowledged, with
 * STREAM_GROUP_MAX joins, after STREAM_GROUP_US, or by stream_commit. A caller
 * whose own statements failed half-way undoes them with a mark of its own.
 * -ERR_BUSY: too much waits for the replicator (32 MiB); -ERR_NOOWNER: not
 * open yet; the error of on_lost once it was lost.
 */
#define STREAM_GROUP_MAX 64
#define STREAM_GROUP_US 1000
int stream_join(struct stream *, struct err *);
int stream_commit(
    struct stream *, struct err *); /* now; not yet acknowledged */
/* Inside a joined group: a mark, and the way back to it. */
int stream_mark(struct stream *, struct err *);
int stream_mark_keep(struct stream *, struct err *);
int stream_mark_undo(struct stream *, struct err *);

/*
 * Output that must wait. The record is the caller's and lives until fn ran or
 * stream_ack_cancel. fn(arg, NULL) once all that was written to the stream
 * before the call is acknowledged; with an error when it never will be (the
 * group failed to commit, the stream was lost). Calls come in order, never
 * from stream_on_ack itself. Without a write pending it confirms that what a
 * read just saw is acknowledged.
 */
struct stream_ack {
	void (*fn)(void *arg, const struct err *);
	void *arg;
	uint64_t lsn;
	struct stream_ack *next;
	bool queued;
};
void stream_on_ack(struct stream *, struct stream_ack *);
void stream_ack_cancel(struct stream *, struct stream_ack *);

/*
 * Note a change for readers of the stream, in the group: the object's name
 * and key ("user", "101"). Readers get it after the acknowledgement.
 */
int stream_change(
    struct stream *, const char *object, const char *key, struct err *);

struct stream_status {
	char name[STREAM_NAME];
	uint64_t epoch;
	uint64_t lsn; /* last commit */
	uint64_t acked;
	uint64_t wal_frames; /* length of the -wal */
	uint64_t pending;    /* commits not yet acknowledged */
};
void stream_status(const struct stream *, struct stream_status *);

/* ---- a stream at its readers (reader.c) -------------------------------- */

struct reader;

enum reader_event {
	READER_OPEN,	/* the database can be read from now on */
	READER_CHANGED, /* acknowledged commits: see reader_changes */
	READER_RELOAD,	/* too many changes, or another file: read all anew;
			 * prepared statements of reader_db are gone */
	READER_ABSENT	/* there is no such stream (yet); OPEN may follow */
};
typedef void reader_fn(void *arg, struct reader *, enum reader_event);

int reader_open(struct repl *, const char *name, reader_fn *, void *arg,
    struct reader **, struct err *);
void reader_close(struct reader **);
/* A read-only connection; NULL before READER_OPEN and after READER_ABSENT. */
sqlite3 *reader_db(struct reader *);
const char *reader_name(const struct reader *);
/* The notes of stream_change since the last call, oldest first. */
typedef void reader_change_fn(void *arg, const char *object, const char *key);
int reader_changes(
    struct reader *, reader_change_fn *, void *arg, struct err *);
/* The stream's position as last told by the replicator. */
void reader_status(const struct reader *, struct stream_status *);

/* ---- a stream as it was (past.c) ---------------------------------------- */

struct past {
	sqlite3 *db;   /* the callee's; past_close */
	uint64_t lsn;  /* of the last commit in it */
	uint64_t time; /* when this server's ship log took that, microseconds */
};

/*
 * Have a stream of the history built as it was at a time, real clock in
 * microseconds. fn is called once, from the loop, with a database of the
 * callee's own, readable and writable, or with the error: -ERR_ABSENT with
 * words when the history does not have that time; -ERR_CORRUPT with file and
 * offset; -ERR_CLOSED when the replicator went away.
 */
typedef void past_fn(void *arg, struct past *, const struct err *);
void past_ask(
    struct repl *, const char *stream, uint64_t time, past_fn *, void *arg);
void past_forget(struct repl *, void *arg); /* fn is not called any more */
void past_close(struct past *); /* closes the database; it is no more */

/* ---- the replicator's own side (replicator.c) -------------------------- */

/* In a process that opens no stream and no reader: it opens and closes
 * database files to sync them, which would drop SQLite's locks. */

struct replicator;

/*
 * Ask for a change of a key's in-sync set, under an epoch of the key: add a
 * server or remove it. Always answered by replicator_decided, once and with
 * the same words; until then no other proposal is made for the key and server.
 * What counts is the owner map.
 */
typedef void replicator_propose_fn(
    void *arg, const char *key, uint64_t epoch, const char *server, bool add);

/*
 * Ask that a key of this server goes to another server that is a member, under
 * an epoch of the key: its database here is damaged. Not answered: what counts
 * is the owner map, and it is asked again.
 */
typedef void replicator_give_fn(
    void *arg, const char *key, uint64_t epoch, const char *server);

struct replicator_config {
	const char *root;  /* of the streams */
	const char *log;   /* directory of the ship log */
	uint64_t log_keep; /* bytes of ship log kept beyond what redo needs */
	uint64_t log_segment; /* bytes of a file of it; 0 = 64 MiB */
	/* The history of domains (history.h); NULL = none is kept. */
	const char *history;
	uint64_t history_keep;	/* microseconds that it shall reach back */
	uint64_t history_bytes; /* of one stream, at most */
	const char *boot; /* id of the machine's boot; NULL = the kernel's */
	/* On a site: the name of this server, and who decides. Without a name
	 * the server is alone, whatever the owner map says. */
	const char *server;
	replicator_propose_fn *propose;
	replicator_give_fn *give;
	void *propose_arg; /* of both */
	/* The ship log is kept for a stream that nobody writes or follows here,
	 * or somebody waits to read it: who owns it should open it, which puts
	 * what its -wal holds into the file and tells what counts. Told again
	 * and again while it is so. May be NULL. */
	void (*stranded)(void *arg, const char *stream);
	void *stranded_arg;
};

/*
 * Opens the ship log: cuts a torn tail, verifies checksums, and after a
 * reboot of the machine discards every -wal and redoes what the log holds.
 * Fails when the log is damaged before its tail: err says where.
 */
int replicator_open(struct loop *, const struct replicator_config *,
    struct replicator **, struct err *);
void replicator_close(struct replicator **);
/* The other end of a repl_link (taken over); who is "sr/1". */
void replicator_serve(struct replicator *, int fd, const char *who);
/* The highest epoch seen in any stream of a key; see DESIGN 6, one server. */
uint64_t replicator_highest_epoch(const struct replicator *);
/* Of its ship log: another one when the log was lost and begun anew. */
uint64_t replicator_log_id(const struct replicator *);

struct replicator_stream {
	char name[STREAM_NAME];
	char writer[OWNER_INSTANCE]; /* "" when closed */
	uint64_t epoch;
	uint64_t lsn;	     /* received */
	uint64_t synced;     /* in the ship log, on disk */
	uint64_t checkpoint; /* in the database file, on disk */
	unsigned readers;
};
/* Walk all streams known: *at starts at 0; false at the end. */
bool replicator_next(
    const struct replicator *, size_t *at, struct replicator_stream *);

/* ---- the replicator among others (replicator_site.c) ------------------- */

/* The map was made known or has changed. It is kept; until the first call
 * nothing of a site is acknowledged or taken from others. */
void replicator_owners(struct replicator *, const struct owner_map *);
/* A connection to another server's replicator (taken over), which replaces
 * one that there was. Either side may close it at any time. */
void replicator_join(struct replicator *, int fd, const char *server);
enum replicator_answer {
	REPLICATOR_NO, /* refused: nothing has changed */
	REPLICATOR_YES,
	REPLICATOR_UNKNOWN /* it may have come to pass, or may still */
};
void replicator_decided(struct replicator *, const char *key, uint64_t epoch,
    const char *server, bool add, enum replicator_answer);
/* The key of a stream's ownership. */
void replicator_key(const char *stream, char key[OWNER_KEY]);

/* A stream at one of its followers, as its leader sees it; or, with an empty
 * follower, a stream that this server follows or that has no followers. */
struct replicator_follower {
	char stream[STREAM_NAME];
	char key[OWNER_KEY];
	char members[OWNER_MEMBERS];
	char follower[33];
	char leader[33];
	uint64_t epoch;
	uint64_t lsn;	      /* last record here */
	uint64_t acked;	      /* on the follower's disk */
	uint64_t applied;     /* visible to this server's readers */
	uint64_t lag_records; /* that the follower has not acknowledged */
	uint64_t lag_us;      /* since when it owes an answer */
	const char *state;    /* in-sync, joining, live, behind, copying, asked,
				 away; of this server: leading, following,
				 copying, waiting, lost */
};
/* Walk: *at starts at 0; false at the end. */
bool replicator_next_follower(
    const struct replicator *, size_t *at, struct replicator_follower *);
/* Something that is wrong, and has been for a second. */
struct replicator_alarm {
	char name[16];	   /* its kind: degraded, behind, ... */
	char subject[128]; /* key, stream, server that has it */
	char text[200];
	uint64_t since; /* real clock, us */
	bool holds;	/* it was there at the look before too */
};
/* Walk: *at starts at 0; NULL at the end. Borrowed until the next turn. */
const struct replicator_alarm *replicator_next_alarm(
    const struct replicator *, size_t *at);
/* What the history has of a stream of a domain. */
struct replicator_span {
	char stream[STREAM_NAME];
	uint64_t from;	/* it can be had from here on, real clock; 0 = not */
	uint64_t bytes; /* of its volumes, beside the ship log */
	unsigned volumes;
};
/* Called once, from the loop; the spans are borrowed. */
typedef void replicator_spans_fn(
    void *arg, const struct replicator_span *, size_t n, const struct err *);
void replicator_spans(struct replicator *, replicator_spans_fn *, void *arg);

struct replicator_status {
	uint64_t records, bytes; /* appended since it was opened */
	uint64_t syncs, sync_us, sync_us_max;
	uint64_t log_bytes; /* on disk now */
	uint64_t segments;
	uint64_t end, synced; /* positions in the log */
	uint64_t streams, links;
	uint64_t full, failed; /* 1 = waits for room; does not work any more */
	uint64_t peers;	       /* servers connected */
	uint64_t lost;	       /* replicas that had to be made anew */
	uint64_t rewound;      /* that went back to what was acknowledged */
};
/* Kept up to date at the end of every turn. */
const struct replicator_status *replicator_counters(const struct replicator *);
void replicator_status(const struct replicator *, struct replicator_status *);

#endif
