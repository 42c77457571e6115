/* Administrators: who is what, now and when that changes; what they see of
 * each other; what of it all is written down. */
#include "control_fixture.h"

/* ---- helpers ------------------------------------------------------------ */

static void
administrators(struct world *w, const char *const *list)
{
	char path[128];

	fix_set(w->fix, ST_SYSTEM, "domain b.a.test", "description=child");
	fix_set(w->fix, ST_SYSTEM, "domain c.test", "description=other");
	for (; *list != NULL; list += 2) {
		snprintf(path, sizeof path, "administrator %s", list[0]);
		fix_set(w->fix, ST_SYSTEM, path, list[1]);
	}
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, ST_ROOT_STREAM);
	publish(w, "site/demo");
	settle(w);
}

static const char *const all[] = {"anna", "role=domain-admin;domain=a.test",
    "boris", "role=viewer", "dora", "role=auditor", "off",
    "role=site-admin;state=off", "chef", "role=site-admin", NULL};

/* The last entry of the audit, to be freed. */
static int
last_entry(void *arg, const struct audit_line *l)
{
	*(json_t **)arg = json_loadb(l->json, l->n, 0, NULL);
	return 1;
}
static json_t *
audit_last(struct world *w)
{
	struct control *c = w->self.state_of_role;
	json_t *o = NULL;

	settle(w);
	audit_each_back(audit_dir(c->audit), last_entry, &o);
	assert_non_null(o);
	return o;
}

static void
audit_says(struct world *w, const char *name, const char *value)
{
	json_t *o = audit_last(w), *v = json_object_get(o, name);
	char *text = json_is_string(v)
	    ? strdup(json_string_value(v))
	    : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

	if (text == NULL || strcmp(text, value) != 0)
		fail_msg("%s: %s", name, text != NULL ? text : "none");
	free(text);
	json_decref(o);
}

/* ---- tests: roles ------------------------------------------------------- */

/* Without administrators everybody who may come in may do everything; with
 * them what theirs says; without one of their own nothing. */
static void
roles_are_those_of_the_site(void **state)
{
	static const struct {
		const char *name;
		enum admin_role role;
		int r;
	} cases[] = {{"anna", ADMIN_DOMAIN, 0}, {"boris", ADMIN_VIEWER, 0},
	    {"dora", ADMIN_AUDITOR, 0}, {"chef", ADMIN_SITE, 0},
	    {"off", ADMIN_NOBODY, -ERR_PERMISSION},
	    {"emil", ADMIN_NOBODY, -ERR_PERMISSION},
	    {"Anna", ADMIN_NOBODY, -ERR_PERMISSION},
	    {"", ADMIN_NOBODY, -ERR_PERMISSION}};
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct op_who who = {.name = "emil", .role = ADMIN_AUDITOR};
	struct err e;
	size_t i;

	(void)state;
	assert_int_equal(admit_role(obj_table, site_db(c), &who, &e), 0);
	assert_int_equal(who.role, ADMIN_SITE);
	administrators(w, all);
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		str_copy(who.name, sizeof who.name, cases[i].name);
		who.role = ADMIN_SITE;
		assert_int_equal(
		    admit_role(obj_table, site_db(c), &who, &e), cases[i].r);
		assert_int_equal(who.role, cases[i].role);
		assert_int_equal(
		    who.domain[0] != '\0', cases[i].role == ADMIN_DOMAIN);
	}
	/* nobody can shut out who owns the machine; nobody is let in blindly */
	who.fixed = true;
	assert_int_equal(admit_role(obj_table, NULL, &who, &e), 0);
	assert_int_equal(who.role, ADMIN_SITE);
	who.fixed = false;
	assert_int_equal(admit_role(obj_table, NULL, &who, &e), -ERR_BUSY);
	assert_int_equal(who.role, ADMIN_NOBODY);
	world_free(w);
}

