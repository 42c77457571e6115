/*
 * show alarms: what every process of this server says is wrong, and processes
 * that cannot say so because they cannot start. Other servers are asked for
 * theirs as for any list of our own (control_call.c).
 */
#include <string.h>

#include "control.h"
#include "daemon/base/str.h"

#define ALARM_TARGETS (ROLE_MAX * ROLE_INSTANCES)

/* Processes that cannot start, as the supervisor tells. */
static void
alarms_of_starts(struct op_call *call)
{
	struct control *c = control_of(call);
	const struct role_status *s;
	size_t at = 0;

	while ((s = map_next(&c->status, &at, NULL, NULL)) != NULL) {
		if (s->why[0] == '\0')
			continue;
		op_row(call);
		op_put_time(call, "since", s->failing);
		op_put(call, "alarm", "start");
		op_put(call, "subject", s->name);
		op_put(call, "server", c->self->server);
		op_put(call, "text", s->why);
	}
}

/* Without its audit nothing may be changed. */
static void
alarms_of_audit(struct op_call *call)
{
	struct control *c = control_of(call);
	uint64_t since;
	const struct err *why = audit_alarm(c->audit, &since);

	if (why == NULL)
		return;
	op_row(call);
	op_put_time(call, "since", since);
	op_put(call, "alarm", "audit");
	op_put(call, "subject", c->self->server);
	op_put(call, "server", c->self->server);
	op_put(call, "text", why->text);
}

/* A row of a process, as it came. */
static void
alarms_row(struct op_call *call, json_t *row)
{
	static const char *const cols[] = {"since", "alarm", "subject", "text"};
	const struct self *self = call->self;
	size_t i;

	op_row(call);
	for (i = 0; i < sizeof cols / sizeof cols[0]; i++)
		op_put(call, cols[i],
		    json_string_value(json_object_get(row, cols[i])));
	op_put(call, "server", self->server);
}

/* All have answered; who did not is in the warnings. */
static void
alarms_on_answers(
    void *arg, json_t *result, const struct err *e, json_t *err_data)
{
	struct op_call *call = arg;
	json_t *item;
	size_t i;

	(void)e;
	(void)err_data;
	json_array_foreach (json_object_get(result, "data"), i, item)
		alarms_row(call, item);
	json_array_foreach (json_object_get(result, "warn"), i, item)
		op_warn(call, "%s", json_string_value(item));
	call->partial = json_is_true(json_object_get(result, "partial"));
	op_finish(call, NULL);
}

static void
alarms_run(struct op_call *call)
{
	struct control *c = control_of(call);
	struct each_target to[ALARM_TARGETS];
	size_t n = 0;
	int id;

	alarms_of_starts(call);
	alarms_of_audit(call);
	trace_alarms(call);
	for (id = 0; id < ROLE_MAX; id++) {
		if (c->self->roles[id] != NULL &&
		    c->self->roles[id]->alarms != NULL)
			n += control_targets(
			    c, (enum role_id)id, to + n, ALARM_TARGETS - n);
	}
	each_call(&c->eaches, "alarms", NULL, to, n, alarms_on_answers, call);
}

static const struct op_field alarms_cols[] = {
    {.name = "since", .type = &op_type_time, .brief = "when it was found"},
    {.name = "alarm", .type = &op_type_text, .brief = "what is wrong"},
    {.name = "subject", .type = &op_type_text, .brief = "with what"},
    {.name = "server", .type = &op_type_name, .brief = "that tells"},
    {.name = "text", .type = &op_type_text, .brief = "in words"},
    {0},
};

const struct op control_op_alarms = {
    .name = "show alarms",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "list what is wrong with the site",
    .about =
	"Each alarm once, told by one server, and logged when it begins and "
	"ends; what is wrong with the replication is looked for every "
	"second. server-down: it is not heard. "
	"no-owner: nobody owns the key, so nothing of it can be written. "
	"degraded: fewer servers hold what is acknowledged than could; the "
	"loss of those may lose it. behind: a follower has not answered for "
	"two seconds. apart: this server decides alone, as of two that prefer "
	"availability either may; what it acknowledges may be given up when "
	"they meet. waits: a server that was started anew has not heard the "
	"others, and decides nothing before it has. conflict: something was "
	"given up and is to be looked at, see show conflicts. replica-lost: a "
	"database was damaged; it is made anew "
	"from another server's, and told for ten minutes after that. "
	"damaged: a page of a database does not fit its sum and no other "
	"server has it; what stands there is not read until it was written "
	"anew, of a domain at once from its history. wal: a reader that does not end keeps a "
	"database's -wal above 64 MB. disk: less than a twentieth of the "
	"server's disk is left, at most 4 GB and at least 128 MB; with less "
	"than 72 MB other servers take over. log-full, log-failed: the ship log of "
	"the server takes nothing. trace: the disk of the server is full, so "
	"calls are recorded for a shorter time, or not at all; the calls "
	"themselves go on. listener: the gates do not listen as the "
	"subject of the configuration says, for the reason given; it is "
	"tried again every five seconds. start: a process cannot start, for "
	"example because somebody else has its port; the words name the "
	"setting, and it is tried again with growing pauses. audit: what "
	"operators do cannot be written down on that server, so nothing may "
	"be changed from there.",
    .example = "show alarms",
    .cols = alarms_cols,
    .run = alarms_run,
    .live = true,
};
