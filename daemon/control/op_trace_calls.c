/*
 * Operation trace calls: what the recorders of all servers know of calls, those
 * that are over and those that go on.
 */
#include <stdlib.h>

#include "trace_show.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

/* One call that two servers know, as it was adopted: what is later counts. */
static void
calls_merge(json_t *into, json_t *row)
{
	static const char *const times[] = {"ring", "answer", "end"};
	uint64_t start = trace_int(row, "start");
	size_t i;

	if (start < trace_int(into, "start"))
		json_object_set(into, "start", json_object_get(row, "start"));
	for (i = 0; i < sizeof times / sizeof times[0]; i++) {
		if (trace_int(row, times[i]) > trace_int(into, times[i]))
			json_object_set(
			    into, times[i], json_object_get(row, times[i]));
	}
	if (trace_int(row, "mos") != 0)
		json_object_set(into, "mos", json_object_get(row, "mos"));
	if (trace_int(row, "status") == 0)
		return;
	json_object_set(into, "status", json_object_get(row, "status"));
	json_object_set(into, "reason", json_object_get(row, "reason"));
}

static int
calls_youngest(const void *a, const void *b)
{
	uint64_t x = trace_int(*(json_t *const *)a, "start");
	uint64_t y = trace_int(*(json_t *const *)b, "start");

	return x > y ? -1 : x < y;
}

static void
calls_put(struct op_call *call, json_t *row)
{
	uint64_t end = trace_int(row, "end"), answer = trace_int(row, "answer");

	op_row(call);
	op_put_time(call, "start", trace_int(row, "start"));
	op_put(call, "id", op_row_text(row, "call"));
	op_put(call, "domain", op_row_text(row, "domain"));
	op_put(call, "from", op_row_text(row, "from"));
	op_put(call, "to", op_row_text(row, "to"));
	if (trace_int(row, "ring") != 0)
		op_put_time(call, "ring", trace_int(row, "ring"));
	if (answer != 0)
		op_put_time(call, "answer", answer);
	if (end == 0)
		return;
	op_put_time(call, "end", end);
	op_put_int(call, "code", (int64_t)trace_int(row, "status"));
	op_put(call, "reason", op_row_text(row, "reason"));
	if (answer != 0 && end > answer)
		op_put_int(call, "talk", (int64_t)((end - answer) / CLOCK_SEC));
	if (trace_int(row, "mos") != 0)
		trace_put_hundredths(call, "mos", trace_int(row, "mos"));
}

static void
calls_on_rows(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct op_call *call = arg;
	size_t limit = (size_t)op_arg_int(call, "limit", 1), n = 0, i;
	json_t *seen = json_object(), *row, *same;
	const char *id;
	json_t **list;

	json_array_foreach (rows, i, row) {
		id = op_row_text(row, "call");
		if ((same = json_object_get(seen, id)) != NULL)
			calls_merge(same, row);
		else if (op_sees(&call->who, op_row_text(row, "domain")))
			json_object_set(seen, id, row);
	}
	list = xcalloc(json_object_size(seen) + 1, sizeof(*list));
	json_object_foreach (seen, id, row)
		list[n++] = row;
	qsort(list, n, sizeof(*list), calls_youngest);
	for (i = 0; i < n && i < limit; i++)
		calls_put(call, list[i]);
	free(list);
	json_decref(seen);
	trace_warn(call, warn, partial);
	op_finish(call, NULL);
}

static void
calls_run(struct op_call *call)
{
	const char *number = op_arg(call, "number");
	const char *domain = op_arg(call, "domain");
	uint64_t last = (uint64_t)op_arg_int(call, "last", 1) * CLOCK_SEC;
	uint64_t now = clock_real();
	json_t *q;

	/* Which calls a number has would tell what is masked. */
	if (number != NULL && !op_sees_persons(&call->who)) {
		op_failf(call, ERR_PERMISSION,
		    "%s: number: not permitted to %s, who does not see "
		    "numbers",
		    call->op->name, call->who.name);
		return;
	}
	q = json_pack("{s:s, s:I, s:I, s:s*, s:s*}", "want", "calls", "since",
	    (json_int_t)(now > last ? now - last : 0), "limit",
	    (json_int_t)op_arg_int(call, "limit", 1), "number", number,
	    "domain", domain);
	trace_ask(control_of(call), q, calls_on_rows, call);
}

static const struct op_field calls_args[] = {
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "only calls of this domain"},
    {.name = "number",
	.type = &op_type_text,
	.min = 1,
	.max = 64,
	.brief = "of either side; +7495* stands for all that begin so"},
    {.name = "last",
	.type = &op_type_duration,
	.min = 1,
	.max = 31536000,
	.def = "900",
	.brief = "how far back"},
    {.name = "limit",
	.type = &op_type_int,
	.min = 1,
	.max = RECORDER_CALLS,
	.def = "100",
	.brief = "calls at most, the youngest"},
    {0},
};

static const struct op_field calls_cols[] = {
    {.name = "start", .type = &op_type_time, .brief = "when it was dialled"},
    {.name = "id", .type = &op_type_text, .brief = "identifier of the call"},
    {.name = "domain",
	.type = &op_type_domain,
	.flags = OP_DETAIL,
	.brief = "domain"},
    {.name = "from",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "number of the caller"},
    {.name = "to",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "number that was dialled"},
    {.name = "code",
	.type = &op_type_int,
	.brief = "final status of SIP; none: it goes on"},
    {.name = "talk",
	.type = &op_type_duration,
	.brief = "from answer to end; none: not answered"},
    {.name = "reason", .type = &op_type_text, .brief = "why it ended"},
    {.name = "ring",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "first ringing"},
    {.name = "answer",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "when it was answered"},
    {.name = "end",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "when it ended"},
    {.name = "mos",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "how the worst stream sounded, 1 to 4.5"},
    {0},
};

const struct op control_op_trace_calls = {
    .name = "trace calls",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "calls of the recent past, failed ones too",
    .about =
	"What the recorders of all servers have of calls, the youngest first; "
	"nothing need have been started before. A call is listed from the "
	"moment its caller is known. show call ladder and show call messages "
	"take its id. How long calls are kept depends on trace-size in "
	"tandem.conf(5). Messages that a recorder lost are counted in a "
	"warning.",
    .example = "trace calls\ntrace calls domain demo.test number 101 last 15m",
    .args = calls_args,
    .cols = calls_cols,
    .run = calls_run,
};
