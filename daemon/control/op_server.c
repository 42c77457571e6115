/*
 * Servers that join, as control sees them: what the door for them is given
 * (join.c), and the operation that makes a token, request server token.
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "join.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/role/role_wire.h"

#define JOIN_PUT (10 * CLOCK_SEC) /* for the store and quorum to answer */

static void
server_ask(void *arg, const struct role_join *q)
{
	struct control *c = arg;

	role_join_ask(c->self, q);
}

static void
server_on_joined(struct self *self, const struct role_joined *a, int fd)
{
	struct control *c = self->state_of_role;

	join_door_answer(c->joins, a, fd);
}

/* "server-put" at somebody who may not be there. */
static void
server_put(struct rpc *rpc, const char *who, json_t *params, rpc_reply_fn *fn,
    void *arg)
{
	struct err e;

	if (rpc != NULL) {
		rpc_call(rpc, "server-put", params, JOIN_PUT, fn, arg);
		return;
	}
	json_decref(params);
	err_set(&e, ERR_NOOWNER, "%s does not serve now", who);
	fn(arg, NULL, &e);
}

static void
server_put_store(void *arg, json_t *params, rpc_reply_fn *fn, void *fn_arg)
{
	server_put(control_owner(arg, ROLE_ST), "the store's owner", params, fn,
	    fn_arg);
}

static void
server_put_quorum(void *arg, json_t *params, rpc_reply_fn *fn, void *fn_arg)
{
	struct control *c = arg;
	unsigned at = 0;
	struct peer *p = role_peer_next(c->self, ROLE_QUORUM, &at);

	server_put(p != NULL ? p->rpc : NULL, "quorum", params, fn, fn_arg);
}

/* ---- the site's servers ------------------------------------------------- */

struct server_list {
	struct mesh_server *out;
	size_t n, room;
};

static int
server_row(void *arg, struct obj_row *row, struct err *e)
{
	struct server_list *l = arg;
	const char *inside = obj_value(row, "inside");
	struct mesh_server *s = &l->out[l->n];

	(void)e;
	if (l->n == l->room || inside == NULL ||
	    !addr_parse(&s->inside, inside,
		(uint16_t)obj_value_int(row, "port-base", 0)))
		return 0;
	str_copy(s->name, sizeof s->name, row->path.key[0]);
	l->n++;
	return 0;
}

static size_t
server_list(void *arg, struct mesh_server *out, size_t room)
{
	struct control *c = arg;
	struct obj_path kind = {
	    .obj = obj_find(c->self->table->objs, NULL, "server")};
	struct server_list l = {.out = out, .room = room};
	char stream[STREAM_NAME];
	sqlite3 *site;

	snprintf(stream, sizeof stream, "site/%s", c->self->site);
	site = streams_db(c->streams, stream);
	if (site == NULL ||
	    obj_each(site, &kind, NULL, 0, server_row, &l, NULL) != 0)
		return 0;
	return l.n;
}

static bool
server_is_up(void *arg, const char *server)
{
	struct control *c = arg;
	struct owner o;

	return owner_map_server(c->self->owners, server, &o) &&
	    o.state == OWNER_SERVING;
}

int
join_start(struct control *c, const char *identity, struct err *e)
{
	struct join_config config = {.loop = c->self->loop,
	    .identity = identity,
	    .site = c->self->site,
	    .listen = c->self->inside,
	    .ask = server_ask,
	    .put_store = server_put_store,
	    .put_quorum = server_put_quorum,
	    .servers = server_list,
	    .is_up = server_is_up,
	    .arg = c};

	addr_set_port(
	    &config.listen, (uint16_t)(c->self->port_base + MESH_JOIN));
	role_on_joined(c->self, server_on_joined);
	return join_door_open(&config, &c->joins, e);
}

/* ---- request server token ----------------------------------------------- */

static void
token_on_made(
    void *arg, const char *token, uint64_t expires, const struct err *e)
{
	struct op_call *call = arg;

	if (e == NULL) {
		op_row(call);
		op_put(call, "token", token);
		op_put_time(call, "expires", expires * CLOCK_SEC);
		op_put(call, "server", op_arg(call, "name"));
	}
	op_finish(call, e);
}

static void
token_run(struct op_call *call)
{
	struct control *c = control_of(call);
	const char *name = op_arg(call, "name");

	if (c->joins == NULL) {
		op_failf(call, ERR_REFUSED, "%s",
		    c->self->witness
			? "this server is a witness: ask another one"
			: "this server has no identity, so none can join");
		return;
	}
	join_door_token(c->joins, name != NULL ? name : "",
	    (unsigned)op_arg_int(call, "valid", 60), token_on_made, call);
}

static const struct op_field token_args[] = {
    {.name = "valid",
	.type = &op_type_int,
	.min = 1,
	.max = 1440,
	.def = "60",
	.brief = "minutes until it expires"},
    {.name = "name",
	.type = &op_type_name,
	.brief = "the only server that may use it"},
    {0},
};

static const struct op_field token_cols[] = {
    {.name = "token",
	.type = &op_type_text,
	.brief = "for tandemd join on the new server"},
    {.name = "expires", .type = &op_type_time, .brief = "when it expires"},
    {.name = "server",
	.type = &op_type_name,
	.brief = "the only one that may use it"},
    {0},
};

const struct op control_op_token = {
    .name = "request server token",
    .kind = OP_ACTION,
    .access = OP_ADMIN,
    .where = OP_CONTROL,
    .brief = "let one new server join the site",
    .about = "Prints a token, for \"tandemd join TOKEN\" on a server with an "
	     "empty state directory. It is good once, until it expires, and "
	     "only at the server that printed it. Who has it gets the keys "
	     "of the whole site: pass it on as a password. A token made "
	     "with the name of a server that is already of the site lets "
	     "that server, when it is down and has lost its state, come "
	     "back.",
    .example = "request server token valid 10",
    .args = token_args,
    .cols = token_cols,
    .run = token_run,
};
