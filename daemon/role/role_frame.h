#ifndef ROLE_FRAME_H
#define ROLE_FRAME_H

#include "role_wire.h"

#define ROLE_PEERS (ROLE_MAX * ROLE_INSTANCES)
#define ROLE_STATS 8

/* The frame's own state of a process; rooms do not look inside. */
struct role_frame {
	struct loop_fd *supervisor, *owners;
	int owners_fd; /* eventfd: the owner map has changed */
	struct peer peers[ROLE_MAX][ROLE_INSTANCES + 1]; /* index from 1 */
	const struct role_stat *stats[ROLE_STATS];
	unsigned nstats;
	role_status_fn *on_status;
	role_joined_fn *on_joined;
	role_serving_fn *on_serving;
	role_faulted_fn *on_faulted;
	struct mesh *mesh; /* the last one opened; NULL = none */
	role_place_fn *on_place;
	bool stopping;
};

void role_peer_link(struct self *, const char *name, int fd);

#endif
