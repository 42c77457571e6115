#ifndef SG_SG_H
#define SG_SG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/crypt.h"
#include "daemon/base/log.h"
#include "daemon/base/map.h"
#include "daemon/base/str.h"
#include "daemon/role/role_listener.h"
#include "daemon/sip/scan.h"
#include "daemon/sip/tap.h"
#include "daemon/sip/transport.h"

/*
 * Private header of the subscriber gate. What travels between its files: a
 * struct sg (the process), and a struct sg_in (one message being handled).
 */

struct sg;

/* ---- what is counted (sg_count.c) -------------------------------------- */

struct sg_count {
	uint64_t inside_in, inside_out; /* datagrams of the inside */
	uint64_t forwarded;		/* messages passed, either way */
	uint64_t answered;		/* replies of our own */
	uint64_t challenges;
	uint64_t stale;
	uint64_t absorbed; /* ACKs to our own replies */
	uint64_t garbage;
	uint64_t malformed;
	uint64_t over_rate;
	uint64_t paused;
	uint64_t banned_in; /* messages and connections of banned ones */
	uint64_t bans;	    /* now */
	uint64_t bans_made;
	uint64_t sources; /* known now */
	uint64_t shed;	  /* INVITEs refused under overload */
	uint64_t no_owner;
	uint64_t strays; /* replies that belong to nothing of ours */
	uint64_t flow_gone;
	uint64_t too_big;
	uint64_t holds; /* requests being repeated inside, now */
	uint64_t held;	/* ever */
	uint64_t holds_full;
	uint64_t resent;
	uint64_t hold_ended; /* given up after 32 s */
	uint64_t trusted;    /* flows that registered a user, now */
	uint64_t inside_bad; /* what no process of ours should send */
};
#define SG_STATS 64
void sg_count_register(struct sg *);

/* ---- sealed texts (sg_token.c) ----------------------------------------- */

/*
 * What leaves the gate of its own making is sealed with keys derived from
 * the site's key, so every gate of the site opens it and nobody else does:
 * flow tokens (user part of Route and Path), instance tokens (user part of
 * Contact), branches that hold the inner Via.
 */
enum sg_kind { SG_FLOW, SG_INSTANCE, SG_BRANCH, SG_KINDS };

#define SG_PLAIN 112 /* bytes of what is sealed */
#define SG_TOKEN 176 /* of its text, with the NUL */
#define SG_TAG 12    /* of a To-tag of ours, with the NUL */
#define SG_NONCE 25

struct sg_memo;

struct sg_keys {
	struct crypt_seal *seal[SG_KINDS];
	uint8_t branch[2][16]; /* of the hash that makes branches */
	uint8_t tag[16];
	uint8_t nonce[CRYPT_KEY];
	struct sg_memo *sealed, *opened; /* recent ones */
	struct sg_face *faces;
	struct sg_nonce_memo *nonces;
};
void sg_keys_init(struct sg_keys *, const uint8_t site[CRYPT_KEY]);
void sg_keys_fini(struct sg_keys *);
/* Length of out's text; 0 when the plain text is too long. */
size_t sg_seal(struct sg_keys *, enum sg_kind, const void *plain, size_t n,
    char out[SG_TOKEN]);
/* Bytes of out, or -1 when it was not sealed here. */
long sg_open(struct sg_keys *, enum sg_kind, const char *text, size_t n,
    uint8_t out[SG_PLAIN]);

/* The hash of a request's branch (RFC 3261 16.11): 22 characters. */
#define SG_BRANCH_TEXT 23
void sg_branch(
    const struct sg_keys *, const struct scan *, char out[SG_BRANCH_TEXT]);
/* The To-tag of a reply of our own. */
void sg_tag(const struct sg_keys *, const struct scan *, char out[SG_TAG]);

/* A challenge for one address; life in seconds: how long credentials that
 * somebody has overheard can be sent again from behind the same address. A
 * phone that comes later is told stale=true and asks nobody for a password. */
