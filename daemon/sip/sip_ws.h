#ifndef SIP_WS_H
#define SIP_WS_H

/* WebSocket, the server's side (RFC 6455, RFC 7118): pure, fuzzed. */
#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"

#define SIP_WS_HEAD_MAX 8192

/* The answer to an opening handshake (RFC 6455 4.2, RFC 7118 4); 0 when it
 * is 101, else -ERR_SYNTAX and a refusal to be sent. */
int sip_ws_accept(const char *head, size_t n, struct buf *reply, struct err *);

struct sip_ws;
/* msg has a NUL behind n and may be written to. */
typedef void sip_ws_fn(void *arg, char *msg, size_t n);
/* Frames of the server go to out. */
struct sip_ws *sip_ws_new(struct buf *out, size_t max, sip_ws_fn *, void *arg);
void sip_ws_free(struct sip_ws **);
/* -ERR_CLOSED: the closing handshake is done or the peer broke the protocol;
 * what is in out may still be sent. */
int sip_ws_feed(struct sip_ws *, const void *, size_t n);
int sip_ws_send(struct sip_ws *, const void *, size_t n);
void sip_ws_ping(struct sip_ws *);
void sip_ws_close(struct sip_ws *, unsigned code);
bool sip_ws_is_partial(const struct sip_ws *); /* inside a message */
size_t sip_ws_held(const struct sip_ws *);     /* bytes of its buffer */

/* What Sec-WebSocket-Accept answers to a key (RFC 6455 4.2.2 step 5); -1 when
 * it is none. */
#define SIP_WS_ACCEPT 32
int sip_ws_accept_key(char out[SIP_WS_ACCEPT], const char *key);

#endif
