/*
 * The manual: mandoc finds nothing wrong with its pages, everything has its
 * page, and help says the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/console.h"
#include "daemon/base/str.h"
#include "daemon/table.h"
#include "tests/lib/op_laws.h"
#include "tests/lib/scratch.h"

#define PAGES 64

/* Pages in a folder, and as people read them: words, a space between them. */
struct pages {
	char dir[64];
	char name[PAGES][64]; /* "tandem-show.1" */
	char *text[PAGES];
	size_t n;
};

static struct op_table table;
static const struct op_manual whole = {
    .table = &table, .own = local_ops, .filters = &pipe_table};

static int
start(void **state)
{
	(void)state;
	table = (struct op_table){
	    .ops = local_merge(daemon_table()), .objs = daemon_table()->objs};
	op_use_objects(table.objs);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	free((void *)table.ops);
	return 0;
}

/* What a command prints, to be freed. */
static char *
output(const char *command)
{
	struct buf b = BUF_INIT;
	char part[4096];
	size_t n;
	FILE *f = popen(command, "r");

	assert_non_null(f);
	while ((n = fread(part, 1, sizeof part, f)) != 0)
		buf_add(&b, part, n);
	pclose(f);
	buf_str(&b, "");
	return buf_take(&b);
}

/* Spaces and line ends become one space; what a terminal would strike over
 * goes. */
static void
squeeze(char *s)
{
	char *out = s;

	for (; *s != '\0'; s++) {
		if (s[1] == '\b') {
			s++;
			continue;
		}
		if (strchr(" \n", *s) == NULL)
			*out++ = *s;
		else if (s[1] != '\0' && strchr(" \n", s[1]) == NULL)
			*out++ = ' ';
	}
	*out = '\0';
}

static void
add(void *arg, const char *name, int section, const struct buf *b)
{
	struct pages *p = arg;
	char path[256];
	size_t i;

	assert_int_equal(b->failed, 0);
	assert_true(p->n < PAGES);
	snprintf(p->name[p->n], sizeof p->name[0], "%s.%d", name, section);
	for (i = 0; i < p->n; i++)
		assert_string_not_equal(p->name[i], p->name[p->n]);
	snprintf(path, sizeof path, "%s/%s", p->dir, p->name[p->n]);
	scratch_write(path, b->data, b->len);
	p->n++;
}

static void
pages_make(struct pages *p, const struct op_manual *m)
{
	char command[256];
	size_t i;

	memset(p, 0, sizeof *p);
	scratch_make(p->dir);
	op_man(m, add, p);
	for (i = 0; i < p->n; i++) {
		snprintf(command, sizeof command, "mandoc -Tascii %s/%s",
		    p->dir, p->name[i]);
		p->text[i] = output(command);
		squeeze(p->text[i]);
	}
}

static void
pages_fini(struct pages *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		free(p->text[i]);
	scratch_remove(p->dir);
}

/* The text of a page; fails when there is none. */
static const char *
page(const struct pages *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (strcmp(p->name[i], name) == 0)
			return p->text[i];
	}
	fail_msg("no page %s", name);
	return NULL;
}

static bool
no_mandoc(void)
{
	return system("command -v mandoc > /dev/null") != 0;
}

/* Pages of all that there is, and of operations of every shape (those that
 * are referred to need not be there). */
static void
pages_are_clean(void **state)
{
	const struct op_manual sample = {
	    .table = &op_sample, .filters = &pipe_table};
	const struct op_manual *const both[] = {&whole, &sample};
	struct pages p;
	char command[256], *words;
	size_t i;

	(void)state;
	if (no_mandoc())
		skip();
	for (i = 0; i < 2; i++) {
		pages_make(&p, both[i]);
		snprintf(command, sizeof command,
		    "cd %s && mandoc -Tlint * 2> /dev/null |"
		    "grep -v 'referenced manual not found'",
		    p.dir);
		words = output(command);
		if (*words != '\0')
			fail_msg("%s", words);
		free(words);
		pages_fini(&p);
	}
}

