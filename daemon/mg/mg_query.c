/*
 * What is told of calls, in the shape of rtpengine's `query`: per tag, per
 * section, per port. "stats" of an RTP port also has what RFC 3550 counts:
 * lost, out of order, jitter in microseconds. Times are seconds of the real
 * clock; "last packet" is absent until there was one. A brief answer has of
 * each RTP port the packets, the lost ones and, where it is known, 100 times
 * the MOS, and nothing else.
 */
#include <string.h>

#include "mg.h"
#include "daemon/base/clock.h"

#define MG_QUERY_MEDIA 48   /* more do not fit into a datagram */
#define MG_LIST_BYTES 48000 /* of call-ids in one reply */

static void
mg_put_int(json_t *dict, const char *key, uint64_t v)
{
	json_object_set_new(dict, key, json_integer((json_int_t)v));
}

static json_t *
mg_query_address(const union addr *a)
{
	char host[ADDR_TEXT];

	addr_host(host, a);
	return json_pack("{s:s, s:s, s:i}", "family",
	    a->sa.sa_family == AF_INET6 ? "IPv6" : "IPv4", "address", host,
	    "port", addr_port(a));
}

/* Seconds of the real clock, of a monotonic time that has passed. */
static uint64_t
mg_query_when(uint64_t mono)
{
	return (clock_real() - (clock_mono() - mono)) / CLOCK_SEC;
}

static json_t *
mg_query_stats(const struct mg_stream *s)
{
	json_t *stats = json_object();
	struct mg_quality q;

	mg_put_int(stats, "packets", s->packets);
	mg_put_int(stats, "bytes", s->bytes);
	mg_put_int(stats, "errors", s->errors);
	mg_put_int(stats, "strays", s->strays);
	if (s->rtcp)
		return stats;
	mg_source_sum(&s->media->sources, &q);
	mg_put_int(stats, "lost", q.lost);
	mg_put_int(stats, "out of order", q.misordered);
	mg_put_int(stats, "jitter", q.jitter_us);
	return stats;
}

static json_t *
mg_query_stream(const struct mg_stream *s)
{
	json_t *v = json_object(), *flags = json_array();
	char host[ADDR_TEXT];

	addr_host(host, &s->media->party->shown);
	mg_put_int(v, "local port", s->media->port + (unsigned)s->rtcp);
	json_object_set_new(v, "local address", json_string(host));
	if (s->latch.remote.sa.sa_family != AF_UNSPEC)
		json_object_set_new(
		    v, "endpoint", mg_query_address(&s->latch.remote));
	if (s->latch.signalled.sa.sa_family != AF_UNSPEC)
		json_object_set_new(v, "advertised endpoint",
		    mg_query_address(&s->latch.signalled));
	if (s->last != 0)
		mg_put_int(v, "last packet", mg_query_when(s->last));
	json_array_append_new(flags, json_string(s->rtcp ? "RTCP" : "RTP"));
	if (s->latch.open)
		json_array_append_new(flags, json_string("filled"));
	if (s->latch.trust != MG_TRUST_NONE)
		json_array_append_new(flags, json_string("confirmed"));
	json_object_set_new(v, "flags", flags);
	json_object_set_new(v, "stats", mg_query_stats(s));
	return v;
}

static json_t *
mg_query_media(const struct mg_media *m)
{
	json_t *flags = json_array();

	if (m->rtp.latch.open)
		json_array_append_new(flags, json_string("initialized"));
	if (m->mux)
		json_array_append_new(flags, json_string("rtcp-mux"));
	if (m->echo)
		json_array_append_new(flags, json_string("echo"));
	if (m->hold || !m->wants)
		json_array_append_new(flags, json_string("held"));
	return json_pack("{s:i, s:s, s:s, s:o, s:[o, o]}", "index",
	    (int)m->index + 1, "type", m->media, "protocol", m->proto, "flags",
	    flags, "streams", mg_query_stream(&m->rtp),
	    mg_query_stream(&m->rtcp));
}

static json_t *
mg_query_party(const struct mg_party *p)
{
	json_t *medias = json_array(), *v;
	unsigned i;

	for (i = 0; i < MG_SECTIONS; i++) {
		if (p->media[i] != NULL)
			json_array_append_new(
			    medias, mg_query_media(p->media[i]));
	}
	v = json_pack("{s:s, s:I, s:o}", "tag", mg_party_tag(p), "created",
	    (json_int_t)(p->created / CLOCK_SEC), "medias", medias);
	if (p->peer != NULL)
		json_object_set_new(
		    v, "in dialogue with", json_string(mg_party_tag(p->peer)));
	return v;
}

