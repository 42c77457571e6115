#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/base/sock.h"
#include "ring.h"

/*
 * What is recorded of calls: the messages that pass, and what those who join
 * legs know of them. A process writes to a ring of its own (ring.h), the
 * recorder reads the rings of the server and keeps files (recorder.h).
 */

enum trace_kind {
	TRACE_MESSAGE = 1, /* SIP, as it came or went */
	TRACE_LEG,	   /* a Call-ID is a leg of a call */
	TRACE_END,	   /* a call is over */
	TRACE_MEDIA,	   /* how a stream went, trace_media.h */
	TRACE_QUALITY,	   /* how good a call that is over was */
	TRACE_STEP	   /* something was decided of a call (step.h) */
};

#define TRACE_OUT 0x01	  /* sent; otherwise received */
#define TRACE_REPLY 0x02  /* a status line */
#define TRACE_INSIDE 0x04 /* between processes of the site */
#define TRACE_MASKED 0x08 /* secrets were replaced by '*' */
#define TRACE_ODD 0x10	  /* no message of SIP: keys are missing */
#define TRACE_CUT 0x20	  /* longer than what is kept of it */
#define TRACE_PART 0x40	  /* a step that is part of the one before */

/* Parts of the text that are looked for, or that a row shows. */
enum trace_key {
	TRACE_CALL_ID,
	TRACE_FROM,   /* user of From; of a leg and an end: number of the caller
		       */
	TRACE_TO,     /* user of To; the same: number dialled */
	TRACE_METHOD, /* of media: the codec */
	TRACE_BRANCH, /* of the top Via */
	/* of a leg and an end */
	TRACE_CALL,  /* identifier of the call */
	TRACE_LABEL, /* "a", "b1" */
	TRACE_DOMAIN,
	TRACE_PARTY, /* user or number at the end of the leg */
	TRACE_REASON,
	TRACE_TIMES, /* "start ring answer", us of the real clock, 0 = none;
		      * of media: its figures */
	TRACE_KEYS,
	/* of a step, which has an identifier and a domain, too */
	TRACE_STEP_NAME = TRACE_LABEL,
	TRACE_RULE = TRACE_METHOD, /* words, and who is behind them */
	TRACE_RULE_PERSON = TRACE_BRANCH,
	TRACE_RESULT = TRACE_REASON, /* the same */
	TRACE_RESULT_PERSON = TRACE_PARTY
};

struct trace_span {
	uint16_t at, n; /* bytes of the text */
};

struct trace_record {
	enum trace_kind kind;
	unsigned flags;
	unsigned proto;	 /* enum sip_proto */
	unsigned status; /* of a reply; of an end: that of the call; of a
			  * quality: 100 times the MOS of the worst stream */
	/* Of a step the lower half of the epoch under which the call was
	 * owned: by it and the number in the ring steps have one order. */
	uint32_t cseq;
	uint64_t time; /* real clock, us */
	union addr local, peer;
	struct trace_span key[TRACE_KEYS];
	const char *text;
	uint32_t n;
};

/* ---- the record (trace_record.c): as in tandem-trace(5) ---------------- */

#define TRACE_HEAD 112			      /* bytes in front of the text */
#define TRACE_TEXT (RING_RECORD - TRACE_HEAD) /* bytes of the text at most */

/* The head; the text is the caller's to put behind it. */
void trace_record_head(uint8_t out[TRACE_HEAD], const struct trace_record *);
/* The result points into the bytes. -ERR_CORRUPT. */
int trace_record_decode(
    struct trace_record *, const uint8_t *, size_t n, struct err *);
/* A key as a text of its own; false when it does not fit or is empty. */
bool trace_key_text(
    const struct trace_record *, enum trace_key, char *out, size_t size);
bool trace_key_is(const struct trace_record *, enum trace_key, const char *);

/* ---- what a B2BUA and a media gate know (trace_record.c) --------------- */

/* Texts may be NULL. */
struct trace_fact {
	enum trace_kind kind; /* anything but MESSAGE */
	unsigned flags, status;
	uint64_t epoch; /* of a step */
	const char *text[TRACE_KEYS];
};
void trace_fact(struct ring *, const struct trace_fact *);

/* What TRACE_TIMES says of a call: us of the real clock, 0 = it did not happen.
 * Read: false when the text is none. */
struct trace_times {
	uint64_t start, ring, answer;
};
#define TRACE_TIMES_TEXT 80
void trace_times_text(char out[TRACE_TIMES_TEXT], const struct trace_times *);
bool trace_times_read(struct trace_times *, const char *text);

/* ---- for whose eyes (trace_mask.c) ------------------------------------- */

/* Who people are and what they write, replaced by '*' in the bytes of a
 * message: all that is not known to hold no person. The length stays, and so
 * do the ends of lines. */
void trace_mask_persons(char *text, size_t n);

#endif
