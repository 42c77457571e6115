/* Servers die with and without their power, are cut off, hang, come back and
 * take over from each other: no acknowledged row is missing at any owner that
 * follows. TEST_SEED and TEST_ROUNDS try other fates. */
#include "site_fixture.h"

/* Rows 1..n are written in order. What is known of them: */
struct model {
	struct stream *s;
	struct fate fate;
	struct ack ack;
	unsigned owner;
	int n;	   /* written by this owner, or found by it */
	int asked; /* the acknowledgement under way is of so many */
	int acked; /* so many were ever acknowledged, or read by an owner */
	bool asking;
	char boot[WORLD_SERVERS][40];
};

static void
model_take(struct model *m)
{
	if (!m->asking || m->ack.done == 0)
		return;
	if (m->ack.done == 1 && m->asked > m->acked)
		m->acked = m->asked;
	m->asking = false;
}

static void
model_write(struct model *m, int rows)
{
	struct err e;
	char sql[100];

	while (rows-- > 0) {
		if (stream_join(m->s, &e) != 0)
			return;
		snprintf(sql, sizeof sql,
		    "INSERT INTO kv VALUES(%d, %d, randomblob(%u))", ++m->n,
		    (int)m->owner, dice(100) == 0 ? 2500000 : dice(1500));
		assert_int_equal(
		    sqlite3_exec(stream_db(m->s), sql, NULL, NULL, NULL),
		    SQLITE_OK);
		if (dice(3) == 0)
			stream_commit(m->s, NULL);
	}
	model_take(m);
	if (m->asking)
		return;
	m->asking = true;
	m->asked = m->n;
	ask(m->s, &m->ack);
}

/* Wait for no acknowledgement any more. */
static void
model_forget(struct model *m)
{
	model_take(m);
	if (m->asking)
		stream_ack_cancel(m->s, &m->ack.ack);
	m->asking = false;
}

static void
model_close(struct model *m)
{
	if (m->s == NULL)
		return;
	model_forget(m);
	stream_close(&m->s);
}

/* The next owner has everything that was acknowledged, and nothing with a gap
 * before it. */
static void
model_open(struct model *m, unsigned server, const char *members)
{
	uint64_t epoch = world_site_own(&site, "sr", server, members);
	int64_t n;

	m->owner = server;
	m->s = open_fate(server, epoch, &m->fate);
	world_run(loop, &m->fate.ready);
	assert_int_equal(m->fate.ready, 1);
	n = number(stream_db(m->s), "SELECT count(*) FROM kv");
	assert_int_equal(
	    n, number(stream_db(m->s), "SELECT ifnull(max(k), 0) FROM kv"));
	if (n < m->acked)
		print_error("%d acknowledged, server %u has %d\n", m->acked,
		    server, (int)n);
	assert_true(n >= m->acked);
	m->n = m->acked = (int)n;
}

/* Another member that is up, or WORLD_SERVERS. */
static unsigned
model_next(const struct model *m)
{
	unsigned i, at = dice(site.n);

	for (i = 0; i < site.n; i++, at = (at + 1) % site.n) {
		if (at != m->owner && site.up[at] &&
		    world_site_is_member(&site, "sr", at))
			return at;
	}
	return WORLD_SERVERS;
}

/* The members without one. */
static const char *
model_without(unsigned gone)
{
	static char text[100];
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < site.n; i++) {
		if (i == gone || !world_site_is_member(&site, "sr", i))
			continue;
		snprintf(text + strlen(text), sizeof text - strlen(text),
		    "%ssrv%u", text[0] != '\0' ? " " : "", i + 1);
	}
	return text;
}

static void
model_start(struct model *m, unsigned i)
{
	if (dice(2) == 0) {
		snprintf(m->boot[i], sizeof m->boot[i],
		    "%08x-0000-0000-0000-000000000000", dice(1u << 16) + 1);
		site.w[i].boot = m->boot[i];
	}
	world_site_start(&site, i);
	link_to(i);
}

/* The owner's server dies, with or without its power; the next one takes
 * over, or the same when nobody else may. */
static void
model_kill_owner(struct model *m)
{
	unsigned old = m->owner, next;

	world_site_stop(&site, old, SIGKILL);
	model_close(m);
	next = model_next(m);
	if (next == WORLD_SERVERS) {
		model_start(m, old);
		model_open(m, old, NULL);
	} else {
		model_open(m, next, model_without(old));
	}
}