#define SG_NONCE_LIFE 60
enum sg_nonce { SG_NONCE_GOOD, SG_NONCE_STALE, SG_NONCE_FORGED };
void sg_nonce_make(struct sg_keys *, uint32_t now_s, const union addr *source,
    char out[SG_NONCE]);
enum sg_nonce sg_nonce_check(struct sg_keys *, uint32_t now_s,
    const union addr *source, const char *nonce, size_t n);

/* A flow as bytes (11, 23 or 9), to be sealed or carried in our own Via. */
#define SG_FLOW_BYTES 24
size_t sg_flow_encode(const struct sip_flow *, uint8_t out[SG_FLOW_BYTES]);
/* False when it is none, or its listener or connection is gone. */
bool sg_flow_decode(
    struct sip_transport *, const uint8_t *, size_t n, struct sip_flow *);

/* The texts of a flow; those of lately seen ones are kept (SG_FACES). */
#define SG_FACES 32768
struct sg_face {
	uint8_t n;
	uint8_t bytes[SG_FLOW_BYTES];
	char flow[STR_B64_LEN(SG_FLOW_BYTES) + 1]; /* in our own Via */
	char token[STR_B64_LEN(SG_FLOW_BYTES + CRYPT_TAG) + 1]; /* sealed */
	char peer[ADDR_TEXT]; /* address and port */
};
/* Borrowed until the next call. */
const struct sg_face *sg_face_get(struct sg_keys *, const struct sip_flow *);

/* ---- owners (sg_route.c) ----------------------------------------------- */

#define SG_OWNERS 264		    /* "sr" and "calls/..." of a site */
#define SG_PATIENCE (4 * CLOCK_SEC) /* a key without a server is waited for */

struct sg_owner {
	char key[OWNER_KEY];
	char name[OWNER_KEY]; /* "sr", "b2bua-1.srv1" */
	uint32_t hash;	      /* of the key */
	union addr addr;
	uint64_t epoch;
	bool here;  /* of this server */
	bool drain; /* keeps what it has, gets no new calls */
	bool serving;
	bool fresh;	/* began to serve, and nobody has looked since */
	uint64_t since; /* when it stopped to, monotonic */
	unsigned weight;
};

/* What the configuration says of a server's B2BUAs. */
#define SG_WEIGHTS 64
struct sg_weight {
	char server[33];
	unsigned weight;
};

#define SG_SOFT_SETS 8192
#define SG_SOFT_WAYS 4
struct sg_soft {
	uint64_t key;
	uint32_t owner; /* its hash; 0 = free */
	uint32_t until; /* seconds */
};

struct sg_route {
	const struct owner_map *map;
	const char *server; /* this one */
	uint64_t version;
	unsigned count;
	struct sg_owner owner[SG_OWNERS];
	struct sg_weight weight[SG_WEIGHTS];
	unsigned nweights;
	bool even;	      /* all B2BUAs have the same weight */
	struct sg_soft *soft; /* SG_SOFT_SETS * SG_SOFT_WAYS */
};
void sg_route_init(
    struct sg_route *, const struct owner_map *, const char *server);
void sg_route_fini(struct sg_route *);
/* Take over the map when it has changed; true when it had. */
bool sg_route_refresh(struct sg_route *, uint64_t now);
/* Other weights: name of a server -> number; 100 for one that is missing. */
void sg_route_weigh(struct sg_route *, json_t *weights);
struct sg_owner *sg_route_find(struct sg_route *, const char *name, size_t n);
struct sg_owner *sg_route_by_hash(struct sg_route *, uint32_t hash);
struct sg_owner *sg_route_by_address(struct sg_route *, const union addr *);
/* The B2BUA of a request outside a dialog; NULL when none is placed. */
struct sg_owner *sg_route_pick(
    struct sg_route *, const struct scan *, uint64_t now);
/* Not serving, but not for long: requests are worth waiting. */
bool sg_route_is_patient(const struct sg_owner *, uint64_t now);

/* ---- requests held for streams (sg_hold.c) ----------------------------- */

