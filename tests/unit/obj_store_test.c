/* Rows of configuration objects in SQLite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/str.h"
#include "daemon/obj/obj.h"

static sqlite3 *
database(enum obj_place place)
{
	sqlite3 *db;
	struct err e;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(obj_upgrade(obj_table, place, db, &e), 0);
	return db;
}

static struct obj_path
path(const char *text)
{
	struct obj_path p;
	struct err e;

	if (obj_path_parse(obj_table, text, &p, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return p;
}

static void
set(sqlite3 *db, const char *where, const char *field, const char *value)
{
	struct obj_path p = path(where);
	struct err e;

	if (obj_set(db, &p, field, value, &e) != 0)
		fail_msg("%s: %s", where, e.text);
}

/* A path comes back as it was spelt, made canonical. */
static void
paths_are_spelt_back(void **state)
{
	char text[OBJ_PATH];
	struct obj_path p = path("server SRV1  role MG");
	struct err e;

	(void)state;
	obj_path_text(&p, text, sizeof text);
	assert_string_equal(text, "server srv1 role mg");
	p = path("domain a.test user");
	obj_path_text(&p, text, sizeof text);
	assert_string_equal(text, "domain a.test user");
	assert_int_equal(p.nkeys, 1);
	assert_int_equal(obj_depth(p.obj), 2);
	obj_path_text(&p, text, 12);
	assert_string_equal(text, "domain a.te");
	assert_int_equal(
	    obj_path_parse(obj_table, "domain a.test role mg", &p, &e),
	    -ERR_UNKNOWN);
	assert_int_equal(
	    obj_path_parse(obj_table, "user 101", &p, &e), -ERR_UNKNOWN);
	assert_int_equal(
	    obj_path_parse(obj_table, "domain a..b", &p, &e), -ERR_INVALID);
	assert_int_equal(obj_path_parse(obj_table, "", &p, &e), -ERR_INVALID);
}

/* What was set is what is got; what was not set is the default. */
static void
values_come_back(void **state)
{
	sqlite3 *db = database(OBJ_DOMAIN);
	struct obj_path p = path("domain a.test user 101");
	struct obj_row row;
	struct err e;

	(void)state;
	assert_int_equal(obj_exists(db, &p, NULL), 0);
	assert_int_equal(obj_get(db, &p, &row, &e), -ERR_ABSENT);
	set(db, "domain a.test user 101", NULL, NULL);
	set(db, "domain a.test user 101", "name", "Al'ice; DROP TABLE user");
	set(db, "domain a.test user 101", "ring-time", "45");
	set(db, "domain a.test user 101", "password", "00ff10");
	assert_int_equal(obj_exists(db, &p, NULL), 1);
	assert_int_equal(obj_get(db, &p, &row, &e), 0);
	assert_string_equal(obj_value(&row, "name"), "Al'ice; DROP TABLE user");
	assert_int_equal(obj_value_int(&row, "ring-time", 0), 45);
	assert_string_equal(obj_value(&row, "password"), "00ff10");
	assert_string_equal(obj_value(&row, "max-contacts"), "10");
	assert_null(obj_value(&row, "description"));
	assert_null(obj_value(&row, "nonsense"));
	obj_row_fini(&row);
	set(db, "domain a.test user 101", "name", NULL);
	assert_int_equal(obj_get(db, &p, &row, &e), 0);
	assert_null(obj_value(&row, "name"));
	obj_row_fini(&row);
	assert_int_equal(
	    obj_set(db, &p, "ring-time", "soon", &e), -ERR_INVALID);
	assert_int_equal(obj_set(db, &p, "nonsense", "1", &e), -ERR_UNKNOWN);
	sqlite3_close(db);
}

