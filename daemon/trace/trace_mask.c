/*
 * A message for those who may look at signalling and not at people. Decides by
 * the bytes alone what could say who somebody is: what stands between the
 * scheme of a URI and its '@', quoted texts and the words in front of '<' in
 * header fields of addresses, user names of credentials, names of a session
 * description, and every body that is none. What is not understood is masked
 * rather than shown.
 */
#include <string.h>
#include <strings.h>

#include "trace.h"
#include "daemon/base/str.h"

/* Ends of lines stay, so that a field still looks like one. */
static void
mask(char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p != '\r' && *p != '\n')
			*p = '*';
	}
}

/* Does a scheme that bears a user begin here? Its bytes. */
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

/* Users of all URIs of a line. */
static void
mask_uris(char *p, char *end)
{
	char *stop;
	size_t n;
	bool tel;

	while (p < end) {
		if ((n = mask_scheme(p, end)) == 0) {
			p++;
			continue;
		}
		tel = (*p | 0x20) == 't';
		p += n;
		for (stop = p;
		     stop < end && strchr("@<>\" \t,?", *stop) == NULL; stop++)
			;
		if (tel || (stop < end && *stop == '@'))
			mask(p, stop);
		p = stop;
	}
}

/* Texts in quotes. */
static void
mask_quoted(char *p, char *end)
{
	char *close;

	while ((p = memchr(p, '"', (size_t)(end - p))) != NULL) {
		for (close = ++p; close < end && *close != '"'; close++)
			close += *close == '\\' && close + 1 < end;
		close = close < end ? close : end;
		mask(p, close);
		if (close == end)
			return;
		p = close + 1;
	}
}

/* The words in front of a '<' that are in no quotes. */
static void
mask_names(char *p, char *end)
{
	char *at;

	for (at = p; at < end; at++) {
		if (*at == '<')
			break;
	}
	if (at == end)
		return;
	for (; p < at; p++) {
		if (strchr(" \t\"\r\n", *p) == NULL)
			*p = '*';
	}
}

static bool
mask_is(const char *p, const char *end, const char *const *names)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));

	if (colon == NULL)
		return false;
	while (colon > p && (colon[-1] == ' ' || colon[-1] == '\t'))
		colon--;
	for (; *names != NULL; names++) {
		if (str_iequal(p, (size_t)(colon - p), *names))
			return true;
	}
	return false;
}

/* One header field, its folds included. */
static void
mask_header(char *p, char *end)
{
	static const char *const addresses[] = {"From", "f", "To", "t",
	    "Contact", "m", "P-Asserted-Identity", "P-Preferred-Identity",
	    "Remote-Party-ID", "Diversion", "History-Info", "Refer-To", "r",
	    "Referred-By", "b", "Reply-To", "P-Called-Party-ID", NULL};
	static const char *const texts[] = {"Subject", "s", "Organization",
	    "Authorization", "Proxy-Authorization", "X-Tandem-User", NULL};
	char *colon = memchr(p, ':', (size_t)(end - p));

	mask_uris(p, end);
	if (colon == NULL)
		return;
	if (mask_is(p, end, addresses)) {
		mask_quoted(colon, end);
		mask_names(colon + 1, end);
	} else if (mask_is(p, end, texts)) {
		mask(colon + 1, end);
	}
}

/* A session description says who made it, and what it is called; phones put
 * who they are into their sources, too (RFC 5576 6.1). */
static void
mask_body_line(char *p, char *end)
{
	char *name = memmem(p, (size_t)(end - p), "cname:", 6);

	mask_uris(p, end);
	if (name != NULL)
		mask(name + 6, end);
	if (end - p < 2 || p[1] != '=')
		mask(p, end);
	else if (strchr("osiuep", p[0]) != NULL)
		mask(p + 2, end);
}

/* The end of a line, without its CR; *next is behind it. */
static char *
mask_line(char *p, char *end, char **next)
{
	char *nl = memchr(p, '\n', (size_t)(end - p));

	*next = nl != NULL ? nl + 1 : end;
	nl = nl != NULL ? nl : end;
	return nl > p && nl[-1] == '\r' ? nl - 1 : nl;
}

void
trace_mask_persons(char *text, size_t n)
{
	char *p = text, *end = text + n, *stop, *next, *more;
	bool first = true;

	while (p < end) {
		stop = mask_line(p, end, &next);
		if (stop == p && !first) {
			p = next;
			break;
		}
		while (next < end && (*next == ' ' || *next == '\t')) {
			stop = mask_line(next, end, &more);
			next = more;
		}
		if (first)
			mask_uris(p, stop);
		else
			mask_header(p, stop);
		first = false;
		p = next;
	}
	for (; p < end; p = next) {
		stop = mask_line(p, end, &next);
		mask_body_line(p, stop);
	}
}
