/* Databases that are damaged at rest: a replica is made anew from a good one,
 * an owner gives its key away, and damage goes nowhere. */
#include <fcntl.h>
#include <sys/stat.h>

#include "site_fixture.h"

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

/* Where a history is kept it has the page. */
static void
one_that_is_alone_mends_from_its_history(void **state)
{
	struct stream *s;
	int i;

	(void)state;
	name = "domain/aa";
	world_site_stop(&site, 1, SIGKILL);
	world_site_stop(&site, 0, SIGKILL);
	site.w[0].past_keep = 86400 * CLOCK_SEC;
	site.w[0].past_bytes = 1 << 30;
	world_site_start(&site, 0);
	link_to(0);
	s = world_stream(repl[0], loop, name,
	    world_site_own(&site, "st", 0, "srv1"), KV_SCHEMA, PAGE);
	for (i = 0; i < 3; i++)
		fill(s);
	stream_close(&s);
	rot(0);
	s = world_stream(repl[0], loop, name,
	    world_site_own(&site, "st", 0, "srv1"), KV_SCHEMA, PAGE);
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

int
main(void)
{
#define T2(f) cmocka_unit_test_setup_teardown(f, setup_2, teardown)
	const struct CMUnitTest tests[] = {
	    T2(a_damaged_replica_is_made_anew),
	    T2(a_damaged_owner_gives_its_key_away),
	    T2(one_that_is_alone_keeps_what_it_has),
	    T2(one_that_is_alone_mends_from_its_history),
	    T2(damage_is_not_copied),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
