/*
 * Laws of the full parse, over the torture messages of RFC 4475 and RFC 5118
 * (tests/data/torture) and a few of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/sip/sip.h"
#include "tests/lib/fault.h"

/* What the parse says of one torture message. */
struct torture {
	const char *file;
	int rc;
};

/*
 * Valid (4475 3.1.1, 3.3, 3.4; 5118), to be accepted; or invalid in a way
 * that the RFC lets a liberal element pass or that the layers above judge.
 */
static const struct torture good[] = {
    {"rfc4475/wsinv", 0},
    {"rfc4475/esc01", 0},
    {"rfc4475/escnull", 0},
    {"rfc4475/esc02", 0},
    {"rfc4475/lwsdisp", 0},
    {"rfc4475/longreq", 0},
    {"rfc4475/dblreq", 0}, /* what follows the body is dropped */
    {"rfc4475/semiuri", 0},
    {"rfc4475/transports", 0},
    {"rfc4475/mpart01", 0},
    {"rfc4475/unreason", 0},
    {"rfc4475/noreason", 0},
    {"rfc4475/lwsstart", 0},  /* 3.1.2.9: liberal */
    {"rfc4475/trws", 0},      /* 3.1.2.10: liberal */
    {"rfc4475/escruri", 0},   /* 3.1.2.11: liberal */
    {"rfc4475/baddate", 0},   /* 3.1.2.12: Date is not needed */
    {"rfc4475/badaspec", 0},  /* 3.1.2.14: liberal */
    {"rfc4475/badbranch", 0}, /* 3.2.1: the transaction layer's */
    {"rfc4475/unkscm", 0},    /* 416 above */
    {"rfc4475/novelsc", 0},
    {"rfc4475/unksm2", 0},
    {"rfc4475/bext01", 0}, /* 420 above */
    {"rfc4475/invut", 0},  /* 415 above */
    {"rfc4475/regaut01", 0},
    {"rfc4475/bcast", 0},
    {"rfc4475/zeromf", 0}, /* 483 above */
    {"rfc4475/cparam01", 0},
    {"rfc4475/cparam02", 0},
    {"rfc4475/regescrt", 0},
    {"rfc4475/sdp01", 0},
    {"rfc4475/inv2543", 0},
    {"rfc5118/ipv6-good", 0},
    {"rfc5118/port-ambiguous", 0},
    {"rfc5118/port-unambiguous", 0},
    {"rfc5118/via-received-param-no-delim", 0},
    {"rfc5118/via-received-param-with-delim", 0},
    {"rfc5118/ipv6-in-sdp", 0},
    {"rfc5118/mult-ip-in-header", 0},
    {"rfc5118/mult-ip-in-sdp", 0},
    {"rfc5118/ipv4-mapped-ipv6", 0},
    {"rfc5118/ipv6-bug-abnf-3-colons", 0}, /* 4.9: liberal */
    {"rfc5118/ipv6-correct-abnf-2-colons", 0},
};

/* Invalid; the code tells 505 from 400. */
static const struct torture bad[] = {
    {"rfc4475/badinv01", -ERR_SYNTAX},
    {"rfc4475/clerr", -ERR_SYNTAX},
    {"rfc4475/ncl", -ERR_SYNTAX},
    {"rfc4475/scalar02", -ERR_SYNTAX},
    {"rfc4475/scalarlg", -ERR_SYNTAX},
    {"rfc4475/quotbal", -ERR_SYNTAX},
    {"rfc4475/ltgtruri", -ERR_SYNTAX},
    {"rfc4475/lwsruri", -ERR_SYNTAX},
    {"rfc4475/regbadct", -ERR_SYNTAX},
    {"rfc4475/baddn", -ERR_SYNTAX},
    {"rfc4475/badvers", -ERR_UNKNOWN},
    {"rfc4475/mismatch01", -ERR_SYNTAX},
    {"rfc4475/mismatch02", -ERR_SYNTAX},
    {"rfc4475/bigcode", -ERR_SYNTAX},
    {"rfc4475/insuf", -ERR_SYNTAX},
    {"rfc4475/multi01", -ERR_SYNTAX},
    {"rfc4475/mcl01", -ERR_SYNTAX},
    {"rfc4475/test", -ERR_SYNTAX},
    {"rfc5118/ipv6-bad", -ERR_SYNTAX},
    /* Valid, but sofia takes no '`' in a method: a 400 instead of a 405. */
    {"rfc4475/intmeth", -ERR_SYNTAX},
};

static char bytes[SIP_MAX + 1];

/* Read a torture message whole. */
static size_t
torture_read(const char *name)
{
	char path[256];
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "tests/data/torture/%s.dat", name);
	f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s: cannot open; run from the top", path);
	n = fread(bytes, 1, SIP_MAX, f);
	fclose(f);
	return n;
}

/* Parse the named message and expect that result. */
static void
torture_expect(const struct torture *t)
{
	struct sip_parsed p;
	struct err err = {0};
	size_t n = torture_read(t->file);
	int rc = sip_parse(&p, bytes, n, &err);

	if (rc != t->rc)
		fail_msg("%s: %d (%s), not %d", t->file, rc, err.text, t->rc);
	sip_parsed_fini(&p);
}

/* Every valid message of the RFCs is accepted. */
static void
test_valid(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		torture_expect(&good[i]);
}

/* Every invalid one that the RFCs want refused is refused. */
static void
test_invalid(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		torture_expect(&bad[i]);
}

/* A body shorter than its Content-Length is refused, wherever it is cut (RFC
 * 3261 18.3). */
static void
test_cut(void **state)
{
	struct sip_parsed p;
	size_t n, cut;

	(void)state;
	n = torture_read("rfc4475/wsinv");
	for (cut = n - 149; cut < n; cut++) {
		torture_read("rfc4475/wsinv");
		assert_int_not_equal(sip_parse(&p, bytes, cut, NULL), 0);
		sip_parsed_fini(&p);
	}
}

/* A refused request still shows what a 400 needs of it. */
static void
test_refused_shows(void **state)
{
	static const char text[] =
	    "REGISTER sip:a.test SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
	    "From: <sip:1@a.test>;tag=1\r\n"
	    "To: <sip:1@a.test>\r\nCall-ID: x\r\n"
	    "CSeq: 1 REGISTER\r\n"
	    "Contact: sip:a?b=c\r\n\r\n";
	struct sip_parsed p;
	struct err err = {0};

	(void)state;
	memcpy(bytes, text, sizeof text);
	assert_int_equal(
	    sip_parse(&p, bytes, sizeof text - 1, &err), -ERR_SYNTAX);
	assert_string_equal(err.text, "bad Contact header");
	assert_non_null(p.sip->sip_request);
	assert_string_equal(p.sip->sip_call_id->i_id, "x");
	sip_parsed_fini(&p);
}

/* More than SIP_MAX bytes are not looked at. */
static void
test_too_long(void **state)
{
	struct sip_parsed p;

	(void)state;
	assert_int_equal(sip_parse(&p, bytes, SIP_MAX + 1, NULL), -ERR_TOOBIG);
	sip_parsed_fini(&p);
}

/* Without memory for the message it is refused, and nothing is left. */
static void
test_no_memory(void **state)
{
	struct sip_parsed p;
	size_t n = torture_read("rfc4475/esc02");

	(void)state;
	fault_alloc_at(0);
	(void)sip_parse(&p, bytes, n, NULL);
	fault_alloc_off();
	sip_parsed_fini(&p);
	assert_null(p.msg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_invalid),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_refused_shows),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
