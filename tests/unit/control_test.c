/* Control with consoles on its socket, over stand-ins for the frame of
 * processes and for replication. */
#include "st_fixture.h"
#include "st_double.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/sock.h"
#include "daemon/control/control.h"

extern const struct role control_role;

/* ---- the frame of processes, as far as control needs it
 * ------------------------ */

static struct frame {
	struct peer peers[8];
	struct rpc *far[8]; /* the other ends of their links */
	size_t npeers;
	struct owner owner; /* of st */
	role_status_fn *on_status;
	char placed[256], restarted[ROLE_NAME];
	bool ready, stopped;
} frame;

struct peer *
role_peer_next(struct self *self, enum role_id id, unsigned *at)
{
	(void)self;
	while (*at < frame.npeers) {
		struct peer *p = &frame.peers[(*at)++];

		if (p->role == id && p->rpc != NULL)
			return p;
	}
	return NULL;
}

struct peer *
role_owner(struct self *self, const char *key)
{
	size_t i;

	(void)self;
	for (i = 0; i < frame.npeers; i++) {
		if (strcmp(key, "st") == 0 &&
		    frame.owner.state == OWNER_SERVING &&
		    strncmp(frame.owner.instance, frame.peers[i].name,
			strlen(frame.peers[i].name)) == 0)
			return frame.peers[i].rpc != NULL ? &frame.peers[i]
							  : NULL;
	}
	return NULL;
}

void
role_place(struct self *self, enum role_id id, unsigned count)
{
	size_t used = strlen(frame.placed);

	(void)self;
	snprintf(frame.placed + used, sizeof frame.placed - used, "%s=%u ",
	    role_rows[id].name, count);
}

void
role_restart(struct self *self, const char *instance)
{
	(void)self;
	str_copy(frame.restarted, sizeof frame.restarted, instance);
}

void
role_stats(struct self *self, const struct role_stat *s)
{
	(void)self;
	(void)s;
}

void
role_on_status(struct self *self, role_status_fn *fn)
{
	(void)self;
	frame.on_status = fn;
}

void
role_ready(struct self *self)
{
	(void)self;
	frame.ready = true;
}

void
role_stopped(struct self *self)
{
	(void)self;
	frame.stopped = true;
}

/* ---- a world
 * ---------------------------------------------------------------------- */

struct console {
	struct world *world;
	struct rpc *rpc;
	json_t *result, *data;
	struct err err;
	unsigned open;
	bool closed;
	struct err why;
};

struct world {
	struct loop *loop;
	struct loop_timer *limit, *turn;
	struct self self;
	struct op_table table;
	struct fix *fix; /* makes the rows */
	struct console console[SESSIONS_MAX + 2];
	char heard[4096]; /* by the fake roles */
	json_t *fed;	  /* the last feed */
	json_t *asked;	  /* the last params of an operation */
};

static void
on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing happened within the limit");
}

static void
run(struct world *w)
{
	loop_timer_set(w->limit, 20 * CLOCK_SEC);
	loop_run(w->loop);
	loop_timer_cancel(w->limit);
}

/* What is ready now; a few times, for what follows from it. */
static void
settle(struct world *w)
{
	int i;

	for (i = 0; i < 20; i++) {
		loop_timer_set(w->turn, 500);
		run(w);
	}
}

/* A stream of the fixture becomes a file that readers can open. */
static void
publish(struct world *w, const char *stream)
{
	char path[PATH_MAX + 128];
	sqlite3 *from = fix_db(w->fix, stream), *to;
	sqlite3_backup *b;
	struct reader *r;

	double_path(w->self.repl, stream, path, sizeof path);
	assert_int_equal(sqlite3_open(path, &to), SQLITE_OK);
	b = sqlite3_backup_init(to, "main", from, "main");
	assert_non_null(b);
	sqlite3_backup_step(b, -1);
	sqlite3_backup_finish(b);
	sqlite3_close(to);
	for (r = w->self.repl->readers; r != NULL; r = r->next) {
		if (strcmp(r->name, stream) != 0)
			continue;
		if (r->db == NULL)
			sqlite3_open_v2(
			    path, &r->db, SQLITE_OPEN_READONLY, NULL);
		r->event = READER_RELOAD;
		loop_defer(w->loop, &r->tell);
	}
}

