/*
 * The supervisor of a server.
 * Does: starts, watches and stops the processes; hands them descriptors and
 *   keys; does what quorum decides about ownerships and writes the owner map.
 * Never: reads a byte that came from outside, opens a stream, speaks SIP.
 * Talks to: its children, over SEQPACKET sockets (role_wire.h).
 * Keeps: the class keys (<state>/keys), who this server is among others
 *   (<state>/tls) and a lock on the state directory.
 * On crash: every process of the server ends with it (role_main.c); the next
 *   start goes on from the streams with a higher epoch.
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
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "identity.h"
#include "supervisor.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The order of an orderly stop: what faces the outside goes first. */
static const enum role_id supervisor_stop_order[] = {ROLE_WS, ROLE_SG,
    ROLE_B2BUA, ROLE_MGC, ROLE_MG, ROLE_SR, ROLE_CONTROL, ROLE_ST, ROLE_QUORUM,
    ROLE_REPLICATOR};

/* ---- processes ---------------------------------------------------------- */

struct child *
supervisor_next(struct supervisor *s, unsigned *at)
{
	unsigned i = (*at)++;

	return i < ROLE_MAX * ROLE_INSTANCES
	    ? &s->child[i / ROLE_INSTANCES][i % ROLE_INSTANCES + 1]
	    : NULL;
}

struct child *
supervisor_child(struct supervisor *s, pid_t pid)
{
	struct child *c;
	unsigned at = 0;

	while (pid != 0 && (c = supervisor_next(s, &at)) != NULL) {
		if (c->pid == pid)
			return c;
	}
	return NULL;
}

/* ---- events ------------------------------------------------------------- */

/* What quorum is told. It takes work from whoever is not ready: a process
 * that stops in order keeps its own until its end; when the whole server
 * stops, others get the work before the first process here ends. */
static const char *
supervisor_state_told(const struct child *c)
{
	if (c->sup->stopping && child_alive(c))
		return child_state_word(CHILD_STOPPING);
	if (c->state == CHILD_STOPPING && owners_has(c))
		return child_state_word(CHILD_READY);
	return child_state_word(c->state);
}

/* Tell control or quorum how a process is. */
static void
supervisor_tell_status(const struct child *c, struct child *to)
{
	struct role_msg m = {.type = ROLE_MSG_STATUS};

	if (!child_alive(to))
		return;
	str_copy(m.u.status.name, sizeof m.u.status.name, c->name);
	str_copy(m.u.status.state, sizeof m.u.status.state,
	    to->role == ROLE_CONTROL ? child_state_word(c->state)
				     : supervisor_state_told(c));
	m.u.status.pid = c->pid;
	m.u.status.since = c->since;
	str_copy(m.u.status.why, sizeof m.u.status.why, c->why);
	m.u.status.failing = c->failing;
	m.u.status.restarts = c->starts > 0 ? (uint32_t)(c->starts - 1) : 0;
	child_tell(to, &m, NULL, 0);
}

static void
supervisor_tell_all_status(struct supervisor *s, struct child *to)
{
	const struct child *c;
	unsigned at = 0;

	while ((c = supervisor_next(s, &at)) != NULL) {
		if (c->starts > 0)
			supervisor_tell_status(c, to);
	}
}

static void
supervisor_tell_place(struct supervisor *s, enum role_id role)
{
	struct role_msg m = {.type = ROLE_MSG_PLACE};
	struct child *quorum = &s->child[ROLE_QUORUM][1];

	m.u.place.role = role;
	m.u.place.count = s->place[role].count;
	if (s->place[role].told && child_alive(quorum))
		child_tell(quorum, &m, NULL, 0);
}

static void
supervisor_tell_places(struct supervisor *s)
{
	unsigned role;

	for (role = 0; role < ROLE_MAX; role++)
		supervisor_tell_place(s, (enum role_id)role);
}

