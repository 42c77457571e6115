/*
 * tandem(1): options, then one session, by hand or by script; under the name
 * tandem-shell a login shell.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/screen/screen.h"

/* A script when commands are given or nobody sits at the terminal. */
static bool
console_is_batch(const struct options *opt)
{
	return opt->ncommands != 0 || opt->file != NULL || opt->dry ||
	    !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
}

/* The exit status of a script: what was not written was not done. A reader who
 * has seen enough is none of our errors. */
static int
console_written(int status)
{
	int why = text_flush();

	if (why == 0 || why == EPIPE)
		return status;
	fprintf(stderr, "tandem: standard output: %s\n", strerror(why));
	return status != 0 ? status : err_exit(ERR_IO);
}

int
console_main(int argc, char **argv)
{
	struct session s;
	struct options opt;
	struct err e;
	int status;

	text_locale();
	signal(SIGPIPE, SIG_IGN);
	status = argc > 0 && shell_is(argv[0])
	    ? shell_parse(argc, argv, &opt)
	    : options_parse(argc, argv, &opt);
	if (status != 0) {
		options_fini(&opt);
		return console_written(status - 1);
	}
	session_init(&s, &opt);
	s.interactive = !console_is_batch(&opt);
	s.screen_run = screen_run;
	if ((opt.restricted && shell_confine(&e) != 0) ||
	    session_connect(&s, &e) != 0)
		status = s.conn.interrupted ? EXIT_INTERRUPTED
					    : report_err(&s, &e);
	else
		status = s.interactive ? edit_run(&s) : batch_run(&s);
	screen_forget(&s);
	session_fini(&s);
	options_fini(&opt);
	return s.interactive ? status : console_written(status);
}