static struct world *
world_make(bool first_start)
{
	static const struct op *ops[64];
	struct world *w = calloc(1, sizeof *w);
	struct err e;
	size_t i;

	memset(&frame, 0, sizeof frame);
	double_owner = &frame.owner;
	log_fd(open("/dev/null", O_WRONLY));
	w->fix = fix_site();
	w->loop = loop_new();
	w->limit = loop_timer_new(w->loop, on_limit, w);
	w->turn = loop_timer_new(w->loop, (loop_fn *)loop_stop, w->loop);
	for (i = 0; control_ops[i] != NULL; i++)
		ops[i] = control_ops[i];
	w->table.ops = ops;
	w->table.objs = obj_table;
	w->self.loop = w->loop;
	w->self.repl = double_new(w->loop);
	w->self.table = &w->table;
	w->self.started = clock_real();
	w->self.boot_uid = getuid();
	str_copy(w->self.server, sizeof w->self.server, "srv1");
	str_copy(w->self.site, sizeof w->self.site, "demo");
	str_copy(w->self.name, sizeof w->self.name, "control/1");
	snprintf(w->self.control_path, sizeof w->self.control_path,
	    "%.80s/control.sock", w->self.repl->root);
	if (control_role.start(&w->self, &e) != 0)
		fail_msg("%s", e.text);
	assert_true(frame.ready);
	if (!first_start) {
		publish(w, "site/demo");
		publish(w, ST_ROOT_STREAM);
	}
	settle(w);
	return w;
}

static struct world *
world_new(void)
{
	return world_make(false);
}

static void
console_end(struct console *c)
{
	rpc_close(&c->rpc);
	json_decref(c->result);
	json_decref(c->data);
	c->result = c->data = NULL;
}

static void
world_free(struct world *w)
{
	size_t i;

	for (i = 0; i < sizeof w->console / sizeof w->console[0]; i++)
		console_end(&w->console[i]);
	for (i = 0; i < frame.npeers; i++) {
		if (frame.peers[i].rpc != NULL)
			control_role.on_unlink(&w->self, &frame.peers[i]);
		rpc_close(&frame.peers[i].rpc);
		rpc_close(&frame.far[i]);
	}
	control_role.on_stop(&w->self);
	assert_true(frame.stopped);
	settle(w);
	loop_timer_free(&w->limit);
	loop_timer_free(&w->turn);
	double_free(w->self.repl);
	fix_free(w->fix);
	json_decref(w->fed);
	json_decref(w->asked);
	free(w);
}

/* ---- consoles
 * ------------------------------------------------------------------------- */

static void
on_console_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct console *c = arg;

	(void)rpc;
	c->closed = true;
	c->why = *why;
	rpc_close(&c->rpc);
	loop_stop(c->world->loop);
}

static struct console *
connect_console(struct world *w, unsigned n)
{
	struct console *c = &w->console[n];
	struct rpc_handler h = {
	    .on_closed = on_console_closed, .arg = c, .max_in = 64 << 20};
	struct err e;
	int fd = sock_unix_connect(w->self.control_path, &e);

	if (fd < 0)
		fail_msg("%s", e.text);
	sock_nonblock(fd);
	c->world = w;
	c->closed = false;
	c->rpc = rpc_open(w->loop, fd, &h);
	return c;
}

static void
on_result(void *arg, json_t *result, const struct err *e)
{
	struct console *c = arg;

	json_decref(c->result);
	json_decref(c->data);
	c->result = json_incref(result);
	c->err = e != NULL ? *e : (struct err){0};
	c->data = e != NULL && c->rpc != NULL
	    ? json_incref(rpc_err_data(c->rpc))
	    : NULL;
	if (--c->open == 0)
		loop_stop(c->world->loop);
}

static void
send_call(struct console *c, const char *method, json_t *params)
{
	c->open++;
	rpc_call(c->rpc, method, params, 0, on_result, c);
}

static int
call(struct console *c, const char *method, json_t *params)
{
	send_call(c, method, params);
	while (c->open > 0)
		run(c->world);
	return -(int)c->err.code;
}

static json_t *
row(struct console *c, size_t i)
{
	return json_array_get(json_object_get(c->result, "data"), i);
}

static const char *
col(struct console *c, size_t i, const char *name)
{
	return json_string_value(json_object_get(row(c, i), name));
}

