/*
 * Who may do what. The role of an administrator and the record of an
 * operation decide: what it is (read, config, action) and how much it asks
 * for. Nothing is written per operation, so a new one has its rights from the
 * day it is made, and one that nothing confines to a domain is closed to those
 * who have only a domain.
 *
 * Looked at where the console is, before anything else of a call, and again
 * in the process that carries it out.
 */
#include <stdlib.h>
#include <string.h>

#include "op_room.h"
#include "daemon/base/str.h"

const char *const admin_role_names[] = {"nobody", "viewer", "support",
    "domain-admin", "operator", "site-admin", "auditor", NULL};

/* ---- operations ---------------------------------------------------------- */

/* Does the argument name a domain? */
static bool
right_is_domain(const struct op_field *f)
{
	return f->type == &op_type_domain ||
	    (f->type == &op_type_ref && str_equal(f->ref, "domain"));
}

/* Can it be kept within a part of the tree? */
static bool
right_can_limit(const struct op *op)
{
	const struct op_field *f;

	if (op->limit == OP_LIMIT_SELF)
		return true;
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (right_is_domain(f) || f->type == &op_type_path)
			return true;
	}
	return false;
}

static bool
right_of_role(const struct op *op, enum admin_role role)
{
	switch (role) {
	case ADMIN_VIEWER:
		return op->kind == OP_READ && op->access == OP_VIEWER;
	case ADMIN_SUPPORT:
		return op->kind == OP_READ && op->access <= OP_OPERATOR;
	case ADMIN_DOMAIN:
		return op->access <= OP_ADMIN;
	case ADMIN_OPERATOR:
		return op->access <= OP_OPERATOR;
	case ADMIN_AUDITOR:
		return op->kind == OP_READ;
	case ADMIN_SITE:
		return true;
	default:
		return false;
	}
}

bool
op_allows(const struct op *op, enum admin_role role, bool limited)
{
	return right_of_role(op, role) &&
	    (!(limited || role == ADMIN_DOMAIN) || right_can_limit(op));
}

/* ---- what lies within ---------------------------------------------------- */

bool
op_is_limited(const struct op_who *who)
{
	return who->domain[0] != '\0' || who->role == ADMIN_DOMAIN;
}

bool
op_sees_persons(const struct op_who *who)
{
	return who->domain[0] != '\0' ||
	    (who->role != ADMIN_VIEWER && who->role != ADMIN_SUPPORT);
}

/* Is it the domain where their part begins, or (below) under that? */
static bool
right_is_within(const struct op_who *who, const char *domain, bool below)
{
	size_t n = strlen(domain), top = strlen(who->domain);

	if (!op_is_limited(who))
		return true;
	if (top == 0 || n < top || strcmp(domain + n - top, who->domain) != 0)
		return false;
	return n == top ? !below : domain[n - top - 1] == '.';
}

bool
op_sees(const struct op_who *who, const char *domain)
{
	return right_is_within(who, domain, false);
}

/* Sites and servers belong to no domain; a list of all domains is no path
 * within one. */
bool
op_sees_path(const struct op_who *who, const struct obj_path *p)
{
	return !op_is_limited(who) ||
	    (p->obj->place != OBJ_SITE && p->nkeys > 0 &&
		right_is_within(who, p->key[0], false));
}

bool
op_changes_path(const struct op_who *who, const struct obj_path *p)
{
	return op_sees_path(who, p) &&
	    (!op_is_limited(who) || p->obj->place == OBJ_DOMAIN ||
		right_is_within(who, p->key[0], true));
}

/* ---- what a call names --------------------------------------------------- */

static int
right_refuse(const struct op *op, const struct op_who *who, const char *what,
    struct err *e)
{
	return err_set(e, ERR_PERMISSION,
	    "%s: %s: not permitted to %s, who is %s of domain %s", op->name,
	    what, who->name, admin_role_names[who->role], who->domain);
}

/* Every domain that a value names, one or a list. */
static int
right_domains(const struct op *op, const struct op_who *who,
    const struct op_field *f, json_t *in, struct err *e)
{
	char *text, one[OBJ_KEY], what[OBJ_KEY + 8];
	const char *at;
	size_t n;
	int r;

	if (in == NULL || json_is_null(in))
		return 0;
	if ((r = op_from_json(f, in, &text, e)) != 0)
		return err_wrap(e, "%s", f->name);
	for (at = text; r == 0 && *at != '\0'; at += n + (at[n] == ' ')) {
		n = strcspn(at, " ");
		snprintf(what, sizeof what, "domain %.*s", (int)n, at);
		if (!str_ncopy(one, sizeof one, at, n) || !op_sees(who, one))
			r = right_refuse(op, who, what, e);
	}
	free(text);
	return r;
}

/* What is only seen may be named where the operation looks at changes. */
static bool
right_of_path(
    const struct op *op, const struct op_who *who, const struct obj_path *p)
{
	return op->kind == OP_READ || op->limit == OP_LIMIT_CHANGES
	    ? op_sees_path(who, p)
	    : op_changes_path(who, p);
}

