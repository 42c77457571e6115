#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "audit.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/map.h"
#include "daemon/base/mesh.h"
#include "daemon/base/rpc.h"
#include "daemon/obj/obj.h"
#include "daemon/op/op.h"
#include "daemon/role/role.h"
#include "daemon/sip/transport.h"
#include "daemon/trace/recorder.h"

/*
 * Control: the door for consoles. Sessions come in, their operations are run
 * here, or routed to who owns them; what roles and readers tell is kept to
 * answer from.
 */

struct control;

/* ---- control_admit.c: who may come in (pure) ------------------------------
 */

/* What the kernel says of the other end of a socket. */
struct admit_peer {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary */
	size_t ngroups;
};
struct admit_rules {
	uid_t own, owner; /* of this process; who started the server */
	bool grouped;
	gid_t group; /* whose members may */
};
bool admit_peer(const struct admit_rules *, const struct admit_peer *);
/* Is it one whom no configuration can shut out? */
bool admit_is_fixed(const struct admit_rules *, uid_t);
/* The operator's login name. */
void admit_name(char *out, size_t size, uid_t);
/*
 * The role of somebody who may come in, by who->name and who->fixed, from the
 * administrators of the site (NULL: cannot be read). -ERR_PERMISSION with
 * words when there are administrators, and none of this name.
 */
int admit_role(const struct obj *const *objs, sqlite3 *site, struct op_who *,
    struct err *);
/* Where a console says it was called from: SSH_CONNECTION of sshd(8). False
 * when it is none. */
bool admit_ssh(char *out, size_t size, const char *connection);

/* ---- control_route.c: a call goes to the owner of its role ----------------
 */

/* What becomes of a call whose answer did not come, or was a refusal. */
enum route_fate {
	ROUTE_DELIVER, /* the answer stands */
	ROUTE_AGAIN,   /* ask the next owner */
	ROUTE_UNKNOWN  /* it may have happened: say so */
};
/*
 * READ changes nothing and CONFIG can be repeated (edits by their nature,
 * commits by their txid); an ACTION is never done twice. A refusal "not the
 * owner" proves that nothing was done. Pure.
 */
enum route_fate route_fate(enum op_kind, enum err_code);

#define ROUTE_PATIENCE (3 * UINT64_C(1000000)) /* without an owner */
#define ROUTE_TIMEOUT (60 * UINT64_C(1000000)) /* for an answer */

typedef void route_fn(
    void *arg, json_t *result, const struct err *, json_t *err_data);
/* The link to the owner of a role now, or NULL. */
typedef struct rpc *route_owner_fn(void *arg, unsigned role);

struct route;
struct route *route_new(struct loop *, route_owner_fn *, void *arg);
void route_free(struct route **); /* calls open are forgotten */
/* params is taken. fn is called once, later. */
void route_call(
    struct route *, const struct op *, json_t *params, route_fn *, void *arg);
/* Owners or links have changed: send what waits, in order. */
void route_wake(struct route *);
/* A link is about to be closed: what was sent there is not answered. */
void route_unlink(struct route *, struct rpc *);

/* ---- control_each.c: a call goes to every instance of a role --------------
 */

#define EACH_TIMEOUT (2 * UINT64_C(1000000))

struct each_target {
	char name[OWNER_INSTANCE]; /* "sg/1@srv1"; a server: "srv2" */
	struct rpc *rpc; /* NULL: it cannot be asked now, which is told */
	bool named;	 /* rows bear its name as their instance */
	bool far;	 /* a server, which waits for its own instances */
};
struct each;
TAILQ_HEAD(eaches, each); /* on their way */
/* Rows joined in the order of the targets; who does not answer becomes a
 * warning, an error only when all fail. An answer that is a bare array is
 * rows, each of which gets the member "instance"; a row that has it already
 * gets the target's name instead where that is wanted. params is taken. */
