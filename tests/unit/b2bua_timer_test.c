/* Care for long calls: session timers and pings. Spans are shortened. */
#include "b2bua_rig.h"

#define BOOKS "calls/b2bua-1@srv1"

/* A call of which the test says what both phones know about timers. */
static void
connect_with(
    struct phone *a, struct phone *b, const char *caller, const char *callee)
{
	char *invite, *ok, extra[512];

	rig_register("102", "b-phone");
	snprintf(extra, sizeof extra, "%s%s", caller, TRUSTED_101);
	rig_invite(a, "101", "102", extra, SDP_A);
	invite = rig_next("INVITE ");
	rig_learn_callee(b, invite, "b-phone");
	rig_reply(invite, 200, "b-phone", callee, SDP_B);
	ok = rig_next("SIP/2.0 200");
	rig_skip("ACK ");
	rig_learn(a, ok);
	rig_ack(a, NULL);
	rig_until_state(CALL_UP);
	free(invite);
	free(ok);
}

/* An interval below the least one is refused with it (RFC 4028 9). */
static void
a_short_interval_is_refused(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102",
	    "Supported: timer\r\nSession-Expires: 30\r\n" TRUSTED_101, SDP_A);
	m = rig_next("SIP/2.0 422");
	assert_string_equal(sip_get(m, "Min-SE"), "90");
	rig_hop(&a, "ACK", m);
	free(m);
}

/* A caller that knows timers keeps its own; the 200 says who refreshes. */
static void
the_caller_refreshes_its_leg(void **state)
{
	struct phone a;
	char *invite, *ok;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102",
	    "Supported: timer\r\nSession-Expires: 600\r\n" TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	ok = rig_next("SIP/2.0 200");
	assert_string_equal(
	    sip_get(ok, "Session-Expires"), "600;refresher=uac");
	assert_string_equal(sip_get(ok, "Require"), "timer");
	free(invite);
	free(ok);
}

/* Where nobody refreshes in time the call is over, for both. */
static void
a_session_that_is_not_refreshed_ends(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	b2bua_times.min_se = 1;
	connect_with(&a, &b,
	    "Supported: timer\r\nSession-Expires: 1;refresher=uac\r\n", NULL);
	m = rig_next("BYE sip:b-phone@");
	rig_reply(m, 200, NULL, NULL, NULL);
	free(m);
	rig_until(BOOKS, "SELECT count(*) FROM cdr", 1);
	assert_string_equal(
	    rig_text(BOOKS, "SELECT reason FROM cdr"), "session expired");
	b2bua_times.min_se = 90;
}

/* We refresh what is ours at half time: by UPDATE where the phone takes it,
 * otherwise by an INVITE that says what was said before. */
static void
our_refreshes_say_nothing_new(void **state)
{
	struct phone a, b;
	char *m, *sdp;

	(void)state;
	b2bua_times.min_se = 1;
	connect_with(&a, &b, "Session-Expires: 1\r\n", NULL);
	assert_true(rig.b2bua->first->a.refresher);
	m = rig_next("UPDATE sip:101@");
	assert_string_equal(sip_get(m, "Session-Expires"), "1;refresher=uac");
	assert_string_equal(sip_body(m), "");
	rig_reply(m, 200, NULL, "Session-Expires: 90;refresher=uac\r\n", NULL);
	free(m);
	rig_run(5 * CLOCK_MS);
	assert_int_equal(rig.b2bua->first->a.interval, 90);
	/* the called phone knows no UPDATE */
	rig.b2bua->first->winner->leg.interval = 1;
	rig.b2bua->first->winner->leg.update = false;
	call_clock_arm(rig.b2bua->first);
	sdp = xstrdup(rig.b2bua->first->winner->leg.sdp_sent.data);
	m = rig_next("INVITE sip:b-phone@");
	assert_string_equal(sip_body(m), sdp);
	rig_reply(
	    m, 200, "b-phone", "Session-Expires: 90;refresher=uac\r\n", SDP_B);
	free(m);
	free(sdp);
	rig_skip("ACK ");
	rig_disconnect(&a);
	b2bua_times.min_se = 90;
}

/* A refresh meets an offer of the phone: asked again a little later. */
static void
a_refresh_yields_to_glare(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	b2bua_times.min_se = 1;
	connect_with(&a, &b, "Session-Expires: 1\r\n", NULL);
	rig.b2bua->first->a.update = false;
	m = rig_next("INVITE sip:101@");
	rig_reply(m, 491, NULL, NULL, NULL);
	free(m);
	rig_skip("ACK ");
	assert_int_equal(rig.b2bua->first->state, CALL_UP);
	m = rig_next("INVITE sip:101@");
	rig_reply(
	    m, 200, "101", "Session-Expires: 90;refresher=uac\r\n", SDP_A);
	free(m);
	rig_skip("ACK ");
	rig_disconnect(&a);
	b2bua_times.min_se = 90;
}

/* Silence is asked about on both legs; any answer but 408 and 481 is a sign
 * of life, and the call goes on. */
static void
silent_phones_are_asked(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	b2bua_times.ping = 200 * CLOCK_MS;
	connect_with(&a, &b, "", NULL);
	for (unsigned i = 0; i < 2; i++) {
		m = rig_next("OPTIONS sip:");
		rig_reply(m, i == 0 ? 200 : 501, NULL, NULL, NULL);
		free(m);
	}
	b2bua_times.ping = 60 * CLOCK_SEC;
	rig_run(20 * CLOCK_MS);
	assert_int_equal(rig.b2bua->count.pings, 2);
	assert_int_equal(rig.b2bua->first->state, CALL_UP);
	rig_disconnect(&a);
}

/* A phone that knows nothing of the call, or does not answer, ends it. */
static void
a_phone_that_is_gone_ends_the_call(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		rig_sql("location", "DELETE FROM binding");
		b2bua_times.ping = 100 * CLOCK_MS;
		connect_with(&a, &b, "", NULL);
		for (;;) {
			m = rig_next("");
			if (strncmp(m, "BYE sip:b-phone@", 16) == 0)
				break;
			if (strncmp(m, "OPTIONS sip:b-phone@", 20) == 0)
				rig_reply(m, 200, NULL, NULL, NULL);
			else if (i == 0)
				rig_reply(m, 481, NULL, NULL, NULL);
			free(m);
		}
		b2bua_times.ping = 60 * CLOCK_SEC;
		rig_reply(m, 200, NULL, NULL, NULL);
		free(m);
		rig_until(BOOKS, "SELECT count(*) FROM cdr", i + 1);
		assert_string_equal(
		    rig_text(BOOKS,
			"SELECT reason || ' ' || ended_by FROM cdr"
			" ORDER BY seq DESC"),
		    "the phone is gone caller");
		rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	}
}

int
main(void)
{
#define TIMER_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
	    TIMER_TEST(a_short_interval_is_refused),
	    TIMER_TEST(the_caller_refreshes_its_leg),
	    TIMER_TEST(a_session_that_is_not_refreshed_ends),
	    TIMER_TEST(our_refreshes_say_nothing_new),
	    TIMER_TEST(a_refresh_yields_to_glare),
	    TIMER_TEST(silent_phones_are_asked),
	    TIMER_TEST(a_phone_that_is_gone_ends_the_call),
	};

	b2bua_times.t1x64 = 1000;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
