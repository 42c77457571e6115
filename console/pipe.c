/*
 * What may stand behind a bar: filters over the rows of a reply. They are
 * operations of a table of their own, so the walker parses, completes and
 * explains them like any other. A filter works on rows before they become
 * text: "match" means the same for a table and for JSON.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/str.h"

static const struct op_field pattern_args[] = {
    {.name = "pattern",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 500,
	.brief = "regular expression; quote brackets and bars"},
    {0},
};
static const struct op_field rows_args[] = {
    {.name = "rows",
	.type = &op_type_int,
	.flags = OP_KEY,
	.def = "10",
	.min = 0,
	.max = 1000000000,
	.brief = "how many"},
    {0},
};
static const struct op_field sort_args[] = {
    {.name = "column",
	.type = &op_type_name,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "column to sort by"},
    {.name = "reverse",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "greatest first"},
    {0},
};
static const struct op_field columns_args[] = {
    {.name = "columns",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 1000,
	.brief = "names with commas between them"},
    {0},
};
static const char *const display_formats[] = {
    "table", "json", "csv", "lines", "terse", NULL};
static const struct op_field display_args[] = {
    {.name = "format",
	.type = &op_type_choice,
	.choices = display_formats,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "how rows are written"},
    {0},
};
static const struct op_field save_args[] = {
    {.name = "file",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 4000,
	.brief = "file to write, replaced if it is there"},
    {0},
};

#define PIPE(id, word, brief_, args_, about_, example_) \
	static const struct op pipe_##id = {            \
	    .name = word,                               \
	    .brief = brief_,                            \
	    .about = about_,                            \
	    .example = example_,                        \
	    .args = args_,                              \
	}

PIPE(match, "match", "only rows in which the pattern is found", pattern_args,
    "It is looked for in the row as a table shows it; letters of either case "
    "are the same.",
    "show roles | match passive");
PIPE(except, "except", "only rows in which the pattern is not found",
    pattern_args, "As match.", "show roles | except passive");
PIPE(find, "find", "rows from the first in which the pattern is found",
    pattern_args, "As match.", "show configuration | find \"set domain\"");
PIPE(count, "count", "how many rows", NULL, NULL, "show calls | count");
PIPE(head, "head", "only the first rows", rows_args, NULL,
    "show revisions | head 3");
PIPE(last, "last", "only the last rows", rows_args, NULL,
    "show statistics | last");
PIPE(sort, "sort", "by the values of a column", sort_args,
    "Numbers by what they are, texts by their bytes; what is empty comes "
    "first.",
    "show roles | sort uptime reverse");
PIPE(columns, "columns", "only these columns, in this order", columns_args,
    "Also those that a table leaves out, see the operation.",
    "show roles | columns instance,state");
PIPE(display, "display", "written in another form", display_args,
    "The same as option -o of tandem(1).", "show roles | display json");
PIPE(save, "save", "into a file", save_args,
    "What is shown, as it would be shown; of an operation that answers with a "
    "file, such as export call, its bytes.",
    "show configuration | save all.tandem");
PIPE(no_more, "no-more", "without stopping at each screen", NULL, NULL,
    "show configuration | no-more");

static const struct op *const pipe_ops[] = {&pipe_match, &pipe_except,
    &pipe_find, &pipe_count, &pipe_head, &pipe_last, &pipe_sort, &pipe_columns,
    &pipe_display, &pipe_no_more, &pipe_save, NULL};
static const struct obj *const pipe_objs[] = {NULL};

const struct op_table pipe_table = {.ops = pipe_ops, .objs = pipe_objs};

/* ---- views -------------------------------------------------------------- */

/* Programs get all columns, people those that are not details; what was
 * chosen by name stays. */
static void
view_set_format(struct view *v, enum format format)
{
	bool all = format == FORMAT_CSV || format == FORMAT_LINES;
	const struct op_field *f = v->op != NULL ? v->op->cols : NULL;

	v->format = format;
	if (v->chosen)
		return;
	v->ncols = 0;
	for (; f != NULL && f->name != NULL; f++) {
		if (v->ncols < 64 && (all || !(f->flags & OP_DETAIL)))
			v->cols[v->ncols++] = f;
	}
}

void
view_init(
    struct view *v, const struct op *op, json_t *result, enum format format)
{
	json_t *rows = json_object_get(result, "data");

