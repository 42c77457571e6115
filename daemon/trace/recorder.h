#ifndef TRACE_RECORDER_H
#define TRACE_RECORDER_H

#include <jansson.h>

#include "daemon/base/loop.h"
#include "calls.h"
#include "shelf.h"

/*
 * The flight recorder of a server: a thread beside the loop of control that
 * reads the rings of all processes, keeps files, and answers what is asked of
 * both.
 */

#define RECORDER_MESSAGES 2000 /* in one answer */
#define RECORDER_BYTES (4u << 20)
#define RECORDER_CALLS 1000
#define RECORDER_FIGURES 10000 /* intervals of streams in one answer */

struct recorder;

struct recorder_conf {
	const char *rings; /* directory of the rings */
	const char *dir;   /* of the files */
	const char *server;
	uint64_t limit; /* bytes of all files; 0 = nothing is recorded */
	/* What those are told who follow, as follow_news has it. */
	void (*on_news)(void *arg, json_t *news);
	void *arg;
};

/* Before the sandbox is closed. NULL: err says why. */
struct recorder *recorder_open(
    struct loop *, const struct recorder_conf *, struct err *);
void recorder_close(struct recorder **);

/*
 * As query_run; the query is taken. fn is called once, later. Beside what
 * query_run knows:
 * {"want": "follow", "key", "for": seconds} and the rest as "calls" -> the same
 *      as "calls"; from then on there are news of calls that match.
 * {"want": "unfollow", "key"} -> no rows; no more news for keys that begin so.
 */
typedef void recorder_fn(void *arg, json_t *result, const struct err *);
void recorder_ask(struct recorder *, json_t *query, recorder_fn *, void *arg);

struct recorder_state {
	uint64_t limit, bytes;
	unsigned files, rings;
	uint64_t oldest;	/* when the oldest file was begun; 0 = none */
	uint64_t records, lost; /* since the start */
	uint64_t tight;		/* since when the disk is too full; 0 = not */
	char why[ERR_TEXT_MAX];
};
void recorder_state(struct recorder *, struct recorder_state *);

/* ---- what is asked (query.c): pure but for the files ------------------- */

/*
 * {"want": "calls", "since", "until": us, "limit", "calls": [id, ..], and what
 *      trace_filter_read takes}
 *   -> the youngest calls, as trace_call_row; with "calls" these alone.
 * {"want": "legs", "call"} -> {"call", "domain", "from", "to", "label",
 *      "call-id", "party", "time"} of each leg, and of the end, which has no
 *      label, "status", "reason" and "times" (TRACE_TIMES).
 * {"want": "steps", "call"} -> what was decided of it: {"time", "epoch",
 *      "number", "part", "domain", "name", "rule", "rule-person", "result",
 *      "result-person"}; epoch and number order them.
 * {"want": "messages", "call-ids": [..], "since", "until"} -> messages:
 *      {"time", "number", "instance", "out", "reply", "inside", "masked",
 *      "proto", "status", "cseq", "method", "branch", "call-id", "local",
 *      "peer", "lines": [..]}; bytes that are no text are escaped. With
 *      "raw": true instead of lines "raw", the bytes as str_b64 has them.
 * {"want": "media", "call", "limit"} -> {"time", "instance", "label", "codec",
 *      "section", "began", "figures"} of each interval of each stream, figures
 *      as trace_media.h has them. With "last": true only the last interval of
 *      each stream.
 * All as {"rows": [..], "more": there are more than an answer holds}.
 * NULL: err says why.
 */
json_t *query_run(struct shelf *, const struct segment_block *const *open,
    size_t n, json_t *query, struct err *);
/* The same of calls, and fn is called with each that the facts of the time tell
 * of, and whether it matches. */
typedef void query_call_fn(void *arg, const struct trace_call *, bool matches);
json_t *query_calls(struct shelf *, const struct segment_block *const *open,
    size_t n, json_t *query, query_call_fn *, void *arg, struct err *);

#endif
