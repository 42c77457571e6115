/*
 * What a call names must be there. References and instances among its
 * arguments are looked up in local replicas before the call goes where it
 * runs, so an absent object is the same error for every operation and an
 * empty list always means that there is nothing. What cannot be read now, or
 * has no canonical form, is left to the operation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/role/role_wire.h"

/* A check on its way. */
struct refs {
	struct control *control;
	const struct op *op;
	json_t *args;
	const struct op_field *at; /* the next argument to look at */
	struct obj_path path;	   /* looked for in the stream of a domain */
	refs_fn *fn;
	void *arg;
};

static void refs_next(struct refs *);

static void
refs_finish(struct refs *r, const struct err *e)
{
	refs_fn *fn = r->fn;
	void *arg = r->arg;

	json_decref(r->args);
	free(r);
	fn(arg, e);
}

static void
refs_refuse(struct refs *r, const struct obj_path *p)
{
	char text[OBJ_PATH];
	struct err e;

	obj_path_text(p, text, sizeof text);
	err_set(&e, ERR_ABSENT, "there is no %s", text);
	refs_finish(r, &e);
}

/* An instance that runs on this server, or shall. */
static bool
refs_has_local(struct control *c, enum role_id id, unsigned index)
{
	const struct role_status *s;
	char name[ROLE_NAME];

	role_name(name, id, index);
	if (strcmp(name, c->self->name) == 0)
		return true;
	if ((s = map_str(&c->status, name)) == NULL)
		return false;
	/* one that was removed from here is no news */
	return s->pid != 0 || (int)index <= c->placed[id] ||
	    role_rows[id].mode == ROLE_SINGLE;
}

bool
control_has_instance(struct control *c, const char *name)
{
	const char *server;
	enum role_id id;
	unsigned index;
	struct owner o;

	if (!role_full_parse(name, &id, &index, &server))
		return false;
	if (server != NULL && strcmp(server, c->self->server) != 0)
		return owner_map_find(c->self->owners, name, &o);
	return refs_has_local(c, id, index);
}

/* The canonical text of an argument, or false. */
static bool
refs_value(const struct refs *r, const struct op_field *f, char *out)
{
	const char *text = json_string_value(json_object_get(r->args, f->name));

	return text != NULL && op_parse(f, text, out, OBJ_KEY, NULL) == 0;
}

/* The argument that refers to an object of this name, or NULL. */
static const struct op_field *
refs_field(const struct op *op, const char *name)
{
	const struct op_field *f;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_ref && str_equal(f->ref, name))
			return f;
	}
	return NULL;
}

/* The object of a reference; its parents are other references of the call. */
static bool
refs_path(const struct refs *r, const struct op_field *f, struct obj_path *p)
{
	const struct obj *const *o = r->control->self->table->objs;
	const struct obj *up;
	unsigned i;

	while (*o != NULL && strcmp((*o)->name, f->ref) != 0)
		o++;
	if (*o == NULL)
		return false;
	p->obj = *o;
	p->nkeys = i = obj_depth(*o);
	for (up = *o; up != NULL; up = up->parent) {
		f = refs_field(r->op, up->name);
		if (f == NULL || !refs_value(r, f, p->key[--i]))
			return false;
	}
	return true;
}

static void
refs_on_domain(void *arg, sqlite3 *db, const struct err *why)
{
	struct refs *r = arg;

	if (db != NULL ? obj_exists(db, &r->path, NULL) == 0
		       : streams_is_empty(why))
		refs_refuse(r, &r->path);
	else
		refs_next(r); /* what cannot be read the operation will say */
}

/* The replica where an object of the site or the directory is. */
static sqlite3 *
refs_db(struct control *c, const struct obj_path *p)
{
	char site[STREAM_NAME];

	if (p->obj->place == OBJ_ROOT)
		return streams_db(c->streams, "domain/root");
	snprintf(site, sizeof site, "site/%s", c->self->site);
	return streams_db(c->streams, site);
}

/* Look one argument up; true when the next may be looked at. */
static bool
refs_look(struct refs *r, const struct op_field *f)
{
	struct control *c = r->control;
	struct obj_path *p = &r->path;
	char name[OBJ_KEY];
	sqlite3 *db;
	struct err e;

	if (f->type == &op_type_instance && refs_value(r, f, name) &&
	    !control_has_instance(c, name)) {
		err_set(&e, ERR_ABSENT, "there is no %s", name);
		refs_finish(r, &e);
		return false;
	}
	if (f->type != &op_type_ref || !refs_path(r, f, p))
		return true;
	if (p->obj->place == OBJ_DOMAIN) {
		streams_read_domain(c->streams, p->key[0], refs_on_domain, r);
		return false;
	}
	db = refs_db(c, p);
	if (db == NULL || obj_exists(db, p, NULL) != 0)
		return true;
	refs_refuse(r, p);
	return false;
}

static void
refs_next(struct refs *r)
{
	const struct op_field *f;

	while ((f = r->at) != NULL && f->name != NULL) {
		r->at++;
		if (!refs_look(r, f))
			return;
	}
	refs_finish(r, NULL);
}

/* Is there anything that it could name? */
static bool
refs_has_any(const struct op *op)
{
	const struct op_field *f;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_ref || f->type == &op_type_instance)
			return true;
	}
	return false;
}

void
refs_check(struct control *c, const struct op *op, json_t *args, refs_fn *fn,
    void *arg)
{
	struct refs *r;

	if (!refs_has_any(op)) {
		fn(arg, NULL);
		return;
	}
	r = xcalloc(1, sizeof *r);
	r->control = c;
	r->op = op;
	r->args = json_incref(args);
	r->at = op->args;
	r->fn = fn;
	r->arg = arg;
	refs_next(r);
}