void each_call(struct eaches *, const char *method, json_t *params,
    const struct each_target *, size_t n, route_fn *, void *arg);
/* As route_unlink. */
void each_unlink(struct eaches *, struct rpc *);
/* Join what n instances answered (NULL: did not); pure. */
json_t *each_join(const char *const *names, json_t *const *results,
    const struct err *errs, size_t n);
/* The error of all of them, NULL when one has answered: what is absent at
 * some may be at one that did not answer, so its silence goes first. Pure. */
const struct err *each_failed(
    json_t *const *results, const struct err *errs, size_t n);

/* ---- control_session.c: consoles ------------------------------------------
 */

#define SESSIONS_MAX 128   /* of consoles here */
#define SESSIONS_GATED 128 /* by gates, beside all these */
#define SESSIONS_EACH 16   /* of one user; not of who owns the machine */
#define SESSIONS_KEPT 16   /* of either: for who administers the site */
#define SESSIONS_TURNED 32 /* refused ones that are let hear why */
#define SESSION_ANSWER (16u << 20) /* to a program */
#define SESSION_GATE (40u << 20)   /* queued to all that come by a gate */
#define SESSION_BYTES (16u << 20)  /* of arguments not yet answered */
#define SESSION_OUT (48u << 20)	   /* queued to a slow console */
#define SESSION_IN (1u << 20)	   /* of one message */

TAILQ_HEAD(calls, call);
struct session {
	TAILQ_ENTRY(session) entry;
	struct control *control;
	struct op_who who;
	uid_t uid;
	pid_t pid;
	bool entered, turned; /* it was let in; it was not, and hears why */
	bool edited;	      /* it may have a candidate */
	bool known;	      /* its first request has come */
	uint64_t since, last; /* real clock */
	uint64_t calls;
	int64_t monitors;	    /* so far */
	size_t bytes;		    /* of arguments not yet answered */
	struct share *share;	    /* NULL: it was not let in */
	TAILQ_ENTRY(session) turn;  /* of its share */
	struct calls waiting;	    /* for their turn */
	unsigned nwaiting, looking; /* its own reads that run here */
	bool full;	 /* its gate has answers that it does not take */
	struct rpc *rpc; /* of the console, or of the gate ... */
	bool gated;	 /* ... through which a program comes */
	bool brief;	 /* of one request: its coming and going is no news */
	struct obj_token_rights token; /* of a program */
	char certificate[OP_PRINT];    /* of a console that comes by a gate;
					* "" = it is none */
	struct err refused; /* told at its first request, then closed */
	struct loop_timer *patience; /* of one that is refused */
	struct calls open;
};
TAILQ_HEAD(sessions, session);

int session_listen(struct control *, struct err *);
/* The administrators have changed: everybody may do what they say now. */
void session_rights(struct control *);
/* Of this name, or NULL. */
struct session *session_find(struct control *, const char *session);
/* A new one with a name; who and from where is the caller's to fill in. */
struct session *session_new(struct control *, bool gated);
/* Who it is is known: is there room for it among theirs? It counts then. */
bool session_enter(struct session *);
void session_leave(struct session *); /* what it took is free again */
void session_close(struct session *);
void session_notify(struct session *, const char *method, json_t *params);
/* Show words on its console. */
void session_tell(struct session *, const char *from, const char *text);
/* End it soon; why is told to its console. */
void session_end(struct session *, const struct err *why);
/* Take over a connected socket. */
void session_open(struct control *, int fd);
void session_close_all(struct control *);

/* What a console says without an answer: interrupt, keep. */
void session_note(struct session *, const char *method);

/* ---- control_turn.c: what each may take, and whose turn it is -------------
 */

/*
 * One who works here, whatever their sessions are. What they may take of a
 * bound that others share grows smaller the less of it is left: there is
 * always some for the next one.
 */
