/* Framing of streams and WebSocket, called with bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/sip/sip_stream.h"

#define HEAD "OPTIONS sip:h SIP/2.0\r\nVia: x\r\n"

/* The verdict on a whole text; *len receives what it covers. */
static enum sip_frame
frame(const char *text, size_t *len, enum sip_bad *bad)
{
	struct sip_framer f = {0};

	*bad = SIP_BAD_NONE;
	return sip_frame_next(&f, text, strlen(text), 1000, len, bad);
}

/* A message ends where its Content-Length says, in either form. */
static void
length_divides(void **state)
{
	static const char *const forms[] = {"Content-Length: 3", "l:3",
	    "L :  3 ", "content-length:\r\n 3", "c: x\r\nl: 3\r\nl: 3"};
	char text[256];
	enum sip_bad bad;
	unsigned i;
	size_t len;

	(void)state;
	for (i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		snprintf(text, sizeof text, HEAD "%s\r\n\r\nabcNEXT", forms[i]);
		assert_int_equal(frame(text, &len, &bad), SIP_FRAME_MESSAGE);
		assert_int_equal(len, strlen(text) - 4);
		text[len - 1] = '\0';
		assert_int_equal(frame(text, &len, &bad), SIP_FRAME_MORE);
	}
}

/* Without a usable length the stream is lost. */
static void
bad_lengths_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum sip_bad bad;
	} rows[] = {
	    {HEAD "\r\n", SIP_BAD_NO_LENGTH},
	    {HEAD "l: -1\r\n\r\n", SIP_BAD_LENGTH},
	    {HEAD "l: 1x\r\n\r\n", SIP_BAD_LENGTH},
	    {HEAD "l:\r\n\r\n", SIP_BAD_LENGTH},
	    {HEAD "l: 1\r\nl: 2\r\n\r\n", SIP_BAD_LENGTH},
	    {HEAD "l: 99999999999999999999\r\n\r\n", SIP_BAD_LENGTH},
	    {HEAD "l: 1000\r\n\r\n", SIP_BAD_TOO_BIG},
	    {"GET / HTTP/1.1\r\n", SIP_BAD_GARBAGE},
	    {"\x16\x03\x01\r\n", SIP_BAD_GARBAGE},
	};
	enum sip_bad bad;
	unsigned i;
	size_t len;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(
		    frame(rows[i].text, &len, &bad), SIP_FRAME_BAD);
		assert_int_equal(bad, rows[i].bad);
	}
}

/* A head without an end is refused when it is too long, not before. */
static void
head_is_bounded(void **state)
{
	struct sip_framer f = {0};
	char *text = malloc(2 * SIP_HEAD_MAX);
	enum sip_bad bad;
	size_t len;

	(void)state;
	memset(text, 'a', 2 * SIP_HEAD_MAX);
	memcpy(text, HEAD, sizeof HEAD - 1);
	assert_int_equal(
	    sip_frame_next(&f, text, SIP_HEAD_MAX - 1, SIP_MAX, &len, &bad),
	    SIP_FRAME_MORE);
	assert_int_equal(
	    sip_frame_next(&f, text, SIP_HEAD_MAX, SIP_MAX, &len, &bad),
	    SIP_FRAME_BAD);
	assert_int_equal(bad, SIP_BAD_TOO_BIG);
	free(text);
}

/* CRLF CRLF asks, a single CRLF before a message says nothing. */
static void
keep_alives_are_told(void **state)
{
	enum sip_bad bad;
	size_t len;

	(void)state;
	assert_int_equal(frame("\r\n\r\nX", &len, &bad), SIP_FRAME_PING);
	assert_int_equal(len, 4);
	assert_int_equal(frame("\r\n", &len, &bad), SIP_FRAME_MORE);
	assert_int_equal(frame("\r\nO", &len, &bad), SIP_FRAME_SKIP);
	assert_int_equal(len, 2);
	assert_int_equal(frame("\nO", &len, &bad), SIP_FRAME_SKIP);
	assert_false(sip_frame_is_partial("\r\n\r", 3));
	assert_true(sip_frame_is_partial("\r\nI", 3));
}

/* However the bytes arrive, the same messages come out. */
static void
chunks_do_not_matter(void **state)
{
	static const char text[] = "\r\n" HEAD "l: 3\r\n\r\nabc\r\n\r\n" HEAD
				   "Content-Length: 0\r\n\r\n";
	size_t step, have, at, len, messages, pings;
	struct sip_framer f;
	enum sip_frame r;
	enum sip_bad bad;

	(void)state;
	for (step = 1; step < sizeof text; step++) {
		memset(&f, 0, sizeof f);
		messages = pings = at = 0;
		for (have = 0; have < sizeof text - 1;) {
			have += step;
			if (have > sizeof text - 1)
				have = sizeof text - 1;
			while ((r = sip_frame_next(&f, text + at, have - at,
				    1000, &len, &bad)) != SIP_FRAME_MORE) {
				assert_int_not_equal(r, SIP_FRAME_BAD);
				messages += r == SIP_FRAME_MESSAGE;
				pings += r == SIP_FRAME_PING;
				at += len;
			}
		}
		assert_int_equal(messages, 2);
		assert_int_equal(pings, 1);
	}
}

