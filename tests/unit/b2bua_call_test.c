/* Calls of the B2BUA: the basic ones, and how each of them may fail. */
#include "b2bua_rig.h"

#define BOOKS "calls/b2bua-1@srv1"

static void
expect_booked(int code, const char *reason, const char *by)
{
	char want[256];

	rig_until(BOOKS, "SELECT count(*) FROM cdr", 1);
	snprintf(want, sizeof want, "%d %s %s", code, reason, by);
	assert_string_equal(
	    rig_text(BOOKS,
		"SELECT code || ' ' || reason || ' ' || ended_by"
		" FROM cdr"),
	    want);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	assert_int_equal(rig.b2bua->count.calls, 0);
}

/* The caller acknowledges the failure it was told. */
static void
expect_refused(struct phone *a, const char *status)
{
	char *m = rig_next(status);

	rig_hop(a, "ACK", m);
	free(m);
}

/* One call from INVITE to BYE, with media and one row in the books. */
static void
a_call_is_joined_and_booked(void **state)
{
	struct phone a, b;

	(void)state;
	rig_connect(&a, &b);
	rig_disconnect(&a);
	assert_int_equal(rig.offers, 1);
	assert_int_equal(rig.answers, 1);
	assert_int_equal(rig.deletes, 1);
	assert_string_equal(
	    rig_text(BOOKS,
		"SELECT caller || ' ' || caller_name || ' ' || called || ' '"
		" || destination || ' ' || instance || ' ' || domain || ' '"
		" || rx_caller || ' ' || rx_callee || ' ' || lost_caller"
		" || ' ' || lost_callee FROM cdr"),
	    "101 User 101 102 102 b2bua/1@srv1 0d0d0d0d 501 502 1 2");
	assert_int_equal(rig_int(BOOKS,
			     "SELECT start > 0 AND ring >= start AND"
			     " answer >= ring AND end >= answer FROM cdr"),
	    1);
	expect_booked(200, "normal clearing", "caller");
	rig_quiet();
}

/* The called side may hang up too; its Reason is passed on, its text only
 * when it is plain. */
static void
the_called_side_hangs_up(void **state)
{
	struct phone a, b;
	char *bye;

	(void)state;
	rig_connect(&a, &b);
	rig_request(
	    &b, "BYE", "Reason: Q.850;cause=16;text=\"bye bye\"\r\n", NULL);
	bye = rig_next("BYE sip:101@10.1.1.1:5060 SIP/2.0");
	assert_string_equal(
	    sip_get(bye, "Reason"), "Q.850;cause=16;text=\"bye bye\"");
	rig_skip("SIP/2.0 200");
	rig_reply(bye, 200, NULL, NULL, NULL);
	free(bye);
	expect_booked(200, "normal clearing", "callee");
}

/* Both hang up at the same moment: both are answered, one row is written. */
static void
both_sides_hang_up_at_once(void **state)
{
	struct phone a, b;
	char *bye;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "BYE", NULL, NULL);
	bye = rig_next("BYE sip:b-phone@");
	rig_skip("SIP/2.0 200");
	rig_request(&b, "BYE", NULL, NULL);
	rig_skip("SIP/2.0 200");
	rig_reply(bye, 481, NULL, NULL, NULL);
	free(bye);
	expect_booked(200, "normal clearing", "caller");
}

struct failure {
	int sent;	    /* by the phone */
	const char *status; /* to the caller */
	const char *reason; /* in the books */
};

static void
fail_with(const struct failure *f)
{
	struct phone a;
	char *invite, *m;

	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(
	    invite, f->sent, "b-phone", "Warning: 399 host \"x\"\r\n", NULL);
	rig_skip("ACK ");
	m = rig_next(f->status);
	assert_string_equal(sip_get(m, "Warning"), "");
	assert_non_null(strstr(sip_get(m, "Reason"), f->reason));
	rig_hop(&a, "ACK", m);
	free(m);
	free(invite);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	assert_string_equal(
	    rig_text(BOOKS, "SELECT reason FROM cdr ORDER BY seq DESC LIMIT 1"),
	    f->reason);
	assert_int_equal(atoi(f->status + 8),
	    rig_int(BOOKS, "SELECT code FROM cdr ORDER BY seq DESC LIMIT 1"));
	assert_string_equal(
	    rig_text(BOOKS, "SELECT ended_by FROM cdr ORDER BY seq DESC"),
	    f->sent == atoi(f->status + 8) && f->sent != 408 ? "callee"
							     : "system");
}

