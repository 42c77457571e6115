/*
 * One command line: understood, run, shown. The same for a script and for
 * the prompt.
 */
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/mem.h"

#define COMMAND_WINDOW 1024 /* requests sent ahead */

bool
command_is_blank(const char *line)
{
	line += strspn(line, " \t\r\n");
	return *line == '\0' || *line == '#';
}

/* Keep what is wrong with a part of the line that begins at base; the walk
 * is taken. */
static int
command_wrong(struct command *c, struct op_walk *w, size_t base)
{
	c->wrong = *w;
	c->wrong_at = base + w->err_at;
	memset(w, 0, sizeof *w);
	return -(int)c->wrong.err.code;
}

/* The byte of a filter's arguments: the word behind its name. */
static size_t
command_pipe_at(const char *text, size_t base)
{
	struct op_words words;
	size_t at = base, bad;
	struct err e;

	if (op_words_parse(&words, text + base, &bad, &e) == 0 &&
	    words.count > 1)
		at += words.word[1].at;
	op_words_fini(&words);
	return at;
}

/* One filter; w is its walk, which begins at base. */
static int
command_take_pipe(
    const struct place *p, struct command *c, struct op_walk *w, size_t base)
{
	struct pipe_step *step = &c->pipes[c->npipes];

	if (c->npipes == PIPES_MAX) {
		w->err_at = 0;
		err_set(&w->err, ERR_TOOBIG, "at most %d bars in a line",
		    PIPES_MAX);
		return command_wrong(c, w, base);
	}
	step->op = w->op;
	step->args = json_incref(w->args);
	step->at = command_pipe_at(p->text, base);
	c->npipes++;
	return 0;
}

/* What stands behind a bar, and behind the next. */
static int
command_parse_pipes(struct session *s, const struct place *p, struct command *c)
{
	unsigned flags = s->interactive ? OP_WALK_SHORT : 0;
	size_t at = c->walk.pipe, base;
	struct op_walk w;
	int r = 0;

	while (at != 0 && r == 0) {
		base = at + 1;
		r = op_walk(&pipe_table, p->text + base, flags, &w);
		at = w.pipe != 0 ? base + w.pipe : 0;
		if (r == 0 && s->opt->restricted && pipe_writes(w.op))
			r = err_set(&w.err, ERR_PERMISSION,
			    "%s: a login shell writes no files", w.op->name);
		if (r == 0) {
			r = command_take_pipe(p, c, &w, base);
		} else {
			if (w.err.code == ERR_SYNTAX && w.err_at == 0)
				err_set(&w.err, ERR_SYNTAX,
				    "expected a filter behind the bar");
			r = command_wrong(c, &w, base);
		}
		op_walk_fini(&w);
	}
	return r;
}

int
command_parse(struct session *s, const struct place *p, struct command *c)
{
	unsigned flags = s->interactive ? OP_WALK_SHORT : 0;
	int r;

	memset(c, 0, sizeof *c);
	if (op_walk(&s->table, p->text, flags, &c->walk) != 0)
		return command_wrong(c, &c->walk, 0);
	if ((r = command_parse_pipes(s, p, c)) != 0)
		return r;
	c->wrong_at = REPORT_NOWHERE;
	return secret_load(&c->walk, !s->opt->restricted, &c->wrong.err);
}

struct report
command_why(const struct place *p, const struct command *c)
{
	return (struct report){.place = p,
	    .at = c->wrong_at,
	    .err = &c->wrong.err,
	    .op = c->walk.op,
	    .next = c->wrong.next,
	    .nnext = c->wrong.nnext};
}

int
command_refuse(
    struct session *s, const struct place *p, const struct command *c)
{
	struct report why = command_why(p, c);

	return report(s, &why);
}

void
command_fini(struct command *c)
{
	size_t i;

	for (i = 0; i < c->npipes; i++)
		json_decref(c->pipes[i].args);
	op_walk_fini(&c->walk);
	op_walk_fini(&c->wrong);
	memset(c, 0, sizeof *c);
}

