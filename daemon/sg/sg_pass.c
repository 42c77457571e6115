/*
 * Passing a request of the outside inside: the text is copied once, with our
 * Via, Route tokens and X-Tandem headers in front, the phone's Via completed,
 * Max-Forwards counted down and everything cut that has no row in the white
 * list. Our Via carries the way back, so nothing is kept for a datagram; what
 * came over a stream is held and repeated (sg_hold.c).
 */
#include "sg.h"

/* peer: "host:port" of the source, IPv6 in brackets. */
void
sg_pass_via(struct splice *e, const struct scan *s, const union addr *source,
    const char *peer)
{
	const struct scan_via *v = &s->via;
	const char *port = strrchr(peer, ':') + 1;
	size_t end = scan_at(s, v->end), n = (size_t)(port - peer) - 1;
	union addr sent;

	if (v->received.n > 0)
		splice_cut(e, scan_at(s, v->received.p), v->received.n);
	if (v->has_rport) {
		splice_cut(e, scan_at(s, v->rport.p), v->rport.n);
		splice_texts(e, end, SPLICE_TEXTS(";rport=", port));
	} else if (addr_nparse(&sent, v->host.p, v->host.n, 0) &&
	    addr_same_host(&sent, source)) {
		return;
	}
	splice_put(e, end, ";received=", 10);
	if (*peer == '[')
		splice_put(e, end, peer + 1, n - 2);
	else
		splice_put(e, end, peer, n);
}

void
sg_pass_hops(struct splice *e, const struct scan *s)
{
	const struct scan_line *l;
	unsigned n, skip;
	char hops[3];

	if (s->first[SCAN_MAX_FORWARDS] == 0) {
		splice_put(e, s->line[0].at, "Max-Forwards: 70\r\n", 18);
		return;
	}
	l = &s->line[s->first[SCAN_MAX_FORWARDS] - 1];
	n = s->max_forwards > 0 ? (unsigned)s->max_forwards - 1 : 0;
	hops[0] = (char)('0' + n / 100);
	hops[1] = (char)('0' + n / 10 % 10);
	hops[2] = (char)('0' + n % 10);
	skip = n < 10 ? 2 : n < 100 ? 1 : 0;
	splice_cut(e, l->value, l->end - l->value);
	splice_put(e, l->value, hops + skip, 3 - skip);
}

/* Everything a phone may not say inside. */
static void
sg_pass_white_list(struct splice *e, const struct scan *s)
{
	const struct scan_line *l;
	bool reg = s->method == SCAN_REGISTER;

	for (l = s->line; l < s->line + s->nlines; l++) {
		if ((scan_header_flags(l->id) & SCAN_IN) == 0 ||
		    (l->id == SCAN_PATH && !reg) ||
		    (l->id == SCAN_RECORD_ROUTE && reg))
			splice_cut(e, l->at, l->next - l->at);
	}
}

/* Our Via: branch, and the flow that replies go to. */
static void
sg_pass_own_via(
    struct sg_in *in, struct splice *e, size_t at, const char *branch)
{
	splice_texts(e, at,
	    SPLICE_TEXTS("Via: SIP/2.0/UDP ", in->sg->inside_text,
		";branch=z9hG4bK", branch,
		";flow=", sg_face_get(&in->sg->keys, &in->back)->flow, "\r\n"));
}

/* How requests come back through this flow, and what the inside is told
 * about where this one came from. */
static void
sg_pass_tell(
    struct sg_in *in, struct splice *e, size_t at, const struct sg_pass *p)
{
	const struct sg_face *f = sg_face_get(&in->sg->keys, in->flow);
	const char *here = in->sg->inside_text;

	if (p->path)
		splice_texts(e, at,
		    SPLICE_TEXTS(
			"Path: <sip:", f->token, "@", here, ";lr>\r\n"));
	if (p->record)
		splice_texts(e, at,
		    SPLICE_TEXTS("Record-Route: <sip:", f->token, "@", here,
			";lr>\r\n"));
	splice_texts(e, at,
	    SPLICE_TEXTS("X-Tandem-Source: ", f->peer,
		";transport=", sip_proto_name(in->flow->proto),
		";listener=", sip_listener_name(in->flow->listener), "\r\n"));
	if (p->domain != NULL)
		splice_texts(e, at,
		    SPLICE_TEXTS("X-Tandem-Domain: ", p->domain, "\r\n"));
	if (p->user != NULL)
		splice_texts(
		    e, at, SPLICE_TEXTS("X-Tandem-User: ", p->user, "\r\n"));
	if (p->target != NULL)
		splice_texts(e, at,
		    SPLICE_TEXTS("X-Tandem-Target: ", p->target, "\r\n"));
}

/* The new text in sg->out; its length, or -1. */
static long
sg_pass_make(struct sg_in *in, const struct sg_pass *p, const char *branch)
{
	struct splice *e = &in->sg->splice;
	const struct scan *s = in->scan;
	size_t top = s->line[0].at;

	splice_init(e, s->text, s->size);
	if (p->uri != NULL) {
		splice_cut(e, scan_at(s, s->uri.all.p), s->uri.all.n);
		splice_put(e, scan_at(s, s->uri.all.p), p->uri, strlen(p->uri));
	}
	sg_pass_own_via(in, e, top, branch);
	sg_pass_tell(in, e, top, p);
	sg_pass_via(
	    e, s, &in->flow->peer, sg_face_get(&in->sg->keys, in->flow)->peer);
	sg_pass_hops(e, s);
	sg_pass_white_list(e, s);
	return splice_out(e, in->sg->out, SG_OUT);
}

