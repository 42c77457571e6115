#ifndef BASE_JOIN_H
#define BASE_JOIN_H

#include <jansson.h>
#include <stdint.h>

#include "ca.h"
#include "err.h"
#include "mesh.h"
#include "sock.h"

/*
 * What a server that joins a site and one that lets it in say to each other:
 * the token that an operator carries between them, and one JSON-RPC request
 * "join" over TLS 1.3. Who joins knows the other by the fingerprint of its CA,
 * which the token holds; the other knows it by the token's secret.
 */

/*
 * The token: base64 (URL alphabet, no padding) of these bytes, numbers
 * big-endian:
 *     0   1  version, 1
 *     1   1  4 or 6: family of the address
 *     2  16  address of the server that lets join; IPv4 in the first 4 bytes
 *    18   2  port of its join service
 *    20   8  until when it is good, Unix seconds
 *    28  16  secret
 *    44  32  SHA-256 of the CA's certificate
 *    76   4  first bytes of SHA-256 over all before, against slips of a hand
 */
#define JOIN_SECRET 16
#define JOIN_TOKEN 80
#define JOIN_TOKEN_TEXT 108 /* with the NUL */

struct join_token {
	union addr address;
	uint64_t expires;
	uint8_t secret[JOIN_SECRET];
	uint8_t print[CA_PRINT];
};
void join_token_encode(char out[JOIN_TOKEN_TEXT], const struct join_token *);
int join_token_decode(struct join_token *, const char *text, struct err *);
/* What is kept of the secret. */
#define JOIN_HASH 32
void join_token_hash(uint8_t out[JOIN_HASH], const uint8_t secret[JOIN_SECRET]);

/*
 * The request's params, required:
 *   {"version": 1, "secret": base64, "site": "demo", "server": "srv2",
 *    "inside": "10.0.0.2", "port-base": 20000, "csr": base64 of DER}
 * and, of a server that shall vote and hold no data, "witness": true.
 */
#define JOIN_VERSION 1
#define JOIN_MESSAGE 16384 /* bytes of a message, either way */

struct join_request {
	uint8_t secret[JOIN_SECRET];
	char site[CA_NAME];
	struct mesh_server self; /* inside with its port base */
	bool witness;
	uint8_t csr[CA_CSR];
	size_t csr_len;
};
json_t *join_request_encode(const struct join_request *);
/* Foreign: params may be anything, NULL too. */
int join_request_decode(struct join_request *, json_t *params, struct err *);

/*
 * The result:
 *   {"certificate": PEM, "ca": PEM, "ca-key": PEM, "keys": text of
 *    <state>/keys, "site": "demo",
 *    "servers": [{"server": "srv1", "inside": .., "port-base": ..}, ..]}
 */
#define JOIN_SERVERS 64
struct join_reply {
	const char *certificate, *ca, *ca_key, *keys; /* borrowed */
	char site[CA_NAME];
	struct mesh_server servers[JOIN_SERVERS];
	size_t n;
};
json_t *join_reply_encode(const struct join_reply *);
int join_reply_decode(struct join_reply *, json_t *result, struct err *);

#endif
