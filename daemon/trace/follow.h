#ifndef TRACE_FOLLOW_H
#define TRACE_FOLLOW_H

#include "calls.h"

/*
 * Those who follow calls live: what B2BUAs say is held against their filters
 * when the recorder reads it. Of the recorder's thread; pure, the time comes
 * from outside.
 */

#define FOLLOWS 16	   /* at a time; each has a bit of a call */
#define FOLLOW_RATE 1000   /* rows a second for all of them */
#define FOLLOW_ROWS 20000  /* not taken yet; more are lost */
#define FOLLOW_LIVE 65536  /* calls that go on, known */
#define FOLLOW_CALLS 10000 /* that one is shown, then it is over */
#define FOLLOW_ALL 1024	   /* a share: every call is shown */

/* ---- the budget ---------------------------------------------------------- */

/*
 * When a second brings more rows than its budget, fewer calls are begun to be
 * shown: of FOLLOW_ALL the share, by a hash of the identifier, which is the
 * same on every server. A call is shown to its end or not at all.
 */
struct follow_budget {
	unsigned share;	 /* 1..FOLLOW_ALL, with which it begins */
	uint64_t second; /* that is counted */
	unsigned rows;	 /* in it */
};
void follow_spend(struct follow_budget *, uint64_t mono);
bool follow_shows(const struct follow_budget *, const char *id);

/* ---- who follows --------------------------------------------------------- */

struct follows;
struct follows *follows_new(void);
void follows_free(struct follows **);
bool follows_any(const struct follows *);

/* A query as trace_filter_read takes it (a copy is kept), under a key, for
 * so many us at most. Its bit, or -ERR_FULL, -ERR_INVALID. lost: records that
 * the recorder has lost so far. */
int follow_open(struct follows *, const char *key, json_t *query, uint64_t mono,
    uint64_t lost, struct err *);
/* A call that goes on, as a look at the past found it under bit 0: shown to
 * whose bit this is, or not yet. */
void follow_seed(
    struct follows *, unsigned bit, const struct trace_call *, bool shown);
/* All whose key begins so. */
void follow_close(struct follows *, const char *front);

/* What a B2BUA said now. */
void follow_fact(struct follows *, const struct trace_record *, uint64_t real,
    uint64_t mono);
/*
 * What there is to tell, NULL = nothing: [{"key", "rows": as trace_call_row,
 * "lost": records since it began, "share": FOLLOW_ALL = all calls are shown,
 * "over": why it is over}, ..]. Who is over is closed.
 */
json_t *follow_news(struct follows *, uint64_t mono, uint64_t lost);

#endif
