/*
 * Sessions of consoles. A connection is a session; its candidate lives as
 * long as it does, or is kept where the console wants that. Who it is the
 * kernel says, what they may do the administrators of the site, now and
 * whenever these change. A console that is not permitted hears why at its
 * first request and is closed; one that does not read its answers gets no more
 * of them, and is closed when one that was on its way makes SESSION_OUT bytes
 * of them; nobody waits for a console.
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

void
session_leave(struct session *s)
{
	if (s->share == NULL)
		return;
	s->share->sessions[s->gated]--;
	s->control->entered[s->gated]--;
	share_leave(s);
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
	c->count.sessions--;
	c->nturned -= s->turned;
	loop_timer_free(&s->patience);
	if (!s->gated) {
		c->nsessions--;
		rpc_close(&s->rpc);
	}
	monitor_forget(c, s);
	turn_drop(s);
	session_leave(s);
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

/* Nobody keeps others out by coming again and again, least of all root. */
bool
session_enter(struct session *s)
{
	struct control *c = s->control;
	unsigned *own, *all = &c->entered[s->gated];

	share_join(s);
	own = &s->share->sessions[s->gated];
	if ((s->who.fixed || *own < SESSIONS_EACH) &&
	    share_allows(&s->who, *own, *all,
		s->gated ? SESSIONS_GATED : SESSIONS_MAX, SESSIONS_KEPT)) {
		++*own;
		++*all;
		return true;
	}
	share_leave(s);
	return false;
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
	else if (admit_role(c->self->table->objs, site_db(c), &s->who,
		     &s->refused) == 0 &&
	    !(s->entered = session_enter(s)))
		err_set(&s->refused, ERR_FULL,
		    "there are too many sessions already: close one");
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
	struct session *s = xcalloc(1, sizeof *s);

	s->control = c;
	s->uid = (uid_t)-1;
	s->gated = gated;
	TAILQ_INIT(&s->open);
	TAILQ_INIT(&s->waiting);
	session_name(s);
	s->since = s->last = clock_real();
	s->patience = loop_timer_new(c->self->loop, session_on_patience, s);
	TAILQ_INSERT_TAIL(&c->sessions, s, entry);
	c->nsessions += !gated;
	c->count.sessions++;
	c->count.sessions_all++;
	return s;
}

/* One that is refused hears why, unless too many do already: false, and it is
 * closed. */
static bool
session_turn_away(struct session *s)
{
	struct control *c = s->control;

	c->count.refused++;
	if (c->nturned >= SESSIONS_TURNED) {
		session_close(s);
		return false;
	}
	log_info("uid=%u pid=%d refused: %s", (unsigned)s->uid, (int)s->pid,
	    s->refused.text);
	s->turned = true;
	c->nturned++;
	loop_timer_set(s->patience, SESSION_PATIENCE);
	return true;
}

void
session_open(struct control *c, int fd)
{
	struct rpc_handler h = {.on_request = session_on_request,
	    .on_closed = session_on_closed,
	    .max_in = SESSION_IN,
	    .max_out = SESSION_OUT};
	struct session *s = session_new(c, false);

	session_identify(s, fd);
	h.arg = s;
	s->rpc = rpc_open(c->self->loop, fd, &h);
	rpc_on_taken(s->rpc, turn_on_taken, c);
	if (s->refused.code != ERR_NONE && !session_turn_away(s))
		return;
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
	turn_close(c);
}
