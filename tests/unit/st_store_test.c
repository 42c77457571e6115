/* The life of the store's owner, over a stand-in for replication. */
#include "st_world.h"
#include "tests/lib/op_laws.h"

/* show configuration PATH, as one text. */
static const char *
shown(struct world *w, const char *session, const char *path)
{
	static char out[4096];
	json_t *args = json_object(), *row;
	size_t i;

	if (path != NULL)
		json_object_set_new(args, "path", json_string(path));
	if (session != NULL)
		json_object_set_new(args, "candidate", json_true());
	if (call(w, session != NULL ? session : "x", "show configuration",
		args) != 0)
		fail_msg("show configuration: %s", w->err.text);
	out[0] = '\0';
	json_array_foreach (rows(w), i, row)
		snprintf(out + strlen(out), sizeof out - strlen(out), "%s\n",
		    json_string_value(json_object_get(row, "line")));
	return out;
}

static void
says(const struct world *w, const char *words)
{
	if (strstr(w->err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", w->err.text, words);
}

/* Run until the decision of a commit is written, and stop there. */
static void
run_to_decision(struct world *w)
{
	const struct st_stream *s = st_stream_find(w->st, "commit");
	struct st_revision r;
	int turns = 0;

	while (st_revision_pending(stream_db(s->stream), &r) != 0 ||
	    sqlite3_get_autocommit(stream_db(s->stream)) == 0) {
		loop_defer(w->loop,
		    &(struct loop_defer){
			.fn = (loop_fn *)loop_stop, .arg = w->loop});
		loop_run(w->loop);
		assert_in_range(++turns, 1, 100);
	}
}

/* ----------------------------------------------------------------------------
 */

/* The records of the store keep the laws of all records. */
static void
records_keep_the_laws(void **state)
{
	const struct op_table table = {.ops = st_role.ops, .objs = obj_table};
	struct buf broken = BUF_INIT;

	(void)state;
	if (op_laws_check(&table, &broken) != 0)
		fail_msg("%s", broken.data);
	buf_fini(&broken);
}

/* The first start writes what the boot file says, as revision 1, and a second
 * start writes nothing. */
static void
the_first_start_makes_the_site(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_string_equal(shown(w, NULL, NULL),
	    "set server srv1\n"
	    "set server srv1 role b2bua instances 1\n"
	    "set server srv1 role mg instances 1\n"
	    "set server srv1 role mgc instances 2\n"
	    "set server srv1 role sg instances 1\n"
	    "set server srv1 role sr instances 2\n"
	    "set server srv1 role st instances 2\n"
	    "set gate default\n");
	assert_int_equal(call(w, "s1", "show revisions", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 1);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(rows(w), 0), "operator")),
	    "system");
	world_crash(w);
	world_own(w, 2);
	assert_int_equal(call(w, "s1", "show revisions", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 1);
	world_free(w);
}

/* A server goes with its listeners and roles, in one commit that succeeds. */
static void
what_is_deleted_takes_along_what_is_below(void **state)
{
	static const char *const names[] = {"lan", "wan"};
	struct world *w = world_new();
	char path[64];
	int i;

	(void)state;
	set(w, "s1", "server srv2 role sg", json_pack("{s:i}", "instances", 1));
	set(w, "s1", "server srv2", json_pack("{s:s}", "description", "new"));
	for (i = 0; i < 2; i++) {
		snprintf(
		    path, sizeof path, "server srv2 listener %s", names[i]);
		set(w, "s1", path,
		    json_pack("{s:s, s:s, s:i}", "transport", "udp", "address",
			"127.0.0.1", "port", 5060 + i));
	}
	commit(w, "s1");
	assert_int_equal(
	    call(w, "s1", "delete", json_pack("{s:s}", "path", "server srv2")),
	    0);
	commit(w, "s1");
	assert_null(strstr(shown(w, NULL, "server"), "srv2"));
	world_free(w);
}

/* A commit goes to every stream, tells readers, and is one revision. */
static void
a_commit_reaches_all_streams(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->repl->changes[0] = '\0';
	set(w, "s1", "domain a.test",
	    json_pack("{s:s}", "description", "first"));
	set(w, "s1", "domain a.test user 101",
	    json_pack("{s:s}", "name", "Alice"));
	set(w, "s1", "server srv1 listener lan",
	    json_pack("{s:s, s:s, s:i, s:s}", "transport", "udp", "address",
		"127.0.0.1", "port", 5060, "domain", "a.test"));
	assert_int_equal(
	    call(w, "s1", "commit", json_pack("{s:s}", "comment", "hello")), 0);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(rows(w), 0), "rev")),
	    2);
	assert_non_null(strstr(w->repl->changes, ": user(101)\n"));
	assert_non_null(
	    strstr(w->repl->changes, "site/demo: listener(srv1 lan)\n"));
	assert_non_null(
	    strstr(w->repl->changes, "domain/root: domain(a.test)\n"));
	assert_string_equal(shown(w, NULL, "domain"),
	    "set domain a.test description first\n"
	    "set domain a.test user 101 name Alice\n");
	assert_int_equal(call(w, "s1", "commit", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 0);
	assert_int_equal(
	    json_integer_value(json_object_get(w->result, "rev")), 2);
	world_free(w);
}

