/*
 * WebSocket, both sides: frames that come in pieces, bounds, masks, and what
 * a client takes for an answer to its opening handshake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/base/websocket.h"

struct heard {
	unsigned count;
	size_t last;
	char text[128];
};

static void
on_ws(void *arg, char *msg, size_t n)
{
	struct heard *h = arg;

	assert_int_equal(msg[n], '\0');
	h->count++;
	h->last = n;
	snprintf(h->text, sizeof h->text, "%.100s", msg);
}

/* A masked frame of a client. */
static size_t
client_frame(uint8_t *out, unsigned first, const char *text, bool mask)
{
	size_t n = strlen(text), i;

	out[0] = (uint8_t)first;
	out[1] = (uint8_t)((mask ? 128 : 0) | n);
	memcpy(out + 2, "abcd", 4);
	for (i = 0; i < n; i++)
		out[(mask ? 6 : 2) + i] = (uint8_t)text[i] ^
		    (mask ? (uint8_t) "abcd"[i & 3] : 0);
	return n + (mask ? 6 : 2);
}

/* Fragments, with a ping between them, make one message. */
static void
fragments_are_joined(void **state)
{
	struct buf out = BUF_INIT;
	struct heard h = {0};
	struct websocket *w = websocket_new(
	    WEBSOCKET_SERVER, &out, 1000, on_ws, &h);
	uint8_t f[256];

	(void)state;
	assert_int_equal(
	    websocket_feed(w, f, client_frame(f, 0x01, "OPT", true)), 0);
	assert_true(websocket_is_partial(w));
	assert_int_equal(
	    websocket_feed(w, f, client_frame(f, 0x89, "hi", true)), 0);
	assert_int_equal(out.len, 4); /* the pong */
	assert_int_equal(
	    websocket_feed(w, f, client_frame(f, 0x80, "IONS", true)), 0);
	assert_int_equal(h.count, 1);
	assert_string_equal(h.text, "OPTIONS");
	assert_false(websocket_is_partial(w));
	websocket_free(&w);
	buf_fini(&out);
}

/* A message over the limit, and a frame without a mask, end it. */
static void
frames_are_bounded(void **state)
{
	struct buf out = BUF_INIT;
	struct heard h = {0};
	struct websocket *w = websocket_new(
	    WEBSOCKET_SERVER, &out, 5, on_ws, &h);
	uint8_t f[256];

	(void)state;
	assert_int_equal(
	    websocket_feed(w, f, client_frame(f, 0x81, "12345", true)), 0);
	assert_int_equal(h.count, 1);
	websocket_feed(w, f, client_frame(f, 0x01, "123", true));
	assert_int_not_equal(
	    websocket_feed(w, f, client_frame(f, 0x80, "456", true)), 0);
	assert_int_equal(h.count, 1);
	assert_int_equal((uint8_t)out.data[0], 0x88);
	assert_int_equal(
	    (uint8_t)out.data[2] << 8 | (uint8_t)out.data[3], 1009);
	websocket_free(&w);
	buf_reset(&out);
	w = websocket_new(WEBSOCKET_SERVER, &out, 100, on_ws, &h);
	assert_int_not_equal(
	    websocket_feed(w, f, client_frame(f, 0x81, "12345", false)), 0);
	assert_int_equal(h.count, 1);
	websocket_free(&w);
	buf_fini(&out);
}

/* What is not UTF-8 leaves as a binary frame. */
static void
text_is_utf8(void **state)
{
	struct buf out = BUF_INIT;
	struct heard h = {0};
	struct websocket *w = websocket_new(
	    WEBSOCKET_SERVER, &out, 100, on_ws, &h);

	(void)state;
	assert_int_equal(websocket_send(w, "abc", 3), 0);
	assert_int_equal((uint8_t)out.data[0], 0x81);
	buf_reset(&out);
	assert_int_equal(websocket_send(w, "a\xff", 2), 0);
	assert_int_equal((uint8_t)out.data[0], 0x82);
	websocket_free(&w);
	buf_fini(&out);
}

/* What a client sends is masked and a server reads it; what a server sends is
 * not, and a client reads that. */
