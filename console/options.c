/* The options of tandem(1). Nothing here talks to a server. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

const char *const format_names[] = {
    "table", "json", "csv", "lines", "terse", NULL};

#define SOCKET_DEFAULT "/run/tandem/control.sock"

enum { OPTION_JSON = 256, OPTION_COMMIT, OPTION_VERSION, OPTION_HELP };

static const struct option options_long[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"commit", no_argument, NULL, OPTION_COMMIT},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static const char options_usage[] =
    "usage: tandem [-enqt] [-c command]... [-f file] [-o format] [-s socket]\n"
    "              [-T seconds] [--commit] [--json]\n";

static const char options_help[] =
    "  -c command  run it; several are one session and one candidate\n"
    "  -f file     run the commands of a file, - for standard input\n"
    "  -e          go on after an error; nothing is committed after one\n"
    "  -n          dry run: check and compare; 10 if something would change\n"
    "  -o format   table, json, csv, lines or terse; --json is -o json\n"
    "  -t          terse: a line a row, fields parted by ':'\n"
    "  -q          no warnings, no notes\n"
    "  -T seconds  give up waiting for an answer, 60 by default, 0 never\n"
    "  -s socket   control socket; $TANDEM_SOCKET, else " SOCKET_DEFAULT "\n"
    "  --commit    commit at the end, if there was no error\n"
    "  --version   print the release and leave\n"
    "Without commands and at a terminal: the prompt. `help` there tells all\n"
    "that can be done; so does tandem-ops(7).\n"
    "exit: 0 done, 1 refused, 2 syntax, 3 absent, 4 conflict, 5 not\n"
    "permitted, 6 check failed, 7 cannot connect, 8 partly applied, 9 timed\n"
    "out, 10 differences (-n), 130 interrupted\n";

/* Wrong usage: words, the usage line, status 2. */
static int
options_refuse(const char *words, const char *what)
{
	fprintf(stderr, "tandem: %s%s%s\n%s", words, what != NULL ? ": " : "",
	    what != NULL ? what : "", options_usage);
	return EXIT_USAGE + 1;
}

/* The word of -o. */
static int
options_format(struct options *opt, const char *name)
{
	int i;

	for (i = 0; format_names[i] != NULL; i++) {
		if (strcmp(format_names[i], name) == 0) {
			opt->format = (enum format)i;
			return 0;
		}
	}
	return options_refuse(
	    "-o: expected table, json, csv, lines or terse", name);
}

/* The seconds of -T; a day is the most. */
static int
options_timeout(struct options *opt, const char *text)
{
	int64_t v;

	if (!str_int(text, 0, 86400, &v))
		return options_refuse("-T: expected seconds, 0..86400", text);
	opt->timeout = (unsigned)v;
	return 0;
}

/* What prints and leaves. */
static int
options_print(int c)
{
	if (c == OPTION_VERSION)
		printf("tandem %s\n", TANDEM_VERSION);
	else
		printf("%s%s", options_usage, options_help);
	return 1;
}

/* One option, as getopt found it. */
static int
options_take(struct options *opt, int c)
{
	switch (c) {
	case 'c':
		opt->commands = xrealloc(opt->commands,
		    (opt->ncommands + 1) * sizeof *opt->commands);
		opt->commands[opt->ncommands++] = optarg;
		return 0;
	case 'f':
		opt->file = optarg;
		return 0;
	case 's':
		opt->socket = optarg;
		return 0;
	case 'o':
		return options_format(opt, optarg);
	case 'T':
		return options_timeout(opt, optarg);
	case 'e':
		opt->go_on = true;
		return 0;
	case 'n':
		opt->dry = true;
		return 0;
	case 'q':
		opt->quiet = true;
		return 0;
	case 't':
		opt->format = FORMAT_TERSE;
		return 0;
	case OPTION_JSON:
		opt->format = FORMAT_JSON;
		return 0;
	case OPTION_COMMIT:
		opt->commit = true;
		return 0;
	case OPTION_VERSION:
	case OPTION_HELP:
		return options_print(c);
	default: /* getopt has said what is wrong */
		fputs(options_usage, stderr);
		return EXIT_USAGE + 1;
	}
}

int
options_parse(int argc, char **argv, struct options *opt)
{
	int c, r;

	*opt = (struct options){.timeout = 60};
	opt->socket = getenv("TANDEM_SOCKET");
	if (opt->socket == NULL || *opt->socket == '\0')
		opt->socket = SOCKET_DEFAULT;
	optind = 0; /* also from the start for a second call */
	while ((c = getopt_long(
		    argc, argv, "c:ef:no:qs:tT:", options_long, NULL)) != -1) {
		if ((r = options_take(opt, c)) != 0)
			return r;
	}
	if (optind < argc)
		return options_refuse(
		    "no such argument (commands stand behind -c)",
		    argv[optind]);
	if (opt->dry && opt->commit)
		return options_refuse(
		    "-n and --commit exclude each other", NULL);
	return 0;
}

void
options_fini(struct options *opt)
{
	free(opt->commands);
	opt->commands = NULL;
}
