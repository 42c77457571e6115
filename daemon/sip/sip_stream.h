#ifndef SIP_STREAM_H
#define SIP_STREAM_H

/*
 * Private to the transport: the pure parts below a connection (framing of
 * byte streams, WebSocket, TLS identities) and the connection itself.
 */
#include "daemon/base/buf.h"
#include "daemon/base/map.h"
#include "daemon/base/websocket.h"
#include "sip_tls.h"
#include "sip_ws.h"
#include "transport.h"

/* ---- framing (sip_stream.c): pure, fuzzed ------------------------------ */

#define SIP_HEAD_MAX 16384 /* bytes of start line and header fields */

enum sip_frame {
	SIP_FRAME_MORE,	   /* wait for bytes */
	SIP_FRAME_MESSAGE, /* *len bytes are one message */
	SIP_FRAME_PING,	   /* *len bytes: CRLF CRLF, to be answered by CRLF */
	SIP_FRAME_SKIP,	   /* *len bytes mean nothing (CRLF in front) */
	SIP_FRAME_BAD	   /* *bad; nothing behind it can be read */
};

/* Between calls on the same bytes, only grown: how far the search came. */
struct sip_framer {
	size_t seen;
	size_t whole; /* length of the message once its head is known */
};

enum sip_frame sip_frame_next(struct sip_framer *, const char *data, size_t n,
    size_t max, size_t *len, enum sip_bad *bad);
/* True when the bytes begin a message, false for a lone keep-alive. */
bool sip_frame_is_partial(const char *data, size_t n);

/* ---- connections (sip_conn.c) ------------------------------------------ */

struct sip_listener {
	unsigned magic;
	struct sip_transport *transport;
	struct sip_listener *next;
	char name[SIP_LISTENER_NAME];
	uint32_t tag;
	enum sip_proto proto;
	union addr at;
	void *state;
	unsigned conns;
	struct dgram *udp; /* or: */
	int fd;
	struct loop_fd *event;
	struct sip_tls *tls;
};

struct sip_transport {
	unsigned magic;
	struct loop *loop;
	struct sip_handler handler;
	struct sip_limits limits;
	struct sip_count count;
	struct ring *trace; /* NULL = off */
	struct sip_listener *listeners;
	unsigned nlisteners;
	struct map conns;      /* by id, 8 bytes */
	struct map sources;    /* number of connections by address */
	struct sip_conn *dead; /* closed in this turn */
	struct loop_defer reap;
	uint64_t next_id;
	struct loop_timer *tick;
	bool paused; /* no descriptors left: listeners wait for the tick */
	struct sip_tls *client;
	char *client_ca; /* what client trusts */
};

struct sip_conn;
/* Takes over the socket; NULL when a bound says no (it is closed then). */
struct sip_conn *sip_conn_new(struct sip_transport *, struct sip_listener *,
    enum sip_proto, int fd, const union addr *peer);
/* A connection of our own: the TCP handshake is under way. */
struct sip_conn *sip_conn_new_client(struct sip_transport *, enum sip_proto,
    int fd, const union addr *peer, struct sip_tls *, const char *name);
int sip_conn_send(struct sip_conn *, const void *, size_t n);
void sip_conn_close(struct sip_conn *);	 /* now; freed at the end of the turn */
void sip_conn_finish(struct sip_conn *); /* when all has left */
void sip_conn_pause(struct sip_conn *, uint64_t us); /* its reading */
void sip_conn_flow(const struct sip_conn *, struct sip_flow *);
void sip_conn_info(const struct sip_conn *, struct sip_flow_info *);
void sip_conn_keep(struct sip_conn *, uint64_t us);
void *sip_conn_state(const struct sip_conn *);
void sip_conn_set_state(struct sip_conn *, void *);
const struct sip_listener *sip_conn_listener(const struct sip_conn *);
/* Once a second: time-outs and pings. */
void sip_conn_tick(struct sip_conn *, uint64_t now);
void sip_conn_free_dead(struct sip_transport *);

#endif