/* Nothing is answered before it is acknowledged. */
static void
answers_wait_for_the_acknowledgement(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->repl->hold = true;
	ask(w, "s1", "set", set_args("domain a.test", json_object()));
	ask(w, "s1", "commit", json_object());
	loop_defer(w->loop,
	    &(struct loop_defer){.fn = (loop_fn *)loop_stop, .arg = w->loop});
	world_run(w);
	assert_int_equal(w->open, 2);
	double_release(w->repl);
	world_run(w);
	assert_int_equal(w->open, 0);
	assert_int_equal(w->err.code, 0);
	world_free(w);
}

/* An edit that comes while a commit is on its way waits for it: what it takes
 * for running is what the commit made. */
static void
edits_wait_for_a_commit(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_domain(w);
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	w->repl->hold = true;
	ask(w, "s1", "commit", json_object());
	run_to_decision(w);
	ask(w, "s2", "set",
	    set_args(
		"domain a.test user 101", json_pack("{s:s}", "name", "B")));
	double_release(w->repl);
	world_run(w);
	commit(w, "s2");
	assert_string_equal(shown(w, NULL, "domain a.test user"),
	    "set domain a.test user 101 name B password $SEALED$\n");
	world_free(w);
}

/* Edits on their way share groups: many acknowledgements, few commits. */
static void
edits_go_in_groups(void **state)
{
	struct world *w = world_new();
	char path[64];
	unsigned before;
	int i;

	(void)state;
	set(w, "s1", "domain a.test", json_object());
	before = w->repl->commits;
	for (i = 0; i < 640; i++) {
		snprintf(path, sizeof path, "domain a.test user %d", i);
		ask(w, "s1", "set", set_args(path, json_object()));
	}
	world_run(w);
	assert_int_equal(w->open, 0);
	assert_in_range(w->repl->commits - before, 1, 11);
	world_free(w);
}

/* A refused commit names what is wrong, leaves no new stream and the
 * candidate. */
static void
a_refused_commit_changes_nothing(void **state)
{
	struct world *w = world_new();
	unsigned opened;

	(void)state;
	set(w, "s1", "domain b.test", json_object());
	set(w, "s1", "domain b.test number 5", json_pack("{s:s}", "user", "1"));
	opened = w->repl->opened;
	assert_int_equal(call(w, "s1", "check", json_object()), -ERR_CHECK);
	assert_int_equal(call(w, "s1", "commit", json_object()), -ERR_CHECK);
	says(w,
	    "domain b.test number 5: user: there is no domain b.test "
	    "user 1");
	assert_int_equal(w->repl->opened, opened);
	assert_string_equal(shown(w, NULL, "domain"), "");
	set(w, "s1", "domain b.test user 1", json_object());
	commit(w, "s1");
	world_free(w);
}

