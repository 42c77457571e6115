/*
 * Where a stream's party is, and from where its packets are accepted. The
 * law: media goes to an address that signalling named or that has proven
 * itself by packets, never to one that merely sent something; once proven,
 * an address is left only for a better known one or after new signalling.
 * So a stranger who sprays packets at an open port neither hears the call
 * nor takes it over ("RTP bleed"). Pure: time comes from the caller.
 */
#include <string.h>

#include "mg.h"

static bool
mg_latch_is_set(const union addr *a)
{
	return a->sa.sa_family != AF_UNSPEC;
}

static bool
mg_latch_same(const union addr *a, const union addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	return !mg_latch_is_set(a) || addr_equal(a, b);
}

/*
 * A private address behind which the signalling did not come from is one of
 * somebody else's network: nothing is sent there.
 */
static bool
mg_latch_is_reachable(const struct mg_latch *l)
{
	if (!mg_latch_is_set(&l->signalled))
		return false;
	return !addr_is_private(&l->signalled) || !mg_latch_is_set(&l->host) ||
	    addr_same_host(&l->signalled, &l->host);
}

void
mg_latch_signal(struct mg_latch *l, const union addr *signalled,
    const union addr *host, uint64_t now)
{
	union addr none = {0};
	bool same;

	if (host == NULL)
		host = &none;
	same = l->open && mg_latch_same(&l->signalled, signalled) &&
	    l->host.sa.sa_family == host->sa.sa_family &&
	    (!mg_latch_is_set(host) || addr_same_host(&l->host, host));
	if (same && l->trust == MG_TRUST_EXACT)
		return;
	l->open = true;
	l->since = now;
	l->near.count = l->far.count = 0;
	l->again = same && l->trust != MG_TRUST_NONE;
	if (same)
		return;
	l->signalled = *signalled;
	l->host = *host;
	l->trust = MG_TRUST_NONE;
	l->remote = mg_latch_is_reachable(l) ? l->signalled : none;
}

/* How well the source of a packet is known. */
static enum mg_trust
mg_latch_trust(const struct mg_latch *l, const union addr *from)
{
	if (mg_latch_is_reachable(l)) {
		if (addr_equal(from, &l->signalled))
			return MG_TRUST_EXACT;
		if (addr_same_host(from, &l->signalled))
			return MG_TRUST_NEAR;
	}
	if (mg_latch_is_set(&l->host) && addr_same_host(from, &l->host))
		return MG_TRUST_NEAR;
	return MG_TRUST_FAR;
}

/*
 * A source that nothing speaks for. It is taken when signalling named no
 * address that could be waited for, or when that has been silent.
 */
static bool
mg_latch_takes_far(const struct mg_latch *l, uint64_t now)
{
	uint64_t since = l->since > l->heard ? l->since : l->heard;

	if (mg_latch_is_set(&l->host) && mg_latch_is_set(&l->signalled) &&
	    addr_same_host(&l->signalled, &l->host))
		return false;
	if (!mg_latch_is_set(&l->host) && l->trust == MG_TRUST_NONE &&
	    (!mg_latch_is_set(&l->signalled) || addr_is_private(&l->signalled)))
		return true;
	return now - since >= MG_LATCH_SILENCE;
}

/*
 * One more packet of a candidate: same address, same source, sequence going
 * up, all within the window. Anything else starts anew, so two who compete
 * keep each other out.
 */
static bool
mg_candidate_add(struct mg_candidate *c, const union addr *from,
    const struct mg_rtp *rtp, unsigned need, uint64_t now)
{
	uint16_t step = (uint16_t)(rtp->seq - c->seq);

	if (c->count == 0 || !addr_equal(&c->from, from) ||
	    c->ssrc != rtp->ssrc || step == 0 || step > 50 ||
	    now - c->first > MG_LATCH_WINDOW) {
		c->from = *from;
		c->ssrc = rtp->ssrc;
		c->first = now;
		c->count = 0;
	}
	c->seq = rtp->seq;
	return ++c->count >= need;
}

static enum mg_latched
mg_latch_move(
    struct mg_latch *l, const union addr *to, enum mg_trust trust, uint64_t now)
{
	l->remote = *to;
	l->trust = trust;
	l->again = false;
	l->heard = now;
	l->near.count = l->far.count = 0;
	return MG_LATCH_MOVED;
}

/* May a source so well known take the place of what is there? */
static bool
mg_latch_may_move(const struct mg_latch *l, enum mg_trust trust, uint64_t now)
{
	if (trust < l->trust || (trust == l->trust && !l->again))
		return false;
	return trust != MG_TRUST_FAR || mg_latch_takes_far(l, now);
}

enum mg_latched
mg_latch_rtp(struct mg_latch *l, const union addr *from,
    const struct mg_rtp *rtp, bool known, uint64_t now)
{
	enum mg_trust trust;
	bool ready;

	if (!l->open)
		return MG_LATCH_DROP;
	if (l->trust != MG_TRUST_NONE && addr_equal(from, &l->remote)) {
		l->heard = now;
		return MG_LATCH_PASS;
	}
	trust = mg_latch_trust(l, from);
	if (!mg_latch_may_move(l, trust, now))
		return MG_LATCH_DROP;
	if (trust == MG_TRUST_EXACT)
		return mg_latch_move(l, from, trust, now);
	if (!known)
		return MG_LATCH_DROP;
	ready = trust == MG_TRUST_NEAR
	    ? mg_candidate_add(&l->near, from, rtp, MG_LATCH_NEAR, now)
	    : mg_candidate_add(&l->far, from, rtp, MG_LATCH_FAR, now);
	return ready ? mg_latch_move(l, from, trust, now) : MG_LATCH_DROP;
}

enum mg_latched
mg_latch_bare(struct mg_latch *l, const union addr *from,
    const struct mg_latch *proven, uint64_t now)
{
	enum mg_trust trust;

	if (!l->open)
		return MG_LATCH_DROP;
	if (l->trust != MG_TRUST_NONE && addr_equal(from, &l->remote)) {
		l->heard = now;
		return MG_LATCH_PASS;
	}
	trust = mg_latch_trust(l, from);
	if (proven != NULL && proven->trust != MG_TRUST_NONE &&
	    trust != MG_TRUST_EXACT)
		trust = addr_same_host(from, &proven->remote) ? MG_TRUST_NEAR
							      : MG_TRUST_FAR;
	if (trust == MG_TRUST_FAR || !mg_latch_may_move(l, trust, now))
		return MG_LATCH_DROP;
	return mg_latch_move(l, from, trust, now);
}
