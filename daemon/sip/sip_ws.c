/*
 * SIP over WebSocket (RFC 7118), the server's side: the opening handshake of
 * RFC 6455 section 4.2 with subprotocol "sip", then one SIP message per
 * WebSocket message, text or binary. Frames are wslay's; messages are
 * gathered here, so that a message in a thousand fragments costs its bytes
 * and not a thousand allocations.
 *
 * Pure: bytes in by sip_ws_feed, bytes out by the buffer. Origin is not
 * enforced: SIP credentials are never ambient in a browser.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "sip_stream.h"

/* ---- opening handshake ------------------------------------------------- */

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_KEY 24 /* 16 bytes in base64 */

struct ws_request {
	bool host, upgrade, connection, version, protocol;
	char key[WS_KEY + 1];
};

/* True when the comma-separated list holds the word. */
static bool
ws_list_has(const char *p, size_t n, const char *word)
{
	const char *end = p + n, *from, *to;

	while (p < end) {
		while (p < end && (*p == ',' || *p == ' ' || *p == '\t'))
			p++;
		from = p;
		while (p < end && *p != ',')
			p++;
		for (to = p; to > from && (to[-1] == ' ' || to[-1] == '\t');)
			to--;
		if (str_iequal(from, (size_t)(to - from), word))
			return true;
	}
	return false;
}

/* One header field of the request. */
static void
ws_take_field(struct ws_request *r, const char *name, size_t len,
    const char *value, size_t n)
{
	if (str_iequal(name, len, "Host"))
		r->host = n > 0;
	else if (str_iequal(name, len, "Upgrade"))
		r->upgrade |= ws_list_has(value, n, "websocket");
	else if (str_iequal(name, len, "Connection"))
		r->connection |= ws_list_has(value, n, "upgrade");
	else if (str_iequal(name, len, "Sec-WebSocket-Version"))
		r->version |= ws_list_has(value, n, "13");
	else if (str_iequal(name, len, "Sec-WebSocket-Protocol"))
		r->protocol |= ws_list_has(value, n, "sip");
	else if (str_iequal(name, len, "Sec-WebSocket-Key") && n == WS_KEY &&
	    value[WS_KEY - 1] == '=')
		memcpy(r->key, value, n);
}

/* All header fields; head ends with an empty line. */
static void
ws_read_fields(struct ws_request *r, const char *p, const char *end)
{
	const char *line, *colon, *value, *last;

	while ((line = memmem(p, (size_t)(end - p), "\r\n", 2)) != NULL &&
	    line > p) {
		colon = memchr(p, ':', (size_t)(line - p));
		if (colon != NULL) {
			value = colon + 1;
			while (
			    value < line && (*value == ' ' || *value == '\t'))
				value++;
			for (last = line; last > value && last[-1] == ' ';)
				last--;
			ws_take_field(r, p, (size_t)(colon - p), value,
			    (size_t)(last - value));
		}
		p = line + 2;
	}
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

/* Base64 of SHA-1 of key and GUID (RFC 6455 4.2.2 step 5). */
static void
ws_accept_key(char out[32], const char *key)
{
	char text[WS_KEY + sizeof WS_GUID];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	memcpy(text, key, WS_KEY);
	memcpy(text + WS_KEY, WS_GUID, sizeof WS_GUID);
	EVP_Digest(
	    text, WS_KEY + sizeof WS_GUID - 1, digest, &len, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)out, digest, 20);
}

int
sip_ws_accept_key(char out[SIP_WS_ACCEPT], const char *key)
{
	if (strlen(key) != WS_KEY || key[WS_KEY - 1] != '=')
		return -1;
	ws_accept_key(out, key);
	return 0;
}