/* One that has just been started hears of all, the others of the one that
 * changed. */
static void
supervisor_tell(struct child *c)
{
	struct supervisor *s = c->sup;
	struct child *listener[] = {
	    &s->child[ROLE_CONTROL][1], &s->child[ROLE_QUORUM][1]};
	size_t i;

	for (i = 0; i < sizeof listener / sizeof listener[0]; i++) {
		if (c != listener[i] || c->state != CHILD_STARTING)
			supervisor_tell_status(c, listener[i]);
		else
			supervisor_tell_all_status(s, c);
	}
	if (c == listener[1] && c->state == CHILD_STARTING) {
		owners_tell_serving(s, c);
		supervisor_tell_places(s);
	}
}

/* Stop the next group of processes that is alive; the end when none is. */
static void
supervisor_stop_next(struct supervisor *s)
{
	size_t n = sizeof supervisor_stop_order / sizeof(enum role_id), k;
	unsigned i, alive;
	struct child *c;

	for (k = 0; k < n; k++) {
		for (i = 1, alive = 0; i <= ROLE_INSTANCES; i++) {
			c = &s->child[supervisor_stop_order[k]][i];
			c->wanted = false;
			if (child_alive(c)) {
				alive++;
				child_stop(c);
			}
		}
		if (alive > 0)
			return;
	}
	loop_stop(s->loop);
}

/* Say once that all that shall run is ready: scripts wait for the line. */
static void
supervisor_say_ready(struct supervisor *s)
{
	bool all = s->started && !s->stopping;
	const struct child *c;
	unsigned at = 0;

	while ((c = supervisor_next(s, &at)) != NULL)
		all &= !c->wanted || c->state == CHILD_READY;
	if (all && !s->complete)
		log_info("all processes ready");
	s->complete = all;
}

void
supervisor_on_child(struct child *c)
{
	struct supervisor *s = c->sup;

	owners_publish_child(c);
	supervisor_tell(c);
	if (!child_alive(c))
		owners_forget(c);
	owners_wake(s);
	supervisor_say_ready(s);
	if (s->stopping && !child_alive(c))
		supervisor_stop_next(s);
}

bool
supervisor_keeps(const struct child *c)
{
	const struct supervisor *s = c->sup;

	return c->index <= s->place[c->role].count ||
	    (role_rows[c->role].mode == ROLE_PASSIVE &&
		s->place[c->role].count == 0 && s->place[c->role].elsewhere &&
		c->wanted && owners_has(c));
}

/* Bring the number of instances of a role to count. */
static void
supervisor_place(struct supervisor *s, enum role_id role, unsigned count)
{
	struct child *c;
	unsigned i;

	s->place[role].count = count;
	for (i = 1; i <= ROLE_INSTANCES; i++) {
		c = &s->child[role][i];
		if (c->wanted == supervisor_keeps(c))
			continue;
		c->wanted = !c->wanted;
		log_info("role=%s %s", c->name,
		    c->wanted ? "placed here" : "removed");
		if (!c->wanted)
			child_stop(c);
		else if (!child_alive(c))
			child_start(c);
	}
}

/* What control reads in the site's configuration. */
static void
supervisor_on_place(struct supervisor *s, const struct role_msg *m)
{
	enum role_id role = m->u.place.role;

	s->place[role].told = true;
	s->place[role].elsewhere = m->u.place.elsewhere;
	supervisor_place(s, role, m->u.place.count);
	supervisor_tell_place(s, role);
}

/* The replicator knows the highest epoch: the others may start. A witness has
 * none, and seeks nobody's epoch. */
static void
supervisor_boot(struct supervisor *s, uint64_t epoch)
{
	if (epoch > s->epoch)
		s->epoch = epoch;
	if (s->started)
		return;
	s->started = true;
	supervisor_place(s, ROLE_QUORUM, 1);
	supervisor_place(s, ROLE_CONTROL, 1);
	if (!s->conf.witness)
		supervisor_place(s, ROLE_ST, 2);
}

