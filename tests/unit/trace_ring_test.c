/* The ring between a process that writes and one that reads: in order, nothing
 * torn, nothing lost without being counted, and there after either has died. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/trace/ring.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"

#define SIZE (1u << 20)

static char dir[64], path[100];

static int
setup(void **state)
{
	(void)state;
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/sg-1", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	scratch_remove(dir);
	return 0;
}

static struct ring *
open_ring(void)
{
	struct err e;
	struct ring *r = ring_open(path, SIZE, &e);

	if (r == NULL)
		fail_msg("%s", e.text);
	return r;
}

/* A record of n bytes that tells its number by each of them. */
static void
put(struct ring *r, unsigned number, size_t n)
{
	uint8_t *p = ring_begin(r, n);

	assert_non_null(p);
	memset(p, (int)(number % 251), n);
	memcpy(p, &number, sizeof number);
	ring_end(r, n);
}

/* The next record's number; 0 = there is none. */
static unsigned
get(struct ring_reader *reader, size_t *n)
{
	const uint8_t *p;
	unsigned number;
	size_t i;

	if (!ring_next(reader, &p, n))
		return 0;
	memcpy(&number, p, sizeof number);
	for (i = sizeof number; i < *n; i++)
		assert_int_equal(p[i], number % 251);
	return number;
}

static void
records_come_as_they_were_put(void **state)
{
	struct ring *r = open_ring();
	struct ring_reader reader;
	size_t n;
	unsigned i;

	(void)state;
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	for (i = 1; i <= 5000; i++) {
		put(r, i, 4 + i * 37 % 3000);
		assert_int_equal(get(&reader, &n), i);
		assert_int_equal(n, 4 + i * 37 % 3000);
		assert_int_equal(get(&reader, &n), 0);
	}
	assert_int_equal(reader.lost, 0);
	put(r, 1, RING_RECORD);
	assert_int_equal(get(&reader, &n), 1);
	assert_null(ring_begin(r, RING_RECORD + 1));
	ring_detach(&reader);
	ring_close(&r);
}

/* Who is too slow goes on with what is still there, in order, and every record
 * is either read or counted. */
static void
a_slow_reader_counts_what_it_lost(void **state)
{
	struct ring *r = open_ring();
	struct ring_reader reader;
	unsigned i, got, last = 0, read = 0;
	size_t n;

	(void)state;
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	put(r, 1, 100);
	assert_int_equal(get(&reader, &n), 1);
	for (i = 2; i <= 10000; i++)
		put(r, i, 1000);
	while ((got = get(&reader, &n)) != 0) {
		assert_true(got > last);
		last = got;
		read++;
	}
	assert_int_equal(last, 10000);
	assert_true(read > 500);
	assert_int_equal(read + reader.lost, 9999);
	ring_detach(&reader);
	ring_close(&r);
}

/* The writer dies between beginning and end: what was whole is read, and the
 * next process goes on behind it. */
