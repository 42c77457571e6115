/*
 * Who serves what inside. The owner map is copied when its version grows,
 * so a request costs one atomic read. New calls go to a B2BUA of this server
 * while one serves, so a call crosses no network that it need not cross; then
 * to one of another server; then to one that drains; and only when none serves
 * is one waited for. Where servers were given weights that differ, these decide
 * and not the way. A bounded table of 32 s keeps a request, its CANCEL and its
 * repetitions together while that changes.
 */
#include <stdlib.h>

#include "daemon/base/hrw.h"
#include "daemon/base/mem.h"
#include "sg.h"

#define SOFT_SECONDS 32

void
sg_route_init(
    struct sg_route *r, const struct owner_map *map, const char *server)
{
	memset(r, 0, sizeof *r);
	r->map = map;
	r->server = server;
	r->version = UINT64_MAX;
	r->soft = xcalloc((size_t)SG_SOFT_SETS * SG_SOFT_WAYS, sizeof *r->soft);
}

void
sg_route_fini(struct sg_route *r)
{
	free(r->soft);
	memset(r, 0, sizeof *r);
}

static uint32_t
sg_route_hash(const char *key)
{
	return (uint32_t)str_hash_key(
		   (const uint8_t *)"tandem owner key", key, strlen(key)) |
	    1;
}

static bool
sg_route_is_calls(const char *key)
{
	return str_prefix(key, "calls/");
}

/* The name a key is known by in messages: "b2bua-1.srv1" of
 * "calls/b2bua-1@srv1", because '@' ends the user part of a URI. */
static void
sg_route_name(char out[OWNER_KEY], const char *key)
{
	char *at;

	str_copy(out, OWNER_KEY, sg_route_is_calls(key) ? key + 6 : key);
	if ((at = strchr(out, '@')) != NULL)
		*at = '.';
}

/* Does the key belong to an instance of our own server? */
static bool
sg_route_is_here(const struct sg_route *r, const char *key)
{
	return str_equal(owner_server(key), r->server);
}

/* One entry of the map, with what we knew of it before. */
static void
sg_route_take(struct sg_owner *out, const struct owner *o,
    const struct sg_owner *before, uint64_t now)
{
	str_copy(out->key, sizeof out->key, o->key);
	sg_route_name(out->name, o->key);
	out->hash = sg_route_hash(o->key);
	out->addr = o->inside;
	out->epoch = o->epoch;
	out->serving = o->state == OWNER_SERVING;
	out->drain = o->drain;
	out->since = before != NULL && !before->serving ? before->since : now;
	out->fresh = out->serving &&
	    (before == NULL || before->fresh || !before->serving ||
		before->epoch != o->epoch);
}

/* ---- weights ----------------------------------------------------------- */

static unsigned
sg_route_weight(const struct sg_route *r, const char *key)
{
	const char *server = owner_server(key);
	unsigned i;

	for (i = 0; i < r->nweights; i++) {
		if (strcmp(r->weight[i].server, server) == 0)
			return r->weight[i].weight;
	}
	return HRW_WEIGHT;
}

/* Each B2BUA its weight, and whether they differ. */
static void
sg_route_settle(struct sg_route *r)
{
	unsigned i, first = 0;

	r->even = true;
	for (i = 0; i < r->count; i++) {
		if (!sg_route_is_calls(r->owner[i].key))
			continue;
		r->owner[i].weight = sg_route_weight(r, r->owner[i].key);
		if (first == 0)
			first = r->owner[i].weight;
		else if (first != r->owner[i].weight)
			r->even = false;
	}
}

void
sg_route_weigh(struct sg_route *r, json_t *weights)
{
	const char *server;
	json_t *weight;

	r->nweights = 0;
	json_object_foreach (weights, server, weight) {
		struct sg_weight *w = &r->weight[r->nweights];

		if (r->nweights == SG_WEIGHTS || json_integer_value(weight) < 1)
			continue;
		str_copy(w->server, sizeof w->server, server);
		w->weight = (unsigned)json_integer_value(weight);
		r->nweights++;
	}
	sg_route_settle(r);
}

