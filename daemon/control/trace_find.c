/*
 * Looking for calls in what the recorders know. Each server looks by itself,
 * and one that took a call over knows all of it that decides (daemon/trace/
 * filter.c); what two know comes together here.
 */
#include <string.h>

#include "trace_find.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

/* ---- the question -------------------------------------------------------- */

/* Which calls a number has would tell what is masked. */
int
find_permit(
    const struct op *op, const struct op_who *who, json_t *args, struct err *e)
{
	static const char *const persons[] = {"number", "from", "to", "user"};
	size_t i;

	for (i = 0; i < sizeof persons / sizeof persons[0]; i++) {
		if (json_object_get(args, persons[i]) != NULL &&
		    !op_sees_persons(who))
			return err_set(e, ERR_PERMISSION,
			    "%s: %s: not permitted to %s, who does not see "
			    "numbers",
			    op->name, persons[i], who->name);
	}
	return 0;
}

/* Since when, us of the real clock: "-600" is so long ago. */
static uint64_t
find_since(const struct op_call *call)
{
	uint64_t now = clock_real(), at = 0, ago;
	const char *since = op_arg(call, "since");
	int64_t seconds = op_arg_int(call, "last", 1);

	if (since != NULL && clock_parse(since, &at))
		return at;
	if (since != NULL && since[0] == '+')
		return now;
	if (since != NULL)
		str_int(since + 1, 0, INT32_MAX, &seconds);
	ago = (uint64_t)seconds * CLOCK_SEC;
	return now > ago ? now - ago : 0;
}

json_t *
find_query(struct op_call *call, const char *want)
{
	static const char *const names[] = {"domain", "number", "from", "to",
	    "user", "code", "cause", "answered", "duration", "pdd"};
	struct err e;
	json_t *q;
	size_t i;

	if (find_permit(call->op, &call->who, call->args, &e) != 0) {
		op_finish(call, &e);
		return NULL;
	}
	q = json_pack("{s:s, s:I, s:b}", "want", want, "since",
	    (json_int_t)find_since(call), "failed",
	    (int)op_arg_flag(call, "failed"));
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (op_arg(call, names[i]) != NULL)
			json_object_set_new(
			    q, names[i], json_string(op_arg(call, names[i])));
	}
	return q;
}

/* ---- rows ---------------------------------------------------------------- */

void
find_merge(const struct op_who *who, json_t *calls, json_t *rows)
{
	json_t *row, *same;
	const char *id;
	size_t i;

	json_array_foreach (rows, i, row) {
		id = op_row_text(row, "call");
		if ((same = json_object_get(calls, id)) != NULL)
			trace_call_merge(same, row);
		else if (op_sees(who, op_row_text(row, "domain")))
			json_object_set(calls, id, row);
	}
}

bool
find_matches(const struct trace_filter *f, const char *server, json_t *row)
{
	struct trace_call c;

	trace_call_read(&c, row);
	return (server == NULL ||
		   strcmp(server, op_row_text(row, "server")) == 0) &&
	    trace_filter_went(f, &c, clock_real());
}

void
find_put(struct op_call *call, json_t *row)
{
	uint64_t end = op_row_int(row, "end"),
		 answer = op_row_int(row, "answer");

	op_row(call);
	op_put_time(call, "start", op_row_int(row, "start"));
	op_put(call, "id", op_row_text(row, "call"));
	op_put(call, "domain", op_row_text(row, "domain"));
	op_put(call, "server", op_row_text(row, "server"));
	op_put(call, "from", op_row_text(row, "from"));
	op_put(call, "to", op_row_text(row, "to"));
	op_put_time(call, "ring", op_row_int(row, "ring"));
	op_put_time(call, "answer", answer);
	if (end == 0)
		return;
	op_put_time(call, "end", end);
	op_put_int(call, "code", (int64_t)op_row_int(row, "status"));
	op_put(call, "reason", op_row_text(row, "reason"));
	if (answer != 0 && end > answer)
		op_put_int(call, "talk", (int64_t)((end - answer) / CLOCK_SEC));
	if (op_row_int(row, "mos") != 0)
		trace_put_hundredths(call, "mos", op_row_int(row, "mos"));
}
