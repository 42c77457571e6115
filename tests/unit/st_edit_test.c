/* Edits of a candidate: what is taken, what is refused, what is written. */
#include "st_fixture.h"

/* An edit changes the candidate of its own session and nothing that runs. */
static void
edits_are_private(void **state)
{
	struct fix *f = fix_site();
	struct buf b = BUF_INIT;

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	assert_string_equal(
	    fix_value(f, "domain a.test user 101", "name"), "Alice");
	assert_int_equal(st_cand_value(f->view.cand, "s1",
			     "domain a.test user 101", "name", &b, NULL),
	    0);
	assert_string_equal(b.data, "Ada");
	assert_int_equal(st_cand_value(f->view.cand, "s2",
			     "domain a.test user 101", "name", NULL, NULL),
	    -ERR_ABSENT);
	buf_fini(&b);
	fix_free(f);
}

/* An edit that says what runs already writes nothing. */
static void
equal_edits_write_nothing(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Alice");
	fix_set(f, "s1", "domain a.test user 102", "name=Bob;password=secret");
	fix_set(f, "s1", "domain a.test", "description=first");
	assert_int_equal(
	    fix_count(f->commit, "SELECT count(*) FROM candidate"), 0);
	/* ... but it takes an earlier edit of the session back */
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s1", "domain a.test user 101", "name=Alice");
	fix_commit(f, "s1");
	assert_int_equal(f->rev, 1);
	fix_free(f);
}

/* A field the system sets cannot be set by anybody else. */
static void
internal_fields_are_refused(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	assert_int_equal(fix_try_set(f, "s1", "domain a.test", "realm=b.test"),
	    -ERR_REFUSED);
	fix_says(f, "realm");
	assert_int_equal(
	    fix_try_set(f, "s1", "server srv1", "port-base=1"), -ERR_REFUSED);
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test", "id"), -ERR_REFUSED);
	fix_free(f);
}

/* One bad value of several: none is taken. */
static void
an_edit_is_taken_whole(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	assert_int_equal(fix_try_set(f, "s1", "domain a.test",
			     "description=new;realm=b.test"),
	    -ERR_REFUSED);
	assert_int_equal(
	    fix_count(f->commit, "SELECT count(*) FROM candidate"), 0);
	fix_free(f);
}

/* What is absent cannot be deleted; what the candidate alone made can be,
 * and leaves nothing. */
static void
deleting_what_is_absent(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 999", NULL), -ERR_ABSENT);
	fix_says(f, "there is no domain a.test user 999");
	assert_int_equal(
	    fix_delete(f, "s1", "domain b.test user 1", NULL), -ERR_ABSENT);
	fix_says(f, "there is no domain b.test");
	fix_set(f, "s1", "domain a.test user 103", "name=Carol");
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 103", NULL), 0);
	assert_int_equal(
	    fix_count(f->commit, "SELECT count(*) FROM candidate"), 0);
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 103", NULL), -ERR_ABSENT);
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 101", NULL), 0);
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 101", NULL), -ERR_ABSENT);
	fix_free(f);
}

/* Deleting an object forgets what the candidate wanted below it. */
static void
a_deletion_takes_the_subtree(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	fix_set(f, "s1", "domain a.test user 103", "name=Carol");
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s1", "domain a.test2", "description=other");
	assert_int_equal(fix_delete(f, "s1", "domain a.test", NULL), 0);
	assert_int_equal(fix_count(f->commit,
			     "SELECT count(*) FROM candidate "
			     "WHERE path LIKE 'domain a.test %'"),
	    0);
	assert_int_equal(fix_count(f->commit,
			     "SELECT count(*) FROM candidate "
			     "WHERE path = 'domain a.test2'"),
	    4);
	assert_int_equal(
	    fix_try_set(f, "s1", "domain a.test user 104", "name=Dan"),
	    -ERR_ABSENT);
	fix_says(f, "deleted in this candidate");
	fix_free(f);
}

/* An object deleted and set again has only what was set again. */
static void
delete_then_set_replaces(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 102", NULL), 0);
	fix_set(f, "s1", "domain a.test user 102", "ring-time=60");
	fix_commit(f, "s1");
	assert_string_equal(
	    fix_value(f, "domain a.test user 102", "name"), "-");
	assert_string_equal(
	    fix_value(f, "domain a.test user 102", "password"), "-");
	assert_string_equal(
	    fix_value(f, "domain a.test user 102", "ring-time"), "60");
	fix_free(f);
}

