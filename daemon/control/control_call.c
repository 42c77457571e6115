/*
 * Requests of consoles: describe, complete, or the name of an operation with
 * its arguments as params. Rights are looked at here, before anything is
 * started; the record says where it runs, so no operation has code here.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The answer, if there is still somebody to hear it. */
static void
call_answer(void *arg, json_t *result, const struct err *e, json_t *err_data)
{
	struct call *c = arg;

	if (c->session != NULL) {
		TAILQ_REMOVE(&c->session->open, c, entry);
		c->session->bytes -= c->bytes;
		if (e != NULL)
			c->session->control->count.errors++;
	}
	if (e == NULL)
		rpc_reply(c->request, json_incref(result));
	else
		rpc_fail_data(c->request, e,
		    err_data != NULL ? json_copy(err_data) : NULL);
	json_decref(c->args);
	free(c);
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
call_params(const struct op *op, json_t *args, const struct op_who *who)
{
	json_t *copy = args != NULL ? json_copy(args) : json_object();
	char txid[33];

	if (op_field_find(op->args, "txid") != NULL &&
	    json_object_get(copy, "txid") == NULL) {
		rand_hex(txid, 16);
		json_object_set_new(copy, "txid", json_string(txid));
	}
	return json_pack("{s:o, s:{s:s, s:i, s:s, s:s}}", "args", copy, "who",
	    "name", who->name, "access", (int)who->access, "session",
	    who->session, "from", who->from);
}

enum err_code
call_admit(const struct op_table *table, const struct op_who *who,
    const char *method, json_t *params, const struct op **op, struct err *e)
{
	*op = op_find(table, method);
	if (*op == NULL)
		err_set(e, ERR_UNKNOWN, "%.64s: no such operation", method);
	else if (who->access < (*op)->access)
		err_set(e, ERR_PERMISSION, "%s: not permitted to %s", method,
		    who->name);
	else if (params != NULL && !json_is_object(params))
		err_set(e, ERR_INVALID, "%s: expected arguments by their names",
		    method);
	else
		return ERR_NONE;
	return e->code;
}

/* Every instance of the operation's role that is linked. */
static void
call_each(
    struct control *c, const struct op *op, json_t *params, struct call *call)
{
	struct each_target to[ROLE_INSTANCES];
	size_t n = control_targets(
	    c, (enum role_id)op->role, to, ROLE_INSTANCES);

	each_call(&c->eaches, op->name, params, to, n, call_answer, call);
}

/* The record says where the operation runs. */
static void
call_start(struct session *s, struct call *call)
{
	struct control *c = s->control;
	const struct op *op = call->op;
	json_t *args = call->args;

	switch (op->where) {
	case OP_CONTROL:
		op_run(op, args, &s->who, c->self, call_on_done, call);
		return;
	case OP_OWNER:
		route_call(c->route, op, call_params(op, args, &s->who),
		    call_answer, call);
		return;
	case OP_EACH:
		call_each(c, op, call_params(op, args, &s->who), call);
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

/* What a console learns when it connects. */
static json_t *
call_describe(struct session *s)
{
	struct control *c = s->control;
	json_t *o;

	if (c->described == NULL)
		c->described = op_table_encode(c->self->table);
	o = json_copy(c->described);
	json_object_set_new(o, "version", json_string(TANDEM_VERSION));
	json_object_set_new(o, "server", json_string(c->self->server));
	json_object_set_new(o, "site", json_string(c->self->site));
	json_object_set_new(o, "session", json_string(s->who.session));
	json_object_set_new(o, "user", json_string(s->who.name));
	return o;
}

/* Rights and bounds first; then the call belongs to its session until it is
 * answered or the session ends. */
static void
call_operation(struct session *s, struct rpc_request *q, const char *method,
    json_t *params)
{
	const struct op *op;
	struct call *call;
	size_t bytes;
	struct err e;

	if (call_admit(s->control->self->table, &s->who, method, params, &op,
		&e) != ERR_NONE) {
		s->control->count.errors++;
		rpc_fail(q, &e);
		return;
	}
	bytes = params != NULL ? session_size(params) : 0;
	if (s->bytes + bytes > SESSION_BYTES) {
		rpc_failf(q, ERR_BUSY, "too much at once: wait for answers");
		return;
	}
	call = xcalloc(1, sizeof *call);
	call->session = s;
	call->request = q;
	call->op = op;
	call->args = json_incref(params);
	call->bytes = bytes;
	s->bytes += bytes;
	TAILQ_INSERT_TAIL(&s->open, call, entry);
	refs_check(s->control, op, params, call_on_refs, call);
}

void
call_request(struct session *s, struct rpc_request *q, const char *method,
    json_t *params)
{
	s->control->count.calls++;
	if (strcmp(method, "describe") == 0)
		rpc_reply(q, call_describe(s));
	else if (strcmp(method, "complete") == 0)
		complete_request(s->control, q, params);
	else
		call_operation(s, q, method, params);
}
