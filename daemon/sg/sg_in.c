/*
 * Requests of phones: which are refused here and how, which are challenged,
 * and where the others go. Decides by the message alone, the tables of
 * domains and owners, and the flow it came on; keeps no transaction.
 *
 * Order: what RFC 3261 16.3 demands of every request, then sealed Contacts
 * (dialogs), REGISTER, what belongs to a transaction (CANCEL, ACK), what
 * needs a dialog and has none, OPTIONS to the gate itself, and at last what
 * opens something new, which needs a known user.
 */
#include <strings.h>

#include "sg.h"

#define ALLOW                                                           \
	"Allow: INVITE, ACK, CANCEL, BYE, REGISTER, OPTIONS, MESSAGE, " \
	"INFO, UPDATE\r\n"
/* What RFC 3261 11.2 wants told, and as much of it in few bytes. */
#define ABILITIES                                                        \
	ALLOW "Accept: application/sdp\r\nAccept-Encoding: identity\r\n" \
	      "Accept-Language: en\r\nSupported: path, outbound, timer\r\n"
#define ABILITIES_BRIEF                                              \
	"Allow:INVITE,ACK,CANCEL,BYE,REGISTER,OPTIONS,MESSAGE,INFO," \
	"UPDATE\r\nAccept:application/sdp\r\nk:path,outbound,timer\r\n"

#define IN_LATE (20 * CLOCK_MS)	     /* of the loop: shedding begins */
#define IN_LATE_ALL (100 * CLOCK_MS) /* and takes every new INVITE */

/* ---- what every request must have -------------------------------------- */

/* Proxy-Require: nothing is done here that could be required (RFC 3261
 * 16.3 step 5); the answer names what was asked for. */
static bool
sg_in_refuse_required(struct sg_in *in)
{
	struct scan_span v = scan_value(in->scan, SCAN_PROXY_REQUIRE);
	char extra[512];

	if (in->scan->first[SCAN_PROXY_REQUIRE] == 0 ||
	    in->scan->method == SCAN_ACK || in->scan->method == SCAN_CANCEL)
		return false;
	snprintf(extra, sizeof extra, "Unsupported: %.*s\r\n",
	    v.n < 400 ? (int)v.n : 0, v.p);
	sg_answer(in, 420, extra, NULL);
	return true;
}

static bool
sg_in_is_sip(const struct scan_address *a)
{
	return a->uri.scheme == SCAN_SIP || a->uri.scheme == SCAN_SIPS;
}

/* True when it was answered here. */
static bool
sg_in_refuse(struct sg_in *in)
{
	const struct scan *s = in->scan;
	int status = 0;

	if (s->method == SCAN_UNKNOWN) {
		sg_answer(in, 501, ALLOW, NULL);
		return true;
	}
	if (s->size > SG_FORWARD)
		status = 513;
	else if (s->max_forwards == 0)
		status = 483;
	else if ((s->from.uri.scheme != SCAN_TEL && !sg_in_is_sip(&s->from)) ||
	    (s->to.uri.scheme != SCAN_TEL && !sg_in_is_sip(&s->to)) ||
	    (s->method == SCAN_REGISTER && !sg_in_is_sip(&s->to)))
		status = 400;
	else if (s->uri.scheme == SCAN_SIPS &&
	    !sip_proto_is_secure(in->flow->proto))
		status = 416;
	if (status == 0)
		return sg_in_refuse_required(in);
	sg_answer(in, status, NULL, NULL);
	return true;
}

/* The ACK to a failure that this gate answered itself. */
static bool
sg_in_absorb(struct sg_in *in)
{
	struct scan_span tag = in->scan->to_tag;
	char own[SG_TAG];

	if (in->scan->method != SCAN_ACK || tag.n != SG_TAG - 1)
		return false;
	sg_tag(&in->sg->keys, in->scan, own);
	if (!crypt_equal(own, tag.p, tag.n))
		return false;
	in->sg->count.absorbed++;
	return true;
}

/* ---- credentials ------------------------------------------------------- */

/* realm and nonce of one header field of credentials. */
static bool
sg_in_digest(
    struct scan_span v, struct scan_span *realm, struct scan_span *nonce)
{
	const char *at = v.p + 7, *end = v.p + v.n;
	struct scan_span name, value;

	realm->n = nonce->n = 0;
	if (v.n < 8 || !str_iequal(v.p, 7, "Digest "))
		return false;
	while (scan_auth(&at, end, &name, &value)) {
		if (scan_span_is(name, "realm"))
			*realm = value;
		else if (scan_span_is(name, "nonce"))
			*nonce = value;
	}
	return realm->n > 0 && nonce->n > 0;
}

/*
 * Credentials of a header whose nonce is ours and fresh; their realm is
 * given. want (may be empty) limits to one realm. *stale: there were some
 * that only came too late or from another address.
 */
