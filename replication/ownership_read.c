/*
 * Reading the ownership machine: entries of the owner map, who shall vote,
 * and the laws that hold after every command.
 */
#include <stdio.h>
#include <string.h>

#include "ownership.h"
#include "daemon/base/str.h"

const struct ownership_server *
ownership_server_find(const struct ownership_machine *m, const char *name)
{
	unsigned i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (m->server[i].name[0] != '\0' &&
		    strcmp(m->server[i].name, name) == 0)
			return &m->server[i];
	}
	return NULL;
}

const struct ownership_key *
ownership_key_find(const struct ownership_machine *m, const char *name)
{
	unsigned i;

	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		if (m->key[i].name[0] != '\0' &&
		    strcmp(m->key[i].name, name) == 0)
			return &m->key[i];
	}
	return NULL;
}

const struct ownership_instance *
ownership_instances(const struct ownership_machine *m,
    const struct ownership_server *s, const char *role)
{
	unsigned i;

	for (i = 0; i < OWNERSHIP_ROLES; i++) {
		if (strcmp(m->role[i], role) == 0)
			return s->instance[i];
	}
	return NULL;
}

bool
ownership_may_part(const struct ownership_machine *m, const char *server)
{
	const struct ownership_server *s = ownership_server_find(m, server);
	unsigned i, n = 0, witnesses = 0;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		n += m->server[i].name[0] != '\0';
		witnesses += m->server[i].witness;
	}
	return m->availability && s != NULL && n == 2 && witnesses == 0;
}

bool
ownership_is_apart(
    const struct ownership_machine *m, const struct ownership_server *s)
{
	return s->parted == OWNERSHIP_APART ||
	    (s->id != 0 && !s->up && ownership_may_part(m, s->name));
}

/* ---- the owner map ------------------------------------------------------ */

/* The names of the members that are kept, joined by a space. */
static void
entry_members(const struct ownership_machine *m, uint32_t members,
    char out[OWNER_MEMBERS])
{
	size_t n = 0;
	unsigned i;

	out[0] = '\0';
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (members & 1u << i)
			n += (size_t)snprintf(out + n, OWNER_MEMBERS - n,
			    "%s%s", n != 0 ? " " : "", m->server[i].name);
	}
}

static void
entry_instance(char *out, size_t size, const struct ownership_machine *m,
    unsigned server, unsigned role, unsigned index)
{
	snprintf(out, size, "%.15s/%u@%.32s", m->role[role], index + 1,
	    m->server[server].name);
}

static bool
entry_key(const struct ownership_machine *m, const struct ownership_key *k,
    struct owner *o)
{
	if (k->name[0] == '\0')
		return false;
	str_copy(o->key, sizeof o->key, k->name);
	o->epoch = k->epoch;
	o->state = k->state;
	o->drain = k->only_server != OWNERSHIP_NONE &&
	    m->server[k->only_server].drain;
	entry_members(m, k->members, o->members);
	if (k->state == OWNER_DOWN)
		return true;
	entry_instance(
	    o->instance, sizeof o->instance, m, k->server, k->role, k->index);
	o->inside = m->server[k->server].inside;
	return true;
}

static bool
entry_server(const struct ownership_machine *m,
    const struct ownership_server *s, struct owner *o)
{
	if (s->name[0] == '\0')
		return false;
	snprintf(o->key, sizeof o->key, "server/%.32s", s->name);
	o->epoch = s->life;
	o->state = s->up ? OWNER_SERVING : OWNER_DOWN;
	o->drain = s->drain;
	o->inside = s->inside;
	o->witness = s->witness;
	o->apart = ownership_is_apart(m, s);
	o->may_part = ownership_may_part(m, s->name);
	return true;
}

