/*
 * Lists: the rows of an operation that reads, asked again each second while
 * they are in view; rows that were an answer and stay; and the objects of a
 * kind as the candidate has them (list_objects.c makes their rows). The filter
 * narrows the rows that are here; of a list that goes on the server filters
 * too, so that what passes is found wherever it stands.
 */
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LIST_MATCH "match" /* the argument by which a server filters */
#define LIST_MATCH_MAX 100

/* ---- rows --------------------------------------------------------------- */

/* All columns of an operation. */
static void
list_use_op(struct list *l, const struct op *op)
{
	const struct op_field *cols[GRID_COLS];
	size_t n = 0;

	for (; op->cols != NULL && op->cols[n].name != NULL && n < GRID_COLS;
	     n++)
		cols[n] = &op->cols[n];
	grid_columns(&l->grid, cols, n);
}

static json_t *list_next(const struct list *);
static void list_ask_part(struct list *, json_t *after);

/* The server filters. */
static bool
list_is_matched(const struct list *l)
{
	return l->watch != NULL &&
	    json_object_get(l->watch->params, LIST_MATCH) != NULL;
}

/* A part in which nothing was found says where to look on. */
static bool
list_looks_on(struct list *l)
{
	json_t *next = list_next(l);

	if (next == NULL || l->watch->asked || !list_is_matched(l) ||
	    json_array_size(watch_rows(l->watch)) != 0)
		return false;
	list_ask_part(l, json_incref(next));
	return true;
}

/* The newest answer becomes the rows, unless they are frozen. */
static void
list_look(struct list *l)
{
	unsigned changes = l->page.s->changes->seen;

	if (l->watch == NULL || l->watch->result == NULL || l->frozen ||
	    (l->seen == l->watch->seen &&
		(!l->objects || l->changes == changes)))
		return;
	l->seen = l->watch->seen;
	l->changes = changes;
	if (!list_looks_on(l) && list_is_matched(l))
		list_more_look(l, list_next(l));
	if (l->objects)
		list_objects_take(l);
	else
		grid_take(&l->grid, watch_rows(l->watch));
}

static void
list_tick(struct page *p)
{
	struct list *l = (struct list *)p;

	if (l->watch != NULL && !l->frozen)
		watch_tick(l->watch);
}

/* Other tables: the columns are theirs now, or there are none. */
static void
list_bind(struct page *p)
{
	struct list *l = (struct list *)p;
	const struct op *op;

	if (l->op[0] == '\0')
		return;
	if (l->watch != NULL)
		l->watch->asked_at = 0;
	op = op_find(&p->s->session->table, l->op);
	if (op == NULL || (l->objects && !list_objects_bind(l)))
		grid_columns(&l->grid, NULL, 0);
	else if (!l->objects || l->live)
		list_use_op(l, op);
}

/* ---- parts of a long list ------------------------------------------------ */

/* What `after` the next part has; NULL when there is none. */
static json_t *
list_next(const struct list *l)
{
	json_t *next = l->watch != NULL
	    ? json_object_get(l->watch->result, "next")
	    : NULL;

	return json_is_string(next) ? next : NULL;
}

/* The same where there are rows: of a list that the server filters there may
 * be none left. */
static json_t *
list_more(const struct list *l)
{
	json_t *next = list_next(l);

	if (next == NULL || !list_is_matched(l))
		return next;
	return list_more_is(l, next) ? next : NULL;
}

/* Ask for another part; after is taken, null = the first. */
static void
list_ask_part(struct list *l, json_t *after)
{
	if (l->watch->params == NULL)
		l->watch->params = json_object();
	if (json_is_string(after))
		json_object_set(l->watch->params, "after", after);
	else
		json_object_del(l->watch->params, "after");
	json_decref(after);
	l->frozen = false;
	watch_ask(l->watch);
	grid_act(&l->grid, &(struct key){.act = ACT_FIRST}, l->rows);
}

static void
list_next_part(struct list *l)
{
	json_t *next = list_more(l), *now;

	if (next == NULL)
		return;
	now = json_object_get(l->watch->params, "after");
	json_array_append_new(
	    l->parts, now != NULL ? json_incref(now) : json_null());
	list_ask_part(l, json_incref(next));
}

static void
list_part_before(struct list *l)
{
	size_t n = json_array_size(l->parts);
	json_t *after;

	if (n == 0)
		return;
	after = json_incref(json_array_get(l->parts, n - 1));
	json_array_remove(l->parts, n - 1);
	list_ask_part(l, after);
}

/* ---- what is seen ------------------------------------------------------- */

