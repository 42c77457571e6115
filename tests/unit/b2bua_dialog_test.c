/* What happens within an established call. */
#include "b2bua_rig.h"

#define BOOKS "calls/b2bua-1@srv1"
#define SDP_HOLD                                                   \
	"v=0\r\no=alice 1 2 IN IP4 10.1.1.1\r\ns=-\r\n"            \
	"c=IN IP4 10.1.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n" \
	"a=sendonly\r\n"
#define SDP_HELD                                                   \
	"v=0\r\no=bob 7 8 IN IP4 10.2.2.2\r\ns=-\r\n"              \
	"c=IN IP4 10.2.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n" \
	"a=recvonly\r\n"

static unsigned
sdp_version(const char *msg)
{
	unsigned id, version;

	assert_int_equal(
	    sscanf(strstr(sip_body(msg), "o="), "o=- %u %u", &id, &version), 2);
	return version;
}

/* Either side may put the other on hold: the description goes through MG,
 * the version of its origin grows, and the answer comes back. */
static void
hold_goes_both_ways(void **state)
{
	struct phone a, b;
	char *m, *ok;

	(void)state;
	rig_connect(&a, &b);
	for (unsigned i = 0; i < 2; i++) {
		rig_request(i == 0 ? &a : &b, "INVITE", NULL, SDP_HOLD);
		m = rig_next("INVITE sip:");
		assert_non_null(strstr(sip_body(m), "a=sendonly"));
		assert_non_null(strstr(sip_body(m), "c=IN IP4 192.0.2.200"));
		assert_int_equal(sdp_version(m), 2 + i);
		rig_reply(m, 200, NULL, NULL, SDP_HELD);
		ok = rig_next("SIP/2.0 200");
		assert_non_null(strstr(sip_body(ok), "a=recvonly"));
		rig_skip("ACK sip:");
		rig_ack(i == 0 ? &a : &b, NULL);
		free(m);
		free(ok);
	}
	assert_int_equal(rig.offers, 3);
	assert_int_equal(rig.answers, 3);
	rig_disconnect(&a);
}

/* A refused offer leaves media as it was: MGC hears the old ones again. */
static void
a_refused_offer_restores_media(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "INVITE", NULL, SDP_HOLD);
	m = rig_next("INVITE sip:");
	rig_reply(m, 488, NULL, NULL, NULL);
	free(m);
	rig_skip("ACK ");
	m = rig_next("SIP/2.0 488");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_run(20 * CLOCK_MS);
	assert_int_equal(rig.offers, 3);
	assert_int_equal(rig.answers, 2);
	assert_non_null(strstr(rig.last_sdp, "10.2.2.2"));
	rig_disconnect(&a);
}

/* Two offers at once: the second gets 491, the first goes on. */
static void
glare_is_refused(void **state)
{
	struct phone a, b;
	char *m, *refusal;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "INVITE", NULL, SDP_HOLD);
	m = rig_next("INVITE sip:");
	rig_request(&b, "INVITE", NULL, SDP_HOLD);
	refusal = rig_next("SIP/2.0 491");
	rig_hop(&b, "ACK", refusal);
	/* The phone says the same of ours. */
	rig_reply(m, 491, NULL, NULL, NULL);
	rig_skip("ACK ");
	free(refusal);
	refusal = rig_next("SIP/2.0 491");
	rig_hop(&a, "ACK", refusal);
	free(refusal);
	free(m);
	rig_disconnect(&a);
}

/* An offer that says what was said before is a refresh: answered here, and
 * the other side hears nothing of it. */
static void
a_refresh_stays_on_its_leg(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "INVITE", NULL, SDP_A);
	m = rig_next("SIP/2.0 200");
	assert_int_equal(sdp_version(m), 1);
	rig_ack(&a, NULL);
	free(m);
	rig_request(&b, "UPDATE", NULL, NULL);
	m = rig_next("SIP/2.0 200");
	assert_string_equal(sip_body(m), "");
	free(m);
	rig_quiet();
	assert_int_equal(rig.offers, 1);
	rig_disconnect(&a);
}

/* UPDATE carries an offer like a re-INVITE; to a phone without UPDATE it
 * becomes one. */
