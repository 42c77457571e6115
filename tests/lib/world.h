#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <sys/types.h>

#include "daemon/base/buf.h"
#include "replication/replication.h"

/*
 * A server's streams in a directory of the test: a replicator in a process of
 * its own, and links to it. Owners and readers live in the test's process or
 * in others that it forks.
 */
struct world {
	char dir[64], root[80], log[80];
	const char *boot; /* NULL = the machine's */
	uint64_t segment, keep;
	uint64_t past_keep, past_bytes; /* of a history; 0 = none */
	size_t small; /* the log on a disk of so many bytes, all but 8 MiB of
		       * which a file "ballast" takes; if it may mount */
	const char *server;   /* its name on a site; NULL = alone */
	const char *identity; /* of the cluster; NULL = wires, see below */
	pid_t replicator;
	int control; /* passes sockets to it */
};

void world_make(struct world *);
void world_remove(struct world *); /* ends the replicator */
void world_start(struct world *);  /* the replicator */
/* End it with the signal and wait. */
void world_stop(struct world *, int signo);
/* A socket for repl_link. */
int world_link(struct world *, const char *who);
/* As world_link, but from another process: the control socket is enough. */
int world_link_by(int control, const char *who);

/*
 * Servers of a site: a world each, joined by wires whose bytes pass through
 * the test's process, which can cut or stop them; or, made by
 * world_site_make_tls, by the TLS of a cluster of their own on loopback, as in
 * production. The test is also the quorum: it keeps the owner map and answers
 * proposals from its loop.
 */
#define WORLD_SERVERS 4

enum world_answer {
	WORLD_YES,
	WORLD_REFUSE,
	WORLD_UNKNOWN, /* decided, but two of three answers do not know it */
	WORLD_LOST     /* nothing is decided, and no answer knows */
};

struct world_wire {
	struct world_site *site;
	unsigned from, to;
	int fd[2];
	struct loop_fd *io[2];
	struct buf held[2]; /* from an end, what the other did not take yet */
	bool hangs;
	size_t cut; /* cut after so many bytes; 0 = never */
};

struct world_site {
	struct loop *loop;
	unsigned n;
	struct world w[WORLD_SERVERS];
	bool up[WORLD_SERVERS], deaf[WORLD_SERVERS];
	char *identity[WORLD_SERVERS]; /* with TLS */
	char port[WORLD_SERVERS][8];   /* where its mesh listens; or "" */
	struct loop_fd *io[WORLD_SERVERS];
	struct owner_map *map;
	struct world_wire wire[WORLD_SERVERS][WORLD_SERVERS]; /* from < to */
	enum world_answer answer;
	unsigned added, removed; /* proposals that came to pass */
	unsigned proposals;
	int gives; /* times that a key was to go to another server */
	/* the status asked for */
	unsigned want;
	const char *want_stream, *want_follower;
	struct replicator_follower row;
	bool rows;
};

void world_site_make(struct world_site *, struct loop *, unsigned servers);
void world_site_make_tls(struct world_site *, struct loop *, unsigned servers);
void world_site_remove(struct world_site *);
void world_site_start(struct world_site *, unsigned); /* and its wires */
void world_site_stop(struct world_site *, unsigned, int signo);
void world_site_join(struct world_site *, unsigned, unsigned);
void world_site_cut(struct world_site *, unsigned, unsigned);
/* The wire takes nothing any more, or does again. */
void world_site_hang(struct world_site *, unsigned, unsigned, bool);
/* The server is not told of changes of the map, although it could see them. */
void world_site_deaf(struct world_site *, unsigned, bool);
/* The server hears those who decide no more, or does again. */
void world_site_mute(struct world_site *, unsigned, bool);
/* The servers may decide alone, each without the other. */
void world_site_may_part(struct world_site *);
/* The key is owned by a server under the next epoch, which is returned; the
 * members are names joined by a space, NULL = those that there were. */
uint64_t world_site_own(
    struct world_site *, const char *key, unsigned, const char *members);
bool world_site_is_member(
    struct world_site *, const char *key, unsigned server);
/* Wait until the server is a member, or none any more. */
void world_site_wait_member(
    struct world_site *, const char *key, unsigned server, bool member);
/* What a server says of a stream (follower NULL) or of a follower of it;
 * false when it knows none. */
bool world_site_status(struct world_site *, unsigned server, const char *stream,
    const char *follower, struct replicator_follower *);
/* Wait until readers of the server see the stream up to the LSN. */
void world_site_wait_applied(
    struct world_site *, unsigned server, const char *stream, uint64_t lsn);

/* Run the loop until *done is not 0. Aborts after a minute. */
void world_run(struct loop *, const int *done);
/* Run the loop for a while, to see that something does not happen. */
void world_pass(struct loop *, uint64_t us);
/* A child process that keeps only these descriptors (-1 = none). */
pid_t world_fork(int keep1, int keep2);

/* A stream that is open, or the test fails. */
struct stream *world_stream(struct repl *, struct loop *, const char *name,
    uint64_t epoch, const char *schema, unsigned page_size);
/* Wait until all that was written is acknowledged. */
void world_settle(struct loop *, struct stream *);

#endif
