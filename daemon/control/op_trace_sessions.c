/* Operation show trace sessions: who follows calls. */
#include <string.h>

#include "control.h"
#include "daemon/base/buf.h"

/* "code=400-499 from=101". */
static void
sessions_put_filter(struct op_call *call, json_t *args)
{
	struct buf b = BUF_INIT;
	const char *name;
	json_t *v;

	json_object_foreach (args, name, v) {
		if (json_is_string(v))
			buf_fmt(&b, "%s%s=%s", b.len > 0 ? " " : "", name,
			    json_string_value(v));
	}
	op_put(call, "filter", b.data != NULL ? b.data : "");
	buf_fini(&b);
}

/* Somebody who has a part of the tree sees themselves, and those whose part
 * lies within it. */
static bool
sessions_sees(const struct op_who *who, const struct op_who *other)
{
	return !op_is_limited(who) || strcmp(who->name, other->name) == 0 ||
	    (op_is_limited(other) && op_sees(who, other->domain));
}

static void
sessions_row(void *arg, const struct follow_state *s)
{
	struct op_call *call = arg;

	if (!sessions_sees(&call->who, s->who))
		return;
	op_row(call);
	op_put(call, "session", s->who->session);
	op_put(call, "operator", s->who->name);
	sessions_put_filter(call, s->args);
	op_put_time(call, "since", s->since);
	op_put_int(call, "calls", s->calls);
	op_put_int(call, "lost", (int64_t)s->lost);
}

static void
sessions_run(struct op_call *call)
{
	follow_each(control_of(call), sessions_row, call);
	op_finish(call, NULL);
}

static const struct op_field sessions_cols[] = {
    {.name = "session",
	.type = &op_type_session,
	.brief = "of the console or program"},
    {.name = "operator", .type = &op_type_text, .brief = "who follows"},
    {.name = "filter",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "which calls, for how long"},
    {.name = "since", .type = &op_type_time, .brief = "when it began"},
    {.name = "calls",
	.type = &op_type_int,
	.flags = OP_GROWS,
	.brief = "that it was shown"},
    {.name = "lost",
	.type = &op_type_int,
	.flags = OP_GROWS,
	.brief = "records of the recorders since it began"},
    {0},
};

const struct op control_op_trace_sessions = {
    .name = "show trace sessions",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "who follows calls now",
    .about = "Each monitor trace of all servers. Who has a part of the tree "
	     "of domains sees their own, and those of administrators whose "
	     "part lies within it.",
    .example = "show trace sessions",
    .cols = sessions_cols,
    .run = sessions_run,
};
