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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
