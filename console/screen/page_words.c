/* A text that scrolls: help, details of a row, what a command wrote. */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct words {
	struct page page;
	char *text;
	size_t lines, top;
	unsigned rows; /* in sight, when it was drawn last */
};

static void
words_draw(struct page *p, const struct area *a)
{
	struct words *w = (struct words *)p;
	const char *at = w->text;
	char *line, left[64] = "";
	struct area in;
	size_t n, i = 0;
	unsigned row = 0;

	w->rows = a->rows > 2 ? a->rows - 2 : 0;
	if (w->lines > w->rows && w->top + w->rows > w->lines)
		w->top = w->lines - w->rows;
	if (w->lines > w->rows)
		snprintf(left, sizeof left, "lines %zu-%zu of %zu", w->top + 1,
		    w->top + w->rows, w->lines);
	in = page_head(a, left, "");
	for (; *at != '\0' && row < in.rows; at += n + (at[n] == '\n')) {
		n = strcspn(at, "\n");
		if (i++ < w->top)
			continue;
		line = xstrndup(at, n);
		draw_text(
		    in.row + row++, in.col + 1, in.cols - 1, TONE_PLAIN, line);
		free(line);
	}
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
	free(((struct words *)p)->text);
	free(p);
}

static const struct page_ops words_ops = {.where = KEY_TEXT,
    .draw = words_draw,
    .act = words_act,
    .free = words_free};

struct page *
words_new(struct screen *s, const char *name, char *text)
{
	struct words *w = xcalloc(1, sizeof *w);
	const char *at;

	w->page.ops = &words_ops;
	w->page.s = s;
	str_copy(w->page.name, sizeof w->page.name, name);
	w->text = text;
	for (at = text; *at != '\0'; at++)
		w->lines += *at == '\n' || at[1] == '\0';
	return &w->page;
}
