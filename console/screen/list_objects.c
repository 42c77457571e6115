/*
 * Rows of a list of objects. They are read out of the set lines that `show
 * configuration` answers, with the candidate's changes in them; where an
 * operation lists the kind (show domains) and much lies below each object,
 * its rows are taken, and the changes from `compare`. Of a change the sign is
 * put beside the row.
 */
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define LIST_CONFIGURATION "show configuration"

/* ---- columns ------------------------------------------------------------ */

/* The key and the fields; what is no text for a table only when asked for. */
static void
list_objects_columns(struct list *l)
{
	const struct obj *o = l->kind.obj;
	const struct op_field *cols[GRID_COLS], *f;
	size_t n = 0, i;

	cols[n++] = &o->key;
	for (f = o->fields; f->name != NULL && n < GRID_COLS; f++) {
		if (!(f->flags & OP_INTERNAL))
			cols[n++] = f;
	}
	i = l->grid.ncols;
	grid_columns(&l->grid, cols, n);
	if (i == n)
		return;
	for (i = 1; i < n; i++)
		l->grid.hidden[i] = cols[i]->type == &op_type_blob;
}

/* The operation that lists a kind much of which lies below: show domains. */
static const struct op *
list_objects_op(struct screen *s, const struct obj *kind)
{
	const struct op_table *t = &s->session->table;
	const struct obj *const *o = t->objs;
	const struct op *op;
	char name[96];

	while (*o != NULL && (*o)->parent != kind)
		o++;
	if (*o == NULL || kind->parent != NULL)
		return NULL;
	snprintf(name, sizeof name, "show %ss", kind->name);
	op = op_find(t, name);
	if (op == NULL || op->cols == NULL ||
	    !str_equal(op->cols[0].name, kind->name))
		return NULL;
	return op;
}

bool
list_objects_may(struct screen *s, const struct obj *kind)
{
	const struct op *op = list_objects_op(s, kind);

	return session_may(s->session,
	    op != NULL ? op : op_find(&s->session->table, LIST_CONFIGURATION));
}

/* ---- rows --------------------------------------------------------------- */

/* A value as the JSON that its column shows. */
static json_t *
list_objects_value(const struct op_field *f, json_t *value)
{
	char *text = form_value_text(value);
	json_t *v;

	v = f != NULL && text != NULL ? op_to_json(f, text) : json_null();
	free(text);
	return v;
}

/* The row of a set line, NULL when it is of another kind or, with words, not
 * understood. */
static json_t *
list_objects_row(struct list *l, const char *line, struct err *e)
{
	const struct obj *o = l->kind.obj;
	struct obj_path p;
	struct op_walk w;
	json_t *row = NULL, *value;
	const char *name, *path;

	if (op_walk(&l->page.s->session->table, line, 0, &w) != 0) {
		err_set(e, ERR_INTERNAL, "%s: %s", line, w.err.text);
		op_walk_fini(&w);
		return NULL;
	}
	path = json_string_value(json_object_get(w.args, "path"));
	if (path != NULL && w.obj == o &&
	    obj_path_parse(l->page.s->session->table.objs, path, &p, NULL) ==
		0) {
		row = json_object();
		json_object_set_new(
		    row, o->key.name, op_to_json(&o->key, p.key[p.nkeys - 1]));
		json_object_foreach (
		    json_object_get(w.args, "values"), name, value)
			json_object_set_new(row, name,
			    list_objects_value(obj_field(o, name), value));
	}
	op_walk_fini(&w);
	return row;
}

/* Fields that are not set have their defaults. */
static void
list_objects_defaults(const struct list *l, json_t *row)
{
	const struct op_field *f;

	for (f = l->kind.obj->fields; f->name != NULL; f++) {
		if (f->def != NULL && json_object_get(row, f->name) == NULL)
			json_object_set_new(
			    row, f->name, op_to_json(f, f->def));
	}
}

/* All rows, so that marks can be put into them; NULL where one is not
 * understood: a list that lacks an object would be believed. */
static json_t *
list_objects_rows(struct list *l)
{
	struct err e = {0};
	json_t *rows = json_array(), *in, *row;
	size_t i;

	json_array_foreach (watch_rows(l->watch), i, in) {
		if (l->live)
			row = json_copy(in);
		else
			row = list_objects_row(l,
			    json_string_value(json_object_get(in, "line")), &e);
		if (e.code != ERR_NONE) {
			l->watch->err = e;
			json_decref(rows);
			return NULL;
		}
		if (row == NULL)
			continue;
		if (!l->live)
			list_objects_defaults(l, row);
		json_array_append_new(rows, row);
	}
	return rows;
}

/* ---- what the candidate does to them ------------------------------------ */

/* The key, among our objects, that a change concerns; deeper: something that
 * lies below it. NULL: it is no object of this list. */
