#ifndef TRACE_CALLS_H
#define TRACE_CALLS_H

#include <jansson.h>

#include "daemon/base/map.h"
#include "trace.h"

/*
 * Calls out of what B2BUAs say of them, and which of them somebody looks for.
 * Pure.
 */

/* ---- a call (calls.c) --------------------------------------------------- */

/* Times in us of the real clock, 0 = it did not happen. */
struct trace_call {
	char id[40], domain[256], from[64], to[64], reason[128];
	uint64_t start, ring, answer, end;
	uint64_t heard; /* the youngest fact */
	unsigned status;
	unsigned mos; /* 100 times that of the worst stream; 0 = not known */
	/* A bit for each filter whose number, or user, one of the facts has. */
	uint32_t number, user;
};

struct trace_calls {
	struct map map; /* id -> struct trace_call */
	size_t room;	/* so many at most */
	bool full;	/* some had none */
};

/* The call of an identifier, which may be new; NULL: there is no room. */
struct trace_call *trace_calls_get(struct trace_calls *, const char *id);
/* The call that a leg, an end or the quality of one that is known is of, with
 * what the record says; NULL when it is of none, or when there is no room.
 * Borrowed. */
struct trace_call *trace_calls_add(
    struct trace_calls *, const struct trace_record *);
/* Frees it. */
void trace_calls_drop(struct trace_calls *, struct trace_call *);
void trace_calls_fini(struct trace_calls *);

/* How far it has come. */
enum trace_stage { TRACE_BEGINS, TRACE_RINGS, TRACE_ANSWERED, TRACE_ENDS };
enum trace_stage trace_call_stage(const struct trace_call *);

/* Bytes of the network as text that can be shown. */
json_t *trace_text(const char *, size_t n);
/* {"call", "domain", "from", "to", "start", "ring", "answer", "end", "heard",
 * "status", "reason", "mos"}, and back; texts are cut to what fits. */
json_t *trace_call_row(const struct trace_call *);
void trace_call_read(struct trace_call *, json_t *row);
/* The same call as another server has it, into a row. What is later counts:
 * who took a call over begins with all that was known of it. */
void trace_call_merge(json_t *into, json_t *row);

/* ---- what is looked for (filter.c) -------------------------------------- */

struct trace_bound {
	char way; /* '<' or '>', 0 = none */
	uint64_t us;
};

/* Texts are borrowed; NULL = any. */
struct trace_filter {
	const char *domain, *from, *to, *number, *user;
	char *cause;	    /* without case */
	unsigned low, high; /* of the status; 0 = any */
	bool failed;	    /* it ended and was not answered */
	int answered;	    /* 1 yes, 0 no, -1 any */
	struct trace_bound talk, delay;
};

#define TRACE_FILTERS 32 /* bits of a call */

/*
 * Of a query:
 *   "domain", "from", "to", "number", "user": the same text; a '*' at the end
 *       of a number stands for all that begin so. from and to: of caller and
 *       dialled; number: these, or who is at the end of a leg; user: who is at
 *       the end of a leg
 *   "code": "503", "400-699": of the end
 *   "cause": part of the words of the end, in small or capital letters
 *   "failed": true; "answered": "yes", "no"
 *   "duration", "pdd": "<10", ">3600", seconds: from answer to end or now; from
 *       dialled to the first ringing. A call that has none is neither shorter
 *       nor longer.
 * -ERR_INVALID. To be finished in either case.
 */
int trace_filter_read(struct trace_filter *, json_t *query, struct err *);
void trace_filter_fini(struct trace_filter *);
/* What no fact of a call changes: false = not of this filter. */
bool trace_filter_takes(
    const struct trace_filter *, const struct trace_record *);
/* Note in the call, under the bit, what the fact is of whom. */
void trace_filter_note(const struct trace_filter *, unsigned bit,
    struct trace_call *, const struct trace_record *);
/* By what is known now; who the call is of was noted. */
bool trace_filter_matches(const struct trace_filter *, unsigned bit,
    const struct trace_call *, uint64_t now);
/* The part of it that two servers decide together: how the call went. */
bool trace_filter_went(
    const struct trace_filter *, const struct trace_call *, uint64_t now);

#endif
