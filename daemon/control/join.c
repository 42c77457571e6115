/*
 * Letting servers in. One that comes proves itself by a token's secret; then,
 * in this order and each step repeatable with the same token:
 *   check   the supervisor knows the token; the site and the name are right
 *   begin   the token is bound to the name
 *   rows    the store has the server and its roles, quorum the server
 *   finish  the token is used up; certificate and keys leave
 * so a failure on the way leaves a token that is still good, and nobody has
 * keys whom the site does not know.
 *
 * Strangers are few (JOIN_GUESTS), have JOIN_PATIENCE for all they say, and
 * messages of JOIN_MESSAGE bytes; when one more comes, the oldest that has not
 * shown a token goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <stdarg.h>
#include <unistd.h>

#include "join.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/base/tls.h"

#define JOIN_GUESTS 8
#define JOIN_PATIENCE (30 * CLOCK_SEC)
#define JOIN_GIFT 16384 /* bytes of what the supervisor hands out */

struct join_guest {
	TAILQ_ENTRY(join_guest) entry;
	struct join_door *door;
	struct tls *tls;
	struct loop_timer *timer;
	char host[ADDR_TEXT];
	struct rpc *rpc;
	struct rpc_request *request; /* being worked on */
	struct join_request want;
	uint8_t point[CA_POINT];
	bool known;   /* its token is good */
	bool waiting; /* somebody's answer is on its way */
	bool gone;    /* nobody to answer to: freed with that answer */
	uint32_t serial;
	enum role_join_what step;
};
TAILQ_HEAD(join_guests, join_guest);

/* A token whose hash is on its way to the supervisor. */
struct join_made {
	TAILQ_ENTRY(join_made) entry;
	uint32_t serial;
	struct join_token token;
	join_token_fn *fn;
	void *arg;
};
TAILQ_HEAD(join_mades, join_made);

struct join_door {
	struct join_config config;
	char site[CA_NAME];
	struct tls_id *id;
	uint8_t print[CA_PRINT];
	struct tls_door *tls;
	struct join_guests guests;
	struct join_mades mades;
	unsigned nguests;
	uint32_t serial;
	char said[256]; /* last of those who never spoke, as logged */
};

/* ---- the end of a guest ------------------------------------------------- */

/* Its connection goes; the rest when nobody's answer is on its way. */
static void
join_guest_end(struct join_guest *g)
{
	tls_close(&g->tls);
	if (g->rpc != NULL)
		rpc_close(&g->rpc);
	loop_timer_free(&g->timer);
	if (!g->gone)
		g->door->nguests--;
	g->gone = true;
	if (g->waiting)
		return;
	if (g->request != NULL) /* must be answered, if to nobody */
		rpc_failf(g->request, ERR_CLOSED, "gone");
	TAILQ_REMOVE(&g->door->guests, g, entry);
	explicit_bzero(&g->want, sizeof g->want);
	free(g);
}

/* Tell it why not; it closes, or its patience ends. */
static void
join_guest_refuse(struct join_guest *g, const struct err *e)
{
	log_warnx("join server=%s address=%s refused: %s",
	    g->want.self.name[0] != '\0' ? g->want.self.name : "?", g->host,
	    e->text);
	rpc_fail(g->request, e);
	g->request = NULL;
	g->known = false;
}

static void __attribute__((format(printf, 3, 4))) join_guest_refusef(
    struct join_guest *g, enum err_code code, const char *fmt, ...)
{
	struct err e = {.code = code};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, ap);
	va_end(ap);
	join_guest_refuse(g, &e);
}

/* An answer has come. False: nobody is there to go on with. */
static bool
join_guest_back(struct join_guest *g)
{
	g->waiting = false;
	if (!g->gone)
		return true;
	join_guest_end(g);
	return false;
}

/* ---- steps -------------------------------------------------------------- */

static void
join_guest_ask(struct join_guest *g, enum role_join_what what)
{
	struct role_join q = {.serial = ++g->door->serial, .what = what};

	memcpy(q.secret, g->want.secret, JOIN_SECRET);
	str_copy(q.name, sizeof q.name, g->want.self.name);
	memcpy(q.point, g->point, CA_POINT);
	g->serial = q.serial;
	g->step = what;
	g->waiting = true;
	g->door->config.ask(g->door->config.arg, &q);
}

