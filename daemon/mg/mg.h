#ifndef MG_MG_H
#define MG_MG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/buf.h"
#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/map.h"
#include "daemon/base/sock.h"
#include "daemon/ng/ng.h"
#include "daemon/trace/ring.h"

/*
 * The media gate's own. A call has parties (one for each tag); a party has
 * one media for each section of its SDP; a media has two streams, RTP and
 * RTCP, each a socket that faces that party alone. What arrives on a stream
 * of one party leaves on the same stream of its peer.
 */

/* ---- mg_sdp.c: reading a session description (pure) -------------------- */

#define MG_SECTIONS 16
#define MG_SDP_LINE 4096

#define MG_SEND 1 /* the party that wrote the SDP sends */
#define MG_RECV 2 /* ... and wants to receive */

enum mg_kind {
	MG_KIND_NONE, /* cannot pass here: refused with port 0 */
	MG_KIND_RTP,
	MG_KIND_SRTP, /* passed as it is; keys are the parties' own */
	MG_KIND_DTLS, /* SRTP whose keys are agreed on the same port */
	MG_KIND_UDPTL /* T.38: datagrams without a source to be steady in */
};

struct mg_section {
	enum mg_kind kind;
	char media[16]; /* "audio" */
	char proto[32]; /* "RTP/AVP" */
	uint16_t port;	/* 0 = refused by who wrote it */
	union addr rtp; /* where it wants to receive; AF_UNSPEC = unknown */
	union addr rtcp;
	bool dead;     /* multicast: not ours to relay */
	bool hold;     /* 0.0.0.0: nothing may be sent to it (RFC 2543 hold) */
	bool has_rtcp; /* a=rtcp (RFC 3605) was there */
	bool mux;      /* a=rtcp-mux (RFC 5761) */
	bool crypto;   /* a=crypto or a=fingerprint: not ours to read */
	unsigned dir;  /* MG_SEND | MG_RECV */
	uint8_t first; /* the format it likes best */
	uint8_t formats[16]; /* bits: payload types */
	uint8_t events[16];  /* bits: those that are telephone-event */
	uint32_t rate[128];  /* clock of a payload type; 0 = unknown */
	uint8_t codec[128];  /* enum mg_codec of a payload type */
};

struct mg_sdp {
	const char *text; /* borrowed */
	size_t len;
	bool has_connection; /* a c= for the whole session */
	unsigned count;
	struct mg_section section[MG_SECTIONS];
};

/* Words of the error name the line. */
int mg_sdp_parse(struct mg_sdp *, const char *text, size_t n, struct err *);
/* The family of the first address that it names, or AF_UNSPEC. */
int mg_sdp_family(const struct mg_sdp *);

static inline bool
mg_kind_is_rtp(enum mg_kind kind)
{
	return kind == MG_KIND_RTP || kind == MG_KIND_SRTP ||
	    kind == MG_KIND_DTLS;
}

static inline bool
mg_bit(const uint8_t bits[16], unsigned pt)
{
	return (bits[pt >> 3 & 15] >> (pt & 7) & 1) != 0;
}

static inline void
mg_bit_set(uint8_t bits[16], unsigned pt)
{
	bits[pt >> 3 & 15] |= (uint8_t)(1u << (pt & 7));
}

/* Lines of an SDP, for parser and writer: line ends are taken off. */
struct mg_sdp_line {
	const char *s;
	size_t n;
	unsigned number;   /* from 1 */
	char type;	   /* 'm' of "m=..." */
	const char *value; /* behind the '=' */
	size_t len;
};
struct mg_sdp_cursor {
	const char *at, *end;
	unsigned number;
};
/* 1 = a line, 0 = the end, -ERR_x = not a line of an SDP. */
int mg_sdp_line(struct mg_sdp_cursor *, struct mg_sdp_line *, struct err *);
/* Is it "a=name" or "a=name:..."; then *value is what is behind. */
bool mg_sdp_attr(const struct mg_sdp_line *, const char *name,
    const char **value, size_t *len);
/* The next word of a line, spaces skipped; 0 = none. */
size_t mg_sdp_word(const char **at, const char *end, const char **word);

/* ---- mg_sdp_write.c: what the other party is shown (pure) -------------- */

#define MG_DIR_KEEP 4 /* as it was written */