/* Who shows a certificate is the administrator that has its fingerprint, with
 * nothing but what that one may; without one it is nobody, also while there
 * are no administrators at all. */
static void
certificates_name_administrators(void **state)
{
#define A16 "aaaaaaaaaaaaaaaa"
#define B16 "bbbbbbbbbbbbbbbb"
#define PRINT(d) "sha256:" d d d d
	static const char *const some[] = {"anna",
	    "role=domain-admin;domain=a.test;certificate=" PRINT(A16) " " PRINT(
		B16),
	    "off",
	    "role=site-admin;state=off;certificate=" PRINT("cccccccccccccccc"),
	    NULL};
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct op_who who = {.name = "x", .role = ADMIN_SITE};
	struct err e;

	(void)state;
	assert_int_equal(
	    obj_certificate_role(obj_table, site_db(c), PRINT(A16), &who, &e),
	    -ERR_PERMISSION);
	assert_int_equal(who.role, ADMIN_NOBODY);
	administrators(w, some);
	assert_int_equal(
	    obj_certificate_role(obj_table, site_db(c), PRINT(B16), &who, &e),
	    0);
	assert_string_equal(who.name, "anna");
	assert_string_equal(who.domain, "a.test");
	assert_int_equal(who.role, ADMIN_DOMAIN);
	assert_int_equal(obj_certificate_role(obj_table, site_db(c),
			     PRINT("dddddddddddddddd"), &who, &e),
	    -ERR_PERMISSION);
	assert_int_equal(who.role, ADMIN_NOBODY);
	assert_int_equal(
	    obj_certificate_role(obj_table, site_db(c), "", &who, &e),
	    -ERR_PERMISSION);
	assert_int_equal(obj_certificate_role(obj_table, site_db(c),
			     PRINT("cccccccccccccccc"), &who, &e),
	    -ERR_PERMISSION);
	assert_non_null(strstr(e.text, "is off"));
	world_free(w);
}

/* What changes is for sessions that are open too. */
static void
open_sessions_follow(void **state)
{
	struct world *w = world_new();
	struct console *con = connect_console(w, 0);
	struct session *s;

	(void)state;
	assert_int_equal(call(con, "describe", NULL), 0);
	s = become(w, "boris");
	assert_int_equal(s->who.role, ADMIN_SITE);
	administrators(w, all);
	assert_int_equal(s->who.role, ADMIN_VIEWER);
	assert_int_equal(call(con, "request role restart",
			     json_pack("{s:s}", "instance", "sg/1")),
	    -ERR_PERMISSION);
	assert_int_equal(call(con, "show domains", NULL), 0);
	fix_delete(w->fix, ST_SYSTEM, "administrator boris", NULL);
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "site/demo");
	while (!con->closed)
		run(w);
	assert_int_equal(
	    ((struct control *)w->self.state_of_role)->nsessions, 0);
	world_free(w);
}

