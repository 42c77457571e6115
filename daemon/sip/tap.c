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
 * Parsers disagree about odd messages, so what only credentials have (response=
 * and its like) is masked wherever in the head it stands.
 */
#include <string.h>

#include "tap.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

struct tap_walk {
	struct trace_record *r;
	char *text, *end;
	bool secret; /* the line before was one of credentials */
	bool bare;   /* and had no scheme yet */
	bool other;  /* and had another scheme than Digest */
	bool type;   /* the line before was a content type */
	bool digits; /* the body is DTMF */
	bool parts;  /* it is of several parts, each with a head */
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

/* The quote that ends what begins at p; the end when there is none. */
static const char *
tap_quote(const char *p, const char *end)
{
	for (; p < end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < end)
			p++; /* whatever follows is no end: RFC 3261 25.1 */
	}
	return p;
}

/* The user of the URI in a From or To. */
static void
tap_user(struct tap_walk *w, enum trace_key key, const char *p, const char *end)
{
	const char *at, *from;

	while (p < end && *p == ' ')
		p++;
	if (p < end && *p == '"')
		p = tap_quote(p + 1, end);
	if ((at = tap_find(p, end, '<')) != NULL)
		p = at + 1;
	if ((from = tap_find(p, end, ':')) == NULL)
		return;
	if (++from - p == 4 && (p[0] | 0x20) == 't') {
		for (at = from; at < end && *at != '>' && *at != ';'; at++)
			;
		tap_key(w, key, from, at);
	} else if ((at = tap_find(from, end, '@')) != NULL) {
		tap_key(w, key, from, at);
	}
}

