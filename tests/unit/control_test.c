/* What control answers, and what it tells the roles of the server. */
#include <fcntl.h>
#include <sys/stat.h>

#include "control_fixture.h"
#include "tests/lib/op_laws.h"

/* The records of control keep the laws of all records. */
static void
records_keep_the_laws(void **state)
{
	const struct op_table table = {.ops = control_ops, .objs = obj_table};
	struct buf broken = BUF_INIT;

	(void)state;
	if (op_laws_check(&table, &broken) != 0)
		fail_msg("%s", broken.data);
	buf_fini(&broken);
}

/* ---- tests: what is answered -------------------------------------------- */

/* A console learns the tables, where it is and who it is. */
static void
describe_tells_everything(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct op_table t;
	struct err e;

	(void)state;
	assert_int_equal(call(c, "describe", NULL), 0);
	assert_string_equal(
	    json_string_value(json_object_get(c->result, "server")), "srv1");
	assert_non_null(json_object_get(c->result, "session"));
	assert_non_null(json_object_get(c->result, "user"));
	if (op_table_decode(c->result, &t, &e) != 0)
		fail_msg("%s", e.text);
	assert_non_null(op_find(&t, "show version"));
	op_table_fini(&t);
	op_use_objects(obj_table);
	world_free(w);
}

/* What is no operation, or has wrong arguments, is told so. */
static void
bad_requests_are_told(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);

	(void)state;
	assert_int_equal(call(c, "show nonsense", NULL), -ERR_UNKNOWN);
	assert_non_null(strstr(c->err.text, "show nonsense"));
	assert_int_equal(call(c, "show users", json_object()), -ERR_INVALID);
	assert_non_null(strstr(c->err.text, "domain: missing"));
	assert_int_equal(
	    call(c, "show users", json_pack("[s]", "a.test")), -ERR_INVALID);
	assert_int_equal(
	    call(c, "show users", json_pack("{s:s}", "domain", "no.test")),
	    -ERR_ABSENT);
	assert_non_null(strstr(c->err.text, "there is no domain no.test"));
	assert_int_equal(
	    call(c, "show version", json_pack("{s:s}", "colour", "red")),
	    -ERR_UNKNOWN);
	world_free(w);
}

/* The counts of the configuration go to the supervisor, once, and again when
 * they change. */
static void
placement_follows_the_site(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_string_equal(
	    frame.placed, "st=2 sr=0 sg=0 b2bua=0 mgc=0 mg=0 ws=0 ");
	frame.placed[0] = '\0';
	fix_set(w->fix, ST_SYSTEM, "server srv1 role mg", "instances=2");
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(frame.placed, "mg=2 ");
	world_free(w);
}

/* A stream that has no row of this server yet says nothing of what to run: no
 * process is stopped for it. */
static void
an_empty_site_places_nothing(void **state)
{
	struct world *w = world_make(true);
	sqlite3 *full = map_str_del(&w->fix->dbs, "site/demo");

	(void)state;
	assert_string_equal(frame.placed, "");
	fix_open(w->fix, "site/demo", ST_SITE);
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(frame.placed, "");
	sqlite3_close(map_str_del(&w->fix->dbs, "site/demo"));
	map_str_put(&w->fix->dbs, "site/demo", full);
	publish(w, "site/demo");
	settle(w);
	assert_non_null(strstr(frame.placed, "st=2 "));
	world_free(w);
}

/* Gates are told everything at link-up, and again when the site changes: their
 * own listeners only. */
