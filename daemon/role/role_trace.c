/* The ring of a process: what it says to the recorder of its server. Without
 * one everything goes on, untraced. */
#include <stdio.h>
#include <string.h>

#include "role.h"
#include "daemon/base/log.h"
#include "daemon/trace/ring.h"

struct ring *
role_trace(const struct self *self, size_t size)
{
	char path[sizeof self->rings + ROLE_NAME + 1];
	struct ring *ring;
	struct err e;

	if (self->trace_mib == 0)
		return NULL;
	snprintf(path, sizeof path, "%s/%s-%u", self->rings,
	    role_rows[self->id].name, self->index);
	if ((ring = ring_open(path, size, &e)) == NULL)
		log_warnx("nothing of this process is traced: %s", e.text);
	return ring;
}
