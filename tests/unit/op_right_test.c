/* Who may do what: every operation of the daemon for every role, and what
 * somebody who has a part of the tree of domains can reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/str.h"
#include "daemon/table.h"

/* ---- the matrix -----------------------------------------------------------
 */

/*
 * In the order of the roles: v viewer, s support, d domain-admin, o operator,
 * S site-admin, a auditor; '-' may not. A ':' behind it: a viewer or support
 * of one domain may run it, too. An operation that is not here has no rights
 * that anybody has thought about.
 */
static const struct {
	const char *op, *may;
} matrix[] = {
    {"show streams", "vs-oSa"},
    {"show ship-log", "vs-oSa"},
    {"show replication", "vs-oSa"},
    {"show history", "vs-oSa"},
    {"show conflicts", "vs-oSa"},
    {"request conflict drop", "----S-"},
    {"show quorum", "vs-oSa"},
    {"show switches", "vs-oSa"},
    {"request ownership move", "---oS-"},
    {"request ownership recover", "---oS-"},
    {"show version", "vsdoSa:"},
    {"show roles", "vs-oSa"},
    {"show ownership", "vs-oSa"},
    {"show statistics", "vs-oSa"},
    {"request role restart", "---oS-"},
    {"show servers", "vs-oSa"},
    {"show server links", "vs-oSa"},
    {"show sessions", "vsdoSa:"},
    {"show domains", "vsdoSa:"},
    {"show users", "vsdoSa:"},
    {"show numbers", "vsdoSa:"},
    {"show registrations", "vsdoSa:"},
    {"show conflict", "----Sa"},
    {"show cdr", "vsdoSa:"},
    {"request server token", "----S-"},
    {"request server drain", "---oS-"},
    {"request server undrain", "---oS-"},
    {"request server remove", "---oS-"},
    {"request drill role", "----S-"},
    {"request drill server", "----S-"},
    {"show alarms", "vs-oSa"},
    {"request session close", "---oS-"},
    {"request session message", "---oS-"},
    {"show rights", "vsdoSa:"},
    {"show audit", "----Sa"},
    {"show audit verify", "----Sa"},
    {"trace calls", "vsdoSa:"},
    {"monitor trace", "vsdoSa:"},
    {"show trace sessions", "vsdoSa:"},
    {"show call ladder", "vsdoSa:"},
    {"show call media", "vsdoSa:"},
    {"show call messages", "-sdoSa"},
    {"export call", "-sdoSa"},
    {"request call send", "---oS-"},
    {"show call why", "vsdoSa:"},
    {"show recorders", "vs-oSa"},
    {"set", "--d-S-"},
    {"delete", "--d-S-"},
    {"annotate", "--d-S-"},
    {"insert", "--d-S-"},
    {"discard", "--d-S-"},
    {"copy", "--d-S-"},
    {"rename", "--d-S-"},
    {"update", "--d-S-"},
    {"confirm", "--d-S-"},
    {"undo", "--d-S-"},
    {"show candidates", "--d-Sa"},
    {"configure resume", "--d-S-"},
    {"configure exclusive", "----S-"},
    {"configure private", "----S-"},
    {"compare", "--d-Sa"},
    {"check", "--d-Sa"},
    {"commit", "--d-S-"},
    {"rollback", "----S-"},
    {"restore", "--d-S-"},
    {"show configuration", "--d-Sa"},
    {"show revisions", "--d-Sa"},
    {"show changes", "--d-Sa"},
    {"request registration remove", "--doS-"},
    {"show auth-failures", "-sdoSa"},
    {"show flows", "vs-oSa"},
    {"request flow close", "---oS-"},
    {"show listeners", "vs-oSa"},
    {"show bans", "vs-oSa"},
    {"request unban", "---oS-"},
    {"show calls", "vsdoSa:"},
    {"show call", "vsdoSa:"},
    {"request call hangup", "--doS-"},
    {"test route", "vsdoSa:"},
    {"show media-sessions", "vs-oSa"},
    {"show media-gates", "vs-oSa"},
    {"show media", "vs-oSa"},
};

static const char *
matrix_row(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof matrix / sizeof matrix[0]; i++) {
		if (strcmp(matrix[i].op, name) == 0)
			return matrix[i].may;
	}
	fail_msg("%s: say in this test who may run it", name);
	return NULL;
}

