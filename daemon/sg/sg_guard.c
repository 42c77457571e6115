/*
 * What one address outside may do: a bucket of requests, points for failures
 * and a ban when they are too many. Everything is bounded: the table of
 * sources forgets whom it has not seen longest, that of bans the one that
 * ends first. Time comes from the caller.
 *
 * A wrong password on a nonce of ours proves the address and counts at once.
 * A challenge that nobody answers counts only after the time a phone has for
 * its answer, so an office whose phones all start at once is no attacker; and,
 * since a datagram's source may be forged, only as long as the address has
 * shown no success within the hour.
 */
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "sg.h"

#define GUARD_BURST 2 /* seconds of requests that a full bucket holds */
#define GUARD_LOGS 10 /* lines a second about foreign bytes */

void
sg_guard_init(struct sg_guard *g)
{
	memset(g, 0, sizeof *g);
	g->limits.rate = 50;
	g->limits.ban_after = 20;
	g->limits.ban_time = 300 * CLOCK_SEC;
}

void
sg_guard_fini(struct sg_guard *g)
{
	struct sg_source *s;
	struct sg_ban *b;
	size_t at = 0;

	while ((s = g->newest) != NULL) {
		g->newest = s->older;
		free(s);
	}
	while ((b = map_next(&g->bans, &at, NULL, NULL)) != NULL)
		free(b);
	map_fini(&g->sources);
	map_fini(&g->bans);
	memset(g, 0, sizeof *g);
}

static void
sg_guard_unlink(struct sg_guard *g, struct sg_source *s)
{
	*(s->newer != NULL ? &s->newer->older : &g->newest) = s->older;
	*(s->older != NULL ? &s->older->newer : &g->oldest) = s->newer;
}

static void
sg_guard_link(struct sg_guard *g, struct sg_source *s)
{
	s->newer = NULL;
	s->older = g->newest;
	*(s->older != NULL ? &s->older->newer : &g->oldest) = s;
	g->newest = s;
}

/* A record for a new source; the one not seen longest gives up its own. */
static struct sg_source *
sg_guard_take(struct sg_guard *g)
{
	struct sg_source *s;

	if (g->count < SG_SOURCES) {
		g->count++;
		return xcalloc(1, sizeof *s);
	}
	s = g->oldest;
	sg_guard_unlink(g, s);
	map_del(&g->sources, s->key, s->nkey);
	memset(s, 0, sizeof *s);
	return s;
}

struct sg_source *
sg_guard_source(struct sg_guard *g, const union addr *a, uint64_t now)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, a);
	struct sg_source *s = map_get(&g->sources, key, n);

	if (s != NULL) {
		if (s != g->newest) {
			sg_guard_unlink(g, s);
			sg_guard_link(g, s);
		}
		return s;
	}
	s = sg_guard_take(g);
	memcpy(s->key, key, n);
	s->nkey = (uint8_t)n;
	s->tokens = (int64_t)g->limits.rate * GUARD_BURST * 1000;
	s->filled = s->decayed = now;
	if (map_put(&g->sources, key, n, s, NULL) != 0)
		fatalx("sg: out of memory");
	sg_guard_link(g, s);
	return s;
}

/* What has flowed into the bucket since the last look. */
static void
sg_guard_fill(struct sg_guard *g, struct sg_source *s, uint64_t now)
{
	int64_t full = (int64_t)g->limits.rate * GUARD_BURST * 1000;
	uint64_t gain = (now - s->filled) * g->limits.rate / 1000;

	if (gain > 0) {
		s->filled = now;
		s->tokens = gain < (uint64_t)(full - s->tokens)
		    ? s->tokens + (int64_t)gain
		    : full;
	}
	if (s->tokens > full)
		s->tokens = full;
}

bool
sg_guard_spend(
    struct sg_guard *g, struct sg_source *s, unsigned cost, uint64_t now)
{
	sg_guard_fill(g, s, now);
	if (s->tokens < (int64_t)cost)
		return false;
	s->tokens -= cost;
	return true;
}

uint64_t
sg_guard_owe(
    struct sg_guard *g, struct sg_source *s, unsigned cost, uint64_t now)
{
	int64_t most = -(int64_t)g->limits.rate * 1000; /* of a second */

