/* What a commit lets through, what it warns of, and what is absent. */
#include "st_world.h"
#include "daemon/base/mem.h"
#include "tests/lib/phone.h"

/* A certificate that no gate could show is refused before it runs, with the
 * reason; one of no use at this time is a warning. */
static void
certificates_are_looked_into(void **state)
{
	struct world *w = world_new();
	char *chain, *key, *other, *none, *two;

	(void)state;
	cert_make("a.test", &chain, &key);
	cert_make("b.test", &none, &other);
	set(w, "s", "certificate c",
	    json_pack("{s:s, s:s}", "chain", "junk", "key", key));
	assert_int_equal(call(w, "s", "commit", json_object()), -ERR_CHECK);
	assert_non_null(strstr(w->err.text, "certificate c: chain: expected"));
	set(w, "s", "certificate c",
	    json_pack("{s:s, s:s}", "chain", chain, "key", "junk"));
	assert_int_equal(call(w, "s", "commit", json_object()), -ERR_CHECK);
	assert_non_null(strstr(w->err.text, "key: expected"));
	set(w, "s", "certificate c", json_pack("{s:s}", "key", other));
	assert_int_equal(call(w, "s", "check", json_object()), -ERR_CHECK);
	assert_non_null(strstr(w->err.text, "of another certificate"));
	two = xasprintf("%s-----BEGIN CERTIFICATE-----\nAAAA\n"
			"-----END CERTIFICATE-----\n",
	    chain);
	set(w, "s", "certificate c",
	    json_pack("{s:s, s:s}", "chain", two, "key", key));
	assert_int_equal(call(w, "s", "commit", json_object()), -ERR_CHECK);
	assert_non_null(strstr(w->err.text, "behind the first"));
	set(w, "s", "certificate c", json_pack("{s:s}", "chain", chain));
	commit(w, "s");
	assert_int_equal(
	    json_array_size(json_object_get(w->result, "warn")), 0);
	free(chain);
	free(key);
	free(none);
	free(other);
	free(two);
	cert_make_until("a.test", -60, &chain, &key);
	set(w, "s", "certificate c",
	    json_pack("{s:s, s:s}", "chain", chain, "key", key));
	commit(w, "s");
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(w->result, "warn"), 0)),
	    "certificate c: has expired");
	free(chain);
	free(key);
	world_free(w);
}

/* A duty that nobody does any more is told of. */
static void
empty_duties_are_warned_of(void **state)
{
	struct world *w = world_new();

	(void)state;
	set(w, "s", "server srv1 role sr", json_pack("{s:i}", "instances", 0));
	assert_int_equal(call(w, "s", "check", json_object()), 0);
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(w->result, "warn"), 0)),
	    "server srv1 role sr: no instances: phones cannot register");
	call(w, "s", "discard", json_object());
	set(w, "s", "server srv2 role sr", json_pack("{s:i}", "instances", 1));
	set(w, "s", "server srv2", json_object());
	commit(w, "s");
	call(w, "s", "delete", json_pack("{s:s}", "path", "server srv2"));
	assert_int_equal(call(w, "s", "check", json_object()), 0);
	assert_int_equal(
	    json_array_size(json_object_get(w->result, "warn")), 0);
	world_free(w);
}

/* An object that is named is there; all of a kind may be none. */
static void
what_is_shown_is_there(void **state)
{
	static const char *const bad[] = {"domain nope.test",
	    "domain nope.test user", "domain a.test user 999", "server nope",
	    "server nope listener", "certificate nope"};
	static const char *const good[] = {"domain", "domain a.test",
	    "domain a.test user", "server srv1 listener", "certificate"};
	struct world *w = world_new();
	size_t i;

	(void)state;
	assert_int_equal(call(w, "s", "show configuration",
			     json_pack("{s:s}", "path", "domain")),
	    0);
	set(w, "s", "domain a.test", json_object());
	assert_int_equal(call(w, "s", "show configuration",
			     json_pack("{s:s}", "path", "domain a.test")),
	    -ERR_ABSENT);
	assert_int_equal(call(w, "s", "show configuration",
			     json_pack("{s:s, s:b}", "path", "domain a.test",
				 "candidate", 1)),
	    0);
	commit(w, "s");
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(call(w, "s", "show configuration",
				     json_pack("{s:s}", "path", bad[i])),
		    -ERR_ABSENT);
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(call(w, "s", "show configuration",
				     json_pack("{s:s}", "path", good[i])),
		    0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(certificates_are_looked_into),
	    cmocka_unit_test(empty_duties_are_warned_of),
	    cmocka_unit_test(what_is_shown_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
