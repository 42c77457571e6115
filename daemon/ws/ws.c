/*
 * WS, the gate of programs.
 *
 * Does: meets programs over HTTPS and WebSocket; turns requests into
 *   operations, which control carries out under the token that was shown, and
 *   their answers into JSON or text of Prometheus. Lets consoles of other
 *   machines through, by their certificates.
 * Never: opens a database, knows who may do what or what a token's secret is
 *   kept as, serves anything without TLS.
 * Talks to: programs, consoles; control by JSON-RPC, which feeds listeners.
 * Keeps: connections, a bucket for each token, failures of each address. All
 *   bounded, all soft.
 * On crash: connections end and programs open new ones; what was committed is
 *   committed, and a candidate without a commit is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "ws.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

static void
ws_on_tick(void *arg)
{
	struct ws *ws = arg;

	loop_timer_set(ws->tick, CLOCK_SEC);
	/* A link that broke is made again only for a new process. */
	if (ws->alone != 0 && clock_mono() - ws->alone > WS_ALONE)
		fatalx("without control");
	ws_http_tick(ws);
	ws_sockets_tick(ws, clock_mono());
	if (ws->grown)
		mem_trim();
	ws->grown = false;
	role_listeners_retry(&ws->listeners);
}

static void
ws_register(struct self *self, const struct role_stat *rows, size_t n)
{
	struct role_stat *kept = xmalloc(n);

	memcpy(kept, rows, n);
	role_stats(self, kept);
}

static void
ws_register_stats(struct self *self, struct ws_count *n)
{
	const struct role_stat rows[] = {
	    {"connections", "connections of programs now", &n->connections},
	    {"accepted", "connections ever", &n->accepted},
	    {"refused", "connections refused by a bound", &n->refused},
	    {"timed-out", "connections that were too slow", &n->timed_out},
	    {"requests", "requests of HTTP", &n->requests},
	    {"failed", "requests answered with an error", &n->failed},
	    {"over-rate", "requests above a token's rate", &n->over_rate},
	    {"bad-tokens", "requests with a token that is none",
		&n->bad_tokens},
	    {0},
	};
	const struct role_stat sockets[] = {
	    {"sockets", "WebSockets open now", &n->sockets},
	    {"messages", "messages that came over them", &n->messages},
	    {0},
	};

	ws_register(self, rows, sizeof rows);
	ws_register(self, sockets, sizeof sockets);
}

static int
ws_start(struct self *self, struct err *e)
{
	struct ws *ws = xcalloc(1, sizeof *ws);

	(void)e;
	ws->magic = WS_MAGIC;
	ws->self = self;
	ws->listeners = (struct role_listeners){
	    .self = self, .gate = ws, .kind = &ws_listener_kind};
	LIST_INIT(&ws->conns);
	TAILQ_INIT(&ws->exchanges);
	TAILQ_INIT(&ws->sockets);
	ws->admit = (struct loop_defer){.fn = ws_http_admit, .arg = ws};
	ws->tick = loop_timer_new(self->loop, ws_on_tick, ws);
	ws->openapi = op_openapi(self->table, TANDEM_VERSION);
	self->state_of_role = ws;
	ws_register_stats(self, &ws->count);
	loop_timer_set(ws->tick, CLOCK_SEC);
	role_ready(self);
	return 0;
}

static void
ws_on_link(struct self *self, struct peer *p)
{
	struct ws *ws = self->state_of_role;

	if (p->role != ROLE_CONTROL)
		return;
	ws->control = p->rpc;
	ws->alone = 0;
}

/* What was asked there is not answered any more. */
static void
ws_on_unlink(struct self *self, struct peer *p)
{
	struct ws *ws = self->state_of_role;

	if (p->role != ROLE_CONTROL)
		return;
	ws->control = NULL;
	ws->alone = clock_mono();
	ws_work_unlink(ws);
}

static void
ws_on_rpc(struct self *self, struct peer *p, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct ws *ws = self->state_of_role;

	if (q != NULL)
		rpc_failf(q, ERR_UNKNOWN, "%.64s: no such method", method);
	else if (p->role == ROLE_CONTROL && strcmp(method, "feed") == 0)
		role_listeners_feed(
		    &ws->listeners, json_object_get(params, "listeners"));
	else if (p->role == ROLE_CONTROL && strcmp(method, "session-tell") == 0)
		ws_work_tell(ws, params);
}

/* What was said last has left, or had time to. */
static void
ws_on_last(void *arg)
{
	struct ws *ws = arg;
	struct self *self = ws->self;

	role_listeners_close(&ws->listeners);
	ws_http_forget(ws);
	loop_timer_free(&ws->tick);
	loop_timer_free(&ws->last);
	loop_defer_cancel(self->loop, &ws->admit);
	ws_guard_fini(&ws->guard);
	map_fini(&ws->works);
	json_decref(ws->openapi);
	free(ws);
	self->state_of_role = NULL;
	role_stopped(self);
}

static void
ws_on_stop(struct self *self)
{
	struct ws *ws = self->state_of_role;

	ws_http_shut(ws);
	loop_timer_cancel(ws->tick);
	ws_requests_end(ws);
	ws_sockets_end(ws);
	ws->last = loop_timer_new(self->loop, ws_on_last, ws);
	loop_timer_set(ws->last, ws->nconns > 0 ? WS_LAST : 0);
}

static void
ws_alarms(struct self *self, json_t *rows)
{
	const struct ws *ws = self->state_of_role;

	role_listeners_alarms(&ws->listeners, rows);
}

const struct role ws_role = {
    .id = ROLE_WS,
    .start = ws_start,
    .on_link = ws_on_link,
    .on_unlink = ws_on_unlink,
    .on_request = ws_on_rpc,
    .on_stop = ws_on_stop,
    .alarms = ws_alarms,
    .rights = RIGHT_STREAM,
};
