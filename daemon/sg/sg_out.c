/*
 * Requests of B2BUA to phones. The topmost Route is the token that this gate
 * gave for the flow; it is opened and popped, the inner Via is folded into
 * our branch (so the reply needs no memory of ours), Contact becomes the
 * sealed name of the instance. Nothing without a row in the white list goes
 * out, and nothing that says where the inside is.
 */
#include "sg.h"

/* ---- the branch that holds the inner Via -------------------------------- */

#define COOKIE "z9hG4bK"
#define COOKIE_LEN 7

/* Address and branch as bytes to be sealed; 0 when they do not fit. */
static size_t
sg_out_inner(uint8_t out[SG_PLAIN], const union addr *a, uint32_t owner,
    struct scan_span branch)
{
	size_t n = 1;

	if (branch.n <= COOKIE_LEN || !str_iequal(branch.p, COOKIE_LEN, COOKIE))
		return 0;
	branch.p += COOKIE_LEN;
	branch.n -= COOKIE_LEN;
	if (a->sa.sa_family == AF_INET6) {
		out[0] = 6;
		memcpy(out + 1, &a->in6.sin6_addr, 16);
		memcpy(out + 17, &a->in6.sin6_port, 2);
		n = 19;
	} else {
		out[0] = 4;
		memcpy(out + 1, &a->in4.sin_addr, 4);
		memcpy(out + 5, &a->in4.sin_port, 2);
		n = 7;
	}
	memcpy(out + n, &owner, 4);
	n += 4;
	if (branch.n > SG_PLAIN - n)
		return 0;
	memcpy(out + n, branch.p, branch.n);
	return n + branch.n;
}

/* Our branch for a request of the inside: the same for its CANCEL and ACK. */
static size_t
sg_out_branch(struct sg *sg, const struct scan *s, const union addr *from,
    char out[SG_TOKEN])
{
	const struct scan_via *v = &s->via;
	struct sg_owner *o = sg_route_by_address(&sg->route, from);
	uint8_t plain[SG_PLAIN];
	union addr sent = *from;
	size_t n;

	if (addr_nparse(&sent, v->host.p, v->host.n, 0))
		addr_set_port(&sent, v->port != 0 ? (uint16_t)v->port : 5060);
	else
		sent = *from;
	n = sg_out_inner(plain, &sent, o != NULL ? o->hash : 0, v->branch);
	return n > 0 ? sg_seal(&sg->keys, SG_BRANCH, plain, n, out) : 0;
}

bool
sg_out_open_branch(struct sg *sg, struct scan_span branch, struct sg_inner *in)
{
	uint8_t p[SG_PLAIN];
	size_t head;
	long n;

	if (branch.n <= COOKIE_LEN || memcmp(branch.p, COOKIE, COOKIE_LEN) != 0)
		return false;
	n = sg_open(&sg->keys, SG_BRANCH, branch.p + COOKIE_LEN,
	    branch.n - COOKIE_LEN, p);
	memset(&in->addr, 0, sizeof in->addr);
	if (n > 11 && p[0] == 4) {
		in->addr.in4.sin_family = AF_INET;
		memcpy(&in->addr.in4.sin_addr, p + 1, 4);
		memcpy(&in->addr.in4.sin_port, p + 5, 2);
		head = 7;
	} else if (n > 23 && p[0] == 6) {
		in->addr.in6.sin6_family = AF_INET6;
		memcpy(&in->addr.in6.sin6_addr, p + 1, 16);
		memcpy(&in->addr.in6.sin6_port, p + 17, 2);
		head = 19;
	} else {
		return false;
	}
	memcpy(&in->owner, p + head, 4);
	head += 4;
	memcpy(in->branch, p + head, (size_t)n - head);
	in->branch[(size_t)n - head] = '\0';
	return true;
}

/* ---- what goes out both as request and as reply ------------------------ */

void
sg_out_white_list(struct splice *e, const struct scan *s)
{
	const struct scan_line *l;

	for (l = s->line; l < s->line + s->nlines; l++) {
		if ((scan_header_flags(l->id) & SCAN_OUT) == 0)
			splice_cut(e, l->at, l->next - l->at);
	}
}

/* The instance that sent it: the user of its Contact, else its address. */
static const struct sg_owner *
sg_out_sender(struct sg *sg, struct scan_span contact, const union addr *from)
{
	struct scan_address a;
	struct sg_owner *o = NULL;

	if (scan_address(&a, contact.p, contact.n))
		o = sg_route_find(&sg->route, a.uri.user.p, a.uri.user.n);
	return o != NULL ? o : sg_route_by_address(&sg->route, from);
}

