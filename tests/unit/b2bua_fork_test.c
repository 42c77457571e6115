/* Several phones of one user: who wins, who is told, which failure counts. */
#include "b2bua_rig.h"

#define BOOKS "calls/b2bua-1@srv1"
#define PHONES 3

static char *invites[PHONES];

/* 101 calls 102, whose phones p0, p1, p2 all get an INVITE. */
static void
fork_call(struct phone *a)
{
	char token[16];

	for (unsigned i = 0; i < PHONES; i++) {
		snprintf(token, sizeof token, "p%u", i);
		rig_register("102", token);
		invites[i] = NULL;
	}
	rig_invite(a, "101", "102", TRUSTED_101, SDP_A);
	for (unsigned i = 0; i < PHONES; i++) {
		char *m = rig_next("INVITE sip:p");

		invites[m[12] - '0'] = m;
	}
}

static int
teardown(void **state)
{
	for (unsigned i = 0; i < PHONES; i++) {
		free(invites[i]);
		invites[i] = NULL;
	}
	return rig_teardown(state);
}

static void
say(unsigned phone, int code, const char *sdp)
{
	char tag[16];

	snprintf(tag, sizeof tag, "p%u", phone);
	rig_reply(invites[phone], code, tag, NULL, sdp);
}

static void
refused(struct phone *a, const char *status)
{
	char *m = rig_next(status);

	rig_hop(a, "ACK", m);
	free(m);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	assert_int_equal(
	    rig_int(BOOKS, "SELECT code FROM cdr"), atoi(status + 8));
}

/* All ring, each in a dialog of its own; the caller hears one 180. */
static void
all_phones_ring(void **state)
{
	struct phone a;

	(void)state;
	fork_call(&a);
	for (unsigned i = 0; i < PHONES; i++)
		for (unsigned j = 0; j < i; j++) {
			assert_string_not_equal(sip_get(invites[i], "Call-ID"),
			    sip_get(invites[j], "Call-ID"));
			assert_string_not_equal(
			    sip_param(sip_get(invites[i], "From"), "tag"),
			    sip_param(sip_get(invites[j], "From"), "tag"));
		}
	for (unsigned i = 0; i < PHONES; i++)
		say(i, 180, NULL);
	rig_skip("SIP/2.0 180");
	rig_quiet();
}

/* The first 2xx wins; the others are cancelled and told why; a 2xx that
 * crossed its CANCEL is acknowledged and hung up. */
static void
the_first_answer_wins(void **state)
{
	struct phone a;
	char *ok, *m;
	unsigned cancels = 0;

	(void)state;
	fork_call(&a);
	for (unsigned i = 0; i < PHONES; i++)
		say(i, 180, NULL);
	rig_skip("SIP/2.0 180");
	say(1, 200, SDP_B);
	ok = rig_next("SIP/2.0 200");
	rig_learn(&a, ok);
	free(ok);
	rig_skip("ACK sip:p1@");
	while (cancels < 2) {
		m = rig_next("CANCEL sip:p");
		assert_non_null(
		    strstr(sip_get(m, "Reason"), "completed elsewhere"));
		free(m);
		cancels++;
	}
	rig_ack(&a, NULL);
	say(0, 487, NULL);
	rig_skip("ACK sip:p0@");
	say(2, 200, SDP_B);
	rig_skip("ACK sip:p2@");
	m = rig_next("BYE sip:p2@");
	rig_reply(m, 200, NULL, NULL, NULL);
	free(m);
	assert_string_equal(rig_text(BOOKS, "SELECT count(*) FROM cdr"), "0");
	rig_disconnect(&a);
	assert_int_equal(rig_int(BOOKS, "SELECT count(*) FROM cdr"), 1);
}

/* Two answers in one breath: one wins, the other is hung up. */
static void
two_answers_at_once(void **state)
{
	struct phone a;
	char *m;
	unsigned acks = 0, byes = 0, oks = 0;

	(void)state;
	fork_call(&a);
	say(0, 200, SDP_B);
	say(1, 200, SDP_B);
	while (acks < 2 || byes < 1 || oks < 1) {
		m = rig_next("");
		if (strncmp(m, "SIP/2.0 200", 11) == 0) {
			oks++;
			rig_learn(&a, m);
			rig_ack(&a, NULL);
		} else if (strncmp(m, "ACK", 3) == 0)
			acks++;
		else if (strncmp(m, "BYE", 3) == 0) {
			byes++;
			rig_reply(m, 200, NULL, NULL, NULL);
		} else
			assert_memory_equal(m, "CANCEL", 6);
		free(m);
	}
	assert_int_equal(oks, 1);
	assert_int_equal(byes, 1);
}

