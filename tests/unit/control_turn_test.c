/* What each may take of what all share, and whose turn it is. */
#include "control_fixture.h"

/* ---- how much ------------------------------------------------------------ */

/* As many as NAME can take of max, by the role, beside all. */
static unsigned
takes(const char *name, enum admin_role role, unsigned all, unsigned max,
    unsigned kept)
{
	struct op_who who = {.role = role};
	unsigned own = 0;

	str_copy(who.name, sizeof who.name, name);
	while (share_allows(&who, own, all + own, max, kept))
		own++;
	return own;
}

/* However many take what they can get, there is some for the next one, and
 * what is kept is kept for who administers the site. */
static void
there_is_always_some_left(void **state)
{
	unsigned all = 0, i, n;

	(void)state;
	for (i = 0; i < 15; i++) {
		n = takes("eye", ADMIN_VIEWER, all, 128, 32);
		assert_in_range(n, 1, 20);
		all += n;
	}
	assert_in_range(all, 80, 95);
	assert_int_equal(takes("root", ADMIN_SITE, all, 128, 32), 128 - all);
	assert_int_equal(takes("root", ADMIN_SITE, 128, 128, 32), 0);
	assert_int_equal(takes("eye", ADMIN_VIEWER, 100, 128, 32), 0);
}

/* ---- consoles of others ---------------------------------------------------
 */

/* The console that came last is that of a viewer. */
static struct session *
become_viewer(struct world *w, const char *name)
{
	struct session *s = become(w, name);

	session_leave(s);
	s->who.role = ADMIN_VIEWER;
	assert_true(session_enter(s));
	return s;
}

static void
send_lists(struct console *c, int n)
{
	while (n-- > 0)
		send_call(c, "show users",
		    json_pack(
			"{s:s, s:i}", "domain", "a.test", "limit", 100000));
}

/* A list of who owns the machine comes before those that a viewer has asked
 * for ahead, whose sessions get one list after the other. */
static void
a_viewer_waits_for_what_a_viewer_asks(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct console *one, *two, *root;

	(void)state;
	crowd(w, 9000);
	one = connect_console(w, 0);
	become_viewer(w, "viv");
	two = connect_console(w, 1);
	become_viewer(w, "viv");
	root = connect_console(w, 2);
	assert_int_equal(call(root, "show version", NULL), 0);
	send_lists(one, 10);
	send_lists(two, 10);
	settle(w);
	send_lists(root, 1);
	while (root->open > 0)
		run(w);
	assert_int_equal(nrows(root), 9002);
	assert_in_range(one->open, 7, 10);
	assert_in_range(two->open, 7, 10);
	while (one->open > 0 || two->open > 0)
		run(w);
	assert_int_equal(nrows(one), 9002);
	assert_true(TAILQ_EMPTY(&c->scans));
	world_free(w);
}

/* What waits when its session ends is not begun, and what runs ends. */
static void
what_waits_ends_with_its_session(void **state)
{
	struct world *w = world_new();
	struct console *c, *root = connect_console(w, 1);

	(void)state;
	crowd(w, 9000);
	c = connect_console(w, 0);
	become_viewer(w, "viv");
	send_lists(c, 200);
	settle(w);
	rpc_close(&c->rpc);
	c->open = 0;
	settle(w);
	assert_int_equal(call(root, "show version", NULL), 0);
	assert_int_equal(
	    ((struct control *)w->self.state_of_role)->nsessions, 1);
	world_free(w);
}

/* One viewer cannot watch all that can be watched. */
static void
monitors_are_shared(void **state)
{
	static const struct op *watched[65];
	struct world *w = world_new();
	struct console *c;
	unsigned i, j, n = 0;

	(void)state;
	for (i = 0; w->table.ops[i] != NULL; i++)
		watched[i] = w->table.ops[i];
	w->table.ops = op_monitors(watched, monitor_run);
	for (i = 0; i < SESSIONS_EACH; i++) {
		c = connect_console(w, i);
		become_viewer(w, "viv");
		for (j = 0; j < 8; j++)
			n += call(c, "monitor roles",
				 json_pack("{s:i}", "every", 3600)) == 0;
	}
	assert_int_equal(n, 45);
	assert_int_equal(c->err.code, ERR_FULL);
	c = connect_console(w, i++);
	become_viewer(w, "vera");
	assert_int_equal(call(c, "monitor roles", NULL), 0);
	c = connect_console(w, i++);
	for (j = 0; j < 8; j++)
		assert_int_equal(call(c, "monitor roles", NULL), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_is_always_some_left),
	    cmocka_unit_test(a_viewer_waits_for_what_a_viewer_asks),
	    cmocka_unit_test(what_waits_ends_with_its_session),
	    cmocka_unit_test(monitors_are_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
