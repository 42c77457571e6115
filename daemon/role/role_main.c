/*
 * Life of a process: take what the supervisor hands, start the room, close
 * the sandbox, then serve until told to stop or until the supervisor is gone.
 * A process never outlives its supervisor: its end is seen at descriptor 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "role_wire.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "role_frame.h"

/* Tell the supervisor; without it there is nothing left to serve. It never
 * waits for us, so when its socket is full (quorum tells of a whole site at
 * once) it reads in a moment. */
static void
role_tell(const struct role_msg *m)
{
	struct pollfd p = {.fd = ROLE_SUPERVISOR_FD, .events = POLLOUT};

	while (send(ROLE_SUPERVISOR_FD, m, sizeof *m, MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fatal("supervisor");
		poll(&p, 1, -1);
	}
}

void
role_ready_epoch(struct self *self, uint64_t epoch)
{
	struct role_msg m = {.type = ROLE_MSG_READY};

	(void)self;
	m.u.ready.epoch = epoch;
	role_tell(&m);
}

void
role_ready(struct self *self)
{
	role_ready_epoch(self, 0);
}

void
role_serving(struct self *self, const char *key, uint64_t epoch)
{
	struct role_msg m = {.type = ROLE_MSG_SERVING};

	log_info("key=%s epoch=%llu serving", key, (unsigned long long)epoch);
	(void)self;
	str_copy(m.u.own.key, sizeof m.u.own.key, key);
	m.u.own.epoch = epoch;
	role_tell(&m);
}

void
role_stopped(struct self *self)
{
	log_debug("stopped");
	loop_stop(self->loop);
}

void
role_place(struct self *self, enum role_id id, unsigned count, bool elsewhere)
{
	struct role_msg m = {.type = ROLE_MSG_PLACE};

	(void)self;
	m.u.place.role = id;
	m.u.place.count = count;
	m.u.place.elsewhere = elsewhere;
	role_tell(&m);
}

void
role_restart(struct self *self, const char *instance)
{
	struct role_msg m = {.type = ROLE_MSG_RESTART};

	(void)self;
	str_copy(m.u.instance, sizeof m.u.instance, instance);
	role_tell(&m);
}

void
role_fault(struct self *self, const struct role_fault *f)
{
	struct role_msg m = {.type = ROLE_MSG_FAULT};

	(void)self;
	m.u.fault = *f;
	role_tell(&m);
}

void
role_on_faulted(struct self *self, role_faulted_fn *fn)
{
	self->frame->on_faulted = fn;
}

void
role_on_status(struct self *self, role_status_fn *fn)
{
	self->frame->on_status = fn;
}

void
role_decide(struct self *self, const struct owner *o, bool removed)
{
	struct role_msg m = {.type = ROLE_MSG_OWNER};

	(void)self;
	m.u.owner.entry = *o;
	m.u.owner.removed = removed;
	role_tell(&m);
}

void
role_on_serving(struct self *self, role_serving_fn *fn)
{
	self->frame->on_serving = fn;
}

void
role_on_place(struct self *self, role_place_fn *fn)
{
	self->frame->on_place = fn;
}

void
role_stats(struct self *self, const struct role_stat *stats)
{
	struct role_frame *f = self->frame;

	if (f->nstats == ROLE_STATS)
		fatalx("more than %d lists of counters", ROLE_STATS);
	f->stats[f->nstats++] = stats;
}

static void
role_on_link(struct self *self, const struct role_msg *m, int fd)
{
	if (m->u.link.kind == ROLE_LINK_RPC)
		role_peer_link(self, m->u.link.peer, fd);
	else if (self->role->on_socket != NULL)
		self->role->on_socket(self, fd, m->u.link.peer);
	else if (self->repl != NULL)
		repl_link(self->repl, fd);
	else
		close(fd);
}

/* An orderly stop, asked by the supervisor or by SIGTERM; once is enough. */
static void
role_on_stop(void *arg)
{
	struct self *self = arg;

	if (self->frame->stopping)
		return;
	self->frame->stopping = true;
	if (self->role->on_stop != NULL)
		self->role->on_stop(self);
	else
		role_stopped(self);
}

/* A sign of life: this loop turns. */
static void
role_pong(void)
{
	struct role_msg m = {.type = ROLE_MSG_PONG};

	role_tell(&m);
}

static void
role_on_message(struct self *self, const struct role_msg *m, int fd)
{
	switch (m->type) {
	case ROLE_MSG_LINK:
		role_on_link(self, m, fd);
		return;
	case ROLE_MSG_OWN:
		if (self->role->on_own != NULL)
			self->role->on_own(self, m->u.own.key, m->u.own.epoch);
		break;
	case ROLE_MSG_STOP:
		role_on_stop(self);
		break;
	case ROLE_MSG_PING:
		role_pong();
		break;
	case ROLE_MSG_STATUS:
		if (self->frame->on_status != NULL)
			self->frame->on_status(self, &m->u.status);
		break;
	case ROLE_MSG_JOINED:
		if (self->frame->on_joined != NULL) {
			self->frame->on_joined(self, &m->u.joined, fd);
			return;
		}
		break;
	case ROLE_MSG_CUT:
		if (self->frame->mesh != NULL && !self->frame->stopping)
			mesh_cut(self->frame->mesh, m->u.cut);
		break;
	case ROLE_MSG_FAULTED:
		if (self->frame->on_faulted != NULL)
			self->frame->on_faulted(self, &m->u.fault);
		break;
	case ROLE_MSG_SERVING:
		if (self->frame->on_serving != NULL)
			self->frame->on_serving(
			    self, m->u.own.key, m->u.own.epoch);
		break;
	case ROLE_MSG_PLACE:
		if (self->frame->on_place != NULL)
			self->frame->on_place(
			    self, m->u.place.role, m->u.place.count);
		break;
	default:
		log_warnx("message %d of the supervisor: unknown", m->type);
	}
	if (fd >= 0)
		close(fd);
}

/* One message of the supervisor a turn; its end is ours. */
static void
role_on_supervisor(void *arg, int s, int events)
{
	struct self *self = arg;
	struct role_msg m;
	int fd = -1, nfds = 1;
	ssize_t n = sock_recv_fds(s, &m, sizeof m, &fd, &nfds);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof m)
		fatalx("the supervisor is gone");
	role_on_message(self, &m, nfds > 0 ? fd : -1);
}

