#ifndef SR_SR_H
#define SR_SR_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/buf.h"
#include "daemon/base/crypt.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/map.h"
#include "daemon/role/role.h"
#include "daemon/sip/sip.h"
#include "replication/replication.h"

/* The registrar's room; sr.c says what it does. */

#define SR_MAGIC 0x5d0a0001 /* of struct sr */

/* Sizes, with the NUL. What is longer is refused, but for the agent (cut). */
#define SR_ID 33   /* of a domain */
#define SR_USER 33 /* SEMANTICS D3 */
#define SR_URI 512
#define SR_CALL_ID 256
#define SR_PATH 1024
#define SR_SOURCE 128
#define SR_AGENT 128
#define SR_INSTANCE 128

#define SR_CONTACTS 32	/* Contact values of one request */
#define SR_BINDINGS 160 /* rows of one user: max-contacts, and expired ones */

#define SR_EXPIRES_MIN 30
#define SR_EXPIRES_MAX 86400
#define SR_EXPIRES_DEFAULT 3600 /* RFC 3261 10.2.1.1 */
#define SR_Q_MAX 1000		/* q=1.0 */

/* ---- what a REGISTER asks for (sr_request.c): pure --------------------- */

/* One Contact of a request. */
struct sr_wish {
	char contact[SR_URI];
	char instance[SR_INSTANCE]; /* +sip.instance, "" = none */
	int64_t reg_id;		    /* 0 = none */
	uint32_t expires;	    /* seconds; 0 = remove */
	unsigned q;		    /* 0..SR_Q_MAX */
};

struct sr_request {
	char call_id[SR_CALL_ID];
	uint32_t cseq;
	char path[SR_PATH];	/* as a Route value, "" = none */
	char source[SR_SOURCE]; /* X-Tandem-Source */
	char agent[SR_AGENT];
	bool star; /* Contact: * with Expires: 0 */
	unsigned count;
	struct sr_wish wish[SR_CONTACTS];
};

/* A refusal: the status of the reply and its phrase (NULL = the usual). */
struct sr_refusal {
	int status;
	const char *phrase;
	bool credentials; /* SG counts it against the source */
};

/* The value of a header that sofia does not know; "" when it is not there. */
const char *sr_request_header(const sip_t *, const char *name);
/* 0, or -1 and the refusal (400, 420, 423). */
int sr_request_read(struct sr_request *, const sip_t *, struct sr_refusal *);

/* ---- rules of bindings (sr_rules.c): pure ------------------------------ */

enum sr_fate { SR_KEEP, SR_INSERT, SR_UPDATE, SR_REMOVE, SR_GONE };

/* One binding: as the database has it, or as it shall be. */
struct sr_binding {
	int64_t row; /* of the table; 0 = not there yet */
	enum sr_fate fate;
	uint32_t cseq;
	unsigned q;
	int64_t expires; /* real clock, seconds */
	int64_t reg_id;
	char contact[SR_URI];
	char call_id[SR_CALL_ID];
	char instance[SR_INSTANCE];
	char source[SR_SOURCE]; /* X-Tandem-Source */
};

/* All bindings of one user. */
struct sr_set {
	unsigned count;
	struct sr_binding binding[SR_BINDINGS];
};

/*
 * RFC 3261 10.3 steps 6 and 7: give each binding its fate. 0, or -1 and the
 * refusal, and then nothing may be written. max: live bindings allowed; over
 * it a phone's new contact takes the place of its own oldest one.
 */
int sr_rules_apply(struct sr_set *, const struct sr_request *, int64_t now,
    unsigned max, struct sr_refusal *);
/* Whether it is there once the fates have come true. */
bool sr_rules_lives(const struct sr_binding *, int64_t now);

/* ---- rows (sr_rows.c) -------------------------------------------------- */

extern const char sr_rows_schema[];

/* Statements on one connection to the location database. */
struct sr_rows;
int sr_rows_open(struct sr_rows **, sqlite3 *, struct err *);
void sr_rows_close(struct sr_rows **);
/* 0, -ERR_FULL (more than SR_BINDINGS) or -ERR_IO. */
int sr_rows_load(struct sr_rows *, const char *domain, const char *user,
    struct sr_set *, struct err *);
/* How many rows the fates of a set will touch. */
unsigned sr_rows_count(const struct sr_set *);
/* Make the fates true, and tell new bindings their rows; what failed half-way
 * is the caller's to undo. */
int sr_rows_write(struct sr_rows *, const char *domain, const char *user,
    struct sr_set *, const struct sr_request *, int64_t now, struct err *);
