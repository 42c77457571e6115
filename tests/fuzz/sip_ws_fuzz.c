/*
 * Any bytes as a WebSocket client: the opening handshake when they begin
 * with "GET", else frames. No message is longer than the limit.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sip/sip_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define LIMIT 2048

static void
on_message(void *arg, char *msg, size_t n)
{
	struct websocket **w = arg;

	if (n == 0 || n > LIMIT || msg[n] != '\0')
		abort();
	if (msg[0] == 'e')
		websocket_send(*w, msg, n);
}

static void
feed_frames(const uint8_t *data, size_t n)
{
	struct buf out = {.max = 1u << 20};
	struct websocket *w;
	size_t step = n > 0 ? data[0] % 64 + 1u : 1, take;

	w = websocket_new(WEBSOCKET_SERVER, &out, LIMIT, on_message, &w);
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
		feed_frames(data, n);
	}
	buf_fini(&reply);
	return 0;
}
