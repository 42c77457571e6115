/* Operations of the gate: connections, listeners, bans. */
#include "sg.h"

static struct sg *
sg_op_gate(struct op_call *call)
{
	struct self *self = call->self;

	return self->state_of_role;
}

/* A row begins with who tells it: rows of all gates are joined. */
static void
sg_op_row(struct op_call *call)
{
	struct self *self = call->self;

	op_row(call);
	op_put(call, "instance", self->name);
}

#define COL_INSTANCE                                           \
	{                                                      \
		.name = "instance", .type = &op_type_instance, \
		.brief = "gate that tells it"                  \
	}

/* ---- flows ------------------------------------------------------------- */

static const char *const sg_transports[] = {
    "udp", "tcp", "tls", "ws", "wss", NULL};

static const struct op_field sg_flow_args[] = {
    {.name = "user",
	.type = &op_type_text,
	.min = 1,
	.max = 64,
	.brief = "only connections that registered this user"},
    {0},
};

static const struct op_field sg_flow_cols[] = {
    COL_INSTANCE,
    {.name = "flow", .type = &op_type_text, .brief = "name of it"},
    {.name = "transport",
	.type = &op_type_choice,
	.choices = sg_transports,
	.brief = "how SIP is carried"},
    {.name = "remote", .type = &op_type_text, .brief = "peer"},
    {.name = "user",
	.type = &op_type_text,
	.brief = "who registered over it, user@domain"},
    {.name = "since", .type = &op_type_time, .brief = "when it was opened"},
    {.name = "in", .type = &op_type_int, .brief = "bytes of SIP received"},
    {.name = "out", .type = &op_type_int, .brief = "bytes of SIP sent"},
    {.name = "listener", .type = &op_type_text, .brief = "where it came in"},
    {0},
};

/* "101@a.test 102@a.test"; true when one of them is the user asked for. */
static bool
sg_op_users(const struct sg_flow *f, const char *want, struct buf *out)
{
	bool found = want == NULL;
	unsigned i;

	for (i = 0; f != NULL && i < f->count; i++) {
		if (want != NULL && strcmp(f->user[i].user, want) == 0)
			found = true;
		buf_fmt(out, "%s%s@%s", i > 0 ? " " : "", f->user[i].user,
		    f->user[i].domain);
	}
	return found;
}

static void
sg_op_show_flow(
    struct op_call *call, const struct sip_flow_info *i, const char *users)
{
	char id[17], remote[ADDR_TEXT];

	snprintf(id, sizeof id, "%016llx", (unsigned long long)i->flow.conn);
	addr_text(remote, &i->flow.peer);
	sg_op_row(call);
	op_put(call, "flow", id);
	op_put(call, "transport", sip_proto_name(i->flow.proto));
	op_put(call, "remote", remote);
	if (users != NULL && users[0] != '\0')
		op_put(call, "user", users);
	op_put_time(call, "since", i->since);
	op_put_int(call, "in", (int64_t)i->in);
	op_put_int(call, "out", (int64_t)i->out);
	if (i->flow.listener != NULL)
		op_put(call, "listener", sip_listener_name(i->flow.listener));
}

static void
sg_op_flows_run(struct op_call *call)
{
	struct sg *sg = sg_op_gate(call);
	const char *want = op_arg(call, "user");
	struct buf users = BUF_INIT;
	struct sip_flow_info info;
	size_t at = 0;

	while (sip_flow_next(sg->transport, &at, &info)) {
		buf_reset(&users);
		if (sg_op_users(info.state, want, &users))
			sg_op_show_flow(call, &info, users.data);
	}
	buf_fini(&users);
	op_finish(call, NULL);
}

static const struct op sg_op_flows = {
    .name = "show flows",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_SG,
    .brief = "list connections of phones at the gates",
    .about = "TCP, TLS and WebSocket connections of phones, with the users "
	     "that registered over them. Phones on UDP have no connection; "
	     "show registrations lists them.",
    .example = "show flows\nshow flows user 101",
    .args = sg_flow_args,
    .cols = sg_flow_cols,
    .run = sg_op_flows_run,
};

static const struct op_field sg_close_args[] = {
    {.name = "flow",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 16,
	.max = 16,
	.brief = "name that show flows gives"},
    {0},
};

static void
sg_op_close_run(struct op_call *call)
{
	struct sg *sg = sg_op_gate(call);
	const char *name = op_arg(call, "flow");
	struct buf users = BUF_INIT;
	struct sip_flow_info info;
	uint64_t id = strtoull(name, NULL, 16);
	size_t at = 0;

	while (sip_flow_next(sg->transport, &at, &info)) {
		if (info.flow.conn != id)
			continue;
		sg_op_users(info.state, NULL, &users);
		sg_op_show_flow(call, &info, users.data);
		buf_fini(&users);
		sip_flow_close(sg->transport, id);
		op_finish(call, NULL);
		return;
	}
	op_failf(call, ERR_ABSENT, "there is no flow %s", name);
}

static const struct op sg_op_close = {
    .name = "request flow close",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_EACH,
    .role = ROLE_SG,
    .brief = "close one connection of a phone",
    .about = "Closes the connection; a phone that is alive opens another and "
	     "registers again. Shows the connection that was closed; without "
	     "one of that name it is an error.",
    .example = "request flow close 0123456789abcdef",
    .args = sg_close_args,
    .cols = sg_flow_cols,
    .run = sg_op_close_run,
};

/* ---- listeners --------------------------------------------------------- */