/* A conflict answers with both values and with who was first. */
static void
a_conflict_tells_both_sides(void **state)
{
	struct world *w = world_new();
	json_t *row;

	(void)state;
	world_domain(w);
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	set(w, "s2", "domain a.test user 101", json_pack("{s:s}", "name", "B"));
	commit(w, "s1");
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_CONFLICT);
	says(w, "domain a.test user 101: name: is now A by ivanov");
	row = json_array_get(json_object_get(w->data, "rows"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(row, "theirs")), "A");
	assert_string_equal(
	    json_string_value(json_object_get(row, "yours")), "B");
	world_free(w);
}

/* compare and show configuration candidate show what would be, masked; what
 * runs is not touched by them. */
static void
a_candidate_can_be_looked_at(void **state)
{
	struct world *w = world_new();
	json_t *row;

	(void)state;
	world_domain(w);
	set(w, "s1", "domain a.test user 101",
	    json_pack("{s:s, s:s}", "name", "Ada", "password", "new"));
	set(w, "s1", "domain b.test", json_object());
	set(w, "s1", "domain b.test user 7", json_object());
	assert_int_equal(call(w, "s1", "compare", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 6);
	row = json_array_get(rows(w), 0);
	assert_string_equal(
	    json_string_value(json_object_get(row, "change")), "~");
	assert_string_equal(
	    json_string_value(json_object_get(row, "old")), "Alice");
	assert_string_equal(
	    json_string_value(json_object_get(row, "new")), "Ada");
	row = json_array_get(rows(w), 1);
	assert_string_equal(
	    json_string_value(json_object_get(row, "field")), "password");
	assert_string_equal(
	    json_string_value(json_object_get(row, "new")), OP_MASK);
	assert_string_equal(shown(w, "s1", "domain"),
	    "set domain a.test\n"
	    "set domain a.test user 101 name Ada password $SEALED$\n"
	    "set domain b.test\n"
	    "set domain b.test user 7\n");
	assert_string_equal(shown(w, NULL, "domain"),
	    "set domain a.test\n"
	    "set domain a.test user 101 name Alice password $SEALED$\n");
	assert_int_equal(call(w, "s1", "discard", json_object()), 0);
	assert_int_equal(call(w, "s1", "compare", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 0);
	world_free(w);
}

/* ---- death ------------------------------------------------------------------
 */

/* A candidate survives the death of the owner. */
static void
a_candidate_survives_the_owner(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_domain(w);
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	world_crash(w);
	world_own(w, 2);
	commit(w, "s1");
	assert_string_equal(shown(w, NULL, "domain a.test user"),
	    "set domain a.test user 101 name A password $SEALED$\n");
	world_free(w);
}

/* The owner dies between decision and application: the next one applies the
 * commit before it serves, and who asks again by txid hears that it is done. */
static void
a_decided_commit_is_rolled_forward(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_domain(w);
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	set(w, "s1", "domain b.test", json_object());
	set(w, "s1", "domain b.test user 7", json_object());
	w->repl->hold = true;
	ask(w, "s1", "commit", json_pack("{s:s}", "txid", "t-1"));
	run_to_decision(w);
	assert_int_equal(w->open, 1);
	world_crash(w);
	assert_int_equal(w->err.code, ERR_NOOWNER);
	world_own(w, 2);
	assert_string_equal(shown(w, NULL, "domain"),
	    "set domain a.test\n"
	    "set domain a.test user 101 name A password $SEALED$\n"
	    "set domain b.test\n"
	    "set domain b.test user 7\n");
	assert_non_null(strstr(w->repl->changes, ": user(7)\n"));
	assert_int_equal(
	    call(w, "s1", "commit", json_pack("{s:s}", "txid", "t-1")), 0);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(rows(w), 0), "rev")),
	    3);
	assert_int_equal(call(w, "s1", "compare", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 0);
	world_free(w);
}

/* The owner dies with the commit applied in one stream of two: the next one
 * finishes the other and does not touch the first again. */
