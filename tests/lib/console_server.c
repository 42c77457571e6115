/* The scripted server of the console's tests; see console_server.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console_server.h"
#include "daemon/base/clock.h"
#include "daemon/base/err.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"
#include "op_laws.h"

struct server {
	FILE *io;
	FILE *log;
	json_t *candidate; /* array of {change, path, field, old, new} */
	json_int_t rev;
	uint64_t until; /* of a commit that is unsure */
};

/* ---- replies ------------------------------------------------------------ */

static void
answer(struct server *s, json_t *id, const char *name, json_t *value)
{
	json_t *o = json_pack(
	    "{s:s, s:o, s:O}", "jsonrpc", "2.0", name, value, "id", id);

	json_dumpf(o, s->io, JSON_COMPACT);
	fputc('\n', s->io);
	json_decref(o);
}

static void
result(struct server *s, json_t *id, json_t *rows)
{
	answer(s, id, "result",
	    json_pack("{s:o, s:I, s:[]}", "data", rows, "rev", s->rev, "warn"));
}

static void
fail(struct server *s, json_t *id, enum err_code code, const char *words,
    json_t *data)
{
	if (data == NULL)
		data = json_object();
	json_object_set_new(data, "code", json_string(err_name(code)));
	answer(s, id, "error",
	    json_pack("{s:i, s:s, s:o}", "code", -32000, "message", words,
		"data", data));
}

/* ---- methods ------------------------------------------------------------ */

/* A list that comes in parts, and one that does not say where it goes on. */
static json_t *
parts_op(const char *name, bool after)
{
	json_t *op = json_pack(
	    "{s:s, s:s, s:s, s:[{s:s, s:s, s:i, s:i}], s:[{s:s, s:s}]}", "name",
	    name, "kind", "read", "brief", "a long list", "args", "name",
	    "limit", "type", "int", "min", 1, "max", 1000000, "cols", "name",
	    "part", "type", "int");

	if (after)
		json_array_append_new(json_object_get(op, "args"),
		    json_pack("{s:s, s:s}", "name", "after", "type", "text"));
	return op;
}

static void
describe(struct server *s, json_t *id, json_t *params)
{
	json_t *o = op_table_encode(&op_sample);
	json_t *list = json_object_get(o, "ops");

	(void)params;
	json_array_append_new(list, parts_op("list parts", true));
	json_array_append_new(list, parts_op("list endless", true));
	json_array_append_new(list, parts_op("list cut", false));
	json_array_append_new(list, parts_op("show revisions", false));
	json_array_append_new(list,
	    json_pack("{s:s, s:s, s:s}", "name", "configure resume", "kind",
		"config", "brief", "take up a candidate"));
	json_object_set_new(o, "version", json_string("9.9"));
	json_object_set_new(o, "server", json_string("srv1"));
	json_object_set_new(o, "site", json_string("demo"));
	json_object_set_new(o, "user", json_string("anna"));
	json_object_set_new(o, "session", json_string("srv1.1"));
	answer(s, id, "result", o);
}

static void
show_calls(struct server *s, json_t *id, json_t *params)
{
	json_t *rows = json_array();

	(void)params;
	json_array_append_new(rows,
	    json_pack("{s:s, s:s, s:i}", "id", "c1", "caller",
		"\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd", "seconds", 65));
	json_array_append_new(rows,
	    json_pack("{s:s, s:s, s:i}", "id", "c2", "caller",
		"\x1b[2Jevil, \"q\"", "seconds", 3700));
	json_array_append_new(rows,
	    json_pack("{s:s, s:n, s:i}", "id", "c3", "caller", "seconds", 5));
	result(s, id, rows);
}

/* Rows from one on; two to an answer unless more are asked for. */
static json_t *
parts_rows(json_t *params, json_int_t all, json_int_t *last)
{
	const char *after = json_string_value(json_object_get(params, "after"));
	json_t *limit = json_object_get(params, "limit"), *rows = json_array();
	json_int_t n = json_is_integer(limit) ? json_integer_value(limit) : 2;
	int64_t from = 0, given;
	json_int_t i;

	if (json_is_string(limit) &&
	    str_int(json_string_value(limit), 1, INT64_MAX, &given))
		n = given; /* as it was typed */
	if (after != NULL)
		str_int(after, 0, INT64_MAX, &from);
	for (i = from; i < all && i < from + n; i++)
		json_array_append_new(rows, json_pack("{s:I}", "part", i + 1));
	*last = i;
	return rows;
}

