/*
 * Parts of a recorded message as a scenario of SIPp has them. What is no text,
 * or has no fields that a scenario needs, is refused as a whole; of the rest
 * nothing is believed to be what its name says.
 */
#include <stdlib.h>
#include <string.h>

#include "export_sipp.h"
#include "daemon/base/str.h"

/* A field, its folds included. */
struct sipp_field {
	const char *name, *value;
	size_t nname, nvalue;
};

/* ---- reading ------------------------------------------------------------ */

/* Bytes of the line at p, without its end; *next is behind that. */
static size_t
sipp_line(const char *p, const char *end, const char **next)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	size_t n = (size_t)((nl != NULL ? nl : end) - p);

	*next = nl != NULL ? nl + 1 : end;
	return n > 0 && p[n - 1] == '\r' ? n - 1 : n;
}

/* The field at *p, which moves behind it; false at the end of the head. A line
 * without a colon is a field without a name. */
static bool
sipp_next(const struct sipp_message *m, const char **p, struct sipp_field *f)
{
	const char *end = m->text + m->body, *next, *colon, *last;
	size_t n;

	if (*p >= end || (n = sipp_line(*p, end, &next)) == 0)
		return false;
	while (next < end && (*next == ' ' || *next == '\t')) {
		last = next;
		n = sipp_line(last, end, &next);
		n += (size_t)(last - *p);
	}
	f->name = *p;
	colon = memchr(*p, ':', n);
	f->nname = colon != NULL ? (size_t)(colon - *p) : 0;
	while (f->nname > 0 && strchr(" \t", f->name[f->nname - 1]) != NULL)
		f->nname--;
	f->value = colon != NULL ? colon + 1 : *p;
	f->nvalue = n - (size_t)(f->value - *p);
	while (f->nvalue > 0 && strchr(" \t\r\n", *f->value) != NULL) {
		f->value++;
		f->nvalue--;
	}
	*p = next;
	return true;
}

/* Where the fields begin. */
static const char *
sipp_fields(const struct sipp_message *m)
{
	const char *next;

	sipp_line(m->text, m->text + m->body, &next);
	return next;
}

static bool
sipp_find(const struct sipp_message *m, const char *name, const char *brief,
    struct sipp_field *f)
{
	const char *p;

	if (m->n == 0) /* of a request that was not seen */
		return false;
	p = sipp_fields(m);
	while (sipp_next(m, &p, f)) {
		if (str_iequal(f->name, f->nname, name) ||
		    (brief[0] != '\0' && str_iequal(f->name, f->nname, brief)))
			return true;
	}
	return false;
}

/* Behind the empty line. */
static size_t
sipp_body(const char *text, size_t n)
{
	const char *p = text, *end = text + n;

	while (p < end) {
		if (sipp_line(p, end, &p) == 0)
			return (size_t)(p - text);
	}
	return n;
}

static bool
sipp_status_line(struct sipp_message *m, size_t n)
{
	struct sipp_field f;
	const char *space;

	if (n < 12 || !str_prefix(m->text, "SIP/2.0 "))
		return false;
	m->status = atoi(m->text + 8);
	m->phrase = m->text + 12;
	m->nphrase = n - 12;
	if (m->status < 100 || m->status > 699 || !sipp_find(m, "CSeq", "", &f))
		return false;
	space = memrchr(f.value, ' ', f.nvalue);
	m->method = space != NULL ? space + 1 : f.value;
	m->nmethod = f.nvalue - (size_t)(m->method - f.value);
	return true;
}

static bool
sipp_request_line(struct sipp_message *m, size_t n)
{
	const char *one = memchr(m->text, ' ', n);
	const char *two = memrchr(m->text, ' ', n);

	if (one == NULL || two <= one + 1)
		return false;
	m->method = m->text;
	m->nmethod = (size_t)(one - m->text);
	m->uri = one + 1;
	m->nuri = (size_t)(two - one) - 1;
	return true;
}

/* Of RFC 3261: letters, and it goes into XML. */
static bool
sipp_is_method(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] < 'A' || p[i] > 'Z')
			return false;
	}
	return n > 0 && n < 32;
}

