/* Record first: nothing is seen outside that no record knows. */
#include "b2bua_rig.h"

#define BOOKS "calls/b2bua-1@srv1"

/* ---- the record's own form ---- */

static struct record_text
text(const char *s)
{
	return (struct record_text){s, strlen(s)};
}

static void
make_record(struct call_record *r)
{
	memset(r, 0, sizeof *r);
	r->state = CALL_RINGING;
	r->flags = RECORD_CALL_MEDIA;
	r->id = text("0123456789abcdef0123456789abcdef");
	r->domain = text("demo.test");
	r->user = text("101");
	r->start = 1234567890123456;
	r->ring_until = UINT64_C(1) << 62;
	r->code = 486;
	r->head = text("INVITE sip:102@demo.test SIP/2.0\r\n\r\n");
	r->nlegs = 2;
	r->legs[0].local_tag = text("tag");
	r->legs[1].state = BRANCH_RINGING;
	r->legs[1].flags = RECORD_LEG_FLAGS;
	r->legs[1].via = text("z9hG4bKx");
	r->legs[1].invite_cseq = UINT32_MAX;
	for (unsigned i = 0; i < 2; i++) {
		r->legs[i].sdp_sent = text("v=0\r\n");
		r->legs[i].interval = 1800;
	}
	r->domain_id = r->caller_number = r->caller_name = r->called =
	    r->destination = r->service = r->reason = text("");
	for (unsigned i = 0; i < 2; i++) {
		struct record_leg *l = &r->legs[i];

		l->label = l->call_id = l->local = l->remote = l->remote_tag =
		    l->target = l->routes = l->source = l->destination =
			l->sdp_got = text("");
		if (i == 0)
			l->via = text("");
		else
			l->local_tag = text("");
	}
}

/* What was encoded comes back, byte for byte. */
static void
records_come_back(void **state)
{
	static struct call_record r, back;
	struct buf b = BUF_INIT, again = BUF_INIT;
	struct err err;

	(void)state;
	make_record(&r);
	call_record_encode(&b, &r);
	assert_int_equal(call_record_decode(&back, b.data, b.len, &err), 0);
	assert_int_equal(back.state, CALL_RINGING);
	assert_int_equal(back.nlegs, 2);
	assert_string_equal(back.legs[1].via.s, "z9hG4bKx");
	assert_int_equal(back.legs[1].invite_cseq, UINT32_MAX);
	assert_true(back.ring_until == UINT64_C(1) << 62);
	call_record_encode(&again, &back);
	assert_int_equal(again.len, b.len);
	assert_memory_equal(again.data, b.data, b.len);
	buf_fini(&b);
	buf_fini(&again);
}

/* A record that is cut anywhere, or changed, is refused or another record;
 * it is never read beyond its end. */
static void
broken_records_are_refused(void **state)
{
	static struct call_record r, back;
	struct buf b = BUF_INIT;
	struct err err;

	(void)state;
	make_record(&r);
	call_record_encode(&b, &r);
	for (size_t n = 0; n < b.len; n++) {
		char *exact = malloc(n + 1);

		memcpy(exact, b.data, n);
		assert_int_equal(
		    call_record_decode(&back, exact, n, &err), -ERR_CORRUPT);
		free(exact);
	}
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] = (char)~b.data[i];
		call_record_decode(&back, b.data, b.len, &err);
		b.data[i] = (char)~b.data[i];
	}
	buf_fini(&b);
}

/* ---- withheld acknowledgements ---- */

/* With acknowledgements withheld nothing leaves; released, this leaves. */
static char *
only_after_record(const char *what)
{
	rig_quiet();
	assert_true(rig.nacks > 0);
	rig_release();
	return rig_next(what);
}

/* Each step of a call that the outside sees waits for its record: 100, the
 * INVITEs, 180, 200 and ACK, BYE and its answer. */
