/*
 * One edit of a candidate. Values arrive canonical (op_run has checked their
 * types); what is decided here needs the running row and the candidate:
 * whether a fixed field may still be set, what a secret is sealed to, and
 * whether there is anything to change at all. An edit that says what already
 * runs writes nothing. Parents and references are looked at by the commit,
 * so the order of edits is free, but for a domain: what belongs to it is
 * sealed for its id, so it comes first.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

/* One edit while it is being worked on. */
struct edit {
	const struct st_editor *ed;
	const struct obj_path *path;
	char text[OBJ_PATH];
	struct st_place at;
	struct obj_row row; /* as it runs */
	bool exists;	    /* it runs, and not only until the candidate does */
	struct st_object before;
	bool anew; /* made by this candidate: no running value counts */
};

/* There must be one, as the candidate has it. */
static int
edit_expect(const struct edit *ed, struct err *e)
{
	return ed->before.intent == ST_DELETE ||
		(ed->before.intent == ST_NONE && !ed->exists)
	    ? err_set(e, ERR_ABSENT, "there is no %s", ed->text)
	    : 0;
}

/* Look at both sides of the object before anything is written. */
static int
edit_begin(struct edit *ed, const struct st_editor *by,
    const struct obj_path *p, struct err *e)
{
	const struct st_view *v = by->view;
	struct obj_path above;
	int r;

	memset(ed, 0, sizeof *ed);
	ed->ed = by;
	ed->path = p;
	obj_path_text(p, ed->text, sizeof ed->text);
	if (p->nkeys != obj_depth(p->obj))
		return err_set(e, ERR_INVALID,
		    "%s: expected the name of one %s", ed->text, p->obj->name);
	if ((r = st_view_locate(v, by->session, p, &ed->at, e)) != 0)
		return r;
	if (!st_view_lost(v, by->session, p, &above) &&
	    (r = st_view_row(&ed->at, p, &ed->row, &ed->exists, e)) != 0)
		return r;
	r = st_cand_object(v->cand, by->session, ed->text, &ed->before, e);
	ed->anew = ed->before.intent == ST_REPLACE ||
	    ed->before.intent == ST_DELETE || !ed->exists;
	return r == 0 && by->there ? edit_expect(ed, e) : r;
}

static void
edit_end(struct edit *ed)
{
	if (ed->exists)
		obj_row_fini(&ed->row);
}

/* What runs for a field; NULL when the object is made anew. */
static const char *
edit_running(const struct edit *ed, const struct op_field *f)
{
	return ed->anew ? NULL : ed->row.value[f - ed->path->obj->fields];
}

/* Does the candidate say anything of the field? Its own row of an object comes
 * before those of fields, so without it there is nothing to look for. */
static bool
edit_is_said(const struct edit *ed, const struct op_field *f, bool *null)
{
	return ed->before.intent != ST_NONE &&
	    st_cand_value(ed->ed->view->cand, ed->ed->session, ed->text,
		f->name, NULL, null) == 0;
}

/* Has the field a value, in the candidate or running? */
static bool
edit_has_value(const struct edit *ed, const struct op_field *f)
{
	bool null;

	if (ed->before.intent != ST_DELETE && edit_is_said(ed, f, &null))
		return !null;
	return edit_running(ed, f) != NULL;
}

/* The value as it is stored: secrets sealed. *skip = leave it as it is. */
static int
edit_value(const struct edit *ed, const struct op_field *f, json_t *in,
    json_t **out, bool *skip, struct err *e)
{
	const char *text = json_string_value(in);
	const char *running = edit_running(ed, f);
	char *hex;
	int r;

	*skip = false;
	if ((f->flags & OP_INTERNAL) && !ed->ed->internal)
		return err_set(e, ERR_REFUSED, "set by the system");
	if ((f->flags & OP_IMMUTABLE) && running != NULL &&
	    !str_equal(running, text))
		return err_set(e, ERR_REFUSED, "fixed when the %s was made",
		    ed->path->obj->name);
	if (text == NULL || !f->type->secret) {
		*out = text != NULL ? json_string(text) : json_null();
		return 0;
	}
	if (strcmp(text, OP_SEALED) == 0) {
		*skip = true;
		return edit_has_value(ed, f)
		    ? 0
		    : err_set(e, ERR_INVALID,
			  "there is no secret to keep: set a new one");
	}
	r = st_seal_secret(ed->ed->seal, ed->ed->view, ed->ed->session,
	    ed->path, f, text, &hex, e);
	if (r == 0) {
		*out = json_string(hex);
		free(hex);
	}
	return r;
}

