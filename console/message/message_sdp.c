/*
 * What a session description agrees on: address, port, codecs and direction of
 * each medium. It is read line by line where it lies; nothing is kept of it.
 */
#include <string.h>

#include "message.h"
#include "daemon/base/str.h"

#define SDP_MEDIA 64   /* m= lines that are told one by one */
#define SDP_FORMATS 32 /* formats of one of them */

struct sdp_media {
	/* of "m=audio 4000 RTP/AVP 8 101" */
	struct message_text kind, port, proto, formats;
	struct message_text address, direction, ptime;
	struct message_text lines; /* all of it behind the m= line */
};

struct sdp {
	struct sdp_media media[SDP_MEDIA];
	size_t n;   /* of them */
	size_t all; /* m= lines */
};

/* Formats that need no a=rtpmap (RFC 3551 6). */
static const struct {
	const char *number, *name;
} sdp_static[] = {
    {"0", "PCMU/8000"},
    {"3", "GSM/8000"},
    {"4", "G723/8000"},
    {"8", "PCMA/8000"},
    {"9", "G722/8000"},
    {"13", "CN/8000"},
    {"15", "G728/8000"},
    {"18", "G729/8000"},
    {"26", "JPEG/90000"},
    {"31", "H261/90000"},
    {"34", "H263/90000"},
};

/* What stands before the next space; the rest is behind it. */
static struct message_text
sdp_word(struct message_text *rest)
{
	const char *space = memchr(rest->at, ' ', rest->n);
	struct message_text word = {
	    rest->at, space != NULL ? (size_t)(space - rest->at) : rest->n};
	size_t n = word.n;

	while (n < rest->n && rest->at[n] == ' ')
		n++;
	rest->at += n;
	rest->n -= n;
	return word;
}

/* Does the line begin so? What is behind that. */
static bool
sdp_begins(
    struct message_text line, const char *front, struct message_text *behind)
{
	size_t n = strlen(front);

	if (line.n < n || memcmp(line.at, front, n) != 0)
		return false;
	behind->at = line.at + n;
	behind->n = line.n - n;
	return true;
}

/* "IN IP4 192.0.2.1": the last of it. */
static struct message_text
sdp_address(struct message_text v)
{
	sdp_word(&v);
	sdp_word(&v);
	return v;
}

static void
sdp_take(struct sdp_media *m, struct message_text line)
{
	static const char *const directions[] = {
	    "sendrecv", "sendonly", "recvonly", "inactive", NULL};
	struct message_text v;
	size_t i;

	if (sdp_begins(line, "c=", &v))
		m->address = sdp_address(v);
	else if (sdp_begins(line, "a=ptime:", &v))
		m->ptime = v;
	else if (sdp_begins(line, "a=", &v)) {
		for (i = 0; directions[i] != NULL; i++) {
			if (message_text_is(v, directions[i]))
				m->direction = v;
		}
	}
}

/* What the session says holds for each medium that does not say it itself. */
static void
sdp_read(struct sdp *s, struct message_text body)
{
	static const struct message_text none = {"", 0};
	static const struct message_text both = {"sendrecv", 8};
	struct sdp_media session = {
	    none, none, none, none, none, both, none, none};
	struct message_text line, v;
	struct sdp_media *m = &session;

	s->n = s->all = 0;
	while (message_line(&body, &line)) {
		if (sdp_begins(line, "m=", &v)) {
			s->all++;
			if (s->n == SDP_MEDIA)
				continue;
			m = &s->media[s->n++];
			*m = session;
			m->kind = sdp_word(&v);
			m->port = sdp_word(&v);
			m->proto = sdp_word(&v);
			m->formats = v;
			m->lines = (struct message_text){body.at, 0};
			continue;
		}
		sdp_take(m, line);
		if (s->n != 0)
			m->lines.n = (size_t)(body.at - m->lines.at);
	}
}

size_t
message_sdp_media(struct message_text body)
{
	struct sdp s;

	sdp_read(&s, body);
	return s.all;
}

/* ---- formats ---------------------------------------------------------------
 */

/* The next format of a medium; false behind those that are told. */
static bool
sdp_next_format(
    struct message_text *rest, size_t *count, struct message_text *format)
{
	if (rest->n == 0 || ++*count > SDP_FORMATS)
		return false;
	*format = sdp_word(rest);
	return true;
}

/* The value of "a=rtpmap:8 PCMA/8000" or "a=fmtp:101 0-15" of a format. */
static bool
sdp_of_format(const struct sdp_media *m, const char *attribute,
    struct message_text format, struct message_text *out)
{
	struct message_text lines = m->lines, line, v;

	while (message_line(&lines, &line)) {
		if (sdp_begins(line, attribute, &v) &&
		    message_text_equal(sdp_word(&v), format)) {
			*out = v;
			return true;
		}
	}
	return false;
}

