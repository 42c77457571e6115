/*
 * Sessions of programs. They come by a gate (ws), which speaks HTTPS and knows
 * nothing of rights; what it passes on is the token that a program showed,
 * and here it is looked at. A session of a program is one as any console's,
 * but that its rights are the token's, within the token's scope.
 *
 *   session-open {"token": "NAME.SECRET", "from": "https 192.0.2.7",
 *                 "brief": true} -> {"session", "name", "rate"}
 *   session-call {"session", "method", "params"} -> what the operation gives
 *   session-close {"session"}, a notification
 * and to the gate:
 *   session-tell {"session", "method", "params"}: message, progress, closed
 */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define TOKEN_NAME 33 /* with the NUL: op_type_name */

/* ---- who it is ----------------------------------------------------------- */

/* NAME.SECRET: the name into who, the secret behind it. */
static const char *
token_split(struct op_who *who, const char *token)
{
	const char *dot = token != NULL ? strchr(token, '.') : NULL;

	if (dot == NULL || dot == token || dot - token >= TOKEN_NAME)
		return NULL;
	snprintf(who->name, sizeof who->name, OBJ_TOKEN "%.*s",
	    (int)(dot - token), token);
	return dot + 1;
}

static int
token_admit(struct session *s, const char *token, struct err *e)
{
	struct control *c = s->control;
	const char *secret = token_split(&s->who, token);
	sqlite3 *site = site_db(c);

	if (site == NULL)
		return err_set(e, ERR_BUSY,
		    "the tokens cannot be read on this server now");
	if (secret == NULL)
		return err_set(e, ERR_PERMISSION,
		    "expected a token: its name, a dot, its secret");
	if (obj_token_role(
		c->self->table->objs, site, secret, &s->who, &s->token, e) != 0)
		return -(int)e->code;
	if (!session_has_room(s))
		return err_set(e, ERR_FULL,
		    "%s has too many requests under way", s->who.name);
	return 0;
}

/* ---- what the gate asks -------------------------------------------------- */

static void
token_open(
    struct control *c, struct peer *gate, struct rpc_request *q, json_t *params)
{
	struct session *s = session_new(c);
	const char *from = json_string_value(json_object_get(params, "from"));
	struct err e;

	if (s == NULL) {
		rpc_failf(q, ERR_FULL, "there are too many sessions already");
		return;
	}
	s->gated = s->brief = true;
	s->rpc = gate->rpc;
	str_copy(s->who.name, sizeof s->who.name, "token");
	str_copy(s->who.from, sizeof s->who.from, from != NULL ? from : "");
	if (token_admit(s, json_string_value(json_object_get(params, "token")),
		&e) != 0) {
		c->count.refused++;
		if (e.code == ERR_PERMISSION)
			s->refused = e; /* its end is told to the audit */
		session_close(s);
		rpc_fail(q, &e);
		return;
	}
	s->entered = s->known = true;
	s->brief = json_is_true(json_object_get(params, "brief"));
	if (!s->brief)
		audit_session(c, &s->who, "login", NULL);
	rpc_reply(q,
	    json_pack("{s:s, s:s, s:I}", "session", s->who.session, "name",
		s->who.name + strlen(OBJ_TOKEN), "rate",
		(json_int_t)s->token.rate));
}

/* Does the token's scope leave it the operation? */
static bool
token_has_scope(const struct session *s, const struct op *op)
{
	static const unsigned needs[] = {[OP_READ] = OBJ_SCOPE_READ,
	    [OP_CONFIG] = OBJ_SCOPE_CONFIGURE,
	    [OP_ACTION] = OBJ_SCOPE_ACT};

	return (s->token.scope & needs[op->kind]) != 0;
}

static void
token_call(struct session *s, struct rpc_request *q, const char *method,
    json_t *params)
{
	static const char *const words[] = {
	    [OP_READ] = "read", [OP_CONFIG] = "configure", [OP_ACTION] = "act"};
	const struct op *op = op_find(s->control->self->table, method);
	struct err e;

	s->last = clock_real();
	s->calls++;
	if (op != NULL && !token_has_scope(s, op)) {
		err_set(&e, ERR_PERMISSION, "%s: %s has no scope %s", op->name,
		    s->who.name, words[op->kind]);
		audit_refused(s->control, &s->who, op, params, &e);
		rpc_fail(q, &e);
		return;
	}
	call_request(s, q, method, params);
}

/* The session that the gate means, if it is one of its own. */
static struct session *
token_session(struct control *c, struct peer *gate, json_t *params)
{
	const char *name = json_string_value(
	    json_object_get(params, "session"));
	struct session *s = name != NULL ? session_find(c, name) : NULL;

	return s != NULL && s->gated && s->rpc == gate->rpc ? s : NULL;
}

void
token_request(struct control *c, struct peer *gate, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct session *s = token_session(c, gate, params);
	const char *name = json_string_value(json_object_get(params, "method"));

	if (q == NULL) {
		if (s != NULL && strcmp(method, "session-close") == 0)
			session_close(s);
	} else if (strcmp(method, "session-open") == 0) {
		token_open(c, gate, q, params);
	} else if (strcmp(method, "session-call") != 0 || name == NULL) {
		rpc_failf(q, ERR_UNKNOWN, "%.64s: no such method", method);
	} else if (s == NULL) {
		rpc_failf(q, ERR_CLOSED, "the session has ended");
	} else if (s->refused.code != ERR_NONE) {
		rpc_fail(q, &s->refused);
	} else {
		token_call(s, q, name, json_object_get(params, "params"));
	}
}

void
token_unlink(struct control *c, struct rpc *rpc)
{
	struct session *s, *next;

	for (s = TAILQ_FIRST(&c->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->gated && s->rpc == rpc)
			session_close(s);
	}
}
