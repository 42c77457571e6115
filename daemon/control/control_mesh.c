/*
 * The controls of the other servers. What a console asks and another server
 * must do goes there as the same JSON-RPC that a role is asked with, who asks
 * included: rights were checked where the console is, and a control believes
 * another. What comes from there is done on this server alone and never passed
 * on to a third, so nothing goes in circles.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role_wire.h"

/* ---- which servers there are --------------------------------------------- */

bool
far_is_several(struct control *c)
{
	struct mesh_server s;

	return c->mesh != NULL && role_servers(c->self, &s, 1) > 0;
}

const char *
far_here(struct control *c)
{
	return far_is_several(c) ? c->self->server : NULL;
}

void
far_name(struct control *c, char out[OWNER_INSTANCE], const char *instance)
{
	const char *here = far_here(c);

	snprintf(out, OWNER_INSTANCE, "%.30s%s%s", instance,
	    here != NULL ? "@" : "", here != NULL ? here : "");
}

struct far *
far_find(struct control *c, const char *server)
{
	struct far *f;

	TAILQ_FOREACH (f, &c->fars, entry) {
		if (strcmp(f->server, server) == 0)
			return f;
	}
	return NULL;
}

bool
far_is_linked(struct control *c, const char *server)
{
	return c->mesh == NULL || far_find(c, server) != NULL;
}

void
far_warn(struct op_call *call)
{
	struct control *c = control_of(call);
	unsigned at = 0, all = 0, heard = 0;
	struct owner o;

	if (owner_map_server(c->self->owners, c->self->server, &o) && o.apart)
		return; /* it decides without them */
	while (owner_map_next(c->self->owners, &at, &o)) {
		if (!str_prefix(o.key, "server/"))
			continue;
		all++;
		heard += strcmp(o.key + 7, c->self->server) == 0 ||
		    far_is_linked(c, o.key + 7);
	}
	if (all > 1 && heard * 2 <= all)
		op_warn(call,
		    "server %s has a connection to %u of %u others: what it "
		    "knows may be old",
		    c->self->server, heard - 1, all - 1);
}

size_t
far_targets(struct control *c, struct each_target *to, size_t room)
{
	struct mesh_server list[FAR_MAX];
	struct far *f;
	size_t i, n;

	if (c->mesh == NULL)
		return 0;
	n = role_servers(c->self, list, room < FAR_MAX ? room : FAR_MAX);
	for (i = 0; i < n; i++) {
		f = far_find(c, list[i].name);
		to[i] = (struct each_target){
		    .rpc = f != NULL ? f->rpc : NULL, .far = true};
		str_copy(to[i].name, sizeof to[i].name, list[i].name);
	}
	return n;
}

struct rpc *
far_owner(struct control *c, const char *key)
{
	struct owner o;
	struct far *f;
	const char *server;
	enum role_id role;
	unsigned index;

	if (!owner_map_find(c->self->owners, key, &o) ||
	    o.state != OWNER_SERVING ||
	    !role_full_parse(o.instance, &role, &index, &server) ||
	    server == NULL)
		return NULL;
	f = far_find(c, server);
	return f != NULL ? f->rpc : NULL;
}

bool
far_any(struct control *c, enum role_id wanted, struct each_target *to)
{
	const char *server;
	enum role_id role;
	unsigned index, at = 0;
	struct owner o;
	struct far *f;

	while (owner_map_next(c->self->owners, &at, &o)) {
		if (!role_full_parse(o.key, &role, &index, &server) ||
		    role != wanted || server == NULL ||
		    o.state != OWNER_SERVING ||
		    (f = far_find(c, server)) == NULL)
			continue;
		*to = (struct each_target){.rpc = f->rpc, .far = true};
		str_copy(to->name, sizeof to->name, f->server);
		return true;
	}
	return false;
}

/* ---- asked from there ---------------------------------------------------- */

/* A request on its way to a role, for another control or a role of ours. */
struct far_relay {
	TAILQ_ENTRY(far_relay) entry;
	struct control *control;
	struct rpc_request *request;
	struct rpc *rpc;
};

static void
far_relay_end(struct far_relay *r, json_t *result, const struct err *e)
{
	json_t *data = e != NULL ? rpc_err_data(r->rpc) : NULL;

	TAILQ_REMOVE(&r->control->relays, r, entry);
	if (e == NULL)
		rpc_reply(r->request, json_incref(result));
	else
		rpc_fail_data(
		    r->request, e, data != NULL ? json_copy(data) : NULL);
	free(r);
}

static void
far_relay_on_reply(void *arg, json_t *result, const struct err *e)
{
	far_relay_end(arg, result, e);
}

