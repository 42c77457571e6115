/*
 * Session descriptions (RFC 8866) from one leg to the other: white list.
 * Written anew are v, o, s, t; kept are c, b, m and the attributes below;
 * everything else (i, u, e, p, k, r, z, unknown attributes) is dropped, for
 * it may name people, machines or addresses of the other side. A stream of a
 * kind that no MG carries stays in its place with port 0 (RFC 3264 5.1).
 *
 * Refused: what is no SDP, what is beyond the limits, a stream in use whose
 * address is a name or missing. sofia's parser has no part in this: on an m=
 * line whose format is no token it allocates without end.
 */
#include <string.h>

#include "sdp_filter.h"
#include "daemon/base/sock.h"
#include "daemon/base/str.h"

struct sdp_line {
	char type;
	const char *value;
	size_t n;
};

struct sdp_lines {
	struct sdp_line line[SDP_FILTER_LINES];
	size_t count;
	size_t media[SDP_FILTER_MEDIA + 1]; /* first line of each; the end */
	size_t nmedia;
};

static const char *const sdp_attributes[] = {"rtpmap", "fmtp", "ptime",
    "maxptime", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp",
    "rtcp-mux", "rtcp-fb", "crypto", "framerate", "imageattr", "quality",
    "T38FaxVersion", "T38MaxBitRate", "T38FaxFillBitRemoval",
    "T38FaxTranscodingMMR", "T38FaxTranscodingJBIG", "T38FaxRateManagement",
    "T38FaxMaxBuffer", "T38FaxMaxDatagram", "T38FaxUdpEC", NULL};

static const char *const sdp_kinds[] = {
    "audio", "video", "image", "text", NULL};

static const char *const sdp_bandwidths[] = {
    "AS", "TIAS", "CT", "RS", "RR", NULL};

/* Letters, digits and a few marks: all that kinds, protocols and formats
 * need. */
static bool
sdp_is_word(const char *s, size_t n, const char *marks)
{
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= '0' && s[i] <= '9') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= 'a' && s[i] <= 'z') &&
		    (s[i] == '\0' || strchr(marks, s[i]) == NULL))
			return false;
	return n > 0;
}

static bool
sdp_is_printable(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return true;
}

static bool
sdp_in_list(const char *const *list, const char *s, size_t n)
{
	for (; *list != NULL; list++)
		if (n > 0 && (*list)[0] == s[0] && strlen(*list) == n &&
		    memcmp(*list, s, n) == 0)
			return true;
	return false;
}

/* The next word of a line; n becomes its length, 0 at the end. */
static const char *
sdp_word(const char **at, const char *end, size_t *n)
{
	const char *s = *at;

	while (s < end && *s == ' ')
		s++;
	*at = s;
	while (*at < end && **at != ' ')
		(*at)++;
	*n = (size_t)(*at - s);
	return s;
}

/* Cut into lines "x=..."; the end of a line is CRLF or LF (RFC 8866 5). */
static int
sdp_cut(struct sdp_lines *l, const char *s, size_t n, struct err *err)
{
	const char *end = s + n, *eol;

	l->count = l->nmedia = 0;
	for (; s < end; s = eol + 1) {
		struct sdp_line *line = &l->line[l->count];

		if ((eol = memchr(s, '\n', (size_t)(end - s))) == NULL)
			eol = end;
		line->n = (size_t)(eol - s);
		if (line->n > 0 && s[line->n - 1] == '\r')
			line->n--;
		if (line->n == 0)
			continue;
		if (line->n < 2 || s[1] != '=')
			return err_set(err, ERR_SYNTAX,
			    "session description: line %zu is none",
			    l->count + 1);
		line->type = s[0];
		line->value = s + 2;
		line->n -= 2;
		if (s[0] == 'm' && l->nmedia == SDP_FILTER_MEDIA)
			return err_set(err, ERR_TOOBIG, "more than %d streams",
			    SDP_FILTER_MEDIA);
		if (s[0] == 'm')
			l->media[l->nmedia++] = l->count;
		if (++l->count == SDP_FILTER_LINES)
			return err_set(err, ERR_TOOBIG,
			    "session description of %d lines",
			    SDP_FILTER_LINES);
		if (eol == end)
			break;
	}
	l->media[l->nmedia] = l->count;
	if (l->count == 0 || l->line[0].type != 'v' || l->nmedia == 0)
		return err_set(err, ERR_SYNTAX,
		    "session description: no v= or no m= line");
	return 0;
}

