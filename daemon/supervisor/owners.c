/*
 * The owner map and what follows from it here. Quorum decides who owns what
 * (it alone writes to us about ownerships and other servers); this file puts
 * that into the map, tells a local instance that it owns, and kills a local
 * one that does not any more. That an instance of this server has died it
 * knows earlier than quorum, and says so in the map at once.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* Members are for those who replicate, and for who shows them. */
static bool
owners_minds_members(const struct child *c)
{
	return c->role == ROLE_REPLICATOR || c->role == ROLE_CONTROL;
}

/* Once for all that has changed in a turn of the loop. */
static void
owners_on_wake(void *arg)
{
	struct supervisor *s = arg;
	uint64_t one = 1;
	unsigned at = 0;
	struct child *c;

	while ((c = supervisor_next(s, &at)) != NULL) {
		if (child_alive(c) &&
		    (s->owners_news || owners_minds_members(c)) &&
		    write(c->owners_fd, &one, sizeof one) < 0)
			log_warn("role=%s owner map", c->name);
	}
	s->owners_news = false;
}

static void
owners_wake_members(struct supervisor *s)
{
	s->wake.fn = owners_on_wake;
	s->wake.arg = s;
	loop_defer(s->loop, &s->wake);
}

void
owners_wake(struct supervisor *s)
{
	s->owners_news = true;
	owners_wake_members(s);
}

/* Our own process behind "sr/1@srv1"; NULL when it is another server's. */
static struct child *
owners_child(struct supervisor *s, const char *instance)
{
	const char *server;
	enum role_id role;
	unsigned index;

	if (!role_full_parse(instance, &role, &index, &server) ||
	    !str_equal(server, s->conf.server))
		return NULL;
	return &s->child[role][index];
}

static void
owners_put(struct supervisor *s, const struct owner *o)
{
	if (owner_map_put(s->owners, o) != 0)
		fatalx("owner map: full");
}

/* How a process of ours is, as entries say it. */
static enum owner_state
owners_state(const struct child *c)
{
	if (c->state == CHILD_READY)
		return OWNER_SERVING;
	return child_alive(c) ? OWNER_CLAIMING : OWNER_DOWN;
}

/*
 * That it runs quorum tells everybody, under an epoch of the site; that it
 * does not, our own readers hear now.
 */
void
owners_publish_child(const struct child *c)
{
	struct supervisor *s = c->sup;
	enum owner_state state = owners_state(c);
	char key[OWNER_KEY];
	struct owner o;

	snprintf(key, sizeof key, "%.30s@%.32s", c->name, s->conf.server);
	if (state == OWNER_SERVING || !owner_map_find(s->owners, key, &o))
		return;
	o.state = state;
	if (c->wanted || child_alive(c))
		owners_put(s, &o);
	else
		owner_map_remove(s->owners, key);
}

/* ---- what our processes own ---------------------------------------------- */

/* The ownership that a process of ours was told of; NULL when there is none. */
static struct grant *
owners_grant_find(struct supervisor *s, const char *key)
{
	unsigned i;

	for (i = 0; i < s->ngrants; i++) {
		if (strcmp(s->grant[i].key, key) == 0)
			return &s->grant[i];
	}
	return NULL;
}

bool
owners_has(const struct child *c)
{
	const struct supervisor *s = c->sup;
	unsigned i;

	for (i = 0; i < s->ngrants; i++) {
		if (s->grant[i].to == c)
			return true;
	}
	return false;
}

/* The epoch stays: it is never given a second time. */
static void
owners_grant_end(struct grant *g)
{
	g->to = NULL;
	g->serving = false;
}

void
owners_forget(const struct child *c)
{
	struct supervisor *s = c->sup;
	unsigned i;

	for (i = 0; i < s->ngrants; i++) {
		if (s->grant[i].to == c)
			owners_grant_end(&s->grant[i]);
	}
}

/* The owner of before is ours and the new one is another: it must not write a
 * byte more. It comes back warm and owning nothing. */
static void
owners_fence(struct supervisor *s, const struct owner *o)
{
	struct grant *g = owners_grant_find(s, o->key);
	struct child *to = owners_child(s, o->instance), *old;

	if (g == NULL || g->to == NULL || o->instance[0] == '\0' ||
	    o->epoch <= g->epoch || to == g->to)
		return;
	old = g->to;
	log_info("key=%s epoch=%llu went to %s: %s is killed", o->key,
	    (unsigned long long)o->epoch, o->instance, g->to->name);
	if (child_alive(g->to))
		child_kill(g->to);
	owners_grant_end(g);
	old->wanted = old->wanted && supervisor_keeps(old);
}

