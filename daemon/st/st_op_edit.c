/*
 * Operations that edit the candidate of the session that asks: set, delete,
 * insert, annotate. They answer when the edit is acknowledged; many are on
 * their way at once and share a group.
 */
#include <stdlib.h>
#include <string.h>

#include "st_op.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

/* An edit that waits until the stream of its domain is open. */
struct edit_wait {
	struct op_call *call;
	struct st_hold *hold;
};

static void edit_on_open(void *arg, const struct err *why);

/* The stream that must be open for the edit, if it is not. */
static bool
edit_needs_stream(struct st *st, const struct op_call *call,
    const struct obj_path *p, char out[STREAM_NAME])
{
	struct st_domain d;

	if (p->obj->place != OBJ_DOMAIN ||
	    st_view_domain(&st->view, call->who.session, p->key[0], &d, NULL) !=
		0 ||
	    d.fresh)
		return false;
	st_domain_stream(out, d.id);
	return st_stream_find(st, out) == NULL;
}

/* The note of an object that there is; an empty one clears it. */
static int
edit_annotate(const struct st_editor *as, const struct op_call *call,
    const struct obj_path *p, struct err *e)
{
	struct st_editor by = *as;
	const char *note = op_arg(call, "note");
	json_t *values = json_pack("{s:o}", "description",
	    note[0] != '\0' ? json_string(note) : json_null());
	int r;

	by.there = true;
	r = st_edit_set(&by, p, values, e);
	json_decref(values);
	return r;
}

/* Values of one field at a place of its list. */
static int
edit_insert(const struct st_editor *by, const struct op_call *call,
    const struct obj_path *p, struct err *e)
{
	void *values = json_object_iter(op_arg_json(call, "values"));
	const struct op_field *f = obj_field(
	    p->obj, json_object_iter_key(values));
	const char *text = json_string_value(json_object_iter_value(values));
	const char *before = op_arg(call, "before"),
		   *after = op_arg(call, "after");

	if (before != NULL)
		return st_edit_insert(by, p, f, text, ST_BEFORE, before, e);
	if (after != NULL)
		return st_edit_insert(by, p, f, text, ST_AFTER, after, e);
	return st_edit_insert(by, p, f, text,
	    op_arg_flag(call, "first") ? ST_FIRST : ST_LAST, NULL, e);
}

/* The object, some of its fields, or values of one of them. */
static int
edit_delete(const struct st_editor *by, const struct op_call *call,
    const struct obj_path *p, struct err *e)
{
	json_t *fields = op_arg_json(call, "fields");
	void *values = json_object_iter(op_arg_json(call, "values"));

	if (values == NULL)
		return st_edit_delete(by, p, fields, e);
	if (fields != NULL)
		return err_set(e, ERR_INVALID,
		    "expected fields or values of one, not both");
	return st_edit_take(by, p,
	    obj_field(p->obj, json_object_iter_key(values)),
	    json_string_value(json_object_iter_value(values)), e);
}

/* What they may not change can be set to what it is: so whoever has a part of
 * the tree can apply all that is exported of it. */
static int
edit_unchanged(const struct st_editor *by, const struct op_call *call,
    const struct obj_path *p, struct err *e)
{
	int r = call->op == &st_op_set
	    ? st_edit_same(by, p, op_arg_json(call, "values"), e)
	    : 0;

	if (r != 0)
		return r > 0 ? 0 : r;
	return st_right_refuse(&call->who, op_arg(call, "path"), e);
}

/* Carry out the edit: all streams it needs are open. */
static int
edit_do(struct st *st, struct op_call *call, const struct obj_path *p,
    struct err *e)
{
	struct st_editor by = {.view = &st->view,
	    .seal = st->seal,
	    .session = call->who.session,
	    .rev = st->rev};
	int r;

	if (!op_changes_path(&call->who, p))
		return edit_unchanged(&by, call, p, e);
	if ((r = st_op_keep(st, call, e)) != 0)
		return r;
	if (call->op == &st_op_annotate)
		return edit_annotate(&by, call, p, e);
	if (call->op == &st_op_insert)
		return edit_insert(&by, call, p, e);
	if (call->op == &st_op_set)
		return st_edit_set(&by, p, op_arg_json(call, "values"), e);
	return edit_delete(&by, call, p, e);
}