struct share {
	TAILQ_ENTRY(share) entry; /* whose turn was longest ago first */
	char name[64];		  /* as theirs of struct op_who */
	bool fixed;
	unsigned sessions[2]; /* of consoles here; by gates */
	unsigned monitors;
	unsigned running, asking, looking; /* calls; reads; reads done here */
	TAILQ_HEAD(, session) all;	   /* likewise */
};
TAILQ_HEAD(shares, share);
/* May they take one more? own: what they have; all: what all have; kept: for
 * those who administer the site. Pure. */
bool share_allows(const struct op_who *, unsigned own, unsigned all,
    unsigned max, unsigned kept);
void share_join(struct session *); /* who it is is known */
void share_leave(struct session *);

void turn_open(struct control *);
void turn_close(struct control *);
/* A call waits for its turn; call_begin is called once, later. */
void turn_take(struct call *);
void turn_over(struct call *);	  /* it has ended */
void turn_drop(struct session *); /* what waits is not begun any more */
/* Answers of the session, or of a gate, have been taken. */
void turn_wake(struct control *);
void turn_on_taken(void *control);
void turn_scan_wake(struct control *); /* a list waits for its next slice */
void turn_long(struct control *);      /* an answer took memory */

/* ---- control_certificate.c: consoles that come by a gate (ws) --------------
 */

/* Who it is by what the gate has seen: {"certificate", "valid": [from, until]}
 * in seconds of the real clock. */
int certificate_admit(struct session *, json_t *params, struct err *);
/* As token_again. */
int certificate_again(struct session *, struct op_who *, struct err *);

/* ---- control_token.c: programs that come by a gate (ws) --------------------
 */

/* What the site says of its token now, which may have another secret. */
int token_again(struct session *, struct op_who *, struct err *);
/* An answer that is too long for a program, or for now, becomes an error. */
void token_bound(const struct session *, json_t *result, struct err *);
/* What a gate asks: session-open, -call, -note, -close. */
void token_request(struct control *, struct peer *, struct rpc_request *,
    const char *method, json_t *params);
/* The gate's link ends, and with it all that came by it. */
void token_unlink(struct control *, struct rpc *);

/* ---- control_call.c: requests of consoles ---------------------------------
 */

/* e NULL: it was done; otherwise there may be no result. */
typedef void call_fn(void *arg, json_t *result, const struct err *e);
typedef void call_plain_fn(
    struct session *, struct rpc_request *, json_t *params);

/* One request on its way. */
struct call {
	TAILQ_ENTRY(call) entry; /* of its session */
	TAILQ_ENTRY(call) turn;
	struct session *session; /* NULL once that ended */
	struct share *share;	 /* while it runs */
	struct control *control;
	struct op_who who;
	struct rpc_request *request; /* NULL: the answer is for fn */
	call_fn *fn;
	void *arg;
	const struct op *op;  /* NULL: plain */
	call_plain_fn *plain; /* answers the request soon */
	json_t *args;
	size_t bytes;
	/* the answer, while the audit is written */
	json_t *result, *err_data;
	struct err *err; /* NULL: it was done */
};
void call_request(
    struct session *, struct rpc_request *, const char *method, json_t *params);
/* Its turn has come. */
void call_begin(struct call *);
/* Its session has ended before that. */
void call_drop(struct call *);
/* Ask as the session would; fn is called once, now or later, also when the
 * session has ended meanwhile. */
void call_look(
    struct session *, const struct op *, json_t *args, call_fn *, void *arg);
/* The params of an operation as a role takes them; args is taken. */
json_t *call_pack(json_t *args, const struct op_who *);
/* The same from what a console gave; a txid is put in where
 * the record has that argument and the console gave none. */
json_t *call_params(const struct op *, json_t *args, const struct op_who *);
/* Why a request cannot be served at all; ERR_NONE = it can. Pure. */
enum err_code call_admit(const struct op_table *, const struct op_who *,
    const char *method, json_t *params, const struct op **, struct err *);

