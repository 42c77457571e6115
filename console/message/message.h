#ifndef CONSOLE_MESSAGE_MESSAGE_H
#define CONSOLE_MESSAGE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"

/*
 * SIP messages taken apart to be looked at: their header fields by full names,
 * what a session description says, what differs between two, and what is
 * wrong with one for certain. Nothing here talks to anybody; the bytes are
 * foreign, and what is written into a struct buf is safe to show.
 */

/* Bytes that belong to somebody else; at is never NULL. */
struct message_text {
	const char *at;
	size_t n;
};

struct message_field {
	struct message_text name;  /* the full name in place of a compact one */
	struct message_text value; /* folded lines (RFC 3261 7.3.1) as came */
};

struct message {
	struct message_text all;
	struct message_text start; /* its first line */
	bool is_sip;		   /* and that is one of SIP */
	bool reply;
	int status;		    /* of a reply */
	struct message_text method; /* of a reply: that of CSeq; may be empty */
	int64_t cseq;		    /* -1: there is none */
	struct message_field *field;
	size_t nfields;
	bool whole; /* the head ends with an empty line */
	struct message_text body;
	/* From where to where it went; borrowed, the caller's to set. */
	const char *source, *target;
};

/* ---- message.c ----------------------------------------------------------- */

/* The message points into the bytes. Whatever they are, as much of them is
 * told as can be; 0 or -ERR_NOMEM. */
int message_decode(struct message *, const char *bytes, size_t n);
void message_fini(struct message *);
/* The nth field of that full name, from 0; NULL when there is none. */
const struct message_field *message_find(
    const struct message *, const char *name, size_t nth);
/* Its value; empty when there is no such field. */
struct message_text message_value(const struct message *, const char *name);
/* Is the word one of those that fields of this name list, as Require does? */
bool message_lists(const struct message *, const char *name, const char *word);
bool message_has_sdp(const struct message *);

bool message_text_is(struct message_text, const char *); /* without case */
bool message_text_equal(struct message_text, struct message_text);
/* The next line of a body, without its end; false when there is none. */
bool message_line(struct message_text *rest, struct message_text *line);
/* Append, made safe to show; a folded line becomes one. */
void message_put(struct buf *, struct message_text);

/* ---- message_sdp.c: session descriptions (RFC 8866) ---------------------- */

/* m= lines: what an offer and its answer have equally many of. */
size_t message_sdp_media(struct message_text body);
/* What it agrees on, a few lines for each m= line. */
void message_sdp_put(struct message_text body, struct buf *);
/* How it differs in that from the one before, a line each; none: not. */
void message_sdp_put_changes(
    struct message_text before, struct message_text body, struct buf *);

/* ---- message_relate.c: messages of one call, in their order -------------- */

#define MESSAGE_NONE SIZE_MAX

/* Of messages that passed between the same two, under one Call-ID: */
/* the request that a reply is to; */
size_t message_request_of(const struct message *, size_t at);
/* the offer that a session description answers (RFC 3264); */
size_t message_offer_of(const struct message *, size_t at);
/* the session description before this one. */
size_t message_sdp_before(const struct message *, size_t at);
/* The message that says the same on another leg: the nearest in front of it,
 * else on another hop, else behind it. */
size_t message_twin_of(const struct message *, size_t n, size_t at);

/* ---- message_check.c ----------------------------------------------------- */

/* What breaks a rule for certain, a line each, with the RFC and its section.
 * request and offer may be NULL. Returns how many. */
size_t message_check(const struct message *, const struct message *request,
    const struct message *offer, struct buf *);

/* ---- message_diff.c ------------------------------------------------------ */

/* One difference: '-' only in the first, '+' only in the second, '~' other
 * there (where both are empty: there are too many to tell). name is empty for
 * the first line, which is '~', and for lines of a body. */
typedef void message_diff_fn(void *arg, char sign, struct message_text name,
    struct message_text first, struct message_text second);
/* Returns how many header fields are the same in both. */
size_t message_diff(const struct message *first, const struct message *second,
    message_diff_fn *, void *arg);

#endif
