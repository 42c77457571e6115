/*
 * Errors, told in one of two ways: to people, on standard error, with the
 * line and a caret under the word that is wrong; to programs, on standard
 * output, in the envelope of all answers.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* Characters before the byte: columns are counted as people count. */
static unsigned
report_column(const struct report *r)
{
	const char *text = r->place->text;
	unsigned column = 1;
	size_t i;

	for (i = 0; i < r->at && text[i] != '\0'; i++)
		column += (text[i] & 0xc0) != 0x80;
	return column;
}

/* A byte of a line can be pointed at. */
static bool
report_has_place(const struct report *r)
{
	return r->place != NULL && r->place->text != NULL &&
	    r->at != REPORT_NOWHERE;
}

/* "site.conf, line 3, column 11: " */
static void
report_where(const struct session *s, const struct report *r, struct buf *b)
{
	if (r->place != NULL && r->place->file != NULL)
		buf_fmt(b, "%s, ", r->place->file);
	if (r->place != NULL && r->place->line != 0)
		buf_fmt(b, "line %u, ", r->place->line);
	if (report_has_place(r) && !s->interactive)
		buf_fmt(b, "column %u, ", report_column(r));
	if (b->len != 0) {
		b->len -= 2;
		buf_str(b, ": ");
	}
}

#define REPORT_BEFORE 60 /* columns of a long line shown left of the caret */
#define REPORT_BEHIND 40

/* The byte from which a long line is shown, so that the caret is seen. */
static size_t
report_start(const char *text, size_t at)
{
	size_t start = 0;

	while (text_width_n(text + start, at - start) > REPORT_BEFORE) {
		start++;
		while ((text[start] & 0xc0) == 0x80)
			start++;
	}
	return start;
}

/* The line, or what of it is near, and a caret under the word at the byte.
 * Wide characters and tabs take the room they take above. */
static void
report_caret(const struct report *r, struct buf *b)
{
	const char *text = r->place->text;
	size_t start = report_start(text, r->at), i;
	size_t n = strcspn(text + r->at, " \t|");
	const char *front = start != 0 ? "  ..." : "  ";
	unsigned width;

	buf_str(b, front);
	for (i = start; text[i] != '\0'; i++) {
		if (i > r->at + n && (text[i] & 0xc0) != 0x80 &&
		    text_width_n(text + r->at, i - r->at) > REPORT_BEHIND)
			break;
		buf_char(b, text[i] == '\t' ? ' ' : text[i]);
	}
	buf_str(b, text[i] != '\0' ? "...\n" : "\n");
	text_pad(
	    b, text_width(front) + text_width_n(text + start, r->at - start));
	buf_char(b, '^');
	width = text_width_n(text + r->at, n);
	while (width-- > 1)
		buf_char(b, '~');
	buf_char(b, '\n');
}

/* What may stand there, in a line or two. */
static void
report_expected(const struct report *r, struct buf *b)
{
	unsigned column = 12;
	size_t i;

	if (r->nnext == 0)
		return;
	buf_str(b, "  expected: ");
	for (i = 0; i < r->nnext; i++) {
		if (column + text_width(r->next[i].text) > 76) {
			buf_str(b, "\n            ");
			column = 12;
		}
		buf_fmt(b, "%s%s", column == 12 ? "" : "  ", r->next[i].text);
		column += 2 + text_width(r->next[i].text);
	}
	buf_char(b, '\n');
}

/* One object of the server's data: its words, or all that it has. */
static void
report_detail(json_t *row, struct buf *b)
{
	const char *words = json_string_value(json_object_get(row, "words"));
	struct buf cell = BUF_INIT;
	const char *name;
	json_t *value;
	bool more = false;

	buf_str(b, "  ");
	if (words != NULL)
		buf_str(b, words);
	json_object_foreach (row, name, value) {
		if (json_is_null(value) || words != NULL)
			continue;
		buf_reset(&cell);
		render_cell(NULL, value, FORMAT_TABLE, &cell);
		buf_fmt(b, "%s%s: %s", more ? ", " : "", name, cell.data);
		more = true;
	}
	buf_char(b, '\n');
	buf_fini(&cell);
}