static size_t
nrows(struct console *c)
{
	return json_array_size(json_object_get(c->result, "data"));
}

/* ---- roles
 * ------------------------------------------------------------------------------
 */

static void
on_role_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct world *w = arg;
	size_t used = strlen(w->heard);

	(void)rpc;
	snprintf(w->heard + used, sizeof w->heard - used, "%s ", method);
	if (strcmp(method, "feed") == 0 || strcmp(method, "feed-domain") == 0 ||
	    strcmp(method, "sessions") == 0 ||
	    strcmp(method, "session-end") == 0) {
		json_decref(w->fed);
		w->fed = json_incref(params);
	}
	if (q == NULL)
		return;
	json_decref(w->asked);
	w->asked = json_incref(params);
	if (strcmp(method, "statistics") == 0)
		rpc_reply(q,
		    json_pack("[{s:s, s:s, s:i}]", "name", "fake", "brief",
			"a number", "value", 7));
	else
		rpc_reply(q,
		    json_pack("{s:[], s:i, s:[]}", "data", "rev", 9, "warn"));
}

static void
on_role_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	(void)arg;
	(void)why;
	rpc_close(&rpc);
}

/* A fake process and the link to it. */
static struct peer *
link_role(struct world *w, enum role_id id, unsigned index)
{
	struct peer *p = &frame.peers[frame.npeers++];
	struct rpc_handler far = {.on_request = on_role_request,
			       .on_closed = on_role_closed,
			       .arg = w},
			   near = {.on_closed = on_role_closed, .arg = w};
	int s[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	p->role = id;
	p->index = index;
	p->self = &w->self;
	snprintf(p->name, sizeof p->name, "%s/%u", role_rows[id].name, index);
	p->rpc = rpc_open(w->loop, s[0], &near);
	frame.far[frame.npeers - 1] = rpc_open(w->loop, s[1], &far);
	control_role.on_link(&w->self, p);
	return p;
}

static void
own_store(struct world *w, const char *instance, uint64_t epoch)
{
	str_copy(frame.owner.key, sizeof frame.owner.key, "st");
	str_copy(frame.owner.instance, sizeof frame.owner.instance, instance);
	frame.owner.epoch = epoch;
	frame.owner.state = OWNER_SERVING;
	control_role.on_owners(&w->self);
}

/* ---- tests: who may
 * ------------------------------------------------------------------- */

/* Root, we ourselves, who started the server, members of the group; others
 * not, whatever their other groups are. */
static void
some_are_admitted(void **state)
{
	const gid_t groups[] = {7, 50};
	const struct admit_rules rules = {100, 200, true, 50};
	const struct admit_rules lone = {100, 200, false, 0};
	static const struct {
		uid_t uid;
		gid_t gid;
		size_t ngroups;
		bool may, alone;
	} cases[] = {
	    {0, 0, 0, true, true},
	    {100, 1, 0, true, true},
	    {200, 1, 0, true, true},
	    {300, 50, 0, true, false},
	    {300, 1, 2, true, false},
	    {300, 1, 1, false, false},
	    {300, 0, 1, false, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct admit_peer p = {
		    cases[i].uid, cases[i].gid, groups, cases[i].ngroups};

		assert_int_equal(admit_peer(&rules, &p), cases[i].may);
		assert_int_equal(admit_peer(&lone, &p), cases[i].alone);
	}
}

/* Ask as somebody who is not permitted, and exit 0 if that was said. */
static void
be_a_stranger(const char *path)
{
	static const char ask[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"describe\"}\n";
	char answer[1024] = "";
	size_t used = 0;
	ssize_t n = 1;
	int fd;

	if (geteuid() == 0 &&
	    (setgroups(0, NULL) != 0 || setgid(65534) != 0 ||
		setuid(65534) != 0))
		_exit(2);
	if ((fd = sock_unix_connect(path, NULL)) < 0 ||
	    write(fd, ask, sizeof ask - 1) != sizeof ask - 1)
		_exit(3);
	/* ... and the connection is closed behind the answer */
	for (; n > 0 && used < sizeof answer - 1; used += (size_t)n) {
		n = read(fd, answer + used, sizeof answer - 1 - used);
		if (n < 0)
			_exit(4);
	}
	_exit(strstr(answer, "not permitted") != NULL &&
		    strstr(answer, "\"permission\"") != NULL
		? 0
		: 5);
}

/* One that is not permitted hears why and is closed. */
static void
a_stranger_hears_why(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	int status;
	pid_t pid;

	(void)state;
	c->admit.own = c->admit.owner = (uid_t)-1;
	assert_int_equal(chmod(w->self.repl->root, 0755), 0);
	assert_int_equal(chmod(w->self.control_path, 0666), 0);
	if ((pid = fork()) == 0)
		be_a_stranger(w->self.control_path);
	while (waitpid(pid, &status, WNOHANG) == 0)
		settle(w);
	assert_int_equal(status, 0);
	assert_int_equal(c->nsessions, 0);
	assert_int_equal(c->count.refused, 1);
	world_free(w);
}

/* There are SESSIONS_MAX sessions; one more is told so and closed, and there
 * is room again when one ends. */
static void
sessions_are_bounded(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct console *one;
	unsigned i;

	(void)state;
	for (i = 0; i < SESSIONS_MAX; i++)
		connect_console(w, i);
	settle(w);
	one = connect_console(w, SESSIONS_MAX);
	assert_int_equal(call(one, "show version", NULL), -ERR_FULL);
	while (!one->closed)
		run(w);
	console_end(&w->console[0]);
	settle(w);
	assert_int_equal(c->nsessions, SESSIONS_MAX - 1);
	assert_int_equal(call(connect_console(w, 0), "show version", NULL), 0);
	world_free(w);
}

/* What is no JSON-RPC ends the session with a reason, and no other. */
static void
garbage_ends_a_session(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct err e;
	char answer[512];
	ssize_t n;
	int fd = sock_unix_connect(w->self.control_path, &e);

	(void)state;
	assert_true(write(fd, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
	settle(w);
	n = read(fd, answer, sizeof answer - 1);
	assert_true(n > 0);
	answer[n] = '\0';
	assert_non_null(strstr(answer, "\"error\""));
	assert_int_equal(read(fd, answer, sizeof answer), 0);
	close(fd);
	assert_int_equal(call(c, "show version", NULL), 0);
	world_free(w);
}

/* A console that sends and never reads is closed; others go on. */
static void
a_slow_console_is_closed(void **state)
{
	struct world *w = world_new();
	struct control *c = w->self.state_of_role;
	struct console *con = connect_console(w, 0);
	static const char ask[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"describe\"}\n";
	struct err e;
	int fd = sock_unix_connect(w->self.control_path, &e), i;

	(void)state;
	sock_nonblock(fd);
	settle(w);
	assert_int_equal(c->nsessions, 2);
	for (i = 0; i < 20000 && c->nsessions != 1; i++) {
		if (write(fd, ask, sizeof ask - 1) < 0 && errno != EAGAIN)
			break;
		loop_timer_set(w->turn, 0);
		run(w);
	}
	settle(w);
	assert_int_equal(c->nsessions, 1);
	assert_int_equal(call(con, "show version", NULL), 0);
	close(fd);
	world_free(w);
}

/* Too many bytes at once are refused until answers have come. */
static void
arguments_are_bounded(void **state)
{
	json_t *big = json_object(), *v;
	char *text = malloc(500001);
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	static const struct op_field args[] = {
	    {.name = "text", .type = &op_type_blob}, {0}};
	static const struct op waits = {.name = "wait",
	    .kind = OP_READ,
	    .where = OP_OWNER,
	    .role = ROLE_ST,
	    .args = args};
	const struct op **ops = (const struct op **)w->table.ops;
	int i;

	(void)state;
	for (i = 0; ops[i] != NULL; i++)
		;
	ops[i] = &waits;
	memset(text, 'x', 500000);
	text[500000] = '\0';
	v = json_string(text);
	json_object_set_new(big, "text", v);
	assert_in_range(session_size(big), 500000, 500100);
	for (i = 0; i < 40; i++)
		send_call(c, "wait", json_incref(big));
	while (c->open > 0)
		run(w);
	/* the last answers: 3 s without an owner, for those that were taken */
	assert_int_equal(c->err.code, ERR_NOOWNER);
	assert_in_range(
	    ((struct control *)w->self.state_of_role)->count.calls, 40, 40);
	assert_int_equal(call(c, "show version", NULL), 0);
	json_decref(big);
	free(text);
	world_free(w);
}

/* ---- tests: what is answered
 * --------------------------------------------------------------- */

/* A console learns the tables, where it is and who it is. */
static void
describe_tells_everything(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct op_table t;
	struct err e;

	(void)state;
	assert_int_equal(call(c, "describe", NULL), 0);
	assert_string_equal(
	    json_string_value(json_object_get(c->result, "server")), "srv1");
	assert_non_null(json_object_get(c->result, "session"));
	assert_non_null(json_object_get(c->result, "user"));
	if (op_table_decode(c->result, &t, &e) != 0)
		fail_msg("%s", e.text);
	assert_non_null(op_find(&t, "show version"));
	op_table_fini(&t);
	op_use_objects(obj_table);
	world_free(w);
}

/* What is no operation, or has wrong arguments, is told so. */
static void
bad_requests_are_told(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);

	(void)state;
	assert_int_equal(call(c, "show nonsense", NULL), -ERR_UNKNOWN);
	assert_non_null(strstr(c->err.text, "show nonsense"));
	assert_int_equal(call(c, "show users", json_object()), -ERR_INVALID);
	assert_non_null(strstr(c->err.text, "domain: missing"));
	assert_int_equal(
	    call(c, "show users", json_pack("[s]", "a.test")), -ERR_INVALID);
	assert_int_equal(
	    call(c, "show users", json_pack("{s:s}", "domain", "no.test")),
	    -ERR_ABSENT);
	assert_non_null(strstr(c->err.text, "there is no domain no.test"));
	assert_int_equal(
	    call(c, "show version", json_pack("{s:s}", "colour", "red")),
	    -ERR_UNKNOWN);
	world_free(w);
}

/* The counts of the configuration go to the supervisor, once, and again when
 * they change. */
static void
placement_follows_the_site(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_string_equal(frame.placed, "st=2 sr=0 sg=0 b2bua=0 mgc=0 mg=0 ");
	frame.placed[0] = '\0';
	fix_set(w->fix, ST_SYSTEM, "server srv1 role mg", "instances=2");
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(frame.placed, "mg=2 ");
	world_free(w);
}

/* A stream that has no row of this server yet says nothing of what to run: no
 * process is stopped for it. */
static void
an_empty_site_places_nothing(void **state)
{
	struct world *w = world_make(true);
	sqlite3 *full = map_str_del(&w->fix->dbs, "site/demo");

	(void)state;
	assert_string_equal(frame.placed, "");
	fix_open(w->fix, "site/demo", ST_SITE);
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(frame.placed, "");
	sqlite3_close(map_str_del(&w->fix->dbs, "site/demo"));
	map_str_put(&w->fix->dbs, "site/demo", full);
	publish(w, "site/demo");
	settle(w);
	assert_non_null(strstr(frame.placed, "st=2 "));
	world_free(w);
}

/* Gates are told everything at link-up, and again when the site changes: their
 * own listeners only. */
static void
gates_are_fed(void **state)
{
	struct world *w = world_new();
	json_t *l;

	(void)state;
	fix_set(w->fix, ST_SYSTEM, "certificate c", "chain=PEM;key=secret");
	fix_set(w->fix, ST_SYSTEM, "server srv1 listener tls",
	    "transport=tls;address=127.0.0.1;port=5061;certificate=c;"
	    "domain=a.test");
	fix_set(w->fix, ST_SYSTEM, "server srv1 listener other",
	    "transport=udp;address=127.0.0.1;port=5062;instance=sg/2");
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "site/demo");
	settle(w);
	link_role(w, ROLE_SG, 1);
	settle(w);
	assert_string_equal(w->heard, "feed ");
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "domains")), 1);
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "listeners")), 1);
	l = json_array_get(json_object_get(w->fed, "listeners"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(l, "name")), "tls");
	assert_string_equal(
	    json_string_value(json_object_get(l, "chain")), "PEM");
	assert_int_equal(strlen(json_string_value(json_object_get(l, "key"))),
	    2 * (6 + CRYPT_TAG));
	assert_int_equal(
	    json_integer_value(json_object_get(
		json_object_get(w->fed, "gate"), "requests-per-second")),
	    50);
	/* what it knows already is not said again */
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(w->heard, "feed ");
	fix_set(w->fix, ST_SYSTEM, "gate default", "requests-per-second=9");
	fix_commit(w->fix, ST_SYSTEM);
	publish(w, "site/demo");
	settle(w);
	assert_string_equal(w->heard, "feed feed ");
	assert_int_equal(
	    json_integer_value(json_object_get(
		json_object_get(w->fed, "gate"), "requests-per-second")),
	    9);
	world_free(w);
}