/* What a phone answers is told to the caller when it says something about
 * the called, and translated when it does not. */
static void
failures_are_mapped(void **state)
{
	static const struct failure failures[] = {
	    {486, "SIP/2.0 486", "user busy"},
	    {603, "SIP/2.0 603", "call rejected"},
	    {600, "SIP/2.0 600", "user busy"},
	    {480, "SIP/2.0 480", "subscriber absent"},
	    {404, "SIP/2.0 404", "unallocated number"},
	    {403, "SIP/2.0 403", "call rejected"},
	    {488, "SIP/2.0 488", "incompatible destination"},
	    {415, "SIP/2.0 415", "bearer capability not implemented"},
	    {408, "SIP/2.0 408", "no user responding"},
	    {401, "SIP/2.0 480", "subscriber absent"},
	    {407, "SIP/2.0 480", "subscriber absent"},
	    {430, "SIP/2.0 480", "subscriber absent"},
	    {487, "SIP/2.0 480", "subscriber absent"},
	    {302, "SIP/2.0 480", "subscriber absent"},
	    {500, "SIP/2.0 500", "temporary failure"},
	    {503, "SIP/2.0 500", "temporary failure"},
	    {699, "SIP/2.0 699", "normal, unspecified"}};

	(void)state;
	rig_register("102", "b-phone");
	for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
		fail_with(&failures[i]);
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM cdr"),
	    sizeof failures / sizeof *failures);
	assert_int_equal(rig.deletes, sizeof failures / sizeof *failures);
}

/* A number that is none here is confirmed at ST's owner; it has none either:
 * refused with a reason, booked, and no media was asked for. */
