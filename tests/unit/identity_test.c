/* Identities of servers, and tokens: what is made, kept and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/base/str.h"
#include "daemon/supervisor/identity.h"
#include "daemon/supervisor/supervisor.h"
#include "tests/lib/cluster.h"
#include "tests/lib/scratch.h"

static char state_dir[64];

static int
setup(void **state)
{
	struct keys keys;

	(void)state;
	scratch_make(state_dir);
	return keys_load(&keys, state_dir, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	scratch_remove(state_dir);
	return 0;
}

static unsigned
rights(const char *file)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", state_dir, file);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

/* The first start makes a cluster; the next finds the same; its secrets are
 * for the supervisor alone. */
static void
first_start_makes_a_cluster(void **state)
{
	struct identity a, b;
	struct err e;

	(void)state;
	assert_int_equal(identity_load(state_dir, "srv1", &a, &e), 0);
	assert_int_equal(identity_load(state_dir, "srv1", &b, &e), 0);
	assert_string_equal(a.pem, b.pem);
	assert_string_equal(a.cluster, b.cluster);
	assert_int_equal(strlen(a.cluster), 32);
	assert_int_equal(rights("tls"), 0700);
	assert_int_equal(rights("tls/ca.key"), 0600);
	assert_int_equal(rights("tls/identity.pem"), 0600);
	identity_fini(&a);
	identity_fini(&b);
}

/* An identity of another server, or with a part missing, is refused; nothing
 * is made in its place. */
static void
damaged_identity_is_refused(void **state)
{
	char path[160];
	struct identity id;
	struct err e;

	(void)state;
	assert_int_equal(identity_load(state_dir, "srv1", &id, &e), 0);
	identity_fini(&id);
	assert_int_equal(
	    identity_load(state_dir, "srv2", &id, &e), -ERR_CORRUPT);
	assert_non_null(strstr(e.text, "it is server srv1's"));
	snprintf(path, sizeof path, "%s/tls/ca.key", state_dir);
	unlink(path);
	assert_int_equal(
	    identity_load(state_dir, "srv1", &id, &e), -ERR_CORRUPT);
	scratch_write(path, "x", 1);
	assert_int_equal(
	    identity_load(state_dir, "srv1", &id, &e), -ERR_CORRUPT);
	assert_null(id.pem);
}

/* A server that joined and lost its identity founds no cluster of its own. */
static void
joined_server_makes_no_cluster(void **state)
{
	char path[160];
	struct identity id;
	struct err e;

	(void)state;
	snprintf(path, sizeof path, "%s/servers", state_dir);
	scratch_write(path, "site demo\n", 10);
	assert_int_equal(
	    identity_load(state_dir, "srv1", &id, &e), -ERR_CORRUPT);
	assert_non_null(strstr(e.text, "join again"));
}

/* What one server gives, another takes: same cluster, same keys, and it can
 * give in turn. */
static void
gift_is_taken_whole(void **state)
{
	struct identity id, other;
	struct identity_gift g;
	struct mesh_server list[2] = {{.name = "srv1"}}, back[4];
	struct identity_site site = {.name = "demo", .servers = list, .n = 1};
	struct keys a, b;
	uint8_t point[CA_POINT];
	char *key, dir[64];
	struct err e;

	(void)state;
	assert_int_equal(identity_load(state_dir, "srv1", &id, &e), 0);
	assert_int_equal(ca_key_make(&key, &e), 0);
	assert_int_equal(ca_point(key, point, &e), 0);
	assert_int_equal(identity_give(state_dir, "srv2", point, &g, &e), 0);
	addr_parse(&list[0].inside, "10.0.0.1", 20000);
	scratch_make(dir);
	assert_int_equal(identity_blank(dir, &e), 0);
	assert_int_equal(identity_take(dir, "srv2", key, &g, &site, &e), 0);
	assert_int_equal(identity_check_witness(dir, false, &e), 0);
	assert_int_equal(identity_check_witness(dir, true, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "has joined as one with data"));
	assert_int_equal(identity_blank(dir, &e), -ERR_CONFLICT);
	assert_int_equal(identity_load(dir, "srv2", &other, &e), 0);
	assert_string_equal(id.cluster, other.cluster);
	assert_int_equal(keys_load(&a, state_dir, &e), 0);
	assert_int_equal(keys_load(&b, dir, &e), 0);
	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(identity_servers(dir, back, 4), 1);
	assert_string_equal(back[0].name, "srv1");
	assert_true(addr_equal(&back[0].inside, &list[0].inside));
	assert_int_equal(identity_servers(state_dir, back, 4), 0);
	identity_gift_fini(&g);
	assert_int_equal(identity_give(dir, "srv3", point, &g, &e), 0);
	identity_gift_fini(&g);
	identity_fini(&id);
	identity_fini(&other);
	ca_forget(&key);
	scratch_remove(dir);
}