/* Warnings beside the data; in JSON they are in the envelope. */
static void
command_warn(struct session *s, const struct view *v)
{
	json_t *words;
	size_t i;

	if (v->format == FORMAT_JSON)
		return;
	json_array_foreach (json_object_get(v->result, "warn"), i, words) {
		report_note(s, "warning: %s", json_string_value(words));
	}
}

/* The words of no rows, for somebody who waits before a prompt. */
static bool
command_says_none(const struct session *s, const struct view *v)
{
	return s->interactive && v->save == NULL && !v->goes_on &&
	    v->format == FORMAT_TABLE && v->op->cols != NULL &&
	    json_array_size(v->rows) == 0;
}

/* Into a file; how much is said on standard error. */
static int
command_save(
    struct session *s, const struct view *v, const struct buf *b, struct err *e)
{
	FILE *f = fopen(v->save, "we");
	bool file = file_is(v);

	if (f != NULL && fwrite(b->data, 1, b->len, f) != b->len) {
		fclose(f);
		f = NULL;
	} else if (f != NULL && fclose(f) == 0) {
		report_note(s, "%zu %s saved in %s",
		    file ? b->len : json_array_size(v->rows),
		    file ? "bytes" : "rows", v->save);
		return 0;
	}
	return err_errno(e, ERR_IO, "%s", v->save);
}

/* Rows that are a file: its bytes. */
static int
command_put_file(
    struct session *s, const struct view *v, struct buf *b, struct err *e)
{
	int r = file_bytes(v, b, e);

	if (r != 0)
		return r;
	return v->save != NULL ? command_save(s, v, b, e)
			       : file_show(s, v, b, e);
}

static int
command_put_rows(
    struct session *s, const struct view *v, struct buf *b, struct err *e)
{
	buf_str(b, command_says_none(s, v) ? "(none)\n" : "");
	render(v, v->save == NULL ? text_terminal(1) : 0, b);
	if (v->save != NULL)
		return command_save(s, v, b, e);
	pager_show(s, v, b);
	return 0;
}

/* Through the filters, then out. */
static int
command_render(
    struct session *s, const struct place *p, struct command *c, struct view *v)
{
	struct buf b = BUF_INIT;
	struct err e;
	int r = 0;
	size_t i;

	for (i = 0; i < c->npipes && r == 0; i++)
		r = pipe_apply(&c->pipes[i], v, &e);
	if (r != 0)
		return report(s,
		    &(struct report){.place = p,
			.at = c->pipes[i - 1].at,
			.err = &e,
			.op = c->walk.op});
	r = file_is(v) ? command_put_file(s, v, &b, &e)
		       : command_put_rows(s, v, &b, &e);
	command_warn(s, v);
	buf_fini(&b);
	return r == 0 ? 0
		      : report(s,
			    &(struct report){.place = p,
				.at = REPORT_NOWHERE,
				.err = &e,
				.op = v->op});
}

/* The object that an error is about, as far as the console can know. */
static const char *
command_path(const struct command *c)
{
	const struct op_field *f;

	for (f = c->walk.op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_path)
			return json_string_value(
			    json_object_get(c->walk.args, f->name));
	}
	return NULL;
}

/* What came, below rows that were shown or not. What goes on has no pager. */
static int
command_view(struct session *s, const struct place *p, struct command *c,
    json_t *result, bool goes_on)
{
	struct view v;
	int status;

	view_init(&v, c->walk.op, result, s->opt->format);
	v.no_more = op_is_monitor(c->walk.op);
	v.goes_on = goes_on;
	v.headed = c->headed;
	status = command_render(s, p, c, &v);
	/* A list that began empty has no headings yet, but for csv. */
	c->headed |= v.format == FORMAT_CSV || json_array_size(v.rows) != 0;
	view_fini(&v);
	return status;
}

