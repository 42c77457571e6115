#ifndef BASE_WEBSOCKET_H
#define BASE_WEBSOCKET_H

/* WebSocket (RFC 6455), either side: pure, fuzzed. */
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"

/* ---- frames -------------------------------------------------------------- */

enum websocket_side { WEBSOCKET_SERVER, WEBSOCKET_CLIENT };

struct websocket;
/* msg has a NUL behind n and may be written to. */
typedef void websocket_fn(void *arg, char *msg, size_t n);
/* Our frames go to out; a message of the peer has max bytes at most. */
struct websocket *websocket_new(enum websocket_side, struct buf *out,
    size_t max, websocket_fn *, void *arg);
void websocket_free(struct websocket **);
/* -ERR_CLOSED: the closing handshake is done or the peer broke the protocol;
 * what is in out may still be sent. */
int websocket_feed(struct websocket *, const void *, size_t n);
int websocket_send(struct websocket *, const void *, size_t n);
void websocket_ping(struct websocket *);
void websocket_close(struct websocket *, unsigned code);
bool websocket_is_partial(const struct websocket *); /* inside a message */
size_t websocket_held(const struct websocket *);     /* bytes of its buffer */

/* ---- the opening handshake ------------------------------------------------
 */

/* What Sec-WebSocket-Accept answers to a key (RFC 6455 4.2.2 step 5); -1 when
 * it is none. */
#define WEBSOCKET_ACCEPT 32
int websocket_accept_key(char out[WEBSOCKET_ACCEPT], const char *key);

/* A client's key: 16 random bytes in base64. */
#define WEBSOCKET_KEY 25
void websocket_key(char out[WEBSOCKET_KEY]);

/* What a server answers to it, as far as it matters here. */
struct websocket_answer {
	unsigned status; /* 101: all that RFC 6455 4.1 wants is there */
	size_t head;	 /* bytes up to the end of the empty line */
	size_t body;	 /* bytes behind it; SIZE_MAX = to the end */
};
/* 1: the head is not whole yet; -ERR_SYNTAX: it is none, too long, or its 101
 * is not an answer to the key. */
#define WEBSOCKET_HEAD_MAX 8192
int websocket_answer(struct websocket_answer *, const char *, size_t n,
    const char *key, struct err *);

/* For who reads such heads: does the comma-separated list hold the word? */
bool websocket_list_has(const char *list, size_t n, const char *word);
/* fn for each header field; head begins behind the first line and ends with
 * an empty one. */
typedef void websocket_field_fn(
    void *arg, const char *name, size_t len, const char *value, size_t n);
void websocket_fields(
    const char *head, const char *end, websocket_field_fn *, void *arg);

#endif