/* The next rows behind *at, limit at most; at the end of the table *at
 * becomes 0. Expired ones are put into ids (room for limit). Returns how many
 * rows were seen, -ERR_IO. */
int sr_rows_scan(struct sr_rows *, int64_t *at, unsigned limit, int64_t now,
    int64_t *ids, unsigned *nids, struct err *);
int sr_rows_delete(struct sr_rows *, int64_t row, struct err *);
/* The live bindings of a user, for `locate`; NULL with err. */
json_t *sr_rows_locate(struct sr_rows *, const char *domain, const char *user,
    int64_t now, struct err *);

/* ---- what was written lately (sr_memory.c) ----------------------------- */

struct sr_memory;
struct sr_memory *sr_memory_new(void);
void sr_memory_free(struct sr_memory **);
/* False when the user is not in it. */
bool sr_memory_load(
    struct sr_memory *, const char *domain, const char *user, struct sr_set *);
/* The set as it is once its fates have come true. */
void sr_memory_keep(struct sr_memory *, const char *domain, const char *user,
    const struct sr_set *);
void sr_memory_forget(struct sr_memory *, const char *domain, const char *user);
void sr_memory_clear(struct sr_memory *);

/* ---- the directory: domains, their users (sr_directory.c, sr_user.c) --- */

#define SR_DOMAINS_OPEN 256 /* streams of domains open at a time */
#define SR_USERS_CACHED 65536

struct sr_user {
	char md5[33]; /* HA1 */
	char sha256[65];
	bool on;
	unsigned max_contacts;
};

/* Somebody who waits for the stream of a domain; fn runs once, then the
 * record is the caller's again. */
struct sr_wait {
	void (*fn)(void *arg);
	void *arg;
	struct sr_wait *next;
};

struct sr_cached;
TAILQ_HEAD(sr_cached_list, sr_cached);

struct sr_domain {
	unsigned magic;
	struct sr *sr;
	char id[SR_ID];
	char name[256];
	char realm[256];
	char **names; /* name and aliases, NULL-ended */
	bool on;      /* not suspended */
	bool seen;    /* by the reload that is going on */
	enum { SR_CLOSED, SR_OPENING, SR_OPEN, SR_ABSENT } state;
	struct reader *reader;
	sqlite3_stmt *select;
	struct map users; /* user -> struct sr_cached */
	struct sr_wait *waits, **waits_end;
	TAILQ_ENTRY(sr_domain) lru; /* while not SR_CLOSED */
};
TAILQ_HEAD(sr_domain_list, sr_domain);

struct sr_directory {
	struct reader *reader;	    /* of domain/root */
	bool known;		    /* it was read, or there is none */
	struct map names;	    /* name or alias -> struct sr_domain */
	struct map keys;	    /* name -> struct sr_domain, its owner */
	struct sr_domain_list open; /* most recently used first */
	unsigned nopen;
	unsigned nwaits;
	struct sr_cached_list cached; /* newest first */
	unsigned ncached;
	struct crypt_seal *seal; /* opens passwords */
	uint8_t nobody[160];	 /* sealed HA1 of a user who does not exist */
	long nobody_size;
};

int sr_directory_open(struct sr *, struct err *);
void sr_directory_close(struct sr *);
/* By name or alias, without case; NULL when there is none. */
struct sr_domain *sr_directory_find(struct sr *, const char *host);
/* Open the domain's stream if it is not: true when it can be read (or cannot
 * ever, SR_ABSENT). */
bool sr_domain_use(struct sr_domain *);
/* Run the wait once that has changed; -ERR_BUSY when too many wait, or the
 * stream cannot be opened at all. */
int sr_domain_wait(struct sr_domain *, struct sr_wait *);

/* From memory only; NULL when it is not there. */
const struct sr_user *sr_user_cached(struct sr_domain *, const char *user);
/*
 * From the database, always one select and one opening of a seal, whether
 * there is such a user, such a domain (d NULL) or not: 1 or 0; negative when
 * that cannot be read. Without a user out holds the digests of nobody.
 */
int sr_user_read(
    struct sr *, struct sr_domain *d, const char *user, struct sr_user *out);
/* Keep what was read and has matched. */
void sr_user_keep(struct sr_domain *, const char *user, const struct sr_user *);
void sr_user_forget(struct sr_domain *, const char *user);
void sr_user_forget_all(struct sr_domain *);

/* ---- credentials (sr_auth.c) ------------------------------------------- */

/*
 * NULL when the credentials are those of a user of the domain who is on, else
 * the cause, for operators only; the same work whatever it is. user: the
 * canonical form.
 */
