/*
 * One REGISTER from datagram to answer, RFC 3261 10.3 in its order: parse,
 * domain, credentials, the user's own address-of-record, rules, rows. Decides
 * that nothing is said before what it depends on is acknowledged, and that
 * nothing is said at all while another instance owns the bindings: the
 * sender asks again and SG finds the owner. Called by the datagram endpoint.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"
#include "sr.h"

#define SR_PARKED_MAGIC 0x5d0a9a2c

static const struct sr_refusal sr_refusal_credentials = {
    .status = 403, .credentials = true};
static const struct sr_refusal sr_refusal_unread = {
    .status = 503, .phrase = "Service Unavailable"};

void
sr_register_init(struct sr *sr)
{
	sr->copy = xmalloc(SIP_MAX);
	sr->request = xcalloc(1, sizeof *sr->request);
	sr->set = xcalloc(1, sizeof *sr->set);
}

void
sr_register_fini(struct sr *sr)
{
	free(sr->copy);
	free(sr->request);
	free(sr->set);
	sr->copy = NULL;
	sr->request = NULL;
	sr->set = NULL;
}

/* ---- one request --------------------------------------------------------- */

/* Where a reply goes: what the top Via says, else where it came from. */
static void
sr_register_reply_to(const sip_t *sip, const union addr *from, union addr *to)
{
	if (!sip_reply_address(sip, to))
		*to = *from;
}

/* Refuse at once: a refusal depends on nothing that was written. */
static void
sr_register_refuse(struct sr *sr, const sip_t *sip, const union addr *from,
    const struct sr_refusal *no)
{
	struct sr_answer *a;
	union addr to;

	sr->count.refused++;
	sr_register_reply_to(sip, from, &to);
	if ((a = sr_answer_new(sr, &to)) == NULL)
		return;
	sr_reply_refusal(sr, &a->text, sip, no);
	sr_answer_send(a);
}

/* Count what the request did. */
static void
sr_register_count(struct sr *sr)
{
	const struct sr_set *set = sr->set;
	unsigned i, n[SR_GONE + 1] = {0};

	sr->count.registers++;
	for (i = 0; i < set->count; i++)
		n[set->binding[i].fate]++;
	sr->count.additions += n[SR_INSERT];
	sr->count.refreshes += n[SR_UPDATE];
	sr->count.removals += n[SR_REMOVE];
	if (sr->request->count == 0 && !sr->request->star)
		sr->count.queries++;
	else if (n[SR_INSERT] + n[SR_UPDATE] + n[SR_REMOVE] == 0)
		sr->count.repeats++;
}

/* Write the fates: all of them or none (RFC 3261 10.3 step 7). One statement
 * is atomic by itself. */
static int
sr_register_write(struct sr *sr, const char *domain, const char *user,
    int64_t now, struct err *err)
{
	unsigned n = sr_rows_count(sr->set);
	int rc;

	if (n == 0)
		return 0;
	if (n > 1 && (rc = stream_mark(sr->stream, err)) != 0)
		return rc;
	rc = sr_rows_write(
	    sr->rows, domain, user, sr->set, sr->request, now, err);
	if (n == 1)
		return rc;
	if (rc == 0)
		return stream_mark_keep(sr->stream, err);
	if (stream_mark_undo(sr->stream, NULL) != 0)
		fatalx("location: a half-written request cannot be undone");
	return rc;
}

/* Bindings of the user: read, ruled, written. 0, 1 = refused, or -ERR_x. */
static int
sr_register_bind(struct sr *sr, const struct sr_domain *d, const char *user,
    const struct sr_user *u, int64_t now, struct sr_refusal *no,
    struct err *err)
{
	const struct sr_request *r = sr->request;
	int rc;

	if ((r->count > 0 || r->star) &&
	    (rc = stream_join(sr->stream, err)) != 0)
		return rc;
	rc = sr_rows_load(sr->rows, d->id, user, sr->set, err);
	if (rc != 0)
		return rc;
	if (sr_rules_apply(sr->set, r, now, u->max_contacts, no) != 0)
		return 1;
	return sr_register_write(sr, d->id, user, now, err);
}

