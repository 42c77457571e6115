/* A message as a datagram of IP, for programs that read packets. */
#include <string.h>

#include "export.h"

static void
packet_net(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* RFC 1071, so far. */
static uint32_t
packet_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

static unsigned
packet_fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Head of IP, without the addresses; where these begin. */
static size_t
packet_ip(uint8_t *p, bool v6, size_t n)
{
	memset(p, 0, 40);
	if (v6) {
		p[0] = 0x60;
		packet_net(p + 4, (unsigned)n);
		p[6] = 17;
		p[7] = 64;
		return 8;
	}
	p[0] = 0x45;
	packet_net(p + 2, (unsigned)n + 20);
	p[8] = 64;
	p[9] = 17;
	return 12;
}

static void
packet_addr(uint8_t *p, bool v6, const union addr *a)
{
	if (v6 && a->sa.sa_family == AF_INET6)
		memcpy(p, &a->in6.sin6_addr, 16);
	else if (!v6 && a->sa.sa_family == AF_INET)
		memcpy(p, &a->in4.sin_addr, 4);
}

size_t
packet_heads(uint8_t out[EXPORT_HEADS], const union addr *from,
    const union addr *to, const void *text, size_t n)
{
	bool v6 = from->sa.sa_family == AF_INET6 ||
	    to->sa.sa_family == AF_INET6;
	size_t size = v6 ? 16 : 4, at = packet_ip(out, v6, n + 8);
	uint8_t *udp = out + (v6 ? 40 : 20);
	uint32_t sum;

	packet_addr(out + at, v6, from);
	packet_addr(out + at + size, v6, to);
	if (!v6)
		packet_net(out + 10, packet_fold(packet_sum(0, out, 20)));
	packet_net(udp, from->sa.sa_family != AF_UNSPEC ? addr_port(from) : 0);
	packet_net(udp + 2, to->sa.sa_family != AF_UNSPEC ? addr_port(to) : 0);
	packet_net(udp + 4, (unsigned)n + 8);
	packet_net(udp + 6, 0);
	sum = packet_sum(17 + (uint32_t)n + 8, out + at, 2 * size);
	sum = packet_sum(packet_sum(sum, udp, 8), text, n);
	packet_net(udp + 6, packet_fold(sum) != 0 ? packet_fold(sum) : 0xffff);
	return (size_t)(udp - out) + 8;
}
