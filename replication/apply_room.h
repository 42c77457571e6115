#ifndef APPLY_ROOM_H
#define APPLY_ROOM_H

#include "apply.h"
#include "apply_lsn.h"
#include "stream_path.h"
#include "wal_index.h"

/* The inside of an apply: apply*.c only. */

#define APPLY_MAGIC 0x6170706cu

struct apply {
	unsigned magic;
	char path[STREAM_PATH];
	int db, wal; /* locked like a reader's: nobody is the last */
	struct wal_index index;
	struct wal_index_head head; /* as it is published */
	uint32_t page_size;
	bool headless; /* the -wal has not got its header yet */
	bool rewound;
	struct apply_lsn place;
	uint64_t lsn;

	/* a commit that has not ended: frames behind head.frames */
	uint32_t parts;
	uint64_t parts_lsn; /* of the last of them, lsn when there is none */
	uint32_t parts_sum[2];

	/* apply_checkpoint.c */
	bool running;	   /* holds the checkpoint's locks */
	uint32_t next, to; /* frames still to be copied */
	uint32_t db_pages; /* when it began */
	uint32_t db_has;   /* pages of the file, by then; 0 = not known */
	bool sums;	   /* pages of the file have sums (page_sum.h) */
	uint8_t *frames;   /* APPLY_SLICE of them, while it runs */
	uint32_t again;	   /* readers were in the way: not before this frame */
	uint64_t written;
	uint32_t target; /* once so many frames are done, written is: */
	uint64_t target_lsn;
	uint64_t wait, wait_again; /* no waiting for readers before */
};

#define APPLY_SLICE 64 /* frames copied at a time */

/* apply_open.c: begin the -wal anew, with another salt. Nobody reads it. */
int apply_begin_wal(struct apply *, struct err *);

int apply_put_head(struct apply *, struct err *);

/* The frame of the -wal where what is known ends. */
static inline uint32_t
apply_known_frame(const struct apply_known *k)
{
	return k->wal.first + k->wal.count - 1;
}

/* apply_rewind.c: the -wal ends where what is known of a dead owner's database
 * ends. 0, -ERR_CONFLICT when it cannot, -ERR_BUSY, -ERR_IO. */
int apply_rewind(struct apply *, const struct apply_known *, struct err *);
/* Frames of the same -wal follow: the last step was not taken. */
bool apply_rewind_is_open(const struct apply *);
int apply_rewind_end(struct apply *, struct err *);

/* apply_checkpoint.c */
void apply_checkpoint_due(struct apply *, uint32_t added); /* frames */
void apply_checkpoint_stop(struct apply *);

#endif
