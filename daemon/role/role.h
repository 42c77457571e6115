#ifndef ROLE_ROLE_H
#define ROLE_ROLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/base/crypt.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/mesh.h"
#include "daemon/base/rpc.h"
#include "daemon/base/sock.h"
#include "daemon/op/op.h"
#include "replication/replication.h"

/*
 * The frame every process of a server runs in: what the supervisor hands it
 * (descriptors, addresses, keys), links to its peers, ownership, sandbox.
 * A role is one struct role; its room never talks to the supervisor itself.
 */

enum role_id {
#define ROLE(id, name, mode, port, ask, links, hears, keys, user, brief) \
	ROLE_##id,
#include "role.tbl"
#undef ROLE
	ROLE_MAX
};

enum role_mode { ROLE_SINGLE, ROLE_ACTIVE, ROLE_PASSIVE };

#define ROLE_NAME 32	 /* "b2bua/1" */
#define ROLE_INSTANCES 8 /* of one role on one server */
/* A dead instance is started again so much later, us, where another one takes
 * its work over. */
#define ROLE_YIELD UINT64_C(250000)

struct role_row {
	const char *name;
	enum role_mode mode;
	unsigned port, ask;
	unsigned links; /* bits: 1u << enum role_id */
	unsigned hears; /* the same */
	unsigned keys;
	const char *user;
	const char *brief;
};
extern const struct role_row role_rows[ROLE_MAX];
enum role_id role_find(const char *name); /* ROLE_MAX when there is none */

/* Another process with which this one shares a JSON-RPC link. */
struct peer {
	enum role_id role;
	unsigned index;
	char name[ROLE_NAME]; /* "sr/1" */
	struct rpc *rpc;
	void *state; /* the room's own */
	struct self *self;
};

/* Whom this process hears inside, as the owner map has it (role_hear.c). */
#define ROLE_EARS OWNER_MAP_MAX
#define ROLE_STRANGERS 32
struct role_ears {
	bool read;
	uint64_t version;
	unsigned count;
	union addr at[ROLE_EARS];
	uint64_t strangers; /* datagrams of others */
	unsigned nnamed;    /* in the log */
	union addr named[ROLE_STRANGERS];
};

/* This process. */
struct self {
	enum role_id id;
	unsigned index;		   /* from 1 */
	char name[ROLE_NAME];	   /* "sg/1" */
	char full[OWNER_INSTANCE]; /* "sg/1@srv1" */
	char server[33];
	char site[33];
	char root[256];	 /* directory of the streams */
	char state[256]; /* state directory of the server */
	union addr
	    inside; /* own address inside; port 0 when the role has none */
	uint16_t port_base;
	char control_path[108]; /* of the console's socket */
	char control_group[33]; /* whose members may use it; may be empty */
	uint8_t key_site[CRYPT_KEY]; /* zero when the role is not given it */
	uint8_t key_auth[CRYPT_KEY];
	uint8_t key_certificate[CRYPT_KEY];
	/* PEM: key, certificate, CA; NULL when the role is not given it. */
	char *identity;
	uint64_t epoch; /* the highest that any stream had at our start */
	bool debug;
	bool witness; /* of a server that votes and holds no data */
	/* The history of domains: how far back, how much for each. */
	uint32_t history_days, history_mib;
	char rings[128];    /* directory of the trace's rings */
	uint32_t trace_mib; /* of the recorder's files; 0 = no trace */
	uint64_t started;   /* real clock, us */
	uid_t boot_uid;	    /* who started the server: may use the console */

	struct loop *loop;
	struct owner_map *owners;
	struct role_ears ears;
	struct repl *repl; /* NULL when the role has no link to replicator */
	const struct op_table *table;	 /* everything that can be done */
	const struct role *const *roles; /* of all rooms, by enum role_id */
	const struct role *role;
	void *state_of_role;	  /* the room's own struct */
	struct role_frame *frame; /* of role_main.c */
};

struct role {
	enum role_id id;
	const struct op *const *ops; /* NULL-ended; NULL = none */
	/*
	 * Open sockets, make the room's state. What must be opened is opened
	 * here: the sandbox is closed when it returns. Then role_ready().
	 */
	int (*start)(struct self *, struct err *);
	/* All optional: */
	void (*on_link)(struct self *, struct peer *);	 /* a peer is there */
	void (*on_unlink)(struct self *, struct peer *); /* and gone */
	/* A request or notification of a peer that is no operation. */
	void (*on_request)(struct self *, struct peer *, struct rpc_request *,
	    const char *method, json_t *params);
	void (*on_owners)(struct self *); /* the owner map has changed */
	/* This instance now owns the key under the epoch: open the streams,
	 * then role_serving(). */
	void (*on_own)(struct self *, const char *key, uint64_t epoch);
	/* Orderly stop: write what must be written, then role_stopped(). */
	void (*on_stop)(struct self *);
	/* Everything that is wrong now, a role_alarm() each: show alarms. */
	void (*alarms)(struct self *, json_t *rows);
	/* Replicator only: the other end of who's repl_link (taken over). */
	void (*on_socket)(struct self *, int fd, const char *who);
	/* The sandbox: what remains allowed after start (role_sandbox.c). */
	unsigned rights;
};

