#ifndef SIP_STREAM_H
#define SIP_STREAM_H

/*
 * Private to the transport: the pure parts below a connection (framing of
 * byte streams, WebSocket, TLS identities) and the connection itself.
 */
#include <openssl/ssl.h>

#include "daemon/base/buf.h"
#include "daemon/base/map.h"
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

/* ---- WebSocket (sip_ws.c): pure, fuzzed -------------------------------- */

#define SIP_WS_HEAD_MAX 8192

/* The answer to an opening handshake (RFC 6455 4.2, RFC 7118 4); 0 when it
 * is 101, else -ERR_SYNTAX and a refusal to be sent. */
int sip_ws_accept(const char *head, size_t n, struct buf *reply, struct err *);

struct sip_ws;
/* msg has a NUL behind n and may be written to. */
typedef void sip_ws_fn(void *arg, char *msg, size_t n);
/* Frames of the server go to out. */
struct sip_ws *sip_ws_new(struct buf *out, size_t max, sip_ws_fn *, void *arg);
void sip_ws_free(struct sip_ws **);
/* -ERR_CLOSED: the closing handshake is done or the peer broke the protocol;
 * what is in out may still be sent. */
int sip_ws_feed(struct sip_ws *, const void *, size_t n);
int sip_ws_send(struct sip_ws *, const void *, size_t n);
void sip_ws_ping(struct sip_ws *);
void sip_ws_close(struct sip_ws *, unsigned code);
bool sip_ws_is_partial(const struct sip_ws *); /* inside a message */
size_t sip_ws_held(const struct sip_ws *);     /* bytes of its buffer */

/* ---- TLS (sip_tls.c) --------------------------------------------------- */

struct sip_tls;
struct sip_tls *sip_tls_new(
    const char *chain, const char *key, struct err *); /* a server's */
/* Why its certificate is of no use at this time, or NULL. */
const char *sip_tls_expiry(const struct sip_tls *);
struct sip_tls *sip_tls_new_client(const char *ca, struct err *);
void sip_tls_free(struct sip_tls **);
/* Which identity answers a name asked for by SNI (RFC 6066 3); NULL = the
 * listener's own. */
typedef struct sip_tls *sip_tls_pick_fn(void *arg, const char *name);
void sip_tls_set_pick(struct sip_tls *, sip_tls_pick_fn *, void *arg);
bool sip_tls_names(const struct sip_tls *, const char *name);
/* A session over the descriptor; name NULL = we are the server. */
SSL *sip_tls_open(struct sip_tls *, int fd, const char *name);
/* Words of the last failure of libssl in this thread. */
void sip_tls_words(char *out, size_t size);

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
