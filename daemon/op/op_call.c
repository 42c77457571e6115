/*
 * A call of an operation: arguments in, checked against the record; rows out,
 * checked against it too. What a handler sees is canonical, so two ways to
 * write the same thing cannot behave differently. Callers are control (from
 * the console's socket) and the frame of each role.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/fold.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define OP_CALL_MAGIC 0x0bca1100u

/* A text with "@file:" or "@env:" is the console's to read: the daemon must
 * never store the name of a secret's file in place of the secret. */
static int
op_check_literal(const struct op_field *f, const char *text, struct err *e)
{
	if ((f->type->secret || f->type == &op_type_blob) &&
	    (str_prefix(text, "@file:") || str_prefix(text, "@env:")))
		return err_set(e, ERR_INVALID,
		    "expected the text itself: @ is read by the console");
	return 0;
}

/* One plain argument, as canonical JSON; an array for a list. */
static int
op_check_plain(
    const struct op_field *f, json_t *in, json_t **out, struct err *e)
{
	struct op_field plain = *f;
	char *text;
	int r;

	if ((r = op_from_json(f, in, &text, e)) != 0)
		return r;
	if ((r = op_check_literal(f, text, e)) == 0) {
		/* op_to_json would make numbers and masks: keep the text */
		plain.type = &op_type_text;
		*out = op_to_json(&plain, text);
		if (*out == NULL)
			r = err_set(e, ERR_NOMEM, "out of memory");
	}
	free(text);
	return r;
}

/* ---- values and fields of the object that the path names ---------------- */

/* The object of the path argument, which was checked before. */
static const struct obj *
op_args_object(const struct op *op, json_t *args)
{
	const struct op_field *f;
	struct obj_path p;
	const char *text;

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (f->type != &op_type_path)
			continue;
		text = json_string_value(json_object_get(args, f->name));
		if (text != NULL && op_objects() != NULL &&
		    obj_path_parse(op_objects(), text, &p, NULL) == 0)
			return p.obj;
	}
	return NULL;
}

/* A field of the object that an operator may set. */
static const struct op_field *
op_settable(const struct obj *o, const char *name, struct err *e)
{
	const struct op_field *f = obj_field(o, name);

	if (f == NULL)
		err_set(
		    e, ERR_UNKNOWN, "%s: no such field of a %s", name, o->name);
	else if (f->flags & OP_INTERNAL)
		err_set(e, ERR_INVALID, "%s: set by the system", name);
	else
		return f;
	return NULL;
}

/* One field's new value: canonical text, or null to clear it. */
static int
op_check_value(const struct obj *o, const char *name, json_t *in, json_t *out,
    struct err *e)
{
	const struct op_field *f = op_settable(o, name, e);
	char *text;
	int r;

	if (f == NULL)
		return -(int)e->code;
	if (json_is_null(in))
		return json_object_set_new(out, name, json_null());
	if ((r = op_from_json(f, in, &text, e)) != 0)
		return err_wrap(e, "%s", name);
	if ((r = op_check_literal(f, text, e)) != 0)
		err_wrap(e, "%s", name);
	else if (f->flags & OP_LIST && *text == '\0')
		r = json_object_set_new(out, name, json_null());
	else if (json_object_set_new(out, name, json_string(text)) != 0)
		r = err_set(e, ERR_NOMEM, "out of memory");
	free(text);
	return r;
}

/* Where a list is wanted: one field that holds one, and values for it. */
static int
op_check_list(const struct obj *o, json_t *in, json_t *out, struct err *e)
{
	const char *name = json_object_iter_key(json_object_iter(in));
	const struct op_field *f;
	int r;

	if (json_object_size(in) != 1)
		return err_set(e, ERR_INVALID, "expected one field");
	if ((f = op_settable(o, name, e)) == NULL)
		return -(int)e->code;
	if (!(f->flags & OP_LIST))
		return err_set(
		    e, ERR_INVALID, "%s: holds one value, not a list", name);
	if ((r = op_check_value(o, name, json_object_get(in, name), out, e)) !=
	    0)
		return r;
	return json_is_null(json_object_get(out, name))
	    ? err_set(e, ERR_INVALID, "%s: expected at least one value", name)
	    : 0;
}

/* Every member of values. */
static int
op_check_each(const struct obj *o, json_t *in, json_t *out, struct err *e)
{
	const char *name;
	json_t *value;
	int r;

	json_object_foreach (in, name, value) {
		if ((r = op_check_value(o, name, value, out, e)) != 0)
			return r;
	}
	return 0;
}

