/* What control and the supervisor say of servers that join; see role_join.h. */
#include <sys/socket.h>

#include "role_wire.h"
#include "daemon/base/log.h"
#include "role_frame.h"

void
role_join_ask(struct self *self, const struct role_join *q)
{
	struct role_msg m = {.type = ROLE_MSG_JOIN};

	(void)self;
	m.u.join = *q;
	if (send(ROLE_SUPERVISOR_FD, &m, sizeof m, MSG_NOSIGNAL) < 0)
		fatal("supervisor");
}

void
role_on_joined(struct self *self, role_joined_fn *fn)
{
	self->frame->on_joined = fn;
}
