/*
 * Listeners and flows of one process: opens, changes and closes listeners
 * while messages pass, gives every datagram and every message of a stream to
 * one handler, and sends to flows. Bounds are enforced below (sip_conn.c); a
 * process without descriptors left stops accepting for a second instead of
 * turning in circles. SIGPIPE is ignored from the first transport on: libssl
 * writes without MSG_NOSIGNAL.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "sip_stream.h"
#include "tap.h"

#define TRANSPORT_MAGIC 0x74727001
#define LISTENER_MAGIC 0x6c737401
#define TRANSPORT_SPARE 128 /* descriptors that are not connections */
#define ACCEPTS 32	    /* connections taken in one turn of a listener */

static const struct {
	const char *name, *via, *uri;
	bool stream, secure;
} protos[SIP_PROTOS] = {
    [SIP_UDP] = {"udp", "UDP", "udp", false, false},
    [SIP_TCP] = {"tcp", "TCP", "tcp", true, false},
    [SIP_TLS] = {"tls", "TLS", "tls", true, true},
    [SIP_WS] = {"ws", "WS", "ws", true, false},
    [SIP_WSS] = {"wss", "WSS", "ws", true, true},
};

const char *
sip_proto_name(enum sip_proto p)
{
	return protos[p].name;
}

const char *
sip_proto_via(enum sip_proto p)
{
	return protos[p].via;
}

const char *
sip_proto_uri(enum sip_proto p)
{
	return protos[p].uri;
}

bool
sip_proto_find(const char *name, enum sip_proto *p)
{
	unsigned i;

	for (i = 0; i < SIP_PROTOS; i++) {
		if (strcmp(protos[i].name, name) == 0) {
			*p = i;
			return true;
		}
	}
	return false;
}

bool
sip_proto_is_stream(enum sip_proto p)
{
	return protos[p].stream;
}

bool
sip_proto_is_secure(enum sip_proto p)
{
	return protos[p].secure;
}

/* ---- the transport ----------------------------------------------------- */

/* Stop or go on listening everywhere. */
static void
transport_pause(struct sip_transport *t, bool pause)
{
	struct sip_listener *l;

	t->paused = pause;
	for (l = t->listeners; l != NULL; l = l->next) {
		if (l->event != NULL)
			loop_fd_want(l->event, pause ? 0 : LOOP_READ);
	}
}

/* Once a second. A walk may remove what it has just seen. */
static void
transport_on_tick(void *arg)
{
	struct sip_transport *t = OBJ(arg, sip_transport, TRANSPORT_MAGIC);
	uint64_t now = clock_mono();
	struct sip_conn *c;
	size_t at = 0;

	while ((c = map_next(&t->conns, &at, NULL, NULL)) != NULL)
		sip_conn_tick(c, now);
	if (t->paused)
		transport_pause(t, false);
	loop_timer_set(t->tick, CLOCK_SEC);
}

static void
transport_on_reap(void *arg)
{
	sip_conn_free_dead(OBJ(arg, sip_transport, TRANSPORT_MAGIC));
}

/* Zeroes become defaults. */
static void
transport_set_limits(struct sip_limits *l, const struct sip_limits *from)
{
	if (from != NULL)
		*l = *from;
	l->conns = l->conns != 0 ? l->conns : 16384;
	l->conns_source = l->conns_source != 0 ? l->conns_source : 512;
	if (l->message == 0 || l->message > SIP_MAX)
		l->message = SIP_MAX;
	l->out = l->out != 0 ? l->out : 256u << 10;
	l->held = l->held != 0 ? l->held : 128u << 20;
	l->handshake = l->handshake != 0 ? l->handshake : 10 * CLOCK_SEC;
	l->partial = l->partial != 0 ? l->partial : 10 * CLOCK_SEC;
	l->idle = l->idle != 0 ? l->idle : 600 * CLOCK_SEC;
	l->ping = l->ping != 0 ? l->ping : 30 * CLOCK_SEC;
}

/* As many descriptors as the process may have; connections leave some for
 * everything else. */
