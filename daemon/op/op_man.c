/*
 * The texts of op_page.c in mdoc(7), and the pages that they are on: one for
 * each verb, one for all objects, filters, words, and an index.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "op_page.h"
#include "op_room.h"
#include "daemon/base/str.h"

/* ---- texts --------------------------------------------------------------- */

/*
 * Text as mdoc takes it literally: a backslash and a hyphen are escaped, a
 * dot or an apostrophe at the start of a line loses its meaning.
 */
static void
man_text(struct buf *b, const char *s, size_t n)
{
	size_t i;

	if (n != 0 && (*s == '.' || *s == '\''))
		buf_str(b, "\\&");
	for (i = 0; i < n; i++) {
		if (s[i] == '\\')
			buf_str(b, "\\e");
		else if (s[i] == '-')
			buf_str(b, "\\-");
		else if (s[i] == '"')
			buf_str(b, "\\(dq");
		else
			buf_char(b, s[i]);
	}
}

/* One argument of a macro: quoted, so that it is never a macro itself. */
static void
man_word(struct buf *b, const char *s)
{
	buf_str(b, " \"\\&");
	man_text(b, s, strlen(s));
	buf_char(b, '"');
}

/* "tandem-wal(5)," of a text is a reference; the bytes of its name, or 0. */
static size_t
man_reference(const char *word, size_t n)
{
	size_t name = strspn(word, "abcdefghijklmnopqrstuvwxyz-.");

	return str_prefix(word, "tandem") && n >= name + 3 &&
		word[name] == '(' && isdigit((unsigned char)word[name + 1]) &&
		word[name + 2] == ')' &&
		strspn(word + name + 3, ".,:;)") >= n - name - 3
	    ? name
	    : 0;
}

/* One word of a text, and what becomes of the line. */
static void
man_fill_word(struct buf *b, const char *s, size_t n, size_t *column)
{
	size_t name = man_reference(s, n), i;

	if (name == 0) {
		buf_str(b, *column != 0 ? " " : "");
		for (*column += n + 1; (i = strcspn(s, " ")) < n; n -= i + 1) {
			man_text(b, s, i);
			buf_str(b, "\\ "); /* no line breaks here */
			s += i + 1;
		}
		man_text(b, s, n);
		return;
	}
	buf_fmt(b, "%s.Xr %.*s %c", *column != 0 ? "\n" : "", (int)name, s,
	    s[name + 1]);
	for (i = name + 3; i < n; i++)
		buf_fmt(b, " %c", s[i]);
	buf_char(b, '\n');
	*column = 0;
}

/* Words, filled; a sentence begins a new line, as mdoc wants it. */
static void
man_fill(struct buf *b, const char *s, bool usage)
{
	size_t column = 0, n;
	bool stop = false;

	for (s += strspn(s, " "); *s != '\0'; s += strspn(s, " ")) {
		n = op_page_unit(s, usage);
		if (column != 0 && (stop || column + n > 70)) {
			buf_char(b, '\n');
			column = 0;
		}
		stop = n > 1 && s[n - 1] == '.' && s[n - 2] != '.';
		man_fill_word(b, s, n, &column);
		s += n;
	}
	buf_str(b, column != 0 ? "\n" : "");
}

/* A paragraph, but right behind a heading. */
static void
man_part(struct buf *b)
{
	size_t at = b->len;

	while (at > 1 && b->data[at - 2] != '\n')
		at--;
	at -= at > 0;
	if (b->len != 0 && !str_prefix(b->data + at, ".S"))
		buf_str(b, ".Pp\n");
}

static void
man_usage(struct buf *b, const char *line)
{
	buf_str(b, ".Bd -ragged -offset indent\n");
	man_fill(b, line, true);
	buf_str(b, ".Ed\n");
}

static void
man_par(struct buf *b, const char *text)
{
	man_part(b);
	man_fill(b, text, false);
}

static void
man_example(struct buf *b, const char *lines)
{
	size_t n;

	man_part(b);
	buf_str(b, "Example:\n.Bd -literal -offset indent -compact\n");
	for (; *lines != '\0'; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		man_text(b, lines, n);
		buf_char(b, '\n');
	}
	buf_str(b, ".Ed\n");
}

static void
man_begin(struct buf *b, const char *title, int width)
{
	man_part(b);
	if (title != NULL)
		buf_fmt(b, "%s\n", title);
	buf_fmt(b, ".Bl -tag -width %dn -compact\n", width);
}

static void
man_item(struct buf *b, const char *term, const char *text, int width)
{
	(void)width;
	buf_str(b, ".It Cm");
	man_word(b, term);
	buf_char(b, '\n');
	man_fill(b, text, false);
}

