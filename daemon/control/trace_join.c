/*
 * Messages of several processes in one order: by time, but nothing in front of
 * what it follows from, whatever the clocks of the servers say. What is known:
 * the order in which one process saw its messages, a reply and its request, and
 * of the legs of one call that B2BUA asks the second because of the first and
 * answers the first because of the second. From the last the offset of each
 * server's clock follows, within bounds; a clock that cannot be right is put
 * right before anything is ordered. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct join_hop {
	json_t *row;
	int64_t time; /* by the clock of the reference, once that is known */
	uint64_t number;
	const char *server, *instance, *leg, *method;
	bool reply, out, inside, placed;
	unsigned status;
	/* what must stand in front of it: indices + 1, 0 = nothing */
	size_t before, cause;
};

struct join {
	struct join_hop *hop;
	size_t n;
};

static void
join_read(struct join_hop *h, json_t *row)
{
	h->row = row;
	h->time = (int64_t)op_row_int(row, "time");
	h->number = op_row_int(row, "number");
	h->status = (unsigned)op_row_int(row, "status");
	h->server = op_row_text(row, "server");
	h->instance = op_row_text(row, "instance");
	h->method = op_row_text(row, "method");
	h->leg = op_row_text(row, "leg");
	h->reply = json_is_true(json_object_get(row, "reply"));
	h->out = json_is_true(json_object_get(row, "out"));
	h->inside = json_is_true(json_object_get(row, "inside"));
}

static bool
join_same_process(const struct join_hop *a, const struct join_hop *b)
{
	return strcmp(a->server, b->server) == 0 &&
	    strcmp(a->instance, b->instance) == 0;
}

/* First those of one process together, as it saw them. */
static int
join_by_process(const void *x, const void *y)
{
	const struct join_hop *a = x, *b = y;
	int d = strcmp(a->server, b->server);

	if (d == 0)
		d = strcmp(a->instance, b->instance);
	if (d == 0 && a->number != b->number)
		d = a->number < b->number ? -1 : 1;
	return d;
}

/* ---- between legs -------------------------------------------------------- */

/* A message that a gate and B2BUA exchange, to it (out) or from it. */
static bool
join_is_inside(const struct join_hop *h, bool out, bool caller)
{
	return h->inside && h->out == out && h->leg[0] != '\0' &&
	    (h->leg[0] == 'a') == caller && strcmp(h->method, "INVITE") == 0;
}

/* The earliest of those; index + 1. class: of replies, 0 = the request. */
static size_t
join_first(const struct join *j, bool out, bool caller, unsigned class)
{
	const struct join_hop *h, *best = NULL;
	size_t i;

	for (i = 0; i < j->n; i++) {
		h = &j->hop[i];
		if (!join_is_inside(h, out, caller) ||
		    (class == 0 ? h->reply
				: !h->reply || h->status / 100 != class ||
				h->status == 100) ||
		    (best != NULL && best->time <= h->time))
			continue;
		best = h;
	}
	return best != NULL ? (size_t)(best - j->hop) + 1 : 0;
}

/*
 * B2BUA asks the called after it was asked by the caller, and what it tells
 * the caller of ringing or an answer it was told by the called.
 */
static void
join_legs(struct join *j)
{
	size_t asked = join_first(j, true, true, 0), told, said, i;
	unsigned class;

	for (i = 0; i < j->n; i++) {
		if (asked != 0 && join_is_inside(&j->hop[i], false, false) &&
		    !j->hop[i].reply)
			j->hop[i].cause = asked;
	}
	for (class = 1; class <= 2; class ++) {
		told = join_first(j, true, false, class);
		said = join_first(j, false, true, class);
		if (told != 0 && said != 0)
			j->hop[said - 1].cause = told;
	}
}

/* ---- clocks -------------------------------------------------------------- */

/* The cause of a hop on one of the servers, when it was on the other. */
static const struct join_hop *
join_cause_between(const struct join *j, const struct join_hop *h,
    const char *one, const char *other)
{
	const struct join_hop *c = h->cause != 0 ? &j->hop[h->cause - 1] : NULL;

	if (c == NULL || strcmp(h->server, one) != 0 ||
	    strcmp(c->server, other) != 0)
		return NULL;
	return c;
}

/*
 * What must be added to the times of a server: nothing, when that contradicts
 * no cause; else the middle of what is possible, or the bound when there is but
 * one.
 */
static int64_t
join_offset(const struct join *j, const char *server, const char *reference)
{
	int64_t low = INT64_MIN, high = INT64_MAX, d;
	const struct join_hop *h, *c;
	size_t i;

	for (i = 0; i < j->n; i++) {
		h = &j->hop[i];
		if ((c = join_cause_between(j, h, server, reference)) != NULL) {
			d = c->time - h->time;
			low = d > low ? d : low;
		}
		if ((c = join_cause_between(j, h, reference, server)) != NULL) {
			d = h->time - c->time;
			high = d < high ? d : high;
		}
	}
	if (low <= 0 && high >= 0)
		return 0;
	if (low == INT64_MIN)
		return high;
	return high == INT64_MAX ? low : low + (high - low) / 2;
}

/* Every server's clock as that of the gate of the caller. */
static void
join_clocks(struct join *j)
{
	size_t asked = join_first(j, true, true, 0), i, k;
	const char *reference, *server;
	int64_t offset;

	if (asked == 0)
		return;
	reference = j->hop[asked - 1].server;
	for (i = 0; i < j->n; i++) {
		server = j->hop[i].server;
		if ((i > 0 && strcmp(server, j->hop[i - 1].server) == 0) ||
		    strcmp(server, reference) == 0)
			continue;
		offset = join_offset(j, server, reference);
		for (k = i; k < j->n && offset != 0; k++) {
			if (strcmp(j->hop[k].server, server) == 0)
				j->hop[k].time += offset;
		}
	}
}

/* ---- the order ----------------------------------------------------------- */

static bool
join_is_ready(const struct join *j, const struct join_hop *h)
{
	return (h->before == 0 || j->hop[h->before - 1].placed) &&
	    (h->cause == 0 || j->hop[h->cause - 1].placed);
}

/* The earliest that nothing must precede any more; where clocks and causes
 * contradict each other without end, the earliest. */
static struct join_hop *
join_next(const struct join *j)
{
	struct join_hop *h, *best = NULL, *any = NULL;
	size_t i;

	for (i = 0; i < j->n; i++) {
		h = &j->hop[i];
		if (h->placed)
			continue;
		if (any == NULL || h->time < any->time)
			any = h;
		if (join_is_ready(j, h) &&
		    (best == NULL || h->time < best->time))
			best = h;
	}
	return best != NULL ? best : any;
}

json_t *
trace_order(json_t *rows)
{
	struct join j = {.n = json_array_size(rows)};
	json_t *out = json_array();
	struct join_hop *h;
	size_t i;

	j.hop = xcalloc(j.n + 1, sizeof *j.hop);
	for (i = 0; i < j.n; i++)
		join_read(&j.hop[i], json_array_get(rows, i));
	qsort(j.hop, j.n, sizeof *j.hop, join_by_process);
	for (i = 1; i < j.n; i++) {
		if (join_same_process(&j.hop[i - 1], &j.hop[i]))
			j.hop[i].before = i;
	}
	join_legs(&j);
	join_clocks(&j);
	for (i = 0; i < j.n; i++) {
		h = join_next(&j);
		h->placed = true;
		json_object_set_new(
		    h->row, "corrected", json_integer((json_int_t)h->time));
		json_array_append(out, h->row);
	}
	free(j.hop);
	return out;
}
