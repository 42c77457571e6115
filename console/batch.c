/*
 * Commands of -c, of a file or of standard input: one session, one
 * candidate. It stops at the first error; nothing is committed after one; a
 * change that nobody committed is an error too, never a silent loss. There
 * is no prompt, ever.
 *
 * set and delete are sent ahead of their replies, a window at a time: ten
 * thousand of them cost a few round trips. Anything else waits for what was
 * sent before it. None waits for the next line (input.c): what a change is
 * based on is what runs when its line is read.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/mem.h"

struct batch {
	struct session *s;
	int status; /* exit status of the first error */
	bool stop;  /* no further line is read */
};

/* Keep the first error; decide whether it ends the batch. */
static void
batch_note(struct batch *b, int status)
{
	if (status == 0)
		return;
	if (b->status == 0)
		b->status = status;
	if (b->s->conn.rpc == NULL || status == EXIT_INTERRUPTED ||
	    (!b->s->opt->go_on && status != EXIT_DIFFERS))
		b->stop = true;
}

/* Replies come in the order of the lines. Behind the error that stopped the
 * batch they are of no interest: the candidate will be dropped. */
static void
batch_on_reply(
    void *arg, const struct place *p, struct command *c, struct reply *reply)
{
	struct batch *b = arg;

	if (!b->stop)
		batch_note(b, command_show(b->s, p, c, reply));
}

/* set, delete and what else changes an object and answers without rows. */
static bool
batch_can_send(const struct batch *b, const struct command *c)
{
	return c->walk.op->kind == OP_CONFIG && c->walk.op->cols == NULL &&
	    c->walk.obj != NULL && c->npipes == 0 &&
	    op_find(&b->s->conn.table, c->walk.op->name) != NULL;
}

/* It takes up a candidate that somebody has left, or forgets it. */
static bool
batch_touches_kept(const struct session *s, const struct command *c)
{
	return c->walk.op == s->set_resume ||
	    (c->walk.op == s->set_discard &&
		json_object_get(c->walk.args, "session") != NULL);
}

/* A commit among the commands is one as --commit says. */
static void
batch_confirmed(struct batch *b, struct command *c)
{
	unsigned minutes = b->s->opt->confirmed;

	if (minutes != 0 && c->walk.op == b->s->set_commit &&
	    json_object_get(c->walk.args, "confirmed") == NULL)
		json_object_set_new(
		    c->walk.args, "confirmed", json_integer(minutes));
}

/* Commands that a dry run, or an error before, changes into something else.
 * True when the command must not run as it stands. */
static bool
batch_is_held(struct batch *b, const struct place *p, const struct command *c)
{
	struct session *s = b->s;

	if ((c->walk.op == s->set_commit || local_commits(c->walk.op)) &&
	    b->status != 0 && b->status != EXIT_DIFFERS) {
		report_note(
		    s, "%s: not run, there was an error before", p->text);
		return true;
	}
	if (!s->opt->dry)
		return false;
	if (c->walk.op->kind == OP_ACTION || batch_touches_kept(s, c)) {
		report_note(s, "dry run, not run: %s", p->text);
		return true;
	}
	return c->walk.op == s->set_commit; /* checked at the end */
}

/* One line that is not blank. */
static void
batch_command(struct batch *b, const struct place *p)
{
	const char *words = local_help_words(p->text);
	struct session *s = b->s;
	struct command c = {0};
	int status = 0;

	if (words == NULL)
		status = command_parse(s, p, &c);
	if (status == 0 && words == NULL)
		batch_confirmed(b, &c);
	if (status == 0 && words == NULL && batch_can_send(b, &c)) {
		command_send(s, p, &c, batch_on_reply, b);
		return;
	}
	conn_wait(&s->conn, 0);
	if (s->conn.interrupted)
		status = EXIT_INTERRUPTED;
	else if (status != 0) /* behind what the lines before it brought */
		status = b->stop ? 0 : command_refuse(s, p, &c);
	else if (!b->stop && words != NULL)
		status = local_help(s, words);
	else if (!b->stop && !batch_is_held(b, p, &c))
		status = command_run(s, p, &c);
	batch_note(b, status);
	command_fini(&c);
}

/* One line of any source; leaving and Ctrl-C end the batch. */
static void
batch_line(struct batch *b, const char *file, unsigned line, const char *text)
{
	struct place p = {.file = file, .line = line, .text = text};

	if (!command_is_blank(text))
		batch_command(b, &p);
	if (b->s->quit)
		b->stop = true;
	if (b->s->conn.interrupted)
		batch_note(b, EXIT_INTERRUPTED);
}

