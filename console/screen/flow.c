/*
 * The messages of a call as a picture: a column for everybody who takes part,
 * an arrow for each message, or one for all hops that pass it on. Which columns
 * there are the server says; what of them a terminal holds is decided here.
 */
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define FLOW_NEAR 64   /* rows behind a message in which it is passed on */
#define FLOW_NARROW 10 /* from one column to the next */
#define FLOW_WIDE 22
#define FLOW_GUTTER 14 /* the cursor, the time, two spaces */

void
flow_init(struct flow *f)
{
	memset(f, 0, sizeof *f);
	f->rows = json_array();
	f->legs = json_array();
	f->fold = true;
}

void
flow_fini(struct flow *f)
{
	json_decref(f->rows);
	json_decref(f->legs);
	json_decref(f->mark);
	free(f->step);
	memset(f, 0, sizeof *f);
}

/* ---- rows ------------------------------------------------------------------
 */

static size_t
flow_column(json_t *row, const char *name)
{
	json_int_t at = json_integer_value(json_object_get(row, name));

	return at < 0 ? 0 : at >= FLOW_COLUMNS ? FLOW_COLUMNS - 1 : (size_t)at;
}

static bool
flow_has_same(json_t *a, json_t *b, const char *name)
{
	return str_equal(op_row_text(a, name), op_row_text(b, name));
}

bool
flow_is_same(json_t *a, json_t *b)
{
	static const char *const names[] = {
	    "time", "source", "target", "call-id", NULL};
	size_t i;

	for (i = 0; names[i] != NULL; i++) {
		if (!flow_has_same(a, b, names[i]))
			return false;
	}
	return true;
}

/*
 * The row in which who received this message passes it on, under the same
 * Call-ID; 0: nobody does. When it is said once more first, then it is that
 * one which is passed on.
 */
static size_t
flow_passed_on(const struct flow *f, size_t at, const bool *taken)
{
	json_t *row = json_array_get(f->rows, at), *next;
	size_t from = flow_column(row, "from-column");
	size_t to = flow_column(row, "to-column"), i;

	for (i = at + 1; i < json_array_size(f->rows) && i <= at + FLOW_NEAR;
	     i++) {
		next = json_array_get(f->rows, i);
		if (taken[i] || !flow_has_same(row, next, "message") ||
		    !flow_has_same(row, next, "call-id"))
			continue;
		if (flow_column(next, "from-column") == to &&
		    flow_column(next, "to-column") != from)
			return i;
		if (flow_column(next, "from-column") == from)
			return 0;
	}
	return 0;
}

static bool
flow_is_of_leg(const struct flow *f, json_t *row)
{
	const char *leg = json_string_value(
	    json_array_get(f->legs, f->leg - 1));

	return f->leg == 0 || str_equal(op_row_text(row, "leg"), leg);
}

/* The step that begins with a row: this hop, and those behind it. */
static void
flow_add(struct flow *f, size_t at, bool *taken)
{
	json_t *row = json_array_get(f->rows, at);
	struct flow_step *s = &f->step[f->n++];
	size_t next = at;

	*s = (struct flow_step){.row = row,
	    .message = at + 1,
	    .from = flow_column(row, "from-column")};
	do {
		row = json_array_get(f->rows, next);
		s->to = flow_column(row, "to-column");
		s->masked |= json_is_true(json_object_get(row, "masked"));
		s->hops++;
		taken[next] = true;
	} while (f->fold && (next = flow_passed_on(f, next, taken)) != 0);
}

/* Columns that an arrow of a shown step touches. */
static void
flow_find_columns(struct flow *f)
{
	bool used[FLOW_COLUMNS] = {false};
	json_t *row;
	size_t i;

	json_array_foreach (f->rows, i, row) {
		if (!flow_is_of_leg(f, row))
			continue;
		used[flow_column(row, "from-column")] = true;
		used[flow_column(row, "to-column")] = true;
	}
	f->ncols = 0;
	for (i = 0; i < FLOW_COLUMNS; i++) {
		if (used[i])
			f->col[f->ncols++] = i;
	}
	if (f->left >= f->ncols)
		f->left = 0;
}

/* The step that shows a message, or holds it; else where the cursor is. */
static size_t
flow_find(const struct flow *f, json_t *row)
{
	size_t i, at;

	for (i = 0; row != NULL && i < f->n; i++) {
		if (flow_is_same(f->step[i].row, row))
			return i;
	}
	at = f->cursor;
	return at < f->n ? at : f->n != 0 ? f->n - 1 : 0;
}

