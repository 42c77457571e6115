/*
 * The tables as JSON and back. `tandemd -x ops` prints this form, the console
 * receives it at connect (method "describe"), so help and completion are
 * always those of the server that is spoken to.
 *
 *   {"ops":  [{"name", "kind", "access", "limit", "where", "brief", "about",
 *              "example", "args": [field], "cols": [field]}],
 *    "objs": [{"name", "parent", "place", "layer", "key": field, "brief",
 *              "about", "example", "space", "fields": [field]}]}
 *   field:   {"name", "type", "brief", "flags": [word], "default",
 *             "min", "max", "choices": [word], "ref"}
 *
 * Members that say nothing are left out. A parent stands before its children.
 * The decoder believes nothing: names, counts and sizes are bounded, a type
 * it does not know becomes text, members it does not know are skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

#define OP_WIRE_OPS 4096
#define OP_WIRE_OBJS 256
#define OP_WIRE_FIELDS 60 /* bits of a set of arguments, and room */
#define OP_WIRE_CHOICES 256
#define OP_WIRE_NAME 95

static const char *const op_kinds[] = {"read", "config", "action"};
static const char *const op_wheres[] = {"control", "owner", "each", "any"};
static const char *const op_accesses[] = {
    "viewer", "operator", "admin", "audit"};
static const char *const op_limits[] = {"args", "self", "changes"};
static const char *const obj_places[] = {"site", "root", "domain"};

static const struct {
	const char *word;
	unsigned flag;
} op_flags[] = {
    {"key", OP_KEY},
    {"required", OP_REQUIRED},
    {"list", OP_LIST},
    {"flag", OP_FLAG},
    {"immutable", OP_IMMUTABLE},
    {"restart", OP_RESTART},
    {"internal", OP_INTERNAL},
    {"detail", OP_DETAIL},
    {"personal", OP_PERSONAL},
    {"one", OP_ONE},
    {"grows", OP_GROWS},
};
#define OP_FLAGS (sizeof op_flags / sizeof op_flags[0])

/* ---- encode ------------------------------------------------------------- */

/* A text that is not there is left out. */
static void
op_put_text(json_t *o, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(o, name, json_string(text));
}

/* A field with those members that say something. */
static json_t *
op_encode_field(const struct op_field *f)
{
	json_t *o = json_object(), *words = json_array();
	const char *const *c;
	size_t i;

	op_put_text(o, "name", f->name);
	op_put_text(o, "type", f->type->name);
	op_put_text(o, "brief", f->brief);
	for (i = 0; i < OP_FLAGS; i++) {
		if (f->flags & op_flags[i].flag)
			json_array_append_new(
			    words, json_string(op_flags[i].word));
	}
	if (json_array_size(words) != 0)
		json_object_set(o, "flags", words);
	json_decref(words);
	op_put_text(o, "default", f->def);
	if (f->min != 0 || f->max != 0) {
		json_object_set_new(o, "min", json_integer(f->min));
		json_object_set_new(o, "max", json_integer(f->max));
	}
	if (f->choices != NULL) {
		words = json_array();
		for (c = f->choices; *c != NULL; c++)
			json_array_append_new(words, json_string(*c));
		json_object_set_new(o, "choices", words);
	}
	op_put_text(o, "ref", f->ref);
	return o;
}

/* Fields in the order of the record: the walker offers them so. */
static json_t *
op_encode_fields(const struct op_field *f)
{
	json_t *list = json_array();

	for (; f != NULL && f->name != NULL; f++)
		json_array_append_new(list, op_encode_field(f));
	return list;
}

/* All of a record but its handler and its role, which are of no use
 * outside. */
static json_t *
op_encode_op(const struct op *op)
{
	json_t *o = json_object();

	op_put_text(o, "name", op->name);
	op_put_text(o, "kind", op_kinds[op->kind]);
	op_put_text(o, "access", op_accesses[op->access]);
	op_put_text(o, "where", op_wheres[op->where]);
	if (op->limit != OP_LIMIT_ARGS)
		op_put_text(o, "limit", op_limits[op->limit]);
	op_put_text(o, "brief", op->brief);
	op_put_text(o, "about", op->about);
	op_put_text(o, "example", op->example);
	if (op->args != NULL)
		json_object_set_new(o, "args", op_encode_fields(op->args));
	if (op->cols != NULL)
		json_object_set_new(o, "cols", op_encode_fields(op->cols));
	return o;
}

