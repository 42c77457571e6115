/*
 * Operations on the data of domains, answered from local replicas: show
 * domains, show users, show numbers, show registrations, show cdr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/sql.h"
#include "daemon/base/str.h"

#define LIST_DEFAULT "1000" /* rows of a list that may be long */
#define LIST_MAX 100000
/* A number of a macro as text. */
#define LIST_TEXT_OF(n) #n
#define LIST_TEXT(n) LIST_TEXT_OF(n)
#define LIST_LOOKED LIST_TEXT(LIST_LOOKS)
/* Behind what match looks at. */
#define LIST_MATCH                                                            \
	"what is masked for who asks is not looked at. One answer looks "     \
	"through " LIST_LOOKED " rows at most: it may end early, even "       \
	"without a row, and still say with next and a warning that the list " \
	"goes on."

static const struct obj *
domain_object(const struct op_call *call, const char *below)
{
	const struct obj *const *objs = control_of(call)->self->table->objs;
	const struct obj *domain = obj_find(objs, NULL, "domain");

	return below != NULL ? obj_find(objs, domain, below) : domain;
}

/* All objects of a kind in the stream of the domain that the call names. */
static struct obj_path
domain_kind(const struct op_call *call, const char *below)
{
	struct obj_path p = {.nkeys = 1};

	p.obj = domain_object(call, below);
	str_copy(p.key[0], sizeof p.key[0], op_arg(call, "domain"));
	return p;
}

/* ---- show domains ------------------------------------------------------- */

static int
domains_row(void *arg, struct obj_row *row, struct err *e)
{
	struct op_call *call = arg;
	const struct op_text texts[] = {{"domain", row->path.key[0]},
	    {"state", obj_value(row, "state")},
	    {"alias", obj_value(row, "alias")},
	    {"description", obj_value(row, "description")}};

	(void)e;
	if (!op_sees(&call->who, row->path.key[0]))
		return 0; /* those that are not seen do not count */
	if (!list_look(call, "", row->path.key[0]))
		return 1;
	if (!op_matches(call, texts, 4))
		return 0;
	op_row(call);
	op_put(call, "domain", row->path.key[0]);
	op_put(call, "state", obj_value(row, "state"));
	op_put(call, "alias", obj_value(row, "alias"));
	op_put(call, "realm", obj_value(row, "realm"));
	op_put(call, "id", obj_value(row, "id"));
	op_put(call, "description", obj_value(row, "description"));
	return 0;
}

static void
domains_read(struct op_call *call)
{
	sqlite3 *root = streams_db(control_of(call)->streams, "domain/root");
	struct obj_path kind = {.obj = domain_object(call, NULL)};
	struct err e;
	int r;

	if (root == NULL) {
		streams_unread(control_of(call)->streams, "the directory", &e);
		list_finish(call, &e);
		return;
	}
	r = obj_each(root, &kind, list_after(call), 0, domains_row, call, &e);
	if (r < 0 || !list_goes_on(call))
		list_finish(call, r < 0 ? &e : NULL);
}

static void
domains_run(struct op_call *call)
{
	list_start(call, domains_read);
}

#define LIST_ARGS                                                             \
	OP_MATCH,                                                             \
	    {.name = "limit",                                                 \
		.type = &op_type_int,                                         \
		.min = 1,                                                     \
		.max = LIST_MAX,                                              \
		.def = LIST_DEFAULT,                                          \
		.brief = "rows at most"},                                     \
	{                                                                     \
		.name = "after", .type = &op_type_text, .max = 255,           \
		.brief = "only what comes behind it: next of the part before" \
	}

static const struct op_field domains_args[] = {LIST_ARGS, {0}};

static const struct op_field domains_cols[] = {
    {.name = "domain", .type = &op_type_domain, .brief = "its name"},
    {.name = "state", .type = &op_type_text, .brief = "on or suspended"},
    {.name = "alias",
	.type = &op_type_domain,
	.flags = OP_LIST,
	.brief = "its other names"},
    {.name = "realm",
	.type = &op_type_domain,
	.flags = OP_DETAIL,
	.brief = "digest realm of its users"},
    {.name = "id",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "name of its stream"},
    {.name = "description",
	.type = &op_type_text,
	.brief = "note for operators"},
    {0},
};

const struct op control_op_domains = {
    .name = "show domains",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "domains of the site",
    .about = "The directory, as it runs on this server. Who has a part of the "
	     "tree of domains sees that part. match looks at domain, state, "
	     "alias and description; " LIST_MATCH,
    .example = "show domains",
    .args = domains_args,
    .cols = domains_cols,
    .run = domains_run,
};

/* ---- show users --------------------------------------------------------- */

/* Users first, then how many phones each has in the registrar's stream. */
struct users {
	struct op_call *call;
	char id[16]; /* of the domain */
};

