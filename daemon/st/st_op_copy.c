/*
 * Operations that make an object of another one: copy, rename. What is copied
 * is the object and all below it as the candidate has them. A secret is not:
 * a password is sealed for its user, a key for its certificate. With a rename
 * goes every reference to the old name.
 */
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

extern const struct op st_op_copy, st_op_rename;

/* An edit that is to be made: values of an object. */
struct copy_edit {
	struct obj_path path;
	json_t *values;
};

struct copy {
	struct st *st;
	struct op_call *call;
	struct obj_path from, to;
	struct st_hold *hold;
	struct copy_edit *edits;
	size_t n, cap;
	unsigned secrets; /* that were not copied */
	bool found;
};

static void
copy_finish(struct copy *c, const struct err *e)
{
	struct op_call *call = c->call;
	struct st *st = c->st;
	size_t i;

	for (i = 0; i < c->n; i++)
		json_decref(c->edits[i].values);
	st_hold_close(&c->hold);
	free(c->edits);
	free(c);
	call->rev = st->rev;
	if (e != NULL)
		op_finish(call, e);
	else
		st_answer_on_ack(st, st_op_commit_stream(st), call);
}

static bool
copy_renames(const struct copy *c)
{
	return c->call->op == &st_op_rename;
}

static json_t *
copy_add(struct copy *c, const struct obj_path *path)
{
	struct copy_edit *one;

	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 16 : 2 * c->cap;
		c->edits = xrealloc(c->edits, c->cap * sizeof *c->edits);
	}
	one = &c->edits[c->n++];
	one->path = *path;
	one->values = json_object();
	return one->values;
}

/* ---- the rows -------------------------------------------------------------
 */

/* Is a path the one that is copied, or below it? */
static bool
copy_is_within(const struct copy *c, const struct obj_path *p)
{
	char path[OBJ_PATH], from[OBJ_PATH];

	obj_path_text(p, path, sizeof path);
	obj_path_text(&c->from, from, sizeof from);
	return st_path_below(path, from);
}

/* A row of the object and of what is below it, under the new name. */
static void
copy_row(struct copy *c, const struct obj_row *row)
{
	const struct op_field *f = row->path.obj->fields;
	unsigned key = c->from.nkeys - 1;
	struct obj_path to = row->path;
	json_t *values;
	int i;

	memcpy(to.key[key], c->to.key[key], sizeof to.key[key]);
	c->found = true;
	values = copy_add(c, &to);
	for (i = 0; f[i].name != NULL; i++) {
		if (row->value[i] == NULL || (f[i].flags & OP_INTERNAL))
			continue;
		if (f[i].type->secret)
			c->secrets++;
		else
			json_object_set_new(
			    values, f[i].name, json_string(row->value[i]));
	}
}

/* A field that refers to what is renamed, with the new name in it. */
static void
copy_refer(struct copy *c, const struct obj_row *row, const struct op_field *f,
    const char *value)
{
	char *copy = xstrdup(value), *next = copy, *word;
	const char *new = c->to.key[c->from.nkeys - 1];
	struct obj_path target;
	struct buf out = BUF_INIT;
	bool any = false, same;

	while ((word = strsep(&next, " ")) != NULL) {
		same = obj_ref(c->st->cfg.objs, &row->path, f, word, &target) ==
			0 &&
		    target.obj == c->from.obj && copy_is_within(c, &target);
		any |= same;
		buf_fmt(
		    &out, "%s%s", out.len > 0 ? " " : "", same ? new : word);
	}
	if (any && !out.failed)
		json_object_set_new(
		    copy_add(c, &row->path), f->name, json_string(out.data));
	buf_fini(&out);
	free(copy);
}

static int
copy_on_row(void *arg, struct obj_row *row, struct err *e)
{
	struct copy *c = arg;
	const struct op_field *f = row->path.obj->fields;
	int i;

	(void)e;
	if (copy_is_within(c, &row->path)) {
		copy_row(c, row);
		return 0;
	}
	for (i = 0; copy_renames(c) && f[i].name != NULL; i++) {
		if (f[i].type == &op_type_ref && row->value[i] != NULL)
			copy_refer(c, row, &f[i], row->value[i]);
	}
	return 0;
}

