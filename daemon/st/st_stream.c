/*
 * The streams the owner has open. Site, directory and `commit` stay open for
 * the whole ownership; streams of domains are opened when something needs
 * them and closed, the longest unused first, when more than ST_DOMAINS_OPEN
 * are without work. Everybody who works on a stream holds it.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* One stream of a hold. */
struct st_pin {
	TAILQ_ENTRY(st_pin) entry; /* in the stream's waiting list */
	struct st_stream *stream;
	struct st_hold *hold;
	bool waits;
};

struct st_hold {
	TAILQ_ENTRY(st_hold) entry;
	struct st *st;
	struct st_pin **pins;
	size_t n, cap, waiting;
	bool gone; /* st_hold_go was called */
	bool told;
	struct err err;
	st_hold_fn *fn;
	void *arg;
	struct loop_defer tell;
};

static void stream_drop(struct st_stream *, const struct err *);

/* ---- streams ------------------------------------------------------------- */

static struct st_stream *
stream_get(struct st *st, const char *name)
{
	struct st_stream *s;

	TAILQ_FOREACH (s, &st->streams, entry) {
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* Used last: the end of the list. */
static void
stream_touch(struct st_stream *s)
{
	TAILQ_REMOVE(&s->st->streams, s, entry);
	TAILQ_INSERT_TAIL(&s->st->streams, s, entry);
}

struct st_stream *
st_stream_find(struct st *st, const char *name)
{
	struct st_stream *s = stream_get(st, name);

	return s != NULL && s->ready ? s : NULL;
}

/* Close the database; nobody holds it. */
static void
stream_close_one(struct st_stream *s)
{
	TAILQ_REMOVE(&s->st->streams, s, entry);
	if (s->stream != NULL) {
		if (s->ready)
			obj_cache_close(stream_db(s->stream));
		stream_close(&s->stream);
	}
	s->st->count.streams--;
	free(s);
}

/* Close what nobody has used for longest, down to the bound. */
static void
streams_trim(struct st *st)
{
	struct st_stream *s, *next;
	struct stream_status status;
	unsigned idle = 0;

	TAILQ_FOREACH (s, &st->streams, entry)
		idle += s->kind == ST_DOMAIN && s->ready && s->pins == 0;
	for (s = TAILQ_FIRST(&st->streams); s != NULL && idle > ST_DOMAINS_OPEN;
	     s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->kind != ST_DOMAIN || !s->ready || s->pins != 0)
			continue;
		stream_status(s->stream, &status);
		if (status.pending != 0)
			continue;
		stream_close_one(s);
		idle--;
	}
}

void
st_stream_retire(struct st *st, const char *name)
{
	struct st_stream *s = st_stream_find(st, name);

	if (s != NULL && s->pins == 0)
		stream_close_one(s);
}

/* The tables of an older release get what they lack. */
static int
stream_prepare(struct st_stream *s, struct err *e)
{
	const struct obj *const *objs = s->st->cfg.objs;
	int r;

	if ((r = stream_join(s->stream, e)) != 0 ||
	    (r = stream_mark(s->stream, e)) != 0)
		return r;
	r = st_upgrade(objs, s->kind, stream_db(s->stream), e);
	if (r != 0) {
		stream_mark_undo(s->stream, NULL);
		return r;
	}
	return stream_mark_keep(s->stream, e);
}

/* A pin is served, or failed. */
static void
pin_done(struct st_pin *p, const struct err *e)
{
	struct st_hold *h = p->hold;

	TAILQ_REMOVE(&p->stream->waiting, p, entry);
	p->waits = false;
	if (e != NULL && h->err.code == ERR_NONE)
		h->err = *e;
	if (--h->waiting == 0 && h->gone)
		loop_defer(h->st->cfg.loop, &h->tell);
}

static void
stream_serve(struct st_stream *s, const struct err *e)
{
	struct st_pin *p;

	while ((p = TAILQ_FIRST(&s->waiting)) != NULL)
		pin_done(p, e);
}

/* Ready means: open, and with the tables of this release. */
static void
stream_on_ready(void *arg, struct stream *stream, const struct err *why)
{
	struct st_stream *s = arg;
	struct err e;

	s->stream = stream;
	if (why != NULL)
		e = *why;
	else if (stream_prepare(s, &e) == 0)
		why = NULL;
	else
		why = &e;
	if (why != NULL) {
		log_warnx("stream=%s cannot be opened: %s", s->name, e.text);
		stream_drop(s, &e);
		return;
	}
	s->ready = true;
	obj_cache_open(stream_db(stream));
	stream_serve(s, NULL);
}

static void
stream_on_lost(void *arg, struct stream *stream, const struct err *why)
{
	struct st_stream *s = arg;
	struct st *st = s->st;

	(void)stream;
	log_warnx("stream=%s lost: %s", s->name, why->text);
	st_resign(st, why); /* s is gone */
	if (st->cfg.on_lost != NULL)
		st->cfg.on_lost(st->cfg.arg);
}

/* It cannot be opened: fail those who wait; holds keep no pin on it. */
static void
stream_drop(struct st_stream *s, const struct err *e)
{
	struct st_pin *p;

	while ((p = TAILQ_FIRST(&s->waiting)) != NULL) {
		pin_done(p, e);
		p->stream = NULL;
		s->pins--;
	}
	stream_close_one(s);
}

/* Start to open a stream. A failure at once is told like a later one. */
static struct st_stream *
stream_start(struct st *st, const char *name, enum st_kind kind, struct err *e)
{
	struct st_stream *s = xcalloc(1, sizeof *s);
	struct stream_config c = {.name = name,
	    .epoch = st->epoch,
	    .page_size = 4096,
	    .on_ready = stream_on_ready,
	    .on_lost = stream_on_lost,
	    .arg = s};
	struct buf schema = BUF_INIT;
	int r;

	s->st = st;
	s->kind = kind;
	str_copy(s->name, sizeof s->name, name);
	TAILQ_INIT(&s->waiting);
	r = st_schema(st->cfg.objs, kind, &schema);
	if (r != 0)
		err_set(e, ERR_NOMEM, "out of memory");
	c.schema = schema.data;
	if (r == 0)
		r = stream_open(st->cfg.repl, &c, &s->stream, e);
	buf_fini(&schema);
	if (r != 0) {
		free(s);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&st->streams, s, entry);
	st->count.streams++;
	return s;
}

void
st_streams_close(struct st *st)
{
	struct st_stream *s;

	while ((s = TAILQ_FIRST(&st->streams)) != NULL)
		stream_close_one(s);
}

int
st_stream_whole(struct st *st, st_whole_fn *fn, void *arg, struct err *e)
{
	struct stream *commit = st_stream_find(st, "commit")->stream;
	int r;

	if ((r = stream_join(commit, e)) != 0 ||
	    (r = stream_mark(commit, e)) != 0)
		return r;
	if ((r = fn(arg, e)) == 0)
		return stream_mark_keep(commit, e);
	stream_mark_undo(commit, NULL);
	/* what was resolved may have been undone */
	st_cand_remember(st->view.cand, NULL, NULL, NULL);
	return r;
}

/* ---- holds --------------------------------------------------------------- */

/* All that was waited for is there, or something failed. */
static void
hold_tell(void *arg)
{
	struct st_hold *h = arg;
	struct err why = h->err; /* the callee may close the hold */

	h->told = true;
	h->fn(h->arg, why.code != ERR_NONE ? &why : NULL);
}

struct st_hold *
st_hold_new(struct st *st, st_hold_fn *fn, void *arg)
{
	struct st_hold *h = xcalloc(1, sizeof *h);

	h->st = st;
	h->fn = fn;
	h->arg = arg;
	h->tell = (struct loop_defer){.fn = hold_tell, .arg = h};
	TAILQ_INSERT_TAIL(&st->holds, h, entry);
	return h;
}

void
st_hold_add(struct st_hold *h, const char *name, enum st_kind kind)
{
	struct st_stream *s = stream_get(h->st, name);
	struct st_pin *p;

	if (s == NULL)
		s = stream_start(h->st, name, kind, &h->err);
	if (s == NULL)
		return;
	stream_touch(s);
	p = xcalloc(1, sizeof *p);
	p->stream = s;
	p->hold = h;
	s->pins++;
	if (!s->ready) {
		p->waits = true;
		h->waiting++;
		TAILQ_INSERT_TAIL(&s->waiting, p, entry);
	}
	if (h->n == h->cap) {
		h->cap = h->cap == 0 ? 4 : 2 * h->cap;
		h->pins = xrealloc(h->pins, h->cap * sizeof(*h->pins));
	}
	h->pins[h->n++] = p;
}

struct st_visit {
	struct st_hold *hold;
};

/* It is open, or cannot be: then who told of it does so again. */
static void
hold_on_visited(void *arg, const struct err *why)
{
	struct st_visit *t = arg;

	(void)why;
	st_hold_close(&t->hold);
	free(t);
}

void
st_stream_visit(struct st *st, const char *stream)
{
	struct st_visit *t;

	if (!st->serving || !str_prefix(stream, "domain/") ||
	    stream_get(st, stream) != NULL)
		return;
	t = xcalloc(1, sizeof *t);
	t->hold = st_hold_new(st, hold_on_visited, t);
	st_hold_add(t->hold, stream, ST_DOMAIN);
	st_hold_go(t->hold);
}

void
st_hold_go(struct st_hold *h)
{
	h->gone = true;
	if (h->waiting == 0)
		loop_defer(h->st->cfg.loop, &h->tell);
}

/* Let go of one stream. */
static void
pin_free(struct st_pin *p)
{
	if (p->waits)
		TAILQ_REMOVE(&p->stream->waiting, p, entry);
	if (p->stream != NULL)
		p->stream->pins--;
	free(p);
}

void
st_hold_close(struct st_hold **hp)
{
	struct st_hold *h = *hp;
	struct st *st;
	size_t i;

	*hp = NULL;
	if (h == NULL)
		return;
	st = h->st;
	for (i = 0; i < h->n; i++)
		pin_free(h->pins[i]);
	loop_defer_cancel(st->cfg.loop, &h->tell);
	TAILQ_REMOVE(&st->holds, h, entry);
	free(h->pins);
	free(h);
	streams_trim(st);
}

void
st_holds_fail(struct st *st, const struct err *why)
{
	struct st_hold *h, *next;

	/* The callee closes its hold, which takes it off the list. */
	for (h = TAILQ_FIRST(&st->holds); h != NULL; h = next) {
		next = TAILQ_NEXT(h, entry);
		if (h->told)
			continue;
		h->err = *why;
		loop_defer_cancel(st->cfg.loop, &h->tell);
		hold_tell(h);
	}
}
