/* The tap: what of a message is found for the search, and what of it nobody
 * may read afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/sip/tap.h"
#include "tests/lib/scratch.h"

static char dir[64];
static struct ring *ring;
static struct ring_reader reader;
static struct trace_record r;
static char text[70000];

static int
setup(void **state)
{
	char path[100];

	(void)state;
	scratch_make(dir);
	snprintf(path, sizeof path, "%s/sg-1", dir);
	ring = ring_open(path, 1 << 20, NULL);
	return ring == NULL ? -1 : ring_attach(&reader, path, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	ring_detach(&reader);
	ring_close(&ring);
	scratch_remove(dir);
	return 0;
}

/* Through the tap, into r and text. */
static void
passes(const char *msg, size_t n)
{
	union addr a, b;
	const struct tap_way way = {TRACE_OUT, SIP_TLS, &a, &b};
	const uint8_t *p;
	size_t got;

	addr_parse(&a, "192.0.2.1", 5061);
	addr_parse(&b, "2001:db8::7", 4000);
	tap(ring, &way, msg, n);
	assert_true(ring_next(&reader, &p, &got));
	assert_int_equal(trace_record_decode(&r, p, got, NULL), 0);
	assert_true(addr_equal(&r.local, &a));
	assert_true(addr_equal(&r.peer, &b));
	assert_int_equal(r.proto, SIP_TLS);
	memcpy(text, r.text, r.n);
	text[r.n] = '\0';
}

static void
says(const char *msg)
{
	passes(msg, strlen(msg));
	assert_int_equal(r.n, strlen(msg));
}

static void
key_is(enum trace_key key, const char *want)
{
	char got[256] = "";

	trace_key_text(&r, key, got, sizeof got);
	assert_string_equal(got, want);
}

static void
a_request_is_found_by_its_keys(void **state)
{
	(void)state;
	says("INVITE sip:102@a.test SIP/2.0\r\n"
	     "Via: SIP/2.0/TLS h;rport;branch=z9hG4bK1;x\r\n"
	     "Via: SIP/2.0/TLS h;branch=z9hG4bK2\r\n"
	     "From: \"A <sip:no@x> \\\" B\" <sip:101@a.test>;tag=1\r\n"
	     "To: <tel:+7495;phone-context=x>\r\n"
	     "Call-ID:  abc@h \r\n"
	     "CSeq: 7 INVITE\r\n\r\n");
	key_is(TRACE_METHOD, "INVITE");
	key_is(TRACE_BRANCH, "z9hG4bK1");
	key_is(TRACE_FROM, "101");
	key_is(TRACE_TO, "+7495");
	key_is(TRACE_CALL_ID, "abc@h");
	assert_int_equal(r.cseq, 7);
	assert_int_equal(r.flags, TRACE_OUT);
}

static void
a_reply_and_short_names_too(void **state)
{
	(void)state;
	says("SIP/2.0 486 Busy Here\r\n"
	     "v: SIP/2.0/UDP h;branch=z9hG4bK9\r\n"
	     "f: sip:101@a.test;tag=1\r\n"
	     "T: <sip:a.test>\r\n"
	     "i: xyz\r\n"
	     "CSeq: 12 BYE\r\n\r\n");
	key_is(TRACE_METHOD, "BYE");
	key_is(TRACE_BRANCH, "z9hG4bK9");
	key_is(TRACE_FROM, "101");
	key_is(TRACE_TO, "");
	key_is(TRACE_CALL_ID, "xyz");
	assert_int_equal(r.status, 486);
	assert_int_equal(r.flags, TRACE_OUT | TRACE_REPLY);
}

/* The text is as it was but for the parts that are secret, which are as long
 * as they were. */
static void
becomes(const char *head, const char *secret, const char *masked)
{
	char before[2000], after[2000];

	snprintf(before, sizeof before, "%s%s", head, secret);
	snprintf(after, sizeof after, "%s%s", head, masked);
	says(before);
	assert_string_equal(text, after);
	assert_true(r.flags & TRACE_MASKED);
}

#define HEAD "REGISTER sip:a.test SIP/2.0\r\nCall-ID: 1\r\n"

static void
credentials_are_masked(void **state)
{
	(void)state;
	becomes(HEAD,
	    "Authorization: Digest username=\"101\", realm=\"a.test\", "
	    "nonce=\"n0n\\\"c,e\", uri=\"sip:a.test\", response=\"beef\", "
	    "algorithm=MD5, cnonce=\"c\", opaque=oo, qop=auth, nc=00000001"
	    "\r\n\r\n",
	    "Authorization: Digest username=\"101\", realm=\"a.test\", "
	    "nonce=\"********\", uri=\"sip:a.test\", response=\"****\", "
	    "algorithm=MD5, cnonce=\"*\", opaque=**, qop=auth, nc=00000001"
	    "\r\n\r\n");
	becomes(HEAD,
	    "proxy-authorization : Digest username=\"101\",\r\n"
	    "\tresponse=\"beef\",\r\n nonce=abc\r\nTo: <sip:1@a>\r\n\r\n",
	    "proxy-authorization : Digest username=\"101\",\r\n"
	    "\tresponse=\"****\",\r\n nonce=***\r\nTo: <sip:1@a>\r\n\r\n");
	becomes(HEAD, "Authorization: Bearer eyJhbGciOi\r\n\r\n",
	    "Authorization: Bearer **********\r\n\r\n");
	becomes(HEAD, "Authorization: Digest response = \"un\r\n\r\n",
	    "Authorization: Digest response = \"**\r\n\r\n");
	becomes(HEAD, "Authorization:Digest secret\r\n\r\n",
	    "Authorization:Digest ******\r\n\r\n");
	becomes("SIP/2.0 200 OK\r\nCall-ID: 1\r\n",
	    "Authentication-Info: rspauth=\"beef\", qop=auth\r\n\r\n",
	    "Authentication-Info: rspauth=\"****\", qop=auth\r\n\r\n");
	becomes("SIP/2.0 200 OK\r\nCall-ID: 1\r\n",
	    "Proxy-Authentication-Info: nextnonce=\"n\", qop=auth\r\n\r\n",
	    "Proxy-Authentication-Info: nextnonce=\"*\", qop=auth\r\n\r\n");
}

