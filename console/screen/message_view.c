/*
 * A message as lines of text: its fields side by side, as it came, in
 * hexadecimal, and what differs from another. What is wrong with it stands
 * above its fields.
 */
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define VIEW_NAME 15	 /* columns of a name */
#define VIEW_LEAST 8	 /* columns that a value has at least */
#define VIEW_HEX_WIDE 76 /* columns of a line of 16 bytes */

const char *const message_tab_names[MESSAGE_TABS] = {
    "Parsed", "Raw", "Hex", "Diff"};

/* As much of a value as there is room for: up to a space or, in what has none,
 * behind a parameter. */
static void
view_take(struct buf *b, const char **s, unsigned room)
{
	const char *from = *s, *end;
	struct buf piece = BUF_INIT;

	buf_str(&piece, "");
	text_take(&piece, s, room);
	if (**s != '\0' && (*s)[-1] != ' ') {
		for (end = *s; end > from && strchr(",;&", end[-1]) == NULL;)
			end--;
		*s = end > from ? end : *s;
	}
	buf_add(b, from,
	    piece.len < (size_t)(*s - from) ? piece.len : (size_t)(*s - from));
	buf_fini(&piece);
}

/* What begins in column indent, in lines of a width. */
static void
view_put_wrapped(struct buf *b, const char *s, unsigned indent, unsigned width)
{
	unsigned room = width > indent + VIEW_LEAST ? width - indent
						    : VIEW_LEAST;

	for (;;) {
		view_take(b, &s, room);
		buf_char(b, '\n');
		if (*s == '\0')
			break;
		text_pad(b, indent);
	}
}

/* A line of some words and a text behind them. */
static void
view_put_named(struct buf *b, const char *name, unsigned columns,
    struct message_text value, unsigned width)
{
	struct buf text = BUF_INIT;
	unsigned used = text_width(name);

	if (used > 0 && used >= columns)
		columns = used + 1;
	buf_str(&text, "");
	message_put(&text, value);
	buf_str(b, name);
	text_pad(b, columns - used);
	view_put_wrapped(b, text.data, columns, width);
	buf_fini(&text);
}

/* Lines that are a text already, a sign or spaces in front. */
static void
view_put_lines(
    struct buf *b, const char *front, const char *lines, unsigned width)
{
	struct message_text rest = {lines, strlen(lines)}, line;

	while (message_line(&rest, &line))
		view_put_named(b, front, 0, line, width);
}

/* ---- parsed ----------------------------------------------------------------
 */

static void
view_put_warnings(
    const struct message *list, size_t at, unsigned width, struct buf *b)
{
	size_t request = message_request_of(list, at);
	size_t offer = message_offer_of(list, at);
	struct buf lines = BUF_INIT;

	buf_str(&lines, "");
	message_check(&list[at],
	    request != MESSAGE_NONE ? &list[request] : NULL,
	    offer != MESSAGE_NONE ? &list[offer] : NULL, &lines);
	view_put_lines(b, "!", lines.data, width);
	if (request != MESSAGE_NONE) {
		buf_fmt(b, "answers message %zu: ", request + 1);
		message_put(b, list[request].method);
		buf_char(b, '\n');
	}
	buf_fini(&lines);
}

static void
view_put_fields(const struct message *m, unsigned width, struct buf *b)
{
	struct buf name = BUF_INIT;
	size_t i;

	for (i = 0; i < m->nfields; i++) {
		buf_reset(&name);
		buf_str(&name, "");
		message_put(&name, m->field[i].name);
		view_put_named(
		    b, name.data, VIEW_NAME, m->field[i].value, width);
	}
	buf_fini(&name);
}

static void
view_put_sdp(
    const struct message *list, size_t at, unsigned width, struct buf *b)
{
	size_t offer = message_offer_of(list, at);
	size_t before = offer != MESSAGE_NONE ? offer
					      : message_sdp_before(list, at);
	struct buf lines = BUF_INIT;

	buf_str(b, "-- SDP\n");
	message_sdp_put(list[at].body, &lines);
	view_put_lines(b, " ", lines.data, width);
	buf_reset(&lines);
	buf_str(&lines, "");
	if (before != MESSAGE_NONE) {
		message_sdp_put_changes(
		    list[before].body, list[at].body, &lines);
		buf_fmt(b, "-- %s as in message %zu, %s\n",
		    lines.len != 0 ? "SDP: not" : "SDP: all", before + 1,
		    offer != MESSAGE_NONE ? "the offer" : "the one before");
		view_put_lines(b, " ", lines.data, width);
	}
	buf_fini(&lines);
}

