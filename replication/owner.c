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