static void
role_on_owners(void *arg, int fd, int events)
{
	struct self *self = arg;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof count) == sizeof count &&
	    self->role->on_owners != NULL)
		self->role->on_owners(self);
}

/* The first message: everything a process is told about its server. */
static void
role_receive_start(struct self *self)
{
	struct role_msg m;
	const struct role_msg_start *s = &m.u.start;
	int fds[2] = {-1, -1}, nfds = 2;
	ssize_t n = sock_recv_fds(ROLE_SUPERVISOR_FD, &m, sizeof m, fds, &nfds);
	struct err e;

	if (n != sizeof m || m.type != ROLE_MSG_START || nfds != 2)
		fatalx("started by hand: only tandemd itself starts roles");
	str_copy(self->server, sizeof self->server, s->server);
	str_copy(self->site, sizeof self->site, s->site);
	str_copy(self->state, sizeof self->state, s->state);
	str_copy(self->root, sizeof self->root, s->root);
	str_copy(
	    self->control_path, sizeof self->control_path, s->control_path);
	str_copy(
	    self->control_group, sizeof self->control_group, s->control_group);
	snprintf(self->full, sizeof self->full, "%.30s@%.32s", self->name,
	    s->server);
	memcpy(self->key_site, s->key_site, CRYPT_KEY);
	memcpy(self->key_auth, s->key_auth, CRYPT_KEY);
	memcpy(self->key_certificate, s->key_certificate, CRYPT_KEY);
	self->inside = s->inside;
	self->port_base = s->port_base;
	self->boot_uid = s->boot_uid;
	self->debug = s->debug;
	self->witness = s->witness;
	self->epoch = s->epoch;
	self->history_days = s->history_days;
	self->history_mib = s->history_mib;
	self->trace_mib = s->trace_mib;
	str_copy(self->rings, sizeof self->rings, s->rings);
	if (role_rows[self->id].port != 0)
		role_inside(self, self->id, self->index, &self->inside);
	if (owner_map_attach(fds[0], &self->owners, &e) != 0)
		fatalx("%s", e.text);
	close(fds[0]);
	self->frame->owners_fd = fds[1];
}