static void
gates_are_fed(void **state)
{
	struct world *w = world_new();
	json_t *l;

	(void)state;
	fix_set(w->fix, ST_SYSTEM, "certificate c", "chain=PEM;key=secret");
	fix_set(w->fix, ST_SYSTEM, "server srv1 listener tls",
	    "transport=tls;address=127.0.0.1;port=5061;certificate=c;"
	    "domain=a.test");
	fix_set(w->fix, ST_SYSTEM, "server srv1 listener other",
	    "transport=udp;address=127.0.0.1;port=5062;instance=sg/2");
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "site/demo");
	settle(w);
	link_role(w, ROLE_SG, 1);
	settle(w);
	assert_string_equal(w->heard, "feed ");
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "domains")), 1);
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "listeners")), 1);
	l = json_array_get(json_object_get(w->fed, "listeners"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(l, "name")), "tls");
	assert_string_equal(
	    json_string_value(json_object_get(l, "chain")), "PEM");
	assert_int_equal(strlen(json_string_value(json_object_get(l, "key"))),
	    2 * (6 + CRYPT_TAG));
	assert_int_equal(
	    json_integer_value(json_object_get(
		json_object_get(w->fed, "gate"), "requests-per-second")),
	    50);
	/* what it knows already is not said again */
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(w->heard, "feed ");
	fix_set(w->fix, ST_SYSTEM, "gate default", "requests-per-second=9");
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(w->heard, "feed feed ");
	assert_int_equal(
	    json_integer_value(json_object_get(
		json_object_get(w->fed, "gate"), "requests-per-second")),
	    9);
	world_free(w);
}

/* One domain as gates hear of it, and one that is gone. */
static void
one_domain_is_fed(void **state)
{
	struct fix *f = fix_site();
	json_t *o;

	(void)state;
	fix_set(f, ST_SYSTEM, "domain a.test", "alias=b.test c.test");
	fix_commit(f, ST_SYSTEM);
	o = feed_domain(obj_table, fix_db(f, ST_ROOT_STREAM), "a.test");
	assert_string_equal(
	    json_string_value(json_object_get(o, "state")), "on");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(o, "alias"), 1)),
	    "c.test");
	json_decref(o);
	o = feed_domain(obj_table, fix_db(f, ST_ROOT_STREAM), "x.test");
	assert_true(json_is_null(json_object_get(o, "state")));
	json_decref(o);
	fix_free(f);
}

/* The instances of mg share the ports of their server without overlap, and
 * each starts at an even port. */
static void
media_ports_are_shared_out(void **state)
{
	char a[16], b[16], c[16];
	struct fix *f = fix_site();
	json_t *o;

	(void)state;
	assert_true(feed_ports(a, sizeof a, "30000-30999", 1, 1));
	assert_string_equal(a, "30000-30999");
	assert_true(feed_ports(a, sizeof a, "30000-30999", 1, 3));
	assert_true(feed_ports(b, sizeof b, "30000-30999", 2, 3));
	assert_true(feed_ports(c, sizeof c, "30000-30999", 3, 3));
	assert_string_equal(a, "30000-30331");
	assert_string_equal(b, "30332-30663");
	assert_string_equal(c, "30664-30999");
	assert_false(feed_ports(a, sizeof a, "30000-30003", 1, 3));
	assert_false(feed_ports(a, sizeof a, "30000", 1, 1));
	o = feed_media(obj_table, fix_db(f, "site/demo"), "srv1", 1, 1);
	assert_string_equal(
	    json_string_value(json_object_get(o, "media_address")),
	    "127.0.0.1");
	assert_string_equal(
	    json_string_value(json_object_get(o, "ports")), "30000-39999");
	json_decref(o);
	fix_free(f);
}

/* The store hears of all sessions when its owner changes, before any edit,
 * and of each that ends. */
static void
the_store_hears_of_sessions(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	static const struct op sets = {.name = "set it",
	    .kind = OP_CONFIG,
	    .where = OP_OWNER,
	    .role = ROLE_ST};
	const struct op **ops = (const struct op **)w->table.ops;
	int i;

	(void)state;
	for (i = 0; ops[i] != NULL; i++)
		;
	ops[i] = &sets;
	link_role(w, ROLE_ST, 1);
	send_call(c, "set it", NULL);
	settle(w);
	own_store(w, "st/1@srv1", 5);
	while (c->open > 0)
		run(w);
	assert_string_equal(w->heard, "sessions set it ");
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "sessions")), 1);
	own_store(w, "st/1@srv1", 5);
	settle(w);
	assert_string_equal(w->heard, "sessions set it ");
	console_end(c);
	settle(w);
	assert_string_equal(w->heard, "sessions set it session-end ");
	own_store(w, "st/1@srv1", 6);
	settle(w);
	assert_string_equal(w->heard, "sessions set it session-end sessions ");
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "sessions")), 0);
	ops[i] = NULL;
	world_free(w);
}