static void
man_end(struct buf *b)
{
	buf_str(b, ".El\n");
}

static const struct op_style man_style = {.usage = man_usage,
    .par = man_par,
    .example = man_example,
    .begin = man_begin,
    .item = man_item,
    .end = man_end};

/* ---- pages --------------------------------------------------------------- */

struct man {
	const struct op_manual *m;
	op_man_fn *fn;
	void *arg;
	struct buf b;
	bool referred; /* SEE ALSO has begun */
};

#define MAN_NAME 128

static void
man_head(struct man *p, const char *name, int section, const char *brief)
{
	const char *s;

	buf_reset(&p->b);
	p->referred = false;
	buf_str(&p->b, ".Dd $Mdocdate$\n.Dt ");
	for (s = name; *s != '\0'; s++)
		buf_char(&p->b, (char)toupper((unsigned char)*s));
	buf_fmt(&p->b, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", section, name);
	man_text(&p->b, brief, strlen(brief));
	buf_str(&p->b, "\n.Sh DESCRIPTION\n");
}

/* Other pages to read, "tandem(1) tandemd(8)"; they come in their order. */
static void
man_see(struct man *p, const char *pages)
{
	const char *open;

	for (; (open = strchr(pages, '(')) != NULL;
	     pages = open + strcspn(open, " "), pages += *pages == ' ') {
		buf_fmt(&p->b, "%s.Xr %.*s %c",
		    p->referred ? " ,\n" : ".Sh SEE ALSO\n",
		    (int)(open - pages), pages, open[1]);
		p->referred = true;
	}
}

static void
man_done(struct man *p, const char *name, int section)
{
	buf_char(&p->b, '\n');
	p->fn(p->arg, name, section, &p->b);
}

/* A heading, and one operation. */
static void
man_op(struct man *p, const struct op *op, bool rights)
{
	buf_str(&p->b, ".Ss");
	man_word(&p->b, op->name);
	buf_char(&p->b, '\n');
	op_page_op(&man_style, op, rights, &p->b);
}

/* Does an argument speak of objects? */
static bool
man_has_path(const struct op *op)
{
	const struct op_field *f;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_path)
			return true;
	}
	return false;
}

/* The name of an operation's page. */
static void
man_verb_name(const struct op *op, char out[MAN_NAME])
{
	snprintf(out, MAN_NAME, "tandem-%.*s", (int)strcspn(op->name, " "),
	    op->name);
}

/* What a verb is good for: the operation of its name says it, which is the
 * first by the alphabet, or the table of verbs. */
static const char *
man_verb_brief(const struct op *first, size_t n)
{
	const char *brief = NULL;
	char verb[MAN_NAME];

	str_ncopy(verb, sizeof verb, first->name, n);
	if (first->name[n] != '\0')
		brief = op_verb_brief(verb);
	return brief != NULL ? brief : first->brief;
}

/* Several operations of a verb: which, then each; returns the one behind
 * them. */
static const struct op *
man_verb_ops(struct man *p, const struct op *op, size_t n, bool *path)
{
	const struct op_table *t = p->m->table;
	const char *verb = op->name;

	buf_str(&p->b, "Commands of\n.Xr tandem 1 .\n");
	if (verb[n] != '\0')
		op_page_brief(&man_style, man_verb_brief(op, n), &p->b);
	op_page_ops(&man_style, NULL, t, verb, n, NULL, &p->b);
	buf_str(&p->b, ".Sh COMMANDS\n");
	for (; op != NULL && op_page_begins(op->name, verb, n);
	     op = op_after(t, op->name)) {
		man_op(p, op, !op_page_is_own(p->m, op));
		*path |= man_has_path(op);
	}
	return op;
}

/* The page of a verb, whose first operation it is; returns the first of the
 * next one. */
static const struct op *
man_verb(struct man *p, const struct op *first)
{
	const struct op *next = op_after(p->m->table, first->name);
	size_t n = strcspn(first->name, " ");
	bool path = man_has_path(first);
	char name[MAN_NAME];

	man_verb_name(first, name);
	man_head(p, name, 1, man_verb_brief(first, n));
	if (next != NULL && op_page_begins(next->name, first->name, n)) {
		next = man_verb_ops(p, first, n, &path);
	} else {
		buf_str(&p->b, "A command of\n.Xr tandem 1 .\n");
		op_page_op(
		    &man_style, first, !op_page_is_own(p->m, first), &p->b);
	}
	man_see(p, "tandem(1)");
	if (path)
		man_see(p, "tandem-objects(5)");
	man_see(p, "tandem(7) tandem-admin(7) tandem-grammar(7) tandem-ops(7)");
	man_done(p, name, 1);
	return next;
}