/* The literal address of a c= line, where it stands. */
struct sdp_address {
	const char *text;
	size_t n;
	bool six;
};

/* "IN IP4 192.0.2.1"; false when it is a name, a group or anything else. */
static bool
sdp_address(const struct sdp_line *line, struct sdp_address *a)
{
	const char *at = line->value, *end = at + line->n, *word[3];
	union addr literal;
	size_t n[3];

	for (unsigned i = 0; i < 3; i++)
		word[i] = sdp_word(&at, end, &n[i]);
	if (at != end || n[0] != 2 || memcmp(word[0], "IN", 2) != 0 ||
	    n[2] == 0 || word[2][0] == '[' ||
	    !addr_nparse(&literal, word[2], n[2], 0))
		return false;
	a->text = word[2];
	a->n = n[2];
	a->six = literal.sa.sa_family == AF_INET6;
	return str_iequal(word[1], n[1], a->six ? "IP6" : "IP4");
}

static const struct sdp_line *
sdp_find(const struct sdp_lines *l, size_t from, size_t to, char type)
{
	for (; from < to; from++)
		if (l->line[from].type == type)
			return &l->line[from];
	return NULL;
}

static void
sdp_write_address(struct buf *out, const struct sdp_address *a)
{
	buf_str(out, a->six ? "IN IP6 " : "IN IP4 ");
	buf_add(out, a->text, a->n);
	buf_str(out, "\r\n");
}

/* Decimal digits; formatted output is several times the work, and this is
 * done for every description of every call. */
static void
sdp_write_number(struct buf *out, uint32_t v)
{
	char digits[10];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	buf_add(out, digits + i, sizeof digits - i);
}

/* a=rtcp carries an address of its own (RFC 3605): towards a phone only the
 * port goes on. */
static size_t
sdp_rtcp_length(const char *value, size_t n, unsigned flags)
{
	const char *space = memchr(value, ' ', n);

	if ((flags & SDP_FILTER_OUT) == 0 || space == NULL)
		return n;
	return (size_t)(space - value);
}

static void
sdp_write_attribute(
    struct buf *out, const struct sdp_line *line, unsigned flags)
{
	const char *colon = memchr(line->value, ':', line->n);
	size_t name = colon == NULL ? line->n : (size_t)(colon - line->value);
	size_t n = line->n;

	if (!sdp_in_list(sdp_attributes, line->value, name) ||
	    !sdp_is_printable(line->value, n))
		return;
	if (name == 4 && memcmp(line->value, "rtcp", 4) == 0)
		n = sdp_rtcp_length(line->value, n, flags);
	buf_str(out, "a=");
	buf_add(out, line->value, n);
	buf_str(out, "\r\n");
}

static void
sdp_write_bandwidth(struct buf *out, const struct sdp_line *line)
{
	const char *colon = memchr(line->value, ':', line->n);
	size_t name = colon == NULL ? 0 : (size_t)(colon - line->value);

	if (!sdp_in_list(sdp_bandwidths, line->value, name) ||
	    line->n - name > 11)
		return;
	for (size_t i = name + 1; i < line->n; i++)
		if (line->value[i] < '0' || line->value[i] > '9')
			return;
	buf_str(out, "b=");
	buf_add(out, line->value, line->n);
	buf_str(out, "\r\n");
}

/* b= and a= lines of a section, bandwidth first as the grammar wants. */
static void
sdp_write_rest(struct buf *out, const struct sdp_lines *l, size_t from,
    size_t to, unsigned flags)
{
	for (size_t i = from; i < to; i++)
		if (l->line[i].type == 'b')
			sdp_write_bandwidth(out, &l->line[i]);
	if (from == 0)
		buf_str(out, "t=0 0\r\n");
	for (size_t i = from; i < to; i++)
		if (l->line[i].type == 'a')
			sdp_write_attribute(out, &l->line[i], flags);
}

/* The m= line word by word; *active tells whether its port is in use. */
static int
sdp_write_media_line(
    struct buf *out, const struct sdp_line *line, bool *active, struct err *err)
{
	const char *at = line->value, *end = at + line->n, *kind, *port, *word;
	size_t nkind, nport, n;
	char digits[6];
	int64_t number;
	unsigned words = 0;