bool
sg_route_refresh(struct sg_route *r, uint64_t now)
{
	struct sg_owner old[SG_OWNERS];
	unsigned n = r->count, at = 0, i;
	struct owner o;
	uint64_t version;

	if (r->map == NULL)
		return false;
	version = owner_map_version(r->map);
	if (version == r->version)
		return false;
	memcpy(old, r->owner, n * sizeof old[0]);
	r->version = version;
	r->count = 0;
	while (r->count < SG_OWNERS && owner_map_next(r->map, &at, &o)) {
		if (strcmp(o.key, "sr") != 0 && !sg_route_is_calls(o.key))
			continue;
		for (i = 0; i < n && strcmp(old[i].key, o.key) != 0; i++)
			;
		r->owner[r->count].here = sg_route_is_here(r, o.key);
		sg_route_take(
		    &r->owner[r->count++], &o, i < n ? &old[i] : NULL, now);
	}
	sg_route_settle(r);
	return true;
}

struct sg_owner *
sg_route_find(struct sg_route *r, const char *name, size_t n)
{
	unsigned i;

	for (i = 0; i < r->count; i++) {
		if (strlen(r->owner[i].name) == n &&
		    memcmp(r->owner[i].name, name, n) == 0)
			return &r->owner[i];
	}
	return NULL;
}

struct sg_owner *
sg_route_by_hash(struct sg_route *r, uint32_t hash)
{
	unsigned i;

	for (i = 0; i < r->count; i++) {
		if (r->owner[i].hash == hash)
			return &r->owner[i];
	}
	return NULL;
}

struct sg_owner *
sg_route_by_address(struct sg_route *r, const union addr *a)
{
	unsigned i;

	for (i = 0; i < r->count; i++) {
		if (addr_equal(&r->owner[i].addr, a))
			return &r->owner[i];
	}
	return NULL;
}

bool
sg_route_is_patient(const struct sg_owner *o, uint64_t now)
{
	return o->serving || now < o->since + SG_PATIENCE;
}

/* How much an owner is wanted for a new call; below 0: not at all. */
static int
sg_route_rank(const struct sg_route *r, const struct sg_owner *o, uint64_t now)
{
	if (!sg_route_is_calls(o->key) || !sg_route_is_patient(o, now))
		return -1;
	return (o->serving && !o->drain) * 4 + o->serving * 2 +
	    (o->here && r->even);
}

/* Rendezvous (hrw.h) among those wanted most: the gates of a server choose
 * alike, and a new instance takes over only its share. */
static struct sg_owner *
sg_route_rendezvous(struct sg_route *r, struct scan_span call_id, uint64_t now)
{
	struct sg_owner *best = NULL;
	double score, top = 0;
	uint8_t key[16] = {0};
	int rank, high = 0;
	unsigned i;

	for (i = 0; i < r->count; i++) {
		if ((rank = sg_route_rank(r, &r->owner[i], now)) < high)
			continue;
		memcpy(key, &r->owner[i].hash, 4);
		score = hrw_score(str_hash_key(key, call_id.p, call_id.n),
		    r->owner[i].weight);
		if (best == NULL || rank > high || score > top) {
			best = &r->owner[i];
			top = score;
			high = rank;
		}
	}
	return best;
}

/* The same for an INVITE, its repetitions, its CANCEL and failure's ACK. */
static uint64_t
sg_route_soft_key(const struct scan *s)
{
	uint64_t part[3];

	part[0] = str_hash(s->call_id.p, s->call_id.n);
	part[1] = str_hash(s->via.branch.p, s->via.branch.n);
	part[2] = s->cseq;
	return str_hash(part, sizeof part);
}

/* The slot of a key, or the one of its set that ends first. */
static struct sg_soft *
sg_route_slot(struct sg_route *r, uint64_t key, uint32_t now_s)
{
	struct sg_soft *s = r->soft + (key & (SG_SOFT_SETS - 1)) * SG_SOFT_WAYS;
	struct sg_soft *oldest = s, *end = s + SG_SOFT_WAYS;

	for (; s < end; s++) {
		if (s->key == key && s->owner != 0 && s->until > now_s)
			return s;
		if (s->until < oldest->until)
			oldest = s;
	}
	oldest->owner = 0;
	return oldest;
}

struct sg_owner *
sg_route_pick(struct sg_route *r, const struct scan *s, uint64_t now)
{
	uint32_t now_s = (uint32_t)(now / CLOCK_SEC);
	uint64_t key = sg_route_soft_key(s);
	struct sg_soft *slot = sg_route_slot(r, key, now_s);
	struct sg_owner *o = NULL;

	if (slot->owner != 0)
		o = sg_route_by_hash(r, slot->owner);
	if (o == NULL)
		o = sg_route_rendezvous(r, s->call_id, now);
	if (o == NULL)
		return NULL;
	slot->key = key;
	slot->owner = o->hash;
	slot->until = now_s + SOFT_SECONDS;
	return o;
}