/* All members of values, or none: the first that does not fit refuses them. */
static int
op_check_values(const struct op_field *f, const struct obj *o, json_t *in,
    json_t **out, struct err *e)
{
	int r;

	if (!json_is_object(in))
		return err_set(e, ERR_INVALID, "expected an object");
	if (o == NULL)
		return err_set(e, ERR_INVALID, "expected a path beside it");
	*out = json_object();
	if (f->flags & OP_LIST)
		r = op_check_list(o, in, *out, e);
	else
		r = op_check_each(o, in, *out, e);
	if (r != 0) {
		json_decref(*out);
		*out = NULL;
	}
	return r;
}

/* Names of fields, each one that may be cleared. */
static int
op_check_fields(const struct obj *o, json_t *list, struct err *e)
{
	json_t *name;
	size_t i;

	if (o == NULL)
		return err_set(e, ERR_INVALID, "expected a path beside it");
	/* An empty list must not turn into "the whole object". */
	if (json_array_size(list) == 0)
		return err_set(e, ERR_INVALID, "expected at least one field");
	json_array_foreach (list, i, name) {
		if (op_settable(o, json_string_value(name), e) == NULL)
			return -(int)e->code;
	}
	return 0;
}

/* ---- all arguments of a call -------------------------------------------- */

/* One argument in canonical form into the call; its name stands in front of
 * an error. */
static int
op_check_arg(
    struct op_call *c, const struct op_field *f, json_t *in, struct err *e)
{
	const struct obj *o = NULL;
	json_t *out = NULL;
	int r;

	if (f->type == &op_type_values || f->type == &op_type_fields)
		o = op_args_object(c->op, c->args);
	if (f->type == &op_type_values)
		r = op_check_values(f, o, in, &out, e);
	else
		r = op_check_plain(f, in, &out, e);
	if (r == 0 && f->type == &op_type_fields)
		r = op_check_fields(o, out, e);
	if (r == 0 && json_object_set(c->args, f->name, out) != 0)
		r = err_set(e, ERR_NOMEM, "out of memory");
	json_decref(out);
	return r != 0 ? err_wrap(e, "%s", f->name) : 0;
}

/* Given, by default, or missing. */
static int
op_take_arg(
    struct op_call *c, const struct op_field *f, json_t *in, struct err *e)
{
	json_t *def;
	int r;

	if (in != NULL && !json_is_null(in))
		return op_check_arg(c, f, in, e);
	if (f->flags & OP_REQUIRED)
		return err_set(e, ERR_INVALID, "%s: missing", f->name);
	if (f->def == NULL)
		return 0;
	def = json_string(f->def);
	r = op_check_arg(c, f, def, e);
	json_decref(def);
	return r;
}

/* Of the arguments of which one is wanted there is exactly one. */
static int
op_check_one(const struct op_call *c, struct err *e)
{
	const struct op_field *f;
	char words[OP_ONE_WORDS];
	unsigned n = 0;
	bool any = false;

	for (f = c->op->args; f != NULL && f->name != NULL; f++) {
		if (!(f->flags & OP_ONE))
			continue;
		any = true;
		n += f->flags & OP_FLAG ? op_arg_flag(c, f->name)
					: op_arg(c, f->name) != NULL;
	}
	if (!any || n == 1)
		return 0;
	op_one_words(c->op, words);
	return err_set(e, ERR_INVALID, "expected one of %s", words);
}

/* Every name must be known; every known argument is taken in the order of
 * the record. */
static int
op_check_args(struct op_call *c, json_t *args, struct err *e)
{
	const struct op_field *f;
	const char *name;
	json_t *value;
	int r;

	if (args != NULL && !json_is_object(args))
		return err_set(
		    e, ERR_INVALID, "expected arguments by their names");
	json_object_foreach (args, name, value) {
		if (op_field_find(c->op->args, name) == NULL)
			return err_set(
			    e, ERR_UNKNOWN, "%s: no such argument", name);
	}
	/* In the order of the record: a path comes before its values. */
	for (f = c->op->args; f != NULL && f->name != NULL; f++) {
		r = op_take_arg(c, f, json_object_get(args, f->name), e);
		if (r != 0)
			return r;
	}
	return op_check_one(c, e);
}

/* The right to run comes before the arguments, so who may not learns
 * nothing; what the arguments name is looked at once they are canonical. */
