#ifndef TESTS_PHONE_H
#define TESTS_PHONE_H

#include <openssl/ssl.h>

#include "daemon/base/buf.h"
#include "daemon/base/loop.h"
#include "daemon/sip/transport.h"

/*
 * A SIP phone for tests: a client of UDP, TCP, TLS, WS or WSS that lives in
 * the loop of its subject. Waiting runs that loop until a message, the end of
 * the connection or a guard time has come. Everything it was ever sent stays
 * in raw. Its framing and WebSocket code are its own, not the product's.
 */
struct phone {
	struct loop *loop;
	struct loop_timer *guard;
	struct loop_fd *event;
	enum sip_proto proto;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	union addr self, to;
	bool shaking;  /* TLS handshake */
	bool upgraded; /* WebSocket is open */
	bool closed;
	bool timed_out;
	struct buf in;	       /* bytes, after TLS */
	struct buf plain;      /* SIP bytes, after WebSocket */
	struct buf raw;	       /* all SIP bytes ever */
	unsigned pings, pongs; /* WebSocket control frames seen */
};

#define PHONE_SIZE 65536

/* name: asked for by SNI (TLS, WSS), may be NULL. NULL when refused. */
struct phone *phone_open(
    struct loop *, enum sip_proto, const union addr *to, const char *name);
/* The same, bound to an address (port 0 = any). */
struct phone *phone_open_from(struct loop *, enum sip_proto,
    const union addr *to, const char *name, const union addr *from);
void phone_close(struct phone **);
void phone_send(struct phone *, const void *, size_t);
void phone_text(struct phone *, const char *);
/* As is, below SIP and WebSocket framing. */
void phone_bytes(struct phone *, const void *, size_t);
/* WebSocket frame of any opcode. */
void phone_frame(struct phone *, unsigned opcode, const void *, size_t);
/* The next message, NUL-terminated; 0 when none came or it is over. */
size_t phone_recv(struct phone *, char out[PHONE_SIZE]);
/* True when nothing comes within ms. */
bool phone_silent(struct phone *, unsigned ms);
bool phone_wait_closed(struct phone *);
/* Run the loop for so long, or until something reached a phone. */
void phone_turn(struct phone *, unsigned ms);

/* A self-signed certificate for a name, and its key; PEM, to be freed. */
void cert_make(const char *name, char **chain, char **key);
/* One that ends so many seconds from now. */
void cert_make_until(const char *name, long seconds, char **chain, char **key);

#endif
