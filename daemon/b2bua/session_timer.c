/*
 * Care for an established leg: session timers (RFC 4028), each leg with its
 * own, and OPTIONS when nothing was heard of a phone for a while. A phone
 * that answers 408 or 481, or not at all, ends the call; every other answer
 * shows that it is there.
 */
#include <string.h>

#include "b2bua.h"
#include <sofia-sip/su_string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define TIMER_LEAST 90 /* s, RFC 4028 4 */
#define TIMER_MOST 86400

static bool
timer_is_supported(const sip_t *sip)
{
	return (sip->sip_supported != NULL &&
		   sip_has_feature(sip->sip_supported, "timer")) ||
	    (sip->sip_require != NULL &&
		sip_has_feature(sip->sip_require, "timer"));
}

static unsigned
timer_bound(unsigned long s)
{
	return s > TIMER_MOST ? TIMER_MOST : (unsigned)s;
}

/*
 * The peer asks (RFC 4028 9): an interval below ours is refused, otherwise
 * it is taken; without one there is no timer. The peer refreshes when it can,
 * for it is the one that may vanish.
 */
int
session_timer_request(struct leg *l, const sip_t *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;
	unsigned interval;

	l->timer = timer_is_supported(sip);
	if (sip->sip_allow != NULL)
		l->update = sip_is_allowed(sip->sip_allow, SIP_METHOD_UPDATE);
	if (sip->sip_min_se != NULL)
		l->min_se = timer_bound(sip->sip_min_se->min_delta);
	if (x == NULL) {
		l->interval = 0;
		return 0;
	}
	interval = timer_bound(x->x_delta);
	if (interval < b2bua_times.min_se && l->timer)
		return 422;
	if (interval < b2bua_times.min_se)
		interval = b2bua_times.min_se;
	l->interval = interval;
	l->refresher = x->x_refresher != NULL
	    ? su_casematch(x->x_refresher, "uas")
	    : !l->timer;
	l->refreshed = clock_mono();
	return 0;
}

/* The peer's 2xx (RFC 4028 7.2): without the header it keeps no timer, and
 * refreshing is ours alone. */
void
session_timer_reply(struct leg *l, const sip_t *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;

	l->refreshed = clock_mono();
	l->timer = timer_is_supported(sip) || x != NULL;
	if (sip->sip_allow != NULL)
		l->update = sip_is_allowed(sip->sip_allow, SIP_METHOD_UPDATE);
	if (x == NULL) {
		l->refresher = true;
		return;
	}
	l->interval = timer_bound(x->x_delta);
	if (l->interval < TIMER_LEAST)
		l->interval = TIMER_LEAST;
	l->refresher = x->x_refresher == NULL ||
	    su_casematch(x->x_refresher, "uac");
}

/* Who refreshes: the answerer or the asker of this transaction. */
static const msg_param_t timer_uas[] = {"refresher=uas", NULL};
static const msg_param_t timer_uac[] = {"refresher=uac", NULL};
static const msg_param_t *const timer_roles[] = {timer_uas, timer_uac};

const sip_session_expires_t *
session_timer_header(
    const struct leg *l, sip_session_expires_t *x, bool request)
{
	if (l->interval == 0)
		return NULL;
	sip_session_expires_init(x);
	x->x_delta = l->interval;
	/* In a first request the peer chooses; later roles stay. */
	if (!request || l->up)
		x->x_params = timer_roles[request == l->refresher];
	return x;
}

const sip_min_se_t *
session_timer_least(const struct leg *l, sip_min_se_t *m)
{
	sip_min_se_init(m);
	m->min_delta = l->min_se > b2bua_times.min_se ? l->min_se
						      : b2bua_times.min_se;
	return m;
}

/* When the session must have been refreshed: we do it at half time, the
 * peer gets all but a margin (RFC 4028 10). */
static uint64_t
timer_deadline(const struct leg *l)
{
	uint64_t s = l->interval, margin = s / 3 < 32 ? s / 3 : 32;

	if (l->interval == 0 || !l->up)
		return UINT64_MAX;
	if (!l->refresher)
		return l->refreshed + (s - margin) * CLOCK_SEC;
	s = l->refreshed + s * CLOCK_SEC / 2;
	return s > l->not_before ? s : l->not_before;
}

uint64_t
session_timer_due(const struct leg *l)
{
	uint64_t deadline = timer_deadline(l), ping;

	if (!l->up || l->probe != NULL)
		return l->probe != NULL && !l->refresher ? deadline
							 : UINT64_MAX;
	ping = l->heard + b2bua_times.ping;
	return ping < deadline ? ping : deadline;
}

static void
timer_gone(struct leg *l, const char *why)
{
	struct call *c = l->call;

	c->b2bua->count.pings_failed++;
	l->over = true;
	call_end(c, 408, why,
	    l->branch == NULL ? CALL_SIDE_CALLER : CALL_SIDE_CALLEE);
}

/* The answer to OPTIONS or to a refresh. */
static int
timer_on_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg *l = OBJ(magic, leg, LEG_MAGIC);
	int status = sip == NULL ? 408 : sip->sip_status->st_status;
	bool refresh = nta_outgoing_method(orq) == sip_method_update;

	nta_guest_busy(l->call->b2bua->guest);
	if (status < 200)
		return 0;
	nta_outgoing_destroy(orq);
	l->probe = NULL;
	leg_hear(l);
	if (l->call->state != CALL_UP)
		return 0;
	if (status == 408 || status == 481) {
		timer_gone(l, "the phone is gone");
		return 0;
	}
	if (refresh && status < 300)
		session_timer_reply(l, sip);
	else if (refresh && status == 422 && sip->sip_min_se != NULL)
		l->interval = timer_bound(sip->sip_min_se->min_delta);
	if (refresh && status >= 300) /* asked again at the next half time */
		l->refreshed = clock_mono();
	call_clock_arm(l->call);
	return 0;
}

static void
timer_ping(struct leg *l)
{
	leg_step_cseq(l);
	l->call->b2bua->count.pings++;
	l->probe = nta_outgoing_tcreate(l->nta, timer_on_reply, l, NULL,
	    SIP_METHOD_OPTIONS, NULL, SIPTAG_CONTACT(l->call->b2bua->contact),
	    SIPTAG_ACCEPT(l->call->b2bua->accept), TAG_END());
	if (l->probe == NULL)
		leg_hear(l);
}

static void
timer_refresh(struct leg *l)
{
	sip_session_expires_t x[1];
	sip_min_se_t m[1];

	if (!l->update) {
		exchange_refresh(l);
		return;
	}
	leg_step_cseq(l);
	l->probe = nta_outgoing_tcreate(l->nta, timer_on_reply, l, NULL,
	    SIP_METHOD_UPDATE, NULL, SIPTAG_CONTACT(l->call->b2bua->contact),
	    SIPTAG_SUPPORTED(l->call->b2bua->supported),
	    SIPTAG_SESSION_EXPIRES(session_timer_header(l, x, true)),
	    SIPTAG_MIN_SE(session_timer_least(l, m)), TAG_END());
	if (l->probe == NULL)
		l->refreshed = clock_mono();
}

void
session_timer_run(struct leg *l, uint64_t now)
{
	if (!l->up || l->over)
		return;
	if (now >= timer_deadline(l)) {
		if (!l->refresher)
			timer_gone(l, "session expired");
		else if (l->probe == NULL)
			timer_refresh(l);
		return;
	}
	if (l->probe == NULL && now >= l->heard + b2bua_times.ping)
		timer_ping(l);
}
