/* Operation show call ladder: the messages of a call as a picture. */
#include "trace_show.h"

static void
ladder_put(struct trace_show *s, json_t *rows)
{
	struct ladder *l = ladder_new();
	struct buf b = BUF_INIT;
	char word[80];
	size_t i, from, to;
	json_t *row;

	json_array_foreach (rows, i, row)
		ladder_see(l, row);
	op_row(s->call);
	ladder_titles(l, &b);
	op_put(s->call, "ladder", b.data != NULL ? b.data : "");
	json_array_foreach (rows, i, row) {
		op_row(s->call);
		show_put_offset(s, row);
		show_word(row, word, sizeof word);
		buf_reset(&b);
		ladder_line(l, row, word, &b);
		op_put(s->call, "ladder", b.data);
		op_put(s->call, "message", word);
		ladder_ends(l, row, &from, &to);
		op_put_int(s->call, "from-column", (int64_t)from);
		op_put_int(s->call, "to-column", (int64_t)to);
		show_put_hop(s, row);
	}
	buf_fini(&b);
	ladder_free(&l);
}

static void
ladder_run(struct op_call *call)
{
	show_start(call, ladder_put, false);
}

static const struct op_field ladder_cols[] = {
    {.name = "at",
	.type = &op_type_text,
	.brief = "seconds since the first message"},
    {.name = "ladder", .type = &op_type_text, .brief = "the picture of it"},
    {.name = "message",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "method, or status and phrase"},
    {.name = "from-column",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "of the picture, where it leaves, from 0"},
    {.name = "to-column",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "of the picture, where it arrives"},
    HOP_COLS,
    {0},
};

const struct op control_op_call_ladder = {
    .name = "show call ladder",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "the messages of one call as a picture",
    .about =
	"Every message of all legs of a call, over all servers, an arrow "
	"each, from the recorders: of a call that goes on or that is over. "
	"The first row names the columns. Order is that of time, but a reply "
	"never stands in front of its request, nor what follows from a "
	"message of another leg in front of that; a clock that this shows to "
	"be wrong is put right, and a warning says by how much. "
	"Instead of an id a Call-ID finds what never became a call.",
    .example = "show call ladder 00000000000000000000000000000000",
    .args = show_args,
    .cols = ladder_cols,
    .run = ladder_run,
};