static void
view_put_body(const struct message *m, unsigned width, struct buf *b)
{
	struct message_text rest = m->body, line;

	buf_fmt(b, "-- Body of %zu bytes\n", rest.n);
	while (message_line(&rest, &line))
		view_put_named(b, " ", 0, line, width);
}

static void
view_put_parsed(
    const struct message *list, size_t at, unsigned width, struct buf *b)
{
	const struct message *m = &list[at];

	view_put_named(b, "", 0, m->start, width);
	view_put_warnings(list, at, width, b);
	view_put_fields(m, width, b);
	if (message_has_sdp(m))
		view_put_sdp(list, at, width, b);
	else if (m->body.n > 0)
		view_put_body(m, width, b);
}

/* ---- raw and hex ------------------------------------------------------------
 */

static void
view_put_raw(const struct message *m, struct buf *b)
{
	struct message_text rest = m->all, line;

	while (message_line(&rest, &line)) {
		message_put(b, line);
		buf_char(b, '\n');
	}
}

/* "00000010  53 49 50 ..  |SIP ..|" */
static void
view_put_hex_line(
    const unsigned char *p, size_t at, size_t n, size_t whole, struct buf *b)
{
	size_t i;

	buf_fmt(b, "%06zx  ", at);
	for (i = 0; i < whole; i++) {
		if (i < n)
			buf_fmt(b, "%02x ", p[at + i]);
		else
			buf_str(b, "   ");
	}
	buf_str(b, " |");
	for (i = 0; i < n; i++)
		buf_char(b,
		    p[at + i] >= ' ' && p[at + i] < 0x7f ? (char)p[at + i]
							 : '.');
	buf_str(b, "|\n");
}

static void
view_put_hex(const struct message *m, unsigned width, struct buf *b)
{
	const unsigned char *p = (const unsigned char *)m->all.at;
	size_t whole = width >= VIEW_HEX_WIDE ? 16 : 8, at, n;

	for (at = 0; at < m->all.n; at += whole) {
		n = m->all.n - at;
		view_put_hex_line(p, at, n < whole ? n : whole, whole, b);
	}
}

/* ---- diff --------------------------------------------------------------- */

struct view_diff {
	struct buf *b;
	unsigned width;
	size_t count;
};

static void
view_on_difference(void *arg, char sign, struct message_text name,
    struct message_text first, struct message_text second)
{
	struct view_diff *d = arg;
	struct buf front = BUF_INIT;
	bool is_line = name.n == 0 && sign != '~';

	d->count++;
	buf_fmt(&front, is_line ? "%c" : "%c ", sign);
	message_put(&front, name);
	if (first.n == 0 && second.n == 0 && sign == '~')
		buf_str(&front, " (too much of it to compare)");
	view_put_named(d->b, front.data, is_line ? 0 : VIEW_NAME + 2,
	    sign == '+' ? second : first, d->width);
	if (sign == '~' && (first.n != 0 || second.n != 0))
		view_put_named(d->b, "  ->", VIEW_NAME + 2, second, d->width);
	buf_fini(&front);
}

static void
view_put_diff(const struct message *list, size_t at, size_t against,
    unsigned width, struct buf *b)
{
	struct buf lines = BUF_INIT;
	struct view_diff d = {.b = &lines, .width = width};
	size_t same;

	if (against == MESSAGE_NONE) {
		buf_str(b, "no other message of this call says the same\n");
		return;
	}
	same = message_diff(&list[against], &list[at], view_on_difference, &d);
	buf_fmt(b, "-- from message %zu, %s > %s, to this one: ", against + 1,
	    list[against].source, list[against].target);
	if (d.count == 0)
		buf_str(b, "nothing differs\n");
	else
		buf_fmt(b, "%zu header field%s the same\n", same,
		    same == 1 ? " is" : "s are");
	buf_str(b, lines.data != NULL ? lines.data : "");
	buf_fini(&lines);
}

/* ------------------------------------------------------------------------------
 */

void
message_view_put(const struct message *list, size_t at, enum message_tab tab,
    size_t against, unsigned width, struct buf *b)
{
	buf_str(b, "");
	switch (tab) {
	case MESSAGE_RAW:
		view_put_raw(&list[at], b);
		break;
	case MESSAGE_HEX:
		view_put_hex(&list[at], width, b);
		break;
	case MESSAGE_DIFF:
		view_put_diff(list, at, against, width, b);
		break;
	default:
		view_put_parsed(list, at, width, b);
	}
}

enum tone
message_view_tone(const char *line)
{
	if (line[0] == '!')
		return TONE_BAD;
	if (strncmp(line, "--", 2) == 0)
		return TONE_HEAD;
	return TONE_PLAIN;
}
