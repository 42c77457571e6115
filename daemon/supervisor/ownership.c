/*
 * Ownership on a lone server (DESIGN 6): the supervisor has reaped a dead
 * owner before it asks here, so two owners are never alive, and each grant
 * bears an epoch higher than any before it.
 */
#include "supervisor.h"

unsigned
ownership_choose(const struct ownership *o, unsigned ready)
{
	unsigned i;

	if (o->only != 0)
		ready &= 1u << o->only;
	if (o->owner != 0 && (ready & 1u << o->owner))
		return o->owner;
	for (i = 1; i <= ROLE_INSTANCES; i++) {
		if (ready & 1u << i)
			return i;
	}
	return 0;
}

void
ownership_grant(struct ownership *o, unsigned owner, uint64_t epoch)
{
	o->owner = owner;
	o->epoch = epoch;
	o->state = OWNER_CLAIMING;
}

bool
ownership_serve(struct ownership *o, unsigned owner, uint64_t epoch)
{
	if (o->owner != owner || o->epoch != epoch)
		return false;
	o->state = OWNER_SERVING;
	return true;
}

void
ownership_lose(struct ownership *o)
{
	o->owner = 0;
	o->state = OWNER_DOWN;
}
