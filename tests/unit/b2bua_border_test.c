/*
 * What one leg may know of another: nothing. And what bytes of strangers do:
 * nothing but an answer.
 */
#include <ctype.h>

#include "b2bua_rig.h"

#define BOOKS "calls/b2bua-1@srv1"

/* Words of the caller's phone that must not reach the called one, and the
 * other way round. */
static const char *const of_a[] = {"10.1.1.1", "cid-101", "ft1", "alice",
    "Alice", "SecretPhone", "z9hG4bKphone", "x-secret", "198.51.100.7",
    "tok-101", "Phone 101", NULL};
static const char *const of_b[] = {"10.2.2.2", "bob", "Bob", "BobPhone",
    "x-secret", "203.0.113.9", "tok-b-phone", "b-phone", NULL};

static void
lacks(const char *msg, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strstr(msg, *words) != NULL)
			fail_msg("%s shows in: %s", *words, msg);
}

/* A number stands by itself: random identifiers may hold its digits. */
static void
lacks_number(const char *msg, const char *number)
{
	size_t n = strlen(number);
	const char *at = msg;

	for (; (at = strstr(at, number)) != NULL; at += n)
		if ((at == msg || !isalnum((unsigned char)at[-1])) &&
		    !isalnum((unsigned char)at[n]))
			fail_msg("%s shows in: %s", number, msg);
}

/* The random identifiers of one leg, out of any message of it. */
static void
lacks_identifiers(const char *msg, const char *other)
{
	const char *words[5] = {sip_get(other, "Call-ID"),
	    sip_param(sip_get(other, "From"), "tag"),
	    sip_param(sip_get(other, "To"), "tag"),
	    sip_param(sip_get(other, "Via"), "branch"), NULL};

	for (unsigned i = 0; i < 4; i++)
		if (words[i][0] != '\0' && strstr(msg, words[i]) != NULL)
			fail_msg("%s shows in: %s", words[i], msg);
}

static unsigned
origin_of(const char *msg)
{
	unsigned id = 0;

	assert_int_equal(sscanf(strstr(sip_body(msg), "o="), "o=- %u", &id), 1);
	return id;
}

/* In a whole call with early media, hold, digits and BYE no byte of one leg
 * shows on the other: no identifier, no address, no name, no version. */
static void
no_leg_shows_on_the_other(void **state)
{
	struct phone a, b;
	char *invite, *m, *ok, *ack;
	static const char secret[] =
	    "User-Agent: BobPhone/9\r\n"
	    "Server: BobPhone\r\nX-Secret: x-secret\r\n"
	    "P-Asserted-Identity: <sip:bob@x>\r\n";

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102",
	    "P-Preferred-Identity: <sip:alice@x>\r\nOrganization: Alice\r\n"
	    "Call-Info: <http://alice/>\r\nAlert-Info: <http://alice/>\r\n"
	    "Subject: Alice\r\nReply-To: <sip:alice@x>\r\nDate: now\r\n"
	    "X-Foo: alice\r\nHistory-Info: <sip:alice@x>\r\n" TRUSTED_101,
	    SDP_A);
	invite = rig_next("INVITE ");
	lacks(invite, of_a);
	assert_null(strstr(invite, "X-"));
	rig_learn_callee(&b, invite, "b-phone");
	rig_reply(invite, 183, "b-phone", secret, SDP_B);
	m = rig_next("SIP/2.0 183");
	lacks(m, of_b);
	lacks_identifiers(m, invite);
	free(m);
	rig_reply(invite, 200, "b-phone", secret, SDP_B);
	ok = rig_next("SIP/2.0 200");
	ack = rig_next("ACK ");
	lacks(ok, of_b);
	lacks(ack, of_a);
	lacks_identifiers(ok, ack);
	lacks_identifiers(ack, ok);
	assert_int_not_equal(origin_of(ok), origin_of(invite));
	rig_learn(&a, ok);
	rig_ack(&a, NULL);
	rig_until_state(CALL_UP);
	rig_request(&a, "INVITE", "User-Agent: SecretPhone\r\nX-Foo: alice\r\n",
	    SDP_A "a=sendonly\r\n");
	m = rig_next("INVITE ");
	lacks(m, of_a);
	lacks_identifiers(m, ok);
	rig_reply(m, 200, "b-phone", secret, SDP_B "a=recvonly\r\n");
	free(m);
	m = rig_next("SIP/2.0 200");
	lacks(m, of_b);
	free(m);
	m = rig_next("ACK ");
	lacks(m, of_a);
	free(m);
	rig_ack(&a, NULL);
	rig_request(&a, "BYE",
	    "User-Agent: SecretPhone\r\nReason: X;text=\"alice\"\r\n", NULL);
	m = rig_next("BYE ");
	lacks(m, of_a);
	rig_reply(m, 200, NULL, secret, NULL);
	free(m);
	m = rig_next("SIP/2.0 200");
	lacks(m, of_b);
	free(m);
	free(invite);
	free(ok);
	free(ack);
}

