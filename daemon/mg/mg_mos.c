/*
 * How good a stream sounds: the E-model of ITU-T G.107 with its defaults,
 * of which three things are put in: the codec, packets lost, delay.
 *
 *	R = 93.2 - Idd(delay) - Ie,eff(codec, loss)		G.107 7.1
 *	Ie,eff = Ie + (95 - Ie) Ppl / (Ppl + Bpl)		G.107 7.5
 *	MOS = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6		G.107 Annex B
 *
 * Ie and Bpl are those of G.113 Appendix I: G.711 with concealment of losses,
 * as every phone of today does it (0, 25.1; without it Bpl would be 4.3),
 * G.729A with VAD (11, 19.0), G.723.1 at 6.3 kbit/s with VAD (15, 16.1). On
 * this scale, that of narrow band, there are none for wider codecs: G.722 and
 * Opus are taken to be as good as G.711, and never shown to be better.
 *
 * Assumed is what a gate cannot know: that losses are random, that phones hear
 * no echo, and that they hold packets back for twice the jitter, 40 ms at
 * least. Pure.
 */
#include <math.h>

#include "mg.h"
#include "daemon/base/str.h"

#define MOS_BEST 93.2	/* R of a call without any fault */
#define MOS_HOLD 40.0	/* ms of a jitter buffer at least */
#define MOS_SILENT 95.0 /* Ie,eff when every packet is lost */

static const struct mg_mos_row {
	const char *name; /* as in a=rtpmap */
	bool rated;
	double ie, bpl;
	double delay; /* ms: of a packet and of looking ahead */
} mos_rows[MG_CODECS] = {
    [MG_CODEC_OTHER] = {"", false, 0, 0, 0},
    [MG_CODEC_EVENT] = {"telephone-event", false, 0, 0, 0},
    [MG_CODEC_NOISE] = {"CN", false, 0, 0, 0},
    [MG_CODEC_PCMU] = {"PCMU", true, 0, 25.1, 20},
    [MG_CODEC_PCMA] = {"PCMA", true, 0, 25.1, 20},
    [MG_CODEC_G722] = {"G722", true, 0, 25.1, 21.5},
    [MG_CODEC_G723] = {"G723", true, 15, 16.1, 37.5},
    [MG_CODEC_G729] = {"G729", true, 11, 19.0, 25},
    [MG_CODEC_OPUS] = {"opus", true, 0, 25.1, 26.5},
};

enum mg_codec
mg_codec_find(const char *name, size_t n)
{
	unsigned i;

	for (i = 1; i < MG_CODECS; i++) {
		if (str_iequal(name, n, mos_rows[i].name))
			return (enum mg_codec)i;
	}
	return MG_CODEC_OTHER;
}

const char *
mg_codec_name(enum mg_codec codec)
{
	return mos_rows[codec].name;
}

/* Idd of G.107 7.4: nothing up to 100 ms from mouth to ear. */
static double
mos_delay(double ms)
{
	double x;

	if (ms <= 100)
		return 0;
	x = log2(ms / 100);
	return 25 *
	    (pow(1 + pow(x, 6), 1.0 / 6) - 3 * pow(1 + pow(x / 3, 6), 1.0 / 6) +
		2);
}

double
mg_mos_rating(const struct mg_hearing *h)
{
	const struct mg_mos_row *row = &mos_rows[h->codec];
	double hold = 2 * h->jitter_us / 1000.0, loss = 100 * h->loss;

	hold = hold < MOS_HOLD ? MOS_HOLD : hold;
	return MOS_BEST -
	    mos_delay(row->delay + hold + h->network_us / 1000.0) - row->ie -
	    (MOS_SILENT - row->ie) * loss / (loss + row->bpl);
}

unsigned
mg_mos_of_rating(double r)
{
	double mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;

	if (r >= 100)
		return 450;
	/* Below 6.5 the curve dips under the 1 it begins with. */
	return r < 6.5 ? 100 : (unsigned)lround(100 * mos);
}

unsigned
mg_mos(const struct mg_hearing *h)
{
	return mos_rows[h->codec].rated ? mg_mos_of_rating(mg_mos_rating(h))
					: 0;
}
