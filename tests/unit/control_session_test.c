/* Consoles: who is let in, how many, and what they may not do to others. */
#include "control_fixture.h"

/* ---- tests: who may ----------------------------------------------------- */

/* Root, we ourselves, who started the server, members of the group; others
 * not, whatever their other groups are. */
static void
some_are_admitted(void **state)
{
	const gid_t groups[] = {7, 50};
	const struct admit_rules rules = {100, 200, true, 50};
	const struct admit_rules lone = {100, 200, false, 0};
	static const struct {
		uid_t uid;
		gid_t gid;
		size_t ngroups;
		bool may, alone;
	} cases[] = {
	    {0, 0, 0, true, true},
	    {100, 1, 0, true, true},
	    {200, 1, 0, true, true},
	    {300, 50, 0, true, false},
	    {300, 1, 2, true, false},
	    {300, 1, 1, false, false},
	    {300, 0, 1, false, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct admit_peer p = {
		    cases[i].uid, cases[i].gid, groups, cases[i].ngroups};

		assert_int_equal(admit_peer(&rules, &p), cases[i].may);
		assert_int_equal(admit_peer(&lone, &p), cases[i].alone);
	}
}

/* Ask as somebody who is not permitted, and exit 0 if that was said. */
static void
be_a_stranger(const char *path)
{
	char answer[1024] = "";
	size_t used = 0;
	ssize_t n = 1;
	int fd;

	be_nobody();
	if ((fd = sock_unix_connect(path, NULL)) < 0 ||
	    write(fd, describe, sizeof describe - 1) != sizeof describe - 1)
		_exit(3);
	/* ... and the connection is closed behind the answer */
	for (; n > 0 && used < sizeof answer - 1; used += (size_t)n) {
		n = read(fd, answer + used, sizeof answer - 1 - used);
		if (n < 0)
			_exit(4);
	}
	_exit(strstr(answer, "not permitted") != NULL &&
		    strstr(answer, "\"permission\"") != NULL
		? 0
		: 5);
}

/* One that is not permitted hears why and is closed. */
static void
a_stranger_hears_why(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	int status;
	pid_t pid;

	(void)state;
	c->admit.own = c->admit.owner = (uid_t)-1;
	assert_int_equal(chmod(w->self.repl->root, 0755), 0);
	assert_int_equal(chmod(w->self.control_path, 0666), 0);
	if ((pid = fork()) == 0)
		be_a_stranger(w->self.control_path);
	while (waitpid(pid, &status, WNOHANG) == 0)
		settle(w);
	assert_int_equal(status, 0);
	assert_int_equal(c->nsessions, 0);
	assert_int_equal(c->count.refused, 1);
	world_free(w);
}

/* There are SESSIONS_MAX sessions; one more is told so and closed, and there
 * is room again when one ends. */
static void
sessions_are_bounded(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct console *one;
	unsigned i;

	(void)state;
	for (i = 0; i < SESSIONS_MAX; i++)
		connect_console(w, i);
	settle(w);
	one = connect_console(w, SESSIONS_MAX);
	assert_int_equal(call(one, "show version", NULL), -ERR_FULL);
	while (!one->closed)
		run(w);
	console_end(&w->console[0]);
	settle(w);
	assert_int_equal(c->nsessions, SESSIONS_MAX - 1);
	assert_int_equal(call(connect_console(w, 0), "show version", NULL), 0);
	world_free(w);
}

/* What is no JSON-RPC ends the session with a reason, and no other. */
static void
garbage_ends_a_session(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct err e;
	char answer[512];
	ssize_t n;
	int fd = sock_unix_connect(w->self.control_path, &e);

	(void)state;
	assert_true(write(fd, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
	settle(w);
	n = read(fd, answer, sizeof answer - 1);
	assert_true(n > 0);
	answer[n] = '\0';
	assert_non_null(strstr(answer, "\"error\""));
	assert_int_equal(read(fd, answer, sizeof answer), 0);
	close(fd);
	assert_int_equal(call(c, "show version", NULL), 0);
	world_free(w);
}

/* A console that sends and never reads is read no further and costs no more;
 * others go on, and when it reads everything was answered. */
static void
a_slow_console_is_held(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct console *con = connect_console(w, 0);
	struct err e;
	int fd = sock_unix_connect(w->self.control_path, &e);
	unsigned sent = 0, answered = 0, idle = 0;
	struct session *s;
	char part[65536];
	ssize_t n, i;

	(void)state;
	sock_nonblock(fd);
	settle(w);
	s = TAILQ_LAST(&c->sessions, sessions);
	while (idle < 20) {
		n = write(fd, describe, sizeof describe - 1);
		assert_true(n < 0 || n == sizeof describe - 1);
		sent += n > 0;
		idle = n > 0 ? 0 : idle + 1;
		settle(w);
		assert_in_range(rpc_queued(s->rpc), 0, 4 << 20);
	}
	assert_in_range(sent, 100, 20000);
	assert_int_equal(c->nsessions, 2);
	assert_int_equal(call(con, "show version", NULL), 0);
	while (answered < sent) {
		while ((n = read(fd, part, sizeof part)) > 0) {
			for (i = 0; i < n; i++)
				answered += part[i] == '\n';
		}
		assert_true(n < 0 && errno == EAGAIN);
		loop_timer_set(w->turn, 0);
		run(w);
	}
	assert_int_equal(answered, sent);
	close(fd);
	world_free(w);
}

/* Too many bytes at once are refused until answers have come. */
static void
arguments_are_bounded(void **state)
{
	json_t *big = json_object(), *v;
	char *text = malloc(500001);
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	static const struct op_field args[] = {
	    {.name = "text", .type = &op_type_blob}, {0}};
	static const struct op waits = {.name = "wait",
	    .kind = OP_READ,
	    .where = OP_OWNER,
	    .role = ROLE_ST,
	    .args = args};
	const struct op **ops = (const struct op **)w->table.ops;
	int i;

	(void)state;
	for (i = 0; ops[i] != NULL; i++)
		;
	ops[i] = &waits;
	memset(text, 'x', 500000);
	text[500000] = '\0';
	v = json_string(text);
	json_object_set_new(big, "text", v);
	assert_in_range(rpc_size(big), 500000, 500100);
	for (i = 0; i < 40; i++)
		send_call(c, "wait", json_incref(big));
	while (c->open > 0)
		run(w);
	/* the last answers: 3 s without an owner, for those that were taken */
	assert_int_equal(c->err.code, ERR_NOOWNER);
	assert_in_range(
	    ((struct control *)w->self.state_of_role)->count.calls, 40, 40);
	assert_int_equal(call(c, "show version", NULL), 0);
	json_decref(big);
	free(text);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(some_are_admitted),
	    cmocka_unit_test(a_stranger_hears_why),
	    cmocka_unit_test(sessions_are_bounded),
	    cmocka_unit_test(garbage_ends_a_session),
	    cmocka_unit_test(a_slow_console_is_held),
	    cmocka_unit_test(arguments_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
