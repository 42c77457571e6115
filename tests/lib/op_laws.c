/* The laws of the tables; see op_laws.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/str.h"
#include "op_laws.h"

struct laws {
	const struct op_table *t;
	struct buf *out;
	int broken;
	char what[256]; /* in front of each line */
};

static void __attribute__((format(printf, 2, 3)))
broken(struct laws *l, const char *fmt, ...)
{
	char words[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	buf_fmt(l->out, "%s: %s\n", l->what, words);
	l->broken++;
}

/* A brief is one short line without a full stop. */
static void
check_brief(struct laws *l, const char *of, const char *brief)
{
	size_t n = brief != NULL ? strlen(brief) : 0, i, chars = 0;

	for (i = 0; i < n; i++)
		chars += (brief[i] & 0xc0) != 0x80;
	if (n == 0)
		broken(l, "%s: brief is empty", of);
	else if (brief[n - 1] == '.')
		broken(l, "%s: brief ends with a full stop", of);
	if (chars > 60)
		broken(l, "%s: brief has more than 60 characters", of);
	if (n != 0 && strchr(brief, '\n') != NULL)
		broken(l, "%s: brief has several lines", of);
}

/* Words of small letters, digits and '-', 31 long at most. */
static void
check_name(struct laws *l, const char *name, bool spaces)
{
	size_t word = 0, i;

	for (i = 0; name[i] != '\0'; i++) {
		if (name[i] == ' ' && spaces && word != 0) {
			word = 0;
			continue;
		}
		word++;
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", name[i]) ==
			NULL ||
		    word > 31)
			break;
	}
	if (name[i] != '\0' || word == 0 || i > 95)
		broken(l, "%s: not a name", name);
}

static bool
has_spaces(const struct op_type *t)
{
	return t == &op_type_text || t == &op_type_blob ||
	    t == &op_type_secret || t == &op_type_path || t == &op_type_values;
}

static const struct obj *
object(const struct op_table *t, const char *name)
{
	const struct obj *const *o;

	for (o = t->objs; *o != NULL; o++) {
		if (strcmp((*o)->name, name) == 0)
			return *o;
	}
	return NULL;
}

/* A default is canonical already. */
static void
check_default(struct laws *l, const struct op_field *f)
{
	char out[OP_VALUE];
	struct err e;
	int r;

	if (f->def == NULL || f->type == &op_type_ref)
		return;
	r = f->flags & OP_LIST ? op_parse_list(f, f->def, out, sizeof out, &e)
			       : op_parse(f, f->def, out, sizeof out, &e);
	if (r != 0)
		broken(l, "%s: default: %s", f->name, e.text);
	else if (strcmp(out, f->def) != 0)
		broken(l, "%s: default is written %s", f->name, out);
}

/* What holds for every field, wherever it stands. */
static void
check_field(struct laws *l, const struct op_field *f)
{
	check_name(l, f->name, false);
	check_brief(l, f->name, f->brief);
	if (f->type == NULL) {
		broken(l, "%s: no type", f->name);
		return;
	}
	if (op_type_find(f->type->name) != f->type)
		broken(l, "%s: type is not in the table", f->name);
	if (f->type == &op_type_choice &&
	    (f->choices == NULL || f->choices[0] == NULL))
		broken(l, "%s: no choices", f->name);
	if (f->type == &op_type_ref &&
	    (f->ref == NULL || object(l->t, f->ref) == NULL))
		broken(l, "%s: refers to no object", f->name);
	if (f->flags & OP_LIST && f->type != &op_type_values &&
	    has_spaces(f->type))
		broken(l, "%s: a list of texts with spaces", f->name);
	if (f->flags & OP_FLAG && f->type != &op_type_bool)
		broken(l, "%s: a flag is yes or no", f->name);
	if (f->min > f->max)
		broken(l, "%s: limits are reversed", f->name);
	check_default(l, f);
}

static void
check_fields(struct laws *l, const char *kind, const struct op_field *f)
{
	const struct op_field *g;
	char what[256];

	str_copy(what, sizeof what, l->what);
	for (g = f; g != NULL && g->name != NULL; g++) {
		snprintf(l->what, sizeof l->what, "%.200s: %s", what, kind);
		check_field(l, g);
		if (op_field_find(f, g->name) != g)
			broken(l, "%s: stands twice", g->name);
	}
	str_copy(l->what, sizeof l->what, what);
}

/* ---- operations --------------------------------------------------------- */

static const char *const verbs[] = {"show", "monitor", "trace", "test", "clear",
    "request", "configure", "set", "delete", "rename", "copy", "insert",
    "annotate", "compare", "check", "commit", "confirm", "undo", "rollback",
    "restore", "update", "discard", "apply", "export", "help", "screen", "quit",
    "exit", NULL};