/* Every row of a database, with the candidate's changes in it. */
static int
copy_rows(struct copy *c, sqlite3 *db, const char *stream, enum obj_place place,
    const struct st_changes *changes, struct err *e)
{
	const struct obj *const *o = c->st->cfg.objs;
	struct obj_path kind = {.nkeys = 0};
	int r = st_apply(o, db, stream, changes, NULL, NULL, e);

	if (place == OBJ_DOMAIN) {
		kind.nkeys = 1;
		memcpy(kind.key[0], c->from.key[0], sizeof kind.key[0]);
	}
	for (; r == 0 && *o != NULL; o++) {
		kind.obj = *o;
		if ((*o)->place == place)
			r = obj_each(db, &kind, NULL, 0, copy_on_row, c, e);
	}
	return r;
}

/* The same of a stream that is open, of which nothing stays. */
static int
copy_stream(struct copy *c, const char *stream, enum obj_place place,
    const struct st_changes *changes, struct err *e)
{
	struct st_stream *s = st_stream_find(c->st, stream);
	int r;

	if (s == NULL)
		return err_set(e, ERR_REFUSED,
		    "the domain is made by this candidate: commit it first");
	if ((r = stream_join(s->stream, e)) != 0 ||
	    (r = stream_mark(s->stream, e)) != 0)
		return r;
	r = copy_rows(c, stream_db(s->stream), stream, place, changes, e);
	stream_mark_undo(s->stream, NULL);
	return r;
}

/* The streams that hold the object: of a domain its own, too. */
static int
copy_collect(struct copy *c, const struct st_changes *changes, struct err *e)
{
	const struct st_view *v = &c->st->view;
	enum obj_place place = c->from.obj->place;
	char stream[STREAM_NAME];
	struct st_domain d;
	int r;

	if (place == OBJ_SITE)
		return copy_stream(c, v->site, OBJ_SITE, changes, e);
	if ((r = st_view_domain(
		 v, c->call->who.session, c->from.key[0], &d, e)) != 0)
		return r;
	if (place == OBJ_ROOT &&
	    (r = copy_stream(c, ST_ROOT_STREAM, OBJ_ROOT, changes, e)) != 0)
		return r;
	st_domain_stream(stream, d.id);
	return copy_stream(c, stream, OBJ_DOMAIN, changes, e);
}

/* ---- the edits ------------------------------------------------------------
 */

/* The old name goes, and is known to be the one that the new one had. */
static int
copy_leave(struct copy *c, const struct st_editor *by, struct err *e)
{
	char from[OBJ_PATH], to[OBJ_PATH];
	int r = st_edit_delete(by, &c->from, NULL, e);

	obj_path_text(&c->from, from, sizeof from);
	obj_path_text(&c->to, to, sizeof to);
	if (r == 0)
		r = st_cand_renamed(c->st->view.cand, by->session, from, to, e);
	return r;
}

static int
copy_edits(void *arg, struct err *e)
{
	struct copy *c = arg;
	struct st *st = c->st;
	struct st_editor by = {.view = &st->view,
	    .seal = st->seal,
	    .session = c->call->who.session,
	    .rev = st->rev};
	size_t i;
	int r = st_op_keep(st, c->call, e);

	for (i = 0; r == 0 && i < c->n; i++)
		r = st_edit_set(&by, &c->edits[i].path, c->edits[i].values, e);
	return r == 0 && copy_renames(c) ? copy_leave(c, &by, e) : r;
}

static int
copy_do(struct copy *c, const struct st_changes *changes, struct err *e)
{
	char path[OBJ_PATH];
	int r = copy_collect(c, changes, e);

	obj_path_text(&c->from, path, sizeof path);
	if (r == 0 && !c->found)
		return err_set(e, ERR_ABSENT, "there is no %s", path);
	return r != 0 ? r : st_stream_whole(c->st, copy_edits, c, e);
}

/* The name is free, in the candidate and among what runs. */
static int
copy_is_free(struct copy *c, struct err *e)
{
	const struct st_view *v = &c->st->view;
	char path[OBJ_PATH];
	struct st_object o;
	struct st_place at;
	struct obj_path above;
	struct obj_row row;
	bool there = false;
	int r;

	obj_path_text(&c->to, path, sizeof path);
	r = st_cand_object(v->cand, c->call->who.session, path, &o, e);
	if (r != 0)
		return r;
	if (o.intent == ST_NONE &&
	    !st_view_lost(v, c->call->who.session, &c->to, &above) &&
	    st_view_locate(v, c->call->who.session, &c->to, &at, NULL) == 0 &&
	    (r = st_view_row(&at, &c->to, &row, &there, e)) != 0)
		return r;
	if (there)
		obj_row_fini(&row);
	if (!there && o.intent != ST_SET && o.intent != ST_REPLACE)
		return 0;
	return err_set(e, ERR_REFUSED, "%s: is there already", path);
}

