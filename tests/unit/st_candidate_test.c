/*
 * Candidates that outlive their session, commits that wait: for a time, for a
 * confirmation; what is copied and renamed.
 */
#include "tests/unit/st_world.h"

static const char *
text(json_t *row, const char *name)
{
	const char *t = json_string_value(json_object_get(row, name));

	return t != NULL ? t : "";
}

static int64_t
number(json_t *row, const char *name)
{
	return json_integer_value(json_object_get(row, name));
}

static json_t *
row(struct world *w, size_t i)
{
	return json_array_get(rows(w), i);
}

/* Is a line among those of the running configuration? */
static bool
runs(struct world *w, const char *line)
{
	json_t *one;
	size_t i;

	assert_int_equal(
	    call(w, "look", "show configuration", json_object()), 0);
	json_array_foreach (rows(w), i, one) {
		if (strcmp(text(one, "line"), line) == 0)
			return true;
	}
	return false;
}

static void
set_ban(struct world *w, const char *session, int n)
{
	set(w, session, "gate default", json_pack("{s:i}", "ban-after", n));
}

static bool
ban_is(struct world *w, int n)
{
	char line[60];

	snprintf(line, sizeof line, "set gate default ban-after %d", n);
	return runs(w, line);
}

static int
update(struct world *w, const char *session, const char *keep)
{
	return call(w, session, "update", json_pack("{s:s}", "keep", keep));
}

static int
commit_at(struct world *w, const char *session, const char *at)
{
	return call(w, session, "commit", json_pack("{s:s}", "at", at));
}

static int
erase(struct world *w, const char *session, const char *path)
{
	return call(w, session, "delete", json_pack("{s:s}", "path", path));
}

/* Take up, or forget, the candidate of another session. */
static int
take(struct world *w, const char *session, const char *op, const char *other)
{
	return call(w, session, op, json_pack("{s:s}", "session", other));
}

/* Something waits for a time that has come. */
static bool
is_due(struct world *w)
{
	sqlite3 *commit = w->st->view.db(w->st, "commit");
	struct st_confirm c;
	struct st_draft d;

	return (st_confirm_due(commit, &c) == 0 && c.until <= clock_real()) ||
	    (st_draft_due(commit, &d) == 0 && d.at <= clock_real());
}

static void
on_turn(void *arg)
{
	loop_stop(arg);
}

/* Two days later: what waits for a time is carried out. */
static void
time_passes(struct world *w)
{
	struct loop_timer *turn = loop_timer_new(w->loop, on_turn, w->loop);

	clock_step(2 * 86400 * (int64_t)CLOCK_SEC);
	st_clock_look(w->st);
	while (is_due(w) || w->st->job != NULL) {
		loop_timer_set(turn, CLOCK_MS);
		world_run(w);
	}
	loop_timer_free(&turn);
}

/* A demo domain to work in. */
static struct world *
world_with_number(void)
{
	struct world *w = world_new();

	set(w, "s0", "domain a.test", json_object());
	set(w, "s0", "domain a.test user 101",
	    json_pack("{s:s, s:s}", "name", "A", "password", "xyzzy"));
	set(w, "s0", "domain a.test number 500",
	    json_pack("{s:s}", "user", "101"));
	commit(w, "s0");
	return w;
}

/* ---- candidates that are kept ---------------------------------------------
 */