bool
sipp_message(struct sipp_message *m, const char *text, size_t n)
{
	const char *next;
	struct sipp_field f;
	size_t first;

	memset(m, 0, sizeof *m);
	m->text = text;
	m->n = n;
	if (n == 0 || !str_utf8(text, n) || memchr(text, '\0', n) != NULL)
		return false;
	m->body = sipp_body(text, n);
	first = sipp_line(text, text + m->body, &next);
	if (!sipp_status_line(m, first) &&
	    (m->status != 0 || !sipp_request_line(m, first)))
		return false;
	return sipp_is_method(m->method, m->nmethod) &&
	    sipp_find(m, "From", "f", &f) && sipp_find(m, "To", "t", &f) &&
	    sipp_find(m, "CSeq", "", &f);
}

/* Where ";tag=..." of an address begins, and its bytes; 0 = it has none. */
static size_t
sipp_tag(const struct sipp_field *f, const char **at)
{
	const char *end = f->value + f->nvalue, *p, *stop;

	p = memrchr(f->value, '>', f->nvalue);
	for (p = p != NULL ? p : f->value;
	     (p = memchr(p, ';', (size_t)(end - p))) != NULL; p++) {
		stop = p + 1;
		while (stop < end && (*stop == ' ' || *stop == '\t'))
			stop++;
		if (end - stop < 4 || !str_iequal(stop, 4, "tag="))
			continue;
		while (stop < end && strchr("; \t,", *stop) == NULL)
			stop++;
		*at = p;
		return (size_t)(stop - p);
	}
	return 0;
}

bool
sipp_has_tag(const struct sipp_message *m, const char *name, const char *brief)
{
	struct sipp_field f;
	const char *at;

	return sipp_find(m, name, brief, &f) && sipp_tag(&f, &at) > 0;
}

/* ---- writing ------------------------------------------------------------ */

void
sipp_put_text(struct buf *b, const char *p, size_t n)
{
	const char *end = p + n;

	for (; p < end; p++) {
		if (*p == '[')
			buf_str(b, "\\x5b");
		else if (*p == '\\')
			buf_str(b, "\\x5c");
		else if (*p == '>' && b->len > 0 && b->data[b->len - 1] == ']')
			buf_str(b, "\\x3e"); /* "]]>" would end it */
		else if (*p == '\t' || (unsigned char)*p >= ' ')
			buf_char(b, *p);
		else if (*p == '\n')
			buf_char(b, ' '); /* a fold */
	}
}

void
sipp_put_address(struct buf *b, const struct sipp_message *m, const char *name,
    const char *brief)
{
	struct sipp_field f;
	const char *tag, *end;
	size_t n;

	if (!sipp_find(m, name, brief, &f))
		return;
	n = sipp_tag(&f, &tag);
	if (n == 0) {
		sipp_put_text(b, f.value, f.nvalue);
		return;
	}
	end = f.value + f.nvalue;
	sipp_put_text(b, f.value, (size_t)(tag - f.value));
	sipp_put_text(b, tag + n, (size_t)(end - tag) - n);
}

static void
sipp_put_one(struct buf *b, const struct sipp_field *f)
{
	sipp_put_text(b, f->name, f->nname);
	buf_str(b, ": ");
	sipp_put_text(b, f->value, f->nvalue);
	buf_char(b, '\n');
}

void
sipp_put_field(struct buf *b, const struct sipp_message *m, const char *name)
{
	struct sipp_field f;

	if (sipp_find(m, name, "", &f))
		sipp_put_one(b, &f);
}

/* Ourselves, with the user that was recorded. */
static void
sipp_put_contact(struct buf *b, const struct sipp_field *f)
{
	const char *end = f->value + f->nvalue, *user, *at;

	if (f->nvalue > 0 && f->value[0] == '*') {
		buf_str(b, "Contact: *\n");
		return;
	}
	user = memmem(f->value, f->nvalue, "sip:", 4);
	at = user != NULL ? memchr(user, '@', (size_t)(end - user)) : NULL;
	buf_str(b, "Contact: <sip:");
	if (at != NULL)
		sipp_put_text(b, user + 4, (size_t)(at + 1 - user) - 4);
	buf_str(b, "[local_ip]:[local_port];transport=[transport]>\n");
}

static bool
sipp_is_one_of(const struct sipp_field *f, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (str_iequal(f->name, f->nname, *names))
			return true;
	}
	return false;
}

/* ---- media -------------------------------------------------------------- */

