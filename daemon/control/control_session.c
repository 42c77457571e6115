/*
 * Sessions of consoles. A connection is a session; its candidate lives as
 * long as it does, or is kept where the console wants that. Who it is the
 * kernel says, what they may do the administrators of the site, now and
 * whenever these change. A console that is
 * not permitted hears why at its first request and is closed; one that does not
 * read its answers is closed when SESSION_OUT bytes wait for it; nobody waits
 * for a console.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"

#define SESSION_PATIENCE (5 * CLOCK_SEC) /* with one that is refused */
#define SESSION_GROUPS 256

void
session_notify(struct session *s, const char *method, json_t *params)
{
	if (s->gated) {
		params = json_pack("{s:s, s:s, s:o}", "session", s->who.session,
		    "method", method, "params", params);
		method = "session-tell";
	}
	rpc_notify(s->rpc, method, params);
}

/* Programs have a budget of their own. */
static unsigned *
session_counter(struct control *c, bool gated)
{
	return gated ? &c->ngated : &c->nsessions;
}

/* The end of a session: its calls go on, their answers have no reader. */
void
session_close(struct session *s)
{
	struct control *c = s->control;
	struct call *call;

	while ((call = TAILQ_FIRST(&s->open)) != NULL) {
		TAILQ_REMOVE(&s->open, call, entry);
		call->session = NULL;
	}
	TAILQ_REMOVE(&c->sessions, s, entry);
	(*session_counter(c, s->gated))--;
	c->count.sessions--;
	loop_timer_free(&s->patience);
	if (!s->gated)
		rpc_close(&s->rpc);
	monitor_forget(c, s);
	drill_interrupt(c, s->who.session, true);
	if (s->edited)
		control_session_over(c, s->who.session);
	if (s->known && s->entered && !s->brief)
		audit_session(c, &s->who, "logout", NULL);
	else if (!s->known && s->refused.code != ERR_NONE)
		audit_session(c, &s->who, "login", &s->refused);
	free(s);
}

static void
session_on_closed(void *arg, struct rpc *rpc, const struct err *why)
{
	struct session *s = arg;

	(void)rpc;
	if (why->code == ERR_FULL || why->code == ERR_TOOBIG)
		log_warnx("session=%s operator=%s closed: %s", s->who.session,
		    s->who.name, why->text);
	else
		log_debug("session=%s closed: %s", s->who.session, why->text);
	session_close(s);
}

/* Whatever goes on for it ends in order. */
static void
session_interrupt(struct session *s)
{
	drill_interrupt(s->control, s->who.session, false);
	monitor_stop(s->control, s, 0);
}

/* No other notification of a console means anything. */
void
session_note(struct session *s, const char *method)
{
	if (strcmp(method, "interrupt") == 0)
		session_interrupt(s);
	else if (strcmp(method, "keep") == 0)
		s->who.keep = true;
}

/* The first request: a console says there where it was called from. The
 * kernel cannot; what the word is worth tandem-ssh(7) says. */
static void
session_begin(struct session *s, const char *method, json_t *params)
{
	if (s->known)
		return;
	s->known = true;
	if (strcmp(method, "describe") == 0)
		admit_ssh(s->who.from, sizeof s->who.from,
		    json_string_value(json_object_get(params, "ssh")));
	audit_session(s->control, &s->who, "login",
	    s->refused.code != ERR_NONE ? &s->refused : NULL);
}

/* One that is refused hears why at its first request, then it is closed. */
static void
session_on_request(void *arg, struct rpc *rpc, struct rpc_request *q,
    const char *method, json_t *params)
{
	struct session *s = arg;

	(void)rpc;
	if (q == NULL) {
		session_note(s, method);
		return;
	}
	session_begin(s, method, params);
	if (s->refused.code != ERR_NONE) {
		rpc_fail(q, &s->refused);
		/* soon: the words must leave first */
		loop_timer_set(s->patience, 0);
		return;
	}
	s->last = clock_real();
	s->calls++;
	call_request(s, q, method, params);
}

/* Whoever it is is told that this is the end. */
static void
session_on_patience(void *arg)
{
	struct session *s = arg;

	if (s->gated)
		session_notify(s, "closed", json_object());
	session_close(s);
}

/* Nobody keeps others out by coming again and again, least of all root. The
 * session itself is counted. */
bool
session_has_room(const struct session *s)
{
	const struct control *c = s->control;
	const struct session *other;
	unsigned same = 0;

	if (s->who.fixed)
		return c->nsessions <= SESSIONS_MAX;
	TAILQ_FOREACH (other, &c->sessions, entry)
		same += strcmp(other->who.name, s->who.name) == 0;
	return same <= SESSIONS_EACH &&
	    (s->gated ? c->ngated <= SESSIONS_GATED
		      : c->nsessions <= SESSIONS_MAX - SESSIONS_KEPT);
}

/* Ask the kernel who is there. */
static void
session_identify(struct session *s, int fd)
{
	struct control *c = s->control;
	gid_t groups[SESSION_GROUPS];
	struct ucred u = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	struct admit_peer p = {.groups = groups};
	socklen_t n = sizeof u;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) != 0)
		log_warn("peer credentials");
	n = sizeof groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) == 0)
		p.ngroups = n / sizeof groups[0];
	p.uid = s->uid = u.uid;
	p.gid = u.gid;
	s->pid = u.pid;
	admit_name(s->who.name, sizeof s->who.name, u.uid);
	s->who.fixed = admit_is_fixed(&c->admit, u.uid);
	str_copy(s->who.from, sizeof s->who.from, "local");
	if (!admit_peer(&c->admit, &p))
		err_set(&s->refused, ERR_PERMISSION,
		    "%s is not permitted: only root, who started the server%s",
		    s->who.name,
		    c->admit.grouped ? ", and the members of its control group"
				     : "");
	else if (!session_has_room(s))
		err_set(&s->refused, ERR_FULL,
		    "there are too many sessions already: close one");
	else
		s->entered = admit_role(c->self->table->objs, site_db(c),
				 &s->who, &s->refused) == 0;
}

