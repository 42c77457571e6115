#ifndef SUPERVISOR_IDENTITY_H
#define SUPERVISOR_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/ca.h"
#include "daemon/base/mesh.h"
#include "daemon/role/role_join.h"

/* ---- identity.c: who this server is in its cluster ---------------------- */

/*
 * <state>/tls/, for the supervisor alone (0700):
 *   ca.key        private key of the CA (0600)
 *   identity.pem  private key of the server, its certificate, the CA's (0600)
 * <state>/servers: of a server that joined, the site, what it joined as, and
 *   the servers there were (identity_servers).
 */
struct identity {
	char *pem;	     /* as mesh_open takes it */
	char cluster[CA_ID]; /* id of the cluster */
};

/*
 * Read it. At the first start of a server that has not joined, a new cluster
 * is made: its CA, and the server's own certificate. -ERR_CORRUPT when parts
 * of it are missing, do not fit or are another server's.
 */
int identity_load(
    const char *state, const char *server, struct identity *, struct err *);
void identity_fini(struct identity *);

/* What a server that joins is given, as text the caller forgets. */
struct identity_gift {
	char *certificate, *ca, *ca_key, *keys;
};
/* A certificate for the server over its public key, with all else. */
int identity_give(const char *state, const char *server,
    const uint8_t point[CA_POINT], struct identity_gift *, struct err *);
void identity_gift_fini(struct identity_gift *);
/* -ERR_CONFLICT with words unless the state directory is blank: absent, or
 * without identity, streams and ship log. */
int identity_blank(const char *state, struct err *);
/* The site that a server joins. */
struct identity_site {
	const char *name;
	bool witness;			   /* it joins to vote only */
	const struct mesh_server *servers; /* of the site */
	size_t n;
};
/*
 * Take it: all of it is written beside, checked as the next start will check
 * it, then put in place, the identity last: who has one has everything.
 */
int identity_take(const char *state, const char *server, const char *key,
    const struct identity_gift *, const struct identity_site *, struct err *);
/* -ERR_CONFLICT with words unless a server starts as what it joined as: as a
 * witness or not. One that never joined is none. */
int identity_check_witness(const char *state, bool witness, struct err *);
/* The servers that were there when this one joined, up to room of them; their
 * count, 0 when it never joined. Needed until the site's own list is here. */
size_t identity_servers(const char *state, struct mesh_server *, size_t room);

/* Write a file whole, synced, with these rights; or not at all. */
int identity_write(
    const char *path, const char *text, unsigned mode, struct err *);

/* ---- token.c: who may join ---------------------------------------------- */

#define TOKEN_HASH 32 /* SHA-256 of a token's secret */
#define TOKENS_MAX 32 /* that are good or were not long ago */

struct token {
	uint8_t hash[TOKEN_HASH];
	uint64_t expires;    /* Unix seconds */
	char name[CA_NAME];  /* the only server it is for; "" = any */
	char begun[CA_NAME]; /* the server that has begun to join with it */
	bool used;
};

/*
 * They are kept in <state>/tls/tokens, one a line, by the supervisor alone:
 * it holds the key of the CA, so what it signs must not hang on another
 * process's word; a token names the server that made it, so no other needs
 * to know of it. Times are Unix seconds. All return 0 or an error whose words
 * are for whoever holds the token.
 */
int token_add(const char *state, const uint8_t hash[TOKEN_HASH],
    const char *name, uint64_t expires, uint64_t now, struct err *);
/* May the server join? *again: it has begun to before; *named: the token was
 * made for it. */
int token_check(const char *state, const uint8_t hash[TOKEN_HASH],
    const char *name, uint64_t now, bool *again, bool *named, struct err *);
/* It begins to: from now on the token is good for that name only. */
int token_begin(const char *state, const uint8_t hash[TOKEN_HASH],
    const char *name, uint64_t now, struct err *);
/* It has joined: use the token up, once. */
int token_use(const char *state, const uint8_t hash[TOKEN_HASH],
    const char *name, uint64_t now, struct err *);

/* ---- admit.c: what control asks of us for servers that join ---------------
 */

/* The answer, and a descriptor that goes along; -1 = none. */
void admit(const char *state, const struct role_join *, uint64_t now,
    struct role_joined *, int *fd);

/* ---- join.c: tandemd join ----------------------------------------------- */

/* Join a cluster with a token, as the boot file says; exit status. */
int join_main(const char *token, const char *conf_path, bool debug);

/* ---- recover.c: tandemd recover ----------------------------------------- */

/* The note for quorum's next start, which lies in a room above this one. */
typedef int recover_note_fn(const char *dir, const char *self,
    const char *const *lost, size_t n, struct err *);
/* Of the site's servers all n others are lost; exit status. */
int recover_main(const char *const *lost, size_t n, const char *conf_path,
    bool debug, recover_note_fn *);

#endif
