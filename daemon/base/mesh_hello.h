#ifndef BASE_MESH_HELLO_H
#define BASE_MESH_HELLO_H

#include <stdint.h>

#include "ca.h"
#include "err.h"

/*
 * The first bytes of both sides of a connection between servers, once TLS is
 * up: who dials speaks first, the other answers with its own, which accepts
 * when its reason is empty. Always MESH_HELLO bytes, numbers big-endian, texts
 * filled up with NULs:
 *     0   4  "TNDM"
 *     4   2  version of the protocol, 1
 *     6   2  number of the service (MESH_x)
 *     8   8  boot: random, of the mesh that speaks
 *    16  32  id of the cluster
 *    48  40  name of the server that speaks
 *    88 104  reason of a refusal; empty = accepted
 * The first 8 bytes and the length keep their meaning in all versions, so
 * that two versions can tell each other why they do not talk.
 */
#define MESH_HELLO 192
#define MESH_VERSION 1u
#define MESH_REASON 104

struct mesh_hello {
	unsigned version, service;
	uint64_t boot;
	char cluster[CA_ID];
	char server[CA_NAME];
	char reason[MESH_REASON];
};

void mesh_hello_encode(uint8_t out[MESH_HELLO], const struct mesh_hello *);
/* Foreign bytes. -ERR_SYNTAX: no hello; of another version only the first
 * two members are set. The texts have nothing behind them and the reason no
 * control characters. */
int mesh_hello_decode(
    struct mesh_hello *, const uint8_t in[MESH_HELLO], struct err *);

#endif