/* However it is written; parsers of the world take more than the grammar. */
static void
odd_spellings_are_masked_too(void **state)
{
	static const char *const odd[] = {
	    "\r\n\r\n" HEAD "Authorization: Digest response=\"SECRET\"\r\n\r\n",
	    HEAD "Authorization\r\n : Digest response=\"SECRET\"\r\n\r\n",
	    HEAD "Authorization\r\n : Basic SECRET==\r\n\r\n",
	    HEAD "Authorization: Digest\tresponse=\"SECRET\"\r\n\r\n",
	    HEAD "Authorization: Digest username=\"1\\\\\", "
		 "response=\"SECRET\"\r\n\r\n",
	    HEAD "Authorization:\r\n Basic SECRET==\r\n\r\n",
	    HEAD "Authorization: Basic\r\n SECRET==\r\n\r\n",
	    HEAD "AUTHORIZATION:\tBasic\tSECRET\r\n\r\n",
	    HEAD "Authorization:\r\n\tBearer SECRET==\r\n\r\n",
	    HEAD "Authorization: Digest response=\"x\r\n SECRET\"\r\n\r\n",
	    HEAD "X-A: b\rAuthorization: Digest response=\"SECRET\"\r\n\r\n",
	    HEAD "X-A: Digest Response = SECRET\r\n\r\n",
	    HEAD "Content-Type: application/DTMF-Relay\r\n\r\nSignal=SECRET",
	    HEAD "Content-Type:\r\n application/dtmf\r\n\r\nSECRET",
	    HEAD "c: multipart/mixed;boundary=x\r\n\r\n--x\r\n"
		 "Content-Type: application/dtmf-relay\r\n\r\n"
		 "Signal=SECRET\r\n--x--\r\n",
	    HEAD "c: application/sdp\r\n\r\nA=CRYPTO:1 A INLINE:SECRET\r\n",
	    HEAD "c: application/sdp\r\n\r\n a=crypto:1 A inline:SECRET\r\n",
	    HEAD "c: application/sdp\r\n\r\nK=clear:SECRET\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		says(odd[i]);
		key_is(TRACE_CALL_ID, "1");
		if (strstr(text, "SECRET") != NULL)
			fail_msg("%zu: %s", i, text);
		assert_true(r.flags & TRACE_MASKED);
	}
}

static void
keys_of_media_and_digits_are_masked(void **state)
{
	(void)state;
	becomes(HEAD "Content-Type: application/sdp\r\n\r\nv=0\r\n",
	    "k=base64:abc\r\n"
	    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCs|2^20\r\n"
	    "a=ice-pwd:pwd\r\na=sendrecv\r\n",
	    "k=**********\r\n"
	    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:****************\r\n"
	    "a=ice-pwd:***\r\na=sendrecv\r\n");
	becomes(HEAD "Content-Type: application/dtmf-relay\r\n\r\n",
	    "Signal=5\r\nDuration=160\r\n", "Signal=*\r\nDuration=***\r\n");
	becomes(HEAD "c: application/dtmf\r\n\r\n", "5", "*");
}

/* Whatever comes is recorded, with what could be found in it. */
static void
garbage_is_recorded_as_such(void **state)
{
	static const char *const odd[] = {"", "\n", "x", "\r\n\r\n", ":\n:\n",
	    "INVITE\r\nFrom: \"\r\nTo: <\r\nVia: ;branch=\r\n",
	    "SIP/2.0 \r\nCSeq: \r\nAuthorization:\r\nAuthorization: Digest \r\n"
	    " =\r\n",
	    "X\nAuthorization: Digest a\\\nf:\"\\\n"};
	char *huge = calloc(1, 70000);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		says(odd[i]);
		assert_true(r.flags & TRACE_ODD);
	}
	memset(huge, 'a', 70000);
	passes(huge, 70000);
	assert_int_equal(r.n, 65535);
	assert_true(r.flags & TRACE_CUT);
	free(huge);
}

static void
off_is_nothing(void **state)
{
	const uint8_t *p;
	size_t n;

	(void)state;
	tap(NULL, NULL, "x", 1);
	assert_false(ring_next(&reader, &p, &n));
}

/* ---- for whose eyes ------------------------------------------------------ */

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_request_is_found_by_its_keys),
	    T(a_reply_and_short_names_too),
	    T(credentials_are_masked),
	    T(odd_spellings_are_masked_too),
	    T(keys_of_media_and_digits_are_masked),
	    T(garbage_is_recorded_as_such),
	    T(off_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
