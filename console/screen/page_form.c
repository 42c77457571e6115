/*
 * A form: the fields of an object, made from its description alone. Enter
 * puts what was changed into the candidate, by the same lines that are typed
 * at the prompt; the server has the last word on every value. A secret is
 * never shown, only replaced.
 */
#include <stdlib.h>
#include <string.h>

#include "screen_room.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define FORM_NAMES_TIME (500 * CLOCK_MS) /* for names that may be chosen */

struct form_field {
	const struct op_field *f;
	char name[64]; /* to find it again in other tables */
	struct entry entry;
	char *was;    /* the value in the candidate; NULL: not set */
	bool touched; /* it is another one now */
};

struct form {
	struct page page;
	struct obj_path path; /* of a new object: of its kind */
	char path_text[OBJ_PATH];
	bool fresh; /* the first field is the key */
	struct form_field *fields;
	size_t n, at, top;
};

/* ---- making it ---------------------------------------------------------- */

static void
form_add(struct form *x, const struct op_field *f)
{
	x->fields = xrealloc(x->fields, (x->n + 1) * sizeof *x->fields);
	memset(&x->fields[x->n], 0, sizeof x->fields[x->n]);
	str_copy(x->fields[x->n].name, sizeof x->fields[x->n].name, f->name);
	x->fields[x->n++].f = f;
}

/* Take the values out of the set line of the object. */
static int
form_take_line(struct form *x, const char *line, struct err *e)
{
	struct form_field *field;
	struct op_walk w;
	json_t *values;
	size_t i;
	int r = 0;

	if (op_walk(&x->page.s->session->table, line, 0, &w) != 0)
		r = err_set(e, ERR_INTERNAL, "%s: %s", line, w.err.text);
	values = json_object_get(w.args, "values");
	for (i = 0; r == 0 && i < x->n; i++) {
		field = &x->fields[i];
		field->was = form_value_text(
		    json_object_get(values, field->name));
		if (field->was != NULL && !form_value_is_opaque(field->f))
			entry_set(&field->entry, field->was);
	}
	op_walk_fini(&w);
	return r;
}

/* The values as the candidate has them; false: told why not. */
static bool
form_load(struct form *x)
{
	struct screen *s = x->page.s;
	struct reply reply;
	const char *line;
	int r;

	r = conn_call(&s->session->conn, "show configuration",
	    json_pack("{s:s, s:s}", "path", x->path_text, "candidate", "yes"),
	    &reply);
	line = json_string_value(json_object_get(
	    json_array_get(json_object_get(reply.result, "data"), 0), "line"));
	if (r == 0 && line != NULL)
		r = form_take_line(x, line, &reply.err);
	if (r != 0)
		box_error(s, x->path_text,
		    &(struct report){.at = REPORT_NOWHERE,
			.err = &reply.err,
			.data = reply.err_data});
	reply_fini(&reply);
	return r == 0;
}

/* Is the value another than that of the candidate? Of one that is not shown
 * an edit alone tells. */
static void
form_touch(struct form_field *field, bool edited)
{
	char *text = entry_text(&field->entry);

	if (form_value_is_opaque(field->f))
		field->touched |= edited;
	else
		field->touched = !str_equal(
		    text, field->was != NULL ? field->was : "");
	free(text);
}

/* ---- choices ------------------------------------------------------------ */

struct form_choices {
	struct form *form;
	json_t *names;
};

/* One was chosen: it is the value, or one more of a list. */
static void
form_on_choice(struct screen *s, void *arg, size_t item)
{
	struct form_choices *c = arg;
	struct form_field *field = &c->form->fields[c->form->at];
	const char *name = json_string_value(json_array_get(c->names, item));
	char *text = entry_text(&field->entry), *both;

	(void)s;
	if (name != NULL && item != SIZE_MAX) {
		both = field->f->flags & OP_LIST && *text != '\0'
		    ? xasprintf("%s %s", text, name)
		    : xstrdup(name);
		entry_set(&field->entry, both);
		form_touch(field, true);
		free(both);
	}
	free(text);
	json_decref(c->names);
	free(c);
}

