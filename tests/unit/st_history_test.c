/* Change sets carried out once, revisions, export. */
#include "st_fixture.h"

struct notes {
	char text[512];
};

static int
note(void *arg, const char *object, const char *key, struct err *e)
{
	struct notes *n = arg;
	size_t used = strlen(n->text);

	(void)e;
	snprintf(n->text + used, sizeof n->text - used, "%s(%s) ", object, key);
	return 0;
}

/* A change set is carried out once for its txid, however often it is tried;
 * that is what makes rolling forward safe. */
static void
a_change_set_is_applied_once(void **state)
{
	struct fix *f = fix_site();
	struct st_changes c;
	struct notes n = {""};
	struct st_domain d;
	char stream[STREAM_NAME];
	sqlite3 *db;
	int i;

	(void)state;
	st_view_domain(&f->view, NULL, "a.test", &d, &f->err);
	st_domain_stream(stream, d.id);
	db = fix_db(f, stream);
	st_changes_init(&c);
	st_changes_add(
	    &c, stream, "domain a.test user 101", "name", "Alice", "Ada");
	st_changes_add(&c, "site/demo", "gate default", "", NULL, "1");
	for (i = 0; i < 2; i++)
		assert_int_equal(st_apply_once(obj_table, db, stream, &c, 7,
				     "tx-7", note, &n, &f->err),
		    0);
	assert_string_equal(n.text, "user(101) ");
	/* somebody else's later commit is not undone by a late repetition */
	fix_set(f, "s1", "domain a.test user 101", "name=Amy");
	fix_commit(f, "s1");
	assert_int_equal(st_apply_once(obj_table, db, stream, &c, 7, "tx-7",
			     note, &n, &f->err),
	    0);
	assert_string_equal(
	    fix_value(f, "domain a.test user 101", "name"), "Amy");
	st_changes_fini(&c);
	fix_free(f);
}

/* Readers learn of each touched object once: its name, and its keys without
 * the domain, which the stream implies. */
static void
readers_are_told_of_objects(void **state)
{
	struct fix *f = fix_site();
	struct st_changes c;
	struct notes n = {""};

	(void)state;
	st_changes_init(&c);
	fix_set(f, "s1", "server srv1 listener lan",
	    "transport=udp;address=127.0.0.1;port=5060");
	fix_set(f, "s1", "server srv1", "description=x");
	assert_int_equal(
	    st_merge(&f->view, "s1", OBJ_ANY_LAYER, &c, NULL, &f->err), 0);
	assert_int_equal(st_apply(obj_table, fix_db(f, "site/demo"),
			     "site/demo", &c, note, &n, &f->err),
	    0);
	assert_string_equal(n.text, "server(srv1) listener(srv1 lan) ");
	st_changes_fini(&c);
	fix_free(f);
}

static int
count_revision(void *arg, const struct st_revision *r)
{
	int64_t *last = arg;

	assert_true(*last == 0 || r->rev == *last - 1);
	*last = r->rev;
	return 0;
}

/* Revisions are told youngest first, with what they changed. */
static void
revisions_are_kept(void **state)
{
	struct fix *f = fix_site();
	struct st_changes c;
	struct st_revision r;
	int64_t last = 0;

	(void)state;
	fix_set(f, "s1", "domain a.test user 101", "name=Ada");
	fix_commit(f, "s1");
	assert_int_equal(
	    st_revision_each(f->commit, 10, count_revision, &last, &f->err), 0);
	assert_int_equal(last, 1);
	st_changes_init(&c);
	assert_int_equal(st_revision_changes(f->commit, 2, &c, &f->err), 0);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.list[0].path, "domain a.test user 101");
	assert_string_equal(c.list[0].field, "name");
	assert_string_equal(c.list[0].old, "Alice");
	assert_string_equal(c.list[0].new, "Ada");
	st_changes_fini(&c);
	assert_int_equal(st_revision_by_txid(f->commit, "tx-2", &r), 0);
	assert_int_equal(r.rev, 2);
	assert_string_equal(r.operator, "s1");
	assert_int_equal(
	    st_revision_by_txid(f->commit, "tx-9", &r), -ERR_ABSENT);
	assert_int_equal(
	    st_revision_get(f->commit, 9, &r, &f->err), -ERR_ABSENT);
	fix_says(f, "there is no revision 9");
	fix_free(f);
}

