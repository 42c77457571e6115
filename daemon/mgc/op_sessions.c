/*
 * Operations of the controller: which call is at which gate, and the gates.
 */
#include <string.h>

#include "mgc.h"
#include "daemon/op/op.h"
#include "daemon/role/role.h"

static const char *const session_states[] = {"offered", "placed", "lost", NULL};

static const struct op_field session_args[] = {
    {.name = "gate",
	.type = &op_type_instance,
	.brief = "only sessions at this gate"},
    {0},
};

static const struct op_field session_cols[] = {
    {.name = "call", .type = &op_type_text, .brief = "media call-id"},
    {.name = "gate",
	.type = &op_type_instance,
	.brief = "media gate that relays it"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = session_states,
	.brief = "lost: the gate has ended since"},
    {.name = "created",
	.type = &op_type_time,
	.brief = "when it was given a gate"},
    {0},
};

static void
sessions_show(struct op_call *call)
{
	const struct mgc *m = ((struct self *)call->self)->state_of_role;
	const char *gate = op_arg(call, "gate");
	const struct mgc_session *s;

	for (s = TAILQ_FIRST(&m->list); s != NULL; s = TAILQ_NEXT(s, entry)) {
		if (gate != NULL && strcmp(gate, s->gate->key) != 0)
			continue;
		op_row(call);
		op_put(call, "call", s->id);
		op_put(call, "gate", s->gate->key);
		op_put(call, "state",
		    mgc_session_is_lost(s) ? "lost"
			: s->answered	   ? "placed"
					   : "offered");
		op_put_time(call, "created", s->created);
	}
	op_finish(call, NULL);
}

static const struct op op_show_media_sessions = {
    .name = "show media-sessions",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_OWNER,
    .role = ROLE_MGC,
    .brief = "calls with media, and their gates",
    .about = "A row for each call that the media gate controller has given a "
	     "gate. A lost session is one whose gate ended: its call goes on "
	     "without sound until it is invited anew.",
    .example = "show media-sessions",
    .args = session_args,
    .cols = session_cols,
    .run = sessions_show,
};

static const char *const gate_states[] = {"serving", "down", NULL};

static const struct op_field gate_cols[] = {
    {.name = "gate", .type = &op_type_instance, .brief = "instance of mg"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = gate_states,
	.brief = "whether calls are given to it"},
    {.name = "address",
	.type = &op_type_text,
	.brief = "where it is ordered, inside"},
    {.name = "sessions", .type = &op_type_int, .brief = "calls placed there"},
    {.name = "orders", .type = &op_type_int, .brief = "commands sent to it"},
    {.name = "failures", .type = &op_type_int, .brief = "commands not obeyed"},
    {0},
};

static void
gates_show(struct op_call *call)
{
	const struct mgc *m = ((struct self *)call->self)->state_of_role;
	const struct mgc_gate *g;
	char text[ADDR_TEXT];

	for (g = TAILQ_FIRST(&m->gates); g != NULL; g = TAILQ_NEXT(g, entry)) {
		op_row(call);
		op_put(call, "gate", g->key);
		op_put(call, "state", g->serving ? "serving" : "down");
		if (g->at.sa.sa_family != AF_UNSPEC) {
			addr_text(text, &g->at);
			op_put(call, "address", text);
		}
		op_put_int(call, "sessions", (int64_t)g->sessions);
		op_put_int(call, "orders", (int64_t)g->orders);
		op_put_int(call, "failures", (int64_t)g->failures);
	}
	op_finish(call, NULL);
}

static const struct op op_show_media_gates = {
    .name = "show media-gates",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_OWNER,
    .role = ROLE_MGC,
    .brief = "media gates, as their controller sees them",
    .about = "A new call goes to the serving gate with the fewest sessions. "
	     "Failures are refusals (no ports, not ready) and silence; the "
	     "log of the controller has their words.",
    .example = "show media-gates",
    .cols = gate_cols,
    .run = gates_show,
};

const struct op *const mgc_ops[] = {
    &op_show_media_sessions, &op_show_media_gates, NULL};
