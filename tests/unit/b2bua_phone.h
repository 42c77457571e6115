#ifndef TESTS_B2BUA_PHONE_H
#define TESTS_B2BUA_PHONE_H

/*
 * Phones behind the rig's gate, in SIP as text: what they send, and the parts
 * of what they are sent. Included by b2bua_rig.h alone.
 */

/* ---- SIP as text ---- */

/* The value of the n-th header of a name, in one of a few buffers. */
static const char *
sip_nth(const char *msg, const char *name, unsigned n)
{
	static char values[16][4096];
	static unsigned next;
	char *out = values[next++ % 16];
	size_t len = strlen(name);

	out[0] = '\0';
	for (const char *s = strchr(msg, '\n'); s != NULL;
	     s = strchr(s, '\n')) {
		s++;
		if (*s == '\r' || *s == '\n')
			break;
		if (strncasecmp(s, name, len) != 0 || s[len] != ':' || n-- > 0)
			continue;
		s += len + 1;
		s += strspn(s, " ");
		str_ncopy(out, 4096, s, strcspn(s, "\r\n"));
		break;
	}
	return out;
}

static const char *
sip_get(const char *msg, const char *name)
{
	return sip_nth(msg, name, 0);
}

static const char *
sip_body(const char *msg)
{
	const char *s = strstr(msg, "\r\n\r\n");

	return s == NULL ? "" : s + 4;
}

/* The value of ";name=" in a header. */
static const char *
sip_param(const char *value, const char *name)
{
	static char out[8][512];
	static unsigned next;
	char *to = out[next++ % 8], key[64];
	const char *s;

	snprintf(key, sizeof key, ";%s=", name);
	s = strstr(value, key);
	to[0] = '\0';
	if (s != NULL)
		str_ncopy(to, 512, s + strlen(key),
		    strcspn(s + strlen(key), ";>, \r\n"));
	return to;
}

/* What stands between < and >. */
static const char *
sip_uri(const char *value)
{
	static char out[8][512];
	static unsigned next;
	char *to = out[next++ % 8];
	const char *s = strchr(value, '<');

	to[0] = '\0';
	if (s != NULL)
		str_ncopy(to, 512, s + 1, strcspn(s + 1, ">"));
	return to;
}

#define SDP_A                                                        \
	"v=0\r\no=alice 1 1 IN IP4 10.1.1.1\r\ns=Alice's phone\r\n"  \
	"c=IN IP4 10.1.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\n" \
	"a=rtpmap:8 PCMA/8000\r\na=x-secret:alice\r\n"
#define SDP_B                                                      \
	"v=0\r\no=bob 7 7 IN IP4 10.2.2.2\r\ns=Bob's phone\r\n"    \
	"c=IN IP4 10.2.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n" \
	"a=rtpmap:8 PCMA/8000\r\na=x-secret:bob\r\n"

/* A dialog as a phone sees it. */
struct phone {
	const char *user; /* contact user and token */
	char call_id[128];
	char local[256], remote[512]; /* From and To of its requests */
	char target[256];	      /* B2BUA's contact */
	unsigned cseq;
	char invite_via[256]; /* of the last INVITE it sent */
};

static void
rig_body(struct buf *b, const char *body)
{
	if (body != NULL && body[0] != '\0')
		buf_str(b, "Content-Type: application/sdp\r\n");
	buf_fmt(b, "Content-Length: %zu\r\n\r\n%s",
	    body == NULL ? 0 : strlen(body), body == NULL ? "" : body);
}

static const char *
rig_gate_text(void)
{
	static char text[ADDR_TEXT];

	addr_text(text, &rig.gate_addr);
	return text;
}

/* An INVITE of a registered phone; extra: more headers, each with CRLF. */
static void
rig_invite(struct phone *p, const char *user, const char *to, const char *extra,
    const char *sdp)
{
	struct buf b = BUF_INIT;

	p->user = user;
	snprintf(p->call_id, sizeof p->call_id, "cid-%s-%u", user, ++rig.via);
	snprintf(p->local, sizeof p->local,
	    "\"Phone %s\" <sip:%s@demo.test>;tag=ft%u", user, user, rig.via);
	snprintf(p->remote, sizeof p->remote, "<sip:%s@demo.test>", to);
	p->cseq = 1;
	snprintf(p->invite_via, sizeof p->invite_via,
	    "SIP/2.0/UDP %s;branch=z9hG4bKgate%u", rig_gate_text(), rig.via);
	buf_fmt(&b,
	    "INVITE sip:%s@demo.test SIP/2.0\r\nVia: %s\r\n"
	    "Via: SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKphone%u\r\n"
	    "Record-Route: <sip:tok-%s@%s;lr>\r\nMax-Forwards: %u\r\n"
	    "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\n"
	    "Contact: <sip:%s@10.1.1.1:5060>\r\nUser-Agent: SecretPhone/1\r\n"
	    "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n"
	    "X-Tandem-Domain: %s\r\nX-Tandem-Target: %s\r\n"
	    "X-Tandem-Source: 198.51.100.7:5060;transport=udp;listener=x\r\n"
	    "%s",
	    to, p->invite_via, rig.via, user, rig_gate_text(), rig.max_forwards,
	    p->local, p->remote, p->call_id, user, rig.domain, rig.target,
	    extra == NULL ? "" : extra);
	rig_body(&b, sdp);
	rig_send(b.data);
	buf_fini(&b);
}

