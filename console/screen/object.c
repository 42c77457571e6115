/*
 * A page of lists: one for each kind of object below another (the users and
 * numbers of a domain), then one for each operation that lists something of
 * it (its calls, its records). Without an object: what the site itself has.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define OBJECT_TABS 9
#define OBJECT_WHERE (KEY_LIST | KEY_OBJECTS | KEY_TABS)

struct object_tab {
	char title[40];
	const struct obj *kind; /* NULL: an operation */
	char op[96];
};

struct object {
	struct page page;
	struct obj_path path; /* obj NULL: the site */
	char text[OBJ_PATH];
	struct object_tab tabs[OBJECT_TABS];
	size_t ntabs, tab;
	struct page *list; /* of the tab */
};

/* ---- which lists there are ---------------------------------------------- */

/* A title with a capital. */
static struct object_tab *
object_add(struct object *x, const char *title, const char *behind)
{
	struct object_tab *t;

	if (x->ntabs == OBJECT_TABS)
		return NULL;
	t = &x->tabs[x->ntabs++];
	snprintf(t->title, sizeof t->title, "%s%s", title, behind);
	t->title[0] = (char)toupper((unsigned char)t->title[0]);
	return t;
}

/* The argument that names the object, when no other is required. */
static const struct op_field *
object_argument(const struct op *op, const struct obj *o)
{
	const struct op_field *f, *found = NULL;

	if (op->kind != OP_READ || op->cols == NULL)
		return NULL;
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_ref && str_equal(f->ref, o->name))
			found = f;
		else if (f->flags & OP_REQUIRED)
			return NULL;
	}
	return found;
}

/* Is it a list of what is a kind of our objects, as it is now? */
static bool
object_has_kind(const struct object *x, const char *name)
{
	size_t i;

	for (i = 0; i < x->ntabs; i++) {
		if (x->tabs[i].kind != NULL &&
		    strcmp(x->tabs[i].kind->name, name) == 0)
			return true;
	}
	return false;
}

/* Lists of operations: those that want the object named, then those that can
 * do without. */
static void
object_add_ops(struct object *x, const struct op_table *t, bool required)
{
	const struct op *const *op;
	const struct op_field *f;
	struct object_tab *tab;

	for (op = t->ops; *op != NULL; op++) {
		f = object_argument(*op, x->path.obj);
		if (f == NULL || !session_may(x->page.s->session, *op) ||
		    ((f->flags & OP_REQUIRED) != 0) != required ||
		    !str_prefix((*op)->name, "show "))
			continue;
		tab = object_add(x, (*op)->name + 5,
		    object_has_kind(x, (*op)->cols[0].name) ? " now" : "");
		if (tab != NULL)
			str_copy(tab->op, sizeof tab->op, (*op)->name);
	}
}

static void
object_find_tabs(struct object *x)
{
	const struct op_table *t = &x->page.s->session->table;
	const struct obj *const *o;
	struct object_tab *tab;

	x->ntabs = 0;
	for (o = t->objs; *o != NULL; o++) {
		if ((*o)->parent != x->path.obj ||
		    !list_objects_may(x->page.s, *o))
			continue;
		if ((tab = object_add(x, (*o)->name, "s")) != NULL)
			tab->kind = *o;
	}
	if (x->path.obj != NULL) {
		object_add_ops(x, t, true);
		object_add_ops(x, t, false);
	}
}

bool
object_has_tabs(struct screen *s, const struct obj_path *p)
{
	const struct obj *const *o;

	for (o = s->session->table.objs; *o != NULL; o++) {
		if ((*o)->parent == p->obj)
			return true;
	}
	return false;
}

/* ---- the list of a tab -------------------------------------------------- */

/* The arguments that ask an operation of this object. */
static json_t *
object_params(const struct object *x, const struct op *op)
{
	const struct op_field *f = object_argument(op, x->path.obj);

	return f != NULL
	    ? json_pack("{s:s}", f->name, x->path.key[x->path.nkeys - 1])
	    : NULL;
}

static void
object_open_tab(struct object *x, size_t tab)
{
	struct screen *s = x->page.s;
	const struct op *op;
	struct obj_path kind;

	if (tab >= x->ntabs)
		return;
	if (x->list != NULL)
		x->list->ops->free(x->list);
	x->list = NULL;
	x->tab = tab;
	if (x->tabs[tab].kind != NULL) {
		kind = x->path;
		kind.obj = x->tabs[tab].kind;
		x->list = list_objects(s, &kind);
	} else if ((op = op_find(&s->session->table, x->tabs[tab].op)) !=
	    NULL) {
		x->list = list_new(s, op, object_params(x, op));
	}
	x->page.where = OBJECT_WHERE |
	    (x->list != NULL ? x->list->where & (KEY_CALLS | KEY_SEARCH) : 0);
}

/* ---- the page ----------------------------------------------------------- */

/* "[1 Users] 2 Numbers": the tab that is open is always among them. */
static void
object_draw_tabs(const struct object *x, const struct area *a)
{
	struct buf b = BUF_INIT;
	size_t from = 0, i;

	for (;; from++) {
		buf_reset(&b);
		buf_str(&b, from != 0 ? "<" : "");
		for (i = from; i < x->ntabs; i++) {
			if (i == x->tab + 1 && b.len >= a->cols)
				break;
			buf_fmt(&b, i == x->tab ? " [%zu %s]" : "  %zu %s ",
			    i + 1, x->tabs[i].title);
		}
		if (from >= x->tab || i > x->tab + 1 || b.len < a->cols)
			break;
	}
	draw_text(
	    a->row, a->col, a->cols, TONE_HEAD, b.data != NULL ? b.data : "");
	buf_fini(&b);
}

