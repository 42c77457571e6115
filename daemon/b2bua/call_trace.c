/*
 * What the trace cannot see: which Call-IDs are legs of one call, whose it is,
 * what was decided of it (why.c), and how it went. Legs are said when a leg is
 * made, again of the caller's when it rings and when it is answered, of all
 * when a call was adopted (the server that said it first may be gone), and at
 * the end; how good its media was a moment later, when MGC has told.
 */
#include "b2bua.h"
#include "daemon/trace/step.h"

/* When it was dialled, rang and was answered. */
static const char *
call_trace_times(char out[TRACE_TIMES_TEXT], const struct call *c)
{
	const struct trace_times t = {
	    .start = c->start, .ring = c->ring, .answer = c->answer};

	trace_times_text(out, &t);
	return out;
}

void
call_trace_leg(const struct leg *l)
{
	const struct call *c = l->call;
	char times[TRACE_TIMES_TEXT];
	const struct trace_fact f = {.kind = TRACE_LEG,
	    .text = {
		[TRACE_CALL_ID] = l->call_id,
		[TRACE_FROM] = c->caller_number,
		[TRACE_TO] = c->called,
		[TRACE_CALL] = c->id,
		[TRACE_LABEL] = l->label,
		[TRACE_DOMAIN] = c->domain,
		[TRACE_PARTY] = l->branch != NULL ? l->branch->destination
						  : c->user,
		[TRACE_TIMES] = call_trace_times(times, c),
	    }};

	trace_fact(c->b2bua->trace, &f);
}

void
call_trace_end(const struct call *c)
{
	char times[TRACE_TIMES_TEXT];
	const struct trace_fact f = {.kind = TRACE_END,
	    .status = (unsigned)c->code,
	    .text = {
		[TRACE_FROM] = c->caller_number,
		[TRACE_TO] = c->called,
		[TRACE_CALL] = c->id,
		[TRACE_DOMAIN] = c->domain,
		[TRACE_REASON] = c->reason,
		[TRACE_TIMES] = call_trace_times(times, c),
	    }};

	if (c->domain_id[0] == '\0')
		return;
	trace_fact(c->b2bua->trace, &f);
}

void
call_trace_quality(const struct call *c, unsigned mos)
{
	const struct trace_fact f = {.kind = TRACE_QUALITY,
	    .status = mos,
	    .text = {
		[TRACE_CALL] = c->id,
		[TRACE_DOMAIN] = c->domain,
	    }};

	trace_fact(c->b2bua->trace, &f);
}

void
call_trace_step(const struct call *c, const struct plan_step *s)
{
	if (c->domain_id[0] != '\0')
		step_record(
		    c->b2bua->trace, c->id, c->domain, c->b2bua->epoch, s);
}
