/*
 * The ownership machine: what each command does to who owns what. A command
 * is checked whole before it changes anything; after each that was not
 * refused, every key without an owner is given to the best instance there is.
 * So one command (a server is down) decides at once who takes over.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ownership.h"
#include "daemon/base/str.h"

static_assert(OWNERSHIP_SERVERS <= 32, "members are 32 bits");

static const struct {
	const char *name;
	const char *role;
} ownership_fixed[OWNERSHIP_FIXED] = {
    {"sr", "sr"}, {"st", "st"}, {"mgc", "mgc"}};
#define ROLE_B2BUA 3 /* the role behind those of the fixed keys */

void
ownership_init(struct ownership_machine *m)
{
	unsigned i;

	memset(m, 0, sizeof *m);
	for (i = 0; i < OWNERSHIP_FIXED; i++) {
		struct ownership_key *k = &m->key[i];

		str_copy(k->name, sizeof k->name, ownership_fixed[i].name);
		str_copy(
		    m->role[i], sizeof m->role[i], ownership_fixed[i].role);
		k->role = (uint8_t)i;
		k->only_server = k->server = OWNERSHIP_NONE;
	}
	str_copy(m->role[ROLE_B2BUA], sizeof m->role[0], "b2bua");
}

/* ---- finding ------------------------------------------------------------ */

static int
machine_server(const struct ownership_machine *m, const char *name)
{
	int i;

	for (i = 0; i < OWNERSHIP_SERVERS; i++) {
		if (name[0] != '\0' && strcmp(m->server[i].name, name) == 0)
			return i;
	}
	return -1;
}

