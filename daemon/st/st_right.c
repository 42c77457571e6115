/*
 * What a commit may hold. An edit was looked at when it came; but a candidate
 * can be filled in other ways too, and outlive the rights it was made with.
 * So the change set itself is looked at, whatever led to it. And somebody who
 * is about to shut themselves out is told.
 */
#include <string.h>

#include "st.h"
#include "daemon/base/str.h"

/* A field may name a domain, one or several: an alias, a reference. */
static bool
right_value(
    const struct op_who *who, const struct op_field *f, const char *value)
{
	char one[OBJ_KEY];
	size_t n;

	if (f == NULL || value == NULL ||
	    (f->type != &op_type_domain &&
		!(f->type == &op_type_ref && str_equal(f->ref, "domain"))))
		return true;
	for (; *value != '\0'; value += n + (value[n] == ' ')) {
		n = strcspn(value, " ");
		if (!str_ncopy(one, sizeof one, value, n) || !op_sees(who, one))
			return false;
	}
	return true;
}

int
st_right_refuse(const struct op_who *who, const char *path, struct err *e)
{
	return err_set(e, ERR_PERMISSION,
	    "%s: not permitted to %s, who is %s of domain %s", path, who->name,
	    admin_role_names[who->role], who->domain);
}

int
st_right_changes(const struct obj *const *objs, const struct op_who *who,
    const struct st_changes *all, struct err *e)
{
	const struct st_change *c;
	const struct op_field *f;
	struct obj_path p;
	size_t i;

	if (!op_is_limited(who))
		return 0;
	for (i = 0; i < all->n; i++) {
		c = &all->list[i];
		if (obj_path_parse(objs, c->path, &p, NULL) != 0 ||
		    !op_changes_path(who, &p))
			return st_right_refuse(who, c->path, e);
		f = obj_field(p.obj, c->field);
		/* what the system gives a new domain is its own name */
		if (!right_value(who, f, c->new))
			return err_set(e, ERR_PERMISSION,
			    "%s: %s: outside of domain %s", c->path, c->field,
			    who->domain);
	}
	return 0;
}

int
st_right_sees(const struct obj *const *objs, const struct op_who *who,
    sqlite3 *commit, int64_t rev)
{
	sqlite3_stmt *s;
	struct obj_path p;
	int step = SQLITE_ROW, r;
	bool all = true;

	if (!op_is_limited(who))
		return 1;
	s = st_sql(commit, NULL,
	    "SELECT DISTINCT path FROM change WHERE rev = ?1", "i", rev);
	if (s == NULL)
		return -ERR_IO;
	while (all && (step = sqlite3_step(s)) == SQLITE_ROW)
		all = obj_path_parse(objs, st_text(s, 0), &p, NULL) == 0 &&
		    op_sees_path(who, &p);
	r = st_sql_end(s, step, NULL);
	sqlite3_finalize(s);
	return r != 0 ? r : all;
}

/* Did the change set touch an administrator? */
static bool
right_touched(const struct st_checker *k)
{
	const struct obj *o = obj_find(k->view->objs, NULL, "administrator");
	struct obj_path p;
	size_t i;

	for (i = 0; o != NULL && i < k->changes->n; i++) {
		if (obj_path_parse(k->view->objs, k->changes->list[i].path, &p,
			NULL) == 0 &&
		    p.obj == o)
			return true;
	}
	return false;
}

void
st_right_warn(const struct st_checker *k)
{
	const struct st_view *v = k->view;
	struct op_who after;
	struct err e;

	if (k->who == NULL || k->who->role != ADMIN_SITE || k->who->fixed ||
	    k->warnings == NULL || !right_touched(k))
		return;
	after = *k->who;
	if (obj_who_role(v->objs, v->db(v->arg, v->site), &after, &e) == 0 &&
	    after.role == ADMIN_SITE)
		return;
	json_array_append_new(k->warnings,
	    json_sprintf("this takes your own rights away: %s will be %s",
		after.name,
		after.role == ADMIN_NOBODY ? "refused"
					   : admin_role_names[after.role]));
}
