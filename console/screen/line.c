/*
 * The line of `:`, a command as at the prompt: the same grammar, Tab, and the
 * history file. And the palette, which finds a page or an operation by a few
 * of its letters.
 */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"

#define LINE_LISTED 10 /* choices shown at once */

struct line {
	struct page page;
	struct entry entry;
	char **history;
	size_t nhistory, at;	/* at == nhistory: what is typed */
	char *typed;		/* while an older line is looked at */
	struct choices choices; /* what may stand there, after Tab */
	bool listed;
};

/* ---- history ------------------------------------------------------------ */

static void
line_on_history(void *arg, const char *text)
{
	struct line *l = arg;

	l->history = xrealloc(
	    l->history, (l->nhistory + 1) * sizeof *l->history);
	l->history[l->nhistory++] = xstrdup(text);
	l->at = l->nhistory;
}

/* An older or a younger line; what was typed is the youngest. */
static void
line_browse(struct line *l, int by)
{
	size_t to = l->at;

	if (by < 0 && to > 0)
		to--;
	else if (by > 0 && to < l->nhistory)
		to++;
	if (to == l->at)
		return;
	if (l->at == l->nhistory) {
		free(l->typed);
		l->typed = entry_text(&l->entry);
	}
	l->at = to;
	entry_set(&l->entry, to == l->nhistory ? l->typed : l->history[to]);
}

/* ---- Tab ---------------------------------------------------------------- */

/* Put a text in the place of the unfinished word. */
static void
line_replace(struct line *l, const char *before, size_t from, const char *word)
{
	char *all = entry_text(&l->entry);
	char *text = xasprintf(
	    "%.*s%s%s", (int)from, before, word, all + strlen(before));
	char *head = xasprintf("%.*s%s", (int)from, before, word);

	entry_set(&l->entry, head);
	from = l->entry.at;
	entry_set(&l->entry, text);
	l->entry.at = from;
	free(head);
	free(text);
	free(all);
}

/* Grow the word as far as it is known, else list what it may become. */
static void
line_complete(struct line *l)
{
	char *before = entry_before(&l->entry), *common, *word;
	struct session *s = l->page.s->session;
	bool unique;

	choices_fini(&l->choices);
	complete(s, before, &l->choices);
	s->conn.interrupted = l->page.s->gone;
	common = choices_common(&l->choices, &unique);
	l->listed = true;
	if (common != NULL &&
	    (unique || strlen(common) > strlen(before + l->choices.from))) {
		word = xasprintf("%s%s", common, unique ? " " : "");
		line_replace(l, before, l->choices.from, word);
		l->listed = !unique;
		free(word);
	}
	free(common);
	free(before);
}

/* ---- what is seen ------------------------------------------------------- */

/* Choices in a box right above the line. */
static void
line_draw_choices(struct line *l, const struct area *a)
{
	size_t n = l->choices.n < LINE_LISTED ? l->choices.n : LINE_LISTED, i;
	unsigned row, width = 8, w;
	struct buf b = BUF_INIT;

	for (i = 0; i < n; i++) {
		w = text_width(l->choices.list[i].shown);
		width = w > width && w <= 28 ? w : width;
	}
	row = a->row + a->rows - 1 - (unsigned)(n + 1);
	draw_line(row++, a->col, a->cols);
	for (i = 0; i < n; i++) {
		buf_reset(&b);
		buf_fmt(&b, "  %s", l->choices.list[i].shown);
		w = text_width(l->choices.list[i].shown);
		text_pad(&b, w < width ? width + 2 - w : 2);
		buf_str(&b, l->choices.list[i].brief);
		draw_text(row++, a->col, a->cols, TONE_PLAIN, b.data);
	}
	buf_reset(&b);
	if (l->choices.n > n)
		buf_fmt(&b, "  ... %zu more", l->choices.n - n);
	else
		buf_str(&b,
		    l->choices.done_ok	    ? "  Enter runs it"
			: l->choices.n == 0 ? "  nothing that is known"
					    : "");
	draw_text(row, a->col, a->cols, TONE_PLAIN, b.data);
	buf_fini(&b);
}

static void
line_draw(struct page *p, const struct area *a)
{
	struct line *l = (struct line *)p;
	unsigned row = draw_rows() - 1, cursor;
	struct buf b = BUF_INIT;

	if (l->listed)
		line_draw_choices(l, a);
	entry_show(&l->entry, a->cols - 3, '\0', &b, &cursor);
	draw_text(row, 0, 2, TONE_HEAD, ":");
	draw_text(row, 1, a->cols - 2, TONE_PLAIN, b.data);
	draw_cursor(row, 1 + cursor);
	buf_fini(&b);
}