struct mg_total {
	uint64_t packets, bytes, errors;
};

static void
mg_total_add(struct mg_total *t, const struct mg_stream *s)
{
	t->packets += s->packets;
	t->bytes += s->bytes;
	t->errors += s->errors;
}

static json_t *
mg_total_json(const struct mg_total *t)
{
	return json_pack("{s:I, s:I, s:I}", "packets", (json_int_t)t->packets,
	    "bytes", (json_int_t)t->bytes, "errors", (json_int_t)t->errors);
}

static json_t *
mg_query_totals(const struct mg_call *c)
{
	struct mg_total rtp = {0}, rtcp = {0};
	const struct mg_party *p;
	unsigned i;

	for (p = TAILQ_FIRST(&c->parties); p != NULL;
	     p = TAILQ_NEXT(p, entry)) {
		for (i = 0; i < MG_SECTIONS; i++) {
			if (p->media[i] == NULL)
				continue;
			mg_total_add(&rtp, &p->media[i]->rtp);
			mg_total_add(&rtcp, &p->media[i]->rtcp);
		}
	}
	return json_pack("{s:o, s:o}", "RTP", mg_total_json(&rtp), "RTCP",
	    mg_total_json(&rtcp));
}

/* Sections of all parties. */
static unsigned
mg_query_count(const struct mg_call *c)
{
	const struct mg_party *p;
	unsigned i, n = 0;

	for (p = TAILQ_FIRST(&c->parties); p != NULL;
	     p = TAILQ_NEXT(p, entry)) {
		for (i = 0; i < MG_SECTIONS; i++)
			n += p->media[i] != NULL;
	}
	return n;
}

/* Of a call with very many branches only the totals are told. */
void
mg_query_fill(const struct mg_call *c, json_t *dict)
{
	uint64_t last = mg_call_last(c);
	const struct mg_party *p;
	json_t *tags = json_object();

	mg_put_int(dict, "created", c->created / CLOCK_SEC);
	mg_put_int(dict, "last signal", c->signalled / CLOCK_SEC);
	if (last != 0)
		mg_put_int(dict, "last packet", mg_query_when(last));
	for (p = TAILQ_FIRST(&c->parties);
	     p != NULL && mg_query_count(c) <= MG_QUERY_MEDIA;
	     p = TAILQ_NEXT(p, entry))
		json_object_set_new(tags, mg_party_tag(p), mg_query_party(p));
	json_object_set_new(dict, "tags", tags);
	json_object_set_new(dict, "totals", mg_query_totals(c));
}

/* What the books of a call hold, in the same places. */
static json_t *
mg_brief_media(const struct mg_media *m)
{
	unsigned mos = mg_figures_mos(m);
	json_t *stats = json_object();
	struct mg_quality q;

	mg_source_sum(&m->sources, &q);
	mg_put_int(stats, "packets", m->rtp.packets);
	mg_put_int(stats, "lost", q.lost);
	if (mos != 0)
		mg_put_int(stats, "mos", mos);
	return json_pack("{s:[{s:o}]}", "streams", "stats", stats);
}

static json_t *
mg_brief_party(const struct mg_party *p)
{
	json_t *medias = json_array();
	unsigned i;

	for (i = 0; i < MG_SECTIONS; i++) {
		if (p->media[i] != NULL)
			json_array_append_new(
			    medias, mg_brief_media(p->media[i]));
	}
	return json_pack("{s:o}", "medias", medias);
}

void
mg_query_brief(const struct mg_call *c, json_t *dict)
{
	const struct mg_party *p;
	json_t *tags = json_object();

	for (p = TAILQ_FIRST(&c->parties);
	     p != NULL && mg_query_count(c) <= MG_QUERY_MEDIA;
	     p = TAILQ_NEXT(p, entry))
		json_object_set_new(tags, mg_party_tag(p), mg_brief_party(p));
	json_object_set_new(dict, "tags", tags);
}

void
mg_list_fill(const struct mg *mg, json_t *dict, uint64_t limit, uint64_t after)
{
	json_t *calls = json_array();
	const struct mg_call *c, *last = NULL;
	size_t bytes = 0;

	for (c = TAILQ_FIRST(&mg->list); c != NULL; c = TAILQ_NEXT(c, entry)) {
		if (c->serial <= after)
			continue;
		bytes += strlen(c->id) + 8;
		if (json_array_size(calls) == limit || bytes > MG_LIST_BYTES) {
			mg_put_int(dict, "tandem-next", last->serial);
			break;
		}
		json_array_append_new(calls, json_string(c->id));
		last = c;
	}
	json_object_set_new(dict, "calls", calls);
}
