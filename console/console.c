/*
 * tandem(1): options, then one session, by hand or by script; under the name
 * tandem-shell a login shell.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "console/screen/screen.h"

/* A script when commands are given or nobody sits at the terminal. */
static bool
console_is_batch(const struct options *opt)
{
	return opt->ncommands != 0 || opt->file != NULL || opt->dry ||
	    !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
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
		return status - 1;
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
	if (fflush(stdout) != 0 && status == 0)
		status = err_exit(ERR_IO);
	return status;
}
