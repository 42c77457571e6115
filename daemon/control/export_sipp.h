#ifndef CONTROL_EXPORT_SIPP_H
#define CONTROL_EXPORT_SIPP_H

#include <stdbool.h>

#include "daemon/base/buf.h"

/*
 * export_sipp_message.c: a recorded message, and its parts as a scenario of
 * SIPp has them. Foreign bytes; pure.
 */

struct sipp_message {
	const char *text;   /* borrowed, with all below */
	size_t n, body;	    /* bytes; where the body begins */
	const char *method; /* of a reply: that of CSeq */
	size_t nmethod;
	const char *uri; /* of a request */
	size_t nuri;
	int status; /* 0: a request */
	const char *phrase;
	size_t nphrase;
};

/* False when it is no message of text. */
bool sipp_message(struct sipp_message *, const char *text, size_t n);
/* Has the field From or To, by its long or its short name, a tag? */
bool sipp_has_tag(const struct sipp_message *, const char *, const char *);
/* Bytes as they are, but for what SIPp or XML would take for its own. */
void sipp_put_text(struct buf *, const char *, size_t n);
/* The value of From or To without its tag. */
void sipp_put_address(
    struct buf *, const struct sipp_message *, const char *, const char *);
/* A field as a line of its own. */
void sipp_put_field(struct buf *, const struct sipp_message *, const char *);
/* All that is the same in a replay, and the body. authenticate: there was a
 * challenge, so credentials can be made. */
void sipp_put_rest(
    struct buf *, const struct sipp_message *, bool authenticate);

#endif