#define SG_HOLDS 8192
#define SG_HOLD_BYTES (32u << 20)
#define SG_HOLD_KEY 104
#define SG_T1 (500 * CLOCK_MS)
#define SG_T2 (4 * CLOCK_SEC)
#define SG_HOLD_TIME (32 * CLOCK_SEC)
#define SG_HOLD_TICK (50 * CLOCK_MS)

struct sg_hold {
	struct sg_hold *next, **prev;
	uint8_t key[SG_HOLD_KEY];
	size_t nkey;
	uint32_t owner; /* hash of its key; 0 = to.addr as it is */
	union addr to;	/* last sent to */
	bool capped;	/* interval stays at T2 (not INVITE) */
	uint64_t due, interval, end;
	uint32_t host_at, host_n; /* the owner's address in the text */
	uint32_t n;
	char bytes[];
};

struct sg_holds {
	struct map by_key;
	struct sg_hold *first;
	size_t count, bytes;
};
/* What is to be sent again, or given up (then n == 0). */
typedef void sg_hold_fn(void *arg, struct sg_hold *, bool ended);
/* NULL when the table is full. h->owner, to, host are the callee's to set. */
struct sg_hold *sg_hold_add(struct sg_holds *, const void *key, size_t nkey,
    bool invite, const void *bytes, size_t n, uint64_t now);
bool sg_hold_remove(struct sg_holds *, const void *key, size_t nkey);
void sg_hold_tick(struct sg_holds *, uint64_t now, sg_hold_fn *, void *arg);
/* Those of one owner are due at once: it serves again. */
void sg_hold_hurry(struct sg_holds *, uint32_t owner, uint64_t now);
void sg_hold_fini(struct sg_holds *);
/* Key of a request inside by its branch, and of a reply from outside. */
size_t sg_hold_key(uint8_t out[SG_HOLD_KEY], char kind, const char *branch,
    size_t n, struct scan_span method);

/* ---- sources outside (sg_guard.c) -------------------------------------- */

#define SG_SOURCES 65536 /* addresses (IPv6: /64) remembered */
#define SG_BANS 4096
#define SG_OPEN 5 /* unanswered challenges that weigh as a wrong password */
#define SG_ANSWER (32 * CLOCK_SEC) /* a phone has for it: RFC 3261, timer F */
#define SG_GOOD (3600 * CLOCK_SEC) /* after a success */
#define SG_DECAY (60 * CLOCK_SEC)  /* what is held against it halves */

struct sg_limits {
	unsigned rate;	    /* requests per second */
	unsigned ban_after; /* wrong passwords; 0 = never */
	uint64_t ban_time;  /* us */
};

struct sg_source {
	struct sg_source *newer, *older;
	uint8_t key[SIP_SOURCE];
	uint8_t nkey;
	bool logged;	   /* of its garbage */
	uint32_t failures; /* wrong passwords */
	uint32_t open;	   /* challenges not answered */
	uint64_t open_since;
	uint64_t decayed;
	int64_t tokens; /* thousandths of a request; below 0: a debt */
	uint64_t filled;
	uint64_t good; /* until when */
};

struct sg_ban {
	union addr addr;
	uint64_t since; /* real clock */
	uint64_t until; /* monotonic */
	uint64_t dropped;
	char cause[32];
};

struct sg_guard {
	struct sg_limits limits;
	struct map sources;
	struct sg_source *newest, *oldest;
	size_t count;
	struct map bans;
	uint64_t log_second;
	unsigned log_count;
};
void sg_guard_init(struct sg_guard *);
void sg_guard_fini(struct sg_guard *);
/* Known from now on; never NULL: the one not seen longest gives way. */
struct sg_source *sg_guard_source(
    struct sg_guard *, const union addr *, uint64_t now);
/* Take cost thousandths of a request from its bucket; false = too many. */
bool sg_guard_spend(
    struct sg_guard *, struct sg_source *, unsigned cost, uint64_t now);
/* Take it in every case; how many us the source must wait now. */
uint64_t sg_guard_owe(
    struct sg_guard *, struct sg_source *, unsigned cost, uint64_t now);
