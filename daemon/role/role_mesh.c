/*
 * Connections of a process with the processes of its role on other servers:
 * the mesh, with what this process is told of itself and of the site.
 */
#include <string.h>

#include "role_frame.h"
#include "daemon/base/str.h"

/* More servers than a site may have. */
#define ROLE_SERVERS 64

/* Does a server of the map run processes of our role? */
static bool
role_is_there(const struct self *self, const struct owner *o)
{
	return !o->witness || self->id == ROLE_CONTROL ||
	    self->id == ROLE_QUORUM;
}

size_t
role_servers(const struct self *self, struct mesh_server *out, size_t room)
{
	struct owner o;
	unsigned at = 0;
	size_t n = 0;

	while (n < room && owner_map_next(self->owners, &at, &o)) {
		if (!str_prefix(o.key, "server/") ||
		    strcmp(o.key + 7, self->server) == 0 ||
		    !role_is_there(self, &o))
			continue;
		memset(&out[n], 0, sizeof out[n]);
		str_copy(out[n].name, sizeof out[n].name, o.key + 7);
		out[n++].inside = o.inside;
	}
	return n;
}

void
role_mesh_is(const struct self *self, struct mesh *m)
{
	self->frame->mesh = m;
}

int
role_mesh_open(const struct self *self, unsigned service,
    void (*on_up)(void *arg, const char *server, int fd), void *arg,
    struct mesh **out, struct err *e)
{
	struct mesh_config m = {.self = self->server,
	    .identity = self->identity,
	    .listen = self->inside,
	    .port_offset = service,
	    .on_up = on_up,
	    .arg = arg};
	int r;

	*out = NULL;
	if (self->identity == NULL)
		return 0; /* a test: nobody could know it */
	addr_set_port(&m.listen, self->port_base);
	if ((r = mesh_open(self->loop, &m, out, e)) != 0)
		return r;
	role_mesh_update(self, *out);
	role_mesh_is(self, *out);
	return 0;
}

void
role_mesh_update(const struct self *self, struct mesh *m)
{
	struct mesh_server list[ROLE_SERVERS];

	if (m != NULL)
		mesh_set(m, list, role_servers(self, list, ROLE_SERVERS));
}
