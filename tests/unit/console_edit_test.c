/* The console by hand: keystrokes in, screen text out, over a pty. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "console/console.h"
#include "daemon/base/str.h"
#include "tests/lib/console_server.h"

#define PATIENCE 20000 /* ms: no test waits so long unless it fails */

static struct console_server server;
static char history[96];
static pid_t pid;
static int tty;
static struct buf screen; /* all that was shown, and not yet expected */
static struct buf shown;  /* all that ever was */

/* Send keys as a terminal would. */
static void
keys(const char *text)
{
	assert_int_equal(write(tty, text, strlen(text)), strlen(text));
}

/* One read of the screen; false at its end. */
static bool
look(void)
{
	struct pollfd p = {.fd = tty, .events = POLLIN};
	char part[4096];
	ssize_t n;

	if (poll(&p, 1, PATIENCE) != 1)
		fail_msg("nothing more is shown:\n%s", screen.data);
	n = read(tty, part, sizeof part);
	if (n <= 0)
		return false;
	buf_add(&screen, part, (size_t)n);
	buf_add(&shown, part, (size_t)n);
	return true;
}

/* Wait until the text is shown; forget what was shown up to it. */
static void
expect(const char *text)
{
	char *at;

	while (screen.data == NULL ||
	    (at = memmem(screen.data, screen.len, text, strlen(text))) ==
		NULL) {
		if (!look())
			fail_msg("not shown: %s\n%s", text, screen.data);
	}
	buf_eat(&screen, (size_t)(at - screen.data) + strlen(text));
}

/* Wait for the console to leave; its exit status. */
static int
leaves(void)
{
	int status;

	while (look())
		;
	waitpid(pid, &status, 0);
	pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
open_terminal(unsigned short rows, const char *term)
{
	struct winsize ws = {.ws_row = rows, .ws_col = 80};
	char *argv[] = {strdup("tandem"), NULL};
	int status;

	buf_reset(&screen);
	buf_reset(&shown);
	fflush(NULL);
	pid = forkpty(&tty, NULL, NULL, &ws);
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("TERM", term, 1);
		setenv("TANDEM_SOCKET", server.socket, 1);
		setenv("TANDEM_HISTORY", history, 1);
		status = console_main(1, argv);
		fflush(NULL);
		_exit(status);
	}
	free(argv[0]);
	expect("anna@srv1> ");
}

static void
open_console(unsigned short rows)
{
	open_terminal(rows, "vt100");
}

static int
start_on(const char *term)
{
	console_server_start(&server);
	snprintf(history, sizeof history, "%s/history", server.dir);
	open_terminal(24, term);
	return 0;
}

static int
start(void **state)
{
	(void)state;
	return start_on("vt100");
}

static int
start_dumb(void **state)
{
	(void)state;
	return start_on("dumb");
}

static int
stop(void **state)
{
	(void)state;
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = 0;
	}
	close(tty);
	buf_fini(&screen);
	buf_fini(&shown);
	unlink(history);
	console_server_stop(&server);
	return 0;
}

/* What stands in the log, or in the history file. */
static void
file_has(const char *path, const char *text, bool there)
{
	struct buf b = BUF_INIT;
	char part[4096];
	FILE *f = fopen(path, "r");
	size_t n;

	buf_str(&b, "");
	while (f != NULL && (n = fread(part, 1, sizeof part, f)) > 0)
		buf_add(&b, part, n);
	if (f != NULL)
		fclose(f);
	if ((strstr(b.data, text) != NULL) != there)
		fail_msg("%s %s\n%s", there ? "lacks" : "has", text, b.data);
	buf_fini(&b);
}

/* Abbreviations run; Tab completes words and names of the server. */
static void
tab_completes(void **state)
{
	(void)state;
	keys("sh ver\r");
	expect("9.9");
	expect("anna@srv1> ");
	keys("sh\tca\tdom\texa\t\r");
	expect("m05s");
	expect("anna@srv1> ");
	file_has(server.log, "show calls {\"domain\":\"example.test\"}", true);
	keys("request role restart \t");
	expect("sg/1");
	keys("\003");
	expect("^C");
	expect("anna@srv1> ");
	keys("set domain d\t\t");
	expect("demo2.test");
	keys("2\t\r");
	expect("anna@srv1# ");
	file_has(server.log, "set {\"path\":\"domain demo2.test\"}", true);
	keys("ins dom demo.test al x.test bef\th\t\r");
	expect("anna@srv1# ");
	file_has(server.log, "\"list\":\"alias\",\"path\":\"domain demo.test\"",
	    true);
	file_has(server.log,
	    "insert {\"values\":{\"alias\":[\"x.test\"]},"
	    "\"path\":\"domain demo.test\",\"before\":\"held.test\"}",
	    true);
}

