#ifndef ROLE_WIRE_H
#define ROLE_WIRE_H

#include "role.h"
#include "role_join.h"

/*
 * What the supervisor and a process say to each other over the SEQPACKET
 * socket that a process finds at descriptor 3. One struct is one message;
 * both ends are the same binary, so the struct is the format.
 */
#define ROLE_SUPERVISOR_FD 3

/* Of SCHED_RR, for supervisor and quorum where they may have it. */
#define ROLE_PRIORITY 10

/* So much less nice than the other roles is the replicator, where it may. */
#define ROLE_NICE 10

enum role_msg_type {
	/* to the process */
	ROLE_MSG_START = 1, /* descriptors: owner map, its eventfd */
	ROLE_MSG_LINK,	    /* descriptor: socket to the peer */
	ROLE_MSG_OWN,
	ROLE_MSG_STOP,
	ROLE_MSG_STATUS,   /* control and quorum */
	ROLE_MSG_IDENTITY, /* KEY_LINK, right behind START; descriptor: PEM */
	ROLE_MSG_JOINED,   /* control only; may have a descriptor */
	ROLE_MSG_PING,	   /* answered by PONG */
	ROLE_MSG_FAULTED,  /* control only: the fault was made, or not */
	ROLE_MSG_CUT,	   /* who has a mesh: cut it off, or no more */
	/* to the supervisor */
	ROLE_MSG_READY = 100,
	ROLE_MSG_PONG,
	ROLE_MSG_SERVING, /* and from it to quorum */
	ROLE_MSG_PLACE,	  /* of control, and from it to quorum */
	ROLE_MSG_RESTART, /* control only */
	ROLE_MSG_JOIN,	  /* control only */
	ROLE_MSG_FAULT,	  /* control only */
	ROLE_MSG_OWNER,	  /* quorum only */
	ROLE_MSG_FAILED	  /* its last: why it cannot start */
};

struct role_msg_start {
	char server[33];
	char site[33];
	char state[256];
	char root[256];
	char control_path[108];
	char control_group[33];
	union addr inside; /* port 0 */
	uint16_t port_base;
	uid_t boot_uid;
	bool debug;
	bool witness;
	uint64_t epoch; /* the highest that the ship log has seen */
	uint32_t history_days, history_mib;
	char rings[128];
	uint32_t trace_mib;
	uint8_t key_site[CRYPT_KEY];
	uint8_t key_auth[CRYPT_KEY];
	uint8_t key_certificate[CRYPT_KEY];
};

enum role_link { ROLE_LINK_RPC, ROLE_LINK_SHIP };

/*
 * A fault made on purpose (request drill), and what became of it: control
 * says what shall happen to a process, the supervisor does it at once and
 * ends it by itself, so nothing stays broken when control dies.
 */
enum role_fault_kind {
	ROLE_FAULT_KILL,   /* SIGKILL to the instance */
	ROLE_FAULT_STOP,   /* SIGSTOP, and SIGCONT after ms */
	ROLE_FAULT_SERVER, /* SIGKILL to every process; back after ms */
	ROLE_FAULT_CUT,	   /* no word with other servers for ms */
	ROLE_FAULTS
};
#define ROLE_FAULT_MS 20000 /* the longest */
struct role_fault {
	uint32_t serial;
	enum role_fault_kind kind;
	char instance[ROLE_NAME]; /* KILL, STOP */
	uint32_t ms;		  /* all but KILL */
	enum err_code code;	  /* of the answer; ERR_NONE = made */
};

struct role_msg {
	enum role_msg_type type;
	union {
		struct role_msg_start start;
		struct {
			char peer[ROLE_NAME];
			enum role_link kind;
		} link;
		struct {
			char key[OWNER_KEY];
			uint64_t epoch;
		} own; /* and SERVING */
		struct role_status status;
		struct {
			uint64_t epoch; /* replicator: highest seen */
		} ready;
		struct {
			enum role_id role;
			unsigned count;
			bool elsewhere; /* other servers run it too */
		} place;
		char instance[ROLE_NAME]; /* RESTART */
		struct role_join join;
		struct role_joined joined;
		struct role_fault fault; /* FAULT, FAULTED */
		bool cut;
		char why[ROLE_WHY]; /* FAILED */
		struct {
			struct owner entry; /* of the owner map */
			bool removed;	    /* only the key counts */
		} owner;
	} u;
};

/* Class keys, bits of the key column of role.tbl. */
#define KEY_SITE 1u
#define KEY_AUTH 2u
#define KEY_CERTIFICATE 4u
#define KEY_LINK 8u /* the server's identity towards other servers */

/* Split "sg/1"; false when it names no role or instance. */
bool role_name_parse(const char *name, enum role_id *, unsigned *index);
/* Split "sg/1@srv1"; *server is NULL when none is named. */
bool role_full_parse(
    const char *full, enum role_id *, unsigned *index, const char **server);
void role_name(char out[ROLE_NAME], enum role_id, unsigned index);

/* Close the process in: no new privileges, allowed system calls only. Called
 * once, after start. Ends the process when the kernel refuses. */
void role_sandbox(unsigned rights);

/* Control only: ask the supervisor about servers that join, hear what it
 * says (fd is the callee's; -1 = none). */
typedef void role_joined_fn(struct self *, const struct role_joined *, int fd);
void role_join_ask(struct self *, const struct role_join *);
void role_on_joined(struct self *, role_joined_fn *);
/* Control only: a fault, and what became of it. */
typedef void role_faulted_fn(struct self *, const struct role_fault *);
void role_fault(struct self *, const struct role_fault *);
void role_on_faulted(struct self *, role_faulted_fn *);
/* Quorum only: an entry of the owner map was decided; an instance of this
 * server says through the supervisor that it serves. */
void role_decide(struct self *, const struct owner *, bool removed);
typedef void role_serving_fn(struct self *, const char *key, uint64_t epoch);
void role_on_serving(struct self *, role_serving_fn *);
/* Quorum only: so many instances of a role are placed on this server. */
typedef void role_place_fn(struct self *, enum role_id, unsigned count);
void role_on_place(struct self *, role_place_fn *);

/* Run an operation that control asks for, or answer "statistics"; false when
 * the method is neither. */
bool role_dispatch(struct self *, const struct peer *from, struct rpc_request *,
    const char *method, json_t *params);

#endif
