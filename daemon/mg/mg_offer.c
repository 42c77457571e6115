/*
 * Offer and answer: who speaks with whom, through which ports, and what each
 * is shown of the other (RFC 3264). An offer makes what is missing: the call,
 * both parties, ports for each section that can pass; when one of these
 * cannot be had nothing is changed. Repeating an offer or an answer gives the
 * same ports again, so whoever lost a reply may simply ask again.
 *
 * The answer of another branch to the same offer replaces the one before: of
 * several that ring, the caller hears the one that answered last.
 */
#include <stdio.h>
#include <string.h>

#include "mg.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"

/* One command in work. */
struct mg_deal {
	struct mg *mg;
	struct ng_request *request;
	json_t *dict;
	const char *id, *from, *to, *branch, *text;
	struct mg_sdp sdp;
	union addr host; /* where the signalling came from */
	bool has_host;
	bool echo;
	uint64_t now;
	struct mg_call *call;
	struct mg_party *a; /* whose SDP it is */
	struct mg_party *b; /* who is shown it */
};

static bool
mg_deal_fail(struct mg_deal *d, const char *reason)
{
	ng_fail(d->request, reason);
	return false;
}

/* "received-from": ["IP4", "192.0.2.7"]. */
static void
mg_deal_read_host(struct mg_deal *d)
{
	const char *host = json_string_value(
	    json_array_get(mg_key(d->dict, "received-from"), 1));

	d->has_host = host != NULL && addr_parse(&d->host, host, 0);
}

/* What both commands must have; false when it is answered already. */
static bool
mg_deal_read(struct mg_deal *d)
{
	char words[ERR_TEXT_MAX + 40];
	struct err e;

	d->id = ng_str(d->dict, "call-id");
	d->from = ng_str(d->dict, "from-tag");
	d->to = ng_str(d->dict, "to-tag");
	d->branch = ng_str(d->dict, "via-branch");
	d->text = ng_str(d->dict, "sdp");
	d->now = clock_mono();
	d->echo = ng_flag(d->dict, "flags", "tandem-echo");
	if (d->mg->ports.low == 0) {
		d->mg->n.not_ready++;
		return mg_deal_fail(d, "not ready");
	}
	if (d->text == NULL)
		return mg_deal_fail(d, "No SDP body in message");
	if (d->id == NULL)
		return mg_deal_fail(d, "No call-id in message");
	if (d->from == NULL)
		return mg_deal_fail(d, "No from-tag in message");
	if (strlen(d->id) > MG_ID_MAX || strlen(d->from) > MG_ID_MAX ||
	    (d->to != NULL && strlen(d->to) > MG_ID_MAX) ||
	    (d->branch != NULL && strlen(d->branch) > MG_ID_MAX))
		return mg_deal_fail(d, "Call-id, tag or branch too long");
	if (ng_flag(d->dict, "ICE", "force"))
		return mg_deal_fail(d, "ICE is not supported");
	if (mg_sdp_parse(&d->sdp, d->text, strlen(d->text), &e) != 0) {
		d->mg->n.bad_sdp++;
		snprintf(
		    words, sizeof words, "Failed to parse SDP: %s", e.text);
		return mg_deal_fail(d, words);
	}
	mg_deal_read_host(d);
	return true;
}

/* Can the section's packets pass here at all? */
static bool
mg_section_passes(const struct mg_deal *d, const struct mg_section *s)
{
	if (s->port == 0 || s->dead || s->kind == MG_KIND_NONE)
		return false;
	return !d->echo || (s->kind == MG_KIND_RTP && !s->crypto);
}

/* ---- who ----------------------------------------------------------------- */

/* The family of sockets towards a party that is new: what is asked for, what
 * it speaks, or what there is. AF_UNSPEC = it speaks one that we have not. */
static int
mg_deal_family(const struct mg_deal *d, int speaks, bool other)
{
	const char *asked = json_string_value(
	    mg_key(d->dict, "address-family"));

	if (other && str_equal(asked, "IP4"))
		speaks = AF_INET;
	else if (other && str_equal(asked, "IP6"))
		speaks = AF_INET6;
	if (speaks != AF_UNSPEC && mg_ports_has(&d->mg->ports, speaks))
		return speaks;
	if (speaks != AF_UNSPEC && (!other || asked != NULL))
		return AF_UNSPEC;
	return mg_ports_has(&d->mg->ports, AF_INET) ? AF_INET : AF_INET6;
}

/* A party of the call that must be made; NULL when it is answered already. */
static struct mg_party *
mg_deal_new_party(struct mg_deal *d, const char *tag, const char *branch,
    int speaks, bool other)
{
	int family = mg_deal_family(d, speaks, other);

	if (family == AF_UNSPEC) {
		mg_deal_fail(d, "Address family not supported");
		return NULL;
	}
	if (d->call->nparties == MG_CALL_PARTIES) {
		mg_deal_fail(d, "Too many branches");
		return NULL;
	}
	return mg_party_new(d->call, tag, branch, family);
}