/* ? tells what may stand, with limits; inside quotes it is a character. */
static void
question_mark_explains(void **state)
{
	(void)state;
	keys("show calls ?");
	expect("<Enter>");
	expect("only calls of this domain");
	expect("1..1000; default 100");
	keys("limit ?");
	expect("<limit>");
	expect("1..1000; default 100");
	keys("\003");
	expect("^C");
	expect("anna@srv1> ");
	keys("set domain demo.test user 101 ?");
	expect("how long a call rings before it is given up");
	expect(", 5..180 s;");
	expect("default");
	expect("30");
	keys("\003");
	expect("^C");
	expect("anna@srv1> ");
	keys("commit comment \"why?\"\r");
	expect("CHANGES");
	file_has(server.log, "{\"comment\":\"why?\"}", true);
	keys("show calls | ma\tc2 | col\tid\r");
	expect("c2\r\n");
	expect("anna@srv1> ");
	keys("show calls | l?");
	expect("only the last rows");
}

/* The prompt tells that the candidate has changes. */
static void
prompt_tells_of_changes(void **state)
{
	(void)state;
	keys("set domain demo.test state on\r");
	expect("anna@srv1# ");
	keys("discard\r");
	expect("anna@srv1> ");
	keys("set domain demo.test state on\r");
	expect("anna@srv1# ");
	keys("commit\r");
	expect("anna@srv1> ");
}

/* Ctrl-C drops the line; while the server works it ends only the waiting. */
static void
interrupts_end_waiting(void **state)
{
	(void)state;
	keys("nonsense\003");
	expect("^C");
	expect("anna@srv1> ");
	keys("set domain slow.test\r");
	while (true) {
		char *log = console_server_log(&server);
		bool there = strstr(log, "slow.test") != NULL;

		free(log);
		if (there)
			break;
		usleep(1000);
	}
	keys("\003");
	expect("interrupted: the server goes on");
	expect("anna@srv1> ");
	keys("show version\r");
	expect("9.9");
}

/* Letters of several bytes are edited as letters. */
static void
cyrillic_is_edited(void **state)
{
	(void)state;
	keys("commit comment \xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd\xd1\x85\177\r");
	expect("CHANGES");
	file_has(server.log,
	    "{\"comment\":\"\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd\"}", true);
}

/* A paste of several lines is held; wrong ones refuse the whole. */
static void
pastes_are_held(void **state)
{
	(void)state;
	keys(
	    "\033[200~set domain a.test\rset domain a.test sttae on\r\033[201~");
	expect("2 lines pasted");
	keys("\r");
	expect("did you mean \"state\"?");
	expect("nothing of the block was run");
	expect("anna@srv1> ");
	file_has(server.log, "set {", false);
	keys("\033[200~set domain a.test\rset domain b.test\r\033[201~");
	expect("2 lines pasted");
	keys("x");
	expect("dropped");
	file_has(server.log, "set {", false);
	keys("\033[200~set domain a.test\rset domain b.test\r\033[201~");
	expect("2 lines pasted");
	keys("\r");
	expect("anna@srv1# ");
	file_has(server.log, "b.test", true);
}

/* When the server refuses a line of a block, a clean candidate is clean
 * again. */
static void
refused_blocks_leave_no_trace(void **state)
{
	(void)state;
	keys("\033[200~set domain a.test\rset domain denied.test\r\033[201~");
	expect("2 lines pasted");
	keys("\r");
	expect("line 2: not permitted");
	expect("the changes of the block were discarded");
	expect("anna@srv1> ");
	file_has(server.log, "discard", true);
}

/* A server that is gone in the middle of a block keeps what was done: that is
 * forgotten when it is there again, and never taken up. */
