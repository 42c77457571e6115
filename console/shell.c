/*
 * tandem-shell: the console as the login shell of an operator who comes by
 * SSH (tandem-ssh(7)). It is the same program under another name, and it can
 * do less: it reads no file but what libc needs, writes none, and starts no
 * program, which the kernel sees to once it runs.
 *
 * What sshd(8) was asked to run is commands of the console, a line each;
 * options that only say how may stand before them.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "console.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define SHELL_OPTIONS 16

bool
shell_is(const char *argv0)
{
	const char *slash = argv0 != NULL ? strrchr(argv0, '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : argv0;

	/* '-' in front: login(1) and sshd(8) say so that it is one */
	return name != NULL &&
	    strcmp(name + (*name == '-'), "tandem-shell") == 0;
}

/* ---- what may be asked for ------------------------------------------------
 */

/* Does the next word belong to the option? */
static bool
shell_takes(const char *word)
{
	return strcmp(word, "-o") == 0 || strcmp(word, "-T") == 0;
}

/* Options that name no file and no command. */
static bool
shell_option(const char *word)
{
	static const char *const plain[] = {"-e", "-n", "-q", "-t", "--json",
	    "--commit", "--help", "--version", NULL};
	int i;

	for (i = 0; plain[i] != NULL; i++) {
		if (strcmp(plain[i], word) == 0)
			return true;
	}
	return shell_takes(word) || str_prefix(word, "--commit=");
}

/* Cut the word off where it ends; what follows it. */
static char *
shell_cut(char *word)
{
	word += strcspn(word, " \t\n");
	if (*word != '\0')
		*word++ = '\0';
	return word;
}

/* Options in front of the commands become words; what stands behind them. */
static char *
shell_options(char *at, char **words, int *n)
{
	bool value = false; /* the next word is the last option's */
	char word[32], *next;

	for (;;) {
		next = at + strspn(at, " \t");
		str_ncopy(word, sizeof word, next, strcspn(next, " \t\n"));
		if (word[0] == '\0' || *n == SHELL_OPTIONS ||
		    (!value && !shell_option(word)))
			return next;
		value = !value && shell_takes(word);
		at = shell_cut(next);
		words[(*n)++] = next;
	}
}

/* A line, a command. */
static void
shell_lines(struct options *opt, char *at)
{
	char *end;

	for (; *at != '\0'; at = end) {
		end = at + strcspn(at, "\n");
		if (*end != '\0')
			*end++ = '\0';
		opt->commands = xrealloc(opt->commands,
		    (opt->ncommands + 1) * sizeof *opt->commands);
		opt->commands[opt->ncommands++] = at;
	}
}

/* The command line of whoever set this up: -s, and -c of sshd(8). */
static int
shell_arguments(
    int argc, char **argv, const char **socket, const char **command)
{
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt(argc, argv, "c:s:")) != -1) {
		if (c == 'c')
			*command = optarg;
		else if (c == 's')
			*socket = optarg;
		else
			break;
	}
	if (c == -1 && optind == argc)
		return 0;
	fputs("usage: tandem-shell [-c command] [-s socket]\n", stderr);
	return EXIT_USAGE + 1;
}

int
shell_parse(int argc, char **argv, struct options *opt)
{
	static char name[] = "tandem-shell";
	char *words[SHELL_OPTIONS + 1] = {name}, *owned = NULL, *rest = NULL;
	const char *socket = NULL, *command = NULL;
	int n = 1, r;

	*opt = (struct options){0};
	if ((r = shell_arguments(argc, argv, &socket, &command)) != 0)
		return r;
	/* a forced command that is run by ourselves as the login shell */
	if (command == NULL ||
	    shell_is(command + (str_prefix(command, "exec ") ? 5 : 0)))
		command = getenv("SSH_ORIGINAL_COMMAND");
	if (command != NULL) {
		owned = xstrdup(command);
		rest = shell_options(owned, words, &n);
	}
	/* what the other end can set shall not lead elsewhere */
	unsetenv("TANDEM_SOCKET");
	r = options_parse(n, words, opt);
	opt->restricted = true;
	opt->owned = owned;
	if (socket != NULL)
		opt->socket = socket;
	if (r == 0 && rest != NULL)
		shell_lines(opt, rest);
	return r;
}

/* ---- what it can no longer do ---------------------------------------------
 */

/* Opening for writing answers EPERM; so do programs, whoever asks for them. */
static int
shell_filter(scmp_filter_ctx ctx)
{
	static const int never[] = {SCMP_SYS(execve), SCMP_SYS(execveat),
	    SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(creat), SCMP_SYS(ptrace),
	    SCMP_SYS(openat2), SCMP_SYS(rename), SCMP_SYS(renameat),
	    SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	    SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink),
	    SCMP_SYS(symlinkat), SCMP_SYS(truncate), SCMP_SYS(mknod),
	    SCMP_SYS(mknodat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat)};
	static const scmp_datum_t writes[] = {O_WRONLY, O_RDWR};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof never / sizeof never[0]; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), never[i], 0);
		if (r == -EDOM) /* the architecture has no such call */
			r = 0;
	}
	for (i = 0; r == 0 && i < 2; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(openat), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, writes[i]));
		if (r == 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
			    SCMP_SYS(open), 1,
			    SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, writes[i]));
		if (r == -EDOM)
			r = 0;
	}
	return r == 0 ? seccomp_load(ctx) : r;
}

int
shell_confine(struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	/* There is no shell that would take a stopped one back. */
	signal(SIGTSTP, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	/* no history: the name is that of no file */
	setenv("TANDEM_HISTORY", "", 1);
	if (ctx == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? shell_filter(ctx)
							: -errno;
	seccomp_release(ctx);
	return r == 0 ? 0
		      : err_set(e, ERR_REFUSED,
			    "this system cannot confine a login shell");
}