/* One domain as gates hear of it, and one that is gone. */
static void
one_domain_is_fed(void **state)
{
	struct fix *f = fix_site();
	json_t *o;

	(void)state;
	fix_set(f, ST_SYSTEM, "domain a.test", "alias=b.test c.test");
	fix_commit(f, ST_SYSTEM);
	o = feed_domain(obj_table, fix_db(f, ST_ROOT_STREAM), "a.test");
	assert_string_equal(
	    json_string_value(json_object_get(o, "state")), "on");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(o, "alias"), 1)),
	    "c.test");
	json_decref(o);
	o = feed_domain(obj_table, fix_db(f, ST_ROOT_STREAM), "x.test");
	assert_true(json_is_null(json_object_get(o, "state")));
	json_decref(o);
	fix_free(f);
}

/* The instances of mg share the ports of their server without overlap, and
 * each starts at an even port. */
static void
media_ports_are_shared_out(void **state)
{
	char a[16], b[16], c[16];
	struct fix *f = fix_site();
	json_t *o;

	(void)state;
	assert_true(feed_ports(a, sizeof a, "30000-30999", 1, 1));
	assert_string_equal(a, "30000-30999");
	assert_true(feed_ports(a, sizeof a, "30000-30999", 1, 3));
	assert_true(feed_ports(b, sizeof b, "30000-30999", 2, 3));
	assert_true(feed_ports(c, sizeof c, "30000-30999", 3, 3));
	assert_string_equal(a, "30000-30331");
	assert_string_equal(b, "30332-30663");
	assert_string_equal(c, "30664-30999");
	assert_false(feed_ports(a, sizeof a, "30000-30003", 1, 3));
	assert_false(feed_ports(a, sizeof a, "30000", 1, 1));
	o = feed_media(obj_table, fix_db(f, "site/demo"), "srv1", 1, 1);
	assert_string_equal(
	    json_string_value(json_object_get(o, "media_address")),
	    "127.0.0.1");
	assert_string_equal(
	    json_string_value(json_object_get(o, "ports")), "30000-39999");
	json_decref(o);
	fix_free(f);
}