/* Each part of what help says of the words stands on the page. */
static void
help_is(const char *words, const char *text)
{
	struct buf b = BUF_INIT;
	struct err e;
	char *part, *next;

	if (op_help(&whole, words, strlen(words), &b, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(b.failed, 0);
	for (part = b.data; part != NULL; part = next) {
		if ((next = strstr(part, "\n\n")) != NULL) {
			*next = '\0';
			next += 2;
		}
		squeeze(part);
		if (strstr(text, part) == NULL)
			fail_msg("help %s is not on its page: %s", words, part);
	}
	buf_fini(&b);
}

/* Of operations on the page of their verb, of all else on the pages of
 * objects, filters and words. */
static void
help_says_what_pages_say(void **state)
{
	struct buf rest = BUF_INIT;
	struct pages p;
	char name[64];
	size_t i;

	(void)state;
	if (no_mandoc())
		skip();
	pages_make(&p, &whole);
	for (i = 0; table.ops[i] != NULL; i++) {
		snprintf(name, sizeof name, "tandem-%.*s.1",
		    (int)strcspn(table.ops[i]->name, " "), table.ops[i]->name);
		help_is(table.ops[i]->name, page(&p, name));
	}
	help_is("show", page(&p, "tandem-show.1"));
	help_is("request server", page(&p, "tandem-request.1"));
	buf_fmt(&rest, "%s%s%s%s%s", page(&p, "tandem-objects.5"),
	    page(&p, "tandem-filters.7"), page(&p, "tandem-ops.7"),
	    page(&p, "tandem-help.1"), page(&p, "tandem.7"));
	for (i = 0; table.objs[i] != NULL; i++)
		help_is(table.objs[i]->name, rest.data);
	for (i = 0; pipe_table.ops[i] != NULL; i++)
		help_is(pipe_table.ops[i]->name, rest.data);
	for (i = 0; op_concepts[i].name != NULL; i++)
		help_is(op_concepts[i].name, rest.data);
	help_is("", rest.data);
	buf_fini(&rest);
	pages_fini(&p);
}

/* Help names every field of what it explains, in one place each. */
static void
help_names_everything(void **state)
{
	const struct op_field *f;
	struct buf b = BUF_INIT;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; table.ops[i] != NULL; i++) {
		buf_reset(&b);
		op_help(&whole, table.ops[i]->name, strlen(table.ops[i]->name),
		    &b, &e);
		squeeze(b.data);
		for (f = table.ops[i]->args; f && f->name != NULL; f++) {
			/* Its first letter is a capital there. */
			if (strstr(b.data, f->brief + 1) == NULL)
				fail_msg(
				    "%s: %s", table.ops[i]->name, f->brief);
		}
	}
	buf_reset(&b);
	assert_int_equal(op_help(&whole, "user", 4, &b, &e), 0);
	assert_non_null(strstr(b.data, "domain <domain> user <user>\n"));
	assert_non_null(strstr(b.data, "5..180 s; default 30.\n"));
	buf_reset(&b);
	assert_int_equal(op_help(&whole, "epoch", 5, &b, &e), 0);
	assert_true(str_prefix(b.data, "  epoch  The number of an ownership."));
	/* An operation and what it would work on: both are explained. */
	buf_reset(&b);
	assert_int_equal(op_help(&whole, "set token", 9, &b, &e), 0);
	assert_true(str_prefix(b.data, "set <path> [<field> <value> ...]\n"));
	assert_non_null(strstr(b.data, "requests-per-second"));
	buf_reset(&b);
	assert_int_equal(op_help(&whole, "delete user", 11, &b, &e), 0);
	assert_non_null(strstr(b.data, "domain <domain> user <user>\n"));
	buf_reset(&b);
	assert_int_equal(
	    op_help(&whole, "set domain demo.test user", 25, &b, &e), 0);
	assert_non_null(strstr(b.data, "domain <domain> user <user>\n"));
	assert_int_equal(
	    op_help(&whole, "set wombat", 10, &b, &e), -ERR_UNKNOWN);
	assert_int_equal(
	    op_help(&whole, "show version user", 17, &b, &e), -ERR_UNKNOWN);
	assert_int_equal(op_help(&whole, "wombat", 6, &b, &e), -ERR_UNKNOWN);
	assert_int_equal(op_help(&whole, "sho", 3, &b, &e), -ERR_UNKNOWN);
	buf_fini(&b);
}

/* What the console does by itself keeps the laws of the daemon's table. */
static void
tables_keep_the_laws(void **state)
{
	struct op_table t = table;
	struct buf broken = BUF_INIT;
	size_t i;

	(void)state;
	t.owner = &t; /* operations of the console have no handler */
	if (op_laws_check(&t, &broken) != 0)
		fail_msg("%s", broken.data);
	buf_fini(&broken);
	for (i = 0; op_concepts[i].name != NULL; i++)
		assert_true(
		    op_concepts[i].text[strlen(op_concepts[i].text) - 1] ==
		    '.');
	for (i = 0; pipe_table.ops[i] != NULL; i++)
		assert_non_null(strstr(pipe_table.ops[i]->example, " | "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pages_are_clean),
	    cmocka_unit_test(help_says_what_pages_say),
	    cmocka_unit_test(help_names_everything),
	    cmocka_unit_test(tables_keep_the_laws),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