/* The verb is one of the closed list. */
static void
check_verb(struct laws *l, const struct op *op)
{
	const char *const *v;

	for (v = verbs; *v != NULL; v++) {
		if (str_iequal(op->name, strcspn(op->name, " "), *v))
			return;
	}
	broken(l, "the verb is not one of ours");
}

/* Positional arguments: required ones first, one path at most. */
static void
check_args(struct laws *l, const struct op *op)
{
	const struct op_field *f;
	bool optional = false, path = false, member = false, list = false;
	unsigned n = 0, ones = 0;

	for (f = op->args; f != NULL && f->name != NULL; f++, n++) {
		if (f->flags & OP_KEY && f->flags & OP_REQUIRED && optional)
			broken(l, "%s: required behind an optional", f->name);
		optional |= (f->flags & (OP_KEY | OP_REQUIRED)) == OP_KEY;
		if (f->type == &op_type_path && (path || !(f->flags & OP_KEY)))
			broken(l, "%s: one path, positional", f->name);
		path |= f->type == &op_type_path;
		if ((f->type == &op_type_values ||
			f->type == &op_type_fields) &&
		    !path)
			broken(l, "%s: needs a path before it", f->name);
		if (f->type == &op_type_fields && !(f->flags & OP_LIST))
			broken(l, "%s: is a list", f->name);
		if (f->flags & (OP_IMMUTABLE | OP_RESTART | OP_INTERNAL))
			broken(l, "%s: a flag of objects", f->name);
		if (f->flags & OP_ONE &&
		    (f->flags & (OP_KEY | OP_REQUIRED) || f->def != NULL))
			broken(l, "%s: one of several is named, and optional",
			    f->name);
		ones += (f->flags & OP_ONE) != 0;
		member |= f->type == &op_type_member;
		list |= f->type == &op_type_values && f->flags & OP_LIST;
	}
	if (ones == 1)
		broken(l, "one of several, but there are no others");
	if (member && !list)
		broken(l, "a member of no list");
	if (n > 60)
		broken(l, "more than 60 arguments");
}

static void
check_cols(struct laws *l, const struct op *op)
{
	const struct op_field *f;
	bool shown = op->cols == NULL;

	for (f = op->cols; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_values || f->type == &op_type_fields ||
		    f->type == &op_type_member ||
		    f->flags & (OP_KEY | OP_REQUIRED | OP_FLAG | OP_ONE))
			broken(l, "%s: not of a column", f->name);
		shown |= !(f->flags & OP_DETAIL);
	}
	if (!shown)
		broken(l, "no column is shown");
}

/* Each line of the example is a command, one of them this operation. */
static void
check_example(struct laws *l, const struct op *op)
{
	const char *at = op->example;
	struct op_walk walk;
	bool ours = false;
	char line[1024];
	size_t n;

	if (at == NULL || *at == '\0') {
		broken(l, "no example");
		return;
	}
	for (; *at != '\0'; at += n + (at[n] == '\n')) {
		n = strcspn(at, "\n");
		str_ncopy(line, sizeof line, at, n);
		if (op_walk(l->t, line, 0, &walk) != 0)
			broken(l, "example: %s: %s", line, walk.err.text);
		ours |= walk.op == op;
		op_walk_fini(&walk);
	}
	if (!ours)
		broken(l, "example does not show it");
}

/* A longer name must not hide what a shorter one takes at that place; a text
 * can be quoted, and then is no word of a name. */
static void
check_prefix(struct laws *l, const struct op *op, const struct op *longer)
{
	size_t n = strlen(op->name);
	const struct op_field *f;
	char next[96];

	if (op == longer || strncmp(op->name, longer->name, n) != 0 ||
	    longer->name[n] != ' ')
		return;
	str_ncopy(next, sizeof next, longer->name + n + 1,
	    strcspn(longer->name + n + 1, " "));
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_path ? object(l->t, next) != NULL
					     : strcmp(f->name, next) == 0 ||
			    (f->flags & OP_KEY && f->type != &op_type_text))
			broken(l, "%s hides %s", longer->name, f->name);
	}
}

