/*
 * tandem-ops(7) in mdoc(7): the reference of every operation and every
 * configuration object, computed from the tables. `tandemd -x man` prints it.
 */
#include <ctype.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

/*
 * Text as mdoc takes it literally: a backslash and a hyphen are escaped, a
 * dot or an apostrophe at the start of a line loses its meaning.
 */
static void
op_man_text(struct buf *b, const char *s, size_t n)
{
	size_t i;

	if (n != 0 && (*s == '.' || *s == '\''))
		buf_str(b, "\\&");
	for (i = 0; i < n; i++) {
		if (s[i] == '\\')
			buf_str(b, "\\e");
		else if (s[i] == '-')
			buf_str(b, "\\-");
		else if (s[i] == '"')
			buf_str(b, "\\(dq");
		else
			buf_char(b, s[i]);
	}
}

/* One argument of a macro: quoted, so that it is never a macro itself. */
static void
op_man_word(struct buf *b, const char *s)
{
	buf_str(b, " \"\\&");
	op_man_text(b, s, strlen(s));
	buf_char(b, '"');
}

/* A paragraph, filled; a sentence begins a new line, as mdoc wants it. */
static void
op_man_par(struct buf *b, const char *s)
{
	size_t column = 0, n;
	bool stop = false;

	for (; s != NULL && *s != '\0'; s += strspn(s, " ")) {
		n = strcspn(s, " ");
		if (column != 0 && (stop || column + n > 70)) {
			buf_char(b, '\n');
			column = 0;
		}
		buf_str(b, column != 0 ? " " : "");
		op_man_text(b, s, n);
		column += n + 1;
		stop = n > 0 && s[n - 1] == '.' && s[n] == ' ';
		s += n;
	}
	buf_char(b, '\n');
}

/* A brief as a sentence of its own: capital, without the full stop. */
static void
op_man_brief(struct buf *b, const char *s)
{
	char first[2] = {(char)toupper((unsigned char)*s), '\0'};

	if (*s == '\0')
		return;
	op_man_text(b, first, 1);
	op_man_text(b, s + 1, strlen(s + 1));
}

/* Lines of an example as they are typed. */
static void
op_man_example(struct buf *b, const char *lines)
{
	size_t n;

	if (lines == NULL)
		return;
	buf_str(b, ".Pp\nExample:\n.Bd -literal -offset indent\n");
	for (; *lines != '\0'; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		op_man_text(b, lines, n);
		buf_char(b, '\n');
	}
	buf_str(b, ".Ed\n");
}

/* A term with its brief and what may stand there. */
static void
op_man_field(struct buf *b, const struct op_field *f, bool limits)
{
	struct buf words = BUF_INIT;

	buf_str(b, ".It Cm");
	op_man_word(b, f->name);
	buf_char(b, '\n');
	op_man_brief(b, f->brief);
	if (limits) {
		op_describe(f, &words);
		buf_str(b, ":\n");
		if (words.data != NULL)
			op_man_text(b, words.data, words.len);
		buf_fini(&words);
	}
	if (f->def != NULL && limits) {
		buf_str(b, "; default\n.Li");
		op_man_word(b, f->def);
		buf_str(b, " .\n");
	} else {
		buf_str(b, ".\n");
	}
	if (f->flags & OP_REQUIRED)
		buf_str(b, "Required.\n");
	if (f->flags & OP_INTERNAL)
		buf_str(b, "Set by the system.\n");
	if (f->flags & OP_IMMUTABLE)
		buf_str(b, "Cannot be changed later.\n");
	if (f->flags & OP_RESTART)
		buf_str(b, "Takes effect after a restart of its processes.\n");
}

/* A list of terms under a title; nothing for an empty list. */
static void
op_man_fields(
    struct buf *b, const char *title, const struct op_field *f, bool limits)
{
	if (f == NULL || f->name == NULL)
		return;
	buf_fmt(b, ".Pp\n%s\n.Bl -tag -width Ds -compact\n", title);
	for (; f->name != NULL; f++)
		op_man_field(b, f, limits);
	buf_str(b, ".El\n");
}

