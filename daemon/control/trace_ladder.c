/*
 * The ladder of a call as lines of text: a column for everybody who takes part,
 * in the order in which they appear, an arrow for each message. A gate has a
 * column for each leg that passes it, so arrows go to the neighbour. Pure.
 *
 *   101           sg/1@srv1     b2bua/1@srv1  sg/1@srv2     102
 *   |---INVITE--->|             |             |             |
 *   |             |---INVITE--->|             |             |
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LADDER_COLUMNS 24
/* From one column to the next: five stand in a terminal of 80; where there are
 * fewer, an address with its port can be read whole. */
#define LADDER_WIDTH 14
#define LADDER_WIDE 22
#define LADDER_FEW 4
#define LADDER_LEAST 5 /* in which an arrow is still one */

struct ladder_column {
	char key[400];	/* who, and for a gate which leg */
	char title[80]; /* as it is shown */
};

/* What it is drawn with. */
struct ladder_pen {
	const char *bar, *dash, *left, *right;
};
static const struct ladder_pen ladder_ascii = {"|", "-", "<", ">"};
static const struct ladder_pen ladder_utf8 = {
    "\u2502", "\u2500", "\u2190", "\u2192"};

struct ladder {
	struct ladder_column *column;
	size_t n;
	size_t room; /* characters of a line; 0 = as many as it takes */
	const struct ladder_pen *pen;
};

struct ladder *
ladder_new(void)
{
	struct ladder *l = xcalloc(1, sizeof *l);

	l->column = xcalloc(LADDER_COLUMNS, sizeof *l->column);
	l->pen = &ladder_ascii;
	return l;
}

void
ladder_fit(struct ladder *l, size_t room, bool utf8)
{
	l->room = room;
	l->pen = utf8 ? &ladder_utf8 : &ladder_ascii;
}

void
ladder_free(struct ladder **lp)
{
	struct ladder *l = *lp;

	*lp = NULL;
	free(l->column);
	free(l);
}

/* The last column takes all there is no room for. */
static size_t
ladder_column(struct ladder *l, const char *key, const char *title)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (strcmp(l->column[i].key, key) == 0)
			return i;
	}
	if (l->n == LADDER_COLUMNS)
		return LADDER_COLUMNS - 1;
	str_copy(l->column[i].key, sizeof l->column[i].key, key);
	str_copy(l->column[i].title, sizeof l->column[i].title, title);
	l->n++;
	return i;
}

void
ladder_ends(struct ladder *l, json_t *row, size_t *from, size_t *to)
{
	bool inside = json_is_true(json_object_get(row, "inside"));
	bool out = json_is_true(json_object_get(row, "out"));
	const char *gate = op_row_text(row, "gate");
	const char *other = op_row_text(row, "other");
	char own[400], far[400];
	size_t a, b;

	snprintf(
	    own, sizeof own, "%.90s %.300s", gate, op_row_text(row, "call-id"));
	snprintf(far, sizeof far, "%.90s %.300s", other,
	    inside ? "" : op_row_text(row, "call-id"));
	/* Who is on the left is seen first. */
	if (out) {
		a = ladder_column(l, own, gate);
		b = ladder_column(l, far, other);
	} else {
		b = ladder_column(l, far, other);
		a = ladder_column(l, own, gate);
	}
	*from = out ? a : b;
	*to = out ? b : a;
}

void
ladder_see(struct ladder *l, json_t *row)
{
	size_t from, to;

	ladder_ends(l, row, &from, &to);
}

/* Characters, not bytes, so that columns stand below each other. */
static size_t
ladder_cut(const char *text, size_t room, size_t *bytes)
{
	size_t n = 0, at = 0;

	while (text[at] != '\0' && n < room) {
		at++;
		while (((unsigned char)text[at] & 0xc0) == 0x80)
			at++;
		n++;
	}
	*bytes = at;
	return n;
}

static size_t
ladder_width(const struct ladder *l)
{
	size_t i, n, bytes, width = LADDER_WIDTH;

	if (l->room != 0 && l->n != 0)
		return l->room / l->n > LADDER_LEAST ? l->room / l->n
						     : LADDER_LEAST;
	for (i = 0; i < l->n && l->n <= LADDER_FEW; i++) {
		n = ladder_cut(l->column[i].title, LADDER_WIDE - 1, &bytes);
		width = n + 1 > width ? n + 1 : width;
	}
	return width;
}

void
ladder_titles(const struct ladder *l, struct buf *out)
{
	size_t i, n, bytes, width = ladder_width(l);

	for (i = 0; i < l->n; i++) {
		n = ladder_cut(l->column[i].title, width - 1, &bytes);
		buf_add(out, l->column[i].title, bytes);
		for (; i + 1 < l->n && n < width; n++)
			buf_char(out, ' ');
	}
}

/* One arrow of so many characters between two bars, with its word. */
static void
ladder_arrow(struct buf *out, const struct ladder_pen *pen, const char *word,
    size_t width, bool left, bool right)
{
	size_t room = width - left - right, n, bytes, before, i;

	n = ladder_cut(word, room, &bytes);
	before = (room - n) / 2;
	if (left)
		buf_str(out, pen->left);
	for (i = 0; i < before; i++)
		buf_str(out, pen->dash);
	buf_add(out, word, bytes);
	for (i = before + n; i < room; i++)
		buf_str(out, pen->dash);
	if (right)
		buf_str(out, pen->right);
}

static void
ladder_gap(struct buf *out, size_t width)
{
	size_t i;

	for (i = 1; i < width; i++)
		buf_char(out, ' ');
}

void
ladder_line(struct ladder *l, json_t *row, const char *word, struct buf *out)
{
	size_t from, to, low, high, i, width = ladder_width(l);

	ladder_ends(l, row, &from, &to);
	low = from < to ? from : to;
	high = from < to ? to : from;
	for (i = 0; i < l->n; i++) {
		buf_str(out, l->pen->bar);
		if (i == low && low < high) {
			ladder_arrow(out, l->pen, word,
			    (high - low) * width - 1, to < from, from < to);
			i = high - 1;
		} else if (i + 1 < l->n) {
			ladder_gap(out, width);
		}
	}
}
