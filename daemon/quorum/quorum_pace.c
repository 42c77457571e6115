/*
 * How fast the group may judge: heartbeats of raft, its elections and the
 * patience with a silent server follow the round trip between the servers.
 * The round trip to one is the least of the last samples, because what makes
 * one longer than the wire is a busy process; that of the site is the longest
 * to any server that is connected. Timers grow at once when it grew by a
 * quarter, and shrink when it was less than half for PACE_CALM, so that they
 * do not swing.
 */
#include <string.h>

#include "quorum.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

#define PACE_LOOK CLOCK_SEC
#define PACE_CALM (10 * CLOCK_SEC)
#define PACE_MOST CLOCK_SEC /* a round trip that is taken for real */

void
pace_sample(struct pace_samples *s, uint64_t us)
{
	s->us[s->n++ % PACE_SAMPLES] = us;
}

uint64_t
pace_least(const struct pace_samples *s)
{
	uint64_t least = UINT64_MAX;
	size_t i;

	if (s->n < PACE_SAMPLES)
		return 0;
	for (i = 0; i < PACE_SAMPLES; i++) {
		if (s->us[i] < least)
			least = s->us[i];
	}
	return least;
}

bool
pace_step(struct pace *p, uint64_t rtt, uint64_t now)
{
	uint64_t was = p->rtt;

	if (rtt > PACE_MOST)
		rtt = PACE_MOST;
	if (rtt >= p->rtt / 2)
		p->low = 0;
	else if (p->low == 0)
		p->low = now;
	if (rtt > p->rtt + p->rtt / 4 ||
	    (p->low != 0 && now - p->low >= PACE_CALM)) {
		p->rtt = rtt;
		p->low = 0;
	}
	return p->rtt != was;
}

/* In whole milliseconds, and never less than the least. */
static unsigned
pace_ms(uint64_t us, unsigned least)
{
	unsigned ms = (unsigned)((us + CLOCK_MS - 1) / CLOCK_MS);

	return ms > least ? ms : least;
}

unsigned
pace_heartbeat(const struct pace *p, bool realtime)
{
	return pace_ms(2 * p->rtt, realtime ? 20 : 50);
}

unsigned
pace_election(const struct pace *p, bool realtime)
{
	return pace_ms(10 * p->rtt, realtime ? 100 : 500);
}

/* ---- in the process ----------------------------------------------------- */

void
quorum_on_back(struct quorum *q, const char *server, uint64_t sent)
{
	struct peer_server *p = quorum_peer(q, server);
	uint64_t now = clock_mono();

	if (p != NULL && sent <= now)
		pace_sample(&p->trips, now - sent);
}

/* The longest round trip to a server that is connected. */
static uint64_t
pace_longest(struct quorum *q)
{
	uint64_t longest = 0, us;
	size_t i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->peer[i].link == NULL)
			q->peer[i].trips.n = 0;
		us = pace_least(&q->peer[i].trips);
		if (us > longest)
			longest = us;
	}
	return longest;
}

void
quorum_pace_tick(struct quorum *q)
{
	bool realtime = q->config.realtime;
	uint64_t now = clock_mono();
	unsigned election = pace_election(&q->pace, realtime);

	if (now - q->paced < PACE_LOOK)
		return;
	q->paced = now;
	if (!pace_step(&q->pace, pace_longest(q), now))
		return;
	engine_pace(q->engine, pace_heartbeat(&q->pace, realtime),
	    pace_election(&q->pace, realtime));
	if (pace_election(&q->pace, realtime) != election)
		log_info("round trip %llu us: elections after %u ms",
		    (unsigned long long)q->pace.rtt,
		    pace_election(&q->pace, realtime));
}
