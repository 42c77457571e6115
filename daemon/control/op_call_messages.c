/* Operation show call messages: their texts. */
#include <stdlib.h>

#include "trace_show.h"
#include "daemon/base/mem.h"

static void
messages_put_one(struct trace_show *s, json_t *row, int64_t number)
{
	json_t *lines = json_object_get(row, "lines"), *line;
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
}

/* All of it in one row. */
static void
messages_put_bytes(struct trace_show *s, json_t *row, int64_t number)
{
	size_t n;
	const char *bytes = show_text(row, &n);
	char *text = xb64(bytes, n);

	op_row(s->call);
	op_put_int(s->call, "message", number);
	show_put_offset(s, row);
	show_put_hop(s, row);
	op_put(s->call, "bytes", text);
	free(text);
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
