#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include "daemon/op/op.h"
#include "daemon/role/role.h"

/* Every room of the daemon, by enum role_id. */
extern const struct role *const daemon_roles[ROLE_MAX];

/* All operations of all rooms and all objects; made at the first call. */
const struct op_table *daemon_table(void);

#endif