/* A new domain has an id and a realm at once, and a new one each time. */
static void
a_domain_is_born_with_an_id(void **state)
{
	struct fix *f = fix_site();
	struct st_domain d, again;

	(void)state;
	fix_set(f, "s1", "domain b.test", "");
	assert_int_equal(
	    st_view_domain(&f->view, "s1", "b.test", &d, &f->err), 0);
	assert_true(d.fresh);
	assert_int_equal(strlen(d.id), 8);
	assert_string_equal(d.realm, "b.test");
	assert_int_equal(
	    st_view_domain(&f->view, "s2", "b.test", &again, &f->err),
	    -ERR_ABSENT);
	fix_set(f, "s1", "domain b.test user 1", "password=x");
	fix_commit(f, "s1");
	assert_int_equal(
	    st_view_domain(&f->view, NULL, "b.test", &again, &f->err), 0);
	assert_string_equal(again.id, d.id);
	assert_int_equal(fix_delete(f, "s1", "domain b.test", NULL), 0);
	fix_set(f, "s1", "domain b.test", "description=anew");
	fix_commit(f, "s1");
	assert_int_equal(
	    st_view_domain(&f->view, NULL, "b.test", &again, &f->err), 0);
	assert_string_not_equal(again.id, d.id);
	fix_free(f);
}

/* A password opens, with its key and at its place only, to the two digests
 * of RFC 7616 for user, realm and password. */
static void
passwords_are_sealed_digests(void **state)
{
	struct fix *f = fix_site();
	uint8_t key[CRYPT_KEY], sealed[256];
	char plain[256], place[64], md5[33], sha256[65], want[128];
	struct crypt_seal *open;
	struct st_domain d;
	long n;

	(void)state;
	st_view_domain(&f->view, NULL, "a.test", &d, &f->err);
	crypt_derive(key, fix_key_auth, "user password");
	open = crypt_seal_new(key);
	n = str_unhex(sealed, sizeof sealed,
	    fix_value(f, "domain a.test user 102", "password"),
	    strlen(fix_value(f, "domain a.test user 102", "password")));
	assert_true(n > 0);
	snprintf(place, sizeof place, "%s/102", d.id);
	n = crypt_open(
	    open, plain, sizeof plain, sealed, (size_t)n, place, strlen(place));
	assert_int_equal(n, 32 + 1 + 64);
	crypt_md5(md5, "102:a.test:secret", 17);
	crypt_sha256(sha256, "102:a.test:secret", 17);
	snprintf(want, sizeof want, "%s:%s", md5, sha256);
	assert_memory_equal(plain, want, (size_t)n);
	place[0] ^= 1;
	assert_int_equal(crypt_open(open, plain, sizeof plain, sealed,
			     32 + 1 + 64 + CRYPT_TAG, place, strlen(place)),
	    -1);
	crypt_seal_free(&open);
	fix_free(f);
}

/* No database ever holds a secret in plain, the candidate neither. */
static void
secrets_are_never_stored_plain(void **state)
{
	struct fix *f = fix_site();
	sqlite3_int64 size;
	unsigned char *image;
	sqlite3 *db;
	size_t at = 0;

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "password=swordfish");
	fix_set(f, "s1", "certificate c1", "chain=PEM;key=BEGIN-swordfish");
	fix_commit(f, "s1");
	fix_set(f, "s2", "domain a.test user 101", "password=swordfish2");
	while ((db = map_next(&f->dbs, &at, NULL, NULL)) != NULL) {
		image = sqlite3_serialize(db, "main", &size, 0);
		assert_non_null(image);
		assert_null(memmem(image, (size_t)size, "swordfish", 9));
		sqlite3_free(image);
	}
	fix_free(f);
}

/* "$SEALED$" keeps the secret there is, and is refused where there is none. */
static void
sealed_keeps_the_secret(void **state)
{
	struct fix *f = fix_site();
	char before[512];

	(void)state;
	str_copy(before, sizeof before,
	    fix_value(f, "domain a.test user 102", "password"));
	fix_set(f, "s1", "domain a.test user 102",
	    "password=" OP_SEALED ";name=Bert");
	fix_commit(f, "s1");
	assert_string_equal(
	    fix_value(f, "domain a.test user 102", "password"), before);
	assert_string_equal(
	    fix_value(f, "domain a.test user 102", "name"), "Bert");
	assert_int_equal(fix_try_set(f, "s1", "domain a.test user 101",
			     "password=" OP_SEALED),
	    -ERR_INVALID);
	fix_says(f, "no secret to keep");
	fix_free(f);
}

/* A cleared field has its default again. */
static void
a_field_can_be_cleared(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 101", "name"), 0);
	assert_int_equal(
	    fix_delete(f, "s1", "domain a.test user 101", "ring-time"), 0);
	fix_commit(f, "s1");
	assert_string_equal(
	    fix_value(f, "domain a.test user 101", "name"), "-");
	fix_set(f, "s1", "domain a.test user 102", "name=");
	fix_commit(f, "s1");
	assert_string_equal(
	    fix_value(f, "domain a.test user 102", "name"), "-");
	fix_free(f);
}

