/*
 * Which domain a name means, and its compiled plan. Names and aliases come
 * from stream domain/root; a plan is compiled when a call first needs its
 * domain, again when its users or numbers have changed, and is dropped when it
 * was not needed for longest and too many are open. Whoever asks while the
 * stream is being opened waits, for at most DIRECTORY_WAIT.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"
#include "daemon/obj/obj.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define DIRECTORY_OPEN 256 /* domains with an open stream */
#define DIRECTORY_WAIT (2 * UINT64_C(1000000))

struct directory_domain {
	struct directory *directory;
	struct directory_domain *next;		/* all */
	struct directory_domain *newer, *older; /* the open ones */
	char name[OBJ_KEY];
	char id[64];
	bool suspended;
	bool listed; /* seen in the last reading of the list */
	struct reader *reader;
	struct plan *plan; /* NULL: to be compiled */
	struct directory_ask *asks;
	struct loop_timer *timer; /* while somebody waits */
};

struct directory {
	struct b2bua *b2bua;
	struct reader *root;
	struct map names; /* names and aliases -> domain */
	struct directory_domain *first;
	struct directory_domain *newest, *oldest;
	unsigned open;
	bool ready;		     /* the list was read once */
	struct directory_ask *early; /* asked before that */
};

/* ---- answers ---- */

/* The plan of a domain whose stream can be read. */
static int
directory_compile(struct directory_domain *d, struct err *err)
{
	struct plan_domain what = {.id = d->id,
	    .name = d->name,
	    .suspended = d->suspended,
	    .origin = "local copy"};

	if (d->plan != NULL)
		return 0;
	what.rev = plan_load_revision(reader_db(d->reader));
	return plan_load(d->directory->b2bua->self->table->objs,
	    reader_db(d->reader), &what, &d->plan, err);
}

/* Tell all who wait, the plan or the error. */
static void
directory_answer(struct directory_domain *d, const struct err *err)
{
	struct directory_ask *a;

	loop_timer_cancel(d->timer);
	while ((a = d->asks) != NULL) {
		d->asks = a->next;
		a->domain = NULL;
		a->fn(a->arg, err == NULL ? d->plan : NULL, err);
	}
}

static void
directory_try_answer(struct directory_domain *d)
{
	struct err err;

	if (d->asks == NULL || d->reader == NULL ||
	    reader_db(d->reader) == NULL)
		return;
	if (directory_compile(d, &err) == 0)
		directory_answer(d, NULL);
	else {
		log_warnx("domain=%s %s", d->name, err.text);
		directory_answer(d, &err);
	}
}

static void
directory_on_timeout(void *arg)
{
	struct directory_domain *d = arg;
	struct err err;

	err_set(&err, ERR_TIMEOUT, "domain %s cannot be read yet", d->name);
	directory_answer(d, &err);
}

/* ---- open domains, newest first ---- */

static void
directory_unlink(struct directory_domain *d)
{
	struct directory *dir = d->directory;

	if (d->newer != NULL)
		d->newer->older = d->older;
	else
		dir->newest = d->older;
	if (d->older != NULL)
		d->older->newer = d->newer;
	else
		dir->oldest = d->newer;
	d->newer = d->older = NULL;
}

static void
directory_link(struct directory_domain *d)
{
	struct directory *dir = d->directory;

	d->older = dir->newest;
	if (dir->newest != NULL)
		dir->newest->newer = d;
	dir->newest = d;
	if (dir->oldest == NULL)
		dir->oldest = d;
}

static void
directory_shut(struct directory_domain *d)
{
	if (d->reader == NULL)
		return;
	directory_unlink(d);
	d->directory->open--;
	reader_close(&d->reader);
	plan_free(&d->plan);
}

/* A plan is compiled again for what it is made of. The records of its calls,
 * which come into the same stream all the time, are no part of it. */
static void
directory_on_change(void *arg, const char *object, const char *key)
{
	struct directory_domain *d = arg;

	(void)key;
	if (plan_load_reads(object))
		plan_free(&d->plan);
}

static void
directory_on_domain(void *arg, struct reader *r, enum reader_event event)
{
	struct directory_domain *d = arg;
	struct err err;

	if (event != READER_CHANGED ||
	    reader_changes(r, directory_on_change, d, &err) != 0)
		plan_free(&d->plan);
	directory_try_answer(d);
}

/* Have the domain's stream open, and another one shut for it. */
static int
directory_open_domain(struct directory_domain *d, struct err *err)
{
	struct directory *dir = d->directory;
	struct directory_domain *old = dir->oldest;
	char name[STREAM_NAME];
	int rc;

	if (d->reader != NULL) {
		directory_unlink(d);
		directory_link(d);
		return 0;
	}
	while (dir->open >= DIRECTORY_OPEN && old != NULL) {
		struct directory_domain *newer = old->newer;

		if (old->asks == NULL)
			directory_shut(old);
		old = newer;
	}
	str_copy(name, sizeof name, "domain/");
	str_copy(name + 7, sizeof name - 7, d->id);
	rc = reader_open(dir->b2bua->self->repl, name, directory_on_domain, d,
	    &d->reader, err);
	if (rc != 0)
		return rc;
	dir->open++;
	directory_link(d);
	return 0;
}

/* ---- the list of domains ---- */

static void
directory_free_domain(struct directory_domain *d)
{
	struct err err;

	err_set(&err, ERR_ABSENT, "domain %s is gone", d->name);
	directory_answer(d, &err);
	directory_shut(d);
	loop_timer_free(&d->timer);
	free(d);
}

static void
directory_name(struct directory *dir, const char *name, size_t n, void *d)
{
	if (n > 0 && map_put(&dir->names, name, n, d, NULL) != 0)
		fatalx("out of memory");
}

