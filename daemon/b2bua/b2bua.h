#ifndef B2BUA_B2BUA_H
#define B2BUA_B2BUA_H

/*
 * Private to the room. Sections are named after the files they describe;
 * call.c says how a call lives, call_store.c what "record first" means.
 */

#define NTA_LEG_MAGIC_T void
#define NTA_OUTGOING_MAGIC_T void
#define NTA_INCOMING_MAGIC_T void
#include <sofia-sip/nta.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>

#include "daemon/base/buf.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "daemon/base/pool.h"
#include "daemon/ng/ng.h"
#include "daemon/obj/obj.h"
#include "daemon/role/role.h"
#include "daemon/sip/sip.h"
#include "plan/plan.h"
#include "call_record.h"
#include "sdp_filter.h"

struct b2bua;
struct call;
struct branch;
struct leg;

/* ---- b2bua.c: the role ------------------------------------------------- */

/* Spans in microseconds; tests shorten them. */
struct b2bua_times {
	uint64_t trying;  /* an INVITE without any reply gets its 100 */
	uint64_t setup;	  /* to know who, where and media */
	uint64_t ask;	  /* a question to SR or MGC */
	uint64_t confirm; /* of "no such number", "no contact" at the owner */
	uint64_t ping;	  /* silence of a leg before it is asked */
	uint64_t end;	  /* what is waited for a dead call's media totals */
	uint64_t linger;  /* what is waited for its last replies */
	unsigned min_se;  /* s, RFC 4028: least session interval taken */
	unsigned se;	  /* s: interval asked for */
	unsigned t1x64;	  /* ms, RFC 3261 17: life of transactions */
};
extern struct b2bua_times b2bua_times;

struct b2bua_counts {
	uint64_t calls, attempts, answered, refused, failed;
	uint64_t records, pings, pings_failed, media_failed, sdp_refused;
	uint64_t credentials_refused, messages, strays, adopted, cleaned;
	uint64_t cdr_waiting;
};

#define B2BUA_CALLS 50000 /* at once in one process */
#define B2BUA_MAGIC 0xb2b0a001u

struct b2bua {
	unsigned magic;
	struct self *self;
	char name[OWNER_KEY]; /* in contacts: "b2bua-1.srv1" */
	char key[OWNER_KEY];  /* and stream: "calls/b2bua-1@srv1" */
	uint64_t epoch;	      /* 0 = does not own its stream */
	struct ring *trace;   /* NULL = off */
	struct nta_guest *guest;
	struct call_store *store;
	struct directory *directory;
	struct ng *ng;
	struct reader *location;
	struct locate_query *locate;
	struct call *first;
	struct map calls; /* by id */
	struct b2bua_counts count;
	struct role_stat *stats;
	struct message *messages;
	unsigned nmessages;
	struct route_test *route_tests;
	uint8_t random[1024]; /* the last nrandom bytes are fresh */
	size_t nrandom;
	/* parts of every message, made once */
	su_home_t home[1];
	sip_contact_t *contact;
	sip_allow_t *allow;
	sip_supported_t *supported;
	sip_accept_t *accept;
};

extern const struct role b2bua_role;
/* Did a gate of ours send it? nta cannot keep silent: who did not is told
 * 403, whatever the request was. */
bool b2bua_hears(struct b2bua *, nta_incoming_t *);
int b2bua_refuse_stranger(nta_incoming_t *, const sip_t *);
/* Everything closed without a word to anybody. */
void b2bua_close(struct b2bua *);

/* ---- nta_guest.c: sofia's agent inside our loop ------------------------ */

struct nta_guest;

int nta_guest_open(struct loop *, const union addr *inside, nta_request_f *,
    void *magic, struct nta_guest **, struct err *);
/* From here on it receives; before, datagrams wait in the socket. */
void nta_guest_start(struct nta_guest *);
void nta_guest_close(struct nta_guest **);
nta_agent_t *nta_guest_agent(struct nta_guest *);
/*
 * From here on nothing is said any more: what ends, ends without the replies
 * and terminations that nta sends for it. Close the guest soon.
 */
