/*
 * `apply`: what a file of set lines says, and with `prune` nothing else below
 * a path, or at all, is made so by one commit. What runs already is not
 * touched: a file that says what runs makes no commit at all.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct apply_run {
	struct session *s;
	const struct place *place; /* of the command itself */
	const struct op *op;
	const struct op *set, *remove, *configuration;
	const char *file;
	bool prune;		  /* what the file does not say goes */
	const char *path;	  /* where it is below it; NULL: anywhere */
	json_t *said;		  /* then: path -> values, of the file */
	json_t *above;		  /* what lies above these stays as it is */
	unsigned objects, fields; /* that go */
	int status;		  /* exit status of the first error */
	bool stop;		  /* there was one */
};

static int
apply_report(struct apply_run *a, const struct err *e)
{
	return report(a->s,
	    &(struct report){.place = a->place,
		.at = REPORT_NOWHERE,
		.err = e,
		.op = a->op});
}

static int
apply_fail(struct apply_run *a, enum err_code code, const char *words)
{
	struct err e;

	err_set(&e, code, "%s", words);
	return apply_report(a, &e);
}

/* Keep the first error: nothing more is read then. */
static void
apply_note(struct apply_run *a, int status)
{
	if (a->status == 0)
		a->status = status;
	a->stop = a->status != 0 || a->s->conn.interrupted;
}

/* A line that was taken says nothing: the answer is that of the whole. */
static void
apply_on_reply(
    void *arg, const struct place *p, struct command *c, struct reply *reply)
{
	struct apply_run *a = arg;

	if (a->status == 0 &&
	    (reply->interrupted || reply->err.code != ERR_NONE))
		apply_note(a, command_show(a->s, p, c, reply));
}

/* ---- the file ------------------------------------------------------------ */

/* The objects that an object is in. */
static void
apply_say_above(struct apply_run *a, const char *path)
{
	char *above = xstrdup(path), *last;

	while ((last = strrchr(above, ' ')) != NULL) {
		*last = '\0';
		json_object_set_new(a->above, above, json_true());
	}
	free(above);
}

/* One object may have several lines. */
static void
apply_say(struct apply_run *a, json_t *args)
{
	const char *path = json_string_value(json_object_get(args, "path"));
	json_t *values = json_object_get(args, "values"), *said;

	said = json_object_get(a->said, path);
	if (said == NULL) {
		said = json_object();
		json_object_set_new(a->said, path, said);
		apply_say_above(a, path);
	}
	if (values != NULL)
		json_object_update(said, values);
}

/* An error of the file, behind what the lines before it brought. */
static void
apply_refuse(struct apply_run *a, const struct report *why)
{
	conn_wait(&a->s->conn, 0);
	if (a->status == 0)
		apply_note(a, report(a->s, why));
}

static void
apply_line(struct apply_run *a, const struct place *p)
{
	struct command c;
	struct report why;
	struct err e;

	if (command_parse(a->s, p, &c) != 0) {
		why = command_why(p, &c);
		apply_refuse(a, &why);
	} else if (c.walk.op != a->set || c.npipes != 0) {
		err_set(&e, ERR_SYNTAX, "apply takes set lines only");
		apply_refuse(a, &(struct report){.place = p, .err = &e});
	} else {
		if (a->prune)
			apply_say(a, c.walk.args);
		command_send(a->s, p, &c, apply_on_reply, a);
	}
	command_fini(&c);
}

static void
apply_lines(struct apply_run *a, int fd)
{
	struct place p = {.file = a->file};
	struct input in;
	struct err e;
	char *text;
	size_t n;

	input_init(&in, a->s->conn.loop, fd);
	while (!a->stop && (text = input_line(&in, &a->stop, &n)) != NULL) {
		p.line++;
		p.text = text;
		if (input_text(text, n, &e) != 0)
			apply_refuse(a,
			    &(struct report){
				.place = &(struct place){.file = p.file,
				    .line = p.line},
				.at = REPORT_NOWHERE,
				.err = &e});
		else if (!command_is_blank(text))
			apply_line(a, &p);
		apply_note(a, 0);
	}
	if (in.failed && a->status == 0) {
		err_errno(&e, ERR_INVALID, "%s", a->file);
		apply_note(a, apply_report(a, &e));
	}
	input_fini(&in);
}

