/* Replicators of several servers: what was acknowledged is everywhere, and
 * goes on to be when servers come, go and change their minds. */
#include <fcntl.h>

#include "site_fixture.h"

/* ---- laws --------------------------------------------------------------- */

/* A server without others acknowledges on its own. */
static void
one_server_is_enough(void **state)
{
	uint64_t epoch = world_site_own(&site, "sr", 0, "srv1");
	struct stream *s = world_stream(
	    repl[0], loop, "location", epoch, KV_SCHEMA, 1024);
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		kv_put(s, i, i, 10);
	world_settle(loop, s);
	stream_close(&s);
}

/* One that alone holds the key and does not hear those who decide answers
 * nothing: they may have given it away. With a member it answers, for that one
 * would know. */
static void
one_server_is_silent_without_the_others(void **state)
{
	uint64_t epoch = world_site_own(&site, "sr", 0, "srv1");
	struct stream *s = world_stream(
	    repl[0], loop, "location", epoch, KV_SCHEMA, 1024);
	struct ack a;

	(void)state;
	kv_put(s, 1, 1, 10);
	world_settle(loop, s);
	world_site_stop(&site, 1, SIGKILL);
	world_site_own(&site, "sr", 0, "srv1");
	stream_close(&s);
	epoch = world_site_own(&site, "sr", 0, "srv1");
	s = world_stream(repl[0], loop, "location", epoch, KV_SCHEMA, 1024);
	world_settle(loop, s);
	world_site_mute(&site, 0, true);
	kv_put(s, 2, 2, 10);
	ask(s, &a);
	world_pass(loop, 300000);
	assert_int_equal(a.done, 0);
	world_site_mute(&site, 0, false);
	world_run(loop, &a.done);
	assert_int_equal(a.done, 1);
	world_site_mute(&site, 0, true);
	world_site_start(&site, 1);
	link_to(1);
	world_site_wait_member(&site, "sr", 1, true);
	kv_put(s, 3, 3, 10);
	world_settle(loop, s);
	stream_close(&s);
}

/* A server that has caught up becomes a member; from then on it has whatever
 * is acknowledged, on disk, and its readers see it. */
static void
a_follower_becomes_a_member(void **state)
{
	uint64_t epoch = world_site_own(&site, "sr", 0, "srv1");
	struct stream *s = world_stream(
	    repl[0], loop, "location", epoch, KV_SCHEMA, 1024);
	struct replicator_follower f;
	int i;

	(void)state;
	world_site_wait_member(&site, "sr", 1, true);
	for (i = 0; i < 300; i++) {
		kv_put(s, i, i, 100);
		if (i % 7 == 0)
			world_settle(loop, s);
		if (i % 50 == 0) {
			world_settle(loop, s);
			assert_true(
			    world_site_status(&site, 1, "location", NULL, &f));
			assert_int_equal(f.lsn, lsn_of(s));
		}
	}
	same_as(s, 1, "location");
	assert_true(world_site_status(&site, 0, "location", "srv2", &f));
	assert_string_equal(f.state, "in-sync");
	assert_int_equal(f.lag_records, 0);
	stream_close(&s);
}

/* While a member is gone nothing is acknowledged until its removal is
 * decided; when it is back it catches up and becomes a member again. */
