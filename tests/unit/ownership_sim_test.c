/*
 * The ownership machine under random schedules: servers that die and come
 * back, partitions, leaders that change, proposals that are lost, late or
 * doubled, and owners that do not know yet that they are none. Replicators
 * acknowledge as they must: an owner waits for every member it knows of and
 * for every server it has proposed as one; a follower refuses an epoch lower
 * than one it has seen. The history must be one without split brain and
 * without loss.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/str.h"
#include "replication/ownership.h"

#define SCHEDULES 3000
#define STEPS 1500
#define SERVERS 5
#define LOG 600	    /* commands */
#define RECORDS 128 /* of the one stream */
#define FLIGHT 24   /* messages under way of a kind */

static unsigned long long seed;

static unsigned
dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

/* One stream as a server's ship log holds it: numbers of records. */
struct log {
	uint64_t epoch; /* the highest claimed here; lower ones are refused */
	unsigned n;
	uint16_t record[RECORDS];
};

struct server {
	bool alive;
	unsigned boots;
	struct ownership_machine machine;
	unsigned applied;
	struct log log;
	uint64_t since[3]; /* of its instances sr/1, sr/2; 0 = not ready */
	/* The owner's side, while it believes to be it. */
	uint64_t epoch;
	uint64_t was; /* the last epoch it took or was told to be over */
	bool serving;
	uint32_t pending;	/* proposed as members */
	uint64_t pending_turn;	/* under this turn or an earlier one */
	unsigned held[SERVERS]; /* records of the epoch each acknowledged */
	bool claimed[SERVERS];	/* and whether the claim */
	unsigned acked;
};

struct proposal {
	bool used;
	struct ownership_command c;
};

/* Append (the whole log, as a link after catch-up has sent it) or its
 * acknowledgement. */
struct message {
	bool used, ack;
	unsigned from, to, boots; /* of the receiver of an ack */
	uint64_t epoch;
	struct log log;
};

static struct sim {
	unsigned n; /* servers */
	unsigned leader;
	bool cut[SERVERS][SERVERS];
	struct ownership_command log[LOG];
	unsigned nlog;
	struct ownership_machine truth; /* after the whole log */
	struct server server[SERVERS];
	struct proposal proposal[FLIGHT];
	struct message message[FLIGHT];
	uint64_t clock;
	uint16_t next; /* record */
	/* the history */
	uint64_t acked_epoch;
	struct log base; /* of the owner that began to serve last */
	unsigned nacked;
	uint16_t acked[RECORDS * 8];
	unsigned grants, adds, moves;
} sim;

static unsigned long total_acked, total_grants, total_adds, total_refused,
    total_late;

static void
fail_schedule(unsigned long long start, const char *words)
{
	fail_msg("seed %llu: %s", start, words);
}
static unsigned long long start;

static bool
linked(unsigned a, unsigned b)
{
	return sim.server[a].alive && sim.server[b].alive &&
	    (a == b || !sim.cut[a][b]);
}

static void
server_name(unsigned i, char out[OWNERSHIP_SERVER_NAME])
{
	snprintf(out, OWNERSHIP_SERVER_NAME, "srv%u", i);
}

/* ---- the replicated log ------------------------------------------------- */

static void
commit(const struct ownership_command *c)
{
	uint8_t bytes[OWNERSHIP_COMMAND_MAX];
	struct ownership_command back;
	const char *law;
	struct err e;
	long n;

	if (sim.nlog == LOG)
		return;
	n = ownership_encode(c, bytes, &e);
	assert_true(n > 0);
	assert_int_equal(ownership_decode(&back, bytes, (size_t)n, &e), 0);
	sim.log[sim.nlog++] = back;
	if (ownership_apply(&sim.truth, &back, &e) != 0)
		total_refused++;
	if ((law = ownership_check(&sim.truth)) != NULL)
		fail_schedule(start, law);
}

