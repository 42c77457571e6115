/* A text in lines that fit a width, of which some are in sight. */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"

void
scroll_fini(struct scroll *w)
{
	free(w->text);
	free(w->wrapped);
	memset(w, 0, sizeof *w);
}

void
scroll_set(struct scroll *w, char *text)
{
	free(w->text);
	w->text = text;
	w->width = 0;
}

/* One line of the text in lines that fit. */
static void
scroll_wrap_line(struct scroll *w, const char *line, struct buf *b)
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
scroll_wrap(struct scroll *w, unsigned width)
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
		scroll_wrap_line(w, line, &b);
		free(line);
	}
	free(w->wrapped);
	w->wrapped = buf_take(&b);
}

void
scroll_fit(struct scroll *w, unsigned width, unsigned rows)
{
	if (w->width != width)
		scroll_wrap(w, width);
	w->rows = rows;
	if (w->lines <= w->rows)
		w->top = 0;
	else if (w->top + w->rows > w->lines)
		w->top = w->lines - w->rows;
}

void
scroll_say(const struct scroll *w, struct buf *b)
{
	buf_str(b, "");
	if (w->lines > w->rows)
		buf_fmt(b, "lines %zu-%zu of %zu", w->top + 1, w->top + w->rows,
		    w->lines);
}

void
scroll_draw(const struct scroll *w, const struct area *in,
    enum tone (*tone)(const char *))
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
		draw_text(in->row + row++, in->col + 1, w->width,
		    tone != NULL ? tone(line) : TONE_PLAIN, line);
		free(line);
	}
}

bool
scroll_act(struct scroll *w, const struct key *k)
{
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
