/*
 * What the leader of the group does at each tick: it judges who is up by the
 * frames it hears, and brings the group to the servers of the site and to an
 * odd number of voters. All of it is proposed like anything else, under the
 * life of the server it is about, so a judgement that comes late is refused.
 */
#include <string.h>

#include "quorum.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* Since the start of this process, before one never heard is judged. */
#define LEAD_GRACE (2 * CLOCK_SEC)
/* Down for so long, a voter is replaced by another server. */
#define LEAD_GONE (60 * CLOCK_SEC)
/* Nothing has happened for so long: a better leader may take over. */
#define LEAD_CALM (5 * CLOCK_SEC)
/* After an attempt that failed another one follows so much later, twice as
 * much each time. */
#define LEAD_PAUSE (10 * CLOCK_SEC)
#define LEAD_PAUSE_MAX (640 * CLOCK_SEC)

uint64_t
quorum_patience(const struct quorum *q)
{
	return pace_election(&q->pace, q->config.realtime) * CLOCK_MS;
}

/* ---- who is up ---------------------------------------------------------- */

static void
lead_judge(struct quorum *q, const struct ownership_server *s, uint64_t now)
{
	struct peer_server *p = quorum_peer(q, s->name);
	struct ownership_command c = {.life = s->life};
	bool self = strcmp(s->name, q->server) == 0, heard;
	uint64_t last;

	if (p == NULL)
		return;
	last = p->heard != 0 ? p->heard : q->started + LEAD_GRACE;
	heard = self ||
	    (p->heard != 0 && p->id == s->id && p->part != PART_ALONE &&
		s->parted == OWNERSHIP_WHOLE &&
		now - p->heard < quorum_patience(q));
	p->down = s->up ? 0 : p->down != 0 ? p->down : now;
	p->up = !s->up || !heard ? 0 : p->up != 0 ? p->up : now;
	if (s->up == heard || s->id == 0 ||
	    (!heard && (now < last || now - last < quorum_patience(q))))
		return;
	c.type = heard ? OWNERSHIP_SERVER_UP : OWNERSHIP_SERVER_DOWN;
	str_copy(c.server, sizeof c.server, s->name);
	if (!heard) {
		q->downs++;
		q->noticed = last;
		log_warnx("server=%s not heard for %llu ms", s->name,
		    (unsigned long long)((now - last) / CLOCK_MS));
	}
	quorum_propose(q, &c, NULL, NULL);
}

/* One that was put into the site by name, or that comes back as a new one, has
 * said its id. */
static void
lead_welcome(struct quorum *q, const struct ownership_server *s)
{
	struct peer_server *p = quorum_peer(q, s->name);
	struct ownership_command c = {.type = OWNERSHIP_SERVER_PUT,
	    .inside = s->inside,
	    .flags = s->witness};

	if (p == NULL || p->id == 0 || p->id == s->id ||
	    (s->id != 0 && s->parted != OWNERSHIP_BACK))
		return;
	c.id = p->id;
	str_copy(c.server, sizeof c.server, s->name);
	quorum_propose(q, &c, NULL, NULL);
}

/* ---- who votes ---------------------------------------------------------- */

/* The server of the machine behind one of the group; -1 = removed. */
static int
lead_slot(const struct quorum *q, uint64_t id)
{
	int i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->machine.server[i].name[0] != '\0' &&
		    q->machine.server[i].id == id)
			return i;
	}
	return -1;
}

/* The group as bits of servers, and one that is no server of the site. */
struct lead_group {
	uint32_t there, standby, voters;
	uint64_t stranger;
};

static void
lead_read_group(struct quorum *q, struct lead_group *g)
{
	enum engine_vote vote;
	const char *name;
	unsigned at = 0;
	uint64_t id;
	int slot;

	memset(g, 0, sizeof *g);
	while (engine_next(q->engine, &at, &id, &name, &vote)) {
		if ((slot = lead_slot(q, id)) < 0) {
			if (id != q->id)
				g->stranger = id;
			continue;
		}
		g->there |= 1u << slot;
		if (vote == ENGINE_VOTER)
			g->voters |= 1u << slot;
		if (vote == ENGINE_STANDBY)
			g->standby |= 1u << slot;
	}
}

static uint32_t
lead_gone(struct quorum *q, uint64_t now)
{
	const struct peer_server *p;
	uint32_t gone = 0;
	unsigned i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->machine.server[i].name[0] == '\0' ||
		    (p = quorum_peer(q, q->machine.server[i].name)) == NULL)
			continue;
		if (p->down != 0 && now - p->down > LEAD_GONE)
			gone |= 1u << i;
	}
	return gone;
}