static void
propose(const struct ownership_command *c)
{
	unsigned copies = dice(8) == 0 ? 2 : 1, i;

	for (i = 0; i < FLIGHT && copies > 0; i++) {
		if (sim.proposal[i].used)
			continue;
		sim.proposal[i].used = true;
		sim.proposal[i].c = *c;
		copies--;
	}
}

/* The leader reaches a majority of the servers. */
static bool
leader_works(void)
{
	unsigned i, n = 0;

	for (i = 0; i < sim.n; i++)
		n += linked(sim.leader, i);
	return n * 2 > sim.n;
}

static void
step_commit(void)
{
	unsigned at = dice(FLIGHT), i;
	struct proposal *p = &sim.proposal[at];

	for (i = 0; i < FLIGHT && !p->used; i++)
		p = &sim.proposal[(at + i) % FLIGHT];
	if (!p->used)
		return;
	if (dice(10) == 0) {
		p->used = false;
		return;
	}
	if (!leader_works())
		return;
	p->used = false;
	commit(&p->c);
}

static void
step_elect(void)
{
	unsigned to = dice(sim.n), i;

	if (!sim.server[to].alive)
		return;
	sim.leader = to;
	for (i = 0; i < FLIGHT; i++) {
		if (dice(3) == 0)
			sim.proposal[i].used = false;
	}
}

/* ---- the owner's replicator --------------------------------------------- */

/* Everybody whose acknowledgement the owner needs, as it knows. */
static uint32_t
owner_waits(struct server *s)
{
	const struct ownership_key *k = &s->machine.key[0];

	if (k->turn > s->pending_turn)
		s->pending = 0;
	return k->members | s->pending;
}

static bool
server_slot(const struct ownership_machine *m, unsigned i, unsigned *slot)
{
	char name[OWNERSHIP_SERVER_NAME];
	const struct ownership_server *s;

	server_name(i, name);
	if ((s = ownership_server_find(m, name)) == NULL)
		return false;
	*slot = (unsigned)(s - m->server);
	return true;
}

static bool
log_has(const struct log *l, uint16_t record)
{
	unsigned i;

	for (i = 0; i < l->n && l->record[i] != record; i++)
		;
	return i < l->n;
}

/*
 * An owner acknowledges. Once the next one serves, an old one may only still
 * acknowledge what that one began with: the followers' words were on their
 * way when they claimed.
 */
static void
history_ack(struct server *s, uint16_t record)
{
	if (s->epoch < sim.acked_epoch) {
		if (!log_has(&sim.base, record))
			fail_schedule(start, "two owners acknowledge");
		total_late++;
	}
	assert_true(sim.nacked < RECORDS * 8);
	sim.acked[sim.nacked++] = record;
	total_acked++;
}

/* A new owner holds everything that was ever acknowledged. */
static void
history_serve(const struct server *s)
{
	unsigned i;

	if (s->epoch < sim.acked_epoch)
		return; /* late too; it will get nothing acknowledged */
	for (i = 0; i < sim.nacked; i++) {
		if (!log_has(&s->log, sim.acked[i]))
			fail_schedule(start, "what was acknowledged is lost");
	}
	sim.acked_epoch = s->epoch;
	sim.base = s->log;
}

/* What all it waits for have acknowledged is acknowledged. */
static void
owner_progress(unsigned at)
{
	struct server *s = &sim.server[at];
	uint32_t waits = owner_waits(s);
	unsigned i, slot, low = s->log.n;
	bool claimed = true;

	for (i = 0; i < sim.n; i++) {
		if (i == at || !server_slot(&s->machine, i, &slot) ||
		    !(waits & 1u << slot))
			continue;
		claimed = claimed && s->claimed[i];
		if (s->held[i] < low)
			low = s->held[i];
	}
	if (!claimed)
		return;
	if (!s->serving) {
		struct ownership_command c = {
		    .type = OWNERSHIP_SERVING, .key = "sr", .epoch = s->epoch};

		history_serve(s);
		s->serving = true;
		s->acked = s->log.n;
		propose(&c);
	}
	while (s->acked < low)
		history_ack(s, s->log.record[s->acked++]);
}