/* Who offers. */
static struct mg_party *
mg_offer_find_a(struct mg_deal *d)
{
	struct mg_party *p = mg_party_find(d->call, d->from);
	int speaks = mg_sdp_family(&d->sdp);

	if (p != NULL)
		return p;
	if (speaks == AF_UNSPEC && d->has_host)
		speaks = d->host.sa.sa_family;
	return mg_deal_new_party(d, d->from, NULL, speaks, false);
}

/*
 * To whom: the party of the to-tag or the branch; without a branch the one
 * that the offerer speaks with or has offered to before.
 */
static struct mg_party *
mg_offer_find_b(struct mg_deal *d)
{
	struct mg_party *p = mg_party_find(d->call, d->to);

	if (p != NULL && p != d->a)
		return p;
	if (d->branch != NULL)
		p = mg_party_of_branch(d->call, d->branch);
	else
		p = d->a->peer;
	if (p != NULL && p != d->a &&
	    (d->to == NULL || p->tag[0] == NULL || d->branch != NULL)) {
		if (d->to != NULL)
			mg_party_name(p, d->to);
		return p;
	}
	return mg_deal_new_party(d, d->to, d->branch, d->a->family, true);
}

/* ---- ports --------------------------------------------------------------- */

static int
mg_party_open(struct mg_deal *d, struct mg_party *p, struct err *e)
{
	unsigned i;
	int r;

	for (i = 0; i < d->sdp.count; i++) {
		if (!mg_section_passes(d, &d->sdp.section[i]))
			continue;
		if ((r = mg_media_open(p, i, e)) != 0)
			return r;
	}
	return 0;
}

/* End what the command opened, or keep it. */
static void
mg_party_settle(struct mg_party *p, bool keep)
{
	unsigned i;

	for (i = 0; i < MG_SECTIONS; i++) {
		if (p->media[i] == NULL || !p->media[i]->fresh)
			continue;
		if (keep)
			p->media[i]->fresh = false;
		else
			mg_media_close(p, i);
	}
}

static bool
mg_offer_open(struct mg_deal *d)
{
	struct err e;
	int r = mg_party_open(d, d->a, &e);

	if (r == 0 && d->b != NULL)
		r = mg_party_open(d, d->b, &e);
	mg_party_settle(d->a, r == 0);
	if (d->b != NULL)
		mg_party_settle(d->b, r == 0);
	if (r == 0)
		return true;
	log_warnx("call=%s offer refused: %s", d->id, e.text);
	if (r == -ERR_FULL) {
		d->mg->n.no_ports++;
		ng_fail(d->request, "Ran out of ports");
	} else {
		d->mg->n.limit++;
		ng_limit(d->request, "Parallel session limit reached");
	}
	return false;
}

/* Ports of sections that the SDP no longer has, or refuses. */
static void
mg_party_trim(struct mg_deal *d, struct mg_party *p)
{
	unsigned i;

	for (i = 0; i < MG_SECTIONS; i++) {
		if (i >= d->sdp.count ||
		    !mg_section_passes(d, &d->sdp.section[i]))
			mg_media_close(p, i);
	}
}

/* ---- RTCP on the RTP port (RFC 5761) ------------------------------------- */

/* How the offerer's wish is met, and whether the other side is asked. */
static void
mg_offer_mux(const struct mg_deal *d, struct mg_media *a, struct mg_media *b,
    const struct mg_section *s)
{
	static const char key[] = "rtcp-mux";
	bool demux = ng_flag(d->dict, key, "demux");
	bool reject = ng_flag(d->dict, key, "reject");
	bool require = ng_flag(d->dict, key, "require");

	a->mux_asked = s->mux;
	a->mux_policy = reject			       ? MG_MUX_REJECT
	    : demux || ng_flag(d->dict, key, "accept") ? MG_MUX_ACCEPT
						       : MG_MUX_FOLLOW;
	b->mux_said = require || ng_flag(d->dict, key, "offer") ||
	    (s->mux && !demux && !reject);
	if (require)
		b->mux = true;
}

static void
mg_answer_mux(
    struct mg_media *a, struct mg_media *b, const struct mg_section *s)
{
	b->mux = b->mux_said && s->mux;
	a->mux = a->mux_asked &&
	    (a->mux_policy == MG_MUX_ACCEPT ||
		(a->mux_policy == MG_MUX_FOLLOW && b->mux));
}

/* ---- the reply ----------------------------------------------------------- */