/* rpc NULL: the role does not serve where the question went. */
static void
far_relay_to(struct control *c, struct rpc_request *q, struct rpc *rpc,
    unsigned role, const char *method, json_t *params, uint64_t timeout)
{
	struct far_relay *r;

	if (rpc == NULL) {
		rpc_failf(q, ERR_NOOWNER, "%s: %s does not serve on %s", method,
		    role_rows[role].name, c->self->server);
		return;
	}
	r = xcalloc(1, sizeof *r);
	r->control = c;
	r->request = q;
	r->rpc = rpc;
	TAILQ_INSERT_TAIL(&c->relays, r, entry);
	rpc_call(
	    rpc, method, json_incref(params), timeout, far_relay_on_reply, r);
}

/* Without an owner here the other control looks again. */
static void
far_relay(struct control *c, struct rpc_request *q, unsigned role,
    const char *method, json_t *params)
{
	struct peer *p = role_owner(c->self, role_rows[role].name);

	far_relay_to(c, q, p != NULL ? p->rpc : NULL, role, method, params,
	    ROUTE_TIMEOUT);
}

/* ---- what roles ask of those of other servers ---------------------------- */

/*
 * Questions of B2BUA to SR and ST: control alone has links to other servers.
 * They go to the control beside the owner, which asks it, or for what any
 * instance knows one of its own.
 */
static const struct far_ask {
	const char *method;
	enum role_id from, to;
	bool owner; /* only the owner answers */
} far_asks[] = {
    {"locate", ROLE_B2BUA, ROLE_SR, true},
    {"verify", ROLE_B2BUA, ROLE_SR, false},
    {"number", ROLE_B2BUA, ROLE_ST, true},
};

static const struct far_ask *
far_ask_find(const char *method)
{
	size_t i;

	for (i = 0; i < sizeof far_asks / sizeof far_asks[0]; i++) {
		if (strcmp(far_asks[i].method, method) == 0)
			return &far_asks[i];
	}
	return NULL;
}

/* From another control: an instance of this server, no third one, is asked. */
static void
far_ask_here(struct control *c, struct rpc_request *q, const struct far_ask *a,
    json_t *params)
{
	unsigned at = 0;
	struct peer *p = a->owner ? role_owner(c->self, role_rows[a->to].name)
				  : role_peer_next(c->self, a->to, &at);

	far_relay_to(c, q, p != NULL ? p->rpc : NULL, a->to, a->method, params,
	    FAR_TIMEOUT);
}

void
far_ask(struct control *c, struct peer *from, struct rpc_request *q,
    const char *method, json_t *params)
{
	const struct far_ask *a = far_ask_find(method);

	if (a == NULL || a->from != from->role)
		rpc_failf(q, ERR_UNKNOWN, "%s: not for %s to ask", method,
		    from->name);
	else
		far_relay_to(c, q, control_owner(c, a->to), a->to, method,
		    params, FAR_TIMEOUT);
}

void
far_unlink(struct control *c, struct rpc *rpc)
{
	struct far_relay *r, *next;
	struct err e;

	err_set(&e, ERR_CLOSED, "the link ended");
	for (r = TAILQ_FIRST(&c->relays); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->rpc != rpc)
			continue;
		rpc_forget(rpc, r);
		far_relay_end(r, NULL, &e);
	}
}

/* Rows of the instances here. */
static void
far_on_each(void *arg, json_t *result, const struct err *e, json_t *data)
{
	(void)data;
	if (e == NULL)
		rpc_reply(arg, json_incref(result));
	else
		rpc_fail(arg, e);
}

/* An operation of our own is over. */
static void
far_on_done(void *arg, struct op_call *call, const struct err *e)
{
	if (e == NULL)
		rpc_reply(arg, op_result(call));
	else
		rpc_fail_data(arg, e, json_incref(call->err_data));
}

/* Who asks; one who is "local" there is not local here. */
static bool
far_who(const struct far *f, json_t *params, struct op_who *who)
{
	json_t *o = json_object_get(params, "who");

	if (!op_who_decode(who, o))
		return false;
	if (strcmp(who->from, "local") == 0) {
		json_object_set_new(o, "from", json_string(f->server));
		str_copy(who->from, sizeof who->from, f->server);
	}
	return true;
}

static void
far_operation(
    struct far *f, struct rpc_request *q, const char *method, json_t *params)
{
	struct control *c = f->control;
	struct each_target to[ROLE_INSTANCES];
	size_t room = ROLE_INSTANCES;
	json_t *args = json_object_get(params, "args");
	const struct op *op;
	struct op_who who;
	struct err e;

