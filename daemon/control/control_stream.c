/*
 * Replicas that operations answer from. Site, directory and registrations are
 * watched for good; a domain's stream is opened when somebody asks and stays
 * open a while, the longest unused goes first. A stream that does not open
 * in time is an answer too.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "replication/stream_path.h"

struct stream_wait {
	TAILQ_ENTRY(stream_wait) entry;
	stream_fn *fn;
	void *arg;
};

struct replica {
	TAILQ_ENTRY(replica) entry; /* least recently used first */
	struct streams *streams;
	char name[STREAM_NAME];
	struct reader *reader;
	bool told;    /* it said what it is */
	bool telling; /* its waiters are being called */
	stream_event_fn *watch;
	TAILQ_HEAD(stream_waits, stream_wait) waiting;
	struct loop_timer *patience;
};

struct streams {
	struct control *control;
	TAILQ_HEAD(replicas, replica) all;
	unsigned n; /* not watched */
};

struct streams *
streams_new(struct control *c)
{
	struct streams *s = xcalloc(1, sizeof *s);

	s->control = c;
	TAILQ_INIT(&s->all);
	return s;
}

/* Is there a database of it here, of any number? */
static bool
replica_has_file(const struct replica *r)
{
	char path[STREAM_PATH], *base;
	struct dirent *one;
	bool has = false;
	size_t n;
	DIR *d;

	snprintf(path, sizeof path, "%s/%s", r->streams->control->self->root,
	    r->name);
	base = strrchr(path, '/');
	*base++ = '\0';
	n = strlen(base);
	if ((d = opendir(path)) == NULL)
		return errno != ENOENT;
	while (!has && (one = readdir(d)) != NULL)
		has = strncmp(one->d_name, base, n) == 0 &&
		    (one->d_name[n] == '.' || one->d_name[n] == '~');
	closedir(d);
	return has;
}

/*
 * Why there is none to read. A replicator that has just started, or whose
 * server has just come back, says so too, of what it does not know yet: only
 * where this server holds all that the site acknowledges, and never had a
 * database of it, nothing was ever written.
 */
static void
replica_why(const struct replica *r, struct err *e)
{
	const struct self *self = r->streams->control->self;
	char key[OWNER_KEY];
	struct owner o;
	bool knows;

	replicator_key(r->name, key);
	knows = !owner_map_find(self->owners, key, &o) ||
	    (o.state == OWNER_SERVING &&
		(o.members[0] == '\0' ||
		    owner_is_member(o.members, self->server)));
	if (knows && !replica_has_file(r))
		err_set(e, ERR_ABSENT, "there is no stream %s", r->name);
	else
		err_set(
		    e, ERR_BUSY, "stream %s cannot be read here now", r->name);
}

/* Tell all who wait. A callee may ask for the next stream. */
static void
replica_tell(struct replica *r, const struct err *e)
{
	struct stream_wait *w;
	struct err absent;
	sqlite3 *db = reader_db(r->reader);

	if (e == NULL && db == NULL) {
		replica_why(r, &absent);
		e = &absent;
	}
	loop_timer_cancel(r->patience);
	r->telling = true;
	while ((w = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, w, entry);
		w->fn(w->arg, e == NULL ? db : NULL, e);
		free(w);
	}
	r->telling = false;
}

static void
replica_free(struct replica *r)
{
	struct err e;

	err_set(&e, ERR_CLOSED, "closed");
	replica_tell(r, &e);
	TAILQ_REMOVE(&r->streams->all, r, entry);
	if (r->watch == NULL)
		r->streams->n--;
	loop_timer_free(&r->patience);
	reader_close(&r->reader);
	free(r);
}

void
streams_free(struct streams **sp)
{
	struct streams *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	while (!TAILQ_EMPTY(&s->all))
		replica_free(TAILQ_FIRST(&s->all));
	free(s);
}

/* What changed does not matter where everything is read anew each time. */
static void
replica_ignore(void *arg, const char *object, const char *key)
{
	(void)arg;
	(void)object;
	(void)key;
}

static void
replica_on_event(void *arg, struct reader *reader, enum reader_event event)
{
	struct replica *r = arg;

	r->told = true;
	if (r->watch != NULL)
		r->watch(r->streams->control, reader, event);
	else if (event == READER_CHANGED)
		reader_changes(reader, replica_ignore, NULL, NULL);
	replica_tell(r, NULL);
}