/* The store hears of all sessions when its owner changes, before any edit,
 * and of each that ends. */
static void
the_store_hears_of_sessions(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	static const struct op sets = {.name = "set it",
	    .kind = OP_CONFIG,
	    .where = OP_OWNER,
	    .role = ROLE_ST};
	const struct op **ops = (const struct op **)w->table.ops;
	int i;

	(void)state;
	for (i = 0; ops[i] != NULL; i++)
		;
	ops[i] = &sets;
	link_role(w, ROLE_ST, 1);
	send_call(c, "set it", NULL);
	settle(w);
	own_store(w, "st/1@srv1", 5);
	while (c->open > 0)
		run(w);
	assert_string_equal(w->heard, "sessions set it ");
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "sessions")), 1);
	own_store(w, "st/1@srv1", 5);
	settle(w);
	assert_string_equal(w->heard, "sessions set it ");
	console_end(c);
	settle(w);
	assert_string_equal(w->heard, "sessions set it session-end ");
	own_store(w, "st/1@srv1", 6);
	settle(w);
	assert_string_equal(w->heard, "sessions set it session-end sessions ");
	assert_int_equal(
	    json_array_size(json_object_get(w->fed, "sessions")), 0);
	ops[i] = NULL;
	world_free(w);
}

/* The owner hears who asks, and a commit has a name before it leaves. */
static void
calls_carry_who_and_txid(void **state)
{
	static const struct op_field args[] = {
	    {.name = "txid", .type = &op_type_name}, {0}};
	static const struct op op = {.name = "x", .args = args};
	const struct op_who who = {
	    .name = "ivanov", .session = "s", .from = "local"};
	json_t *p = call_params(&op, NULL, &who), *q;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(p, "who"), "name")),
	    "ivanov");
	assert_int_equal(strlen(json_string_value(json_object_get(
			     json_object_get(p, "args"), "txid"))),
	    32);
	json_decref(p);
	q = json_pack("{s:s}", "txid", "mine");
	p = call_params(&op, q, &who);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(p, "args"), "txid")),
	    "mine");
	json_decref(p);
	json_decref(q);
}

