#ifndef QUORUM_QUORUM_H
#define QUORUM_QUORUM_H

#include "daemon/base/buf.h"
#include "daemon/base/loop.h"
#include "daemon/base/mesh.h"
#include "daemon/op/op.h"
#include "replication/ownership.h"

/* The room of the quorum process. */

/* ---- quorum_raft.c: libraft and its loop, which nothing else includes --- */

struct engine;

enum engine_state {
	ENGINE_DOWN,
	ENGINE_FOLLOWER,
	ENGINE_CANDIDATE,
	ENGINE_LEADER
};
enum engine_vote { ENGINE_STANDBY, ENGINE_VOTER, ENGINE_SPARE };

struct engine_config {
	struct loop *loop;
	const char *dir; /* of the raft log, there already */
	uint64_t id;
	const char *name;
	bool bootstrap; /* a group of this server alone, if the log is new */
	bool recover;	/* the same, whatever the log says */
	unsigned heartbeat, election; /* ms */
	/* An entry is decided, here as everywhere. */
	void (*on_apply)(void *arg, const uint8_t *, size_t n);
	/* The whole state as bytes, and back from them. */
	void (*on_save)(void *arg, struct buf *);
	int (*on_load)(void *arg, const uint8_t *, size_t n, struct err *);
	/* A stream to another server of the group: our end of a socket pair,
	 * or -1 while there is no connection. */
	int (*on_connect)(void *arg, const char *name);
	void *arg;
};

/* Reads the log; starts the threads of libuv, so that a sandbox may close
 * behind it. */
int engine_open(const struct engine_config *, struct engine **, struct err *);
/* Another server has connected to us: fd is taken. */
void engine_accept(struct engine *, uint64_t id, const char *name, int fd);
/* Leader only. failed is called when the entry may never be decided (it still
 * may); an entry that is decided comes to on_apply first. */
typedef void engine_failed_fn(void *arg, uint64_t tag, const char *why);
int engine_propose(struct engine *g, const uint8_t *p, size_t n,
    engine_failed_fn *failed, void *arg, uint64_t tag, struct err *e);
enum engine_state engine_state(const struct engine *);
/* It cannot write its log and goes on no more, and why. */
bool engine_is_broken(const struct engine *, struct err *);
/* "" = none known. */
const char *engine_leader(struct engine *);
uint64_t engine_term(const struct engine *);
/* Other timers, ms. */
void engine_pace(struct engine *, unsigned heartbeat, unsigned election);
uint64_t engine_applied(struct engine *);
/* It leads and has applied all of its log. */
bool engine_is_level(struct engine *);
/* The servers of the group: *at starts at 0; false at the end. */
bool engine_next(const struct engine *, unsigned *at, uint64_t *id,
    const char **name, enum engine_vote *);
/* Leader only: the others hear what is decided now, not at the next
 * heartbeat. */
void engine_push(struct engine *);
/* Leader only: let a voter that knows everything lead; nothing is decided until
 * then. True when it was begun: fn (which may be NULL) is called once when the
 * other leads, or when the time of an election is over and it does not. */
typedef void engine_handed_fn(void *arg);
bool engine_hand_over(
    struct engine *, uint64_t id, engine_handed_fn *, void *arg);
/* Leader only, one change at a time: true when one was begun. */
bool engine_is_changing(const struct engine *);
bool engine_add(struct engine *, uint64_t id, const char *name);
bool engine_assign(struct engine *, uint64_t id, enum engine_vote);
bool engine_remove(struct engine *, uint64_t id);

/* ---- quorum_link.c: the connection with the quorum of another server ---- */

struct quorum_link;
struct quorum;

/* fd (of the mesh) is taken. */
struct quorum_link *quorum_link_open(
    struct quorum *, const char *server, int fd);
void quorum_link_close(struct quorum_link **);
void quorum_link_beat(struct quorum_link *, uint64_t applied);
/* Send a command to a leader, and what became of it from there. */
void quorum_link_propose(
    struct quorum_link *, uint64_t tag, const uint8_t *, size_t n);
void quorum_link_answer(struct quorum_link *, uint64_t tag, const char *why);
/* How the sender is, see quorum_part.c. */
enum part_state { PART_WHOLE, PART_ALONE, PART_YIELDED, PART_STATES };
void quorum_link_part(struct quorum_link *, enum part_state, uint64_t highest);
/* An instance of ours serves a key under an epoch. */
void quorum_link_serving(struct quorum_link *, const char *key, uint64_t epoch);
/* A stream for raft's connection to that server; -1 while there is no hello. */
int quorum_link_connect(struct quorum_link *);

