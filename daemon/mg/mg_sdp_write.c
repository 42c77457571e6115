/*
 * Writing the session description that the other party is shown: the one that
 * came in, with our address and ports in place of the sender's. Lines that
 * would lead around us or tell addresses (candidates, rtcp, alternatives) go,
 * as do groups of bundled sections: each has its own ports here. A section
 * that cannot pass keeps its place with port 0. Pure.
 */
#include <string.h>
#include <strings.h>

#include "mg.h"
#include "daemon/base/str.h"

struct mg_sdp_writer {
	struct buf *out;
	const struct mg_sdp *sdp;
	const struct mg_sdp_plan *plan;
	int section;	/* -1 before the first m= */
	bool connected; /* the section's c= is written */
	bool directed;	/* the section's direction is written */
};

/* Attributes that name ways around us, or that are written anew. */
static const char *const mg_sdp_dropped[] = {"candidate", "end-of-candidates",
    "ice-lite", "ice-ufrag", "ice-pwd", "ice-options", "ice-mismatch",
    "ice-pacing", "remote-candidates", "rtcp", "rtcp-mux", "rtcp-mux-only",
    "bundle-only", "alt", "source-filter", "x-candidate", "x-candidate-info",
    "nortpproxy"};

static void
mg_sdp_put(struct mg_sdp_writer *w, const char *s, size_t n)
{
	buf_add(w->out, s, n);
	buf_add(w->out, "\r\n", 2);
}

/* "IN IP4 192.0.2.1" of our side. */
static void
mg_sdp_put_address(struct mg_sdp_writer *w)
{
	char host[ADDR_TEXT];

	addr_host(host, &w->plan->local);
	buf_fmt(w->out, "IN IP%d %s\r\n",
	    w->plan->local.sa.sa_family == AF_INET6 ? 6 : 4, host);
}

static void
mg_sdp_put_connection(struct mg_sdp_writer *w)
{
	buf_str(w->out, "c=");
	mg_sdp_put_address(w);
}

static const struct mg_sdp_plan_section *
mg_sdp_plan_of(const struct mg_sdp_writer *w)
{
	return &w->plan->section[w->section];
}

static void
mg_sdp_put_direction(struct mg_sdp_writer *w, unsigned dir)
{
	static const char *const name[] = {
	    "inactive", "sendonly", "recvonly", "sendrecv"};

	w->directed = true;
	buf_fmt(w->out, "a=%s\r\n", name[dir & 3]);
}

/* What a section still lacks when its lines have been passed on. */
static void
mg_sdp_end(struct mg_sdp_writer *w)
{
	const struct mg_sdp_plan_section *p;

	if (w->section < 0)
		return;
	p = mg_sdp_plan_of(w);
	if (p->port == 0)
		return;
	if (p->dir != MG_DIR_KEEP && !w->directed)
		mg_sdp_put_direction(w, p->dir);
	if (p->say_rtcp)
		buf_fmt(w->out, "a=rtcp:%u\r\n", p->rtcp);
	if (p->mux)
		buf_str(w->out, "a=rtcp-mux\r\n");
}

/* m=: our port and the formats that stay. */
static void
mg_sdp_write_media(struct mg_sdp_writer *w, const struct mg_sdp_line *l)
{
	const char *at = l->value, *end = at + l->len, *word;
	const struct mg_sdp_plan_section *p;
	const struct mg_section *s;
	int64_t pt;
	size_t n;

	mg_sdp_end(w);
	w->section++;
	w->connected = w->directed = false;
	s = &w->sdp->section[w->section];
	p = mg_sdp_plan_of(w);
	mg_sdp_word(&at, end, &word);
	mg_sdp_word(&at, end, &word);
	mg_sdp_word(&at, end, &word);
	buf_fmt(w->out, "m=%s %u %s", s->media, p->port, s->proto);
	while ((n = mg_sdp_word(&at, end, &word)) != 0) {
		char text[8];

		if (p->port != 0 && mg_kind_is_rtp(s->kind) &&
		    str_ncopy(text, sizeof text, word, n) &&
		    str_int(text, 0, 127, &pt) &&
		    !mg_bit(p->formats, (unsigned)pt))
			continue;
		buf_char(w->out, ' ');
		buf_add(w->out, word, n);
	}
	buf_add(w->out, "\r\n", 2);
	if (p->port == 0 && !w->sdp->has_connection)
		mg_sdp_put_connection(w);
}

/* o=: the words stay, the address becomes ours if so planned. */
static void
mg_sdp_write_origin(struct mg_sdp_writer *w, const struct mg_sdp_line *l)
{
	const char *at = l->value, *end = at + l->len, *word;
	size_t i, n;

	if (!w->plan->origin) {
		mg_sdp_put(w, l->s, l->n);
		return;
	}
	buf_str(w->out, "o=");
	for (i = 0; i < 3; i++) {
		n = mg_sdp_word(&at, end, &word);
		buf_add(w->out, word, n);
		buf_char(w->out, ' ');
	}
	mg_sdp_put_address(w);
}

/* The session part of an SDP of our own. */
static void
mg_sdp_write_fresh(struct mg_sdp_writer *w)
{
	buf_fmt(w->out, "v=0\r\no=- %llu %llu ",
	    (unsigned long long)w->plan->session,
	    (unsigned long long)w->plan->version);
	mg_sdp_put_address(w);
	buf_str(w->out, "s=-\r\n");
	if (w->sdp->has_connection)
		mg_sdp_put_connection(w);
	buf_str(w->out, "t=0 0\r\n");
}

