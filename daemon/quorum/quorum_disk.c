/*
 * A server whose disk is full. Who owns something on it can acknowledge
 * nothing, and raft gives up for good when its log cannot be written. So the
 * process ends: the other servers take over what this one owned, as if it were
 * down. It is started again and again, and goes on as soon as there is room.
 */
#include <sys/statvfs.h>

#include "quorum.h"
#include "daemon/base/log.h"
#include "replication/ship_log.h"

/* With less on the disk a server leaves: the ship log may need a segment any
 * time (SHIP_SEGMENT). With so much it comes back. */
#define DISK_LEAST (SHIP_SEGMENT + (UINT64_C(8) << 20))
#define DISK_ROOM (2 * SHIP_SEGMENT)

static bool
disk_has(const struct quorum *q, uint64_t bytes, struct err *e)
{
	struct statvfs v;

	if (statvfs(q->config.dir, &v) != 0 ||
	    (uint64_t)v.f_bavail * v.f_frsize >= bytes)
		return true;
	err_set(e, ERR_FULL,
	    "%s: the disk is full: the other servers do without this one until "
	    "%llu MB are free",
	    q->config.dir, (unsigned long long)(DISK_ROOM >> 20));
	return false;
}

bool
quorum_disk_lacks(const struct quorum *q, struct err *e)
{
	return !disk_has(q, DISK_ROOM, e);
}

void
quorum_disk_tick(const struct quorum *q, bool others)
{
	struct err e;

	if (engine_is_broken(q->engine, &e) ||
	    (others && !disk_has(q, DISK_LEAST, &e)))
		fatalx("%s", e.text);
}