/* ---- control_monitor.c: lists that are watched ----------------------------
 */

TAILQ_HEAD(monitors, monitor);
/*
 * What differs between the rows of two looks, of the columns of a list: rows
 * with their change. *seen is what was seen, NULL before the first look, and
 * becomes what is seen now; what is missing from a look that is not whole
 * stays in it. Durations are not compared. Pure.
 */
json_t *monitor_diff(
    const struct op_field *cols, json_t **seen, json_t *rows, bool whole);
/* Every operation "monitor ..." (op_monitors). */
void monitor_run(struct op_call *);
/* The session ends. */
void monitor_forget(struct control *, const struct session *);
/* End one of a session's, 0 = all; false when there is none. It is told. */
bool monitor_stop(struct control *, const struct session *, int64_t number);

/* ---- control_ref.c: what a call names must be there -----------------------
 */

typedef void refs_fn(void *arg, const struct err *); /* NULL = all is there */
/* Look up what the arguments refer to; fn is called once, now or later. */
void refs_check(
    struct control *, const struct op *, json_t *args, refs_fn *, void *arg);
/* Is there such an instance on this server? */
bool control_has_instance(struct control *, const char *name);

/* ---- control_stream.c: replicas to read -----------------------------------
 */

#define STREAMS_OPEN 32 /* of domains, kept open for reading */
#define STREAM_PATIENCE (3 * UINT64_C(1000000))

/* db NULL: it cannot be read, err says why (ERR_ABSENT: no such stream). */
typedef void stream_fn(void *arg, sqlite3 *db, const struct err *);
typedef void stream_event_fn(
    struct control *, struct reader *, enum reader_event);

struct streams;
struct streams *streams_new(struct control *);
void streams_free(struct streams **);
/* Keep one open for good, with its events told. */
void streams_watch(struct streams *, const char *name, stream_event_fn *);
/* Of a stream that is watched and open; NULL otherwise. */
sqlite3 *streams_db(struct streams *, const char *name);
/* Read any stream: fn is called once, at once if it is open. */
void streams_read(struct streams *, const char *name, stream_fn *, void *arg);
/* The stream of a domain, by its name. A domain in which nothing was made yet
 * has none: that is no failure of who reads it, but an empty domain. */
void streams_read_domain(
    struct streams *, const char *domain, stream_fn *, void *arg);
bool streams_is_empty(const struct err *why);
/* Why streams_db has nothing: -ERR_REFUSED on a witness, which never has, else
 * -ERR_BUSY; what = "the directory". */
int streams_unread(const struct streams *, const char *what, struct err *);

/* ---- control_list.c: long lists, a slice at a time ------------------------
 */

#define LIST_LOOKS 16384 /* rows looked through for one answer */

/* Reads rows from list_after on; called again for each slice. */
typedef void list_fn(struct op_call *);
/* The call has arguments "limit", "after" and may have "match". */
void list_start(struct op_call *, list_fn *read);
/* Behind which row the slice begins; NULL = with the first. */
const char *list_after(const struct op_call *);
/* Before each row, with its place as `after` has it: false = the slice ends in
 * front of it. */
bool list_look(struct op_call *, const char *what, const char *key);
/* When the slice was read: true = another follows, the call is not over. */
bool list_goes_on(struct op_call *);
void list_end(struct op_call *);
void list_finish(struct op_call *, const struct err *); /* and op_finish */
TAILQ_HEAD(list_scans, list_scan);
/* Its turn: the next slice, if any waits. True: more of them do. */
bool list_turn(struct list_scans *);

/* ---- control_feed.c: what border roles are told (pure) --------------------
 */

/* Everything an instance of sg needs (CONTRACT "feed"). */
json_t *feed_gate(const struct obj *const *objs, sqlite3 *site, sqlite3 *root,
    const char *server, const char *instance);
/* One domain; a deleted one has state null. */
json_t *feed_domain(
    const struct obj *const *objs, sqlite3 *root, const char *name);
