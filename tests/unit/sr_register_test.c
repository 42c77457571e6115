/*
 * Laws of REGISTER from datagram to answer, over a real stream: what SR
 * answers, and that it answers only what is held.
 */
#include "tests/unit/sr_fixture.h"

/* As town_setup, and this instance is the owner. */
static int
town_setup_owner(void **state)
{
	town_setup(state);
	town_own(1);
	return 0;
}

/* The counters of the registrar. */
static struct sr_counters *
counters(void)
{
	return &((struct sr *)town->self.state_of_role)->count;
}

/* Whether the reply has these words. */
static bool
says(const char *words)
{
	return strstr(town->reply, words) != NULL;
}

/* 10.3 step 8: the 200 repeats the request's head, adds a tag, lists what is
 * bound with what is left, and bears a Date. */
static void
test_ok(void **state)
{
	(void)state;
	assert_int_equal(phone_101(1,
			     "Contact: <sip:101@192.0.2.7:5062>\r\n"
			     "Expires: 600\r\nSupported: path\r\n"),
	    200);
	assert_true(says("Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bKphone;"
			 "rport=5062;received=192.0.2.7\r\n"));
	assert_true(says("To: <sip:101@demo.test>;tag="));
	assert_true(says("Contact: <sip:101@192.0.2.7:5062>;expires=600\r\n"));
	assert_true(says("\r\nDate: "));
	assert_true(says("Supported: path\r\n"));
	assert_int_equal(phone_101(2, ""), 200);
	assert_true(says("Contact: <sip:101@192.0.2.7:5062>;expires="));
	assert_int_equal(counters()->additions, 1);
	assert_int_equal(counters()->queries, 1);
}

/* A row holds what B2BUA needs to call the phone. */
static void
test_row(void **state)
{
	struct sr *sr = town->self.state_of_role;
	sqlite3_stmt *st;

	(void)state;
	assert_int_equal(phone_101(1,
			     "Contact: \"x\" <sip:101@192.0.2.7:5062>;q=0.4;"
			     "+sip.instance=\"<urn:u>\";reg-id=1\r\n"
			     "User-Agent: Phone\r\n"),
	    200);
	assert_true(says(";expires=3600;q=0.400;+sip.instance=\"<urn:u>\""
			 ";reg-id=1\r\n"));
	sqlite3_prepare_v2(stream_db(sr->stream),
	    "SELECT domain || ' ' || user || ' ' || contact || ' ' || path ||"
	    " ' ' || source || ' ' || user_agent || ' ' || q || ' ' ||"
	    " instance || ' ' || reg_id || ' ' || call_id || ' ' || cseq"
	    " FROM binding",
	    -1, &st, NULL);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(st, 0),
	    DOMAIN_ID " 101 sip:101@192.0.2.7:5062"
		      " <sip:t0ken@127.0.0.1:5080;lr>"
		      " 192.0.2.7:5062;transport=udp;listener=udp Phone"
		      " 400 <urn:u> 1 c1 1");
	sqlite3_finalize(st);
}

/* MD5 and SHA-256, with qop and without: all are the user's. */
static void
test_algorithms(void **state)
{
	struct ask a = {.user = "101", .password = "secret", .cseq = 1};
	int i;

	(void)state;
	for (i = 0; i < 4; i++, a.cseq++) {
		a.sha256 = i & 1;
		a.qop = i & 2;
		assert_int_equal(phone_register(&a), 200);
	}
}

/* The answers to a wrong password, an unknown user, an unknown domain, a user
 * who is off, no credentials, another realm, another's address and a
 * suspended domain differ in nothing but what they repeat. */
static void
test_refusals(void **state)
{
	static const struct ask asks[] = {
	    {.user = "101", .password = "wrong"},
	    {.user = "999", .password = "secret"},
	    {.user = "101",
		.password = "secret",
		.host = "none.test",
		.realm = "none.test"},
	    {.user = "102", .password = "geheim"},
	    {.user = "101", .password = "secret", .no_credentials = true},
	    {.user = "101", .password = "secret", .realm = "other.test"},
	    {.user = "101", .password = "geheim", .login = "102"},
	    {.user = "101",
		.password = "secret",
		.host = "other.test",
		.realm = "other.test"},
	    {.user = "a b", .password = "secret", .host = "demo.test"},
	};
	const char *tail;
	size_t i;

	(void)state;
	town_write(town->domain, "user", "102",
	    "UPDATE user SET state = 'off' WHERE user = '102'");
	town_write(town->root, "domain", "other.test",
	    "UPDATE domain SET state = 'suspended' WHERE domain ="
	    " 'other.test'");
	for (i = 0; i < sizeof asks / sizeof asks[0]; i++) {
		if (phone_register(&asks[i]) != 403)
			fail_msg("case %zu: %s", i, town->reply);
		assert_true(says("SIP/2.0 403 Forbidden\r\n"));
		tail = strstr(town->reply, "CSeq: ");
		assert_string_equal(tail,
		    "CSeq: 0 REGISTER\r\n"
		    "X-Tandem-Refused: credentials\r\n"
		    "Content-Length: 0\r\n\r\n");
	}
}