/* ---- keys --------------------------------------------------------------- */

/* Run what stands there; in the history only as the prompt keeps it. */
static void
line_run(struct line *l)
{
	struct screen *s = l->page.s;
	char *text = entry_text(&l->entry), *masked;

	page_pop(s);
	if (!command_is_blank(text)) {
		if ((masked = history_mask(s->session, text)) != NULL)
			history_append(masked);
		free(masked);
		run_show(s, text);
	}
	free(text);
}

static bool
line_press(struct page *p, int press)
{
	struct line *l = (struct line *)p;

	if (press == PRESS_ESCAPE ||
	    (press == PRESS_ERASE && l->entry.n == 0)) {
		page_pop(p->s);
		return true;
	}
	if (press == PRESS_CTRL('o'))
		return false;
	if (press == PRESS_ENTER) {
		line_run(l);
	} else if (press == '\t') {
		line_complete(l);
	} else if (press == PRESS_UP || press == PRESS_DOWN) {
		line_browse(l, press == PRESS_UP ? -1 : 1);
	} else {
		l->listed = false;
		entry_press(&l->entry, press);
	}
	return true;
}

static void
line_free(struct page *p)
{
	struct line *l = (struct line *)p;

	while (l->nhistory > 0)
		free(l->history[--l->nhistory]);
	free(l->history);
	free(l->typed);
	choices_fini(&l->choices);
	free(l);
}

static const struct page_ops line_ops = {
    .box = true, .draw = line_draw, .press = line_press, .free = line_free};

void
line_open(struct screen *s, const char *text)
{
	struct line *l = xcalloc(1, sizeof *l);

	l->page.ops = &line_ops;
	l->page.typing = true;
	entry_set(&l->entry, text);
	history_load(line_on_history, l);
	page_push(s, &l->page);
}

/* ---- the palette -------------------------------------------------------- */

struct palette {
	const struct key **keys; /* pages, first in the menu */
	size_t nkeys;
	char **ops; /* names of operations, behind them */
	size_t nops;
	void (*go)(struct screen *, const struct key *);
};

/* A list at once where nothing must be said; else the line, begun. */
static void
palette_run(struct screen *s, const char *name)
{
	const struct op *op = op_find(&s->session->table, name);
	const struct op_field *f;
	char line[128];

	if (op == NULL)
		return;
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->flags & OP_REQUIRED)
			break;
	}
	if (op->kind == OP_READ && (f == NULL || f->name == NULL)) {
		run_show(s, name);
		return;
	}
	snprintf(line, sizeof line, "%s ", name);
	line_open(s, line);
}

static void
palette_on_choice(struct screen *s, void *arg, size_t item)
{
	struct palette *p = arg;
	const struct key *key = item < p->nkeys ? p->keys[item] : NULL;

	if (key != NULL)
		p->go(s, key);
	else if (item != SIZE_MAX && item - p->nkeys < p->nops)
		palette_run(s, p->ops[item - p->nkeys]);
	while (p->nops > 0)
		free(p->ops[--p->nops]);
	free(p->ops);
	free(p->keys);
	free(p);
}

/* Is it a key that opens a page which the server can fill? */
static bool
palette_opens(struct screen *s, const struct key *k)
{
	if (k->act == ACT_OPEN)
		return op_find(&s->session->table, k->op) != NULL;
	return k->act == ACT_OVERVIEW || k->act == ACT_DOMAINS ||
	    k->act == ACT_SITE;
}

void
line_palette(struct screen *s, void (*go)(struct screen *, const struct key *))
{
	struct palette *p = xcalloc(1, sizeof *p);
	struct menu *m = menu_new(s, "Find", palette_on_choice, p);
	const struct op *const *op;
	const struct key *k;

	p->go = go;
	for (k = key_table; k->press != 0; k++) {
		if (!palette_opens(s, k))
			continue;
		p->keys = xrealloc(p->keys, (p->nkeys + 1) * sizeof *p->keys);
		p->keys[p->nkeys++] = k;
		menu_add(m, k->brief, k->shown, false);
	}
	for (op = s->session->table.ops; *op != NULL; op++) {
		p->ops = xrealloc(p->ops, (p->nops + 1) * sizeof *p->ops);
		p->ops[p->nops++] = xstrdup((*op)->name);
		menu_add(m, (*op)->name, (*op)->brief, false);
	}
	menu_show(m, false);
}
