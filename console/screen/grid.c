/*
 * Rows of a reply in the order in which they are seen: filtered, sorted, with
 * a cursor and marks that stay on their rows when other rows come. Work is
 * done for what is shown; all rows are looked at only to filter, to sort and
 * to find the cursor's again.
 */
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "screen_room.h"
#include "daemon/base/mem.h"

#define GRID_LEAST 8 /* columns of the terminal that a text keeps */

void
grid_init(struct grid *g)
{
	memset(g, 0, sizeof *g);
	g->rows = json_array();
	g->marks = json_object();
	g->sort = GRID_AS_CAME;
}

void
grid_fini(struct grid *g)
{
	json_decref(g->rows);
	json_decref(g->marks);
	free(g->order);
	memset(g, 0, sizeof *g);
}

void
grid_columns(struct grid *g, const struct op_field *const *cols, size_t n)
{
	bool same = n == g->ncols;
	size_t i;

	g->ncols = n < GRID_COLS ? n : GRID_COLS;
	for (i = 0; i < g->ncols; i++) {
		g->cols[i] = cols[i];
		if (!same)
			g->hidden[i] = (cols[i]->flags & OP_DETAIL) != 0;
	}
	if (same)
		return;
	g->nkeys = 0;
	g->left = 0;
	g->sort = GRID_AS_CAME;
	memset(g->wide, 0, sizeof g->wide);
}

/* ---- what tells rows apart ---------------------------------------------- */

/* Values of columns that are part of the key, as one text. */
static void
grid_key(const struct grid *g, json_t *row, struct buf *b)
{
	size_t i;

	buf_reset(b);
	for (i = 0; i < g->nkeys; i++) {
		grid_cell(g, row, g->keys[i], b);
		buf_char(b, '\n');
	}
	buf_str(b, "");
}

/* Have no two rows the same key? */
static bool
grid_is_unique(const struct grid *g)
{
	size_t n = json_array_size(g->rows), i;
	json_t *seen = json_object();
	struct buf key = BUF_INIT;
	bool unique;

	for (i = 0; i < n; i++) {
		grid_key(g, json_array_get(g->rows, i), &key);
		json_object_set_new_nocheck(seen, key.data, json_null());
	}
	unique = json_object_size(seen) == n;
	json_decref(seen);
	buf_fini(&key);
	return unique;
}

/* May a column be part of the key? What changes by itself may not. */
static bool
grid_can_key(const struct grid *g, size_t col)
{
	const struct op_field *f = g->cols[col];

	return col == 0 ||
	    (f->type->json == OP_STRING && f->type != &op_type_time &&
		f->type != &op_type_choice && !(f->flags & OP_LIST));
}

/* One more column for the key; false when there is none. */
static bool
grid_extend_key(struct grid *g)
{
	size_t col = g->nkeys != 0 ? g->keys[g->nkeys - 1] + 1 : 0;

	for (; col < g->ncols; col++) {
		if (grid_can_key(g, col)) {
			g->keys[g->nkeys++] = col;
			return true;
		}
	}
	return false;
}

/* The first column, and behind it texts as far as they are needed. */
static void
grid_find_key(struct grid *g)
{
	if (g->nkeys == 0)
		grid_extend_key(g);
	while (g->nkeys != 0 && !grid_is_unique(g) && grid_extend_key(g))
		;
}

/* ---- cells and the filter ----------------------------------------------- */

/* A time without its year and its zone, which is that of the title: lists have
 * little room. Details show all of it. */
void
grid_cell(const struct grid *g, json_t *row, size_t col, struct buf *b)
{
	const struct op_field *f = g->cols[col];
	size_t at = b->len;

	render_cell(f, json_object_get(row, f->name), FORMAT_TABLE, b);
	if (f->type != &op_type_time || b->len != at + 20)
		return;
	memmove(b->data + at, b->data + at + 5, 14); /* 11-27T20:25:11 */
	b->data[at + 5] = ' ';
	b->len = at + 14;
	b->data[b->len] = '\0';
}

/* Does the text hold this part, in small or capital letters? */
static bool
grid_holds(const char *text, const wchar_t *part)
{
	wchar_t *w = text_wide(text), *at;
	bool found;

	for (at = w; *at != L'\0'; at++)
		*at = (wchar_t)towlower((wint_t)*at);
	found = wcsstr(w, part) != NULL;
	free(w);
	return found;
}

