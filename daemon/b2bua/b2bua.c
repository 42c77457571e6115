/*
 * B2BUA: joins the legs of calls.
 *
 * Does      takes INVITEs of the gates, asks SR who sends them and plan/ what
 *           they mean, rings contacts, joins two dialogs that share no
 *           identifier, leads their media through MG, keeps the books.
 * Never     decides a route; speaks to a phone but through a gate; sees a
 *           password; lets anybody see a step that no record knows.
 * Talks to  SG (SIP on its inside address), SR (verify, locate), MGC (ng),
 *           readers of domain/root, domain/<id>, location, commit.
 * Keeps     stream calls/<name>: the record of each call, CDR rows until
 *           ST has them.
 * On crash  the next process adopts the records: established calls go on,
 *           ringing ones too; nothing that was answered is forgotten.
 */
#include <stdlib.h>
#include <string.h>

#include "b2bua.h"
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/su_string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "daemon/trace/ring.h"

#define B2BUA_TRACE (1u << 20) /* bytes: four records a call */

struct b2bua_times b2bua_times = {
    .trying = 200 * CLOCK_MS,
    .setup = 10 * CLOCK_SEC,
    .ask = 2 * CLOCK_SEC,
    .confirm = 200 * CLOCK_MS,
    .ping = 60 * CLOCK_SEC,
    .end = 500 * CLOCK_MS,
    .linger = 40 * CLOCK_SEC,
    .min_se = 90,
    .se = 1800,
    .t1x64 = 16000,
};

/* ---- strangers ---- */

bool
b2bua_hears(struct b2bua *b, nta_incoming_t *irq)
{
	msg_t *msg = nta_incoming_getrequest(irq);
	const su_sockaddr_t *sa = msg_addr(msg);
	union addr from = {.sa.sa_family = AF_UNSPEC};

	if (sa->su_family == AF_INET)
		from.in4 = sa->su_sin;
	else if (sa->su_family == AF_INET6)
		from.in6 = sa->su_sin6;
	msg_destroy(msg);
	return role_hears(b->self, &from);
}

int
b2bua_refuse_stranger(nta_incoming_t *irq, const sip_t *sip)
{
	if (sip->sip_request->rq_method != sip_method_ack)
		return 403;
	nta_incoming_destroy(irq);
	return 0;
}

/* ---- requests outside a dialog ---- */

