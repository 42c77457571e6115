/*
 * Contacts of a user. The local replica of stream location is asked first;
 * that it knows none is confirmed once at SR's owner (DESIGN 5), on whichever
 * server that is, and with no owner the local answer stands. A contact without
 * a path through a gate, or whose URI is no SIP URI, is of no use and left out.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"

struct locate_ask {
	locate_fn *fn;
	void *arg;
	unsigned max;
	struct confirm *confirm;
};

struct locate_query {
	sqlite3_stmt *find;
};

static void
locate_list_fini(struct locate_list *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		free(l->contact[i].uri);
		free(l->contact[i].path);
		free(l->contact[i].source);
	}
	l->count = 0;
}

/* A contact that can be rung: a SIP URI behind a usable route. */
static bool
locate_is_usable(const char *uri, const char *path)
{
	su_home_t home[SU_HOME_AUTO_SIZE(2048)];
	sip_route_t *r;
	url_t *u;
	bool ok;

	if (uri == NULL || path == NULL)
		return false;
	su_home_auto(home, sizeof home);
	u = url_hdup(home, URL_STRING_MAKE(uri)->us_url);
	r = sip_route_make(home, path);
	ok = u != NULL && r != NULL && leg_route_usable(r) &&
	    (u->url_type == url_sip || u->url_type == url_sips) &&
	    u->url_host != NULL;
	su_home_deinit(home);
	return ok;
}

static void
locate_add(struct locate_list *l, const char *uri, const char *path,
    const char *source)
{
	struct locate_contact *c = &l->contact[l->count];

	if (!locate_is_usable(uri, path)) {
		log_debug("contact %s is of no use", uri == NULL ? "" : uri);
		return;
	}
	c->uri = xstrdup(uri);
	/* Headers in a contact would become headers of our INVITE. */
	c->uri[strcspn(c->uri, "?")] = '\0';
	c->path = xstrdup(path);
	c->source = xstrdup(source == NULL ? "" : source);
	l->count++;
}

static sqlite3_stmt *
locate_statement(struct b2bua *b)
{
	sqlite3 *db = b->location == NULL ? NULL : reader_db(b->location);

	if (db == NULL || b->locate->find != NULL)
		return db == NULL ? NULL : b->locate->find;
	if (sqlite3_prepare_v3(db,
		"SELECT contact, path, source FROM binding"
		" WHERE domain = ? AND user = ? AND expires > ?"
		" ORDER BY q DESC, updated DESC LIMIT ?",
		-1, SQLITE_PREPARE_PERSISTENT, &b->locate->find,
		NULL) != SQLITE_OK)
		log_warnx("location: %s", sqlite3_errmsg(db));
	return b->locate->find;
}

static void
locate_read(struct b2bua *b, const char *domain_id, const char *user,
    unsigned max, struct locate_list *l)
{
	sqlite3_stmt *s = locate_statement(b);
	int step = SQLITE_ROW;

	if (s == NULL)
		return;
	sqlite3_bind_text(s, 1, domain_id, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, user, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, (int64_t)(clock_real() / CLOCK_SEC));
	sqlite3_bind_int64(s, 4, max);
	while (l->count < LOCATE_MAX && (step = sqlite3_step(s)) == SQLITE_ROW)
		locate_add(l, (const char *)sqlite3_column_text(s, 0),
		    (const char *)sqlite3_column_text(s, 1),
		    (const char *)sqlite3_column_text(s, 2));
	/* Some of the phones are not all: the owner is asked, as for none. */
	if (sql_end(s, step, "stream location", NULL) != 0)
		locate_list_fini(l);
	sqlite3_reset(s);
}

static void
locate_on_confirm(void *arg, json_t *result)
{
	struct locate_ask *a = arg;
	struct locate_list l = {.count = 0};
	json_t *contacts = json_object_get(result, "contacts"), *c;
	size_t i;

	l.by = result != NULL ? LOCATE_OWNER : LOCATE_ALONE;
	json_array_foreach (contacts, i, c) {
		if (l.count == LOCATE_MAX || l.count == a->max)
			break;
		locate_add(&l, json_string_value(json_object_get(c, "contact")),
		    json_string_value(json_object_get(c, "path")),
		    json_string_value(json_object_get(c, "source")));
	}
	a->fn(a->arg, &l);
	locate_list_fini(&l);
	free(a);
}

/* None is known here: what does the owner know? NULL: it cannot be asked. */
static struct locate_ask *
locate_confirm(struct b2bua *b, const char *domain_id, const char *user)
{
	struct locate_ask *a = xcalloc(1, sizeof *a);

	a->confirm = confirm_ask(b, "sr", "locate",
	    json_pack("{s:s, s:s}", "domain_id", domain_id, "user", user),
	    locate_on_confirm, a);
	if (a->confirm == NULL) {
		free(a);
		a = NULL;
	}
	return a;
}

struct locate_ask *
locate_user(struct b2bua *b, const char *domain_id, const char *user,
    unsigned max, locate_fn *fn, void *arg)
{
	struct locate_list l = {.count = 0};
	struct locate_ask *a = NULL;

	if (max > LOCATE_MAX || max == 0)
		max = LOCATE_MAX;
	locate_read(b, domain_id, user, max, &l);
	if (l.count == 0)
		a = locate_confirm(b, domain_id, user);
	if (a == NULL) {
		l.by = l.count == 0 ? LOCATE_ALONE : LOCATE_COPY;
		fn(arg, &l);
		locate_list_fini(&l);
		return NULL;
	}
	a->fn = fn;
	a->arg = arg;
	a->max = max;
	return a;
}

void
locate_drop(struct locate_ask **ap)
{
	struct locate_ask *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	confirm_drop(&a->confirm);
	free(a);
}

/* Another file behind the reader: the statement is gone with it. */
static void
locate_on_reader(void *arg, struct reader *r, enum reader_event event)
{
	struct b2bua *b = arg;

	(void)r;
	if (event == READER_CHANGED)
		return;
	sqlite3_finalize(b->locate->find);
	b->locate->find = NULL;
}

void
locate_open(struct b2bua *b)
{
	struct err err;

	b->locate = xcalloc(1, sizeof *b->locate);
	if (reader_open(b->self->repl, "location", locate_on_reader, b,
		&b->location, &err) != 0)
		log_warnx("location: %s", err.text);
}

void
locate_close(struct b2bua *b)
{
	if (b->locate == NULL)
		return;
	sqlite3_finalize(b->locate->find);
	if (b->location != NULL)
		reader_close(&b->location);
	free(b->locate);
	b->locate = NULL;
}
