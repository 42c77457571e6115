/*
 * What each of those who work here may take, and whose turn it is. There is
 * one loop for all: a request waits until it is begun, and requests are begun
 * a few at a time, of each one who asks in turn, those who own the machine
 * first. Of a list that is long a slice is read in each turn. So how much
 * somebody asks is their own wait.
 *
 * Nothing is begun for a session that does not take its answers: the console
 * beside us, by what our socket holds, one that comes by a gate, by what the
 * gate says. A console that sends on is read no further then.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define SHARE_PART 4 /* of what is left one may have one such part */
#define TURN_TIME (2 * CLOCK_MS) /* that beginnings may take in one turn */
#define TURN_RUNNING 1024	 /* of one who asks: of all kinds ... */
#define TURN_ASKING 32		 /* ... that only read ... */
#define TURN_LOOKING 2		 /* ... and that are done here, ... */
#define TURN_LOOKING_FIXED 8	 /* ... by who owns the machine */
#define TURN_UNREAD (1u << 20)	 /* bytes that a console has not taken */
#define TURN_GATE (4u << 20)	 /* that a gate has not taken */
#define TURN_AHEAD 64		 /* that wait: the console is read no more */

/* ---- shares ---------------------------------------------------------------
 */

bool
share_allows(const struct op_who *who, unsigned own, unsigned all, unsigned max,
    unsigned kept)
{
	if (who->fixed || who->role == ADMIN_SITE)
		return all < max;
	return all + kept < max &&
	    own < (max - kept - all + SHARE_PART - 1) / SHARE_PART;
}

static struct share *
share_find(struct control *c, const struct op_who *who)
{
	struct share *h;

	TAILQ_FOREACH (h, &c->shares, entry) {
		if (h->fixed == who->fixed && strcmp(h->name, who->name) == 0)
			return h;
	}
	return NULL;
}

/* With nothing left it is forgotten. */
static void
share_release(struct control *c, struct share *h)
{
	if (!TAILQ_EMPTY(&h->all) || h->running > 0)
		return;
	TAILQ_REMOVE(&c->shares, h, entry);
	free(h);
}

void
share_join(struct session *s)
{
	struct share *h = share_find(s->control, &s->who);

	if (h == NULL) {
		h = xcalloc(1, sizeof *h);
		str_copy(h->name, sizeof h->name, s->who.name);
		h->fixed = s->who.fixed;
		TAILQ_INIT(&h->all);
		TAILQ_INSERT_TAIL(&s->control->shares, h, entry);
	}
	s->share = h;
	TAILQ_INSERT_TAIL(&h->all, s, turn);
}

void
share_leave(struct session *s)
{
	struct share *h = s->share;

	s->share = NULL;
	TAILQ_REMOVE(&h->all, s, turn);
	share_release(s->control, h);
}

/* ---- what a call costs -----------------------------------------------------
 */

/* It has changed nothing when it ends. */
static bool
turn_is_read(const struct call *call)
{
	return call->op->kind == OP_READ;
}

/* It is this process that does the work. What watches a list only waits for
 * looks, which are calls of their own. */
static bool
turn_is_look(const struct call *call)
{
	return turn_is_read(call) && call->op->where == OP_CONTROL &&
	    call->op->of == NULL;
}

/* Does it take the answers that it has got? */
static bool
turn_is_taken(const struct session *s)
{
	return s->gated ? !s->full && rpc_queued(s->rpc) <= TURN_GATE
			: rpc_queued(s->rpc) <= TURN_UNREAD;
}

static bool
turn_may(const struct session *s, const struct call *call)
{
	const struct share *h = s->share;

	if (!turn_is_taken(s))
		return false;
	if (call->op == NULL)
		return true;
	if (h->running >= TURN_RUNNING ||
	    (turn_is_read(call) && h->asking >= TURN_ASKING))
		return false;
	return !turn_is_look(call) ||
	    (s->looking == 0 &&
		h->looking < (h->fixed ? TURN_LOOKING_FIXED : TURN_LOOKING));
}

/* ---- whose turn it is ------------------------------------------------------
 */

static struct call *
turn_of_share(const struct share *h)
{
	struct session *s;
	struct call *call;

	TAILQ_FOREACH (s, &h->all, turn) {
		call = TAILQ_FIRST(&s->waiting);
		if (call != NULL && turn_may(s, call))
			return call;
	}
	return NULL;
}

