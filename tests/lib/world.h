#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <sys/types.h>

#include "replication/replication.h"

/*
 * A server's streams in a directory of the test: a replicator in a process of
 * its own, and links to it. Owners and readers live in the test's process or
 * in others that it forks.
 */
struct world {
	char dir[64], root[80], log[80];
	const char *boot; /* NULL = the machine's */
	uint64_t segment, keep;
	size_t small; /* the log on a disk of so many bytes, all but 8 MiB of
		       * which a file "ballast" takes; if it may mount */
	pid_t replicator;
	int control; /* passes sockets to it */
};

void world_make(struct world *);
void world_remove(struct world *); /* ends the replicator */
void world_start(struct world *);  /* the replicator */
/* End it with the signal and wait. */
void world_stop(struct world *, int signo);
/* A socket for repl_link. */
int world_link(struct world *, const char *who);
/* As world_link, but from another process: the control socket is enough. */
int world_link_by(int control, const char *who);

/* Run the loop until *done is not 0. Aborts after a minute. */
void world_run(struct loop *, const int *done);
/* Run the loop for a while, to see that something does not happen. */
void world_pass(struct loop *, uint64_t us);
/* A child process that keeps only these descriptors (-1 = none). */
pid_t world_fork(int keep1, int keep2);

/* A stream that is open, or the test fails. */
struct stream *world_stream(struct repl *, struct loop *, const char *name,
    uint64_t epoch, const char *schema, unsigned page_size);
/* Wait until all that was written is acknowledged. */
void world_settle(struct loop *, struct stream *);

#endif