/* A monitor is no more than its list, again and again. */
static const struct op *
listed(const struct op *op)
{
	return op->of != NULL ? op->of : op;
}

static void
every_operation_has_its_roles(void **state)
{
	static const char letters[] = "vsdoSa";
	const struct op *const *op = daemon_table()->ops;
	const char *may;
	char got[8];
	size_t n = 0;
	int role;

	(void)state;
	for (; *op != NULL; op++) {
		n += (*op)->of == NULL;
		may = matrix_row(listed(*op)->name);
		memset(got, 0, sizeof got);
		for (role = 1; role < ADMIN_ROLES; role++)
			got[role - 1] = op_allows(
					    *op, (enum admin_role)role, false)
			    ? letters[role - 1]
			    : '-';
		if (op_allows(*op, ADMIN_VIEWER, true))
			strcat(got, ":");
		if (strcmp(got, may) != 0)
			fail_msg("%s: %s, not %s", (*op)->name, got, may);
		assert_false(op_allows(*op, ADMIN_NOBODY, false));
		/* a part of the tree never adds a right */
		for (role = 1; role < ADMIN_ROLES; role++)
			assert_true(
			    !op_allows(*op, (enum admin_role)role, true) ||
			    op_allows(*op, (enum admin_role)role, false));
	}
	assert_int_equal(n, sizeof matrix / sizeof matrix[0]);
}

/* ---- a part of the tree ---------------------------------------------------
 */

static const struct op_who anna = {.name = "anna",
    .role = ADMIN_DOMAIN,
    .domain = "holding.test",
    .session = "srv1.000001",
    .from = "local"};

static bool
is_domain(const struct op_field *f)
{
	return f->type == &op_type_domain ||
	    (f->type == &op_type_ref && str_equal(f->ref, "domain"));
}

/* Arguments as far as an operation has them, all in one domain. */
static json_t *
args_in(const struct op *op, const char *domain, const char *path)
{
	const struct op_field *f;
	json_t *o = json_object();

	for (f = op->args; f != NULL && f->name != NULL; f++) {
		if (is_domain(f))
			json_object_set_new(o, f->name, json_string(domain));
		else if (f->type == &op_type_path)
			json_object_set_new(o, f->name, json_string(path));
	}
	return o;
}

/* Operations that no argument confines look at the domain themselves; each of
 * them has tests of its own for that. */
static const char *const selves[] = {"show version", "show rights",
    "show sessions", "show trace sessions", "show domains", "show call",
    "show call ladder", "show call media", "show call why",
    "show call messages", "export call", "request call hangup", "discard",
    "compare", "check", "commit", "show configuration", "show revisions",
    "show changes", "confirm", "undo", "update", "show candidates",
    "configure resume", NULL};

static bool
is_self(const char *name)
{
	int i = 0;

	while (selves[i] != NULL && strcmp(selves[i], name) != 0)
		i++;
	return selves[i] != NULL;
}

static const struct {
	const char *domain, *path;
} outside[] = {
    {"other.test", "domain other.test user 1"},
    {"other.test", "domain other.test"},
    {"evil-holding.test", "domain evil-holding.test"},
    {"test", "domain test"},
    {"holding.test.evil", "domain holding.test.evil number 1"},
    {"OTHER.test", "domain OTHER.test"},
    {"xholding.test", "server srv1"},
    {"olding.test", "administrator anna"},
    {"nowhere.test", "certificate demo"},
    {"nowhere.test", "server srv1 role st"},
};

/* Whatever is named outside is refused, by every operation that takes it, with
 * words that are the same whether it is there or not. */
static void
nothing_outside_is_reached(void **state)
{
	const struct op *const *op = daemon_table()->ops;
	json_t *args;
	struct err e;
	size_t i;

	(void)state;
	op_use_objects(daemon_table()->objs);
	for (; *op != NULL; op++) {
		if (!op_allows(*op, ADMIN_DOMAIN, true)) {
			assert_int_equal(
			    op_permit(*op, &anna, NULL, &e), -ERR_PERMISSION);
			continue;
		}
		for (i = 0; i < sizeof outside / sizeof outside[0]; i++) {
			args = args_in(*op, outside[i].domain, outside[i].path);
			if (json_object_size(args) == 0)
				assert_true(is_self(listed(*op)->name));
			else if (op_permit(*op, &anna, args, &e) !=
			    -ERR_PERMISSION)
				fail_msg(
				    "%s: %s", (*op)->name, outside[i].path);
			json_decref(args);
		}
	}
}

