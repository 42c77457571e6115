/*
 * What RTCP says (RFC 3550 6.4): when a party sent its report, and what it
 * heard of the other. A gate stands between the two, so it measures the way to
 * each of them by its own clock: a sender's report passes, and the answer of
 * who received it says how long it lay there (6.4.1: LSR, DLSR). Pure; fuzzed.
 */
#include <string.h>

#include "mg.h"
#include "daemon/base/clock.h"

#define REPORT_SR 200
#define REPORT_RR 201
#define REPORT_BLOCK 24			/* bytes of one */
#define REPORT_LONGEST (60 * CLOCK_SEC) /* round trip that is believed */

static uint32_t
report_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static void
report_block(struct mg_report *r, const uint8_t *p)
{
	struct mg_report_block *b;

	if (r->count == MG_REPORT_BLOCKS)
		return;
	b = &r->block[r->count++];
	b->ssrc = report_get32(p);
	b->fraction = p[4];
	b->jitter = report_get32(p + 12);
	b->lsr = report_get32(p + 16);
	b->dlsr = report_get32(p + 20);
}

/* One packet of a compound one; n bytes, its header in front. */
static void
report_packet(struct mg_report *r, const uint8_t *p, size_t n)
{
	size_t at = p[1] == REPORT_SR ? 28 : 8;
	unsigned blocks = p[0] & 31;

	if ((p[1] != REPORT_SR && p[1] != REPORT_RR) || n < at)
		return;
	if (p[1] == REPORT_SR) {
		r->sent = true;
		r->ntp = report_get32(p + 10); /* the middle of the 64 bits */
	}
	for (; blocks > 0 && n - at >= REPORT_BLOCK; blocks--) {
		report_block(r, p + at);
		at += REPORT_BLOCK;
	}
}

void
mg_report_read(struct mg_report *r, const uint8_t *p, size_t n)
{
	size_t at = 0, len;

	memset(r, 0, sizeof *r);
	for (; n - at >= 4; at += len) {
		len = ((size_t)(p[at + 2] << 8 | p[at + 3]) + 1) * 4;
		if (len > n - at)
			return;
		report_packet(r, p + at, len);
	}
}

/* When the report passed that is answered, or 0. */
static uint64_t
report_passed(const struct mg_far *far, uint32_t lsr)
{
	unsigned i;

	for (i = 0; i < MG_FAR_SENT && lsr != 0; i++) {
		if (far->sent[i].at != 0 && far->sent[i].ntp == lsr)
			return far->sent[i].at;
	}
	return 0;
}

/* What a party says of one source of the other. */
static void
report_hear(struct mg_far *far, const struct mg_far *other,
    const struct mg_report_block *b, uint32_t clock, uint64_t now)
{
	uint64_t held = (uint64_t)b->dlsr * CLOCK_SEC >> 16;
	uint64_t passed = report_passed(other, b->lsr);

	far->heard = true;
	far->fraction = b->fraction;
	far->jitter_us = clock != 0 && b->jitter < UINT32_MAX / 2
	    ? (uint32_t)((uint64_t)b->jitter * CLOCK_SEC / clock)
	    : 0;
	if (passed == 0 || now - passed < held ||
	    now - passed - held > REPORT_LONGEST)
		return;
	far->timed = true;
	far->rtt_us = (uint32_t)(now - passed - held);
}

void
mg_report_take(struct mg_far *far, const struct mg_far *other,
    const struct mg_sources *sources, const struct mg_report *r, uint64_t now)
{
	const struct mg_source *s;
	unsigned i;

	if (r->sent) {
		far->sent[1] = far->sent[0];
		far->sent[0] = (struct mg_far_sent){r->ntp, now};
	}
	if (other == NULL || sources == NULL)
		return;
	for (i = 0; i < r->count; i++) {
		if ((s = mg_source_of(sources, r->block[i].ssrc)) != NULL)
			report_hear(far, other, &r->block[i], s->clock, now);
	}
}
