/*
 * Role control, one per server.
 * Does: lets consoles in and runs, routes or spreads their operations; tells
 *   the supervisor how many instances the site wants, and gates and media
 *   gates what they need to know.
 *   Keeps out who may not, and the audit of who did what.
 * Never: writes a stream, decides a commit, speaks SIP, waits for a console.
 * Talks to: consoles (unix socket), programs (by ws), every role of the server,
 *   the supervisor, the controls of other servers (mTLS).
 * Keeps: the audit, in files; candidates are the store's.
 * On crash: consoles are disconnected, their candidates dropped; calls and
 *   registrations notice nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "join.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct control *
control_of(const struct op_call *call)
{
	const struct self *self = call->self;

	return OBJ(self->state_of_role, control, CONTROL_MAGIC);
}

/* ---- owners ------------------------------------------------------------- */

/* The link to who owns a role now, or to the control beside it. */
struct rpc *
control_owner(void *arg, unsigned role)
{
	struct control *c = arg;
	struct peer *p = role_owner(c->self, role_rows[role].name);

	return p != NULL ? p->rpc : far_owner(c, role_rows[role].name);
}

void
control_session_over(struct control *c, const char *session)
{
	struct rpc *store = control_owner(c, ROLE_ST);

	if (store != NULL)
		rpc_notify(store, "session-end",
		    json_pack("{s:s}", "session", session));
}

/* A new owner of the store hears which sessions there are, before any of
 * their edits: candidates of all others are of the past. */
static void
control_tell_sessions(struct control *c)
{
	struct rpc *store = control_owner(c, ROLE_ST);
	json_t *list;
	struct session *s;
	struct owner o;

	if (store == NULL || !owner_map_find(c->self->owners, "st", &o) ||
	    (o.epoch == c->store_epoch && strcmp(o.instance, c->store) == 0))
		return;
	c->store_epoch = o.epoch;
	str_copy(c->store, sizeof c->store, o.instance);
	list = json_array();
	TAILQ_FOREACH (s, &c->sessions, entry)
		json_array_append_new(list, json_string(s->who.session));
	if (drill_session(c) != NULL)
		json_array_append_new(list, json_string(drill_session(c)));
	rpc_notify(store, "sessions",
	    json_pack(
		"{s:s, s:o}", "server", c->self->server, "sessions", list));
}

void
control_owners_changed(struct control *c)
{
	control_tell_sessions(c);
	route_wake(c->route);
	drill_wake(c);
}

static void
control_on_owners(struct self *self)
{
	struct control *c = self->state_of_role;

	role_mesh_update(c->self, c->mesh);
	control_owners_changed(c);
}

static void
control_on_link(struct self *self, struct peer *p)
{
	struct control *c = self->state_of_role;

	site_feed(c, p);
	if (p->role == ROLE_WS)
		rpc_on_taken(p->rpc, turn_on_taken, c);
	if (p->role == ROLE_ST)
		control_owners_changed(c);
	else
		drill_wake(c);
}

static void
control_on_unlink(struct self *self, struct peer *p)
{
	struct control *c = self->state_of_role;

	if (p->role == ROLE_ST)
		c->store_epoch = 0; /* said again over the next link */
	site_forget(p);
	route_unlink(c->route, p->rpc);
	each_unlink(&c->eaches, p->rpc);
	far_unlink(c, p->rpc);
	drill_unlink(c, p->rpc);
	token_unlink(c, p->rpc);
}

static void
control_on_request(struct self *self, struct peer *p, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct peer *store = role_owner(self, "st");

	if (p->role == ROLE_WS)
		token_request(self->state_of_role, p, q, method, params);
	else if (p->role == ROLE_REPLICATOR && q == NULL && store != NULL &&
	    strcmp(method, "stranded") == 0)
		rpc_notify(store->rpc, method, json_incref(params));
	else if (q != NULL)
		far_ask(self->state_of_role, p, q, method, params);
}

/* ---- what the supervisor tells ------------------------------------------ */

static void
control_on_status(struct self *self, const struct role_status *s)
{
	struct control *c = self->state_of_role;
	struct role_status *kept = map_str(&c->status, s->name);

	if (kept == NULL) {
		kept = xcalloc(1, sizeof *kept);
		if (map_str_put(&c->status, s->name, kept) != 0)
			fatalx("out of memory");
	}
	*kept = *s;
}

/* ---- life --------------------------------------------------------------- */

static void
control_register_counters(struct control *c)
{
	static struct role_stat stats[7];
	const struct role_stat rows[] = {
	    {"control-sessions", "consoles connected now", &c->count.sessions},
	    {"control-sessions-all", "consoles ever connected",
		&c->count.sessions_all},
	    {"control-refused", "consoles that were not permitted",
		&c->count.refused},
	    {"control-calls", "requests of consoles", &c->count.calls},
	    {"control-errors", "requests that failed", &c->count.errors},
	    {"control-feeds", "messages that fed gates", &c->count.feeds}, {0}};

	memcpy(stats, rows, sizeof rows);
	c->stats = stats;
	role_stats(c->self, stats);
}

static void
control_watch(struct control *c)
{
	char site[STREAM_NAME];

	snprintf(site, sizeof site, "site/%s", c->self->site);
	c->streams = streams_new(c);
	streams_watch(c->streams, site, site_on_event);
	streams_watch(c->streams, "domain/root", root_on_event);
}

/* The socket is opened and the group looked up before the sandbox closes. */
static int
control_start(struct self *self, struct err *e)
{
	struct control *c = xcalloc(1, sizeof *c);
	int r, i;

	c->magic = CONTROL_MAGIC;
	c->self = self;
	c->listen_fd = -1;
	self->state_of_role = c;
	for (i = 0; i < ROLE_MAX; i++)
		c->placed[i] = -1;
	TAILQ_INIT(&c->sessions);
	TAILQ_INIT(&c->eaches);
	TAILQ_INIT(&c->monitors);
	TAILQ_INIT(&c->followings);
	turn_open(c);
	drill_open(c);
	audit_start(c);
	send_open(c);
	if ((r = trace_open(c, e)) != 0)
		return r;
	c->route = route_new(self->loop, control_owner, c);
	if ((r = session_listen(c, e)) != 0 || (r = far_open(c, e)) != 0)
		return r;
	control_watch(c);
	if (self->identity != NULL && !self->witness &&
	    (r = join_start(c, self->identity, e)) != 0)
		return r;
	control_register_counters(c);
	role_on_status(self, control_on_status);
	role_ready(self);
	return 0;
}

static void
control_on_stop(struct self *self)
{
	struct control *c = self->state_of_role;

	session_close_all(c);
	far_close(c);
	recorder_close(&c->recorder);
	audit_stop(c);
	send_close(c);
	join_door_close(&c->joins);
	streams_free(&c->streams);
	role_stopped(self);
}

const struct role control_role = {
    .id = ROLE_CONTROL,
    .ops = control_ops,
    .start = control_start,
    .on_link = control_on_link,
    .on_unlink = control_on_unlink,
    .on_request = control_on_request,
    .on_owners = control_on_owners,
    .on_stop = control_on_stop,
    .rights = RIGHT_STREAM,
};
