/*
 * The values of header fields as spans: URIs, addresses, parameters, Via,
 * lists, credentials. Strict where a border depends on it (hosts, ports,
 * quotes, brackets), silent about the rest. Nothing is copied or unescaped.
 */
#include <string.h>

#include "daemon/base/sock.h"
#include "daemon/base/str.h"
#include "scan.h"

static bool
scan_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 3261 25.1 token, and the bytes above ASCII, which some phones put
 * into display names without quotes. */
static bool
scan_is_token(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9'))
		return true;
	return (c != '\0' && strchr("-.!%*_+`'~", c) != NULL) ||
	    (unsigned char)c >= 0x80;
}

static const char *
scan_skip_blank(const char *p, const char *end)
{
	while (p < end && scan_is_blank(*p))
		p++;
	return p;
}

static const char *
scan_skip_token(const char *p, const char *end)
{
	while (p < end && scan_is_token(*p))
		p++;
	return p;
}

/* Behind the closing quote of a quoted string that begins at p, or NULL. */
static const char *
scan_skip_quoted(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return NULL;
}

/* The span without blanks behind it. */
static struct scan_span
scan_trim(const char *p, const char *end)
{
	while (end > p && scan_is_blank(end[-1]))
		end--;
	return (struct scan_span){p, (size_t)(end - p)};
}

bool
scan_span_is(struct scan_span s, const char *word)
{
	return str_iequal(s.p, s.n, word);
}

bool
scan_span_equal(struct scan_span a, struct scan_span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
scan_number(struct scan_span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (s.n == 0)
		return false;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return true;
}

/* ---- hosts and URIs ---------------------------------------------------- */

/* host [":" port] from p; the byte behind it, or NULL when it is none. */
static const char *
scan_hostport(
    const char *p, const char *end, struct scan_span *host, unsigned *port)
{
	const char *at = p;
	struct scan_span digits;
	union addr a;
	uint64_t v;

	*port = 0;
	if (at < end && *at == '[') {
		at = memchr(p, ']', (size_t)(end - p));
		if (at == NULL || !addr_nparse(&a, p, (size_t)(++at - p), 0) ||
		    a.sa.sa_family != AF_INET6)
			return NULL;
	} else {
		while (at < end &&
		    ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
			(*at >= '0' && *at <= '9') || *at == '-' ||
			*at == '.' || *at == '_'))
			at++;
	}
	*host = (struct scan_span){p, (size_t)(at - p)};
	if (host->n == 0 || host->n > 255)
		return NULL;
	p = scan_skip_blank(at, end);
	if (p == end || *p != ':')
		return at;
	p = scan_skip_blank(p + 1, end);
	for (at = p; at < end && *at >= '0' && *at <= '9'; at++)
		;
	digits = (struct scan_span){p, (size_t)(at - p)};
	if (!scan_number(digits, 65535, &v) || v == 0)
		return NULL;
	*port = (unsigned)v;
	return at;
}

/* What stands behind "sip:". */
static bool
scan_uri_sip(struct scan_uri *u, const char *p, const char *end)
{
	const char *at = memchr(p, '@', (size_t)(end - p)), *colon;

	if (at != NULL) {
		colon = memchr(p, ':', (size_t)(at - p));
		u->user.p = p;
		u->user.n = (size_t)((colon != NULL ? colon : at) - p);
		if (u->user.n == 0)
			return false;
		p = at + 1;
	}
	p = scan_hostport(p, end, &u->host, &u->port);
	if (p == NULL || (p < end && *p != ';' && *p != '?'))
		return false;
	at = memchr(p, '?', (size_t)(end - p));
	u->has_headers = at != NULL;
	u->params.p = p;
	u->params.n = (size_t)((at != NULL ? at : end) - p);
	return true;
}

/* A byte that may stand in a URI at all. */
static bool
scan_is_uri(char c)
{
	return (unsigned char)c > ' ' && c != '<' && c != '>' && c != '"' &&
	    c != 0x7f;
}

