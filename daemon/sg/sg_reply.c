/*
 * Replies. Those of the inside carry our Via on top, whose flow parameter
 * says where they go; it is popped, Contact is sealed, our own Record-Route
 * is taken out. Those of phones are known by the sealed inner Via in our
 * branch; it is put back, and where a dialog may form our Record-Route is
 * put last, nearest to the B2BUA. What opens no branch and names no flow
 * belongs to nobody and is dropped.
 */
#include "sg.h"

struct sg_listener *
sg_listener_of(const struct sip_flow *f)
{
	return f->listener != NULL ? sip_listener_state(f->listener) : NULL;
}

/* ---- from phones ------------------------------------------------------- */

/* The inner Via in place of ours; all others are cut. */
static void
sg_reply_restore_via(
    struct splice *e, const struct scan *s, const struct sg_inner *inner)
{
	char sent[ADDR_TEXT];
	const struct scan_line *l;

	for (l = s->line; l < s->line + s->nlines; l++) {
		if (l->id == SCAN_VIA)
			splice_cut(e, l->at, l->next - l->at);
	}
	addr_text(sent, &inner->addr);
	splice_texts(e, s->line[s->first[SCAN_VIA] - 1].at,
	    SPLICE_TEXTS("Via: SIP/2.0/UDP ", sent, ";branch=z9hG4bK",
		inner->branch, "\r\n"));
}

/* Our Record-Route behind those of proxies nearer to the phone. */
static void
sg_reply_record(struct sg_in *in, struct splice *e)
{
	const struct scan *s = in->scan;
	const struct scan_line *l, *last = &s->line[s->first[SCAN_VIA] - 1];

	for (l = s->line; l < s->line + s->nlines; l++) {
		if (l->id == SCAN_RECORD_ROUTE)
			last = l;
	}
	splice_texts(e, last->next,
	    SPLICE_TEXTS("Record-Route: <sip:",
		sg_face_get(&in->sg->keys, in->flow)->token, "@",
		in->sg->inside_text, ";lr>\r\n"));
}

static bool
sg_reply_forms_dialog(const struct scan *s)
{
	return s->status > 100 && s->status < 300 &&
	    (s->method == SCAN_INVITE || s->method == SCAN_SUBSCRIBE ||
		s->method == SCAN_REFER);
}

static long
sg_reply_make(struct sg_in *in, const struct sg_inner *inner)
{
	struct splice *e = &in->sg->splice;
	const struct scan *s = in->scan;
	const struct scan_line *l;

	splice_init(e, s->text, s->size);
	sg_reply_restore_via(e, s, inner);
	splice_texts(e, s->line[s->first[SCAN_VIA] - 1].next,
	    SPLICE_TEXTS(
		"X-Tandem-Source: ", sg_face_get(&in->sg->keys, in->flow)->peer,
		";transport=", sip_proto_name(in->flow->proto),
		";listener=", sip_listener_name(in->flow->listener), "\r\n"));
	if (sg_reply_forms_dialog(s))
		sg_reply_record(in, e);
	for (l = s->line; l < s->line + s->nlines; l++) {
		if ((scan_header_flags(l->id) & SCAN_IN) == 0)
			splice_cut(e, l->at, l->next - l->at);
	}
	return splice_out(e, in->sg->out, SG_OUT);
}

/* A failure of an INVITE comes once over a stream: until its ACK passes it
 * is said again (RFC 3261 17.2.1, timer G). */
static void
sg_reply_hold(struct sg_in *in, const struct sg_inner *inner,
    const union addr *to, size_t n)
{
	struct sg *sg = in->sg;
	struct scan_span invite = {"INVITE", 6};
	const struct scan_span b = in->scan->via.branch;
	uint8_t key[SG_HOLD_KEY];
	struct sg_hold *h;
	size_t nkey;

	if (!sip_proto_is_stream(in->flow->proto) ||
	    in->scan->method != SCAN_INVITE || in->scan->status < 300)
		return;
	nkey = sg_hold_key(key, 'R', b.p + 7, b.n - 7, invite);
	h = sg_hold_add(&sg->holds, key, nkey, false, sg->out, n, in->now);
	if (h == NULL) {
		sg->count.holds_full++;
		return;
	}
	sg->count.held++;
	h->owner = inner->owner;
	h->to = *to;
	if (!loop_timer_is_set(sg->hold_timer))
		loop_timer_set(sg->hold_timer, SG_HOLD_TICK);
}

void
sg_reply_outside(struct sg_in *in)
{
	struct sg *sg = in->sg;
	struct sg_inner inner;
	struct sg_owner *o;
	union addr to;
	long n;

	if (!sg_out_open_branch(sg, in->scan->via.branch, &inner)) {
		sg->count.strays++;
		return;
	}
	/* Its adopter stands in for an instance that died. */
	o = inner.owner != 0 ? sg_route_by_hash(&sg->route, inner.owner) : NULL;
	to = o != NULL && o->serving ? o->addr : inner.addr;
	n = sg_reply_make(in, &inner);
	if (n < 0 || n > SIP_UDP_MAX) {
		sg->count.too_big++;
		return;
	}
	sg_reply_hold(in, &inner, &to, (size_t)n);
	sg->count.forwarded++;
	sg_pass_send(sg, &to, sg->out, (size_t)n);
}

