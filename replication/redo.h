#ifndef REDO_H
#define REDO_H

#include "log_index.h"
#include "ship_log.h"

/*
 * After a reboot of the machine the database files hold what the kernel had
 * written by then: everything up to the last synced checkpoint, and of what
 * came later any part. The -wal and -shm files may be anything. Redo removes
 * these, writes the pages of all later commits from the ship log into the
 * databases, and syncs them. Then every database stands at its stream's last
 * whole commit in the log. The caller notes these as checkpoints, and then the
 * new boot.
 *
 * A stream whose database is gone although the log begins in its middle is
 * marked damaged, and said so; the others go on. So is one whose database was
 * still being copied from another server.
 */
struct redo_done {
	uint64_t streams, records, pages;
};
int redo_run(const char *root, struct ship_log *, struct log_index *,
    struct redo_done *, struct err *);

#endif
