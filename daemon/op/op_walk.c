/*
 * The walk of a command line through the operation table. Callers are the
 * console (parse, completion, ?, error positions) and tests. It decides what
 * a line means and refuses what has no meaning; it never looks at live data.
 *
 *   line    := name { key } { name value | flag } [ "|" ... ]
 *   path    := { keyword key }      the words of an argument of type path
 *   values  := { field value }      after the whole path, to the end
 *   fields  := { field }            likewise
 * Where the values are those of one list, named arguments stand behind them.
 * Where values and fields may stand, the values are behind the one field that
 * is named, which is a list, and end the line.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_walk.h"
#include "daemon/base/str.h"

const struct op_word *
op_walk_word(struct op_walker *w)
{
	return w->at < w->end ? &w->words.word[w->at] : NULL;
}

int
op_walk_refuse(struct op_walker *w, enum err_code code, const char *fmt, ...)
{
	const struct op_word *word = op_walk_word(w);
	va_list ap;

	w->out->err_at = word != NULL ? word->at : w->line_end;
	w->out->err.code = code;
	va_start(ap, fmt);
	vsnprintf(w->out->err.text, sizeof w->out->err.text, fmt, ap);
	va_end(ap);
	return -(int)code;
}

/* ---- the name ----------------------------------------------------------- */

/*
 * Words of names, each with its NUL: names themselves hold them only as parts
 * of "show calls". Offers point here, so it lives as long as they do.
 */
#define OP_NAME 96
#define OP_NAME_WORD 32
struct op_names {
	char word[256][OP_NAME_WORD];
	size_t n;
};

/* What follows in a name behind the words taken, or NULL. */
static const char *
op_name_rest(const char *name, const char *taken)
{
	size_t n = strlen(taken);

	if (n == 0)
		return name;
	return strncmp(name, taken, n) == 0 && name[n] == ' ' ? name + n + 1
							      : NULL;
}

/* Offer every word that may follow in a name; returns the operation whose
 * name ends here. */
static const struct op *
op_offer_names(struct op_walker *w, const char *taken)
{
	const struct op *const *o, *here = NULL;
	struct op_names *names = w->names;
	const char *rest;
	char *word;
	bool last;
	size_t n;

	names->n = 0;
	for (o = w->table->ops; *o != NULL && names->n < 256; o++) {
		if (strcmp((*o)->name, taken) == 0)
			here = *o;
		if ((rest = op_name_rest((*o)->name, taken)) == NULL)
			continue;
		word = names->word[names->n];
		n = strcspn(rest, " ");
		last = rest[n] == '\0';
		if (!str_ncopy(word, OP_NAME_WORD, rest, n))
			continue;
		op_offer_word(
		    w, word, last ? (*o)->brief : op_verb_brief(word));
		if (w->noffers != 0 && w->offers[w->noffers - 1].word == word)
			names->n++; /* a new one: the slot is taken */
	}
	return here;
}

/* Does a name go on behind the words taken with the next word as it is
 * written? Then nothing need be offered in its place. */
static bool
op_name_has_next(struct op_walker *w, const char *taken)
{
	const struct op_word *word = op_walk_word(w);
	const struct op *const *o;
	const char *rest;
	size_t n;

	if (word == NULL || word->quoted)
		return false;
	n = strlen(word->text);
	for (o = w->table->ops; *o != NULL; o++) {
		rest = op_name_rest((*o)->name, taken);
		if (rest != NULL && strncmp(rest, word->text, n) == 0 &&
		    (rest[n] == ' ' || rest[n] == '\0'))
			return true;
	}
	return false;
}

/* One more word of a name; one that is longer than all names is cut, and is
 * found nowhere. */
static void
op_name_take(struct op_walker *w, char taken[OP_NAME], const char *word)
{
	size_t n = strlen(taken);

	snprintf(taken + n, OP_NAME - n, "%s%s", n != 0 ? " " : "", word);
	w->at++;
}

/*
 * Take the words of the operation's name. Where a name ends and a longer one
 * goes on, the longer one has the word.
 */
static int
op_walk_name(struct op_walker *w)
{
	char taken[OP_NAME] = "";
	int i;

	for (;;) {
		while (op_name_has_next(w, taken))
			op_name_take(w, taken, op_walk_word(w)->text);
		op_offer_clear(w);
		w->op = op_offer_names(w, taken);
		if (w->op != NULL &&
		    (op_walk_word(w) == NULL || op_offer_find(w) < 0))
			return OP_TAKEN;
		if (op_walk_word(w) == NULL)
			return OP_END;
		if ((i = op_offer_match(w)) < 0)
			return -(int)w->out->err.code;
		op_name_take(w, taken, w->offers[i].word);
	}
}

