/*
 * Does:     takes the ship records of all owners of this server into one ship
 *           log, syncs it, acknowledges; tells readers; syncs database files
 *           and trims the log; after a reboot brings the databases to where
 *           the log is; ships to the replicators of other servers and takes
 *           what they ship. All of that is replication/replicator*.c.
 * Never:    opens a database through SQLite, decides who owns what, parses
 *           what came from outside the site.
 * Talks to: every process that writes or reads streams (ship messages, see
 *           tandem-wal(5)); replicators of other servers (mesh.h, records as
 *           in site_link.c); quorum (JSON-RPC: in-sync sets); control
 *           (JSON-RPC: its operations); supervisor.
 * Keeps:    the ship log in STATE/log, the history of domains in
 *           STATE/history; nothing in memory that is not there.
 * On crash: started again it reads its log; owners ship again what was not
 *           acknowledged and go on; readers read on. A log damaged before its
 *           end keeps it from starting, and says where.
 */
#include <stdio.h>
#include <stdlib.h>

#include "replicator.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* Of the ship log kept beyond what a redo needs. */
#define REPLICATOR_KEEP (UINT64_C(128) << 20)

static void
replicator_role_stats(struct self *self, const struct replicator_status *s)
{
	static struct role_stat stats[] = {
	    {"ship-records", "records taken into the ship log", NULL},
	    {"ship-bytes", "bytes written to the ship log", NULL},
	    {"ship-syncs", "syncs of the ship log", NULL},
	    {"ship-sync-max", "longest of them, in microseconds", NULL},
	    {"ship-log-bytes", "bytes of the ship log on disk", NULL},
	    {"ship-streams", "streams known", NULL},
	    {"ship-links", "processes that write or read streams", NULL},
	    {"ship-full", "1 while the disk has no room for it", NULL},
	    {"ship-failed", "1 once it cannot be written any more", NULL},
	    {"ship-servers", "other servers connected", NULL},
	    {"ship-lost", "replicas that had to be made anew", NULL},
	    {"ship-rewound", "replicas that went back to what counts", NULL},
	    {0},
	};
	const uint64_t *const value[] = {&s->records, &s->bytes, &s->syncs,
	    &s->sync_us_max, &s->log_bytes, &s->streams, &s->links, &s->full,
	    &s->failed, &s->peers, &s->lost, &s->rewound};
	size_t i;

	for (i = 0; stats[i].name != NULL; i++)
		stats[i].value = (uint64_t *)(uintptr_t)value[i];
	role_stats(self, stats);
}

static void
replicator_role_on_up(void *arg, const char *server, int fd)
{
	struct replicator_room *room = arg;

	replicator_join(room->replicator, fd, server);
}

/* Streams of domains are opened when something needs them, all others by who
 * comes to own them. The store is asked through control, with which alone
 * there is a link for words. */
static void
replicator_role_stranded(void *arg, const char *stream)
{
	const struct replicator_room *room = arg;
	unsigned at = 0;
	struct peer *control = role_peer_next(room->self, ROLE_CONTROL, &at);

	if (control != NULL && str_prefix(stream, "domain/"))
		rpc_notify(control->rpc, "stranded",
		    json_pack("{s:s}", "stream", stream));
}

/* Everything that the disk holds is read, and redone after a reboot, before
 * any other process is given a stream. */
static int
replicator_role_start(struct self *self, struct err *e)
{
	struct replicator_room *room = xcalloc(1, sizeof *room);
	struct replicator_config c = {.root = self->root,
	    .log_keep = REPLICATOR_KEEP,
	    .server = self->server,
	    .propose = member_propose,
	    .give = member_give,
	    .propose_arg = room,
	    .stranded = replicator_role_stranded,
	    .stranded_arg = room};
	char log[300], history[300];
	int r;

	room->self = self;

	snprintf(log, sizeof log, "%s/log", self->state);
	snprintf(history, sizeof history, "%s/history", self->state);
	c.log = log;
	c.history = history;
	c.history_keep = self->history_days * 86400 * CLOCK_SEC;
	c.history_bytes = (uint64_t)self->history_mib << 20;
	r = replicator_open(self->loop, &c, &room->replicator, e);
	if (r == -ERR_CORRUPT)
		log_warnx("the ship log is damaged: tandem-replication(7) says "
			  "under DAMAGE how the server gets another");
	if (r == 0)
		r = role_mesh_open(self, MESH_REPLICATOR, replicator_role_on_up,
		    room, &room->mesh, e);
	if (r != 0) {
		replicator_close(&room->replicator);
		free(room);
		return r;
	}
	self->state_of_role = room;
	replicator_owners(room->replicator, self->owners);
	replicator_role_stats(self, replicator_counters(room->replicator));
	role_ready_epoch(self, replicator_highest_epoch(room->replicator));
	return 0;
}

static void
replicator_role_socket(struct self *self, int fd, const char *who)
{
	struct replicator_room *room = self->state_of_role;

	replicator_serve(room->replicator, fd, who);
}

static void
replicator_role_owners(struct self *self)
{
	struct replicator_room *room = self->state_of_role;

	role_mesh_update(self, room->mesh);
	replicator_owners(room->replicator, self->owners);
}

static void
replicator_role_link(struct self *self, struct peer *p)
{
	if (p->role == ROLE_QUORUM)
		member_on_link(self->state_of_role, p);
}

/* What was acknowledged is on disk; there is nothing to write. */
static void
replicator_role_stop(struct self *self)
{
	struct replicator_room *room = self->state_of_role;

	mesh_close(&room->mesh);
	replicator_close(&room->replicator);
	role_stopped(self);
}

const struct role replicator_role = {
    .id = ROLE_REPLICATOR,
    .ops = replicator_ops,
    .start = replicator_role_start,
    .on_stop = replicator_role_stop,
    .on_socket = replicator_role_socket,
    .on_owners = replicator_role_owners,
    .on_link = replicator_role_link,
    .alarms = replicator_role_alarms,
    .rights = RIGHT_STREAM,
};