bool
grid_passes(const struct grid *g, json_t *row, const char *filter)
{
	bool not = filter[0] == '!', found = false;
	wchar_t *part = text_wide(filter + not ), *at;
	struct buf cell = BUF_INIT;
	size_t col;

	for (at = part; *at != L'\0'; at++)
		*at = (wchar_t)towlower((wint_t)*at);
	for (col = 0; col < g->ncols && !found; col++) {
		if (g->hidden[col])
			continue;
		buf_reset(&cell);
		grid_cell(g, row, col, &cell);
		found = grid_holds(cell.data, part);
	}
	/* What says nothing leaves nothing out. */
	found = part[0] == L'\0' || found != not ;
	buf_fini(&cell);
	free(part);
	return found;
}

/* ---- order -------------------------------------------------------------- */

struct grid_sorted {
	json_t *value;
	size_t row;
	bool reverse;
};

/* Numbers by value, texts as dictionaries do; nothing stands first. */
static int
grid_compare(json_t *a, json_t *b)
{
	const char *x = json_string_value(a), *y = json_string_value(b);
	int r;

	if (json_is_number(a) && json_is_number(b))
		return (json_number_value(a) > json_number_value(b)) -
		    (json_number_value(a) < json_number_value(b));
	if (x != NULL && y != NULL)
		return (r = strcasecmp(x, y)) != 0 ? r : strcmp(x, y);
	if (json_is_boolean(a) && json_is_boolean(b))
		return json_is_true(a) - json_is_true(b);
	return (a != NULL && !json_is_null(a)) -
	    (b != NULL && !json_is_null(b));
}

/* For qsort; rows of the same value stand as they came. */
static int
grid_compare_rows(const void *a, const void *b)
{
	const struct grid_sorted *x = a, *y = b;
	int r = grid_compare(x->value, y->value);

	if (r == 0)
		return (x->row > y->row) - (x->row < y->row);
	return x->reverse ? -r : r;
}

/* Put the rows that passed in the order of a column. */
static void
grid_sort(struct grid *g)
{
	struct grid_sorted *list = xcalloc(g->n + 1, sizeof *list);
	size_t i;

	for (i = 0; i < g->n; i++) {
		list[i].row = g->order[i];
		list[i].value = json_object_get(
		    json_array_get(g->rows, g->order[i]),
		    g->cols[g->sort]->name);
		list[i].reverse = g->reverse;
	}
	qsort(list, g->n, sizeof *list, grid_compare_rows);
	for (i = 0; i < g->n; i++)
		g->order[i] = list[i].row;
	free(list);
}

/* The place of the row with that key; the cursor's place when it is gone. */
static size_t
grid_find(const struct grid *g, const char *key)
{
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < g->n; i++) {
		grid_key(g, grid_row(g, i), &b);
		if (strcmp(b.data, key) == 0)
			break;
	}
	buf_fini(&b);
	if (i < g->n)
		return i;
	return g->cursor < g->n ? g->cursor : g->n != 0 ? g->n - 1 : 0;
}

/* Filter and sort, then find the row again that has this key. */
static void
grid_rearrange(struct grid *g, const char *key)
{
	size_t all = json_array_size(g->rows), i;

	g->order = xrealloc(g->order, (all + 1) * sizeof *g->order);
	g->n = 0;
	for (i = 0; i < all; i++) {
		if (g->filter[0] == '\0' ||
		    grid_passes(g, json_array_get(g->rows, i), g->filter))
			g->order[g->n++] = i;
	}
	if (g->sort < g->ncols)
		grid_sort(g);
	g->cursor = grid_find(g, key);
}

void
grid_arrange(struct grid *g)
{
	struct buf key = BUF_INIT;

	if (grid_current(g) != NULL)
		grid_key(g, grid_current(g), &key);
	buf_str(&key, "");
	grid_rearrange(g, key.data);
	buf_fini(&key);
}