#define TRUSTED_101 "X-Tandem-User: 101\r\n"

/* The reply of a phone to a message of the B2BUA. */
static void
rig_reply(const char *msg, int code, const char *tag, const char *extra,
    const char *sdp)
{
	struct buf b = BUF_INIT;
	const char *cseq = sip_get(msg, "CSeq"), *to = sip_get(msg, "To");
	bool dialog = strstr(cseq, "INVITE") != NULL ||
	    strstr(cseq, "UPDATE") != NULL;

	buf_fmt(&b, "SIP/2.0 %d X\r\n", code);
	for (unsigned i = 0; sip_nth(msg, "Via", i)[0] != '\0'; i++)
		buf_fmt(&b, "Via: %s\r\n", sip_nth(msg, "Via", i));
	if (dialog && code > 100 && code < 300)
		buf_fmt(&b, "Record-Route: <sip:tok-%s@%s;lr>\r\n",
		    tag == NULL ? "x" : tag, rig_gate_text());
	buf_fmt(&b, "From: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n",
	    sip_get(msg, "From"), to,
	    tag == NULL || strstr(to, ";tag=") != NULL ? "" : ";tag=",
	    tag == NULL || strstr(to, ";tag=") != NULL ? "" : tag,
	    sip_get(msg, "Call-ID"), cseq);
	if (dialog)
		buf_fmt(&b, "Contact: <sip:%s@10.2.2.2:5062>\r\n",
		    tag == NULL ? "x" : tag);
	buf_str(&b, extra == NULL ? "" : extra);
	rig_body(&b, sdp);
	rig_send(b.data);
	buf_fini(&b);
}

/* The caller learns its dialog from a reply to its INVITE. */
static void
rig_learn(struct phone *p, const char *reply)
{
	str_copy(p->remote, sizeof p->remote, sip_get(reply, "To"));
	str_copy(
	    p->target, sizeof p->target, sip_uri(sip_get(reply, "Contact")));
}

/* The called phone's side of the dialog of an INVITE it was sent. */
static void
rig_learn_callee(struct phone *p, const char *invite, const char *tag)
{
	p->user = tag;
	str_copy(p->call_id, sizeof p->call_id, sip_get(invite, "Call-ID"));
	snprintf(
	    p->local, sizeof p->local, "%s;tag=%s", sip_get(invite, "To"), tag);
	str_copy(p->remote, sizeof p->remote, sip_get(invite, "From"));
	str_copy(
	    p->target, sizeof p->target, sip_uri(sip_get(invite, "Contact")));
	p->cseq = 100;
}

static void
rig_ack(struct phone *p, const char *sdp)
{
	struct buf b = BUF_INIT;

	buf_fmt(&b,
	    "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKack%u\r\n"
	    "Max-Forwards: 69\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\n"
	    "CSeq: %u ACK\r\n",
	    p->target, rig_gate_text(), ++rig.via, p->local, p->remote,
	    p->call_id, p->cseq);
	rig_body(&b, sdp);
	rig_send(b.data);
	buf_fini(&b);
}

/* ACK of a failure or CANCEL: the INVITE's own branch. */
static void
rig_hop(struct phone *p, const char *method, const char *reply)
{
	struct buf b = BUF_INIT;

	buf_fmt(&b,
	    "%s sip:x@demo.test SIP/2.0\r\nVia: %s\r\nMax-Forwards: 69\r\n"
	    "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
	    "Content-Length: 0\r\n\r\n",
	    method, p->invite_via, p->local,
	    reply == NULL ? p->remote : sip_get(reply, "To"), p->call_id,
	    p->cseq, method);
	rig_send(b.data);
	buf_fini(&b);
}

/* A request in the dialog. */
static void
rig_request(
    struct phone *p, const char *method, const char *extra, const char *body)
{
	struct buf b = BUF_INIT;

	p->cseq++;
	snprintf(p->invite_via, sizeof p->invite_via,
	    "SIP/2.0/UDP %s;branch=z9hG4bKreq%u", rig_gate_text(), ++rig.via);
	buf_fmt(&b,
	    "%s %s SIP/2.0\r\nVia: %s\r\nMax-Forwards: 69\r\n"
	    "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
	    "Contact: <sip:%s@10.9.9.9:5070>\r\n%s",
	    method, p->target, p->invite_via, p->local, p->remote, p->call_id,
	    p->cseq, method, p->user, extra == NULL ? "" : extra);
	if (extra != NULL && strstr(extra, "Content-Type") != NULL)
		buf_fmt(
		    &b, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	else
		rig_body(&b, body);
	rig_send(b.data);
	buf_fini(&b);
}

#endif