static void
a_kept_candidate_is_resumed(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->keep = true;
	set_ban(w, "s1", 5);
	st_session_end(w->st, "s1");
	assert_int_equal(call(w, "s2", "show candidates", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 1);
	assert_string_equal(text(row(w, 0), "session"), "s1");
	assert_string_equal(text(row(w, 0), "operator"), "ivanov");
	assert_string_equal(text(row(w, 0), "state"), "left");
	assert_int_equal(call(w, "s2", "configure resume", json_object()), 0);
	assert_string_equal(text(row(w, 0), "session"), "s1");
	call(w, "s2", "compare", json_object());
	assert_int_equal(json_array_size(rows(w)), 1);
	call(w, "s1", "compare", json_object());
	assert_int_equal(json_array_size(rows(w)), 0);
	/* It is open now, and nothing else was left. */
	w->name = "petrov";
	assert_int_equal(
	    call(w, "s3", "configure resume", json_object()), -ERR_ABSENT);
	assert_int_equal(take(w, "s3", "configure resume", "s2"), -ERR_REFUSED);
	commit(w, "s2");
	assert_true(ban_is(w, 5));
	call(w, "s3", "show candidates", json_object());
	assert_int_equal(json_array_size(rows(w)), 0);
	world_free(w);
}

/* Nobody is lost with the owner, or with the control process that is asked. */
static void
candidates_outlive_processes(void **state)
{
	struct world *w = world_new();
	json_t *live = json_array();

	(void)state;
	w->keep = true;
	set_ban(w, "s1", 5);
	w->keep = false;
	set_ban(w, "s2", 6);
	world_crash(w);
	world_own(w, 2);
	st_sessions(w->st, NULL, live);
	json_decref(live);
	call(w, "s3", "show candidates", json_object());
	assert_int_equal(json_array_size(rows(w)), 1);
	assert_string_equal(text(row(w, 0), "state"), "left");
	/* Another operator may take it up by its name, and is told whose. */
	w->name = "petrov";
	assert_int_equal(take(w, "s3", "configure resume", "s1"), 0);
	assert_int_equal(
	    json_array_size(json_object_get(w->result, "warn")), 1);
	commit(w, "s3");
	assert_true(ban_is(w, 5));
	world_free(w);
}

static void
a_candidate_of_nothing_is_not_kept(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->keep = true;
	set_ban(w, "s1", 5);
	call(w, "s1", "discard", json_object());
	st_session_end(w->st, "s1");
	set_ban(w, "s2", 6);
	st_session_end(w->st, "s2");
	assert_int_equal(take(w, "s3", "discard", "s1"), -ERR_ABSENT);
	assert_int_equal(take(w, "s3", "discard", "s2"), 0);
	call(w, "s3", "show candidates", json_object());
	assert_int_equal(json_array_size(rows(w)), 0);
	/* A full candidate takes up none. */
	set_ban(w, "s3", 5);
	st_session_end(w->st, "s3");
	set_ban(w, "s4", 7);
	assert_int_equal(
	    call(w, "s4", "configure resume", json_object()), -ERR_REFUSED);
	world_free(w);
}

/* ---- commit confirmed ------------------------------------------------------
 */

static void
commit_confirmed(struct world *w, const char *session)
{
	if (call(w, session, "commit", json_pack("{s:i}", "confirmed", 5)) != 0)
		fail_msg("commit confirmed: %s", w->err.text);
}

static void
what_is_not_confirmed_is_undone(void **state)
{
	struct world *w = world_new();
	int64_t rev;

	(void)state;
	set_ban(w, "s1", 5);
	commit_confirmed(w, "s1");
	rev = number(row(w, 0), "rev");
	assert_true(strlen(text(row(w, 0), "until")) > 0);
	assert_true(ban_is(w, 5));
	/* What others commit elsewhere stays. */
	set(w, "s2", "domain b.test", json_object());
	commit(w, "s2");
	time_passes(w);
	assert_false(ban_is(w, 5));
	assert_true(runs(w, "set domain b.test"));
	call(w, "s1", "show revisions", json_object());
	assert_string_equal(text(row(w, 0), "operator"), "system");
	assert_int_equal(number(row(w, 0), "rev"), rev + 2);
	assert_int_equal(call(w, "s1", "confirm", json_object()), -ERR_ABSENT);
	world_free(w);
}

static void
what_is_confirmed_stays(void **state)
{
	struct world *w = world_new();
	int64_t rev;

	(void)state;
	set_ban(w, "s1", 5);
	commit_confirmed(w, "s1");
	rev = number(row(w, 0), "rev");
	w->name = "petrov";
	assert_int_equal(call(w, "s2", "confirm", json_object()), -ERR_ABSENT);
	w->name = NULL;
	assert_int_equal(call(w, "s2", "confirm", json_object()), 0);
	assert_int_equal(number(row(w, 0), "rev"), rev);
	time_passes(w);
	assert_true(ban_is(w, 5));
	world_free(w);
}

/* The owner that comes next does it, whoever had promised. */
static void
the_next_owner_undoes(void **state)
{
	struct world *w = world_new();

	(void)state;
	set_ban(w, "s1", 5);
	commit_confirmed(w, "s1");
	world_crash(w);
	world_own(w, 2);
	assert_true(ban_is(w, 5));
	time_passes(w);
	assert_false(ban_is(w, 5));
	world_free(w);
}

/* Nobody may build on what may go, or change it twice. */
static void
nobody_touches_what_awaits(void **state)
{
	struct world *w = world_with_number();
	json_t *told;

	(void)state;
	set(w, "s1", "domain a.test user 102", json_pack("{s:s}", "name", "B"));
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "X"));
	set(w, "s1", "domain c.test", json_object());
	commit_confirmed(w, "s1");
	set(w, "s2", "domain a.test user 101", json_pack("{s:s}", "name", "Y"));
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_CONFLICT);
	told = json_array_get(json_object_get(w->data, "rows"), 0);
	assert_string_equal(text(told, "path"), "domain a.test user 101");
	assert_string_equal(text(told, "field"), "name");
	assert_string_equal(text(told, "operator"), "ivanov");
	call(w, "s2", "discard", json_object());
	/* Another field of it is free; what is in a new domain is not. */
	set(w, "s2", "domain a.test user 101",
	    json_pack("{s:i}", "max-contacts", 3));
	commit(w, "s2");
	set(w, "s2", "domain c.test user 1", json_object());
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_CONFLICT);
	call(w, "s2", "discard", json_object());
	erase(w, "s2", "domain a.test user 102");
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_CONFLICT);
	call(w, "s2", "discard", json_object());
	assert_int_equal(call(w, "s1", "undo", json_object()), 0);
	assert_false(runs(w, "set domain c.test"));
	assert_true(runs(w,
	    "set domain a.test user 101 name A password $SEALED$ "
	    "max-contacts 3"));
	world_free(w);
}