	memset(v, 0, sizeof *v);
	v->op = op;
	v->rows = json_is_array(rows) ? json_incref(rows) : json_array();
	v->result = result;
	view_set_format(v, format);
}

void
view_fini(struct view *v)
{
	json_decref(v->rows);
	v->rows = NULL;
}

/* The text in which patterns are looked for: the cells as shown. */
static void
view_row_text(const struct view *v, json_t *row, struct buf *b)
{
	size_t i;

	buf_reset(b);
	for (i = 0; i < v->ncols; i++) {
		buf_str(b, i != 0 ? " " : "");
		render_cell(v->cols[i], json_object_get(row, v->cols[i]->name),
		    FORMAT_TABLE, b);
	}
	buf_str(b, "");
}

/* A column that the rows have: any that is declared, shown or not, or, where a
 * filter has chosen some, one of these. */
static const struct op_field *
view_column(const struct view *v, const char *name, struct err *e)
{
	const struct op_field *f = NULL;
	size_t i;

	if (!v->chosen && v->op != NULL)
		f = op_field_find(v->op->cols, name);
	for (i = 0; v->chosen && i < v->ncols && f == NULL; i++) {
		if (strcmp(v->cols[i]->name, name) == 0)
			f = v->cols[i];
	}
	if (f == NULL)
		err_set(e, ERR_UNKNOWN, "%s: no such column", name);
	return f;
}

/* Put other rows in the place of the view's. */
static void
view_replace(struct view *v, json_t *rows)
{
	json_decref(v->rows);
	v->rows = rows;
}

/* Rows [from, to) only. */
static void
view_slice(struct view *v, size_t from, size_t to)
{
	json_t *rows = json_array();

	for (; from < to; from++)
		json_array_append(rows, json_array_get(v->rows, from));
	view_replace(v, rows);
}

/* ---- the filters -------------------------------------------------------- */

/* An argument of a filter in canonical form, or NULL. */
static const char *
pipe_arg(const struct pipe_step *p, const char *name)
{
	return json_string_value(json_object_get(p->args, name));
}

/* match, except and find differ in what a hit means. */
static int
pipe_pattern(const struct pipe_step *p, struct view *v, struct err *e)
{
	struct buf text = BUF_INIT;
	json_t *rows, *row;
	bool found = false, hit;
	char words[128];
	regex_t re;
	size_t i;
	int r;

	r = regcomp(
	    &re, pipe_arg(p, "pattern"), REG_EXTENDED | REG_NOSUB | REG_ICASE);
	if (r != 0) {
		regerror(r, &re, words, sizeof words);
		return err_set(e, ERR_INVALID, "pattern: %s", words);
	}
	rows = json_array();
	json_array_foreach (v->rows, i, row) {
		view_row_text(v, row, &text);
		hit = regexec(&re, text.data, 0, NULL, 0) == 0;
		found |= hit;
		if (p->op == &pipe_find ? found : hit == (p->op == &pipe_match))
			json_array_append(rows, row);
	}
	view_replace(v, rows);
	buf_fini(&text);
	regfree(&re);
	return 0;
}

/* One row with one number, so that JSON has it too. */
static int
pipe_count_rows(struct view *v)
{
	static const struct op_field cols[] = {
	    {.name = "count", .type = &op_type_int, .brief = "of rows"}, {0}};
	size_t n = json_array_size(v->rows);

	view_replace(v, json_pack("[{s:I}]", "count", (json_int_t)n));
	v->cols[0] = cols;
	v->ncols = 1;
	v->chosen = true;
	return 0;
}

/* head and last: the same rows from either end. */
static int
pipe_head_rows(const struct pipe_step *p, struct view *v)
{
	const char *text = pipe_arg(p, "rows");
	size_t all = json_array_size(v->rows), n;

	n = text != NULL ? strtoul(text, NULL, 10) : 10;
	n = n < all ? n : all;
	if (p->op == &pipe_head)
		view_slice(v, 0, n);
	else
		view_slice(v, all - n, all);
	return 0;
}

/* Numbers by value, else texts by their bytes; nothing comes first. */
static int
pipe_compare(json_t *a, json_t *b)
{
	const char *x = json_string_value(a), *y = json_string_value(b);

	if (json_is_number(a) && json_is_number(b))
		return (json_number_value(a) > json_number_value(b)) -
		    (json_number_value(a) < json_number_value(b));
	if (x != NULL && y != NULL)
		return strcmp(x, y);
	return (a != NULL && !json_is_null(a)) -
	    (b != NULL && !json_is_null(b));
}

