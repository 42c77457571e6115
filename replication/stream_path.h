#ifndef STREAM_PATH_H
#define STREAM_PATH_H

#include <stddef.h>

#include "daemon/base/err.h"

/*
 * Where a stream's database lies: <root>/<name>.db. Directories and files
 * belong to the group of the root (its setgid bit hands the group down), so
 * that every process of the server can read and SQLite can lock.
 */
#define STREAM_PATH 400

int stream_path(
    char path[STREAM_PATH], const char *root, const char *name, struct err *);
/* Make the directories between the root and the stream. */
int stream_path_dirs(const char *root, const char *name, struct err *);
/* Make the file, empty, when there is none: 1 made, 0 was there. An existing
 * file is never opened: closing it again would drop the process's locks. */
int stream_path_create(const char *path, struct err *);
/* Sync the directories of the stream, so that its file's name is on disk. */
int stream_path_sync_dirs(const char *root, const char *name);

#endif
