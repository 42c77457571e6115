/*
 * The head of a message as a list of fields. Nothing is refused: what is no
 * SIP is shown as what it is.
 */
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "daemon/base/str.h"

#define MESSAGE_FIELDS 1024 /* more are not told apart: they are the body */

/* Compact names: RFC 3261 7.3.3 and what was registered later. */
static const struct {
	char compact;
	const char *name;
} message_names[] = {
    {'a', "Accept-Contact"},
    {'b', "Referred-By"},
    {'c', "Content-Type"},
    {'d', "Request-Disposition"},
    {'e', "Content-Encoding"},
    {'f', "From"},
    {'i', "Call-ID"},
    {'j', "Reject-Contact"},
    {'k', "Supported"},
    {'l', "Content-Length"},
    {'m', "Contact"},
    {'n', "Identity-Info"},
    {'o', "Event"},
    {'r', "Refer-To"},
    {'s', "Subject"},
    {'t', "To"},
    {'u', "Allow-Events"},
    {'v', "Via"},
    {'x', "Session-Expires"},
    {'y', "Identity"},
};

static bool
message_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct message_text
message_trim(struct message_text t)
{
	while (t.n > 0 && message_is_space(t.at[0])) {
		t.at++;
		t.n--;
	}
	while (t.n > 0 && message_is_space(t.at[t.n - 1]))
		t.n--;
	return t;
}

bool
message_text_is(struct message_text t, const char *s)
{
	return str_iequal(t.at, t.n, s);
}

bool
message_text_equal(struct message_text a, struct message_text b)
{
	return a.n == b.n && memcmp(a.at, b.at, a.n) == 0;
}

bool
message_line(struct message_text *rest, struct message_text *line)
{
	const char *nl;

	if (rest->n == 0)
		return false;
	nl = memchr(rest->at, '\n', rest->n);
	line->at = rest->at;
	line->n = nl != NULL ? (size_t)(nl - rest->at) : rest->n;
	rest->at += line->n + (nl != NULL);
	rest->n -= line->n + (nl != NULL);
	if (line->n > 0 && line->at[line->n - 1] == '\r')
		line->n--;
	return true;
}

/* A space in place of a fold and all white space around it. */
static void
message_unfold(struct buf *b, struct message_text t)
{
	size_t i = 0, n;
	bool fold;

	while (i < t.n) {
		fold = false;
		for (n = 0; i + n < t.n && message_is_space(t.at[i + n]); n++)
			fold |= t.at[i + n] == '\n';
		if (fold) {
			buf_char(b, ' ');
			i += n;
		} else if (n > 0) {
			buf_add(b, t.at + i, n);
			i += n;
		} else {
			buf_char(b, t.at[i++]);
		}
	}
	buf_str(b, "");
}

void
message_put(struct buf *b, struct message_text t)
{
	struct buf flat = BUF_INIT;
	char *at;

	message_unfold(&flat, t);
	at = flat.failed ? NULL : buf_reserve(b, 4 * flat.len + 1);
	if (at != NULL)
		b->len += str_escape(at, 4 * flat.len + 1, flat.data, flat.len);
	buf_fini(&flat);
}

/* ---- the head -------------------------------------------------------------
 */

/* A line and those that continue it. */
static bool
message_take_line(struct message_text *rest, struct message_text *line)
{
	struct message_text more;

	if (!message_line(rest, line))
		return false;
	while (line->n > 0 && rest->n > 0 &&
	    (rest->at[0] == ' ' || rest->at[0] == '\t') &&
	    message_line(rest, &more))
		line->n = (size_t)(more.at + more.n - line->at);
	return true;
}

static struct message_text
message_full_name(struct message_text name)
{
	size_t i;

	for (i = 0; i < sizeof message_names / sizeof message_names[0]; i++) {
		if (name.n == 1 &&
		    (name.at[0] | 0x20) == message_names[i].compact)
			return (struct message_text){message_names[i].name,
			    strlen(message_names[i].name)};
	}
	return name;
}

/* A line without a colon is a field without a name. */
static struct message_field
message_split(struct message_text line)
{
	const char *colon = memchr(line.at, ':', line.n);
	struct message_field f = {.name = {"", 0}, .value = line};

	if (colon == NULL)
		return f;
	f.name = message_trim(
	    (struct message_text){line.at, (size_t)(colon - line.at)});
	f.name = message_full_name(f.name);
	f.value.at = colon + 1;
	f.value.n = (size_t)(line.at + line.n - colon - 1);
	f.value = message_trim(f.value);
	return f;
}

