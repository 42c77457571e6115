#ifndef BASE_DGRAM_H
#define BASE_DGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "sock.h"

/*
 * Datagrams in batches. A system call for each costs as much as most of what
 * is done about it.
 */
#define DGRAM_MAX 65535 /* bytes of one */
#define DGRAM_BATCH 64	/* at most at a time */

struct dgram;
/* msg is writable, has a NUL behind n, and is gone when the callback returns.
 */
typedef void dgram_fn(
    void *arg, struct dgram *, char *msg, size_t n, const union addr *from);

/* Takes over the bound socket; receives up to batch at a time. */
struct dgram *dgram_open(
    struct loop *, int fd, unsigned batch, dgram_fn *, void *arg);
void dgram_close(struct dgram **);
/* Copies the bytes; they leave at the end of the turn, or when DGRAM_BATCH
 * wait. */
void dgram_send(struct dgram *, const union addr *to, const void *, size_t n);
void dgram_flush(struct dgram *);
/* Datagrams since the opening. May be closed from its own callback. */
struct dgram_count {
	uint64_t in;
	uint64_t in_cut; /* of them longer than DGRAM_MAX, dropped */
	uint64_t out;
	uint64_t out_lost; /* the kernel took them not, or the queue was full */
};
const struct dgram_count *dgram_count(const struct dgram *);

#endif
