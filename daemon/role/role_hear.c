/*
 * Whom this process hears on its inside port. Datagrams inside carry no proof
 * of their sender, so the address is looked at: only instances that the owner
 * map lists as living, of roles that the table lets speak to this one, are
 * heard. While such an instance lives it holds its port, and nobody else on
 * its machine can send from there. The network between machines must be
 * trusted: tandem.conf(5), inside.
 */
#include <string.h>

#include "role_wire.h"
#include "daemon/base/log.h"

/* The address that an instance at inside asks from. */
static void
role_asks_from(enum role_id id, const union addr *inside, union addr *a)
{
	*a = *inside;
	addr_set_port(a,
	    (uint16_t)(addr_port(inside) - role_rows[id].port +
		role_rows[id].ask));
}

void
role_ask(const struct self *self, union addr *a)
{
	role_asks_from(self->id, &self->inside, a);
}

static void
role_ears_add(struct role_ears *e, const union addr *a)
{
	if (e->count < ROLE_EARS)
		e->at[e->count++] = *a;
}

/* Everybody that a role hears, from a map. */
static void
role_ears_read(struct role_ears *e, const struct owner_map *map, unsigned hears)
{
	const char *server;
	enum role_id id;
	unsigned at = 0, index;
	union addr ask;
	struct owner o;

	e->count = 0;
	while (owner_map_next(map, &at, &o)) {
		if (!role_full_parse(o.key, &id, &index, &server) ||
		    (hears & 1u << id) == 0 || o.state == OWNER_DOWN)
			continue;
		role_ears_add(e, &o.inside);
		if (role_rows[id].ask == 0)
			continue;
		role_asks_from(id, &o.inside, &ask);
		role_ears_add(e, &ask);
	}
}

/* Said once for each sender, as far as they are remembered. */
static void
role_ears_refuse(struct role_ears *e, const union addr *from)
{
	unsigned i;
	char text[ADDR_TEXT];

	e->strangers++;
	for (i = 0; i < e->nnamed; i++) {
		if (addr_equal(&e->named[i], from))
			return;
	}
	if (e->nnamed == ROLE_STRANGERS)
		return;
	e->named[e->nnamed++] = *from;
	addr_text(text, from);
	log_warnx("inside=%s is no process of ours: not heard", text);
}

bool
role_hears(struct self *self, const union addr *from)
{
	struct role_ears *e = &self->ears;
	uint64_t version = owner_map_version(self->owners);
	unsigned i;

	if (!e->read || version != e->version) {
		e->read = true;
		e->version = version;
		role_ears_read(e, self->owners, role_rows[self->id].hears);
	}
	for (i = 0; i < e->count; i++) {
		if (addr_equal(&e->at[i], from))
			return true;
	}
	role_ears_refuse(e, from);
	return false;
}