/* "12 of 40 rows  sort: name  frozen" */
static void
list_say(const struct list *l, struct buf *b)
{
	const struct grid *g = &l->grid;
	size_t all = json_array_size(g->rows), marks = grid_count_marks(g);

	if (l->frozen)
		buf_str(b, "FROZEN (z)  ");
	if (l->watch != NULL && l->watch->err.code != ERR_NONE && all != 0)
		buf_str(b, "! OLD  "); /* the last answer was none */
	if (marks != 0)
		buf_fmt(b, "%zu marked  ", marks);
	if (g->sort < g->ncols)
		buf_fmt(b, "sort: %s%s  ", g->cols[g->sort]->name,
		    g->reverse ? " reverse" : "");
	if (g->n != all)
		buf_fmt(b, "%zu of ", g->n);
	buf_fmt(b, "%zu row%s", all, all == 1 ? "" : "s");
	if (json_array_size(l->parts) != 0)
		buf_fmt(b, " of part %zu", json_array_size(l->parts) + 1);
	if (list_more(l) != NULL)
		buf_str(b, ", more: ]");
}

/* Why there are no rows. */
static const char *
list_empty(const struct list *l, enum tone *tone)
{
	const char *why;

	*tone = TONE_PLAIN;
	if (l->watch != NULL && (why = watch_why(l->watch, tone)) != NULL)
		return why;
	if (l->grid.ncols == 0) /* nor its objects */
		return "the server has no such operation";
	if (list_is_matched(l) && list_next(l) != NULL)
		return "looking further";
	return json_array_size(l->grid.rows) != 0 || list_is_matched(l)
	    ? "no row passes the filter"
	    : "(none)";
}

static void
list_draw(struct page *p, const struct area *a)
{
	struct list *l = (struct list *)p;
	struct buf left = BUF_INIT, right = BUF_INIT;
	unsigned cursor = 0;
	const char *empty;
	enum tone tone;
	struct area in;

	list_look(l);
	buf_str(&left, "");
	if (l->search)
		buf_str(&left, "Search: ");
	else if (p->typing || l->grid.filter[0] != '\0')
		buf_str(&left, "Filter: ");
	if (p->typing)
		entry_show(&l->entry, 24, '\0', &left, &cursor);
	else if (l->search)
		list_search_say(l, &left);
	else if (l->grid.filter[0] != '\0')
		buf_str(&left, l->grid.filter);
	else
		buf_str(&left, l->brief);
	list_say(l, &right);
	in = page_head(a, left.data, right.data);
	l->rows = in.rows > 1 ? in.rows - 1 : 1;
	grid_draw(&l->grid, &in);
	empty = list_empty(l, &tone);
	if (l->grid.n == 0)
		draw_text(in.row + 1, in.col + 3, in.cols - 3, tone, empty);
	if (p->typing)
		draw_cursor(a->row, a->col + 9 + cursor);
	buf_fini(&left);
	buf_fini(&right);
}

/* ---- the filter --------------------------------------------------------- */

/* May the operation leave rows out, and does its list go on? What shall not
 * pass ("!") only we can leave out. */
static bool
list_wants_match(const struct list *l)
{
	const struct op *op = op_find(&l->page.s->session->table, l->op);
	const char *filter = l->grid.filter;

	return op != NULL && op_field_find(op->args, LIST_MATCH) != NULL &&
	    filter[0] != '\0' && filter[0] != '!' &&
	    strlen(filter) <= LIST_MATCH_MAX;
}

/* Ask for the rows that pass, from the first on; or for all again. */
static void
list_match(struct list *l)
{
	bool before = list_is_matched(l), now;

	if (l->watch == NULL ||
	    (!before && list_next(l) == NULL && json_array_size(l->parts) == 0))
		return;
	now = list_wants_match(l);
	if (!before && !now)
		return;
	if (l->watch->params == NULL)
		l->watch->params = json_object();
	if (now)
		json_object_set_new(
		    l->watch->params, LIST_MATCH, json_string(l->grid.filter));
	else
		json_object_del(l->watch->params, LIST_MATCH);
	json_array_clear(l->parts);
	list_ask_part(l, json_null());
}

/* It narrows with each letter. */
static void
list_filter(struct list *l)
{
	char *text = entry_text(&l->entry);

	str_copy(l->grid.filter, sizeof l->grid.filter, text);
	free(text);
	grid_arrange(&l->grid);
	list_match(l);
}

/* What the server shall look for is asked when it has been typed. */
static bool
list_search_press(struct list *l, int press)
{
	if (!l->page.typing)
		return press == PRESS_ESCAPE && list_search_clear(l);
	if (press == PRESS_ENTER || press == PRESS_ESCAPE)
		l->page.typing = false;
	if (press == PRESS_ENTER)
		list_search_end(l);
	else
		entry_press(&l->entry, press);
	return true;
}

static bool
list_press(struct page *p, int press)
{
	struct list *l = (struct list *)p;

	if (l->search)
		return list_search_press(l, press);
	if (!p->typing) {
		if (press != PRESS_ESCAPE || l->grid.filter[0] == '\0')
			return false;
		entry_set(&l->entry, "");
		list_filter(l);
		return true;
	}
	if (press == PRESS_ENTER || press == PRESS_DOWN || press == PRESS_UP)
		p->typing = false;
	else if (press == PRESS_ESCAPE) {
		p->typing = false;
		entry_set(&l->entry, "");
		list_filter(l);
	} else if (entry_press(&l->entry, press))
		list_filter(l);
	return true;
}

/* ---- columns ------------------------------------------------------------ */

