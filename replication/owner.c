/* What the text of an entry of the owner map says. */
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