static const char *
list_objects_changed(
    const struct list *l, const char *path, struct obj_path *p, bool *deeper)
{
	const struct obj *o;
	unsigned i;

	if (path == NULL ||
	    obj_path_parse(l->page.s->session->table.objs, path, p, NULL) !=
		0 ||
	    p->nkeys <= l->kind.nkeys)
		return NULL;
	for (o = p->obj; o != NULL && o != l->kind.obj; o = o->parent)
		;
	if (o == NULL)
		return NULL;
	for (i = 0; i < l->kind.nkeys; i++) {
		if (strcmp(p->key[i], l->kind.key[i]) != 0)
			return NULL;
	}
	*deeper = p->obj != l->kind.obj;
	return p->key[l->kind.nkeys];
}

/* The row of that key; made when the change is one that made or took it. */
static json_t *
list_objects_find(struct list *l, json_t *rows, const char *key, bool make)
{
	const struct op_field *f = &l->kind.obj->key;
	json_t *row, *value = op_to_json(f, key);
	size_t i;

	json_array_foreach (rows, i, row) {
		if (json_equal(json_object_get(row, f->name), value)) {
			json_decref(value);
			return row;
		}
	}
	if (!make) {
		json_decref(value);
		return NULL;
	}
	row = json_object();
	json_object_set_new(row, f->name, value);
	json_array_append_new(rows, row);
	return row;
}

/* Put the sign of one step beside its row. */
static void
list_objects_mark(struct list *l, json_t *rows, json_t *step)
{
	const char *sign = json_string_value(json_object_get(step, "change"));
	const char *path = json_string_value(json_object_get(step, "path"));
	json_t *field = json_object_get(step, "field"), *row;
	struct obj_path p;
	bool deeper, whole;
	const char *key = list_objects_changed(l, path, &p, &deeper);

	if (key == NULL || sign == NULL)
		return;
	whole = !deeper && *sign != '~' &&
	    (!json_is_string(field) || json_string_length(field) == 0);
	if ((row = list_objects_find(l, rows, key, whole)) == NULL)
		return;
	if (whole)
		json_object_set_new(row, GRID_CHANGE, json_string(sign));
	else if (json_object_get(row, GRID_CHANGE) == NULL)
		json_object_set_new(row, GRID_CHANGE, json_string("~"));
}

void
list_objects_take(struct list *l)
{
	json_t *rows, *step;
	size_t i;

	if (l->kind.obj == NULL)
		return;
	if ((rows = list_objects_rows(l)) == NULL)
		return;
	json_array_foreach (watch_rows(l->page.s->changes), i, step)
		list_objects_mark(l, rows, step);
	grid_take(&l->grid, rows);
	json_decref(rows);
}

/* ---- the kind ----------------------------------------------------------- */

void
list_objects_open(struct list *l, const struct obj_path *kind)
{
	struct screen *s = l->page.s;
	const struct op *op = list_objects_op(s, kind->obj);

	l->objects = true;
	l->live = op != NULL;
	l->kind = *kind;
	obj_path_text(kind, l->kind_text, sizeof l->kind_text);
	snprintf(l->page.name, sizeof l->page.name, "%.150ss", l->kind_text);
	str_copy(l->brief, sizeof l->brief, kind->obj->brief);
	str_copy(l->op, sizeof l->op, l->live ? op->name : LIST_CONFIGURATION);
	if (l->live)
		l->watch = watch_new(s, l->op, NULL, CLOCK_SEC);
	else
		l->watch = watch_new(s, l->op,
		    json_pack(
			"{s:s, s:s}", "path", l->kind_text, "candidate", "yes"),
		    2 * CLOCK_SEC);
	if (!l->live)
		list_objects_columns(l);
}

bool
list_objects_bind(struct list *l)
{
	if (obj_path_parse(l->page.s->session->table.objs, l->kind_text,
		&l->kind, NULL) != 0) {
		l->kind.obj = NULL;
		return false;
	}
	if (!l->live)
		list_objects_columns(l);
	l->seen = 0;
	return true;
}

bool
list_objects_path(struct list *l, bool kind, struct obj_path *out)
{
	const struct op_field *f;
	struct buf key = BUF_INIT;
	bool good;

	if (l->kind.obj == NULL)
		return false;
	*out = l->kind;
	if (kind)
		return true;
	if (grid_current(&l->grid) == NULL)
		return false;
	f = &l->kind.obj->key;
	render_cell(f, json_object_get(grid_current(&l->grid), f->name),
	    FORMAT_CSV, &key);
	good = key.data != NULL &&
	    str_copy(out->key[out->nkeys], OBJ_KEY, key.data);
	out->nkeys++;
	buf_fini(&key);
	return good;
}
