/* The options of tandem(1). Nothing here talks to a server. */
#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

const char *const format_names[] = {
    "table", "json", "csv", "lines", "terse", NULL};

#define SOCKET_DEFAULT "/run/tandem/control.sock"

enum {
	OPTION_JSON = 256,
	OPTION_COMMIT,
	OPTION_SCREEN,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_SERVER,
	OPTION_MAKE
};

static const struct option options_long[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"commit", optional_argument, NULL, OPTION_COMMIT},
    {"screen", no_argument, NULL, OPTION_SCREEN},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {"server", required_argument, NULL, OPTION_SERVER},
    {"make-certificate", required_argument, NULL, OPTION_MAKE},
    {0},
};

static const char options_usage[] =
    "usage: tandem [-enqt] [-c command]... [-f file] [-o format] [-s socket]\n"
    "              [-H host[:port] [-i file] [--server fingerprint]]\n"
    "              [-T seconds] [--commit[=confirmed:minutes]] [--json]\n"
    "              [--screen]\n"
    "       tandem --make-certificate file\n";

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
    "  -H host     a server elsewhere, at its https listener, port 8443 unless\n"
    "              :port says another; by certificate, see tandem-admin(7)\n"
    "  -i file     the key and certificate for that; ~/.tandem/console.pem\n"
    "  --server F  the server's certificate has this fingerprint, sha256:...\n"
    "  --make-certificate file\n"
    "              make such a key and print the line that lets it in\n"
    "  --commit    commit at the end, if there was no error;\n"
    "              =confirmed:N undone after N minutes unless confirmed\n"
    "  --screen    the full screen; Ctrl-O leads from it to the prompt\n"
    "  --version   print the release and leave\n"
    "Without commands and at a terminal: the prompt. `help` there tells all\n"
    "that can be done; so does tandem-ops(7).\n"
    "exit: 0 done, 1 refused, 2 syntax, 3 absent, 4 conflict, 5 not\n"
    "permitted, 6 check failed, 7 cannot connect, 8 partly applied, 9 timed\n"
    "out, 10 differences (-n), 130 interrupted\n";

/* Wrong usage: words and the usage line, or the envelope; status 2. */
static int
options_refuse(const struct options *opt, const struct err *e)
{
	struct session s = {.opt = opt};

	report_err(&s, e);
	if (opt->format != FORMAT_JSON)
		fputs(options_usage, stderr);
	return EXIT_USAGE + 1;
}

/* The word of -o. */
static void
options_format(struct options *opt, const char *name, struct err *e)
{
	int i;

	for (i = 0; format_names[i] != NULL; i++) {
		if (strcmp(format_names[i], name) == 0) {
			opt->format = (enum format)i;
			return;
		}
	}
	err_set(e, ERR_SYNTAX,
	    "-o: expected table, json, csv, lines or terse: %s", name);
}

/* The seconds of -T; a day is the most. */
static void
options_timeout(struct options *opt, const char *text, struct err *e)
{
	int64_t v;

	if (str_int(text, 0, 86400, &v))
		opt->timeout = (unsigned)v;
	else
		err_set(
		    e, ERR_SYNTAX, "-T: expected seconds, 0..86400: %s", text);
}

/* How to commit: at once, or until somebody confirms it. */
static void
options_commit(struct options *opt, const char *how, struct err *e)
{
	int64_t v = 0;

	opt->commit = true;
	if (how != NULL &&
	    (!str_prefix(how, "confirmed:") ||
		!str_int(how + strlen("confirmed:"), 1, 1440, &v)))
		err_set(e, ERR_SYNTAX,
		    "--commit: expected confirmed:MINUTES, 1..1440: %s", how);
	opt->confirmed = (unsigned)v;
}

/* What getopt did not understand: a short option, or the word before it. */
static void
options_wrong(int c, const char *word, struct err *e)
{
	const char *why = c == ':' ? "a value is missing behind"
				   : "no such option";

	if (optopt > 0 && optopt < OPTION_JSON)
		err_set(e, ERR_SYNTAX, "%s: -%c", why, optopt);
	else
		err_set(e, ERR_SYNTAX, "%s: %s", why, word);
}

/* "host", "host:port", "[2001:db8::7]:port": the two parts. */
static bool
options_split_host(struct options *opt, const char *text)
{
	const char *colon = strrchr(text, ':'), *end = strchr(text, ']');
	size_t n = strlen(text);
	int64_t port = OPTIONS_PORT;

	if (text[0] == '[') {
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		colon = end[1] == ':' ? end + 1 : NULL;
		n = (size_t)(end - ++text);
	} else if (colon != NULL && strchr(text, ':') == colon) {
		n = (size_t)(colon - text);
	} else {
		colon = NULL; /* none, or an IPv6 address without a port */
	}
	if (colon != NULL && !str_int(colon + 1, 1, 65535, &port))
		return false;
	opt->port = (uint16_t)port;
	return n > 0 && str_ncopy(opt->host, sizeof opt->host, text, n);
}

static void
options_host(struct options *opt, const char *text, struct err *e)
{
	static const struct op_field f = {
	    .name = "host", .type = &op_type_host};
	char host[OPTIONS_HOST];

	if (options_split_host(opt, text) &&
	    op_parse(&f, opt->host, host, sizeof host, NULL) == 0)
		str_copy(opt->host, sizeof opt->host, host);
	else
		err_set(
		    e, ERR_SYNTAX, "-H: expected HOST or HOST:PORT: %s", text);
}