/* An authentic request: to the database, and the answer behind it. */
static void
sr_register_serve(struct sr *sr, const sip_t *sip, const union addr *from,
    const struct sr_domain *d, const char *user, const struct sr_user *u)
{
	int64_t now = (int64_t)(clock_real() / CLOCK_SEC);
	struct sr_refusal no = {.status = 500};
	struct sr_answer *a;
	struct err err = {0};
	union addr to;
	int rc = 1;

	if (sr_request_read(sr->request, sip, &no) == 0)
		rc = sr_register_bind(sr, d, user, u, now, &no, &err);
	if (rc < 0)
		log_warnx("domain=%s user=%s: %s", d->name, user, err.text);
	if (rc != 0) {
		sr_register_refuse(sr, sip, from, &no);
		return;
	}
	sr_register_count(sr);
	sr_register_reply_to(sip, from, &to);
	if ((a = sr_answer_new(sr, &to)) == NULL) {
		sr->count.dropped++;
		return;
	}
	sr_reply_ok(sr, &a->text, sip, sr->set, now);
	stream_on_ack(sr->stream, &a->ack);
}

/* ---- who asks ------------------------------------------------------------ */

/* The credentials for a realm among all that came; false when there are
 * none. Without a domain the first will do: it is refused all the same. */
static bool
sr_register_digest(const sip_t *sip, const char *realm, struct sip_digest *dg)
{
	const sip_authorization_t *au;

	for (au = sip->sip_authorization; au != NULL; au = au->au_next) {
		if (sip_digest_take(dg, au, NULL) == 0 &&
		    (realm == NULL || strcmp(dg->realm, realm) == 0))
			return true;
	}
	return false;
}

/* The address-of-record is the user's own (RFC 3261 10.3 step 4). */
static bool
sr_register_own(const sip_t *sip, const char *user)
{
	char to[SR_USER], canonical[SR_USER];

	return sip_uri_user(sip->sip_to->a_url, to, sizeof to) &&
	    sr_auth_user(canonical, to) && strcmp(canonical, user) == 0;
}

/* A request that waits for the stream of its domain. */
struct sr_parked {
	unsigned magic;
	struct sr *sr;
	struct sr_wait wait;
	union addr from;
	size_t n;
	char msg[];
};

/* The stream is there, or the domain is gone: as if it came now. */
static void
sr_register_on_unpark(void *arg)
{
	struct sr_parked *p = OBJ(arg, sr_parked, SR_PARKED_MAGIC);

	if (!p->sr->closing)
		sr_register_on_message(
		    p->sr, p->sr->udp, p->msg, p->n, &p->from);
	free(p);
}

/* Keep a copy of the bytes, as they came, until the domain can be read. */
static void
sr_register_park(struct sr *sr, struct sr_domain *d, const char *copy, size_t n,
    const union addr *from)
{
	struct sr_parked *p = xmalloc(sizeof *p + n + 1);

	p->magic = SR_PARKED_MAGIC;
	p->sr = sr;
	p->wait.fn = sr_register_on_unpark;
	p->wait.arg = p;
	p->from = *from;
	p->n = n;
	memcpy(p->msg, copy, n);
	if (sr_domain_wait(d, &p->wait) != 0) {
		sr->count.dropped++;
		free(p);
	}
}

/* For operators: what was refused to whom. */
static void
sr_register_note(struct sr *sr, const sip_t *sip, const struct sr_domain *d,
    const char *user, const char *cause)
{
	const char *host = sip->sip_to->a_url->url_host;
	const sip_user_agent_t *agent = sip->sip_user_agent;
	struct sr_asker who = {.domain = d != NULL ? d->name : host,
	    .user = user,
	    .source = sr_request_header(sip, "X-Tandem-Source"),
	    .agent = agent != NULL ? agent->g_value : ""};

	if (who.domain == NULL)
		who.domain = "";
	if (who.agent == NULL)
		who.agent = "";
	sr_failure_note(sr, &who, cause);
}

/* The domain is known and its stream can be read (or there is no such
 * domain): credentials, then the bindings. */
static void
sr_register_judge(struct sr *sr, const sip_t *sip, const union addr *from,
    struct sr_domain *d)
{
	static const struct sip_digest none = {
	    .username = "", .algorithm = "MD5", .response = "0"};
	char user[SR_USER];
	struct sip_digest dg;
	struct sr_user u;
	const char *cause;