/* "rows" of the server's data: both sides of each conflict, every check that
 * failed. */
static void
report_details(const struct report *r, struct buf *b)
{
	json_t *rows = json_object_get(r->data, "rows"), *row;
	const char *words;
	size_t i;

	json_array_foreach (rows, i, row) {
		words = json_string_value(json_object_get(row, "words"));
		if (!str_equal(words, r->err->text)) /* said already */
			report_detail(row, b);
	}
}

void
report_text(const struct session *s, const struct report *r, struct buf *b)
{
	report_where(s, r, b);
	buf_fmt(b, "%s\n",
	    r->err->text[0] != '\0' ? r->err->text : err_text(r->err->code));
	if (report_has_place(r))
		report_caret(r, b);
	report_expected(r, b);
	report_details(r, b);
}

/* The first line, which is words, in as many as the terminal wants; those
 * below it, with the caret, have a form of their own. */
static void
report_wrap(struct buf *out, const char *text, const char *front)
{
	unsigned width = text_terminal(2);
	char *words = xstrndup(text, strcspn(text, "\n"));
	const char *at = words;

	buf_str(out, front);
	while (width > 20 && text_width(at) + strlen(front) > width) {
		text_take(out, &at, width - (unsigned)strlen(front));
		buf_char(out, '\n');
		front = "";
	}
	buf_fmt(out, "%s%s", at, text + strlen(words));
	free(words);
}

/* The error for people, on standard error, after what stdout holds. */
static void
report_words(struct session *s, const struct report *r)
{
	struct buf b = BUF_INIT, safe = BUF_INIT, lines = BUF_INIT;

	report_text(s, r, &b);
	if (!b.failed) {
		text_safe(&safe, b.data);
		report_wrap(&lines, safe.data != NULL ? safe.data : "",
		    s->interactive ? "" : "tandem: ");
		text_flush();
		if (lines.data != NULL)
			text_put(stderr, lines.data);
	}
	buf_fini(&lines);
	buf_fini(&b);
	buf_fini(&safe);
}

static void
report_set_text(json_t *o, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(o, name, json_string(text));
}

/* The error for programs, on standard output. */
static void
report_envelope(const struct report *r)
{
	json_t *o = op_envelope_error(
	    r->op != NULL ? r->op->name : NULL, r->err);
	struct buf b = BUF_INIT;
	size_t i;

	report_set_text(o, "path", r->path);
	report_set_text(o, "file", r->place != NULL ? r->place->file : NULL);
	if (r->place != NULL && r->place->line != 0)
		json_object_set_new(o, "line", json_integer(r->place->line));
	if (report_has_place(r))
		json_object_set_new(
		    o, "column", json_integer(report_column(r)));
	for (i = 0; i < r->nnext; i++)
		json_array_append_new(json_object_get(o, "expected"),
		    json_string(r->next[i].text));
	op_envelope_add(o, r->data);
	render_json(o, &b);
	text_write(stdout, b.data, b.len);
	text_flush();
	buf_fini(&b);
	json_decref(o);
}

int
report(struct session *s, const struct report *r)
{
	if (!s->interactive && s->opt != NULL && s->opt->format == FORMAT_JSON)
		report_envelope(r);
	else
		report_words(s, r);
	return err_exit(r->err->code);
}

int
report_err(struct session *s, const struct err *e)
{
	return report(s, &(struct report){.at = REPORT_NOWHERE, .err = e});
}

void
report_note(struct session *s, const char *fmt, ...)
{
	struct buf safe = BUF_INIT;
	char words[1024];
	va_list ap;

	if (s->opt->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	text_safe(&safe, words);
	text_flush();
	fputs(s->interactive ? "" : "tandem: ", stderr);
	text_put(stderr, safe.data);
	fputs("\n", stderr);
	buf_fini(&safe);
}
