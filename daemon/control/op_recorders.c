/* Operation show recorders: how far back calls are recorded. */
#include "control.h"

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