void
grid_take(struct grid *g, json_t *rows)
{
	struct buf key = BUF_INIT;
	json_t *row = json_incref(grid_current(g)), *was = g->rows;

	g->rows = json_is_array(rows) ? json_incref(rows) : json_array();
	grid_find_key(g);
	if (row != NULL)
		grid_key(g, row, &key);
	buf_str(&key, "");
	grid_rearrange(g, key.data);
	json_decref(row);
	json_decref(was);
	buf_fini(&key);
}

void
grid_sort_next(struct grid *g, int by)
{
	size_t tries;

	for (tries = 0; tries <= g->ncols; tries++) {
		if (g->sort == GRID_AS_CAME)
			g->sort = by > 0 ? 0 : g->ncols - 1;
		else if (by < 0)
			g->sort = g->sort == 0 ? GRID_AS_CAME : g->sort - 1;
		else
			g->sort = g->sort + 1 < g->ncols ? g->sort + 1
							 : GRID_AS_CAME;
		if (g->sort == GRID_AS_CAME || !g->hidden[g->sort])
			break;
	}
	grid_arrange(g);
}

/* ---- cursor and marks --------------------------------------------------- */

json_t *
grid_row(const struct grid *g, size_t at)
{
	return at < g->n ? json_array_get(g->rows, g->order[at]) : NULL;
}

json_t *
grid_current(const struct grid *g)
{
	return grid_row(g, g->cursor);
}

void
grid_move(struct grid *g, long by, unsigned height)
{
	layout_move(&g->cursor, &g->top, g->n, by, height);
}

bool
grid_marked(const struct grid *g, json_t *row)
{
	struct buf key = BUF_INIT;
	bool marked;

	if (json_object_size(g->marks) == 0)
		return false;
	grid_key(g, row, &key);
	marked = json_object_get(g->marks, key.data) != NULL;
	buf_fini(&key);
	return marked;
}

void
grid_mark(struct grid *g)
{
	json_t *row = grid_current(g);
	struct buf key = BUF_INIT;

	if (row == NULL)
		return;
	grid_key(g, row, &key);
	if (json_object_del(g->marks, key.data) != 0)
		json_object_set_new_nocheck(g->marks, key.data, json_true());
	buf_fini(&key);
}

size_t
grid_count_marks(const struct grid *g)
{
	size_t n = 0, i;

	for (i = 0; i < g->n; i++)
		n += grid_marked(g, grid_row(g, i));
	return n;
}

/* ---- columns in a width ------------------------------------------------- */

/* Note how wide the cells in sight are: a column that was wide stays so. */
static void
grid_measure(struct grid *g, unsigned height)
{
	struct buf cell = BUF_INIT;
	size_t at, col;
	unsigned w;

	for (at = g->top; at < g->n && at < g->top + height; at++) {
		for (col = 0; col < g->ncols; col++) {
			if (g->hidden[col])
				continue;
			buf_reset(&cell);
			grid_cell(g, grid_row(g, at), col, &cell);
			w = text_width(cell.data);
			g->wide[col] = w > g->wide[col] ? w : g->wide[col];
		}
	}
	buf_fini(&cell);
}

/* How wide a column wants to be, and how narrow only texts may become. */
static struct layout_col
grid_wants(const struct grid *g, size_t col)
{
	const struct op_field *f = g->cols[col];
	unsigned head = text_width(f->name) + (col == g->sort ? 1 : 0);
	struct layout_col c;

	c.natural = g->wide[col] > head ? g->wide[col] : head;
	c.least = c.natural;
	if (f->type->json == OP_STRING && f->type != &op_type_time &&
	    f->type != &op_type_choice)
		c.least = head > GRID_LEAST ? head : GRID_LEAST;
	if (c.least > c.natural)
		c.least = c.natural;
	return c;
}

size_t
grid_layout(struct grid *g, unsigned width, unsigned height,
    size_t cols[GRID_COLS], unsigned widths[GRID_COLS], size_t *out)
{
	struct layout_col wants[GRID_COLS];
	size_t n = 0, skip = g->left, col, shown;

	grid_measure(g, height);
	for (col = 0; col < g->ncols; col++) {
		if (g->hidden[col])
			continue;
		if (n != 0 && skip > 0) {
			skip--;
			continue;
		}
		cols[n] = col;
		wants[n++] = grid_wants(g, col);
	}
	shown = layout_fit(wants, n, width, widths);
	*out = n - shown;
	return shown;
}
