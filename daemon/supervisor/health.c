/*
 * Signs of life. A process that is dead is seen at once; one that hangs (it is
 * stopped, waits for what never comes, goes round in circles) is seen because
 * it does not answer, and is killed: then it is dead, and its work goes to
 * another instance.
 *
 * Not to answer is no crime of one that the machine keeps waiting: a process
 * that is runnable or waits for a disk has HEALTH_BUSY, any other
 * HEALTH_STALL. Time in which this loop itself did not run counts for nobody.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

#define HEALTH_TICK (200 * CLOCK_MS)
#define HEALTH_STALL (500 * CLOCK_MS)
#define HEALTH_BUSY (10 * CLOCK_SEC)

char
health_state(const char *stat)
{
	/* The name before it may hold anything, also ')'. */
	const char *at = strrchr(stat, ')');

	return at != NULL && at[1] == ' ' && at[2] != '\0' ? at[2] : '?';
}

bool
health_hangs(uint64_t silent, char state)
{
	bool busy = state == 'R' || state == 'D' || state == '?';

	return silent >= (busy ? HEALTH_BUSY : HEALTH_STALL);
}

/* proc_pid_stat(5): "R" runnable, "D" waits for a disk, "T" stopped; "?" when
 * it cannot be read. */
static char
health_look(pid_t pid)
{
	char path[40], text[512];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
		n = read(fd, text, sizeof text - 1);
		close(fd);
	}
	if (n <= 0)
		return '?';
	text[n] = '\0';
	return health_state(text);
}

static void
health_child(struct child *c, uint64_t now)
{
	struct role_msg m = {.type = ROLE_MSG_PING};
	uint64_t silent = now - c->asked;
	char state;

	if (c->state != CHILD_READY) {
		c->asked = 0;
	} else if (c->asked == 0) {
		c->asked = now;
		child_tell(c, &m, NULL, 0);
	} else if (silent >= HEALTH_STALL) {
		state = health_look(c->pid);
		if (!health_hangs(silent, state))
			return;
		log_warnx("role=%s pid=%d gives no sign of life for %llu ms "
			  "(state %c): killed",
		    c->name, (int)c->pid,
		    (unsigned long long)(silent / CLOCK_MS), state);
		c->asked = 0;
		kill(c->pid, SIGKILL);
	}
}

static void
health_on_tick(void *arg)
{
	struct supervisor *s = arg;
	uint64_t now = clock_mono(), late = now - s->health_at;
	struct child *c;
	unsigned at = 0;

	late = late > 2 * HEALTH_TICK ? late - HEALTH_TICK : 0;
	s->health_at = now;
	while ((c = supervisor_next(s, &at)) != NULL) {
		if (c->asked != 0)
			c->asked += late;
		health_child(c, now);
	}
	loop_timer_set(s->health, HEALTH_TICK);
}

void
health_start(struct supervisor *s)
{
	s->health = loop_timer_new(s->loop, health_on_tick, s);
	s->health_at = clock_mono();
	loop_timer_set(s->health, HEALTH_TICK);
}
