/*
 * Output of a command: as it is, or a screen at a time where somebody sits
 * before it. The pager is our own and small: it starts no program, so it is
 * safe in a login shell.
 */
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"

/* Rows of a screen of so many columns that a line takes. */
static unsigned
pager_height(const char *line, size_t n, unsigned columns)
{
	unsigned width = text_width_n(line, n);

	return width == 0 || columns == 0 ? 1 : (width + columns - 1) / columns;
}

/* The end of the lines behind at that so many rows hold; one goes always. */
static size_t
pager_lines(const struct buf *b, size_t at, unsigned rows)
{
	unsigned used = 0, columns = text_terminal(1);
	size_t start = at, n;
	const char *nl;

	for (; at < b->len; at += n + (nl != NULL)) {
		nl = memchr(b->data + at, '\n', b->len - at);
		n = nl != NULL ? (size_t)(nl - b->data) - at : b->len - at;
		used += pager_height(b->data + at, n, columns);
		if (used > rows && at != start)
			break;
	}
	return at;
}

/* One key without Enter; 'q' when there is none to be had. */
static char
pager_key(void)
{
	struct termios was, now;
	char key = 'q';

	if (tcgetattr(STDIN_FILENO, &was) != 0)
		return key;
	now = was;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &now);
	if (read(STDIN_FILENO, &key, 1) != 1)
		key = 'q';
	tcsetattr(STDIN_FILENO, TCSANOW, &was);
	return key;
}

/* Ask for a key below the text; one less than the width, or the cursor would
 * go to the next line. */
static char
pager_ask(void)
{
	struct buf b = BUF_INIT;
	char key;

	text_fit(&b, "-- more: space, Enter, a all, q enough --",
	    text_terminal(1) - 1);
	text_write(stdout, b.data, b.len);
	text_flush();
	buf_fini(&b);
	key = pager_key();
	text_clear(stdout);
	return key;
}

/* Lines of a screen, the question's left out. */
static unsigned
pager_rows(void)
{
	unsigned rows = text_terminal_rows(1);

	return rows > 2 ? rows - 1 : 1;
}

/* Space a screen, Enter a line, a all the rest, q enough. */
static void
pager_page(const struct buf *b)
{
	size_t at = 0, end = pager_lines(b, 0, pager_rows());
	char key;

	for (;;) {
		text_write(stdout, b->data + at, end - at);
		text_flush();
		if ((at = end) >= b->len)
			return;
		key = pager_ask();
		if (key == 'q' || key == 'Q' || key == 3 || key == 4)
			return;
		end = key == 'a' ? b->len
		    : key == '\n' || key == '\r'
		    ? pager_lines(b, at, 1)
		    : pager_lines(b, at, pager_rows());
	}
}

void
pager_show(struct session *s, const struct view *v, const struct buf *b)
{
	unsigned rows = s->interactive && !v->no_more ? text_terminal_rows(1)
						      : 0;

	if (b->data == NULL)
		return;
	if (rows > 2 && pager_lines(b, 0, rows - 1) < b->len)
		pager_page(b);
	else
		text_write(stdout, b->data, b->len);
	text_flush();
}
