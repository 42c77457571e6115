/*
 * A reply as text: table, JSON envelope, CSV, lines, terse. The handler gave
 * data; only here is decided how it looks. What came from the network is
 * escaped in every form, so no reply can drive a terminal.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* ---- cells -------------------------------------------------------------- */

/* Seconds as people say them: 45s, 5m03s, 2h05m, 3d04h. */
static void
render_duration(struct buf *b, int64_t s)
{
	if (s < 0)
		buf_fmt(b, "%" PRId64, s);
	else if (s < 60)
		buf_fmt(b, "%" PRId64 "s", s);
	else if (s < 3600)
		buf_fmt(b, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		buf_fmt(
		    b, "%" PRId64 "h%02" PRId64 "m", s / 3600, s % 3600 / 60);
	else
		buf_fmt(b, "%" PRId64 "d%02" PRId64 "h", s / 86400,
		    s % 86400 / 3600);
}

/* Bytes with one letter: 512, 64.0k, 10.5M. */
static void
render_bytes(struct buf *b, int64_t n)
{
	static const char units[] = "kMGTP";
	double v = (double)n;
	int i;

	if (n < 1024) {
		buf_fmt(b, "%" PRId64, n);
		return;
	}
	for (i = -1; v >= 1024 && i < 4; i++)
		v /= 1024;
	buf_fmt(b, "%.1f%c", v, units[i]);
}

/* A point in time without its milliseconds: 2026-11-22T23:00:07Z. */
static void
render_time(struct buf *b, const char *text)
{
	if (strlen(text) == 24 && text[19] == '.') {
		buf_add(b, text, 19);
		buf_char(b, 'Z');
	} else {
		text_safe(b, text);
	}
}

/* A text with every byte escaped that a terminal could obey. */
static void
render_string(struct buf *b, const char *text)
{
	size_t n = strlen(text), got;
	char *at = buf_reserve(b, 4 * n + 1);

	if (at == NULL)
		return;
	got = str_escape(at, 4 * n + 1, text, n);
	b->len += got;
}

/* A path as it stands in a line, to be copied into one. */
static void
render_path(struct buf *b, const char *path)
{
	struct buf words = BUF_INIT;

	op_quote_words(&words, path);
	if (words.data != NULL)
		render_string(b, words.data);
	buf_fini(&words);
}

void
render_cell(
    const struct op_field *f, json_t *v, enum format format, struct buf *b)
{
	bool people = format == FORMAT_TABLE || format == FORMAT_LINES;
	const struct op_type *type = f != NULL ? f->type : &op_type_text;
	json_t *item;
	size_t i;

	if (json_is_array(v)) {
		json_array_foreach (v, i, item) {
			buf_str(b, i != 0 ? (people ? " " : ",") : "");
			render_cell(f, item, format, b);
		}
	} else if (json_is_integer(v)) {
		if (people && type == &op_type_duration)
			render_duration(b, json_integer_value(v));
		else if (people && type == &op_type_bytes)
			render_bytes(b, json_integer_value(v));
		else
			buf_fmt(
			    b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	} else if (json_is_real(v)) {
		buf_fmt(b, "%g", json_real_value(v));
	} else if (json_is_boolean(v)) {
		buf_str(b, json_is_true(v) ? "yes" : "no");
	} else if (json_is_string(v) &&
	    (!people || json_string_length(v) != 0)) {
		if (people && type == &op_type_time)
			render_time(b, json_string_value(v));
		else if (people && type == &op_type_path)
			render_path(b, json_string_value(v));
		else
			render_string(b, json_string_value(v));
	} else if (people) {
		buf_char(b, '-');
	}
	buf_str(b, ""); /* also an empty cell is a string */
}

/* ---- table -------------------------------------------------------------- */

#define TABLE_DECKS 3	/* lines of a row before it is a line a field */
#define TABLE_DECK_IN 2 /* columns by which all but the first stand in */

struct table {
	const struct view *v;
	char **cells; /* of the rows, one after the other */
	size_t nrows;
	unsigned *width, *word; /* of each column, of its longest word */
	bool heads;
	/* A row has a line for each deck; this one ends before that column. */
	size_t deck[TABLE_DECKS];
};

/* The text of a cell, made by table_fill. */
static char *
table_cell(struct table *t, size_t row, size_t col)
{
	return t->cells[row * t->v->ncols + col];
}

/* Columns of the longest word. */
static unsigned
table_word(const char *s)
{
	unsigned longest = 0, w;
	size_t n;

	for (; *s != '\0'; s += n + (s[n] == ' ')) {
		n = strcspn(s, " ");
		w = text_width_n(s, n);
		longest = w > longest ? w : longest;
	}
	return longest;
}

/* Make all cells; note how wide each column is, and its longest word. */
static void
table_fill(struct table *t)
{
	const struct view *v = t->v;
	size_t row, col;
	unsigned w;

	for (col = 0; col < v->ncols; col++)
		t->width[col] = t->heads ? text_width(v->cols[col]->name) : 0;
	for (row = 0; row < t->nrows; row++) {
		for (col = 0; col < v->ncols; col++) {
			struct buf b = BUF_INIT;
			json_t *o = json_array_get(v->rows, row);

			render_cell(v->cols[col],
			    json_object_get(o, v->cols[col]->name), v->format,
			    &b);
			t->cells[row * v->ncols + col] = buf_take(&b);
			w = text_width(table_cell(t, row, col));
			if (w > t->width[col])
				t->width[col] = w;
			w = table_word(table_cell(t, row, col));
			if (w > t->word[col])
				t->word[col] = w;
		}
	}
}

#define TABLE_LEAST 12 /* columns in which texts can still be read */

/* How narrow a column may become: only texts go on in a line below, and a word
 * is not broken, for somebody may want to copy it. */
static unsigned
table_least(const struct table *t, size_t col)
{
	const struct op_field *f = t->v->cols[col];
	unsigned head = text_width(f->name), least = t->word[col];

	if (f->type->json != OP_STRING)
		return t->width[col];
	if (least < TABLE_LEAST && least < t->width[col])
		least = t->width[col] < TABLE_LEAST ? t->width[col]
						    : TABLE_LEAST;
	return least > head ? least : head;
}

/* The column that gives way next: the widest of those that can. */
static size_t
table_widest(const struct table *t)
{
	size_t n = t->v->ncols, col, widest = n;

	for (col = 0; col < n; col++) {
		if (t->width[col] > table_least(t, col) &&
		    (widest == n || t->width[col] > t->width[widest]))
			widest = col;
	}
	return widest;
}

/* Narrow columns until the line fits; false, and nothing done, when it never
 * would. */
static bool
table_fit(struct table *t, unsigned width)
{
	size_t n = t->v->ncols, col;
	unsigned total = 0, least = 0;

	for (col = 0; col < n; col++) {
		total += t->width[col] + (col != 0 ? 2 : 0);
		least += table_least(t, col) + (col != 0 ? 2 : 0);
	}
	if (width != 0 && least > width)
		return false;
	for (; width != 0 && total > width; total--)
		t->width[table_widest(t)]--;
	return true;
}

/* As many columns on a line as it holds, the others on lines below; false when
 * it takes too many. */
static bool
table_stack(struct table *t, unsigned width)
{
	size_t col = 0, n;
	unsigned used, room;

	for (n = 0; n < TABLE_DECKS; n++) {
		room = width - (n != 0 ? TABLE_DECK_IN : 0);
		for (used = 0; col < t->v->ncols; col++) {
			if (table_least(t, col) > room)
				return false;
			if (t->width[col] > room)
				t->width[col] = room;
			if (used != 0 && used + 2 + t->width[col] > room)
				break;
			used += t->width[col] + (used != 0 ? 2 : 0);
		}
		t->deck[n] = col;
	}
	return col == t->v->ncols;
}

/* Find a form for the width. False: it is too narrow for any. */
static bool
table_form(struct table *t, unsigned width)
{
	t->deck[0] = t->v->ncols;
	return t->v->ncols == 1 || table_fit(t, width) ||
	    (width > TABLE_LEAST && table_stack(t, width));
}

/* Numbers stand right, so that their digits stand below one another. */
static bool
table_is_right(const struct op_field *f)
{
	return f->type->json == OP_INTEGER && !(f->flags & OP_LIST);
}

/* What of a cell fits, padded on the side that its column wants. */
static void
table_put(struct table *t, size_t col, const char **text, struct buf *b)
{
	struct buf part = BUF_INIT;
	unsigned pad;

	buf_str(&part, "");
	text_take(&part, text, t->width[col]);
	pad = t->width[col] - text_width(part.data);
	if (table_is_right(t->v->cols[col]))
		text_pad(b, pad);
	buf_str(b, part.data);
	if (!table_is_right(t->v->cols[col]))
		text_pad(b, pad);
	buf_fini(&part);
}

/* A deck of a row, the columns from one to before another: cells that are
 * wider than their columns go on in lines below. */
static void
table_deck(
    struct table *t, size_t from, size_t to, const char **rest, struct buf *b)
{
	size_t col;
	bool more;

	do {
		more = false;
		text_pad(b, from != 0 ? TABLE_DECK_IN : 0);
		for (col = from; col < to; col++) {
			buf_str(b, col != from ? "  " : "");
			table_put(t, col, &rest[col], b);
			more |= *rest[col] != '\0';
		}
		while (b->len > 0 && b->data[b->len - 1] == ' ')
			b->len--;
		buf_char(b, '\n');
	} while (more);
}

static void
table_row(struct table *t, const char **rest, struct buf *b)
{
	size_t from = 0, i;

	for (i = 0; from < t->v->ncols; i++) {
		table_deck(t, from, t->deck[i], rest, b);
		from = t->deck[i];
	}
}

/* Headings in capitals. */
static void
table_head(struct table *t, const char **rest, struct buf *b)
{
	char name[64][64];
	size_t col, i;

	for (col = 0; col < t->v->ncols; col++) {
		str_copy(name[col], sizeof name[col], t->v->cols[col]->name);
		for (i = 0; name[col][i] != '\0'; i++)
			name[col][i] = (char)toupper(
			    (unsigned char)name[col][i]);
		rest[col] = name[col];
	}
	table_row(t, rest, b);
}

static void
table_show(struct table *t, struct buf *b)
{
	const char **rest = xcalloc(t->v->ncols, sizeof *rest);
	size_t row, col;

	if (t->heads)
		table_head(t, rest, b);
	for (row = 0; row < t->nrows; row++) {
		for (col = 0; col < t->v->ncols; col++)
			rest[col] = table_cell(t, row, col);
		table_row(t, rest, b);
	}
	free(rest);
}

static void render_lines(const struct view *, struct buf *);

/* A column alone needs no heading where something was looked at: its rows
 * are the text. What was done is told with its name. A table that has far too
 * many columns for the width is shown a line a field. */
static void
render_table(const struct view *v, unsigned width, struct buf *b)
{
	struct table t = {.v = v, .nrows = json_array_size(v->rows)};
	size_t i;

	if (t.nrows == 0 || v->ncols == 0)
		return;
	t.heads = !v->headed &&
	    (v->ncols > 1 ||
		(v->op != NULL && v->op->kind != OP_READ && !v->chosen));
	t.cells = xcalloc(t.nrows * v->ncols, sizeof *t.cells);
	t.width = xcalloc(v->ncols, sizeof *t.width);
	t.word = xcalloc(v->ncols, sizeof *t.word);
	table_fill(&t);
	if (table_form(&t, width))
		table_show(&t, b);
	else
		render_lines(v, b);
	for (i = 0; i < t.nrows * v->ncols; i++)
		free(t.cells[i]);
	free(t.cells);
	free(t.width);
	free(t.word);
}

/* ---- csv, terse, lines -------------------------------------------------- */

/* RFC 4180: quotes around what holds a comma, a quote or a line end. */
static void
render_csv_cell(struct buf *b, const char *text)
{
	if (strpbrk(text, ",\"\r\n") == NULL) {
		buf_str(b, text);
		return;
	}
	buf_char(b, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			buf_char(b, '"');
		buf_char(b, *text);
	}
	buf_char(b, '"');
}

/* "a:b": a colon or a backslash of the value stands behind a backslash. */
static void
render_terse_cell(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == ':' || *text == '\\')
			buf_char(b, '\\');
		buf_char(b, *text);
	}
}