/* Only the last ST_REVISIONS are kept, and their numbers go on. */
static void
old_revisions_are_dropped(void **state)
{
	struct fix *f = fix_site();
	char value[32];
	int i;

	(void)state;
	for (i = 0; i < ST_REVISIONS + 5; i++) {
		snprintf(value, sizeof value, "description=%d", i);
		fix_set(f, "s1", "domain a.test", value);
		fix_commit(f, "s1");
	}
	assert_int_equal(fix_count(f->commit, "SELECT count(*) FROM revision"),
	    ST_REVISIONS);
	assert_int_equal(
	    fix_count(f->commit, "SELECT count(*) FROM change"), ST_REVISIONS);
	assert_int_equal(st_revision_last(f->commit), ST_REVISIONS + 6);
	fix_free(f);
}

static int
refuse_step(void *arg)
{
	(void)arg;
	return 1;
}

/* Whether it is known cannot be told where the database cannot be read: that
 * is an error everywhere, neither "no" nor the end of a list. */
static void
nothing_unread_is_a_no(void **state)
{
	struct fix *f = fix_site();
	sqlite3 *root = fix_db(f, ST_ROOT_STREAM);
	struct obj_path p = fix_path("domain a.test"), other;
	struct st_revision r;
	struct st_exclusive x;
	struct st_confirm c;
	struct st_draft d;
	struct st_touch by;

	(void)state;
	sqlite3_progress_handler(f->commit, 1, refuse_step, NULL);
	sqlite3_progress_handler(root, 1, refuse_step, NULL);
	assert_int_equal(st_revision_pending(f->commit, &r), -ERR_IO);
	assert_int_equal(st_revision_by_txid(f->commit, "x", &r), -ERR_IO);
	assert_true(st_revision_last(f->commit) < 0);
	assert_int_equal(
	    st_revision_touch(f->commit, "domain a.test", true, 0, &by),
	    -ERR_IO);
	assert_int_equal(st_exclusive_get(f->commit, &x), -ERR_IO);
	assert_int_equal(st_confirm_get(f->commit, 1, &c), -ERR_IO);
	assert_int_equal(st_confirm_due(f->commit, &c), -ERR_IO);
	assert_int_equal(st_draft_by_txid(f->commit, "x", &d), -ERR_IO);
	/* a candidate is not thrown away because it was not found */
	assert_true(st_draft_leave(f->view.cand, "s1", 1, &f->err) < 0);
	assert_int_equal(st_cand_value(f->view.cand, "s1", "domain a.test",
			     "description", NULL, NULL),
	    -ERR_IO);
	assert_int_equal(st_cand_sound(f->view.cand, &f->err), -ERR_IO);
	assert_int_equal(st_cand_sound(f->view.cand, &f->err), 0);
	assert_int_equal(st_view_known(&f->view, "x"), -ERR_IO);
	assert_int_equal(obj_exists(root, &p, &f->err), -ERR_IO);
	assert_int_equal(
	    obj_clash(root, obj_table, &p, &other, &f->err), 0); /* no space */
	assert_int_equal(
	    obj_referrer(root, obj_table, OBJ_ROOT, &p, &other, &f->err),
	    0); /* nothing there refers to a domain */
	assert_null(strstr(f->err.text, "SELECT"));
	sqlite3_progress_handler(f->commit, 0, NULL, NULL);
	sqlite3_progress_handler(root, 0, NULL, NULL);
	fix_free(f);
}

