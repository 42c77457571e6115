/*
 * Any bytes as a WebSocket server to a client of ours: its answer to the
 * opening handshake when they begin with "HTTP", else frames. No message is
 * longer than the limit, and what an answer says of its own length lies
 * within the bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "websocket_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static void
read_answer(const char *data, size_t n)
{
	struct websocket_answer a = {0};
	struct err e = {0};
	int r = websocket_answer(&a, data, n, KEY, &e);

	if (r == 0 &&
	    (a.head > n || a.head > WEBSOCKET_HEAD_MAX + 4 || a.status < 100 ||
		a.status > 599))
		abort();
	if (r < 0 && e.code != ERR_SYNTAX)
		abort();
	if (r == 1 && n >= WEBSOCKET_HEAD_MAX)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n >= 4 && memcmp(data, "HTTP", 4) == 0)
		read_answer((const char *)data, n);
	else
		websocket_feed_frames(WEBSOCKET_CLIENT, data, n);
	return 0;
}