/* ---- path, values, fields ----------------------------------------------- */

/* Which arguments of the operation speak of an object. */
static void
op_walk_find_path(struct op_walker *w)
{
	const struct op_field *f;

	for (f = w->op->args; f != NULL && f->name != NULL; f++) {
		if (f->type == &op_type_path)
			w->path = f;
		else if (f->type == &op_type_values)
			w->values = f;
		else if (f->type == &op_type_fields)
			w->fields = f;
	}
	w->in_path = w->path != NULL;
	if (w->values != NULL) {
		w->value_map = json_object();
		json_object_set_new(
		    w->out->args, w->values->name, w->value_map);
	}
	if (w->fields != NULL)
		w->field_list = json_array();
	if (w->fields != NULL)
		json_object_set_new(
		    w->out->args, w->fields->name, w->field_list);
}

/* The path names one object, not a kind. */
static bool
op_path_is_whole(const struct op_walker *w)
{
	return w->p.obj != NULL && !w->need_key;
}

/* Was a field of the object named already? */
static bool
op_walk_has_field(const struct op_walker *w, const char *name)
{
	json_t *item;
	size_t i;

	if (json_object_get(w->value_map, name) != NULL)
		return true;
	json_array_foreach (w->field_list, i, item) {
		if (strcmp(json_string_value(item), name) == 0)
			return true;
	}
	return false;
}

/* Whether values or fields have begun, which end the path. */
static bool
op_walk_in_fields(const struct op_walker *w)
{
	return json_object_size(w->value_map) != 0 ||
	    json_array_size(w->field_list) != 0;
}

/* The values are those of one field that is a list, which must be named. */
static bool
op_walk_wants_list(const struct op_walker *w)
{
	return w->values != NULL && w->values->flags & OP_LIST &&
	    w->fields == NULL;
}

/* The list behind which values of it may stand in place of further fields. */
static const struct op_field *
op_walk_open_list(const struct op_walker *w)
{
	const struct op_field *f;

	if (w->values == NULL || json_array_size(w->field_list) != 1)
		return NULL;
	f = obj_field(
	    w->p.obj, json_string_value(json_array_get(w->field_list, 0)));
	return f->flags & OP_LIST ? f : NULL;
}

/* May the field of the object stand here? */
static bool
op_walk_takes_field(const struct op_walker *w, const struct op_field *f)
{
	if (f == NULL || f->flags & OP_INTERNAL ||
	    op_walk_has_field(w, f->name) ||
	    (w->fields != NULL && json_object_size(w->value_map) != 0))
		return false;
	return !op_walk_wants_list(w) ||
	    (f->flags & OP_LIST && !op_walk_in_fields(w));
}

/* Does the path to a list lead through the object? */
static bool
op_leads_to_list(const struct op_walker *w, const struct obj *o)
{
	const struct obj *const *below;
	const struct op_field *f;

	for (f = o->fields; f->name != NULL; f++) {
		if (f->flags & OP_LIST && !(f->flags & OP_INTERNAL))
			return true;
	}
	for (below = w->table->objs; *below != NULL; below++) {
		if ((*below)->parent == o && op_leads_to_list(w, *below))
			return true;
	}
	return false;
}

/* May the object stand next in the path? Where a list is wanted only what has
 * one, or something below it that has. */
static bool
op_path_goes_to(const struct op_walker *w, const struct obj *o)
{
	return o != NULL && o->parent == w->p.obj && !op_walk_in_fields(w) &&
	    (!op_walk_wants_list(w) || op_leads_to_list(w, o));
}

/* Offer what continues the path: objects below, fields, or the key. */
static void
op_offer_path(struct op_walker *w)
{
	static const struct op_field taken = {.name = "value",
	    .type = &op_type_member,
	    .brief = "a value to take out of the list"};
	const struct obj *const *o;
	const struct op_field *f;

	if (w->need_key) {
		op_offer_value(w, &w->p.obj->key, w->p.obj);
		return;
	}
	for (o = w->table->objs; o != NULL && *o != NULL; o++) {
		if (op_path_goes_to(w, *o))
			op_offer_word(w, (*o)->name, (*o)->brief);
	}
	if (!op_path_is_whole(w) || (w->values == NULL && w->fields == NULL))
		return;
	for (f = w->p.obj->fields; f->name != NULL; f++) {
		if (op_walk_takes_field(w, f))
			op_offer_field(w, f);
	}
	if (op_walk_open_list(w) != NULL) {
		op_offer_value(w, &taken, NULL);
		op_offer_word(w, "[", "several values, up to ]");
	}
}

