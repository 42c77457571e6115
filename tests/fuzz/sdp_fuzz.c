/*
 * What B2BUA does with the SDP bytes of a phone: the white list, and the
 * white list over its own output, which must stay as it is.
 */
#include <assert.h>
#include <string.h>

#include "daemon/b2bua/sdp_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct sdp_origin o = {4711, 1};
	struct buf out = BUF_INIT, again = BUF_INIT;
	const char *sdp = (const char *)data;
	struct err err;

	if (sdp_filter_write(&out, sdp, n, &o, 0, &err) == 0) {
		assert(sdp_filter_write(
			   &again, out.data, out.len, &o, 0, &err) == 0);
		assert(again.len == out.len &&
		    memcmp(again.data, out.data, out.len) == 0);
	}
	buf_fini(&out);
	buf_reset(&again);
	sdp_filter_write(&again, sdp, n, &o, SDP_FILTER_OUT, &err);
	buf_fini(&again);
	return 0;
}
