/*
 * Objects as described: find them, spell their paths, resolve what refers to
 * them. Works on any object table, compiled or received; the table that this
 * process was told to use serves the types ref and path.
 */
#include <stdio.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

static const struct obj *const *op_objs;

void
op_use_objects(const struct obj *const *objs)
{
	op_objs = objs;
}

const struct obj *const *
op_objects(void)
{
	return op_objs;
}

const char *const obj_layer_words[OBJ_LAYERS + 1] = {
    [OBJ_ANY_LAYER] = "",
    [OBJ_INFRASTRUCTURE] = "infrastructure",
    [OBJ_STRUCTURE] = "structure",
    [OBJ_DATA] = "data",
};

const struct obj *
obj_find(
    const struct obj *const *objs, const struct obj *parent, const char *name)
{
	for (; objs != NULL && *objs != NULL; objs++) {
		if ((*objs)->parent == parent &&
		    strcmp((*objs)->name, name) == 0)
			return *objs;
	}
	return NULL;
}

/* The first object of a name, wherever it hangs: what a ref names. */
const struct obj *
obj_by_name(const struct obj *const *objs, const char *name)
{
	for (; name != NULL && objs != NULL && *objs != NULL; objs++) {
		if (strcmp((*objs)->name, name) == 0)
			return *objs;
	}
	return NULL;
}

const struct op_field *
obj_field(const struct obj *o, const char *name)
{
	return op_field_find(o->fields, name);
}

unsigned
obj_depth(const struct obj *o)
{
	unsigned n = 0;

	for (; o != NULL; o = o->parent)
		n++;
	return n;
}

/* The ancestor of o at a depth counted from the top, 0 first. */
static const struct obj *
obj_at(const struct obj *o, unsigned level)
{
	unsigned n = obj_depth(o);

	while (n-- > level + 1)
		o = o->parent;
	return o;
}

void
obj_path_text(const struct obj_path *p, char *out, size_t size)
{
	unsigned depth = obj_depth(p->obj), i;
	size_t used = 0;

	out[0] = '\0';
	for (i = 0; i < depth && i <= p->nkeys && used < size; i++) {
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		    i != 0 ? " " : "", obj_at(p->obj, i)->name);
		if (i < p->nkeys && used < size)
			used += (size_t)snprintf(
			    out + used, size - used, " %s", p->key[i]);
	}
}

/* The next word of a path; 0 at its end, -1 when it is too long. */
static int
obj_path_word(const char **at, char *out, size_t size)
{
	size_t n;

	*at += strspn(*at, " \t");
	n = strcspn(*at, " \t");
	if (n == 0)
		return 0;
	if (!str_ncopy(out, size, *at, n))
		return -1;
	*at += n;
	return 1;
}

/* A keyword, then its key if there is one. */
static int
obj_path_step(const struct obj *const *objs, const char **at,
    struct obj_path *p, const char *word, struct err *e)
{
	const struct obj *o = obj_find(objs, p->obj, word);
	char key[OBJ_KEY];
	int r;

	if (o == NULL || p->nkeys >= OBJ_DEPTH)
		return err_set(e, ERR_UNKNOWN, "%s: no such object%s%s", word,
		    p->obj != NULL ? " in a " : "",
		    p->obj != NULL ? p->obj->name : "");
	p->obj = o;
	if ((r = obj_path_word(at, key, sizeof key)) == 0)
		return 0;
	if (r < 0)
		return err_set(e, ERR_TOOBIG, "%s: key too long", o->name);
	r = op_parse(&o->key, key, p->key[p->nkeys], OBJ_KEY, e);
	if (r != 0)
		return e != NULL ? err_wrap(e, "%s", o->name) : r;
	p->nkeys++;
	return 0;
}

int
obj_path_parse(const struct obj *const *objs, const char *text,
    struct obj_path *p, struct err *e)
{
	char word[OBJ_KEY];
	int r;

	memset(p, 0, sizeof *p);
	while ((r = obj_path_word(&text, word, sizeof word)) > 0) {
		if ((r = obj_path_step(objs, &text, p, word, e)) != 0)
			return r;
	}
	if (r < 0)
		return err_set(e, ERR_TOOBIG, "a word of a path is too long");
	if (p->obj == NULL)
		return err_set(
		    e, ERR_INVALID, "expected %s", op_type_path.brief);
	return 0;
}

int
obj_ref(const struct obj *const *objs, const struct obj_path *from,
    const struct op_field *f, const char *value, struct obj_path *out)
{
	const struct obj *o = obj_by_name(objs, f->ref);
	unsigned depth, i;

	memset(out, 0, sizeof *out);
	if (o == NULL)
		return -ERR_UNKNOWN;
	depth = obj_depth(o);
	for (i = 0; i + 1 < depth; i++) {
		if (i >= from->nkeys || obj_at(from->obj, i) != obj_at(o, i))
			return -ERR_UNKNOWN;
		memcpy(out->key[i], from->key[i], OBJ_KEY);
	}
	if (!str_copy(out->key[depth - 1], OBJ_KEY, value))
		return -ERR_TOOBIG;
	out->obj = o;
	out->nkeys = depth;
	return 0;
}

/* ---- the types that speak of objects ------------------------------------ */

/* The key of the object referred to, in that key's own canonical form. */
int
op_parse_ref(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	const struct obj *o = obj_by_name(op_objs, f->ref);

	if (o != NULL)
		return op_parse(&o->key, in, out, size, e);
	if (*in == '\0' || strlen(in) >= OBJ_KEY || strchr(in, ' ') != NULL)
		return err_set(e, ERR_INVALID, "expected the name of a %s",
		    f->ref != NULL ? f->ref : "thing");
	return op_parse_text(f, in, out, size, e);
}

/* The whole path of one object where it is required, else of a kind too. */
int
op_parse_path(const struct op_field *f, const char *in, char *out, size_t size,
    struct err *e)
{
	struct obj_path p;
	int r;

	if (op_objs == NULL)
		return op_parse_text(f, in, out, size, e);
	if ((r = obj_path_parse(op_objs, in, &p, e)) != 0)
		return r;
	if (f->flags & OP_REQUIRED && p.nkeys != obj_depth(p.obj))
		return err_set(
		    e, ERR_INVALID, "expected a key behind %s", p.obj->name);
	obj_path_text(&p, out, size);
	return 0;
}
