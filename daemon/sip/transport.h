#ifndef SIP_TRANSPORT_H
#define SIP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/base/loop.h"
#include "daemon/base/sock.h"
#include "sip.h"

/*
 * SIP towards the outside: listeners and connections over UDP, TCP, TLS, WS
 * and WSS behind one interface. A message comes with its flow; what is sent
 * goes to a flow. Peers are hostile: everything they can make grow is bounded
 * by struct sip_limits.
 */

enum sip_proto { SIP_UDP, SIP_TCP, SIP_TLS, SIP_WS, SIP_WSS, SIP_PROTOS };
const char *sip_proto_name(enum sip_proto); /* "udp" */
const char *sip_proto_via(enum sip_proto);  /* "UDP" */
/* What stands behind ";transport=" in a URI; wss is "ws" (RFC 7118 5.2). */
const char *sip_proto_uri(enum sip_proto);
bool sip_proto_find(const char *name, enum sip_proto *);
bool sip_proto_is_stream(enum sip_proto);
bool sip_proto_is_secure(enum sip_proto);

struct sip_transport;
struct sip_listener;

/*
 * Where a message came from, or shall go. Borrowed: valid until the next
 * return to the loop; what lives longer keeps listener's tag and peer (UDP)
 * or conn (the others).
 */
struct sip_flow {
	struct sip_listener *listener; /* NULL for a connection we opened */
	enum sip_proto proto;
	uint64_t conn; /* connection; 0 for UDP */
	union addr peer;
};

/* Why a stream is about to be closed; a message may be answered first. */
enum sip_bad {
	SIP_BAD_NONE,
	SIP_BAD_GARBAGE,   /* the first line is not SIP */
	SIP_BAD_NO_LENGTH, /* no Content-Length (RFC 3261 18.3) */
	SIP_BAD_LENGTH,	   /* not a number, or two that differ */
	SIP_BAD_TOO_BIG	   /* head or body over the limit */
};

struct sip_handler {
	/* msg is writable, has a NUL behind n, and is gone on return. */
	void (*on_message)(
	    void *arg, const struct sip_flow *, char *msg, size_t n);
	/* An empty keep-alive came (and is answered where RFC 5626 says). */
	void (*on_ping)(void *arg, const struct sip_flow *);
	/* head: what there is of the message. The stream is closed after what
	 * the callee sends has left. */
	void (*on_bad)(void *arg, const struct sip_flow *, enum sip_bad,
	    char *head, size_t n);
	/* May this address connect? */
	bool (*on_accept)(void *arg, const union addr *);
	/* Open for messages; and gone (only what was open, or our own). */
	void (*on_open)(void *arg, const struct sip_flow *);
	void (*on_close)(void *arg, const struct sip_flow *, void *state);
	void *arg;
};

/* 0 in a field = the default behind it. */
struct sip_limits {
	unsigned conns;	       /* 16384, of the whole transport */
	unsigned conns_source; /* 512, of one address (IPv6: of one /64) */
	size_t message;	       /* SIP_MAX: bytes of one message */
	size_t out;	       /* 262144: bytes queued to one slow reader */
	size_t held;	    /* 128 MiB: bytes in buffers of all connections */
	uint64_t handshake; /* 10 s: TLS, WebSocket and the first message */
	uint64_t partial;   /* 10 s: from the first to the last byte of one */
	uint64_t idle;	    /* 10 min without a byte (sip_flow_keep extends) */
	uint64_t ping;	    /* 30 s: WebSocket pings on a silent connection */
};

/* Whom a limit is for: an IPv4 address, an IPv6 /64. Bytes of out. */
#define SIP_SOURCE 9
size_t sip_source_key(uint8_t out[SIP_SOURCE], const union addr *);

struct sip_transport *sip_transport_new(
    struct loop *, const struct sip_handler *, const struct sip_limits *);
void sip_transport_free(struct sip_transport **); /* closes all */
/* Where all its messages are traced to; NULL = nowhere. The caller's. */
struct ring;
void sip_transport_trace(struct sip_transport *, struct ring *);