/* Names for completion come from replicas, by prefix, bounded. */
static void
names_are_completed(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct st_domain d;
	char stream[STREAM_NAME];

	(void)state;
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	publish(w, stream);
	assert_int_equal(
	    call(c, "complete",
		json_pack("{s:s, s:s}", "ref", "domain", "prefix", "a")),
	    0);
	assert_int_equal(json_array_size(c->result), 1);
	assert_int_equal(call(c, "complete",
			     json_pack("{s:s, s:s, s:s}", "ref", "user", "path",
				 "domain a.test", "prefix", "10")),
	    0);
	assert_int_equal(json_array_size(c->result), 2);
	assert_string_equal(
	    json_string_value(json_array_get(c->result, 0)), "101");
	assert_int_equal(
	    call(c, "complete",
		json_pack("{s:s, s:s, s:s, s:i}", "ref", "user", "path",
		    "domain a.test", "prefix", "", "limit", 1)),
	    0);
	assert_int_equal(json_array_size(c->result), 1);
	assert_int_equal(call(c, "complete",
			     json_pack("{s:s, s:s}", "ref", "user", "path",
				 "domain no.test")),
	    0);
	assert_int_equal(json_array_size(c->result), 0);
	assert_int_equal(
	    call(c, "complete", json_pack("{s:s}", "ref", "sheep")),
	    -ERR_UNKNOWN);
	assert_int_equal(call(c, "complete", NULL), -ERR_INVALID);
	world_free(w);
}