extern const char sr_auth_unread[]; /* the cause that is no refusal: the users
				     * cannot be read now */
const char *sr_auth_check(struct sr *, struct sr_domain *,
    const struct sip_digest *, const char *method, char user[SR_USER],
    struct sr_user *out);
/* The one form of a user's number (SEMANTICS D3); false when it is none. */
bool sr_auth_user(char out[SR_USER], const char *in);

/* ---- refused credentials (sr_failure.c) --------------------------------- */

#define SR_FAILURES 200 /* remembered */
#define SR_SHOWN 64	/* bytes of a user name that is none */

/* Who asks, in their own words. */
struct sr_asker {
	const char *domain, *user, *source, *agent;
};
struct sr_failures;
struct sr_failures *sr_failures_new(void);
/* cause: a constant. */
void sr_failure_note(struct sr *, const struct sr_asker *, const char *cause);
extern const struct op sr_op_failures;

/* ---- one REGISTER (sr_register.c), replies (sr_reply.c) ----------------- */

dgram_fn sr_register_on_message;
void sr_register_init(struct sr *);
void sr_register_fini(struct sr *);

/* The 200 with all live bindings (RFC 3261 10.3 step 8). */
void sr_reply_ok(
    struct sr *, struct buf *, const sip_t *, const struct sr_set *, int64_t);
void sr_reply_refusal(
    struct sr *, struct buf *, const sip_t *, const struct sr_refusal *);

/* ---- what waits for an acknowledgement (sr_answer.c) -------------------- */

/* A reply on its way: it waits for the acknowledgement, then leaves. */
struct sr_answer {
	unsigned magic;
	struct sr *sr;
	struct stream_ack ack;
	union addr to;
	struct buf text;
	LIST_ENTRY(sr_answer) entry;
};
LIST_HEAD(sr_answer_list, sr_answer);
#define SR_ANSWERS 16384 /* waiting at a time */
void sr_answer_init(struct sr *);
void sr_answer_fini(struct sr *);
/* NULL when too many wait already. Its text is filled in, then it is sent or
 * its ack is given to stream_on_ack. */
struct sr_answer *sr_answer_new(struct sr *, const union addr *to);
void sr_answer_send(struct sr_answer *);

struct sr_later;
LIST_HEAD(sr_later_list, sr_later);
/* What else waits for an acknowledgement: fn runs once, with an error when it
 * never will come or the ownership ends. */
void sr_later(
    struct sr *, void (*fn)(void *arg, const struct err *), void *arg);
/* Nothing will be acknowledged any more: drop answers, fail the rest. */
void sr_later_fail(struct sr *);

/* ---- expiry (sr_expire.c) ---------------------------------------------- */

void sr_expire_start(struct sr *);
void sr_expire_stop(struct sr *);

/* ---- verify and locate (sr_rpc.c), operations (sr_op.c) ----------------- */

void sr_rpc_on_request(struct self *, struct peer *, struct rpc_request *,
    const char *method, json_t *params);
extern const struct op *const sr_ops[];

/* ---- bindings of a drill (sr_drill.c) ----------------------------------- */

void sr_drill(struct sr *, struct rpc_request *, json_t *params);

/* ---- the process (sr.c) ------------------------------------------------ */

struct sr_counters {
	uint64_t registers, refreshes, additions, removals, queries, repeats;
	uint64_t expired, auth_failures, refused, malformed, dropped;
	uint64_t verified, located, groups, bindings;
};

struct sr {
	unsigned magic;
	struct self *self;
	struct dgram *udp;
	struct sr_directory directory;

	struct reader *warm; /* of location, while another owns it */
	bool warm_known;
	bool ready; /* role_ready was called */
	bool closing;
	struct stream *stream; /* of location, while we own it */
	uint64_t epoch;
	bool serving;
	struct sr_rows *rows;

	struct sr_answer_list waiting, spare;
	struct sr_later_list later;
	unsigned nwaiting;
	uint64_t group_lsn; /* that the last answer waited for */
	struct sr_failures *failures;
	char *copy; /* bytes of the message being served, as they came */
	struct sr_request *request; /* scratch of the one being served */
	struct sr_set *set;

	struct loop_timer *expire_timer;
	int64_t expire_at;    /* row behind which the next scan begins */
	uint64_t expire_rows; /* seen in this cycle */

	char date[48]; /* "Date: ...\r\n" of second date_of */
	int64_t date_of;
	struct sr_counters count;
};

/* Tell the supervisor that this instance is warm, once it is. */
void sr_check_ready(struct sr *);

extern const struct role sr_role;

#endif
