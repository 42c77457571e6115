/*
 * The gates: what the owner map says of the instances of MG, and which of
 * them gets a call. A gate that has ended, or was started anew, has lost its
 * calls; that is seen here first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgc.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct mgc_gate *
mgc_gate_find(struct mgc *m, const char *key)
{
	struct mgc_gate *g;

	for (g = TAILQ_FIRST(&m->gates); g != NULL; g = TAILQ_NEXT(g, entry)) {
		if (strcmp(g->key, key) == 0)
			return g;
	}
	g = xcalloc(1, sizeof *g);
	g->mgc = m;
	str_copy(g->key, sizeof g->key, key);
	TAILQ_INSERT_TAIL(&m->gates, g, entry);
	return g;
}

/* Take over what the map says of one instance. */
static void
mgc_gate_update(struct mgc *m, const struct owner *o)
{
	struct mgc_gate *g = mgc_gate_find(m, o->key);
	bool serving = o->state == OWNER_SERVING;
	bool ended = g->serving && (!serving || g->epoch != o->epoch);

	g->seen = true;
	g->serving = serving;
	g->drain = o->drain;
	g->epoch = o->epoch;
	g->at = o->inside;
	if (ended) {
		if (m->state == MGC_SERVING)
			log_warnx("gate=%s ended, sessions=%llu lose their "
				  "media",
			    g->key, (unsigned long long)g->sessions);
		m->n.lost += g->sessions;
		mgc_sweep_forget(g);
		mgc_orders_of_lost_gate(m, g);
	}
}

void
mgc_gates_read(struct mgc *m)
{
	struct mgc_gate *g;
	struct owner o;
	unsigned at = 0;

	for (g = TAILQ_FIRST(&m->gates); g != NULL; g = TAILQ_NEXT(g, entry))
		g->seen = false;
	while (owner_map_next(m->owners, &at, &o)) {
		if (str_prefix(o.key, "mg/"))
			mgc_gate_update(m, &o);
	}
	m->n.gates = 0;
	for (g = TAILQ_FIRST(&m->gates); g != NULL; g = TAILQ_NEXT(g, entry)) {
		if (!g->seen) {
			o = (struct owner){.epoch = g->epoch};
			str_copy(o.key, sizeof o.key, g->key);
			mgc_gate_update(m, &o);
		}
		m->n.gates += g->serving;
	}
}

void
mgc_gates_free(struct mgc *m)
{
	struct mgc_gate *g;

	while ((g = TAILQ_FIRST(&m->gates)) != NULL) {
		mgc_sweep_forget(g);
		TAILQ_REMOVE(&m->gates, g, entry);
		free(g);
	}
}

/* The same on every server: which of the gates the call's name prefers. */
static uint64_t
mgc_gate_score(const struct mgc_gate *g, const char *id)
{
	static const uint8_t key[16] = {0};
	char text[MGC_ID_MAX + OWNER_KEY + 2];
	int n = snprintf(text, sizeof text, "%s %.*s", g->key, MGC_ID_MAX, id);

	return str_hash_key(key, text, (size_t)n);
}

static bool
mgc_gate_was_tried(
    const struct mgc_gate *g, struct mgc_gate *const *tried, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (tried[i] == g)
			return true;
	}
	return false;
}

/* Media of a call stays on the server where its signalling is. */
static bool
mgc_gate_is_near(const struct mgc_gate *g, const union addr *near)
{
	return near != NULL && addr_same_host(&g->at, near);
}

/* Is a a better place for the call than b? */
static bool
mgc_gate_is_better(const struct mgc_gate *a, const struct mgc_gate *b,
    const char *id, const union addr *near)
{
	bool close = mgc_gate_is_near(a, near);

	if (a->drain != b->drain)
		return b->drain;
	if (close != mgc_gate_is_near(b, near))
		return close;
	if (a->sessions != b->sessions)
		return a->sessions < b->sessions;
	return mgc_gate_score(a, id) > mgc_gate_score(b, id);
}

struct mgc_gate *
mgc_gate_pick(struct mgc *m, const char *id, const union addr *near,
    struct mgc_gate *const *tried, unsigned n)
{
	struct mgc_gate *g, *best = NULL;

	for (g = TAILQ_FIRST(&m->gates); g != NULL; g = TAILQ_NEXT(g, entry)) {
		if (!g->serving || mgc_gate_was_tried(g, tried, n))
			continue;
		if (best == NULL || mgc_gate_is_better(g, best, id, near))
			best = g;
	}
	return best;
}
