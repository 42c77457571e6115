/*
 * Packets: in on a stream of one party, out on the same stream of the other.
 * All media sockets hang in one epoll of their own, which is one descriptor
 * of the loop. Once a party has proven its address the socket is connected
 * to it, so that the kernel drops what others send; what was queued before
 * is checked here all the same.
 *
 * Nothing leaves but to a latch's remote (mg_latch.c). RTCP goes from one
 * party to the other, never back to who sent it, and ends in the echo.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mg.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

#define MG_ROUNDS 16 /* of batches, before the loop has its turn */

/* One received packet on its way. */
struct mg_passage {
	struct mg *mg;
	struct mg_stream *in;
	uint8_t *data;
	size_t n;
	const union addr *from;
	uint64_t now;
};

static void mg_relay_on_io(void *, int, int);

void
mg_relay_open(struct mg *mg)
{
	mg->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (mg->epoll < 0)
		fatal("mg: epoll");
	mg->batch = mg_batch_new();
	mg->epoll_io = loop_fd_open(
	    mg->loop, mg->epoll, LOOP_READ, mg_relay_on_io, mg);
}

void
mg_relay_close(struct mg *mg)
{
	loop_fd_close(&mg->epoll_io);
	close(mg->epoll);
	mg_batch_free(&mg->batch);
}

void
mg_relay_add(struct mg *mg, struct mg_stream *s)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};

	if (epoll_ctl(mg->epoll, EPOLL_CTL_ADD, s->fd, &ev) != 0)
		fatal("mg: epoll: descriptor %d", s->fd);
}

/* Connect to a party that is proven; one that merely came first while its
 * betters were silent may still have to give way, so it is not. */
static void
mg_relay_settle(struct mg *mg, struct mg_stream *s)
{
	const union addr *to = &s->latch.remote;
	char text[ADDR_TEXT];

	mg->n.latched++;
	addr_text(text, to);
	log_debug("call=%s tag=%s port=%u party is at %s (%s)",
	    s->media->party->call->id, mg_party_tag(s->media->party),
	    s->media->port + s->rtcp, text,
	    s->latch.trust == MG_TRUST_EXACT	  ? "as signalled"
		: s->latch.trust == MG_TRUST_NEAR ? "near"
						  : "unsignalled");
	if (s->latch.trust < MG_TRUST_NEAR)
		return;
	s->connected = connect(s->fd, &to->sa, addr_len(to)) == 0;
}

void
mg_relay_follow(struct mg_stream *s)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	if (!s->connected)
		return;
	if (s->latch.trust != MG_TRUST_NONE && !s->latch.again)
		return;
	connect(s->fd, &none, sizeof none);
	s->connected = false;
}

/* Count a packet that was accepted from its party. */
static void
mg_relay_count(struct mg_passage *p)
{
	p->in->packets++;
	p->in->bytes += p->n;
	p->in->last = p->now;
	p->mg->n.bytes_in += p->n;
}

struct mg_media *
mg_relay_other(const struct mg_media *m)
{
	return m->peer != NULL && m->peer->peer == m ? m->peer : NULL;
}

/* Pass it to the stream of the other party; media, unlike RTCP and key
 * exchange, only when that party wants to receive (RFC 3264 5.1). */
static void
mg_relay_pass(struct mg_passage *p, bool rtcp, bool media, uint64_t *counter)
{
	struct mg_media *other = mg_relay_other(p->in->media);
	struct mg_stream *out;

	if (other == NULL) {
		p->mg->n.drop_nowhere++;
		return;
	}
	out = rtcp && !other->mux ? &other->rtcp : &other->rtp;
	if (other->hold || (media && !other->wants)) {
		p->mg->n.drop_held++;
		return;
	}
	if (out->latch.remote.sa.sa_family == AF_UNSPEC) {
		p->mg->n.drop_nowhere++;
		return;
	}
	(*counter)++;
	mg_batch_queue(p->mg->batch, out, p->data, p->n);
}

/* A party that floods, or two gates that pass packets in a circle. */
static bool
mg_relay_is_flood(struct mg_passage *p)
{
	struct mg_stream *s = p->in;
	uint64_t second = p->now / CLOCK_SEC;

	if (s->second != second) {
		s->second = second;
		s->in_second = 0;
	}
	if (++s->in_second <= MG_STREAM_PPS)
		return false;
	s->errors++;
	p->mg->n.drop_flood++;
	return true;
}

/* What the latch says of a packet: does it pass? */
static bool
mg_relay_is_let(struct mg_passage *p, enum mg_latched said)
{
	if (said == MG_LATCH_DROP) {
		p->in->strays++;
		p->mg->n.drop_stray++;
		return false;
	}
	if (said == MG_LATCH_MOVED)
		mg_relay_settle(p->mg, p->in);
	return !mg_relay_is_flood(p);
}

static void
mg_relay_noise(struct mg_passage *p)
{
	p->in->errors++;
	p->mg->n.drop_noise++;
}

