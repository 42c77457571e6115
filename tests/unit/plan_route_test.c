/* Compiling a domain and the decision over it: plan/plan.c, plan/route.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "plan/plan.h"
#include "tests/lib/fault.h"

static const struct plan_domain demo = {
    .id = "3f9a01c2", .name = "demo.test", .rev = 12, .origin = "copy here"};

/* Three users (103 is off), their numbers, an alias and the echo. */
static int
make_plan(const struct plan_domain *d, struct plan **pp, struct err *err)
{
	static const struct plan_user users[] = {
	    {"101", "Anna \"A\" One", false, 10, 30}, {"102", "", false, 2, 5},
	    {"103", "Off", true, 10, 30}, {"bob", "Bob", false, 10, 30}};
	static const struct plan_number numbers[] = {{"7000", "bob", NULL},
	    {"101", "101", NULL}, {"+7495101", "101", NULL},
	    {"102", "102", NULL}, {"103", "103", NULL}, {"104", "gone", NULL},
	    {"600", NULL, "echo"}};
	struct plan_builder *b;
	int rc = plan_builder_new(d, &b, err);

	for (size_t i = 0; rc == 0 && i < sizeof users / sizeof *users; i++)
		rc = plan_builder_user(b, &users[i], err);
	for (size_t i = 0; rc == 0 && i < sizeof numbers / sizeof *numbers; i++)
		rc = plan_builder_number(b, &numbers[i], err);
	if (rc == 0)
		return plan_build(&b, pp, err);
	plan_builder_free(&b);
	return rc;
}

static struct plan_result result;

static const struct plan_result *
ask(const struct plan *p, enum plan_what what, const char *from, const char *to)
{
	struct plan_call c = {
	    .what = what, .from_user = from, .to = to, .to_len = strlen(to)};

	memset(&result, 0xa5, sizeof result);
	plan_route(p, &c, &result);
	return &result;
}

/* The result of a step: its words, its person behind them. */
static const char *
step_result(const char *name)
{
	static char text[300];

	for (unsigned i = 0; i < result.nsteps; i++) {
		const struct plan_text *t = &result.steps[i].result;

		if (strcmp(result.steps[i].name, name) != 0)
			continue;
		snprintf(text, sizeof text, "%s%s%s", t->words,
		    t->person[0] != '\0' ? " " : "", t->person);
		return text;
	}
	return "(no such step)";
}

/* All steps, a line each: "name: rule -> result", persons in <>, a part
 * indented. */
static const char *
all_steps(void)
{
	static char text[2000];
	size_t n = 0;

	for (unsigned i = 0; i < result.nsteps; i++) {
		const struct plan_step *s = &result.steps[i];

		n += (size_t)snprintf(text + n, sizeof text - n,
		    "%s%s: %s<%s> -> %s<%s>\n", s->part ? " " : "", s->name,
		    s->rule.words, s->rule.person, s->result.words,
		    s->result.person);
	}
	return text;
}

static int
setup(void **state)
{
	struct plan *p;

	assert_int_equal(make_plan(&demo, &p, NULL), 0);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	plan_free((struct plan **)state);
	return 0;
}

/* A number of a user gives one leg with the user's limits and both names. */
static void
a_number_rings_its_user(void **state)
{
	const struct plan_result *r = ask(
	    *state, PLAN_CALL, "101", "sip:102@demo.test");

	assert_int_equal(r->code, 0);
	assert_int_equal(r->nlegs, 1);
	assert_int_equal(r->legs[0].kind, PLAN_LEG_USER);
	assert_string_equal(r->legs[0].target, "102");
	assert_string_equal(r->legs[0].called, "102");
	assert_string_equal(r->legs[0].caller, "101");
	assert_string_equal(r->legs[0].caller_name, "Anna \"A\" One");
	assert_int_equal(r->legs[0].ring_time, 5);
	assert_int_equal(r->legs[0].max_contacts, 2);
	assert_string_equal(r->number, "102");
	assert_string_equal(all_steps(),
	    "configuration: revision 12<> -> copy here<>\n"
	    "domain: domain demo.test<> -> on<>\n"
	    "caller: user<101> -> shown as<101>\n"
	    "host: host of<sip:102@demo.test> -> the own domain<>\n"
	    "dialled: <sip:102@demo.test> -> number<102>\n"
	    "exact: number<102> -> user<102>\n"
	    " user: user<102> -> 2 contacts at most ring for 5 s<>\n");
}

