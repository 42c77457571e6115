#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "ca.h"
#include "err.h"
#include "loop.h"
#include "sock.h"

/*
 * TLS 1.3 between servers of a cluster, and from a console to one of them, on
 * the loop. A connection is bridged
 * to one end of a pair of sockets whose other end its user reads and writes
 * as any stream: nothing but this file knows libssl. Each way holds at most
 * TLS_HOLD bytes here; then the sender waits.
 */
#define TLS_HOLD 65536

/* ---- who we are --------------------------------------------------------- */

struct tls_id;

/* identity: PEM of key, certificate and CA, in any order but that of the two
 * certificates. -ERR_INVALID when they do not belong together. */
int tls_id_new(const char *identity, struct tls_id **, struct err *);
/* Of one who has no identity yet: dials only. */
int tls_id_blank(struct tls_id **, struct err *);
/* Of a console: PEM of a key and its own certificate. */
int tls_id_console(const char *pem, struct tls_id **, struct err *);
void tls_id_free(struct tls_id **);
const char *tls_id_name(const struct tls_id *);	   /* the server's name */
const char *tls_id_cluster(const struct tls_id *); /* id of the cluster */

/* ---- a connection ------------------------------------------------------- */

enum tls_side {
	TLS_DIAL,      /* the peer proves that it is of our cluster */
	TLS_ACCEPT,    /* as does one who dials us */
	TLS_JOIN_DIAL, /* the peer's CA has the fingerprint; we prove nothing */
	TLS_JOIN_ACCEPT, /* we prove, the peer need not */
	TLS_CONSOLE	 /* the peer's certificate has the fingerprint, or the
			  * system vouches that it is the host's */
};

struct tls;

struct tls_config {
	struct loop *loop;
	const struct tls_id *id; /* outlives the connection */
	enum tls_side side;
	int fd; /* connected, or on its way (TLS_DIAL); taken over */
	uint8_t print[CA_PRINT]; /* TLS_JOIN_DIAL, TLS_CONSOLE if pinned */
	bool pinned;
	const char *host; /* TLS_CONSOLE; NULL: only the fingerprint counts */
	/* The handshake is done; plain is the user's end of the pair,
	 * non-blocking, the callee's. */
	void (*on_up)(void *arg, struct tls *, int plain);
	/* The connection failed or ended, why says how. The callee closes the
	 * tls. What had arrived can still be read from plain, then it ends. */
	void (*on_end)(void *arg, struct tls *, const struct err *why);
	void *arg;
};

/* NULL when libssl refuses (out of memory); fd is closed then. Callbacks come
 * from the loop, never from here. There is no limit of time: the caller keeps
 * a timer until on_up. */
struct tls *tls_open(const struct tls_config *);
/* At once, from any callback too. */
void tls_close(struct tls **);
/* Neither side is read or written, as if nothing passed the wire; nothing
 * ends and nothing is lost. Until it is called again with false. */
void tls_pause(struct tls *, bool);
/* Is it still on its way: no sign of the peer's machine so far? */
bool tls_is_dialling(const struct tls *);
/*
 * Since when nothing has come from the peer's machine, in microseconds. When
 * both sides have nothing to say our kernel asks that one once a second, so
 * silence is a sign of the network or the machine, not of a busy process.
 */
uint64_t tls_silence(const struct tls *);
/* The name in the peer's certificate, "" when it has shown none. */
const char *tls_peer(const struct tls *);
/* TLS_CONSOLE, in on_end: nothing vouched for the certificate that the peer
 * showed, which has this fingerprint. */
bool tls_distrusts(const struct tls *, uint8_t print[CA_PRINT]);
/* Bytes of the user so far. */
void tls_count(const struct tls *, uint64_t *in, uint64_t *out);

/* ---- a listener --------------------------------------------------------- */

struct tls_door;
/* fd is the callee's. */
typedef void tls_door_fn(void *arg, int fd, const union addr *from);
int tls_door_open(struct loop *, const union addr *, tls_door_fn *, void *arg,
    struct tls_door **, struct err *);
void tls_door_close(struct tls_door **);
void tls_door_pause(struct tls_door *, bool); /* nobody is let in */
void tls_door_address(const struct tls_door *, union addr *);

#endif
