/*
 * Running a line as if it stood at the prompt: the same grammar, the same
 * connection, the same words of errors. What comes is shown as a list, a text
 * or a note.
 */
#include <string.h>

#include "screen_room.h"
#include "daemon/base/mem.h"

void
run_put_path(struct buf *b, const struct obj_path *p)
{
	char path[OBJ_PATH];

	obj_path_text(p, path, sizeof path);
	op_quote_words(b, path);
}

void
run_warnings(json_t *warn, struct buf *b)
{
	json_t *words;
	size_t i;

	json_array_foreach (warn, i, words) {
		if (json_is_string(words))
			buf_fmt(b, "warning: %s\n", json_string_value(words));
	}
}

/* Why a line was not understood. */
static void
run_refuse(struct screen *s, const char *title, const struct place *p,
    const struct command *c)
{
	struct report why = command_why(p, c);

	box_error(s, title, &why);
}

/* Ask and wait; Ctrl-C ends the waiting. False: it was told why. */
static bool
run_command(
    struct screen *s, const char *title, struct command *c, struct reply *reply)
{
	const struct op *op = c->walk.op;
	bool changes = op->kind == OP_CONFIG;

	s->waited = 1;
	command_ask(s->session, c, reply);
	s->waited = 0;
	if (reply->interrupted)
		page_note(s, TONE_NOTICE,
		    "the server goes on, its answer is not awaited");
	else if (reply->err.code != ERR_NONE)
		box_error(s, title,
		    &(struct report){.at = REPORT_NOWHERE,
			.err = &reply->err,
			.data = reply->err_data});
	else
		session_ran(s->session, op, c->walk.args, reply->result);
	s->session->conn.interrupted = s->gone;
	if (changes)
		page_changed(s);
	return reply->err.code == ERR_NONE;
}

bool
run_line(
    struct screen *s, const char *title, const char *line, struct reply *reply)
{
	struct place p = {.text = line};
	struct command c;
	bool good = false;

	memset(reply, 0, sizeof *reply);
	if (command_parse(s->session, &p, &c) != 0)
		run_refuse(s, title, &p, &c);
	else
		good = run_command(s, title, &c, reply);
	command_fini(&c);
	return good;
}

/* ---- what came ---------------------------------------------------------- */

/* An answer of one row, as words: "rev 12, changes 3". */
static void
run_note_row(struct screen *s, const struct view *v)
{
	struct buf b = BUF_INIT;
	json_t *row = json_array_get(v->rows, 0), *value;
	size_t i;

	buf_fmt(&b, "%s: ", v->op->name);
	for (i = 0; i < v->ncols; i++) {
		value = json_object_get(row, v->cols[i]->name);
		if (json_is_null(value))
			continue;
		buf_fmt(&b, "%s ", v->cols[i]->name);
		render_cell(v->cols[i], value, FORMAT_TABLE, &b);
		buf_str(&b, i + 1 < v->ncols ? "  " : "");
	}
	page_note(s, TONE_GOOD, "%s", b.data);
	buf_fini(&b);
}

/* A text of the console's own making, or one column. */
static void
run_show_words(struct screen *s, const char *line, const struct view *v)
{
	struct buf b = BUF_INIT;

	render(v, draw_cols() - 2, &b);
	buf_str(&b, "");
	page_push(s, words_new(s, line, buf_take(&b)));
}

/* Rows become a page; of what was done a line says enough. */
static void
run_show_view(struct screen *s, const char *line, const struct command *c,
    const struct view *v)
{
	size_t n = json_array_size(v->rows);

	if (v->save != NULL)
		page_note(s, TONE_NOTICE,
		    "save writes files at the prompt only (Ctrl-O)");
	else if (n == 0)
		page_note(s, TONE_PLAIN, "%s: %s", line,
		    v->op->cols != NULL && v->op->kind == OP_READ ? "(none)"
								  : "done");
	else if (v->op->kind != OP_READ && n == 1 && c->npipes == 0)
		run_note_row(s, v);
	else if (v->format != FORMAT_TABLE || v->ncols == 1)
		run_show_words(s, line, v);
	else if (ladder_shows(s, v->op) && c->npipes == 0)
		page_push(
		    s, ladder_page(s, op_row_text(c->walk.args, "id"), false));
	else if (v->op->kind == OP_READ && c->npipes == 0)
		page_push(s, list_new(s, v->op, json_incref(c->walk.args)));
	else
		page_push(s, list_of(s, v));
}

/* The reply through the filters of the line. */
static void
run_show_reply(struct screen *s, const struct place *p, const struct command *c,
    struct reply *reply)
{
	struct buf warn = BUF_INIT;
	struct view v;
	struct err e;
	size_t i;
	int r = 0;

	view_init(&v, c->walk.op, reply->result, FORMAT_TABLE);
	for (i = 0; i < c->npipes && r == 0; i++)
		r = pipe_apply(&c->pipes[i], &v, &e);
	if (r != 0)
		box_error(s, p->text,
		    &(struct report){
			.place = p, .at = c->pipes[i - 1].at, .err = &e});
	else
		run_show_view(s, p->text, c, &v);
	run_warnings(json_object_get(v.result, "warn"), &warn);
	if (warn.len != 0)
		box_words(s, c->walk.op->name, buf_take(&warn));
	view_fini(&v);
}

/* What the console does by itself; files are for the prompt. */
static void
run_show_local(struct screen *s, const struct place *p, struct command *c)
{
	struct session *session = s->session;

	if (c->walk.op->args != NULL) {
		page_note(s, TONE_NOTICE,
		    "%s: at the prompt, Ctrl-O leads to it", c->walk.op->name);
		return;
	}
	local_run(session, p, c);
	s->leave = session->quit || session->want_screen;
	if (session->want_screen) {
		session->want_screen = false;
		s->leave = false;
		page_note(s, TONE_PLAIN, "this is the screen");
	}
}

/* Help, out of the tables. */
static void
run_show_help(struct screen *s, const char *words)
{
	struct buf b = BUF_INIT;
	struct err e;

	if (local_help_text(s->session, words, &b, &e) != 0)
		box_error(s, "help",
		    &(struct report){.at = REPORT_NOWHERE, .err = &e});
	else
		page_push(s, words_new(s, "Help", xstrdup(b.data)));
	buf_fini(&b);
}

void
run_show(struct screen *s, const char *line)
{
	const char *words = local_help_words(line);
	struct place p = {.text = line};
	struct reply reply = {0};
	struct command c;

	if (words != NULL) {
		run_show_help(s, words);
		return;
	}
	if (command_parse(s->session, &p, &c) != 0)
		run_refuse(s, "Not understood", &p, &c);
	else if (op_is_monitor(c.walk.op))
		page_note(s, TONE_NOTICE,
		    "monitor: at the prompt (Ctrl-O); lists of the screen "
		    "follow by themselves");
	else if (op_find(&s->session->conn.table, c.walk.op->name) == NULL)
		run_show_local(s, &p, &c);
	else if (run_command(s, c.walk.op->name, &c, &reply))
		run_show_reply(s, &p, &c, &reply);
	reply_fini(&reply);
	command_fini(&c);
}
