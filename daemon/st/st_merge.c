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
	struct st_changes *out;
	struct st_conflict *conflict;
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
};

/* ---- conflicts ---------------------------------------------------------- */

void
st_conflict_fini(struct st_conflict *c)
{
	free(c->base);
	free(c->theirs);
	free(c->yours);
	memset(c, 0, sizeof *c);
}

static json_t *
conflict_json(const char *value)
{
	return value != NULL ? json_string(value) : json_null();
}

json_t *
st_conflict_data(const struct st_conflict *c)
{
	json_t *o = json_pack("{s:s, s:s, s:o, s:o, s:o}", "path", c->path,
	    "field", c->field, "base", conflict_json(c->base), "theirs",
	    conflict_json(c->theirs), "yours", conflict_json(c->yours));
	char when[CLOCK_TEXT];

	if (c->by.rev != 0) {
		clock_text(when, c->by.time);
		json_object_set_new(o, "rev", json_integer(c->by.rev));
		json_object_set_new(o, "operator", json_string(c->by.operator));
		json_object_set_new(o, "time", json_string(when));
	}
	return o;
}

/* " by NAME at TIME (revision N)", or nothing when it is not known. */
static void
conflict_who(const struct st_conflict *c, char *out, size_t size)
{
	char when[CLOCK_TEXT];

	out[0] = '\0';
	if (c->by.rev == 0)
		return;
	clock_text(when, c->by.time);
	snprintf(out, size, " by %s at %s (revision %lld)", c->by.operator,
	    when, (long long)c->by.rev);
}

static char *
conflict_value(const struct op_field *f, const char *value)
{
	if (value == NULL)
		return NULL;
	return xstrdup(f != NULL && f->type->secret ? OP_MASK : value);
}

/* Two sessions want different things of one field. */
static int
conflict_field(struct merge *m, const struct merge_group *g,
    const struct st_entry *w, const char *running, struct err *e)
{
	const struct op_field *f = obj_field(g->path.obj, w->field);
	struct st_conflict *c = m->conflict;
	char who[160];

	str_copy(c->path, sizeof c->path, w->path);
	str_copy(c->field, sizeof c->field, w->field);
	c->base = conflict_value(f, w->base);
	c->theirs = conflict_value(f, running);
	c->yours = conflict_value(f, w->value);
	st_revision_touch(
	    st_cand_db(m->view->cand), w->path, false, w->rev, &c->by);
	conflict_who(c, who, sizeof who);
	return err_set(e, ERR_CONFLICT,
	    "%s: %s: is now %.100s%s; yours: %.100s", c->path, c->field,
	    c->theirs != NULL ? c->theirs : "not set", who,
	    c->yours != NULL ? c->yours : "not set");
}

/* The object itself was changed or deleted under the candidate. */
static int
conflict_object(struct merge *m, const struct merge_group *g, struct err *e)
{
	struct st_conflict *c = m->conflict;
	bool wanted = !g->remove;
	char who[160];

	str_copy(c->path, sizeof c->path, g->self->path);
	c->base = xstrdup("present");
	c->theirs = g->exists ? xstrdup("changed") : NULL;
	c->yours = wanted ? xstrdup("present") : NULL;
	st_revision_touch(
	    st_cand_db(m->view->cand), c->path, true, g->self->rev, &c->by);
	conflict_who(c, who, sizeof who);
	return err_set(e, ERR_CONFLICT, "%s: was %s%s; yours: %s", c->path,
	    g->exists ? "changed" : "deleted", who,
	    g->replace	    ? "made anew"
		: g->remove ? "deleted"
			    : "changed");
}

/* Has anybody touched the object or what is below it since? */
static bool
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
	if (!g->remove && !g->replace)
		return 0;
	if (m->conflict != NULL && g->exists && merge_touched(m, g))
		return conflict_object(m, g, e);
	return g->exists ? merge_delete(m, g, e) : 0;
}

/* ---- what is made and set ------------------------------------------------ */

static int
merge_field(struct merge *m, struct merge_group *g, const struct st_entry *w,
    bool anew, struct err *e)
{
	const struct op_field *f = obj_field(g->path.obj, w->field);
	const char *running;

	if (f == NULL) /* of another release: it cannot be said any more */
		return 0;
	running = anew ? NULL : g->row.value[f - g->path.obj->fields];
	if (str_equal(running, w->value))
		return 0;
	if (m->conflict != NULL && !anew && !str_equal(running, w->base))
		return conflict_field(m, g, w, running, e);
	st_changes_add(
	    m->out, g->at.stream, w->path, w->field, running, w->value);
	return 0;
}

/* Second walk: everything that is made or set. */
static int
merge_sets(struct merge *m, struct merge_group *g, struct err *e)
{
	bool anew = g->replace || !g->exists;
	size_t i;
	int r;

	if (g->remove)
		return 0;
	if (m->conflict != NULL && g->existed && !g->exists && !g->replace)
		return conflict_object(m, g, e);
	if (anew)
		st_changes_add(
		    m->out, g->at.stream, g->self->path, "", NULL, "1");
	for (i = 0; i < g->nfields; i++) {
		if ((r = merge_field(m, g, &g->field[i], anew, e)) != 0)
			return r;
	}
	return 0;
}

/* ---- the two walks ------------------------------------------------------- */

/* The domain of an edited object was deleted under the candidate. */
static int
conflict_domain(struct merge *m, const struct merge_group *g, struct err *e)
{
	struct st_conflict *c = m->conflict;
	struct obj_path domain;
	char who[160];

	st_domain_path(m->view->objs, g->path.key[0], &domain);
	obj_path_text(&domain, c->path, sizeof c->path);
	c->base = xstrdup("present");
	c->yours = xstrdup("present");
	st_revision_touch(
	    st_cand_db(m->view->cand), c->path, false, g->self->rev, &c->by);
	conflict_who(c, who, sizeof who);
	return err_set(e, ERR_CONFLICT, "%s: was deleted%s; yours: %s changed",
	    c->path, who, g->self->path);
}

/* Where the object of a group is and how it runs. */
static int
merge_look(struct merge *m, struct merge_group *g, struct err *e)
{
	int r;

	r = obj_path_parse(m->view->objs, g->self->path, &g->path, e);
	if (r == 0)
		r = st_view_locate(m->view, m->session, &g->path, &g->at, e);
	if (r == -ERR_ABSENT && m->conflict != NULL)
		return conflict_domain(m, g, e);
	if (r != 0)
		return err_wrap(e, "%s", g->self->path);
	g->exists = st_view_row(&g->at, &g->path, &g->row) == 0;
	g->existed = g->self->base != NULL;
	g->remove = g->self->value == NULL;
	g->replace = !g->remove && g->self->value[0] == '=';
	return 0;
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
		if ((r = merge_look(m, &g, e)) == 0)
			r = fn(m, &g, e);
		if (g.exists)
			obj_row_fini(&g.row);
	}
	return r;
}

int
st_merge(const struct st_view *v, const char *session, struct st_changes *out,
    struct st_conflict *conflict, struct err *e)
{
	struct merge m = {v, session, out, conflict};
	struct pool *pool = pool_new();
	struct st_entry *list;
	size_t n;
	int r;

	r = st_cand_list(v->cand, session, pool, &list, &n, e);
	if (r == 0)
		r = merge_walk(&m, list, n, merge_removals, e);
	if (r == 0)
		r = merge_walk(&m, list, n, merge_sets, e);
	pool_free(&pool);
	return r;
}
