/*
 * Proposals, decisions and their news. Every entry of the raft log is
 *   0   8  id of the server that proposed it, little-endian
 *   8   8  its tag there
 *   16  4  n
 *   20  4  zero
 *   24  n  a command (replication/ownership_code.c), then zeros up to a
 *          multiple of 8, without which libraft mixes entries up
 * so whoever proposed it sees what became of it when it applies it itself:
 * what it then tells its replicator is already told to its supervisor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quorum.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"
#include "replication/ship_record.h"

/* After so long nobody knows any more what became of a proposal. */
#define QUORUM_PATIENCE (2 * CLOCK_SEC)
#define REPORT_WAIT (2 * ROLE_YIELD)

/* ---- proposals of ours -------------------------------------------------- */

static struct proposal *
proposal_take(struct quorum *q, uint64_t tag)
{
	struct proposal **at, *p;

	for (at = &q->proposals; (p = *at) != NULL; at = &p->next) {
		if (p->tag != tag)
			continue;
		*at = p->next;
		return p;
	}
	return NULL;
}

/* When what it is about was noticed; 0 = it is forgotten. */
static uint64_t
proposal_noticed(const struct quorum *q, uint64_t tag)
{
	const struct proposal *p = q->proposals;

	while (p != NULL && p->tag != tag)
		p = p->next;
	return p != NULL ? p->noticed : 0;
}

/* Tell whoever proposed it; it may propose again from there. */
static void
proposal_end(struct quorum *q, uint64_t tag, const struct err *e)
{
	struct proposal *p = proposal_take(q, tag);

	if (p == NULL)
		return;
	if (p->fn != NULL)
		p->fn(p->arg, e);
	free(p);
}

/* Nobody knows whether it will be decided. */
void
quorum_on_failed(struct quorum *q, uint64_t tag, const char *why)
{
	struct err e;

	err_set(&e, ERR_TIMEOUT, "not decided yet: %s", why);
	proposal_end(q, tag, &e);
}

static void
quorum_engine_failed(void *arg, uint64_t tag, const char *why)
{
	quorum_on_failed(arg, tag, why);
}

/* What was sent to a server that is gone: it may have passed it on. */
static void
proposals_gone(struct quorum *q, const char *server)
{
	struct proposal *p = q->proposals;

	while (p != NULL) {
		if (strcmp(p->to, server) != 0) {
			p = p->next;
			continue;
		}
		quorum_on_failed(q, p->tag, "the leader is gone");
		p = q->proposals;
	}
}

static void
proposals_expire(struct quorum *q, uint64_t now)
{
	struct proposal *p, *next;

	for (p = q->proposals; p != NULL; p = next) {
		next = p->next;
		if (p->until <= now) {
			quorum_on_failed(q, p->tag, "no answer");
			next = q->proposals;
		}
	}
}

/* The newest proposal, to our own raft or to the leader's. */
static int
quorum_send(
    struct quorum *q, uint64_t tag, const uint8_t *p, size_t n, struct err *e)
{
	const char *leader = engine_leader(q->engine);
	struct peer_server *s;

	if (engine_state(q->engine) == ENGINE_LEADER)
		return engine_propose(
		    q->engine, p, n, quorum_engine_failed, q, tag, e);
	s = leader[0] != '\0' ? quorum_peer(q, leader) : NULL;
	if (s == NULL || s->link == NULL)
		return err_set(e, ERR_NOOWNER, "the site has no leader now");
	str_copy(q->proposals->to, sizeof q->proposals->to, leader);
	quorum_link_propose(s->link, tag, p, n);
	return 0;
}

/* A refusal before anything was sent, told like all others. */
struct late {
	struct loop_defer defer;
	quorum_done_fn *fn;
	void *arg;
	struct err err;
};

static void
late_run(void *arg)
{
	struct late *l = arg;

	l->fn(l->arg, &l->err);
	free(l);
}

static void
quorum_refuse(
    struct quorum *q, quorum_done_fn *fn, void *arg, const struct err *e)
{
	struct late *l;

	if (fn == NULL)
		return;
	l = xcalloc(1, sizeof *l);
	l->defer.fn = late_run;
	l->defer.arg = l;
	l->fn = fn;
	l->arg = arg;
	l->err = *e;
	loop_defer(q->config.loop, &l->defer);
}

