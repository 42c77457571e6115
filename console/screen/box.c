/*
 * Boxes: words that want to be read, and questions. What destroys something
 * is asked for here and nowhere else; where it concerns more than one object
 * a word has to be typed.
 */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define BOX_WIDTH 70 /* columns inside */

struct box {
	struct page page;
	char title[96];
	char *text; /* lines */
	unsigned top;
	bool question;
	char *word; /* to be typed; NULL: a letter is enough */
	struct entry entry;
	box_fn *fn;
	void *arg;
};

/* The text in lines of a width, and how many there are. */
static char *
box_wrap(const char *text, unsigned width, unsigned *lines)
{
	struct buf b = BUF_INIT;
	char *line;
	size_t n, i;

	buf_str(&b, "");
	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		line = xstrndup(text, n);
		text_wrap(&b, line, (unsigned)strspn(line, " "), width);
		buf_char(&b, '\n');
		free(line);
	}
	for (*lines = 0, i = 0; i < b.len; i++)
		*lines += b.data[i] == '\n';
	return buf_take(&b);
}

/* Lines of the text from the top one on. */
static void
box_draw_text(const struct box *x, const struct area *in, char *wrapped)
{
	unsigned line = 0, row = 0;
	char *at, *rest = wrapped;

	while (row < in->rows && (at = strsep(&rest, "\n")) != NULL) {
		if (line++ >= x->top)
			draw_text(
			    in->row + row++, in->col, in->cols, TONE_PLAIN, at);
	}
}

/* The line in which is typed, or the keys that answer. */
static void
box_draw_answer(const struct box *x, const struct area *in, unsigned row)
{
	struct buf b = BUF_INIT;
	unsigned cursor;

	if (!x->question) {
		draw_text(row, in->col, in->cols, TONE_HEAD, "Enter: back");
	} else if (x->word == NULL) {
		draw_text(row, in->col, in->cols, TONE_HEAD, "y: yes   n: no");
	} else {
		entry_show(&x->entry, in->cols - 2, '\0', &b, &cursor);
		draw_text(row, in->col, 2, TONE_HEAD, "> ");
		draw_text(row, in->col + 2, in->cols - 2, TONE_PLAIN, b.data);
		draw_cursor(row, in->col + 2 + cursor);
		buf_fini(&b);
	}
}

static void
box_draw(struct page *p, const struct area *a)
{
	struct box *x = (struct box *)p;
	unsigned width = a->cols - 4, lines, rows;
	struct area in;
	char *wrapped;

	width = width < BOX_WIDTH ? width : BOX_WIDTH;
	wrapped = box_wrap(x->text, width, &lines);
	rows = lines + 2;
	if (rows + 2 > a->rows)
		rows = a->rows - 2;
	if (x->top + rows > lines + 2)
		x->top = lines + 2 > rows ? lines + 2 - rows : 0;
	in = draw_box(x->title, rows, width);
	rows = in.row + in.rows - 1;
	in.rows -= 2;
	box_draw_text(x, &in, wrapped);
	box_draw_answer(x, &in, rows);
	free(wrapped);
}

/* The box goes, then its question is answered: what the answer shows lies
 * over what was there before. */
static void
box_end(struct box *x, const char *answer)
{
	struct screen *s = x->page.s;
	box_fn *fn = x->fn;
	void *arg = x->arg;

	x->fn = NULL;
	page_pop(s);
	if (fn != NULL)
		fn(s, arg, answer);
}

/* Is what was typed what had to be? Any line where none is named. */
static void
box_typed(struct box *x)
{
	char *text = entry_text(&x->entry);

	if (*x->word == '\0' || strcmp(text, x->word) == 0)
		box_end(x, text);
	else
		page_note(x->page.s, TONE_NOTICE, "type %s, or Esc to go back",
		    x->word);
	free(text);
}

/* Keys that move the text. */
static void
box_scroll(struct box *x, int press)
{
	unsigned page = draw_rows() / 2;

	if (press == PRESS_DOWN)
		x->top++;
	else if (press == PRESS_PAGE_DOWN)
		x->top += page;
	else if (press == PRESS_UP && x->top > 0)
		x->top--;
	else if (press == PRESS_PAGE_UP)
		x->top -= x->top > page ? page : x->top;
}

static bool
box_press(struct page *p, int press)
{
	struct box *x = (struct box *)p;

	if (press == PRESS_ESCAPE)
		box_end(x, NULL);
	else if (!x->question &&
	    (press == PRESS_ENTER || press == 'q' || press == ' '))
		box_end(x, NULL);
	else if (x->word != NULL && press == PRESS_ENTER)
		box_typed(x);
	else if (x->word == NULL && x->question && (press == 'y'))
		box_end(x, "");
	else if (x->word == NULL && x->question &&
	    (press == 'n' || press == 'q'))
		box_end(x, NULL);
	else if (x->word == NULL || !entry_press(&x->entry, press))
		box_scroll(x, press);
	return true;
}

static void
box_free(struct page *p)
{
	struct box *x = (struct box *)p;

	if (x->fn != NULL)
		x->fn(p->s, x->arg, NULL);
	free(x->text);
	free(x->word);
	free(x);
}

static const struct page_ops box_ops = {
    .box = true, .draw = box_draw, .press = box_press, .free = box_free};

static struct box *
box_new(struct screen *s, const char *title, char *text)
{
	struct box *x = xcalloc(1, sizeof *x);

	x->page.ops = &box_ops;
	str_copy(x->title, sizeof x->title, title);
	x->text = text;
	page_push(s, &x->page);
	return x;
}

void
box_words(struct screen *s, const char *title, char *text)
{
	box_new(s, title, text);
}

void
box_error(struct screen *s, const char *title, const struct report *r)
{
	struct buf b = BUF_INIT;

	report_text(s->session, r, &b);
	box_new(s, title, buf_take(&b));
}

void
box_ask(struct screen *s, const char *title, char *text, const char *word,
    box_fn *fn, void *arg)
{
	struct box *x = box_new(s, title, text);

	x->question = true;
	x->fn = fn;
	x->arg = arg;
	x->word = word != NULL ? xstrdup(word) : NULL;
	x->page.typing = word != NULL;
}
