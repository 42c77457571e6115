/*
 * The owner map as a drill looks at it: who owns what it writes to, and
 * whether everybody who was lost has come back.
 */
#include <stdio.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/str.h"

/* An instance, by its own name or by its calls. */
static bool
site_is_instance(const struct drill *d, const struct owner *o)
{
	const char *role = d->key[0].name;
	size_t n = strlen(role);

	if (strchr(o->key, '@') == NULL)
		return false;
	return d->server[0] != '\0' ||
	    (strncmp(o->key, role, n) == 0 && o->key[n] == '/');
}

static void
site_count(const struct drill *d, struct drill_site *out)
{
	unsigned at = 0, i;
	struct owner o;

	*out = (struct drill_site){0};
	while (owner_map_next(d->control->self->owners, &at, &o)) {
		if (o.state != OWNER_SERVING)
			continue;
		out->servers += str_prefix(o.key, "server/");
		out->instances += site_is_instance(d, &o);
		for (i = 0; i < d->nkeys; i++) {
			if (strcmp(o.key, d->key[i].name) == 0)
				out->members += owner_count_members(o.members);
		}
	}
}

/* Servers that have an instance of the role, as many as may be members. */
static unsigned
site_members(const struct drill *d, const char *role)
{
	char name[OWNER_KEY], seen[OWNERSHIP_SERVERS][MESH_NAME];
	unsigned at = 0, n = 0, i;
	struct owner o;

	snprintf(name, sizeof name, "%s/", role);
	while (owner_map_next(d->control->self->owners, &at, &o)) {
		if (o.state != OWNER_SERVING || !str_prefix(o.key, name))
			continue;
		for (i = 0; i < n; i++) {
			if (strcmp(seen[i], owner_server(o.key)) == 0)
				break;
		}
		if (i == n && n < OWNERSHIP_SERVERS)
			str_copy(seen[n++], MESH_NAME, owner_server(o.key));
	}
	return n < OWNERSHIP_MEMBERS ? n : OWNERSHIP_MEMBERS;
}

void
drill_site_keep(struct drill *d)
{
	unsigned i;

	site_count(d, &d->site);
	d->site.members = 0;
	for (i = 0; i < d->nkeys; i++)
		d->site.members += site_members(d, d->key[i].name);
}

/* Everybody whom the fault has ended was started again. */
static bool
site_has_started(const struct drill *d)
{
	struct owner o;
	unsigned i;

	for (i = 0; i < d->nstarts; i++) {
		if (!owner_map_find(
			d->control->self->owners, d->start[i].name, &o) ||
		    o.state != OWNER_SERVING || o.epoch <= d->start[i].epoch)
			return false;
	}
	return true;
}

/* The control of every server is there to be asked. */
static bool
site_is_connected(const struct drill *d)
{
	struct each_target to[FAR_MAX];
	size_t n = far_targets(d->control, to, FAR_MAX), i;
	unsigned there = 1;

	for (i = 0; i < n; i++)
		there += to[i].rpc != NULL;
	return there >= d->site.servers;
}

bool
drill_site_is_whole(struct drill *d)
{
	struct drill_site now;
	unsigned i;

	site_count(d, &now);
	for (i = 0; i < d->nkeys; i++) {
		/* An owner that stayed was not started again. */
		if (!d->key[i].moves && d->key[i].epoch <= d->key[i].before)
			d->nstarts = 0;
	}
	return now.members >= d->site.members &&
	    now.instances >= d->site.instances &&
	    now.servers >= d->site.servers && site_has_started(d) &&
	    site_is_connected(d);
}

bool
drill_site_is_at(struct drill *d, const char *server)
{
	struct owner o;
	unsigned i;

	for (i = 0; i < d->nkeys; i++) {
		if (!owner_map_find(
			d->control->self->owners, d->key[i].name, &o) ||
		    o.state != OWNER_SERVING ||
		    strcmp(owner_server(o.instance), server) != 0)
			return false;
	}
	return true;
}

static void
site_note_start(struct drill *d, const char *instance)
{
	struct drill_start *s = &d->start[d->nstarts];
	struct owner o;

	if (d->nstarts == DRILL_STARTS ||
	    !owner_map_find(d->control->self->owners, instance, &o))
		return;
	d->nstarts++;
	str_copy(s->name, sizeof s->name, instance);
	s->epoch = o.epoch;
}

void
drill_site_note(struct drill *d)
{
	bool all = d->server[0] != '\0' && d->kind == DRILL_KILL;
	struct drill_key *k;
	unsigned at = 0, i;
	struct owner o;

	d->nstarts = 0;
	for (i = 0; i < d->nkeys; i++) {
		k = &d->key[i];
		k->served = false;
		k->least = 0;
		k->moves = d->kind != DRILL_STALL && d->kind != DRILL_CUT;
		k->before = 0;
		k->from[0] = '\0';
		if (!owner_map_find(d->control->self->owners, k->name, &o))
			continue;
		k->before = o.epoch;
		str_copy(k->from, sizeof k->from, o.instance);
		if (!all)
			site_note_start(d, k->from);
	}
	while (all && owner_map_next(d->control->self->owners, &at, &o)) {
		if (!str_prefix(o.key, "calls/") &&
		    strcmp(owner_server(o.key), d->server) == 0)
			site_note_start(d, o.key);
	}
}

bool
drill_site_other(
    const struct drill *d, const struct drill_key *k, char out[MESH_NAME])
{
	struct owner o;
	char *word, *rest;

	if (!owner_map_find(d->control->self->owners, k->name, &o))
		return false;
	for (word = strtok_r(o.members, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		if (strcmp(word, owner_server(o.instance)) != 0)
			return str_copy(out, MESH_NAME, word);
	}
	return false;
}