/* An instance that is not ready has no entry. */
static bool
entry_ready(const struct ownership_machine *m, unsigned at, struct owner *o)
{
	unsigned index = at % OWNERSHIP_INDEX;
	unsigned role = at / OWNERSHIP_INDEX % OWNERSHIP_ROLES;
	unsigned server = at / OWNERSHIP_INDEX / OWNERSHIP_ROLES;
	const struct ownership_server *s = &m->server[server];

	if (s->name[0] == '\0' || s->instance[role][index].since == 0)
		return false;
	entry_instance(o->key, sizeof o->key, m, server, role, index);
	str_copy(o->instance, sizeof o->instance, o->key);
	o->epoch = s->instance[role][index].epoch;
	o->state = OWNER_SERVING;
	o->drain = s->drain;
	o->inside = s->inside;
	return true;
}

#define ENTRY_SERVERS OWNERSHIP_KEYS
#define ENTRY_INSTANCES (ENTRY_SERVERS + OWNERSHIP_SERVERS)
#define ENTRY_END          \
	(ENTRY_INSTANCES + \
	    OWNERSHIP_SERVERS * OWNERSHIP_ROLES * OWNERSHIP_INDEX)

bool
ownership_next(const struct ownership_machine *m, unsigned *at, struct owner *o)
{
	bool there = false;

	memset(o, 0, sizeof *o); /* what is not there leaves it so */
	while (!there && *at < ENTRY_END) {
		unsigned i = (*at)++;

		there = i < ENTRY_SERVERS ? entry_key(m, &m->key[i], o)
		    : i < ENTRY_INSTANCES
		    ? entry_server(m, &m->server[i - ENTRY_SERVERS], o)
		    : entry_ready(m, i - ENTRY_INSTANCES, o);
	}
	return there;
}

/* ---- leaving ------------------------------------------------------------ */

/* A member that would own the key if it were asked to. */
static const struct ownership_server *
leave_to(const struct ownership_machine *m, const struct ownership_key *k)
{
	const struct ownership_server *s;
	unsigned i, n;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		s = &m->server[i];
		if (i == k->server || !(k->members & 1u << i) || !s->up ||
		    s->drain)
			continue;
		for (n = 0; n < OWNERSHIP_INDEX; n++) {
			if (s->instance[k->role][n].since != 0)
				return s;
		}
	}
	return NULL;
}

bool
ownership_leave(const struct ownership_machine *m, const char *server,
    const char *role, struct ownership_command *c)
{
	const struct ownership_server *s = ownership_server_find(m, server);
	const struct ownership_key *k = NULL;
	unsigned i;

	for (i = 0; i < OWNERSHIP_FIXED; i++) {
		if (strcmp(m->role[i], role) == 0)
			k = &m->key[i];
	}
	if (s == NULL || k == NULL || k->state == OWNER_DOWN ||
	    !(k->members & 1u << (s - m->server)))
		return false;
	memset(c, 0, sizeof *c);
	str_copy(c->key, sizeof c->key, k->name);
	c->epoch = k->epoch;
	c->turn = k->turn;
	c->type = OWNERSHIP_MEMBER_REMOVE;
	if (&m->server[k->server] == s) {
		if ((s = leave_to(m, k)) == NULL)
			return false;
		c->type = OWNERSHIP_MOVE;
	}
	str_copy(c->server, sizeof c->server, s->name);
	return true;
}

/* ---- voters ------------------------------------------------------------- */

/* A site of so many servers has so many voters. */
static unsigned
vote_wanted(const struct ownership_machine *m)
{
	unsigned i, n = 0;

	for (i = 0; i < OWNERSHIP_SERVERS; i++)
		n += m->server[i].id != 0;
	return n >= 5 ? 5 : n >= 3 ? 3 : 1;
}

/* The first server that is up and no voter, a witness before all others;
 * *more is how many there are. */
static bool
vote_spare(const struct ownership_machine *m, uint32_t voters, unsigned *slot,
    unsigned *count)
{
	unsigned i;
	bool witness = false;

	*count = 0;
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		const struct ownership_server *s = &m->server[i];

		if (s->id == 0 || !s->up || (voters & 1u << i) || s->drain)
			continue;
		if ((*count)++ == 0 || (s->witness && !witness))
			*slot = i;
		witness = witness || s->witness;
	}
	return *count != 0;
}