struct mg_sdp_plan {
	bool origin; /* the address in o= becomes ours, too */
	bool fresh;  /* an SDP of our own: o=, s= are ours, no more than that */
	uint64_t session, version; /* of o= when fresh */
	union addr local;
	const uint8_t *mask; /* key that hides CNAMEs, 16 bytes; NULL = don't */
	struct mg_sdp_plan_section {
		uint16_t port; /* 0 = refuse */
		uint16_t rtcp; /* said when the SDP said it, or always ... */
		bool say_rtcp; /* ... with this */
		bool mux;
		unsigned dir;	     /* or MG_DIR_KEEP */
		uint8_t formats[16]; /* bits: those to keep */
	} section[MG_SECTIONS];
};
void mg_sdp_write(
    struct buf *, const struct mg_sdp *, const struct mg_sdp_plan *);
/* The same letters for the same name, of the same length. */
void mg_mask_name(char *name, size_t n, const uint8_t key[16]);

/* ---- mg_rtp.c: packets and what is counted of them (pure) --------------- */

/* What a datagram on a media port is, by its first bytes (RFC 7983). */
enum mg_packet {
	MG_PACKET_OTHER,
	MG_PACKET_RTP,
	MG_PACKET_RTCP,
	MG_PACKET_DTLS
};
struct mg_rtp {
	uint8_t pt;
	uint16_t seq;
	uint32_t time;
	uint32_t ssrc;
};
enum mg_packet mg_packet_kind(const uint8_t *, size_t n);
/* RFC 3550 5.1: version, and a header that fits. */
bool mg_rtp_parse(struct mg_rtp *, const uint8_t *, size_t n);
/* RFC 3550 6.1, 5506: packets that fill the datagram. Encrypted (RFC 3711):
 * only the first header can be read. */
bool mg_rtcp_check(const uint8_t *, size_t n, bool encrypted);
/* Hide the names of SDES items in their place (RFC 3550 6.5). */
void mg_rtcp_mask(uint8_t *, size_t n, const uint8_t key[16]);
void mg_rtp_set_ssrc(uint8_t *, uint32_t ssrc);

/* One synchronisation source and what came from it, RFC 3550 A.1, A.3, A.8. */
struct mg_source {
	uint32_t ssrc;
	uint8_t probation; /* packets still to come in order; 0 = accepted */
	bool used;
	bool timed; /* transit and time are set */
	uint8_t pt; /* of the last packet */
	uint16_t max_seq;
	uint32_t cycles;
	uint32_t base_seq;
	uint32_t bad_seq;
	uint32_t received;
	uint32_t misordered; /* late, or again */
	uint32_t twice;	     /* of those: again */
	uint32_t transit;
	uint32_t time;	 /* of the packet that made transit */
	uint32_t jitter; /* 16 times, in units of the clock */
	uint32_t clock;	 /* of the last payload type; 0 = unknown */
	uint64_t seen;	 /* bits: max_seq came, the one before, ... */
	uint64_t last;	 /* us */
};
/* Sums over the sources of a stream. */
struct mg_quality {
	uint64_t received;
	uint64_t expected;
	uint64_t lost;
	uint64_t misordered;
	uint64_t twice;
	uint32_t jitter_us; /* of the source heard last */
	uint32_t ssrc;	    /* its name */
	uint8_t pt;	    /* of its last packet */
};
#define MG_SOURCES 3
struct mg_sources {
	struct mg_source one[MG_SOURCES];
	struct mg_quality past; /* of those that ended or began anew */
	uint32_t gap; /* most numbers missing in a row since it was set to 0 */
};
/*
 * Count a packet. False when it must not pass: a new source must first show
 * two packets in order (RFC 3550 A.1), except the very first of a stream and
 * one that has just proven itself to the latch.
 */
bool mg_source_take(struct mg_sources *, const struct mg_rtp *, uint32_t clock,
    bool proven, uint64_t now);
void mg_source_sum(const struct mg_sources *, struct mg_quality *);
/* The source of that name, or NULL. */
const struct mg_source *mg_source_of(const struct mg_sources *, uint32_t ssrc);

/* ---- mg_report.c: what RTCP says of a stream (pure) --------------------- */