/* What refers to it keeps it: it is told, and tried again. */
static void
what_cannot_be_undone_is_told(void **state)
{
	struct world *w = world_with_number();
	struct st_confirm c;

	(void)state;
	set(w, "s1", "domain a.test user 102", json_pack("{s:s}", "name", "B"));
	commit_confirmed(w, "s1");
	set(w, "s2", "domain a.test number 501",
	    json_pack("{s:s}", "user", "102"));
	commit(w, "s2");
	assert_int_equal(call(w, "s1", "undo", json_object()), -ERR_CHECK);
	time_passes(w);
	assert_true(runs(w, "set domain a.test user 102 name B"));
	assert_int_equal(
	    st_confirm_due(w->st->view.db(w->st, "commit"), &c), 0);
	assert_non_null(strstr(c.failed, "102"));
	assert_true(c.until > clock_real());
	assert_int_equal(erase(w, "s2", "domain a.test number 501"), 0);
	commit(w, "s2");
	time_passes(w);
	assert_false(runs(w, "set domain a.test user 102 name B"));
	world_free(w);
}

/* ---- commit at a time ------------------------------------------------------
 */

static void
a_commit_waits_for_its_time(void **state)
{
	struct world *w = world_new();
	char session[64];

	(void)state;
	set_ban(w, "s1", 5);
	assert_int_equal(call(w, "s1", "commit",
			     json_pack("{s:s, s:s, s:i}", "at", "+2h",
				 "comment", "tonight", "confirmed", 9)),
	    0);
	str_copy(session, sizeof session, text(row(w, 0), "session"));
	call(w, "s1", "compare", json_object());
	assert_int_equal(json_array_size(rows(w)), 0);
	assert_false(ban_is(w, 5));
	st_session_end(w->st, "s1");
	call(w, "s2", "show candidates", json_object());
	assert_string_equal(text(row(w, 0), "state"), "waits");
	assert_string_equal(text(row(w, 0), "comment"), "tonight");
	world_crash(w);
	world_own(w, 2);
	time_passes(w);
	assert_true(ban_is(w, 5));
	call(w, "s2", "show revisions", json_object());
	assert_string_equal(text(row(w, 0), "comment"), "tonight");
	assert_string_equal(text(row(w, 0), "operator"), "ivanov");
	assert_true(strlen(text(row(w, 0), "until")) > 0);
	world_free(w);
}

