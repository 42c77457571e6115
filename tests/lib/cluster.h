#ifndef TESTS_CLUSTER_H
#define TESTS_CLUSTER_H

#include "daemon/base/ca.h"

/* A cluster's CA, and identities of its servers as mesh_open takes them. */
struct cluster {
	char id[CA_ID];
	char *key, *certificate;
};
void cluster_make(struct cluster *);
void cluster_forget(struct cluster *);
/* PEM of key, certificate and CA; to be freed. */
char *cluster_identity(const struct cluster *, const char *server);

#endif