/* ---- quorum_frame.c: frames, pure (fuzzed) ------------------------------ */

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_BEAT,
	FRAME_STREAM, /* a new stream of raft from the sender */
	FRAME_BYTES,  /* of it */
	FRAME_END,    /* the sender's stream ends, or the receiver's must */
	FRAME_PROPOSE,
	FRAME_FAILED,
	FRAME_PART,
	FRAME_ECHO,
	FRAME_BACK,
	FRAME_SERVING,
	FRAME_MAX
};
struct frame {
	enum frame_type type;
	/* id (HELLO), tag (PROPOSE, FAILED), epoch (PART, SERVING), clock
	 * (ECHO, BACK), else stream */
	uint64_t number;
	const uint8_t *bytes;
	size_t n;
};
#define FRAME_HEAD 16
#define FRAME_BYTES_MAX 65536
void frame_encode(struct buf *, const struct frame *);
/* Bytes of the frame, 0 = more are needed, -ERR_CORRUPT. */
long frame_decode(struct frame *, const uint8_t *, size_t n, struct err *);

/* The command in an entry of the raft log (quorum.c), likewise. */
int quorum_entry_decode(
    struct ownership_command *, const uint8_t *, size_t n, struct err *);

/* ---- quorum_pace.c: timers after the round trip -------------------------- */

#define PACE_SAMPLES 8
struct pace_samples {
	uint64_t us[PACE_SAMPLES];
	size_t n;
};
void pace_sample(struct pace_samples *, uint64_t us);
/* The least of the last; 0 until there are PACE_SAMPLES. */
uint64_t pace_least(const struct pace_samples *);

/* All pure; what timers follow, zero at first. */
struct pace {
	uint64_t rtt; /* us, of the site */
	uint64_t low; /* since when it is less than half; 0 = it is not */
};
/* What the round trip is now; true when timers are others than before. */
bool pace_step(struct pace *, uint64_t rtt, uint64_t now);
/* ms */
unsigned pace_heartbeat(const struct pace *, bool realtime);
unsigned pace_election(const struct pace *, bool realtime);

struct quorum;
/* An ECHO that was sent at that time is answered. */
void quorum_on_back(struct quorum *, const char *server, uint64_t sent);
void quorum_pace_tick(struct quorum *);

/* ---- quorum.c: proposals, decisions and their news ---------------------- */

#define QUORUM_TICK (20 * CLOCK_MS) /* heartbeats */
#define QUORUM_ENVELOPE 24	    /* bytes in front of a command in the log */

/* After its start a server should have heard the others by then. */
#define QUORUM_GRACE (5 * CLOCK_SEC)

typedef void quorum_done_fn(void *arg, const struct err *);

/* A command of ours on its way. */
struct proposal {
	uint64_t tag;
	uint64_t until;			/* monotonic clock */
	char to[OWNERSHIP_SERVER_NAME]; /* the leader it was sent to; "" = us */
	uint64_t noticed; /* monotonic clock of what it is about */
	quorum_done_fn *fn;
	void *arg;
	struct proposal *next;
};

/* A key that an instance of a server serves; an empty key = none. */
struct serves {
	char key[OWNER_KEY];
	uint64_t epoch;
};
#define SERVES (OWNERSHIP_FIXED + OWNERSHIP_INDEX)

/* Another server as this one hears it. */
struct peer_server {
	char name[OWNERSHIP_SERVER_NAME];
	struct quorum_link *link;
	uint64_t id;	/* of its hello; 0 = none yet */
	uint64_t heard; /* monotonic clock of its last frame; 0 = never */
	uint64_t down;	/* since when it is thought gone; 0 = it is not */
	uint64_t up;	/* since when it is thought up; 0 = it is not */
	bool kept;	/* a recovery could not take it out */
	bool told_part; /* it has said how it is; part and highest say that */
	enum part_state part;
	uint64_t highest;	      /* epoch */
	struct serves serves[SERVES]; /* what it says itself */
	struct pace_samples trips;
};

#define SWITCH_EVENTS 64