	sg_guard_fill(g, s, now);
	s->tokens -= cost;
	if (s->tokens < most)
		s->tokens = most;
	return s->tokens < 0 ? (uint64_t)-s->tokens * 1000 / g->limits.rate : 0;
}

/* ---- bans -------------------------------------------------------------- */

struct sg_ban *
sg_guard_ban(struct sg_guard *g, const union addr *a, uint64_t now)
{
	uint8_t key[SIP_SOURCE];
	struct sg_ban *b;
	size_t n;

	if (g->bans.count == 0)
		return NULL;
	n = sip_source_key(key, a);
	b = map_get(&g->bans, key, n);
	if (b == NULL || now < b->until)
		return b;
	map_del(&g->bans, key, n);
	free(b);
	return NULL;
}

/* Make room: the ban that ends first is lifted. */
static void
sg_guard_lift_one(struct sg_guard *g)
{
	struct sg_ban *b, *first = NULL;
	size_t at = 0;

	while ((b = map_next(&g->bans, &at, NULL, NULL)) != NULL) {
		if (first == NULL || b->until < first->until)
			first = b;
	}
	if (first != NULL)
		sg_guard_unban(g, &first->addr);
}

static struct sg_ban *
sg_guard_make_ban(
    struct sg_guard *g, const union addr *a, const char *cause, uint64_t now)
{
	struct sg_ban *b = xcalloc(1, sizeof *b);
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, a);
	void *old;

	if (g->bans.count >= SG_BANS)
		sg_guard_lift_one(g);
	b->addr = *a;
	addr_set_port(&b->addr, 0);
	b->since = clock_real();
	b->until = now + g->limits.ban_time;
	str_copy(b->cause, sizeof b->cause, cause);
	if (map_put(&g->bans, key, n, b, &old) != 0)
		fatalx("sg: out of memory");
	free(old);
	return b;
}

/* What is held against a source halves every minute. */
static void
sg_guard_decay(struct sg_source *s, uint64_t now)
{
	uint64_t halves = (now - s->decayed) / SG_DECAY;

	if (halves == 0)
		return;
	s->failures = halves < 32 ? s->failures >> halves : 0;
	s->open = halves < 32 ? s->open >> halves : 0;
	s->decayed = now;
}

struct sg_ban *
sg_guard_fail(
    struct sg_guard *g, const union addr *a, bool proven, uint64_t now)
{
	struct sg_source *s = sg_guard_source(g, a, now);

	if (g->limits.ban_after == 0 || (!proven && now < s->good))
		return NULL;
	sg_guard_decay(s, now);
	if (++s->failures < g->limits.ban_after)
		return NULL;
	s->failures = 0;
	return sg_guard_make_ban(g, a, "wrong passwords", now);
}

struct sg_ban *
sg_guard_challenged(
    struct sg_guard *g, const union addr *a, bool proven, uint64_t now)
{
	struct sg_source *s = sg_guard_source(g, a, now);

	if (g->limits.ban_after == 0 || (!proven && now < s->good))
		return NULL;
	sg_guard_decay(s, now);
	if (s->open++ == 0)
		s->open_since = now;
	if (s->open < g->limits.ban_after * SG_OPEN ||
	    now - s->open_since < SG_ANSWER)
		return NULL;
	s->open = 0;
	return sg_guard_make_ban(g, a, "challenges not answered", now);
}

void
sg_guard_good(struct sg_guard *g, const union addr *a, uint64_t now)
{
	struct sg_source *s = sg_guard_source(g, a, now);

	s->good = now + SG_GOOD;
	s->failures = s->open = 0;
}

void
sg_guard_answered(struct sg_source *s)
{
	if (s->open > 0)
		s->open--;
}

bool
sg_guard_unban(struct sg_guard *g, const union addr *a)
{
	uint8_t key[SIP_SOURCE];
	size_t n = sip_source_key(key, a);
	struct sg_ban *b = map_del(&g->bans, key, n);

	free(b);
	return b != NULL;
}

bool
sg_guard_may_log(struct sg_guard *g, struct sg_source *s, uint64_t now)
{
	if (s->logged)
		return false;
	if (now / CLOCK_SEC != g->log_second) {
		g->log_second = now / CLOCK_SEC;
		g->log_count = 0;
	}
	if (g->log_count == GUARD_LOGS)
		return false;
	g->log_count++;
	s->logged = true;
	return true;
}
