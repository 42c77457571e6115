/*
 * What the console does by itself: help out of the tables, leaving.
 */
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/str.h"

static const struct op_field local_help_cols[] = {
    {.name = "line", .type = &op_type_text, .brief = "a line of the text"},
    {0},
};

static const struct op local_help_op = {
    .name = "help",
    .cols = local_help_cols,
    .brief = "all commands; with words: a command or an object",
    .about = "help alone lists what can be done. help WORDS explains the "
	     "command, or the object whose name it is.",
    .example = "help",
};
static const struct op local_quit = {
    .name = "quit",
    .brief = "leave the console",
    .about = "A candidate that has changes is kept, for configure resume.",
    .example = "quit",
};
static const struct op local_screen = {
    .name = "screen",
    .brief = "the full screen: lists, forms, alarms",
    .about = "The same as Ctrl-O, which leads back to the prompt too. The "
	     "candidate stays.",
    .example = "screen",
};
static const struct op local_exit = {
    .name = "exit",
    .brief = "leave the console",
    .about = "The same as quit.",
    .example = "exit",
};

static const struct op_field local_apply_args[] = {
    {.name = "from",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 1000,
	.brief = "the file; - is standard input"},
    {0},
};
static const struct op local_apply = {
    .name = "apply",
    .kind = OP_CONFIG,
    .brief = "make what a file of set lines says",
    .about = "Reads set lines, as export writes them, and commits what "
	     "differs from what runs; where nothing differs nothing is "
	     "written. The candidate must be empty, and is so afterwards. All "
	     "of it or nothing. With -n it shows what would change.",
    .example = "help apply",
    .args = local_apply_args,
};

static const struct op_field local_prune_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "below which nothing else shall be"},
    {.name = "from",
	.type = &op_type_text,
	.flags = OP_REQUIRED,
	.min = 1,
	.max = 1000,
	.brief = "the file; - is standard input"},
    {0},
};
static const struct op local_prune = {
    .name = "apply prune",
    .kind = OP_CONFIG,
    .brief = "the same, and delete what the file does not say",
    .about = "As apply; and every object at the path or below it that the "
	     "file does not name is deleted, every field that it does not "
	     "name is cleared. Elsewhere nothing is deleted.",
    .example = "help apply prune",
    .args = local_prune_args,
};

static const struct op_field local_export_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY,
	.brief = "only this object and what is below it"},
    {0},
};
static const struct op local_export = {
    .name = "export",
    .cols = local_help_cols,
    .brief = "print the configuration as apply takes it",
    .about = "The lines of show configuration, always in the same order. A "
	     "secret is printed as " OP_SEALED ", which leaves it as it is.",
    .example = "export",
    .args = local_export_args,
};

const struct op *const local_ops[] = {&local_help_op, &local_quit,
    &local_screen, &local_exit, &local_apply, &local_prune, &local_export,
    NULL};
bool
local_commits(const struct op *op)
{
	return op == &local_apply || op == &local_prune;
}

/* The prompt opens it once the line is done. */
static int
local_open_screen(struct session *s)
{
	struct err e;

	s->want_screen = s->interactive && s->screen_run != NULL;
	if (s->want_screen)
		return 0;
	err_set(&e, ERR_REFUSED, "the full screen needs a terminal");
	return report_err(s, &e);
}

int
local_run(struct session *s, const struct place *p, struct command *c)
{
	const struct op *op = c->walk.op;

	if (op == &local_help_op)
		return local_help(s, "");
	if (local_commits(op))
		return apply_run(s, p, c->walk.args);
	if (op == &local_export)
		return apply_export(s, p, c);
	if (op == &local_screen)
		return local_open_screen(s);
	s->quit = true;
	return 0;
}

const char *
local_help_words(const char *line)
{
	line += strspn(line, " \t");
	if (!str_prefix(line, "help") ||
	    (line[4] != '\0' && strchr(" \t", line[4]) == NULL))
		return NULL;
	line += 4;
	return line + strspn(line, " \t");
}

