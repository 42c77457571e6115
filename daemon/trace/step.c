/* Steps of a decision, between those who take it and those who read it. */
#include <stdio.h>

#include "step.h"

void
step_record(struct ring *ring, const char *call, const char *domain,
    uint64_t epoch, const struct plan_step *s)
{
	const struct trace_fact f = {.kind = TRACE_STEP,
	    .flags = s->part ? TRACE_PART : 0,
	    .epoch = epoch,
	    .text = {
		[TRACE_CALL] = call,
		[TRACE_DOMAIN] = domain,
		[TRACE_STEP_NAME] = s->name,
		[TRACE_RULE] = s->rule.words,
		[TRACE_RULE_PERSON] = s->rule.person,
		[TRACE_RESULT] = s->result.words,
		[TRACE_RESULT_PERSON] = s->result.person,
	    }};

	trace_fact(ring, &f);
}

void
step_from_row(struct plan_step *s, json_t *row)
{
	*s = (struct plan_step){.name = op_row_text(row, "name"),
	    .rule = {op_row_text(row, "rule"), op_row_text(row, "rule-person")},
	    .result = {op_row_text(row, "result"),
		op_row_text(row, "result-person")},
	    .part = json_is_true(json_object_get(row, "part"))};
}

/* Words, and whom they are about for those who may know. */
static void
step_put_text(struct op_call *call, const char *col, const struct plan_text *t)
{
	const char *words = t->words != NULL ? t->words : "";
	const char *person = t->person != NULL ? t->person : "";
	struct buf b = BUF_INIT;

	buf_str(&b, words);
	if (words[0] != '\0' && person[0] != '\0')
		buf_char(&b, ' ');
	if (person[0] != '\0')
		buf_str(&b, op_sees_persons(&call->who) ? person : OP_MASK);
	op_put(call, col, b.data != NULL ? b.data : "");
	buf_fini(&b);
}

void
step_put(struct op_call *call, struct step_rows *at, const struct plan_step *s)
{
	char number[32];

	if (s->part && at->step > 0) {
		snprintf(number, sizeof number, "%u.%u", at->step, ++at->part);
	} else {
		at->part = 0;
		snprintf(number, sizeof number, "%u", ++at->step);
	}
	op_row(call);
	op_put(call, "step", number);
	op_put(call, "name", s->name);
	step_put_text(call, "rule", &s->rule);
	step_put_text(call, "result", &s->result);
}
