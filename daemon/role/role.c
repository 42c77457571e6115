/* The table of roles and what follows from it alone. */
#include <stdio.h>
#include <string.h>

#include "role_wire.h"
#include "daemon/base/str.h"

#define LINK(id) (1u << ROLE_##id)

const struct role_row role_rows[ROLE_MAX] = {
#define ROLE(id, name, mode, port, ask, links, hears, keys, user, brief) \
	[ROLE_##id] = {                                                  \
	    name, ROLE_##mode, port, ask, links, hears, keys, user, brief},
#include "role.tbl"
#undef ROLE
};

enum role_id
role_find(const char *name)
{
	int id;

	for (id = 0; id < ROLE_MAX; id++) {
		if (strcmp(role_rows[id].name, name) == 0)
			break;
	}
	return (enum role_id)id;
}

void
role_name(char out[ROLE_NAME], enum role_id id, unsigned index)
{
	snprintf(out, ROLE_NAME, "%s/%u", role_rows[id].name, index);
}

bool
role_name_parse(const char *name, enum role_id *id, unsigned *index)
{
	char role[ROLE_NAME];
	const char *slash = strchr(name, '/');
	int64_t n;

	if (slash == NULL ||
	    !str_ncopy(role, sizeof role, name, (size_t)(slash - name)) ||
	    !str_int(slash + 1, 1, ROLE_INSTANCES, &n))
		return false;
	*id = role_find(role);
	*index = (unsigned)n;
	return *id != ROLE_MAX;
}

bool
role_full_parse(
    const char *full, enum role_id *id, unsigned *index, const char **server)
{
	const char *at = strchr(full, '@');
	char name[ROLE_NAME];

	*server = at != NULL ? at + 1 : NULL;
	return str_ncopy(name, sizeof name, full,
		   at != NULL ? (size_t)(at - full) : strlen(full)) &&
	    role_name_parse(name, id, index);
}

void
role_inside(
    const struct self *self, enum role_id id, unsigned index, union addr *a)
{
	*a = self->inside;
	addr_set_port(
	    a, (uint16_t)(self->port_base + role_rows[id].port + index));
}