/* An alias is the domain; letters of a host have no case. */
static void
test_alias(void **state)
{
	struct ask a = {.user = "101", .password = "secret", .cseq = 1};

	(void)state;
	a.host = "second.test";
	a.lines = "Contact: <sip:a@h>\r\n";
	assert_int_equal(phone_register(&a), 200);
	a.cseq = 2;
	a.host = "DEMO.Test";
	a.lines = "";
	assert_int_equal(phone_register(&a), 200);
	assert_true(says("Contact: <sip:a@h>"));
}

/* Where To names an address, SG tells the domain, or else the realm of the
 * challenge; a name in To counts before both. */
static void
test_address_host(void **state)
{
	struct ask a = {.user = "101", .password = "secret", .cseq = 1};

	(void)state;
	a.host = "127.0.0.1:5060";
	assert_int_equal(phone_register(&a), 200);
	a.lines = "X-Tandem-Domain: other.test\r\n";
	assert_int_equal(phone_register(&a), 403);
	a.host = "demo.test";
	assert_int_equal(phone_register(&a), 200);
	a.host = "127.0.0.1:5060";
	a.realm = "other.test";
	a.lines = "Contact: <sip:b@h>\r\n";
	assert_int_equal(phone_register(&a), 200);
	assert_int_equal(phone_101(3, ""), 200);
	assert_false(says("Contact:"));
}

/* A changed password counts from the commit on, and so do a deleted user and
 * a new one. */
static void
test_changes(void **state)
{
	struct ask a = {.user = "101", .password = "secret", .cseq = 1};

	(void)state;
	assert_int_equal(phone_register(&a), 200);
	town_user(town->domain, DOMAIN_ID, "demo.test", "101", "changed");
	a.password = "changed";
	assert_int_equal(phone_register(&a), 200);
	town_write(
	    town->domain, "user", "101", "DELETE FROM user WHERE user = '101'");
	/* The reader hears of it after ST does: the next datagram may be
	 * faster, so it is asked until it knows. */
	while (phone_register(&a) == 200)
		a.cseq++;
	assert_true(says(" 403 "));
	a = (struct ask){.user = "777", .password = "new", .cseq = 1};
	assert_int_equal(phone_register(&a), 403);
	town_user(town->domain, DOMAIN_ID, "demo.test", "777", "new");
	assert_int_equal(phone_register(&a), 200);
}

/* A domain made, renamed and deleted is found, moved and gone. */
static void
test_domains(void **state)
{
	struct ask a = {.user = "101", .password = "secret", .cseq = 1};

	(void)state;
	town_write(town->root, "domain", "demo.test",
	    "UPDATE domain SET alias = 'third.test' WHERE domain ="
	    " 'demo.test'");
	a.host = "third.test";
	while (phone_register(&a) != 200)
		;
	/* The realm still leads to it, whatever the host. */
	a.host = "alias.test";
	assert_int_equal(phone_register(&a), 200);
	town_write(town->root, "domain", "demo.test",
	    "DELETE FROM domain WHERE domain = 'demo.test'");
	a.host = "demo.test";
	while (phone_register(&a) == 200)
		;
	assert_true(says(" 403 "));
}

/* Refusals of the rules come with what explains them. */
static void
test_explained(void **state)
{
	(void)state;
	assert_int_equal(phone_101(1, "Contact: <sip:a@h>;expires=5\r\n"), 423);
	assert_true(says("Min-Expires: 30\r\n"));
	assert_int_equal(phone_101(1, "Require: path, x1, x2\r\n"), 420);
	assert_true(says("Unsupported: x1, x2\r\n"));
	assert_int_equal(phone_101(1, "Contact: *\r\n"), 400);
	assert_int_equal(
	    phone_101(
		1, "Contact: <sip:a@h>,<sip:b@h>,<sip:c@h>,<sip:d@h>\r\n"),
	    403);
	assert_true(says("403 Too Many Contacts\r\n"));
	assert_false(says("X-Tandem-Refused"));
	assert_int_equal(phone_101(2, "Contact: <sip:a@h>\r\n"), 200);
	assert_int_equal(phone_101(1, "Contact: <sip:a@h>\r\n"), 500);
	assert_int_equal(phone_101(3, ""), 200);
	assert_true(says("Contact: <sip:a@h>;"));
}

