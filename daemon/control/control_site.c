/*
 * What follows from the site's configuration: how many instances the
 * supervisor runs, and what border roles are told. Everything is told whole
 * at link-up and when the site changed; of the directory only the domain
 * that changed, unless many did.
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define SITE_DOMAINS 256 /* changed at once: more are told as a whole */

sqlite3 *
site_db(struct control *c)
{
	char name[STREAM_NAME];

	snprintf(name, sizeof name, "site/%s", c->self->site);
	return streams_db(c->streams, name);
}

int
site_weight(struct control *c, const char *role)
{
	sqlite3 *site = site_db(c);

	return site == NULL
	    ? -1
	    : feed_weight(c->self->table->objs, site, c->self->server, role);
}

/* Tell the supervisor of every role whose count is another than before. */
static void
site_place(struct control *c, sqlite3 *site)
{
	const struct obj *const *objs = c->self->table->objs;
	bool elsewhere;
	int id, n;

	for (id = 0; id < ROLE_MAX; id++) {
		if (role_rows[id].mode == ROLE_SINGLE)
			continue;
		n = feed_instances(
		    objs, site, c->self->server, role_rows[id].name);
		if (n < 0)
			n = id == ROLE_ST ? 1 : 0;
		if (n > ROLE_INSTANCES)
			n = ROLE_INSTANCES;
		elsewhere = feed_elsewhere(
		    objs, site, c->self->server, role_rows[id].name);
		if (c->placed[id] == n && c->elsewhere[id] == elsewhere)
			continue;
		if (c->placed[id] != n)
			log_info("role=%s instances=%d", role_rows[id].name, n);
		c->placed[id] = n;
		c->elsewhere[id] = elsewhere;
		role_place(c->self, (enum role_id)id, (unsigned)n, elsewhere);
	}
}

/* Send a feed (taken), unless it is what the peer was told last. */
static void
site_tell(struct control *c, struct peer *p, json_t *feed)
{
	if (p->state != NULL && json_equal(p->state, feed)) {
		json_decref(feed);
		return;
	}
	json_decref(p->state);
	p->state = json_incref(feed);
	c->count.feeds++;
	rpc_notify(p->rpc, "feed", feed);
}

void
site_forget(struct peer *p)
{
	json_decref(p->state);
	p->state = NULL;
}

static void
site_feed_gate(struct control *c, struct peer *p, sqlite3 *site)
{
	sqlite3 *root = streams_db(c->streams, "domain/root");

	if (root == NULL)
		return; /* told once the directory is open */
	site_tell(c, p,
	    feed_gate(
		c->self->table->objs, site, root, c->self->server, p->name));
}

/* Each instance has its own share of the ports, so the count matters to all. */
static void
site_feed_media(struct control *c, struct peer *p, sqlite3 *site)
{
	json_t *feed;

	if (c->placed[ROLE_MG] < (int)p->index)
		return; /* about to be stopped */
	feed = feed_media(c->self->table->objs, site, c->self->server, p->index,
	    (unsigned)c->placed[ROLE_MG]);
	if (feed == NULL) {
		log_warnx("peer=%s no ports for media", p->name);
		return;
	}
	site_tell(c, p, feed);
}

void
site_feed(struct control *c, struct peer *p)
{
	sqlite3 *site = site_db(c);

	if (site == NULL)
		return;
	if (p->role == ROLE_SG)
		site_feed_gate(c, p, site);
	else if (p->role == ROLE_MG)
		site_feed_media(c, p, site);
	else if (p->role == ROLE_WS)
		site_tell(c, p,
		    feed_programs(
			c->self->table->objs, site, c->self->server, p->name));
	else if (p->role == ROLE_QUORUM)
		site_tell(c, p, feed_quorum(c->self->table->objs, site));
}

static void
site_feed_all(struct control *c)
{
	static const enum role_id fed[] = {
	    ROLE_SG, ROLE_MG, ROLE_WS, ROLE_QUORUM};
	struct peer *p;
	unsigned at;
	size_t i;

	for (i = 0; i < sizeof fed / sizeof fed[0]; i++) {
		at = 0;
		while ((p = role_peer_next(c->self, fed[i], &at)) != NULL)
			site_feed(c, p);
	}
}

static void
site_ignore(void *arg, const char *object, const char *key)
{
	(void)arg;
	(void)object;
	(void)key;
}

void
site_on_event(struct control *c, struct reader *r, enum reader_event event)
{
	if (event == READER_CHANGED)
		reader_changes(r, site_ignore, NULL, NULL);
	session_rights(c);
	if (event == READER_ABSENT || reader_db(r) == NULL ||
	    !feed_knows(c->self->table->objs, reader_db(r), c->self->server))
		return;
	site_place(c, reader_db(r));
	site_feed_all(c);
}

/* ---- the directory ----------------------------------------------------------
 */

struct site_changed {
	json_t *names; /* of domains, as members */
};

static void
site_take_change(void *arg, const char *object, const char *key)
{
	struct site_changed *w = arg;

	if (strcmp(object, "domain") == 0)
		json_object_set_new(w->names, key, json_true());
}

/* Tell every gate of one domain. */
static void
site_feed_domain(struct control *c, sqlite3 *root, const char *name)
{
	json_t *one = feed_domain(c->self->table->objs, root, name);
	struct peer *p;
	unsigned at = 0;

	while ((p = role_peer_next(c->self, ROLE_SG, &at)) != NULL) {
		c->count.feeds++;
		rpc_notify(p->rpc, "feed-domain", json_incref(one));
	}
	json_decref(one);
}

void
root_on_event(struct control *c, struct reader *r, enum reader_event event)
{
	struct site_changed w = {json_object()};
	const char *name;
	json_t *yes;
	bool all = event != READER_CHANGED;

	if (event == READER_CHANGED &&
	    reader_changes(r, site_take_change, &w, NULL) != 0)
		all = true;
	if (json_object_size(w.names) > SITE_DOMAINS)
		all = true;
	if (event == READER_ABSENT || reader_db(r) == NULL) {
		json_decref(w.names);
		return;
	}
	if (all)
		site_feed_all(c);
	json_object_foreach (w.names, name, yes) {
		if (!all)
			site_feed_domain(c, reader_db(r), name);
	}
	json_decref(w.names);
}
