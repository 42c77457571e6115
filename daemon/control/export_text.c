/*
 * A call for people: its ladder as text, or as Markdown for a ticket with what
 * is known of the call. Lines are those of the record, already escaped; what
 * Markdown would take for its own is escaped here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "export.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"

#define TEXT_MARGIN 11 /* characters in front of the ladder */

/* ---- both --------------------------------------------------------------- */

/* The picture, a line for each message. */
static void
text_ladder(struct export *x, struct buf *b)
{
	size_t width = (size_t)op_arg_int(x->show->call, "width", 0), i;
	struct ladder *l = ladder_new();
	char at[TRACE_OFFSET], word[80];
	json_t *row;

	ladder_fit(l, width > TEXT_MARGIN ? width - TEXT_MARGIN : 0,
	    op_arg_flag(x->show->call, "utf-8"));
	json_array_foreach (x->rows, i, row)
		ladder_see(l, row);
	buf_fmt(b, "%*s", TEXT_MARGIN, "");
	ladder_titles(l, b);
	buf_char(b, '\n');
	json_array_foreach (x->rows, i, row) {
		show_offset(x->show, row, at);
		show_word(row, word, sizeof word);
		buf_fmt(b, "%*s ", TEXT_MARGIN - 1, at);
		ladder_line(l, row, word, b);
		buf_char(b, '\n');
	}
	ladder_free(&l);
}

/* "3  +0.012  leg a  101 -> sg/1  tls 192.0.2.7:5061" */
static void
text_hop(struct export *x, json_t *row, size_t i, struct buf *b)
{
	bool out = json_is_true(json_object_get(row, "out"));
	char at[TRACE_OFFSET];

	show_offset(x->show, row, at);
	buf_fmt(b, "%zu  %s  leg %s  %s -> %s  %s %s", i + 1, at,
	    op_row_text(row, "leg"), op_row_text(row, out ? "gate" : "other"),
	    op_row_text(row, out ? "other" : "gate"), show_proto(row),
	    op_row_text(row, "peer"));
}

static void
text_lines(json_t *row, struct buf *b)
{
	json_t *line;
	size_t i;

	json_array_foreach (json_object_get(row, "lines"), i, line)
		buf_fmt(b, "%s\n", json_string_value(line));
}

/* ---- text --------------------------------------------------------------- */

static int
text_begin(struct export *x, struct err *e)
{
	struct buf masks = BUF_INIT;
	json_t *warning;
	size_t i;

	(void)e;
	export_masks(x, &masks);
	buf_fmt(&x->out, "Call %s\n", op_arg(x->show->call, "id"));
	if (masks.len > 0)
		buf_fmt(&x->out, "%s\n", masks.data);
	json_array_foreach (x->show->call->warn, i, warning)
		buf_fmt(&x->out, "Warning: %s\n", json_string_value(warning));
	buf_char(&x->out, '\n');
	text_ladder(x, &x->out);
	buf_fini(&masks);
	return 0;
}

static void
text_one(struct export *x, json_t *row, size_t i)
{
	if (!op_arg_flag(x->show->call, "messages"))
		return;
	buf_char(&x->out, '\n');
	text_hop(x, row, i, &x->out);
	buf_char(&x->out, '\n');
	text_lines(row, &x->out);
}

const struct export_format export_text = {.begin = text_begin, .one = text_one};

/* ---- Markdown ----------------------------------------------------------- */

/* As text that is text. */
static void
markdown_plain(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (strchr("\\`*_{}[]<>()#+-!|~&", *s) != NULL)
			buf_char(b, '\\');
		buf_char(b, *s);
	}
}

static void
markdown_fence_line(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_char(b, '`');
	buf_char(b, '\n');
}