/* What the candidate of s1 has for a's aliases. */
static const char *
aliases(struct fix *f)
{
	static char out[256];
	struct buf b = BUF_INIT;

	assert_int_equal(st_cand_value(f->view.cand, "s1", "domain a.test",
			     "alias", &b, NULL),
	    0);
	str_copy(out, sizeof out, b.data != NULL ? b.data : "");
	buf_fini(&b);
	return out;
}

static int
insert(struct fix *f, const char *session, const char *path, const char *values,
    enum st_side side, const char *anchor)
{
	struct st_editor by = fix_editor(f, session);
	struct obj_path p = fix_path(path);

	return st_edit_insert(
	    &by, &p, obj_field(p.obj, "alias"), values, side, anchor, &f->err);
}

static int
take_out(struct fix *f, const char *path, const char *field, const char *values)
{
	struct st_editor by = fix_editor(f, "s1");
	struct obj_path p = fix_path(path);

	return st_edit_take(&by, &p, obj_field(p.obj, field), values, &f->err);
}

/* Values are taken out of the list that the session sees; the last one clears
 * it, unless that would mean another value. */
static void
values_are_taken_out_of_lists(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	insert(f, "s1", "domain a.test", "x.test y.test z.test", ST_LAST, NULL);
	assert_int_equal(
	    take_out(f, "domain a.test", "alias", "z.test x.test"), 0);
	assert_string_equal(aliases(f), "y.test");
	assert_int_equal(
	    take_out(f, "domain a.test", "alias", "x.test"), -ERR_ABSENT);
	fix_says(f, "x.test is not in the list: y.test");
	assert_int_equal(take_out(f, "domain a.test", "alias", "y.test q.test"),
	    -ERR_ABSENT);
	assert_string_equal(aliases(f), "y.test");
	assert_int_equal(take_out(f, "domain a.test", "alias", "y.test"), 0);
	assert_string_equal(aliases(f), "");
	assert_int_equal(
	    take_out(f, "domain a.test", "alias", "y.test"), -ERR_ABSENT);
	fix_says(f, "it is empty");
	assert_int_equal(
	    take_out(f, "domain b.test", "alias", "y.test"), -ERR_ABSENT);
	fix_set(f, "s1", "token t", "scope=read configure");
	assert_int_equal(take_out(f, "token t", "scope", "configure"), 0);
	assert_int_equal(take_out(f, "token t", "scope", "read"), -ERR_REFUSED);
	fix_says(f, "by default: read");
	fix_free(f);
}

/* Values go to a place of the list that the session sees, and move there when
 * they are in it. */
static void
values_are_put_into_lists(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	assert_int_equal(
	    insert(f, "s1", "domain a.test", "x.test", ST_LAST, NULL), 0);
	assert_string_equal(aliases(f), "x.test");
	insert(f, "s1", "domain a.test", "y.test", ST_FIRST, NULL);
	assert_string_equal(aliases(f), "y.test x.test");
	insert(f, "s1", "domain a.test", "z.test", ST_BEFORE, "X.test");
	assert_string_equal(aliases(f), "y.test z.test x.test");
	insert(f, "s1", "domain a.test", "v.test w.test", ST_AFTER, "y.test");
	assert_string_equal(aliases(f), "y.test v.test w.test z.test x.test");
	insert(f, "s1", "domain a.test", "x.test v.test", ST_FIRST, NULL);
	assert_string_equal(aliases(f), "x.test v.test y.test w.test z.test");
	insert(f, "s1", "domain a.test", "x.test", ST_AFTER, "z.test");
	assert_string_equal(aliases(f), "v.test y.test w.test z.test x.test");
	fix_commit(f, "s1");
	assert_string_equal(fix_value(f, "domain a.test", "alias"),
	    "v.test y.test w.test z.test x.test");
	/* what runs is where another session begins */
	insert(f, "s1", "domain a.test", "x.test", ST_BEFORE, "w.test");
	assert_string_equal(aliases(f), "v.test y.test x.test w.test z.test");
	/* at its place already: nothing is written */
	insert(f, "s2", "domain a.test", "v.test", ST_FIRST, NULL);
	assert_int_equal(fix_count(f->commit,
			     "SELECT count(*) FROM candidate "
			     "WHERE session = 's2'"),
	    0);
	fix_free(f);
}