/* Where a section points to us, as the reader of the SDP shall see it. */
static void
mg_plan_section(const struct mg_deal *d, struct mg_sdp_plan_section *p,
    const struct mg_section *s, const struct mg_media *ours, bool mux)
{
	if (ours == NULL)
		return;
	p->port = ours->port;
	p->mux = mux;
	p->rtcp = (uint16_t)(ours->port + !mux);
	p->say_rtcp = s->has_rtcp && !d->echo;
	p->dir = s->hold ? s->dir & MG_SEND : MG_DIR_KEEP;
	memcpy(p->formats, s->formats, sizeof p->formats);
}

static void
mg_deal_reply(struct mg_deal *d, struct mg_sdp_plan *plan)
{
	struct buf out = BUF_INIT;
	json_t *reply;

	plan->origin = ng_flag(d->dict, "replace", "origin");
	plan->mask = d->mg->mask;
	mg_sdp_write(&out, &d->sdp, plan);
	reply = out.failed ? NULL : json_pack("{s:s}", "sdp", out.data);
	buf_fini(&out);
	if (reply == NULL)
		ng_fail(d->request, "Error rewriting SDP");
	else
		ng_reply(d->request, reply);
}

/* ---- offer --------------------------------------------------------------- */

/* Both parties' media of each section know each other. A caller who already
 * hears somebody goes on hearing him until another branch answers. */
static void
mg_offer_pair(struct mg_deal *d)
{
	struct mg_media *a, *b;
	unsigned i;

	d->b->peer = d->a;
	if (d->a->peer == NULL)
		d->a->peer = d->b;
	for (i = 0; i < d->sdp.count; i++) {
		a = d->a->media[i];
		b = d->b->media[i];
		if (a == NULL || b == NULL)
			continue;
		a->echo = b->echo = false;
		b->peer = a;
		if (d->a->peer == d->b)
			a->peer = b;
		mg_offer_mux(d, a, b, &d->sdp.section[i]);
	}
}

static void
mg_offer_signal(struct mg_deal *d)
{
	unsigned i;

	d->a->count = d->sdp.count;
	for (i = 0; i < d->sdp.count; i++) {
		if (d->a->media[i] == NULL)
			continue;
		mg_media_signal(d->a->media[i], &d->sdp.section[i],
		    d->has_host ? &d->host : NULL, d->now);
	}
}

/* From here on the party hears itself, by another source than its own. */
static void
mg_echo_begin(struct mg_media *m)
{
	m->echo = true;
	m->peer = NULL; /* who was there before hears no more */
	while (m->echo_salt == 0)
		rand_bytes(&m->echo_salt, sizeof m->echo_salt);
}

/* The gate's own answer: the first format and telephone events, the other
 * way round. */
static void
mg_echo_plan(struct mg_deal *d, struct mg_sdp_plan *plan)
{
	struct mg_sdp_plan_section *p;
	const struct mg_section *s;
	struct mg_media *m;
	unsigned i, dir;

	for (i = 0; i < d->sdp.count; i++) {
		s = &d->sdp.section[i];
		p = &plan->section[i];
		if ((m = d->a->media[i]) == NULL)
			continue;
		mg_echo_begin(m);
		m->mux = s->mux;
		mg_plan_section(d, p, s, m, m->mux);
		memcpy(p->formats, s->events, sizeof p->formats);
		mg_bit_set(p->formats, s->first);
		dir = s->hold ? s->dir & MG_SEND : s->dir;
		p->dir = (dir & MG_SEND ? MG_RECV : 0u) |
		    (dir & MG_RECV ? MG_SEND : 0u);
	}
}

static void
mg_echo_reply(struct mg_deal *d)
{
	struct mg_sdp_plan plan = {.fresh = true, .local = d->a->shown};
	uint64_t hash = str_hash(d->text, d->sdp.len);
	struct mg_call *c = d->call;

	if (c->session == 0) {
		rand_bytes(&c->session, sizeof c->session);
		c->session = (c->session >> 33) + 1;
	}
	if (c->version == 0 || c->offered != hash)
		c->version++;
	c->offered = hash;
	plan.session = c->session;
	plan.version = c->version;
	mg_echo_plan(d, &plan);
	mg_deal_reply(d, &plan);
}

static void
mg_offer_reply(struct mg_deal *d)
{
	struct mg_sdp_plan plan = {.local = d->b->shown};
	const struct mg_media *b;
	unsigned i;

	for (i = 0; i < d->sdp.count; i++) {
		b = d->b->media[i];
		mg_plan_section(d, &plan.section[i], &d->sdp.section[i], b,
		    b != NULL && b->mux_said);
		/* Until it is accepted, RTCP has its own port. */
		if (b != NULL && !b->mux)
			plan.section[i].rtcp = (uint16_t)(b->port + 1);
	}
	mg_deal_reply(d, &plan);
}

