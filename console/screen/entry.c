/*
 * A line that is typed: the text, the cursor, and the keys that edit it. A
 * character is what the terminal sent; wide ones take two columns.
 */
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "screen_room.h"
#include "daemon/base/str.h"

void
entry_set(struct entry *e, const char *utf8)
{
	wchar_t *w = text_wide(utf8);

	e->n = wcslen(w);
	if (e->n > ENTRY_MAX)
		e->n = ENTRY_MAX;
	wmemcpy(e->text, w, e->n);
	e->text[e->n] = L'\0';
	e->at = e->n;
	free(w);
}

char *
entry_text(const struct entry *e)
{
	return text_narrow(e->text, e->n);
}

char *
entry_before(const struct entry *e)
{
	return text_narrow(e->text, e->at);
}

/* Take n characters behind from away. */
static void
entry_cut(struct entry *e, size_t from, size_t n)
{
	wmemmove(e->text + from, e->text + from + n, e->n - from - n + 1);
	e->n -= n;
	e->at = from;
}

/* Where the word before the cursor begins. */
static size_t
entry_word(const struct entry *e)
{
	size_t at = e->at;

	while (at > 0 && e->text[at - 1] == L' ')
		at--;
	while (at > 0 && e->text[at - 1] != L' ')
		at--;
	return at;
}

/* A character at the cursor, if it is one that may be shown. */
static bool
entry_insert(struct entry *e, int press)
{
	if (press < ' ' || press >= PRESS_NONE || press == PRESS_ERASE ||
	    (press >= 0x80 && press < 0xa0))
		return false;
	if (e->n == ENTRY_MAX)
		return true;
	wmemmove(e->text + e->at + 1, e->text + e->at, e->n - e->at + 1);
	e->text[e->at++] = (wchar_t)press;
	e->n++;
	return true;
}

bool
entry_press(struct entry *e, int press)
{
	size_t word;

	switch (press) {
	case PRESS_LEFT:
	case PRESS_CTRL('b'):
		e->at -= e->at > 0;
		return true;
	case PRESS_RIGHT:
	case PRESS_CTRL('f'):
		e->at += e->at < e->n;
		return true;
	case PRESS_HOME:
	case PRESS_CTRL('a'):
		e->at = 0;
		return true;
	case PRESS_END:
	case PRESS_CTRL('e'):
		e->at = e->n;
		return true;
	case PRESS_ERASE:
	case PRESS_CTRL('h'):
		if (e->at > 0)
			entry_cut(e, e->at - 1, 1);
		return true;
	case PRESS_DELETE:
	case PRESS_CTRL('d'):
		if (e->at < e->n)
			entry_cut(e, e->at, 1);
		return true;
	case PRESS_CTRL('u'):
		entry_cut(e, 0, e->at);
		return true;
	case PRESS_CTRL('k'):
		entry_cut(e, e->at, e->n - e->at);
		return true;
	case PRESS_CTRL('w'):
		word = entry_word(e);
		entry_cut(e, word, e->at - word);
		return true;
	default:
		return entry_insert(e, press);
	}
}

/* One character as it is shown. */
static void
entry_put(const struct entry *e, size_t i, char mask, struct buf *b)
{
	char *text, safe[32];

	if (mask != '\0') {
		buf_char(b, mask);
		return;
	}
	text = text_narrow(e->text + i, 1);
	str_escape(safe, sizeof safe, text, strlen(text));
	buf_str(b, safe);
	free(text);
}

/* Columns of characters from one to before another. */
static unsigned
entry_width(const struct entry *e, size_t from, size_t to, char mask)
{
	struct buf b = BUF_INIT;
	unsigned width;

	buf_str(&b, "");
	for (; from < to; from++)
		entry_put(e, from, mask, &b);
	width = text_width(b.data);
	buf_fini(&b);
	return width;
}

void
entry_show(const struct entry *e, unsigned width, char mask, struct buf *b,
    unsigned *cursor)
{
	size_t from = 0, i;

	buf_str(b, "");
	while (from < e->at && entry_width(e, from, e->at, mask) >= width)
		from++;
	*cursor = entry_width(e, from, e->at, mask);
	for (i = from; i < e->n; i++) {
		if (entry_width(e, from, i + 1, mask) > width)
			break;
		entry_put(e, i, mask, b);
	}
}
