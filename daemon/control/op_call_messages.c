/* Operation show call messages: their texts. */
#include <stdlib.h>
#include <string.h>

#include "trace_show.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The text without persons for those who do not see them: lines as they are,
 * joined, masked, cut again. */
static json_t *
messages_lines(struct trace_show *s, json_t *row)
{
	json_t *lines = json_object_get(row, "lines"), *line, *out;
	struct buf b = BUF_INIT;
	size_t i, at, n;

	if (op_sees_persons(&s->call->who))
		return json_incref(lines);
	json_array_foreach (lines, i, line)
		buf_fmt(&b, "%s\n", json_string_value(line));
	buf_str(&b, "");
	trace_mask_persons(b.data, b.len);
	out = json_array();
	for (at = 0; at < b.len; at += n + 1) {
		n = strcspn(b.data + at, "\n");
		json_array_append_new(out, json_stringn(b.data + at, n));
	}
	buf_fini(&b);
	return out;
}

static void
messages_put_one(struct trace_show *s, json_t *row, int64_t number)
{
	json_t *lines = messages_lines(s, row), *line;
	size_t i;

	json_array_foreach (lines, i, line) {
		op_row(s->call);
		op_put_int(s->call, "message", number);
		if (i == 0) {
			show_put_offset(s, row);
			show_put_hop(s, row);
		}
		op_put(s->call, "line", json_string_value(line));
	}
	json_decref(lines);
}

/* All of it in one row. */
static void
messages_put_bytes(struct trace_show *s, json_t *row, int64_t number)
{
	char *bytes, *text;
	size_t n;

	op_row(s->call);
	op_put_int(s->call, "message", number);
	show_put_offset(s, row);
	show_put_hop(s, row);
	if ((bytes = show_bytes(s, row, &n)) == NULL)
		return;
	text = xmalloc(STR_B64_LEN(n) + 1);
	str_b64(text, bytes, n);
	op_put(s->call, "bytes", text);
	free(text);
	free(bytes);
}

static void
messages_put(struct trace_show *s, json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (s->raw)
			messages_put_bytes(s, row, (int64_t)i + 1);
		else
			messages_put_one(s, row, (int64_t)i + 1);
	}
}

static void
messages_run(struct op_call *call)
{
	show_start(call, messages_put, op_arg_flag(call, "bytes"));
}

static const struct op_field messages_args[] = {
    SHOW_ARG_ID,
    {.name = "bytes",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "a row each, with its bytes in place of lines"},
    {0},
};

static const struct op_field messages_cols[] = {
    {.name = "message",
	.type = &op_type_int,
	.brief = "its number in the call"},
    {.name = "at",
	.type = &op_type_text,
	.brief = "seconds since the first message"},
    {.name = "line", .type = &op_type_text, .brief = "of its text"},
    {.name = "bytes",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "all of it as base64 (RFC 4648 5), without padding"},
    HOP_COLS,
    {0},
};

const struct op control_op_call_messages = {
    .name = "show call messages",
    .kind = OP_READ,
    .access = OP_OPERATOR,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "the messages of one call, line by line",
    .about =
	"The texts of what show call ladder draws, as they came or went, "
	"after TLS: a row for each line, where it passed in the first row of "
	"each message; with bytes a row for each message, as it was. "
	"Credentials, keys of media and digits pressed were replaced by '*' "
	"before they were recorded; who people are is replaced for those who "
	"may not see it.",
    .example = "show call messages 00000000000000000000000000000000",
    .args = messages_args,
    .cols = messages_cols,
    .run = messages_run,
};
