/*
 * A configuration in plain SQLite, for tests of the store's pure parts: the
 * streams are databases in memory, a commit is carried out in one go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/st/st.h"

struct fix {
	sqlite3 *commit;
	struct map dbs; /* stream -> sqlite3 * */
	struct st_view view;
	struct st_seal *seal;
	int64_t rev;
	json_t *told; /* conflicts or failures of the last commit */
	struct err err;
};

static const uint8_t fix_key_auth[CRYPT_KEY] = "auth";
static const uint8_t fix_key_certificate[CRYPT_KEY] = "certificate";

static inline sqlite3 *
fix_open(struct fix *f, const char *stream, enum st_kind kind)
{
	struct buf sql = BUF_INIT;
	sqlite3 *db;

	assert_int_equal(st_schema(obj_table, kind, &sql), 0);
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, sql.data, NULL, NULL, NULL), SQLITE_OK);
	/* what is already there is left alone */
	assert_int_equal(st_upgrade(obj_table, kind, db, &f->err), 0);
	buf_fini(&sql);
	map_str_put(&f->dbs, stream, db);
	return db;
}

static inline sqlite3 *
fix_db(void *arg, const char *stream)
{
	struct fix *f = arg;

	return map_str(&f->dbs, stream);
}

static inline struct fix *
fix_new(void)
{
	struct fix *f = calloc(1, sizeof *f);

	op_use_objects(obj_table);
	f->commit = fix_open(f, "commit", ST_COMMIT);
	fix_open(f, "site/demo", ST_SITE);
	fix_open(f, ST_ROOT_STREAM, ST_ROOT);
	f->view.objs = obj_table;
	f->view.cand = st_cand_open(f->commit, &f->err);
	f->view.db = fix_db;
	f->view.arg = f;
	str_copy(f->view.site, sizeof f->view.site, "site/demo");
	f->seal = st_seal_new(fix_key_auth, fix_key_certificate);
	return f;
}

static inline void
fix_free(struct fix *f)
{
	sqlite3 *db;
	size_t at = 0;

	st_cand_close(&f->view.cand);
	st_seal_free(&f->seal);
	json_decref(f->told);
	while ((db = map_next(&f->dbs, &at, NULL, NULL)) != NULL)
		assert_int_equal(sqlite3_close(db), SQLITE_OK);
	map_fini(&f->dbs);
	free(f);
}