static void
options_server(struct options *opt, const char *text, struct err *e)
{
	static const struct op_field f = {
	    .name = "server", .type = &op_type_fingerprint};

	if (op_parse(&f, text, opt->server, sizeof opt->server, e) != 0) {
		e->code = ERR_SYNTAX;
		err_wrap(e, "--server");
	}
}

/* A key for -i, and what lets it in; the exit status plus one. */
static int
options_make(const struct options *opt, const char *path)
{
	struct session s = {.opt = opt};
	const struct passwd *pw = getpwuid(getuid());
	char fingerprint[OP_PRINT];
	struct err e;

	if (keyfile_make(path, fingerprint, &e) != 0)
		return report_err(&s, &e) + 1;
	printf("set administrator %s certificate %s\n",
	    pw != NULL ? pw->pw_name : "NAME", fingerprint);
	return 1;
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
static void
options_take(struct options *opt, int c, struct err *e)
{
	switch (c) {
	case 'c':
		opt->commands = xrealloc(opt->commands,
		    (opt->ncommands + 1) * sizeof *opt->commands);
		opt->commands[opt->ncommands++] = optarg;
		break;
	case 'f':
		opt->file = optarg;
		break;
	case 's':
		opt->socket = optarg;
		break;
	case 'H':
		options_host(opt, optarg, e);
		break;
	case 'i':
		opt->identity = optarg;
		break;
	case OPTION_SERVER:
		options_server(opt, optarg, e);
		break;
	case 'o':
		options_format(opt, optarg, e);
		break;
	case 'T':
		options_timeout(opt, optarg, e);
		break;
	case 'e':
		opt->go_on = true;
		break;
	case 'n':
		opt->dry = true;
		break;
	case 'q':
		opt->quiet = true;
		break;
	case 't':
		opt->format = FORMAT_TERSE;
		break;
	case OPTION_JSON:
		opt->format = FORMAT_JSON;
		break;
	case OPTION_COMMIT:
		options_commit(opt, optarg, e);
		break;
	case OPTION_SCREEN:
		opt->screen = true;
		break;
	}
}

/* What no single option can say; the first error stays. */
static void
options_check(const struct options *opt, const char *rest, struct err *e)
{
	if (e->code != ERR_NONE)
		return;
	if (rest != NULL)
		err_set(e, ERR_SYNTAX,
		    "no such argument (commands stand behind -c): %s", rest);
	else if (opt->host[0] != '\0' && opt->socket != NULL)
		err_set(e, ERR_SYNTAX, "-H and -s exclude each other");
	else if (opt->host[0] == '\0' &&
	    (opt->identity != NULL || opt->server[0] != '\0'))
		err_set(e, ERR_SYNTAX, "-i and --server want -H");
	else if (opt->dry && opt->commit)
		err_set(e, ERR_SYNTAX, "-n and --commit exclude each other");
	else if (opt->screen &&
	    (opt->ncommands != 0 || opt->file != NULL || opt->dry ||
		opt->commit))
		err_set(
		    e, ERR_SYNTAX, "--screen excludes -c, -f, -n and --commit");
	else if (opt->screen &&
	    (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		err_set(e, ERR_SYNTAX, "--screen needs a terminal");
}

/* The server beside us. */
static void
options_socket(struct options *opt)
{
	if (opt->socket == NULL)
		opt->socket = getenv("TANDEM_SOCKET");
	if (opt->socket == NULL || *opt->socket == '\0')
		opt->socket = SOCKET_DEFAULT;
}

/* How answers look, and where from: this goes with everything. */
static bool
options_is_form(int c)
{
	return c == OPTION_JSON || (c < OPTION_JSON && strchr("oqstT", c));
}

/* All options are read before an error is told: the last may say in which
 * form. */
int
options_parse(int argc, char **argv, struct options *opt)
{
	struct err e = {.code = ERR_NONE}, one;
	const char *make = NULL;
	bool others = false;
	int c;

	*opt = (struct options){.timeout = 60};
	optind = 0; /* also from the start for a second call */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:ef:H:i:no:qs:tT:", options_long,
		    NULL)) != -1) {
		if (c == OPTION_VERSION || c == OPTION_HELP)
			return options_print(c);
		one.code = ERR_NONE;
		others |= c == OPTION_MAKE ? make != NULL : !options_is_form(c);
		if (c == '?' || c == ':')
			options_wrong(c, argv[optind - 1], &one);
		else if (c == OPTION_MAKE)
			make = optarg;
		else
			options_take(opt, c, &one);
		if (e.code == ERR_NONE)
			e = one;
	}
	options_check(opt, optind < argc ? argv[optind] : NULL, &e);
	options_socket(opt);
	if (make != NULL && others && e.code == ERR_NONE)
		err_set(&e, ERR_SYNTAX,
		    "--make-certificate excludes options for what is run");
	if (make != NULL && e.code == ERR_NONE)
		return options_make(opt, make);
	return e.code != ERR_NONE ? options_refuse(opt, &e) : 0;
}

void
options_fini(struct options *opt)
{
	free(opt->commands);
	free(opt->owned);
	opt->commands = NULL;
	opt->owned = NULL;
}
