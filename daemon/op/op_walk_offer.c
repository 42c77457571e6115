/*
 * What may stand at a place of the line: collected, matched against the word
 * that does stand there, and handed out for completion and help.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_walk.h"
#include "daemon/base/str.h"

void
op_offer_clear(struct op_walker *w)
{
	w->noffers = 0;
}

/* Store an offer; without memory there is one less. */
static void
op_offer_add(struct op_walker *w, const struct op_offer *o)
{
	size_t cap = w->cap != 0 ? 2 * w->cap : 64;
	struct op_offer *grown;

	if (w->noffers == w->cap) {
		grown = realloc(w->offers, cap * sizeof *grown);
		if (grown == NULL)
			return; /* offers less; the line is still judged */
		w->offers = grown;
		w->cap = cap;
	}
	w->offers[w->noffers++] = *o;
}

/* A word stands once in the list. */
static void
op_offer_once(struct op_walker *w, const struct op_offer *o)
{
	size_t i;

	for (i = 0; i < w->noffers; i++) {
		if (w->offers[i].word != NULL &&
		    strcmp(w->offers[i].word, o->word) == 0)
			return;
	}
	op_offer_add(w, o);
}

void
op_offer_word(struct op_walker *w, const char *word, const char *brief)
{
	op_offer_once(w, &(struct op_offer){.word = word, .brief = brief});
}

void
op_offer_field(struct op_walker *w, const struct op_field *f)
{
	op_offer_once(w,
	    &(struct op_offer){.word = f->name, .brief = f->brief, .field = f});
}

void
op_offer_value(
    struct op_walker *w, const struct op_field *f, const struct obj *key_of)
{
	const char *const *c;
	static const char *const answers[] = {"yes", "no", NULL};

	c = f->type == &op_type_choice ? f->choices
	    : f->type == &op_type_bool ? answers
				       : NULL;
	if (c == NULL)
		op_offer_add(w,
		    &(struct op_offer){
			.brief = f->brief, .value = f, .key_of = key_of});
	for (; c != NULL && *c != NULL; c++)
		op_offer_add(w,
		    &(struct op_offer){
			.word = *c, .brief = f->brief, .value = f});
}

/* ---- matching ----------------------------------------------------------- */

/*
 * The index of the offer that the word is or, where allowed, abbreviates: -1
 * none, -2 more than one. A quoted word is never a keyword; where a value of
 * any spelling may stand, a word stands only for itself, or the same line
 * would mean one thing in a file and another at the prompt.
 */
static int
op_offer_search(struct op_walker *w, const struct op_word *word)
{
	const struct op_offer *o = w->offers;
	bool brief = w->flags & OP_WALK_SHORT;
	int found = -1;
	size_t i;

	if (word->quoted)
		return -1;
	for (i = 0; i < w->noffers; i++) {
		if (o[i].word == NULL)
			brief = false;
		else if (strcmp(o[i].word, word->text) == 0)
			return (int)i;
		else if (str_prefix(o[i].word, word->text))
			found = found == -1 ? (int)i : -2;
	}
	return brief ? found : -1;
}

int
op_offer_find(struct op_walker *w)
{
	return op_offer_search(w, op_walk_word(w));
}

/*
 * Letters that two words differ by: changed, left out, added, or two
 * neighbours exchanged. Words longer than the table are far apart.
 */
#define OP_NEAR 24
static unsigned
op_distance(const char *a, const char *b)
{
	unsigned char d[OP_NEAR + 1][OP_NEAR + 1];
	size_t n = strlen(a), m = strlen(b), i, j;
	unsigned best, cost;

	if (n > OP_NEAR || m > OP_NEAR)
		return OP_NEAR;
	for (i = 0; i <= n; i++)
		d[i][0] = (unsigned char)i;
	for (j = 0; j <= m; j++)
		d[0][j] = (unsigned char)j;
	for (i = 1; i <= n; i++) {
		for (j = 1; j <= m; j++) {
			cost = a[i - 1] != b[j - 1];
			best = d[i - 1][j - 1] + cost;
			if (d[i - 1][j] + 1u < best)
				best = d[i - 1][j] + 1u;
			if (d[i][j - 1] + 1u < best)
				best = d[i][j - 1] + 1u;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1u < best)
				best = d[i - 2][j - 2] + 1u;
			d[i][j] = (unsigned char)best;
		}
	}
	return d[n][m];
}

/* The word that was probably meant, or NULL. */
static const char *
op_offer_near(struct op_walker *w, const char *word)
{
	unsigned best = strlen(word) < 4 ? 1 : 2, distance;
	const char *near = NULL;
	size_t i;

	for (i = 0; i < w->noffers; i++) {
		if (w->offers[i].word == NULL)
			continue;
		distance = op_distance(word, w->offers[i].word);
		/* Of two as near as each other the longer: a letter that was
		 * left out is likelier than another one in its place. */
		if (distance < best + (near == NULL) ||
		    (near != NULL && distance == best &&
			strlen(w->offers[i].word) > strlen(near))) {
			best = distance;
			near = w->offers[i].word;
		}
	}
	return near;
}

/* The name that was left out in front of a value, where one, and one only, must
 * come; or NULL. */