/* The second word of n bytes; its bytes. */
static size_t
sipp_second(const char *p, size_t n, const char **word)
{
	const char *space = memchr(p, ' ', n), *end = p + n, *stop;

	if (space == NULL)
		return 0;
	*word = space + 1;
	stop = memchr(*word, ' ', (size_t)(end - *word));
	return (size_t)((stop != NULL ? stop : end) - *word);
}

/* m=audio 4000 RTP/AVP 0: another port, unless it is 0; SIPp has ports for
 * these two. */
static void
sipp_put_media(struct buf *b, const char *p, size_t n, unsigned *media)
{
	const char *port, *end = p + n;
	size_t digits = sipp_second(p, n, &port);

	if (digits == 0 || (digits == 1 && *port == '0') ||
	    (memcmp(p, "m=audio ", 8) != 0 && memcmp(p, "m=video ", 8) != 0)) {
		sipp_put_text(b, p, n);
		return;
	}
	sipp_put_text(b, p, (size_t)(port - p));
	buf_fmt(b, "[media_port+%u]", 2 * (*media)++);
	sipp_put_text(b, port + digits, (size_t)(end - port) - digits);
}

/* o=anna 1 2 IN IP4 192.0.2.1: another address; masked, another of its kind. */
static void
sipp_put_origin(struct buf *b, const char *p, size_t n)
{
	const char *in = memmem(p, n, " IN IP", 6);

	if (in != NULL)
		sipp_put_text(b, p, (size_t)(in - p));
	else
		buf_str(b, "o=- 1 1");
	buf_str(b, " IN IP[local_ip_type] [local_ip]");
}

/* Candidates and ports that were those of the recorded end. */
static bool
sipp_is_place(const char *p, size_t n)
{
	static const char *const places[] = {
	    "a=candidate:", "a=remote-candidates:", "a=rtcp:", "a=ice-", NULL};
	size_t i;

	for (i = 0; places[i] != NULL; i++) {
		if (n >= strlen(places[i]) &&
		    memcmp(p, places[i], strlen(places[i])) == 0)
			return true;
	}
	return false;
}

static void
sipp_put_sdp_line(struct buf *b, const char *p, size_t n, unsigned *media)
{
	if (sipp_is_place(p, n))
		return;
	if (n > 8 && memcmp(p, "m=", 2) == 0)
		sipp_put_media(b, p, n, media);
	else if (n > 2 && memcmp(p, "o=", 2) == 0)
		sipp_put_origin(b, p, n);
	else if (n > 2 && memcmp(p, "c=", 2) == 0)
		buf_str(b, "c=IN IP[media_ip_type] [media_ip]");
	else
		sipp_put_text(b, p, n);
	buf_char(b, '\n');
}

static void
sipp_put_body(struct buf *b, const struct sipp_message *m)
{
	const char *p = m->text + m->body, *end = m->text + m->n, *next;
	struct sipp_field f;
	bool sdp = sipp_find(m, "Content-Type", "c", &f) && f.nvalue >= 15 &&
	    str_iequal(f.value, 15, "application/sdp");
	unsigned media = 0;
	size_t n;

	for (; p < end; p = next) {
		n = sipp_line(p, end, &next);
		if (sdp) {
			sipp_put_sdp_line(b, p, n, &media);
			continue;
		}
		sipp_put_text(b, p, n);
		buf_char(b, '\n');
	}
}

void
sipp_put_rest(struct buf *b, const struct sipp_message *m, bool authenticate)
{
	static const char *const ends[] = {"Via", "v", "From", "f", "To", "t",
	    "Call-ID", "i", "CSeq", "Route", "Record-Route", "Content-Length",
	    "l", NULL};
	static const char *const credentials[] = {
	    "Authorization", "Proxy-Authorization", NULL};
	static const char *const contacts[] = {"Contact", "m", NULL};
	const char *p = sipp_fields(m);
	struct sipp_field f;

	while (sipp_next(m, &p, &f)) {
		if (sipp_is_one_of(&f, credentials)) {
			buf_str(b, authenticate ? "[authentication]\n" : "");
			authenticate = false;
		} else if (sipp_is_one_of(&f, contacts)) {
			sipp_put_contact(b, &f);
		} else if (f.nname > 0 && !sipp_is_one_of(&f, ends)) {
			sipp_put_one(b, &f);
		}
	}
	buf_str(b, "Content-Length: [len]\n\n");
	sipp_put_body(b, m);
}
