/*
 * A candidate brought up to what runs now, after a conflict: of each field
 * that somebody else has changed since the session touched it, either the
 * candidate's value is meant, knowing the other one, or it is forgotten.
 */
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

struct update {
	const struct st_view *view;
	const char *session;
	int64_t rev;
	bool mine;
	int64_t n;
};

/* An object of the candidate, as it runs. */
struct update_object {
	struct obj_path path;
	struct obj_row row;
	bool exists;
	bool lost; /* its domain is gone */
};

static int
update_look(struct update *u, const struct st_entry *self,
    struct update_object *o, struct err *e)
{
	struct obj_path above;
	struct st_place at;
	struct err why;
	int r;

	memset(o, 0, sizeof *o);
	if (obj_path_parse(u->view->objs, self->path, &o->path, NULL) != 0)
		return 0;
	r = st_view_locate(u->view, u->session, &o->path, &at, &why);
	o->lost = r == -ERR_ABSENT;
	if (r != 0)
		return o->lost ? 0 : err_set(e, why.code, "%s", why.text);
	if (st_view_lost(u->view, u->session, &o->path, &above))
		return 0;
	return st_view_row(&at, &o->path, &o->row, &o->exists, e);
}

/* What runs for a row of the candidate; for the object itself '1', or the name
 * that the candidate gives it. */
static const char *
update_running(const struct update_object *o, const struct st_entry *w)
{
	const struct op_field *f;

	if (!o->exists)
		return NULL;
	if (w->field[0] == '\0')
		return w->base != NULL ? w->base : "1";
	f = obj_field(o->path.obj, w->field);
	return f != NULL ? o->row.value[f - o->path.obj->fields] : NULL;
}

/* Whole objects that go: whatever was changed in them counts. As
 * st_revision_touch. */
static int
update_touched(struct update *u, const struct st_entry *w)
{
	struct st_touch by;

	return w->field[0] == '\0' && (w->value == NULL || *w->value == '=') &&
	    st_revision_touch(
		st_cand_db(u->view->cand), w->path, true, w->rev, &by);
}

static int
update_wants(
    struct update *u, const struct update_object *o, const struct st_entry *w)
{
	const char *running = update_running(o, w);
	int r;

	if ((r = update_touched(u, w)) != 0)
		return r;
	if (w->field[0] == '\0')
		return (w->base != NULL) != o->exists;
	return !str_equal(running, w->base) && !str_equal(running, w->value);
}

/* The other's value is known now: it is what the candidate starts from. */
static int
update_mine(struct update *u, const struct update_object *o,
    const struct st_entry *w, struct err *e)
{
	return st_sql_run(st_cand_db(u->view->cand), e,
	    "UPDATE candidate SET base = ?4, rev = ?5 WHERE session = ?1 "
	    "AND path = ?2 AND field = ?3",
	    "ssssi", u->session, w->path, w->field, update_running(o, w),
	    u->rev);
}

/* The object, and what the candidate made of it under another name. */
static int
update_forget(struct update *u, const struct st_entry *self, struct err *e)
{
	const char *name = st_entry_renamed(self);
	int r = st_cand_forget(u->view->cand, u->session, self->path, e);

	if (r == 0 && name != NULL)
		r = st_cand_forget(u->view->cand, u->session, name, e);
	return r;
}

static int
update_theirs(struct update *u, const struct st_entry *w, struct err *e)
{
	if (w->field[0] == '\0')
		return update_forget(u, w, e);
	return st_sql_run(st_cand_db(u->view->cand), e,
	    "DELETE FROM candidate WHERE session = ?1 AND path = ?2 "
	    "AND field = ?3",
	    "sss", u->session, w->path, w->field);
}

/* What cannot be both: what was sealed for a domain of this candidate is of no
 * use in another's, and what was in one that is gone is nowhere. */
static const char *
update_refuse(const struct update_object *o, const struct st_entry *self)
{
	if (o->lost)
		return "its domain was deleted meanwhile";
	if (o->exists && self->base == NULL && o->path.obj->place == OBJ_ROOT)
		return "somebody else has made it meanwhile";
	return NULL;
}

static int
update_whole(struct update *u, const struct st_entry *self, const char *why,
    struct err *e)
{
	u->n++;
	if (!u->mine)
		return st_cand_forget(u->view->cand, u->session, self->path, e);
	return err_set(e, ERR_REFUSED,
	    "%s: %s: update theirs forgets this part of the candidate",
	    self->path, why);
}

/* The rows of one object, its own first. */
static int
update_object(
    struct update *u, const struct st_entry *list, size_t n, struct err *e)
{
	struct update_object o;
	size_t i;
	const char *why;
	int r, wants;

	if ((r = update_look(u, &list[0], &o, e)) != 0)
		return r;
	if ((why = update_refuse(&o, &list[0])) != NULL) {
		r = update_whole(u, &list[0], why, e);
		n = 0;
	}
	for (i = 0; r == 0 && i < n; i++) {
		if ((wants = update_wants(u, &o, &list[i])) == 0)
			continue;
		if (wants < 0) {
			r = st_sql_unread(wants, e);
			break;
		}
		u->n++;
		r = u->mine ? update_mine(u, &o, &list[i], e)
			    : update_theirs(u, &list[i], e);
	}
	if (o.exists)
		obj_row_fini(&o.row);
	return r;
}

int
st_update(const struct st_view *v, const char *session, int64_t rev, bool mine,
    int64_t *n, struct err *e)
{
	struct update u = {v, session, rev, mine, 0};
	struct pool *pool = pool_new();
	struct st_entry *list;
	size_t rows = 0, at, end;
	int r = st_cand_list(v->cand, session, pool, &list, &rows, e);

	for (at = 0; r == 0 && at < rows; at = end) {
		for (end = at + 1;
		     end < rows && list[end].path == list[at].path; end++)
			;
		r = update_object(&u, &list[at], end - at, e);
	}
	st_cand_remember(v->cand, NULL, NULL, NULL);
	pool_free(&pool);
	*n = u.n;
	return r;
}
