/* Operation show call capture: them as a file for Wireshark. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_show.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

/* The piece as a row. */
static void
capture_put_piece(struct trace_show *s, struct buf *b)
{
	char *text = xmalloc(b->len / 3 * 4 + 5);

	EVP_EncodeBlock(
	    (unsigned char *)text, (unsigned char *)b->data, (int)b->len);
	op_row(s->call);
	op_put(s->call, "piece", text);
	free(text);
	buf_reset(b);
}

/* "192.0.2.7:5060" of a row; none when it is none. */
static void
capture_address(union addr *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	int64_t port;

	memset(a, 0, sizeof *a);
	if (colon != NULL && str_int(colon + 1, 0, 65535, &port))
		addr_nparse(a, text, (size_t)(colon - text), (uint16_t)port);
}

static void
capture_put_one(struct trace_show *s, json_t *row, struct buf *b)
{
	bool out = json_is_true(json_object_get(row, "out"));
	union addr local, peer;
	char comment[512], *text;
	size_t n;

	if ((text = show_bytes(s, row, &n)) == NULL)
		return;
	capture_address(&local, op_row_text(row, "local"));
	capture_address(&peer, op_row_text(row, "peer"));
	snprintf(comment, sizeof comment, "call %.40s leg %s, %s %s by %s%s",
	    op_arg(s->call, "id"), op_row_text(row, "leg"),
	    out ? "sent" : "received", op_row_text(row, "gate"),
	    sip_proto_name(
		(enum sip_proto)(trace_int(row, "proto") % SIP_PROTOS)),
	    json_is_true(json_object_get(row, "masked"))
		? ", credentials masked"
		: "");
	pcapng_packet(b, trace_int(row, "corrected"), out ? &local : &peer,
	    out ? &peer : &local, text, n, comment);
	free(text);
}

static void
capture_put(struct trace_show *s, json_t *rows)
{
	struct buf b = BUF_INIT;
	json_t *row;
	size_t i;

	pcapng_begin(&b,
	    op_sees_persons(&s->call->who) ? "tandem"
					   : "tandem; persons are masked");
	capture_put_piece(s, &b);
	json_array_foreach (rows, i, row) {
		capture_put_one(s, row, &b);
		if (b.len > 0)
			capture_put_piece(s, &b);
	}
	buf_fini(&b);
}

static void
capture_run(struct op_call *call)
{
	show_start(call, capture_put, true);
}

static const struct op_field capture_cols[] = {
    {.name = "piece",
	.type = &op_type_text,
	.brief = "of the file, base64: to be put together in order"},
    {0},
};

const struct op control_op_call_capture = {
    .name = "show call capture",
    .kind = OP_READ,
    .access = OP_OPERATOR,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "the messages of one call as pcapng for Wireshark",
    .about =
	"What show call messages shows as a file, in pieces of base64, each "
	"message as a datagram with a comment that says where it passed and "
	"how it really came. For programs: tandem --json -c 'show call "
	"capture ID' | jq -r '.data[].piece' | base64 -d > call.pcapng. What "
	"is masked there is masked here.",
    .example = "show call capture 00000000000000000000000000000000",
    .args = show_args,
    .cols = capture_cols,
    .run = capture_run,
};