static void
join_on_quorum(void *arg, json_t *result, const struct err *e)
{
	struct join_guest *g = arg;

	(void)result;
	if (!join_guest_back(g))
		return;
	if (e != NULL)
		join_guest_refusef(g, e->code, "quorum: %s", e->text);
	else
		join_guest_ask(g, ROLE_JOIN_FINISH);
}

static json_t *
join_server_params(const struct join_guest *g)
{
	char host[ADDR_TEXT];

	addr_host(host, &g->want.self.inside);
	return json_pack("{s:s, s:s, s:i, s:b}", "name", g->want.self.name,
	    "inside", host, "port-base", (int)addr_port(&g->want.self.inside),
	    "witness", (int)g->want.witness);
}

static void
join_on_store(void *arg, json_t *result, const struct err *e)
{
	struct join_guest *g = arg;
	const struct join_config *c = &g->door->config;

	(void)result;
	if (!join_guest_back(g))
		return;
	if (e != NULL) {
		join_guest_refusef(g, e->code, "store: %s", e->text);
		return;
	}
	g->waiting = true;
	c->put_quorum(c->arg, join_server_params(g), join_on_quorum, g);
}

static void
join_guest_put(struct join_guest *g)
{
	const struct join_config *c = &g->door->config;

	g->waiting = true;
	c->put_store(c->arg, join_server_params(g), join_on_store, g);
}

/* Somebody has the name; or it is the guest's own, whose state was lost. */
static int
join_guest_taken(const struct join_guest *g, struct err *e)
{
	const struct join_config *c = &g->door->config;
	const char *name = g->want.self.name;

	if (c->is_up(c->arg, name))
		return err_set(e, ERR_CONFLICT,
		    "the name %s is taken, and that server is up: choose "
		    "another one in the line \"server\" of the boot file",
		    name);
	return err_set(e, ERR_CONFLICT,
	    "the name %s is taken: choose another one in the line \"server\" "
	    "of the boot file; or, when this is that server and its state is "
	    "lost, let it come back with a token in its name, \"request server "
	    "token name %s\"",
	    name, name);
}

/* Is the name free, or the guest's own from an attempt before? A token made
 * for a name lets a server come back that has lost its state, unless it
 * runs. Its inside ports must be nobody else's. */
static int
join_guest_judge(
    struct join_guest *g, const struct role_joined *a, struct err *e)
{
	const struct join_config *c = &g->door->config;
	struct mesh_server list[JOIN_SERVERS];
	size_t n = c->servers(c->arg, list, JOIN_SERVERS), i;
	const struct mesh_server *self = &g->want.self;

	if (strcmp(g->want.site, g->door->site) != 0)
		return err_set(e, ERR_CONFLICT,
		    "this is site %s; the boot file of %s says site %s",
		    g->door->site, self->name, g->want.site);
	if (n >= JOIN_SERVERS)
		return err_set(
		    e, ERR_FULL, "a site has at most %d servers", JOIN_SERVERS);
	for (i = 0; i < n; i++) {
		if (strcmp(list[i].name, self->name) == 0) {
			if ((a->again || a->named) &&
			    !c->is_up(c->arg, self->name))
				continue;
			return join_guest_taken(g, e);
		}
		if (addr_equal(&list[i].inside, &self->inside))
			return err_set(e, ERR_CONFLICT,
			    "inside address and port-base are those of "
			    "server %s",
			    list[i].name);
	}
	return 0;
}

static void
join_on_check(struct join_guest *g, const struct role_joined *a)
{
	struct err e;

	g->known = true;
	if (join_guest_judge(g, a, &e) != 0)
		join_guest_refuse(g, &e);
	else
		join_guest_ask(g, ROLE_JOIN_BEGIN);
}

/* What the supervisor hands out, as four texts; NULL when it is not that. */
static char *
join_read_gift(int fd, struct join_reply *r)
{
	const char **const parts[] = {
	    &r->certificate, &r->ca, &r->ca_key, &r->keys};
	char *text = calloc(1, JOIN_GIFT + 1), *at = text;
	ssize_t n = text != NULL ? pread(fd, text, JOIN_GIFT, 0) : -1;
	size_t i;

	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (n < 0 || at >= text + n) {
			free(text);
			return NULL;
		}
		*parts[i] = at;
		at += strlen(at) + 1;
	}
	return text;
}

