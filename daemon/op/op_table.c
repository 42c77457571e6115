/* Questions to a table of operations, and the usage line of a record. */
#include <stdio.h>
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

const struct op *
op_after(const struct op_table *t, const char *name)
{
	const struct op *const *o, *next = NULL;

	for (o = t->ops; o != NULL && *o != NULL; o++) {
		if (strcmp((*o)->name, name) > 0 &&
		    (next == NULL || strcmp((*o)->name, next->name) < 0))
			next = *o;
	}
	return next;
}

/* A verb states the damage that its operations can do (CONSOLE 4.4). Those
 * that are an operation by themselves say it there. */
static const struct {
	const char *verb, *brief;
} op_verbs[] = {
    {"show", "look at configuration and running state"},
    {"monitor", "watch running state as it changes"},
    {"trace", "look into calls and messages"},
    {"test", "try out without doing"},
    {"clear", "set counters back"},
    {"request", "act on running state"},
    {"configure", "work on another candidate"},
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

void
op_one_words(const struct op *op, char out[OP_ONE_WORDS])
{
	const struct op_field *f, *last = NULL;
	size_t used = 0;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->flags & OP_ONE)
			last = f;
	}
	out[0] = '\0';
	for (f = op->args; last != NULL && f <= last; f++) {
		if (f->flags & OP_ONE && used < OP_ONE_WORDS)
			used += (size_t)snprintf(out + used,
			    OP_ONE_WORDS - used, "%s%s",
			    used == 0	    ? ""
				: f == last ? " or "
					    : ", ",
			    f->name);
	}
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
	if (f->flags & OP_LIST && f->type != &op_type_fields &&
	    f->type != &op_type_values)
		buf_str(b, "...");
}

void
op_usage(const struct op *op, struct buf *b)
{
	const struct op_field *f;
	bool optional, one = false;

	buf_str(b, op->name);
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		optional = !(f->flags & (OP_REQUIRED | OP_ONE));
		buf_str(b, optional ? " [" : one ? " | " : " ");
		one = (f->flags & OP_ONE) != 0;
		op_usage_arg(f, b);
		buf_str(b, optional ? "]" : "");
	}
}
