/* A recorded call as a file: what other programs read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "daemon/control/export.h"

static struct buf out;
static union addr v4, v6, none;

static int
setup(void **state)
{
	(void)state;
	buf_reset(&out);
	addr_parse(&v4, "192.0.2.1", 5060);
	addr_parse(&v6, "2001:db8::1", 5061);
	memset(&none, 0, sizeof none);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static uint32_t
get_32(size_t at)
{
	uint32_t v;

	assert_true(at + 4 <= out.len);
	memcpy(&v, out.data + at, 4);
	return le32toh(v);
}

static unsigned
net_16(size_t at)
{
	assert_true(at + 2 <= out.len);
	return (
	    unsigned)((uint8_t)out.data[at] << 8 | (uint8_t)out.data[at + 1]);
}

/* ---- packets ----------------------------------------------------------------
 */

/* Blocks say their length at both ends, whatever the lengths of text and
 * comment, and a file is two of them and one for each message. */
static void
pcapng_is_made_of_whole_blocks(void **state)
{
	const char *text = "OPTIONS sip:a.test SIP/2.0\r\n\r\n";
	size_t at, i, blocks;
	uint32_t length;

	(void)state;
	for (i = 0; i < 24; i++) {
		buf_reset(&out);
		pcapng_begin(&out, text + i);
		pcapng_packet(
		    &out, 1, &v4, &v4, text, strlen(text) - i, text + 4);
		pcapng_packet(&out, 1, &v6, &none, text, 20, text + i);
		for (at = 0, blocks = 0; at < out.len; at += length, blocks++) {
			length = get_32(at + 4);
			assert_in_range(length, 12, out.len - at);
			assert_int_equal(length % 4, 0);
			assert_int_equal(length, get_32(at + length - 4));
		}
		assert_int_equal(blocks, 4);
		assert_int_equal(get_32(0), 0x0a0d0d0a);
	}
}

static void
pcap_has_a_record_for_each_message(void **state)
{
	(void)state;
	pcap_begin(&out);
	assert_int_equal(out.len, 24);
	assert_int_equal(get_32(0), 0xa1b2c3d4);
	assert_int_equal(get_32(20), 101);
	pcap_packet(&out, 3000007, &v4, &v4, "BYE", 3);
	assert_int_equal(get_32(24), 3);
	assert_int_equal(get_32(28), 7);
	assert_int_equal(get_32(32), 31);
	assert_int_equal(get_32(36), 31);
	assert_int_equal(out.len, 24 + 16 + 31);
	assert_memory_equal(out.data + 24 + 16 + 28, "BYE", 3);
	pcap_packet(&out, 0, &none, &none, "", 0);
	assert_int_equal(out.len, 24 + 16 + 31 + 16 + 28);
}

/* What is longer than a datagram is cut, and the file says how long it was. */
static void
a_long_message_is_cut(void **state)
{
	char *text = calloc(1, 70000);

	(void)state;
	pcap_begin(&out);
	pcap_packet(&out, 0, &v4, &v4, text, 70000);
	assert_int_equal(get_32(32), EXPORT_PAYLOAD + 28);
	assert_int_equal(get_32(36), 70000 + 28);
	free(text);
}

/* Sums of IP and UDP are those that a receiver computes: of all with the sums
 * among them nothing is left (RFC 1071). */
