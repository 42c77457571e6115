#ifndef BASE_SOCK_H
#define BASE_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include "err.h"

/* An IPv4 or IPv6 address with its port. */
union addr {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

/* "[2001:db8::1]:5060" and the NUL. */
#define ADDR_TEXT 56

socklen_t addr_len(const union addr *);
/* A literal address, IPv6 with or without brackets; false if it is none. */
bool addr_parse(union addr *, const char *host, uint16_t port);
bool addr_nparse(union addr *, const char *host, size_t n, uint16_t port);
void addr_text(char out[ADDR_TEXT], const union addr *); /* with port */
void addr_host(char out[ADDR_TEXT], const union addr *); /* no port, no [] */
/* As a SIP host: IPv6 in brackets (RFC 3261 25.1). */
void addr_sip_host(char out[ADDR_TEXT], const union addr *);
uint16_t addr_port(const union addr *);
void addr_set_port(union addr *, uint16_t);
bool addr_equal(const union addr *, const union addr *); /* host and port */
bool addr_same_host(const union addr *, const union addr *);
bool addr_is_any(const union addr *);
bool addr_is_loopback(const union addr *);
/* RFC 1918, 6598, 4193, 3927 and link-local: not reachable from outside. */
bool addr_is_private(const union addr *);

/* Sockets are non-blocking and close-on-exec. -ERR_x with words. */
int sock_udp(const union addr *, struct err *); /* bound */
int sock_tcp_listen(const union addr *, struct err *);
int sock_tcp_connect(const union addr *, struct err *); /* in progress */
/* A silent peer of a TCP connection is probed after idle seconds, count times
 * with pauses of so many seconds; what was sent is acknowledged within the
 * milliseconds, or the connection ends. */
struct sock_alive {
	int idle, pause, count, silence_ms;
};
void sock_keep_alive(int fd, const struct sock_alive *);
int sock_unix_listen(const char *path, unsigned mode, struct err *);
int sock_unix_connect(const char *path, struct err *); /* blocking connect */
int sock_nonblock(int fd);
/* Send up to 4 descriptors beside the bytes; recv closes nothing. */
#define SOCK_FDS 4
ssize_t sock_send_fds(int s, const void *, size_t, const int *fds, int nfds);
/* fds are close-on-exec; *nfds in: room, out: count. */
ssize_t sock_recv_fds(int s, void *, size_t, int *fds, int *nfds);

#endif