static void
a_dead_member_is_removed_first(void **state)
{
	struct stream *s = site_stream("location");
	struct ack a;
	int i;

	(void)state;
	kv_put(s, 1, 1, 10);
	world_settle(loop, s);
	site.answer = WORLD_LOST;
	world_site_stop(&site, 1, SIGKILL);
	kv_put(s, 2, 2, 10);
	ask(s, &a);
	world_pass(loop, 500000);
	assert_int_equal(a.done, 0);
	assert_true(site.proposals > 0);
	assert_int_equal(site.removed, 0);
	site.answer = WORLD_YES;
	world_run(loop, &a.done);
	assert_int_equal(a.done, 1);
	assert_int_equal(site.removed, 1);
	for (i = 0; i < 500; i++)
		kv_put(s, i, -i, 200);
	world_settle(loop, s);
	world_site_start(&site, 1);
	link_to(1);
	world_site_wait_member(&site, "sr", 1, true);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* A member whose disk is full stops acknowledging and is removed; it lives on,
 * and is a member again when there is room. */
static void
a_member_with_a_full_disk_is_removed(void **state)
{
	struct stream *s;
	char path[200];
	int i;

	(void)state;
	world_site_stop(&site, 1, SIGKILL);
	site.w[1].small = 80 << 20;
	world_site_start(&site, 1);
	link_to(1);
	s = site_stream("location");
	snprintf(path, sizeof path, "/proc/%d/root%s/ballast",
	    (int)site.w[1].replicator, site.w[1].log);
	if (access(path, F_OK) != 0) {
		stream_close(&s);
		skip(); /* no rights to mount a small disk */
	}
	for (i = 0; site.removed == 0 && i < 30000; i++) {
		kv_put(s, i, i, 900);
		if (i % 16 == 0)
			world_settle(loop, s);
	}
	world_settle(loop, s);
	assert_int_equal(site.removed, 1);
	assert_false(world_site_is_member(&site, "sr", 1));
	assert_int_equal(waitpid(site.w[1].replicator, NULL, WNOHANG), 0);
	assert_int_equal(unlink(path), 0);
	world_site_wait_member(&site, "sr", 1, true);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* A member that is there but silent is removed like a dead one; a refusal of
 * that lets everything wait on. */
static void
a_silent_member_is_removed(void **state)
{
	struct stream *s = site_stream("location");
	struct ack a;

	(void)state;
	site.answer = WORLD_REFUSE;
	world_site_hang(&site, 0, 1, true);
	kv_put(s, 1, 1, 10);
	ask(s, &a);
	world_pass(loop, 400000);
	assert_int_equal(a.done, 0);
	assert_true(site.proposals > 0);
	world_site_hang(&site, 0, 1, false);
	world_run(loop, &a.done); /* it answers again */
	assert_int_equal(a.done, 1);
	assert_true(world_site_is_member(&site, "sr", 1));
	site.answer = WORLD_YES;
	world_site_hang(&site, 0, 1, true);
	kv_put(s, 2, 2, 10);
	world_settle(loop, s);
	assert_false(world_site_is_member(&site, "sr", 1));
	world_site_hang(&site, 0, 1, false);
	world_site_wait_member(&site, "sr", 1, true);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* The owner on server 0, whose proposal to add server 1 nobody decides. */
static struct stream *
lost_proposal(void)
{
	uint64_t epoch = world_site_own(&site, "sr", 0, "srv1");
	struct stream *s;

	site.answer = WORLD_LOST;
	s = world_stream(repl[0], loop, "location", epoch, KV_SCHEMA, 1024);
	while (site.proposals == 0)
		world_pass(loop, 1000);
	return s;
}

/* A row is acknowledged when it is decided that server 1 is no member, and
 * not before. */
static void
removal_is_waited_for(struct stream *s)
{
	struct ack a;

	kv_put(s, 1, 1, 1);
	ask(s, &a);
	world_pass(loop, 400000);
	assert_int_equal(a.done, 0);
	assert_int_equal(site.removed, 0);
	site.answer = WORLD_YES;
	world_run(loop, &a.done);
	assert_int_equal(a.done, 1);
	assert_true(site.removed > 0);
	stream_close(&s);
}

/* A proposal to add whose outcome nobody tells counts as a yes: everything
 * waits for that server, until the map or a removal says what is so. */
static void
an_unknown_outcome_is_a_yes(void **state)
{
	struct stream *s = lost_proposal();

	(void)state;
	world_site_stop(&site, 1, SIGKILL);
	removal_is_waited_for(s);
}

/* So does one that the replicator before this one made, of which the new one
 * knows nothing: the map that it reads may be older than the decision. */
static void
a_new_replicator_doubts_the_map(void **state)
{
	struct stream *s = lost_proposal();

	(void)state;
	world_site_stop(&site, 1, SIGKILL);
	world_site_stop(&site, 0, SIGKILL);
	world_site_start(&site, 0);
	link_to(0);
	removal_is_waited_for(s);
}

static struct stream *
move(struct stream **s, unsigned to, const char *members)
{
	uint64_t epoch;

	if (*s != NULL)
		stream_close(s);
	epoch = world_site_own(&site, "sr", to, members);
	*s = world_stream(repl[to], loop, "location", epoch, KV_SCHEMA, 1024);
	return *s;
}

/* The new owner's process claims before its replicator has heard that the
 * key is its own: a follower that knows already refuses that, and must not
 * be left alone for it when the next word is right. */
static void
a_refusal_counts_for_what_it_answers(void **state)
{
	struct stream *s = site_stream("location");
	struct replicator_follower f;
	struct fate fate;
	uint64_t epoch;
	int away = 0;

	(void)state;
	world_settle(loop, s);
	stream_close(&s);
	world_site_deaf(&site, 0, true);
	epoch = world_site_own(&site, "sr", 0, "srv1 srv2");
	world_pass(loop, 20000);
	world_site_hang(&site, 0, 1, true);
	s = open_fate(0, epoch, &fate);
	world_pass(loop, 20000);
	world_site_deaf(&site, 0, false);
	world_pass(loop, 20000);
	world_site_hang(&site, 0, 1, false);
	while (!fate.ready) {
		world_pass(loop, 1000);
		assert_true(
		    world_site_status(&site, 0, "location", "srv2", &f));
		away += strcmp(f.state, "away") == 0;
	}
	assert_int_equal(fate.ready, 1);
	assert_int_equal(away, 0);
	stream_close(&s);
}

/* The ownership goes from server to server; each goes on where the one before
 * was, and everybody has the same. */
static void
owners_change_servers(void **state)
{
	struct stream *s = site_stream("location");
	uint64_t lsn;
	unsigned at = 0, i, round;
	int n = 0;

	(void)state;
	for (round = 0; round < 12; round++) {
		for (i = 0; i < 40; i++) {
			kv_put(s, n % 97, n, 300);
			n++;
			if (i % 5 == 0)
				world_settle(loop, s);
		}
		world_settle(loop, s);
		lsn = lsn_of(s);
		for (i = 0; i < site.n; i++) {
			if (i != at)
				same_as(s, i, "location");
		}
		at = (at + 1 + round % (site.n - 1)) % site.n;
		move(&s, at, NULL);
		assert_int_equal(lsn_of(s), lsn);
		assert_int_equal(
		    number(stream_db(s), "SELECT max(v) FROM kv"), n - 1);
	}
	stream_close(&s);
}

static bool
exists(unsigned server, const char *name)
{
	char path[200];

	snprintf(path, sizeof path, "%s/%s", site.w[server].root, name);
	return access(path, F_OK) == 0;
}

/* An owner that is cut off gets nothing acknowledged once the next one has
 * claimed, although it does not know of that; what it wrote alone is gone: its
 * database goes back while readers look on. */
static void
an_owner_that_was_cut_off_is_undone(void **state)
{
	uint64_t epoch;
	struct stream *old = site_stream("location"), *s;
	struct seen seen;
	struct fate fate;
	struct ack a;
	int i;

	(void)state;
	stream_close(&old);
	epoch = world_site_own(&site, "sr", 0, NULL);
	old = open_fate(0, epoch, &fate);
	world_run(loop, &fate.ready);
	kv_put(old, 1, 1, 10);
	world_settle(loop, old);
	reading(&seen, 0, "location");
	site.answer = WORLD_LOST;
	world_site_cut(&site, 0, 1);
	for (i = 0; i < 20; i++) {
		kv_put(old, 2, 1000 + i, 100);
		assert_int_equal(stream_commit(old, NULL), 0);
	}
	ask(old, &a);
	world_pass(loop, 100000);
	assert_int_equal(a.done, 0);
	epoch = world_site_own(&site, "sr", 1, "srv2");
	s = world_stream(repl[1], loop, "location", epoch, KV_SCHEMA, 1024);
	kv_put(s, 3, 3, 10);
	world_settle(loop, s);
	world_pass(loop, 50000);
	assert_int_equal(a.done, 0);
	world_site_join(&site, 0, 1);
	site.answer = WORLD_YES;
	world_run(loop, &fate.lost);
	world_run(loop, &a.done);
	assert_int_equal(a.done, -1);
	stream_close(&old);
	world_site_wait_member(&site, "sr", 0, true);
	kv_put(s, 4, 4, 10);
	same_as(s, 0, "location");
	world_run(loop, &seen.reload);
	assert_int_equal(
	    number(reader_db(seen.rd), "SELECT max(v) FROM kv"), 4);
	reader_close(&seen.rd);
	assert_true(exists(0, "location.db"));
	assert_false(exists(0, "location~1.db"));
	move(&s, 0, NULL);
	assert_int_equal(number(stream_db(s), "SELECT max(v) FROM kv"), 4);
	kv_put(s, 5, 5, 10);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* Of two servers that decide alone one yields: what it had acknowledged is
 * kept, and while it cannot be, nothing of it is replaced. */
static void
what_was_acknowledged_alone_is_kept(void **state)
{
	struct stream *old = site_stream("location"), *s;
	char path[200];
	struct fate fate;
	uint64_t epoch;
	int fd;

	(void)state;
	stream_close(&old);
	world_site_may_part(&site);
	epoch = world_site_own(&site, "sr", 0, NULL);
	old = open_fate(0, epoch, &fate);
	world_run(loop, &fate.ready);
	kv_put(old, 1, 1, 10);
	world_settle(loop, old);
	world_site_cut(&site, 0, 1);
	kv_put(old, 2, 2, 10);
	world_settle(loop, old); /* the other one is no member any more */
	world_site_deaf(&site, 0, true);
	epoch = world_site_own(&site, "sr", 1, "srv2");
	s = world_stream(repl[1], loop, "location", epoch, KV_SCHEMA, 1024);
	kv_put(s, 3, 3, 10);
	world_settle(loop, s);
	kv_put(old, 4, 4, 10);
	world_settle(loop, old);

	snprintf(path, sizeof path, "%s/.conflict", site.w[0].root);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600); /* no directory */
	assert_true(fd >= 0);
	close(fd);
	world_site_deaf(&site, 0, false);
	world_site_join(&site, 0, 1);
	world_pass(loop, 500000);
	assert_false(exists(0, "location~1.db"));
	assert_true(exists(0, "location.db"));
	assert_int_equal(unlink(path), 0);
	world_site_join(&site, 0, 1);
	world_run(loop, &fate.lost);
	stream_close(&old);
	world_site_wait_member(&site, "sr", 0, true);
	kv_put(s, 5, 5, 10);
	same_as(s, 0, "location");
	while (!exists(0, ".conflict/location~0.db"))
		world_pass(loop, 10000);
	assert_false(exists(0, "location.db"));
	stream_close(&s);
}

/* What a follower has of an owner and the next owner has not is void: the
 * log goes back, and the database, which never saw it, stays. */
static void
a_follower_that_is_ahead_goes_back(void **state)
{
	struct stream *s = site_stream("location");
	struct replicator_follower f;
	struct stream_status st;
	struct fate fate;
	uint64_t epoch;
	int i;

	(void)state;
	kv_put(s, 1, 1, 10);
	world_settle(loop, s);
	world_site_hang(&site, 0, 1, true);
	site.answer = WORLD_LOST;
	for (i = 0; i < 20; i++) {
		kv_put(s, 2, 1000 + i, 100);
		assert_int_equal(stream_commit(s, NULL), 0);
	}
	do
		world_site_status(&site, 2, "location", NULL, &f);
	while (f.lsn != lsn_of(s));
	stream_status(s, &st);
	assert_int_equal(st.acked + 20, st.lsn);
	world_site_stop(&site, 0, SIGKILL);
	stream_close(&s);
	site.answer = WORLD_YES;
	epoch = world_site_own(&site, "sr", 1, "srv2 srv3");
	s = open_fate(1, epoch, &fate);
	world_run(loop, &fate.ready);
	assert_int_equal(fate.ready, 1);
	assert_int_equal(lsn_of(s), st.acked);
	kv_put(s, 3, 3, 10);
	same_as(s, 2, "location");
	assert_true(exists(2, "location.db"));
	assert_false(exists(2, "location~1.db"));
	/* Again after it was started again: what is void stays void. */
	world_site_stop(&site, 2, SIGKILL);
	kv_put(s, 4, 4, 10);
	world_settle(loop, s);
	world_site_start(&site, 2);
	link_to(2);
	world_site_wait_member(&site, "sr", 2, true);
	same_as(s, 2, "location");
	world_site_start(&site, 0);
	link_to(0);
	world_site_wait_member(&site, "sr", 0, true);
	same_as(s, 0, "location");
	stream_close(&s);
}

/* Commits always under way: each acknowledgement makes the next. */
struct load {
	struct stream *s;
	struct load_batch {
		struct load *all;
		struct stream_ack ack;
	} batch[4];
	int left, open, done, k, rows, pad;
};

static void
load_go(struct load_batch *b)
{
	struct load *t = b->all;
	int i;

	for (i = 0; i < t->rows; i++, t->k = (t->k + 7919) % 20011)
		kv_put(t->s, t->k, t->left, t->pad);
	stream_on_ack(t->s, &b->ack);
	assert_int_equal(stream_commit(t->s, NULL), 0);
}

static void
load_on_ack(void *arg, const struct err *e)
{
	struct load_batch *b = arg;

	assert_null(e);
	if (b->all->left-- > 0)
		load_go(b);
	else if (--b->all->open == 0)
		b->all->done = 1;
}

static void
load_start(struct load *t, struct stream *s, int commits, int rows, int pad)
{
	int i;

	*t = (struct load){
	    .s = s, .left = commits, .open = 4, .rows = rows, .pad = pad};
	for (i = 0; i < 4; i++) {
		t->batch[i].all = t;
		t->batch[i].ack = (struct stream_ack){
		    .fn = load_on_ack, .arg = &t->batch[i]};
		load_go(&t->batch[i]);
	}
}

/* A server that comes when the log does not reach back any more is sent the
 * database while the owner goes on, and then has exactly the same; readers see
 * nothing of it before it is whole. */
static void
a_new_server_is_sent_the_database(void **state)
{
	uint64_t epoch, before, us;
	struct replicator_follower f;
	struct stream *s;
	struct seen seen = {0};
	struct load t;
	struct err e;
	int round;

	(void)state;
	world_site_stop(&site, 1, SIGKILL);
	site.w[0].keep = 1 << 20;
	world_site_stop(&site, 0, SIGKILL);
	world_site_start(&site, 0);
	link_to(0);
	epoch = world_site_own(&site, "sr", 0, "srv1");
	s = world_stream(repl[0], loop, "location", epoch, KV_SCHEMA, 1024);
	for (round = 0; round < 3; round++) {
		load_start(&t, s, 700, 32, 900);
		world_run(loop, &t.done);
		world_pass(loop, 1100000); /* a tick trims the log */
	}
	before = clock_mono();
	world_site_start(&site, 1);
	link_to(1);
	assert_int_equal(
	    reader_open(repl[1], "location", on_event, &seen, &seen.rd, &e), 0);
	load_start(&t, s, 3000, 16, 500);
	world_site_wait_member(&site, "sr", 1, true);
	us = clock_mono() - before;
	world_run(loop, &seen.open);
	assert_int_equal(number(reader_db(seen.rd),
			     "SELECT count(*) FROM pragma_integrity_check "
			     "WHERE integrity_check = 'ok'"),
	    1);
	world_run(loop, &t.done);
	same_as(s, 1, "location");
	assert_true(exists(1, "location~1.db"));
	assert_true(world_site_status(&site, 1, "location", NULL, &f));
	print_message("          in sync after %llu ms under load\n",
	    (unsigned long long)(us / CLOCK_MS));
	reader_close(&seen.rd);
	move(&s, 1, NULL);
	kv_put(s, 1, 1, 1);
	same_as(s, 0, "location");
	stream_close(&s);
}

/* A copy that is broken off at any moment, by either end, with or without a
 * reboot, begins again and ends well. */
static void
a_copy_may_be_broken_off(void **state)
{
	static char boot[24][40];
	uint64_t epoch;
	struct stream *s;
	struct load t;
	int round;

	(void)state;
	world_site_stop(&site, 1, SIGKILL);
	site.w[0].keep = 0;
	world_site_stop(&site, 0, SIGKILL);
	world_site_start(&site, 0);
	link_to(0);
	epoch = world_site_own(&site, "sr", 0, "srv1");
	s = world_stream(repl[0], loop, "location", epoch, KV_SCHEMA, 1024);
	load_start(&t, s, 500, 32, 900);
	world_run(loop, &t.done);
	world_pass(loop, 1100000);
	site.answer = WORLD_REFUSE;
	for (round = 0; round < 24; round++) {
		if (round % 3 == 0) {
			snprintf(boot[round], sizeof boot[0],
			    "%08x-0000-0000-0000-000000000000", round + 1);
			site.w[1].boot = boot[round];
		}
		world_site_start(&site, 1);
		world_pass(loop, dice(60000));
		kv_put(s, round, round, 100);
		if (round % 5 == 4) {
			world_site_stop(&site, 0, SIGKILL);
			world_pass(loop, 3000);
			world_site_start(&site, 0);
			link_to(0);
			world_settle(loop, s);
		}
		world_site_stop(&site, 1, SIGKILL);
	}
	site.answer = WORLD_YES;
	world_site_start(&site, 1);
	link_to(1);
	world_site_wait_member(&site, "sr", 1, true);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* An owner goes on when the replicator of its server is started again; what
 * that had not acknowledged is shipped again, here and to the members. */
static void
an_owner_outlives_its_replicator(void **state)
{
	struct stream *s = site_stream("location");
	int round, i;

	(void)state;
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 50; i++)
			kv_put(s, i, round, 200);
		if (round % 2 == 0)
			world_settle(loop, s);
		world_site_stop(&site, 0, SIGKILL);
		kv_put(s, 100, round, 100);
		stream_commit(s, NULL);
		world_site_start(&site, 0);
		link_to(0);
		world_settle(loop, s);
	}
	for (i = 1; i < (int)site.n; i++) {
		world_site_wait_member(&site, "sr", (unsigned)i, true);
		same_as(s, (unsigned)i, "location");
	}
	stream_close(&s);
}

/* Rows 0..n-1 in one commit: a single join, since many end a group. */
static void
put_many(struct stream *s, int n, int v)
{
	char sql[200];
	struct err e;

	assert_int_equal(stream_join(s, &e), 0);
	snprintf(sql, sizeof sql,
	    "WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n"
	    " WHERE k < %d) INSERT OR REPLACE INTO kv"
	    " SELECT k, %d, randomblob(600) FROM n",
	    n - 1, v);
	assert_int_equal(
	    sqlite3_exec(stream_db(s), sql, NULL, NULL, NULL), SQLITE_OK);
}

/* A commit far larger than a record comes to followers in parts, is seen
 * whole or not at all, and holds up no other stream. */
static void
large_commits_come_in_parts(void **state)
{
	struct stream *s = site_stream("location"), *small;
	struct seen seen;
	struct err e;
	struct ack a, b;
	int round;

	(void)state;
	small = world_stream(repl[0], loop, "x",
	    world_site_own(&site, "st", 0, "srv1 srv2"), KV_SCHEMA, 4096);
	kv_put(s, 1, 1, 1);
	world_settle(loop, s);
	world_site_wait_applied(&site, 1, "location", lsn_of(s));
	reading(&seen, 1, "location");
	for (round = 0; round < 3; round++) {
		put_many(s, 12000, round);
		ask(s, &a);
		assert_int_equal(stream_commit(s, &e), 0);
		kv_put(small, round, round, 10);
		ask(small, &b);
		assert_int_equal(stream_commit(small, &e), 0);
		world_run(loop, &b.done);
		while (a.done == 0) {
			world_pass(loop, 2000);
			assert_int_equal(number(reader_db(seen.rd),
					     "SELECT count(DISTINCT v) "
					     "FROM kv"),
			    1);
		}
	}
	reader_close(&seen.rd);
	same_as(s, 1, "location");
	same_as(small, 1, "x");
	stream_close(&s);
	stream_close(&small);
}

/* Cut after any number of bytes, again and again, a connection loses nothing
 * but time. */
static void
a_wire_may_be_cut_anywhere(void **state)
{
	struct stream *s = site_stream("location");
	struct load t;
	int round;

	(void)state;
	for (round = 0; round < 40; round++) {
		load_start(&t, s, 20, 4, 300);
		site.wire[0][1].cut = 1 + dice(30000);
		world_run(loop, &t.done);
		world_site_join(&site, 0, 1);
		if (round % 8 == 0)
			world_site_wait_member(&site, "sr", 1, true);
	}
	world_site_wait_member(&site, "sr", 1, true);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* Many more streams than databases are held open, all led from one server and
 * then from another. */
static void
many_streams_share_few_files(void **state)
{
	enum { MANY = 150 };
	struct stream *s[MANY];
	uint64_t epoch = world_site_own(&site, "st", 0, "srv1");
	char name[64];
	int i, turn, at;

	(void)state;
	for (turn = 0; turn < 3; turn++) {
		at = turn % 2;
		for (i = 0; i < MANY; i++) {
			snprintf(name, sizeof name, "domain/%d", i);
			s[i] = world_stream(
			    repl[at], loop, name, epoch, KV_SCHEMA, 1024);
			kv_put(s[i], turn, i, 100);
		}
		world_site_wait_member(&site, "st", !at, true);
		for (i = 0; i < MANY; i++) {
			kv_put(s[i], turn + 10, i, 100);
			world_settle(loop, s[i]);
		}
		for (i = 0; i < MANY; i++) {
			snprintf(name, sizeof name, "domain/%d", i);
			if (i % 10 == 0)
				same_as(s[i], (unsigned)!at, name);
			stream_close(&s[i]);
		}
		epoch = world_site_own(&site, "st", (unsigned)!at, NULL);
	}
}

/* ---- segments ----------------------------------------------------------- */

enum { BUSY = 40 };

struct opens {
	int left, done;
};

static void
on_opened(void *arg, struct stream *s, const struct err *e)
{
	struct opens *o = arg;

	(void)s;
	assert_null(e);
	o->done = --o->left == 0;
}

/* All streams at once, so that owners are welcomed while syncs are under
 * way. */
static void
open_busy(struct stream *s[BUSY], unsigned server, uint64_t epoch)
{
	struct stream_config c = {.epoch = epoch,
	    .page_size = 1024,
	    .schema = KV_SCHEMA,
	    .on_ready = on_opened};
	struct opens opens = {.left = BUSY};
	char name[BUSY][32];
	struct err e;
	int i;

	c.arg = &opens;
	for (i = 0; i < BUSY; i++) {
		snprintf(name[i], sizeof name[i], "domain/%d", i);
		c.name = name[i];
		assert_int_equal(stream_open(repl[server], &c, &s[i], &e), 0);
	}
	world_run(loop, &opens.done);
}

/* A segment of the ship log may end at any record: also at the one that makes
 * a stream an owner's, while a sync is under way. */
static void
segments_end_while_owners_come(void **state)
{
	struct stream *s[BUSY];
	uint64_t epoch = world_site_own(&site, "st", 0, "srv1");
	unsigned at, turn;
	int i;

	(void)state;
	for (at = 0; at < 2; at++) {
		world_site_stop(&site, at, SIGKILL);
		site.w[at].segment = 16 << 10;
		world_site_start(&site, at);
		link_to(at);
	}
	for (turn = 0; turn < 60; turn++) {
		at = turn % 2;
		open_busy(s, at, epoch);
		world_site_wait_member(&site, "st", !at, true);
		for (i = 0; i < BUSY; i++)
			kv_put(s[i], (int)turn, i, 100);
		for (i = 0; i < BUSY; i++)
			world_settle(loop, s[i]);
		same_as(s[turn % BUSY], !at, stream_name(s[turn % BUSY]));
		for (i = 0; i < BUSY; i++)
			stream_close(&s[i]);
		epoch = world_site_own(&site, "st", !at, NULL);
	}
}

int
main(void)
{
#define T2(f) cmocka_unit_test_setup_teardown(f, setup_2, teardown)
#define T3(f) cmocka_unit_test_setup_teardown(f, setup_3, teardown)
	const struct CMUnitTest tests[] = {
	    T2(one_server_is_enough),
	    T2(one_server_is_silent_without_the_others),
	    T2(a_follower_becomes_a_member),
	    T2(a_dead_member_is_removed_first),
	    T2(a_member_with_a_full_disk_is_removed),
	    T2(a_silent_member_is_removed),
	    T2(an_unknown_outcome_is_a_yes),
	    T2(a_new_replicator_doubts_the_map),
	    T2(a_refusal_counts_for_what_it_answers),
	    T3(owners_change_servers),
	    T2(an_owner_that_was_cut_off_is_undone),
	    T2(what_was_acknowledged_alone_is_kept),
	    T3(a_follower_that_is_ahead_goes_back),
	    T2(a_new_server_is_sent_the_database),
	    T2(a_copy_may_be_broken_off),
	    T3(an_owner_outlives_its_replicator),
	    T2(large_commits_come_in_parts),
	    T2(a_wire_may_be_cut_anywhere),
	    T2(many_streams_share_few_files),
	    T2(segments_end_while_owners_come),
	};

	signal(SIGPIPE, SIG_IGN);
	if (getenv("TEST_SEED") != NULL)
		seed = (unsigned)atoi(getenv("TEST_SEED"));
	return cmocka_run_group_tests_name(
	    "replicator_site", tests, NULL, NULL);
}