/* A process serves what it owns: quorum is told, and everybody by it. */
static void
supervisor_serving(struct child *c, const struct role_msg *m)
{
	if (owners_serving(c, m->u.own.key, m->u.own.epoch))
		child_tell(&c->sup->child[ROLE_QUORUM][1], m, NULL, 0);
}

/* A restart by hand: the process goes in order and comes back. */
static void
supervisor_restart(struct supervisor *s, const char *instance)
{
	enum role_id role;
	unsigned index;

	if (role_name_parse(instance, &role, &index) &&
	    child_alive(&s->child[role][index]))
		child_stop(&s->child[role][index]);
}

/* Control asks for a server that joins. */
static void
supervisor_admit(struct child *control, const struct role_join *q)
{
	struct role_msg m = {.type = ROLE_MSG_JOINED};
	int fd;

	admit(control->sup->conf.state, q, clock_real() / CLOCK_SEC,
	    &m.u.joined, &fd);
	child_tell(control, &m, &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
}

/* Control asks for a fault. */
static void
supervisor_fault(struct child *control, const struct role_fault *asked)
{
	struct role_msg m = {.type = ROLE_MSG_FAULTED};

	m.u.fault = *asked;
	fault(control->sup, &m.u.fault);
	if (child_alive(control))
		child_tell(control, &m, NULL, 0);
}

void
supervisor_on_message(struct child *c, const struct role_msg *m)
{
	if (m->type == ROLE_MSG_PONG) {
		c->asked = 0;
	} else if (m->type == ROLE_MSG_SERVING) {
		supervisor_serving(c, m);
	} else if (m->type == ROLE_MSG_READY) {
		if (c->role == ROLE_REPLICATOR)
			supervisor_boot(c->sup, m->u.ready.epoch);
	} else if (m->type == ROLE_MSG_OWNER && c->role == ROLE_QUORUM) {
		owners_take(c->sup, &m->u.owner.entry, m->u.owner.removed);
	} else if (c->role != ROLE_CONTROL || c->sup->stopping) {
		log_warnx(
		    "role=%s message %d: not its to send", c->name, m->type);
	} else if (m->type == ROLE_MSG_PLACE && !c->sup->conf.witness &&
	    m->u.place.role < ROLE_MAX &&
	    role_rows[m->u.place.role].mode != ROLE_SINGLE) {
		supervisor_on_place(c->sup, m);
	} else if (m->type == ROLE_MSG_RESTART) {
		supervisor_restart(c->sup, m->u.instance);
	} else if (m->type == ROLE_MSG_JOIN) {
		supervisor_admit(c, &m->u.join);
	} else if (m->type == ROLE_MSG_FAULT) {
		supervisor_fault(c, &m->u.fault);
	}
}

/* Reap whatever has ended. */
static void
supervisor_on_sigchld(void *arg)
{
	struct supervisor *s = arg;
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if ((c = supervisor_child(s, pid)) != NULL)
			child_on_exit(c, status);
	}
}

static void
supervisor_on_stop(void *arg)
{
	struct supervisor *s = arg;

	if (s->stopping)
		return;
	log_info("stopping");
	s->stopping = true;
	supervisor_tell_all_status(s, &s->child[ROLE_QUORUM][1]);
	supervisor_stop_next(s);
}

/* ---- start -------------------------------------------------------------- */

/* A directory of ours; made when it is absent. */
static void
supervisor_mkdir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) != 0 && errno != EEXIST)
		fatal("%s", path);
}

bool
supervisor_control_group(const struct conf *c, gid_t *group)
{
	const struct group *gr;

	if (c->control_group[0] == '\0')
		return false;
	if ((gr = getgrnam(c->control_group)) == NULL)
		fatalx("control-group %s: there is no such group",
		    c->control_group);
	*group = gr->gr_gid;
	return true;
}

