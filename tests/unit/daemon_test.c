/* The daemon as a whole: its tables keep their laws, its sandbox holds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/role/role_wire.h"
#include "daemon/table.h"
#include "tests/lib/op_laws.h"

/* Every operation and object of every room keeps the laws of the tables. */
static void
tables_keep_their_laws(void **state)
{
	struct buf broken = BUF_INIT;

	(void)state;
	if (op_laws_check(daemon_table(), &broken) != 0)
		fail_msg("%s", broken.data);
	buf_fini(&broken);
}

/* A room for every row of the role table, under its own number. */
static void
every_role_has_its_room(void **state)
{
	int id;

	(void)state;
	for (id = 0; id < ROLE_MAX; id++) {
		assert_non_null(daemon_roles[id]);
		assert_int_equal(daemon_roles[id]->id, id);
		assert_non_null(daemon_roles[id]->start);
		assert_int_equal(role_find(role_rows[id].name), id);
	}
}

/* What a confined process finds when it tries; a bit each. */
#define MAY_DGRAM 1
#define MAY_STREAM 2
#define MAY_CONNECT 4
#define MAY_EXECUTE 8
#define MAY_TRACE 16
#define MAY_RAW 32

static int
tries(void)
{
	char *argv[] = {(char[]){"true"}, NULL};
	union addr a;
	int may = 0, s;

	addr_parse(&a, "127.0.0.1", 9);
	if ((s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0) {
		may |= MAY_DGRAM;
		if (connect(s, &a.sa, addr_len(&a)) == 0)
			may |= MAY_CONNECT;
	}
	if (socket(AF_INET6, SOCK_STREAM, 0) >= 0)
		may |= MAY_STREAM;
	if (socket(AF_INET, SOCK_RAW, 1) >= 0 || errno != EPERM)
		may |= MAY_RAW;
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
		may |= MAY_TRACE;
	execv("/nonexistent", argv);
	if (errno != EPERM)
		may |= MAY_EXECUTE;
	return may;
}

/* Try behind the sandbox of some rights; what was possible. */
static int
behind(unsigned rights)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		role_sandbox(rights);
		_exit(tries());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* No process executes or traces; sockets only as its rights say. */
static void
sandbox_leaves_only_the_rights(void **state)
{
	(void)state;
	assert_int_equal(behind(0), 0);
	assert_int_equal(behind(RIGHT_DGRAM), MAY_DGRAM | MAY_CONNECT);
	assert_int_equal(behind(RIGHT_STREAM), MAY_STREAM);
	assert_int_equal(behind(RIGHT_DGRAM | RIGHT_STREAM),
	    MAY_DGRAM | MAY_CONNECT | MAY_STREAM);
}

/* The table of tandem-arch(7): only what faces the outside or other servers
 * makes sockets. */
static void
rights_are_those_of_the_manual(void **state)
{
	static const unsigned expected[ROLE_MAX] = {
	    [ROLE_REPLICATOR] = RIGHT_STREAM,
	    [ROLE_QUORUM] = RIGHT_STREAM | RIGHT_AIO,
	    [ROLE_CONTROL] = RIGHT_STREAM,
	    [ROLE_SG] = RIGHT_DGRAM | RIGHT_STREAM,
	    [ROLE_MG] = RIGHT_DGRAM | RIGHT_RING,
	    [ROLE_WS] = RIGHT_STREAM,
	};
	int id;

	(void)state;
	for (id = 0; id < ROLE_MAX; id++)
		assert_int_equal(daemon_roles[id]->rights, expected[id]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_keep_their_laws),
	    cmocka_unit_test(every_role_has_its_room),
	    cmocka_unit_test(sandbox_leaves_only_the_rights),
	    cmocka_unit_test(rights_are_those_of_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