/* Check and seal every value before the first is written. */
static int
edit_values(const struct edit *ed, json_t *values, json_t *ready, struct err *e)
{
	const struct op_field *f;
	const char *name;
	json_t *value, *out = NULL;
	bool skip;
	int r;

	json_object_foreach (values, name, value) {
		f = obj_field(ed->path->obj, name);
		if (f == NULL)
			return err_set(e, ERR_UNKNOWN,
			    "%s: no such field of a %s", name,
			    ed->path->obj->name);
		if ((r = edit_value(ed, f, value, &out, &skip, e)) != 0)
			return err_wrap(e, "%s: %s", ed->text, name);
		if (!skip)
			json_object_set_new(ready, name, out);
	}
	return 0;
}

/* A domain gets its id and realm with the edit that makes it. */
static int
edit_new_domain(const struct edit *ed, struct err *e)
{
	const struct st_editor *by = ed->ed;
	struct st_cand *c = by->view->cand;
	char id[ST_ID];
	int r;

	if (ed->path->obj->place != OBJ_ROOT)
		return 0;
	rand_hex(id, (ST_ID - 1) / 2);
	r = st_cand_put(c, by->session, ed->text, "id", NULL, id, by->rev, e);
	if (r == 0)
		r = st_cand_put(c, by->session, ed->text, "realm", NULL,
		    ed->path->key[0], by->rev, e);
	return r;
}

/* The object shall exist: said once, and again after a deletion. */
static int
edit_intend(struct edit *ed, struct err *e)
{
	const struct st_editor *by = ed->ed;
	enum st_intent was = ed->before.intent;
	int r;

	if (was == ST_SET || was == ST_REPLACE)
		return 0;
	r = st_cand_intend(by->view->cand, by->session, ed->text,
	    was == ST_DELETE ? ST_REPLACE : ST_SET, ed->exists, by->rev, e);
	if (r == 0 && ed->anew)
		r = edit_new_domain(ed, e);
	ed->before.intent = ST_SET;
	return r;
}

/* Write one value, unless it runs already and the candidate is silent. */
static int
edit_put(
    struct edit *ed, const struct op_field *f, const char *value, struct err *e)
{
	const struct st_editor *by = ed->ed;
	struct st_cand *c = by->view->cand;
	const char *running = edit_running(ed, f);
	int r;

	if (!ed->anew && str_equal(running, value) &&
	    !edit_is_said(ed, f, NULL))
		return 0;
	if ((r = edit_intend(ed, e)) != 0)
		return r;
	return st_cand_put(
	    c, by->session, ed->text, f->name, running, value, by->rev, e);
}

int
st_edit_set(const struct st_editor *by, const struct obj_path *p,
    json_t *values, struct err *e)
{
	json_t *ready = json_object(), *value;
	const char *name;
	struct edit ed;
	int r;

	r = edit_begin(&ed, by, p, e);
	if (r == 0)
		r = edit_values(&ed, values, ready, e);
	if (r == 0 && ed.anew)
		r = edit_intend(&ed, e);
	json_object_foreach (ready, name, value) {
		if (r == 0)
			r = edit_put(&ed, obj_field(p->obj, name),
			    json_string_value(value), e);
	}
	edit_end(&ed);
	json_decref(ready);
	return r;
}

/* Has the field this value, or the secret that is to be kept, as it runs? What
 * the system sets itself is nobody's to name. */
static bool
edit_runs(const struct edit *ed, const struct op_field *f, const char *text)
{
	const char *running = edit_running(ed, f);

	if (f->flags & OP_INTERNAL)
		return false;
	if (f->type->secret)
		return running != NULL && str_equal(text, OP_SEALED);
	return str_equal(running, text);
}

int
st_edit_same(const struct st_editor *by, const struct obj_path *p,
    json_t *values, struct err *e)
{
	const struct op_field *f;
	const char *name;
	json_t *value;
	struct edit ed;
	bool same;
	int r;

	r = edit_begin(&ed, by, p, e);
	same = r == 0 && !ed.anew && ed.before.intent == ST_NONE;
	json_object_foreach (values, name, value) {
		f = obj_field(p->obj, name);
		same = same && f != NULL &&
		    edit_runs(&ed, f, json_string_value(value));
	}
	edit_end(&ed);
	return r != 0 ? r : same;
}

/* The list as the session sees it: its own, else what runs, else the
 * default. */