/* ... and what lies within is not. */
static void
what_is_within_is_reached(void **state)
{
	const struct op *const *op = daemon_table()->ops;
	json_t *args;
	struct err e;

	(void)state;
	op_use_objects(daemon_table()->objs);
	for (; *op != NULL; op++) {
		if (!op_allows(*op, ADMIN_DOMAIN, true))
			continue;
		args = args_in(*op, "holding.test",
		    (*op)->kind == OP_READ ? "domain holding.test"
					   : "domain holding.test user 101");
		if (op_permit(*op, &anna, args, &e) != 0)
			fail_msg("%s: %s", (*op)->name, e.text);
		json_decref(args);
		args = args_in(*op, "A.Holding.test", "domain A.holding.TEST");
		if (op_permit(*op, &anna, args, &e) != 0)
			fail_msg("%s: %s", (*op)->name, e.text);
		json_decref(args);
	}
}

static void
refused(const char *name, const char *args)
{
	json_t *in = json_loads(args, 0, NULL);
	struct err e;

	assert_non_null(in);
	if (op_permit(op_find(daemon_table(), name), &anna, in, &e) !=
	    -ERR_PERMISSION)
		fail_msg("%s %s", name, args);
	json_decref(in);
}

static void
permitted(const char *name, const char *args)
{
	json_t *in = json_loads(args, 0, NULL);
	struct err e;

	assert_non_null(in);
	if (op_permit(op_find(daemon_table(), name), &anna, in, &e) != 0)
		fail_msg("%s %s: %s", name, args, e.text);
	json_decref(in);
}

/* The domain itself is its parent's, to be set only as it is, which the
 * operation looks at; a name that others could be called by is none to be had;
 * a path that is not given stands for all. */
static void
the_top_and_names_are_kept(void **state)
{
	(void)state;
	op_use_objects(daemon_table()->objs);
	permitted("set",
	    "{\"path\":\"domain holding.test\",\"values\":{\"state\":\"on\"}}");
	refused(
	    "annotate", "{\"path\":\"domain holding.test\",\"note\":\"mine\"}");
	refused("set", "{\"path\":\"domain bank.test\"}");
	refused("delete", "{\"path\":\"domain holding.test\"}");
	refused("set",
	    "{\"path\":\"domain a.holding.test\",\"values\":"
	    "{\"alias\":[\"b.holding.test\",\"bank.test\"]}}");
	refused("set",
	    "{\"path\":\"domain a.holding.test\",\"values\":"
	    "{\"alias\":\"bank.test\"}}");
	refused("set", "{}");
	refused("set", "{\"path\":[\"domain a.holding.test\"]}");
	refused("show configuration", "{\"path\":\"domain\"}");
}

static json_t *seen;

static void
keep_args(struct op_call *c)
{
	json_decref(seen);
	seen = json_incref(c->args);
	op_finish(c, NULL);
}

static void
on_done(void *arg, struct op_call *c, const struct err *e)
{
	(void)c;
	*(int *)arg = e != NULL ? -(int)e->code : 0;
}

/* A domain that may be left out is their own then, never all. */
static void
what_is_left_out_is_their_own(void **state)
{
	struct op op = *op_find(daemon_table(), "show calls");
	struct op_who all = {.name = "root", .role = ADMIN_SITE};
	int r = 1;

	(void)state;
	op_use_objects(daemon_table()->objs);
	op.run = keep_args;
	op_run(&op, NULL, &anna, NULL, on_done, &r);
	assert_int_equal(r, 0);
	assert_string_equal(
	    json_string_value(json_object_get(seen, "domain")), "holding.test");
	op_run(&op, NULL, &all, NULL, on_done, &r);
	assert_int_equal(r, 0);
	assert_null(json_object_get(seen, "domain"));
	json_decref(seen);
	seen = NULL;
}

