/*
 * Keys of the prompt: Tab and ? show what the walker says may stand at the
 * cursor; a paste is put into the line or, when it has several lines, held
 * until it is said what shall become of it. Called by libedit.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edit.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define EDIT_PASTE (1u << 20) /* characters of one paste */
#define EDIT_LISTED 60	      /* choices shown at once */
#define EDIT_WORDS 28	      /* columns that their words may take */
#define EDIT_PREVIEW 12	      /* lines of a paste shown before it runs */

/* ---- completion and ? --------------------------------------------------- */

/* The line up to the cursor; to be freed. */
static char *
edit_line_before(EditLine *el)
{
	const LineInfoW *li = el_wline(el);

	return text_narrow(li->buffer, (size_t)(li->cursor - li->buffer));
}

/* The line behind the cursor; to be freed. */
static char *
edit_line_behind(EditLine *el)
{
	const LineInfoW *li = el_wline(el);

	return text_narrow(li->cursor, (size_t)(li->lastchar - li->cursor));
}

/* Put a text at the cursor. */
static void
edit_insert(EditLine *el, const char *text)
{
	wchar_t *w = text_wide(text);

	el_winsertstr(el, w);
	free(w);
}

/* One choice: its word, and what it is in the columns right of all words. */
static void
edit_list_one(struct buf *b, const struct choice *one, unsigned width)
{
	unsigned w = text_width(one->shown);
	unsigned columns = text_terminal(STDOUT_FILENO);

	buf_fmt(b, "  %s", one->shown);
	if (one->brief[0] != '\0' && w > width)
		buf_char(b, '\n');
	if (one->brief[0] != '\0')
		text_pad(b, w > width ? width + 4 : width + 2 - w);
	text_wrap(b, one->brief, width + 4, columns > 20 ? columns - 1 : 79);
	buf_char(b, '\n');
}

/* The list below the line: words left, what they are right. */
static void
edit_list(const struct choices *c)
{
	struct buf b = BUF_INIT, safe = BUF_INIT;
	unsigned width = 8, w;
	size_t i;

	for (i = 0; i < c->n && i < EDIT_LISTED; i++) {
		w = text_width(c->list[i].shown);
		width = w > width && w <= EDIT_WORDS ? w : width;
	}
	buf_char(&b, '\n');
	if (c->done_ok)
		buf_str(&b, "  <Enter>\n");
	for (i = 0; i < c->n && i < EDIT_LISTED; i++)
		edit_list_one(&b, &c->list[i], width);
	if (c->n > EDIT_LISTED)
		buf_fmt(&b, "  ... %zu more\n", c->n - EDIT_LISTED);
	if (c->n == 0 && !c->done_ok)
		buf_str(&b, "  nothing that I know may stand here\n");
	text_safe(&safe, b.data);
	text_put(stdout, safe.data);
	fflush(stdout);
	buf_fini(&b);
	buf_fini(&safe);
}

/* Put what all choices have in common in the place of the unfinished word.
 * True when the line has grown. */
static bool
edit_extend(EditLine *el, const char *line, const struct choices *c)
{
	const char *typed = line + c->from;
	bool unique, grown = false;
	char *common = choices_common(c, &unique);
	size_t n = strlen(typed);

	if (common == NULL)
		return false;
	if (strncmp(common, typed, n) == 0) {
		grown = common[n] != '\0';
		edit_insert(el, common + n);
	} else if (unique) {
		wchar_t *w = text_wide(typed);

		el_deletestr(el, (int)wcslen(w));
		free(w);
		edit_insert(el, common);
		grown = true;
	}
	if (unique) {
		edit_insert(el, " ");
		grown = true;
	}
	free(common);
	return grown;
}

/* A Ctrl-C while the server was asked belongs to that question. */
static void
edit_choices(struct edit *e, const char *line, struct choices *c)
{
	complete(e->s, line, c);
	e->s->conn.interrupted = false;
}

/* Tab: grow the word, or show what it may become. */
unsigned char
edit_complete(EditLine *el, int ch)
{
	struct edit *e = edit_of(el);
	char *line = edit_line_before(el);
	unsigned char r = CC_REFRESH;
	struct choices c;

	(void)ch;
	edit_choices(e, line, &c);
	if (!edit_extend(el, line, &c)) {
		edit_list(&c);
		r = CC_REDISPLAY;
	}
	choices_fini(&c);
	free(line);
	return r;
}

