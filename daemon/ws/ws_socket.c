/*
 * JSON-RPC 2.0 over WebSocket (RFC 6455), a message in a text frame. One socket
 * is one session, as a console's is: its candidate lives as long as it does,
 * and what control says unasked (message, progress) comes as notifications.
 * Answers come in the order in which they are there. It may send ahead, and is
 * then read no faster than it is answered, and answered no faster than it takes
 * the answers.
 *
 * A console's, who has shown a certificate, is that of tandem(1): its
 * notifications are control's. It may be silent for as long as it likes, in the
 * hands of somebody who reads or sleeps: the kernel asks its machine for signs
 * of life.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"
#include "daemon/base/mem.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"
#include "daemon/base/websocket.h"

#define SOCKET_PING (30 * CLOCK_SEC) /* of silence */
#define SOCKET_MUTE (75 * CLOCK_SEC) /* without a byte: gone */
#define SOCKET_LAST (5 * CLOCK_SEC)  /* for its last bytes to leave */

/* A console's machine that answers nothing for SOCKET_MUTE is gone. */
static const struct sock_alive socket_alive = {
    .idle = 30, .pause = 15, .count = 3, .silence_ms = SOCKET_MUTE / CLOCK_MS};

struct ws_socket {
	TAILQ_ENTRY(ws_socket) entry;
	struct ws *ws;
	struct evhttp_request *req; /* until it is open; NULL then */
	struct evhttp_connection *conn;
	struct ws_conn *of;
	struct ws_work *work;
	char token[33];
	unsigned rate;
	bool console;
	struct websocket *frames; /* NULL until it is open */
	struct buf out;
	unsigned open;	       /* requests without an answer */
	uint64_t last, pinged; /* monotonic */
	uint64_t over; /* since when: what is queued leaves, then it ends */
	struct loop_defer more; /* there is room again */
	bool full;		/* it does not take its answers */
	bool feeding;		/* inside websocket_feed: not to be freed now */
};

/* ---- the end --------------------------------------------------------------
 */

/* The connection is gone, or is about to be by our own hand. */
static void
socket_free(struct ws_socket *s)
{
	TAILQ_REMOVE(&s->ws->sockets, s, entry);
	loop_defer_cancel(s->ws->self->loop, &s->more);
	if (s->frames != NULL)
		s->ws->count.sockets--;
	ws_work_close(&s->work);
	websocket_free(&s->frames);
	buf_fini(&s->out);
	free(s);
}

/* libevent ends the connection: it broke, or the listener closes. */
static void
socket_on_close(struct evhttp_connection *conn, void *arg)
{
	struct ws_socket *s = arg;

	(void)conn;
	ws_request_drop(s->req);
	socket_free(s);
}

static void
socket_hang_up(struct ws_socket *s)
{
	struct evhttp_connection *conn = s->conn;

	evhttp_connection_set_closecb(conn, NULL, NULL);
	socket_free(s);
	evhttp_connection_free(conn);
}

static void
socket_on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	socket_hang_up(arg);
}

/* All has left of one that is over. */
static void
socket_on_written(struct bufferevent *bev, void *arg)
{
	struct ws_socket *s = arg;

	(void)bev;
	if (s->over != 0) {
		socket_hang_up(s);
		return;
	}
	s->last = clock_mono();
	if (!s->full)
		return;
	s->full = false;
	ws_work_full(s->work, false);
	loop_defer(s->ws->self->loop, &s->more);
}

/* ---- what leaves -----------------------------------------------------------
 */

/* Frames into the connection. For one that does not read nothing more is
 * begun; when what was is too much already, it is ended. */
static void
socket_flush(struct ws_socket *s)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(s->conn);
	size_t left;

	if (s->out.len > 0)
		bufferevent_write(bev, s->out.data, s->out.len);
	if (s->out.cap > WS_FULL)
		buf_fini(&s->out);
	buf_reset(&s->out);
	left = evbuffer_get_length(bufferevent_get_output(bev));
	if (left > WS_FULL && !s->full && s->over == 0) {
		s->full = true;
		ws_work_full(s->work, true);
	}
	if (left > WS_OUT) {
		s->over = clock_mono(); /* the tick ends it */
		bufferevent_disable(bev, EV_READ);
	}
}

/* o is taken. */
static void
socket_send(struct ws_socket *s, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	if (text == NULL || s->over != 0) {
		free(text);
		return;
	}
	websocket_send(s->frames, text, strlen(text));
	free(text);
	if (!s->feeding)
		socket_flush(s);
}

