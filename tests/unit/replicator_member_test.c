/* What members of a key are for: what is acknowledged waits for their word
 * about the owner that asks, what is applied for that of all of them; they are
 * added and fall silent under load a hundred times, and nothing is missing. */
#include "site_fixture.h"

/* A record that a member lacks is shown to no reader of another one. */
static void
what_one_member_lacks_is_not_applied(void **state)
{
	struct stream *s = site_stream("location");
	struct replicator_follower f;
	struct stream_status st;
	int i;

	(void)state;
	kv_put(s, 1, 1, 10);
	world_settle(loop, s);
	world_site_wait_applied(&site, 2, "location", lsn_of(s));
	site.answer = WORLD_LOST;
	world_site_hang(&site, 0, 1, true);
	for (i = 0; i < 20; i++) {
		kv_put(s, 2, i, 100);
		assert_int_equal(stream_commit(s, NULL), 0);
		world_pass(loop, 5000);
	}
	do
		assert_true(world_site_status(&site, 2, "location", NULL, &f));
	while (f.lsn != lsn_of(s));
	world_pass(loop, 50000);
	stream_status(s, &st);
	assert_true(st.acked < st.lsn);
	assert_true(world_site_status(&site, 2, "location", NULL, &f));
	assert_int_equal(f.lsn, st.lsn);
	assert_int_equal(f.applied, st.acked);
	world_site_hang(&site, 0, 1, false);
	site.answer = WORLD_YES;
	same_as(s, 2, "location");
	same_as(s, 1, "location");
	stream_close(&s);
}

/* Once the key has the next epoch, an owner under the one before is not
 * answered any more, although it is on the same server and all members would
 * have its records. */
static void
an_epoch_ends_the_one_before(void **state)
{
	struct stream *s = site_stream("location");
	struct replicator_follower f;
	struct stream_status st;
	struct ack a;

	(void)state;
	stream_close(&s);
	s = world_stream(repl[0], loop, "location",
	    world_site_own(&site, "sr", 0, NULL), KV_SCHEMA, 1024);
	kv_put(s, 1, 1, 10);
	world_settle(loop, s);
	world_site_own(&site, "sr", 0, NULL);
	world_pass(loop, 20000);
	kv_put(s, 2, 2, 10);
	ask(s, &a);
	assert_int_equal(stream_commit(s, NULL), 0);
	do
		assert_true(world_site_status(&site, 0, "location", NULL, &f));
	while (f.lsn != lsn_of(s));
	world_pass(loop, 100000);
	assert_int_equal(a.done, 0);
	stream_status(s, &st);
	assert_true(st.acked < st.lsn);
	stream_ack_cancel(s, &a.ack);
	stream_close(&s);
}

/* What a member said to the owner before says nothing to the next one: until
 * it has heard of the claim that one does not begin. */
static void
a_word_to_the_owner_before_does_not_count(void **state)
{
	struct stream *s = site_stream("location");
	struct fate fate;

	(void)state;
	kv_put(s, 1, 1, 10);
	world_settle(loop, s);
	stream_close(&s);
	site.answer = WORLD_LOST;
	world_site_hang(&site, 0, 1, true);
	s = open_fate(0, world_site_own(&site, "sr", 0, NULL), &fate);
	world_pass(loop, 150000);
	assert_int_equal(fate.ready, 0);
	assert_int_equal(fate.lost, 0);
	world_site_hang(&site, 0, 1, false);
	world_run(loop, &fate.ready);
	assert_int_equal(fate.ready, 1);
	site.answer = WORLD_YES;
	kv_put(s, 2, 2, 10);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* A load that never ends; each acknowledgement begins the next commit. */
struct load {
	struct stream *s;
	struct stream_ack ack;
	int n, acked;
	bool end;
	int done;
};

static void
load_on_ack(void *arg, const struct err *e)
{
	struct load *l = arg;

	assert_null(e);
	l->acked = l->n;
	if (l->end) {
		l->done = 1;
		return;
	}
	l->n++;
	kv_put(l->s, l->n, l->n, 200);
	stream_on_ack(l->s, &l->ack);
}

static void
load_start(struct load *l, struct stream *s)
{
	*l = (struct load){.s = s, .ack = {.fn = load_on_ack, .arg = l}};
	stream_on_ack(s, &l->ack);
}

/* A follower is added under load, dies or falls silent, and is added again,
 * a hundred times; then it becomes the owner, and has every row. */
static void
a_follower_is_added_a_hundred_times(void **state)
{
	struct stream *s = site_stream("location");
	struct load l;
	int round;

	(void)state;
	load_start(&l, s);
	for (round = 0; round < 100; round++) {
		if (round % 4 == 0)
			world_site_cut(&site, 0, 1);
		else
			world_site_stop(&site, 1, SIGKILL);
		world_site_wait_member(&site, "sr", 1, false);
		world_pass(loop, dice(3000));
		if (round % 4 == 0)
			world_site_join(&site, 0, 1);
		else
			world_site_start(&site, 1);
		world_site_wait_member(&site, "sr", 1, true);
	}
	link_to(1);
	l.end = true;
	world_run(loop, &l.done);
	assert_true(site.added >= 100);
	assert_true(site.removed >= 100);
	same_as(s, 1, "location");
	stream_close(&s);
	s = world_stream(repl[1], loop, "location",
	    world_site_own(&site, "sr", 1, NULL), KV_SCHEMA, 1024);
	assert_int_equal(
	    number(stream_db(s), "SELECT count(*) FROM kv"), l.acked);
	print_message("          %d commits\n", l.acked);
	stream_close(&s);
}

/* Whoever is to become the owner dies while it does, again and again; the one
 * that gets through has every row. */
static void
owners_die_while_they_begin(void **state)
{
	struct stream *s = site_stream("location");
	struct fate fate;
	int round, rows = 0;
	unsigned at;

	(void)state;
	for (round = 0; round < 30; round++) {
		kv_put(s, ++rows, round, 300);
		world_settle(loop, s);
		stream_close(&s);
		at = (unsigned)round % 2;
		s = open_fate(at, world_site_own(&site, "sr", at, NULL), &fate);
		world_pass(loop, dice(4000));
		world_site_stop(&site, at, SIGKILL);
		stream_close(&s);
		world_site_start(&site, at);
		link_to(at);
		at = (unsigned)(round / 2) % 2;
		s = world_stream(repl[at], loop, "location",
		    world_site_own(&site, "sr", at, "srv1 srv2"), KV_SCHEMA,
		    1024);
		assert_int_equal(
		    number(stream_db(s), "SELECT count(*) FROM kv"), rows);
	}
	same_as(s, !at, "location");
	stream_close(&s);
}

int
main(void)
{
#define T2(f) cmocka_unit_test_setup_teardown(f, setup_2, teardown)
#define T3(f) cmocka_unit_test_setup_teardown(f, setup_3, teardown)
	const struct CMUnitTest tests[] = {
	    T3(what_one_member_lacks_is_not_applied),
	    T2(an_epoch_ends_the_one_before),
	    T2(a_word_to_the_owner_before_does_not_count),
	    T2(a_follower_is_added_a_hundred_times),
	    T2(owners_die_while_they_begin),
	};

	signal(SIGPIPE, SIG_IGN);
	if (getenv("TEST_SEED") != NULL)
		seed = (unsigned)atoi(getenv("TEST_SEED"));
	return cmocka_run_group_tests_name(
	    "replicator_member", tests, NULL, NULL);
}
