/* Laws of comparing SIP URIs: the pairs of RFC 3261 19.1.4, and users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/str.h"
#include "daemon/sip/sip.h"

static const char *const same[][2] = {
    {"sip:%61lice@atlanta.com;transport=TCP",
	"sip:alice@AtlanTa.CoM;Transport=tcp"},
    {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
    {"sip:carol@chicago.com", "sip:carol@chicago.com;security=on"},
    {"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"},
    {"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
	"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
    {"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
	"sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
};

static const char *const other[][2] = {
    {"SIP:ALICE@AtLanTa.CoM;Transport=udp",
	"sip:alice@AtLanTa.CoM;Transport=UDP"},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
    {"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
    {"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
    {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
    {"sip:carol@chicago.com", "sips:carol@chicago.com"},
    {"sip:carol@chicago.com", "sip:chicago.com"},
    {"sip:a:b@chicago.com", "sip:a:c@chicago.com"},
    {"sip:a%3Ab@chicago.com", "sip:a:b@chicago.com"},
    {"tel:+7812", "tel:+7813"},
};

/* RFC 3261 19.1.4: the pairs called equivalent are, in either order. */
static void
test_same(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof same / sizeof same[0]; i++) {
		if (!sip_uri_equal_text(same[i][0], same[i][1]) ||
		    !sip_uri_equal_text(same[i][1], same[i][0]))
			fail_msg("%s is not %s", same[i][0], same[i][1]);
	}
}

/* RFC 3261 19.1.4: the pairs called different are, in either order. */
static void
test_other(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof other / sizeof other[0]; i++) {
		if (sip_uri_equal_text(other[i][0], other[i][1]) ||
		    sip_uri_equal_text(other[i][1], other[i][0]))
			fail_msg("%s is %s", other[i][0], other[i][1]);
	}
}

/* What is no URI, or too long a one, equals only its own text. */
static void
test_no_uri(void **state)
{
	char a[2048], b[2048];

	(void)state;
	assert_true(sip_uri_equal_text("\x01", "\x01"));
	assert_false(sip_uri_equal_text("", "sip:a"));
	memset(a, 'a', sizeof a - 1);
	a[sizeof a - 1] = '\0';
	memcpy(a, "sip:", 4);
	memcpy(b, a, sizeof a);
	assert_true(sip_uri_equal_text(a, b));
	b[2000] = 'b';
	assert_false(sip_uri_equal_text(a, b));
}

/* The user of a URI text; "" when there is none. */
static const char *
user_of(const char *text)
{
	static char out[16], copy[256];
	url_t url;

	str_copy(copy, sizeof copy, text);
	assert_int_equal(url_d(&url, copy), 0);
	return sip_uri_user(&url, out, sizeof out) ? out : "";
}

/* RFC 3261 10.3 step 5: the user has its escapes resolved and no parameters;
 * control bytes and what is too long name nobody. */
static void
test_user(void **state)
{
	(void)state;
	assert_string_equal(user_of("sip:101@a.test"), "101");
	assert_string_equal(user_of("sip:%31%30%31@a.test"), "101");
	assert_string_equal(user_of("sip:101;x=y@a.test"), "101");
	assert_string_equal(user_of("sip:a.test"), "");
	assert_string_equal(user_of("sip:1%0001@a.test"), "");
	assert_string_equal(user_of("sip:1%0a1@a.test"), "");
	assert_string_equal(
	    user_of("sip:123456789012345@a.test"), "123456789012345");
	assert_string_equal(user_of("sip:1234567890123456@a.test"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_same),
	    cmocka_unit_test(test_other),
	    cmocka_unit_test(test_no_uri),
	    cmocka_unit_test(test_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
