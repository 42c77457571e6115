#ifndef APPLY_LSN_H
#define APPLY_LSN_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"

/*
 * The -lsn file beside a database: which LSN the end of its -wal stands for.
 * It is mapped and written ahead of the -wal, so a killed process leaves
 * either place, that before the commit or that after it, with its LSN. It is
 * never synced: a reboot makes it meaningless.
 */
struct apply_lsn {
	uint8_t *map;
	unsigned current; /* slot of the place that is published */
};

int apply_lsn_open(struct apply_lsn *, const char *path, struct err *);
void apply_lsn_close(struct apply_lsn *);

/* Before frames of a commit go to the -wal: it will end there. */
void apply_lsn_ahead(
    struct apply_lsn *, uint64_t lsn, uint64_t salt, uint32_t frame);
/* What was noted ahead is published. */
void apply_lsn_done(struct apply_lsn *);
/* The only place from now on; nothing was handed over. */
void apply_lsn_set(
    struct apply_lsn *, uint64_t lsn, uint64_t salt, uint32_t frame);
/* A local owner writes from here on. */
void apply_lsn_hand_over(struct apply_lsn *);
/* A local owner was the last to write, as far as is known here. */
bool apply_lsn_is_owners(const struct apply_lsn *);

/* The LSN of a place, which becomes the current one. */
bool apply_lsn_find(
    struct apply_lsn *, uint64_t salt, uint32_t frame, uint64_t *lsn);
/* Without a -wal: 0 and the LSN of all that was applied; -ERR_ABSENT when
 * nothing is known, or was handed over; -ERR_CONFLICT when it is one of two. */
int apply_lsn_last(const struct apply_lsn *, uint64_t *lsn);

#endif
