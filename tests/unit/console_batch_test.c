/* The console by script: what it prints, what it refuses, how it exits. */
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/console_fixture.h"

#define RUN(...) run(NULL, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_IN(input, ...) run(input, (const char *const[]){__VA_ARGS__, NULL})

/* Run the console once; its exit status. */
static int
run(const char *input, const char *const *words)
{
	console_result_fini(&got);
	console_run(&server, console_main, words, input, &got);
	return got.status;
}

static void
out_is(const char *want)
{
	assert_string_equal(got.out, want);
}

static void
log_has(const char *want, bool there)
{
	char *log = console_server_log(&server);

	if ((strstr(log, want) != NULL) != there)
		fail_msg("%s in the log: %s\n%s", there ? "not" : "still", want,
		    log);
	free(log);
}

/* Run the console once, its output to a descriptor, which is closed then. */
static int
run_onto(int out, const char *const *words)
{
	console_result_fini(&got);
	console_run_onto(&server, console_main, words, out, &got);
	close(out);
	return got.status;
}
#define RUN_ONTO(out, ...) \
	run_onto(out, (const char *const[]){__VA_ARGS__, NULL})

/* What could not be written is an error, whatever the form; and an error that
 * there was before stays the first. */
static void
lost_output_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(
	    RUN_ONTO(open("/dev/full", O_WRONLY), "-c", "show configuration"),
	    1);
	assert_string_equal(
	    got.err, "tandem: standard output: No space left on device\n");
	assert_int_equal(RUN_ONTO(open("/dev/full", O_WRONLY), "--json", "-c",
			     "show configuration", "-c", "show calls"),
	    1);
	err_has("No space left on device");
	assert_int_equal(
	    RUN_ONTO(open("/dev/full", O_WRONLY), "-o", "csv", "-c",
		"show calls", "-c", "set domain denied.test"),
	    5);
	err_has("not permitted");
	err_has("No space left on device");
	assert_int_equal(RUN_ONTO(open("/dev/full", O_WRONLY), "--help"), 1);
}

/* Whoever reads no further has what they wanted. */
static void
readers_may_leave(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(
	    RUN_ONTO(ends[1], "-c", "show configuration", "-c", "show calls"),
	    0);
	assert_string_equal(got.err, "");
}

/* Editors of other systems begin a text with a mark. */
static void
a_byte_order_mark_is_skipped(void **state)
{
	(void)state;
	assert_int_equal(
	    RUN_IN("\xef\xbb\xbfset domain a.test\ncommit\n", "-f", "-"), 0);
	log_has("commit", true);
	assert_int_equal(RUN_IN("set domain b.test\n\xef\xbb\xbf"
				"commit\n",
			     "-f", "-"),
	    2);
	assert_int_equal(
	    RUN_IN("\xef\xbb\xbfset domain a.test state on\n", "-c", "apply -"),
	    0);
}

/* A value that stands alone is given the name that it lacks. */
static void
a_name_left_out_is_proposed(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "apply prune site.tandem"), 2);
	err_has("did you mean \"from site.tandem\"?");
	assert_int_equal(RUN("-c", "apply prune domain a.test a.tandem"), 2);
	err_has("did you mean \"from a.tandem\"?");
}

/* A table: headings, columns as wide as their cells, seconds for people,
 * Cyrillic by its width, terminal control escaped. */
static void
tables_are_aligned(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "show calls"), 0);
	out_is("ID  CALLER            SECONDS\n"
	       "c1  \xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd                1m05s\n"
	       "c2  \\x1b[2Jevil, \"q\"    1h01m\n"
	       "c3  -                      5s\n");
	assert_string_equal(got.err, "");
}

/* The envelope is the same for every command; numbers stay numbers. */
static void
json_has_one_shape(void **state)
{
	(void)state;
	assert_int_equal(RUN("--json", "-c", "show version"), 0);
	out_is("{\"v\":1,\"op\":\"show version\",\"ok\":true,\"rev\":7,"
	       "\"data\":[{\"version\":\"9.9\"}],\"next\":null,"
	       "\"warn\":[\"an upgrade waits\"]}\n");
	assert_string_equal(got.err, "");
	assert_int_equal(
	    RUN("--json", "-c", "show calls | match evil | columns id,seconds"),
	    0);
	out_is("{\"v\":1,\"op\":\"show calls\",\"ok\":true,\"rev\":7,"
	       "\"data\":[{\"id\":\"c2\",\"seconds\":3700}],\"next\":null,"
	       "\"warn\":[]}\n");
}