/* The closing handshake, then the end. */
static void
socket_finish(struct ws_socket *s, unsigned code)
{
	if (s->over != 0)
		return;
	websocket_close(s->frames, code);
	s->over = clock_mono();
	if (!s->feeding)
		socket_flush(s);
}

/* ---- what comes ------------------------------------------------------------
 */

static void
socket_on_reply(
    void *arg, json_t *id, json_t *result, const struct err *e, json_t *data)
{
	struct ws_socket *s = arg;
	struct ws_result r = {.id = id, .result = result, .data = data};

	s->open--;
	if (e != NULL)
		r.err = *e;
	if (id != NULL)
		socket_send(s, ws_answer_rpc(&r));
	if (s->over == 0)
		loop_defer(s->ws->self->loop, &s->more);
}

static void
socket_refuse(struct ws_socket *s, json_t *id, const struct err *e)
{
	struct ws_result r = {.id = id, .err = *e};

	s->ws->count.failed++;
	socket_send(s, ws_answer_rpc(&r));
}

/* May it be asked now? Why not. */
static bool
socket_admit(struct ws_socket *s, struct err *e)
{
	unsigned wait;

	return s->console || ws_is_within(s->ws, s->token, s->rate, &wait, e);
}

static void
socket_on_message(void *arg, char *text, size_t n)
{
	struct ws_socket *s = arg;
	struct rpc_message m;
	struct err e = {0};

	s->ws->count.messages++;
	if (rpc_decode(&m, text, n, &e) != 0) {
		s->ws->count.failed++;
		socket_send(s, rpc_not_a_request(&e, rpc_was_json(&e)));
		return;
	}
	if (m.kind == RPC_REPLY) {
		json_decref(m.root);
		return;
	}
	if (s->console && m.kind == RPC_NOTIFICATION) {
		ws_work_note(s->work, m.method);
	} else if (m.params != NULL && !json_is_object(m.params)) {
		err_set(&e, ERR_INVALID,
		    "params: expected arguments by their names");
	} else if (socket_admit(s, &e)) {
		s->open++;
		ws_work_call(
		    s->work, m.method, m.params, m.id, socket_on_reply);
	}
	if (e.code != ERR_NONE && m.id != NULL)
		socket_refuse(s, m.id, &e);
	json_decref(m.root);
}

/* Of what has come no more than may be under way. */
static int
socket_feed(struct ws_socket *s, struct evbuffer *in)
{
	size_t n = evbuffer_get_length(in);
	int r = 0;

	while (
	    r == 0 && n > 0 && s->over == 0 && !s->full && s->open < WS_AHEAD) {
		if (n > WS_PIECE)
			n = WS_PIECE;
		r = websocket_feed(
		    s->frames, evbuffer_pullup(in, (ev_ssize_t)n), n);
		evbuffer_drain(in, n);
		n = evbuffer_get_length(in);
	}
	return r;
}

static void
socket_on_read(struct bufferevent *bev, void *arg)
{
	struct ws_socket *s = arg;
	int r;

	s->last = clock_mono();
	s->feeding = true;
	r = socket_feed(s, bufferevent_get_input(bev));
	s->feeding = false;
	if (r != 0 && s->over == 0)
		s->over = s->last;
	if (s->over != 0)
		bufferevent_disable(bev, EV_READ);
	if (s->over != 0 && s->out.len == 0)
		socket_hang_up(s);
	else
		socket_flush(s);
}

/* What was left unread. */
static void
socket_on_more(void *arg)
{
	struct ws_socket *s = arg;
	struct bufferevent *bev = evhttp_connection_get_bufferevent(s->conn);

	if (s->over == 0 && evbuffer_get_length(bufferevent_get_input(bev)) > 0)
		socket_on_read(bev, s);
}

/* ---- opening ----------------------------------------------------------------
 */

/* What control says unasked. */
static void
socket_on_told(void *arg, const char *method, json_t *params)
{
	struct ws_socket *s = arg;

	if (s->frames == NULL)
		return;
	if (strcmp(method, "closed") == 0)
		socket_finish(s, 1001);
	else
		socket_send(s,
		    json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method",
			method, "params", params));
}

