#ifndef SIP_WS_H
#define SIP_WS_H

/* SIP over WebSocket, the server's side (RFC 7118): pure, fuzzed. */
#include <stddef.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"

#define SIP_WS_HEAD_MAX 8192

/* The answer to an opening handshake (RFC 6455 4.2, RFC 7118 4); 0 when it
 * is 101, else -ERR_SYNTAX and a refusal to be sent. */
int sip_ws_accept(const char *head, size_t n, struct buf *reply, struct err *);

#endif