/* CSV as RFC 4180 has it; lines and terse for those who like them. */
static void
other_forms(void **state)
{
	(void)state;
	assert_int_equal(RUN("-o", "csv", "-c", "show calls | except c1"), 0);
	out_is("id,caller,seconds\n"
	       "c2,\"\\x1b[2Jevil, \"\"q\"\"\",3700\nc3,,5\n");
	assert_int_equal(RUN("-t", "-c", "show calls | last 2"), 0);
	out_is("c2:\\\\x1b[2Jevil, \"q\":3700\nc3::5\n");
	assert_int_equal(RUN("-o", "lines", "-c", "show calls | head 1"), 0);
	out_is("id       c1\ncaller   \xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd\n"
	       "seconds  1m05s\n");
}

/* A column alone is text; details come only when asked for. */
static void
details_are_asked_for(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "show configuration"), 0);
	out_is("set domain demo.test state on\n");
	assert_int_equal(
	    RUN("-c", "show configuration | columns path,value"), 0);
	out_is("PATH              VALUE\ndomain demo.test  on\n");
	assert_int_equal(RUN("-o", "csv", "-c", "show configuration"), 0);
	out_is("line,path,field,value\nset domain demo.test state on,"
	       "domain demo.test,state,on\n");
}

/* A filter sees all of a list that comes in parts; who gives limit, or shows it
 * as it is, sees a part, and is told so. */
static void
filters_see_the_whole_list(void **state)
{
	(void)state;
	assert_int_equal(RUN("-q", "-c", "list parts | count"), 0);
	out_is("25000\n");
	assert_int_equal(RUN("-c", "list parts | match \"^24999$\""), 0);
	out_is("24999\n");
	assert_string_equal(got.err, "");
	assert_int_equal(RUN("-c", "list parts | last 1"), 0);
	out_is("25000\n");
	assert_int_equal(
	    RUN("-c", "list parts | columns part | sort part reverse | head 1"),
	    0);
	out_is("25000\n");
	assert_int_equal(RUN("-c", "list parts | head 3"), 0);
	out_is("1\n2\n3\n");
	assert_int_equal(RUN("--json", "-c", "list parts | count"), 0);
	assert_non_null(strstr(got.out, "\"next\":null,\"warn\":[]"));
	assert_int_equal(RUN("-c", "list parts limit 7 | count"), 0);
	out_is("7\n");
	err_has("more with after");
	assert_int_equal(RUN("-c", "list parts after 24000 | count"), 0);
	out_is("1000\n");
	assert_int_equal(RUN("-c", "list parts"), 0);
	out_is("1\n2\n");
	err_has("more with after");
	assert_int_equal(RUN("-c", "list cut | count"), 0);
	out_is("7\n");
	assert_string_equal(got.err, "");
}

/* More than that is refused, and never counted as if it were all. */
static void
filters_refuse_what_is_too_long(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "list endless | count"), 2);
	out_is("");
	err_has("more than 100000 rows");
	assert_int_equal(RUN("-c", "list endless | head 2"), 0);
	out_is("1\n2\n");
}

static void
filters_work_on_rows(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "show calls | count"), 0);
	out_is("3\n");
	assert_int_equal(
	    RUN("-c", "show calls | sort seconds | columns id"), 0);
	out_is("c3\nc1\nc2\n");
	assert_int_equal(
	    RUN("-c", "show calls | sort seconds reverse | columns id"), 0);
	out_is("c2\nc1\nc3\n");
	assert_int_equal(RUN("-c", "show calls | find c2 | columns id"), 0);
	out_is("c2\nc3\n");
	assert_int_equal(
	    RUN("-c", "show calls | match \xd0\xb8\xd0\x92 | columns id"), 0);
	out_is("c1\n");
	assert_int_equal(
	    RUN("-c", "show calls | match nothing | display csv"), 0);
	out_is("id,caller,seconds\n");
	assert_int_equal(RUN("-c", "show calls | match \"[c\""), 2);
	err_has("pattern");
	assert_int_equal(RUN("-c", "show calls | columns wombat"), 2);
	err_has("wombat: no such column");
	assert_int_equal(RUN("-c", "show calls | columns ,"), 2);
	err_has("expected names of columns");
	assert_int_equal(
	    RUN("-c", "show calls | columns id | sort seconds"), 2);
	err_has("seconds: no such column");
	assert_int_equal(RUN("-c", "show calls | count | columns count"), 0);
	out_is("3\n");
	assert_int_equal(RUN("-c", "show calls | wombat"), 2);
	err_has("column 14: unknown word \"wombat\"");
	assert_int_equal(RUN("-c", "show calls |"), 2);
	err_has("expected a filter behind the bar");
}