/* Every number of a user reaches them; others see the key. */
static void
a_user_is_shown_by_the_key(void **state)
{
	const struct plan_result *r = ask(
	    *state, PLAN_CALL, "bob", "tel:+7-495-101");

	assert_string_equal(r->legs[0].target, "101");
	assert_string_equal(r->legs[0].called, "+7495101");
	assert_string_equal(r->legs[0].caller, "bob");
	r = ask(*state, PLAN_CALL, "101", "7000");
	assert_string_equal(r->legs[0].target, "bob");
	r = ask(*state, PLAN_CALL, "101", "sip:BOB@demo.test");
	assert_string_equal(r->legs[0].target, "bob");
}

/* A service is a leg for calls, and no place for messages. */
static void
a_service_answers_calls_only(void **state)
{
	const struct plan_result *r = ask(*state, PLAN_CALL, "101", "600");

	assert_int_equal(r->nlegs, 1);
	assert_int_equal(r->legs[0].kind, PLAN_LEG_SERVICE);
	assert_string_equal(r->legs[0].target, "echo");
	r = ask(*state, PLAN_MESSAGE, "101", "600");
	assert_int_equal(r->code, 405);
	assert_int_equal(r->nlegs, 0);
}

/* Every refusal has a code, words, and steps that end with it; one for want of
 * a row says so. */
static void
refusals_say_why(void **state)
{
	static const struct {
		const char *from, *to;
		int code;
		bool unknown;
		const char *step, *said; /* the one that decided */
	} cases[] = {{"101", "999", 404, true, "exact", "no such number"},
	    {"101", "104", 404, true, "exact", "its user is missing"},
	    {"101", "103", 480, false, "user", "off"},
	    {"103", "101", 403, false, "caller", "off"},
	    {"nobody", "101", 403, false, "caller", "no such user"},
	    {"101", "sip:demo.test", 404, false, "dialled",
		"the URI has no user part"},
	    {"101", "mailto:x@y", 416, false, "dialled",
		"a URI must be sip:, sips: or tel:"},
	    {"101", "\x01\x02\xff", 404, false, "dialled",
		"byte 1 cannot stand in a number"}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct plan_result *r = ask(
		    *state, PLAN_CALL, cases[i].from, cases[i].to);

		assert_int_equal(r->code, cases[i].code);
		assert_int_equal(r->unknown, cases[i].unknown);
		assert_int_equal(r->nlegs, 0);
		assert_true(r->reason[0] != '\0');
		assert_true(r->nsteps > 1);
		assert_string_equal(r->steps[r->nsteps - 1].name, "refused");
		assert_string_equal(
		    r->steps[r->nsteps - 1].result.words, r->reason);
		assert_string_equal(
		    r->steps[r->nsteps - 2].name, cases[i].step);
		assert_string_equal(step_result(cases[i].step), cases[i].said);
	}
}

/* Who people are stands in no words: these are the same whoever calls whom. */
static void
words_tell_of_nobody(void **state)
{
	static const char *const who[] = {"101", "bob"};
	static const char *const to[] = {"102", "103", "104", "999", "600",
	    "sip:102@demo.test", "+7495101", "mailto:102"};

	for (size_t i = 0; i < 2 * sizeof to / sizeof *to; i++) {
		ask(*state, PLAN_CALL, who[i % 2], to[i / 2]);
		for (unsigned k = 0; k < result.nsteps; k++) {
			const struct plan_step *s = &result.steps[k];

			for (size_t n = 0; n < 3; n++) {
				static const char *const known[] = {
				    "bob", "102", "101"};

				assert_null(strstr(s->rule.words, known[n]));
				assert_null(strstr(s->result.words, known[n]));
			}
		}
	}
}

