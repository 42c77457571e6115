/*
 * One process: started by executing our own program anew (fresh addresses,
 * no inherited heap, its own user when we are root), watched, stopped, and
 * started again after a pause that grows while it dies young.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

#define CHILD_PATIENCE (5 * CLOCK_SEC) /* for an orderly stop */
#define CHILD_GROWN (10 * CLOCK_SEC)   /* a life this long is no early death */
#define CHILD_BACKOFF_MAX (10 * CLOCK_SEC)
#define CHILD_BURST 64	      /* messages of it in a turn */
#define CHILD_QUEUE (1 << 20) /* bytes of messages it has not read yet */

bool
child_alive(const struct child *c)
{
	return c->pid != 0;
}

const char *
child_state_word(enum child_state s)
{
	static const char *const words[] = {
	    "stopped", "starting", "ready", "stopping", "backing-off"};

	return words[s];
}

uint64_t
child_backoff(unsigned failures)
{
	uint64_t us = 100 * CLOCK_MS;

	if (failures == 0)
		return 0;
	while (--failures > 0 && us < CHILD_BACKOFF_MAX)
		us *= 2;
	return us < CHILD_BACKOFF_MAX ? us : CHILD_BACKOFF_MAX;
}

static void
child_set_state(struct child *c, enum child_state s)
{
	c->state = s;
	supervisor_on_child(c);
}

void
child_tell(struct child *c, const struct role_msg *m, const int *fds, int n)
{
	if (c->fd < 0)
		return;
	if (sock_send_fds(c->fd, m, sizeof *m, fds, n) < 0)
		log_warn("role=%s message %d", c->name, m->type);
}

/* Become the user of the role; only root can and must. Control also gets the
 * group of the console's users, to whom it gives its socket. */
static void
child_drop_rights(const struct child *c)
{
	const struct passwd *pw;
	gid_t group;
	size_t n;

	if (geteuid() != 0)
		return;
	n = c->role == ROLE_CONTROL &&
	    supervisor_control_group(&c->sup->conf, &group);
	pw = getpwnam(role_rows[c->role].user);
	if (pw == NULL)
		fatalx("user %s: absent; `make install` makes it",
		    role_rows[c->role].user);
	if (setgroups(n, &group) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0)
		fatal("user %s", pw->pw_name);
}

/* Only quorum keeps the supervisor's priority (supervisor_hurry), and the
 * replicator, for which everything that is acknowledged waits and which needs
 * little, a part of it: it goes before others of its class. */
static void
child_calm_down(const struct child *c)
{
	const struct sched_param p = {.sched_priority = 0};

	if (c->role == ROLE_QUORUM)
		return;
	errno = 0;
	if (sched_setscheduler(0, SCHED_OTHER, &p) != 0 ||
	    (c->role != ROLE_REPLICATOR && nice(c->sup->nice) == -1 &&
		errno != 0))
		fatal("priority");
}

/*
 * Ask for large pages under the heap, where the kernel gives them to those who
 * ask. What nta and ng must remember of a call for half a minute is 50 KiB; in
 * small pages its first touch costs more than many a step of the call. Who
 * has set tunables keeps them.
 */
static void
child_want_large_pages(void)
{
	if (setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0) != 0)
		fatal("environment");
}

/* In the new process: our end at descriptor 3, then the program anew. */
static void
child_exec(const struct child *c, int end)
{
	char name[ROLE_NAME];
	char *argv[] = {(char[]){"tandemd"}, (char[]){"-r"}, name, NULL};
	sigset_t none;

	str_copy(name, sizeof name, c->name);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(end, ROLE_SUPERVISOR_FD) < 0)
		fatal("descriptor %d", ROLE_SUPERVISOR_FD);
	child_calm_down(c);
	child_drop_rights(c);
	child_want_large_pages();
	umask(0007);
	fexecve(c->sup->binary, argv, environ);
	fatal("execute anew");
}

