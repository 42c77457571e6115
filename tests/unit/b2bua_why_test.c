/* What was decided of a call is told to the trace, step by step; a route that
 * is tried out takes the same steps. */
#include "b2bua_rig.h"

#include "daemon/trace/step.h"
#include "tests/lib/scratch.h"

#define BOOKS "calls/b2bua-1@srv1"
#define FLOW "identity: flow that registered the user<> -> user<101>\n"
#define FRONT                                           \
	"configuration: revision 7<> -> local copy<>\n" \
	"domain: domain demo.test<> -> on<>\n"          \
	"caller: user<101> -> shown as<101>\n"
#define TO(dialled, number)                                \
	"host: host of<" dialled "> -> the own domain<>\n" \
	"dialled: <" dialled "> -> number<" number ">\n"
#define TO_102                              \
	TO("sip:102@demo.test", "102")      \
	"exact: number<102> -> user<102>\n" \
	" user: user<102> -> 10 contacts at most ring for 30 s<>\n"
#define STAGE "stage: stage 1<> -> rings for 30 s<>\n"
#define FOUND                                      \
	" contacts: user<102> -> 1 known here<>\n" \
	" contact: 203.0.113.9:5062;transport=udp<> -> leg b1<>\n"

#define CREDENTIALS                                                          \
	"Proxy-Authorization: Digest username=\"101\", realm=\"demo.test\"," \
	" nonce=\"n\", uri=\"sip:x\", response=\"r\"\r\n"

static char dir[64], path[100];

static int
setup(void **state)
{
	rig_setup(state);
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/b2bua-1", dir);
	rig_sql("domain/0d0d0d0d",
	    "CREATE TABLE _applied(rev INTEGER PRIMARY KEY, txid TEXT);"
	    "INSERT INTO _applied VALUES(5, 'a'), (7, 'b')");
	/* Another process, which is recorded. */
	rig.self.trace_mib = 1;
	str_copy(rig.self.rings, sizeof rig.self.rings, dir);
	rig_kill_b2bua();
	rig_start_b2bua();
	return 0;
}

static int
teardown(void **state)
{
	rig_teardown(state);
	scratch_remove(dir);
	return 0;
}

static void
add(char *out, bool part, const char *const text[5])
{
	sprintf(out + strlen(out), "%s%s: %s<%s> -> %s<%s>\n", part ? " " : "",
	    text[0], text[1], text[2], text[3], text[4]);
}

/* All steps in the ring, a line each: persons in <>, a part indented. */
static const char *
told(void)
{
	static const enum trace_key keys[] = {TRACE_STEP_NAME, TRACE_RULE,
	    TRACE_RULE_PERSON, TRACE_RESULT, TRACE_RESULT_PERSON};
	static char out[8000];
	struct ring_reader reader;
	struct trace_record r;
	const uint8_t *p;
	size_t n, i;

	out[0] = '\0';
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	while (ring_next(&reader, &p, &n)) {
		char text[5][300];
		const char *texts[5];

		assert_int_equal(trace_record_decode(&r, p, n, NULL), 0);
		if (r.kind != TRACE_STEP)
			continue;
		assert_true(trace_key_is(&r, TRACE_DOMAIN, "demo.test"));
		assert_int_equal(r.key[TRACE_CALL].n, CALL_ID - 1);
		assert_int_equal(r.cseq, rig.b2bua->epoch);
		for (i = 0; i < 5; i++) {
			trace_key_text(&r, keys[i], text[i], sizeof text[i]);
			texts[i] = text[i];
		}
		add(out, r.flags & TRACE_PART, texts);
	}
	ring_detach(&reader);
	return out;
}

static void
expect_refused(struct phone *a, const char *status)
{
	char *m = rig_next(status);

	rig_hop(a, "ACK", m);
	free(m);
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
}

/* From who calls to who hung up. */
static void
a_call_tells_its_steps(void **state)
{
	struct phone a, b;

	(void)state;
	rig_connect(&a, &b);
	rig_disconnect(&a);
	assert_string_equal(told(),
	    FLOW FRONT TO_102 STAGE FOUND
	    " leg: leg b1<> -> answers<>\n"
	    "end: by the caller<> -> 200 normal clearing<>\n");
}