/* When it cannot be, it is not: it is there to be looked at. */
static void
a_commit_that_fails_at_its_time_is_left(void **state)
{
	struct world *w = world_new();

	(void)state;
	set_ban(w, "s1", 5);
	assert_int_equal(commit_at(w, "s1", "+1d"), 0);
	set_ban(w, "s2", 6);
	commit(w, "s2");
	time_passes(w);
	assert_true(ban_is(w, 6));
	call(w, "s1", "show candidates", json_object());
	assert_string_equal(text(row(w, 0), "state"), "left");
	assert_non_null(strstr(text(row(w, 0), "failed"), "ban-after"));
	assert_int_equal(call(w, "s1", "configure resume", json_object()), 0);
	assert_int_equal(call(w, "s1", "commit", json_object()), -ERR_CONFLICT);
	/* Now it is meant. */
	assert_int_equal(update(w, "s1", "mine"), 0);
	assert_int_equal(number(row(w, 0), "updated"), 1);
	commit(w, "s1");
	assert_true(ban_is(w, 5));
	world_free(w);
}

static void
bad_times_are_refused(void **state)
{
	struct world *w = world_new();

	(void)state;
	set_ban(w, "s1", 5);
	assert_int_equal(commit_at(w, "s1", "-1h"), -ERR_INVALID);
	assert_int_equal(commit_at(w, "s1", "soon"), -ERR_INVALID);
	assert_int_equal(
	    call(w, "s1", "commit", json_pack("{s:i}", "confirmed", 0)),
	    -ERR_INVALID);
	assert_false(ban_is(w, 5));
	commit(w, "s1");
	assert_true(ban_is(w, 5));
	world_free(w);
}

/* ---- update ----------------------------------------------------------------
 */

static void
theirs_forgets_what_others_changed(void **state)
{
	struct world *w = world_with_number();

	(void)state;
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "X"));
	set(w, "s1", "domain a.test user 102", json_pack("{s:s}", "name", "B"));
	set(w, "s2", "domain a.test user 101", json_pack("{s:s}", "name", "Y"));
	commit(w, "s2");
	assert_int_equal(update(w, "s1", "theirs"), 0);
	assert_int_equal(number(row(w, 0), "updated"), 1);
	commit(w, "s1");
	assert_true(
	    runs(w, "set domain a.test user 101 name Y password $SEALED$"));
	assert_true(runs(w, "set domain a.test user 102 name B"));
	/* An object that is gone: mine makes it anew. */
	set(w, "s1", "domain a.test user 102", json_pack("{s:s}", "name", "C"));
	erase(w, "s2", "domain a.test user 102");
	commit(w, "s2");
	assert_int_equal(call(w, "s1", "commit", json_object()), -ERR_CONFLICT);
	update(w, "s1", "mine");
	commit(w, "s1");
	assert_true(runs(w, "set domain a.test user 102 name C"));
	world_free(w);
}

/* ---- copy, rename ----------------------------------------------------------
 */

static json_t *
to(const char *path, const char *key)
{
	return json_pack("{s:s, s:s}", "path", path, "to", key);
}