/* A secret's bytes lie in a BLOB, numbers as INTEGER. */
static void
columns_have_their_types(void **state)
{
	sqlite3 *db = database(OBJ_DOMAIN);
	sqlite3_stmt *st;

	(void)state;
	set(db, "domain a.test user 101", "password", "00ff10");
	set(db, "domain a.test user 101", "max-contacts", "3");
	assert_int_equal(sqlite3_prepare_v2(db,
			     "SELECT typeof(password), length(password), "
			     "typeof(max_contacts), user FROM user",
			     -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "blob");
	assert_int_equal(sqlite3_column_int(st, 1), 3);
	assert_string_equal(
	    (const char *)sqlite3_column_text(st, 2), "integer");
	assert_string_equal((const char *)sqlite3_column_text(st, 3), "101");
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/* A whole row is written at once and replaces what was there. */
static void
put_replaces_the_row(void **state)
{
	sqlite3 *db = database(OBJ_DOMAIN);
	struct obj_row row = {.path = path("domain a.test user 101")};
	char name[] = "Bob";
	struct err e;

	(void)state;
	set(db, "domain a.test user 101", "description", "old");
	row.value[0] = name;
	assert_int_equal(obj_put(db, &row, &e), 0);
	assert_int_equal(obj_get(db, &row.path, &row, &e), 0);
	assert_string_equal(obj_value(&row, "name"), "Bob");
	assert_null(obj_value(&row, "description"));
	obj_row_fini(&row);
	sqlite3_close(db);
}

struct seen {
	char text[1024];
	int stop_after;
	int n;
};

static int
see(void *arg, struct obj_row *row, struct err *e)
{
	char text[OBJ_PATH];
	struct seen *s = arg;

	(void)e;
	obj_path_text(&row->path, text, sizeof text);
	snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text),
	    "%s;", text);
	s->n++;
	return s->n == s->stop_after ? 7 : 0;
}

/* Rows come in key order, below the path, behind `after`, up to the limit;
 * the callback can end the walk. */
static void
rows_come_in_key_order(void **state)
{
	sqlite3 *db = database(OBJ_SITE);
	struct obj_path kind = path("server");
	struct seen s = {0};
	struct err e;

	(void)state;
	set(db, "server b role sg", "instances", "1");
	set(db, "server a role sr", "instances", "2");
	set(db, "server a role mg", "instances", "2");
	set(db, "server a", NULL, NULL);
	kind = path("server a role");
	assert_int_equal(obj_each(db, &kind, NULL, 0, see, &s, &e), 0);
	assert_string_equal(s.text, "server a role mg;server a role sr;");
	memset(&s, 0, sizeof s);
	assert_int_equal(obj_each(db, &kind, "mg", 0, see, &s, &e), 0);
	assert_string_equal(s.text, "server a role sr;");
	memset(&s, 0, sizeof s);
	kind.nkeys = 0; /* every server's */
	assert_int_equal(obj_each(db, &kind, NULL, 2, see, &s, &e), 0);
	assert_string_equal(s.text, "server a role mg;server a role sr;");
	memset(&s, 0, sizeof s);
	s.stop_after = 1;
	assert_int_equal(obj_each(db, &kind, NULL, 0, see, &s, &e), 7);
	assert_int_equal(s.n, 1);
	sqlite3_close(db);
}

/* Deleting an object deletes what hangs below it, and nothing else. */
static void
delete_takes_the_children(void **state)
{
	sqlite3 *db = database(OBJ_SITE);
	struct obj_path p = path("server a"), other = path("server b role sg");
	struct obj_path child = path("server a role mg");
	struct err e;

	(void)state;
	set(db, "server a", NULL, NULL);
	set(db, "server a role mg", "instances", "2");
	set(db, "server b role sg", "instances", "2");
	assert_int_equal(obj_delete(db, &p, &e), 0);
	assert_int_equal(obj_exists(db, &p, NULL), 0);
	assert_int_equal(obj_exists(db, &child, NULL), 0);
	assert_int_equal(obj_exists(db, &other, NULL), 1);
	assert_int_equal(obj_delete(db, &p, &e), -ERR_ABSENT);
	sqlite3_close(db);
}

/* A stream of an older release gets the columns it lacks, keeps its rows and
 * the columns that only a newer release knows. */
