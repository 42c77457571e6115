#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <sys/types.h>

#include "identity.h"
#include "daemon/role/role_wire.h"

/* ---- supervisor.c: the only door ---------------------------------------- */

/* Run a server from its boot file until it is told to stop; exit status. */
int supervisor_main(const char *conf_path, bool debug);
/* Check a boot file and say what is wrong with it; exit status. */
int supervisor_check(const char *conf_path);

/* ---- conf.c: tandem.conf(5) --------------------------------------------- */

struct conf {
	char server[33];
	char site[33];
	char state[256];
	union addr inside;
	uint16_t port_base;
	char control_path[108];
	char control_group[33];
	char user[33]; /* one user for all processes; "" = one per role */
	bool witness;  /* votes, holds no data */
	uint32_t history_days, history_mib;
	uint32_t trace_mib; /* 0 = nothing is traced */
	bool debug;
};
int conf_read(struct conf *, const char *path, struct err *);
/* The same from text; name is put in front of errors. Users, groups and the
 * state directory are looked for on this machine. */
int conf_parse(struct conf *, const char *name, const char *text, struct err *);

/* ---- keys.c: class keys of the server ----------------------------------- */

struct keys {
	uint8_t site[CRYPT_KEY];
	uint8_t auth[CRYPT_KEY];
	uint8_t certificate[CRYPT_KEY];
};
/* Read <state>/keys, or make it with new keys at the first start. */
int keys_load(struct keys *, const char *state, struct err *);

/* ---- child.c: one process ----------------------------------------------- */

enum child_state {
	CHILD_STOPPED,
	CHILD_STARTING,
	CHILD_READY,
	CHILD_STOPPING,
	CHILD_BACKOFF
};

struct supervisor;

struct child {
	struct supervisor *sup;
	enum role_id role;
	unsigned index;
	char name[ROLE_NAME];
	enum child_state state;
	bool wanted;   /* shall run */
	pid_t pid;     /* 0 = none */
	int fd;	       /* our end of its SEQPACKET; -1 = none */
	int owners_fd; /* its eventfd of the owner map */
	struct loop_fd *io;
	struct loop_timer *timer; /* back-off, or the patience of a stop */
	uint64_t since;		  /* real clock of the last start */
	uint64_t mono;		  /* monotonic clock of it */
	uint64_t starts;
	unsigned failures;  /* early deaths in a row */
	bool fenced;	    /* we killed it: no death of its own */
	char why[ROLE_WHY]; /* its start failed so; "" = it did not */
	uint64_t failing;   /* since then, real clock */
	uint64_t asked;	    /* it owes a sign of life since then; 0 = none */
};

void child_start(struct child *);
void child_stop(struct child *); /* asks; SIGKILL when its patience ends */
/* At once; it is no death of its own. */
void child_kill(struct child *);
void child_on_exit(struct child *, int status); /* it has been reaped */
bool child_alive(const struct child *);
void child_tell(struct child *, const struct role_msg *, const int *fds, int n);
const char *child_state_word(enum child_state);
/* Microseconds to wait before the next start after so many early deaths. */
uint64_t child_backoff(unsigned failures);
/* Microseconds from its death to its next start. */
uint64_t child_pause(const struct child *);

/* ---- health.c: signs of life -------------------------------------------- */

/* Ask every ready process for one, from now on, and kill those that hang. */
void health_start(struct supervisor *);
/* The state in the text of /proc/PID/stat; '?' when there is none. Pure. */
char health_state(const char *stat);
/* Is one that was silent for so long (us) to be killed? Pure. */
bool health_hangs(uint64_t silent, char state);

/* ---- link.c: sockets between processes ---------------------------------- */

/* Join a process that was just started with every peer that is alive. */
void link_child(struct child *);
/* How two roles are joined: bits 1u << enum role_link. Pure. */
unsigned link_kinds(enum role_id, enum role_id);

/* ---- owners.c: the owner map, and what our processes own ---------------- */

