/*
 * Messages as packets of HEP3 (the encapsulation of sipcapture.org, revision
 * 12), which collectors such as homer take:
 *
 *   0 "HEP3" 4 | length of all 2 | chunks
 *   chunk: vendor 2 (0) | type 2 | length 2, these 6 included | value
 *
 * Numbers are of network order. Types: 1 family of IP, 2 protocol of IP, 3 4
 * addresses of IPv4, 5 6 of IPv6, 7 8 ports, 9 seconds, 10 us, 11 protocol (1:
 * SIP), 12 number of who captures, 14 secret, 15 the message, 17 what joins
 * legs. The protocol is the one by which it really came; TLS and WebSocket
 * count as TCP.
 */
#include <endian.h>
#include <netinet/in.h>
#include <string.h>

#include "export.h"
#include "daemon/base/clock.h"

#define HEP_HEAD 6
#define HEP_TEXT 64000u /* bytes of a message; all must fit a datagram */
#define HEP_SIP 1

enum hep_type {
	HEP_FAMILY = 1,
	HEP_PROTOCOL,
	HEP_FROM4,
	HEP_TO4,
	HEP_FROM6,
	HEP_TO6,
	HEP_FROM_PORT,
	HEP_TO_PORT,
	HEP_SECONDS,
	HEP_MICROSECONDS,
	HEP_KIND,
	HEP_AGENT,
	HEP_SECRET = 14,
	HEP_PAYLOAD,
	HEP_CALL = 17
};

static void
hep_16(struct buf *b, size_t v)
{
	uint16_t be = htobe16((uint16_t)v);

	buf_add(b, &be, sizeof be);
}

static void
hep_chunk(struct buf *b, enum hep_type type, const void *value, size_t n)
{
	hep_16(b, 0);
	hep_16(b, type);
	hep_16(b, n + HEP_HEAD);
	buf_add(b, value, n);
}

static void
hep_chunk_8(struct buf *b, enum hep_type type, uint8_t v)
{
	hep_chunk(b, type, &v, sizeof v);
}

static void
hep_chunk_16(struct buf *b, enum hep_type type, uint16_t v)
{
	v = htobe16(v);
	hep_chunk(b, type, &v, sizeof v);
}

static void
hep_chunk_32(struct buf *b, enum hep_type type, uint32_t v)
{
	v = htobe32(v);
	hep_chunk(b, type, &v, sizeof v);
}

static void
hep_chunk_text(struct buf *b, enum hep_type type, const char *text)
{
	if (text != NULL && text[0] != '\0')
		hep_chunk(b, type, text, strlen(text));
}

static void
hep_address(struct buf *b, enum hep_type four, const union addr *a, bool v6)
{
	static const uint8_t none[16];

	if (v6)
		hep_chunk(b, four + (HEP_FROM6 - HEP_FROM4),
		    a->sa.sa_family == AF_INET6
			? (const void *)&a->in6.sin6_addr
			: none,
		    16);
	else
		hep_chunk(b, four,
		    a->sa.sa_family == AF_INET ? (const void *)&a->in4.sin_addr
					       : none,
		    4);
}

static uint16_t
hep_port(const union addr *a)
{
	return a->sa.sa_family != AF_UNSPEC ? addr_port(a) : 0;
}

void
hep_packet(struct buf *b, const struct hep *h)
{
	bool v6 = h->from.sa.sa_family == AF_INET6 ||
	    h->to.sa.sa_family == AF_INET6;
	size_t begun = b->len;
	uint16_t length;

	buf_str(b, "HEP3");
	hep_16(b, 0);
	hep_chunk_8(b, HEP_FAMILY, v6 ? AF_INET6 : AF_INET);
	hep_chunk_8(
	    b, HEP_PROTOCOL, h->proto == SIP_UDP ? IPPROTO_UDP : IPPROTO_TCP);
	hep_address(b, HEP_FROM4, &h->from, v6);
	hep_address(b, HEP_TO4, &h->to, v6);
	hep_chunk_16(b, HEP_FROM_PORT, hep_port(&h->from));
	hep_chunk_16(b, HEP_TO_PORT, hep_port(&h->to));
	hep_chunk_32(b, HEP_SECONDS, (uint32_t)(h->time / CLOCK_SEC));
	hep_chunk_32(b, HEP_MICROSECONDS, (uint32_t)(h->time % CLOCK_SEC));
	hep_chunk_8(b, HEP_KIND, HEP_SIP);
	hep_chunk_32(b, HEP_AGENT, h->agent);
	hep_chunk_text(b, HEP_SECRET, h->secret);
	hep_chunk_text(b, HEP_CALL, h->call);
	hep_chunk(b, HEP_PAYLOAD, h->text, h->n < HEP_TEXT ? h->n : HEP_TEXT);
	length = htobe16((uint16_t)(b->len - begun));
	if (!b->failed)
		memcpy(b->data + begun + 4, &length, sizeof length);
}
