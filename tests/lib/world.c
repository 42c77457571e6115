/* A replicator in a process of its own, and links to it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
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

#include "cluster.h"
#include "scratch.h"
#include "world.h"
#include "daemon/base/log.h"
#include "daemon/base/mesh.h"

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

/* ---- in the replicator's process ---------------------------------------- */

struct world_inside {
	struct replicator *r;
	struct owner_map *map;
	int control;
	struct mesh *mesh; /* with TLS */
	struct mesh_server server[WORLD_SERVERS];
	size_t servers;
};

static void inside_say(int s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
inside_say(int s, const char *fmt, ...)
{
	char line[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (send(s, line, strlen(line) + 1, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void
inside_propose(
    void *arg, const char *key, uint64_t epoch, const char *server, bool add)
{
	inside_say(*(int *)arg, "P %s %llu %s %d", key,
	    (unsigned long long)epoch, server, add);
}

static void
inside_give(void *arg, const char *key, uint64_t epoch, const char *server)
{
	inside_say(*(int *)arg, "G %s %llu %s", key, (unsigned long long)epoch,
	    server);
}

static void
inside_owners(struct world_inside *in, int fd)
{
	struct err e;

	if (fd >= 0 && owner_map_attach(fd, &in->map, &e) != 0)
		_exit(3);
	if (fd >= 0)
		close(fd);
	replicator_owners(in->r, in->map);
}

static void
inside_decided(struct world_inside *in, const char *line)
{
	char key[OWNER_KEY], server[64];
	unsigned long long epoch;
	int add, answer;

	if (sscanf(line, "%63s %llu %63s %d %d", key, &epoch, server, &add,
		&answer) == 5)
		replicator_decided(in->r, key, epoch, server, add,
		    (enum replicator_answer)answer);
}

static void
inside_status(struct world_inside *in)
{
	struct replicator_follower f;
	size_t at = 0;

	while (replicator_next_follower(in->r, &at, &f))
		inside_say(in->control,
		    "R %s %s %s %llu %llu %llu %llu %llu %s", f.stream,
		    f.follower[0] != '\0' ? f.follower : "-",
		    f.leader[0] != '\0' ? f.leader : "-",
		    (unsigned long long)f.epoch, (unsigned long long)f.lsn,
		    (unsigned long long)f.acked, (unsigned long long)f.applied,
		    (unsigned long long)f.lag_records, f.state);
	inside_say(in->control, "E");
}

static void
inside_on_up(void *arg, const char *server, int fd)
{
	replicator_join(((struct world_inside *)arg)->r, fd, server);
}

/* A mesh of its own, whose address the test tells the others. */
static void
inside_mesh(struct world_inside *in, struct loop *loop, const struct world *w)
{
	struct mesh_config c = {.self = w->server,
	    .identity = w->identity,
	    .port_offset = MESH_REPLICATOR,
	    .on_up = inside_on_up,
	    .arg = in};
	char text[ADDR_TEXT];
	union addr a;
	struct err e;

	addr_parse(&c.listen, "127.0.0.1", 0);
	if (mesh_open(loop, &c, &in->mesh, &e) != 0) {
		fprintf(stderr, "mesh: %s\n", e.text);
		_exit(1);
	}
	mesh_address(in->mesh, &a);
	addr_text(text, &a);
	inside_say(in->control, "M %s", text);
}

/* Another server, and the port at which its mesh listens. */
static void
inside_server(struct world_inside *in, const char *line)
{
	struct mesh_server *s = in->server;
	char name[MESH_NAME];
	unsigned port;

	if (in->mesh == NULL || sscanf(line, "%32s %u", name, &port) != 2)
		return;
	while (s < in->server + in->servers && strcmp(s->name, name) != 0)
		s++;
	if (s == in->server + in->servers)
		in->servers++;
	snprintf(s->name, sizeof s->name, "%s", name);
	addr_parse(&s->inside, "127.0.0.1", (uint16_t)(port - MESH_REPLICATOR));
	mesh_set(in->mesh, in->server, in->servers);
}

/* A socket comes over the control socket; its end is the world's end. */
static void
world_on_control(void *arg, int s, int events)
{
	struct world_inside *in = arg;
	char who[OWNER_INSTANCE + 200] = "";
	int fd = -1, n = 1;
	ssize_t len = sock_recv_fds(s, who, sizeof who - 1, &fd, &n);

	(void)events;
	if (len <= 0) {
		mesh_close(&in->mesh);
		replicator_close(&in->r);
		_exit(0);
	}
	if (who[0] == '!')
		inside_owners(in, n == 1 ? fd : -1);
	else if (who[0] == '?')
		inside_decided(in, who + 1);
	else if (who[0] == '#')
		inside_status(in);
	else if (who[0] == '%')
		inside_server(in, who + 1);
	else if (n == 1 && who[0] == '@')
		replicator_join(in->r, fd, who + 1);
	else if (n == 1)
		replicator_serve(in->r, fd, who);
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
	    .boot = w->boot,
	    .server = w->server,
	    .propose = inside_propose,
	    .give = inside_give};
	struct world_inside in = {.control = control};
	struct loop *loop = loop_new();
	char history[96];
	struct err e;

	signal(SIGXFSZ, SIG_IGN);
	if (w->small != 0)
		world_small_disk(w);
	log_init(w->server != NULL ? w->server : "replicator/1", false);
	if (getenv("TEST_LOG") == NULL)
		log_fd(open("/dev/null", 1));
	c.propose_arg = &in.control;
	snprintf(history, sizeof history, "%s/history", w->dir);
	if (w->past_keep != 0)
		c.history = history;
	c.history_keep = w->past_keep;
	c.history_bytes = w->past_bytes;
	if (replicator_open(loop, &c, &in.r, &e) != 0) {
		fprintf(stderr, "replicator: %s\n", e.text);
		_exit(1);
	}
	if (w->identity != NULL)
		inside_mesh(&in, loop, w);
	loop_fd_open(loop, control, LOOP_READ, world_on_control, &in);
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

/* ---- a site: wires ------------------------------------------------------ */

static const char *const world_names[WORLD_SERVERS] = {
    "srv1", "srv2", "srv3", "srv4"};

static void
wire_close(struct world_wire *w)
{
	int i;

	for (i = 0; i < 2; i++) {
		buf_fini(&w->held[i]);
		if (w->fd[i] < 0)
			continue;
		loop_fd_close(&w->io[i]);
		close(w->fd[i]);
		w->fd[i] = -1;
	}
}

/* An end is read while the other takes what it gave. */
static void
wire_want(struct world_wire *w)
{
	int i;

	for (i = 0; i < 2 && w->fd[i] >= 0; i++)
		loop_fd_want(w->io[i],
		    w->hangs ? 0
			     : (w->held[i].len == 0 ? LOOP_READ : 0) |
			    (w->held[!i].len > 0 ? LOOP_WRITE : 0));
}

/* What an end gave goes to the other; false when the wire was cut. */
static bool
wire_give(struct world_wire *w, int end)
{
	struct buf *b = &w->held[end];
	size_t most = b->len;
	ssize_t n;

	if (w->cut != 0 && most > w->cut)
		most = w->cut;
	if (most == 0)
		return true;
	n = send(w->fd[!end], b->data, most, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		wire_close(w);
		return false;
	}
	if (n <= 0)
		return true;
	buf_eat(b, (size_t)n);
	if (w->cut == 0 || (w->cut -= (size_t)n) > 0)
		return true;
	wire_close(w);
	return false;
}

static void
wire_on_io(void *arg, int fd, int events)
{
	static char bytes[1 << 17];
	struct world_wire *w = arg;
	int end = fd == w->fd[1];
	ssize_t n;

	if (events & LOOP_WRITE && !wire_give(w, !end))
		return;
	if (events & LOOP_READ && w->held[end].len == 0) {
		n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			wire_close(w);
			return;
		}
		if (n > 0)
			buf_add(&w->held[end], bytes, (size_t)n);
		if (!wire_give(w, end))
			return;
	}
	wire_want(w);
}

static struct world_wire *
world_wire(struct world_site *t, unsigned a, unsigned b)
{
	return a < b ? &t->wire[a][b] : &t->wire[b][a];
}

void
world_site_join(struct world_site *t, unsigned a, unsigned b)
{
	struct world_wire *w = world_wire(t, a, b);
	char name[40];
	unsigned ends[2] = {a, b};
	int s[2], i;

	wire_close(w);
	w->hangs = false;
	w->cut = 0;
	for (i = 0; i < 2; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) != 0)
			world_die("socketpair");
		snprintf(name, sizeof name, "@%s", world_names[ends[!i]]);
		if (sock_send_fds(t->w[ends[i]].control, name, strlen(name) + 1,
			&s[1], 1) < 0)
			world_die("join");
		close(s[1]);
		w->fd[i] = s[0];
	}
	for (i = 0; i < 2; i++)
		w->io[i] = loop_fd_open(
		    t->loop, w->fd[i], LOOP_READ, wire_on_io, w);
}

void
world_site_cut(struct world_site *t, unsigned a, unsigned b)
{
	wire_close(world_wire(t, a, b));
}

void
world_site_hang(struct world_site *t, unsigned a, unsigned b, bool hang)
{
	struct world_wire *w = world_wire(t, a, b);

	w->hangs = hang;
	wire_want(w);
}

/* ---- a site: the quorum ------------------------------------------------- */

static void
site_owners_changed(struct world_site *t)
{
	unsigned i;

	for (i = 0; i < t->n; i++) {
		if (t->up[i] && !t->deaf[i] &&
		    send(t->w[i].control, "!", 2, 0) < 0)
			world_die("owners");
	}
}

void
world_site_deaf(struct world_site *t, unsigned i, bool deaf)
{
	t->deaf[i] = deaf;
	site_owners_changed(t);
}

void
world_site_mute(struct world_site *t, unsigned i, bool mute)
{
	struct owner o;

	if (!owner_map_server(t->map, world_names[i], &o))
		return;
	o.mute = mute;
	owner_map_put(t->map, &o);
	site_owners_changed(t);
}

void
world_site_may_part(struct world_site *t)
{
	struct owner o;
	unsigned i;

	for (i = 0; i < t->n; i++) {
		if (!owner_map_server(t->map, world_names[i], &o))
			continue;
		o.may_part = true;
		owner_map_put(t->map, &o);
	}
	site_owners_changed(t);
}

static void
members_set(char members[OWNER_MEMBERS], const char *server, bool member)
{
	char out[OWNER_MEMBERS] = "", words[OWNER_MEMBERS], *next = words, *w;

	snprintf(words, sizeof words, "%s", members);
	while ((w = strsep(&next, " ")) != NULL) {
		if (*w == '\0' || strcmp(w, server) == 0)
			continue;
		snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s",
		    out[0] != '\0' ? " " : "", w);
	}
	if (member)
		snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s",
		    out[0] != '\0' ? " " : "", server);
	snprintf(members, OWNER_MEMBERS, "%s", out);
}