#define MG_REPORT_BLOCKS 8
struct mg_report {
	bool sent;    /* there is a sender's report */
	uint32_t ntp; /* the middle of its time */
	unsigned count;
	struct mg_report_block {
		uint32_t ssrc;	  /* of whom it speaks */
		uint8_t fraction; /* lost, of 256 */
		uint32_t jitter;  /* units of the clock of that source */
		uint32_t lsr, dlsr;
	} block[MG_REPORT_BLOCKS];
};
/* Of a packet that mg_rtcp_check has passed; what has no room is left out. */
void mg_report_read(struct mg_report *, const uint8_t *, size_t n);

/* What a party has said by RTCP. Two of its reports are remembered: where both
 * parties report at the same time, the answer to the last but one is on its way
 * while the last passes. */
#define MG_FAR_SENT 2
struct mg_far {
	struct mg_far_sent {
		uint32_t ntp; /* of a sender's report */
		uint64_t at;  /* when it passed, us; 0 = there was none */
	} sent[MG_FAR_SENT];
	bool heard, timed; /* what is below is known */
	uint8_t fraction;  /* lost of what it was sent, of 256 */
	uint32_t jitter_us;
	uint32_t rtt_us; /* between gate and party */
};
/* A report of the party; other: what its peer has said, whose sources are the
 * ones reported on. NULL = there is no peer. */
void mg_report_take(struct mg_far *, const struct mg_far *other,
    const struct mg_sources *, const struct mg_report *, uint64_t now);

/* ---- mg_mos.c: how good it sounds (pure) --------------------------------- */

enum mg_codec {
	MG_CODEC_OTHER,
	MG_CODEC_EVENT, /* keys that are pressed */
	MG_CODEC_NOISE, /* of silence */
	MG_CODEC_PCMU,
	MG_CODEC_PCMA,
	MG_CODEC_G722,
	MG_CODEC_G723,
	MG_CODEC_G729,
	MG_CODEC_OPUS,
	MG_CODECS
};
enum mg_codec mg_codec_find(const char *name, size_t n);
const char *mg_codec_name(enum mg_codec); /* "" = one that is not listed */

struct mg_hearing {
	enum mg_codec codec;
	double loss; /* 0 .. 1 */
	uint32_t jitter_us;
	uint32_t network_us; /* from the one party to the other */
};
/* 100 times the mean opinion score; 0 = there is no rule for the codec. */
unsigned mg_mos(const struct mg_hearing *);
/* R of a codec that is rated, and what it means. */
double mg_mos_rating(const struct mg_hearing *);
unsigned mg_mos_of_rating(double r);

/* ---- mg_latch.c: where a stream's party is (pure) ----------------------- */

/*
 * How well a source is known, the better the greater. A packet from the
 * signalled address and port proves it at once; one from the host that was
 * signalled, or from which the signalling came, needs MG_LATCH_NEAR of them;
 * any other is taken only when nothing better is known or has been silent,
 * and needs MG_LATCH_FAR. Where media and signalling name the same host, no
 * NAT stands between and no other is ever taken.
 */
enum mg_trust {
	MG_TRUST_NONE, /* nothing came yet that proves anything */
	MG_TRUST_FAR,
	MG_TRUST_NEAR,
	MG_TRUST_EXACT
};
#define MG_LATCH_NEAR 3
#define MG_LATCH_FAR 5
#define MG_LATCH_WINDOW 500000	 /* us for the packets of one latching */
#define MG_LATCH_SILENCE 2000000 /* us that a better source is waited for */

struct mg_candidate {
	union addr from;
	uint32_t ssrc;
	uint16_t seq;
	uint16_t count;
	uint64_t first; /* us */
};
struct mg_latch {
	bool open; /* signalled at all: before that nothing is accepted */
	enum mg_trust trust;  /* of remote */
	union addr remote;    /* to send to; AF_UNSPEC = nowhere */
	union addr signalled; /* AF_UNSPEC = unknown */
	union addr host;      /* the signalling's; AF_UNSPEC = unknown */
	bool again;	/* signalled anew: an equally good source may replace */
	uint64_t since; /* of the signalling, us */
	uint64_t heard; /* last packet of remote, us */
	struct mg_candidate near, far;
};
/* SDP told an address. host: where the signalling came from, or NULL. */
void mg_latch_signal(struct mg_latch *, const union addr *signalled,
    const union addr *host, uint64_t now);