void
quorum_propose(struct quorum *q, const struct ownership_command *c,
    quorum_done_fn *fn, void *arg)
{
	uint8_t bytes[QUORUM_ENVELOPE + OWNERSHIP_COMMAND_MAX] = {0};
	struct proposal *p;
	struct err e;
	long n = ownership_encode(c, bytes + QUORUM_ENVELOPE, &e);
	uint64_t tag = ++q->tag;

	ship_put64(bytes, q->id);
	ship_put64(bytes + 8, tag);
	if (n < 0) {
		quorum_refuse(q, fn, arg, &e);
		return;
	}
	ship_put64(bytes + 16, (uint64_t)n);
	n = (n + 7) & ~7L;
	p = xcalloc(1, sizeof *p);
	*p = (struct proposal){.tag = tag,
	    .until = clock_mono() + QUORUM_PATIENCE,
	    .noticed = q->noticed != 0 ? q->noticed : clock_mono(),
	    .fn = fn,
	    .arg = arg,
	    .next = q->proposals};
	q->proposals = p;
	q->noticed = 0;
	if (quorum_send(q, tag, bytes, QUORUM_ENVELOPE + (size_t)n, &e) == 0)
		return;
	free(proposal_take(q, tag));
	quorum_refuse(q, fn, arg, &e);
}

void
quorum_member(struct quorum *q, enum ownership_type type, const char *key,
    uint64_t epoch, const char *server, quorum_done_fn *fn, void *arg)
{
	struct ownership_command c = {.type = type, .epoch = epoch};
	const struct ownership_key *k = ownership_key_find(&q->machine, key);

	str_copy(c.key, sizeof c.key, key);
	str_copy(c.server, sizeof c.server, server);
	c.turn = k != NULL ? k->turn : 0;
	quorum_propose(q, &c, fn, arg);
}

/* ---- proposals of others ------------------------------------------------ */

/* The link may be another by then, or gone. */
static void
quorum_foreign_failed(void *arg, uint64_t tag, const char *why)
{
	struct peer_server *s = arg;

	if (s->link != NULL)
		quorum_link_answer(s->link, tag, why);
}

void
quorum_on_propose(struct quorum *q, const char *server, uint64_t tag,
    const uint8_t *p, size_t n)
{
	struct peer_server *s = quorum_peer(q, server);
	struct err e;

	if (s == NULL || s->link == NULL)
		return;
	if (engine_propose(
		q->engine, p, n, quorum_foreign_failed, s, tag, &e) != 0)
		quorum_link_answer(s->link, tag, e.text);
}

/* ---- servers ------------------------------------------------------------ */

/* The place of another server's record; OWNERSHIP_SERVERS = there is none. */
static size_t
peer_place(const struct quorum *q, const char *server)
{
	size_t i;

	for (i = 0;
	     i < OWNERSHIP_SERVERS && strcmp(q->peer[i].name, server) != 0; i++)
		;
	return i;
}

/* The record of another server; made when it is new. NULL only for too many
 * names. */
struct peer_server *
quorum_peer(struct quorum *q, const char *server)
{
	struct peer_server *free_one = NULL;
	size_t i = peer_place(q, server);

	if (i < OWNERSHIP_SERVERS)
		return &q->peer[i];
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (free_one == NULL &&
		    (q->peer[i].name[0] == '\0' ||
			(q->peer[i].link == NULL &&
			    ownership_server_find(
				&q->machine, q->peer[i].name) == NULL)))
			free_one = &q->peer[i];
	}
	if (free_one != NULL) {
		memset(free_one, 0, sizeof *free_one);
		str_copy(free_one->name, sizeof free_one->name, server);
	}
	return free_one;
}

void
quorum_on_up(struct quorum *q, const char *server, int fd)
{
	struct peer_server *s = quorum_peer(q, server);

	if (s == NULL)
		fatalx("server=%s: more servers than a site has", server);
	if (s->link != NULL)
		proposals_gone(q, server);
	quorum_link_close(&s->link);
	s->link = quorum_link_open(q, server, fd);
}

void
quorum_on_gone(struct quorum *q, struct quorum_link *l)
{
	size_t i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->peer[i].link != l)
			continue;
		q->peer[i].link = NULL;
		proposals_gone(q, q->peer[i].name);
	}
}