/* Read a descriptor whole; its size was bounded by the supervisor. */
static char *
role_read_whole(int fd)
{
	struct stat st;
	char *text;

	if (fstat(fd, &st) != 0)
		fatal("identity");
	text = xcalloc(1, (size_t)st.st_size + 1);
	if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size)
		fatal("identity");
	close(fd);
	return text;
}

/* The second message of a role that speaks to other servers. */
static void
role_receive_identity(struct self *self)
{
	struct role_msg m;
	int fd = -1, nfds = 1;

	if ((role_rows[self->id].keys & KEY_LINK) == 0)
		return;
	if (sock_recv_fds(ROLE_SUPERVISOR_FD, &m, sizeof m, &fd, &nfds) !=
		sizeof m ||
	    m.type != ROLE_MSG_IDENTITY || nfds != 1)
		fatalx("no identity from the supervisor");
	self->identity = role_read_whole(fd);
}

/* Signals belong to the supervisor; a terminal's ^C must not reach roles. */
static void
role_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
}

/* The start has failed: say why to those who know the boot file, where the
 * addresses of all processes come from. */
static void
role_give_up(const struct self *self, const struct err *e)
{
	struct role_msg m = {.type = ROLE_MSG_FAILED};
	char host[ADDR_TEXT];

	addr_host(host, &self->inside);
	if (e->code == ERR_ADDRESS)
		snprintf(m.u.why, sizeof m.u.why,
		    "%.100s; it follows from \"inside %s\" and "
		    "\"port-base %u\" of the boot file",
		    e->text, host, self->port_base);
	else
		str_copy(m.u.why, sizeof m.u.why, e->text);
	role_tell(&m);
	fatalx("%s", m.u.why);
}

int
role_main(const struct role *const *roles, const struct op_table *table,
    const char *instance)
{
	struct self *self = xcalloc(1, sizeof *self);
	struct err e;

	if (!role_name_parse(instance, &self->id, &self->index))
		fatalx("%s: no such role", instance);
	mem_joined();
	role_signals();
	str_copy(self->name, sizeof self->name, instance);
	log_init(instance, false);
	self->frame = xcalloc(1, sizeof *self->frame);
	self->roles = roles;
	self->role = roles[self->id];
	self->table = table;
	op_use_objects(table->objs);
	self->started = clock_real();
	role_receive_start(self);
	role_receive_identity(self);
	log_verbose(self->debug);
	self->loop = loop_new();
	if (role_rows[self->id].links & 1u << ROLE_REPLICATOR)
		self->repl = repl_new(self->loop, self->root);
	if (self->role->start(self, &e) != 0)
		role_give_up(self, &e);
	role_sandbox(self->role->rights);
	sock_nonblock(ROLE_SUPERVISOR_FD);
	self->frame->supervisor = loop_fd_open(self->loop, ROLE_SUPERVISOR_FD,
	    LOOP_READ, role_on_supervisor, self);
	loop_signal_open(self->loop, SIGTERM, role_on_stop, self);
	self->frame->owners = loop_fd_open(self->loop, self->frame->owners_fd,
	    LOOP_READ, role_on_owners, self);
	loop_run(self->loop);
	return 0;
}