/* ---- tests: operations
 * ---------------------------------------------------------------------- */

/* A row for each process the supervisor told of. */
static void
roles_are_shown(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct role_status s = {
	    .name = "st/1", .pid = 42, .state = "ready", .restarts = 3};

	(void)state;
	s.since = clock_real() - 61 * CLOCK_SEC;
	frame.on_status(&w->self, &s);
	assert_int_equal(call(c, "show roles", NULL), 0);
	assert_int_equal(nrows(c), 1);
	assert_string_equal(col(c, 0, "instance"), "st/1");
	assert_string_equal(col(c, 0, "mode"), "passive");
	assert_int_equal(
	    json_integer_value(json_object_get(row(c, 0), "pid")), 42);
	assert_in_range(
	    json_integer_value(json_object_get(row(c, 0), "uptime")), 61, 90);
	assert_int_equal(call(c, "request role restart",
			     json_pack("{s:s}", "instance", "st/1")),
	    0);
	assert_string_equal(frame.restarted, "st/1");
	assert_int_equal(call(c, "request role restart",
			     json_pack("{s:s}", "instance", "mg/7")),
	    -ERR_ABSENT);
	world_free(w);
}

/* Domains, users and numbers come from replicas; users are joined with what
 * the registrar knows. */
static void
domains_are_shown(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct st_domain d;
	char stream[STREAM_NAME], sql[512];
	sqlite3 *location;

	(void)state;
	fix_set(w->fix, ST_SYSTEM, "domain a.test number 600", "service=echo");
	fix_commit(w->fix, ST_SYSTEM);
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	publish(w, stream);
	assert_int_equal(call(c, "show domains", NULL), 0);
	assert_string_equal(col(c, 0, "domain"), "a.test");
	/* no registrar yet: it is not known who is registered */
	assert_int_equal(
	    call(c, "show users", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_int_equal(nrows(c), 2);
	assert_true(json_is_null(json_object_get(row(c, 0), "registered")));
	sqlite3_open(":memory:", &location);
	snprintf(sql, sizeof sql,
	    "CREATE TABLE binding(domain TEXT, user TEXT, contact TEXT, "
	    "source TEXT, expires INTEGER, user_agent TEXT, updated INTEGER);"
	    "INSERT INTO binding VALUES('%s', '102', 'sip:102@192.0.2.7', "
	    "'192.0.2.7:5060;transport=tcp', %lld, 'Phone', 5)",
	    d.id, (long long)(clock_real() / CLOCK_SEC + 100));
	assert_int_equal(
	    sqlite3_exec(location, sql, NULL, NULL, NULL), SQLITE_OK);
	map_str_put(&w->fix->dbs, "location", location);
	publish(w, "location");
	settle(w);
	assert_int_equal(
	    call(c, "show users", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_true(json_is_false(json_object_get(row(c, 0), "registered")));
	assert_true(json_is_true(json_object_get(row(c, 1), "registered")));
	assert_true(json_is_true(json_object_get(row(c, 1), "password")));
	assert_int_equal(call(c, "show registrations", NULL), 0);
	assert_int_equal(nrows(c), 1);
	assert_string_equal(col(c, 0, "domain"), "a.test");
	assert_string_equal(col(c, 0, "source"), "192.0.2.7:5060");
	assert_string_equal(col(c, 0, "transport"), "tcp");
	assert_int_equal(
	    call(c, "show registrations",
		json_pack("{s:s, s:s}", "domain", "a.test", "user", "101")),
	    0);
	assert_int_equal(nrows(c), 0);
	assert_int_equal(
	    call(c, "show numbers", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_int_equal(nrows(c), 3);
	assert_string_equal(col(c, 2, "number"), "600");
	assert_string_equal(col(c, 2, "to"), "echo");
	world_free(w);
}

/* Call records: the youngest first, spans in seconds. */
static void
records_are_shown(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);
	struct st_domain d;
	char stream[STREAM_NAME];

	(void)state;
	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(stream, d.id);
	assert_int_equal(sqlite3_exec(fix_db(w->fix, stream),
			     "INSERT INTO cdr(id, domain, caller, called, "
			     "start, answer, end, code) VALUES"
			     "('a', 'd', '101', '102', 1000000, 4000000, "
			     "64000000, 200), ('b', 'd', '101', '103', "
			     "2000000, NULL, 3000000, 486)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	publish(w, stream);
	assert_int_equal(
	    call(c, "show cdr", json_pack("{s:s}", "domain", "a.test")), 0);
	assert_int_equal(nrows(c), 2);
	assert_string_equal(col(c, 0, "called"), "103");
	assert_true(json_is_null(json_object_get(row(c, 0), "talk")));
	assert_int_equal(
	    json_integer_value(json_object_get(row(c, 1), "talk")), 60);
	assert_int_equal(
	    json_integer_value(json_object_get(row(c, 1), "wait")), 3);
	world_free(w);
}

/* Counters of every process, our own among them. */
static void
processes_are_asked(void **state)
{
	struct world *w = world_new();
	struct console *c = connect_console(w, 0);

	(void)state;
	link_role(w, ROLE_SG, 1);
	assert_int_equal(call(c, "show statistics", NULL), 0);
	assert_true(nrows(c) > 3);
	assert_int_equal(call(c, "show servers", NULL), 0);
	assert_string_equal(col(c, 0, "inside"), "127.0.0.1");
	assert_int_equal(call(c, "show sessions", NULL), 0);
	assert_int_equal(nrows(c), 1);
	assert_true(json_is_true(json_object_get(row(c, 0), "own")));
	assert_int_equal(call(c, "show ownership", NULL), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(some_are_admitted),
	    cmocka_unit_test(a_stranger_hears_why),
	    cmocka_unit_test(sessions_are_bounded),
	    cmocka_unit_test(garbage_ends_a_session),
	    cmocka_unit_test(a_slow_console_is_closed),
	    cmocka_unit_test(arguments_are_bounded),
	    cmocka_unit_test(describe_tells_everything),
	    cmocka_unit_test(bad_requests_are_told),
	    cmocka_unit_test(placement_follows_the_site),
	    cmocka_unit_test(an_empty_site_places_nothing),
	    cmocka_unit_test(gates_are_fed),
	    cmocka_unit_test(one_domain_is_fed),
	    cmocka_unit_test(media_ports_are_shared_out),
	    cmocka_unit_test(the_store_hears_of_sessions),
	    cmocka_unit_test(calls_carry_who_and_txid),
	    cmocka_unit_test(names_are_completed),
	    cmocka_unit_test(roles_are_shown),
	    cmocka_unit_test(domains_are_shown),
	    cmocka_unit_test(records_are_shown),
	    cmocka_unit_test(processes_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
