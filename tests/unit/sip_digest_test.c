/* Laws of digest credentials: the vectors of RFC 2617, 7616 and 8760's
 * algorithms, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/crypt.h"
#include "daemon/sip/sip.h"

/* RFC 2617 3.5 */
#define HEADER_2617                                                           \
	"Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "          \
	"nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "                      \
	"uri=\"/dir/index.html\", qop=auth, nc=00000001, "                    \
	"cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\"," \
	" opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""

/* RFC 7616 3.9.1, with the algorithm and response put in. */
#define HEADER_7616                                                            \
	"Digest username=\"Mufasa\",\r\n\trealm=\"http-auth@example.org\",\n"  \
	" uri=\"/dir/index.html\", algorithm=%s, "                             \
	"nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "             \
	"nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\"" \
	", qop=auth, response=\"%s\", "                                        \
	"opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

/* Parse a header, or fail the test. */
static void
digest(struct sip_digest *d, const char *value)
{
	struct err err = {0};

	if (sip_digest_parse(d, value, strlen(value), &err) != 0)
		fail_msg("%s: %s", value, err.text);
}

/* The result of parsing. */
static int
digest_rc(const char *value)
{
	struct sip_digest d;

	return sip_digest_parse(&d, value, strlen(value), NULL);
}

/* RFC 2617 3.5: the example's response is right for its password. */
static void
test_rfc2617(void **state)
{
	struct sip_digest d;
	char ha1[33];

	(void)state;
	digest(&d, HEADER_2617);
	sip_digest_ha1(ha1, false, "Mufasa", d.realm, "Circle Of Life");
	assert_string_equal(ha1, "939e7578ed9e3c518a452acee763bce9");
	assert_true(sip_digest_check(&d, "GET", ha1));
	assert_false(sip_digest_check(&d, "POST", ha1));
	sip_digest_ha1(ha1, false, "Mufasa", d.realm, "circle of life");
	assert_false(sip_digest_check(&d, "GET", ha1));
}

/* RFC 7616 3.9.1: both responses of the example are right. */
static void
test_rfc7616(void **state)
{
	char text[1024], ha1[65];
	struct sip_digest d;

	(void)state;
	snprintf(text, sizeof text, HEADER_7616, "MD5",
	    "8ca523f5e9506fed4657c9700eebdbec");
	digest(&d, text);
	sip_digest_ha1(ha1, false, "Mufasa", d.realm, "Circle of Life");
	assert_true(sip_digest_check(&d, "GET", ha1));
	snprintf(text, sizeof text, HEADER_7616, "SHA-256",
	    "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c"
	    "1");
	digest(&d, text);
	sip_digest_ha1(ha1, true, "Mufasa", d.realm, "Circle of Life");
	assert_true(sip_digest_check(&d, "GET", ha1));
}

/* RFC 2617 3.2.2.1: without qop the response is H(HA1:nonce:HA2). */
static void
test_no_qop(void **state)
{
	char ha1[33], ha2[33], text[512], want[33];
	struct sip_digest d;

	(void)state;
	sip_digest_ha1(ha1, false, "101", "a.test", "secret");
	crypt_md5(ha2, "REGISTER:sip:a.test", 19);
	snprintf(text, sizeof text, "%s:abc:%s", ha1, ha2);
	crypt_md5(want, text, strlen(text));
	snprintf(text, sizeof text,
	    "Digest username=\"101\",realm=\"a.test\",nonce=\"abc\","
	    "uri=\"sip:a.test\",response=\"%s\"",
	    want);
	digest(&d, text);
	assert_string_equal(d.algorithm, "MD5");
	assert_string_equal(d.qop, "");
	assert_true(sip_digest_check(&d, "REGISTER", ha1));
}

/* A response that differs in any one digit is refused. */
static void
test_each_digit(void **state)
{
	struct sip_digest d;
	char ha1[33];
	size_t i;

	(void)state;
	digest(&d, HEADER_2617);
	sip_digest_ha1(ha1, false, "Mufasa", d.realm, "Circle Of Life");
	for (i = 0; i < 32; i++) {
		d.response[i] ^= 1;
		assert_false(sip_digest_check(&d, "GET", ha1));
		d.response[i] ^= 1;
	}
	assert_true(sip_digest_check(&d, "GET", ha1));
}

/* RFC 8760 2.2: an algorithm that is not known is refused, not guessed; so
 * are -sess, auth-int and userhash. */
