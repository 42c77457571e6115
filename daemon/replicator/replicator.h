#ifndef REPLICATOR_H
#define REPLICATOR_H

#include "daemon/role/role.h"

/* The room of the replicator's process. */

struct replicator_room {
	struct self *self;
	struct replicator *replicator;
	struct mesh *mesh; /* the replicators of other servers */
};

/* replicator_member.c: who has to hold a record is decided by quorum */
void member_propose(
    void *room, const char *key, uint64_t epoch, const char *server, bool add);
/* A key is to go to another member, which has undamaged databases. */
void member_give(
    void *room, const char *key, uint64_t epoch, const char *server);
/* Quorum is linked: tell it which ship log this is. */
void member_on_link(struct replicator_room *, struct peer *);

/* replicator_op.c */
extern const struct op *const replicator_ops[];
void replicator_role_alarms(struct self *, json_t *rows);

/* replicator_conflict.c */
extern const struct op conflict_op_show, conflict_op_drop;

#endif
