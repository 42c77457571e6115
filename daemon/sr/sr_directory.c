/*
 * The directory of domains: which domain a host means, and the streams of
 * domains, opened when they are first asked for and kept in an LRU. Decides
 * nothing about users. Follows the commits of domain/root and of every open
 * domain. Called by sr_register.c, sr_rpc.c and sr.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"
#include "sr.h"

#define SR_DOMAIN_MAGIC 0x5d0a41e7
#define SR_WAITS 1024 /* requests that wait for streams, in all */

/* The schema of domain/root is that of object domain (daemon/obj). */
#define SR_DOMAIN_SQL "SELECT domain, id, realm, alias, state FROM domain"

/* ---- waiting for a stream ---------------------------------------------- */

/* Let all who waited go on; they look at the state again. */
static void
sr_domain_wake(struct sr_domain *d)
{
	struct sr_wait *w = d->waits, *next;

	d->waits = NULL;
	d->waits_end = &d->waits;
	for (; w != NULL; w = next) {
		next = w->next;
		d->sr->directory.nwaits--;
		w->fn(w->arg);
	}
}

int
sr_domain_wait(struct sr_domain *d, struct sr_wait *w)
{
	if (d->sr->directory.nwaits == SR_WAITS || d->state == SR_CLOSED)
		return -ERR_BUSY;
	w->next = NULL;
	*d->waits_end = w;
	d->waits_end = &w->next;
	d->sr->directory.nwaits++;
	return 0;
}

/* ---- the stream of a domain --------------------------------------------- */

/* One note of a commit in a domain's stream. */
static void
sr_domain_on_change(void *arg, const char *object, const char *key)
{
	struct sr_domain *d = OBJ(arg, sr_domain, SR_DOMAIN_MAGIC);

	if (strcmp(object, "user") == 0)
		sr_user_forget(d, key);
}

/* Forget what was read through a connection that is gone. */
static void
sr_domain_reset(struct sr_domain *d)
{
	sr_user_forget_all(d);
	sqlite3_finalize(d->select);
	d->select = NULL;
}

static void
sr_domain_on_reader(void *arg, struct reader *r, enum reader_event event)
{
	struct sr_domain *d = OBJ(arg, sr_domain, SR_DOMAIN_MAGIC);
	struct err err = {0};

	switch (event) {
	case READER_OPEN:
		d->state = SR_OPEN;
		break;
	case READER_CHANGED:
		if (reader_changes(r, sr_domain_on_change, d, &err) != 0) {
			log_warnx("domain=%s changes: %s", d->name, err.text);
			sr_user_forget_all(d);
		}
		break;
	case READER_RELOAD:
		sr_domain_reset(d);
		d->state = SR_OPEN;
		break;
	case READER_ABSENT:
		sr_domain_reset(d);
		d->state = SR_ABSENT;
		break;
	}
	sr_domain_wake(d);
}

/* Close the stream; who still waits finds it closed and waits anew, or gives
 * up. */
static void
sr_domain_close(struct sr_domain *d)
{
	struct sr_directory *dir = &d->sr->directory;

	if (d->state == SR_CLOSED)
		return;
	sr_domain_reset(d);
	reader_close(&d->reader);
	TAILQ_REMOVE(&dir->open, d, lru);
	dir->nopen--;
	d->state = SR_CLOSED;
}

/* Close the stream not used for longest for which nobody waits. */
static void
sr_domain_make_room(struct sr_directory *dir)
{
	struct sr_domain *d;

	d = TAILQ_LAST(&dir->open, sr_domain_list);
	while (d != NULL && d->waits != NULL)
		d = TAILQ_PREV(d, sr_domain_list, lru);
	if (d != NULL)
		sr_domain_close(d);
}

/* Begin to open the stream. */
static void
sr_domain_open(struct sr_domain *d)
{
	struct sr_directory *dir = &d->sr->directory;
	char name[STREAM_NAME];
	struct err err = {0};

	if (dir->nopen >= SR_DOMAINS_OPEN)
		sr_domain_make_room(dir);
	snprintf(name, sizeof name, "domain/%s", d->id);
	if (reader_open(d->sr->self->repl, name, sr_domain_on_reader, d,
		&d->reader, &err) != 0) {
		log_warnx("domain=%s open: %s", d->name, err.text);
		return;
	}
	d->state = SR_OPENING;
	TAILQ_INSERT_HEAD(&dir->open, d, lru);
	dir->nopen++;
}

