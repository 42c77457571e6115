/*
 * Commits of a part, and by one alone: a layer of the candidate, a session that
 * holds the configuration; and what has changed since a revision.
 */
#include "tests/unit/st_world.h"

static const char *
cell(struct world *w, size_t i, const char *name)
{
	const char *t = json_string_value(
	    json_object_get(json_array_get(rows(w), i), name));

	return t != NULL ? t : "";
}

static size_t
compared(struct world *w, const char *session, json_t *args)
{
	assert_int_equal(call(w, session, "compare", args), 0);
	return json_array_size(rows(w));
}

static int
layer(struct world *w, const char *session, const char *op, const char *word)
{
	return call(w, session, op, json_pack("{s:s}", "layer", word));
}

/* Something of each layer. */
static void
edit_all(struct world *w, const char *session)
{
	set(w, session, "gate default", json_pack("{s:i}", "ban-after", 5));
	set(w, session, "domain a.test", json_object());
	set(w, session, "domain a.test user 101",
	    json_pack("{s:s}", "name", "A"));
	set(w, session, "server srv1 listener lan",
	    json_pack("{s:s, s:s, s:i}", "transport", "udp", "address",
		"127.0.0.1", "port", 5060));
}

/* ---- layers ---------------------------------------------------------------
 */

static void
a_layer_is_committed_alone(void **state)
{
	struct world *w = world_new();
	int64_t rev = w->st->rev;

	(void)state;
	edit_all(w, "s1");
	assert_int_equal(
	    compared(w, "s1", json_pack("{s:s}", "layer", "structure")), 1);
	assert_string_equal(cell(w, 0, "path"), "gate default");
	assert_int_equal(layer(w, "s1", "check", "structure"), 0);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(rows(w), 0), "changes")),
	    1);
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_int_equal(w->st->rev, rev + 1);
	/* The rest is still there, and nothing of it runs. */
	assert_int_equal(
	    compared(w, "s1", json_pack("{s:s}", "layer", "structure")), 0);
	assert_int_not_equal(
	    compared(w, "s1", json_pack("{s:s}", "layer", "data")), 0);
	call(w, "s1", "show configuration",
	    json_pack("{s:s}", "path", "domain a.test"));
	assert_int_equal(json_array_size(rows(w)), 0);
	assert_int_equal(layer(w, "s1", "commit", "data"), 0);
	assert_int_equal(layer(w, "s1", "commit", "infrastructure"), 0);
	assert_int_equal(w->st->rev, rev + 3);
	assert_int_equal(compared(w, "s1", json_object()), 0);
	world_free(w);
}

/* A layer of which the candidate has nothing commits nothing. */
static void
an_empty_layer_is_nothing(void **state)
{
	struct world *w = world_new();
	int64_t rev = w->st->rev;

	(void)state;
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 5));
	assert_int_equal(layer(w, "s1", "commit", "data"), 0);
	assert_int_equal(w->st->rev, rev);
	assert_int_equal(compared(w, "s1", json_object()), 1);
	assert_int_equal(layer(w, "s1", "commit", "nonsense"), -ERR_INVALID);
	world_free(w);
}

/* What a layer needs of another one is missed by its check, not forgotten. */
static void
a_layer_that_needs_another_is_refused(void **state)
{
	struct world *w = world_new();

	(void)state;
	set(w, "s1", "server srv2", json_object());
	set(w, "s1", "server srv2 role b2bua",
	    json_pack("{s:i}", "instances", 2));
	assert_int_equal(layer(w, "s1", "commit", "structure"), -ERR_CHECK);
	assert_int_equal(layer(w, "s1", "commit", "infrastructure"), 0);
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_int_equal(compared(w, "s1", json_object()), 0);
	world_free(w);
}

/* The first warning of the last answer. */
static const char *
warned(struct world *w)
{
	const char *t = json_string_value(
	    json_array_get(json_object_get(w->result, "warn"), 0));

	return t != NULL ? t : "";
}

/* Where the layer has nothing, it is said where there is something. */
static void
an_empty_layer_names_the_others(void **state)
{
	struct world *w = world_new();

	(void)state;
	edit_all(w, "s1");
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_string_equal(warned(w),
	    "nothing to commit of layer structure; the candidate has changes "
	    "of: infrastructure, data");
	assert_int_equal(layer(w, "s1", "commit", "data"), 0);
	assert_int_equal(layer(w, "s1", "commit", "infrastructure"), 0);
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_string_equal(warned(w), "nothing to commit");
	world_free(w);
}

