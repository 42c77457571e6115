/*
 * The supervisor of a server.
 * Does: starts, watches and stops the processes; hands them descriptors and
 *   keys; on a lone server decides who owns what and publishes the owner map.
 * Never: reads a byte that came from outside, opens a stream, speaks SIP.
 * Talks to: its children, over SEQPACKET sockets (role_wire.h).
 * Keeps: the class keys (<state>/keys) and a lock on the state directory.
 * On crash: every process of the server ends with it (role_main.c); the next
 *   start goes on from the streams with a higher epoch.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The order of an orderly stop: what faces the outside goes first. */
static const enum role_id supervisor_stop_order[] = {ROLE_SG, ROLE_B2BUA,
    ROLE_MGC, ROLE_MG, ROLE_SR, ROLE_CONTROL, ROLE_ST, ROLE_REPLICATOR};

/* ---- owner map ---------------------------------------------------------- */

/* Wake every process: the owner map has changed. */
static void
supervisor_wake_readers(struct supervisor *s)
{
	uint64_t one = 1;
	unsigned role, i;
	struct child *c;

	for (role = 0; role < ROLE_MAX; role++) {
		for (i = 1; i <= ROLE_INSTANCES; i++) {
			c = &s->child[role][i];
			if (child_alive(c) &&
			    write(c->owners_fd, &one, sizeof one) < 0)
				log_warn("role=%s owner map", c->name);
		}
	}
}

/* Where an instance is spoken to; port 0 for a role that has no inside port. */
static void
supervisor_inside(
    const struct supervisor *s, enum role_id role, unsigned i, union addr *a)
{
	unsigned port = role_rows[role].port;

	*a = s->conf.inside;
	addr_set_port(
	    a, port != 0 ? (uint16_t)(s->conf.port_base + port + i) : 0);
}

static void
supervisor_publish(struct supervisor *s, const struct ownership *o)
{
	struct owner out = {.epoch = o->epoch, .state = o->state};
	unsigned at = o->owner != 0 ? o->owner : o->only;

	str_copy(out.key, sizeof out.key, o->key);
	if (o->owner != 0)
		snprintf(out.instance, sizeof out.instance, "%.30s@%.32s",
		    s->child[o->role][o->owner].name, s->conf.server);
	if (at != 0)
		supervisor_inside(s, o->role, at, &out.inside);
	if (owner_map_put(s->owners, &out) != 0)
		fatalx("owner map: full");
}

/* The entry an instance has of its own, whether it owns anything or not. */
static void
supervisor_publish_child(struct child *c)
{
	struct owner out = {.epoch = c->starts,
	    .state = c->state == CHILD_READY ? OWNER_SERVING
		: child_alive(c)	     ? OWNER_CLAIMING
					     : OWNER_DOWN};

	if (!c->wanted && !child_alive(c)) {
		owner_map_remove(c->sup->owners, c->name);
		return;
	}
	str_copy(out.key, sizeof out.key, c->name);
	snprintf(out.instance, sizeof out.instance, "%.30s@%.32s", c->name,
	    c->sup->conf.server);
	supervisor_inside(c->sup, c->role, c->index, &out.inside);
	if (owner_map_put(c->sup->owners, &out) != 0)
		fatalx("owner map: full");
}

/* ---- ownership ---------------------------------------------------------- */

/* The instances of a role that may own a key now, as bits. */
static unsigned
supervisor_ready(const struct supervisor *s, enum role_id role)
{
	unsigned i, bits = 0;

	for (i = 1; i <= ROLE_INSTANCES; i++) {
		if (s->child[role][i].state == CHILD_READY)
			bits |= 1u << i;
	}
	return bits;
}

/* Give a key to an instance and tell everybody. */
static void
supervisor_grant(struct supervisor *s, struct ownership *o, unsigned to)
{
	struct role_msg m = {.type = ROLE_MSG_OWN};

	ownership_grant(o, to, ++s->epoch);
	supervisor_publish(s, o);
	str_copy(m.u.own.key, sizeof m.u.own.key, o->key);
	m.u.own.epoch = o->epoch;
	child_tell(&s->child[o->role][to], &m, NULL, 0);
	log_info("key=%s epoch=%llu goes to %s", o->key,
	    (unsigned long long)o->epoch, s->child[o->role][to].name);
}

/* A key whose owner is gone finds a new one, if any instance is ready. */
static void
supervisor_decide(struct supervisor *s, struct ownership *o)
{
	unsigned to;

	if (o->owner != 0 && !child_alive(&s->child[o->role][o->owner])) {
		ownership_lose(o);
		supervisor_publish(s, o);
	}
	if (o->owner != 0 || s->stopping)
		return;
	to = ownership_choose(o, supervisor_ready(s, o->role));
	if (to != 0)
		supervisor_grant(s, o, to);
}

/* The keys that follow from the table: one per passive role, one call stream
 * per B2BUA instance. */
static void
supervisor_make_keys(struct supervisor *s)
{
	unsigned role, i;
	struct ownership *o;

	for (role = 0; role < ROLE_MAX; role++) {
		if (role_rows[role].mode != ROLE_PASSIVE)
			continue;
		o = &s->own[s->nown++];
		o->role = (enum role_id)role;
		str_copy(o->key, sizeof o->key, role_rows[role].name);
	}
	for (i = 1; i <= ROLE_INSTANCES; i++) {
		o = &s->own[s->nown++];
		o->role = ROLE_B2BUA;
		o->only = i;
		snprintf(o->key, sizeof o->key, "calls/b2bua-%u", i);
	}
}

/* ---- events ------------------------------------------------------------- */

