/* Laws of verify, locate and the operations of SR, over a real link. */
#include <sys/socket.h>

#include "daemon/base/rpc.h"
#include "tests/unit/sr_fixture.h"

static struct rpc *asker, *door;
static struct peer peer;
static char *result; /* JSON of the last reply, or the error's name */
static unsigned answers;

static void
door_on_request(void *arg, struct rpc *rpc, struct rpc_request *request,
    const char *method, json_t *params)
{
	(void)arg;
	(void)rpc;
	sr_role.on_request(&town->self, &peer, request, method, params);
}

static void
door_on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	(void)arg;
	(void)rpc;
	(void)why;
	fail_msg("the link closed");
}

/* A town with a link from B2BUA. */
static int
setup(void **state)
{
	struct rpc_handler h = {
	    .on_request = door_on_request, .on_closed = door_on_closed};
	int s[2];

	town_setup(state);
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s),
	    0);
	asker = rpc_open(town->loop, s[0], &h);
	door = rpc_open(town->loop, s[1], &h);
	peer = (struct peer){.role = ROLE_B2BUA, .index = 1, .rpc = door};
	str_copy(peer.name, sizeof peer.name, "b2bua/1");
	result = NULL;
	answers = 0;
	return 0;
}

static int
teardown(void **state)
{
	int done = 1;

	rpc_close(&asker);
	rpc_close(&door);
	world_run(town->loop, &done); /* they end with the turn */
	free(result);
	return town_teardown(state);
}

static void
on_reply(void *arg, json_t *value, const struct err *err)
{
	(void)arg;
	free(result);
	result = value != NULL
	    ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS)
	    : strdup(err_name(err->code));
	answers++;
}

static bool
answered(void *arg)
{
	const unsigned *n = arg;

	return answers > *n;
}

/* Ask and wait; the JSON of the result, or the name of the error. */
static const char *
ask_rpc(const char *method, json_t *params)
{
	unsigned before = answers;

	rpc_call(asker, method, params, 0, on_reply, NULL);
	town_until(answered, &before);
	return result;
}

/* Credentials of a user for an INVITE to 102. */
static const char *
credentials(const char *user, const char *password, const char *uri)
{
	static char out[1024];
	char ha1[33], ha2[33], response[33], s[512];

	sip_digest_ha1(ha1, false, user, "demo.test", password);
	snprintf(s, sizeof s, "INVITE:%s", uri);
	crypt_md5(ha2, s, strlen(s));
	snprintf(s, sizeof s, "%s:n:%s", ha1, ha2);
	crypt_md5(response, s, strlen(s));
	snprintf(out, sizeof out,
	    "Digest username=\"%s\", realm=\"demo.test\", nonce=\"n\","
	    " uri=\"%s\", response=\"%s\"",
	    user, uri, response);
	return out;
}

/* verify with these params. */
static const char *
verify(const char *domain, const char *uri, const char *header)
{
	return ask_rpc("verify",
	    json_pack("{s:s, s:s, s:s, s:s}", "domain", domain, "method",
		"INVITE", "uri", uri, "header", header));
}

#define URI "sip:102@demo.test"
#define YES "{\"domain_id\":\"" DOMAIN_ID "\",\"user\":\"101\"}"

/* verify says who the credentials are, at an instance that owns nothing. */
static void
test_verify(void **state)
{
	(void)state;
	assert_string_equal(
	    verify("demo.test", URI, credentials("101", "secret", URI)), YES);
	assert_string_equal(
	    verify("Alias.Test", URI, credentials("101", "secret", URI)), YES);
	assert_string_equal(verify("demo.test", "sip:102@demo.test;user=phone",
				credentials("101", "secret", URI)),
	    YES);
	assert_string_equal(verify("demo.test", "tel:+7495;phone-context=x",
				credentials("101", "secret", "tel:+7495")),
	    YES);
	assert_string_equal(verify("demo.test", "tel:102",
				credentials("101", "secret", "tel:103")),
	    "permission");
}

/* A wrong password, an unknown user or domain, another request's credentials
 * are refused alike; what are no credentials is an error of its own. */
static void
test_verify_refuses(void **state)
{
	(void)state;
	assert_string_equal(
	    verify("demo.test", URI, credentials("101", "wrong", URI)),
	    "permission");
	assert_string_equal(
	    verify("demo.test", URI, credentials("999", "secret", URI)),
	    "permission");
	assert_string_equal(
	    verify("none.test", URI, credentials("101", "secret", URI)),
	    "permission");
	assert_string_equal(verify("demo.test", "sip:900123@demo.test",
				credentials("101", "secret", URI)),
	    "permission");
	assert_string_equal(verify("demo.test", URI, "Basic abc"), "syntax");
}

