/*
 * Menus: a few lines of which one is chosen, or several are marked. Letters
 * that are typed narrow it to what has them in their order.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MENU_WIDTH 72 /* columns inside at most */
#define MENU_TEXT 32  /* of them the text takes at most */

struct menu {
	struct page page;
	char title[96];
	struct menu_item *items;
	size_t nitems;
	size_t *order, n; /* those that fit what is typed, the best first */
	size_t cursor, top;
	struct entry entry;
	bool marks;
	menu_fn *fn;
	void *arg;
};

/* Letters at the beginning of a word, or behind one another, count more; the
 * least text of those that fit stands first. */
long
menu_fit(const char *typed, const char *text)
{
	const char *at = text;
	long fit = 1000 - (long)strlen(text);
	bool behind = false;

	for (; *typed != '\0'; typed++) {
		if (*typed == ' ')
			continue;
		while (*at != '\0' &&
		    tolower((unsigned char)*at) !=
			tolower((unsigned char)*typed)) {
			at++;
			behind = false;
		}
		if (*at == '\0')
			return -1;
		if (behind || at == text || strchr(" -", at[-1]) != NULL)
			fit += 100;
		at++;
		behind = true;
	}
	return fit > 0 ? fit : 0;
}

struct menu_sorted {
	long fit;
	size_t item;
};

/* For qsort: the best first, equals as they were added. */
static int
menu_compare(const void *a, const void *b)
{
	const struct menu_sorted *x = a, *y = b;

	if (x->fit != y->fit)
		return (x->fit < y->fit) - (x->fit > y->fit);
	return (x->item > y->item) - (x->item < y->item);
}

/* What fits the letters typed, the best first. */
static void
menu_arrange(struct menu *m)
{
	struct menu_sorted *list = xcalloc(m->nitems + 1, sizeof *list);
	char *typed = entry_text(&m->entry);
	size_t i;

	m->n = 0;
	for (i = 0; i < m->nitems; i++) {
		list[m->n].item = i;
		list[m->n].fit = *typed != '\0'
		    ? menu_fit(typed, m->items[i].text)
		    : 0;
		m->n += list[m->n].fit >= 0;
	}
	qsort(list, m->n, sizeof *list, menu_compare);
	m->order = xrealloc(m->order, (m->nitems + 1) * sizeof *m->order);
	for (i = 0; i < m->n; i++)
		m->order[i] = list[i].item;
	if (m->cursor >= m->n)
		m->cursor = m->n != 0 ? m->n - 1 : 0;
	free(typed);
	free(list);
}

struct menu *
menu_new(struct screen *s, const char *title, menu_fn *fn, void *arg)
{
	struct menu *m = xcalloc(1, sizeof *m);

	m->page.s = s;
	str_copy(m->title, sizeof m->title, title);
	m->fn = fn;
	m->arg = arg;
	return m;
}

void
menu_add(struct menu *m, const char *text, const char *brief, bool mark)
{
	m->items = xrealloc(m->items, (m->nitems + 1) * sizeof *m->items);
	m->items[m->nitems++] = (struct menu_item){
	    xstrdup(text), xstrdup(brief != NULL ? brief : ""), mark};
}

/* ---- what is seen ------------------------------------------------------- */

/* Columns of the longest text. */
static unsigned
menu_text_width(const struct menu *m)
{
	unsigned width = 8, w;
	size_t i;

	for (i = 0; i < m->nitems; i++) {
		w = text_width(m->items[i].text);
		width = w > width ? w : width;
	}
	return width < MENU_TEXT ? width : MENU_TEXT;
}

static void
menu_draw_item(const struct menu *m, size_t at, unsigned row,
    const struct area *in, unsigned width)
{
	const struct menu_item *item = &m->items[m->order[at]];
	unsigned wide = text_width(item->text);
	struct buf b = BUF_INIT;

	buf_str(&b, at == m->cursor ? "> " : "  ");
	if (m->marks)
		buf_str(&b, item->mark ? "* " : "  ");
	text_fit(&b, item->text, width);
	text_pad(&b, width + 2 - (wide < width ? wide : width));
	buf_str(&b, item->brief);
	draw_text(row, in->col, in->cols,
	    at == m->cursor ? TONE_BAR : TONE_PLAIN, b.data);
	buf_fini(&b);
}

