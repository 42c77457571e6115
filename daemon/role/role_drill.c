/* Requests of a drill (role_drill.h). */
#include <stdio.h>

#include "role_drill.h"

void
role_drill_name(char out[ROLE_DRILL_NAME], const char *as)
{
	snprintf(out, ROLE_DRILL_NAME, ROLE_DRILL "%.24s", as);
}

bool
role_drill_take(struct role_drill *d, struct rpc_request *q, json_t *params)
{
	const char *as;
	int remove;

	if (json_unpack(params, "{s:s, s:I, s:I, s:b}", "as", &as, "from",
		&d->from, "to", &d->to, "remove", &remove) != 0 ||
	    d->from < 0 || d->to < d->from ||
	    d->to - d->from >= ROLE_DRILL_ROWS) {
		rpc_failf(q, ERR_INVALID,
		    "drill: expected as, from, to (%d at most), remove",
		    ROLE_DRILL_ROWS);
		return false;
	}
	d->remove = remove != 0;
	role_drill_name(d->name, as);
	return true;
}
