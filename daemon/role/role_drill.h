#ifndef ROLE_ROLE_DRILL_H
#define ROLE_ROLE_DRILL_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/base/rpc.h"

/*
 * What request drill asks of the owner of a role that is drilled: to write
 * rows from..to of the drill named as, or to take them away. They belong to
 * something that is none of the role's, called ROLE_DRILL and the drill's
 * name, and last longer than any drill does.
 */
#define ROLE_DRILL "drill/"
#define ROLE_DRILL_NAME 32    /* bytes of that, with the NUL */
#define ROLE_DRILL_ROWS 256   /* of one request */
#define ROLE_DRILL_KEPT 86400 /* seconds */

struct role_drill {
	char name[ROLE_DRILL_NAME];
	json_int_t from, to;
	bool remove;
};

/* False: the request was no such thing, and is answered. */
bool role_drill_take(struct role_drill *, struct rpc_request *, json_t *params);
/* What the rows of the drill named so belong to. */
void role_drill_name(char out[ROLE_DRILL_NAME], const char *as);

#endif
