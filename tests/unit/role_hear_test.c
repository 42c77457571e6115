/* Whom a process hears inside: daemon/role/role_hear.c over a real owner map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"

static struct self self;

/* A map with an instance of each role, living, at port base 20000. */
static int
setup(void **state)
{
	struct err e;

	(void)state;
	log_init("test", false);
	log_fd(-1);
	memset(&self, 0, sizeof self);
	self.port_base = 20000;
	addr_parse(&self.inside, "127.0.0.1", 0);
	return owner_map_create(NULL, &self.owners, &e);
}

static int
teardown(void **state)
{
	(void)state;
	owner_map_close(&self.owners);
	return 0;
}

static void
put(enum role_id id, unsigned index, enum owner_state live)
{
	struct owner o = {.epoch = 1, .state = live};

	snprintf(o.key, sizeof o.key, "%s/%u", role_rows[id].name, index);
	role_inside(&self, id, index, &o.inside);
	assert_int_equal(owner_map_put(self.owners, &o), 0);
}

/* Is this port heard by a process of the role? */
static bool
hears(enum role_id id, const char *host, uint16_t port)
{
	union addr from;

	self.id = id;
	self.ears.read = false;
	assert_true(addr_parse(&from, host, port));
	return role_hears(&self, &from);
}

/* Only the roles of the table, at their own address and port. */
static void
roles_of_the_table_are_heard(void **state)
{
	(void)state;
	put(ROLE_SG, 1, OWNER_SERVING);
	put(ROLE_SG, 2, OWNER_CLAIMING);
	put(ROLE_SR, 1, OWNER_SERVING);
	put(ROLE_B2BUA, 1, OWNER_SERVING);
	put(ROLE_MGC, 1, OWNER_SERVING);
	assert_true(hears(ROLE_SR, "127.0.0.1", 20021));
	assert_true(hears(ROLE_SR, "127.0.0.1", 20022));
	assert_false(hears(ROLE_SR, "127.0.0.1", 20041));
	assert_false(hears(ROLE_SR, "127.0.0.2", 20021));
	assert_true(hears(ROLE_B2BUA, "127.0.0.1", 20021));
	assert_false(hears(ROLE_B2BUA, "127.0.0.1", 20011));
	assert_true(hears(ROLE_SG, "127.0.0.1", 20011));
	assert_true(hears(ROLE_SG, "127.0.0.1", 20041));
	assert_false(hears(ROLE_SG, "127.0.0.1", 20061));
	assert_true(hears(ROLE_MGC, "127.0.0.1", 20051));
	assert_false(hears(ROLE_MGC, "127.0.0.1", 40000));
	assert_true(hears(ROLE_MG, "127.0.0.1", 20061));
	assert_false(hears(ROLE_MG, "127.0.0.1", 20051));
	assert_false(hears(ROLE_ST, "127.0.0.1", 20021));
	assert_int_equal(self.ears.strangers, 7);
}

/* Nobody holds the port of a dead instance; the map is followed. */
static void
the_dead_are_not_heard(void **state)
{
	union addr from;

	(void)state;
	self.id = ROLE_SR;
	addr_parse(&from, "127.0.0.1", 20021);
	assert_false(role_hears(&self, &from));
	put(ROLE_SG, 1, OWNER_SERVING);
	assert_true(role_hears(&self, &from));
	put(ROLE_SG, 1, OWNER_DOWN);
	assert_false(role_hears(&self, &from));
	owner_map_remove(self.owners, "sg/1");
	assert_false(role_hears(&self, &from));
	assert_int_equal(self.ears.strangers, 3);
}

/* B2BUA asks from a port of its own that no instance has. */
static void
the_asking_port_is_known(void **state)
{
	union addr a;

	(void)state;
	self.id = ROLE_B2BUA;
	self.index = ROLE_INSTANCES;
	role_inside(&self, self.id, self.index, &self.inside);
	role_ask(&self, &a);
	assert_int_equal(addr_port(&a), 20058);
	for (int id = 0; id < ROLE_MAX; id++)
		assert_false(role_rows[id].port <= 58 &&
		    role_rows[id].port + ROLE_INSTANCES > 50 &&
		    id != ROLE_B2BUA);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(roles_of_the_table_are_heard),
	    T(the_dead_are_not_heard),
	    T(the_asking_port_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
