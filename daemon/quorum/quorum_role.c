/*
 * Does:     decides with the quorum processes of the other servers who owns
 *           what, who is up, and whose acknowledgements are needed; runs raft
 *           (libraft) around the machine of replication/ownership.h; finds
 *           dead servers by their silence and proposes their successors.
 * Never:    opens a stream, starts or kills a process, speaks with anybody
 *           outside the site.
 * Talks to: quorum of every other server (mesh, port base + 1: see
 *           quorum_frame.c); supervisor (what was decided, how its processes
 *           are); replicator (members that come and go) and control (servers
 *           that join) by JSON-RPC.
 * Keeps:    the raft log and its snapshots, its id and the list of servers in
 *           STATE/raft; the machine in memory, which that makes anew.
 * On crash: owners go on serving; the others do without its vote. Started
 *           again it reads its log and hears from the leader what it missed.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "quorum.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role_wire.h"

/* ---- time --------------------------------------------------------------- */

/* Memory that is never paged out, if the limit allows all we may ever use. */
static bool
quorum_lock_memory(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_MEMLOCK, &r) == 0 &&
	    r.rlim_cur == RLIM_INFINITY &&
	    mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
}

/* Before other threads are there, which inherit it. */
static bool
quorum_realtime(void)
{
	struct sched_param p = {.sched_priority = ROLE_PRIORITY};

	if (!quorum_lock_memory())
		log_info("memory is not locked: no right to");
	if (sched_setscheduler(0, SCHED_RR, &p) == 0)
		return true;
	log_warnx("no right to real-time priority: a dead server is found "
		  "after 500 ms instead of 100");
	return false;
}

/* ---- news --------------------------------------------------------------- */

/* The port of an instance: what the machine knows is its server's base. */
static void
quorum_role_port(struct owner *o)
{
	const char *server;
	enum role_id role;
	unsigned index, port;

	if (!role_full_parse(o->instance, &role, &index, &server))
		return;
	port = role_rows[role].port;
	addr_set_port(&o->inside,
	    port != 0 ? (uint16_t)(addr_port(&o->inside) + port + index) : 0);
}

static void
quorum_role_entry(void *arg, const struct owner *o, bool removed)
{
	struct owner out = *o;

	quorum_role_port(&out);
	role_decide(arg, &out, removed);
}

static void
quorum_role_on_servers(void *arg, const struct mesh_server *s, size_t n)
{
	struct self *self = arg;
	struct quorum *q = self->state_of_role;

	if (q != NULL && q->mesh != NULL)
		mesh_set(q->mesh, s, n);
}

/* ---- what the supervisor says ------------------------------------------- */

static void
quorum_role_on_status(struct self *self, const struct role_status *s)
{
	bool ready = strcmp(s->state, "ready") == 0 ||
	    strcmp(s->state, "owner") == 0;
	enum role_id role;
	unsigned index;

	if (role_name_parse(s->name, &role, &index))
		quorum_instance(self->state_of_role, role_rows[role].name,
		    index, ready ? s->since : 0);
}

static void
quorum_role_on_serving(struct self *self, const char *key, uint64_t epoch)
{
	quorum_serving(self->state_of_role, key, epoch);
}

static void
quorum_role_on_place(struct self *self, enum role_id role, unsigned count)
{
	quorum_placed(self->state_of_role, role_rows[role].name, count != 0);
}

/* ---- requests of peers -------------------------------------------------- */

static void
quorum_role_done(void *arg, const struct err *e)
{
	if (e == NULL)
		rpc_reply(arg, json_object());
	else
		rpc_fail(arg, e);
}

/* {key, epoch, server}, and the answer once it is decided; TIMEOUT = nobody
 * knows: whoever asked takes it for decided until the owner map tells. */
static void
quorum_role_member(struct quorum *q, struct rpc_request *r,
    enum ownership_type type, json_t *params)
{
	const char *key, *server;
	json_int_t epoch;