/* All that is shown, from the rows; the cursor goes to that message. */
static void
flow_arrange(struct flow *f, json_t *cursor)
{
	size_t all = json_array_size(f->rows), i;
	bool *taken = xcalloc(all + 1, sizeof *taken);

	f->step = xrealloc(f->step, (all + 1) * sizeof *f->step);
	f->n = 0;
	for (i = 0; i < all; i++) {
		if (!taken[i] && flow_is_of_leg(f, json_array_get(f->rows, i)))
			flow_add(f, i, taken);
	}
	free(taken);
	flow_find_columns(f);
	f->cursor = flow_find(f, cursor);
}

static void
flow_see_leg(struct flow *f, json_t *row)
{
	json_t *leg;
	size_t i;

	if (op_row_text(row, "leg")[0] == '\0')
		return;
	json_array_foreach (f->legs, i, leg) {
		if (str_equal(json_string_value(leg), op_row_text(row, "leg")))
			return;
	}
	json_array_append(f->legs, json_object_get(row, "leg"));
}

void
flow_take(struct flow *f, json_t *rows)
{
	json_t *was = f->rows, *cursor = NULL, *row;
	size_t i;

	if (flow_current(f) != NULL)
		cursor = json_incref(flow_current(f)->row);
	f->rows = json_array();
	json_array_clear(f->legs);
	json_array_foreach (rows, i, row) {
		if (!json_is_string(json_object_get(row, "message")))
			continue; /* the titles, as they stand in a text */
		json_array_append(f->rows, row);
		flow_see_leg(f, row);
		str_copy(f->title[flow_column(row, "from-column")], 80,
		    op_row_text(row, "source"));
		str_copy(f->title[flow_column(row, "to-column")], 80,
		    op_row_text(row, "target"));
	}
	if (f->leg > json_array_size(f->legs))
		f->leg = 0;
	flow_arrange(f, cursor);
	json_decref(cursor);
	json_decref(was);
}

static void
flow_rearrange(struct flow *f)
{
	json_t *row = f->n != 0 ? json_incref(f->step[f->cursor].row) : NULL;

	flow_arrange(f, row);
	json_decref(row);
}

void
flow_fold(struct flow *f, bool fold)
{
	f->fold = fold;
	flow_rearrange(f);
}

void
flow_next_leg(struct flow *f)
{
	f->leg = f->leg < json_array_size(f->legs) ? f->leg + 1 : 0;
	f->left = 0;
	flow_rearrange(f);
}

/* ---- cursor and mark --------------------------------------------------------
 */

const struct flow_step *
flow_current(const struct flow *f)
{
	return f->cursor < f->n ? &f->step[f->cursor] : NULL;
}

void
flow_move(struct flow *f, long by, unsigned height)
{
	layout_move(&f->cursor, &f->top, f->n, by, height);
}

bool
flow_is_marked(const struct flow *f, const struct flow_step *s)
{
	return f->mark != NULL && flow_is_same(f->mark, s->row);
}

void
flow_mark(struct flow *f)
{
	const struct flow_step *s = flow_current(f);
	bool marked = s != NULL && flow_is_marked(f, s);

	json_decref(f->mark);
	f->mark = s == NULL || marked ? NULL : json_incref(s->row);
}

/* ---- the picture ------------------------------------------------------------
 */

/* Widest of the titles that are shown. */
static unsigned
flow_widest(const struct flow *f)
{
	unsigned widest = 0, w;
	size_t i;

	for (i = 0; i < f->ncols; i++) {
		w = text_width(f->title[f->col[i]]);
		widest = w > widest ? w : widest;
	}
	return widest;
}

void
flow_layout(struct flow *f, unsigned width, bool utf8, struct flow_view *v)
{
	unsigned room;

	v->bar = utf8 ? "\xe2\x94\x82" : "|";
	v->dash = utf8 ? "\xe2\x94\x80" : "-";
	v->note = width < 72 ? 6 : width < 100 ? 14 : 30;
	room = width > FLOW_GUTTER + v->note + 2 + FLOW_NARROW
	    ? width - FLOW_GUTTER - v->note - 2
	    : FLOW_NARROW;
	v->wide = f->ncols != 0 ? room / (unsigned)f->ncols : FLOW_WIDE;
	if (v->wide < FLOW_NARROW)
		v->wide = FLOW_NARROW;
	if (v->wide > FLOW_WIDE)
		v->wide = FLOW_WIDE;
	v->shown = room / v->wide;
	if (v->shown >= f->ncols) {
		v->shown = f->ncols;
		f->left = 0;
	} else if (f->left + v->shown > f->ncols) {
		f->left = f->ncols - v->shown;
	}
	v->titles = flow_widest(f) >= v->wide ? 2 : 1;
}

