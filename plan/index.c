/*
 * The index of a compiled domain: from a key to a 32-bit value. It only
 * grows, and is never changed once the plan is built. Linear probing at a
 * load of at most 3/4; the hash is keyed per process, so that no chosen set
 * of numbers makes it slow.
 */
#include <stdlib.h>
#include <string.h>

#include "plan/plan_index.h"
#include "daemon/base/err.h"
#include "daemon/base/str.h"

#define PLAN_VALUE sizeof(uint32_t)

/* Put a record's place into the first free slot of its probe. */
static void
plan_index_place(
    struct plan_slot *slots, size_t cap, uint64_t hash, uint32_t at)
{
	size_t i = (size_t)hash & (cap - 1);

	while (slots[i].at != 0)
		i = (i + 1) & (cap - 1);
	slots[i] = (struct plan_slot){(uint32_t)(hash >> 32), at};
}

/* Make the table at least twice as large as before. */
static int
plan_index_grow(struct plan_index *x)
{
	size_t cap = x->cap == 0 ? 16 : x->cap * 2, at = 0, next;
	struct plan_slot *slots = calloc(cap, sizeof *slots);

	if (slots == NULL)
		return -ERR_NOMEM;
	for (; at < x->used; at = next) {
		const char *key = x->bytes + at + PLAN_VALUE;
		size_t n = strlen(key);

		next = at + PLAN_VALUE + n + 1;
		plan_index_place(
		    slots, cap, str_hash(key, n), (uint32_t)at + 1);
	}
	free(x->slots);
	x->slots = slots;
	x->cap = cap;
	return 0;
}

/* Room for one more record of n key bytes. */
static int
plan_index_reserve(struct plan_index *x, size_t n)
{
	size_t need = x->used + PLAN_VALUE + n + 1, room = x->room;
	char *bytes;

	if (need >= UINT32_MAX)
		return -ERR_FULL;
	if (need <= room)
		return 0;
	while (room < need)
		room = room == 0 ? 1024 : room * 2;
	if ((bytes = realloc(x->bytes, room)) == NULL)
		return -ERR_NOMEM;
	x->bytes = bytes;
	x->room = room;
	return 0;
}

int
plan_index_add(struct plan_index *x, const char *key, uint32_t value)
{
	size_t n = strlen(key);
	int rc;

	if (plan_index_find(x, key) != PLAN_INDEX_NONE)
		return -ERR_CONFLICT;
	if ((rc = plan_index_reserve(x, n)) != 0)
		return rc;
	if (x->count >= x->cap / 4 * 3 && (rc = plan_index_grow(x)) != 0)
		return rc;
	memcpy(x->bytes + x->used, &value, PLAN_VALUE);
	memcpy(x->bytes + x->used + PLAN_VALUE, key, n + 1);
	plan_index_place(
	    x->slots, x->cap, str_hash(key, n), (uint32_t)x->used + 1);
	x->used += PLAN_VALUE + n + 1;
	x->count++;
	return 0;
}

uint32_t
plan_index_find(const struct plan_index *x, const char *key)
{
	size_t n = strlen(key), i;
	uint64_t hash;
	uint32_t value;

	if (x->cap == 0)
		return PLAN_INDEX_NONE;
	hash = str_hash(key, n);
	for (i = (size_t)hash & (x->cap - 1); x->slots[i].at != 0;
	     i = (i + 1) & (x->cap - 1)) {
		const char *at = x->bytes + x->slots[i].at - 1;

		if (x->slots[i].hash != (uint32_t)(hash >> 32) ||
		    strcmp(at + PLAN_VALUE, key) != 0)
			continue;
		memcpy(&value, at, PLAN_VALUE);
		return value;
	}
	return PLAN_INDEX_NONE;
}

const char *
plan_index_next(const struct plan_index *x, size_t *at, uint32_t *value)
{
	const char *key;

	if (*at >= x->used)
		return NULL;
	memcpy(value, x->bytes + *at, PLAN_VALUE);
	key = x->bytes + *at + PLAN_VALUE;
	*at += PLAN_VALUE + strlen(key) + 1;
	return key;
}

void
plan_index_fini(struct plan_index *x)
{
	free(x->slots);
	free(x->bytes);
	*x = (struct plan_index){0};
}

size_t
plan_index_bytes(const struct plan_index *x)
{
	return x->cap * sizeof *x->slots + x->room;
}
