/*
 * Operation trace calls: what the recorders of all servers know of calls, those
 * that are over and those that go on.
 */
#include <stdlib.h>

#include "trace_find.h"
#include "daemon/base/mem.h"

struct calls_show {
	struct op_call *call;
	struct trace_filter filter;
	json_t *query; /* as it was asked */
	json_t *found; /* id -> row */
};

static int
calls_youngest(const void *a, const void *b)
{
	uint64_t x = op_row_int(*(json_t *const *)a, "start");
	uint64_t y = op_row_int(*(json_t *const *)b, "start");

	return x > y ? -1 : x < y;
}

/* The youngest of what matches; each server was asked for one more than is
 * wanted, so that it is known whether there are. */
static void
calls_put(struct calls_show *s)
{
	size_t limit = (size_t)op_arg_int(s->call, "limit", 1), n = 0, i;
	json_t **list = xcalloc(json_object_size(s->found) + 1, sizeof(*list));
	const char *id;
	json_t *row;

	json_object_foreach (s->found, id, row) {
		if (find_matches(&s->filter, op_arg(s->call, "server"), row))
			list[n++] = row;
	}
	qsort(list, n, sizeof(*list), calls_youngest);
	for (i = 0; i < n && i < limit; i++)
		find_put(s->call, list[i]);
	if (n > limit)
		op_cut(s->call);
	free(list);
}

static void
calls_end(struct calls_show *s)
{
	struct op_call *call = s->call;

	calls_put(s);
	trace_filter_fini(&s->filter);
	json_decref(s->query);
	json_decref(s->found);
	free(s);
	op_finish(call, NULL);
}

/* Who did not answer was said with the first answer. */
static void
calls_on_ends(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct calls_show *s = arg;

	(void)warn;
	(void)partial;
	find_merge(&s->call->who, s->found, rows);
	calls_end(s);
}

/* Calls that one server knows no end of: another may, which found them not to
 * be what is looked for. NULL: there are none. */
static json_t *
calls_without_end(json_t *found)
{
	json_t *ids = json_array(), *row;
	const char *id;

	json_object_foreach (found, id, row) {
		if (op_row_int(row, "end") == 0)
			json_array_append_new(ids, json_string(id));
	}
	if (json_array_size(ids) > 0)
		return ids;
	json_decref(ids);
	return NULL;
}

static void
calls_on_rows(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct calls_show *s = arg;
	struct control *c = control_of(s->call);
	json_t *ids;

	find_merge(&s->call->who, s->found, rows);
	trace_warn(s->call, warn, partial);
	ids = far_is_several(c) ? calls_without_end(s->found) : NULL;
	if (ids == NULL) {
		calls_end(s);
		return;
	}
	trace_ask(c,
	    json_pack("{s:s, s:O, s:o}", "want", "calls", "since",
		json_object_get(s->query, "since"), "calls", ids),
	    calls_on_ends, s);
}

static void
calls_run(struct op_call *call)
{
	json_t *q = find_query(call, "calls");
	struct calls_show *s;

	if (q == NULL)
		return;
	json_object_set_new(
	    q, "limit", json_integer(op_arg_int(call, "limit", 1) + 1));
	s = xcalloc(1, sizeof *s);
	s->call = call;
	s->query = q;
	s->found = json_object();
	trace_filter_read(&s->filter, q, NULL); /* as the types allow */
	trace_ask(control_of(call), json_incref(q), calls_on_rows, s);
}

static const struct op_field calls_args[] = {
    FIND_ARGS,
    {.name = "limit",
	.type = &op_type_int,
	.min = 1,
	.max = RECORDER_CALLS,
	.def = "100",
	.brief = "calls at most, the youngest"},
    {0},
};

static const struct op_field calls_cols[] = {
    FIND_COLS,
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
	"moment its caller is known. Of several filters all must be right; "
	"what is asked of a call that has not come so far yet is not right: "
	"code of one that goes on, duration of one that was not answered. "
	"Who does not see numbers may not look for them. "
	"show call ladder and show call messages take the id, which a table "
	"has when it is asked for: | columns start,id,from,to,code. "
	"How long calls are kept depends on trace-size in "
	"tandem.conf(5). Messages that a recorder lost are counted in a "
	"warning.",
    .example = "trace calls\ntrace calls domain demo.test number 101 last 15m\n"
	       "trace calls failed code 4xx-6xx pdd >5s",
    .args = calls_args,
    .cols = calls_cols,
    .run = calls_run,
};