/* Whoever asks for privacy is called anonymous; the books know better. */
static void
privacy_hides_the_caller(void **state)
{
	struct phone a;
	char *invite, *m;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", "Privacy: id\r\n" TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	lacks_number(invite, "101");
	assert_memory_equal(sip_get(invite, "From"),
	    "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=", 50);
	rig_reply(invite, 486, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	m = rig_next("SIP/2.0 486");
	rig_hop(&a, "ACK", m);
	free(m);
	free(invite);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	assert_string_equal(rig_text(BOOKS, "SELECT caller FROM cdr"), "101");
}

/* Names of people cannot end a header or begin another. */
static void
names_stay_inside_their_quotes(void **state)
{
	struct phone a;
	char *invite;

	(void)state;
	rig_sql("domain/0d0d0d0d",
	    "UPDATE user SET name = 'A \"B\" \\ <x>' || char(13, 10) ||"
	    " 'X-Evil: 1' WHERE user = '101'");
	rig_changed("domain/0d0d0d0d", "user");
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	assert_string_equal(sip_get(invite, "X-Evil"), "");
	assert_memory_equal(sip_get(invite, "From"),
	    "\"A \\\"B\\\" \\\\ <x>X-Evil: 1\" <sip:101@demo.test>;tag=", 50);
	free(invite);
}

/* Contacts that lead nowhere inside are not rung; headers in a contact do
 * not become ours. */
static void
hostile_contacts_are_not_rung(void **state)
{
	static const char *const rows[] = {
	    "'sip:x@10.0.0.1', '<sip:t@evil.example:5060;lr>'",
	    "'sip:x@10.0.0.1', '<sip:t@evil.example;lr>'",
	    "'sip:x@10.0.0.1', ''", "'sip:x@10.0.0.1', NULL",
	    "'http://x/', '<sip:t@127.0.0.1:9;lr>'",
	    "'garbage', '<sip:t@127.0.0.1:9;lr>'",
	    "'sip:x@10.0.0.1', '<sip:t@127.0.0.1:9>'",
	    "'sip:x@10.0.0.1', 'not a route'"};
	struct phone a;
	char sql[512], *m;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(sql, sizeof sql,
		    "INSERT INTO binding (domain, user, contact, path, expires)"
		    " SELECT '0d0d0d0d', '102', column1, column2, 9999999999"
		    " FROM (VALUES (%s))",
		    rows[i]);
		rig_sql("location", sql);
	}
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	m = rig_next("SIP/2.0 480");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	m = rig_next("INVITE sip:b-phone@10.2.2.2:5062 SIP/2.0");
	assert_null(strstr(m, "X-Evil"));
	free(m);
}

/* An INVITE without a way back, and one from nowhere, are refused. */
static void
dialogs_without_a_way_back_are_refused(void **state)
{
	static const char *const broken[] = {
	    "Contact: <sip:x@10.0.0.1>\r\n", /* no Record-Route */
	    "Record-Route: <sip:t@evil.example;lr>\r\n"
	    "Contact: <sip:x@10.0.0.1>\r\n",
	    "Record-Route: <sip:t@127.0.0.1:9>\r\n" /* no lr */
	    "Contact: <sip:x@10.0.0.1>\r\n",
	    "Record-Route: <sip:t@127.0.0.1:9;lr>\r\n", /* no Contact */
	    "Record-Route: <sip:t@127.0.0.1:9;lr>\r\n"
	    "Contact: <mailto:x@y>\r\n"};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		buf_reset(&b);
		buf_fmt(&b,
		    "INVITE sip:102@demo.test SIP/2.0\r\n"
		    "Via: SIP/2.0/UDP %s;branch=z9hG4bKb%zu\r\n"
		    "From: <sip:101@demo.test>;tag=f\r\n"
		    "To: <sip:102@demo.test>\r\nCall-ID: b%zu\r\n"
		    "CSeq: 1 INVITE\r\nX-Tandem-Domain: demo.test\r\n"
		    "X-Tandem-Target: demo.test\r\n"
		    "%s" TRUSTED_101 "Content-Length: 0\r\n\r\n",
		    rig_gate_text(), i, i, broken[i]);
		rig_send(b.data);
		rig_skip("SIP/2.0 400");
	}
	buf_fini(&b);
	assert_int_equal(rig.b2bua->count.calls, 0);
}

/* Only a gate is heard: what anybody else on the machine sends, as a trusted
 * user or into a dialog, is refused and leaves nothing. */
static void
strangers_are_not_heard(void **state)
{
	struct phone a, b;
	union addr at;
	int gate = rig.gate, other = rig_socket(&at);

	(void)state;
	rig_connect(&a, &b);
	rig.gate = other;
	rig_request(&a, "BYE", NULL, NULL);
	rig_invite(&a, "103", "102", "X-Tandem-User: 103\r\n", SDP_A);
	rig_skip("SIP/2.0 403"); /* to the address in Via */
	rig_skip("SIP/2.0 403");
	rig.gate = gate;
	close(other);
	assert_int_equal(rig.self.ears.strangers, 2);
	assert_int_equal(rig.b2bua->count.calls, 1);
	assert_int_equal(rig.b2bua->first->state, CALL_UP);
	rig_quiet();
}

