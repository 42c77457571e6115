/*
 * A message for those who may look at signalling and not at people. Decides by
 * the bytes alone, and masks what it does not know to hold no person: a header
 * field that is in neither list, a parameter of an address that is not in its
 * list, quoted texts and comments, every body that is no session description,
 * and of that the lines and attributes which are not of the media. What stays
 * of an address is its scheme, its host and how it was reached.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "trace.h"
#include "daemon/base/mem.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"

#define MASK_TIMES 8

/* Field by field, in the form From has. */
static const char *const mask_addresses[] = {"From", "f", "To", "t", "Contact",
    "m", "Route", "Record-Route", "Path", "Service-Route",
    "P-Asserted-Identity", "P-Preferred-Identity", "P-Called-Party-ID",
    "Remote-Party-ID", "Diversion", "History-Info", "Refer-To", "r",
    "Referred-By", "b", "Reply-To", NULL};

/* Shown but for quoted texts and comments. */
static const char *const mask_words[] = {"Accept", "Accept-Encoding",
    "Accept-Language", "Allow", "Allow-Events", "u", "Call-ID", "i",
    "Content-Disposition", "Content-Encoding", "e", "Content-Language",
    "Content-Length", "l", "Content-Type", "c", "CSeq", "Date", "Event", "o",
    "Expires", "Max-Forwards", "MIME-Version", "Min-Expires", "Min-SE",
    "Priority", "Privacy", "Proxy-Authenticate", "Proxy-Require", "RAck",
    "Reason", "Refer-Sub", "Require", "Retry-After", "RSeq", "Server",
    "Session-Expires", "x", "SIP-ETag", "SIP-If-Match", "Subscription-State",
    "Supported", "k", "Timestamp", "Unsupported", "User-Agent", "Via", "v",
    "Warning", "WWW-Authenticate", NULL};

/* Of an address or its URI. */
static const char *const mask_params[] = {"branch", "cause", "counter",
    "expires", "id-type", "index", "limit", "lr", "maddr", "method", "mp", "np",
    "ob", "party", "privacy", "q", "rc", "reason", "received", "reg-id",
    "rport", "screen", "tag", "transport", "ttl", "user", NULL};

/* Of a session description, its lines beside a=, and attributes. */
#define MASK_SDP "vcbtrzkm"
static const char *const mask_attributes[] = {"bundle-only", "candidate",
    "conf", "connection", "crypto", "curr", "des", "end-of-candidates",
    "extmap", "fingerprint", "fmtp", "framerate", "group", "ice-lite",
    "ice-options", "ice-pwd", "ice-ufrag", "inactive", "maxptime", "mid",
    "ptime", "recvonly", "remote-candidates", "rtcp", "rtcp-fb", "rtcp-mux",
    "rtcp-rsize", "rtpmap", "sendonly", "sendrecv", "setup", "silenceSupp",
    "ssrc-group", NULL};

/* ---- bytes --------------------------------------------------------------- */

static bool
mask_is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Ends of lines and blanks stay, so that a field still looks like one. */
static void
mask(char *p, const char *end)
{
	for (; p < end; p++) {
		if (!mask_is_one_of(*p, " \t\r\n"))
			*p = '*';
	}
}

/* Bytes from p on, up to one of the set. */
static char *
mask_until(char *p, char *end, const char *set)
{
	while (p < end && !mask_is_one_of(*p, set))
		p++;
	return p;
}

static char *
mask_blanks(char *p, char *end)
{
	while (p < end && mask_is_one_of(*p, " \t\r\n"))
		p++;
	return p;
}

static bool
mask_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
mask_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Token of RFC 3261 25.1. */
static char *
mask_token(char *p, char *end)
{
	while (p < end &&
	    (mask_is_letter(*p) || mask_is_digit(*p) ||
		mask_is_one_of(*p, "-.!%*_+`'~")))
		p++;
	return p;
}

static bool
mask_has(const char *const *list, const char *p, size_t n)
{
	for (; *list != NULL; list++) {
		if (str_iequal(p, n, *list))
			return true;
	}
	return false;
}

/* A quoted text that begins at p; what is behind it. */
static char *
mask_quoted(char *p, char *end)
{
	char *close = p + 1;

	for (; close < end && *close != '"'; close++)
		close += *close == '\\' && close + 1 < end;
	close = close < end ? close : end;
	mask(p + 1, close);
	return close < end ? close + 1 : end;
}