/* Lines as they are, in a fence that is longer than any of theirs. */
static void
markdown_fence(struct buf *b, const struct buf *lines)
{
	size_t longest = 2, run = 0, i;

	for (i = 0; i < lines->len; i++) {
		run = lines->data[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	markdown_fence_line(b, longest + 1);
	buf_add(b, lines->data, lines->len);
	markdown_fence_line(b, longest + 1);
}

static void
markdown_fact(struct buf *b, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	buf_fmt(b, "| %s | ", name);
	markdown_plain(b, value);
	buf_str(b, " |\n");
}

static void
markdown_time(struct buf *b, const char *name, uint64_t us)
{
	char text[CLOCK_TEXT];

	if (us == 0)
		return;
	clock_text(text, us);
	markdown_fact(b, name, text);
}

/* The last that was decided before the call; how many are kept is the store's
 * matter. */
static bool
markdown_revision(struct export *x, uint64_t start, char *out, size_t size)
{
	struct control *c = control_of(x->show->call);
	sqlite3 *db = streams_db(c->streams, "commit");
	sqlite3_stmt *s;
	bool found;

	if (db == NULL ||
	    sqlite3_prepare_v2(db,
		"SELECT max(rev) FROM revision WHERE time <= ?1", -1, &s,
		NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)start);
	found = sqlite3_step(s) == SQLITE_ROW &&
	    sqlite3_column_type(s, 0) == SQLITE_INTEGER;
	if (found)
		snprintf(
		    out, size, "%lld", (long long)sqlite3_column_int64(s, 0));
	sqlite3_finalize(s);
	return found;
}

/* A fact that has what is known of the call as a whole: that of its end, or of
 * any leg while it goes on. */
static json_t *
markdown_known(const struct export *x)
{
	return x->show->end != NULL
	    ? x->show->end
	    : json_object_iter_value(json_object_iter(x->show->legs));
}

static void
markdown_end(struct export *x, struct buf *b)
{
	json_t *end = x->show->end;
	char text[200];

	if (end == NULL)
		return;
	markdown_time(b, "ended", op_row_int(end, "time"));
	snprintf(text, sizeof text, "%u %.180s",
	    (unsigned)op_row_int(end, "status"), op_row_text(end, "reason"));
	markdown_fact(b, "result", text);
}

static void
markdown_facts(struct export *x, struct buf *b)
{
	struct op_call *call = x->show->call;
	json_t *known = markdown_known(x);
	bool persons = op_sees_persons(&call->who);
	struct trace_times t = {0};
	char rev[24];

	buf_str(b, "| | |\n|-|-|\n");
	markdown_fact(b, "domain", op_row_text(known, "domain"));
	markdown_fact(
	    b, "caller", persons ? op_row_text(known, "from") : OP_MASK);
	markdown_fact(
	    b, "dialled", persons ? op_row_text(known, "to") : OP_MASK);
	if (!trace_times_read(&t, op_row_text(known, "times")) || t.start == 0)
		t.start = x->show->start;
	markdown_time(b, "began", t.start);
	markdown_time(b, "rang", t.ring);
	markdown_time(b, "answered", t.answer);
	markdown_end(x, b);
	if (markdown_revision(x, t.start, rev, sizeof rev))
		markdown_fact(b, "configuration revision", rev);
	markdown_time(b, "exported", clock_real());
	markdown_fact(b, "by", call->who.name);
}

static void
markdown_notes(struct export *x, struct buf *b)
{
	struct buf masks = BUF_INIT;
	json_t *warning;
	size_t i;

	export_masks(x, &masks);
	if (masks.len > 0 || json_array_size(x->show->call->warn) > 0)
		buf_str(b, "\n## Notes\n\n");
	if (masks.len > 0) {
		buf_str(b, "- ");
		markdown_plain(b, masks.data);
		buf_char(b, '\n');
	}
	json_array_foreach (x->show->call->warn, i, warning) {
		buf_str(b, "- ");
		markdown_plain(b, json_string_value(warning));
		buf_char(b, '\n');
	}
	buf_fini(&masks);
}

static int
markdown_begin(struct export *x, struct err *e)
{
	struct buf ladder = BUF_INIT;

	(void)e;
	buf_str(&x->out, "# Call ");
	markdown_plain(&x->out, op_arg(x->show->call, "id"));
	buf_str(&x->out, "\n\n");
	markdown_facts(x, &x->out);
	markdown_notes(x, &x->out);
	buf_str(&x->out, "\n## Ladder\n\n");
	text_ladder(x, &ladder);
	markdown_fence(&x->out, &ladder);
	buf_fini(&ladder);
	if (op_arg_flag(x->show->call, "messages"))
		buf_str(&x->out, "\n## Messages\n");
	return 0;
}

static void
markdown_one(struct export *x, json_t *row, size_t i)
{
	struct buf b = BUF_INIT;

	if (!op_arg_flag(x->show->call, "messages"))
		return;
	text_hop(x, row, i, &b);
	buf_str(&x->out, "\n### ");
	markdown_plain(&x->out, b.data);
	buf_str(&x->out, "\n\n");
	buf_reset(&b);
	text_lines(row, &b);
	markdown_fence(&x->out, &b);
	buf_fini(&b);
}

const struct export_format export_markdown = {
    .begin = markdown_begin, .one = markdown_one};