/* Who knows more adds a step, whose texts need not stay. */
static void
a_step_is_added(void **state)
{
	char words[] = "asked", person[] = "102";

	ask(*state, PLAN_CALL, "101", "999");
	plan_note(&result,
	    &(struct plan_step){.name = "owner",
		.rule = {words, person},
		.result = {.words = "no answer"},
		.part = true});
	memset(words, 'x', sizeof words - 1);
	memset(person, 'x', sizeof person - 1);
	assert_non_null(strstr(all_steps(),
	    "refused: status 404<> -> no such number<>\n"
	    " owner: asked<102> -> no answer<>\n"));
	for (unsigned i = 0; i < PLAN_STEPS + 10; i++)
		plan_note(&result, &(struct plan_step){.name = "more"});
	assert_int_equal(result.nsteps, PLAN_STEPS);
}

/* A host is the caller's own domain, or the call goes nowhere: another domain
 * needs rules, and what is none of ours is no place here. */
static void
a_number_is_of_the_own_domain(void **state)
{
	static const struct {
		const char *host;
		int code;
	} cases[] = {{NULL, 0}, {"demo.test", 0}, {"DEMO.test", 0},
	    {"a.test", 403}, {"", 404}};
	struct plan_call c = {.from_user = "101",
	    .to = "sip:102@\x01there",
	    .to_len = strlen("sip:102@\x01there")};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		c.host = cases[i].host;
		plan_route(*state, &c, &result);
		assert_int_equal(result.code, cases[i].code);
		assert_string_equal(result.dialled, "sip:102@\\x01there");
		assert_string_equal(result.number, result.code ? "" : "102");
	}
	assert_string_equal(step_result("host"), "none of ours");
}

/* A suspended domain carries nothing, and a ninth domain is one too many. */
static void
domains_end_calls(void **state)
{
	static const struct plan_domain off = {
	    .id = "00", .name = "off.test", .suspended = true};
	struct plan_call c = {
	    .from_user = "101", .to = "102", .to_len = 3, .hops = 8};
	struct plan *p;

	assert_int_equal(make_plan(&off, &p, NULL), 0);
	assert_int_equal(ask(p, PLAN_CALL, "101", "102")->code, 503);
	assert_string_equal(all_steps(),
	    "configuration: <> -> <>\n"
	    "domain: domain off.test<> -> suspended<>\n"
	    "refused: status 503<> -> the domain is suspended<>\n");
	plan_free(&p);
	plan_route(*state, &c, &result);
	assert_int_equal(result.code, 483);
	assert_string_equal(step_result("domain"), "too many domains passed");
}

/* The answer outlives the plan it was made from. */
static void
an_answer_outlives_its_plan(void **state)
{
	struct plan *p;

	(void)state;
	assert_int_equal(make_plan(&demo, &p, NULL), 0);
	ask(p, PLAN_CALL, "101", "102");
	plan_free(&p);
	assert_string_equal(result.legs[0].target, "102");
	assert_string_equal(result.legs[0].caller_name, "Anna \"A\" One");
}

