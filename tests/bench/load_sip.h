#ifndef BENCH_LOAD_SIP_H
#define BENCH_LOAD_SIP_H

/*
 * What a phone needs of SIP: text, headers, digests, sockets that send in
 * batches, and requests that are sent again by the timers of RFC 3261 17.
 * Part of a program of one file, hence all static.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "daemon/base/mem.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"
#include "tests/bench/load_measure.h"

#define MESSAGE 2048 /* bytes of one message of ours */
#define BATCH 64
#define T1 (500 * CLOCK_MS) /* RFC 3261 17.1.1.1 */
#define STEPS 6		    /* retransmissions after T1, 2 T1, ... 32 T1 */
#define LIFE (64 * T1)

/* ---- text that grows within a fixed buffer ------------------------------ */

struct text {
	char data[MESSAGE];
	size_t n;
};

static void put(struct text *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->data + t->n, sizeof t->data - t->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof t->data - t->n)
		die("a message of more than %d bytes", MESSAGE);
	t->n += (size_t)n;
}

/* Part of a message that came. */
struct part {
	const char *p;
	size_t n;
};

/* The next line of a header, by long or compact name; *at moves behind it. */
static bool
header_next(const char **at, const char *name, char compact, struct part *v)
{
	size_t n = strlen(name);
	const char *p = *at, *end;

	for (; *p != '\0' && *p != '\r'; p = end + (end[0] != '\0' ? 2 : 0)) {
		if ((end = strstr(p, "\r\n")) == NULL)
			return false;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			v->p = p + n + 1;
		else if ((*p | 0x20) == compact && p[1] == ':')
			v->p = p + 2;
		else
			continue;
		while (*v->p == ' ')
			v->p++;
		v->n = (size_t)(end - v->p);
		*at = end + 2;
		return true;
	}
	return false;
}

/* The first header of that name. */
static bool
header(const char *msg, const char *name, char compact, struct part *v)
{
	return header_next(&msg, name, compact, v);
}

/* A parameter of an authenticate header; "" when it is not there. */
static void
auth_param(struct part v, const char *name, char *out, size_t size)
{
	const char *p = v.p, *end = v.p + v.n;
	size_t n = strlen(name), len;

	out[0] = '\0';
	for (; (p = memmem(p, (size_t)(end - p), name, n)) != NULL; p += n) {
		if (p[n] == '=' && (p[-1] == ' ' || p[-1] == ','))
			break;
	}
	if (p == NULL)
		return;
	p += n + 1;
	if (*p == '"')
		len = strcspn(++p, "\"\r");
	else
		len = strcspn(p, ", \r");
	if (!str_ncopy(out, size, p, len))
		die("%s of the challenge is too long", name);
}

/* ---- sockets, each a source of its own ---------------------------------- */

struct source {
	int fd;
	union addr at;
	char text[ADDR_TEXT];
	unsigned n;
	struct mmsghdr out[BATCH];
	struct iovec iov[BATCH];
	union addr to[BATCH];
	char bytes[BATCH][MESSAGE];
};

static struct source *sources;
static unsigned nsources;
static int poll_fd;

/* Open all of them and watch them. */
static void
sources_open(unsigned count, bool spread)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct source *s;
	struct err err = {0};
	socklen_t len = sizeof s->at;
	char host[32];
	unsigned i;

	nsources = count;
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	sources = xcalloc(nsources, sizeof *sources);
	for (i = 0; i < nsources; i++) {
		s = &sources[i];
		snprintf(host, sizeof host,
		    spread ? "127.1.%u.%u" : "127.0.0.1", i / 250, i % 250 + 1);
		addr_parse(&s->at, host, 0);
		if ((s->fd = sock_udp(&s->at, &err)) < 0)
			die("%s", err.text);
		len = sizeof s->at;
		getsockname(s->fd, &s->at.sa, &len);
		addr_text(s->text, &s->at);
		ev.data.u32 = i;
		epoll_ctl(poll_fd, EPOLL_CTL_ADD, s->fd, &ev);
	}
}

/* Send what waits; a full socket is waited for: the phone does not lose what
 * it never sent. */
static void
source_flush(struct source *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	unsigned done = 0;
	int n;

	while (done < s->n) {
		n = sendmmsg(s->fd, s->out + done, s->n - done, 0);
		if (n > 0)
			done += (unsigned)n;
		else if (errno == EAGAIN)
			poll(&p, 1, 100);
		else if (errno == ECONNREFUSED)
			continue; /* of an earlier one: the target is gone */
		else
			die("sendmmsg: %s", strerror(errno));
	}
	s->n = 0;
}

/* Queue a copy. */
static void
source_send(struct source *s, const union addr *to, const char *bytes, size_t n)
{
	struct msghdr *m = &s->out[s->n].msg_hdr;

	memcpy(s->bytes[s->n], bytes, n);
	s->iov[s->n] = (struct iovec){s->bytes[s->n], n};
	s->to[s->n] = *to;
	memset(m, 0, sizeof *m);
	m->msg_name = &s->to[s->n];
	m->msg_namelen = addr_len(to);
	m->msg_iov = &s->iov[s->n];
	m->msg_iovlen = 1;
	if (++s->n == BATCH)
		source_flush(s);
}

/* ---- requests on their way, with the timers of RFC 3261 17 -------------- */

struct tx;
TAILQ_HEAD(tx_list, tx);