static int
users_row(void *arg, struct obj_row *row, struct err *e)
{
	struct op_call *call = arg;
	const struct op_text texts[] = {{"user", row->path.key[1]},
	    {"name", obj_value(row, "name")},
	    {"state", obj_value(row, "state")},
	    {"description", obj_value(row, "description")}};

	(void)e;
	if (!list_look(call, "", row->path.key[1]))
		return 1;
	if (!op_matches(call, texts, 4))
		return 0;
	op_row(call);
	op_put(call, "user", row->path.key[1]);
	op_put(call, "name", obj_value(row, "name"));
	op_put(call, "state", obj_value(row, "state"));
	op_put_bool(call, "password", obj_value(row, "password") != NULL);
	op_put_int(call, "max-contacts", obj_value_int(row, "max-contacts", 0));
	op_put_int(call, "ring-time", obj_value_int(row, "ring-time", 0));
	op_put(call, "description", obj_value(row, "description"));
	return 0;
}

/* Phones of one user now; negative when that cannot be read. */
static int64_t
users_contacts(sqlite3_stmt *s, const char *domain, const char *user)
{
	int64_t n = 0;
	int step;

	sqlite3_reset(s);
	sqlite3_bind_text(s, 1, domain, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, user, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, (int64_t)(clock_real() / CLOCK_SEC));
	if ((step = sqlite3_step(s)) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	else
		n = sql_end(s, step, "registrations", NULL);
	return n;
}

/* Fill in who is registered; unknown stays unknown when nothing can be read. */
static void
users_on_location(void *arg, sqlite3 *db, const struct err *why)
{
	struct users *u = arg;
	struct op_call *call = u->call;
	sqlite3_stmt *s = NULL;
	const char *user;
	json_t *row;
	bool unread = false;
	int64_t n;
	size_t i;

	if (why == NULL)
		sqlite3_prepare_v2(db,
		    "SELECT count(*) FROM binding WHERE domain = ?1 AND "
		    "user = ?2 AND expires > ?3",
		    -1, &s, NULL);
	json_array_foreach (call->rows, i, row) {
		if (s == NULL)
			break;
		user = json_string_value(json_object_get(row, "user"));
		if ((n = users_contacts(s, u->id, user)) < 0) {
			unread = true;
			continue;
		}
		json_object_set_new(row, "registered", json_boolean(n > 0));
		json_object_set_new(row, "contacts", json_integer(n));
	}
	if (s == NULL || unread)
		op_warn(call, "registrations cannot be read now");
	sqlite3_finalize(s);
	free(u);
	op_finish(call, NULL);
}

/* The id of the domain that the call names, which is there. */
static void
domain_id(const struct op_call *call, char *out, size_t size)
{
	sqlite3 *root = streams_db(control_of(call)->streams, "domain/root");
	struct obj_path p = domain_kind(call, NULL);
	struct obj_row row;

	out[0] = '\0';
	if (root == NULL || obj_get(root, &p, &row, NULL) != 0)
		return;
	if (obj_value(&row, "id") != NULL)
		str_copy(out, size, obj_value(&row, "id"));
	obj_row_fini(&row);
}

/* The users are there: the rest comes from the registrar's stream. */
static void
users_on_domain(void *arg, sqlite3 *db, const struct err *why)
{
	struct op_call *call = arg;
	struct obj_path kind = domain_kind(call, "user");
	struct users *u;
	struct err e;

	if (why != NULL) {
		list_finish(call, streams_is_empty(why) ? NULL : why);
		return;
	}
	if (obj_each(db, &kind, list_after(call), 0, users_row, call, &e) < 0) {
		list_finish(call, &e);
		return;
	}
	if (list_goes_on(call))
		return;
	list_end(call);
	u = xcalloc(1, sizeof *u);
	u->call = call;
	domain_id(call, u->id, sizeof u->id);
	streams_read(
	    control_of(call)->streams, "location", users_on_location, u);
}

static void
users_read(struct op_call *call)
{
	streams_read_domain(control_of(call)->streams, op_arg(call, "domain"),
	    users_on_domain, call);
}

static void
users_run(struct op_call *call)
{
	list_start(call, users_read);
}

static const struct op_field in_domain_args[] = {{.name = "domain",
						     .type = &op_type_ref,
						     .ref = "domain",
						     .flags = OP_REQUIRED,
						     .brief = "of this domain"},
    LIST_ARGS, {0}};

static const struct op_field users_cols[] = {
    {.name = "user", .type = &op_type_number, .brief = "number and login"},
    {.name = "name",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "shown to others"},
    {.name = "state", .type = &op_type_text, .brief = "on or off"},
    {.name = "registered",
	.type = &op_type_bool,
	.brief = "has a phone now; none: not known"},
    {.name = "contacts", .type = &op_type_int, .brief = "phones now"},
    {.name = "password",
	.type = &op_type_bool,
	.brief = "has one; without it no phone registers"},
    {.name = "max-contacts",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "phones at the same time"},
    {.name = "ring-time",
	.type = &op_type_duration,
	.flags = OP_DETAIL,
	.brief = "how long a call rings"},
    {.name = "description",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "note for operators"},
    {0},
};

const struct op control_op_users = {
    .name = "show users",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "users of a domain, and who is registered",
    .about =
	"Configuration joined with the registrations that this server "
	"knows of now. match looks at user, name, state and description; " LIST_MATCH,
    .example = "show users domain demo.test\n"
	       "show users domain demo.test match alice",
    .args = in_domain_args,
    .cols = users_cols,
    .run = users_run,
};

/* ---- show numbers ------------------------------------------------------- */

#define NUMBERS_USER "user "
#define NUMBERS_NUMBER "number "

/* A row that is wanted: kind, and where it leads. */
static void
numbers_put(struct op_call *call, const struct obj_row *row, const char *kind,
    const char *to)
{
	const struct op_text texts[] = {{"number", row->path.key[1]},
	    {"kind", kind}, {"to", to},
	    {"description", obj_value(row, "description")}};

	if (!op_matches(call, texts, 4))
		return;
	op_row(call);
	op_put(call, "number", row->path.key[1]);
	op_put(call, "kind", kind);
	op_put(call, "to", to);
	op_put(call, "description", obj_value(row, "description"));
}

static int
numbers_row(void *arg, struct obj_row *row, struct err *e)
{
	struct op_call *call = arg;
	const char *user = obj_value(row, "user");

	(void)e;
	if (!list_look(call, NUMBERS_NUMBER, row->path.key[1]))
		return 1;
	/* It says of the user's own number where that leads anyway. */
	if (user != NULL && strcmp(user, row->path.key[1]) == 0)
		return 0;
	if (user != NULL)
		numbers_put(call, row, "number", user);
	else
		numbers_put(call, row, "service", obj_value(row, "service"));
	return 0;
}

static int
numbers_user_row(void *arg, struct obj_row *row, struct err *e)
{
	struct op_call *call = arg;

	(void)e;
	if (!list_look(call, NUMBERS_USER, row->path.key[1]))
		return 1;
	numbers_put(call, row, "user", obj_value(row, "name"));
	return 0;
}

/* The key behind a kind's word; NULL when it is of another kind. */
static const char *
numbers_after(const struct op_call *call, const char *kind)
{
	const char *after = list_after(call);

	return after != NULL && str_prefix(after, kind) ? after + strlen(kind)
							: NULL;
}

static void
numbers_on_domain(void *arg, sqlite3 *db, const struct err *why)
{
	struct op_call *call = arg;
	struct obj_path users = domain_kind(call, "user"),
			numbers = domain_kind(call, "number");
	const char *behind = numbers_after(call, NUMBERS_NUMBER);
	struct err e;
	int r = 0;

	if (why != NULL) {
		list_finish(call, streams_is_empty(why) ? NULL : why);
		return;
	}
	if (behind == NULL)
		r = obj_each(db, &users, numbers_after(call, NUMBERS_USER), 0,
		    numbers_user_row, call, &e);
	if (r == 0)
		r = obj_each(db, &numbers, behind, 0, numbers_row, call, &e);
	if (r < 0 || !list_goes_on(call))
		list_finish(call, r < 0 ? &e : NULL);
}

static void
numbers_read(struct op_call *call)
{
	streams_read_domain(control_of(call)->streams, op_arg(call, "domain"),
	    numbers_on_domain, call);
}

static void
numbers_run(struct op_call *call)
{
	const char *after = op_arg(call, "after");

	if (after != NULL && !str_prefix(after, NUMBERS_USER) &&
	    !str_prefix(after, NUMBERS_NUMBER)) {
		op_failf(call, ERR_INVALID,
		    "after: expected \"user NAME\" or \"number NUMBER\", as "
		    "the answer before says it");
		return;
	}
	list_start(call, numbers_read);
}

static const char *const numbers_kinds[] = {"user", "number", "service", NULL};

static const struct op_field numbers_cols[] = {
    {.name = "number", .type = &op_type_number, .brief = "as it is dialled"},
    {.name = "kind",
	.type = &op_type_choice,
	.choices = numbers_kinds,
	.brief = "a user, one more number of one, a service"},
    {.name = "to",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "name of the user, user, service"},
    {.name = "description",
	.type = &op_type_text,
	.flags = OP_PERSONAL,
	.brief = "note for operators"},
    {0},
};

const struct op control_op_numbers = {
    .name = "show numbers",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_CONTROL,
    .brief = "numbers of a domain and where they lead",
    .about = "Users stand first, under their own numbers; then the numbers "
	     "that lead to users and services. A number object that names "
	     "the user of the same number is that user's number. match looks "
	     "at all columns; " LIST_MATCH,
    .example = "show numbers domain demo.test",
    .args = in_domain_args,
    .cols = numbers_cols,
    .run = numbers_run,
};
