/* A text that scrolls: help, details of a row, what a command wrote. */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct words {
	struct page page;
	char *text;
	char *wrapped; /* the same in lines of the width */
	unsigned width;
	size_t lines, top;
	unsigned rows; /* in sight, when it was drawn last */
};

/* One line of the text in lines that fit. */
static void
words_wrap_line(struct words *w, const char *line, struct buf *b)
{
	do {
		if (text_width(line) <= w->width) {
			buf_str(b, line);
			line = "";
		} else {
			text_take(b, &line, w->width);
		}
		buf_char(b, '\n');
		w->lines++;
	} while (*line != '\0');
}

/* The text in lines of another width. */
static void
words_wrap(struct words *w, unsigned width)
{
	const char *at = w->text;
	struct buf b = BUF_INIT;
	char *line;
	size_t n;

	w->width = width;
	w->lines = 0;
	buf_str(&b, "");
	for (; *at != '\0'; at += n + (at[n] == '\n')) {
		n = strcspn(at, "\n");
		line = xstrndup(at, n);
		words_wrap_line(w, line, &b);
		free(line);
	}
	free(w->wrapped);
	w->wrapped = buf_take(&b);
}

/* The lines in sight. */
static void
words_draw_lines(const struct words *w, const struct area *in)
{
	const char *at = w->wrapped;
	unsigned row = 0;
	size_t i = 0, n;
	char *line;

	for (; *at != '\0' && row < in->rows; at += n + 1) {
		n = strcspn(at, "\n");
		if (i++ < w->top)
			continue;
		line = xstrndup(at, n);
		draw_text(
		    in->row + row++, in->col + 1, w->width, TONE_PLAIN, line);
		free(line);
	}
}

static void
words_draw(struct page *p, const struct area *a)
{
	struct words *w = (struct words *)p;
	char left[64] = "";
	struct area in;

	if (w->width != a->cols - 2)
		words_wrap(w, a->cols - 2);
	w->rows = a->rows > 2 ? a->rows - 2 : 0;
	if (w->lines <= w->rows)
		w->top = 0;
	else if (w->top + w->rows > w->lines)
		w->top = w->lines - w->rows;
	if (w->lines > w->rows)
		snprintf(left, sizeof left, "lines %zu-%zu of %zu", w->top + 1,
		    w->top + w->rows, w->lines);
	in = page_head(a, left, "");
	words_draw_lines(w, &in);
}

static bool
words_act(struct page *p, const struct key *k)
{
	struct words *w = (struct words *)p;
	size_t most = w->lines > w->rows ? w->lines - w->rows : 0, to = w->top;

	switch (k->act) {
	case ACT_UP:
		to -= to > 0;
		break;
	case ACT_DOWN:
		to++;
		break;
	case ACT_PAGE_UP:
		to -= to > w->rows ? w->rows : to;
		break;
	case ACT_PAGE_DOWN:
		to += w->rows;
		break;
	case ACT_FIRST:
		to = 0;
		break;
	case ACT_LAST:
		to = most;
		break;
	default:
		return false;
	}
	w->top = to < most ? to : most;
	return true;
}

static void
words_free(struct page *p)
{
	struct words *w = (struct words *)p;

	free(w->text);
	free(w->wrapped);
	free(w);
}

static const struct page_ops words_ops = {
    .draw = words_draw, .act = words_act, .free = words_free};

struct page *
words_new(struct screen *s, const char *name, char *text)
{
	struct words *w = xcalloc(1, sizeof *w);

	w->page.ops = &words_ops;
	w->page.where = KEY_TEXT;
	w->page.s = s;
	str_copy(w->page.name, sizeof w->page.name, name);
	w->text = text;
	return &w->page;
}
