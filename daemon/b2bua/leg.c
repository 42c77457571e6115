/*
 * One dialog of a call: its identifiers, chosen here at random and telling
 * nothing, its route set, its CSeq, what media was told to it. The texts are
 * the truth (they are what the record holds); nta's leg is made from them, in
 * life as in adoption.
 *
 * Refuses routes whose first hop is not an address: B2BUA never asks DNS and
 * never speaks to anything but a gate.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"
#include <sofia-sip/sip_util.h>
#include <sofia-sip/su_string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

#define LEG_ROUTES_MAX 4096

/* Fetched from the kernel in one go, used once, forgotten. */
static void
leg_random_bytes(struct b2bua *b, void *out, size_t n)
{
	if (b->nrandom < n) {
		rand_bytes(b->random, sizeof b->random);
		b->nrandom = sizeof b->random;
	}
	b->nrandom -= n;
	memcpy(out, b->random + b->nrandom, n);
	memset(b->random + b->nrandom, 0, n);
}

void
leg_random(struct b2bua *b, char *out, size_t digits)
{
	uint8_t bytes[LEG_ID];

	leg_random_bytes(b, bytes, digits / 2);
	str_hex(out, bytes, digits / 2);
}

void
leg_set(char **slot, const char *text)
{
	free(*slot);
	*slot = text == NULL ? NULL : xstrdup(text);
}

void
leg_nset(char **slot, const char *text, size_t n)
{
	free(*slot);
	*slot = n == 0 ? NULL : xstrndup(text, n);
}

void
leg_init(struct leg *l, struct call *c, struct branch *b)
{
	uint32_t random[2];

	memset(l, 0, sizeof *l);
	l->magic = LEG_MAGIC;
	l->call = c;
	l->branch = b;
	leg_random_bytes(c->b2bua, random, sizeof random);
	l->cseq = (random[0] & 0x7fff) + 1;
	l->cseq_mark = l->cseq + LEG_CSEQ_AHEAD;
	l->origin.id = random[1];
	l->heard = clock_mono();
}

void
leg_fini(struct leg *l)
{
	struct nta_guest *guest = l->call->b2bua->guest;

	relay_drop(l);
	nta_guest_end_incoming(guest, l->bye_in);
	nta_guest_end_outgoing(guest, l->probe);
	nta_guest_end_outgoing(guest, l->bye);
	nta_guest_end_leg(guest, l->nta);
	free(l->call_id);
	free(l->local);
	free(l->remote);
	free(l->remote_tag);
	free(l->target);
	free(l->routes);
	free(l->source);
	buf_fini(&l->sdp_sent);
	buf_fini(&l->sdp_got);
	l->magic = 0;
}

/* "<sip:...>;tag=x": an address of the dialog for nta. */
static sip_addr_t *
leg_address(
    su_home_t *home, msg_hclass_t *class, const char *text, const char *tag)
{
	char *s = tag == NULL || tag[0] == '\0'
	    ? su_strdup(home, text)
	    : su_sprintf(home, "%s;tag=%s", text, tag);

	return (sip_addr_t *)msg_header_make(home, class, s);
}

bool
leg_route_usable(const sip_route_t *r)
{
	union addr a;
	int64_t port;

	return r != NULL && r->r_url->url_type == url_sip &&
	    r->r_url->url_host != NULL && r->r_url->url_port != NULL &&
	    str_int(r->r_url->url_port, 1, 65535, &port) &&
	    addr_parse(&a, r->r_url->url_host, (uint16_t)port) &&
	    url_has_param(r->r_url, "lr");
}

/* nta's leg for the dialog, with its route set and target. */
static bool
leg_join(struct leg *l, const sip_addr_t *local, const sip_addr_t *remote,
    const sip_record_route_t *route, const sip_contact_t *target)
{
	sip_cseq_t cseq[1];

	if (l->nta != NULL)
		nta_leg_destroy(l->nta);
	l->nta = NULL;
	if (local == NULL || remote == NULL || target == NULL ||
	    !leg_route_usable((const sip_route_t *)route))
		return false;
	sip_cseq_init(cseq);
	cseq->cs_seq = l->cseq;
	l->nta = nta_leg_tcreate(nta_guest_agent(l->call->b2bua->guest),
	    in_dialog_on_request, l, SIPTAG_CALL_ID_STR(l->call_id),
	    SIPTAG_FROM(local), SIPTAG_TO(remote), SIPTAG_CSEQ(cseq),
	    NTATAG_REMOTE_CSEQ(l->rseq), TAG_END());
	return l->nta != NULL &&
	    nta_leg_server_route(l->nta, route, target) == 0;
}

bool
leg_open(struct leg *l)
{
	su_home_t home[SU_HOME_AUTO_SIZE(4096)];
	sip_record_route_t *route = NULL;
	sip_contact_t *target = NULL;
	bool ok;

	su_home_auto(home, sizeof home);
	if (l->routes != NULL)
		route = sip_record_route_make(home, l->routes);
	if (l->target != NULL)
		target = sip_contact_make(
		    home, su_sprintf(home, "<%s>", l->target));
	ok = leg_join(l,
	    leg_address(home, sip_from_class, l->local, l->local_tag),
	    leg_address(home, sip_to_class, l->remote, l->remote_tag), route,
	    target);
	su_home_deinit(home);
	return ok;
}

