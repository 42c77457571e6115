/*
 * Operations on what the recorders of all servers know of calls, those that
 * are over and those that go on: trace calls, show call ladder, show call
 * messages.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define TRACE_AROUND (120 * CLOCK_SEC) /* of a call's messages to its facts */

static uint64_t
trace_int(json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}

/* What the servers have to say beside the rows. */
static void
trace_warn(struct op_call *call, json_t *warn, bool partial)
{
	json_t *v;
	size_t i;

	json_array_foreach (warn, i, v)
		op_warn(call, "%s", json_string_value(v));
	call->partial |= partial;
}

/* ---- trace calls --------------------------------------------------------- */

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

/* ---- one call: its legs, then their messages ----------------------------- */

struct trace_show {
	struct op_call *call;
	json_t *legs; /* Call-ID -> its fact */
	json_t *ask;  /* for its messages */
	char domain[OBJ_KEY];
	void (*put)(struct trace_show *, json_t *rows);
	bool raw;	/* bytes are wanted, not lines */
	uint64_t start; /* of the first message */
};

static void
show_end(struct trace_show *s, const struct err *e)
{
	struct op_call *call = s->call;

	json_decref(s->legs);
	json_decref(s->ask);
	free(s);
	op_finish(call, e);
}

/* As show call has it; a call that is not for their eyes is not there. */
static void
show_absent(struct trace_show *s)
{
	struct err e;

	err_set(&e, ERR_ABSENT, "no recorder knows a call %s",
	    op_arg(s->call, "id"));
	show_end(s, &e);
}

/* "sg/1@srv1" of a row, "sg/1" on a lone server. */
static void
show_gate(struct trace_show *s, json_t *row)
{
	struct control *c = control_of(s->call);
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
		off = (int64_t)(trace_int(row, "corrected") -
		    trace_int(row, "time"));
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
		show_gate(s, row);
		show_other(s, row);
	}
	ordered = trace_order(rows);
	show_clocks(s, ordered);
	s->start = trace_int(json_array_get(ordered, 0), "corrected");
	s->put(s, ordered);
	json_decref(ordered);
	show_end(s, NULL);
}

