#ifndef SIP_CONN_H
#define SIP_CONN_H

/* Private to connections: sip_conn.c, sip_conn_in.c, sip_conn_out.c. */
#include "daemon/base/clock.h"
#include "sip_stream.h"

#define CONN_MAGIC 0x636f6e01
#define CONN_READ 16384 /* bytes of one read: a TLS record */

enum conn_stage { CONN_CONNECT, CONN_TLS, CONN_HTTP, CONN_OPEN };

struct sip_conn {
	unsigned magic;
	struct sip_transport *t;
	struct sip_listener *listener;
	struct sip_conn *next_dead;
	enum sip_proto proto;
	enum conn_stage stage;
	bool closing;  /* what is queued leaves, then it is closed */
	bool draining; /* all has left: wait for the peer's end */
	bool paused;   /* nothing is read or handed on now */
	bool dead;
	bool heard;	       /* a message came */
	bool told;	       /* on_open was called */
	bool write_blocked;    /* the kernel or libssl takes nothing now */
	bool read_wants_write; /* libssl must write before it can read */
	uint64_t id;
	int fd;
	union addr peer;
	struct loop_fd *event;
	struct loop_timer *resume; /* NULL until it was paused once */
	struct loop_defer flush;
	SSL *ssl;
	struct websocket *ws;
	struct sip_framer framer;
	struct buf in, out;
	size_t held; /* what of count.held is ours */
	uint64_t born, last, partial, stalled, pinged; /* monotonic, 0 = not */
	uint64_t keep;	/* idle time-out not before */
	uint64_t since; /* real clock */
	uint64_t bytes_in, bytes_out;
	void *state;
};

/* sip_conn.c */
/* A message of it, or what should have been one, to the trace. */
void sip_conn_tap(
    const struct sip_conn *, unsigned flags, const void *, size_t n);
void sip_conn_account(struct sip_conn *); /* what its buffers hold now */
void sip_conn_end(struct sip_conn *, uint64_t *counter); /* close, counted */
void sip_conn_advance(struct sip_conn *); /* a stage was reached */

/* sip_conn_out.c */
void sip_conn_want(struct sip_conn *); /* what the loop shall wait for */
void sip_conn_flush(struct sip_conn *);
void sip_conn_on_flush(void *);
int sip_conn_queued(struct sip_conn *);	  /* it leaves at the turn's end */
void sip_conn_discard(struct sip_conn *); /* of what comes while draining */

/* sip_conn_in.c */
void sip_conn_read(struct sip_conn *);
void sip_conn_resume(struct sip_conn *);

#endif
