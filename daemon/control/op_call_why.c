/* Operation show call why: the decisions that were taken of a call. */
#include <stdlib.h>

#include "trace_show.h"
#include "daemon/base/mem.h"
#include "daemon/trace/step.h"

/* Who owned the call later said it later, whatever the clocks say. */
static int
why_order(const void *a, const void *b)
{
	json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	static const char *const by[] = {"epoch", "number"};
	uint64_t p, q;
	size_t i;

	for (i = 0; i < sizeof by / sizeof by[0]; i++) {
		p = op_row_int(x, by[i]);
		q = op_row_int(y, by[i]);
		if (p != q)
			return p < q ? -1 : 1;
	}
	return 0;
}

static void
why_put(struct op_call *call, json_t *rows)
{
	size_t n = json_array_size(rows), i;
	json_t **list = xcalloc(n + 1, sizeof(*list));
	struct step_rows at = {0};
	struct plan_step step;
	uint64_t start;

	for (i = 0; i < n; i++)
		list[i] = json_array_get(rows, i);
	qsort(list, n, sizeof(*list), why_order);
	start = op_row_int(list[0], "time");
	for (i = 0; i < n; i++) {
		step_from_row(&step, list[i]);
		step_put(call, &at, &step);
		trace_put_at(
		    call, (int64_t)(op_row_int(list[i], "time") - start));
		op_put_time(call, "time", op_row_int(list[i], "time"));
		op_put(call, "server", op_row_text(list[i], "server"));
	}
	free(list);
}

/* A call that is not for their eyes is not there. */
static bool
why_is_seen(const struct op_call *call, json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (!op_sees(&call->who, op_row_text(row, "domain")))
			return false;
	}
	return i > 0;
}

static void
why_on_rows(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct op_call *call = arg;

	trace_warn(call, warn, partial);
	if (!why_is_seen(call, rows)) {
		op_failf(call, ERR_ABSENT, "no recorder knows a call %s",
		    op_arg(call, "id"));
		return;
	}
	why_put(call, rows);
	op_finish(call, NULL);
}

static void
why_run(struct op_call *call)
{
	trace_ask(control_of(call),
	    json_pack(
		"{s:s, s:s}", "want", "steps", "call", op_arg(call, "id")),
	    why_on_rows, call);
}

static const struct op_field why_args[] = {
    {.name = "id",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 32,
	.brief = "identifier of the call"},
    {0},
};

static const struct op_field why_cols[] = {
    STEP_COLS,
    {.name = "at",
	.type = &op_type_text,
	.brief = "seconds since the first step"},
    {.name = "time",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "when, by the clock of its server"},
    {.name = "server",
	.type = &op_type_name,
	.flags = OP_DETAIL,
	.brief = "where it was decided"},
    {0},
};

const struct op control_op_call_why = {
    .name = "show call why",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "why one call went where it went",
    .about =
	"Each decision that was taken of a call, in order, from the recorders "
	"of all servers: who it was proven that calls, what the configuration "
	"made of what was dialled, where the called was found, what became of "
	"each phone, who ended it. Also of a call that was refused, from the "
	"moment its caller was known. tandem-trace(5) explains the steps; "
	"test route shows those of routing for a call that is not made.",
    .example = "show call why 00000000000000000000000000000000",
    .args = why_args,
    .cols = why_cols,
    .run = why_run,
};
