/*
 * A domain's users and numbers, from its database or as another process has
 * told them, into a plan. What they mean
 * is decided by plan/ alone; a row that plan/ refuses is said once and left
 * out, so that one bad row does not silence a domain.
 */
#include <string.h>

#include "b2bua.h"
#include "daemon/obj/obj.h"

#include "daemon/base/log.h"
#include "daemon/base/str.h"

struct load {
	struct plan_builder *builder;
	const char *domain;
	bool failed; /* out of memory */
};

static unsigned
load_number(const struct obj_row *row, const char *field)
{
	const char *text = obj_value(row, field);
	int64_t n;

	return text != NULL && str_int(text, 0, 100000, &n) ? (unsigned)n : 0;
}

static int
load_note(struct load *l, int rc, const struct err *err)
{
	if (rc == -ERR_NOMEM)
		return rc;
	if (rc != 0)
		log_warnx("domain=%s %s: left out", l->domain, err->text);
	return 0;
}

static int
load_user(void *arg, struct obj_row *row, struct err *err)
{
	struct load *l = arg;
	struct plan_user u = {
	    .key = row->path.key[1],
	    .name = obj_value(row, "name"),
	    .off = str_equal(obj_value(row, "state"), "off"),
	    .max_contacts = load_number(row, "max-contacts"),
	    .ring_time = load_number(row, "ring-time"),
	};

	return load_note(l, plan_builder_user(l->builder, &u, err), err);
}

static int
load_extra_number(void *arg, struct obj_row *row, struct err *err)
{
	struct load *l = arg;
	struct plan_number n = {
	    .number = row->path.key[1],
	    .user = obj_value(row, "user"),
	    .service = obj_value(row, "service"),
	};

	return load_note(l, plan_builder_number(l->builder, &n, err), err);
}

/* Every row of one kind of object in the domain. */
static int
load_each(sqlite3 *db, const struct obj *const *objs, const char *domain,
    const char *kind, obj_each_fn *fn, struct load *l, struct err *err)
{
	struct obj_path path = {.nkeys = 1};
	const struct obj *parent = obj_find(objs, NULL, "domain");

	path.obj = parent == NULL ? NULL : obj_find(objs, parent, kind);
	if (path.obj == NULL)
		return err_set(
		    err, ERR_INTERNAL, "no object is called %s", kind);
	str_copy(path.key[0], sizeof path.key[0], domain);
	return obj_each(db, &path, NULL, 0, fn, l, err);
}

/* Every kind of row that a plan is made of. */
static const struct {
	const char *kind;
	obj_each_fn *fn;
} load_rows[] = {{"user", load_user}, {"number", load_extra_number}};
#define LOAD_ROWS (sizeof load_rows / sizeof *load_rows)

bool
plan_load_reads(const char *kind)
{
	for (size_t i = 0; i < LOAD_ROWS; i++)
		if (strcmp(load_rows[i].kind, kind) == 0)
			return true;
	return false;
}

/* One row that was told; what this release does not know is left out. Its
 * texts are borrowed. */
static int
load_told(struct load *l, const struct obj *parent,
    const struct obj *const *objs, json_t *told, struct err *err)
{
	const char *kind = json_string_value(json_array_get(told, 0));
	const char *key = json_string_value(json_array_get(told, 1));
	json_t *values = json_array_get(told, 2);
	struct obj_row row = {.path = {.nkeys = 2}};

	row.path.obj = kind == NULL ? NULL : obj_find(objs, parent, kind);
	if (row.path.obj == NULL || key == NULL)
		return 0;
	str_copy(row.path.key[0], sizeof row.path.key[0], l->domain);
	str_copy(row.path.key[1], sizeof row.path.key[1], key);
	for (unsigned i = 0; row.path.obj->fields[i].name != NULL; i++)
		row.value[i] = (char *)json_string_value(
		    json_object_get(values, row.path.obj->fields[i].name));
	for (size_t i = 0; i < LOAD_ROWS; i++)
		if (strcmp(load_rows[i].kind, kind) == 0)
			return load_rows[i].fn(l, &row, err);
	return 0;
}

int64_t
plan_load_revision(sqlite3 *db)
{
	sqlite3_stmt *s;
	int64_t rev = 0;

	if (sqlite3_prepare_v2(db, "SELECT max(rev) FROM _applied", -1, &s,
		NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		rev = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rev;
}

int
plan_load_told(const struct obj *const *objs, json_t *rows,
    const struct plan_domain *d, struct plan **plan, struct err *err)
{
	const struct obj *parent = obj_find(objs, NULL, "domain");
	struct load l = {.domain = d->name};
	int rc = plan_builder_new(d, &l.builder, err);
	json_t *told;
	size_t i;

	*plan = NULL;
	json_array_foreach (rows, i, told) {
		if (rc == 0)
			rc = load_told(&l, parent, objs, told, err);
	}
	if (rc == 0)
		return plan_build(&l.builder, plan, err);
	plan_builder_free(&l.builder);
	return rc;
}

int
plan_load(const struct obj *const *objs, sqlite3 *db,
    const struct plan_domain *d, struct plan **plan, struct err *err)
{
	struct load l = {.domain = d->name};
	int rc = plan_builder_new(d, &l.builder, err);

	*plan = NULL;
	for (size_t i = 0; rc == 0 && i < LOAD_ROWS; i++)
		rc = load_each(db, objs, d->name, load_rows[i].kind,
		    load_rows[i].fn, &l, err);
	if (rc == 0)
		return plan_build(&l.builder, plan, err);
	plan_builder_free(&l.builder);
	return rc;
}
