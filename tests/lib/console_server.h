#ifndef TESTS_CONSOLE_SERVER_H
#define TESTS_CONSOLE_SERVER_H

#include <stddef.h>
#include <sys/types.h>

/*
 * A server for tests of the console: a forked process that answers JSON-RPC
 * on a socket in a directory of its own. It describes op_sample and behaves
 * as its operations promise, with a candidate per connection; some names
 * bring it to misbehave:
 *   domain conflict.test  set is refused as a conflict, with both values
 *   domain denied.test    not permitted
 *   domain absent.test    delete finds no such object
 *   domain bad.test       check and commit fail
 *   domain slow.test      set is never answered
 *   domain gone.test      the server closes the connection
 *   domain interrupt.test set sends SIGINT to the console and no answer
 * A commit with the comment unsure is undone a second later.
 * Methods and their params are written to a log, a line each.
 */
struct console_server {
	pid_t pid;
	char dir[64];
	char socket[96];
	char log[96];
};

void console_server_start(struct console_server *);
void console_server_stop(struct console_server *); /* removes its files */
/* The whole log; to be freed. */
char *console_server_log(const struct console_server *);

/* What a run of the console gave. */
struct console_result {
	int status; /* exit status; 128 + signal */
	char *out, *err;
};
/* Run the console's main in a process of its own: words are its arguments,
 * input is its standard input (NULL = none). */
typedef int console_main_fn(int argc, char **argv);
void console_run(const struct console_server *, console_main_fn *,
    const char *const *words, const char *input, struct console_result *);
/* The same with a pipe that holds the input and does not end before the
 * console does. */
void console_run_held(const struct console_server *, console_main_fn *,
    const char *const *words, const char *input, struct console_result *);
/* The same without input, what it prints going to a descriptor. */
void console_run_onto(const struct console_server *, console_main_fn *,
    const char *const *words, int out, struct console_result *);
void console_result_fini(struct console_result *);

#endif
