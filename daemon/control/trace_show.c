/*
 * One call as the recorders of all servers have it: its legs, then who else has
 * their Call-IDs, then their messages, in one order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_show.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define TRACE_AROUND (120 * CLOCK_SEC) /* of a call's messages to its facts */

/* What the servers have to say beside the rows. */
void
trace_warn(struct op_call *call, json_t *warn, bool partial)
{
	json_t *v;
	size_t i;

	json_array_foreach (warn, i, v)
		op_warn(call, "%s", json_string_value(v));
	call->partial |= partial;
}

void
show_end(struct trace_show *s, const struct err *e)
{
	op_finish(s->call, e);
	json_decref(s->legs);
	json_decref(s->end);
	json_decref(s->ask);
	free(s);
}

void
trace_absent(const struct op_call *call, struct err *e)
{
	err_set(
	    e, ERR_ABSENT, "no recorder knows a call %s", op_arg(call, "id"));
}

bool
trace_sees_legs(const struct op_call *call, json_t *legs)
{
	json_t *row;
	size_t i;

	json_array_foreach (legs, i, row) {
		if (!op_sees(&call->who, op_row_text(row, "domain")))
			return false;
	}
	return json_array_size(legs) > 0 || !op_is_limited(&call->who);
}

static void
show_absent(struct trace_show *s)
{
	struct err e;

	trace_absent(s->call, &e);
	show_end(s, &e);
}

void
trace_put_gate(struct op_call *call, json_t *row)
{
	struct control *c = control_of(call);
	const char *instance = op_row_text(row, "instance");

	json_object_set_new(row, "gate",
	    far_is_several(c)
		? json_sprintf("%s@%s", instance, op_row_text(row, "server"))
		: json_string(instance));
}

/* The instance at an address inside, or the address. */
static json_t *
show_instance(struct control *c, const char *address)
{
	char text[ADDR_TEXT];
	struct owner o;
	unsigned at = 0;

	while (owner_map_next(c->self->owners, &at, &o)) {
		if (strchr(o.key, '/') == NULL || strchr(o.key, '@') == NULL ||
		    o.inside.sa.sa_family == AF_UNSPEC)
			continue;
		addr_text(text, &o.inside);
		if (strcmp(text, address) == 0 && !str_prefix(o.key, "calls/"))
			return far_is_several(c)
			    ? json_string(o.key)
			    : json_stringn(o.key, strcspn(o.key, "@"));
	}
	return json_string(address);
}

/* Who is at the other end: an instance, or who the leg is about. */
static void
show_other(struct trace_show *s, json_t *row)
{
	json_t *leg = json_object_get(s->legs, op_row_text(row, "call-id"));
	const char *peer = op_row_text(row, "peer");
	const char *party = op_row_text(leg, "party");

	json_object_set_new(row, "leg", json_string(op_row_text(leg, "label")));
	if (json_is_true(json_object_get(row, "inside")))
		json_object_set_new(
		    row, "other", show_instance(control_of(s->call), peer));
	else if (party[0] != '\0' && op_sees_persons(&s->call->who))
		json_object_set_new(row, "other", json_string(party));
	else if (leg != NULL)
		json_object_set_new(row, "other",
		    json_sprintf("leg %s", op_row_text(leg, "label")));
	else
		json_object_set_new(row, "other", json_string(peer));
}

/* Which clocks cannot be right, and by how much they were put right. */
static void
show_clocks(struct trace_show *s, json_t *rows)
{
	json_t *said = json_object(), *row;
	const char *server;
	int64_t off;
	size_t i;

	json_array_foreach (rows, i, row) {
		server = op_row_text(row, "server");
		off = (int64_t)(op_row_int(row, "corrected") -
		    op_row_int(row, "time"));
		if (off == 0 || json_object_get(said, server) != NULL)
			continue;
		json_object_set_new(said, server, json_true());
		op_warn(s->call,
		    "%s: its clock is %" PRId64 " ms %s that of the caller's "
		    "gate: put right here",
		    server, (off < 0 ? -off : off) / 1000,
		    off < 0 ? "before" : "behind");
	}
	json_decref(said);
}

/* ---- for whose eyes -------------------------------------------------------
 */

/* Lines as they are, joined, masked, cut again. */
static void
show_mask_lines(json_t *row)
{
	json_t *lines = json_object_get(row, "lines"), *line, *out;
	struct buf b = BUF_INIT;
	size_t i, at, n;

	json_array_foreach (lines, i, line)
		buf_fmt(&b, "%s\n", json_string_value(line));
	buf_str(&b, "");
	trace_mask_persons(b.data, b.len);
	out = json_array();
	for (at = 0; at < b.len; at += n + 1) {
		n = strcspn(b.data + at, "\n");
		json_array_append_new(out, json_stringn(b.data + at, n));
	}
	json_object_set_new(row, "lines", out);
	buf_fini(&b);
}