static void
update_is_translated(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "UPDATE", NULL, SDP_HOLD);
	m = rig_next("UPDATE sip:b-phone@");
	rig_reply(m, 200, "b-phone",
	    "Allow: INVITE, ACK, BYE\r\nSupported: timer\r\n", SDP_HELD);
	free(m);
	rig_skip("SIP/2.0 200");
	rig_request(&a, "UPDATE", NULL, SDP_A);
	m = rig_next("INVITE sip:b-phone@");
	rig_reply(m, 200, "b-phone", NULL, SDP_B);
	free(m);
	rig_skip("SIP/2.0 200");
	rig_skip("ACK ");
	rig_disconnect(&a);
}

/* A re-INVITE without an offer asks the other side for one; the ACK answers. */
static void
an_offer_may_be_asked_for(void **state)
{
	struct phone a, b;
	char *m, *ok;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "INVITE", NULL, NULL);
	m = rig_next("INVITE sip:b-phone@");
	assert_string_equal(sip_body(m), "");
	rig_reply(m, 200, "b-phone", NULL, SDP_HOLD);
	free(m);
	ok = rig_next("SIP/2.0 200");
	assert_non_null(strstr(sip_body(ok), "a=sendonly"));
	free(ok);
	rig_quiet();
	rig_ack(&a, SDP_HELD);
	m = rig_next("ACK sip:b-phone@");
	assert_non_null(strstr(sip_body(m), "a=recvonly"));
	free(m);
	rig_disconnect(&a);
}

/* CANCEL of a re-INVITE reaches the other side, whose word decides. */
static void
an_offer_may_be_cancelled(void **state)
{
	struct phone a, b;
	char *m, *n;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "INVITE", NULL, SDP_HOLD);
	m = rig_next("INVITE sip:b-phone@");
	rig_reply(m, 100, NULL, NULL, NULL);
	rig_hop(&a, "CANCEL", NULL);
	n = rig_next("");
	if (strncmp(n, "SIP/2.0 200", 11) == 0)
		rig_skip("CANCEL ");
	else
		rig_skip("SIP/2.0 200");
	free(n);
	rig_reply(m, 487, NULL, NULL, NULL);
	rig_skip("ACK ");
	free(m);
	m = rig_next("SIP/2.0 487");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_disconnect(&a);
}

/* The other phone is gone: an offer finds that out and ends the call. */
static void
an_offer_to_nobody_ends_the_call(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "INVITE", NULL, SDP_HOLD);
	m = rig_next("INVITE sip:b-phone@");
	rig_reply(m, 481, NULL, NULL, NULL);
	free(m);
	rig_skip("ACK ");
	m = rig_next("SIP/2.0 487");
	rig_hop(&a, "ACK", m);
	free(m);
	m = rig_next("BYE sip:101@");
	rig_reply(m, 200, NULL, NULL, NULL);
	free(m);
	rig_until(BOOKS, "SELECT count(*) FROM cdr", 1);
	assert_string_equal(
	    rig_text(BOOKS, "SELECT reason || ' ' || ended_by FROM cdr"),
	    "the phone is gone callee");
}

/* Digits and messages pass with their body and nothing else. */
static void
info_and_message_are_passed(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "INFO",
	    "Content-Type: application/dtmf-relay\r\nUser-Agent: S\r\n",
	    "Signal=5\r\n");
	m = rig_next("INFO sip:b-phone@");
	assert_string_equal(sip_body(m), "Signal=5\r\n");
	assert_string_equal(
	    sip_get(m, "Content-Type"), "application/dtmf-relay");
	assert_string_equal(sip_get(m, "User-Agent"), "");
	rig_reply(m, 200, NULL, NULL, NULL);
	free(m);
	rig_skip("SIP/2.0 200");
	rig_request(&b, "MESSAGE", "Content-Type: text/plain\r\n", "hi");
	m = rig_next("MESSAGE sip:101@10.1.1.1:5060 SIP/2.0");
	assert_string_equal(sip_body(m), "hi");
	rig_reply(m, 415, NULL, NULL, NULL);
	free(m);
	rig_skip("SIP/2.0 415");
	rig_disconnect(&a);
}