static void
man_objects(struct man *p)
{
	const struct obj *const *o;

	man_head(p, "tandem-objects", 5, "objects of the configuration");
	man_fill(&p->b,
	    "What is configured is a set of objects: their paths, their fields, "
	    "what may stand in them. tandem-set(1) makes and changes them, "
	    "tandem-delete(1) takes them away, tandem-commit(1) makes that "
	    "run, and show configuration prints them.",
	    false);
	op_page_objs(&man_style, NULL, p->m->table->objs, &p->b);
	buf_str(&p->b, ".Sh OBJECTS\n");
	for (o = p->m->table->objs; *o != NULL; o++) {
		buf_str(&p->b, ".Ss");
		man_word(&p->b, (*o)->name);
		buf_char(&p->b, '\n');
		op_page_obj(&man_style, *o, &p->b);
	}
	man_see(p,
	    "tandem(1) tandem-commit(1) tandem-delete(1) tandem-set(1) "
	    "tandem-show(1) tandem(7) tandem-grammar(7)");
	man_done(p, "tandem-objects", 5);
}

static void
man_filters(struct man *p)
{
	const struct op *op = NULL;

	man_head(p, "tandem-filters", 7, "filters of what a command shows");
	man_fill(&p->b,
	    "Filters stand behind a command of tandem(1), each behind a bar. "
	    "They work on rows, before these become text, and may follow one "
	    "another.",
	    false);
	op_page_ops(&man_style, NULL, p->m->filters, "", 0, NULL, &p->b);
	buf_str(&p->b, ".Sh THE FILTERS\n");
	while (
	    (op = op_after(p->m->filters, op != NULL ? op->name : "")) != NULL)
		man_op(p, op, false);
	man_see(p, "tandem(1) tandem-grammar(7) tandem-ops(7)");
	man_done(p, "tandem-filters", 7);
}

static void
man_index(struct man *p)
{
	const struct op *op = NULL;
	char name[MAN_NAME], last[MAN_NAME] = "", page[MAN_NAME + 4];

	man_head(p, "tandem-ops", 7, "index of operations and objects");
	man_fill(&p->b,
	    "Everything that can be asked of a site, by tandem(1) or by JSON-RPC "
	    "on the control socket, where the name of the operation is the "
	    "method. The page of an operation is called after its first word: "
	    "show calls is in tandem-show(1). Objects are in "
	    "tandem-objects(5), filters in tandem-filters(7), words in "
	    "tandem(7).",
	    false);
	op_page_index(&man_style, p->m, &p->b);
	man_see(p, "tandem(1)");
	while (
	    (op = op_after(p->m->table, op != NULL ? op->name : "")) != NULL) {
		man_verb_name(op, name);
		if (strcmp(name, last) != 0) {
			snprintf(page, sizeof page, "%s(1)", name);
			man_see(p, page);
		}
		str_copy(last, sizeof last, name);
	}
	man_see(p,
	    "tandem-objects(5) tandem(7) tandem-admin(7) tandem-filters(7) "
	    "tandem-grammar(7) tandemd(8)");
	man_done(p, "tandem-ops", 7);
}

static void
man_words(struct man *p)
{
	man_head(p, "tandem", 7, "what Tandem is, in its own words");
	man_fill(&p->b,
	    "Tandem is a telephone exchange for many customers, made of small "
	    "daemons that replicate their own state, and of a console that "
	    "runs all of it from a terminal.",
	    false);
	buf_str(&p->b, ".Ss Words\n");
	op_page_concepts(&man_style, "", 0, &p->b);
	buf_str(&p->b, ".Ss Where to read on\n");
	man_fill(&p->b,
	    "Who runs a server begins with tandemd(8) and tandem.conf(5), who "
	    "works at its console with tandem(1), tandem-grammar(7) and the "
	    "index of everything, tandem-ops(7). Sites of several servers are "
	    "in tandem-replication(7), who may do what is in tandem-admin(7), "
	    "the way in from elsewhere in tandem-ssh(7), that of "
	    "programs in tandem-api(7). How it is built tell "
	    "tandem-arch(7) and tandem-wal(5); tandem-lab(7) tries it out.",
	    false);
	man_see(p, "tandem(1) tandem-objects(5) tandem-ops(7) tandemd(8)");
	man_done(p, "tandem", 7);
}

void
op_man(const struct op_manual *m, op_man_fn *fn, void *arg)
{
	struct man p = {.m = m, .fn = fn, .arg = arg};
	const struct op *op = op_after(m->table, "");

	while (op != NULL)
		op = man_verb(&p, op);
	man_objects(&p);
	man_index(&p);
	man_filters(&p);
	man_words(&p);
	buf_fini(&p.b);
}