/* NULL when it is not banned (any more). */
struct sg_ban *sg_guard_ban(
    struct sg_guard *, const union addr *, uint64_t now);
/* A wrong password, or one more challenge; the new ban when it was one too
 * many. proven: the address is certainly not forged. */
struct sg_ban *sg_guard_fail(
    struct sg_guard *, const union addr *, bool proven, uint64_t now);
struct sg_ban *sg_guard_challenged(
    struct sg_guard *, const union addr *, bool proven, uint64_t now);
void sg_guard_good(struct sg_guard *, const union addr *, uint64_t now);
/* A challenge was answered. */
void sg_guard_answered(struct sg_source *);
bool sg_guard_unban(struct sg_guard *, const union addr *);
/* May a line be logged about this source? Once each, ten a second in all. */
bool sg_guard_may_log(struct sg_guard *, struct sg_source *, uint64_t now);

/* ---- domains and listeners (sg_domain.c, sg_feed.c) -------------------- */

#define SG_DOMAIN 256
#define SG_LISTENERS SIP_LISTENERS

struct sg_domain {
	struct sg_domain *next;
	char name[SG_DOMAIN];
	char realm[SG_DOMAIN];
};

struct sg_domains {
	struct sg_domain *first;
	struct map by_host; /* names and aliases */
	struct map by_realm;
};
/* One domain as the feed describes it; replaces one of the same name. */
int sg_domain_take(struct sg_domains *, json_t *, struct err *);
void sg_domain_remove(struct sg_domains *, const char *name);
void sg_domain_clear(struct sg_domains *);
const struct sg_domain *sg_domain_by_host(
    const struct sg_domains *, struct scan_span host);
const struct sg_domain *sg_domain_by_realm(
    const struct sg_domains *, struct scan_span realm);

/* ---- what control feeds (sg_listener.c, sg_feed.c) --------------------- */

#define SG_RETRY (5 * CLOCK_SEC) /* of listeners that are not open */

struct sg_listener {
	struct role_listener fed;
	enum sip_proto proto;
	char advertised[SG_DOMAIN]; /* host told to phones, "" = the address */
	char domain[SG_DOMAIN];	    /* default, "" = none */
	char place[SG_DOMAIN + 8];  /* host:port in Via and Contact */
	struct sip_listener *sip;   /* NULL: not open */
};
extern const struct role_listener_kind sg_listener_kind;
void sg_feed(struct sg *, json_t *params);
void sg_feed_domain(struct sg *, json_t *params);

/* ---- users of flows (sg_flow.c) ---------------------------------------- */

#define SG_FLOW_USERS 8 /* of one connection */

struct sg_user {
	char user[64];
	char domain[SG_DOMAIN];
	uint64_t until; /* monotonic */
};

struct sg_flow {
	unsigned count;
	struct sg_user user[SG_FLOW_USERS];
};
/* A 2xx to REGISTER passed to a stream. */
void sg_flow_learn(
    struct sg *, const struct scan *, const struct sip_flow *, uint64_t now);
/* The user of From, when this flow registered it. */
const struct sg_user *sg_flow_user(
    struct sg *, const struct sip_flow *, const struct scan *, uint64_t now);
void sg_flow_on_close(struct sg *, void *state);

/* ---- the process (sg.c) ------------------------------------------------ */

#define SG_FORWARD 60000 /* bytes of a message that may be passed on */
#define SG_OUT 65536
#define SIP_UDP_MAX 65507 /* bytes of a datagram's payload */

struct sg {
	unsigned magic;
	struct self *self;
	struct ring *trace; /* NULL = off */
	struct sip_transport *transport;
	struct dgram *inside;
	char inside_text[ADDR_TEXT]; /* "127.0.0.1:5021" */
	struct sg_count count;
	struct role_stat stats[SG_STATS]; /* names of them */
	struct sg_keys keys;
	struct sg_route route;
	struct sg_holds holds;
	struct loop_timer *hold_timer;
	struct sg_guard guard;
	struct sg_domains domains;
	struct role_listeners listeners; /* of struct sg_listener */
	struct loop_timer *retry;	 /* of listeners that are not open */
	struct loop_timer *pulse;	 /* measures how late the loop is */
	uint64_t pulse_due;
	uint64_t late; /* smoothed, us */
	struct scan scan;
	struct splice splice;
	char out[SG_OUT];
};