void
sg_pass_send(struct sg *sg, const union addr *to, const void *p, size_t n)
{
	sg->count.inside_out++;
	tap(sg->trace,
	    &(struct tap_way){
		TRACE_OUT | TRACE_INSIDE, SIP_UDP, &sg->self->inside, to},
	    p, n);
	dgram_send(sg->inside, to, p, n);
}

/* ---- streams: again and again ------------------------------------------ */

/* Keep what was made, and where the owner's address stands in it. */
static void
sg_pass_hold(
    struct sg_in *in, const struct sg_pass *p, const char *branch, size_t n)
{
	struct sg *sg = in->sg;
	const struct scan *s = in->scan;
	uint8_t key[SG_HOLD_KEY];
	char host[ADDR_TEXT];
	size_t nkey;
	struct sg_hold *h;
	const char *at;

	nkey = sg_hold_key(key, 'Q', branch, strlen(branch), s->method_text);
	h = sg_hold_add(&sg->holds, key, nkey, s->method == SCAN_INVITE,
	    sg->out, n, in->now);
	if (h == NULL) {
		sg->count.holds_full++;
		return;
	}
	sg->count.held++;
	h->owner = p->owner->hash;
	h->to = p->owner->addr;
	if (p->uri != NULL && (at = strchr(p->uri, '@')) != NULL) {
		addr_text(host, &h->to);
		h->host_at = (uint32_t)(scan_at(s, s->uri.all.p) +
		    (size_t)(at + 1 - p->uri));
		h->host_n = (uint32_t)strlen(host);
	}
	if (!loop_timer_is_set(sg->hold_timer))
		loop_timer_set(sg->hold_timer, SG_HOLD_TICK);
}

/* To another address than the last time: the Request-URI names it too. */
static void
sg_pass_resend_moved(struct sg *sg, struct sg_hold *h, const union addr *to)
{
	struct splice *e = &sg->splice;
	char host[ADDR_TEXT];
	long n;

	addr_text(host, to);
	splice_init(e, h->bytes, h->n);
	splice_cut(e, h->host_at, h->host_n);
	splice_put(e, h->host_at, host, strlen(host));
	n = splice_out(e, sg->out, SG_OUT);
	if (n > 0)
		sg_pass_send(sg, to, sg->out, (size_t)n);
}

static void
sg_pass_on_due(void *arg, struct sg_hold *h, bool ended)
{
	struct sg *sg = arg;
	struct sg_owner *o;

	if (ended) {
		sg->count.hold_ended++;
		return;
	}
	if (h->owner != 0) {
		o = sg_route_by_hash(&sg->route, h->owner);
		if (o == NULL || !o->serving)
			return;
		sg->count.resent++;
		if (h->host_n != 0 && !addr_equal(&o->addr, &h->to)) {
			sg_pass_resend_moved(sg, h, &o->addr);
			return;
		}
		h->to = o->addr;
	} else {
		sg->count.resent++;
	}
	sg_pass_send(sg, &h->to, h->bytes, h->n);
}

void
sg_pass_tick(struct sg *sg)
{
	uint64_t now = clock_mono();

	sg_route_refresh(&sg->route, now);
	sg_hold_tick(&sg->holds, now, sg_pass_on_due, sg);
	if (sg->holds.count > 0)
		loop_timer_set(sg->hold_timer, SG_HOLD_TICK);
}

/* Who serves again gets at once what is held for it. The map may have been
 * read since by a message on its way: "fresh" tells. */
void
sg_pass_owners(struct sg *sg)
{
	uint64_t now = clock_mono();
	struct sg_owner *o = sg->route.owner;

	sg_route_refresh(&sg->route, now);
	for (; o < sg->route.owner + sg->route.count; o++) {
		if (o->fresh)
			sg_hold_hurry(&sg->holds, o->hash, now);
		o->fresh = false;
	}
	if (sg->holds.count > 0)
		sg_pass_tick(sg);
}

/* ---- one request ------------------------------------------------------- */

void
sg_pass_in(struct sg_in *in, const struct sg_pass *p)
{
	struct sg *sg = in->sg;
	char branch[SG_BRANCH_TEXT];
	long n;

	if (p->owner == NULL || !sg_route_is_patient(p->owner, in->now)) {
		sg->count.no_owner++;
		sg_answer_later(in);
		return;
	}
	sg_branch(&sg->keys, in->scan, branch);
	n = sg_pass_make(in, p, branch);
	if (n < 0 || n > SIP_UDP_MAX) {
		sg->count.too_big++;
		sg_answer(in, 513, NULL, NULL);
		return;
	}
	if (sip_proto_is_stream(in->flow->proto) &&
	    in->scan->method != SCAN_ACK)
		sg_pass_hold(in, p, branch, (size_t)n);
	/* Nobody serves right now: a phone on UDP will repeat it, what is held
	 * we repeat. */
	if (!p->owner->serving) {
		sg->count.no_owner++;
		return;
	}
	sg->count.forwarded++;
	sg_pass_send(sg, &p->owner->addr, sg->out, (size_t)n);
}