static bool
sg_in_credentials(struct sg_in *in, enum scan_header id, struct scan_span want,
    struct scan_span *realm, bool *stale)
{
	uint32_t now_s = (uint32_t)(clock_real() / CLOCK_SEC);
	const struct scan *s = in->scan;
	const struct scan_line *l;
	struct scan_span nonce;
	enum sg_nonce verdict;

	*stale = false;
	for (l = s->line; l < s->line + s->nlines; l++) {
		if (l->id != id ||
		    !sg_in_digest(scan_line_value(s, l), realm, &nonce) ||
		    (want.n > 0 && !scan_span_equal(want, *realm)))
			continue;
		verdict = sg_nonce_check(
		    &in->sg->keys, now_s, &in->flow->peer, nonce.p, nonce.n);
		if (verdict == SG_NONCE_GOOD) {
			sg_guard_answered(in->source);
			return true;
		}
		*stale |= verdict == SG_NONCE_STALE;
	}
	return false;
}

/* Domain of a host; an IP or unknown one means the listener's default. */
static const struct sg_domain *
sg_in_domain(struct sg_in *in, struct scan_span host)
{
	const struct sg_domain *d = sg_domain_by_host(&in->sg->domains, host);
	const char *def = in->listener->domain;

	if (d != NULL || def[0] == '\0')
		return d;
	return sg_domain_by_host(
	    &in->sg->domains, (struct scan_span){def, strlen(def)});
}

/* Ask who it is. An unknown domain is asked for like any other. */
static void
sg_in_challenge(struct sg_in *in, const struct sg_domain *d,
    struct scan_span host, bool stale)
{
	bool proven = sip_proto_is_stream(in->flow->proto);
	struct sg_ban *ban = NULL;
	char realm[SG_DOMAIN];

	if (!stale)
		ban = sg_guard_challenged(
		    &in->sg->guard, &in->flow->peer, proven, in->now);
	if (ban != NULL) {
		sg_banned(in->sg, ban);
		return;
	}
	str_ncopy(realm, sizeof realm, host.p, host.n);
	sg_answer_challenge(in, d != NULL ? d->realm : realm, stale);
}

/* ---- REGISTER ---------------------------------------------------------- */

static void
sg_in_register(struct sg_in *in)
{
	struct scan_span host = in->scan->to.uri.host, realm, want = host;
	const struct sg_domain *d = sg_in_domain(in, host);
	struct sg_pass pass = {.path = true};
	bool stale;

	if (d != NULL)
		want = (struct scan_span){d->realm, strlen(d->realm)};
	if (!sg_in_credentials(in, SCAN_AUTHORIZATION, want, &realm, &stale)) {
		sg_in_challenge(in, d, host, stale);
		return;
	}
	pass.owner = sg_route_find(&in->sg->route, "sr", 2);
	pass.domain = d != NULL ? d->name : NULL;
	sg_pass_in(in, &pass);
}

/* ---- what opens something new ------------------------------------------ */

/* Late by how much the loop turns, new calls are refused first. */
static bool
sg_in_shed(struct sg_in *in)
{
	uint64_t late = in->sg->late, over;

	if (in->scan->method != SCAN_INVITE || late < IN_LATE)
		return false;
	over = (late - IN_LATE) * 256 / (IN_LATE_ALL - IN_LATE);
	if (over < 256 &&
	    (str_hash(in->scan->call_id.p, in->scan->call_id.n) & 255) > over)
		return false;
	in->sg->count.shed++;
	sg_answer_later(in);
	return true;
}

/* Does the host name this gate: a listener, or what a listener takes for its
 * domain, by which the phone calls itself, too? */
static bool
sg_in_is_here(struct sg_in *in, struct scan_span host)
{
	struct scan_span own = in->scan->from.uri.host;
	const struct sg_listener *l = NULL;
	union addr at;
	bool literal = addr_nparse(&at, host.p, host.n, 0);

	while ((l = sg_listener_next(in->sg, l)) != NULL) {
		if (scan_span_is(host, l->advertised) ||
		    (literal && addr_same_host(&l->fed.at, &at)))
			return true;
	}
	return in->listener->domain[0] != '\0' && own.n == host.n &&
	    strncasecmp(own.p, host.p, host.n) == 0;
}

/* No port, or one that is listened on. */
static bool
sg_in_is_port(const struct sg *sg, unsigned port)
{
	const struct sg_listener *l = NULL;

	if (port == 0)
		return true;
	while ((l = sg_listener_next(sg, l)) != NULL) {
		if (l->sip != NULL &&
		    addr_port(sip_listener_address(l->sip)) == port)
			return true;
	}
	return false;
}

/* The domain that the Request-URI means to a caller of this one; NULL: none
 * of this site. What has no host is a number of the caller's own. */
