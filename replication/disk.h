#ifndef DISK_H
#define DISK_H

#include <stddef.h>
#include <stdint.h>

#include "ship_record.h"

/* Writing to files at a place: all of it, or not, with errno as it was left. */

/* 0, or -1 after some of it was written perhaps. */
int disk_write(int fd, const void *bytes, size_t n, uint64_t off);
/* The pages of a record to where they belong in a database; likewise. */
int disk_write_pages(int fd, const struct ship_record *);
/* What the kernel has of a file, or of the names in a directory; likewise. */
int disk_sync(const char *path);
/* What errno says of a disk: ERR_FULL when there is no room, which may pass,
 * else ERR_IO. */
enum err_code disk_code(void);

#endif