/* Everything the process must know about its server. */
static void
child_tell_start(struct child *c)
{
	const struct conf *conf = &c->sup->conf;
	const struct keys *k = &c->sup->keys;
	unsigned may = role_rows[c->role].keys;
	struct role_msg m = {.type = ROLE_MSG_START};
	struct role_msg_start *s = &m.u.start;
	int fds[2] = {owner_map_fd(c->sup->owners), c->owners_fd};

	str_copy(s->server, sizeof s->server, conf->server);
	str_copy(s->site, sizeof s->site, conf->site);
	str_copy(s->state, sizeof s->state, conf->state);
	snprintf(s->root, sizeof s->root, "%.200s/streams", conf->state);
	str_copy(s->control_path, sizeof s->control_path, conf->control_path);
	str_copy(
	    s->control_group, sizeof s->control_group, conf->control_group);
	s->inside = conf->inside;
	s->port_base = conf->port_base;
	s->boot_uid = c->sup->boot_uid;
	s->debug = conf->debug;
	s->witness = conf->witness;
	s->epoch = c->sup->epoch;
	s->history_days = conf->history_days;
	s->history_mib = conf->history_mib;
	s->trace_mib = conf->trace_mib;
	supervisor_rings(conf, s->rings, sizeof s->rings);
	if (may & KEY_SITE)
		memcpy(s->key_site, k->site, CRYPT_KEY);
	if (may & KEY_AUTH)
		memcpy(s->key_auth, k->auth, CRYPT_KEY);
	if (may & KEY_CERTIFICATE)
		memcpy(s->key_certificate, k->certificate, CRYPT_KEY);
	child_tell(c, &m, fds, 2);
	explicit_bzero(&m, sizeof m);
}