/* Names of objects that the field may refer to, or of processes. */
static json_t *
form_names(struct form *x, const struct op_field *f)
{
	const struct obj *const *objs = x->page.s->session->table.objs;
	const char *ref = f->type == &op_type_instance ? "instance" : f->ref;
	struct obj_path p = {0};
	char above[OBJ_PATH] = "";
	struct reply reply;
	json_t *names;

	if (f->ref != NULL && obj_ref(objs, &x->path, f, "x", &p) == 0 &&
	    p.obj->parent != NULL) {
		p.obj = p.obj->parent;
		p.nkeys--;
		obj_path_text(&p, above, sizeof above);
	}
	conn_call_in(&x->page.s->session->conn, "complete",
	    json_pack(
		"{s:s, s:s, s:s}", "ref", ref, "path", above, "prefix", ""),
	    FORM_NAMES_TIME, &reply);
	names = json_is_array(reply.result) ? json_incref(reply.result)
					    : json_array();
	reply_fini(&reply);
	return names;
}

/* What may stand in a field: words of its type, or names of the server. */
static json_t *
form_choices(struct form *x, const struct op_field *f)
{
	json_t *names;
	size_t i;

	if (f->type == &op_type_bool)
		return json_pack("[s, s]", "yes", "no");
	if (f->choices == NULL)
		return form_names(x, f);
	names = json_array();
	for (i = 0; f->choices[i] != NULL; i++)
		json_array_append_new(names, json_string(f->choices[i]));
	return names;
}

static void
form_offer(struct form *x)
{
	const struct op_field *f = x->fields[x->at].f;
	struct form_choices *c = xcalloc(1, sizeof *c);
	struct menu *m;
	json_t *name;
	size_t i;

	c->form = x;
	c->names = form_choices(x, f);
	m = menu_new(x->page.s, f->name, form_on_choice, c);
	json_array_foreach (c->names, i, name) {
		if (json_is_string(name))
			menu_add(m, json_string_value(name), "", false);
	}
	menu_show(m, false);
}

/* ---- what is seen ------------------------------------------------------- */

/* The value of a field that nobody types in now. */
static void
form_put_value(const struct form_field *field, unsigned width, struct buf *b)
{
	unsigned cursor;

	if (field->touched || (field->entry.n != 0))
		entry_show(&field->entry, width,
		    field->f->type->secret ? '*' : '\0', b, &cursor);
	else if (field->was != NULL)
		buf_str(b, field->f->type->secret ? OP_MASK : "(set)");
	else if (field->f->def != NULL)
		buf_fmt(b, "(%s)", field->f->def);
	buf_str(b, "");
}

static void
form_draw_field(struct form *x, size_t i, unsigned row, const struct area *a,
    unsigned label)
{
	struct form_field *field = &x->fields[i];
	unsigned width = a->cols - label - 6, cursor = 0;
	struct buf b = BUF_INIT, name = BUF_INIT;
	bool here = i == x->at;

	buf_fmt(&name, "%c%c %s%s", here ? '>' : ' ',
	    field->touched ? '~' : ' ', field->f->name,
	    field->f->flags & OP_REQUIRED || (i == 0 && x->fresh) ? " *" : "");
	draw_text(
	    row, a->col, label + 4, here ? TONE_HEAD : TONE_PLAIN, name.data);
	form_put_value(field, width - 1, &b);
	draw_text(row, a->col + label + 5, width,
	    field->touched ? TONE_NOTICE : TONE_PLAIN, b.data);
	if (here) {
		buf_reset(&b);
		entry_show(&field->entry, width - 1,
		    field->f->type->secret ? '*' : '\0', &b, &cursor);
		draw_cursor(row, a->col + label + 5 + cursor);
	}
	buf_fini(&name);
	buf_fini(&b);
}

/* What the field under the cursor is, and what may stand there. */
static void
form_draw_help(const struct form *x, const struct area *a)
{
	const struct op_field *f = x->fields[x->at].f;
	struct buf b = BUF_INIT;
	unsigned row = a->row + a->rows - 3;

	draw_line(row, a->col, a->cols);
	draw_text(row + 1, a->col + 1, a->cols - 2, TONE_PLAIN,
	    f->brief != NULL ? f->brief : "");
	op_describe(f, &b);
	if (f->flags & OP_LIST)
		buf_str(&b, "; several with spaces between");
	if (f->def != NULL)
		buf_fmt(&b, "; default %s", f->def);
	if (form_value_has_choices(f))
		buf_str(&b, "; Space offers");
	draw_text(row + 2, a->col + 1, a->cols - 2, TONE_PLAIN,
	    b.data != NULL ? b.data : "");
	buf_fini(&b);
}

