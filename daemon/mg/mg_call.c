/*
 * Calls, their parties and the media of these: what exists, how it is found
 * and when it ends. A port lives exactly as long as the media that uses it.
 * Who calls whom is decided in mg_offer.c; packets flow in mg_relay.c.
 */
#include <stdlib.h>
#include <string.h>

#include "mg.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/str.h"

struct mg_call *
mg_call_find(struct mg *mg, const char *id)
{
	return map_str(&mg->calls, id);
}

struct mg_call *
mg_call_new(struct mg *mg, const char *id)
{
	struct mg_call *c = xcalloc(1, sizeof *c);

	c->mg = mg;
	c->id = xstrdup(id);
	c->serial = ++mg->next_serial;
	c->created = c->signalled = clock_real();
	c->touched = clock_mono();
	TAILQ_INIT(&c->parties);
	if (map_str_put(&mg->calls, id, c) != 0)
		fatalx("mg: out of memory");
	TAILQ_INSERT_TAIL(&mg->list, c, entry);
	mg_figures_enter(c);
	mg->n.sessions++;
	mg->n.calls++;
	return c;
}

void
mg_call_free(struct mg_call **cp)
{
	struct mg_call *c = *cp;
	struct mg_party *p;

	*cp = NULL;
	if (c == NULL)
		return;
	while ((p = TAILQ_FIRST(&c->parties)) != NULL)
		mg_party_free(&p);
	map_str_del(&c->mg->calls, c->id);
	TAILQ_REMOVE(&c->mg->list, c, entry);
	mg_figures_leave(c);
	c->mg->n.sessions--;
	free(c->id);
	free(c);
}

/* ---- parties ------------------------------------------------------------- */

struct mg_party *
mg_party_find(struct mg_call *c, const char *tag)
{
	struct mg_party *p;
	unsigned i;

	if (tag == NULL)
		return NULL;
	for (p = TAILQ_FIRST(&c->parties); p != NULL;
	     p = TAILQ_NEXT(p, entry)) {
		for (i = 0; i < MG_ALIASES && p->tag[i] != NULL; i++) {
			if (strcmp(p->tag[i], tag) == 0)
				return p;
		}
	}
	return NULL;
}

struct mg_party *
mg_party_of_branch(struct mg_call *c, const char *branch)
{
	struct mg_party *p;

	for (p = TAILQ_FIRST(&c->parties); p != NULL;
	     p = TAILQ_NEXT(p, entry)) {
		if (p->branch != NULL && str_equal(p->branch, branch))
			return p;
	}
	return NULL;
}

struct mg_party *
mg_party_new(struct mg_call *c, const char *tag, const char *branch, int family)
{
	struct mg_party *p = xcalloc(1, sizeof *p);
	unsigned f = family == AF_INET6;

	p->call = c;
	p->family = family;
	p->shown = c->mg->ports.shown[f];
	p->bind = c->mg->ports.bind[f];
	p->created = clock_real();
	if (tag != NULL)
		p->tag[0] = xstrdup(tag);
	if (branch != NULL)
		p->branch = xstrdup(branch);
	TAILQ_INSERT_TAIL(&c->parties, p, entry);
	c->nparties++;
	return p;
}

void
mg_party_free(struct mg_party **pp)
{
	struct mg_party *p = *pp, *other;
	unsigned i;

	*pp = NULL;
	if (p == NULL)
		return;
	for (i = 0; i < MG_SECTIONS; i++)
		mg_media_close(p, i);
	for (other = TAILQ_FIRST(&p->call->parties); other != NULL;
	     other = TAILQ_NEXT(other, entry)) {
		if (other->peer == p)
			other->peer = NULL;
	}
	if (p->call->offerer == p)
		p->call->offerer = NULL;
	TAILQ_REMOVE(&p->call->parties, p, entry);
	p->call->nparties--;
	for (i = 0; i < MG_ALIASES; i++)
		free(p->tag[i]);
	free(p->branch);
	free(p);
}

void
mg_party_name(struct mg_party *p, const char *tag)
{
	char *name;
	unsigned i;

	for (i = 0; i < MG_ALIASES && p->tag[i] != NULL; i++) {
		if (strcmp(p->tag[i], tag) == 0)
			break;
	}
	if (i == 0 && p->tag[0] != NULL)
		return;
	if (i == MG_ALIASES) {
		free(p->tag[--i]);
		p->tag[i] = NULL;
	}
	name = p->tag[i] != NULL ? p->tag[i] : xstrdup(tag);
	memmove(p->tag + 1, p->tag, i * sizeof p->tag[0]);
	p->tag[0] = name;
}

const char *
mg_party_tag(const struct mg_party *p)
{
	return p->tag[0] != NULL ? p->tag[0] : "";
}

/* ---- media --------------------------------------------------------------- */

static void
mg_stream_init(struct mg_stream *s, struct mg_media *m, int fd, bool rtcp)
{
	s->fd = fd;
	s->rtcp = rtcp;
	s->media = m;
	mg_relay_add(m->party->call->mg, s);
}

