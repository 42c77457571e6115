/*
 * Operation show call media: how the streams of a call went, as the media gates
 * have told their recorders. Whose call it is B2BUA has said, so its legs are
 * asked for first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_show.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/trace/trace_media.h"

struct media_show {
	struct op_call *call;
	bool whole;	/* a row for each stream */
	uint64_t start; /* of the call */
};

enum media_unit {
	MEDIA_PACKETS,
	MEDIA_MS,	 /* of us: "0.3" */
	MEDIA_HUNDREDTHS /* "4.41" */
};

/* Columns that are figures as they stand in the record. */
static const struct media_figure {
	const char *col;
	enum media_unit unit;
	enum trace_figure part, whole;
} media_figures[] = {
    {"received", MEDIA_PACKETS, TRACE_RECEIVED, TRACE_ALL_RECEIVED},
    {"lost", MEDIA_PACKETS, TRACE_LOST, TRACE_ALL_LOST},
    {"late", MEDIA_PACKETS, TRACE_LATE, TRACE_ALL_LATE},
    {"twice", MEDIA_PACKETS, TRACE_TWICE, TRACE_ALL_TWICE},
    {"gap", MEDIA_PACKETS, TRACE_GAP, TRACE_ALL_GAP},
    {"jitter", MEDIA_MS, TRACE_JITTER, TRACE_ALL_JITTER},
    {"rtt", MEDIA_MS, TRACE_RTT, TRACE_ALL_RTT},
    {"mos", MEDIA_HUNDREDTHS, TRACE_MOS, TRACE_MEAN_MOS},
    {"least-mos", MEDIA_HUNDREDTHS, TRACE_MOS, TRACE_LEAST_MOS},
    {"far-loss", MEDIA_HUNDREDTHS, TRACE_FAR_LOSS, TRACE_ALL_FAR_LOSS},
    {"far-jitter", MEDIA_MS, TRACE_FAR_JITTER, TRACE_ALL_FAR_JITTER},
    {"far-mos", MEDIA_HUNDREDTHS, TRACE_FAR_MOS, TRACE_MEAN_FAR_MOS},
    {"least-far-mos", MEDIA_HUNDREDTHS, TRACE_FAR_MOS, TRACE_LEAST_FAR_MOS},
};

static void
media_put_figure(struct op_call *call, const struct media_figure *f, uint64_t v)
{
	char text[32];

	switch (f->unit) {
	case MEDIA_PACKETS:
		op_put_int(call, f->col, (int64_t)v);
		break;
	case MEDIA_MS:
		snprintf(text, sizeof text, "%.1f", (double)v / 1000);
		op_put(call, f->col, text);
		break;
	case MEDIA_HUNDREDTHS:
		trace_put_hundredths(call, f->col, v);
		break;
	}
}

/* Per cent of the packets that should have come. */
static void
media_put_loss(struct media_show *s, const uint64_t *figure)
{
	uint64_t lost = figure[s->whole ? TRACE_ALL_LOST : TRACE_LOST];
	uint64_t came = s->whole
	    ? figure[TRACE_ALL_RECEIVED] - figure[TRACE_ALL_TWICE]
	    : figure[TRACE_RECEIVED] - figure[TRACE_TWICE];

	if (came + lost != 0)
		trace_put_hundredths(
		    s->call, "loss", lost * 10000 / (came + lost));
}

/* One row with its figures. */
struct media_row {
	json_t *json;
	uint64_t began, end; /* us, by the clock of its server */
	uint64_t figure[TRACE_FIGURES];
};

/* False: it has no figures. */
static bool
media_read(const struct media_show *s, struct media_row *m, json_t *row)
{
	const char *text = op_row_text(row, "figures");

	if (!trace_figures(m->figure, text, strlen(text)))
		return false;
	m->json = row;
	m->end = op_row_int(row, "time");
	m->began = s->whole ? m->figure[TRACE_BEGAN]
			    : m->end - m->figure[TRACE_SPAN];
	return true;
}

static void
media_put(struct media_show *s, const struct media_row *m)
{
	const struct media_figure *f;
	struct op_call *call = s->call;
	enum trace_figure which;
	size_t i;

	op_row(call);
	trace_put_at(call, (int64_t)(m->began - s->start));
	op_put_time(call, "time", m->began);
	op_put_int(call, "span", (int64_t)((m->end - m->began) / CLOCK_MS));
	op_put(call, "leg", op_row_text(m->json, "label"));
	op_put_int(call, "section", (int64_t)m->figure[TRACE_SECTION]);
	op_put(call, "gate", op_row_text(m->json, "gate"));
	op_put(call, "codec", op_row_text(m->json, "codec"));
	op_put_bool(call, "held", m->figure[TRACE_HELD] == 1);
	media_put_loss(s, m->figure);
	for (i = 0; i < sizeof media_figures / sizeof media_figures[0]; i++) {
		f = &media_figures[i];
		which = s->whole ? f->whole : f->part;
		if (m->figure[which] != TRACE_UNKNOWN)
			media_put_figure(call, f, m->figure[which]);
	}
}

/* Streams of one moment stand together, by their legs. */
static int
media_order(const void *a, const void *b)
{
	const struct media_row *x = a, *y = b;
	uint64_t s = x->began / CLOCK_MS, t = y->began / CLOCK_MS;

	if (s != t)
		return s < t ? -1 : 1;
	return strcmp(
	    op_row_text(x->json, "label"), op_row_text(y->json, "label"));
}

