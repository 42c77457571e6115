#ifndef SHIP_LINK_H
#define SHIP_LINK_H

#include "ship_record.h"
#include "daemon/base/buf.h"

/*
 * What an owner or a reader and the replicator of its server say to each
 * other over their socket. The format stands at the top of ship_link.c. Pure.
 */

enum ship_msg_type {
	/* to the replicator */
	SHIP_MSG_OPEN = 1, /* I write this stream under this epoch */
	SHIP_MSG_SHIP,	   /* a record of it */
	SHIP_MSG_WRITTEN,  /* the database file holds all up to an LSN */
	SHIP_MSG_CLOSE,	   /* I write it no more */
	SHIP_MSG_READ,	   /* tell me of this stream */
	SHIP_MSG_UNREAD,   /* no more */
	SHIP_MSG_PAST,	   /* build me this stream as it was at a time */
	SHIP_MSG_DAMAGED,  /* a page of its database does not fit its sum */
	/* from the replicator */
	SHIP_MSG_WELCOME, /* to OPEN: so far the log holds the stream */
	SHIP_MSG_REFUSED, /* to OPEN, or later: you do not write it */
	SHIP_MSG_ACK,	  /* all up to an LSN is on disk */
	SHIP_MSG_STATE,	  /* to READ, and at every change */
	SHIP_MSG_BUILT,	  /* to PAST */
	SHIP_MSGS
};

#define SHIP_MSG_HEAD 16
#define SHIP_MSG_MAX (SHIP_MSG_HEAD + SHIP_RECORD_MAX)
#define SHIP_MSG_WORDS 256
/* A handle is a place below SHIP_HANDLES, and above it a count of its uses,
 * so that a late message does not reach the next user of the place. */
#define SHIP_HANDLE_BITS 16
#define SHIP_HANDLES (1u << SHIP_HANDLE_BITS)

struct ship_open {
	uint64_t epoch; /* 0 in READ; the time in PAST, microseconds */
	char name[STREAM_NAME];
};

struct ship_written {
	uint64_t lsn;
	bool base; /* the file is the stream's beginning: sync it at once */
};

struct ship_welcome {
	uint64_t lsn; /* of the last record, on disk */
	uint64_t sum;
	uint64_t commit;     /* LSN of the last whole commit */
	struct ship_wal wal; /* where the last record was made of */
	uint32_t page_size;  /* 0 = no record yet */
	uint32_t file;	     /* number of the database file */
};

struct ship_refused {
	enum err_code code;
	char words[SHIP_MSG_WORDS];
};

struct ship_state {
	bool present;
	uint64_t generation; /* another file when it changes */
	uint64_t epoch;
	uint64_t lsn; /* acknowledged */
	uint32_t file;
};

/* A database that was built: root/.past/<file>.db, the asker's to remove. */
struct ship_built {
	enum err_code code; /* ERR_NONE = it is there */
	uint32_t file;
	uint64_t lsn, time; /* of the last commit in it */
	char words[SHIP_MSG_WORDS];
};

struct ship_msg {
	enum ship_msg_type type;
	uint32_t handle; /* of the stream or reader, chosen by their side */
	union {
		struct ship_open open; /* OPEN, READ, PAST */
		struct {
			const uint8_t *bytes; /* borrowed */
			size_t n;
		} ship;
		struct ship_written written;
		struct ship_welcome welcome;
		struct ship_refused refused;
		uint64_t ack;
		uint32_t damaged; /* number of the page */
		struct ship_state state;
		struct ship_built built;
	} u;
};

/*
 * One message at the start of n bytes: the bytes it takes, 0 when more are
 * needed, or -ERR_CORRUPT.
 */
long ship_msg_decode(
    struct ship_msg *, const uint8_t *, size_t n, struct err *);
/* Append a message; b->failed when there is no memory. Not for SHIP. */
void ship_msg_encode(struct buf *, const struct ship_msg *);
/* The head of a SHIP message before a record of n bytes. */
void ship_msg_head(
    uint8_t out[SHIP_MSG_HEAD], enum ship_msg_type, uint32_t handle, size_t n);

#endif
