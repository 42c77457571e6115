/*
 * Requests of consoles: describe, complete, or the name of an operation with
 * its arguments as params. Rights are looked at here, before anything is
 * started; the record says where it runs, so no operation has code here. What
 * may have changed something is answered when the audit holds it.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role_wire.h"

#define CALL_LONG 500 /* rows of an answer that took much memory */

/* The answer, if there is still somebody to hear it. */
static void
call_reply(struct call *c)
{
	struct err bound = {.code = ERR_NONE}, *e = c->err;

	if (c->session != NULL && e == NULL) {
		token_bound(c->session, c->result, &bound);
		e = bound.code != ERR_NONE ? &bound : NULL;
	}
	turn_over(c);
	if (c->session != NULL) {
		TAILQ_REMOVE(&c->session->open, c, entry);
		c->session->bytes -= c->bytes;
	}
	if (json_array_size(json_object_get(c->result, "data")) > CALL_LONG)
		turn_long(c->control);
	if (c->fn != NULL)
		c->fn(c->arg, c->result, e);
	else if (e == NULL)
		rpc_reply(c->request, json_incref(c->result));
	else
		rpc_fail_data(c->request, e, json_incref(c->err_data));
	free(c->err);
	json_decref(c->args);
	json_decref(c->result);
	json_decref(c->err_data);
	free(c);
}

/* A warning beside the answer, which is another's. */
static void
call_warn(struct call *c, json_t *words)
{
	json_t *own = json_copy(c->result), *warn;

	warn = json_copy(json_object_get(own, "warn"));
	if (warn != NULL) {
		json_array_append(warn, words);
		json_object_set_new(own, "warn", warn);
	}
	json_decref(words);
	json_decref(c->result);
	c->result = own;
}

/* The entry is on disk. One that could not be written takes nothing back of
 * what was done, but it is told. */
static void
call_on_audited(void *arg, const struct err *e)
{
	struct call *c = arg;

	if (e != NULL && c->result != NULL)
		call_warn(c, json_sprintf("done, but not in %s", e->text));
	call_reply(c);
}

/* The end of an operation: what may have changed something is answered when
 * the audit has it. */
static void
call_answer(void *arg, json_t *result, const struct err *e, json_t *err_data)
{
	struct call *c = arg;

	if (e != NULL) {
		c->control->count.errors++;
		c->err = xmalloc(sizeof *c->err);
		*c->err = *e;
	}
	c->result = json_incref(result);
	c->err_data = err_data != NULL ? json_copy(err_data) : NULL;
	if (audit_wants(c->op)) {
		audit_done(c->control, &c->who, c->op, c->args, result, e,
		    call_on_audited, c);
		return;
	}
	if (e != NULL && e->code == ERR_PERMISSION)
		audit_refused(c->control, &c->who, c->op, c->args, e);
	call_reply(c);
}

/* An operation of our own is over. */
static void
call_on_done(void *arg, struct op_call *op, const struct err *e)
{
	json_t *result = e == NULL ? op_result(op) : NULL;

	call_answer(arg, result, e, op->err_data);
	json_decref(result);
}

json_t *
call_pack(json_t *args, const struct op_who *who)
{
	return json_pack("{s:o, s:o}", "args", args, "who", op_who_encode(who));
}

json_t *
call_params(const struct op *op, json_t *args, const struct op_who *who)
{
	json_t *copy = args != NULL ? json_copy(args) : json_object();
	char txid[33];

	if (op_field_find(op->args, "txid") != NULL &&
	    json_object_get(copy, "txid") == NULL) {
		rand_hex(txid, 16);
		json_object_set_new(copy, "txid", json_string(txid));
	}
	return call_pack(copy, who);
}

enum err_code
call_admit(const struct op_table *table, const struct op_who *who,
    const char *method, json_t *params, const struct op **op, struct err *e)
{
	*op = op_find(table, method);
	if (*op == NULL)
		err_set(e, ERR_UNKNOWN, "%.64s: no such operation", method);
	else if (op_permit(*op, who, params, e) != 0)
		return e->code;
	else if (params != NULL && !json_is_object(params))
		err_set(e, ERR_INVALID, "%s: expected arguments by their names",
		    method);
	else
		return ERR_NONE;
	return e->code;
}

