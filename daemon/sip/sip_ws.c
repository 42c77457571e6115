/*
 * SIP over WebSocket (RFC 7118), the server's side: the opening handshake of
 * RFC 6455 section 4.2 with subprotocol "sip". Behind it stands one SIP
 * message per WebSocket message, text or binary (daemon/base/websocket.c).
 *
 * Pure. Origin is not enforced: SIP credentials are never ambient in a
 * browser.
 */
#include <string.h>

#include "daemon/base/str.h"
#include "sip_stream.h"

#define WS_KEY (WEBSOCKET_KEY - 1)

struct ws_request {
	bool host, upgrade, connection, version, protocol;
	char key[WS_KEY + 1];
};

/* One header field of the request. */
static void
ws_take_field(
    void *arg, const char *name, size_t len, const char *value, size_t n)
{
	struct ws_request *r = arg;

	if (str_iequal(name, len, "Host"))
		r->host = n > 0;
	else if (str_iequal(name, len, "Upgrade"))
		r->upgrade |= websocket_list_has(value, n, "websocket");
	else if (str_iequal(name, len, "Connection"))
		r->connection |= websocket_list_has(value, n, "upgrade");
	else if (str_iequal(name, len, "Sec-WebSocket-Version"))
		r->version |= websocket_list_has(value, n, "13");
	else if (str_iequal(name, len, "Sec-WebSocket-Protocol"))
		r->protocol |= websocket_list_has(value, n, "sip");
	else if (str_iequal(name, len, "Sec-WebSocket-Key") && n == WS_KEY &&
	    value[WS_KEY - 1] == '=')
		memcpy(r->key, value, n);
}

static int
ws_refuse(struct buf *reply, const char *status, const char *more,
    const char *why, struct err *e)
{
	buf_fmt(reply,
	    "HTTP/1.1 %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
	    status, more);
	return err_set(e, ERR_SYNTAX, "WebSocket: %s", why);
}

int
sip_ws_accept(const char *head, size_t n, struct buf *reply, struct err *e)
{
	const char *line = memmem(head, n, "\r\n", 2);
	struct ws_request r = {0};
	char accept[WEBSOCKET_ACCEPT];

	if (line == NULL || line - head < 14 || memcmp(head, "GET ", 4) != 0 ||
	    memcmp(line - 9, " HTTP/1.1", 9) != 0)
		return ws_refuse(
		    reply, "400 Bad Request", "", "not a GET of HTTP/1.1", e);
	websocket_fields(line + 2, head + n, ws_take_field, &r);
	if (!r.host || !r.upgrade || !r.connection ||
	    websocket_accept_key(accept, r.key) != 0)
		return ws_refuse(reply, "400 Bad Request", "",
		    "Host, Upgrade, Connection or key missing", e);
	if (!r.version)
		return ws_refuse(reply, "426 Upgrade Required",
		    "Sec-WebSocket-Version: 13\r\n", "not version 13", e);
	if (!r.protocol)
		return ws_refuse(reply, "400 Bad Request", "",
		    "subprotocol \"sip\" not offered", e);
	buf_fmt(reply,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	return 0;
}
