/*
 * Messages as a pcapng file (draft-ietf-opsawg-pcapng) that Wireshark reads: a
 * section, one interface of raw IP, a packet for each message. The packets
 * never were: a message over TCP, TLS or WebSocket stands in a datagram, so
 * that it is read like any other; its comment says how it came. Numbers are
 * little-endian but for those of IP. Each piece is a multiple of 12 bytes, so
 * that their base64 can be put together. Pure.
 */
#include <endian.h>
#include <string.h>

#include "control.h"

#define PCAPNG_SECTION 0x0a0d0d0au
#define PCAPNG_INTERFACE 1u
#define PCAPNG_PACKET 6u
#define PCAPNG_RAW_IP 101u
#define PCAPNG_COMMENT 1u
#define PCAPNG_PAYLOAD 65000u /* bytes of a message; what is longer is cut */

static void
pcapng_32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_add(b, &v, sizeof v);
}

static void
pcapng_16(struct buf *b, unsigned v)
{
	uint16_t le = htole16((uint16_t)v);

	buf_add(b, &le, sizeof le);
}

static void
pcapng_pad(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_char(b, '\0');
}

/* A comment and the end of options and block, as long as it must be. */
static void
pcapng_end(struct buf *b, size_t from, const char *comment)
{
	size_t n = strlen(comment), whole, pad = (4 - n % 4) % 4, spaces;
	uint32_t length;

	whole = b->len - from + 4 + n + pad + 4 + 4;
	spaces = (12 - whole % 12) % 12;
	pcapng_16(b, PCAPNG_COMMENT);
	pcapng_16(b, (unsigned)(n + spaces));
	buf_add(b, comment, n);
	for (whole += spaces; spaces > 0; spaces--)
		buf_char(b, ' ');
	pcapng_pad(b, pad);
	pcapng_32(b, 0);
	pcapng_32(b, (uint32_t)whole);
	length = htole32((uint32_t)whole);
	if (!b->failed)
		memcpy(b->data + from + 4, &length, sizeof length);
}

void
pcapng_begin(struct buf *b, const char *comment)
{
	size_t from = b->len;

	pcapng_32(b, PCAPNG_SECTION);
	pcapng_32(b, 0);
	pcapng_32(b, 0x1a2b3c4d);
	pcapng_16(b, 1);
	pcapng_16(b, 0);
	pcapng_32(b, UINT32_MAX); /* the length is not said */
	pcapng_32(b, UINT32_MAX);
	pcapng_end(b, from, comment);
	from = b->len;
	pcapng_32(b, PCAPNG_INTERFACE);
	pcapng_32(b, 0);
	pcapng_16(b, PCAPNG_RAW_IP);
	pcapng_16(b, 0);
	pcapng_32(b, 0);
	pcapng_end(b, from, "SIP as the gates have passed it");
}

/* ---- the datagram -------------------------------------------------------- */

static void
pcapng_net(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* RFC 1071, so far. */
static uint32_t
pcapng_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

static unsigned
pcapng_fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Head of IP, without the addresses; where these begin. */
static size_t
pcapng_ip(uint8_t *p, bool v6, size_t n)
{
	memset(p, 0, 40);
	if (v6) {
		p[0] = 0x60;
		pcapng_net(p + 4, (unsigned)n);
		p[6] = 17;
		p[7] = 64;
		return 8;
	}
	p[0] = 0x45;
	pcapng_net(p + 2, (unsigned)n + 20);
	p[8] = 64;
	p[9] = 17;
	return 12;
}

static void
pcapng_addr(uint8_t *p, bool v6, const union addr *a)
{
	if (v6 && a->sa.sa_family == AF_INET6)
		memcpy(p, &a->in6.sin6_addr, 16);
	else if (!v6 && a->sa.sa_family == AF_INET)
		memcpy(p, &a->in4.sin_addr, 4);
}

/* Heads of IP and UDP in front of n bytes; their length. */
static size_t
pcapng_heads(uint8_t out[48], const union addr *from, const union addr *to,
    const uint8_t *text, size_t n)
{
	bool v6 = from->sa.sa_family == AF_INET6 ||
	    to->sa.sa_family == AF_INET6;
	size_t size = v6 ? 16 : 4, at = pcapng_ip(out, v6, n + 8);
	uint8_t *udp = out + (v6 ? 40 : 20);
	uint32_t sum;

	pcapng_addr(out + at, v6, from);
	pcapng_addr(out + at + size, v6, to);
	if (!v6)
		pcapng_net(out + 10, pcapng_fold(pcapng_sum(0, out, 20)));
	pcapng_net(udp, from->sa.sa_family != AF_UNSPEC ? addr_port(from) : 0);
	pcapng_net(udp + 2, to->sa.sa_family != AF_UNSPEC ? addr_port(to) : 0);
	pcapng_net(udp + 4, (unsigned)n + 8);
	pcapng_net(udp + 6, 0);
	sum = pcapng_sum(17 + (uint32_t)n + 8, out + at, 2 * size);
	sum = pcapng_sum(pcapng_sum(sum, udp, 8), text, n);
	pcapng_net(udp + 6, pcapng_fold(sum) != 0 ? pcapng_fold(sum) : 0xffff);
	return (size_t)(udp - out) + 8;
}

void
pcapng_packet(struct buf *b, uint64_t time, const union addr *from,
    const union addr *to, const void *text, size_t n, const char *comment)
{
	size_t begun = b->len, kept = n < PCAPNG_PAYLOAD ? n : PCAPNG_PAYLOAD;
	uint8_t heads[48];
	size_t head = pcapng_heads(heads, from, to, text, kept);

	pcapng_32(b, PCAPNG_PACKET);
	pcapng_32(b, 0);
	pcapng_32(b, 0); /* of the one interface */
	pcapng_32(b, (uint32_t)(time >> 32));
	pcapng_32(b, (uint32_t)time);
	pcapng_32(b, (uint32_t)(head + kept));
	pcapng_32(b, (uint32_t)(head + n));
	buf_add(b, heads, head);
	buf_add(b, text, kept);
	pcapng_pad(b, (4 - (head + kept) % 4) % 4);
	pcapng_end(b, begun, comment);
}
