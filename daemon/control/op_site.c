/*
 * Operations on what the site is made of: show servers, show server links.
 * Listeners are shown by the gates themselves.
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/buf.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

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
		streams_unread(c->streams, "the site", &e);
	else if (obj_each(site, &kind, NULL, 0, fn, call, &e) == 0)
		return true;
	op_finish(call, &e);
	return false;
}

/* ---- show servers ------------------------------------------------------- */

/* "up" or "down" as quorum says; we know of ourselves. Who is up as far as was
 * heard, but has no connection to us, may be down since: without a majority
 * nobody decides so, and who is cut off does not hear it. One that quorum does
 * not know, though it has told of us, is configured and no more. */
static const char *
servers_state(struct control *c, const char *server)
{
	const struct self *self = c->self;
	struct owner o;

	if (strcmp(server, self->server) == 0)
		return "up";
	if (owner_map_server(self->owners, server, &o))
		return o.state != OWNER_SERVING ? "down"
		    : far_is_linked(c, server)	? "up"
						: "unheard";
	return owner_map_server(self->owners, self->server, &o) ? "outside"
								: "down";
}

/* The instances that run there, joined by a space. */
static void
servers_roles(const struct self *self, const char *server, struct buf *out)
{
	struct owner o;
	unsigned at = 0;

	while (owner_map_next(self->owners, &at, &o)) {
		if (strcmp(owner_server(o.key), server) != 0 ||
		    o.state != OWNER_SERVING || str_prefix(o.key, "calls/"))
			continue;
		buf_fmt(out, "%s%.*s", out->len > 0 ? " " : "",
		    (int)strcspn(o.key, "@"), o.key);
	}
}

static const char *
servers_version(struct control *c, const char *server)
{
	struct far *f = far_find(c, server);

	if (strcmp(server, c->self->server) == 0)
		return TANDEM_VERSION;
	return f != NULL && f->version[0] != '\0' ? f->version : NULL;
}

/* What is known of a server without the site's configuration. */
static void
servers_put(
    struct op_call *call, const char *server, const char *inside, bool witness)
{
	const struct self *self = call->self;
	struct buf roles = BUF_INIT;

	servers_roles(self, server, &roles);
	op_row(call);
	op_put(call, "server", server);
	op_put_bool(call, "here", strcmp(server, self->server) == 0);
	op_put(call, "state", servers_state(control_of(call), server));
	op_put_bool(call, "witness", witness);
	op_put(call, "version", servers_version(control_of(call), server));
	op_put(call, "inside", inside);
	if (roles.len > 0 && !roles.failed)
		op_put(call, "roles", roles.data);
	buf_fini(&roles);
}

static int
servers_row(void *arg, struct obj_row *row, struct err *e)
{
	struct op_call *call = arg;
	const char *server = row->path.key[0];

	(void)e;
	if (strcmp(servers_state(control_of(call), server), "outside") == 0)
		op_warn(call,
		    "server %s is not of the site: it was removed, or never "
		    "joined; \"delete server %s\" and commit forget it",
		    server, server);
	servers_put(call, server, obj_value(row, "inside"),
	    obj_value_yes(row, "witness"));
	if (obj_value(row, "port-base") != NULL)
		op_put_int(
		    call, "port-base", obj_value_int(row, "port-base", 0));
	op_put(call, "media-address", obj_value(row, "media-address"));
	op_put(call, "media-ports", obj_value(row, "media-ports"));
	op_put(call, "description", obj_value(row, "description"));
	return 0;
}

/* A witness has no copy of the configuration: the servers as quorum knows
 * them. */
static void
servers_of_map(struct op_call *call)
{
	const struct self *self = call->self;
	char host[ADDR_TEXT];
	unsigned at = 0;
	struct owner o;

	while (owner_map_next(self->owners, &at, &o)) {
		if (!str_prefix(o.key, "server/"))
			continue;
		addr_host(host, &o.inside);
		servers_put(call, o.key + 7, host, o.witness);
		op_put_int(call, "port-base", addr_port(&o.inside));
	}
	op_finish(call, NULL);
}

static void
servers_run(struct op_call *call)
{
	const struct control *c = control_of(call);

	if (c->self->witness)
		servers_of_map(call);
	else if (site_each(call, site_object(c, "server", NULL), servers_row))
		op_finish(call, NULL);
}

static const char *const servers_states[] = {
    "up", "down", "unheard", "outside", NULL};
static const char *const links_states[] = {"up", "down", NULL};