int
sip_ws_accept(const char *head, size_t n, struct buf *reply, struct err *e)
{
	const char *line = memmem(head, n, "\r\n", 2);
	struct ws_request r = {0};
	char accept[32];

	if (line == NULL || line - head < 14 || memcmp(head, "GET ", 4) != 0 ||
	    memcmp(line - 9, " HTTP/1.1", 9) != 0)
		return ws_refuse(
		    reply, "400 Bad Request", "", "not a GET of HTTP/1.1", e);
	ws_read_fields(&r, line + 2, head + n);
	if (!r.host || !r.upgrade || !r.connection || r.key[0] == '\0')
		return ws_refuse(reply, "400 Bad Request", "",
		    "Host, Upgrade, Connection or key missing", e);
	if (!r.version)
		return ws_refuse(reply, "426 Upgrade Required",
		    "Sec-WebSocket-Version: 13\r\n", "not version 13", e);
	if (!r.protocol)
		return ws_refuse(reply, "400 Bad Request", "",
		    "subprotocol \"sip\" not offered", e);
	ws_accept_key(accept, r.key);
	buf_fmt(reply,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	return 0;
}

/* ---- frames ------------------------------------------------------------ */

struct sip_ws {
	wslay_event_context_ptr ctx;
	struct buf *out;
	struct buf in; /* the message being gathered */
	sip_ws_fn *fn;
	void *arg;
	const uint8_t *feed; /* what sip_ws_feed was given */
	size_t left;
	bool control; /* of the frame being read */
	bool fin;
	bool partial; /* inside a message */
	bool broken;
};

static ssize_t
ws_on_recv(
    wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
	struct sip_ws *w = arg;
	size_t n = len < w->left ? len : w->left;

	(void)flags;
	if (n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(buf, w->feed, n);
	w->feed += n;
	w->left -= n;
	return (ssize_t)n;
}

static ssize_t
ws_on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len,
    int flags, void *arg)
{
	struct sip_ws *w = arg;

	(void)flags;
	buf_add(w->out, data, len);
	if (w->out->failed) {
		wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	return (ssize_t)len;
}

static void
ws_on_frame(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_start_arg *f, void *arg)
{
	struct sip_ws *w = arg;

	w->control = wslay_is_ctrl_frame(f->opcode);
	if (w->control || w->broken)
		return;
	w->fin = f->fin != 0;
	w->partial = true;
	if (f->payload_length > w->in.max - w->in.len - 1) {
		w->broken = true;
		wslay_event_queue_close(
		    ctx, WSLAY_CODE_MESSAGE_TOO_BIG, NULL, 0);
	}
}

static void
ws_on_chunk(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_chunk_arg *c, void *arg)
{
	struct sip_ws *w = arg;

	(void)ctx;
	if (!w->control && !w->broken)
		buf_add(&w->in, c->data, c->data_length);
}

/* The last frame of a message: hand it on. */
static void
ws_on_frame_end(wslay_event_context_ptr ctx, void *arg)
{
	struct sip_ws *w = arg;

	(void)ctx;
	if (w->control || !w->fin || w->broken)
		return;
	w->partial = false;
	if (w->in.failed)
		w->broken = true;
	else if (w->in.len > 0)
		w->fn(w->arg, w->in.data, w->in.len);
	buf_reset(&w->in);
}

struct sip_ws *
sip_ws_new(struct buf *out, size_t max, sip_ws_fn *fn, void *arg)
{
	static const struct wslay_event_callbacks callbacks = {
	    .recv_callback = ws_on_recv,
	    .send_callback = ws_on_send,
	    .on_frame_recv_start_callback = ws_on_frame,
	    .on_frame_recv_chunk_callback = ws_on_chunk,
	    .on_frame_recv_end_callback = ws_on_frame_end,
	};
	struct sip_ws *w = xcalloc(1, sizeof *w);

	w->out = out;
	w->in.max = max + 1;
	w->fn = fn;
	w->arg = arg;
	if (wslay_event_context_server_init(&w->ctx, &callbacks, w) != 0) {
		free(w);
		return NULL;
	}
	wslay_event_config_set_no_buffering(w->ctx, 1);
	wslay_event_config_set_max_recv_msg_length(w->ctx, max);
	return w;
}

void
sip_ws_free(struct sip_ws **wp)
{
	struct sip_ws *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	wslay_event_context_free(w->ctx);
	buf_fini(&w->in);
	free(w);
}

/* Frames that wait go to the buffer; -ERR_CLOSED when no more may come. */
static int
ws_flush(struct sip_ws *w)
{
	if (wslay_event_want_write(w->ctx) && wslay_event_send(w->ctx) != 0)
		return -ERR_CLOSED;
	if (w->out->failed || wslay_event_get_close_sent(w->ctx) ||
	    wslay_event_get_close_received(w->ctx))
		return -ERR_CLOSED;
	return 0;
}

int
sip_ws_feed(struct sip_ws *w, const void *p, size_t n)
{
	int r = 0;

	w->feed = p;
	w->left = n;
	while (w->left > 0 && r == 0 && wslay_event_want_read(w->ctx))
		r = wslay_event_recv(w->ctx);
	w->feed = NULL;
	w->left = 0;
	if (ws_flush(w) != 0 || r != 0 || !wslay_event_want_read(w->ctx))
		return -ERR_CLOSED;
	return 0;
}

int
sip_ws_send(struct sip_ws *w, const void *p, size_t n)
{
	/* A text frame that is not UTF-8 ends a browser's connection. */
	struct wslay_event_msg m = {
	    .opcode = str_utf8(p, n) ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
	    .msg = p,
	    .msg_length = n,
	};

	if (wslay_event_queue_msg(w->ctx, &m) != 0)
		return -ERR_CLOSED;
	return ws_flush(w);
}

void
sip_ws_ping(struct sip_ws *w)
{
	struct wslay_event_msg m = {.opcode = WSLAY_PING};

	if (wslay_event_queue_msg(w->ctx, &m) == 0)
		ws_flush(w);
}

void
sip_ws_close(struct sip_ws *w, unsigned code)
{
	if (wslay_event_queue_close(w->ctx, (uint16_t)code, NULL, 0) == 0)
		ws_flush(w);
}

bool
sip_ws_is_partial(const struct sip_ws *w)
{
	return w->partial;
}

size_t
sip_ws_held(const struct sip_ws *w)
{
	return w->in.cap;
}