static void
a_writer_that_died_leaves_what_was_whole(void **state)
{
	struct ring_reader reader;
	struct ring *r;
	size_t n;
	pid_t pid;
	int status;

	(void)state;
	if ((pid = fork()) == 0) {
		r = ring_open(path, SIZE, NULL);
		put(r, 1, 500);
		put(r, 2, 600);
		memset(ring_begin(r, 700), 'x', 300);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	assert_int_equal(get(&reader, &n), 1);
	assert_int_equal(get(&reader, &n), 2);
	assert_int_equal(get(&reader, &n), 0);
	r = open_ring();
	put(r, 3, 800);
	assert_int_equal(get(&reader, &n), 3);
	assert_int_equal(reader.lost, 0);
	ring_detach(&reader);
	ring_close(&r);
}

/* A reader that died has taken what it said; the next one reads the rest. */
static void
a_new_reader_begins_behind_what_was_taken(void **state)
{
	struct ring *r = open_ring();
	struct ring_reader reader;
	size_t n;

	(void)state;
	put(r, 1, 100);
	put(r, 2, 100);
	put(r, 3, 100);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	assert_int_equal(get(&reader, &n), 1);
	ring_take(&reader, reader.at, reader.number);
	assert_int_equal(get(&reader, &n), 2);
	ring_detach(&reader);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	assert_int_equal(get(&reader, &n), 2);
	assert_int_equal(get(&reader, &n), 3);
	assert_int_equal(get(&reader, &n), 0);
	ring_detach(&reader);
	ring_close(&r);
}

/* One whole round of the file was written while nobody read it: what is lost
 * is counted even by the next reader. */
static void
what_no_reader_saw_is_counted(void **state)
{
	struct ring *r = open_ring();
	struct ring_reader reader;
	unsigned i, read = 0;
	size_t n;

	(void)state;
	put(r, 1, 100);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	assert_int_equal(get(&reader, &n), 1);
	ring_take(&reader, reader.at, reader.number);
	ring_detach(&reader);
	for (i = 2; i <= 5001; i++)
		put(r, i, 1000);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	while (get(&reader, &n) != 0)
		read++;
	assert_int_equal(read + reader.lost, 5000);
	ring_detach(&reader);
	ring_close(&r);
}

static void *
write_all(void *arg)
{
	struct ring *r = arg;
	unsigned i;

	for (i = 1; i <= 200000; i++)
		put(r, i, 4 + i % 900);
	return NULL;
}

/* Both at once: no record is torn (get looks at every byte), none is out of
 * order, all are read or counted. */
static void
both_at_once_tear_nothing(void **state)
{
	struct ring *r = open_ring();
	struct ring_reader reader;
	unsigned got, last = 0, read = 0;
	pthread_t thread;
	size_t n;

	(void)state;
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_all, r), 0);
	while (last < 200000) {
		if ((got = get(&reader, &n)) == 0)
			continue;
		assert_true(got > last);
		last = got;
		read++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(read + reader.lost, 200000);
	ring_detach(&reader);
	ring_close(&r);
}

/* What somebody wrote over the file is not believed. */
static void
a_damaged_ring_ends_in_silence(void **state)
{
	struct ring *r = open_ring();
	struct ring_reader reader;
	uint8_t *file;
	size_t n, i;

	(void)state;
	for (i = 1; i <= 100; i++)
		put(r, (unsigned)i, 500);
	ring_close(&r);
	file = scratch_read(path, &n);
	memset(file + 4096 + 5000, 0xff, 20000);
	scratch_write(path, file, n);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	for (i = 0; ring_next(&reader, &(const uint8_t *){NULL}, &n); i++)
		;
	assert_true(i < 100);
	ring_detach(&reader);
	memset(file, 'x', 200);
	scratch_write(path, file, 4096 + SIZE);
	assert_true(ring_attach(&reader, path, NULL) < 0);
	r = open_ring(); /* made anew */
	put(r, 7, 100);
	assert_int_equal(ring_attach(&reader, path, NULL), 0);
	assert_int_equal(get(&reader, &n), 7);
	ring_detach(&reader);
	ring_close(&r);
	free(file);
}

/* Without room on the disk there is no ring, and nobody dies of it later. */
static void
a_full_disk_makes_no_ring(void **state)
{
	struct err e;

	(void)state;
	fault_disk_full(true);
	assert_null(ring_open(path, SIZE, &e));
	fault_disk_full(false);
	assert_int_equal(e.code, ERR_FULL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(records_come_as_they_were_put),
	    T(a_slow_reader_counts_what_it_lost),
	    T(a_writer_that_died_leaves_what_was_whole),
	    T(a_new_reader_begins_behind_what_was_taken),
	    T(what_no_reader_saw_is_counted),
	    T(both_at_once_tear_nothing),
	    T(a_damaged_ring_ends_in_silence),
	    T(a_full_disk_makes_no_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