/* All of an object but its check, which only the server can run. */
static json_t *
op_encode_obj(const struct obj *obj)
{
	json_t *o = json_object();

	op_put_text(o, "name", obj->name);
	op_put_text(o, "parent", obj->parent ? obj->parent->name : NULL);
	op_put_text(o, "place", obj_places[obj->place]);
	op_put_text(o, "layer", obj_layer_words[obj->layer]);
	json_object_set_new(o, "key", op_encode_field(&obj->key));
	op_put_text(o, "brief", obj->brief);
	op_put_text(o, "about", obj->about);
	op_put_text(o, "example", obj->example);
	op_put_text(o, "space", obj->space);
	json_object_set_new(o, "fields", op_encode_fields(obj->fields));
	return o;
}

json_t *
op_table_encode(const struct op_table *t)
{
	json_t *ops = json_array(), *objs = json_array();
	const struct op *const *op;
	const struct obj *const *obj;

	for (op = t->ops; op != NULL && *op != NULL; op++)
		json_array_append_new(ops, op_encode_op(*op));
	for (obj = t->objs; obj != NULL && *obj != NULL; obj++)
		json_array_append_new(objs, op_encode_obj(*obj));
	return json_pack("{s:o, s:o}", "ops", ops, "objs", objs);
}

/* ---- memory of a received table ----------------------------------------- */

#define OP_ARENA 16384
struct op_arena {
	struct op_arena *next;
	size_t used, size;
	max_align_t data[];
};

/* Zeroed, ends with the table; NULL when there is no memory. */
static void *
op_alloc(struct op_arena **a, size_t n)
{
	size_t size = n > OP_ARENA ? n : OP_ARENA;
	struct op_arena *block = *a;
	void *p;

	n = (n + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (block == NULL || block->size - block->used < n) {
		block = calloc(1, sizeof *block + size + sizeof(max_align_t));
		if (block == NULL)
			return NULL;
		block->next = *a;
		block->size = size + sizeof(max_align_t);
		*a = block;
	}
	p = (char *)block->data + block->used;
	block->used += n;
	return p;
}

void
op_table_fini(struct op_table *t)
{
	struct op_arena *a = t->owner, *next;

	for (; a != NULL; a = next) {
		next = a->next;
		free(a);
	}
	memset(t, 0, sizeof *t);
}

/* ---- decode ------------------------------------------------------------- */

struct op_decode {
	struct op_arena *arena;
	struct err *e;
};

/* Without memory nothing of a table is kept. */
static int
op_decode_nomem(struct op_decode *d)
{
	return err_set(d->e, ERR_NOMEM, "out of memory");
}

/* A copy of a text; *out NULL where there is none. */
static int
op_take_text(struct op_decode *d, json_t *o, const char *name, const char **out)
{
	json_t *v = json_object_get(o, name);
	size_t n = json_string_length(v);
	char *copy;

	*out = NULL;
	if (!json_is_string(v))
		return 0;
	if ((copy = op_alloc(&d->arena, n + 1)) == NULL)
		return op_decode_nomem(d);
	memcpy(copy, json_string_value(v), n);
	*out = copy;
	return 0;
}

/* Words of a-z, 0-9 and '-', one space between them. */
static bool
op_is_name(const char *s, bool spaces)
{
	size_t n = strlen(s), word = 0;

	if (n == 0 || n > OP_WIRE_NAME)
		return false;
	for (; *s != '\0'; s++) {
		if (*s == ' ' && spaces && word != 0) {
			word = 0;
			continue;
		}
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *s) ==
			NULL ||
		    ++word > 31)
			return false;
	}
	return word != 0;
}

/* A required name. */
static int
op_take_name(struct op_decode *d, json_t *o, bool spaces, const char **out)
{
	int r = op_take_text(d, o, "name", out);

	if (r == 0 && (*out == NULL || !op_is_name(*out, spaces)))
		r = err_set(d->e, ERR_SYNTAX, "expected a name");
	return r;
}

/* The index of a word in a list, 0 where it is not there. */
static unsigned
op_take_word(json_t *o, const char *name, const char *const *words, unsigned n)
{
	const char *text = json_string_value(json_object_get(o, name));
	unsigned i;

	for (i = 0; i < n; i++) {
		if (str_equal(text, words[i]))
			return i;
	}
	return 0;
}

/* A list of at most max entries, or NULL where it is none or longer. */
static json_t *
op_take_list(
    struct op_decode *d, json_t *o, const char *name, size_t max, int *r)
{
	json_t *list = json_object_get(o, name);