static void
a_copy_has_all_but_secrets(void **state)
{
	struct world *w = world_with_number();

	(void)state;
	set(w, "s1", "domain a.test user 101",
	    json_pack("{s:i}", "max-contacts", 3));
	assert_int_equal(
	    call(w, "s1", "copy", to("domain a.test user 101", "107")), 0);
	assert_int_equal(
	    json_array_size(json_object_get(w->result, "warn")), 1);
	assert_int_equal(
	    call(w, "s1", "copy", to("domain a.test user 101", "107")),
	    -ERR_REFUSED);
	assert_int_equal(
	    call(w, "s1", "copy", to("domain a.test user 101", "x y")),
	    -ERR_INVALID);
	assert_int_equal(
	    call(w, "s1", "copy", to("domain a.test user 109", "108")),
	    -ERR_ABSENT);
	commit(w, "s1");
	assert_true(
	    runs(w, "set domain a.test user 107 name A max-contacts 3"));
	assert_int_equal(
	    call(w, "s1", "copy", to("domain a.test", "d.test")), 0);
	commit(w, "s1");
	assert_true(
	    runs(w, "set domain d.test user 107 name A max-contacts 3"));
	assert_true(runs(w, "set domain d.test number 500 user 101"));
	world_free(w);
}

static void
a_rename_takes_references_along(void **state)
{
	struct world *w = world_with_number();

	(void)state;
	assert_int_equal(
	    call(w, "s1", "rename", to("domain a.test user 101", "111")), 0);
	commit(w, "s1");
	assert_true(runs(w, "set domain a.test user 111 name A"));
	assert_true(runs(w, "set domain a.test number 500 user 111"));
	assert_false(
	    runs(w, "set domain a.test user 101 name A password $SEALED$"));
	assert_int_equal(call(w, "s1", "rename", to("domain a.test", "b.test")),
	    -ERR_REFUSED);
	world_free(w);
}

/* With a user to whom nothing refers, and who has no secret. */
static struct world *
world_plain_user(void)
{
	struct world *w = world_with_number();

	set(w, "s0", "domain a.test user 102", json_pack("{s:s}", "name", "B"));
	commit(w, "s0");
	return w;
}

static void
renames(struct world *w, const char *session, const char *path, const char *key)
{
	assert_int_equal(call(w, session, "rename", to(path, key)), 0);
}

/* What the first conflict of the last answer says of the other side, and of
 * this one. */
static void
is_refused(
    struct world *w, const char *session, const char *path, const char *yours)
{
	json_t *one;

	assert_int_equal(
	    call(w, session, "commit", json_object()), -ERR_CONFLICT);
	one = json_array_get(json_object_get(w->data, "rows"), 0);
	assert_string_equal(text(one, "path"), path);
	assert_string_equal(text(one, "theirs"), "deleted");
	assert_string_equal(text(one, "yours"), yours);
	assert_int_equal(number(one, "rev"), w->st->rev);
}

/* One object becomes one: whose source is not there any more, renamed or
 * deleted by somebody else, is no rename. */
static void
what_is_gone_is_not_renamed(void **state)
{
	struct world *w = world_plain_user();

	(void)state;
	renames(w, "s1", "domain a.test user 102", "110");
	renames(w, "s2", "domain a.test user 102", "111");
	commit(w, "s2");
	is_refused(w, "s1", "domain a.test user 102",
	    "renamed to domain a.test user 110");
	assert_true(runs(w, "set domain a.test user 111 name B"));
	assert_false(runs(w, "set domain a.test user 110 name B"));
	call(w, "s1", "discard", NULL);
	/* deleted: it does not come back under another name */
	renames(w, "s1", "domain a.test user 111", "112");
	erase(w, "s2", "domain a.test user 111");
	commit(w, "s2");
	is_refused(w, "s1", "domain a.test user 111",
	    "renamed to domain a.test user 112");
	assert_false(runs(w, "set domain a.test user 112 name B"));
	world_free(w);
}

