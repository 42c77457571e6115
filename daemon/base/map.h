#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * A hash map from byte strings to pointers. Keys are copied; values are the
 * caller's. Insertion order is not kept. Removing while walking is allowed
 * for the entry just seen.
 */
struct map_slot {
	void *key; /* NULL = free */
	uint32_t len;
	uint32_t hash;
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t cap; /* power of two, or 0 */
	size_t count;
	size_t dead; /* removed slots that still lengthen a probe */
};

void map_fini(struct map *); /* keys only; the values are the caller's */
void *map_get(const struct map *, const void *key, size_t len);
/* 0 or -ERR_NOMEM. *old (may be NULL) receives the value replaced. */
int map_put(struct map *, const void *key, size_t len, void *value, void **old);
void *map_del(struct map *, const void *key, size_t len); /* the value */
void *map_str(const struct map *, const char *key);
int map_str_put(struct map *, const char *key, void *value);
void *map_str_del(struct map *, const char *key);
/* Walk: start with *at = 0; NULL at the end. key and len may be NULL. */
void *map_next(const struct map *, size_t *at, const void **key, size_t *len);

#endif
