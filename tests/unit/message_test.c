/* Messages of recorded calls taken apart: fields, SDP, mistakes, differences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/message/message.h"

#define HEAD(branch, cseq)                                           \
	"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=" branch "\r\n"      \
	"From: <sip:101@demo.test>;tag=1\r\nTo: <sip:102@demo.test>" \
	"\r\nCall-ID: x\r\nCSeq: " cseq "\r\n"
#define INVITE                                         \
	"INVITE sip:102@demo.test SIP/2.0\r\n" HEAD(   \
	    "z9hG4bKa", "1 INVITE") "Max-Forwards: 70" \
				    "\r\nContact: <sip:101@192.0.2.1>\r\n"
#define SDP "Content-Type: application/sdp\r\n"
#define OFFER                                                          \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1" \
	"\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 "   \
	"telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
#define ANSWER                                                           \
	"v=0\r\no=- 2 2 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n"            \
	"m=audio 6000 RTP/AVP 8\r\nc=IN IP4 192.0.2.9\r\na=sendonly\r\n" \
	"m=video 0 RTP/AVP 31\r\n"

static void
reads(struct message *m, const char *text)
{
	assert_int_equal(message_decode(m, text, strlen(text)), 0);
}

/* A message of a hop. */
static struct message
hop(const char *source, const char *target, const char *text)
{
	struct message m;

	reads(&m, text);
	m.source = source;
	m.target = target;
	return m;
}

static void
says(struct buf *b, const char *want)
{
	buf_str(b, "");
	assert_string_equal(b->data, want);
	buf_reset(b);
}

static void
put(struct buf *b, struct message_text text, const char *want)
{
	message_put(b, text);
	says(b, want);
}

/* Compact names are spelt out, folded lines are one, letters do not matter. */
static void
fields_are_found(void **state)
{
	struct buf b = BUF_INIT;
	struct message m;

	(void)state;
	reads(&m,
	    "OPTIONS sip:a SIP/2.0\r\nv: one\r\nVIA : two\r\nSubject: a\r\n"
	    " \t b\r\nno colon\r\nk: timer , 100REL\r\n\r\nbody");
	assert_true(m.is_sip && !m.reply && m.whole);
	put(&b, m.method, "OPTIONS");
	put(&b, message_find(&m, "Via", 1)->value, "two");
	assert_null(message_find(&m, "Via", 2));
	put(&b, message_value(&m, "subject"), "a b");
	put(&b, m.field[3].value, "no colon");
	assert_int_equal(m.field[3].name.n, 0);
	assert_true(message_lists(&m, "Supported", "100rel"));
	assert_false(message_lists(&m, "Supported", "100"));
	put(&b, m.body, "body");
	message_fini(&m);
	buf_fini(&b);
}

/* Whatever the bytes are: told as what they are, and no terminal obeys them. */
static void
what_is_no_sip_is_shown(void **state)
{
	struct buf b = BUF_INIT;
	struct message m;

	(void)state;
	reads(&m, "");
	assert_false(m.is_sip || m.whole);
	message_fini(&m);
	reads(&m, "\033]0;pwned\a\xff\nx");
	assert_false(m.is_sip);
	put(&b, m.start, "\\x1b]0;pwned\\x07\\xff");
	assert_int_equal(message_check(&m, NULL, NULL, &b), 0);
	message_fini(&m);
	reads(&m, "SIP/2.0 1x0 Trying\r\n\r\n");
	assert_false(m.is_sip);
	message_fini(&m);
	buf_fini(&b);
}

/* Address, port, direction of the session hold for media that say nothing. */
static void
sdp_is_told(void **state)
{
	struct message_text offer = {OFFER, sizeof OFFER - 1};
	struct message_text answer = {ANSWER, sizeof ANSWER - 1};
	struct buf b = BUF_INIT;

	(void)state;
	message_sdp_put(offer, &b);
	says(&b,
	    "audio 192.0.2.1:4000 RTP/AVP sendrecv ptime 20\n"
	    "  0 PCMU/8000, 8 PCMA/8000, 101 telephone-event/8000 (0-15)\n");
	assert_int_equal(message_sdp_media(answer), 2);
	message_sdp_put(answer, &b);
	says(&b,
	    "audio 192.0.2.9:6000 RTP/AVP sendonly\n  8 PCMA/8000\n"
	    "video :0 RTP/AVP sendrecv (rejected or off)\n  31 H261/90000\n");
	message_sdp_put_changes(offer, answer, &b);
	says(&b,
	    "~ m= lines 1 -> 2\n~ audio address 192.0.2.1 -> 192.0.2.9\n"
	    "~ audio port 4000 -> 6000\n~ audio direction sendrecv -> "
	    "sendonly\n- audio 0 PCMU/8000\n"
	    "- audio 101 telephone-event/8000 (0-15)\n");
	message_sdp_put_changes(offer, offer, &b);
	says(&b, "");
	buf_fini(&b);
}

