/* A message for those who do not see persons: nothing that could say who
 * somebody is stays, and all that tells why a call failed does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/trace/trace.h"

static char text[4096];

static void
shown_as(const char *from, const char *to)
{
	strcpy(text, from);
	trace_mask_persons(text, strlen(text));
	assert_string_equal(text, to);
}

/* A field behind a first line. */
static void
field(const char *from, const char *to)
{
	char in[512], out[512];

	snprintf(in, sizeof in, "SIP/2.0 200 OK\r\n%s\r\n\r\n", from);
	snprintf(out, sizeof out, "SIP/2.0 200 OK\r\n%s\r\n\r\n", to);
	shown_as(in, out);
}

/* A line of a session description. */
static void
media(const char *from, const char *to)
{
	char in[512], out[512];

	snprintf(in, sizeof in,
	    "BYE sip:h SIP/2.0\r\nc: application/SDP "
	    ";x=1\r\n\r\n%s\r\n",
	    from);
	snprintf(out, sizeof out,
	    "BYE sip:h SIP/2.0\r\nc: application/SDP "
	    ";x=1\r\n\r\n%s\r\n",
	    to);
	shown_as(in, out);
}

static void
a_call_shows_how_it_went_and_not_whose_it_was(void **state)
{
	(void)state;
	shown_as(
	    "INVITE sip:102@a.test;user=phone SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9\r\n"
	    "From: \"Anna B\" <sip:101@a.test>;tag=1\r\n"
	    "To: Bob C <tel:+7495>\r\n"
	    "Contact: <sip:101-0x5@192.0.2.1:5060;ob>;expires=60\r\n"
	    "Proxy-Authorization: Digest username=\"101\"\r\n"
	    "Subject: hello\r\n there\r\n"
	    "CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n"
	    "v=0\r\no=anna 1 1 IN IP4 h\r\ns=call\r\nc=IN IP4 192.0.2.1\r\n"
	    "m=audio 4 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
	    "a=ssrc:1 cname:anna\r\n",
	    "INVITE sip:***@a.test;user=phone SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9\r\n"
	    "From: \"**** *\" <sip:***@a.test>;tag=1\r\n"
	    "To: *** * <tel:*****>\r\n"
	    "Contact: <sip:*******@192.0.2.1:5060;ob>;expires=60\r\n"
	    "Proxy-Authorization: ****** **************\r\n"
	    "Subject: *****\r\n *****\r\n"
	    "CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n"
	    "v=0\r\no=**** * * ** *** *\r\ns=****\r\nc=IN IP4 192.0.2.1\r\n"
	    "m=audio 4 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
	    "a=ssrc:1 cname:****\r\n");
}

static void
addresses_keep_what_is_no_person(void **state)
{
	(void)state;
	field("History-Info: <sip:bob@a.test?Reason=SIP%3Bcause%3D302"
	      "&X=Bob>;index=1.1;rc=1",
	    "History-Info: <sip:***@a.test?**************************"
	    "****>;index=1.1;rc=1");
	field("Diversion: \"Bob\" <tel:+1;ext=7>;reason=no-answer;counter=1",
	    "Diversion: \"***\" <tel:********>;reason=no-answer;counter=1");
	field("P-Asserted-Identity: tel:+12,Bob <sips:b,c;d@h>",
	    "P-Asserted-Identity: tel:******* <sips:*****@h>");
	field("Remote-Party-ID: Bob<sip:1@h>;party=calling;x-bob=\"a;b\";y=z",
	    "Remote-Party-ID: ***<sip:*@h>;party=calling;*****=\"***\";*=*");
	field("r: <sip:5@[2001:db8::1]:5060;x=5?Replaces=1>",
	    "r: <sip:*@[2001:db8::1]:5060;*=*?**********>");
	field("r: <sip:5@[Bob]:5060>", "r: <sip:*@**********>");
	field("Reply-To: <mailto:bob@home.test>",
	    "Reply-To: <********************>");
	field("b: <sip:bob@h>;ref=\"<cid:bob@h>\"",
	    "b: <sip:***@h>;***=\"***"
	    "********\"");
	field("m: *", "m: *");
}

