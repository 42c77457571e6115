/* Candidates against what runs: merges, conflicts, checks of the whole. */
#include "st_fixture.h"

/* Two sessions on different fields of one object: both win. */
static void
different_fields_merge(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s2", "domain a.test user 101", "ring-time=60");
	fix_commit(f, "s1");
	fix_commit(f, "s2");
	assert_string_equal(
	    fix_value(f, "domain a.test user 101", "name"), "Ada");
	assert_string_equal(
	    fix_value(f, "domain a.test user 101", "ring-time"), "60");
	fix_free(f);
}

/* The same field to different values: the second is refused with both values
 * and who was first; its candidate stays. */
static void
the_same_field_conflicts(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s2", "domain a.test user 101", "name=Amy");
	assert_int_equal(fix_try_commit(f, "s1", "petrov"), 0);
	assert_int_equal(fix_try_commit(f, "s2", "ivanov"), -ERR_CONFLICT);
	fix_says(f, "domain a.test user 101: name: is now Ada by petrov at ");
	fix_says(f, "(revision 2); yours: Amy");
	assert_int_equal(json_array_size(f->told), 1);
	assert_string_equal(fix_told(f, 0, "theirs"), "Ada");
	assert_string_equal(fix_told(f, 0, "yours"), "Amy");
	assert_string_equal(fix_told(f, 0, "base"), "Alice");
	assert_string_equal(fix_told(f, 0, "operator"), "petrov");
	assert_string_equal(
	    fix_value(f, "domain a.test user 101", "name"), "Ada");
	assert_int_equal(fix_count(f->commit,
			     "SELECT count(*) FROM candidate "
			     "WHERE session = 's2'"),
	    2);
	fix_free(f);
}

/* The same field to the same value is no conflict and no change. */
static void
the_same_value_agrees(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s2", "domain a.test user 101", "name=Ada");
	fix_commit(f, "s1");
	fix_commit(f, "s2");
	assert_int_equal(f->rev, 2);
	fix_free(f);
}

/* A conflict about a secret shows neither of the two. */
static void
conflicts_mask_secrets(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "password=one");
	fix_set(f, "s2", "domain a.test user 101", "password=two");
	fix_commit(f, "s1");
	assert_int_equal(fix_try_commit(f, "s2", "x"), -ERR_CONFLICT);
	assert_string_equal(fix_told(f, 0, "theirs"), OP_MASK);
	assert_string_equal(fix_told(f, 0, "yours"), OP_MASK);
	fix_free(f);
}

/* Deleting what somebody has changed meanwhile is a conflict, below too. */
static void
a_deletion_conflicts_with_changes_below(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	assert_int_equal(fix_delete(f, "s1", "domain a.test", NULL), 0);
	fix_set(f, "s2", "domain a.test user 101", "name=Ada");
	fix_commit(f, "s2");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CONFLICT);
	fix_says(f, "domain a.test: was changed by s2");
	fix_free(f);
}

/* Changing what somebody has deleted meanwhile is a conflict. */
static void
changes_conflict_with_a_deletion(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s3", "domain a.test user 102", "name=Bea");
	assert_int_equal(
	    fix_delete(f, "s2", "domain a.test user 101", NULL), 0);
	fix_commit(f, "s2");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CONFLICT);
	fix_says(f, "domain a.test user 101: was deleted by s2");
	assert_int_equal(fix_delete(f, "s2", "domain a.test", NULL), 0);
	fix_commit(f, "s2");
	assert_int_equal(fix_try_commit(f, "s3", "x"), -ERR_CONFLICT);
	fix_says(f, "domain a.test: was deleted by s2");
	fix_free(f);
}

/* Every conflict is told, not only the first, and so is every failed check. */
static void
all_conflicts_are_told(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada;ring-time=60");
	fix_set(f, "s1", "domain a.test user 102", "name=Bea");
	fix_set(f, "s2", "domain a.test user 101", "name=Amy;ring-time=70");
	fix_set(f, "s2", "domain a.test user 102", "name=Ben");
	fix_commit(f, "s1");
	assert_int_equal(fix_try_commit(f, "s2", "x"), -ERR_CONFLICT);
	fix_says(f, "(and 2 more)");
	assert_int_equal(json_array_size(f->told), 3);
	assert_string_equal(fix_told(f, 2, "path"), "domain a.test user 102");
	fix_set(f, "s3", "domain a.test number 500", "user=1");
	fix_set(f, "s3", "domain a.test number 501", "user=2");
	assert_int_equal(fix_try_commit(f, "s3", "x"), -ERR_CHECK);
	fix_says(f, "domain a.test number 500: user: ");
	fix_says(f, "(and 1 more)");
	assert_int_equal(json_array_size(f->told), 2);
	assert_string_equal(fix_told(f, 1, "path"), "domain a.test number 501");
	fix_free(f);
}

