#ifndef CONTROL_EXPORT_H
#define CONTROL_EXPORT_H

#include "trace_show.h"

/*
 * A recorded call as a file: op_call_export.c asks for the call, walks its
 * messages and cuts what is written into pieces; how a format looks is in
 * export_*.c.
 */

struct export
{
	struct trace_show *show;
	json_t *rows;	/* messages in their order */
	struct buf out; /* not yet in a piece */
};

struct export_format {
	bool raw; /* it is made of bytes, otherwise of lines */
	/* In front of all messages; fails when the call cannot be written so.
	 */
	int (*begin)(struct export *, struct err *);
	/* One of them, the i-th; NULL: begin has written all. */
	void (*one)(struct export *, json_t *row, size_t i);
};

extern const struct export_format export_text, export_markdown, export_json,
    export_pcap, export_pcapng, export_sipp_uac, export_sipp_uas;

/* What was hidden in the call and from whom it is hidden, as sentences; ""
 * when nothing was. */
void export_masks(const struct export *, struct buf *);

/* ---- export_packet.c: messages as datagrams that never were (pure) --------
 */

#define EXPORT_PAYLOAD 65000u /* bytes of a message; what is longer is cut */
#define EXPORT_HEADS 48
/* Heads of IP and UDP in front of n bytes; their length. A message over TCP,
 * TLS or WebSocket stands in a datagram, too, so that it is read like any
 * other. Addresses may be AF_UNSPEC. */
size_t packet_heads(uint8_t out[EXPORT_HEADS], const union addr *from,
    const union addr *to, const void *text, size_t n);

/* ---- export_pcap.c (pure) --------------------------------------------------
 */

/* Files in pieces, behind what the buffer has; time in us. */
void pcapng_begin(struct buf *, const char *comment);
void pcapng_packet(struct buf *, uint64_t time, const union addr *from,
    const union addr *to, const void *text, size_t n, const char *comment);
void pcap_begin(struct buf *);
void pcap_packet(struct buf *, uint64_t time, const union addr *from,
    const union addr *to, const void *text, size_t n);

/* ---- export_hep.c (pure) ----------------------------------------------------
 */

struct hep {
	uint64_t time; /* us */
	enum sip_proto proto;
	union addr from, to; /* AF_UNSPEC: not known, IPv4 zeroes */
	uint32_t agent;	     /* number of who captures */
	const char *secret;  /* that the collector wants; NULL = none */
	const char *call;    /* by which it joins legs */
	const void *text;
	size_t n;
};
/* A packet of HEP3 behind what the buffer has. */
void hep_packet(struct buf *, const struct hep *);

/* ---- export_sipp.c (pure) ----------------------------------------------- */

/*
 * A scenario of SIPp that says what one side of a leg has said, and expects
 * what it heard. rows: its messages at the gate, in order, with "text", "out",
 * "reply" and "corrected". client: the side that asked first. comment may be
 * NULL. -ERR_ABSENT when there is nothing to be said, -ERR_INVALID when the
 * first message is no INVITE or is not whole.
 */
int sipp_scenario(
    struct buf *, json_t *rows, bool client, const char *comment, struct err *);

#endif