static int
b2bua_on_options(struct b2bua *b, nta_incoming_t *irq, const sip_t *sip)
{
	(void)sip;
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_ALLOW(b->allow),
	    SIPTAG_ACCEPT(b->accept), SIPTAG_SUPPORTED(b->supported),
	    TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

static int
b2bua_refuse_method(struct b2bua *b, nta_incoming_t *irq)
{
	nta_incoming_treply(
	    irq, SIP_405_METHOD_NOT_ALLOWED, SIPTAG_ALLOW(b->allow), TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

static int
b2bua_on_request(
    void *magic, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip)
{
	struct b2bua *b = OBJ(magic, b2bua, B2BUA_MAGIC);

	(void)leg;
	nta_guest_busy(b->guest);
	if (!b2bua_hears(b, irq))
		return b2bua_refuse_stranger(irq, sip);
	if (sip->sip_request->rq_method == sip_method_ack) {
		nta_incoming_destroy(irq);
		return 0;
	}
	if (sip->sip_to->a_tag != NULL)
		return 481;
	switch (sip->sip_request->rq_method) {
	case sip_method_invite:
		return admit_invite(b, irq, sip);
	case sip_method_message:
		return message_request(b, irq, sip);
	case sip_method_options:
		return b2bua_on_options(b, irq, sip);
	case sip_method_cancel:
	case sip_method_bye:
	case sip_method_update:
	case sip_method_info:
	case sip_method_prack:
		return 481;
	case sip_method_subscribe:
	case sip_method_publish:
		return 489;
	default:
		return b2bua_refuse_method(b, irq);
	}
}

/*
 * A reply that belongs to no transaction: a 2xx to an INVITE of a dialog
 * that goes on gets its ACK again (RFC 3261 13.2.2.4), the rest is counted.
 */
static int
b2bua_on_stray_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct b2bua *b = OBJ(magic, b2bua, B2BUA_MAGIC);
	sip_cseq_t cseq[1];
	nta_leg_t *leg;

	(void)orq;
	nta_guest_busy(b->guest);
	b->count.strays++;
	if (sip == NULL || sip->sip_cseq->cs_method != sip_method_invite ||
	    sip->sip_status->st_status / 100 != 2 || sip->sip_via == NULL)
		return 0;
	leg = nta_leg_by_dialog(nta_guest_agent(b->guest), NULL,
	    sip->sip_call_id, sip->sip_to->a_tag, NULL, sip->sip_from->a_tag,
	    NULL);
	if (leg == NULL)
		return 0;
	sip_cseq_init(cseq);
	cseq->cs_seq = sip->sip_cseq->cs_seq;
	cseq->cs_method = sip_method_ack;
	cseq->cs_method_name = "ACK";
	nta_outgoing_destroy(nta_outgoing_tcreate(leg, NULL, NULL, NULL,
	    SIP_METHOD_ACK, NULL, SIPTAG_CSEQ(cseq),
	    NTATAG_ACK_BRANCH(sip->sip_via->v_branch), TAG_END()));
	return 0;
}

/* ---- start and stop ---- */

/* Everything a message of ours says about us. */
static int
b2bua_make_headers(struct b2bua *b, struct err *err)
{
	char host[ADDR_TEXT];

	su_home_init(b->home);
	addr_sip_host(host, &b->self->inside);
	b->contact = sip_contact_format(b->home, "<sip:%s@%s:%u>", b->name,
	    host, addr_port(&b->self->inside));
	b->allow = sip_allow_make(b->home,
	    "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, MESSAGE");
	b->supported = sip_supported_make(b->home, "timer");
	b->accept = sip_accept_make(b->home, "application/sdp");
	if (b->contact == NULL || b->allow == NULL || b->supported == NULL ||
	    b->accept == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

static void
b2bua_count(struct b2bua *b)
{
	struct b2bua_counts *n = &b->count;
	const struct role_stat stats[] = {
	    {"calls", "calls of this moment", &n->calls},
	    {"attempts", "calls whose caller was known", &n->attempts},
	    {"answered", "calls answered", &n->answered},
	    {"refused", "calls the plan refused", &n->refused},
	    {"failed", "calls that ended unanswered", &n->failed},
	    {"records", "call records written", &n->records},
	    {"pings", "questions to silent phones", &n->pings},
	    {"pings-failed", "phones found gone", &n->pings_failed},
	    {"media-failed", "questions MGC did not serve", &n->media_failed},
	    {"sdp-refused", "session descriptions refused", &n->sdp_refused},
	    {"credentials-refused", "INVITEs with wrong credentials",
		&n->credentials_refused},
	    {"messages", "messages outside calls", &n->messages},
	    {"strangers", "requests inside that no gate of ours sent",
		&b->self->ears.strangers},
	    {"stray-replies", "replies that belong to nothing", &n->strays},
	    {"adopted", "calls taken over from a process before", &n->adopted},
	    {"cdr-waiting", "call records that the store has not collected",
		&n->cdr_waiting},
	    {"cleaned", "calls found that could not go on", &n->cleaned},
	    {0},
	};
	struct role_stat *own = xcalloc(1, sizeof stats);

	memcpy(own, stats, sizeof stats);
	b->stats = own;
	role_stats(b->self, own);
}

static int
b2bua_open(struct b2bua *b, struct err *err)
{
	union addr local;
	int fd, rc;

	if ((rc = b2bua_make_headers(b, err)) != 0)
		return rc;
	rc = nta_guest_open(b->self->loop, &b->self->inside, b2bua_on_request,
	    b, &b->guest, err);
	if (rc != 0)
		return rc;
	nta_outgoing_default(
	    nta_guest_agent(b->guest), b2bua_on_stray_reply, b);
	role_ask(b->self, &local);
	if ((fd = sock_udp(&local, err)) < 0)
		return fd;
	b->ng = ng_open(b->self->loop, fd, NULL, NULL);
	if ((b->directory = directory_open(b, err)) == NULL)
		return -(int)err->code;
	locate_open(b);
	return 0;
}

static int
b2bua_start(struct self *self, struct err *err)
{
	struct b2bua *b = xcalloc(1, sizeof *b);
	int rc;

	b->magic = B2BUA_MAGIC;
	b->self = self;
	self->state_of_role = b;
	snprintf(b->name, sizeof b->name, "b2bua-%u.%.32s", self->index,
	    self->server);
	snprintf(b->key, sizeof b->key, "calls/b2bua-%u@%.32s", self->index,
	    self->server);
	if ((rc = b2bua_open(b, err)) != 0)
		return rc;
	b2bua_count(b);
	b->trace = role_trace(self, B2BUA_TRACE);
	role_ready(self);
	return 0;
}

static void
b2bua_on_own(struct self *self, const char *key, uint64_t epoch)
{
	struct b2bua *b = OBJ(self->state_of_role, b2bua, B2BUA_MAGIC);
	struct err err;

	if (strcmp(key, b->key) != 0) {
		log_warnx("key=%s is not for this instance", key);
		return;
	}
	/* Its server was thought dead meanwhile. The next process reads all
	 * calls anew, which is the only way it is ever done. */
	if (b->store != NULL)
		fatalx("key=%s owned anew: starts again", key);
	if (call_store_open(b, epoch, &err) != 0)
		fatalx("%s", err.text);
}

/* Calls stay as they are recorded; the next process adopts them. */
static void
b2bua_on_stop(struct self *self)
{
	struct b2bua *b = OBJ(self->state_of_role, b2bua, B2BUA_MAGIC);

	b2bua_close(b);
	role_stopped(self);
}

void
b2bua_close(struct b2bua *b)
{
	call_store_flush(b->store);
	nta_guest_silence(b->guest);
	message_close(b);
	route_tests_close(b);
	while (b->first != NULL) {
		struct call *c = b->first;

		call_free(&c);
	}
	call_store_close(&b->store);
	directory_close(&b->directory);
	locate_close(b);
	if (b->ng != NULL)
		ng_close(&b->ng);
	nta_guest_close(&b->guest);
	ring_close(&b->trace);
	map_fini(&b->calls);
	su_home_deinit(b->home);
	free(b->stats);
	b->self->state_of_role = NULL;
	b->magic = 0;
	free(b);
}

const struct role b2bua_role = {
    .id = ROLE_B2BUA,
    .ops = b2bua_ops,
    .start = b2bua_start,
    .on_own = b2bua_on_own,
    .on_stop = b2bua_on_stop,
    .rights = 0,
};
