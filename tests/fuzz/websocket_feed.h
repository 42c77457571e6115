#ifndef TESTS_FUZZ_WEBSOCKET_FEED_H
#define TESTS_FUZZ_WEBSOCKET_FEED_H

#include <stdlib.h>

#include "daemon/base/websocket.h"

/* Any bytes as what the peer of one side sends: no message is longer than the
 * limit, and some are answered. */
#define WEBSOCKET_FEED_LIMIT 2048

static inline void
websocket_feed_message(void *arg, char *msg, size_t n)
{
	struct websocket **w = arg;

	if (n == 0 || n > WEBSOCKET_FEED_LIMIT || msg[n] != '\0')
		abort();
	if (msg[0] == 'e')
		websocket_send(*w, msg, n);
}

static inline void
websocket_feed_frames(enum websocket_side side, const uint8_t *data, size_t n)
{
	struct buf out = {.max = 1u << 20};
	struct websocket *w;
	size_t step = n > 0 ? data[0] % 64 + 1u : 1, take;

	w = websocket_new(
	    side, &out, WEBSOCKET_FEED_LIMIT, websocket_feed_message, &w);
	if (w == NULL)
		return;
	while (n > 0) {
		take = n < step ? n : step;
		if (websocket_feed(w, data, take) != 0)
			break;
		data += take;
		n -= take;
	}
	websocket_ping(w);
	websocket_close(w, 1000);
	websocket_free(&w);
	buf_fini(&out);
}

#endif