/* A decided revision is pending until it is applied, the oldest first. */
static void
pending_revisions_are_found(void **state)
{
	struct fix *f = fix_site();
	struct st_revision v = {.rev = 2, .txid = "x"}, found;
	struct st_changes c;

	(void)state;
	assert_int_equal(st_revision_pending(f->commit, &found), -ERR_ABSENT);
	st_changes_init(&c);
	st_changes_add(&c, "site/demo", "gate default", "", NULL, "1");
	assert_int_equal(st_revision_add(f->commit, &v, &c, &f->err), 0);
	v.rev = 3;
	str_copy(v.txid, sizeof v.txid, "y");
	assert_int_equal(st_revision_add(f->commit, &v, &c, &f->err), 0);
	assert_int_equal(st_revision_pending(f->commit, &found), 0);
	assert_int_equal(found.rev, 2);
	assert_int_equal(st_revision_applied(f->commit, 2, &f->err), 0);
	assert_int_equal(st_revision_pending(f->commit, &found), 0);
	assert_int_equal(found.rev, 3);
	/* a txid names one commit */
	v.rev = 4;
	assert_int_not_equal(st_revision_add(f->commit, &v, &c, &f->err), 0);
	st_changes_fini(&c);
	fix_free(f);
}

static int
take_line(void *arg, const char *line, struct err *e)
{
	(void)e;
	buf_fmt(arg, "%s\n", line);
	return 0;
}

static void export(struct fix *f, const char *limit, struct buf *out)
{
	struct obj_path p, domain;
	struct st_domain d;
	char stream[STREAM_NAME];

	if (limit != NULL)
		p = fix_path(limit);
	assert_int_equal(
	    st_export(obj_table, fix_db(f, "site/demo"), OBJ_SITE,
		limit != NULL ? &p : NULL, NULL, take_line, out, &f->err),
	    0);
	if (limit == NULL || p.obj->place != OBJ_DOMAIN) {
		st_domain_path(obj_table, "a.test", &domain);
		assert_int_equal(st_export(obj_table, fix_db(f, ST_ROOT_STREAM),
				     OBJ_ROOT, limit != NULL ? &p : &domain,
				     NULL, take_line, out, &f->err),
		    0);
	}
	st_view_domain(&f->view, NULL, "a.test", &d, &f->err);
	st_domain_stream(stream, d.id);
	assert_int_equal(
	    st_export(obj_table, fix_db(f, stream), OBJ_DOMAIN,
		limit != NULL ? &p : NULL, "a.test", take_line, out, &f->err),
	    0);
}

/* Lines stand in the order of the table and of the keys, secrets masked,
 * values quoted where they must be, whatever the order of the edits. */
static void
export_is_canonical(void **state)
{
	struct fix *f = fix_site();
	struct buf b = BUF_INIT;

	(void)state;
	fix_set(f, "s1", "domain a.test number 600", "service=echo");
	fix_set(f, "s1", "domain a.test user 100", "name=Ann \"A\" Lee");
	fix_set(f, "s1", "domain a.test", "alias=b.test c.test");
	fix_commit(f, "s1");
	export(f, NULL, &b);
	assert_string_equal(b.data,
	    "set server srv1\n"
	    "set server srv1 role st instances 2\n"
	    "set domain a.test alias [b.test c.test] description first\n"
	    "set domain a.test user 100 name \"Ann \\\"A\\\" Lee\"\n"
	    "set domain a.test user 101 name Alice\n"
	    "set domain a.test user 102 name Bob password $SEALED$\n"
	    "set domain a.test number 600 service echo\n");
	buf_fini(&b);
	fix_free(f);
}

/* A path limits the export to what is at or below it. */
static void
export_is_limited_by_a_path(void **state)
{
	struct fix *f = fix_site();
	struct buf b = BUF_INIT;

	(void)state;
	fix_set(f, "s1", "domain a.test user 1010", "name=Other");
	fix_commit(f, "s1");
	export(f, "domain a.test user 101", &b);
	assert_string_equal(b.data, "set domain a.test user 101 name Alice\n");
	buf_reset(&b);
	export(f, "server srv1 role", &b);
	assert_string_equal(b.data, "set server srv1 role st instances 2\n");
	buf_fini(&b);
	fix_free(f);
}

static struct op_walk walk;