bool
scan_uri(struct scan_uri *u, const char *p, size_t n)
{
	const char *end = p + n, *colon, *at;
	struct scan_span scheme;

	memset(u, 0, sizeof *u);
	u->all = (struct scan_span){p, n};
	for (at = p; at < end; at++) {
		if (!scan_is_uri(*at))
			return false;
	}
	colon = n > 0 ? memchr(p, ':', n) : NULL;
	if (colon == NULL || colon == p)
		return false;
	scheme = (struct scan_span){p, (size_t)(colon - p)};
	if (scan_span_is(scheme, "sip") || scan_span_is(scheme, "sips")) {
		u->scheme = scheme.n == 3 ? SCAN_SIP : SCAN_SIPS;
		return scan_uri_sip(u, colon + 1, end);
	}
	u->scheme = scan_span_is(scheme, "tel") ? SCAN_TEL : SCAN_SCHEME_OTHER;
	for (at = p; at < colon; at++) {
		if (!scan_is_token(*at))
			return false;
	}
	at = memchr(colon, ';', (size_t)(end - colon));
	if (at == NULL)
		at = end;
	u->user = (struct scan_span){colon + 1, (size_t)(at - colon - 1)};
	u->params = (struct scan_span){at, (size_t)(end - at)};
	return true;
}

/* ---- addresses --------------------------------------------------------- */

/* The display name in front of '<', which it leaves at p; false when what
 * stands there is neither a quoted string nor tokens. */
static bool
scan_display(struct scan_span *display, const char **p, const char *end)
{
	const char *from = *p, *at = *p;

	if (at < end && *at == '"') {
		if ((at = scan_skip_quoted(at, end)) == NULL)
			return false;
	} else {
		while (at < end && (scan_is_token(*at) || scan_is_blank(*at)))
			at++;
	}
	*display = scan_trim(from, at);
	*p = scan_skip_blank(at, end);
	return *p < end && **p == '<';
}

/* Behind the parameters from p: a ',' or the end; NULL when they are none. */
static const char *
scan_params_end(struct scan_span *params, const char *p, const char *end)
{
	const char *at = scan_skip_blank(p, end);
	struct scan_span name, value;

	params->p = at;
	while (scan_param(&at, end, &name, &value))
		;
	if (at < end && *at != ',')
		return NULL;
	*params = scan_trim(params->p, at);
	return at;
}

bool
scan_address(struct scan_address *a, const char *p, size_t n)
{
	const char *end = p + n, *at, *uri;

	memset(a, 0, sizeof *a);
	uri = p = scan_skip_blank(p, end);
	if (scan_display(&a->display, &p, end)) {
		p++;
		at = memchr(p, '>', (size_t)(end - p));
		if (at == NULL || !scan_uri(&a->uri, p, (size_t)(at - p)))
			return false;
		at++;
	} else {
		/* addr-spec: ';' begins the parameters of the header, '?' and
		 * ',' are not allowed (RFC 3261 20). */
		a->display = (struct scan_span){NULL, 0};
		for (at = uri; at < end && *at != ';' && !scan_is_blank(*at) &&
		     *at != ',';
		     at++)
			;
		if (!scan_uri(&a->uri, uri, (size_t)(at - uri)) ||
		    a->uri.has_headers)
			return false;
	}
	a->end = scan_params_end(&a->params, at, end);
	return a->end != NULL;
}

/* ---- parameters and lists ---------------------------------------------- */

/* A value behind '=': quoted, or anything up to ';', ',' or a blank. */
static const char *
scan_param_value(const char *p, const char *end, struct scan_span *value)
{
	const char *at = p;

	if (p < end && *p == '"') {
		at = scan_skip_quoted(p, end);
	} else {
		while (at < end && *at != ';' && *at != ',' &&
		    !scan_is_blank(*at) && *at != '"')
			at++;
		if (at == p)
			at = NULL;
	}
	if (at != NULL)
		*value = (struct scan_span){p, (size_t)(at - p)};
	return at;
}

bool
scan_param(const char **at, const char *end, struct scan_span *name,
    struct scan_span *value)
{
	const char *p = scan_skip_blank(*at, end), *from, *behind;

	*at = p;
	value->p = NULL;
	value->n = 0;
	if (p == end || *p != ';')
		return false;
	from = scan_skip_blank(p + 1, end);
	p = scan_skip_token(from, end);
	if (p == from)
		return false;
	*name = (struct scan_span){from, (size_t)(p - from)};
	behind = scan_skip_blank(p, end);
	if (behind < end && *behind == '=') {
		behind = scan_skip_blank(behind + 1, end);
		p = scan_param_value(behind, end, value);
		if (p == NULL)
			return false;
		behind = scan_skip_blank(p, end);
	}
	if (behind < end && *behind != ';' && *behind != ',')
		return false;
	*at = p;
	return true;
}

