/* Addresses and sockets: the few forms that this system uses. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sock.h"
#include "str.h"

socklen_t
addr_len(const union addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof a->in6 : sizeof a->in4;
}

bool
addr_nparse(union addr *a, const char *host, size_t n, uint16_t port)
{
	char text[ADDR_TEXT];

	if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (!str_ncopy(text, sizeof text, host, n) || strlen(text) != n)
		return false;
	memset(a, 0, sizeof *a);
	if (inet_pton(AF_INET, text, &a->in4.sin_addr) == 1) {
		a->in4.sin_family = AF_INET;
		a->in4.sin_port = htons(port);
		return true;
	}
	if (inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(port);
		return true;
	}
	return false;
}

bool
addr_parse(union addr *a, const char *host, uint16_t port)
{
	return addr_nparse(a, host, strlen(host), port);
}

void
addr_host(char out[ADDR_TEXT], const union addr *a)
{
	const void *p = a->sa.sa_family == AF_INET6
	    ? (const void *)&a->in6.sin6_addr
	    : (const void *)&a->in4.sin_addr;

	if (inet_ntop(a->sa.sa_family, p, out, ADDR_TEXT) == NULL)
		str_copy(out, ADDR_TEXT, "?");
}

void
addr_sip_host(char out[ADDR_TEXT], const union addr *a)
{
	char host[ADDR_TEXT];

	addr_host(host, a);
	snprintf(out, ADDR_TEXT,
	    a->sa.sa_family == AF_INET6 ? "[%.50s]" : "%.50s", host);
}

void
addr_text(char out[ADDR_TEXT], const union addr *a)
{
	char host[ADDR_TEXT];

	addr_sip_host(host, a);
	snprintf(out, ADDR_TEXT, "%.48s:%u", host, addr_port(a));
}

uint16_t
addr_port(const union addr *a)
{
	return ntohs(
	    a->sa.sa_family == AF_INET6 ? a->in6.sin6_port : a->in4.sin_port);
}

void
addr_set_port(union addr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons(port);
	else
		a->in4.sin_port = htons(port);
}

bool
addr_same_host(const union addr *a, const union addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
	return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
}

bool
addr_equal(const union addr *a, const union addr *b)
{
	return addr_same_host(a, b) && addr_port(a) == addr_port(b);
}

bool
addr_is_any(const union addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
	return a->in4.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool
addr_is_loopback(const union addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
	return ntohl(a->in4.sin_addr.s_addr) >> 24 == 127;
}

bool
addr_is_private(const union addr *a)
{
	static const struct {
		uint32_t net, mask;
	} nets[] = {
	    {0x0a000000, 0xff000000}, /* 10/8 */
	    {0xac100000, 0xfff00000}, /* 172.16/12 */
	    {0xc0a80000, 0xffff0000}, /* 192.168/16 */
	    {0x64400000, 0xffc00000}, /* 100.64/10, RFC 6598 */
	    {0xa9fe0000, 0xffff0000}, /* 169.254/16, RFC 3927 */
	};
	uint32_t ip;
	size_t i;

	if (addr_is_loopback(a) || addr_is_any(a))
		return true;
	if (a->sa.sa_family == AF_INET6)
		return (a->in6.sin6_addr.s6_addr[0] & 0xfe) == 0xfc ||
		    IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr);
	ip = ntohl(a->in4.sin_addr.s_addr);
	for (i = 0; i < sizeof nets / sizeof nets[0]; i++) {
		if ((ip & nets[i].mask) == nets[i].net)
			return true;
	}
	return false;
}

int
sock_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* A socket of the family, bound to the address. */
static int
sock_bound(const union addr *a, int type, struct err *e)
{
	char text[ADDR_TEXT];
	int s, on = 1;

	addr_text(text, a);
	s = socket(a->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0)
		return err_errno(e, ERR_IO, "socket for %s", text);
	if (type == SOCK_STREAM)
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->sa.sa_family == AF_INET6)
		setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(s, &a->sa, addr_len(a)) != 0) {
		err_errno(e, ERR_ADDRESS, "bind to %s", text);
		close(s);
		return -ERR_ADDRESS;
	}
	return s;
}

