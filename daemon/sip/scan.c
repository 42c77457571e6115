/*
 * The lazy scanner: one pass over the head of a message finds its lines and
 * which header each is; values are looked at by scan_pick.c.
 *
 * It refuses what would let two readers see two messages: a CR or LF that is
 * not part of a line's end, NUL and other control bytes, a header field
 * without a colon. Folded lines (RFC 3261 7.3.1) are joined in place, two
 * blanks for CR LF, so that lengths stay. SG and ESG call it for every
 * message that comes from outside or goes there.
 */
#include <string.h>

#include "daemon/base/str.h"
#include "scan.h"
#include "scan_pick.h"

#define IN SCAN_IN
#define OUT SCAN_OUT
#define ONE SCAN_ONE

static const struct scan_row {
	const char *name;
	char compact;
	uint8_t len;
	uint8_t flags;
} scan_rows[SCAN_HEADERS] = {
    {"", 0, 0, 0},
#define HEADER(id, name, compact, flags) \
	{name, compact, sizeof(name) - 1, flags},
#include "scan.tbl"
#undef HEADER
};

unsigned
scan_header_flags(enum scan_header id)
{
	return scan_rows[id].flags;
}

const char *
scan_header_name(enum scan_header id)
{
	return scan_rows[id].name;
}

/* Lower case of an ASCII letter; other bytes are mapped to something. */
static unsigned
scan_lower(char c)
{
	return (unsigned char)c | 0x20u;
}

/*
 * Rows by (length, first letter), chained: the table of 59 rows gives
 * buckets of at most a few. Built at first use, as it follows from the rows.
 */
#define SCAN_BUCKETS 128
static uint8_t scan_bucket[SCAN_BUCKETS];
static uint8_t scan_chain[SCAN_HEADERS];
static uint8_t scan_compact[32];

static unsigned
scan_hash(const char *name, size_t n)
{
	return (unsigned)(n * 31 + scan_lower(name[0]) * 7 +
		   scan_lower(name[n - 1])) %
	    SCAN_BUCKETS;
}

static void
scan_build(void)
{
	const struct scan_row *r;
	unsigned i, h;

	for (i = SCAN_HEADERS - 1; i > 0; i--) {
		r = &scan_rows[i];
		h = scan_hash(r->name, r->len);
		scan_chain[i] = scan_bucket[h];
		scan_bucket[h] = (uint8_t)i;
		if (r->compact != 0)
			scan_compact[r->compact & 31] = (uint8_t)i;
	}
}

enum scan_header
scan_header_find(const char *name, size_t n)
{
	unsigned i, c;

	if (n == 0 || n > 32)
		return SCAN_OTHER;
	if (scan_compact['v' & 31] == 0)
		scan_build();
	if (n == 1) {
		c = scan_lower(name[0]);
		return c >= 'a' && c <= 'z' ? scan_compact[c & 31] : SCAN_OTHER;
	}
	for (i = scan_bucket[scan_hash(name, n)]; i != 0; i = scan_chain[i]) {
		if (scan_rows[i].len == n &&
		    str_iequal(name, n, scan_rows[i].name))
			return i;
	}
	return SCAN_OTHER;
}

/* The first byte below a blank from at on, eight at a time. */
static size_t
scan_next_control(const char *text, size_t at, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t x;

	for (; at + 8 <= n; at += 8) {
		memcpy(&x, text + at, 8);
		if (((x - ones * 0x20) & ~x & ones * 0x80) != 0)
			break;
	}
	while (at < n && (unsigned char)text[at] >= 0x20)
		at++;
	return at;
}

int
scan_fail(struct scan *s, int status, const char *what)
{
	if (s->refuse == 0) {
		s->refuse = status;
		err_set(&s->err, ERR_SYNTAX, "%s", what);
	}
	return -ERR_SYNTAX;
}

/*
 * The end of the line that begins at "at": offset of its CR, folded
 * continuations joined. n when there is none.
 */
static size_t
scan_line_end(struct scan *s, size_t at, size_t n)
{
	char *t = s->text;

	for (;; at++) {
		at = scan_next_control(t, at, n);
		if (at == n)
			return n;
		if (t[at] == '\t')
			continue;
		if (t[at] != '\r' || at + 1 == n || t[at + 1] != '\n') {
			/* Lawful only in a quoted pair (RFC 3261 25.1); an
			 * answer will echo the line, so it goes anyway. */
			if (at == 0 || t[at - 1] != '\\' || t[at] == '\r' ||
			    t[at] == '\n')
				scan_fail(s, 400, "control byte in a header");
			s->odd = true;
			t[at] = '?';
			continue;
		}
		if (at + 2 == n || (t[at + 2] != ' ' && t[at + 2] != '\t') ||
		    s->nlines == 0)
			return at;
		t[at] = t[at + 1] = ' ';
		s->odd = true;
	}
}