/* Two objects never answer one number, in whatever form it is written. */
static void
one_object_answers_a_number(void **state)
{
	struct plan_number n = {"+7 (495) 1-01", NULL, "echo"};
	struct plan_user u = {"1", NULL, false, 1, 1};
	struct plan_builder *b;
	struct plan *p;
	struct err err;

	(void)state;
	assert_int_equal(plan_builder_new(&demo, &b, NULL), 0);
	assert_int_equal(plan_builder_number(b, &n, NULL), 0);
	u.key = "+7495101";
	assert_int_equal(plan_builder_user(b, &u, &err), -ERR_CONFLICT);
	u.key = "10 1x";
	assert_int_equal(plan_builder_user(b, &u, &err), -ERR_INVALID);
	n.number = "+7495101";
	assert_int_equal(plan_builder_number(b, &n, &err), -ERR_CONFLICT);
	n = (struct plan_number){"1", NULL, "no-such"};
	assert_int_equal(plan_builder_number(b, &n, &err), -ERR_INVALID);
	n = (struct plan_number){"1", "101", "echo"};
	assert_int_equal(plan_builder_number(b, &n, &err), -ERR_INVALID);
	n = (struct plan_number){"+7495101", "101", NULL};
	assert_int_equal(plan_builder_number(b, &n, NULL), 0);
	assert_int_equal(plan_build(&b, &p, &err), -ERR_CONFLICT);
	assert_null(b);
	assert_null(p);
}

/* Texts too long for the answer are cut, never written beyond it. */
static void
long_names_stay_inside_the_answer(void **state)
{
	static char name[PLAN_TEXT * 2];
	struct plan_user u = {"101", name, false, 1, 1};
	struct plan_number n = {"101", "101", NULL};
	struct plan_builder *b;
	struct plan *p;

	(void)state;
	memset(name, 'x', sizeof name - 1);
	assert_int_equal(plan_builder_new(&demo, &b, NULL), 0);
	assert_int_equal(plan_builder_user(b, &u, NULL), 0);
	assert_int_equal(plan_builder_number(b, &n, NULL), 0);
	assert_int_equal(plan_build(&b, &p, NULL), 0);
	assert_int_equal(ask(p, PLAN_CALL, "101", "101")->nlegs, 1);
	assert_string_equal(result.legs[0].caller_name, "");
	plan_free(&p);
}

/* Without memory a plan is refused with that error, and nothing leaks. */
static void
no_memory_is_an_error(void **state)
{
	(void)state;
	for (long n = 0;; n++) {
		struct plan *p = NULL;
		struct err err;
		int rc;

		fault_alloc_at(n);
		rc = make_plan(&demo, &p, &err);
		if (!fault_alloc_hit()) {
			fault_alloc_off();
			assert_int_equal(rc, 0);
			plan_free(&p);
			break;
		}
		fault_alloc_off();
		assert_int_equal(rc, -ERR_NOMEM);
		assert_null(p);
	}
}

/* Many numbers are all found, and none that was not given. */
static void
every_number_is_found(void **state)
{
	struct plan_builder *b;
	struct plan *p;
	char number[16];

	(void)state;
	assert_int_equal(plan_builder_new(&demo, &b, NULL), 0);
	assert_int_equal(
	    plan_builder_user(
		b, &(struct plan_user){"caller", NULL, false, 1, 1}, NULL),
	    0);
	for (unsigned i = 0; i < 20000; i++) {
		struct plan_number n = {number, NULL, "echo"};

		snprintf(number, sizeof number, "%u", i * 7);
		assert_int_equal(plan_builder_number(b, &n, NULL), 0);
	}
	assert_int_equal(plan_build(&b, &p, NULL), 0);
	for (unsigned i = 0; i < 140000; i++) {
		snprintf(number, sizeof number, "%u", i);
		assert_int_equal(ask(p, PLAN_CALL, "caller", number)->code,
		    i % 7 == 0 ? 0 : 404);
	}
	plan_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_number_rings_its_user, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_user_is_shown_by_the_key, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_service_answers_calls_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(refusals_say_why, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		words_tell_of_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_step_is_added, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_number_is_of_the_own_domain, setup, teardown),
	    cmocka_unit_test_setup_teardown(domains_end_calls, setup, teardown),
	    cmocka_unit_test(an_answer_outlives_its_plan),
	    cmocka_unit_test(one_object_answers_a_number),
	    cmocka_unit_test(long_names_stay_inside_the_answer),
	    cmocka_unit_test(no_memory_is_an_error),
	    cmocka_unit_test(every_number_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
