#ifndef CONTROL_JOIN_H
#define CONTROL_JOIN_H

#include "daemon/base/rpc.h"
#include "daemon/role/role_join.h"

struct self;

/*
 * The door for servers that join: listens at the join port, speaks with who
 * comes, and brings together what it takes to let it in. Knows control only
 * through what it is given here.
 */
struct join_door;

struct join_config {
	struct loop *loop;
	const char *identity; /* as mesh_open takes it */
	const char *site;
	union addr listen; /* of the join service; port 0 = any (tests) */
	/* Ask the supervisor; it answers through join_door_answer. */
	void (*ask)(void *arg, const struct role_join *);
	/* Make the server known: to the store (rows of the site) and to quorum,
	 * method "server-put". params is taken; fn is called once, maybe at
	 * once. */
	void (*put_store)(
	    void *arg, json_t *params, rpc_reply_fn *, void *fn_arg);
	void (*put_quorum)(
	    void *arg, json_t *params, rpc_reply_fn *, void *fn_arg);
	/* The servers of the site, this one too; their count. */
	size_t (*servers)(void *arg, struct mesh_server *, size_t room);
	bool (*is_up)(void *arg, const char *server);
	void *arg;
};

int join_door_open(
    const struct join_config *, struct join_door **, struct err *);
void join_door_close(struct join_door **);
/* fd is taken; -1 = none. */
void join_door_answer(struct join_door *, const struct role_joined *, int fd);
void join_door_address(const struct join_door *, union addr *);

/* Make a token, good for so many minutes, for the server of that name ("" =
 * any). fn is called once, later, unless the door is closed before. */
typedef void join_token_fn(
    void *arg, const char *token, uint64_t expires, const struct err *);
void join_door_token(struct join_door *, const char *name, unsigned minutes,
    join_token_fn *, void *arg);

/* ---- what control adds (op_server.c) ------------------------------------ */

struct control;

/* Open the door of this process: inside address, port base + 4. */
int join_start(struct control *, const char *identity, struct err *);

#endif
