/*
 * What can be done with a row: operations that show more of it or act on it,
 * all of whose required arguments the row has by name. What acts is asked for
 * in a box that says what it does and to what; for several rows a word has to
 * be typed.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"

struct action {
	char **ops; /* names that are offered */
	size_t nops;
	char **lines; /* to run, once one was chosen */
	size_t nlines;
};

static void
action_free(struct action *a)
{
	while (a->nops > 0)
		free(a->ops[--a->nops]);
	while (a->nlines > 0)
		free(a->lines[--a->nlines]);
	free(a->ops);
	free(a->lines);
	free(a);
}

/* The value of an argument out of a row, or of what it was asked with; in the
 * form that is typed. False when there is none that the type takes. */
static bool
action_value(
    const struct op_field *f, json_t *row, json_t *params, struct buf *b)
{
	json_t *value = json_object_get(row, f->name);
	struct buf text = BUF_INIT;
	char out[OP_VALUE];
	bool good;

	if (value == NULL || json_is_null(value))
		value = json_object_get(params, f->name);
	render_cell(f, value, FORMAT_CSV, &text);
	good = text.len != 0 && f->type != &op_type_path &&
	    !(f->flags & (OP_LIST | OP_FLAG)) &&
	    op_parse(f, text.data, out, sizeof out, NULL) == 0;
	if (good && b != NULL)
		op_quote(b, text.data);
	buf_fini(&text);
	return good;
}

/* The line that does it to a row; false when the row lacks something. */
static bool
action_line(const struct op *op, json_t *row, json_t *params, struct buf *b)
{
	const struct op_field *f;
	bool any = false;

	if (op->kind == OP_CONFIG)
		return false;
	buf_str(b, op->name);
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (!(f->flags & OP_REQUIRED))
			continue;
		if (!action_value(f, row, params, NULL))
			return false;
		buf_char(b, ' ');
		if (!(f->flags & OP_KEY))
			buf_fmt(b, "%s ", f->name);
		action_value(f, row, params, b);
		any |= json_object_get(row, f->name) != NULL;
	}
	return any;
}

/* ---- doing it ----------------------------------------------------------- */

static void
action_on_answer(struct screen *s, void *arg, const char *answer)
{
	struct action *a = arg;
	struct reply reply;
	bool good = answer != NULL;
	size_t i;

	for (i = 0; i < a->nlines && good; i++) {
		good = run_line(s, a->lines[i], a->lines[i], &reply);
		reply_fini(&reply);
	}
	if (good)
		page_note(s, TONE_GOOD, "done: %s%s", a->lines[0],
		    a->nlines > 1 ? " and the others" : "");
	if (answer != NULL)
		page_changed(s);
	action_free(a);
}

/* The last word of a name: what has to be typed for several. */
static const char *
action_verb(const char *name)
{
	const char *space = strrchr(name, ' ');

	return space != NULL ? space + 1 : name;
}

/* The last argument names an object with others below it, as a server or a
 * domain: then its name is typed. */
static bool
action_is_large(struct screen *s, const struct op *op)
{
	const struct obj *const *o;
	const struct op_field *f, *last = NULL;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->flags & OP_REQUIRED)
			last = f;
	}
	for (o = s->session->table.objs; last != NULL && *o != NULL; o++) {
		if ((*o)->parent == NULL && strcmp((*o)->name, last->name) == 0)
			return object_has_tabs(
			    s, &(struct obj_path){.obj = *o});
	}
	return false;
}

/* What has to be typed before it is done; NULL: a letter is enough. */
static const char *
action_word(struct screen *s, const struct action *a, const struct op *op)
{
	if (a->nlines > 1)
		return action_verb(op->name);
	return action_is_large(s, op) ? action_verb(a->lines[0]) : NULL;
}