enum mg_latched {
	MG_LATCH_DROP, /* a stray: must not pass */
	MG_LATCH_PASS, /* from remote */
	MG_LATCH_MOVED /* passes, and remote is new or proven now */
};
/* An RTP packet; known: its payload type was offered. */
enum mg_latched mg_latch_rtp(struct mg_latch *, const union addr *from,
    const struct mg_rtp *, bool known, uint64_t now);
/*
 * A packet that shows no source to be steady in (RTCP, DTLS): it comes from
 * the signalled address, or from the host of a stream (NULL = none) that has
 * proven itself.
 */
enum mg_latched mg_latch_bare(struct mg_latch *, const union addr *from,
    const struct mg_latch *proven, uint64_t now);

/* ---- mg_port.c: addresses and ports of media ---------------------------- */

#define MG_FAMILIES 2 /* [0] IPv4, [1] IPv6 */
struct mg_ports {
	union addr shown[MG_FAMILIES];	 /* in SDP; AF_UNSPEC = none */
	union addr bind[MG_FAMILIES];	 /* to what sockets are bound */
	uint16_t low, high;		 /* even .. odd; 0 = not fed yet */
	uint16_t next[MG_FAMILIES];	 /* where the search goes on */
	uint8_t used[MG_FAMILIES][8192]; /* bits: our own ports */
	unsigned sockets;		 /* open now */
	unsigned sockets_max;		 /* what the process may have */
};
void mg_ports_init(struct mg_ports *);
/* One or two addresses ("192.0.2.1 2001:db8::1") and a range. What is open
 * stays open. */
int mg_ports_feed(
    struct mg_ports *, const char *addresses, const char *range, struct err *);
bool mg_ports_has(const struct mg_ports *, int family);
/* Two bound sockets on an even port and the odd one above it (RFC 3550 11).
 * -ERR_FULL when none is free, -ERR_BUSY when the process has no room. */
int mg_ports_open(
    struct mg_ports *, int family, int fd[2], uint16_t *port, struct err *);
void mg_ports_close(
    struct mg_ports *, int family, const int fd[2], uint16_t port);

/* ---- the room's objects -------------------------------------------------- */

struct mg_media;

/* What was told of a stream so far, to tell the rest (mg_figures.c). */
struct mg_figures {
	uint64_t began;		  /* real clock, us; 0 = nothing was told yet */
	uint64_t since;		  /* monotonic, of the interval */
	struct mg_quality before; /* what had been counted then */
	enum mg_codec codec;
	/* of all intervals: the worst, and sums of MOS by packets */
	uint32_t gap, jitter_us, rtt_us, far_loss, far_jitter_us;
	uint32_t mos, far_mos; /* 0 = unknown */
	bool far;	       /* the party has reported what it hears */
	uint64_t mos_sum, mos_packets;
	uint64_t far_mos_sum, far_mos_count;
};

/* One socket. Its fields are what a packet touches. */
struct mg_stream {
	int fd;		/* -1 = closed */
	bool rtcp;	/* of the odd port */
	bool connected; /* the kernel drops what others send */
	struct mg_media *media;
	struct mg_latch latch;
	uint64_t packets, bytes; /* accepted */
	uint64_t sent;
	uint64_t strays; /* from who was not proven */
	uint64_t errors; /* malformed, too many, or not sent */
	uint64_t last;	 /* last accepted packet, us; 0 = none */
	uint64_t second; /* for the limit of packets a second */
	uint32_t in_second;
};

struct mg_media {
	struct mg_party *party;
	unsigned index;	       /* of the section, from 0 */
	struct mg_media *peer; /* where packets go; NULL = nowhere */
	struct mg_stream rtp, rtcp;
	uint16_t port;
	enum mg_kind kind;
	bool echo;	    /* packets go back to who sent them */
	bool plain;	    /* not encrypted: RTCP can be read */
	bool wants;	    /* its party wants to receive */
	bool mux;	    /* RTCP shares the RTP port */
	bool mux_asked;	    /* its party offered that */
	bool mux_said;	    /* it was offered to its party */
	uint8_t mux_policy; /* enum mg_mux: what its party is to be told */
	bool fresh;	    /* opened by the command in work */
	bool hold;	    /* 0.0.0.0 */
	char media[16], proto[32];
	uint8_t formats[16]; /* of its party and of the other one */
	uint32_t echo_salt;
	uint32_t rate[128];
	uint8_t codec[128]; /* enum mg_codec */
	struct mg_sources sources;
	struct mg_far far;
	struct mg_figures figures;
};

