/* Session descriptions through the white list: sdp_filter.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/b2bua/sdp_filter.h"

static const struct sdp_origin origin = {42, 7};

static void
becomes(const char *in, unsigned flags, const char *out)
{
	struct buf b = BUF_INIT;
	struct err err;

	if (sdp_filter_write(&b, in, strlen(in), &origin, flags, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(b.data, out);
	buf_fini(&b);
}

static void
refused(const char *in, size_t n, int code)
{
	struct buf b = BUF_INIT;
	struct err err;

	assert_int_equal(sdp_filter_write(&b, in, n, &origin, 0, &err), -code);
	assert_true(err.text[0] != '\0');
	buf_fini(&b);
}

/* Names, addresses, contacts and unknown attributes are gone; origin is ours;
 * what media needs stays. */
static void
only_media_stays(void **state)
{
	(void)state;
	becomes("v=0\r\no=alice 1 2 IN IP4 host.example\r\ns=Call of Alice\r\n"
		"i=secret\r\nu=http://x/\r\ne=a@b\r\np=+7\r\n"
		"c=IN IP4 192.0.2.1\r\nb=AS:84\r\nb=X-Y:1\r\nt=1 2\r\n"
		"a=tool:phone\r\na=sendonly\r\nk=clear:x\r\n"
		"m=audio 4000 RTP/AVP 8 101\r\ni=mine\r\n"
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
		"a=ssrc:1 cname:alice\r\na=candidate:1 1 UDP 1 10.0.0.1 1 typ"
		" host\r\na=ptime:20\r\na=X-foo\r\n",
	    0,
	    "v=0\r\no=- 42 7 IN IP4 192.0.2.1\r\ns=-\r\n"
	    "c=IN IP4 192.0.2.1\r\nb=AS:84\r\nt=0 0\r\na=sendonly\r\n"
	    "m=audio 4000 RTP/AVP 8 101\r\n"
	    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
	    "a=ptime:20\r\n");
}

/* Towards a phone a=rtcp keeps its port only (RFC 3605). */
static void
rtcp_keeps_its_port(void **state)
{
	static const char in[] =
	    "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nt=0 0\r\n"
	    "m=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n"
	    "a=rtcp:4001 IN IP6 2001:db8::1\r\n";

	(void)state;
	becomes(in, 0,
	    "v=0\r\no=- 42 7 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\n"
	    "m=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n"
	    "a=rtcp:4001 IN IP6 2001:db8::1\r\n");
	becomes(in, SDP_FILTER_OUT,
	    "v=0\r\no=- 42 7 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\n"
	    "m=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n"
	    "a=rtcp:4001\r\n");
}

/* A stream that no MG carries keeps its place with port 0 (RFC 3264 5.1). */
static void
unknown_streams_keep_their_place(void **state)
{
	(void)state;
	becomes("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"
		"m=application 5000 TCP/BFCP *\na=setup:active\n"
		"m=audio 4000 RTP/AVP 8\nm=video 0 RTP/AVP 31\n",
	    0,
	    "v=0\r\no=- 42 7 IN IP4 192.0.2.1\r\ns=-\r\n"
	    "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=application 0 TCP/BFCP *\r\n"
	    "m=audio 4000 RTP/AVP 8\r\nm=video 0 RTP/AVP 31\r\n");
}

/* What is no description, names a host, or is beyond the limits. */
static void
broken_descriptions_are_refused(void **state)
{
	static const char *const broken[] = {"x", "v=0", "v=0\r\n",
	    "m=audio 1 RTP/AVP 0\r\n",
	    "v=0\r\ns=-\r\nhello\r\nm=audio 1 RTP/AVP 0\r\n",
	    "v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio x RTP/AVP 0\r\n",
	    "v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 99999 RTP/AVP 0\r\n",
	    "v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 1/2 RTP/AVP 0\r\n",
	    "v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 1 RTP/AVP\r\n",
	    "v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 1 RTP/AVP \xff\r\n",
	    "v=0\r\nc=IN IP4 1.2.3.4\r\nm=au\"dio 1 RTP/AVP 0\r\n"};
	static const char *const nowhere[] = {
	    "v=0\r\ns=-\r\nm=audio 4000 RTP/AVP 8\r\n",
	    "v=0\r\nc=IN IP4 host.example\r\nm=audio 4000 RTP/AVP 8\r\n",
	    "v=0\r\nc=IN IP4 224.0.0.1/127\r\nm=audio 4000 RTP/AVP 8\r\n",
	    "v=0\r\nc=IN IP6 1.2.3.4\r\nm=audio 4000 RTP/AVP 8\r\n"};
	static char big[SDP_FILTER_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		refused(broken[i], strlen(broken[i]), ERR_SYNTAX);
	for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
		refused(nowhere[i], strlen(nowhere[i]), ERR_CHECK);
	memset(big, 'x', sizeof big);
	refused(big, sizeof big, ERR_TOOBIG);
	refused("", 0, ERR_TOOBIG);
	memcpy(big, "v=0\n", 4);
	for (size_t i = 4; i + 4 < sizeof big; i += 4)
		memcpy(big + i, "a=x\n", 4);
	refused(big, sizeof big - 1, ERR_TOOBIG);
}

/* Formats are words, whatever the bytes: sofia's parser never ends on these. */
static void
formats_are_words(void **state)
{
	static const char in[] =
	    "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\n"
	    "t=0 0\r\nm=audio 4000 RTP/AVP 8 \xb0\xbe\x56 9\r\n";

	(void)state;
	refused(in, strlen(in), ERR_SYNTAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_media_stays),
	    cmocka_unit_test(rtcp_keeps_its_port),
	    cmocka_unit_test(unknown_streams_keep_their_place),
	    cmocka_unit_test(broken_descriptions_are_refused),
	    cmocka_unit_test(formats_are_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