bool
sr_domain_use(struct sr_domain *d)
{
	struct sr_directory *dir = &d->sr->directory;

	if (d->state == SR_CLOSED)
		sr_domain_open(d);
	else if (TAILQ_FIRST(&dir->open) != d) {
		TAILQ_REMOVE(&dir->open, d, lru);
		TAILQ_INSERT_HEAD(&dir->open, d, lru);
	}
	return d->state == SR_OPEN || d->state == SR_ABSENT;
}

/* ---- the domains --------------------------------------------------------- */

/* Take the domain's names out of the directory. */
static void
sr_domain_unname(struct sr_domain *d)
{
	char **n;

	for (n = d->names; n != NULL && *n != NULL; n++) {
		if (map_str(&d->sr->directory.names, *n) == d)
			map_str_del(&d->sr->directory.names, *n);
		free(*n);
	}
	free(d->names);
	d->names = NULL;
}

/* Drop a domain that is there no more; who waited finds nobody. */
static void
sr_domain_free(struct sr_domain *d)
{
	sr_domain_unname(d);
	map_str_del(&d->sr->directory.keys, d->name);
	sr_domain_close(d);
	sr_domain_wake(d);
	map_fini(&d->users);
	free(d);
}

/* Put name and aliases (separated by spaces) into the directory. */
static void
sr_domain_set_names(struct sr_domain *d, const char *aliases)
{
	size_t n = 0, len;
	const char *p = d->name;

	d->names = xcalloc(2 + strlen(aliases), sizeof *d->names);
	len = strlen(p);
	while (len != 0) {
		d->names[n] = xstrndup(p, len);
		if (map_str_put(&d->sr->directory.names, d->names[n], d) != 0)
			fatalx("out of memory");
		n++;
		p = n == 1 ? aliases : p + len;
		p += strspn(p, " ");
		len = strcspn(p, " ");
	}
}

/* A text column, never NULL. */
static const char *
sr_text(sqlite3_stmt *st, int at)
{
	const char *s = (const char *)sqlite3_column_text(st, at);

	return s != NULL ? s : "";
}

/* The domain of a key, made if it is new. A domain made anew under an old
 * name has another id: it is another domain. */
static struct sr_domain *
sr_domain_make(struct sr *sr, const char *name, const char *id)
{
	struct sr_domain *d = map_str(&sr->directory.keys, name);

	if (d != NULL && strcmp(d->id, id) == 0)
		return d;
	if (d != NULL)
		sr_domain_free(d);
	d = xcalloc(1, sizeof *d);
	d->magic = SR_DOMAIN_MAGIC;
	d->sr = sr;
	d->waits_end = &d->waits;
	str_copy(d->name, sizeof d->name, name);
	str_copy(d->id, sizeof d->id, id);
	if (map_str_put(&sr->directory.keys, d->name, d) != 0)
		fatalx("out of memory");
	return d;
}

/* Take one row of the directory. */
static void
sr_directory_take(struct sr *sr, sqlite3_stmt *st)
{
	struct sr_domain *d;

	if (sr_text(st, 1)[0] == '\0')
		return;
	d = sr_domain_make(sr, sr_text(st, 0), sr_text(st, 1));
	sr_domain_unname(d);
	str_copy(d->realm, sizeof d->realm, sr_text(st, 2));
	d->on = strcmp(sr_text(st, 4), "suspended") != 0;
	d->seen = true;
	sr_domain_set_names(d, sr_text(st, 3));
}

/* Read rows of the directory: all, or the one of a key. False when that cannot
 * be done: what was not seen may be there all the same. */
static bool
sr_directory_read(struct sr *sr, const char *key)
{
	sqlite3 *db = reader_db(sr->directory.reader);
	sqlite3_stmt *st;
	int step;
	bool all;

	if (db == NULL)
		return true;
	if (sqlite3_prepare_v2(db,
		key != NULL ? SR_DOMAIN_SQL " WHERE domain = ?1"
			    : SR_DOMAIN_SQL,
		-1, &st, NULL) != SQLITE_OK) {
		log_warnx("directory: %s", sqlite3_errmsg(db));
		return false;
	}
	if (key != NULL)
		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(st)) == SQLITE_ROW)
		sr_directory_take(sr, st);
	all = sql_end(st, step, "stream domain/root", NULL) == 0;
	sqlite3_finalize(st);
	return all;
}