static void
object_draw(struct page *p, const struct area *a)
{
	struct object *x = (struct object *)p;
	struct area in = {a->row + 1, a->col, a->rows - 1, a->cols};

	object_draw_tabs(x, a);
	if (x->list == NULL)
		return;
	x->list->ops->draw(x->list, &in);
	p->typing = x->list->typing;
}

static bool
object_press(struct page *p, int press)
{
	struct object *x = (struct object *)p;
	bool taken = x->list != NULL && x->list->ops->press(x->list, press);

	p->typing = x->list != NULL && x->list->typing;
	return taken;
}

static bool
object_act(struct page *p, const struct key *k)
{
	struct object *x = (struct object *)p;
	bool taken;

	switch (k->act) {
	case ACT_TAB:
		object_open_tab(x, (x->tab + 1) % (x->ntabs + !x->ntabs));
		return true;
	case ACT_TAB_BACK:
		object_open_tab(x, x->tab != 0 ? x->tab - 1 : x->ntabs - 1);
		return true;
	case ACT_TAB_NUMBER:
		object_open_tab(x, (size_t)(k->press - '1'));
		return true;
	default:
		taken = x->list != NULL && page_act(x->list, k);
		p->typing = x->list != NULL && x->list->typing;
		return taken;
	}
}

static void
object_tick(struct page *p)
{
	struct object *x = (struct object *)p;

	if (x->list != NULL)
		x->list->ops->tick(x->list);
}

/* Other tables: the same object, the same tab, as far as they are there. */
static void
object_bind(struct page *p)
{
	struct object *x = (struct object *)p;
	const struct obj *const *objs = p->s->session->table.objs;

	if (x->text[0] != '\0' &&
	    obj_path_parse(objs, x->text, &x->path, NULL) != 0) {
		x->ntabs = 0;
		if (x->list != NULL)
			x->list->ops->bind(x->list);
		return;
	}
	object_find_tabs(x);
	if (x->list != NULL)
		x->list->ops->bind(x->list);
	else
		object_open_tab(x, 0);
}

static struct grid *
object_grid(struct page *p)
{
	struct object *x = (struct object *)p;

	return x->list != NULL ? x->list->ops->grid(x->list) : NULL;
}

static json_t *
object_list_params(struct page *p)
{
	struct object *x = (struct object *)p;

	return x->list != NULL ? x->list->ops->params(x->list) : NULL;
}

static bool
object_path(struct page *p, bool kind, struct obj_path *out)
{
	struct object *x = (struct object *)p;

	return x->list != NULL && x->list->ops->path(x->list, kind, out);
}

static void
object_free(struct page *p)
{
	struct object *x = (struct object *)p;

	if (x->list != NULL)
		x->list->ops->free(x->list);
	free(x);
}

static const struct page_ops object_ops = {.draw = object_draw,
    .press = object_press,
    .act = object_act,
    .tick = object_tick,
    .bind = object_bind,
    .grid = object_grid,
    .params = object_list_params,
    .path = object_path,
    .free = object_free};

struct page *
object_new(struct screen *s, const struct obj_path *path)
{
	struct object *x = xcalloc(1, sizeof *x);

	x->page.ops = &object_ops;
	x->page.where = OBJECT_WHERE;
	x->page.s = s;
	if (path != NULL) {
		x->path = *path;
		obj_path_text(path, x->text, sizeof x->text);
	}
	str_copy(x->page.name, sizeof x->page.name,
	    path != NULL ? path->key[path->nkeys - 1] : "Site");
	object_find_tabs(x);
	object_open_tab(x, 0);
	return &x->page;
}

/* ---- the object that a row is ------------------------------------------- */

/* A value that names an object: of the row, else of what it was asked with. */
static bool
object_key(const struct op_field *f, const char *name, json_t *row,
    json_t *args, char out[OBJ_KEY])
{
	json_t *value = json_object_get(row, name);
	struct buf b = BUF_INIT;
	bool good;

	if (value == NULL || json_is_null(value))
		value = json_object_get(args, name);
	render_cell(f, value, FORMAT_CSV, &b);
	good = b.len != 0 && op_parse(f, b.data, out, OBJ_KEY, NULL) == 0;
	buf_fini(&b);
	return good;
}

bool
object_of_row(
    struct screen *s, const struct grid *g, json_t *args, struct obj_path *out)
{
	const struct obj *const *o = s->session->table.objs, *up;
	json_t *row = grid_current(g);
	unsigned depth;

	if (row == NULL || g->ncols == 0)
		return false;
	while (*o != NULL && strcmp((*o)->name, g->cols[0]->name) != 0)
		o++;
	if (*o == NULL)
		return false;
	memset(out, 0, sizeof *out);
	out->obj = *o;
	out->nkeys = depth = obj_depth(*o);
	for (up = *o; up != NULL; up = up->parent) {
		depth--;
		if (!object_key(&up->key, up->name, row, args, out->key[depth]))
			return false;
	}
	return true;
}
