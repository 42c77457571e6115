/*
 * Operations asked over a link, and the counters of the process. Control is
 * the only one that asks: another process cannot say who an operator is. It
 * has looked at the rights; they are looked at again here, as the arguments
 * are, where they are used.
 */
#include <string.h>

#include "role_wire.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "role_frame.h"

/* The call is over: its rows or its error go back over the link. */
static void
role_ops_done(void *arg, struct op_call *call, const struct err *e)
{
	struct rpc_request *q = arg;

	if (e == NULL)
		rpc_reply(q, op_result(call));
	else
		rpc_fail_data(q, e, json_incref(call->err_data));
}

/* Every counter of this process. */
static json_t *
role_ops_statistics(struct self *self)
{
	const struct role_stat *s;
	json_t *list = json_array();
	unsigned i;

	for (i = 0; i < self->frame->nstats; i++) {
		for (s = self->frame->stats[i]; s->name != NULL; s++)
			json_array_append_new(list,
			    json_pack("{s:s, s:s, s:I}", "name", s->name,
				"brief", s->brief, "value",
				(json_int_t)*s->value));
	}
	return list;
}

void
role_alarm(json_t *rows, uint64_t since, const char *alarm, const char *subject,
    const char *text)
{
	char when[CLOCK_TEXT];

	clock_text(when, since);
	json_array_append_new(rows,
	    json_pack("{s:s, s:s, s:s, s:s}", "since", when, "alarm", alarm,
		"subject", subject, "text", text));
}

/* What is wrong with this process, and what it knows of. */
static json_t *
role_ops_alarms(struct self *self)
{
	json_t *rows = json_array();

	if (self->role->alarms != NULL)
		self->role->alarms(self, rows);
	return rows;
}

bool
role_dispatch(struct self *self, const struct peer *from, struct rpc_request *q,
    const char *method, json_t *params)
{
	const struct op *op;
	struct op_who who;

	if (q == NULL)
		return false;
	if (strcmp(method, "statistics") == 0) {
		rpc_reply(q, role_ops_statistics(self));
		return true;
	}
	if (strcmp(method, "alarms") == 0) {
		rpc_reply(q, role_ops_alarms(self));
		return true;
	}
	op = op_find(self->table, method);
	if (op == NULL || op->where == OP_CONTROL || op->role != self->id ||
	    from->role != ROLE_CONTROL)
		return false;
	op_who_decode(&who, json_object_get(params, "who"));
	op_run(
	    op, json_object_get(params, "args"), &who, self, role_ops_done, q);
	return true;
}
