#ifndef TRACE_SHELF_H
#define TRACE_SHELF_H

#include "segment.h"

/*
 * The files of the recorder in one directory: blocks are put behind the
 * youngest, the oldest go when all together are too large, or when the disk is
 * needed for what matters more.
 */

struct shelf {
	char dir[288];
	char server[40];
	uint64_t limit;	 /* bytes of all files */
	int fd;		 /* the youngest; -1 = none yet */
	uint64_t size;	 /* of it */
	uint64_t total;	 /* of all */
	uint64_t oldest; /* when the oldest was begun; 0 = there is none */
	unsigned files;
	uint64_t tight; /* since when the disk has no room; 0 = it has */
	struct err why; /* words of that */
};

/* The directory is made. Nothing of it is opened before the first write. */
void shelf_init(
    struct shelf *, const char *dir, const char *server, uint64_t limit);
void shelf_fini(struct shelf *);
/* -ERR_FULL or -ERR_IO: the block is gone. */
int shelf_write(struct shelf *, const void *, size_t n, struct err *);

/* A block with its index; what is stored stands in the file at off. True =
 * enough. */
typedef bool shelf_fn(void *arg, const struct segment_head *,
    const uint8_t *index, int fd, uint64_t off);
/* Blocks that may hold records of the span, in the order they were written.
 * False when it was ended early. */
bool shelf_each(
    struct shelf *, uint64_t since, uint64_t until, shelf_fn *, void *arg);
/* Read and unpack one. */
int shelf_unpack(const struct segment_head *, const uint8_t *index, int fd,
    uint64_t off, uint8_t *raw, struct err *);

#endif
