/*
 * The texts of help and of the manual, computed from the records. What these
 * say is said nowhere else.
 */
#include <ctype.h>
#include <string.h>

#include "op_page.h"
#include "op_room.h"
#include "daemon/base/str.h"

bool
op_page_begins(const char *name, const char *words, size_t n)
{
	return n == 0 ||
	    (strncmp(name, words, n) == 0 &&
		(name[n] == '\0' || name[n] == ' '));
}

size_t
op_page_unit(const char *s, bool usage)
{
	size_t n, open = 0;

	for (n = 0; s[n] != '\0' && (s[n] != ' ' || open != 0); n++) {
		if (usage && s[n] == '[')
			open++;
		else if (usage && s[n] == ']' && open != 0)
			open--;
	}
	return n;
}

bool
op_page_is_own(const struct op_manual *m, const struct op *op)
{
	const struct op *const *own;

	for (own = m->own; own != NULL && *own != NULL; own++) {
		if (*own == op)
			return true;
	}
	return false;
}

/* A text that was put together. */
static const char *
page_text(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}

/* A brief with its capital, without a full stop. */
static void
page_capital(const char *brief, struct buf *b)
{
	if (*brief == '\0')
		return;
	buf_char(b, (char)toupper((unsigned char)*brief));
	buf_str(b, brief + 1);
}

void
op_page_brief(const struct op_style *s, const char *brief, struct buf *b)
{
	struct buf text = BUF_INIT;

	page_capital(brief, &text);
	buf_char(&text, '.');
	s->par(b, page_text(&text));
	buf_fini(&text);
}

/* ---- lists --------------------------------------------------------------- */

/* Terms of a list are as wide as the widest, if that leaves room. */
static void
page_widen(int *width, const char *term)
{
	int n = (int)strlen(term);

	if (n > *width && n <= 27)
		*width = n;
}

static void
page_item(const struct op_style *s, const char *term, struct buf *text,
    int width, struct buf *b)
{
	buf_char(text, '.');
	s->item(b, term, page_text(text), width);
	buf_reset(text);
}

/* What a field is, and what may stand there. */
static void
page_field(const struct op_field *f, bool limits, struct buf *text)
{
	page_capital(f->brief, text);
	if (!limits)
		return;
	buf_str(text, *f->brief != '\0' ? ": " : "");
	op_describe(f, text);
	if (f->def != NULL)
		buf_fmt(text, "; default %s", f->def);
	if (f->flags & OP_REQUIRED)
		buf_str(text, "; required");
	if (f->flags & OP_INTERNAL)
		buf_str(text, "; set by the system");
	if (f->flags & OP_IMMUTABLE)
		buf_str(text, "; cannot be changed later");
	if (f->flags & OP_RESTART)
		buf_str(
		    text, "; takes effect after a restart of its processes");
}

/* Nothing for an empty list. */
static void
page_fields(const struct op_style *s, const char *title,
    const struct op_field *first, bool limits, struct buf *b)
{
	const struct op_field *f;
	struct buf text = BUF_INIT;
	int width = 0;

	for (f = first; f != NULL && f->name != NULL; f++)
		page_widen(&width, f->name);
	for (f = first; f != NULL && f->name != NULL; f++) {
		if (f == first)
			s->begin(b, title, width);
		page_field(f, limits, &text);
		page_item(s, f->name, &text, width, b);
	}
	if (f != first)
		s->end(b);
	buf_fini(&text);
}

/* The next operation whose name begins with the words, by the alphabet. */
static const struct op *
page_next(const struct op_table *t, const char *words, size_t n,
    const struct op *skip, const struct op *after)
{
	do {
		after = op_after(t, after != NULL ? after->name : "");
	} while (after != NULL &&
	    (after == skip || !op_page_begins(after->name, words, n)));
	return after;
}

void
op_page_ops(const struct op_style *s, const char *title,
    const struct op_table *t, const char *words, size_t n,
    const struct op *skip, struct buf *b)
{
	const struct op *op = NULL;
	struct buf text = BUF_INIT;
	int width = 0;
	bool any = false;

	while ((op = page_next(t, words, n, skip, op)) != NULL)
		page_widen(&width, op->name);
	while ((op = page_next(t, words, n, skip, op)) != NULL) {
		if (!any)
			s->begin(b, title, width);
		any = true;
		page_capital(op->brief, &text);
		page_item(s, op->name, &text, width, b);
	}
	if (any)
		s->end(b);
	buf_fini(&text);
}