/* A change of owner; monotonic clock but for at. */
struct switch_event {
	char key[OWNER_KEY];
	char from[OWNER_INSTANCE], to[OWNER_INSTANCE];
	uint64_t epoch;
	enum ownership_type cause;
	uint64_t at;			    /* real clock of the decision */
	uint64_t noticed, decided, serving; /* serving 0 = not yet */
};
struct switch_seen {
	uint64_t epoch;
	char owner[OWNER_INSTANCE];
};
struct switches {
	struct switch_event event[SWITCH_EVENTS];
	uint64_t n; /* events ever */
	struct switch_seen seen[OWNERSHIP_KEYS];
};

/* Copied, what it points to too. */
struct quorum_config {
	struct loop *loop;
	const char *server; /* our name */
	union addr inside;  /* port = port base */
	const char *dir;    /* STATE/raft */
	uint64_t floor;	    /* the highest epoch of the ship log */
	/* The other servers, if this one joined them: it waits for them. What
	 * is on disk since counts more. */
	const struct mesh_server *others;
	size_t nothers;
	bool realtime; /* short timers can be kept */
	bool witness;  /* this server holds no data: it has no instances */
	bool warm;     /* only this process was started anew, not the server */
	/* An entry of the map is new, another or (removed) gone. */
	void (*on_entry)(void *arg, const struct owner *, bool removed);
	/* The servers of the site, this one too, are others now. */
	void (*on_servers)(void *arg, const struct mesh_server *, size_t n);
	void *arg;
};

struct quorum {
	struct quorum_config config;
	char server[OWNERSHIP_SERVER_NAME];
	struct engine *engine;
	struct mesh *mesh; /* NULL in tests */
	struct ownership_machine machine;
	uint64_t id;
	uint64_t tag;		   /* of the last proposal */
	uint64_t started, leading; /* monotonic clock; 0 = does not lead */
	bool level; /* has applied all that there was when it began to lead */
	uint64_t moved;	 /* monotonic clock of the last decision */
	uint64_t handed; /* likewise, of the last attempt to hand over */
	uint64_t pause;	 /* before the next one: they may fail */
	uint64_t ticked;
	struct pace pace;
	uint64_t paced; /* monotonic clock of its last step */
	struct loop_timer *tick;
	struct loop_defer news;
	struct proposal *proposals;
	struct peer_server peer[OWNERSHIP_SERVERS];
	/* The entries as told last, by their keys. */
	struct owner *told;
	size_t ntold;
	struct mesh_server servers[OWNERSHIP_SERVERS];
	size_t nservers;
	bool servers_changed;
	/* What is true of our own instances, and whether we are telling. */
	struct {
		char name[OWNERSHIP_ROLE_NAME];
		uint64_t since[OWNERSHIP_INDEX];
		uint64_t ended[OWNERSHIP_INDEX]; /* monotonic clock */
		bool leaves;			 /* not placed here any more */
	} role[OWNERSHIP_ROLES];
	uint64_t log; /* id of our ship log; 0 = not known */
	struct serves serving[SERVES];
	bool reporting;
	bool recovering;   /* no others are heard until they are taken out */
	bool mute;	   /* it has no lease */
	uint64_t waits;	   /* since then to hear others; real clock, 0 = no */
	bool availability; /* what the site's configuration prefers */
	struct {
		bool going;   /* the group is being made anew without others */
		bool yielded; /* we come back with what the other decided */
		uint64_t floor; /* then: the highest epoch decided here */
		uint64_t told;	/* monotonic clock */
	} part;
	/* What the log holds from before is applied: until then the machine
	 * is history, of which nobody is told. */
	bool current;
	uint64_t target; /* how far the leader was when it was first heard */
	struct switches switches;
	uint64_t noticed; /* what the next proposal is about; 0 = now */
	/* What the process counts. */
	uint64_t decided, refused, downs, elections;
	uint64_t pushed; /* of those decided */
};

/* Ends with the process, as it does when this fails. */
int quorum_open(const struct quorum_config *, struct quorum **, struct err *);
/* The mesh has a connection: fd is taken. */
void quorum_on_up(struct quorum *, const char *server, int fd);
/* An instance of ours; since 0 = it is not ready. */
void quorum_instance(
    struct quorum *, const char *role, unsigned index, uint64_t since);
void quorum_serving(struct quorum *, const char *key, uint64_t epoch);
/* A role is, or is not, placed on this server. */
void quorum_placed(struct quorum *, const char *role, bool placed);
/* The ship log has this id, and saw this epoch. */
void quorum_log(struct quorum *, uint64_t id, uint64_t epoch);
/*
 * Propose a command. fn is called once, never from here: NULL when it was
 * decided and done; the machine's refusal; ERR_NOOWNER when there is no
 * leader and nothing was proposed; ERR_TIMEOUT when nobody knows what became
 * of it (it may still be decided).
 */
