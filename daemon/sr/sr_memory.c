/*
 * The bindings of users who registered lately, as the owner has written them,
 * so that a refresh needs no select. Decides nothing: it is a copy of rows of
 * which this connection is the only writer. It is dropped whole when a
 * transaction is undone, per user when a write fails or a row goes in another
 * way, so it never says what the database does not. Called by sr_rows.c only.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/map.h"
#include "daemon/base/mem.h"
#include "sr.h"

#define SR_MEMORY_MAX 65536 /* users */
#define SR_MEMORY_KEY (SR_ID + SR_USER)

/* One binding; behind it the bytes of contact, Call-ID, instance,
 * source. */
struct sr_packed {
	int64_t row, expires, reg_id;
	uint32_t cseq;
	uint16_t q, contact, call_id, instance, source; /* lengths */
};

struct sr_kept {
	char key[SR_MEMORY_KEY];
	size_t keylen;
	bool used; /* since it was last looked at for eviction */
	TAILQ_ENTRY(sr_kept) entry;
	unsigned count;
	size_t size, room; /* of data */
	char *data;
};

struct sr_memory {
	struct map users;
	TAILQ_HEAD(sr_kept_list, sr_kept) list; /* newest first */
	unsigned count;
};

struct sr_memory *
sr_memory_new(void)
{
	struct sr_memory *m = xcalloc(1, sizeof *m);

	TAILQ_INIT(&m->list);
	return m;
}

/* "<domain>NUL<user>"; returns its length. */
static size_t
sr_memory_key(char out[SR_MEMORY_KEY], const char *domain, const char *user)
{
	size_t d = strnlen(domain, SR_ID - 1), u = strnlen(user, SR_USER - 1);

	memcpy(out, domain, d);
	out[d] = '\0';
	memcpy(out + d + 1, user, u);
	return d + 1 + u;
}

/* Take one user out. */
static void
sr_memory_drop(struct sr_memory *m, struct sr_kept *k)
{
	map_del(&m->users, k->key, k->keylen);
	TAILQ_REMOVE(&m->list, k, entry);
	m->count--;
	free(k->data);
	free(k);
}

void
sr_memory_clear(struct sr_memory *m)
{
	struct sr_kept *k;

	while ((k = TAILQ_FIRST(&m->list)) != NULL)
		sr_memory_drop(m, k);
}

void
sr_memory_free(struct sr_memory **mp)
{
	struct sr_memory *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	sr_memory_clear(m);
	map_fini(&m->users);
	free(m);
}

void
sr_memory_forget(struct sr_memory *m, const char *domain, const char *user)
{
	char key[SR_MEMORY_KEY];
	size_t n = sr_memory_key(key, domain, user);
	struct sr_kept *k = map_get(&m->users, key, n);

	if (k != NULL)
		sr_memory_drop(m, k);
}

/* Take a text of n bytes from *at. */
static void
sr_unpack_text(char *out, const char **at, size_t n)
{
	memcpy(out, *at, n);
	out[n] = '\0';
	*at += n;
}

/* Take one binding from *at. */
static void
sr_unpack(struct sr_binding *b, const char **at)
{
	struct sr_packed p;

	memcpy(&p, *at, sizeof p);
	*at += sizeof p;
	b->row = p.row;
	b->fate = SR_KEEP;
	b->cseq = p.cseq;
	b->q = p.q;
	b->expires = p.expires;
	b->reg_id = p.reg_id;
	sr_unpack_text(b->contact, at, p.contact);
	sr_unpack_text(b->call_id, at, p.call_id);
	sr_unpack_text(b->instance, at, p.instance);
	sr_unpack_text(b->source, at, p.source);
}

bool
sr_memory_load(struct sr_memory *m, const char *domain, const char *user,
    struct sr_set *set)
{
	char key[SR_MEMORY_KEY];
	size_t n = sr_memory_key(key, domain, user);
	struct sr_kept *k = map_get(&m->users, key, n);
	const char *at;

	if (k == NULL)
		return false;
	at = k->data;
	for (set->count = 0; set->count < k->count; set->count++)
		sr_unpack(&set->binding[set->count], &at);
	k->used = true;
	return true;
}

/* Put a text behind what is packed. */
static void
sr_pack_text(struct sr_kept *k, const char *s, size_t n)
{
	memcpy(k->data + k->size, s, n);
	k->size += n;
}

/* Put one binding behind what is packed. */
static void
sr_pack(struct sr_kept *k, const struct sr_binding *b)
{
	struct sr_packed p = {
	    .row = b->row,
	    .expires = b->expires,
	    .reg_id = b->reg_id,
	    .cseq = b->cseq,
	    .q = (uint16_t)b->q,
	    .contact = (uint16_t)strlen(b->contact),
	    .call_id = (uint16_t)strlen(b->call_id),
	    .instance = (uint16_t)strlen(b->instance),
	    .source = (uint16_t)strlen(b->source),
	};
	size_t need = k->size + sizeof p + p.contact + p.call_id + p.instance +
	    p.source;

	if (need > k->room) {
		k->room = need;
		k->data = xrealloc(k->data, need);
	}
	sr_pack_text(k, (const char *)&p, sizeof p);
	sr_pack_text(k, b->contact, p.contact);
	sr_pack_text(k, b->call_id, p.call_id);
	sr_pack_text(k, b->instance, p.instance);
	sr_pack_text(k, b->source, p.source);
	k->count++;
}

/* Make room: the oldest goes, unless it was used since it last came up. */
static void
sr_memory_evict(struct sr_memory *m)
{
	struct sr_kept *k = TAILQ_LAST(&m->list, sr_kept_list);

	while (k->used) {
		k->used = false;
		TAILQ_REMOVE(&m->list, k, entry);
		TAILQ_INSERT_HEAD(&m->list, k, entry);
		k = TAILQ_LAST(&m->list, sr_kept_list);
	}
	sr_memory_drop(m, k);
}

/* The place of a user, made if there is none. */
static struct sr_kept *
sr_memory_place(struct sr_memory *m, const char *domain, const char *user)
{
	char key[SR_MEMORY_KEY];
	size_t n = sr_memory_key(key, domain, user);
	struct sr_kept *k = map_get(&m->users, key, n);

	if (k != NULL)
		return k;
	if (m->count == SR_MEMORY_MAX)
		sr_memory_evict(m);
	k = xcalloc(1, sizeof *k);
	memcpy(k->key, key, n);
	k->keylen = n;
	if (map_put(&m->users, key, n, k, NULL) != 0)
		fatalx("out of memory");
	TAILQ_INSERT_HEAD(&m->list, k, entry);
	m->count++;
	return k;
}

void
sr_memory_keep(struct sr_memory *m, const char *domain, const char *user,
    const struct sr_set *set)
{
	struct sr_kept *k = sr_memory_place(m, domain, user);
	const struct sr_binding *b;
	unsigned i;

	k->count = 0;
	k->size = 0;
	for (i = 0; i < set->count; i++) {
		b = &set->binding[i];
		if (b->fate != SR_REMOVE && b->fate != SR_GONE)
			sr_pack(k, b);
	}
}
