/*
 * Who follows is told of a call when it comes to match, and then whenever it
 * comes further: it rings, is answered, ends. An end says all of its call, so
 * one that matches only then is told whole.
 */
#include <stdlib.h>
#include <string.h>

#include "follow.h"
#include "segment.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct follow {
	char *key; /* NULL: the bit is free */
	json_t *query;
	struct trace_filter filter;
	uint64_t until;	 /* monotonic */
	uint64_t before; /* lost when it began */
	uint64_t missed; /* rows that nobody took */
	unsigned calls;	 /* shown */
	json_t *rows;	 /* not taken */
	uint64_t told;	 /* of what was lost */
	unsigned share;	 /* told */
	const char *over;
};

/* A bit for each of who follows: was the call shown, was it left out? */
struct follow_call {
	uint32_t shown, left;
};

struct follows {
	struct follow of[FOLLOWS];
	unsigned n;
	struct trace_calls live;
	struct map told; /* id -> struct follow_call, of the same calls */
	struct follow_budget budget;
	uint64_t missed; /* facts for which there was no room */
};

/* ---- the budget ---------------------------------------------------------- */

void
follow_spend(struct follow_budget *b, uint64_t mono)
{
	if (mono / CLOCK_SEC != b->second) {
		if (b->rows < FOLLOW_RATE / 2 && b->share < FOLLOW_ALL)
			b->share *= 2;
		b->second = mono / CLOCK_SEC;
		b->rows = 0;
	}
	if (++b->rows % FOLLOW_RATE == 0 && b->share > 1)
		b->share /= 2;
}

bool
follow_shows(const struct follow_budget *b, const char *id)
{
	return segment_hash(SEGMENT_CALL, id, strlen(id)) % FOLLOW_ALL <
	    b->share;
}

/* ---- who follows --------------------------------------------------------- */

struct follows *
follows_new(void)
{
	struct follows *s = xcalloc(1, sizeof *s);

	s->live.room = FOLLOW_LIVE;
	s->budget.share = FOLLOW_ALL;
	return s;
}

bool
follows_any(const struct follows *s)
{
	return s->n > 0;
}

/* With nobody left nothing is known of calls. */
static void
follows_forget(struct follows *s)
{
	struct follow_call *t;
	size_t at = 0;

	while ((t = map_next(&s->told, &at, NULL, NULL)) != NULL)
		free(t);
	map_fini(&s->told);
	trace_calls_fini(&s->live);
	s->told = (struct map){0};
	s->live = (struct trace_calls){.room = FOLLOW_LIVE};
}

static void
follow_end(struct follows *s, struct follow *w)
{
	uint32_t keep = ~(UINT32_C(1) << (w - s->of));
	struct follow_call *t;
	struct trace_call *c;
	size_t at = 0;

	while ((t = map_next(&s->told, &at, NULL, NULL)) != NULL) {
		t->shown &= keep;
		t->left &= keep;
	}
	for (at = 0; (c = map_next(&s->live.map, &at, NULL, NULL)) != NULL;) {
		c->number &= keep;
		c->user &= keep;
	}
	trace_filter_fini(&w->filter);
	json_decref(w->query);
	json_decref(w->rows);
	free(w->key);
	*w = (struct follow){0};
	if (--s->n == 0)
		follows_forget(s);
}

void
follow_close(struct follows *s, const char *front)
{
	unsigned i;

	for (i = 0; i < FOLLOWS; i++) {
		if (s->of[i].key != NULL && str_prefix(s->of[i].key, front))
			follow_end(s, &s->of[i]);
	}
}

void
follows_free(struct follows **sp)
{
	struct follows *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	follow_close(s, "");
	follows_forget(s);
	free(s);
}

int
follow_open(struct follows *s, const char *key, json_t *query, uint64_t mono,
    uint64_t lost, struct err *e)
{
	json_int_t most = json_integer_value(json_object_get(query, "for"));
	struct follow *w = NULL;
	unsigned i;
	int r;

	for (i = 0; i < FOLLOWS; i++) {
		if (s->of[i].key == NULL && w == NULL)
			w = &s->of[i];
	}
	if (w == NULL)
		return err_set(e, ERR_FULL,
		    "%d follow calls already, and more cannot", FOLLOWS);
	if (key == NULL || most <= 0 || most > INT32_MAX)
		return err_set(e, ERR_INVALID, "trace: follow for how long?");
	w->query = json_deep_copy(query); /* it is another thread's, too */
	if ((r = trace_filter_read(&w->filter, w->query, e)) != 0) {
		trace_filter_fini(&w->filter);
		json_decref(w->query);
		*w = (struct follow){0};
		return r;
	}
	w->key = xstrdup(key);
	w->until = mono + (uint64_t)most * CLOCK_SEC;
	w->before = w->told = lost + s->missed;
	w->share = FOLLOW_ALL;
	w->rows = json_array();
	s->n++;
	return (int)(w - s->of);
}

