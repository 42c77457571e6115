/*
 * Replies of the gate itself, without a transaction (RFC 3261 8.2.7): made
 * from the request's own lines, with a To-tag that follows from the request,
 * so that a repetition gets the same answer and the ACK to it is known.
 *
 * A datagram may come from a forged address, so its answer is not longer than
 * it was: of two forms the one that fits is sent. The short form may be up to
 * ANSWER_SLACK bytes longer, or a phone with a terse REGISTER could never
 * register; what is no challenge goes without any, before it is dropped.
 */
#include "sg.h"

#define ANSWER_SLACK 128

/* The lines of a request that its reply repeats (RFC 3261 8.2.6.2). */
static bool
sg_answer_keeps(const struct scan *s, unsigned line)
{
	unsigned id = s->line[line].id;

	return id == SCAN_VIA ||
	    ((id == SCAN_FROM || id == SCAN_TO || id == SCAN_CALL_ID ||
		 id == SCAN_CSEQ) &&
		s->first[id] == line + 1);
}

/* Keep those lines, cut everything else; where the head ends. */
static size_t
sg_answer_cut(struct splice *e, const struct scan *s)
{
	size_t from = 0;
	unsigned i;

	for (i = 0; i < s->nlines; i++) {
		if (!sg_answer_keeps(s, i))
			continue;
		if (s->line[i].at > from)
			splice_cut(e, from, s->line[i].at - from);
		from = s->line[i].next;
	}
	splice_cut(e, from, s->size - from);
	return from;
}

/* The whole reply in sg->out; its length, or -1. */
static long
sg_answer_make(struct sg *sg, const struct scan *s, const union addr *source,
    int status, const char *extra)
{
	struct splice *e = &sg->splice;
	char tag[SG_TAG], peer[ADDR_TEXT];
	size_t end;

	addr_text(peer, source);
	splice_init(e, s->text, s->size);
	splice_fmt(e, 0, "SIP/2.0 %d %s\r\n", status, sip_phrase(status));
	if (s->via.end != NULL) /* it could be read */
		sg_pass_via(e, s, source, peer);
	if (s->first[SCAN_TO] != 0 && s->to_tag.n == 0) {
		sg_tag(&sg->keys, s, tag);
		splice_fmt(
		    e, s->line[s->first[SCAN_TO] - 1].end, ";tag=%s", tag);
	}
	end = sg_answer_cut(e, s);
	splice_fmt(
	    e, end, "%sContent-Length: 0\r\n\r\n", extra != NULL ? extra : "");
	return splice_out(e, sg->out, SG_OUT);
}

/* Without its header such an answer says nothing. */
static bool
sg_answer_is_challenge(int status)
{
	return status == 401 || status == 407;
}

void
sg_answer(struct sg_in *in, int status, const char *extra, const char *brief)
{
	bool datagram = in->flow->proto == SIP_UDP;
	const union addr *source = &in->flow->peer;
	long n, most = (long)in->scan->size;

	if (in->scan->method == SCAN_ACK || in->scan->first[SCAN_VIA] == 0)
		return;
	n = sg_answer_make(in->sg, in->scan, source, status, extra);
	if (datagram && n > most && extra != NULL)
		n = sg_answer_make(in->sg, in->scan, source, status, brief);
	if (datagram && n > most + ANSWER_SLACK && brief != NULL &&
	    !sg_answer_is_challenge(status))
		n = sg_answer_make(in->sg, in->scan, source, status, NULL);
	if (n < 0 || (datagram && n > most + ANSWER_SLACK)) {
		in->sg->count.too_big++;
		return;
	}
	in->sg->count.answered++;
	sip_send(in->sg->transport, &in->back, in->sg->out, (size_t)n);
}

void
sg_answer_later(struct sg_in *in)
{
	char extra[64];

	snprintf(extra, sizeof extra, "Retry-After: %u\r\n",
	    5 + (unsigned)(in->now % 11));
	sg_answer(in, 503, extra, NULL);
}

void
sg_answer_inside(
    struct sg *sg, const struct scan *s, const union addr *from, int status)
{
	long n;

	if (s->method == SCAN_ACK)
		return;
	n = sg_answer_make(sg, s, from, status, NULL);
	if (n > 0)
		sg_pass_send(sg, from, sg->out, (size_t)n);
}

/* ---- challenges -------------------------------------------------------- */

/* Phones that give up when any of the challenges is not MD5, though RFC 8760
 * 2.4 has them take the one they know: libre before its release 2. */
static const char *const sg_md5_only[] = {
    "baresip v0.", "baresip v1.", "re v0.", "re v1."};

static bool
sg_answer_knows_sha(const struct scan *s)
{
	struct scan_span agent = scan_value(s, SCAN_USER_AGENT);
	size_t i, n;

	for (i = 0; i < sizeof sg_md5_only / sizeof sg_md5_only[0]; i++) {
		n = strlen(sg_md5_only[i]);
		if (agent.n >= n && str_iequal(agent.p, n, sg_md5_only[i]))
			return false;
	}
	return true;
}

/*
 * 401 to REGISTER, which is ours as the registrar's front; 407 to the rest
 * (RFC 3261 22.2, 22.3). SHA-256 first, as the better one (RFC 8760 2.2).
 */
void
sg_answer_challenge(struct sg_in *in, const char *realm, bool stale)
{
	bool reg = in->scan->method == SCAN_REGISTER;
	const char *name = reg ? "WWW-Authenticate" : "Proxy-Authenticate";
	const char *more = stale ? ",stale=true" : "";
	char nonce[SG_NONCE], both[1536], brief[768];

	sg_nonce_make(&in->sg->keys, (uint32_t)(clock_real() / CLOCK_SEC),
	    &in->flow->peer, nonce);
	snprintf(brief, sizeof brief,
	    "%s: Digest realm=\"%s\",nonce=\"%s\",qop=\"auth\"%s\r\n", name,
	    realm, nonce, more);
	snprintf(both, sizeof both,
	    "%s: Digest realm=\"%s\",nonce=\"%s\",algorithm=SHA-256,"
	    "qop=\"auth\"%s\r\n"
	    "%s: Digest realm=\"%s\",nonce=\"%s\",algorithm=MD5,"
	    "qop=\"auth\"%s\r\n",
	    name, realm, nonce, more, name, realm, nonce, more);
	in->sg->count.challenges++;
	in->sg->count.stale += stale;
	sg_answer(in, reg ? 401 : 407,
	    sg_answer_knows_sha(in->scan) ? both : brief, brief);
}
