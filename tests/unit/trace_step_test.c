/* Steps of a decision: as records, and as rows for whose eyes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/trace/step.h"
#include "tests/lib/scratch.h"

static const struct plan_step steps[] = {
    {.name = "domain",
	.rule = {"domain demo.test", NULL},
	.result = {"on", ""}},
    {.name = "exact", .rule = {"number", "102"}, .result = {"user", "anna"}},
    {.name = "user", .rule = {"", "anna"}, .result = {"off"}, .part = true},
    {.name = "contact", .result = {"leg b1"}, .part = true},
    {.name = "refused", .rule = {"status 480"}, .result = {"off"}},
};
#define STEPS (sizeof steps / sizeof *steps)

/* ---- records ------------------------------------------------------------- */

static bool
key_is(const struct trace_record *r, enum trace_key key, const char *text)
{
	return trace_key_is(r, key, text != NULL ? text : "");
}

/* What is said to a ring is read from it, each text under its key. */
static void
a_step_is_read_as_it_was_said(void **state)
{
	struct ring_reader reader;
	struct trace_record r;
	char dir[64], path[100];
	const uint8_t *p;
	struct ring *ring;
	size_t i, n;

	(void)state;
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/b2bua-1", dir);
	ring = ring_open(path, 1 << 20, NULL);
	assert_non_null(ring);
	for (i = 0; i < STEPS; i++)
		step_record(
		    ring, "c1", "demo.test", UINT64_C(1) << 32 | 7, &steps[i]);
	step_record(NULL, "c1", "demo.test", 7, &steps[0]); /* off */
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	for (i = 0; ring_next(&reader, &p, &n); i++) {
		assert_int_equal(trace_record_decode(&r, p, n, NULL), 0);
		assert_int_equal(r.kind, TRACE_STEP);
		assert_int_equal(r.cseq, 7);
		assert_int_equal(r.flags, steps[i].part ? TRACE_PART : 0);
		assert_true(key_is(&r, TRACE_CALL, "c1"));
		assert_true(key_is(&r, TRACE_DOMAIN, "demo.test"));
		assert_true(key_is(&r, TRACE_STEP_NAME, steps[i].name));
		assert_true(key_is(&r, TRACE_RULE, steps[i].rule.words));
		assert_true(
		    key_is(&r, TRACE_RULE_PERSON, steps[i].rule.person));
		assert_true(key_is(&r, TRACE_RESULT, steps[i].result.words));
		assert_true(
		    key_is(&r, TRACE_RESULT_PERSON, steps[i].result.person));
	}
	assert_int_equal(i, STEPS);
	ring_detach(&reader);
	ring_close(&ring);
	scratch_remove(dir);
}

/* A record of a kind that there is not is refused. */
static void
the_kinds_end_with_steps(void **state)
{
	struct trace_record r = {.kind = TRACE_STEP};
	uint8_t bytes[TRACE_HEAD];

	(void)state;
	trace_record_head(bytes, &r);
	assert_int_equal(trace_record_decode(&r, bytes, sizeof bytes, NULL), 0);
	bytes[0] = TRACE_STEP + 1;
	assert_true(trace_record_decode(&r, bytes, sizeof bytes, NULL) < 0);
}

/* ---- rows ---------------------------------------------------------------- */

static void
put_all(struct op_call *call)
{
	struct step_rows at = {0};

	for (size_t i = 0; i < STEPS; i++)
		step_put(call, &at, &steps[i]);
	op_finish(call, NULL);
}

static const struct op_field cols[] = {STEP_COLS, {0}};
static const struct op show = {.name = "show steps",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .cols = cols,
    .run = put_all};

/* The rows as "step name|rule|result" lines. */
static void
on_done(void *arg, struct op_call *call, const struct err *e)
{
	json_t *result = op_result(call), *row;
	char *out = arg;
	size_t i;

	assert_null(e);
	out[0] = '\0';
	json_array_foreach (json_object_get(result, "data"), i, row)
		sprintf(out + strlen(out), "%s %s|%s|%s\n",
		    op_row_text(row, "step"), op_row_text(row, "name"),
		    op_row_text(row, "rule"), op_row_text(row, "result"));
	json_decref(result);
}

static void
are_shown(enum admin_role role, const char *domain, const char *want)
{
	struct op_who who = {.role = role};
	char out[1000];

	strcpy(who.domain, domain);
	op_run(&show, NULL, &who, NULL, on_done, out);
	assert_string_equal(out, want);
}

/* Parts are numbered below their step; who sees no persons sees the words
 * alone. */
static void
persons_are_for_who_may_see_them(void **state)
{
	static const char *const all = "1 domain|domain demo.test|on\n"
				       "2 exact|number 102|user anna\n"
				       "2.1 user|anna|off\n"
				       "2.2 contact||leg b1\n"
				       "3 refused|status 480|off\n";
	static const char *const masked =
	    "1 domain|domain demo.test|on\n"
	    "2 exact|number ********|user ********\n"
	    "2.1 user|********|off\n"
	    "2.2 contact||leg b1\n"
	    "3 refused|status 480|off\n";

	(void)state;
	are_shown(ADMIN_SITE, "", all);
	are_shown(ADMIN_OPERATOR, "", all);
	are_shown(ADMIN_VIEWER, "demo.test", all);
	are_shown(ADMIN_VIEWER, "", masked);
	are_shown(ADMIN_SUPPORT, "", masked);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_step_is_read_as_it_was_said),
	    cmocka_unit_test(the_kinds_end_with_steps),
	    cmocka_unit_test(persons_are_for_who_may_see_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