/* The owner hears who asks, and a commit has a name before it leaves. */
static void
calls_carry_who_and_txid(void **state)
{
	static const struct op_field args[] = {
	    {.name = "txid", .type = &op_type_name}, {0}};
	static const struct op op = {.name = "x", .args = args};
	const struct op_who who = {
	    .name = "ivanov", .session = "s", .from = "local"};
	json_t *p = call_params(&op, NULL, &who), *q;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(p, "who"), "name")),
	    "ivanov");
	assert_int_equal(strlen(json_string_value(json_object_get(
			     json_object_get(p, "args"), "txid"))),
	    32);
	json_decref(p);
	q = json_pack("{s:s}", "txid", "mine");
	p = call_params(&op, q, &who);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(p, "args"), "txid")),
	    "mine");
	json_decref(p);
	json_decref(q);
}

/* Names for completion come from replicas, by prefix, bounded. */
static void
names_are_completed(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct st_domain d;
	char stream[STREAM_NAME];

	(void)state;
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	publish(w, stream);
	assert_int_equal(
	    call(c, "complete",
		json_pack("{s:s, s:s}", "ref", "domain", "prefix", "a")),
	    0);
	assert_int_equal(json_array_size(c->result), 1);
	assert_int_equal(call(c, "complete",
			     json_pack("{s:s, s:s, s:s}", "ref", "user", "path",
				 "domain a.test", "prefix", "10")),
	    0);
	assert_int_equal(json_array_size(c->result), 2);
	assert_string_equal(
	    json_string_value(json_array_get(c->result, 0)), "101");
	assert_int_equal(
	    call(c, "complete",
		json_pack("{s:s, s:s, s:s, s:i}", "ref", "user", "path",
		    "domain a.test", "prefix", "", "limit", 1)),
	    0);
	assert_int_equal(json_array_size(c->result), 1);
	assert_int_equal(call(c, "complete",
			     json_pack("{s:s, s:s}", "ref", "user", "path",
				 "domain no.test")),
	    0);
	assert_int_equal(json_array_size(c->result), 0);
	assert_int_equal(
	    call(c, "complete", json_pack("{s:s}", "ref", "sheep")),
	    -ERR_UNKNOWN);
	fix_set(w->fix, ST_SYSTEM, "domain a.test", "alias=one.test two.test");
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "domain/root");
	assert_int_equal(call(c, "complete",
			     json_pack("{s:s, s:s, s:s}", "list", "alias",
				 "path", "domain a.test", "prefix", "two.")),
	    0);
	assert_int_equal(json_array_size(c->result), 1);
	assert_string_equal(
	    json_string_value(json_array_get(c->result, 0)), "two.test");
	assert_int_equal(call(c, "complete",
			     json_pack("{s:s, s:s}", "list", "state", "path",
				 "domain a.test")),
	    -ERR_UNKNOWN);
	assert_int_equal(
	    call(c, "complete",
		json_pack("{s:s, s:s}", "list", "alias", "path", "domain")),
	    -ERR_UNKNOWN);
	assert_int_equal(call(c, "complete", NULL), -ERR_INVALID);
	world_free(w);
}

/* ---- tests: operations -------------------------------------------------- */

/* A row for each process the supervisor told of. */
static void
roles_are_shown(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct role_status s = {
	    .name = "st/1", .pid = 42, .state = "ready", .restarts = 3};

	(void)state;
	s.since = clock_real() - 61 * CLOCK_SEC;
	frame.on_status(&w->self, &s);
	assert_int_equal(call(c, "show roles", NULL), 0);
	assert_int_equal(nrows(c), 1);
	assert_string_equal(col(c, 0, "instance"), "st/1");
	assert_string_equal(col(c, 0, "role"), "st");
	assert_non_null(strstr(col(c, 0, "brief"), "store"));
	assert_string_equal(col(c, 0, "mode"), "passive");
	assert_int_equal(
	    json_integer_value(json_object_get(row(c, 0), "pid")), 42);
	assert_in_range(
	    json_integer_value(json_object_get(row(c, 0), "uptime")), 61, 90);
	assert_int_equal(call(c, "request role restart",
			     json_pack("{s:s}", "instance", "st/1")),
	    0);
	assert_string_equal(frame.restarted, "st/1");
	assert_int_equal(call(c, "request role restart",
			     json_pack("{s:s}", "instance", "mg/7")),
	    -ERR_ABSENT);
	world_free(w);
}

