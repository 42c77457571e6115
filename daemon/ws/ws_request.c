/*
 * A request of HTTP from its token to its answer: the plan of ws_route.c is
 * carried out step by step in one session, the first error ends it. A program
 * that goes away meanwhile finds all of it done: libevent reads nothing, not
 * even its end, before there is an answer.
 */
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct ws_exchange {
	TAILQ_ENTRY(ws_exchange) entry;
	struct ws *ws;
	struct evhttp_request *req; /* NULL: answered, or the end of it */
	struct ws_plan plan;
	struct ws_work *work;
	size_t at;	  /* step under way */
	json_t *answers;  /* of RPC */
	json_t *rows;	  /* of the metrics' first step */
	struct err first; /* error of a batch: what follows is not done */
};

/* ---- answers ------------------------------------------------------------- */

/* The connection has its time again. */
static void
request_send(struct evhttp_request *req, int status, const char *type,
    struct evbuffer *body)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(req);
	struct ws_conn *c = ws_conn_of(req);

	c->busy = false;
	c->since = clock_mono();
	evhttp_connection_set_closecb(
	    evhttp_request_get_connection(req), NULL, NULL);
	if (type != NULL)
		evhttp_add_header(out, "Content-Type", type);
	evhttp_add_header(out, "Cache-Control", "no-store");
	evhttp_add_header(out, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(out, "Strict-Transport-Security", "max-age=31536000");
	evhttp_send_reply(req, status, NULL, body);
	if (body != NULL)
		evbuffer_free(body);
}

static int
request_dump(const char *part, size_t n, void *body)
{
	return evbuffer_add(body, part, n);
}

/* o is taken. */
static void
request_send_json(struct evhttp_request *req, int status, json_t *o)
{
	struct evbuffer *body = evbuffer_new();

	json_dump_callback(o, request_dump, body, JSON_COMPACT);
	evbuffer_add(body, "\n", 1);
	request_send(req, status, "application/json", body);
	json_decref(o);
}

void
ws_refuse(struct evhttp_request *req, int status, const struct err *e,
    const char *field, const char *value)
{
	ws_conn_of(req)->ws->count.failed++;
	if (field != NULL)
		evhttp_add_header(
		    evhttp_request_get_output_headers(req), field, value);
	request_send_json(req, status, op_envelope_error(NULL, e));
}

void
ws_refuse_open(struct ws *ws, struct evhttp_request *req, const struct err *e)
{
	bool token = e->code == ERR_PERMISSION;

	if (token) {
		ws->count.bad_tokens++;
		ws_guard_failed(
		    &ws->guard, &ws_conn_of(req)->peer, 1, clock_mono());
	}
	ws_refuse(req, token ? 401 : err_http(e->code), e,
	    token ? "WWW-Authenticate" : "Retry-After",
	    token ? "Bearer realm=\"tandem\", error=\"invalid_token\"" : "1");
}

bool
ws_is_within(struct ws *ws, const char *token, unsigned rate, unsigned *wait,
    struct err *e)
{
	if (rate == 0 ||
	    ws_guard_spend(&ws->guard, token, rate, clock_mono(), wait))
		return true;
	ws->count.over_rate++;
	err_set(e, ERR_BUSY, "more than the %u requests a second of token %s",
	    rate, token);
	return false;
}

bool
ws_may_ask(
    struct ws *ws, struct evhttp_request *req, const char *token, unsigned rate)
{
	unsigned wait;
	char text[16];
	struct err e;

	if (ws_is_within(ws, token, rate, &wait, &e))
		return true;
	snprintf(text, sizeof text, "%u", wait);
	ws_refuse(req, 429, &e, "Retry-After", text);
	return false;
}

/* ---- one exchange -------------------------------------------------------- */

static void
exchange_end(struct ws_exchange *x)
{
	if (x->req != NULL)
		evhttp_connection_set_closecb(
		    evhttp_request_get_connection(x->req), NULL, NULL);
	TAILQ_REMOVE(&x->ws->exchanges, x, entry);
	ws_work_close(&x->work);
	ws_plan_fini(&x->plan);
	json_decref(x->answers);
	json_decref(x->rows);
	free(x);
}

