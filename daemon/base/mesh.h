#ifndef BASE_MESH_H
#define BASE_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "sock.h"

/*
 * The servers of a site among themselves: one mutually authenticated TLS 1.3
 * connection between this process and the process of the same service on
 * every other server of a list. Of two servers the one whose name sorts lower
 * dials, again and again until it succeeds; the other only accepts, and only
 * a server of the list with a certificate of the cluster in that name.
 *
 * The user gets the connection as a plain stream socket (on_up) and knows
 * nothing of TLS. What it may rely on:
 *   - bytes arrive in order or the descriptor ends; a connection that came
 *     again is a new descriptor, what was on its way in the old one is lost;
 *   - no boundaries of messages; beside the buffers of the kernel 64 KiB are
 *     held each way, then the writer waits as on any slow socket;
 *   - when nothing came from the peer's machine for 1.5 s, not even the
 *     answer to a keepalive probe, the connection ends, so that after a cut
 *     nobody waits for the retransmissions of an old one; who must know
 *     sooner, or that a process hangs, sends heartbeats of its own.
 */
struct mesh;

#define MESH_NAME 33 /* a server's name and the NUL */

/* Numbers of services: their port is the server's port base plus this. */
#define MESH_QUORUM 1
#define MESH_REPLICATOR 2
#define MESH_CONTROL 3
#define MESH_JOIN 4 /* no mesh; see join in daemon/control */

struct mesh_config {
	const char *self;     /* name of this server */
	const char *identity; /* PEM: key, certificate, certificate of the CA */
	union addr listen;    /* own inside address, port = port base; with
			       * port 0 any free port is taken (tests) */
	unsigned port_offset; /* number of the service */
	/* Connected: fd is non-blocking, close-on-exec and the callee's from
	 * now on. Its end is the end of the connection, and closing it ends
	 * the connection (the mesh then dials again). Never called from
	 * mesh_open, mesh_set or mesh_close. */
	void (*on_up)(void *arg, const char *server, int fd);
	void *arg;
};

struct mesh_server {
	char name[MESH_NAME];
	union addr inside; /* port = port base */
};

/* -ERR_INVALID: the identity is not this server's; -ERR_IO: the address
 * cannot be bound. Everything in the configuration is copied. */
int mesh_open(
    struct loop *, const struct mesh_config *, struct mesh **, struct err *);
/* All OTHER servers (an entry of the own name is passed over). Connections to
 * those that are not listed any more, or have another address, are closed. */
void mesh_set(struct mesh *, const struct mesh_server *, size_t n);
void mesh_close(struct mesh **);
/*
 * As if the network was cut: nothing is read, sent, dialled or let in, and
 * nothing ends by that; with false it goes on where it stopped. For drills.
 */
void mesh_cut(struct mesh *, bool);
/* Where it listens: what port 0 became. */
void mesh_address(const struct mesh *, union addr *);

struct mesh_status {
	char server[MESH_NAME];
	union addr address; /* of the service at that server */
	bool dials;	    /* we dial, else we wait for it */
	bool up;
	uint64_t since;	  /* real clock of the last change of up */
	uint64_t ups;	  /* connections so far */
	uint64_t in, out; /* bytes of the user, all connections */
	/* Why the last attempt failed or the connection ended; "" = never. */
	char reason[128];
	uint64_t reason_at; /* real clock; 0 = never */
};
/* Walk the list: *at starts at 0; false at the end. The last attempt of a
 * stranger (a name that is not in the list) is one more entry, named "?", with
 * its address and since when. */
bool mesh_next(const struct mesh *, size_t *at, struct mesh_status *);

#endif
