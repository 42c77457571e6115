#ifndef WAL_VFS_H
#define WAL_VFS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The VFS of owners' and readers' connections: writes to a -wal are gathered
 * and go to the kernel once a commit, nothing is ever synced, and pages of the
 * database file get their sums (page_sum.h) when they are written and are
 * checked when they are read: one that does not fit is SQLITE_IOERR_DATA.
 * Registers itself at the first call. NULL without memory.
 */
const char *wal_vfs(void);

/*
 * Until the next call, reads of the -wal of a connection that lie within
 * these bytes of it are answered from here. For a checkpoint, which reads
 * frames one by one. n = 0 ends it.
 */
void wal_vfs_window(
    sqlite3 *, const unsigned char *, sqlite3_int64 at, size_t n);

/* Called when a page of the connection's database does not fit its sum, from
 * within the read of it: it must not use the connection. */
typedef void wal_vfs_damage_fn(void *arg, uint32_t page);
void wal_vfs_on_damage(sqlite3 *, wal_vfs_damage_fn *, void *arg);

#endif