/* ---- listeners --------------------------------------------------------- */

#define SIP_LISTENER_NAME 33
#define SIP_LISTENERS 64 /* of one transport */

struct sip_listen {
	const char *name;
	enum sip_proto proto;
	union addr at;	   /* port 0 = any free one */
	const char *chain; /* PEM, the server's certificate first; TLS, WSS */
	const char *key;   /* PEM */
	void *state;	   /* the callee's own */
};
int sip_listener_open(struct sip_transport *, const struct sip_listen *,
    struct sip_listener **, struct err *);
/* Its connections are closed with it. */
void sip_listener_close(struct sip_listener **);
/* Another certificate for handshakes to come. */
int sip_listener_certify(
    struct sip_listener *, const char *chain, const char *key, struct err *);
const char *sip_listener_name(const struct sip_listener *);
enum sip_proto sip_listener_proto(const struct sip_listener *);
const union addr *sip_listener_address(const struct sip_listener *);
void *sip_listener_state(const struct sip_listener *);
unsigned sip_listener_conns(const struct sip_listener *);
/* 32 bits that name a listener on every instance: a hash of its name. */
uint32_t sip_listener_tag(const struct sip_listener *);
struct sip_listener *sip_listener_find(struct sip_transport *, uint32_t tag);

/* ---- flows ------------------------------------------------------------- */

/* Queue a message. -ERR_CLOSED: the flow is gone; -ERR_FULL: the peer reads
 * too slowly (the connection is closed). UDP never fails here. */
int sip_send(
    struct sip_transport *, const struct sip_flow *, const void *, size_t n);
/* The flow of a connection; false when it is gone. */
bool sip_flow_find(struct sip_transport *, uint64_t conn, struct sip_flow *);
void sip_flow_close(struct sip_transport *, uint64_t conn);
/* The same when what is queued has left; nothing more is read. */
void sip_flow_finish(struct sip_transport *, uint64_t conn);
/* Nothing is read from it for so many us: the peer has to wait. */
void sip_flow_pause(struct sip_transport *, uint64_t conn, uint64_t us);
/* Idle time-out not before so many us from now (a registered phone). */
void sip_flow_keep(struct sip_transport *, uint64_t conn, uint64_t us);
/* A pointer of the callee's own, handed to on_close. */
void *sip_flow_state(struct sip_transport *, uint64_t conn);
void sip_flow_set_state(struct sip_transport *, uint64_t conn, void *);

struct sip_flow_info {
	struct sip_flow flow;
	uint64_t since;	  /* real clock, us */
	uint64_t in, out; /* bytes of SIP */
	void *state;
};
/* Walk the connections: *at starts at 0; false at the end. */
bool sip_flow_next(struct sip_transport *, size_t *at, struct sip_flow_info *);

/* A connection of our own (TCP or TLS) to a server. on_open or on_close
 * comes later. name: whom the certificate must name; ca: PEM of whom we
 * trust, NULL = the system's. */
struct sip_connect {
	enum sip_proto proto;
	union addr to;
	const char *name;
	const char *ca;
};
int sip_connect(struct sip_transport *, const struct sip_connect *,
    struct sip_flow *, struct err *);

/* ---- counters ---------------------------------------------------------- */

struct sip_count {
	uint64_t in[SIP_PROTOS], out[SIP_PROTOS]; /* messages */
	uint64_t out_lost;
	uint64_t open; /* connections now */
	uint64_t accepted;
	uint64_t refused; /* by a bound or by on_accept */
	uint64_t tls_failed;
	uint64_t ws_failed;
	uint64_t closed_idle;
	uint64_t closed_slow; /* time-outs of handshakes and partial messages */
	uint64_t closed_full; /* the peer did not read */
	uint64_t closed_bad;  /* framing */
	uint64_t pings;
	uint64_t held; /* bytes in buffers now */
};
struct sip_count *sip_transport_count(struct sip_transport *);

#endif
