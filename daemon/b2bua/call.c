/*
 * The life of a call.
 *
 *            admitted                 2xx of a branch, media known
 *   (INVITE) ------> SETUP --> RINGING --------------------> ANSWERED
 *                      |          |                             | ACK
 *                      |          |                             v
 *                      +----------+------> ENDING <------------ UP
 *
 * SETUP     contacts and media are being found. A failure refuses the INVITE.
 * RINGING   INVITEs are out, one a contact; provisional replies go back. The
 *           first 2xx wins, the other branches are cancelled.
 * ANSWERED  2xx sent to the caller, ACK sent to the winner. Without an ACK
 *           of the caller within 64*T1 both sides are told BYE.
 * UP        offers, INFO, timers go both ways (in_dialog.c, exchange.c).
 * ENDING    entered once, by call_end, for whatever reason. First the record
 *           says so; then the INVITE is refused, branches are cancelled,
 *           BYEs are sent, media is deleted. When all of that is answered, or
 *           was given up by its transaction, the call is booked and its
 *           record dropped.
 *
 * Every arrow is recorded before anybody outside sees it (call_store.c).
 * A call is freed at the end of a turn, never inside a callback of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

static void call_on_timer(void *);
static void call_reap(void *);

static void
call_init(struct call *c)
{
	c->domain = c->domain_id = c->user = "";
	c->caller_number = c->caller_name = "";
	c->called = c->destination = "";
	c->reason = "";
	c->rx_caller = c->rx_callee = c->lost_caller = c->lost_callee = -1;
	c->steps_last = &c->steps;
	c->media_last = &c->media_first;
	c->state = CALL_SETUP;
	c->start = clock_real();
	c->max_forwards = 70;
}

struct call *
call_new(struct b2bua *b, const char *id)
{
	struct pool *pool = pool_new();
	struct call *c = pool_alloc(pool, sizeof *c);

	c->magic = CALL_MAGIC;
	c->pool = pool;
	c->b2bua = b;
	call_init(c);
	if (id != NULL)
		str_copy(c->id, sizeof c->id, id);
	else
		leg_random(b, c->id, CALL_ID - 1);
	leg_init(&c->a, c, NULL);
	str_copy(c->a.label, sizeof c->a.label, "a");
	c->timer = loop_timer_new(b->self->loop, call_on_timer, c);
	c->reap = (struct loop_defer){.fn = call_reap, .arg = c};
	c->prev = &b->first;
	if ((c->next = b->first) != NULL)
		c->next->prev = &c->next;
	b->first = c;
	if (map_put(&b->calls, c->id, strlen(c->id), c, NULL) != 0)
		fatalx("out of memory");
	b->count.calls++;
	return c;
}

struct call *
call_find(struct b2bua *b, const char *id)
{
	return map_get(&b->calls, id, strlen(id));
}

void
call_free(struct call **cp)
{
	struct call *c = *cp;
	struct branch *b, *next;

	*cp = NULL;
	if (c == NULL)
		return;
	admit_drop(c);
	stage_drop(c);
	exchange_drop(c);
	call_media_forget(c, NULL);
	call_store_forget(c);
	loop_defer_cancel(c->b2bua->self->loop, &c->reap);
	loop_timer_free(&c->timer);
	nta_guest_end_incoming(c->b2bua->guest, c->invite);
	for (b = c->branches; b != NULL; b = next) {
		next = b->next;
		branch_free(b);
	}
	leg_fini(&c->a);
	buf_fini(&c->offer);
	free(c->route);
	free(c->head);
	if (c->next != NULL)
		c->next->prev = c->prev;
	*c->prev = c->next;
	map_del(&c->b2bua->calls, c->id, strlen(c->id));
	c->b2bua->count.calls--;
	c->magic = 0;
	pool_free(&c->pool);
}

void
call_enter(struct call *c, enum call_state state)
{
	c->state = state;
	call_store_touch(c);
}

/* ---- clocks ---- */

void
call_clock_arm(struct call *c)
{
	uint64_t next = UINT64_MAX, now, due;

	for (int i = 0; i < CALL_CLOCKS; i++)
		if (c->due[i] != 0 && c->due[i] < next)
			next = c->due[i];
	if (c->state == CALL_UP) {
		if ((due = session_timer_due(&c->a)) < next)
			next = due;
		if (c->winner != NULL &&
		    (due = session_timer_due(&c->winner->leg)) < next)
			next = due;
	}
	if (next == UINT64_MAX) {
		loop_timer_cancel(c->timer);
		return;
	}
	now = clock_mono();
	loop_timer_set(c->timer, next > now ? next - now : 1);
}

void
call_clock_set(struct call *c, enum call_clock k, uint64_t us)
{
	c->due[k] = clock_mono() + us;
	call_clock_arm(c);
}

