#ifndef TRACE_TRACE_MEDIA_H
#define TRACE_TRACE_MEDIA_H

#include "trace.h"

/*
 * What a media gate says of one stream, every few seconds: how it went since
 * the last time, and as a whole. So the last record of a stream tells all of
 * it, also when the gate died.
 */

/* In this order they stand in the record. Times in us, MOS 100 times, loss in
 * hundredths of a per cent. */
enum trace_figure {
	TRACE_SECTION, /* of the SDP, from 1 */
	TRACE_BEGAN,   /* real clock: first interval of the stream */
	TRACE_SPAN,    /* of this one */
	TRACE_HELD,    /* 1: who should hear it does not want to */
	/* of this interval: packets that came from the party */
	TRACE_RECEIVED,
	TRACE_LOST,
	TRACE_LATE,
	TRACE_TWICE,
	TRACE_GAP, /* most that were missing in a row */
	TRACE_JITTER,
	TRACE_MOS,
	TRACE_RTT, /* between gate and party */
	/* and what the party says of those that it was sent */
	TRACE_FAR_LOSS,
	TRACE_FAR_JITTER,
	TRACE_FAR_MOS,
	/* of the stream so far: sums, then the worst of all intervals */
	TRACE_ALL_RECEIVED,
	TRACE_ALL_LOST,
	TRACE_ALL_LATE,
	TRACE_ALL_TWICE,
	TRACE_ALL_GAP,
	TRACE_ALL_JITTER,
	TRACE_LEAST_MOS,
	TRACE_ALL_RTT,
	TRACE_ALL_FAR_LOSS,
	TRACE_ALL_FAR_JITTER,
	TRACE_LEAST_FAR_MOS,
	TRACE_MEAN_MOS,
	TRACE_MEAN_FAR_MOS,
	TRACE_FIGURES
};
#define TRACE_UNKNOWN UINT64_MAX

struct trace_media {
	const char *call, *label, *codec;
	uint64_t figure[TRACE_FIGURES];
};
void trace_media(struct ring *, const struct trace_media *);
/* Figures of the text of a record; false when it has not all of them. */
bool trace_figures(uint64_t[TRACE_FIGURES], const char *, size_t n);

#endif
