/* The owner map: one writer, readers that see whole entries only. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replication/replication.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"

static struct owner
entry(const char *key, uint64_t epoch)
{
	struct owner o = {.epoch = epoch, .state = OWNER_SERVING};

	snprintf(o.key, sizeof o.key, "%s", key);
	snprintf(o.instance, sizeof o.instance, "x/1@srv%llu",
	    (unsigned long long)epoch);
	addr_parse(&o.inside, "127.0.0.1", (uint16_t)(1000 + epoch % 1000));
	return o;
}

/* What is put under a key is found under it, by readers too, and replaced by
 * the next put; what is removed is gone, and its place is used again. */
static void
entries_are_found_replaced_removed(void **state)
{
	struct owner_map *w, *r;
	struct owner o = entry("sr", 1), got;
	struct err e;
	uint64_t version;
	unsigned at = 0;

	(void)state;
	assert_int_equal(owner_map_create(NULL, &w, &e), 0);
	assert_int_equal(owner_map_attach(owner_map_fd(w), &r, &e), 0);
	assert_false(owner_map_find(r, "sr", &got));
	assert_int_equal(owner_map_put(w, &o), 0);
	version = owner_map_version(r);
	assert_true(owner_map_find(r, "sr", &got));
	assert_memory_equal(&got.inside, &o.inside, sizeof o.inside);
	assert_string_equal(got.instance, "x/1@srv1");
	assert_false(got.drain);
	o = entry("sr", 2);
	o.drain = true;
	assert_int_equal(owner_map_put(w, &o), 0);
	assert_true(owner_map_version(r) > version);
	assert_true(owner_map_find(r, "sr", &got));
	assert_int_equal(got.epoch, 2);
	assert_true(got.drain);
	owner_map_remove(w, "sr");
	assert_false(owner_map_find(r, "sr", &got));
	o = entry("st", 3);
	assert_int_equal(owner_map_put(w, &o), 0);
	assert_true(owner_map_next(r, &at, &got));
	assert_string_equal(got.key, "st");
	assert_false(owner_map_next(r, &at, &got));
	owner_map_close(&r);
	owner_map_close(&w);
}

/* The map takes OWNER_MAP_MAX keys and refuses one more. */
static void
the_map_is_bounded(void **state)
{
	struct owner_map *w;
	struct owner o;
	struct err e;
	char key[32];
	int i;

	(void)state;
	assert_int_equal(owner_map_create(NULL, &w, &e), 0);
	for (i = 0; i <= OWNER_MAP_MAX; i++) {
		snprintf(key, sizeof key, "k%d", i);
		o = entry(key, 1);
		assert_int_equal(
		    owner_map_put(w, &o), i < OWNER_MAP_MAX ? 0 : -ERR_FULL);
	}
	owner_map_remove(w, "k7");
	assert_int_equal(owner_map_put(w, &o), 0);
	owner_map_close(&w);
}

/* The descriptor given to readers cannot be written through, neither by
 * write(2) nor by a mapping. */
static void
readers_cannot_write(void **state)
{
	struct owner_map *w;
	struct err e;
	char dir[64], path[100];
	int i;

	(void)state;
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/owners", dir);
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    owner_map_create(i == 0 ? NULL : path, &w, &e), 0);
		assert_int_equal(write(owner_map_fd(w), "x", 1), -1);
		assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_SHARED, owner_map_fd(w), 0),
		    MAP_FAILED);
		owner_map_close(&w);
	}
	scratch_remove(dir);
}

/* A file that is no owner map is refused; one with wild contents is read
 * without leaving its bounds. */
static void
foreign_files_do_no_harm(void **state)
{
	struct owner_map *w, *r;
	struct owner o = entry("sr", 1), got;
	struct err e;
	char dir[64], path[100];
	uint8_t *bytes;
	size_t n, i;
	unsigned at = 0;
	int fd;

	(void)state;
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/owners", dir);
	assert_int_equal(owner_map_create(path, &w, &e), 0);
	owner_map_put(w, &o);
	owner_map_close(&w);
	bytes = scratch_read(path, &n);
	for (i = 12; i < n; i++)
		bytes[i] = i % 192 < 64 + 16 ? 2 : 0xff;
	scratch_write(path, bytes, n);
	fd = open(path, O_RDONLY);
	assert_int_equal(owner_map_attach(fd, &r, &e), 0);
	while (owner_map_next(r, &at, &got))
		assert_true(strlen(got.instance) < sizeof got.instance);
	owner_map_close(&r);
	close(fd);
	scratch_write(path, bytes, 100);
	fd = open(path, O_RDONLY);
	assert_int_equal(owner_map_attach(fd, &r, &e), -ERR_CORRUPT);
	close(fd);
	bytes[0] = 'x';
	scratch_write(path, bytes, n);
	fd = open(path, O_RDONLY);
	assert_int_equal(owner_map_attach(fd, &r, &e), -ERR_CORRUPT);
	close(fd);
	free(bytes);
	scratch_remove(dir);
}

/* While another process rewrites an entry as fast as it can, every copy a
 * reader takes is one that was once put. */
static void
copies_are_consistent(void **state)
{
	struct owner_map *w, *r;
	struct owner o = entry("sr", 0), got;
	struct err e;
	char want[OWNER_INSTANCE];
	uint64_t i;
	int go[2], seen = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(owner_map_create(NULL, &w, &e), 0);
	owner_map_put(w, &o);
	assert_int_equal(pipe(go), 0);
	if ((pid = fork()) == 0) {
		for (i = 1; i <= 200000; i++) {
			o = entry("sr", i);
			owner_map_put(w, &o);
			if (i == 1 && write(go[1], "", 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(read(go[0], want, 1), 1);
	assert_int_equal(owner_map_attach(owner_map_fd(w), &r, &e), 0);
	do {
		if (!owner_map_find(r, "sr", &got))
			continue;
		snprintf(want, sizeof want, "x/1@srv%llu",
		    (unsigned long long)got.epoch);
		assert_string_equal(got.instance, want);
		assert_int_equal(
		    addr_port(&got.inside), 1000 + got.epoch % 1000);
		seen++;
	} while (got.epoch < 200000);
	assert_true(seen > 0);
	waitpid(pid, NULL, 0);
	close(go[0]);
	close(go[1]);
	owner_map_close(&r);
	owner_map_close(&w);
}

/* Without memory, creating and attaching fail and leave nothing behind. */
static void
no_memory_is_an_error(void **state)
{
	struct owner_map *w = NULL, *r = NULL;
	struct err e;
	long n;

	(void)state;
	for (n = 0;; n++) {
		fault_alloc_at(n);
		if (owner_map_create(NULL, &w, &e) == 0 &&
		    owner_map_attach(owner_map_fd(w), &r, &e) == 0) {
			fault_alloc_off();
			break;
		}
		fault_alloc_off();
		assert_int_equal(e.code, ERR_NOMEM);
		owner_map_close(&w);
	}
	assert_true(n > 0);
	owner_map_close(&r);
	owner_map_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries_are_found_replaced_removed),
	    cmocka_unit_test(the_map_is_bounded),
	    cmocka_unit_test(readers_cannot_write),
	    cmocka_unit_test(foreign_files_do_no_harm),
	    cmocka_unit_test(copies_are_consistent),
	    cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests_name("owner_map", tests, NULL, NULL);
}