/* Cut one line (at .. end) into name and value and add it. */
static void
scan_add_line(struct scan *s, size_t at, size_t end)
{
	struct scan_line *l = &s->line[s->nlines];
	const char *t = s->text;
	const char *colon = memchr(t + at, ':', end - at);
	size_t name, value;

	if (colon == NULL || colon == t + at) {
		scan_fail(s, 400, "header field without a name");
		return;
	}
	value = (size_t)(colon - t) + 1;
	for (name = value - 1;
	     name > at && (t[name - 1] == ' ' || t[name - 1] == '\t'); name--)
		s->odd = true;
	while (value < end && (t[value] == ' ' || t[value] == '\t'))
		value++;
	while (end > value && (t[end - 1] == ' ' || t[end - 1] == '\t'))
		end--;
	l->at = (uint32_t)at;
	l->value = (uint32_t)value;
	l->end = (uint32_t)end;
	l->id = (uint8_t)scan_header_find(t + at, name - at);
	s->nlines++;
	if (s->first[l->id] == 0)
		s->first[l->id] = (uint8_t)s->nlines;
	else if ((scan_rows[l->id].flags & SCAN_ONE) != 0)
		scan_fail(s, 400, "header field given twice");
}

/* All header fields from "at" on; the offset behind the empty line. */
static size_t
scan_lines(struct scan *s, size_t at, size_t n)
{
	unsigned before;
	size_t end;

	for (;;) {
		if (at + 2 <= n && memcmp(s->text + at, "\r\n", 2) == 0)
			return at + 2;
		before = s->nlines;
		if (before == SCAN_LINES) {
			scan_fail(s, 400, "too many header fields");
			return n;
		}
		s->nlines++; /* folding is allowed from here on */
		end = scan_line_end(s, at, n);
		s->nlines = before;
		scan_add_line(s, at, end);
		if (end == n) {
			scan_fail(s, 400, "no empty line behind the headers");
			if (s->nlines > before)
				s->line[before].next = (uint32_t)n;
			return n;
		}
		at = end + 2;
		if (s->nlines > before)
			s->line[before].next = (uint32_t)at;
	}
}

struct scan_span
scan_line_value(const struct scan *s, const struct scan_line *l)
{
	return (struct scan_span){s->text + l->value, l->end - l->value};
}

struct scan_span
scan_value(const struct scan *s, enum scan_header id)
{
	if (s->first[id] == 0)
		return (struct scan_span){s->text, 0};
	return scan_line_value(s, &s->line[s->first[id] - 1]);
}

size_t
scan_at(const struct scan *s, const char *p)
{
	return (size_t)(p - s->text);
}

/* Clear what a scan begins with; the lines need no clearing. */
static void
scan_reset(struct scan *s, char *text, size_t n)
{
	s->text = text;
	s->size = n;
	s->request = s->odd = false;
	s->status = 0;
	s->method = SCAN_UNKNOWN;
	s->method_text = s->from_tag = s->to_tag = s->call_id =
	    (struct scan_span){text, 0};
	memset(&s->uri, 0, sizeof s->uri);
	memset(&s->via, 0, sizeof s->via);
	memset(&s->from, 0, sizeof s->from);
	memset(&s->to, 0, sizeof s->to);
	memset(s->first, 0, sizeof s->first);
	s->body = (uint32_t)n;
	s->nlines = 0;
	s->cseq = 0;
	s->max_forwards = -1;
	s->refuse = 0;
	s->err.code = ERR_NONE;
	s->err.text[0] = '\0';
}

int
scan_lazy(struct scan *s, char *text, size_t n)
{
	size_t end, at = 0;

	scan_reset(s, text, n);
	/* RFC 3261 7.5: empty lines in front of the start line. */
	while (at + 2 <= n && text[at] == '\r' && text[at + 1] == '\n')
		at += 2;
	end = n <= UINT32_MAX ? scan_line_end(s, at, n) : n;
	if (end == n || !scan_pick_start(s, at, end))
		return err_set(&s->err, ERR_UNKNOWN, "no SIP message");
	s->body = (uint32_t)scan_lines(s, end + 2, n);
	scan_pick_values(s);
	return s->refuse != 0 ? -ERR_SYNTAX : 0;
}