/* What export prints is understood again and changes nothing. */
static void
export_is_taken_back(void **state)
{
	static const struct op_field args[] = {
	    {.name = "path",
		.type = &op_type_path,
		.flags = OP_KEY | OP_REQUIRED},
	    {.name = "values", .type = &op_type_values}, {0}};
	static const struct op set = {.name = "set", .args = args};
	static const struct op *const ops[] = {&set, NULL};
	const struct op_table table = {.ops = ops, .objs = obj_table};
	struct fix *f = fix_site();
	struct st_editor by = fix_editor(f, "s2");
	struct buf b = BUF_INIT;
	struct obj_path p;
	char *line, *save = NULL;
	int lines = 0;

	(void)state;
	fix_set(f, "s1", "domain a.test user 100",
	    "name=It's \"x\" \\ [y] | z # $");
	fix_set(f, "s1", "domain a.test user #5", "name=x");
	fix_set(f, "s1", "domain a.test number *5#", "user=#5");
	fix_set(f, "s1", "certificate c", "chain=line one\nline \"two\";key=k");
	fix_commit(f, "s1");
	export(f, NULL, &b);
	for (line = strtok_r(b.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save), lines++) {
		if (op_walk(&table, line, 0, &walk) != 0)
			fail_msg("%s: %s", line, walk.err.text);
		p = fix_path(
		    json_string_value(json_object_get(walk.args, "path")));
		if (st_edit_set(&by, &p, json_object_get(walk.args, "values"),
			&f->err) != 0)
			fail_msg("%s: %s", line, f->err.text);
		op_walk_fini(&walk);
	}
	assert_int_equal(lines, 9);
	assert_int_equal(
	    fix_count(f->commit, "SELECT count(*) FROM candidate"), 0);
	buf_fini(&b);
	fix_free(f);
}

/* A database of an older release gets the columns that it lacks, and keeps what
 * it has. */
static void
older_tables_get_their_columns(void **state)
{
	static const char older[] =
	    "ALTER TABLE revision DROP COLUMN layer;"
	    "ALTER TABLE draft DROP COLUMN txid;"
	    "INSERT INTO revision VALUES(1, 'a', 7, 'petrov', 'local', NULL, "
	    "0, 1);";
	struct fix *f = fix_new();
	struct st_revision v = {.rev = 2, .txid = "b", .layer = OBJ_DATA}, r;
	struct st_changes none;
	struct st_draft d;

	(void)state;
	assert_int_equal(
	    sqlite3_exec(f->commit, older, NULL, NULL, NULL), SQLITE_OK);
	assert_int_not_equal(st_revision_get(f->commit, 1, &r, &f->err), 0);
	assert_int_equal(
	    st_upgrade(obj_table, ST_COMMIT, f->commit, &f->err), 0);
	assert_int_equal(
	    st_upgrade(obj_table, ST_COMMIT, f->commit, &f->err), 0);
	assert_int_equal(st_revision_get(f->commit, 1, &r, &f->err), 0);
	assert_string_equal(r.operator, "petrov");
	assert_int_equal(r.layer, OBJ_ANY_LAYER);
	st_changes_init(&none);
	assert_int_equal(st_revision_add(f->commit, &v, &none, &f->err), 0);
	st_changes_fini(&none);
	assert_int_equal(st_revision_by_txid(f->commit, "b", &r), 0);
	assert_int_equal(r.layer, OBJ_DATA);
	assert_int_equal(st_draft_by_txid(f->commit, "b", &d), -ERR_ABSENT);
	fix_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_change_set_is_applied_once),
	    cmocka_unit_test(readers_are_told_of_objects),
	    cmocka_unit_test(revisions_are_kept),
	    cmocka_unit_test(old_revisions_are_dropped),
	    cmocka_unit_test(nothing_unread_is_a_no),
	    cmocka_unit_test(pending_revisions_are_found),
	    cmocka_unit_test(export_is_canonical),
	    cmocka_unit_test(export_is_limited_by_a_path),
	    cmocka_unit_test(export_is_taken_back),
	    cmocka_unit_test(older_tables_get_their_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