/* A line for each operation and object. */
static void
local_help_all(struct session *s, struct buf *b)
{
	const struct op *const *op;
	const struct obj *const *obj;

	buf_str(b, "commands:\n");
	for (op = s->table.ops; *op != NULL; op++)
		buf_fmt(b, "  %-26s %s\n", (*op)->name, (*op)->brief);
	buf_str(b, "\nobjects (of set, delete, show configuration):\n");
	for (obj = s->table.objs; *obj != NULL; obj++)
		buf_fmt(b, "  %-26s %s\n", (*obj)->name, (*obj)->brief);
	buf_str(b,
	    "\nhelp WORDS explains one of them; ? shows what may stand at\n"
	    "the cursor, Tab completes. Behind | stand filters: match, except,\n"
	    "find, count, head, last, sort, columns, display, save, no-more.\n");
}

/* Does the operation's name begin with these words? */
static bool
local_begins(const struct op *op, const char *words, size_t n)
{
	return strncmp(op->name, words, n) == 0 &&
	    (op->name[n] == '\0' || op->name[n] == ' ');
}

/* The operation of that name; a list of those that go on from it. */
static unsigned
local_help_ops(struct session *s, const char *words, size_t n, struct buf *b)
{
	const struct op *const *op, *one = NULL;
	unsigned found = 0;

	for (op = s->table.ops; *op != NULL; op++) {
		if (!local_begins(*op, words, n))
			continue;
		if (found++ == 0 || (*op)->name[n] == '\0')
			one = *op;
	}
	if (one != NULL && found > 1 && one->name[n] != '\0')
		one = NULL; /* only longer names, and several */
	if (one != NULL)
		op_help(one, b);
	for (op = s->table.ops; found > 1 && *op != NULL; op++) {
		if (*op != one && local_begins(*op, words, n))
			buf_fmt(b, "  %-26s %s\n", (*op)->name, (*op)->brief);
	}
	return found;
}

/* Objects of that name; their number. */
static unsigned
local_help_objs(struct session *s, const char *words, size_t n, struct buf *b)
{
	const struct obj *const *obj;
	unsigned found = 0;

	for (obj = s->table.objs; *obj != NULL; obj++) {
		if (!str_iequal(words, n, (*obj)->name))
			continue;
		buf_str(b, found++ != 0 || b->len != 0 ? "\n" : "");
		op_help_obj(*obj, b);
	}
	return found;
}

/* Texts for people are written as they are; programs get a row a line. */
static void
local_show(struct session *s, const char *text)
{
	json_t *rows = json_array(), *result;
	struct buf out = BUF_INIT;
	struct view v;
	size_t n;

	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		json_array_append_new(
		    rows, json_pack("{s:s%}", "line", text, n));
	}
	result = json_pack("{s:o}", "data", rows);
	view_init(&v, &local_help_op, result, s->opt->format);
	render(&v, 0, &out);
	pager_show(s, &v, &out);
	view_fini(&v);
	buf_fini(&out);
	json_decref(result);
}

int
local_help_text(
    struct session *s, const char *words, struct buf *b, struct err *e)
{
	size_t n = strlen(words);

	while (n > 0 && strchr(" \t?", words[n - 1]) != NULL)
		n--;
	if (n == 0)
		local_help_all(s, b);
	else if (local_help_ops(s, words, n, b) +
		local_help_objs(s, words, n, b) ==
	    0)
		return err_set(e, ERR_UNKNOWN,
		    "%.*s: no such command and no such object", (int)n, words);
	return 0;
}

int
local_help(struct session *s, const char *words)
{
	struct buf b = BUF_INIT;
	struct err e;
	int status = 0;

	if (local_help_text(s, words, &b, &e) != 0)
		status = report(s,
		    &(struct report){
			.at = REPORT_NOWHERE, .err = &e, .op = &local_help_op});
	else
		local_show(s, b.data);
	buf_fini(&b);
	return status;
}
