/*
 * Listeners and connections. libevent reads and writes HTTP; what it lacks is
 * here: a bound on connections, of all and of each address, and an end to the
 * time that somebody may take to say what they want. A connection is known by
 * its SSL: it is made before libevent has one, and freed with it.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ws.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/sip/transport.h"

/* ---- connections --------------------------------------------------------- */

static int http_index = -1; /* of a connection at its SSL */

static void
http_on_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl,
    void *argp)
{
	struct ws_conn *c = ptr;

	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	if (c != NULL && c->ws != NULL) {
		LIST_REMOVE(c, entry);
		c->ws->nconns--;
		c->ws->count.connections--;
	}
	free(c);
}

/* SSL is freed a turn after its connection, when we may be no more. */
void
ws_http_forget(struct ws *ws)
{
	struct ws_conn *c;

	while ((c = LIST_FIRST(&ws->conns)) != NULL) {
		LIST_REMOVE(c, entry);
		c->ws = NULL;
	}
}

/* ---- the door ------------------------------------------------------------ */

static struct evconnlistener *
http_door(struct role_listener *l)
{
	return ((struct ws_listener *)l)->door;
}

void
ws_http_shut(struct ws *ws)
{
	struct role_listener *l;

	for (l = ws->listeners.first; l != NULL; l = l->next) {
		if (l->open)
			evconnlistener_disable(http_door(l));
	}
}

/* Whatever they were shut for; to open one that is open does nothing. */
static void
http_open_doors(struct ws *ws)
{
	struct role_listener *l;

	for (l = ws->listeners.first; l != NULL; l = l->next) {
		if (l->open && ws->nconns < WS_CONNS + WS_CONNS_NEW)
			evconnlistener_enable(http_door(l));
	}
}

/* No descriptors, no memory: the tick tries again. */
static void
http_on_accept_error(struct evconnlistener *door, void *arg)
{
	(void)arg;
	log_warn("accept");
	evconnlistener_disable(door);
}

/* ---- each one ------------------------------------------------------------ */