void nta_guest_silence(struct nta_guest *);
/* End what an object owns, when it is freed; NULL is fine. */
void nta_guest_end_incoming(struct nta_guest *, nta_incoming_t *);
void nta_guest_end_outgoing(struct nta_guest *, nta_outgoing_t *);
void nta_guest_end_leg(struct nta_guest *, nta_leg_t *);
/* Something was done in this step: look for more before sleeping. */
void nta_guest_busy(struct nta_guest *);

/* ---- cause.c: what failures mean --------------------------------------- */

struct cause {
	int code; /* SIP */
	int q850;
	unsigned on; /* PLAN_ON_x */
	const char *words;
};
const struct cause *cause_find(int code);
/* The code that the caller is to see for one that a phone has sent. */
int cause_forward(int code);
/* Of two failed branches the one to tell (RFC 3261 16.7 step 6). */
int cause_best(int a, int b);

/* ---- leg.c: one dialog ------------------------------------------------- */

#define LEG_ID 33	  /* random tags, branches and Call-IDs */
#define LEG_CSEQ_AHEAD 64 /* numbers between two records */
#define LEG_MAGIC 0xb2b0a002u

struct leg {
	unsigned magic;
	struct call *call;
	struct branch *branch; /* NULL: the caller's */
	char label[8];	       /* tag towards MGC: "a", "b1" */
	/* the dialog; texts are the leg's own */
	char *call_id;
	char *local, *remote; /* name and address without tag */
	char local_tag[LEG_ID];
	char *remote_tag;   /* NULL: none yet */
	char *target;	    /* URI of the peer's contact */
	char *routes;	    /* value of Route, as we send it */
	char *source;	    /* transport address outside, for MG */
	uint32_t cseq;	    /* last used by us */
	uint32_t cseq_mark; /* none above has been used: recorded */
	uint32_t rseq;	    /* last of the peer's seen */
	/* media: last description sent to and taken from the peer */
	struct sdp_origin origin;
	struct buf sdp_sent, sdp_got;
	/* session timer, RFC 4028 */
	unsigned interval;	   /* s; 0 = none */
	unsigned min_se;	   /* s, asked for by the peer */
	bool refresher;		   /* we */
	bool timer;		   /* the peer knows the extension */
	bool update;		   /* the peer allows UPDATE */
	uint64_t refreshed, heard; /* monotonic */
	uint64_t not_before;	   /* the next try of a refresh */
	/* running */
	nta_leg_t *nta;
	nta_outgoing_t *probe; /* OPTIONS or refresh on its way */
	nta_outgoing_t *bye;
	bool up;		/* 2xx sent or received */
	bool acked;		/* its INVITE is over */
	bool over;		/* no BYE is owed */
	nta_incoming_t *bye_in; /* the peer's BYE, not answered yet */
	struct relay *relays;	/* requests passed on to this leg */
	unsigned nrelays;
};

/* Random identifiers: n hexadecimal digits. */
void leg_random(struct b2bua *, char *out, size_t digits);
void leg_init(struct leg *, struct call *, struct branch *);
void leg_fini(struct leg *);
void leg_set(char **slot, const char *text);
void leg_nset(char **slot, const char *text, size_t n);
/* Join the dialog to nta, from the texts. False when they make none. */
bool leg_open(struct leg *);
/* The same from the INVITE that made the texts: nothing is parsed twice. */
bool leg_open_request(struct leg *, const sip_t *);
/* Take what a reply that makes a dialog says: tag, route set, target. */
bool leg_learn(struct leg *, const sip_t *, bool initial);
/* Take the target of a request in the dialog. */
void leg_retarget(struct leg *, const sip_t *);
/* Describe media to the peer; the version grows when it is news. */
int leg_describe(struct leg *, const char *sdp, size_t n, struct err *);
/* The CSeq of the next request is used. */
void leg_step_cseq(struct leg *);
void leg_bye(struct leg *, const char *reason);
/* The other side of the call; NULL when there is none. */
struct leg *leg_other(const struct leg *);
void leg_hear(struct leg *);
/* A route whose first hop is an address inside: true when it can be used. */
bool leg_route_usable(const sip_route_t *);

/* ---- call.c: the life of a call ---------------------------------------- */

