/*
 * Reading a session description (RFC 4566) as far as a media gate must: where
 * each section wants its packets, in which formats, which way. Everything
 * else is the parties' own and is passed on unread. Names are not resolved:
 * a section with a host name has no address. Pure; fuzzed.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mg.h"
#include "daemon/base/str.h"

/* State of one reading. */
struct mg_sdp_reader {
	struct mg_sdp *sdp;
	struct mg_section *section; /* NULL before the first m= */
	union addr connection;	    /* of the session */
	bool hold, dead;	    /* of that: 0.0.0.0; multicast */
	bool connected;		    /* the section has a c= of its own */
	bool crypto;		    /* of the session */
	unsigned dir;		    /* of the session */
	struct err *err;
	unsigned number;
};

int
mg_sdp_line(struct mg_sdp_cursor *c, struct mg_sdp_line *line, struct err *e)
{
	const char *nl;
	size_t i;

	do {
		if (c->at == c->end)
			return 0;
		nl = memchr(c->at, '\n', (size_t)(c->end - c->at));
		line->s = c->at;
		line->n = (size_t)((nl != NULL ? nl : c->end) - c->at);
		c->at = nl != NULL ? nl + 1 : c->end;
		line->number = ++c->number;
		if (line->n != 0 && line->s[line->n - 1] == '\r')
			line->n--;
	} while (line->n == 0); /* seen behind the last line */
	if (line->n > MG_SDP_LINE)
		return err_set(e, ERR_TOOBIG, "line %u: longer than %d bytes",
		    line->number, MG_SDP_LINE);
	for (i = 0; i < line->n; i++) {
		if ((unsigned char)line->s[i] < ' ' && line->s[i] != '\t')
			return err_set(e, ERR_SYNTAX,
			    "line %u: a control character", line->number);
	}
	if (line->n < 2 || line->s[1] != '=')
		return err_set(
		    e, ERR_SYNTAX, "line %u: expected x=...", line->number);
	line->type = line->s[0];
	line->value = line->s + 2;
	line->len = line->n - 2;
	return 1;
}

bool
mg_sdp_attr(const struct mg_sdp_line *line, const char *name,
    const char **value, size_t *len)
{
	size_t n = strlen(name);

	if (line->type != 'a' || line->len < n ||
	    strncasecmp(line->value, name, n) != 0)
		return false;
	if (line->len > n && line->value[n] != ':')
		return false;
	*value = line->value + n + (line->len > n);
	*len = line->len - n - (line->len > n);
	return true;
}

size_t
mg_sdp_word(const char **at, const char *end, const char **word)
{
	while (*at < end && **at == ' ')
		(*at)++;
	*word = *at;
	while (*at < end && **at != ' ')
		(*at)++;
	return (size_t)(*at - *word);
}

/* A decimal number of at most max that fills n bytes. */
static bool
mg_sdp_number(const char *s, size_t n, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (n == 0 || n > 10)
		return false;
	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	*out = v;
	return v <= max;
}

static int
mg_sdp_bad(const struct mg_sdp_reader *r, const char *expected)
{
	return err_set(
	    r->err, ERR_SYNTAX, "line %u: expected %s", r->number, expected);
}

static bool
mg_sdp_is_multicast(const union addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
	return IN_MULTICAST(ntohl(a->in4.sin_addr.s_addr)) ||
	    a->in4.sin_addr.s_addr == INADDR_BROADCAST;
}

/*
 * "IN IP4 192.0.2.1": the address; AF_UNSPEC for a host name. False when it
 * is none of them.
 */
static bool
mg_sdp_address(const char *s, const char *end, union addr *a)
{
	const char *net, *type, *host, *slash;
	size_t nnet, ntype, nhost;
	bool six;

	memset(a, 0, sizeof *a);
	nnet = mg_sdp_word(&s, end, &net);
	ntype = mg_sdp_word(&s, end, &type);
	nhost = mg_sdp_word(&s, end, &host);
	if (!str_iequal(net, nnet, "IN") || nhost == 0)
		return false;
	six = str_iequal(type, ntype, "IP6");
	if (!six && !str_iequal(type, ntype, "IP4"))
		return false;
	slash = memchr(host, '/', nhost); /* multicast: TTL, count */
	if (slash != NULL)
		nhost = (size_t)(slash - host);
	if (!addr_nparse(a, host, nhost, 0)) {
		memset(a, 0, sizeof *a);
		return host[0] != '[' && memchr(host, ':', nhost) == NULL;
	}
	return (a->sa.sa_family == AF_INET6) == six;
}

