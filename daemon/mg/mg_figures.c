/*
 * What the recorder is told of streams: every 5 s of each how it went since
 * the last time and so far as a whole (daemon/trace/trace_media.h), and once
 * more when it ends. Packets only count (mg_rtp.c); everything else is done
 * here, call by call, in the order in which they began, so that the ring is
 * filled evenly.
 *
 * Nothing is said of a stream that nobody shall hear and that has not begun.
 * One that somebody shall hear and that does not come is told with nothing
 * received: that is what is looked for.
 */
#include <string.h>

#include "mg.h"
#include "daemon/base/clock.h"
#include "daemon/trace/trace_media.h"

#define FIGURES_TICK (100 * CLOCK_MS) /* calls of this time in one go */
#define FIGURES_LEAST CLOCK_SEC	      /* of an interval without a packet */
#define FIGURES_PACKETS 25 /* so few of half a second have no quality */

/* One interval of a stream. */
struct mg_interval {
	struct mg_media *m, *other; /* who sends; who hears it, or NULL */
	struct mg_quality q;	    /* as it ends */
	uint64_t span;
	uint64_t expected, received, lost, twice, late, gap;
	unsigned mos, far_mos; /* 0 = unknown */
};

/* The codec of what comes; keys and noise between change nothing. */
static void
figures_codec(struct mg_media *m, const struct mg_media *other)
{
	struct mg_quality q;
	unsigned codec;

	mg_source_sum(&m->sources, &q);
	if (q.received == 0)
		return;
	codec = m->codec[q.pt];
	if (codec == MG_CODEC_OTHER && other != NULL)
		codec = other->codec[q.pt];
	if (codec != MG_CODEC_EVENT && codec != MG_CODEC_NOISE)
		m->figures.codec = (enum mg_codec)codec;
}

static unsigned
figures_rate(const struct mg_interval *v, enum mg_codec codec, double loss,
    uint32_t jitter_us)
{
	const struct mg_hearing h = {.codec = codec,
	    .loss = loss,
	    .jitter_us = jitter_us,
	    .network_us = (v->m->far.rtt_us +
			      (v->other != NULL ? v->other->far.rtt_us : 0)) /
		2};

	return mg_mos(&h);
}

/* What came since the interval before. */
static void
figures_count(struct mg_interval *v)
{
	const struct mg_quality *q = &v->q, *b = &v->m->figures.before;
	uint64_t once;

	v->received = q->received - b->received;
	v->expected = q->expected - b->expected;
	v->twice = q->twice - b->twice;
	v->late = q->misordered - b->misordered - v->twice;
	once = v->received - v->twice;
	v->lost = v->expected > once ? v->expected - once : 0;
	v->gap = v->m->sources.gap; /* what came late was not missing */
	v->gap = v->gap < v->lost ? v->gap : v->lost;
	if (v->expected >= FIGURES_PACKETS)
		v->mos = figures_rate(v, v->m->figures.codec,
		    (double)v->lost / (double)v->expected, q->jitter_us);
	if (v->m->far.heard && v->other != NULL)
		v->far_mos = figures_rate(v, v->other->figures.codec,
		    v->m->far.fraction / 256.0, v->m->far.jitter_us);
}

