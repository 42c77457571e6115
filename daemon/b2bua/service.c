/*
 * Numbers that the exchange answers itself: one leg, whose media MG returns.
 */
#include <string.h>

#include "b2bua.h"

#include "daemon/base/clock.h"

static void
service_answer(struct call *c, void *arg)
{
	(void)arg;
	if (c->state != CALL_ANSWERED)
		return;
	caller_answer(c);
	c->b2bua->count.answered++;
}

static void
service_on_media(
    struct call *c, void *arg, const char *sdp, const struct err *err)
{
	struct err none;

	(void)arg;
	if (err != NULL) {
		call_end(c, err->code == ERR_CHECK ? 488 : 503, "no media gate",
		    CALL_SIDE_SYSTEM);
		return;
	}
	if (leg_describe(&c->a, sdp, strlen(sdp), &none) != 0) {
		call_end(c, 500, "media cannot be described", CALL_SIDE_SYSTEM);
		return;
	}
	memset(c->due, 0, sizeof c->due);
	c->answer = clock_real();
	call_trace_leg(&c->a);
	call_enter(c, CALL_ANSWERED);
	call_store_then(c, service_answer, NULL);
}

/* The caller must bring the offer: the exchange has no media of its own. */
void
service_start(struct call *c, const struct plan_leg *l)
{
	c->service = pool_str(c->pool, l->target);
	if (c->delayed) {
		call_end(c, 488, "a service needs an offer", CALL_SIDE_CALLER);
		return;
	}
	call_media_offer(&c->a, NULL, true, service_on_media, NULL);
}