static const struct op_field sg_listener_cols[] = {
    COL_INSTANCE,
    {.name = "listener", .type = &op_type_text, .brief = "name of it"},
    {.name = "transport",
	.type = &op_type_choice,
	.choices = sg_transports,
	.brief = "how SIP is carried"},
    {.name = "address", .type = &op_type_text, .brief = "where it listens"},
    {.name = "told",
	.type = &op_type_text,
	.brief = "host and port told to phones"},
    {.name = "domain",
	.type = &op_type_text,
	.brief = "domain of requests to an IP address"},
    {.name = "certificate", .type = &op_type_text, .brief = "shown by TLS"},
    {.name = "connections", .type = &op_type_int, .brief = "open now"},
    {.name = "error",
	.type = &op_type_text,
	.brief = "why it does not listen, or not as configured"},
    {0},
};

static void
sg_op_put_text(struct op_call *call, const char *col, const char *text)
{
	if (text[0] != '\0')
		op_put(call, col, text);
}

static void
sg_op_put_listener(struct op_call *call, const struct sg_listener *l)
{
	char at[ADDR_TEXT];

	addr_text(
	    at, l->sip != NULL ? sip_listener_address(l->sip) : &l->fed.at);
	sg_op_row(call);
	op_put(call, "listener", l->fed.name);
	op_put(call, "transport", sip_proto_name(l->proto));
	op_put(call, "address", at);
	sg_op_put_text(call, "told", l->place);
	sg_op_put_text(call, "domain", l->domain);
	sg_op_put_text(call, "certificate", l->fed.certificate);
	op_put_int(call, "connections",
	    l->sip != NULL ? (int64_t)sip_listener_conns(l->sip) : 0);
	sg_op_put_text(call, "error", l->fed.why.text);
}

static void
sg_op_listeners_run(struct op_call *call)
{
	struct sg *sg = sg_op_gate(call);
	const struct sg_listener *l = NULL;

	while ((l = sg_listener_next(sg, l)) != NULL)
		sg_op_put_listener(call, l);
	op_finish(call, NULL);
}

static const struct op sg_op_listeners = {
    .name = "show listeners",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_SG,
    .brief = "list where the gates listen for phones",
    .about = "Every listener of the configuration at the gate that runs it. "
	     "One that cannot be opened shows why and is tried again every "
	     "five seconds; one whose new certificate is of no use shows "
	     "that and goes on with the one it had.",
    .example = "show listeners",
    .cols = sg_listener_cols,
    .run = sg_op_listeners_run,
};

/* ---- bans -------------------------------------------------------------- */

static const struct op_field sg_ban_cols[] = {
    COL_INSTANCE,
    {.name = "address", .type = &op_type_address, .brief = "source"},
    {.name = "cause", .type = &op_type_text, .brief = "what it did"},
    {.name = "since", .type = &op_type_time, .brief = "banned when"},
    {.name = "left", .type = &op_type_duration, .brief = "how long it lasts"},
    {.name = "dropped",
	.type = &op_type_int,
	.flags = OP_GROWS,
	.brief = "messages dropped since"},
    {0},
};

static void
sg_op_put_ban(struct op_call *call, const struct sg_ban *b, uint64_t now)
{
	char host[ADDR_TEXT];

	addr_host(host, &b->addr);
	sg_op_row(call);
	op_put(call, "address", host);
	op_put(call, "cause", b->cause);
	op_put_time(call, "since", b->since);
	op_put_int(call, "left", (int64_t)((b->until - now) / CLOCK_SEC));
	op_put_int(call, "dropped", (int64_t)b->dropped);
}

static void
sg_op_bans_run(struct op_call *call)
{
	struct sg *sg = sg_op_gate(call);
	uint64_t now = clock_mono();
	const struct sg_ban *b;
	size_t at = 0;

	while ((b = map_next(&sg->guard.bans, &at, NULL, NULL)) != NULL) {
		if (now < b->until)
			sg_op_put_ban(call, b, now);
	}
	op_finish(call, NULL);
}

static const struct op sg_op_bans = {
    .name = "show bans",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_SG,
    .brief = "list addresses that the gates drop",
    .about = "Sources banned after too many wrong passwords or unanswered "
	     "challenges (object gate: ban-after, ban-time). An IPv6 source "
	     "is a whole /64.",
    .example = "show bans",
    .cols = sg_ban_cols,
    .run = sg_op_bans_run,
    .live = true,
};

static const struct op_field sg_unban_args[] = {
    {.name = "address",
	.type = &op_type_address,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "source to be heard again"},
    {0},
};

static void
sg_op_unban_run(struct op_call *call)
{
	struct sg *sg = sg_op_gate(call);
	uint64_t now = clock_mono();
	const struct sg_ban *b;
	union addr a;

	if (!addr_parse(&a, op_arg(call, "address"), 0) ||
	    (b = sg_guard_ban(&sg->guard, &a, now)) == NULL) {
		op_failf(call, ERR_ABSENT, "%s is not banned",
		    op_arg(call, "address"));
		return;
	}
	sg_op_put_ban(call, b, now);
	sg_guard_unban(&sg->guard, &a);
	op_finish(call, NULL);
}

static const struct op sg_op_unban = {
    .name = "request unban",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_EACH,
    .role = ROLE_SG,
    .brief = "lift the ban of an address at all gates",
    .about = "The address is heard again at once. Shows the bans that were "
	     "lifted; an address that no gate has banned is an error.",
    .example = "request unban 192.0.2.7",
    .args = sg_unban_args,
    .cols = sg_ban_cols,
    .run = sg_op_unban_run,
};

const struct op *const sg_ops[] = {&sg_op_flows, &sg_op_close, &sg_op_listeners,
    &sg_op_bans, &sg_op_unban, NULL};