/* A part of the tree is all there is: lists, names, instances, sessions. */
static void
a_part_is_all_there_is(void **state)
{
	struct world *w = world_new();
	struct console *con;
	json_t *args;

	(void)state;
	administrators(w, all);
	connect_console(w, 1);
	become(w, "boris");
	con = connect_console(w, 0);
	become(w, "anna");
	assert_int_equal(call(con, "show domains", NULL), 0);
	assert_int_equal(nrows(con), 2);
	assert_string_equal(col(con, 0, "domain"), "a.test");
	assert_string_equal(col(con, 1, "domain"), "b.a.test");
	assert_int_equal(
	    call(con, "show domains", json_pack("{s:i}", "limit", 1)), 0);
	assert_int_equal(nrows(con), 1);
	assert_int_equal(call(con, "show sessions", NULL), 0);
	assert_int_equal(nrows(con), 1);
	assert_string_equal(col(con, 0, "role"), "domain-admin");
	args = json_pack("{s:s, s:s}", "ref", "domain", "prefix", "");
	assert_int_equal(call(con, "complete", args), 0);
	assert_int_equal(json_array_size(con->result), 2);
	args = json_pack("{s:s, s:s}", "ref", "user", "path", "domain c.test");
	assert_int_equal(call(con, "complete", args), 0);
	assert_int_equal(json_array_size(con->result), 0);
	assert_int_equal(
	    call(con, "complete", json_pack("{s:s}", "ref", "server")), 0);
	assert_int_equal(json_array_size(con->result), 0);
	assert_int_equal(
	    call(con, "complete", json_pack("{s:s}", "ref", "administrator")),
	    0);
	assert_int_equal(json_array_size(con->result), 0);
	/* what is there and what is not look the same */
	assert_int_equal(
	    call(con, "show users", json_pack("{s:s}", "domain", "c.test")),
	    -ERR_PERMISSION);
	assert_int_equal(
	    call(con, "show users", json_pack("{s:s}", "domain", "no.test")),
	    -ERR_PERMISSION);
	assert_int_equal(call(con, "show servers", NULL), -ERR_PERMISSION);
	assert_int_equal(call(con, "show audit", NULL), -ERR_PERMISSION);
	assert_int_equal(
	    call(con, "show users", json_pack("{s:s}", "domain", "no.a.test")),
	    -ERR_ABSENT);
	world_free(w);
}

/* ---- tests: sessions ---------------------------------------------------- */

/* As a member of the group: open one session more than there may be, and exit
 * 0 if that one was told so. */
static void
be_many(const char *path)
{
	char answer[1024] = "";
	int fd = -1, i;

	be_nobody();
	for (i = 0; i <= SESSIONS_EACH; i++) {
		if ((fd = sock_unix_connect(path, NULL)) < 0)
			_exit(3);
	}
	if (write(fd, describe, sizeof describe - 1) != sizeof describe - 1 ||
	    read(fd, answer, sizeof answer - 1) <= 0)
		_exit(4);
	_exit(strstr(answer, "too many sessions") != NULL ? 0 : 5);
}

/* One user has so many sessions and no more; who owns the machine finds room.
 */
static void
nobody_takes_all_sessions(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	int status;
	pid_t pid;

	(void)state;
	c->admit.own = c->admit.owner = (uid_t)-1;
	c->admit.grouped = true;
	c->admit.group = geteuid() == 0 ? 65534 : getegid();
	assert_int_equal(chmod(w->self.repl->root, 0755), 0);
	assert_int_equal(chmod(w->self.control_path, 0666), 0);
	if ((pid = fork()) == 0)
		be_many(w->self.control_path);
	while (waitpid(pid, &status, WNOHANG) == 0)
		settle(w);
	assert_int_equal(status, 0);
	world_free(w);
}

/* The words of another operator arrive; a closed session ends and is told by
 * whom. */
static char heard[512];
static void
on_note(void *arg, struct rpc *rpc, struct rpc_request *q, const char *method,
    json_t *params)
{
	(void)arg;
	(void)rpc;
	assert_null(q);
	snprintf(heard, sizeof heard, "%s: %s: %s", method,
	    json_string_value(json_object_get(params, "from")),
	    json_string_value(json_object_get(params, "text")));
}

