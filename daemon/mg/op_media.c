/*
 * Operation of the gate: what its calls' streams look like from here.
 */
#include <string.h>

#include "mg.h"
#include "daemon/base/clock.h"
#include "daemon/base/str.h"
#include "daemon/op/op.h"
#include "daemon/role/role.h"

static const struct op_field media_args[] = {
    {.name = "call",
	.type = &op_type_text,
	.min = 1,
	.max = MG_ID_MAX,
	.brief = "only the call of this media call-id"},
    {0},
};

static const char *const media_sources[] = {
    "none", "unsignalled", "near", "signalled", NULL};

static const struct op_field media_cols[] = {
    {.name = "call", .type = &op_type_text, .brief = "media call-id"},
    {.name = "tag", .type = &op_type_text, .brief = "party of the call"},
    {.name = "section",
	.type = &op_type_int,
	.brief = "section of its SDP, from 1"},
    {.name = "media", .type = &op_type_text, .brief = "its kind: audio, video"},
    {.name = "port",
	.type = &op_type_int,
	.brief = "local port that faces the party"},
    {.name = "remote",
	.type = &op_type_text,
	.brief = "where its packets go to"},
    {.name = "source",
	.type = &op_type_choice,
	.choices = media_sources,
	.brief = "how its address was proven"},
    {.name = "packets",
	.type = &op_type_int,
	.brief = "RTP packets accepted from it"},
    {.name = "sent", .type = &op_type_int, .brief = "packets sent to it"},
    {.name = "lost",
	.type = &op_type_int,
	.brief = "missing in its sequence numbers"},
    {.name = "misordered",
	.type = &op_type_int,
	.brief = "packets late or twice"},
    {.name = "jitter-us",
	.type = &op_type_int,
	.brief = "interarrival jitter, microseconds"},
    {.name = "strays",
	.type = &op_type_int,
	.brief = "packets of others, dropped"},
    {.name = "silent",
	.type = &op_type_duration,
	.brief = "since its last packet"},
    {0},
};

static void
media_put_remote(struct op_call *call, const struct mg_latch *l)
{
	char text[ADDR_TEXT];

	if (l->remote.sa.sa_family == AF_UNSPEC)
		return;
	addr_text(text, &l->remote);
	op_put(call, "remote", text);
}

/* One row: a section of a party. */
static void
media_show_one(struct op_call *call, const struct mg_media *m, uint64_t now)
{
	const struct mg_stream *s = &m->rtp;
	struct mg_quality q;

	mg_source_sum(&m->sources, &q);
	op_row(call);
	op_put(call, "call", m->party->call->id);
	op_put(call, "tag", mg_party_tag(m->party));
	op_put_int(call, "section", m->index + 1);
	op_put(call, "media", m->media);
	op_put_int(call, "port", m->port);
	media_put_remote(call, &s->latch);
	op_put(call, "source", media_sources[s->latch.trust]);
	op_put_int(call, "packets", (int64_t)s->packets);
	op_put_int(call, "sent", (int64_t)s->sent);
	op_put_int(call, "lost", (int64_t)q.lost);
	op_put_int(call, "misordered", (int64_t)q.misordered);
	op_put_int(call, "jitter-us", q.jitter_us);
	op_put_int(call, "strays", (int64_t)s->strays);
	if (s->last != 0)
		op_put_int(
		    call, "silent", (int64_t)((now - s->last) / CLOCK_SEC));
}

static void
media_show(struct op_call *call)
{
	struct mg *mg = ((struct self *)call->self)->state_of_role;
	const char *only = op_arg(call, "call");
	const struct mg_party *p;
	const struct mg_call *c;
	uint64_t now = clock_mono();
	bool found = only == NULL;
	unsigned i;

	for (c = TAILQ_FIRST(&mg->list); c != NULL; c = TAILQ_NEXT(c, entry)) {
		if (only != NULL && strcmp(only, c->id) != 0)
			continue;
		found = true;
		for (p = TAILQ_FIRST(&c->parties); p != NULL;
		     p = TAILQ_NEXT(p, entry)) {
			for (i = 0; i < MG_SECTIONS; i++) {
				if (p->media[i] != NULL)
					media_show_one(call, p->media[i], now);
			}
		}
	}
	if (found)
		op_finish(call, NULL);
	else
		op_failf(
		    call, ERR_ABSENT, "no call has the media call-id %s", only);
}

static const struct op op_show_media = {
    .name = "show media",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .where = OP_EACH,
    .role = ROLE_MG,
    .brief = "media streams of calls, as the gates see them",
    .about = "A row for each party and section of each call: where its packets "
	     "go, how its address was proven, and what was counted of what it "
	     "sent. \"signalled\" came from the address of its SDP, \"near\" "
	     "from the same host or the one that signals, \"unsignalled\" from "
	     "elsewhere after silence. Packets with silent growing mean that "
	     "the party sends nothing; strays mean that somebody else does.",
    .example = "show media",
    .args = media_args,
    .cols = media_cols,
    .run = media_show,
};

const struct op *const mg_ops[] = {&op_show_media, NULL};
