/*
 * What is read of RTP and RTCP: as much as is needed to tell a media packet
 * from noise, to count losses and jitter as RFC 3550 does, and to keep names
 * inside. Payloads are never looked at. Pure; fuzzed.
 */
#include <string.h>

#include "mg.h"

#define MG_RTP_HEADER 12
#define MG_DROPOUT 3000 /* RFC 3550 A.1 */
#define MG_MISORDER 100
#define MG_SEQ_MOD (1u << 16)
#define MG_SDES 202

static uint32_t
mg_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static uint16_t
mg_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

enum mg_packet
mg_packet_kind(const uint8_t *p, size_t n)
{
	if (n < 8)
		return MG_PACKET_OTHER;
	if (p[0] >= 20 && p[0] <= 63)
		return MG_PACKET_DTLS;
	if (p[0] < 128 || p[0] > 191)
		return MG_PACKET_OTHER;
	/* RFC 5761 4: these second bytes are RTCP's. */
	return p[1] >= 192 && p[1] <= 223 ? MG_PACKET_RTCP : MG_PACKET_RTP;
}

bool
mg_rtp_parse(struct mg_rtp *rtp, const uint8_t *p, size_t n)
{
	size_t header;

	if (n < MG_RTP_HEADER || p[0] >> 6 != 2)
		return false;
	header = MG_RTP_HEADER + (p[0] & 15u) * 4;
	if ((p[0] & 16) != 0) {
		if (n < header + 4)
			return false;
		header += 4 + mg_get16(p + header + 2) * (size_t)4;
	}
	if (header > n)
		return false;
	rtp->pt = p[1] & 127;
	rtp->seq = mg_get16(p + 2);
	rtp->time = mg_get32(p + 4);
	rtp->ssrc = mg_get32(p + 8);
	return true;
}

bool
mg_rtcp_check(const uint8_t *p, size_t n, bool encrypted)
{
	size_t at = 0, len;

	while (at < n) {
		if (n - at < 4 || p[at] >> 6 != 2 || p[at + 1] < 192 ||
		    p[at + 1] > 223)
			return false;
		if (encrypted)
			return n >= 8;
		len = ((size_t)mg_get16(p + at + 2) + 1) * 4;
		if (len > n - at)
			return false;
		at += len;
	}
	return n >= 8;
}

/* One chunk of SDES: a source and its items, until a zero byte. */
static size_t
mg_rtcp_mask_chunk(uint8_t *p, size_t n, const uint8_t key[16])
{
	size_t at = 4, len;

	while (at + 1 < n && p[at] != 0) {
		len = p[at + 1];
		if (len > n - at - 2)
			return n;
		mg_mask_name((char *)p + at + 2, len, key);
		at += 2 + len;
	}
	return (at + 4) & ~(size_t)3; /* the zero, and up to a whole word */
}

void
mg_rtcp_mask(uint8_t *p, size_t n, const uint8_t key[16])
{
	size_t at = 0, len, chunk;
	unsigned count;

	for (; n - at >= 4; at += len) {
		len = ((size_t)mg_get16(p + at + 2) + 1) * 4;
		if (len > n - at)
			return;
		if (p[at + 1] != MG_SDES)
			continue;
		count = p[at] & 31;
		chunk = 4;
		while (count-- > 0 && chunk + 4 <= len)
			chunk += mg_rtcp_mask_chunk(
			    p + at + chunk, len - chunk, key);
	}
}

void
mg_rtp_set_ssrc(uint8_t *p, uint32_t ssrc)
{
	p[8] = (uint8_t)(ssrc >> 24);
	p[9] = (uint8_t)(ssrc >> 16);
	p[10] = (uint8_t)(ssrc >> 8);
	p[11] = (uint8_t)ssrc;
}

/* ---- sources ------------------------------------------------------------ */

/* Add what a source has counted. What came twice makes up for nothing. */
static void
mg_source_count(struct mg_quality *q, const struct mg_source *s)
{
	uint64_t expected = (uint64_t)s->cycles + s->max_seq - s->base_seq + 1;
	uint32_t once = s->received - s->twice;

	q->received += s->received;
	q->expected += expected;
	if (expected > once)
		q->lost += expected - once;
	q->misordered += s->misordered;
	q->twice += s->twice;
}

/* What a source has counted is kept, it itself is not. */
static void
mg_source_retire(struct mg_sources *all, const struct mg_source *s)
{
	if (s->used && s->probation == 0)
		mg_source_count(&all->past, s);
}

static void
mg_source_start(struct mg_source *s, uint16_t seq)
{
	s->base_seq = seq;
	s->max_seq = seq;
	s->bad_seq = MG_SEQ_MOD + 1;
	s->cycles = 0;
	s->received = 0;
	s->misordered = 0;
	s->twice = 0;
	s->seen = 1;
	s->timed = false;
	s->jitter = 0;
}

/* The second packet of a sender who started anew: both belong to the new. */
static void
mg_source_renew(struct mg_sources *all, struct mg_source *s, uint16_t seq)
{
	s->received -= 2;
	mg_source_retire(all, s);
	mg_source_start(s, (uint16_t)(seq - 1));
	s->received = 2;
	s->max_seq = seq;
	s->cycles = seq == 0 ? MG_SEQ_MOD : 0;
	s->seen = 3;
}