/* Take what is known of the legs; false when it is not for their eyes. */
static bool
show_legs(struct trace_show *s, json_t *rows, uint64_t span[2])
{
	const char *id;
	json_t *row;
	size_t i;

	span[0] = UINT64_MAX;
	span[1] = 0;
	json_array_foreach (rows, i, row) {
		if (!op_sees(&s->call->who, op_row_text(row, "domain")))
			return false;
		id = op_row_text(row, "call-id");
		if (id[0] != '\0')
			json_object_set(s->legs, id, row);
		else if (trace_int(row, "time") > span[1])
			span[1] = trace_int(row, "time");
		if (trace_int(row, "time") < span[0])
			span[0] = trace_int(row, "time");
	}
	return true;
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

	if (!show_legs(s, rows, span) ||
	    (json_array_size(rows) == 0 && op_is_limited(&s->call->who))) {
		json_decref(ids);
		trace_warn(s->call, warn, partial); /* who did not answer */
		show_absent(s);
		return;
	}
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

static void
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

/* "+0.012": since the first message; in front of it by clocks: "-0.001". */
static void
show_put_offset(struct trace_show *s, json_t *row)
{
	int64_t us = (int64_t)(trace_int(row, "corrected") - s->start);
	char text[32];

	snprintf(text, sizeof text, "%c%" PRId64 ".%03" PRId64,
	    us < 0 ? '-' : '+', (us < 0 ? -us : us) / 1000000,
	    (us < 0 ? -us : us) / 1000 % 1000);
	op_put(s->call, "at", text);
}

/* "INVITE", "180 Ringing": the beginning of the message. */
static void
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

static void
show_put_hop(struct trace_show *s, json_t *row)
{
	bool out = json_is_true(json_object_get(row, "out"));
	struct op_call *call = s->call;

	op_put_time(call, "time", trace_int(row, "time"));
	op_put(call, "leg", op_row_text(row, "leg"));
	op_put(call, "source", op_row_text(row, out ? "gate" : "other"));
	op_put(call, "target", op_row_text(row, out ? "other" : "gate"));
	op_put(call, "transport",
	    sip_proto_name(
		(enum sip_proto)(trace_int(row, "proto") % SIP_PROTOS)));
	op_put(call, "address", op_row_text(row, "peer"));
	op_put(call, "call-id", op_row_text(row, "call-id"));
	op_put_bool(
	    call, "masked", json_is_true(json_object_get(row, "masked")));
}

/* What a message is, and where it went: of both operations. */
#define HOP_COLS                                                             \
	{.name = "time",                                                     \
	    .type = &op_type_time,                                           \
	    .flags = OP_DETAIL,                                              \
	    .brief = "when it passed, by the clock of its server"},          \
	    {.name = "leg",                                                  \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "a: caller; b1, b2: called"},                       \
	    {.name = "source",                                               \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "who sent it"},                                     \
	    {.name = "target",                                               \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "who received it"},                                 \
	    {.name = "transport",                                            \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "how it was carried"},                              \
	    {.name = "address",                                              \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "of who was spoken to"},                            \
	    {.name = "call-id",                                              \
		.type = &op_type_text,                                       \
		.flags = OP_DETAIL,                                          \
		.brief = "Call-ID of the leg"},                              \
	{                                                                    \
		.name = "masked", .type = &op_type_bool, .flags = OP_DETAIL, \
		.brief = "credentials are hidden in it"                      \
	}

static const struct op_field show_args[] = {
    {.name = "id",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 255,
	.brief = "of trace calls or show calls, or a Call-ID"},
    {0},
};

/* ---- show call ladder ---------------------------------------------------- */

static void
ladder_put(struct trace_show *s, json_t *rows)
{
	struct ladder *l = ladder_new();
	struct buf b = BUF_INIT;
	char word[80];
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		ladder_see(l, row);
	op_row(s->call);
	ladder_titles(l, &b);
	op_put(s->call, "ladder", b.data != NULL ? b.data : "");
	json_array_foreach (rows, i, row) {
		op_row(s->call);
		show_put_offset(s, row);
		show_word(row, word, sizeof word);
		buf_reset(&b);
		ladder_line(l, row, word, &b);
		op_put(s->call, "ladder", b.data);
		op_put(s->call, "message", word);
		show_put_hop(s, row);
	}
	buf_fini(&b);
	ladder_free(&l);
}

static void
ladder_run(struct op_call *call)
{
	show_start(call, ladder_put, false);
}

static const struct op_field ladder_cols[] = {
    {.name = "at",
	.type = &op_type_text,
	.brief = "seconds since the first message"},
    {.name = "ladder", .type = &op_type_text, .brief = "the picture of it"},
    {.name = "message",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "method, or status and phrase"},
    HOP_COLS,
    {0},
};

const struct op control_op_call_ladder = {
    .name = "show call ladder",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "the messages of one call as a picture",
    .about =
	"Every message of all legs of a call, over all servers, an arrow "
	"each, from the recorders: of a call that goes on or that is over. "
	"The first row names the columns. Order is that of time, but a reply "
	"never stands in front of its request, nor what follows from a "
	"message of another leg in front of that; a clock that this shows to "
	"be wrong is put right, and a warning says by how much. "
	"Instead of an id a Call-ID finds what never became a call.",
    .example = "show call ladder 00000000000000000000000000000000",
    .args = show_args,
    .cols = ladder_cols,
    .run = ladder_run,
};

/* ---- show call messages -------------------------------------------------- */

/* The text without persons for those who do not see them: lines as they are,
 * joined, masked, cut again. */
static json_t *
messages_lines(struct trace_show *s, json_t *row)
{
	json_t *lines = json_object_get(row, "lines"), *line, *out;
	struct buf b = BUF_INIT;
	size_t i, at, n;

	if (op_sees_persons(&s->call->who))
		return json_incref(lines);
	json_array_foreach (lines, i, line)
		buf_fmt(&b, "%s\n", json_string_value(line));
	buf_str(&b, "");
	trace_mask_persons(b.data, b.len);
	out = json_array();
	for (at = 0; at < b.len; at += n + 1) {
		n = strcspn(b.data + at, "\n");
		json_array_append_new(out, json_stringn(b.data + at, n));
	}
	buf_fini(&b);
	return out;
}

static void
messages_put_one(struct trace_show *s, json_t *row, int64_t number)
{
	json_t *lines = messages_lines(s, row), *line;
	size_t i;

	json_array_foreach (lines, i, line) {
		op_row(s->call);
		op_put_int(s->call, "message", number);
		if (i == 0) {
			show_put_offset(s, row);
			show_put_hop(s, row);
		}
		op_put(s->call, "line", json_string_value(line));
	}
	json_decref(lines);
}

static void
messages_put(struct trace_show *s, json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		messages_put_one(s, row, (int64_t)i + 1);
}

static void
messages_run(struct op_call *call)
{
	show_start(call, messages_put, false);
}

static const struct op_field messages_cols[] = {
    {.name = "message",
	.type = &op_type_int,
	.brief = "its number in the call"},
    {.name = "at",
	.type = &op_type_text,
	.brief = "seconds since the first message"},
    {.name = "line", .type = &op_type_text, .brief = "of its text"},
    HOP_COLS,
    {0},
};

const struct op control_op_call_messages = {
    .name = "show call messages",
    .kind = OP_READ,
    .access = OP_OPERATOR,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "the messages of one call, line by line",
    .about =
	"The texts of what show call ladder draws, as they came or went, "
	"after TLS: a row for each line, where it passed in the first row of "
	"each message. Credentials, keys of media and digits pressed were "
	"replaced by '*' before they were recorded; who people are is "
	"replaced for those who may not see it.",
    .example = "show call messages 00000000000000000000000000000000",
    .args = show_args,
    .cols = messages_cols,
    .run = messages_run,
};

/* ---- show call capture --------------------------------------------------- */

/* The piece as a row. */
static void
capture_put_piece(struct trace_show *s, struct buf *b)
{
	char *text = xmalloc(b->len / 3 * 4 + 5);

	EVP_EncodeBlock(
	    (unsigned char *)text, (unsigned char *)b->data, (int)b->len);
	op_row(s->call);
	op_put(s->call, "piece", text);
	free(text);
	buf_reset(b);
}

/* "192.0.2.7:5060" of a row; none when it is none. */
static void
capture_address(union addr *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	int64_t port;

	memset(a, 0, sizeof *a);
	if (colon != NULL && str_int(colon + 1, 0, 65535, &port))
		addr_nparse(a, text, (size_t)(colon - text), (uint16_t)port);
}

static void
capture_put_one(struct trace_show *s, json_t *row, struct buf *b)
{
	bool out = json_is_true(json_object_get(row, "out"));
	const char *raw = op_row_text(row, "raw");
	size_t size = strlen(raw);
	char *text = xmalloc(size + 1), comment[512];
	long n = str_unb64(text, size + 1, raw, size);
	union addr local, peer;

	if (n >= 0 && !op_sees_persons(&s->call->who))
		trace_mask_persons(text, (size_t)n);
	capture_address(&local, op_row_text(row, "local"));
	capture_address(&peer, op_row_text(row, "peer"));
	snprintf(comment, sizeof comment, "call %.40s leg %s, %s %s by %s%s",
	    op_arg(s->call, "id"), op_row_text(row, "leg"),
	    out ? "sent" : "received", op_row_text(row, "gate"),
	    sip_proto_name(
		(enum sip_proto)(trace_int(row, "proto") % SIP_PROTOS)),
	    json_is_true(json_object_get(row, "masked"))
		? ", credentials masked"
		: "");
	if (n >= 0)
		pcapng_packet(b, trace_int(row, "corrected"),
		    out ? &local : &peer, out ? &peer : &local, text, (size_t)n,
		    comment);
	free(text);
}

static void
capture_put(struct trace_show *s, json_t *rows)
{
	struct buf b = BUF_INIT;
	json_t *row;
	size_t i;

	pcapng_begin(&b,
	    op_sees_persons(&s->call->who) ? "tandem"
					   : "tandem; persons are masked");
	capture_put_piece(s, &b);
	json_array_foreach (rows, i, row) {
		capture_put_one(s, row, &b);
		if (b.len > 0)
			capture_put_piece(s, &b);
	}
	buf_fini(&b);
}

static void
capture_run(struct op_call *call)
{
	show_start(call, capture_put, true);
}

static const struct op_field capture_cols[] = {
    {.name = "piece",
	.type = &op_type_text,
	.brief = "of the file, base64: to be put together in order"},
    {0},
};

const struct op control_op_call_capture = {
    .name = "show call capture",
    .kind = OP_READ,
    .access = OP_OPERATOR,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "the messages of one call as pcapng for Wireshark",
    .about =
	"What show call messages shows as a file, in pieces of base64, each "
	"message as a datagram with a comment that says where it passed and "
	"how it really came. For programs: tandem --json -c 'show call "
	"capture ID' | jq -r '.data[].piece' | base64 -d > call.pcapng. What "
	"is masked there is masked here.",
    .example = "show call capture 00000000000000000000000000000000",
    .args = show_args,
    .cols = capture_cols,
    .run = capture_run,
};

/* ---- show recorders ------------------------------------------------------ */

static void
recorders_run(struct op_call *call)
{
	struct control *c = control_of(call);
	struct recorder_state s = {0};

	if (c->recorder != NULL)
		recorder_state(c->recorder, &s);
	op_row(call);
	op_put(call, "server", c->self->server);
	if (s.oldest != 0)
		op_put_time(call, "since", s.oldest);
	op_put_int(call, "size", (int64_t)s.bytes);
	op_put_int(call, "limit", (int64_t)s.limit);
	op_put_int(call, "rings", s.rings);
	op_put_int(call, "records", (int64_t)s.records);
	op_put_int(call, "lost", (int64_t)s.lost);
	op_finish(call, NULL);
}

static const struct op_field recorders_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "whose recorder"},
    {.name = "since",
	.type = &op_type_time,
	.brief = "begin of its oldest file; none: there is no file yet"},
    {.name = "size", .type = &op_type_bytes, .brief = "of its files"},
    {.name = "limit",
	.type = &op_type_bytes,
	.brief = "which they may have; 0: nothing is recorded"},
    {.name = "rings", .type = &op_type_int, .brief = "processes that it reads"},
    {.name = "records",
	.type = &op_type_int,
	.brief = "taken from them since it was started"},
    {.name = "lost",
	.type = &op_type_int,
	.brief = "of those that it was too slow for, or that had no room"},
    {0},
};

const struct op control_op_recorders = {
    .name = "show recorders",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "how far back calls are recorded",
    .about =
	"The recorder of each server: what trace calls and show call ladder "
	"are answered from. The oldest of its files goes when all are larger "
	"than the limit, trace-size in tandem.conf(5), or when the disk is "
	"needed for other things, which raises alarm trace. What is not half "
	"a minute old may be in no file yet, and is found all the same.",
    .example = "show recorders",
    .cols = recorders_cols,
    .run = recorders_run,
};