#define CALL_MAGIC 0xb2b0a003u
#define CALL_ID 33
/* call.progress: a status, and whether it described media. */
#define CALL_PROGRESS_STATUS 0xfff
#define CALL_PROGRESS_MEDIA 0x1000

enum call_clock {
	CALL_CLOCK_TRYING,
	CALL_CLOCK_SETUP,
	CALL_CLOCK_RING,
	CALL_CLOCK_END,
	CALL_CLOCK_LINGER,
	CALL_CLOCKS
};

struct call_step;
struct exchange;
struct media_op;

struct call {
	unsigned magic;
	struct b2bua *b2bua;
	struct pool *pool;
	struct call *next, **prev;
	char id[CALL_ID];
	enum call_state state;
	bool told; /* ending: everybody has been told */
	/* who and where; texts of the pool, never NULL */
	const char *domain, *domain_id, *user;
	const char *caller_number, *caller_name;
	const char *called, *destination;
	/* history: real clock, us; 0 = did not happen */
	uint64_t start, ring, answer, end;
	uint64_t ring_until; /* of this stage */
	int code;
	int q850;
	const char *reason;
	const char *peer_reason; /* Reason of the side that ended it, or NULL */
	enum call_side ended_by;
	bool booked;   /* its CDR is written */
	bool unproven; /* the caller's credentials were refused */
	/* the caller's side */
	struct leg a;
	nta_incoming_t *invite;
	char *head; /* what an adopter needs of the INVITE's bytes */
	size_t head_len;
	int sent;     /* highest status sent to the INVITE */
	int progress; /* last provisional decided to be passed on */
	bool early;   /* media was described in one */
	int max_forwards;
	bool privacy;
	bool delayed; /* the INVITE had no offer */
	/* the other side */
	struct plan_result *route;
	unsigned stage;
	struct branch *branches;
	unsigned nbranches;
	struct stage_ask *stage_asks;
	struct branch *winner;
	struct branch *early_from; /* branch whose early media is heard */
	int best;		/* worst-case answer of the branches so far */
	enum call_side best_by; /* who gave it */
	struct buf offer;	/* from MGC, for the branches of any stage */
	const char *service;	/* answered by the exchange itself */
	struct exchange *exchange;
	/* waiting for others */
	struct admit *admit;
	struct media_op *media_first, **media_last;
	bool media; /* MGC may know the call */
	bool media_gone;
	int64_t rx_caller, rx_callee, lost_caller, lost_callee; /* -1 = ? */
	/* record */
	int64_t row; /* 0 = not written yet */
	bool dirty;
	struct call *dirty_next;
	struct call_step *steps, **steps_last; /* for the next write */
	unsigned writes;		       /* not yet acknowledged */
	struct loop_timer *timer;
	uint64_t due[CALL_CLOCKS]; /* monotonic; 0 = off */
	struct loop_defer reap;
};

struct call *call_new(struct b2bua *, const char *id);
struct call *call_find(struct b2bua *, const char *id);
void call_free(struct call **);
void call_enter(struct call *, enum call_state);
void call_clock_set(struct call *, enum call_clock, uint64_t us);
void call_clock_stop(struct call *, enum call_clock);
void call_clock_arm(struct call *);
/*
 * The one way a call ends, from any state: what is owed to each side is
 * recorded and then said; CDR and media follow. code is what the caller gets
 * if their INVITE still waits for an answer.
 */
void call_end(struct call *, int code, const char *reason, enum call_side);
/* Say to each side what an ended call still owes. */
void call_tell(struct call *);
/* Something that kept an ended call has gone. */
void call_settle(struct call *);
const char *call_state_name(const struct call *);

/* ---- call_trace.c: what the trace is told ------------------------------- */

void call_trace_leg(const struct leg *);
void call_trace_end(const struct call *);
/* 100 times the MOS of its worst stream. */
void call_trace_quality(const struct call *, unsigned mos);
/* Something was decided of a call whose domain is known. */
void call_trace_step(const struct call *, const struct plan_step *);

/* ---- why.c: what was decided of a call, in words ------------------------- */

