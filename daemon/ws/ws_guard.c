/*
 * What a token may ask in a second, and how often an address may show one that
 * is none. Both tables are bounded; what is idle leaves them.
 */
#include <stdlib.h>
#include <string.h>

#include "ws.h"
#include "daemon/base/mem.h"
#include "daemon/sip/transport.h"

#define GUARD_SWEEP (60 * CLOCK_SEC)
#define GUARD_SOURCES 8192 /* addresses remembered for their failures */

struct ws_bucket {
	double tokens;
	uint64_t filled; /* monotonic */
};

struct ws_source {
	unsigned failures;
	uint64_t last; /* monotonic */
};

/* Drop what is idle for longer than it could matter. */
static void
guard_sweep_map(struct map *m, size_t offset, uint64_t now)
{
	const void *key;
	size_t at = 0, len;
	char *v;

	while ((v = map_next(m, &at, &key, &len)) != NULL) {
		if (now - *(uint64_t *)(void *)(v + offset) < WS_BAN)
			continue;
		map_del(m, key, len);
		free(v);
	}
}

static void
guard_sweep(struct ws_guard *g, uint64_t now)
{
	if (now - g->swept < GUARD_SWEEP)
		return;
	g->swept = now;
	guard_sweep_map(&g->buckets, offsetof(struct ws_bucket, filled), now);
	guard_sweep_map(&g->sources, offsetof(struct ws_source, last), now);
}

static void
guard_free_map(struct map *m)
{
	size_t at = 0;
	void *v;

	while ((v = map_next(m, &at, NULL, NULL)) != NULL)
		free(v);
	map_fini(m);
}

void
ws_guard_fini(struct ws_guard *g)
{
	guard_free_map(&g->buckets);
	guard_free_map(&g->sources);
}

bool
ws_guard_spend(struct ws_guard *g, const char *token, unsigned rate,
    uint64_t now, unsigned *wait)
{
	struct ws_bucket *b = map_str(&g->buckets, token);

	guard_sweep(g, now);
	if (b == NULL) {
		b = xcalloc(1, sizeof *b);
		b->tokens = rate;
		b->filled = now;
		if (map_str_put(&g->buckets, token, b) != 0) {
			free(b);
			return true;
		}
	}
	b->tokens += (double)(now - b->filled) / CLOCK_SEC * rate;
	b->filled = now;
	if (b->tokens > rate)
		b->tokens = rate;
	*wait = 1;
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

void
ws_guard_failed(struct ws_guard *g, const union addr *peer, uint64_t now)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, peer);
	struct ws_source *s = map_get(&g->sources, key, n);

	if (s == NULL) {
		if (g->sources.count >= GUARD_SOURCES)
			guard_free_map(&g->sources);
		s = xcalloc(1, sizeof *s);
		if (map_put(&g->sources, key, n, s, NULL) != 0) {
			free(s);
			return;
		}
	} else if (now - s->last > WS_BAN) {
		s->failures = 0;
	}
	s->failures++;
	s->last = now;
}

bool
ws_guard_hears(struct ws_guard *g, const union addr *peer, uint64_t now)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, peer);
	struct ws_source *s = map_get(&g->sources, key, n);

	return s == NULL || s->failures < WS_FAILURES || now - s->last > WS_BAN;
}