static void
owner_send(unsigned at, unsigned to)
{
	struct server *s = &sim.server[at];
	unsigned i;

	for (i = 0; i < FLIGHT && sim.message[i].used; i++)
		;
	if (i == FLIGHT || to == at || !linked(at, to))
		return;
	sim.message[i] = (struct message){.used = true,
	    .from = at,
	    .to = to,
	    .boots = sim.server[to].boots,
	    .epoch = s->epoch,
	    .log = s->log};
}

/* Its machine names it as the owner under a new epoch, or somebody else. */
static void
owner_follow(unsigned at)
{
	struct server *s = &sim.server[at];
	const struct ownership_key *k = &s->machine.key[0];
	unsigned slot, i;

	if (!server_slot(&s->machine, at, &slot))
		return;
	if (s->epoch != 0 && k->epoch > s->epoch)
		s->epoch = 0; /* its process is killed */
	if (k->state != OWNER_CLAIMING || k->server != slot ||
	    k->epoch <= s->was || s->since[k->index + 1] == 0)
		return;
	if (s->log.epoch > k->epoch)
		return;
	s->was = s->epoch = s->log.epoch = k->epoch;
	s->serving = false;
	s->pending = 0;
	for (i = 0; i < SERVERS; i++) {
		s->held[i] = 0;
		s->claimed[i] = false;
	}
	sim.grants++;
	total_grants++;
	for (i = 0; i < sim.n; i++)
		owner_send(at, i);
}

/* ---- steps -------------------------------------------------------------- */

static void
step_apply(unsigned at)
{
	struct server *s = &sim.server[at];
	unsigned n = 1 + dice(4);
	struct err e;

	if (!s->alive || !linked(at, sim.leader) || !leader_works())
		return;
	for (; n > 0 && s->applied < sim.nlog; n--)
		ownership_apply(&s->machine, &sim.log[s->applied++], &e);
	owner_follow(at);
	if (s->epoch != 0)
		owner_progress(at);
}

static void
step_write(unsigned at)
{
	struct server *s = &sim.server[at];
	unsigned i;

	if (!s->alive || s->epoch == 0)
		return;
	if (s->serving && s->log.n < RECORDS && dice(2) == 0)
		s->log.record[s->log.n++] = sim.next++;
	for (i = 0; i < sim.n; i++)
		owner_send(at, i);
	owner_progress(at);
}

/* A follower: refuses what is older than what it has seen, of its own process
 * too; takes a higher epoch's log as it is, goes on with that of the same. */
static void
follower_take(struct message *m)
{
	struct server *s = &sim.server[m->to];

	if (m->epoch < s->log.epoch)
		return;
	if (m->epoch > s->log.epoch || m->log.n > s->log.n)
		s->log = m->log;
	s->log.epoch = m->epoch;
	if (s->epoch != m->epoch)
		s->epoch = 0; /* its own process is refused from now on */
	*m = (struct message){.used = true,
	    .ack = true,
	    .from = m->to,
	    .to = m->from,
	    .boots = sim.server[m->from].boots,
	    .epoch = m->epoch,
	    .log.n = s->log.n};
}

static void
step_deliver(void)
{
	unsigned at = dice(FLIGHT), i;
	struct message *m = &sim.message[at];
	struct server *s;

	for (i = 0; i < FLIGHT && !m->used; i++)
		m = &sim.message[(at + i) % FLIGHT];
	if (!m->used)
		return;
	s = &sim.server[m->to];
	if (!linked(m->from, m->to) || m->boots != s->boots) {
		m->used = false; /* the connection is gone */
		return;
	}
	if (!m->ack) {
		follower_take(m);
		return;
	}
	m->used = false;
	if (s->epoch != m->epoch)
		return;
	s->claimed[m->from] = true;
	if (m->log.n > s->held[m->from])
		s->held[m->from] = m->log.n;
	owner_progress(m->to);
}