static void
parts(struct server *s, json_t *id, json_t *params, json_int_t all)
{
	char next[24], words[64];
	json_int_t last;
	json_t *rows = parts_rows(params, all, &last);

	snprintf(next, sizeof next, "%lld", (long long)last);
	snprintf(words, sizeof words, "only a few: " OP_NEXT_WORDS, next);
	answer(s, id, "result",
	    json_pack("{s:o, s:I, s:[s*], s:s*}", "data", rows, "rev", s->rev,
		"warn", last < all ? words : NULL, "next",
		last < all ? next : NULL));
}

static void
list_parts(struct server *s, json_t *id, json_t *params)
{
	parts(s, id, params, 25000);
}

static void
list_endless(struct server *s, json_t *id, json_t *params)
{
	parts(s, id, params, 1000000);
}

static void
list_cut(struct server *s, json_t *id, json_t *params)
{
	json_int_t last;
	json_t *rows = parts_rows(params, 7, &last);

	answer(s, id, "result",
	    json_pack("{s:o, s:I, s:[s*], s:o*}", "data", rows, "rev", s->rev,
		"warn", last < 7 ? "see limit" : NULL, "cut",
		last < 7 ? json_true() : NULL));
}

static void
show_version(struct server *s, json_t *id, json_t *params)
{
	(void)params;
	answer(s, id, "result",
	    json_pack("{s:[{s:s}], s:I, s:[s]}", "data", "version", "9.9",
		"rev", s->rev, "warn", "an upgrade waits"));
}

static void
show_configuration(struct server *s, json_t *id, json_t *params)
{
	(void)params;
	result(s, id,
	    json_pack("[{s:s, s:s, s:s, s:s}]", "line",
		"set domain demo.test state on", "path", "domain demo.test",
		"field", "state", "value", "on"));
}

/* What Ctrl-C at the console's terminal does. */
static void
interrupt(struct server *s)
{
	struct ucred who;
	socklen_t len = sizeof who;

	if (getsockopt(fileno(s->io), SOL_SOCKET, SO_PEERCRED, &who, &len) == 0)
		kill(who.pid, SIGINT);
}

/* Names that misbehave; true when they were answered. */
static bool
misbehaves(struct server *s, json_t *id, const char *path)
{
	if (strstr(path, "conflict.test") != NULL)
		fail(s, id, ERR_CONFLICT, "changed by boris since you began",
		    json_pack("{s:[{s:s, s:s, s:s}]}", "rows", "path", path,
			"yours", "1", "theirs", "2"));
	else if (strstr(path, "denied.test") != NULL)
		fail(s, id, ERR_PERMISSION, "not permitted to anna", NULL);
	else if (strstr(path, "absent.test") != NULL)
		fail(s, id, ERR_ABSENT, "domain absent.test: no such object",
		    NULL);
	else if (strstr(path, "gone.test") != NULL)
		_exit(0);
	else if (strstr(path, "interrupt.test") != NULL)
		interrupt(s);
	else
		return strstr(path, "slow.test") != NULL;
	return true;
}

static void
set(struct server *s, json_t *id, json_t *params)
{
	const char *path = json_string_value(json_object_get(params, "path"));
	json_t *values = json_object_get(params, "values"), *value;
	const char *name;

	if (misbehaves(s, id, path))
		return;
	if (values == NULL)
		json_array_append_new(s->candidate,
		    json_pack("{s:s, s:s, s:n, s:n, s:n}", "change", "+",
			"path", path, "field", "old", "new"));
	json_object_foreach (values, name, value) {
		json_array_append_new(s->candidate,
		    json_pack("{s:s, s:s, s:s, s:n, s:O}", "change", "~",
			"path", path, "field", name, "old", "new", value));
	}
	result(s, id, json_array());
}

static void delete (struct server *s, json_t *id, json_t *params)
{
	const char *path = json_string_value(json_object_get(params, "path"));

	if (misbehaves(s, id, path))
		return;
	json_array_append_new(s->candidate,
	    json_pack("{s:s, s:s, s:n, s:n, s:n}", "change", "-", "path", path,
		"field", "old", "new"));
	result(s, id, json_array());
}

static void
compare(struct server *s, json_t *id, json_t *params)
{
	(void)params;
	result(s, id, json_incref(s->candidate));
}

/* Fails when the candidate touches bad.test. */
static bool
is_bad(struct server *s, json_t *id)
{
	char *text = json_dumps(s->candidate, 0);
	bool bad = strstr(text, "bad.test") != NULL;

	free(text);
	if (bad)
		fail(s, id, ERR_CHECK, "1 object is not as it must be",
		    json_pack("{s:[{s:s, s:s}]}", "rows", "path",
			"domain bad.test", "words",
			"domain bad.test: state: missing"));
	return bad;
}

