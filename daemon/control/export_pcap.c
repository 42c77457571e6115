/*
 * Messages as a file that Wireshark reads, of raw IP: pcapng
 * (draft-ietf-opsawg-pcapng) with a comment for each, which says how it really
 * came, or pcap (draft-ietf-opsawg-pcap), which has no room for words. Numbers
 * are little-endian but for those of IP.
 *
 *   pcapng  a section and an interface, then a packet block for each message:
 *           type 4, length 4, interface 4, time 8 (us, the upper half first),
 *           kept 4, real 4, packet, padding to 4; options: comment, end;
 *           length 4 again
 *   pcap    magic 4, version 2 2, zeroes 8, limit 4, link type 4; then seconds
 *           4, us 4, kept 4, real 4, packet
 */
#include <endian.h>
#include <string.h>

#include "export.h"
#include "daemon/base/clock.h"

#define PCAPNG_SECTION 0x0a0d0d0au
#define PCAPNG_INTERFACE 1u
#define PCAPNG_PACKET 6u
#define PCAPNG_COMMENT 1u
#define PCAPNG_WORDS 16384     /* bytes of a comment, about */
#define PCAP_MAGIC 0xa1b2c3d4u /* times in us */
#define PCAP_RAW_IP 101u
#define PCAP_LIMIT 262144u /* bytes of a packet */

static void
pcap_32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_add(b, &v, sizeof v);
}

static void
pcap_16(struct buf *b, unsigned v)
{
	uint16_t le = htole16((uint16_t)v);

	buf_add(b, &le, sizeof le);
}

static void
pcap_pad(struct buf *b, size_t n)
{
	for (n = (4 - n % 4) % 4; n > 0; n--)
		buf_char(b, '\0');
}

/* A message as it may be kept: heads, then so much of it. */
struct pcap_cut {
	uint8_t heads[EXPORT_HEADS];
	size_t head, kept;
};

static struct pcap_cut
pcap_cut(
    const union addr *from, const union addr *to, const void *text, size_t n)
{
	struct pcap_cut c = {.kept = n < EXPORT_PAYLOAD ? n : EXPORT_PAYLOAD};

	c.head = packet_heads(c.heads, from, to, text, c.kept);
	return c;
}

/* ---- pcap ------------------------------------------------------------------
 */

void
pcap_begin(struct buf *b)
{
	pcap_32(b, PCAP_MAGIC);
	pcap_16(b, 2);
	pcap_16(b, 4);
	pcap_32(b, 0);
	pcap_32(b, 0);
	pcap_32(b, PCAP_LIMIT);
	pcap_32(b, PCAP_RAW_IP);
}

void
pcap_packet(struct buf *b, uint64_t time, const union addr *from,
    const union addr *to, const void *text, size_t n)
{
	struct pcap_cut c = pcap_cut(from, to, text, n);

	pcap_32(b, (uint32_t)(time / CLOCK_SEC));
	pcap_32(b, (uint32_t)(time % CLOCK_SEC));
	pcap_32(b, (uint32_t)(c.head + c.kept));
	pcap_32(b, (uint32_t)(c.head + n));
	buf_add(b, c.heads, c.head);
	buf_add(b, text, c.kept);
}

/* ---- pcapng -----------------------------------------------------------------
 */

/* A comment and the end of options and block, which began at from. */
static void
pcapng_end(struct buf *b, size_t from, const char *comment)
{
	size_t n = strlen(comment);
	uint32_t length;

	pcap_16(b, PCAPNG_COMMENT);
	pcap_16(b, (unsigned)n);
	buf_add(b, comment, n);
	pcap_pad(b, n);
	pcap_32(b, 0);
	length = htole32((uint32_t)(b->len + 4 - from));
	buf_add(b, &length, sizeof length);
	if (!b->failed)
		memcpy(b->data + from + 4, &length, sizeof length);
}