/* ---- calls --------------------------------------------------------------- */

static struct follow_call *
follow_told(struct follows *s, const struct trace_call *c)
{
	struct follow_call *t = map_str(&s->told, c->id);

	if (t == NULL) {
		t = xcalloc(1, sizeof *t);
		if (map_str_put(&s->told, c->id, t) != 0) {
			free(t);
			return NULL;
		}
	}
	return t;
}

void
follow_seed(
    struct follows *s, unsigned bit, const struct trace_call *c, bool shown)
{
	struct trace_call *live = trace_calls_get(&s->live, c->id);
	struct follow_call *t;

	if (live == NULL || (t = follow_told(s, live)) == NULL)
		return;
	if (live->heard <= c->heard) {
		uint32_t number = live->number, user = live->user;

		*live = *c;
		live->number = number;
		live->user = user;
	}
	live->number |= (c->number & 1) << bit;
	live->user |= (c->user & 1) << bit;
	if (shown) {
		t->shown |= UINT32_C(1) << bit;
		s->of[bit].calls++;
	}
}

static void
follow_tell(struct follows *s, struct follow *w, const struct trace_call *c,
    uint64_t mono)
{
	follow_spend(&s->budget, mono);
	if (json_array_size(w->rows) >= FOLLOW_ROWS)
		w->missed++;
	else
		json_array_append_new(w->rows, trace_call_row(c));
}

/* The call comes to match: it is shown from here on, or never. */
static void
follow_begin(struct follows *s, struct follow *w, const struct trace_call *c,
    struct follow_call *t, uint64_t mono)
{
	uint32_t mask = UINT32_C(1) << (w - s->of);

	if (!follow_shows(&s->budget, c->id)) {
		t->left |= mask;
		return;
	}
	if (w->calls == FOLLOW_CALLS) {
		w->over = "as many calls were shown as can be";
		return;
	}
	w->calls++;
	t->shown |= mask;
	follow_tell(s, w, c, mono);
}

void
follow_fact(struct follows *s, const struct trace_record *r, uint64_t real,
    uint64_t mono)
{
	struct follow_call *t;
	struct trace_call *c;
	struct follow *w;
	bool further;
	size_t known = s->live.map.count;
	enum trace_stage stage;
	unsigned i;
	uint32_t mask;
	char id[sizeof c->id];

	if ((r->kind != TRACE_LEG && r->kind != TRACE_END) ||
	    !trace_key_text(r, TRACE_CALL, id, sizeof id))
		return;
	c = map_str(&s->live.map, id);
	stage = c != NULL ? trace_call_stage(c) : TRACE_BEGINS;
	c = trace_calls_add(&s->live, r);
	if (c == NULL || (t = follow_told(s, c)) == NULL) {
		s->missed++;
		return;
	}
	further = s->live.map.count != known || trace_call_stage(c) > stage;
	for (i = 0; i < FOLLOWS; i++) {
		w = &s->of[i];
		mask = UINT32_C(1) << i;
		if (w->key == NULL || w->over != NULL ||
		    !trace_filter_takes(&w->filter, r))
			continue;
		trace_filter_note(&w->filter, i, c, r);
		if (t->shown & mask) {
			if (further)
				follow_tell(s, w, c, mono);
		} else if (!(t->left & mask) &&
		    trace_filter_matches(&w->filter, i, c, real)) {
			follow_begin(s, w, c, t, mono);
		}
	}
	if (c->end == 0)
		return;
	map_str_del(&s->told, c->id);
	free(t);
	trace_calls_drop(&s->live, c);
}

/* ---- news ---------------------------------------------------------------- */

/* NULL: there is nothing to tell it. */
static json_t *
follow_take(struct follows *s, struct follow *w, uint64_t mono, uint64_t lost)
{
	json_t *news;

	lost += s->missed + w->missed;
	if (mono >= w->until)
		w->over = "its time is over";
	if (json_array_size(w->rows) == 0 && lost == w->told &&
	    s->budget.share == w->share && w->over == NULL)
		return NULL;
	w->told = lost;
	w->share = s->budget.share;
	news = json_pack("{s:s, s:o, s:I, s:i, s:s*}", "key", w->key, "rows",
	    w->rows, "lost", (json_int_t)(lost - w->before), "share",
	    (int)w->share, "over", w->over);
	w->rows = json_array();
	return news;
}

json_t *
follow_news(struct follows *s, uint64_t mono, uint64_t lost)
{
	json_t *list = NULL, *news;
	unsigned i;

	for (i = 0; i < FOLLOWS; i++) {
		if (s->of[i].key == NULL ||
		    (news = follow_take(s, &s->of[i], mono, lost)) == NULL)
			continue;
		list = list != NULL ? list : json_array();
		json_array_append_new(list, news);
		if (s->of[i].over != NULL)
			follow_end(s, &s->of[i]);
	}
	return list;
}