static const char *
op_offer_owed(const struct op_walker *w)
{
	const struct op_field *f;
	const char *owed = NULL;
	size_t i;

	for (i = 0; i < w->noffers; i++) {
		f = w->offers[i].field;
		if (f == NULL || !(f->flags & OP_REQUIRED) ||
		    f->flags & OP_FLAG)
			continue;
		if (owed != NULL)
			return NULL;
		owed = w->offers[i].word;
	}
	return owed;
}

/* Only what the word may abbreviate stays on offer. */
static void
op_offer_narrow(struct op_walker *w, const char *begin)
{
	size_t i, n = 0;

	for (i = 0; i < w->noffers; i++) {
		if (w->offers[i].word != NULL &&
		    str_prefix(w->offers[i].word, begin))
			w->offers[n++] = w->offers[i];
	}
	w->noffers = n;
}

int
op_offer_match(struct op_walker *w)
{
	const struct op_word *word = op_walk_word(w);
	int i = op_offer_search(w, word);
	const char *near;

	if (i >= 0)
		return i;
	if (i == -2) {
		op_walk_refuse(w, ERR_UNKNOWN, "\"%s\" can mean several words",
		    word->text);
		op_offer_narrow(w, word->text);
	} else if ((near = op_offer_near(w, word->text)) != NULL)
		op_walk_refuse(w, ERR_UNKNOWN,
		    "unknown word \"%s\"; did you mean \"%s\"?", word->text,
		    near);
	else if ((near = op_offer_owed(w)) != NULL)
		op_walk_refuse(w, ERR_UNKNOWN,
		    "unknown word \"%s\"; did you mean \"%s %s\"?", word->text,
		    near, word->text);
	else
		op_walk_refuse(
		    w, ERR_UNKNOWN, "unknown word \"%s\"", word->text);
	return -1;
}

/* ---- handing out -------------------------------------------------------- */

/* The path below which the object of a ref lies: from the path of the line,
 * else from references to its parents among the arguments. */
static void
op_offer_ref_path(
    struct op_walker *w, const struct op_field *f, char *out, size_t size)
{
	const struct obj *o = obj_by_name(w->table->objs, f->ref);
	const struct op_field *a;
	const char *key;
	struct obj_path to;

	out[0] = '\0';
	if (o == NULL || o->parent == NULL)
		return;
	if (w->p.obj != NULL &&
	    obj_ref(w->table->objs, &w->p, f, "", &to) == 0) {
		to.obj = o->parent;
		to.nkeys = obj_depth(o->parent);
		obj_path_text(&to, out, size);
		return;
	}
	for (a = w->op != NULL ? w->op->args : NULL; a != NULL && a->name;
	     a++) {
		key = json_string_value(json_object_get(w->out->args, a->name));
		if (key != NULL && str_equal(a->ref, o->parent->name)) {
			snprintf(out, size, "%s %s", a->ref, key);
			return;
		}
	}
}

/* The list of the object that the line has named; NULL when it has not. */
static const struct op_field *
op_offer_list(const struct op_walker *w)
{
	const char *name = json_object_iter_key(json_object_iter(w->value_map));

	if (name == NULL)
		name = json_string_value(json_array_get(w->field_list, 0));
	return name != NULL ? obj_field(w->p.obj, name) : NULL;
}

/* An offer as the caller sees it, with where its values come from. */
static void
op_offer_export(
    struct op_walker *w, const struct op_offer *o, struct op_next *n)
{
	struct obj_path up = w->p;

	memset(n, 0, sizeof *n);
	n->brief = o->brief;
	n->field = o->field;
	if (o->word != NULL) {
		str_copy(n->text, sizeof n->text, o->word);
		return;
	}
	snprintf(n->text, sizeof n->text, "<%s>", o->value->name);
	n->value = o->value;
	if (o->key_of != NULL) {
		n->ref = o->key_of->name;
		if (o->key_of->parent != NULL) {
			up.obj = o->key_of->parent;
			obj_path_text(&up, n->ref_path, sizeof n->ref_path);
		}
	} else if (o->value->type == &op_type_member) {
		n->member = op_offer_list(w);
		obj_path_text(&w->p, n->ref_path, sizeof n->ref_path);
	} else if (o->value->ref != NULL) {
		n->ref = o->value->ref;
		op_offer_ref_path(w, o->value, n->ref_path, sizeof n->ref_path);
	}
}

int
op_offer_finish(struct op_walker *w)
{
	struct op_walk *out = w->out;
	const char *begin = NULL;
	size_t i;

	if (w->flags & OP_WALK_COMPLETE && w->at < w->words.count &&
	    w->end < w->words.count)
		begin = w->words.word[w->at].text;
	free(out->next);
	out->nnext = 0;
	out->next = calloc(w->noffers + 1, sizeof *out->next);
	if (out->next == NULL)
		return err_set(&out->err, ERR_NOMEM, "out of memory");
	for (i = 0; i < w->noffers; i++) {
		if (begin != NULL && w->offers[i].word != NULL &&
		    !str_prefix(w->offers[i].word, begin))
			continue;
		op_offer_export(w, &w->offers[i], &out->next[out->nnext++]);
	}
	return 0;
}