/* Two sessions make the same object: fields that differ conflict. */
static void
twins_conflict_where_they_differ(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 103", "name=Carol");
	fix_set(f, "s2", "domain a.test user 103", "name=Carol;ring-time=60");
	fix_set(f, "s3", "domain a.test user 103", "name=Cora");
	fix_commit(f, "s1");
	fix_commit(f, "s2");
	assert_string_equal(
	    fix_value(f, "domain a.test user 103", "ring-time"), "60");
	assert_int_equal(fix_try_commit(f, "s3", "x"), -ERR_CONFLICT);
	fix_free(f);
}

/* Two sessions make the same domain: one customer cannot be born twice. */
static void
a_domain_is_made_once(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain b.test", "");
	fix_set(f, "s2", "domain b.test", "");
	fix_commit(f, "s1");
	assert_int_equal(fix_try_commit(f, "s2", "x"), -ERR_CONFLICT);
	fix_says(f, "domain b.test: ");
	fix_free(f);
}

/* A deleted domain leaves the directory; a stone with its id stays there,
 * and its own rows stay where they are. */
static void
a_deleted_domain_is_buried(void **state)
{
	struct fix *f = fix_site();
	struct st_domain d;
	char stream[STREAM_NAME];

	(void)state;
	st_view_domain(&f->view, NULL, "a.test", &d, &f->err);
	st_domain_stream(stream, d.id);
	assert_int_equal(fix_delete(f, "s1", "domain a.test", NULL), 0);
	fix_commit(f, "s1");
	assert_int_equal(
	    fix_count(fix_db(f, ST_ROOT_STREAM),
		"SELECT count(*) FROM tombstone WHERE name = 'a.test'"),
	    1);
	assert_int_equal(
	    fix_count(fix_db(f, ST_ROOT_STREAM), "SELECT count(*) FROM domain"),
	    0);
	assert_int_equal(
	    fix_count(fix_db(f, stream), "SELECT count(*) FROM user"), 2);
	fix_free(f);
}

/* ---- the whole ------------------------------------------------------------
 */

/* What is referred to must be there; what is referred to must stay. */
static void
references_hold(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test number 500", "user=999");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f,
	    "domain a.test number 500: user: there is no domain "
	    "a.test user 999");
	fix_set(f, "s1", "domain a.test number 500", "user=101");
	fix_commit(f, "s1");
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 101", NULL), 0);
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f,
	    "domain a.test user 101: domain a.test number 500 refers "
	    "to it");
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test number 500", NULL), 0);
	fix_commit(f, "s1");
	fix_free(f);
}

/* A listener's default domain cannot be deleted under it, across streams. */
static void
references_hold_across_streams(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "server srv1 listener lan",
	    "transport=udp;address=127.0.0.1;port=5060;domain=a.test");
	fix_commit(f, "s1");
	assert_int_equal(fix_delete(f, "s1", "domain a.test", NULL), 0);
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "server srv1 listener lan refers to it");
	fix_free(f);
}

/* Parents are looked for at the commit, so the order of edits is free. */
static void
parents_are_checked_at_commit(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "server srv2 role mg", "instances=2");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "server srv2 role mg: there is no server srv2");
	fix_set(f, "s1", "server srv2", "");
	fix_commit(f, "s1");
	fix_free(f);
}

/* An object's own check and required fields are asked. */
static void
rows_are_checked(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test number 500", "");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "domain a.test number 500: needs a user or a service");
	fix_set(f, "s2", "server srv1 listener lan", "transport=udp;port=5060");
	assert_int_equal(fix_try_commit(f, "s2", "x"), -ERR_CHECK);
	fix_says(f, "server srv1 listener lan: address");
	fix_free(f);
}

/* A user and a number of a domain cannot be called the same. */
static void
numbers_are_of_one_space(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test number 101", "service=echo");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "domain a.test user 101 has the same number");
	fix_free(f);
}