static void
every_step_waits_for_its_record(void **state)
{
	struct phone a, b;
	char *invite, *m;

	(void)state;
	rig_register("102", "b-phone");
	rig.hold = true;
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = only_after_record("INVITE ");
	rig.hold = true;
	rig_reply(invite, 180, "b-phone", NULL, NULL);
	free(only_after_record("SIP/2.0 180"));
	rig.hold = true;
	rig_learn_callee(&b, invite, "b-phone");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	m = only_after_record("SIP/2.0 200");
	rig_learn(&a, m);
	free(m);
	rig_skip("ACK ");
	rig_ack(&a, NULL);
	rig_until_state(CALL_UP);
	rig.hold = true;
	rig_request(&a, "INVITE", NULL, SDP_B);
	m = only_after_record("INVITE ");
	rig.hold = true;
	rig_reply(m, 200, "b-phone", NULL, SDP_B);
	free(m);
	free(only_after_record("SIP/2.0 200"));
	rig_skip("ACK ");
	rig_ack(&a, NULL);
	rig.hold = true;
	rig_request(&b, "BYE", NULL, NULL);
	m = only_after_record("BYE ");
	rig_skip("SIP/2.0 200");
	rig_reply(m, 200, NULL, NULL, NULL);
	free(m);
	free(invite);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
}

/* The 100 of a slow setup, a refusal, and the answer to a cancelled INVITE
 * wait as well; CANCEL follows the record of the end. */
static void
refusals_wait_for_their_record(void **state)
{
	struct phone a;
	char *invite, *m;

	(void)state;
	b2bua_times.trying = 20 * CLOCK_MS;
	rig.hold = true;
	rig.mgc_up = false;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	free(only_after_record("SIP/2.0 100"));
	rig.mgc_up = true;
	invite = rig_next("INVITE ");
	rig_reply(invite, 180, "b-phone", NULL, NULL);
	rig_skip("SIP/2.0 180");
	rig.hold = true;
	rig_hop(&a, "CANCEL", NULL);
	rig_skip("SIP/2.0 200"); /* of the hop: promises nothing */
	m = only_after_record("SIP/2.0 487");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_skip("CANCEL ");
	rig_reply(invite, 487, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	free(invite);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	rig.hold = true;
	rig_invite(&a, "101", "999", TRUSTED_101, SDP_A);
	m = only_after_record("SIP/2.0 404");
	rig_hop(&a, "ACK", m);
	free(m);
	b2bua_times.trying = 200 * CLOCK_MS;
}

/* No record can be written: new calls get 503, a call that ends says so all
 * the same. */
static void
without_records_calls_are_refused(void **state)
{
	struct phone a, b, c;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig.refuse = true;
	rig_invite(&c, "103", "102", "X-Tandem-User: 103\r\n", SDP_A);
	m = rig_next("SIP/2.0 503");
	assert_string_equal(sip_get(m, "Retry-After"), "5");
	rig_hop(&c, "ACK", m);
	free(m);
	rig_request(&a, "BYE", NULL, NULL);
	m = rig_next("BYE ");
	rig_skip("SIP/2.0 200");
	rig_reply(m, 200, NULL, NULL, NULL);
	free(m);
	rig.refuse = false;
}

/* ---- adoption ---- */

static void
kill_and_adopt(void)
{
	rig_kill_b2bua();
	rig_start_b2bua();
}

/* An established call survives the death of its process with full control:
 * both sides may hold and hang up, and CSeq never goes back. */
static void
established_calls_go_on(void **state)
{
	struct phone a, b;
	char *m;
	unsigned cseq;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		rig_sql("location", "DELETE FROM binding");
		rig_connect(&a, &b);
		rig_request(&a, "INFO", "Content-Type: x/y\r\n", "5");
		m = rig_next("INFO ");
		cseq = (unsigned)atoi(sip_get(m, "CSeq"));
		rig_reply(m, 200, NULL, NULL, NULL);
		free(m);
		rig_skip("SIP/2.0 200");
		for (unsigned deaths = 0; deaths <= i; deaths++)
			kill_and_adopt();
		rig_quiet();
		assert_int_equal(rig.b2bua->count.adopted, 1);
		rig_request(&b, "INVITE", NULL, SDP_B "a=sendonly\r\n");
		m = rig_next("INVITE sip:101@");
		assert_non_null(strstr(sip_get(m, "Route"), "tok-101"));
		rig_reply(m, 200, "101", NULL, SDP_A "a=recvonly\r\n");
		free(m);
		rig_skip("SIP/2.0 200");
		rig_skip("ACK ");
		rig_ack(&b, NULL);
		rig_request(&a, "INFO", "Content-Type: x/y\r\n", "5");
		m = rig_next("INFO ");
		assert_true((unsigned)atoi(sip_get(m, "CSeq")) > cseq);
		rig_reply(m, 200, NULL, NULL, NULL);
		free(m);
		rig_skip("SIP/2.0 200");
		rig_disconnect(&a);
		rig_until(BOOKS, "SELECT count(*) FROM cdr", i + 1);
		assert_string_equal(rig_text(BOOKS, "SELECT reason FROM cdr"),
		    "normal clearing");
	}
}

