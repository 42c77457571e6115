/*
 * What a REGISTER asks for, cut out of the parsed message into sizes that are
 * known: the part of RFC 3261 10.3 that looks at the request alone. Refuses
 * Require of what is not done here, contacts that cannot be called, `*` not
 * alone or not with Expires: 0, intervals that are too brief. Pure.
 */
#include <string.h>

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>

#include "daemon/base/str.h"
#include "sr.h"

/* Fill in a refusal. */
static int
sr_refuse(struct sr_refusal *no, int status, const char *phrase)
{
	no->status = status;
	no->phrase = phrase;
	return -1;
}

/* RFC 3261 10.3 step 2: everything required must be done here. */
static bool
sr_request_required(const sip_t *sip)
{
	const sip_require_t *r = sip->sip_require;
	size_t i;

	for (i = 0; r != NULL && r->k_items != NULL && r->k_items[i]; i++) {
		if (!str_iequal(r->k_items[i], strlen(r->k_items[i]), "path"))
			return false;
	}
	return true;
}

/* delta-seconds; what is malformed means the default (RFC 3261 10.2.1.1),
 * what is too large the most that can be said. */
static uint32_t
sr_request_delta(const char *s)
{
	uint64_t n = 0;

	if (*s == '\0')
		return SR_EXPIRES_DEFAULT;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (n < UINT32_MAX)
			n = n * 10 + (uint64_t)(*s - '0');
	}
	if (*s != '\0')
		return SR_EXPIRES_DEFAULT;
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* qvalue as thousandths (RFC 3261 25.1); malformed or absent: the first. */
static unsigned
sr_request_q(const char *s)
{
	unsigned q, weight = 100;

	if (s == NULL || (s[0] != '0' && s[0] != '1') ||
	    (s[1] != '.' && s[1] != '\0'))
		return SR_Q_MAX;
	q = s[0] == '1' ? SR_Q_MAX : 0;
	for (s += s[1] == '.' ? 2 : 1; *s != '\0'; s++, weight /= 10) {
		if (*s < '0' || *s > '9' || weight == 0)
			return SR_Q_MAX;
		q += (unsigned)(*s - '0') * weight;
	}
	return q < SR_Q_MAX ? q : SR_Q_MAX;
}

/* RFC 5626 4.1: +sip.instance and reg-id; without the first the other means
 * nothing (6). False when the instance is too long. */
static bool
sr_request_instance(struct sr_wish *w, const msg_param_t *params)
{
	const char *p = msg_params_find(params, "+sip.instance");
	size_t n;

	w->instance[0] = '\0';
	w->reg_id = 0;
	if (p == NULL)
		return true;
	n = strlen(p);
	if (n >= 2 && p[0] == '"' && p[n - 1] == '"') {
		p++;
		n -= 2;
	}
	if (!str_ncopy(w->instance, sizeof w->instance, p, n) ||
	    strpbrk(w->instance, "\"\\") != NULL || !str_utf8(p, n))
		return false;
	p = msg_params_find(params, "reg-id");
	if (p == NULL || !str_int(p, 1, INT32_MAX, &w->reg_id))
		w->reg_id = 0;
	return true;
}

/* One Contact. RFC 3261 10.3 step 7: more than nothing and less than the
 * least is too brief; more than the most is cut. */
static int
sr_request_wish(struct sr_wish *w, const sip_contact_t *c, uint32_t expires,
    struct sr_refusal *no)
{
	const url_t *url = c->m_url;

	if (url->url_type != url_sip && url->url_type != url_sips)
		return sr_refuse(no, 400, "Unsupported Contact Scheme");
	if (!sip_uri_text(url, w->contact, sizeof w->contact))
		return sr_refuse(no, 400, "Contact Too Long");
	if (!str_utf8(w->contact, strlen(w->contact)) ||
	    strpbrk(w->contact, "<>\" \t\r\n") != NULL)
		return sr_refuse(no, 400, "Bad Contact");
	if (!sr_request_instance(w, c->m_params))
		return sr_refuse(no, 400, "Bad Instance of Contact");
	if (c->m_expires != NULL)
		expires = sr_request_delta(c->m_expires);
	if (expires > 0 && expires < SR_EXPIRES_MIN)
		return sr_refuse(no, 423, NULL);
	w->expires = expires < SR_EXPIRES_MAX ? expires : SR_EXPIRES_MAX;
	w->q = sr_request_q(c->m_q);
	return 0;
}