void
pcapng_begin(struct buf *b, const char *comment)
{
	size_t from = b->len;

	pcap_32(b, PCAPNG_SECTION);
	pcap_32(b, 0);
	pcap_32(b, 0x1a2b3c4d);
	pcap_16(b, 1);
	pcap_16(b, 0);
	pcap_32(b, UINT32_MAX); /* the length is not said */
	pcap_32(b, UINT32_MAX);
	pcapng_end(b, from, comment);
	from = b->len;
	pcap_32(b, PCAPNG_INTERFACE);
	pcap_32(b, 0);
	pcap_16(b, PCAP_RAW_IP);
	pcap_16(b, 0);
	pcap_32(b, 0);
	pcapng_end(b, from, "SIP as the gates have passed it");
}

void
pcapng_packet(struct buf *b, uint64_t time, const union addr *from,
    const union addr *to, const void *text, size_t n, const char *comment)
{
	struct pcap_cut c = pcap_cut(from, to, text, n);
	size_t begun = b->len;

	pcap_32(b, PCAPNG_PACKET);
	pcap_32(b, 0);
	pcap_32(b, 0); /* of the one interface */
	pcap_32(b, (uint32_t)(time >> 32));
	pcap_32(b, (uint32_t)time);
	pcap_32(b, (uint32_t)(c.head + c.kept));
	pcap_32(b, (uint32_t)(c.head + n));
	buf_add(b, c.heads, c.head);
	buf_add(b, text, c.kept);
	pcap_pad(b, c.head + c.kept);
	pcapng_end(b, begun, comment);
}

/* ---- a call ------------------------------------------------------------- */

static int
pcapng_export(struct export *x, struct err *e)
{
	struct buf comment = BUF_INIT;
	json_t *warning;
	size_t i;

	(void)e;
	buf_fmt(&comment, "Tandem, call %s. ", op_arg(x->show->call, "id"));
	export_masks(x, &comment);
	json_array_foreach (x->show->call->warn, i, warning) {
		if (comment.len < PCAPNG_WORDS)
			buf_fmt(&comment, " Warning: %s.",
			    json_string_value(warning));
	}
	pcapng_begin(&x->out, comment.data);
	buf_fini(&comment);
	return 0;
}

static void
pcapng_export_one(struct export *x, json_t *row, size_t i)
{
	bool out = json_is_true(json_object_get(row, "out"));
	struct buf comment = BUF_INIT;
	union addr from, to;
	const char *text;
	size_t n;

	(void)i;
	buf_fmt(&comment, "call %s leg %s, %s %s by %s%s",
	    op_arg(x->show->call, "id"), op_row_text(row, "leg"),
	    out ? "sent" : "received", op_row_text(row, "gate"),
	    show_proto(row),
	    json_is_true(json_object_get(row, "masked"))
		? ", credentials masked"
		: "");
	text = show_text(row, &n);
	show_addresses(row, &from, &to);
	pcapng_packet(&x->out, op_row_int(row, "corrected"), &from, &to, text,
	    n, comment.data);
	buf_fini(&comment);
}

const struct export_format export_pcapng = {
    .raw = true, .begin = pcapng_export, .one = pcapng_export_one};

static int
pcap_export(struct export *x, struct err *e)
{
	struct buf masks = BUF_INIT;

	(void)e;
	export_masks(x, &masks);
	if (masks.len > 0)
		op_warn(x->show->call,
		    "a file of format pcap cannot say it itself: %s",
		    masks.data);
	buf_fini(&masks);
	pcap_begin(&x->out);
	return 0;
}

static void
pcap_export_one(struct export *x, json_t *row, size_t i)
{
	union addr from, to;
	const char *text;
	size_t n;

	(void)i;
	text = show_text(row, &n);
	show_addresses(row, &from, &to);
	pcap_packet(&x->out, op_row_int(row, "corrected"), &from, &to, text, n);
}

const struct export_format export_pcap = {
    .raw = true, .begin = pcap_export, .one = pcap_export_one};
