/*
 * Is the configuration whole once a change set was carried out? Each touched
 * row by itself, the object above it, what it refers to, what refers to a
 * row that went, keys that must not be used twice. Runs in savepoints that
 * are undone, so it sees all streams as they would be. References are
 * resolved within the site, the directory and the own domain.
 */
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

/* The database of a path that lies in the stream of another one. */
static sqlite3 *
check_db(
    const struct st_checker *k, const struct obj_path *p, const char *stream)
{
	const struct st_view *v = k->view;

	if (p->obj->place == OBJ_SITE)
		return v->db(v->arg, v->site);
	if (p->obj->place == OBJ_ROOT)
		return v->db(v->arg, ST_ROOT_STREAM);
	return v->db(v->arg, stream);
}

static int
check_exists(const struct st_checker *k, const struct obj_path *p,
    const char *stream, struct err *e)
{
	sqlite3 *db = check_db(k, p, stream);

	return db != NULL ? obj_exists(db, p, e) : 0;
}

static int
check_parent(const struct st_checker *k, const struct obj_path *p,
    const char *stream, struct err *e)
{
	struct obj_path up;
	char text[OBJ_PATH];
	int r;

	if (!st_path_parent(p, &up) ||
	    (r = check_exists(k, &up, stream, e)) == 1)
		return 0;
	if (r < 0)
		return r;
	obj_path_text(&up, text, sizeof text);
	return err_set(e, ERR_CHECK, "there is no %s", text);
}

/* One value of a field that refers to another object. */
static int
check_ref(const struct st_checker *k, const struct obj_path *p,
    const char *stream, const struct op_field *f, const char *value,
    struct err *e)
{
	struct obj_path to;
	char text[OBJ_PATH];
	int r;

	if (obj_ref(k->view->objs, p, f, value, &to) != 0)
		return err_set(
		    e, ERR_CHECK, "%s: %s: refers to nothing", f->name, value);
	if ((r = check_exists(k, &to, stream, e)) != 0)
		return r < 0 ? r : 0;
	obj_path_text(&to, text, sizeof text);
	return err_set(e, ERR_CHECK, "%s: there is no %s", f->name, text);
}

/* Every value of every field that refers to an object. */
static int
check_refs(const struct st_checker *k, const struct obj_row *row,
    const char *stream, struct err *e)
{
	const struct op_field *f = row->path.obj->fields;
	const char *at, *word;
	char one[OBJ_KEY];
	size_t n;
	int i, r;

	for (i = 0; f[i].name != NULL; i++) {
		if (f[i].type != &op_type_ref || row->value[i] == NULL)
			continue;
		at = row->value[i];
		while ((n = str_word(&at, &word)) > 0) {
			str_ncopy(one, sizeof one, word, n);
			r = check_ref(k, &row->path, stream, &f[i], one, e);
			if (r != 0)
				return r;
		}
	}
	return 0;
}

static int
check_clash(const struct st_checker *k, sqlite3 *db, const struct obj_path *p,
    struct err *e)
{
	struct obj_path other;
	char text[OBJ_PATH];
	int r = obj_clash(db, k->view->objs, p, &other, e);

	if (r <= 0)
		return r;
	obj_path_text(&other, text, sizeof text);
	return err_set(e, ERR_CHECK, "%s has the same %s", text,
	    p->obj->space != NULL ? p->obj->space : "name");
}

/* A duty that a server shall not do may be meant so; what it costs is said,
 * unless the server itself goes. row NULL: no count is configured, which is
 * none. */
static void
check_duty(const struct st_checker *k, const struct obj_path *p,
    const struct obj_row *row)
{
	static const char *const lost[][2] = {
	    {"sg", "phones cannot reach it"},
	    {"sr", "phones cannot register"},
	    {"b2bua", "there are no calls"},
	    {"mgc", "calls have no sound"},
	    {"mg", "calls have no sound"},
	};
	struct obj_path server;
	size_t i;

	if (k->warnings == NULL || strcmp(p->obj->name, "role") != 0 ||
	    (row != NULL && obj_value_int(row, "instances", 1) > 0) ||
	    !st_path_parent(p, &server) ||
	    check_exists(k, &server, k->view->site, NULL) == 0)
		return;
	for (i = 0; i < sizeof lost / sizeof lost[0]; i++) {
		if (strcmp(lost[i][0], p->key[1]) == 0)
			json_array_append_new(k->warnings,
			    json_sprintf("server %s role %s: no instances: %s",
				p->key[0], p->key[1], lost[i][1]));
	}
}

/* What may be lost is said to whoever wants it so. */
static void
check_prefer(const struct st_checker *k, const struct obj_row *row)
{
	const char *prefer = obj_value(row, "prefer");

	if (k->warnings == NULL || strcmp(row->path.obj->name, "site") != 0 ||
	    prefer == NULL || strcmp(prefer, "availability") != 0)
		return;
	json_array_append_new(k->warnings,
	    json_string(
		"prefer availability: two servers without a witness may "
		"lose acknowledged writes on a cut; a witness on any "
		"third machine serves on and loses nothing"));
}

/* A witness runs nothing: what belongs to a server is not for it, but a role
 * of no instances. */
