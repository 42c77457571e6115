/*
 * Connections between the servers of a site. This file decides who dials,
 * who is let in and which of two connections stays; bytes and certificates
 * are tls.c's, the first bytes mesh_hello.c's.
 *
 * A stranger costs at most MESH_PENDING connections, for MESH_PATIENCE each;
 * the oldest goes when one more comes. What is refused is told to the peer
 * where it has proved to be of our cluster, noted for show and logged once for
 * each source and reason.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "mesh.h"
#include "mesh_hello.h"
#include "str.h"
#include "tls.h"

#define MESH_PENDING 32		      /* accepted and not yet let in */
#define MESH_PATIENCE (5 * CLOCK_SEC) /* from connect to hello */
/*
 * Before TCP sends its second SYN (1 s) we dial anew, with pauses of our own:
 * its back-off doubles, and would go on after the network is healed.
 */
#define MESH_ANSWER (500 * CLOCK_MS)
/* One keepalive probe (1 s, tls.c) and 500 ms for its answer. */
#define MESH_SILENCE (1500 * CLOCK_MS)
#define MESH_LOOK (250 * CLOCK_MS) /* between two looks for silence */
#define MESH_PAUSE_MIN (50 * CLOCK_MS)
#define MESH_PAUSE_MAX CLOCK_SEC
#define MESH_STEADY (2 * CLOCK_SEC) /* up so long: the pause is short again */
#define MESH_SAID 64		    /* reasons remembered as logged */

struct mesh_peer;

/* One connection, from its first packet. */
struct mesh_conn {
	TAILQ_ENTRY(mesh_conn) entry; /* of mesh->pending, while accepted */
	struct mesh *mesh;
	struct mesh_peer *peer; /* NULL: accepted, nobody yet */
	struct tls *tls;
	struct loop_timer *timer;
	int fd; /* the plain end until the user has it; -1 = not ours */
	struct loop_fd *io;
	union addr from;
	bool pending, refused, up;
	uint64_t began, up_at; /* monotonic */
	size_t got;
	uint8_t hello[MESH_HELLO];
};
TAILQ_HEAD(mesh_conns, mesh_conn);

struct mesh_peer {
	TAILQ_ENTRY(mesh_peer) entry;
	struct mesh *mesh;
	char name[MESH_NAME];
	union addr address; /* of the service */
	bool dials, listed;
	struct mesh_conn *conn; /* the one that is up, or that we dial */
	uint64_t boot;		/* of its other end */
	struct loop_timer *redial;
	uint64_t pause;
	uint64_t since, ups, in, out;
	char reason[128];
	uint64_t reason_at;
};
TAILQ_HEAD(mesh_peers, mesh_peer);

struct mesh {
	struct loop *loop;
	char self[MESH_NAME];
	struct tls_id *id;
	struct tls_door *door;
	unsigned service;
	uint64_t boot;
	void (*on_up)(void *arg, const char *server, int fd);
	void *arg;
	struct mesh_peers peers;
	struct mesh_conns pending;
	unsigned npending;
	struct loop_timer *look;
	bool cut;
	struct {
		char reason[128];
		union addr from;
		uint64_t at;
	} stranger; /* the last one */
	uint64_t said[MESH_SAID];
	unsigned nsaid;
};