/* One phone says no for all: the others are cancelled (RFC 3261 16.7), and
 * the caller is told before they have answered that; one never does. */
static void
a_decline_is_for_all(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	fork_call(&a);
	for (unsigned i = 0; i < PHONES; i++)
		say(i, 180, NULL);
	rig_skip("SIP/2.0 180");
	say(1, 603, NULL);
	rig_skip("ACK ");
	for (unsigned i = 0; i < 2; i++) {
		m = rig_next("CANCEL ");
		free(m);
	}
	m = rig_next("SIP/2.0 603");
	rig_hop(&a, "ACK", m);
	free(m);
	say(0, 487, NULL);
	rig_skip("ACK ");
	rig_until(BOOKS, "SELECT count(*) FROM cdr", 1);
	assert_string_equal(
	    rig_text(BOOKS, "SELECT code || ' ' || ended_by FROM cdr"),
	    "603 callee");
}

/* A phone that is gone does not hold up the decline of another; busy waits,
 * for the other phones may still answer. */
static void
a_dead_phone_holds_up_nothing(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	fork_call(&a);
	say(0, 486, NULL);
	rig_skip("ACK ");
	rig_quiet();
	say(1, 603, NULL);
	rig_skip("ACK ");
	m = rig_next("SIP/2.0 603");
	rig_hop(&a, "ACK", m);
	free(m);
	rig_until(BOOKS, "SELECT count(*) FROM cdr", 1);
}

/* Of several failures the one that says most is told. */
static void
the_best_failure_is_told(void **state)
{
	static const struct {
		int code[PHONES];
		const char *status;
	} cases[] = {{{408, 486, 480}, "SIP/2.0 486"},
	    {{503, 480, 408}, "SIP/2.0 480"}, {{408, 430, 408}, "SIP/2.0 480"},
	    {{500, 500, 488}, "SIP/2.0 488"}};
	struct phone a;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		rig_sql("location", "DELETE FROM binding");
		rig_sql(BOOKS, "DELETE FROM cdr");
		fork_call(&a);
		for (unsigned j = 0; j < PHONES; j++) {
			say(j, cases[i].code[j], NULL);
			rig_skip("ACK ");
		}
		refused(&a, cases[i].status);
		for (unsigned j = 0; j < PHONES; j++) {
			free(invites[j]);
			invites[j] = NULL;
		}
	}
}

/* A phone that wants a longer session interval is asked again with it. */
static void
a_longer_interval_is_tried(void **state)
{
	struct phone a;
	char *invite, *again;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	invite = rig_next("INVITE ");
	assert_string_equal(sip_get(invite, "Session-Expires"), "1800");
	rig_reply(invite, 422, "b-phone", "Min-SE: 3600\r\n", NULL);
	rig_skip("ACK ");
	again = rig_next("INVITE ");
	assert_string_equal(sip_get(again, "Session-Expires"), "3600");
	assert_string_equal(sip_get(again, "Min-SE"), "3600");
	assert_string_equal(
	    sip_get(again, "Call-ID"), sip_get(invite, "Call-ID"));
	assert_int_equal(
	    atoi(sip_get(again, "CSeq")), atoi(sip_get(invite, "CSeq")) + 1);
	assert_null(strstr(sip_get(again, "To"), "tag="));
	rig_reply(again, 422, "b-phone", "Min-SE: 9999\r\n", NULL);
	rig_skip("ACK ");
	refused(&a, "SIP/2.0 500");
	free(invite);
	free(again);
}

/* A user has more phones than may ring: the first ones ring. */
static void
the_users_limit_holds(void **state)
{
	struct phone a;
	char *m;

	(void)state;
	rig_set("domain/0d0d0d0d", "domain demo.test user 102", "max-contacts",
	    "2");
	for (unsigned i = 0; i < 5; i++)
		rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	for (unsigned i = 0; i < 2; i++) {
		m = rig_next("INVITE ");
		free(m);
	}
	rig_quiet();
}

int
main(void)
{
#define FORK_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, teardown)
	const struct CMUnitTest tests[] = {
	    FORK_TEST(all_phones_ring),
	    FORK_TEST(the_first_answer_wins),
	    FORK_TEST(two_answers_at_once),
	    FORK_TEST(a_decline_is_for_all),
	    FORK_TEST(a_dead_phone_holds_up_nothing),
	    FORK_TEST(the_best_failure_is_told),
	    FORK_TEST(a_longer_interval_is_tried),
	    FORK_TEST(the_users_limit_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