static inline struct obj_path
fix_path(const char *text)
{
	struct obj_path p;
	struct err e;

	if (obj_path_parse(obj_table, text, &p, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return p;
}

static inline struct st_editor
fix_editor(struct fix *f, const char *session)
{
	return (struct st_editor){.view = &f->view,
	    .seal = f->seal,
	    .session = session,
	    .rev = f->rev,
	    .internal = strcmp(session, ST_SYSTEM) == 0};
}

/* values: "field=value;field=value"; "field=" clears it. */
static inline int
fix_try_set(
    struct fix *f, const char *session, const char *path, const char *values)
{
	struct st_editor by = fix_editor(f, session);
	struct obj_path p = fix_path(path);
	json_t *o = json_object();
	char *copy = strdup(values), *save = NULL, *one, *eq;
	int r;

	for (one = strtok_r(copy, ";", &save); one != NULL;
	     one = strtok_r(NULL, ";", &save)) {
		eq = strchr(one, '=');
		*eq = '\0';
		json_object_set_new(
		    o, one, eq[1] != '\0' ? json_string(eq + 1) : json_null());
	}
	r = st_edit_set(&by, &p, o, &f->err);
	json_decref(o);
	free(copy);
	return r;
}

static inline void
fix_set(
    struct fix *f, const char *session, const char *path, const char *values)
{
	if (fix_try_set(f, session, path, values) != 0)
		fail_msg("set %s %s: %s", path, values, f->err.text);
}

static inline int
fix_delete(
    struct fix *f, const char *session, const char *path, const char *field)
{
	struct st_editor by = fix_editor(f, session);
	struct obj_path p = fix_path(path);
	json_t *fields = field != NULL ? json_pack("[s]", field) : NULL;
	int r = st_edit_delete(&by, &p, fields, &f->err);

	json_decref(fields);
	return r;
}

/* Streams of domains that the change set makes. */
static inline void
fix_make_streams(struct fix *f, const struct st_changes *c)
{
	const char *names[64];
	size_t n = st_changes_streams(c, names, 64), i;

	for (i = 0; i < n; i++) {
		if (map_str(&f->dbs, names[i]) == NULL)
			fix_open(f, names[i], ST_DOMAIN);
	}
}

/* A whole commit: 0, or the error that left everything as it was. */
static inline int
fix_try_commit(struct fix *f, const char *session, const char *operator)
{
	struct st_checker k = {.view = &f->view, .server = "srv1"};
	struct st_revision v = {.rev = f->rev + 1};
	struct st_changes c;
	const char *names[64];
	size_t n, i;
	int r;

	st_changes_init(&c);
	json_decref(f->told);
	f->told = k.failures = json_array();
	r = st_merge(&f->view, session, OBJ_ANY_LAYER, &c, f->told, &f->err);
	fix_make_streams(f, &c);
	n = st_changes_streams(&c, names, 64);
	for (i = 0; i < n; i++)
		sqlite3_exec(fix_db(f, names[i]), "SAVEPOINT t", NULL, NULL, 0);
	for (i = 0; r == 0 && i < n; i++)
		r = st_apply(obj_table, fix_db(f, names[i]), names[i], &c, NULL,
		    NULL, &f->err);
	k.changes = &c;
	if (r == 0)
		r = st_check(&k, &f->err);
	for (i = 0; i < n; i++)
		sqlite3_exec(fix_db(f, names[i]),
		    r == 0 ? "RELEASE t" : "ROLLBACK TO t; RELEASE t", NULL,
		    NULL, 0);
	if (r == 0 && c.n > 0) {
		snprintf(v.txid, sizeof v.txid, "tx-%d", (int)v.rev);
		v.time = clock_real();
		str_copy(v.operator, sizeof v.operator, operator);
		str_copy(v.source, sizeof v.source, "local");
		assert_int_equal(
		    st_revision_add(f->commit, &v, &c, &f->err), 0);
		assert_int_equal(
		    st_revision_applied(f->commit, v.rev, &f->err), 0);
		f->rev = v.rev;
	}
	if (r == 0)
		assert_int_equal(
		    st_cand_drop(f->view.cand, session, NULL, &f->err), 0);
	st_changes_fini(&c);
	return r;
}

static inline void
fix_commit(struct fix *f, const char *session)
{
	if (fix_try_commit(f, session, session) != 0)
		fail_msg("commit: %s", f->err.text);
}

/* The running value, "-" when it is not set, "" when there is no object. */
static inline const char *
fix_value(struct fix *f, const char *path, const char *field)
{
	static char out[OP_VALUE];
	struct obj_path p = fix_path(path);
	struct st_place at;
	struct obj_row row;
	bool there;
	int i;

	if (st_view_locate(&f->view, NULL, &p, &at, &f->err) != 0 ||
	    st_view_row(&at, &p, &row, &there, &f->err) != 0 || !there)
		return "";
	i = (int)(obj_field(p.obj, field) - p.obj->fields);
	str_copy(out, sizeof out, row.value[i] != NULL ? row.value[i] : "-");
	obj_row_fini(&row);
	return out;
}

static inline int64_t
fix_count(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = st_sql(db, NULL, sql, "");
	int64_t n = -1;

	if (s != NULL && sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

static inline void
fix_says(const struct fix *f, const char *words)
{
	if (strstr(f->err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, words);
}

/* A member of a row of what the last commit told. */
static inline const char *
fix_told(const struct fix *f, size_t i, const char *name)
{
	return json_string_value(
	    json_object_get(json_array_get(f->told, i), name));
}

/* The server itself and a domain with two users, as a site starts. */
static inline struct fix *
fix_site(void)
{
	struct fix *f = fix_new();

	fix_set(
	    f, ST_SYSTEM, "server srv1", "inside=127.0.0.1;port-base=40000");
	fix_set(f, ST_SYSTEM, "server srv1 role st", "instances=2");
	fix_set(f, ST_SYSTEM, "domain a.test", "description=first");
	fix_set(f, ST_SYSTEM, "domain a.test user 101", "name=Alice");
	fix_set(
	    f, ST_SYSTEM, "domain a.test user 102", "name=Bob;password=secret");
	fix_commit(f, ST_SYSTEM);
	return f;
}