enum mg_mux {
	MG_MUX_FOLLOW, /* as the other side decides */
	MG_MUX_ACCEPT,
	MG_MUX_REJECT
};

#define MG_ALIASES 8
struct mg_party {
	TAILQ_ENTRY(mg_party) entry;
	struct mg_call *call;
	char *tag[MG_ALIASES]; /* the latest first; forks share a party */
	char *branch;	       /* via-branch, or NULL */
	struct mg_party *peer; /* answered, or offered to, last */
	int family;	       /* of its sockets */
	union addr shown, bind;
	uint64_t created;		     /* real clock, us */
	unsigned count;			     /* sections of its SDP */
	struct mg_media *media[MG_SECTIONS]; /* NULL = refused */
};

#define MG_CALL_PARTIES 32
struct mg_call {
	TAILQ_ENTRY(mg_call) entry;
	TAILQ_ENTRY(mg_call) turn; /* whose figures are told next */
	uint64_t due;		   /* monotonic, us: when */
	struct mg *mg;
	char *id;
	uint64_t serial;	     /* grows: the cursor of `list` */
	uint64_t created, signalled; /* real clock, us */
	uint64_t touched;	     /* monotonic, of the last command */
	uint64_t session, version;   /* of the echo's SDP */
	uint64_t offered;	     /* hash of the offer that it answered */
	struct mg_party *offerer;    /* of the last offer */
	unsigned nparties;
	TAILQ_HEAD(mg_parties, mg_party) parties;
};

struct mg_counters {
	uint64_t sessions; /* open calls */
	uint64_t sockets;
	uint64_t calls; /* ever */
	uint64_t expired;
	uint64_t rtp_in, rtp_out, rtcp_in, rtcp_out;
	uint64_t bytes_in, bytes_out;
	uint64_t latched;      /* streams that found or proved their party */
	uint64_t drop_stray;   /* from a source that has proven nothing */
	uint64_t drop_early;   /* before signalling named the party */
	uint64_t drop_noise;   /* neither RTP, RTCP nor what is passed */
	uint64_t drop_source;  /* a new SSRC on probation */
	uint64_t drop_nowhere; /* the other side has no address yet */
	uint64_t drop_held;    /* the other side does not want it */
	uint64_t drop_flood;
	uint64_t drop_send; /* the kernel did not take it */
	uint64_t no_ports, limit, stale, not_ready, bad_sdp;
};

struct mg {
	struct loop *loop;
	struct ng *ng;
	int epoll; /* of all media sockets */
	struct mg_batch *batch;
	struct loop_fd *epoll_io;
	struct loop_timer *sweep;
	struct mg_ports ports;
	struct map calls;		     /* id -> struct mg_call */
	TAILQ_HEAD(mg_calls, mg_call) list;  /* by serial */
	TAILQ_HEAD(mg_turns, mg_call) turns; /* by due */
	struct loop_timer *telling;	     /* for the first of them */
	struct ring *trace;		     /* NULL = nothing is recorded */
	uint64_t next_serial;
	uint64_t epoch;	  /* highest tandem-epoch seen */
	uint8_t mask[16]; /* key that hides names */
	struct mg_counters n;
};

/* mg_gate.c: the whole, without the process around it. Takes over fd. */
struct mg *mg_gate_open(struct loop *, int ng_fd);
void mg_gate_close(struct mg **);

/* ---- mg_call.c: calls, parties, their ports ------------------------------ */

#define MG_CALLS_MAX 20000
#define MG_CALL_IDLE (UINT64_C(3600) * 1000000) /* us without a packet */
#define MG_CALL_AGE (UINT64_C(86400) * 1000000) /* us without a command */
#define MG_ID_MAX 255 /* bytes of a call-id or a tag */

struct mg_call *mg_call_find(struct mg *, const char *id);
struct mg_call *mg_call_new(struct mg *, const char *id);
void mg_call_free(struct mg_call **);
struct mg_party *mg_party_find(struct mg_call *, const char *tag);
struct mg_party *mg_party_of_branch(struct mg_call *, const char *branch);
struct mg_party *mg_party_new(
    struct mg_call *, const char *tag, const char *branch, int family);
