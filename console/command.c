/*
 * One command line: understood, run, shown. The same for a script and for
 * the prompt.
 */
#include <stdlib.h>
#include <string.h>

#include "console.h"

bool
command_is_blank(const char *line)
{
	line += strspn(line, " \t\r\n");
	return *line == '\0' || *line == '#';
}

/* Tell what is wrong with a part of the line that begins at base. */
static int
command_refuse(struct session *s, const struct place *p,
    const struct op_walk *w, size_t base)
{
	struct report r = {.place = p,
	    .at = base + w->err_at,
	    .err = &w->err,
	    .op = w->op,
	    .next = w->next,
	    .nnext = w->nnext};

	report(s, &r);
	return -(int)w->err.code;
}

/* What stands behind a bar, and behind the next. */
static int
command_parse_pipes(struct session *s, const struct place *p, struct command *c)
{
	unsigned flags = s->interactive ? OP_WALK_SHORT : 0;
	size_t at = c->walk.pipe;
	struct op_walk w;
	int r = 0;

	while (at != 0 && r == 0) {
		r = op_walk(&pipe_table, p->text + at + 1, flags, &w);
		if (r == 0 && c->npipes == PIPES_MAX) {
			w.err_at = 0;
			r = err_set(&w.err, ERR_TOOBIG,
			    "at most %d bars in a line", PIPES_MAX);
		}
		if (r != 0) {
			if (w.err.code == ERR_SYNTAX && w.err_at == 0)
				err_set(&w.err, ERR_SYNTAX,
				    "expected a filter behind the bar");
			r = command_refuse(s, p, &w, at + 1);
		} else {
			c->pipes[c->npipes].op = w.op;
			c->pipes[c->npipes++].args = json_incref(w.args);
			at = w.pipe != 0 ? at + 1 + w.pipe : 0;
		}
		op_walk_fini(&w);
	}
	return r;
}

int
command_parse(struct session *s, const struct place *p, struct command *c)
{
	unsigned flags = s->interactive ? OP_WALK_SHORT : 0;
	struct err e;
	int r;

	memset(c, 0, sizeof *c);
	r = op_walk(&s->table, p->text, flags, &c->walk);
	if (r != 0)
		return command_refuse(s, p, &c->walk, 0);
	if ((r = command_parse_pipes(s, p, c)) != 0)
		return r;
	if ((r = secret_load(&c->walk, &e)) != 0)
		report(s,
		    &(struct report){.place = p,
			.at = REPORT_NOWHERE,
			.err = &e,
			.op = c->walk.op});
	return r;
}

void
command_fini(struct command *c)
{
	size_t i;

	for (i = 0; i < c->npipes; i++)
		json_decref(c->pipes[i].args);
	op_walk_fini(&c->walk);
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
	json_array_foreach (v->warn, i, words) {
		report_note(s, "warning: %s", json_string_value(words));
	}
}

/* The rows into a file; how many is said on standard error. */
static int
command_save(struct session *s, const struct view *v, const struct buf *b)
{
	FILE *f = fopen(v->save, "we");
	struct err e;

	if (f != NULL && fwrite(b->data, 1, b->len, f) != b->len) {
		fclose(f);
		f = NULL;
	} else if (f != NULL && fclose(f) == 0) {
		report_note(s, "%zu rows saved in %s", json_array_size(v->rows),
		    v->save);
		return 0;
	}
	err_errno(&e, ERR_IO, "%s", v->save);
	return report_err(s, &e);
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
			.at = c->walk.pipe,
			.err = &e,
			.op = c->walk.op});
	buf_str(&b, "");
	render(v, v->save == NULL ? text_terminal(1) : 0, &b);
	if (v->save != NULL)
		r = command_save(s, v, &b);
	else
		pager_show(s, v, &b);
	command_warn(s, v);
	buf_fini(&b);
	return r;
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

int
command_show(struct session *s, const struct place *p, struct command *c,
    struct reply *reply)
{
	struct view v;
	int status;

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
	session_ran(s, c->walk.op);
	view_init(&v, c->walk.op, reply->result, s->opt->format);
	status = command_render(s, p, c, &v);
	view_fini(&v);
	return status;
}

int
command_run(struct session *s, const struct place *p, struct command *c)
{
	struct reply reply;
	int status;

	if (op_find(&s->conn.table, c->walk.op->name) == NULL)
		return local_run(s, c->walk.op, p->text);
	conn_call(
	    &s->conn, c->walk.op->name, json_incref(c->walk.args), &reply);
	status = command_show(s, p, c, &reply);
	reply_fini(&reply);
	return status;
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
	if (status == 0)
		status = command_run(s, p, &c);
	else
		status = err_exit((enum err_code) - status);
	command_fini(&c);
	return status;
}