/* Who may run it. */
static void
op_man_roles(struct buf *b, const struct op *op)
{
	const char *before = "";
	int role;

	buf_str(b, ".\nFor ");
	for (role = ADMIN_NOBODY + 1; role < ADMIN_ROLES; role++) {
		if (!op_allows(op, (enum admin_role)role, false))
			continue;
		buf_str(b, before);
		op_man_text(
		    b, admin_role_names[role], strlen(admin_role_names[role]));
		before = ", ";
	}
	buf_str(b, ".\n");
}

/* One operation: usage, what it does, arguments, columns, example. */
static void
op_man_op(struct buf *b, const struct op *op)
{
	struct buf usage = BUF_INIT;

	op_usage(op, &usage);
	buf_str(b, ".Ss");
	op_man_word(b, op->name);
	buf_str(b, "\n.Bd -literal -offset indent\n");
	if (usage.data != NULL)
		op_man_text(b, usage.data, usage.len);
	buf_fini(&usage);
	buf_str(b, "\n.Ed\n.Pp\n");
	op_man_brief(b, op->brief);
	op_man_roles(b, op);
	op_man_par(b, op->about);
	op_man_fields(b, "Arguments:", op->args, true);
	op_man_fields(b, "Columns:", op->cols, false);
	op_man_example(b, op->example);
}

/* "server <server> role <role>" of an object. */
static void
op_man_path(struct buf *b, const struct obj *o)
{
	if (o->parent != NULL) {
		op_man_path(b, o->parent);
		buf_char(b, ' ');
	}
	buf_fmt(b, "%s <%s>", o->name, o->key.name);
}

/* One object: its path, what it is, key, fields, example. */
static void
op_man_obj(struct buf *b, const struct obj *o)
{
	struct op_field key[2] = {o->key};
	struct buf path = BUF_INIT;

	op_man_path(&path, o);
	buf_str(b, ".Ss");
	op_man_word(b, path.data != NULL ? path.data : o->name);
	buf_char(b, '\n');
	buf_fini(&path);
	op_man_brief(b, o->brief);
	buf_str(b, ".\n");
	op_man_par(b, o->about);
	op_man_fields(b, "Key:", key, true);
	op_man_fields(b, "Fields:", o->fields, true);
	op_man_example(b, o->example);
}

void
op_man(const struct op_table *t, struct buf *b)
{
	const struct op *const *op;
	const struct obj *const *obj;

	buf_str(b,
	    ".Dd $Mdocdate$\n.Dt TANDEM-OPS 7\n.Os\n"
	    ".Sh NAME\n.Nm tandem-ops\n"
	    ".Nd operations and configuration objects\n"
	    ".Sh DESCRIPTION\n"
	    "Everything that can be asked of a\n.Xr tandemd 8\nsystem, by\n"
	    ".Xr tandem 1\nor by JSON-RPC on the control socket, where the\n"
	    "name of the operation is the method.\n"
	    "The grammar of command lines is in\n.Xr tandem-grammar 7 .\n"
	    "Behind what an operation does stand the roles of administrators\n"
	    "that may run it, see\n.Xr tandem-admin 7 .\n"
	    ".Sh OPERATIONS\n");
	for (op = t->ops; op != NULL && *op != NULL; op++)
		op_man_op(b, *op);
	buf_str(b,
	    ".Sh OBJECTS\n"
	    "What is configured is a set of objects with named fields.\n"
	    "A path names an object: keywords, each with its key.\n");
	for (obj = t->objs; obj != NULL && *obj != NULL; obj++)
		op_man_obj(b, *obj);
	buf_str(b,
	    ".Sh SEE ALSO\n.Xr tandem 1 ,\n.Xr tandem.conf 5 ,\n"
	    ".Xr tandem-admin 7 ,\n.Xr tandem-arch 7 ,\n"
	    ".Xr tandem-grammar 7 ,\n.Xr tandemd 8\n");
}
