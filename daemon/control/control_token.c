/*
 * Sessions of programs. They come by a gate (ws), which speaks HTTPS and knows
 * nothing of rights; what it passes on is the token that a program showed,
 * and here it is looked at. A session of a program is one as any console's,
 * but that its rights are the token's, within the token's scope. A console
 * that comes by a gate shows a certificate instead (control_certificate.c).
 *
 *   session-open {"token": "NAME.SECRET", "from": "https 192.0.2.7",
 *                 "brief": true} -> {"session", "name", "rate"}
 *                {"certificate": "sha256:...", "valid": [from, until], ...},
 *                 rate 0: none
 *   session-call {"session", "method", "params"} -> what the operation gives
 *   session-note {"session", "method"}, a notification: interrupt, keep
 *   session-full {"session", "full"}, a notification: the program does not
 *                take the answers that there are, or does again
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

/* What it may, until when. */
static void
token_take(struct session *s, const struct obj_token_rights *rights)
{
	uint64_t now = clock_real();

	s->token = *rights;
	if (rights->expires == 0)
		loop_timer_cancel(s->patience);
	else /* its end is the session's */
		loop_timer_set(s->patience,
		    rights->expires > now ? rights->expires - now : 0);
}

static int
token_admit(struct session *s, const char *token, struct err *e)
{
	struct control *c = s->control;
	const char *secret = token_split(&s->who, token);
	struct obj_token_rights rights;
	sqlite3 *site = site_db(c);

	if (site == NULL)
		return err_set(e, ERR_BUSY,
		    "the tokens cannot be read on this server now");
	if (secret == NULL)
		return err_set(e, ERR_PERMISSION,
		    "expected a token: its name, a dot, its secret");
	if (obj_token_role(
		c->self->table->objs, site, secret, &s->who, &rights, e) != 0)
		return -(int)e->code;
	if (!session_enter(s))
		return err_set(e, ERR_FULL,
		    "there are too many sessions already, or %s has too many "
		    "requests under way",
		    s->who.name);
	token_take(s, &rights);
	return 0;
}

int
token_again(struct session *s, struct op_who *who, struct err *e)
{
	struct control *c = s->control;
	struct obj_token_rights now;
	sqlite3 *site = site_db(c);
	int r;

	if (site == NULL)
		return -ERR_BUSY;
	r = obj_token_role(c->self->table->objs, site, NULL, who, &now, e);
	if (r == 0 && strcmp(now.digest, s->token.digest) != 0)
		r = err_set(e, ERR_PERMISSION, "%s has another secret now",
		    s->who.name);
	if (r == 0)
		token_take(s, &now);
	return r;
}

void
token_bound(const struct session *s, json_t *result, struct err *e)
{
	size_t n = s->gated && result != NULL ? rpc_size(result) : 0;

	if (n > SESSION_ANSWER)
		err_set(e, ERR_TOOBIG,
		    "the answer is too long: ask for a part of it");
	else if (n > 0 && rpc_queued(s->rpc) + n > SESSION_GATE)
		err_set(e, ERR_BUSY, "too many long answers at once");
}

/* ---- what the gate asks -------------------------------------------------- */

static int
token_admit_by(struct session *s, json_t *params, struct err *e)
{
	return json_object_get(params, "certificate") != NULL
	    ? certificate_admit(s, params, e)
	    : token_admit(
		  s, json_string_value(json_object_get(params, "token")), e);
}

/* What the gate calls it. */
static const char *
token_name(const struct session *s)
{
	return s->who.name +
	    (s->certificate[0] == '\0' ? strlen(OBJ_TOKEN) : 0);
}

static void
token_open(
    struct control *c, struct peer *gate, struct rpc_request *q, json_t *params)
{
	struct session *s = session_new(c, true);
	const char *from = json_string_value(json_object_get(params, "from"));
	struct err e;

	s->brief = true;
	s->rpc = gate->rpc;
	str_copy(s->who.name, sizeof s->who.name, "token");
	str_copy(s->who.from, sizeof s->who.from, from != NULL ? from : "");
	if (token_admit_by(s, params, &e) != 0) {
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
		token_name(s), "rate", (json_int_t)s->token.rate));
}

/* Which scope an operation needs. What the store does is configuration, also
 * where it must not be done twice: confirm, undo. */
static enum obj_scope
token_needs(const struct op *op)
{
	if (op->kind == OP_READ)
		return OBJ_SCOPE_READ;
	return op->kind == OP_CONFIG ||
		(op->where == OP_OWNER && op->role == ROLE_ST)
	    ? OBJ_SCOPE_CONFIGURE
	    : OBJ_SCOPE_ACT;
}

static void
token_call(struct session *s, struct rpc_request *q, const char *method,
    json_t *params)
{
	const struct op *op = op_find(s->control->self->table, method);
	struct err e;

	s->last = clock_real();
	s->calls++;
	if (s->certificate[0] != '\0' ||
	    (op == NULL && strcmp(method, "monitor-stop") == 0)) {
		call_request(s, q, method, params);
		return;
	}
	if (op == NULL) {
		rpc_failf(q, ERR_UNKNOWN, "%.64s: no such operation", method);
		return;
	}
	if (!(s->token.scope & 1u << token_needs(op))) {
		err_set(&e, ERR_PERMISSION, "%s: %s has no scope %s", op->name,
		    s->who.name, obj_scopes[token_needs(op)]);
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

/* What has no answer. */
static void
token_note(struct session *s, const char *method, json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "method"));

	if (strcmp(method, "session-close") == 0) {
		session_close(s);
	} else if (strcmp(method, "session-full") == 0) {
		s->full = json_is_true(json_object_get(params, "full"));
		turn_wake(s->control);
	} else if (strcmp(method, "session-note") == 0 && name != NULL &&
	    s->certificate[0] != '\0') {
		session_note(s, name);
	}
}

void
token_request(struct control *c, struct peer *gate, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct session *s = token_session(c, gate, params);
	const char *name = json_string_value(json_object_get(params, "method"));

	if (q == NULL) {
		if (s != NULL)
			token_note(s, method, params);
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