/* Give a section the address of a c=; its port is known already. */
static void
mg_sdp_connect(struct mg_section *s, const union addr *a, bool hold, bool dead)
{
	s->rtp = *a;
	s->hold = hold;
	s->dead = dead;
	if (a->sa.sa_family != AF_UNSPEC)
		addr_set_port(&s->rtp, s->port);
}

/* c=: of the session, or the first one of a section. */
static int
mg_sdp_read_connection(struct mg_sdp_reader *r, const struct mg_sdp_line *l)
{
	union addr a;
	bool hold = false, dead = false;

	if (!mg_sdp_address(l->value, l->value + l->len, &a))
		return mg_sdp_bad(r, "IN IP4 or IP6 and an address");
	if (a.sa.sa_family != AF_UNSPEC) {
		hold = addr_is_any(&a);
		dead = mg_sdp_is_multicast(&a);
		if (hold || dead)
			memset(&a, 0, sizeof a);
	}
	if (r->section == NULL) {
		r->connection = a;
		r->hold = hold;
		r->dead = dead;
		r->sdp->has_connection = true;
	} else if (!r->connected) {
		r->connected = true;
		mg_sdp_connect(r->section, &a, hold, dead);
	}
	return 0;
}

static enum mg_kind
mg_sdp_kind(const char *proto, size_t n)
{
	static const struct {
		const char *name;
		enum mg_kind kind;
	} row[] = {
	    {"RTP/AVP", MG_KIND_RTP},
	    {"RTP/AVPF", MG_KIND_RTP},
	    {"RTP/SAVP", MG_KIND_SRTP},
	    {"RTP/SAVPF", MG_KIND_SRTP},
	    {"UDP/TLS/RTP/SAVP", MG_KIND_DTLS},
	    {"UDP/TLS/RTP/SAVPF", MG_KIND_DTLS},
	    {"udptl", MG_KIND_UDPTL},
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		if (str_iequal(proto, n, row[i].name))
			return row[i].kind;
	}
	return MG_KIND_NONE;
}

/* Clocks and codecs of the static payload types, RFC 3551 6. */
static void
mg_sdp_static_types(struct mg_section *s)
{
	static const uint8_t eight[] = {
	    0, 3, 4, 5, 7, 8, 9, 12, 13, 15, 18, 19};
	static const uint8_t video[] = {14, 25, 26, 28, 31, 32, 33, 34};
	size_t i;

	for (i = 0; i < sizeof eight; i++)
		s->rate[eight[i]] = 8000;
	for (i = 0; i < sizeof video; i++)
		s->rate[video[i]] = 90000;
	s->rate[6] = 16000;
	s->rate[10] = s->rate[11] = 44100;
	s->rate[16] = 11025;
	s->rate[17] = 22050;
	s->codec[0] = MG_CODEC_PCMU;
	s->codec[4] = MG_CODEC_G723;
	s->codec[8] = MG_CODEC_PCMA;
	s->codec[9] = MG_CODEC_G722;
	s->codec[13] = MG_CODEC_NOISE;
	s->codec[18] = MG_CODEC_G729;
}

/* The formats of an m= line; RTP's are payload types. */
static int
mg_sdp_read_formats(struct mg_sdp_reader *r, const char *at, const char *end)
{
	struct mg_section *s = r->section;
	const char *word;
	uint64_t pt;
	size_t n;
	bool any = false;

	while ((n = mg_sdp_word(&at, end, &word)) != 0) {
		if (mg_kind_is_rtp(s->kind)) {
			if (!mg_sdp_number(word, n, 127, &pt))
				return mg_sdp_bad(
				    r, "payload types of 0 to 127");
			mg_bit_set(s->formats, (unsigned)pt);
			if (!any)
				s->first = (uint8_t)pt;
		}
		any = true;
	}
	return any ? 0 : mg_sdp_bad(r, "a format behind the protocol");
}

/* <port>[/<count>] */
static bool
mg_sdp_port(const char *s, size_t n, uint64_t *port, uint64_t *count)
{
	const char *slash = memchr(s, '/', n);
	size_t digits = slash != NULL ? (size_t)(slash - s) : n;

	*count = 1;
	return mg_sdp_number(s, digits, 65535, port) &&
	    (slash == NULL ||
		mg_sdp_number(slash + 1, n - digits - 1, 65535, count));
}