static void
site_on_proposal(struct world_site *t, unsigned from, const char *line)
{
	char key[OWNER_KEY], server[64], answer[200];
	unsigned long long epoch;
	struct owner o;
	bool yes, unknown;
	int add;

	if (sscanf(line, "%63s %llu %63s %d", key, &epoch, server, &add) != 4)
		world_die("proposal");
	t->proposals++;
	unknown = t->answer == WORLD_LOST ||
	    (t->answer == WORLD_UNKNOWN && t->proposals % 3 != 0);
	yes = t->answer != WORLD_REFUSE && t->answer != WORLD_LOST &&
	    owner_map_find(t->map, key, &o) && o.epoch == epoch;
	if (yes) {
		members_set(o.members, server, add != 0);
		owner_map_put(t->map, &o);
		*(add ? &t->added : &t->removed) += 1;
		site_owners_changed(t);
	}
	snprintf(answer, sizeof answer, "?%s %llu %s %d %d", key, epoch, server,
	    add,
	    unknown   ? REPLICATOR_UNKNOWN
		: yes ? REPLICATOR_YES
		      : REPLICATOR_NO);
	send(t->w[from].control, answer, strlen(answer) + 1, MSG_NOSIGNAL);
}

static void
site_on_row(struct world_site *t, const char *line)
{
	static char states[16];
	struct replicator_follower f = {0};
	unsigned long long epoch, lsn, acked, applied, lag;

	if (sscanf(line, "%63s %32s %32s %llu %llu %llu %llu %llu %15s",
		f.stream, f.follower, f.leader, &epoch, &lsn, &acked, &applied,
		&lag, states) != 9)
		world_die(line);
	if (strcmp(f.stream, t->want_stream) != 0 ||
	    strcmp(f.follower,
		t->want_follower != NULL ? t->want_follower : "-") != 0)
		return;
	f.epoch = epoch;
	f.lsn = lsn;
	f.acked = acked;
	f.applied = applied;
	f.lag_records = lag;
	f.state = states;
	t->row = f;
	t->rows = true;
}

