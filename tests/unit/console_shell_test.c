/* The console as a login shell: what sshd asks of it, and what it can do no
 * more. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/console_fixture.h"

/* As sshd starts it. */
static int
shell_main(int argc, char **argv)
{
	static char name[] = "-tandem-shell";

	free(argv[0]);
	argv[0] = name;
	return console_main(argc, argv);
}

/* The login shell, set up for our server, with a command; its exit status. */
static int
ssh(const char *command)
{
	const char *words[] = {"-s", server.socket, NULL};

	console_result_fini(&got);
	setenv("SSH_ORIGINAL_COMMAND", command, 1);
	console_run(&server, shell_main, words, NULL, &got);
	unsetenv("SSH_ORIGINAL_COMMAND");
	return got.status;
}

/* Only by that name, as a login shell or not. */
static void
the_name_decides(void **state)
{
	(void)state;
	assert_true(shell_is("tandem-shell"));
	assert_true(shell_is("-tandem-shell"));
	assert_true(shell_is("/usr/local/bin/tandem-shell"));
	assert_false(shell_is("tandem"));
	assert_false(shell_is("/usr/bin/tandem-shell/tandem"));
	assert_false(shell_is("--tandem-shell"));
	assert_false(shell_is(NULL));
}

/* What sshd was asked to run are commands, a line each, one session; options
 * that say how may stand before them. */
static void
commands_are_run(void **state)
{
	const char *words[] = {"-s", server.socket, "-c", "show version", NULL};

	(void)state;
	assert_int_equal(ssh("show version"), 0);
	assert_string_equal(got.out, "9.9\n");
	assert_int_equal(ssh("--json show version"), 0);
	assert_int_equal(strncmp(got.out, "{\"v\":1,", 7), 0);
	assert_int_equal(ssh("-o csv  -q show version"), 0);
	assert_non_null(strstr(got.out, "9.9"));
	assert_int_equal(
	    ssh("set domain a.test state on\nset domain b.test\ncommit"), 0);
	assert_int_equal(ssh("-n set domain a.test state on"), EXIT_DIFFERS);
	assert_int_equal(ssh("set domain a.test state on"), 1);
	/* as the login shell, without a forced command */
	console_result_fini(&got);
	console_run(&server, shell_main, words, NULL, &got);
	assert_int_equal(got.status, 0);
	assert_string_equal(got.out, "9.9\n");
	/* as both */
	words[3] = "exec /usr/local/bin/tandem-shell";
	setenv("SSH_ORIGINAL_COMMAND", "show version", 1);
	console_result_fini(&got);
	console_run(&server, shell_main, words, NULL, &got);
	unsetenv("SSH_ORIGINAL_COMMAND");
	assert_string_equal(got.out, "9.9\n");
}

/* Nothing that names a file, and nothing that is no command of the console. */
static void
there_is_no_way_out(void **state)
{
	static const char *const escapes[] = {"!sh", "show version | !sh",
	    "show version; sh", "sh -c id", "/bin/sh", "-c 'show version'",
	    "-f /etc/passwd", "-s /tmp/other show version", "$(id)", "`id`",
	    "show version > /tmp/x", "/usr/lib/openssh/sftp-server",
	    "scp -t /tmp", "rsync --server . /tmp", "-o csv -f /etc/passwd",
	    "--commit --file /etc/passwd", "help !sh", NULL};
	const char *words[] = {"-f", "/etc/passwd", NULL};
	char path[128], save[160];
	int i;

	(void)state;
	for (i = 0; escapes[i] != NULL; i++) {
		if (ssh(escapes[i]) != 2)
			fail_msg("%s: exit status %d\n%s%s", escapes[i],
			    got.status, got.out, got.err);
		assert_null(strstr(got.err, "root:"));
	}
	snprintf(path, sizeof path, "%s/saved", server.dir);
	snprintf(save, sizeof save, "show version | save %s", path);
	assert_int_equal(ssh(save), 5);
	err_has("a login shell writes no files");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(
	    ssh("set domain a.test user 1 password @file:/etc/passwd"), 5);
	err_has("a login shell reads no files");
	assert_int_equal(ssh("set domain a.test user 1 password @env:HOME"), 5);
	console_result_fini(&got);
	console_run(&server, shell_main, words, NULL, &got);
	assert_int_equal(got.status, 2);
	err_has("usage: tandem-shell");
	/* an environment that the other end made leads nowhere */
	words[0] = NULL;
	setenv("SSH_ORIGINAL_COMMAND", "show version", 1);
	console_result_fini(&got);
	console_run(&server, shell_main, words, NULL, &got);
	unsetenv("SSH_ORIGINAL_COMMAND");
	assert_int_equal(got.status, 7);
	err_has("/run/tandem/control.sock");
}

#define CAN_EXECUTE 1
#define CAN_WRITE 2
#define CAN_REMOVE 4
#define CANNOT_READ 8
#define CAN_STOP 16

/* What a confined process finds; a bit each. */
static int
tries(const char *file)
{
	char *argv[] = {(char[]){"true"}, NULL};
	struct sigaction stop_action;
	int may = 0;

	execv("/bin/true", argv);
	if (errno != EPERM)
		may |= CAN_EXECUTE;
	if (open(file, O_WRONLY) >= 0 || open(file, O_RDWR) >= 0 ||
	    open(file, O_WRONLY | O_CREAT, 0600) >= 0 || creat(file, 0600) >= 0)
		may |= CAN_WRITE;
	if (unlink(file) == 0 || rename(file, "/tmp/x") == 0 ||
	    truncate(file, 0) == 0)
		may |= CAN_REMOVE;
	if (open(file, O_RDONLY) < 0)
		may |= CANNOT_READ;
	sigaction(SIGTSTP, NULL, &stop_action);
	if (stop_action.sa_handler != SIG_IGN)
		may |= CAN_STOP;
	return may;
}

/* The kernel keeps it in, whatever the console would let happen. */
static void
the_kernel_keeps_it_in(void **state)
{
	char file[128];
	int status, fd;
	struct err e;
	pid_t pid;

	(void)state;
	snprintf(file, sizeof file, "%s/file", server.dir);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	if ((pid = fork()) == 0)
		_exit(shell_confine(&e) != 0 ? 99 : tries(file));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(unlink(file), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	    T(the_name_decides),
	    T(commands_are_run),
	    T(there_is_no_way_out),
	    T(the_kernel_keeps_it_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
