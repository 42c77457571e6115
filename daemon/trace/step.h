#ifndef TRACE_STEP_H
#define TRACE_STEP_H

#include "daemon/op/op.h"
#include "plan/plan.h"
#include "trace.h"

/*
 * One decision about a call (struct plan_step): as a record of the trace, as a
 * row of what the recorder is asked, and as a row for people, which hides from
 * who sees no persons whom a step is about.
 */

/* Say it to the ring, which may be NULL; epoch: under which the call is owned.
 */
void step_record(struct ring *, const char *call, const char *domain,
    uint64_t epoch, const struct plan_step *);
/* Of a row of "steps" (recorder.h); borrows its texts. */
void step_from_row(struct plan_step *, json_t *row);

/* Where a list of steps is: its rows are numbered 1, 2, 2.1. */
struct step_rows {
	unsigned step, part;
};
/* A row with STEP_COLS, begun here. */
void step_put(struct op_call *, struct step_rows *, const struct plan_step *);

#define STEP_COLS                                        \
	{.name = "step",                                 \
	    .type = &op_type_text,                       \
	    .brief = "its number; 2.1 is a part of 2"},  \
	    {.name = "name",                             \
		.type = &op_type_text,                   \
		.brief = "what was decided"},            \
	    {.name = "rule",                             \
		.type = &op_type_text,                   \
		.brief = "what was looked at"},          \
	{                                                \
		.name = "result", .type = &op_type_text, \
		.brief = "what came of it"               \
	}

#endif
