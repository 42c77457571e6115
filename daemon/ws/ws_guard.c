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
	unsigned rate;
	uint64_t filled; /* monotonic */
};

struct ws_source {
	unsigned failures;
	uint64_t last; /* monotonic */
};

/* What has grown in it since. */
static void
guard_fill(struct ws_bucket *b, uint64_t now)
{
	b->tokens += (double)(now - b->filled) / CLOCK_SEC * b->rate;
	b->filled = now;
	if (b->tokens > b->rate)
		b->tokens = b->rate;
}

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
	struct ws_bucket *b;

	guard_sweep(g, now);
	b = map_str(&g->buckets, token);
	if (b == NULL) {
		b = xcalloc(1, sizeof *b);
		b->tokens = rate;
		b->filled = now;
		if (map_str_put(&g->buckets, token, b) != 0) {
			free(b);
			return true;
		}
	}
	b->rate = rate;
	guard_fill(b, now);
	*wait = 1;
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

bool
ws_guard_is_spent(struct ws_guard *g, const char *bearer, uint64_t now)
{
	struct ws_bucket *b = map_get(
	    &g->buckets, bearer, strcspn(bearer, "."));

	if (b == NULL)
		return false;
	guard_fill(b, now);
	return b->tokens < 1;
}

void
ws_guard_failed(
    struct ws_guard *g, const union addr *peer, unsigned failures, uint64_t now)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, peer);
	struct ws_source *s;

	guard_sweep(g, now);
	s = map_get(&g->sources, key, n);
	if (s == NULL) {
		if (g->sources.count >= GUARD_SOURCES)
			return; /* the bans that there are stay */
		s = xcalloc(1, sizeof *s);
		if (map_put(&g->sources, key, n, s, NULL) != 0) {
			free(s);
			return;
		}
	} else if (now - s->last > WS_BAN) {
		s->failures = 0;
	}
	s->failures += failures;
	s->last = now;
}

/* Its failures that still count. */
static unsigned
guard_failures(struct ws_guard *g, const union addr *peer, uint64_t now)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, peer);
	struct ws_source *s = map_get(&g->sources, key, n);

	return s != NULL && now - s->last <= WS_BAN ? s->failures : 0;
}

bool
ws_guard_hears(struct ws_guard *g, const union addr *peer, uint64_t now)
{
	return guard_failures(g, peer, now) < WS_FAILURES;
}

bool
ws_guard_shuns(struct ws_guard *g, const union addr *peer, uint64_t now)
{
	return guard_failures(g, peer, now) >= WS_FLOOD;
}