/* All Contacts; RFC 3261 10.3 step 6 for `*`. */
static int
sr_request_contacts(
    struct sr_request *r, const sip_t *sip, struct sr_refusal *no)
{
	const sip_contact_t *c = sip->sip_contact;
	const sip_expires_t *ex = sip->sip_expires;
	uint32_t expires = SR_EXPIRES_DEFAULT;

	if (ex != NULL && ex->ex_date == 0)
		expires = ex->ex_delta < SR_EXPIRES_MAX ? (uint32_t)ex->ex_delta
							: SR_EXPIRES_MAX;
	r->count = 0;
	r->star = c != NULL && c->m_url->url_type == url_any;
	if (r->star && (c->m_next != NULL || ex == NULL || expires != 0))
		return sr_refuse(no, 400, "Contact * Not Alone With Expires 0");
	for (; c != NULL && !r->star; c = c->m_next) {
		if (c->m_url->url_type == url_any)
			return sr_refuse(
			    no, 400, "Contact * Not Alone With Expires 0");
		if (r->count == SR_CONTACTS)
			return sr_refuse(no, 403, "Too Many Contacts");
		if (sr_request_wish(&r->wish[r->count], c, expires, no) != 0)
			return -1;
		r->count++;
	}
	return 0;
}

/* RFC 3327 5.3: the Path values in order, as a Route would list them. */
static int
sr_request_path(struct sr_request *r, const sip_t *sip, struct sr_refusal *no)
{
	const sip_path_t *p;
	size_t n = 0;
	issize_t len;

	for (p = sip->sip_path; p != NULL; p = p->r_next) {
		if (n != 0 && n + 2 < sizeof r->path) {
			memcpy(r->path + n, ", ", 2);
			n += 2;
		}
		len = msg_header_field_e(r->path + n, sizeof r->path - n,
		    (const msg_header_t *)p, 0);
		/* sofia's printers need bytes to spare: see sip_reply.c. */
		if (len < 0 || n + (size_t)len + 8 > sizeof r->path)
			return sr_refuse(no, 400, "Path Too Long");
		n += (size_t)len;
	}
	r->path[n] = '\0';
	return str_utf8(r->path, n) ? 0
				    : sr_refuse(no, 400, "Path Not In UTF-8");
}

/* What SG and the phone say of themselves, made safe to show; cut when too
 * long. */
static void
sr_request_origin(struct sr_request *r, const sip_t *sip)
{
	const sip_unknown_t *u;
	const char *agent;

	r->source[0] = '\0';
	for (u = sip->sip_unknown; u != NULL; u = u->un_next) {
		if (u->un_name == NULL || u->un_value == NULL ||
		    !str_iequal(
			u->un_name, strlen(u->un_name), "X-Tandem-Source"))
			continue;
		str_escape(r->source, sizeof r->source, u->un_value,
		    strlen(u->un_value));
		break;
	}
	r->agent[0] = '\0';
	if (sip->sip_user_agent == NULL ||
	    (agent = sip->sip_user_agent->g_value) == NULL)
		return;
	str_escape(r->agent, sizeof r->agent, agent, strlen(agent));
}

int
sr_request_read(struct sr_request *r, const sip_t *sip, struct sr_refusal *no)
{
	if (!sr_request_required(sip))
		return sr_refuse(no, 420, NULL);
	if (!str_copy(r->call_id, sizeof r->call_id, sip->sip_call_id->i_id))
		return sr_refuse(no, 400, "Call-ID Too Long");
	r->cseq = sip->sip_cseq->cs_seq;
	if (sr_request_contacts(r, sip, no) != 0 ||
	    sr_request_path(r, sip, no) != 0)
		return -1;
	sr_request_origin(r, sip);
	return 0;
}