static void
blocks_that_broke_off_are_forgotten(void **state)
{
	(void)state;
	keys("\033[200~set domain a.test\rset domain gone.test\r"
	     "set domain b.test\r\033[201~");
	expect("3 lines pasted");
	keys("\r");
	expect("the block ended at line 2; its changes are discarded when the "
	       "server is there again");
	keys("show version\r");
	expect("connected again; what was half done was discarded");
	expect("9.9");
	expect("anna@srv1> ");
	file_has(server.log, "discard {\"session\":\"srv1.1\"}", true);
	file_has(server.log, "b.test", false);
	file_has(server.log, "configure resume", false);
}

/* A candidate that was taken up stays ours alone once it was discarded or is
 * empty; what stays of a block is said. */
static void
blocks_behind_a_resumed_candidate(void **state)
{
	static const char block[] =
	    "\033[200~set domain b.test\rset domain denied.test\r\033[201~";

	(void)state;
	keys("configure resume\r");
	expect("anna@srv1> ");
	keys("set domain a.test\r");
	expect("anna@srv1# ");
	keys(block);
	expect("2 lines pasted");
	keys("\r");
	expect("the block ended at line 2; what it did is in the candidate");
	expect("anna@srv1# ");
	keys("discard\r");
	expect("anna@srv1> ");
	keys(block);
	expect("2 lines pasted");
	keys("\r");
	expect("the changes of the block were discarded");
	expect("anna@srv1> ");
}

/* A terminal that takes no sequences gets none. */
static void
dumb_terminals_are_spared(void **state)
{
	(void)state;
	keys("screen\r");
	expect("this terminal has no full screen (TERM=dumb)");
	expect("anna@srv1> ");
	keys("show version\r");
	expect("9.9");
	expect("anna@srv1> ");
	keys("quit\r");
	assert_int_equal(leaves(), 0);
	assert_null(memmem(shown.data, shown.len, "\033[", 2));
}

/* A pasted line is only put into the line, without its control bytes. */
static void
pasted_lines_wait_for_enter(void **state)
{
	(void)state;
	keys("\033[200~show \033[2J\007version\r\033[201~");
	keys(" \r");
	expect("unknown word \"[\"");
	expect("anna@srv1> ");
	keys("\033[200~show version\r\033[201~\r");
	expect("9.9");
}

/* The history file keeps no secret, and no line that was not understood. */
static void
history_keeps_no_secret(void **state)
{
	(void)state;
	keys("set domain a.test user 1 password swordfish name x\r");
	expect("anna@srv1# ");
	keys("set domain a.test user 1 pasword trout\r");
	expect("did you mean \"password\"?");
	expect("anna@srv1# ");
	file_has(history, "password ******** name x", true);
	file_has(history, "swordfish", false);
	file_has(history, "trout", false);
	keys("\020\020\r"); /* back to the masked line: it is no password */
	expect("not its mask");
}

/* Leaving with changes is asked once. */
static void
leaving_with_changes_is_asked(void **state)
{
	(void)state;
	keys("set domain a.test\r");
	expect("anna@srv1# ");
	keys("\004");
	expect("leave once more");
	expect("anna@srv1# ");
	keys("exit\r");
	assert_int_equal(leaves(), 0);
}

static void
quit_leaves(void **state)
{
	(void)state;
	keys("quit\r");
	assert_int_equal(leaves(), 0);
}

/* A server that went away is found again with the next command. */
static void
lost_servers_are_found_again(void **state)
{
	(void)state;
	keys("set domain gone.test\r");
	expect("closed");
	expect("anna@srv1> ");
	keys("show version\r");
	expect("connected again\r\n");
	expect("9.9");
	keys("set domain demo.test state on\r");
	expect("anna@srv1# ");
	keys("set domain gone.test\r");
	expect("closed");
	keys("show version\r");
	expect("connected again; your candidate was not found");
	expect("9.9");
	expect("anna@srv1> ");
}

/* A commit that nobody confirms is told to be undone when it is, while nobody
 * types, and what is being typed stays. */
