/* A replicator in a process of its own, and links to it. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "world.h"
#include "daemon/base/log.h"

#define WORLD_LIMIT 60 /* seconds that an event may be waited for */

static void
world_die(const char *what)
{
	perror(what);
	abort();
}

void
world_make(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->segment = 4 << 20;
	w->control = -1;
	scratch_make(w->dir);
	snprintf(w->root, sizeof w->root, "%s/streams", w->dir);
	snprintf(w->log, sizeof w->log, "%s/log", w->dir);
	if (mkdir(w->root, 0770) != 0)
		world_die(w->root);
}

void
world_remove(struct world *w)
{
	if (w->replicator != 0)
		world_stop(w, SIGKILL);
	scratch_remove(w->dir);
}

pid_t
world_fork(int keep1, int keep2)
{
	int low = keep1 < keep2 ? keep1 : keep2;
	int high = keep1 < keep2 ? keep2 : keep1;
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) < 0)
		world_die("fork");
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (low > 3)
		close_range(3, (unsigned)low - 1, 0);
	if (low >= 3 && high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	if (low < 3 && high > 3)
		close_range(3, (unsigned)high - 1, 0);
	close_range(high >= 3 ? (unsigned)high + 1 : 3, ~0u, 0);
	return 0;
}

/* A socket comes over the control socket; its end is the world's end. */
static void
world_on_control(void *arg, int s, int events)
{
	struct replicator *r = arg;
	char who[OWNER_INSTANCE] = "";
	int fd = -1, n = 1;
	ssize_t len = sock_recv_fds(s, who, sizeof who - 1, &fd, &n);

	(void)events;
	if (len <= 0)
		_exit(0);
	if (n == 1)
		replicator_serve(r, fd, who);
}

/* A small disk for the log, seen by this process only. */
static void
world_small_disk(const struct world *w)
{
	char options[64], path[120];
	int fd;

	mkdir(w->log, 0700);
	snprintf(options, sizeof options, "size=%zu", w->small);
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", w->log, "tmpfs", 0, options) != 0)
		return;
	snprintf(path, sizeof path, "%s/ballast", w->log);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || fallocate(fd, 0, 0, (off_t)w->small - (8 << 20)) != 0)
		world_die(path);
	close(fd);
}

static void
world_replicator(const struct world *w, int control)
{
	struct replicator_config c = {.root = w->root,
	    .log = w->log,
	    .log_keep = w->keep,
	    .log_segment = w->segment,
	    .boot = w->boot};
	struct loop *loop = loop_new();
	struct replicator *r;
	struct err e;

	signal(SIGXFSZ, SIG_IGN);
	if (w->small != 0)
		world_small_disk(w);
	log_init("replicator/1", false);
	if (getenv("TEST_LOG") == NULL)
		log_fd(open("/dev/null", 1));
	if (replicator_open(loop, &c, &r, &e) != 0) {
		fprintf(stderr, "replicator: %s\n", e.text);
		_exit(1);
	}
	loop_fd_open(loop, control, LOOP_READ, world_on_control, r);
	loop_run(loop);
	_exit(0);
}

void
world_start(struct world *w)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) != 0)
		world_die("socketpair");
	if ((w->replicator = world_fork(s[1], -1)) == 0)
		world_replicator(w, s[1]);
	close(s[1]);
	w->control = s[0];
}

void
world_stop(struct world *w, int signo)
{
	if (signo != 0)
		kill(w->replicator, signo);
	close(w->control);
	waitpid(w->replicator, NULL, 0);
	w->replicator = 0;
	w->control = -1;
}

int
world_link_by(int control, const char *who)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) != 0)
		world_die("socketpair");
	if (sock_send_fds(control, who, strlen(who) + 1, &s[1], 1) < 0)
		world_die("link");
	close(s[1]);
	return s[0];
}

int
world_link(struct world *w, const char *who)
{
	return world_link_by(w->control, who);
}

/* ---- waiting ------------------------------------------------------------ */

struct world_wait {
	struct loop *loop;
	const int *done;
	struct loop_timer *poll;
	unsigned left;
};

/* What is waited for is set by callbacks; looked at every millisecond. */
static void
world_on_poll(void *arg)
{
	struct world_wait *w = arg;

	if (*w->done != 0) {
		loop_stop(w->loop);
		return;
	}
	if (w->left-- == 0) {
		fprintf(stderr, "waited for %d s in vain\n", WORLD_LIMIT);
		abort();
	}
	loop_timer_set(w->poll, 1000);
}

void
world_run(struct loop *loop, const int *done)
{
	struct world_wait w = {loop, done, NULL, WORLD_LIMIT * 1000};

	w.poll = loop_timer_new(loop, world_on_poll, &w);
	loop_timer_set(w.poll, 0);
	loop_run(loop);
	loop_timer_free(&w.poll);
}

static void
world_on_passed(void *arg)
{
	loop_stop(arg);
}

void
world_pass(struct loop *loop, uint64_t us)
{
	struct loop_timer *t = loop_timer_new(loop, world_on_passed, loop);

	loop_timer_set(t, us);
	loop_run(loop);
	loop_timer_free(&t);
}

struct world_open {
	int done;
	struct err e;
};

static void
world_on_ready(void *arg, struct stream *s, const struct err *e)
{
	struct world_open *o = arg;

	(void)s;
	if (e != NULL)
		o->e = *e;
	o->done = 1;
}

struct stream *
world_stream(struct repl *repl, struct loop *loop, const char *name,
    uint64_t epoch, const char *schema, unsigned page_size)
{
	struct world_open o = {0};
	struct stream_config c = {.name = name,
	    .epoch = epoch,
	    .page_size = page_size,
	    .schema = schema,
	    .on_ready = world_on_ready,
	    .arg = &o};
	struct stream *s;
	struct err e;

	if (stream_open(repl, &c, &s, &e) != 0) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	world_run(loop, &o.done);
	if (o.e.code != ERR_NONE) {
		fprintf(stderr, "%s\n", o.e.text);
		abort();
	}
	return s;
}

static void
world_on_settled(void *arg, const struct err *e)
{
	*(int *)arg = e == NULL ? 1 : -1;
}

void
world_settle(struct loop *loop, struct stream *s)
{
	struct stream_ack a = {.fn = world_on_settled};
	int done = 0;

	a.arg = &done;
	stream_on_ack(s, &a);
	world_run(loop, &done);
	if (done != 1)
		abort();
}
