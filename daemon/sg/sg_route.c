/*
 * Who serves what inside. The owner map is copied when its version grows,
 * so a request costs one atomic read; every B2BUA that is placed takes part
 * in the rendezvous, dead or not, because its adopter takes its place under
 * the same key. A bounded table of 32 s keeps a request, its CANCEL and its
 * repetitions together while placement changes.
 */
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "sg.h"

#define SOFT_SECONDS 32

void
sg_route_init(struct sg_route *r, const struct owner_map *map)
{
	memset(r, 0, sizeof *r);
	r->map = map;
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

/* The name a key is known by in messages: "b2bua-1" of "calls/b2bua-1". */
static const char *
sg_route_name(const char *key)
{
	if (strcmp(key, "sr") == 0)
		return key;
	return str_prefix(key, "calls/") ? key + 6 : NULL;
}

/* One entry of the map, with what we knew of it before. */
static void
sg_route_take(struct sg_owner *out, const struct owner *o,
    const struct sg_owner *before, uint64_t now)
{
	str_copy(out->key, sizeof out->key, o->key);
	str_copy(out->name, sizeof out->name, sg_route_name(o->key));
	out->hash = sg_route_hash(o->key);
	out->addr = o->inside;
	out->epoch = o->epoch;
	out->serving = o->state == OWNER_SERVING;
	out->since = before != NULL && !before->serving ? before->since : now;
	out->fresh = out->serving &&
	    (before == NULL || before->fresh || !before->serving ||
		before->epoch != o->epoch);
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
		if (sg_route_name(o.key) == NULL)
			continue;
		for (i = 0; i < n && strcmp(old[i].key, o.key) != 0; i++)
			;
		sg_route_take(
		    &r->owner[r->count++], &o, i < n ? &old[i] : NULL, now);
	}
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

/* Rendezvous (highest random weight): every gate chooses alike, and a new
 * instance takes over only its share. Those down for long do not take part. */
static struct sg_owner *
sg_route_rendezvous(struct sg_route *r, struct scan_span call_id, uint64_t now)
{
	struct sg_owner *best = NULL;
	uint64_t weight, top = 0;
	uint8_t key[16] = {0};
	unsigned i;

	for (i = 0; i < r->count; i++) {
		if (!str_prefix(r->owner[i].key, "calls/b2bua-") ||
		    !sg_route_is_patient(&r->owner[i], now))
			continue;
		memcpy(key, &r->owner[i].hash, 4);
		weight = str_hash_key(key, call_id.p, call_id.n);
		if (best == NULL || weight > top) {
			best = &r->owner[i];
			top = weight;
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