bool
scan_param_find(
    struct scan_span params, const char *word, struct scan_span *value)
{
	const char *at = params.p, *end = params.p + params.n;
	struct scan_span name;

	if (params.n == 0)
		return false;
	while (scan_param(&at, end, &name, value)) {
		if (scan_span_is(name, word))
			return true;
	}
	return false;
}

bool
scan_item(const char **at, const char *end, struct scan_span *item)
{
	const char *p = *at, *from, *skip;
	bool angle = false;

	while (p < end && (*p == ',' || scan_is_blank(*p)))
		p++;
	from = p;
	while (p < end && (angle || *p != ',')) {
		if (*p == '"' && !angle &&
		    (skip = scan_skip_quoted(p, end)) != NULL) {
			p = skip;
			continue;
		}
		if (*p == '<' || *p == '>')
			angle = *p == '<';
		p++;
	}
	*at = p;
	*item = scan_trim(from, p);
	return item->n > 0;
}

/* ---- Via --------------------------------------------------------------- */

/* The word that must stand next, with '/' behind it where asked. */
static const char *
scan_word(const char *p, const char *end, struct scan_span *word, bool slash)
{
	const char *at;

	p = scan_skip_blank(p, end);
	at = scan_skip_token(p, end);
	*word = (struct scan_span){p, (size_t)(at - p)};
	at = scan_skip_blank(at, end);
	if (word->n == 0 || (slash && (at == end || *at != '/')))
		return NULL;
	return slash ? at + 1 : at;
}

/* Note the parameters that routing needs, with their ';'. */
static const char *
scan_via_params(struct scan_via *v, const char *at, const char *end)
{
	struct scan_span name, value;
	const char *from = at;

	while (scan_param(&at, end, &name, &value)) {
		if (scan_span_is(name, "branch")) {
			v->branch = value;
		} else if (scan_span_is(name, "received")) {
			v->received = (struct scan_span){
			    from, (size_t)(at - from)};
		} else if (scan_span_is(name, "rport")) {
			v->rport = (struct scan_span){
			    from, (size_t)(at - from)};
			v->has_rport = true;
		}
		from = at;
	}
	return at;
}

bool
scan_via(struct scan_via *v, const char *p, size_t n)
{
	const char *end = p + n, *at;
	struct scan_span word;

	memset(v, 0, sizeof *v);
	p = scan_word(p, end, &word, true);
	if (p == NULL || !scan_span_is(word, "SIP"))
		return false;
	p = scan_word(p, end, &word, true);
	if (p == NULL || !scan_span_is(word, "2.0"))
		return false;
	at = scan_word(p, end, &v->transport, false);
	if (at == NULL || at == end || at == v->transport.p + v->transport.n)
		return false;
	at = scan_hostport(at, end, &v->host, &v->port);
	if (at == NULL)
		return false;
	v->params.p = at;
	at = scan_skip_blank(scan_via_params(v, at, end), end);
	v->params.n = (size_t)(at - v->params.p);
	if (at < end && *at != ',')
		return false;
	v->end = scan_trim(p, at).p + scan_trim(p, at).n;
	return true;
}

/* ---- credentials ------------------------------------------------------- */

bool
scan_auth(const char **at, const char *end, struct scan_span *name,
    struct scan_span *value)
{
	const char *p = *at, *from;

	while (p < end && (*p == ',' || scan_is_blank(*p)))
		p++;
	from = p;
	p = scan_skip_token(from, end);
	*name = (struct scan_span){from, (size_t)(p - from)};
	p = scan_skip_blank(p, end);
	if (name->n == 0 || p == end || *p != '=')
		return false;
	from = scan_skip_blank(p + 1, end);
	p = scan_param_value(from, end, value);
	if (p == NULL)
		return false;
	if (value->n >= 2 && value->p[0] == '"') {
		value->p++;
		value->n -= 2;
	}
	*at = p;
	return true;
}