static int
named(struct world *w, const char *txid, const char *word)
{
	return call(w, "s1", "commit",
	    json_pack("{s:s, s:s*}", "txid", txid, "layer", word));
}

/* The name of a commit of one layer does not stand for one of another. */
static void
a_txid_names_a_commit_of_one_layer(void **state)
{
	struct world *w = world_new();
	int64_t rev = w->st->rev;
	json_t *first;

	(void)state;
	edit_all(w, "s1");
	assert_int_equal(named(w, "t-1", "structure"), 0);
	first = json_deep_copy(rows(w));
	assert_int_equal(named(w, "t-1", "structure"), 0);
	assert_true(json_equal(first, rows(w)));
	json_decref(first);
	assert_int_equal(named(w, "t-1", "data"), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text,
	    "a commit of layer structure, "
	    "and not this one of layer data"));
	assert_int_equal(named(w, "t-1", NULL), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text, "one of the whole candidate"));
	assert_int_equal(w->st->rev, rev + 1);
	assert_int_equal(named(w, "t-2", NULL), 0);
	assert_int_equal(named(w, "t-2", "data"), -ERR_CONFLICT);
	assert_int_equal(w->st->rev, rev + 2);
	assert_int_equal(compared(w, "s1", json_object()), 0);
	world_free(w);
}

static void
call_101(struct world *w, const char *session, const char *name)
{
	set(w, session, "domain a.test user 101",
	    json_pack("{s:s}", "name", name));
}

/* The name of a commit does not stand for one of other changes: these would be
 * lost. The same changes once more are answered, also where somebody else has
 * made others of them since. */
static void
a_txid_names_a_commit_of_its_changes(void **state)
{
	struct world *w = world_new();
	json_t *first;

	(void)state;
	edit_all(w, "s1");
	assert_int_equal(named(w, "t-0", NULL), 0);
	call_101(w, "s1", "Ada");
	assert_int_equal(named(w, "t-1", NULL), 0);
	first = json_deep_copy(rows(w));
	call_101(w, "s1", "Eve");
	assert_int_equal(named(w, "t-1", NULL), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text, "not what the candidate has"));
	assert_non_null(strstr(w->err.text, "user 101: name"));
	call_101(w, "s1", "Ada");
	set(w, "s1", "domain a.test user 77", json_object());
	assert_int_equal(named(w, "t-1", NULL), -ERR_CONFLICT);
	assert_int_equal(call(w, "s1", "discard", json_object()), 0);
	call_101(w, "s1", "Ada");
	assert_int_equal(named(w, "t-1", NULL), 0);
	assert_true(json_equal(first, rows(w)));
	assert_int_equal(compared(w, "s1", json_object()), 0);
	call_101(w, "s2", "Eve");
	assert_int_equal(call(w, "s2", "commit", json_object()), 0);
	call_101(w, "s1", "Ada");
	assert_int_equal(named(w, "t-1", NULL), 0);
	assert_true(json_equal(first, rows(w)));
	assert_non_null(strstr(warned(w), "others have changed"));
	json_decref(first);
	world_free(w);
}

/* What waits for its time is a whole candidate. */
static void
a_layer_does_not_wait(void **state)
{
	struct world *w = world_new();

	(void)state;
	edit_all(w, "s1");
	assert_int_equal(
	    call(w, "s1", "commit",
		json_pack("{s:s, s:s}", "layer", "data", "at", "+1h")),
	    -ERR_INVALID);
	assert_int_not_equal(compared(w, "s1", json_object()), 0);
	world_free(w);
}

static int
del(struct world *w, const char *session, const char *path)
{
	return call(w, session, "delete", json_pack("{s:s}", "path", path));
}

/* A server of which one layer is the machine, another what it runs. */
static void
server(struct world *w)
{
	set(w, "s0", "server srv2", json_object());
	set(w, "s0", "server srv2 role b2bua",
	    json_pack("{s:i}", "instances", 2));
	commit(w, "s0");
}

/* What a session has committed of one layer does not conflict with what it
 * does to the object above it, begun before or after. */