/* The owner proposes a follower that holds everything, or does without one
 * that is slow. */
static void
step_member(unsigned at)
{
	struct server *s = &sim.server[at];
	const struct ownership_key *k = &s->machine.key[0];
	unsigned other = dice(sim.n), slot;
	struct ownership_command c = {.key = "sr"};

	if (!s->alive || !s->serving || s->epoch != k->epoch || other == at ||
	    !server_slot(&s->machine, other, &slot))
		return;
	c.epoch = s->epoch;
	c.turn = k->turn;
	server_name(other, c.server);
	if (dice(4) == 0) {
		c.type = OWNERSHIP_MEMBER_REMOVE;
	} else if (s->claimed[other] && !(k->members & 1u << slot)) {
		c.type = OWNERSHIP_MEMBER_ADD;
		owner_waits(s);
		s->pending |= 1u << slot;
		s->pending_turn = k->turn;
		if (s->held[other] < s->acked)
			return; /* waits for it first */
		sim.adds++;
		total_adds++;
	} else {
		return;
	}
	propose(&c);
}

/* The leader's judgement of a server, right or wrong. */
static void
step_detect(void)
{
	unsigned at = dice(sim.n);
	struct server *l = &sim.server[sim.leader];
	const struct ownership_server *s;
	struct ownership_command c = {.type = OWNERSHIP_SERVER_DOWN};

	server_name(at, c.server);
	if (!l->alive ||
	    (s = ownership_server_find(&l->machine, c.server)) == NULL)
		return;
	c.life = s->life;
	if (linked(sim.leader, at) ? !s->up : s->up && dice(10) == 0)
		c.type = OWNERSHIP_SERVER_UP;
	if (s->up ? linked(sim.leader, at) && dice(30) != 0
		  : !linked(sim.leader, at))
		return;
	propose(&c);
}

/* A server tells which of its instances are ready. */
static void
step_report(unsigned at)
{
	struct server *s = &sim.server[at];
	const struct ownership_server *me;
	struct ownership_command c = {
	    .type = OWNERSHIP_INSTANCES, .role = "sr"};

	server_name(at, c.server);
	me = ownership_server_find(&s->machine, c.server);
	if (!s->alive || me == NULL || !me->up)
		return;
	c.life = me->life;
	c.report = me->report;
	c.since[0] = s->since[1];
	c.since[1] = s->since[2];
	if (me->instance[0][0].since != c.since[0] ||
	    me->instance[0][1].since != c.since[1])
		propose(&c);
}

/* A process dies, or is ready again; one that owned stops at once. */
static void
step_process(unsigned at)
{
	struct server *s = &sim.server[at];
	unsigned i = 1 + dice(2);

	if (!s->alive)
		return;
	if (s->since[i] == 0) {
		s->since[i] = ++sim.clock;
	} else if (dice(4) == 0) {
		s->since[i] = dice(2) == 0 ? 0 : ++sim.clock;
		if (s->epoch != 0 && s->machine.key[0].index + 1u == i)
			s->epoch = 0;
	}
}

/* The power goes, and comes back: what is on disk stays. The machine comes
 * from a snapshot, which may be old. */
static void
step_power(unsigned at)
{
	struct server *s = &sim.server[at];
	struct buf b = BUF_INIT;
	struct err e;

	if (s->alive) {
		if (dice(4) != 0)
			return;
		s->alive = false;
		s->epoch = 0;
		s->boots++;
		s->since[1] = s->since[2] = 0;
		return;
	}
	s->alive = true;
	ownership_save(&s->machine, &b);
	if (ownership_load(&s->machine, (uint8_t *)b.data, b.len, &e) != 0)
		fail_schedule(start, e.text);
	buf_fini(&b);
}

