/* A grid on the screen: headings, rows, a cursor. Only rows in sight are made
 * into text. */
#include <ctype.h>

#include "screen_room.h"
#include "daemon/base/str.h"

#define GRID_GUTTER 3 /* cursor or mark, what the candidate does, a space */

/* Numbers stand right, so that their digits stand below one another. */
static bool
grid_is_right(const struct op_field *f)
{
	return f->type->json == OP_INTEGER && !(f->flags & OP_LIST);
}

/* A text in its column, on the side that the column wants. */
static void
grid_put(const struct grid *g, size_t col, unsigned width, const char *text,
    struct buf *b)
{
	unsigned wide = text_width(text), pad = width > wide ? width - wide : 0;
	bool right = grid_is_right(g->cols[col]);

	text_pad(b, right ? pad : 0);
	text_fit(b, text, width);
	text_pad(b, right ? 0 : pad);
	text_pad(b, LAYOUT_GAP);
}

/* A line ends behind its last text. */
static void
grid_trim(struct buf *b)
{
	while (b->len > 0 && b->data[b->len - 1] == ' ')
		b->data[--b->len] = '\0';
}

/* Headings in capitals; the column that is sorted by says which way. */
static void
grid_draw_head(const struct grid *g, const struct area *a, const size_t *cols,
    const unsigned *widths, size_t n, size_t out)
{
	struct buf b = BUF_INIT;
	char name[80];
	size_t i, k;

	text_pad(&b, GRID_GUTTER);
	for (i = 0; i < n; i++) {
		str_copy(name, sizeof name - 1, g->cols[cols[i]]->name);
		for (k = 0; name[k] != '\0'; k++)
			name[k] = (char)toupper((unsigned char)name[k]);
		if (cols[i] == g->sort)
			str_copy(name + k, 2, g->reverse ? "v" : "^");
		grid_put(g, cols[i], widths[i], name, &b);
	}
	grid_trim(&b);
	draw_text(a->row, a->col, a->cols, TONE_HEAD, b.data);
	if (out + g->left > 0)
		draw_text(a->row, a->col + a->cols - 2, 2, TONE_HEAD,
		    out > 0 && g->left > 0 ? "<>"
			: out > 0	   ? " >"
					   : " <");
	buf_fini(&b);
}

/* What the row's state means, by its own word. */
static enum tone
grid_tone(json_t *row)
{
	const char *change = json_string_value(
	    json_object_get(row, GRID_CHANGE));
	enum tone tone = draw_tone_of(
	    json_string_value(json_object_get(row, "state")));

	return change != NULL && tone == TONE_PLAIN ? TONE_NOTICE : tone;
}

static void
grid_draw_row(const struct grid *g, const struct area *a, size_t at,
    const size_t *cols, const unsigned *widths, size_t n)
{
	json_t *row = grid_row(g, at);
	const char *change = json_string_value(
	    json_object_get(row, GRID_CHANGE));
	struct buf b = BUF_INIT, cell = BUF_INIT;
	bool here = at == g->cursor, marked = grid_marked(g, row);
	size_t i;

	buf_char(&b, marked ? '*' : here ? '>' : ' ');
	buf_fmt(&b, "%s ", change != NULL ? change : " ");
	for (i = 0; i < n; i++) {
		buf_reset(&cell);
		grid_cell(g, row, cols[i], &cell);
		grid_put(g, cols[i], widths[i], cell.data, &b);
	}
	grid_trim(&b);
	draw_text(a->row + 1 + (unsigned)(at - g->top), a->col, a->cols,
	    here ? TONE_BAR : grid_tone(row), b.data);
	buf_fini(&b);
	buf_fini(&cell);
}

void
grid_draw(struct grid *g, const struct area *a)
{
	unsigned height = a->rows > 1 ? a->rows - 1 : 0, widths[GRID_COLS];
	size_t cols[GRID_COLS], n, out, at;

	grid_move(g, 0, height);
	n = grid_layout(g, a->cols - GRID_GUTTER, height, cols, widths, &out);
	grid_draw_head(g, a, cols, widths, n, out);
	for (at = g->top; at < g->n && at < g->top + height; at++)
		grid_draw_row(g, a, at, cols, widths, n);
}

/* Columns that are shown, beside the first. */
static size_t
grid_beside(const struct grid *g)
{
	size_t n = 0, i;

	for (i = 0; i < g->ncols; i++)
		n += !g->hidden[i];
	return n > 1 ? n - 1 : 0;
}

bool
grid_act(struct grid *g, const struct key *k, unsigned height)
{
	long page = height > 1 ? (long)height - 1 : 1;

	switch (k->act) {
	case ACT_UP:
	case ACT_DOWN:
		grid_move(g, k->act == ACT_UP ? -1 : 1, height);
		return true;
	case ACT_PAGE_UP:
	case ACT_PAGE_DOWN:
		grid_move(g, k->act == ACT_PAGE_UP ? -page : page, height);
		return true;
	case ACT_FIRST:
	case ACT_LAST:
		grid_move(
		    g, k->act == ACT_FIRST ? -(long)g->n : (long)g->n, height);
		return true;
	case ACT_LEFT:
		g->left -= g->left > 0;
		return true;
	case ACT_RIGHT:
		g->left += g->left + 1 < grid_beside(g);
		return true;
	case ACT_SORT:
	case ACT_SORT_BACK:
		grid_sort_next(g, k->act == ACT_SORT ? 1 : -1);
		return true;
	case ACT_REVERSE:
		g->reverse = !g->reverse;
		grid_arrange(g);
		return true;
	case ACT_MARK:
		grid_mark(g);
		grid_move(g, 1, height);
		return true;
	default:
		return false;
	}
}

void
grid_detail(struct screen *s, const struct grid *g, const char *name)
{
	json_t *row = grid_current(g);
	struct buf b = BUF_INIT, title = BUF_INIT;
	unsigned width = 0, w;
	size_t col;

	if (row == NULL)
		return;
	buf_fmt(&title, "%s > ", name);
	grid_cell(g, row, 0, &title);
	for (col = 0; col < g->ncols; col++) {
		w = text_width(g->cols[col]->name);
		width = w > width ? w : width;
	}
	for (col = 0; col < g->ncols; col++) {
		w = text_width(g->cols[col]->name);
		buf_str(&b, g->cols[col]->name);
		text_pad(&b, width + 2 - w);
		render_cell(g->cols[col],
		    json_object_get(row, g->cols[col]->name), FORMAT_TABLE, &b);
		buf_char(&b, '\n');
	}
	buf_str(&b, "");
	page_push(s, words_new(s, title.data, buf_take(&b)));
	buf_fini(&title);
}