/* Who calls, and what the plan has made of what was dialled. */
void why_route(const struct call *, bool trusted);
/* The INVITE itself cannot be served. */
void why_request(const struct call *, int code);
void why_stage(const struct call *, unsigned ring_time);
void why_answer(const struct branch *);
/* It is over without that; its state is still the one before. */
void why_failure(const struct branch *, int code);
/* on: PLAN_ON_x that the stage failed with; more: another one follows. */
void why_next(const struct call *, unsigned on, bool more);
void why_adopted(const struct call *);
void why_end(const struct call *);

struct locate_list;
typedef void why_fn(void *arg, const struct plan_step *);
/* Where the user of a leg was found; the first contact is the leg behind
 * b<legs>. A call's are told to why_found. */
void why_contacts(const struct plan_leg *, const struct locate_list *,
    unsigned legs, why_fn *, void *arg);
void why_found(void *call, const struct plan_step *);

/* ---- call_store.c: record first ---------------------------------------- */

typedef void call_step_fn(struct call *, void *arg);

int call_store_open(struct b2bua *, uint64_t epoch, struct err *);
void call_store_close(struct call_store **);
bool call_store_is_open(const struct call_store *);
/* The record no longer says how the call is. */
void call_store_touch(struct call *);
/* Write the record; fn once it, as of the end of this turn, is acknowledged. */
void call_store_then(struct call *, call_step_fn *fn, void *arg);
/* Write what waits for the end of the turn; NULL is fine. */
void call_store_flush(struct call_store *);
/* Forget all steps of a call. */
void call_store_forget(struct call *);
/* Book the call and drop its record. */
void call_store_book(struct call *, bool drop);
/* CDR rows that ST has collected. */
void call_store_collected(struct call_store *);
/* A row that holds no record. */
void call_store_drop_row(struct call_store *, int64_t row);
/* Read all records: fn for each, before the guest starts. */
typedef void call_store_fn(void *arg, int64_t row, const void *, size_t n);
int call_store_each(
    struct call_store *, call_store_fn *, void *arg, struct err *);

/* ---- admit.c: from an INVITE to a decision ------------------------------ */

int admit_invite(struct b2bua *, nta_incoming_t *, const sip_t *);
void admit_drop(struct call *);
/* The value of a header that only SG writes, or NULL. */
const char *admit_inside_header(const sip_t *, const char *name);
/* The domain that the gate says the Request-URI means; "" = none. */
const char *admit_target(const sip_t *);

/* Said to SG with a refusal of credentials, which it counts. */
#define ADMIT_UNPROVEN "X-Tandem-Refused: credentials"

/* ---- verify.c: who asks ------------------------------------------------- */

struct verify;
/* user NULL: refused. */
typedef void verify_fn(void *arg, const char *user, const struct err *);
/* Has the flow registered the user that the gate names? */
bool verify_is_trusted(const sip_t *);
/* Calls fn at once for a trusted flow; otherwise SR is asked. */
struct verify *verify_ask(struct b2bua *, const sip_t *, const char *domain,
    verify_fn *fn, void *arg);
void verify_drop(struct verify **);

/* ---- directory.c, plan_load.c: plans of domains ------------------------- */

struct directory;
struct directory_ask {
	struct directory_ask *next;
	struct directory_domain *domain;
	char name[256];
	void (*fn)(void *arg, const struct plan *, const struct err *);
	void *arg;
};
struct directory *directory_open(struct b2bua *, struct err *);
void directory_close(struct directory **);
/* fn is called once, perhaps at once. domain: a name or an alias. */
void directory_want(
    struct directory *, struct directory_ask *, const char *domain);
void directory_cancel(struct directory *, struct directory_ask *);
/* The domain that a host is a name or alias of; "" = none. Until the next
 * return to the loop. */
const char *directory_host(const struct directory *, const char *host);
/* Compile a domain from its database. */
int plan_load(const struct obj *const *objs, sqlite3 *,
    const struct plan_domain *, struct plan **, struct err *);
/* Of its database: the revision of the configuration; 0 = not known. */
int64_t plan_load_revision(sqlite3 *);
/* The same of rows that were told: [kind, key, {field: value}] each. */
int plan_load_told(const struct obj *const *objs, json_t *rows,
    const struct plan_domain *, struct plan **, struct err *);