/* A number that is not beyond the highest: late, or here for the second time.
 * What is too far behind to remember is taken to be late. */
static void
mg_source_behind(struct mg_source *s, unsigned behind)
{
	uint64_t bit = behind < 64 ? UINT64_C(1) << behind : 0;

	s->misordered++;
	s->twice += (s->seen & bit) != 0;
	s->seen |= bit;
}

/* RFC 3550 A.1: keep track of the sequence numbers of an accepted source. */
static void
mg_source_sequence(struct mg_sources *all, struct mg_source *s, uint16_t seq)
{
	uint16_t delta = (uint16_t)(seq - s->max_seq);

	if (s->received++ == 0)
		return;
	if (delta != 0 && delta < MG_DROPOUT) {
		if (seq < s->max_seq)
			s->cycles += MG_SEQ_MOD;
		s->max_seq = seq;
		s->seen = delta < 64 ? s->seen << delta | 1 : 1;
		if (delta > all->gap + 1)
			all->gap = delta - 1u;
	} else if (delta != 0 && delta <= MG_SEQ_MOD - MG_MISORDER) {
		/* A jump: two in a row mean that the sender started anew. */
		if (seq == s->bad_seq) {
			mg_source_renew(all, s, seq);
		} else {
			s->bad_seq = (seq + 1u) & (MG_SEQ_MOD - 1);
		}
	} else {
		mg_source_behind(s, (uint16_t)(s->max_seq - seq));
	}
}

/* RFC 3550 A.8, in units of the payload's clock. Packets of one moment (a key
 * that is pressed, RFC 4733 2.5.1.2; a picture) say nothing of the time between
 * them: the first counts. */
static void
mg_source_jitter(struct mg_source *s, const struct mg_rtp *rtp, uint64_t now)
{
	uint32_t arrival, transit, d;

	if (s->clock == 0 || (s->timed && rtp->time == s->time))
		return;
	arrival = (uint32_t)(now / 1000000 * s->clock +
	    now % 1000000 * s->clock / 1000000);
	transit = arrival - rtp->time;
	if (s->timed) {
		d = transit - s->transit;
		if ((int32_t)d < 0)
			d = 0 - d;
		s->jitter += d - ((s->jitter + 8) >> 4);
	}
	s->transit = transit;
	s->time = rtp->time;
	s->timed = true;
}

const struct mg_source *
mg_source_of(const struct mg_sources *all, uint32_t ssrc)
{
	const struct mg_source *s;

	for (s = all->one; s < all->one + MG_SOURCES; s++) {
		if (s->used && s->ssrc == ssrc)
			return s;
	}
	return NULL;
}

/* The slot of a source; a new one takes a free slot or the one that has been
 * silent for longest. */
static struct mg_source *
mg_source_find(struct mg_sources *all, uint32_t ssrc, bool *first)
{
	struct mg_source *one = all->one, *old = one;
	unsigned i;

	*first = true;
	for (i = 0; i < MG_SOURCES; i++) {
		if (one[i].used && one[i].ssrc == ssrc)
			return &one[i];
		if (one[i].used)
			*first = false;
	}
	for (i = 1; i < MG_SOURCES && old->used; i++) {
		if (!one[i].used || one[i].last < old->last)
			old = &one[i];
	}
	mg_source_retire(all, old);
	memset(old, 0, sizeof *old);
	old->ssrc = ssrc;
	return old;
}

bool
mg_source_take(struct mg_sources *all, const struct mg_rtp *rtp, uint32_t clock,
    bool proven, uint64_t now)
{
	bool first;
	struct mg_source *s = mg_source_find(all, rtp->ssrc, &first);

	s->last = now;
	if (!s->used) {
		s->used = true;
		s->probation = first || proven ? 0 : 1;
		mg_source_start(s, rtp->seq);
	} else if (s->probation != 0) {
		if (rtp->seq == (uint16_t)(s->max_seq + 1))
			s->probation--;
		mg_source_start(s, rtp->seq);
	}
	if (s->probation != 0)
		return false;
	if (clock != s->clock) {
		s->clock = clock;
		s->timed = false;
		s->jitter = 0;
	}
	s->pt = rtp->pt;
	mg_source_sequence(all, s, rtp->seq);
	mg_source_jitter(s, rtp, now);
	return true;
}

void
mg_source_sum(const struct mg_sources *all, struct mg_quality *q)
{
	const struct mg_source *s, *latest = NULL;

	*q = all->past;
	for (s = all->one; s < all->one + MG_SOURCES; s++) {
		if (!s->used || s->probation != 0)
			continue;
		mg_source_count(q, s);
		if (latest == NULL || s->last > latest->last)
			latest = s;
	}
	if (latest == NULL)
		return;
	q->ssrc = latest->ssrc;
	q->pt = latest->pt;
	if (latest->clock != 0)
		q->jitter_us = (uint32_t)((uint64_t)(latest->jitter >> 4) *
		    1000000 / latest->clock);
}
