/*
 * The owner of the store killed again and again while it commits, over real
 * streams and a real replicator: nothing that was answered is lost, no commit
 * is ever half there, and a commit asked again by its txid is not done twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/role/role.h"
#include "daemon/st/st.h"
#include "tests/lib/scratch.h"
#include "tests/lib/world.h"

#define KILLS 40

extern const struct role st_role;

/* ---- the owner's process ------------------------------------------------ */

struct store {
	struct loop *loop;
	struct st *st;
	struct self self;
	int out;      /* numbers of commits that were answered */
	int64_t next; /* the commit that is being made */
	unsigned open;
};

static void owner_commit(struct store *);

static int64_t
owner_number(struct store *o, const char *stream, const char *sql)
{
	sqlite3_stmt *s = st_sql(o->st->view.db(o->st, stream), NULL, sql, "");
	int64_t n = -1;

	if (s != NULL && sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

static void
owner_die(const char *words)
{
	fprintf(stderr, "owner: %s\n", words);
	_exit(1);
}

static void
owner_ask(struct store *o, const char *name, json_t *args, op_done_fn *fn)
{
	struct op_who who = {.name = "test",
	    .role = ADMIN_SITE,
	    .session = "s1",
	    .from = "local"};
	const struct op *const *op = st_role.ops;

	while (strcmp((*op)->name, name) != 0)
		op++;
	o->open++;
	op_run(*op, args, &who, &o->self, fn, o);
	json_decref(args);
}

static void
owner_on_set(void *arg, struct op_call *call, const struct err *e)
{
	(void)call;
	if (e != NULL)
		owner_die(e->text);
	((struct store *)arg)->open--;
}

static void
owner_on_commit(void *arg, struct op_call *call, const struct err *e)
{
	struct store *o = arg;

	(void)call;
	if (e != NULL)
		owner_die(e->text);
	o->open--;
	if (write(o->out, &o->next, sizeof o->next) != sizeof o->next)
		owner_die("nobody listens");
	o->next++;
	owner_commit(o);
}

/* Commit n: user n in two domains, and n in the directory and in the site. */
static void
owner_commit(struct store *o)
{
	char path[64], text[32], txid[33];
	int i;

	snprintf(text, sizeof text, "%lld", (long long)o->next);
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "domain %c.test", 'a' + i);
		owner_ask(o, "set",
		    json_pack("{s:s, s:{s:s}}", "path", path, "values",
			"description", text),
		    owner_on_set);
		snprintf(path, sizeof path, "domain %c.test user %lld", 'a' + i,
		    (long long)o->next);
		owner_ask(o, "set",
		    json_pack(
			"{s:s, s:{s:s}}", "path", path, "values", "name", text),
		    owner_on_set);
	}
	owner_ask(o, "set",
	    json_pack("{s:s, s:{s:s}}", "path", "server srv1", "values",
		"description", text),
	    owner_on_set);
	snprintf(txid, sizeof txid, "t%lld", (long long)o->next);
	owner_ask(
	    o, "commit", json_pack("{s:s}", "txid", txid), owner_on_commit);
}

/* Every stream must tell of the same last commit, and of each before it. */
static void
owner_verify(struct store *o, void (*then)(void *, const struct err *))
{
	struct st_hold *h = st_hold_new(o->st, then, o);
	struct st_domain d;
	char stream[STREAM_NAME];
	int i;

	for (i = 0; i < 2; i++) {
		if (st_view_domain(&o->st->view, NULL,
			i == 0 ? "a.test" : "b.test", &d, NULL) != 0)
			continue;
		st_domain_stream(stream, d.id);
		st_hold_add(h, stream, ST_DOMAIN);
	}
	st_hold_go(h);
}