/* The argument as it stands now: a kind, or one object. */
static void
op_path_store(struct op_walker *w)
{
	char text[OBJ_PATH];

	obj_path_text(&w->p, text, sizeof text);
	json_object_set_new(w->out->args, w->path->name, json_string(text));
	w->out->obj = w->p.obj;
}

/* The key behind a keyword. */
static int
op_walk_key(struct op_walker *w)
{
	json_t *into = json_object();
	const char *key;
	int r;

	r = op_walk_value(w, &w->p.obj->key, w->p.obj, into, "key");
	key = json_string_value(json_object_get(into, "key"));
	if (r == OP_TAKEN && key != NULL) {
		str_copy(w->p.key[w->p.nkeys++], OBJ_KEY, key);
		w->need_key = false;
		op_path_store(w);
	}
	json_decref(into);
	return r;
}

/* A word that continues the path: an object below, or a field. */
static int
op_walk_path_word(struct op_walker *w, const char *word)
{
	const struct obj *o = obj_find(w->table->objs, w->p.obj, word);
	const struct op_field *f;

	w->at++;
	if (o != NULL && !op_walk_in_fields(w) && w->p.nkeys < OBJ_DEPTH) {
		w->p.obj = o;
		w->need_key = true;
		op_path_store(w);
		return OP_TAKEN;
	}
	f = obj_field(w->p.obj, word);
	if (w->fields == NULL)
		return op_walk_value(w, f, NULL, w->value_map, f->name);
	json_array_append_new(w->field_list, json_string(f->name));
	return OP_TAKEN;
}

/* ---- arguments ---------------------------------------------------------- */

/* An argument stands once in a line. */
static bool
op_walk_is_given(const struct op_walker *w, const struct op_field *f)
{
	return w->given >> (f - w->op->args) & 1;
}

/* One of those is given of which exactly one is wanted. */
static bool
op_walk_has_one(const struct op_walker *w)
{
	const struct op_field *f;

	for (f = w->op->args; f != NULL && f->name != NULL; f++) {
		if (f->flags & OP_ONE && op_walk_is_given(w, f))
			return true;
	}
	return false;
}

/* What is given by its name, in any order. */
static bool
op_is_named(const struct op_field *f)
{
	return !(f->flags & OP_KEY) && f->type != &op_type_path &&
	    f->type != &op_type_values && f->type != &op_type_fields;
}

/* The positional argument that comes next, or NULL. */
static const struct op_field *
op_walk_next_key(const struct op_walker *w)
{
	const struct op_field *f;

	for (f = w->op->args; f != NULL && f->name != NULL; f++) {
		if (f->flags & OP_KEY && f != w->path &&
		    !op_walk_is_given(w, f))
			return f;
	}
	return NULL;
}

/* The first argument that must still come, or NULL. */
static const char *
op_walk_missing(struct op_walker *w)
{
	const struct op_field *f;

	for (f = w->op->args; f != NULL && f->name != NULL; f++) {
		if (f->flags & OP_ONE && !op_walk_has_one(w)) {
			op_one_words(w->op, w->one);
			return w->one;
		}
		if (!(f->flags & OP_REQUIRED))
			continue;
		if (f == w->path && !op_path_is_whole(w))
			return w->need_key ? w->p.obj->name : f->name;
		if (f == w->values && json_object_size(w->value_map) == 0)
			return f->name;
		if (f == w->fields && json_array_size(w->field_list) == 0)
			return f->name;
		if (f != w->path && f != w->values && f != w->fields &&
		    !op_walk_is_given(w, f))
			return f->name;
	}
	return NULL;
}

/* Offer the named arguments that were not given, unless something that is
 * positional must come first. */