static void
sides_understand_each_other(void **state)
{
	struct buf up = BUF_INIT, down = BUF_INIT;
	struct heard at_server = {0}, at_client = {0};
	struct websocket *server = websocket_new(
	    WEBSOCKET_SERVER, &down, 1000, on_ws, &at_server);
	struct websocket *client = websocket_new(
	    WEBSOCKET_CLIENT, &up, 1000, on_ws, &at_client);

	(void)state;
	assert_int_equal(websocket_send(client, "question", 8), 0);
	assert_true((uint8_t)up.data[1] & 0x80);
	assert_null(memmem(up.data, up.len, "question", 8));
	assert_int_equal(websocket_feed(server, up.data, up.len), 0);
	assert_string_equal(at_server.text, "question");
	assert_int_equal(websocket_send(server, "answer", 6), 0);
	assert_non_null(memmem(down.data, down.len, "answer", 6));
	assert_int_equal(websocket_feed(client, down.data, down.len), 0);
	assert_string_equal(at_client.text, "answer");
	/* a masked frame of a server breaks the protocol (RFC 6455 5.1) */
	assert_int_not_equal(websocket_feed(client, up.data, up.len), 0);
	assert_int_equal(at_client.count, 1);
	websocket_free(&server);
	websocket_free(&client);
	buf_fini(&up);
	buf_fini(&down);
}

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 1.3 */
#define SWITCHING                                                    \
	"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n" \
	"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: "  \
	"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

static int
answer(struct websocket_answer *a, const char *text)
{
	struct err e;

	memset(a, 0, sizeof *a);
	return websocket_answer(a, text, strlen(text), KEY, &e);
}

/* 101 must answer the key that was sent; anything else is told by its status
 * and the length of its words. */
static void
answers_are_judged(void **state)
{
	struct websocket_answer a;
	char long_head[WEBSOCKET_HEAD_MAX + 1];
	size_t n;

	(void)state;
	assert_int_equal(answer(&a, SWITCHING "\x81\x01x"), 0);
	assert_int_equal(a.status, 101);
	assert_int_equal(a.head, strlen(SWITCHING));
	for (n = 0; n < strlen(SWITCHING); n++)
		assert_int_equal(
		    websocket_answer(&a, SWITCHING, n, KEY, NULL), 1);
	assert_int_equal(websocket_answer(&a, SWITCHING, strlen(SWITCHING),
			     "dGhlIHNhbXBsZSBub25jZR==", NULL),
	    -ERR_SYNTAX);
	assert_int_equal(answer(&a, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
	    -ERR_SYNTAX);
	assert_int_equal(answer(&a,
			     "HTTP/1.1 401 Unauthorized\r\n"
			     "content-length: 12\r\n\r\n"),
	    0);
	assert_int_equal(a.status, 401);
	assert_int_equal(a.body, 12);
	assert_int_equal(
	    answer(&a, "HTTP/1.1 502\r\nContent-Length: -1\r\n\r\n"), 0);
	assert_int_equal(a.body, SIZE_MAX);
	assert_int_equal(answer(&a, "SSH-2.0-x\r\n\r\n"), -ERR_SYNTAX);
	assert_int_equal(answer(&a, "HTTP/1.1 abc\r\n\r\n"), -ERR_SYNTAX);
	assert_int_equal(answer(&a, "\r\n\r\n"), -ERR_SYNTAX);
	memset(long_head, 'a', sizeof long_head);
	assert_int_equal(
	    websocket_answer(&a, long_head, WEBSOCKET_HEAD_MAX, KEY, NULL),
	    -ERR_SYNTAX);
}

/* Keys are fresh, and are what a server takes for one. */
static void
keys_are_keys(void **state)
{
	char one[WEBSOCKET_KEY], other[WEBSOCKET_KEY];
	char accept[WEBSOCKET_ACCEPT];

	(void)state;
	websocket_key(one);
	websocket_key(other);
	assert_string_not_equal(one, other);
	assert_int_equal(websocket_accept_key(accept, one), 0);
	assert_int_equal(websocket_accept_key(accept, "short"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fragments_are_joined),
	    cmocka_unit_test(frames_are_bounded),
	    cmocka_unit_test(text_is_utf8),
	    cmocka_unit_test(sides_understand_each_other),
	    cmocka_unit_test(answers_are_judged),
	    cmocka_unit_test(keys_are_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
