#ifndef DISK_H
#define DISK_H

#include <stddef.h>
#include <stdint.h>

#include "ship_record.h"

/* Writing to files at a place: all of it, or not, with errno as it was left. */

/* 0, or -1 after some of it was written perhaps. */
int disk_write(int fd, const void *bytes, size_t n, uint64_t off);
/* The pages of a record to where they belong in a database, with their sums
 * when it has them (page_sum.h); likewise. */
int disk_write_pages(int fd, const struct ship_record *);
/* What the kernel has of a file, or of the names in a directory; likewise. */
int disk_sync(const char *path);
/*
 * The file system frees the blocks of a file in one go, and every sync waits
 * for that: 50 ms for 64 MiB were measured (ext4, discard). unlink: the name
 * goes at once, and *fd is to be given back, a piece at a time, by a thread
 * that nobody waits for (-1: it could not be opened, and goes as it may).
 * remove: both. 0, or -1 with errno of unlink(2) and the file as it was.
 */
int disk_unlink(const char *path, int *fd);
void disk_give_back(int fd);
int disk_remove(const char *path);
/* Leave the disk to others for as long as it was used, monotonic clock, us. */
void disk_yield(uint64_t since);
/* Of a disk with so many bytes, so few are left that something must be done: a
 * twentieth; at least those with which a server would not begin
 * (quorum_disk.c), at most 4 GiB. */
uint64_t disk_low(uint64_t all);
/* What errno says of a disk: ERR_FULL when there is no room, which may pass,
 * else ERR_IO. */
enum err_code disk_code(void);

#endif