/* Its request is answered. */
static void
exchange_over(struct ws_exchange *x)
{
	x->req = NULL;
	exchange_end(x);
}

void
ws_request_drop(struct evhttp_request *req)
{
	if (req != NULL && evhttp_request_get_connection(req) == NULL)
		evhttp_request_free(req);
}

/* The listener closes, or the connection broke: what runs is let run, what was
 * not begun is not. */
static void
exchange_on_close(struct evhttp_connection *conn, void *arg)
{
	struct ws_exchange *x = arg;

	(void)conn;
	ws_request_drop(x->req);
	exchange_over(x);
}

void
ws_requests_end(struct ws *ws)
{
	struct evhttp_request *req;
	struct ws_exchange *x;
	struct err e;

	err_set(&e, ERR_BUSY, "this server stops: ask again");
	while ((x = TAILQ_FIRST(&ws->exchanges)) != NULL) {
		req = x->req;
		exchange_end(x);
		ws_refuse(req, 503, &e, "Retry-After", "1");
	}
}

static void
exchange_metrics(struct ws_exchange *x, json_t *alarms)
{
	struct evbuffer *body = evbuffer_new();
	struct buf b = BUF_INIT;

	ws_answer_metrics(json_object_get(x->rows, "data"),
	    json_object_get(alarms, "data"), &b);
	evbuffer_add(body, b.data, b.len);
	buf_fini(&b);
	request_send(
	    x->req, 200, "text/plain; version=0.0.4; charset=utf-8", body);
}

/* The last step is done, or one that failed: its answer is the request's. */
static void
exchange_answer(struct ws_exchange *x, struct ws_result *r)
{
	json_t *answer;

	if (r->result != NULL && x->plan.form == WS_METRICS) {
		exchange_metrics(x, r->result);
		exchange_over(x);
		return;
	}
	answer = x->plan.form == WS_CONFIG
	    ? ws_answer_config(x->ws->self->table, r)
	    : ws_answer_envelope(r);
	if (r->result == NULL)
		x->ws->count.failed++;
	request_send_json(
	    x->req, r->result != NULL ? 200 : err_http(r->err.code), answer);
	exchange_over(x);
}

/* All of a batch, or the one request that was no batch. Only notifications
 * are answered by nothing (JSON-RPC 2.0, section 6). */
static void
exchange_answer_rpc(struct ws_exchange *x)
{
	json_t *o = json_array_get(x->answers, 0);

	if (json_array_size(x->answers) == 0)
		request_send(x->req, 204, NULL, NULL);
	else
		request_send_json(
		    x->req, 200, json_incref(x->plan.batch ? x->answers : o));
	exchange_over(x);
}

static void exchange_step(struct ws_exchange *x);

/* An answer of a batch; an error leaves the rest undone. */
static void
exchange_rpc(struct ws_exchange *x, const struct ws_result *r)
{
	if (r->result == NULL && x->first.code == ERR_NONE)
		err_set(&x->first, ERR_REFUSED,
		    "not done: %s of the same batch failed before", r->method);
	if (r->id != NULL)
		json_array_append_new(x->answers, ws_answer_rpc(r));
}

static void
exchange_on_reply(
    void *arg, json_t *id, json_t *result, const struct err *e, json_t *data)
{
	struct ws_exchange *x = arg;
	json_t *step = json_array_get(x->plan.steps, x->at);
	struct ws_result r = {
	    .method = json_string_value(json_object_get(step, "method")),
	    .id = id,
	    .result = result,
	    .data = data};
	bool last = ++x->at == json_array_size(x->plan.steps);

	if (e != NULL)
		r.err = *e;
	if (x->plan.form == WS_RPC) {
		exchange_rpc(x, &r);
		exchange_step(x);
	} else if (last || e != NULL) {
		exchange_answer(x, &r);
	} else {
		if (x->plan.form == WS_METRICS)
			x->rows = json_incref(result);
		exchange_step(x);
	}
}