void
quorum_on_heard(struct quorum *q, const char *server)
{
	struct peer_server *s = quorum_peer(q, server);

	if (s != NULL)
		s->heard = clock_mono();
}

void
quorum_on_hello(struct quorum *q, const char *server, uint64_t id)
{
	struct peer_server *s = quorum_peer(q, server);

	log_info("server=%s linked", server);
	if (s == NULL)
		return;
	s->id = id;
	quorum_part_tell(q, s);
}

/* Raft wants to connect. */
static int
quorum_on_connect(void *arg, const char *name)
{
	struct quorum *q = arg;
	struct peer_server *s = quorum_peer(q, name);

	return s != NULL && s->link != NULL ? quorum_link_connect(s->link) : -1;
}

/* ---- news --------------------------------------------------------------- */

static int
entry_order(const void *a, const void *b)
{
	return strcmp(
	    ((const struct owner *)a)->key, ((const struct owner *)b)->key);
}

/* Has the owner said so itself? A decision is known to all only when their
 * disks have it; that somebody serves is true before. */
static bool
news_serves(const struct quorum *q, const struct owner *o)
{
	size_t at = peer_place(q, owner_server(o->instance)), i;
	const struct serves *s;

	for (i = 0; at < OWNERSHIP_SERVERS && i < SERVES; i++) {
		s = &q->peer[at].serves[i];
		if (s->epoch == o->epoch && str_equal(s->key, o->key))
			return true;
	}
	return false;
}

/* Every entry now, in the order of their keys. */
static struct owner *
news_entries(const struct quorum *q, size_t *n)
{
	struct owner *list = NULL;
	size_t room = 0, i;
	unsigned at = 0;

	for (*n = 0; *n < OWNER_MAP_MAX; (*n)++) {
		if (*n == room) {
			room += q->ntold + 8;
			list = xrealloc(list, room * sizeof *list);
		}
		if (!ownership_next(&q->machine, &at, &list[*n]))
			break;
	}
	for (i = 0; i < *n; i++) {
		if (str_prefix(list[i].key, "server/") &&
		    strcmp(list[i].key + 7, q->server) == 0)
			list[i].mute = q->mute;
		if (list[i].state == OWNER_CLAIMING &&
		    list[i].instance[0] != '\0' && news_serves(q, &list[i]))
			list[i].state = OWNER_SERVING;
	}
	qsort(list, *n, sizeof *list, entry_order);
	return list;
}

/* Tell what has changed since: removed ones first, so that the map never
 * holds more than there is. */
static void
news_tell(struct quorum *q, const struct owner *now, size_t n)
{
	const struct quorum_config *c = &q->config;
	size_t i;

	for (i = 0; i < q->ntold; i++) {
		if (bsearch(&q->told[i], now, n, sizeof *now, entry_order) ==
		    NULL)
			c->on_entry(c->arg, &q->told[i], true);
	}
	for (i = 0; i < n; i++) {
		const struct owner *old = q->ntold == 0
		    ? NULL
		    : bsearch(
			  &now[i], q->told, q->ntold, sizeof *now, entry_order);

		if (old == NULL || memcmp(old, &now[i], sizeof *old) != 0)
			c->on_entry(c->arg, &now[i], false);
	}
}

static struct mesh_server *
servers_find(struct quorum *q, const char *name)
{
	size_t i;

	for (i = 0; i < q->nservers; i++) {
		if (strcmp(q->servers[i].name, name) == 0)
			return &q->servers[i];
	}
	return NULL;
}

/* One was removed from the site. */
static void
servers_remove(struct quorum *q, const char *name)
{
	struct mesh_server *s = servers_find(q, name);

	if (s == NULL)
		return;
	*s = q->servers[--q->nservers];
	q->servers_changed = true;
}

/*
 * The list of servers for the mesh, and on disk for the next start. One that
 * reads history from its log knows more than the machine does so far: only
 * what is removed leaves the list, and others are never lost on the way.
 */