/* An attribute of a payload type that does not stay. */
static bool
mg_sdp_is_of_dropped_format(
    const struct mg_sdp_writer *w, const struct mg_sdp_line *l)
{
	static const char *const by_type[] = {"rtpmap", "fmtp", "rtcp-fb"};
	const char *value, *word;
	char text[8];
	size_t i, len, n;
	int64_t pt;

	for (i = 0; i < sizeof by_type / sizeof by_type[0]; i++) {
		if (!mg_sdp_attr(l, by_type[i], &value, &len))
			continue;
		n = mg_sdp_word(&(const char *){value}, value + len, &word);
		return str_ncopy(text, sizeof text, word, n) &&
		    str_int(text, 0, 127, &pt) &&
		    !mg_bit(mg_sdp_plan_of(w)->formats, (unsigned)pt);
	}
	return false;
}

/* Attributes that do not pass. */
static bool
mg_sdp_is_dropped(const struct mg_sdp_writer *w, const struct mg_sdp_line *l)
{
	const char *value;
	size_t i, len;

	for (i = 0; i < sizeof mg_sdp_dropped / sizeof mg_sdp_dropped[0]; i++) {
		if (mg_sdp_attr(l, mg_sdp_dropped[i], &value, &len))
			return true;
	}
	if (mg_sdp_attr(l, "group", &value, &len))
		return len >= 6 && strncasecmp(value, "BUNDLE", 6) == 0;
	if (w->section < 0)
		return false;
	/* Those of the sender's own sources mean nothing in our answer. */
	if (w->plan->fresh &&
	    (mg_sdp_attr(l, "ssrc", &value, &len) ||
		mg_sdp_attr(l, "ssrc-group", &value, &len) ||
		mg_sdp_attr(l, "msid", &value, &len)))
		return true;
	return mg_sdp_is_of_dropped_format(w, l);
}

static bool
mg_sdp_is_direction(const struct mg_sdp_line *l)
{
	return str_iequal(l->value, l->len, "sendrecv") ||
	    str_iequal(l->value, l->len, "sendonly") ||
	    str_iequal(l->value, l->len, "recvonly") ||
	    str_iequal(l->value, l->len, "inactive");
}

/* a=ssrc:<id> cname:<name>: the name, as in RTCP, is hidden. */
static bool
mg_sdp_write_cname(struct mg_sdp_writer *w, const struct mg_sdp_line *l)
{
	const char *value, *name;
	char text[256];
	size_t len, n;

	if (w->section < 0 || w->plan->mask == NULL ||
	    w->sdp->section[w->section].kind != MG_KIND_RTP ||
	    w->sdp->section[w->section].crypto ||
	    !mg_sdp_attr(l, "ssrc", &value, &len))
		return false;
	name = memmem(value, len, " cname:", 7);
	if (name == NULL)
		return false;
	name += 7;
	n = (size_t)(value + len - name);
	if (n >= sizeof text)
		return true; /* RTCP's names have at most 255 bytes */
	memcpy(text, name, n);
	mg_mask_name(text, n, w->plan->mask);
	buf_add(w->out, l->s, (size_t)(name - l->s));
	mg_sdp_put(w, text, n);
	return true;
}

static void
mg_sdp_write_attr(struct mg_sdp_writer *w, const struct mg_sdp_line *l)
{
	unsigned dir;

	if (mg_sdp_is_dropped(w, l) || mg_sdp_write_cname(w, l))
		return;
	if (w->section >= 0 && mg_sdp_is_direction(l)) {
		dir = mg_sdp_plan_of(w)->dir;
		if (dir != MG_DIR_KEEP) {
			if (!w->directed)
				mg_sdp_put_direction(w, dir);
			return;
		}
	}
	mg_sdp_put(w, l->s, l->n);
}

static void
mg_sdp_write_line(struct mg_sdp_writer *w, const struct mg_sdp_line *l)
{
	if (l->type == 'm') {
		mg_sdp_write_media(w, l);
		return;
	}
	if (w->section < 0 && w->plan->fresh)
		return; /* only sections are taken over */
	if (w->section >= 0 && mg_sdp_plan_of(w)->port == 0)
		return; /* of a refused section the m= is enough */
	if (l->type == 'c') {
		if (w->section < 0 || !w->connected)
			mg_sdp_put_connection(w);
		w->connected = w->section >= 0;
	} else if (l->type == 'o') {
		mg_sdp_write_origin(w, l);
	} else if (l->type == 'a') {
		mg_sdp_write_attr(w, l);
	} else if (!w->plan->fresh) {
		mg_sdp_put(w, l->s, l->n);
	}
}

void
mg_sdp_write(
    struct buf *out, const struct mg_sdp *sdp, const struct mg_sdp_plan *plan)
{
	struct mg_sdp_writer w = {
	    .out = out, .sdp = sdp, .plan = plan, .section = -1};
	struct mg_sdp_cursor c = {.at = sdp->text, .end = sdp->text + sdp->len};
	struct mg_sdp_line line;

	if (plan->fresh)
		mg_sdp_write_fresh(&w);
	while (mg_sdp_line(&c, &line, NULL) == 1)
		mg_sdp_write_line(&w, &line);
	mg_sdp_end(&w);
}

void
mg_mask_name(char *name, size_t n, const uint8_t key[16])
{
	static const char letter[] = "0123456789abcdefghijklmnopqrstuv";
	uint64_t seed[2], bits = 0;
	size_t i;

	seed[0] = str_hash_key(key, name, n);
	for (i = 0; i < n; i++) {
		if (i % 12 == 0) {
			seed[1] = i;
			bits = str_hash_key(key, seed, sizeof seed);
		}
		name[i] = letter[bits & 31];
		bits >>= 5;
	}
}
