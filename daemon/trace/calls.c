/*
 * Calls out of facts. Every fact says the times so far, and an end all but who
 * was at the end of the legs: so the youngest fact counts, whoever said it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* ---- a call -------------------------------------------------------------- */

/* Times that the fact has; one that has none was made when it was said. */
static void
call_add_times(struct trace_call *c, const struct trace_record *r)
{
	unsigned long long t[3];
	char times[80];

	if (trace_key_text(r, TRACE_TIMES, times, sizeof times) &&
	    sscanf(times, "%llu %llu %llu", &t[0], &t[1], &t[2]) == 3) {
		c->start = t[0];
		c->ring = t[1] != 0 ? t[1] : c->ring;
		c->answer = t[2] != 0 ? t[2] : c->answer;
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

static uint64_t
row_int(json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}

static void
row_text(json_t *row, const char *name, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(row, name));

	str_copy(out, size, text != NULL ? text : "");
}

void
trace_call_read(struct trace_call *c, json_t *row)
{
	memset(c, 0, sizeof *c);
	row_text(row, "call", c->id, sizeof c->id);
	row_text(row, "domain", c->domain, sizeof c->domain);
	row_text(row, "from", c->from, sizeof c->from);
	row_text(row, "to", c->to, sizeof c->to);
	row_text(row, "reason", c->reason, sizeof c->reason);
	c->start = row_int(row, "start");
	c->ring = row_int(row, "ring");
	c->answer = row_int(row, "answer");
	c->end = row_int(row, "end");
	c->heard = row_int(row, "heard");
	c->status = (unsigned)row_int(row, "status");
	c->mos = (unsigned)row_int(row, "mos");
}

void
trace_call_merge(json_t *into, json_t *row)
{
	static const char *const times[] = {"ring", "answer", "end"};
	uint64_t start = row_int(row, "start");
	bool younger = row_int(row, "heard") > row_int(into, "heard");
	size_t i;

	if (start < row_int(into, "start"))
		json_object_set(into, "start", json_object_get(row, "start"));
	for (i = 0; i < sizeof times / sizeof times[0]; i++) {
		if (row_int(row, times[i]) > row_int(into, times[i]))
			json_object_set(
			    into, times[i], json_object_get(row, times[i]));
	}
	if (younger) {
		json_object_set(into, "heard", json_object_get(row, "heard"));
		json_object_set(into, "server", json_object_get(row, "server"));
	}
	if (row_int(row, "mos") != 0)
		json_object_set(into, "mos", json_object_get(row, "mos"));
	if (row_int(row, "status") == 0)
		return;
	json_object_set(into, "status", json_object_get(row, "status"));
	json_object_set(into, "reason", json_object_get(row, "reason"));
}