static void
transport_fit_descriptors(struct sip_limits *l)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	if (r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_cur < 2 * TRANSPORT_SPARE)
		l->conns = (unsigned)r.rlim_cur / 2;
	else if (l->conns > r.rlim_cur - TRANSPORT_SPARE)
		l->conns = (unsigned)(r.rlim_cur - TRANSPORT_SPARE);
}

struct sip_transport *
sip_transport_new(struct loop *loop, const struct sip_handler *h,
    const struct sip_limits *limits)
{
	struct sip_transport *t = xcalloc(1, sizeof *t);

	signal(SIGPIPE, SIG_IGN);
	t->magic = TRANSPORT_MAGIC;
	t->loop = loop;
	t->handler = *h;
	transport_set_limits(&t->limits, limits);
	transport_fit_descriptors(&t->limits);
	rand_bytes(&t->next_id, sizeof t->next_id);
	t->next_id = t->next_id << 20 | 1;
	t->reap.fn = transport_on_reap;
	t->reap.arg = t;
	t->tick = loop_timer_new(loop, transport_on_tick, t);
	loop_timer_set(t->tick, CLOCK_SEC);
	return t;
}

void
sip_transport_free(struct sip_transport **tp)
{
	struct sip_transport *t = *tp;
	struct sip_listener *l;
	struct sip_conn *c;
	size_t at = 0;

	*tp = NULL;
	if (t == NULL)
		return;
	while ((l = t->listeners) != NULL)
		sip_listener_close(&l);
	while ((c = map_next(&t->conns, &at, NULL, NULL)) != NULL)
		sip_conn_close(c);
	loop_defer_cancel(t->loop, &t->reap);
	sip_conn_free_dead(t);
	map_fini(&t->conns);
	map_fini(&t->sources);
	loop_timer_free(&t->tick);
	sip_tls_free(&t->client);
	free(t->client_ca);
	t->magic = 0;
	free(t);
}

void
sip_transport_trace(struct sip_transport *t, struct ring *ring)
{
	t->trace = ring;
}

struct sip_count *
sip_transport_count(struct sip_transport *t)
{
	return &t->count;
}

/* ---- listeners --------------------------------------------------------- */

static void
listener_on_datagram(
    void *arg, struct dgram *u, char *msg, size_t n, const union addr *from)
{
	struct sip_listener *l = OBJ(arg, sip_listener, LISTENER_MAGIC);
	struct sip_transport *t = l->transport;
	struct sip_flow flow = {l, SIP_UDP, 0, *from};

	(void)u;
	if (!sip_frame_is_partial(msg, n) || (n <= 4 && msg[0] == '\0')) {
		t->count.pings++;
		if (t->handler.on_ping != NULL)
			t->handler.on_ping(t->handler.arg, &flow);
		return;
	}
	t->count.in[SIP_UDP]++;
	tap(t->trace, &(struct tap_way){0, SIP_UDP, &l->at, from}, msg, n);
	t->handler.on_message(t->handler.arg, &flow, msg, n);
}