static void
rows_are_saved(void **state)
{
	char line[256], path[128], part[64] = "";
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/saved", server.dir);
	snprintf(line, sizeof line,
	    "show calls | head 1 | display terse | save %s", path);
	assert_int_equal(RUN("-c", line), 0);
	out_is("");
	err_has("1 rows saved");
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(part, sizeof part, f));
	assert_string_equal(part, "c1:\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd:65\n");
	fclose(f);
	unlink(path);
	assert_int_equal(RUN("-c", "show calls | save /nowhere/x"), 1);
}

/* Exit statuses of tandem(1), each by its cause. */
static void
statuses_tell_the_cause(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "shwo calls"), 2);
	assert_int_equal(RUN("-c", "show calls limit 0"), 2);
	assert_int_equal(RUN("-x"), 2);
	assert_int_equal(RUN("show", "calls"), 2);
	assert_int_equal(RUN("-o", "yaml", "-c", "show version"), 2);
	assert_int_equal(RUN("-c", "delete domain absent.test"), 3);
	assert_int_equal(RUN("-c", "set domain conflict.test"), 4);
	assert_int_equal(RUN("-c", "set domain denied.test"), 5);
	assert_int_equal(RUN("-c", "set domain bad.test", "-c", "commit"), 6);
	assert_int_equal(RUN("-s", "/nowhere/socket", "-c", "show version"), 7);
	err_has("/nowhere/socket");
	assert_int_equal(RUN("-c", "set domain gone.test"), 7);
	assert_int_equal(RUN("-T", "1", "-c", "set domain slow.test"), 9);
	assert_int_equal(RUN("-f", "/nowhere/file"), 2);
	assert_int_equal(RUN("-c", "show calls | match nothing"), 0);
}

/* The caret stands under the word, whatever is left of it. */
static void
carets_point_at_the_word(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "show cals limit 5"), 2);
	assert_string_equal(got.err,
	    "tandem: line 1, column 6: unknown word \"cals\"; did you mean "
	    "\"calls\"?\n"
	    "  show cals limit 5\n"
	    "       ^~~~\n"
	    "  expected: calls  version  configuration  revisions\n");
	assert_int_equal(RUN_IN("# first\n\nset domain demo.test descripton "
				"\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd\n",
			     "-f", "-"),
	    2);
	err_has("tandem: standard input, line 3, column 22: unknown word "
		"\"descripton\"; did you mean \"description\"?");
	assert_int_equal(
	    RUN("-c", "commit comment \xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd x"), 2);
	err_has("column 21:");
	err_has("\n                      ^\n");
	assert_int_equal(RUN("-c", "show calls | sort id | columns nope"), 2);
	err_has("column 32: nope: no such column\n"
		"  show calls | sort id | columns nope\n"
		"                                 ^~~~\n");
}

/* Errors in JSON are in the same shape, on standard output. */
static void
json_errors_have_the_shape(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(
	    RUN_IN("show version\nshow cals\n", "--json", "-f", "-"), 2);
	o = json_loads(strchr(got.out, '\n') + 1, 0, NULL);
	assert_non_null(o);
	assert_string_equal(got.err, "");
	assert_true(json_is_false(json_object_get(o, "ok")));
	assert_int_equal(json_integer_value(json_object_get(o, "v")), 1);
	assert_string_equal(
	    json_string_value(json_object_get(o, "code")), "unknown");
	assert_int_equal(json_integer_value(json_object_get(o, "line")), 2);
	assert_int_equal(json_integer_value(json_object_get(o, "column")), 6);
	assert_int_equal(json_array_size(json_object_get(o, "expected")), 4);
	json_decref(o);
	assert_int_equal(
	    RUN("--json", "-c", "set domain conflict.test state on"), 4);
	o = json_loads(got.out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(o, "path")),
	    "domain conflict.test");
	assert_string_equal(
	    json_string_value(json_object_get(o, "code")), "conflict");
	assert_string_equal(json_string_value(json_object_get(o, "op")), "set");
	assert_int_equal(json_array_size(json_object_get(o, "rows")), 1);
	json_decref(o);
	assert_int_equal(RUN("--json", "-s", "/nowhere", "-c", "x"), 7);
	assert_non_null(strstr(got.out, "\"code\":\"connect\""));
}

