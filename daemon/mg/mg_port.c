/*
 * The ports of media: an even one for RTP and the odd one above it for RTCP,
 * both or none, bound only while a call uses them. The search goes round the
 * range, so that a port is not given to the next call while late packets of
 * the last one still arrive; several instances share a range and find each
 * other's ports taken by the kernel's word.
 */
#include <errno.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mg.h"
#include "daemon/base/str.h"

#define MG_PORT_MIN 1024
#define MG_SPARE_FDS 128 /* for everything that is not media */
#define MG_TOS 0xb8	 /* expedited forwarding, RFC 4594 4.1 */

static unsigned
mg_ports_family(int family)
{
	return family == AF_INET6;
}

void
mg_ports_init(struct mg_ports *p)
{
	struct rlimit lim = {0, 0};

	memset(p, 0, sizeof *p);
	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return;
	if (lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
			getrlimit(RLIMIT_NOFILE, &lim);
	}
	if (lim.rlim_cur > 1000000)
		lim.rlim_cur = 1000000;
	if (lim.rlim_cur > MG_SPARE_FDS)
		p->sockets_max = (unsigned)lim.rlim_cur - MG_SPARE_FDS;
}

/*
 * To what sockets are bound: the address itself, or any of its family where
 * it is not one of this machine (a public address mapped to it by others).
 */
static void
mg_ports_choose_bind(union addr *bind, const union addr *shown)
{
	int s = sock_udp(shown, NULL);

	*bind = *shown;
	if (s >= 0) {
		close(s);
		return;
	}
	if (shown->sa.sa_family == AF_INET6)
		bind->in6.sin6_addr = in6addr_any;
	else
		bind->in4.sin_addr.s_addr = INADDR_ANY;
}

/* "30000-39999": whole pairs of it. */
static int
mg_ports_parse(const char *range, uint16_t *low, uint16_t *high, struct err *e)
{
	int64_t a, b;

	if (range == NULL || !str_ports(range, MG_PORT_MIN, &a, &b))
		return err_set(e, ERR_INVALID,
		    "ports: expected a range of %d to 65535, as 30000-39999",
		    MG_PORT_MIN);
	a = (a + 1) & ~(int64_t)1;
	b = b & 1 ? b : b - 1;
	if (a >= b)
		return err_set(
		    e, ERR_INVALID, "ports: the range holds no even-odd pair");
	*low = (uint16_t)a;
	*high = (uint16_t)b;
	return 0;
}

int
mg_ports_feed(
    struct mg_ports *p, const char *addresses, const char *range, struct err *e)
{
	union addr shown[MG_FAMILIES], a;
	const char *at = addresses, *end, *word;
	uint16_t low = 0, high = 0, random;
	unsigned i;
	size_t n;
	int r;

	if ((r = mg_ports_parse(range, &low, &high, e)) != 0)
		return r;
	if (addresses == NULL || addresses[0] == '\0')
		return err_set(
		    e, ERR_INVALID, "media_address: expected an address");
	memset(shown, 0, sizeof shown);
	end = addresses + strlen(addresses);
	while ((n = mg_sdp_word(&at, end, &word)) != 0) {
		if (!addr_nparse(&a, word, n, 0) || addr_is_any(&a))
			return err_set(e, ERR_INVALID,
			    "media_address: expected an IPv4 or IPv6 address");
		shown[mg_ports_family(a.sa.sa_family)] = a;
	}
	rand_bytes(&random, sizeof random);
	for (i = 0; i < MG_FAMILIES; i++) {
		p->shown[i] = shown[i];
		if (shown[i].sa.sa_family != AF_UNSPEC)
			mg_ports_choose_bind(&p->bind[i], &shown[i]);
		if (p->next[i] < low || p->next[i] > high)
			p->next[i] = (uint16_t)(low +
			    random % (high - low) / 2 * 2);
	}
	p->low = low;
	p->high = high;
	return 0;
}

bool
mg_ports_has(const struct mg_ports *p, int family)
{
	return p->shown[mg_ports_family(family)].sa.sa_family == family;
}

static void
mg_ports_mark(struct mg_ports *p, unsigned family, uint16_t port, bool used)
{
	uint8_t bit = (uint8_t)(1u << (port & 7));

	if (used)
		p->used[family][port >> 3] |= bit;
	else
		p->used[family][port >> 3] &= (uint8_t)~bit;
}

/* Voice before everything else, where the network minds. */
static void
mg_ports_set_tos(int fd, int family)
{
	int tos = MG_TOS;

	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
	else
		setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
}

/* Bind the pair that starts at port; both or none. */
static int
mg_ports_bind(const struct mg_ports *p, unsigned f, uint16_t port, int fd[2])
{
	union addr a = p->bind[f];
	int i;

	for (i = 0; i < 2; i++) {
		addr_set_port(&a, (uint16_t)(port + i));
		fd[i] = sock_udp(&a, NULL);
		if (fd[i] < 0) {
			if (i == 1)
				close(fd[0]);
			return -ERR_BUSY;
		}
		mg_ports_set_tos(fd[i], a.sa.sa_family);
	}
	return 0;
}

int
mg_ports_open(
    struct mg_ports *p, int family, int fd[2], uint16_t *port, struct err *e)
{
	unsigned f = mg_ports_family(family), pairs, i;
	uint16_t at;

	if (p->sockets + 2 > p->sockets_max)
		return err_set(e, ERR_BUSY, "no descriptors are left");
	pairs = (unsigned)(p->high - p->low + 1) / 2;
	for (i = 0; i < pairs; i++) {
		at = p->next[f];
		p->next[f] = at + 2 > p->high ? p->low : (uint16_t)(at + 2);
		if (p->used[f][at >> 3] >> (at & 7) & 1)
			continue;
		if (mg_ports_bind(p, f, at, fd) != 0)
			continue;
		mg_ports_mark(p, f, at, true);
		p->sockets += 2;
		*port = at;
		return 0;
	}
	return err_set(e, ERR_FULL, "no port is free");
}

void
mg_ports_close(struct mg_ports *p, int family, const int fd[2], uint16_t port)
{
	close(fd[0]);
	close(fd[1]);
	p->sockets -= 2;
	mg_ports_mark(p, mg_ports_family(family), port, false);
}