/* An echo of nothing is refused, so that the caller is told. */
static bool
mg_echo_can(struct mg_deal *d)
{
	unsigned i;

	for (i = 0; i < d->sdp.count; i++) {
		if (mg_section_passes(d, &d->sdp.section[i]))
			return true;
	}
	return mg_deal_fail(d, "No media that can be echoed");
}

/* Everything that can fail, then everything that cannot. */
static bool
mg_offer_run(struct mg_deal *d)
{
	if (d->echo && !mg_echo_can(d))
		return false;
	if ((d->a = mg_offer_find_a(d)) == NULL)
		return false;
	if (!d->echo && (d->b = mg_offer_find_b(d)) == NULL)
		return false;
	if (!mg_offer_open(d))
		return false;
	mg_party_trim(d, d->a);
	d->call->signalled = clock_real();
	d->call->touched = d->now;
	d->call->offerer = d->a;
	if (d->b != NULL) {
		mg_party_trim(d, d->b);
		mg_offer_pair(d);
	}
	mg_offer_signal(d);
	if (d->echo)
		mg_echo_reply(d);
	else
		mg_offer_reply(d);
	return true;
}

void
mg_offer(struct mg *mg, struct ng_request *r, json_t *dict)
{
	struct mg_deal d = {.mg = mg, .request = r, .dict = dict};
	bool made;

	if (!mg_deal_read(&d))
		return;
	d.call = mg_call_find(mg, d.id);
	made = d.call == NULL;
	if (made && mg->n.sessions >= MG_CALLS_MAX) {
		mg->n.limit++;
		ng_limit(r, "Parallel session limit reached");
		return;
	}
	if (made)
		d.call = mg_call_new(mg, d.id);
	if (!mg_offer_run(&d) && made)
		mg_call_free(&d.call);
}

/* ---- answer -------------------------------------------------------------- */

/*
 * Whose answer to whose offer. The tags may stand either way round: what
 * counts is who offered last.
 */
static bool
mg_answer_find(struct mg_deal *d)
{
	struct mg_party *from = mg_party_find(d->call, d->from);
	struct mg_party *to = mg_party_find(d->call, d->to);
	const char *tag = d->to;

	if (to != NULL && to == d->call->offerer && from != to) {
		from = to;
		to = mg_party_find(d->call, d->from);
		tag = d->from;
	}
	if (from == NULL)
		return mg_deal_fail(d, "Invalid dialogue association");
	if (to == NULL && d->branch != NULL)
		to = mg_party_of_branch(d->call, d->branch);
	if (to == NULL)
		to = from->peer;
	if (to == NULL || to == from)
		return mg_deal_fail(d, "Invalid dialogue association");
	mg_party_name(to, tag);
	d->a = to;
	d->b = from;
	return true;
}

/* Sections that the answer refuses: no ports for them, unless another branch
 * may still accept. */
static void
mg_answer_trim(struct mg_deal *d)
{
	mg_party_trim(d, d->a);
	if (d->call->nparties <= 2)
		mg_party_trim(d, d->b);
}

static void
mg_answer_pair(struct mg_deal *d)
{
	struct mg_media *a, *b;
	unsigned i;

	d->b->peer = d->a;
	d->a->peer = d->b;
	for (i = 0; i < d->sdp.count; i++) {
		a = d->a->media[i];
		b = d->b->media[i];
		if (b != NULL)
			b->peer = a;
		if (a == NULL || b == NULL)
			continue;
		a->peer = b;
		mg_answer_mux(b, a, &d->sdp.section[i]);
	}
}

void
mg_answer(struct mg *mg, struct ng_request *r, json_t *dict)
{
	struct mg_deal d = {.mg = mg, .request = r, .dict = dict};
	struct mg_sdp_plan plan = {0};
	const struct mg_media *b;
	unsigned i;

	if (!mg_deal_read(&d))
		return;
	if (d.to == NULL) {
		ng_fail(r, "No to-tag in message");
		return;
	}
	if ((d.call = mg_call_find(mg, d.id)) == NULL) {
		ng_fail(r, "Unknown call-id");
		return;
	}
	if (!mg_answer_find(&d))
		return;
	mg_answer_trim(&d);
	d.call->signalled = clock_real();
	d.call->touched = d.now;
	mg_answer_pair(&d);
	mg_offer_signal(&d);
	plan.local = d.b->shown;
	for (i = 0; i < d.sdp.count; i++) {
		b = d.a->media[i] != NULL ? d.b->media[i] : NULL;
		mg_plan_section(
		    &d, &plan.section[i], &d.sdp.section[i], b, b && b->mux);
	}
	mg_deal_reply(&d, &plan);
}
