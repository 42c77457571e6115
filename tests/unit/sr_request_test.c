/* Laws of what is read out of a REGISTER (RFC 3261 10.3, the request alone). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/sr/sr.h"

static struct sr_request req;
static struct sr_refusal no;
static char bytes[SIP_MAX + 1];

/* Read a REGISTER that has these lines besides the usual ones. */
static int
read_lines(const char *lines)
{
	struct sip_parsed p;
	struct err err = {0};
	size_t n;
	int rc;

	n = (size_t)snprintf(bytes, sizeof bytes,
	    "REGISTER sip:a.test SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n"
	    "From: <sip:101@a.test>;tag=1\r\nTo: <sip:101@a.test>\r\n"
	    "Call-ID: abc@host\r\nCSeq: 17 REGISTER\r\n%s\r\n",
	    lines);
	if (sip_parse(&p, bytes, n, &err) != 0)
		fail_msg("%s: %s", lines, err.text);
	memset(&no, 0, sizeof no);
	rc = sr_request_read(&req, p.sip, &no);
	sip_parsed_fini(&p);
	return rc;
}

/* The status with which it is refused. */
static int
refused(const char *lines)
{
	assert_int_equal(read_lines(lines), -1);
	return no.status;
}

/* 10.2.1: without a Contact it is a question, and none is made up. */
static void
test_query(void **state)
{
	(void)state;
	assert_int_equal(read_lines(""), 0);
	assert_int_equal(req.count, 0);
	assert_false(req.star);
	assert_string_equal(req.call_id, "abc@host");
	assert_int_equal(req.cseq, 17);
}

/* 10.2.1.1: the parameter counts before the header, the header before the
 * hour; what is malformed means the hour; what is too long is cut. */
static void
test_expires(void **state)
{
	(void)state;
	assert_int_equal(read_lines("Contact: <sip:a@h>;expires=60,"
				    " <sip:b@h>, <sip:c@h>;expires=x,"
				    " <sip:d@h>;expires=99999999999\r\n"
				    "Expires: 120\r\n"),
	    0);
	assert_int_equal(req.count, 4);
	assert_int_equal(req.wish[0].expires, 60);
	assert_int_equal(req.wish[1].expires, 120);
	assert_int_equal(req.wish[2].expires, 3600);
	assert_int_equal(req.wish[3].expires, 86400);
	assert_int_equal(read_lines("Contact: <sip:a@h>\r\n"), 0);
	assert_int_equal(req.wish[0].expires, 3600);
	assert_int_equal(
	    read_lines("Contact: <sip:a@h>\r\nExpires: soon\r\n"), 0);
	assert_int_equal(req.wish[0].expires, 3600);
	assert_int_equal(
	    read_lines("Contact: <sip:a@h>\r\nExpires: 9999999999\r\n"), 0);
	assert_int_equal(req.wish[0].expires, 86400);
	assert_int_equal(read_lines("Contact: <sip:a@h>\r\nExpires: 0\r\n"), 0);
	assert_int_equal(req.wish[0].expires, 0);
}

/* 10.3 step 7: between nothing and the least is too brief: 423. */
static void
test_brief(void **state)
{
	(void)state;
	assert_int_equal(refused("Contact: <sip:a@h>;expires=29\r\n"), 423);
	assert_int_equal(refused("Contact: <sip:a@h>\r\nExpires: 1\r\n"), 423);
	assert_int_equal(read_lines("Contact: <sip:a@h>;expires=30\r\n"), 0);
}

/* 10.3 step 6: `*` stands alone and with Expires: 0, else 400. */
static void
test_star(void **state)
{
	(void)state;
	assert_int_equal(read_lines("Contact: *\r\nExpires: 0\r\n"), 0);
	assert_true(req.star);
	assert_int_equal(req.count, 0);
	assert_int_equal(refused("Contact: *\r\n"), 400);
	assert_int_equal(refused("Contact: *\r\nExpires: 60\r\n"), 400);
	assert_int_equal(
	    refused("Contact: *\r\nContact: <sip:a@h>\r\nExpires: 0\r\n"), 400);
	assert_int_equal(
	    refused("Contact: <sip:a@h>\r\nContact: *\r\nExpires: 0\r\n"), 400);
}

