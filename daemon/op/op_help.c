/* The texts of op_page.c for a terminal, and what words mean at `help`. */
#include <string.h>

#include "op_page.h"
#include "op_room.h"
#include "daemon/base/str.h"

#define HELP_WIDTH 76
#define HELP_INDENT 2

/* An empty line between two parts. */
static void
help_part(struct buf *b)
{
	if (b->len != 0)
		buf_char(b, '\n');
}

/* Words over lines; the first line begins at a column, others at indent. */
static void
help_fill(struct buf *b, const char *s, bool usage, size_t column, int indent)
{
	bool first = true;
	size_t n;

	for (s += strspn(s, " "); *s != '\0'; s += strspn(s, " ")) {
		n = op_page_unit(s, usage);
		if (!first && column + 1 + n > HELP_WIDTH) {
			buf_fmt(b, "\n%*s", indent, "");
			column = (size_t)indent;
		} else if (!first) {
			buf_char(b, ' ');
			column++;
		}
		buf_add(b, s, n);
		column += n;
		s += n;
		first = false;
	}
	buf_char(b, '\n');
}

static void
help_usage(struct buf *b, const char *line)
{
	help_part(b);
	help_fill(b, line, true, 0, 2 * HELP_INDENT);
}

static void
help_par(struct buf *b, const char *text)
{
	help_part(b);
	help_fill(b, text, false, 0, 0);
}

static void
help_example(struct buf *b, const char *lines)
{
	size_t n;

	help_part(b);
	buf_str(b, "Example:\n");
	for (; *lines != '\0'; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		buf_fmt(b, "%*s", HELP_INDENT, "");
		buf_add(b, lines, n);
		buf_char(b, '\n');
	}
}

static void
help_begin(struct buf *b, const char *title, int width)
{
	(void)width;
	help_part(b);
	if (title != NULL)
		buf_fmt(b, "%s\n", title);
}

/* A term that is too wide has a line of its own. */
static void
help_item(struct buf *b, const char *term, const char *text, int width)
{
	int indent = HELP_INDENT + width + 2;

	buf_fmt(b, "%*s%-*s  ", HELP_INDENT, "", width, term);
	if (strlen(term) > (size_t)width)
		buf_fmt(b, "\n%*s", indent, "");
	help_fill(b, text, false, (size_t)indent, indent);
}

static void
help_end(struct buf *b)
{
	(void)b;
}

static const struct op_style help_style = {.usage = help_usage,
    .par = help_par,
    .example = help_example,
    .begin = help_begin,
    .item = help_item,
    .end = help_end};

/* What there is, and how to go on: the operation that asks says that. */
static void
help_all(const struct op_manual *m, struct buf *b)
{
	const struct op *help = op_find(m->table, "help");

	op_page_index(&help_style, m, b);
	if (help != NULL && help->about != NULL)
		help_par(b, help->about);
}

/* An operation of the table, exactly or the only one that begins so. */
static const struct op *
help_find(const struct op_table *t, const char *words, size_t n, unsigned *all)
{
	const struct op *const *op, *exact = NULL, *one = NULL;

	*all = 0;
	for (op = t->ops; op != NULL && *op != NULL; op++) {
		if (!op_page_begins((*op)->name, words, n))
			continue;
		(*all)++;
		one = *op;
		if ((*op)->name[n] == '\0')
			exact = *op;
	}
	return exact != NULL ? exact : *all == 1 ? one : NULL;
}

/* The operation of that name, then those whose names go on from there. */
static unsigned
help_ops(const struct op_manual *m, const char *words, size_t n, struct buf *b)
{
	const struct op *op;
	char verb[96];
	unsigned all;

	op = help_find(m->table, words, n, &all);
	str_ncopy(verb, sizeof verb, words, n);
	if (op != NULL)
		op_page_op(&help_style, op, !op_page_is_own(m, op), b);
	else if (all != 0 && op_verb_brief(verb) != NULL)
		op_page_brief(&help_style, op_verb_brief(verb), b);
	if (op == NULL || all > 1)
		op_page_ops(&help_style, NULL, m->table, words, n, op, b);
	return all;
}

static unsigned
help_objs(const struct op_manual *m, const char *words, size_t n, struct buf *b)
{
	const struct obj *const *o;
	unsigned found = 0;

	for (o = m->table->objs; *o != NULL; o++) {
		if (!str_iequal(words, n, (*o)->name))
			continue;
		op_page_obj(&help_style, *o, b);
		found++;
	}
	return found;
}

static unsigned
help_filters(
    const struct op_manual *m, const char *words, size_t n, struct buf *b)
{
	unsigned all;
	const struct op *op = help_find(m->filters, words, n, &all);

	if (op != NULL)
		op_page_op(&help_style, op, false, b);
	return op != NULL;
}

/* The object that a path speaks of: its last keyword; keys stand between. An
 * object inside others may also be named alone. NULL: there is none. */
static const struct obj *
help_path(const struct op_manual *m, const char *words, size_t n)
{
	const struct obj *const *objs = m->table->objs, *o, *found = NULL;
	char word[OBJ_KEY];
	size_t len;

	for (; n > 0; words += len, n -= len) {
		if (*words == ' ') {
			len = 1;
			continue;
		}
		len = strcspn(words, " ");
		len = len < n ? len : n;
		if (!str_ncopy(word, sizeof word, words, len))
			continue;
		o = obj_find(objs, found, word);
		if (o == NULL && found == NULL)
			o = obj_by_name(objs, word);
		if (o != NULL)
			found = o;
	}
	return found;
}

/* "set domain": an operation, and the object that it would work on. */
static unsigned
help_op_of_object(
    const struct op_manual *m, const char *words, size_t n, struct buf *b)
{
	const struct op *const *op;
	const struct op_field *f;
	const struct obj *o;
	size_t len;

	for (op = m->table->ops; op != NULL && *op != NULL; op++) {
		len = strlen((*op)->name);
		for (f = (*op)->args; f != NULL && f->name != NULL; f++) {
			if (f->type == &op_type_path)
				break;
		}
		if (f == NULL || f->name == NULL || len >= n ||
		    words[len] != ' ' || strncmp(words, (*op)->name, len) != 0)
			continue;
		if ((o = help_path(m, words + len, n - len)) == NULL)
			continue;
		op_page_op(&help_style, *op, !op_page_is_own(m, *op), b);
		op_page_obj(&help_style, o, b);
		return 1;
	}
	return 0;
}

int
op_help(const struct op_manual *m, const char *words, size_t n, struct buf *b,
    struct err *e)
{
	unsigned found = 1;

	if (n == 0) {
		help_all(m, b);
	} else {
		found = help_ops(m, words, n, b);
		found += help_objs(m, words, n, b);
		found += help_filters(m, words, n, b);
		found += op_page_concepts(&help_style, words, n, b);
		if (found == 0)
			found = help_op_of_object(m, words, n, b);
	}
	return found != 0
	    ? 0
	    : err_set(e, ERR_UNKNOWN, "%.*s: there is no help for that", (int)n,
		  words);
}