/* What is refused is held to, too: half as many again, no more. */
static bool
session_crowded(struct control *c, bool gated)
{
	unsigned max = gated ? SESSIONS_GATED : SESSIONS_MAX;

	return *session_counter(c, gated) >= max + max / 2;
}

/* One that no other here has. Programs come and go by the thousand: theirs
 * must not meet that of a candidate that somebody has left either. */
static void
session_name(struct session *s)
{
	char random[17];

	do {
		rand_hex(random, s->gated ? 8 : 3);
		snprintf(s->who.session, sizeof s->who.session, "%.32s.%s",
		    s->control->self->server, random);
	} while (session_find(s->control, s->who.session) != NULL);
}

struct session *
session_new(struct control *c, bool gated)
{
	struct session *s;

	if (session_crowded(c, gated))
		return NULL;
	s = xcalloc(1, sizeof *s);
	s->control = c;
	s->uid = (uid_t)-1;
	s->gated = gated;
	TAILQ_INIT(&s->open);
	session_name(s);
	s->since = s->last = clock_real();
	s->patience = loop_timer_new(c->self->loop, session_on_patience, s);
	TAILQ_INSERT_TAIL(&c->sessions, s, entry);
	(*session_counter(c, gated))++;
	c->count.sessions++;
	c->count.sessions_all++;
	return s;
}

void
session_open(struct control *c, int fd)
{
	struct rpc_handler h = {.on_request = session_on_request,
	    .on_closed = session_on_closed,
	    .max_in = SESSION_IN,
	    .max_out = SESSION_OUT};
	struct session *s = session_new(c, false);

	if (s == NULL) {
		close(fd);
		return;
	}
	session_identify(s, fd);
	if (s->refused.code != ERR_NONE) {
		c->count.refused++;
		log_info("uid=%u pid=%d refused: %s", (unsigned)s->uid,
		    (int)s->pid, s->refused.text);
		loop_timer_set(s->patience, SESSION_PATIENCE);
	}
	h.arg = s;
	s->rpc = rpc_open(c->self->loop, fd, &h);
	log_debug("session=%s operator=%s pid=%d", s->who.session, s->who.name,
	    (int)s->pid);
}

struct session *
session_find(struct control *c, const char *session)
{
	struct session *s;

	TAILQ_FOREACH (s, &c->sessions, entry) {
		if (strcmp(s->who.session, session) == 0)
			return s;
	}
	return NULL;
}

void
session_tell(struct session *s, const char *from, const char *text)
{
	session_notify(
	    s, "message", json_pack("{s:s, s:s}", "from", from, "text", text));
}

void
session_end(struct session *s, const struct err *why)
{
	if (s->refused.code != ERR_NONE)
		return;
	s->refused = *why;
	session_tell(s, "tandemd", why->text);
	/* soon: the words must leave first */
	loop_timer_set(s->patience, 0);
}

void
session_rights(struct control *c)
{
	const struct obj *const *objs = c->self->table->objs;
	sqlite3 *site = site_db(c);
	struct op_who who;
	struct session *s;
	struct err e;
	int r;

	TAILQ_FOREACH (s, &c->sessions, entry) {
		if (s->refused.code != ERR_NONE)
			continue;
		who = s->who;
		r = s->certificate[0] != '\0' ? certificate_again(s, &who, &e)
		    : s->gated		      ? token_again(s, &who, &e)
			       : admit_role(objs, site, &who, &e);
		/* what cannot be read changes nobody's rights */
		if (r == 0 || r == -ERR_PERMISSION)
			s->who = who;
		if (r == -ERR_PERMISSION)
			session_end(s, &e);
	}
}

static void
session_on_accept(void *arg, int fd, int events)
{
	struct control *c = arg;
	int s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (s >= 0)
		session_open(c, s);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_warn("accept");
}

/* The group of the boot file, looked up while it still can be. */
static int
session_find_group(struct control *c, struct err *e)
{
	const char *name = c->self->control_group;
	struct group *gr;

	if (name[0] == '\0')
		return 0;
	if ((gr = getgrnam(name)) == NULL)
		return err_set(
		    e, ERR_ABSENT, "control-group %s: no such group", name);
	c->admit.grouped = true;
	c->admit.group = gr->gr_gid;
	return 0;
}

int
session_listen(struct control *c, struct err *e)
{
	const char *path = c->self->control_path;
	int r;

	c->admit.own = geteuid();
	c->admit.owner = c->self->boot_uid;
	if ((r = session_find_group(c, e)) != 0)
		return r;
	c->listen_fd = sock_unix_listen(path, 0660, e);
	if (c->listen_fd < 0)
		return c->listen_fd;
	if (c->admit.grouped && chown(path, (uid_t)-1, c->admit.group) != 0)
		log_warn("%s: group %s", path, c->self->control_group);
	c->listener = loop_fd_open(
	    c->self->loop, c->listen_fd, LOOP_READ, session_on_accept, c);
	return 0;
}

void
session_close_all(struct control *c)
{
	loop_fd_close(&c->listener);
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	c->listen_fd = -1;
	while (!TAILQ_EMPTY(&c->sessions))
		session_close(TAILQ_FIRST(&c->sessions));
}