/* Killed between 200 and ACK: the same 200 again until its ACK comes. */
static void
answered_calls_go_on(void **state)
{
	struct phone a;
	char *invite, *ok, *again;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	ok = rig_next("SIP/2.0 200");
	rig_skip("ACK ");
	kill_and_adopt();
	again = rig_next("SIP/2.0 200");
	assert_string_equal(ok, again);
	free(again);
	rig_skip("ACK ");
	again = rig_next("SIP/2.0 200"); /* timer G runs */
	assert_string_equal(ok, again);
	rig_learn(&a, ok);
	rig_ack(&a, NULL);
	rig_until_state(CALL_UP);
	rig_disconnect(&a);
	free(invite);
	free(ok);
	free(again);
}

/* Killed while it rings: the phone's answer reaches the caller. */
static void
ringing_calls_are_answered(void **state)
{
	struct phone a;
	char *invite, *ok;

	(void)state;
	invite = rig_ring(&a);
	kill_and_adopt();
	rig_skip("SIP/2.0 180");
	rig_quiet(); /* the phone rings: it is not asked again */
	rig_reply(invite, 200, "b-phone", NULL, SDP_B);
	ok = rig_next("SIP/2.0 200");
	rig_skip("ACK sip:b-phone@");
	rig_learn(&a, ok);
	rig_ack(&a, NULL);
	rig_until_state(CALL_UP);
	rig_disconnect(&a);
	free(invite);
	free(ok);
}

/* Killed while it rings, then refused by the phone, cancelled by the caller,
 * or rung for too long: each as without the death. */
static void
ringing_calls_end_as_ever(void **state)
{
	static const char *const ends[] = {
	    "SIP/2.0 486", "SIP/2.0 487", "SIP/2.0 480"};
	struct phone a;
	char *invite, *m;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		rig_sql("location", "DELETE FROM binding");
		rig_set("domain/0d0d0d0d", "domain demo.test user 102",
		    "ring-time", i == 2 ? "1" : "30");
		rig_changed("domain/0d0d0d0d", "user");
		rig_register("102", "b-phone");
		rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
		invite = rig_next("INVITE ");
		rig_reply(invite, 180, "b-phone", NULL, NULL);
		rig_skip("SIP/2.0 180");
		kill_and_adopt();
		rig_skip("SIP/2.0 180");
		if (i == 0) {
			rig_reply(invite, 486, "b-phone", NULL, NULL);
			rig_skip("ACK ");
		} else if (i == 1) {
			rig_hop(&a, "CANCEL", NULL);
			rig_skip("SIP/2.0 200");
		}
		m = rig_next(ends[i]);
		rig_hop(&a, "ACK", m);
		free(m);
		if (i > 0) {
			m = rig_next("CANCEL sip:b-phone@");
			assert_string_equal(
			    sip_param(sip_get(m, "Via"), "branch"),
			    sip_param(sip_get(invite, "Via"), "branch"));
			assert_string_equal(
			    sip_get(m, "From"), sip_get(invite, "From"));
			assert_int_equal(atoi(sip_get(m, "CSeq")),
			    atoi(sip_get(invite, "CSeq")));
			rig_reply(m, 200, NULL, NULL, NULL);
			free(m);
			rig_reply(invite, 487, "b-phone", NULL, NULL);
			rig_skip("ACK ");
		}
		free(invite);
		rig_until(BOOKS, "SELECT count(*) FROM call", 0);
		rig_until(BOOKS, "SELECT count(*) FROM cdr", i + 1);
	}
}