static void
check_op(struct laws *l, const struct op *op)
{
	const struct op *const *other;

	snprintf(l->what, sizeof l->what, "%s", op->name);
	check_name(l, op->name, true);
	check_verb(l, op);
	check_brief(l, "itself", op->brief);
	if (op->about == NULL || *op->about == '\0')
		broken(l, "about is empty");
	if (op->run == NULL && l->t->owner == NULL)
		broken(l, "no handler");
	if (op_find(l->t, op->name) != op)
		broken(l, "stands twice");
	check_fields(l, "arg", op->args);
	check_fields(l, "column", op->cols);
	check_args(l, op);
	check_cols(l, op);
	check_example(l, op);
	for (other = l->t->ops; *other != NULL; other++)
		check_prefix(l, op, *other);
}

/* ---- objects ------------------------------------------------------------ */

static const struct op_type *const key_types[] = {&op_type_name,
    &op_type_domain, &op_type_number, &op_type_choice, &op_type_login};

/* A key is one word; its column differs from all others of the table. */
static void
check_key(struct laws *l, const struct obj *o)
{
	const struct obj *up;
	bool good = false;
	size_t i;

	for (i = 0; i < sizeof key_types / sizeof key_types[0]; i++)
		good |= o->key.type == key_types[i];
	if (!good || o->key.flags & OP_LIST)
		broken(l, "key: not of a type for keys");
	if (obj_field(o, o->key.name) != NULL)
		broken(l, "key: a field has the same name");
	for (up = o->parent; up != NULL; up = up->parent) {
		if (strcmp(up->key.name, o->key.name) == 0 ||
		    obj_field(o, up->key.name) != NULL)
			broken(l, "key: %s is a column twice", up->key.name);
	}
}

/* Fields fit, do not look like objects below, and refer to what they can. */
static void
check_obj_fields(struct laws *l, const struct obj *o)
{
	struct obj_path from = {.obj = o, .nkeys = obj_depth(o)}, to;
	const struct op_field *f;
	unsigned n = 0;

	for (f = o->fields; f->name != NULL; f++, n++) {
		if (obj_find(l->t->objs, o, f->name) != NULL)
			broken(l, "%s: an object below has this name", f->name);
		if (f->flags & (OP_KEY | OP_FLAG | OP_DETAIL))
			broken(l, "%s: a flag of operations", f->name);
		if (f->ref != NULL &&
		    obj_ref(l->t->objs, &from, f, "x", &to) != 0)
			broken(l, "%s: cannot refer to a %s", f->name, f->ref);
		if (f->ref != NULL && f->flags & OP_LIST)
			broken(l, "%s: a list of references", f->name);
	}
	if (n >= OBJ_FIELDS)
		broken(l, "more than %d fields", OBJ_FIELDS - 1);
}

static void
check_obj(struct laws *l, const struct obj *o)
{
	const struct obj *const *p = l->t->objs;
	struct op_walk walk;

	snprintf(l->what, sizeof l->what, "object %s", o->name);
	check_name(l, o->name, false);
	check_brief(l, "itself", o->brief);
	check_field(l, &o->key);
	check_fields(l, "field", o->fields);
	check_key(l, o);
	check_obj_fields(l, o);
	if (o->layer == OBJ_ANY_LAYER)
		broken(l, "is of no layer");
	if (o->about == NULL || *o->about == '\0')
		broken(l, "about is empty");
	while (*p != o && *p != o->parent)
		p++;
	if (o->parent != NULL && *p == o)
		broken(l, "stands before its parent");
	if (obj_depth(o) > OBJ_DEPTH || object(l->t, o->name) != o)
		broken(l, "too deep, or its name stands twice");
	if (op_find(l->t, "set") == NULL)
		return;
	if (op_walk(l->t, o->example, 0, &walk) != 0 || walk.obj != o)
		broken(l, "example: %s", walk.err.text);
	op_walk_fini(&walk);
}

/* What was sent and received again is the same. */
static void
check_wire(struct laws *l)
{
	json_t *sent = op_table_encode(l->t), *again;
	struct op_table t;
	struct err e;

	snprintf(l->what, sizeof l->what, "wire");
	if (op_table_decode(sent, &t, &e) != 0) {
		broken(l, "%s", e.text);
	} else {
		again = op_table_encode(&t);
		if (!json_equal(sent, again))
			broken(l, "the table changes on its way");
		json_decref(again);
		op_table_fini(&t);
	}
	json_decref(sent);
}

int
op_laws_check(const struct op_table *t, struct buf *out)
{
	struct laws l = {.t = t, .out = out};
	const struct obj *const *before = op_objects();
	const struct obj *const *obj;
	const struct op *const *op;

	op_use_objects(t->objs);
	for (op = t->ops; *op != NULL; op++)
		check_op(&l, *op);
	for (obj = t->objs; *obj != NULL; obj++)
		check_obj(&l, *obj);
	check_wire(&l);
	op_use_objects(before);
	return l.broken;
}
