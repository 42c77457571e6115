#ifndef WS_WS_H
#define WS_WS_H

#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/buf.h"
#include "daemon/base/clock.h"
#include "daemon/base/map.h"
#include "daemon/base/sock.h"
#include "daemon/op/op.h"
#include "daemon/role/role_listener.h"
#include "daemon/sip/sip_tls.h"

/*
 * The gate of programs: HTTPS in, operations of control out. HTTP itself is
 * libevent's, TLS OpenSSL's, WebSocket wslay's; here is what a request means
 * and what anybody may take of us before they have shown a token.
 */

struct ws;

/* ---- bounds -------------------------------------------------------------- */

#define WS_CONNS 512	   /* connections of one instance */
#define WS_CONNS_SOURCE 64 /* of one address (IPv6: of one /64) */
#define WS_CONNS_NEW 64	   /* beside these: of one turn, or that end */
#define WS_BODY (1u << 20) /* bytes of a request */
#define WS_HEAD 16384	   /* bytes of its head */
#define WS_INPUT (WS_BODY + WS_HEAD + 4096) /* bytes not yet understood */
#define WS_PATIENCE                                                         \
	(30 * CLOCK_SEC)	    /* for a handshake, for a whole request \
				     */
#define WS_TIMEOUT (75 * CLOCK_SEC) /* for control's answer */
#define WS_BATCH 1000		    /* requests of one JSON-RPC batch */
#define WS_ASKED (24u << 20)	    /* bytes of requests not yet answered */
#define WS_ALONE (10 * CLOCK_SEC)   /* without control: start anew */
#define WS_LAST (500 * CLOCK_MS)    /* for last words at the end */
#define WS_AHEAD 64		/* unanswered requests of a WebSocket: ... */
#define WS_PIECE 1024		/* ... then only the rest of so many bytes */
#define WS_FULL (1u << 20)	/* bytes it has not taken: nothing is begun */
#define WS_OUT (24u << 20)	/* the same, by what was begun: it is ended */
#define WS_FAILURES 20		/* bad tokens of one address, then ... */
#define WS_BAN (60 * CLOCK_SEC) /* ... it is not heard for so long */
#define WS_FLOOD 1000		/* failures of who is not even let in */

/* ---- ws_route.c: what a request means (pure, fuzzed) --------------------- */

enum ws_form {
	WS_ENVELOPE, /* the last step's answer as the console's --json */
	WS_CONFIG,   /* the same, set lines as objects */
	WS_RPC,	     /* every step's answer as JSON-RPC 2.0 */
	WS_METRICS,  /* text of Prometheus */
	WS_OPENAPI,
	WS_SOCKET /* JSON-RPC over WebSocket */
};

/* Operations one after another in one session; an error ends it. */
struct ws_plan {
	enum ws_form form;
	json_t *steps;	/* [{"method", "params", "id"}]; id only of RPC, absent
			 * of a notification */
	bool batch;	/* of RPC: the answer is an array */
	bool parsed;	/* the body was JSON, or there was none */
	struct err err; /* it means nothing: ... */
	int status;	/* ... the status to say so with */
	const char *allow; /* methods that the path has, with 405 */
};

enum ws_method { WS_GET, WS_POST, WS_PATCH, WS_DELETE, WS_OTHER };

/* uri: path and query as they came; body may be NULL. The plan is ended by
 * ws_plan_fini in any case. */
void ws_route(struct ws_plan *, const struct op_table *, enum ws_method,
    const char *uri, const char *body, size_t n);
void ws_plan_fini(struct ws_plan *);

/* ---- ws_answer.c: what is answered (pure) -------------------------------- */

/* One step's end. */
struct ws_result {
	const char *method;
	json_t *id;	/* NULL = a notification */
	json_t *result; /* NULL: err */
	struct err err;
	json_t *data; /* beside the error, or NULL */
};
/* The envelope of a step. */
json_t *ws_answer_envelope(const struct ws_result *);
/* The same of show configuration: rows {"path", "values"}. A line that is not
 * understood makes an error of the result. */
json_t *ws_answer_config(const struct op_table *, struct ws_result *);
json_t *ws_answer_rpc(const struct ws_result *);
/* Rows of show statistics and show alarms as text of Prometheus. */
void ws_answer_metrics(json_t *statistics, json_t *alarms, struct buf *);

/* ---- ws_guard.c: rates, and addresses that try tokens ---------------------
 */

struct ws_guard {
	struct map buckets; /* token name -> struct ws_bucket */
	struct map sources; /* address -> struct ws_source */
	uint64_t swept;
};
void ws_guard_fini(struct ws_guard *);
/* A request of a token: within its rate? Seconds to wait go to *wait. */
bool ws_guard_spend(struct ws_guard *, const char *token, unsigned rate,
    uint64_t now, unsigned *wait);
/* Has the token that it claims to be nothing left anyway? */
bool ws_guard_is_spent(struct ws_guard *, const char *bearer, uint64_t now);
/* The address showed a token that is none (1), or did what is as bad as that
 * many of them. */
void ws_guard_failed(
    struct ws_guard *, const union addr *, unsigned failures, uint64_t now);
/* May it try again? */
bool ws_guard_hears(struct ws_guard *, const union addr *, uint64_t now);
/* May it not even connect? */
bool ws_guard_shuns(struct ws_guard *, const union addr *, uint64_t now);