/* A comment that begins at p. */
static char *
mask_comment(char *p, char *end)
{
	unsigned depth = 1;
	char *close = p + 1;

	for (; close < end; close++) {
		depth += *close == '(';
		depth -= *close == ')';
		if (depth == 0)
			break;
		close += *close == '\\' && close + 1 < end;
	}
	mask(p + 1, close);
	return close < end ? close + 1 : end;
}

/* ---- addresses ----------------------------------------------------------- */

/* Does a scheme that is understood begin here? Its bytes. */
static size_t
mask_scheme(const char *p, const char *end)
{
	size_t n = (size_t)(end - p);

	if (n > 5 && strncasecmp(p, "sips:", 5) == 0)
		return 5;
	if (n > 4 &&
	    (strncasecmp(p, "sip:", 4) == 0 || strncasecmp(p, "tel:", 4) == 0))
		return 4;
	return 0;
}

/* A parameter, from its semicolon on; what is behind it. */
static char *
mask_param(char *p, char *end)
{
	char *name = mask_blanks(p + 1, end);
	char *stop = mask_until(name, end, "=<>;,?\" \t\r\n");
	bool known = mask_has(mask_params, name, (size_t)(stop - name));
	char *value = mask_blanks(stop, end);

	if (!known)
		mask(name, stop);
	if (value == end || *value != '=')
		return stop;
	value = mask_blanks(value + 1, end);
	if (value < end && *value == '"')
		return mask_quoted(value, end);
	stop = mask_until(value, end, "<>;,?\" \t\r\n");
	if (!known)
		mask(value, stop);
	return stop;
}

/* A name, or an address; a number that is none is that of a telephone. */
static char *
mask_name(char *p, char *end)
{
	char *stop = p;
	bool named = false;
	union addr a;

	for (; stop < end &&
	     (mask_is_letter(*stop) || mask_is_digit(*stop) ||
		 mask_is_one_of(*stop, ".-+*"));
	     stop++)
		named |= mask_is_letter(*stop);
	if (!named && !addr_nparse(&a, p, (size_t)(stop - p), 0))
		mask(p, stop);
	return stop;
}

/* An address of IPv6; what only begins like one is masked by who called. */
static char *
mask_bracketed(char *p, char *end)
{
	char *stop = memchr(p, ']', (size_t)(end - p));
	union addr a;

	return stop != NULL && addr_nparse(&a, p, (size_t)(stop + 1 - p), 0)
	    ? stop + 1
	    : p;
}

/* Host and port. */
static char *
mask_host(char *p, char *end)
{
	p = p < end && *p == '[' ? mask_bracketed(p, end) : mask_name(p, end);
	if (p == end || *p != ':')
		return p;
	for (p++; p < end && mask_is_digit(*p); p++)
		;
	return p;
}

/* What follows the scheme of a URI. */
static char *
mask_uri(char *p, char *end, bool tel)
{
	char *stop = mask_until(p, end, "<>\" \t\r\n"), *at;

	at = memrchr(p, '@', (size_t)(stop - p));
	if (tel)
		at = stop;
	if (at != NULL) {
		mask(p, at);
		p = at + (at < stop);
	}
	p = mask_host(p, stop);
	while (p < stop) {
		if (*p == ';') {
			p = mask_param(p, stop);
			continue;
		}
		if (*p == '?') {
			mask(p + 1, stop);
			return stop;
		}
		*p++ = '*';
	}
	return stop;
}

/* One address or several. */
static void
mask_address(char *p, char *end)
{
	size_t n;

	while (p < end) {
		if (*p == '"')
			p = mask_quoted(p, end);
		else if (*p == ';')
			p = mask_param(p, end);
		else if ((n = mask_scheme(p, end)) != 0)
			p = mask_uri(p + n, end, (*p | 0x20) == 't');
		else {
			if (!mask_is_one_of(*p, " \t\r\n<>,"))
				*p = '*';
			p++;
		}
	}
}

/* ---- the head ------------------------------------------------------------ */

static void
mask_texts(char *p, char *end)
{
	while (p < end) {
		if (*p == '"')
			p = mask_quoted(p, end);
		else if (*p == '(')
			p = mask_comment(p, end);
		else
			p++;
	}
}

/* Words of a status that hold a digit or an '@' are not those of RFC 3261. */
static void
mask_status(char *p, char *end)
{
	char *phrase = p + 12, *at;

	for (at = phrase; at < end; at++) {
		if (mask_is_digit(*at) || *at == '@') {
			mask(phrase, end);
			return;
		}
	}
}