/* Who this server is towards others, in memory that no path leads to. */
static void
child_tell_identity(struct child *c)
{
	const char *text = c->sup->identity.pem;
	struct role_msg m = {.type = ROLE_MSG_IDENTITY};
	size_t n;
	int fd;

	if ((role_rows[c->role].keys & KEY_LINK) == 0)
		return;
	n = strlen(text);
	fd = memfd_create("identity", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
		fatal("role=%s identity", c->name);
	child_tell(c, &m, &fd, 1);
	close(fd);
}

/* It says why it cannot start: the first time that is news. */
static void
child_failed(struct child *c, const struct role_msg *m)
{
	if (c->why[0] == '\0') {
		c->failing = clock_real();
		log_warnx(
		    "alarm=start subject=%s %.*s", c->name, ROLE_WHY, m->u.why);
	}
	str_ncopy(c->why, sizeof c->why, m->u.why,
	    strnlen(m->u.why, sizeof m->u.why));
}

/* It has started after all. */
static void
child_recovered(struct child *c)
{
	if (c->why[0] != '\0')
		log_info("alarm=start subject=%s is over", c->name);
	c->why[0] = '\0';
}

/* The words of one that is dead, if it could not start. */
static void
child_last_words(struct child *c)
{
	struct role_msg m;

	while (recv(c->fd, &m, sizeof m, MSG_DONTWAIT) == sizeof m) {
		if (m.type == ROLE_MSG_FAILED)
			child_failed(c, &m);
	}
}

static void
child_on_message(struct child *c, const struct role_msg *m)
{
	bool ready = m->type == ROLE_MSG_READY && c->state == CHILD_STARTING;

	if (m->type == ROLE_MSG_FAILED) {
		child_failed(c, m);
		return;
	}
	if (ready) {
		c->state = CHILD_READY;
		child_recovered(c);
	}
	supervisor_on_message(c, m);
	if (ready)
		supervisor_on_child(c);
}

/* What the process says, some of it at a time: a decision of quorum is many
 * messages and one piece of news. Its end of the socket closes before it is
 * reaped. */
static void
child_on_io(void *arg, int fd, int events)
{
	struct child *c = arg;
	struct role_msg m;
	unsigned i;
	ssize_t n;

	(void)events;
	for (i = 0; i < CHILD_BURST && c->fd == fd; i++) {
		n = recv(fd, &m, sizeof m, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != sizeof m) {
			loop_fd_want(c->io, 0); /* SIGCHLD tells the end */
			return;
		}
		child_on_message(c, &m);
	}
}

void
child_start(struct child *c)
{
	int ends[2], room = CHILD_QUEUE;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0 ||
	    (c->owners_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		fatal("role=%s", c->name);
	if ((pid = fork()) < 0)
		fatal("fork");
	if (pid == 0)
		child_exec(c, ends[1]);
	close(ends[1]);
	c->pid = pid;
	c->fd = ends[0];
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	sock_nonblock(c->fd);
	c->since = clock_real();
	c->mono = clock_mono();
	c->starts++;
	c->io = loop_fd_open(c->sup->loop, c->fd, LOOP_READ, child_on_io, c);
	child_tell_start(c);
	child_tell_identity(c);
	link_child(c);
	fault_tell(c);
	child_set_state(c, CHILD_STARTING);
}

/* The pause is over, or the patience of a stop. */
static void
child_on_timer(void *arg)
{
	struct child *c = arg;

	if (c->state == CHILD_STOPPING) {
		log_warnx("role=%s does not stop: killed", c->name);
		kill(c->pid, SIGKILL);
	} else if (c->state == CHILD_BACKOFF && c->wanted) {
		child_start(c);
	}
}

static void
child_set_timer(struct child *c, uint64_t us)
{
	if (c->timer == NULL)
		c->timer = loop_timer_new(c->sup->loop, child_on_timer, c);
	loop_timer_set(c->timer, us);
}

void
child_stop(struct child *c)
{
	struct role_msg m = {.type = ROLE_MSG_STOP};

	if (c->state == CHILD_STOPPING || c->state == CHILD_STOPPED)
		return;
	if (!child_alive(c)) {
		child_recovered(c);
		loop_timer_cancel(c->timer);
		child_set_state(c, CHILD_STOPPED);
		return;
	}
	child_tell(c, &m, NULL, 0);
	child_set_timer(c, CHILD_PATIENCE);
	child_set_state(c, CHILD_STOPPING);
}

void
child_kill(struct child *c)
{
	c->fenced = true;
	kill(c->pid, SIGKILL);
}

static void
child_log_exit(const struct child *c, int status)
{
	if (WIFSIGNALED(status))
		log_warnx("role=%s pid=%d killed by signal %d", c->name,
		    (int)c->pid, WTERMSIG(status));
	else if (c->state != CHILD_STOPPING || WEXITSTATUS(status) != 0)
		log_warnx("role=%s pid=%d exit status %d", c->name, (int)c->pid,
		    WEXITSTATUS(status));
	else
		log_debug("role=%s pid=%d stopped", c->name, (int)c->pid);
}

/* The first death is forgiven: it is restarted at once. But a start takes the
 * processor for longer than a takeover does, so where another instance is
 * ready that has it first; one that was asked to go, too. */
uint64_t
child_pause(const struct child *c)
{
	const struct child *all = c->sup->child[c->role];
	uint64_t pause = child_backoff(c->failures > 0 ? c->failures - 1 : 0);
	uint64_t least = fault_pause(c->sup);
	bool successor = false;
	unsigned i;

	for (i = 1; i <= ROLE_INSTANCES; i++)
		successor |= all[i].state == CHILD_READY;
	if (successor && role_rows[c->role].mode == ROLE_PASSIVE &&
	    least < ROLE_YIELD)
		least = ROLE_YIELD;
	return pause > least ? pause : least;
}

void
child_on_exit(struct child *c, int status)
{
	bool asked = c->state == CHILD_STOPPING || c->fenced;

	child_log_exit(c, status);
	child_last_words(c);
	loop_fd_close(&c->io);
	close(c->fd);
	close(c->owners_fd);
	c->fd = c->owners_fd = -1;
	c->pid = 0;
	c->asked = 0;
	c->fenced = false;
	if (c->timer != NULL)
		loop_timer_cancel(c->timer);
	if (asked || clock_mono() - c->mono > CHILD_GROWN)
		c->failures = 0;
	else
		c->failures++;
	if (!c->wanted) {
		child_recovered(c);
		child_set_state(c, CHILD_STOPPED);
		return;
	}
	child_set_state(c, CHILD_BACKOFF);
	child_set_timer(c, child_pause(c));
}