/* Domains, users and numbers come from replicas; users are joined with what
 * the registrar knows. */
static void
domains_are_shown(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct st_domain d;
	char stream[STREAM_NAME], sql[512];
	sqlite3 *location;

	(void)state;
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 600", "service=echo");
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 101", "user=101");
	fix_commit(w->fix, ST_SYSTEM);
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	publish(w, stream);
	assert_int_equal(call(c, "show domains", NULL), 0);
	assert_string_equal(col(c, 0, "domain"), "a.test");
	/* no registrar yet: it is not known who is registered */
	assert_int_equal(
	    call(c, "show users", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_int_equal(nrows(c), 2);
	assert_true(json_is_null(json_object_get(row(c, 0), "registered")));
	sqlite3_open(":memory:", &location);
	snprintf(sql, sizeof sql,
	    "CREATE TABLE binding(domain TEXT, user TEXT, contact TEXT, "
	    "source TEXT, expires INTEGER, user_agent TEXT, updated INTEGER);"
	    "INSERT INTO binding VALUES('%s', '102', 'sip:102@192.0.2.7', "
	    "'192.0.2.7:5060;transport=tcp', %lld, 'Phone', 5)",
	    d.id, (long long)(clock_real() / CLOCK_SEC + 100));
	assert_int_equal(
	    sqlite3_exec(location, sql, NULL, NULL, NULL), SQLITE_OK);
	map_str_put(&w->fix->dbs, "location", location);
	publish(w, "location");
	settle(w);
	assert_int_equal(
	    call(c, "show users", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_true(json_is_false(json_object_get(row(c, 0), "registered")));
	assert_true(json_is_true(json_object_get(row(c, 1), "registered")));
	assert_true(json_is_true(json_object_get(row(c, 1), "password")));
	assert_int_equal(call(c, "show registrations", NULL), 0);
	assert_int_equal(nrows(c), 1);
	assert_string_equal(col(c, 0, "domain"), "a.test");
	assert_string_equal(col(c, 0, "source"), "192.0.2.7:5060");
	assert_string_equal(col(c, 0, "transport"), "tcp");
	assert_int_equal(
	    call(c, "show registrations",
		json_pack("{s:s, s:s}", "domain", "a.test", "user", "101")),
	    0);
	assert_int_equal(nrows(c), 0);
	assert_int_equal(
	    call(c, "show numbers", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_int_equal(nrows(c), 3);
	assert_string_equal(col(c, 2, "number"), "600");
	assert_string_equal(col(c, 2, "to"), "echo");
	world_free(w);
}

/* The last page of a stream's file that is a leaf of a table is nothing. */
static void
rot(struct world *w, const char *stream)
{
	char path[PATH_MAX + 128], zero[4096] = {0};
	struct stat st;
	int fd;

	double_path(w->self.repl, stream, path, sizeof path);
	fd = open(path, O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > 10 * 4096);
	assert_int_equal(
	    pwrite(fd, zero, sizeof zero, st.st_size - 4096), sizeof zero);
	close(fd);
}

/* Some rows are not all: a list that cannot be read is an error that names
 * the stream, and nobody is told of pages and tables. */
static void
unread_lists_are_errors(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	sqlite3 *location;
	struct st_domain d;
	char sql[700];

	(void)state;
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	sqlite3_open(":memory:", &location);
	snprintf(sql, sizeof sql,
	    "CREATE TABLE binding(domain TEXT, user TEXT, contact TEXT, "
	    "source TEXT, expires INTEGER, user_agent TEXT, updated INTEGER);"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i < 600) INSERT INTO binding SELECT '%s', i, 'sip:x@x', "
	    "hex(zeroblob(200)), %lld, 'Phone', 5 FROM n",
	    d.id, (long long)(clock_real() / CLOCK_SEC + 100));
	assert_int_equal(
	    sqlite3_exec(location, sql, NULL, NULL, NULL), SQLITE_OK);
	map_str_put(&w->fix->dbs, "location", location);
	publish(w, "location");
	rot(w, "location");
	settle(w);
	assert_int_equal(call(c, "show registrations", NULL), -ERR_CORRUPT);
	assert_non_null(strstr(c->err.text, "location"));
	assert_null(strstr(c->err.text, "image"));
	world_free(w);
}

/* What a call names must be there, whatever the operation and wherever it
 * runs; an empty list is none. */
static void
absent_objects_are_refused(void **state)
{
	static const struct {
		const char *op, *arg, *value;
	} bad[] = {
	    {"show users", "domain", "nope.test"},
	    {"show numbers", "domain", "nope.test"},
	    {"show cdr", "domain", "nope.test"},
	    {"show registrations", "domain", "nope.test"},
	    {"show far calls", "domain", "nope.test"},
	    {"show statistics", "instance", "mg/5"},
	    {"show far calls", "instance", "mg/5"},
	};
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct st_domain d;
	char stream[STREAM_NAME];
	size_t i;

	(void)state;
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	publish(w, stream);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(
		    call(c, bad[i].op,
			json_pack("{s:s}", bad[i].arg, bad[i].value)),
		    -ERR_ABSENT);
	assert_int_equal(
	    call(c, "show registrations",
		json_pack("{s:s, s:s}", "domain", "A.test", "user", "999")),
	    -ERR_ABSENT);
	assert_string_equal(c->err.text, "there is no domain a.test user 999");
	assert_int_equal(call(c, "show statistics",
			     json_pack("{s:s}", "instance", "control/1")),
	    0);
	assert_int_equal(
	    call(c, "show far calls", json_pack("{s:s}", "domain", "a.test")),
	    0);
	world_free(w);
}

/* Call records: the youngest first, spans in seconds. */
static void
records_are_shown(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct st_domain d;
	char stream[STREAM_NAME];

	(void)state;
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	assert_int_equal(sqlite3_exec(fix_db(w->fix, stream),
			     "INSERT INTO cdr(id, domain, caller, called, "
			     "start, answer, end, code) VALUES"
			     "('a', 'd', '101', '102', 1000000, 4000000, "
			     "64000000, 200), ('b', 'd', '101', '103', "
			     "2000000, NULL, 3000000, 486)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	publish(w, stream);
	assert_int_equal(
	    call(c, "show cdr", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_int_equal(nrows(c), 2);
	assert_string_equal(col(c, 0, "called"), "103");
	assert_true(json_is_null(json_object_get(row(c, 0), "talk")));
	assert_int_equal(
	    json_integer_value(json_object_get(row(c, 1), "talk")), 60);
	assert_int_equal(
	    json_integer_value(json_object_get(row(c, 1), "wait")), 3);
	world_free(w);
}

/* Counters of every process, our own among them. */
static void
processes_are_asked(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);

	(void)state;
	link_role(w, ROLE_SG, 1);
	assert_int_equal(call(c, "show statistics", NULL), 0);
	assert_true(nrows(c) > 3);
	assert_int_equal(call(c, "show servers", NULL), 0);
	assert_string_equal(col(c, 0, "inside"), "127.0.0.1");
	assert_int_equal(call(c, "show sessions", NULL), 0);
	assert_int_equal(nrows(c), 1);
	assert_true(json_is_true(json_object_get(row(c, 0), "own")));
	assert_int_equal(call(c, "show ownership", NULL), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_keep_the_laws),
	    cmocka_unit_test(describe_tells_everything),
	    cmocka_unit_test(bad_requests_are_told),
	    cmocka_unit_test(placement_follows_the_site),
	    cmocka_unit_test(an_empty_site_places_nothing),
	    cmocka_unit_test(gates_are_fed),
	    cmocka_unit_test(one_domain_is_fed),
	    cmocka_unit_test(media_ports_are_shared_out),
	    cmocka_unit_test(the_store_hears_of_sessions),
	    cmocka_unit_test(calls_carry_who_and_txid),
	    cmocka_unit_test(names_are_completed),
	    cmocka_unit_test(roles_are_shown),
	    cmocka_unit_test(domains_are_shown),
	    cmocka_unit_test(unread_lists_are_errors),
	    cmocka_unit_test(absent_objects_are_refused),
	    cmocka_unit_test(records_are_shown),
	    cmocka_unit_test(processes_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