/* csv and terse: a line a row, no padding. */
static void
render_separated(const struct view *v, struct buf *b)
{
	bool csv = v->format == FORMAT_CSV;
	struct buf cell = BUF_INIT;
	size_t row, col;
	json_t *o;

	for (col = 0; csv && !v->headed && col < v->ncols; col++)
		buf_fmt(b, "%s%s%s", col != 0 ? "," : "", v->cols[col]->name,
		    col + 1 == v->ncols ? "\n" : "");
	json_array_foreach (v->rows, row, o) {
		for (col = 0; col < v->ncols; col++) {
			buf_reset(&cell);
			render_cell(v->cols[col],
			    json_object_get(o, v->cols[col]->name), v->format,
			    &cell);
			buf_str(b, col == 0 ? "" : csv ? "," : ":");
			if (csv)
				render_csv_cell(b, cell.data);
			else
				render_terse_cell(b, cell.data);
		}
		buf_char(b, '\n');
	}
	buf_fini(&cell);
}

/* A line a field, an empty line between rows. */
static void
render_lines(const struct view *v, struct buf *b)
{
	unsigned width = 0, w;
	size_t row, col;
	json_t *o;

	for (col = 0; col < v->ncols; col++) {
		w = text_width(v->cols[col]->name);
		width = w > width ? w : width;
	}
	json_array_foreach (v->rows, row, o) {
		buf_str(b, row != 0 ? "\n" : "");
		for (col = 0; col < v->ncols; col++) {
			buf_str(b, v->cols[col]->name);
			text_pad(b, width + 2 - text_width(v->cols[col]->name));
			render_cell(v->cols[col],
			    json_object_get(o, v->cols[col]->name), v->format,
			    b);
			buf_char(b, '\n');
		}
	}
}