/* The cursor is in sight. */
static void
menu_follow(struct menu *m, unsigned rows)
{
	if (m->cursor < m->top)
		m->top = m->cursor;
	if (rows != 0 && m->cursor >= m->top + rows)
		m->top = m->cursor - rows + 1;
}

static void
menu_draw(struct page *p, const struct area *a)
{
	struct menu *m = (struct menu *)p;
	unsigned width = a->cols - 4, rows = (unsigned)m->nitems + 2, cursor, i;
	struct buf typed = BUF_INIT;
	struct area in;

	width = width < MENU_WIDTH ? width : MENU_WIDTH;
	rows = rows + 2 > a->rows ? a->rows - 2 : rows;
	in = draw_box(m->title, rows, width);
	entry_show(&m->entry, in.cols - 2, '\0', &typed, &cursor);
	draw_text(in.row, in.col, 2, TONE_HEAD, "> ");
	draw_text(in.row, in.col + 2, in.cols - 2, TONE_PLAIN, typed.data);
	draw_text(in.row + 1, in.col, in.cols, TONE_HEAD,
	    m->n == 0	   ? "nothing fits"
		: m->marks ? "Enter marks, Esc ends"
			   : "");
	menu_follow(m, in.rows - 2);
	for (i = 0; i + 2 < in.rows && m->top + i < m->n; i++)
		menu_draw_item(
		    m, m->top + i, in.row + 2 + i, &in, menu_text_width(m));
	draw_cursor(in.row, in.col + 2 + cursor);
	buf_fini(&typed);
}

/* ---- what is done ------------------------------------------------------- */

/* The menu goes, then it is told what was chosen. */
static void
menu_end(struct menu *m, size_t item)
{
	struct screen *s = m->page.s;
	menu_fn *fn = m->fn;
	void *arg = m->arg;

	m->fn = NULL;
	page_pop(s);
	if (fn != NULL)
		fn(s, arg, item);
}

/* Take the one under the cursor, or mark it. */
static void
menu_choose(struct menu *m)
{
	size_t item;

	if (m->n == 0)
		return;
	item = m->order[m->cursor];
	if (!m->marks) {
		menu_end(m, item);
		return;
	}
	m->items[item].mark = !m->items[item].mark;
	m->fn(m->page.s, m->arg, item);
}

static bool
menu_press(struct page *p, int press)
{
	struct menu *m = (struct menu *)p;

	if (press == PRESS_ESCAPE)
		menu_end(m, SIZE_MAX);
	else if (press == PRESS_ENTER || (m->marks && press == ' '))
		menu_choose(m);
	else if (press == PRESS_UP)
		m->cursor -= m->cursor > 0;
	else if (press == PRESS_DOWN)
		m->cursor += m->cursor + 1 < m->n;
	else if (press == PRESS_PAGE_UP)
		m->cursor -= m->cursor > 10 ? 10 : m->cursor;
	else if (press == PRESS_PAGE_DOWN)
		m->cursor = m->cursor + 10 < m->n ? m->cursor + 10
		    : m->n != 0			  ? m->n - 1
						  : 0;
	else if (entry_press(&m->entry, press)) {
		m->cursor = m->top = 0;
		menu_arrange(m);
	}
	return true;
}

static void
menu_free(struct page *p)
{
	struct menu *m = (struct menu *)p;
	size_t i;

	if (m->fn != NULL)
		m->fn(p->s, m->arg, SIZE_MAX);
	for (i = 0; i < m->nitems; i++) {
		free(m->items[i].text);
		free(m->items[i].brief);
	}
	free(m->items);
	free(m->order);
	free(m);
}

static const struct page_ops menu_ops = {
    .box = true, .draw = menu_draw, .press = menu_press, .free = menu_free};

void
menu_show(struct menu *m, bool marks)
{
	m->page.ops = &menu_ops;
	m->page.typing = true;
	m->marks = marks;
	menu_arrange(m);
	page_push(m->page.s, &m->page);
}