static void
what_is_undone_is_told(void **state)
{
	(void)state;
	keys("commit comment unsure\r");
	expect("(confirm: 0:0");
	expect("anna@srv1> ");
	keys("show ver");
	expect("show ver");
	expect("revision 8 was undone at ");
	expect("by tandem: revision 8 was not confirmed\r\n");
	expect("anna@srv1> show ver");
	assert_null(memmem(screen.data, screen.len, "(confirm", 8));
	keys("sion\r");
	expect("9.9");
	expect("anna@srv1> ");
}

/* Words that are longer than the terminal is wide are broken between words. */
static void
long_errors_are_wrapped(void **state)
{
	(void)state;
	keys("help aaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbb ccccccccccccccccccc "
	     "dddddddddddddddd eeeee\r");
	expect("aaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbb ccccccccccccccccccc "
	       "dddddddddddddddd\r\neeeee: there is no help for that\r\n");
	expect("anna@srv1> ");
}

/* Somebody who looks is told that there is nothing. */
static void
empty_answers_say_so(void **state)
{
	(void)state;
	keys("show calls | match nothing\r");
	expect("(none)\r\n");
	expect("anna@srv1> ");
}

/* A table that is too wide has lines below one another; the pager's question
 * is cut. */
static void
narrow_terminals_are_kept(void **state)
{
	struct winsize ws = {.ws_row = 4, .ws_col = 20};

	(void)state;
	assert_int_equal(ioctl(tty, TIOCSWINSZ, &ws), 0);
	keys("show calls\r");
	expect("ID  CALLER\r\n  SECONDS\r\n");
	expect("-- more: space, En~");
	keys("q");
	expect("anna@srv1> ");
}

/* More than a screen is shown a screen at a time. */
static void
long_output_is_paged(void **state)
{
	(void)state;
	keys("quit\r");
	leaves();
	close(tty);
	open_console(8);
	keys("help\r");
	expect("Operations:");
	expect("-- more");
	keys(" ");
	expect("-- more");
	keys("q");
	expect("anna@srv1> ");
	keys("help show version\r");
	expect("-- more");
	keys("a");
	expect("anna@srv1> ");
}

/* A line that is longer than the screen is wide is not cut; it counts as the
 * rows it takes. */
static void
long_lines_are_whole(void **state)
{
	struct winsize ws = {.ws_row = 4, .ws_col = 20};

	(void)state;
	assert_int_equal(ioctl(tty, TIOCSWINSZ, &ws), 0);
	keys("show configuration | columns line\r");
	expect("set domain demo.test state on\r\n");
	expect("anna@srv1> ");
	keys("help commit\r");
	expect("commit [comment <comment>]\r\n");
	expect("-- more: space, En~");
	keys("q");
	expect("anna@srv1> ");
}

/* Asked to end it leaves at once, changes or not. */
static void
signals_end_it(void **state)
{
	(void)state;
	keys("set domain a.test\r");
	expect("anna@srv1# ");
	kill(pid, SIGTERM);
	assert_int_equal(leaves(), 0);
}

/* When the terminal vanishes the console ends by itself. */
static void
lost_terminals_end_it(void **state)
{
	int status;

	(void)state;
	close(tty);
	waitpid(pid, &status, 0);
	pid = 0;
	tty = open("/dev/null", 0);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
	    TEST(tab_completes),
	    TEST(question_mark_explains),
	    TEST(prompt_tells_of_changes),
	    TEST(interrupts_end_waiting),
	    TEST(cyrillic_is_edited),
	    TEST(pastes_are_held),
	    TEST(refused_blocks_leave_no_trace),
	    TEST(blocks_that_broke_off_are_forgotten),
	    TEST(blocks_behind_a_resumed_candidate),
	    cmocka_unit_test_setup_teardown(
		dumb_terminals_are_spared, start_dumb, stop),
	    TEST(pasted_lines_wait_for_enter),
	    TEST(history_keeps_no_secret),
	    TEST(leaving_with_changes_is_asked),
	    TEST(quit_leaves),
	    TEST(lost_servers_are_found_again),
	    TEST(what_is_undone_is_told),
	    TEST(long_errors_are_wrapped),
	    TEST(empty_answers_say_so),
	    TEST(narrow_terminals_are_kept),
	    TEST(long_output_is_paged),
	    TEST(long_lines_are_whole),
	    TEST(signals_end_it),
	    TEST(lost_terminals_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