static void
check(struct server *s, json_t *id, json_t *params)
{
	(void)params;
	if (!is_bad(s, id))
		result(s, id, json_array());
}

static void
discard(struct server *s, json_t *id, json_t *params)
{
	(void)params;
	json_array_clear(s->candidate);
	result(s, id, json_array());
}

static void
commit(struct server *s, json_t *id, json_t *params)
{
	size_t n = json_array_size(s->candidate);

	const char *comment = json_string_value(
	    json_object_get(params, "comment"));
	char until[CLOCK_TEXT];

	if (is_bad(s, id))
		return;
	s->rev++;
	if (str_equal(comment, "unsure")) {
		s->until = clock_real() + CLOCK_SEC;
		clock_text(until, s->until);
	}
	result(s, id,
	    json_pack("[{s:I, s:I, s:s*}]", "rev", s->rev, "changes",
		(json_int_t)n, "until", s->until != 0 ? until : NULL));
	json_array_clear(s->candidate);
}

/* The one that was unsure waits for its time, and then is undone. */
static void
show_revisions(struct server *s, json_t *id, json_t *params)
{
	json_t *rows = json_array();
	char until[CLOCK_TEXT];

	(void)params;
	clock_text(until, s->until);
	if (clock_real() >= s->until)
		json_array_append_new(rows,
		    json_pack("{s:I, s:s, s:s, s:s}", "rev", s->rev + 1, "time",
			until, "operator", "tandem", "comment",
			"revision 8 was not confirmed"));
	json_array_append_new(rows,
	    json_pack("{s:I, s:s*}", "rev", s->rev, "until",
		clock_real() < s->until ? until : NULL));
	result(s, id, rows);
}

/* What is kept is this connection's own: none of a session before. */
static void
resume(struct server *s, json_t *id, json_t *params)
{
	if (json_object_get(params, "session") != NULL)
		fail(s, id, ERR_ABSENT, "there is no such candidate", NULL);
	else
		result(s, id, json_array());
}

static void
request_restart(struct server *s, json_t *id, json_t *params)
{
	(void)params;
	result(s, id, json_array());
}

/* Names that begin with the prefix. */
static void
complete(struct server *s, json_t *id, json_t *params)
{
	static const char *const names[] = {
	    "demo.test", "demo2.test", "example.test", NULL};
	const char *prefix = json_string_value(
	    json_object_get(params, "prefix"));
	const char *ref = json_string_value(json_object_get(params, "ref"));
	json_t *list = json_array();
	size_t i;

	if (str_equal(
		json_string_value(json_object_get(params, "list")), "alias"))
		json_array_append_new(list, json_string("held.test"));
	if (str_equal(ref, "instance"))
		json_array_append_new(list, json_string("sg/1"));
	for (i = 0; str_equal(ref, "domain") && names[i] != NULL; i++) {
		if (str_prefix(names[i], prefix))
			json_array_append_new(list, json_string(names[i]));
	}
	answer(s, id, "result", list);
}

static const struct {
	const char *method;
	void (*fn)(struct server *, json_t *id, json_t *params);
} methods[] = {
    {"describe", describe},
    {"complete", complete},
    {"show calls", show_calls},
    {"list parts", list_parts},
    {"list endless", list_endless},
    {"list cut", list_cut},
    {"show version", show_version},
    {"show revisions", show_revisions},
    {"show configuration", show_configuration},
    {"request role restart", request_restart},
    {"set", set},
    {"insert", set},
    {"delete", delete},
    {"compare", compare},
    {"check", check},
    {"commit", commit},
    {"discard", discard},
    {"configure resume", resume},
};

/* ---- serving ------------------------------------------------------------ */

static void
serve_line(struct server *s, const char *line)
{
	json_t *m = json_loads(line, 0, NULL);
	json_t *params = json_object_get(m, "params");
	const char *method = json_string_value(json_object_get(m, "method"));
	char *text = params != NULL ? json_dumps(params, JSON_COMPACT) : NULL;
	size_t i;

	fprintf(s->log, "%s %s\n", method, text != NULL ? text : "");
	fflush(s->log);
	free(text);
	for (i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (str_equal(method, methods[i].method))
			methods[i].fn(s, json_object_get(m, "id"), params);
	}
	json_decref(m);
}

