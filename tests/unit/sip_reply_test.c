/* Laws of replies assembled as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/sip/sip.h"
#include "tests/lib/fault.h"

#define HEAD                                                                   \
	"REGISTER sip:a.test SIP/2.0\r\n"                                      \
	"Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bKa;rport, "              \
	"SIP/2.0/TLS [2001:db8::1];branch=z9hG4bKb;received=2001:db8::2;x=\"y" \
	"\"\r\n"                                                               \
	"v: SIP/2.0/UDP 192.0.2.1\r\n"                                         \
	"From: \"A \\\" B\" <sip:1@a.test>;tag=1;z=2\r\n"                      \
	"t: sip:1@a.test%s\r\n"                                                \
	"Call-ID: x@y\r\n"                                                     \
	"CSeq: 00017 REGISTER\r\n\r\n"

static char bytes[2048];

/* Parse a text; the caller ends it. */
static const sip_t *
request(struct sip_parsed *p, const char *text)
{
	size_t n = strlen(text);

	memcpy(bytes, text, n);
	(void)sip_parse(p, bytes, n, NULL);
	assert_non_null(p->sip);
	return p->sip;
}

/* RFC 3261 8.2.6.2: every Via in order, From, To with a tag added, Call-ID
 * and CSeq as they came. */
static void
test_repeats(void **state)
{
	struct buf b = BUF_INIT;
	struct sip_parsed p;
	char text[1024];

	(void)state;
	snprintf(text, sizeof text, HEAD, "");
	sip_reply_begin(&b, request(&p, text), 200, NULL, "abc");
	sip_reply_end(&b, NULL, NULL, 0);
	assert_string_equal(b.data,
	    "SIP/2.0 200 OK\r\n"
	    "Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bKa;rport\r\n"
	    "Via: SIP/2.0/TLS [2001:db8::1];branch=z9hG4bKb;"
	    "received=2001:db8::2;x=\"y\"\r\n"
	    "Via: SIP/2.0/UDP 192.0.2.1\r\n"
	    "From: \"A \\\" B\" <sip:1@a.test>;tag=1;z=2\r\n"
	    "To: sip:1@a.test;tag=abc\r\n"
	    "Call-ID: x@y\r\n"
	    "CSeq: 17 REGISTER\r\n"
	    "Content-Length: 0\r\n\r\n");
	sip_parsed_fini(&p);
	buf_fini(&b);
}

/* RFC 3261 8.2.6.2: a tag that the To has already is left alone. */
static void
test_tag_kept(void **state)
{
	struct buf b = BUF_INIT;
	struct sip_parsed p;
	char text[1024];

	(void)state;
	snprintf(text, sizeof text, HEAD, ";tag=old");
	sip_reply_begin(&b, request(&p, text), 403, "No", "new");
	assert_non_null(strstr(b.data, "SIP/2.0 403 No\r\n"));
	assert_non_null(strstr(b.data, "To: sip:1@a.test;tag=old\r\n"));
	sip_parsed_fini(&p);
	buf_fini(&b);
}

/* A request that lacks fields is answered with those it has. */
static void
test_lacking(void **state)
{
	struct buf b = BUF_INIT;
	struct sip_parsed p;

	(void)state;
	sip_reply_begin(&b,
	    request(&p,
		"INVITE sip:a SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1\r\n\r\n"),
	    400, NULL, "t");
	sip_reply_end(&b, "text/plain", "hello", 5);
	assert_string_equal(b.data,
	    "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
	sip_parsed_fini(&p);
	buf_fini(&b);
}

/* A header comes out whole whatever its length against the room that was
 * guessed for it. */
static void
test_any_length(void **state)
{
	char text[1600], branch[1001];
	struct sip_parsed p;
	struct buf b;
	size_t n;

	(void)state;
	for (n = 1; n < sizeof branch; n++) {
		b = (struct buf)BUF_INIT;
		memset(branch, 'b', n);
		branch[n] = '\0';
		snprintf(text, sizeof text,
		    "INVITE sip:a SIP/2.0\r\n"
		    "Via: SIP/2.0/UDP h;branch=%s\r\n\r\n",
		    branch);
		sip_reply_begin(&b, request(&p, text), 400, NULL, NULL);
		assert_non_null(strstr(b.data, branch));
		sip_parsed_fini(&p);
		buf_fini(&b);
	}
}

/* Without memory the reply says so, whichever allocation fails. */
static void
test_no_memory(void **state)
{
	struct buf b = BUF_INIT;
	struct sip_parsed p;
	char text[1024];
	const sip_t *sip;
	long n;
	int hit = 1;

	(void)state;
	snprintf(text, sizeof text, HEAD, "");
	sip = request(&p, text);
	for (n = 0; hit; n++) {
		fault_alloc_at(n);
		sip_reply_begin(&b, sip, 200, NULL, "t");
		sip_reply_end(&b, NULL, NULL, 0);
		fault_alloc_off();
		hit = fault_alloc_hit();
		assert_int_equal(b.failed, hit);
		buf_fini(&b);
	}
	assert_true(n > 1);
	sip_parsed_fini(&p);
}

/* Where a reply to one top Via goes. */
static void
address(const char *via, const char *want)
{
	char text[512], got[ADDR_TEXT] = "nowhere";
	struct sip_parsed p;
	union addr to;

	snprintf(text, sizeof text,
	    "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP %s\r\n\r\n", via);
	if (sip_reply_address(request(&p, text), &to))
		addr_text(got, &to);
	assert_string_equal(got, want);
	sip_parsed_fini(&p);
}

/* RFC 3261 18.2.2, RFC 3581 4: received before sent-by, rport before its
 * port, 5060 without one; a name is no address and maddr is not followed. */
static void
test_address(void **state)
{
	(void)state;
	address("192.0.2.1", "192.0.2.1:5060");
	address("192.0.2.1:5080", "192.0.2.1:5080");
	address("192.0.2.1:5080;rport", "192.0.2.1:5080");
	address("h:5080;received=192.0.2.9", "192.0.2.9:5080");
	address("h:5080;received=192.0.2.9;rport=7", "192.0.2.9:7");
	address("h;received=2001:db8::1;rport=7", "[2001:db8::1]:7");
	address("h;received=[2001:db8::1]", "[2001:db8::1]:5060");
	address("192.0.2.1;maddr=192.0.2.7", "192.0.2.1:5060");
	address("host.test", "nowhere");
	address("192.0.2.1;rport=70000", "nowhere");
}

/* RFC 3261 21: a code has its phrase, an unknown one none. */
static void
test_phrase(void **state)
{
	(void)state;
	assert_string_equal(sip_phrase(423), "Interval Too Brief");
	assert_string_equal(sip_phrase(430), "Flow Failed");
	assert_string_equal(sip_phrase(299), "");
	assert_string_equal(sip_phrase(-1), "");
	assert_string_equal(sip_phrase(700), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_repeats),
	    cmocka_unit_test(test_tag_kept),
	    cmocka_unit_test(test_lacking),
	    cmocka_unit_test(test_any_length),
	    cmocka_unit_test(test_no_memory),
	    cmocka_unit_test(test_address),
	    cmocka_unit_test(test_phrase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