static void
sums_of_packets_are_right(void **state)
{
	uint8_t heads[EXPORT_HEADS], pseudo[12] = {0};
	const char *text = "odd";
	uint32_t sum = 0;
	size_t n, i;

	(void)state;
	n = packet_heads(heads, &v4, &v4, text, 3);
	assert_int_equal(n, 28);
	for (i = 0; i < 20; i += 2)
		sum += (uint32_t)heads[i] << 8 | heads[i + 1];
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	memcpy(pseudo, heads + 12, 8);
	pseudo[9] = 17;
	pseudo[11] = 8 + 3;
	sum = 'o' << 8 | 'd';
	sum += 'd' << 8;
	for (i = 0; i < 12; i += 2)
		sum += (uint32_t)pseudo[i] << 8 | pseudo[i + 1];
	for (i = 20; i < 28; i += 2)
		sum += (uint32_t)heads[i] << 8 | heads[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
	assert_int_equal(packet_heads(heads, &v6, &none, text, 3), 48);
}

/* ---- HEP3 -------------------------------------------------------------------
 */

/* The value of the chunk of a type, its bytes in *n; NULL = there is none. */
static const char *
chunk(unsigned type, size_t *n)
{
	size_t at = 6;

	while (at < out.len) {
		assert_int_equal(net_16(at), 0);
		*n = net_16(at + 4) - 6;
		assert_true(at + 6 + *n <= out.len);
		if (net_16(at + 2) == type)
			return out.data + at + 6;
		at += 6 + *n;
	}
	return NULL;
}

static void
chunk_is(unsigned type, const void *value, size_t size)
{
	size_t n;
	const char *p = chunk(type, &n);

	assert_non_null(p);
	assert_int_equal(n, size);
	assert_memory_equal(p, value, n);
}

static void
hep_says_all_of_a_message(void **state)
{
	const struct hep h = {.time = 1700000000000042,
	    .proto = SIP_TLS,
	    .from = v4,
	    .to = v4,
	    .agent = 2001,
	    .secret = "s3cret",
	    .call = "4f1d",
	    .text = "BYE sip:a SIP/2.0\r\n\r\n",
	    .n = 21};
	size_t n;

	(void)state;
	hep_packet(&out, &h);
	assert_memory_equal(out.data, "HEP3", 4);
	assert_int_equal(net_16(4), out.len);
	chunk_is(1, "\x02", 1);
	chunk_is(2, "\x06", 1);
	chunk_is(3, "\xc0\x00\x02\x01", 4);
	chunk_is(4, "\xc0\x00\x02\x01", 4);
	chunk_is(7, "\x13\xc4", 2);
	chunk_is(8, "\x13\xc4", 2);
	chunk_is(9, "\x65\x53\xf1\x00", 4);
	chunk_is(10, "\x00\x00\x00\x2a", 4);
	chunk_is(11, "\x01", 1);
	chunk_is(12, "\x00\x00\x07\xd1", 4);
	chunk_is(14, "s3cret", 6);
	chunk_is(17, "4f1d", 4);
	chunk_is(15, h.text, h.n);
	assert_null(chunk(5, &n));
}

static void
hep_of_ipv6_has_other_chunks(void **state)
{
	char *text = calloc(1, 70000);
	const struct hep h = {
	    .from = v6, .to = none, .proto = SIP_UDP, .text = text, .n = 70000};
	size_t n;

	(void)state;
	hep_packet(&out, &h);
	assert_int_equal(net_16(4), out.len);
	chunk_is(1, "\x0a", 1);
	chunk_is(2, "\x11", 1);
	chunk_is(5, &v6.in6.sin6_addr, 16);
	chunk_is(6, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	chunk_is(8, "\0\0", 2);
	assert_null(chunk(3, &n));
	assert_null(chunk(14, &n));
	assert_null(chunk(17, &n));
	assert_non_null(chunk(15, &n));
	assert_int_equal(n, 64000);
	free(text);
}

/* ---- SIPp -------------------------------------------------------------------
 */

/* A message at the gate: ms, whether it went out, text. */
static void
passes(json_t *rows, unsigned ms, bool out_, const char *text)
{
	json_array_append_new(rows,
	    json_pack("{s:I, s:b, s:s}", "corrected", (json_int_t)ms * 1000,
		"out", (int)out_, "text", text));
}

#define HEAD(to, cseq)                                                    \
	"Via: SIP/2.0/UDP 10.0.0.1:5080;branch=z9hG4bKa\r\n"              \
	"From: <sip:101@a.test>;tag=f1\r\nTo: <sip:102@a.test>" to "\r\n" \
	"Call-ID: c1\r\nCSeq: " cseq "\r\n"

/* A challenge, a call with a body, which the called ends. */
static json_t *
call(void)
{
	json_t *rows = json_array();
	const char *invite = "INVITE sip:102@a.test SIP/2.0\r\n" HEAD("",
	    "2 INVITE") "Contact: <sip:101@10.0.0.1:5080;ob>\r\n"
			"X-Odd: [x] ]]>\\\r\n"
			"Proxy-Authorization: Digest username=\"101\"\r\n"
			"Content-Type: application/sdp\r\n"
			"Content-Length: 99\r\n\r\n"
			"v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\n"
			"m=audio 4000 RTP/AVP 0\r\na=rtcp:4001\r\n"
			"m=video 0 RTP/AVP 99\r\n";

	passes(rows, 0, false,
	    "INVITE sip:102@a.test SIP/2.0\r\n" HEAD("", "1 INVITE") "\r\n");
	passes(rows, 1, true,
	    "SIP/2.0 407 Proxy Authentication Required\r\n" HEAD(
		";tag=g", "1 INVITE") "\r\n");
	passes(rows, 2, false,
	    "ACK sip:102@a.test SIP/2.0\r\n" HEAD(";tag=g", "1 ACK") "\r\n");
	passes(rows, 3, false, invite);
	passes(rows, 503, false, invite);
	passes(rows, 504, true,
	    "SIP/2.0 100 Trying\r\n" HEAD("", "2 INVITE") "\r\n");
	passes(rows, 600, true,
	    "SIP/2.0 180 Ringing\r\n" HEAD(";tag=t1", "2 INVITE") "\r\n");
	passes(rows, 900, true,
	    "SIP/2.0 200 OK\r\n" HEAD(
		";tag=t1", "2 INVITE") "Contact: <sip:102@10.0.0.9>\r\n\r\n");
	passes(rows, 905, false,
	    "ACK sip:102@10.0.0.9 SIP/2.0\r\n" HEAD(";tag=t1", "2 ACK") "\r\n");
	passes(rows, 2905, true,
	    "BYE sip:101@10.0.0.1:5080;ob SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKb\r\n"
	    "From: <sip:102@a.test>;tag=t1\r\nTo: <sip:101@a.test>;tag=f1\r\n"
	    "Call-ID: c1\r\nCSeq: 7 BYE\r\n\r\n");
	passes(rows, 2906, false,
	    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKb\r\n"
	    "From: <sip:102@a.test>;tag=t1\r\nTo: <sip:101@a.test>;tag=f1\r\n"
	    "Call-ID: c1\r\nCSeq: 7 BYE\r\n\r\n");
	return rows;
}

static void
has(const char *want)
{
	if (strstr(out.data, want) == NULL)
		fail_msg("missing: %s\nin: %s", want, out.data);
}

/* Where commands of the scenario stand, in their order: "s" says, "r" hears,
 * "p" waits. */
static void
commands_are(const char *want)
{
	char got[64] = "", *at = out.data;
	size_t n = 0;

	while ((at = strchr(at, '<')) != NULL && n < sizeof got - 1) {
		at++;
		if (strncmp(at, "send", 4) == 0)
			got[n++] = 's';
		else if (strncmp(at, "recv", 4) == 0)
			got[n++] = 'r';
		else if (strncmp(at, "pause", 5) == 0)
			got[n++] = 'p';
	}
	assert_string_equal(got, want);
}

static void
a_client_says_what_the_caller_said(void **state)
{
	json_t *rows = call();
	struct err e;

	(void)state;
	assert_int_equal(sipp_scenario(&out, rows, true, "words", &e), 0);
	commands_are("srssrrrsrs");
	has("<!-- words -->");
	has("INVITE sip:102@a.test SIP/2.0\n");
	has("<recv response=\"407\" auth=\"true\"/>");
	/* the ACK of a refusal has the branch of its INVITE: SIPp counts for
	 * one from the command before it */
	has("ACK sip:102@a.test SIP/2.0\nVia: SIP/2.0/[transport] "
	    "[local_ip]:[local_port];branch=[branch-1]\n");
	has("[authentication]\n");
	has("X-Odd: \\x5bx] ]]\\x3e\\x5c\n");
	has("Contact: <sip:101@[local_ip]:[local_port];"
	    "transport=[transport]>\n");
	has("o=- 1 2 IN IP[local_ip_type] [local_ip]\n"
	    "c=IN IP[media_ip_type] [media_ip]\n"
	    "m=audio [media_port+0] RTP/AVP 0\nm=video 0 RTP/AVP 99\n");
	has("<recv response=\"100\" optional=\"true\"/>");
	has("<recv response=\"180\" optional=\"true\" rrs=\"true\"/>");
	has("<recv response=\"200\" rrs=\"true\"/>");
	has("ACK [next_url] SIP/2.0\nVia: SIP/2.0/[transport] "
	    "[local_ip]:[local_port];branch=[branch]\n[routes]\n"
	    "From: <sip:101@a.test>;tag=[pid]SIPpTag[call_number]\n"
	    "To: <sip:102@a.test>[peer_tag_param]\nCall-ID: [call_id]\n"
	    "CSeq: 2 ACK\n");
	has("<recv request=\"BYE\"/>");
	assert_null(strstr(out.data, "10.0.0."));
	assert_null(strstr(out.data, "username"));
	assert_null(strstr(out.data, "c1"));
	json_decref(rows);
}

static void
a_server_says_what_the_called_said(void **state)
{
	json_t *rows = call();
	struct err e;

	(void)state;
	assert_int_equal(sipp_scenario(&out, rows, false, NULL, &e), 0);
	/* what was said again was waited for */
	commands_are("rsrrpspspsrpsr");
	has("header=\"From:\" assign_to=\"from\"");
	has("<Reference variables=\"from,to\"/>");
	has("SIP/2.0 100 Trying\n[last_Via:]\n[last_Record-Route:]\n"
	    "[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n");
	has("[last_To:];tag=[pid]SIPpTag[call_number]\n");
	has("<pause milliseconds=\"2000\"/>");
	has("BYE [next_url] SIP/2.0\n");
	has("From: [$to];tag=[pid]SIPpTag[call_number]\nTo: [$from]\n");
	has("CSeq: 7 BYE\n");
	json_decref(rows);
}

/* A CANCEL and the answer to what it ends. */
static void
a_call_that_was_given_up(void **state)
{
	json_t *rows = json_array();
	struct err e;

	(void)state;
	passes(rows, 0, false,
	    "INVITE sip:102@a.test SIP/2.0\r\n" HEAD("", "1 INVITE") "\r\n");
	passes(rows, 1, true,
	    "SIP/2.0 180 Ringing\r\n" HEAD(";tag=t", "1 INVITE") "\r\n");
	passes(rows, 2, false,
	    "CANCEL sip:102@a.test SIP/2.0\r\n" HEAD("", "1 CANCEL") "\r\n");
	passes(rows, 3, true,
	    "SIP/2.0 200 OK\r\n" HEAD(";tag=t", "1 CANCEL") "\r\n");
	passes(rows, 4, true,
	    "SIP/2.0 487 Terminated\r\n" HEAD(";tag=t", "1 INVITE") "\r\n");
	passes(rows, 5, false,
	    "ACK sip:102@a.test SIP/2.0\r\n" HEAD(";tag=t", "1 ACK") "\r\n");
	assert_int_equal(sipp_scenario(&out, rows, true, NULL, &e), 0);
	commands_are("srsrrs");
	/* it is rung before it is given up */
	has("<recv response=\"180\" rrs=\"true\"/>");
	has("branch=[branch-2]\nFrom: <sip:101@a.test>;tag=[pid]SIPpTag"
	    "[call_number]\nTo: <sip:102@a.test>\n");
	has("branch=[branch-4]\n");
	buf_reset(&out);
	assert_int_equal(sipp_scenario(&out, rows, false, NULL, &e), 0);
	has("CSeq: [last_cseq_number] INVITE\n");
	json_decref(rows);
}

static void
what_is_not_whole_is_no_scenario(void **state)
{
	json_t *rows = json_array();
	struct err e;

	(void)state;
	assert_int_equal(
	    sipp_scenario(&out, rows, true, NULL, &e), -ERR_ABSENT);
	passes(rows, 0, true,
	    "BYE sip:1@h SIP/2.0\r\n" HEAD(";tag=t", "1 BYE") "\r\n");
	assert_int_equal(
	    sipp_scenario(&out, rows, true, NULL, &e), -ERR_INVALID);
	json_array_clear(rows);
	passes(rows, 0, true,
	    "INVITE sip:1@h SIP/2.0\r\n" HEAD("", "1 INVITE") "\r\n");
	passes(rows, 0, true, "\r\n");
	assert_int_equal(
	    sipp_scenario(&out, rows, true, NULL, &e), -ERR_INVALID);
	json_decref(rows);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(pcapng_is_made_of_whole_blocks),
	    T(pcap_has_a_record_for_each_message),
	    T(a_long_message_is_cut),
	    T(sums_of_packets_are_right),
	    T(hep_says_all_of_a_message),
	    T(hep_of_ipv6_has_other_chunks),
	    T(a_client_says_what_the_caller_said),
	    T(a_server_says_what_the_called_said),
	    T(a_call_that_was_given_up),
	    T(what_is_not_whole_is_no_scenario),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
