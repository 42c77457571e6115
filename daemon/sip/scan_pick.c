/*
 * What a border must know of a message, picked from the lines that scan.c
 * found, and the rules of RFC 3261 8.1.1, 16.3 and 20 that can be checked
 * without a transaction. The first breach decides the status of the answer;
 * picking goes on, so that an answer can be addressed.
 *
 * Whatever is not in the plain form is judged once more by sofia's parser,
 * on a copy (it writes into the text).
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/str.h"
#include "scan_pick.h"
#include "sip.h"

static const char *const scan_methods[] = {"", "INVITE", "ACK", "CANCEL", "BYE",
    "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO",
    "UPDATE", "PRACK", "REFER"};

enum scan_method
scan_method_find(const char *p, size_t n)
{
	unsigned i;

	for (i = 1; i < sizeof scan_methods / sizeof scan_methods[0]; i++) {
		if (p[0] == scan_methods[i][0] &&
		    strlen(scan_methods[i]) == n &&
		    memcmp(p, scan_methods[i], n) == 0)
			return i;
	}
	return SCAN_UNKNOWN;
}

const char *
scan_method_name(enum scan_method m)
{
	return scan_methods[m];
}

static bool
scan_is_method(struct scan_span s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] == ':' || s.p[i] == ',' ||
		    s.p[i] == '"' || s.p[i] == '<' || s.p[i] == ';')
			return false;
	}
	return s.n > 0 && s.n <= 64;
}

/* "SIP/2.0 200 OK"; the SP behind the code may be missing. */
static bool
scan_pick_status(struct scan *s, struct scan_span line)
{
	struct scan_span code = {line.p + 8, line.n - 8};
	uint64_t status;

	if (code.n > 3) {
		if (code.p[3] != ' ')
			return false;
		code.n = 3;
	}
	if (!scan_number(code, 699, &status) || status < 100)
		return false;
	s->status = (unsigned)status;
	return true;
}

/* The Request-URI (RFC 3261 25.1): no blanks, no brackets, no headers. */
static void
scan_pick_uri(struct scan *s, const char *p, const char *end)
{
	if (!scan_uri(&s->uri, p, (size_t)(end - p)) || s->uri.has_headers)
		scan_fail(s, 400, "Request-URI");
	else if (s->uri.scheme == SCAN_SCHEME_OTHER)
		scan_fail(s, 416, "scheme of the Request-URI");
}

/* "METHOD uri SIP/2.0", one SP between. */
static bool
scan_pick_request(struct scan *s, struct scan_span line)
{
	const char *end = line.p + line.n, *uri, *version;

	while (line.n > 0 && *(end - 1) == ' ') {
		scan_fail(s, 400, "blank behind the start line");
		end--;
		line.n--;
	}
	uri = memchr(line.p, ' ', line.n);
	version = memrchr(line.p, ' ', line.n);
	if (uri == NULL || version == uri)
		return false;
	s->method_text = (struct scan_span){line.p, (size_t)(uri - line.p)};
	if (!scan_is_method(s->method_text) || end - version < 6 ||
	    !str_iequal(version + 1, 4, "SIP/"))
		return false;
	s->method = scan_method_find(line.p, s->method_text.n);
	s->request = true;
	if (!str_iequal(version + 1, (size_t)(end - version - 1), "SIP/2.0"))
		scan_fail(s, 505, "version of SIP");
	scan_pick_uri(s, uri + 1, version);
	return true;
}

bool
scan_pick_start(struct scan *s, size_t at, size_t end)
{
	struct scan_span line = {s->text + at, end - at};

	if (line.n < 11)
		return false;
	if (str_iequal(line.p, 8, "SIP/2.0 "))
		return scan_pick_status(s, line);
	return scan_pick_request(s, line);
}

/* ---- header fields ----------------------------------------------------- */

static void
scan_pick_via(struct scan *s)
{
	struct scan_span v = scan_value(s, SCAN_VIA);

	if (!scan_via(&s->via, v.p, v.n))
		scan_fail(s, 400, "Via");
	else if (s->via.end < v.p + v.n)
		s->odd = true; /* more than one in a line */
}

/* From or To; ';' '?' and the like inside quotes make it odd. */
static void
scan_pick_address(struct scan *s, enum scan_header id, struct scan_address *a,
    struct scan_span *tag)
{
	struct scan_span v = scan_value(s, id);

	if (!scan_address(a, v.p, v.n) || a->end != v.p + v.n) {
		memset(a, 0, sizeof *a);
		scan_fail(s, 400, scan_header_name(id));
		return;
	}
	if (scan_param_find(a->params, "tag", tag) && tag->n == 0)
		scan_fail(s, 400, "empty tag");
	if (memchr(v.p, '\\', v.n) != NULL)
		s->odd = true;
}