/* Does the cursor stand inside quotes, or behind a backslash? */
static bool
edit_is_quoted(const char *line)
{
	struct op_words w;
	struct err e;
	size_t at;
	int r = op_words_parse(&w, line, &at, &e);

	op_words_fini(&w);
	return r != 0;
}

/* ?: show what may stand here; in quotes it is a character. */
unsigned char
edit_help(EditLine *el, int ch)
{
	struct edit *e = edit_of(el);
	char *line = edit_line_before(el);
	unsigned char r = CC_REDISPLAY;
	struct choices c;

	(void)ch;
	if (edit_is_quoted(line)) {
		el_winsertstr(el, L"?");
		r = CC_REFRESH;
	} else {
		edit_choices(e, line, &c);
		edit_list(&c);
		choices_fini(&c);
	}
	free(line);
	return r;
}

/* ---- paste -------------------------------------------------------------- */

/* What may stay of a paste: no control characters but the ends of lines. */
static size_t
edit_strip(wchar_t *text, size_t n)
{
	size_t i, kept = 0;
	wchar_t c;

	for (i = 0; i < n; i++) {
		c = text[i] == L'\r'   ? L'\n'
		    : text[i] == L'\t' ? L' '
				       : text[i];
		if (c == L'\n' ||
		    (c >= L' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0)))
			text[kept++] = c;
	}
	return kept;
}

/* Characters up to the end mark ESC [ 2 0 1 ~; -1 when the terminal is gone
 * or too much came. */
static long
edit_take_paste(EditLine *el, wchar_t *out)
{
	static const wchar_t mark[] = L"\033[201~";
	const size_t len = sizeof mark / sizeof mark[0] - 1;
	size_t n = 0;

	while (n < EDIT_PASTE) {
		if (el_wgetc(el, &out[n]) != 1)
			return -1;
		n++;
		if (n >= len && wmemcmp(out + n - len, mark, len) == 0)
			return (long)edit_strip(out, n - len);
	}
	return -1;
}

/* Lines with something in them. */
static unsigned
edit_count_lines(const char *text)
{
	unsigned n = 0;
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		n += strspn(text, " ") < len;
	}
	return n;
}

/* The first lines of a block, as they would run. */
static void
edit_preview(const char *text)
{
	struct buf b = BUF_INIT, safe = BUF_INIT;
	unsigned shown = 0;
	size_t n;

	buf_char(&b, '\n');
	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (strspn(text, " ") >= n)
			continue;
		if (shown++ == EDIT_PREVIEW) {
			buf_str(&b, "  ...\n");
			break;
		}
		buf_str(&b, "  ");
		buf_add(&b, text, n);
		buf_char(&b, '\n');
	}
	text_safe(&safe, b.data);
	text_put(stdout, safe.data);
	buf_fini(&b);
	buf_fini(&safe);
}

/* Hold a block: Enter runs it, any other key drops it. */
static unsigned char
edit_hold(struct edit *e, const char *text)
{
	char *before = edit_line_before(e->el);
	char *behind = edit_line_behind(e->el);
	wchar_t key;
	bool run;

	edit_preview(text);
	printf("%u lines pasted. Enter runs them as one block, any other "
	       "key drops them.\n",
	    edit_count_lines(text));
	fflush(stdout);
	run = el_wgetc(e->el, &key) == 1 && (key == L'\n' || key == L'\r');
	if (run) {
		free(e->block);
		e->block = xasprintf("%s%s%s", before, text, behind);
	} else {
		printf("dropped\n");
	}
	free(before);
	free(behind);
	return run ? CC_NEWLINE : CC_REDISPLAY;
}

/* A paste of one line goes into the line; of several it is held. */
unsigned char
edit_paste(EditLine *el, int ch)
{
	wchar_t *wide = xcalloc(EDIT_PASTE, sizeof *wide);
	long n = edit_take_paste(el, wide);
	char *text = text_narrow(wide, n > 0 ? (size_t)n : 0);
	unsigned char r = CC_REFRESH;

	(void)ch;
	free(wide);
	if (n < 0) {
		printf("\nthe paste was too long, or broke off: dropped\n");
		r = CC_REDISPLAY;
	} else if (edit_count_lines(text) > 1) {
		r = edit_hold(edit_of(el), text);
	} else {
		text[strcspn(text, "\n")] = '\0';
		edit_insert(el, text);
	}
	free(text);
	return r;
}
