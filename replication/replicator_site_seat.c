/*
 * Who has to hold a record before it is acknowledged. A member that is away,
 * or owes an answer for SITE_LATE, is proposed for removal; until raft has
 * said yes everything waits for it. A server that has caught up with all
 * streams of a key is waited for first; when it has answered for everything
 * that was ever acknowledged, it is proposed. So whatever becomes of the
 * proposal, no member lacks anything: a refusal ends the waiting, an unknown
 * outcome does not, and what counts is the owner map. One proposal at a time:
 * an answer could not be told from that of another.
 */
#include "replicator_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* Since when the peer owes an answer for any stream of the key; 0 = it owes
 * none. */
static uint64_t
seat_since(const struct site_key *k, const struct peer *p)
{
	const struct follow *f;
	const struct live *v;
	uint64_t since = 0;

	if (!p->ready)
		return p->since;
	for (v = k->lives; v != NULL; v = v->next_of_key) {
		f = v->follow != NULL ? v->follow[p->index] : NULL;
		if (f == NULL || f->since == 0)
			continue;
		if (since == 0 || f->since < since)
			since = f->since;
	}
	return since;
}

static bool
seat_late(const struct site_key *k, const struct peer *p, uint64_t now)
{
	uint64_t since = seat_since(k, p);

	return since != 0 && now - since >= SITE_LATE;
}

/* It is sent all records of all streams of the key as they come, and has
 * acknowledged some under this epoch: to be waited for it must be quick. */
static bool
seat_live(const struct site_key *k, const struct peer *p)
{
	const struct follow *f;
	const struct live *v;

	if (!p->ready)
		return false;
	for (v = k->lives; v != NULL; v = v->next_of_key) {
		if (v->log->epoch == 0)
			continue;
		f = v->follow != NULL ? v->follow[p->index] : NULL;
		if (f == NULL || f->state != FOLLOW_LIVE ||
		    f->epoch != v->log->epoch)
			return false;
	}
	return true;
}

/* It holds everything that was ever acknowledged. */
static bool
seat_holds(const struct site_key *k, const struct peer *p)
{
	const struct follow *f;
	const struct live *v;

	for (v = k->lives; v != NULL; v = v->next_of_key) {
		if (v->log->epoch == 0)
			continue;
		f = v->follow != NULL ? v->follow[p->index] : NULL;
		if (f == NULL || f->epoch != v->log->epoch ||
		    f->acked < v->held || f->acked < v->committed)
			return false;
	}
	return true;
}

static void
seat_propose(
    struct site *t, struct site_key *k, struct peer *p, bool add, uint64_t now)
{
	struct site_seat *seat = &k->seat[p->index];

	seat->asked = true;
	seat->again = now + SITE_AGAIN;
	log_info("key=%s epoch=%llu server=%s %s", k->name,
	    (unsigned long long)k->epoch, p->name,
	    add ? "is in sync: to be a member" : "is away or late: to go");
	if (t->propose != NULL)
		t->propose(t->arg, k->name, k->epoch, p->name, add);
}

/* A member; or one that perhaps became one and then fell silent: when its
 * removal has come to pass it is none, whatever became of the proposal. */
static void
seat_member(struct site *t, struct site_key *k, struct peer *p, uint64_t now)
{
	struct site_seat *seat = &k->seat[p->index];

	if (!seat->asked && now >= seat->again && seat_late(k, p, now))
		seat_propose(t, k, p, false, now);
}

/* The waiting ends: what waited for it only may be acknowledged. */
static void
seat_leave(struct site *t, struct site_key *k, struct site_seat *seat)
{
	struct live *v;

	seat->join = JOIN_NONE;
	for (v = k->lives; v != NULL; v = v->next_of_key)
		replicator_touch(t->r, v);
}

static void
seat_guest(struct site *t, struct site_key *k, struct peer *p, uint64_t now)
{
	struct site_seat *seat = &k->seat[p->index];

	/* Calls belong to one instance: others read, and are not waited for. */
	if (str_prefix(k->name, "calls/"))
		return;
	if (seat->join == JOIN_WAITS && seat_late(k, p, now)) {
		seat->again = now + SITE_AGAIN;
		seat_leave(t, k, seat);
	}
	if (seat->asked || now < seat->again || !p->up)
		return;
	if (seat->join == JOIN_NONE && seat_live(k, p) && !seat_late(k, p, now))
		seat->join = JOIN_WAITS;
	if (seat->join == JOIN_NONE || !seat_holds(k, p))
		return;
	seat->join = JOIN_PROPOSED;
	seat_propose(t, k, p, true, now);
}

void
seat_tick(struct site *t, struct site_key *k, uint64_t now)
{
	unsigned i;

	for (i = 0; i < t->npeers; i++) {
		if (k->seat[i].member ||
		    (k->seat[i].join == JOIN_PROPOSED &&
			seat_late(k, t->peer[i], now)))
			seat_member(t, k, t->peer[i], now);
		else
			seat_guest(t, k, t->peer[i], now);
	}
}
