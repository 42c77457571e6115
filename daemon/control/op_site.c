/*
 * Operations on what the site is made of: show servers, show listeners; and
 * show sessions, who administers it now.
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

/* ---- show listeners
 * ------------------------------------------------------------- */

static int
listeners_row(void *arg, struct obj_row *row, struct err *e)
{
	struct op_call *call = arg;

	(void)e;
	op_row(call);
	op_put(call, "server", row->path.key[0]);
	op_put(call, "listener", row->path.key[1]);
	op_put(call, "instance", obj_value(row, "instance"));
	op_put(call, "transport", obj_value(row, "transport"));
	op_put(call, "address", obj_value(row, "address"));
	op_put_int(call, "port", obj_value_int(row, "port", 0));
	op_put(call, "advertised", obj_value(row, "advertised"));
	op_put(call, "domain", obj_value(row, "domain"));
	op_put(call, "certificate", obj_value(row, "certificate"));
	op_put(call, "state", "unknown");
	return 0;
}

/* What a gate says of one of its listeners goes into that row. */
static void
listeners_fill(struct op_call *call, json_t *told)
{
	const char *instance, *name, *state, *reason = NULL;
	json_t *row;
	size_t i;

	if (json_unpack(told, "{s:s, s:s, s:s, s?s}", "instance", &instance,
		"name", &name, "state", &state, "reason", &reason) != 0)
		return;
	json_array_foreach (call->rows, i, row) {
		if (strcmp(json_string_value(json_object_get(row, "listener")),
			name) != 0 ||
		    strcmp(json_string_value(json_object_get(row, "instance")),
			instance) != 0)
			continue;
		json_object_set_new(row, "state", json_string(state));
		if (reason != NULL)
			op_warn(call, "listener %s: %s", name, reason);
	}
}

static void
listeners_on_rows(void *arg, json_t *result, const struct err *e, json_t *data)
{
	struct op_call *call = arg;
	json_t *told, *words;
	size_t i;

	(void)e;
	(void)data;
	json_array_foreach (json_object_get(result, "data"), i, told)
		listeners_fill(call, told);
	json_array_foreach (json_object_get(result, "warn"), i, words)
		op_warn(call, "%s", json_string_value(words));
	op_finish(call, NULL);
}

static void
listeners_run(struct op_call *call)
{
	struct control *c = control_of(call);
	struct each_target to[ROLE_INSTANCES];
	size_t n;

	if (!site_each(
		call, site_object(c, "server", "listener"), listeners_row))
		return;
	n = control_targets(c, ROLE_SG, to, ROLE_INSTANCES);
	each_call(
	    &c->eaches, "listeners", NULL, to, n, listeners_on_rows, call);
}

static const struct op_field listeners_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "where it listens"},
    {.name = "listener", .type = &op_type_name, .brief = "its name"},
    {.name = "instance",
	.type = &op_type_instance,
	.brief = "gate that listens"},
    {.name = "transport", .type = &op_type_text, .brief = "how SIP is carried"},
    {.name = "address", .type = &op_type_address, .brief = "it is bound to"},
    {.name = "port", .type = &op_type_port, .brief = "it is bound to"},
    {.name = "advertised",
	.type = &op_type_host,
	.brief = "host told to phones"},
    {.name = "domain",
	.type = &op_type_domain,
	.brief = "domain where none is named"},
    {.name = "certificate",
	.type = &op_type_name,
	.brief = "shown over tls and wss"},
    {.name = "state",
	.type = &op_type_text,
	.brief = "open, failed; unknown: no gate said"},
    {0},
};

const struct op control_op_listeners = {
    .name = "show listeners",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "where phones are met, and whether it works",
    .about = "The listeners of the configuration with what their gates say "
	     "of them. A listener that cannot be opened is failed; the "
	     "reason is a warning beside the list.",
    .example = "show listeners",
    .cols = listeners_cols,
    .run = listeners_run,
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
    &control_op_servers, &control_op_listeners, &control_op_sessions,
    &control_op_domains, &control_op_users, &control_op_numbers,
    &control_op_registrations, &control_op_cdr, NULL};
