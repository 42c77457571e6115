/* What somebody who has a part of the tree of domains can read of the
 * configuration, and commit to it, whatever led to the candidate. */
#include "st_world.h"

#include "daemon/base/str.h"

static const struct op_who anna = {
    .name = "anna", .role = ADMIN_DOMAIN, .domain = "a.test", .from = "local"};
static const struct op_who chef = {
    .name = "chef", .role = ADMIN_SITE, .from = "local"};
static const struct op_who root = {
    .name = "root", .role = ADMIN_SITE, .fixed = true, .from = "local"};

/* Revision 2: two domains, a child of one of them. */
static struct world *
world_two(void)
{
	struct world *w = world_new();

	set(w, "s0", "domain a.test", json_object());
	set(w, "s0", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	set(w, "s0", "domain b.test", json_object());
	set(w, "s0", "domain b.test user 201", json_pack("{s:s}", "name", "B"));
	set(w, "s0", "domain x.a.test", json_object());
	commit(w, "s0");
	return w;
}

/* Do all rows of the answer together hold the text? */
static bool
holds(struct world *w, const char *text)
{
	char *all = json_dumps(w->result, 0);
	bool yes = all != NULL && strstr(all, text) != NULL;

	free(all);
	return yes;
}

static void
says(const struct world *w, const char *words)
{
	if (strstr(w->err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", w->err.text, words);
}

/* The configuration that is shown is that of the part: no site, no other
 * domain, with and without the candidate. */
static void
only_the_part_is_shown(void **state)
{
	struct world *w = world_two();
	int i;

	(void)state;
	w->who = anna;
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    call(w, "s1", "show configuration",
			i == 0 ? json_object()
			       : json_pack("{s:b}", "candidate", 1)),
		    0);
		assert_true(holds(w, "domain a.test user 101"));
		assert_true(holds(w, "domain x.a.test"));
		assert_false(holds(w, "b.test"));
		assert_false(holds(w, "server"));
	}
	assert_int_equal(call(w, "s1", "show configuration",
			     json_pack("{s:s}", "path", "domain b.test")),
	    -ERR_PERMISSION);
	assert_int_equal(call(w, "s1", "show configuration",
			     json_pack("{s:s}", "path", "domain no.test")),
	    -ERR_PERMISSION);
	assert_int_equal(call(w, "s1", "show configuration",
			     json_pack("{s:s}", "path", "server srv1")),
	    -ERR_PERMISSION);
	world_free(w);
}

/* Revisions that touch anything else are as if they were not. */
static void
only_their_revisions_are_shown(void **state)
{
	struct world *w = world_two();

	(void)state;
	w->who = anna;
	set(w, "s1", "domain a.test user 102", json_pack("{s:s}", "name", "C"));
	commit(w, "s1"); /* 3 */
	w->who = chef;
	set(w, "s2", "domain b.test user 202", json_pack("{s:s}", "name", "D"));
	commit(w, "s2"); /* 4 */
	w->who = anna;
	assert_int_equal(call(w, "s1", "show revisions", NULL), 0);
	assert_int_equal(json_array_size(rows(w)), 1);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(rows(w), 0), "rev")),
	    3);
	assert_int_equal(
	    call(w, "s1", "show changes", json_pack("{s:i}", "rev", 3)), 0);
	assert_int_equal(
	    call(w, "s1", "show changes", json_pack("{s:i}", "rev", 2)),
	    -ERR_ABSENT);
	says(w, "there is no revision 2");
	assert_int_equal(
	    call(w, "s1", "show changes", json_pack("{s:i}", "rev", 4)),
	    -ERR_ABSENT);
	assert_int_equal(
	    call(w, "s1", "rollback", json_pack("{s:i}", "rev", 2)),
	    -ERR_PERMISSION);
	world_free(w);
}

/* They make what is below their domain, and change and delete it. */
static void
they_work_within(void **state)
{
	struct world *w = world_two();

	(void)state;
	w->who = anna;
	set(w, "s1", "domain new.a.test",
	    json_pack("{s:s}", "alias", "n.a.test"));
	set(w, "s1", "domain new.a.test user 1",
	    json_pack("{s:s}", "name", "N"));
	set(w, "s1", "domain a.test number 7",
	    json_pack("{s:s}", "user", "101"));
	assert_int_equal(call(w, "s1", "check", NULL), 0);
	assert_int_equal(call(w, "s1", "compare", NULL), 0);
	commit(w, "s1");
	assert_int_equal(call(w, "s1", "delete",
			     json_pack("{s:s}", "path", "domain x.a.test")),
	    0);
	commit(w, "s1");
	assert_int_equal(call(w, "s1", "delete",
			     json_pack("{s:s}", "path", "domain a.test")),
	    -ERR_PERMISSION);
	assert_int_equal(
	    call(w, "s1", "set",
		set_args("domain a.test", json_pack("{s:s}", "state", "on"))),
	    -ERR_PERMISSION);
	assert_int_equal(call(w, "s1", "set",
			     set_args("administrator anna",
				 json_pack("{s:s}", "role", "site-admin"))),
	    -ERR_PERMISSION);
	world_free(w);
}

