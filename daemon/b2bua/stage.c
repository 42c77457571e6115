/*
 * Whom to ring now, and what follows when nobody answers. The plan's legs of
 * one stage ring together; the next stage follows only after a failure that
 * the plan names. Routing is none of this file's: it walks what plan/ has
 * said.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

/* The contacts of one leg of the plan being looked for. */
struct stage_ask {
	struct stage_ask *next;
	struct call *call;
	const struct plan_leg *leg;
	struct locate_ask *locate;
	bool done;
};

void
stage_drop(struct call *c)
{
	struct stage_ask *a;

	while ((a = c->stage_asks) != NULL) {
		c->stage_asks = a->next;
		locate_drop(&a->locate);
		free(a);
	}
}

/* Is anybody rung who may still answer? Who was cancelled is not waited for:
 * a phone that is silent would hold up what is decided (RFC 3261 16.7). */
static bool
stage_has_branches(const struct call *c)
{
	for (const struct branch *b = c->branches; b != NULL; b = b->next)
		if (b->stage == c->stage && b->state != BRANCH_DONE &&
		    b->state != BRANCH_CANCELLED)
			return true;
	return false;
}

/* How long this stage rings, s. */
static unsigned
stage_seconds(const struct call *c)
{
	unsigned s = 0;

	for (unsigned i = 0; i < c->route->nlegs; i++)
		if (c->route->legs[i].stage == c->stage &&
		    c->route->legs[i].ring_time > s)
			s = c->route->legs[i].ring_time;
	return s == 0 ? 180 : s;
}

static uint64_t
stage_ring_time(const struct call *c)
{
	return stage_seconds(c) * CLOCK_SEC;
}

/* ---- ringing ---- */

/* The record knows every branch of the stage. */
static void
stage_send(struct call *c, void *arg)
{
	struct branch *b, *next;

	(void)arg;
	if (c->state != CALL_RINGING) {
		call_settle(c);
		return;
	}
	call_clock_set(c, CALL_CLOCK_RING, stage_ring_time(c));
	for (b = c->branches; b != NULL && c->state == CALL_RINGING; b = next) {
		next = b->next;
		if (b->stage == c->stage && b->state == BRANCH_CALLING &&
		    b->invite == NULL)
			branch_invite(b);
	}
}

/* Each branch gets its own description of the offer. */
static bool
stage_describe(struct call *c)
{
	struct err err;

	for (struct branch *b = c->branches; b != NULL; b = b->next) {
		if (b->stage != c->stage)
			continue;
		if (!leg_open(&b->leg) ||
		    (!c->delayed &&
			leg_describe(
			    &b->leg, c->offer.data, c->offer.len, &err) != 0))
			return false;
	}
	return true;
}

static void
stage_ring(struct call *c)
{
	if (!stage_describe(c)) {
		call_end(c, 500, "media cannot be described", CALL_SIDE_SYSTEM);
		return;
	}
	c->due[CALL_CLOCK_SETUP] = 0;
	c->ring_until = clock_real() + stage_ring_time(c);
	call_enter(c, CALL_RINGING);
	call_store_then(c, stage_send, NULL);
}

static void
stage_on_offer(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	(void)arg;
	if (err != NULL) {
		call_end(c, err->code == ERR_CHECK ? 488 : 503, "no media gate",
		    CALL_SIDE_SYSTEM);
		return;
	}
	buf_reset(&c->offer);
	buf_str(&c->offer, sdp);
	stage_ring(c);
}

/* All contacts are known. */
static void
stage_ready(struct call *c)
{
	stage_drop(c);
	if (!stage_has_branches(c)) {
		stage_note(c, 480, CALL_SIDE_SYSTEM);
		stage_failed(c);
		return;
	}
	if (c->delayed || c->offer.len > 0)
		stage_ring(c);
	else
		call_media_offer(&c->a, NULL, false, stage_on_offer, NULL);
}

static void
stage_on_contacts(void *arg, const struct locate_list *l)
{
	struct stage_ask *a = arg, *other;
	struct call *c = a->call;

	a->locate = NULL;
	a->done = true;
	why_contacts(a->leg, l, c->nbranches, why_found, c);
	for (unsigned i = 0; i < l->count && c->nbranches < BRANCH_MAX; i++)
		branch_new(c, a->leg, &l->contact[i]);
	for (other = c->stage_asks; other != NULL; other = other->next)
		if (!other->done)
			return;
	stage_ready(c);
}

/* Ask for all contacts; the last answer, now or later, goes on. */
static void
stage_locate(struct call *c)
{
	struct stage_ask *a, *next;
	struct locate_ask *ask;

	for (unsigned i = 0; i < c->route->nlegs; i++) {
		if (c->route->legs[i].stage != c->stage)
			continue;
		a = xcalloc(1, sizeof *a);
		a->call = c;
		a->leg = &c->route->legs[i];
		a->next = c->stage_asks;
		c->stage_asks = a;
	}
	for (a = c->stage_asks; a != NULL; a = next) {
		next = a->next;
		ask = locate_user(c->b2bua, c->domain_id, a->leg->target,
		    a->leg->max_contacts, stage_on_contacts, a);
		if (ask != NULL) /* otherwise answered; a may be gone */
			a->locate = ask;
	}
}

void
stage_start(struct call *c)
{
	const struct plan_leg *l;

	for (unsigned i = 0; i < c->route->nlegs; i++) {
		l = &c->route->legs[i];
		if (l->stage != c->stage)
			continue;
		c->destination = pool_str(c->pool, l->target);
		if (l->kind == PLAN_LEG_SERVICE) {
			service_start(c, l);
			return;
		}
	}
	why_stage(c, stage_seconds(c));
	stage_locate(c);
}

/* ---- failures ---- */

/* Does the plan go on after a failure of this kind? */
static bool
stage_next(struct call *c, unsigned on)
{
	bool wanted = false, more = false;

	/* Of an adopted call the plan's answer is gone. */
	for (unsigned i = 0; c->route != NULL && i < c->route->nlegs; i++) {
		const struct plan_leg *l = &c->route->legs[i];

		if (l->stage == c->stage && (l->next_on & on) != 0)
			wanted = true;
		if (l->stage > c->stage)
			more = true;
	}
	why_next(c, on, wanted && more);
	if (!wanted || !more)
		return false;
	c->stage++;
	c->best = 0;
	c->early_from = NULL;
	stage_start(c);
	return true;
}

void
stage_note(struct call *c, int code, enum call_side by)
{
	int best = cause_best(c->best, code);

	if (best == c->best)
		return;
	c->best = best;
	c->best_by = by;
}

void
stage_failed(struct call *c)
{
	const struct cause *cause;
	int code = c->best;

	if (c->winner != NULL || c->state == CALL_ENDING ||
	    stage_has_branches(c))
		return;
	call_clock_stop(c, CALL_CLOCK_RING);
	cause = cause_find(code);
	if (stage_next(c, cause->on))
		return;
	call_end(c, code == 0 ? 480 : code, cause->words,
	    code == 0 ? CALL_SIDE_SYSTEM : c->best_by);
}

void
stage_ring_over(struct call *c)
{
	if (c->winner != NULL || c->state != CALL_RINGING)
		return;
	if (stage_next(c, PLAN_ON_NO_ANSWER)) {
		for (struct branch *b = c->branches; b != NULL; b = b->next)
			if (b->stage < c->stage)
				branch_cancel(b, NULL);
		return;
	}
	call_end(c, 480, "no answer", CALL_SIDE_SYSTEM);
	c->q850 = 19;
}