/* Does a plan depend on objects of this kind? */
bool plan_load_reads(const char *kind);

/* ---- confirm.c: a no, asked again of the owner --------------------------- */

struct confirm;
/* What the owner says; NULL: nothing, and the no stands. */
typedef void confirm_fn(void *arg, json_t *result);
/* NULL: nobody can be asked, and fn is not called. Takes params. */
struct confirm *confirm_ask(struct b2bua *, const char *key, const char *method,
    json_t *params, confirm_fn *, void *arg);
void confirm_drop(struct confirm **);

/* ---- dialled.c: what a Request-URI means --------------------------------- */

struct dialled;
typedef void dialled_fn(void *arg);
/*
 * fn once the result is there: at once, or, with what is returned, later; the
 * texts of the question (what was dialled is copied) and the result stay until
 * then.
 */
struct dialled *dialled_ask(struct b2bua *, const struct plan *,
    const struct plan_call *, struct plan_result *, dialled_fn *, void *arg);
/* The same: who calls or writes stands in the plan_call, whom in the request,
 * which stays, too. */
struct dialled *dialled_route(struct b2bua *, const struct plan *,
    const sip_t *, const struct plan_call *who, struct plan_result *,
    dialled_fn *, void *arg);
void dialled_drop(struct dialled **);

/* ---- locate.c: contacts of a user --------------------------------------- */

#define LOCATE_MAX 16
struct locate_contact {
	char *uri, *path, *source;
};
/* By whom it is known which contacts there are. */
enum locate_by {
	LOCATE_COPY, /* the local replica */
	LOCATE_OWNER,
	LOCATE_ALONE /* the local replica: the owner gave no answer */
};
struct locate_list {
	struct locate_contact contact[LOCATE_MAX];
	unsigned count;
	enum locate_by by;
};
struct locate_ask;
typedef void locate_fn(void *arg, const struct locate_list *);
/* fn at once when the local replica knows a contact. */
struct locate_ask *locate_user(struct b2bua *, const char *domain_id,
    const char *user, unsigned max, locate_fn *, void *arg);
void locate_drop(struct locate_ask **);
void locate_open(struct b2bua *);
void locate_close(struct b2bua *);

/* ---- stage.c: whom to ring, and what failed ----------------------------- */

/* Ring the parties of call->stage. */
void stage_start(struct call *);
/* A branch is done; when it was the last one: the next stage, or the end. */
void stage_failed(struct call *);
/* One failure of this stage, and whose it is. */
void stage_note(struct call *, int code, enum call_side by);
void stage_ring_over(struct call *);
void stage_drop(struct call *);

/* ---- branch.c: one contact being rung ----------------------------------- */

#define BRANCH_MAX 32 /* of one call, over all stages */
#define BRANCH_MAGIC 0xb2b0a004u

struct branch {
	unsigned magic;
	struct branch *next;
	struct leg leg;
	enum record_branch state;
	char via[LEG_ID + 8]; /* branch of the INVITE's Via */
	uint32_t invite_cseq;
	const char *destination; /* user */
	nta_outgoing_t *invite;
	bool retried; /* with a longer session interval */
	unsigned stage;
	bool adopted; /* its INVITE was sent by a process before */
	int code;
};

struct branch *branch_new(
    struct call *, const struct plan_leg *, const struct locate_contact *);
void branch_free(struct branch *);
/* Send the INVITE; the record knows it. */
void branch_invite(struct branch *);
/* Not wanted any more: CANCEL, or ACK and BYE when it answers yet. */
void branch_cancel(struct branch *, const char *reason);
/* sdp NULL: the offer was in the INVITE. */
void branch_ack(struct branch *, const struct buf *sdp);
/* CANCEL of an INVITE that another process has sent. */
void branch_cancel_again(struct branch *);
bool branch_is_over(const struct branch *);
void branch_others_off(
    struct call *, const struct branch *except, const char *reason);
int branch_on_reply(void *magic, nta_outgoing_t *, const sip_t *);