/* The whole of what they are shown can be set again by them: what they may not
 * change is left as it is, and is nothing else afterwards. */
static void
what_is_shown_to_them_is_taken_back(void **state)
{
	static const char *const others[] = {"other", "", "none", NULL};
	struct world *w = world_two();
	int i;

	(void)state;
	set(w, "s0", "domain a.test",
	    json_pack(
		"{s:s, s:s}", "description", "as it is", "alias", "a.example"));
	commit(w, "s0");
	w->who = anna;
	assert_int_equal(call(w, "s1", "set",
			     set_args("domain a.test",
				 json_pack("{s:s, s:s}", "description",
				     "as it is", "alias", "a.example"))),
	    0);
	assert_int_equal(
	    call(w, "s1", "set", set_args("domain a.test", json_object())), 0);
	for (i = 0; others[i] != NULL; i++)
		assert_int_equal(
		    call(w, "s1", "set",
			set_args("domain a.test",
			    json_pack("{s:s}", "description", others[i]))),
		    -ERR_PERMISSION);
	assert_int_equal(call(w, "s1", "set",
			     set_args("domain a.test",
				 json_pack("{s:s}", "state", "suspended"))),
	    -ERR_PERMISSION);
	assert_int_equal(
	    call(w, "s1", "set", set_args("domain b.test", json_object())),
	    -ERR_PERMISSION);
	assert_int_equal(
	    call(w, "s1", "set", set_args("domain no.test", json_object())),
	    -ERR_PERMISSION);
	assert_int_equal(call(w, "s1", "compare", NULL), 0);
	assert_int_equal(json_array_size(rows(w)), 0);
	world_free(w);
}

/* A candidate that was made with other rights, in whatever way, is not
 * committed: it is looked at as a whole. */
static void
an_old_candidate_is_refused(void **state)
{
	struct world *w = world_two();
	int64_t rev = w->st->rev;

	(void)state;
	w->who = chef;
	set(w, "s1", "domain b.test user 201", json_pack("{s:s}", "name", "E"));
	w->who = anna;
	assert_int_equal(call(w, "s1", "check", NULL), -ERR_PERMISSION);
	assert_int_equal(call(w, "s1", "commit", NULL), -ERR_PERMISSION);
	says(w, "domain b.test user 201: not permitted to anna");
	w->who = chef;
	assert_int_equal(call(w, "s1", "discard", NULL), 0);
	set(w, "s1", "domain x.a.test",
	    json_pack("{s:s}", "alias", "bank.test"));
	w->who = anna;
	assert_int_equal(call(w, "s1", "commit", NULL), -ERR_PERMISSION);
	says(w, "outside of domain a.test");
	assert_int_equal(w->st->rev, rev);
	/* nothing of it is another session's */
	assert_int_equal(call(w, "s2", "compare", NULL), 0);
	assert_int_equal(json_array_size(rows(w)), 0);
	world_free(w);
}

/* Why something cannot be is told without naming what they may not see. */
static void
words_name_nobody_else(void **state)
{
	struct world *w = world_two();
	char *all;

	(void)state;
	w->who = chef;
	set(w, "s0", "domain b.test", json_pack("{s:s}", "alias", "z.a.test"));
	set(w, "s0", "administrator emil",
	    json_pack(
		"{s:s, s:s}", "role", "domain-admin", "domain", "x.a.test"));
	commit(w, "s0");
	w->who = anna;
	set(w, "s1", "domain z.a.test", json_object());
	assert_int_equal(call(w, "s1", "commit", NULL), -ERR_CHECK);
	says(w, "the name z.a.test is taken already");
	all = json_dumps(w->data, 0);
	assert_null(strstr(all, "b.test"));
	free(all);
	assert_int_equal(call(w, "s1", "discard", NULL), 0);
	assert_int_equal(call(w, "s1", "delete",
			     json_pack("{s:s}", "path", "domain x.a.test")),
	    0);
	assert_int_equal(call(w, "s1", "commit", NULL), -ERR_CHECK);
	says(w, "something that is not shown to you refers to it");
	all = json_dumps(w->data, 0);
	assert_null(strstr(all, "emil"));
	free(all);
	world_free(w);
}

static bool
warned(struct world *w)
{
	return json_array_size(json_object_get(w->result, "warn")) > 0;
}

/* A site-admin who is about to be none is told; one who stays is not, nor one
 * who cannot be shut out. */
static void
who_shuts_themselves_out_is_warned(void **state)
{
	struct world *w = world_two();

	(void)state;
	w->who = chef;
	set(w, "s1", "administrator anna",
	    json_pack(
		"{s:s, s:s}", "role", "domain-admin", "domain", "a.test"));
	assert_int_equal(call(w, "s1", "check", NULL), 0);
	assert_true(holds(w, "takes your own rights away: chef"));
	set(w, "s1", "administrator chef",
	    json_pack("{s:s}", "role", "site-admin"));
	assert_int_equal(call(w, "s1", "commit", NULL), 0);
	assert_false(warned(w));
	set(w, "s1", "administrator chef",
	    json_pack("{s:s}", "role", "viewer"));
	w->who = root;
	assert_int_equal(call(w, "s1", "check", NULL), 0);
	assert_false(warned(w));
	w->who = chef;
	assert_int_equal(call(w, "s1", "commit", NULL), 0);
	assert_true(holds(w, "chef will be viewer"));
	world_free(w);
}