/* One Contact, whatever the inside wrote; none when it is not known whose. */
void
sg_out_contact(struct sg *sg, struct splice *e, const struct scan *s,
    const struct sg_listener *l, const union addr *from)
{
	struct scan_span value = scan_value(s, SCAN_CONTACT);
	const struct sg_owner *o;
	char token[SG_TOKEN];
	unsigned i;

	if (s->first[SCAN_CONTACT] == 0)
		return;
	o = sg_out_sender(sg, value, from);
	if (o == NULL || l == NULL)
		sg->count.inside_bad++;
	for (i = 0; i < s->nlines; i++) {
		if (s->line[i].id == SCAN_CONTACT &&
		    (o == NULL || l == NULL || i + 1 != s->first[SCAN_CONTACT]))
			splice_cut(
			    e, s->line[i].at, s->line[i].next - s->line[i].at);
	}
	if (o == NULL || l == NULL)
		return;
	sg_seal(&sg->keys, SG_INSTANCE, o->name, strlen(o->name), token);
	splice_cut(e, scan_at(s, value.p), value.n);
	splice_fmt(e, scan_at(s, value.p), "<sip:%s@%s%s%s>", token, l->place,
	    l->proto == SIP_UDP ? "" : ";transport=",
	    l->proto == SIP_UDP ? "" : sip_proto_uri(l->proto));
}

/* ---- requests ---------------------------------------------------------- */

/* The flow of the topmost Route, which must be ours; what to cut with it. */
static bool
sg_out_flow(
    struct sg *sg, const struct scan *s, struct sip_flow *f, size_t *cut)
{
	struct scan_span value = scan_value(s, SCAN_ROUTE), item;
	const char *at = value.p, *end = value.p + value.n;
	uint8_t bytes[SG_PLAIN];
	struct scan_address a;
	long n;

	if (s->first[SCAN_ROUTE] == 0 || !scan_item(&at, end, &item) ||
	    !scan_address(&a, item.p, item.n))
		return false;
	while (at < end && (*at == ',' || *at == ' ' || *at == '\t'))
		at++;
	*cut = (size_t)(at - value.p);
	n = sg_open(&sg->keys, SG_FLOW, a.uri.user.p, a.uri.user.n, bytes);
	return n > 0 && sg_flow_decode(sg->transport, bytes, (size_t)n, f);
}

/* Cut our Route: its item, or the line when it stood alone. */
static void
sg_out_cut_route(struct splice *e, const struct scan *s, size_t cut)
{
	const struct scan_line *l = &s->line[s->first[SCAN_ROUTE] - 1];

	if (l->value + cut >= l->end)
		splice_cut(e, l->at, l->next - l->at);
	else
		splice_cut(e, l->value, cut);
}

static long
sg_out_make(struct sg *sg, const struct scan *s, const struct sip_flow *f,
    const union addr *from, size_t route)
{
	struct sg_listener *l = sg_listener_of(f);
	struct splice *e = &sg->splice;
	char branch[SG_TOKEN];
	unsigned i;

	if (l == NULL || sg_out_branch(sg, s, from, branch) == 0)
		return -1;
	splice_init(e, s->text, s->size);
	splice_fmt(e, s->line[0].at,
	    "Via: SIP/2.0/%s %s;branch=" COOKIE "%s;rport\r\n",
	    sip_proto_via(f->proto), l->place, branch);
	for (i = 0; i < s->nlines; i++) {
		if (s->line[i].id == SCAN_VIA ||
		    s->line[i].id == SCAN_RECORD_ROUTE)
			splice_cut(
			    e, s->line[i].at, s->line[i].next - s->line[i].at);
	}
	sg_out_cut_route(e, s, route);
	sg_out_contact(sg, e, s, l, from);
	sg_pass_hops(e, s);
	sg_out_white_list(e, s);
	return splice_out(e, sg->out, SG_OUT);
}

/* An ACK inside ends the repetition of the failure it is for. */
static void
sg_out_end_hold(struct sg *sg, const struct scan *s, const union addr *from)
{
	struct scan_span invite = {"INVITE", 6};
	uint8_t key[SG_HOLD_KEY];
	char branch[SG_TOKEN];
	size_t n;

	if (sg->holds.count == 0 ||
	    (n = sg_out_branch(sg, s, from, branch)) == 0)
		return;
	n = sg_hold_key(key, 'R', branch, n, invite);
	sg_hold_remove(&sg->holds, key, n);
}

void
sg_out_request(struct sg *sg, struct scan *s, const union addr *from)
{
	struct sip_flow flow;
	size_t route = 0;
	long n;

	if (s->method == SCAN_ACK)
		sg_out_end_hold(sg, s, from);
	if (!sg_out_flow(sg, s, &flow, &route)) {
		sg->count.flow_gone++;
		sg_answer_inside(sg, s, from, 430);
		return;
	}
	if (s->max_forwards == 0) {
		sg_answer_inside(sg, s, from, 483);
		return;
	}
	n = sg_out_make(sg, s, &flow, from, route);
	if (n < 0) {
		sg->count.inside_bad++;
		sg_answer_inside(sg, s, from, 513);
		return;
	}
	if (sip_send(sg->transport, &flow, sg->out, (size_t)n) != 0) {
		sg->count.flow_gone++;
		sg_answer_inside(sg, s, from, 430);
		return;
	}
	sg->count.forwarded++;
}
