/*
 * SIP URIs: when two of them are the same (RFC 3261 19.1.4), and the user an
 * address-of-record names. Refuses nothing: what sofia cannot read as a URI
 * is compared as bytes. Called by SR for contacts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/url.h>

#include "daemon/base/str.h"
#include "sip.h"

/* Longest URI that is compared by its parts. */
#define SIP_URI_MAX 1024

/* Value of a hexadecimal digit, or -1. */
static int
sip_uri_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of an escaped text, -1 at its end; a broken escape stands
 * for itself. escaped: it was written as %HH. */
static int
sip_uri_next(const char **p, const char *end, bool *escaped)
{
	int hi, lo;

	*escaped = false;
	if (*p == end)
		return -1;
	if (**p == '%' && end - *p >= 3 && (hi = sip_uri_digit((*p)[1])) >= 0 &&
	    (lo = sip_uri_digit((*p)[2])) >= 0) {
		*p += 3;
		*escaped = true;
		return hi << 4 | lo;
	}
	return (unsigned char)*(*p)++;
}

/* Two texts, %HH being the byte it means, except that an escaped reserved
 * byte is not that byte (RFC 2396 2.2, RFC 3261 19.1.4). */
static bool
sip_uri_part_equal(
    const char *a, size_t an, const char *b, size_t bn, bool fold)
{
	static const char reserved[] = ";/?:@&=+$,";
	const char *aend = a + an, *bend = b + bn;
	bool ae, be;
	int x, y;

	do {
		x = sip_uri_next(&a, aend, &ae);
		y = sip_uri_next(&b, bend, &be);
		if (ae != be && x > 0 && strchr(reserved, x) != NULL)
			return false;
		if (fold && x >= 'A' && x <= 'Z')
			x |= 0x20;
		if (fold && y >= 'A' && y <= 'Z')
			y |= 0x20;
	} while (x == y && x >= 0);
	return x == y;
}

/* Two texts that may be absent; absent equals only absent. */
static bool
sip_uri_opt_equal(const char *a, const char *b, bool fold)
{
	if (a == NULL || b == NULL)
		return a == b;
	return sip_uri_part_equal(a, strlen(a), b, strlen(b), fold);
}

/* One "name" or "name=value" of a list. */
struct sip_uri_item {
	const char *name, *value;
	size_t namelen, len;
};

/* Take the next item of a list; false at its end. */
static bool
sip_uri_item_next(const char **p, char sep, struct sip_uri_item *it)
{
	const char *end, *eq;

	while (*p != NULL && **p == sep)
		(*p)++;
	if (*p == NULL || **p == '\0')
		return false;
	it->name = *p;
	end = *p + strcspn(*p, sep == ';' ? ";" : "&");
	eq = memchr(*p, '=', (size_t)(end - *p));
	it->namelen = (size_t)((eq != NULL ? eq : end) - *p);
	it->value = eq != NULL ? eq + 1 : end;
	it->len = (size_t)(end - it->value);
	*p = end;
	return true;
}

/* The item of that name in a list. */
static bool
sip_uri_item_find(const char *list, char sep, const struct sip_uri_item *want,
    struct sip_uri_item *it)
{
	while (sip_uri_item_next(&list, sep, it)) {
		if (sip_uri_part_equal(
			it->name, it->namelen, want->name, want->namelen, true))
			return true;
	}
	return false;
}

/* These count even where the other URI has its default for them. */
static bool
sip_uri_param_counts(const struct sip_uri_item *it)
{
	static const char *const names[] = {
	    "user", "ttl", "method", "maddr", "transport"};
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (str_iequal(it->name, it->namelen, names[i]))
			return true;
	}
	return false;
}

/* Every item of a against list b. A parameter that b lacks is passed over
 * unless it counts; a header (sep '&') must be there. */
static bool
sip_uri_list_covers(const char *a, const char *b, char sep)
{
	struct sip_uri_item it, other;

	while (sip_uri_item_next(&a, sep, &it)) {
		if (!sip_uri_item_find(b, sep, &it, &other)) {
			if (sep == '&' || sip_uri_param_counts(&it))
				return false;
			continue;
		}
		if (!sip_uri_part_equal(
			it.value, it.len, other.value, other.len, sep == ';'))
			return false;
	}
	return true;
}

bool
sip_uri_equal(const url_t *a, const url_t *b)
{
	if (a->url_type != b->url_type ||
	    !sip_uri_opt_equal(a->url_scheme, b->url_scheme, true))
		return false;
	if (a->url_type != url_sip && a->url_type != url_sips)
		return url_cmp_all(a, b) == 0;
	return sip_uri_opt_equal(a->url_user, b->url_user, false) &&
	    sip_uri_opt_equal(a->url_password, b->url_password, false) &&
	    sip_uri_opt_equal(a->url_host, b->url_host, true) &&
	    sip_uri_opt_equal(a->url_port, b->url_port, false) &&
	    sip_uri_list_covers(a->url_params, b->url_params, ';') &&
	    sip_uri_list_covers(b->url_params, a->url_params, ';') &&
	    sip_uri_list_covers(a->url_headers, b->url_headers, '&') &&
	    sip_uri_list_covers(b->url_headers, a->url_headers, '&');
}

bool
sip_uri_equal_text(const char *a, const char *b)
{
	char abuf[SIP_URI_MAX], bbuf[SIP_URI_MAX];
	url_t aurl, burl;

	if (strcmp(a, b) == 0)
		return true;
	if (!str_copy(abuf, sizeof abuf, a) ||
	    !str_copy(bbuf, sizeof bbuf, b) || url_d(&aurl, abuf) < 0 ||
	    url_d(&burl, bbuf) < 0)
		return false;
	return sip_uri_equal(&aurl, &burl);
}

bool
sip_uri_user(const url_t *url, char *out, size_t size)
{
	const char *p = url->url_user, *end;
	bool escaped;
	size_t n = 0;
	int c;

	if (p == NULL || *p == '\0')
		return false;
	end = p + strcspn(p, ";");
	while ((c = sip_uri_next(&p, end, &escaped)) >= 0) {
		if (c < 0x20 || c == 0x7f || n + 1 >= size)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return n != 0;
}

bool
sip_uri_text(const url_t *url, char *out, size_t size)
{
	issize_t n = url_e(out, (isize_t)size, url);

	/* As in sip_reply.c: sofia's printers need a byte to spare. */
	return n > 0 && (size_t)n + 8 <= size;
}
