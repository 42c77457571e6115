/*
 * The replicator among others: which server owns which key, who must hold a
 * record before it is acknowledged, and who is connected. It decides nothing
 * about ownership: the owner map says, and what it does not say does not
 * happen. Until the map is known nothing is acknowledged and nothing is taken
 * from another server.
 *
 * Three laws keep what was acknowledged:
 *   - A record is acknowledged when it is on disk here and at every member of
 *     its key, all under the epoch that the stream has here (lead_held).
 *   - A server that owns a key under an epoch refuses whoever leads it under
 *     a lower one; the next owner was a member, so the one before it cannot
 *     gather its acknowledgements any more.
 *   - Only what all members hold goes into a follower's database, so what a
 *     follower must undo is in its log only.
 *
 * Files: _peer connections; _lead streams that this server owns; _seat who
 * becomes a member and who is one no more; _follow streams of others; _copy
 * whole databases; _apply this server's databases of them; _part two servers
 * that decide alone, each without the other.
 */
#include <stdlib.h>
#include <string.h>

#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

void
replicator_key(const char *stream, char key[OWNER_KEY])
{
	if (str_equal(stream, "location"))
		str_copy(key, OWNER_KEY, "sr");
	else if (str_equal(stream, "media"))
		str_copy(key, OWNER_KEY, "mgc");
	else if (str_prefix(stream, "calls/"))
		str_copy(key, OWNER_KEY, stream);
	else
		str_copy(key, OWNER_KEY, "st");
}

/* ---- peers -------------------------------------------------------------- */

struct peer *
site_peer(struct site *t, const char *name)
{
	struct peer *p;
	unsigned i;

	for (i = 0; i < t->npeers; i++) {
		if (str_equal(t->peer[i]->name, name))
			return t->peer[i];
	}
	if (t->npeers == SITE_PEERS || str_equal(name, t->server) ||
	    (p = calloc(1, sizeof *p)) == NULL)
		return NULL;
	if (!str_copy(p->name, sizeof p->name, name)) {
		free(p);
		return NULL;
	}
	p->magic = PEER_MAGIC;
	p->r = t->r;
	p->index = t->npeers;
	p->fd = -1;
	p->since = clock_mono();
	ship_cursor_init(&p->cursor);
	t->peer[t->npeers++] = p;
	return p;
}

/* ---- keys --------------------------------------------------------------- */

/* Who is a member; one that became or is no longer one needs nothing more. */
static void
key_members(struct site *t, struct site_key *k, const char *members)
{
	char words[OWNER_MEMBERS], *next = words, *word;
	bool was[SITE_PEERS];
	struct peer *p;
	unsigned i;

	for (i = 0; i < SITE_PEERS; i++) {
		was[i] = k->seat[i].member;
		k->seat[i].member = false;
	}
	str_copy(k->members, sizeof k->members, members);
	str_copy(words, sizeof words, members);
	k->stranger = false;
	while ((word = strsep(&next, " ")) != NULL) {
		if (*word == '\0' || str_equal(word, t->server))
			continue;
		if ((p = site_peer(t, word)) != NULL)
			k->seat[p->index].member = true;
		else
			k->stranger = true;
	}
	for (i = 0; i < SITE_PEERS; i++) {
		if (was[i] == k->seat[i].member)
			continue;
		k->seat[i].join = JOIN_NONE;
		k->seat[i].again = 0;
	}
}

/* The key has another owner or epoch: its streams are led anew, or by others
 * from now on. */
static void
key_turned(struct site_key *k)
{
	struct live *v;
	unsigned i;

	for (i = 0; i < SITE_PEERS; i++) {
		k->seat[i].join = JOIN_NONE;
		k->seat[i].asked = false;
		k->seat[i].again = 0;
	}
	for (v = k->lives; v != NULL; v = v->next_of_key) {
		if (k->mine) {
			follow_leave(v);
			/* One with a damaged page is better than none: all
			 * else in it is good. */
			if (v->lead.ahead || v->damage != 0)
				v->lead.lost = v->lead.ahead = false;
			lead_ask_all(v);
		} else {
			lead_drop(v);
		}
	}
}

/* The replicator before this one may have proposed members of whom the map
 * does not know yet: whoever is none is waited for like one whose proposal
 * has an unknown outcome, until it becomes one or raft says that it is not
 * (replicator_site_seat.c). */
static void
key_doubt(struct site *t, struct site_key *k)
{
	struct owner o;
	struct peer *p;
	unsigned at = 0;

	if (str_prefix(k->name, "calls/"))
		return; /* nobody is ever proposed */
	while (owner_map_next(t->owners, &at, &o)) {
		if (str_prefix(o.key, "server/") &&
		    (p = site_peer(t, o.key + 7)) != NULL &&
		    !k->seat[p->index].member)
			k->seat[p->index].join = JOIN_PROPOSED;
	}
}