static void
form_draw(struct page *p, const struct area *a)
{
	struct form *x = (struct form *)p;
	unsigned label = 8, w, rows, i;
	struct area in;

	if (x->n == 0)
		return;
	in = page_head(a, x->path_text, "* required  ~ changed");
	rows = in.rows > 3 ? in.rows - 3 : 1;
	for (i = 0; i < x->n; i++) {
		w = text_width(x->fields[i].f->name) + 2;
		label = w > label ? w : label;
	}
	label = label > a->cols / 2 ? a->cols / 2 : label;
	if (x->at < x->top)
		x->top = x->at;
	if (x->at >= x->top + rows)
		x->top = x->at - rows + 1;
	for (i = 0; i < rows && x->top + i < x->n; i++)
		form_draw_field(x, x->top + i, in.row + i, &in, label);
	form_draw_help(x, &in);
}

/* ---- into the candidate ------------------------------------------------- */

/* The path in a line: of a new object with the key that was typed. */
static void
form_put_path(struct form *x, struct buf *b)
{
	char *key;

	run_put_path(b, &x->path);
	if (!x->fresh)
		return;
	key = entry_text(&x->fields[0].entry);
	buf_char(b, ' ');
	op_quote(b, key);
	free(key);
}

/* The lines that make the candidate what the form says, and how many fields
 * they name: one that sets, one that clears. */
struct form_lines {
	struct buf set, clear;
	size_t nset, nclear;
};

/* What one field adds to them. */
static void
form_add_line(const struct form_field *field, struct form_lines *l)
{
	char *text = entry_text(&field->entry);

	if (!field->touched) {
		free(text);
		return;
	}
	if (*text != '\0' && !str_equal(text, field->was)) {
		buf_fmt(&l->set, " %s ", field->f->name);
		form_value_put(field->f, text, &l->set);
		l->nset++;
	} else if (*text == '\0' && field->was != NULL) {
		buf_fmt(&l->clear, " %s", field->f->name);
		l->nclear++;
	}
	free(text);
}

static void
form_make_lines(struct form *x, struct form_lines *l)
{
	size_t i;

	memset(l, 0, sizeof *l);
	buf_str(&l->set, "set ");
	form_put_path(x, &l->set);
	buf_str(&l->clear, "delete ");
	form_put_path(x, &l->clear);
	for (i = x->fresh; i < x->n; i++)
		form_add_line(&x->fields[i], l);
}

/* An object to be made must not be there: to set it would change it. */
static bool
form_is_free(struct form *x)
{
	struct screen *s = x->page.s;
	struct obj_path p = x->path;
	char *key = entry_text(&x->fields[0].entry), path[OBJ_PATH];
	struct reply reply;
	struct err e;
	bool there = false;

	if (op_parse(&p.obj->key, key, p.key[p.nkeys], OBJ_KEY, &e) == 0) {
		p.nkeys++;
		obj_path_text(&p, path, sizeof path);
		there = conn_call(&s->session->conn, "show configuration",
			    json_pack(
				"{s:s, s:s}", "path", path, "candidate", "yes"),
			    &reply) == 0;
		reply_fini(&reply);
	}
	if (there)
		page_note(
		    s, TONE_NOTICE, "%s is there already: E edits it", path);
	free(key);
	return !there;
}

/* May what was typed be sent? */
static bool
form_is_ready(struct form *x, const struct form_lines *l)
{
	struct screen *s = x->page.s;

	if (x->fresh && x->fields[0].entry.n == 0) {
		page_note(s, TONE_NOTICE, "%s: missing", x->fields[0].f->name);
		return false;
	}
	if (!x->fresh && l->nset + l->nclear == 0) {
		page_note(s, TONE_PLAIN, "nothing was changed");
		return false;
	}
	return !x->fresh || form_is_free(x);
}