static int
right_path(const struct op *op, const struct op_who *who, json_t *in,
    struct obj_path *p, struct err *e)
{
	char text[OBJ_PATH];
	int r;

	if (op_objects() == NULL || !json_is_string(in))
		return err_set(
		    e, ERR_PERMISSION, "%s: expected a path", op->name);
	r = obj_path_parse(op_objects(), json_string_value(in), p, e);
	if (r != 0)
		return err_wrap(e, "%s", op->name);
	if (right_of_path(op, who, p))
		return 0;
	obj_path_text(p, text, sizeof text);
	return right_refuse(op, who, text, e);
}

/* A field can name a domain too: an alias takes what others may be called. Of
 * what is not theirs to change the values are those that it has. */
static int
right_values(const struct op *op, const struct op_who *who,
    const struct obj_path *p, json_t *values, struct err *e)
{
	const struct op_field *f;
	const char *name;
	json_t *value;
	int r = 0;

	if (p->obj != NULL && !op_changes_path(who, p))
		return 0;
	json_object_foreach (values, name, value) {
		f = p->obj != NULL ? obj_field(p->obj, name) : NULL;
		if (r == 0 && f != NULL && right_is_domain(f))
			r = right_domains(op, who, f, value, e);
	}
	return r;
}

/* One argument; *p is the path that its values belong to. */
static int
right_arg(const struct op *op, const struct op_who *who,
    const struct op_field *f, json_t *in, struct obj_path *p, struct err *e)
{
	if (right_is_domain(f))
		return right_domains(op, who, f, in, e);
	if (f->type == &op_type_values)
		return right_values(op, who, p, in, e);
	if (f->type != &op_type_path)
		return 0;
	if (in != NULL && !json_is_null(in))
		return right_path(op, who, in, p, e);
	/* What a whole listing leaves out only the operation can say. */
	return op->limit == OP_LIMIT_SELF
	    ? 0
	    : err_set(e, ERR_PERMISSION,
		  "%s: not permitted to %s without a path", op->name,
		  who->name);
}

int
op_permit(
    const struct op *op, const struct op_who *who, json_t *args, struct err *e)
{
	const struct op_field *f = op->args;
	bool limited = op_is_limited(who);
	struct obj_path p = {0};
	int r = 0;

	if (!op_allows(op, who->role, limited))
		return err_set(e, ERR_PERMISSION, "%s: not permitted to %s%s%s",
		    op->name, who->name,
		    right_of_role(op, who->role) && limited
			? ": it cannot be limited to domain "
			: "",
		    right_of_role(op, who->role) && limited ? who->domain : "");
	for (; limited && args != NULL && f != NULL && f->name != NULL; f++) {
		r = right_arg(
		    op, who, f, json_object_get(args, f->name), &p, e);
		if (r != 0)
			return r;
	}
	return 0;
}

void
op_limit_args(const struct op *op, const struct op_who *who, json_t *args)
{
	const struct op_field *f;

	if (!op_is_limited(who) || op->limit == OP_LIMIT_SELF)
		return;
	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (right_is_domain(f) &&
		    json_object_get(args, f->name) == NULL)
			json_object_set_new(
			    args, f->name, json_string(who->domain));
	}
}

/* ---- on the wire --------------------------------------------------------- */

/*
 * {"name", "role": word, "domain": "" or the one that limits them,
 *  "fixed": bool, "session", "keep": bool, "from"}
 */
json_t *
op_who_encode(const struct op_who *who)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:b, s:s}", "name",
	    who->name, "role", admin_role_names[who->role], "domain",
	    who->domain, "fixed", (int)who->fixed, "session", who->session,
	    "keep", (int)who->keep, "from", who->from);
}

/* A text that was cut could mean somebody else. */
bool
op_who_decode(struct op_who *who, json_t *in)
{
	const char *name, *role, *domain, *session, *from;
	int fixed, keep = 0, i;

	memset(who, 0, sizeof *who);
	if (json_unpack(in, "{s:s, s:s, s:s, s:b, s:s, s?b, s:s}", "name",
		&name, "role", &role, "domain", &domain, "fixed", &fixed,
		"session", &session, "keep", &keep, "from", &from) != 0)
		return false;
	for (i = 1; i < ADMIN_ROLES && strcmp(admin_role_names[i], role) != 0;
	     i++)
		;
	if (i == ADMIN_ROLES || (i == ADMIN_DOMAIN && domain[0] == '\0') ||
	    !str_copy(who->name, sizeof who->name, name) ||
	    !str_copy(who->domain, sizeof who->domain, domain) ||
	    !str_copy(who->session, sizeof who->session, session) ||
	    !str_copy(who->from, sizeof who->from, from)) {
		memset(who, 0, sizeof *who);
		return false;
	}
	who->role = (enum admin_role)i;
	who->fixed = fixed != 0;
	who->keep = keep != 0;
	return true;
}
