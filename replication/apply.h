#ifndef APPLY_H
#define APPLY_H

#include "wal_file.h"

/*
 * The follower's side of a stream: ship records go into a database file of
 * this server that any other process of it reads with plain SQLite, in
 * snapshots, at any moment, and that a local owner can later open with SQLite
 * and write. No SQLite is used here and none of its locks are at stake: the
 * process may open and close the files as it likes.
 *
 * The caller applies only commits that every member of the key acknowledged
 * and that are synced in the ship log of this server: what is applied may go
 * into the database file at any time. Nothing is synced here. After a reboot
 * the -wal, the -shm and the -lsn mean nothing and are removed before redo.
 *
 * A long reader never blocks it; the -wal grows meanwhile.
 */
struct apply;

#define APPLY_SIDECAR "-lsn" /* behind the path of the database */
/* The -wal goes into the database file from this length on (bytes of pages
 * that are not there yet) ... */
#define APPLY_CHECKPOINT (4u << 20)
/* ... and begins anew when it has this one and all of it is there. */
#define APPLY_LONG (16u << 20)

/*
 * Where the file of a stream stood when this server's last local owner, redo
 * or bootstrap left it: the LSN of its last commit, and the record's place in
 * the -wal (zeros when the file is alone). Zeros for a new stream. back: an
 * owner wrote more since, of which the caller knows that nothing was
 * acknowledged, so that no owner has put it into the database file.
 */
struct apply_known {
	uint64_t lsn;
	struct ship_wal wal;
	bool back; /* the files hold more, which is void */
};

/*
 * Open the database at the path (its directory is there; the file is made
 * when it is absent or empty) and take it for writing. page_size is that of
 * the stream. From now on until apply_close other processes may read it.
 *
 * The -lsn file tells which LSN the files hold, exactly, after the process
 * was killed wherever. known counts only where no apply has had the files
 * since a local owner, a redo or a bootstrap.
 *
 * An owner may have committed more than known says, which no log has, or which
 * is void: then the -wal is cut back to there (apply_rewind.c).
 *
 * -ERR_BUSY: another process writes, recovers or closes it now, or a reader
 * is in a snapshot of what has to be cut: again later.
 * -ERR_CONFLICT: the -wal ends where neither the -lsn file nor known says, and
 * cannot be cut (somebody else wrote): the database has to be made anew, as
 * another generation.
 * -ERR_CORRUPT, -ERR_INVALID (pages of another size), -ERR_IO, -ERR_NOMEM.
 */
int apply_open(const char *path, uint32_t page_size, const struct apply_known *,
    struct apply **, struct err *);
/*
 * Leave -wal, -shm and -lsn for the next apply. Parts of a commit that has
 * not ended are dropped. NULL is fine.
 */
void apply_close(struct apply **);
/* The same, and the next to write is a local owner: from now on what known
 * says counts when the -wal is gone. Before the owner is welcomed. */
void apply_hand_over(struct apply **);

/* Somebody removed its files: others open other ones. */
bool apply_is_unlinked(const struct apply *);
/* It went back when it was opened: readers may have seen more. */
bool apply_rewound(const struct apply *);
/* A local owner is about to write a file that no apply has open. */
int apply_hand_over_file(const char *path, struct err *);

/* The last commit that readers see. */
uint64_t apply_lsn(const struct apply *);
/*
 * Apply the stream's next SHIP_PAGES record. Parts are invisible until the
 * record that ends the commit; then readers see all of it at once. The first
 * record of a commit may come again and drops the parts before. Also does a
 * bounded piece of checkpoint when one is due.
 *
 * -ERR_CONFLICT: not the next one; -ERR_INVALID: no pages, or of another
 * size; -ERR_IO (a full disk too), -ERR_NOMEM: nothing has changed, the same
 * record may be tried again.
 */
int apply_pages(struct apply *, const struct ship_record *, struct err *);
/* Forget the parts of a commit that will never end. */
void apply_drop_parts(struct apply *);

/*
 * Checkpoints. apply_tick, in idle time, copies at most some hundred KiB of
 * what readers allow; true while there is more to do. apply_checkpoint copies
 * all that they allow now. Errors are the disk's; readers are not harmed.
 */
bool apply_tick(struct apply *);
int apply_checkpoint(struct apply *, struct err *);
/* The database file (as the kernel has it, not synced) certainly holds all up
 * to this LSN; 0 = not known. */
uint64_t apply_written(const struct apply *);

/* Salt, frames and what is done of the -wal, as an owner's connection will
 * find it; wal_bytes is the length of the file. */
struct apply_status {
	uint64_t lsn, written;
	struct wal_now wal;
	uint64_t wal_bytes;
	uint32_t parts; /* frames of a commit that has not ended */
};
void apply_status(const struct apply *, struct apply_status *);
/* The same place as a record would name it, for an owner's WELCOME. */
struct ship_wal apply_place(const struct apply *);

#endif
