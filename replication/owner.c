/* What the texts of entries of the owner map say, and how they are named. */
#include <stdio.h>
#include <string.h>

#include "replication.h"

const char *
owner_server(const char *instance)
{
	const char *at = strchr(instance, '@');

	return at != NULL ? at + 1 : "";
}

unsigned
owner_count_members(const char *members)
{
	unsigned n = *members != '\0';

	for (; *members != '\0'; members++)
		n += *members == ' ';
	return n;
}

bool
owner_is_member(const char *members, const char *server)
{
	size_t n = strlen(server);
	const char *at = members;

	while ((at = strstr(at, server)) != NULL) {
		if ((at == members || at[-1] == ' ') &&
		    (at[n] == '\0' || at[n] == ' '))
			return true;
		at += n;
	}
	return false;
}

bool
owner_map_server(const struct owner_map *m, const char *server, struct owner *o)
{
	char key[OWNER_KEY];

	snprintf(key, sizeof key, "server/%.32s", server);
	return owner_map_find(m, key, o);
}