/* Every instance of the operation's role in the whole site. */
static void
call_each(
    struct control *c, const struct op *op, json_t *params, struct call *call)
{
	struct each_target to[ROLE_INSTANCES + FAR_MAX];
	size_t n = control_targets(
	    c, (enum role_id)op->role, to, ROLE_INSTANCES);

	n += far_targets(c, to + n, FAR_MAX);
	each_call(&c->eaches, op->name, params, to, n, call_answer, call);
}

/* One instance of the role: of this server, or of another. */
static void
call_any(
    struct control *c, const struct op *op, json_t *params, struct call *call)
{
	enum role_id role = (enum role_id)op->role;
	struct each_target to;
	struct err e;

	if (control_targets(c, role, &to, 1) == 0 && !far_any(c, role, &to)) {
		json_decref(params);
		err_set(&e, ERR_NOOWNER, "%s: no %s can be asked", op->name,
		    role_rows[role].name);
		call_answer(call, NULL, &e, NULL);
		return;
	}
	each_call(&c->eaches, op->name, params, &to, 1, call_answer, call);
}

/* ---- our own operations that tell of every server ----------------------- */

static const struct op *const call_wide[] = {&control_op_roles,
    &control_op_statistics, &control_op_sessions, &control_op_alarms,
    &control_op_audit, &control_op_audit_verify, &control_op_recorders,
    &control_op_trace_sessions};

static bool
call_is_wide(const struct op *op)
{
	size_t i;

	for (i = 0; i < sizeof call_wide / sizeof call_wide[0]; i++) {
		if (call_wide[i] == op)
			return true;
	}
	return false;
}

/* One that is done here, and then asked of the other servers. */
struct call_wide {
	struct control *control;
	struct call *call;
	json_t *params;
	json_t *own; /* our answer */
};

/* The others have answered; who did not is in the warnings. */
static void
call_on_others(void *arg, json_t *others, const struct err *e, json_t *err_data)
{
	struct call_wide *w = arg;

	(void)e;
	(void)err_data;
	json_array_extend(
	    json_object_get(w->own, "data"), json_object_get(others, "data"));
	json_array_extend(
	    json_object_get(w->own, "warn"), json_object_get(others, "warn"));
	if (json_object_get(others, "partial") != NULL)
		json_object_set_new(w->own, "partial", json_true());
	call_answer(w->call, w->own, NULL, NULL);
	json_decref(w->own);
	free(w);
}

static void
call_on_own(void *arg, struct op_call *op, const struct err *e)
{
	struct call_wide *w = arg;
	struct each_target to[FAR_MAX];

	if (e != NULL) {
		call_answer(w->call, NULL, e, op->err_data);
		json_decref(w->params);
		free(w);
		return;
	}
	w->own = op_result(op);
	each_call(&w->control->eaches, op->op->name, w->params, to,
	    far_targets(w->control, to, FAR_MAX), call_on_others, w);
}

static void
call_start_wide(struct control *c, struct call *call, const struct op *op,
    json_t *args, const struct op_who *who)
{
	struct call_wide *w = xcalloc(1, sizeof *w);

	w->control = c;
	w->call = call;
	w->params = call_params(op, args, who);
	op_run(op, args, who, c->self, call_on_own, w);
}

/* ---- where it runs ------------------------------------------------------- */

/* The argument of a type, when the operation has one and it is given; else
 * NULL. */
static const char *
call_argument(const struct op *op, json_t *args, const struct op_type *type)
{
	const struct op_field *f;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == type &&
		    json_is_string(json_object_get(args, f->name)))
			return f->name;
	}
	return NULL;
}

static const char *
call_instance(const struct op *op, json_t *args)
{
	return call_argument(op, args, &op_type_instance);
}

/* The server in "srv2.7f31c2" of the operation's session; false when it is
 * this one, or none of the site. */
