/*
 * MGC: the controller of the media gates of a site.
 *
 * Does: takes B2BUA's orders for media (rtpengine's ng), gives each call a
 *	gate, keeps which, and passes the orders on under its epoch.
 * Never: touches a packet or an SDP, speaks to the outside, orders a gate
 *	before the session is acknowledged, orders anything when another
 *	instance owns the key.
 * Talks to: B2BUA and MG (ng on its inside socket), replicator (stream
 *	`media`), control (operations).
 * Keeps: table session of stream `media`, a row for each call.
 * On crash: the other instance opens the stream under the next epoch and
 *	knows every call; gates refuse orders of the epoch before. Orders
 *	without an answer are given again by B2BUA and mean the same twice.
 */
#include <stdlib.h>
#include <string.h>

#include "mgc.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/role/role.h"

static void
mgc_register_stats(struct self *self, struct mgc_counters *n)
{
	const struct role_stat rows[] = {
	    {"sessions", "calls with media", &n->sessions},
	    {"gates", "media gates that serve", &n->gates},
	    {"orders", "commands of B2BUA", &n->orders},
	    {"refused", "commands refused here", &n->refused},
	    {"failed", "commands that a gate refused", &n->failed},
	    {"placed", "calls given a gate", &n->placed},
	    {"replaced", "offers that went on to another gate", &n->replaced},
	    {"lost", "sessions whose gate ended", &n->lost},
	    {"vanished", "sessions that their gate did not know", &n->vanished},
	    {"strays", "calls of a gate that nobody knew", &n->strays},
	    {"strangers", "datagrams inside that no process of ours sent",
		&self->ears.strangers},
	    {"held", "commands that waited for the stream", &n->held},
	    {"not-owner", "commands while another instance owns",
		&n->not_owner},
	    {0},
	};
	struct role_stat *kept = xmalloc(sizeof rows);

	memcpy(kept, rows, sizeof rows);
	role_stats(self, kept);
}

static void
mgc_on_serving(void *arg)
{
	struct self *self = arg;
	const struct mgc *m = self->state_of_role;

	role_serving(self, "mgc", m->epoch);
}

/*
 * When a higher epoch has begun this instance is the passive one and goes on;
 * anything else it cannot mend: the supervisor starts it again, and gives
 * the next epoch to another.
 */
static void
mgc_on_lost(void *arg, const struct err *why)
{
	(void)arg;
	if (why->code != ERR_REFUSED)
		fatalx("%s: %s", MGC_STREAM, why->text);
}

static bool
mgc_hears(void *self, const union addr *from)
{
	return role_hears(self, from);
}

static int
mgc_start(struct self *self, struct err *e)
{
	int fd = sock_udp(&self->inside, e);
	struct mgc *m;

	if (fd < 0)
		return fd;
	m = mgc_control_open(self->loop, fd, self->owners);
	m->on_serving = mgc_on_serving;
	m->on_lost = mgc_on_lost;
	m->arg = self;
	ng_hear(m->ng, mgc_hears, self);
	self->state_of_role = m;
	mgc_register_stats(self, &m->n);
	role_ready(self);
	return 0;
}

static void
mgc_on_owners(struct self *self)
{
	mgc_gates_read(self->state_of_role);
}

static void
mgc_on_own(struct self *self, const char *key, uint64_t epoch)
{
	struct mgc *m = self->state_of_role;

	if (strcmp(key, "mgc") == 0)
		mgc_control_claim(m, self->repl, epoch);
}

static void
mgc_on_request(struct self *self, struct peer *p, struct rpc_request *q,
    const char *method, json_t *params)
{
	if (q == NULL)
		return;
	if (p->role == ROLE_CONTROL && strcmp(method, "drill") == 0)
		mgc_drill(self->state_of_role, q, params);
	else
		rpc_failf(q, ERR_UNKNOWN, "%.64s: no such method", method);
}

/* Sessions stay in the stream for the next owner. */
static void
mgc_on_stop(struct self *self)
{
	struct mgc *m = self->state_of_role;

	mgc_control_close(&m);
	self->state_of_role = NULL;
	role_stopped(self);
}

const struct role mgc_role = {
    .id = ROLE_MGC,
    .ops = mgc_ops,
    .start = mgc_start,
    .on_request = mgc_on_request,
    .on_owners = mgc_on_owners,
    .on_own = mgc_on_own,
    .on_stop = mgc_on_stop,
};