void mg_party_free(struct mg_party **);
/* The tag it goes by from now on; earlier ones still find it. */
void mg_party_name(struct mg_party *, const char *tag);
const char *mg_party_tag(const struct mg_party *); /* "" = not known yet */
/* Sockets for the section, if it has none; -ERR_FULL, -ERR_BUSY. */
int mg_media_open(struct mg_party *, unsigned index, struct err *);
void mg_media_close(struct mg_party *, unsigned index);
/* Its party's SDP: where it is and what it wants. */
void mg_media_signal(struct mg_media *, const struct mg_section *,
    const union addr *host, uint64_t now);
/* When a packet of any kind was last accepted, monotonic; 0 = never. */
uint64_t mg_call_last(const struct mg_call *);
/* Calls that nobody deleted; the time is the caller's. */
void mg_call_sweep(struct mg *, uint64_t now);

/* ---- mg_batch.c: many packets in one system call ------------------------- */

#define MG_BATCH 64
#define MG_PACKET_MAX 2048 /* longer ones are no media */

struct mg_received {
	struct mg_stream *stream; /* whose socket to read; set by the caller */
	union addr from;
	ssize_t n; /* bytes, also beyond MG_PACKET_MAX; < 0 = none */
	uint8_t data[MG_PACKET_MAX];
};
struct mg_sending {
	struct mg_stream *stream;
	const uint8_t *data; /* borrowed until mg_batch_send */
	size_t n;
	ssize_t sent; /* < 0 = not */
};
struct mg_batch;
struct mg_batch *mg_batch_new(void);
void mg_batch_free(struct mg_batch **);
void mg_batch_plain(struct mg_batch *);		    /* no ring from now on */
struct mg_received *mg_batch_in(struct mg_batch *); /* MG_BATCH of them */
/* Read one packet for each of the first count. */
void mg_batch_receive(struct mg_batch *, unsigned count);
/* To be sent from the stream's socket to its latch's remote. */
void mg_batch_queue(
    struct mg_batch *, struct mg_stream *, const uint8_t *data, size_t n);
/* Send what is queued; the results, valid until the next is queued. */
const struct mg_sending *mg_batch_send(struct mg_batch *, unsigned *count);

/* ---- mg_relay.c: packets ------------------------------------------------- */

#define MG_STREAM_PPS 10000 /* more in a second are not passed */

void mg_relay_open(struct mg *);
void mg_relay_close(struct mg *);
void mg_relay_add(struct mg *, struct mg_stream *);
/* The latch has been signalled anew: hear others again if it must. */
void mg_relay_follow(struct mg_stream *);
/* The side that shall hear it; NULL when there is none at the moment. Of
 * several that answered only the chosen one is heard. */
struct mg_media *mg_relay_other(const struct mg_media *);

/* ---- mg_offer.c: offer and answer ---------------------------------------- */

void mg_offer(struct mg *, struct ng_request *, json_t *dict);
void mg_answer(struct mg *, struct ng_request *, json_t *dict);

/* ---- mg_command.c: the other commands ------------------------------------ */

void mg_on_command(void *mg, struct ng_request *, const char *command,
    json_t *dict, const union addr *from);

/* A key that older clients write with spaces. */
const json_t *mg_key(const json_t *dict, const char *dashed);

/* ---- mg_figures.c: what is recorded of streams, interval by interval ----- */

#define MG_INTERVAL (UINT64_C(5) * 1000000) /* us */

void mg_figures_open(struct mg *);
void mg_figures_close(struct mg *);
void mg_figures_enter(struct mg_call *); /* from now on */
void mg_figures_leave(struct mg_call *);
/* The interval ends now, and is recorded if there is something to say. */
void mg_figures_media(struct mg_media *, uint64_t now);
void mg_figures_call(struct mg_call *, uint64_t now);
/* 100 times the MOS of all that came; 0 = unknown. */
unsigned mg_figures_mos(const struct mg_media *);

/* ---- mg_query.c: what is told of a call ---------------------------------- */

void mg_query_fill(const struct mg_call *, json_t *dict);
void mg_query_brief(const struct mg_call *, json_t *dict);
void mg_list_fill(
    const struct mg *, json_t *dict, uint64_t limit, uint64_t after);

/* ---- op_media.c -----------------------------------------------------------
 */

extern const struct op *const mg_ops[];

#endif