void
call_clock_stop(struct call *c, enum call_clock k)
{
	c->due[k] = 0;
}

/* Media totals or a dead phone keep the books waiting no longer. */
static void
call_end_over(struct call *c)
{
	if (!c->booked)
		call_store_book(c, false);
	call_settle(c);
}

/* Who has not answered by now never will. */
static void
call_linger_over(struct call *c)
{
	c->media_gone = c->a.over = true;
	if (c->invite != NULL)
		nta_incoming_destroy(c->invite);
	c->invite = NULL;
	for (struct branch *b = c->branches; b != NULL; b = b->next) {
		b->leg.over = true;
		b->state = BRANCH_DONE;
	}
	call_settle(c);
}

static void
call_say_trying(struct call *c, void *arg)
{
	(void)arg;
	caller_trying(c);
}

static void
call_run_clock(struct call *c, enum call_clock k)
{
	switch (k) {
	case CALL_CLOCK_TRYING:
		call_store_then(c, call_say_trying, NULL);
		break;
	case CALL_CLOCK_SETUP:
		call_end(c, 503, "setup took too long", CALL_SIDE_SYSTEM);
		break;
	case CALL_CLOCK_RING:
		stage_ring_over(c);
		break;
	case CALL_CLOCK_END:
		call_end_over(c);
		break;
	case CALL_CLOCK_LINGER:
		call_linger_over(c);
		break;
	case CALL_CLOCKS:
		break;
	}
}

static void
call_on_timer(void *arg)
{
	struct call *c = OBJ(arg, call, CALL_MAGIC);
	uint64_t now = clock_mono();

	for (enum call_clock k = 0; k < CALL_CLOCKS; k++) {
		if (c->due[k] == 0 || c->due[k] > now)
			continue;
		c->due[k] = 0;
		call_run_clock(c, k);
	}
	if (c->state == CALL_UP) {
		session_timer_run(&c->a, now);
		if (c->winner != NULL && c->state == CALL_UP)
			session_timer_run(&c->winner->leg, now);
	}
	call_clock_arm(c);
}

/* ---- the end ---- */

/* What the caller is owed: an answer to the INVITE, or a BYE behind its ACK
 * (RFC 3261 15: not before). */
static void
call_tell_caller(struct call *c, const char *reason)
{
	if (c->a.up && c->a.acked)
		leg_bye(&c->a, reason);
	else if (!c->a.up)
		caller_refuse(c);
}

void
call_tell(struct call *c)
{
	char cause[128];
	const char *reason = c->peer_reason;

	if (reason == NULL) {
		headers_cause(cause, c->q850, c->reason);
		reason = cause;
	}
	call_tell_caller(c, reason);
	branch_others_off(c, NULL, reason);
	call_media_delete(c);
	c->told = true;
	call_clock_set(c, CALL_CLOCK_END, b2bua_times.end);
	call_clock_set(c, CALL_CLOCK_LINGER, b2bua_times.linger);
	call_settle(c);
}

static void
call_tell_end(struct call *c, void *arg)
{
	(void)arg;
	call_tell(c);
}

void
call_end(struct call *c, int code, const char *reason, enum call_side side)
{
	if (c->state == CALL_ENDING)
		return;
	c->end = clock_real();
	c->code = c->answer != 0 ? 200 : code;
	c->q850 = cause_find(code)->q850;
	c->reason = pool_str(c->pool, reason);
	c->ended_by = side;
	if (c->answer == 0)
		c->b2bua->count.failed++;
	memset(c->due, 0, sizeof c->due);
	why_end(c);
	call_trace_end(c);
	call_enter(c, CALL_ENDING);
	admit_drop(c);
	stage_drop(c);
	exchange_drop(c);
	call_media_forget(c, NULL);
	call_store_then(c, call_tell_end, NULL);
	log_debug("call=%s ends %d %s", c->id, c->code, c->reason);
}

/* Nothing is owed to anybody, nothing is on its way. */
static bool
call_is_over(const struct call *c)
{
	if (c->state != CALL_ENDING || !c->told || c->invite != NULL ||
	    (c->a.up && !c->a.over) || (c->media && !c->media_gone) ||
	    c->dirty || c->steps != NULL || c->writes > 0)
		return false;
	for (const struct branch *b = c->branches; b != NULL; b = b->next)
		if (!branch_is_over(b))
			return false;
	return true;
}

void
call_settle(struct call *c)
{
	if (call_is_over(c))
		loop_defer(c->b2bua->self->loop, &c->reap);
}

static void
call_reap(void *arg)
{
	struct call *c = OBJ(arg, call, CALL_MAGIC);

	if (!call_is_over(c))
		return;
	call_store_book(c, true);
	call_free(&c);
}

const char *
call_state_name(const struct call *c)
{
	static const char *const names[] = {
	    "", "setup", "ringing", "answered", "up", "ending"};

	return names[c->state];
}