	*r = 0;
	if (json_array_size(list) > max)
		*r = err_set(d->e, ERR_TOOBIG, "%s: more than %zu", name, max);
	return json_is_array(list) ? list : NULL;
}

/* Words that are not known are flags of a newer server: skipped. */
static unsigned
op_decode_flags(json_t *list)
{
	unsigned flags = 0;
	json_t *word;
	size_t i, k;

	json_array_foreach (list, i, word) {
		for (k = 0; k < OP_FLAGS; k++) {
			if (str_equal(
				json_string_value(word), op_flags[k].word))
				flags |= op_flags[k].flag;
		}
	}
	return flags;
}

/* The words of a choice; what is no text is skipped. */
static int
op_decode_choices(struct op_decode *d, json_t *o, struct op_field *f)
{
	const char **words;
	json_t *list, *word, *holder;
	size_t i, n = 0;
	int r;

	list = op_take_list(d, o, "choices", OP_WIRE_CHOICES, &r);
	if (r != 0 || list == NULL)
		return r;
	words = op_alloc(
	    &d->arena, (json_array_size(list) + 1) * sizeof *words);
	if (words == NULL)
		return op_decode_nomem(d);
	json_array_foreach (list, i, word) {
		if (!json_is_string(word))
			continue;
		holder = json_pack("{s:O}", "w", word);
		r = op_take_text(d, holder, "w", &words[n++]);
		json_decref(holder);
		if (r != 0)
			return r;
	}
	f->choices = words;
	return 0;
}

/* A field needs a name; a type that is not known becomes text. */
static int
op_decode_field(struct op_decode *d, json_t *o, struct op_field *f)
{
	const char *type = json_string_value(json_object_get(o, "type"));
	int r;

	if ((r = op_take_name(d, o, false, &f->name)) != 0 ||
	    (r = op_take_text(d, o, "brief", &f->brief)) != 0 ||
	    (r = op_take_text(d, o, "default", &f->def)) != 0 ||
	    (r = op_take_text(d, o, "ref", &f->ref)) != 0 ||
	    (r = op_decode_choices(d, o, f)) != 0)
		return r;
	if (f->brief == NULL)
		f->brief = "";
	f->type = type != NULL ? op_type_find(type) : NULL;
	if (f->type == NULL || (f->type == &op_type_choice && !f->choices))
		f->type = &op_type_text;
	f->flags = op_decode_flags(json_object_get(o, "flags"));
	f->min = json_integer_value(json_object_get(o, "min"));
	f->max = json_integer_value(json_object_get(o, "max"));
	return 0;
}

/* A list of fields, ended as all such lists are. */
static int
op_decode_fields(struct op_decode *d, json_t *o, const char *name, size_t max,
    const struct op_field **out)
{
	struct op_field *fields;
	json_t *list, *item;
	size_t i;
	int r;

	*out = NULL;
	list = op_take_list(d, o, name, max, &r);
	if (r != 0 || list == NULL)
		return r;
	fields = op_alloc(
	    &d->arena, (json_array_size(list) + 1) * sizeof *fields);
	if (fields == NULL)
		return op_decode_nomem(d);
	json_array_foreach (list, i, item) {
		if ((r = op_decode_field(d, item, &fields[i])) != 0)
			return err_wrap(d->e, "%s %zu", name, i);
	}
	*out = fields;
	return 0;
}

/* A record without a handler: its operation is run by the server. */
static int
op_decode_op(struct op_decode *d, json_t *o, struct op *op)
{
	int r;

	if ((r = op_take_name(d, o, true, &op->name)) != 0 ||
	    (r = op_take_text(d, o, "brief", &op->brief)) != 0 ||
	    (r = op_take_text(d, o, "about", &op->about)) != 0 ||
	    (r = op_take_text(d, o, "example", &op->example)) != 0 ||
	    (r = op_decode_fields(d, o, "args", OP_WIRE_FIELDS, &op->args)) !=
		0 ||
	    (r = op_decode_fields(d, o, "cols", OP_WIRE_FIELDS, &op->cols)) !=
		0)
		return r;
	if (op->brief == NULL)
		op->brief = "";
	op->kind = (enum op_kind)op_take_word(o, "kind", op_kinds, 3);
	op->where = (enum op_where)op_take_word(
	    o, "where", op_wheres, sizeof op_wheres / sizeof *op_wheres);
	op->access = (enum op_access)op_take_word(o, "access", op_accesses, 4);
	op->limit = (enum op_limit)op_take_word(
	    o, "limit", op_limits, sizeof op_limits / sizeof *op_limits);
	return 0;
}