void quorum_propose(struct quorum *, const struct ownership_command *,
    quorum_done_fn *, void *arg);
/* The same about a member, at the key's present turn. */
void quorum_member(struct quorum *, enum ownership_type, const char *key,
    uint64_t epoch, const char *server, quorum_done_fn *, void *arg);

/* For quorum_link.c. */
struct peer_server *quorum_peer(struct quorum *, const char *server);
void quorum_on_hello(struct quorum *, const char *server, uint64_t id);
void quorum_on_heard(struct quorum *, const char *server);
void quorum_on_beat(struct quorum *, const char *server, uint64_t applied);
void quorum_on_propose(struct quorum *, const char *server, uint64_t tag,
    const uint8_t *, size_t n);
void quorum_on_failed(struct quorum *, uint64_t tag, const char *why);
void quorum_on_serving(
    struct quorum *, const char *server, const char *key, uint64_t epoch);
void quorum_on_gone(struct quorum *, struct quorum_link *);

/* What the configuration prefers, as far as this server knows it; where the
 * owner of st is it becomes a decision of the site. */
void quorum_prefer(struct quorum *, bool availability);

/* ---- quorum_part.c: one of two goes on alone ----------------------------- */

/* Before raft is opened: carries out the notes. */
int quorum_part_open(struct quorum *, struct err *);
void quorum_part_tick(struct quorum *, uint64_t now);
/* Nothing is decided nor told yet. */
bool quorum_part_holds(struct quorum *);
/* The server decides without us, or we without it: its raft is not ours. */
bool quorum_part_from(const struct quorum *, const char *server);
void quorum_part_tell(struct quorum *, struct peer_server *);
void quorum_on_part(
    struct quorum *, const char *server, enum part_state, uint64_t highest);

/* ---- quorum_lease.c: who may answer alone ------------------------------- */

/* May this server answer for what it alone holds? */
bool quorum_lease(struct quorum *, uint64_t now);
/* Is there a leader, and heard? */
bool quorum_is_led(struct quorum *, uint64_t now);

/* ---- quorum_lead.c: what the leader does at each tick ------------------- */

void quorum_lead_tick(struct quorum *);
/* This server stops: let the best of the others lead, if it leads. True: fn is
 * called once when that is over. */
bool quorum_lead_leave(struct quorum *, engine_handed_fn *, void *arg);
/* Silence after which a server is down, us. */
uint64_t quorum_patience(const struct quorum *);

/* ---- quorum_disk.c: a disk that is full ---------------------------------- */

/* Is there too little room to begin? Why. */
bool quorum_disk_lacks(const struct quorum *, struct err *);
/* Ends the process when nothing can be kept any more; for want of room only
 * where others take over. */
void quorum_disk_tick(const struct quorum *, bool others);

/* ---- quorum_file.c: what must be known before raft is ------------------- */

/* Our id in the group, made at the first start. */
int file_id(const char *dir, uint64_t *id, struct err *);
/* A number that was noted; false when there is none. */
bool file_number(const char *dir, const char *name, uint64_t *);
/* The servers as last decided: without them nobody is reached, and without
 * others nothing is decided. */
size_t file_servers(const char *dir, struct mesh_server *, size_t room);
int file_servers_write(
    const char *dir, const struct mesh_server *, size_t n, struct err *);
/* A file of that directory: the new text, whole and on disk, or the old. */
int file_write(
    const char *dir, const char *name, const char *, size_t n, struct err *);

/* Is it there; take it away (false, and logged, when that fails). */
bool file_there(const char *dir, const char *name);
bool file_remove(const char *dir, const char *name);

/* ---- quorum_recover.c: the majority is lost for good -------------------- */

/* Leave the note; ERR_INVALID unless those named are all the others. */
int quorum_recover_note(const char *dir, const char *self,
    const char *const *lost, size_t n, struct err *);
bool quorum_recover_asked(const char *dir);
/* As the leader: one step. */
void quorum_recover_tick(struct quorum *);

/* ---- quorum_switch.c: how long changes of owners took ------------------- */

/* A decision was applied: it may have given keys to others. noticed: what led
 * to it (monotonic clock), when it was proposed here; else 0. */
void switch_look(struct quorum *, enum ownership_type cause, uint64_t noticed);
extern const struct op switch_op;

/* ---- quorum_op.c -------------------------------------------------------- */

extern const struct op *const quorum_ops[];

#endif