static int
op_admit(struct op_call *c, json_t *args, struct err *e)
{
	if (c->args == NULL || c->rows == NULL || c->warn == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (op_permit(c->op, &c->who, NULL, e) != 0 ||
	    op_check_args(c, args, e) != 0)
		return -(int)e->code;
	op_limit_args(c->op, &c->who, c->args);
	return op_permit(c->op, &c->who, c->args, e);
}

/* The end of a call: nothing of it is used after. */
static void
op_call_free(struct op_call *c)
{
	json_decref(c->args);
	json_decref(c->rows);
	json_decref(c->warn);
	json_decref(c->next);
	json_decref(c->err_data);
	free(c->match);
	c->magic = 0;
	free(c);
}

void
op_run(const struct op *op, json_t *args, const struct op_who *who, void *self,
    op_done_fn *done, void *arg)
{
	struct op_call *c = calloc(1, sizeof *c), none = {.op = op};
	struct err e;

	if (c == NULL) {
		err_set(&e, ERR_NOMEM, "out of memory");
		done(arg, &none, &e);
		return;
	}
	c->magic = OP_CALL_MAGIC;
	c->op = op;
	c->who = *who;
	c->self = self;
	c->on_done = done;
	c->done_arg = arg;
	c->args = json_object();
	c->rows = json_array();
	c->warn = json_array();
	if (op_admit(c, args, &e) != 0)
		op_finish(c, &e);
	else
		op->run(c);
}

void
op_finish(struct op_call *call, const struct err *e)
{
	struct op_call *c = OBJ(call, op_call, OP_CALL_MAGIC);

	c->on_done(c->done_arg, c, e);
	op_call_free(c);
}

void
op_elsewhere(struct op_call *c)
{
	struct err e = {.code = ERR_ABSENT};

	op_finish(c, &e);
}

void
op_failf(struct op_call *c, enum err_code code, const char *fmt, ...)
{
	struct err e = {.code = code};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, ap);
	va_end(ap);
	op_finish(c, &e);
}

/* ---- arguments as a handler reads them ---------------------------------- */

json_t *
op_arg_json(const struct op_call *c, const char *name)
{
	return json_object_get(c->args, name);
}

const char *
op_arg(const struct op_call *c, const char *name)
{
	return json_string_value(op_arg_json(c, name));
}

int64_t
op_arg_int(const struct op_call *c, const char *name, int64_t def)
{
	const char *text = op_arg(c, name);
	int64_t v;

	if (text == NULL || !str_int(text, INT64_MIN + 1, INT64_MAX, &v))
		return def;
	return v;
}

bool
op_arg_flag(const struct op_call *c, const char *name)
{
	return str_equal(op_arg(c, name), "yes");
}

/* ---- rows --------------------------------------------------------------- */

void
op_row(struct op_call *c)
{
	json_t *row = json_object();
	const struct op_field *f;

	for (f = c->op->cols; f != NULL && f->name != NULL; f++)
		json_object_set_new(row, f->name, json_null());
	if (json_array_append_new(c->rows, row) != 0)
		fatalx("op %s: out of memory", c->op->name);
}

/* The column of the record; what it lacks must not reach anybody. */
static const struct op_field *
op_column(struct op_call *c, const char *col, enum op_json json)
{
	const struct op_field *f = op_field_find(c->op->cols, col);

	if (f == NULL || (f->type->json != json && !(f->flags & OP_LIST)))
		fatalx("op %s: column %s is not as declared", c->op->name, col);
	if (json_array_size(c->rows) == 0)
		fatalx("op %s: a value without a row", c->op->name);
	return f;
}

/* Into the row started last. */
static void
op_put_json(struct op_call *c, const char *col, json_t *value)
{
	size_t n = json_array_size(c->rows);

	if (json_object_set_new(json_array_get(c->rows, n - 1), col, value) !=
	    0)
		fatalx("op %s: out of memory", c->op->name);
}

/* Bytes that JSON cannot carry are shown escaped. */
static json_t *
op_text_json(const struct op_field *f, const char *text)
{
	char *safe;
	json_t *v;
	size_t n = strlen(text);

	if (str_utf8(text, n))
		return op_to_json(f, text);
	safe = xmalloc(4 * n + 1);
	str_escape(safe, 4 * n + 1, text, n);
	v = op_to_json(f, safe);
	free(safe);
	return v;
}

void
op_put(struct op_call *c, const char *col, const char *text)
{
	const struct op_field *f = op_column(c, col, OP_STRING);

	op_put_json(c, col, text != NULL ? op_text_json(f, text) : json_null());
}

void
op_put_int(struct op_call *c, const char *col, int64_t v)
{
	op_column(c, col, OP_INTEGER);
	op_put_json(c, col, json_integer(v));
}

void
op_put_bool(struct op_call *c, const char *col, bool v)
{
	op_column(c, col, OP_BOOLEAN);
	op_put_json(c, col, json_boolean(v));
}