/* Bytes in place of their base64. */
static void
show_unpack(struct trace_show *s, json_t *row)
{
	size_t n;
	char *text = xunb64(op_row_text(row, "raw"), &n);

	if (!op_sees_persons(&s->call->who))
		trace_mask_persons(text, n);
	json_object_set_new(row, "text", json_stringn_nocheck(text, n));
	json_object_del(row, "raw");
	free(text);
}

/* What may be seen of a message. */
static void
show_open(struct trace_show *s, json_t *row)
{
	if (s->raw)
		show_unpack(s, row);
	else if (!op_sees_persons(&s->call->who))
		show_mask_lines(row);
}

const char *
show_text(json_t *row, size_t *n)
{
	json_t *text = json_object_get(row, "text");

	*n = json_string_length(text);
	return *n > 0 ? json_string_value(text) : "";
}

/* "192.0.2.7:5060" of a row. */
static void
show_address(union addr *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	int64_t port;

	memset(a, 0, sizeof *a);
	if (colon != NULL && str_int(colon + 1, 0, 65535, &port))
		addr_nparse(a, text, (size_t)(colon - text), (uint16_t)port);
}

void
show_addresses(json_t *row, union addr *from, union addr *to)
{
	bool out = json_is_true(json_object_get(row, "out"));

	show_address(from, op_row_text(row, out ? "local" : "peer"));
	show_address(to, op_row_text(row, out ? "peer" : "local"));
}

/* ---- the call --------------------------------------------------------------
 */

static void
show_on_messages(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct trace_show *s = arg;
	json_t *row, *ordered;
	size_t i;

	trace_warn(s->call, warn, partial);
	if (json_array_size(rows) == 0 && json_object_size(s->legs) == 0) {
		show_absent(s);
		return;
	}
	json_array_foreach (rows, i, row) {
		trace_put_gate(s->call, row);
		show_other(s, row);
		show_open(s, row);
	}
	ordered = trace_order(rows);
	show_clocks(s, ordered);
	s->start = op_row_int(json_array_get(ordered, 0), "corrected");
	s->put(s, ordered);
	json_decref(ordered);
	if (!s->held)
		show_end(s, s->failed.code != ERR_NONE ? &s->failed : NULL);
}

/* Take what is known of the legs. */
static void
show_legs(struct trace_show *s, json_t *rows, uint64_t span[2])
{
	const char *id;
	json_t *row;
	size_t i;

	span[0] = UINT64_MAX;
	span[1] = 0;
	json_array_foreach (rows, i, row) {
		id = op_row_text(row, "call-id");
		if (id[0] != '\0') {
			json_object_set(s->legs, id, row);
		} else if (op_row_int(row, "time") > span[1]) {
			span[1] = op_row_int(row, "time");
			json_decref(s->end);
			s->end = json_incref(row);
		}
		if (op_row_int(row, "time") < span[0])
			span[0] = op_row_int(row, "time");
	}
}

/* The messages of a Call-ID are those of all who used it: they are for nobody's
 * eyes who may not see them all. */
static void
show_drop_id(struct trace_show *s, const char *id)
{
	json_t *ids = json_object_get(s->ask, "call-ids"), *v;
	size_t i;

	json_array_foreach (ids, i, v) {
		if (strcmp(json_string_value(v), id) != 0)
			continue;
		json_array_remove(ids, i);
		op_warn(s->call,
		    "%s is a Call-ID of calls of others, too: messages with "
		    "it are not shown",
		    id);
		return;
	}
}

static void
show_on_users(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct trace_show *s = arg;
	const char *call = op_arg(s->call, "id"), *id;
	json_t *said = json_object(), *row, *ask;
	struct err e;
	size_t i;

	(void)warn;
	(void)partial; /* said again with the messages */
	json_array_foreach (rows, i, row) {
		id = op_row_text(row, "call-id");
		if (strcmp(op_row_text(row, "call"), call) == 0 ||
		    json_object_get(s->legs, id) == NULL)
			continue;
		if (!op_sees(&s->call->who, op_row_text(row, "domain"))) {
			show_drop_id(s, id);
		} else if (json_object_get(said, id) == NULL) {
			json_object_set_new(said, id, json_true());
			op_warn(s->call,
			    "call %s has the same Call-ID %s: its messages of "
			    "that time are among these",
			    op_row_text(row, "call"), id);
		}
	}
	json_decref(said);
	if (json_array_size(json_object_get(s->ask, "call-ids")) == 0) {
		err_set(&e, ERR_PERMISSION,
		    "its messages cannot be told from those of others");
		show_end(s, &e);
		return;
	}
	ask = json_incref(s->ask);
	trace_ask(control_of(s->call), ask, show_on_messages, s);
}

