#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"

void
cluster_make(struct cluster *c)
{
	assert(ca_make(c->id, &c->key, &c->certificate, NULL) == 0);
}

void
cluster_forget(struct cluster *c)
{
	ca_forget(&c->key);
	free(c->certificate);
	c->certificate = NULL;
}

char *
cluster_identity(const struct cluster *c, const char *server)
{
	char *key, *certificate, *all;
	uint8_t point[CA_POINT];

	assert(ca_key_make(&key, NULL) == 0);
	assert(ca_point(key, point, NULL) == 0);
	assert(ca_sign(c->key, c->certificate, server, point, &certificate,
		   NULL) == 0);
	assert(asprintf(&all, "%s%s%s", key, certificate, c->certificate) > 0);
	ca_forget(&key);
	free(certificate);
	return all;
}