static struct call *
turn_next(struct control *c)
{
	struct call *call, *later = NULL;
	struct share *h;

	TAILQ_FOREACH (h, &c->shares, entry) {
		if ((!h->fixed && later != NULL) ||
		    (call = turn_of_share(h)) == NULL)
			continue;
		if (h->fixed)
			return call;
		later = call;
	}
	return later;
}

static void
turn_count(struct call *call, int by)
{
	struct share *h = call->share;

	h->running += (unsigned)by;
	if (turn_is_read(call))
		h->asking += (unsigned)by;
	if (!turn_is_look(call))
		return;
	h->looking += (unsigned)by;
	if (call->session != NULL)
		call->session->looking += (unsigned)by;
}

static void
turn_leave(struct session *s, struct call *call)
{
	TAILQ_REMOVE(&s->waiting, call, turn);
	if (--s->nwaiting == TURN_AHEAD / 2 && !s->gated)
		rpc_pause(s->rpc, false);
}

/* The next time others come first. */
static void
turn_begin(struct control *c, struct call *call)
{
	struct session *s = call->session;
	struct share *h = s->share;

	turn_leave(s, call);
	TAILQ_REMOVE(&c->shares, h, entry);
	TAILQ_INSERT_TAIL(&c->shares, h, entry);
	TAILQ_REMOVE(&h->all, s, turn);
	TAILQ_INSERT_TAIL(&h->all, s, turn);
	if (call->op != NULL) {
		call->share = h;
		turn_count(call, 1);
	}
	call_begin(call);
}

/* As many as there is time for; the others' events come between. */
static void
turn_on_begin(void *arg)
{
	struct control *c = arg;
	uint64_t began = clock_mono();
	struct call *call;

	if (loop_timer_is_set(c->turn))
		return;
	while ((call = turn_next(c)) != NULL) {
		turn_begin(c, call);
		if (clock_mono() - began >= TURN_TIME) {
			loop_timer_set(c->turn, 0);
			return;
		}
	}
}

void
turn_wake(struct control *c)
{
	loop_defer(c->self->loop, &c->begin);
}

void
turn_on_taken(void *control)
{
	turn_wake(control);
}

void
turn_take(struct call *call)
{
	struct session *s = call->session;

	TAILQ_INSERT_TAIL(&s->waiting, call, turn);
	if (++s->nwaiting == TURN_AHEAD && !s->gated)
		rpc_pause(s->rpc, true);
	turn_wake(s->control);
}

void
turn_over(struct call *call)
{
	struct share *h = call->share;

	if (h == NULL)
		return;
	turn_count(call, -1);
	call->share = NULL;
	share_release(call->control, h);
	turn_wake(call->control);
}

void
turn_drop(struct session *s)
{
	struct call *call;

	while ((call = TAILQ_FIRST(&s->waiting)) != NULL) {
		TAILQ_REMOVE(&s->waiting, call, turn);
		s->nwaiting--;
		call_drop(call);
	}
}

/* ---- long lists ------------------------------------------------------------
 */

static void
turn_on_scan(void *arg)
{
	struct control *c = arg;

	if (list_turn(&c->scans))
		loop_timer_set(c->scan, 0);
}

void
turn_scan_wake(struct control *c)
{
	if (!loop_timer_is_set(c->scan))
		loop_timer_set(c->scan, 0);
}

/* ---- life ------------------------------------------------------------------
 */

/* What long answers have left goes back to the machine. */
static void
turn_on_idle(void *arg)
{
	(void)arg;
	mem_trim();
}

void
turn_long(struct control *c)
{
	if (!loop_timer_is_set(c->idle))
		loop_timer_set(c->idle, CLOCK_SEC);
}

void
turn_open(struct control *c)
{
	struct loop *loop = c->self->loop;

	TAILQ_INIT(&c->shares);
	TAILQ_INIT(&c->scans);
	c->begin = (struct loop_defer){.fn = turn_on_begin, .arg = c};
	c->turn = loop_timer_new(loop, turn_on_begin, c);
	c->scan = loop_timer_new(loop, turn_on_scan, c);
	c->idle = loop_timer_new(loop, turn_on_idle, c);
}

void
turn_close(struct control *c)
{
	loop_defer_cancel(c->self->loop, &c->begin);
	loop_timer_free(&c->turn);
	loop_timer_free(&c->scan);
	loop_timer_free(&c->idle);
}