/* One change of the group at a time, the simplest first. */
static void
lead_change(struct quorum *q, uint64_t now)
{
	struct lead_group g;
	unsigned i, slot = 0;
	int self = lead_slot(q, q->id);
	bool vote;

	if (engine_is_changing(q->engine) || self < 0)
		return;
	lead_read_group(q, &g);
	if (g.stranger != 0 && engine_remove(q->engine, g.stranger))
		return;
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		const struct ownership_server *s = &q->machine.server[i];

		if (s->id == 0 || !s->up)
			continue;
		if (!(g.there & 1u << i)) {
			engine_add(q->engine, s->id, s->name);
			return;
		}
		if (!((g.standby | g.voters) & 1u << i)) {
			engine_assign(q->engine, s->id, ENGINE_STANDBY);
			return;
		}
	}
	if (ownership_vote(&q->machine, g.voters, lead_gone(q, now),
		(unsigned)self, &slot, &vote))
		engine_assign(q->engine, q->machine.server[slot].id,
		    vote ? ENGINE_VOTER : ENGINE_STANDBY);
}

/* ---- who leads ---------------------------------------------------------- */

/*
 * When the leader's server dies there is an election before anything can be
 * decided; when an owner's dies, a decision. So both should not be one server:
 * who drains is the worst leader, then who owns most; of those who own as much
 * a witness, which never will, is the best.
 */
static unsigned
lead_cost(const struct quorum *q, unsigned slot)
{
	const struct ownership_machine *m = &q->machine;
	unsigned i, n = 0;

	for (i = 0; i < OWNERSHIP_KEYS; i++)
		n += m->key[i].name[0] != '\0' &&
		    m->key[i].state != OWNER_DOWN && m->key[i].server == slot;
	return (n + (m->server[slot].drain ? OWNERSHIP_KEYS : 0)) * 2 +
	    !m->server[slot].witness;
}

/* The best other voter that has been up for so long; -1 = there is none. */
static int
lead_best(struct quorum *q, uint64_t now, uint64_t calm)
{
	struct lead_group g;
	const struct peer_server *p;
	unsigned i, cost, least = ~0u;
	int best = -1;

	lead_read_group(q, &g);
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (!(g.voters & 1u << i) || q->machine.server[i].id == q->id ||
		    (p = quorum_peer(q, q->machine.server[i].name)) == NULL ||
		    p->up == 0 || now - p->up < calm ||
		    (cost = lead_cost(q, i)) >= least)
			continue;
		least = cost;
		best = (int)i;
	}
	return best;
}

/* In calm times the one that owns least leads. */
static void
lead_hand_over(struct quorum *q, uint64_t now)
{
	int self = lead_slot(q, q->id), best;

	if (!q->level || self < 0 || engine_is_changing(q->engine) ||
	    now - q->leading < LEAD_CALM || now - q->moved < LEAD_CALM ||
	    (q->handed != 0 && now - q->handed < q->pause))
		return;
	best = lead_best(q, now, LEAD_CALM);
	if (best < 0 ||
	    lead_cost(q, (unsigned)best) >= lead_cost(q, (unsigned)self))
		return;
	if (!engine_hand_over(
		q->engine, q->machine.server[best].id, NULL, NULL))
		return;
	log_info(
	    "server=%s shall lead: it owns less", q->machine.server[best].name);
	q->handed = now;
	q->pause = q->pause == 0	? LEAD_PAUSE
	    : q->pause < LEAD_PAUSE_MAX ? 2 * q->pause
					: LEAD_PAUSE_MAX;
}

bool
quorum_lead_leave(struct quorum *q, engine_handed_fn *fn, void *arg)
{
	int best = engine_state(q->engine) == ENGINE_LEADER
	    ? lead_best(q, clock_mono(), 0)
	    : -1;

	return best >= 0 &&
	    engine_hand_over(q->engine, q->machine.server[best].id, fn, arg);
}

/* ---- ticks -------------------------------------------------------------- */

/* A process that slept has heard nobody: what came meanwhile is read first. */
static bool
lead_overslept(struct quorum *q, uint64_t now)
{
	uint64_t gap = now - q->ticked;

	q->ticked = now;
	return gap > quorum_patience(q) / 2;
}

void
quorum_lead_tick(struct quorum *q)
{
	uint64_t now = clock_mono();
	bool late = lead_overslept(q, now);
	unsigned i;

	if (engine_state(q->engine) != ENGINE_LEADER) {
		q->leading = 0;
		q->level = false;
		q->handed = q->pause = 0;
		return;
	}
	if (q->leading == 0) {
		q->leading = now;
		q->elections++;
		log_info("leads the site, term %llu",
		    (unsigned long long)engine_term(q->engine));
	}
	q->level = q->level || engine_is_level(q->engine);
	if (late || quorum_part_holds(q))
		return;
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (q->machine.server[i].name[0] == '\0')
			continue;
		lead_welcome(q, &q->machine.server[i]);
		lead_judge(q, &q->machine.server[i], now);
	}
	quorum_recover_tick(q);
	lead_change(q, now);
	lead_hand_over(q, now);
}