static void
breaks(const char *text, const char *want)
{
	struct buf b = BUF_INIT;
	struct message m;

	reads(&m, text);
	message_check(&m, NULL, NULL, &b);
	says(&b, want);
	message_fini(&m);
	buf_fini(&b);
}

/* What must be there, and nothing is said of a message that has it. */
static void
what_is_missing_is_told(void **state)
{
	(void)state;
	breaks(INVITE "Content-Length: 0\r\n\r\n", "");
	breaks("SIP/2.0 200 OK\r\n" HEAD("z9hG4bKa", "1 INVITE") "\r\n", "");
	breaks("SIP/2.0 200 OK\r\n\r\n",
	    "Via is missing (RFC 3261 8.2.6.2)\n"
	    "From is missing (RFC 3261 8.2.6.2)\n"
	    "To is missing (RFC 3261 8.2.6.2)\n"
	    "Call-ID is missing (RFC 3261 8.2.6.2)\n"
	    "CSeq is missing (RFC 3261 8.2.6.2)\n");
	breaks("INVITE sip:a SIP/2.0\r\n" HEAD("z9hG4bKa", "1 INVITE") "\r\n",
	    "Max-Forwards is missing (RFC 3261 8.1.1)\n"
	    "Contact is missing (RFC 3261 8.1.1.8)\n");
	breaks(INVITE "\r\nx",
	    "a body, and Content-Type is missing (RFC 3261 20.15)\n");
	breaks(INVITE, "the head does not end (RFC 3261 7)\n");
}

static void
what_does_not_fit_is_told(void **state)
{
	(void)state;
	breaks(INVITE "Content-Length: 3\r\n\r\n",
	    "Content-Length says 3, the body has 0 bytes (RFC 3261 18.3)\n");
	breaks(INVITE "l: -1\r\n\r\n",
	    "Content-Length is no number (RFC 3261 20.14)\n");
	breaks("BYE sip:a SIP/2.0\r\nMax-Forwards: 1\r\n" HEAD(
		   "z9hG4bKa", "1 INVITE") "\r\n",
	    "the method of CSeq is another (RFC 3261 8.1.1.5)\n");
	breaks("SIP/2.0 200 OK\r\n" HEAD("z9hG4bKa", "INVITE") "\r\n",
	    "CSeq is no number and a method (RFC 3261 8.1.1.5)\n");
}

/* A reply is judged by its request, an answer by its offer. */
static void
a_reply_is_judged_by_its_request(void **state)
{
	struct message list[] = {
	    hop("101", "sg/1", INVITE SDP "\r\n" OFFER),
	    hop("sg/1", "b2bua/1", INVITE SDP "\r\n" OFFER),
	    hop("b2bua/1", "sg/1",
		"SIP/2.0 183 Progress\r\n" HEAD("z9hG4bKa", "1 INVITE") SDP
		"Require: 100rel\r\n\r\n" ANSWER),
	    hop("sg/1", "101",
		"SIP/2.0 200 OK\r\n" HEAD("z9hG4bKa", "1 BYE") "\r\n"),
	    hop("sg/1", "101",
		"SIP/2.0 200 OK\r\n" HEAD("z9hG4bKb", "1 INVITE") "\r\n"),
	};
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	assert_int_equal(message_request_of(list, 2), 1);
	assert_int_equal(message_offer_of(list, 2), 1);
	assert_int_equal(message_request_of(list, 3), 0);
	assert_int_equal(message_request_of(list, 4), MESSAGE_NONE);
	assert_int_equal(message_request_of(list, 0), MESSAGE_NONE);
	assert_int_equal(message_check(&list[2], &list[1], &list[1], &b), 3);
	says(&b,
	    "the offer has 1 m= lines, the answer 2 (RFC 3264 6)\n"
	    "100rel is required, RSeq is missing (RFC 3262 3)\n"
	    "100rel is required, the request does not support it (RFC 3262 "
	    "3)\n");
	message_check(&list[3], &list[0], NULL, &b);
	says(&b, "CSeq is not that of the request (RFC 3261 8.2.6.2)\n");
	for (i = 0; i < 5; i++)
		message_fini(&list[i]);
	buf_fini(&b);
}