/* The voter to do without first: gone, down, then the last; never self. */
static bool
vote_least(const struct ownership_machine *m, uint32_t voters, uint32_t gone,
    unsigned self, unsigned *slot)
{
	unsigned i, cost, best = 0;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (!(voters & 1u << i) || i == self)
			continue;
		cost = 1 + 2 * !m->server[i].witness + 4 * !m->server[i].up +
		    8 * ((gone & 1u << i) != 0);
		if (cost >= best) {
			best = cost;
			*slot = i;
		}
	}
	return best != 0;
}

bool
ownership_vote(const struct ownership_machine *m, uint32_t voters,
    uint32_t gone, unsigned self, unsigned *slot, bool *vote)
{
	unsigned n = (unsigned)__builtin_popcount(voters);
	unsigned want = vote_wanted(m), spare = 0, count;
	bool there = vote_spare(m, voters, &spare, &count);

	*vote = false;
	if (n > want)
		return vote_least(m, voters, gone, self, slot);
	*vote = true;
	*slot = spare;
	if (n < want)
		return there && (n % 2 == 0 || count >= 2);
	return there && (voters & gone & ~(1u << self)) != 0;
}

/* ---- laws --------------------------------------------------------------- */

static const char *
check_owner(const struct ownership_machine *m, const struct ownership_key *k)
{
	const struct ownership_server *s;

	if (k->server >= OWNERSHIP_SERVERS || k->index >= OWNERSHIP_INDEX)
		return "the owner is no instance";
	s = &m->server[k->server];
	if (!s->up || s->witness)
		return "the owner's server is down or a witness";
	if (s->instance[k->role][k->index].since == 0)
		return "the owner is not ready";
	if (!(k->members & 1u << k->server))
		return "the owner is no member";
	if (k->epoch == 0)
		return "the owner has no epoch";
	return k->lost ? "what is lost has an owner" : NULL;
}

static const char *
check_key(const struct ownership_machine *m, const struct ownership_key *k)
{
	unsigned i;

	if (k->role >= OWNERSHIP_ROLES || k->state > OWNER_SERVING)
		return "a key is out of range";
	if (k->epoch > m->highest)
		return "an epoch is above the highest";
	if (k->epoch != 0 && k->members == 0)
		return "the last member has left";
	if (__builtin_popcount(k->members) > OWNERSHIP_MEMBERS)
		return "too many members";
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (!(k->members & 1u << i))
			continue;
		if (m->server[i].name[0] == '\0')
			return "a member is no server";
		if (!m->server[i].up && k->members != 1u << i)
			return "a member is down and not the last";
	}
	if (k->only_server != OWNERSHIP_NONE &&
	    (k->only_server >= OWNERSHIP_SERVERS ||
		k->only_index >= OWNERSHIP_INDEX ||
		k->members != 1u << k->only_server ||
		(k->state != OWNER_DOWN &&
		    (k->server != k->only_server ||
			k->index != k->only_index))))
		return "a key has another owner than its only one";
	return k->state != OWNER_DOWN ? check_owner(m, k) : NULL;
}

const char *
ownership_check(const struct ownership_machine *m)
{
	const char *bad;
	unsigned i, r, n;

	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		if (m->key[i].name[0] != '\0' &&
		    (bad = check_key(m, &m->key[i])) != NULL)
			return bad;
	}
	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		const struct ownership_server *s = &m->server[i];

		if (s->up && s->parted != OWNERSHIP_WHOLE)
			return "a server is up that decides for itself";
		for (r = 0; r < OWNERSHIP_ROLES; r++) {
			for (n = 0; n < OWNERSHIP_INDEX; n++) {
				if (s->instance[r][n].since != 0 &&
				    (!s->up || s->witness ||
					m->role[r][0] == '\0'))
					return "an instance runs nowhere";
			}
		}
	}
	return NULL;
}