static void
upgrade_widens(void **state)
{
	struct obj_path p = path("domain a.test user 101");
	struct obj_row row;
	struct err e;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db,
		"CREATE TABLE user(user TEXT PRIMARY KEY, name TEXT, "
		"novel TEXT); INSERT INTO user VALUES('101','Al','x');"
		"CREATE TABLE number(number TEXT PRIMARY KEY);",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(obj_upgrade(obj_table, OBJ_DOMAIN, db, &e), 0);
	assert_int_equal(obj_upgrade(obj_table, OBJ_DOMAIN, db, &e), 0);
	set(db, "domain a.test user 101", "ring-time", "20");
	assert_int_equal(obj_get(db, &p, &row, &e), 0);
	assert_string_equal(obj_value(&row, "name"), "Al");
	obj_row_fini(&row);
	assert_int_equal(
	    sqlite3_exec(db, "SELECT novel FROM user", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
}

/* Users and numbers share the number space of their domain. */
static void
one_number_one_owner(void **state)
{
	sqlite3 *db = database(OBJ_DOMAIN);
	struct obj_path p = path("domain a.test number 101"), other;
	char text[OBJ_PATH];

	(void)state;
	assert_int_equal(obj_clash(db, obj_table, &p, &other, NULL), 0);
	set(db, "domain a.test user 101", NULL, NULL);
	assert_int_equal(obj_clash(db, obj_table, &p, &other, NULL), 1);
	obj_path_text(&other, text, sizeof text);
	assert_string_equal(text, "domain a.test user 101");
	/* unless the number leads to that very user */
	set(db, "domain a.test number 101", "user", "102");
	assert_int_equal(obj_clash(db, obj_table, &p, &other, NULL), 1);
	set(db, "domain a.test number 101", "user", "101");
	assert_int_equal(obj_clash(db, obj_table, &p, &other, NULL), 0);
	assert_int_equal(obj_clash(db, obj_table, &other, &p, NULL), 0);
	sqlite3_close(db);
}

/* A reference resolves to a path below the same parents, and who refers to
 * an object is found. */
static void
references_are_followed_both_ways(void **state)
{
	sqlite3 *db = database(OBJ_DOMAIN);
	struct obj_path p = path("domain a.test number 600"), to, by;
	char text[OBJ_PATH];

	(void)state;
	set(db, "domain a.test number 600", "user", "101");
	assert_int_equal(
	    obj_ref(obj_table, &p, obj_field(p.obj, "user"), "101", &to), 0);
	obj_path_text(&to, text, sizeof text);
	assert_string_equal(text, "domain a.test user 101");
	assert_int_equal(
	    obj_referrer(db, obj_table, OBJ_DOMAIN, &to, &by, NULL), 1);
	obj_path_text(&by, text, sizeof text);
	assert_string_equal(text, "domain a.test number 600");
	to = path("domain a.test user 102");
	assert_int_equal(
	    obj_referrer(db, obj_table, OBJ_DOMAIN, &to, &by, NULL), 0);
	sqlite3_close(db);
}

/* A certificate that a listener shows is referred to across parents. */
static void
references_cross_parents(void **state)
{
	sqlite3 *db = database(OBJ_SITE);
	struct obj_path p = path("server a listener tls"), to, by;
	char text[OBJ_PATH];

	(void)state;
	set(db, "server a listener tls", "certificate", "edge");
	assert_int_equal(obj_ref(obj_table, &p, obj_field(p.obj, "certificate"),
			     "edge", &to),
	    0);
	obj_path_text(&to, text, sizeof text);
	assert_string_equal(text, "certificate edge");
	assert_int_equal(
	    obj_referrer(db, obj_table, OBJ_SITE, &to, &by, NULL), 1);
	obj_path_text(&by, text, sizeof text);
	assert_string_equal(text, "server a listener tls");
	sqlite3_close(db);
}

/* Keys for completion start with the prefix and stop at the limit. */
static void
keys_complete_by_prefix(void **state)
{
	sqlite3 *db = database(OBJ_DOMAIN);
	struct obj_path kind = path("domain a.test user");
	json_t *out = json_array();
	struct err e;
	char *text;

	(void)state;
	set(db, "domain a.test user 101", NULL, NULL);
	set(db, "domain a.test user 102", NULL, NULL);
	set(db, "domain a.test user 110", NULL, NULL);
	set(db, "domain a.test user 20", NULL, NULL);
	assert_int_equal(obj_keys(db, &kind, "10", 50, out, &e), 0);
	assert_int_equal(obj_keys(db, &kind, "", 1, out, &e), 0);
	assert_int_equal(obj_keys(db, &kind, "20", 9, out, &e), 0);
	text = json_dumps(out, JSON_COMPACT);
	assert_string_equal(text, "[\"101\",\"102\",\"101\",\"20\"]");
	free(text);
	json_decref(out);
	sqlite3_close(db);
}

/* With kept statements all answers stay the same, and the connection can be
 * closed once the cache is. */
static void
kept_statements_answer_alike(void **state)
{
	sqlite3 *db = database(OBJ_DOMAIN);
	struct obj_path p = path("domain a.test user 0");
	struct obj_row row;
	struct err e;
	int i;

	(void)state;
	obj_cache_open(db);
	obj_cache_open(db);
	for (i = 0; i < 100; i++) {
		snprintf(p.key[1], OBJ_KEY, "%d", i);
		assert_int_equal(obj_set(db, &p, "name", "x", &e), 0);
		assert_int_equal(obj_set(db, &p, "ring-time", "9", &e), 0);
		assert_int_equal(obj_get(db, &p, &row, &e), 0);
		assert_string_equal(obj_value(&row, "name"), "x");
		obj_row_fini(&row);
	}
	snprintf(p.key[1], OBJ_KEY, "none");
	assert_int_equal(obj_get(db, &p, &row, &e), -ERR_ABSENT);
	obj_cache_close(db);
	obj_cache_close(db);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What a row alone can be refused for. */
static void
rows_are_checked(void **state)
{
	char udp[] = "udp", wss[] = "wss", any[] = "0.0.0.0", port[] = "5060";
	char user[] = "101", echo[] = "echo";
	struct obj_row l = {.path = path("server a listener x")};
	struct obj_row n = {.path = path("domain a.test number 1")};
	struct err e;

	(void)state;
	assert_int_equal(obj_check(&l, &e), -ERR_CHECK);
	assert_string_equal(e.text, "transport: missing");
	l.value[1] = wss;
	l.value[2] = any;
	l.value[3] = port;
	assert_int_equal(obj_check(&l, &e), -ERR_CHECK);
	assert_string_equal(e.text, "certificate: needed for wss");
	l.value[1] = udp;
	assert_int_equal(obj_check(&l, &e), -ERR_CHECK);
	l.value[4] = user;
	assert_int_equal(obj_check(&l, &e), 0);
	assert_int_equal(obj_check(&n, &e), -ERR_CHECK);
	n.value[0] = user;
	assert_int_equal(obj_check(&n, &e), 0);
	n.value[1] = echo;
	assert_int_equal(obj_check(&n, &e), -ERR_CHECK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_are_spelt_back),
	    cmocka_unit_test(values_come_back),
	    cmocka_unit_test(columns_have_their_types),
	    cmocka_unit_test(put_replaces_the_row),
	    cmocka_unit_test(rows_come_in_key_order),
	    cmocka_unit_test(delete_takes_the_children),
	    cmocka_unit_test(upgrade_widens),
	    cmocka_unit_test(one_number_one_owner),
	    cmocka_unit_test(references_are_followed_both_ways),
	    cmocka_unit_test(references_cross_parents),
	    cmocka_unit_test(keys_complete_by_prefix),
	    cmocka_unit_test(kept_statements_answer_alike),
	    cmocka_unit_test(rows_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
