#ifndef TRACE_RING_H
#define TRACE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"

/*
 * A ring of records in a file that is mapped: one process writes, another
 * reads, and what was written outlives both. To write is a copy: no lock, no
 * system call, no allocation. The writer never waits; a reader that is too
 * slow loses the oldest and counts them.
 */

#define RING_RECORD 65792 /* bytes of the longest record */

struct ring;

/* The ring of the file, made when there is none of that size; size is a power
 * of two, 1 MiB at least. Only one process may have it open so. */
struct ring *ring_open(const char *path, size_t size, struct err *);
void ring_close(struct ring **);
/* Room for a record of at most max bytes (<= RING_RECORD), to be filled and
 * then ended with as many bytes as it has. Nothing is there before the end. */
uint8_t *ring_begin(struct ring *, size_t max);
void ring_end(struct ring *, size_t n);

struct ring_reader {
	struct ring_file *file;
	size_t size;
	uint64_t birth;	 /* of the file: another one stands for another ring */
	uint64_t at;	 /* the next record */
	uint64_t number; /* that it should have */
	uint64_t lost;	 /* records that were overwritten unread, so far */
	uint8_t *copy;
};

/* Begins behind what an earlier reader has said it has taken. */
int ring_attach(struct ring_reader *, const char *path, struct err *);
void ring_detach(struct ring_reader *);
/* The next record, good until the next call; false when there is none yet. */
bool ring_next(struct ring_reader *, const uint8_t **, size_t *n);
/* Everything in front of this place, and of the record of this number, is safe
 * elsewhere. */
void ring_take(struct ring_reader *, uint64_t at, uint64_t number);
/* Of the file now: 0 when it is gone. */
uint64_t ring_birth(const char *path);

#endif
