/*
 * Where the rows of an object are: which stream, and which database while it
 * is open. A domain that only a candidate knows has an id already, so that
 * secrets below it can be sealed for their place, but no database yet.
 */
#include <stdio.h>
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

void
st_domain_stream(char out[STREAM_NAME], const char *id)
{
	snprintf(out, STREAM_NAME, "domain/%s", id);
}

/* The object of the directory: the one of the table that lives in it. */
static const struct obj *
st_view_directory(const struct obj *const *objs)
{
	while (*objs != NULL && (*objs)->place != OBJ_ROOT)
		objs++;
	return *objs;
}

void
st_domain_path(
    const struct obj *const *objs, const char *name, struct obj_path *p)
{
	p->obj = st_view_directory(objs);
	p->nkeys = 1;
	str_copy(p->key[0], sizeof p->key[0], name);
}

bool
st_path_parent(const struct obj_path *p, struct obj_path *up)
{
	if (p->obj->parent == NULL)
		return false;
	*up = *p;
	up->obj = p->obj->parent;
	up->nkeys = obj_depth(up->obj);
	return true;
}

bool
st_path_below(const char *path, const char *front)
{
	size_t n = strlen(front);

	return strncmp(path, front, n) == 0 &&
	    (path[n] == '\0' || path[n] == ' ');
}

#define VIEW_RUNS "SELECT 1 FROM domain WHERE id = ?1"

/* Does the directory have a row for the id? */
static int
st_view_has(const struct st_view *v, const char *sql, const char *id)
{
	sqlite3 *root = v->db(v->arg, ST_ROOT_STREAM);

	if (root == NULL)
		return 0;
	return st_sql_found(st_sql(root, NULL, sql, "s", id), NULL);
}

int
st_view_runs(const struct st_view *v, const char *id)
{
	return st_view_has(v, VIEW_RUNS, id);
}

int
st_view_known(const struct st_view *v, const char *id)
{
	return st_view_has(v,
	    VIEW_RUNS " UNION ALL SELECT 1 FROM tombstone WHERE id = ?1", id);
}

/* What the candidate says of a field, as a text of fixed size. */
static int
st_view_wanted(const struct st_view *v, const char *session, const char *path,
    const char *field, char *out, size_t size)
{
	struct buf b = BUF_INIT;
	int r = st_cand_value(v->cand, session, path, field, &b, NULL);

	if (r == 0)
		str_copy(out, size, b.data != NULL ? b.data : "");
	buf_fini(&b);
	return r;
}

int
st_view_row(const struct st_place *at, const struct obj_path *p,
    struct obj_row *row, bool *there, struct err *e)
{
	struct err why;
	int r = at->db != NULL ? obj_get(at->db, p, row, &why) : -ERR_ABSENT;

	*there = r == 0;
	return r == 0 || r == -ERR_ABSENT
	    ? 0
	    : err_set(e, why.code, "%s", why.text);
}

bool
st_view_lost(const struct st_view *v, const char *session,
    const struct obj_path *p, struct obj_path *by)
{
	char text[OBJ_PATH];
	struct st_object o;

	for (*by = *p;
	     st_path_parent(by, by) && by->obj->place == p->obj->place;) {
		obj_path_text(by, text, sizeof text);
		if (st_cand_object(v->cand, session, text, &o, NULL) == 0 &&
		    (o.intent == ST_DELETE || o.intent == ST_REPLACE))
			return true;
	}
	return false;
}

/* The domain as it runs. */
static int
st_view_running(const struct st_view *v, const struct obj_path *p,
    struct st_domain *d, struct err *e)
{
	sqlite3 *root = v->db(v->arg, ST_ROOT_STREAM);
	const char *id, *realm;
	struct obj_row row;
	int r = 0;

	if (root != NULL)
		r = obj_get(root, p, &row, e);
	if (root == NULL || r == -ERR_ABSENT)
		return err_set(
		    e, ERR_ABSENT, "there is no domain %s", p->key[0]);
	if (r != 0)
		return r;
	id = obj_value(&row, "id");
	realm = obj_value(&row, "realm");
	if (id == NULL || realm == NULL || !str_copy(d->id, sizeof d->id, id) ||
	    !str_copy(d->realm, sizeof d->realm, realm))
		r = err_set(
		    e, ERR_CORRUPT, "domain %s: no id or realm", p->key[0]);
	d->fresh = false;
	obj_row_fini(&row);
	return r;
}

/* The domain as a session's candidate has it. */
static int
st_view_candidate(const struct st_view *v, const char *session,
    const struct obj_path *p, struct st_domain *d, struct err *e)
{
	char text[OBJ_PATH];
	struct st_object o;
	int r;

	obj_path_text(p, text, sizeof text);
	if ((r = st_cand_object(v->cand, session, text, &o, e)) != 0)
		return r;
	if (o.intent == ST_DELETE)
		return err_set(e, ERR_ABSENT,
		    "domain %s: deleted in this candidate", p->key[0]);
	if (o.intent == ST_NONE || (o.intent == ST_SET && o.existed))
		return st_view_running(v, p, d, e);
	if (st_view_wanted(v, session, text, "id", d->id, sizeof d->id) != 0 ||
	    st_view_wanted(
		v, session, text, "realm", d->realm, sizeof d->realm) != 0)
		return err_set(e, ERR_CORRUPT,
		    "domain %s: candidate without id", p->key[0]);
	if ((r = st_view_known(v, d->id)) < 0)
		return st_sql_unread(r, e);
	d->fresh = r == 0;
	return 0;
}

int
st_view_domain(const struct st_view *v, const char *session, const char *name,
    struct st_domain *d, struct err *e)
{
	struct obj_path p;
	int r;

	st_domain_path(v->objs, name, &p);
	if (session == NULL)
		return st_view_running(v, &p, d, e);
	if (st_cand_recall(v->cand, session, name, d))
		return 0;
	if ((r = st_view_candidate(v, session, &p, d, e)) == 0)
		st_cand_remember(v->cand, session, name, d);
	return r;
}

int
st_view_locate(const struct st_view *v, const char *session,
    const struct obj_path *p, struct st_place *at, struct err *e)
{
	struct st_domain d;
	int r;

	if (p->obj->place == OBJ_SITE) {
		str_copy(at->stream, sizeof at->stream, v->site);
	} else if (p->obj->place == OBJ_ROOT) {
		str_copy(at->stream, sizeof at->stream, ST_ROOT_STREAM);
	} else {
		if ((r = st_view_domain(v, session, p->key[0], &d, e)) != 0)
			return r;
		st_domain_stream(at->stream, d.id);
		if (d.fresh) {
			at->db = NULL;
			return 0;
		}
	}
	at->db = v->db(v->arg, at->stream);
	if (at->db == NULL)
		return err_set(
		    e, ERR_NOOWNER, "stream %s is not open", at->stream);
	return 0;
}
