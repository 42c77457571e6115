/*
 * Questions to a table of operations, and the texts that are computed from a
 * record: usage line and help. What these say is said nowhere else.
 */
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

const struct op *
op_find(const struct op_table *t, const char *name)
{
	const struct op *const *o;

	for (o = t->ops; o != NULL && *o != NULL; o++) {
		if (strcmp((*o)->name, name) == 0)
			return *o;
	}
	return NULL;
}

/* A verb states the damage that its operations can do (CONSOLE 4.4). */
static const struct {
	const char *verb, *brief;
} op_verbs[] = {
    {"show", "look at configuration and running state"},
    {"monitor", "watch running state as it changes"},
    {"trace", "look into calls and messages"},
    {"test", "try out without doing"},
    {"clear", "set counters back"},
    {"request", "act on running state"},
    {"set", "put values into the candidate"},
    {"delete", "take objects or values out of the candidate"},
};

const char *
op_verb_brief(const char *verb)
{
	size_t i;

	for (i = 0; i < sizeof op_verbs / sizeof op_verbs[0]; i++) {
		if (strcmp(op_verbs[i].verb, verb) == 0)
			return op_verbs[i].brief;
	}
	return NULL;
}

/* One argument of a usage line, without the brackets of an optional one. */
static void
op_usage_arg(const struct op_field *f, struct buf *b)
{
	if (f->type == &op_type_values)
		buf_str(b, "<field> <value> ...");
	else if (f->type == &op_type_fields)
		buf_str(b, "<field> ...");
	else if (f->type == &op_type_path)
		buf_str(b, "<path>");
	else if (f->flags & OP_FLAG)
		buf_str(b, f->name);
	else if (f->flags & OP_KEY)
		buf_fmt(b, "<%s>", f->name);
	else
		buf_fmt(b, "%s <%s>", f->name, f->name);
	if (f->flags & OP_LIST && f->type != &op_type_fields)
		buf_str(b, "...");
}

void
op_usage(const struct op *op, struct buf *b)
{
	const struct op_field *f;
	bool optional;

	buf_str(b, op->name);
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		optional = !(f->flags & OP_REQUIRED);
		buf_str(b, optional ? " [" : " ");
		op_usage_arg(f, b);
		buf_str(b, optional ? "]" : "");
	}
}

/* "  name            what it is (limits; default 10)" */
static void
op_help_field(const struct op_field *f, struct buf *b)
{
	buf_fmt(b, "  %-18s %s\n  %-18s ", f->name, f->brief, "");
	op_describe(f, b);
	if (f->def != NULL)
		buf_fmt(b, "; default %s", f->def);
	if (f->flags & OP_REQUIRED)
		buf_str(b, "; required");
	if (f->flags & OP_INTERNAL)
		buf_str(b, "; set by the system");
	if (f->flags & OP_IMMUTABLE)
		buf_str(b, "; cannot be changed later");
	if (f->flags & OP_RESTART)
		buf_str(b, "; takes effect after a restart");
	buf_char(b, '\n');
}

/* A paragraph, broken at 76 columns. */
static void
op_help_text(const char *text, struct buf *b)
{
	size_t column = 0, n;

	for (; text != NULL && *text != '\0'; text += strspn(text, " ")) {
		n = strcspn(text, " ");
		if (column != 0 && column + 1 + n > 76) {
			buf_char(b, '\n');
			column = 0;
		}
		if (column != 0)
			buf_char(b, ' ');
		buf_add(b, text, n);
		column += n + (column != 0);
		text += n;
	}
	buf_char(b, '\n');
}

/* Lines of an example, indented. */
static void
op_help_example(const char *lines, struct buf *b)
{
	size_t n;

	if (lines == NULL)
		return;
	buf_str(b, "\nexample:\n");
	for (; *lines != '\0'; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		buf_str(b, "  ");
		buf_add(b, lines, n);
		buf_char(b, '\n');
	}
}

void
op_help(const struct op *op, struct buf *b)
{
	const struct op_field *f;

	op_usage(op, b);
	buf_fmt(b, "\n  %s\n\n", op->brief);
	op_help_text(op->about, b);
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f == op->args)
			buf_str(b, "\narguments:\n");
		op_help_field(f, b);
	}
	for (f = op->cols; f != NULL && f->name != NULL; f++) {
		if (f == op->cols)
			buf_str(b, "\ncolumns:\n");
		buf_fmt(b, "  %-18s %s\n", f->name, f->brief);
	}
	op_help_example(op->example, b);
}

/* "domain <domain> user <user>" */
static void
op_help_path(const struct obj *o, struct buf *b)
{
	if (o->parent != NULL) {
		op_help_path(o->parent, b);
		buf_char(b, ' ');
	}
	buf_fmt(b, "%s <%s>", o->name, o->key.name);
}

void
op_help_obj(const struct obj *o, struct buf *b)
{
	const struct op_field *f;

	op_help_path(o, b);
	buf_fmt(b, "\n  %s\n\n", o->brief);
	op_help_text(o->about, b);
	buf_str(b, "\nkey:\n");
	op_help_field(&o->key, b);
	buf_str(b, "\nfields:\n");
	for (f = o->fields; f->name != NULL; f++)
		op_help_field(f, b);
	op_help_example(o->example, b);
}