/* Take what waits, a bounded number at a time. */
static void
listener_on_accept(void *arg, int fd, int events)
{
	struct sip_listener *l = OBJ(arg, sip_listener, LISTENER_MAGIC);
	union addr peer;
	socklen_t len;
	unsigned i;
	int s;

	(void)events;
	for (i = 0; i < ACCEPTS; i++) {
		len = sizeof peer;
		memset(&peer, 0, sizeof peer);
		s = accept4(fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (s >= 0) {
			sip_conn_new(l->transport, l, l->proto, s, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			log_warn("sip listener=%s no more connections for a "
				 "second",
			    l->name);
			transport_pause(l->transport, true);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/* SNI asked for a name that this listener's certificate does not bear. */
static struct sip_tls *
listener_on_name(void *arg, const char *name)
{
	struct sip_transport *t = OBJ(arg, sip_transport, TRANSPORT_MAGIC);
	struct sip_listener *l;

	for (l = t->listeners; l != NULL; l = l->next) {
		if (l->tls != NULL && sip_tls_names(l->tls, name))
			return l->tls;
	}
	return NULL;
}

int
sip_listener_certify(
    struct sip_listener *l, const char *chain, const char *key, struct err *e)
{
	struct sip_tls *tls;

	if (chain == NULL || key == NULL)
		return err_set(e, ERR_INVALID, "no certificate or no key");
	if ((tls = sip_tls_new(chain, key, e)) == NULL)
		return -ERR_INVALID;
	sip_tls_set_pick(tls, listener_on_name, l->transport);
	sip_tls_free(&l->tls);
	l->tls = tls;
	return 0;
}

/* The socket, bound; its address with the port that it got. */
static int
listener_bind(struct sip_listener *l, struct err *e)
{
	socklen_t len = sizeof l->at;

	l->fd = sip_proto_is_stream(l->proto) ? sock_tcp_listen(&l->at, e)
					      : sock_udp(&l->at, e);
	if (l->fd < 0)
		return l->fd;
	if (getsockname(l->fd, &l->at.sa, &len) != 0)
		return err_errno(e, ERR_IO, "listener");
	return 0;
}

int
sip_listener_open(struct sip_transport *t, const struct sip_listen *how,
    struct sip_listener **out, struct err *e)
{
	struct sip_listener *l;
	int r = 0;

	*out = NULL;
	if (t->nlisteners == SIP_LISTENERS)
		return err_set(
		    e, ERR_FULL, "more than %d listeners", SIP_LISTENERS);
	l = xcalloc(1, sizeof *l);
	l->magic = LISTENER_MAGIC;
	l->transport = t;
	l->fd = -1;
	l->proto = how->proto;
	l->at = how->at;
	l->state = how->state;
	str_copy(l->name, sizeof l->name, how->name);
	l->tag = (uint32_t)str_hash_key(
	    (const uint8_t *)"tandem listener", l->name, strlen(l->name));
	if (sip_proto_is_secure(l->proto))
		r = sip_listener_certify(l, how->chain, how->key, e);
	if (r == 0)
		r = listener_bind(l, e);
	if (r != 0) {
		if (l->fd >= 0)
			close(l->fd);
		sip_tls_free(&l->tls);
		free(l);
		return r;
	}
	if (l->proto == SIP_UDP)
		l->udp = dgram_open(
		    t->loop, l->fd, DGRAM_BATCH, listener_on_datagram, l);
	else
		l->event = loop_fd_open(t->loop, l->fd,
		    t->paused ? 0 : LOOP_READ, listener_on_accept, l);
	l->next = t->listeners;
	t->listeners = l;
	t->nlisteners++;
	*out = l;
	return 0;
}

/* All connections that came through it. */
static void
listener_close_conns(struct sip_listener *l)
{
	struct sip_conn *c;
	size_t at = 0;

	while (l->conns > 0 &&
	    (c = map_next(&l->transport->conns, &at, NULL, NULL)) != NULL) {
		if (sip_conn_listener(c) == l)
			sip_conn_close(c);
	}
}

void
sip_listener_close(struct sip_listener **lp)
{
	struct sip_listener *l = *lp, **at;

	*lp = NULL;
	if (l == NULL)
		return;
	listener_close_conns(l);
	for (at = &l->transport->listeners; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	l->transport->nlisteners--;
	if (l->udp != NULL) {
		dgram_close(&l->udp);
	} else {
		loop_fd_close(&l->event);
		close(l->fd);
	}
	sip_tls_free(&l->tls);
	l->magic = 0;
	free(l);
}

const char *
sip_listener_name(const struct sip_listener *l)
{
	return l->name;
}

enum sip_proto
sip_listener_proto(const struct sip_listener *l)
{
	return l->proto;
}

const union addr *
sip_listener_address(const struct sip_listener *l)
{
	return &l->at;
}

void *
sip_listener_state(const struct sip_listener *l)
{
	return l->state;
}

unsigned
sip_listener_conns(const struct sip_listener *l)
{
	return l->conns;
}

uint32_t
sip_listener_tag(const struct sip_listener *l)
{
	return l->tag;
}

struct sip_listener *
sip_listener_find(struct sip_transport *t, uint32_t tag)
{
	struct sip_listener *l;

	for (l = t->listeners; l != NULL && l->tag != tag; l = l->next)
		;
	return l;
}

/* ---- flows ------------------------------------------------------------- */

static struct sip_conn *
transport_conn(struct sip_transport *t, uint64_t id)
{
	return map_get(&t->conns, &id, sizeof id);
}

int
sip_send(
    struct sip_transport *t, const struct sip_flow *f, const void *p, size_t n)
{
	struct sip_conn *c;
	int r;

	if (f->proto == SIP_UDP) {
		if (f->listener == NULL)
			return -ERR_CLOSED;
		tap(t->trace,
		    &(struct tap_way){
			TRACE_OUT, SIP_UDP, &f->listener->at, &f->peer},
		    p, n);
		dgram_send(f->listener->udp, &f->peer, p, n);
		t->count.out[SIP_UDP]++;
		return 0;
	}
	c = transport_conn(t, f->conn);
	r = c != NULL ? sip_conn_send(c, p, n) : -ERR_CLOSED;
	if (r != 0)
		t->count.out_lost++;
	return r;
}

bool
sip_flow_find(struct sip_transport *t, uint64_t id, struct sip_flow *f)
{
	struct sip_conn *c = transport_conn(t, id);

	if (c != NULL)
		sip_conn_flow(c, f);
	return c != NULL;
}

void
sip_flow_close(struct sip_transport *t, uint64_t id)
{
	struct sip_conn *c = transport_conn(t, id);

	if (c != NULL)
		sip_conn_close(c);
}

void
sip_flow_finish(struct sip_transport *t, uint64_t id)
{
	struct sip_conn *c = transport_conn(t, id);

	if (c != NULL)
		sip_conn_finish(c);
}

void
sip_flow_pause(struct sip_transport *t, uint64_t id, uint64_t us)
{
	struct sip_conn *c = transport_conn(t, id);

	if (c != NULL)
		sip_conn_pause(c, us);
}

void
sip_flow_keep(struct sip_transport *t, uint64_t id, uint64_t us)
{
	struct sip_conn *c = transport_conn(t, id);

	if (c != NULL)
		sip_conn_keep(c, us);
}

void *
sip_flow_state(struct sip_transport *t, uint64_t id)
{
	struct sip_conn *c = transport_conn(t, id);

	return c != NULL ? sip_conn_state(c) : NULL;
}

void
sip_flow_set_state(struct sip_transport *t, uint64_t id, void *state)
{
	struct sip_conn *c = transport_conn(t, id);

	if (c != NULL)
		sip_conn_set_state(c, state);
}

bool
sip_flow_next(struct sip_transport *t, size_t *at, struct sip_flow_info *i)
{
	struct sip_conn *c = map_next(&t->conns, at, NULL, NULL);

	if (c != NULL)
		sip_conn_info(c, i);
	return c != NULL;
}

/* The client's identity for what it is told to trust. */
static int
transport_trust(struct sip_transport *t, const char *ca, struct err *e)
{
	struct sip_tls *tls;

	if (t->client != NULL && str_equal(ca, t->client_ca))
		return 0;
	if ((tls = sip_tls_new_client(ca, e)) == NULL)
		return -ERR_INVALID;
	sip_tls_free(&t->client);
	free(t->client_ca);
	t->client = tls;
	t->client_ca = ca != NULL ? xstrdup(ca) : NULL;
	return 0;
}

int
sip_connect(struct sip_transport *t, const struct sip_connect *how,
    struct sip_flow *f, struct err *e)
{
	bool tls = how->proto == SIP_TLS;
	struct sip_conn *c;
	int fd, r;

	if (!tls && how->proto != SIP_TCP)
		return err_set(e, ERR_INVALID, "only TCP and TLS connect");
	if (tls && how->name == NULL)
		return err_set(e, ERR_INVALID, "no name to be verified");
	if (tls && (r = transport_trust(t, how->ca, e)) != 0)
		return r;
	if (t->count.open >= t->limits.conns)
		return err_set(e, ERR_FULL, "too many connections");
	if ((fd = sock_tcp_connect(&how->to, e)) < 0)
		return fd;
	c = sip_conn_new_client(
	    t, how->proto, fd, &how->to, tls ? t->client : NULL, how->name);
	if (c == NULL)
		return err_set(e, ERR_CONNECT, "TLS could not begin");
	sip_conn_flow(c, f);
	return 0;
}