static void
news_servers(struct quorum *q)
{
	struct mesh_server *s;
	struct err e;
	size_t i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		const struct ownership_server *m = &q->machine.server[i];

		if (m->name[0] == '\0' ||
		    (q->recovering && strcmp(m->name, q->server) != 0) ||
		    ((s = servers_find(q, m->name)) != NULL &&
			addr_equal(&s->inside, &m->inside)) ||
		    (s == NULL && q->nservers == OWNERSHIP_SERVERS))
			continue;
		if (s == NULL)
			s = &q->servers[q->nservers++];
		memset(s, 0, sizeof *s);
		str_copy(s->name, sizeof s->name, m->name);
		s->inside = m->inside;
		q->servers_changed = true;
	}
	if (!q->servers_changed)
		return;
	q->servers_changed = false;
	if (file_servers_write(q->config.dir, q->servers, q->nservers, &e) != 0)
		log_warnx("%s", e.text);
	q->config.on_servers(q->config.arg, q->servers, q->nservers);
}

static void
quorum_news(struct quorum *q)
{
	struct owner *now;
	size_t n;

	news_servers(q);
	if (!q->current)
		return;
	now = news_entries(q, &n);
	news_tell(q, now, n);
	free(q->told);
	q->told = now;
	q->ntold = n;
}

/* Is what the machine holds the present, as far as anybody knows? A server
 * that is cut off later keeps its last view. */
static void
quorum_look(struct quorum *q)
{
	if (q->current || quorum_part_holds(q) ||
	    !(engine_is_level(q->engine) ||
		(q->target != 0 && engine_applied(q->engine) >= q->target)))
		return;
	q->current = true;
	quorum_news(q);
}

void
quorum_on_beat(struct quorum *q, const char *server, uint64_t applied)
{
	if (q->target == 0 && applied != 0 &&
	    strcmp(engine_leader(q->engine), server) == 0)
		q->target = applied;
}

/* ---- decisions ---------------------------------------------------------- */

static void
quorum_on_apply(void *arg, const uint8_t *p, size_t n)
{
	struct quorum *q = arg;
	struct ownership_command c;
	struct err e;
	bool ours;
	int r;

	if (quorum_entry_decode(&c, p, n, &e) != 0) {
		q->refused++;
		log_warnx("an entry of the log is passed over: %s", e.text);
		return;
	}
	ours = ship_get64(p) == q->id;
	r = ownership_apply(&q->machine, &c, &e);
	if (r != 0)
		q->refused++;
	else
		q->decided++;
	if (r == 0) {
		q->moved = clock_mono();
		switch_look(q, c.type,
		    ours ? proposal_noticed(q, ship_get64(p + 8)) : 0);
	}
	if (r == 0 && q->current && c.type != OWNERSHIP_INSTANCES)
		log_info("decided: %s%s%s%s%s", ownership_type_name(c.type),
		    c.key[0] != '\0' ? " " : "", c.key,
		    c.server[0] != '\0' ? " " : "", c.server);
	else if (r != 0)
		log_debug(
		    "refused: %s: %s", ownership_type_name(c.type), e.text);
	if (r == 0 && c.type == OWNERSHIP_SERVER_REMOVE)
		servers_remove(q, c.server);
	if (r == 0 && q->engine != NULL)
		quorum_news(q);
	if (ours)
		proposal_end(q, ship_get64(p + 8), r == 0 ? NULL : &e);
	loop_defer(q->config.loop, &q->news);
}

static void
quorum_on_save(void *arg, struct buf *b)
{
	struct quorum *q = arg;

	ownership_save(&q->machine, b);
}

static int
quorum_on_load(void *arg, const uint8_t *p, size_t n, struct err *e)
{
	struct quorum *q = arg;
	int r = ownership_load(&q->machine, p, n, e);

	switch_look(q, OWNERSHIP_TYPES, 0);
	if (r == 0 && q->engine != NULL)
		quorum_news(q);
	return r;
}

/* ---- our own server ----------------------------------------------------- */

/* No other server is known, so none can know of this one. */
static bool
quorum_is_alone(const struct quorum *q)
{
	return q->nservers == 0 ||
	    (q->nservers == 1 && strcmp(q->servers[0].name, q->server) == 0);
}

static void report(struct quorum *);

static void
report_done(void *arg, const struct err *e)
{
	struct quorum *q = arg;

	q->reporting = false;
	if (e == NULL)
		loop_defer(q->config.loop, &q->news);
}

