/*
 * Any bytes as a WebSocket client: the opening handshake when they begin
 * with "GET", else frames. No message is longer than the limit.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "websocket_feed.h"
#include "daemon/sip/sip_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf reply = BUF_INIT;
	struct err e;

	if (n >= 3 && memcmp(data, "GET", 3) == 0) {
		sip_ws_accept((const char *)data, n, &reply, &e);
		if (reply.len == 0)
			abort();
	} else {
		websocket_feed_frames(WEBSOCKET_SERVER, data, n);
	}
	buf_fini(&reply);
	return 0;
}