/* Addresses and ports for an instance of mg: its share of the server's. */
/* For quorum: {availability}. */
json_t *feed_quorum(const struct obj *const *objs, sqlite3 *site);
json_t *feed_media(const struct obj *const *objs, sqlite3 *site,
    const char *server, unsigned index, unsigned count);
/* Listeners of an instance of ws. */
json_t *feed_programs(const struct obj *const *objs, sqlite3 *site,
    const char *server, const char *instance);
/* Is the server in the site's stream already? At the first start the store
 * makes the stream before it writes the server's rows. */
bool feed_knows(
    const struct obj *const *objs, sqlite3 *site, const char *server);
/* What the server's instances of the role weigh; -1 = it is not placed. */
int feed_weight(const struct obj *const *objs, sqlite3 *site,
    const char *server, const char *role);
/* How many instances of a role the server shall run; -1 = not said. */
int feed_instances(const struct obj *const *objs, sqlite3 *site,
    const char *server, const char *role);
/* Does any other server run the role? */
bool feed_elsewhere(const struct obj *const *objs, sqlite3 *site,
    const char *server, const char *role);
/* The index-th of count equal parts of "30000-39999", even first ports. */
bool feed_ports(
    char *out, size_t size, const char *ports, unsigned index, unsigned count);

/* ---- control_site.c: placement and feeding --------------------------------
 */

/* The replica of the site, NULL while it cannot be read. */
sqlite3 *site_db(struct control *);

void site_on_event(struct control *, struct reader *, enum reader_event);
void root_on_event(struct control *, struct reader *, enum reader_event);
/* What our instances of a role weigh; -1 = nobody says. */
int site_weight(struct control *, const char *role);
/* Feed one instance, if what it needs can be read. */
void site_feed(struct control *, struct peer *);
/* Its link ends: what it was told does not count for the next. */
void site_forget(struct peer *);

/* ---- control_mesh.c: the controls of other servers ------------------------
 */

#define FAR_MAX 32 /* other servers */

/* One that is connected. */
struct far {
	TAILQ_ENTRY(far) entry;
	struct control *control;
	char server[MESH_NAME];
	char version[64]; /* it said so; "" = not yet */
	struct rpc *rpc;
};
TAILQ_HEAD(fars, far);
TAILQ_HEAD(far_relays, far_relay);
TAILQ_HEAD(drill_faults, drill_fault);

/* There is a connection to the server, or none is needed. */
bool far_is_linked(struct control *, const char *server);
/* Warn that there is none to half of the site or more: others may have decided
 * what nobody has heard here. */
void far_warn(struct op_call *);
int far_open(struct control *, struct err *); /* nothing on a lone server */
void far_close(struct control *);
bool far_is_several(struct control *); /* there are other servers */
/* The name of this server where rows must say it, NULL when it is alone. */
const char *far_here(struct control *);
/* "sg/1", or "sg/1@srv1" on a site of several servers. */
void far_name(struct control *, char out[OWNER_INSTANCE], const char *instance);
struct far *far_find(struct control *, const char *server); /* or NULL */
/* Every other server, whether connected or not; their count. */
size_t far_targets(struct control *, struct each_target *, size_t room);
/* The control beside the owner of a key that serves on another server. */
struct rpc *far_owner(struct control *, const char *key);
/* For an answer of another server to a role of this one, which waits less. */
#define FAR_TIMEOUT (2 * UINT64_C(1000000))
/* One that is asked instead of an instance of the role here: the control beside
 * one; false when there is none. */
bool far_any(struct control *, enum role_id, struct each_target *);
/* A question of a role of this server to one of another, or of this one. */
void far_ask(struct control *, struct peer *from, struct rpc_request *,
    const char *method, json_t *params);
/* As route_unlink: a link ends. */
void far_unlink(struct control *, struct rpc *);

