/*
 * Users of a domain: their digests and limits, from the domain's stream or
 * from memory. Decides that a password that was ever opened is kept for the
 * next request of the same user, and that this memory may only say yes: a no
 * always comes from the database, at one price for all who are refused.
 * Called by sr_auth.c; sr_directory.c forgets what a commit changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"
#include "sr.h"

/* "<32 digits>:<64 digits>": what a sealed password holds. */
#define SR_DIGESTS (32 + 1 + 64)

/* The schema of a domain's stream is that of object user (daemon/obj). */
static const char sr_user_sql[] =
    "SELECT state, max_contacts, password FROM user WHERE user = ?1";

struct sr_cached {
	char name[SR_USER];
	struct sr_domain *domain;
	struct sr_user user;
	bool used; /* since it was last looked at for eviction */
	TAILQ_ENTRY(sr_cached) entry;
};

/* Take one out of memory. */
static void
sr_user_drop(struct sr *sr, struct sr_cached *c)
{
	map_del(&c->domain->users, c->name, strlen(c->name));
	TAILQ_REMOVE(&sr->directory.cached, c, entry);
	sr->directory.ncached--;
	OPENSSL_cleanse(&c->user, sizeof c->user);
	free(c);
}

void
sr_user_forget(struct sr_domain *d, const char *user)
{
	struct sr_cached *c = map_str(&d->users, user);

	if (c != NULL)
		sr_user_drop(d->sr, c);
}

void
sr_user_forget_all(struct sr_domain *d)
{
	struct sr_cached *c;
	size_t at = 0;

	while ((c = map_next(&d->users, &at, NULL, NULL)) != NULL)
		sr_user_drop(d->sr, c);
	map_fini(&d->users);
}

const struct sr_user *
sr_user_cached(struct sr_domain *d, const char *user)
{
	struct sr_cached *c = map_str(&d->users, user);

	if (c == NULL)
		return NULL;
	c->used = true;
	return &c->user;
}

/* Make room: the oldest goes, unless it was used since it last came up. Cheaper
 * to keep than an order of use: a hit touches nothing but its own entry. */
static void
sr_user_evict(struct sr *sr)
{
	struct sr_cached_list *list = &sr->directory.cached;
	struct sr_cached *c = TAILQ_LAST(list, sr_cached_list);

	while (c->used) {
		c->used = false;
		TAILQ_REMOVE(list, c, entry);
		TAILQ_INSERT_HEAD(list, c, entry);
		c = TAILQ_LAST(list, sr_cached_list);
	}
	sr_user_drop(sr, c);
}

void
sr_user_keep(struct sr_domain *d, const char *user, const struct sr_user *u)
{
	struct sr_directory *dir = &d->sr->directory;
	struct sr_cached *c;

	sr_user_forget(d, user);
	if (dir->ncached == SR_USERS_CACHED)
		sr_user_evict(d->sr);
	c = xcalloc(1, sizeof *c);
	str_copy(c->name, sizeof c->name, user);
	c->domain = d;
	c->user = *u;
	if (map_str_put(&d->users, c->name, c) != 0)
		fatalx("out of memory");
	TAILQ_INSERT_HEAD(&dir->cached, c, entry);
	dir->ncached++;
}

/* The digests out of the open text; false when it is something else. */
static bool
sr_user_digests(struct sr_user *u, const char *text, long n)
{
	if (n != SR_DIGESTS || text[32] != ':')
		return false;
	return str_ncopy(u->md5, sizeof u->md5, text, 32) &&
	    str_ncopy(u->sha256, sizeof u->sha256, text + 33, 64);
}

/* Open a password at its place ("<domain id>/<user>"). */
static bool
sr_user_open(struct sr *sr, struct sr_user *u, const char *id, const char *user,
    const uint8_t *blob, long size)
{
	char ad[SR_ID + SR_USER + 1], text[SR_DIGESTS];
	int adn = snprintf(ad, sizeof ad, "%s/%s", id, user);
	long n = crypt_open(sr->directory.seal, text, sizeof text, blob,
	    (size_t)size, ad, (size_t)adn);
	bool ok = sr_user_digests(u, text, n);

	OPENSSL_cleanse(text, sizeof text);
	return ok;
}

/* The domain's statement; NULL when its stream cannot be read. */
static sqlite3_stmt *
sr_user_select(struct sr_domain *d)
{
	sqlite3 *db;

	if (d->select != NULL)
		return d->select;
	if (d->state != SR_OPEN || (db = reader_db(d->reader)) == NULL)
		return NULL;
	if (sqlite3_prepare_v3(db, sr_user_sql, -1, SQLITE_PREPARE_PERSISTENT,
		&d->select, NULL) != SQLITE_OK) {
		log_warnx("domain=%s users: %s", d->name, sqlite3_errmsg(db));
		d->select = NULL;
	}
	return d->select;
}

/* The row that the statement stands on. */
static bool
sr_user_row(struct sr *sr, struct sr_domain *d, const char *user,
    sqlite3_stmt *st, struct sr_user *u)
{
	const char *state = (const char *)sqlite3_column_text(st, 0);
	const uint8_t *blob = sqlite3_column_blob(st, 2);
	int size = sqlite3_column_bytes(st, 2), max;

	max = sqlite3_column_type(st, 1) == SQLITE_NULL
	    ? 10
	    : sqlite3_column_int(st, 1);
	u->on = state == NULL || strcmp(state, "on") == 0;
	u->max_contacts = max > 0 ? (unsigned)max : 0;
	return blob != NULL && size > 0 &&
	    sr_user_open(sr, u, d->id, user, blob, size);
}

/* Any open domain, in whose stream a user of no domain is looked for. */
static struct sr_domain *
sr_user_somewhere(struct sr *sr)
{
	struct sr_domain *d = TAILQ_FIRST(&sr->directory.open);

	while (d != NULL && d->state != SR_OPEN)
		d = TAILQ_NEXT(d, lru);
	return d;
}

int
sr_user_read(
    struct sr *sr, struct sr_domain *d, const char *user, struct sr_user *u)
{
	struct sr_directory *dir = &sr->directory;
	struct sr_domain *at = d != NULL ? d : sr_user_somewhere(sr);
	sqlite3_stmt *st = at != NULL ? sr_user_select(at) : NULL;
	int step, failed = 0;
	bool found = false;

	if (st != NULL) {
		sqlite3_bind_text(st, 1, user, -1, SQLITE_STATIC);
		if ((step = sqlite3_step(st)) == SQLITE_ROW && d != NULL)
			found = sr_user_row(sr, d, user, st, u);
		if (d != NULL)
			failed = sql_end(st, step, d->name, NULL);
		sqlite3_reset(st);
	} else if (d != NULL && d->state == SR_OPEN) {
		failed = -ERR_IO; /* it is there, and cannot be read */
	}
	if (!found &&
	    !sr_user_open(
		sr, u, "nobody", "nobody", dir->nobody, dir->nobody_size))
		fatalx("the digests of nobody do not open");
	if (!found)
		u->on = false;
	return failed != 0 ? failed : found;
}
