/*
 * Calls out of facts. Every fact says the times so far, and an end all but who
 * was at the end of the legs: so the youngest fact counts, whoever said it.
 */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/op/op.h"

/* ---- a call -------------------------------------------------------------- */

/* Times that the fact has; one that has none was made when it was said. */
static void
call_add_times(struct trace_call *c, const struct trace_record *r)
{
	char text[TRACE_TIMES_TEXT];
	struct trace_times t;

	if (trace_key_text(r, TRACE_TIMES, text, sizeof text) &&
	    trace_times_read(&t, text)) {
		c->start = t.start;
		c->ring = t.ring != 0 ? t.ring : c->ring;
		c->answer = t.answer != 0 ? t.answer : c->answer;
	} else if (c->start == 0 || r->time < c->start) {
		c->start = r->time;
	}
}

static void
call_add(struct trace_call *c, const struct trace_record *r)
{
	trace_key_text(r, TRACE_DOMAIN, c->domain, sizeof c->domain);
	trace_key_text(r, TRACE_FROM, c->from, sizeof c->from);
	trace_key_text(r, TRACE_TO, c->to, sizeof c->to);
	call_add_times(c, r);
	if (r->time > c->heard)
		c->heard = r->time;
	if (r->kind != TRACE_END)
		return;
	c->end = r->time;
	c->status = r->status;
	trace_key_text(r, TRACE_REASON, c->reason, sizeof c->reason);
}

struct trace_call *
trace_calls_get(struct trace_calls *calls, const char *id)
{
	struct trace_call *c = map_str(&calls->map, id);

	if (c != NULL)
		return c;
	if (calls->map.count >= calls->room) {
		calls->full = true;
		return NULL;
	}
	c = xcalloc(1, sizeof *c);
	str_copy(c->id, sizeof c->id, id);
	if (map_str_put(&calls->map, id, c) == 0)
		return c;
	free(c);
	return NULL;
}

struct trace_call *
trace_calls_add(struct trace_calls *calls, const struct trace_record *r)
{
	struct trace_call *c;
	char id[sizeof c->id];

	if ((r->kind != TRACE_LEG && r->kind != TRACE_END &&
		r->kind != TRACE_QUALITY) ||
	    !trace_key_text(r, TRACE_CALL, id, sizeof id))
		return NULL;
	if (r->kind == TRACE_QUALITY) {
		if ((c = map_str(&calls->map, id)) != NULL)
			c->mos = r->status;
		return c;
	}
	if ((c = trace_calls_get(calls, id)) == NULL)
		return NULL;
	call_add(c, r);
	return c;
}

void
trace_calls_drop(struct trace_calls *calls, struct trace_call *c)
{
	map_str_del(&calls->map, c->id);
	free(c);
}

void
trace_calls_fini(struct trace_calls *calls)
{
	struct trace_call *c;
	size_t at = 0;

	while ((c = map_next(&calls->map, &at, NULL, NULL)) != NULL)
		free(c);
	map_fini(&calls->map);
}

enum trace_stage
trace_call_stage(const struct trace_call *c)
{
	return c->end != 0   ? TRACE_ENDS
	    : c->answer != 0 ? TRACE_ANSWERED
	    : c->ring != 0   ? TRACE_RINGS
			     : TRACE_BEGINS;
}

/* ---- rows ---------------------------------------------------------------- */

json_t *
trace_text(const char *p, size_t n)
{
	char *safe = xmalloc(4 * n + 1);
	json_t *v = json_stringn(safe, str_escape(safe, 4 * n + 1, p, n));

	free(safe);
	return v;
}

json_t *
trace_call_row(const struct trace_call *c)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, "
			 "s:i, s:i}",
	    "call", trace_text(c->id, strlen(c->id)), "domain",
	    trace_text(c->domain, strlen(c->domain)), "from",
	    trace_text(c->from, strlen(c->from)), "to",
	    trace_text(c->to, strlen(c->to)), "reason",
	    trace_text(c->reason, strlen(c->reason)), "start",
	    (json_int_t)c->start, "ring", (json_int_t)c->ring, "answer",
	    (json_int_t)c->answer, "end", (json_int_t)c->end, "heard",
	    (json_int_t)c->heard, "status", (int)c->status, "mos", (int)c->mos);
}

void
trace_call_read(struct trace_call *c, json_t *row)
{
	memset(c, 0, sizeof *c);
	str_copy(c->id, sizeof c->id, op_row_text(row, "call"));
	str_copy(c->domain, sizeof c->domain, op_row_text(row, "domain"));
	str_copy(c->from, sizeof c->from, op_row_text(row, "from"));
	str_copy(c->to, sizeof c->to, op_row_text(row, "to"));
	str_copy(c->reason, sizeof c->reason, op_row_text(row, "reason"));
	c->start = op_row_int(row, "start");
	c->ring = op_row_int(row, "ring");
	c->answer = op_row_int(row, "answer");
	c->end = op_row_int(row, "end");
	c->heard = op_row_int(row, "heard");
	c->status = (unsigned)op_row_int(row, "status");
	c->mos = (unsigned)op_row_int(row, "mos");
}

void
trace_call_merge(json_t *into, json_t *row)
{
	static const char *const times[] = {"ring", "answer", "end"};
	uint64_t start = op_row_int(row, "start");
	bool younger = op_row_int(row, "heard") > op_row_int(into, "heard");
	size_t i;

	if (start < op_row_int(into, "start"))
		json_object_set(into, "start", json_object_get(row, "start"));
	for (i = 0; i < sizeof times / sizeof times[0]; i++) {
		if (op_row_int(row, times[i]) > op_row_int(into, times[i]))
			json_object_set(
			    into, times[i], json_object_get(row, times[i]));
	}
	if (younger) {
		json_object_set(into, "heard", json_object_get(row, "heard"));
		json_object_set(into, "server", json_object_get(row, "server"));
	}
	if (op_row_int(row, "mos") != 0)
		json_object_set(into, "mos", json_object_get(row, "mos"));
	if (op_row_int(row, "status") == 0)
		return;
	json_object_set(into, "status", json_object_get(row, "status"));
	json_object_set(into, "reason", json_object_get(row, "reason"));
}