static void
an_own_part_is_no_conflict(void **state)
{
	struct world *w = world_new();

	(void)state;
	server(w);
	set(w, "s1", "server srv2", json_pack("{s:s}", "description", "x"));
	set(w, "s1", "server srv2 role b2bua",
	    json_pack("{s:i}", "instances", 3));
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	set(w, "s1", "server srv2 role sg", json_pack("{s:i}", "instances", 1));
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_int_equal(del(w, "s1", "server srv2"), 0);
	commit(w, "s1");
	call(w, "s1", "show configuration",
	    json_pack("{s:s}", "path", "server srv2"));
	assert_int_equal(json_array_size(rows(w)), 0);
	world_free(w);
}

/* What others have committed meanwhile still does. */
static void
the_part_of_another_is_a_conflict(void **state)
{
	struct world *w = world_new();

	(void)state;
	server(w);
	set(w, "s1", "server srv2", json_pack("{s:s}", "description", "x"));
	set(w, "s2", "server srv2 role b2bua",
	    json_pack("{s:i}", "instances", 3));
	commit(w, "s2");
	set(w, "s1", "server srv2 role sg", json_pack("{s:i}", "instances", 1));
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_int_equal(del(w, "s1", "server srv2"), 0);
	assert_int_equal(call(w, "s1", "commit", json_object()), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text, "server srv2: was changed"));
	world_free(w);
}

/* The value that ran is no value of an object that is made anew with the one
 * above it: what the candidate says of it is wanted, what it does not say is
 * gone. */
static void
below_what_is_made_anew_all_is_new(void **state)
{
	struct world *w = world_new();

	(void)state;
	server(w);
	set(w, "s0", "server srv2 role sg", json_pack("{s:i}", "instances", 1));
	commit(w, "s0");
	assert_int_equal(del(w, "s1", "server srv2"), 0);
	assert_int_equal(call(w, "s1", "annotate",
			     json_pack("{s:s, s:s}", "path",
				 "server srv2 role sg", "note", "lost")),
	    -ERR_ABSENT);
	set(w, "s1", "server srv2", json_object());
	assert_int_equal(call(w, "s1", "annotate",
			     json_pack("{s:s, s:s}", "path",
				 "server srv2 role sg", "note", "lost")),
	    -ERR_ABSENT);
	set(w, "s1", "server srv2 role b2bua",
	    json_pack("{s:i}", "instances", 2));
	/* There is nothing that another would have had to settle. */
	assert_int_equal(
	    call(w, "s1", "update", json_pack("{s:s}", "keep", "theirs")), 0);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(rows(w), 0), "updated")),
	    0);
	/* Its layer cannot go first: it would be lost with the server. */
	assert_int_equal(layer(w, "s1", "commit", "structure"), -ERR_REFUSED);
	assert_non_null(strstr(w->err.text, "commit layer infrastructure"));
	assert_int_equal(layer(w, "s1", "commit", "infrastructure"), 0);
	assert_int_equal(layer(w, "s1", "commit", "structure"), 0);
	assert_int_equal(compared(w, "s1", json_object()), 0);
	call(w, "s1", "show configuration",
	    json_pack("{s:s}", "path", "server srv2"));
	assert_int_equal(json_array_size(rows(w)), 2);
	assert_string_equal(
	    cell(w, 1, "line"), "set server srv2 role b2bua instances 2");
	world_free(w);
}

/* The same in one commit, and of what is deleted there. */
static void
what_is_made_anew_is_whole_in_one_commit(void **state)
{
	struct world *w = world_new();

	(void)state;
	server(w);
	assert_int_equal(del(w, "s1", "server srv2"), 0);
	set(w, "s1", "server srv2 role b2bua",
	    json_pack("{s:i}", "instances", 2));
	/* below what is deleted nothing can be */
	assert_int_equal(call(w, "s1", "commit", json_object()), -ERR_CHECK);
	set(w, "s1", "server srv2", json_object());
	set(w, "s1", "server srv2 role sg", json_pack("{s:i}", "instances", 1));
	assert_int_equal(del(w, "s1", "server srv2 role sg"), 0);
	commit(w, "s1");
	call(w, "s1", "show configuration",
	    json_pack("{s:s}", "path", "server srv2"));
	assert_int_equal(json_array_size(rows(w)), 2);
	assert_string_equal(
	    cell(w, 1, "line"), "set server srv2 role b2bua instances 2");
	world_free(w);
}

/* ---- one alone -------------------------------------------------------------
 */

