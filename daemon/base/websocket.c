/*
 * WebSocket (RFC 6455). Frames are wslay's; messages are gathered here, so
 * that a message in a thousand fragments costs its bytes and not a thousand
 * allocations. A client's frames are masked, a server's are not (5.1); who
 * breaks that ends the connection.
 *
 * Pure: bytes in by websocket_feed, bytes out by the buffer. Of the opening
 * handshake what both sides share is here, and a client's look at the answer;
 * what a server accepts is its own affair.
 */
#include "websocket.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "mem.h"
#include "str.h"

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_KEY (WEBSOCKET_KEY - 1) /* 16 bytes in base64 */

/* ---- opening handshake ------------------------------------------------- */

bool
websocket_list_has(const char *p, size_t n, const char *word)
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

void
websocket_fields(
    const char *p, const char *end, websocket_field_fn *fn, void *arg)
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
			fn(arg, p, (size_t)(colon - p), value,
			    (size_t)(last - value));
		}
		p = line + 2;
	}
}

/* Base64 of SHA-1 of key and GUID. */
int
websocket_accept_key(char out[WEBSOCKET_ACCEPT], const char *key)
{
	char text[WS_KEY + sizeof WS_GUID];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (strlen(key) != WS_KEY || key[WS_KEY - 1] != '=')
		return -1;
	memcpy(text, key, WS_KEY);
	memcpy(text + WS_KEY, WS_GUID, sizeof WS_GUID);
	EVP_Digest(
	    text, WS_KEY + sizeof WS_GUID - 1, digest, &len, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)out, digest, 20);
	return 0;
}

void
websocket_key(char out[WEBSOCKET_KEY])
{
	unsigned char nonce[16];

	rand_bytes(nonce, sizeof nonce);
	EVP_EncodeBlock((unsigned char *)out, nonce, sizeof nonce);
}

struct ws_reply {
	bool upgrade, connection;
	char accept[WEBSOCKET_ACCEPT];
	int64_t length; /* -1 = not said */
};

static void
ws_take_field(
    void *arg, const char *name, size_t len, const char *value, size_t n)
{
	struct ws_reply *r = arg;
	char digits[20];

	if (str_iequal(name, len, "Upgrade"))
		r->upgrade |= websocket_list_has(value, n, "websocket");
	else if (str_iequal(name, len, "Connection"))
		r->connection |= websocket_list_has(value, n, "upgrade");
	else if (str_iequal(name, len, "Sec-WebSocket-Accept"))
		str_ncopy(r->accept, sizeof r->accept, value, n);
	else if (str_iequal(name, len, "Content-Length") &&
	    (!str_ncopy(digits, sizeof digits, value, n) ||
		!str_int(digits, 0, INT64_MAX / 2, &r->length)))
		r->length = -1;
}

/* "HTTP/1.1 101 ..." */
static bool
ws_status(const char *p, size_t n, unsigned *status)
{
	char digits[4];
	int64_t v;

	if (n < 12 || memcmp(p, "HTTP/1.1 ", 9) != 0 ||
	    (n > 12 && p[12] != ' '))
		return false;
	str_ncopy(digits, sizeof digits, p + 9, 3);
	if (!str_int(digits, 100, 599, &v))
		return false;
	*status = (unsigned)v;
	return true;
}

int
websocket_answer(struct websocket_answer *a, const char *p, size_t n,
    const char *key, struct err *e)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *line;
	struct ws_reply r = {.length = -1};
	char accept[WEBSOCKET_ACCEPT];

	if (end == NULL && n < WEBSOCKET_HEAD_MAX)
		return 1;
	line = memmem(p, n, "\r\n", 2);
	if (end == NULL || end - p > WEBSOCKET_HEAD_MAX ||
	    !ws_status(p, (size_t)(line - p), &a->status))
		return err_set(e, ERR_SYNTAX, "the answer is not of HTTP/1.1");
	a->head = (size_t)(end + 4 - p);
	websocket_fields(line + 2, end + 4, ws_take_field, &r);
	a->body = r.length >= 0 ? (size_t)r.length : SIZE_MAX;
	if (a->status != 101)
		return 0;
	if (!r.upgrade || !r.connection ||
	    websocket_accept_key(accept, key) != 0 ||
	    strcmp(accept, r.accept) != 0)
		return err_set(e, ERR_SYNTAX,
		    "the answer is not of a WebSocket (RFC 6455)");
	a->body = 0;
	return 0;
}