struct pipe_sorted {
	json_t *row, *key;
	size_t at;
	bool reverse;
};

/* For qsort; rows of the same value keep their order. */
static int
pipe_sort_fn(const void *a, const void *b)
{
	const struct pipe_sorted *x = a, *y = b;
	int r = pipe_compare(x->key, y->key);

	if (r == 0) /* rows of the same value keep their order */
		return (x->at > y->at) - (x->at < y->at);
	return x->reverse ? -r : r;
}

/* Sort by a declared column, shown or not. */
static int
pipe_sort_rows(const struct pipe_step *p, struct view *v, struct err *e)
{
	const struct op_field *f = view_column(v, pipe_arg(p, "column"), e);
	size_t n = json_array_size(v->rows), i;
	struct pipe_sorted *list;
	json_t *rows;

	if (f == NULL)
		return -(int)e->code;
	if ((list = calloc(n + 1, sizeof *list)) == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		list[i].row = json_array_get(v->rows, i);
		list[i].key = json_object_get(list[i].row, f->name);
		list[i].at = i;
		list[i].reverse = pipe_arg(p, "reverse") != NULL;
	}
	qsort(list, n, sizeof *list, pipe_sort_fn);
	rows = json_array();
	for (i = 0; i < n; i++)
		json_array_append(rows, list[i].row);
	view_replace(v, rows);
	free(list);
	return 0;
}

/* Rows that have only the columns of the view, in its order. */
static void
view_project(struct view *v)
{
	json_t *rows = json_array(), *row, *cut;
	size_t i, col;

	json_array_foreach (v->rows, i, row) {
		cut = json_object();
		for (col = 0; col < v->ncols; col++)
			json_object_set(cut, v->cols[col]->name,
			    json_object_get(row, v->cols[col]->name));
		json_array_append_new(rows, cut);
	}
	view_replace(v, rows);
}

/* Only the columns named; a name that the rows have not is an error. */
static int
pipe_columns_rows(const struct pipe_step *p, struct view *v, struct err *e)
{
	const char *at = pipe_arg(p, "columns");
	const struct op_field *cols[64];
	char name[64];
	size_t n, ncols = 0;

	for (; *at != '\0'; at += n + (at[n] != '\0')) {
		n = strcspn(at, ", ");
		str_ncopy(name, sizeof name, at, n);
		if (n == 0 || ncols == 64)
			continue;
		if ((cols[ncols++] = view_column(v, name, e)) == NULL)
			return -(int)e->code;
	}
	if (ncols == 0)
		return err_set(
		    e, ERR_INVALID, "columns: expected names of columns");
	memcpy(v->cols, cols, ncols * sizeof *cols);
	v->ncols = ncols;
	v->chosen = true;
	view_project(v);
	return 0;
}

/* Another form; the columns follow it unless they were chosen. */
static int
pipe_display_as(const struct pipe_step *p, struct view *v)
{
	int i;

	for (i = 0; format_names[i] != NULL; i++) {
		if (str_equal(format_names[i], pipe_arg(p, "format")))
			view_set_format(v, (enum format)i);
	}
	return 0;
}

size_t
pipe_wants(const struct pipe_step *p)
{
	const char *rows = pipe_arg(p, "rows");
	size_t n = rows != NULL ? strtoul(rows, NULL, 10) : 10;

	if (p->op == &pipe_columns || p->op == &pipe_display ||
	    p->op == &pipe_no_more)
		return 0;
	if (p->op != &pipe_head)
		return SIZE_MAX;
	return n != 0 ? n : 1; /* behind it nothing else is wanted */
}

bool
pipe_writes(const struct op *op)
{
	return op == &pipe_save;
}

int
pipe_apply(const struct pipe_step *p, struct view *v, struct err *e)
{
	if (p->op->args == pattern_args)
		return pipe_pattern(p, v, e);
	if (p->op == &pipe_count)
		return pipe_count_rows(v);
	if (p->op->args == rows_args)
		return pipe_head_rows(p, v);
	if (p->op == &pipe_sort)
		return pipe_sort_rows(p, v, e);
	if (p->op == &pipe_columns)
		return pipe_columns_rows(p, v, e);
	if (p->op == &pipe_display)
		return pipe_display_as(p, v);
	if (p->op == &pipe_save)
		v->save = pipe_arg(p, "file");
	v->no_more = true;
	return 0;
}