/* locate is the owner's: where a user is, or nowhere. */
static void
test_locate(void **state)
{
	json_t *params = json_pack(
	    "{s:s, s:s}", "domain_id", DOMAIN_ID, "user", "101");

	(void)state;
	assert_string_equal(ask_rpc("locate", json_incref(params)), "noowner");
	town_own(1);
	assert_string_equal(
	    ask_rpc("locate", json_incref(params)), "{\"contacts\":[]}");
	assert_int_equal(phone_101(1, "Contact: <sip:a@h>\r\n"), 200);
	assert_non_null(strstr(ask_rpc("locate", json_incref(params)),
	    "{\"contacts\":[{\"contact\":\"sip:a@h\",\"expires\":"));
	json_decref(params);
}

/* A role other than B2BUA, another method or no params are refused. */
static void
test_door(void **state)
{
	(void)state;
	assert_string_equal(ask_rpc("open", json_object()), "unknown");
	assert_string_equal(ask_rpc("verify", json_array()), "invalid");
	peer.role = ROLE_MG;
	assert_string_equal(ask_rpc("verify", json_object()), "permission");
}

static char done_with[64];
static unsigned removed;

static void
on_done(void *arg, struct op_call *call, const struct err *err)
{
	(void)arg;
	str_copy(done_with, sizeof done_with,
	    err != NULL ? err_name(err->code) : "done");
	removed = (unsigned)json_array_size(call->rows);
	answers++;
}

/* Run the operation and wait; "done" or the error's name. */
static const char *
remove_registration(const char *domain, const char *user, const char *contact)
{
	struct op_who who = {.name = "tester", .role = ADMIN_OPERATOR};
	json_t *args = json_pack("{s:s, s:s}", "domain", domain, "user", user);
	unsigned before = answers;

	if (contact != NULL)
		json_object_set_new(args, "contact", json_string(contact));
	op_run(sr_ops[0], args, &who, &town->self, on_done, NULL);
	json_decref(args);
	town_until(answered, &before);
	return done_with;
}

/* The operation removes one contact or all, and says what is not there. */
static void
test_remove(void **state)
{
	(void)state;
	assert_string_equal(
	    remove_registration("demo.test", "101", NULL), "noowner");
	town_own(1);
	assert_string_equal(
	    remove_registration("demo.test", "101", NULL), "absent");
	assert_string_equal(
	    remove_registration("none.test", "101", NULL), "absent");
	assert_int_equal(
	    phone_101(1, "Contact: <sip:a@h>,<sip:b@h>,<sip:c@h>\r\n"), 200);
	assert_string_equal(
	    remove_registration("demo.test", "101", "sip:b@H"), "done");
	assert_int_equal(removed, 1);
	assert_string_equal(
	    remove_registration("demo.test", "101", "sip:b@H"), "absent");
	assert_string_equal(
	    remove_registration("demo.test", "101", NULL), "done");
	assert_int_equal(removed, 2);
	assert_int_equal(phone_101(2, ""), 200);
	assert_null(strstr(town->reply, "Contact:"));
}

static json_t *shown;

static void
on_shown(void *arg, struct op_call *call, const struct err *err)
{
	(void)arg;
	assert_null(err);
	shown = json_incref(call->rows);
}

/* The refused credentials that an operator sees, row by row: "user source
 * cause count". */
static const char *
failures(const char *domain)
{
	static char out[32768];
	struct op_who who = {.name = "tester", .role = ADMIN_OPERATOR};
	json_t *args = json_object(), *row;
	size_t i, n = 0;

	if (domain != NULL)
		json_object_set_new(args, "domain", json_string(domain));
	op_run(&sr_op_failures, args, &who, &town->self, on_shown, NULL);
	out[0] = '\0';
	json_array_foreach (shown, i, row)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s %s %s %d\n",
		    json_string_value(json_object_get(row, "user")),
		    json_string_value(json_object_get(row, "source")),
		    json_string_value(json_object_get(row, "cause")),
		    (int)json_integer_value(json_object_get(row, "count")));
	json_decref(shown);
	json_decref(args);
	return out;
}

/* Who is refused is shown with the cause, once for each source and cause,
 * newest first; foreign bytes are made safe; who is let in is not shown. */
