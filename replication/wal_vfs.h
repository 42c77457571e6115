#ifndef WAL_VFS_H
#define WAL_VFS_H

#include <sqlite3.h>
#include <stddef.h>

/*
 * The VFS of owners' connections: writes to a -wal are gathered and go to the
 * kernel once a commit, and nothing is ever synced. Registers itself at the
 * first call. NULL without memory.
 */
const char *wal_vfs(void);

/*
 * Until the next call, reads of the -wal of a connection that lie within
 * these bytes of it are answered from here. For a checkpoint, which reads
 * frames one by one. n = 0 ends it.
 */
void wal_vfs_window(
    sqlite3 *, const unsigned char *, sqlite3_int64 at, size_t n);

#endif