/* Killed before the phone has said anything: it is asked again, the same. */
static void
unanswered_invites_are_repeated(void **state)
{
	struct phone a;
	char *invite, *again;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	kill_and_adopt();
	again = rig_next("INVITE ");
	assert_string_equal(sip_get(again, "Via"), sip_get(invite, "Via"));
	assert_string_equal(sip_get(again, "CSeq"), sip_get(invite, "CSeq"));
	assert_string_equal(sip_get(again, "From"), sip_get(invite, "From"));
	assert_string_equal(sip_body(again), sip_body(invite));
	free(again);
	rig_skip("SIP/2.0 100");
	rig_reply(invite, 486, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	again = rig_next("SIP/2.0 486");
	rig_hop(&a, "ACK", again);
	free(again);
	free(invite);
}

/* Killed while the end was being told: it is told again, and booked once. */
static void
ending_calls_are_ended(void **state)
{
	struct phone a, b;
	char *m;

	(void)state;
	rig_connect(&a, &b);
	rig_request(&a, "BYE", NULL, NULL);
	rig_skip("BYE ");
	rig_skip("SIP/2.0 200");
	kill_and_adopt();
	m = rig_next("BYE sip:b-phone@");
	rig_reply(m, 200, NULL, NULL, NULL);
	free(m);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM cdr"), 1);
	assert_true(rig.deletes >= 1);
	/* a refusal whose ACK is missing */
	rig_invite(&a, "101", "999", TRUSTED_101, SDP_A);
	rig_skip("SIP/2.0 404");
	kill_and_adopt();
	m = rig_next("SIP/2.0 404");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	rig_until(BOOKS, "SELECT count(*) FROM cdr", 2);
}

/* Killed in setup: the caller is refused, the books say why. */
static void
calls_in_setup_are_refused(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	b2bua_times.trying = 10 * CLOCK_MS;
	rig_register("102", "b-phone");
	rig.mgc_up = false;
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	rig_skip("SIP/2.0 100");
	kill_and_adopt();
	m = rig_next("SIP/2.0 503");
	rig_hop(&a, "ACK", m);
	free(m);
	rig.mgc_up = true;
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	assert_string_equal(
	    rig_text(BOOKS, "SELECT reason FROM cdr"), "exchange restarted");
	b2bua_times.trying = 200 * CLOCK_MS;
}

/* A record of nonsense does not stop the others. */
static void
unreadable_records_are_dropped(void **state)
{
	struct phone a, b;

	(void)state;
	rig_connect(&a, &b);
	rig_sql(BOOKS, "INSERT INTO call VALUES (77, x'00ff'), (78, x'')");
	kill_and_adopt();
	assert_int_equal(rig.b2bua->count.calls, 1);
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM call"), 1);
	rig_disconnect(&a);
}

int
main(void)
{
#define RECORD_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_come_back),
	    cmocka_unit_test(broken_records_are_refused),
	    RECORD_TEST(every_step_waits_for_its_record),
	    RECORD_TEST(refusals_wait_for_their_record),
	    RECORD_TEST(without_records_calls_are_refused),
	    RECORD_TEST(established_calls_go_on),
	    RECORD_TEST(answered_calls_go_on),
	    RECORD_TEST(ringing_calls_are_answered),
	    RECORD_TEST(ringing_calls_end_as_ever),
	    RECORD_TEST(unanswered_invites_are_repeated),
	    RECORD_TEST(ending_calls_are_ended),
	    RECORD_TEST(calls_in_setup_are_refused),
	    RECORD_TEST(unreadable_records_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