/* One connection to its end; output goes when no more input waits. */
static void
serve(int fd, FILE *log)
{
	struct server s = {.io = fdopen(fd, "r+"),
	    .log = log,
	    .candidate = json_array(),
	    .rev = 7};
	FILE *in = fdopen(dup(fd), "r");
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, in) > 0) {
		serve_line(&s, line);
		fflush(s.io);
	}
	free(line);
	json_decref(s.candidate);
	fclose(in);
	fclose(s.io);
}

void
console_server_start(struct console_server *c)
{
	struct err e;
	FILE *log;
	int s, fd;

	snprintf(c->dir, sizeof c->dir, "/tmp/tandem-console.XXXXXX");
	if (mkdtemp(c->dir) == NULL)
		abort();
	snprintf(c->socket, sizeof c->socket, "%s/socket", c->dir);
	snprintf(c->log, sizeof c->log, "%s/log", c->dir);
	if ((s = sock_unix_listen(c->socket, 0600, &e)) < 0)
		abort();
	fflush(NULL);
	if ((c->pid = fork()) != 0) {
		close(s);
		return;
	}
	signal(SIGPIPE, SIG_IGN);
	log = fopen(c->log, "a");
	for (;;) {
		fd_set set_;

		FD_ZERO(&set_);
		FD_SET(s, &set_);
		select(s + 1, &set_, NULL, NULL, NULL);
		if ((fd = accept(s, NULL, NULL)) < 0)
			continue;
		if (fork() == 0) {
			close(s);
			serve(fd, log);
			_exit(0);
		}
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

void
console_server_stop(struct console_server *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	unlink(c->socket);
	unlink(c->log);
	rmdir(c->dir);
}

/* A whole file; to be freed. */
static char *
slurp(const char *path)
{
	struct buf b = BUF_INIT;
	FILE *f = fopen(path, "r");
	char part[4096];
	size_t n;

	buf_str(&b, "");
	while (f != NULL && (n = fread(part, 1, sizeof part, f)) > 0)
		buf_add(&b, part, n);
	if (f != NULL)
		fclose(f);
	return buf_take(&b);
}

char *
console_server_log(const struct console_server *c)
{
	return slurp(c->log);
}

/* ---- running the console ------------------------------------------------ */

/* A nameless file that holds the text. */
static int
file_of(const char *text)
{
	FILE *f = tmpfile();

	if (f == NULL)
		abort();
	fputs(text != NULL ? text : "", f);
	fflush(f);
	lseek(fileno(f), 0, SEEK_SET);
	return fileno(f);
}

static char *
text_of(int fd)
{
	struct buf b = BUF_INIT;
	char part[4096];
	ssize_t n;

	buf_str(&b, "");
	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, part, sizeof part)) > 0)
		buf_add(&b, part, (size_t)n);
	return buf_take(&b);
}

/* The console with that standard input and output. */
static void
run_on(const struct console_server *c, console_main_fn *fn,
    const char *const *words, int in, int out, struct console_result *r)
{
	int err = file_of(NULL);
	char *argv[32] = {strdup("tandem")};
	int argc = 1, status;
	pid_t pid;

	for (; words[argc - 1] != NULL && argc < 31; argc++)
		argv[argc] = strdup(words[argc - 1]);
	fflush(NULL);
	if ((pid = fork()) == 0) {
		setenv("TANDEM_SOCKET", c->socket, 1);
		dup2(in, 0);
		dup2(out, 1);
		dup2(err, 2);
		status = fn(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status)
				      : 128 + WTERMSIG(status);
	r->out = text_of(out);
	r->err = text_of(err);
	while (argc > 0)
		free(argv[--argc]);
}

void
console_run(const struct console_server *c, console_main_fn *fn,
    const char *const *words, const char *input, struct console_result *r)
{
	run_on(c, fn, words, file_of(input), file_of(NULL), r);
}

void
console_run_held(const struct console_server *c, console_main_fn *fn,
    const char *const *words, const char *input, struct console_result *r)
{
	int ends[2];

	if (pipe(ends) != 0 ||
	    write(ends[1], input, strlen(input)) != (ssize_t)strlen(input))
		abort();
	run_on(c, fn, words, ends[0], file_of(NULL), r);
	close(ends[0]);
	close(ends[1]);
}

void
console_run_onto(const struct console_server *c, console_main_fn *fn,
    const char *const *words, int out, struct console_result *r)
{
	run_on(c, fn, words, file_of(NULL), out, r);
}

void
console_result_fini(struct console_result *r)
{
	free(r->out);
	free(r->err);
}