static void
report_propose(struct quorum *q, const struct ownership_command *c)
{
	q->reporting = true;
	quorum_propose(q, c, report_done, q);
}

/* One that ended and owns nothing is mostly back in a moment: both are told in
 * one command then, and not while its successor is busy. */
static bool
report_waits(const struct quorum *q, unsigned r, unsigned i)
{
	const struct ownership_key *k = ownership_key_find(
	    &q->machine, q->role[r].name);

	if (q->role[r].since[i] != 0 || k == NULL ||
	    (k->state != OWNER_DOWN && k->index == i &&
		str_equal(q->machine.server[k->server].name, q->server)))
		return false;
	return clock_mono() - q->role[r].ended[i] < REPORT_WAIT;
}

/* The first of our roles that the machine knows otherwise than it is. */
static bool
report_role(struct quorum *q, const struct ownership_server *me,
    struct ownership_command *c)
{
	const struct ownership_instance *known;
	unsigned r, i;

	for (r = 0; r < OWNERSHIP_ROLES && q->role[r].name[0] != '\0'; r++) {
		known = ownership_instances(&q->machine, me, q->role[r].name);
		for (i = 0; i < OWNERSHIP_INDEX; i++) {
			if ((known != NULL ? known[i].since : 0) !=
				q->role[r].since[i] &&
			    !report_waits(q, r, i))
				break;
		}
		if (i == OWNERSHIP_INDEX)
			continue;
		if (q->role[r].since[i] == 0 && q->noticed == 0)
			q->noticed = q->role[r].ended[i];
		str_copy(c->role, sizeof c->role, q->role[r].name);
		memcpy(c->since, q->role[r].since, sizeof c->since);
		return true;
	}
	if (q->log == 0 || me->log == q->log || r == 0)
		return false;
	str_copy(c->role, sizeof c->role, q->role[0].name);
	memcpy(c->since, q->role[0].since, sizeof c->since);
	return true;
}

/* An ownership of ours that serves and is not known to. */
static bool
report_serving(struct quorum *q, struct ownership_command *c)
{
	const struct ownership_key *k;
	size_t i;

	for (i = 0; i < SERVES; i++) {
		if (q->serving[i].key[0] == '\0')
			continue;
		k = ownership_key_find(&q->machine, q->serving[i].key);
		if (k == NULL || k->epoch != q->serving[i].epoch ||
		    k->state != OWNER_CLAIMING)
			continue;
		c->type = OWNERSHIP_SERVING;
		str_copy(c->key, sizeof c->key, q->serving[i].key);
		c->epoch = q->serving[i].epoch;
		return true;
	}
	return false;
}

/* The configuration prefers something else than the site knows of. Only where
 * its owner is it is surely the newest. */
static bool
report_prefer(struct quorum *q, struct ownership_command *c)
{
	const struct ownership_key *k = ownership_key_find(&q->machine, "st");

	if (q->availability == q->machine.availability ||
	    k->state != OWNER_SERVING ||
	    strcmp(q->machine.server[k->server].name, q->server) != 0)
		return false;
	*c = (struct ownership_command){
	    .type = OWNERSHIP_PREFER, .flags = q->availability};
	return true;
}

/* A role that is not placed here has its instances' key elsewhere. */
static bool
report_leave(struct quorum *q, struct ownership_command *c)
{
	struct ownership_command leave;
	unsigned r;

	for (r = 0; r < OWNERSHIP_ROLES && q->role[r].name[0] != '\0'; r++) {
		if (!q->role[r].leaves ||
		    !ownership_leave(
			&q->machine, q->server, q->role[r].name, &leave))
			continue;
		*c = leave;
		return true;
	}
	return false;
}

/*
 * What the site knows of this server is made what is true, one command at a
 * time; asked again after every decision and at every tick, so nothing that
 * gets lost is lost for long.
 */