/* The one behind it, or the first; NULL at the end. */
static inline struct sg_listener *
sg_listener_next(const struct sg *sg, const struct sg_listener *l)
{
	return (struct sg_listener *)(l != NULL ? l->fed.next
						: sg->listeners.first);
}

/* One message of the outside being handled. */
struct sg_in {
	struct sg *sg;
	struct scan *scan;
	const struct sip_flow *flow; /* where it came from */
	struct sip_flow back;	     /* where replies go */
	struct sg_listener *listener;
	struct sg_source *source;
	uint64_t now;
};

/* One message to be passed inside: what sg_pass_in adds to it. */
struct sg_pass {
	struct sg_owner *owner;
	const char *uri;    /* new Request-URI, NULL = as it is */
	bool path;	    /* push Path (REGISTER) */
	bool record;	    /* push Record-Route */
	const char *domain; /* X-Tandem-Domain, NULL = none */
	const char *user;   /* X-Tandem-User, NULL = none */
	const char *target; /* X-Tandem-Target, NULL = none */
};

/* sg.c: one message of the outside, one datagram of the inside. */
void sg_on_message(void *sg, const struct sip_flow *, char *msg, size_t n);
void sg_on_inside(
    void *sg, struct dgram *, char *msg, size_t n, const union addr *from);
/* sg_in.c: requests of the outside. */
void sg_in_request(struct sg_in *);
/* sg_pass.c: to the inside, and on T1 timers again for streams. */
void sg_pass_in(struct sg_in *, const struct sg_pass *);
void sg_pass_send(struct sg *, const union addr *, const void *, size_t);
void sg_pass_tick(struct sg *);
void sg_pass_owners(struct sg *); /* the owner map has changed */
/* Received and rport of the top Via (RFC 3261 18.2.1, RFC 3581 4). */
void sg_pass_via(
    struct splice *, const struct scan *, const union addr *, const char *peer);
/* Max-Forwards one less, or 70. */
void sg_pass_hops(struct splice *, const struct scan *);
/* sg_answer.c: replies of our own. extra: header lines; brief: shorter ones
 * for a datagram that must not grow (NULL = none). */
void sg_answer(
    struct sg_in *, int status, const char *extra, const char *brief);
/* 503; when to come again is spread over some seconds. */
void sg_answer_later(struct sg_in *);
/* To an instance inside whose request cannot go out. */
void sg_answer_inside(
    struct sg *, const struct scan *, const union addr *from, int status);
void sg_answer_challenge(struct sg_in *, const char *realm, bool stale);
/* sg_out.c: requests of the inside; what both directions outwards share. */
void sg_out_request(struct sg *, struct scan *, const union addr *from);
/* Contact with the sealed name of the instance that sent it. */
void sg_out_contact(struct sg *, struct splice *, const struct scan *,
    const struct sg_listener *, const union addr *from);
/* Cut all lines a phone may not see. */
void sg_out_white_list(struct splice *, const struct scan *);
/* The Via that a branch of ours holds; false when it is not one. */
struct sg_inner {
	union addr addr; /* sent-by */
	uint32_t owner;	 /* hash of the key it spoke for, 0 = unknown */
	char branch[SG_PLAIN];
};
bool sg_out_open_branch(
    struct sg *, struct scan_span branch, struct sg_inner *);
/* sg_reply.c: replies of both sides. */
void sg_reply_outside(struct sg_in *); /* came from outside */
void sg_reply_inside(struct sg *, struct scan *, const union addr *from);
/* sg.c: a source was banned: said, counted, its connections closed. */
void sg_banned(struct sg *, const struct sg_ban *);
struct sg_listener *sg_listener_of(const struct sip_flow *);

extern const struct op *const sg_ops[];

#endif