/* 1*DIGIT LWS Method, below 2**31 (RFC 3261 8.1.1.5). */
static void
scan_pick_cseq(struct scan *s)
{
	struct scan_span v = scan_value(s, SCAN_CSEQ), number, method;
	uint64_t n;

	number = method = v;
	for (number.n = 0; number.n < v.n && v.p[number.n] > ' ';)
		number.n++;
	method.p += number.n;
	method.n -= number.n;
	while (method.n > 0 && *method.p <= ' ') {
		method.p++;
		method.n--;
	}
	if (!scan_number(number, INT32_MAX, &n) || !scan_is_method(method)) {
		scan_fail(s, 400, "CSeq");
		return;
	}
	s->cseq = (uint32_t)n;
	if (!s->request) {
		s->method_text = method;
		s->method = scan_method_find(method.p, method.n);
	} else if (!scan_span_equal(method, s->method_text)) {
		scan_fail(s, 400, "method of CSeq");
	}
}

/* Content-Length against what is there; more than that is left out
 * (RFC 3261 18.3). */
static void
scan_pick_length(struct scan *s)
{
	struct scan_span v = scan_value(s, SCAN_CONTENT_LENGTH);
	uint64_t n;

	if (s->first[SCAN_CONTENT_LENGTH] == 0)
		return;
	if (!scan_number(v, UINT32_MAX, &n) || n > s->size - s->body)
		scan_fail(s, 400, "Content-Length");
	else
		s->size = s->body + (size_t)n;
}

static void
scan_pick_hops(struct scan *s)
{
	uint64_t n;

	if (s->first[SCAN_MAX_FORWARDS] == 0)
		return;
	if (scan_number(scan_value(s, SCAN_MAX_FORWARDS), 255, &n))
		s->max_forwards = (int)n;
	else
		scan_fail(s, 400, "Max-Forwards");
}

/* Every Contact of a request must be one, or a single "*". */
static void
scan_pick_contacts(struct scan *s)
{
	const struct scan_line *l = s->line;
	struct scan_address a;
	const char *at, *end;

	for (; l < s->line + s->nlines; l++) {
		if (l->id != SCAN_CONTACT ||
		    scan_span_is(scan_line_value(s, l), "*"))
			continue;
		end = s->text + l->end;
		for (at = s->text + l->value; at < end; at = a.end + 1) {
			if (!scan_address(&a, at, (size_t)(end - at))) {
				scan_fail(s, 400, "Contact");
				break;
			}
		}
	}
}

void
scan_pick_values(struct scan *s)
{
	static const enum scan_header must[] = {
	    SCAN_VIA, SCAN_FROM, SCAN_TO, SCAN_CALL_ID, SCAN_CSEQ};
	unsigned i;

	for (i = 0; i < sizeof must / sizeof must[0]; i++) {
		if (scan_value(s, must[i]).n == 0)
			scan_fail(s, 400, scan_header_name(must[i]));
	}
	if (s->first[SCAN_VIA] != 0)
		scan_pick_via(s);
	if (s->first[SCAN_FROM] != 0)
		scan_pick_address(s, SCAN_FROM, &s->from, &s->from_tag);
	if (s->first[SCAN_TO] != 0)
		scan_pick_address(s, SCAN_TO, &s->to, &s->to_tag);
	s->call_id = scan_value(s, SCAN_CALL_ID);
	for (i = 0; i < s->call_id.n; i++) {
		if (s->call_id.p[i] <= ' ' && s->call_id.p[i] >= 0)
			scan_fail(s, 400, "Call-ID");
	}
	if (s->first[SCAN_CSEQ] != 0)
		scan_pick_cseq(s);
	scan_pick_length(s);
	scan_pick_hops(s);
	scan_pick_contacts(s);
}

/* ---- the judge --------------------------------------------------------- */

/* Ask sofia about an unusual message. */
static int
scan_judge(struct scan *s)
{
	struct sip_parsed parsed;
	struct err e;
	char *copy = malloc(s->size + 1);
	int r;

	if (copy == NULL)
		return scan_fail(s, 500, "out of memory");
	memcpy(copy, s->text, s->size);
	copy[s->size] = '\0';
	err_clear(&e);
	r = sip_parse(&parsed, copy, s->size, &e);
	sip_parsed_fini(&parsed);
	free(copy);
	return r == 0 ? 0 : scan_fail(s, 400, e.text);
}

int
scan_message(struct scan *s, char *text, size_t n)
{
	int r = scan_lazy(s, text, n);

	/* A request of an unknown method is answered 501, never passed on. */
	if (r == 0 && s->odd && !(s->request && s->method == SCAN_UNKNOWN))
		r = scan_judge(s);
	return r;
}