/* A server listens at "127.0.0.1:PORT": it and the others are told. */
static void
site_on_address(struct world_site *t, unsigned from, const char *line)
{
	char say[64];
	unsigned i, j;

	snprintf(
	    t->port[from], sizeof t->port[from], "%s", strrchr(line, ':') + 1);
	for (i = 0; i < t->n; i++) {
		for (j = 0; j < t->n; j++) {
			if (i == j || (i != from && j != from) || !t->up[i] ||
			    !t->up[j] || t->port[j][0] == '\0')
				continue;
			snprintf(say, sizeof say, "%%%s %s", world_names[j],
			    t->port[j]);
			if (send(t->w[i].control, say, strlen(say) + 1,
				MSG_NOSIGNAL) < 0)
				world_die("address");
		}
	}
}

static void
site_on_control(void *arg, int s, int events)
{
	struct world_site *t = arg;
	char line[700];
	ssize_t n = recv(s, line, sizeof line - 1, MSG_DONTWAIT);
	unsigned i;

	(void)events;
	for (i = 0; i < t->n && t->w[i].control != s; i++)
		;
	if (n <= 0) {
		if (n == 0)
			loop_fd_want(t->io[i], 0);
		return;
	}
	line[n] = '\0';
	if (line[0] == 'P')
		site_on_proposal(t, i, line + 2);
	else if (line[0] == 'G')
		t->gives++;
	else if (line[0] == 'M')
		site_on_address(t, i, line + 2);
	else if (line[0] == 'R')
		site_on_row(t, line + 2);
	else if (line[0] == 'E')
		t->want = 0;
}