/* What is wrong with the options is told in the form they ask for. */
static void
json_errors_of_options(void **state)
{
	(void)state;
	assert_int_equal(RUN("--foo", "--json"), 2);
	assert_non_null(strstr(got.out,
	    "\"code\":\"syntax\",\"message\":"
	    "\"no such option: --foo\""));
	assert_string_equal(got.err, "");
	assert_int_equal(RUN("--json", "-T", "soon"), 2);
	assert_non_null(strstr(got.out, "-T: expected seconds"));
	assert_int_equal(RUN("-o", "yaml"), 2);
	out_is("");
	err_has("tandem: -o: expected table, json");
	assert_int_equal(RUN("-Z"), 2);
	err_has("tandem: no such option: -Z\nusage: ");
	assert_int_equal(RUN("-c"), 2);
	err_has("a value is missing behind: -c");
}

/* What the server says about an error is shown below it. */
static void
details_of_errors_are_shown(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "set domain conflict.test"), 4);
	err_has("changed by boris since you began\n");
	err_has("  path: domain conflict.test, yours: 1, theirs: 2\n");
}

/* Changes that nobody commits are an error, and are dropped. */
static void
uncommitted_changes_are_an_error(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "set domain demo.test state on"), 1);
	err_has("1 change was not committed");
	log_has("discard", true);
	log_has("commit", false);
	assert_int_equal(RUN("-c", "show version"), 0);
}

/* Several -c are one session with one candidate. */
static void
one_session_one_commit(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "set domain demo.test state on", "-c",
			     "set domain demo.test description x", "-c",
			     "commit comment both"),
	    0);
	out_is("REV  CHANGES\n  8        2\n");
	log_has("commit {\"comment\":\"both\"}", true);
	log_has("discard", false);
	assert_int_equal(
	    RUN("--commit", "-c", "set domain demo.test state on"), 0);
	out_is("REV  CHANGES\n  8        1\n");
	assert_int_equal(RUN("--commit", "-c", "show version"), 0);
	out_is("9.9\n");
}

/* The first error ends the batch: what follows is not sent, nothing is
 * committed, the candidate is dropped. */
static void
errors_end_the_batch(void **state)
{
	(void)state;
	assert_int_equal(RUN_IN("set domain a.test\nset domain denied.test\n"
				"commit\nshow version\n",
			     "--commit", "-f", "-"),
	    5);
	out_is("");
	err_has("standard input, line 2: not permitted");
	log_has("commit", false);
	log_has("show version", false);
	log_has("discard", true);
}

/* Errors are told in the order of the lines, though lines are sent ahead. */
static void
errors_come_in_order(void **state)
{
	(void)state;
	assert_int_equal(
	    RUN_IN("set domain denied.test\nset domain a.test\nnonsense\n",
		"-f", "-"),
	    5);
	assert_string_equal(
	    got.err, "tandem: standard input, line 1: not permitted to anna\n");
	assert_int_equal(
	    RUN_IN("set domain denied.test\nnonsense\n", "-e", "-f", "-"), 5);
	assert_true(strstr(got.err, "line 1: not permitted") <
	    strstr(got.err, "line 2, column 1: unknown word"));
}

/* No line waits for the next one: what was read is sent and its answer is
 * heard while the input is open and silent. */
static void
nothing_waits_for_the_next_line(void **state)
{
	const char *words[] = {"--commit", "-f", "-", NULL};

	(void)state;
	console_result_fini(&got);
	console_run_held(&server, console_main, words,
	    "set domain a.test\nset domain denied.test\nset domain b", &got);
	assert_int_equal(got.status, 5);
	err_has("standard input, line 2: not permitted");
	log_has("domain b", false);
	log_has("discard", true);
	log_has("commit", false);
}

/* The last line need not end; what cannot be read is an error. */
static void
input_ends_anywhere(void **state)
{
	(void)state;
	assert_int_equal(RUN_IN("\nshow version", "-f", "-"), 0);
	out_is("9.9\n");
	assert_int_equal(RUN("-f", "/"), 2);
	err_has("tandem: /: ");
}

/* A server that was silent for the time of -T is not asked again. */
static void
silence_ends_the_run(void **state)
{
	(void)state;
	assert_int_equal(
	    RUN("-T", "1", "--commit", "-c", "set domain slow.test"), 9);
	log_has("slow.test", true);
	log_has("discard", false);
}