int
mg_media_open(struct mg_party *p, unsigned index, struct err *e)
{
	struct mg *mg = p->call->mg;
	struct mg_media *m;
	uint16_t port;
	int fd[2], r;

	if (p->media[index] != NULL)
		return 0;
	if ((r = mg_ports_open(&mg->ports, p->family, fd, &port, e)) != 0)
		return r;
	m = p->media[index] = xcalloc(1, sizeof *m);
	m->party = p;
	m->index = index;
	m->port = port;
	m->fresh = true;
	m->figures.since = clock_mono();
	mg_stream_init(&m->rtp, m, fd[0], false);
	mg_stream_init(&m->rtcp, m, fd[1], true);
	mg->n.sockets = mg->ports.sockets;
	return 0;
}

void
mg_media_close(struct mg_party *p, unsigned index)
{
	struct mg_media *m = p->media[index];
	struct mg *mg = p->call->mg;
	struct mg_party *other;

	if (m == NULL)
		return;
	mg_figures_media(m, clock_mono());
	p->media[index] = NULL;
	for (other = TAILQ_FIRST(&p->call->parties); other != NULL;
	     other = TAILQ_NEXT(other, entry)) {
		if (other->media[index] != NULL &&
		    other->media[index]->peer == m)
			other->media[index]->peer = NULL;
	}
	mg_ports_close(
	    &mg->ports, p->family, (int[]){m->rtp.fd, m->rtcp.fd}, m->port);
	mg->n.sockets = mg->ports.sockets;
	free(m);
}

/* An address of this very call's own sockets: packets would go round. */
static bool
mg_call_owns(const struct mg_call *c, const union addr *a)
{
	const struct mg_party *p;
	unsigned i, port = addr_port(a);

	for (p = TAILQ_FIRST(&c->parties); p != NULL;
	     p = TAILQ_NEXT(p, entry)) {
		if (!addr_same_host(a, &p->shown) &&
		    !addr_same_host(a, &p->bind))
			continue;
		for (i = 0; i < MG_SECTIONS; i++) {
			if (p->media[i] != NULL &&
			    (port == p->media[i]->port ||
				port == p->media[i]->port + 1u))
				return true;
		}
	}
	return false;
}

/* Tell a stream's latch what was signalled, unless it cannot be. */
static void
mg_stream_signal(struct mg_stream *s, const union addr *signalled,
    const union addr *host, uint64_t now)
{
	const struct mg_party *p = s->media->party;
	union addr a = *signalled;
	char text[ADDR_TEXT];

	if (a.sa.sa_family != AF_UNSPEC && a.sa.sa_family != p->family)
		memset(&a, 0, sizeof a);
	if (a.sa.sa_family != AF_UNSPEC && mg_call_owns(p->call, &a)) {
		addr_text(text, &a);
		log_warnx("call=%s tag=%s signals our own port %s: ignored",
		    p->call->id, mg_party_tag(p), text);
		memset(&a, 0, sizeof a);
	}
	if (host != NULL && host->sa.sa_family != p->family)
		host = NULL;
	mg_latch_signal(&s->latch, &a, host, now);
	mg_relay_follow(s);
}

void
mg_media_signal(struct mg_media *m, const struct mg_section *s,
    const union addr *host, uint64_t now)
{
	unsigned pt;

	m->kind = s->kind;
	str_copy(m->media, sizeof m->media, s->media);
	str_copy(m->proto, sizeof m->proto, s->proto);
	m->plain = s->kind == MG_KIND_RTP && !s->crypto;
	m->wants = (s->dir & MG_RECV) != 0;
	m->hold = s->hold;
	memcpy(m->formats, s->formats, sizeof m->formats);
	for (pt = 0; pt < 128; pt++) {
		if (s->rate[pt] == 0)
			continue;
		m->rate[pt] = s->rate[pt];
		m->codec[pt] = s->codec[pt];
	}
	/* An old hold names no address: the party stays where it was. */
	if (s->hold && m->rtp.latch.open)
		return;
	mg_stream_signal(&m->rtp, &s->rtp, host, now);
	mg_stream_signal(&m->rtcp, &s->rtcp, host, now);
}

/* ---- ends ---------------------------------------------------------------- */

uint64_t
mg_call_last(const struct mg_call *c)
{
	const struct mg_party *p;
	const struct mg_media *m;
	uint64_t last = 0;
	unsigned i;

	for (p = TAILQ_FIRST(&c->parties); p != NULL;
	     p = TAILQ_NEXT(p, entry)) {
		for (i = 0; i < MG_SECTIONS; i++) {
			if ((m = p->media[i]) == NULL)
				continue;
			if (m->rtp.last > last)
				last = m->rtp.last;
			if (m->rtcp.last > last)
				last = m->rtcp.last;
		}
	}
	return last;
}

/* Why a call is at its end, or NULL. */
static const char *
mg_call_why_over(const struct mg_call *c, uint64_t now)
{
	uint64_t last = mg_call_last(c);

	if (now - c->touched >= MG_CALL_AGE)
		return "no command for a day";
	if (last < c->touched)
		last = c->touched;
	if (now - last >= MG_CALL_IDLE)
		return "no packet and no command for an hour";
	return NULL;
}

void
mg_call_sweep(struct mg *mg, uint64_t now)
{
	struct mg_call *c, *next;
	const char *why;

	for (c = TAILQ_FIRST(&mg->list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if ((why = mg_call_why_over(c, now)) == NULL)
			continue;
		log_warnx("call=%s removed: %s", c->id, why);
		mg->n.expired++;
		mg_call_free(&c);
	}
}
