/*
 * Open addressing with linear probing. A removed slot that others follow keeps
 * a mark (key MAP_DEAD) until the next growth, so that probes go on behind it;
 * nothing is moved, so a walk may remove what it has just seen.
 */
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "err.h"
#include "str.h"

static char map_dead_mark;
#define MAP_DEAD ((void *)&map_dead_mark)

void
map_fini(struct map *m)
{
	size_t i;

	for (i = 0; i < m->cap; i++) {
		if (m->slots[i].key != MAP_DEAD)
			free(m->slots[i].key);
	}
	free(m->slots);
	memset(m, 0, sizeof *m);
}

/* The slot that holds the key, or NULL. */
static struct map_slot *
map_find(const struct map *m, const void *key, size_t len)
{
	uint32_t hash;
	size_t i;
	struct map_slot *s;

	if (m->count == 0)
		return NULL;
	hash = (uint32_t)str_hash(key, len);
	for (i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		s = &m->slots[i];
		if (s->key == NULL)
			return NULL;
		if (s->key != MAP_DEAD && s->hash == hash && s->len == len &&
		    memcmp(s->key, key, len) == 0)
			return s;
	}
}

/* A free slot for a hash; the map always has one. */
static struct map_slot *
map_free_slot(struct map_slot *slots, size_t cap, uint32_t hash)
{
	size_t i = hash & (cap - 1);

	while (slots[i].key != NULL)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

/* Make room so that a quarter of the slots stay free. */
static int
map_grow(struct map *m)
{
	size_t cap = m->cap != 0 ? m->cap : 16, i;
	struct map_slot *slots;

	if (m->cap != 0 && (m->count + m->dead + 1) * 4 <= m->cap * 3)
		return 0;
	while ((m->count + 1) * 2 > cap)
		cap *= 2;
	if ((slots = calloc(cap, sizeof *slots)) == NULL)
		return -ERR_NOMEM;
	for (i = 0; i < m->cap; i++) {
		if (m->slots[i].key != NULL && m->slots[i].key != MAP_DEAD)
			*map_free_slot(
			    slots, cap, m->slots[i].hash) = m->slots[i];
	}
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	m->dead = 0;
	return 0;
}

void *
map_get(const struct map *m, const void *key, size_t len)
{
	struct map_slot *s = map_find(m, key, len);

	return s != NULL ? s->value : NULL;
}

int
map_put(struct map *m, const void *key, size_t len, void *value, void **old)
{
	struct map_slot *s = map_find(m, key, len);
	struct map_slot fresh = {.len = (uint32_t)len, .value = value};

	if (old != NULL)
		*old = s != NULL ? s->value : NULL;
	if (s != NULL) {
		s->value = value;
		return 0;
	}
	if (map_grow(m) != 0)
		return -ERR_NOMEM;
	if ((fresh.key = malloc(len != 0 ? len : 1)) == NULL)
		return -ERR_NOMEM;
	memcpy(fresh.key, key, len);
	fresh.hash = (uint32_t)str_hash(key, len);
	*map_free_slot(m->slots, m->cap, fresh.hash) = fresh;
	m->count++;
	return 0;
}

/* Where nothing follows no probe goes on: the mark of a slot there, and those
 * just before it, are not needed. */
static void
map_bury(struct map *m, size_t i)
{
	size_t mask = m->cap - 1;

	while (m->slots[i].key == MAP_DEAD &&
	    m->slots[(i + 1) & mask].key == NULL) {
		m->slots[i].key = NULL;
		m->dead--;
		i = (i - 1) & mask;
	}
}

void *
map_del(struct map *m, const void *key, size_t len)
{
	struct map_slot *s = map_find(m, key, len);
	void *value;

	if (s == NULL)
		return NULL;
	free(s->key);
	s->key = MAP_DEAD;
	m->count--;
	m->dead++;
	value = s->value;
	map_bury(m, (size_t)(s - m->slots));
	return value;
}

void *
map_str(const struct map *m, const char *key)
{
	return map_get(m, key, strlen(key));
}

int
map_str_put(struct map *m, const char *key, void *value)
{
	return map_put(m, key, strlen(key), value, NULL);
}

void *
map_str_del(struct map *m, const char *key)
{
	return map_del(m, key, strlen(key));
}

void *
map_next(const struct map *m, size_t *at, const void **key, size_t *len)
{
	struct map_slot *s;

	while (*at < m->cap) {
		s = &m->slots[(*at)++];
		if (s->key == NULL || s->key == MAP_DEAD)
			continue;
		if (key != NULL)
			*key = s->key;
		if (len != NULL)
			*len = s->len;
		return s->value;
	}
	return NULL;
}