/* What the map says of the key now. A lower epoch is an old word. */
static void
key_take(struct site *t, struct site_key *k, const struct owner *o)
{
	bool mine = str_equal(owner_server(o->instance), t->server);
	bool turned = o->epoch != k->epoch || mine != k->mine;
	bool first = k->epoch == 0, was;
	struct live *v;

	if (o->epoch < k->epoch)
		return;
	if (!turned && str_equal(o->members, k->members) &&
	    str_equal(o->instance, k->owner))
		return;
	k->epoch = o->epoch;
	k->mine = mine;
	str_copy(k->owner, sizeof k->owner, o->instance);
	was = owner_is_member(k->members, t->server);
	key_members(t, k, o->members);
	if (turned)
		key_turned(k);
	if (!was && owner_is_member(k->members, t->server))
		part_rejoined(k);
	if (first && mine)
		key_doubt(t, k);
	for (v = k->lives; v != NULL; v = v->next_of_key)
		replicator_touch(t->r, v);
}

static struct site_key *
site_key(struct site *t, const char *name)
{
	struct site_key *k = map_str(&t->keys, name);
	struct owner o;

	if (k != NULL)
		return k;
	if ((k = calloc(1, sizeof *k)) == NULL)
		return NULL;
	k->site = t;
	str_copy(k->name, sizeof k->name, name);
	if (map_str_put(&t->keys, k->name, k) != 0) {
		free(k);
		return NULL;
	}
	if (t->owners != NULL && owner_map_find(t->owners, name, &o))
		key_take(t, k, &o);
	return k;
}

/* What the map says of servers; of this one too. */
static void
site_servers(struct site *t)
{
	struct owner o;
	struct peer *p;
	unsigned at = 0, i;

	t->may_part = t->mute = false;
	for (i = 0; i < t->npeers; i++)
		t->peer[i]->holds = false;
	while (owner_map_next(t->owners, &at, &o)) {
		if (!str_prefix(o.key, "server/"))
			continue;
		t->may_part |= o.may_part;
		t->mute |= o.mute && str_equal(o.key + 7, t->server);
		if (!o.witness && (p = site_peer(t, o.key + 7)) != NULL) {
			p->up = o.state == OWNER_SERVING;
			p->holds = true;
		}
	}
}

void
replicator_owners(struct replicator *r, const struct owner_map *owners)
{
	struct site *t = r->site;
	struct site_key *k;
	struct owner o;
	unsigned at = 0, i;
	bool mute = t != NULL && t->mute;

	if (t == NULL)
		return;
	t->owners = owners;
	site_servers(t);
	while (owner_map_next(owners, &at, &o)) {
		if ((k = map_str(&t->keys, o.key)) != NULL)
			key_take(t, k, &o);
	}
	for (i = 0; mute && !t->mute && i < t->nlives; i++)
		replicator_touch(r, t->live[i]);
	site_more(t);
}

void
replicator_decided(struct replicator *r, const char *key, uint64_t epoch,
    const char *server, bool add, enum replicator_answer answer)
{
	struct site *t = r->site;
	struct site_key *k = t != NULL ? map_str(&t->keys, key) : NULL;
	struct peer *p = t != NULL ? site_peer(t, server) : NULL;
	struct site_seat *seat;
	struct live *v;

	if (k == NULL || p == NULL || k->epoch != epoch)
		return;
	seat = &k->seat[p->index];
	seat->asked = false;
	/* What the map shows already needs no patience: a member that has just
	 * become one may be dead. */
	seat->again = seat->member == add ? 0 : clock_mono() + SITE_AGAIN;
	if (answer == (add ? REPLICATOR_NO : REPLICATOR_YES))
		seat->join = JOIN_NONE;
	for (v = k->lives; v != NULL; v = v->next_of_key)
		replicator_touch(r, v);
}

/* ---- streams ------------------------------------------------------------ */

static int
site_live_room(struct site *t)
{
	uint32_t room = t->live_room != 0 ? t->live_room * 2 : 16;
	struct live **more;

	if (t->nlives == SITE_HANDLES)
		return -ERR_FULL;
	if (t->nlives < t->live_room)
		return 0;
	if ((more = realloc(t->live, room * sizeof(struct live *))) == NULL)
		return -ERR_NOMEM;
	t->live = more;
	t->live_room = room;
	return 0;
}

