/*
 * A candidate against what runs now: three values for each path, what ran
 * when the session first touched it, what runs, what is wanted. Running
 * equal to either of the others is no conflict; anything else is one, told
 * with both values and with who changed it. Deletions come first in the
 * change set, then what is made and set, parents before children.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct merge {
	const struct st_view *view;
	const char *session;
	enum obj_layer layer;
	struct st_changes *out;
	json_t *conflicts; /* NULL = the candidate wins */
	size_t nconflicts;
	struct err first; /* words of the first conflict */
	bool again;	  /* the second walk: what cannot be located was told */
};

/* The rows of a candidate that speak of one object. */
struct merge_group {
	const struct st_entry *self; /* field "" */
	const struct st_entry *field;
	size_t nfields;
	struct obj_path path;
	struct st_place at;
	struct obj_row row;
	bool exists, existed, replace, remove;
	bool apart; /* of another layer, or its domain is gone */
};

/* ---- conflicts ---------------------------------------------------------- */

/* What is told of one conflict: who, after a revision, and both sides. */
struct conflict {
	const char *path, *field, *base, *theirs, *yours;
	struct st_touch by;
};

static void
conflict_member(json_t *row, const char *name, const char *value)
{
	if (value != NULL)
		json_object_set_new(row, name, json_string(value));
}

/* Members that are not known are left out. */
static json_t *
conflict_row(const struct conflict *c)
{
	json_t *row = json_object();
	char when[CLOCK_TEXT];

	conflict_member(row, "path", c->path);
	conflict_member(row, "field", c->field);
	conflict_member(row, "base", c->base);
	conflict_member(row, "theirs", c->theirs);
	conflict_member(row, "yours", c->yours);
	if (c->by.rev != 0) {
		clock_text(when, c->by.time);
		conflict_member(row, "operator", c->by.operator);
		conflict_member(row, "time", when);
		json_object_set_new(row, "rev", json_integer(c->by.rev));
	}
	return row;
}

/* " by NAME at TIME (revision N)", or nothing when it is not known. */
static void
conflict_who(const struct conflict *c, char *out, size_t size)
{
	char when[CLOCK_TEXT];

	out[0] = '\0';
	if (c->by.rev == 0)
		return;
	clock_text(when, c->by.time);
	snprintf(out, size, " by %s at %s (revision %lld)", c->by.operator,
	    when, (long long)c->by.rev);
}

/* Keep it, and go on looking for others. */
static void
conflict_add(struct merge *m, const struct conflict *c, const struct err *e)
{
	if (m->nconflicts++ == 0)
		m->first = *e;
	if (m->nconflicts <= ST_TOLD)
		json_array_append_new(m->conflicts, conflict_row(c));
}

/* A value as people may see it. */
static const char *
conflict_value(const struct op_field *f, const char *value)
{
	return value != NULL && f->type->secret ? OP_MASK : value;
}

/* Two sessions want different things of one field. */
static void
conflict_field(struct merge *m, const struct merge_group *g,
    const struct st_entry *w, const char *running)
{
	const struct op_field *f = obj_field(g->path.obj, w->field);
	struct conflict c = {.path = w->path,
	    .field = w->field,
	    .base = conflict_value(f, w->base),
	    .theirs = conflict_value(f, running),
	    .yours = conflict_value(f, w->value)};
	char who[160];
	struct err e;

	st_revision_touch(
	    st_cand_db(m->view->cand), w->path, false, w->rev, &c.by);
	conflict_who(&c, who, sizeof who);
	err_set(&e, ERR_CONFLICT, "%s: %s: is now %.100s%s; yours: %.100s",
	    c.path, c.field, c.theirs != NULL ? c.theirs : "not set", who,
	    c.yours != NULL ? c.yours : "not set");
	conflict_add(m, &c, &e);
}

/* What the candidate makes of an object as a whole; the words may be in out. */
static const char *
conflict_yours(const struct merge_group *g, char *out, size_t size)
{
	const char *name = st_entry_renamed(g->self);

	if (g->replace)
		return "made anew";
	if (g->remove && name != NULL) {
		snprintf(out, size, "renamed to %s", name);
		return out;
	}
	return g->remove ? "deleted" : "changed";
}

/* An object was changed or deleted under the candidate; path is it, or the
 * domain that it was in. */
