/*
 * A call as lines of JSON: first an object that says which call it is and what
 * is hidden, then one for each message. All of ASCII, so that no line can drive
 * a terminal.
 */
#include <stdlib.h>

#include "export.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

static void
json_line(struct buf *b, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);

	buf_str(b, text);
	buf_char(b, '\n');
	free(text);
	json_decref(o);
}

static int
json_begin(struct export *x, struct err *e)
{
	struct op_call *call = x->show->call;
	struct buf masks = BUF_INIT;

	(void)e;
	export_masks(x, &masks);
	json_line(&x->out,
	    json_pack("{s:s, s:I, s:s, s:O}", "call", op_arg(call, "id"),
		"messages", (json_int_t)json_array_size(x->rows), "masks",
		masks.data, "warn", call->warn));
	buf_fini(&masks);
	return 0;
}

/* Its text where it is one, otherwise its bytes. */
static void
json_put_text(json_t *o, json_t *row)
{
	size_t n;
	const char *text = show_text(row, &n);
	char *bytes;

	if (str_utf8(text, n)) {
		json_object_set_new(o, "text", json_stringn(text, n));
		return;
	}
	bytes = xb64(text, n);
	json_object_set_new(o, "base64url", json_string(bytes));
	free(bytes);
}

static void
json_one(struct export *x, json_t *row, size_t i)
{
	static const char *const same[] = {"leg", "gate", "other", "local",
	    "peer", "out", "inside", "masked", "method", "status", "cseq",
	    "branch", "call-id"};
	char at[TRACE_OFFSET], time[CLOCK_TEXT];
	json_t *o;
	size_t k;

	clock_text(time, op_row_int(row, "time"));
	show_offset(x->show, row, at);
	o = json_pack("{s:I, s:s, s:s, s:s}", "message", (json_int_t)i + 1,
	    "time", time, "at", at, "transport", show_proto(row));
	for (k = 0; k < sizeof same / sizeof same[0]; k++)
		json_object_set(o, same[k], json_object_get(row, same[k]));
	json_put_text(o, row);
	json_line(&x->out, o);
}

const struct export_format export_json = {
    .raw = true, .begin = json_begin, .one = json_one};