static void
report(struct quorum *q)
{
	const struct ownership_server *me = ownership_server_find(
	    &q->machine, q->server);
	struct ownership_command c = {.type = OWNERSHIP_SERVER_PUT,
	    .id = q->id,
	    .inside = q->config.inside,
	    .floor = q->config.floor,
	    .log = q->log,
	    .flags = q->config.witness};

	if (q->reporting || !q->current)
		return;
	str_copy(c.server, sizeof c.server, q->server);
	if (me == NULL ? quorum_is_alone(q)
		       : me->id == 0 || !addr_equal(&me->inside, &c.inside)) {
		report_propose(q, &c);
		return;
	}
	if (me == NULL || !me->up || me->id != q->id || me->witness)
		return;
	c.flags = 0;
	c.type = OWNERSHIP_INSTANCES;
	c.life = me->life;
	c.report = me->report;
	if (report_role(q, me, &c) || report_serving(q, &c) ||
	    report_leave(q, &c) || report_prefer(q, &c))
		report_propose(q, &c);
}

/* The place of a role of ours; a new one is taken. OWNERSHIP_ROLES: no room. */
static unsigned
quorum_role_place(struct quorum *q, const char *role)
{
	unsigned r;

	for (r = 0; r < OWNERSHIP_ROLES && q->role[r].name[0] != '\0' &&
	     strcmp(q->role[r].name, role) != 0;
	     r++)
		;
	if (r < OWNERSHIP_ROLES)
		str_copy(q->role[r].name, sizeof q->role[r].name, role);
	return r;
}

void
quorum_placed(struct quorum *q, const char *role, bool placed)
{
	unsigned r = quorum_role_place(q, role);

	if (r == OWNERSHIP_ROLES)
		return;
	q->role[r].leaves = !placed;
	loop_defer(q->config.loop, &q->news);
}

void
quorum_prefer(struct quorum *q, bool availability)
{
	q->availability = availability;
	loop_defer(q->config.loop, &q->news);
}

void
quorum_instance(
    struct quorum *q, const char *role, unsigned index, uint64_t since)
{
	unsigned r = quorum_role_place(q, role);

	if (r == OWNERSHIP_ROLES || index == 0 || index > OWNERSHIP_INDEX)
		return;
	if (q->role[r].since[index - 1] == since)
		return;
	q->role[r].since[index - 1] = since;
	if (since == 0)
		q->role[r].ended[index - 1] = clock_mono();
	if (since == 0 && !report_waits(q, r, index - 1))
		q->noticed = clock_mono();
	loop_defer(q->config.loop, &q->news);
}

static void
serves_put(struct serves list[SERVES], const char *key, uint64_t epoch)
{
	size_t i;

	for (i = 0; i < SERVES && list[i].key[0] != '\0' &&
	     strcmp(list[i].key, key) != 0;
	     i++)
		;
	if (i == SERVES)
		return;
	str_copy(list[i].key, sizeof list[i].key, key);
	list[i].epoch = epoch;
}

void
quorum_serving(struct quorum *q, const char *key, uint64_t epoch)
{
	size_t i;

	serves_put(q->serving, key, epoch);
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->peer[i].link != NULL)
			quorum_link_serving(q->peer[i].link, key, epoch);
	}
	loop_defer(q->config.loop, &q->news);
}

void
quorum_on_serving(
    struct quorum *q, const char *server, const char *key, uint64_t epoch)
{
	struct peer_server *p = quorum_peer(q, server);

	if (p == NULL)
		return;
	serves_put(p->serves, key, epoch);
	quorum_news(q);
}

void
quorum_log(struct quorum *q, uint64_t id, uint64_t epoch)
{
	q->log = id;
	if (epoch > q->config.floor)
		q->config.floor = epoch;
	loop_defer(q->config.loop, &q->news);
}

/* At the end of a turn in which something happened. */
static void
quorum_on_news(void *arg)
{
	struct quorum *q = arg;

	quorum_look(q);
	report(q);
	if (q->decided != q->pushed)
		engine_push(q->engine);
	q->pushed = q->decided;
}

/* ---- time --------------------------------------------------------------- */

/* Told at once: it is about answers that must stop. */
static void
quorum_look_lease(struct quorum *q)
{
	bool mute = !quorum_lease(q, clock_mono());

	if (mute == q->mute)
		return;
	q->mute = mute;
	if (mute)
		log_warnx("those who decide are not heard: what this server "
			  "alone holds is not answered for");
	quorum_news(q);
}

/* Since its start it has heard nothing that it may go by: said when that takes
 * longer than it should. */