static void
edit_list(const struct edit *ed, const struct op_field *f, struct buf *out)
{
	const char *running = edit_running(ed, f);
	bool null = running == NULL;

	if (st_cand_value(ed->ed->view->cand, ed->ed->session, ed->text,
		f->name, out, &null) != 0 &&
	    running != NULL)
		buf_str(out, running);
	if (null && f->def != NULL)
		buf_str(out, f->def);
	buf_str(out, "");
}

/* The list as it shall be, none where it is to be cleared. */
static int
edit_set_list(const struct st_editor *by, const struct obj_path *p,
    const struct op_field *f, const struct buf *list, struct err *e)
{
	json_t *set = json_pack(
	    "{s:s?}", f->name, list->len > 0 ? list->data : NULL);
	int r = st_edit_set(by, p, set, e);

	json_decref(set);
	return r;
}

/* What has become of the list goes on to be set. */
static int
edit_list_done(const struct st_editor *by, struct edit *ed,
    const struct op_field *f, const struct buf *list, int r, struct err *e)
{
	if (r == 0 && list->len == 0 && f->def != NULL)
		r = err_set(e, ERR_REFUSED,
		    "without a value it would be what it is by default: %s",
		    f->def);
	if (r != 0)
		r = err_wrap(e, "%s: %s", ed->text, f->name);
	edit_end(ed);
	return r == 0 ? edit_set_list(by, ed->path, f, list, e) : r;
}

/* What a list becomes, of a text to another. */
struct edit_members {
	const char *values;
	bool take; /* away; else they are inserted: */
	enum st_side side;
	const char *anchor;
};

static int
edit_members(const struct st_editor *as, const struct obj_path *p,
    const struct op_field *f, const struct edit_members *m, struct err *e)
{
	struct buf now = BUF_INIT, then = BUF_INIT;
	struct st_editor by = *as;
	struct edit ed;
	int r;

	by.there = true;
	if ((r = edit_begin(&ed, &by, p, e)) != 0) {
		edit_end(&ed);
		return r;
	}
	edit_list(&ed, f, &now);
	if (m->take)
		r = st_list_take(now.data, m->values, &then, e);
	else
		r = st_list_insert(
		    f, now.data, m->values, m->side, m->anchor, &then, e);
	r = edit_list_done(&by, &ed, f, &then, r, e);
	buf_fini(&now);
	buf_fini(&then);
	return r;
}

int
st_edit_insert(const struct st_editor *as, const struct obj_path *p,
    const struct op_field *f, const char *values, enum st_side side,
    const char *anchor, struct err *e)
{
	struct edit_members m = {
	    .values = values, .side = side, .anchor = anchor};

	return edit_members(as, p, f, &m, e);
}

int
st_edit_take(const struct st_editor *as, const struct obj_path *p,
    const struct op_field *f, const char *values, struct err *e)
{
	struct edit_members m = {.values = values, .take = true};

	return edit_members(as, p, f, &m, e);
}

/* The object and all below it. Made by this candidate only: it is forgotten. */
static int
edit_delete_object(struct edit *ed, struct err *e)
{
	const struct st_editor *by = ed->ed;
	enum st_intent was = ed->before.intent;
	int r = edit_expect(ed, e);

	if (r == 0)
		r = st_cand_forget(by->view->cand, by->session, ed->text, e);
	if (r != 0 || !(ed->exists || ed->before.existed))
		return r;
	return st_cand_intend(by->view->cand, by->session, ed->text, ST_DELETE,
	    true, was != ST_NONE ? ed->before.rev : by->rev, e);
}

static int
edit_delete_field(struct edit *ed, const char *name, struct err *e)
{
	const struct op_field *f = obj_field(ed->path->obj, name);

	if (f == NULL)
		return err_set(e, ERR_UNKNOWN, "%s: no such field of a %s",
		    name, ed->path->obj->name);
	if (f->flags & (OP_INTERNAL | OP_IMMUTABLE))
		return err_set(e, ERR_REFUSED, "%s: %s: cannot be cleared",
		    ed->text, name);
	return edit_has_value(ed, f) ? edit_put(ed, f, NULL, e) : 0;
}

int
st_edit_delete(const struct st_editor *by, const struct obj_path *p,
    json_t *fields, struct err *e)
{
	struct edit ed;
	json_t *name;
	size_t i;
	int r;

	r = edit_begin(&ed, by, p, e);
	if (r == 0 && json_array_size(fields) == 0) {
		r = edit_delete_object(&ed, e);
	} else if (r == 0) {
		r = edit_expect(&ed, e);
		json_array_foreach (fields, i, name) {
			if (r == 0)
				r = edit_delete_field(
				    &ed, json_string_value(name), e);
		}
	}
	edit_end(&ed);
	return r;
}