/* The rest of a batch in which one has failed. */
static void
exchange_skip(struct ws_exchange *x)
{
	json_t *step;

	while ((step = json_array_get(x->plan.steps, x->at)) != NULL) {
		exchange_rpc(x,
		    &(struct ws_result){.method = json_string_value(
					    json_object_get(step, "method")),
			.id = json_object_get(step, "id"),
			.err = x->first});
		x->at++;
	}
}

static void
exchange_step(struct ws_exchange *x)
{
	json_t *step;

	if (x->first.code != ERR_NONE)
		exchange_skip(x);
	step = json_array_get(x->plan.steps, x->at);
	if (step == NULL) {
		exchange_answer_rpc(x);
		return;
	}
	ws_work_call(x->work,
	    json_string_value(json_object_get(step, "method")),
	    json_object_get(step, "params"), json_object_get(step, "id"),
	    exchange_on_reply);
}

/* The token is good, or it is not. */
static void
exchange_on_opened(
    void *arg, const char *token, unsigned rate, const struct err *e)
{
	struct ws_exchange *x = arg;
	struct evhttp_request *req = x->req;

	if (e != NULL) {
		exchange_end(x);
		ws_refuse_open(ws_conn_of(req)->ws, req, e);
	} else if (!ws_may_ask(x->ws, req, token, rate)) {
		exchange_over(x);
	} else if (x->plan.form == WS_OPENAPI) {
		request_send_json(req, 200, json_incref(x->ws->openapi));
		exchange_over(x);
	} else {
		exchange_step(x);
	}
}

/* ---- what came ----------------------------------------------------------- */

/* The token, NULL when it shows none; to be freed. */
static char *
request_bearer(struct evhttp_request *req)
{
	const char *field = evhttp_find_header(
	    evhttp_request_get_input_headers(req), "Authorization");

	/* RFC 6750 2.1; the scheme's name has no case (RFC 9110 11.1) */
	if (field == NULL || strlen(field) < 8 ||
	    !str_iequal(field, 7, "Bearer "))
		return NULL;
	field += 7;
	field += strspn(field, " ");
	return str_utf8(field, strlen(field)) ? xstrdup(field) : NULL;
}

/* A console shows a certificate, and opens a WebSocket. A browser shows one
 * unasked wherever some page sends it, and says so by Origin (RFC 6454 7.3):
 * that proves nobody's will, and is taken for nothing. */
static json_t *
request_certificate(struct evhttp_request *req)
{
	struct evkeyvalq *in = evhttp_request_get_input_headers(req);
	struct sip_tls_peer peer;

	if (evhttp_find_header(in, "Sec-WebSocket-Key") == NULL ||
	    evhttp_find_header(in, "Origin") != NULL ||
	    evhttp_find_header(in, "Authorization") != NULL ||
	    !ws_conn_peer(req, &peer))
		return NULL;
	return json_pack("{s:s, s:[I, I]}", "certificate", peer.fingerprint,
	    "valid", (json_int_t)peer.from, (json_int_t)peer.until);
}

static enum ws_method
request_method(struct evhttp_request *req)
{
	switch (evhttp_request_get_command(req)) {
	case EVHTTP_REQ_GET:
	case EVHTTP_REQ_HEAD: /* libevent leaves the body out */
		return WS_GET;
	case EVHTTP_REQ_POST:
		return WS_POST;
	case EVHTTP_REQ_PATCH:
		return WS_PATCH;
	case EVHTTP_REQ_DELETE:
		return WS_DELETE;
	default:
		return WS_OTHER;
	}
}

static void
request_plan(struct ws *ws, struct evhttp_request *req, struct ws_plan *plan)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);
	const char *body = n > 0 ? (const char *)evbuffer_pullup(in, -1) : NULL;

	ws_route(plan, ws->self->table, request_method(req),
	    evhttp_request_get_uri(req), body, n);
	if (plan->form == WS_SOCKET && plan->status == 0 &&
	    evhttp_find_header(evhttp_request_get_input_headers(req),
		"Sec-WebSocket-Key") == NULL) {
		plan->status = 405;
		plan->allow = "POST";
		err_set(&plan->err, ERR_INVALID,
		    "expected POST, or the opening of a WebSocket");
	}
}