static int
check_witness(
    const struct st_checker *k, const struct obj_row *row, struct err *e)
{
	const struct obj_path *p = &row->path;
	struct obj_path up;
	struct obj_row server;
	bool witness;

	if (p->obj->parent == NULL ||
	    strcmp(p->obj->parent->name, "server") != 0 ||
	    (strcmp(p->obj->name, "role") == 0 &&
		obj_value_int(row, "instances", 1) == 0) ||
	    !st_path_parent(p, &up) ||
	    obj_get(check_db(k, &up, k->view->site), &up, &server, NULL) != 0)
		return 0;
	witness = obj_value_yes(&server, "witness");
	obj_row_fini(&server);
	return witness
	    ? err_set(e, ERR_CHECK,
		  "server %s is a witness: it votes and runs nothing else",
		  up.key[0])
	    : 0;
}

/* What only this room can say of a row. */
static int
check_special(
    const struct st_checker *k, const struct obj_row *row, struct err *e)
{
	if (check_witness(k, row, e) != 0)
		return -ERR_CHECK;
	check_duty(k, &row->path, row);
	check_prefer(k, row);
	return strcmp(row->path.obj->name, "certificate") == 0
	    ? st_certificate_check(k, row, e)
	    : 0;
}

/* A row that is there after the change. */
static int
check_row(const struct st_checker *k, sqlite3 *db, const struct obj_row *row,
    const char *stream, struct err *e)
{
	int r;

	if ((r = check_parent(k, &row->path, stream, e)) != 0 ||
	    (r = obj_check(row, e)) != 0 ||
	    (r = check_special(k, row, e)) != 0 ||
	    (r = check_refs(k, row, stream, e)) != 0)
		return r;
	return check_clash(k, db, &row->path, e);
}

/* Does anything in a stream still refer to an object that is gone? */
static int
check_referrer(const struct st_checker *k, const char *stream,
    enum obj_place place, const struct obj_path *gone, struct err *e)
{
	sqlite3 *db = k->view->db(k->view->arg, stream);
	struct obj_path by;
	char text[OBJ_PATH];
	int r = 0;

	if (db != NULL)
		r = obj_referrer(db, k->view->objs, place, gone, &by, e);
	if (r <= 0)
		return r;
	/* The stream of a domain does not say whose it is. */
	if (place == OBJ_DOMAIN)
		memcpy(by.key[0], gone->key[0], OBJ_KEY);
	if (k->who != NULL && !op_sees_path(k->who, &by))
		return err_set(e, ERR_CHECK,
		    "something that is not shown to you refers to it");
	obj_path_text(&by, text, sizeof text);
	return err_set(e, ERR_CHECK, "%s refers to it", text);
}

static int
check_gone(const struct st_checker *k, const struct obj_path *p,
    const char *stream, struct err *e)
{
	int r;

	if (p->obj->place == OBJ_DOMAIN)
		return check_referrer(k, stream, OBJ_DOMAIN, p, e);
	r = check_referrer(k, k->view->site, OBJ_SITE, p, e);
	if (r == 0)
		r = check_referrer(k, ST_ROOT_STREAM, OBJ_ROOT, p, e);
	return r;
}

/* One touched object, as it is after the change. */
static int
check_path(const struct st_checker *k, const struct st_change *c, struct err *e)
{
	sqlite3 *db = k->view->db(k->view->arg, c->stream);
	struct obj_path p;
	struct obj_row row;
	int r;

	if ((r = obj_path_parse(k->view->objs, c->path, &p, e)) != 0)
		return r;
	r = obj_get(db, &p, &row, e);
	if (r == -ERR_ABSENT) {
		check_duty(k, &p, NULL);
		return check_gone(k, &p, c->stream, e);
	}
	if (r == 0) {
		r = check_row(k, db, &row, c->stream, e);
		obj_row_fini(&row);
	}
	return r;
}

/* Failures of a check, while the next objects are looked at. */
struct check_found {
	const struct st_checker *k;
	size_t n;
	struct err first;
};

static void
check_add(struct check_found *f, const char *path, const struct err *e)
{
	json_t *row;

	if (f->n++ == 0)
		f->first = *e;
	if (f->k->failures == NULL || f->n > ST_TOLD)
		return;
	row = json_pack("{s:s}", "words", e->text);
	if (path != NULL)
		json_object_set_new(row, "path", json_string(path));
	json_array_append_new(f->k->failures, row);
}

int
st_check(const struct st_checker *k, struct err *e)
{
	const struct st_changes *c = k->changes;
	struct check_found found = {.k = k};
	struct err one;
	size_t i;
	int r;

	for (i = 0; i < c->n; i++) {
		if (i > 0 && c->list[i].path == c->list[i - 1].path)
			continue;
		if ((r = check_path(k, &c->list[i], &one)) == 0)
			continue;
		err_wrap(&one, "%s", c->list[i].path);
		if (r != -ERR_CHECK) {
			*e = one;
			return r;
		}
		check_add(&found, c->list[i].path, &one);
	}
	if ((r = st_unique(k, &one)) != 0)
		check_add(&found, NULL, &one);
	st_right_warn(k);
	return found.n > 0 ? st_first(e, &found.first, found.n) : 0;
}
