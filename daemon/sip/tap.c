/*
 * A message into the ring: one copy, then one walk over the lines of that copy
 * while it is in the cache, which finds the keys and puts '*' over secrets.
 * The scan of a gate cannot be used for it: it comes later than the tap, which
 * must also see what is refused, and what is sent was put together from parts
 * and has not been scanned at all.
 *
 * Masked, each byte by a '*' so that lengths stay: of credentials everything
 * but who, where and how (username, realm, uri, algorithm, qop, nc); keys of
 * SRTP, ICE and k= in session descriptions; digits that are sent by INFO.
 */
#include <string.h>

#include "tap.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

struct tap_walk {
	struct trace_record *r;
	char *text, *end;
	bool secret; /* the line before was one of credentials */
	bool digits; /* the body is DTMF */
};

static void
tap_key(struct tap_walk *w, enum trace_key key, const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	w->r->key[key] = (struct trace_span){
	    (uint16_t)(p - w->text), (uint16_t)(end - p)};
}

static void
tap_cover(struct tap_walk *w, char *p, const char *end)
{
	if (p >= end)
		return;
	memset(p, '*', (size_t)(end - p));
	w->r->flags |= TRACE_MASKED;
}

static char *
tap_find(const char *p, const char *end, int c)
{
	return p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
}

/* ---- start line ---------------------------------------------------------- */

static void
tap_start(struct tap_walk *w, const char *p, const char *end)
{
	const char *space;

	if (end - p >= 11 && memcmp(p, "SIP/2.0 ", 8) == 0) {
		w->r->flags |= TRACE_REPLY;
		w->r->status = (unsigned)((p[8] - '0') * 100 +
		    (p[9] - '0') * 10 + (p[10] - '0'));
		return;
	}
	space = tap_find(p, end, ' ');
	if (space != NULL && space - p < 32)
		tap_key(w, TRACE_METHOD, p, space);
}

/* ---- values -------------------------------------------------------------- */

/* The user of the URI in a From or To. */
static void
tap_user(struct tap_walk *w, enum trace_key key, const char *p, const char *end)
{
	const char *at, *from;

	if ((at = tap_find(p, end, '"')) != NULL) {
		for (at++; at < end && *at != '"'; at++)
			at += *at == '\\';
		if (at >= end)
			return;
		p = at;
	}
	if ((at = tap_find(p, end, '<')) != NULL)
		p = at + 1;
	if ((from = tap_find(p, end, ':')) == NULL)
		return;
	for (at = ++from; at < end && *at != '@' && *at != '>' && *at != ';';
	     at++)
		;
	if (from - p == 4 && (p[0] | 0x20) == 't')
		tap_key(w, key, from, at);
	else if (at < end && *at == '@')
		tap_key(w, key, from, at);
}

static void
tap_branch(struct tap_walk *w, const char *p, const char *end)
{
	const char *at;

	while ((p = tap_find(p, end, ';')) != NULL) {
		if (end - ++p < 7 || memcmp(p, "branch=", 7) != 0)
			continue;
		p += 7;
		for (at = p; at < end && *at != ';' && *at != ',' && *at != ' ';
		     at++)
			;
		tap_key(w, TRACE_BRANCH, p, at);
		return;
	}
}

/* "102 INVITE": a reply has its method here. */
static void
tap_cseq(struct tap_walk *w, const char *p, const char *end)
{
	uint32_t n = 0;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint32_t)(*p - '0');
	w->r->cseq = n;
	if (w->r->flags & TRACE_REPLY)
		tap_key(w, TRACE_METHOD, p, end);
}

/* What of credentials may be read. */
static bool
tap_is_open(const char *p, size_t n)
{
	return str_iequal(p, n, "username") || str_iequal(p, n, "realm") ||
	    str_iequal(p, n, "uri") || str_iequal(p, n, "algorithm") ||
	    str_iequal(p, n, "qop") || str_iequal(p, n, "nc");
}

/* name=value, name="value": of each the value, unless it may be read. */
static void
tap_parameters(struct tap_walk *w, char *p, char *end)
{
	char *equal, *value, *stop;
	size_t n;

	while (p < end) {
		while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
			p++;
		equal = tap_find(p, end, '=');
		if (equal == NULL) {
			tap_cover(w, p, end);
			return;
		}
		for (n = (size_t)(equal - p); n > 0 && p[n - 1] == ' ';)
			n--;
		for (value = equal + 1; value < end && *value == ' ';)
			value++;
		stop = value;
		if (value < end && *value == '"') {
			for (stop = ++value; stop < end && *stop != '"'; stop++)
				stop += *stop == '\\' && stop + 1 < end;
		} else {
			while (stop < end && *stop != ',')
				stop++;
		}
		if (!tap_is_open(p, n))
			tap_cover(w, value, stop);
		p = stop < end ? stop + 1 : end;
	}
}

static void
tap_credentials(struct tap_walk *w, char *p, char *end, bool scheme)
{
	char *space;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (scheme && (space = tap_find(p, end, ' ')) != NULL) {
		if (!str_iequal(p, (size_t)(space - p), "Digest")) {
			tap_cover(w, space + 1, end);
			return;
		}
		p = space;
	}
	tap_parameters(w, p, end);
}

/* ---- header fields ------------------------------------------------------- */

static bool
tap_is(const char *p, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if ((p[i] | 0x20) != name[i])
			return false;
	}
	return true;
}

/* Is the body digits that somebody has pressed? */
static void
tap_type(struct tap_walk *w, const char *p, const char *end)
{
	w->digits = memmem(p, (size_t)(end - p), "dtmf", 4) != NULL;
}