static void
tap_branch(struct tap_walk *w, const char *p, const char *end)
{
	const char *at;

	while ((p = tap_find(p, end, ';')) != NULL) {
		if (end - ++p < 7 || memcmp(p, "branch=", 7) != 0)
			continue;
		p += 7;
		if ((at = tap_find(p, end, ';')) == NULL &&
		    (at = tap_find(p, end, ',')) == NULL)
			at = end;
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

static bool
tap_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
tap_is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* What of credentials may be read. */
static bool
tap_is_open(const char *p, size_t n)
{
	switch (n) {
	case 2:
		return tap_is(p, n, "nc");
	case 3:
		return tap_is(p, n, "uri") || tap_is(p, n, "qop");
	case 5:
		return tap_is(p, n, "realm");
	case 8:
		return tap_is(p, n, "username");
	case 9:
		return tap_is(p, n, "algorithm");
	default:
		return false;
	}
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
		if (value < end && *value == '"') {
			stop = (char *)tap_quote(++value, end);
		} else {
			stop = tap_find(value, end, ',');
			stop = stop != NULL ? stop : end;
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

	while (p < end && (*p == ' ' || *p == '\t' || *p == ':'))
		p++;
	w->bare = scheme && p == end;
	for (space = p; space < end && *space != ' ' && *space != '\t';)
		space++;
	if (scheme && p < end) {
		if (!str_iequal(p, (size_t)(space - p), "Digest")) {
			tap_cover(w, space < end ? space + 1 : end, end);
			w->other = true;
			return;
		}
		p = space;
	}
	tap_parameters(w, p, end);
}

/* A line that goes on from one of credentials. */
static void
tap_more(struct tap_walk *w, char *p, char *end)
{
	if (w->other)
		tap_cover(w, p + 1, end);
	else
		tap_credentials(w, p, end, w->bare);
}

/* Does the name that ends at the place say that a secret follows? */
static bool
tap_names_secret(const char *from, const char *end)
{
	static const char *const names[] = {"response", "nonce", "cnonce",
	    "nextnonce", "opaque", "rspauth", "auts"};
	const char *p;
	size_t i;

	while (end > from && tap_is_blank(end[-1]))
		end--;
	for (p = end; p > from && end - p < 12 && tap_is_letter(p[-1]);)
		p--;
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strlen(names[i]) == (size_t)(end - p) &&
		    tap_is(p, (size_t)(end - p), names[i]))
			return true;
	}
	return false;
}

/* The end of the field that goes on here, with the lines that continue it. */
static char *
tap_field_end(char *p, char *end)
{
	char *at;

	for (; (at = tap_find(p, end, '\n')) != NULL; p = at + 1) {
		if (at + 1 == end || (at[1] != ' ' && at[1] != '\t'))
			break;
	}
	at = at != NULL ? at : end;
	return at > p && at[-1] == '\r' ? at - 1 : at;
}

/* The value behind a name. */
static char *
tap_sweep_value(struct tap_walk *w, char *p, char *end)
{
	char *stop;

	while (p < end && tap_is_blank(*p))
		p++;
	if (p < end && *p == '"') {
		stop = (char *)tap_quote(++p, end);
	} else {
		for (stop = p; stop < end && !tap_is_blank(*stop) &&
		     *stop != ',' && *stop != ';';)
			stop++;
	}
	tap_cover(w, p, stop);
	return stop;
}

/* Wherever it stands in the head. */
static void
tap_sweep(struct tap_walk *w, char *from, char *end)
{
	char *p = from;

	while ((p = tap_find(p, end, '=')) != NULL) {
		if (tap_names_secret(from, p++))
			p = tap_sweep_value(w, p, tap_field_end(p, end));
	}
}

/* ---- header fields ------------------------------------------------------- */

static bool
tap_has(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	for (; (size_t)(end - p) >= n; p++) {
		if (tap_is(p, n, word))
			return true;
	}
	return false;
}

/* Does the body hold digits that somebody has pressed? Several parts are taken
 * to hold some each. */
static void
tap_type(struct tap_walk *w, const char *p, const char *end)
{
	w->type = true;
	w->digits |= tap_has(p, end, "dtmf");
	w->parts |= tap_has(p, end, "multipart");
}

static void
tap_via(struct tap_walk *w, const char *p, const char *end)
{
	if (w->r->key[TRACE_BRANCH].n == 0)
		tap_branch(w, p, end);
}

/* The value behind the name of a field, when it is this one: "call-id" of
 * "Call-ID : x"; NULL otherwise. */
static char *
tap_value(char *p, char *end, const char *name, size_t n)
{
	if ((size_t)(end - p) <= n || !tap_is(p, n, name))
		return NULL;
	for (p += n; p < end && (*p == ' ' || *p == '\t');)
		p++;
	return p < end && *p == ':' ? p + 1 : NULL;
}
/* The line is the name and nothing else. */
static bool
tap_is_name(const char *p, const char *end, const char *name)
{
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (size_t)(end - p) == strlen(name) &&
	    tap_is(p, (size_t)(end - p), name);
}

#define VALUE(name) (v = tap_value(p, end, name, sizeof name - 1))

/* Fields that begin with a, or p: credentials. */
static void
tap_secret(struct tap_walk *w, char *p, char *end)
{
	bool scheme;
	char *v;

	if (VALUE("authorization") || VALUE("proxy-authorization"))
		scheme = true;
	else if (VALUE("authentication-info") ||
	    VALUE("proxy-authentication-info"))
		scheme = false;
	else if (tap_is_name(p, end, "authorization") ||
	    tap_is_name(p, end, "proxy-authorization"))
		scheme = true, v = end; /* the colon is on the next line */
	else
		return;
	w->secret = true;
	tap_credentials(w, v, end, scheme);
}

/* One field; most begin with a letter that nothing is looked for under. Short
 * names: RFC 3261 7.3.3. */
static void
tap_field(struct tap_walk *w, char *p, char *end)
{
	char *v;

	switch (*p | 0x20) {
	case 'a':
	case 'p':
		tap_secret(w, p, end);
		break;
	case 'c':
		if (VALUE("call-id"))
			tap_key(w, TRACE_CALL_ID, v, end);
		else if (VALUE("cseq"))
			tap_cseq(w, v, end);
		else if (VALUE("content-type") || VALUE("c"))
			tap_type(w, v, end);
		break;
	case 'f':
		if (VALUE("from") || VALUE("f"))
			tap_user(w, TRACE_FROM, v, end);
		break;
	case 'i':
		if (VALUE("i"))
			tap_key(w, TRACE_CALL_ID, v, end);
		break;
	case 't':
		if (VALUE("to") || VALUE("t"))
			tap_user(w, TRACE_TO, v, end);
		break;
	case 'v':
		if (VALUE("via") || VALUE("v"))
			tap_via(w, v, end);
		break;
	}
}

/* The head; returns where the body begins. */
static char *
tap_head(struct tap_walk *w, char *p)
{
	char *next, *end;

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
				tap_more(w, p, end);
			if (w->type)
				tap_type(w, p, end);
			continue;
		}
		w->secret = w->bare = w->other = w->type = false;
		tap_field(w, p, end);
	}
	return w->end;
}