bool
leg_open_request(struct leg *l, const sip_t *sip)
{
	su_home_t home[SU_HOME_AUTO_SIZE(2048)];
	sip_to_t *local;
	bool ok;

	su_home_auto(home, sizeof home);
	local = sip_to_dup(home, sip->sip_to);
	ok = local != NULL && sip_to_tag(home, local, l->local_tag) == 0 &&
	    leg_join(l, local, sip->sip_from, sip->sip_record_route,
		sip->sip_contact);
	su_home_deinit(home);
	return ok;
}

/* The texts of the route set as nta has it now. */
static void
leg_keep_route(struct leg *l)
{
	const sip_route_t *r = NULL;
	const sip_contact_t *m = NULL;
	char *text;

	if (nta_leg_get_route(l->nta, &r, &m) != 0)
		return;
	if (r != NULL && (text = headers_text(r, LEG_ROUTES_MAX)) != NULL) {
		free(l->routes);
		l->routes = text;
	}
	if (m != NULL) {
		char *url = url_as_string(NULL, m->m_url);

		if (url != NULL)
			leg_set(&l->target, url);
		su_free(NULL, url);
	}
}

/* Another tag than the one before: a fork beyond the gate answered. */
static bool
leg_change_tag(struct leg *l, const char *tag)
{
	leg_set(&l->remote_tag, tag);
	return leg_open(l);
}

bool
leg_learn(struct leg *l, const sip_t *sip, bool initial)
{
	const char *tag = sip->sip_to->a_tag;
	const sip_record_route_t *rr = initial ? sip->sip_record_route : NULL;

	if (tag != NULL && l->remote_tag == NULL) {
		leg_set(&l->remote_tag, tag);
		nta_leg_rtag(l->nta, tag);
	} else if (tag != NULL && !su_casematch(tag, l->remote_tag) &&
	    !leg_change_tag(l, tag))
		return false;
	if (sip->sip_contact == NULL)
		return true;
	if (rr != NULL) {
		su_home_t home[SU_HOME_AUTO_SIZE(1024)];
		sip_route_t *r;
		bool usable;

		su_home_auto(home, sizeof home);
		r = sip_route_reverse(home, rr);
		usable = leg_route_usable(r);
		su_home_deinit(home);
		if (!usable)
			return false;
	}
	nta_leg_client_reroute(l->nta, rr, sip->sip_contact, rr != NULL);
	leg_keep_route(l);
	return true;
}

void
leg_retarget(struct leg *l, const sip_t *sip)
{
	if (sip->sip_contact == NULL ||
	    sip->sip_contact->m_url->url_host == NULL)
		return;
	nta_leg_server_route(l->nta, NULL, sip->sip_contact);
	leg_keep_route(l);
}

/* Behind the o= line, the second of what sdp_filter_write makes. */
static const char *
leg_behind_origin(const struct buf *b)
{
	const char *s = b->data == NULL ? NULL : strchr(b->data, '\n');

	return s == NULL ? NULL : strchr(s + 1, '\n');
}

/* Do both say the same but for their versions? */
static bool
leg_same_media(const struct buf *a, const struct buf *b)
{
	const char *x = leg_behind_origin(a), *y = leg_behind_origin(b);

	return x != NULL && y != NULL && strcmp(x, y) == 0;
}

int
leg_describe(struct leg *l, const char *sdp, size_t n, struct err *err)
{
	struct buf b = BUF_INIT;
	struct sdp_origin o = {l->origin.id, l->origin.version + 1};
	int rc = sdp_filter_write(&b, sdp, n, &o, SDP_FILTER_OUT, err);

	if (rc != 0 || leg_same_media(&b, &l->sdp_sent)) {
		buf_fini(&b);
		return rc;
	}
	l->origin = o;
	buf_fini(&l->sdp_sent);
	l->sdp_sent = b;
	return 0;
}

/*
 * Numbers are recorded ahead, so that not every request needs a write; an
 * adopter starts LEG_CSEQ_AHEAD above the mark, so that the requests sent
 * while the new mark was being written do not come again.
 */
void
leg_step_cseq(struct leg *l)
{
	if (++l->cseq < l->cseq_mark)
		return;
	l->cseq_mark = l->cseq + LEG_CSEQ_AHEAD;
	call_store_touch(l->call);
}

void
leg_hear(struct leg *l)
{
	l->heard = clock_mono();
}

struct leg *
leg_other(const struct leg *l)
{
	struct call *c = l->call;

	if (l->branch != NULL)
		return &c->a;
	return c->winner == NULL ? NULL : &c->winner->leg;
}

/* The answer to our BYE: whatever it is, the leg is over. */
static int
leg_on_bye_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg *l = OBJ(magic, leg, LEG_MAGIC);

	nta_guest_busy(l->call->b2bua->guest);
	if (sip != NULL && sip->sip_status->st_status < 200)
		return 0;
	nta_outgoing_destroy(orq);
	l->bye = NULL;
	l->over = true;
	call_settle(l->call);
	return 0;
}

void
leg_bye(struct leg *l, const char *reason)
{
	if (l->over || l->bye != NULL || l->nta == NULL)
		return;
	leg_step_cseq(l);
	l->bye = nta_outgoing_tcreate(l->nta, leg_on_bye_reply, l, NULL,
	    SIP_METHOD_BYE, NULL,
	    TAG_IF(reason != NULL, SIPTAG_REASON_STR(reason)), TAG_END());
	if (l->bye == NULL) {
		log_debug(
		    "call=%s leg=%s no BYE can be made", l->call->id, l->label);
		l->over = true;
	}
}