static void
join_on_finish(struct join_guest *g, int fd)
{
	const struct join_config *c = &g->door->config;
	struct join_reply r = {0};
	char *text = fd >= 0 ? join_read_gift(fd, &r) : NULL;

	if (text == NULL) {
		join_guest_refusef(g, ERR_INTERNAL, "no answer that is whole");
		return;
	}
	str_copy(r.site, sizeof r.site, g->door->site);
	r.n = c->servers(c->arg, r.servers, JOIN_SERVERS);
	rpc_reply(g->request, join_reply_encode(&r));
	g->request = NULL;
	explicit_bzero(text, JOIN_GIFT);
	free(text);
	log_info(
	    "join server=%s address=%s has joined", g->want.self.name, g->host);
}

/* ---- the supervisor's answers ------------------------------------------- */

static void
join_guest_answer(struct join_guest *g, const struct role_joined *a, int fd)
{
	if (!join_guest_back(g))
		return;
	if (a->code != ERR_NONE)
		join_guest_refusef(g, a->code, "%.190s", a->text);
	else if (g->step == ROLE_JOIN_CHECK)
		join_on_check(g, a);
	else if (g->step == ROLE_JOIN_BEGIN)
		join_guest_put(g);
	else
		join_on_finish(g, fd);
}

static void
join_made_answer(
    struct join_door *d, struct join_made *m, const struct role_joined *a)
{
	char text[JOIN_TOKEN_TEXT];
	struct err e;

	TAILQ_REMOVE(&d->mades, m, entry);
	if (a->code != ERR_NONE) {
		err_set(&e, a->code, "%.190s", a->text);
		m->fn(m->arg, NULL, 0, &e);
	} else {
		join_token_encode(text, &m->token);
		m->fn(m->arg, text, m->token.expires, NULL);
	}
	explicit_bzero(m, sizeof *m);
	free(m);
}

void
join_door_answer(struct join_door *d, const struct role_joined *a, int fd)
{
	struct join_guest *g;
	struct join_made *m;

	TAILQ_FOREACH (g, &d->guests, entry) {
		if (g->waiting && g->serial == a->serial) {
			join_guest_answer(g, a, fd);
			goto out;
		}
	}
	TAILQ_FOREACH (m, &d->mades, entry) {
		if (m->serial == a->serial) {
			join_made_answer(d, m, a);
			break;
		}
	}
out:
	if (fd >= 0)
		close(fd);
}

/* ---- a guest comes ------------------------------------------------------ */

/* Its request, as far as it can be judged here. */
static int
join_guest_read(struct join_guest *g, json_t *params, struct err *e)
{
	char name[CA_NAME];
	int r;

	if ((r = join_request_decode(&g->want, params, e)) != 0 ||
	    (r = ca_csr_open(
		 g->want.csr, g->want.csr_len, name, g->point, e)) != 0)
		return r;
	if (strcmp(name, g->want.self.name) != 0)
		return err_set(e, ERR_INVALID, "csr: of another name");
	return 0;
}

static void
join_on_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct join_guest *g = arg;
	struct err e;

	(void)rpc;
	if (q == NULL)
		return;
	if (strcmp(method, "join") != 0 || g->request != NULL || g->waiting) {
		rpc_failf(q, ERR_UNKNOWN, "expected one request \"join\"");
		return;
	}
	g->request = q;
	if (join_guest_read(g, params, &e) != 0)
		join_guest_refuse(g, &e);
	else
		join_guest_ask(g, ROLE_JOIN_CHECK);
}

static void
join_on_rpc_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	(void)rpc;
	(void)why;
	join_guest_end(arg);
}

static void
join_on_tls(void *arg, struct tls *t, int plain)
{
	struct join_guest *g = arg;
	const struct rpc_handler handler = {.on_request = join_on_request,
	    .on_closed = join_on_rpc_closed,
	    .arg = g,
	    .max_in = JOIN_MESSAGE,
	    .max_out = 4 * JOIN_MESSAGE};

	(void)t;
	g->rpc = rpc_open(g->door->config.loop, plain, &handler);
}

/* Of those who never spoke only this is heard, once in a row. */
static void
join_on_tls_end(void *arg, struct tls *t, const struct err *why)
{
	struct join_guest *g = arg;
	char line[256];

	(void)t;
	snprintf(line, sizeof line, "%s %.180s", g->host, why->text);
	if (g->rpc == NULL && strcmp(line, g->door->said) != 0) {
		str_copy(g->door->said, sizeof g->door->said, line);
		log_warnx("join address=%s refused: %s", g->host, why->text);
	}
	join_guest_end(g);
}