/* A request that comes again is answered again, byte for byte but for the
 * clock, and changes nothing. */
static void
test_repeated(void **state)
{
	char first[SIP_MAX + 1];

	(void)state;
	assert_int_equal(phone_101(5, "Contact: <sip:a@h>\r\n"), 200);
	str_copy(first, sizeof first, town->reply);
	assert_int_equal(phone_101(5, "Contact: <sip:a@h>\r\n"), 200);
	*strstr(first, "expires=") = '\0';
	*strstr(town->reply, "expires=") = '\0';
	assert_string_equal(first, town->reply);
	assert_int_equal(counters()->repeats, 1);
	assert_int_equal(counters()->additions, 1);
}

/* What is no REGISTER of SIP/2.0 gets what the RFC says, ACK gets nothing. */
static void
test_others(void **state)
{
	static const char options[] = "OPTIONS sip:a SIP/2.0\r\n"
				      "Via: SIP/2.0/UDP 127.0.0.1:%u\r\n"
				      "From: <sip:a>;tag=1\r\nTo: <sip:a>\r\n"
				      "Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
	static const char broken[] = "REGISTER sip:a SIP/2.0\r\n"
				     "Via: SIP/2.0/UDP 127.0.0.1:%u\r\n"
				     "From: <sip:a>;tag=1\r\nTo: <sip:a>\r\n"
				     "CSeq: 1 REGISTER\r\n\r\n";
	static const char seven[] = "REGISTER sip:a SIP/7.0\r\n"
				    "Via: SIP/7.0/UDP 127.0.0.1:%u\r\n"
				    "From: <sip:a>;tag=1\r\nTo: <sip:a>\r\n"
				    "Call-ID: x\r\nCSeq: 1 REGISTER\r\n\r\n";
	static const char ack[] = "ACK sip:a SIP/2.0\r\n"
				  "Via: SIP/2.0/UDP 127.0.0.1:%u\r\n"
				  "From: <sip:a>;tag=1\r\nTo: <sip:a>\r\n"
				  "Call-ID: x\r\nCSeq: 1 ACK\r\n\r\n";
	unsigned port = addr_port(&town->phone_at);
	char text[512];

	(void)state;
	snprintf(text, sizeof text, ack, port);
	phone_send(text, strlen(text));
	phone_send("\r\n\r\n", 4);
	phone_send("SIP/2.0 200 OK\r\n\r\n", 18);
	snprintf(text, sizeof text, options, port);
	assert_int_equal(phone_ask(text, strlen(text)), 405);
	assert_true(says("Allow: REGISTER\r\n"));
	snprintf(text, sizeof text, broken, port);
	assert_int_equal(phone_ask(text, strlen(text)), 400);
	snprintf(text, sizeof text, seven, port);
	assert_int_equal(phone_ask(text, strlen(text)), 505);
	assert_int_equal(town->replies, 3);
}

static bool
dropped(void *arg)
{
	const uint64_t *n = arg;

	return counters()->dropped >= *n;
}

/* An instance that does not own the bindings says nothing at all; it does
 * once it owns them. */
static void
test_passive(void **state)
{
	char text[4096];
	struct ask a = {.user = "101", .password = "secret", .cseq = 1};
	uint64_t want = 1;

	(void)state;
	phone_send(text, ask_text(&a, text, sizeof text));
	town_until(dropped, &want);
	assert_int_equal(town->replies, 0);
	town_own(1);
	assert_int_equal(phone_register(&a), 200);
}

/* Bindings outlive the ownership: under the next epoch they are there. */
static void
test_next_epoch(void **state)
{
	(void)state;
	assert_int_equal(phone_101(1, "Contact: <sip:a@h>\r\n"), 200);
	town_own(2);
	assert_int_equal(phone_101(2, ""), 200);
	assert_true(says("Contact: <sip:a@h>;"));
}

/* Many at once share commits, and each is answered. */
static void
test_groups(void **state)
{
	char text[4096], call_id[16], lines[64];
	struct ask a = {.user = "101", .password = "secret", .cseq = 1};
	unsigned i, none;

	(void)state;
	assert_int_equal(phone_101(1, ""), 200);
	for (i = 0; i < 300; i++) {
		snprintf(call_id, sizeof call_id, "g%u", i);
		snprintf(lines, sizeof lines, "Contact: <sip:%u@h>\r\n", i % 3);
		a.call_id = call_id;
		a.lines = lines;
		phone_send(text, ask_text(&a, text, sizeof text));
		none = i / 50 * 50 + 50;
		if (i % 50 == 49) /* what a socket holds */
			town_until(more_than, &none);
	}
	assert_int_equal(counters()->registers, 301);
	assert_true(counters()->groups < 100);
	assert_int_equal(phone_101(9, ""), 200);
	assert_true(
	    says("<sip:0@h>") && says("<sip:1@h>") && says("<sip:2@h>"));
}