static void
test_failures(void **state)
{
	json_t *params = json_pack("{s:s, s:s, s:s, s:s, s:s}", "domain",
	    "demo.test", "method", "INVITE", "uri", URI, "header",
	    credentials("x\x01y", "secret", URI), "source",
	    "[2001:db8::1]:5060;transport=udp;listener=udp");

	(void)state;
	verify("demo.test", URI, credentials("101", "secret", URI));
	assert_string_equal(failures(NULL), "");
	verify("demo.test", URI, credentials("999", "secret", URI));
	verify("demo.test", URI, credentials("101", "wrong", URI));
	verify("none.test", URI, credentials("101", "wrong", URI));
	verify(
	    "demo.test", "sip:1@demo.test", credentials("101", "secret", URI));
	verify("demo.test", URI, credentials("999", "wrong", URI));
	ask_rpc("verify", params);
	assert_string_equal(failures("demo.test"),
	    "x\\x01y [2001:db8::1] unknown user 1\n"
	    "999  unknown user 2\n"
	    "101  credentials of another request 1\n"
	    "101  wrong password 1\n");
	assert_string_equal(failures("none.test"), "101  unknown domain 1\n");
	town_own(1);
	town_write(town->domain, "user", "102",
	    "UPDATE user SET state = 'off' WHERE user = '102'");
	assert_int_equal(
	    phone_register(&(struct ask){.user = "102", .password = "geheim"}),
	    403);
	assert_non_null(
	    strstr(failures(NULL), "102 192.0.2.7 user is off 1\n"));
}

/* Many names are too many to keep: the oldest give way. */
static void
test_failures_bounded(void **state)
{
	struct sr *sr = town->self.state_of_role;
	struct sr_asker who = {.domain = "d", .source = "s:1", .agent = ""};
	char name[16];
	const char *rows;
	unsigned i, n = 0;

	(void)state;
	who.user = name;
	for (i = 0; i < SR_FAILURES + 50; i++) {
		snprintf(name, sizeof name, "u%u", i);
		sr_failure_note(sr, &who, "unknown user");
		clock_step(CLOCK_MS);
	}
	for (rows = failures("d"); *rows != '\0'; rows++)
		n += *rows == '\n';
	clock_step(-(int64_t)(i * CLOCK_MS));
	assert_true(n > 100);
	assert_null(strstr(failures("d"), "u49 "));
	assert_non_null(strstr(failures("d"), "u249 s unknown user 1\n"));
}

/* Rows of a drill: {"as", "from", "to", "remove"}. */
static const char *
drill(const char *as, int from, int to, bool remove)
{
	return ask_rpc("drill",
	    json_pack("{s:s, s:i, s:i, s:b}", "as", as, "from", from, "to", to,
		"remove", (int)remove));
}

static int
drill_rows(const char *domain)
{
	sqlite3_stmt *s;
	sqlite3 *db = stream_db(
	    ((struct sr *)town->self.state_of_role)->stream);
	int n;

	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"SELECT count(*) FROM binding WHERE domain = ?1", -1, &s, NULL),
	    SQLITE_OK);
	sqlite3_bind_text(s, 1, domain, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return n;
}

/* Control may write bindings of a drill and take them away, at the owner
 * only; nobody else may, and what it writes is no domain's. */
static void
test_drill(void **state)
{
	(void)state;
	assert_string_equal(drill("abc", 1, 1, false), "unknown");
	peer.role = ROLE_CONTROL;
	assert_string_equal(drill("abc", 1, 1, false), "noowner");
	town_own(1);
	assert_string_equal(drill("abc", 1, 3, false), "{}");
	assert_string_equal(drill("abc", 3, 4, false), "{}");
	assert_string_equal(drill("def", 7, 7, false), "{}");
	assert_int_equal(drill_rows("drill/abc"), 4);
	assert_string_equal(drill("abc", 0, 2, true), "{}");
	assert_int_equal(drill_rows("drill/abc"), 2);
	assert_int_equal(drill_rows("drill/def"), 1);
	assert_string_equal(drill("abc", 0, 255, true), "{}");
	assert_int_equal(drill_rows("drill/abc"), 0);
	assert_string_equal(drill("abc", 0, 256, true), "invalid");
	assert_string_equal(drill("abc", 2, 1, false), "invalid");
	assert_string_equal(drill("abc", -1, 1, false), "invalid");
	assert_string_equal(
	    ask_rpc("drill", json_pack("{s:s}", "as", "abc")), "invalid");
}

/* The record's example is a whole command, and its arguments are the
 * operation's. */
static void
test_example(void **state)
{
	struct op_table table = {.ops = sr_ops, .objs = obj_table};
	struct op_walk walk;

	(void)state;
	assert_int_equal(op_walk(&table, sr_ops[0]->example, 0, &walk), 0);
	assert_ptr_equal(walk.op, sr_ops[0]);
	assert_string_equal(
	    json_string_value(json_object_get(walk.args, "user")), "101");
	op_walk_fini(&walk);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_verify),
	    T(test_verify_refuses),
	    T(test_failures),
	    T(test_failures_bounded),
	    T(test_locate),
	    T(test_door),
	    T(test_remove),
	    T(test_drill),
	    cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