static void
quorum_look_waits(struct quorum *q)
{
	bool waits = !q->current && clock_mono() - q->started >= QUORUM_GRACE;

	if (!waits)
		q->waits = 0;
	if (!waits || q->waits != 0)
		return;
	q->waits = clock_real();
	log_warnx("the others are not heard: nothing is decided here before "
		  "they are, for they may have gone on");
}

static void
quorum_on_tick(void *arg)
{
	struct quorum *q = arg;
	uint64_t applied = q->level ? engine_applied(q->engine) : 0;
	size_t i;

	loop_timer_set(q->tick, QUORUM_TICK);
	quorum_disk_tick(q, !quorum_is_alone(q));
	quorum_look(q);
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->peer[i].link != NULL)
			quorum_link_beat(q->peer[i].link, applied);
	}
	proposals_expire(q, clock_mono());
	quorum_look_lease(q);
	quorum_look_waits(q);
	quorum_pace_tick(q);
	quorum_lead_tick(q);
	quorum_part_tick(q, clock_mono());
	report(q);
}

/* ---- opening ------------------------------------------------------------ */

/* The group exists: as on disk, as joined, or of this server alone. */
static int
quorum_engine(struct quorum *q, struct err *e)
{
	struct engine_config c = {.loop = q->config.loop,
	    .dir = q->config.dir,
	    .id = q->id,
	    .name = q->server,
	    .bootstrap = quorum_is_alone(q),
	    .recover = q->recovering || q->part.going,
	    .heartbeat = pace_heartbeat(&q->pace, q->config.realtime),
	    .election = pace_election(&q->pace, q->config.realtime),
	    .on_apply = quorum_on_apply,
	    .on_save = quorum_on_save,
	    .on_load = quorum_on_load,
	    .on_connect = quorum_on_connect,
	    .arg = q};

	return engine_open(&c, &q->engine, e);
}

/* The servers as on disk; before the first decision those that were there
 * when this one joined. */
static void
quorum_first_servers(struct quorum *q, const struct quorum_config *c)
{
	size_t n = c->nothers < OWNERSHIP_SERVERS ? c->nothers
						  : OWNERSHIP_SERVERS;

	if (q->recovering)
		return;
	q->nservers = file_servers(c->dir, q->servers, OWNERSHIP_SERVERS);
	if (q->nservers != 0 || n == 0)
		return;
	q->nservers = n;
	memcpy(q->servers, c->others, n * sizeof *c->others);
}

/* What our supervisor believes before we tell it: those that were there when
 * this server joined. Who has left since is told to be gone. */
static void
quorum_first_told(struct quorum *q, const struct quorum_config *c)
{
	size_t i;

	q->ntold = c->nothers;
	q->told = xcalloc(q->ntold + 1, sizeof *q->told);
	for (i = 0; i < q->ntold; i++)
		snprintf(q->told[i].key, sizeof q->told[i].key, "server/%.32s",
		    c->others[i].name);
	qsort(q->told, q->ntold, sizeof *q->told, entry_order);
}

int
quorum_open(const struct quorum_config *c, struct quorum **qp, struct err *e)
{
	struct quorum *q = xcalloc(1, sizeof *q);
	int r;

	q->config = *c;
	q->config.dir = xstrdup(c->dir);
	str_copy(q->server, sizeof q->server, c->server);
	q->config.server = q->server;
	q->config.others = NULL;
	q->started = q->ticked = clock_mono();
	q->news.fn = quorum_on_news;
	q->news.arg = q;
	rand_bytes(&q->tag, sizeof q->tag);
	ownership_init(&q->machine);
	if (mkdir(c->dir, 0700) != 0 && access(c->dir, X_OK) != 0)
		return err_errno(e, ERR_IO, "%s", c->dir);
	quorum_first_told(q, c);
	q->recovering = quorum_recover_asked(c->dir);
	quorum_first_servers(q, c);
	if (!quorum_is_alone(q) && quorum_disk_lacks(q, e))
		return -ERR_FULL;
	if ((r = quorum_part_open(q, e)) != 0 ||
	    (r = file_id(c->dir, &q->id, e)) != 0 ||
	    (r = quorum_engine(q, e)) != 0)
		return r;
	quorum_news(q);
	q->tick = loop_timer_new(c->loop, quorum_on_tick, q);
	loop_timer_set(q->tick, 0);
	*qp = q;
	return 0;
}