/* After the conflict: theirs leaves nothing of the rename, mine means the copy
 * that it has become. What only the candidate has conflicts with nobody. */
static void
a_rename_is_settled_by_update(void **state)
{
	struct world *w = world_plain_user();

	(void)state;
	renames(w, "s1", "domain a.test user 102", "110");
	renames(w, "s2", "domain a.test user 102", "111");
	renames(w, "s3", "domain a.test user 102", "112");
	commit(w, "s2");
	assert_int_equal(update(w, "s1", "theirs"), 0);
	call(w, "s1", "compare", NULL);
	assert_int_equal(json_array_size(rows(w)), 0);
	assert_int_equal(update(w, "s3", "mine"), 0);
	commit(w, "s3");
	assert_true(runs(w, "set domain a.test user 111 name B"));
	assert_true(runs(w, "set domain a.test user 112 name B"));
	assert_false(runs(w, "set domain a.test user 110 name B"));
	set(w, "s1", "domain a.test user 120", json_pack("{s:s}", "name", "N"));
	renames(w, "s1", "domain a.test user 120", "121");
	commit(w, "s1");
	assert_true(runs(w, "set domain a.test user 121 name N"));
	world_free(w);
}

/* What others change in it is a conflict as it was, and mine stays a rename. */
static void
a_rename_of_what_was_changed(void **state)
{
	struct world *w = world_plain_user();

	(void)state;
	renames(w, "s1", "domain a.test user 102", "110");
	set(w, "s2", "domain a.test user 102", json_pack("{s:s}", "name", "Z"));
	commit(w, "s2");
	assert_int_equal(call(w, "s1", "commit", NULL), -ERR_CONFLICT);
	assert_int_equal(update(w, "s1", "mine"), 0);
	erase(w, "s2", "domain a.test user 102");
	commit(w, "s2");
	is_refused(w, "s1", "domain a.test user 102",
	    "renamed to domain a.test user 110");
	world_free(w);
}

/* A domain that both have made is one of them: of the other nothing stays, and
 * never its id. One that is gone can be forgotten. */
static void
a_domain_is_nobodys_half(void **state)
{
	struct world *w = world_with_number();

	(void)state;
	set(w, "s1", "domain n.test", json_pack("{s:s}", "description", "A"));
	set(w, "s1", "domain n.test user 1", json_object());
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 5));
	set(w, "s2", "domain n.test", json_pack("{s:s}", "description", "B"));
	set(w, "s2", "domain n.test user 2",
	    json_pack("{s:s}", "password", "xyzzy"));
	commit(w, "s2");
	assert_int_equal(update(w, "s1", "mine"), -ERR_REFUSED);
	assert_int_equal(update(w, "s1", "theirs"), 0);
	commit(w, "s1");
	assert_true(runs(w, "set domain n.test user 2 password $SEALED$"));
	assert_true(runs(w, "set domain n.test description B"));
	assert_true(ban_is(w, 5));
	set(w, "s1", "domain n.test user 2", json_pack("{s:s}", "name", "X"));
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 6));
	erase(w, "s2", "domain n.test");
	commit(w, "s2");
	assert_int_equal(call(w, "s1", "compare", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 1);
	assert_int_equal(call(w, "s1", "commit", json_object()), -ERR_CONFLICT);
	assert_int_equal(update(w, "s1", "theirs"), 0);
	commit(w, "s1");
	assert_true(ban_is(w, 6));
	world_free(w);
}

/* Large ones are a few looks a step; and what waits is never forgotten. */
static void
many_changes_await(void **state)
{
	struct world *w = world_with_number();
	char path[64];
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		snprintf(path, sizeof path, "domain a.test user %d", 10000 + i);
		ask(w, "s1", "set", set_args(path, json_object()));
		snprintf(path, sizeof path, "domain a.test user %d", 30000 + i);
		ask(w, "s2", "set", set_args(path, json_object()));
	}
	world_run(w);
	commit_confirmed(w, "s1");
	commit(w, "s2");
	for (i = 0; i < ST_REVISIONS + 5; i++) {
		set_ban(w, "s3", 5 + i % 2);
		commit(w, "s3");
	}
	time_passes(w);
	assert_false(runs(w, "set domain a.test user 10000"));
	assert_true(runs(w, "set domain a.test user 30000"));
	world_free(w);
}

