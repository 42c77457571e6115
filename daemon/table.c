/*
 * The list of rooms: the one place that knows them all. What a room can do
 * it says itself, in its struct role.
 */
#include <stdlib.h>

#include "table.h"
#include "daemon/base/mem.h"
#include "daemon/control/control.h"
#include "daemon/obj/obj.h"

extern const struct role replicator_role, quorum_role, control_role, st_role,
    sr_role, sg_role, b2bua_role, mgc_role, mg_role, ws_role;

const struct role *const daemon_roles[ROLE_MAX] = {
    [ROLE_REPLICATOR] = &replicator_role,
    [ROLE_QUORUM] = &quorum_role,
    [ROLE_CONTROL] = &control_role,
    [ROLE_ST] = &st_role,
    [ROLE_SR] = &sr_role,
    [ROLE_SG] = &sg_role,
    [ROLE_B2BUA] = &b2bua_role,
    [ROLE_MGC] = &mgc_role,
    [ROLE_MG] = &mg_role,
    [ROLE_WS] = &ws_role,
};

/* Put the operations of all rooms behind one another. */
static const struct op *const *
daemon_listed(void)
{
	const struct op **list = NULL;
	const struct op *const *op;
	size_t n = 0;
	int id;

	for (id = 0; id < ROLE_MAX; id++) {
		for (op = daemon_roles[id]->ops; op && *op; op++) {
			list = xrealloc(list, (n + 2) * sizeof *list);
			list[n++] = *op;
			list[n] = NULL;
		}
	}
	return list;
}

const struct op_table *
daemon_table(void)
{
	static struct op_table table;
	const struct op *const *listed;

	if (table.ops == NULL) {
		listed = daemon_listed();
		table.ops = op_monitors(listed, monitor_run);
		table.objs = obj_table;
		free((void *)(uintptr_t)listed);
	}
	return &table;
}
