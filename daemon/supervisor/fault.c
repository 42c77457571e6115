/*
 * Faults made on purpose, for request drill: a process of ours is killed or
 * stopped as it could be by chance. What lasts is ended from here, so a
 * console or a control that dies leaves nothing broken. Control asks; that an
 * administrator may is decided there.
 */
#include <signal.h>

#include "supervisor.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

void
fault_tell(struct child *c)
{
	struct role_msg m = {.type = ROLE_MSG_CUT};

	m.u.cut = c->sup->fault.cut;
	if (m.u.cut && child_alive(c) && role_rows[c->role].keys & KEY_LINK)
		child_tell(c, &m, NULL, 0);
}

/* Those that speak with other servers do not, or do again. */
static void
fault_cut(struct supervisor *s, bool cut)
{
	struct role_msg m = {.type = ROLE_MSG_CUT};
	struct child *c;
	unsigned at = 0;

	s->fault.cut = m.u.cut = cut;
	while ((c = supervisor_next(s, &at)) != NULL) {
		if (role_rows[c->role].keys & KEY_LINK && child_alive(c))
			child_tell(c, &m, NULL, 0);
	}
}

/* The stopped process goes on, the server is heard again. */
static void
fault_on_timer(void *arg)
{
	struct supervisor *s = arg;
	/* Its number may be another's by now: it is looked for among ours. */
	struct child *c = supervisor_child(s, s->fault.stopped);

	if (s->fault.cut)
		fault_cut(s, false);
	if (c != NULL) {
		c->fenced = false;
		kill(c->pid, SIGCONT);
	}
	s->fault.stopped = 0;
}

static bool
fault_lasts(struct supervisor *s)
{
	return s->fault.cut || supervisor_child(s, s->fault.stopped) != NULL;
}

static void
fault_set_timer(struct supervisor *s, uint32_t ms)
{
	if (s->fault.timer == NULL)
		s->fault.timer = loop_timer_new(s->loop, fault_on_timer, s);
	loop_timer_set(s->fault.timer, ms * CLOCK_MS);
}

static enum err_code
fault_instance(struct supervisor *s, const struct role_fault *f)
{
	enum role_id role;
	unsigned index;
	struct child *c;

	if (!role_name_parse(f->instance, &role, &index) ||
	    role == ROLE_CONTROL || !child_alive(&s->child[role][index]))
		return ERR_ABSENT;
	c = &s->child[role][index];
	if (f->kind == ROLE_FAULT_KILL) {
		child_kill(c);
		return ERR_NONE;
	}
	if (fault_lasts(s))
		return ERR_BUSY;
	c->fenced = true; /* it may be killed because it hangs */
	kill(c->pid, SIGSTOP);
	s->fault.stopped = c->pid;
	fault_set_timer(s, f->ms);
	return ERR_NONE;
}

/* All processes at once, as a power failure takes them; only we stay. */
static void
fault_server(struct supervisor *s, uint32_t ms)
{
	struct child *c;
	unsigned at = 0;

	s->fault.until = clock_mono() + ms * CLOCK_MS;
	while ((c = supervisor_next(s, &at)) != NULL) {
		if (child_alive(c))
			child_kill(c);
	}
}

uint64_t
fault_pause(const struct supervisor *s)
{
	uint64_t now = clock_mono();

	return s->fault.until > now ? s->fault.until - now : 0;
}

void
fault(struct supervisor *s, struct role_fault *f)
{
	f->code = ERR_INVALID;
	f->instance[sizeof f->instance - 1] = '\0';
	if (f->ms > ROLE_FAULT_MS || f->kind >= ROLE_FAULTS)
		return;
	f->code = ERR_NONE;
	if (f->kind == ROLE_FAULT_SERVER) {
		log_warnx("drill: all processes are killed");
		fault_server(s, f->ms);
	} else if (f->kind == ROLE_FAULT_CUT) {
		if (fault_lasts(s)) {
			f->code = ERR_BUSY;
			return;
		}
		log_warnx("drill: cut off the other servers for %u ms", f->ms);
		fault_cut(s, true);
		fault_set_timer(s, f->ms);
	} else {
		f->code = fault_instance(s, f);
		if (f->code == ERR_NONE)
			log_warnx("drill: role=%s %s", f->instance,
			    f->kind == ROLE_FAULT_KILL ? "killed" : "stopped");
	}
}