static void
owner_on_verified(void *arg, const struct err *e)
{
	struct store *o = arg;
	int64_t last = owner_number(
	    o, "site/demo", "SELECT coalesce(description, 0) FROM server");
	struct st_domain d;
	char stream[STREAM_NAME];
	int i;

	if (e != NULL)
		owner_die(e->text);
	if (owner_number(o, "commit",
		"SELECT count(*) FROM revision WHERE applied = 0 AND rev < "
		"(SELECT max(rev) FROM revision)") != 0)
		owner_die("a revision is still pending");
	for (i = 0; last > 0 && i < 2; i++) {
		if (st_view_domain(&o->st->view, NULL,
			i == 0 ? "a.test" : "b.test", &d, NULL) != 0)
			owner_die("a domain is missing");
		st_domain_stream(stream, d.id);
		if (owner_number(o, stream, "SELECT count(*) FROM user") !=
			last ||
		    owner_number(o, stream,
			"SELECT max(CAST(name AS INTEGER)) FROM user") != last)
			owner_die("users of a half commit");
	}
	if (last > 0 &&
	    owner_number(o, ST_ROOT_STREAM,
		"SELECT count(DISTINCT description) FROM domain") != 1)
		owner_die("directory of a half commit");
	/* what was answered before us is there; the next one may be, too */
	if (last < o->next - 1 || last > o->next)
		owner_die("an answered commit is lost");
	owner_commit(o);
}

static void
owner_on_serving(void *arg, uint64_t epoch)
{
	(void)epoch;
	owner_verify(arg, owner_on_verified);
}

/* An owner that verifies what it finds, then commits until it is killed. */
static void
owner_main(struct world *w, int out, uint64_t epoch, int64_t next)
{
	struct store *o = calloc(1, sizeof *o);
	struct st_config c = {.objs = obj_table,
	    .site = "demo",
	    .server = "srv1",
	    .inside = "127.0.0.1",
	    .port_base = 40000,
	    .on_serving = owner_on_serving,
	    .arg = o};

	log_init("st/1", false);
	if (getenv("TEST_LOG") == NULL)
		log_fd(open("/dev/null", O_WRONLY));
	op_use_objects(obj_table);
	o->loop = c.loop = loop_new();
	o->out = out;
	o->next = next;
	c.repl = repl_new(o->loop, w->root);
	repl_link(c.repl, world_link_by(w->control, "st/1"));
	o->st = st_new(&c);
	o->self.state_of_role = o->st;
	st_own(o->st, epoch);
	loop_run(o->loop);
	_exit(0);
}

/* ---- the test ----------------------------------------------------------- */

/* Read answers until one is at least want; the last one read. */
static int64_t
read_answers(int fd, int64_t want, int64_t last)
{
	int64_t n;
	ssize_t got;

	while (last < want) {
		got = read(fd, &n, sizeof n);
		if (got != sizeof n)
			fail_msg("the owner ended by itself");
		assert_int_equal(n, last + 1);
		last = n;
	}
	return last;
}

/* What was answered before the owner died, and not read yet. */
static int64_t
drain_answers(int fd, int64_t last)
{
	int64_t n;

	while (read(fd, &n, sizeof n) == sizeof n) {
		assert_int_equal(n, last + 1);
		last = n;
	}
	return last;
}

static void
no_answered_commit_is_lost(void **state)
{
	struct world w;
	int64_t last = 0;
	uint64_t epoch;
	unsigned wait;
	int fds[2], status;
	pid_t pid;

	(void)state;
	world_make(&w);
	world_start(&w);
	for (epoch = 1; epoch <= KILLS; epoch++) {
		assert_int_equal(pipe(fds), 0);
		if ((pid = world_fork(fds[1], w.control)) == 0)
			owner_main(&w, fds[1], epoch, last + 1);
		close(fds[1]);
		/* somewhere inside a commit, at another place each time */
		last = read_answers(fds[0], last + 3, last);
		rand_bytes(&wait, sizeof wait);
		usleep(wait % 4000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status))
			fail_msg("the owner ended by itself: %d", status);
		last = drain_answers(fds[0], last);
		close(fds[0]);
	}
	print_message("%d owners killed, %lld commits answered\n", KILLS,
	    (long long)last);
	world_remove(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_answered_commit_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
