/*
 * Links to peers. The supervisor hands both ends a fresh socket whenever one
 * of two linked processes starts; a link that ends is reported and forgotten.
 */
#include <string.h>
#include <unistd.h>

#include "role_wire.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "role_frame.h"

static void
role_peer_on_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct peer *p = arg;
	struct self *self = p->self;

	(void)rpc;
	if (role_dispatch(self, p, q, method, params))
		return;
	if (self->role->on_request != NULL)
		self->role->on_request(self, p, q, method, params);
	else if (q != NULL)
		rpc_failf(q, ERR_UNKNOWN, "%s: no such method at %s", method,
		    self->name);
}

/* Give a link up; its place stays for the next one. */
static void
role_peer_drop(struct peer *p)
{
	if (p->rpc == NULL)
		return;
	if (p->self->role->on_unlink != NULL)
		p->self->role->on_unlink(p->self, p);
	rpc_close(&p->rpc);
	p->state = NULL;
}

static void
role_peer_on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct peer *p = arg;

	log_debug("peer=%s link closed: %s", p->name, why->text);
	if (p->rpc == rpc)
		role_peer_drop(p);
	else
		rpc_close(&rpc);
}

void
role_peer_link(struct self *self, const char *name, int fd)
{
	struct rpc_handler h = {.on_request = role_peer_on_request,
	    .on_closed = role_peer_on_closed,
	    .max_in = 64u << 20};
	enum role_id id;
	unsigned index;
	struct peer *p;

	if (!role_name_parse(name, &id, &index)) {
		log_warnx("link with %s: no such instance", name);
		close(fd);
		return;
	}
	p = &self->frame->peers[id][index];
	p->role = id;
	p->index = index;
	p->self = self;
	role_name(p->name, id, index);
	role_peer_drop(p);
	h.arg = p;
	p->rpc = rpc_open(self->loop, fd, &h);
	if (self->role->on_link != NULL)
		self->role->on_link(self, p);
}

struct peer *
role_peer(struct self *self, const char *name)
{
	enum role_id id;
	unsigned index;
	struct peer *p;

	if (!role_name_parse(name, &id, &index))
		return NULL;
	p = &self->frame->peers[id][index];
	return p->rpc != NULL ? p : NULL;
}

struct peer *
role_peer_next(struct self *self, enum role_id id, unsigned *at)
{
	struct peer *p;

	while (*at < ROLE_INSTANCES) {
		p = &self->frame->peers[id][++*at];
		if (p->rpc != NULL)
			return p;
	}
	return NULL;
}

struct peer *
role_owner(struct self *self, const char *key)
{
	struct owner o;
	const char *server;
	enum role_id id;
	unsigned index;
	struct peer *p;

	if (!owner_map_find(self->owners, key, &o) ||
	    o.state != OWNER_SERVING ||
	    !role_full_parse(o.instance, &id, &index, &server) ||
	    !str_equal(server, self->server))
		return NULL;
	p = &self->frame->peers[id][index];
	return p->rpc != NULL ? p : NULL;
}

struct peer *
role_way(struct self *self, const char *key)
{
	struct peer *p = role_owner(self, key);
	unsigned at = 0;
	struct owner o;

	if (p != NULL || !owner_map_find(self->owners, key, &o) ||
	    o.state != OWNER_SERVING)
		return p;
	return role_peer_next(self, ROLE_CONTROL, &at);
}
