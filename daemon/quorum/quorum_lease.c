/*
 * Who may answer alone. Every other owner needs a follower's acknowledgement,
 * and its followers know who came after it. One that is the only member of its
 * key would go on for ever when it is cut off, even after an operator has given
 * the key to another server (request ownership recover). So it answers only
 * while it hears those who decide: the leader, or as the leader more than half
 * of the voters. Its silence begins before they could find it silent.
 *
 * Where one server votes alone the other one is never told anything without it
 * (SEMANTICS D29): what it owns it goes on with.
 */
#include <string.h>

#include "quorum.h"
#include "daemon/base/clock.h"

static bool
lease_heard(struct quorum *q, const char *server, uint64_t now)
{
	const struct peer_server *p = quorum_peer(q, server);

	return p != NULL && p->heard != 0 &&
	    now - p->heard < quorum_patience(q) * 3 / 5;
}

bool
quorum_is_led(struct quorum *q, uint64_t now)
{
	const char *leader = engine_leader(q->engine);

	return engine_state(q->engine) == ENGINE_LEADER ||
	    (leader[0] != '\0' && lease_heard(q, leader, now));
}

/* Is a server the only member of something that it owns? */
static bool
lease_alone(const struct quorum *q)
{
	const struct ownership_machine *m = &q->machine;
	unsigned i;

	for (i = 0; i < OWNERSHIP_FIXED; i++) {
		const struct ownership_key *k = &m->key[i];

		if (k->state != OWNER_DOWN && k->members == 1u << k->server &&
		    strcmp(m->server[k->server].name, q->server) == 0)
			return true;
	}
	return false;
}

bool
quorum_lease(struct quorum *q, uint64_t now)
{
	unsigned at = 0, voters = 0, heard = 0;
	enum engine_vote vote;
	const char *name;
	uint64_t id;

	if (!lease_alone(q))
		return true;
	while (engine_next(q->engine, &at, &id, &name, &vote)) {
		if (vote != ENGINE_VOTER)
			continue;
		voters++;
		heard += id == q->id || lease_heard(q, name, now);
	}
	if (voters < 3)
		return true;
	return engine_state(q->engine) == ENGINE_LEADER
	    ? heard * 2 > voters
	    : lease_heard(q, engine_leader(q->engine), now);
}
