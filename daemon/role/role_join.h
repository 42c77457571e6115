#ifndef ROLE_ROLE_JOIN_H
#define ROLE_ROLE_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/join.h"

/*
 * What control asks of the supervisor for servers that join, and the answer.
 * Control speaks with the stranger and has no key of the CA; the supervisor
 * has it, keeps the tokens, and reads no foreign form: a secret, a name and a
 * public key of fixed length are all that gets to it.
 */
enum role_join_what {
	ROLE_JOIN_TOKEN,  /* remember a token: hash, name or "", expires */
	ROLE_JOIN_CHECK,  /* secret, name: may it join? */
	ROLE_JOIN_BEGIN,  /* secret, name: it will; no other name may */
	ROLE_JOIN_FINISH, /* secret, name, point: use the token up, sign */
	ROLE_JOIN_MAX
};

struct role_join {
	uint32_t serial;
	enum role_join_what what;
	uint8_t hash[JOIN_HASH];
	uint8_t secret[JOIN_SECRET];
	char name[CA_NAME];
	uint64_t expires; /* Unix seconds */
	uint8_t point[CA_POINT];
};

/* With a good answer to FINISH comes the descriptor of a file in memory: the
 * server's certificate, the CA's, the CA's key and the class keys, each a text
 * with its NUL. */
struct role_joined {
	uint32_t serial;
	enum err_code code; /* ERR_NONE = yes */
	char text[192];	    /* why not */
	bool again, named;  /* CHECK: see token_check */
};

#endif