/* A column comes or goes; the first stays. */
static void
list_on_column(struct screen *s, void *arg, size_t item)
{
	struct list *l = arg;

	(void)s;
	if (item != SIZE_MAX && item + 1 < l->grid.ncols)
		l->grid.hidden[item + 1] = !l->grid.hidden[item + 1];
}

static void
list_choose_columns(struct list *l)
{
	struct menu *m = menu_new(l->page.s, "Columns", list_on_column, l);
	size_t i;

	for (i = 1; i < l->grid.ncols; i++)
		menu_add(m, l->grid.cols[i]->name, l->grid.cols[i]->brief,
		    !l->grid.hidden[i]);
	menu_show(m, true);
}

/* ---- the page ----------------------------------------------------------- */

static bool
list_act(struct page *p, const struct key *k)
{
	struct list *l = (struct list *)p;

	switch (k->act) {
	case ACT_FILTER:
		p->typing = true;
		if (l->search)
			list_search_begin(l);
		return true;
	case ACT_FURTHER:
	case ACT_NEARER:
		list_search_span(l, k->act == ACT_FURTHER ? 1 : -1);
		return true;
	case ACT_COLUMNS:
		list_choose_columns(l);
		return true;
	case ACT_NEXT_PART:
		list_next_part(l);
		return true;
	case ACT_PART_BEFORE:
		list_part_before(l);
		return true;
	case ACT_FREEZE:
		l->frozen = !l->frozen && l->watch != NULL;
		return true;
	case ACT_ENTER:
		grid_detail(p->s, &l->grid, p->name);
		return true;
	case ACT_REDRAW:
		if (l->watch != NULL)
			watch_ask(l->watch);
		return true;
	default:
		return grid_act(&l->grid, k, l->rows);
	}
}

static struct grid *
list_grid(struct page *p)
{
	return &((struct list *)p)->grid;
}

static json_t *
list_params(struct page *p)
{
	return ((struct list *)p)->params;
}

static bool
list_path(struct page *p, bool kind, struct obj_path *out)
{
	struct list *l = (struct list *)p;

	if (l->objects)
		return list_objects_path(l, kind, out);
	return !kind && object_of_row(p->s, &l->grid, l->params, out);
}

static void
list_free(struct page *p)
{
	struct list *l = (struct list *)p;

	list_more_end(l);
	watch_free(&l->watch);
	grid_fini(&l->grid);
	json_decref(l->params);
	json_decref(l->parts);
	free(l);
}

static const struct page_ops list_ops = {.draw = list_draw,
    .press = list_press,
    .act = list_act,
    .tick = list_tick,
    .bind = list_bind,
    .grid = list_grid,
    .params = list_params,
    .path = list_path,
    .free = list_free};

static struct list *
list_alloc(struct screen *s, unsigned where)
{
	struct list *l = xcalloc(1, sizeof *l);

	l->page.ops = &list_ops;
	l->page.where = where;
	l->page.s = s;
	l->parts = json_array();
	grid_init(&l->grid);
	entry_set(&l->entry, "");
	return l;
}

/* "calls domain demo.test": what is shown and how it was asked. */
static void
list_name(struct list *l, const struct op *op)
{
	const char *name = str_prefix(op->name, "show ") ? op->name + 5
							 : op->name;
	struct buf b = BUF_INIT;
	const char *arg;
	json_t *value;

	buf_str(&b, name);
	json_object_foreach (l->params, arg, value) {
		if (json_is_string(value))
			buf_fmt(&b, " %s", json_string_value(value));
	}
	str_copy(l->page.name, sizeof l->page.name, b.data);
	buf_fini(&b);
}

struct page *
list_new(struct screen *s, const struct op *op, json_t *params)
{
	struct list *l = list_alloc(s, KEY_LIST);

	l->params = params;
	str_copy(l->op, sizeof l->op, op->name);
	str_copy(l->brief, sizeof l->brief, op->brief);
	list_name(l, op);
	list_use_op(l, op);
	l->watch = watch_new(s, op->name, json_incref(params), CLOCK_SEC);
	if (list_search_is(op))
		list_search_open(l);
	if (ladder_is_of(s, op))
		l->page.where |= KEY_CALLS;
	return &l->page;
}

struct page *
list_of(struct screen *s, const struct view *v)
{
	struct list *l = list_alloc(s, KEY_LIST);

	str_copy(l->op, sizeof l->op, v->op->name);
	str_copy(l->brief, sizeof l->brief, v->op->brief);
	list_name(l, v->op);
	grid_columns(&l->grid, v->cols, v->ncols);
	grid_take(&l->grid, v->rows);
	if (ladder_is_of(s, v->op))
		l->page.where |= KEY_CALLS;
	return &l->page;
}

struct page *
list_objects(struct screen *s, const struct obj_path *kind)
{
	struct list *l = list_alloc(s, KEY_LIST | KEY_OBJECTS);

	list_objects_open(l, kind);
	if (l->live)
		list_use_op(l, op_find(&s->session->table, l->op));
	return &l->page;
}