	if (!far_who(f, params, &who)) {
		rpc_failf(q, ERR_INVALID, "%s: who asks?", method);
	} else if (call_admit(c->self->table, &who, method, args, &op, &e) !=
	    ERR_NONE) {
		rpc_fail(q, &e);
	} else if (op->where == OP_OWNER) {
		far_relay(c, q, op->role, method, params);
	} else if (op->where == OP_CONTROL) {
		op_run(op, args, &who, c->self, far_on_done, q);
	} else {
		if (op->where == OP_ANY)
			room = 1;
		each_call(&c->eaches, op->name, json_incref(params), to,
		    control_targets(c, (enum role_id)op->role, to, room),
		    far_on_each, q);
	}
}

/* What another control tells the owner of the store. */
static void
far_tell_store(struct control *c, const char *method, json_t *params)
{
	struct peer *p = role_owner(c->self, "st");

	if (p != NULL)
		rpc_notify(p->rpc, method, json_incref(params));
}

/* Whose rows a drill writes. */
static enum role_id
far_drilled(json_t *params)
{
	const char *key = json_string_value(json_object_get(params, "key"));

	return str_equal(key, "mgc") ? ROLE_MGC : ROLE_SR;
}

static void
far_on_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct far *f = arg;
	const struct far_ask *ask = far_ask_find(method);
	const char *version;

	(void)rpc;
	if (q != NULL && ask != NULL) {
		far_ask_here(f->control, q, ask, params);
	} else if (q != NULL && strcmp(method, "server-put") == 0) {
		far_relay(f->control, q, ROLE_ST, method, params);
	} else if (q != NULL && strcmp(method, "drill") == 0) {
		far_relay(f->control, q, far_drilled(params), method, params);
	} else if (q != NULL && strcmp(method, "trace") == 0) {
		trace_asked(f->control, q, params);
	} else if (q != NULL && strcmp(method, "fault") == 0) {
		drill_fault_asked(f->control, q, params);
	} else if (q != NULL && strcmp(method, "drill-read") == 0) {
		drill_read_asked(f->control, q, params);
	} else if (q != NULL) {
		far_operation(f, q, method, params);
	} else if (strcmp(method, "hello") == 0) {
		version = json_string_value(json_object_get(params, "version"));
		str_copy(f->version, sizeof f->version,
		    version != NULL ? version : "");
	} else if (strcmp(method, "trace-news") == 0) {
		follow_heard(f->control, f->server, params);
	} else if (strcmp(method, "sessions") == 0 ||
	    strcmp(method, "session-end") == 0) {
		far_tell_store(f->control, method, params);
	}
}

/* ---- connections --------------------------------------------------------- */

static void
far_drop(struct far *f)
{
	struct control *c = f->control;

	TAILQ_REMOVE(&c->fars, f, entry);
	route_unlink(c->route, f->rpc);
	each_unlink(&c->eaches, f->rpc);
	far_unlink(c, f->rpc);
	drill_unlink(c, f->rpc);
	rpc_close(&f->rpc);
	follow_unlink(c, f->server);
	free(f);
}

static void
far_on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct far *f = arg;

	(void)rpc;
	log_info("server=%s link ended: %s", f->server, why->text);
	far_drop(f);
}

static void
far_on_up(void *arg, const char *server, int fd)
{
	struct rpc_handler h = {.on_request = far_on_request,
	    .on_closed = far_on_closed,
	    .max_in = 64u << 20};
	struct control *c = arg;
	struct far *f = far_find(c, server);

	if (f != NULL)
		far_drop(f);
	f = xcalloc(1, sizeof *f);
	f->control = c;
	str_copy(f->server, sizeof f->server, server);
	h.arg = f;
	f->rpc = rpc_open(c->self->loop, fd, &h);
	TAILQ_INSERT_TAIL(&c->fars, f, entry);
	log_info("server=%s linked", server);
	rpc_notify(
	    f->rpc, "hello", json_pack("{s:s}", "version", TANDEM_VERSION));
	follow_linked(c, server);
	control_owners_changed(c);
}

int
far_open(struct control *c, struct err *e)
{
	TAILQ_INIT(&c->fars);
	TAILQ_INIT(&c->relays);
	return role_mesh_open(c->self, MESH_CONTROL, far_on_up, c, &c->mesh, e);
}

void
far_close(struct control *c)
{
	while (!TAILQ_EMPTY(&c->fars))
		far_drop(TAILQ_FIRST(&c->fars));
	if (c->mesh != NULL)
		mesh_close(&c->mesh);
}