static void
figures_most(uint32_t *worst, uint64_t v)
{
	if (v > *worst)
		*worst = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

static void
figures_least(uint32_t *worst, unsigned mos)
{
	if (mos != 0 && (*worst == 0 || mos < *worst))
		*worst = mos;
}

static uint32_t
figures_far_loss(const struct mg_far *far)
{
	return far->fraction * 10000u / 256;
}

/* The whole goes on by an interval. */
static void
figures_add(struct mg_figures *f, const struct mg_interval *v)
{
	const struct mg_far *far = &v->m->far;

	figures_most(&f->gap, v->gap);
	figures_most(&f->jitter_us, v->q.jitter_us);
	figures_least(&f->mos, v->mos);
	if (v->mos != 0) {
		f->mos_sum += v->mos * v->expected;
		f->mos_packets += v->expected;
	}
	if (far->timed)
		figures_most(&f->rtt_us, far->rtt_us);
	if (!far->heard)
		return;
	f->far = true;
	figures_most(&f->far_loss, figures_far_loss(far));
	figures_most(&f->far_jitter_us, far->jitter_us);
	figures_least(&f->far_mos, v->far_mos);
	if (v->far_mos != 0) {
		f->far_mos_sum += v->far_mos;
		f->far_mos_count++;
	}
}

static uint64_t
figures_known(bool known, uint64_t v)
{
	return known ? v : TRACE_UNKNOWN;
}

static bool
figures_is_held(const struct mg_media *m, const struct mg_media *other)
{
	const struct mg_media *hears = m->echo ? m : other;

	return hears != NULL && (hears->hold || !hears->wants);
}

static void
figures_put_interval(uint64_t *out, const struct mg_interval *v)
{
	const struct mg_far *far = &v->m->far;

	out[TRACE_SECTION] = v->m->index + 1;
	out[TRACE_BEGAN] = v->m->figures.began;
	out[TRACE_SPAN] = v->span;
	out[TRACE_HELD] = figures_is_held(v->m, v->other);
	out[TRACE_RECEIVED] = v->received;
	out[TRACE_LOST] = v->lost;
	out[TRACE_LATE] = v->late;
	out[TRACE_TWICE] = v->twice;
	out[TRACE_GAP] = v->gap;
	out[TRACE_JITTER] = figures_known(v->received > 0, v->q.jitter_us);
	out[TRACE_MOS] = figures_known(v->mos != 0, v->mos);
	out[TRACE_RTT] = figures_known(far->timed, far->rtt_us);
	out[TRACE_FAR_LOSS] = figures_known(far->heard, figures_far_loss(far));
	out[TRACE_FAR_JITTER] = figures_known(far->heard, far->jitter_us);
	out[TRACE_FAR_MOS] = figures_known(v->far_mos != 0, v->far_mos);
}

static void
figures_put_whole(uint64_t *out, const struct mg_interval *v)
{
	const struct mg_figures *f = &v->m->figures;

	out[TRACE_ALL_RECEIVED] = v->q.received;
	out[TRACE_ALL_LOST] = v->q.lost;
	out[TRACE_ALL_LATE] = v->q.misordered - v->q.twice;
	out[TRACE_ALL_TWICE] = v->q.twice;
	out[TRACE_ALL_GAP] = f->gap;
	out[TRACE_ALL_JITTER] = figures_known(v->q.received > 0, f->jitter_us);
	out[TRACE_LEAST_MOS] = figures_known(f->mos != 0, f->mos);
	out[TRACE_ALL_RTT] = figures_known(f->rtt_us != 0, f->rtt_us);
	out[TRACE_ALL_FAR_LOSS] = figures_known(f->far, f->far_loss);
	out[TRACE_ALL_FAR_JITTER] = figures_known(f->far, f->far_jitter_us);
	out[TRACE_LEAST_FAR_MOS] = figures_known(f->far_mos != 0, f->far_mos);
	out[TRACE_MEAN_MOS] = figures_known(
	    f->mos_packets != 0, mg_figures_mos(v->m));
	out[TRACE_MEAN_FAR_MOS] = f->far_mos_count != 0
	    ? f->far_mos_sum / f->far_mos_count
	    : TRACE_UNKNOWN;
}

static void
figures_tell(struct mg_interval *v)
{
	struct mg_media *m = v->m;
	const char *codec = mg_codec_name(m->figures.codec);
	struct trace_media t = {.call = m->party->call->id,
	    .label = mg_party_tag(m->party),
	    .codec = codec[0] != '\0' ? codec : m->media};

	if (m->figures.began == 0)
		m->figures.began = clock_real() - v->span;
	figures_count(v);
	figures_add(&m->figures, v);
	figures_put_interval(t.figure, v);
	figures_put_whole(t.figure, v);
	trace_media(m->party->call->mg->trace, &t);
}

/* Both parties have said where they are: who has an offer only is not there
 * yet. */
static bool
figures_is_expected(const struct mg_media *m, const struct mg_media *other)
{
	return m->echo ||
	    (other != NULL && m->rtp.latch.open && other->rtp.latch.open);
}

void
mg_figures_media(struct mg_media *m, uint64_t now)
{
	struct mg_figures *f = &m->figures;
	struct mg_interval v = {
	    .m = m, .other = mg_relay_other(m), .span = now - f->since};

	if (!mg_kind_is_rtp(m->kind))
		return;
	figures_codec(m, v.other);
	if (v.other != NULL)
		figures_codec(v.other, m);
	mg_source_sum(&m->sources, &v.q);
	if (v.q.received != f->before.received ||
	    (figures_is_expected(m, v.other) && v.span >= FIGURES_LEAST))
		figures_tell(&v);
	f->since = now;
	f->before = v.q;
	m->sources.gap = 0;
	m->far.heard = m->far.timed = false;
}

void
mg_figures_call(struct mg_call *c, uint64_t now)
{
	struct mg_party *p;
	unsigned i;

	for (p = TAILQ_FIRST(&c->parties); p != NULL;
	     p = TAILQ_NEXT(p, entry)) {
		for (i = 0; i < MG_SECTIONS; i++) {
			if (p->media[i] != NULL)
				mg_figures_media(p->media[i], now);
		}
	}
}

unsigned
mg_figures_mos(const struct mg_media *m)
{
	const struct mg_figures *f = &m->figures;

	return f->mos_packets != 0
	    ? (unsigned)((f->mos_sum + f->mos_packets / 2) / f->mos_packets)
	    : 0;
}

/* ---- whose turn it is ---------------------------------------------------- */

static void
figures_arm(struct mg *mg, uint64_t now)
{
	const struct mg_call *c = TAILQ_FIRST(&mg->turns);

	if (c != NULL)
		loop_timer_set(mg->telling,
		    c->due > now + FIGURES_TICK ? c->due - now : FIGURES_TICK);
}

static void
figures_wait(struct mg_call *c, uint64_t now)
{
	c->due = now + MG_INTERVAL;
	TAILQ_INSERT_TAIL(&c->mg->turns, c, turn);
}

static void
figures_on_tick(void *arg)
{
	struct mg *mg = arg;
	uint64_t now = clock_mono();
	struct mg_call *c;

	while ((c = TAILQ_FIRST(&mg->turns)) != NULL && c->due <= now) {
		mg_figures_call(c, now);
		TAILQ_REMOVE(&mg->turns, c, turn);
		figures_wait(c, now);
	}
	figures_arm(mg, now);
}

void
mg_figures_enter(struct mg_call *c)
{
	uint64_t now = clock_mono();

	figures_wait(c, now);
	if (!loop_timer_is_set(c->mg->telling))
		figures_arm(c->mg, now);
}

void
mg_figures_leave(struct mg_call *c)
{
	TAILQ_REMOVE(&c->mg->turns, c, turn);
}

void
mg_figures_open(struct mg *mg)
{
	TAILQ_INIT(&mg->turns);
	mg->telling = loop_timer_new(mg->loop, figures_on_tick, mg);
}

void
mg_figures_close(struct mg *mg)
{
	loop_timer_free(&mg->telling);
}