	kind = sdp_word(&at, end, &nkind);
	port = sdp_word(&at, end, &nport);
	if (!sdp_is_word(kind, nkind, "-") || nport == 0 ||
	    !str_ncopy(digits, sizeof digits, port, nport) ||
	    !str_int(digits, 0, 65535, &number))
		return err_set(err, ERR_SYNTAX, "m= line: kind and port");
	if (!sdp_in_list(sdp_kinds, kind, nkind))
		number = 0;
	*active = number != 0;
	buf_str(out, "m=");
	buf_add(out, kind, nkind);
	buf_char(out, ' ');
	sdp_write_number(out, (uint32_t)number);
	while ((word = sdp_word(&at, end, &n)), n > 0) {
		if (!sdp_is_word(word, n, words == 0 ? "/-." : "-._*+"))
			return err_set(err, ERR_SYNTAX, "m= line: formats");
		buf_char(out, ' ');
		buf_add(out, word, n);
		words++;
	}
	buf_str(out, "\r\n");
	if (words < 2)
		return err_set(err, ERR_SYNTAX, "m= line: no format");
	return 0;
}

/* One stream: m, c, b, a. A stream in use needs an address of its own or of
 * the session. */
static int
sdp_write_media(struct buf *out, const struct sdp_lines *l, size_t i,
    bool session, unsigned flags, struct err *err)
{
	size_t from = l->media[i], to = l->media[i + 1];
	const struct sdp_line *c = sdp_find(l, from, to, 'c');
	struct sdp_address a;
	bool active = false;
	int rc = sdp_write_media_line(out, &l->line[from], &active, err);

	if (rc != 0)
		return rc;
	if (c != NULL && sdp_address(c, &a)) {
		buf_str(out, "c=");
		sdp_write_address(out, &a);
	} else if (active && (c != NULL || !session))
		return err_set(err, ERR_CHECK,
		    "stream %zu has no address that can be used", i + 1);
	if (active)
		sdp_write_rest(out, l, from + 1, to, flags);
	return 0;
}

/* The address that o= shows: that of the session, or of the first stream
 * that has one. */
static void
sdp_origin_address(const struct sdp_lines *l, struct sdp_address *a)
{
	const struct sdp_line *c = sdp_find(l, 0, l->media[0], 'c');

	if (c != NULL && sdp_address(c, a))
		return;
	for (size_t i = 0; i < l->nmedia; i++) {
		c = sdp_find(l, l->media[i], l->media[i + 1], 'c');
		if (c != NULL && sdp_address(c, a))
			return;
	}
	*a = (struct sdp_address){"0.0.0.0", 7, false};
}

/* The description from its lines, in the order of the grammar. */
static int
sdp_filter_lines(struct buf *out, const char *sdp, size_t n,
    const struct sdp_origin *o, unsigned flags, struct err *err)
{
	struct sdp_lines l;
	const struct sdp_line *c;
	struct sdp_address a;
	bool session;
	int rc;

	if ((rc = sdp_cut(&l, sdp, n, err)) != 0)
		return rc;
	sdp_origin_address(&l, &a);
	buf_str(out, "v=0\r\no=- ");
	sdp_write_number(out, o->id);
	buf_char(out, ' ');
	sdp_write_number(out, o->version);
	buf_char(out, ' ');
	sdp_write_address(out, &a);
	buf_str(out, "s=-\r\n");
	c = sdp_find(&l, 0, l.media[0], 'c');
	if ((session = c != NULL && sdp_address(c, &a))) {
		buf_str(out, "c=");
		sdp_write_address(out, &a);
	}
	sdp_write_rest(out, &l, 0, l.media[0], flags);
	for (size_t i = 0; rc == 0 && i < l.nmedia; i++)
		rc = sdp_write_media(out, &l, i, session, flags, err);
	return rc;
}

int
sdp_filter_write(struct buf *out, const char *sdp, size_t n,
    const struct sdp_origin *o, unsigned flags, struct err *err)
{
	int rc;

	if (n == 0 || n > SDP_FILTER_MAX)
		return err_set(
		    err, ERR_TOOBIG, "session description of %zu bytes", n);
	rc = sdp_filter_lines(out, sdp, n, o, flags, err);
	if (rc == 0 && out->failed)
		rc = err_set(err, ERR_NOMEM, "session description");
	return rc;
}