static bool
expired(void *arg)
{
	const uint64_t *n = arg;

	return counters()->expired >= *n;
}

/* What has run out is not listed any more, and its row goes by itself. */
static void
test_expiry(void **state)
{
	uint64_t want = 1;

	(void)state;
	assert_int_equal(
	    phone_101(1, "Contact: <sip:a@h>;expires=30, <sip:b@h>\r\n"), 200);
	clock_step(31 * (int64_t)CLOCK_SEC);
	assert_int_equal(phone_101(2, ""), 200);
	assert_false(says("<sip:a@h>"));
	assert_true(says("<sip:b@h>"));
	town_own(2); /* the sweep begins with the ownership */
	town_until(expired, &want);
	clock_step(-31 * (int64_t)CLOCK_SEC);
	assert_int_equal(counters()->expired, 1);
	assert_int_equal(phone_101(3, ""), 200);
	assert_false(says("<sip:a@h>"));
}

/* However many rows there are, the first sweep of an owner gets through them
 * without waiting for a cycle that it knows nothing of. */
static void
test_long_table(void **state)
{
	struct sr *sr = town->self.state_of_role;
	uint64_t want = 2000;
	struct err err = {0};

	(void)state;
	assert_int_equal(phone_101(1, "Contact: <sip:a@h>\r\n"), 200);
	assert_int_equal(stream_join(sr->stream, &err), 0);
	assert_int_equal(sqlite3_exec(stream_db(sr->stream),
			     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
			     " SELECT i + 1 FROM n WHERE i < 2000)"
			     " INSERT INTO binding SELECT '" DOMAIN_ID "',"
			     " 'u' || i, 'sip:x', 'c', 1, 1, 1000, '', '', '',"
			     " '', 0, 1 FROM n",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(stream_commit(sr->stream, &err), 0);
	town_own(2);
	town_until(expired, &want);
	assert_int_equal(counters()->expired, 2000);
	assert_int_equal(phone_101(2, ""), 200);
	assert_true(says("<sip:a@h>"));
}

static bool
malformed(void *arg)
{
	const uint64_t *n = arg;

	return counters()->malformed >= *n;
}

/* While the replicator is away nothing is answered; what waits is answered
 * when it is back, and is there. */
static void
test_replicator_away(void **state)
{
	char text[4096];
	struct ask a = {.user = "101",
	    .password = "secret",
	    .cseq = 1,
	    .lines = "Contact: <sip:a@h>\r\n"};
	unsigned none = 0;
	uint64_t want = 1;

	(void)state;
	world_stop(&town->world, SIGKILL);
	phone_send(text, ask_text(&a, text, sizeof text));
	phone_send("x", 1); /* is behind the first in the socket's queue */
	town_until(malformed, &want);
	assert_int_equal(town->replies, 0);
	world_start(&town->world);
	repl_link(town->st_repl, world_link(&town->world, "st/1"));
	repl_link(town->repl, world_link(&town->world, "sr/1"));
	town_until(more_than, &none);
	assert_true(says("SIP/2.0 200 OK"));
	assert_true(says("Contact: <sip:a@h>;"));
}

/* A registration that comes from no gate is not even answered. */
static void
test_stranger(void **state)
{
	struct sr *sr = town->self.state_of_role;
	struct err err;
	union addr at;
	unsigned replies;
	int s;

	(void)state;
	assert_int_equal(phone_101(1, "Contact: <sip:a@h>\r\n"), 200);
	addr_parse(&at, "127.0.0.1", 0);
	s = sock_udp(&at, &err);
	assert_true(s >= 0);
	replies = town->replies;
	assert_int_equal(sendto(s, "x", 1, 0, &town->self.inside.sa,
			     addr_len(&town->self.inside)),
	    1);
	assert_int_equal(phone_101(2, "Contact: <sip:a@h>\r\n"), 200);
	assert_int_equal(town->replies, replies + 1);
	assert_int_equal(town->self.ears.strangers, 1);
	assert_int_equal(sr->count.malformed, 0);
	close(s);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, town_setup_owner, town_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_ok),
	    T(test_row),
	    T(test_algorithms),
	    T(test_refusals),
	    T(test_alias),
	    T(test_address_host),
	    T(test_changes),
	    T(test_domains),
	    T(test_explained),
	    T(test_repeated),
	    T(test_others),
	    T(test_stranger),
	    cmocka_unit_test_setup_teardown(
		test_passive, town_setup, town_teardown),
	    T(test_next_epoch),
	    T(test_groups),
	    T(test_expiry),
	    T(test_long_table),
	    T(test_replicator_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