/* ---- WebSocket --------------------------------------------------------- */

#define HELLO                                                    \
	"GET /sip HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\n" \
	"Connection: Upgrade\r\n"                                \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int
hello(const char *text, struct buf *reply)
{
	struct err e;

	buf_reset(reply);
	return sip_ws_accept(text, strlen(text), reply, &e);
}

/* The key's answer is the one of RFC 6455 1.3; "sip" is required. */
static void
handshake_is_answered(void **state)
{
	struct buf reply = BUF_INIT;

	(void)state;
	assert_int_equal(hello(HELLO "Sec-WebSocket-Protocol: sip\r\n"
				     "Sec-WebSocket-Version: 13\r\n\r\n",
			     &reply),
	    0);
	assert_non_null(strstr(reply.data, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
	assert_non_null(strstr(reply.data, "Sec-WebSocket-Protocol: sip\r\n"));
	assert_int_not_equal(
	    hello(HELLO "Sec-WebSocket-Version: 13\r\n\r\n", &reply), 0);
	assert_non_null(strstr(reply.data, "HTTP/1.1 400 "));
	assert_int_not_equal(hello(HELLO "Sec-WebSocket-Protocol: sip\r\n"
					 "Sec-WebSocket-Version: 8\r\n\r\n",
				 &reply),
	    0);
	assert_non_null(strstr(reply.data, "HTTP/1.1 426 "));
	assert_int_not_equal(hello("POST / HTTP/1.1\r\n\r\n", &reply), 0);
	assert_int_not_equal(hello("", &reply), 0);
	buf_fini(&reply);
}

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
	struct sip_ws *w = sip_ws_new(&out, 1000, on_ws, &h);
	uint8_t f[256];

	(void)state;
	assert_int_equal(
	    sip_ws_feed(w, f, client_frame(f, 0x01, "OPT", true)), 0);
	assert_true(sip_ws_is_partial(w));
	assert_int_equal(
	    sip_ws_feed(w, f, client_frame(f, 0x89, "hi", true)), 0);
	assert_int_equal(out.len, 4); /* the pong */
	assert_int_equal(
	    sip_ws_feed(w, f, client_frame(f, 0x80, "IONS", true)), 0);
	assert_int_equal(h.count, 1);
	assert_string_equal(h.text, "OPTIONS");
	assert_false(sip_ws_is_partial(w));
	sip_ws_free(&w);
	buf_fini(&out);
}

/* A message over the limit, and a frame without a mask, end it. */
static void
frames_are_bounded(void **state)
{
	struct buf out = BUF_INIT;
	struct heard h = {0};
	struct sip_ws *w = sip_ws_new(&out, 5, on_ws, &h);
	uint8_t f[256];

	(void)state;
	assert_int_equal(
	    sip_ws_feed(w, f, client_frame(f, 0x81, "12345", true)), 0);
	assert_int_equal(h.count, 1);
	sip_ws_feed(w, f, client_frame(f, 0x01, "123", true));
	assert_int_not_equal(
	    sip_ws_feed(w, f, client_frame(f, 0x80, "456", true)), 0);
	assert_int_equal(h.count, 1);
	assert_int_equal((uint8_t)out.data[0], 0x88);
	assert_int_equal(
	    (uint8_t)out.data[2] << 8 | (uint8_t)out.data[3], 1009);
	sip_ws_free(&w);
	buf_reset(&out);
	w = sip_ws_new(&out, 100, on_ws, &h);
	assert_int_not_equal(
	    sip_ws_feed(w, f, client_frame(f, 0x81, "12345", false)), 0);
	assert_int_equal(h.count, 1);
	sip_ws_free(&w);
	buf_fini(&out);
}

/* What is not UTF-8 leaves as a binary frame. */
static void
text_is_utf8(void **state)
{
	struct buf out = BUF_INIT;
	struct heard h = {0};
	struct sip_ws *w = sip_ws_new(&out, 100, on_ws, &h);

	(void)state;
	assert_int_equal(sip_ws_send(w, "abc", 3), 0);
	assert_int_equal((uint8_t)out.data[0], 0x81);
	buf_reset(&out);
	assert_int_equal(sip_ws_send(w, "a\xff", 2), 0);
	assert_int_equal((uint8_t)out.data[0], 0x82);
	sip_ws_free(&w);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(length_divides),
	    cmocka_unit_test(bad_lengths_are_refused),
	    cmocka_unit_test(head_is_bounded),
	    cmocka_unit_test(keep_alives_are_told),
	    cmocka_unit_test(chunks_do_not_matter),
	    cmocka_unit_test(handshake_is_answered),
	    cmocka_unit_test(fragments_are_joined),
	    cmocka_unit_test(frames_are_bounded),
	    cmocka_unit_test(text_is_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