static void
an_unknown_number_is_confirmed_once(void **state)
{
	struct phone a;

	(void)state;
	rig_invite(&a, "101", "999", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 404");
	expect_booked(404, "no such number", "system");
	assert_int_equal(rig.asked, 1);
	assert_int_equal(rig.offers, 0);
}

/* A row of the owner's copy of the domain. */
static void
tell_row(const char *kind, const char *key, const char *field, const char *to)
{
	json_array_append_new(
	    rig.told_rows, json_pack("[s, s, {s:s}]", kind, key, field, to));
}

/* A number that only the owner knows yet is called. */
static void
a_number_of_the_owner_is_called(void **state)
{
	struct phone a;
	char *invite;

	(void)state;
	tell_row("user", "101", "name", "Alice");
	tell_row("number", "700", "user", "102");
	tell_row("user", "102", "name", "Bob");
	tell_row("sofa", "102", "colour", "green");
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "700", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE sip:b-phone@10.2.2.2:5062 SIP/2.0");
	assert_non_null(strstr(sip_get(invite, "To"), "Bob"));
	assert_non_null(strstr(sip_get(invite, "From"), "Alice"));
	free(invite);
	assert_int_equal(rig.located, 0);
}

/* So is a user that it alone knows yet, wherever the phone is; and what the
 * owner says of the number is the answer, as when its user is off there. */
static void
a_user_of_the_owner_is_called(void **state)
{
	char path[128];
	struct phone a;

	(void)state;
	snprintf(path, sizeof path, "<sip:t@%s;lr>", rig_gate_text());
	json_array_append_new(rig.located_contacts,
	    json_pack("{s:s, s:s, s:s}", "contact", "sip:new@10.3.3.3", "path",
		path, "source", "203.0.113.3:5060;transport=udp"));
	tell_row("user", "101", "name", "Alice");
	tell_row("user", "150", "state", "on");
	rig_invite(&a, "101", "150", TRUSTED_101, SDP_A);
	rig_skip("INVITE sip:new@10.3.3.3 SIP/2.0");
	tell_row("user", "151", "state", "off");
	rig_invite(&a, "101", "151", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 480");
	assert_int_equal(rig.asked, 2);
}

/* ST does not answer, or nobody owns it: what the replica says stands. */
static void
without_a_store_the_number_is_unknown(void **state)
{
	struct phone a;

	(void)state;
	rig.sr_silent = true;
	rig_invite(&a, "101", "999", TRUSTED_101, SDP_A);
	rig_skip("SIP/2.0 100");
	expect_refused(&a, "SIP/2.0 404");
	rig.st_up = false;
	rig_invite(&a, "101", "999", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 404");
}

/* What was dialled is booked as a number, or else as it was written; the host
 * of another domain, or of nobody, leads nowhere although the number is here.
 */
static void
hosts_of_others_are_refused(void **state)
{
	static const struct {
		const char *target, *to, *status, *booked;
	} cases[] = {
	    {"demo.test", "%00", "SIP/2.0 404",
		"404 what was dialled is no number sip:%00@demo.test"},
	    {"a.test", "102", "SIP/2.0 403",
		"403 no calls into another domain sip:102@demo.test"},
	    {"", "102", "SIP/2.0 404",
		"404 no such host here sip:102@demo.test"},
	};
	struct phone a;
	char *m;

	(void)state;
	rig_register("102", "b-phone");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		rig.target = cases[i].target;
		rig_invite(&a, "101", cases[i].to, TRUSTED_101, SDP_A);
		m = rig_next(cases[i].status);
		assert_non_null(strstr(sip_get(m, "Reason"), "Q.850;cause="));
		assert_string_equal(sip_get(m, "X-Tandem-Refused"), "");
		rig_hop(&a, "ACK", m);
		free(m);
		rig_until(BOOKS, "SELECT count(*) FROM cdr", (int64_t)i + 1);
		assert_string_equal(
		    rig_text(BOOKS,
			"SELECT code || ' ' || reason || ' ' || called"
			" FROM cdr ORDER BY seq DESC"),
		    cases[i].booked);
	}
	assert_int_equal(rig.asked, 0); /* no other copy knows better */
	rig_quiet();
}

/* No contact here is confirmed at SR's owner; it knows none either. */
static void
an_absent_user_is_confirmed_once(void **state)
{
	struct phone a;

	(void)state;
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 480");
	expect_booked(480, "subscriber absent", "system");
	assert_int_equal(rig.located, 1);
	assert_int_equal(rig.offers, 0);
}

/* A contact that only the owner knows yet is rung. */
static void
a_contact_of_the_owner_is_rung(void **state)
{
	char path[128];
	struct phone a;

	(void)state;
	snprintf(path, sizeof path, "<sip:t@%s;lr>", rig_gate_text());
	json_array_append_new(rig.located_contacts,
	    json_pack("{s:s, s:s, s:s}", "contact", "sip:new@10.3.3.3", "path",
		path, "source", "203.0.113.3:5060;transport=udp"));
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	rig_skip("INVITE sip:new@10.3.3.3 SIP/2.0");
}

/* SR does not answer: what the replica says stands, after 200 ms. */
static void
a_silent_owner_leaves_the_local_answer(void **state)
{
	struct phone a;

	(void)state;
	rig.sr_silent = true;
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	rig_skip("SIP/2.0 100");
	expect_refused(&a, "SIP/2.0 480");
}

/* Whoever comes on no trusted flow brings credentials, which SR checks. */
static void
credentials_are_checked_at_the_registrar(void **state)
{
	struct phone a;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102",
	    "Proxy-Authorization: Digest username=\"101\", realm=\"demo.test\","
	    " nonce=\"n\", uri=\"sip:102@demo.test\", response=\"0\"\r\n",
	    SDP_A);
	rig_skip("INVITE sip:b-phone@");
	assert_int_equal(rig.verified, 1);
}

/* Wrong or missing credentials: 403, no record, no row in the books. */
static void
wrong_credentials_leave_no_trace(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	rig_invite(&a, "101", "102", NULL, SDP_A);
	expect_refused(&a, "SIP/2.0 403");
	assert_int_equal(rig.verified, 0);
	rig.verify_user = NULL;
	rig_invite(&a, "101", "102",
	    "Proxy-Authorization: Digest username=\"101\", realm=\"demo.test\","
	    " nonce=\"n\", uri=\"sip:102@demo.test\", response=\"0\"\r\n",
	    SDP_A);
	m = rig_next("SIP/2.0 403");
	assert_string_equal(sip_get(m, "X-Tandem-Refused"), "credentials");
	rig_hop(&a, "ACK", m);
	free(m);
	assert_int_equal(rig.verified, 1);
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM cdr"), 0);
	assert_int_equal(rig.b2bua->count.records, 0);
	assert_int_equal(rig.b2bua->count.calls, 0);
}

/* A slow question is covered by a 100, for which there is a record; a wrong
 * password behind it still makes no row in the books. */
static void
a_slow_registrar_is_covered_by_a_100(void **state)
{
	struct phone a;

	(void)state;
	b2bua_times.ask = 400 * CLOCK_MS;
	rig.sr_silent = true;
	rig_invite(&a, "101", "102",
	    "Proxy-Authorization: Digest username=\"101\", realm=\"demo.test\","
	    " nonce=\"n\", uri=\"sip:102@demo.test\", response=\"0\"\r\n",
	    SDP_A);
	rig_skip("SIP/2.0 100");
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM call"), 1);
	expect_refused(&a, "SIP/2.0 503");
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM cdr"), 0);
	b2bua_times.ask = 2 * CLOCK_SEC;
}

/* The caller gives up while it rings: the phone is cancelled. */
static void
a_ringing_call_is_cancelled(void **state)
{
	struct phone a;
	char *invite, *cancel;

	(void)state;
	invite = rig_ring(&a);
	rig_hop(&a, "CANCEL", NULL);
	rig_skip("SIP/2.0 200"); /* to the CANCEL */
	expect_refused(&a, "SIP/2.0 487");
	cancel = rig_next("CANCEL sip:b-phone@10.2.2.2:5062 SIP/2.0");
	assert_string_equal(sip_get(cancel, "Via"), sip_get(invite, "Via"));
	rig_reply(cancel, 200, NULL, NULL, NULL);
	rig_reply(invite, 487, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	expect_booked(487, "cancelled", "caller");
	free(invite);
	free(cancel);
	rig_quiet();
}

/* Before the phone has said anything the CANCEL waits for its first word
 * (RFC 3261 9.1). */
static void
an_unanswered_invite_is_cancelled_late(void **state)
{
	struct phone a;
	char *invite;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_hop(&a, "CANCEL", NULL);
	rig_skip("SIP/2.0 200");
	expect_refused(&a, "SIP/2.0 487");
	rig_quiet();
	rig_reply(invite, 100, NULL, NULL, NULL);
	rig_skip("CANCEL ");
	rig_reply(invite, 487, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	expect_booked(487, "cancelled", "caller");
	free(invite);
}

/* CANCEL and 200 cross: the phone that answered is acknowledged and told. */
static void
a_cancelled_phone_that_answers_is_hung_up(void **state)
{
	struct phone a;
	char *invite, *bye;

	(void)state;
	invite = rig_ring(&a);
	rig_hop(&a, "CANCEL", NULL);
	rig_skip("SIP/2.0 200");
	expect_refused(&a, "SIP/2.0 487");
	rig_skip("CANCEL ");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	rig_skip("ACK sip:b-phone@");
	bye = rig_next("BYE sip:b-phone@");
	rig_reply(bye, 200, NULL, NULL, NULL);
	free(bye);
	free(invite);
	expect_booked(487, "cancelled", "caller");
}

/* Nobody picks up within the user's ring time: both sides are told. */
static void
ringing_ends_after_the_ring_time(void **state)
{
	struct phone a;
	char *invite, *m;

	(void)state;
	rig_set(
	    "domain/0d0d0d0d", "domain demo.test user 102", "ring-time", "1");
	rig_changed("domain/0d0d0d0d", "user");
	invite = rig_ring(&a);
	m = rig_next("SIP/2.0 480");
	assert_string_equal(
	    sip_get(m, "Reason"), "Q.850;cause=19;text=\"no answer\"");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_skip("CANCEL ");
	rig_reply(invite, 487, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	free(invite);
	expect_booked(480, "no answer", "system");
}

/* Early media: the phone's description reaches the caller before the answer,
 * and the answer may then come without one. */
static void
early_media_reaches_the_caller(void **state)
{
	struct phone a;
	char *invite, *m, *ok;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(invite, 183, "b-phone", NULL, SDP_B);
	m = rig_next("SIP/2.0 183");
	assert_non_null(strstr(sip_body(m), "c=IN IP4 192.0.2.200"));
	rig_reply(invite, 180, "b-phone", NULL, NULL);
	rig_skip("SIP/2.0 180");
	rig_reply(invite, 200, "b-phone", NULL, NULL);
	ok = rig_next("SIP/2.0 200");
	assert_non_null(strstr(sip_body(ok), "c=IN IP4 192.0.2.200"));
	rig_skip("ACK ");
	rig_learn(&a, ok);
	rig_ack(&a, NULL);
	rig_disconnect(&a);
	free(invite);
	free(m);
	free(ok);
}

/* An INVITE without an offer: the phone offers, the ACK answers. */
static void
an_offer_may_come_with_the_answer(void **state)
{
	struct phone a;
	char *invite, *ok, *ack;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, NULL);
	invite = rig_next("INVITE ");
	assert_string_equal(sip_body(invite), "");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	ok = rig_next("SIP/2.0 200");
	assert_string_equal(rig.last_from, "b1");
	assert_non_null(strstr(sip_body(ok), "c=IN IP4 192.0.2.200"));
	rig_quiet();
	rig_learn(&a, ok);
	rig_ack(&a, SDP_A);
	ack = rig_next("ACK ");
	assert_non_null(strstr(sip_body(ack), "c=IN IP4 192.0.2.200"));
	assert_int_equal(rig.offers, 1);
	assert_int_equal(rig.answers, 1);
	rig_disconnect(&a);
	free(invite);
	free(ok);
	free(ack);
}

/* The echo number is answered by the exchange itself, through MG. */
static void
the_echo_number_answers(void **state)
{
	struct phone a;
	char *ok;

	(void)state;
	rig_invite(&a, "101", "600", TRUSTED_101, SDP_A);
	ok = rig_next("SIP/2.0 200");
	assert_non_null(strstr(sip_body(ok), "c=IN IP4 192.0.2.200"));
	rig_learn(&a, ok);
	rig_ack(&a, NULL);
	rig_request(&a, "BYE", NULL, NULL);
	rig_skip("SIP/2.0 200");
	expect_booked(200, "normal clearing", "caller");
	assert_string_equal(
	    rig_text(BOOKS, "SELECT destination FROM cdr"), "echo");
	assert_int_equal(rig.offers, 1);
	assert_int_equal(rig.deletes, 1);
	free(ok);
}

/* Without MGC new calls are refused with 503; established ones go on. */
static void
without_media_new_calls_are_refused(void **state)
{
	struct phone a, b, c;

	(void)state;
	b2bua_times.ask = 100 * CLOCK_MS;
	rig_connect(&a, &b);
	rig.mgc_up = false;
	rig_invite(&c, "103", "102", "X-Tandem-User: 103\r\n", SDP_A);
	expect_refused(&c, "SIP/2.0 503");
	rig_until(BOOKS, "SELECT code FROM cdr", 503);
	rig.mgc_up = true;
	rig_disconnect(&a);
	b2bua_times.ask = 2 * CLOCK_SEC;
}

/* MGC comes back while a call asks: the call does not notice. */
static void
a_change_of_the_media_owner_is_waited_for(void **state)
{
	struct phone a;

	(void)state;
	rig_register("102", "b-phone");
	rig.mgc_up = false;
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	rig_run(50 * CLOCK_MS);
	rig.mgc_up = true;
	rig_skip("INVITE sip:b-phone@");
}

/* MGC says that its gates are full: 503. */
static void
full_media_gates_refuse_calls(void **state)
{
	struct phone a;

	(void)state;
	rig_register("102", "b-phone");
	rig.mgc_error = "Ran out of ports";
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 503");
	rig.mgc_error = NULL;
	expect_booked(503, "no media gate", "system");
}

/* The caller never acknowledges the answer: both sides are hung up. */
static void
an_answer_without_ack_ends_the_call(void **state)
{
	struct phone a;
	char *invite, *bye, *m;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	rig_skip("SIP/2.0 200");
	rig_skip("ACK ");
	for (unsigned i = 0; i < 2; i++) {
		do
			m = rig_next("");
		while (strncmp(m, "BYE ", 4) != 0 && (free(m), true));
		bye = m;
		rig_reply(bye, 200, NULL, NULL, NULL);
		free(bye);
	}
	expect_booked(200, "no ACK came", "system");
	free(invite);
}

/* A Max-Forwards that is used up, a request for what nobody has, a body that
 * is no description: refused by the letter of the RFC. */
static void
requests_that_cannot_be_served_are_refused(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	rig.max_forwards = 0;
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 483");
	rig.max_forwards = 69;
	rig_invite(&a, "101", "102", "Require: 100rel\r\n" TRUSTED_101, SDP_A);
	m = rig_next("SIP/2.0 420");
	assert_string_equal(sip_get(m, "Unsupported"), "100rel");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, "not a description");
	expect_refused(&a, "SIP/2.0 488");
	expect_booked(488, "incompatible destination", "caller");
}

/* Methods that nobody serves are named; dialogs that nobody has do not
 * exist. */
static void
other_requests_are_answered(void **state)
{
	struct phone p = {.user = "101", .cseq = 0};
	char *m;

	(void)state;
	snprintf(p.call_id, sizeof p.call_id, "x");
	snprintf(p.local, sizeof p.local, "<sip:101@demo.test>;tag=f");
	snprintf(p.remote, sizeof p.remote, "<sip:102@demo.test>");
	snprintf(p.target, sizeof p.target, "sip:102@demo.test");
	rig_request(&p, "OPTIONS", NULL, NULL);
	m = rig_next("SIP/2.0 200");
	assert_non_null(strstr(sip_get(m, "Allow"), "INVITE"));
	free(m);
	rig_request(&p, "REFER", "Refer-To: <sip:1@x>\r\n", NULL);
	m = rig_next("SIP/2.0 405");
	assert_non_null(strstr(sip_get(m, "Allow"), "INVITE"));
	free(m);
	rig_request(&p, "SUBSCRIBE", "Event: dialog\r\n", NULL);
	rig_skip("SIP/2.0 489");
	rig_request(&p, "FROBNICATE", NULL, NULL);
	rig_skip("SIP/2.0 405");
	snprintf(p.remote, sizeof p.remote, "<sip:102@demo.test>;tag=no");
	rig_request(&p, "BYE", NULL, NULL);
	rig_skip("SIP/2.0 481");
	rig_request(&p, "INVITE", NULL, NULL);
	rig_skip("SIP/2.0 481");
	rig_ack(&p, NULL);
	rig_quiet();
}

/* A message outside a call reaches every phone; the first answer counts. */
static void
a_message_is_routed_like_a_call(void **state)
{
	struct phone p = {.user = "101", .cseq = 0};
	char *m, *n;

	(void)state;
	rig_register("102", "b-one");
	rig_register("102", "b-two");
	snprintf(p.call_id, sizeof p.call_id, "msg");
	snprintf(p.local, sizeof p.local, "<sip:101@demo.test>;tag=f");
	snprintf(p.remote, sizeof p.remote, "<sip:102@demo.test>");
	snprintf(p.target, sizeof p.target, "sip:102@demo.test");
	rig_request(&p, "MESSAGE",
	    "Content-Type: text/plain\r\nX-Tandem-Domain: demo.test\r\n"
	    "X-Tandem-Target: demo.test\r\n"
	    "User-Agent: SecretPhone\r\n" TRUSTED_101,
	    "hello");
	m = rig_next("MESSAGE sip:b-");
	n = rig_next("MESSAGE sip:b-");
	assert_string_equal(sip_body(m), "hello");
	assert_string_equal(sip_get(m, "Content-Type"), "text/plain");
	assert_string_equal(sip_get(m, "User-Agent"), "");
	assert_non_null(strstr(sip_get(m, "From"), "\"User 101\" <sip:101@"));
	rig_reply(m, 480, "t", NULL, NULL);
	rig_quiet();
	rig_reply(n, 200, "t", NULL, NULL);
	rig_skip("SIP/2.0 200");
	free(m);
	free(n);
	rig_request(&p, "MESSAGE",
	    "Content-Type: text/plain\r\nX-Tandem-Domain: demo.test\r\n"
	    "X-Tandem-Target: demo.test\r\n",
	    "hello");
	rig_skip("SIP/2.0 403");
	rig_request(&p, "MESSAGE",
	    "Content-Type: text/plain\r\nX-Tandem-Domain: demo.test\r\n"
	    "X-Tandem-Target: a.test\r\n" TRUSTED_101,
	    "hello");
	rig_skip("SIP/2.0 403");
	assert_int_equal(rig.b2bua->nmessages, 0);
}

/* The operator sees both numbers, looks at the legs, and ends the call. */
static void
done(void *arg, struct op_call *call, const struct err *err)
{
	json_t **rows = arg;

	*rows = err == NULL ? json_incref(call->rows)
			    : json_integer((json_int_t)err->code);
}

static json_t *
operate(const char *name, json_t *args)
{
	struct op_who who = {.role = ADMIN_SITE};
	json_t *rows = NULL;

	op_run(op_find(&rig.table, name), args, &who, &rig.self, done, &rows);
	json_decref(args);
	return rows;
}

static void
operators_see_and_end_calls(void **state)
{
	struct phone a, b;
	json_t *rows, *row;
	char *bye, *id;

	(void)state;
	rig_connect(&a, &b);
	rows = operate("show calls", json_object());
	row = json_array_get(rows, 0);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(
	    json_string_value(json_object_get(row, "from")), "101");
	assert_string_equal(
	    json_string_value(json_object_get(row, "to")), "102");
	assert_string_equal(
	    json_string_value(json_object_get(row, "state")), "up");
	assert_string_equal(
	    json_string_value(json_object_get(row, "domain")), "demo.test");
	id = xstrdup(json_string_value(json_object_get(row, "id")));
	json_decref(rows);
	rows = operate("show calls", json_pack("{s:s}", "domain", "no.test"));
	assert_int_equal(json_array_size(rows), 0);
	json_decref(rows);
	rows = operate("show call", json_pack("{s:s}", "id", id));
	assert_int_equal(json_array_size(rows), 2);
	row = json_array_get(rows, 1);
	assert_string_equal(json_string_value(json_object_get(row, "media")),
	    "audio 5000 RTP/AVP 8 from 10.2.2.2");
	json_decref(rows);
	rows = operate("request call hangup", json_pack("{s:s}", "id", "0"));
	assert_int_equal(json_integer_value(rows), ERR_ABSENT);
	json_decref(rows);
	rows = operate("request call hangup", json_pack("{s:s}", "id", id));
	json_decref(rows);
	bye = rig_next("BYE sip:101@");
	assert_non_null(strstr(sip_get(bye, "Reason"), "operator"));
	rig_reply(bye, 200, NULL, NULL, NULL);
	free(bye);
	bye = rig_next("BYE sip:b-phone@");
	rig_reply(bye, 200, NULL, NULL, NULL);
	free(bye);
	free(id);
	expect_booked(200, "hung up by the operator", "system");
}

/* What ST has collected is dropped here, and nothing more. */
static void
collected_rows_are_dropped(void **state)
{
	struct phone a, b;
	char sql[128];
	int64_t first;

	(void)state;
	rig_connect(&a, &b);
	rig_disconnect(&a);
	rig_sql("location", "DELETE FROM binding");
	rig_connect(&a, &b);
	rig_disconnect(&a);
	rig_until(BOOKS, "SELECT count(*) FROM cdr", 2);
	assert_int_equal(rig.b2bua->count.cdr_waiting, 2);
	first = rig_int(BOOKS, "SELECT min(seq) FROM cdr");
	snprintf(sql, sizeof sql,
	    "INSERT INTO collected VALUES ('calls/b2bua-1@srv1', %lld)",
	    (long long)first);
	rig_sql("commit", sql);
	rig_changed("commit", "collected");
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM cdr"), 1);
	assert_int_equal(rig_int(BOOKS, "SELECT seq FROM cdr"), first + 1);
	assert_int_equal(rig.b2bua->count.cdr_waiting, 1);
}

/* What the plan of a domain is made of makes a new one; the records of its
 * calls, of which there may be hundreds a second, do not. */
static void
only_users_and_numbers_make_a_new_plan(void **state)
{
	static const struct {
		const char *changed, *name;
	} steps[] = {{"cdr", "\"User 101\""}, {"number", "\"User 101\""},
	    {"cdr", "\"New\""}, {"user", "\"New\""}, {"cdr", "\"Newest\""}};
	struct phone a;
	char *invite;

	(void)state;
	rig_register("102", "b-phone");
	for (unsigned i = 0; i < 5; i++) {
		rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
		invite = rig_next("INVITE ");
		assert_non_null(strstr(sip_get(invite, "From"), steps[i].name));
		rig_reply(invite, 486, "b-phone", NULL, NULL);
		free(invite);
		rig_skip("ACK ");
		expect_refused(&a, "SIP/2.0 486");
		rig_set("domain/0d0d0d0d", "domain demo.test user 101", "name",
		    i < 2 ? "New" : "Newest");
		rig_changed("domain/0d0d0d0d", steps[i].changed);
	}
}

/* An alias is its domain; one that is suspended carries no calls; one that
 * nobody knows is refused like a wrong password. */
static void
domains_are_found_by_all_their_names(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	rig_register("102", "b-phone");
	rig.domain = "alias.test";
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	m = rig_next("INVITE ");
	assert_non_null(strstr(sip_get(m, "From"), "<sip:101@demo.test>"));
	free(m);
	rig.domain = "nobody.test";
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 403");
	rig.domain = "demo.test";
	rig_set("domain/root", "domain demo.test", "state", "suspended");
	rig_changed("domain/root", "domain");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 503");
}

int
main(void)
{
#define CALL_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
	    CALL_TEST(a_call_is_joined_and_booked),
	    CALL_TEST(the_called_side_hangs_up),
	    CALL_TEST(both_sides_hang_up_at_once),
	    CALL_TEST(failures_are_mapped),
	    CALL_TEST(an_unknown_number_is_confirmed_once),
	    CALL_TEST(a_number_of_the_owner_is_called),
	    CALL_TEST(a_user_of_the_owner_is_called),
	    CALL_TEST(without_a_store_the_number_is_unknown),
	    CALL_TEST(hosts_of_others_are_refused),
	    CALL_TEST(an_absent_user_is_confirmed_once),
	    CALL_TEST(a_contact_of_the_owner_is_rung),
	    CALL_TEST(a_silent_owner_leaves_the_local_answer),
	    CALL_TEST(credentials_are_checked_at_the_registrar),
	    CALL_TEST(wrong_credentials_leave_no_trace),
	    CALL_TEST(a_slow_registrar_is_covered_by_a_100),
	    CALL_TEST(a_ringing_call_is_cancelled),
	    CALL_TEST(an_unanswered_invite_is_cancelled_late),
	    CALL_TEST(a_cancelled_phone_that_answers_is_hung_up),
	    CALL_TEST(ringing_ends_after_the_ring_time),
	    CALL_TEST(early_media_reaches_the_caller),
	    CALL_TEST(an_offer_may_come_with_the_answer),
	    CALL_TEST(the_echo_number_answers),
	    CALL_TEST(without_media_new_calls_are_refused),
	    CALL_TEST(a_change_of_the_media_owner_is_waited_for),
	    CALL_TEST(full_media_gates_refuse_calls),
	    CALL_TEST(an_answer_without_ack_ends_the_call),
	    CALL_TEST(requests_that_cannot_be_served_are_refused),
	    CALL_TEST(other_requests_are_answered),
	    CALL_TEST(a_message_is_routed_like_a_call),
	    CALL_TEST(operators_see_and_end_calls),
	    CALL_TEST(collected_rows_are_dropped),
	    CALL_TEST(only_users_and_numbers_make_a_new_plan),
	    CALL_TEST(domains_are_found_by_all_their_names),
	};

	/* Timers B, F, H of a transaction: short enough to be waited for. */
	b2bua_times.t1x64 = 2000;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