void
op_put_time(struct op_call *c, const char *col, uint64_t real_us)
{
	char text[CLOCK_TEXT];

	op_column(c, col, OP_STRING);
	if (real_us == 0)
		return;
	clock_text(text, real_us);
	op_put_json(c, col, json_string(text));
}

struct op_sorted {
	json_t *row;
	const char *text;
	size_t at;
};

static int
op_by_text(const void *a, const void *b)
{
	const struct op_sorted *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	return r != 0 ? r : (x->at > y->at) - (x->at < y->at);
}

void
op_sort(struct op_call *c, const char *col)
{
	size_t n = json_array_size(c->rows), i;
	struct op_sorted *list = xcalloc(n + 1, sizeof *list);

	for (i = 0; i < n; i++) {
		list[i].row = json_incref(json_array_get(c->rows, i));
		list[i].text = op_row_text(list[i].row, col);
		list[i].at = i;
	}
	qsort(list, n, sizeof *list, op_by_text);
	for (i = 0; i < n; i++)
		json_array_set_new(c->rows, i, list[i].row);
	free(list);
}

void
op_warn(struct op_call *c, const char *fmt, ...)
{
	char words[ERR_TEXT_MAX], safe[2 * ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	str_escape(safe, sizeof safe, words, strlen(words));
	json_array_append_new(c->warn, json_string(safe));
}

/* May who asks see what stands in the column? */
static bool
op_shows(const struct op_call *c, const char *col)
{
	const struct op_field *f = op_field_find(c->op->cols, col);

	return f != NULL && !f->type->secret &&
	    (!(f->flags & OP_PERSONAL) || op_sees_persons(&c->who));
}

bool
op_matches(struct op_call *c, const struct op_text *texts, size_t n)
{
	const char *match = op_arg(c, "match");
	size_t i;

	if (match == NULL)
		return true;
	if (c->match == NULL)
		c->match = fold_dup(match);
	for (i = 0; i < n; i++) {
		if (texts[i].text != NULL && op_shows(c, texts[i].col) &&
		    fold_holds(texts[i].text, c->match))
			return true;
	}
	return false;
}

void
op_next(struct op_call *c, const char *after)
{
	c->next = json_string(after);
	op_warn(c, "only the first %zu are shown: " OP_NEXT_WORDS,
	    json_array_size(c->rows), after);
}

void
op_next_looked(struct op_call *c, const char *after, unsigned looked)
{
	c->next = json_string(after);
	op_warn(
	    c, "%u rows were looked through: " OP_NEXT_WORDS, looked, after);
}

void
op_cut(struct op_call *c)
{
	c->cut = true;
	op_warn(c, "only the first %zu are shown: see limit",
	    json_array_size(c->rows));
}

/* A column that is there, in every row. */
static void
op_mask_column(json_t *rows, const char *col)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (!json_is_null(json_object_get(row, col)))
			json_object_set_new(row, col, json_string(OP_MASK));
	}
}

json_t *
op_result(const struct op_call *c)
{
	const struct op_field *f = c->op->cols;

	for (; !op_sees_persons(&c->who) && f != NULL && f->name != NULL; f++) {
		if (f->flags & OP_PERSONAL)
			op_mask_column(c->rows, f->name);
	}
	return json_pack("{s:O, s:I, s:O, s:O*, s:o*, s:o*, s:o*}", "data",
	    c->rows, "rev", (json_int_t)c->rev, "warn", c->warn, "next",
	    c->next, "cut", c->cut ? json_true() : NULL, "partial",
	    c->partial ? json_true() : NULL, "monitor",
	    c->monitor != 0 ? json_integer(c->monitor) : NULL);
}

/* ---- masks -------------------------------------------------------------- */

/* The members of values whose field is a secret; all of them when the
 * object is not known. */
static json_t *
op_mask_values(const struct obj *o, json_t *values)
{
	json_t *out = json_copy(values), *value;
	const struct op_field *f;
	const char *name;

	json_object_foreach (values, name, value) {
		f = o != NULL ? obj_field(o, name) : NULL;
		if (f == NULL || f->type->secret)
			json_object_set_new(out, name, json_string(OP_MASK));
	}
	return out;
}

json_t *
op_mask(const struct op *op, json_t *args)
{
	json_t *out = json_copy(args), *value;
	const struct op_field *f;
	const char *name;

	json_object_foreach (args, name, value) {
		f = op_field_find(op->args, name);
		if (f == NULL || f->type->secret)
			json_object_set_new(out, name, json_string(OP_MASK));
		else if (f->type == &op_type_values && json_is_object(value))
			json_object_set_new(out, name,
			    op_mask_values(op_args_object(op, args), value));
	}
	return out;
}