/* The owner does not know that another one was chosen, until it hears it from
 * that; it may be cut off from everybody, or from nobody. */
static void
model_part_owner(struct model *m)
{
	unsigned old = m->owner, next = model_next(m), i;
	static struct model before;

	if (next == WORLD_SERVERS)
		return;
	for (i = dice(2) == 0 ? site.n : 0; i < site.n; i++) {
		if (i != old)
			world_site_cut(&site, old, i);
	}
	model_forget(m);
	before = *m;
	model_write(&before, 5);
	world_pass(loop, dice(20000));
	model_take(&before);
	m->acked = before.acked;
	world_site_deaf(&site, old, true);
	model_open(m, next, model_without(old));
	/* Whatever the one before still hears is of what the next one has. */
	model_write(&before, 5);
	world_pass(loop, dice(20000));
	model_take(&before);
	assert_true(before.acked <= m->acked);
	if (dice(2) == 0)
		model_close(&before);
	world_site_deaf(&site, old, false);
	for (i = 0; i < site.n; i++) {
		if (i != old && site.up[i])
			world_site_join(&site, old, i);
	}
	if (before.s == NULL)
		return;
	/* Its process lives on: what the next one writes is taken, and not
	 * applied before it is gone. */
	model_write(m, 10);
	world_pass(loop, dice(50000));
	model_take(&before);
	assert_true(before.acked <= m->acked);
	model_close(&before);
}

static void
model_event(struct model *m)
{
	unsigned i = dice(site.n), j = dice(site.n);

	switch (dice(9)) {
	case 0:
		model_kill_owner(m);
		break;
	case 1:
		if (i != m->owner && site.up[i])
			world_site_stop(&site, i, SIGKILL);
		break;
	case 2:
	case 3:
		if (!site.up[i])
			model_start(m, i);
		break;
	case 4:
		if (i != j && site.up[i] && site.up[j])
			world_site_join(&site, i, j);
		break;
	case 5:
		if (i != j && site.up[i] && site.up[j])
			world_site_hang(&site, i, j, dice(2) == 0);
		break;
	case 6:
		if ((j = model_next(m)) == WORLD_SERVERS)
			break;
		model_close(m);
		model_open(m, j, NULL);
		break;
	case 7:
		model_part_owner(m);
		break;
	case 8:
		site.answer = dice(3) == 0 ? WORLD_UNKNOWN : WORLD_YES;
		break;
	}
}

static void
nothing_acknowledged_is_ever_lost(void **state)
{
	const char *rounds = getenv("TEST_ROUNDS");
	int left = rounds != NULL ? atoi(rounds) : 120;
	struct model m = {0};
	unsigned i, j;

	(void)state;
	for (i = 0; i < site.n; i++) {
		site.w[i].keep = dice(2) == 0 ? 0 : 64 << 20;
		world_site_stop(&site, i, SIGKILL);
		world_site_start(&site, i);
		link_to(i);
	}
	model_open(&m, 0, "srv1");
	while (left-- > 0) {
		model_write(&m, (int)dice(30));
		world_pass(loop, (dice(8) == 0 ? 300 : dice(30)) * 1000);
		model_take(&m);
		model_event(&m);
	}
	site.answer = WORLD_YES;
	for (i = 0; i < site.n; i++) {
		if (!site.up[i])
			model_start(&m, i);
		for (j = 0; j < i; j++)
			world_site_join(&site, i, j);
	}
	for (i = 0; i < site.n; i++) {
		if (i != m.owner)
			world_site_wait_member(&site, "sr", i, true);
	}
	model_write(&m, 3);
	for (i = 0; i < site.n; i++) {
		if (i != m.owner)
			same_as(m.s, i, "location");
	}
	print_message("          %d rows acknowledged, %u members added, %u "
		      "removed\n",
	    m.n, site.added, site.removed);
	model_close(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		nothing_acknowledged_is_ever_lost, setup_3, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	if (getenv("TEST_SEED") != NULL)
		seed = (unsigned)atoi(getenv("TEST_SEED"));
	return cmocka_run_group_tests_name(
	    "replicator_fault", tests, NULL, NULL);
}