/* What is not served yet is refused by name; OPTIONS is answered. */
static void
other_requests_in_a_call(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "REFER", "Refer-To: <sip:103@demo.test>\r\n", NULL);
	rig_skip("SIP/2.0 603");
	rig_request(&a, "OPTIONS", NULL, NULL);
	rig_skip("SIP/2.0 200");
	rig_request(&a, "NOTIFY", "Event: x\r\n", NULL);
	m = rig_next("SIP/2.0 405");
	assert_non_null(strstr(sip_get(m, "Allow"), "UPDATE"));
	free(m);
	rig_request(&a, "PRACK", "RAck: 1 1 INVITE\r\n", NULL);
	rig_skip("SIP/2.0 481");
	rig_request(&a, "INVITE", NULL, "garbage");
	m = rig_next("SIP/2.0 488");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_disconnect(&a);
}

/* While it rings an offer of the caller waits its turn, and a BYE of the
 * caller is a CANCEL (RFC 3261 15). */
static void
early_requests_have_their_answer(void **state)
{
	struct phone a;
	char *invite, *m;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(invite, 180, "b-phone", NULL, NULL);
	m = rig_next("SIP/2.0 180");
	rig_learn(&a, m);
	free(m);
	rig_request(&a, "UPDATE", NULL, SDP_HOLD);
	rig_skip("SIP/2.0 491");
	rig_request(&a, "BYE", NULL, NULL);
	for (unsigned i = 0, seen = 0; i < 3; i++) {
		m = rig_next("");
		seen |= strncmp(m, "CANCEL", 6) == 0	 ? 1
		    : strncmp(m, "SIP/2.0 487", 11) == 0 ? 2
							 : 4;
		free(m);
		assert_true(i < 2 || seen == 7);
	}
	rig_reply(invite, 487, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	free(invite);
	rig_until(BOOKS, "SELECT code FROM cdr", 487);
}

/* The echo takes digits and holds; there is nobody to pass them to. */
static void
a_service_takes_requests_itself(void **state)
{
	struct phone a;
	char *ok;

	(void)state;
	rig_invite(&a, "101", "600", TRUSTED_101, SDP_A);
	ok = rig_next("SIP/2.0 200");
	rig_learn(&a, ok);
	free(ok);
	rig_ack(&a, NULL);
	rig_until_state(CALL_UP);
	rig_request(&a, "INFO", "Content-Type: application/dtmf\r\n", "5");
	rig_skip("SIP/2.0 200");
	rig_request(&a, "MESSAGE", "Content-Type: text/plain\r\n", "5");
	rig_skip("SIP/2.0 405");
	rig_request(&a, "INVITE", NULL, SDP_HOLD);
	ok = rig_next("SIP/2.0 200");
	assert_int_equal(sdp_version(ok), 2);
	free(ok);
	rig_ack(&a, NULL);
	rig_request(&a, "BYE", NULL, NULL);
	rig_skip("SIP/2.0 200");
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
}

/* A phone that moved says so with any target refresh; later requests go to
 * the new place. */
static void
targets_are_refreshed(void **state)
{
	struct phone a, b;
	char *bye;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "UPDATE", NULL, NULL);
	rig_skip("SIP/2.0 200");
	rig_request(&b, "BYE", NULL, NULL);
	bye = rig_next("BYE sip:101@10.9.9.9:5070 SIP/2.0");
	assert_non_null(strstr(sip_get(bye, "Route"), "tok-101"));
	rig_reply(bye, 200, NULL, NULL, NULL);
	free(bye);
	rig_skip("SIP/2.0 200");
}

/* A 200 that comes again, for its ACK was lost, gets its ACK again. */
static void
a_repeated_answer_is_acknowledged_again(void **state)
{
	struct phone a;
	char *invite;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	rig_skip("SIP/2.0 200");
	rig_skip("ACK ");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	rig_skip("ACK ");
	free(invite);
}

int
main(void)
{
#define CALL_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
	    CALL_TEST(hold_goes_both_ways),
	    CALL_TEST(a_refused_offer_restores_media),
	    CALL_TEST(glare_is_refused),
	    CALL_TEST(a_refresh_stays_on_its_leg),
	    CALL_TEST(update_is_translated),
	    CALL_TEST(an_offer_may_be_asked_for),
	    CALL_TEST(an_offer_may_be_cancelled),
	    CALL_TEST(an_offer_to_nobody_ends_the_call),
	    CALL_TEST(info_and_message_are_passed),
	    CALL_TEST(other_requests_in_a_call),
	    CALL_TEST(early_requests_have_their_answer),
	    CALL_TEST(a_service_takes_requests_itself),
	    CALL_TEST(targets_are_refreshed),
	    CALL_TEST(a_repeated_answer_is_acknowledged_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