int
command_show(struct session *s, const struct place *p, struct command *c,
    struct reply *reply)
{
	if (reply->interrupted)
		return EXIT_INTERRUPTED;
	if (reply->err.code != ERR_NONE)
		return report(s,
		    &(struct report){.place = p,
			.at = REPORT_NOWHERE,
			.err = &reply->err,
			.op = c->walk.op,
			.path = command_path(c),
			.data = reply->err_data});
	session_ran(s, c->walk.op, c->walk.args, reply->result);
	return command_view(s, p, c, reply->result, false);
}

int
command_changes(struct session *s, const struct place *p, struct command *c,
    json_t *changes)
{
	return command_view(s, p, c, changes, true);
}

int
command_run(struct session *s, const struct place *p, struct command *c)
{
	struct reply reply;
	struct err e;
	int status;

	if (op_find(&s->conn.table, c->walk.op->name) == NULL)
		return local_run(s, p, c);
	if (monitor_saves(c)) {
		err_set(
		    &e, ERR_REFUSED, "save: %s does not end", c->walk.op->name);
		return report_err(s, &e);
	}
	command_ask(s, c, &reply);
	status = command_show(s, p, c, &reply);
	if (status == 0 && op_is_monitor(c->walk.op))
		status = monitor_follow(s, p, c, reply.result);
	else if (status == 0 && s->conn.stopped)
		status = EXIT_INTERRUPTED;
	reply_fini(&reply);
	return status;
}

/* Would it be committed, and with which warnings. */
static int
command_check(struct session *s, const struct place *p, json_t **warn)
{
	struct command c = {.walk = {.op = s->set_check}};
	struct reply reply;
	int status = 0;

	*warn = NULL;
	if (s->set_check == NULL)
		return 0;
	if (conn_call(&s->conn, s->set_check->name, NULL, &reply) != 0)
		status = command_show(s, p, &c, &reply);
	*warn = json_incref(json_object_get(reply.result, "warn"));
	reply_fini(&reply);
	return status;
}

/* What would change, with the warnings of the check. */
static int
command_compare(struct session *s, const struct place *p, json_t *warn)
{
	struct command c = {.walk = {.op = s->set_compare}};
	struct reply reply;
	long n = session_changes(s, &reply);
	int status = 0;

	json_array_extend(json_object_get(reply.result, "warn"), warn);
	if (n != 0)
		status = command_show(s, p, &c, &reply);
	reply_fini(&reply);
	return status != 0 ? status : n > 0 ? EXIT_DIFFERS : 0;
}

int
command_dry(struct session *s, const struct place *p)
{
	json_t *warn;
	int status = command_check(s, p, &warn);

	if (status == 0)
		status = command_compare(s, p, warn);
	json_decref(warn);
	return status;
}

/* A command on its way. */
struct command_sent {
	struct place place;
	char *text;
	struct command command;
	command_sent_fn *fn;
	void *arg;
};

static void
command_on_reply(void *arg, struct reply *reply)
{
	struct command_sent *sent = arg;

	sent->fn(sent->arg, &sent->place, &sent->command, reply);
	command_fini(&sent->command);
	free(sent->text);
	free(sent);
}

void
command_send(struct session *s, const struct place *p, struct command *c,
    command_sent_fn *fn, void *arg)
{
	struct command_sent *sent = xcalloc(1, sizeof *sent);

	sent->fn = fn;
	sent->arg = arg;
	sent->text = xstrdup(p->text);
	sent->place = *p;
	sent->place.text = sent->text;
	sent->command = *c;
	memset(c, 0, sizeof *c);
	session_ran(s, sent->command.walk.op, sent->command.walk.args, NULL);
	conn_send(&s->conn, sent->command.walk.op->name,
	    json_incref(sent->command.walk.args), command_on_reply, sent);
	if (s->conn.open >= COMMAND_WINDOW)
		conn_wait(&s->conn, COMMAND_WINDOW / 2);
}

int
command_line(struct session *s, const struct place *p)
{
	const char *words = local_help_words(p->text);
	struct command c;
	int status;

	if (words != NULL)
		return local_help(s, words);
	status = command_parse(s, p, &c);
	status = status == 0 ? command_run(s, p, &c) : command_refuse(s, p, &c);
	command_fini(&c);
	return status;
}
