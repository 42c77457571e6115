/* The supervisor's decisions: boot file, links, back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/supervisor/supervisor.h"

static const char good[] = "# a server\n"
			   "server srv1\n"
			   "site demo   # its site\n"
			   "state /var/lib/tandem\n"
			   "\n"
			   "inside 10.0.0.1\n"
			   "port-base 21000\n"
			   "witness yes\n"
			   "log debug\n";

/* A good boot file is taken word by word, and what it leaves out follows. */
static void
conf_takes_a_good_file(void **state)
{
	struct conf c;
	struct err e;

	(void)state;
	assert_int_equal(conf_parse(&c, "t", good, &e), 0);
	assert_string_equal(c.server, "srv1");
	assert_string_equal(c.site, "demo");
	assert_int_equal(c.port_base, 21000);
	assert_true(c.debug);
	assert_true(c.witness);
	assert_string_equal(c.control_path, "/var/lib/tandem/control.sock");
}

/* A bad one is refused with its file, its line and what was expected. */
static void
conf_names_file_line_and_expectation(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
	    {"sever srv1\n", "t:1: \"sever\": expected one of: server, site"},
	    {"server\n", "t:1: server: expected 1 to 32"},
	    {"server Srv1\n", "got \"Srv1\""},
	    {"\n\nserver a\nserver b\n", "t:4: server: given twice"},
	    {"server a\nsite b\n", "t: expected a line \"state"},
	    {"state var\n", "t:1: state: expected an absolute path"},
	    {"\nstate /dev/null\n",
		"t:2: state: expected a directory, got \"/dev/null\""},
	    {"state /dev/null/x\n", "t:1: state: expected a directory"},
	    {"state /var/lib/tandem # all\nlog info or\n",
		"t:2: log: expected one word behind it, got \"info or\""},
	    {"state /tmp /var\n", "t:1: state: expected one word behind it"},
	    {"port-base 99\n", "t:1: port-base: expected a port from 1024"},
	    {"inside 0.0.0.0\n", "t:1: inside: expected an IPv4 or IPv6"},
	    {"witness maybe\n", "t:1: witness: expected yes or no"},
	    {"log loud\n", "t:1: log: expected info or debug"},
	    {"\nuser nosuch\n", "t:2: user: there is no user \"nosuch\""},
	    {"control-group nosuch\n",
		"t:1: control-group: there is no group \"nosuch\""},
	};
	struct conf c;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_true(conf_parse(&c, "t", bad[i].text, &e) < 0);
		if (strstr(e.text, bad[i].words) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", e.text, bad[i].words);
	}
}

/* No cut of a good file kills the parser. */
static void
conf_survives_every_cut(void **state)
{
	char text[sizeof good];
	struct conf c;
	struct err e;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof good; n++) {
		memcpy(text, good, n);
		text[n] = '\0';
		conf_parse(&c, "t", text, &e);
	}
}

/* Keys are made once and read back; a damaged file is refused by line. */
static void
keys_are_made_once_and_kept(void **state)
{
	char dir[] = "/tmp/tandem-keys.XXXXXX", path[64];
	struct keys a, b;
	struct stat st;
	struct err e;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(keys_load(&a, dir, &e), 0);
	assert_int_equal(keys_load(&b, dir, &e), 0);
	assert_memory_equal(&a, &b, sizeof a);
	snprintf(path, sizeof path, "%s/keys", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	f = fopen(path, "w");
	fputs("site zz\n", f);
	fclose(f);
	assert_int_equal(keys_load(&b, dir, &e), -ERR_CORRUPT);
	assert_non_null(strstr(e.text, "keys:1:"));
	unlink(path);
	rmdir(dir);
}

/* Only pairs that the table names are joined, from both ends alike. */
static void
links_follow_the_table(void **state)
{
	unsigned rpc = 1u << ROLE_LINK_RPC, ship = 1u << ROLE_LINK_SHIP;
	unsigned a, b;

	(void)state;
	for (a = 0; a < ROLE_MAX; a++) {
		for (b = 0; b < ROLE_MAX; b++)
			assert_int_equal(
			    link_kinds((enum role_id)a, (enum role_id)b),
			    link_kinds((enum role_id)b, (enum role_id)a));
	}
	assert_int_equal(link_kinds(ROLE_SR, ROLE_REPLICATOR), ship);
	assert_int_equal(link_kinds(ROLE_CONTROL, ROLE_REPLICATOR), rpc | ship);
	assert_int_equal(link_kinds(ROLE_B2BUA, ROLE_SR), rpc);
	assert_int_equal(link_kinds(ROLE_SG, ROLE_B2BUA), 0);
	assert_int_equal(link_kinds(ROLE_SG, ROLE_REPLICATOR), 0);
}

/* The pause before a restart doubles and stays bounded. */
static void
backoff_doubles_up_to_ten_seconds(void **state)
{
	unsigned i;

	(void)state;
	assert_int_equal(child_backoff(0), 0);
	assert_int_equal(child_backoff(1), 100000);
	assert_int_equal(child_backoff(2), 200000);
	for (i = 3; i < 100; i++)
		assert_true(child_backoff(i) <= 10000000);
	assert_int_equal(child_backoff(100), 10000000);
}

/* Names of instances are read strictly. */
static void
instance_names_are_strict(void **state)
{
	enum role_id id;
	unsigned index;

	(void)state;
	assert_true(role_name_parse("b2bua/8", &id, &index));
	assert_int_equal(id, ROLE_B2BUA);
	assert_int_equal(index, 8);
	assert_false(role_name_parse("b2bua/9", &id, &index));
	assert_false(role_name_parse("b2bua/0", &id, &index));
	assert_false(role_name_parse("b2bua", &id, &index));
	assert_false(role_name_parse("none/1", &id, &index));
	assert_false(role_name_parse("sg/1x", &id, &index));
}

/* A process that hangs is told from one that is kept waiting. */
static void
health_tells_who_hangs(void **state)
{
	const uint64_t ms = 1000;

	(void)state;
	assert_int_equal(health_state("71 (tandemd) T 1 71"), 'T');
	assert_int_equal(health_state("71 (a) R (b)) S 1 71"), 'S');
	assert_int_equal(health_state("71 (tandemd"), '?');
	assert_int_equal(health_state("71 (tandemd) "), '?');
	assert_int_equal(health_state(""), '?');
	assert_false(health_hangs(499 * ms, 'T'));
	assert_true(health_hangs(500 * ms, 'T'));
	assert_true(health_hangs(500 * ms, 'S'));
	assert_false(health_hangs(9999 * ms, 'R'));
	assert_false(health_hangs(9999 * ms, 'D'));
	assert_false(health_hangs(9999 * ms, '?'));
	assert_true(health_hangs(10000 * ms, 'R'));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(health_tells_who_hangs),
	    cmocka_unit_test(conf_takes_a_good_file),
	    cmocka_unit_test(conf_names_file_line_and_expectation),
	    cmocka_unit_test(conf_survives_every_cut),
	    cmocka_unit_test(keys_are_made_once_and_kept),
	    cmocka_unit_test(links_follow_the_table),
	    cmocka_unit_test(backoff_doubles_up_to_ten_seconds),
	    cmocka_unit_test(instance_names_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