	if (!sr_register_digest(sip, d != NULL ? d->realm : NULL, &dg))
		dg = none;
	cause = sr_auth_check(sr, d, &dg, "REGISTER", user, &u);
	if (cause == sr_auth_unread) {
		sr_register_refuse(sr, sip, from, &sr_refusal_unread);
		return;
	}
	if (cause == NULL && !d->on)
		cause = "domain is suspended";
	if (cause == NULL && !sr_register_own(sip, user))
		cause = "address of another user";
	if (cause != NULL) {
		sr_register_note(sr, sip, d, dg.username, cause);
		sr_register_refuse(sr, sip, from, &sr_refusal_credentials);
		return;
	}
	sr_register_serve(sr, sip, from, d, user, &u);
}

/* What is no REGISTER; ACK and CANCEL get no reply (RFC 3261 17.1.1.3, and
 * there is nothing to cancel). */
static void
sr_register_refuse_method(
    struct sr *sr, const sip_t *sip, const union addr *from)
{
	static const struct sr_refusal no = {.status = 405};
	sip_method_t m = sip->sip_request->rq_method;

	if (m != sip_method_ack && m != sip_method_cancel)
		sr_register_refuse(sr, sip, from, &no);
}

/* What cannot be read: answered when there is somebody to answer. */
static void
sr_register_refuse_broken(struct sr *sr, const sip_t *sip,
    const union addr *from, int rc, const struct err *err)
{
	struct sr_refusal no = {.status = rc == -ERR_UNKNOWN ? 505 : 400};

	sr->count.malformed++;
	log_debug("malformed: %s", err->text);
	if (sip != NULL && sip->sip_request != NULL && sip->sip_via != NULL &&
	    sip->sip_request->rq_method == sip_method_register)
		sr_register_refuse(sr, sip, from, &no);
}

/*
 * The domain a request belongs to: the host of To. Where that is no domain's
 * name (an address, a name of the listener) SG says which domain the listener
 * has by default, and the realm it has challenged under says the same.
 */
static struct sr_domain *
sr_register_domain(struct sr *sr, const sip_t *sip)
{
	const char *host = sip->sip_to->a_url->url_host;
	struct sr_domain *d;
	struct sip_digest dg;

	d = sr_directory_find(sr, host != NULL ? host : "");
	if (d == NULL)
		d = sr_directory_find(
		    sr, sr_request_header(sip, "X-Tandem-Domain"));
	if (d == NULL && sr_register_digest(sip, NULL, &dg))
		d = sr_directory_find(sr, dg.realm);
	return d;
}

/* A whole request of ours. */
static void
sr_register_route(
    struct sr *sr, const sip_t *sip, const union addr *from, size_t n)
{
	struct sr_domain *d = sr_register_domain(sr, sip);

	if (d == NULL || sr_domain_use(d))
		sr_register_judge(sr, sip, from, d);
	else
		sr_register_park(sr, d, sr->copy, n, from);
}

void
sr_register_on_message(
    void *arg, struct dgram *udp, char *msg, size_t n, const union addr *from)
{
	struct sr *sr = OBJ(arg, sr, SR_MAGIC);
	struct sip_parsed p;
	struct err err = {0};
	int rc;

	(void)udp;
	if (!role_hears(sr->self, from))
		return;
	if (!sr->serving || !sr->directory.known || n > SIP_MAX ||
	    sr->nwaiting == SR_ANSWERS) {
		sr->count.dropped++;
		return;
	}
	/* The parse writes into the bytes; what must wait waits whole. */
	memcpy(sr->copy, msg, n);
	rc = sip_parse(&p, msg, n, &err);
	if (rc != 0)
		sr_register_refuse_broken(sr, p.sip, from, rc, &err);
	else if (p.sip->sip_request == NULL)
		sr->count.malformed++;
	else if (p.sip->sip_request->rq_method != sip_method_register)
		sr_register_refuse_method(sr, p.sip, from);
	else
		sr_register_route(sr, p.sip, from, n);
	sip_parsed_fini(&p);
}
