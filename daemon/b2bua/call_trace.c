/*
 * What the trace cannot see: which Call-IDs are legs of one call, whose it is,
 * what was decided of it (why.c), and how it ended. Legs are said when a leg is
 * made, again when a call was adopted (the server that said it first may be
 * gone), and at the end; how good its media was a moment later, when MGC has
 * told.
 */
#include <stdio.h>

#include "b2bua.h"

#include "daemon/trace/step.h"

void
call_trace_leg(const struct leg *l)
{
	const struct call *c = l->call;
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
	    }};

	trace_fact(c->b2bua->trace, &f);
}

void
call_trace_end(const struct call *c)
{
	char times[80];
	const struct trace_fact f = {.kind = TRACE_END,
	    .status = (unsigned)c->code,
	    .text = {
		[TRACE_FROM] = c->caller_number,
		[TRACE_TO] = c->called,
		[TRACE_CALL] = c->id,
		[TRACE_DOMAIN] = c->domain,
		[TRACE_REASON] = c->reason,
		[TRACE_TIMES] = times,
	    }};

	if (c->domain_id[0] == '\0')
		return;
	snprintf(times, sizeof times, "%llu %llu %llu",
	    (unsigned long long)c->start, (unsigned long long)c->ring,
	    (unsigned long long)c->answer);
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