static void
copy_on_compared(void *arg, struct st_job *j, const struct err *why)
{
	struct copy *c = arg;
	struct err e;
	int r = 0;

	if (why != NULL)
		e = *why;
	if (why != NULL || (r = copy_is_free(c, &e)) != 0 ||
	    (r = copy_do(c, &j->changes, &e)) != 0) {
		copy_finish(c, &e);
	} else {
		if (c->secrets > 0)
			op_warn(c->call,
			    "%u secret%s not copied: set anew what belongs to "
			    "the new name",
			    c->secrets, c->secrets == 1 ? " was" : "s were");
		op_row(c->call);
		op_put_int(c->call, "objects", (int64_t)c->n);
		copy_finish(c, NULL);
	}
	st_job_free(&j);
}

/* ---- the beginning --------------------------------------------------------
 */

static void
copy_on_open(void *arg, const struct err *why)
{
	struct copy *c = arg;
	struct st *st = c->st;
	struct st_job *j;

	if (why != NULL) {
		copy_finish(c, why);
		st_gate_open(st);
		return;
	}
	j = st_job_new(st, c->call->who.session, copy_on_compared, c);
	j->task = ST_TASK_COMPARE;
	st_job_start(j);
}

/* From where to where. */
static int
copy_paths(struct copy *c, struct err *e)
{
	const struct obj *const *objs = c->st->cfg.objs;
	const struct obj *o;
	unsigned key;
	int r;

	r = obj_path_parse(objs, op_arg(c->call, "path"), &c->from, e);
	if (r != 0)
		return r;
	o = c->from.obj;
	if (copy_renames(c) && o->place == OBJ_ROOT)
		return err_set(e, ERR_REFUSED,
		    "a domain keeps its name, for which the passwords of its "
		    "users were made: set an alias");
	c->to = c->from;
	key = c->from.nkeys - 1;
	r = op_parse(&o->key, op_arg(c->call, "to"), c->to.key[key],
	    sizeof c->to.key[key], e);
	return r != 0 ? err_wrap(e, "to") : 0;
}

static void
copy_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	char stream[STREAM_NAME];
	struct st_domain d;
	struct copy *c;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	c = xcalloc(1, sizeof *c);
	c->st = st;
	c->call = call;
	if (copy_paths(c, &e) != 0) {
		copy_finish(c, &e);
		return;
	}
	st_gate_shut(st);
	c->hold = st_hold_new(st, copy_on_open, c);
	if (c->from.obj->place != OBJ_SITE &&
	    st_view_domain(
		&st->view, call->who.session, c->from.key[0], &d, NULL) == 0 &&
	    !d.fresh) {
		st_domain_stream(stream, d.id);
		st_hold_add(c->hold, stream, ST_DOMAIN);
	}
	st_hold_go(c->hold);
}

static void
copy_run(struct op_call *call)
{
	st_op_enter(call, copy_work);
}

static const struct op_field copy_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "the object"},
    {.name = "to",
	.type = &op_type_text,
	.flags = OP_REQUIRED,
	.min = 1,
	.max = 255,
	.brief = "its new name"},
    {0},
};

static const struct op_field copy_cols[] = {
    {.name = "objects",
	.type = &op_type_int,
	.brief = "that were made or changed in the candidate"},
    {0},
};

const struct op st_op_copy = {
    .name = "copy",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "make an object like another one",
    .about = "The object and all below it, as the candidate has them, under "
	     "another name in the same place. Nothing runs until commit. "
	     "Passwords and private keys are not copied: they are sealed for "
	     "the name that they were set for.",
    .example = "copy domain demo.test user 101 to 106\ndiscard",
    .args = copy_args,
    .cols = copy_cols,
    .run = copy_run,
};

const struct op st_op_rename = {
    .name = "rename",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "give an object another name",
    .about =
	"As copy, and the old one is deleted; what refers to it refers "
	"to the new name. Passwords and private keys have to be set "
	"anew. A commit of it conflicts where somebody else has deleted or "
	"renamed the object meanwhile. A domain cannot be renamed: it can "
	"be given an alias.",
    .example = "rename domain demo.test user 101 to 106\ndiscard",
    .args = copy_args,
    .cols = copy_cols,
    .run = copy_run,
};