/* m=<media> <port>[/<count>] <proto> <format> ... */
static int
mg_sdp_read_media(struct mg_sdp_reader *r, const struct mg_sdp_line *l)
{
	const char *at = l->value, *end = at + l->len, *word;
	struct mg_section *s;
	uint64_t port, count;
	size_t n;
	int bad;

	if (r->sdp->count == MG_SECTIONS)
		return err_set(r->err, ERR_TOOBIG,
		    "line %u: more than %d sections", r->number, MG_SECTIONS);
	s = r->section = &r->sdp->section[r->sdp->count++];
	r->connected = false;
	n = mg_sdp_word(&at, end, &word);
	if (n == 0 || !str_ncopy(s->media, sizeof s->media, word, n))
		return mg_sdp_bad(r, "a kind of media");
	n = mg_sdp_word(&at, end, &word);
	if (!mg_sdp_port(word, n, &port, &count))
		return mg_sdp_bad(r, "a port");
	s->port = (uint16_t)port;
	n = mg_sdp_word(&at, end, &word);
	if (n == 0 || !str_ncopy(s->proto, sizeof s->proto, word, n))
		return mg_sdp_bad(r, "a protocol");
	s->kind = mg_sdp_kind(word, n);
	if (mg_kind_is_rtp(s->kind))
		mg_sdp_static_types(s);
	s->dir = r->dir;
	s->crypto = r->crypto;
	mg_sdp_connect(s, &r->connection, r->hold, r->dead);
	bad = mg_sdp_read_formats(r, at, end);
	/* Layers spread over several ports cannot be kept together. */
	if (count != 1)
		s->kind = MG_KIND_NONE;
	return bad;
}

/* a=rtpmap:<type> <name>/<clock>[/<channels>] */
static int
mg_sdp_read_rtpmap(struct mg_sdp_reader *r, const char *at, size_t len)
{
	const char *end = at + len, *word, *slash, *stop;
	struct mg_section *s = r->section;
	uint64_t pt, rate;
	size_t n = mg_sdp_word(&at, end, &word);

	if (!mg_kind_is_rtp(s->kind))
		return 0;
	if (!mg_sdp_number(word, n, 127, &pt))
		return mg_sdp_bad(r, "a payload type of 0 to 127");
	n = mg_sdp_word(&at, end, &word);
	slash = memchr(word, '/', n);
	if (slash == NULL)
		return mg_sdp_bad(r, "a codec's name and clock");
	stop = memchr(slash + 1, '/', n - (size_t)(slash + 1 - word));
	if (stop == NULL)
		stop = word + n;
	if (!mg_sdp_number(
		slash + 1, (size_t)(stop - slash - 1), 10000000, &rate))
		return mg_sdp_bad(r, "the clock of a codec");
	s->rate[pt] = (uint32_t)rate;
	s->codec[pt] = (uint8_t)mg_codec_find(word, (size_t)(slash - word));
	if (s->codec[pt] == MG_CODEC_EVENT)
		mg_bit_set(s->events, (unsigned)pt);
	return 0;
}

/* a=rtcp:<port> [IN IP4 <address>], RFC 3605; the port alone leaves the host
 * to be that of c=. */
static int
mg_sdp_read_rtcp(struct mg_sdp_reader *r, const char *at, size_t len)
{
	const char *end = at + len, *word;
	struct mg_section *s = r->section;
	uint64_t port;
	size_t n = mg_sdp_word(&at, end, &word);

	if (!mg_sdp_number(word, n, 65535, &port))
		return mg_sdp_bad(r, "a port");
	s->has_rtcp = true;
	memset(&s->rtcp, 0, sizeof s->rtcp);
	while (at < end && *at == ' ')
		at++;
	if (at < end && !mg_sdp_address(at, end, &s->rtcp))
		return mg_sdp_bad(r, "IN IP4 or IP6 and an address");
	if (s->rtcp.sa.sa_family != AF_UNSPEC &&
	    (addr_is_any(&s->rtcp) || mg_sdp_is_multicast(&s->rtcp)))
		memset(&s->rtcp, 0, sizeof s->rtcp);
	/* The port waits here until the host is known. */
	addr_set_port(&s->rtcp, (uint16_t)port);
	return 0;
}

/* The four directions, of a section or of the session. */
static bool
mg_sdp_read_direction(struct mg_sdp_reader *r, const struct mg_sdp_line *l)
{
	static const char *const name[] = {
	    "inactive", "sendonly", "recvonly", "sendrecv"};
	unsigned dir;

	for (dir = 0; dir < 4; dir++) {
		if (!str_iequal(l->value, l->len, name[dir]))
			continue;
		if (r->section != NULL)
			r->section->dir = dir;
		else
			r->dir = dir;
		return true;
	}
	return false;
}

