/*
 * The sweep: every half minute each gate is asked which calls it has. A
 * session whose call the gate does not know has vanished (it timed out
 * there): its row goes. A call that no session knows, two sweeps running, was
 * left behind by an order that got lost: the gate is told to forget it, if it
 * is one of ours; a foreign engine may serve others, too.
 */
#include <stdlib.h>
#include <string.h>

#include "mgc.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MGC_SWEEP (30 * CLOCK_SEC)
#define MGC_SWEEP_PAGE 500
#define MGC_SWEEP_YOUNG (10 * CLOCK_SEC) /* not judged yet */
#define MGC_LOST_KEPT (300 * CLOCK_SEC)	 /* for B2BUA to be told */

static void mgc_sweep_ask(struct mgc_gate *);

void
mgc_sweep_forget(struct mgc_gate *g)
{
	if (g->sweeping)
		ng_forget(g->mgc->ng, g);
	g->sweeping = false;
	g->cursor = 0;
	map_fini(&g->listed);
	map_fini(&g->stray);
}

/* A gate ended and B2BUA never came back for the call. */
static bool
mgc_session_is_forgotten(const struct mgc_session *s, uint64_t now)
{
	return mgc_session_is_lost(s) && now - s->touched > MGC_LOST_KEPT;
}

static bool
mgc_session_is_vanished(const struct mgc_session *s, const struct mgc_gate *g)
{
	return s->gate == g && !mgc_session_is_lost(s) && s->orders == 0 &&
	    s->touched + MGC_SWEEP_YOUNG < g->sweep_since &&
	    map_str(&g->listed, s->id) == NULL;
}

/* The gate has told all: end the sessions that it does not know. */
static void
mgc_sweep_sessions(struct mgc *m, struct mgc_gate *g)
{
	struct mgc_session *s, *next;

	for (s = TAILQ_FIRST(&m->list); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (!mgc_session_is_vanished(s, g))
			continue;
		log_info("call=%s gate=%s does not know it", s->id, g->key);
		m->n.vanished++;
		mgc_session_end(m, s);
	}
}

/* Calls that nobody knows: remembered the first time, ended the second. */
static void
mgc_sweep_strays(struct mgc *m, struct mgc_gate *g)
{
	struct map strays = {0};
	const void *key;
	char id[MGC_ID_MAX + 1];
	size_t at = 0, len;

	while (map_next(&g->listed, &at, &key, &len) != NULL) {
		if (!g->ours || !str_ncopy(id, sizeof id, key, len) ||
		    mgc_session_find(m, id) != NULL)
			continue;
		if (map_get(&g->stray, key, len) == NULL) {
			map_str_put(&strays, id, g);
			continue;
		}
		log_info("call=%s gate=%s nobody knows it", id, g->key);
		m->n.strays++;
		mgc_gate_ask(m, g,
		    json_pack("{s:s, s:s, s:[s]}", "command", "delete",
			"call-id", id, "flags", "fast"),
		    NULL, NULL);
	}
	map_fini(&g->stray);
	g->stray = strays;
}

/* A page of the list; the cursor of the next, 0 at the end. */
static uint64_t
mgc_sweep_read(struct mgc_gate *g, const json_t *reply)
{
	json_t *calls = json_object_get(reply, "calls"), *id;
	size_t i;

	json_array_foreach (calls, i, id) {
		if (json_is_string(id))
			map_str_put(&g->listed, json_string_value(id), g);
	}
	g->ours = json_object_get(reply, "tandem-epoch") != NULL;
	if (!g->ours && json_array_size(calls) >= MGC_SWEEP_PAGE)
		return UINT64_MAX; /* more than it tells: nothing is known */
	return (uint64_t)ng_int(reply, "tandem-next", 0);
}

static void
mgc_sweep_on_reply(void *arg, json_t *reply, const struct err *why)
{
	struct mgc_gate *g = arg;
	uint64_t next;

	g->sweeping = false;
	if (why != NULL) {
		log_debug("gate=%s list: %s", g->key, why->text);
		map_fini(&g->listed);
		return;
	}
	next = mgc_sweep_read(g, reply);
	if (next != 0 && next != UINT64_MAX && next > g->cursor) {
		g->cursor = next;
		mgc_sweep_ask(g);
		return;
	}
	if (next != UINT64_MAX) {
		mgc_sweep_sessions(g->mgc, g);
		mgc_sweep_strays(g->mgc, g);
	}
	map_fini(&g->listed);
}

/* Ask for the next page. */
static void
mgc_sweep_ask(struct mgc_gate *g)
{
	g->sweeping = true;
	mgc_gate_ask(g->mgc, g,
	    json_pack("{s:s, s:i, s:I}", "command", "list", "limit",
		MGC_SWEEP_PAGE, "tandem-after", (json_int_t)g->cursor),
	    mgc_sweep_on_reply, g);
}

void
mgc_sweep_run(struct mgc *m)
{
	struct mgc_session *s, *next;
	struct mgc_gate *g;
	uint64_t now = clock_mono();

	mgc_drill_sweep(m);
	for (s = TAILQ_FIRST(&m->list); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (mgc_session_is_forgotten(s, now))
			mgc_session_end(m, s);
	}
	for (g = TAILQ_FIRST(&m->gates); g != NULL; g = TAILQ_NEXT(g, entry)) {
		if (!g->serving || g->sweeping)
			continue;
		g->cursor = 0;
		g->sweep_since = now;
		map_fini(&g->listed);
		mgc_sweep_ask(g);
	}
}

static void
mgc_sweep_on_time(void *arg)
{
	struct mgc *m = arg;

	mgc_sweep_run(m);
	loop_timer_set(m->sweep, MGC_SWEEP);
}

void
mgc_sweep_start(struct mgc *m)
{
	m->sweep = loop_timer_new(m->loop, mgc_sweep_on_time, m);
	loop_timer_set(m->sweep, MGC_SWEEP);
}

void
mgc_sweep_stop(struct mgc *m)
{
	loop_timer_free(&m->sweep);
}
