#ifndef REPLICATOR_H
#define REPLICATOR_H

#include "daemon/role/role.h"

/* The room of the replicator's process. */

struct replicator_room {
	struct replicator *replicator;
};

/* replicator_op.c */
extern const struct op *const replicator_ops[];

#endif