static void
edit_finish(struct st *st, struct op_call *call, const struct obj_path *p)
{
	struct err e;

	if (edit_do(st, call, p, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	st->count.edits++;
	call->rev = st->rev;
	st_answer_on_ack(st, st_op_commit_stream(st), call);
}

/* The edit's turn. Others wait behind it while a stream is being opened. */
static void
edit_work(void *arg, const struct err *why)
{
	struct op_call *call = arg;
	struct st *st = st_of(call);
	char stream[STREAM_NAME];
	struct edit_wait *w;
	struct obj_path p;
	struct err e;

	if (st_op_refuse(st, call, why))
		return;
	if (obj_path_parse(st->cfg.objs, op_arg(call, "path"), &p, &e) != 0) {
		op_finish(call, &e);
		return;
	}
	if (!edit_needs_stream(st, call, &p, stream)) {
		edit_finish(st, call, &p);
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->call = call;
	st_gate_shut(st);
	w->hold = st_hold_new(st, edit_on_open, w);
	st_hold_add(w->hold, stream, ST_DOMAIN);
	st_hold_go(w->hold);
}

/* The stream is open, or cannot be: either way the next may go on. */
static void
edit_on_open(void *arg, const struct err *why)
{
	struct edit_wait *w = arg;
	struct op_call *call = w->call;
	struct st *st = st_of(call);
	struct obj_path p;

	if (why != NULL) {
		op_finish(call, why);
	} else {
		obj_path_parse(st->cfg.objs, op_arg(call, "path"), &p, NULL);
		edit_finish(st, call, &p);
	}
	st_hold_close(&w->hold);
	free(w);
	st_gate_open(st);
}

static void
edit_run(struct op_call *call)
{
	st_op_enter(call, edit_work);
}

static const struct op_field set_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "the object"},
    {.name = "values",
	.type = &op_type_values,
	.brief = "its fields and their values"},
    {0},
};

const struct op st_op_set = {
    .name = "set",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .limit = OP_LIMIT_CHANGES,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "make an object or set its fields",
    .about =
	"Changes the candidate of this session; nothing runs until commit. "
	"An object that is absent is made; fields that are not named keep "
	"their values. A domain is made before what belongs to it; beyond "
	"that the order of lines is free: types are checked at once, what an "
	"object refers to at the commit. A secret is sealed before it is "
	"stored; " OP_SEALED " leaves it as it is. A line that says what "
	"runs already changes nothing; of a domain that somebody may not "
	"change no other is taken.",
    .example = "set domain demo.test user 104 name Dora password swordfish",
    .args = set_args,
    .run = edit_run,
};

static const struct op_field delete_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "the object"},
    {.name = "fields",
	.type = &op_type_fields,
	.flags = OP_LIST,
	.brief = "fields to clear; none: the object itself"},
    {.name = "values",
	.type = &op_type_values,
	.flags = OP_LIST,
	.brief = "values to take out of one list"},
    {0},
};

const struct op st_op_delete = {
    .name = "delete",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "delete an object or clear its fields",
    .about =
	"Changes the candidate of this session; nothing runs until commit. "
	"With an object goes all below it. A field that is cleared has its "
	"default again. Behind a field that holds a list stand the values that "
	"go, where not all shall; what is written is the new list, as by set. "
	"A value that is spelled like a field is quoted. What is still referred to cannot be committed away: "
	"the commit names both sides.",
    .example = "set domain demo.test user 105 name Eve password xyzzy\n"
	       "delete domain demo.test user 105\n"
	       "set domain demo.test alias [a.demo.test b.demo.test]\n"
	       "delete domain demo.test alias b.demo.test",
    .args = delete_args,
    .run = edit_run,
};

static const struct op_field insert_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "the object"},
    {.name = "values",
	.type = &op_type_values,
	.flags = OP_LIST | OP_REQUIRED,
	.brief = "a field that holds a list, and values for it"},
    {.name = "before",
	.type = &op_type_member,
	.max = 255,
	.flags = OP_ONE,
	.brief = "put them in front of this value"},
    {.name = "after",
	.type = &op_type_member,
	.max = 255,
	.flags = OP_ONE,
	.brief = "put them behind this value"},
    {.name = "first",
	.type = &op_type_bool,
	.flags = OP_FLAG | OP_ONE,
	.brief = "put them in front of all"},
    {.name = "last",
	.type = &op_type_bool,
	.flags = OP_FLAG | OP_ONE,
	.brief = "put them behind all"},
    {0},
};

const struct op st_op_insert = {
    .name = "insert",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "put values at a place of a list",
    .about = "Where the order of a list means something: set gives a field "
	     "its whole list anew, this puts values into the one that the "
	     "candidate of this session has, else the one that runs. Values "
	     "that are in it already move; several come in the order in which "
	     "they stand. What is written is the new list, as set would, and "
	     "that is what a commit merges. The object must be there.",
    .example = "insert domain demo.test alias b.demo.test first\n"
	       "insert domain demo.test alias a.demo.test before b.demo.test",
    .args = insert_args,
    .run = edit_run,
};

static const struct op_field annotate_args[] = {
    {.name = "path",
	.type = &op_type_path,
	.flags = OP_KEY | OP_REQUIRED,
	.brief = "the object"},
    {.name = "note",
	.type = &op_type_text,
	.flags = OP_REQUIRED,
	.max = 200,
	.brief = "what is to be known of it; \"\" takes it away"},
    {0},
};

const struct op st_op_annotate = {
    .name = "annotate",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "write a note to an object",
    .about = "Sets the description of an object in the candidate of this "
	     "session. Unlike set it makes no object: one that neither runs "
	     "nor was made in the candidate is an error.",
    .example = "annotate domain demo.test user 101 note \"T-4411: moves in "
	       "May\"",
    .args = annotate_args,
    .run = edit_run,
};