static void
action_ask(struct screen *s, struct action *a, const struct op *op)
{
	const char *word = action_word(s, a, op);
	struct buf b = BUF_INIT;
	size_t i;

	buf_fmt(&b, "%s.\n\n", op->brief);
	b.data[0] = (char)toupper((unsigned char)b.data[0]);
	for (i = 0; i < a->nlines && i < 8; i++)
		buf_fmt(&b, "%s\n", a->lines[i]);
	if (a->nlines > i)
		buf_fmt(&b, "... %zu more\n", a->nlines - i);
	buf_fmt(&b, "\n%s\n", op->about);
	if (a->nlines > 1)
		buf_fmt(&b, "\nType %s to do it to all %zu:", word, a->nlines);
	else if (word != NULL)
		buf_fmt(&b, "\nType %s to do it:", word);
	box_ask(s, op->name, buf_take(&b), word, action_on_answer, a);
}

/* ---- choosing ----------------------------------------------------------- */

/* A line for each row that is marked, or for the one under the cursor. */
static void
action_collect(struct page *page, const struct op *op, struct action *a)
{
	struct grid *g = page->ops->grid(page);
	json_t *params = page->ops->params != NULL ? page->ops->params(page)
						   : NULL;
	bool marks = grid_count_marks(g) != 0;
	struct buf b = BUF_INIT;
	json_t *row;
	size_t i;

	for (i = 0; i < g->n; i++) {
		row = grid_row(g, i);
		if (marks ? !grid_marked(g, row) : i != g->cursor)
			continue;
		buf_reset(&b);
		if (!action_line(op, row, params, &b))
			continue;
		a->lines = xrealloc(
		    a->lines, (a->nlines + 1) * sizeof *a->lines);
		a->lines[a->nlines++] = xstrdup(b.data);
	}
	buf_fini(&b);
}

static void
action_on_choice(struct screen *s, void *arg, size_t item)
{
	struct page *page = page_under(s);
	struct action *a = arg;
	const struct op *op = item < a->nops
	    ? op_find(&s->session->table, a->ops[item])
	    : NULL;

	if (op != NULL && page->ops->grid != NULL)
		action_collect(page, op, a);
	if (a->nlines != 0 && op->kind == OP_ACTION) {
		action_ask(s, a, op);
		return;
	}
	if (a->nlines != 0)
		run_show(s, a->lines[0]);
	action_free(a);
}

/* Does it speak of what the row is, by the name of the first column? What
 * speaks of something else in the row, as its server, is offered behind. */
static bool
action_is_near(const struct op *op, const struct grid *g)
{
	const struct op_field *f = g->ncols != 0
	    ? op_field_find(op->args, g->cols[0]->name)
	    : NULL;

	return f != NULL && f->flags & OP_REQUIRED;
}

/* Offer the operations that the row has all for; near ones or others. */
static void
action_offer(struct screen *s, struct page *page, bool near, struct menu *m,
    struct action *a)
{
	struct grid *g = page->ops->grid(page);
	json_t *params = page->ops->params != NULL ? page->ops->params(page)
						   : NULL;
	const struct op *const *op;
	struct buf b = BUF_INIT;

	for (op = s->session->table.ops; *op != NULL; op++) {
		buf_reset(&b);
		if (action_is_near(*op, g) != near ||
		    !action_line(*op, grid_current(g), params, &b))
			continue;
		menu_add(m, (*op)->name, (*op)->brief, false);
		a->ops = xrealloc(a->ops, (a->nops + 1) * sizeof *a->ops);
		a->ops[a->nops++] = xstrdup((*op)->name);
	}
	buf_fini(&b);
}

void
action_menu(struct screen *s)
{
	struct page *page = page_under(s);
	struct action *a = xcalloc(1, sizeof *a);
	struct menu *m = menu_new(s, "Actions", action_on_choice, a);

	if (page->ops->grid != NULL && page->ops->grid(page) != NULL &&
	    grid_current(page->ops->grid(page)) != NULL) {
		action_offer(s, page, true, m, a);
		action_offer(s, page, false, m, a);
	}
	menu_show(m, false);
	if (a->nops != 0)
		return;
	page_pop(s);
	page_note(s, TONE_PLAIN, "nothing can be done with this");
}