static void
sessions_hear_each_other(void **state)
{
	struct world *w = world_new();
	struct console *chef = connect_console(w, 0), *one = &w->console[1];
	struct rpc_handler h = {
	    .on_request = on_note, .on_closed = on_console_closed, .arg = one};
	struct session *s;
	struct err e;
	json_t *args;
	int fd = sock_unix_connect(w->self.control_path, &e);

	(void)state;
	sock_nonblock(fd);
	one->world = w;
	one->rpc = rpc_open(w->loop, fd, &h);
	assert_int_equal(call(one, "describe", NULL), 0);
	s = TAILQ_LAST(
	    &((struct control *)w->self.state_of_role)->sessions, sessions);
	args = json_pack(
	    "{s:s, s:s}", "session", s->who.session, "text", "lunch?");
	assert_int_equal(call(chef, "request session message", args), 0);
	settle(w);
	assert_non_null(strstr(heard, ": lunch?"));
	assert_int_equal(strncmp(heard, "message: ", 9), 0);
	args = json_pack("{s:s}", "session", s->who.session);
	assert_int_equal(call(chef, "request session close", args), 0);
	while (!one->closed)
		run(w);
	assert_non_null(strstr(heard, "this session was closed by "));
	args = json_pack("{s:s}", "session", "srv1.abcdef");
	assert_int_equal(
	    call(chef, "request session close", args), -ERR_ABSENT);
	args = json_pack("{s:s}", "session", "srv1");
	assert_int_equal(
	    call(chef, "request session close", args), -ERR_INVALID);
	world_free(w);
}

/* ---- tests: the audit --------------------------------------------------- */

/* Logins, with where a console says it was called from; a part of what is
 * said that is no address is not taken. */
static void
logins_are_written(void **state)
{
	struct world *w = world_new();
	struct console *con = connect_console(w, 0);
	char from[64] = "local";

	(void)state;
	assert_false(admit_ssh(from, sizeof from, NULL));
	assert_false(admit_ssh(from, sizeof from, ""));
	assert_false(admit_ssh(from, sizeof from, "root 1 2 3"));
	assert_false(admit_ssh(from, sizeof from, "1.2.3.4\nx 1"));
	assert_string_equal(from, "local");
	assert_true(admit_ssh(from, sizeof from, "2001:db8::7 51234 ::1 22"));
	assert_string_equal(from, "ssh 2001:db8::7");
	assert_int_equal(call(con, "describe",
			     json_pack("{s:s}", "ssh",
				 "192.0.2.7 1 10.0.0.1 "
				 "22")),
	    0);
	audit_says(w, "op", "login");
	audit_says(w, "from", "ssh 192.0.2.7");
	audit_says(w, "result", "done");
	/* once, at the beginning */
	assert_int_equal(
	    call(con, "describe",
		json_pack("{s:s}", "ssh", "192.0.2.8 1 10.0.0.1 22")),
	    0);
	assert_int_equal(call(con, "show sessions", NULL), 0);
	assert_string_equal(col(con, 0, "from"), "ssh 192.0.2.7");
	console_end(con);
	audit_says(w, "op", "logout");
	world_free(w);
}

/* What changes something is there, done or not, with its secrets masked; what
 * only reads is not, unless it was refused. */
static void
operations_are_written(void **state)
{
	static const struct op_field args[] = {
	    {.name = "path",
		.type = &op_type_path,
		.flags = OP_KEY | OP_REQUIRED},
	    {.name = "values", .type = &op_type_values}, {0}};
	static const struct op sets = {.name = "set",
	    .kind = OP_CONFIG,
	    .access = OP_ADMIN,
	    .where = OP_OWNER,
	    .role = ROLE_ST,
	    .args = args};
	struct world *w = world_new();
	const struct op **ops = (const struct op **)w->table.ops;
	struct console *con;
	json_t *in;
	int i;

	(void)state;
	for (i = 0; ops[i] != NULL; i++)
		;
	ops[i] = &sets;
	administrators(w, all);
	link_role(w, ROLE_ST, 1);
	own_store(w, "st/1@srv1", 5);
	con = connect_console(w, 0);
	assert_int_equal(call(con, "show version", NULL), 0);
	become(w, "chef");
	in = json_pack("{s:s, s:{s:s, s:s}}", "path", "domain a.test user 101",
	    "values", "name", "Alice", "password", "swordfish");
	assert_int_equal(call(con, "set", in), 0);
	audit_says(w, "op", "set");
	audit_says(w, "operator", "chef");
	audit_says(w, "role", "site-admin");
	audit_says(w, "rev", "9");
	audit_says(w, "args",
	    "{\"path\":\"domain a.test user 101\",\"values\":"
	    "{\"name\":\"Alice\",\"password\":\"********\"}}");
	assert_int_equal(call(con, "show domains", NULL), 0);
	audit_says(w, "op", "set");
	assert_int_equal(call(con, "request role restart",
			     json_pack("{s:s}", "instance", "mg/7")),
	    -ERR_ABSENT);
	audit_says(w, "op", "request role restart");
	audit_says(w, "result", "absent");
	become(w, "boris");
	in = json_pack("{s:s}", "path", "server srv1");
	assert_int_equal(call(con, "set", in), -ERR_PERMISSION);
	audit_says(w, "op", "set");
	audit_says(w, "result", "permission");
	audit_says(w, "args", "{\"path\":\"server srv1\"}");
	ops[i] = NULL;
	world_free(w);
}