/* ---- JSON --------------------------------------------------------------- */

/* For jansson: append. */
static int
render_to(const char *s, size_t n, void *arg)
{
	buf_add(arg, s, n);
	return 0;
}

/*
 * JSON leaves characters above 0x7e as they are; those that a terminal could
 * obey become \uHHHH, which means the same.
 */
static void
render_json_safe(const char *s, size_t n, struct buf *b)
{
	char safe[20];
	mbstate_t state = {0};
	size_t plain, len;
	wchar_t wc;

	while (n > 0) {
		for (plain = 0; plain < n && (unsigned char)s[plain] < 0x7f;)
			plain++;
		buf_add(b, s, plain);
		s += plain;
		if ((n -= plain) == 0)
			return;
		len = mbrtowc(&wc, s, n, &state);
		if (len == (size_t)-1 || len == (size_t)-2 || len == 0)
			return; /* jansson writes UTF-8 only */
		if (str_escape(safe, sizeof safe, s, len) == len)
			buf_add(b, s, len);
		else
			buf_fmt(b, "\\u%04X", (unsigned)wc);
		s += len;
		n -= len;
	}
}

void
render_json(json_t *o, struct buf *b)
{
	struct buf raw = BUF_INIT;

	json_dump_callback(o, render_to, &raw, JSON_COMPACT);
	if (raw.data != NULL)
		render_json_safe(raw.data, raw.len, b);
	buf_char(b, '\n');
	buf_fini(&raw);
}

static void
render_envelope(const struct view *v, struct buf *b)
{
	json_t *o = op_envelope(
	    v->op != NULL ? v->op->name : NULL, v->rows, v->result);

	render_json(o, b);
	json_decref(o);
}

void
render(const struct view *v, unsigned width, struct buf *b)
{
	switch (v->format) {
	case FORMAT_JSON:
		render_envelope(v, b);
		break;
	case FORMAT_CSV:
	case FORMAT_TERSE:
		render_separated(v, b);
		break;
	case FORMAT_LINES:
		render_lines(v, b);
		break;
	default:
		render_table(v, width, b);
	}
}