static void
op_offer_named(struct op_walker *w, const struct op_field *key)
{
	const struct op_field *f;

	if (key != NULL && key->flags & OP_REQUIRED)
		return;
	if (w->path != NULL && w->path->flags & OP_REQUIRED &&
	    !op_path_is_whole(w))
		return;
	if (op_walk_in_fields(w) != op_walk_wants_list(w))
		return;
	for (f = w->op->args; f != NULL && f->name != NULL; f++) {
		if (op_is_named(f) && !op_walk_is_given(w, f) &&
		    !(f->flags & OP_ONE && op_walk_has_one(w)))
			op_offer_field(w, f);
	}
}

/* name value, or a flag. */
static int
op_walk_named(struct op_walker *w, const struct op_field *f)
{
	int r = OP_TAKEN;

	w->at++;
	w->in_path = false;
	w->given |= UINT64_C(1) << (f - w->op->args);
	if (f->flags & OP_FLAG)
		json_object_set_new(w->out->args, f->name, json_string("yes"));
	else
		r = op_walk_value(w, f, NULL, w->out->args, f->name);
	return r;
}

/* The word, which is one of the offers, as what it is. */
static int
op_walk_offered(struct op_walker *w, const char *word)
{
	const struct op_field *f = op_field_find(w->op->args, word);

	if (w->in_path && !w->need_key &&
	    (obj_find(w->table->objs, w->p.obj, word) != NULL ||
		(op_path_is_whole(w) && (w->values || w->fields) &&
		    op_walk_takes_field(w, obj_field(w->p.obj, word)))))
		return op_walk_path_word(w, word);
	if (f != NULL && op_is_named(f))
		return op_walk_named(w, f);
	return op_walk_refuse(w, ERR_UNKNOWN, "unknown word \"%s\"", word);
}

/* A positional value: the key of a path, or an argument. */
static int
op_walk_positional(struct op_walker *w, const struct op_field *key)
{
	int r;

	if (w->in_path && w->need_key)
		return op_walk_key(w);
	r = op_walk_value(w, key, NULL, w->out->args, key->name);
	if (r == OP_TAKEN)
		w->given |= UINT64_C(1) << (key - w->op->args);
	return r;
}

/* Values of the list that was named as a field: it is these that go. */
static int
op_walk_taken_out(struct op_walker *w, const struct op_field *list)
{
	int r = op_walk_value(w, list, NULL, w->value_map, list->name);

	json_array_clear(w->field_list);
	return r;
}

/* A word that stood in the line already, and stands once. */
static bool
op_walk_is_twice(const struct op_walker *w, const struct op_word *word)
{
	const struct op_field *f = op_field_find(w->op->args, word->text);

	if (word->quoted)
		return false;
	return op_walk_has_field(w, word->text) ||
	    (f != NULL && op_is_named(f) && op_walk_is_given(w, f));
}

/* Words for one that has a meaning, though not here; 0 = it has none. */
static int
op_walk_misplaced(struct op_walker *w, const struct op_word *word)
{
	const struct op_field *f;

	if (op_walk_is_twice(w, word))
		return op_walk_refuse(
		    w, ERR_UNKNOWN, "%s: given twice", word->text);
	if (!op_walk_wants_list(w) || word->quoted)
		return 0;
	if (w->in_path && obj_find(w->table->objs, w->p.obj, word->text) &&
	    !op_walk_in_fields(w))
		return op_walk_refuse(w, ERR_UNKNOWN,
		    "%s: has no list, nor has anything below it", word->text);
	f = op_path_is_whole(w) && !op_walk_in_fields(w)
	    ? obj_field(w->p.obj, word->text)
	    : NULL;
	if (f != NULL)
		return op_walk_refuse(w, ERR_UNKNOWN,
		    "%s: holds one value, not a list", word->text);
	f = op_field_find(w->op->args, word->text);
	if (f == NULL || !(f->flags & OP_ONE) || !op_walk_has_one(w))
		return 0;
	op_one_words(w->op, w->one);
	return op_walk_refuse(
	    w, ERR_UNKNOWN, "%s: one of %s stands already", word->text, w->one);
}

/* One argument, or the next part of a path. */
static int
op_walk_arg(struct op_walker *w)
{
	const struct op_field *key = op_walk_next_key(w);
	const struct op_field *list = op_walk_open_list(w);
	bool value = (w->in_path && w->need_key) || (!w->in_path && key);
	int i;

	if (w->in_path)
		op_offer_path(w);
	else if (key != NULL)
		op_offer_value(w, key, NULL);
	op_offer_named(w, key);
	if (op_walk_word(w) == NULL)
		return OP_END;
	/* A word of ours goes before a value of the same spelling, unless
	 * the value must come: then words are no offers. */
	i = op_offer_find(w);
	if (list != NULL && (i < 0 || w->offers[i].field == NULL))
		return op_walk_taken_out(w, list);
	if (i >= 0 && w->offers[i].value == NULL)
		return op_walk_offered(w, w->offers[i].word);
	if (value)
		return op_walk_positional(w, key);
	if ((i = op_walk_misplaced(w, op_walk_word(w))) != 0 ||
	    (i = op_offer_match(w)) < 0)
		return -(int)w->out->err.code;
	return op_walk_offered(w, w->offers[i].word);
}