static void
join_on_patience(void *arg)
{
	join_guest_end(arg);
}

/* The oldest that has no good token, unless all are good. */
static void
join_make_room(struct join_door *d)
{
	struct join_guest *g;

	TAILQ_FOREACH (g, &d->guests, entry) {
		if (!g->gone && !g->known) {
			join_guest_end(g);
			return;
		}
	}
}

static void
join_on_accept(void *arg, int fd, const union addr *from)
{
	struct join_door *d = arg;
	struct join_guest *g;
	struct tls_config config = {.loop = d->config.loop,
	    .id = d->id,
	    .side = TLS_JOIN_ACCEPT,
	    .fd = fd,
	    .on_up = join_on_tls,
	    .on_end = join_on_tls_end};

	if (d->nguests >= JOIN_GUESTS)
		join_make_room(d);
	if (d->nguests >= JOIN_GUESTS) {
		close(fd);
		return;
	}
	config.arg = g = xcalloc(1, sizeof *g);
	if ((g->tls = tls_open(&config)) == NULL) {
		free(g);
		return;
	}
	g->door = d;
	addr_host(g->host, from);
	g->timer = loop_timer_new(d->config.loop, join_on_patience, g);
	loop_timer_set(g->timer, JOIN_PATIENCE);
	TAILQ_INSERT_TAIL(&d->guests, g, entry);
	d->nguests++;
}

/* ---- tokens ------------------------------------------------------------- */

void
join_door_token(struct join_door *d, const char *name, unsigned minutes,
    join_token_fn *fn, void *arg)
{
	struct role_join q = {.serial = ++d->serial, .what = ROLE_JOIN_TOKEN};
	struct join_made *m = xcalloc(1, sizeof *m);

	m->serial = q.serial;
	m->fn = fn;
	m->arg = arg;
	join_door_address(d, &m->token.address);
	m->token.expires = clock_real() / CLOCK_SEC + (uint64_t)minutes * 60;
	rand_bytes(m->token.secret, JOIN_SECRET);
	memcpy(m->token.print, d->print, CA_PRINT);
	join_token_hash(q.hash, m->token.secret);
	str_copy(q.name, sizeof q.name, name);
	q.expires = m->token.expires;
	TAILQ_INSERT_TAIL(&d->mades, m, entry);
	d->config.ask(d->config.arg, &q);
}

/* ---- life --------------------------------------------------------------- */

/* The fingerprint of the CA, the second certificate of an identity. */
static int
join_print(const char *identity, uint8_t print[CA_PRINT], struct err *e)
{
	const char *rest = "";
	char *own = ca_block(identity, "CERTIFICATE", &rest);

	free(own);
	return ca_print(rest, print, e);
}

int
join_door_open(
    const struct join_config *c, struct join_door **out, struct err *e)
{
	struct join_door *d = xcalloc(1, sizeof *d);
	int r;

	*out = NULL;
	d->config = *c;
	TAILQ_INIT(&d->guests);
	TAILQ_INIT(&d->mades);
	str_copy(d->site, sizeof d->site, c->site);
	if ((r = tls_id_new(c->identity, &d->id, e)) == 0 &&
	    (r = join_print(c->identity, d->print, e)) == 0)
		r = tls_door_open(
		    c->loop, &c->listen, join_on_accept, d, &d->tls, e);
	d->config.identity = NULL; /* the caller's */
	if (r != 0)
		join_door_close(&d);
	*out = d;
	return r;
}

void
join_door_close(struct join_door **dp)
{
	struct join_door *d = *dp;
	struct join_guest *g;
	struct join_made *m;

	*dp = NULL;
	if (d == NULL)
		return;
	tls_door_close(&d->tls);
	while ((g = TAILQ_FIRST(&d->guests)) != NULL) {
		g->waiting = false;
		join_guest_end(g);
	}
	while ((m = TAILQ_FIRST(&d->mades)) != NULL) {
		TAILQ_REMOVE(&d->mades, m, entry);
		free(m);
	}
	tls_id_free(&d->id);
	free(d);
}

void
join_door_address(const struct join_door *d, union addr *a)
{
	tls_door_address(d->tls, a);
}
