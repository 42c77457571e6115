/*
 * Configuration as lines that can be pasted back: `set PATH field value ...`,
 * one line an object, in the order of the object table and of the keys,
 * parents first. Equal configuration gives equal text. Secrets are printed as
 * the word that means "leave it as it is"; what the system sets itself is
 * left out.
 */
#include <stdlib.h>
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

struct export
{
	const struct obj *const *objs;
	sqlite3 *db;
	enum obj_place place;
	const struct obj_path *limit;
	const char *domain;
	st_line_fn *fn;
	void *arg;
};

/* Several values, as they stand in a line. */
static void
export_list(struct buf *b, const char *values)
{
	buf_char(b, '[');
	op_quote_words(b, values);
	buf_char(b, ']');
}

/* A value, or a list in brackets, behind its field's name. */
static void
export_value(struct buf *b, const struct op_field *f, const char *value)
{
	buf_char(b, ' ');
	buf_str(b, f->name);
	buf_char(b, ' ');
	if (f->type->secret)
		buf_str(b, OP_SEALED);
	else if ((f->flags & OP_LIST) && strchr(value, ' ') != NULL)
		export_list(b, value);
	else
		op_quote(b, value);
}

/* One line: the path, then the fields that are set, in the table's order. */
static int
export_line(const struct export *x, const struct obj_row *row, struct err *e)
{
	const struct op_field *f = row->path.obj->fields;
	struct buf b = BUF_INIT;
	char path[OBJ_PATH];
	int i, r;

	obj_path_text(&row->path, path, sizeof path);
	buf_str(&b, "set ");
	op_quote_words(&b, path);
	for (i = 0; f[i].name != NULL; i++) {
		if (row->value[i] != NULL && !(f[i].flags & OP_INTERNAL))
			export_value(&b, &f[i], row->value[i]);
	}
	r = b.failed ? err_set(e, ERR_NOMEM, "out of memory")
		     : x->fn(x->arg, b.data, e);
	buf_fini(&b);
	return r;
}

/* Is the path within what was asked for? The limit may be a kind. */
static bool
export_wanted(const struct export *x, const struct obj_path *p)
{
	char path[OBJ_PATH], limit[OBJ_PATH];

	if (x->limit == NULL)
		return true;
	obj_path_text(p, path, sizeof path);
	obj_path_text(x->limit, limit, sizeof limit);
	return st_path_below(path, limit);
}

/* Can anything within the limit be found below this path? */
static bool
export_leads(const struct export *x, const struct obj_path *p)
{
	char path[OBJ_PATH], limit[OBJ_PATH];

	if (x->limit == NULL)
		return true;
	obj_path_text(p, path, sizeof path);
	obj_path_text(x->limit, limit, sizeof limit);
	return st_path_below(path, limit) || st_path_below(limit, path);
}

static int export_children(
    const struct export *, const struct obj_path *, struct err *);

struct export_walk {
	const struct export *x;
	const struct obj_path *above;
};

/* The row, if it is wanted, then what is below it. */
static int
export_row(void *arg, struct obj_row *row, struct err *e)
{
	struct export_walk *w = arg;
	int r;

	/* The stream of a domain does not say whose it is. */
	if (w->x->domain != NULL)
		str_copy(row->path.key[0], OBJ_KEY, w->x->domain);
	if (!export_leads(w->x, &row->path))
		return 0;
	if (export_wanted(w->x, &row->path) &&
	    (r = export_line(w->x, row, e)) != 0)
		return r;
	return export_children(w->x, &row->path, e);
}

/* All objects right below a path (NULL = at the top) that live here. */
static int
export_children(
    const struct export *x, const struct obj_path *above, struct err *e)
{
	const struct obj *up = above != NULL ? above->obj : NULL;
	struct export_walk w = {x, above};
	const struct obj *const *o;
	struct obj_path kind;
	int r = 0;

	for (o = x->objs; r == 0 && *o != NULL; o++) {
		if ((*o)->parent != up || (*o)->place != x->place)
			continue;
		memset(&kind, 0, sizeof kind);
		if (above != NULL)
			kind = *above;
		kind.obj = *o;
		if (export_leads(x, &kind))
			r = obj_each(x->db, &kind, NULL, 0, export_row, &w, e);
	}
	return r;
}

int
st_export(const struct obj *const *objs, sqlite3 *db, enum obj_place place,
    const struct obj_path *limit, const char *domain, st_line_fn *fn, void *arg,
    struct err *e)
{
	struct export x = {objs, db, place, limit, domain, fn, arg};
	struct obj_path above;

	if (domain == NULL)
		return export_children(&x, NULL, e);
	st_domain_path(objs, domain, &above);
	return export_children(&x, &above, e);
}