/* A gift that does not fit its own parts is not taken: no identity appears. */
static void
gift_of_another_cluster_is_not_taken(void **state)
{
	struct identity id;
	struct identity_gift g;
	const struct identity_site site = {.name = "demo"};
	struct cluster other;
	uint8_t point[CA_POINT];
	char *key, dir[64];
	struct err e;

	(void)state;
	assert_int_equal(identity_load(state_dir, "srv1", &id, &e), 0);
	assert_int_equal(ca_key_make(&key, &e), 0);
	assert_int_equal(ca_point(key, point, &e), 0);
	assert_int_equal(identity_give(state_dir, "srv2", point, &g, &e), 0);
	cluster_make(&other);
	free(g.ca_key);
	g.ca_key = strdup(other.key);
	scratch_make(dir);
	assert_int_not_equal(identity_take(dir, "srv2", key, &g, &site, &e), 0);
	assert_int_equal(identity_blank(dir, &e), 0);
	cluster_forget(&other);
	identity_gift_fini(&g);
	identity_fini(&id);
	ca_forget(&key);
	scratch_remove(dir);
}

/* ---- certificates ------------------------------------------------------- */

/* A request says its name and its key, and not a byte of it can be changed. */
static void
request_is_what_was_signed(void **state)
{
	uint8_t csr[CA_CSR], point[CA_POINT], own[CA_POINT];
	char *key, name[CA_NAME];
	size_t n = sizeof csr, i;
	struct err e;

	(void)state;
	assert_int_equal(ca_key_make(&key, &e), 0);
	assert_int_equal(ca_point(key, own, &e), 0);
	assert_int_equal(ca_csr_make(key, "srv2", csr, &n, &e), 0);
	assert_int_equal(ca_csr_open(csr, n, name, point, &e), 0);
	assert_string_equal(name, "srv2");
	assert_memory_equal(point, own, CA_POINT);
	for (i = 0; i < n; i++) {
		csr[i] ^= 1;
		assert_int_not_equal(ca_csr_open(csr, n, name, point, &e), 0);
		csr[i] ^= 1;
	}
	assert_int_not_equal(ca_csr_open(csr, n - 1, name, point, &e), 0);
	ca_forget(&key);
}

