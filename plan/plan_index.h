#ifndef PLAN_PLAN_INDEX_H
#define PLAN_PLAN_INDEX_H

#include <stddef.h>
#include <stdint.h>

/*
 * Within plan/ only: the compiled form of a domain, and the index from keys
 * to values under it.
 */

/* ---- index.c ----------------------------------------------------------- */

/*
 * Keys and values in one block of bytes, found through a table of hashes:
 *   value 4, key, NUL
 * A lookup touches the table once and the block once.
 */
struct plan_slot {
	uint32_t hash; /* upper half of the key's hash */
	uint32_t at;   /* of the record + 1; 0 = free */
};

struct plan_index {
	struct plan_slot *slots;
	size_t cap; /* power of two, or 0 */
	size_t count;
	char *bytes;
	size_t used, room;
};

#define PLAN_INDEX_NONE UINT32_MAX

/* 0, -ERR_NOMEM, or -ERR_CONFLICT when the key is there already. */
int plan_index_add(struct plan_index *, const char *key, uint32_t value);
uint32_t plan_index_find(const struct plan_index *, const char *key);
/* The key of a record at *at (from 0); NULL at the end. */
const char *plan_index_next(
    const struct plan_index *, size_t *at, uint32_t *value);
void plan_index_fini(struct plan_index *);
size_t plan_index_bytes(const struct plan_index *);

/* ---- plan.c ------------------------------------------------------------ */

struct plan_user_row {
	uint32_t key, name; /* offsets in texts */
	uint16_t max_contacts;
	uint16_t ring_time;
	uint8_t off;
};

/* What a number stands for: an index of users, or of plan_services. */
#define PLAN_SERVICE 0x80000000u
#define PLAN_OWNERLESS 0x7fffffffu

extern const char *const plan_services[]; /* NULL-ended */

struct plan {
	char id[64];
	char name[256];
	char origin[64];
	char revision[32]; /* "revision 12"; "" = not known */
	int suspended;
	struct plan_index users;   /* key -> index of rows */
	struct plan_index numbers; /* number -> index of rows, or a service */
	struct plan_user_row *rows;
	size_t nrows, rows_room;
	char *texts; /* offset 0 is "" */
	size_t texts_used, texts_room;
};

#endif