static void
conflict_object(struct merge *m, const struct merge_group *g, const char *path,
    bool deleted)
{
	char who[160], yours[OBJ_PATH + 16];
	struct conflict c = {.path = path,
	    .theirs = deleted ? "deleted" : "changed",
	    .yours = conflict_yours(g, yours, sizeof yours)};
	struct err e;

	st_revision_touch(
	    st_cand_db(m->view->cand), path, true, g->self->rev, &c.by);
	conflict_who(&c, who, sizeof who);
	err_set(&e, ERR_CONFLICT, "%s: was %s%s; yours: %s%s", path, c.theirs,
	    who, path == g->self->path ? "" : "something in it ", c.yours);
	conflict_add(m, &c, &e);
}

/* Has anybody touched the object or what is below it since? As
 * st_revision_touch. */
static int
merge_touched(struct merge *m, const struct merge_group *g)
{
	struct st_touch by;

	return st_revision_touch(
	    st_cand_db(m->view->cand), g->self->path, true, g->self->rev, &by);
}

/* ---- deletions ---------------------------------------------------------- */

struct merge_gone {
	struct merge *m;
	const struct merge_group *g;
};

/* A row that goes: the object, then what it held. */
static int
merge_gone_row(void *arg, struct obj_row *row, struct err *e)
{
	struct merge_gone *w = arg;
	struct st_changes *out = w->m->out;
	const char *stream = w->g->at.stream;
	char path[OBJ_PATH];
	int i;

	(void)e;
	obj_path_text(&row->path, path, sizeof path);
	st_changes_add(out, stream, path, "", "1", NULL);
	for (i = 0; row->path.obj->fields[i].name != NULL; i++) {
		if (row->value[i] != NULL)
			st_changes_add(out, stream, path,
			    row->path.obj->fields[i].name, row->value[i], NULL);
	}
	return 0;
}

/* Does o hang below the other, in the table? */
static bool
merge_hangs_below(const struct obj *o, const struct obj *above)
{
	for (o = o->parent; o != NULL; o = o->parent) {
		if (o == above)
			return true;
	}
	return false;
}

/* The object and, in its stream, all below it. A deleted domain's own stream
 * is kept as it is, so its rows are no part of the change. */
static int
merge_delete(struct merge *m, struct merge_group *g, struct err *e)
{
	const struct obj *const *o;
	struct merge_gone w = {m, g};
	struct obj_path kind;
	int r;

	r = merge_gone_row(&w, &g->row, e);
	for (o = m->view->objs; r == 0 && *o != NULL; o++) {
		if ((*o)->place != g->path.obj->place ||
		    !merge_hangs_below(*o, g->path.obj))
			continue;
		kind = g->path;
		kind.obj = *o;
		r = obj_each(g->at.db, &kind, NULL, 0, merge_gone_row, &w, e);
	}
	return r;
}

/* First walk: everything that goes. */
static int
merge_removals(struct merge *m, struct merge_group *g, struct err *e)
{
	int r = 0;

	if (!g->remove && !g->replace)
		return 0;
	if (m->conflicts != NULL && g->exists)
		r = merge_touched(m, g);
	if (r < 0)
		return st_sql_unread(r, e);
	if (r == 1)
		conflict_object(m, g, g->self->path, false);
	/* gone is gone, but what is here under another name is there twice, or
	 * again */
	if (m->conflicts != NULL && g->existed && !g->exists &&
	    st_entry_renamed(g->self) != NULL)
		conflict_object(m, g, g->self->path, true);
	return g->exists ? merge_delete(m, g, e) : 0;
}

/* ---- what is made and set ------------------------------------------------ */

/* Running equal to what is wanted is no change, equal to the base no conflict.
 */
static void
merge_field(
    struct merge *m, struct merge_group *g, const struct st_entry *w, bool anew)
{
	const struct op_field *f = obj_field(g->path.obj, w->field);
	const char *running;

	if (f == NULL) /* of another release: it cannot be said any more */
		return;
	running = anew ? NULL : g->row.value[f - g->path.obj->fields];
	if (str_equal(running, w->value))
		return;
	if (m->conflicts != NULL && !anew && !str_equal(running, w->base))
		conflict_field(m, g, w, running);
	st_changes_add(
	    m->out, g->at.stream, w->path, w->field, running, w->value);
}

