/*
 * Where one message ends and the next begins in a stream of bytes (RFC 3261
 * 18.3): the head ends with an empty line, the body has Content-Length bytes,
 * and without a usable Content-Length the stream is lost. Refused early: what
 * is not SIP by its first line, heads over SIP_HEAD_MAX, messages over the
 * limit. sip_conn.c calls it with all bytes that it has; bytes already
 * searched are not searched again.
 */
#include <string.h>

#include "daemon/base/str.h"
#include "sip_stream.h"

bool
sip_frame_is_partial(const char *data, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (data[i] != '\r' && data[i] != '\n')
			return true;
	}
	return false;
}

/* CRLF CRLF is a ping, a CRLF in front of something else nothing
 * (RFC 5626 4.4.1, RFC 3261 7.5). */
static enum sip_frame
sip_frame_blank(const char *data, size_t n, size_t *len)
{
	if (n >= 4 && memcmp(data, "\r\n\r\n", 4) == 0) {
		*len = 4;
		return SIP_FRAME_PING;
	}
	if (n < 4 && memcmp(data, "\r\n\r\n", n) == 0)
		return SIP_FRAME_MORE;
	*len = data[0] == '\r' && data[1] == '\n' ? 2 : 1;
	return SIP_FRAME_SKIP;
}

/* The first line of a request or a response of any version of SIP. */
static bool
sip_frame_is_sip(const char *line, size_t n)
{
	const char *space;

	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' '))
		n--;
	if (n >= 4 && str_iequal(line, 4, "SIP/"))
		return true;
	space = memrchr(line, ' ', n);
	return space != NULL && line + n - space >= 5 &&
	    str_iequal(space + 1, 4, "SIP/");
}

/* The name of the line that begins at p is Content-Length or l; *value is
 * set behind its colon. */
static bool
sip_frame_is_length(const char *p, const char *end, const char **value)
{
	const char *colon = memchr(p, ':', (size_t)(end - p)), *last;

	if (colon == NULL)
		return false;
	for (last = colon; last > p && (last[-1] == ' ' || last[-1] == '\t');)
		last--;
	*value = colon + 1;
	return str_iequal(p, (size_t)(last - p), "Content-Length") ||
	    str_iequal(p, (size_t)(last - p), "l");
}

/* Digits up to the end of the line, blanks and folds around them left out. */
static bool
sip_frame_number(const char *p, const char *end, size_t *out)
{
	size_t v = 0;
	bool any = false;

	while (p < end &&
	    (*p == ' ' || *p == '\t' ||
		(end - p > 2 && *p == '\r' && p[1] == '\n' &&
		    (p[2] == ' ' || p[2] == '\t')) ||
		(*p == '\n' && end - p > 1 && (p[1] == ' ' || p[1] == '\t'))))
		p++;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		any = true;
		if (v > SIZE_MAX / 16)
			return false;
		v = v * 10 + (size_t)(*p - '0');
	}
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*out = v;
	return any && p < end && *p == '\r';
}

/* Content-Length of a head; every line of that name must say the same. */
static enum sip_bad
sip_frame_length(const char *head, size_t n, size_t *length)
{
	const char *end = head + n, *p = head, *value;
	bool found = false;
	size_t v;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL && ++p < end) {
		if ((*p | 0x20) != 'l' && (*p | 0x20) != 'c')
			continue;
		if (!sip_frame_is_length(p, end, &value))
			continue;
		if (!sip_frame_number(value, end, &v) ||
		    (found && v != *length))
			return SIP_BAD_LENGTH;
		*length = v;
		found = true;
	}
	return found ? SIP_BAD_NONE : SIP_BAD_NO_LENGTH;
}

/* Offset behind the empty line, 0 when it is not there yet. */
static size_t
sip_frame_head(struct sip_framer *f, const char *data, size_t n)
{
	size_t from = f->seen > 3 ? f->seen - 3 : 0;
	const char *end;

	end = memmem(data + from, n - from, "\r\n\r\n", 4);
	f->seen = n;
	return end != NULL ? (size_t)(end - data) + 4 : 0;
}

/* The head is there or too long: what follows from it. */
static enum sip_bad
sip_frame_begin(struct sip_framer *f, const char *data, size_t n, size_t max)
{
	const char *line = memchr(data, '\n', n);
	size_t head, length = 0;
	enum sip_bad bad;

	if (line != NULL && !sip_frame_is_sip(data, (size_t)(line - data)))
		return SIP_BAD_GARBAGE;
	if (line == NULL && n > 8192)
		return SIP_BAD_GARBAGE;
	head = sip_frame_head(f, data, n);
	if (head > SIP_HEAD_MAX || (head == 0 && n >= SIP_HEAD_MAX))
		return SIP_BAD_TOO_BIG;
	if (head == 0)
		return SIP_BAD_NONE;
	bad = sip_frame_length(data, head, &length);
	if (bad != SIP_BAD_NONE)
		return bad;
	if (length > max || head + length > max)
		return SIP_BAD_TOO_BIG;
	f->whole = head + length;
	return SIP_BAD_NONE;
}

enum sip_frame
sip_frame_next(struct sip_framer *f, const char *data, size_t n, size_t max,
    size_t *len, enum sip_bad *bad)
{
	if (n == 0)
		return SIP_FRAME_MORE;
	if (data[0] == '\r' || data[0] == '\n')
		return sip_frame_blank(data, n, len);
	if (f->whole == 0) {
		*bad = sip_frame_begin(f, data, n, max);
		if (*bad != SIP_BAD_NONE) {
			*len = n;
			return SIP_FRAME_BAD;
		}
	}
	if (f->whole == 0 || f->whole > n)
		return SIP_FRAME_MORE;
	*len = f->whole;
	f->whole = f->seen = 0;
	return SIP_FRAME_MESSAGE;
}