/* ---- ws_work.c: operations of control ------------------------------------ */

/*
 * What control is shown of who asks: {"token"} or, of a console with a
 * certificate, {"certificate", "valid"}. It is passed on as it came.
 */
struct ws_work;
/* A session with control: opened with that, asked, closed. A console's answers
 * have all the time that it gives them itself. */
typedef void ws_opened_fn(
    void *arg, const char *token, unsigned rate, const struct err *);
typedef void ws_reply_fn(
    void *arg, json_t *id, json_t *result, const struct err *, json_t *data);
typedef void ws_told_fn(void *arg, const char *method, json_t *params);
/* NULL, with the reason, while control is not linked. opened is called once,
 * later. told (may be NULL) gets what control says unasked, "closed" last. */
struct ws_work *ws_work_open(struct ws *, json_t *proof, const union addr *peer,
    bool brief, ws_opened_fn *, ws_told_fn *, void *arg, struct err *);
bool ws_proof_is_console(json_t *proof);
/* It does not take its answers: nothing more shall be begun; or again. */
void ws_work_full(struct ws_work *, bool full);
/* Of a console: what has no answer. */
void ws_work_note(struct ws_work *, const char *method);
/* params and id are borrowed and may be NULL. The reply may come at once when
 * control is gone. */
void ws_work_call(struct ws_work *, const char *method, json_t *params,
    json_t *id, ws_reply_fn *);
/* No callback comes any more. */
void ws_work_close(struct ws_work **);
/* From control: words for a session. */
void ws_work_tell(struct ws *, json_t *params);
/* The link to control ends. */
void ws_work_unlink(struct ws *);

/* ---- ws_http.c: listeners and connections -------------------------------- */

struct ws_listener {
	struct role_listener fed;
	struct ws *ws;	     /* NULL: never opened */
	struct evhttp *http; /* NULL: not open */
	struct evconnlistener *door;
	struct sip_tls *tls;
};
extern const struct role_listener_kind ws_listener_kind;

/* One connection. */
struct ws_conn {
	LIST_ENTRY(ws_conn) entry;
	struct ws *ws;
	struct bufferevent *bev;
	union addr peer;
	uint64_t since; /* of what it is given time for; monotonic */
	size_t left;	/* bytes of its answer that it has not taken */
	bool fresh;	/* not looked at yet */
	bool ended;	/* turned out: it is about to be freed */
	bool busy;	/* a request is served, or it is a WebSocket: no time
			 * is kept */
};
LIST_HEAD(ws_conns, ws_conn);
struct ws_conn *ws_conn_of(struct evhttp_request *);
/* The certificate that it has shown. */
bool ws_conn_peer(struct evhttp_request *, struct sip_tls_peer *);
/* Once a second: time-outs. */
void ws_http_tick(struct ws *);
void ws_http_admit(void *ws);	  /* the turn's new connections */
void ws_http_shut(struct ws *);	  /* no more of them */
void ws_http_forget(struct ws *); /* those there are outlive us */

/* ---- ws_request.c, ws_socket.c: what is done with them --------------------
 */

void ws_on_request(struct evhttp_request *, void *listener);
/* Those that wait for an answer get one: this server stops. */
void ws_requests_end(struct ws *);
/* An opening handshake: answer it, now or later. */
struct ws_exchange;
TAILQ_HEAD(ws_exchanges, ws_exchange);
struct ws_socket;
TAILQ_HEAD(ws_sockets, ws_socket);
/* proof is taken. */
void ws_socket_open(struct ws *, struct evhttp_request *, json_t *proof);
void ws_sockets_end(struct ws *);
void ws_sockets_tick(struct ws *, uint64_t now);
/* The connection broke: libevent leaves the request to us then. */
void ws_request_drop(struct evhttp_request *);
/* An error in the envelope; more: a header field, or NULL. */
void ws_refuse(struct evhttp_request *, int status, const struct err *,
    const char *field, const char *value);
/* What an error of opening a session is to HTTP. */
void ws_refuse_open(struct ws *, struct evhttp_request *, const struct err *);
/* Spend one request of the token (rate 0: as many as there are); false, with
 * the seconds to wait and why, when there is none left. */
bool ws_is_within(struct ws *, const char *token, unsigned rate, unsigned *wait,
    struct err *);
/* The same; answers it then. */
bool ws_may_ask(
    struct ws *, struct evhttp_request *, const char *token, unsigned rate);

/* ---- ws.c ---------------------------------------------------------------- */

struct ws_count {
	uint64_t connections, accepted, refused, timed_out;
	uint64_t requests, failed, over_rate, bad_tokens;
	uint64_t sockets, messages;
};

struct ws {
	unsigned magic;
#define WS_MAGIC 0x77730001u
	struct self *self;
	struct role_listeners listeners;
	struct ws_conns conns;
	unsigned nconns;
	struct loop_defer admit;
	struct loop_timer *tick;
	struct ws_guard guard;
	struct ws_exchanges exchanges;
	struct ws_sockets sockets;
	struct map works;	 /* session -> struct ws_work */
	struct rpc *control;	 /* NULL: not linked */
	size_t asked;		 /* bytes that control has not answered */
	bool grown;		 /* answers took memory that is free again */
	uint64_t alone;		 /* since when without control; monotonic */
	struct loop_timer *last; /* the end, when last words have left */
	json_t *openapi;
	struct ws_count count;
};

#endif