/* ---- caller.c: replies to the caller's INVITE ---------------------------- */

void caller_trying(struct call *);
void caller_progress(struct call *, int status);
void caller_answer(struct call *);
void caller_refuse(struct call *);
int caller_on_ack_cancel(void *magic, nta_incoming_t *, const sip_t *);
/* The INVITE without what no adopter needs. */
void caller_keep_head(struct call *, const sip_t *);

/* ---- service.c: numbers the exchange answers itself ---------------------- */

void service_start(struct call *, const struct plan_leg *);

/* ---- in_dialog.c, relay.c, message.c ------------------------------------- */

int in_dialog_on_request(
    void *magic, nta_leg_t *, nta_incoming_t *, const sip_t *);
/* INFO and MESSAGE to the other side. */
int relay_request(struct leg *, nta_incoming_t *, const sip_t *);
void relay_drop(struct leg *);
/* MESSAGE outside a dialog. */
int message_request(struct b2bua *, nta_incoming_t *, const sip_t *);
void message_close(struct b2bua *);

/* ---- exchange.c: offers in a dialog -------------------------------------- */

int exchange_request(struct leg *, nta_incoming_t *, const sip_t *);
/* A refresh of our own that needs an offer (no UPDATE at the peer). */
void exchange_refresh(struct leg *);
void exchange_drop(struct call *);

/* ---- session_timer.c: refreshes and pings -------------------------------- */

/* From an INVITE or UPDATE of the peer: 0, or 422. */
int session_timer_request(struct leg *, const sip_t *);
/* From a 2xx of the peer to ours. */
void session_timer_reply(struct leg *, const sip_t *);
/* Session-Expires for our request or 2xx; NULL when none is due. */
const sip_session_expires_t *session_timer_header(
    const struct leg *, sip_session_expires_t *, bool request);
const sip_min_se_t *session_timer_least(const struct leg *, sip_min_se_t *);
/* When the leg needs care next (monotonic), and that care. */
uint64_t session_timer_due(const struct leg *);
void session_timer_run(struct leg *, uint64_t now);

/* ---- call_media.c: MGC ----------------------------------------------------
 */

typedef void call_media_fn(
    struct call *, void *arg, const char *sdp, const struct err *);

/* The description in leg->sdp_got as an offer or answer; one after another.
 * to NULL: nobody yet. */
void call_media_offer(
    struct leg *from, struct leg *to, bool echo, call_media_fn *fn, void *arg);
void call_media_answer(
    struct leg *offerer, struct leg *answerer, call_media_fn *fn, void *arg);
void call_media_delete(struct call *);
/* No fn with this arg (NULL = any) will be called. */
void call_media_forget(struct call *, const void *arg);
/* A description from a message into leg->sdp_got: 0 or a SIP code. */
int call_media_take(struct leg *, const sip_t *, bool *present);

/* ---- cdr.c ----------------------------------------------------------------
 */

extern const char cdr_schema[];
extern const char cdr_insert[];
int cdr_write(sqlite3_stmt *, const struct call *, struct err *);

/* ---- adopt.c: calls that an owner before left -----------------------------
 */

int adopt_all(struct b2bua *, struct err *);

/* ---- call_snapshot.c: a call as its record ----------------------------------
 */

/* Borrows from the call. */
void call_snapshot(const struct call *, struct call_record *);

/* ---- headers.c: what stands in messages ------------------------------------
 */

/* "\"Name\" <sip:number@domain>", escaped. */
char *headers_address(const char *name, const char *number, const char *domain);
/* The value of the first Reason worth telling the other side, or NULL; out
 * holds 128 bytes. */
const char *headers_reason(const sip_t *, char out[128]);
/* "Q.850;cause=17;text=\"user busy\"" */
void headers_cause(char out[128], int q850, const char *words);
bool headers_is_sdp(const sip_t *);
/* A header chain printed as one value; NULL on no memory or too long. */
char *headers_text(const void *header, size_t max);

/* ---- op_route.c: routes that are tried out --------------------------------
 */

extern const struct op op_test_route;
/* Those that are under way end. */
void route_tests_close(struct b2bua *);

extern const struct op *const b2bua_ops[];

#endif