	if (json_unpack(params, "{s:s, s:I, s:s}", "key", &key, "epoch", &epoch,
		"server", &server) != 0)
		rpc_failf(r, ERR_INVALID, "expected key, epoch, server");
	else
		quorum_member(
		    q, type, key, (uint64_t)epoch, server, quorum_role_done, r);
}

/* {id, epoch}: of the ship log, whenever it is a new one. */
static void
quorum_role_log(struct quorum *q, struct rpc_request *r,
    enum ownership_type none, json_t *params)
{
	json_int_t id, epoch;

	(void)none;
	if (json_unpack(params, "{s:I, s:I}", "id", &id, "epoch", &epoch) !=
	    0) {
		rpc_failf(r, ERR_INVALID, "expected id, epoch");
		return;
	}
	quorum_log(q, (uint64_t)id, (uint64_t)epoch);
	quorum_role_done(r, NULL);
}

/* {name, inside, port-base, witness} */
static void
quorum_role_server_put(struct quorum *q, struct rpc_request *r,
    enum ownership_type type, json_t *params)
{
	struct ownership_command c = {.type = type};
	const char *name, *inside;
	int port, witness = 0;

	if (json_unpack(params, "{s:s, s:s, s:i, s?b}", "name", &name, "inside",
		&inside, "port-base", &port, "witness", &witness) != 0 ||
	    port < 1 || port > UINT16_MAX ||
	    !addr_parse(&c.inside, inside, (uint16_t)port) ||
	    !str_copy(c.server, sizeof c.server, name)) {
		rpc_failf(r, ERR_INVALID, "expected name, inside, port-base");
		return;
	}
	c.flags = witness != 0;
	quorum_propose(q, &c, quorum_role_done, r);
}

/* {server}: what an operator wants of one (daemon/control/op_drain.c). */
static void
quorum_role_server(struct quorum *q, struct rpc_request *r,
    enum ownership_type type, json_t *params)
{
	struct ownership_command c = {.type = type};
	const char *server = json_string_value(
	    json_object_get(params, "server"));

	if (server == NULL || !str_copy(c.server, sizeof c.server, server))
		rpc_failf(r, ERR_INVALID, "expected server");
	else
		quorum_propose(q, &c, quorum_role_done, r);
}

static const struct {
	const char *method;
	enum role_id from;
	void (*fn)(struct quorum *, struct rpc_request *, enum ownership_type,
	    json_t *params);
	enum ownership_type type;
} quorum_methods[] = {
    {"member-add", ROLE_REPLICATOR, quorum_role_member, OWNERSHIP_MEMBER_ADD},
    {"member-remove", ROLE_REPLICATOR, quorum_role_member,
	OWNERSHIP_MEMBER_REMOVE},
    {"move", ROLE_REPLICATOR, quorum_role_member, OWNERSHIP_MOVE},
    {"log", ROLE_REPLICATOR, quorum_role_log, 0},
    {"server-put", ROLE_CONTROL, quorum_role_server_put, OWNERSHIP_SERVER_PUT},
    {"server-drain", ROLE_CONTROL, quorum_role_server, OWNERSHIP_DRAIN},
    {"server-undrain", ROLE_CONTROL, quorum_role_server, OWNERSHIP_UNDRAIN},
    {"server-remove", ROLE_CONTROL, quorum_role_server,
	OWNERSHIP_SERVER_REMOVE},
};

static void
quorum_role_on_request(struct self *self, struct peer *p, struct rpc_request *r,
    const char *method, json_t *params)
{
	size_t i;

	/* {availability}: what the configuration prefers. */
	if (r == NULL && p->role == ROLE_CONTROL && strcmp(method, "feed") == 0)
		quorum_prefer(self->state_of_role,
		    json_is_true(json_object_get(params, "availability")));
	for (i = 0;
	     i < sizeof quorum_methods / sizeof quorum_methods[0] && r != NULL;
	     i++) {
		if (strcmp(quorum_methods[i].method, method) != 0 ||
		    quorum_methods[i].from != p->role)
			continue;
		quorum_methods[i].fn(
		    self->state_of_role, r, quorum_methods[i].type, params);
		return;
	}
	if (r != NULL)
		rpc_failf(
		    r, ERR_UNKNOWN, "%s: not for %s to ask", method, p->name);
}

