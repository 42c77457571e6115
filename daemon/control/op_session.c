/*
 * Operations on who administers the site now: show sessions, request session
 * close, request session message; and on what each of them may, show rights.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* ---- show sessions --------------------------------------------------------
 */

static int64_t
sessions_age(uint64_t since)
{
	uint64_t now = clock_real();

	return now > since ? (int64_t)((now - since) / CLOCK_SEC) : 0;
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
sessions_row(struct op_call *call, const struct session *s)
{
	op_row(call);
	op_put(call, "session", s->who.session);
	op_put(call, "operator", s->who.name);
	op_put(call, "role", admin_role_names[s->who.role]);
	op_put(call, "domain", s->who.domain[0] != '\0' ? s->who.domain : NULL);
	op_put(call, "from", s->who.from);
	op_put_int(call, "pid", s->pid);
	op_put_time(call, "since", s->since);
	op_put_int(call, "idle", sessions_age(s->last));
	op_put_int(call, "operations", (int64_t)s->calls);
	op_put_bool(
	    call, "own", strcmp(s->who.session, call->who.session) == 0);
}

static void
sessions_run(struct op_call *call)
{
	const struct session *s;

	TAILQ_FOREACH (s, &control_of(call)->sessions, entry) {
		if (s->entered && sessions_sees(&call->who, &s->who))
			sessions_row(call, s);
	}
	op_finish(call, NULL);
}

static const struct op_field sessions_cols[] = {
    {.name = "session", .type = &op_type_session, .brief = "its id"},
    {.name = "operator", .type = &op_type_text, .brief = "who"},
    {.name = "role", .type = &op_type_name, .brief = "what they may do"},
    {.name = "domain",
	.type = &op_type_domain,
	.brief = "it and those below are all they see"},
    {.name = "from", .type = &op_type_text, .brief = "from where"},
    {.name = "pid", .type = &op_type_int, .brief = "process of the console"},
    {.name = "since", .type = &op_type_time, .brief = "when it began"},
    {.name = "idle",
	.type = &op_type_duration,
	.brief = "since its last operation"},
    {.name = "operations",
	.type = &op_type_int,
	.flags = OP_GROWS,
	.brief = "it has asked for"},
    {.name = "own", .type = &op_type_bool, .brief = "this very session"},
    {0},
};

const struct op control_op_sessions = {
    .name = "show sessions",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "consoles that are connected",
    .about =
	"Each has a candidate of its own. From is local, or ssh and the "
	"address that the console was called from, see tandem-ssh(7), or "
	"https and the address of a program or of a console elsewhere; of "
	"another server's it is as that server has it. Who has a part of the "
	"tree of domains sees their own sessions, and those of "
	"administrators whose part lies within it.",
    .example = "show sessions",
    .cols = sessions_cols,
    .run = sessions_run,
    .live = true,
};

/* ---- request session close, message ---------------------------------------
 */

/* The session that the call names, or the call ends. */
static struct session *
session_named(struct op_call *call)
{
	struct session *s = session_find(
	    control_of(call), op_arg(call, "session"));

	if (s != NULL && s->entered)
		return s;
	op_failf(call, ERR_ABSENT, "there is no session %s",
	    op_arg(call, "session"));
	return NULL;
}

static void
close_run(struct op_call *call)
{
	struct session *s = session_named(call);
	struct err why;

	if (s == NULL)
		return;
	log_info("session=%s operator=%s closed by %s", s->who.session,
	    s->who.name, call->who.name);
	err_set(
	    &why, ERR_CLOSED, "this session was closed by %s", call->who.name);
	session_end(s, &why);
	op_finish(call, NULL);
}

static void
message_run(struct op_call *call)
{
	struct session *s = session_named(call);

	if (s == NULL)
		return;
	session_tell(s, call->who.name, op_arg(call, "text"));
	op_finish(call, NULL);
}

static const struct op_field close_args[] = {
    {.name = "session",
	.type = &op_type_session,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "as show sessions names it"},
    {0},
};

const struct op control_op_session_close = {
    .name = "request session close",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_CONTROL,
    .brief = "end the session of a console",
    .about = "Its console is told by whom. What it has begun goes on; its "
	     "candidate is treated as if it had left by itself. Nothing keeps "
	     "the operator from coming back: for that, delete the "
	     "administrator or set its state off.",
    .example = "request session close srv1.7f31c2",
    .args = close_args,
    .run = close_run,
};

static const struct op_field message_args[] = {
    {.name = "session",
	.type = &op_type_session,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "as show sessions names it"},
    {.name = "text",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 400,
	.brief = "what shall be read there"},
    {0},
};

const struct op control_op_session_message = {
    .name = "request session message",
    .kind = OP_ACTION,
    .access = OP_OPERATOR,
    .where = OP_CONTROL,
    .brief = "show words on another console",
    .about = "They appear there at once, with the name of who sends them, "
	     "whatever is being typed. A script prints them to standard error.",
    .example = "request session message srv1.7f31c2 \"back in ten minutes\"",
    .args = message_args,
    .run = message_run,
};

/* ---- show rights ----------------------------------------------------------
 */

static int
rights_order(const void *a, const void *b)
{
	const struct op *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void
rights_row(struct op_call *call, const struct op *op)
{
	int role;

	op_row(call);
	op_put(call, "operation", op->name);
	for (role = ADMIN_NOBODY + 1; role < ADMIN_ROLES; role++)
		op_put_bool(call, admin_role_names[role],
		    op_allows(op, (enum admin_role)role, false));
	op_put_bool(call, "within-domain", op_allows(op, ADMIN_DOMAIN, true));
}

/* By their names: the table has them as the roles bring them. */
static void
rights_run(struct op_call *call)
{
	const struct op *const *ops = control_of(call)->self->table->ops;
	const struct op **list;
	size_t n = 0, i;

	while (ops[n] != NULL)
		n++;
	list = xcalloc(n + 1, sizeof(*list));
	memcpy(list, ops, n * sizeof(*list));
	qsort(list, n, sizeof(*list), rights_order);
	for (i = 0; i < n; i++)
		rights_row(call, list[i]);
	free(list);
	op_finish(call, NULL);
}

static const struct op_field rights_cols[] = {
    {.name = "operation", .type = &op_type_text, .brief = "its words"},
    {.name = "viewer", .type = &op_type_bool, .brief = "looks on"},
    {.name = "support", .type = &op_type_bool, .brief = "sees what failed"},
    {.name = "domain-admin",
	.type = &op_type_bool,
	.brief = "configures what is below a domain"},
    {.name = "operator",
	.type = &op_type_bool,
	.brief = "acts on running state"},
    {.name = "site-admin", .type = &op_type_bool, .brief = "everything"},
    {.name = "auditor", .type = &op_type_bool, .brief = "sees everything"},
    {.name = "within-domain",
	.type = &op_type_bool,
	.flags = OP_DETAIL,
	.brief = "also for a viewer or support of one domain"},
    {0},
};

const struct op control_op_rights = {
    .name = "show rights",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "which role of administrators may run what",
    .about = "Computed from the table of operations, as every server does it "
	     "for each call. tandem-admin(7) explains the roles.",
    .example = "show rights",
    .cols = rights_cols,
    .run = rights_run,
};