/* What an administrator is must make sense. */
static void
administrators_are_checked(void **state)
{
	static const struct {
		const char *role, *domain;
		int r;
	} cases[] = {{"domain-admin", NULL, -ERR_CHECK},
	    {"domain-admin", "no.test", -ERR_CHECK},
	    {"operator", "a.test", -ERR_CHECK},
	    {"auditor", "a.test", -ERR_CHECK},
	    {"site-admin", "a.test", -ERR_CHECK}, {"viewer", "a.test", 0},
	    {"support", "a.test", 0}, {"domain-admin", "a.test", 0},
	    {"support", NULL, 0}, {"site-admin", NULL, 0}};
	struct world *w = world_two();
	json_t *values;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		values = json_pack("{s:s}", "role", cases[i].role);
		json_object_set_new(values, "domain",
		    cases[i].domain != NULL ? json_string(cases[i].domain)
					    : json_null());
		set(w, "s1", "administrator j.doe_2", values);
		if (call(w, "s1", "check", NULL) != cases[i].r)
			fail_msg("case %zu: %s", i, w->err.text);
		assert_int_equal(call(w, "s1", "discard", NULL), 0);
	}
	set(w, "s1", "administrator nobody", json_object());
	assert_int_equal(call(w, "s1", "check", NULL), -ERR_CHECK);
	says(w, "role: missing");
	assert_int_equal(
	    call(w, "s1", "set", set_args("administrator -x", json_object())),
	    -ERR_INVALID);
	world_free(w);
}

/* Candidates and unconfirmed commits of others are as if they were not. */
static void
what_waits_is_theirs_only(void **state)
{
	struct world *w = world_two();
	json_t *rev;

	(void)state;
	w->keep = true;
	w->who = chef;
	set(w, "s1", "domain b.test user 202", json_pack("{s:s}", "name", "D"));
	st_session_end(w->st, "s1");
	set(w, "s2", "domain b.test user 203", json_pack("{s:s}", "name", "E"));
	assert_int_equal(
	    call(w, "s2", "commit", json_pack("{s:i}", "confirmed", 5)), 0);
	rev = json_incref(json_object_get(json_array_get(rows(w), 0), "rev"));
	w->who = anna;
	assert_int_equal(call(w, "s3", "show candidates", NULL), 0);
	assert_int_equal(json_array_size(rows(w)), 0);
	assert_int_equal(call(w, "s3", "configure resume",
			     json_pack("{s:s}", "session", "s1")),
	    -ERR_ABSENT);
	assert_int_equal(
	    call(w, "s3", "discard", json_pack("{s:s}", "session", "s1")),
	    -ERR_ABSENT);
	assert_int_equal(
	    call(w, "s3", "confirm", json_pack("{s:O}", "rev", rev)),
	    -ERR_ABSENT);
	assert_int_equal(
	    call(w, "s3", "undo", json_pack("{s:O}", "rev", rev)), -ERR_ABSENT);
	/* Nor may they what they could not commit. */
	json_decref(rev);
	w->who = chef;
	set(w, "s4", "domain a.test", json_pack("{s:s}", "description", "x"));
	assert_int_equal(
	    call(w, "s4", "commit", json_pack("{s:i}", "confirmed", 5)), 0);
	rev = json_incref(json_object_get(json_array_get(rows(w), 0), "rev"));
	w->who = anna;
	assert_int_equal(call(w, "s3", "undo", json_pack("{s:O}", "rev", rev)),
	    -ERR_PERMISSION);
	assert_int_equal(
	    call(w, "s3", "confirm", json_pack("{s:O}", "rev", rev)),
	    -ERR_PERMISSION);
	/* A copy leads out of the part no more than an edit. */
	assert_int_equal(call(w, "s3", "copy",
			     json_pack("{s:s, s:s}", "path", "domain x.a.test",
				 "to", "c.test")),
	    0);
	assert_int_equal(
	    call(w, "s3", "commit", json_object()), -ERR_PERMISSION);
	assert_int_equal(
	    call(w, "s3", "commit", json_pack("{s:s}", "at", "+1h")),
	    -ERR_PERMISSION);
	json_decref(rev);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_the_part_is_shown),
	    cmocka_unit_test(what_waits_is_theirs_only),
	    cmocka_unit_test(only_their_revisions_are_shown),
	    cmocka_unit_test(they_work_within),
	    cmocka_unit_test(what_is_shown_to_them_is_taken_back),
	    cmocka_unit_test(an_old_candidate_is_refused),
	    cmocka_unit_test(words_name_nobody_else),
	    cmocka_unit_test(who_shuts_themselves_out_is_warned),
	    cmocka_unit_test(administrators_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