/* ---- control_audit.c: what goes into the audit ----------------------------
 */

void audit_start(struct control *);
void audit_stop(struct control *);
/* Has the operator done so much that others' entries are in danger? */
bool audit_is_spent(struct control *, const struct op_who *);
/* Does its end belong there, whatever it is? */
bool audit_wants(const struct op *);
/* An operation has ended; fn is called when that is on disk, or at once where
 * it is only counted. */
void audit_done(struct control *, const struct op_who *, const struct op *,
    json_t *args, json_t *result, const struct err *, audit_fn *, void *arg);
/* Somebody was not permitted. */
void audit_refused(struct control *, const struct op_who *, const struct op *,
    json_t *args, const struct err *);
/* A session begins or ends; err: it was not let in. */
void audit_session(struct control *, const struct op_who *, const char *what,
    const struct err *);

/* ---- control_trace.c: the recorders of the site ----------------------------
 */

/* That of this server; before the sandbox is closed. */
int trace_open(struct control *, struct err *);
/* What is wrong with it, as rows of show alarms. */
void trace_alarms(struct op_call *);
/* Ask all; the query (recorder.h) is taken. Rows bear the name of their server,
 * warn says who did not answer and what is missing. fn is called once. */
typedef void trace_fn(void *arg, json_t *rows, json_t *warn, bool partial);
void trace_ask(struct control *, json_t *query, trace_fn *, void *arg);
/* Another control asks. */
void trace_asked(struct control *, struct rpc_request *, json_t *query);

/* ---- control_follow.c: calls that a session follows -------------------------
 */

TAILQ_HEAD(followings, following);
/* As monitor_forget, monitor_stop. */
void follow_forget(struct control *, const struct session *);
bool follow_stop(struct control *, const struct session *, int64_t number);
/* News of the recorder here; of another server's. */
void follow_on_news(void *control, json_t *list);
void follow_heard(struct control *, const char *server, json_t *news);
/* The link to a server ends; there is one. */
void follow_unlink(struct control *, const char *server);
void follow_linked(struct control *, const char *server);
struct follow_state {
	const struct op_who *who;
	json_t *args;	/* what is followed */
	uint64_t since; /* real clock */
	unsigned calls; /* shown */
	uint64_t lost;	/* records of the recorders */
};
typedef void follow_state_fn(void *arg, const struct follow_state *);
void follow_each(struct control *, follow_state_fn *, void *arg);

/* trace_join.c: rows of messages, with their "leg", in one order. */
json_t *trace_order(json_t *rows);

/* trace_ladder.c: rows with "gate" (who recorded it) and "other". All are seen
 * before the first line is drawn. */
struct ladder;
struct ladder *ladder_new(void);
void ladder_free(struct ladder **);
/* Lines of so many characters, 0 = as many as they take, of ASCII or of what
 * draws lines in UTF-8; otherwise the first of both. */
void ladder_fit(struct ladder *, size_t room, bool utf8);
void ladder_see(struct ladder *, json_t *row);
/* The columns of who sent it and of who received it, from 0. */
void ladder_ends(struct ladder *, json_t *row, size_t *from, size_t *to);
void ladder_titles(const struct ladder *, struct buf *);
void ladder_line(struct ladder *, json_t *row, const char *word, struct buf *);

/* op_call_send.c: sockets to collectors, before the sandbox is closed. */
void send_open(struct control *);
void send_close(struct control *);

/* ---- control_complete.c ---------------------------------------------------
 */

/* Live names for the console's completion; answers the request. */
call_plain_fn complete_request;

/* ---- drill.c: request drill ------------------------------------------------
 */

struct drill;
void drill_open(struct control *);
/* Owners, or links to their servers, are others than before. */
void drill_wake(struct control *);
/* As route_unlink. */
void drill_unlink(struct control *, struct rpc *);
/* A console wants no more of it, or is gone. */
void drill_interrupt(struct control *, const char *session, bool gone);
/* The session of a drill that writes to the store; NULL = there is none. */
const char *drill_session(const struct control *);