static void
mg_relay_rtp(struct mg_passage *p)
{
	struct mg_media *m = p->in->media;
	enum mg_latched said;
	struct mg_rtp rtp;

	if (p->in->rtcp || !mg_rtp_parse(&rtp, p->data, p->n)) {
		mg_relay_noise(p);
		return;
	}
	said = mg_latch_rtp(&p->in->latch, p->from, &rtp,
	    mg_bit(m->formats, rtp.pt) ||
		(m->peer != NULL && mg_bit(m->peer->formats, rtp.pt)),
	    p->now);
	if (!mg_relay_is_let(p, said))
		return;
	if (!mg_source_take(&m->sources, &rtp, m->rate[rtp.pt],
		said == MG_LATCH_MOVED, p->now)) {
		p->mg->n.drop_source++;
		return;
	}
	mg_relay_count(p);
	p->mg->n.rtp_in++;
	if (!m->echo) {
		mg_relay_pass(p, false, true, &p->mg->n.rtp_out);
	} else if (m->wants && !m->hold) {
		/* His own source coming back would look like a collision. */
		mg_rtp_set_ssrc(p->data, rtp.ssrc ^ m->echo_salt);
		p->mg->n.rtp_out++;
		mg_batch_queue(p->mg->batch, p->in, p->data, p->n);
	}
}

/* What the party reports, of itself and of what it hears. */
static void
mg_relay_report(struct mg_passage *p)
{
	struct mg_media *m = p->in->media, *other = mg_relay_other(m);
	struct mg_report r;

	mg_report_read(&r, p->data, p->n);
	mg_report_take(&m->far, other != NULL ? &other->far : NULL,
	    other != NULL ? &other->sources : NULL, &r, p->now);
}

static void
mg_relay_rtcp(struct mg_passage *p)
{
	struct mg_media *m = p->in->media;

	if ((!p->in->rtcp && !m->mux) ||
	    !mg_rtcp_check(p->data, p->n, !m->plain)) {
		mg_relay_noise(p);
		return;
	}
	if (!mg_relay_is_let(p,
		mg_latch_bare(&p->in->latch, p->from,
		    p->in->rtcp ? &m->rtp.latch : NULL, p->now)))
		return;
	mg_relay_count(p);
	p->mg->n.rtcp_in++;
	if (m->plain)
		mg_relay_report(p);
	if (m->echo)
		return;
	if (m->plain)
		mg_rtcp_mask(p->data, p->n, p->mg->mask);
	mg_relay_pass(p, true, false, &p->mg->n.rtcp_out);
}

/* DTLS and UDPTL: bytes without a source, from a known host only. */
static void
mg_relay_bare(struct mg_passage *p)
{
	if (!mg_relay_is_let(
		p, mg_latch_bare(&p->in->latch, p->from, NULL, p->now)))
		return;
	mg_relay_count(p);
	p->mg->n.rtp_in++;
	mg_relay_pass(p, p->in->rtcp, false, &p->mg->n.rtp_out);
}

static void
mg_relay_on_packet(struct mg_passage *p)
{
	enum mg_packet kind = mg_packet_kind(p->data, p->n);
	enum mg_kind media = p->in->media->kind;

	if (!p->in->latch.open)
		p->mg->n.drop_early++;
	else if (media == MG_KIND_UDPTL ||
	    (kind == MG_PACKET_DTLS && media == MG_KIND_DTLS))
		mg_relay_bare(p);
	else if (kind == MG_PACKET_RTP)
		mg_relay_rtp(p);
	else if (kind == MG_PACKET_RTCP)
		mg_relay_rtcp(p);
	else
		mg_relay_noise(p);
}

/* What became of the packets that were sent on. */
static void
mg_relay_sent(struct mg *mg)
{
	const struct mg_sending *p;
	unsigned n;

	for (p = mg_batch_send(mg->batch, &n); n > 0; p++, n--) {
		if (p->sent < 0) {
			mg->n.drop_send++;
			p->stream->errors++;
		} else {
			p->stream->sent++;
			mg->n.bytes_out += p->n;
		}
	}
}

/* One packet of each socket that has some; what else waits there is the next
 * round's. */
static void
mg_relay_round(struct mg *mg, const struct epoll_event *ev, unsigned n)
{
	struct mg_received *in = mg_batch_in(mg->batch);
	unsigned i;

	for (i = 0; i < n; i++)
		in[i].stream = ev[i].data.ptr;
	mg_batch_receive(mg->batch, n);
	for (i = 0; i < n; i++) {
		struct mg_passage p = {.mg = mg,
		    .in = in[i].stream,
		    .data = in[i].data,
		    .n = (size_t)in[i].n,
		    .from = &in[i].from,
		    .now = clock_mono()};

		if (in[i].n < 0)
			continue; /* the far host's refusal, or nothing */
		if (p.n > MG_PACKET_MAX)
			mg_relay_noise(&p);
		else
			mg_relay_on_packet(&p);
	}
	mg_relay_sent(mg);
}

static void
mg_relay_on_io(void *arg, int fd, int events)
{
	struct epoll_event ev[MG_BATCH];
	struct mg *mg = arg;
	int n, round;

	(void)events;
	for (round = 0; round < MG_ROUNDS; round++) {
		n = epoll_wait(fd, ev, MG_BATCH, 0);
		if (n > 0)
			mg_relay_round(mg, ev, (unsigned)n);
		if (n < MG_BATCH)
			break;
	}
}
