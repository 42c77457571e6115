#ifndef ROLE_ROLE_LISTENER_H
#define ROLE_ROLE_LISTENER_H

#include "role.h"

/*
 * The listeners of a gate as control feeds them. A feed is whole: a listener
 * that it does not name is closed, the others are opened, moved, or given
 * another certificate while connections of those that stay go on. One that is
 * not as configured is an alarm with its reason, and one that cannot be opened
 * is tried again.
 */

#define ROLE_LISTENER_NAME 33

/* The first member of a gate's own struct. */
struct role_listener {
	struct role_listener *next;
	char name[ROLE_LISTENER_NAME];
	union addr at; /* as configured; its port may be 0 */
	char certificate[64];
	char *chain, *key; /* PEM; key NULL: none, or it does not open here */
	struct err why;	   /* it is not open, or not as configured */
	uint64_t wrong;	   /* since then, real clock; 0 = all is well */
	bool open;
	bool seen; /* in this feed */
};

/* What differs from gate to gate. */
struct role_listener_kind {
	size_t size; /* of the gate's own struct */
	/* What else a row says, into the listener; false when it makes no
	 * sense, then nothing was changed. *moved is set when it has to be
	 * opened anew; it may be true already. */
	bool (*take)(struct role_listener *, json_t *row, bool *moved);
	/* How it listens, for the log: "udp". */
	const char *(*transport)(const struct role_listener *);
	/* Open it: 0, or why it is not. The address it has goes to *at. */
	int (*open)(
	    void *gate, struct role_listener *, union addr *at, struct err *);
	void (*close)(struct role_listener *); /* also one that is not open */
	/* Show the certificate from now on; or the old one, and why. */
	int (*certify)(struct role_listener *, struct err *);
};

struct role_listeners {
	struct self *self;
	void *gate;
	const struct role_listener_kind *kind;
	struct role_listener *first;
};

/* A text of a row; "" when there is none. Of the row. */
const char *role_listener_text(json_t *row, const char *name);

/* An array of rows of control. False when some are not open. */
bool role_listeners_feed(struct role_listeners *, json_t *rows);
/* Those that are not open are tried again. False when some still are not. */
bool role_listeners_retry(struct role_listeners *);
void role_listeners_close(struct role_listeners *);
/* Rows of show alarms. */
void role_listeners_alarms(const struct role_listeners *, json_t *rows);

#endif