/* Who failed, how, and that nothing follows; and how the caller was known. */
static void
a_failure_tells_whose_it_is(void **state)
{
	struct phone a;
	char *invite;

	(void)state;
	rig_register("102", "b-phone");
	rig_invite(&a, "101", "102", CREDENTIALS, SDP_A);
	invite = rig_next("INVITE ");
	rig_reply(invite, 486, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	expect_refused(&a, "SIP/2.0 486");
	free(invite);
	assert_string_equal(told(),
	    "identity: credentials<> -> user<101>\n" FRONT TO_102 STAGE FOUND
	    " leg: leg b1<> -> 486 user busy<>\n"
	    "next: stage 1 failed: busy<> -> no stage follows<>\n"
	    "end: by the called<> -> 486 user busy<>\n");
}

/* A phone that is not wanted any more has failed nobody. */
static void
who_is_cancelled_is_told(void **state)
{
	struct phone a;
	char *invite, *cancel;

	(void)state;
	invite = rig_ring(&a);
	rig_hop(&a, "CANCEL", NULL);
	cancel = rig_next("SIP/2.0 200");
	free(cancel);
	cancel = rig_next("SIP/2.0 487");
	rig_hop(&a, "ACK", cancel);
	free(cancel);
	cancel = rig_next("CANCEL ");
	rig_reply(cancel, 200, NULL, NULL, NULL);
	rig_reply(invite, 487, "b-phone", NULL, NULL);
	rig_skip("ACK ");
	rig_until(BOOKS, "SELECT count(*) FROM call", 0);
	free(invite);
	free(cancel);
	assert_string_equal(told(),
	    FLOW FRONT TO_102 STAGE FOUND
	    "end: by the caller<> -> 487 cancelled<>\n"
	    " leg: leg b1<> -> cancelled<>\n");
}

/* Nobody registered: neither the copy nor the owner knows a contact. */
static void
absence_is_told_with_who_says_so(void **state)
{
	struct phone a;

	(void)state;
	rig_invite(&a, "101", "102", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 480");
	assert_string_equal(told(),
	    FLOW FRONT TO_102 STAGE
	    " contacts: user<102> -> none, says the owner of "
	    "registrations<>\n"
	    "next: stage 1 failed: no answer absent<> -> no stage follows<>\n"
	    "end: by the exchange<> -> 480 subscriber absent<>\n");
}

/* What the plan refuses, and what the owner of the store says to it. */
static void
refusals_are_told(void **state)
{
	static const char refused[] = FLOW FRONT TO("sip:999@demo.test",
	    "999") "exact: number<999> -> no such number<>\n"
		   "refused: status 404<> -> no such number<>\n"
		   "owner: number<999> -> cannot be asked: the local copy decides<>\n"
		   "end: by the exchange<> -> 404 no such number<>\n";
	struct phone a;

	(void)state;
	rig.st_up = false;
	rig_invite(&a, "101", "999", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 404");
	assert_string_equal(told(), refused);
	rig.st_up = true;
	rig_invite(&a, "101", "999", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 404");
	assert_non_null(strstr(told() + strlen(refused),
	    "owner: number<999> -> knows nothing: the local copy decides<>\n"));
}

/* Steps of rows that only the owner has are those of its rows. */
static void
rows_of_the_owner_are_told_as_such(void **state)
{
	struct phone a;

	(void)state;
	json_array_append_new(rig.told_rows,
	    json_pack("[s, s, {s:s}]", "user", "101", "name", "Alice"));
	json_array_append_new(rig.told_rows,
	    json_pack("[s, s, {s:s}]", "user", "151", "state", "off"));
	rig_invite(&a, "101", "151", TRUSTED_101, SDP_A);
	expect_refused(&a, "SIP/2.0 480");
	assert_string_equal(told(),
	    FLOW
	    "configuration: <> -> told by the owner of the store<>\n"
	    "domain: domain demo.test<> -> on<>\n"
	    "caller: user<101> -> shown as<101>\n" TO("sip:151@demo.test",
		"151") "exact: number<151> -> user<151>\n"
		       " user: user<151> -> off<>\n"
		       "refused: status 480<> -> the called user is switched off<>\n"
		       "owner: number<151> -> asked again: its rows decide<>\n"
		       "end: by the exchange<> -> 480 the called user is switched "
		       "off<>\n");
}

/* An INVITE that cannot be served is one that the plan has let pass. */
static void
a_broken_offer_is_told(void **state)
{
	struct phone a;

	(void)state;
	rig_invite(&a, "101", "102", TRUSTED_101, "v=0\r\nnonsense\r\n");
	expect_refused(&a, "SIP/2.0 4");
	assert_non_null(
	    strstr(told(), TO_102 "request: the INVITE itself<> -> 4"));
	assert_non_null(strstr(told(), "end: by the caller<> -> 4"));
}

/* Who adopts a call says so. */
static void
an_adopted_call_goes_on_telling(void **state)
{
	struct phone a, b;

	(void)state;
	rig_connect(&a, &b);
	rig_kill_b2bua();
	rig_start_b2bua();
	rig_disconnect(&a);
	assert_string_equal(told(),
	    FLOW FRONT TO_102 STAGE FOUND
	    " leg: leg b1<> -> answers<>\n"
	    "adopted: up<> -> b2bua/1@srv1<>\n"
	    "end: by the caller<> -> 200 normal clearing<>\n");
}

/* ---- test route ---------------------------------------------------------- */

struct tried {
	char steps[4000];
	enum err_code code;
	bool done;
};

static void
on_tried(void *arg, struct op_call *call, const struct err *e)
{
	struct tried *t = arg;
	json_t *result, *row;
	size_t i;

	t->done = true;
	t->code = e != NULL ? e->code : ERR_NONE;
	if (e != NULL)
		return;
	result = op_result(call);
	json_array_foreach (json_object_get(result, "data"), i, row)
		sprintf(t->steps + strlen(t->steps), "%s%s: %s -> %s\n",
		    strchr(op_row_text(row, "step"), '.') != NULL ? " " : "",
		    op_row_text(row, "name"), op_row_text(row, "rule"),
		    op_row_text(row, "result"));
	json_decref(result);
}

static void
try_begin(struct tried *t, enum admin_role role, const char *from,
    const char *to, const char *domain, bool candidate)
{
	struct op_who who = {.role = role, .session = "srv1.000001"};
	json_t *args = json_pack("{s:s, s:s, s:s*, s:b}", "from", from, "to",
	    to, "domain", domain, "candidate", (int)candidate);

	memset(t, 0, sizeof *t);
	op_run(&op_test_route, args, &who, &rig.self, on_tried, t);
	json_decref(args);
}

static const struct tried *
try_of(const char *from, const char *to, bool candidate)
{
	static struct tried t;

	try_begin(&t, ADMIN_SITE, from, to, "demo.test", candidate);
	while (!t.done)
		rig_run(CLOCK_MS);
	return &t;
}

static const struct tried *
try(const char *from, const char *to)
{
	return try_of(from, to, false);
}

/* The same steps as rows have them: without marks around persons. */
static const char *
plain(const char *steps)
{
	static char out[4000];
	char *to = out;

	for (; *steps != '\0'; steps++) {
		if (*steps == '<' && steps[1] != '>' && to > out &&
		    to[-1] != ' ')
			*to++ = ' ';
		if (*steps != '<' && !(*steps == '>' && (steps[-1] != '-')))
			*to++ = *steps;
	}
	*to = '\0';
	return out;
}

/* What is tried out decides as a call does, word for word, and rings nobody. */
static void
a_route_is_tried_as_a_call_goes(void **state)
{
	const struct tried *t;

	(void)state;
	rig_register("102", "b-phone");
	t = try("101", "sip:102@demo.test");
	assert_int_equal(t->code, ERR_NONE);
	assert_string_equal(t->steps, plain(FRONT TO_102 FOUND));
	assert_string_equal(told(), "");
	rig_quiet();
	assert_non_null(strstr(
	    try("101", "sip:102@alias.test")->steps, "-> the own domain\n"));
	assert_non_null(
	    strstr(try("101", "sip:102@nowhere.test")->steps, "none of ours"));
	assert_non_null(
	    strstr(try("nobody", "102")->steps, "refused: status 403"));
	assert_non_null(strstr(try("101", "600")->steps, "service echo\n"));
	assert_int_equal(rig.asked, 0);
	assert_non_null(strstr(
	    try("101", "999")->steps, "owner: number 999 -> knows nothing"));
	assert_int_equal(rig.asked, 1);
}

/* It tells who is there, which is not for everybody, and is of one domain. */
static void
a_route_is_not_for_all_to_try(void **state)
{
	struct tried t;

	(void)state;
	try_begin(&t, ADMIN_SUPPORT, "101", "102", "demo.test", false);
	assert_int_equal(t.code, ERR_PERMISSION);
	try_begin(&t, ADMIN_SITE, "101", "102", NULL, false);
	assert_int_equal(t.code, ERR_INVALID);
	try_begin(&t, ADMIN_SITE, "101", "102", "nowhere.test", false);
	assert_int_equal(t.code, ERR_ABSENT);
}

/* One that waits for an owner ends with the process. */
static void
what_is_tried_ends_with_the_process(void **state)
{
	static struct tried t[3];

	(void)state;
	rig.sr_silent = true;
	try_begin(&t[0], ADMIN_SITE, "101", "102", "demo.test", false);
	try_begin(&t[1], ADMIN_SITE, "101", "999", "demo.test", false);
	try_begin(&t[2], ADMIN_SITE, "101", "102", "demo.test", true);
	rig_run(CLOCK_MS);
	assert_false(t[0].done || t[1].done || t[2].done);
	b2bua_role.on_stop(&rig.self);
	rig.b2bua = NULL;
	for (int i = 0; i < 3; i++) {
		assert_true(t[i].done);
		assert_int_equal(t[i].code, ERR_CLOSED);
	}
}

/* Rows that a candidate would make are the store's to tell, and decide alone;
 * phones are those that are there. */
static void
a_route_is_tried_in_a_candidate(void **state)
{
	const struct tried *t;

	(void)state;
	rig_register("102", "b-phone");
	json_array_append_new(rig.told_rows,
	    json_pack("[s, s, {s:s}]", "user", "101", "name", "Alice"));
	json_array_append_new(rig.told_rows,
	    json_pack("[s, s, {s:s}]", "number", "700", "user", "102"));
	json_array_append_new(rig.told_rows,
	    json_pack("[s, s, {s:s}]", "user", "102", "ring-time", "20"));
	rig.told_state = "on";
	t = try_of("101", "700", true);
	assert_non_null(
	    strstr(t->steps, "configuration:  -> candidate of this session\n"));
	assert_non_null(strstr(t->steps, "exact: number 700 -> user 102\n"));
	assert_non_null(strstr(t->steps, plain(FOUND)));
	assert_non_null(strstr(
	    try_of("101", "mailto:x", true)->steps, "refused: status 416"));
	rig.told_state = "suspended";
	assert_non_null(
	    strstr(try_of("101", "700", true)->steps, "refused: status 503"));
	rig.st_up = false;
	assert_int_equal(try_of("101", "700", true)->code, ERR_NOOWNER);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_call_tells_its_steps),
	    T(a_failure_tells_whose_it_is),
	    T(who_is_cancelled_is_told),
	    T(absence_is_told_with_who_says_so),
	    T(refusals_are_told),
	    T(rows_of_the_owner_are_told_as_such),
	    T(a_broken_offer_is_told),
	    T(an_adopted_call_goes_on_telling),
	    T(a_route_is_tried_as_a_call_goes),
	    T(a_route_is_not_for_all_to_try),
	    T(a_route_is_tried_in_a_candidate),
	    T(what_is_tried_ends_with_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
