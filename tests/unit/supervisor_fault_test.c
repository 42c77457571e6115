/* Faults that the supervisor makes on purpose: whom they meet, and their end.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/supervisor/supervisor.h"

/* A process that only waits, as an instance of a role. */
static struct child *
child_of(struct supervisor *s, enum role_id role, unsigned index)
{
	struct child *c = &s->child[role][index];

	c->sup = s;
	c->role = role;
	c->index = index;
	role_name(c->name, role, index);
	c->state = CHILD_READY;
	if ((c->pid = fork()) == 0) {
		for (;;)
			pause();
	}
	return c;
}

static struct supervisor *
set_up(void)
{
	struct supervisor *s = calloc(1, sizeof *s);

	s->loop = loop_new();
	child_of(s, ROLE_SR, 1);
	child_of(s, ROLE_SR, 2);
	child_of(s, ROLE_CONTROL, 1);
	return s;
}

static void
tear_down(struct supervisor *s)
{
	struct child *c[] = {&s->child[ROLE_SR][1], &s->child[ROLE_SR][2],
	    &s->child[ROLE_CONTROL][1]};
	size_t i;

	for (i = 0; i < 3; i++) {
		kill(c[i]->pid, SIGKILL);
		waitpid(c[i]->pid, NULL, 0);
	}
	loop_timer_free(&s->fault.timer);
	loop_free(&s->loop);
	free(s);
}

static enum err_code
ask(struct supervisor *s, enum role_fault_kind kind, const char *instance,
    uint32_t ms)
{
	struct role_fault f = {.kind = kind, .ms = ms, .code = ERR_INTERNAL};

	str_copy(f.instance, sizeof f.instance, instance);
	fault(s, &f);
	return f.code;
}

/* Wait until it has changed in one of the ways of waitpid's options. */
static int
changed(const struct child *c, int options)
{
	int status = 0;

	assert_int_equal(waitpid(c->pid, &status, options), c->pid);
	return status;
}

/* One instance is killed, which is no death of its own; others live. */
static void
one_instance_is_killed(void **state)
{
	struct supervisor *s = set_up();

	(void)state;
	assert_int_equal(ask(s, ROLE_FAULT_KILL, "sr/2", 0), ERR_NONE);
	assert_true(WIFSIGNALED(changed(&s->child[ROLE_SR][2], 0)));
	assert_true(s->child[ROLE_SR][2].fenced);
	assert_false(s->child[ROLE_SR][1].fenced);
	assert_int_equal(waitpid(s->child[ROLE_SR][1].pid, NULL, WNOHANG), 0);
	assert_int_equal(fault_pause(s), 0);
	tear_down(s);
}

/* Who is not there, is no name or is control itself cannot be met. */
static void
others_are_refused(void **state)
{
	struct supervisor *s = set_up();

	(void)state;
	assert_int_equal(ask(s, ROLE_FAULT_KILL, "sr/3", 0), ERR_ABSENT);
	assert_int_equal(ask(s, ROLE_FAULT_KILL, "sr", 0), ERR_ABSENT);
	assert_int_equal(ask(s, ROLE_FAULT_KILL, "", 0), ERR_ABSENT);
	assert_int_equal(ask(s, ROLE_FAULT_KILL, "control/1", 0), ERR_ABSENT);
	assert_int_equal(
	    ask(s, ROLE_FAULT_STOP, "sr/1", ROLE_FAULT_MS + 1), ERR_INVALID);
	assert_int_equal(ask(s, ROLE_FAULTS, "sr/1", 0), ERR_INVALID);
	assert_int_equal(waitpid(s->child[ROLE_SR][1].pid, NULL, WNOHANG), 0);
	tear_down(s);
}

static void
on_continued(void *arg)
{
	loop_stop(arg);
}