/* Where the INVITE has no offer, the 2xx has it and the ACK answers. */
static void
an_ack_answers_a_late_offer(void **state)
{
	static const char ack[] = "ACK sip:a SIP/2.0\r\n" HEAD(
	    "z9hG4bKc", "1 ACK") SDP "\r\n" ANSWER;
	struct message list[] = {
	    hop("a", "b", INVITE "\r\n"),
	    hop("b", "a",
		"SIP/2.0 200 OK\r\n" HEAD("z9hG4bKa", "1 INVITE") SDP
		"\r\n" OFFER),
	    hop("a", "b", ack),
	};
	size_t i;

	(void)state;
	assert_int_equal(message_offer_of(list, 2), 1);
	assert_int_equal(message_offer_of(list, 1), MESSAGE_NONE);
	assert_int_equal(message_sdp_before(list, 2), 1);
	message_fini(&list[0]);
	list[0] = hop("a", "b", INVITE SDP "\r\n" OFFER);
	assert_int_equal(message_offer_of(list, 1), 0);
	assert_int_equal(message_offer_of(list, 2), MESSAGE_NONE);
	for (i = 0; i < 3; i++)
		message_fini(&list[i]);
}

/* Its like on another leg; without one, on another hop. */
static void
a_message_has_a_twin(void **state)
{
	static const char other[] =
	    "INVITE sip:102@demo.test SIP/2.0\r\nCall-ID: y\r\n\r\n";
	struct message list[] = {
	    hop("101", "sg/1", INVITE "\r\n"),
	    hop("sg/1", "b2bua/1", INVITE "\r\n"),
	    hop("b2bua/1", "sg/1", other),
	    hop("sg/1", "102", other),
	};
	size_t i;

	(void)state;
	assert_int_equal(message_twin_of(list, 4, 3), 1);
	assert_int_equal(message_twin_of(list, 4, 2), 1);
	assert_int_equal(message_twin_of(list, 4, 1), 0);
	assert_int_equal(message_twin_of(list, 4, 0), 1);
	assert_int_equal(message_twin_of(list, 1, 0), MESSAGE_NONE);
	for (i = 0; i < 4; i++)
		message_fini(&list[i]);
}

static void
on_difference(void *arg, char sign, struct message_text name,
    struct message_text first, struct message_text second)
{
	buf_fmt(arg, "%c%.*s:%.*s:%.*s\n", sign, (int)name.n, name.at,
	    (int)first.n, first.at, (int)second.n, second.at);
}

/* Fields by their names wherever they stand, lines of a body in their order. */
static void
differences_are_found(void **state)
{
	struct buf b = BUF_INIT;
	struct message x, y;

	(void)state;
	reads(&x,
	    "BYE sip:a SIP/2.0\r\nVia: 2\r\nv: 3\r\nTo: t\r\nQ: 1\r\nCSeq: 1 "
	    "BYE\r\n\r\na\r\nb\r\nc\r\n");
	reads(&y,
	    "BYE sip:b SIP/2.0\r\nTo: t\r\nVia: 1\r\nVia: 2\r\nVia: 3\r\n"
	    "CSeq: 2 BYE\r\nZ: 9\r\n\r\nb\r\nd\r\nc\r\n");
	assert_int_equal(message_diff(&x, &y, on_difference, &b), 3);
	says(&b,
	    "~:BYE sip:a SIP/2.0:BYE sip:b SIP/2.0\n+Via::1\n-Q:1:\n"
	    "~CSeq:1 BYE:2 BYE\n+Z::9\n-:a:\n+::d\n");
	assert_int_equal(message_diff(&x, &x, on_difference, &b), 5);
	says(&b, "");
	message_fini(&x);
	message_fini(&y);
	buf_fini(&b);
}

/* A body of very many lines is not compared line by line, but told. */
static void
long_bodies_are_told(void **state)
{
	struct buf long_one = BUF_INIT, b = BUF_INIT;
	struct message x, y;
	int i;

	(void)state;
	buf_str(&long_one, INVITE "\r\n");
	for (i = 0; i < 1000; i++)
		buf_str(&long_one, "line\r\n");
	reads(&x, long_one.data);
	reads(&y, INVITE "\r\n");
	message_diff(&x, &y, on_difference, &b);
	says(&b, "~body::\n");
	message_fini(&x);
	message_fini(&y);
	buf_fini(&long_one);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_are_found),
	    cmocka_unit_test(what_is_no_sip_is_shown),
	    cmocka_unit_test(sdp_is_told),
	    cmocka_unit_test(what_is_missing_is_told),
	    cmocka_unit_test(what_does_not_fit_is_told),
	    cmocka_unit_test(a_reply_is_judged_by_its_request),
	    cmocka_unit_test(an_ack_answers_a_late_offer),
	    cmocka_unit_test(a_message_has_a_twin),
	    cmocka_unit_test(differences_are_found),
	    cmocka_unit_test(long_bodies_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
