/*
 * What comes next in a drill. A trial is: the site is whole, writes go on for
 * a pause, the fault, somebody serves again, the fault is undone. Whatever
 * ends a drill early, what it did is undone and what it wrote is checked and
 * taken away.
 */
#include "drill.h"

static enum drill_order
drill_settle(struct drill_machine *m)
{
	m->state = DRILL_SETTLING;
	m->timer = DRILL_PATIENCE_WHOLE;
	return DRILL_MEND;
}

static enum drill_order
drill_check(struct drill_machine *m)
{
	m->state = DRILL_CHECKING;
	m->timer = 0;
	return DRILL_CHECK;
}

void
drill_begin(struct drill_machine *m, unsigned times, uint64_t pause)
{
	*m = (struct drill_machine){.times = times, .pause = pause};
	drill_settle(m);
}

static enum drill_order
drill_settling(struct drill_machine *m, enum drill_event e)
{
	if (e == DRILL_TIMER)
		err_set(&m->why, ERR_TIMEOUT,
		    "the site did not become whole again in %u s",
		    (unsigned)(DRILL_PATIENCE_WHOLE / 1000000));
	if (e == DRILL_TIMER || (e == DRILL_WHOLE && m->ending) ||
	    (e == DRILL_WHOLE && m->trials == m->times))
		return drill_check(m);
	if (e != DRILL_WHOLE)
		return DRILL_WAIT;
	m->state = DRILL_PAUSING;
	m->timer = m->pause > 0 ? m->pause : 1;
	return DRILL_WAIT;
}

static enum drill_order
drill_pausing(struct drill_machine *m, enum drill_event e)
{
	if (m->ending)
		return drill_check(m);
	if (e != DRILL_TIMER)
		return DRILL_WAIT;
	m->state = DRILL_STRUCK;
	m->timer = DRILL_PATIENCE_SERVE;
	return DRILL_STRIKE;
}

static enum drill_order
drill_struck(struct drill_machine *m, enum drill_event e)
{
	if (e == DRILL_TIMER)
		err_set(&m->why, ERR_TIMEOUT, "nobody served within %u s",
		    (unsigned)(DRILL_PATIENCE_SERVE / 1000000));
	if (e == DRILL_TIMER || e == DRILL_REFUSED)
		m->ending = true;
	else if (e == DRILL_SERVED)
		m->trials++;
	else
		return DRILL_WAIT;
	return drill_settle(m);
}

enum drill_order
drill_step(struct drill_machine *m, enum drill_event e)
{
	if (e == DRILL_STOP)
		m->ending = true;
	switch (m->state) {
	case DRILL_SETTLING:
		return drill_settling(m, e);
	case DRILL_PAUSING:
		return drill_pausing(m, e);
	case DRILL_STRUCK:
		return drill_struck(m, e);
	case DRILL_CHECKING:
		if (e != DRILL_DONE)
			return DRILL_WAIT;
		m->state = DRILL_CLEARING;
		m->timer = DRILL_PATIENCE_SERVE;
		return DRILL_CLEAR;
	case DRILL_CLEARING:
		/* What stays runs out by itself. */
		if (e != DRILL_DONE && e != DRILL_TIMER)
			return DRILL_WAIT;
		m->state = DRILL_OVER;
		return DRILL_FINISH;
	case DRILL_OVER:
		break;
	}
	return DRILL_WAIT;
}
