/*
 * What stands in messages: addresses made from our own numbers and names,
 * and the few headers of one leg that may show on the other. Everything not
 * named here is left out (SEMANTICS D42, D43).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"
#include <sofia-sip/su_string.h>

#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* A display name in quotes (RFC 3261 25.1): controls are left out. */
static void
headers_quote(struct buf *b, const char *name)
{
	if (!str_utf8(name, strlen(name)))
		return;
	buf_char(b, '"');
	for (; *name != '\0'; name++) {
		if ((unsigned char)*name < ' ' || *name == 0x7f)
			continue;
		if (*name == '"' || *name == '\\')
			buf_char(b, '\\');
		buf_char(b, *name);
	}
	buf_str(b, "\" ");
}

/* A number as user part: only '#' of its alphabet needs an escape. */
static void
headers_user(struct buf *b, const char *number)
{
	for (; *number != '\0'; number++) {
		if (*number == '#')
			buf_str(b, "%23");
		else
			buf_char(b, *number);
	}
}

char *
headers_address(const char *name, const char *number, const char *domain)
{
	struct buf b = BUF_INIT;
	char *s;

	if (name[0] != '\0')
		headers_quote(&b, name);
	buf_str(&b, "<sip:");
	headers_user(&b, number);
	buf_char(&b, '@');
	buf_str(&b, domain);
	buf_char(&b, '>');
	if ((s = buf_take(&b)) == NULL)
		fatalx("out of memory");
	return s;
}

/* The text of a Reason, when it is plain. */
static void
headers_reason_text(const sip_reason_t *r, char *out, size_t size)
{
	size_t n = r->re_text == NULL ? 0 : strlen(r->re_text);

	out[0] = '\0';
	if (n < 2 || n > 64 || r->re_text[0] != '"' || r->re_text[n - 1] != '"')
		return;
	for (size_t i = 1; i < n - 1; i++)
		if (r->re_text[i] < ' ' || r->re_text[i] > '~' ||
		    r->re_text[i] == '"' || r->re_text[i] == '\\')
			return;
	snprintf(out, size, ";text=%s", r->re_text);
}

const char *
headers_reason(const sip_t *sip, char out[128])
{
	const sip_reason_t *r;
	char text[80];
	int64_t cause;

	for (r = sip->sip_reason; r != NULL; r = r->re_next) {
		if (!su_casematch(r->re_protocol, "Q.850") &&
		    !su_casematch(r->re_protocol, "SIP"))
			continue;
		if (r->re_cause == NULL ||
		    !str_int(r->re_cause, 1, 699, &cause))
			continue;
		headers_reason_text(r, text, sizeof text);
		snprintf(out, 128, "%s;cause=%d%s",
		    su_casematch(r->re_protocol, "SIP") ? "SIP" : "Q.850",
		    (int)cause, text);
		return out;
	}
	return NULL;
}

void
headers_cause(char out[128], int q850, const char *words)
{
	snprintf(out, 128, "Q.850;cause=%d;text=\"%.80s\"", q850, words);
}

bool
headers_is_sdp(const sip_t *sip)
{
	const sip_content_type_t *c = sip->sip_content_type;

	return c != NULL && su_casematch(c->c_type, "application/sdp");
}

char *
headers_text(const void *header, size_t max)
{
	const msg_header_t *h = header;
	struct buf b = BUF_INIT;

	for (; h != NULL; h = h->sh_next) {
		char *at;
		issize_t n;

		if (b.len > 0)
			buf_str(&b, ", ");
		if ((at = buf_reserve(&b, 512)) == NULL)
			break;
		n = msg_header_field_e(at, 512, h, 0);
		if (n >= 512 && (size_t)n < max &&
		    (at = buf_reserve(&b, (size_t)n + 1)) != NULL)
			n = msg_header_field_e(at, (isize_t)n + 1, h, 0);
		if (n < 0 || b.len + (size_t)n > max || at == NULL) {
			buf_fini(&b);
			return NULL;
		}
		b.len += (size_t)n;
	}
	return buf_take(&b);
}