/* ---- frames ------------------------------------------------------------ */

struct websocket {
	wslay_event_context_ptr ctx;
	struct buf *out;
	struct buf in; /* the message being gathered */
	websocket_fn *fn;
	void *arg;
	const uint8_t *feed; /* what websocket_feed was given */
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
	struct websocket *w = arg;
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
	struct websocket *w = arg;

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
	struct websocket *w = arg;

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
	struct websocket *w = arg;

	(void)ctx;
	if (!w->control && !w->broken)
		buf_add(&w->in, c->data, c->data_length);
}

/* The last frame of a message: hand it on. */
static void
ws_on_frame_end(wslay_event_context_ptr ctx, void *arg)
{
	struct websocket *w = arg;

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

/* What a client masks its frames with (RFC 6455 5.3). */
static int
ws_on_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *arg)
{
	(void)ctx;
	(void)arg;
	rand_bytes(buf, len);
	return 0;
}

struct websocket *
websocket_new(enum websocket_side side, struct buf *out, size_t max,
    websocket_fn *fn, void *arg)
{
	static const struct wslay_event_callbacks callbacks = {
	    .recv_callback = ws_on_recv,
	    .send_callback = ws_on_send,
	    .on_frame_recv_start_callback = ws_on_frame,
	    .on_frame_recv_chunk_callback = ws_on_chunk,
	    .on_frame_recv_end_callback = ws_on_frame_end,
	    .genmask_callback = ws_on_mask,
	};
	struct websocket *w = xcalloc(1, sizeof *w);
	int r;

	w->out = out;
	w->in.max = max + 1;
	w->fn = fn;
	w->arg = arg;
	r = side == WEBSOCKET_CLIENT
	    ? wslay_event_context_client_init(&w->ctx, &callbacks, w)
	    : wslay_event_context_server_init(&w->ctx, &callbacks, w);
	if (r != 0) {
		free(w);
		return NULL;
	}
	wslay_event_config_set_no_buffering(w->ctx, 1);
	wslay_event_config_set_max_recv_msg_length(w->ctx, max);
	return w;
}

void
websocket_free(struct websocket **wp)
{
	struct websocket *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	wslay_event_context_free(w->ctx);
	buf_fini(&w->in);
	free(w);
}

/* Frames that wait go to the buffer; -ERR_CLOSED when no more may come. */
static int
ws_flush(struct websocket *w)
{
	if (wslay_event_want_write(w->ctx) && wslay_event_send(w->ctx) != 0)
		return -ERR_CLOSED;
	if (w->out->failed || wslay_event_get_close_sent(w->ctx) ||
	    wslay_event_get_close_received(w->ctx))
		return -ERR_CLOSED;
	return 0;
}

int
websocket_feed(struct websocket *w, const void *p, size_t n)
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
websocket_send(struct websocket *w, const void *p, size_t n)
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
websocket_ping(struct websocket *w)
{
	struct wslay_event_msg m = {.opcode = WSLAY_PING};

	if (wslay_event_queue_msg(w->ctx, &m) == 0)
		ws_flush(w);
}

void
websocket_close(struct websocket *w, unsigned code)
{
	if (wslay_event_queue_close(w->ctx, (uint16_t)code, NULL, 0) == 0)
		ws_flush(w);
}

bool
websocket_is_partial(const struct websocket *w)
{
	return w->partial;
}

size_t
websocket_held(const struct websocket *w)
{
	return w->in.cap;
}