/* One was accepted; whose it is shows at the end of the turn. */
static struct bufferevent *
http_on_accept(struct event_base *base, void *arg)
{
	struct ws_listener *l = arg;
	struct ws *ws = l->ws;
	SSL *ssl = sip_tls_session(l->tls);
	struct ws_conn *c;

	if (ssl == NULL)
		fatalx("out of memory");
	c = xcalloc(1, sizeof *c);
	c->ws = ws;
	c->since = clock_mono();
	c->fresh = true;
	LIST_INSERT_HEAD(&ws->conns, c, entry);
	ws->nconns++;
	ws->count.connections++;
	ws->count.accepted++;
	SSL_set_ex_data(ssl, http_index, c);
	c->bev = bufferevent_openssl_socket_new(
	    base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		fatalx("out of memory");
	/* No line or part of a body is longer; libevent sets no bound. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, WS_INPUT);
	if (ws->nconns >= WS_CONNS + WS_CONNS_NEW)
		ws_http_shut(ws);
	loop_defer(ws->self->loop, &ws->admit);
	return c->bev;
}

struct ws_conn *
ws_conn_of(struct evhttp_request *req)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(req));

	return SSL_get_ex_data(bufferevent_openssl_get_ssl(bev), http_index);
}

bool
ws_conn_peer(struct evhttp_request *req, struct sip_tls_peer *peer)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(req));

	return sip_tls_peer(bufferevent_openssl_get_ssl(bev), peer);
}

/* libevent's connection is what the callbacks of its stream are given, unless
 * it has become a WebSocket; ours is freed with it. */
static void
http_hang_up(struct ws_conn *c)
{
	void *conn = NULL;

	bufferevent_getcb(c->bev, NULL, NULL, NULL, &conn);
	evhttp_connection_free(conn);
}

/* Nothing that libevent can use is so long: it would look at it for ever. */
static bool
http_floods(const struct ws_conn *c)
{
	return evbuffer_get_length(bufferevent_get_input(c->bev)) >= WS_INPUT;
}

/* Is it of this address? addr NULL: any is. */
static bool
http_is_of(const struct ws_conn *c, const union addr *addr)
{
	uint8_t key[SIP_SOURCE], other[SIP_SOURCE];
	size_t n;

	if (addr == NULL)
		return true;
	n = sip_source_key(key, addr);
	return sip_source_key(other, &c->peer) == n &&
	    memcmp(key, other, n) == 0;
}

/* Of an address (NULL: of all), those that were let in. */
static unsigned
http_count(struct ws *ws, const union addr *addr)
{
	struct ws_conn *c;
	unsigned n = 0;

	LIST_FOREACH (c, &ws->conns, entry)
		n += !c->fresh && !c->ended && http_is_of(c, addr);
	return n;
}

/* It counts no more from here on; its memory is freed a turn later. */
static void
http_turn_out(struct ws_conn *c)
{
	c->ws->count.refused++;
	c->fresh = false;
	c->ended = true;
	http_hang_up(c);
}

/* Room for one more: whoever asks nothing for longest makes it, so nobody
 * keeps others out by being there. False: all are served just now. */
static bool
http_make_room(struct ws *ws, const union addr *addr, unsigned most)
{
	struct ws_conn *c, *idlest = NULL;

	if (http_count(ws, addr) < most)
		return true;
	LIST_FOREACH (c, &ws->conns, entry) {
		if (!c->fresh && !c->ended && !c->busy && http_is_of(c, addr) &&
		    (idlest == NULL || c->since <= idlest->since))
			idlest = c;
	}
	if (idlest != NULL)
		http_turn_out(idlest);
	return idlest != NULL;
}

static bool
http_is_welcome(struct ws *ws, struct ws_conn *c)
{
	socklen_t n = sizeof c->peer;

	return getpeername(bufferevent_getfd(c->bev), &c->peer.sa, &n) == 0 &&
	    !ws_guard_shuns(&ws->guard, &c->peer, clock_mono()) &&
	    http_make_room(ws, &c->peer, WS_CONNS_SOURCE) &&
	    http_make_room(ws, NULL, WS_CONNS);
}

void
ws_http_admit(void *arg)
{
	struct ws *ws = arg;
	struct ws_conn *c, *next;

	for (c = LIST_FIRST(&ws->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (!c->fresh)
			continue;
		if (http_is_welcome(ws, c))
			c->fresh = false;
		else
			http_turn_out(c);
	}
}

/* Who takes some of an answer is given time for the rest. */
static void
http_look_at_answer(struct ws_conn *c, uint64_t now)
{
	size_t left = evbuffer_get_length(bufferevent_get_output(c->bev));

	if (left < c->left)
		c->since = now;
	c->left = left;
}

/* Neither a handshake, nor a request, nor silence between two of them, nor the
 * taking of an answer may stand still for longer. */
void
ws_http_tick(struct ws *ws)
{
	uint64_t now = clock_mono();
	struct ws_conn *c, *next;

	http_open_doors(ws);
	for (c = LIST_FIRST(&ws->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->busy || c->ended)
			continue; /* or it is a WebSocket */
		http_look_at_answer(c, now);
		if (http_floods(c))
			ws_guard_failed(&ws->guard, &c->peer, WS_FLOOD, now);
		else if (now - c->since < WS_PATIENCE)
			continue;
		ws->count.timed_out++;
		http_hang_up(c);
	}
}

/* ---- listeners ----------------------------------------------------------- */

static bool
listener_take(struct role_listener *l, json_t *row, bool *moved)
{
	(void)l;
	(void)moved;
	return strcmp(role_listener_text(row, "transport"), "https") == 0;
}

static const char *
listener_transport(const struct role_listener *l)
{
	(void)l;
	return "https";
}

/* For handshakes to come. */
static int
listener_certify(struct role_listener *fed, struct err *e)
{
	struct ws_listener *l = (struct ws_listener *)fed;
	struct sip_tls *tls;

	if (fed->key == NULL)
		return err_set(e, ERR_INVALID,
		    "the key of its certificate does not open here");
	if ((tls = sip_tls_new(fed->chain, fed->key, e)) == NULL)
		return -(int)e->code;
	sip_tls_ask(tls);
	sip_tls_free(&l->tls);
	l->tls = tls;
	return 0;
}

static struct evhttp *
http_new(struct ws_listener *l)
{
	struct evhttp *http = evhttp_new(loop_base(l->ws->self->loop));

	if (http == NULL)
		fatalx("out of memory");
	evhttp_set_max_headers_size(http, WS_HEAD);
	evhttp_set_max_body_size(http, WS_BODY);
	evhttp_set_allowed_methods(http,
	    EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PATCH |
		EVHTTP_REQ_DELETE | EVHTTP_REQ_PUT | EVHTTP_REQ_HEAD);
	evhttp_set_default_content_type(http, "application/json");
	evhttp_set_bevcb(http, http_on_accept, l);
	evhttp_set_gencb(http, ws_on_request, l);
	return http;
}

static int
listener_open(
    void *gate, struct role_listener *fed, union addr *at, struct err *e)
{
	struct ws_listener *l = (struct ws_listener *)fed;
	struct evhttp_bound_socket *bound;
	int fd, r;

	l->ws = gate;
	if (http_index < 0)
		http_index = SSL_get_ex_new_index(
		    0, NULL, NULL, NULL, http_on_free);
	if ((r = listener_certify(fed, e)) != 0)
		return r;
	if ((fd = sock_tcp_listen(at, e)) < 0)
		return fd;
	l->http = http_new(l);
	bound = evhttp_accept_socket_with_handle(l->http, fd);
	if (bound == NULL) {
		close(fd);
		evhttp_free(l->http);
		l->http = NULL;
		return err_set(e, ERR_IO, "cannot be listened on");
	}
	l->door = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(l->door, http_on_accept_error);
	return 0;
}

/* Its connections end with it. */
static void
listener_close(struct role_listener *fed)
{
	struct ws_listener *l = (struct ws_listener *)fed;

	if (l->http != NULL)
		evhttp_free(l->http);
	l->http = NULL;
	l->door = NULL;
	sip_tls_free(&l->tls);
}

const struct role_listener_kind ws_listener_kind = {
    .size = sizeof(struct ws_listener),
    .take = listener_take,
    .transport = listener_transport,
    .open = listener_open,
    .close = listener_close,
    .certify = listener_certify,
};