static int
mg_sdp_read_attr(struct mg_sdp_reader *r, const struct mg_sdp_line *l)
{
	struct mg_section *s = r->section;
	const char *value;
	size_t len;

	if (mg_sdp_read_direction(r, l))
		return 0;
	if (mg_sdp_attr(l, "crypto", &value, &len) ||
	    mg_sdp_attr(l, "fingerprint", &value, &len)) {
		if (s != NULL)
			s->crypto = true;
		else
			r->crypto = true;
	}
	if (s == NULL)
		return 0;
	if (mg_sdp_attr(l, "rtpmap", &value, &len))
		return mg_sdp_read_rtpmap(r, value, len);
	if (mg_sdp_attr(l, "rtcp", &value, &len))
		return mg_sdp_read_rtcp(r, value, len);
	if (mg_sdp_attr(l, "rtcp-mux", &value, &len))
		s->mux = true;
	return 0;
}

/* A section is whole: where does its RTCP go, what is refused? */
static int
mg_sdp_end_section(struct mg_sdp_reader *r)
{
	struct mg_section *s = r->section;
	uint16_t port;

	if (s == NULL)
		return 0;
	if (s->port != 0 && !r->connected && !r->sdp->has_connection)
		return err_set(r->err, ERR_SYNTAX,
		    "line %u: section %u ends without a c= of its own or of "
		    "the session",
		    r->number, r->sdp->count);
	port = s->has_rtcp ? addr_port(&s->rtcp) : (uint16_t)(s->port + 1);
	if (s->rtcp.sa.sa_family == AF_UNSPEC)
		s->rtcp = s->rtp;
	if (s->rtp.sa.sa_family == AF_UNSPEC)
		memset(&s->rtcp, 0, sizeof s->rtcp);
	if (s->rtcp.sa.sa_family != AF_UNSPEC)
		addr_set_port(&s->rtcp, port);
	if (port == 0)
		memset(&s->rtcp, 0, sizeof s->rtcp);
	if (s->port == 0)
		memset(&s->rtp, 0, sizeof s->rtp);
	return 0;
}

/* o=<user> <id> <version> IN IP4 <address>: six words. */
static int
mg_sdp_read_origin(struct mg_sdp_reader *r, const struct mg_sdp_line *l)
{
	const char *at = l->value, *end = at + l->len, *word;
	unsigned i;
	union addr a;

	for (i = 0; i < 3; i++) {
		if (mg_sdp_word(&at, end, &word) == 0)
			return mg_sdp_bad(r, "six words of an origin");
	}
	if (!mg_sdp_address(at, end, &a))
		return mg_sdp_bad(r, "IN IP4 or IP6 and an address");
	return 0;
}

static int
mg_sdp_read_line(struct mg_sdp_reader *r, const struct mg_sdp_line *l)
{
	bool first = r->number == 0;
	int e;

	r->number = l->number;
	if (first)
		return l->type == 'v' && l->len == 1 && l->value[0] == '0'
		    ? 0
		    : mg_sdp_bad(r, "v=0");
	switch (l->type) {
	case 'm':
		e = mg_sdp_end_section(r);
		return e != 0 ? e : mg_sdp_read_media(r, l);
	case 'c':
		return mg_sdp_read_connection(r, l);
	case 'a':
		return mg_sdp_read_attr(r, l);
	case 'o':
		return mg_sdp_read_origin(r, l);
	default:
		return 0;
	}
}

int
mg_sdp_parse(struct mg_sdp *sdp, const char *text, size_t n, struct err *e)
{
	struct mg_sdp_reader r = {
	    .sdp = sdp, .err = e, .dir = MG_SEND | MG_RECV};
	struct mg_sdp_cursor c = {.at = text, .end = text + n};
	struct mg_sdp_line line;
	int more, bad;

	memset(sdp, 0, sizeof *sdp);
	sdp->text = text;
	sdp->len = n;
	while ((more = mg_sdp_line(&c, &line, e)) == 1) {
		if ((bad = mg_sdp_read_line(&r, &line)) != 0)
			return bad;
	}
	if (more != 0)
		return more;
	if (r.number == 0)
		return err_set(e, ERR_SYNTAX, "line 1: expected v=0");
	return mg_sdp_end_section(&r);
}

int
mg_sdp_family(const struct mg_sdp *sdp)
{
	unsigned i;

	for (i = 0; i < sdp->count; i++) {
		if (sdp->section[i].rtp.sa.sa_family != AF_UNSPEC)
			return sdp->section[i].rtp.sa.sa_family;
	}
	return AF_UNSPEC;
}