static int
commit_named(
    struct world *w, const char *session, const char *at, const char *txid)
{
	return call(w, session, "commit",
	    json_pack("{s:s*, s:s}", "at", at, "txid", txid));
}

/* A commit that waits has the name that it was given: asked again it is
 * answered, and its revision is called so. */
static void
what_waits_keeps_its_name(void **state)
{
	struct world *w = world_new();
	json_t *first;

	(void)state;
	w->keep = true;
	set_ban(w, "s1", 5);
	assert_int_equal(commit_named(w, "s1", "+1h", "night"), 0);
	assert_string_equal(text(row(w, 0), "txid"), "night");
	first = json_deep_copy(rows(w));
	assert_int_equal(commit_named(w, "s1", "+1h", "night"), 0);
	assert_true(json_equal(first, rows(w)));
	json_decref(first);
	/* It is not free for another one meanwhile. */
	set_ban(w, "s2", 5);
	assert_int_equal(commit_named(w, "s2", "+1h", "night"), 0);
	set_ban(w, "s2", 6);
	assert_int_equal(commit_named(w, "s2", "+1h", "night"), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text, "has not what yours has"));
	assert_int_equal(commit_named(w, "s2", NULL, "night"), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text, "which waits until"));
	assert_int_equal(call(w, "s2", "discard", json_object()), 0);
	time_passes(w);
	assert_true(ban_is(w, 5));
	assert_int_equal(commit_named(w, "s1", "+1h", "night"), 0);
	assert_string_equal(text(row(w, 0), "txid"), "night");
	assert_int_equal(number(row(w, 0), "rev"), w->st->rev);
	world_free(w);
}

/* One that waits no more has no name: it can be used. */
static void
what_waits_no_more_has_no_name(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->keep = true;
	set_ban(w, "s1", 5);
	assert_int_equal(commit_named(w, "s1", "+1h", "night"), 0);
	assert_int_equal(call(w, "s1", "configure resume", json_object()), 0);
	assert_int_equal(commit_named(w, "s1", NULL, "night"), 0);
	assert_int_equal(number(row(w, 0), "rev"), w->st->rev);
	assert_true(ban_is(w, 5));
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_kept_candidate_is_resumed),
	    cmocka_unit_test(candidates_outlive_processes),
	    cmocka_unit_test(a_candidate_of_nothing_is_not_kept),
	    cmocka_unit_test(what_is_not_confirmed_is_undone),
	    cmocka_unit_test(what_is_confirmed_stays),
	    cmocka_unit_test(the_next_owner_undoes),
	    cmocka_unit_test(nobody_touches_what_awaits),
	    cmocka_unit_test(what_cannot_be_undone_is_told),
	    cmocka_unit_test(a_commit_waits_for_its_time),
	    cmocka_unit_test(a_commit_that_fails_at_its_time_is_left),
	    cmocka_unit_test(bad_times_are_refused),
	    cmocka_unit_test(theirs_forgets_what_others_changed),
	    cmocka_unit_test(a_domain_is_nobodys_half),
	    cmocka_unit_test(many_changes_await),
	    cmocka_unit_test(a_copy_has_all_but_secrets),
	    cmocka_unit_test(a_rename_takes_references_along),
	    cmocka_unit_test(what_is_gone_is_not_renamed),
	    cmocka_unit_test(a_rename_is_settled_by_update),
	    cmocka_unit_test(a_rename_of_what_was_changed),
	    cmocka_unit_test(what_waits_keeps_its_name),
	    cmocka_unit_test(what_waits_no_more_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
