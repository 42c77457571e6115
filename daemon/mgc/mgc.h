#ifndef MGC_MGC_H
#define MGC_MGC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/map.h"
#include "daemon/base/rpc.h"
#include "daemon/base/sock.h"
#include "daemon/ng/ng.h"
#include "replication/replication.h"

/*
 * The controller's own: gates (the MG instances of the owner map), sessions
 * (which call is at which gate; rows of stream `media`), orders (commands of
 * B2BUA on their way through).
 */

#define MGC_STREAM "media"
#define MGC_ID_MAX 255 /* bytes of a call-id */

struct mgc_gate {
	TAILQ_ENTRY(mgc_gate) entry;
	struct mgc *mgc;
	char key[OWNER_KEY]; /* "mg/1@srv1", as in the owner map */
	union addr at;	     /* of its ng socket */
	uint64_t epoch; /* its start; another one knows no calls of before */
	bool serving;
	bool drain;		   /* is given no new calls */
	bool seen;		   /* in this reading of the owner map */
	uint64_t sessions;	   /* placed there */
	uint64_t orders, failures; /* sent to it; not obeyed */
	/* mgc_sweep.c */
	bool sweeping, ours;
	uint64_t cursor, sweep_since;
	struct map listed; /* call-ids it told in this sweep */
	struct map stray;  /* ... of the last one that nobody knew */
};

struct mgc_session {
	TAILQ_ENTRY(mgc_session) entry;
	char *id;
	struct mgc_gate *gate;
	uint64_t gate_epoch; /* at which it was placed */
	uint64_t created;    /* real clock, us */
	uint64_t touched;    /* monotonic, last order */
	bool answered;	     /* the gate has obeyed an offer */
	unsigned orders;     /* on their way */
};

struct mgc_order {
	TAILQ_ENTRY(mgc_order) entry;
	struct mgc *mgc;
	struct ng_request *request;
	char *command;
	json_t *dict;
	union addr from;	     /* the B2BUA that asks */
	struct mgc_session *session; /* NULL = none (any more) */
	struct mgc_gate *gate;	     /* asked */
	bool asked;		     /* ng will answer */
	bool places; /* may go to another gate when this one refuses */
	unsigned tries;
	struct mgc_gate *tried[4];
	struct mgc_gate *left; /* to forget the call once it has moved */
	struct stream_ack ack;
};

struct mgc_counters {
	uint64_t sessions, gates;
	uint64_t orders, refused, failed;
	uint64_t placed, replaced, lost, vanished, strays;
	uint64_t held, not_owner;
};

enum mgc_state { MGC_PASSIVE, MGC_CLAIMING, MGC_SERVING };

struct mgc {
	struct loop *loop;
	struct ng *ng;
	const struct owner_map *owners;
	enum mgc_state state;
	uint64_t epoch;
	struct stream *stream;
	sqlite3_stmt *put, *del;
	struct map sessions; /* id -> struct mgc_session */
	TAILQ_HEAD(mgc_sessions, mgc_session) list; /* by creation */
	TAILQ_HEAD(mgc_gates, mgc_gate) gates;
	TAILQ_HEAD(mgc_orders, mgc_order) orders;
	TAILQ_HEAD(mgc_waiting, mgc_held) waiting; /* while the stream opens */
	TAILQ_HEAD(mgc_drills, mgc_drill) drills;  /* unacknowledged */
	unsigned nwaiting;
	struct loop_timer *sweep;
	struct mgc_counters n;
	/* The stream is ours, or cannot be; once a claim. */
	void (*on_serving)(void *arg);
	/* Another owns it now (err ERR_REFUSED), or it broke. */
	void (*on_lost)(void *arg, const struct err *);
	void *arg;
};

/* mgc_control.c: the whole, without the process around it. Takes over fd. */
struct mgc *mgc_control_open(
    struct loop *, int ng_fd, const struct owner_map *);
void mgc_control_close(struct mgc **);
/* Own the sessions under an epoch: on_serving or on_lost will tell. */
void mgc_control_claim(struct mgc *, struct repl *, uint64_t epoch);
void mgc_control_disown(struct mgc *);

/* mgc_gate.c: which gates there are, which one a call gets. */
void mgc_gates_read(struct mgc *); /* the owner map has changed */
void mgc_gates_free(struct mgc *);
struct mgc_gate *mgc_gate_find(struct mgc *, const char *key);
/* Of the serving gates, those that do not drain first, then those on the host
 * of near (may be NULL), then the one with the fewest sessions; among equals
 * the one that the call's name chooses; none of those tried already. NULL =
 * none. */
struct mgc_gate *mgc_gate_pick(struct mgc *, const char *id,
    const union addr *near, struct mgc_gate *const *tried, unsigned n);

/* mgc_session.c: rows and their image in memory. */
extern const char mgc_schema[];
int mgc_sessions_load(struct mgc *, struct err *);
void mgc_sessions_drop(struct mgc *); /* of memory only */
struct mgc_session *mgc_session_find(struct mgc *, const char *id);
/* Its gate has ended since: the media is gone. */
bool mgc_session_is_lost(const struct mgc_session *);
/* Place a call, new or again, and write it; valid once acknowledged. */
struct mgc_session *mgc_session_place(
    struct mgc *, const char *id, struct mgc_gate *, struct err *);
void mgc_session_end(struct mgc *, struct mgc_session *);
/* Rows alone, in the group. */
int mgc_row_put(struct mgc *, const char *call, const char *gate,
    uint64_t gate_epoch, uint64_t created, struct err *);
int mgc_row_delete(struct mgc *, const char *call, struct err *);

/* mgc_drill.c: rows that request drill writes. */
void mgc_drill(struct mgc *, struct rpc_request *, json_t *params);
void mgc_drill_forget(struct mgc *); /* those that wait: we own no more */
void mgc_drill_sweep(struct mgc *);  /* what drills left that died */

/* mgc_order.c: commands. */
void mgc_on_command(void *mgc, struct ng_request *, const char *command,
    json_t *dict, const union addr *from);
void mgc_orders_resume(struct mgc *); /* what came while it was claiming */
void mgc_orders_refuse(struct mgc *, const char *reason);
/* A gate has ended: nobody waits for its answers any more. */
void mgc_orders_of_lost_gate(struct mgc *, struct mgc_gate *);
/* The words of every order to the gate, with our epoch. */
void mgc_gate_ask(
    struct mgc *, struct mgc_gate *, json_t *dict, ng_reply_fn *, void *arg);

#define MGC_ASK (UINT64_C(600) * 1000) /* us for a gate to answer */

/* mgc_sweep.c: sessions and calls that only one side knows. */
void mgc_sweep_start(struct mgc *);
void mgc_sweep_stop(struct mgc *);
void mgc_sweep_run(struct mgc *); /* now */
void mgc_sweep_forget(struct mgc_gate *);

extern const struct op *const mgc_ops[]; /* op_sessions.c */

#endif