#define SUPERVISOR_GRANTS 32

/* The last ownership of a key that a process of ours was told of. */
struct grant {
	struct child *to; /* NULL: it has ended, or another took over */
	char key[OWNER_KEY];
	uint64_t epoch;
	bool serving; /* it said so */
};

/* What quorum has decided: of an ownership, of an instance of another
 * server, of a server. */
void owners_take(struct supervisor *, const struct owner *, bool removed);
/* The state of a process of ours is another one. */
void owners_publish_child(const struct child *);
/* It says that it serves; false when that is not what it was told. */
bool owners_serving(const struct child *, const char *key, uint64_t epoch);
bool owners_has(const struct child *);	  /* it owns something */
void owners_forget(const struct child *); /* it has ended */
/* A new quorum process hears who of ours serves. */
void owners_tell_serving(struct supervisor *, struct child *quorum);
#define OWNERS_OTHERS 32
/* Put the servers there were when this one joined into a new map. */
void owners_others(struct supervisor *);
/* Wake every process: the map has changed. */
void owners_wake(struct supervisor *);

/* ---- fault.c: faults on purpose ------------------------------------------ */

/* Make a fault that control asks for; the answer, serial and code. */
void fault(struct supervisor *, struct role_fault *);
/* A process has started in the midst of one. */
void fault_tell(struct child *);
/* How long the start of a process must wait for the end of a fault, us. */
uint64_t fault_pause(const struct supervisor *);

/* ---- supervisor.c: what the files above share --------------------------- */

struct supervisor {
	struct loop *loop;
	struct conf conf;
	struct keys keys;
	struct identity identity;
	struct owner_map *owners;
	struct loop_defer wake; /* of those who read it */
	bool owners_news;	/* more than members is another */
	struct child child[ROLE_MAX][ROLE_INSTANCES + 1]; /* index from 1 */
	struct grant grant[SUPERVISOR_GRANTS];
	unsigned ngrants;
	struct {
		unsigned count; /* shall run here */
		bool elsewhere; /* other servers run it too */
		bool told;	/* control said so: quorum is told */
	} place[ROLE_MAX];
	uint64_t epoch; /* the highest that the ship log has seen */
	bool started;	/* the replicator has told the highest epoch */
	bool complete;	/* all that shall run is ready */
	bool stopping;
	int binary; /* our own program, for re-execution */
	int lock;
	uid_t boot_uid;
	int nice; /* less than we were started with */
	struct loop_signal *signals[4];
	struct loop_timer *health;
	uint64_t health_at; /* monotonic clock of its last tick */
	/* A fault that lasts: who is stopped, until when nothing starts. */
	struct {
		struct loop_timer *timer;
		pid_t stopped;	/* 0 = nobody */
		bool cut;	/* off the other servers */
		uint64_t until; /* monotonic clock; 0 = it is over */
	} fault;
};

/* The group whose members may use the console; false when none is named. */
bool supervisor_control_group(const struct conf *, gid_t *);
/* The directory of the rings of the trace. */
void supervisor_rings(const struct conf *, char *out, size_t size);
/* Shall it run? It is placed here, or it is an owner whose role is to run on
 * other servers only: it goes on until one of them owns, which ends it. */
bool supervisor_keeps(const struct child *);
/* Walk all processes there may be: *at starts at 0; NULL at the end. */
struct child *supervisor_next(struct supervisor *, unsigned *at);
/* The one with this process id; NULL when it is none of ours (any more). */
struct child *supervisor_child(struct supervisor *, pid_t);
void supervisor_on_message(struct child *, const struct role_msg *);
/* As root with "user" in the boot file: the state goes to that user and so
 * do we, with every process. */
void supervisor_become(const struct conf *);
/* No other tandemd works on this state until the descriptor that is returned
 * is closed. ERR_IO, ERR_CONFLICT. */
int supervisor_lock(const char *state, struct err *);
/* A process came, went or changed: owner map, links and control follow. */
void supervisor_on_child(struct child *);

#endif
