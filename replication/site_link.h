#ifndef SITE_LINK_H
#define SITE_LINK_H

#include "log_index.h"
#include "ship_record.h"
#include "daemon/base/buf.h"

/*
 * What the replicators of two servers say to each other. The format stands at
 * the top of site_link.c. Pure. Each end leads the streams that its server
 * owns and follows the others; a message about a stream bears the handle that
 * its leader gave it.
 */

enum site_msg_type {
	SITE_MSG_HELLO = 1, /* who I am; the first of all, both ways */
	/* from the leader of a stream */
	SITE_MSG_LEAD,	 /* follow this stream: where are you? */
	SITE_MSG_START,	 /* to POSITION: records follow from there on */
	SITE_MSG_RECORD, /* the next one */
	SITE_MSG_COMMIT, /* all members hold everything up to an LSN */
	SITE_MSG_COPY,	 /* to POSITION: the database follows */
	SITE_MSG_PAGES,	 /* some of its pages */
	SITE_MSG_COPIED, /* that was all; ask again with POSITION */
	/* from a follower */
	SITE_MSG_POSITION, /* to LEAD, or when I have to begin anew */
	SITE_MSG_ACK,	   /* all up to an LSN is in my ship log, on disk */
	SITE_MSG_REFUSED,  /* you do not lead it, or I cannot tell yet */
	SITE_MSGS
};

#define SITE_MSG_HEAD 16
#define SITE_MSG_MAX (SITE_MSG_HEAD + 8 + SHIP_RECORD_MAX)
#define SITE_MSG_PAGES_MAX SHIP_PAGE_MAX /* bytes of pages in one message */
#define SITE_NAME 33			 /* of a server, with the NUL */
#define SITE_HANDLES (1u << 20)

struct site_hello {
	uint64_t log; /* id of the ship log */
	char name[SITE_NAME];
};

struct site_lead {
	uint64_t epoch; /* claimed last for the stream */
	uint64_t key;	/* of the ownership of its key */
	char name[STREAM_NAME];
};

struct site_position {
	uint64_t serial; /* START and COPY name it: others are of before */
	bool lost;	 /* what is here is of no use */
	uint64_t epoch;
	uint64_t lsn, sum; /* of the last record */
	unsigned nepochs;
	struct log_epoch epochs[LOG_EPOCHS];
};

struct site_start {
	uint64_t serial;
	uint64_t epoch;
	uint64_t base; /* up to it records may bear lower epochs */
	uint64_t lsn;  /* behind it records follow; what is more is void */
	uint64_t end;  /* the leader's last one */
	uint64_t commit;
};

struct site_record {
	uint64_t commit;
	const uint8_t *bytes; /* borrowed */
	size_t n;
};

struct site_copy {
	uint64_t serial;
	uint64_t epoch;	       /* claimed last */
	uint64_t lsn, sum, of; /* a record that the file holds, its epoch */
	uint32_t page_size, db_pages;
};

struct site_pages {
	uint32_t first, n; /* pages, counted from 1 */
	uint64_t sum;
	const uint8_t *bytes; /* borrowed */
	size_t size;
};

struct site_copied {
	uint64_t whole; /* LSN from which on the copy is whole */
	uint64_t pages;
};

struct site_ack {
	uint64_t serial;
	uint64_t epoch, lsn;
};

struct site_msg {
	enum site_msg_type type;
	uint32_t handle;
	union {
		struct site_hello hello;
		struct site_lead lead;
		struct site_position position;
		struct site_start start;
		struct site_record record;
		uint64_t commit;
		struct site_copy copy;
		struct site_pages pages;
		struct site_copied copied;
		struct site_ack ack;
		uint64_t refused; /* the epoch that is known here */
	} u;
};

/* One message at the start of n bytes: the bytes it takes, 0 when more are
 * needed, or -ERR_CORRUPT. */
long site_msg_decode(
    struct site_msg *, const uint8_t *, size_t n, struct err *);
/* Append a message; b->failed when there is no memory. */
void site_msg_encode(struct buf *, const struct site_msg *);
/* The sum of a PAGES message. */
uint64_t site_pages_sum(const struct site_pages *);

#endif
