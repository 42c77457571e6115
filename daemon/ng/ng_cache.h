#ifndef NG_CACHE_H
#define NG_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/map.h"
#include "daemon/base/sock.h"

/*
 * Private to daemon/ng: the requests of the last half minute by sender and
 * cookie, with their replies once they are given.
 */
struct ng_cached {
	struct ng_cached *older, *newer;
	uint64_t since; /* arrival, monotonic */
	union addr from;
	char *reply; /* whole datagram; NULL while in work */
	size_t reply_len;
	size_t key_len;
	char key[]; /* family, port, host, then the cookie */
};

struct ng_cache {
	struct map map;
	struct ng_cached *oldest, *newest;
	size_t bytes; /* of replies and keys */
};

void ng_cache_fini(struct ng_cache *);
struct ng_cached *ng_cache_find(
    const struct ng_cache *, const union addr *, const char *cookie, size_t n);
/* A new entry without a reply; NULL when out of memory. */
struct ng_cached *ng_cache_add(struct ng_cache *, const union addr *,
    const char *cookie, size_t n, uint64_t now);
void ng_cache_drop(struct ng_cache *, struct ng_cached *);
/* Give an entry its reply (taken). */
void ng_cache_set(struct ng_cache *, struct ng_cached *, char *, size_t n);
/* Forget what has been answered and is older than the limit, and as much of
 * the oldest as is over the bounds. */
void ng_cache_prune(struct ng_cache *, uint64_t now);
/* The cookie of an entry. */
const char *ng_cache_cookie(const struct ng_cached *, size_t *n);

#define NG_CACHE_ENTRIES 65536
#define NG_CACHE_BYTES (64u << 20)

#endif
