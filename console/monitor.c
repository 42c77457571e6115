/*
 * A list that is watched: its rows as any answer's, then what changes, as it
 * comes, until Ctrl-C, until the server says that it is over, or until there
 * is no server any more. Every change goes through the filters of the line by
 * itself, and its first column says what it is.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"

struct monitor {
	struct session *session;
	const struct place *place;
	struct command *command;
	json_int_t number;
	bool over;
	int status;
};

/* It ended by an error. */
static void
monitor_error(struct monitor *m, json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "message"));
	struct report why = {
	    .place = m->place, .at = REPORT_NOWHERE, .op = m->command->walk.op};
	struct err e;

	err_set(&e,
	    err_by_name(json_string_value(json_object_get(error, "code"))),
	    "%s", text != NULL ? text : "it ended");
	why.err = &e;
	m->status = report(m->session, &why);
}

static void
monitor_on_changes(void *arg, json_t *params)
{
	struct monitor *m = arg;
	json_t *error = json_object_get(params, "error");

	if (json_integer_value(json_object_get(params, "monitor")) != m->number)
		return;
	if (!json_is_true(json_object_get(params, "over"))) {
		m->status = command_changes(
		    m->session, m->place, m->command, params);
		m->over = text_flush() != 0 || m->status != 0;
	} else {
		m->over = true;
		if (error != NULL)
			monitor_error(m, error);
	}
	if (m->over)
		loop_stop(m->session->conn.loop);
}

/* Whoever reads what is shown has gone. Without this a monitor behind
 * "| head" would be there until something changes. */
static void
monitor_on_unread(void *arg, int fd, int events)
{
	struct conn *c = arg;

	(void)fd;
	(void)events;
	c->interrupted = true;
	loop_stop(c->loop);
}

/* The end of a pipe that is written to becomes readable when the other one is
 * closed, and never else. */
static struct loop_fd *
monitor_watch_reader(struct conn *c)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) != 0 || !S_ISFIFO(st.st_mode))
		return NULL;
	return loop_fd_open(
	    c->loop, STDOUT_FILENO, LOOP_READ, monitor_on_unread, c);
}

/* The first Ctrl-C asks for the end, and the last changes are still shown. */
static void
monitor_wait(struct monitor *m)
{
	struct conn *c = &m->session->conn;
	struct loop_fd *reader = monitor_watch_reader(c);
	bool caught = conn_catch(c);
	struct err e;

	c->moving = true;
	c->stopped = false;
	while (!m->over && !c->interrupted && c->rpc != NULL)
		loop_run(c->loop);
	c->moving = false;
	loop_fd_close(&reader);
	conn_release(c, caught);
	if (m->over || c->interrupted)
		return;
	err_set(&e, ERR_CLOSED, "the server is gone");
	m->status = report_err(m->session, &e);
}

/* Files hold what is there, not what comes. */
bool
monitor_saves(const struct command *c)
{
	size_t i;

	for (i = 0; i < c->npipes; i++) {
		if (pipe_writes(c->pipes[i].op))
			return op_is_monitor(c->walk.op);
	}
	return false;
}

int
monitor_follow(
    struct session *s, const struct place *p, struct command *c, json_t *result)
{
	struct monitor m = {.session = s,
	    .place = p,
	    .command = c,
	    .number = json_integer_value(json_object_get(result, "monitor"))};

	text_flush();
	s->conn.on_changes = monitor_on_changes;
	s->conn.changes_arg = &m;
	monitor_wait(&m);
	s->conn.on_changes = NULL;
	if (m.status == 0 &&
	    (s->conn.interrupted || (s->conn.stopped && !s->interactive)))
		return EXIT_INTERRUPTED;
	return m.status;
}