/* The parent among the objects before this one. */
static int
op_decode_parent(struct op_decode *d, json_t *o, const struct obj **objs,
    size_t n, struct obj *obj)
{
	const char *name = json_string_value(json_object_get(o, "parent"));
	size_t i;

	if (name == NULL)
		return 0;
	for (i = 0; i < n; i++) {
		if (strcmp(objs[i]->name, name) == 0)
			obj->parent = objs[i];
	}
	if (obj->parent == NULL || obj_depth(obj) > OBJ_DEPTH)
		return err_set(
		    d->e, ERR_SYNTAX, "expected the parent to stand before");
	return 0;
}

/* An object whose parent stood before it. */
static int
op_decode_obj(struct op_decode *d, json_t *o, const struct obj **objs, size_t n,
    struct obj *obj)
{
	static const struct op_field none[1];
	json_t *key = json_object_get(o, "key");
	int r;

	if ((r = op_take_name(d, o, false, &obj->name)) != 0 ||
	    (r = op_take_text(d, o, "brief", &obj->brief)) != 0 ||
	    (r = op_take_text(d, o, "about", &obj->about)) != 0 ||
	    (r = op_take_text(d, o, "example", &obj->example)) != 0 ||
	    (r = op_take_text(d, o, "space", &obj->space)) != 0 ||
	    (r = op_decode_field(d, key, &obj->key)) != 0 ||
	    (r = op_decode_fields(
		 d, o, "fields", OBJ_FIELDS - 1, &obj->fields)) != 0 ||
	    (r = op_decode_parent(d, o, objs, n, obj)) != 0)
		return r;
	if (obj->brief == NULL)
		obj->brief = "";
	if (obj->fields == NULL)
		obj->fields = none;
	obj->place = (enum obj_place)op_take_word(o, "place", obj_places, 3);
	obj->layer = (enum obj_layer)op_take_word(
	    o, "layer", obj_layer_words, OBJ_LAYERS);
	return 0;
}

/* All operations, in their order. */
static int
op_decode_ops(struct op_decode *d, json_t *list, struct op_table *t)
{
	size_t i, n = json_array_size(list);
	const struct op **ops;
	struct op *op;
	json_t *item;
	int r;

	if ((ops = op_alloc(&d->arena, (n + 1) * sizeof *ops)) == NULL)
		return op_decode_nomem(d);
	json_array_foreach (list, i, item) {
		if ((op = op_alloc(&d->arena, sizeof *op)) == NULL)
			return op_decode_nomem(d);
		if ((r = op_decode_op(d, item, op)) != 0)
			return err_wrap(d->e, "op %zu", i);
		ops[i] = op;
	}
	t->ops = ops;
	return 0;
}

/* All objects; each may have those before it as parent. */
static int
op_decode_objs(struct op_decode *d, json_t *list, struct op_table *t)
{
	size_t i, n = json_array_size(list);
	const struct obj **objs;
	struct obj *obj;
	json_t *item;
	int r;

	if ((objs = op_alloc(&d->arena, (n + 1) * sizeof *objs)) == NULL)
		return op_decode_nomem(d);
	json_array_foreach (list, i, item) {
		if ((obj = op_alloc(&d->arena, sizeof *obj)) == NULL)
			return op_decode_nomem(d);
		if ((r = op_decode_obj(d, item, objs, i, obj)) != 0)
			return err_wrap(d->e, "object %zu", i);
		objs[i] = obj;
	}
	t->objs = objs;
	return 0;
}

int
op_table_decode(json_t *in, struct op_table *t, struct err *e)
{
	struct op_decode d = {.e = e};
	json_t *ops, *objs;
	int r;

	memset(t, 0, sizeof *t);
	ops = op_take_list(&d, in, "ops", OP_WIRE_OPS, &r);
	if (r == 0)
		objs = op_take_list(&d, in, "objs", OP_WIRE_OBJS, &r);
	if (r == 0 && (ops == NULL || objs == NULL))
		r = err_set(e, ERR_SYNTAX, "expected ops and objs");
	if (r == 0)
		r = op_decode_ops(&d, ops, t);
	if (r == 0)
		r = op_decode_objs(&d, objs, t);
	t->owner = d.arena;
	if (r != 0)
		op_table_fini(t);
	return r;
}