struct tx {
	bool open;
	bool quiet; /* a provisional came: INVITE is not sent again */
	unsigned step;
	uint64_t first, due;
	struct source *source;
	union addr to;
	struct text msg;
	void (*on_timeout)(struct tx *);
	TAILQ_ENTRY(tx) entry;
};

/* By step: all of one list wait equally long, so it is in order. */
static struct tx_list tx_waiting[STEPS];

static void
tx_wait(struct tx *t, uint64_t now)
{
	t->due = now + (T1 << t->step);
	TAILQ_INSERT_TAIL(&tx_waiting[t->step], t, entry);
}

/* Send what is in t->msg and begin to wait for its reply. */
static void
tx_start(struct tx *t, const union addr *to)
{
	uint64_t now = clock_mono();

	t->open = true;
	t->quiet = false;
	t->step = 0;
	t->first = now;
	t->to = *to;
	tx_wait(t, now);
	source_send(t->source, to, t->msg.data, t->msg.n);
}

static void
tx_end(struct tx *t)
{
	if (t->open)
		TAILQ_REMOVE(&tx_waiting[t->step], t, entry);
	t->open = false;
}

/* One whose time has come: again, or given up. */
static void
tx_due(struct tx *t, uint64_t now)
{
	if (now - t->first >= LIFE) {
		tx_end(t);
		timeouts++;
		t->on_timeout(t);
		return;
	}
	TAILQ_REMOVE(&tx_waiting[t->step], t, entry);
	if (!t->quiet) {
		retransmissions++;
		source_send(t->source, &t->to, t->msg.data, t->msg.n);
	}
	if (t->step + 1 < STEPS)
		t->step++;
	tx_wait(t, now);
}

static void
tx_timers(uint64_t now)
{
	struct tx *t;
	unsigned i;

	for (i = 0; i < STEPS; i++) {
		while (
		    (t = TAILQ_FIRST(&tx_waiting[i])) != NULL && t->due <= now)
			tx_due(t, now);
	}
}

/* ---- digests ------------------------------------------------------------ */

/* MD5 of a text as hexadecimal. */
static void
md5(char out[33], const char *s, size_t n)
{
	static EVP_MD_CTX *ctx;
	static EVP_MD *md;
	uint8_t bytes[16];

	if (ctx == NULL) {
		ctx = EVP_MD_CTX_new();
		md = EVP_MD_fetch(NULL, "MD5", NULL);
	}
	if (EVP_DigestInit_ex(ctx, md, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, s, n) != 1 ||
	    EVP_DigestFinal_ex(ctx, bytes, NULL) != 1)
		die("no MD5");
	str_hex(out, bytes, sizeof bytes);
}

/* A challenge that was answered once and is answered again from now on. */
struct challenge {
	char realm[128], nonce[256], opaque[128], ha1[33];
	bool proxy, qop, known;
	uint32_t nc;
};

/* Take a 401 or 407; of several challenges the first for MD5. */
static bool
challenge_take(struct challenge *c, const char *msg, bool proxy,
    const char *user, const char *password)
{
	char algorithm[32], qop[64], s[512];
	const char *at = msg;
	struct part v;

	while (header_next(
	    &at, proxy ? "Proxy-Authenticate" : "WWW-Authenticate", '\0', &v)) {
		auth_param(v, "algorithm", algorithm, sizeof algorithm);
		if (algorithm[0] != '\0' && strcasecmp(algorithm, "MD5") != 0)
			continue;
		auth_param(v, "realm", c->realm, sizeof c->realm);
		auth_param(v, "nonce", c->nonce, sizeof c->nonce);
		auth_param(v, "opaque", c->opaque, sizeof c->opaque);
		auth_param(v, "qop", qop, sizeof qop);
		snprintf(s, sizeof s, "%s:%s:%s", user, c->realm, password);
		md5(c->ha1, s, strlen(s));
		c->qop = qop[0] != '\0';
		c->proxy = proxy;
		c->nc = 0;
		c->known = true;
		return true;
	}
	return false;
}

/* The response to it for the next request (RFC 7616 3.4.1); ha2 is of its
 * method and URI. */
static void
challenge_respond(struct challenge *c, char out[33], const char *ha2)
{
	char s[1024], nc[16];
	size_t n;

	n = (size_t)(stpcpy(stpcpy(stpcpy(s, c->ha1), ":"), c->nonce) - s);
	c->nc++;
	if (c->qop) {
		snprintf(nc, sizeof nc, ":%08x", c->nc);
		n = (size_t)(stpcpy(stpcpy(s + n, nc), ":0a4f113b:auth") - s);
	}
	n = (size_t)(stpcpy(stpcpy(s + n, ":"), ha2) - s);
	md5(out, s, n);
}

/* The Authorization line of a request. */
static void
challenge_put(struct text *t, struct challenge *c, const char *user,
    const char *method, const char *uri)
{
	char ha2[33], response[33], s[512];

	snprintf(s, sizeof s, "%s:%s", method, uri);
	md5(ha2, s, strlen(s));
	challenge_respond(c, response, ha2);
	put(t,
	    "%s: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", "
	    "uri=\"%s\", algorithm=MD5, response=\"%s\"",
	    c->proxy ? "Proxy-Authorization" : "Authorization", user, c->realm,
	    c->nonce, uri, response);
	if (c->qop)
		put(t, ", qop=auth, nc=%08x, cnonce=\"0a4f113b\"", c->nc);
	if (c->opaque[0] != '\0')
		put(t, ", opaque=\"%s\"", c->opaque);
	put(t, "\r\n");
}

#endif
