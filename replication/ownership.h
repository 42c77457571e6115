#ifndef OWNERSHIP_H
#define OWNERSHIP_H

#include "replication.h"
#include "daemon/base/buf.h"

/*
 * Who owns what in a site: the replicated state machine behind raft. Pure: no
 * clock, no socket, no file. Every server applies the same commands in the
 * same order and so holds the same state; a command that does not fit it (an
 * old epoch, an old life of a server) is refused and changes nothing.
 *
 * What always holds, after every command (ownership_check):
 *  - the epoch of a key never falls, and each grant raises it above every
 *    epoch ever given to any key;
 *  - an owner is a ready instance on a server that is up and a member;
 *  - members other than a last one are up; once a key had a member it always
 *    has one: the last never leaves but by OWNERSHIP_RECOVER;
 *  - keys calls/... are owned by the instance of their name only.
 *
 * Two servers without a witness may prefer availability (SEMANTICS D29): then
 * each may decide alone while it does not hear the other, and so there are two
 * machines that have parted. Epochs are even on the first server and odd on
 * the second, so none is given twice. When they meet one server gives up its
 * machine (daemon/quorum/quorum_part.c); in the other one OWNERSHIP_PART lifts
 * all epochs above those that were given there.
 */

#define OWNERSHIP_SERVERS 32
#define OWNERSHIP_ROLES 16 /* kinds of instances */
#define OWNERSHIP_INDEX 8  /* instances of a role on a server, from 1 */
#define OWNERSHIP_MEMBERS 7
#define OWNERSHIP_FIXED 3 /* keys sr, st, mgc */
#define OWNERSHIP_KEYS (OWNERSHIP_FIXED + OWNERSHIP_SERVERS * OWNERSHIP_INDEX)
#define OWNERSHIP_SERVER_NAME 33
#define OWNERSHIP_ROLE_NAME 16

struct ownership_instance {
	uint64_t since; /* tells one start from the next; 0 = not ready */
	uint64_t epoch; /* counts its starts */
};

enum ownership_parted {
	OWNERSHIP_WHOLE,
	OWNERSHIP_APART, /* this side has decided something without it */
	OWNERSHIP_BACK /* it has given up what it decided; a new id may come */
};

struct ownership_server {
	char name[OWNERSHIP_SERVER_NAME]; /* "" = no such server */
	uint64_t id;			  /* in the raft group */
	union addr inside;		  /* with its port base */
	uint64_t life;	 /* counts its comings; DOWN and INSTANCES name it */
	uint64_t report; /* counts the INSTANCES applied in all lives */
	uint64_t log;	 /* id of its ship log; 0 = not known */
	bool up;
	bool witness; /* votes, holds no data */
	bool drain;   /* owns nothing that another may own */
	/* It may decide alone, as this side does. */
	enum ownership_parted parted;
	struct ownership_instance instance[OWNERSHIP_ROLES][OWNERSHIP_INDEX];
};

struct ownership_key {
	char name[OWNER_KEY]; /* "" = no such key */
	uint8_t role;	      /* whose instances may own it */
	uint8_t only_server;  /* calls/...: the slot of its server, else none */
	uint8_t only_index;
	uint8_t server; /* of the owner; of the last one while state is DOWN */
	uint8_t index;
	enum owner_state state;
	bool lost;	  /* the last member came back without its ship log */
	uint64_t epoch;	  /* of the last grant */
	uint32_t members; /* bits of servers */
	uint64_t turn;	  /* counts decisions about members */
};
#define OWNERSHIP_NONE 0xff

struct ownership_machine {
	uint64_t highest;  /* epoch ever given or seen */
	uint64_t changes;  /* commands that were not refused */
	bool availability; /* preferred: one of two servers may decide alone */
	char role[OWNERSHIP_ROLES][OWNERSHIP_ROLE_NAME];
	struct ownership_server server[OWNERSHIP_SERVERS];
	struct ownership_key key[OWNERSHIP_KEYS];
};

/* The state of a site that has no server yet. */
void ownership_init(struct ownership_machine *);
/* The key of the calls of a B2BUA instance (index from 0), whose place is
 * given by both; it exists from the instance's first start on. */
void ownership_calls_key(
    struct ownership_machine *, unsigned server, unsigned index);

/* ---- commands ----------------------------------------------------------- */