static void
a_half_applied_commit_is_finished(void **state)
{
	struct world *w = world_new();
	char path[PATH_MAX + 64];
	struct st_changes c;
	sqlite3 *db;
	struct err e;

	(void)state;
	world_domain(w);
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	set(w, "s1", "server srv1", json_pack("{s:s}", "description", "x"));
	w->repl->hold = true;
	ask(w, "s1", "commit", json_pack("{s:s}", "txid", "t-1"));
	run_to_decision(w);
	st_changes_init(&c);
	assert_int_equal(
	    st_revision_changes(
		stream_db(st_stream_find(w->st, "commit")->stream), 3, &c, &e),
	    0);
	world_crash(w);
	double_path(w->repl, "site/demo", path, sizeof path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(st_apply_once(obj_table, db, "site/demo", &c, 3, "t-1",
			     NULL, NULL, &e),
	    0);
	assert_int_equal(
	    st_sql_run(db, &e, "UPDATE server SET description = 'kept'", ""),
	    0);
	sqlite3_close(db);
	st_changes_fini(&c);
	world_own(w, 2);
	assert_string_equal(shown(w, NULL, "domain a.test user"),
	    "set domain a.test user 101 name A password $SEALED$\n");
	assert_non_null(strstr(shown(w, NULL, "server srv1"),
	    "set server srv1 description kept\n"));
	assert_int_equal(w->st->count.forwarded, 1);
	world_free(w);
}

/* Losing the streams fails what waits, so that it can be asked elsewhere; the
 * store is passive then and can own again. */
static void
losing_ownership_fails_what_waits(void **state)
{
	struct world *w = world_new();
	struct err why;

	(void)state;
	world_domain(w);
	w->repl->hold = true;
	ask(w, "s1", "set",
	    set_args(
		"domain a.test user 101", json_pack("{s:s}", "name", "A")));
	ask(w, "s2", "commit", json_object());
	ask(w, "s3", "set", set_args("domain a.test user 9", json_object()));
	err_set(&why, ERR_REFUSED, "a higher epoch exists");
	st_resign(w->st, &why);
	assert_int_equal(w->open, 0);
	assert_int_equal(w->err.code, ERR_NOOWNER);
	assert_false(st_is_serving(w->st));
	assert_null(w->repl->streams);
	assert_int_equal(call(w, "s1", "compare", json_object()), -ERR_NOOWNER);
	w->repl->hold = false;
	world_own(w, 3);
	commit(w, "s1");
	world_free(w);
}

/* Asked to stop, it ships what is pending and says when it is done. */
static void
stopping_is_orderly(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_domain(w);
	st_stop(w->st);
	assert_true(w->stopped);
	assert_null(w->repl->streams);
	world_free(w);
}

/* A commit that could not be applied everywhere is told so, and no other is
 * taken before it went through. */
static void
a_broken_stream_holds_commits_up(void **state)
{
	struct world *w = world_new();
	struct st_domain d;
	char stream[STREAM_NAME];

	(void)state;
	world_domain(w);
	st_view_domain(&w->st->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	set(w, "s1", "domain a.test user 101", json_pack("{s:s}", "name", "A"));
	w->repl->hold = true;
	ask(w, "s1", "commit", json_object());
	run_to_decision(w);
	world_crash(w);
	w->repl->broken = stream;
	world_own(w, 2);
	set(w, "s2", "server srv1", json_pack("{s:s}", "description", "x"));
	assert_int_equal(call(w, "s2", "commit", json_object()), -ERR_PARTIAL);
	says(w, "revision 3 is decided, but not applied");
	assert_int_equal(
	    call(w, "s2", "show configuration", json_object()), -ERR_CORRUPT);
	says(w, "broken on purpose");
	w->repl->broken = NULL;
	commit(w, "s2");
	assert_string_equal(shown(w, NULL, "domain a.test user"),
	    "set domain a.test user 101 name A password $SEALED$\n");
	world_free(w);
}

/* ---- sessions, streams, records ----------------------------------------- */

/* A session that ends takes its candidate along, after its last edit; a new
 * owner is told which sessions there are. */
static void
sessions_end(void **state)
{
	struct world *w = world_new();
	json_t *live = json_pack("[s]", "s3");

	(void)state;
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 5));
	set(w, "s2", "gate default", json_pack("{s:i}", "ban-after", 6));
	set(w, "s3", "gate default", json_pack("{s:i}", "ban-after", 7));
	ask(w, "s1", "set",
	    set_args("gate default", json_pack("{s:i}", "ban-time", 8)));
	st_session_end(w->st, "s1");
	world_run(w);
	call(w, "s1", "compare", json_object());
	assert_int_equal(json_array_size(rows(w)), 0);
	call(w, "s2", "compare", json_object());
	assert_int_equal(json_array_size(rows(w)), 1);
	st_sessions(w->st, NULL, live);
	call(w, "s2", "compare", json_object());
	assert_int_equal(json_array_size(rows(w)), 0);
	call(w, "s3", "compare", json_object());
	assert_int_equal(json_array_size(rows(w)), 1);
	json_decref(live);
	world_free(w);
}

