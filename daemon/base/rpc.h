#ifndef BASE_RPC_H
#define BASE_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"

/*
 * JSON-RPC 2.0 over a stream socket, one message per line (a newline cannot
 * stand inside JSON). Both ends may ask. Order of replies is free. Batches
 * (section 6 of the specification) are refused: the stream needs none.
 */
struct rpc;
struct rpc_request;

/*
 * A request or (request == NULL) a notification came. params is borrowed,
 * an object, an array or NULL. The handler answers the request now or later,
 * exactly once, with rpc_reply or rpc_fail.
 */
typedef void rpc_request_fn(void *arg, struct rpc *, struct rpc_request *,
    const char *method, json_t *params);
/* The reply: result (borrowed), or NULL and the error. */
typedef void rpc_reply_fn(void *arg, json_t *result, const struct err *);
/* The other end is gone or broke the protocol. Requests still open have been
 * failed with ERR_CLOSED before; the callee closes the rpc (rpc_close). */
typedef void rpc_closed_fn(void *arg, struct rpc *, const struct err *why);

struct rpc_handler {
	rpc_request_fn *on_request;
	rpc_closed_fn *on_closed;
	void *arg;
	size_t max_in;	/* bytes of one message; 0 = RPC_MAX_IN */
	size_t max_out; /* bytes queued to a slow reader; 0 = RPC_MAX_OUT */
};

#define RPC_MAX_IN (1u << 20)
#define RPC_MAX_OUT (64u << 20)
#define RPC_MAX_OPEN 4096 /* requests of the peer not yet answered */

/* Takes over the descriptor. */
struct rpc *rpc_open(struct loop *, int fd, const struct rpc_handler *);
/* May be called from a callback of the rpc. Open rpc_requests stay valid:
 * answering them later does nothing. */
void rpc_close(struct rpc **);
int rpc_fd(const struct rpc *);
size_t rpc_queued(const struct rpc *); /* bytes that the peer has not taken */
/* Called when it has taken all, after it had not; starts nothing at once. */
void rpc_on_taken(struct rpc *, loop_fn *, void *arg);
/* No more is read of it, or again. What was read already still comes. */
void rpc_pause(struct rpc *, bool);

/* Ask. params is taken (may be NULL). timeout in us, 0 = none. fn is called
 * exactly once, never before rpc_call returns. */
void rpc_call(struct rpc *, const char *method, json_t *params,
    uint64_t timeout, rpc_reply_fn *, void *arg);
/* Forget: no reply fn with this arg will be called any more. */
void rpc_forget(struct rpc *, void *arg);
/* Every call that is open and has a time may take timeout from now on. */
void rpc_prolong(struct rpc *, uint64_t timeout);
void rpc_notify(struct rpc *, const char *method, json_t *params);

void rpc_reply(struct rpc_request *, json_t *result); /* result is taken */
void rpc_fail(struct rpc_request *, const struct err *);
/* As rpc_fail, with members added to error.data (taken; may be NULL). */
void rpc_fail_data(struct rpc_request *, const struct err *, json_t *data);
/* Fail a request with words made on the spot. */
void rpc_failf(struct rpc_request *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The error object of a reply (section 5.1); data is taken, may be NULL. */
json_t *rpc_error(const struct err *, json_t *data);
/* The whole reply to what is no request; parsed: it was JSON at least. */
json_t *rpc_not_a_request(const struct err *, bool parsed);

/*
 * One message, decoded: pure, the entry for the fuzzer. kind tells which
 * members count; all borrow from root, which the caller frees.
 */
enum rpc_kind { RPC_REQUEST, RPC_NOTIFICATION, RPC_REPLY };
struct rpc_message {
	enum rpc_kind kind;
	json_t *root;
	json_t *id;
	const char *method;
	json_t *params;
	json_t *result;
	struct err err; /* of an error reply; code ERR_NONE otherwise */
	json_t *err_data;
};
int rpc_decode(struct rpc_message *, const char *line, size_t n, struct err *);
/* Of an error of rpc_decode: was it JSON at least? */
bool rpc_was_json(const struct err *);
/* The same of what is parsed already; root stays the caller's. */
int rpc_take(struct rpc_message *, json_t *root, struct err *);
/* About how many bytes a value holds. */
size_t rpc_size(json_t *);

/* The data member of the error reply being delivered; NULL outside one. */
json_t *rpc_err_data(const struct rpc *);

#endif