int
site_live(struct replicator *r, struct live *v)
{
	struct site *t = r->site;
	char name[OWNER_KEY];

	v->lead.fd = -1;
	if (t == NULL)
		return 0;
	replicator_key(v->log->name, name);
	if (site_live_room(t) != 0 || (v->key = site_key(t, name)) == NULL)
		return -ERR_NOMEM;
	v->id = t->nlives;
	t->live[t->nlives++] = v;
	v->next_of_key = v->key->lives;
	v->key->lives = v;
	v->file.shown = v->log->file;
	v->before = v->log->last.lsn;
	v->lead.lost = v->log->damaged;
	/* Only what all members hold ever goes into a file on disk. */
	v->acked = v->held = v->committed = v->log->checkpoint;
	if (v->log->whole > v->log->checkpoint)
		v->acked = 0;
	if (v->log->file > 0) {
		v->file.stale = true;
		v->file.old = v->log->file - 1;
	}
	if (v->key->mine && v->log->epoch != 0)
		lead_ask_all(v);
	return 0;
}

void
site_live_free(struct live *v)
{
	if (v == NULL)
		return;
	file_close(v);
	copy_abort(v);
	lead_drop(v);
	free(v->follow);
	free(v);
}

/* ---- time --------------------------------------------------------------- */

void
site_more(struct site *t)
{
	loop_timer_set(t->more, 0);
}

/* What cannot be done at once, some of it in each turn of the loop, so that
 * whatever else arrives is not held up. */
static void
site_on_more(void *arg)
{
	struct site *t = arg;
	unsigned i;

	if (t->r->failed.code != ERR_NONE || t->r->paused)
		return;
	t->worked = false;
	for (i = 0; i < t->npeers; i++) {
		lead_pump(t->peer[i]);
		if (t->peer[i]->queued > 0 && !loop_timer_is_set(t->copying))
			loop_timer_set(t->copying, 0);
	}
	loop_defer(t->r->loop, &t->r->turn);
}

static void
site_on_tick(void *arg)
{
	struct site *t = arg;
	uint64_t now = clock_mono();
	struct site_key *k;
	size_t at = 0;

	loop_timer_set(t->tick, SITE_TICK);
	if (t->r->failed.code != ERR_NONE)
		return;
	lead_tick(t, now);
	while ((k = map_next(&t->keys, &at, NULL, NULL)) != NULL) {
		if (k->mine)
			seat_tick(t, k, now);
	}
	damage_tick(t, now);
	file_tick(t, now);
}

uint64_t
site_need(const struct replicator *r)
{
	const struct site *t = r->site;
	uint64_t need = UINT64_MAX, n;
	const struct follow *f;
	const struct peer *p;
	unsigned i;

	for (i = 0; t != NULL && i < t->npeers; i++) {
		p = t->peer[i];
		if (p->behind > 0 && p->cursor.pos < need)
			need = p->cursor.pos;
		if ((f = p->copy) == NULL || f->need == 0)
			continue;
		n = log_stream_pos(f->live->log, f->need);
		if (n < need)
			need = n;
	}
	return need;
}

/* ---- opening and closing ------------------------------------------------ */

int
site_open(
    struct replicator *r, const struct replicator_config *c, struct err *e)
{
	struct log_stream *s;
	struct site *t;
	size_t at = 0;
	int event;

	if ((t = calloc(1, sizeof *t)) == NULL)
		return err_set(e, ERR_NOMEM, "replicator");
	t->r = r;
	t->propose = c->propose;
	t->give = c->give;
	t->arg = c->propose_arg;
	t->work_last = &t->work;
	ship_cursor_init(&t->cursor);
	t->tick = loop_timer_new(r->loop, site_on_tick, t);
	t->more = loop_timer_new(r->loop, site_on_more, t);
	t->copying = loop_timer_new(r->loop, copy_on_tick, t);
	r->site = t;
	if (!str_copy(t->server, sizeof t->server, c->server))
		return err_set(e, ERR_TOOBIG, "%s: name", c->server);
	while ((s = log_index_next(&r->index, &at)) != NULL) {
		if (replicator_live(r, s->name) == NULL)
			return err_set(e, ERR_NOMEM, "replicator");
	}
	loop_timer_set(t->tick, SITE_TICK);
	t->alarms = alarms_open(r);
	scrub_open(t);
	if (ship_log_syncer_open(r->log, &event, e) != 0)
		return -(int)e->code;
	r->synced = loop_fd_open(
	    r->loop, event, LOOP_READ, replicator_on_synced, r);
	return 0;
}

