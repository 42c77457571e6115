/*
 * Operations on what the site is made of, show servers, and on who administers
 * it now, show sessions. Listeners are shown by the gates themselves.
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"

static const struct obj *
site_object(const struct control *c, const char *top, const char *below)
{
	const struct obj *const *objs = c->self->table->objs;
	const struct obj *o = obj_find(objs, NULL, top);

	return below != NULL ? obj_find(objs, o, below) : o;
}

/* Walk all rows of an object of the site; the call ends on error. */
static bool
site_each(struct op_call *call, const struct obj *o, obj_each_fn *fn)
{
	struct control *c = control_of(call);
	struct obj_path kind = {.obj = o};
	char stream[STREAM_NAME];
	sqlite3 *site;
	struct err e;

	snprintf(stream, sizeof stream, "site/%s", c->self->site);
	site = streams_db(c->streams, stream);
	if (site == NULL)
		err_set(&e, ERR_BUSY, "the site cannot be read now");
	else if (obj_each(site, &kind, NULL, 0, fn, call, &e) == 0)
		return true;
	op_finish(call, &e);
	return false;
}

/* ---- show servers
 * ------------------------------------------------------------- */

static int
servers_row(void *arg, struct obj_row *row, struct err *e)
{
	struct op_call *call = arg;
	const struct self *self = call->self;

	(void)e;
	op_row(call);
	op_put(call, "server", row->path.key[0]);
	op_put_bool(call, "here", strcmp(row->path.key[0], self->server) == 0);
	op_put(call, "inside", obj_value(row, "inside"));
	if (obj_value(row, "port-base") != NULL)
		op_put_int(
		    call, "port-base", obj_value_int(row, "port-base", 0));
	op_put(call, "media-address", obj_value(row, "media-address"));
	op_put(call, "media-ports", obj_value(row, "media-ports"));
	op_put(call, "description", obj_value(row, "description"));
	return 0;
}

static void
servers_run(struct op_call *call)
{
	const struct control *c = control_of(call);

	if (site_each(call, site_object(c, "server", NULL), servers_row))
		op_finish(call, NULL);
}

static const struct op_field servers_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "its name"},
    {.name = "here", .type = &op_type_bool, .brief = "the one that answers"},
    {.name = "inside",
	.type = &op_type_address,
	.brief = "address inside the site"},
    {.name = "port-base",
	.type = &op_type_port,
	.brief = "first port of its processes"},
    {.name = "media-address",
	.type = &op_type_address,
	.brief = "told to phones for RTP"},
    {.name = "media-ports",
	.type = &op_type_ports,
	.brief = "of its media gates"},
    {.name = "description",
	.type = &op_type_text,
	.brief = "note for operators"},
    {0},
};

const struct op control_op_servers = {
    .name = "show servers",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "servers of the site",
    .about = "Inside address and port base come from the boot file of each "
	     "server, the rest is configuration.",
    .example = "show servers",
    .cols = servers_cols,
    .run = servers_run,
};

/* ---- show sessions
 * ---------------------------------------------------------------- */

static int64_t
sessions_age(uint64_t since)
{
	uint64_t now = clock_real();

	return now > since ? (int64_t)((now - since) / CLOCK_SEC) : 0;
}

static void
sessions_run(struct op_call *call)
{
	const struct session *s;

	TAILQ_FOREACH (s, &control_of(call)->sessions, entry) {
		op_row(call);
		op_put(call, "session", s->who.session);
		op_put(call, "operator", s->who.name);
		op_put(call, "from", s->who.from);
		op_put_int(call, "pid", s->pid);
		op_put_time(call, "since", s->since);
		op_put_int(call, "idle", sessions_age(s->last));
		op_put_int(call, "operations", (int64_t)s->calls);
		op_put_bool(call, "own",
		    strcmp(s->who.session, call->who.session) == 0);
	}
	op_finish(call, NULL);
}

static const struct op_field sessions_cols[] = {
    {.name = "session", .type = &op_type_text, .brief = "its id"},
    {.name = "operator", .type = &op_type_text, .brief = "who"},
    {.name = "from", .type = &op_type_text, .brief = "from where"},
    {.name = "pid", .type = &op_type_int, .brief = "process of the console"},
    {.name = "since", .type = &op_type_time, .brief = "when it began"},
    {.name = "idle",
	.type = &op_type_duration,
	.brief = "since its last operation"},
    {.name = "operations", .type = &op_type_int, .brief = "it has asked for"},
    {.name = "own", .type = &op_type_bool, .brief = "this very session"},
    {0},
};

const struct op control_op_sessions = {
    .name = "show sessions",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "consoles that are connected",
    .about = "Each has a candidate of its own, which ends with it.",
    .example = "show sessions",
    .cols = sessions_cols,
    .run = sessions_run,
};

const struct op *const control_ops[] = {&control_op_version, &control_op_roles,
    &control_op_ownership, &control_op_statistics, &control_op_restart,
    &control_op_servers, &control_op_sessions, &control_op_domains,
    &control_op_users, &control_op_numbers, &control_op_registrations,
    &control_op_cdr, NULL};