/* Tell control how a process is. */
static void
supervisor_tell_status(const struct child *c)
{
	struct role_msg m = {.type = ROLE_MSG_STATUS};
	struct child *control = &c->sup->child[ROLE_CONTROL][1];

	if (!child_alive(control))
		return;
	str_copy(m.u.status.name, sizeof m.u.status.name, c->name);
	str_copy(m.u.status.state, sizeof m.u.status.state,
	    child_state_word(c->state));
	m.u.status.pid = c->pid;
	m.u.status.since = c->since;
	m.u.status.restarts = c->starts > 0 ? (uint32_t)(c->starts - 1) : 0;
	child_tell(control, &m, NULL, 0);
}

static void
supervisor_tell_all_status(struct supervisor *s)
{
	unsigned role, i;

	for (role = 0; role < ROLE_MAX; role++) {
		for (i = 1; i <= ROLE_INSTANCES; i++) {
			if (s->child[role][i].starts > 0)
				supervisor_tell_status(&s->child[role][i]);
		}
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

void
supervisor_on_child(struct child *c)
{
	struct supervisor *s = c->sup;
	unsigned i;

	if (c->role == ROLE_CONTROL && c->state == CHILD_STARTING)
		supervisor_tell_all_status(s);
	else
		supervisor_tell_status(c);
	supervisor_publish_child(c);
	for (i = 0; i < s->nown; i++) {
		if (s->own[i].role == c->role)
			supervisor_decide(s, &s->own[i]);
	}
	supervisor_wake_readers(s);
	if (s->stopping && !child_alive(c))
		supervisor_stop_next(s);
}

/* Bring the number of instances of a role to count. */
static void
supervisor_place(struct supervisor *s, enum role_id role, unsigned count)
{
	struct child *c;
	unsigned i;

	for (i = 1; i <= ROLE_INSTANCES; i++) {
		c = &s->child[role][i];
		if (c->wanted == (i <= count))
			continue;
		c->wanted = i <= count;
		log_info("role=%s %s", c->name,
		    c->wanted ? "placed here" : "removed");
		if (!c->wanted)
			child_stop(c);
		else if (!child_alive(c))
			child_start(c);
	}
}

/* The replicator knows the highest epoch: the others may start. */
static void
supervisor_boot(struct supervisor *s, uint64_t epoch)
{
	if (epoch > s->epoch)
		s->epoch = epoch;
	if (s->started)
		return;
	s->started = true;
	supervisor_place(s, ROLE_CONTROL, 1);
	supervisor_place(s, ROLE_ST, 2);
}

static void
supervisor_serving(struct child *c, const char *key, uint64_t epoch)
{
	struct supervisor *s = c->sup;
	unsigned i;

	for (i = 0; i < s->nown; i++) {
		if (s->own[i].role != c->role ||
		    strcmp(s->own[i].key, key) != 0 ||
		    !ownership_serve(&s->own[i], c->index, epoch))
			continue;
		supervisor_publish(s, &s->own[i]);
		supervisor_wake_readers(s);
	}
}

/* A restart by hand: the process goes in order and comes back at once. */
static void
supervisor_restart(struct supervisor *s, const char *instance)
{
	enum role_id role;
	unsigned index;

	if (role_name_parse(instance, &role, &index) &&
	    child_alive(&s->child[role][index]))
		child_stop(&s->child[role][index]);
}

void
supervisor_on_message(struct child *c, const struct role_msg *m)
{
	if (m->type == ROLE_MSG_SERVING) {
		supervisor_serving(c, m->u.own.key, m->u.own.epoch);
	} else if (m->type == ROLE_MSG_READY) {
		if (c->role == ROLE_REPLICATOR)
			supervisor_boot(c->sup, m->u.ready.epoch);
	} else if (c->role != ROLE_CONTROL || c->sup->stopping) {
		log_warnx(
		    "role=%s message %d: not its to send", c->name, m->type);
	} else if (m->type == ROLE_MSG_PLACE && m->u.place.role < ROLE_MAX &&
	    role_rows[m->u.place.role].mode != ROLE_SINGLE) {
		supervisor_place(c->sup, m->u.place.role, m->u.place.count);
	} else if (m->type == ROLE_MSG_RESTART) {
		supervisor_restart(c->sup, m->u.instance);
	}
}

/* Reap whatever has ended. */
static void
supervisor_on_sigchld(void *arg)
{
	struct supervisor *s = arg;
	unsigned role, i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (role = 0; role < ROLE_MAX; role++) {
			for (i = 1; i <= ROLE_INSTANCES; i++) {
				if (s->child[role][i].pid == pid)
					child_on_exit(
					    &s->child[role][i], status);
			}
		}
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
static void
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

static void
supervisor_prepare_state(struct supervisor *s)
{
	static const char *const shared[] = {"streams", "log"};
	char path[300];
	struct err e;
	size_t i;

	supervisor_mkdir(s->conf.state, 0750);
	supervisor_socket_dir(&s->conf);
	supervisor_become(&s->conf);
	snprintf(path, sizeof path, "%s/lock", s->conf.state);
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0)
		fatal("%s", path);
	if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
		fatalx("%s: another tandemd runs on this state", path);
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", s->conf.state, shared[i]);
		supervisor_mkdir(path, 0770);
		supervisor_share(path);
	}
	if (geteuid() == 0)
		supervisor_share(s->conf.state);
	if (keys_load(&s->keys, s->conf.state, &e) != 0)
		fatalx("%s", e.text);
	snprintf(path, sizeof path, "%s/owners", s->conf.state);
	if (owner_map_create(path, &s->owners, &e) != 0)
		fatalx("%s", e.text);
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
	supervisor_raise_limits();
	supervisor_prepare_state(s);
	supervisor_make_children(s);
	supervisor_make_keys(s);
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
	supervisor_place(s, ROLE_REPLICATOR, 1);
	loop_run(s->loop);
	log_info("stopped");
	return 0;
}