/* Empty values and fields were never written: they are not arguments. */
static void
op_walk_tidy(struct op_walker *w)
{
	if (w->values != NULL && json_object_size(w->value_map) == 0)
		json_object_del(w->out->args, w->values->name);
	if (w->fields != NULL && json_array_size(w->field_list) == 0)
		json_object_del(w->out->args, w->fields->name);
}

/* All arguments; what may go on in the name is still offered at the first. */
static int
op_walk_args(struct op_walker *w)
{
	const char *missing;
	int r;

	op_walk_find_path(w);
	while ((r = op_walk_arg(w)) == OP_TAKEN)
		op_offer_clear(w);
	if (r < 0)
		return r;
	missing = op_walk_missing(w);
	if (r == OP_WANTS)
		return op_walk_refuse(
		    w, ERR_SYNTAX, "the line ends where a value is expected");
	if (missing != NULL)
		return op_walk_refuse(w, ERR_SYNTAX,
		    "the line ends too early: %s is missing", missing);
	op_walk_tidy(w);
	w->out->done_ok = true;
	return 0;
}

/* ---- the line ----------------------------------------------------------- */

/* Where the walk ends: before a bar, and before a word that is unfinished. */
static void
op_walk_bounds(struct op_walker *w, const char *line)
{
	struct op_words *words = &w->words;
	size_t i;

	w->end = words->count;
	w->line_end = strlen(line);
	for (i = 0; i < words->count; i++) {
		if (words->word[i].quoted ||
		    strcmp(words->word[i].text, "|") != 0)
			continue;
		w->end = words->count = i;
		w->line_end = w->out->pipe = words->word[i].at;
		words->open = true;
	}
	if (w->flags & OP_WALK_COMPLETE && !words->open && w->end > 0)
		w->line_end = words->word[--w->end].at;
	w->out->from = w->line_end;
}

/* The words of the line, one after the other. */
static int
op_walk_words(struct op_walker *w)
{
	int r = op_walk_name(w);

	if (r == OP_TAKEN)
		return op_walk_args(w);
	if (r < 0)
		return r;
	return op_walk_refuse(w, ERR_SYNTAX,
	    w->at == 0 ? "expected a command"
		       : "the line ends too early: more words are expected");
}

int
op_walk(const struct op_table *table, const char *line, unsigned flags,
    struct op_walk *out)
{
	struct op_names names;
	struct op_walker w = {
	    .table = table, .out = out, .flags = flags, .names = &names};
	struct err cut;
	size_t cut_at;
	int r, bad;

	memset(out, 0, sizeof *out);
	if ((out->args = json_object()) == NULL)
		return err_set(&out->err, ERR_NOMEM, "out of memory");
	/* A line that cannot be cut is walked as far as it could be; one that
	 * is no text was not cut at all, so nothing is known of its place. */
	bad = op_words_parse(&w.words, line, &cut_at, &cut);
	if (bad != 0)
		w.words.open = true;
	op_walk_bounds(&w, line);
	r = op_walk_words(&w);
	if (r == 0 && out->err.code != ERR_NONE)
		r = -(int)out->err.code; /* memory, in the middle */
	if (bad != 0) {
		out->err = cut;
		out->err_at = cut_at;
		r = bad;
		if (w.words.count == 0 && cut_at != 0)
			op_offer_clear(&w);
	}
	/* of a whole line nobody asks what else it could be */
	if ((r != 0 || flags & OP_WALK_COMPLETE) && op_offer_finish(&w) != 0 &&
	    r == 0)
		r = -ERR_NOMEM;
	if (r == 0)
		out->op = w.op;
	op_words_fini(&w.words);
	free(w.offers);
	return r;
}

void
op_walk_fini(struct op_walk *out)
{
	json_decref(out->args);
	free(out->next);
	free(out->secret);
	memset(out, 0, sizeof *out);
}