/* "8 PCMA/8000", "101 telephone-event/8000 (0-15)" */
static void
sdp_put_format(
    const struct sdp_media *m, struct message_text format, struct buf *b)
{
	struct message_text v;
	size_t i;

	message_put(b, format);
	if (sdp_of_format(m, "a=rtpmap:", format, &v)) {
		buf_char(b, ' ');
		message_put(b, v);
	} else {
		for (i = 0; i < sizeof sdp_static / sizeof sdp_static[0]; i++) {
			if (message_text_is(format, sdp_static[i].number))
				buf_fmt(b, " %s", sdp_static[i].name);
		}
	}
	if (sdp_of_format(m, "a=fmtp:", format, &v)) {
		buf_str(b, " (");
		message_put(b, v);
		buf_char(b, ')');
	}
}

/* The format as it is told, to be compared: a number alone means nothing. */
static bool
sdp_has_format(const struct sdp_media *m, const struct buf *told)
{
	struct message_text rest = m->formats, format;
	struct buf b = BUF_INIT;
	bool found = false;
	size_t count = 0;

	while (!found && sdp_next_format(&rest, &count, &format)) {
		buf_reset(&b);
		sdp_put_format(m, format, &b);
		found = b.len == told->len &&
		    memcmp(b.data, told->data, b.len) == 0;
	}
	buf_fini(&b);
	return found;
}

/* ---- what is told -----------------------------------------------------------
 */

static void
sdp_put_media(const struct sdp_media *m, struct buf *b)
{
	struct message_text rest = m->formats, format;
	size_t count = 0;

	message_put(b, m->kind);
	buf_char(b, ' ');
	message_put(b, m->address);
	buf_char(b, ':');
	message_put(b, m->port);
	buf_char(b, ' ');
	message_put(b, m->proto);
	buf_char(b, ' ');
	message_put(b, m->direction);
	if (m->ptime.n > 0) {
		buf_str(b, " ptime ");
		message_put(b, m->ptime);
	}
	if (message_text_is(m->port, "0"))
		buf_str(b, " (rejected or off)");
	buf_char(b, '\n');
	while (sdp_next_format(&rest, &count, &format)) {
		buf_str(b, count == 1 ? "  " : ", ");
		sdp_put_format(m, format, b);
	}
	buf_str(b, rest.n > 0 ? " ...\n" : "\n");
}

void
message_sdp_put(struct message_text body, struct buf *b)
{
	struct sdp s;
	size_t i;

	sdp_read(&s, body);
	for (i = 0; i < s.n; i++)
		sdp_put_media(&s.media[i], b);
	if (s.all > s.n)
		buf_fmt(b, "%zu m= lines more\n", s.all - s.n);
	if (s.all == 0)
		buf_str(b, "no m= line\n");
}

static void
sdp_put_change(const struct sdp_media *m, const char *what,
    struct message_text was, struct message_text is, struct buf *b)
{
	if (message_text_equal(was, is))
		return;
	buf_str(b, "~ ");
	message_put(b, m->kind);
	buf_fmt(b, " %s ", what);
	message_put(b, was);
	buf_str(b, " -> ");
	message_put(b, is);
	buf_char(b, '\n');
}

/* Formats that one has and the other lacks. */
static void
sdp_put_formats(const struct sdp_media *m, const struct sdp_media *other,
    char sign, struct buf *b)
{
	struct message_text rest = m->formats, format;
	struct buf told = BUF_INIT;
	size_t count = 0;

	while (sdp_next_format(&rest, &count, &format)) {
		buf_reset(&told);
		sdp_put_format(m, format, &told);
		if (!sdp_has_format(other, &told)) {
			buf_fmt(b, "%c ", sign);
			message_put(b, m->kind);
			buf_fmt(b, " %s\n", told.data);
		}
	}
	buf_fini(&told);
}

void
message_sdp_put_changes(
    struct message_text before, struct message_text body, struct buf *b)
{
	const struct sdp_media *x, *y;
	struct sdp was, is;
	size_t i;

	sdp_read(&was, before);
	sdp_read(&is, body);
	if (was.all != is.all)
		buf_fmt(b, "~ m= lines %zu -> %zu\n", was.all, is.all);
	for (i = 0; i < was.n && i < is.n; i++) {
		x = &was.media[i];
		y = &is.media[i];
		sdp_put_change(y, "medium", x->kind, y->kind, b);
		sdp_put_change(y, "address", x->address, y->address, b);
		sdp_put_change(y, "port", x->port, y->port, b);
		sdp_put_change(y, "transport", x->proto, y->proto, b);
		sdp_put_change(y, "direction", x->direction, y->direction, b);
		sdp_put_formats(x, y, '-', b);
		sdp_put_formats(y, x, '+', b);
	}
}