/* ---- control.c ------------------------------------------------------------
 */

struct control {
	unsigned magic;
#define CONTROL_MAGIC 0x43545253u
	struct self *self;
	struct loop_fd *listener;
	int listen_fd;
	struct admit_rules admit;
	struct sessions sessions;
	unsigned entered[2]; /* let in: of consoles here; by gates */
	unsigned nsessions,
	    nturned; /* of consoles here, and of these refused */
	struct shares shares;
	struct list_scans scans; /* long lists, whose turn is next first */
	struct loop_defer begin; /* calls that wait */
	struct loop_timer *turn, *scan, *idle;
	struct route *route;
	struct eaches eaches;
	struct mesh *mesh; /* NULL: a lone server */
	struct fars fars;
	struct far_relays relays;
	struct monitors monitors;
	struct followings followings;
	uint64_t unheard;    /* news that a slow link had no room for */
	struct drill *drill; /* the one that runs; NULL = none */
	struct drill_faults faults;
	uint32_t fault_serial;
	struct streams *streams;
	struct recorder *recorder; /* NULL: nothing is traced */
	int datagrams[2]; /* sockets to collectors, of IPv4, IPv6; -1 = none */
	struct audit *audit;
	uint64_t cheap_at; /* entries that cost nothing, see control_audit.c */
	unsigned cheap;
	uint64_t omitted;
	struct map purses; /* operator -> struct audit_purse */
	struct loop_timer *purse_timer;
	struct join_door *joins;  /* NULL: no identity */
	struct map status;	  /* instance -> struct role_status */
	int placed[ROLE_MAX];	  /* told to the supervisor; -1 = nothing yet */
	bool elsewhere[ROLE_MAX]; /* likewise: other servers run it too */
	char store[OWNER_INSTANCE]; /* owner that knows our sessions ... */
	uint64_t store_epoch;	    /* ... under this epoch */
	json_t *described;	    /* the encoded tables */
	struct {
		uint64_t sessions, sessions_all, refused, calls, errors;
		uint64_t feeds;
	} count;
	const struct role_stat *stats; /* our own, {0}-ended */
};

struct control *control_of(const struct op_call *);
/* Tell the store's owner about sessions: one is over, or all there are. */
void control_session_over(struct control *, const char *session);
/* The link to who owns a role now, or to the control beside it, or NULL. */
struct rpc *control_owner(void *control, unsigned role);
/* Ask quorum to decide something about a server: 0, and fn is called once; or
 * -ERR_NOOWNER while quorum does not run here. */
int control_decide(struct control *, const char *method, const char *server,
    rpc_reply_fn *, void *arg, struct err *);
/* Owners, or links to their servers, are others than before. */
void control_owners_changed(struct control *);

/* ---- op_*.c: operations of our own ------------------------------------------
 */

extern const struct op *const control_ops[];
extern const struct op control_op_version, control_op_roles,
    control_op_ownership, control_op_restart, control_op_statistics,
    control_op_sessions, control_op_servers, control_op_links,
    control_op_domains, control_op_users, control_op_numbers,
    control_op_registrations, control_op_conflict, control_op_cdr,
    control_op_token, control_op_drain, control_op_undrain, control_op_remove,
    control_op_drill_role, control_op_drill_server, control_op_alarms,
    control_op_session_close, control_op_session_message, control_op_rights,
    control_op_audit, control_op_audit_verify, control_op_trace_calls,
    control_op_call_ladder, control_op_call_messages, control_op_call_export,
    control_op_call_send, control_op_call_media, control_op_call_why,
    control_op_recorders, control_op_trace_follow, control_op_trace_sessions;

/* The targets of all linked instances of a role; their count. */
size_t control_targets(
    struct control *, enum role_id, struct each_target *, size_t room);

#endif