/* A new ownership of a process of ours: tell it. */
static void
owners_grant(struct supervisor *s, const struct owner *o)
{
	struct role_msg m = {.type = ROLE_MSG_OWN};
	struct grant *g = owners_grant_find(s, o->key);
	struct child *to = owners_child(s, o->instance);

	if (to == NULL || o->state != OWNER_CLAIMING ||
	    to->state != CHILD_READY || s->stopping ||
	    (g != NULL && g->epoch >= o->epoch))
		return;
	if (g == NULL && s->ngrants == SUPERVISOR_GRANTS)
		fatalx("key=%s: more than %d ownerships here", o->key,
		    SUPERVISOR_GRANTS);
	if (g == NULL)
		g = &s->grant[s->ngrants++];
	*g = (struct grant){.to = to, .epoch = o->epoch};
	str_copy(g->key, sizeof g->key, o->key);
	str_copy(m.u.own.key, sizeof m.u.own.key, o->key);
	m.u.own.epoch = o->epoch;
	child_tell(to, &m, NULL, 0);
	log_info("key=%s epoch=%llu goes to %s", o->key,
	    (unsigned long long)o->epoch, to->name);
}

bool
owners_serving(const struct child *c, const char *key, uint64_t epoch)
{
	struct supervisor *s = c->sup;
	struct grant *g = owners_grant_find(s, key);
	struct owner o;

	if (g == NULL || g->to != c || g->epoch != epoch)
		return false;
	g->serving = true;
	/* Our own readers need not wait until all servers know. */
	if (owner_map_find(s->owners, key, &o) && o.epoch == epoch) {
		o.state = OWNER_SERVING;
		owners_put(s, &o);
		owners_wake(s);
	}
	return true;
}

/* Quorum must reach the others before it can hear from them who there is: at
 * the first start after a join the map has those that were there then. */
void
owners_others(struct supervisor *s)
{
	struct mesh_server list[OWNERS_OTHERS];
	size_t n = identity_servers(s->conf.state, list, OWNERS_OTHERS), i;
	struct owner o;

	for (i = 0; i < n; i++) {
		o = (struct owner){
		    .inside = list[i].inside, .state = OWNER_DOWN};
		snprintf(o.key, sizeof o.key, "server/%.32s", list[i].name);
		owners_put(s, &o);
	}
}

/* ---- what quorum tells --------------------------------------------------- */

/* Nothing but the members is another. */
static bool
owners_same(const struct supervisor *s, const struct owner *o)
{
	struct owner was;

	if (!owner_map_find(s->owners, o->key, &was))
		return false;
	memcpy(was.members, o->members, sizeof was.members);
	return memcmp(&was, o, sizeof was) == 0;
}

void
owners_take(struct supervisor *s, const struct owner *told, bool removed)
{
	struct owner o = *told;
	bool same;
	const struct child *c = owners_child(s, o.key);
	const struct grant *g;

	if (c != NULL && o.state == OWNER_SERVING)
		o.state = owners_state(c); /* it may have died since */
	if (removed) {
		owner_map_remove(s->owners, o.key);
		owners_wake(s);
		return;
	}
	g = owners_grant_find(s, o.key);
	if (g != NULL && g->serving && g->epoch == o.epoch &&
	    o.state == OWNER_CLAIMING)
		o.state = OWNER_SERVING; /* it serves since; quorum will know */
	same = owners_same(s, &o);
	owners_put(s, &o);
	owners_fence(s, &o);
	owners_grant(s, &o);
	if (same)
		owners_wake_members(s);
	else
		owners_wake(s);
}

void
owners_tell_serving(struct supervisor *s, struct child *quorum)
{
	struct role_msg m = {.type = ROLE_MSG_SERVING};
	unsigned i;

	for (i = 0; i < s->ngrants; i++) {
		if (!s->grant[i].serving)
			continue;
		str_copy(m.u.own.key, sizeof m.u.own.key, s->grant[i].key);
		m.u.own.epoch = s->grant[i].epoch;
		child_tell(quorum, &m, NULL, 0);
	}
}
