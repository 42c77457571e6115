/* Operation export call: a recorded call as a file, in pieces. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "export.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define EXPORT_PIECE 49152u	/* bytes; three become four letters of base64 */
#define EXPORT_BYTES (8u << 20) /* of a file: its answer must fit HTTPS */

static const struct export_format *const export_formats[] = {&export_text,
    &export_markdown, &export_json, &export_pcapng, &export_pcap,
    &export_sipp_uac, &export_sipp_uas};
/* Of those, in their order. */
static const char *const export_names[] = {
    "text", "markdown", "json", "pcapng", "pcap", "sipp-uac", "sipp-uas", NULL};

static const struct export_format *
export_format(const struct op_call *call)
{
	size_t i = 0;

	while (!str_equal(export_names[i], op_arg(call, "format")))
		i++;
	return export_formats[i];
}

/* ---- what is hidden --------------------------------------------------------
 */

void
export_masks(const struct export *x, struct buf *b)
{
	size_t masked = 0, i;
	json_t *row;

	json_array_foreach (x->rows, i, row)
		masked += json_is_true(json_object_get(row, "masked"));
	if (masked > 0)
		buf_fmt(b,
		    "Credentials, keys of media or digits were masked in %zu "
		    "message%s when they were recorded.",
		    masked, masked == 1 ? "" : "s");
	if (!op_sees_persons(&x->show->call->who))
		buf_fmt(b, "%sPersons are masked: %s does not see them.",
		    masked > 0 ? " " : "", x->show->call->who.name);
	buf_str(b, "");
}

/* ---- pieces -----------------------------------------------------------------
 */

static void
export_piece(struct export *x, size_t n)
{
	char *text = xmalloc(n / 3 * 4 + 5);

	EVP_EncodeBlock(
	    (unsigned char *)text, (unsigned char *)x->out.data, (int)n);
	op_row(x->show->call);
	op_put(x->show->call, "piece", text);
	buf_eat(&x->out, n);
	free(text);
}

/* What was written so far, in whole pieces; at the end all of it. */
static void
export_cut(struct export *x, bool end)
{
	while (x->out.len >= EXPORT_PIECE)
		export_piece(x, EXPORT_PIECE);
	if (end && x->out.len > 0)
		export_piece(x, x->out.len);
}

static bool
export_is_full(const struct export *x)
{
	return json_array_size(x->show->call->rows) >=
	    EXPORT_BYTES / EXPORT_PIECE;
}

static void
export_messages(struct export *x, const struct export_format *f)
{
	json_t *row;
	size_t i;

	json_array_foreach (x->rows, i, row) {
		f->one(x, row, i);
		export_cut(x, false);
		if (export_is_full(x) && i + 1 < json_array_size(x->rows)) {
			op_warn(x->show->call,
			    "the file has the first %zu of %zu messages: it "
			    "would be larger than %u MiB",
			    i + 1, json_array_size(x->rows),
			    EXPORT_BYTES >> 20);
			return;
		}
	}
}

static void
export_put(struct trace_show *s, json_t *rows)
{
	const struct export_format *f = export_format(s->call);
	struct export x = {.show = s, .rows = rows};

	if (f->begin(&x, &s->failed) == 0) {
		if (f->one != NULL)
			export_messages(&x, f);
		export_cut(&x, true);
	}
	buf_fini(&x.out);
}

/* ---- the operation ------------------------------------------------------ */

/* The stream of commits can be read now, or not: the file says so then. */
static void
export_on_commits(void *arg, sqlite3 *db, const struct err *e)
{
	struct op_call *call = arg;

	(void)db;
	(void)e;
	show_start(call, export_put, export_format(call)->raw);
}

static void
export_run(struct op_call *call)
{
	if (export_format(call) == &export_markdown)
		streams_read(control_of(call)->streams, "commit",
		    export_on_commits, call);
	else
		show_start(call, export_put, export_format(call)->raw);
}

static const struct op_field export_args[] = {
    SHOW_ARG_ID,
    {.name = "format",
	.type = &op_type_choice,
	.choices = export_names,
	.def = "text",
	.brief = "of the file"},
    {.name = "messages",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "text, markdown: the messages behind the ladder"},
    {.name = "width",
	.type = &op_type_int,
	.min = 40,
	.max = 400,
	.brief = "text, markdown: characters of a line of the ladder"},
    {.name = "utf-8",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "text, markdown: a ladder with lines that are no ASCII"},
    {.name = "leg",
	.type = &op_type_name,
	.def = "a",
	.brief = "sipp: of which leg; a is the caller's"},
    {0},
};

static const struct op_field export_cols[] = {
    {.name = "piece",
	.type = &op_type_piece,
	.brief = "of the file, base64: to be put together in order"},
    {0},
};

const struct op control_op_call_export = {
    .name = "export call",
    .kind = OP_READ,
    .access = OP_OPERATOR,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .audited = true,
    .brief = "the messages of one call as a file",
    .about =
	"What show call ladder and show call messages show, for others: text "
	"and markdown for a ticket, with what is known of the call and, asked "
	"for, its messages; json a line for each message; pcapng and pcap for "
	"Wireshark, each message as a datagram; sipp-uac and sipp-uas what "
	"either side of a leg has said, as a scenario of sipp that says it "
	"again. The console writes the file: behind a bar with save, or to "
	"standard output; programs get it in pieces of base64. What is masked "
	"there is masked here, and the file says so, but for pcap, which has "
	"no room for words. The audit tells who has exported what.",
    .example = "export call 00000000000000000000000000000000\n"
	       "export call 00000000000000000000000000000000 format pcapng | "
	       "save call.pcapng",
    .args = export_args,
    .cols = export_cols,
    .run = export_run,
};
