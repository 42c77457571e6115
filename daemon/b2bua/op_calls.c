/*
 * What an operator may ask of calls: list them, look at one, hang one up.
 * The records stand beside their handlers; numbers of both sides are shown.
 */
#include <string.h>

#include "b2bua.h"
#include "daemon/op/op.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"

static struct b2bua *
op_calls_room(const struct op_call *call)
{
	const struct self *self = call->self;

	return OBJ(self->state_of_role, b2bua, B2BUA_MAGIC);
}

/* ---- show calls ---- */

static const struct op_field show_calls_args[] = {
    {.name = "domain",
	.type = &op_type_ref,
	.ref = "domain",
	.brief = "only calls of this domain"},
    {0},
};

static const struct op_field show_calls_cols[] = {
    {.name = "id", .type = &op_type_text, .brief = "identifier of the call"},
    {.name = "domain", .type = &op_type_domain, .brief = "domain"},
    {.name = "from",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "number of the caller"},
    {.name = "to",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "number that was dialled"},
    {.name = "state",
	.type = &op_type_text,
	.brief = "setup, ringing, answered, up or ending"},
    {.name = "since", .type = &op_type_time, .brief = "start of the call"},
    {.name = "duration",
	.type = &op_type_int,
	.brief = "seconds since it was answered"},
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "instance that has the call"},
    {0},
};

static int64_t
op_calls_duration(const struct call *c)
{
	uint64_t to = c->end != 0 ? c->end : clock_real();

	if (c->answer == 0 || to < c->answer)
		return 0;
	return (int64_t)((to - c->answer) / CLOCK_SEC);
}

static void
op_calls_put(struct op_call *call, const struct call *c)
{
	op_put(call, "id", c->id);
	op_put(call, "domain", c->domain);
	op_put(call, "from", c->caller_number);
	op_put(call, "to", c->called);
	op_put(call, "state", call_state_name(c));
	op_put_time(call, "since", c->start);
	op_put_int(call, "duration", op_calls_duration(c));
	op_put(call, "instance", c->b2bua->self->name);
}

/* Only calls whose caller is known are shown. */
static void
show_calls(struct op_call *call)
{
	const char *domain = op_arg(call, "domain");

	for (const struct call *c = op_calls_room(call)->first; c != NULL;
	     c = c->next) {
		if (c->domain_id[0] == '\0' ||
		    (domain != NULL && strcmp(domain, c->domain) != 0))
			continue;
		op_row(call);
		op_calls_put(call, c);
	}
	op_finish(call, NULL);
}

static const struct op op_show_calls = {
    .name = "show calls",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_B2BUA,
    .brief = "calls of this moment",
    .about = "One row for each call, from the moment its caller is known "
	     "until both sides have been told its end. A call that rings "
	     "several phones is one row.",
    .example = "show calls\nshow calls domain demo.test",
    .args = show_calls_args,
    .cols = show_calls_cols,
    .run = show_calls,
    .live = true,
};

/* ---- show call ID ---- */

static const struct op_field show_call_args[] = {
    {.name = "id",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 32,
	.brief = "identifier of the call"},
    {0},
};

static const struct op_field show_call_cols[] = {
    {.name = "leg",
	.type = &op_type_text,
	.brief = "a: caller; b1, b2: called"},
    {.name = "party",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "user or number"},
    {.name = "state",
	.type = &op_type_text,
	.brief = "calling, ringing, up, cancelled or done"},
    {.name = "code", .type = &op_type_int, .brief = "last SIP status"},
    {.name = "source",
	.type = &op_type_text,
	.brief = "transport address of the phone"},
    {.name = "call-id", .type = &op_type_text, .brief = "Call-ID of the leg"},
    {.name = "media",
	.type = &op_type_text,
	.brief = "what the phone has described"},
    {.name = "session",
	.type = &op_type_int,
	.brief = "session interval in seconds, 0 for none"},
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "instance that has the call"},
    {0},
};

