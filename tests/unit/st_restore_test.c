/* One domain back to a time, at the store's owner. */
#include "st_world.h"
#include "daemon/st/st_restore.h"

static json_t *
restore_args(const char *domain, const char *to)
{
	return json_pack("{s:s, s:s}", "domain", domain, "to", to);
}

static int64_t
changes(struct world *w)
{
	return json_integer_value(
	    json_object_get(json_array_get(rows(w), 0), "changes"));
}

static sqlite3 *
db_of(struct world *w, const char *domain, char stream[STREAM_NAME])
{
	struct st_domain d;
	struct err e;

	assert_int_equal(st_view_domain(&w->st->view, NULL, domain, &d, &e), 0);
	st_domain_stream(stream, d.id);
	return stream_db(st_stream_find(w->st, stream)->stream);
}

/* What a query of one value says of a stream. */
static const char *
ask_db(sqlite3 *db, const char *sql)
{
	static char out[2][256];
	static int turn;
	char *to = out[turn ^= 1];
	sqlite3_stmt *s;

	*to = '\0';
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0) != NULL)
		str_copy(
		    to, sizeof out[0], (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return to;
}

#define USERS                                                       \
	"SELECT group_concat(user || '=' || ifnull(name, ''), ' ')" \
	" FROM (SELECT user, name FROM user ORDER BY user)"
#define SEALED "SELECT hex(password) FROM user WHERE user = '101'"

/* Two domains as they are before everything goes wrong. */
static void
world_demo(struct world *w, char stream[STREAM_NAME])
{
	set(w, "s0", "domain a.test", json_object());
	set(w, "s0", "domain a.test user 101",
	    json_pack("{s:s, s:s}", "name", "Alice", "password", "pw"));
	set(w, "s0", "domain a.test user 102",
	    json_pack("{s:s}", "name", "Bo"));
	set(w, "s0", "domain a.test number 5",
	    json_pack("{s:s}", "user", "101"));
	set(w, "s0", "domain b.test", json_object());
	set(w, "s0", "domain b.test user 101",
	    json_pack("{s:s}", "name", "Ben"));
	commit(w, "s0");
	db_of(w, "a.test", stream);
	double_remember(w->repl, ST_ROOT_STREAM);
	double_remember(w->repl, stream);
}

static void
spoil(struct world *w)
{
	set(w, "s0", "domain a.test", json_pack("{s:s}", "description", "x"));
	assert_int_equal(
	    call(w, "s0", "delete",
		json_pack("{s:s}", "path", "domain a.test number 5")),
	    0);
	set(w, "s0", "domain a.test user 101",
	    json_pack("{s:s, s:s}", "name", "Mallory", "password", "other"));
	set(w, "s0", "domain a.test user 103",
	    json_pack("{s:s}", "name", "Eve"));
	set(w, "s0", "domain b.test user 101",
	    json_pack("{s:s}", "name", "Benno"));
	commit(w, "s0");
}

/* Objects, fields, secrets and the directory's row are what they were; call
 * records and other domains are what they are. */
static void
a_domain_is_what_it_was(void **state)
{
	struct world *w = world_new();
	char stream[STREAM_NAME], b[STREAM_NAME], sealed[256];
	sqlite3 *db;

	(void)state;
	world_demo(w, stream);
	db = db_of(w, "a.test", stream);
	str_copy(sealed, sizeof sealed, ask_db(db, SEALED));
	assert_string_not_equal(sealed, "");
	spoil(w);
	assert_string_not_equal(ask_db(db, SEALED), sealed);
	assert_int_equal(
	    sqlite3_exec(db, "INSERT INTO cdr(id, domain) VALUES('c1', 'x')",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(
	    call(w, "s1", "restore", restore_args("a.test", "-1s")), 0);
	/* description, number and its user, name, password, 103 */
	assert_int_equal(changes(w), 6);
	assert_string_equal(ask_db(db, USERS), "101=Mallory 102=Bo 103=Eve");
	commit(w, "s1");
	assert_string_equal(ask_db(db, USERS), "101=Alice 102=Bo");
	assert_string_equal(ask_db(db, SEALED), sealed);
	assert_string_equal(
	    ask_db(db, "SELECT user FROM number WHERE number = '5'"), "101");
	assert_string_equal(ask_db(db, "SELECT count(*) FROM cdr"), "1");
	assert_string_equal(
	    ask_db(stream_db(st_stream_find(w->st, ST_ROOT_STREAM)->stream),
		"SELECT ifnull(description, '-') FROM domain "
		"WHERE domain = 'a.test'"),
	    "-");
	assert_string_equal(ask_db(db_of(w, "b.test", b), USERS), "101=Benno");
	/* once more: there is nothing to do */
	assert_int_equal(
	    call(w, "s1", "restore", restore_args("a.test", "-1s")), 0);
	assert_int_equal(changes(w), 0);
	world_free(w);
}

/* A deleted domain comes back under its id; one that was made anew since
 * stays, and that is said. */
static void
a_deleted_domain_comes_back(void **state)
{
	struct world *w = world_new();
	char stream[STREAM_NAME], again[STREAM_NAME];
	int i;

	(void)state;
	world_demo(w, stream);
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    call(w, "s0", "delete",
			json_pack("{s:s}", "path", "domain a.test")),
		    0);
		commit(w, "s0");
		if (i == 1)
			break;
		assert_int_equal(
		    call(w, "s1", "restore", restore_args("a.test", "-1s")), 0);
		commit(w, "s1");
		assert_string_equal(ask_db(db_of(w, "a.test", again), USERS),
		    "101=Alice 102=Bo");
		assert_string_equal(again, stream);
	}
	set(w, "s0", "domain a.test", json_object());
	commit(w, "s0");
	assert_int_equal(
	    call(w, "s1", "restore", restore_args("a.test", "-1s")),
	    -ERR_REFUSED);
	assert_non_null(strstr(w->err.text, "made anew"));
	world_free(w);
}

/* What cannot be is refused and leaves no candidate. */
static void
what_cannot_be_is_refused(void **state)
{
	struct world *w = world_new();
	char stream[STREAM_NAME], b[STREAM_NAME];

	(void)state;
	world_demo(w, stream);
	assert_int_equal(
	    call(w, "s1", "restore", restore_args("c.test", "-1s")),
	    -ERR_ABSENT);
	assert_non_null(strstr(w->err.text, "there was no domain c.test"));
	assert_int_equal(
	    call(w, "s1", "restore", restore_args("a.test", "noon")),
	    -ERR_INVALID);
	/* its own stream has no past */
	db_of(w, "b.test", b);
	assert_int_equal(
	    call(w, "s1", "restore", restore_args("b.test", "-1s")),
	    -ERR_ABSENT);
	assert_int_equal(call(w, "s1", "compare", json_object()), 0);
	assert_int_equal(json_array_size(rows(w)), 0);
	set(w, "s1", "domain a.test", json_pack("{s:s}", "description", "y"));
	assert_int_equal(
	    call(w, "s1", "restore", restore_args("a.test", "-1s")),
	    -ERR_REFUSED);
	world_free(w);
}

/* The ownership is lost in the midst of it: the caller is told. */
static void
losing_ownership_ends_it(void **state)
{
	struct world *w = world_new();
	char stream[STREAM_NAME];
	struct err e;

	(void)state;
	world_demo(w, stream);
	spoil(w);
	ask(w, "s1", "restore", restore_args("a.test", "-1s"));
	assert_int_equal(w->open, 1);
	err_set(&e, ERR_NOOWNER, "gone");
	st_resign(w->st, &e);
	assert_int_equal(w->open, 0);
	assert_int_equal(w->err.code, ERR_NOOWNER);
	world_free(w);
}

/* A domain is compared in pieces of any size, and no row is left out. */
static void
pieces_see_every_row(void **state)
{
	struct world *w = world_new();
	char stream[STREAM_NAME], path[PATH_MAX + 80];
	struct st_restore_walk walk = {.objs = obj_table, .domain = "a.test"};
	struct st_changes c;
	struct err e;
	unsigned rows;
	size_t n = 0;

	(void)state;
	world_demo(w, stream);
	spoil(w);
	double_path(w->repl, stream, path, sizeof path - 8);
	strcat(path, ".then");
	assert_int_equal(sqlite3_open(path, &walk.was), SQLITE_OK);
	for (rows = 1; rows < 9; rows++) {
		struct st_restore_walk piece = walk;
		int turns = 0;

		st_changes_init(&c);
		piece.stream = stream;
		piece.is = db_of(w, "a.test", stream);
		piece.changes = &c;
		while (st_restore_step(&piece, rows, &e) == 1)
			assert_in_range(++turns, 1, 30);
		if (rows == 1)
			n = c.n;
		assert_int_equal(c.n, n);
		assert_int_equal(n, 5); /* all but the directory's row */
		st_changes_fini(&c);
	}
	sqlite3_close(walk.was);
	world_free(w);
}

static void
times_are_read(void **state)
{
	const uint64_t now = UINT64_C(1800000000) * 1000000;
	uint64_t t;
	struct err e;

	(void)state;
	assert_int_equal(st_restore_time("-10m", now, &t, &e), 0);
	assert_true(t == now - UINT64_C(600) * 1000000);
	assert_int_equal(
	    st_restore_time("2027-01-15T08:00:00Z", now, &t, &e), 0);
	assert_true(t == now + 999);
	assert_int_equal(
	    st_restore_time("2027-01-15 07:59:59.250", now, &t, &e), 0);
	assert_true(t == now - 750000 + 999);
	assert_int_equal(
	    st_restore_time("2027-01-15T08:30:00+01:00", now, &t, &e), 0);
	assert_true(t == now - UINT64_C(1800) * 1000000 + 999);
	assert_int_equal(
	    st_restore_time("2027-01-15T08:00:01Z", now, &t, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "still to come"));
	assert_int_equal(st_restore_time("-", now, &t, &e), -ERR_INVALID);
	assert_int_equal(st_restore_time("-99999d", now, &t, &e), -ERR_INVALID);
	assert_int_equal(st_restore_time("", now, &t, &e), -ERR_INVALID);
	assert_int_equal(
	    st_restore_time("2027-02-30T00:00:00Z", now, &t, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "expected a time"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_read),
	    cmocka_unit_test(a_domain_is_what_it_was),
	    cmocka_unit_test(a_deleted_domain_comes_back),
	    cmocka_unit_test(what_cannot_be_is_refused),
	    cmocka_unit_test(losing_ownership_ends_it),
	    cmocka_unit_test(pieces_see_every_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
