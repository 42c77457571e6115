/*
 * Any bytes as a WebSocket server to a client of ours: its answer to the
 * opening handshake when they begin with "HTTP", else frames. No message is
 * longer than the limit, and what an answer says of its own length lies
 * within the bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define LIMIT 2048
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

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

	w = websocket_new(WEBSOCKET_CLIENT, &out, LIMIT, on_message, &w);
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
		feed_frames(data, n);
	return 0;
}