/* ---- from the inside --------------------------------------------------- */

/* The flow in our Via, on top of the reply. */
static bool
sg_reply_flow(struct sg *sg, const struct scan *s, struct sip_flow *f)
{
	uint8_t bytes[SG_FLOW_BYTES];
	struct scan_span text;
	long n;

	if (!scan_param_find(s->via.params, "flow", &text))
		return false;
	n = str_unb64(bytes, sizeof bytes, text.p, text.n);
	return n > 0 && sg_flow_decode(sg->transport, bytes, (size_t)n, f);
}

/* It ends what was held for it. */
static void
sg_reply_end_hold(struct sg *sg, const struct scan *s)
{
	const struct scan_span b = s->via.branch;
	uint8_t key[SG_HOLD_KEY];
	size_t n;

	if (sg->holds.count == 0 || b.n <= 7 ||
	    (s->method != SCAN_INVITE && s->status < 200))
		return;
	n = sg_hold_key(key, 'Q', b.p + 7, b.n - 7, s->method_text);
	sg_hold_remove(&sg->holds, key, n);
}

/* What it says about the phone's password. A 403 has many reasons, so the
 * inside names this one. */
static void
sg_reply_judge(
    struct sg *sg, const struct scan *s, const struct sip_flow *f, uint64_t now)
{
	bool reg = s->method == SCAN_REGISTER;
	struct sg_ban *ban = NULL;

	if (s->status >= 200 && s->status < 300 &&
	    (reg || s->method == SCAN_INVITE))
		sg_guard_good(&sg->guard, &f->peer, now);
	else if (s->first[SCAN_X_TANDEM_REFUSED] != 0)
		ban = sg_guard_fail(&sg->guard, &f->peer, reg, now);
	if (ban != NULL)
		sg_banned(sg, ban);
	if (reg && s->status >= 200 && s->status < 300 && f->proto != SIP_UDP)
		sg_flow_learn(sg, s, f, now);
}

/* Take off our Via: the line, or its first item. */
static void
sg_reply_pop_via(struct splice *e, const struct scan *s)
{
	const struct scan_line *l = &s->line[s->first[SCAN_VIA] - 1];
	size_t end = scan_at(s, s->via.end);

	while (end < l->end &&
	    (s->text[end] == ',' || s->text[end] == ' ' ||
		s->text[end] == '\t'))
		end++;
	if (end >= l->end)
		splice_cut(e, l->at, l->next - l->at);
	else
		splice_cut(e, l->value, end - l->value);
}

/* Is this item of Record-Route an address of the inside? */
static bool
sg_reply_is_own(const struct sg *sg, struct scan_span item)
{
	struct scan_address a;
	char place[ADDR_TEXT + 8];

	if (!scan_address(&a, item.p, item.n))
		return true; /* nobody outside needs what cannot be read */
	snprintf(place, sizeof place, "%.*s:%u", (int)a.uri.host.n,
	    a.uri.host.p, a.uri.port);
	return strcmp(place, sg->inside_text) == 0;
}

/* Our own Record-Route stays inside; those of the phone's proxies go back. */
static void
sg_reply_cut_record(struct sg *sg, struct splice *e, const struct scan *s)
{
	const struct scan_line *l;
	struct scan_span item;
	const char *at, *end;
	unsigned kept;

	for (l = s->line; l < s->line + s->nlines; l++) {
		if (l->id != SCAN_RECORD_ROUTE)
			continue;
		kept = 0;
		at = s->text + l->value;
		end = s->text + l->end;
		splice_cut(e, l->at, l->next - l->at);
		while (scan_item(&at, end, &item)) {
			if (sg_reply_is_own(sg, item))
				continue;
			splice_fmt(e, l->at, "%s%.*s",
			    kept++ == 0 ? "Record-Route: " : ", ", (int)item.n,
			    item.p);
		}
		if (kept > 0)
			splice_fmt(e, l->at, "\r\n");
	}
}

static long
sg_reply_make_out(struct sg *sg, const struct scan *s, const struct sip_flow *f,
    const union addr *from)
{
	struct splice *e = &sg->splice;

	splice_init(e, s->text, s->size);
	sg_reply_pop_via(e, s);
	/* The contacts of a REGISTER's reply are the phones' own. */
	if (s->method != SCAN_REGISTER)
		sg_out_contact(sg, e, s, sg_listener_of(f), from);
	sg_reply_cut_record(sg, e, s);
	sg_out_white_list(e, s);
	return splice_out(e, sg->out, SG_OUT);
}

void
sg_reply_inside(struct sg *sg, struct scan *s, const union addr *from)
{
	uint64_t now = clock_mono();
	struct sip_flow flow;
	long n;

	sg_reply_end_hold(sg, s);
	if (!sg_reply_flow(sg, s, &flow)) {
		sg->count.flow_gone++;
		return;
	}
	n = sg_reply_make_out(sg, s, &flow, from);
	if (n < 0) {
		sg->count.inside_bad++;
		return;
	}
	if (sip_send(sg->transport, &flow, sg->out, (size_t)n) != 0) {
		sg->count.flow_gone++;
		return;
	}
	sg->count.forwarded++;
	sg_reply_judge(sg, s, &flow, now);
}