static void
step_operator(void)
{
	unsigned at = dice(sim.n);
	const struct ownership_key *k = &sim.server[at].machine.key[0];
	struct ownership_command c = {.key = "sr"};
	char leaver[OWNERSHIP_SERVER_NAME];

	c.type = dice(2) ? OWNERSHIP_MOVE
	    : dice(3)	 ? OWNERSHIP_UNDRAIN
			 : OWNERSHIP_DRAIN;
	c.epoch = k->epoch;
	server_name(dice(sim.n), c.server);
	/* A role that is to run elsewhere takes all away from here. */
	str_copy(leaver, sizeof leaver, c.server);
	if (dice(3) == 0 &&
	    !ownership_leave(&sim.server[at].machine, leaver, "sr", &c))
		return;
	propose(&c);
}

static void
step_cut(void)
{
	unsigned a = dice(sim.n), b = dice(sim.n), i;

	if (dice(3) != 0) {
		memset(sim.cut, 0, sizeof sim.cut);
		return;
	}
	if (dice(2) == 0) {
		for (i = 0; i < sim.n; i++)
			sim.cut[a][i] = sim.cut[i][a] = i != a;
		return;
	}
	sim.cut[a][b] = sim.cut[b][a] = a != b;
}

static void
step_any(void)
{
	unsigned at = dice(sim.n);

	switch (dice(100)) {
	case 0:
		step_power(at);
		break;
	case 1:
		step_cut();
		break;
	case 2:
		step_elect();
		break;
	case 3:
		step_operator();
		break;
	case 4 ... 7:
		step_process(at);
		break;
	case 8 ... 14:
		step_report(at);
		break;
	case 15 ... 20:
		step_detect();
		break;
	case 21 ... 26:
		step_member(at);
		break;
	case 27 ... 45:
		step_apply(at);
		break;
	case 46 ... 60:
		step_commit();
		break;
	case 61 ... 75:
		step_write(at);
		break;
	default:
		step_deliver();
	}
}

static void
sim_make(void)
{
	struct ownership_command c = {.type = OWNERSHIP_SERVER_PUT};
	unsigned i;

	memset(&sim, 0, sizeof sim);
	ownership_init(&sim.truth);
	sim.n = 3 + dice(3);
	sim.next = 1;
	for (i = 0; i < sim.n; i++) {
		sim.server[i].alive = true;
		ownership_init(&sim.server[i].machine);
		server_name(i, c.server);
		c.id = i + 1;
		addr_parse(&c.inside, "127.0.0.1", (uint16_t)(1000 * i + 1000));
		commit(&c);
	}
}

/* Everybody applies the whole log and has the same state. */
static void
sim_agrees(void)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	struct err e;
	unsigned i;

	ownership_save(&sim.truth, &a);
	for (i = 0; i < sim.n; i++) {
		struct server *s = &sim.server[i];

		while (s->applied < sim.nlog)
			ownership_apply(
			    &s->machine, &sim.log[s->applied++], &e);
		buf_reset(&b);
		ownership_save(&s->machine, &b);
		if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
			fail_schedule(start, "servers disagree");
	}
	buf_fini(&a);
	buf_fini(&b);
}

/* No acknowledgement under an epoch comes after the next owner has begun to
 * serve, and that one holds everything acknowledged before, whatever the
 * order of events. */
static void
no_schedule_splits_or_loses(void **state)
{
	const char *given = getenv("SIM_SEED");
	unsigned i, step;

	(void)state;
	for (i = 0; i < SCHEDULES; i++) {
		start = given != NULL ? strtoull(given, NULL, 10)
				      : 88172645463325252ull + i * 7919ull;
		seed = start;
		sim_make();
		for (step = 0; step < STEPS; step++)
			step_any();
		sim_agrees();
	}
	print_message("%lu acknowledged, %lu grants, %lu additions proposed, "
		      "%lu commands refused, %lu late acknowledgements\n",
	    total_acked, total_grants, total_adds, total_refused, total_late);
	assert_true(total_grants > SCHEDULES);
	assert_true(total_acked > SCHEDULES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_schedule_splits_or_loses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