static const char *
sg_in_target(struct sg_in *in, const char *own)
{
	const struct scan_uri *u = &in->scan->uri;
	const struct sg_domain *d;

	if (u->scheme > SCAN_SIPS)
		return own;
	if (!sg_in_is_port(in->sg, u->port))
		return NULL;
	if ((d = sg_domain_by_host(&in->sg->domains, u->host)) != NULL)
		return d->name;
	return sg_in_is_here(in, u->host) ? own : NULL;
}

/* A request outside a dialog: of a flow that registered its user, or with
 * credentials that B2BUA has verified. owner NULL = any B2BUA. */
static void
sg_in_open(struct sg_in *in, struct sg_owner *owner, const char *uri)
{
	struct sg *sg = in->sg;
	struct scan_span host = in->scan->from.uri.host, realm, any = {"", 0};
	struct sg_pass pass = {.owner = owner, .uri = uri, .record = true};
	const struct sg_user *user;
	const struct sg_domain *d;
	char unknown[SG_DOMAIN];
	bool stale;

	if (sg_in_shed(in))
		return;
	user = sg_flow_user(sg, in->flow, in->scan, in->now);
	if (user != NULL) {
		pass.user = user->user;
		pass.domain = user->domain;
	} else if (sg_in_credentials(
		       in, SCAN_PROXY_AUTHORIZATION, any, &realm, &stale)) {
		d = sg_domain_by_realm(&sg->domains, realm);
		str_ncopy(unknown, sizeof unknown, host.p, host.n);
		pass.domain = d != NULL ? d->name : unknown;
	} else {
		sg_in_challenge(in, sg_in_domain(in, host), host, stale);
		return;
	}
	if (pass.owner == NULL)
		pass.owner = sg_route_pick(&sg->route, in->scan, in->now);
	if (uri == NULL)
		pass.target = sg_in_target(in, pass.domain);
	sg_pass_in(in, &pass);
}

/* ---- transactions and dialogs ------------------------------------------ */

/* The instance sealed into a Request-URI of ours; 0 = it is none. */
static size_t
sg_in_token(struct sg_in *in, uint8_t name[SG_PLAIN])
{
	struct scan_span user = in->scan->uri.user;
	long n;

	if (in->scan->uri.scheme > SCAN_SIPS)
		return 0;
	n = sg_open(&in->sg->keys, SG_INSTANCE, user.p, user.n, name);
	return n > 0 && n < OWNER_KEY ? (size_t)n : 0;
}

/* To the instance that a dialog is with. */
static void
sg_in_dialog(struct sg_in *in, const uint8_t *name, size_t n)
{
	struct sg *sg = in->sg;
	struct sg_owner *o = sg_route_find(&sg->route, (const char *)name, n);
	char uri[OWNER_KEY + ADDR_TEXT + 8], host[ADDR_TEXT];
	struct sg_pass pass = {.owner = o, .uri = uri};

	if (o == NULL) {
		sg_answer(in, 481, NULL, NULL);
		return;
	}
	addr_text(host, &o->addr);
	snprintf(uri, sizeof uri, "sip:%s@%s", o->name, host);
	if (in->scan->to_tag.n > 0 || in->scan->method == SCAN_CANCEL)
		sg_pass_in(in, &pass);
	else
		sg_in_open(in, o, uri);
}

/* CANCEL, and the ACK to a failure, follow their INVITE. */
static void
sg_in_follow(struct sg_in *in)
{
	struct sg_pass pass = {0};

	pass.owner = sg_route_pick(&in->sg->route, in->scan, in->now);
	sg_pass_in(in, &pass);
}

static bool
sg_in_needs_dialog(enum scan_method m)
{
	return m == SCAN_BYE || m == SCAN_INFO || m == SCAN_UPDATE ||
	    m == SCAN_PRACK || m == SCAN_NOTIFY;
}

void
sg_in_request(struct sg_in *in)
{
	const struct scan *s = in->scan;
	uint8_t name[SG_PLAIN];
	size_t n;

	if (sg_in_absorb(in) || sg_in_refuse(in))
		return;
	if (s->method == SCAN_REGISTER)
		sg_in_register(in);
	else if ((n = sg_in_token(in, name)) > 0)
		sg_in_dialog(in, name, n);
	else if (s->method == SCAN_CANCEL || s->method == SCAN_ACK)
		sg_in_follow(in);
	else if (s->to_tag.n > 0 || sg_in_needs_dialog(s->method))
		sg_answer(in, 481, NULL, NULL);
	else if (s->method == SCAN_OPTIONS && s->uri.user.n == 0)
		sg_answer(in, 200, ABILITIES, ABILITIES_BRIEF);
	else
		sg_in_open(in, NULL, NULL);
}