#define RIGHT_DGRAM 0x01  /* create, bind and connect datagram sockets */
#define RIGHT_STREAM 0x02 /* create stream sockets, listen and connect */
#define RIGHT_RING 0x04	  /* use an io_uring that start() has made */
#define RIGHT_AIO 0x08	  /* asynchronous I/O of files (libraft's log) */

/* The system calls every process keeps, one a line. */
void role_sandbox_print(FILE *to);

/* Process main after re-execution with the supervisor's socket on fd 3. */
int role_main(const struct role *const *roles, const struct op_table *,
    const char *instance);

/* Start is done, the instance is warm; may be called later than start(). */
void role_ready(struct self *);
/* The replicator's: with the highest epoch that any stream ever had. */
void role_ready_epoch(struct self *, uint64_t epoch);
void role_serving(struct self *, const char *key, uint64_t epoch);
void role_stopped(struct self *);

struct peer *role_peer(struct self *, const char *name); /* or NULL */
/* The peers of a role: *at starts at 0; NULL at the end. */
struct peer *role_peer_next(struct self *, enum role_id, unsigned *at);
/* The linked instance that owns a key now; NULL when nobody does or it runs on
 * another server (the owner map says where). */
struct peer *role_owner(struct self *, const char *key);
/* Where the owner of a key is asked: the same, or, when it serves on another
 * server, our control, which passes the questions of far_asks on. */
struct peer *role_way(struct self *, const char *key);
/* The other servers of the site where this role runs too, from the owner map
 * (on a witness only control and quorum do); their count. */
size_t role_servers(const struct self *, struct mesh_server *, size_t room);
/* A mesh of this process for a service (mesh.h), with the servers of the owner
 * map; role_mesh_update follows its changes. *out is NULL when the process has
 * no identity. */
int role_mesh_open(const struct self *, unsigned service,
    void (*on_up)(void *arg, const char *server, int fd), void *arg,
    struct mesh **out, struct err *);
void role_mesh_update(const struct self *, struct mesh *);
/* One that was opened otherwise: a drill may cut it off. */
void role_mesh_is(const struct self *, struct mesh *);
/* The ring of this process (daemon/trace), to be opened at its start; NULL
 * when nothing is traced, or cannot be. */
struct ring;
struct ring *role_trace(const struct self *, size_t size);
/* Inside address of an instance on this server. */
void role_inside(
    const struct self *, enum role_id, unsigned index, union addr *);

/* Address that this instance asks MGC from. */
void role_ask(const struct self *, union addr *);
/* Was a datagram of the inside sent by somebody this role hears? Counts and
 * logs who is not; the caller drops it. */
bool role_hears(struct self *, const union addr *from);

/* The private key of a certificate, PEM, to be wiped and freed; hex: as it is
 * stored. NULL when it is not sealed for us. */
char *role_open_key(
    const struct self *, const char *hex, const char *certificate);

/*
 * Counters of a process: a name and a number that only grows, or a gauge.
 * Registered once at start; `show statistics` reads them everywhere.
 */
struct role_stat {
	const char *name; /* "sip-in" */
	const char *brief;
	uint64_t *value;
};
void role_stats(struct self *, const struct role_stat *); /* {0}-ended */

/* A row of what is wrong: since when (real clock), its kind, with what. */
void role_alarm(json_t *rows, uint64_t since, const char *alarm,
    const char *subject, const char *text);

#define ROLE_WHY 240 /* bytes of why a start failed */

/* Control only: what the supervisor tells and takes (role_control.c). */
struct role_status {
	char name[ROLE_NAME];
	pid_t pid;	/* 0 = not running */
	char state[16]; /* starting ready owner backing-off stopped */
	uint64_t since; /* real clock of the last start */
	uint32_t restarts;
	/* It cannot start: why, and since when (real clock); "" = it can. */
	char why[ROLE_WHY];
	uint64_t failing;
};
typedef void role_status_fn(struct self *, const struct role_status *);
void role_on_status(struct self *, role_status_fn *);
/* How many instances of a role this server shall run. */
void role_place(struct self *, enum role_id, unsigned count, bool elsewhere);
void role_restart(struct self *, const char *instance);

#endif