/* ---- the body ------------------------------------------------------------ */

/* Behind the front of a line, when it has it. */
static char *
tap_behind(char *p, char *end, const char *front, size_t n)
{
	return (size_t)(end - p) > n && tap_is(p, n, front) ? p + n : NULL;
}
#define BEHIND(front) tap_behind(p, end, front, sizeof front - 1)

/* A line "a=" or "k=". */
static void
tap_body_line(struct tap_walk *w, char *p, char *end)
{
	char *at = NULL, *key;

	if ((p[0] | 0x20) == 'k')
		at = p + 2;
	else if ((p[2] | 0x20) == 'c')
		at = BEHIND("a=crypto:");
	else if ((p[2] | 0x20) == 'i')
		at = BEHIND("a=ice-pwd:");
	else if ((p[2] | 0x20) == 'k')
		at = BEHIND("a=key-mgmt:");
	if (at == NULL)
		return;
	key = memmem(at, (size_t)(end - at), "inline:", 7);
	tap_cover(w, key != NULL ? key + 7 : at, end);
}

static void
tap_body(struct tap_walk *w, char *p)
{
	char *next, *end, *equal, *v;

	for (; p < w->end; p = next) {
		end = tap_find(p, w->end, '\n');
		next = end != NULL ? end + 1 : w->end;
		end = end != NULL ? end : w->end;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (w->parts && VALUE("content-type"))
			tap_type(w, v, end);
		else if (w->digits && !(w->parts && p < end && *p == '-')) {
			if (end > p && end[-1] == '\r')
				end--;
			equal = tap_find(p, end, '=');
			tap_cover(w, equal != NULL ? equal + 1 : p, end);
		} else if (end - p > 2 && p[1] == '=' &&
		    ((p[0] | 0x20) == 'a' || (p[0] | 0x20) == 'k')) {
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
	char *first, *line, *body;
	uint8_t *out;

	if (n > UINT16_MAX) {
		n = UINT16_MAX;
		r.flags |= TRACE_CUT;
	}
	out = ring_begin(ring, TRACE_HEAD + n);
	w.text = (char *)out + TRACE_HEAD;
	w.end = w.text + n;
	memcpy(w.text, msg, n);
	/* Empty lines in front are passed over: RFC 3261 7.5. */
	for (first = w.text; first < w.end && tap_is_blank(*first);)
		first++;
	line = tap_find(first, w.end, '\n');
	if (line != NULL) {
		tap_start(&w, first, line);
		body = tap_head(&w, line + 1);
		tap_sweep(&w, line + 1, body);
		tap_body(&w, body);
	}
	if (r.key[TRACE_CALL_ID].n == 0)
		r.flags |= TRACE_ODD;
	r.n = (uint32_t)n;
	trace_record_head(out, &r);
	ring_end(ring, TRACE_HEAD + n);
}