/* Connections and databases; streams go later. */
void
site_close(struct replicator *r)
{
	struct site *t = r->site;
	struct site_key *k;
	struct live *v;
	size_t at = 0;
	unsigned i;

	if (t == NULL)
		return;
	loop_fd_close(&r->synced);
	for (i = 0; i < t->npeers; i++)
		peer_close(t->peer[i], NULL);
	while (t->nlives > 0) {
		v = t->live[--t->nlives];
		v->log->live = NULL;
		site_live_free(v);
	}
	while ((k = map_next(&t->keys, &at, NULL, NULL)) != NULL)
		free(k);
	free(t->live);
	for (i = 0; i < t->npeers; i++) {
		buf_fini(&t->peer[i]->out);
		free(t->peer[i]->in);
		free(t->peer[i]->leads);
		ship_cursor_fini(&t->peer[i]->cursor);
		free(t->peer[i]);
	}
	map_fini(&t->keys);
	ship_cursor_fini(&t->cursor);
	loop_timer_free(&t->tick);
	loop_timer_free(&t->more);
	alarms_close(&t->alarms);
	scrub_close(t);
	loop_timer_free(&t->copying);
	free(t);
	r->site = NULL;
}

/* ---- what it says of itself --------------------------------------------- */

static const char *
status_of_follow(const struct follow *f, const struct site_seat *seat)
{
	static const char *const words[] = {
	    [FOLLOW_NONE] = "away",
	    [FOLLOW_ASKED] = "asked",
	    [FOLLOW_BEHIND] = "behind",
	    [FOLLOW_LIVE] = "live",
	    [FOLLOW_QUEUED] = "copying",
	    [FOLLOW_COPY] = "copying",
	};

	if (f == NULL)
		return "away";
	if (f->state == FOLLOW_LIVE && seat->member)
		return "in-sync";
	if (f->state == FOLLOW_LIVE && seat->join != JOIN_NONE)
		return "joining";
	return words[f->state];
}

static const char *
status_of_live(const struct live *v)
{
	static const char *const words[] = {
	    [LEAD_NONE] = "waiting",
	    [LEAD_WAITS] = "waiting",
	    [LEAD_ON] = "following",
	    [LEAD_COPIES] = "copying",
	    [LEAD_SYNCS] = "copying",
	};

	if (v->key->mine)
		return "leading";
	return v->lead.lost ? "lost" : words[v->lead.state];
}

static void
status_follower(struct replicator_follower *out, const struct live *v,
    const struct peer *p, uint64_t now)
{
	const struct follow *f = v->follow != NULL ? v->follow[p->index] : NULL;

	str_copy(out->follower, sizeof out->follower, p->name);
	out->state = status_of_follow(f, &v->key->seat[p->index]);
	out->acked = f != NULL ? f->acked : 0;
	if (out->lsn > out->acked)
		out->lag_records = out->lsn - out->acked;
	if (f != NULL && f->since != 0)
		out->lag_us = now - f->since;
}

/* The peer after one in the walk that follows, or may: it is of the site and
 * no witness, or connected. */
static size_t
status_next_peer(const struct site *t, size_t peer)
{
	while (
	    peer < t->npeers && !t->peer[peer]->holds && t->peer[peer]->fd < 0)
		peer++;
	return peer + 1;
}

/* The place in the walk is that of the stream, and below it that of the
 * peer: 0 = the stream itself. */
bool
replicator_next_follower(
    const struct replicator *r, size_t *at, struct replicator_follower *out)
{
	const struct site *t = r->site;
	size_t next = *at / (SITE_PEERS + 1), peer = *at % (SITE_PEERS + 1);
	const struct log_stream *s;
	const struct live *v;

	do {
		size_t here = next;

		if (t == NULL || (s = log_index_next(&r->index, &next)) == NULL)
			return false;
		*at = here * (SITE_PEERS + 1) + peer;
	} while ((v = s->live) == NULL || s->epoch == 0);
	memset(out, 0, sizeof *out);
	str_copy(out->stream, sizeof out->stream, s->name);
	str_copy(out->key, sizeof out->key, v->key->name);
	str_copy(out->members, sizeof out->members, v->key->members);
	str_copy(out->leader, sizeof out->leader,
	    v->lead.peer != NULL ? v->lead.peer->name
				 : owner_server(v->key->owner));
	out->epoch = s->epoch;
	out->lsn = s->last.lsn;
	out->acked = v->held;
	out->applied = file_applied(v);
	out->state = status_of_live(v);
	if (peer > 0)
		status_follower(out, v, t->peer[peer - 1], clock_mono());
	peer = status_next_peer(t, peer);
	if (v->key->mine && peer <= t->npeers)
		*at += peer - *at % (SITE_PEERS + 1);
	else
		*at = next * (SITE_PEERS + 1);
	return true;
}