static const struct op_field servers_cols[] = {
    {.name = "server", .type = &op_type_name, .brief = "its name"},
    {.name = "here", .type = &op_type_bool, .brief = "the one that answers"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = servers_states,
	.brief = "as the site sees it; unheard: up, but not connected"},
    {.name = "witness",
	.type = &op_type_bool,
	.brief = "it votes and holds no data"},
    {.name = "version",
	.type = &op_type_text,
	.brief = "of its daemon; none: not linked"},
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
	.flags = OP_DETAIL,
	.brief = "of its media gates"},
    {.name = "roles",
	.type = &op_type_text,
	.brief = "instances that are ready"},
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
	     "server, state and roles from the owner map, the rest is "
	     "configuration, which a witness that is asked does not have. "
	     "A server that the site has last called up is unheard when the "
	     "one that answers has no connection to it: it may be down, or a "
	     "link, or this server is the one that is cut off; show server "
	     "links on each tells. "
	     "A server that is configured and not of the site, because it "
	     "was removed or recovered from, is outside; delete it from the "
	     "configuration when it shall not come back.",
    .example = "show servers",
    .cols = servers_cols,
    .run = servers_run,
    .live = true,
};

/* ---- show server links -------------------------------------------------- */

static void
links_run(struct op_call *call)
{
	const struct control *c = control_of(call);
	struct mesh_status s;
	char address[ADDR_TEXT];
	size_t at = 0;

	while (c->mesh != NULL && mesh_next(c->mesh, &at, &s)) {
		addr_text(address, &s.address);
		op_row(call);
		op_put(call, "server", s.server);
		op_put(call, "address", address);
		op_put(call, "state", s.up ? "up" : "down");
		op_put_bool(call, "dials", s.dials);
		if (s.since != 0)
			op_put_time(call, "since", s.since);
		op_put_int(call, "connections", (int64_t)s.ups);
		op_put_int(call, "bytes-in", (int64_t)s.in);
		op_put_int(call, "bytes-out", (int64_t)s.out);
		if (s.reason_at == 0 || s.up)
			continue;
		op_put(call, "reason", s.reason);
		op_put_time(call, "reason-at", s.reason_at);
	}
	op_finish(call, NULL);
}

static const struct op_field links_cols[] = {
    {.name = "server",
	.type = &op_type_text,
	.brief = "other end; ?: who is not of the site"},
    {.name = "address",
	.type = &op_type_text,
	.brief = "where it listens; of ?: where the attempt came from"},
    {.name = "state",
	.type = &op_type_choice,
	.choices = links_states,
	.brief = "connected or not"},
    {.name = "dials",
	.type = &op_type_bool,
	.brief = "this server connects; no: the other one does"},
    {.name = "since",
	.type = &op_type_time,
	.brief = "last change of its state"},
    {.name = "connections",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "made so far"},
    {.name = "bytes-in",
	.type = &op_type_bytes,
	.flags = OP_DETAIL,
	.brief = "received"},
    {.name = "bytes-out",
	.type = &op_type_bytes,
	.flags = OP_DETAIL,
	.brief = "sent"},
    {.name = "reason", .type = &op_type_text, .brief = "why it is down"},
    {.name = "reason-at",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "when that was"},
    {0},
};

const struct op control_op_links = {
    .name = "show server links",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "connections of this server to the others",
    .about = "The mutually authenticated connection of this server's control "
	     "to each other server's. One that is down is tried again and "
	     "again; reason says why it failed last. The last attempt of "
	     "somebody who is no server of the site is told as \"?\".",
    .example = "show server links",
    .cols = links_cols,
    .run = links_run,
};

const struct op *const control_ops[] = {&control_op_version, &control_op_roles,
    &control_op_ownership, &control_op_statistics, &control_op_restart,
    &control_op_servers, &control_op_links, &control_op_sessions,
    &control_op_domains, &control_op_users, &control_op_numbers,
    &control_op_registrations, &control_op_conflict, &control_op_cdr,
    &control_op_token, &control_op_drain, &control_op_undrain,
    &control_op_remove, &control_op_drill_role, &control_op_drill_server,
    &control_op_alarms, &control_op_session_close, &control_op_session_message,
    &control_op_rights, &control_op_audit, &control_op_audit_verify,
    &control_op_trace_calls, &control_op_call_ladder, &control_op_call_messages,
    &control_op_call_export, &control_op_call_send, &control_op_call_media,
    &control_op_call_why, &control_op_trace_follow, &control_op_trace_sessions,
    &control_op_recorders, NULL};