static int
configure(struct world *w, const char *session, const char *how)
{
	char name[40];

	snprintf(name, sizeof name, "configure %s", how);
	return call(w, session, name, json_object());
}

static void
one_session_alone_commits(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(configure(w, "s1", "private"), -ERR_ABSENT);
	assert_int_equal(configure(w, "s1", "exclusive"), 0);
	assert_int_equal(configure(w, "s1", "exclusive"), 0);
	assert_int_equal(configure(w, "s2", "exclusive"), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text, "session s1"));
	/* Others edit, and may not commit. */
	set(w, "s2", "gate default", json_pack("{s:i}", "ban-after", 6));
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_CONFLICT);
	assert_non_null(strstr(w->err.text, "session s1"));
	assert_int_equal(call(w, "s2", "show candidates", json_object()), 0);
	assert_int_equal(
	    json_array_size(json_object_get(w->result, "warn")), 1);
	/* Who only looks is warned, who wants nothing is not held up. */
	assert_int_equal(call(w, "s2", "check", json_object()), 0);
	assert_int_equal(
	    json_array_size(json_object_get(w->result, "warn")), 1);
	assert_int_equal(call(w, "s3", "commit", json_object()), 0);
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-time", 60));
	assert_int_equal(
	    call(w, "s1", "commit", json_pack("{s:i}", "confirmed", 5)), 0);
	assert_int_equal(call(w, "s2", "undo", json_object()), -ERR_CONFLICT);
	assert_int_equal(call(w, "s1", "confirm", json_object()), 0);
	assert_int_equal(configure(w, "s2", "private"), -ERR_ABSENT);
	assert_int_equal(configure(w, "s1", "private"), 0);
	commit(w, "s2");
	world_free(w);
}

/* Who alone may commit is a row among the candidates, with changes or none. */
static void
the_list_tells_who_alone_commits(void **state)
{
	struct world *w = world_new();
	json_t *all;

	(void)state;
	w->keep = true;
	set(w, "s2", "gate default", json_pack("{s:i}", "ban-after", 6));
	assert_int_equal(configure(w, "s1", "exclusive"), 0);
	assert_int_equal(call(w, "s2", "show candidates", json_object()), 0);
	all = rows(w);
	assert_int_equal(json_array_size(all), 2);
	assert_string_equal(cell(w, 0, "session"), "s2");
	assert_true(json_is_false(
	    json_object_get(json_array_get(all, 0), "exclusive")));
	assert_string_equal(cell(w, 1, "session"), "s1");
	assert_string_equal(cell(w, 1, "operator"), "ivanov");
	assert_true(
	    json_is_true(json_object_get(json_array_get(all, 1), "exclusive")));
	assert_int_equal(json_integer_value(
			     json_object_get(json_array_get(all, 1), "lines")),
	    0);
	/* One row a session. */
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-time", 60));
	assert_int_equal(call(w, "s2", "show candidates", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 2);
	assert_string_equal(cell(w, 1, "session"), "s1");
	assert_true(json_is_true(
	    json_object_get(json_array_get(rows(w), 1), "exclusive")));
	assert_int_equal(configure(w, "s1", "private"), 0);
	assert_int_equal(call(w, "s1", "show candidates", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 2);
	assert_true(json_is_false(
	    json_object_get(json_array_get(rows(w), 1), "exclusive")));
	world_free(w);
}

/* It ends with its session, and goes on with the next owner. */
static void
it_ends_with_its_session(void **state)
{
	struct world *w = world_new();
	json_t *live = json_pack("[s]", "s2");

	(void)state;
	assert_int_equal(configure(w, "s1", "exclusive"), 0);
	set(w, "s2", "gate default", json_pack("{s:i}", "ban-after", 6));
	world_crash(w);
	world_own(w, 2);
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_CONFLICT);
	st_session_end(w->st, "s1");
	commit(w, "s2");
	/* Or its end was told while nobody served. */
	assert_int_equal(configure(w, "s1", "exclusive"), 0);
	set(w, "s2", "gate default", json_pack("{s:i}", "ban-after", 7));
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_CONFLICT);
	st_sessions(w->st, NULL, live);
	json_decref(live);
	commit(w, "s2");
	world_free(w);
}

/* ---- since a revision -------------------------------------------------------
 */

static size_t
since(struct world *w, int64_t rev)
{
	return compared(w, "look", json_pack("{s:I}", "rev", (json_int_t)rev));
}