static void
test_not_offered(void **state)
{
#define REST                                                           \
	"username=\"u\",realm=\"r\",nonce=\"n\",uri=\"u\",response=\"" \
	"6629fae49393a05397450978507c4ef1\""
	(void)state;
	assert_int_equal(digest_rc("Digest " REST), 0);
	assert_int_equal(
	    digest_rc("Digest algorithm=MD5-sess," REST), -ERR_INVALID);
	assert_int_equal(
	    digest_rc("Digest algorithm=SHA-512-256," REST), -ERR_INVALID);
	assert_int_equal(
	    digest_rc("Digest qop=auth-int,nc=00000001,cnonce=\"c\"," REST),
	    -ERR_INVALID);
	assert_int_equal(digest_rc("Digest userhash=true," REST), -ERR_INVALID);
	assert_int_equal(digest_rc("Digest userhash=false," REST), 0);
	assert_int_equal(digest_rc("Basic dTpw"), -ERR_INVALID);
}

/* What is broken, doubled, empty or lacking is refused. */
static void
test_broken(void **state)
{
	(void)state;
	assert_int_equal(digest_rc(""), -ERR_INVALID);
	assert_int_equal(digest_rc("Digest"), -ERR_INVALID);
	assert_int_equal(digest_rc("Digest "), -ERR_SYNTAX);
	assert_int_equal(digest_rc("Digest username"), -ERR_SYNTAX);
	assert_int_equal(digest_rc("Digest username=\"u"), -ERR_SYNTAX);
	assert_int_equal(digest_rc("Digest username=\"u\"," REST), -ERR_SYNTAX);
	assert_int_equal(digest_rc("Digest x=1 y=2," REST), -ERR_SYNTAX);
	assert_int_equal(
	    digest_rc("Digest qop=auth,cnonce=\"c\"," REST), -ERR_SYNTAX);
	assert_int_equal(
	    digest_rc("Digest qop=auth,nc=1,cnonce=\"c\"," REST), -ERR_SYNTAX);
	assert_int_equal(
	    digest_rc("Digest algorithm=SHA-256," REST), -ERR_SYNTAX);
}

/* A value longer than its field is refused, never cut. */
static void
test_long(void **state)
{
	char text[1024];

	(void)state;
	snprintf(text, sizeof text, "Digest cnonce=\"%0127d\"," REST, 7);
	assert_int_equal(digest_rc(text), 0);
	snprintf(text, sizeof text, "Digest cnonce=\"%0128d\"," REST, 7);
	assert_int_equal(digest_rc(text), -ERR_INVALID);
}

/* RFC 7616 3.4: names in any case, unknown parameters passed over, empty
 * places of the list too; digits of the response in either case. */
static void
test_liberal(void **state)
{
	struct sip_digest d;
	char ha1[33];

	(void)state;
	digest(&d,
	    "digest ,USERNAME = \"Mufasa\" , , Realm=\"testrealm@"
	    "host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\","
	    "new=\"a \\\"b\\\" c\",uri=\"/dir/index.html\", qop=\"auth\""
	    ",nc=00000001,cnonce=\"0a4f113b\",algorithm=md5,"
	    "response=\"6629FAE49393A05397450978507C4EF1\",");
	sip_digest_ha1(ha1, false, "Mufasa", d.realm, "Circle Of Life");
	assert_true(sip_digest_check(&d, "GET", ha1));
}

/* What sofia has cut already gives the same fields as the text. */
static void
test_take(void **state)
{
	static const char head[] = "REGISTER sip:a.test SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 192.0.2.1\r\n"
				   "From: <sip:1@a.test>;tag=1\r\n"
				   "To: <sip:1@a.test>\r\nCall-ID: x\r\n"
				   "CSeq: 1 REGISTER\r\n"
				   "Authorization: " HEADER_2617 "\r\n\r\n";
	char bytes[sizeof head + 1];
	struct sip_digest d, t;
	struct sip_parsed p;

	(void)state;
	memset(&d, 0, sizeof d);
	memset(&t, 0, sizeof t);
	memcpy(bytes, head, sizeof head);
	assert_int_equal(sip_parse(&p, bytes, sizeof head - 1, NULL), 0);
	assert_int_equal(
	    sip_digest_take(&t, p.sip->sip_authorization, NULL), 0);
	digest(&d, HEADER_2617);
	assert_memory_equal(&d, &t, sizeof d);
	sip_parsed_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc2617),
	    cmocka_unit_test(test_rfc7616),
	    cmocka_unit_test(test_no_qop),
	    cmocka_unit_test(test_each_digit),
	    cmocka_unit_test(test_not_offered),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_liberal),
	    cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
