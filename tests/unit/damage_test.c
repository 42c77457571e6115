/* Databases that are damaged at rest, removed, or put back: a replica is made
 * anew from a good one, an owner gives its key away, damage goes nowhere, and
 * what only one server has is kept. */
#include <fcntl.h>
#include <sys/stat.h>

#include "replication/conflict.h"
#include "replication/page_sum.h"
#include "site_fixture.h"
#include "tests/lib/replay.h"

#define PAGE 1024
#define ROWS 300 /* of some hundred bytes: many pages */

static const char *name = "location"; /* of the stream */

/* The database of a server under its number. */
static const char *
db_path(unsigned server, unsigned number)
{
	static char path[200];
	char file[16] = "";

	if (number != 0)
		snprintf(file, sizeof file, "~%u", number);
	snprintf(
	    path, sizeof path, "%s/%s%s.db", site.w[server].root, name, file);
	return path;
}

static off_t
db_size(unsigned server)
{
	struct stat st;

	return stat(db_path(server, 0), &st) == 0 ? st.st_size : 0;
}

/* A bit in the middle of the file. */
static void
rot(unsigned server)
{
	off_t at = db_size(server) / PAGE / 2 * PAGE + 500;
	int fd = open(db_path(server, 0), O_RDWR);
	uint8_t byte;

	assert_true(at > 10 * PAGE);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void
fill(struct stream *s)
{
	int i;

	for (i = 0; i < ROWS; i++)
		kv_put(s, i, i, 300);
	world_settle(loop, s);
}

/* All rows are in the file itself, nothing in a -wal only. */
static void
wait_written(unsigned server)
{
	while (db_size(server) < ROWS * 300)
		world_pass(loop, 10000);
	world_pass(loop, 100000);
}

/* The file is another one, and nobody is shown the old one any more. */
static void
wait_anew(unsigned server)
{
	while (access(db_path(server, 1), F_OK) != 0 ||
	    access(db_path(server, 0), F_OK) == 0)
		world_pass(loop, 10000);
}

/* The ship log of the server says that the disk has all of it in the file. */
static void
wait_checkpoint(unsigned server, uint64_t lsn)
{
	struct replay r = {0};

	while (r.checkpoint < lsn) {
		world_pass(loop, 100000);
		replay_stream(site.w[server].log, name, UINT64_MAX, &r);
		free(r.pages);
	}
}

/* Every page of the file is what was written. */
static void
wait_good(unsigned server)
{
	static uint8_t pages[1024 * PAGE];
	uint32_t bad = 1;
	int fd;

	while (bad != 0) {
		world_pass(loop, 10000);
		fd = open(db_path(server, 0), O_RDONLY);
		assert_true(page_read(fd, 1, 1024, pages, PAGE,
				page_sum_marked(fd), &bad) > 100);
		close(fd);
	}
}

/* What a full look at the table gives. */
static int
look(struct stream *s)
{
	return sqlite3_exec(
	    stream_db(s), "SELECT sum(length(pad)) FROM kv", NULL, NULL, NULL);
}

/* ---- laws --------------------------------------------------------------- */

/* Nobody reads that page, and it is found all the same. */
static void
a_damaged_replica_is_made_anew(void **state)
{
	struct stream *s = site_stream("location");

	(void)state;
	fill(s);
	wait_written(1);
	world_site_stop(&site, 1, SIGKILL);
	rot(1);
	world_site_start(&site, 1);
	link_to(1);
	wait_anew(1);
	world_site_wait_member(&site, "sr", 1, true);
	same_as(s, 1, "location");
	kv_put(s, 1, -1, 300);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* An owner that meets damage is given an error, not what the page holds; its
 * key goes to another member, and then its database is made anew too. */
static void
a_damaged_owner_gives_its_key_away(void **state)
{
	struct stream *s = site_stream("location");
	uint64_t epoch;

	(void)state;
	fill(s);
	wait_written(1);
	stream_close(&s); /* all goes into the file, and the -wal away */
	rot(0);
	epoch = world_site_own(&site, "sr", 0, NULL);
	s = world_stream(repl[0], loop, "location", epoch, KV_SCHEMA, PAGE);
	assert_int_equal(look(s) & 0xff, SQLITE_IOERR);
	world_run(loop, &site.gives);
	stream_close(&s);
	epoch = world_site_own(&site, "sr", 1, NULL);
	s = world_stream(repl[1], loop, "location", epoch, KV_SCHEMA, PAGE);
	assert_int_equal(look(s), SQLITE_OK);
	assert_int_equal(number(stream_db(s), "SELECT count(*) FROM kv"), ROWS);
	wait_anew(0);
	world_site_wait_member(&site, "sr", 0, true);
	same_as(s, 0, "location");
	stream_close(&s);
}

static void
remove_beside(unsigned server, const char *end)
{
	char path[208];

	snprintf(path, sizeof path, "%s%s", db_path(server, 0), end);
	unlink(path);
}

/* Somebody removes a -wal that the owner writes: it stops, and the next one
 * finds all that was acknowledged, which the ship log has. */
static void
a_removed_wal_is_made_good(void **state)
{
	struct stream *s = site_stream("location");
	struct fate fate;
	struct err e;

	(void)state;
	stream_close(&s);
	s = open_fate(0, world_site_own(&site, "sr", 0, NULL), &fate);
	world_run(loop, &fate.ready);
	fill(s);
	fill(s);
	remove_beside(0, "-wal");
	remove_beside(0, "-shm");
	assert_int_equal(stream_join(s, &e), -ERR_CORRUPT);
	world_run(loop, &fate.lost);
	stream_close(&s);
	s = world_stream(repl[0], loop, "location",
	    world_site_own(&site, "sr", 0, NULL), KV_SCHEMA, PAGE);
	assert_int_equal(number(stream_db(s), "SELECT count(*) FROM kv"), ROWS);
	kv_put(s, 1, -1, 10);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* The same of a replica, and of one whose server is down meanwhile. */
static void
a_removed_replica_is_made_anew(void **state)
{
	struct stream *s = site_stream("location");

	(void)state;
	fill(s);
	wait_written(1);
	remove_beside(1, "-wal");
	remove_beside(1, "-shm");
	wait_anew(1);
	same_as(s, 1, "location");
	stream_close(&s);
}

static void
a_replica_that_went_away_is_made_anew(void **state)
{
	struct stream *s = site_stream("location");

	(void)state;
	fill(s);
	wait_written(1);
	wait_checkpoint(1, lsn_of(s));
	world_site_stop(&site, 1, SIGKILL);
	remove_beside(1, "");
	remove_beside(1, "-wal");
	remove_beside(1, "-shm");
	remove_beside(1, "-lsn");
	world_site_start(&site, 1);
	link_to(1);
	wait_anew(1);
	same_as(s, 1, "location");
	kv_put(s, 1, -1, 10);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* A page of zeros is none that was written. */
static void
a_page_of_zeros_is_damage(void **state)
{
	struct stream *s = site_stream("location");
	uint8_t zeros[PAGE] = {0};
	int fd;

	(void)state;
	fill(s);
	wait_written(1);
	world_site_stop(&site, 1, SIGKILL);
	fd = open(db_path(1, 0), O_RDWR);
	assert_int_equal(pwrite(fd, zeros, PAGE, 20 * PAGE), PAGE);
	close(fd);
	world_site_start(&site, 1);
	link_to(1);
	wait_anew(1);
	same_as(s, 1, "location");
	stream_close(&s);
}

/* It cannot help itself: it goes on with what is good, and sends no copy. */
static void
one_that_is_alone_keeps_what_it_has(void **state)
{
	struct stream *s;
	uint64_t epoch;

	(void)state;
	world_site_stop(&site, 1, SIGKILL);
	epoch = world_site_own(&site, "sr", 0, "srv1");
	s = world_stream(repl[0], loop, "location", epoch, KV_SCHEMA, PAGE);
	fill(s);
	stream_close(&s);
	rot(0);
	epoch = world_site_own(&site, "sr", 0, "srv1");
	s = world_stream(repl[0], loop, "location", epoch, KV_SCHEMA, PAGE);
	assert_int_equal(look(s) & 0xff, SQLITE_IOERR);
	kv_put(s, ROWS + 1, 7, 10);
	world_settle(loop, s);
	assert_int_equal(
	    number(stream_db(s), "SELECT v FROM kv WHERE k = 1"), 1);
	world_pass(loop, 200000);
	assert_int_equal(site.gives, 0);
	assert_int_equal(access(db_path(0, 1), F_OK), -1);
	stream_close(&s);
}

static struct stream *
own_here(void)
{
	return world_stream(repl[0], loop, name,
	    world_site_own(&site, "st", 0, "srv1"), KV_SCHEMA, PAGE);
}

/* One server is left, which keeps a history of the domain. */
static struct stream *
alone_with_history(void)
{
	name = "domain/aa";
	world_site_stop(&site, 1, SIGKILL);
	world_site_stop(&site, 0, SIGKILL);
	site.w[0].past_keep = 86400 * CLOCK_SEC;
	site.w[0].past_bytes = 1 << 30;
	world_site_start(&site, 0);
	link_to(0);
	return own_here();
}

/* Where a history is kept it has the page. */
static void
one_that_is_alone_mends_from_its_history(void **state)
{
	struct stream *s;
	int i;

	(void)state;
	s = alone_with_history();
	for (i = 0; i < 3; i++)
		fill(s);
	stream_close(&s);
	rot(0);
	s = own_here();
	assert_int_equal(look(s) & 0xff, SQLITE_IOERR);
	while (look(s) != SQLITE_OK)
		world_pass(loop, 10000);
	assert_int_equal(number(stream_db(s), "SELECT count(*) FROM kv"), ROWS);
	kv_put(s, 1, -1, 300);
	world_settle(loop, s);
	assert_int_equal(number(stream_db(s),
			     "SELECT count(*) FROM pragma_integrity_check "
			     "WHERE integrity_check = 'ok'"),
	    1);
	assert_int_equal(access(db_path(0, 1), F_OK), -1);
	stream_close(&s);
	name = "location";
}

/* Also a page whose last version stands in the -wal still, from where a
 * checkpoint has copied it and will not do so again. */
static void
so_is_a_page_that_a_checkpoint_has_copied(void **state)
{
	struct seen seen;
	struct stream *s;
	char *is, *want;

	(void)state;
	s = alone_with_history();
	fill(s);
	wait_written(0);
	wait_checkpoint(0, lsn_of(s));
	fill(s); /* other bytes, which the log does not know to be there */
	wait_written(0);
	world_pass(loop, 500000);
	rot(0);
	world_site_stop(&site, 0, SIGKILL); /* the owner goes on */
	world_site_start(&site, 0);
	link_to(0);
	wait_good(0);
	reading(&seen, 0, name);
	is = dump(reader_db(seen.rd));
	want = dump(stream_db(s));
	assert_string_equal(is, want);
	free(is);
	free(want);
	reader_close(&seen.rd);
	stream_close(&s);
	name = "location";
}

/* Two are damaged: the replica is set aside, and is not sent what is damaged
 * too; the owner goes on alone with what is good. */
static void
damage_is_not_copied(void **state)
{
	struct stream *s = site_stream("location");

	(void)state;
	fill(s);
	wait_written(1);
	stream_close(&s);
	world_site_stop(&site, 1, SIGKILL);
	rot(0);
	rot(1);
	s = world_stream(repl[0], loop, "location",
	    world_site_own(&site, "sr", 0, "srv1"), KV_SCHEMA, PAGE);
	world_site_start(&site, 1);
	link_to(1);
	world_pass(loop, 1000000);
	assert_false(world_site_is_member(&site, "sr", 1));
	assert_int_equal(access(db_path(1, 0), F_OK), 0); /* no other is */
	kv_put(s, 1, -1, 300);
	world_settle(loop, s);
	stream_close(&s);
}

/* ---- disks that were put back ---------------------------------------------
 */

/* The disk of a server, taken away and put back. */
static void
disk_copy(const char *from, const char *to)
{
	char command[300];

	snprintf(
	    command, sizeof command, "rm -rf %s && cp -a %s %s", to, from, to);
	assert_int_equal(system(command), 0);
}

static int
on_conflict(void *arg, const struct conflict *c)
{
	*(struct conflict *)arg = *c;
	return 0;
}

/* Rows that go on from others, on both servers. */
static void
put_more(struct stream *s, int from, int to, unsigned other)
{
	for (; from < to; from++)
		kv_put(s, from, from, 100);
	same_as(s, other, "location");
}

/* The disk of a server is put back to an older state while both are down, and
 * it becomes the owner: of what it lacks the other one keeps its database, told
 * and to be looked at. */
static void
put_back(unsigned back)
{
	struct stream *s = site_stream("location");
	unsigned other = 1 - back, i;
	struct conflict c = {0};
	uint64_t before, after;
	char saved[100];
	struct err e;

	snprintf(saved, sizeof saved, "%s.saved", site.w[back].dir);
	put_more(s, 0, 50, 1);
	before = lsn_of(s);
	world_site_stop(&site, back, SIGKILL);
	disk_copy(site.w[back].dir, saved);
	world_site_start(&site, back);
	link_to(back);
	world_site_wait_member(&site, "sr", 1, true);
	put_more(s, 50, 90, 1);
	after = lsn_of(s);
	stream_close(&s);
	if (other == 0) /* which is an owner's proof */
		wait_checkpoint(0, after);
	for (i = 0; i < 2; i++)
		world_site_stop(&site, i, SIGKILL);
	disk_copy(saved, site.w[back].dir);
	for (i = 0; i < 2; i++) {
		world_site_start(&site, i);
		link_to(i);
	}
	s = world_stream(repl[back], loop, "location",
	    world_site_own(&site, "sr", back, NULL), KV_SCHEMA, PAGE);
	same_as(s, other, "location");
	assert_int_equal(number(stream_db(s), "SELECT count(*) FROM kv"), 50);
	assert_int_equal(
	    conflict_each(site.w[other].root, on_conflict, &c, &e), 0);
	assert_string_equal(c.stream, "location");
	assert_int_equal(c.base, before);
	assert_int_equal(c.lsn, after);
	stream_close(&s);
	scratch_remove(saved);
}

static void
what_an_older_disk_lacks_is_kept_by_a_follower(void **state)
{
	(void)state;
	put_back(0);
}

static void
what_an_older_disk_lacks_is_kept_by_a_former_owner(void **state)
{
	(void)state;
	put_back(1);
}

int
main(void)
{
#define T2(f) cmocka_unit_test_setup_teardown(f, setup_2, teardown)
	const struct CMUnitTest tests[] = {
	    T2(a_damaged_replica_is_made_anew),
	    T2(a_damaged_owner_gives_its_key_away),
	    T2(one_that_is_alone_keeps_what_it_has),
	    T2(one_that_is_alone_mends_from_its_history),
	    T2(so_is_a_page_that_a_checkpoint_has_copied),
	    T2(damage_is_not_copied),
	    T2(a_page_of_zeros_is_damage),
	    T2(a_removed_wal_is_made_good),
	    T2(a_removed_replica_is_made_anew),
	    T2(a_replica_that_went_away_is_made_anew),
	    T2(what_an_older_disk_lacks_is_kept_by_a_follower),
	    T2(what_an_older_disk_lacks_is_kept_by_a_former_owner),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