static int
message_add(struct message *m, struct message_text line, size_t *room)
{
	struct message_field *grown;

	if (m->nfields == *room) {
		*room = *room != 0 ? 2 * *room : 32;
		grown = realloc(m->field, *room * sizeof *grown);
		if (grown == NULL)
			return -ERR_NOMEM;
		m->field = grown;
	}
	m->field[m->nfields++] = message_split(line);
	return 0;
}

/* "SIP/2.0 180 Ringing", or "INVITE sip:102@demo.test SIP/2.0". */
static void
message_read_start(struct message *m)
{
	const char *s = m->start.at, *space = memchr(s, ' ', m->start.n);
	size_t n = m->start.n;

	if (n >= 11 && memcmp(s, "SIP/2.0 ", 8) == 0 && s[8] >= '1' &&
	    s[8] <= '6' && s[9] >= '0' && s[9] <= '9' && s[10] >= '0' &&
	    s[10] <= '9') {
		m->is_sip = m->reply = true;
		m->status = (s[8] - '0') * 100 + (s[9] - '0') * 10 +
		    (s[10] - '0');
	} else if (space != NULL && space != s && n > 8 &&
	    memcmp(s + n - 8, " SIP/2.0", 8) == 0) {
		m->is_sip = true;
		m->method = (struct message_text){s, (size_t)(space - s)};
	}
}

/* "102 INVITE" */
static void
message_read_cseq(struct message *m)
{
	struct message_text v = message_value(m, "CSeq");
	size_t n = 0;
	int64_t number = 0;

	while (n < v.n && n < 10 && v.at[n] >= '0' && v.at[n] <= '9')
		number = number * 10 + (v.at[n++] - '0');
	if (n == 0 || n == v.n || !message_is_space(v.at[n]))
		return;
	m->cseq = number;
	v.at += n;
	v.n -= n;
	if (m->reply)
		m->method = message_trim(v);
}

int
message_decode(struct message *m, const char *bytes, size_t n)
{
	struct message_text rest = {bytes, n}, line;
	size_t room = 0;

	memset(m, 0, sizeof *m);
	m->all = rest;
	m->method = m->start = m->body = (struct message_text){"", 0};
	m->cseq = -1;
	m->source = m->target = "";
	if (!message_line(&rest, &m->start))
		return 0;
	message_read_start(m);
	while (m->nfields < MESSAGE_FIELDS && message_take_line(&rest, &line)) {
		if (line.n == 0) {
			m->whole = true;
			break;
		}
		if (message_add(m, line, &room) != 0) {
			message_fini(m);
			return -ERR_NOMEM;
		}
	}
	m->body = rest;
	message_read_cseq(m);
	return 0;
}

void
message_fini(struct message *m)
{
	free(m->field);
	memset(m, 0, sizeof *m);
}

/* ---- fields ---------------------------------------------------------------
 */

const struct message_field *
message_find(const struct message *m, const char *name, size_t nth)
{
	size_t i;

	for (i = 0; i < m->nfields; i++) {
		if (message_text_is(m->field[i].name, name) && nth-- == 0)
			return &m->field[i];
	}
	return NULL;
}

struct message_text
message_value(const struct message *m, const char *name)
{
	const struct message_field *f = message_find(m, name, 0);

	return f != NULL ? f->value : (struct message_text){"", 0};
}

bool
message_lists(const struct message *m, const char *name, const char *word)
{
	const struct message_field *f;
	struct message_text rest, one;
	const char *comma;
	size_t nth;

	for (nth = 0; (f = message_find(m, name, nth)) != NULL; nth++) {
		for (rest = f->value; rest.n > 0;) {
			comma = memchr(rest.at, ',', rest.n);
			one.at = rest.at;
			one.n = comma != NULL ? (size_t)(comma - rest.at)
					      : rest.n;
			rest.at += one.n + (comma != NULL);
			rest.n -= one.n + (comma != NULL);
			if (message_text_is(message_trim(one), word))
				return true;
		}
	}
	return false;
}

bool
message_has_sdp(const struct message *m)
{
	static const char sdp[] = "application/sdp";
	struct message_text type = message_value(m, "Content-Type");

	return m->body.n > 0 && type.n >= sizeof sdp - 1 &&
	    str_iequal(type.at, sizeof sdp - 1, sdp);
}
