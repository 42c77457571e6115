/*
 * Switches of owners and how long their phases took, told and logged by the
 * server that noticed and proposed what led to them. Noticed: a server was
 * heard last, a process died, an operator asked. Decided: raft said so.
 * Serving: the new owner has said, through raft again, that it serves; from
 * its server the others know it a little earlier.
 */
#include <stdio.h>
#include <string.h>

#include "quorum.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

static void
switch_owner(const struct ownership_machine *m, const struct ownership_key *k,
    char out[OWNER_INSTANCE])
{
	out[0] = '\0';
	if (k->epoch != 0 && k->server < OWNERSHIP_SERVERS)
		snprintf(out, OWNER_INSTANCE, "%.15s/%u@%.32s",
		    m->role[k->role], k->index + 1u, m->server[k->server].name);
}

/* Another owner: the beginning of an event. */
static void
switch_begin(struct quorum *q, const struct ownership_key *k,
    const struct switch_seen *was, enum ownership_type cause, uint64_t noticed)
{
	struct switches *s = &q->switches;
	struct switch_event *v = &s->event[s->n++ % SWITCH_EVENTS];
	memset(v, 0, sizeof *v);
	str_copy(v->key, sizeof v->key, k->name);
	str_copy(v->from, sizeof v->from, was->owner);
	switch_owner(&q->machine, k, v->to);
	v->epoch = k->epoch;
	v->cause = cause;
	v->at = clock_real();
	v->decided = clock_mono();
	v->noticed = noticed;
}

static void
switch_serves(struct quorum *q, const struct ownership_key *k)
{
	struct switches *s = &q->switches;
	size_t i;

	for (i = 0; i < SWITCH_EVENTS; i++) {
		struct switch_event *v = &s->event[i];

		if (v->epoch != k->epoch || v->serving != 0 ||
		    strcmp(v->key, k->name) != 0)
			continue;
		v->serving = clock_mono();
		log_info("switch key=%s epoch=%llu from=%s to=%s cause=%s "
			 "decided_us=%llu serving_us=%llu",
		    v->key, (unsigned long long)v->epoch,
		    v->from[0] != '\0' ? v->from : "-", v->to,
		    ownership_type_name(v->cause),
		    (unsigned long long)(v->decided - v->noticed),
		    (unsigned long long)(v->serving - v->noticed));
	}
}

void
switch_look(struct quorum *q, enum ownership_type cause, uint64_t noticed)
{
	struct switches *s = &q->switches;
	size_t i;

	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		const struct ownership_key *k = &q->machine.key[i];
		struct switch_seen *was = &s->seen[i];

		if (k->name[0] == '\0')
			continue;
		if (noticed != 0 && q->current && k->epoch != was->epoch)
			switch_begin(q, k, was, cause, noticed);
		if (k->state == OWNER_SERVING)
			switch_serves(q, k);
		if (k->epoch != was->epoch)
			switch_owner(&q->machine, k, was->owner);
		was->epoch = k->epoch;
	}
}

/* ---- show switches ------------------------------------------------------ */

static const struct op_field switches_cols[] = {
    {.name = "time", .type = &op_type_time, .brief = "of the decision"},
    {.name = "key", .type = &op_type_text, .brief = "what changed its owner"},
    {.name = "epoch", .type = &op_type_int, .brief = "of the new owner"},
    {.name = "from", .type = &op_type_text, .brief = "owner before"},
    {.name = "to", .type = &op_type_text, .brief = "owner since"},
    {.name = "cause",
	.type = &op_type_text,
	.brief = "decision that led to it, as server-down, instances, move"},
    {.name = "decided-us",
	.type = &op_type_int,
	.brief = "microseconds from what was noticed to the decision"},
    {.name = "serving-us",
	.type = &op_type_int,
	.brief = "microseconds until it was decided that the new owner serves"},
    {0},
};

static void
switches_run(struct op_call *call)
{
	const struct self *self = call->self;
	const struct quorum *q = self->state_of_role;
	const struct switches *s = &q->switches;
	uint64_t i = s->n > SWITCH_EVENTS ? s->n - SWITCH_EVENTS : 0;

	for (; i < s->n; i++) {
		const struct switch_event *v = &s->event[i % SWITCH_EVENTS];

		op_row(call);
		op_put_time(call, "time", v->at);
		op_put(call, "key", v->key);
		op_put_int(call, "epoch", (int64_t)v->epoch);
		if (v->from[0] != '\0')
			op_put(call, "from", v->from);
		op_put(call, "to", v->to);
		op_put(call, "cause", ownership_type_name(v->cause));
		op_put_int(
		    call, "decided-us", (int64_t)(v->decided - v->noticed));
		if (v->serving != 0)
			op_put_int(call, "serving-us",
			    (int64_t)(v->serving - v->noticed));
	}
	op_finish(call, NULL);
}

const struct op switch_op = {
    .name = "show switches",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_QUORUM,
    .brief = "list changes of owners and how long they took",
    .about = "Each switch once, by the server that noticed and proposed what "
	     "led to it, the last 64 since its quorum process began. Times are "
	     "counted from what was noticed: when a server was heard last, a "
	     "process died, an operator asked. They are in the log of that "
	     "server too.",
    .example = "show switches",
    .cols = switches_cols,
    .run = switches_run,
    .live = true,
};