/* As root with "user" in the boot file: the state goes to that user and so
 * do we, with every process. */
void
supervisor_become(const struct conf *c)
{
	const struct passwd *pw;
	gid_t group;
	size_t n;

	if (geteuid() != 0 || c->user[0] == '\0')
		return;
	if ((pw = getpwnam(c->user)) == NULL)
		fatalx("user %s: there is no such user", c->user);
	n = supervisor_control_group(c, &group);
	if (chown(c->state, pw->pw_uid, pw->pw_gid) != 0 ||
	    setgroups(n, &group) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0)
		fatal("user %s", c->user);
}

/* The directory of the console's socket, when it is not there (/run is empty
 * after a reboot): everybody may enter it, control may make its socket. */
static void
supervisor_socket_dir(const struct conf *c)
{
	const struct passwd *pw = NULL;
	const struct group *gr = NULL;
	char dir[sizeof c->control_path], *slash;

	str_copy(dir, sizeof dir, c->control_path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return;
	*slash = '\0';
	if (mkdir(dir, 0755) != 0) {
		if (errno != EEXIST)
			fatal("%s", dir);
		return;
	}
	if (geteuid() != 0)
		return;
	if (c->user[0] != '\0')
		pw = getpwnam(c->user);
	else
		gr = getgrnam("tandem");
	if (chown(dir, pw != NULL ? pw->pw_uid : 0,
		gr != NULL ? gr->gr_gid : 0) != 0 ||
	    chmod(dir, 0775) != 0)
		fatal("%s", dir);
}

/* Beside the console's socket: where that is, memory serves as a disk, and
 * no page of a ring waits for one. */
void
supervisor_rings(const struct conf *c, char *out, size_t size)
{
	snprintf(out, size, "%s.rings", c->control_path);
}

/* As root without it: the streams belong to the group of the roles. */
static void
supervisor_share(const char *path)
{
	const struct group *gr;

	if (geteuid() != 0)
		return;
	if ((gr = getgrnam("tandem")) == NULL)
		fatalx("group tandem: absent; `make install` makes it, or give "
		       "\"user\" in the boot file");
	if (chown(path, 0, gr->gr_gid) != 0 || chmod(path, 02770) != 0)
		fatal("%s", path);
}

/* Quorum finds dead servers sooner when nothing keeps it waiting. Real-time
 * priority is taken here, while we have the right to it, with our own use: dead
 * processes are replaced at once. Quorum inherits it, other children put it
 * away, and the nice value but for the replicator (child.c). Locked memory no
 * other process's sandbox lets it use. */
static void
supervisor_hurry(struct supervisor *s)
{
	const struct sched_param p = {.sched_priority = ROLE_PRIORITY};
	const struct rlimit memory = {RLIM_INFINITY, RLIM_INFINITY};

	if (sched_setscheduler(0, SCHED_RR, &p) != 0)
		log_debug(
		    "no right to real-time priority: %s", strerror(errno));
	errno = 0;
	if (nice(-ROLE_NICE) == -1 && errno != 0)
		log_debug(
		    "no right to a lower nice value: %s", strerror(errno));
	else
		s->nice = ROLE_NICE;
	if (geteuid() == 0 && setrlimit(RLIMIT_MEMLOCK, &memory) != 0)
		log_debug("no right to lock memory: %s", strerror(errno));
}

/* Media and flows need a descriptor each: take as many as we may have. */
static void
supervisor_raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		fatal("limit of descriptors");
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		log_warn("limit of descriptors");
	if (r.rlim_cur < 4096)
		log_warnx("only %llu descriptors a process: few calls",
		    (unsigned long long)r.rlim_cur);
}

