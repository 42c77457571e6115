/*
 * What was decided of a call, in words: a step each, told to the trace when it
 * is decided, in the form of those that plan/ makes. Says and decides nothing
 * else. The names of steps stand in tandem-trace(5).
 */
#include <stdio.h>

#include "b2bua.h"

void
why_found(void *call, const struct plan_step *s)
{
	call_trace_step(call, s);
}

/* Whose words of a rule and a result are all there is to say. */
static void
why_say(const struct call *c, const char *name, bool part, const char *rule,
    const char *result)
{
	call_trace_step(c,
	    &(struct plan_step){.name = name,
		.rule = {.words = rule},
		.result = {.words = result},
		.part = part});
}

/* "486 user busy" */
static void
why_status(char out[160], int code, const char *words)
{
	snprintf(out, 160, "%d %s", code, words);
}

void
why_route(const struct call *c, bool trusted)
{
	call_trace_step(c,
	    &(struct plan_step){.name = "identity",
		.rule = {.words = trusted ? "flow that registered the user"
					  : "credentials"},
		.result = {"user", c->user}});
	for (unsigned i = 0; i < c->route->nsteps; i++)
		call_trace_step(c, &c->route->steps[i]);
}

void
why_request(const struct call *c, int code)
{
	char status[160];

	why_status(status, code, cause_find(code)->words);
	why_say(c, "request", false, "the INVITE itself", status);
}

void
why_stage(const struct call *c, unsigned ring_time)
{
	char stage[32], rings[32];

	snprintf(stage, sizeof stage, "stage %u", c->stage + 1);
	snprintf(rings, sizeof rings, "rings for %u s", ring_time);
	why_say(c, "stage", false, stage, rings);
}

void
why_contacts(const struct plan_leg *to, const struct locate_list *l,
    unsigned legs, why_fn *fn, void *arg)
{
	static const char *const some[] = {[LOCATE_COPY] = "known here",
	    [LOCATE_OWNER] = "known to the owner of registrations",
	    [LOCATE_ALONE] = "known here"};
	static const char *const none[] = {[LOCATE_COPY] = "none",
	    [LOCATE_OWNER] = "none, says the owner of registrations",
	    [LOCATE_ALONE] = "none known here, and no answer of the owner"};
	char words[80], leg[16];

	snprintf(words, sizeof words, "%u %s", l->count, some[l->by]);
	fn(arg,
	    &(struct plan_step){.name = "contacts",
		.rule = {"user", to->target},
		.result = {.words = l->count > 0 ? words : none[l->by]},
		.part = true});
	for (unsigned i = 0; i < l->count && legs < BRANCH_MAX; i++) {
		snprintf(leg, sizeof leg, "leg b%u", ++legs);
		fn(arg,
		    &(struct plan_step){.name = "contact",
			.rule = {.words = l->contact[i].source},
			.result = {.words = leg},
			.part = true});
	}
}

static void
why_leg(const struct branch *b, const char *result)
{
	char leg[16];

	snprintf(leg, sizeof leg, "leg %s", b->leg.label);
	why_say(b->leg.call, "leg", true, leg, result);
}

void
why_answer(const struct branch *b)
{
	why_leg(b, "answers");
}

void
why_failure(const struct branch *b, int code)
{
	char status[160];

	why_status(status, code, cause_find(code)->words);
	why_leg(b, b->state == BRANCH_CANCELLED ? "cancelled" : status);
}

void
why_next(const struct call *c, unsigned on, bool more)
{
	static const char *const words[] = {
	    "busy", "no answer", "absent", "refused", "fault"};
	char rule[96], result[32];
	size_t n;

	n = (size_t)snprintf(
	    rule, sizeof rule, "stage %u failed:", c->stage + 1);
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
		if (on & (1u << i))
			n += (size_t)snprintf(
			    rule + n, sizeof rule - n, " %s", words[i]);
	snprintf(result, sizeof result, "stage %u", c->stage + 2);
	why_say(c, "next", false, rule, more ? result : "no stage follows");
}

void
why_adopted(const struct call *c)
{
	call_trace_step(c,
	    &(struct plan_step){.name = "adopted",
		.rule = {.words = call_state_name(c)},
		.result = {.words = c->b2bua->self->full}});
}

void
why_end(const struct call *c)
{
	static const char *const by[] = {[CALL_SIDE_NONE] = "",
	    [CALL_SIDE_CALLER] = "by the caller",
	    [CALL_SIDE_CALLEE] = "by the called",
	    [CALL_SIDE_SYSTEM] = "by the exchange"};
	char status[160];

	why_status(status, c->code, c->reason);
	why_say(c, "end", false, by[c->ended_by], status);
}