/* 10.3 step 2: what is required and not done here is refused with 420. */
static void
test_require(void **state)
{
	(void)state;
	assert_int_equal(read_lines("Require: path\r\n"), 0);
	assert_int_equal(refused("Require: path, gruu\r\n"), 420);
	assert_int_equal(refused("Require: nothing-known\r\n"), 420);
	assert_int_equal(read_lines("Supported: gruu\r\n"), 0);
}

/* 25.1: q is a number of thousandths; without, or broken, it is the first. */
static void
test_q(void **state)
{
	(void)state;
	assert_int_equal(
	    read_lines("Contact: <sip:a@h>;q=0.5, <sip:b@h>;q=1.0, <sip:c@h>;"
		       "q=0.001, <sip:d@h>, <sip:e@h>;q=0, <sip:f@h>;q=2,"
		       " <sip:g@h>;q=0.1234, <sip:i@h>;q=1\r\n"),
	    0);
	assert_int_equal(req.wish[0].q, 500);
	assert_int_equal(req.wish[1].q, 1000);
	assert_int_equal(req.wish[2].q, 1);
	assert_int_equal(req.wish[3].q, 1000);
	assert_int_equal(req.wish[4].q, 0);
	assert_int_equal(req.wish[5].q, 1000);
	assert_int_equal(req.wish[6].q, 1000);
	assert_int_equal(req.wish[7].q, 1000);
}

/* RFC 5626 4.1: instance and reg-id are kept, a reg-id alone means nothing. */
static void
test_instance(void **state)
{
	(void)state;
	assert_int_equal(
	    read_lines("Contact: <sip:a@h>;reg-id=2;+sip.instance=\""
		       "<urn:uuid:f81d4fae>\", <sip:b@h>;reg-id=3\r\n"),
	    0);
	assert_string_equal(req.wish[0].instance, "<urn:uuid:f81d4fae>");
	assert_int_equal(req.wish[0].reg_id, 2);
	assert_string_equal(req.wish[1].instance, "");
	assert_int_equal(req.wish[1].reg_id, 0);
}

/* RFC 3327 5.3: Path values are kept in their order. */
static void
test_path(void **state)
{
	(void)state;
	assert_int_equal(
	    read_lines("Path: <sip:t1@127.0.0.1:5;lr>\r\nContact: <sip:a@h>\r\n"
		       "Path: <sip:p2.test;lr>, <sip:p3.test>\r\n"),
	    0);
	assert_string_equal(req.path,
	    "<sip:t1@127.0.0.1:5;lr>, <sip:p2.test;lr>, <sip:p3.test>");
}

/* What the phone says of itself cannot forge a line; what SG says of the
 * source is found whatever its case. */
static void
test_origin(void **state)
{
	(void)state;
	assert_int_equal(
	    read_lines("User-Agent: Phone/1 \x1b[2J\xff\r\n"
		       "x-tandem-source: 192.0.2.7:5060;transport=udp\r\n"),
	    0);
	assert_string_equal(req.agent, "Phone/1 \\x1b[2J\\xff");
	assert_string_equal(req.source, "192.0.2.7:5060;transport=udp");
}

/* A contact that cannot be called, or does not fit, is refused, not cut. */
static void
test_contact_limits(void **state)
{
	char lines[4096];
	int n;

	(void)state;
	assert_int_equal(refused("Contact: <tel:+78121234567>\r\n"), 400);
	assert_int_equal(refused("Contact: <sip:\xff\xfe@h>\r\n"), 400);
	snprintf(lines, sizeof lines, "Contact: <sip:%0600d@h>\r\n", 1);
	assert_int_equal(refused(lines), 400);
	n = snprintf(lines, sizeof lines, "Contact: <sip:a@h>");
	for (unsigned i = 0; i < SR_CONTACTS; i++)
		n += snprintf(
		    lines + n, sizeof lines - (size_t)n, ", <sip:%u@h>", i);
	snprintf(lines + n, sizeof lines - (size_t)n, "\r\n");
	assert_int_equal(refused(lines), 403);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_query),
	    cmocka_unit_test(test_expires),
	    cmocka_unit_test(test_brief),
	    cmocka_unit_test(test_star),
	    cmocka_unit_test(test_require),
	    cmocka_unit_test(test_q),
	    cmocka_unit_test(test_instance),
	    cmocka_unit_test(test_path),
	    cmocka_unit_test(test_origin),
	    cmocka_unit_test(test_contact_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