static struct mesh_peer *
mesh_find(struct mesh *m, const char *name)
{
	struct mesh_peer *p;

	TAILQ_FOREACH (p, &m->peers, entry) {
		if (strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

/* ---- reasons ------------------------------------------------------------ */

/* True the first time a text is seen, as far back as we remember. */
static bool
mesh_is_news(struct mesh *m, const char *text)
{
	uint64_t hash = str_hash(text, strlen(text));
	size_t i;

	for (i = 0; i < MESH_SAID; i++) {
		if (m->said[i] == hash)
			return false;
	}
	m->said[m->nsaid++ % MESH_SAID] = hash;
	return true;
}

/* Somebody at this host whom we expect and do not have: it is probably he. */
static struct mesh_peer *
mesh_guess(struct mesh *m, const union addr *from)
{
	struct mesh_peer *p;

	TAILQ_FOREACH (p, &m->peers, entry) {
		if (!p->dials && p->conn == NULL &&
		    addr_same_host(&p->address, from))
			return p;
	}
	return NULL;
}

/* Keep why a connection failed, and log it if it is news. */
static void
mesh_note(struct mesh_conn *c, const char *reason)
{
	struct mesh *m = c->mesh;
	struct mesh_peer *p = c->peer != NULL ? c->peer
					      : mesh_guess(m, &c->from);
	char line[256], host[ADDR_TEXT];

	addr_host(host, &c->from);
	if (p == NULL) {
		str_copy(m->stranger.reason, sizeof m->stranger.reason, reason);
		m->stranger.from = c->from;
		m->stranger.at = clock_real();
	} else {
		str_copy(p->reason, sizeof p->reason, reason);
		p->reason_at = clock_real();
	}
	snprintf(line, sizeof line, "%s %s %llu %s", p != NULL ? p->name : "?",
	    host, (unsigned long long)(p != NULL ? p->ups : 0), reason);
	if (mesh_is_news(m, line))
		log_warnx("service=%u server=%s address=%s not connected: %s",
		    m->service, p != NULL ? p->name : "?", host, reason);
}

/* ---- the end of a connection -------------------------------------------- */

static void
mesh_redial(struct mesh_peer *p)
{
	uint16_t random;
	uint64_t pause = p->pause;

	if (!p->dials)
		return;
	rand_bytes(&random, sizeof random);
	p->pause = pause * 2 < MESH_PAUSE_MAX ? pause * 2 : MESH_PAUSE_MAX;
	/* Up to a quarter less, so that many do not dial in step. */
	loop_timer_set(p->redial, pause - pause / 4 * random / 65536);
}

static void
mesh_conn_free(struct mesh_conn *c)
{
	if (c->pending) {
		TAILQ_REMOVE(&c->mesh->pending, c, entry);
		c->mesh->npending--;
	}
	loop_fd_close(&c->io);
	loop_timer_free(&c->timer);
	if (c->fd >= 0)
		close(c->fd);
	tls_close(&c->tls);
	free(c);
}

/* The peer has no connection any more. */
static void
mesh_peer_lose(struct mesh_peer *p)
{
	struct mesh_conn *c = p->conn;
	uint64_t in = 0, out = 0;

	if (c == NULL)
		return;
	p->conn = NULL;
	if (c->up) {
		tls_count(c->tls, &in, &out);
		p->in += in;
		p->out += out;
		p->since = clock_real();
		if (clock_mono() - c->up_at >= MESH_STEADY)
			p->pause = MESH_PAUSE_MIN;
	}
	mesh_conn_free(c);
}

/* A connection is over; c is gone afterwards. */
static void
mesh_conn_end(struct mesh_conn *c, const char *reason)
{
	struct mesh_peer *p = c->peer;

	if (p == NULL || p->conn != c) {
		if (!c->refused)
			mesh_note(c, reason);
		mesh_conn_free(c);
		return;
	}
	if (c->up) {
		log_info("service=%u server=%s disconnected: %s",
		    c->mesh->service, p->name, reason);
		str_copy(p->reason, sizeof p->reason, reason);
		p->reason_at = clock_real();
	} else {
		mesh_note(c, reason);
	}
	mesh_peer_lose(p);
	mesh_redial(p);
}

/* A refusal that came together with the end; false when there is none. */
static bool
mesh_last_words(struct mesh_conn *c, char *words, size_t size)
{
	struct mesh_hello h;
	ssize_t n;

	if (c->up || c->pending || c->fd < 0)
		return false;
	n = recv(c->fd, c->hello + c->got, sizeof c->hello - c->got, 0);
	if (n <= 0 || c->got + (size_t)n < sizeof c->hello ||
	    mesh_hello_decode(&h, c->hello, NULL) != 0 || h.reason[0] == '\0')
		return false;
	snprintf(words, size, "refused: %s", h.reason);
	return true;
}

static void
mesh_on_end(void *arg, struct tls *t, const struct err *why)
{
	struct mesh_conn *c = arg;
	char words[128];

	(void)t;
	mesh_conn_end(
	    c, mesh_last_words(c, words, sizeof words) ? words : why->text);
}

static void
mesh_on_patience(void *arg)
{
	struct mesh_conn *c = arg;

	mesh_conn_end(c, c->fd < 0 ? "no answer" : "no hello");
}

/* ---- hello -------------------------------------------------------------- */

static void
mesh_say_hello(struct mesh_conn *c, const char *reason)
{
	struct mesh *m = c->mesh;
	struct mesh_hello h = {
	    .version = MESH_VERSION, .service = m->service, .boot = m->boot};
	uint8_t out[MESH_HELLO];

	str_copy(h.cluster, sizeof h.cluster, tls_id_cluster(m->id));
	str_copy(h.server, sizeof h.server, m->self);
	str_copy(h.reason, sizeof h.reason, reason);
	mesh_hello_encode(out, &h);
	/* An empty socket has room; a broken one ends the connection anyway. */
	if (send(c->fd, out, sizeof out, MSG_NOSIGNAL) < 0)
		log_debug("hello: %s", strerror(errno));
}

/* The connection is the peer's from now on, and the plain end the user's. */
static void
mesh_conn_up(struct mesh_conn *c, uint64_t boot)
{
	struct mesh *m = c->mesh;
	struct mesh_peer *p = c->peer;
	int fd = c->fd;

	if (c->pending) {
		TAILQ_REMOVE(&m->pending, c, entry);
		m->npending--;
		c->pending = false;
	}
	loop_fd_close(&c->io);
	loop_timer_free(&c->timer);
	c->fd = -1;
	c->up = true;
	c->up_at = clock_mono();
	p->boot = boot;
	p->since = clock_real();
	p->ups++;
	log_info("service=%u server=%s connected", m->service, p->name);
	m->on_up(m->arg, p->name, fd);
}

/* What is wrong with a hello, whoever speaks; NULL = nothing. */
static const char *
mesh_hello_wrong(
    struct mesh_conn *c, const struct mesh_hello *h, char *words, size_t size)
{
	if (h->version != MESH_VERSION)
		snprintf(words, size, "speaks version %u, we speak %u",
		    h->version, MESH_VERSION);
	else if (h->service != c->mesh->service)
		snprintf(words, size, "is service %u, not %u", h->service,
		    c->mesh->service);
	else if (strcmp(h->cluster, tls_id_cluster(c->mesh->id)) != 0)
		snprintf(words, size, "is of another cluster");
	else if (strcmp(h->server, tls_peer(c->tls)) != 0)
		snprintf(words, size, "is not who its certificate names");
	else
		return NULL;
	return words;
}

/* Why one who dialled is not let in; NULL = it is. */
static const char *
mesh_refusal(
    struct mesh_conn *c, const struct mesh_hello *h, char *words, size_t size)
{
	struct mesh *m = c->mesh;
	struct mesh_peer *p = mesh_find(m, tls_peer(c->tls));

	c->peer = p;
	if (mesh_hello_wrong(c, h, words, size) != NULL)
		return words;
	if (p == NULL)
		snprintf(words, size, "server %s is not of this site",
		    tls_peer(c->tls));
	else if (p->dials)
		snprintf(words, size, "%s dials %s", m->self, p->name);
	else if (p->conn != NULL && p->boot != h->boot)
		snprintf(
		    words, size, "another process of that server is connected");
	else
		return NULL;
	return words;
}

/* One who dialled has spoken. */
static void
mesh_admit(struct mesh_conn *c, const struct mesh_hello *h)
{
	char words[MESH_REASON];
	const char *reason = mesh_refusal(c, h, words, sizeof words);

	mesh_say_hello(c, reason != NULL ? reason : "");
	if (reason == NULL) {
		mesh_peer_lose(c->peer);
		c->peer->conn = c;
		mesh_conn_up(c, h->boot);
		return;
	}
	/* Its words go out, then it ends (mesh_on_end). */
	mesh_note(c, reason);
	c->refused = true;
	loop_fd_close(&c->io);
	close(c->fd);
	c->fd = -1;
}

/* One whom we dialled has answered. */
static void
mesh_answered(struct mesh_conn *c, const struct mesh_hello *h)
{
	char words[MESH_REASON], told[128];

	if (mesh_hello_wrong(c, h, words, sizeof words) != NULL) {
		mesh_conn_end(c, words);
	} else if (h->reason[0] != '\0') {
		snprintf(told, sizeof told, "refused: %s", h->reason);
		mesh_conn_end(c, told);
	} else {
		mesh_conn_up(c, h->boot);
	}
}

static void
mesh_on_hello(void *arg, int fd, int events)
{
	struct mesh_conn *c = arg;
	struct mesh_hello h;
	struct err e;
	ssize_t n = recv(fd, c->hello + c->got, sizeof c->hello - c->got, 0);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		mesh_conn_end(c, "no hello");
		return;
	}
	c->got += (size_t)n;
	if (c->got < sizeof c->hello)
		return;
	if (mesh_hello_decode(&h, c->hello, &e) != 0)
		mesh_conn_end(c, e.text);
	else if (c->pending)
		mesh_admit(c, &h);
	else
		mesh_answered(c, &h);
}

static void
mesh_on_tls(void *arg, struct tls *t, int plain)
{
	struct mesh_conn *c = arg;
	char words[128];

	c->fd = plain;
	if (!c->pending && strcmp(tls_peer(t), c->peer->name) != 0) {
		snprintf(
		    words, sizeof words, "answers as server %s", tls_peer(t));
		mesh_conn_end(c, words);
		return;
	}
	if (!c->pending)
		mesh_say_hello(c, "");
	c->io = loop_fd_open(c->mesh->loop, plain, LOOP_READ, mesh_on_hello, c);
}

/* ---- the beginning of a connection -------------------------------------- */

/* fd is taken; NULL when there is no memory for it. */
static struct mesh_conn *
mesh_conn_open(
    struct mesh *m, int fd, enum tls_side side, const union addr *from)
{
	struct mesh_conn *c = xcalloc(1, sizeof *c);
	struct tls_config config = {.loop = m->loop,
	    .id = m->id,
	    .side = side,
	    .fd = fd,
	    .on_up = mesh_on_tls,
	    .on_end = mesh_on_end,
	    .arg = c};

	c->mesh = m;
	c->fd = -1;
	c->began = clock_mono();
	c->from = *from;
	if ((c->tls = tls_open(&config)) == NULL) {
		free(c);
		return NULL;
	}
	if (m->cut)
		tls_pause(c->tls, true);
	c->timer = loop_timer_new(m->loop, mesh_on_patience, c);
	loop_timer_set(c->timer, MESH_PATIENCE);
	return c;
}

static void
mesh_on_accept(void *arg, int fd, const union addr *from)
{
	struct mesh *m = arg;
	struct mesh_conn *c;

	if (m->npending >= MESH_PENDING)
		mesh_conn_end(
		    TAILQ_FIRST(&m->pending), "too many connections at a time");
	if ((c = mesh_conn_open(m, fd, TLS_ACCEPT, from)) == NULL)
		return;
	c->pending = true;
	TAILQ_INSERT_TAIL(&m->pending, c, entry);
	m->npending++;
}

static void
mesh_dial(void *arg)
{
	struct mesh_peer *p = arg;
	struct mesh_conn failed = {.mesh = p->mesh, .peer = p};
	struct err e;
	int fd;

	if (p->mesh->cut) {
		mesh_redial(p);
		return;
	}
	fd = sock_tcp_connect(&p->address, &e);
	failed.from = p->address;
	if (fd >= 0)
		p->conn = mesh_conn_open(p->mesh, fd, TLS_DIAL, &p->address);
	if (p->conn != NULL) {
		p->conn->peer = p;
		return;
	}
	mesh_note(&failed, fd < 0 ? e.text : "out of memory");
	mesh_redial(p);
}

/* ---- silence ----------------------------------------------------------- */

/* Ends a connection whose peer gives no sign of life; c may be gone. */
static void
mesh_look_at(struct mesh_conn *c)
{
	if (tls_is_dialling(c->tls)) {
		if (!c->mesh->cut && clock_mono() - c->began >= MESH_ANSWER)
			mesh_conn_end(c, "no answer");
	} else if (tls_silence(c->tls) >= MESH_SILENCE) {
		mesh_conn_end(c, "its machine is silent");
	}
}

static void
mesh_on_look(void *arg)
{
	struct mesh *m = arg;
	struct mesh_conn *c, *next;
	struct mesh_peer *p;

	for (c = TAILQ_FIRST(&m->pending); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		mesh_look_at(c);
	}
	TAILQ_FOREACH (p, &m->peers, entry) {
		if (p->conn != NULL)
			mesh_look_at(p->conn);
	}
	loop_timer_set(m->look, MESH_LOOK);
}

/* ---- the list ----------------------------------------------------------- */

static void
mesh_peer_free(struct mesh_peer *p)
{
	struct mesh_conn *c, *next;

	mesh_peer_lose(p);
	/* Refused ones on their way out speak of it. */
	for (c = TAILQ_FIRST(&p->mesh->pending); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->peer == p)
			mesh_conn_free(c);
	}
	TAILQ_REMOVE(&p->mesh->peers, p, entry);
	loop_timer_free(&p->redial);
	free(p);
}

static void
mesh_peer_new(struct mesh *m, const struct mesh_server *s)
{
	struct mesh_peer *p = xcalloc(1, sizeof *p);

	p->mesh = m;
	str_copy(p->name, sizeof p->name, s->name);
	p->address = s->inside;
	addr_set_port(
	    &p->address, (uint16_t)(addr_port(&s->inside) + m->service));
	p->dials = strcmp(m->self, p->name) < 0;
	p->listed = true;
	p->pause = MESH_PAUSE_MIN;
	p->since = clock_real();
	p->redial = loop_timer_new(m->loop, mesh_dial, p);
	TAILQ_INSERT_TAIL(&m->peers, p, entry);
	if (p->dials)
		loop_timer_set(p->redial, 0);
}

/* An entry of the list: the peer it is already, or a new one. */
static void
mesh_list(struct mesh *m, const struct mesh_server *s)
{
	struct mesh_peer *p;
	union addr at = s->inside;

	if (!ca_name_good(s->name, strnlen(s->name, MESH_NAME)) ||
	    strcmp(s->name, m->self) == 0)
		return;
	addr_set_port(&at, (uint16_t)(addr_port(&at) + m->service));
	p = mesh_find(m, s->name);
	if (p != NULL && addr_equal(&p->address, &at)) {
		p->listed = true;
		return;
	}
	if (p != NULL)
		mesh_peer_free(p);
	mesh_peer_new(m, s);
}

void
mesh_set(struct mesh *m, const struct mesh_server *list, size_t n)
{
	struct mesh_peer *p, *next;
	size_t i;

	TAILQ_FOREACH (p, &m->peers, entry)
		p->listed = false;
	for (i = 0; i < n; i++)
		mesh_list(m, &list[i]);
	for (p = TAILQ_FIRST(&m->peers); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (!p->listed)
			mesh_peer_free(p);
	}
}

bool
mesh_next(const struct mesh *m, size_t *at, struct mesh_status *s)
{
	const struct mesh_peer *p = TAILQ_FIRST(&m->peers);
	uint64_t in = 0, out = 0;
	size_t i;

	memset(s, 0, sizeof *s);
	for (i = 0; i < *at && p != NULL; i++)
		p = TAILQ_NEXT(p, entry);
	if (i < *at || (p == NULL && m->stranger.at == 0))
		return false;
	(*at)++;
	if (p == NULL) {
		str_copy(s->server, sizeof s->server, "?");
		s->address = m->stranger.from;
		s->since = m->stranger.at;
		str_copy(s->reason, sizeof s->reason, m->stranger.reason);
		s->reason_at = m->stranger.at;
		return true;
	}
	str_copy(s->server, sizeof s->server, p->name);
	s->address = p->address;
	s->dials = p->dials;
	s->up = p->conn != NULL && p->conn->up;
	if (s->up)
		tls_count(p->conn->tls, &in, &out);
	s->since = p->since;
	s->ups = p->ups;
	s->in = p->in + in;
	s->out = p->out + out;
	str_copy(s->reason, sizeof s->reason, p->reason);
	s->reason_at = p->reason_at;
	return true;
}

/* ---- life --------------------------------------------------------------- */

int
mesh_open(struct loop *loop, const struct mesh_config *c, struct mesh **out,
    struct err *e)
{
	struct mesh *m = xcalloc(1, sizeof *m);
	union addr at = c->listen;
	int r;

	*out = NULL;
	m->loop = loop;
	TAILQ_INIT(&m->peers);
	TAILQ_INIT(&m->pending);
	str_copy(m->self, sizeof m->self, c->self);
	m->service = c->port_offset;
	m->on_up = c->on_up;
	m->arg = c->arg;
	rand_bytes(&m->boot, sizeof m->boot);
	if (addr_port(&at) != 0)
		addr_set_port(&at, (uint16_t)(addr_port(&at) + m->service));
	if ((r = tls_id_new(c->identity, &m->id, e)) == 0 &&
	    strcmp(tls_id_name(m->id), m->self) != 0)
		r = err_set(e, ERR_INVALID, "the identity is server %s's",
		    tls_id_name(m->id));
	if (r == 0)
		r = tls_door_open(loop, &at, mesh_on_accept, m, &m->door, e);
	m->look = loop_timer_new(loop, mesh_on_look, m);
	loop_timer_set(m->look, MESH_LOOK);
	if (r != 0)
		mesh_close(&m);
	*out = m;
	return r;
}

void
mesh_close(struct mesh **mp)
{
	struct mesh *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	tls_door_close(&m->door);
	loop_timer_free(&m->look);
	while (!TAILQ_EMPTY(&m->peers))
		mesh_peer_free(TAILQ_FIRST(&m->peers));
	while (!TAILQ_EMPTY(&m->pending))
		mesh_conn_free(TAILQ_FIRST(&m->pending));
	tls_id_free(&m->id);
	free(m);
}

void
mesh_cut(struct mesh *m, bool cut)
{
	struct mesh_peer *p;
	struct mesh_conn *c;

	m->cut = cut;
	tls_door_pause(m->door, cut);
	TAILQ_FOREACH (p, &m->peers, entry) {
		if (p->conn != NULL)
			tls_pause(p->conn->tls, cut);
	}
	TAILQ_FOREACH (c, &m->pending, entry)
		tls_pause(c->tls, cut);
}

void
mesh_address(const struct mesh *m, union addr *a)
{
	tls_door_address(m->door, a);
}