/* ---- start -------------------------------------------------------------- */

static void
quorum_role_on_up(void *arg, const char *server, int fd)
{
	struct self *self = arg;

	quorum_on_up(self->state_of_role, server, fd);
}

static int
quorum_role_open_mesh(struct self *self, struct quorum *q, struct err *e)
{
	struct mesh_config c = {.self = self->server,
	    .identity = self->identity,
	    .listen = q->config.inside,
	    .port_offset = MESH_QUORUM,
	    .on_up = quorum_role_on_up,
	    .arg = self};
	int r;

	if (self->identity == NULL)
		return 0;
	if ((r = mesh_open(self->loop, &c, &q->mesh, e)) != 0)
		return r;
	mesh_set(q->mesh, q->servers, q->nservers);
	role_mesh_is(self, q->mesh);
	return 0;
}

static void
quorum_role_stats(struct self *self, struct quorum *q)
{
	static struct role_stat stats[] = {
	    {"decided", "commands that were done", NULL},
	    {"refused", "commands that came too late or did not fit", NULL},
	    {"servers-lost", "times a server was found silent", NULL},
	    {"led", "times this server became the leader", NULL},
	    {0},
	};

	stats[0].value = &q->decided;
	stats[1].value = &q->refused;
	stats[2].value = &q->downs;
	stats[3].value = &q->elections;
	role_stats(self, stats);
}

/* Has this server told before, since it was started, that it is up? */
static bool
quorum_role_is_warm(const struct self *self)
{
	struct owner o;

	return owner_map_server(self->owners, self->server, &o);
}

static void
quorum_role_alarms(struct self *self, json_t *rows)
{
	const struct quorum *q = self->state_of_role;

	if (q->waits != 0)
		role_alarm(rows, q->waits, "waits", "quorum",
		    "since its start this server has not heard the others, who "
		    "may have gone on: it decides nothing before that; if they "
		    "are lost for good: tandemd recover");
}

static int
quorum_role_start(struct self *self, struct err *e)
{
	/* As the supervisor knows them before raft tells: those that were
	 * there when this one joined. */
	struct mesh_server others[OWNERSHIP_SERVERS];
	size_t n = role_servers(self, others, OWNERSHIP_SERVERS);
	struct quorum_config c = {.loop = self->loop,
	    .server = self->server,
	    .inside = self->inside,
	    .floor = self->epoch,
	    .others = others,
	    .nothers = n,
	    .realtime = quorum_realtime(),
	    .witness = self->witness,
	    .warm = quorum_role_is_warm(self),
	    .on_entry = quorum_role_entry,
	    .on_servers = quorum_role_on_servers,
	    .arg = self};
	struct quorum *q;
	char dir[300];
	int r;

	snprintf(dir, sizeof dir, "%s/raft", self->state);
	c.dir = dir;
	addr_set_port(&c.inside, self->port_base);
	if ((r = quorum_open(&c, &q, e)) != 0)
		return r;
	self->state_of_role = q;
	if ((r = quorum_role_open_mesh(self, q, e)) != 0)
		return r;
	role_on_status(self, quorum_role_on_status);
	role_on_serving(self, quorum_role_on_serving);
	role_on_place(self, quorum_role_on_place);
	quorum_role_stats(self, q);
	role_ready(self);
	return 0;
}

static void
quorum_role_left(void *arg)
{
	role_stopped(arg);
}

/* Others go on deciding without an election. */
static void
quorum_role_stop(struct self *self)
{
	if (!quorum_lead_leave(self->state_of_role, quorum_role_left, self))
		role_stopped(self);
}

const struct role quorum_role = {
    .id = ROLE_QUORUM,
    .ops = quorum_ops,
    .start = quorum_role_start,
    .on_stop = quorum_role_stop,
    .on_request = quorum_role_on_request,
    .alarms = quorum_role_alarms,
    .rights = RIGHT_STREAM | RIGHT_AIO,
};
