#ifndef SIP_TAP_H
#define SIP_TAP_H

#include "daemon/trace/trace.h"
#include "transport.h"

/*
 * The trace tap: every message that a process says or hears goes through here,
 * after TLS and framing, once. What nobody may read is masked before it is in
 * the ring.
 */

struct tap_way {
	unsigned flags; /* TRACE_OUT, TRACE_INSIDE */
	enum sip_proto proto;
	const union addr *local, *peer;
};

void tap_message(struct ring *, const struct tap_way *, const void *, size_t n);

/* Off, which is ring NULL: a load and a branch. */
static inline void
tap(struct ring *ring, const struct tap_way *way, const void *msg, size_t n)
{
	if (__builtin_expect(ring != NULL, 0))
		tap_message(ring, way, msg, n);
}

#endif