int
supervisor_lock(const char *state, struct err *e)
{
	char path[300];
	int fd;

	snprintf(path, sizeof path, "%s/lock", state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, ERR_IO, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return err_set(e, ERR_CONFLICT, "%s: tandemd runs on this state", path);
}

static void
supervisor_prepare_state(struct supervisor *s)
{
	static const char *const shared[] = {"streams", "log", "history"};
	char path[300];
	struct err e;
	size_t i;

	supervisor_mkdir(s->conf.state, 0750);
	supervisor_socket_dir(&s->conf);
	supervisor_become(&s->conf);
	if ((s->lock = supervisor_lock(s->conf.state, &e)) < 0)
		fatalx("%s", e.text);
	for (i = 0; i < sizeof shared / sizeof shared[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", s->conf.state, shared[i]);
		supervisor_mkdir(path, 0770);
		supervisor_share(path);
	}
	supervisor_rings(&s->conf, path, sizeof path);
	supervisor_mkdir(path, 0770);
	supervisor_share(path);
	if (geteuid() == 0)
		supervisor_share(s->conf.state);
	if (identity_check_witness(s->conf.state, s->conf.witness, &e) != 0)
		fatalx("%s", e.text);
	if (keys_load(&s->keys, s->conf.state, &e) != 0)
		fatalx("%s", e.text);
	if (identity_load(s->conf.state, s->conf.server, &s->identity, &e) != 0)
		fatalx("%s", e.text);
	snprintf(path, sizeof path, "%s/owners", s->conf.state);
	if (owner_map_create(path, &s->owners, &e) != 0)
		fatalx("%s", e.text);
	owners_others(s);
}

static void
supervisor_make_children(struct supervisor *s)
{
	unsigned role, i;
	struct child *c;

	for (role = 0; role < ROLE_MAX; role++) {
		for (i = 1; i <= ROLE_INSTANCES; i++) {
			c = &s->child[role][i];
			c->sup = s;
			c->role = (enum role_id)role;
			c->index = i;
			c->fd = c->owners_fd = -1;
			role_name(c->name, c->role, i);
		}
	}
}

static void
supervisor_read_conf(struct conf *c, const char *path)
{
	struct err e;

	if (conf_read(c, path, &e) != 0)
		fatalx("%s", e.text);
}

int
supervisor_check(const char *path)
{
	struct conf c;

	supervisor_read_conf(&c, path);
	return 0;
}

/* Our own program, kept open so that processes start even after an upgrade
 * has replaced the file; away from the descriptor that they are handed. */
static int
supervisor_open_binary(void)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC), high;

	high = fcntl(fd, F_DUPFD_CLOEXEC, ROLE_SUPERVISOR_FD + 1);
	if (fd < 0 || high < 0)
		fatal("/proc/self/exe");
	close(fd);
	return high;
}

int
supervisor_main(const char *path, bool debug)
{
	struct supervisor *s = xcalloc(1, sizeof *s);

	supervisor_read_conf(&s->conf, path);
	s->conf.debug |= debug;
	log_init("tandemd", s->conf.debug);
	s->boot_uid = getuid();
	s->binary = supervisor_open_binary();
	umask(0007);
	supervisor_hurry(s);
	supervisor_raise_limits();
	supervisor_prepare_state(s);
	supervisor_make_children(s);
	s->loop = loop_new();
	s->signals[0] = loop_signal_open(
	    s->loop, SIGCHLD, supervisor_on_sigchld, s);
	s->signals[1] = loop_signal_open(
	    s->loop, SIGTERM, supervisor_on_stop, s);
	s->signals[2] = loop_signal_open(
	    s->loop, SIGINT, supervisor_on_stop, s);
	signal(SIGPIPE, SIG_IGN);
	log_info("server=%s site=%s state=%s version=%s", s->conf.server,
	    s->conf.site, s->conf.state, TANDEM_VERSION);
	if (s->conf.witness)
		supervisor_boot(s, 0);
	else
		supervisor_place(s, ROLE_REPLICATOR, 1);
	health_start(s);
	loop_run(s->loop);
	log_info("stopped");
	return 0;
}