static void
replica_on_patience(void *arg)
{
	struct replica *r = arg;
	struct err e;

	err_set(&e, ERR_TIMEOUT, "stream %s cannot be read now", r->name);
	replica_tell(r, &e);
}

static struct replica *
replica_find(struct streams *s, const char *name)
{
	struct replica *r;

	TAILQ_FOREACH (r, &s->all, entry) {
		if (strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

/* Close what was not used for longest, down to the bound. */
static void
streams_trim(struct streams *s)
{
	struct replica *r, *next;

	for (r = TAILQ_FIRST(&s->all); r != NULL && s->n > STREAMS_OPEN;
	     r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->watch == NULL && !r->telling && TAILQ_EMPTY(&r->waiting))
			replica_free(r);
	}
}

/* watch NULL: it may be closed again when others are used more. */
static struct replica *
replica_open(
    struct streams *s, const char *name, stream_event_fn *watch, struct err *e)
{
	struct replica *r = xcalloc(1, sizeof *r);

	r->streams = s;
	r->watch = watch;
	TAILQ_INIT(&r->waiting);
	str_copy(r->name, sizeof r->name, name);
	if (reader_open(s->control->self->repl, name, replica_on_event, r,
		&r->reader, e) != 0) {
		free(r);
		return NULL;
	}
	r->patience = loop_timer_new(
	    s->control->self->loop, replica_on_patience, r);
	TAILQ_INSERT_TAIL(&s->all, r, entry);
	if (watch == NULL)
		s->n++;
	return r;
}

void
streams_watch(struct streams *s, const char *name, stream_event_fn *fn)
{
	struct err e;

	if (replica_open(s, name, fn, &e) == NULL)
		log_warnx("stream=%s %s", name, e.text);
}

sqlite3 *
streams_db(struct streams *s, const char *name)
{
	struct replica *r = replica_find(s, name);

	return r != NULL && r->told ? reader_db(r->reader) : NULL;
}

int
streams_unread(const struct streams *s, const char *what, struct err *e)
{
	const struct self *self = s->control->self;

	if (self->witness)
		return err_set(e, ERR_REFUSED,
		    "server %s is a witness and holds no data: ask another one",
		    self->server);
	return err_set(e, ERR_BUSY, "%s cannot be read now", what);
}

void
streams_read(struct streams *s, const char *name, stream_fn *fn, void *arg)
{
	struct replica *r = replica_find(s, name);
	struct stream_wait *w;
	struct err e;

	if (s->control->self->witness) {
		streams_unread(s, name, &e);
		fn(arg, NULL, &e);
		return;
	}
	if (r == NULL && (r = replica_open(s, name, NULL, &e)) == NULL) {
		fn(arg, NULL, &e);
		return;
	}
	TAILQ_REMOVE(&s->all, r, entry);
	TAILQ_INSERT_TAIL(&s->all, r, entry);
	w = xcalloc(1, sizeof *w);
	w->fn = fn;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&r->waiting, w, entry);
	if (r->told)
		replica_tell(r, NULL);
	else
		loop_timer_set(r->patience, STREAM_PATIENCE);
	streams_trim(s);
}

void
streams_read_domain(
    struct streams *s, const char *domain, stream_fn *fn, void *arg)
{
	sqlite3 *root = streams_db(s, "domain/root");
	char name[STREAM_NAME];
	struct obj_path p;
	struct obj_row row;
	struct err e;
	int r;

	if (root == NULL) {
		streams_unread(s, "the directory", &e);
		fn(arg, NULL, &e);
		return;
	}
	p = (struct obj_path){.nkeys = 1};
	p.obj = obj_find(s->control->self->table->objs, NULL, "domain");
	str_copy(p.key[0], sizeof p.key[0], domain);
	if ((r = obj_get(root, &p, &row, &e)) != 0) {
		if (r == -ERR_ABSENT)
			err_set(
			    &e, ERR_ABSENT, "there is no domain %s", domain);
		fn(arg, NULL, &e);
		return;
	}
	snprintf(name, sizeof name, "domain/%s", obj_value(&row, "id"));
	obj_row_fini(&row);
	streams_read(s, name, fn, arg);
}

bool
streams_is_empty(const struct err *why)
{
	return why->code == ERR_ABSENT;
}
