/*
 * Live names for the console's completion and `?`: keys of objects that
 * start with a prefix, or values of a list, from local replicas; names of
 * running instances. At
 * most COMPLETE_MAX; a console wants to offer, not to list. Somebody who has a
 * part of the tree of domains is offered that and no more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define COMPLETE_MAX 50

/* A completion on its way. */
struct complete {
	struct rpc_request *request;
	struct obj_path kind; /* or one object, of which the list is wanted */
	const struct op_field *list;
	char prefix[OBJ_KEY];
	unsigned limit;
	struct op_who who;
};

static void
complete_finish(struct complete *w, json_t *names)
{
	rpc_reply(w->request, names);
	free(w);
}

/* Is it the list of domains, for somebody who sees not all of them? */
static bool
complete_is_part(const struct complete *w)
{
	return op_is_limited(&w->who) && w->kind.nkeys == 0;
}

/* Of the names only those that they see, as many as are wanted; names is
 * taken. */
static json_t *
complete_narrow(const struct complete *w, json_t *names)
{
	json_t *seen = json_array(), *one;
	size_t i;

	json_array_foreach (names, i, one) {
		if (json_array_size(seen) < w->limit &&
		    op_sees(&w->who, json_string_value(one)))
			json_array_append(seen, one);
	}
	json_decref(names);
	return seen;
}

/* What the list of one object holds, as it runs. */
static void
complete_members(const struct complete *w, sqlite3 *db, json_t *names)
{
	struct obj_row row;
	const char *list, *word;
	size_t n;

	if (obj_get(db, &w->kind, &row, NULL) != 0)
		return;
	list = obj_value(&row, w->list->name);
	while ((n = str_word(&list, &word)) > 0) {
		if (n >= strlen(w->prefix) &&
		    memcmp(word, w->prefix, strlen(w->prefix)) == 0 &&
		    json_array_size(names) < w->limit)
			json_array_append_new(names, json_stringn(word, n));
	}
	obj_row_fini(&row);
}

static void
complete_from(void *arg, sqlite3 *db, const struct err *e)
{
	struct complete *w = arg;
	json_t *names = json_array();

	/* What cannot be read now is not offered; the command will say why. */
	if (e == NULL && w->list != NULL)
		complete_members(w, db, names);
	else if (e == NULL)
		obj_keys(db, &w->kind, w->prefix,
		    complete_is_part(w) ? 0 : w->limit, names, NULL);
	if (complete_is_part(w))
		names = complete_narrow(w, names);
	complete_finish(w, names);
}

static json_t *
complete_instances(struct control *c, const struct complete *w)
{
	const struct role_status *s;
	json_t *names = json_array();
	size_t at = 0;

	while ((s = map_next(&c->status, &at, NULL, NULL)) != NULL) {
		if (str_prefix(s->name, w->prefix) &&
		    json_array_size(names) < w->limit)
			json_array_append_new(names, json_string(s->name));
	}
	return names;
}

/* Which objects are meant: ref below path. */
static int
complete_kind(struct control *c, struct complete *w, const char *ref,
    const char *path, struct err *e)
{
	const struct obj *const *objs = c->self->table->objs;
	struct obj_path above = {0};
	const struct obj *o;
	int r;

	if (path != NULL && *path != '\0' &&
	    (r = obj_path_parse(objs, path, &above, e)) != 0)
		return r;
	w->kind = above;
	w->kind.obj = o = obj_find(objs, above.obj, ref);
	if (o == NULL || w->kind.nkeys + 1 != obj_depth(o))
		return err_set(e, ERR_UNKNOWN, "%.64s: no such object", ref);
	return 0;
}

/* Which list is meant: a field of the object at the path. It is told those who
 * may change it. */
static int
complete_list(struct control *c, struct complete *w, const char *field,
    const char *path, struct err *e)
{
	const struct op *insert = op_find(c->self->table, "insert");
	int r = insert == NULL
	    ? err_set(e, ERR_UNKNOWN, "no list can be changed")
	    : op_permit(insert, &w->who, NULL, e);

	if (r == 0)
		r = obj_path_parse(c->self->table->objs,
		    path != NULL ? path : "", &w->kind, e);
	if (r != 0)
		return r;
	w->list = w->kind.obj != NULL && w->kind.nkeys == obj_depth(w->kind.obj)
	    ? obj_field(w->kind.obj, field)
	    : NULL;
	if (w->list == NULL || !(w->list->flags & OP_LIST) ||
	    w->list->type->secret)
		return err_set(e, ERR_UNKNOWN, "%.64s: no such list", field);
	return 0;
}

/* Keys of a domain lie in a stream that may have to be opened first. */
static void
complete_start(struct control *c, struct complete *w)
{
	char site[STREAM_NAME];

	/* All domains are looked through for those that they see. */
	if (op_is_limited(&w->who) &&
	    (w->kind.nkeys > 0 ? !op_sees_path(&w->who, &w->kind)
			       : w->kind.obj->place != OBJ_ROOT)) {
		complete_finish(w, json_array());
		return;
	}
	if (w->kind.obj->place == OBJ_DOMAIN) {
		streams_read_domain(
		    c->streams, w->kind.key[0], complete_from, w);
		return;
	}
	snprintf(site, sizeof site, "site/%s", c->self->site);
	streams_read(c->streams,
	    w->kind.obj->place == OBJ_ROOT ? "domain/root" : site,
	    complete_from, w);
}

void
complete_request(struct session *s, struct rpc_request *q, json_t *params)
{
	struct control *c = s->control;
	const struct op_who *who = &s->who;
	struct complete *w = xcalloc(1, sizeof *w);
	const char *ref = json_string_value(json_object_get(params, "ref"));
	const char *list = json_string_value(json_object_get(params, "list"));
	const char *path = json_string_value(json_object_get(params, "path"));
	const char *prefix = json_string_value(
	    json_object_get(params, "prefix"));
	json_int_t limit = json_integer_value(json_object_get(params, "limit"));
	struct err e;
	int r;

	w->request = q;
	w->who = *who;
	w->limit = limit > 0 && limit < COMPLETE_MAX ? (unsigned)limit
						     : COMPLETE_MAX;
	str_copy(w->prefix, sizeof w->prefix, prefix != NULL ? prefix : "");
	if (str_equal(ref, "instance")) {
		complete_finish(w,
		    op_is_limited(who) ? json_array()
				       : complete_instances(c, w));
		return;
	}
	if (list != NULL)
		r = complete_list(c, w, list, path, &e);
	else if (ref != NULL)
		r = complete_kind(c, w, ref, path, &e);
	else
		r = err_set(&e, ERR_INVALID, "ref: missing");
	if (r != 0) {
		rpc_fail(q, &e);
		free(w);
	} else {
		complete_start(c, w);
	}
}
