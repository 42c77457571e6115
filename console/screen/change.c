/*
 * Changes: objects into the candidate and out of it, and what becomes of the
 * candidate. Whatever deletes or forgets is asked for in a box that names
 * it; of several objects, or one with all below it, the name is typed.
 */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"

/* ---- deleting ----------------------------------------------------------- */

/* Lines to run when it was said so. */
struct change {
	char **lines;
	size_t n;
};

static void
change_add(struct change *c, const struct obj_path *p)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "delete ");
	run_put_path(&b, p);
	c->lines = xrealloc(c->lines, (c->n + 1) * sizeof *c->lines);
	c->lines[c->n++] = buf_take(&b);
}

static void
change_free(struct change *c)
{
	while (c->n > 0)
		free(c->lines[--c->n]);
	free(c->lines);
	free(c);
}

/* The objects that are marked, or the one under the cursor; the last of them
 * in p. */
static void
change_collect(struct page *page, struct change *c, struct obj_path *p)
{
	struct grid *g = page->ops->grid(page);
	size_t was = g->cursor, marks = grid_count_marks(g), i;

	for (i = 0; i < g->n && marks != 0; i++) {
		g->cursor = i;
		if (grid_marked(g, grid_current(g)) &&
		    page->ops->path(page, false, p))
			change_add(c, p);
	}
	g->cursor = was;
	if (marks == 0 && page->ops->path(page, false, p))
		change_add(c, p);
}

/* Run them in turn, to the first that is refused. */
static void
change_on_delete(struct screen *s, void *arg, const char *answer)
{
	struct change *c = arg;
	struct reply reply;
	size_t i;
	bool good = answer != NULL;

	for (i = 0; i < c->n && good; i++) {
		good = run_line(s, "Delete", c->lines[i], &reply);
		reply_fini(&reply);
	}
	if (good)
		page_note(s, TONE_PLAIN,
		    "%zu object%s deleted in the candidate; W commits", c->n,
		    c->n == 1 ? " is" : "s are");
	change_free(c);
}

/* Has a kind others below it, which go too? */
static bool
change_is_large(struct screen *s, const struct obj_path *p)
{
	return object_has_tabs(s, p);
}

static void
change_delete(struct screen *s, struct page *page)
{
	struct change *c = xcalloc(1, sizeof *c);
	struct buf b = BUF_INIT;
	struct obj_path p;
	const char *word = NULL;
	size_t i;

	change_collect(page, c, &p);
	if (c->n == 0) {
		change_free(c);
		return;
	}
	for (i = 0; i < c->n && i < 12; i++)
		buf_fmt(&b, "%s\n", c->lines[i] + strlen("delete "));
	if (c->n > i)
		buf_fmt(&b, "... %zu more\n", c->n - i);
	if (change_is_large(s, &p))
		buf_str(&b, "\nAll that is below goes with it.\n");
	if (c->n > 1 || change_is_large(s, &p)) {
		word = p.key[p.nkeys - 1];
		buf_fmt(&b,
		    "\nDeleted in the candidate; nothing runs before a "
		    "commit.\nType %s to delete %s:",
		    word, c->n > 1 ? "them all" : "it");
	} else {
		buf_str(&b,
		    "\nDeleted in the candidate; nothing runs before a "
		    "commit.");
	}
	box_ask(s, c->n > 1 ? "Delete objects?" : "Delete?", buf_take(&b), word,
	    change_on_delete, c);
}

/* ---- the candidate ------------------------------------------------------ */

/* What a commit or a check answered: a line, and warnings in a box. */
static void
change_told(struct screen *s, const char *title, struct reply *reply)
{
	json_t *row = json_array_get(json_object_get(reply->result, "data"), 0);
	struct buf b = BUF_INIT, cell = BUF_INIT;
	const char *name;
	json_t *value;

	json_object_foreach (row, name, value) {
		if (json_is_null(value))
			continue;
		buf_reset(&cell);
		render_cell(NULL, value, FORMAT_TABLE, &cell);
		buf_fmt(&b, " %s %s", name, cell.data);
	}
	buf_str(&b, "");
	page_note(s, TONE_GOOD, "%s: good.%s", title, b.data);
	buf_reset(&b);
	run_warnings(json_object_get(reply->result, "warn"), &b);
	if (b.len != 0)
		box_words(s, title, buf_take(&b));
	buf_fini(&b);
	buf_fini(&cell);
}

