#ifndef CONTROL_DRILL_H
#define CONTROL_DRILL_H

#include "control.h"
#include "daemon/role/role_wire.h"
#include "replication/ownership.h"

/*
 * request drill: faults made on purpose, under writes whose acknowledgements
 * are noted, and a report of how long service was away and what was lost.
 */

/* ---- drill_machine.c: what comes next (pure) ----------------------------- */

enum drill_state {
	DRILL_SETTLING, /* until the site is as whole as it was */
	DRILL_PAUSING,	/* writes go on for a while */
	DRILL_STRUCK,	/* the fault was asked for; nobody serves yet */
	DRILL_CHECKING, /* what was acknowledged is looked for everywhere */
	DRILL_CLEARING, /* what was written is taken away */
	DRILL_OVER
};
enum drill_event {
	DRILL_WHOLE,   /* the site is as whole as it was */
	DRILL_SERVED,  /* all that was away is served again */
	DRILL_REFUSED, /* the fault cannot be made; why is set by the caller */
	DRILL_TIMER,
	DRILL_STOP, /* the operator wants no more */
	DRILL_DONE  /* checked, or cleared */
};
enum drill_order {
	DRILL_WAIT,   /* nothing to do now */
	DRILL_STRIKE, /* make the fault */
	DRILL_MEND,   /* undo it, then say when all is whole */
	DRILL_CHECK,
	DRILL_CLEAR,
	DRILL_FINISH
};

#define DRILL_PATIENCE_SERVE (30 * UINT64_C(1000000))
#define DRILL_PATIENCE_WHOLE (45 * UINT64_C(1000000))
#define DRILL_AGAIN UINT64_C(100000) /* after a refusal */
#define DRILL_REFUSALS 50	     /* then it is no use */

struct drill_machine {
	enum drill_state state;
	unsigned times, trials; /* wanted; made and served */
	uint64_t pause;		/* us between a whole site and the next */
	uint64_t timer;		/* us from the last step to DRILL_TIMER; 0 =
				 * none */
	bool ending;		/* no further trial */
	struct err why;		/* it ended before its time */
};

/* It waits for DRILL_WHOLE first. */
void drill_begin(struct drill_machine *, unsigned times, uint64_t pause);
/* Every event is allowed in every state; one that means nothing there changes
 * nothing. */
enum drill_order drill_step(struct drill_machine *, enum drill_event);

/* ---- drill_report.c: what is told at the end (pure) ---------------------- */

struct drill_trial {
	uint64_t at;	/* real clock */
	uint64_t us;	/* from the fault to the first write acknowledged */
	uint64_t epoch; /* under which it was */
	char from[OWNER_INSTANCE], to[OWNER_INSTANCE];
};
struct drill_times {
	uint64_t p50, p99, p999, max; /* us; 0 of no trials */
};
void drill_times(const struct drill_trial *, size_t n, struct drill_times *);
/* More than three times the median. */
bool drill_is_outlier(const struct drill_trial *, const struct drill_times *);
/* How many of the numbers 0..count that were acknowledged a server has not;
 * have: an array of those it has, in any order. */
uint64_t drill_missing(const uint8_t *acked, uint64_t count, json_t *have);

/* ---- drill_probe.c: writes, and whether they are there ------------------- */

#define DRILL_KEYS 2	     /* of a server: sr and st */
#define DRILL_WINDOW 64	     /* writes without an answer of one owner */
#define DRILL_AS 7	     /* name of one drill's rows, with the NUL */
#define DRILL_WRITES 1000000 /* of one drill */

struct drill;
struct drill_probe;
TAILQ_HEAD(drill_probes, drill_probe);

/* What is written to an owner. */
struct drill_key {
	struct drill *drill;
	enum role_id role;
	const char *name; /* "sr" */
	struct rpc *rpc;  /* the owner's as we know it; NULL = none */
	uint64_t epoch;	  /* its ownership */
	unsigned open;	  /* writes there without an answer */
	struct drill_probes probes;
	uint8_t *acked; /* by number: was it acknowledged? */
	uint64_t count, room, nacked;
	struct loop_timer *timer;
	bool writing;
	/* of the trial */
	uint64_t before; /* epoch at the fault */
	bool moves;	 /* a higher epoch must come */
	uint64_t least;	 /* writes from this number on count; 0 =
			  * none yet */
	bool served;
	char from[OWNER_INSTANCE]; /* owner at the fault */
	/* at the end */
	uint64_t cleared; /* numbers below it are gone */
};