/* Read all anew; domains that are there no more go. */
static void
sr_directory_reload(struct sr *sr)
{
	struct sr_directory *dir = &sr->directory;
	struct sr_domain *d;
	size_t at = 0;
	bool all;

	while ((d = map_next(&dir->keys, &at, NULL, NULL)) != NULL)
		d->seen = false;
	all = sr_directory_read(sr, NULL);
	for (at = 0; (d = map_next(&dir->keys, &at, NULL, NULL)) != NULL;) {
		if (!d->seen && all)
			sr_domain_free(d);
	}
	/* Warm: the streams that will be asked for are open before. */
	for (at = 0; (d = map_next(&dir->keys, &at, NULL, NULL)) != NULL;) {
		if (dir->nopen < SR_DOMAINS_OPEN)
			sr_domain_use(d);
	}
	dir->known = true;
}

/* One note of a commit in the directory. */
static void
sr_directory_on_change(void *arg, const char *object, const char *key)
{
	struct sr *sr = arg;
	struct sr_domain *d;
	bool all;

	if (strcmp(object, "domain") != 0)
		return;
	if ((d = map_str(&sr->directory.keys, key)) != NULL)
		d->seen = false;
	all = sr_directory_read(sr, key);
	d = map_str(&sr->directory.keys, key);
	if (d != NULL && !d->seen && all)
		sr_domain_free(d);
	else if (d != NULL && sr->directory.nopen < SR_DOMAINS_OPEN)
		sr_domain_use(d);
}

static void
sr_directory_on_reader(void *arg, struct reader *r, enum reader_event event)
{
	struct sr *sr = arg;
	struct err err = {0};

	if (event == READER_CHANGED) {
		if (reader_changes(r, sr_directory_on_change, sr, &err) == 0)
			return;
		log_warnx("directory: %s", err.text);
	}
	sr_directory_reload(sr);
	sr_check_ready(sr);
}

struct sr_domain *
sr_directory_find(struct sr *sr, const char *host)
{
	char name[256];
	size_t i;

	for (i = 0; i < sizeof name - 1 && host[i] != '\0'; i++)
		name[i] = (char)tolower((unsigned char)host[i]);
	if (host[i] != '\0')
		return NULL;
	/* RFC 1034 3.1: a name may end in the dot of the root. */
	if (i > 1 && name[i - 1] == '.')
		i--;
	return map_get(&sr->directory.names, name, i);
}

/* ---- open and close ------------------------------------------------------ */

/* The key that opens passwords, and a password of nobody. */
static void
sr_directory_seal(struct sr *sr)
{
	static const char text[] =
	    "00000000000000000000000000000000:"
	    "0000000000000000000000000000000000000000000000000000000000000000";
	struct sr_directory *dir = &sr->directory;
	uint8_t key[CRYPT_KEY];

	crypt_derive(key, sr->self->key_auth, "user password");
	dir->seal = crypt_seal_new(key);
	dir->nobody_size = crypt_seal(dir->seal, dir->nobody,
	    sizeof dir->nobody, text, sizeof text - 1, "nobody/nobody", 13);
}

int
sr_directory_open(struct sr *sr, struct err *err)
{
	struct sr_directory *dir = &sr->directory;

	TAILQ_INIT(&dir->open);
	TAILQ_INIT(&dir->cached);
	sr_directory_seal(sr);
	return reader_open(sr->self->repl, "domain/root",
	    sr_directory_on_reader, sr, &dir->reader, err);
}

void
sr_directory_close(struct sr *sr)
{
	struct sr_directory *dir = &sr->directory;
	struct sr_domain *d;
	size_t at = 0;

	while ((d = map_next(&dir->keys, &at, NULL, NULL)) != NULL)
		sr_domain_free(d);
	map_fini(&dir->keys);
	map_fini(&dir->names);
	reader_close(&dir->reader);
	crypt_seal_free(&dir->seal);
}
