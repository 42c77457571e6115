/*
 * Operations of control, in a session of its own for each work: opened with
 * the token or the certificate that somebody showed, asked, closed. Rights,
 * refusals and the audit are control's; nothing is decided here.
 */
#include <stdlib.h>
#include <string.h>

#include "ws.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define WORK_LONG 500 /* rows of an answer that took much memory */

struct ws_work {
	struct ws *ws;
	bool console;
	bool closed;		  /* its answers find nobody */
	char session[OP_SESSION]; /* "" = not open (yet) */
	char token[33];
	ws_opened_fn *opened;
	ws_told_fn *told;
	void *arg;
	unsigned open; /* calls without an answer */
};

struct work_call {
	struct ws_work *work;
	size_t bytes; /* that control has not answered */
	json_t *id;
	ws_reply_fn *fn;
};

/* The last answer of one that was closed before. */
static void
work_release(struct ws_work *w)
{
	if (w->closed && w->open == 0)
		free(w);
}

/* Control forgets the session. */
static void
work_end(struct ws *ws, const char *session)
{
	if (ws->control != NULL)
		rpc_notify(ws->control, "session-close",
		    json_pack("{s:s}", "session", session));
}

/* ---- opening ------------------------------------------------------------- */

static void
work_on_opened(void *arg, json_t *result, const struct err *e)
{
	struct ws_work *w = arg;
	const char *session = json_string_value(
	    json_object_get(result, "session"));
	const char *name = json_string_value(json_object_get(result, "name"));
	struct err broken;

	w->open--;
	if (e == NULL && (session == NULL || name == NULL)) {
		err_set(&broken, ERR_INTERNAL, "control gave no session");
		e = &broken;
	}
	if (w->closed) {
		if (e == NULL)
			work_end(w->ws, session);
		work_release(w);
		return;
	}
	if (e == NULL) {
		str_copy(w->session, sizeof w->session, session);
		str_copy(w->token, sizeof w->token, name);
		map_str_put(&w->ws->works, w->session, w);
	}
	w->opened(w->arg, w->token,
	    (unsigned)json_integer_value(json_object_get(result, "rate")), e);
}

bool
ws_proof_is_console(json_t *proof)
{
	return json_object_get(proof, "certificate") != NULL;
}

struct ws_work *
ws_work_open(struct ws *ws, json_t *proof, const union addr *peer, bool brief,
    ws_opened_fn *opened, ws_told_fn *told, void *arg, struct err *e)
{
	struct ws_work *w;
	char from[64], host[ADDR_TEXT];
	json_t *ask;

	if (ws->control == NULL) {
		err_set(e, ERR_BUSY, "this server is just starting");
		return NULL;
	}
	addr_host(host, peer);
	snprintf(from, sizeof from, "https %.50s", host);
	w = xcalloc(1, sizeof *w);
	w->ws = ws;
	w->opened = opened;
	w->told = told;
	w->arg = arg;
	w->open = 1;
	w->console = ws_proof_is_console(proof);
	ask = json_pack("{s:s, s:b}", "from", from, "brief", (int)brief);
	json_object_update(ask, proof);
	rpc_call(
	    ws->control, "session-open", ask, WS_TIMEOUT, work_on_opened, w);
	return w;
}

void
ws_work_close(struct ws_work **wp)
{
	struct ws_work *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	if (w->session[0] != '\0') {
		map_str_del(&w->ws->works, w->session);
		work_end(w->ws, w->session);
	}
	w->closed = true;
	work_release(w);
}

/* ---- asking -------------------------------------------------------------- */

static void
work_on_reply(void *arg, json_t *result, const struct err *e)
{
	struct work_call *c = arg;
	struct ws_work *w = c->work;
	json_t *data = NULL;

	w->open--;
	w->ws->asked -= c->bytes;
	if (json_array_size(json_object_get(result, "data")) > WORK_LONG)
		w->ws->grown = true;
	if (!w->closed) {
		if (e != NULL && w->ws->control != NULL)
			data = rpc_err_data(w->ws->control);
		c->fn(w->arg, c->id, result, e, data);
	} else {
		work_release(w);
	}
	json_decref(c->id);
	free(c);
}

void
ws_work_call(struct ws_work *w, const char *method, json_t *params, json_t *id,
    ws_reply_fn *fn)
{
	struct work_call *c;
	json_t *ask;
	size_t n = params != NULL ? rpc_size(params) : 0;
	struct err e = {0};

	if (w->ws->control == NULL)
		err_set(&e, ERR_CLOSED, "control is gone: ask again");
	else if (w->ws->asked + n > WS_ASKED)
		err_set(&e, ERR_BUSY, "too much at once: ask again");
	if (e.code != ERR_NONE) {
		fn(w->arg, id, NULL, &e, NULL);
		return;
	}
	ask = json_pack("{s:s, s:s}", "session", w->session, "method", method);
	c = xcalloc(1, sizeof *c);
	if (params != NULL)
		json_object_set(ask, "params", params);
	c->work = w;
	c->bytes = n;
	w->ws->asked += n;
	c->id = json_incref(id);
	c->fn = fn;
	w->open++;
	rpc_call(w->ws->control, "session-call", ask,
	    w->console ? 0 : WS_TIMEOUT, work_on_reply, c);
}

void
ws_work_full(struct ws_work *w, bool full)
{
	if (w->ws->control != NULL)
		rpc_notify(w->ws->control, "session-full",
		    json_pack("{s:s, s:b}", "session", w->session, "full",
			(int)full));
}

void
ws_work_note(struct ws_work *w, const char *method)
{
	if (w->ws->control != NULL)
		rpc_notify(w->ws->control, "session-note",
		    json_pack(
			"{s:s, s:s}", "session", w->session, "method", method));
}

/* ---- what control says unasked ------------------------------------------- */

void
ws_work_tell(struct ws *ws, json_t *params)
{
	const char *session, *method;
	struct ws_work *w;
	json_t *what;

	if (json_unpack(params, "{s:s, s:s, s:o}", "session", &session,
		"method", &method, "params", &what) != 0)
		return;
	w = map_str(&ws->works, session);
	if (w != NULL && w->told != NULL)
		w->told(w->arg, method, what);
}

void
ws_work_unlink(struct ws *ws)
{
	struct ws_work *w;
	size_t at = 0;

	while ((w = map_next(&ws->works, &at, NULL, NULL)) != NULL) {
		if (w->told != NULL)
			w->told(w->arg, "closed", NULL);
	}
}