static void
places_that_are_not_there(void **state)
{
	struct fix *f = fix_site();
	char many[OP_VALUE];
	size_t n = 0;

	(void)state;
	assert_int_equal(
	    insert(f, "s1", "domain a.test", "x.test", ST_AFTER, "y.test"),
	    -ERR_ABSENT);
	fix_says(f,
	    "domain a.test: alias: y.test is not in the list: "
	    "it is empty");
	fix_set(f, "s1", "domain a.test", "alias=x.test z.test");
	assert_int_equal(
	    insert(f, "s1", "domain a.test", "w.test", ST_BEFORE, "y.test"),
	    -ERR_ABSENT);
	fix_says(f, "y.test is not in the list: x.test z.test");
	assert_int_equal(
	    insert(f, "s1", "domain a.test", "x.test", ST_BEFORE, "x.test"),
	    -ERR_INVALID);
	fix_says(f, "x.test cannot stand beside itself");
	assert_int_equal(
	    insert(f, "s1", "domain a.test", "w.test", ST_BEFORE, "b..x"),
	    -ERR_INVALID);
	fix_says(f, "alias: expected a domain name");
	assert_int_equal(
	    insert(f, "s1", "domain n.test", "w.test", ST_FIRST, NULL),
	    -ERR_ABSENT);
	fix_says(f, "there is no domain n.test");
	while (n + 16 < sizeof many)
		n += (size_t)snprintf(many + n, sizeof many - n, "%sn%zu.test",
		    n != 0 ? " " : "", 1000 + n);
	fix_set(f, "s1", "domain a.test", "alias=t.test u.test v.test w.test");
	assert_int_equal(
	    insert(f, "s1", "domain a.test", many, ST_LAST, NULL), -ERR_TOOBIG);
	assert_string_equal(aliases(f), "t.test u.test v.test w.test");
	fix_free(f);
}

/* A field that has a default begins with it. */
static void
a_default_is_a_list_too(void **state)
{
	struct fix *f = fix_site();
	struct st_editor by = fix_editor(f, "s1");
	struct obj_path p = fix_path("token t");
	struct buf b = BUF_INIT;

	(void)state;
	fix_set(f, "s1", "token t", "role=viewer");
	assert_int_equal(st_edit_insert(&by, &p, obj_field(p.obj, "scope"),
			     "act", ST_FIRST, NULL, &f->err),
	    0);
	st_cand_value(f->view.cand, "s1", "token t", "scope", &b, NULL);
	assert_string_equal(b.data, "act read");
	buf_fini(&b);
	fix_free(f);
}

/* Two sessions put values into one list: the second is told, as with set. */
static void
lists_conflict_as_a_whole(void **state)
{
	struct fix *f = fix_site();

	(void)state;
	insert(f, "s1", "domain a.test", "x.test", ST_FIRST, NULL);
	insert(f, "s2", "domain a.test", "y.test", ST_FIRST, NULL);
	fix_commit(f, "s1");
	assert_int_equal(fix_try_commit(f, "s2", "ivanov"), -ERR_CONFLICT);
	fix_says(f, "alias: is now x.test");
	fix_free(f);
}

/* A candidate ends with its session; those of live sessions stay. */
static void
candidates_end_with_their_session(void **state)
{
	struct fix *f = fix_site();
	json_t *live = json_pack("[s, s]", "s2", "s4");
	int64_t n;

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_set(f, "s2", "domain a.test user 101", "name=Amy");
	fix_set(f, "s3", "domain a.test user 101", "name=Ann");
	assert_int_equal(st_cand_drop(f->view.cand, "s1", &n, &f->err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(
	    st_draft_sessions(f->view.cand, NULL, live, clock_real(), &f->err),
	    0);
	assert_int_equal(fix_count(f->commit,
			     "SELECT count(DISTINCT session) FROM candidate "
			     "WHERE session = 's2'"),
	    1);
	assert_int_equal(fix_count(f->commit,
			     "SELECT count(DISTINCT session) FROM candidate"),
	    1);
	json_decref(live);
	fix_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(edits_are_private),
	    cmocka_unit_test(equal_edits_write_nothing),
	    cmocka_unit_test(internal_fields_are_refused),
	    cmocka_unit_test(an_edit_is_taken_whole),
	    cmocka_unit_test(deleting_what_is_absent),
	    cmocka_unit_test(a_deletion_takes_the_subtree),
	    cmocka_unit_test(delete_then_set_replaces),
	    cmocka_unit_test(a_domain_is_born_with_an_id),
	    cmocka_unit_test(passwords_are_sealed_digests),
	    cmocka_unit_test(secrets_are_never_stored_plain),
	    cmocka_unit_test(sealed_keeps_the_secret),
	    cmocka_unit_test(a_field_can_be_cleared),
	    cmocka_unit_test(values_are_put_into_lists),
	    cmocka_unit_test(values_are_taken_out_of_lists),
	    cmocka_unit_test(places_that_are_not_there),
	    cmocka_unit_test(a_default_is_a_list_too),
	    cmocka_unit_test(lists_conflict_as_a_whole),
	    cmocka_unit_test(candidates_end_with_their_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