/* A deleted domain's stream is closed and its file stays. */
static void
a_deleted_domain_keeps_its_file(void **state)
{
	struct world *w = world_new();
	struct st_domain d;
	char stream[STREAM_NAME], path[PATH_MAX + 128];

	(void)state;
	world_domain(w);
	st_view_domain(&w->st->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	assert_int_equal(call(w, "s1", "delete",
			     json_pack("{s:s}", "path", "domain a.test")),
	    0);
	commit(w, "s1");
	assert_null(st_stream_find(w->st, stream));
	double_path(w->repl, stream, path, sizeof path);
	assert_int_equal(access(path, F_OK), 0);
	assert_string_equal(shown(w, NULL, "domain"), "");
	world_free(w);
}

/* Back to an earlier revision: values, secrets, deleted domains with their
 * data; what was made since goes. */
static void
rollback_leads_back(void **state)
{
	struct world *w = world_new();
	char before[1024];
	struct st_domain d, again;

	(void)state;
	world_domain(w); /* revision 2 */
	str_copy(before, sizeof before, shown(w, NULL, NULL));
	st_view_domain(&w->st->view, NULL, "a.test", &d, NULL);
	set(w, "s1", "domain a.test user 101",
	    json_pack("{s:s, s:s}", "name", "A", "password", "other"));
	set(w, "s1", "domain a.test user 102", json_object());
	commit(w, "s1");
	set(w, "s1", "domain b.test", json_object());
	assert_int_equal(call(w, "s1", "delete",
			     json_pack("{s:s}", "path", "domain a.test")),
	    0);
	commit(w, "s1");
	set(w, "s1", "gate default", json_pack("{s:i}", "ban-after", 5));
	assert_int_equal(
	    call(w, "s1", "rollback", json_pack("{s:i}", "rev", 2)),
	    -ERR_REFUSED);
	says(w, "commit or discard them first");
	commit(w, "s1");
	assert_int_equal(
	    call(w, "s1", "rollback", json_pack("{s:i}", "rev", 9)),
	    -ERR_ABSENT);
	if (call(w, "s1", "rollback", json_pack("{s:i}", "rev", 2)) != 0)
		fail_msg("rollback: %s", w->err.text);
	commit(w, "s1");
	assert_string_equal(shown(w, NULL, NULL), before);
	st_view_domain(&w->st->view, NULL, "a.test", &again, NULL);
	assert_string_equal(d.id, again.id);
	world_free(w);
}

/* Rows of compare in short: "- domain a.test/id ". */
static const char *
compared(struct world *w)
{
	static char out[1024];
	const char *change, *path, *field;
	json_t *row;
	size_t i;

	assert_int_equal(call(w, "s1", "compare", json_object()), 0);
	out[0] = '\0';
	json_array_foreach (rows(w), i, row) {
		field = NULL;
		json_unpack(row, "{s:s, s:s, s?s}", "change", &change, "path",
		    &path, "field", &field);
		snprintf(out + strlen(out), sizeof out - strlen(out),
		    "%s %s%s%s\n", change, path, field != NULL ? "/" : "",
		    field != NULL ? field : "");
	}
	return out;
}

/* What a domain holds goes with it, and compare says so: of a domain that is
 * deleted as of one that was not there yet. */
static void
compare_names_what_is_lost(void **state)
{
	static const char want[] = "- domain a.test\n"
				   "- domain a.test/id\n"
				   "- domain a.test/realm\n"
				   "- domain a.test user 101\n"
				   "- domain a.test number 5\n";
	struct world *w = world_new();

	(void)state;
	world_domain(w); /* revision 2 */
	set(w, "s1", "domain a.test number 5",
	    json_pack("{s:s}", "user", "101"));
	commit(w, "s1");
	call(w, "s1", "delete", json_pack("{s:s}", "path", "domain a.test"));
	assert_string_equal(compared(w), want);
	call(w, "s1", "discard", json_object());
	assert_int_equal(
	    call(w, "s1", "rollback", json_pack("{s:i}", "rev", 1)), 0);
	assert_string_equal(compared(w), want);
	call(w, "s1", "discard", json_object());
	call(w, "s1", "delete", json_pack("{s:s}", "path", "domain a.test"));
	set(w, "s1", "domain a.test", json_object());
	assert_non_null(strstr(compared(w), "- domain a.test user 101\n"));
	world_free(w);
}

/* A B2BUA's stream with n records of a domain. */
static void
write_records(struct world *w, const char *domain, int n)
{
	char path[PATH_MAX + 128];
	sqlite3 *db;
	struct err e;
	int i;

	double_path(w->repl, "calls/b2bua-1", path, sizeof path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db,
	    "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS cdr("
	    "seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, domain TEXT, "
	    "caller TEXT, caller_name TEXT, called TEXT, destination TEXT, "
	    "start INTEGER, ring INTEGER, answer INTEGER, end INTEGER, "
	    "code INTEGER, reason TEXT, ended_by TEXT, instance TEXT, "
	    "rx_caller INTEGER, rx_callee INTEGER, lost_caller INTEGER, "
	    "lost_callee INTEGER)",
	    NULL, NULL, NULL);
	for (i = 0; i < n; i++)
		assert_int_equal(
		    st_sql_run(db, &e,
			"INSERT INTO cdr(id, domain, caller, code) "
			"VALUES(hex(randomblob(16)), ?1, '101', 200)",
			"s", domain),
		    0);
	sqlite3_close(db);
}

/* Run turns until the store has brought n records home. */
static void
run_records(struct world *w, uint64_t n)
{
	int turns = 0;

	while (w->st->count.records < n) {
		loop_defer(w->loop,
		    &(struct loop_defer){
			.fn = (loop_fn *)loop_stop, .arg = w->loop});
		loop_run(w->loop);
		assert_in_range(++turns, 1, 1000);
	}
}

/* Call records reach their domain once, in batches, across a crash; how far
 * is told to the B2BUA; records of no domain do not stop the others. */
static void
records_come_home(void **state)
{
	struct world *w = world_new();
	struct st_domain d;
	char stream[STREAM_NAME];

	(void)state;
	world_domain(w);
	st_view_domain(&w->st->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	write_records(w, d.id, 300);
	write_records(w, "ffffffff", 2);
	write_records(w, d.id, 3);
	world_crash(w);
	world_own(w, 2);
	run_records(w, 305);
	assert_int_equal(
	    fix_count(stream_db(st_stream_find(w->st, stream)->stream),
		"SELECT count(*) FROM cdr"),
	    303);
	assert_int_equal(
	    fix_count(stream_db(st_stream_find(w->st, "commit")->stream),
		"SELECT seq FROM collected WHERE stream = 'calls/b2bua-1'"),
	    305);
	assert_non_null(
	    strstr(w->repl->changes, "commit: collected(calls/b2bua-1)\n"));
	/* how far was lost, the records were not: they are not doubled */
	st_sql_run(stream_db(st_stream_find(w->st, "commit")->stream), NULL,
	    "DELETE FROM collected", "");
	world_crash(w);
	world_own(w, 3);
	run_records(w, 305);
	assert_int_equal(
	    fix_count(stream_db(st_stream_find(w->st, stream)->stream),
		"SELECT count(*) FROM cdr"),
	    303);
	world_free(w);
}

/* Tell the store that the B2BUA's stream has changed. */
static void
tell_records(struct world *w)
{
	struct reader *rd = w->repl->readers;

	while (strcmp(rd->name, "calls/b2bua-1") != 0)
		rd = rd->next;
	rd->event = READER_CHANGED;
	loop_defer(w->loop, &rd->tell);
}

static void
run_for(struct world *w, uint64_t us)
{
	struct loop_timer *end = loop_timer_new(
	    w->loop, (loop_fn *)loop_stop, w->loop);

	loop_timer_set(end, us);
	loop_run(w->loop);
	loop_timer_free(&end);
}

/* The first record comes home at once; those that follow it soon are waited
 * for, and come though nothing more is heard of them. */
static void
records_gather(void **state)
{
	struct world *w = world_new();
	struct st_domain d;
	uint64_t begin;

	(void)state;
	world_domain(w);
	st_view_domain(&w->st->view, NULL, "a.test", &d, NULL);
	write_records(w, d.id, 1);
	world_crash(w);
	world_own(w, 2);
	begin = clock_mono();
	run_records(w, 1);
	write_records(w, d.id, 5);
	tell_records(w);
	run_for(w, 1);
	if (clock_mono() - begin < 100 * CLOCK_MS)
		assert_int_equal(w->st->count.records, 1);
	while (w->st->count.records == 1)
		run_for(w, 10 * CLOCK_MS);
	assert_int_equal(w->st->count.records, 6);
	world_free(w);
}

/* No file of the state directory holds a secret in plain. */
static void
no_file_holds_a_secret(void **state)
{
	struct world *w = world_new();
	char command[PATH_MAX + 64];

	(void)state;
	set(w, "s1", "domain a.test", json_object());
	set(w, "s1", "domain a.test user 101",
	    json_pack("{s:s}", "password", "swordfish"));
	set(w, "s2", "certificate c",
	    json_pack("{s:s, s:s}", "chain", "x", "key", "swordfish"));
	commit(w, "s1");
	snprintf(
	    command, sizeof command, "grep -rq swordfish %s", w->repl->root);
	assert_int_not_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -rq a.test %s", w->repl->root);
	assert_int_equal(system(command), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_keep_the_laws),
	    cmocka_unit_test(the_first_start_makes_the_site),
	    cmocka_unit_test(a_commit_reaches_all_streams),
	    cmocka_unit_test(what_is_deleted_takes_along_what_is_below),
	    cmocka_unit_test(answers_wait_for_the_acknowledgement),
	    cmocka_unit_test(edits_wait_for_a_commit),
	    cmocka_unit_test(edits_go_in_groups),
	    cmocka_unit_test(a_refused_commit_changes_nothing),
	    cmocka_unit_test(a_conflict_tells_both_sides),
	    cmocka_unit_test(a_candidate_can_be_looked_at),
	    cmocka_unit_test(a_candidate_survives_the_owner),
	    cmocka_unit_test(a_decided_commit_is_rolled_forward),
	    cmocka_unit_test(a_half_applied_commit_is_finished),
	    cmocka_unit_test(losing_ownership_fails_what_waits),
	    cmocka_unit_test(stopping_is_orderly),
	    cmocka_unit_test(a_broken_stream_holds_commits_up),
	    cmocka_unit_test(sessions_end),
	    cmocka_unit_test(a_deleted_domain_keeps_its_file),
	    cmocka_unit_test(rollback_leads_back),
	    cmocka_unit_test(compare_names_what_is_lost),
	    cmocka_unit_test(records_come_home),
	    cmocka_unit_test(records_gather),
	    cmocka_unit_test(no_file_holds_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