/* The short names of RFC 3261 7.3.3. */
static void
tap_compact(struct tap_walk *w, int name, const char *p, const char *end)
{
	if (name == 'i')
		tap_key(w, TRACE_CALL_ID, p, end);
	else if (name == 'f')
		tap_user(w, TRACE_FROM, p, end);
	else if (name == 't')
		tap_user(w, TRACE_TO, p, end);
	else if (name == 'v' && w->r->key[TRACE_BRANCH].n == 0)
		tap_branch(w, p, end);
	else if (name == 'c')
		tap_type(w, p, end);
}

/* A field whose name has n bytes; value and end are those of its line. */
static void
tap_field(struct tap_walk *w, const char *p, size_t n, char *value, char *end)
{
	bool scheme = true;

	switch (n) {
	case 1:
		tap_compact(w, *p | 0x20, value, end);
		break;
	case 2:
		if (tap_is(p, n, "to"))
			tap_user(w, TRACE_TO, value, end);
		break;
	case 3:
		if (w->r->key[TRACE_BRANCH].n == 0 && tap_is(p, n, "via"))
			tap_branch(w, value, end);
		break;
	case 4:
		if (tap_is(p, n, "from"))
			tap_user(w, TRACE_FROM, value, end);
		else if (tap_is(p, n, "cseq"))
			tap_cseq(w, value, end);
		break;
	case 7:
		if (tap_is(p, n, "call-id"))
			tap_key(w, TRACE_CALL_ID, value, end);
		break;
	case 12:
		if (tap_is(p, n, "content-type"))
			tap_type(w, value, end);
		break;
	case 13:
		w->secret = tap_is(p, n, "authorization");
		break;
	case 19:
		scheme = tap_is(p, n, "proxy-authorization");
		w->secret = scheme || tap_is(p, n, "authentication-info");
		break;
	case 25:
		scheme = false;
		w->secret = tap_is(p, n, "proxy-authentication-info");
		break;
	}
	if (w->secret)
		tap_credentials(w, value, end, scheme);
}

/* The head; returns where the body begins. */
static char *
tap_head(struct tap_walk *w, char *p)
{
	char *next, *end, *colon;
	size_t n;

	for (; p < w->end; p = next) {
		end = tap_find(p, w->end, '\n');
		next = end != NULL ? end + 1 : w->end;
		end = end != NULL ? end : w->end;
		if (end > p && end[-1] == '\r')
			end--;
		if (end == p)
			return next;
		if (*p == ' ' || *p == '\t') {
			if (w->secret)
				tap_credentials(w, p, end, false);
			continue;
		}
		w->secret = false;
		n = (size_t)(end - p);
		colon = memchr(p, ':', n < 40 ? n : 40);
		if (colon == NULL)
			continue;
		for (n = (size_t)(colon - p); n > 0 && p[n - 1] == ' ';)
			n--;
		tap_field(w, p, n, colon + 1, end);
	}
	return w->end;
}

/* ---- the body ------------------------------------------------------------ */

static void
tap_body_line(struct tap_walk *w, char *p, char *end)
{
	static const struct {
		const char *front;
		size_t n;
	} keys[] = {{"a=crypto:", 9}, {"a=ice-pwd:", 10}, {"a=key-mgmt:", 11}};
	char *at;
	size_t i;

	if (p[0] == 'k') {
		tap_cover(w, p + 2, end);
		return;
	}
	for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if ((size_t)(end - p) <= keys[i].n ||
		    memcmp(p, keys[i].front, keys[i].n) != 0)
			continue;
		at = memmem(p, (size_t)(end - p), "inline:", 7);
		tap_cover(w, at != NULL ? at + 7 : p + keys[i].n, end);
	}
}

static void
tap_body(struct tap_walk *w, char *p)
{
	char *next, *end, *equal;

	for (; p < w->end; p = next) {
		end = tap_find(p, w->end, '\n');
		next = end != NULL ? end + 1 : w->end;
		end = end != NULL ? end : w->end;
		if (w->digits) {
			if (end > p && end[-1] == '\r')
				end--;
			equal = tap_find(p, end, '=');
			tap_cover(w, equal != NULL ? equal + 1 : p, end);
		} else if (end - p > 2 && p[1] == '=' &&
		    (p[0] == 'a' || p[0] == 'k')) {
			if (end[-1] == '\r')
				end--;
			tap_body_line(w, p, end);
		}
	}
}

void
tap_message(
    struct ring *ring, const struct tap_way *way, const void *msg, size_t n)
{
	struct trace_record r = {.kind = TRACE_MESSAGE,
	    .flags = way->flags,
	    .proto = way->proto,
	    .time = clock_real(),
	    .local = *way->local,
	    .peer = *way->peer};
	struct tap_walk w = {.r = &r};
	char *line;
	uint8_t *out;

	if (n > UINT16_MAX) {
		n = UINT16_MAX;
		r.flags |= TRACE_CUT;
	}
	out = ring_begin(ring, TRACE_HEAD + n);
	w.text = (char *)out + TRACE_HEAD;
	w.end = w.text + n;
	memcpy(w.text, msg, n);
	line = memchr(w.text, '\n', n);
	if (line != NULL) {
		tap_start(&w, w.text, line);
		tap_body(&w, tap_head(&w, line + 1));
	}
	if (r.key[TRACE_CALL_ID].n == 0)
		r.flags |= TRACE_ODD;
	r.n = (uint32_t)n;
	trace_record_head(out, &r);
	ring_end(ring, TRACE_HEAD + n);
}