/* Only names of servers are signed, only over keys of the curve. */
static void
nothing_else_is_signed(void **state)
{
	static const char *const names[] = {
	    "", "Srv", "-a", "a b", "a/b", "abcdefghijklmnopqrstuvwxyz0123456"};
	uint8_t point[CA_POINT] = {4, 1, 2, 3};
	struct cluster c;
	char *certificate;
	struct err e;
	size_t i;

	(void)state;
	cluster_make(&c);
	assert_int_not_equal(
	    ca_sign(c.key, c.certificate, "srv", point, &certificate, &e), 0);
	assert_int_equal(ca_point(c.key, point, &e), 0);
	for (i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_not_equal(ca_sign(c.key, c.certificate, names[i],
					 point, &certificate, &e),
		    0);
	cluster_forget(&c);
}

/* ---- tokens ------------------------------------------------------------- */

static const uint8_t hash[TOKEN_HASH] = {1, 2, 3};
static const uint8_t wrong[TOKEN_HASH] = {1, 2, 4};

static void
make_tls(void)
{
	struct identity id;

	assert_int_equal(identity_load(state_dir, "srv1", &id, NULL), 0);
	identity_fini(&id);
}

/* A token is good once, for one name, until it expires. */
static void
token_is_good_once(void **state)
{
	bool again, named;
	struct err e;

	(void)state;
	make_tls();
	assert_int_equal(token_add(state_dir, hash, "", 1000, 500, &e), 0);
	assert_int_equal(rights("tls/tokens"), 0600);
	assert_int_equal(
	    token_check(state_dir, wrong, "srv2", 500, &again, &named, &e),
	    -ERR_PERMISSION);
	assert_string_equal(e.text, "this server does not know the token");
	assert_int_equal(
	    token_check(state_dir, hash, "srv2", 500, &again, &named, &e), 0);
	assert_false(again || named);
	assert_int_equal(token_begin(state_dir, hash, "srv2", 500, &e), 0);
	assert_int_equal(
	    token_check(state_dir, hash, "srv2", 500, &again, &named, &e), 0);
	assert_true(again && !named);
	assert_int_equal(
	    token_begin(state_dir, hash, "srv3", 500, &e), -ERR_PERMISSION);
	assert_string_equal(
	    e.text, "server srv2 has begun to join with the token");
	assert_int_equal(
	    token_use(state_dir, hash, "srv2", 1000, &e), -ERR_PERMISSION);
	assert_string_equal(e.text, "the token has expired");
	assert_int_equal(token_use(state_dir, hash, "srv2", 999, &e), 0);
	assert_int_equal(
	    token_use(state_dir, hash, "srv2", 999, &e), -ERR_PERMISSION);
	assert_string_equal(e.text, "the token has been used already");
}

/* A token made for a name is for no other. */
static void
named_token_is_for_that_name(void **state)
{
	bool again, named;
	struct err e;

	(void)state;
	make_tls();
	assert_int_equal(token_add(state_dir, hash, "srv2", 1000, 500, &e), 0);
	assert_int_equal(
	    token_check(state_dir, hash, "srv3", 500, &again, &named, &e),
	    -ERR_PERMISSION);
	assert_string_equal(e.text, "the token is for server srv2, not srv3");
	assert_int_equal(
	    token_check(state_dir, hash, "srv2", 500, &again, &named, &e), 0);
	assert_true(named && !again);
}

/* So many can be open; those that are over make room. */
static void
tokens_are_bounded(void **state)
{
	uint8_t h[TOKEN_HASH] = {0};
	struct err e;
	unsigned i;

	(void)state;
	make_tls();
	for (i = 0; i < TOKENS_MAX; i++) {
		h[0] = (uint8_t)i;
		assert_int_equal(token_add(state_dir, h, "", 1000, 500, &e), 0);
	}
	h[0] = 99;
	assert_int_equal(token_add(state_dir, h, "", 1000, 500, &e), -ERR_FULL);
	assert_int_equal(token_add(state_dir, h, "", 3000, 1001, &e), 0);
	h[0] = 98;
	assert_int_equal(token_add(state_dir, h, "", 99999, 90000, &e), 0);
}

/* The public key of a new key. */
static void
new_point(uint8_t point[CA_POINT])
{
	char *key;

	assert_int_equal(ca_key_make(&key, NULL), 0);
	assert_int_equal(ca_point(key, point, NULL), 0);
	ca_forget(&key);
}

/* The supervisor gives keys only against a good secret, whatever it is
 * asked. */
static void
nothing_is_given_without_a_secret(void **state)
{
	struct role_join q = {.serial = 7, .what = ROLE_JOIN_FINISH};
	struct role_joined a;
	int fd;

	(void)state;
	make_tls();
	str_copy(q.name, sizeof q.name, "srv2");
	new_point(q.point);
	admit(state_dir, &q, 500, &a, &fd);
	assert_int_equal(a.code, ERR_PERMISSION);
	assert_int_equal(a.serial, 7);
	assert_int_equal(fd, -1);
	q.what = ROLE_JOIN_TOKEN;
	join_token_hash(q.hash, q.secret);
	q.expires = 1000;
	admit(state_dir, &q, 500, &a, &fd);
	assert_int_equal(a.code, ERR_NONE);
	q.what = ROLE_JOIN_FINISH;
	admit(state_dir, &q, 500, &a, &fd);
	assert_int_equal(a.code, ERR_NONE);
	assert_true(fd >= 0);
	close(fd);
	admit(state_dir, &q, 500, &a, &fd);
	assert_int_equal(a.code, ERR_PERMISSION);
	assert_int_equal(fd, -1);
	q.what = (enum role_join_what)77;
	admit(state_dir, &q, 500, &a, &fd);
	assert_int_equal(a.code, ERR_INVALID);
	memset(q.name, 'a', sizeof q.name);
	q.what = ROLE_JOIN_CHECK;
	admit(state_dir, &q, 500, &a, &fd);
	assert_int_equal(a.code, ERR_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {T(first_start_makes_a_cluster),
	    T(damaged_identity_is_refused), T(joined_server_makes_no_cluster),
	    T(gift_is_taken_whole), T(gift_of_another_cluster_is_not_taken),
	    cmocka_unit_test(request_is_what_was_signed),
	    cmocka_unit_test(nothing_else_is_signed), T(token_is_good_once),
	    T(named_token_is_for_that_name), T(tokens_are_bounded),
	    T(nothing_is_given_without_a_secret)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