enum ownership_type {
	/* Add a server (down, in no life) or change its address. id 0 leaves
	 * it as it is; a known one never changes, nor does a witness become
	 * another server: remove it first. */
	OWNERSHIP_SERVER_PUT = 1, /* server id inside flags(witness) */
	/* Refused while it owns a key or is the last member of one. */
	OWNERSHIP_SERVER_REMOVE, /* server */
	/* It is heard; life is the one before. */
	OWNERSHIP_SERVER_UP, /* server life */
	/* It is not heard any more: leaves all members it can, its keys move.
	 * Life is the one it has. */
	OWNERSHIP_SERVER_DOWN, /* server life */
	/* The instances of one role that are ready. report is the count before;
	 * log the id of its ship log (a new one holds nothing: it leaves all
	 * members), floor the highest epoch that one ever saw; 0 = unknown. */
	OWNERSHIP_INSTANCES, /* server role life report log floor since */
	/* The owner of the epoch serves. */
	OWNERSHIP_SERVING, /* key epoch */
	/* A caught-up server with a ready instance of the role. */
	OWNERSHIP_MEMBER_ADD, /* key epoch turn server */
	/* A server that is too slow; never the owner's. Of one that is no
	 * member it makes sure that no addition proposed before still comes:
	 * every decision about members raises the turn, and one proposed under
	 * an earlier turn is refused. */
	OWNERSHIP_MEMBER_REMOVE, /* key epoch turn server */
	/* Planned: to a ready instance of a member (index 0 = any). */
	OWNERSHIP_MOVE, /* key epoch server flags(index) */
	/* Move away what can move, and own nothing for which there is another;
	 * and the end of that. */
	OWNERSHIP_DRAIN,   /* server */
	OWNERSHIP_UNDRAIN, /* server */
	/* Forced, for a key whose last member is gone: the server becomes its
	 * only member. What it does not hold is lost: the result names who
	 * held everything. */
	OWNERSHIP_RECOVER, /* key epoch server */
	/* Two servers without a witness: availability before consistency. */
	OWNERSHIP_PREFER, /* flags(availability) */
	/* This side decides without the server, which is down. With a floor,
	 * the highest epoch of what it decided itself: it has given that up,
	 * all owners claim above it, and it may come back under another id. */
	OWNERSHIP_PART, /* server floor */
	OWNERSHIP_TYPES
};

struct ownership_command {
	enum ownership_type type;
	char server[OWNERSHIP_SERVER_NAME];
	char key[OWNER_KEY];
	char role[OWNERSHIP_ROLE_NAME];
	uint64_t epoch; /* the key's, or the command is refused */
	uint64_t life;	/* the server's, likewise */
	uint64_t turn;	/* of the key's members, likewise */
	uint64_t report;
	uint64_t id;
	uint64_t log;
	uint64_t floor;
	union addr inside;
	uint8_t flags;
	uint64_t since[OWNERSHIP_INDEX];
};

#define OWNERSHIP_COMMAND_MAX 256 /* bytes of an encoded command */
/* Bytes written, or -ERR_x: a name does not fit the rules. */
long ownership_encode(const struct ownership_command *,
    uint8_t out[OWNERSHIP_COMMAND_MAX], struct err *);
/* 0 or -ERR_CORRUPT; what decodes, encodes to the same bytes. */
int ownership_decode(
    struct ownership_command *, const uint8_t *, size_t n, struct err *);

/*
 * Apply one. 0, or the code of the refusal as in *e: nothing was changed.
 * A member that is added or removed again, and an owner that serves again,
 * are answered with 0. The owner waits for the acknowledgement of a server
 * that it proposes as a member from before the proposal until the key's turn
 * has passed the proposal's; so an outcome that it never learns harms nobody.
 */
int ownership_apply(struct ownership_machine *,
    const struct ownership_command *, struct err *e);
const char *ownership_type_name(enum ownership_type); /* "member-add" */

/* Does this side decide without the server, which may do the same? */
bool ownership_is_apart(
    const struct ownership_machine *, const struct ownership_server *);
/* May the server decide alone when it does not hear the other one? There are
 * two, both with data, and availability is preferred. */
bool ownership_may_part(const struct ownership_machine *, const char *server);

/* ---- snapshots ---------------------------------------------------------- */

/* Bytes appended to the buffer; see buf.failed. */
void ownership_save(const struct ownership_machine *, struct buf *);
/* 0, -ERR_CORRUPT: the machine is then as ownership_init left it. */
int ownership_load(
    struct ownership_machine *, const uint8_t *, size_t n, struct err *);
/* What always holds; words of the first law that is broken, or NULL. */
const char *ownership_check(const struct ownership_machine *);

/* ---- readers ------------------------------------------------------------ */

/*
 * Every entry of the owner map: ownerships, servers ("server/srv1"), and
 * instances ("mg/1@srv1"). inside is the server's address and port base; the
 * instance's port is for the caller to add. *at starts at 0.
 */
bool ownership_next(
    const struct ownership_machine *, unsigned *at, struct owner *);
const struct ownership_server *ownership_server_find(
    const struct ownership_machine *, const char *name);
const struct ownership_key *ownership_key_find(
    const struct ownership_machine *, const char *name);
/* The ready instances of a server's role; NULL when it has none. */
const struct ownership_instance *ownership_instances(
    const struct ownership_machine *, const struct ownership_server *,
    const char *role);

/*
 * The role is placed on the server no more: the next command by which the
 * server stops being part of the key that the role's instances own. Its
 * ownership moves to a member that is ready, then it leaves the members. False:
 * nothing is to be done, or can be done now (it holds all alone, and a last
 * member never leaves).
 */
bool ownership_leave(const struct ownership_machine *, const char *server,
    const char *role, struct ownership_command *);

/*
 * Who shall vote: the next single change on the way to 1, 3 or 5 voters.
 * voters: bits of the servers that vote now; gone: of those down for so long
 * that another takes their place; self: the slot that leads, which stays.
 * True: the server of the slot shall become a voter, or be none any more.
 */
bool ownership_vote(const struct ownership_machine *, uint32_t voters,
    uint32_t gone, unsigned self, unsigned *slot, bool *vote);

#endif