/* A URI without a user may have the number where the host belongs. */
static void
a_number_is_no_host(void **state)
{
	(void)state;
	shown_as("INVITE sip:+74951234567 SIP/2.0\r\n\r\n",
	    "INVITE sip:************ SIP/2.0\r\n\r\n");
	shown_as("INVITE sip:7495-12:5060 SIP/2.0\r\n\r\n",
	    "INVITE sip:*******:5060 SIP/2.0\r\n\r\n");
	shown_as("INVITE sip:192.0.2.1:5060 SIP/2.0\r\n\r\n",
	    "INVITE sip:192.0.2.1:5060 SIP/2.0\r\n\r\n");
	shown_as("INVITE sip:1@2@h SIP/2.0\r\n\r\n",
	    "INVITE sip:***@h SIP/2.0\r\n\r\n");
	shown_as("INVITE im:bob@h SIP/2.0\r\n\r\n",
	    "INVITE ******** SIP/2.0\r\n\r\n");
}

static void
words_stay_without_quotes_and_comments(void **state)
{
	(void)state;
	field("User-Agent: Phone/1 (Bob's (new) one) x",
	    "User-Agent: Phone/1 (***** ***** ***) x");
	field("Reason: Q.850;cause=16;text=\"Bob \\\"x\\\" hung\"",
	    "Reason: Q.850;cause=16;text=\"*** ***** ****\"");
	field(
	    "Retry-After: 18000 (Bob is out", "Retry-After: 18000 (*** ** ***");
	field("Call-ID: 4f1d@192.0.2.1", "Call-ID: 4f1d@192.0.2.1");
}

static void
what_is_not_known_is_masked(void **state)
{
	(void)state;
	field("Call-Info: <http://a.test/bob.jpg>;purpose=icon",
	    "Call-Info: ************************************");
	field("X-Customer: 12345", "X-Customer: *****");
	field("Alert-Info: 1\r\n\t2", "Alert-Info: *\r\n\t*");
	field("Identity:x", "Identity:*");
	field("call me at 12345: now", "**** ** ** ****** ***");
	field("no field at all", "** ***** ** ***");
	shown_as("\r\nhello\r\n\r\n", "\r\n*****\r\n\r\n");
	shown_as(
	    "SIP/2.0 404 No 12345\r\n\r\n", "SIP/2.0 404 ** *****\r\n\r\n");
	shown_as("SIP/2.0 486\r\n\r\n", "SIP/2.0 486\r\n\r\n");
	shown_as("bob 12345\r\n\r\n", "*** *****\r\n\r\n");
}

static void
bodies_are_masked_but_for_media(void **state)
{
	(void)state;
	shown_as("MESSAGE sip:a.test SIP/2.0\r\n\r\nat my place\r\nv=0\r\n",
	    "MESSAGE sip:a.test SIP/2.0\r\n\r\n** ** *****\r\n***\r\n");
	shown_as("MESSAGE sip:h SIP/2.0\r\nContent-Type: text/plain\r\n\r\n"
		 "m=12345\r\n",
	    "MESSAGE sip:h SIP/2.0\r\nContent-Type: text/plain\r\n\r\n"
	    "*******\r\n");
	media("i=Bob", "i=***");
	media("e=bob@h (Bob)", "e=***** *****");
	media("p=+1 617", "p=** ***");
	media("u=http://h/bob", "u=************");
	media("a=x-owner:Bob", "a=***********");
	media("a=sendrecv", "a=sendrecv");
	media("a=fmtp:0 sip:1@h", "a=****** *******");
	media("a=ssrc:1 Bob", "a=ssrc:1 ***");
	media("c=IN IP4 bob@h", "c=** *** *****");
	media("Bob", "***");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_shows_how_it_went_and_not_whose_it_was),
	    cmocka_unit_test(addresses_keep_what_is_no_person),
	    cmocka_unit_test(a_number_is_no_host),
	    cmocka_unit_test(words_stay_without_quotes_and_comments),
	    cmocka_unit_test(what_is_not_known_is_masked),
	    cmocka_unit_test(bodies_are_masked_but_for_media),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
