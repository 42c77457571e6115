/*
 * Faults: asked of our own supervisor, or of the control of the server whose
 * process it is; and what another control asks of ours. That an administrator
 * wants it is looked at on both sides.
 */
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* One that the supervisor has been asked for. */
struct drill_fault {
	TAILQ_ENTRY(drill_fault) entry;
	uint32_t serial;
	drill_fault_fn *fn;
	void *arg;
};

static void
fault_on_made(struct self *self, const struct role_fault *a)
{
	struct control *c = self->state_of_role;
	struct drill_fault *f;
	struct err e;

	TAILQ_FOREACH (f, &c->faults, entry) {
		if (f->serial == a->serial)
			break;
	}
	if (f == NULL)
		return;
	TAILQ_REMOVE(&c->faults, f, entry);
	err_set(&e, a->code, "%s: %s", a->instance, err_text(a->code));
	f->fn(f->arg, a->code != ERR_NONE ? &e : NULL);
	free(f);
}

static void
fault_here(struct control *c, const struct role_fault *what, drill_fault_fn *fn,
    void *arg)
{
	struct drill_fault *f = xcalloc(1, sizeof *f);
	struct role_fault ask = *what;

	f->serial = ask.serial = ++c->fault_serial;
	f->fn = fn;
	f->arg = arg;
	TAILQ_INSERT_TAIL(&c->faults, f, entry);
	role_fault(c->self, &ask);
}

/* ---- of another server --------------------------------------------------- */

struct fault_there {
	drill_fault_fn *fn;
	void *arg;
};

/* A server whose every process was killed cannot say so. */
static void
fault_on_reply(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct fault_there *t = arg;

	(void)result;
	(void)data;
	t->fn(t->arg, e);
	free(t);
}

void
drill_fault(struct control *c, const char *server, const struct role_fault *f,
    const struct op_who *who, drill_fault_fn *fn, void *arg)
{
	struct fault_there *t;
	struct each_target to = {.far = true};
	struct far *far;

	if (strcmp(server, c->self->server) == 0) {
		fault_here(c, f, fn, arg);
		return;
	}
	far = far_find(c, server);
	to.rpc = far != NULL ? far->rpc : NULL;
	str_copy(to.name, sizeof to.name, server);
	t = xcalloc(1, sizeof *t);
	t->fn = fn;
	t->arg = arg;
	each_call(&c->eaches, "fault",
	    json_pack("{s:i, s:s, s:i, s:o}", "kind", (int)f->kind, "instance",
		f->instance, "ms", (int)f->ms, "who", op_who_encode(who)),
	    &to, 1, fault_on_reply, t);
}

/* ---- asked by another control -------------------------------------------- */

static void
fault_answer(void *arg, const struct err *e)
{
	if (e != NULL)
		rpc_fail(arg, e);
	else
		rpc_reply(arg, json_pack("{s:[], s:[]}", "data", "warn"));
}

void
drill_fault_asked(struct control *c, struct rpc_request *q, json_t *params)
{
	struct role_fault f = {0};
	const char *instance;
	struct op_who who;
	struct err e;
	int kind, ms;

	if (json_unpack(params, "{s:i, s:s, s:i}", "kind", &kind, "instance",
		&instance, "ms", &ms) != 0 ||
	    kind < 0 || kind >= ROLE_FAULTS || ms < 0 ||
	    !str_copy(f.instance, sizeof f.instance, instance)) {
		rpc_failf(q, ERR_INVALID, "fault: expected kind, instance, ms");
		return;
	}
	if (!op_who_decode(&who, json_object_get(params, "who")) ||
	    op_permit(&control_op_drill_role, &who, NULL, &e) != 0) {
		rpc_failf(q, ERR_PERMISSION, "fault: not permitted");
		return;
	}
	f.kind = (enum role_fault_kind)kind;
	f.ms = (uint32_t)ms;
	fault_here(c, &f, fault_answer, q);
}

static void
drill_answer_rows(void *arg, json_t *have, const struct err *e)
{
	if (e != NULL)
		rpc_fail(arg, e);
	else
		rpc_reply(arg,
		    json_pack(
			"{s:[{s:O}], s:[]}", "data", "have", have, "warn"));
}

void
drill_read_asked(struct control *c, struct rpc_request *q, json_t *params)
{
	const char *key, *as, *session;
	json_int_t until;

	if (json_unpack(params, "{s:s, s:s, s:s, s:I}", "key", &key, "as", &as,
		"session", &session, "until", &until) != 0)
		rpc_failf(q, ERR_INVALID,
		    "drill-read: expected key, as, session, until");
	else
		drill_read(
		    c, key, as, session, (uint64_t)until, drill_answer_rows, q);
}

void
drill_open(struct control *c)
{
	TAILQ_INIT(&c->faults);
	role_on_faulted(c->self, fault_on_made);
}