/* ---- a site: servers ---------------------------------------------------- */

static void
site_put_server(struct world_site *t, unsigned i)
{
	struct owner o = {0};

	snprintf(o.key, sizeof o.key, "server/%s", world_names[i]);
	o.epoch = 1;
	o.state = t->up[i] ? OWNER_SERVING : OWNER_DOWN;
	owner_map_put(t->map, &o);
}

static void
site_identities(struct world_site *t)
{
	struct cluster c;
	unsigned i;

	cluster_make(&c);
	for (i = 0; i < t->n; i++)
		t->identity[i] = cluster_identity(&c, world_names[i]);
	cluster_forget(&c);
}

static void
site_make(struct world_site *t, struct loop *loop, unsigned n, bool tls)
{
	struct err e;
	unsigned i, j;

	memset(t, 0, sizeof *t);
	t->loop = loop;
	t->n = n;
	if (tls)
		site_identities(t);
	if (owner_map_create(NULL, &t->map, &e) != 0)
		world_die(e.text);
	for (i = 0; i < WORLD_SERVERS; i++) {
		for (j = 0; j < WORLD_SERVERS; j++)
			t->wire[i][j].fd[0] = t->wire[i][j].fd[1] = -1;
	}
	for (i = 0; i < n; i++) {
		world_make(&t->w[i]);
		t->w[i].server = world_names[i];
		t->w[i].identity = t->identity[i];
		t->w[i].segment = tls ? 0 : 1 << 20;
		t->w[i].keep = 64 << 20;
	}
	for (i = 0; i < n; i++)
		world_site_start(t, i);
}

void
world_site_make(struct world_site *t, struct loop *loop, unsigned n)
{
	site_make(t, loop, n, false);
}

void
world_site_make_tls(struct world_site *t, struct loop *loop, unsigned n)
{
	site_make(t, loop, n, true);
}

void
world_site_remove(struct world_site *t)
{
	unsigned i;

	for (i = 0; i < t->n; i++) {
		if (t->up[i])
			world_site_stop(t, i, 0); /* an orderly end */
		world_remove(&t->w[i]);
		free(t->identity[i]);
	}
	owner_map_close(&t->map);
}