static struct directory_domain *
directory_add(struct directory *dir, const char *id)
{
	struct directory_domain *d = xcalloc(1, sizeof *d);

	d->directory = dir;
	str_copy(d->id, sizeof d->id, id);
	d->timer = loop_timer_new(
	    dir->b2bua->self->loop, directory_on_timeout, d);
	d->next = dir->first;
	dir->first = d;
	return d;
}

/* One row of the list: what changed about a domain makes a new plan. */
static int
directory_row(void *arg, struct obj_row *row, struct err *err)
{
	struct directory *dir = arg;
	const char *id = obj_value(row, "id"), *alias, *name = row->path.key[0];
	bool suspended = str_equal(obj_value(row, "state"), "suspended");
	struct directory_domain *d;

	(void)err;
	if (id == NULL)
		return 0;
	if ((d = map_get(&dir->names, id, strlen(id) + 1)) == NULL)
		d = directory_add(dir, id);
	if (strcmp(d->name, name) != 0 || d->suspended != suspended)
		plan_free(&d->plan);
	str_copy(d->name, sizeof d->name, name);
	d->suspended = suspended;
	d->listed = true;
	directory_name(dir, name, strlen(name), d);
	alias = obj_value(row, "alias");
	while (alias != NULL && *alias != '\0') {
		size_t n = strcspn(alias, " ");

		directory_name(dir, alias, n, d);
		alias += n + strspn(alias + n, " ");
	}
	return 0;
}

/* Domains that the list no longer has. */
static void
directory_sweep(struct directory *dir)
{
	struct directory_domain **at = &dir->first, *d;

	while ((d = *at) != NULL) {
		if (d->listed) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		directory_free_domain(d);
	}
}

/* Ids stand in the map of names too, with their NUL, while it is read. */
static int
directory_read(struct directory *dir, struct err *err)
{
	struct obj_path path = {.nkeys = 0};
	int rc;

	path.obj = obj_find(dir->b2bua->self->table->objs, NULL, "domain");
	if (path.obj == NULL)
		return err_set(err, ERR_INTERNAL, "no object domain");
	map_fini(&dir->names);
	for (struct directory_domain *d = dir->first; d != NULL; d = d->next) {
		d->listed = false;
		directory_name(dir, d->id, strlen(d->id) + 1, d);
	}
	rc = obj_each(
	    reader_db(dir->root), &path, NULL, 0, directory_row, dir, err);
	if (rc == 0)
		directory_sweep(dir);
	return rc;
}

static void directory_ask_domain(
    struct directory *, struct directory_ask *, const char *);

/* Those who asked before the list was there. */
static void
directory_answer_early(struct directory *dir)
{
	struct directory_ask *a;

	while ((a = dir->early) != NULL) {
		dir->early = a->next;
		directory_ask_domain(dir, a, a->name);
	}
}

static void
directory_ignore_change(void *arg, const char *object, const char *key)
{
	(void)arg;
	(void)object;
	(void)key;
}

static void
directory_on_root(void *arg, struct reader *r, enum reader_event event)
{
	struct directory *dir = arg;
	struct err err;

	if (event == READER_CHANGED)
		reader_changes(r, directory_ignore_change, NULL, &err);
	if (reader_db(r) == NULL)
		return;
	if (directory_read(dir, &err) != 0)
		log_warnx("domain/root: %s", err.text);
	dir->ready = true;
	directory_answer_early(dir);
}

/* ---- the door ---- */

static void
directory_ask_domain(
    struct directory *dir, struct directory_ask *a, const char *name)
{
	struct directory_domain *d = map_str(&dir->names, name);
	struct err err;

	a->domain = NULL;
	if (d == NULL) {
		err_set(&err, ERR_ABSENT, "no domain is called %s", name);
		a->fn(a->arg, NULL, &err);
		return;
	}
	if (directory_open_domain(d, &err) != 0) {
		a->fn(a->arg, NULL, &err);
		return;
	}
	a->domain = d;
	a->next = d->asks;
	d->asks = a;
	directory_try_answer(d);
	if (d->asks != NULL && !loop_timer_is_set(d->timer))
		loop_timer_set(d->timer, DIRECTORY_WAIT);
}

void
directory_want(
    struct directory *dir, struct directory_ask *a, const char *domain)
{
	if (dir->ready) {
		directory_ask_domain(dir, a, domain);
		return;
	}
	str_copy(a->name, sizeof a->name, domain);
	a->domain = NULL;
	a->next = dir->early;
	dir->early = a;
}

void
directory_cancel(struct directory *dir, struct directory_ask *a)
{
	struct directory_ask **at = a->domain != NULL ? &a->domain->asks
						      : &dir->early;

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at != NULL)
		*at = a->next;
}

const char *
directory_host(const struct directory *dir, const char *host)
{
	const struct directory_domain *d = map_str(&dir->names, host);

	return d != NULL ? d->name : "";
}

struct directory *
directory_open(struct b2bua *b, struct err *err)
{
	struct directory *dir = xcalloc(1, sizeof *dir);

	dir->b2bua = b;
	if (reader_open(b->self->repl, "domain/root", directory_on_root, dir,
		&dir->root, err) != 0) {
		free(dir);
		return NULL;
	}
	return dir;
}

void
directory_close(struct directory **dirp)
{
	struct directory *dir = *dirp;

	*dirp = NULL;
	if (dir == NULL)
		return;
	for (struct directory_domain *d = dir->first; d != NULL; d = d->next)
		d->listed = false;
	directory_sweep(dir);
	reader_close(&dir->root);
	map_fini(&dir->names);
	free(dir);
}