/* A text in a column of the picture. */
static void
flow_put_cell(struct buf *b, const char *text, unsigned width)
{
	struct buf cell = BUF_INIT;

	buf_str(&cell, "");
	text_fit(&cell, text, width - 1);
	buf_str(b, cell.data);
	text_pad(b, width - text_width(cell.data));
	buf_fini(&cell);
}

void
flow_put_titles(const struct flow *f, const struct flow_view *v, unsigned line,
    struct buf *b)
{
	const char *title, *at;
	char front[80];
	size_t i;

	text_pad(b, FLOW_GUTTER);
	for (i = f->left; i < f->left + v->shown; i++) {
		title = f->title[f->col[i]];
		at = strchr(title, '@');
		if (v->titles == 1 || at == NULL) {
			flow_put_cell(b, line == 0 ? title : "", v->wide);
		} else {
			str_ncopy(
			    front, sizeof front, title, (size_t)(at - title));
			flow_put_cell(b, line == 0 ? front : at, v->wide);
		}
	}
	buf_str(b, "");
}

/* Where a column stands among those that are shown; -1: left of them, shown:
 * right of them. */
static long
flow_place(const struct flow *f, const struct flow_view *v, size_t column)
{
	size_t i = 0;

	while (i < f->ncols && f->col[i] < column)
		i++;
	if (i < f->left)
		return -1;
	return i - f->left < v->shown ? (long)(i - f->left) : (long)v->shown;
}

/* An arrow over so many columns of the terminal, its word in the middle. */
static void
flow_put_arrow(struct buf *b, const struct flow_view *v, const char *word,
    unsigned width, bool left, bool right)
{
	unsigned room = width - left - right, before, n;
	struct buf fit = BUF_INIT;

	buf_str(&fit, "");
	text_fit(&fit, word, room);
	n = text_width(fit.data);
	before = (room - n) / 2;
	buf_str(b, left ? "<" : "");
	for (room -= n + before; before > 0; before--)
		buf_str(b, v->dash);
	buf_str(b, fit.data);
	for (; room > 0; room--)
		buf_str(b, v->dash);
	buf_str(b, right ? ">" : "");
	buf_fini(&fit);
}

/* What stands behind the picture: as much as there is room for. */
static void
flow_put_note(const struct flow_view *v, const struct flow_step *s,
    const char *hidden, struct buf *b)
{
	struct buf note = BUF_INIT;

	if (hidden != NULL)
		buf_fmt(&note, "%s ", hidden);
	else if (s->hops < 2 || v->note > 14)
		buf_fmt(&note, "%s %s", op_row_text(s->row, "leg"),
		    op_row_text(s->row, "transport"));
	if (s->masked && v->note > 6 && (s->hops < 2 || v->note > 14))
		buf_str(&note, " masked");
	if (s->hops > 1 && v->note > 6)
		buf_fmt(&note, "%s%zu hops folded", note.len != 0 ? ", " : "",
		    s->hops);
	else if (s->hops > 1)
		buf_fmt(&note, "*%zu", s->hops);
	text_fit(b, note.data, v->note);
	buf_fini(&note);
}

/* The bars, and the arrow between two of them. */
static void
flow_put_bars(const struct flow_view *v, long low, long high, const char *word,
    bool left, bool right, struct buf *b)
{
	long last = (long)v->shown - 1, i;

	for (i = 0; i <= last; i++) {
		buf_str(b, v->bar);
		if (i == low && low < high) {
			flow_put_arrow(b, v, word,
			    (unsigned)(high - low) * v->wide - 1, left, right);
			i = high - 1;
		} else if (i < last) {
			text_pad(b, v->wide - 1);
		}
	}
	text_pad(b, v->wide - 1);
}

void
flow_put_step(const struct flow *f, const struct flow_view *v,
    const struct flow_step *s, struct buf *b)
{
	long from = flow_place(f, v, s->from), to = flow_place(f, v, s->to);
	long low = from < to ? from : to, high = from < to ? to : from;
	long last = (long)v->shown - 1;
	const char *word = op_row_text(s->row, "message");

	flow_put_cell(b, "", 2);
	buf_fmt(b, "%10.10s  ", op_row_text(s->row, "at"));
	low = low < 0 ? 0 : low;
	high = high > last ? last : high; /* nothing is left: outside */
	flow_put_bars(v, low, high, word, to < from && to >= 0,
	    from < to && to <= last, b);
	buf_str(b, "  ");
	flow_put_note(v, s, low >= high ? word : NULL, b);
}

void
flow_put_legs(const struct flow *f, struct buf *b)
{
	json_t *leg;
	size_t i;

	buf_str(b, f->leg == 0 ? "Leg: [all]" : "Leg:  all ");
	json_array_foreach (f->legs, i, leg)
		buf_fmt(b, i + 1 == f->leg ? "[%s]" : " %s ",
		    json_string_value(leg));
}