/* A stop ends by itself; until then there is no other. */
static void
a_stop_ends_by_itself(void **state)
{
	struct supervisor *s = set_up();
	struct loop_timer *t = loop_timer_new(s->loop, on_continued, s->loop);

	(void)state;
	assert_int_equal(ask(s, ROLE_FAULT_STOP, "sr/1", 20), ERR_NONE);
	assert_true(WIFSTOPPED(changed(&s->child[ROLE_SR][1], WUNTRACED)));
	assert_int_equal(ask(s, ROLE_FAULT_STOP, "sr/2", 20), ERR_BUSY);
	assert_true(s->child[ROLE_SR][1].fenced); /* should it be killed */
	loop_timer_set(t, 30 * CLOCK_MS); /* behind the end of the stop */
	loop_run(s->loop);
	assert_true(WIFCONTINUED(changed(&s->child[ROLE_SR][1], WCONTINUED)));
	assert_false(s->child[ROLE_SR][1].fenced);
	assert_int_equal(ask(s, ROLE_FAULT_STOP, "sr/2", 20), ERR_NONE);
	loop_timer_free(&t);
	tear_down(s);
}

/* One that dies while it is stopped is not waited for. */
static void
a_dead_process_is_not_stopped(void **state)
{
	struct supervisor *s = set_up();
	struct child *c = &s->child[ROLE_SR][1];

	(void)state;
	assert_int_equal(ask(s, ROLE_FAULT_STOP, "sr/1", 20000), ERR_NONE);
	kill(c->pid, SIGKILL);
	assert_true(WIFSIGNALED(changed(c, 0)));
	child_of(s, ROLE_SR, 1);
	assert_int_equal(ask(s, ROLE_FAULT_STOP, "sr/2", 20), ERR_NONE);
	tear_down(s);
}

/* All at once, control too, and nothing starts before the time is over. */
static void
a_server_loses_every_process(void **state)
{
	struct supervisor *s = set_up();

	(void)state;
	assert_int_equal(ask(s, ROLE_FAULT_SERVER, "", 20000), ERR_NONE);
	assert_true(WIFSIGNALED(changed(&s->child[ROLE_SR][1], 0)));
	assert_true(WIFSIGNALED(changed(&s->child[ROLE_SR][2], 0)));
	assert_true(WIFSIGNALED(changed(&s->child[ROLE_CONTROL][1], 0)));
	assert_in_range(fault_pause(s), 1, 20000 * CLOCK_MS);
	tear_down(s);
}

/* A cut is told to those that speak with other servers, and its end too; who
 * starts in the midst of it is told as well. */
static void
a_cut_is_told_and_ends(void **state)
{
	struct supervisor *s = set_up();
	struct child *control = &s->child[ROLE_CONTROL][1];
	struct loop_timer *t = loop_timer_new(s->loop, on_continued, s->loop);
	int ends[2];
	struct role_msg m;
	const bool told[] = {true, true, false};
	size_t i;

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	control->fd = ends[0];
	fault_tell(control); /* there is none */
	assert_int_equal(ask(s, ROLE_FAULT_CUT, "", 20), ERR_NONE);
	assert_int_equal(ask(s, ROLE_FAULT_CUT, "", 20), ERR_BUSY);
	assert_int_equal(ask(s, ROLE_FAULT_STOP, "sr/1", 20), ERR_BUSY);
	fault_tell(control);
	fault_tell(&s->child[ROLE_SR][1]); /* has no mesh */
	loop_timer_set(t, 30 * CLOCK_MS);  /* behind its end */
	loop_run(s->loop);
	for (i = 0; i < 3; i++) {
		assert_int_equal(recv(ends[1], &m, sizeof m, 0), sizeof m);
		assert_int_equal(m.type, ROLE_MSG_CUT);
		assert_int_equal(m.u.cut, told[i]);
	}
	assert_int_equal(recv(ends[1], &m, sizeof m, 0), -1);
	close(ends[0]);
	close(ends[1]);
	loop_timer_free(&t);
	tear_down(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_instance_is_killed),
	    cmocka_unit_test(others_are_refused),
	    cmocka_unit_test(a_stop_ends_by_itself),
	    cmocka_unit_test(a_dead_process_is_not_stopped),
	    cmocka_unit_test(a_cut_is_told_and_ends),
	    cmocka_unit_test(a_server_loses_every_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
