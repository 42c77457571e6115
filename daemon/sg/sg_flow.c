/*
 * Which users a TCP, TLS or WebSocket connection has proven to be: learnt
 * from a 2xx to REGISTER that passes to it (the registrar has checked the
 * password), for as long as the longest contact in it lives, forgotten with
 * the connection or with a 2xx that names no contact. A datagram's source
 * proves nothing, so UDP never gets here.
 */
#include <stdlib.h>

#include "daemon/base/mem.h"
#include "sg.h"

#define FLOW_DEFAULT 3600 /* seconds, where no expiry is said */
#define FLOW_MOST 86400

/* Longest life of a contact of this reply, in seconds; 0 = no contact. */
static uint64_t
sg_flow_expires(const struct scan *s)
{
	const struct scan_line *l = s->line;
	struct scan_address a;
	struct scan_span value;
	uint64_t most = 0, v, def = FLOW_DEFAULT;
	const char *at, *end;

	scan_number(scan_value(s, SCAN_EXPIRES), UINT32_MAX, &def);
	for (; l < s->line + s->nlines; l++) {
		if (l->id != SCAN_CONTACT)
			continue;
		end = s->text + l->end;
		for (at = s->text + l->value; at < end; at = a.end + 1) {
			if (!scan_address(&a, at, (size_t)(end - at)))
				break;
			v = def;
			if (scan_param_find(a.params, "expires", &value))
				scan_number(value, UINT32_MAX, &v);
			if (v > most)
				most = v;
		}
	}
	return most < FLOW_MOST ? most : FLOW_MOST;
}

/* The place of a user in the flow's list, or NULL. */
static struct sg_user *
sg_flow_place(struct sg_flow *f, struct scan_span user, const char *domain)
{
	unsigned i;

	for (i = 0; f != NULL && i < f->count; i++) {
		if (scan_span_is(user, f->user[i].user) &&
		    strcmp(f->user[i].domain, domain) == 0)
			return &f->user[i];
	}
	return NULL;
}

/* A place for a new user: a free one, or the one that ends first. */
static struct sg_user *
sg_flow_room(struct sg_flow *f)
{
	struct sg_user *first = &f->user[0];
	unsigned i;

	if (f->count < SG_FLOW_USERS)
		return &f->user[f->count++];
	for (i = 1; i < f->count; i++) {
		if (f->user[i].until < first->until)
			first = &f->user[i];
	}
	return first;
}

void
sg_flow_learn(struct sg *sg, const struct scan *s, const struct sip_flow *flow,
    uint64_t now)
{
	struct sg_flow *f = sip_flow_state(sg->transport, flow->conn);
	const struct scan_uri *to = &s->to.uri;
	const struct sg_domain *d = sg_domain_by_host(&sg->domains, to->host);
	struct sg_listener *l = sg_listener_of(flow);
	uint64_t seconds = sg_flow_expires(s);
	struct sg_user *u;

	if (d == NULL && l != NULL)
		d = sg_domain_by_host(&sg->domains,
		    (struct scan_span){l->domain, strlen(l->domain)});
	if (d == NULL || to->user.n == 0 || to->user.n >= sizeof u->user)
		return;
	if ((u = sg_flow_place(f, to->user, d->name)) == NULL) {
		if (seconds == 0)
			return;
		if (f == NULL) {
			f = xcalloc(1, sizeof *f);
			sip_flow_set_state(sg->transport, flow->conn, f);
			sg->count.trusted++;
		}
		u = sg_flow_room(f);
		str_ncopy(u->user, sizeof u->user, to->user.p, to->user.n);
		str_copy(u->domain, sizeof u->domain, d->name);
	}
	u->until = now + seconds * CLOCK_SEC;
	sip_flow_keep(
	    sg->transport, flow->conn, seconds * CLOCK_SEC + 60 * CLOCK_SEC);
}

const struct sg_user *
sg_flow_user(struct sg *sg, const struct sip_flow *flow, const struct scan *s,
    uint64_t now)
{
	const struct scan_uri *from = &s->from.uri;
	const struct sg_domain *d;
	struct sg_listener *l = sg_listener_of(flow);
	struct sg_user *u;
	struct sg_flow *f;

	if (flow->proto == SIP_UDP ||
	    (f = sip_flow_state(sg->transport, flow->conn)) == NULL)
		return NULL;
	d = sg_domain_by_host(&sg->domains, from->host);
	if (d == NULL && l != NULL)
		d = sg_domain_by_host(&sg->domains,
		    (struct scan_span){l->domain, strlen(l->domain)});
	u = d != NULL ? sg_flow_place(f, from->user, d->name) : NULL;
	return u != NULL && now < u->until ? u : NULL;
}

void
sg_flow_on_close(struct sg *sg, void *state)
{
	if (state == NULL)
		return;
	sg->count.trusted--;
	free(state);
}