int
sock_udp(const union addr *a, struct err *e)
{
	return sock_bound(a, SOCK_DGRAM, e);
}

int
sock_tcp_listen(const union addr *a, struct err *e)
{
	int s = sock_bound(a, SOCK_STREAM, e);
	char text[ADDR_TEXT];

	addr_text(text, a);
	if (s >= 0 && listen(s, 1024) != 0) {
		err_errno(e, ERR_ADDRESS, "listen on %s", text);
		close(s);
		return -ERR_ADDRESS;
	}
	return s;
}

int
sock_tcp_connect(const union addr *a, struct err *e)
{
	char text[ADDR_TEXT];
	int s, on = 1;

	addr_text(text, a);
	s = socket(
	    a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0)
		return err_errno(e, ERR_IO, "socket for %s", text);
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(s, &a->sa, addr_len(a)) != 0 && errno != EINPROGRESS) {
		err_errno(e, ERR_CONNECT, "connect to %s", text);
		close(s);
		return -ERR_CONNECT;
	}
	return s;
}

void
sock_keep_alive(int fd, const struct sock_alive *a)
{
	const struct {
		int level, name, value;
	} options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, a->idle},
	    {IPPROTO_TCP, TCP_KEEPINTVL, a->pause},
	    {IPPROTO_TCP, TCP_KEEPCNT, a->count},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, a->silence_ms}};
	size_t i;

	for (i = 0; i < sizeof options / sizeof options[0]; i++)
		setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof options[i].value);
}

/* A sockaddr_un of the path; -ERR_TOOBIG when it does not fit. */
static int
sock_unix_addr(struct sockaddr_un *un, const char *path, struct err *e)
{
	memset(un, 0, sizeof *un);
	un->sun_family = AF_UNIX;
	if (!str_copy(un->sun_path, sizeof un->sun_path, path))
		return err_set(e, ERR_TOOBIG,
		    "%s: a socket's path has at most %zu bytes", path,
		    sizeof un->sun_path - 1);
	return 0;
}

int
sock_unix_listen(const char *path, unsigned mode, struct err *e)
{
	struct sockaddr_un un;
	int s, r;

	if ((r = sock_unix_addr(&un, path, e)) != 0)
		return r;
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0)
		return err_errno(e, ERR_IO, "socket");
	unlink(path);
	if (bind(s, (struct sockaddr *)&un, sizeof un) != 0 ||
	    chmod(path, mode) != 0 || listen(s, 128) != 0) {
		err_errno(e, ERR_IO, "%s", path);
		close(s);
		return -ERR_IO;
	}
	return s;
}

int
sock_unix_connect(const char *path, struct err *e)
{
	struct sockaddr_un un;
	int s, r;

	if ((r = sock_unix_addr(&un, path, e)) != 0)
		return r;
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return err_errno(e, ERR_IO, "socket");
	if (connect(s, (struct sockaddr *)&un, sizeof un) != 0) {
		err_errno(e, ERR_CONNECT, "%s", path);
		close(s);
		return -ERR_CONNECT;
	}
	return s;
}

ssize_t
sock_send_fds(int s, const void *p, size_t n, const int *fds, int nfds)
{
	struct iovec iov = {(void *)p, n};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SOCK_FDS * sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (nfds > SOCK_FDS) {
		errno = EINVAL;
		return -1;
	}
	if (nfds > 0) {
		memset(&control, 0, sizeof control);
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	}
	return sendmsg(s, &msg, MSG_NOSIGNAL);
}

ssize_t
sock_recv_fds(int s, void *p, size_t n, int *fds, int *nfds)
{
	struct iovec iov = {p, n};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SOCK_FDS * sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	struct cmsghdr *c;
	int room = *nfds, got, i, fd;
	ssize_t len = recvmsg(s, &msg, MSG_CMSG_CLOEXEC);

	*nfds = 0;
	if (len < 0)
		return len;
	for (c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		got = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (i = 0; i < got; i++) {
			memcpy(&fd, CMSG_DATA(c) + (size_t)i * sizeof fd,
			    sizeof fd);
			if (*nfds < room)
				fds[(*nfds)++] = fd;
			else
				close(fd);
		}
	}
	return len;
}