static void
form_submit(struct form *x)
{
	struct screen *s = x->page.s;
	struct reply reply = {0};
	struct form_lines l;
	bool good;

	form_make_lines(x, &l);
	good = form_is_ready(x, &l);
	if (good && (x->fresh || l.nset != 0)) {
		good = run_line(s, x->path_text, l.set.data, &reply);
		reply_fini(&reply);
	}
	if (good && l.nclear != 0) {
		good = run_line(s, x->path_text, l.clear.data, &reply);
		reply_fini(&reply);
	}
	buf_fini(&l.set);
	buf_fini(&l.clear);
	if (!good)
		return;
	page_note(s, TONE_PLAIN,
	    "in the candidate; C shows what it changes, W commits it");
	page_pop(s);
}

/* ---- keys --------------------------------------------------------------- */

/* Asked before what was typed is lost. */
static void
form_on_leave(struct screen *s, void *arg, const char *answer)
{
	(void)arg;
	if (answer != NULL)
		page_pop(s);
}

static void
form_leave(struct form *x)
{
	size_t i;

	for (i = 0; i < x->n && !x->fields[i].touched; i++)
		;
	if (i == x->n)
		page_pop(x->page.s);
	else
		box_ask(x->page.s, "Leave the form",
		    xstrdup("What was typed is not in the candidate. Leave?"),
		    NULL, form_on_leave, NULL);
}

static bool
form_press(struct page *p, int press)
{
	struct form *x = (struct form *)p;
	struct form_field *field = &x->fields[x->at];

	if (press == PRESS_CTRL('o') || press == PRESS_CTRL('l'))
		return false;
	if (press == PRESS_ESCAPE || x->n == 0)
		form_leave(x);
	else if (press == PRESS_ENTER)
		form_submit(x);
	else if (press == '\t' || press == PRESS_DOWN)
		x->at = (x->at + 1) % x->n;
	else if (press == PRESS_BACK_TAB || press == PRESS_UP)
		x->at = x->at != 0 ? x->at - 1 : x->n - 1;
	else if (press == ' ' && form_value_has_choices(field->f))
		form_offer(x);
	else if (entry_press(&field->entry, press))
		form_touch(field, press < PRESS_NONE || press == PRESS_DELETE);
	return true;
}

/* Fields as other tables describe them; none when the object is gone. */
static void
form_bind(struct page *p)
{
	struct form *x = (struct form *)p;
	const struct op_field *f;
	size_t i;
	bool good;

	good = obj_path_parse(p->s->session->table.objs, x->path_text, &x->path,
		   NULL) == 0;
	for (i = 0; good && i < x->n; i++) {
		f = i == 0 && x->fresh
		    ? &x->path.obj->key
		    : obj_field(x->path.obj, x->fields[i].name);
		x->fields[i].f = f;
		good = f != NULL;
	}
	if (!good)
		x->n = 0;
}

static void
form_free(struct page *p)
{
	struct form *x = (struct form *)p;
	size_t i;

	for (i = 0; i < x->n; i++)
		free(x->fields[i].was);
	free(x->fields);
	free(x);
}

static const struct page_ops form_ops = {
    .foot = " Enter Set  Tab Next  Space Choose  Ctrl-U Clear  "
	    "Esc Back",
    .draw = form_draw,
    .press = form_press,
    .bind = form_bind,
    .free = form_free};

void
form_open(struct screen *s, const struct obj_path *path)
{
	struct form *x = xcalloc(1, sizeof *x);
	const struct op_field *f;

	x->page.ops = &form_ops;
	x->page.s = s;
	x->page.typing = true;
	x->path = *path;
	x->fresh = path->nkeys != obj_depth(path->obj);
	obj_path_text(path, x->path_text, sizeof x->path_text);
	snprintf(x->page.name, sizeof x->page.name, "%s %s",
	    x->fresh ? "New" : "Edit", path->obj->name);
	if (x->fresh)
		form_add(x, &path->obj->key);
	for (f = path->obj->fields; f->name != NULL; f++) {
		if (!(f->flags & OP_INTERNAL))
			form_add(x, f);
	}
	if (x->n == 0 || (!x->fresh && !form_load(x))) {
		if (x->n == 0)
			page_note(s, TONE_PLAIN, "it has no fields to set");
		form_free(&x->page);
		return;
	}
	page_push(s, &x->page);
}