static void
request_begin(struct ws *ws, struct evhttp_request *req, struct ws_plan *plan,
    json_t *proof)
{
	struct ws_exchange *x = xcalloc(1, sizeof *x);
	struct err e;

	x->ws = ws;
	x->req = req;
	x->plan = *plan;
	x->answers = json_array();
	TAILQ_INSERT_TAIL(&ws->exchanges, x, entry);
	x->work = ws_work_open(ws, proof, &ws_conn_of(req)->peer, true,
	    exchange_on_opened, NULL, x, &e);
	if (x->work != NULL) {
		ws_conn_of(req)->busy = true;
		evhttp_connection_set_closecb(
		    evhttp_request_get_connection(req), exchange_on_close, x);
		return;
	}
	exchange_end(x);
	ws_refuse_open(ws, req, &e);
}

/* Who tries tokens is not heard, nor who has spent theirs. */
static bool
request_is_heard(struct ws *ws, struct evhttp_request *req, const char *bearer)
{
	struct err e;

	if (!ws_guard_hears(&ws->guard, &ws_conn_of(req)->peer, clock_mono())) {
		err_set(&e, ERR_BUSY,
		    "too many tokens from this address that are none");
		ws_refuse(req, 429, &e, "Retry-After", "60");
		return false;
	}
	if (bearer != NULL &&
	    ws_guard_is_spent(&ws->guard, bearer, clock_mono())) {
		ws->count.over_rate++;
		err_set(
		    &e, ERR_BUSY, "more requests a second than the token has");
		ws_refuse(req, 429, &e, "Retry-After", "1");
		return false;
	}
	return true;
}

static void
request_refuse_unproven(struct evhttp_request *req)
{
	struct err e;

	err_set(&e, ERR_PERMISSION,
	    "expected a token: Authorization: Bearer NAME.SECRET");
	ws_refuse(req, 401, &e, "WWW-Authenticate", "Bearer realm=\"tandem\"");
}

/* That it means nothing is said in the form that was asked for. */
static void
request_refuse(struct evhttp_request *req, const struct ws_plan *plan)
{
	if (plan->form != WS_RPC || plan->status == 405) {
		ws_refuse(req, plan->status, &plan->err,
		    plan->allow != NULL ? "Allow" : NULL, plan->allow);
		return;
	}
	ws_conn_of(req)->ws->count.failed++;
	request_send_json(
	    req, plan->status, rpc_not_a_request(&plan->err, plan->parsed));
}

/* Nothing is looked at before somebody has shown who they are. proof is
 * taken. */
static void
request_serve(struct ws *ws, struct evhttp_request *req, json_t *proof)
{
	struct ws_plan plan = {0};

	request_plan(ws, req, &plan);
	if (plan.status != 0) {
		request_refuse(req, &plan);
		ws_plan_fini(&plan);
	} else if (plan.form == WS_SOCKET) {
		ws_plan_fini(&plan);
		ws_socket_open(ws, req, json_incref(proof));
	} else if (ws_proof_is_console(proof)) {
		ws_plan_fini(&plan);
		request_refuse_unproven(req);
	} else {
		request_begin(ws, req, &plan, proof);
	}
	json_decref(proof);
}

void
ws_on_request(struct evhttp_request *req, void *listener)
{
	struct ws *ws = ((const struct ws_listener *)listener)->ws;
	char *bearer = request_bearer(req);
	json_t *proof = bearer != NULL ? json_pack("{s:s}", "token", bearer)
				       : request_certificate(req);

	ws->count.requests++;
	if (!request_is_heard(ws, req, bearer))
		json_decref(proof);
	else if (proof == NULL)
		request_refuse_unproven(req);
	else
		request_serve(ws, req, proof);
	free(bearer);
}
