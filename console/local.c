/*
 * What the console does by itself: help out of the tables, leaving.
 */
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

static const struct op_field local_help_cols[] = {
    {.name = "line", .type = &op_type_text, .brief = "a line of the text"},
    {0},
};

static const struct op_field local_help_args[] = {
    {.name = "words",
	.type = &op_type_text,
	.flags = OP_KEY,
	.brief = "what to explain"},
    {0},
};

static const struct op local_help_op = {
    .name = "help",
    .args = local_help_args,
    .cols = local_help_cols,
    .brief = "what there is; with words behind it, what they are",
    .about = "help WORDS explains an operation, a verb, an object, a filter "
	     "or a word of the system. ? shows what may stand at the cursor, "
	     "Tab completes.",
    .example = "help\nhelp candidate",
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
	     "of it or nothing. With -n it shows what would change. Standard "
	     "input can be the file where it does not hold the commands.",
    .example = "apply demo.tandem",
    .args = local_apply_args,
};

static const struct op_field local_prune_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY,
	.brief = "below which nothing else shall be; none: all"},
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
	     "file does not name is deleted, but not what holds something that "
	     "the file names, and every field that it does not name is "
	     "cleared. Elsewhere nothing is deleted. Without a path all that "
	     "export prints is made what the file says. How much goes is said. "
	     "A file that says nothing of the path is refused, and so is one "
	     "that would delete the administrator who applies it.",
    .example = "apply prune domain demo.test from demo.tandem\n"
	       "apply prune from site.tandem",
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
    .example = "export\nexport domain demo.test | save demo.tandem",
    .args = local_export_args,
};

const struct op *const local_ops[] = {&local_help_op, &local_quit,
    &local_screen, &local_exit, &local_apply, &local_prune, &local_export,
    NULL};

/* Length of a NULL-ended list. */
static size_t
local_count(const struct op *const *ops)
{
	size_t n = 0;

	while (ops != NULL && ops[n] != NULL)
		n++;
	return n;
}

const struct op **
local_merge(const struct op_table *theirs)
{
	size_t n = local_count(theirs->ops), i;
	const struct op **ops = xcalloc(
	    n + local_count(local_ops) + 1, sizeof *ops);

	if (n != 0)
		memcpy(ops, theirs->ops, n * sizeof *ops);
	for (i = 0; local_ops[i] != NULL; i++) {
		if (op_find(theirs, local_ops[i]->name) == NULL)
			ops[n++] = local_ops[i];
	}
	return ops;
}

bool
local_commits(const struct op *op)
{
	return op == &local_apply || op == &local_prune;
}

bool
local_prunes(const struct op *op)
{
	return op == &local_prune;
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
		return apply_run(s, p, c);
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

/* Texts for people are written as they are; programs get a row a line. */
static void
local_show(struct session *s, const char *text)
{
	json_t *rows = json_array(), *result;
	struct buf out = BUF_INIT;
	const char *at;
	struct view v;
	size_t n;

	for (at = text; *at != '\0'; at += n + (at[n] == '\n')) {
		n = strcspn(at, "\n");
		json_array_append_new(rows, json_pack("{s:s%}", "line", at, n));
	}
	result = json_pack("{s:o}", "data", rows);
	view_init(&v, &local_help_op, result, s->opt->format);
	if (v.format == FORMAT_TABLE) /* an empty cell would be a hyphen */
		text_safe(&out, text);
	else
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
	struct op_manual m = {
	    .table = &s->table, .own = local_ops, .filters = &pipe_table};
	size_t n = strlen(words);

	while (n > 0 && strchr(" \t?", words[n - 1]) != NULL)
		n--;
	return op_help(&m, words, n, b, e);
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