/* No two listeners of a server can be bound to the same place. */
static void
listeners_do_not_overlap(void **state)
{
	static const struct {
		const char *values;
		int result;
	} cases[] = {
	    {"transport=udp;address=127.0.0.1;port=5060", -ERR_CHECK},
	    {"transport=udp;address=0.0.0.0;port=5060;advertised=x.test",
		-ERR_CHECK},
	    {"transport=tcp;address=127.0.0.1;port=5060", 0},
	    {"transport=udp;address=127.0.0.2;port=5060", 0},
	    {"transport=udp;address=127.0.0.1;port=5070", 0},
	    {"transport=udp;address=::1;port=5060", 0},
	};
	struct fix *f = fix_site();
	size_t i;

	(void)state;
	fix_set(f, "s1", "server srv1 listener a",
	    "transport=udp;address=127.0.0.1;port=5060");
	fix_commit(f, "s1");
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fix_set(f, "s1", "server srv1 listener b", cases[i].values);
		if (fix_try_commit(f, "s1", "x") != cases[i].result)
			fail_msg("%s: %s", cases[i].values, f->err.text);
		if (cases[i].result != 0)
			fix_says(f,
			    "listener b: server srv1 listener a has the same");
		st_cand_drop(f->view.cand, "s1", NULL, NULL);
		fix_delete(f, "s1", "server srv1 listener b", NULL);
		fix_commit(f, "s1");
	}
	fix_set(f, "s1", "server srv2", "");
	fix_set(f, "s1", "server srv2 listener a",
	    "transport=udp;address=127.0.0.1;port=5060");
	fix_commit(f, "s1");
	fix_free(f);
}

/* A certificate lets in one administrator. */
static void
certificates_are_of_one(void **state)
{
#define PRINT(d) "certificate=sha256:" d d d d
#define TAIL "0123456789abcdef"
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "administrator anna", "role=viewer;" PRINT(TAIL));
	fix_set(f, "s1", "administrator boris", "role=viewer");
	fix_commit(f, "s1");
	fix_set(f, "s1", "administrator boris", PRINT(TAIL));
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "is that of administrator anna");
	fix_set(f, "s1", "administrator anna", PRINT("fedcba9876543210"));
	fix_commit(f, "s1");
	fix_free(f);
}

/* A name or alias calls one domain only. */
static void
domain_names_are_unique(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain b.test", "alias=c.test a.test");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "is also called a.test");
	fix_set(f, "s1", "domain b.test", "alias=c.test");
	fix_commit(f, "s1");
	fix_set(f, "s1", "domain c.test", "");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_free(f);
}

/* The server that runs the store, and the store on it, must stay. */
static void
the_own_server_stays(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_delete(f, "s1", "server srv1", NULL);
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "cannot be deleted");
	st_cand_drop(f->view.cand, "s1", NULL, NULL);
	fix_set(f, "s1", "server srv1 role st", "instances=0");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	fix_says(f, "at least 1");
	fix_free(f);
}

/* A commit that is refused leaves every database as it was. */
static void
a_refused_commit_changes_nothing(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s1", "domain b.test", "");
	fix_set(f, "s1", "domain b.test number 5", "user=1");
	assert_int_equal(fix_try_commit(f, "s1", "x"), -ERR_CHECK);
	assert_string_equal(
	    fix_value(f, "domain a.test user 101", "name"), "Alice");
	assert_string_equal(fix_value(f, "domain b.test", "realm"), "");
	assert_int_equal(st_revision_last(f->commit), 1);
	fix_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(different_fields_merge),
	    cmocka_unit_test(the_same_field_conflicts),
	    cmocka_unit_test(the_same_value_agrees),
	    cmocka_unit_test(conflicts_mask_secrets),
	    cmocka_unit_test(a_deletion_conflicts_with_changes_below),
	    cmocka_unit_test(changes_conflict_with_a_deletion),
	    cmocka_unit_test(twins_conflict_where_they_differ),
	    cmocka_unit_test(all_conflicts_are_told),
	    cmocka_unit_test(a_domain_is_made_once),
	    cmocka_unit_test(a_deleted_domain_is_buried),
	    cmocka_unit_test(references_hold),
	    cmocka_unit_test(references_hold_across_streams),
	    cmocka_unit_test(parents_are_checked_at_commit),
	    cmocka_unit_test(rows_are_checked),
	    cmocka_unit_test(numbers_are_of_one_space),
	    cmocka_unit_test(listeners_do_not_overlap),
	    cmocka_unit_test(certificates_are_of_one),
	    cmocka_unit_test(domain_names_are_unique),
	    cmocka_unit_test(the_own_server_stays),
	    cmocka_unit_test(a_refused_commit_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
