/*
 * Packets from outside: a series of datagrams (a length byte before each)
 * through reading, counting, hiding of names, reports and the latch. The source
 * of each is chosen by its length. One of them must never be latched: media and
 * signalling name another host, and no packets can prove against that.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/mg/mg.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct mg_latch latch;
static struct mg_sources sources;
static struct mg_far far[2];

static void
take(const union addr *from, uint8_t *p, size_t n, uint64_t now)
{
	static const uint8_t key[16] = "0123456789abcdef";
	struct mg_rtp rtp;
	struct mg_quality q;
	struct mg_report report;

	switch (mg_packet_kind(p, n)) {
	case MG_PACKET_RTP:
		if (!mg_rtp_parse(&rtp, p, n))
			return;
		if (mg_latch_rtp(&latch, from, &rtp, rtp.pt == 8, now) !=
		    MG_LATCH_DROP)
			mg_source_take(&sources, &rtp, 8000, false, now);
		mg_source_sum(&sources, &q);
		break;
	case MG_PACKET_RTCP:
		mg_rtcp_mask(p, n, key);
		if (!mg_rtcp_check(p, n, false))
			return;
		mg_latch_bare(&latch, from, NULL, now);
		mg_report_read(&report, p, n);
		mg_report_take(&far[n >> 2 & 1], &far[~n >> 2 & 1], &sources,
		    &report, now);
		break;
	default:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	union addr signalled, other, host;
	uint64_t now = 1000000;
	uint8_t packet[256];
	size_t len;

	memset(&latch, 0, sizeof latch);
	memset(&sources, 0, sizeof sources);
	memset(far, 0, sizeof far);
	addr_parse(&signalled, "192.0.2.7", 4000);
	addr_parse(&host, "192.0.2.7", 5060);
	addr_parse(&other, "198.51.100.5", 6666);
	mg_latch_signal(&latch, &signalled, &host, now);
	while (n > 1) {
		len = data[0] < n - 1 ? data[0] : n - 1;
		memcpy(packet, data + 1, len);
		take(len & 1 ? &signalled : &other, packet, len, now);
		if (addr_same_host(&latch.remote, &other))
			abort();
		data += 1 + len;
		n -= 1 + len;
		now += 20000;
	}
	return 0;
}
