/* What all operations of the store do before and after their own work. */
#include "st_op.h"

bool
st_op_refuse(struct st *st, struct op_call *call, const struct err *why)
{
	if (why != NULL)
		op_finish(call, why);
	else if (!st->serving)
		op_failf(call, ERR_NOOWNER, "this store does not serve");
	return why != NULL || !st->serving;
}

void
st_op_enter(struct op_call *call, st_work_fn *fn)
{
	struct st *st = st_of(call);

	if (!st_op_refuse(st, call, NULL))
		st_gate_enter(st, fn, call);
}

struct stream *
st_op_commit_stream(struct st *st)
{
	return st_stream_find(st, "commit")->stream;
}

const char *
st_op_shown(const struct obj *const *objs, const char *path, const char *field,
    const char *value)
{
	const struct op_field *f;
	struct obj_path p;

	if (value == NULL || field[0] == '\0')
		return value;
	if (obj_path_parse(objs, path, &p, NULL) != 0)
		return OP_MASK;
	f = obj_field(p.obj, field);
	return f == NULL || f->type->secret ? OP_MASK : value;
}
