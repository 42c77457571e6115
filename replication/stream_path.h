#ifndef STREAM_PATH_H
#define STREAM_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"

/*
 * Where a stream's database lies: <root>/<name>.db. A database that was
 * rebuilt from another server's has a number, <root>/<name>~<number>.db, and
 * so a -wal and -shm of its own: whoever still has the one before open can
 * never mix them. No name of a stream has a '~'. Directories and files
 * belong to the group of the root (its setgid bit hands the group down), so
 * that every process of the server can read and SQLite can lock.
 */
#define STREAM_PATH 400

int stream_path(char path[STREAM_PATH], const char *root, const char *name,
    uint32_t file, struct err *);
/* Where a database is built as it was once: <root>/.past/<file>.db. No name
 * of a stream begins with a '.'. */
#define STREAM_PAST ".past"
int stream_path_past(
    char path[STREAM_PATH], const char *root, uint32_t file, struct err *);
/*
 * Remove a database that nothing names any more, with its -wal and -shm: 0,
 * also when there is none; -ERR_BUSY while a connection of SQLite has it.
 */
int stream_path_remove(const char *path);
/* Its -wal, -shm and -lsn alone, which nobody uses any more. */
void stream_path_remove_beside(const char *path);
/* Give it another name instead, with its -wal, which is synced: the same
 * answers; -ERR_IO when it cannot be. Nothing to move is 0. */
int stream_path_move(const char *path, const char *to);
/* Make the directories between the root and the stream. */
int stream_path_dirs(const char *root, const char *name, struct err *);
/* Make the file, empty, when there is none: 1 made, 0 was there. An existing
 * file is never opened: closing it again would drop the process's locks. */
int stream_path_create(const char *path, struct err *);
/* Sync the directories of the stream, so that its file's name is on disk. */
int stream_path_sync_dirs(const char *root, const char *name);

#endif