/* A called phone whose answer leads nowhere cannot be acknowledged: it is
 * not connected, and nothing is sent to where it points. */
static void
answers_without_a_way_back_fail(void **state)
{
	struct phone a;
	struct buf b = BUF_INIT;
	char *invite, *m;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	buf_fmt(&b,
	    "SIP/2.0 200 OK\r\nVia: %s\r\n"
	    "Record-Route: <sip:t@evil.example;lr>\r\nFrom: %s\r\n"
	    "To: %s;tag=t\r\nCall-ID: %s\r\nCSeq: %s\r\n"
	    "Contact: <sip:x@evil.example>\r\nContent-Length: 0\r\n\r\n",
	    sip_get(invite, "Via"), sip_get(invite, "From"),
	    sip_get(invite, "To"), sip_get(invite, "Call-ID"),
	    sip_get(invite, "CSeq"));
	rig_send(b.data);
	m = rig_next("SIP/2.0 500");
	rig_hop(&a, "ACK", m);
	free(m);
	free(invite);
	buf_fini(&b);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
}

/* Garbage, cuts of a good INVITE at every byte, and every byte of it changed:
 * answered or dropped, and the next good call works. */
static void
garbage_does_no_harm(void **state)
{
	struct phone a, b;
	struct buf good = BUF_INIT;
	uint32_t seed = 7;

	(void)state;
	buf_fmt(&good,
	    "INVITE sip:999@demo.test SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bKg\r\n"
	    "Record-Route: <sip:t@%s;lr>\r\nMax-Forwards: 69\r\n"
	    "From: \"A\" <sip:101@demo.test>;tag=f\r\n"
	    "To: <sip:999@demo.test>\r\nCall-ID: g\r\nCSeq: 1 INVITE\r\n"
	    "Contact: <sip:x@10.0.0.1>\r\nSession-Expires: 100\r\n"
	    "Privacy: id\r\nSupported: timer\r\nX-Tandem-Domain: demo.test\r\n"
	    "X-Tandem-Target: demo.test\r\n" TRUSTED_101
	    "Content-Type: application/sdp\r\n"
	    "Content-Length: %zu\r\n\r\n" SDP_A,
	    rig_gate_text(), rig_gate_text(), strlen(SDP_A));
	for (size_t n = 1; n < good.len; n += 3) {
		char *cut = xstrndup(good.data, n);

		rig_send(cut);
		free(cut);
		if (n % 30 == 1)
			rig_run(CLOCK_MS);
	}
	for (unsigned i = 0; i < 2000; i++) {
		char *bad = xstrndup(good.data, good.len);

		for (unsigned j = 0; j < 3; j++) {
			seed = seed * 1664525u + 1013904223u;
			bad[(seed >> 8) % good.len] = (char)(1 +
			    (seed >> 3) % 255);
		}
		rig_send(bad);
		free(bad);
		if (i % 20 == 0)
			rig_run(CLOCK_MS);
	}
	rig_run(50 * CLOCK_MS);
	for (char *m; (m = rig_try_next(CLOCK_MS)) != NULL;)
		free(m);
	while (rig.b2bua->count.calls > 0) { /* their ACKs never come */
		rig_run(20 * CLOCK_MS);
		for (char *m; (m = rig_try_next(CLOCK_MS)) != NULL;)
			free(m);
	}
	rig_connect(&a, &b);
	rig_disconnect(&a);
	buf_fini(&good);
}

/* Replies that fit nothing are counted and dropped. */
static void
stray_replies_are_dropped(void **state)
{
	(void)state;
	rig_send("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;"
		 "branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
		 "To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
		 "Content-Length: 0\r\n\r\n");
	rig_quiet();
	assert_int_equal(rig.b2bua->count.strays, 1);
}

/* Thousands of calls leave nothing behind but the books. */
static void
calls_leave_nothing_behind(void **state)
{
	unsigned calls = getenv("RIG_CALLS") != NULL
	    ? (unsigned)atoi(getenv("RIG_CALLS"))
	    : 2000;
	struct phone a, b;

	(void)state;
	for (unsigned i = 0; i < calls; i++) {
		rig_sql("location", "DELETE FROM binding");
		rig_connect(&a, &b);
		rig_disconnect(&a);
	}
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM cdr"), calls);
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM call"), 0);
	assert_int_equal(rig.b2bua->count.calls, 0);
	assert_int_equal(rig.deletes, calls);
}

int
main(void)
{
#define BORDER_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
	    BORDER_TEST(no_leg_shows_on_the_other),
	    BORDER_TEST(privacy_hides_the_caller),
	    BORDER_TEST(names_stay_inside_their_quotes),
	    BORDER_TEST(hostile_contacts_are_not_rung),
	    BORDER_TEST(dialogs_without_a_way_back_are_refused),
	    BORDER_TEST(strangers_are_not_heard),
	    BORDER_TEST(answers_without_a_way_back_fail),
	    BORDER_TEST(garbage_does_no_harm),
	    BORDER_TEST(stray_replies_are_dropped),
	    BORDER_TEST(calls_leave_nothing_behind),
	};

	b2bua_times.t1x64 = 1000;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