/* -e goes on, but still commits nothing after an error; the first error is
 * the status. */
static void
going_on_commits_nothing(void **state)
{
	(void)state;
	assert_int_equal(RUN_IN("set domain a.test\nset domain denied.test\n"
				"nonsense\ncommit\nshow version\n",
			     "-e", "-f", "-"),
	    5);
	out_is("9.9\n");
	err_has("line 3, column 1: unknown word");
	err_has("commit: not run, there was an error before");
	log_has("commit", false);
}

/* A dry run checks and compares, and leaves no trace. */
static void
dry_runs_change_nothing(void **state)
{
	(void)state;
	assert_int_equal(RUN("-n", "-c", "set domain demo.test state on", "-c",
			     "commit", "-c", "request role restart sg/1"),
	    10);
	out_is("CHANGE  PATH              FIELD  OLD  NEW\n"
	       "~       domain demo.test  state  -    on\n");
	err_has("dry run, not run: request role restart sg/1");
	log_has("\ncheck", true);
	log_has("\ndiscard", true);
	log_has("commit", false);
	log_has("restart", false);
	assert_int_equal(RUN("-n", "-c", "show version"), 0);
	assert_int_equal(RUN("-n", "-c", "set domain bad.test"), 6);
	err_has("\n  domain bad.test: state: missing\n");
}

/* Standard input that is no terminal is a script, without any option. */
static void
input_is_a_script(void **state)
{
	const char *none[] = {NULL};

	(void)state;
	assert_int_equal(run("show version\r\n", none), 0);
	out_is("9.9\n");
	assert_int_equal(run("", none), 0);
	out_is("");
	assert_int_equal(run("quit\nnonsense\n", none), 0);
}

/* Abbreviations are not for scripts. */
static void
scripts_use_whole_words(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "sh ver"), 2);
}

/* Secrets come from files and variables, read by the console. */
static void
secrets_come_from_elsewhere(void **state)
{
	char line[256], path[128];
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/secret", server.dir);
	f = fopen(path, "w");
	fputs("sword\"fish\n", f);
	fclose(f);
	setenv("TANDEM_TEST_SECRET", "trout", 1);
	snprintf(line, sizeof line,
	    "set domain a.test user 1 password @file:%s", path);
	assert_int_equal(RUN("--commit", "-c", line, "-c",
			     "set domain a.test user 2 password "
			     "@env:TANDEM_TEST_SECRET"),
	    0);
	log_has("\"password\":\"sword\\\"fish\"", true);
	log_has("\"password\":\"trout\"", true);
	unlink(path);
	assert_int_equal(RUN("--commit", "-c", line), 2);
	err_has("password: ");
	assert_int_equal(
	    RUN("-c", "set domain a.test user 2 password @env:NOT_THERE"), 2);
	err_has("NOT_THERE: no such variable");
}

/* Ten thousand lines are sent ahead of their replies, in their order. */
static void
sets_are_sent_ahead(void **state)
{
	struct buf b = BUF_INIT;
	char *log, *at, want[64];
	int i;

	(void)state;
	for (i = 0; i < 10000; i++)
		buf_fmt(&b, "set domain a.test user %d name n%d\n", i, i);
	assert_int_equal(RUN_IN(b.data, "--commit", "-q", "-f", "-"), 0);
	out_is("REV  CHANGES\n  8    10000\n");
	log = at = console_server_log(&server);
	for (i = 0; i < 10000; i++) {
		snprintf(want, sizeof want, "user %d\"", i);
		at = strstr(at, want);
		assert_non_null(at);
	}
	free(log);
	buf_fini(&b);
}

/* An error in the middle of what was sent ahead names its own line. */
static void
errors_ahead_name_their_line(void **state)
{
	struct buf b = BUF_INIT;
	int i;

	(void)state;
	for (i = 1; i <= 3000; i++)
		buf_fmt(&b, "set domain %s user %d\n",
		    i == 1500 ? "denied.test" : "a.test", i);
	assert_int_equal(RUN_IN(b.data, "--commit", "-f", "-"), 5);
	err_has("line 1500: not permitted");
	log_has("commit", false);
	log_has("discard", true);
	log_has("user 2999\"", false); /* not sent once the error was known */
	buf_fini(&b);
}

