/*
 * "monitor alarms" out of "show alarms": for each list that is worth watching
 * an operation with the same arguments, which goes on telling what comes and
 * what goes. What does the watching is not of this room.
 */
#include <string.h>

#include "op.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define MONITOR_VERB "monitor"

static const char *const monitor_changes[] = {
    OP_MONITOR_IS, OP_MONITOR_NEW, OP_MONITOR_GONE, NULL};

static const struct op_field monitor_column = {
    .name = OP_MONITOR_CHANGE,
    .type = &op_type_choice,
    .choices = monitor_changes,
    .brief = "is: when it began; new, gone: since",
};

static const struct op_field monitor_args[] = {
    {.name = "every",
	.type = &op_type_int,
	.def = "1",
	.min = 1,
	.max = 3600,
	.brief = "seconds from one look to the next"},
    {.name = "for",
	.type = &op_type_int,
	.min = 1,
	.max = 86400,
	.brief = "seconds until it ends by itself"},
};
#define MONITOR_ARGS (sizeof monitor_args / sizeof monitor_args[0])

static size_t
monitor_count(const struct op_field *f)
{
	size_t n = 0;

	while (f != NULL && f[n].name != NULL)
		n++;
	return n;
}

/* Some fields, and some more behind them. */
static const struct op_field *
monitor_join(
    const struct op_field *a, size_t na, const struct op_field *b, size_t nb)
{
	struct op_field *list = xcalloc(na + nb + 1, sizeof *list);

	if (na != 0)
		memcpy(list, a, na * sizeof *a);
	if (nb != 0)
		memcpy(list + na, b, nb * sizeof *b);
	return list;
}

/* Lives as long as the process, like the record that it is made of. */
static const struct op *
monitor_of(const struct op *of, void (*run)(struct op_call *))
{
	struct op *op = xcalloc(1, sizeof *op);

	*op = *of;
	op->name = xasprintf(MONITOR_VERB "%s", strchr(of->name, ' '));
	op->where = OP_CONTROL;
	op->brief = xasprintf("%s, and then what changes", of->name);
	op->about = "Shows the list, and then row by row what is new and what "
		    "is gone; a row that has changed goes and comes. Columns "
		    "that only grow with the time are not compared. While a "
		    "server does not answer nothing is called gone. Ends with "
		    "Ctrl-C, with for after so many seconds, and when its "
		    "session does.";
	op->example = xasprintf("%s for 1", op->name);
	op->args = monitor_join(
	    of->args, monitor_count(of->args), monitor_args, MONITOR_ARGS);
	op->cols = monitor_join(
	    &monitor_column, 1, of->cols, monitor_count(of->cols));
	op->run = run;
	op->live = false;
	op->of = of;
	return op;
}

const struct op *const *
op_monitors(const struct op *const *ops, void (*run)(struct op_call *))
{
	const struct op **list;
	size_t n, m = 0, i;

	for (n = 0; ops[n] != NULL; n++)
		m += ops[n]->live;
	list = xcalloc(n + m + 1, sizeof(*list));
	memcpy(list, ops, n * sizeof(*list));
	for (i = 0, m = n; i < n; i++) {
		if (ops[i]->live)
			list[m++] = monitor_of(ops[i], run);
	}
	return list;
}

bool
op_is_monitor(const struct op *op)
{
	return str_prefix(op->name, MONITOR_VERB " ");
}