/*
 * The legs of the call are known; a name of which no B2BUA knows a call is
 * perhaps a Call-ID, of a request that never came so far: for those who may
 * look at all domains.
 */
static void
show_on_legs(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct trace_show *s = arg;
	json_t *ids = json_array(), *leg, *q;
	uint64_t span[2];
	const char *id;

	if (!trace_sees_legs(s->call, rows)) {
		json_decref(ids);
		trace_warn(s->call, warn, partial); /* who did not answer */
		show_absent(s);
		return;
	}
	show_legs(s, rows, span);
	json_object_foreach (s->legs, id, leg)
		json_array_append_new(ids, json_string(id));
	if (json_array_size(ids) == 0)
		json_array_append_new(ids, json_string(op_arg(s->call, "id")));
	q = json_pack("{s:s, s:o, s:b}", "want", "messages", "call-ids", ids,
	    "raw", (int)s->raw);
	if (span[0] != UINT64_MAX)
		json_object_set_new(q, "since",
		    json_integer((json_int_t)(span[0] - TRACE_AROUND)));
	if (span[1] != 0)
		json_object_set_new(q, "until",
		    json_integer((json_int_t)(span[1] + TRACE_AROUND)));
	s->ask = q;
	trace_ask(control_of(s->call),
	    json_pack("{s:s, s:O}", "want", "users", "call-ids", ids),
	    show_on_users, s);
}

void
show_start(
    struct op_call *call, void (*put)(struct trace_show *, json_t *), bool raw)
{
	struct trace_show *s = xcalloc(1, sizeof *s);

	s->call = call;
	s->put = put;
	s->raw = raw;
	s->legs = json_object();
	trace_ask(control_of(call),
	    json_pack("{s:s, s:s}", "want", "legs", "call", op_arg(call, "id")),
	    show_on_legs, s);
}

/* ---- rows ---------------------------------------------------------------- */

/* "+0.012"; in front of the beginning by clocks: "-0.001". */
static void
trace_offset(int64_t us, char out[TRACE_OFFSET])
{
	snprintf(out, TRACE_OFFSET, "%c%" PRId64 ".%03" PRId64,
	    us < 0 ? '-' : '+', (us < 0 ? -us : us) / 1000000,
	    (us < 0 ? -us : us) / 1000 % 1000);
}

void
trace_put_at(struct op_call *call, int64_t us)
{
	char text[TRACE_OFFSET];

	trace_offset(us, text);
	op_put(call, "at", text);
}

/* Since the first message. */
static int64_t
show_since(const struct trace_show *s, json_t *row)
{
	return (int64_t)(op_row_int(row, "corrected") - s->start);
}

void
show_offset(const struct trace_show *s, json_t *row, char out[TRACE_OFFSET])
{
	trace_offset(show_since(s, row), out);
}

void
show_put_offset(struct trace_show *s, json_t *row)
{
	trace_put_at(s->call, show_since(s, row));
}

void
trace_put_hundredths(struct op_call *call, const char *col, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64 ".%02" PRIu64, v / 100, v % 100);
	op_put(call, col, text);
}

const char *
show_proto(json_t *row)
{
	return sip_proto_name(
	    (enum sip_proto)(op_row_int(row, "proto") % SIP_PROTOS));
}

/* "INVITE", "180 Ringing": the beginning of the message. */
void
show_word(json_t *row, char *out, size_t size)
{
	const char *line = json_string_value(
	    json_array_get(json_object_get(row, "lines"), 0));

	if (json_is_true(json_object_get(row, "reply")) && line != NULL &&
	    strlen(line) > 8)
		str_copy(out, size, line + 8);
	else if (op_row_text(row, "method")[0] != '\0')
		str_copy(out, size, op_row_text(row, "method"));
	else
		str_copy(out, size, "?");
}

void
show_put_hop(struct trace_show *s, json_t *row)
{
	bool out = json_is_true(json_object_get(row, "out"));
	struct op_call *call = s->call;

	op_put_time(call, "time", op_row_int(row, "time"));
	op_put(call, "leg", op_row_text(row, "leg"));
	op_put(call, "source", op_row_text(row, out ? "gate" : "other"));
	op_put(call, "target", op_row_text(row, out ? "other" : "gate"));
	op_put(call, "transport", show_proto(row));
	op_put(call, "address", op_row_text(row, "peer"));
	op_put(call, "call-id", op_row_text(row, "call-id"));
	op_put_bool(
	    call, "masked", json_is_true(json_object_get(row, "masked")));
}

const struct op_field show_args[] = {SHOW_ARG_ID, {0}};