/* ---- where lines come from ---------------------------------------------- */

/* The commands of -c, counted as lines. */
static void
batch_commands(struct batch *b)
{
	const struct options *opt = b->s->opt;
	size_t i;

	for (i = 0; i < opt->ncommands && !b->stop; i++)
		batch_line(b, NULL, (unsigned)i + 1, opt->commands[i]);
}

/* Tell an error of our own, behind what the lines before it brought. */
static void
batch_refuse(struct batch *b, const struct place *p, const struct err *e)
{
	conn_wait(&b->s->conn, 0);
	if (!b->stop)
		batch_note(b,
		    report(b->s,
			&(struct report){
			    .place = p, .at = REPORT_NOWHERE, .err = e}));
}

/* Every line of a file that is a text. */
static void
batch_file(struct batch *b, int fd, const char *file)
{
	unsigned line = 0;
	struct input in;
	struct err e;
	char *text;
	size_t n;

	input_init(&in, b->s->conn.loop, fd);
	while (!b->stop && (text = input_line(&in, &b->stop, &n)) != NULL) {
		line++;
		if (input_text(text, n, &e) == 0)
			batch_line(b, file, line, text);
		else
			batch_refuse(
			    b, &(struct place){.file = file, .line = line}, &e);
	}
	if (in.failed) {
		err_errno(&e, ERR_INVALID, "%s", file);
		batch_refuse(b, NULL, &e);
	}
	input_fini(&in);
}

/* -c first, then -f; standard input where neither is given. */
static void
batch_read(struct batch *b)
{
	const struct options *opt = b->s->opt;
	struct err e;
	int fd;

	batch_commands(b);
	if (b->stop || (opt->file == NULL && opt->ncommands != 0))
		return;
	if (opt->file == NULL || strcmp(opt->file, "-") == 0) {
		batch_file(b, STDIN_FILENO, "standard input");
		return;
	}
	if ((fd = open(opt->file, O_RDONLY | O_CLOEXEC)) < 0) {
		err_errno(&e, ERR_INVALID, "%s", opt->file);
		batch_refuse(b, NULL, &e);
		return;
	}
	batch_file(b, fd, opt->file);
	close(fd);
}

/* ---- the end of the batch ----------------------------------------------- */

/* The commit that --commit stands for. */
static int
batch_commit(struct session *s)
{
	char text[40] = "commit";
	struct place p = {.text = text};

	if (s->opt->confirmed != 0)
		snprintf(text, sizeof text, "commit confirmed %u",
		    s->opt->confirmed);
	return command_line(s, &p);
}

/* Forget the candidate; what it was is told elsewhere. A server that was
 * silent is not asked again: it forgets with the end of the session. */
static void
batch_drop(struct batch *b)
{
	struct session *s = b->s;
	struct err e;

	if (s->dirty && !s->resumed && b->status != err_exit(ERR_TIMEOUT))
		session_discard(s, &e);
}

/* Changes are committed where that was asked for; else they are an error. */
static int
batch_settle(struct session *s)
{
	struct reply reply;
	int status = 0;
	struct err e;
	long n;

	n = session_changes(s, &reply);
	if (n < 0)
		status = reply.interrupted ? EXIT_INTERRUPTED
					   : report_err(s, &reply.err);
	reply_fini(&reply);
	if (n > 0 && s->opt->commit)
		return batch_commit(s);
	if (n > 0) {
		err_set(&e, ERR_REFUSED,
		    "%ld change%s not committed: commit at the end of the "
		    "commands, or use --commit",
		    n, n == 1 ? " was" : "s were");
		status = report_err(s, &e);
	}
	return status;
}

/* What is still on its way is awaited; then the candidate is settled or
 * dropped. */
static int
batch_finish(struct batch *b)
{
	struct session *s = b->s;

	conn_wait(&s->conn, 0);
	if (s->conn.interrupted)
		return EXIT_INTERRUPTED;
	if (b->status == 0 && s->dirty)
		b->status = s->opt->dry ? command_dry(s, NULL)
					: batch_settle(s);
	batch_drop(b);
	return b->status;
}

int
batch_run(struct session *s)
{
	struct batch b = {.s = s};

	batch_read(&b);
	return batch_finish(&b);
}