/* Second walk: everything that is made or set. */
static int
merge_sets(struct merge *m, struct merge_group *g, struct err *e)
{
	bool anew = g->replace || !g->exists;
	size_t i;

	(void)e;
	if (g->remove)
		return 0;
	if (m->conflicts != NULL && g->existed && !g->exists && !g->replace)
		conflict_object(m, g, g->self->path, true);
	if (anew)
		st_changes_add(
		    m->out, g->at.stream, g->self->path, "", NULL, "1");
	for (i = 0; i < g->nfields; i++)
		merge_field(m, g, &g->field[i], anew);
	return 0;
}

/* ---- the two walks ------------------------------------------------------- */

/* The domain of an edited object was deleted under the candidate. */
static void
merge_lost(struct merge *m, struct merge_group *g)
{
	struct obj_path domain;
	char path[OBJ_PATH];

	if (m->again)
		return;
	st_domain_path(m->view->objs, g->path.key[0], &domain);
	obj_path_text(&domain, path, sizeof path);
	conflict_object(m, g, path, true);
}

/* It was made anew below an object that goes; that must not run on with what
 * is meant for the next one, so the layer of that one comes first. */
static int
merge_below(struct merge *m, const struct merge_group *g,
    const struct obj_path *above, struct err *e)
{
	char text[OBJ_PATH];

	if (m->conflicts == NULL || m->layer == OBJ_ANY_LAYER ||
	    m->layer == above->obj->layer)
		return 0;
	obj_path_text(above, text, sizeof text);
	return err_set(e, ERR_REFUSED,
	    "%s: the candidate deletes %s or makes it anew: commit layer %s "
	    "before, or all of it",
	    g->self->path, text, obj_layer_words[above->obj->layer]);
}

/* Where the object of a group is and how it runs. */
static int
merge_look(struct merge *m, struct merge_group *g, struct err *e)
{
	struct obj_path above;
	int r;

	r = obj_path_parse(m->view->objs, g->self->path, &g->path, e);
	g->apart = r == 0 && m->layer != OBJ_ANY_LAYER &&
	    g->path.obj->layer != m->layer;
	if (g->apart)
		return 0;
	if (r == 0)
		r = st_view_locate(m->view, m->session, &g->path, &g->at, e);
	if (r == -ERR_ABSENT) { /* a commit tells it, a comparison goes on */
		g->apart = true;
		if (m->conflicts != NULL)
			merge_lost(m, g);
		return 0;
	}
	if (r != 0)
		return err_wrap(e, "%s", g->self->path);
	g->remove = g->self->value == NULL;
	g->replace = !g->remove && g->self->value[0] == '=';
	if (st_view_lost(m->view, m->session, &g->path, &above))
		return merge_below(m, g, &above, e);
	g->existed = g->self->base != NULL;
	return st_view_row(&g->at, &g->path, &g->row, &g->exists, e);
}

/* The group that starts at list[at]; its length. Every group begins with the
 * object's own row: an edit writes that first. */
static size_t
merge_group(
    const struct st_entry *list, size_t n, size_t at, struct merge_group *g)
{
	size_t end = at + 1;

	memset(g, 0, sizeof *g);
	while (end < n && list[end].path == list[at].path)
		end++;
	g->self = &list[at];
	g->field = &list[at + 1];
	g->nfields = end - at - 1;
	return end - at;
}

/* Each object of the candidate in turn, as it runs now. */
static int
merge_walk(struct merge *m, const struct st_entry *list, size_t n,
    int (*fn)(struct merge *, struct merge_group *, struct err *),
    struct err *e)
{
	struct merge_group g;
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < n) {
		at += merge_group(list, n, at, &g);
		if ((r = merge_look(m, &g, e)) == 0 && !g.apart)
			r = fn(m, &g, e);
		if (g.exists)
			obj_row_fini(&g.row);
	}
	return r;
}

int
st_merge(const struct st_view *v, const char *session, enum obj_layer layer,
    struct st_changes *out, json_t *conflicts, struct err *e)
{
	struct merge m = {v, session, layer, out, .conflicts = conflicts};
	struct pool *pool = pool_new();
	struct st_entry *list;
	size_t n;
	int r;

	r = st_cand_list(v->cand, session, pool, &list, &n, e);
	if (r == 0)
		r = merge_walk(&m, list, n, merge_removals, e);
	m.again = true;
	if (r == 0)
		r = merge_walk(&m, list, n, merge_sets, e);
	if (r == 0)
		r = st_cand_sound(v->cand, e);
	pool_free(&pool);
	if (r != 0 || m.nconflicts == 0)
		return r;
	return st_first(e, &m.first, m.nconflicts);
}
