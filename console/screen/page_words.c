/* A text that scrolls: help, details of a row, what a command wrote. */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct words {
	struct page page;
	struct scroll scroll;
};

static void
words_draw(struct page *p, const struct area *a)
{
	struct words *w = (struct words *)p;
	struct buf left = BUF_INIT;
	struct area in;

	scroll_fit(&w->scroll, a->cols - 2, a->rows > 2 ? a->rows - 2 : 0);
	scroll_say(&w->scroll, &left);
	in = page_head(a, left.data, "");
	scroll_draw(&w->scroll, &in, NULL);
	buf_fini(&left);
}

static bool
words_act(struct page *p, const struct key *k)
{
	return scroll_act(&((struct words *)p)->scroll, k);
}

static void
words_free(struct page *p)
{
	struct words *w = (struct words *)p;

	scroll_fini(&w->scroll);
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
	scroll_set(&w->scroll, text);
	return &w->page;
}