/* The m= lines with their address: "audio 192.0.2.1:4000 RTP/AVP 8 0". */
static void
op_calls_media(struct op_call *call, const struct leg *l)
{
	const char *s = l->sdp_got.data,
		   *m = s == NULL ? NULL : strstr(s, "m=");
	const char *c = s == NULL ? NULL : strstr(s, "c=IN IP");
	char text[256];
	size_t nc, nm;

	if (m == NULL || c == NULL)
		return;
	nc = strcspn(c + 9, "\r\n");
	nm = strcspn(m + 2, "\r\n");
	snprintf(text, sizeof text, "%.*s from %.*s",
	    (int)(nm > 120 ? 120 : nm), m + 2, (int)(nc > 60 ? 60 : nc), c + 9);
	op_put(call, "media", text);
}

static const char *
op_calls_leg_state(const struct leg *l)
{
	static const char *const names[] = {
	    "", "calling", "ringing", "cancelled", "up", "done"};

	if (l->over)
		return "done";
	if (l->branch != NULL)
		return names[l->branch->state];
	return l->up ? "up" : "ringing";
}

static void
op_calls_put_leg(struct op_call *call, const struct leg *l)
{
	const struct call *c = l->call;

	op_row(call);
	op_put(call, "leg", l->label);
	op_put(call, "party",
	    l->branch != NULL ? l->branch->destination : c->user);
	op_put(call, "state", op_calls_leg_state(l));
	op_put_int(call, "code", l->branch != NULL ? l->branch->code : c->sent);
	if (l->source != NULL)
		op_put(call, "source", l->source);
	if (l->call_id != NULL)
		op_put(call, "call-id", l->call_id);
	op_calls_media(call, l);
	op_put_int(call, "session", l->interval);
	op_put(call, "instance", c->b2bua->self->name);
}

/* A call of a domain that the operator does not see is as if it were not. */
static struct call *
op_calls_find(struct op_call *call)
{
	struct call *c = call_find(op_calls_room(call), op_arg(call, "id"));

	return c == NULL || c->domain_id[0] == '\0' ||
		!op_sees(&call->who, c->domain)
	    ? NULL
	    : c;
}

static void
show_call(struct op_call *call)
{
	const struct call *c = op_calls_find(call);

	if (c == NULL) {
		op_failf(call, ERR_ABSENT, "no call has the id %s",
		    op_arg(call, "id"));
		return;
	}
	op_calls_put_leg(call, &c->a);
	for (const struct branch *b = c->branches; b != NULL; b = b->next)
		op_calls_put_leg(call, &b->leg);
	op_finish(call, NULL);
}

static const struct op op_show_call = {
    .name = "show call",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_EACH,
    .role = ROLE_B2BUA,
    .brief = "the legs of one call",
    .about = "A row for the caller and one for each phone that was rung: "
	     "what it said last, where it is, what media it described. Call-"
	     "IDs of the legs are different on purpose: nothing of one leg "
	     "shows on another.",
    .example = "show call 00000000000000000000000000000000",
    .args = show_call_args,
    .cols = show_call_cols,
    .run = show_call,
};

/* ---- request call hangup ID ---- */

static const struct op_field hangup_cols[] = {
    {.name = "id", .type = &op_type_text, .brief = "identifier of the call"},
    {0},
};

static void
request_call_hangup(struct op_call *call)
{
	struct call *c = op_calls_find(call);

	if (c == NULL) {
		op_failf(call, ERR_ABSENT, "no call has the id %s",
		    op_arg(call, "id"));
		return;
	}
	log_info("call=%s hung up by %s", c->id, call->who.name);
	call_end(c, 480, "hung up by the operator", CALL_SIDE_SYSTEM);
	op_row(call);
	op_put(call, "id", c->id);
	op_finish(call, NULL);
}

static const struct op op_request_call_hangup = {
    .name = "request call hangup",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .limit = OP_LIMIT_SELF,
    .where = OP_EACH,
    .role = ROLE_B2BUA,
    .brief = "end a call",
    .about = "Both sides are told at once, with a Reason that says so. A call "
	     "that still rings is refused with 480.",
    .example = "request call hangup 00000000000000000000000000000000",
    .args = show_call_args,
    .cols = hangup_cols,
    .run = request_call_hangup,
};

const struct op *const b2bua_ops[] = {&op_show_calls, &op_show_call,
    &op_request_call_hangup, &op_test_route, NULL};