static bool
mask_is_status(const char *p, const char *end)
{
	return end - p >= 11 && strncasecmp(p, "SIP/2.0 ", 8) == 0 &&
	    mask_is_digit(p[8]) && mask_is_digit(p[9]) &&
	    mask_is_digit(p[10]) && (end - p == 11 || p[11] == ' ');
}

static void
mask_first(char *p, char *end)
{
	char *method = mask_token(p, end);
	char *version = memrchr(p, ' ', (size_t)(end - p));

	if (mask_is_status(p, end)) {
		if (end - p > 12)
			mask_status(p, end);
	} else if (method < end && *method == ' ' && version > method &&
	    str_iequal(version + 1, (size_t)(end - version - 1), "SIP/2.0")) {
		mask_address(method, version);
	} else {
		mask(p, end);
	}
}

/* One header field, its folds included. */
static void
mask_header(char *p, char *end, bool *sdp)
{
	char *stop = mask_token(p, end), *value = mask_blanks(stop, end);
	size_t n = (size_t)(stop - p);

	if (n == 0 || value == end || *value != ':') {
		mask(p, end);
		return;
	}
	value = mask_blanks(value + 1, end);
	if (mask_has(mask_addresses, p, n))
		mask_address(value, end);
	else if (mask_has(mask_words, p, n))
		mask_texts(value, end);
	else
		mask(value, end);
	if (str_iequal(p, n, "Content-Type") || str_iequal(p, n, "c"))
		*sdp = str_iequal(value,
		    (size_t)(mask_until(value, end, "; \t\r\n") - value),
		    "application/sdp");
}

/* ---- the body ------------------------------------------------------------ */

/* Who phones say they are stands in their sources, too (RFC 5576 6.1). */
static void
mask_source(char *p, char *end)
{
	char *what = mask_until(p, end, " "), *value;

	value = mask_until(what, end, ":");
	mask(value < end ? value + 1 : what, end);
}

static void
mask_attribute(char *p, char *end)
{
	char *stop = mask_token(p, end);
	size_t n = (size_t)(stop - p);

	if (str_iequal(p, n, "ssrc") && stop < end && *stop == ':')
		mask_source(stop + 1, end);
	else if (!mask_has(mask_attributes, p, n) ||
	    (stop < end && *stop != ':'))
		mask(p, end);
}

static bool
mask_holds_uri(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '@' || mask_scheme(p, end) != 0)
			return true;
	}
	return false;
}

static void
mask_sdp(char *p, char *end)
{
	if (end - p < 2 || p[1] != '=')
		mask(p, end);
	else if (p[0] == 'a' && !mask_holds_uri(p, end))
		mask_attribute(p + 2, end);
	else if (!mask_is_one_of(p[0], MASK_SDP) || mask_holds_uri(p, end))
		mask(p + 2, end);
}

/* ---- the message --------------------------------------------------------- */

/* The end of a line, without its CR; *next is behind it. */
static char *
mask_line(char *p, char *end, char **next)
{
	char *nl = memchr(p, '\n', (size_t)(end - p));

	*next = nl != NULL ? nl + 1 : end;
	nl = nl != NULL ? nl : end;
	return nl > p && nl[-1] == '\r' ? nl - 1 : nl;
}

/* The lines in front of the empty one; where the body begins. */
static char *
mask_head(char *p, char *end, bool *sdp)
{
	char *stop, *next, *more;
	bool first = true;

	while (p < end) {
		stop = mask_line(p, end, &next);
		if (stop == p && !first)
			return next;
		while (next < end && (*next == ' ' || *next == '\t')) {
			stop = mask_line(next, end, &more);
			next = more;
		}
		if (first)
			mask_first(p, stop);
		else
			mask_header(p, stop, sdp);
		first = false;
		p = next;
	}
	return end;
}

static void
mask_once(char *text, size_t n)
{
	char *end = text + n, *p, *stop, *next;
	bool sdp = false;

	for (p = mask_head(text, end, &sdp); p < end; p = next) {
		stop = mask_line(p, end, &next);
		if (sdp)
			mask_sdp(p, stop);
		else
			mask(p, stop);
	}
}

/* Hidden bytes may make others look like what has to be hidden: again, until
 * there is nothing more. What goes on for long is no message, and all of it is
 * hidden. */
void
trace_mask_persons(char *text, size_t n)
{
	char *before = xmalloc(n + 1);
	unsigned i = 0;

	do {
		memcpy(before, text, n);
		mask_once(text, n);
	} while (memcmp(before, text, n) != 0 && ++i < MASK_TIMES);
	free(before);
	if (i == MASK_TIMES)
		mask(text, text + n);
}
