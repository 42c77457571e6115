/*
 * A line cut into words, and a value made into a word of a line. What op_quote
 * writes, op_words_parse reads back as one word of the same bytes: exports
 * and pasted lines depend on that.
 */
#include <stdlib.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

struct op_cut {
	const char *line;
	size_t at;	/* next byte */
	char *out;	/* next byte of the store */
	bool quoted;	/* the word in the making had quotes or escapes */
	size_t room;	/* words that may be stored */
	size_t *bad_at; /* where an error is told */
};

/* Store the place of an error and its words. */
static int
op_cut_refuse(struct op_cut *c, size_t at, struct err *e, const char *words)
{
	*c->bad_at = at;
	return err_set(e, ERR_SYNTAX, "%s", words);
}

/* '...': every byte as it is. */
static int
op_cut_single(struct op_cut *c, struct err *e)
{
	const char *end = strchr(c->line + c->at + 1, '\'');
	size_t n;

	if (end == NULL)
		return op_cut_refuse(c, c->at, e, "quote without its end");
	n = (size_t)(end - (c->line + c->at + 1));
	memcpy(c->out, c->line + c->at + 1, n);
	c->out += n;
	c->at += n + 2;
	return 0;
}

/* "...": with the escapes \" \\ \n \t. */
static int
op_cut_double(struct op_cut *c, struct err *e)
{
	size_t start = c->at++;
	char ch;

	while ((ch = c->line[c->at]) != '"') {
		if (ch == '\0')
			return op_cut_refuse(
			    c, start, e, "quote without its end");
		if (ch == '\\') {
			ch = c->line[++c->at];
			if (ch == '\0' || strchr("\"\\nt", ch) == NULL)
				return op_cut_refuse(c, c->at - 1, e,
				    "expected \" \\ n or t behind \\");
			ch = ch == 'n' ? '\n' : ch == 't' ? '\t' : ch;
		}
		*c->out++ = ch;
		c->at++;
	}
	c->at++;
	return 0;
}

/* Bytes up to a space or a byte that stands alone. */
static int
op_cut_word(struct op_cut *c, struct err *e)
{
	int r = 0;
	char ch;

	while (r == 0 && (ch = c->line[c->at]) != '\0' &&
	    strchr(" \t[]|", ch) == NULL) {
		if (ch == '\'' || ch == '"') {
			c->quoted = true;
			r = ch == '"' ? op_cut_double(c, e)
				      : op_cut_single(c, e);
			continue;
		}
		if (ch == '\\') {
			c->quoted = true;
			if ((ch = c->line[++c->at]) == '\0')
				return op_cut_refuse(c, c->at - 1, e,
				    "expected a character behind \\");
		}
		*c->out++ = ch;
		c->at++;
	}
	return r;
}

/* One word into its slot. */
static int
op_cut_next(struct op_cut *c, struct op_word *w, struct err *e)
{
	int r = 0;

	w->at = c->at;
	w->text = c->out;
	c->quoted = false;
	if (strchr("[]|", c->line[c->at]) != NULL)
		*c->out++ = c->line[c->at++];
	else
		r = op_cut_word(c, e);
	*c->out++ = '\0';
	w->end = c->at;
	w->quoted = c->quoted;
	return r;
}

/* A slot behind the words that there are; a line has as many words as fit in
 * it. NULL: out of memory. */
static struct op_word *
op_cut_slot(struct op_cut *c, struct op_words *w)
{
	size_t room = c->room != 0 ? 2 * c->room : 16;
	struct op_word *more;

	if (w->count == c->room) {
		more = realloc(w->word, room * sizeof *more);
		if (more == NULL)
			return NULL;
		w->word = more;
		c->room = room;
	}
	return &w->word[w->count];
}

/* The first byte that may not stand in a line; the length when all may. */
static size_t
op_line_good(const char *line)
{
	size_t n = strlen(line), good = 0, len;
	char safe[16];

	while (good < n) {
		if ((unsigned char)line[good] < 0x80) {
			if ((line[good] < ' ' && line[good] != '\t') ||
			    line[good] == 0x7f)
				return good;
			good++;
			continue;
		}
		for (len = 2; len <= 4 && !str_utf8(line + good, len); len++)
			;
		if (len > 4 || good + len > n ||
		    str_escape(safe, sizeof safe, line + good, len) != len)
			return good;
		good += len;
	}
	return n;
}

int
op_words_parse(struct op_words *w, const char *line, size_t *at, struct err *e)
{
	struct op_cut c = {.line = line, .bad_at = at};
	size_t n = strlen(line), good = op_line_good(line);
	struct op_word *slot;
	int r = 0;

	w->word = NULL;
	w->count = 0;
	w->open = true;
	*at = 0;
	/* A word takes at most a NUL more than it had; so does each of [ ] |.
	 */
	if ((w->store = malloc(2 * n + 1)) == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (good < n)
		return op_cut_refuse(
		    &c, good, e, "expected UTF-8 without control characters");
	c.out = w->store;
	while (r == 0) {
		c.at += strspn(line + c.at, " \t");
		if (line[c.at] == '\0' || line[c.at] == '#')
			break;
		if ((slot = op_cut_slot(&c, w)) == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		r = op_cut_next(&c, slot, e);
		if (r == 0)
			w->count++;
	}
	if (r == 0 && w->count != 0)
		w->open = w->word[w->count - 1].end != n ||
		    (!w->word[w->count - 1].quoted &&
			strchr("[]|", line[n - 1]) != NULL);
	return r;
}

void
op_words_fini(struct op_words *w)
{
	free(w->store);
	free(w->word);
	w->store = NULL;
	w->word = NULL;
	w->count = 0;
}

/* Bytes that need no quotes anywhere in a word. */
static bool
op_is_plain(const char *s, size_t n)
{
	size_t i;

	if (n == 0 || *s == '#')
		return false;
	for (i = 0; i < n; i++) {
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f ||
		    strchr("'\"\\[]|", s[i]) != NULL)
			return false;
	}
	return true;
}

/* n bytes as one word of a line. */
static void
op_quote_word(struct buf *b, const char *s, size_t n)
{
	size_t i;

	if (op_is_plain(s, n)) {
		buf_add(b, s, n);
		return;
	}
	buf_char(b, '"');
	for (i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\')
			buf_char(b, '\\');
		if (s[i] == '\n')
			buf_str(b, "\\n");
		else if (s[i] == '\t')
			buf_str(b, "\\t");
		else
			buf_char(b, s[i]);
	}
	buf_char(b, '"');
}

void
op_quote(struct buf *b, const char *s)
{
	op_quote_word(b, s, strlen(s));
}

void
op_quote_words(struct buf *b, const char *words)
{
	const char *between = "";
	size_t n;

	words += strspn(words, " ");
	for (; *words != '\0'; words += n + strspn(words + n, " ")) {
		n = strcspn(words, " ");
		buf_str(b, between);
		op_quote_word(b, words, n);
		between = " ";
	}
}