static void
what_has_changed_since_a_revision(void **state)
{
	struct world *w = world_new();
	int64_t rev;

	(void)state;
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 5));
	commit(w, "s1");
	rev = w->st->rev;
	assert_int_equal(since(w, rev), 0);
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 6));
	commit(w, "s1");
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 7));
	commit(w, "s1");
	/* First and last of it, not what lay between. */
	assert_int_equal(since(w, rev), 1);
	assert_string_equal(cell(w, 0, "old"), "5");
	assert_string_equal(cell(w, 0, "new"), "7");
	assert_int_equal(since(w, rev + 1), 1);
	assert_string_equal(cell(w, 0, "old"), "6");
	/* What is as it was is no change; nor is a candidate. */
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 5));
	commit(w, "s1");
	set(w, "look", "gate default", json_pack("{s:i}", "ban-after", 9));
	assert_int_equal(since(w, rev), 0);
	assert_int_equal(call(w, "look", "compare",
			     json_pack("{s:I}", "rev", (json_int_t)rev + 9)),
	    -ERR_ABSENT);
	world_free(w);
}

/* What was in a domain that ended is no difference to what runs. */
static void
since_then_a_domain_ended(void **state)
{
	struct world *w = world_new();
	int64_t rev;

	(void)state;
	set(w, "s1", "domain a.test", json_object());
	commit(w, "s1");
	rev = w->st->rev;
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	commit(w, "s1");
	assert_int_equal(call(w, "s1", "delete",
			     json_pack("{s:s}", "path", "domain a.test")),
	    0);
	commit(w, "s1");
	assert_int_not_equal(since(w, rev), 0);
	assert_string_equal(cell(w, 0, "path"), "domain a.test");
	assert_string_equal(cell(w, 0, "change"), "-");
	assert_string_not_equal(cell(w, json_array_size(rows(w)) - 1, "path"),
	    "domain a.test user 101");
	assert_int_equal(
	    json_array_size(json_object_get(w->result, "warn")), 1);
	set(w, "s1", "domain a.test", json_object());
	commit(w, "s1");
	assert_int_equal(since(w, rev), 1);
	assert_string_equal(cell(w, 0, "field"), "id");
	world_free(w);
}

/* A secret is masked, an object that came and went is no change. */
static void
since_then_objects_come_and_go(void **state)
{
	struct world *w = world_new();
	int64_t rev;
	size_t i, n;

	(void)state;
	set(w, "s1", "domain a.test", json_object());
	commit(w, "s1");
	rev = w->st->rev;
	set(w, "s1", "domain a.test user 101",
	    json_pack("{s:s, s:s}", "name", "A", "password", "xyzzy"));
	commit(w, "s1");
	n = since(w, rev);
	for (i = 0; i < n; i++) {
		assert_string_equal(cell(w, i, "change"), "+");
		if (strcmp(cell(w, i, "field"), "password") == 0)
			assert_string_equal(cell(w, i, "new"), OP_MASK);
	}
	assert_int_equal(n, 3);
	assert_int_equal(
	    call(w, "s1", "delete",
		json_pack("{s:s}", "path", "domain a.test user 101")),
	    0);
	commit(w, "s1");
	assert_int_equal(since(w, rev), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_layer_is_committed_alone),
	    cmocka_unit_test(an_empty_layer_is_nothing),
	    cmocka_unit_test(a_layer_that_needs_another_is_refused),
	    cmocka_unit_test(a_layer_does_not_wait),
	    cmocka_unit_test(an_empty_layer_names_the_others),
	    cmocka_unit_test(a_txid_names_a_commit_of_one_layer),
	    cmocka_unit_test(a_txid_names_a_commit_of_its_changes),
	    cmocka_unit_test(an_own_part_is_no_conflict),
	    cmocka_unit_test(the_part_of_another_is_a_conflict),
	    cmocka_unit_test(below_what_is_made_anew_all_is_new),
	    cmocka_unit_test(what_is_made_anew_is_whole_in_one_commit),
	    cmocka_unit_test(one_session_alone_commits),
	    cmocka_unit_test(the_list_tells_who_alone_commits),
	    cmocka_unit_test(it_ends_with_its_session),
	    cmocka_unit_test(what_has_changed_since_a_revision),
	    cmocka_unit_test(since_then_a_domain_ended),
	    cmocka_unit_test(since_then_objects_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