/* Refusals cost nothing: a flood of them is counted, not kept. */
static void
a_flood_is_counted(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct audit_head before, after;
	struct console *con;
	uint64_t began = clock_mono();
	int i;

	(void)state;
	administrators(w, all);
	con = connect_console(w, 0);
	become(w, "boris");
	assert_int_equal(call(con, "describe", NULL), 0);
	settle(w);
	audit_tell(c->audit, &before);
	for (i = 0; i < 1000; i++)
		send_call(con, "request server token", NULL);
	while (con->open > 0)
		run(w);
	settle(w);
	audit_tell(c->audit, &after);
	/* two hundred, and ten for every second that it took */
	assert_in_range(after.last - before.last, 100,
	    210 + 10 * (clock_mono() - began) / CLOCK_SEC);
	become(w, "chef");
	assert_int_equal(call(con, "request role restart",
			     json_pack("{s:s}", "instance", "mg/7")),
	    -ERR_ABSENT);
	audit_says(w, "op", "request role restart");
	world_free(w);
}

/* Edits of one operator are kept so far, then counted, however many sessions
 * they come in; a commit is always kept, and says how many there were. */
static void
edits_are_counted(void **state)
{
	static const struct op_field args[] = {
	    {.name = "path", .type = &op_type_text}, {0}};
	static const struct op_field txid[] = {
	    {.name = "txid", .type = &op_type_text}, {0}};
	static const struct op sets = {.name = "set",
				   .kind = OP_CONFIG,
				   .where = OP_OWNER,
				   .role = ROLE_ST,
				   .args = args},
			       commits = {.name = "commit",
				   .kind = OP_CONFIG,
				   .where = OP_OWNER,
				   .role = ROLE_ST,
				   .args = txid};
	struct world *w = world_new();
	const struct op **ops = (const struct op **)w->table.ops;
	struct control *c = w->self.state_of_role;
	struct audit_head before, after;
	struct console *con;
	unsigned n, i;

	(void)state;
	for (n = 0; ops[n] != NULL; n++)
		;
	ops[n] = &sets;
	ops[n + 1] = &commits;
	administrators(w, all);
	link_role(w, ROLE_ST, 1);
	own_store(w, "st/1@srv1", 5);
	settle(w);
	audit_tell(c->audit, &before);
	for (i = 0; i < 4; i++) {
		con = connect_console(w, i);
		assert_int_equal(call(con, "show version", NULL), 0);
		become(w, "chef");
		for (n = 0; n < 1000; n++)
			send_call(con, "set",
			    json_pack("{s:s}", "path", "domain a.test"));
		while (con->open > 0)
			run(w);
		assert_int_equal(con->err.code, ERR_NONE);
	}
	settle(w);
	audit_tell(c->audit, &after);
	assert_in_range(after.last - before.last, 500, 1500);
	assert_int_equal(call(con, "commit", NULL), 0);
	audit_says(w, "op", "commit");
	assert_int_equal(
	    call(con, "show audit", json_pack("{s:i}", "last", 1)), 0);
	assert_in_range(
	    json_integer_value(json_object_get(row(con, 0), "edits")), 1, 3500);
	/* who does too much of what is always kept has to wait */
	for (n = 0; n < 40000 && con->err.code == ERR_NONE; n += 500) {
		for (i = 0; i < 500; i++)
			send_call(con, "commit", NULL);
		while (con->open > 0)
			run(w);
	}
	assert_int_equal(con->err.code, ERR_BUSY);
	for (n = 0; ops[n] != &sets; n++)
		;
	ops[n] = NULL;
	world_free(w);
}