/* Start writing, rate writes a second. */
void probe_start(struct drill_key *);
/* No more writes; answers still count. */
void probe_stop(struct drill_key *);
/* Owners or links have changed. */
void probe_wake(struct drill_key *);
/* A link is about to be closed. */
void probe_unlink(struct drill_key *, struct rpc *);
/* Take all rows of the drill away; drill_cleared is called once. */
void probe_clear(struct drill_key *);
void probe_free(struct drill_key *);

/* ---- drill_read.c: the rows of a drill in the replica of this server ----- */

typedef void drill_read_fn(void *arg, json_t *have, const struct err *);
/* The numbers in it once the number until is there; without it after
 * DRILL_READ_PATIENCE what there is. */
#define DRILL_READ_PATIENCE (3 * UINT64_C(1000000))
void drill_read(struct control *, const char *key, const char *as,
    const char *session, uint64_t until, drill_read_fn *, void *arg);

/* ---- drill_fault.c: faults, here or on another server -------------------- */

typedef void drill_fault_fn(void *arg, const struct err *);
/* fn is called once, later. */
void drill_fault(struct control *, const char *server,
    const struct role_fault *, const struct op_who *, drill_fault_fn *,
    void *arg);

/* Another control asks for one, or for the rows of its drill. */
void drill_fault_asked(struct control *, struct rpc_request *, json_t *params);
void drill_read_asked(struct control *, struct rpc_request *, json_t *params);

/* ---- drill_site.c: who owns what, and whether all are there -------------- */

#define DRILL_STARTS 64 /* instances that a fault may end */

/* As whole as the site can be. */
struct drill_site {
	unsigned members, instances, servers;
};
/* An instance that has to be started again: its epoch must grow. */
struct drill_start {
	char name[OWNER_INSTANCE];
	uint64_t epoch;
};
/* Count what the drill needs; kept as that which it must come back to. */
void drill_site_keep(struct drill *);
bool drill_site_is_whole(struct drill *);
/* Every key of the drill is owned on the server. */
bool drill_site_is_at(struct drill *, const char *server);
/* The fault comes now: note owners, epochs and who will have to start. */
void drill_site_note(struct drill *);
/* The first member that is not the owner's server; false = there is none. */
bool drill_site_other(
    const struct drill *, const struct drill_key *, char out[MESH_NAME]);

/* ---- drill.c: one drill -------------------------------------------------- */

enum drill_kind { DRILL_KILL, DRILL_STALL, DRILL_MOVE, DRILL_DRAIN, DRILL_CUT };

struct drill_ask;
LIST_HEAD(drill_asks, drill_ask);

struct drill {
	unsigned magic;
#define DRILL_MAGIC 0x4452494cu
	struct control *control;
	struct op_call *call;
	struct op_who who; /* who asked, in the session that the store sees */
	char console[OP_SESSION]; /* session that asked */
	char as[DRILL_AS];
	enum drill_kind kind;
	char server[MESH_NAME]; /* under drill; "" = a role is */
	uint64_t rate;		/* writes a second to each owner */
	uint32_t lasts;		/* ms of a fault */
	struct drill_machine machine;
	struct loop_timer *timer;
	struct drill_key key[DRILL_KEYS];
	unsigned nkeys;
	struct drill_trial *trial; /* room for times */
	uint64_t struck;	   /* monotonic clock of the fault */
	struct drill_site site;
	struct drill_start start[DRILL_STARTS];
	unsigned nstarts;
	bool gathering;	   /* ownerships were asked to come to the server */
	bool mending;	   /* the fault is not known to be undone */
	unsigned refusals; /* of either since the last trial */
	struct loop_timer *again; /* after one */
	struct drill_asks asks;
	uint64_t lost;
	unsigned checking, clearing; /* answers that are still to come */
};

/* A write of a key was acknowledged that ends its outage. */
void drill_on_served(struct drill *);
/* The fault is undone. */
void drill_on_mended(struct drill *);
/* The rows of one key are gone. */
void drill_on_cleared(struct drill *);
/* Begin; d is taken, and call ends with it. */
void drill_start(struct drill *d, struct op_call *call);

/* ---- drill_ask.c: what a drill asks of others ---------------------------- */

/* The fault of the trial, to who must make it. */
void drill_strike(struct drill *);
/* What of it is not undone by itself. */
void drill_mend(struct drill *);
/* Move all keys to the server under drill. */
void drill_gather(struct drill *);
/* Nobody waits for answers any more. */
void drill_forget(struct drill *);
void drill_feed(struct drill *, enum drill_event); /* d may be gone after */

/* ---- op_drill.c ---------------------------------------------------------- */

/* The report; ends the call. */
void drill_tell(struct drill *);

#endif