static void
media_on_rows(void *arg, json_t *rows, json_t *warn, bool partial)
{
	size_t n = json_array_size(rows), got = 0, i;
	struct media_row *list = xcalloc(n + 1, sizeof *list);
	struct media_show *s = arg;
	json_t *row;

	json_array_foreach (rows, i, row) {
		trace_put_gate(s->call, row);
		got += media_read(s, &list[got], row);
	}
	qsort(list, got, sizeof *list, media_order);
	for (i = 0; i < got; i++)
		media_put(s, &list[i]);
	free(list);
	trace_warn(s->call, warn, partial);
	op_finish(s->call, NULL);
	free(s);
}

static void
media_on_legs(void *arg, json_t *rows, json_t *warn, bool partial)
{
	struct media_show *s = arg;
	struct op_call *call = s->call;
	struct err e;
	json_t *row;
	size_t i;

	if (json_array_size(rows) == 0 || !trace_sees_legs(call, rows)) {
		trace_warn(call, warn, partial);
		trace_absent(call, &e);
		free(s);
		op_finish(call, &e);
		return;
	}
	s->start = UINT64_MAX;
	json_array_foreach (rows, i, row) {
		if (op_row_int(row, "time") < s->start)
			s->start = op_row_int(row, "time");
	}
	trace_ask(control_of(call),
	    json_pack("{s:s, s:s, s:i, s:b}", "want", "media", "call",
		op_arg(call, "id"), "limit", RECORDER_FIGURES, "last",
		(int)s->whole),
	    media_on_rows, s);
}

static void
media_run(struct op_call *call)
{
	struct media_show *s = xcalloc(1, sizeof *s);

	s->call = call;
	s->whole = op_arg(call, "summary") != NULL;
	trace_ask(control_of(call),
	    json_pack("{s:s, s:s}", "want", "legs", "call", op_arg(call, "id")),
	    media_on_legs, s);
}

static const struct op_field media_args[] = {
    {.name = "id",
	.type = &op_type_text,
	.flags = OP_KEY | OP_REQUIRED,
	.min = 1,
	.max = 255,
	.brief = "of trace calls or show calls"},
    {.name = "summary",
	.type = &op_type_bool,
	.flags = OP_FLAG,
	.brief = "a row for each stream, not each interval"},
    {0},
};

static const struct op_field media_cols[] = {
    {.name = "at",
	.type = &op_type_text,
	.brief = "its beginning, seconds since that of the call"},
    {.name = "leg",
	.type = &op_type_text,
	.brief = "a: caller; b1, b2: called"},
    {.name = "codec",
	.type = &op_type_text,
	.brief = "of what came from the party"},
    {.name = "received",
	.type = &op_type_int,
	.brief = "packets that came from it"},
    {.name = "loss",
	.type = &op_type_text,
	.brief = "per cent of those that it sent"},
    {.name = "jitter",
	.type = &op_type_text,
	.brief = "of their arrival, ms; summary: the worst"},
    {.name = "rtt",
	.type = &op_type_text,
	.brief = "gate to party and back, ms; summary: the worst"},
    {.name = "mos",
	.type = &op_type_text,
	.brief = "how it sounds here, 1 to 4.5; summary: the mean"},
    {.name = "far-loss",
	.type = &op_type_text,
	.brief = "per cent that the party misses; summary: the worst"},
    {.name = "far-mos",
	.type = &op_type_text,
	.brief = "how it sounds to the party; summary: the mean"},
    {.name = "time",
	.type = &op_type_time,
	.flags = OP_DETAIL,
	.brief = "its beginning, by the clock of its server"},
    {.name = "span",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "how long it was, ms"},
    {.name = "section",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "of the session description, from 1"},
    {.name = "gate",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "media gate that tells it"},
    {.name = "held",
	.type = &op_type_bool,
	.flags = OP_DETAIL,
	.brief = "who should hear it does not want to"},
    {.name = "lost",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "packets that did not come"},
    {.name = "late",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "packets that came behind later ones"},
    {.name = "twice",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "packets that came again"},
    {.name = "gap",
	.type = &op_type_int,
	.flags = OP_DETAIL,
	.brief = "most packets lost in a row"},
    {.name = "far-jitter",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "jitter that the party reports, ms"},
    {.name = "least-mos",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "mos of the worst interval"},
    {.name = "least-far-mos",
	.type = &op_type_text,
	.flags = OP_DETAIL,
	.brief = "far-mos of the worst interval"},
    {0},
};

const struct op control_op_call_media = {
    .name = "show call media",
    .kind = OP_READ,
    .access = OP_VIEWER,
    .limit = OP_LIMIT_SELF,
    .where = OP_CONTROL,
    .brief = "how the media of one call went",
    .about =
	"Of each stream of a call, every 5 seconds, what its media gate has "
	"counted of the packets that came from a party (received, loss, "
	"jitter), how long the way to that party is, and what the party "
	"reports of those that it was sent (far-loss). mos is the E-model's "
	"opinion of both, see tandem-trace(5). A call that goes on is shown "
	"as far as it is; one that is over for as long as its messages are. "
	"A stream with nothing received is one-way. Empty: not known.",
    .example = "show call media 00000000000000000000000000000000\n"
	       "show call media 00000000000000000000000000000000 summary",
    .args = media_args,
    .cols = media_cols,
    .run = media_run,
};
