/*
 * Control with consoles on its socket, over stand-ins for the frame of
 * processes and for replication: what tests of control share.
 */
#include "st_fixture.h"
#include "st_double.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/sock.h"
#include "daemon/control/control.h"
#include "daemon/role/role_wire.h"

extern const struct role control_role;

/* ---- a process of somebody else ------------------------------------------ */

static const char describe[] __attribute__((
    unused)) = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"describe\"}\n";

/* In a child: who is root becomes nobody. */
static inline void
be_nobody(void)
{
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) != 0 || setgid(65534) != 0 ||
		setuid(65534) != 0))
		_exit(2);
}

/* ---- the frame of processes, as far as control needs it ----------------- */

static struct frame {
	struct peer peers[8];
	struct rpc *far[8]; /* the other ends of their links */
	size_t npeers;
	struct owner owner; /* of st */
	role_status_fn *on_status;
	role_faulted_fn *on_faulted;
	struct role_fault fault; /* that was asked for last */
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
role_place(struct self *self, enum role_id id, unsigned count, bool elsewhere)
{
	(void)elsewhere;
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
role_fault(struct self *self, const struct role_fault *f)
{
	(void)self;
	frame.fault = *f;
}

void
role_on_faulted(struct self *self, role_faulted_fn *fn)
{
	(void)self;
	frame.on_faulted = fn;
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

/* ---- a world ------------------------------------------------------------ */

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

static inline void
on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing happened within the limit");
}

static inline void
run(struct world *w)
{
	loop_timer_set(w->limit, 20 * CLOCK_SEC);
	loop_run(w->loop);
	loop_timer_cancel(w->limit);
}

/* What is ready now; a few times, for what follows from it. */
static inline void
settle(struct world *w)
{
	int i;

	for (i = 0; i < 20; i++) {
		loop_timer_set(w->turn, 500);
		run(w);
	}
}

/* A stream of the fixture becomes a file that readers can open. */
static inline void
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

static inline const char *
stream_of(struct world *w, char out[STREAM_NAME])
{
	struct st_domain d;

	st_view_domain(&w->fix->view, NULL, "a.test", &d, NULL);
	st_domain_stream(out, d.id);
	return out;
}

/* Many users of a.test, whose numbers begin at 1000000. */
static inline void
crowd(struct world *w, int n)
{
	char stream[STREAM_NAME], sql[512];

	snprintf(sql, sizeof sql,
	    "INSERT INTO user(user, name) WITH RECURSIVE i(n) AS (SELECT 0 "
	    "UNION ALL SELECT n + 1 FROM i WHERE n < %d) "
	    "SELECT printf('%%d', 1000000 + n), 'Number ' || n FROM i",
	    n - 1);
	assert_int_equal(sqlite3_exec(fix_db(w->fix, stream_of(w, stream)), sql,
			     NULL, NULL, NULL),
	    SQLITE_OK);
	publish(w, stream);
}

/* An operation of other processes, of which none runs here. */
static const struct op_field far_args[] = {
    {.name = "domain", .type = &op_type_ref, .ref = "domain"},
    {.name = "instance", .type = &op_type_instance},
    {0},
};
static const struct op far_op = {
    .name = "show far calls",
    .where = OP_EACH,
    .role = ROLE_B2BUA,
    .brief = "calls of others",
    .args = far_args,
};

/* What a list holds is told who may run it. */
static const struct op insert_op = {
    .name = "insert",
    .kind = OP_CONFIG,
    .access = OP_ADMIN,
    .where = OP_OWNER,
    .role = ROLE_ST,
    .brief = "values of a list",
};

static inline struct world *
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
	ops[i++] = &far_op;
	ops[i] = &insert_op;
	w->table.ops = ops;
	w->table.objs = obj_table;
	w->self.loop = w->loop;
	w->self.repl = double_new(w->loop);
	w->self.table = &w->table;
	str_copy(w->self.state, sizeof w->self.state, w->self.repl->root);
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

static inline struct world *
world_new(void)
{
	return world_make(false);
}

static inline void
console_end(struct console *c)
{
	rpc_close(&c->rpc);
	json_decref(c->result);
	json_decref(c->data);
	c->result = c->data = NULL;
}

static inline void
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

/* ---- consoles ----------------------------------------------------------- */

static inline void
on_console_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct console *c = arg;

	(void)rpc;
	c->closed = true;
	c->why = *why;
	rpc_close(&c->rpc);
	loop_stop(c->world->loop);
}

static inline struct console *
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

static inline void
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

static inline void
send_call(struct console *c, const char *method, json_t *params)
{
	c->open++;
	rpc_call(c->rpc, method, params, 0, on_result, c);
}

static inline int
call(struct console *c, const char *method, json_t *params)
{
	send_call(c, method, params);
	while (c->open > 0)
		run(c->world);
	return -(int)c->err.code;
}

static inline json_t *
row(struct console *c, size_t i)
{
	return json_array_get(json_object_get(c->result, "data"), i);
}

static inline const char *
col(struct console *c, size_t i, const char *name)
{
	return json_string_value(json_object_get(row(c, i), name));
}

static inline size_t
nrows(struct console *c)
{
	return json_array_size(json_object_get(c->result, "data"));
}

/* ---- roles -------------------------------------------------------------- */

static inline void
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

static inline void
on_role_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	(void)arg;
	(void)why;
	rpc_close(&rpc);
}

/* A fake process and the link to it. */
static inline struct peer *
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

static inline void
own_store(struct world *w, const char *instance, uint64_t epoch)
{
	str_copy(frame.owner.key, sizeof frame.owner.key, "st");
	str_copy(frame.owner.instance, sizeof frame.owner.instance, instance);
	frame.owner.epoch = epoch;
	frame.owner.state = OWNER_SERVING;
	control_role.on_owners(&w->self);
}

/* The console that came last as a member of the control group called so. The
 * tests run as somebody whose rights cannot be taken, so that is taken first.
 */
static inline struct session *
become(struct world *w, const char *name)
{
	struct control *c = w->self.state_of_role;
	struct session *s;

	settle(w);
	s = TAILQ_LAST(&c->sessions, sessions);
	s->who.fixed = false;
	str_copy(s->who.name, sizeof s->who.name, name);
	session_rights(c);
	return s;
}