void
op_page_objs(const struct op_style *s, const char *title,
    const struct obj *const *objs, struct buf *b)
{
	const struct obj *const *o;
	struct buf text = BUF_INIT;
	int width = 0;

	for (o = objs; *o != NULL; o++)
		page_widen(&width, (*o)->name);
	for (o = objs; *o != NULL; o++) {
		if (o == objs)
			s->begin(b, title, width);
		page_capital((*o)->brief, &text);
		page_item(s, (*o)->name, &text, width, b);
	}
	if (o != objs)
		s->end(b);
	buf_fini(&text);
}

void
op_page_index(
    const struct op_style *s, const struct op_manual *m, struct buf *b)
{
	const struct op_concept *c;
	struct buf text = BUF_INIT;

	op_page_ops(s, "Operations:", m->table, "", 0, NULL, b);
	op_page_objs(s,
	    "Objects, of set, delete and show configuration:", m->table->objs,
	    b);
	op_page_ops(s, "Filters, behind a bar:", m->filters, "", 0, NULL, b);
	buf_str(&text, "Words:");
	for (c = op_concepts; c->name != NULL; c++)
		buf_fmt(&text, "%s %s", c != op_concepts ? "," : "", c->name);
	buf_char(&text, '.');
	s->par(b, page_text(&text));
	buf_fini(&text);
}

/* ---- one thing ----------------------------------------------------------- */

/* Behind its brief, who may run an operation. */
static void
page_rights(const struct op *op, struct buf *text)
{
	const char *before = " For ";
	int role;

	for (role = ADMIN_NOBODY + 1; role < ADMIN_ROLES; role++) {
		if (!op_allows(op, (enum admin_role)role, false))
			continue;
		buf_fmt(text, "%s%s", before, admin_role_names[role]);
		before = ", ";
	}
	buf_char(text, '.');
}

void
op_page_op(
    const struct op_style *s, const struct op *op, bool rights, struct buf *b)
{
	struct buf text = BUF_INIT;

	op_usage(op, &text);
	s->usage(b, page_text(&text));
	buf_reset(&text);
	page_capital(op->brief, &text);
	buf_char(&text, '.');
	if (rights)
		page_rights(op, &text);
	s->par(b, page_text(&text));
	buf_fini(&text);
	if (op->about != NULL)
		s->par(b, op->about);
	page_fields(s, "Arguments:", op->args, true, b);
	page_fields(s, "Columns:", op->cols, false, b);
	if (op->example != NULL)
		s->example(b, op->example);
}

/* "domain <domain> user <user>" */
static void
page_path(const struct obj *o, struct buf *text)
{
	if (o->parent != NULL) {
		page_path(o->parent, text);
		buf_char(text, ' ');
	}
	buf_fmt(text, "%s <%s>", o->name, o->key.name);
}

/* What a server of an older release says has none. */
static void
page_layer(const struct op_style *s, const struct obj *o, struct buf *b)
{
	char text[64];

	if (o->layer == OBJ_ANY_LAYER)
		return;
	snprintf(text, sizeof text, "Layer: %s.", obj_layer_words[o->layer]);
	s->par(b, text);
}

void
op_page_obj(const struct op_style *s, const struct obj *o, struct buf *b)
{
	struct op_field key[2] = {o->key};
	struct buf path = BUF_INIT;

	page_path(o, &path);
	s->usage(b, page_text(&path));
	buf_fini(&path);
	op_page_brief(s, o->brief, b);
	if (o->about != NULL)
		s->par(b, o->about);
	page_layer(s, o, b);
	page_fields(s, "Key:", key, true, b);
	page_fields(s, "Fields:", o->fields, true, b);
	if (o->example != NULL)
		s->example(b, o->example);
}

unsigned
op_page_concepts(
    const struct op_style *s, const char *words, size_t n, struct buf *b)
{
	const struct op_concept *c;
	unsigned found = 0;
	int width = 0;

	for (c = op_concepts; c->name != NULL; c++) {
		if (n == 0 || str_iequal(words, n, c->name))
			page_widen(&width, c->name);
	}
	for (c = op_concepts; c->name != NULL; c++) {
		if (n != 0 && !str_iequal(words, n, c->name))
			continue;
		if (found++ == 0)
			s->begin(b, NULL, width);
		s->item(b, c->name, c->text, width);
	}
	if (found != 0)
		s->end(b);
	return found;
}