static bool
call_is_session_elsewhere(struct control *c, const struct op *op, json_t *args,
    char server[MESH_NAME])
{
	const char *field = call_argument(op, args, &op_type_session), *value;

	if (field == NULL)
		return false;
	value = json_string_value(json_object_get(args, field));
	return str_ncopy(server, MESH_NAME, value, strcspn(value, ".")) &&
	    strcmp(server, c->self->server) != 0 && far_find(c, server) != NULL;
}

/* The server in "sg/1@srv2" of the operation's instance, cut off there; false
 * when no server is named, or it is this one. */
static bool
call_is_elsewhere(struct control *c, const struct op *op, json_t *args,
    char server[MESH_NAME])
{
	const char *field = call_instance(op, args), *value, *at;
	char name[ROLE_NAME];
	enum role_id role;
	unsigned index;

	if (field == NULL)
		return false;
	value = json_string_value(json_object_get(args, field));
	if (!role_full_parse(value, &role, &index, &at) || at == NULL ||
	    !str_copy(server, MESH_NAME, at))
		return false;
	role_name(name, role, index);
	json_object_set_new(args, field, json_string(name));
	return strcmp(server, c->self->server) != 0;
}

/* The whole operation is done by another server. */
static void
call_send(struct control *c, struct call *call, const struct op *op,
    json_t *params, const char *server)
{
	struct far *f = far_find(c, server);
	struct each_target to = {.rpc = f != NULL ? f->rpc : NULL, .far = true};

	str_copy(to.name, sizeof to.name, server);
	each_call(&c->eaches, op->name, params, &to, 1, call_answer, call);
}

/* The record says where the operation runs. */
static void
call_start(struct session *s, struct call *call)
{
	struct control *c = s->control;
	const struct op *op = call->op;
	json_t *args = call->args;
	char server[MESH_NAME];

	if (op->of == NULL &&
	    (call_is_elsewhere(c, op, args, server) ||
		call_is_session_elsewhere(c, op, args, server))) {
		call_send(c, call, op, call_params(op, args, &s->who), server);
		return;
	}
	switch (op->where) {
	case OP_CONTROL:
		if (call_is_wide(op) && far_is_several(c) &&
		    call_instance(op, args) == NULL)
			call_start_wide(c, call, op, args, &s->who);
		else
			op_run(op, args, &s->who, c->self, call_on_done, call);
		return;
	case OP_OWNER:
		route_call(c->route, op, call_params(op, args, &s->who),
		    call_answer, call);
		return;
	case OP_EACH:
		call_each(c, op, call_params(op, args, &s->who), call);
		return;
	case OP_ANY:
		call_any(c, op, call_params(op, args, &s->who), call);
		return;
	}
}

/* All that it names is there, or is not. */
static void
call_on_refs(void *arg, const struct err *e)
{
	struct call *call = arg;
	struct err gone;

	if (call->session == NULL) {
		err_set(&gone, ERR_CLOSED, "the console is gone");
		call_answer(call, NULL, &gone, NULL);
	} else if (e != NULL) {
		call_answer(call, NULL, e, NULL);
	} else {
		call_start(call->session, call);
	}
}

void
call_begin(struct call *call)
{
	if (call->op != NULL) {
		refs_check(
		    call->control, call->op, call->args, call_on_refs, call);
		return;
	}
	TAILQ_REMOVE(&call->session->open, call, entry);
	call->session->bytes -= call->bytes;
	call->plain(call->session, call->request, call->args);
	json_decref(call->args);
	free(call);
}

void
call_drop(struct call *call)
{
	call->err = xcalloc(1, sizeof *call->err);
	err_set(call->err, ERR_CLOSED, "the session has ended");
	call_reply(call);
}

/* What a console learns when it connects. */
static void
call_describe(struct session *s, struct rpc_request *q, json_t *params)
{
	struct control *c = s->control;
	json_t *o;

	(void)params;
	if (c->described == NULL)
		c->described = op_table_encode(c->self->table);
	o = json_copy(c->described);
	json_object_set_new(o, "version", json_string(TANDEM_VERSION));
	json_object_set_new(o, "server", json_string(c->self->server));
	json_object_set_new(o, "site", json_string(c->self->site));
	json_object_set_new(o, "session", json_string(s->who.session));
	json_object_set_new(o, "user", json_string(s->who.name));
	json_object_set_new(
	    o, "role", json_string(admin_role_names[s->who.role]));
	json_object_set_new(o, "domain", json_string(s->who.domain));
	rpc_reply(q, o);
}

