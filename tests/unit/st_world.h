/*
 * A store that serves, for tests of it as a whole: the owner's process in
 * this one, over a stand-in for replication.
 */
#include "st_fixture.h"
#include "st_double.h"
#include "daemon/role/role.h"

extern const struct role st_role;

struct world {
	struct loop *loop;
	struct repl *repl;
	struct st *st;
	struct self self;
	uint64_t served; /* epoch that was told to serve */
	bool stopped;
	struct loop_timer *limit;
	/* the last answer */
	bool answered;
	struct err err;
	json_t *result, *data;
	unsigned open;	   /* calls not yet answered */
	struct op_who who; /* who asks; nobody: a site-admin */
	const char *name;  /* another one of theirs */
	bool keep;	   /* candidates, when the session ends */
};

static inline void
on_serving(void *arg, uint64_t epoch)
{
	struct world *w = arg;

	w->served = epoch;
	loop_stop(w->loop);
}

static inline void
on_stopped(void *arg)
{
	((struct world *)arg)->stopped = true;
}

/* Nothing here takes long: a test that waits for ever fails. */
static inline void
on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing happened within the limit");
}

static inline void
world_start(struct world *w)
{
	struct st_config c = {.loop = w->loop,
	    .repl = w->repl,
	    .owners = (struct owner_map *)w, /* not looked into */
	    .objs = obj_table,
	    .site = "demo",
	    .server = "srv1",
	    .inside = "127.0.0.1",
	    .port_base = 40000,
	    .on_serving = on_serving,
	    .on_stopped = on_stopped,
	    .arg = w};

	memcpy(c.key_auth, fix_key_auth, CRYPT_KEY);
	memcpy(c.key_certificate, fix_key_certificate, CRYPT_KEY);
	w->st = st_new(&c);
	w->self.state_of_role = w->st;
}

static inline void
world_run(struct world *w)
{
	loop_timer_set(w->limit, 10 * CLOCK_SEC);
	loop_run(w->loop);
	loop_timer_cancel(w->limit);
}

static inline void
world_own(struct world *w, uint64_t epoch)
{
	st_own(w->st, epoch);
	world_run(w);
	assert_int_equal(w->served, epoch);
	assert_true(st_is_serving(w->st));
}

static inline struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof *w);

	log_fd(open("/dev/null", O_WRONLY));
	op_use_objects(obj_table);
	w->loop = loop_new();
	w->limit = loop_timer_new(w->loop, on_limit, w);
	w->repl = double_new(w->loop);
	world_start(w);
	world_own(w, 1);
	return w;
}

static inline void
world_forget(struct world *w)
{
	json_decref(w->result);
	json_decref(w->data);
	w->result = w->data = NULL;
	w->answered = false;
	err_clear(&w->err);
}

static inline void
world_free(struct world *w)
{
	world_forget(w);
	st_free(&w->st);
	loop_timer_free(&w->limit);
	loop_free(&w->loop);
	double_free(w->repl);
	free(w);
}

/* The process dies here: what was not committed is lost. */
static inline void
world_crash(struct world *w)
{
	w->repl->crashed = true;
	st_free(&w->st);
	w->repl->crashed = false;
	w->repl->hold = false;
	w->repl->changes[0] = '\0';
	world_start(w);
}

static inline void
on_done(void *arg, struct op_call *call, const struct err *e)
{
	struct world *w = arg;

	world_forget(w);
	w->answered = true;
	w->open--;
	if (e != NULL)
		w->err = *e;
	else
		w->result = op_result(call);
	w->data = json_incref(call->err_data);
	if (w->open == 0)
		loop_stop(w->loop);
}

/* Start an operation as the frame of the role would. */
static inline void
ask(struct world *w, const char *session, const char *name, json_t *args)
{
	struct op_who who = {.name = "ivanov", .role = ADMIN_SITE};
	const struct op *const *op = st_role.ops;

	if (w->who.role != ADMIN_NOBODY)
		who = w->who;
	if (w->name != NULL)
		str_copy(who.name, sizeof who.name, w->name);
	who.keep = w->keep;
	str_copy(who.session, sizeof who.session, session);
	str_copy(who.from, sizeof who.from, "local");
	while (*op != NULL && strcmp((*op)->name, name) != 0)
		op++;
	assert_non_null(*op);
	w->open++;
	op_run(*op, args, &who, &w->self, on_done, w);
	json_decref(args);
}

/* ... and wait for the answer. */
static inline int
call(struct world *w, const char *session, const char *name, json_t *args)
{
	w->answered = false;
	ask(w, session, name, args);
	if (!w->answered)
		world_run(w);
	assert_true(w->answered);
	return -(int)w->err.code;
}

static inline json_t *
set_args(const char *path, json_t *values)
{
	return json_pack("{s:s, s:o}", "path", path, "values", values);
}

static inline void
set(struct world *w, const char *session, const char *path, json_t *values)
{
	if (call(w, session, "set", set_args(path, values)) != 0)
		fail_msg("set %s: %s", path, w->err.text);
}

static inline void
commit(struct world *w, const char *session)
{
	if (call(w, session, "commit", json_object()) != 0)
		fail_msg("commit: %s", w->err.text);
}

/* A domain with a user. */
static inline void
world_domain(struct world *w)
{
	set(w, "s0", "domain a.test", json_object());
	set(w, "s0", "domain a.test user 101",
	    json_pack("{s:s, s:s}", "name", "Alice", "password", "pw"));
	commit(w, "s0");
}

static inline json_t *
rows(struct world *w)
{
	return json_object_get(w->result, "data");
}