/* Without an audit nothing is changed; what reads goes on, and says so. */
static void
without_audit_nothing_changes(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct console *con = connect_console(w, 0);
	char dir[PATH_MAX], away[PATH_MAX + 8];
	json_t *args;

	(void)state;
	assert_int_equal(call(con, "show version", NULL), 0);
	settle(w);
	audit_close(&c->audit);
	snprintf(dir, sizeof dir, "%.200s/audit", w->self.state);
	snprintf(away, sizeof away, "%s.away", dir);
	assert_int_equal(rename(dir, away), 0);
	close(open(dir, O_WRONLY | O_CREAT, 0600));
	audit_start(c);
	args = json_pack("{s:s}", "instance", "mg/7");
	/* the first one finds it out, and says it with its answer */
	assert_int_equal(
	    call(con, "request role restart", json_incref(args)), -ERR_ABSENT);
	assert_int_equal(
	    call(con, "request role restart", json_incref(args)), -ERR_IO);
	assert_non_null(strstr(con->err.text, "so nothing is done"));
	assert_int_equal(call(con, "show domains", NULL), 0);
	assert_int_equal(unlink(dir), 0);
	assert_int_equal(rename(away, dir), 0);
	while (call(con, "request role restart", json_incref(args)) == -ERR_IO)
		settle(w);
	assert_int_equal(con->err.code, ERR_ABSENT);
	json_decref(args);
	world_free(w);
}

/* The audit is read, by operator and from its end, and verified. */
static void
the_audit_is_shown(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct console *con = connect_console(w, 0);
	struct session *s;
	size_t i;

	(void)state;
	assert_int_equal(call(con, "describe", NULL), 0);
	s = become(w, "chef");
	for (i = 0; i < 3; i++) {
		assert_int_equal(call(con, "request role restart",
				     json_pack("{s:s}", "instance", "mg/7")),
		    -ERR_ABSENT);
	}
	assert_int_equal(
	    call(con, "show audit", json_pack("{s:i}", "last", 2)), 0);
	assert_int_equal(nrows(con), 2);
	assert_string_equal(col(con, 1, "op"), "request role restart");
	assert_string_equal(col(con, 1, "operator"), "chef");
	assert_string_equal(col(con, 1, "args"), "{\"instance\":\"mg/7\"}");
	assert_int_equal(
	    call(con, "show audit", json_pack("{s:s}", "operator", "nobody-x")),
	    0);
	assert_int_equal(nrows(con), 0);
	assert_int_equal(call(con, "show audit verify", NULL), 0);
	assert_string_equal(col(con, 0, "state"), "whole");
	assert_non_null(s);
	assert_non_null(c->audit);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(roles_are_those_of_the_site),
	    cmocka_unit_test(certificates_name_administrators),
	    cmocka_unit_test(open_sessions_follow),
	    cmocka_unit_test(a_part_is_all_there_is),
	    cmocka_unit_test(nobody_takes_all_sessions),
	    cmocka_unit_test(sessions_hear_each_other),
	    cmocka_unit_test(logins_are_written),
	    cmocka_unit_test(operations_are_written),
	    cmocka_unit_test(a_flood_is_counted),
	    cmocka_unit_test(edits_are_counted),
	    cmocka_unit_test(without_audit_nothing_changes),
	    cmocka_unit_test(the_audit_is_shown),
	};

	op_use_objects(obj_table);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