/* It belongs to its session until it is answered or the session ends. */
static struct call *
call_new(struct session *s, const struct op *op, json_t *args, size_t bytes)
{
	struct call *call = xcalloc(1, sizeof *call);

	call->session = s;
	call->control = s->control;
	call->who = s->who;
	call->op = op;
	call->args = json_incref(args);
	call->bytes = bytes;
	s->bytes += bytes;
	TAILQ_INSERT_TAIL(&s->open, call, entry);
	return call;
}

void
call_look(struct session *s, const struct op *op, json_t *args, call_fn *fn,
    void *arg)
{
	const struct op *same;
	struct call *call;
	struct err e;

	if (call_admit(s->control->self->table, &s->who, op->name, args, &same,
		&e) != ERR_NONE) {
		fn(arg, NULL, &e);
		return;
	}
	call = call_new(s, op, args, 0);
	call->fn = fn;
	call->arg = arg;
	turn_take(call);
}

/* One of a session's requests, whatever it is; NULL when it holds too
 * much already, which is told. */
static struct call *
call_accept(struct session *s, struct rpc_request *q, const struct op *op,
    json_t *params)
{
	size_t bytes = params != NULL ? rpc_size(params) : 0;
	struct call *call;

	if (s->bytes + bytes > SESSION_BYTES) {
		rpc_failf(q, ERR_BUSY, "too much at once: wait for answers");
		return NULL;
	}
	call = call_new(s, op, params, bytes);
	call->request = q;
	return call;
}

/* What is no operation and is answered at once, in its turn. */
static void
call_plainly(struct session *s, struct rpc_request *q, json_t *params,
    call_plain_fn *plain)
{
	struct call *call = call_accept(s, q, NULL, params);

	if (call == NULL)
		return;
	call->plain = plain;
	turn_take(call);
}

/* Rights and bounds first. */
static void
call_operation(struct session *s, struct rpc_request *q, const char *method,
    json_t *params)
{
	const struct err *broken;
	const struct op *op;
	struct call *call;
	struct err e;

	if (call_admit(s->control->self->table, &s->who, method, params, &op,
		&e) != ERR_NONE) {
		s->control->count.errors++;
		if (e.code == ERR_PERMISSION)
			audit_refused(s->control, &s->who, op, params, &e);
		rpc_fail(q, &e);
		return;
	}
	if (audit_wants(op) &&
	    (broken = audit_broken(s->control->audit)) != NULL) {
		rpc_failf(
		    q, broken->code, "%s: so nothing is done", broken->text);
		return;
	}
	if (audit_wants(op) && audit_is_spent(s->control, &s->who)) {
		rpc_failf(q, ERR_BUSY,
		    "%s has done more than the audit can hold of one: wait",
		    s->who.name);
		return;
	}
	if ((call = call_accept(s, q, op, params)) == NULL)
		return;
	s->edited |= op->kind == OP_CONFIG;
	turn_take(call);
}

static void
call_monitor_stop(struct session *s, struct rpc_request *q, json_t *params)
{
	json_int_t n = json_integer_value(json_object_get(params, "monitor"));

	if (n <= 0)
		rpc_failf(q, ERR_INVALID, "monitor: expected its number");
	else if (!monitor_stop(s->control, s, n))
		rpc_failf(
		    q, ERR_ABSENT, "monitor %lld: there is none", (long long)n);
	else
		rpc_reply(q, json_pack("{s:I}", "monitor", n));
}

void
call_request(struct session *s, struct rpc_request *q, const char *method,
    json_t *params)
{
	s->control->count.calls++;
	if (strcmp(method, "describe") == 0)
		call_plainly(s, q, params, call_describe);
	else if (strcmp(method, "monitor-stop") == 0)
		call_monitor_stop(s, q, params);
	else if (strcmp(method, "complete") == 0)
		call_plainly(s, q, params, complete_request);
	else
		call_operation(s, q, method, params);
}
