/*
 * For tests of the full screen: the console with a clock that stands still,
 * and a server that answers out of a file.
 *   screen_rig console ARGS...     tandem(1) at 2026-11-27 20:31:07
 *   screen_rig serve SOCKET FILE   answer on a socket until killed
 * The file: {"describe": RESULT, "replies": {METHOD: ANSWER, ...}, "changed":
 * {METHOD: ANSWER, ...}}. An ANSWER is {"data": [...]}, as a result, or
 * {"error": WORDS, "code": NAME, "rows": [...]}; a METHOD may have the compact
 * params behind it. After set or delete those of changed go before; commit
 * and discard end that. What was asked is written to the file that RIG_LOG
 * names, a method a line.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console/console.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"

uint64_t __wrap_clock_real(void);

uint64_t
__wrap_clock_real(void)
{
	return UINT64_C(1795811467) * 1000000;
}

struct rig {
	json_t *file;
	FILE *io;
	FILE *log; /* NULL: none is wanted */
	bool changed;
};

/* What the file says to a method, with its params or without. */
static json_t *
rig_find(struct rig *r, const char *part, const char *method, json_t *params)
{
	json_t *answers = json_object_get(r->file, part), *found = NULL;
	char key[4096], *text;

	if (params != NULL) {
		text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
		snprintf(key, sizeof key, "%s %s", method, text);
		found = json_object_get(answers, key);
		free(text);
	}
	return found != NULL ? found : json_object_get(answers, method);
}

static json_t *
rig_answer(struct rig *r, const char *method, json_t *params)
{
	json_t *found = NULL;

	if (strcmp(method, "describe") == 0)
		return json_object_get(r->file, "describe");
	if (r->changed)
		found = rig_find(r, "changed", method, params);
	return found != NULL ? found : rig_find(r, "replies", method, params);
}

/* An error as control sends it. */
static json_t *
rig_error(json_t *answer)
{
	return json_pack("{s:i, s:O, s:{s:O?, s:O?}}", "code", -32000,
	    "message", json_object_get(answer, "error"), "data", "code",
	    json_object_get(answer, "code"), "rows",
	    json_object_get(answer, "rows"));
}

static void
rig_line(struct rig *r, const char *line)
{
	json_t *m = json_loads(line, 0, NULL), *answer, *out;
	const char *method = json_string_value(json_object_get(m, "method"));

	if (r->log != NULL) {
		fprintf(r->log, "%s\n", method);
		fflush(r->log);
	}
	if (json_object_get(m, "id") == NULL) { /* nobody waits */
		json_decref(m);
		return;
	}
	answer = rig_answer(r, method, json_object_get(m, "params"));
	out = json_pack(
	    "{s:s, s:O}", "jsonrpc", "2.0", "id", json_object_get(m, "id"));
	if (json_object_get(answer, "error") != NULL)
		json_object_set_new(out, "error", rig_error(answer));
	else if (answer != NULL)
		json_object_set(out, "result", answer);
	else
		json_object_set_new(out, "result",
		    json_pack("{s:[], s:i, s:[]}", "data", "rev", 7, "warn"));
	if (json_object_get(answer, "silent") == NULL) {
		json_dumpf(out, r->io, JSON_COMPACT);
		fputc('\n', r->io);
		fflush(r->io);
	}
	if (strcmp(method, "set") == 0 || strcmp(method, "delete") == 0)
		r->changed = true;
	if (strcmp(method, "commit") == 0 || strcmp(method, "discard") == 0)
		r->changed = json_object_get(answer, "error") != NULL;
	json_decref(out);
	json_decref(m);
}

/* One connection to its end; each has a candidate of its own. */
static void
rig_serve(json_t *file, int fd)
{
	const char *log = getenv("RIG_LOG");
	struct rig r = {.file = file,
	    .io = fdopen(fd, "r+"),
	    .log = log != NULL ? fopen(log, "a") : NULL};
	FILE *in = fdopen(dup(fd), "r");
	char *line = NULL;
	size_t size = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getline(&line, &size, in) > 0)
		rig_line(&r, line);
	_exit(0);
}

static int
rig_listen(const char *path, const char *name)
{
	json_error_t why;
	json_t *file = json_load_file(name, 0, &why);
	struct err e;
	int s, fd;

	if (file == NULL) {
		fprintf(stderr, "%s, line %d: %s\n", name, why.line, why.text);
		return 1;
	}
	unlink(path);
	if ((s = sock_unix_listen(path, 0600, &e)) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		struct pollfd p = {.fd = s, .events = POLLIN};

		poll(&p, 1, -1);
		if ((fd = accept(s, NULL, NULL)) < 0)
			continue;
		if (fork() == 0)
			rig_serve(file, fd);
		close(fd);
	}
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "console") == 0) {
		argv[1] = argv[0];
		return console_main(argc - 1, argv + 1);
	}
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return rig_listen(argv[2], argv[3]);
	fprintf(stderr, "usage: screen_rig console | serve SOCKET FILE\n");
	return 2;
}