/* ---- persons --------------------------------------------------------------
 */

static void
put_a_person(struct op_call *c)
{
	op_row(c);
	op_put(c, "id", "7");
	op_put(c, "caller", "+74951234567");
	op_row(c);
	op_put(c, "id", "8");
	op_finish(c, NULL);
}

static void
keep_result(void *arg, struct op_call *c, const struct err *e)
{
	assert_null(e);
	*(json_t **)arg = op_result(c);
}

/* Who people are is masked for who looks on at all of them; what is not there
 * stays so. */
static void
persons_are_masked(void **state)
{
	static const struct op_field cols[] = {
	    {.name = "id", .type = &op_type_text},
	    {.name = "caller", .type = &op_type_text, .flags = OP_PERSONAL},
	    {0}};
	static const struct op op = {.name = "show persons",
	    .limit = OP_LIMIT_SELF,
	    .cols = cols,
	    .run = put_a_person};
	static const struct {
		enum admin_role role;
		const char *domain;
		bool masked;
	} cases[] = {{ADMIN_VIEWER, "", true}, {ADMIN_SUPPORT, "", true},
	    {ADMIN_VIEWER, "a.test", false}, {ADMIN_SUPPORT, "a.test", false},
	    {ADMIN_DOMAIN, "a.test", false}, {ADMIN_OPERATOR, "", false},
	    {ADMIN_AUDITOR, "", false}, {ADMIN_SITE, "", false}};
	struct op_who who = {.name = "x"};
	json_t *result, *rows;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		who.role = cases[i].role;
		str_copy(who.domain, sizeof who.domain, cases[i].domain);
		op_run(&op, NULL, &who, NULL, keep_result, &result);
		rows = json_object_get(result, "data");
		assert_string_equal(json_string_value(json_object_get(
					json_array_get(rows, 0), "caller")),
		    cases[i].masked ? OP_MASK : "+74951234567");
		assert_true(json_is_null(
		    json_object_get(json_array_get(rows, 1), "caller")));
		json_decref(result);
	}
}

/* ---- on the wire ----------------------------------------------------------
 */

/* Who asks arrives as it was sent; what is not whole is nobody. */
static void
who_asks_travels(void **state)
{
	static const char *const bad[] = {"{}", "[]", "null",
	    "{\"name\":\"x\",\"access\":2,\"session\":\"s\",\"from\":\"l\"}",
	    "{\"name\":\"x\",\"role\":\"nobody\",\"domain\":\"\","
	    "\"fixed\":false,\"session\":\"s\",\"from\":\"l\"}",
	    "{\"name\":\"x\",\"role\":\"emperor\",\"domain\":\"\","
	    "\"fixed\":false,\"session\":\"s\",\"from\":\"l\"}",
	    "{\"name\":\"x\",\"role\":\"domain-admin\",\"domain\":\"\","
	    "\"fixed\":false,\"session\":\"s\",\"from\":\"l\"}",
	    "{\"name\":\"x\",\"role\":\"site-admin\",\"domain\":\"\","
	    "\"fixed\":1,\"session\":\"s\",\"from\":\"l\"}"};
	json_t *sent = op_who_encode(&anna), *in;
	struct op_who got;
	struct err e;
	size_t i;

	(void)state;
	assert_true(op_who_decode(&got, sent));
	assert_memory_equal(&got, &anna, sizeof got);
	json_decref(sent);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		in = json_loads(bad[i], JSON_DECODE_ANY, NULL);
		memset(&got, 0xff, sizeof got);
		if (op_who_decode(&got, in))
			fail_msg("%s", bad[i]);
		assert_int_equal(
		    op_permit(op_find(daemon_table(), "show version"), &got,
			NULL, &e),
		    -ERR_PERMISSION);
		json_decref(in);
	}
	assert_false(op_who_decode(&got, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_operation_has_its_roles),
	    cmocka_unit_test(nothing_outside_is_reached),
	    cmocka_unit_test(what_is_within_is_reached),
	    cmocka_unit_test(the_top_and_names_are_kept),
	    cmocka_unit_test(what_is_left_out_is_their_own),
	    cmocka_unit_test(persons_are_masked),
	    cmocka_unit_test(who_asks_travels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