static void
apply_file(struct apply_run *a)
{
	bool plain = strcmp(a->file, "-") != 0;
	int fd = plain ? open(a->file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	struct err e;

	if (fd < 0) {
		err_errno(&e, ERR_INVALID, "%s", a->file);
		apply_note(a, apply_report(a, &e));
		return;
	}
	apply_lines(a, fd);
	if (plain)
		close(fd);
	conn_wait(&a->s->conn, 0);
}

/* ---- what the file does not say ------------------------------------------ */

/* Fields of an object that the file names, but without them. */
static json_t *
apply_unsaid(json_t *said, json_t *values)
{
	json_t *fields = json_array(), *value;
	const char *name;

	json_object_foreach (values, name, value) {
		if (json_object_get(said, name) == NULL)
			json_array_append_new(fields, json_string(name));
	}
	return fields;
}

static bool
apply_is_below(const char *path, const char *front)
{
	return str_prefix(path, front) && path[strlen(front)] == ' ';
}

/* Whoever takes themselves away could not even undo it. */
static bool
apply_is_oneself(const struct apply_run *a, const char *path)
{
	char self[OBJ_PATH];

	snprintf(self, sizeof self, "administrator %s", a->s->conn.user);
	return strcmp(path, self) == 0;
}

/* Delete an object, NULL, or fields of it; the command is taken. */
static void
apply_remove(
    struct apply_run *a, struct command *c, const char *path, json_t *fields)
{
	json_t *args = json_pack("{s:s, s:O*}", "path", path, "fields", fields);

	json_decref(c->walk.args);
	c->walk.args = args;
	c->walk.op = a->remove;
	command_send(a->s, a->place, c, apply_on_reply, a);
}

/* An object that the file does not name; gone: the last that goes as a whole,
 * with all below it. */
static void
apply_prune_object(struct apply_run *a, struct command *c, const char *path,
    char gone[OBJ_PATH])
{
	a->objects++;
	if (gone[0] != '\0' && apply_is_below(path, gone))
		return;
	if (apply_is_oneself(a, path)) {
		a->status = apply_fail(a, ERR_REFUSED,
		    "the file does not have the administrator who applies it: "
		    "nothing is deleted");
		return;
	}
	str_copy(gone, OBJ_PATH, path);
	apply_remove(a, c, gone, NULL);
}

/* A line of what would be. */
static void
apply_prune_line(struct apply_run *a, const char *text, char gone[OBJ_PATH])
{
	struct place p = {.text = text};
	json_t *said, *fields;
	struct command c;
	const char *path;

	if (command_parse(a->s, &p, &c) != 0 || c.walk.op != a->set) {
		if (a->status == 0)
			a->status = command_refuse(a->s, &p, &c);
		command_fini(&c);
		return;
	}
	path = json_string_value(json_object_get(c.walk.args, "path"));
	said = json_object_get(a->said, path);
	if (said != NULL) {
		fields = apply_unsaid(
		    said, json_object_get(c.walk.args, "values"));
		a->fields += (unsigned)json_array_size(fields);
		if (json_array_size(fields) > 0)
			apply_remove(a, &c, path, fields);
		json_decref(fields);
	} else if (json_object_get(a->above, path) == NULL) {
		apply_prune_object(a, &c, path, gone);
	}
	command_fini(&c);
}

/* An empty file, or one of something else, is a mistake and no wish. */
static bool
apply_says_of(const struct apply_run *a)
{
	const char *said;
	json_t *values;

	if (a->path == NULL)
		return json_object_size(a->said) > 0;
	json_object_foreach (a->said, said, values) {
		if (strcmp(said, a->path) == 0 || apply_is_below(said, a->path))
			return true;
	}
	return false;
}

static void
apply_prune(struct apply_run *a)
{
	char gone[OBJ_PATH] = "";
	struct reply reply;
	json_t *row;
	size_t i;
	int r;

	if (!apply_says_of(a)) {
		a->status = apply_fail(a, ERR_REFUSED,
		    a->path == NULL
			? "the file says nothing"
			: "the file says nothing of the path: to delete all of "
			  "it, use delete");
		return;
	}
	r = conn_call(&a->s->conn, a->configuration->name,
	    json_pack("{s:s*, s:b}", "path", a->path, "candidate", 1), &reply);
	if (r != 0 && r != -ERR_ABSENT)
		a->status = report_err(a->s, &reply.err);
	json_array_foreach (json_object_get(reply.result, "data"), i, row) {
		if (a->status == 0)
			apply_prune_line(a,
			    json_string_value(json_object_get(row, "line")),
			    gone);
	}
	reply_fini(&reply);
	conn_wait(&a->s->conn, 0);
	if (a->status == 0)
		report_note(a->s,
		    "not in the file: %u object%s to delete, %u field%s to "
		    "clear",
		    a->objects, a->objects == 1 ? "" : "s", a->fields,
		    a->fields == 1 ? "" : "s");
}

/* ---- the end ------------------------------------------------------------- */

/* Show what an operation without arguments, or with these, answers. */
static int
apply_show(struct apply_run *a, const struct op *op, json_t *args)
{
	struct command c = {.walk = {.op = op}};
	struct reply reply;
	int status;

	conn_call(&a->s->conn, op->name, args, &reply);
	status = command_show(a->s, a->place, &c, &reply);
	reply_fini(&reply);
	return status;
}

static int
apply_commit(struct apply_run *a)
{
	json_t *args;
	char comment[200];

	snprintf(comment, sizeof comment, "apply %.180s", a->file);
	args = json_pack("{s:s}", "comment", comment);
	if (a->s->opt->confirmed != 0)
		json_object_set_new(
		    args, "confirmed", json_integer(a->s->opt->confirmed));
	return apply_show(a, a->s->set_commit, args);
}

/* People are told so; programs get the answer that has no rows. */
static int
apply_nothing(struct apply_run *a)
{
	report_note(a->s, "nothing differs");
	return a->s->opt->format == FORMAT_JSON
	    ? apply_show(a, a->s->set_compare, NULL)
	    : 0;
}

static int
apply_settle(struct apply_run *a)
{
	struct reply reply;
	long n = session_changes(a->s, &reply);
	int status = n < 0 ? report_err(a->s, &reply.err) : 0;

	reply_fini(&reply);
	if (n < 0)
		return status;
	if (n == 0)
		return apply_nothing(a);
	return a->s->opt->dry ? command_dry(a->s, a->place) : apply_commit(a);
}

/* All of it or nothing. What a script cannot take back ends with its session,
 * and without a connection it is forgotten with the next one. */
static void
apply_take_back(struct apply_run *a)
{
	struct session *s = a->s;
	struct err e;

	if (session_discard(s, &e) != 0 && s->interactive &&
	    s->conn.rpc != NULL && !s->conn.interrupted)
		apply_note(a, apply_report(a, &e));
}

/* Only an empty candidate is made into what the file says. */
static bool
apply_may(struct apply_run *a)
{
	struct reply reply;
	long n;

	a->set = op_find(&a->s->table, "set");
	a->remove = op_find(&a->s->table, "delete");
	a->configuration = op_find(&a->s->table, "show configuration");
	if (a->set == NULL || a->remove == NULL || a->configuration == NULL ||
	    a->s->set_commit == NULL || a->s->set_compare == NULL) {
		a->status = apply_fail(
		    a, ERR_UNKNOWN, "this server has no configuration");
		return false;
	}
	n = session_changes(a->s, &reply);
	if (n < 0)
		a->status = report_err(a->s, &reply.err);
	else if (n > 0)
		a->status = apply_fail(a, ERR_REFUSED,
		    "the candidate has changes: commit or discard them first");
	reply_fini(&reply);
	return n == 0;
}

/* The commands themselves come from standard input. */
static bool
apply_is_busy(const struct session *s)
{
	const struct options *opt = s->opt;

	return s->interactive || (opt->file == NULL && opt->ncommands == 0) ||
	    (opt->file != NULL && strcmp(opt->file, "-") == 0);
}

int
apply_run(struct session *s, const struct place *p, struct command *c)
{
	json_t *args = c->walk.args;
	struct apply_run a = {.s = s,
	    .place = p,
	    .op = c->walk.op,
	    .file = json_string_value(json_object_get(args, "from")),
	    .path = json_string_value(json_object_get(args, "path"))};

	a.prune = local_prunes(a.op);
	if (s->opt->restricted && strcmp(a.file, "-") != 0)
		return apply_fail(&a, ERR_PERMISSION,
		    "a login shell reads no files: give it as standard input");
	if (strcmp(a.file, "-") == 0 && apply_is_busy(s))
		return apply_fail(&a, ERR_REFUSED,
		    "standard input has the commands: name a file");
	if (!apply_may(&a))
		return a.status;
	a.said = json_object();
	a.above = json_object();
	apply_file(&a);
	if (a.status == 0 && a.prune)
		apply_prune(&a);
	if (s->conn.interrupted)
		a.status = EXIT_INTERRUPTED;
	if (a.status == 0)
		a.status = apply_settle(&a);
	if (a.status != 0 || s->opt->dry)
		apply_take_back(&a);
	json_decref(a.said);
	json_decref(a.above);
	return a.status;
}

int
apply_export(struct session *s, const struct place *p, struct command *c)
{
	const struct op *op = op_find(&s->table, "show configuration");
	struct reply reply;
	int status;

	if (op == NULL) {
		struct err e;

		err_set(&e, ERR_UNKNOWN, "this server has no configuration");
		return report_err(s, &e);
	}
	c->walk.op = op;
	conn_call(&s->conn, op->name, json_incref(c->walk.args), &reply);
	status = command_show(s, p, c, &reply);
	reply_fini(&reply);
	return status;
}
