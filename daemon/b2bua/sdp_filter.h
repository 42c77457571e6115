#ifndef B2BUA_SDP_FILTER_H
#define B2BUA_SDP_FILTER_H

#include "daemon/base/buf.h"
#include "daemon/base/err.h"

/* What a session description may say to the other side; pure, fuzzed. */

#define SDP_FILTER_MAX 16384 /* bytes of one description */
#define SDP_FILTER_LINES 512
#define SDP_FILTER_MEDIA 16

/* The o= line of a leg: random id, version that grows with every change. */
struct sdp_origin {
	uint32_t id;
	uint32_t version;
};

#define SDP_FILTER_OUT 1 /* goes to a phone: no address but that of c= */
/*
 * Add the description anew from the lines on the white list, with an o=
 * line of our own. -ERR_SYNTAX when it is no SDP, -ERR_TOOBIG, -ERR_CHECK
 * when a stream in use has no address that can be used. Bytes may have been
 * added before an error.
 */
int sdp_filter_write(struct buf *out, const char *, size_t n,
    const struct sdp_origin *, unsigned flags, struct err *);

#endif