/* From here on the connection is no HTTP. */
static void
socket_switch(struct ws_socket *s, const char *accept)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(s->conn);

	bufferevent_setcb(
	    bev, socket_on_read, socket_on_written, socket_on_event, s);
	bufferevent_set_timeouts(bev, NULL, NULL);
	evbuffer_add_printf(bufferevent_get_output(bev),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	s->frames = websocket_new(
	    WEBSOCKET_SERVER, &s->out, WS_BODY, socket_on_message, s);
	s->req = NULL;
	s->last = clock_mono();
	s->ws->count.sockets++;
	if (s->console)
		sock_keep_alive(bufferevent_getfd(bev), &socket_alive);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	/* what came behind the handshake already */
	if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
		bufferevent_trigger(bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

static void
socket_on_opened(
    void *arg, const char *token, unsigned rate, const struct err *e)
{
	struct ws_socket *s = arg;
	struct evhttp_request *req = s->req;
	struct ws *ws = s->ws;
	char accept[WEBSOCKET_ACCEPT];
	bool may = e == NULL && ws_may_ask(ws, req, token, rate);

	if (!may) {
		evhttp_connection_set_closecb(s->conn, NULL, NULL);
		socket_free(s);
		if (e != NULL)
			ws_refuse_open(ws, req, e);
		return;
	}
	str_copy(s->token, sizeof s->token, token);
	s->rate = rate;
	websocket_accept_key(accept,
	    evhttp_find_header(
		evhttp_request_get_input_headers(req), "Sec-WebSocket-Key"));
	socket_switch(s, accept);
}

/* Is it the handshake of RFC 6455 4.2.1? */
static bool
socket_is_asked(struct evhttp_request *req, struct err *e)
{
	struct evkeyvalq *in = evhttp_request_get_input_headers(req);
	const char *upgrade = evhttp_find_header(in, "Upgrade");
	const char *version = evhttp_find_header(in, "Sec-WebSocket-Version");
	const char *key = evhttp_find_header(in, "Sec-WebSocket-Key");
	char accept[WEBSOCKET_ACCEPT];

	if (upgrade == NULL ||
	    !str_iequal(upgrade, strlen(upgrade), "websocket"))
		err_set(e, ERR_INVALID, "expected Upgrade: websocket");
	else if (!str_equal(version, "13"))
		err_set(e, ERR_UNKNOWN, "expected Sec-WebSocket-Version: 13");
	else if (websocket_accept_key(accept, key) != 0)
		err_set(e, ERR_INVALID,
		    "Sec-WebSocket-Key: expected 16 bytes in base64");
	else
		return true;
	return false;
}

void
ws_socket_open(struct ws *ws, struct evhttp_request *req, json_t *proof)
{
	struct ws_socket *s;
	struct err e;

	if (!socket_is_asked(req, &e)) {
		json_decref(proof);
		ws_refuse(req, e.code == ERR_UNKNOWN ? 426 : 400, &e,
		    "Sec-WebSocket-Version", "13");
		return;
	}
	s = xcalloc(1, sizeof *s);
	s->ws = ws;
	s->req = req;
	s->conn = evhttp_request_get_connection(req);
	s->of = ws_conn_of(req);
	s->console = ws_proof_is_console(proof);
	s->more = (struct loop_defer){.fn = socket_on_more, .arg = s};
	TAILQ_INSERT_TAIL(&ws->sockets, s, entry);
	s->work = ws_work_open(ws, proof, &s->of->peer, false, socket_on_opened,
	    socket_on_told, s, &e);
	json_decref(proof);
	if (s->work == NULL) {
		socket_free(s);
		ws_refuse_open(ws, req, &e);
		return;
	}
	s->of->busy = true;
	evhttp_connection_set_closecb(s->conn, socket_on_close, s);
}

/* ---- all of them -------------------------------------------------------- */

/* A silent one is asked for a sign of life. */
void
ws_sockets_tick(struct ws *ws, uint64_t now)
{
	struct ws_socket *s, *next;

	for (s = TAILQ_FIRST(&ws->sockets); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->frames == NULL)
			continue;
		if (s->over != 0 ? now - s->over > SOCKET_LAST
				 : !s->console && now - s->last > SOCKET_MUTE) {
			ws->count.timed_out += s->over == 0;
			socket_hang_up(s);
		} else if (s->over == 0 && now - s->last > SOCKET_PING &&
		    now - s->pinged > SOCKET_PING) {
			s->pinged = now;
			websocket_ping(s->frames);
			socket_flush(s);
		}
	}
}

/* In good order: this server stops. */
void
ws_sockets_end(struct ws *ws)
{
	struct ws_socket *s, *next;

	for (s = TAILQ_FIRST(&ws->sockets); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->frames != NULL)
			socket_finish(s, 1001);
	}
}