static void
help_is_there(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "help"), 0);
	assert_non_null(strstr(got.out, "show calls"));
	assert_non_null(strstr(got.out, "certificate"));
	assert_non_null(strstr(got.out, "\n\nObjects, "));
	assert_int_equal(RUN("-c", "help show calls"), 0);
	assert_non_null(strstr(got.out, "Only calls of this domain"));
	assert_int_equal(RUN("-c", "help show"), 0);
	assert_non_null(strstr(got.out, "show version"));
	assert_int_equal(RUN("-c", "help user"), 0);
	assert_non_null(strstr(got.out, "domain <domain> user <user>"));
	assert_int_equal(RUN("-c", "help wombat"), 2);
	assert_int_equal(RUN("--json", "-c", "help show version"), 0);
	assert_non_null(strstr(got.out,
	    "{\"v\":1,\"op\":\"help\",\"ok\":true,\"rev\":null,\"data\":[{"
	    "\"line\":\"show version"));
	assert_int_equal(RUN("--json", "-c", "help wombat"), 2);
	assert_non_null(strstr(got.out, "\"op\":\"help\",\"ok\":false"));
	assert_int_equal(RUN("--help"), 0);
	assert_int_equal(RUN("--version"), 0);
	assert_non_null(strstr(got.out, "tandem "));
}

/* Ctrl-C ends the waiting with its own status; the server goes on. */
static void
interrupts_have_a_status(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "set domain interrupt.test"), 130);
	assert_int_equal(
	    RUN("-c", "set domain interrupt.test", "-c", "show version"), 130);
	out_is("");
}

/* Warnings are words: on standard error, unless nobody wants them. */
static void
warnings_are_words(void **state)
{
	(void)state;
	assert_int_equal(RUN("-c", "show version"), 0);
	out_is("9.9\n");
	assert_string_equal(got.err, "tandem: warning: an upgrade waits\n");
	assert_int_equal(RUN("-q", "-c", "show version"), 0);
	assert_string_equal(got.err, "");
}

/* Of a long line only what is near the error is shown. */
static void
long_lines_are_cut(void **state)
{
	struct buf b = BUF_INIT;
	int i;

	(void)state;
	buf_str(&b, "commit comment \"");
	for (i = 0; i < 150; i++)
		buf_str(&b, "\xd0\x98");
	buf_str(&b, "\" wombat more and more and more and more and more");
	assert_int_equal(RUN("-c", b.data), 2);
	err_has("\xd0\x98\" wombat more and");
	err_has("...\n");
	assert_true(strlen(got.err) < 400);
	buf_fini(&b);
}

/* Lines that are no text are refused with their number. */
static void
binary_lines_are_refused(void **state)
{
	(void)state;
	assert_int_equal(RUN_IN("show version\n\x01\xff\n", "-f", "-"), 2);
	err_has("line 2, column 1: expected UTF-8 without control characters");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
	    TEST(tables_are_aligned),
	    TEST(lost_output_is_an_error),
	    TEST(readers_may_leave),
	    TEST(a_byte_order_mark_is_skipped),
	    TEST(a_name_left_out_is_proposed),
	    TEST(json_has_one_shape),
	    TEST(other_forms),
	    TEST(details_are_asked_for),
	    TEST(filters_see_the_whole_list),
	    TEST(filters_refuse_what_is_too_long),
	    TEST(filters_work_on_rows),
	    TEST(rows_are_saved),
	    TEST(statuses_tell_the_cause),
	    TEST(carets_point_at_the_word),
	    TEST(json_errors_have_the_shape),
	    TEST(json_errors_of_options),
	    TEST(details_of_errors_are_shown),
	    TEST(uncommitted_changes_are_an_error),
	    TEST(one_session_one_commit),
	    TEST(errors_end_the_batch),
	    TEST(errors_come_in_order),
	    TEST(nothing_waits_for_the_next_line),
	    TEST(input_ends_anywhere),
	    TEST(silence_ends_the_run),
	    TEST(going_on_commits_nothing),
	    TEST(dry_runs_change_nothing),
	    TEST(input_is_a_script),
	    TEST(scripts_use_whole_words),
	    TEST(secrets_come_from_elsewhere),
	    TEST(sets_are_sent_ahead),
	    TEST(errors_ahead_name_their_line),
	    TEST(help_is_there),
	    TEST(interrupts_have_a_status),
	    TEST(warnings_are_words),
	    TEST(long_lines_are_cut),
	    TEST(binary_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
