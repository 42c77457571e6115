/*
 * One value of a line, or a list of them: checked by the field's type, put
 * into the arguments in canonical form.
 */
#include <stdlib.h>
#include <string.h>

#include "op_walk.h"
#include "daemon/base/str.h"

/* An unquoted word that stands for itself. */
static bool
op_word_is(const struct op_word *word, const char *text)
{
	return word != NULL && !word->quoted && strcmp(word->text, text) == 0;
}

/* Remember where a secret stands in the line. */
static void
op_walk_mark_secret(struct op_walker *w, const struct op_word *word)
{
	struct op_walk *out = w->out;
	struct op_span *s = realloc(
	    out->secret, (out->nsecret + 1) * sizeof *s);

	if (s == NULL) {
		w->out->err.code = ERR_NOMEM;
		return;
	}
	out->secret = s;
	s[out->nsecret++] = (struct op_span){word->at, word->end};
}

/* @file: and @env: stand for a text that the console reads later. */
static bool
op_is_elsewhere(const struct op_field *f, const char *text)
{
	return (f->type->secret || f->type == &op_type_blob) &&
	    (str_prefix(text, "@file:") || str_prefix(text, "@env:"));
}

/* The canonical JSON text of the next word, or NULL with the error set. */
static json_t *
op_walk_one(struct op_walker *w, const struct op_field *f)
{
	const struct op_word *word = op_walk_word(w);
	const char *in = word->text;
	char text[OP_BLOB];
	json_t *v = NULL;
	struct err e;
	int i;

	if (f->type->secret)
		op_walk_mark_secret(w, word);
	if (op_is_elsewhere(f, in))
		return json_string(in);
	if ((i = op_offer_find(w)) >= 0 && w->offers[i].value == f)
		in = w->offers[i].word; /* a choice, perhaps abbreviated */
	if (op_parse(f, in, text, op_size(f), &e) != 0)
		op_walk_refuse(w, ERR_INVALID, "%s: %s", f->name, e.text);
	else if ((v = json_string(text)) == NULL)
		op_walk_refuse(w, ERR_NOMEM, "out of memory");
	return v;
}

/* [a b c]; the opening bracket is the next word. */
static int
op_walk_list(struct op_walker *w, const struct op_field *f,
    const struct obj *key_of, json_t *list)
{
	json_t *v;

	for (w->at++;; w->at++) {
		op_offer_clear(w);
		op_offer_value(w, f, key_of);
		op_offer_word(w, "]", "end of the list");
		if (op_walk_word(w) == NULL)
			return OP_WANTS;
		if (op_word_is(op_walk_word(w), "]"))
			break;
		if (op_word_is(op_walk_word(w), "["))
			return op_walk_refuse(
			    w, ERR_SYNTAX, "a list cannot hold a list");
		if ((v = op_walk_one(w, f)) == NULL)
			return -(int)w->out->err.code;
		json_array_append_new(list, v);
	}
	w->at++;
	return OP_TAKEN;
}

/* A list in brackets, or one value as a list of one. */
static int
op_walk_several(struct op_walker *w, const struct op_field *f,
    const struct obj *key_of, json_t *into, const char *name)
{
	json_t *list = json_array(), *v;

	json_object_set_new(into, name, list);
	op_offer_word(w, "[", "several values, up to ]");
	if (op_walk_word(w) == NULL)
		return OP_WANTS;
	if (op_word_is(op_walk_word(w), "["))
		return op_walk_list(w, f, key_of, list);
	if ((v = op_walk_one(w, f)) == NULL)
		return -(int)w->out->err.code;
	json_array_append_new(list, v);
	w->at++;
	return OP_TAKEN;
}

int
op_walk_value(struct op_walker *w, const struct op_field *f,
    const struct obj *key_of, json_t *into, const char *name)
{
	json_t *v;

	op_offer_clear(w);
	op_offer_value(w, f, key_of);
	if (f->flags & OP_LIST)
		return op_walk_several(w, f, key_of, into, name);
	if (op_walk_word(w) == NULL)
		return OP_WANTS;
	if (op_word_is(op_walk_word(w), "[") ||
	    op_word_is(op_walk_word(w), "]"))
		return op_walk_refuse(w, ERR_SYNTAX,
		    "%s is one value, no list; quote a bracket that is meant",
		    name);
	if ((v = op_walk_one(w, f)) == NULL)
		return -(int)w->out->err.code;
	json_object_set_new(into, name, v);
	w->at++;
	return OP_TAKEN;
}