/* Run a line about the candidate and say what came of it. */
static void
change_run(struct screen *s, const char *title, const char *line)
{
	struct reply reply;

	if (run_line(s, title, line, &reply))
		change_told(s, title, &reply);
	reply_fini(&reply);
}

/* arg: more words of the line. */
static void
change_on_commit(struct screen *s, void *arg, const char *answer)
{
	struct buf b = BUF_INIT;

	if (answer == NULL)
		return;
	buf_fmt(&b, "commit%s", (const char *)arg);
	if (*answer != '\0') {
		buf_str(&b, " comment ");
		op_quote(&b, answer);
	}
	change_run(s, "Commit", b.data);
	buf_fini(&b);
}

static void
change_on_discard(struct screen *s, void *arg, const char *answer)
{
	(void)arg;
	if (answer != NULL)
		change_run(s, "Discard", "discard");
}

/* What the candidate changes, a line a step; what of it fits a box. */
static char *
change_summary(struct screen *s, const char *end)
{
	json_t *rows = watch_rows(s->changes), *row;
	struct buf b = BUF_INIT;
	const char *change, *path, *field;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (i == 10) {
			buf_fmt(
			    &b, "... %zu more\n", json_array_size(rows) - i);
			break;
		}
		change = json_string_value(json_object_get(row, "change"));
		path = json_string_value(json_object_get(row, "path"));
		field = json_string_value(json_object_get(row, "field"));
		buf_fmt(&b, "%s %s %s\n", change != NULL ? change : "?",
		    path != NULL ? path : "", field != NULL ? field : "");
	}
	buf_fmt(&b, "\n%s", end);
	return buf_take(&b);
}

/* Is there anything to commit, check or discard? */
static bool
change_is_any(struct screen *s)
{
	if (s->session->dirty || json_array_size(watch_rows(s->changes)) != 0)
		return true;
	page_note(s, TONE_PLAIN, "the candidate has no changes");
	return false;
}

static void
change_ask_commit(struct screen *s, char *more, const char *end)
{
	if (s->session->set_commit != NULL && change_is_any(s))
		box_ask(s, "Commit", change_summary(s, end), "",
		    change_on_commit, more);
}

static bool
change_candidate(struct screen *s, const struct key *k)
{
	static char at_once[] = "", for_a_time[] = " confirmed 5";
	const struct session *session = s->session;

	switch (k->act) {
	case ACT_COMPARE:
		if (session->set_compare != NULL && change_is_any(s))
			page_push(s, list_new(s, session->set_compare, NULL));
		return true;
	case ACT_CHECK:
		if (session->set_check != NULL && change_is_any(s))
			change_run(s, "Check", session->set_check->name);
		return true;
	case ACT_COMMIT:
		change_ask_commit(s, at_once,
		    "Comment, may be empty; Enter commits, Esc does not:");
		return true;
	case ACT_CONFIRMED:
		change_ask_commit(s, for_a_time,
		    "It is undone after 5 minutes, unless :confirm comes "
		    "before.\nComment, may be empty; Enter commits, Esc does "
		    "not:");
		return true;
	case ACT_DISCARD:
		if (session->set_discard != NULL && change_is_any(s))
			box_ask(s, "Discard the candidate?",
			    change_summary(s, "These changes are forgotten."),
			    NULL, change_on_discard, NULL);
		return true;
	default:
		return false;
	}
}

/* What the role may not do begins no form; false: it was told. */
static bool
change_may(struct screen *s, const struct key *k)
{
	const struct op *op = op_find(
	    &s->session->table, k->act == ACT_DELETE ? "delete" : "set");

	if (session_may(s->session, op))
		return true;
	page_note(s, TONE_NOTICE, "not permitted to %s", s->session->conn.role);
	return false;
}

bool
change_act(struct screen *s, const struct key *k)
{
	struct page *page = page_under(s);
	struct obj_path p;

	if (change_candidate(s, k))
		return true;
	if (page->ops->path == NULL)
		return false;
	if ((k->act == ACT_NEW || k->act == ACT_EDIT || k->act == ACT_DELETE) &&
	    !change_may(s, k))
		return true;
	switch (k->act) {
	case ACT_NEW:
		if (page->ops->path(page, true, &p))
			form_open(s, &p);
		else
			page_note(s, TONE_PLAIN, "nothing can be made here");
		return true;
	case ACT_EDIT:
		if (page->ops->path(page, false, &p))
			form_open(s, &p);
		return true;
	case ACT_DELETE:
		change_delete(s, page);
		return true;
	default:
		return false;
	}
}