void
world_site_start(struct world_site *t, unsigned i)
{
	int fd = owner_map_fd(t->map);
	unsigned j;

	world_start(&t->w[i]);
	t->up[i] = true;
	site_put_server(t, i);
	if (sock_send_fds(t->w[i].control, "!", 2, &fd, 1) < 0)
		world_die("owners");
	t->io[i] = loop_fd_open(
	    t->loop, t->w[i].control, LOOP_READ, site_on_control, t);
	site_owners_changed(t);
	for (j = 0; j < t->n && t->identity[i] == NULL; j++) {
		if (j != i && t->up[j])
			world_site_join(t, i, j);
	}
}

void
world_site_stop(struct world_site *t, unsigned i, int signo)
{
	unsigned j;

	loop_fd_close(&t->io[i]);
	world_stop(&t->w[i], signo);
	t->up[i] = false;
	t->port[i][0] = '\0';
	site_put_server(t, i);
	for (j = 0; j < t->n; j++) {
		if (j != i)
			wire_close(world_wire(t, i, j));
	}
	site_owners_changed(t);
}

uint64_t
world_site_own(
    struct world_site *t, const char *key, unsigned i, const char *members)
{
	struct owner o = {0};

	if (!owner_map_find(t->map, key, &o)) {
		memset(&o, 0, sizeof o);
		snprintf(o.key, sizeof o.key, "%s", key);
	}
	o.epoch++;
	o.state = OWNER_CLAIMING;
	snprintf(o.instance, sizeof o.instance, "x/1@%s", world_names[i]);
	if (members != NULL)
		snprintf(o.members, sizeof o.members, "%s", members);
	owner_map_put(t->map, &o);
	site_owners_changed(t);
	return o.epoch;
}

bool
world_site_is_member(struct world_site *t, const char *key, unsigned i)
{
	struct owner o;

	return owner_map_find(t->map, key, &o) &&
	    owner_is_member(o.members, world_names[i]);
}

struct site_wait {
	struct world_site *site;
	const char *key;
	unsigned server;
	bool member;
	struct loop_timer *poll;
	unsigned left;
};

static void
site_on_wait(void *arg)
{
	struct site_wait *w = arg;

	if (world_site_is_member(w->site, w->key, w->server) == w->member) {
		loop_stop(w->site->loop);
		return;
	}
	if (w->left-- == 0) {
		fprintf(stderr, "key %s: waited in vain for server %u\n",
		    w->key, w->server);
		abort();
	}
	loop_timer_set(w->poll, 1000);
}

void
world_site_wait_member(
    struct world_site *t, const char *key, unsigned i, bool member)
{
	struct site_wait w = {t, key, i, member, NULL, WORLD_LIMIT * 1000};

	w.poll = loop_timer_new(t->loop, site_on_wait, &w);
	loop_timer_set(w.poll, 0);
	loop_run(t->loop);
	loop_timer_free(&w.poll);
}

static void
site_on_status(void *arg)
{
	struct site_wait *w = arg;

	if (w->site->want == 0) {
		loop_stop(w->site->loop);
		return;
	}
	if (w->left-- == 0)
		world_die("status");
	loop_timer_set(w->poll, 500);
}

bool
world_site_status(struct world_site *t, unsigned i, const char *stream,
    const char *follower, struct replicator_follower *out)
{
	struct site_wait w = {.site = t, .left = WORLD_LIMIT * 2000};

	t->want = 1;
	t->want_stream = stream;
	t->want_follower = follower;
	t->rows = false;
	if (send(t->w[i].control, "#", 2, 0) < 0)
		world_die("status");
	w.poll = loop_timer_new(t->loop, site_on_status, &w);
	loop_timer_set(w.poll, 0);
	loop_run(t->loop);
	loop_timer_free(&w.poll);
	*out = t->row;
	return t->rows;
}

void
world_site_wait_applied(
    struct world_site *t, unsigned i, const char *stream, uint64_t lsn)
{
	struct replicator_follower f;
	unsigned left = WORLD_LIMIT * 200;

	while (!world_site_status(t, i, stream, NULL, &f) || f.applied < lsn) {
		if (left-- == 0) {
			fprintf(stderr,
			    "%s: server %u applied %llu of %llu (%s)\n", stream,
			    i, (unsigned long long)f.applied,
			    (unsigned long long)lsn, f.state);
			abort();
		}
		world_pass(t->loop, 5000);
	}
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
