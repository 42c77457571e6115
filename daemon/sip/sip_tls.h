#ifndef SIP_TLS_H
#define SIP_TLS_H

/* TLS of the border (sip_tls.c). */
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"

struct sip_tls;
struct sip_tls *sip_tls_new(
    const char *chain, const char *key, struct err *); /* a server's */
/* Why its certificate is of no use at this time, or NULL. */
const char *sip_tls_expiry(const struct sip_tls *);
struct sip_tls *sip_tls_new_client(const char *ca, struct err *);
void sip_tls_free(struct sip_tls **);
/* Which identity answers a name asked for by SNI (RFC 6066 3); NULL = the
 * listener's own. */
typedef struct sip_tls *sip_tls_pick_fn(void *arg, const char *name);
void sip_tls_set_pick(struct sip_tls *, sip_tls_pick_fn *, void *arg);
bool sip_tls_names(const struct sip_tls *, const char *name);
/* A session over the descriptor; name NULL = we are the server. */
SSL *sip_tls_open(struct sip_tls *, int fd, const char *name);
/* A server's, for whoever moves the bytes; NULL when there is no memory. */
SSL *sip_tls_session(struct sip_tls *);
/* A server's: its peers are asked for a certificate, and may have none. That
 * they have its key the handshake proves; nothing else about it is looked at,
 * for who asks knows those it lets in by their fingerprints. */
void sip_tls_ask(struct sip_tls *);
struct sip_tls_peer {
	char fingerprint[72]; /* "sha256:" and 64 digits */
	int64_t from, until;  /* its validity, seconds of the real clock */
};
/* What the peer has shown; false when it has shown none, or none that can be
 * used. */
bool sip_tls_peer(SSL *, struct sip_tls_peer *);
/* Words of the last failure of libssl in this thread. */
void sip_tls_words(char *out, size_t size);

#endif