static int
machine_key(const struct ownership_machine *m, const char *name)
{
	int i;

	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		if (name[0] != '\0' && strcmp(m->key[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* The place of a role; a new one is taken when there is room. */
static int
machine_role(struct ownership_machine *m, const char *name)
{
	int i;

	for (i = 0; i < OWNERSHIP_ROLES && m->role[i][0] != '\0'; i++) {
		if (strcmp(m->role[i], name) == 0)
			return i;
	}
	if (i == OWNERSHIP_ROLES)
		return -1;
	str_copy(m->role[i], sizeof m->role[i], name);
	return i;
}

/* The server a command names, in the life it names; else *e. */
static struct ownership_server *
command_server(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	int at = machine_server(m, c->server);

	if (at < 0) {
		err_set(
		    e, ERR_ABSENT, "server %s: not of this site", c->server);
		return NULL;
	}
	return &m->server[at];
}

static bool
command_life(const struct ownership_server *s,
    const struct ownership_command *c, bool up, struct err *e)
{
	if (s->life == c->life && s->up == up)
		return true;
	err_set(e, ERR_CONFLICT, "server %s: is %s, life %llu", s->name,
	    s->up ? "up" : "down", (unsigned long long)s->life);
	return false;
}

/* The key a command names, under the epoch it names; else *e. */
static struct ownership_key *
command_key(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	int at = machine_key(m, c->key);

	if (at < 0) {
		err_set(e, ERR_ABSENT, "key %s: unknown", c->key);
		return NULL;
	}
	if (m->key[at].epoch != c->epoch) {
		err_set(e, ERR_CONFLICT, "key %s: epoch %llu, not %llu", c->key,
		    (unsigned long long)m->key[at].epoch,
		    (unsigned long long)c->epoch);
		return NULL;
	}
	return &m->key[at];
}

static bool
command_turn(const struct ownership_key *k, const struct ownership_command *c,
    struct err *e)
{
	if (k->turn == c->turn)
		return true;
	err_set(e, ERR_CONFLICT, "key %s: turn %llu, not %llu", k->name,
	    (unsigned long long)k->turn, (unsigned long long)c->turn);
	return false;
}

/* ---- choosing ----------------------------------------------------------- */

/* May the instance (index from 0) own the key now? */
static bool
key_can(const struct ownership_machine *m, const struct ownership_key *k,
    unsigned server, unsigned index)
{
	const struct ownership_server *s;

	if (server >= OWNERSHIP_SERVERS || index >= OWNERSHIP_INDEX)
		return false;
	s = &m->server[server];
	if (k->lost || !s->up || s->witness ||
	    s->instance[k->role][index].since == 0)
		return false;
	if (k->only_server != OWNERSHIP_NONE &&
	    (k->only_server != server || k->only_index != index))
		return false;
	return k->members == 0 || (k->members & 1u << server) != 0;
}

/* How many of the fixed keys a server owns. */
static unsigned
server_owns(const struct ownership_machine *m, unsigned server)
{
	unsigned i, n = 0;

	for (i = 0; i < OWNERSHIP_FIXED; i++)
		n += m->key[i].state != OWNER_DOWN &&
		    m->key[i].server == server;
	return n;
}

/*
 * How bad a choice would be: a server that drains, another one than before
 * (nothing need travel there), one that owns much, the instance that had it
 * (it has just died, others are warm).
 */
static unsigned
key_cost(const struct ownership_machine *m, const struct ownership_key *k,
    unsigned server, unsigned index)
{
	return (unsigned)m->server[server].drain << 20 |
	    (unsigned)(server != k->server) << 19 |
	    server_owns(m, server) << 16 | server << 8 |
	    (unsigned)(server == k->server && index == k->index) << 4 | index;
}

static bool
key_best(const struct ownership_machine *m, const struct ownership_key *k,
    unsigned *server, unsigned *index)
{
	unsigned s, i, cost, best = ~0u;

	for (s = 0; s < OWNERSHIP_SERVERS; s++) {
		for (i = 0; i < OWNERSHIP_INDEX; i++) {
			if (!key_can(m, k, s, i) ||
			    (cost = key_cost(m, k, s, i)) >= best)
				continue;
			best = cost;
			*server = s;
			*index = i;
		}
	}
	return best != ~0u;
}

/* Every decision about members is a turn, also one that changes none: what
 * was proposed before it is refused after it. */
static void
key_members(struct ownership_key *k, uint32_t members)
{
	k->members = members;
	k->turn++;
}

/* The next epoch; where two may decide alone each has its own half of them. */
static uint64_t
machine_epoch(const struct ownership_machine *m, unsigned server)
{
	uint64_t next = m->highest + 1;
	unsigned i, before = 0;

	for (i = 0; i < server; i++)
		before += m->server[i].name[0] != '\0';
	return next + (m->availability && (next & 1) != (before & 1));
}

static void
key_grant(struct ownership_machine *m, struct ownership_key *k, unsigned server,
    unsigned index)
{
	k->server = (uint8_t)server;
	k->index = (uint8_t)index;
	k->epoch = m->highest = machine_epoch(m, server);
	k->state = OWNER_CLAIMING;
	key_members(k, k->members | 1u << server);
}

/*
 * A planned change of owner. The old one goes on writing until it hears of it;
 * what nobody acknowledged of that its server has to undo before it can follow.
 * So where two others are left it is no member meanwhile, and nobody waits.
 */
static void
key_hand_over(struct ownership_machine *m, struct ownership_key *k,
    unsigned server, unsigned index)
{
	uint32_t others = k->members & ~(1u << k->server);

	if (server != k->server && __builtin_popcount(others) >= 2)
		key_members(k, others);
	key_grant(m, k, server, index);
}

/* After a change: who cannot own any more owns no more, who drains gives
 * away, and what has no owner is given one. */
static void
machine_settle(struct ownership_machine *m)
{
	unsigned at, s = 0, i = 0;

	for (at = 0; at < OWNERSHIP_KEYS; at++) {
		struct ownership_key *k = &m->key[at];

		if (k->name[0] == '\0')
			continue;
		if (k->state != OWNER_DOWN &&
		    !key_can(m, k, k->server, k->index))
			k->state = OWNER_DOWN;
		if (k->state != OWNER_DOWN && !m->server[k->server].drain)
			continue;
		if (!key_best(m, k, &s, &i))
			continue;
		if (k->state == OWNER_DOWN)
			key_grant(m, k, s, i);
		else if (!m->server[s].drain)
			key_hand_over(m, k, s, i);
	}
}

/* The server is a member no more, of every key that has another. */
static void
server_leave(struct ownership_machine *m, unsigned server, bool lost)
{
	uint32_t bit = 1u << server;
	unsigned i;

	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		struct ownership_key *k = &m->key[i];

		if (!(k->members & bit))
			continue;
		if (k->members != bit)
			key_members(k, k->members & ~bit);
		else if (lost)
			k->lost = true;
	}
}

/* It is not heard any more: what it runs is as good as dead. */
static void
server_gone(struct ownership_machine *m, struct ownership_server *s)
{
	unsigned r, i;

	s->up = false;
	for (r = 0; r < OWNERSHIP_ROLES; r++) {
		for (i = 0; i < OWNERSHIP_INDEX; i++)
			s->instance[r][i].since = 0;
	}
	server_leave(m, (unsigned)(s - m->server), false);
}

/* ---- commands ----------------------------------------------------------- */

static int
apply_server_put(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	int at = machine_server(m, c->server), i;
	struct ownership_server *s;

	for (i = 0; i < OWNERSHIP_SERVERS && c->id != 0; i++) {
		if (i != at && m->server[i].id == c->id)
			return err_set(e, ERR_CONFLICT, "server %s: id of %s",
			    c->server, m->server[i].name);
	}
	for (i = 0; at < 0 && i < OWNERSHIP_SERVERS; i++) {
		if (m->server[i].name[0] == '\0')
			at = i;
	}
	if (at < 0)
		return err_set(e, ERR_FULL, "server %s: a site has at most %d",
		    c->server, OWNERSHIP_SERVERS);
	s = &m->server[at];
	if (s->id != 0 && c->id != 0 && s->id != c->id &&
	    s->parted != OWNERSHIP_BACK)
		return err_set(e, ERR_CONFLICT,
		    "server %s: has lost its raft data; remove it first",
		    c->server);
	if (s->name[0] != '\0' && s->witness != (c->flags != 0))
		return err_set(e, ERR_CONFLICT,
		    "server %s: is %s witness; remove it first", c->server,
		    s->witness ? "a" : "no");
	s->witness = c->flags != 0;
	str_copy(s->name, sizeof s->name, c->server);
	if (c->id != 0 && c->id != s->id) {
		s->id = c->id;
		s->parted = OWNERSHIP_WHOLE;
	}
	s->inside = c->inside;
	return 0;
}

/* Forget a server that owns nothing and that nothing depends on; one that is
 * up has been given nothing new since it drains. */
static int
apply_server_remove(struct ownership_machine *m,
    const struct ownership_command *c, struct err *e)
{
	struct ownership_server *s = command_server(m, c, e);
	unsigned i, at;

	if (s == NULL)
		return -ERR_ABSENT;
	at = (unsigned)(s - m->server);
	if (s->up && !s->drain)
		return err_set(e, ERR_REFUSED,
		    "server %s: is up; drain it first", s->name);
	for (i = 0; i < OWNERSHIP_FIXED; i++) {
		const struct ownership_key *k = &m->key[i];

		if (k->state != OWNER_DOWN && k->server == at)
			return err_set(e, ERR_REFUSED,
			    "server %s: owns %s; drain it first", s->name,
			    k->name);
		if (k->members == 1u << at)
			return err_set(e, ERR_REFUSED,
			    "server %s: nobody else holds %s", s->name,
			    k->name);
	}
	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		struct ownership_key *k = &m->key[i];

		if (i >= OWNERSHIP_FIXED && k->only_server == at)
			memset(k, 0, sizeof *k);
		if (k->members & 1u << at)
			key_members(k, k->members & ~(1u << at));
		if (k->name[0] != '\0' && k->server == at)
			k->server = OWNERSHIP_NONE;
	}
	memset(s, 0, sizeof *s);
	return 0;
}

static int
apply_server_up(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_server *s = command_server(m, c, e);

	if (s == NULL)
		return -ERR_ABSENT;
	if (!command_life(s, c, false, e))
		return -ERR_CONFLICT;
	if (s->parted != OWNERSHIP_WHOLE)
		return err_set(
		    e, ERR_CONFLICT, "server %s: decides for itself", s->name);
	s->up = true;
	s->life++;
	return 0;
}

static int
apply_server_down(struct ownership_machine *m,
    const struct ownership_command *c, struct err *e)
{
	struct ownership_server *s = command_server(m, c, e);

	if (s == NULL)
		return -ERR_ABSENT;
	if (!command_life(s, c, true, e))
		return -ERR_CONFLICT;
	server_gone(m, s);
	return 0;
}

void
ownership_calls_key(
    struct ownership_machine *m, unsigned server, unsigned index)
{
	struct ownership_key *k =
	    &m->key[OWNERSHIP_FIXED + server * OWNERSHIP_INDEX + index];
	char name[OWNER_KEY];

	if (k->name[0] != '\0')
		return;
	snprintf(name, sizeof name, "calls/b2bua-%u@%.32s", index + 1,
	    m->server[server].name);
	str_copy(k->name, sizeof k->name, name);
	k->role = ROLE_B2BUA;
	k->only_server = (uint8_t)server;
	k->only_index = (uint8_t)index;
	k->server = OWNERSHIP_NONE;
	k->members = 1u << server;
}

/* An instance came, went, or was started again since the last report; a key
 * that it owned is without owner then. */
static void
machine_instance(struct ownership_machine *m, unsigned server, unsigned role,
    unsigned index, uint64_t since)
{
	struct ownership_instance *n = &m->server[server].instance[role][index];
	unsigned i;

	if (n->since == since)
		return;
	n->since = since;
	if (since != 0)
		n->epoch++;
	for (i = 0; i < OWNERSHIP_KEYS; i++) {
		struct ownership_key *k = &m->key[i];

		if (k->name[0] != '\0' && k->role == role &&
		    k->server == server && k->index == index)
			k->state = OWNER_DOWN;
	}
	if (role == ROLE_B2BUA && since != 0)
		ownership_calls_key(m, server, index);
}

static int
apply_instances(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_server *s = command_server(m, c, e);
	unsigned at, i;
	int role;

	if (s == NULL)
		return -ERR_ABSENT;
	if (!command_life(s, c, true, e))
		return -ERR_CONFLICT;
	if (s->report != c->report)
		return err_set(e, ERR_CONFLICT, "server %s: report %llu",
		    s->name, (unsigned long long)s->report);
	if (s->witness)
		return err_set(e, ERR_REFUSED, "server %s: a witness", s->name);
	if ((role = machine_role(m, c->role)) < 0)
		return err_set(e, ERR_FULL, "role %s: too many", c->role);
	at = (unsigned)(s - m->server);
	s->report++;
	if (c->floor > m->highest)
		m->highest = c->floor;
	if (c->log != 0 && s->log != 0 && c->log != s->log)
		server_leave(m, at, true);
	if (c->log != 0)
		s->log = c->log;
	for (i = 0; i < OWNERSHIP_INDEX; i++)
		machine_instance(m, at, (unsigned)role, i, c->since[i]);
	return 0;
}

static int
apply_serving(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_key *k = command_key(m, c, e);

	if (k == NULL)
		return -(int)e->code;
	if (k->state == OWNER_DOWN)
		return err_set(e, ERR_NOOWNER, "key %s: no owner", c->key);
	k->state = OWNER_SERVING;
	return 0;
}

static int
apply_member_add(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_key *k = command_key(m, c, e);
	const struct ownership_server *s;
	uint32_t members;
	unsigned i;

	if (k == NULL || (s = command_server(m, c, e)) == NULL)
		return -(int)e->code;
	if (k->state == OWNER_DOWN)
		return err_set(e, ERR_NOOWNER, "key %s: no owner", c->key);
	members = k->members | 1u << (s - m->server);
	if (!command_turn(k, c, e))
		return -ERR_CONFLICT;
	for (i = 0; i < OWNERSHIP_INDEX; i++) {
		if (s->instance[k->role][i].since != 0)
			break;
	}
	if (!s->up || s->witness || k->only_server != OWNERSHIP_NONE ||
	    i == OWNERSHIP_INDEX)
		return err_set(e, ERR_REFUSED, "key %s: %s cannot own it",
		    c->key, c->server);
	if (__builtin_popcount(members) > OWNERSHIP_MEMBERS)
		return err_set(e, ERR_FULL, "key %s: has %d members", c->key,
		    OWNERSHIP_MEMBERS);
	key_members(k, members);
	return 0;
}

/* A server that is not of the site is a member of nothing, which is what was
 * asked for: whoever waits to hear that must not wait for ever. */
static int
apply_member_remove(struct ownership_machine *m,
    const struct ownership_command *c, struct err *e)
{
	struct ownership_key *k = command_key(m, c, e);
	int at = machine_server(m, c->server);

	if (k == NULL)
		return -(int)e->code;
	if (k->state == OWNER_DOWN)
		return err_set(e, ERR_NOOWNER, "key %s: no owner", c->key);
	if (at >= 0 && k->server == (unsigned)at)
		return err_set(
		    e, ERR_REFUSED, "key %s: %s owns it", c->key, c->server);
	if (!command_turn(k, c, e))
		return -ERR_CONFLICT;
	key_members(k, at < 0 ? k->members : k->members & ~(1u << at));
	return 0;
}

static int
apply_move(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_key *k = command_key(m, c, e);
	const struct ownership_server *s;
	unsigned at, i, end;

	if (k == NULL || (s = command_server(m, c, e)) == NULL)
		return -(int)e->code;
	at = (unsigned)(s - m->server);
	i = c->flags != 0 ? c->flags - 1u : 0;
	end = c->flags != 0 ? c->flags : OWNERSHIP_INDEX;
	while (i < end &&
	    (!key_can(m, k, at, i) || (k->server == at && k->index == i)))
		i++;
	if (k->state == OWNER_DOWN || s->drain || i == end)
		return err_set(e, ERR_REFUSED,
		    "key %s: %s has no other instance in sync and ready",
		    c->key, c->server);
	key_hand_over(m, k, at, i);
	return 0;
}

static int
apply_drain(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_server *s = command_server(m, c, e);

	if (s == NULL)
		return -ERR_ABSENT;
	s->drain = c->type == OWNERSHIP_DRAIN;
	return 0;
}

static int
apply_recover(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_key *k = command_key(m, c, e);
	const struct ownership_server *s;
	unsigned i;

	if (k == NULL || (s = command_server(m, c, e)) == NULL)
		return -(int)e->code;
	for (i = 0; i < OWNERSHIP_SERVERS && !k->lost; i++) {
		if ((k->members & 1u << i) && m->server[i].up)
			return err_set(e, ERR_REFUSED,
			    "key %s: %s holds all "
			    "of it and is up",
			    c->key, m->server[i].name);
	}
	if (!s->up || s->witness ||
	    (k->only_server != OWNERSHIP_NONE &&
		k->only_server != (unsigned)(s - m->server)))
		return err_set(e, ERR_REFUSED, "key %s: %s cannot own it",
		    c->key, c->server);
	key_members(k, 1u << (s - m->server));
	k->lost = false;
	return 0;
}

static int
apply_prefer(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	(void)e;
	m->availability = c->flags != 0;
	return 0;
}

static int
apply_part(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	struct ownership_server *s = command_server(m, c, e);
	unsigned i;

	if (s == NULL)
		return -ERR_ABSENT;
	server_gone(m, s);
	if (s->parted == OWNERSHIP_WHOLE)
		s->parted = OWNERSHIP_APART;
	if (c->floor == 0)
		return 0;
	s->parted = OWNERSHIP_BACK;
	if (c->floor > m->highest)
		m->highest = c->floor;
	for (i = 0; i < OWNERSHIP_FIXED; i++) {
		struct ownership_key *k = &m->key[i];

		if (k->state != OWNER_DOWN && &m->server[k->server] != s)
			key_grant(m, k, k->server, k->index);
	}
	return 0;
}

typedef int apply_fn(
    struct ownership_machine *, const struct ownership_command *, struct err *);
static const struct {
	const char *name;
	apply_fn *fn;
} apply_row[OWNERSHIP_TYPES] = {
    [OWNERSHIP_SERVER_PUT] = {"server-put", apply_server_put},
    [OWNERSHIP_SERVER_REMOVE] = {"server-remove", apply_server_remove},
    [OWNERSHIP_SERVER_UP] = {"server-up", apply_server_up},
    [OWNERSHIP_SERVER_DOWN] = {"server-down", apply_server_down},
    [OWNERSHIP_INSTANCES] = {"instances", apply_instances},
    [OWNERSHIP_SERVING] = {"serving", apply_serving},
    [OWNERSHIP_MEMBER_ADD] = {"member-add", apply_member_add},
    [OWNERSHIP_MEMBER_REMOVE] = {"member-remove", apply_member_remove},
    [OWNERSHIP_MOVE] = {"move", apply_move},
    [OWNERSHIP_DRAIN] = {"drain", apply_drain},
    [OWNERSHIP_UNDRAIN] = {"undrain", apply_drain},
    [OWNERSHIP_RECOVER] = {"recover", apply_recover},
    [OWNERSHIP_PREFER] = {"prefer", apply_prefer},
    [OWNERSHIP_PART] = {"part", apply_part},
};

const char *
ownership_type_name(enum ownership_type type)
{
	return apply_row[type].name;
}

int
ownership_apply(struct ownership_machine *m, const struct ownership_command *c,
    struct err *e)
{
	int r = apply_row[c->type].fn(m, c, e);

	if (r != 0)
		return r;
	machine_settle(m);
	m->changes++;
	return 0;
}
